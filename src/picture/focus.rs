//! How sharp a picture is.

use super::grid::Grid;

/// Side of the parts that are looked at one by one, in pixels of the small picture: what is blurred by a tenth of the picture
/// still fits.
const TILE: usize = 32;
/// Brightest against darkest of a part, for it to tell about sharpness: above the noise, below any edge worth the name.
const MIN_CONTRAST: f64 = 40.0;
/// So many parts must be sharp: one is a hot pixel, or a text that was drawn over the picture.
const NTH_SHARPEST: usize = 2;

/// A picture of numbers.
struct Plane {
    width: usize,
    values: Vec<f32>,
}

impl Plane {
    fn rows(&self) -> impl Iterator<Item = &[f32]> + Clone {
        self.values.chunks_exact(self.width)
    }

    /// Each value mixed with its neighbours in its row, a quarter each.
    fn smoothed_across(&self) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for row in self.rows() {
            let before = row.iter().take(1).chain(row);
            let after = row.iter().skip(1).chain(row.last());
            values.extend(before.zip(row).zip(after).map(|((before, at), after)| (before + 2.0 * at + after) / 4.0));
        }
        Self { width: self.width, values }
    }

    fn smoothed_down(&self) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        let last = self.rows().last();
        let before = self.rows().take(1).chain(self.rows());
        let after = self.rows().skip(1).chain(last);
        for ((before, row), after) in before.zip(self.rows()).zip(after) {
            let columns = before.iter().zip(row).zip(after);
            values.extend(columns.map(|((before, at), after)| (before + 2.0 * at + after) / 4.0));
        }
        Self { width: self.width, values }
    }

    fn smoothed(&self) -> Self {
        self.smoothed_across().smoothed_down()
    }
}

/// What a part of the picture has of contrast between neighbours, and what is left of it once blurred.
#[derive(Clone, Copy)]
struct Tile {
    low: f32,
    high: f32,
    sharp: f32,
    left: f32,
}

/// The share of the contrast between neighbours, squared, that a blur takes from the sharpest parts. The picture is smoothed
/// first, or else noise would count as sharp.
pub fn focus(grid: &Grid) -> Option<f64> {
    let values = grid.sparse_luma().map(f32::from).collect();
    let plane = Plane { width: grid.n_columns(), values }.smoothed();
    let blurred = plane.smoothed().smoothed().smoothed();
    let n_across = plane.width.div_ceil(TILE);
    let empty = Tile { low: f32::MAX, high: f32::MIN, sharp: 0.0, left: 0.0 };
    let mut tiles = vec![empty; n_across * plane.rows().count().div_ceil(TILE)];
    let pairs = plane.rows().zip(plane.rows().skip(1)).zip(blurred.rows().zip(blurred.rows().skip(1)));
    for (y, ((row, below), (blurred, blurred_below))) in pairs.enumerate() {
        let first = y / TILE * n_across;
        let columns = row.windows(2).zip(below).zip(blurred.windows(2).zip(blurred_below));
        for (x, ((pair, below), (blurred_pair, blurred_below))) in columns.enumerate() {
            let ([at, right], [blurred, blurred_right]) = (pair, blurred_pair) else { continue };
            if let Some(tile) = tiles.get_mut(first + x / TILE) {
                tile.low = tile.low.min(*at);
                tile.high = tile.high.max(*at);
                tile.sharp += (right - at).powi(2) + (below - at).powi(2);
                tile.left += (blurred_right - blurred).powi(2) + (blurred_below - blurred).powi(2);
            }
        }
    }
    let mut ratios: Vec<f64> = tiles
        .iter()
        .filter(|tile| f64::from(tile.high - tile.low) >= MIN_CONTRAST && tile.sharp > 0.0)
        .map(|tile| f64::from(1.0 - tile.left / tile.sharp))
        .collect();
    ratios.sort_by(|a, b| b.total_cmp(a));
    ratios.get(NTH_SHARPEST - 1).copied()
}
