//! What light, lens and sensor do to a picture: pure functions of its pixels.

use std::time::Duration;

use crate::frame::{Image, Size};

use super::random::SeededRandom;

/// Lamps on the mains go bright and dark twice in each period, and the rows are exposed one after the other.
pub fn band(pixels: &mut [u8], size: Size, time: Duration, mains_hz: f64, fps: f64) {
    let row_secs = 0.9 / fps / f64::from(size.height);
    let rows = pixels.chunks_exact_mut(size.width as usize * Image::BYTES_PER_PIXEL);
    for (row, y) in rows.zip(0_u32..) {
        let at = time.as_secs_f64() + f64::from(y) * row_secs;
        let light = 0.8 + 0.2 * (at * 2.0 * mains_hz * std::f64::consts::TAU).sin();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.6 to 1 times 256")]
        let light = (light * 256.0) as u16;
        for byte in row {
            *byte = (u16::from(*byte).wrapping_mul(light) >> 8).to_le_bytes()[0];
        }
    }
}

pub fn add_noise(pixels: &mut [u8], mut chance: SeededRandom) {
    let mut noise = [[0; 8]; 8];
    // Blocks of a fixed length become vector instructions.
    let mut add = |block: &mut [u8]| {
        noise.fill_with(|| chance.bytes());
        for (byte, noise) in block.iter_mut().zip(noise.as_flattened()) {
            *byte = byte.saturating_add_signed(noise.cast_signed() >> 1);
        }
    };
    let (blocks, rest) = pixels.as_chunks_mut::<64>();
    for block in blocks {
        add(block);
    }
    add(rest);
}

/// What a sensor adds by itself: for each byte two random ones, whose sum is nearly normal.
pub fn add_sensor_noise(pixels: &mut [u8], std: f32, mut chance: SeededRandom) {
    /// The standard deviation of the sum of two random bytes.
    const STD_OF_TWO: f32 = 104.5;
    for block in pixels.chunks_mut(4) {
        let random = chance.bytes();
        for (byte, two) in block.iter_mut().zip(random.as_chunks::<2>().0) {
            let noise = (f32::from(two[0]) + f32::from(two[1]) - 255.0) / STD_OF_TWO * std;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
            let noisy = (f32::from(*byte) + noise).round() as u8;
            *byte = noisy;
        }
    }
}

/// As a camera for faces sees it: grey, its lamp lit for every second frame only.
pub fn infrared(pixels: &mut [u8], is_lit: bool) {
    let light = if is_lit { 256 } else { 96 };
    for pixel in pixels.as_chunks_mut::<{ Image::BYTES_PER_PIXEL }>().0 {
        let [b, g, r] = pixel.map(u32::from);
        pixel.fill((((29 * b + 150 * g + 77 * r) >> 8) * light / 256).to_le_bytes()[0]);
    }
}

/// Red and blue exchanged.
pub fn swap_colours(pixels: &mut [u8]) {
    for pixel in pixels.as_chunks_mut::<{ Image::BYTES_PER_PIXEL }>().0 {
        pixel.swap(0, 2);
    }
}

/// White balance for quite another light: too much red, too little blue.
pub fn cast(pixels: &mut [u8]) {
    const GAINS: [f32; 3] = [0.5, 0.9, 1.45];
    for pixel in pixels.as_chunks_mut::<{ Image::BYTES_PER_PIXEL }>().0 {
        for (byte, gain) in pixel.iter_mut().zip(GAINS) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
            let cast = (f32::from(*byte) * gain).round() as u8;
            *byte = cast;
        }
    }
}

/// Every second row from the frame before, as the two halves of an interlaced picture are.
pub fn comb(pixels: &mut [u8], before: &[u8], size: Size) {
    let row_bytes = size.width as usize * Image::BYTES_PER_PIXEL;
    let rows = pixels.chunks_exact_mut(row_bytes).zip(before.chunks_exact(row_bytes));
    for (row, old) in rows.skip(1).step_by(2) {
        row.copy_from_slice(old);
    }
}

/// Black at the top and at the bottom, an eighth of the height each.
pub fn letterbox(pixels: &mut [u8], size: Size) {
    let n_bar = size.height as usize / 8 * size.width as usize * Image::BYTES_PER_PIXEL;
    let last = pixels.len().saturating_sub(n_bar);
    for (at, byte) in pixels.iter_mut().enumerate() {
        if at < n_bar || at >= last {
            *byte = 0;
        }
    }
}

/// Out of focus by a fixed share of the height: shrunk, and drawn large again with soft transitions.
pub fn blurred(pixels: &[u8], size: Size) -> Vec<u8> {
    let factor = (size.height / 90).max(2) as usize;
    let (width, height) = (size.width as usize, size.height as usize);
    let small = Small::new(pixels, width, factor);
    small.smoothed().smoothed().enlarged(width, height, factor)
}

/// A shrunk picture, in 256ths of the brightness.
struct Small {
    width: usize,
    values: Vec<[u32; 3]>,
}

impl Small {
    /// Of means of squares with sides of `factor` pixels.
    fn new(pixels: &[u8], width: usize, factor: usize) -> Self {
        let row_bytes = width * Image::BYTES_PER_PIXEL;
        let small_width = width.div_ceil(factor);
        let mut values = Vec::new();
        for rows in pixels.chunks(row_bytes * factor) {
            let n_rows = rows.len() / row_bytes;
            let mut sums = vec![([0_u32; 3], 0_usize); small_width];
            for row in rows.chunks_exact(row_bytes) {
                for (square, (sum, n)) in row.chunks(factor * Image::BYTES_PER_PIXEL).zip(&mut sums) {
                    let (pixels, _) = square.as_chunks::<3>();
                    for [b, g, r] in pixels {
                        *sum = [sum[0] + u32::from(*b), sum[1] + u32::from(*g), sum[2] + u32::from(*r)];
                    }
                    *n = pixels.len() * n_rows;
                }
            }
            values.extend(sums.iter().map(|(sum, n)| sum.map(|sum| sum * 256 / u32::try_from(*n).unwrap_or(1).max(1))));
        }
        Self { width: small_width, values }
    }

    fn row(&self, y: usize) -> &[[u32; 3]] {
        let last = (self.values.len() / self.width).saturating_sub(1);
        self.values.chunks_exact(self.width).nth(y.min(last)).unwrap_or_default()
    }

    /// Each value mixed with its neighbours: above and below, left and right, a quarter each way and a half from itself.
    fn smoothed(&self) -> Self {
        let add = |a: [u32; 3], b: [u32; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        let sum = |before, at, after| add(add(before, at), add(at, after));
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..self.values.len() / self.width {
            let (above, here, below) = (self.row(y.saturating_sub(1)), self.row(y), self.row(y + 1));
            let columns: Vec<[u32; 3]> =
                above.iter().zip(here).zip(below).map(|((above, here), below)| sum(*above, *here, *below)).collect();
            let at = |x: usize| columns.get(x.min(self.width - 1)).copied().unwrap_or_default();
            values.extend((0..self.width).map(|x| sum(at(x.saturating_sub(1)), at(x), at(x + 1)).map(|sum| sum / 16)));
        }
        Self { width: self.width, values }
    }

    /// Back to the full size, straight lines between the values.
    fn enlarged(&self, width: usize, height: usize, factor: usize) -> Vec<u8> {
        // Where a pixel lies between two values: the first one, and how far from it in 256ths.
        let between = |at: usize| {
            let position = ((2 * at + 1) * 128 / factor).saturating_sub(128);
            (position / 256, u32::try_from(position % 256).unwrap_or(0))
        };
        // Below 2^24: nothing wraps. Said this way, debug builds are spared a check for each byte.
        let mix = |a: u32, b: u32, part: u32| a.wrapping_mul(256 - part).wrapping_add(b.wrapping_mul(part)) >> 8;
        let columns: Vec<(usize, u32)> = (0..width).map(between).collect();
        let mut pixels = Vec::with_capacity(width * height * Image::BYTES_PER_PIXEL);
        for y in 0..height {
            let (above, part) = between(y);
            let rows = self.row(above).iter().zip(self.row(above + 1));
            let mixed: Vec<[u32; 3]> =
                rows.map(|(a, b)| [mix(a[0], b[0], part), mix(a[1], b[1], part), mix(a[2], b[2], part)]).collect();
            for (left, part) in &columns {
                let at = |x: usize| mixed.get(x.min(self.width - 1)).copied().unwrap_or_default();
                let (a, b) = (at(*left), at(left + 1));
                let byte = |a, b| (mix(a, b, *part) >> 8).to_le_bytes()[0];
                pixels.extend_from_slice(&[byte(a[0], b[0]), byte(a[1], b[1]), byte(a[2], b[2])]);
            }
        }
        pixels
    }
}
