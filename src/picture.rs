//! What pictures show, as numbers: how bright, how noisy, how sharp, whether they move, whether something is missing.
//!
//! A [`PictureSeries`] takes the pictures of one camera one after the other, and [`PictureSeries::stats`] gives the numbers of the last
//! ten seconds. Pure: times come with the pictures. Nothing is judged here: what a number means is asked in [`crate::criteria`]. The
//! formulas are those of the catalogue of failures, section 6.
//!
//! Two rates are of use. At full rate for a second or two everything is measured. At two pictures a second, which costs
//! less than a fiftieth of a core at 1080p, what needs consecutive pictures stays `None`: bands, alternation, tears.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::frame::{Image, Size};

mod colour;
mod damage;
mod darkness;
mod focus;
mod grid;
mod light;
mod measurement;
mod numbers;
mod rhythm;
mod tears;
mod traits;

use grid::Grid;
use measurement::PictureMeasurement;

pub use darkness::Darkness;
pub use tears::{RowSteps, TearCount, TearCounter};
pub use traits::PictureTraits;

/// What is older says nothing about how the picture is now.
const WINDOW: Duration = Duration::from_secs(10);
/// Ten seconds at 30 pictures a second; with faster cameras it is less.
const MAX_PICTURES: usize = 300;

/// How the pictures come from the camera, which decides what it means that two of them are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameCoding {
    /// Each by itself (raw pixels, one JPEG each): the noise of a sensor makes each of them new.
    #[default]
    Intra,
    /// The same, from a server on the network, which may repeat one where its camera pauses.
    Served,
    /// Against the pictures before (H.264, H.265): a scene that stands still gives equal pictures.
    Inter,
    /// Nobody knows (a file, a virtual camera): what they show may stand still for as long as it likes.
    Unknown,
}

impl FrameCoding {
    /// Whether each picture stands for itself.
    #[must_use]
    pub fn is_by_itself(self) -> bool {
        matches!(self, Self::Intra | Self::Served)
    }
}

/// The numbers of a series of pictures. Those of light and colour are medians over its later half, as automatic exposure
/// needs its time; brightness is luma after BT.601, 0 to 255; shares are 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureStats {
    pub n_pictures: u32,
    /// From the first picture to the last one.
    pub secs: f64,
    /// Pictures a second, if they came one after the other without gaps. The rest of what needs that is `None` with it.
    pub rate: Option<f64>,
    /// Equal pictures are no sign of a frozen camera: they come as differences.
    pub is_coded_as_differences: bool,
    /// Every picture has one colour, in each of its pixels.
    pub is_uniform: bool,
    pub luma: LumaStats,
    pub noise: NoiseStats,
    /// How much brightness differs between the parts of the picture, beyond what noise explains: a covered lens below 1, a
    /// dark room above 1.5.
    pub structure: f64,
    /// Part of the picture that changes from one to the next.
    pub moving: f64,
    pub same: EqualRun,
    /// Each picture comes twice: the true rate is half.
    pub is_doubled: bool,
    /// Rows that were never filled: zeros, read as YUV, are green.
    pub green: MissingRows,
    /// Rows at the bottom that show nothing but one block again and again, neither black nor white, in some of the pictures.
    pub tail: MissingRows,
    /// Rows at the bottom that have the one grey that decoders put where nothing has come.
    pub grey: MissingRows,
    /// Part of the pictures in which the rows from some row on belong to another picture; `None` also where light blinks.
    pub torn: Option<f64>,
    pub bands: Option<Bands>,
    pub alternation: Option<Alternation>,
    /// How often the brightness of the whole picture went far up and came far down, and the other way round.
    pub n_brightness_turns: u32,
    pub colour: ColourStats,
    /// Part of what moves that shows the teeth of two interlaced half-pictures.
    pub combed: f64,
    /// How much of all contrast around lies between two neighbours of a small picture, in its sharpest parts: a half where an
    /// edge is sharp, a tenth where it takes ten pixels; `None` without contrast.
    pub focus: Option<f64>,
    pub bars: Bars,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LumaStats {
    pub mean: f64,
    pub std: f64,
    pub p1: f64,
    pub p50: f64,
    pub p99: f64,
    /// Only one pixel of a thousand is brighter.
    pub peak: f64,
    /// Share of pixels of 250 and more.
    pub share_white: f64,
    /// Share of pixels of 5 and less.
    pub share_black: f64,
}

/// Standard deviations, robust against what moves and against edges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NoiseStats {
    /// From one picture to the next; 0 where nine of ten pixels stay equal.
    pub temporal: Option<f64>,
    /// From row to row within a picture. Fine structure counts as well.
    pub spatial: f64,
}

/// The longest run of pictures that are equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EqualRun {
    /// The first one included; 0 if no two are equal.
    pub n: u32,
    pub secs: f64,
    /// It goes on to the last picture.
    pub lasts: bool,
    /// Share of the pictures that are equal to the one before.
    pub share: f64,
}

/// Rows at the bottom that are no picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MissingRows {
    /// Part of the pictures that have them.
    pub pictures: f64,
    /// How much of the height they take there; 1 for the whole picture.
    pub height: f64,
    /// Their colour: blue, green, red.
    pub bgr: [u8; 3],
}

/// Brighter and darker rows that wander, as lamps on the mains make them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bands {
    /// The mains that their pace fits, 50 or 60, if they are clear; `None` if neither, and of what is in the scene.
    pub mains_hz: Option<f64>,
    /// By how much they are brighter than the mean, in percent of it.
    pub percent: f64,
    /// How evenly they wander, 0 to 1.
    pub coherence: f64,
    /// Power against that of bands of other heights.
    pub snr: f64,
    /// How alike the left and the right half are, 0 to 1: light in the room meets both.
    pub unity: f64,
}

/// Every second picture is darker as a whole, as with an infrared lamp that blinks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alternation {
    /// Mean brightness of the brighter ones over that of the darker ones.
    pub ratio: f64,
    /// Share of the pictures that take part.
    pub coherence: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColourStats {
    /// Mean blue, green, red.
    pub bgr: [f64; 3],
    /// Mean of the largest difference between two channels of a pixel: below 2 it is grey.
    pub difference: f64,
    /// Red and blue over green, in pixels that are neither dark nor white; `None` where there are too few.
    pub gains: Option<Gains>,
    /// The same of the brightest twentieth of the picture.
    pub white: Option<Gains>,
    /// Share of these pixels that are nearly grey.
    pub neutral: f64,
    /// Correlation of the two colour differences U and V. Near 1 when brightness was taken for colour, byte for byte.
    pub chroma_correlation: f64,
    /// Standard deviation of the colour differences.
    pub chroma_std: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gains {
    pub red: f64,
    pub blue: f64,
}

/// Black borders without any noise, as shares of height and width.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bars {
    pub top: f64,
    pub bottom: f64,
    pub left: f64,
    pub right: f64,
}

impl PictureStats {
    #[must_use]
    pub fn darkness(&self) -> Darkness {
        measurement::darkness(&self.luma, self.structure, self.colour.bgr)
    }

    /// As far as it is told here: what nobody knows counts as coded against other pictures.
    #[must_use]
    pub fn coding(&self) -> FrameCoding {
        if self.is_coded_as_differences { FrameCoding::Inter } else { FrameCoding::Intra }
    }
}

/// Takes the pictures of one camera as they come.
pub struct PictureSeries {
    coding: FrameCoding,
    window: Duration,
    size: Option<Size>,
    fingerprint: Option<u64>,
    before: Option<Grid>,
    measurements: VecDeque<PictureMeasurement>,
}

impl PictureSeries {
    #[must_use]
    pub fn new(coding: FrameCoding) -> Self {
        Self::of_last(WINDOW, coding)
    }

    /// What is older than the window does not count any more.
    #[must_use]
    pub fn of_last(window: Duration, coding: FrameCoding) -> Self {
        Self { coding, window, size: None, fingerprint: None, before: None, measurements: VecDeque::new() }
    }

    /// The next picture. One of another size begins a new series.
    ///
    /// By their fingerprints alone pictures are equal or not: one that was made smaller has that of the camera's own picture, whose
    /// noise is averaged away in the small one.
    pub fn add(&mut self, image: &Image, taken_at: Instant) -> PictureTraits {
        if self.size.replace(image.size()) != Some(image.size()) {
            self.before = None;
            self.measurements.clear();
        }
        let fingerprint = image.fingerprint();
        let is_same = self.fingerprint.replace(fingerprint) == Some(fingerprint);
        let grid = Grid::of(image);
        let (before, last) = (self.before.as_ref(), self.measurements.back());
        let measurement = PictureMeasurement::of(image, is_same, &grid, before, last, taken_at);
        let traits = measurement.traits(image.size());
        self.measurements.push_back(measurement);
        self.before = Some(grid);
        let is_old =
            |measurement: &PictureMeasurement| taken_at.saturating_duration_since(measurement.taken_at) > self.window;
        while self.measurements.len() > MAX_PICTURES || self.measurements.front().is_some_and(is_old) {
            self.measurements.pop_front();
        }
        traits
    }

    /// The numbers of the last ten seconds, or of the window. All are 0 before the first picture.
    #[must_use]
    pub fn stats(&self) -> PictureStats {
        let measurements: Vec<&PictureMeasurement> = self.measurements.iter().collect();
        measurement::stats(&measurements, self.coding)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "colours wrap round as they like")]

    use crate::source::simulated::pictures;

    use super::*;

    /// The pictures come at this rate, whatever rate they were made for.
    fn seen_at(fps: f64, coding: FrameCoding, images: impl Iterator<Item = Image>) -> PictureStats {
        let mut series = PictureSeries::new(coding);
        let began = Instant::now();
        for (n, image) in (0_u32..).zip(images) {
            series.add(&image, began + Duration::from_secs_f64(f64::from(n) / fps));
        }
        series.stats()
    }

    fn seen(line: &str, n: usize) -> PictureStats {
        let mut series = PictureSeries::new(FrameCoding::Intra);
        let began = Instant::now();
        for (due, image) in pictures(line).take(n) {
            series.add(&image, began + due);
        }
        series.stats()
    }

    /// Of three bytes for each pixel, told by its place.
    fn drawn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Image {
        let pixels: Vec<u8> =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| colour(x, y)).collect();
        Image::new(Size { width, height }, pixels).unwrap()
    }

    #[track_caller]
    fn check(what: &str, got: f64, expected: std::ops::RangeInclusive<f64>) {
        assert!(expected.contains(&got), "{what}: {got}, not {expected:?}");
    }

    #[test]
    fn light_and_noise_are_measured() {
        let still = seen("320x240,pattern=still", 20);
        check("mean", still.luma.mean, 138.0..=148.0);
        check("noise", still.noise.temporal.unwrap(), 0.7..=1.2);
        check("noise within", still.noise.spatial, 0.7..=1.6);
        check("structure", still.structure, 20.0..=50.0);
        check("moving", still.moving, 0.0..=0.001);
        let night = seen("320x240,pattern=night", 20);
        check("mean", night.luma.mean, 10.0..=35.0);
        check("brightest", night.luma.peak, 150.0..=255.0);
        let cap = seen("320x240,cap", 20);
        check("mean", cap.luma.mean, 0.1..=2.0);
        check("noise", cap.noise.temporal.unwrap(), 0.3..=1.2);
        check("structure", cap.structure, 0.0..=0.2);
        let card = seen("320x240", 20);
        check("noise where a part moves", card.noise.temporal.unwrap(), 0.0..=0.0);
        check("moving", card.moving, 0.005..=0.05);
        assert_eq!(seen("320x240", 1).noise.temporal, None, "one picture has no change");
        assert_eq!(PictureSeries::new(FrameCoding::Intra).stats(), PictureStats::default());
    }

    #[test]
    fn equal_pictures_are_counted_to_the_end() {
        let same = seen("320x240,frozen@1s", 60).same;
        assert!(same.lasts && same.n == 30, "{same:?}");
        check("seconds", same.secs, 0.96..=0.98);
        let again = seen("320x240,frozen@200ms+500ms", 60).same;
        assert!(!again.lasts && again.n == 15, "{again:?}");
        assert_eq!(seen("320x240,pattern=still,format=mjpeg", 60).same, EqualRun::default());
        let doubled = seen("320x240,doubled", 30);
        assert!(doubled.is_doubled && doubled.same.n == 2, "{doubled:?}");
        assert!(!seen("320x240,frozen", 30).is_doubled && !seen("320x240", 30).is_doubled);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let images = |line: &'static str, n| pictures(line).take(n).map(|(_, image)| image);
        let seen = seen_at(2.0, FrameCoding::Inter, images("160x120,black", 30).chain(images("160x120", 25)));
        assert!(seen.n_pictures <= 21 && !seen.is_uniform && seen.is_coded_as_differences, "{seen:?}");
        check("seconds", seen.secs, 9.0..=10.0);
        // Another size is another series.
        let seen = seen_at(30.0, FrameCoding::Intra, images("160x120", 20).chain(images("64x48", 3)));
        assert_eq!(seen.n_pictures, 3);
    }

    #[test]
    fn seldom_pictures_show_no_rhythm() {
        for (fps, expected) in [(2.0, false), (10.0, true), (120.0, true)] {
            let seen =
                seen_at(fps, FrameCoding::Intra, pictures("160x120,flicker=50").take(16).map(|(_, image)| image));
            let has = [seen.rate.is_some(), seen.torn.is_some(), seen.alternation.is_some(), seen.bands.is_some()];
            assert_eq!(has, [expected; 4], "{fps}");
        }
    }

    #[test]
    fn bands_tell_the_mains_they_come_from() {
        let mains = |line: &str| seen(&format!("320x240,{line}"), 45).bands.and_then(|bands| bands.mains_hz);
        for fps in ["30", "29.97", "15", "24", "60"] {
            assert_eq!(mains(&format!("@{fps},flicker=50")), Some(50.0), "{fps}");
        }
        for fps in ["25", "50", "14.5"] {
            assert_eq!(mains(&format!("@{fps},flicker=60")), Some(60.0), "{fps}");
        }
        // They stand still, or come from no mains, or from nowhere.
        for line in ["flicker=60", "flicker=50,@25", "flicker=137", "pattern=gradient", "pattern=noise", "torn=30"] {
            assert_eq!(mains(line), None, "{line}");
        }
    }

    #[test]
    fn tears_are_counted_and_edges_are_not() {
        let lines =
            ["card", "chart", "gradient", "noise", "still", "night", "card,comb", "still,infrared", "still,flicker=50"];
        for line in lines {
            for format in ["bgr", "mjpeg"] {
                let line = format!("320x240,pattern={line},format={format}");
                check(&line, seen(&line, 40).torn.unwrap_or_default(), 0.0..=0.0);
            }
        }
        for (line, least) in [("torn=40", 0.2), ("torn=40,format=mjpeg", 0.2), ("torn=40,pattern=still", 0.1)] {
            let torn = format!("320x240,{line}");
            for coding in [FrameCoding::Intra, FrameCoding::Served] {
                let images = pictures(&torn).take(60).map(|(_, image)| image);
                check(line, seen_at(30.0, coding, images).torn.unwrap(), least..=0.6);
            }
        }
        // A bar across the whole picture that rises, as a blind does; and one that jumps up and down.
        for rows in [3, 40] {
            let bar = |n: u32| {
                move |_: u32, y: u32| {
                    if (n * rows % 200..n * rows % 200 + 20).contains(&y) { [200; 3] } else { [60; 3] }
                }
            };
            let images = (0..40).map(|n| drawn(320, 240, bar(n)));
            check(
                "a bar that moves",
                seen_at(30.0, FrameCoding::Intra, images).torn.unwrap(),
                0.0..=if rows > 12 { 1.0 } else { 0.1 },
            );
        }
    }

    /// Its digits leap from row to row, and are no tears: a binary counter in two rows of blocks, of different heights.
    #[test]
    fn a_counter_in_the_picture_is_no_tear() {
        for side in [8, 16, 30] {
            let block = move |n: u32| {
                move |x: u32, y: u32| {
                    let is_lit = n.wrapping_mul(2_654_435_761).rotate_left(x / side + 20 * (y / side)) & 1 == 1;
                    if y < 2 * side { [if is_lit { 230 } else { 16 }; 3] } else { [60 + (x / 4).to_le_bytes()[0]; 3] }
                }
            };
            let images: Vec<_> = (0..60).map(|n| drawn(320, 240, block(n))).collect();
            let mut counter = TearCounter::new(FrameCoding::Served);
            for image in &images {
                counter.add(RowSteps::of(image));
            }
            let live = counter.count();
            let n_torn = live.n_torn;
            assert!(n_torn <= 2 && !crate::criteria::is_surely_torn(n_torn, live.n_judged), "{side}: {live:?}");
            let torn = seen_at(30.0, FrameCoding::Served, images.into_iter()).torn.unwrap();
            assert!(!crate::criteria::is_torn(torn, 60), "{side}: {torn}");
        }
    }

    #[test]
    fn missing_rows_are_seen_from_the_bottom() {
        let green_below = |row: u32, n: u32| {
            drawn(320, 240, move |x, y| if y >= row { [0, 154, 0] } else { [x as u8, y as u8, n as u8] })
        };
        let seen =
            seen_at(30.0, FrameCoding::Intra, (0..10).map(|n| green_below(if n % 2 == 0 { 168 } else { 240 }, n)));
        check("height", seen.green.height, 0.299..=0.301);
        check("pictures", seen.green.pictures, 0.5..=0.5);
        check("tail", seen.tail.height, 0.299..=0.301);
        // What decoders put where nothing has come is that in each picture too; a grey wall has noise.
        for (grey, noise, expected) in [(128, 0, 0.3), (130, 0, 0.3), (140, 0, 0.0), (128, 3, 0.0)] {
            let grey_below = |n: u32| {
                let mut random = fastrand::Rng::with_seed(n.into());
                let pixels = (0..240_u32).flat_map(|y| (0..320_u32).map(move |x| (x, y)));
                let pixel = |(x, y): (u32, u32)| match y {
                    168.. => [grey + random.u8(..=noise); 3],
                    _ => [x as u8, y as u8, n as u8],
                };
                let pixels: Vec<u8> = pixels.flat_map(pixel).collect();
                Image::new(Size { width: 320, height: 240 }, pixels).unwrap()
            };
            let seen = seen_at(30.0, FrameCoding::Intra, (0..10).map(grey_below));
            check("grey", seen.grey.height, expected - 0.001..=expected + 0.001);
        }
        let lawn = seen_at(
            30.0,
            FrameCoding::Intra,
            (0..10).map(|n| drawn(320, 240, move |x, y| [20, 140 + ((x + y + n) % 30) as u8, 10])),
        );
        assert_eq!((lawn.green, lawn.tail), Default::default());
        // The paper of a chart is one colour at the bottom, in every picture.
        assert_eq!(self::seen("320x240,pattern=chart", 10).tail, MissingRows::default());
        let bars = self::seen("320x240,letterbox", 10).bars;
        check("bar", bars.top.min(bars.bottom), 0.12..=0.13);
        assert_eq!(self::seen("320x240,pattern=night", 10).bars, Bars::default());
    }

    #[test]
    fn colours_are_measured() {
        let plain = seen("320x240,pattern=still", 10).colour;
        check("neutral", plain.neutral, 0.3..=1.0);
        check("red", plain.gains.unwrap().red, 0.9..=1.15);
        let cast = seen("320x240,pattern=still,cast", 10).colour;
        check("neutral", cast.neutral, 0.0..=0.01);
        check("red", cast.gains.unwrap().red, 1.4..=2.0);
        check("grey", seen("320x240,infrared", 10).colour.difference, 0.0..=1.0);
        // Y, U, Y, V taken for U, Y, V, Y: see what comes of a photograph's usual range.
        let misread = drawn(320, 240, |x, y| {
            let luma = i32::try_from(x * 220 / 320 + y % 7).unwrap() - 110;
            let at = |factor: f64| (128.0 + factor * f64::from(luma)).clamp(0.0, 255.0) as u8;
            [at(2.0), at(-1.2), at(1.6)]
        });
        let colour = seen_at(30.0, FrameCoding::Intra, std::iter::repeat_n(misread, 3)).colour;
        check("correlation", colour.chroma_correlation, 0.9..=1.0);
        check("correlation", plain.chroma_correlation, -1.0..=0.5);
    }

    #[test]
    fn what_is_sharp_is_told_from_what_is_not() {
        for size in ["320x240", "640x480", "1280x720"] {
            for pattern in ["card", "chart", "gradient", "still", "night"] {
                let focus = |fault: &str| seen(&format!("{size},pattern={pattern}{fault}"), 3).focus;
                check(&format!("{size} {pattern}"), focus("").unwrap(), 0.34..=1.0);
                // Of soft colours only the small digits tell.
                if pattern != "gradient" {
                    check(&format!("{size} {pattern} blurred"), focus(",blur").unwrap_or(0.0), 0.0..=0.3);
                }
            }
        }
        assert_eq!(seen("320x240,black", 3).focus, None, "nothing to be sharp");
    }

    #[test]
    fn teeth_and_blinking_are_measured() {
        check("combed", seen("comb", 20).combed, 0.08..=1.0);
        check("not combed", seen("", 20).combed, 0.0..=0.02);
        check("not combed", seen("320x240,pattern=noise", 20).combed, 0.0..=0.03);
        let blink = seen("320x240,infrared", 20).alternation.unwrap();
        check("ratio", blink.ratio, 2.0..=4.0);
        check("coherence", blink.coherence, 1.0..=1.0);
        check("coherence", seen("320x240,pattern=night", 20).alternation.unwrap().coherence, 0.0..=0.2);
    }

    #[test]
    fn exposure_that_goes_up_and_down_is_seen() {
        /// The same scene, brighter or darker by so much from picture to picture; only its left half, if `half`.
        fn turns(light: impl Fn(u32) -> i32, half: bool) -> u32 {
            let images = (0..80).map(|n| {
                let light = light(n);
                drawn(64, 48, move |x, y| {
                    let light = if half && x >= 32 { 0 } else { light };
                    [((x * 2 + y).cast_signed() % 90 + 60 + light).clamp(0, 255) as u8; 3]
                })
            });
            seen_at(20.0, FrameCoding::Intra, images).n_brightness_turns
        }
        let swing = |n: u32| (f64::from(n) / 20.0 * 6.3).sin() * 70.0;
        check("it swings", f64::from(turns(|n| swing(n) as i32, false)), 5.0..=8.0);
        assert_eq!(turns(|n| swing(n) as i32, true), 0, "half of it");
        assert_eq!(turns(|n| swing(n) as i32 / 5, false), 0, "by little");
        assert_eq!(turns(|n| if n < 40 { 0 } else { 80 }, false), 0, "a lamp is switched on");
        assert_eq!(turns(|n| n.cast_signed() * 2 - 60, false), 0, "the sun rises");
    }

    #[test]
    fn the_brightest_part_has_a_colour() {
        // Grey, and a white that lacks red.
        let image = drawn(100, 100, |x, _| if x < 10 { [240, 200, 100] } else { [90, 90, 90] });
        let white = seen_at(20.0, FrameCoding::Intra, std::iter::repeat_n(image, 3)).colour.white.unwrap();
        check("red", white.red, 0.45..=0.55);
        check("blue", white.blue, 1.15..=1.25);
    }

    #[test]
    fn no_size_is_too_small_or_too_odd() {
        for (width, height) in [(1, 1), (2, 500), (500, 2), (7, 5), (33, 100), (321, 241), (16_384, 2)] {
            let images = (0..20).map(|n| drawn(width, height, move |x, y| [(x * 7 + n) as u8, (y * 5) as u8, n as u8]));
            let seen = seen_at(30.0, FrameCoding::Intra, images);
            assert!(seen.luma.mean.is_finite() && seen.structure.is_finite() && seen.n_pictures == 20, "{seen:?}");
        }
    }
}
