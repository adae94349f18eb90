//! What helps to look into the picture: lines, numbers and marks over it, a comparison, and the menu that has all of it. Nothing of it
//! is in what is saved or recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{
    Align2, Color32, ColorImage, Mesh, Painter, Pos2, Rect, Sense, Shape, Stroke, TextureHandle, TextureOptions, Ui,
    Vec2, WidgetInfo, pos2, vec2,
};

use super::analysis::{self, BrightnessHistogram, Marks, PixelMark};
use super::view::PlacedPicture;
use super::{color_image_from_bgr, plate_at};
use crate::frame::{Frame as CameraFrame, Image, Size};
use crate::ui::text;
use crate::ui::theme::{self, Palette, SMALL};

/// Moving pictures are looked at so often.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// Of the histogram and of the waveform, in points.
const CHART: Vec2 = vec2(256.0, 96.0);
/// Of the small map, at most, in points.
const MAP: Vec2 = vec2(168.0, 120.0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureTool {
    Pixel,
    Grid,
    Crosshair,
    Histogram,
    Waveform,
    Clipping,
    Focus,
}

impl PictureTool {
    pub const ALL: [Self; 7] =
        [Self::Pixel, Self::Grid, Self::Crosshair, Self::Histogram, Self::Waveform, Self::Clipping, Self::Focus];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pixel => "Pixel under the pointer",
            Self::Grid => "Grid",
            Self::Crosshair => "Crosshair",
            Self::Histogram => "Histogram",
            Self::Waveform => "Waveform",
            Self::Clipping => "Clipping stripes",
            Self::Focus => "Focus peaking",
        }
    }

    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Pixel => "Place, colour and brightness of one pixel",
            Self::Grid => "Thirds of the picture, to hang a camera straight",
            Self::Crosshair => "The middle of the picture",
            Self::Histogram => "How many pixels are how bright, and the shares without detail",
            Self::Waveform => "How bright the picture is from left to right",
            Self::Clipping => "Red where it is white, blue where it is black without detail",
            Self::Focus => "Green where edges are sharp, and whether the focus is better or worse than the best so far",
        }
    }
}

/// How a picture is compared with another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ComparisonWay {
    /// The other one at the left of a line; where it is, as a share of the picture's room.
    Slider(f32),
    /// What differs, four times as strong.
    Difference,
}

/// The picture to compare with.
pub struct ComparedPicture {
    image: Image,
    /// What it is, for people.
    pub name: String,
    pub way: ComparisonWay,
    texture: Option<TextureHandle>,
}

impl ComparedPicture {
    #[must_use]
    pub fn new(image: Image, name: String) -> Self {
        Self { image, name, way: ComparisonWay::Slider(0.5), texture: None }
    }
}

/// What is switched on, and what was found in the picture.
#[derive(Default)]
pub struct ToolState {
    pub on: BTreeSet<PictureTool>,
    pub compared: Option<ComparedPicture>,
    looked_at: Option<Instant>,
    /// The picture that was looked at last, with what was switched on then.
    seen: Option<(u64, BTreeSet<PictureTool>)>,
    histogram: Option<BrightnessHistogram>,
    waveform: Option<TextureHandle>,
    marks: Option<TextureHandle>,
    difference: Option<TextureHandle>,
    sharpness: Option<f32>,
    /// The best since the tool was switched on.
    best_sharpness: f32,
}

impl ToolState {
    pub fn toggle(&mut self, tool: PictureTool) {
        if !self.on.remove(&tool) {
            self.on.insert(tool);
        }
        if tool == PictureTool::Focus {
            (self.sharpness, self.best_sharpness) = (None, 0.0);
        }
    }

    fn has(&self, tool: PictureTool) -> bool {
        self.on.contains(&tool)
    }

    /// Looks at a picture, now and then, as far as something is switched on that wants it.
    pub fn look(&mut self, ctx: &egui::Context, frame: &CameraFrame, now: Instant) {
        let is_same = self.seen.as_ref().is_some_and(|(number, on)| *number == frame.number && *on == self.on);
        let is_soon = self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < LOOK_PERIOD);
        if is_same || is_soon {
            return;
        }
        (self.looked_at, self.seen) = (Some(now), Some((frame.number, self.on.clone())));
        let image = &frame.image;
        self.histogram = self.has(PictureTool::Histogram).then(|| BrightnessHistogram::of(image));
        if self.has(PictureTool::Waveform) {
            let size = [256, 96];
            let wave = analysis::waveform(image, size[0], size[1]);
            let pixels = wave.iter().map(|value| Color32::from_rgba_unmultiplied(150, 230, 170, *value)).collect();
            put(&mut self.waveform, ctx, "waveform", ColorImage::new(size, pixels));
        }
        let mut marks = self.has(PictureTool::Clipping).then(|| analysis::clipping(image));
        if self.has(PictureTool::Focus) {
            let (edges, sharpness) = analysis::sharpness(image);
            self.best_sharpness = self.best_sharpness.max(sharpness);
            self.sharpness = Some(sharpness);
            marks = Some(match marks {
                Some(clipped) => both(clipped, &edges),
                None => edges,
            });
        }
        match marks {
            Some(marks) => put(&mut self.marks, ctx, "marks", marks_image(&marks)),
            None => self.marks = None,
        }
        let is_difference = |compared: &&ComparedPicture| compared.way == ComparisonWay::Difference;
        let difference = self.compared.as_ref().filter(is_difference);
        match difference.and_then(|compared| analysis::difference(image, &compared.image)) {
            Some(difference) => put(&mut self.difference, ctx, "difference", color_image_from_bgr(&difference)),
            None => self.difference = None,
        }
    }

    /// Forgets what was looked at: something else is wanted of the same picture.
    pub fn look_again(&mut self) {
        (self.looked_at, self.seen) = (None, None);
    }

    /// What lies over the picture itself.
    pub fn paint(&self, painter: &Painter, placed: &PlacedPicture) {
        if let Some(difference) = &self.difference {
            paint_texture(painter, difference, &placed.corners(), Color32::WHITE);
        }
        if let Some(marks) = &self.marks {
            paint_texture(painter, marks, &placed.corners(), Color32::WHITE);
        }
        let line = Stroke::new(1.0, Color32::from_white_alpha(150));
        let shadow = Stroke::new(3.0, Color32::from_black_alpha(90));
        let Vec2 { x: width, y: height } = placed.size;
        let draw = |from: Pos2, to: Pos2| {
            for stroke in [shadow, line] {
                painter.line_segment([placed.at(from), placed.at(to)], stroke);
            }
        };
        if self.has(PictureTool::Grid) {
            for third in [1.0 / 3.0, 2.0 / 3.0] {
                draw(pos2(width * third, 0.0), pos2(width * third, height));
                draw(pos2(0.0, height * third), pos2(width, height * third));
            }
        }
        if self.has(PictureTool::Crosshair) {
            draw(pos2(width / 2.0, 0.0), pos2(width / 2.0, height));
            draw(pos2(0.0, height / 2.0), pos2(width, height / 2.0));
        }
    }

    /// The other picture at the left of its line, and the line, which can be pulled.
    pub fn draw_comparison(&mut self, ui: &mut Ui, placed: &PlacedPicture) {
        let Some(compared) = &mut self.compared else { return };
        let ComparisonWay::Slider(share) = compared.way else { return };
        let image = &compared.image;
        let texture = compared.texture.get_or_insert_with(|| {
            ui.ctx().load_texture("compared", color_image_from_bgr(image), TextureOptions::LINEAR)
        });
        let shown = placed.shown();
        let x = shown.left() + shown.width() * share;
        let left = Rect::from_min_max(shown.min, pos2(x, shown.max.y));
        paint_texture(
            &ui.painter().with_clip_rect(left.intersect(ui.clip_rect())),
            texture,
            &placed.corners(),
            Color32::WHITE,
        );
        let grip = Rect::from_center_size(pos2(x, shown.center().y), vec2(14.0, shown.height()));
        let response = ui.interact(grip, ui.scope_id().with("comparison"), Sense::drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, "Where the two pictures meet"));
        if response.dragged() {
            let share = (x + response.drag_delta().x - shown.left()) / shown.width().max(1.0);
            compared.way = ComparisonWay::Slider(share.clamp(0.0, 1.0));
        }
        if response.hovered() || response.dragged() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::ResizeHorizontal);
        }
        for stroke in [Stroke::new(4.0, Color32::from_black_alpha(120)), Stroke::new(1.5, Color32::WHITE)] {
            ui.painter().vline(x, shown.y_range(), stroke);
        }
    }

    /// Charts and numbers beside the picture's middle, each on a plate of its own, from the bottom left upwards.
    pub fn draw_charts(&self, ui: &mut Ui, stage: Rect, frame: &CameraFrame, placed: &PlacedPicture) {
        let mut left = stage.shrink(14.0);
        let mut take = |size: Vec2| {
            let rect = Rect::from_min_size(pos2(left.left(), left.bottom() - size.y), size);
            left.max.y -= size.y + 8.0;
            rect
        };
        if let Some(compared) = &self.compared {
            let is_other_size = {
                let (one, other) = (compared.image.size(), frame.image.size());
                compared.way == ComparisonWay::Difference && one != other
            };
            let words = match compared.way {
                _ if is_other_size => format!("{} has another size: their difference cannot be shown.", compared.name),
                ComparisonWay::Slider(_) => format!("left: {}; right: now", compared.name),
                ComparisonWay::Difference => format!("difference from {}, four times as strong", compared.name),
            };
            plate_at(ui, take(vec2(stage.width().min(460.0), 30.0)), Align2::LEFT_CENTER, &words);
        }
        if let Some(sharpness) = self.sharpness.filter(|_| self.has(PictureTool::Focus)) {
            let percent = 100.0 * sharpness / self.best_sharpness.max(f32::MIN_POSITIVE);
            let word = if percent >= 97.0 { "as good as the best so far" } else { "worse than the best so far" };
            plate_at(ui, take(vec2(300.0, 30.0)), Align2::LEFT_CENTER, &format!("Focus {percent:.0} % · {word}"));
        }
        if let Some(histogram) = self.histogram.as_ref().filter(|_| self.has(PictureTool::Histogram)) {
            draw_histogram(ui, take(CHART + vec2(16.0, 38.0)), histogram);
        }
        if let Some(waveform) = self.waveform.as_ref().filter(|_| self.has(PictureTool::Waveform)) {
            let rect = take(CHART + vec2(16.0, 16.0));
            ui.painter().rect_filled(rect, 6, Color32::from_black_alpha(190));
            let inner = rect.shrink(8.0);
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(waveform.id(), inner, whole, Color32::WHITE);
            named(ui, rect, "Waveform: brightness from left to right");
        }
        if self.has(PictureTool::Pixel)
            && let Some(at) = ui.input(|input| input.pointer.hover_pos()).filter(|at| placed.shown().contains(*at))
            && let Some((x, y)) = whole_pixel(placed.pixel_at(at), frame.image.size())
            && let Some(value) = analysis::pixel(&frame.image, x, y)
        {
            let analysis::PixelValue { red, green, blue, luma } = value;
            let words = format!("x {x}  y {y} · R {red}  G {green}  B {blue} · brightness {luma}");
            let rect = plate_at(ui, take(vec2(360.0, 30.0)), Align2::LEFT_CENTER, &words);
            let swatch = Rect::from_min_size(rect.right_top() + vec2(8.0, 0.0), Vec2::splat(rect.height()));
            ui.painter().rect_filled(swatch, 4, Color32::from_rgb(red, green, blue));
        }
    }
}

fn whole_pixel(at: Pos2, size: Size) -> Option<(u32, u32)> {
    let is_inside = at.x >= 0.0 && at.y >= 0.0 && at.x < size.width as f32 && at.y < size.height as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside of the picture")]
    is_inside.then_some((at.x as u32, at.y as u32))
}

fn put(slot: &mut Option<TextureHandle>, ctx: &egui::Context, name: &str, image: ColorImage) {
    match slot {
        Some(texture) => texture.set(image, TextureOptions::NEAREST),
        None => *slot = Some(ctx.load_texture(name, image, TextureOptions::NEAREST)),
    }
}

fn both(mut marks: Marks, more: &Marks) -> Marks {
    for (mark, other) in marks.marks.iter_mut().zip(&more.marks) {
        if *mark == PixelMark::Nothing {
            *mark = *other;
        }
    }
    marks
}

fn marks_image(marks: &Marks) -> ColorImage {
    let width = marks.size.width as usize;
    let color = |(index, mark): (usize, &PixelMark)| {
        // Stripes, so that the picture is seen between them.
        let is_stripe = ((index % width.max(1) + index / width.max(1)) / 4).is_multiple_of(2);
        match mark {
            PixelMark::White if is_stripe => Color32::from_rgb(255, 40, 40),
            PixelMark::Black if is_stripe => Color32::from_rgb(60, 120, 255),
            PixelMark::Sharp => Color32::from_rgb(40, 255, 80),
            PixelMark::Nothing | PixelMark::White | PixelMark::Black => Color32::TRANSPARENT,
        }
    };
    let pixels = marks.marks.iter().enumerate().map(color).collect();
    ColorImage::new([width, marks.size.height as usize], pixels)
}

/// A picture whose corners are there, as [`PlacedPicture::corners`] has them.
pub fn paint_texture(painter: &Painter, texture: &TextureHandle, corners: &[Pos2; 4], tint: Color32) {
    let mut mesh = Mesh::with_texture(texture.id());
    let uv = [pos2(0.0, 0.0), pos2(1.0, 0.0), pos2(1.0, 1.0), pos2(0.0, 1.0)];
    for (pos, uv) in corners.iter().zip(uv) {
        mesh.vertices.push(egui::epaint::Vertex { pos: *pos, uv, color: tint });
    }
    mesh.indices = vec![0, 1, 2, 0, 2, 3];
    painter.add(Shape::mesh(mesh));
}

fn named(ui: &Ui, rect: Rect, words: &str) {
    let response = ui.interact(rect, ui.scope_id().with(("chart", words.len())), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
}

fn draw_histogram(ui: &Ui, rect: Rect, histogram: &BrightnessHistogram) {
    let palette = Palette::over_picture();
    let painter = ui.painter();
    painter.rect_filled(rect, 6, Color32::from_black_alpha(190));
    let inner = Rect::from_min_size(rect.min + vec2(8.0, 8.0), CHART);
    // One large value, such as black all over, must not hide all others.
    let most =
        histogram.counts.iter().flat_map(|counts| counts.iter().skip(1).take(254)).max().copied().unwrap_or(0).max(1);
    let colors = [
        Color32::from_rgb(255, 90, 90),
        Color32::from_rgb(90, 230, 110),
        Color32::from_rgb(110, 150, 255),
        palette.text_strong,
    ];
    for (counts, color) in histogram.counts.iter().zip(colors) {
        let point = |(value, count): (usize, &u32)| {
            let height = (*count as f32 / most as f32).sqrt().min(1.0);
            pos2(inner.left() + value as f32 / 255.0 * inner.width(), inner.bottom() - height * inner.height())
        };
        let points = counts.iter().enumerate().map(point).collect();
        painter.add(Shape::line(points, Stroke::new(1.0, color.gamma_multiply(0.85))));
    }
    let (black, white) = histogram.clipped();
    let words = format!("black {:.1} % · white {:.1} % without detail", black * 100.0, white * 100.0);
    painter.text(
        pos2(inner.left(), rect.bottom() - 8.0),
        Align2::LEFT_BOTTOM,
        &words,
        theme::regular(SMALL),
        palette.text,
    );
    named(ui, rect, &format!("Histogram: {words}"));
}

/// Where in the picture the part is that is seen; a click or a pull goes elsewhere. Gives back the pixel that is wanted in the middle.
#[must_use]
pub fn draw_map(ui: &Ui, texture: &TextureHandle, stage: Rect, placed: &PlacedPicture) -> Option<Pos2> {
    let scale = (MAP / placed.size.max(Vec2::splat(1.0))).min_elem();
    let size = placed.size * scale;
    let rect = Align2::RIGHT_BOTTOM.align_size_within_rect(size, stage.shrink(14.0));
    let painter = ui.painter();
    painter.rect_filled(rect.expand(3.0), 4, Color32::from_black_alpha(200));
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()];
    paint_texture(painter, texture, &corners, Color32::from_gray(0xd0));
    let seen = placed.seen();
    let seen = Rect::from_min_max(rect.min + seen.min.to_vec2() * scale, rect.min + seen.max.to_vec2() * scale);
    painter.rect_stroke(seen.intersect(rect), 0, Stroke::new(1.5, Color32::WHITE), egui::StrokeKind::Inside);
    let response = ui.interact(rect, ui.scope_id().with("map"), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Where the part that is seen is in the picture"));
    let at = response.interact_pointer_pos().filter(|_| response.clicked() || response.dragged())?;
    Some(((at - rect.min) / scale).to_pos2())
}

/// The words for a picture that is held.
#[must_use]
pub fn paused_words(frame: &Arc<CameraFrame>) -> String {
    format!("Picture paused · {} · the camera goes on", text::clock_tenths(frame.taken_at_wall))
}
