//! What egui wants to see, as a picture in memory: painted anew only where something has changed.

use std::collections::{HashMap, HashSet};

use egui::epaint::textures::TexturesDelta;
use egui::epaint::{ClippedShape, Primitive};
use egui::{Color32, ColorImage, Context, TextureId};

use super::raster::{Framebuffer, PixelRect, Texture};

/// In pixels: edges are softened, and lie between two pixels.
const SOFT_EDGE: f32 = 2.0;
/// More parts than that are painted as one.
const MAX_PARTS: usize = 24;

/// Keeps what was painted last.
#[derive(Default)]
pub struct SoftwarePainter {
    framebuffer: Framebuffer,
    textures: HashMap<TextureId, Texture>,
    /// Those on the framebuffer.
    shapes: Vec<ClippedShape>,
    pixels_per_point: f32,
}

impl SoftwarePainter {
    /// Paints what a pass has given, over a ground of `ground`. Gives back the parts that are new.
    pub fn paint(
        &mut self,
        ctx: &Context,
        size: [usize; 2],
        mut shapes: Vec<ClippedShape>,
        mut textures: TexturesDelta,
        pixels_per_point: f32,
        ground: u32,
    ) -> Vec<PixelRect> {
        let (set, free) = (std::mem::take(&mut textures.set), std::mem::take(&mut textures.free));
        // What is nowhere is not even equal to itself.
        shapes.retain(|shape| !shape.shape.visual_bounding_rect().any_nan());
        let changed: HashSet<TextureId> = set.keys().copied().filter(|id| *id != TextureId::default()).collect();
        for (id, deltas) in set {
            for delta in deltas {
                match (delta.pos, self.textures.get_mut(&id)) {
                    (Some(pos), Some(texture)) => texture.update(&delta.image, pos),
                    (Some(_), None) => {}
                    (None, _) => {
                        self.textures.insert(id, Texture::new(&delta.image, delta.options));
                    }
                }
            }
        }
        let parts = if self.framebuffer.size != size || self.pixels_per_point.to_bits() != pixels_per_point.to_bits() {
            self.framebuffer = Framebuffer::new(size);
            PixelRect::new(0, 0, size[0], size[1]).into_iter().collect()
        } else {
            merged(self.changes(&shapes, &changed, pixels_per_point))
        };
        (self.shapes, self.pixels_per_point) = (shapes, pixels_per_point);
        self.paint_parts(ctx, &parts, ground);
        for id in free {
            self.textures.remove(&id);
        }
        parts
    }

    fn paint_parts(&mut self, ctx: &Context, parts: &[PixelRect], ground: u32) {
        let size = self.framebuffer.size;
        let is_in = |shape: &&ClippedShape| {
            let place = place_of(shape, self.pixels_per_point, size);
            place.is_some_and(|place| parts.iter().any(|part| part.intersect(place).is_some()))
        };
        let shapes: Vec<ClippedShape> = self.shapes.iter().filter(is_in).cloned().collect();
        for part in parts {
            self.framebuffer.fill(*part, ground);
        }
        for clipped in ctx.tessellate(shapes, self.pixels_per_point) {
            // Nothing here draws by calls of a graphics driver.
            let Primitive::Mesh(mesh) = &clipped.primitive else { continue };
            let Some(clip) = PixelRect::of(clipped.clip_rect, self.pixels_per_point, 0.0, size) else { continue };
            let Some(texture) = self.textures.get(&mesh.texture_id) else { continue };
            for part in parts.iter().filter_map(|part| part.intersect(clip)) {
                self.framebuffer.draw(mesh, texture, self.pixels_per_point, part);
            }
        }
    }

    /// Where what is to be seen is not what was: shapes that came, went or changed, and those of another texture.
    fn changes(&self, shapes: &[ClippedShape], textures: &HashSet<TextureId>, pixels_per_point: f32) -> Vec<PixelRect> {
        let n_before = self.shapes.iter().zip(shapes).take_while(|(old, new)| old == new).count();
        let (old, new) = (self.shapes.get(n_before..).unwrap_or_default(), shapes.get(n_before..).unwrap_or_default());
        let n_behind = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
        let old = old.get(..old.len() - n_behind).unwrap_or_default();
        let new = new.get(..new.len() - n_behind).unwrap_or_default();
        // Where as many go as come, each is another one of the same.
        let is_of_pairs = old.len() == new.len();
        let differs = |n: usize| !is_of_pairs || old.get(n) != new.get(n);
        let changed = (0..).zip(old).chain((0..).zip(new)).filter(|(n, _)| differs(*n)).map(|(_, shape)| shape);
        let repainted = shapes.iter().filter(|shape| textures.contains(&shape.shape.texture_id()));
        changed.chain(repainted).filter_map(|shape| place_of(shape, pixels_per_point, self.framebuffer.size)).collect()
    }

    pub fn framebuffer(&self) -> &Framebuffer {
        &self.framebuffer
    }

    /// What is seen, for whoever wants a picture of the window.
    pub fn picture(&self) -> ColorImage {
        let color = |pixel: &u32| {
            let [_, r, g, b] = pixel.to_be_bytes();
            Color32::from_rgb(r, g, b)
        };
        ColorImage::new(self.framebuffer.size, self.framebuffer.pixels.iter().map(color).collect())
    }
}

/// The pixels that a shape may touch.
fn place_of(shape: &ClippedShape, pixels_per_point: f32, size: [usize; 2]) -> Option<PixelRect> {
    let rect = shape.transform_after_tessellation * shape.shape.visual_bounding_rect();
    let rect = rect.intersect(shape.clip_rect);
    if rect.is_negative() { None } else { PixelRect::of(rect, pixels_per_point, SOFT_EDGE, size) }
}

/// Parts that share pixels are one.
fn merged(parts: Vec<PixelRect>) -> Vec<PixelRect> {
    let mut apart: Vec<PixelRect> = Vec::new();
    for mut part in parts {
        while let Some(at) = apart.iter().position(|other| other.intersect(part).is_some()) {
            part = part.union(apart.swap_remove(at));
        }
        apart.push(part);
    }
    if apart.len() > MAX_PARTS { apart.into_iter().reduce(PixelRect::union).into_iter().collect() } else { apart }
}

#[cfg(test)]
mod tests {
    use egui::{RawInput, Rect, TextureHandle, TextureOptions, pos2, vec2};

    use super::*;

    const SIZE: [usize; 2] = [160, 120];
    const GROUND: u32 = 0x10_1418;

    /// Something to look at: words, soft and hard shapes, a picture that moves or changes.
    fn show(ui: &mut egui::Ui, random: &mut fastrand::Rng, texture: &mut Option<TextureHandle>) {
        let image = |value: u8| ColorImage::filled([8, 6], Color32::from_rgb(value, 40, 90));
        let handle = texture.get_or_insert_with(|| ui.ctx().load_texture("picture", image(0), TextureOptions::LINEAR));
        if random.bool() {
            handle.set(image(random.u8(..)), TextureOptions::LINEAR);
        }
        let place = |random: &mut fastrand::Rng| pos2(random.f32() * 160.0, random.f32() * 120.0);
        ui.label(format!("seq {}", random.u8(..)));
        ui.add(egui::ProgressBar::new(random.f32()));
        let painter = ui.painter();
        if random.bool() {
            painter.circle_filled(place(random), 12.0, Color32::from_rgba_unmultiplied(200, 80, 10, 120));
        }
        painter.line_segment([pos2(0.0, 60.0), place(random)], egui::Stroke::new(1.5, Color32::LIGHT_BLUE));
        let rect = Rect::from_min_size(pos2(60.0, 40.0), vec2(64.0, 48.0));
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(handle.id(), rect, uv, Color32::WHITE);
        ui.label("The same as ever");
    }

    /// One pass. Gives back how many pixels were painted.
    fn pass(ctx: &Context, painter: &mut SoftwarePainter, fresh: bool, mut draw: impl FnMut(&mut egui::Ui)) -> usize {
        let screen = Rect::from_min_size(egui::Pos2::ZERO, vec2(SIZE[0] as f32, SIZE[1] as f32));
        let input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
        let output = ctx.run_ui(input, |ui| draw(ui));
        if fresh {
            painter.framebuffer = Framebuffer::default();
        }
        let (shapes, scale) = (output.shapes, output.pixels_per_point);
        let parts = painter.paint(ctx, SIZE, shapes, output.textures_delta, scale, GROUND);
        parts.into_iter().map(PixelRect::n_pixels).sum()
    }

    #[test]
    fn what_is_painted_in_parts_is_as_if_painted_whole() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        // Two windows that are drawn alike: of one all is painted each time.
        let (contexts, mut painters) =
            ([Context::default(), Context::default()], [(); 2].map(|()| SoftwarePainter::default()));
        let mut textures = [None, None];
        let mut n_painted = [0, 0];
        for n in 0..60 {
            for (which, ctx) in contexts.iter().enumerate() {
                let mut random = fastrand::Rng::with_seed(seed.wrapping_add(n));
                let painter = &mut painters[which];
                n_painted[which] += pass(ctx, painter, which == 1, |ui| show(ui, &mut random, &mut textures[which]));
            }
            let [one, other] = [0, 1].map(|which| &painters[which].framebuffer.pixels);
            let differ = one.iter().zip(other).filter(|(a, b)| a != b).count();
            assert_eq!(differ, 0, "pixels in pass {n}, seed {seed}");
        }
        assert!(n_painted[0] < n_painted[1], "{n_painted:?}");
    }

    #[test]
    fn nothing_is_painted_where_nothing_changes() {
        let ctx = Context::default();
        let (mut painter, mut value) = (SoftwarePainter::default(), 0.0);
        let draw = |painter: &mut SoftwarePainter, value: f32| {
            pass(&ctx, painter, false, |ui| {
                ui.label("Still");
                let rect = Rect::from_min_size(pos2(100.0, 100.0), vec2(value, 4.0));
                ui.painter().rect_filled(rect, 0, Color32::RED);
            })
        };
        assert_eq!(draw(&mut painter, value), SIZE[0] * SIZE[1]);
        // The fonts are made in the first passes.
        for _ in 0..3 {
            draw(&mut painter, value);
        }
        assert_eq!(draw(&mut painter, value), 0);
        value = 20.0;
        assert!((1..400).contains(&draw(&mut painter, value)));
        assert_eq!(draw(&mut painter, value), 0);
    }

    #[test]
    fn parts_that_touch_are_one() {
        let rect = |left, right| PixelRect::new(left, 0, right, 4).unwrap();
        assert_eq!(merged(vec![rect(0, 4), rect(8, 12), rect(3, 9)]), [rect(0, 12)]);
        assert_eq!(merged(vec![rect(0, 4), rect(4, 8)]).len(), 2);
        assert_eq!(merged((0..40).map(|n| rect(n * 8, n * 8 + 4)).collect()), [rect(0, 316)]);
    }
}
