//! One picture in numbers, and what a series of them comes to.

use std::time::Instant;

use crate::frame::{Image, Size};

use super::grid::{self, Grid};
use super::numbers::{mean, median, quantile, share, std};
use super::rhythm::{self, Rhythm};
use super::{
    Bars, ColourStats, Darkness, FrameCoding, Gains, LumaStats, MissingRows, NoiseStats, PictureStats, PictureTraits,
};
use super::{colour, damage, focus, light};

/// Less of the height is no damage, but the edge of something.
const MIN_ROWS: f64 = 0.02;
/// In a shorter series two equal pictures in turn are chance.
const MIN_DOUBLED: usize = 8;
/// Fewer moving pixels say nothing about how they move.
const MIN_MOVED: usize = 100;

/// All that is kept of a picture.
pub struct PictureMeasurement {
    pub taken_at: Instant,
    /// Equal to the picture before it.
    pub is_same: bool,
    is_uniform: bool,
    pub luma: LumaStats,
    /// Against the picture before.
    changes: Option<light::Changes>,
    spatial_noise: f64,
    pub blocks: Vec<f64>,
    /// Mean brightness of the rows in the left half and in the right one.
    pub profiles: [Vec<f64>; 2],
    /// Of each row. Not of pictures that come too seldom for that.
    pub jumps: Vec<damage::Jump>,
    combed: damage::Combed,
    green: Option<BottomRows>,
    tail: Option<BottomRows>,
    colour: ColourStats,
    focus: Option<f64>,
    bars: Bars,
}

/// Rows at the bottom: how much of the height, and their colour.
pub struct BottomRows {
    pub height: f64,
    pub bgr: [u8; 3],
}

impl PictureMeasurement {
    /// `before` and `last` are of the picture before, if it had the same size.
    pub fn of(
        image: &Image,
        is_same: bool,
        grid: &Grid,
        before: Option<&Grid>,
        last: Option<&Self>,
        taken_at: Instant,
    ) -> Self {
        let since = last.map(|last| taken_at.saturating_duration_since(last.taken_at).as_secs_f64());
        let is_seldom = since.is_some_and(|secs| secs > rhythm::MAX_PERIOD_SECS);
        Self {
            taken_at,
            is_same,
            is_uniform: grid::is_uniform(image),
            luma: light::luma(grid),
            changes: before.map(|before| light::changes(grid, before)),
            spatial_noise: light::spatial_noise(grid),
            blocks: light::blocks(grid),
            profiles: rhythm::profiles(grid),
            jumps: if is_seldom { Vec::new() } else { damage::jumps(grid.colour_rows()) },
            combed: before.map(|before| damage::combed(grid, before)).unwrap_or_default(),
            green: damage::green(&grid.colour_rows().rev(), grid.n_rows()),
            tail: damage::tail(image),
            colour: colour::colour(grid),
            focus: focus::focus(grid),
            bars: damage::bars(grid),
        }
    }

    /// The same in few words.
    pub fn traits(&self, size: Size) -> PictureTraits {
        PictureTraits {
            size,
            is_same: self.is_same,
            is_uniform: self.is_uniform,
            light: darkness(&self.luma, std(&self.blocks), self.colour.bgr),
            green: self.green.as_ref().map_or(0.0, |rows| rows.height),
        }
    }
}

pub fn darkness(luma: &LumaStats, structure: f64, bgr: [f64; 3]) -> Darkness {
    let brightest_channel = bgr.into_iter().fold(0.0, f64::max);
    Darkness { mean: luma.mean, std: luma.std, peak: luma.peak, structure, brightest_channel }
}

/// The numbers of a series, oldest first.
pub fn stats(measurements: &[&PictureMeasurement], coding: FrameCoding) -> PictureStats {
    let (Some(first), Some(last)) = (measurements.first(), measurements.last()) else { return PictureStats::default() };
    // Automatic exposure and white balance have settled by then, if they ever do.
    let settled = measurements.get(measurements.len() / 2..).unwrap_or(measurements);
    let middle = |of: &dyn Fn(&PictureMeasurement) -> f64| {
        median(settled.iter().map(|measurement| of(measurement))).unwrap_or_default()
    };
    let rhythm = Rhythm::of(measurements);
    let alternation = rhythm.as_ref().and_then(|rhythm| rhythm::alternation(measurements, rhythm));
    // Edges come and go with the light.
    let is_blinking = alternation.as_ref().is_some_and(|blink| blink.coherence >= 0.8 && blink.ratio >= 1.2);
    let tail = |measurement: &&PictureMeasurement| measurement.tail.as_ref().map_or(0.0, |tail| tail.height);
    let usual_tail = measurements.iter().map(tail).min_by(f64::total_cmp).unwrap_or(0.0);
    let new: Vec<_> = measurements
        .iter()
        .filter(|measurement| !measurement.is_same)
        .filter_map(|measurement| measurement.changes)
        .collect();
    let has_changes = measurements.iter().any(|measurement| measurement.changes.is_some());
    let noise = median(new.iter().map(|changes| changes.noise)).unwrap_or(0.0);
    PictureStats {
        n_pictures: u32::try_from(measurements.len()).unwrap_or(u32::MAX),
        secs: last.taken_at.saturating_duration_since(first.taken_at).as_secs_f64(),
        rate: rhythm.as_ref().map(|rhythm| 1.0 / rhythm.period_secs),
        is_coded_as_differences: !coding.is_by_itself(),
        is_uniform: measurements.iter().all(|measurement| measurement.is_uniform),
        luma: LumaStats {
            mean: middle(&|measurement| measurement.luma.mean),
            std: middle(&|measurement| measurement.luma.std),
            p1: middle(&|measurement| measurement.luma.p1),
            p50: middle(&|measurement| measurement.luma.p50),
            p99: middle(&|measurement| measurement.luma.p99),
            peak: middle(&|measurement| measurement.luma.peak),
            share_white: middle(&|measurement| measurement.luma.share_white),
            share_black: middle(&|measurement| measurement.luma.share_black),
        },
        noise: NoiseStats {
            temporal: has_changes.then_some(noise),
            spatial: middle(&|measurement| measurement.spatial_noise),
        },
        structure: structure(settled),
        moving: median(new.iter().map(|changes| changes.moving)).unwrap_or_default(),
        same: rhythm::same(measurements),
        is_doubled: is_doubled(measurements),
        green: rows(measurements, |measurement| measurement.green.as_ref()),
        tail: rows(measurements, |measurement| {
            measurement.tail.as_ref().filter(|tail| tail.height >= usual_tail + MIN_ROWS)
        }),
        grey: rows(measurements, |measurement| {
            measurement.tail.as_ref().filter(|tail| damage::is_grey_of_decoders(tail.bgr))
        }),
        torn: rhythm.as_ref().filter(|_| !is_blinking).and_then(|rhythm| rhythm::torn(measurements, rhythm, coding)),
        bands: rhythm.as_ref().and_then(|rhythm| rhythm::bands(measurements, rhythm)),
        n_brightness_turns: if is_blinking { 0 } else { rhythm::brightness_turns(measurements) },
        alternation,
        colour: settled_colour(settled),
        combed: combed(measurements),
        focus: quantile(measurements.iter().filter_map(|measurement| measurement.focus), 0.75),
        bars: Bars {
            top: middle(&|measurement| measurement.bars.top),
            bottom: middle(&|measurement| measurement.bars.bottom),
            left: middle(&|measurement| measurement.bars.left),
            right: middle(&|measurement| measurement.bars.right),
        },
    }
}

/// The noise of single pictures, which changes, is gone in the medians of each part.
fn structure(measurements: &[&PictureMeasurement]) -> f64 {
    let n_blocks = measurements.first().map_or(0, |measurement| measurement.blocks.len());
    let block = |at: usize| median(measurements.iter().filter_map(|measurement| measurement.blocks.get(at).copied()));
    std(&(0..n_blocks).filter_map(block).collect::<Vec<_>>())
}

fn settled_colour(measurements: &[&PictureMeasurement]) -> ColourStats {
    let colours = || measurements.iter().map(|measurement| &measurement.colour);
    let middle = |of: &dyn Fn(&ColourStats) -> f64| median(colours().map(of)).unwrap_or_default();
    let gain = |of: fn(Gains) -> f64| median(colours().filter_map(|colour| colour.gains).map(of));
    let gains = gain(|gains| gains.red).zip(gain(|gains| gains.blue)).map(|(red, blue)| Gains { red, blue });
    let white = |of: fn(Gains) -> f64| median(colours().filter_map(|colour| colour.white).map(of));
    let white = white(|gains| gains.red).zip(white(|gains| gains.blue)).map(|(red, blue)| Gains { red, blue });
    let [b, g, r]: [Vec<f64>; 3] = [0, 1, 2].map(|n| colours().filter_map(|c| c.bgr.get(n).copied()).collect());
    ColourStats {
        bgr: [b, g, r].map(|channel| median(channel).unwrap_or_default()),
        difference: middle(&|colour| colour.difference),
        gains,
        white,
        neutral: middle(&|colour| colour.neutral),
        chroma_correlation: middle(&|colour| colour.chroma_correlation),
        chroma_std: middle(&|colour| colour.chroma_std),
    }
}

fn rows<'a>(
    measurements: &[&'a PictureMeasurement],
    of: impl Fn(&'a PictureMeasurement) -> Option<&'a BottomRows>,
) -> MissingRows {
    let tails: Vec<&BottomRows> =
        measurements.iter().filter_map(|measurement| of(measurement)).filter(|t| t.height >= MIN_ROWS).collect();
    let Some(height) = median(tails.iter().map(|tail| tail.height)) else { return MissingRows::default() };
    let like = tails.iter().find(|tail| tail.height >= height);
    let bgr = like.map(|tail| tail.bgr).unwrap_or_default();
    MissingRows { pictures: share(tails.len(), measurements.len()), height, bgr }
}

/// New, equal, new, equal.
fn is_doubled(measurements: &[&PictureMeasurement]) -> bool {
    let turns = measurements.windows(2).skip(1).filter(|pair| matches!(pair, [a, b] if a.is_same != b.is_same)).count();
    measurements.len() >= MIN_DOUBLED && share(turns, measurements.len() - 2) >= 0.9
}

fn combed(measurements: &[&PictureMeasurement]) -> f64 {
    let n_moved: usize = measurements.iter().map(|measurement| measurement.combed.n_moved).sum();
    let n_combed = measurements.iter().map(|measurement| measurement.combed.n_combed).sum();
    if n_moved < MIN_MOVED { 0.0 } else { share(n_combed, n_moved) }
}

/// What a part of the picture is on average, from its sum.
pub fn mean_of(values: &[u8]) -> f64 {
    mean(values.iter().map(|value| f64::from(*value)))
}
