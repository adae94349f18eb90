//! Rectangles and triangles in a picture in memory: what a graphics driver does, by a processor. Pure.
//!
//! Colours are premultiplied, 0xAARRGGBB, and are mixed as they are, as egui expects it of a graphics driver. A pixel belongs to a shape
//! if its middle does, so that neighbours share none and leave none out.

use egui::epaint::{Mesh, Vertex};
use egui::{Color32, ImageData, Rect, TextureFilter, TextureOptions};

/// Of a picture, in pixels. Right and bottom are outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelRect {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl PixelRect {
    /// `None` where nothing is left.
    pub fn new(left: usize, top: usize, right: usize, bottom: usize) -> Option<Self> {
        (left < right && top < bottom).then_some(Self { left, top, right, bottom })
    }

    /// What is nearest to a rectangle in points, within a picture of that size; `margin` in pixels.
    pub fn of(rect: Rect, pixels_per_point: f32, margin: f32, [width, height]: [usize; 2]) -> Option<Self> {
        let side = |points: f32, margin: f32, most: usize| {
            let pixel = (points * pixels_per_point).round() + margin;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
            let pixel = pixel as usize;
            pixel.min(most)
        };
        Self::new(
            side(rect.left(), -margin, width),
            side(rect.top(), -margin, height),
            side(rect.right(), margin, width),
            side(rect.bottom(), margin, height),
        )
    }

    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(
            self.left.max(other.left),
            self.top.max(other.top),
            self.right.min(other.right),
            self.bottom.min(other.bottom),
        )
    }

    pub fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    #[cfg(test)]
    pub fn n_pixels(self) -> usize {
        (self.right - self.left) * (self.bottom - self.top)
    }
}

/// What is painted on. 0x00RRGGBB, a row after the other.
#[derive(Default)]
pub struct Framebuffer {
    pub size: [usize; 2],
    pub pixels: Vec<u32>,
}

impl Framebuffer {
    pub fn new(size: [usize; 2]) -> Self {
        Self { size, pixels: vec![0; size.iter().product()] }
    }

    pub fn rows(&self, rect: PixelRect) -> impl Iterator<Item = &[u32]> {
        let rows = self.pixels.chunks_exact(self.size[0].max(1)).take(rect.bottom).skip(rect.top);
        rows.filter_map(move |row| row.get(rect.left..rect.right))
    }

    fn rows_mut(&mut self, rect: PixelRect) -> impl Iterator<Item = &mut [u32]> {
        let rows = self.pixels.chunks_exact_mut(self.size[0].max(1)).take(rect.bottom).skip(rect.top);
        rows.filter_map(move |row| row.get_mut(rect.left..rect.right))
    }

    pub fn fill(&mut self, rect: PixelRect, color: u32) {
        self.rows_mut(rect).for_each(|row| row.fill(color & RGB));
    }

    /// Paints a mesh, of which only what is in `clip` is seen.
    pub fn draw(&mut self, mesh: &Mesh, texture: &Texture, pixels_per_point: f32, clip: PixelRect) {
        let corner = |index: &u32| {
            mesh.vertices.get(*index as usize).map(|vertex| Corner::of(vertex, pixels_per_point, texture))
        };
        let (triangles, _) = mesh.indices.as_chunks::<3>();
        let mut triangles = triangles;
        while let [[a, b, c], rest @ ..] = triangles {
            triangles = rest;
            let (Some(a_corner), Some(b_corner), Some(c_corner)) = (corner(a), corner(b), corner(c)) else { continue };
            let first = [a_corner, b_corner, c_corner];
            // Most of an interface are rectangles of two triangles.
            if let [next, behind @ ..] = rest
                && let Some(fourth) = next.iter().find(|index| ![a, b, c].contains(index))
                && next.iter().filter(|index| [a, b, c].contains(index)).count() == 2
                && let Some(corner) = corner(fourth)
                && let Some(rectangle) = Rectangle::of(first, corner)
            {
                self.draw_rectangle(&rectangle, texture, clip);
                triangles = behind;
            } else {
                self.draw_triangle(first, texture, clip);
            }
        }
    }

    fn draw_rectangle(&mut self, rectangle: &Rectangle, texture: &Texture, clip: PixelRect) {
        let Rectangle { left_top, right_bottom, color } = rectangle;
        let (x0, y0, x1, y1) = (left_top.x, left_top.y, right_bottom.x, right_bottom.y);
        let bounds = PixelRect::new(first_pixel(x0), first_pixel(y0), first_pixel(x1), first_pixel(y1));
        let Some(rect) = bounds.and_then(|bounds| bounds.intersect(clip)) else { return };
        let (u0, v0, u1, v1) = (left_top.u, left_top.v, right_bottom.u, right_bottom.v);
        if (u0, v0) == (u1, v1) {
            let color = times(texture.at(u0, v0), *color);
            self.rows_mut(rect).for_each(|row| row.iter_mut().for_each(|pixel| mix(pixel, color)));
            return;
        }
        let across = steps(rect.left..rect.right, x0, (u1 - u0) / (x1 - x0), u0, texture.size[0], texture.is_smooth);
        let down = steps(rect.top..rect.bottom, y0, (v1 - v0) / (y1 - y0), v0, texture.size[1], texture.is_smooth);
        let is_between = across.iter().any(|step| step.part > 0);
        let is_plain = texture.is_opaque && *color == WHITE;
        let mut line = Vec::with_capacity(texture.size[0] + 1);
        let mut of = None;
        for (pixels, step) in self.rows_mut(rect).zip(&down) {
            // Magnified, several rows show the same one.
            if of != Some(step) {
                texture.line(step, &mut line);
                of = Some(step);
            }
            let colors = across.iter().map(|step| match line.get(step.at..step.at + 2) {
                Some([a, b]) if is_between => between(*a, *b, step.part),
                Some([a, _]) => *a,
                _ => 0,
            });
            let pixels = pixels.iter_mut().zip(colors);
            if is_plain {
                pixels.for_each(|(pixel, color)| *pixel = color & RGB);
            } else {
                pixels.for_each(|(pixel, own)| mix(pixel, times(own, *color)));
            }
        }
    }

    fn draw_triangle(&mut self, [a, b, c]: [Corner; 3], texture: &Texture, clip: PixelRect) {
        let (left, right) = (a.x.min(b.x).min(c.x), a.x.max(b.x).max(c.x));
        let (top, bottom) = (a.y.min(b.y).min(c.y), a.y.max(b.y).max(c.y));
        let bounds = PixelRect::new(first_pixel(left), first_pixel(top), first_pixel(right), first_pixel(bottom));
        let twice_area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
        let Some(rect) = bounds.and_then(|bounds| bounds.intersect(clip)).filter(|_| twice_area != 0.0) else { return };
        let slopes = |of: &dyn Fn(&Corner) -> f32| {
            let (from_a_to_b, from_a_to_c) = (of(&b) - of(&a), of(&c) - of(&a));
            let across = (from_a_to_b * (c.y - a.y) - from_a_to_c * (b.y - a.y)) / twice_area;
            let down = (from_a_to_c * (b.x - a.x) - from_a_to_b * (c.x - a.x)) / twice_area;
            (across, down)
        };
        let (u, v) = (slopes(&|corner| corner.u), slopes(&|corner| corner.v));
        let colors: [(f32, f32); 4] = std::array::from_fn(|n| {
            slopes(&|corner| corner.color.to_be_bytes().get(n).map_or(0.0, |byte| f32::from(*byte)))
        });
        let is_of_one_texel = (a.u, a.v) == (b.u, b.v) && (a.u, a.v) == (c.u, c.v);
        let is_of_one_color = a.color == b.color && a.color == c.color;
        let texel = texture.at(a.u, a.v);
        let first = a.color.to_be_bytes().map(f32::from);
        for (y, pixels) in (rect.top..).zip(self.rows_mut(rect)) {
            let middle = y as f32 + 0.5;
            let mut ends =
                [(&a, &b), (&b, &c), (&c, &a)].into_iter().filter_map(|(from, to)| crossing(from, to, middle));
            let (Some(one), Some(other)) = (ends.next(), ends.next()) else { continue };
            let begin = first_pixel(one.min(other)).clamp(rect.left, rect.right);
            let end = first_pixel(one.max(other)).clamp(begin, rect.right);
            let pixels = pixels.get_mut(begin - rect.left..end - rect.left).into_iter().flatten();
            if is_of_one_texel && is_of_one_color {
                let color = times(texel, a.color);
                pixels.for_each(|pixel| mix(pixel, color));
                continue;
            }
            let dy = middle - a.y;
            for (x, pixel) in (begin..).zip(pixels) {
                let dx = x as f32 + 0.5 - a.x;
                let at = |start: f32, (across, down): (f32, f32)| start + across * dx + down * dy;
                let color = if is_of_one_color {
                    a.color
                } else {
                    let mut channels = first.iter().zip(&colors).map(|(start, slopes)| byte_of(at(*start, *slopes)));
                    u32::from_be_bytes(std::array::from_fn(|_| channels.next().unwrap_or_default()))
                };
                let texel = if is_of_one_texel { texel } else { texture.at(at(a.u, u), at(a.v, v)) };
                mix(pixel, times(texel, color));
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
fn byte_of(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}

/// The first pixel whose middle is not before this place.
fn first_pixel(place: f32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates: what is left of the picture begins with it"
    )]
    let pixel = (place - 0.5).ceil() as usize;
    pixel
}

/// Where the line between two corners is at that height. Both triangles of a line get the same.
fn crossing(from: &Corner, to: &Corner, y: f32) -> Option<f32> {
    let (above, below) = if from.y <= to.y { (from, to) } else { (to, from) };
    (above.y <= y && y < below.y).then(|| above.x + (y - above.y) * ((below.x - above.x) / (below.y - above.y)))
}

/// Of a mesh, in pixels of the picture and of the texture.
#[derive(Clone, Copy)]
struct Corner {
    x: f32,
    y: f32,
    u: f32,
    v: f32,
    color: u32,
}

impl Corner {
    fn of(vertex: &Vertex, pixels_per_point: f32, texture: &Texture) -> Self {
        let [width, height] = texture.size;
        Self {
            x: vertex.pos.x * pixels_per_point,
            y: vertex.pos.y * pixels_per_point,
            u: vertex.uv.x * width as f32,
            v: vertex.uv.y * height as f32,
            color: word_of(vertex.color),
        }
    }
}

/// Of one colour or one texture, with sides that lie and stand.
struct Rectangle {
    left_top: Corner,
    right_bottom: Corner,
    color: u32,
}

impl Rectangle {
    /// `None` if the corners are those of anything else.
    fn of(three: [Corner; 3], fourth: Corner) -> Option<Self> {
        let corners = [three[0], three[1], three[2], fourth];
        let by_place = |a: &&Corner, b: &&Corner| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y));
        let (left_top, right_bottom) = (*corners.iter().min_by(by_place)?, *corners.iter().max_by(by_place)?);
        let is_corner = |x: &Corner, y: &Corner| {
            corners.iter().any(|corner| {
                (corner.x, corner.y) == (x.x, y.y)
                    && (corner.u, corner.v) == (x.u, y.v)
                    && corner.color == left_top.color
            })
        };
        let all = is_corner(&left_top, &left_top)
            && is_corner(&right_bottom, &left_top)
            && is_corner(&left_top, &right_bottom)
            && is_corner(&right_bottom, &right_bottom);
        let has_size = left_top.x < right_bottom.x && left_top.y < right_bottom.y;
        (all && has_size).then_some(Self { left_top, right_bottom, color: left_top.color })
    }
}

/// Which texels a pixel of the picture shows: this one, and so many 256ths of the one behind it.
#[derive(Clone, Copy, PartialEq)]
struct TexelStep {
    at: usize,
    part: u32,
}

/// For each pixel, where `start` shows `from`.
fn steps(
    pixels: std::ops::Range<usize>,
    start: f32,
    texels_per_pixel: f32,
    from: f32,
    n_texels: usize,
    is_smooth: bool,
) -> Vec<TexelStep> {
    let step = |pixel: usize| texel_at(from + (pixel as f32 + 0.5 - start) * texels_per_pixel, n_texels, is_smooth);
    pixels.map(step).collect()
}

fn texel_at(place: f32, n_texels: usize, is_smooth: bool) -> TexelStep {
    let last = n_texels.saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    if is_smooth {
        // A texel is what it is in its middle.
        let fixed = ((place - 0.5) * 256.0 + 0.5) as usize;
        let at = (fixed / 256).min(last);
        TexelStep { at, part: if at == last { 0 } else { (fixed % 256) as u32 } }
    } else {
        TexelStep { at: (place as usize).min(last), part: 0 }
    }
}

/// A picture that is painted.
pub struct Texture {
    size: [usize; 2],
    pixels: Vec<u32>,
    is_opaque: bool,
    /// Between two texels there is something of both.
    is_smooth: bool,
}

impl Texture {
    pub fn new(image: &ImageData, options: TextureOptions) -> Self {
        let ImageData::Color(image) = image;
        let pixels: Vec<u32> = image.pixels.iter().map(|color| word_of(*color)).collect();
        Self {
            size: image.size,
            is_opaque: pixels.iter().all(|pixel| pixel >> 24 == 0xff),
            pixels,
            is_smooth: options.magnification == TextureFilter::Linear,
        }
    }

    /// Puts a picture into a part of it.
    pub fn update(&mut self, image: &ImageData, [left, top]: [usize; 2]) {
        let ImageData::Color(image) = image;
        let [width, height] = image.size;
        let rows = self.pixels.chunks_exact_mut(self.size[0].max(1)).skip(top).take(height);
        for (row, new) in rows.zip(image.pixels.chunks_exact(width.max(1))) {
            let old = row.get_mut(left..).unwrap_or_default().iter_mut();
            old.zip(new).for_each(|(pixel, color)| *pixel = word_of(*color));
        }
        self.is_opaque &= image.pixels.iter().all(|color| color.a() == 0xff);
    }

    fn row(&self, y: usize) -> &[u32] {
        let width = self.size[0];
        self.pixels.get(y * width..(y + 1) * width).unwrap_or_default()
    }

    /// One row, or what is between it and the next; its last texel twice.
    fn line(&self, step: &TexelStep, line: &mut Vec<u32>) {
        line.clear();
        let row = self.row(step.at);
        if step.part == 0 {
            line.extend_from_slice(row);
        } else {
            line.extend(row.iter().zip(self.row(step.at + 1)).map(|(a, b)| between(*a, *b, step.part)));
        }
        line.extend(line.last().copied());
    }

    /// What is there, in texels.
    fn at(&self, u: f32, v: f32) -> u32 {
        let (across, down) = (texel_at(u, self.size[0], self.is_smooth), texel_at(v, self.size[1], self.is_smooth));
        let in_row = |y: usize| {
            let row = self.row(y);
            let at = |x: usize| row.get(x).copied().unwrap_or_default();
            if across.part == 0 { at(across.at) } else { between(at(across.at), at(across.at + 1), across.part) }
        };
        if down.part == 0 { in_row(down.at) } else { between(in_row(down.at), in_row(down.at + 1), down.part) }
    }
}

const WHITE: u32 = u32::MAX;
const RGB: u32 = 0x00ff_ffff;
/// Two channels of four, with room between them.
const EVEN: u32 = 0x00ff_00ff;

pub fn word_of(color: Color32) -> u32 {
    let [r, g, b, a] = color.to_array();
    u32::from_be_bytes([a, r, g, b])
}

/// So many 256ths of the way from one colour to another.
#[inline]
fn between(a: u32, b: u32, part: u32) -> u32 {
    let rest = 256 - part;
    let even = ((a & EVEN) * rest + (b & EVEN) * part) >> 8 & EVEN;
    let odd = ((a >> 8 & EVEN) * rest + (b >> 8 & EVEN) * part) & !EVEN;
    even | odd
}

#[inline]
fn times(a: u32, b: u32) -> u32 {
    match (a, b) {
        (WHITE, color) | (color, WHITE) => color,
        _ => of_channels(a, b, |a, b| (a * b + 127) / 255),
    }
}

/// Lays a premultiplied colour over a pixel. Without alpha it is added.
#[inline]
fn mix(pixel: &mut u32, color: u32) {
    match color >> 24 {
        0xff => *pixel = color & RGB,
        0 if color == 0 => {}
        alpha => {
            let rest = 255 - alpha;
            *pixel = of_channels(color, *pixel, |own, below| (own + (below * rest + 127) / 255).min(255)) & RGB;
        }
    }
}

#[inline]
fn of_channels(a: u32, b: u32, of: impl Fn(u32, u32) -> u32) -> u32 {
    [0, 8, 16, 24].into_iter().fold(0, |word, shift| word | of(a >> shift & 0xff, b >> shift & 0xff) << shift)
}

#[cfg(test)]
mod tests {
    use egui::{ColorImage, Pos2, pos2};

    use super::*;

    fn texture(size: [usize; 2], pixels: &[u32], options: TextureOptions) -> Texture {
        let color = |word: &u32| {
            let [a, r, g, b] = word.to_be_bytes();
            Color32::from_rgba_premultiplied(r, g, b, a)
        };
        Texture::new(&ImageData::from(ColorImage::new(size, pixels.iter().map(color).collect())), options)
    }

    fn white() -> Texture {
        texture([1, 1], &[WHITE], TextureOptions::LINEAR)
    }

    /// Paints triangles of one colour, in pixels.
    fn painted(triangles: &[[(f32, f32); 3]], color: Color32, size: [usize; 2]) -> Framebuffer {
        let mut mesh = Mesh::default();
        for (n, (x, y)) in (0..).zip(triangles.iter().flatten()) {
            mesh.indices.push(n);
            mesh.vertices.push(Vertex { pos: pos2(*x, *y), uv: Pos2::ZERO, color });
        }
        let mut framebuffer = Framebuffer::new(size);
        framebuffer.draw(&mesh, &white(), 1.0, PixelRect::new(0, 0, size[0], size[1]).unwrap());
        framebuffer
    }

    #[test]
    fn neighbours_share_no_pixel_and_leave_none_out() {
        // Half of the light from each: what two of them paint is brighter, what none paints is black.
        let half = Color32::from_rgba_premultiplied(0x40, 0, 0, 0x80);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let mut place = |most: u32| random.u32(0..=most * 4) as f32 / 4.0;
            // A fan around some point in the picture covers it, whatever the corners are.
            let middle = (place(20), place(12));
            let edge = [
                (0.0, 0.0),
                (place(20), 0.0),
                (20.0, 0.0),
                (20.0, place(12)),
                (20.0, 12.0),
                (place(20), 12.0),
                (0.0, 12.0),
                (0.0, place(12)),
            ];
            let fan: Vec<_> = (0..edge.len()).map(|n| [middle, edge[n], edge[(n + 1) % edge.len()]]).collect();
            let framebuffer = painted(&fan, half, [20, 12]);
            assert!(
                framebuffer.pixels.iter().all(|pixel| *pixel == 0x0040_0000),
                "{middle:?} {edge:?}: {:x?}",
                framebuffer.pixels
            );
        }
    }

    #[test]
    fn a_pixel_is_painted_if_its_middle_is() {
        #[track_caller]
        fn check(left: f32, right: f32, expected: &str) {
            let (top, bottom) = (0.0, 1.0);
            let two = [[(left, top), (right, top), (left, bottom)], [(left, bottom), (right, top), (right, bottom)]];
            let told = |framebuffer: &Framebuffer| {
                framebuffer.pixels.iter().map(|pixel| if *pixel == 0 { '.' } else { '#' }).collect::<String>()
            };
            assert_eq!(told(&painted(&two, Color32::WHITE, [6, 1])), expected, "{left} to {right}");
            // The same as a rectangle, which is what two triangles with the same corners are.
            let mut mesh = Mesh::default();
            mesh.add_colored_rect(Rect::from_min_max(pos2(left, top), pos2(right, bottom)), Color32::WHITE);
            let mut framebuffer = Framebuffer::new([6, 1]);
            framebuffer.draw(&mesh, &white(), 1.0, PixelRect::new(0, 0, 6, 1).unwrap());
            assert_eq!(told(&framebuffer), expected, "{left} to {right}, a rectangle");
        }
        check(0.0, 6.0, "######");
        check(1.0, 3.0, ".##...");
        check(1.4, 3.4, ".##...");
        check(1.6, 3.6, "..##..");
        check(1.5, 2.5, ".#....");
        check(-4.0, 2.0, "##....");
        check(4.0, 90.0, "....##");
        check(2.6, 3.4, "......");
    }

    #[test]
    fn textures_are_scaled() {
        #[track_caller]
        fn check(options: TextureOptions, width: f32, uv: Rect, tint: Color32, expected: &[u32]) {
            let texture = texture([2, 2], &[0xff00_0000, 0xff00_0080, 0xff00_0000, 0xff00_0080], options);
            let mut mesh = Mesh::default();
            mesh.add_rect_with_uv(Rect::from_min_max(Pos2::ZERO, pos2(width, 1.0)), uv, tint);
            let mut framebuffer = Framebuffer::new([expected.len(), 1]);
            framebuffer.draw(&mesh, &texture, 1.0, PixelRect::new(0, 0, expected.len(), 1).unwrap());
            assert_eq!(framebuffer.pixels, expected, "{options:?}, {width}, {uv:?}");
        }
        let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
        let mirrored = Rect::from_min_max(pos2(1.0, 0.0), pos2(0.0, 1.0));
        check(TextureOptions::LINEAR, 2.0, whole, Color32::WHITE, &[0, 0x80]);
        check(TextureOptions::LINEAR, 2.0, mirrored, Color32::WHITE, &[0x80, 0]);
        check(TextureOptions::LINEAR, 4.0, whole, Color32::WHITE, &[0, 0x20, 0x60, 0x80]);
        check(TextureOptions::NEAREST, 4.0, whole, Color32::WHITE, &[0, 0, 0x80, 0x80]);
        check(TextureOptions::NEAREST, 4.0, whole, Color32::from_gray(0x80), &[0, 0, 0x40, 0x40]);
        check(TextureOptions::LINEAR, 1.0, whole, Color32::WHITE, &[0x40]);
    }

    #[test]
    fn colours_are_laid_over_each_other() {
        #[track_caller]
        fn check(below: u32, color: u32, expected: u32) {
            let mut pixel = below;
            mix(&mut pixel, color);
            assert_eq!(pixel, expected, "{color:08x} over {below:06x}");
        }
        check(0x12_3456, 0xff65_4321, 0x65_4321);
        check(0x12_3456, 0, 0x12_3456);
        check(0xff_ffff, 0x8000_0000, 0x7f_7f7f);
        check(0x00_0000, 0x8040_0000, 0x40_0000);
        // Light is added, up to white.
        check(0xf0_1000, 0x0020_2020, 0xff_3020);
        assert_eq!(times(0xff80_4020, 0xff80_80ff), 0xff40_2020);
        assert_eq!(between(0xff00_1020, 0xff80_1020, 128), 0xff40_1020);
    }
}
