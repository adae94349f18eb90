//! From a frame's number to the bytes that cross the cable, with whatever the script does to them.
//!
//! Pure functions of script, mode and number: what the same line gives is the same everywhere and every time.

use std::time::Duration;

use crate::codec;
use crate::frame::{Image, Size};

use super::canvas::Canvas;
use super::chance::Chance;
use super::script::{FaultName, Script, Value, WireFormat};
use super::timeline::Timeline;

/// What the device and the program agreed on when it was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    pub size: Size,
    pub fps: f64,
    pub format: WireFormat,
}

/// What zeros become that are read as YUYV.
const GREEN: [u8; 3] = [0, 154, 0];
/// Good enough not to be seen, and about what cameras use.
const JPEG_QUALITY_PERCENT: u32 = 85;

/// The camera in front of the cable: sensor, lens and sender.
pub struct Lens {
    script: Script,
    mode: Mode,
    timeline: Timeline,
    /// Only saves time: what does not change from frame to frame.
    canvas: Canvas,
}

impl Lens {
    pub fn new(script: &Script, mode: Mode) -> Self {
        let timeline = Timeline::new(script, mode.fps);
        Self { script: script.clone(), mode, timeline, canvas: Canvas::new(script.pattern(), mode.size) }
    }

    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The fault's value, if it is there when frame `n` is taken.
    fn fault(&self, name: FaultName, n: u64) -> Option<Value> {
        let due = self.timeline.due(n)?;
        self.script.fault_at(name, due).map(|fault| fault.value)
    }

    /// Whether this frame is among the share that the fault hits.
    pub fn hits(&self, name: FaultName, n: u64) -> bool {
        let Some(Value::Percent(percent)) = self.fault(name, n) else { return false };
        self.chance(n, name.as_str()).percent(percent)
    }

    /// How long after it was taken frame `n` is handed out.
    pub fn delay(&self, n: u64) -> Duration {
        match self.fault(FaultName::Late, n) {
            Some(Value::Time(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    fn chance(&self, n: u64, purpose: &str) -> Chance {
        Chance::new(self.script.seed(), n, purpose)
    }

    /// The size that frame `n` has.
    pub fn size(&self, n: u64) -> Size {
        match self.fault(FaultName::Resize, n) {
            Some(Value::Size(size)) => possible(size, self.mode.format),
            _ => self.mode.size,
        }
    }

    /// The bytes of frame `n` as they come over the cable.
    ///
    /// # Errors
    /// The encoder refuses the picture.
    pub fn bytes(&mut self, n: u64) -> Result<Vec<u8>, String> {
        let size = self.size(n);
        let mut bytes = match self.mode.format {
            WireFormat::Bgr => self.uncompressed(n, size, |pixels| pixels),
            WireFormat::Yuyv if self.fault(FaultName::Green, n).is_some() => {
                vec![0; size.width as usize * size.height as usize * 2]
            }
            WireFormat::Yuyv => self.uncompressed(n, size, |pixels| yuyv_from_bgr(&pixels)),
            WireFormat::Mjpeg => {
                let image = Image::new(size, self.pixels(n, size)).ok_or("the picture does not fill its size")?;
                let jpeg = codec::encode_jpeg(&image, JPEG_QUALITY_PERCENT)?;
                if self.hits(FaultName::Torn, n) { torn_jpeg(&jpeg, self.chance(n, "tear")) } else { jpeg }
            }
        };
        if self.hits(FaultName::Corrupt, n) {
            let lost = self.chance(n, "loss").share() * 0.5 + 0.25;
            let n_lost = share_of(bytes.len(), lost);
            match self.mode.format {
                // The end is missing: a short frame.
                WireFormat::Bgr | WireFormat::Yuyv => bytes.truncate(bytes.len() - n_lost),
                // The beginning is missing, and with it the tables without which the rest means nothing.
                WireFormat::Mjpeg => drop(bytes.drain(..n_lost)),
            }
        }
        Ok(bytes)
    }

    /// A torn buffer has the rows of an earlier frame from somewhere on: they were there before, and were not overwritten.
    fn uncompressed(&mut self, n: u64, size: Size, encode: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let mut bytes = encode(self.pixels(n, size));
        if self.hits(FaultName::Torn, n) {
            let row_bytes = bytes.len() / size.height as usize;
            let row = share_of(size.height as usize, self.chance(n, "tear").share() * 0.6 + 0.2);
            // Far enough back for the dial and the clock to show it.
            let n_back = n_frames(self.mode.fps / 3.0).max(1);
            let earlier = encode(self.pixels(n.saturating_sub(n_back), size));
            let rows = bytes.iter_mut().zip(&earlier).skip(row * row_bytes);
            rows.for_each(|(byte, old)| *byte = *old);
        }
        bytes
    }

    /// Frame `n` before it is encoded, in the layout of [`Image`].
    fn pixels(&mut self, n: u64, size: Size) -> Vec<u8> {
        let n = self.seen(n);
        let time = self.timeline.due(n).unwrap_or_default();
        let has = |name| self.script.fault_at(name, time).map(|fault| fault.value);
        if has(FaultName::Green).is_some() {
            return GREEN.repeat(size.width as usize * size.height as usize);
        }
        let mut pixels = if has(FaultName::Black).is_some() {
            vec![0; size.n_bytes()]
        } else {
            if self.canvas.size() != size {
                self.canvas = Canvas::new(self.script.pattern(), size);
            }
            self.canvas.draw(self.script.seed(), n, time)
        };
        if has(FaultName::Blur).is_some() {
            pixels = blurred(&pixels, size);
        }
        if has(FaultName::Dark).is_some() {
            pixels.iter_mut().for_each(|byte| *byte /= 12);
        }
        if has(FaultName::Bright).is_some() {
            pixels.iter_mut().for_each(|byte| *byte = byte.saturating_mul(2).saturating_add(*byte / 2 + 90));
        }
        if let Some(Value::Hz(mains_hz)) = has(FaultName::Flicker) {
            band(&mut pixels, size, time, mains_hz, self.mode.fps);
        }
        if has(FaultName::Noise).is_some() {
            add_noise(&mut pixels, self.chance(n, "noise"));
        }
        pixels
    }

    /// The frame whose picture frame `n` shows: a frozen camera repeats the first one of the window.
    fn seen(&self, n: u64) -> u64 {
        let due = self.timeline.due(n).unwrap_or_default();
        let frozen = self.script.fault_at(FaultName::Frozen, due);
        frozen.map_or(n, |frozen| self.timeline.first_from(frozen.start).min(n))
    }

    /// What the program makes of frame `n`.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub fn image(&mut self, n: u64) -> Result<Image, String> {
        let (size, bytes) = (self.size(n), self.bytes(n)?);
        if self.mode.format == WireFormat::Bgr && bytes.len() == size.n_bytes() {
            // Ready pixels are not copied; the decoder would.
            return Image::new(size, bytes).ok_or_else(|| "the picture does not fill its size".to_owned());
        }
        codec::decode(self.mode.format.pixel_format(), size, &bytes)
    }
}

/// The size nearest to the wanted one that the format can have.
pub fn possible(size: Size, format: WireFormat) -> Size {
    match format {
        WireFormat::Yuyv => Size { width: (size.width & !1).max(2), ..size },
        WireFormat::Bgr | WireFormat::Mjpeg => size,
    }
}

fn share_of(whole: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a number of bytes that fits in memory"
    )]
    let part = (whole as f64 * share) as usize;
    part.min(whole)
}

fn n_frames(frames: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let frames = frames.round() as u64;
    frames
}

/// The inverse of [`codec::decode`]: video-range luma and chroma after BT.601, chroma from the mean of each pair.
fn yuyv_from_bgr(pixels: &[u8]) -> Vec<u8> {
    let byte = |value: i32| u8::try_from(((value + 32_768) >> 16).clamp(0, 255)).unwrap_or(u8::MAX);
    let luma = |b: i32, g: i32, r: i32| byte(16 * 65_536 + 16_829 * r + 33_039 * g + 6_416 * b);
    let mut bytes = Vec::with_capacity(pixels.len() / 3 * 2);
    for pair in pixels.chunks_exact(2 * Image::BYTES_PER_PIXEL) {
        if let [b0, g0, r0, b1, g1, r1] = *pair {
            let [b0, g0, r0, b1, g1, r1] = [b0, g0, r0, b1, g1, r1].map(i32::from);
            let (b, g, r) = ((b0 + b1) / 2, (g0 + g1) / 2, (r0 + r1) / 2);
            let u = byte(128 * 65_536 - 9_714 * r - 19_071 * g + 28_784 * b);
            let v = byte(128 * 65_536 + 28_784 * r - 24_103 * g - 4_681 * b);
            bytes.extend_from_slice(&[luma(b0, g0, r0), u, luma(b1, g1, r1), v]);
        }
    }
    bytes
}

/// A JPEG that has lost packets in its middle, so that what follows is in the wrong place or missing.
fn torn_jpeg(jpeg: &[u8], mut chance: Chance) -> Vec<u8> {
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let data = jpeg.windows(2).position(|pair| pair == START_OF_SCAN).map_or(0, |at| at + 14);
    let n_data = jpeg.len().saturating_sub(data + END_OF_IMAGE.len());
    let keep = data + share_of(n_data, chance.share() * 0.6 + 0.2);
    [jpeg.get(..keep).unwrap_or(jpeg), &END_OF_IMAGE].concat()
}

/// Lamps on the mains go bright and dark twice in each period, and the rows are exposed one after the other.
fn band(pixels: &mut [u8], size: Size, time: Duration, mains_hz: f64, fps: f64) {
    let row_secs = 0.9 / fps / f64::from(size.height);
    let rows = pixels.chunks_exact_mut(size.width as usize * Image::BYTES_PER_PIXEL);
    for (row, y) in rows.zip(0_u32..) {
        let at = time.as_secs_f64() + f64::from(y) * row_secs;
        let light = 0.8 + 0.2 * (at * 2.0 * mains_hz * std::f64::consts::TAU).sin();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.6 to 1 times 256")]
        let light = (light * 256.0) as u16;
        for byte in row {
            *byte = u8::try_from((u16::from(*byte) * light) >> 8).unwrap_or(u8::MAX);
        }
    }
}

fn add_noise(pixels: &mut [u8], mut chance: Chance) {
    for block in pixels.chunks_mut(8) {
        for (byte, noise) in block.iter_mut().zip(chance.bytes()) {
            *byte = byte.saturating_add_signed(i8::from_le_bytes([noise]) / 2);
        }
    }
}

/// Out of focus by a fixed share of the height: shrunk, and drawn large again with soft transitions.
fn blurred(pixels: &[u8], size: Size) -> Vec<u8> {
    let factor = (size.height / 60).max(2) as usize;
    let (width, height) = (size.width as usize, size.height as usize);
    let (small_width, small_height) = (width.div_ceil(factor), height.div_ceil(factor));
    let small = shrunk(pixels, width, factor, small_width);
    let soft = smoothed(&smoothed(&small, small_width, small_height), small_width, small_height);
    enlarged(&soft, (small_width, small_height), (width, height), factor)
}

/// Means of squares with sides of `factor` pixels.
fn shrunk(pixels: &[u8], width: usize, factor: usize, small_width: usize) -> Vec<u16> {
    let row_bytes = width * Image::BYTES_PER_PIXEL;
    let mut small = Vec::new();
    for rows in pixels.chunks(row_bytes * factor) {
        let mut sums = vec![[0_u32; 4]; small_width];
        for row in rows.chunks_exact(row_bytes) {
            for (square, sum) in row.chunks(factor * Image::BYTES_PER_PIXEL).zip(&mut sums) {
                for pixel in square.chunks_exact(Image::BYTES_PER_PIXEL) {
                    if let ([b, g, r], [sum_b, sum_g, sum_r, n]) = (pixel, &mut *sum) {
                        *sum_b += u32::from(*b);
                        *sum_g += u32::from(*g);
                        *sum_r += u32::from(*r);
                        *n += 1;
                    }
                }
            }
        }
        small.extend(
            sums.iter().flat_map(|[b, g, r, n]| {
                [b, g, r].map(|sum| u16::try_from(sum * 256 / (*n).max(1)).unwrap_or(u16::MAX))
            }),
        );
    }
    small
}

/// Each value becomes a quarter of its neighbours above and below, left and right.
fn smoothed(values: &[u16], width: usize, height: usize) -> Vec<u16> {
    let at = |x: usize, y: usize, channel: usize| {
        let (x, y) = (x.min(width.saturating_sub(1)), y.min(height.saturating_sub(1)));
        values.get((y * width + x) * Image::BYTES_PER_PIXEL + channel).copied().map_or(0, u32::from)
    };
    let mut out = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            for channel in 0..Image::BYTES_PER_PIXEL {
                let row = |y| at(x.saturating_sub(1), y, channel) + 2 * at(x, y, channel) + at(x + 1, y, channel);
                let sum = row(y.saturating_sub(1)) + 2 * row(y) + row(y + 1);
                out.push(u16::try_from(sum / 16).unwrap_or(u16::MAX));
            }
        }
    }
    out
}

/// Back to the full size, straight lines between the values.
fn enlarged(
    small: &[u16],
    (small_width, small_height): (usize, usize),
    (width, height): (usize, usize),
    factor: usize,
) -> Vec<u8> {
    // Where a pixel lies between two values: the first one, and how far from it in 256ths.
    let between = |at: usize, n_values: usize| {
        let position = ((2 * at + 1) * 128 / factor).saturating_sub(128);
        ((position / 256).min(n_values.saturating_sub(1)), u32::try_from(position % 256).unwrap_or(0))
    };
    let columns: Vec<(usize, usize, u32)> = (0..width)
        .map(|x| {
            let (left, part) = between(x, small_width);
            (left * 3, (left + 1).min(small_width.saturating_sub(1)) * 3, part)
        })
        .collect();
    let mut pixels = Vec::with_capacity(width * height * Image::BYTES_PER_PIXEL);
    let row_values = small_width * Image::BYTES_PER_PIXEL;
    let mut mixed = Vec::with_capacity(row_values);
    for y in 0..height {
        let (above, part) = between(y, small_height);
        let below = (above + 1).min(small_height.saturating_sub(1));
        let row = |y: usize| small.iter().skip(y * row_values).take(row_values);
        mixed.clear();
        mixed.extend(
            row(above).zip(row(below)).map(|(a, b)| (u32::from(*a) * (256 - part) + u32::from(*b) * part) >> 8),
        );
        for (left, right, part) in &columns {
            for channel in 0..Image::BYTES_PER_PIXEL {
                let value = |at: usize| mixed.get(at + channel).copied().unwrap_or(0);
                let value = (value(*left) * (256 - part) + value(*right) * part) >> 16;
                pixels.push(u8::try_from(value).unwrap_or(u8::MAX));
            }
        }
    }
    pixels
}
