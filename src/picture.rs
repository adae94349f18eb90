//! What pictures show, as numbers: how bright, how noisy, how sharp, whether they move, whether something is missing.
//!
//! No judgement here: a [`Watcher`] takes the pictures of one camera one after the other, and [`Watcher::seen`] gives the
//! numbers of the last ten seconds. Pure: times come with the pictures. What a number means is decided by those who know the
//! camera too; the formulas are those of the catalogue of failures, section 6.
//!
//! Two rates are of use. At full rate for a second or two everything is measured. At two pictures a second, which costs
//! less than a fiftieth of a core at 1080p, what needs consecutive pictures stays `None`: bands, alternation, tears.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::frame::{Image, Size};

mod colour;
mod damage;
mod focus;
mod glance;
mod grid;
mod light;
mod numbers;
mod rhythm;

use glance::Glance;
use grid::Grid;

/// What is older says nothing about how the picture is now.
const WINDOW: Duration = Duration::from_secs(10);
/// Ten seconds at 30 pictures a second; with faster cameras it is less.
const MAX_PICTURES: usize = 300;

/// How the pictures come from the camera, which decides what it means that two of them are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// Each by itself: raw pixels, or one JPEG each. The noise of a sensor makes each of them new.
    #[default]
    Whole,
    /// By what has changed since the one before (H.264, H.265): a scene that stands still gives equal pictures.
    Differences,
}

/// The numbers of a series of pictures. Those of light and colour are medians over its later half, as automatic exposure
/// needs its time; brightness is luma after BT.601, 0 to 255; shares are 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    pub n_pictures: u32,
    /// From the first picture to the last one.
    pub secs: f64,
    /// Pictures a second, if they came one after the other without gaps. The rest of what needs that is `None` with it.
    pub rate: Option<f64>,
    /// Equal pictures are no sign of a frozen camera: they come as differences.
    pub is_coded_as_differences: bool,
    /// Every picture has one colour, in each of its pixels.
    pub is_uniform: bool,
    pub luma: Luma,
    pub noise: Noise,
    /// How much brightness differs between the parts of the picture, beyond what noise explains: a covered lens below 1, a
    /// dark room above 1.5.
    pub structure: f64,
    /// Part of the picture that changes from one to the next.
    pub moving: f64,
    pub same: Same,
    /// Each picture comes twice: the true rate is half.
    pub is_doubled: bool,
    /// Rows that were never filled: zeros, read as YUV, are green.
    pub green: Rows,
    /// Rows at the bottom that show nothing but one block again and again, neither black nor white, in some of the pictures.
    pub tail: Rows,
    /// Part of the pictures in which the rows from some row on belong to something else.
    pub torn: Option<f64>,
    pub bands: Option<Bands>,
    pub alternation: Option<Alternation>,
    pub colour: Colour,
    /// Part of what moves that shows the teeth of two interlaced half-pictures.
    pub combed: f64,
    /// How much of all contrast around lies between two neighbours of a small picture, in its sharpest parts: a half where an
    /// edge is sharp, a tenth where it takes ten pixels; `None` without contrast.
    pub focus: Option<f64>,
    pub bars: Bars,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Luma {
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
pub struct Noise {
    /// From one picture to the next; 0 where nine of ten pixels stay equal.
    pub temporal: Option<f64>,
    /// From row to row within a picture. Fine structure counts as well.
    pub spatial: f64,
}

/// The longest stretch of pictures that are equal in each byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Same {
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
pub struct Rows {
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
    /// The mains that their pace fits, 50 or 60; `None` if neither.
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
pub struct Colour {
    /// Mean blue, green, red.
    pub bgr: [f64; 3],
    /// Mean of the largest difference between two channels of a pixel: below 2 it is grey.
    pub difference: f64,
    /// Red and blue over green, in pixels that are neither dark nor white; `None` where there are too few.
    pub gains: Option<Gains>,
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

/// Takes the pictures of one camera as they come.
#[derive(Default)]
pub struct Watcher {
    coding: Coding,
    size: Option<Size>,
    before: Option<Grid>,
    glances: VecDeque<Glance>,
}

impl Watcher {
    #[must_use]
    pub fn new(coding: Coding) -> Self {
        Self { coding, ..Self::default() }
    }

    /// The next picture. One of another size begins a new series.
    pub fn add(&mut self, image: &Image, taken_at: Instant) {
        if self.size != Some(image.size()) {
            *self = Self { size: Some(image.size()), ..Self::new(self.coding) };
        }
        let grid = Grid::of(image);
        self.glances.push_back(Glance::of(image, &grid, self.before.as_ref(), self.glances.back(), taken_at));
        self.before = Some(grid);
        let is_old = |glance: &Glance| taken_at.saturating_duration_since(glance.taken_at) > WINDOW;
        while self.glances.len() > MAX_PICTURES || self.glances.front().is_some_and(is_old) {
            self.glances.pop_front();
        }
    }

    /// The numbers of the last ten seconds. All are 0 before the first picture.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let glances: Vec<&Glance> = self.glances.iter().collect();
        glance::seen(&glances, self.coding)
    }
}

#[cfg(test)]
mod tests {
    use crate::source::simulated::pictures;

    use super::*;

    fn seen(line: &str, n: usize) -> Seen {
        let mut watcher = Watcher::new(Coding::Whole);
        let began = Instant::now();
        for (due, image) in pictures(line).take(n) {
            watcher.add(&image, began + due);
        }
        watcher.seen()
    }

    #[test]
    fn print() {
        for line in std::env::var("LINES").unwrap_or_default().split(';') {
            println!("{line}: {:?}", seen(line, 60));
            if std::env::var("PNG").is_ok() {
                let image = pictures(line).nth(40).unwrap().1;
                let png = crate::codec::encode_png(&image).unwrap();
                std::fs::write(format!("/var/tmp/wt/png-{}.png", line.replace([',', '='], "_")), png).unwrap();
            }
        }
    }
}
