//! What the simulated camera looks at: the patterns, with a clock on those that move.
//!
//! Pure drawing. No fault is drawn here: see [`super::lens`].

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "positions in a picture of at most 16384 pixels a side are exact in every type used here"
)]

use std::f32::consts::{PI, TAU};
use std::time::Duration;

use crate::frame::{Image, Size};

use super::effects::add_sensor_noise;
use super::glyph::Font;
use super::random::SeededRandom;
use super::room;
use super::setting_table::Pattern;

/// How dark the rim around white strokes makes what lies under it, of 255: enough to read them on the light grey steps.
const RIM_DARKNESS: u32 = 150;
/// Standard deviations of a webcam's noise, of 255: in daylight, and with the gain of the evening.
const DAY_NOISE: f32 = 1.2;
const NIGHT_NOISE: f32 = 3.0;

/// A white shape with a dark rim, as coverages of 0 to 255.
pub struct Mask {
    width: usize,
    /// Pixels around the shape that its rim needs.
    pub margin: u32,
    /// Ink and rim of each pixel.
    cover: Vec<(u8, u8)>,
}

impl Mask {
    /// A stroke along everything for which `distance` (of a point, in pixels) is at most `half_stroke`.
    pub fn draw(width: usize, height: usize, half_stroke: f32, distance: impl Fn(f32, f32) -> f32) -> Self {
        let rim = (half_stroke * 0.55).max(0.8);
        let margin = rim.ceil() as u32 + 1;
        let cover = |reach: f32, distance: f32| ((reach - distance + 0.5).clamp(0.0, 1.0) * 255.0) as u8;
        let at = |n: usize| n as f32 + 0.5 - margin as f32;
        let border = 2 * margin as usize;
        let width = width + border;
        let cover = (0..height + border)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| {
                let distance = distance(at(x), at(y));
                (cover(half_stroke, distance), cover(half_stroke + rim, distance))
            })
            .collect();
        Self { width, margin, cover }
    }
}

/// The square of the way from a point to a straight line with ends; the root of the shortest is taken once.
pub fn squared_distance_to_line(x: f32, y: f32, [x0, y0, x1, y1]: [f32; 4]) -> f32 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let length_squared = dx * dx + dy * dy;
    let along = if length_squared > 0.0 { ((x - x0) * dx + (y - y0) * dy) / length_squared } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    let (off_x, off_y) = (x - x0 - along * dx, y - y0 - along * dy);
    off_x * off_x + off_y * off_y
}

/// A pattern at one size, with all that is the same in each of its frames.
pub struct Canvas {
    pattern: Pattern,
    size: Size,
    still: Vec<u8>,
    font: Font,
}

impl Canvas {
    pub fn new(pattern: Pattern, size: Size) -> Self {
        let (width, height) = (size.width as f32, size.height as f32);
        let still = match pattern {
            Pattern::Card => card(size),
            Pattern::Chart => chart(size),
            Pattern::Still => room::day(size),
            Pattern::Night => room::evening(size),
            Pattern::Noise | Pattern::Gradient => Vec::new(),
        };
        Self { pattern, size, still, font: Font::new((height * 0.075).min(width * 0.05).max(6.0)) }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// Frame `n`, taken at `time`, in the layout of [`Image`].
    pub fn draw(&self, seed: u64, n: u64, time: Duration) -> Vec<u8> {
        let mut pixels = match self.pattern {
            Pattern::Card | Pattern::Chart | Pattern::Still | Pattern::Night => self.still.clone(),
            Pattern::Noise => noise(self.size, SeededRandom::new(seed, n, "pattern=noise")),
            Pattern::Gradient => gradient(self.size, time),
        };
        if self.pattern == Pattern::Card {
            self.draw_dial(&mut pixels, time);
        }
        let noise = match self.pattern {
            Pattern::Still => DAY_NOISE,
            Pattern::Night => NIGHT_NOISE,
            Pattern::Card | Pattern::Chart | Pattern::Noise | Pattern::Gradient => {
                self.draw_clock(&mut pixels, n, time);
                return pixels;
            }
        };
        add_sensor_noise(&mut pixels, noise, SeededRandom::new(seed, n, "sensor"));
        pixels
    }

    /// A dial that wanders over the bars; its hand goes round once a second.
    fn draw_dial(&self, pixels: &mut [u8], time: Duration) {
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let radius = (height * 0.115).min(width * 0.15);
        // To the right and back again in eight seconds.
        let way = 0.5 - 0.5 * (turn(time, 8.0) * TAU).cos();
        let x = radius * 1.5 + way * (width - radius * 3.0);
        let y = height * 0.36 + height * 0.08 * (turn(time, 3.0) * TAU).sin();
        let half_stroke = (height * 0.003).max(0.7);
        let (hand_y, hand_x) = (turn(time, 1.0) * TAU - PI / 2.0).sin_cos();
        let (left, top) = ((x - radius).floor() - 1.0, (y - radius).floor() - 1.0);
        let side = (2.0 * radius).ceil() as usize + 3;
        let hand = [x, y, x + hand_x * radius * 0.8, y + hand_y * radius * 0.8];
        let mask = Mask::draw(side, side, half_stroke, |dx, dy| {
            let (px, py) = (left + dx, top + dy);
            let from_centre = ((px - x) * (px - x) + (py - y) * (py - y)).sqrt();
            // The hand is the thicker one.
            let to_hand = squared_distance_to_line(px, py, hand).sqrt() - half_stroke * 0.4;
            (from_centre - radius).abs().min(to_hand)
        });
        let margin = i64::from(mask.margin);
        stamp(pixels, self.size, &mask, left as i64 - margin, top as i64 - margin);
    }

    fn draw_clock(&self, pixels: &mut [u8], n: u64, time: Duration) {
        let text = clock(n, time);
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let (text_width, text_height) = (self.font.width(&text), self.font.height());
        let (left, middle) =
            ((width - text_width) / 2.0, height * if self.pattern == Pattern::Card { 0.85 } else { 0.9 });
        let top = middle - text_height / 2.0;
        if matches!(self.pattern, Pattern::Noise | Pattern::Chart) {
            let border = text_height * 0.45;
            let corner = ((left - border).max(0.0) as usize, (top - border).max(0.0) as usize);
            let far_corner = ((left + text_width + border) as usize, (top + text_height + border) as usize);
            fill(pixels, self.size, corner, far_corner, |_, _| 24);
        }
        self.font.place(&text, left, top, |mask, x, y| stamp(pixels, self.size, mask, x, y));
    }
}

/// The part of a turn that `time` is at, 0 to 1, when one takes `period_secs`.
fn turn(time: Duration, period_secs: f64) -> f32 {
    (time.as_secs_f64() / period_secs).fract() as f32
}

/// `00:01:02.033 #1 861`: time since the first opening and the number of the frame, its thousands set off.
fn clock(n: u64, time: Duration) -> String {
    let (secs, millis) = (time.as_secs(), time.subsec_millis());
    let digits = n.to_string();
    let mut number = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            number.push('\u{2009}');
        }
        number.push(digit);
    }
    format!("{:02}:{:02}:{:02}.{millis:03} #{number}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Lays a mask over the picture; what stands over its borders is cut off.
fn stamp(pixels: &mut [u8], size: Size, mask: &Mask, left: i64, top: i64) {
    let row_bytes = size.width as usize * Image::BYTES_PER_PIXEL;
    let skipped = usize::try_from(-left.min(0)).unwrap_or(0);
    let left = usize::try_from(left.max(0)).unwrap_or(0);
    for (mask_row, y) in mask.cover.chunks_exact(mask.width).zip(top..) {
        let Some(row) = usize::try_from(y).ok().and_then(|y| pixels.get_mut(y.checked_mul(row_bytes)?..)) else {
            continue;
        };
        let row = row.chunks_exact_mut(Image::BYTES_PER_PIXEL).take(size.width as usize).skip(left);
        for (pixel, (ink, rim)) in row.zip(mask_row.iter().skip(skipped)) {
            if *rim > 0 {
                let (ink, light) = (u32::from(*ink), 255 - u32::from(*rim) * RIM_DARKNESS / 255);
                for byte in pixel {
                    let under = u32::from(*byte) * light / 255;
                    *byte = (under + (255 - under) * ink / 255) as u8;
                }
            }
        }
    }
}

/// Fills a rectangle with grey. The corners are inside and outside; `grey` gets the place in the picture.
fn fill(
    pixels: &mut [u8],
    size: Size,
    (left, top): (usize, usize),
    (right, bottom): (usize, usize),
    grey: impl Fn(usize, usize) -> u8,
) {
    let row_bytes = size.width as usize * Image::BYTES_PER_PIXEL;
    let rows = pixels.chunks_exact_mut(row_bytes).enumerate().take(bottom).skip(top);
    for (y, row) in rows {
        for (x, pixel) in row.chunks_exact_mut(Image::BYTES_PER_PIXEL).enumerate().take(right).skip(left) {
            pixel.fill(grey(x, y));
        }
    }
}

/// White, yellow, cyan, green, magenta, red, blue; blue first in each, as in [`Image`].
const BARS: [[u8; 3]; 7] =
    [[200, 200, 200], [50, 200, 200], [200, 200, 50], [50, 200, 50], [200, 50, 200], [50, 50, 200], [200, 50, 50]];
const N_STEPS: usize = 40;

/// Colour bars over grey steps.
fn card(size: Size) -> Vec<u8> {
    let (width, height) = (size.width as usize, size.height as usize);
    let row = |color: &dyn Fn(usize) -> [u8; 3]| (0..width).flat_map(color).collect::<Vec<u8>>();
    let bars = row(&|x| BARS.get(x * BARS.len() / width).copied().unwrap_or_default());
    let line = row(&|_| [16; 3]);
    let steps = row(&|x| [(x * N_STEPS / width * 236 / (N_STEPS - 1)) as u8; 3]);
    let n_bars = height * 7 / 10;
    let n_line = height.div_ceil(540).min(height - n_bars);
    [bars.repeat(n_bars), line.repeat(n_line), steps.repeat(height - n_bars - n_line)].concat()
}

/// Grey noise without an end.
fn noise(size: Size, mut chance: SeededRandom) -> Vec<u8> {
    let mut pixels = vec![0; size.n_bytes()];
    for block in pixels.chunks_mut(8 * Image::BYTES_PER_PIXEL) {
        let greys = chance.bytes();
        for (pixel, grey) in block.chunks_exact_mut(Image::BYTES_PER_PIXEL).zip(greys) {
            pixel.fill(grey);
        }
    }
    pixels
}

/// Every colour from left to right, darker towards the bottom, wandering to the left.
fn gradient(size: Size, time: Duration) -> Vec<u8> {
    let (width, height) = (size.width as usize, size.height as usize);
    let shift = turn(time, 10.0);
    let colors: Vec<u8> = (0..width)
        .flat_map(|x| {
            let hue = x as f32 / width as f32 + shift;
            [2.0, 1.0, 0.0].map(|third| (140.0 + 110.0 * ((hue - third / 3.0) * TAU).cos()) as u8)
        })
        .collect();
    let mut pixels = Vec::with_capacity(size.n_bytes());
    for y in 0..height {
        let light = 256 - (y * 216 / height) as u16;
        pixels.extend(colors.iter().map(|byte| ((u16::from(*byte) * light) >> 8) as u8));
    }
    pixels
}

/// Stars and lines for the focus.
fn chart(size: Size) -> Vec<u8> {
    const PAPER: u8 = 235;
    const INK: u8 = 16;
    let (width, height) = (size.width as f32, size.height as f32);
    let unit = height.min(width * 0.75);
    let mut pixels = vec![PAPER; size.n_bytes()];
    let mut star = |x: f32, y: f32, radius: f32, n_spokes: f32| {
        let corner = ((x - radius).max(0.0) as usize, (y - radius).max(0.0) as usize);
        let far_corner = ((x + radius).ceil() as usize, (y + radius).ceil() as usize);
        fill(&mut pixels, size, corner, far_corner, |px, py| {
            let (dx, dy) = (px as f32 + 0.5 - x, py as f32 + 0.5 - y);
            let from_centre = dx.hypot(dy);
            // Distance to the next edge between black and white along the circle, black being positive.
            let spoke = (dy.atan2(dx) * n_spokes / TAU).rem_euclid(1.0);
            let to_edge = (0.25 - (spoke - 0.5).abs()) * TAU / n_spokes * from_centre;
            let ink = (to_edge + 0.5).clamp(0.0, 1.0).min((radius - from_centre + 0.5).clamp(0.0, 1.0));
            PAPER - (ink * f32::from(PAPER - INK)) as u8
        });
    };
    let (middle_x, middle_y) = (width * 0.5, height * 0.43);
    star(middle_x, middle_y, unit * 0.34, 36.0);
    for (x, y) in [(0.09, 0.13), (0.91, 0.13), (0.09, 0.87), (0.91, 0.87)] {
        star(width * x, height * y, unit * 0.09, 16.0);
    }
    // Lines of 1, 2, 3 and 4 pixels: upright on the left of the star, lying on its right.
    let square = (unit * 0.1) as usize;
    for (n, thickness) in (1..=4_usize).enumerate() {
        let top = (height * 0.5 + unit * (n as f32 * 0.12 - 0.23)) as usize;
        for (x, is_upright) in [(width * 0.09, true), (width * 0.91, false)] {
            let left = (x as usize).saturating_sub(square / 2);
            fill(&mut pixels, size, (left, top), (left + square, top + square), |px, py| {
                let at = if is_upright { px - left } else { py - top };
                if (at / thickness).is_multiple_of(2) { INK } else { PAPER }
            });
        }
    }
    pixels
}
