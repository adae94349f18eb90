//! From a frame's number to the bytes that cross the cable, with whatever the script does to them.
//!
//! Pure functions of script, mode and number: what the same line gives is the same everywhere and every time.

use std::time::Duration;

use crate::codec;
use crate::frame::{Image, Size};

use super::canvas::Canvas;
use super::controls::ImageAdjustment;
use super::effects::{self, add_noise, add_sensor_noise, band, blurred};
use super::fault_table::FaultName;
use super::random::SeededRandom;
use super::script::Script;
use super::setting_table::WireFormat;
use super::timeline::Timeline;
use super::value::FaultValue;

/// What the device and the program agreed on when it was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    pub size: Size,
    pub fps: f64,
    pub format: WireFormat,
}

/// What zeros become that are read as YUYV.
const GREEN: [u8; 3] = [0, 154, 0];
/// Around which the noise of a covered sensor lies, and how much of it there is.
const COVERED: u8 = 1;
const COVERED_NOISE: f32 = 0.9;
/// Good enough not to be seen, and about what cameras use.
const JPEG_QUALITY_PERCENT: u32 = 85;

/// The camera in front of the cable: sensor, lens and sender.
pub struct Lens {
    script: Script,
    mode: Mode,
    timeline: Timeline,
    /// Only saves time: what does not change from frame to frame.
    canvas: Canvas,
    /// What the controls make of each picture.
    pub tone: ImageAdjustment,
}

impl Lens {
    pub fn new(script: &Script, mode: Mode) -> Self {
        let timeline = Timeline::new(script, mode.fps);
        Self {
            script: script.clone(),
            mode,
            timeline,
            canvas: Canvas::new(script.pattern(), mode.size),
            tone: ImageAdjustment::default(),
        }
    }

    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The fault's value, if it is there when frame `n` is taken.
    fn fault(&self, name: FaultName, n: u64) -> Option<FaultValue> {
        let due = self.timeline.due(n)?;
        self.script.fault_at(name, due).map(|fault| fault.value)
    }

    /// Whether this frame is among the share that the fault hits.
    pub fn hits(&self, name: FaultName, n: u64) -> bool {
        let Some(FaultValue::Percent(percent)) = self.fault(name, n) else { return false };
        self.chance(n, name.as_str()).percent(percent)
    }

    /// How long after it was taken frame `n` is handed out.
    pub fn delay(&self, n: u64) -> Duration {
        match self.fault(FaultName::Late, n) {
            Some(FaultValue::Time(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    fn chance(&self, n: u64, purpose: &str) -> SeededRandom {
        SeededRandom::new(self.script.seed(), n, purpose)
    }

    /// The size that frame `n` has.
    pub fn size(&self, n: u64) -> Size {
        match self.fault(FaultName::Resize, n) {
            Some(FaultValue::Size(size)) => possible(size, self.mode.format),
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

    /// A torn buffer holds from some row on what was in it before, an earlier frame; and as the packets that are missing had
    /// no whole number of rows, that lies some way to the side.
    fn uncompressed(&mut self, n: u64, size: Size, encode: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
        let mut bytes = encode(self.pixels(n, size));
        if self.hits(FaultName::Torn, n) {
            let mut chance = self.chance(n, "tear");
            let (width, height) = (size.width as usize, size.height as usize);
            let first_row = share_of(height, chance.share() * 0.6 + 0.2);
            let n_pairs = share_of(width / 2, chance.share() * 0.1 + 0.05);
            // Far enough back for the dial and the clock to show it.
            let n_back = n_frames(self.mode.fps / 3.0).max(1);
            let earlier = encode(self.pixels(n.saturating_sub(n_back), size));
            let row_bytes = bytes.len() / height;
            let shift = n_pairs * (row_bytes / width * 2);
            for (row, old) in bytes.chunks_exact_mut(row_bytes).zip(earlier.chunks_exact(row_bytes)).skip(first_row) {
                row.iter_mut().zip(old.iter().cycle().skip(shift)).for_each(|(byte, old)| *byte = *old);
            }
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
        } else if has(FaultName::Cap).is_some() {
            let mut pixels = vec![COVERED; size.n_bytes()];
            add_sensor_noise(&mut pixels, COVERED_NOISE, self.chance(n, "sensor"));
            pixels
        } else {
            if self.canvas.size() != size {
                self.canvas = Canvas::new(self.script.pattern(), size);
            }
            let scene = |n: u64| self.canvas.draw(self.script.seed(), n, self.timeline.due(n).unwrap_or_default());
            let mut pixels = scene(n);
            if has(FaultName::Comb).is_some() {
                effects::comb(&mut pixels, &scene(n.saturating_sub(1)), size);
            }
            pixels
        };
        if has(FaultName::Blur).is_some() {
            pixels = blurred(&pixels, size);
        }
        if has(FaultName::Dark).is_some() {
            for byte in &mut pixels {
                *byte /= 12;
            }
        }
        if has(FaultName::Bright).is_some() {
            for byte in &mut pixels {
                *byte = byte.saturating_mul(2).saturating_add(*byte / 2 + 90);
            }
        }
        if let Some(FaultValue::Hz(mains_hz)) = has(FaultName::Flicker)
            && !self.tone.suits_mains(mains_hz)
        {
            band(&mut pixels, size, time, mains_hz, self.mode.fps);
        }
        if has(FaultName::Infrared).is_some() {
            effects::infrared(&mut pixels, n.is_multiple_of(2));
        }
        if has(FaultName::Cast).is_some() {
            effects::cast(&mut pixels);
        }
        if has(FaultName::Swapped).is_some() && self.mode.format != WireFormat::Mjpeg {
            effects::swap_colours(&mut pixels);
        }
        self.tone.apply(&mut pixels);
        if has(FaultName::Noise).is_some() {
            add_noise(&mut pixels, self.chance(n, "noise"));
        }
        if has(FaultName::Letterbox).is_some() {
            effects::letterbox(&mut pixels, size);
        }
        pixels
    }

    /// The frame whose picture frame `n` shows: a frozen camera repeats the first one of the window.
    fn seen(&self, n: u64) -> u64 {
        let due = self.timeline.due(n).unwrap_or_default();
        let frozen = self.script.fault_at(FaultName::Frozen, due);
        let n = frozen.map_or(n, |frozen| self.timeline.first_from(frozen.start).min(n));
        if self.script.fault_at(FaultName::Doubled, due).is_some() { n & !1 } else { n }
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
            let (blue, green, red) = (i32::midpoint(b0, b1), i32::midpoint(g0, g1), i32::midpoint(r0, r1));
            let blueness = byte(128 * 65_536 - 9_714 * red - 19_071 * green + 28_784 * blue);
            let redness = byte(128 * 65_536 + 28_784 * red - 24_103 * green - 4_681 * blue);
            bytes.extend_from_slice(&[luma(b0, g0, r0), blueness, luma(b1, g1, r1), redness]);
        }
    }
    bytes
}

/// A JPEG that has lost packets in its middle, so that what follows is in the wrong place or missing.
fn torn_jpeg(jpeg: &[u8], mut chance: SeededRandom) -> Vec<u8> {
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let data = jpeg.windows(2).position(|pair| pair == START_OF_SCAN).map_or(0, |at| at + 14);
    let n_data = jpeg.len().saturating_sub(data + END_OF_IMAGE.len());
    let keep = data + share_of(n_data, chance.share() * 0.6 + 0.2);
    [jpeg.get(..keep).unwrap_or(jpeg), &END_OF_IMAGE].concat()
}

#[cfg(test)]
mod tests {
    use super::super::setting_table::Pattern;
    use super::*;

    const SIZE: Size = Size { width: 160, height: 120 };

    fn lens(line: &str) -> Lens {
        let script = Script::parse(line).unwrap();
        let format = script.format().unwrap_or(WireFormat::Bgr);
        let size = script.size().unwrap_or(SIZE);
        Lens::new(&script, Mode { size, fps: script.fps().unwrap_or(30.0), format })
    }

    fn image(line: &str, n: u64) -> Image {
        lens(line).image(n).unwrap()
    }

    fn mean_of(bytes: impl Iterator<Item = u8>) -> f64 {
        let (n, sum) = bytes.fold((0.0, 0.0), |(n, sum), byte| (n + 1.0, sum + f64::from(byte)));
        sum / n
    }

    fn mean(image: &Image) -> f64 {
        mean_of(image.pixels().iter().copied())
    }

    /// Mean step from one pixel to the next one in its row, all channels alike.
    fn roughness(image: &Image) -> f64 {
        mean_of(image.pixels().windows(4).map(|at| at[0].abs_diff(at[3])))
    }

    /// How many rows from the top are equal.
    fn n_same_rows(a: &Image, b: &Image) -> usize {
        let row_bytes = a.size().width as usize * 3;
        let rows = a.pixels().chunks_exact(row_bytes).zip(b.pixels().chunks_exact(row_bytes));
        rows.take_while(|(a, b)| a == b).count()
    }

    #[test]
    fn the_same_line_gives_the_same_bytes() {
        for line in [
            "",
            "pattern=noise,seed=5",
            "pattern=gradient,format=yuyv",
            "pattern=chart,format=mjpeg",
            "noise,torn=50,corrupt=20,seed=9",
            "blur,flicker=50,format=yuyv,torn=50",
            "format=mjpeg,torn=50,corrupt=50",
        ] {
            let (mut a, mut b) = (lens(line), lens(line));
            // The order in which frames are made has no influence.
            let backwards: Vec<_> = (0..12).rev().map(|n| b.bytes(n)).collect();
            let forwards: Vec<_> = (0..12).map(|n| a.bytes(n)).collect();
            assert!(forwards.iter().eq(backwards.iter().rev()), "{line}");
        }
    }

    #[test]
    fn the_seed_decides_about_chance() {
        let bytes = |line| lens(line).bytes(3).unwrap();
        assert_ne!(bytes("pattern=noise,seed=1"), bytes("pattern=noise,seed=2"));
        assert_ne!(bytes("noise,seed=1"), bytes("noise,seed=2"));
        assert_eq!(bytes("seed=1"), bytes("seed=2"));
        let lost = |line| (0..64).filter(|n| lens(line).hits(FaultName::Drop, *n)).collect::<Vec<_>>();
        assert_ne!(lost("drop=50,seed=1"), lost("drop=50,seed=2"));
    }

    #[test]
    fn every_frame_of_every_pattern_is_new() {
        for pattern in Pattern::ALL {
            let mut lens = lens(&format!("pattern={}", pattern.as_str()));
            for n in [0, 1, 29, 1000] {
                let (a, b) = (lens.image(n).unwrap(), lens.image(n + 1).unwrap());
                assert_ne!(a.pixels(), b.pixels(), "{} {n}", pattern.as_str());
            }
        }
    }

    #[test]
    fn every_pattern_fits_every_size_and_format() {
        for (width, height) in [(1, 1), (2, 2), (2, 500), (500, 2), (7, 5), (33, 100), (320, 180), (1000, 64)] {
            for pattern in Pattern::ALL {
                for format in WireFormat::ALL {
                    let script = Script::parse(&format!("pattern={},blur,noise,torn=100", pattern.as_str())).unwrap();
                    let size = possible(Size { width, height }, *format);
                    let mut lens = Lens::new(&script, Mode { size, fps: 30.0, format: *format });
                    let image = lens.image(1_234_567).unwrap_or_else(|error| panic!("{script} {size}: {error}"));
                    assert_eq!(image.size(), size, "{script}");
                }
            }
        }
    }

    #[test]
    fn the_formats_show_the_same_picture() {
        let plain = image("", 7);
        for (line, tolerance) in [("format=yuyv", 2.0), ("format=mjpeg", 4.0)] {
            let other = image(line, 7);
            let pairs = plain.pixels().iter().zip(other.pixels());
            let off = mean_of(pairs.map(|(a, b)| a.abs_diff(*b)));
            assert!(off < tolerance, "{line}: off by {off}");
        }
    }

    #[test]
    fn the_card_has_its_colours_in_their_places() {
        let image = image("320x180", 100);
        let pixel = |x: usize, y: usize| <[u8; 3]>::try_from(&image.pixels()[(y * 320 + x) * 3..][..3]).unwrap();
        let bars: Vec<_> = (0..7).map(|n| pixel(n * 320 / 7 + 5, 5)).collect();
        let white_to_blue = [
            [200, 200, 200],
            [50, 200, 200],
            [200, 200, 50],
            [50, 200, 50],
            [200, 50, 200],
            [50, 50, 200],
            [200, 50, 50],
        ];
        assert_eq!(bars, white_to_blue);
        assert_eq!((pixel(0, 179), pixel(319, 179)), ([0; 3], [236; 3]));
        assert!((0..319).all(|x| pixel(x, 179)[0] <= pixel(x + 1, 179)[0]));
    }

    #[test]
    fn light_faults_change_the_light() {
        let healthy = mean(&image("", 5));
        assert!((100.0..160.0).contains(&healthy), "{healthy}");
        assert!(image("black", 5).pixels().iter().all(|byte| *byte == 0));
        assert!((1.0..20.0).contains(&mean(&image("dark", 5))));
        assert!(mean(&image("bright", 5)) > 210.0);
        for format in WireFormat::ALL {
            let line = format!("green,format={}", format.as_str());
            let far = |pixel: &[u8]| pixel.iter().zip(GREEN).any(|(byte, green)| byte.abs_diff(green) > 3);
            assert!(!image(&line, 5).pixels().chunks_exact(3).any(far), "{line}");
        }
    }

    #[test]
    fn blur_smooths_and_noise_roughens() {
        for pattern in ["card", "chart"] {
            let line = |fault| format!("320x240,pattern={pattern}{fault}");
            let [plain, blurred, noisy] = ["", ",blur", ",noise"].map(|fault| image(&line(fault), 5));
            assert!(roughness(&blurred) < roughness(&plain) / 2.0, "{pattern}");
            assert!(roughness(&noisy) > roughness(&plain) + 10.0, "{pattern}");
            assert!((mean(&blurred) - mean(&plain)).abs() < 2.0, "{pattern}: as bright as before");
            assert!((mean(&noisy) - mean(&plain)).abs() < 15.0, "{pattern}: hardly darker where white is cut off");
        }
        assert_ne!(image("noise,frozen@1s", 5).pixels(), image("noise,frozen@1s", 6).pixels());
    }

    #[test]
    fn flicker_darkens_bands_that_move_with_mains_and_rate() {
        // Brightness of each row against the healthy one, in the left bar of the card.
        let profile = |line: &str, n| {
            let (banded, plain) = (image(line, n), image("", n));
            let row = |image: &Image, y: usize| f64::from(image.pixels()[y * 160 * 3]);
            (0..80).map(|y| row(&banded, y) / row(&plain, y)).collect::<Vec<f64>>()
        };
        let bands = profile("flicker=50", 3);
        let (least, most) = bands.iter().fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!((0.58..0.64).contains(&least) && (0.96..1.01).contains(&most), "{least} {most}");
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.02);
        // 100 light pulses a second against 30 frames: the bands come back after three frames, not before.
        assert!(close(&bands, &profile("flicker=50", 6)) && !close(&bands, &profile("flicker=50", 4)));
        assert!(close(&profile("flicker=60", 3), &profile("flicker=60", 4)), "120 against 30: bands stand still");
    }

    #[test]
    fn a_frozen_camera_repeats_the_first_frame_of_the_window() {
        let mut lens = lens("@10,frozen@1s+1s");
        let first = lens.bytes(10).unwrap();
        assert_ne!(lens.bytes(9).unwrap(), first);
        assert!((10..20).all(|n| lens.bytes(n).unwrap() == first));
        assert_ne!(lens.bytes(20).unwrap(), first);
        assert_eq!(first, self::lens("@10").bytes(10).unwrap());
    }

    #[test]
    fn a_resized_frame_has_the_other_size() {
        for format in ["bgr", "yuyv", "mjpeg"] {
            let mut lens = lens(&format!("@10,format={format},resize=80x60@1s+1s"));
            let sizes = [9, 10, 19, 20].map(|n| lens.image(n).unwrap().size().width);
            assert_eq!(sizes, [160, 80, 80, 160], "{format}");
        }
    }

    #[test]
    fn corrupt_frames_cannot_be_decoded() {
        for format in ["bgr", "yuyv", "mjpeg"] {
            let mut all = lens(&format!("format={format},corrupt=100@1s+1s"));
            assert!(all.image(29).is_ok() && all.image(60).is_ok(), "{format}");
            assert!((30..60).all(|n| all.image(n).is_err()), "{format}");
            let mut some = lens(&format!("64x48,format={format},corrupt=30,seed=4"));
            let n_bad = (0..400).filter(|n| some.image(*n).is_err()).count();
            assert!((80..160).contains(&n_bad), "{format}: {n_bad} of 400 for 30 %");
        }
    }

    #[test]
    fn torn_frames_are_whole_above_and_wrong_below() {
        for format in ["bgr", "yuyv", "mjpeg"] {
            let healthy = format!("format={format}");
            for n in [0, 15, 100, 101, 102] {
                let (plain, torn) = (image(&healthy, n), image(&format!("{healthy},torn=100"), n));
                assert_eq!(torn.size(), plain.size());
                let n_same = n_same_rows(&plain, &torn);
                assert!((16..119).contains(&n_same), "{format} {n}: {n_same} rows of 120 are right");
            }
            assert_eq!(
                image(&format!("{healthy},torn=100@10s"), 5).pixels(),
                image(&healthy, 5).pixels(),
                "{format}: before the window"
            );
        }
    }

    #[test]
    fn late_frames_have_a_delay_while_the_window_lasts() {
        let lens = lens("@10,late=300ms@1s+1s");
        assert_eq!([9, 10, 19, 20].map(|n| lens.delay(n).as_millis()), [0, 300, 300, 0]);
    }
}
