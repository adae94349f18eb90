//! How sharp a picture is.

use super::grid::Grid;

/// Side of the parts that are looked at one by one, in pixels of the small picture: what is blurred by a tenth of the picture
/// still fits.
const TILE: usize = 32;
/// Brightest against darkest of a part, for it to tell about sharpness: an edge worth the name.
const MIN_CONTRAST: f32 = 60.0;
/// So many parts must be sharp: one is a hot pixel, or a text that was drawn over the picture.
const NTH_SHARPEST: usize = 2;

/// A part of the picture: its darkest and its brightest value, and the largest step between neighbours.
#[derive(Clone, Copy)]
struct Tile {
    low: f32,
    high: f32,
    step: f32,
}

/// The largest step between neighbours as a share of all contrast around, in the sharpest parts. The picture is smoothed a
/// little first, or else noise would count as sharp: then an edge within a pixel gives a half.
pub fn focus(grid: &Grid) -> Option<f64> {
    let width = grid.n_columns();
    let smooth = smoothed(grid);
    let rows = || smooth.chunks_exact(width);
    let n_across = width.div_ceil(TILE);
    let empty = Tile { low: f32::MAX, high: f32::MIN, step: 0.0 };
    let mut tiles = vec![empty; n_across * rows().count().div_ceil(TILE)];
    for (y, (row, below)) in rows().zip(rows().skip(1)).enumerate() {
        let tiles = tiles.iter_mut().skip(y / TILE * n_across);
        for ((tile, row), below) in tiles.zip(row.chunks(TILE)).zip(below.chunks(TILE)) {
            let right = row.iter().skip(1).chain(row.last());
            for ((at, right), below) in row.iter().zip(right).zip(below) {
                tile.low = tile.low.min(*at);
                tile.high = tile.high.max(*at);
                tile.step = tile.step.max((right - at).abs()).max((below - at).abs());
            }
        }
    }
    let mut steps: Vec<f64> = tiles
        .iter()
        .filter(|tile| tile.high - tile.low >= MIN_CONTRAST)
        .map(|tile| f64::from(tile.step / (tile.high - tile.low)))
        .collect();
    steps.sort_by(|a, b| b.total_cmp(a));
    steps.get(NTH_SHARPEST - 1).copied()
}

/// Each value mixed with its neighbours, a quarter from each side; in its row, then in its column.
fn smoothed(grid: &Grid) -> Vec<f32> {
    let width = grid.n_columns();
    let mut across: Vec<f32> = Vec::with_capacity(width * width);
    for row in grid.sparse_luma_rows() {
        let (before, after) = (row.iter().take(1).chain(row), row.iter().skip(1).chain(row.last()));
        across.extend(before.zip(row).zip(after).map(|((a, b), c)| mix(f32::from(*a), f32::from(*b), f32::from(*c))));
    }
    let first_row = across.get(..width).unwrap_or_default();
    let last_row = across.get(across.len() - width..).unwrap_or_default();
    let above = first_row.iter().chain(&across);
    let below = across.iter().skip(width).chain(last_row);
    above.zip(&across).zip(below).map(|((a, b), c)| mix(*a, *b, *c)).collect()
}

fn mix(before: f32, at: f32, after: f32) -> f32 {
    (before + 2.0 * at + after) / 4.0
}
