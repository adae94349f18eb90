//! What only shows from one picture to the next.

use std::f64::consts::TAU;

use super::grid::Grid;
use super::measurement::{PictureMeasurement, mean_of};
use super::numbers::{mean, median, share};
use super::tears::{TornRows, tear};
use super::{Alternation, Bands, EqualRun, FrameCoding};

/// Slower cameras, and those that are looked at now and then, show no rhythm.
pub const MAX_PERIOD_SECS: f64 = 0.25;
const MIN_PICTURES: usize = 12;
/// Rows of a profile: enough for the narrowest bands.
const N_BINS: usize = 120;
/// Bands in one picture: half of one to sixteen, in halves.
const HEIGHTS: std::ops::RangeInclusive<u32> = 1..=32;
/// Darker rows have no bands to speak of, and dividing by them makes large numbers of noise.
const MIN_LIGHT: f64 = 6.0;
/// Bands that move by less of their height are not told from those that stand.
const MIN_PACE: f64 = 0.04;
/// The mains keep their frequency within a fifth of a hertz; cameras their rate less well.
const PACE_TOLERANCE: f64 = 0.04;
/// Steps of mean brightness that somebody minds, of the picture and of each of its parts.
const FAR: f64 = 40.0;
const FAR_OF_PART: f64 = 10.0;

/// How the pictures follow each other.
pub struct Rhythm {
    pub period_secs: f64,
    /// For each picture whether the one after it is the next one of the camera.
    follows: Vec<bool>,
}

impl Rhythm {
    /// `None` if they come too seldom or are too few.
    pub fn of(measurements: &[&PictureMeasurement]) -> Option<Self> {
        let steps: Vec<f64> = measurements
            .windows(2)
            .map(|pair| match pair {
                [a, b] => b.taken_at.saturating_duration_since(a.taken_at).as_secs_f64(),
                _ => 0.0,
            })
            .collect();
        let middle = median(steps.iter().copied()).filter(|_| measurements.len() >= MIN_PICTURES)?;
        if !(0.0005..=MAX_PERIOD_SECS).contains(&middle) {
            return None;
        }
        let follows: Vec<bool> = steps.iter().map(|step| *step < 1.5 * middle).collect();
        // The mean is finer than the median where the clock is coarse; gaps do not belong to it.
        let (n, sum) = steps
            .iter()
            .zip(&follows)
            .filter(|(_, follows)| **follows)
            .fold((0.0, 0.0), |(n, sum), step| (n + 1.0, sum + step.0));
        Some(Self { period_secs: sum / n, follows })
    }

    /// Every picture together with the one before it and the one after it, without a gap.
    fn threes<'a, 'b>(
        &'a self,
        measurements: &'a [&'b PictureMeasurement],
    ) -> impl Iterator<Item = [&'b PictureMeasurement; 3]> + 'a {
        let follows = self.follows.iter().zip(self.follows.iter().skip(1));
        measurements.windows(3).zip(follows).filter(|(_, (a, b))| **a && **b).filter_map(|(three, _)| match three {
            [a, b, c] => Some([*a, *b, *c]),
            _ => None,
        })
    }
}

/// The longest stretch of equal pictures.
pub fn same(measurements: &[&PictureMeasurement]) -> EqualRun {
    let mut longest = EqualRun::default();
    let mut first = None;
    for (before, measurement) in measurements.iter().zip(measurements.iter().skip(1)) {
        if !measurement.is_same {
            first = None;
            continue;
        }
        let (begun, n) = first.unwrap_or((before.taken_at, 1));
        first = Some((begun, n + 1));
        let secs = measurement.taken_at.saturating_duration_since(begun).as_secs_f64();
        if (secs, n + 1) > (longest.secs, longest.n) {
            longest = EqualRun { n: n + 1, secs, ..longest };
        }
    }
    let lasts = first.is_some_and(|(_, n)| n == longest.n);
    let n_same = measurements.iter().skip(1).filter(|measurement| measurement.is_same).count();
    EqualRun { lasts, share: share(n_same, measurements.len().saturating_sub(1)), ..longest }
}

/// Every picture but the ends is brighter than both its neighbours, or darker than both.
pub fn alternation(measurements: &[&PictureMeasurement], rhythm: &Rhythm) -> Option<Alternation> {
    let (mut n, mut n_turns) = (0, 0);
    let mut ratios = Vec::new();
    for [before, at, after] in rhythm.threes(measurements) {
        let [before, at, after] = [before, at, after].map(|measurement| measurement.luma.mean);
        n += 1;
        let (nearest, is_peak) = (before.max(after), at > before.max(after));
        let (least, is_valley) = (before.min(after), at < before.min(after));
        if (is_peak && at - nearest > 2.0) || (is_valley && least - at > 2.0) {
            n_turns += 1;
            let others = f64::midpoint(before, after).max(0.5);
            ratios.push(if is_peak { at / others } else { others / at.max(0.5) });
        }
    }
    let ratio = median(ratios).unwrap_or(1.0);
    (n > 0).then(|| Alternation { ratio, coherence: share(n_turns, n) })
}

/// How often the brightness of all parts of the picture goes far up or down and turns round.
pub fn brightness_turns(measurements: &[&PictureMeasurement]) -> u32 {
    let mut n = 0;
    let Some(mut extreme) = measurements.first() else { return 0 };
    // Where it is known: whether it goes up.
    let mut goes_up = None;
    for measurement in measurements {
        let step = measurement.luma.mean - extreme.luma.mean;
        let goes_on = goes_up.is_some_and(|up| (step > 0.0) == up);
        if goes_on {
            extreme = measurement;
        } else if step.abs() >= FAR && is_of_all(&extreme.blocks, &measurement.blocks) {
            n += u32::from(goes_up.is_some());
            goes_up = Some(step > 0.0);
            extreme = measurement;
        }
    }
    n
}

/// Whether nearly all parts of a picture have become brighter, or darker.
fn is_of_all(before: &[f64], after: &[f64]) -> bool {
    let n_up = before.iter().zip(after).filter(|(before, after)| **after - **before > FAR_OF_PART).count();
    let n_down = before.iter().zip(after).filter(|(before, after)| **before - **after > FAR_OF_PART).count();
    share(n_up.max(n_down), before.len()) >= 0.9
}

/// The share of the pictures that are torn, of those with a neighbour on both sides.
pub fn torn(measurements: &[&PictureMeasurement], rhythm: &Rhythm, coding: FrameCoding) -> Option<f64> {
    let (mut n, mut rows) = (0, TornRows::new(coding));
    for [before, at, after] in rhythm.threes(measurements) {
        n += 1;
        if let Some(row) = tear(&at.jumps, &before.jumps, &after.jumps) {
            rows.add(row);
        }
    }
    (n > 0).then(|| share(rows.n_torn(), n))
}

/// Mean brightness of the rows, left half and right half.
pub fn profiles(grid: &Grid) -> [Vec<f64>; 2] {
    let n_rows = grid.n_rows();
    let n_bins = N_BINS.min(n_rows);
    let mut sums = [vec![0.0; n_bins], vec![0.0; n_bins]];
    let mut counts = vec![0.0; n_bins];
    for (y, row) in grid.luma_rows().enumerate() {
        let bin = y * n_bins / n_rows;
        let (left, right) = row.split_at(row.len() / 2);
        for (sums, half) in sums.iter_mut().zip([left, right]) {
            if let Some(sum) = sums.get_mut(bin) {
                *sum += mean_of(half);
            }
        }
        if let Some(count) = counts.get_mut(bin) {
            *count += 1.0;
        }
    }
    sums.map(|sums| sums.iter().zip(&counts).map(|(sum, n): (&f64, &f64)| sum / n.max(1.0)).collect())
}

/// Real and imaginary part.
type Complex = (f64, f64);

fn times_conjugate(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 + a.1 * b.1, a.1 * b.0 - a.0 * b.1)
}

fn size(a: Complex) -> f64 {
    a.0.hypot(a.1)
}

/// Rows against their median over time, which has no moving bands; then a Fourier analysis over the rows, whose phase advances
/// from picture to picture as the mains do.
pub fn bands(measurements: &[&PictureMeasurement], rhythm: &Rhythm) -> Option<Bands> {
    let halves = [0, 1].map(|half| ratios(measurements, half));
    let n_bins = halves.first()?.first()?.len();
    if n_bins < N_BINS / 2 {
        return None;
    }
    // What is at the edges must not count as a step: a window that falls to nothing there.
    let window: Vec<f64> = (0..n_bins).map(|y| 0.5 - 0.5 * (TAU * (y as f64 + 0.5) / n_bins as f64).cos()).collect();
    let weight: f64 = window.iter().sum();
    let analysed: Vec<Analysis> = HEIGHTS
        .map(|height| {
            let waves: Vec<Complex> = window
                .iter()
                .enumerate()
                .map(|(y, window)| {
                    let turn = TAU * f64::from(height) / 2.0 * y as f64 / n_bins as f64;
                    (window * turn.cos() / weight, -window * turn.sin() / weight)
                })
                .collect();
            Analysis::of(&halves.each_ref().map(|half| spectrum(half, &waves)), rhythm)
        })
        .collect();
    let best = analysed.iter().max_by(|a, b| size(a.turn).total_cmp(&size(b.turn)))?;
    let background = median(analysed.iter().map(|analysis| analysis.power))?;
    let pace = best.turn.1.atan2(best.turn.0) / TAU;
    let percent = 200.0 * best.power.sqrt();
    let coherence = size(best.turn) / best.turn_at_most.max(f64::MIN_POSITIVE);
    let snr = best.power / background.max(f64::MIN_POSITIVE);
    // Things that move make bands too: slower ones, or not alike in both halves.
    let is_clear = percent > 0.5 && coherence > 0.9 && snr > 20.0 && best.unity > 0.8;
    let mains_hz = mains(pace, rhythm.period_secs).filter(|_| is_clear);
    Some(Bands { mains_hz, percent, coherence, snr, unity: best.unity })
}

/// Bands of one height.
struct Analysis {
    power: f64,
    /// Sum over the pictures of how the phase goes on; its size is `turn_at_most` if it always does so alike.
    turn: Complex,
    turn_at_most: f64,
    unity: f64,
}

impl Analysis {
    fn of([left, right]: &[Vec<Complex>; 2], rhythm: &Rhythm) -> Self {
        let mut turn = (0.0, 0.0);
        let mut turn_at_most = 0.0;
        for half in [left, right] {
            let pairs = half.iter().zip(half.iter().skip(1)).zip(&rhythm.follows);
            for ((before, after), _) in pairs.filter(|(_, follows)| **follows) {
                let step = times_conjugate(*after, *before);
                turn = (turn.0 + step.0, turn.1 + step.1);
                turn_at_most += size(step);
            }
        }
        let both = left.iter().zip(right);
        let alike = both.clone().map(|(l, r)| times_conjugate(*l, *r)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        let alike_at_most: f64 = both.map(|(l, r)| size(*l) * size(*r)).sum();
        let power = mean(left.iter().chain(right).map(|c| c.0 * c.0 + c.1 * c.1));
        Self { power, turn, turn_at_most, unity: size(alike) / alike_at_most.max(f64::MIN_POSITIVE) }
    }
}

/// For each picture by how much its rows differ from their median, as a share of it.
fn ratios(measurements: &[&PictureMeasurement], half: usize) -> Vec<Vec<f64>> {
    let profiles: Vec<&Vec<f64>> =
        measurements.iter().filter_map(|measurement| measurement.profiles.get(half)).collect();
    let n_bins = profiles.first().map_or(0, |profile| profile.len());
    let usual: Vec<f64> = (0..n_bins)
        .map(|y| median(profiles.iter().filter_map(|profile| profile.get(y).copied())).unwrap_or_default())
        .collect();
    profiles
        .iter()
        .map(|profile| {
            let rows = profile.iter().zip(&usual);
            let ratios: Vec<f64> =
                rows.map(|(row, usual)| if *usual < MIN_LIGHT { 0.0 } else { row / usual - 1.0 }).collect();
            let middle = mean(ratios.iter().copied());
            ratios.iter().map(|ratio| ratio - middle).collect()
        })
        .collect()
}

fn spectrum(ratios: &[Vec<f64>], waves: &[Complex]) -> Vec<Complex> {
    let one = |ratios: &Vec<f64>| {
        ratios.iter().zip(waves).fold((0.0, 0.0), |sum, (ratio, wave)| (sum.0 + ratio * wave.0, sum.1 + ratio * wave.1))
    };
    ratios.iter().map(one).collect()
}

/// Lamps flash twice in a period of the mains; from picture to picture only the fraction shows.
fn mains(pace: f64, period_secs: f64) -> Option<f64> {
    let fraction = |turns: f64| turns - turns.round();
    let off = |hz: f64| {
        let expected = fraction(2.0 * hz * period_secs);
        (expected.abs() >= MIN_PACE).then(|| (hz, fraction(pace - expected).abs()))
    };
    let fitting = [50.0, 60.0].into_iter().filter_map(off).filter(|(_, off)| *off <= PACE_TOLERANCE);
    fitting.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(hz, _)| hz)
}
