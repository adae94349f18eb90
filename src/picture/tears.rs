//! Pictures whose lower part belongs to another picture: one torn picture among its neighbours.

use std::collections::BTreeMap;

use super::FrameCoding;
use super::damage::{self, Jump};
use super::light::luma_of;
use super::numbers::mean;
use crate::frame::Image;

/// Of each row so many pixels are compared.
const N_COLUMNS: usize = 160;
/// A tear goes over so much of the width, in 255ths.
const MIN_TEAR: u8 = 18;

/// Of three pictures in turn the one in the middle is brighter than both others by so much, or darker: light that blinks, with
/// which edges come and go.
const BLINK_RATIO: f64 = 1.2;
/// Of all pictures, where light blinks.
const BLINKING_SHARE: f64 = 0.8;

/// What is kept of a picture to find tears: how unlike each row is the row above it.
#[derive(Clone, Debug)]
pub struct RowSteps {
    jumps: Vec<Jump>,
    /// Mean brightness.
    mean: f64,
}

impl RowSteps {
    /// Half a millisecond for 1080p.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let width = image.size().width as usize;
        let step = width.div_ceil(N_COLUMNS).max(1);
        let n_columns = width.div_ceil(step).max(1);
        let mut pixels: Vec<[u8; 3]> = Vec::with_capacity(n_columns * image.size().height as usize);
        for row in image.pixels().chunks_exact(width * Image::BYTES_PER_PIXEL) {
            pixels.extend(row.as_chunks::<{ Image::BYTES_PER_PIXEL }>().0.iter().step_by(step));
        }
        let brightness =
            mean(pixels.chunks_exact(n_columns).step_by(step).flatten().map(|bgr| f64::from(luma_of(*bgr))));
        Self { jumps: damage::jumps(pixels.chunks_exact(n_columns)), mean: brightness }
    }
}

/// How many pictures were judged, and how many of them were torn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TearCount {
    pub n_judged: u32,
    pub n_torn: u32,
    n_blinking: u32,
}

impl TearCount {
    pub fn add(&mut self, other: Self) {
        self.n_judged += other.n_judged;
        self.n_torn += other.n_torn;
        self.n_blinking += other.n_blinking;
    }

    /// The share that is torn, 0 to 1; `None` where none was judged, and where light blinks.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let share = |n: u32| f64::from(n) / f64::from(self.n_judged);
        (self.n_judged > 0 && share(self.n_blinking) < BLINKING_SHARE).then(|| share(self.n_torn))
    }
}

/// At which rows pictures were torn. Where packets are lost is chance; what is torn at one row again and again is the edge of something
/// that a network camera draws into its pictures, such as a counter. A device of this computer draws nothing, and may break off at the
/// same place each time.
#[derive(Debug, Default)]
pub struct TornRows {
    may_be_drawn: bool,
    n: u32,
    at: BTreeMap<usize, u32>,
}

impl TornRows {
    /// Of all tears, at one row.
    const EDGE_SHARE: u32 = 4;

    pub fn new(coding: FrameCoding) -> Self {
        Self { may_be_drawn: coding != FrameCoding::Intra, ..Self::default() }
    }

    pub fn add(&mut self, row: usize) {
        self.n += 1;
        *self.at.entry(row).or_default() += 1;
    }

    /// Whether what was at this row is such an edge.
    fn is_edge(&self, row: usize) -> bool {
        self.may_be_drawn && self.at.get(&row).is_some_and(|n| *n >= 2 && n * Self::EDGE_SHARE >= self.n)
    }

    fn forget(&mut self) {
        (self.n, self.at) = (0, BTreeMap::new());
    }

    /// How many tears are none of an edge.
    pub fn n_torn(&self) -> usize {
        self.at.iter().filter(|(row, _)| !self.is_edge(**row)).map(|(_, n)| *n as usize).sum()
    }
}

/// Takes pictures that follow each other without a gap, and judges each that has neighbours on both sides.
#[derive(Debug, Default)]
pub struct TearCounter {
    before: Option<RowSteps>,
    last: Option<RowSteps>,
    rows: TornRows,
    count: TearCount,
}

impl TearCounter {
    /// Of pictures that come so.
    #[must_use]
    pub fn new(coding: FrameCoding) -> Self {
        Self { rows: TornRows::new(coding), ..Self::default() }
    }

    /// The next picture does not follow the last one.
    pub fn on_gap(&mut self) {
        (self.before, self.last) = (None, None);
    }

    /// The next picture of the camera. One of another height begins anew.
    pub fn add(&mut self, picture: RowSteps) {
        if self.last.as_ref().is_some_and(|last| last.jumps.len() != picture.jumps.len()) {
            self.on_gap();
            self.rows.forget();
        }
        if let (Some(before), Some(last)) = (&self.before, &self.last) {
            self.count.n_judged += 1;
            if let Some(row) = tear(&last.jumps, &before.jumps, &picture.jumps) {
                self.rows.add(row);
                self.count.n_torn += u32::from(!self.rows.is_edge(row));
            }
            self.count.n_blinking += u32::from(stands_out(last.mean, before.mean, picture.mean));
        }
        self.before = self.last.replace(picture);
    }

    #[must_use]
    pub fn count(&self) -> TearCount {
        self.count
    }

    /// The same since it was taken last.
    pub fn take_count(&mut self) -> TearCount {
        std::mem::take(&mut self.count)
    }
}

fn stands_out(at: f64, before: f64, after: f64) -> bool {
    let [at, before, after] = [at, before, after].map(|mean| mean.max(0.5));
    at > BLINK_RATIO * before.max(after) || at * BLINK_RATIO < before.min(after)
}

/// The row where a picture is torn: one row is unlike the row above it over a good part of its width, as it is in neither neighbour. Edges that stand still are
/// there in the neighbours too; those that move are close by.
pub fn tear(jumps: &[Jump], before: &[Jump], after: &[Jump]) -> Option<usize> {
    let near = (jumps.len() / 20).max(4);
    // What one picture has clearly, and the other one not even faintly.
    let more =
        |a: &[Jump], b: &[Jump]| -> Vec<u8> { a.iter().zip(b).map(|(a, b)| a.clear.saturating_sub(b.faint)).collect() };
    let new: Vec<u8> = more(jumps, before).iter().zip(more(jumps, after)).map(|(a, b)| *a.min(&b)).collect();
    let gone = [more(before, jumps), more(after, jumps)];
    let largest = |rows: &[u8], from: usize, to: usize| {
        rows.get(from..to.min(rows.len())).and_then(|rows| rows.iter().max().copied()).unwrap_or(0)
    };
    let is_tear = |(y, jump): &(usize, &u8)| {
        let (y, half) = (*y, *jump / 2);
        **jump >= MIN_TEAR
            && largest(&new, y.saturating_sub(4), y.saturating_sub(1)).max(largest(&new, y + 2, y + 5)) < half
            && gone.iter().all(|gone| largest(gone, y.saturating_sub(near), y + near + 1) < half)
    };
    new.iter().enumerate().find(is_tear).map(|(y, _)| y)
}
