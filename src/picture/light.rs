//! Brightness and noise of a picture.

use super::LumaStats;
use super::grid::Grid;
use super::numbers::Histogram;

/// All but a thousandth of the pixels.
pub const PEAK: f64 = 0.999;
/// Parts of the picture for its structure, across and down.
const BLOCKS: (usize, usize) = (16, 9);
/// Half of a normal distribution lies within so many standard deviations.
const MEDIAN_DEVIATIONS: f64 = 0.6745;
/// A smaller step of brightness is noise, not motion.
const MIN_MOTION: u8 = 12;

/// Against the picture before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    pub noise: f64,
    pub moving: f64,
}

pub fn luma(grid: &Grid) -> LumaStats {
    let mut histogram = Histogram::default();
    grid.sparse_luma_rows().for_each(|row| histogram.add(row.iter().copied()));
    LumaStats {
        mean: histogram.mean(),
        std: histogram.std(),
        p1: histogram.quantile(0.01),
        p50: histogram.quantile(0.5),
        p99: histogram.quantile(0.99),
        peak: histogram.quantile(PEAK),
        share_white: histogram.share(250..=255),
        share_black: histogram.share(0..=5),
    }
}

/// The difference of two pictures has the noise of both. What moves is less than half of it, or is taken for noise.
pub fn changes(grid: &Grid, before: &Grid) -> Changes {
    let mut steps = Histogram::default();
    for (row, old) in grid.sparse_luma_rows().zip(before.sparse_luma_rows()) {
        steps.add(row.iter().zip(old).map(|(new, old)| new.abs_diff(*old)));
    }
    let still = steps.share(0..=0);
    let noise = if still >= 0.9 { 0.0 } else { steps.quantile(0.5) / MEDIAN_DEVIATIONS / 2.0_f64.sqrt() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let motion = ((noise * 6.0) as u8).max(MIN_MOTION);
    Changes { noise, moving: steps.share(motion..=u8::MAX) }
}

/// From how far each pixel is from the mean of the ones above and below.
pub fn spatial_noise(grid: &Grid) -> f64 {
    let mut bends = Histogram::default();
    for (above, row, below) in grid.sparse_neighbours() {
        // The half of the second difference, which has six times the variance of one pixel.
        let columns = above.iter().zip(row).zip(below);
        bends.add(columns.map(|((above, at), below)| u8::midpoint(*above, *below).abs_diff(*at)));
    }
    if bends.share(0..=0) >= 0.9 { 0.0 } else { bends.quantile(0.5) / MEDIAN_DEVIATIONS / 1.5_f64.sqrt() }
}

/// Mean brightness of each part of the picture.
pub fn blocks(grid: &Grid) -> Vec<f64> {
    Blocks::of(grid.sparse_luma_rows(), grid.sparse_luma_rows().count(), grid.n_columns()).means()
}

/// Sums of brightness in each part of a picture, with the number of pixels.
pub struct Blocks(Vec<(u32, u32)>);

impl Blocks {
    pub fn of<'a>(rows: impl Iterator<Item = &'a [u8]>, n_rows: usize, n_columns: usize) -> Self {
        let (across, down) = BLOCKS;
        let mut sums = vec![(0_u32, 0_u32); across * down];
        let width = n_columns.div_ceil(across).max(1);
        for (y, row) in rows.enumerate() {
            let sums = sums.iter_mut().skip(y * down / n_rows.max(1) * across);
            for ((sum, n), part) in sums.zip(row.chunks(width)) {
                *sum += part.iter().map(|luma| u32::from(*luma)).sum::<u32>();
                *n += u32::try_from(part.len()).unwrap_or(0);
            }
        }
        Self(sums)
    }

    /// Of those that have pixels.
    pub fn means(&self) -> Vec<f64> {
        self.0.iter().filter(|(_, n)| *n > 0).map(|(sum, n)| f64::from(*sum) / f64::from(*n)).collect()
    }
}

/// After BT.601, in 256ths.
pub fn luma_of([b, g, r]: [u8; 3]) -> u8 {
    ((29 * u32::from(b) + 150 * u32::from(g) + 77 * u32::from(r)) >> 8).to_le_bytes()[0]
}
