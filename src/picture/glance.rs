//! One picture in numbers, and what a series of them comes to.

use std::time::Instant;

use crate::frame::Image;

use super::grid::{self, Grid};
use super::numbers::{mean, median, quantile, share, std};
use super::rhythm::{self, Rhythm};
use super::{Bars, Coding, Colour, Gains, Luma, Noise, Rows, Seen};
use super::{colour, damage, focus, light};

/// Less of the height is no damage, but the edge of something.
const MIN_ROWS: f64 = 0.02;
/// In a shorter series two equal pictures in turn are chance.
const MIN_DOUBLED: usize = 8;
/// Fewer moving pixels say nothing about how they move.
const MIN_MOVED: usize = 100;

/// All that is kept of a picture.
pub struct Glance {
    pub taken_at: Instant,
    fingerprint: u64,
    /// Equal to the picture before it in each byte.
    pub is_same: bool,
    is_uniform: bool,
    pub luma: Luma,
    /// Against the picture before.
    changes: Option<light::Changes>,
    spatial_noise: f64,
    blocks: Vec<f64>,
    /// Mean brightness of the rows in the left half and in the right one.
    pub profiles: [Vec<f64>; 2],
    /// Of each row. Not of pictures that come too seldom for that.
    pub jumps: Vec<damage::Jump>,
    combed: damage::Combed,
    green: Option<Tail>,
    tail: Option<Tail>,
    colour: Colour,
    focus: Option<f64>,
    bars: Bars,
}

/// Rows at the bottom: how much of the height, and their colour.
pub struct Tail {
    pub height: f64,
    pub bgr: [u8; 3],
}

impl Glance {
    /// `before` and `last` are of the picture before, if it had the same size.
    pub fn of(image: &Image, grid: &Grid, before: Option<&Grid>, last: Option<&Self>, taken_at: Instant) -> Self {
        let fingerprint = grid::fingerprint(image.pixels());
        let since = last.map(|last| taken_at.saturating_duration_since(last.taken_at).as_secs_f64());
        let is_seldom = since.is_some_and(|secs| secs > rhythm::MAX_PERIOD_SECS);
        Self {
            taken_at,
            fingerprint,
            is_same: last.is_some_and(|last| last.fingerprint == fingerprint),
            is_uniform: grid::is_uniform(image),
            luma: light::luma(grid),
            changes: before.map(|before| light::changes(grid, before)),
            spatial_noise: light::spatial_noise(grid),
            blocks: light::blocks(grid),
            profiles: rhythm::profiles(grid),
            jumps: if is_seldom { Vec::new() } else { damage::jumps(grid) },
            combed: before.map(|before| damage::combed(grid, before)).unwrap_or_default(),
            green: damage::green(grid),
            tail: damage::tail(image),
            colour: colour::colour(grid),
            focus: focus::focus(grid),
            bars: damage::bars(grid),
        }
    }
}

/// The numbers of a series, oldest first.
pub fn seen(glances: &[&Glance], coding: Coding) -> Seen {
    let (Some(first), Some(last)) = (glances.first(), glances.last()) else { return Seen::default() };
    // Automatic exposure and white balance have settled by then, if they ever do.
    let settled = glances.get(glances.len() / 2..).unwrap_or(glances);
    let middle = |of: &dyn Fn(&Glance) -> f64| median(settled.iter().map(|glance| of(glance))).unwrap_or_default();
    let rhythm = Rhythm::of(glances);
    let alternation = rhythm.as_ref().and_then(|rhythm| rhythm::alternation(glances, rhythm));
    // Edges come and go with the light.
    let is_blinking = alternation.as_ref().is_some_and(|blink| blink.coherence >= 0.8 && blink.ratio >= 1.2);
    let tail = |glance: &&Glance| glance.tail.as_ref().map_or(0.0, |tail| tail.height);
    let usual_tail = glances.iter().map(tail).min_by(f64::total_cmp).unwrap_or(0.0);
    let new: Vec<_> = glances.iter().filter(|glance| !glance.is_same).filter_map(|glance| glance.changes).collect();
    let has_changes = glances.iter().any(|glance| glance.changes.is_some());
    let noise = median(new.iter().map(|changes| changes.noise)).unwrap_or(0.0);
    Seen {
        n_pictures: u32::try_from(glances.len()).unwrap_or(u32::MAX),
        secs: last.taken_at.saturating_duration_since(first.taken_at).as_secs_f64(),
        rate: rhythm.as_ref().map(|rhythm| 1.0 / rhythm.period_secs),
        is_coded_as_differences: coding == Coding::Differences,
        is_uniform: glances.iter().all(|glance| glance.is_uniform),
        luma: Luma {
            mean: middle(&|glance| glance.luma.mean),
            std: middle(&|glance| glance.luma.std),
            p1: middle(&|glance| glance.luma.p1),
            p50: middle(&|glance| glance.luma.p50),
            p99: middle(&|glance| glance.luma.p99),
            peak: middle(&|glance| glance.luma.peak),
            share_white: middle(&|glance| glance.luma.share_white),
            share_black: middle(&|glance| glance.luma.share_black),
        },
        noise: Noise { temporal: has_changes.then_some(noise), spatial: middle(&|glance| glance.spatial_noise) },
        structure: structure(settled),
        moving: median(new.iter().map(|changes| changes.moving)).unwrap_or_default(),
        same: rhythm::same(glances),
        is_doubled: is_doubled(glances),
        green: rows(glances, |glance| glance.green.as_ref()),
        tail: rows(glances, |glance| glance.tail.as_ref().filter(|tail| tail.height >= usual_tail + MIN_ROWS)),
        torn: rhythm.as_ref().filter(|_| !is_blinking).and_then(|rhythm| rhythm::torn(glances, rhythm)),
        bands: rhythm.as_ref().and_then(|rhythm| rhythm::bands(glances, rhythm)),
        alternation,
        colour: settled_colour(settled),
        combed: combed(glances),
        focus: quantile(glances.iter().filter_map(|glance| glance.focus), 0.75),
        bars: Bars {
            top: middle(&|glance| glance.bars.top),
            bottom: middle(&|glance| glance.bars.bottom),
            left: middle(&|glance| glance.bars.left),
            right: middle(&|glance| glance.bars.right),
        },
    }
}

/// The noise of single pictures, which changes, is gone in the medians of each part.
fn structure(glances: &[&Glance]) -> f64 {
    let n_blocks = glances.first().map_or(0, |glance| glance.blocks.len());
    let block = |at: usize| median(glances.iter().filter_map(|glance| glance.blocks.get(at).copied()));
    std(&(0..n_blocks).filter_map(block).collect::<Vec<_>>())
}

fn settled_colour(glances: &[&Glance]) -> Colour {
    let colours = || glances.iter().map(|glance| &glance.colour);
    let middle = |of: &dyn Fn(&Colour) -> f64| median(colours().map(of)).unwrap_or_default();
    let gain = |of: fn(Gains) -> f64| median(colours().filter_map(|colour| colour.gains).map(of));
    let gains = gain(|gains| gains.red).zip(gain(|gains| gains.blue)).map(|(red, blue)| Gains { red, blue });
    let [b, g, r]: [Vec<f64>; 3] = [0, 1, 2].map(|n| colours().filter_map(|c| c.bgr.get(n).copied()).collect());
    Colour {
        bgr: [b, g, r].map(|channel| median(channel).unwrap_or_default()),
        difference: middle(&|colour| colour.difference),
        gains,
        neutral: middle(&|colour| colour.neutral),
        chroma_correlation: middle(&|colour| colour.chroma_correlation),
        chroma_std: middle(&|colour| colour.chroma_std),
    }
}

fn rows<'a>(glances: &[&'a Glance], of: impl Fn(&'a Glance) -> Option<&'a Tail>) -> Rows {
    let tails: Vec<&Tail> = glances.iter().filter_map(|glance| of(glance)).filter(|t| t.height >= MIN_ROWS).collect();
    let Some(height) = median(tails.iter().map(|tail| tail.height)) else { return Rows::default() };
    let like = tails.iter().find(|tail| tail.height >= height);
    let bgr = like.map(|tail| tail.bgr).unwrap_or_default();
    Rows { pictures: share(tails.len(), glances.len()), height, bgr }
}

/// New, equal, new, equal.
fn is_doubled(glances: &[&Glance]) -> bool {
    let turns = glances.windows(2).skip(1).filter(|pair| matches!(pair, [a, b] if a.is_same != b.is_same)).count();
    glances.len() >= MIN_DOUBLED && share(turns, glances.len() - 2) >= 0.9
}

fn combed(glances: &[&Glance]) -> f64 {
    let n_moved: usize = glances.iter().map(|glance| glance.combed.n_moved).sum();
    let n_combed = glances.iter().map(|glance| glance.combed.n_combed).sum();
    if n_moved < MIN_MOVED { 0.0 } else { share(n_combed, n_moved) }
}

/// What a part of the picture is on average, from its sum.
pub fn mean_of(values: &[u8]) -> f64 {
    mean(values.iter().map(|value| f64::from(*value)))
}
