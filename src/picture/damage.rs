//! Parts of a picture that are missing, or belong elsewhere.

use super::Bars;
use super::grid::Grid;
use super::measurement::BottomRows;
use crate::frame::Image;

/// What zeros become that are read as YUV: limited range, full range.
const GREENS: [[u8; 3]; 2] = [[0, 154, 0], [0, 135, 0]];
/// JPEG and rounding move a colour by so much at most.
const GREEN_TOLERANCE: u8 = 6;
/// Within a row of a black bar. A sensor's noise is seen in some pixel of three hundred.
const FLAT_TOLERANCE: u8 = 3;
/// Black bars: zeros, or the black of limited range without conversion, after JPEG.
const MAX_BAR: u8 = 20;
const MIN_WHITE: u8 = 245;
/// The middle of what there is: full range, and limited range after conversion.
const GREYS: [u8; 2] = [128, 130];
const GREY_TOLERANCE: u8 = 2;
/// Bytes of a row of a JPEG's largest block.
const BLOCK: usize = 16 * Image::BYTES_PER_PIXEL;
/// A step between two rows that is no shading.
const MIN_JUMP: u8 = 24;
/// Between the teeth of a comb.
const MIN_TOOTH: i16 = 12;
const MIN_MOTION: u8 = 16;

/// Rows from the bottom that are full of an unfilled buffer's green, given from the bottom.
pub fn green<'a>(rows: &(impl Iterator<Item = &'a [[u8; 3]]> + Clone), n_rows: usize) -> Option<BottomRows> {
    let is_green = |green: &[u8; 3]| {
        let green = *green;
        move |row: &&[[u8; 3]]| row.iter().all(|bgr| is_close(*bgr, green, GREEN_TOLERANCE))
    };
    GREENS
        .iter()
        .map(|green| (rows.clone().take_while(is_green(green)).count(), *green))
        .filter(|(n, _)| *n > 0)
        .max_by_key(|(n, _)| *n)
        .map(|(n, bgr)| BottomRows { height: n as f64 / n_rows as f64, bgr })
}

/// Rows from the bottom in which each block is like the one beside it, neither black nor white: what decoders put where data
/// is missing, flat or with a pattern.
pub fn tail(image: &Image) -> Option<BottomRows> {
    let row_bytes = image.size().width as usize * Image::BYTES_PER_PIXEL;
    let rows = || image.pixels().rchunks_exact(row_bytes);
    let bgr = *rows().next()?.first_chunk::<{ Image::BYTES_PER_PIXEL }>()?;
    let is_extreme = bgr.iter().all(|byte| *byte <= MAX_BAR) || bgr.iter().all(|byte| *byte >= MIN_WHITE);
    let n = rows().take_while(|row| row.len() > BLOCK && row.get(BLOCK..) == row.get(..row.len() - BLOCK)).count();
    (n > 0 && !is_extreme).then(|| BottomRows { height: n as f64 / f64::from(image.size().height), bgr })
}

/// The colour of what a decoder has nothing for.
pub fn is_grey_of_decoders(bgr: [u8; 3]) -> bool {
    GREYS.iter().any(|grey| is_close(bgr, [*grey; 3], GREY_TOLERANCE))
}

fn is_close(a: [u8; 3], b: [u8; 3], tolerance: u8) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= tolerance)
}

/// Black borders; none if the whole picture is black.
pub fn bars(grid: &Grid) -> Bars {
    let is_black = |row: &[[u8; 3]]| row.iter().flatten().all(|byte| *byte <= MAX_BAR);
    let is_bar = |row: &&[[u8; 3]]| {
        let first = row.first().copied().unwrap_or_default();
        is_black(row) && row.iter().all(|pixel| is_close(*pixel, first, FLAT_TOLERANCE))
    };
    let n_rows = grid.n_rows();
    let (top, bottom) =
        (grid.colour_rows().take_while(is_bar).count(), grid.colour_rows().rev().take_while(is_bar).count());
    if top >= n_rows {
        return Bars::default();
    }
    let mut ranges = vec![([u8::MAX; 3], [0_u8; 3]); grid.n_columns()];
    for row in grid.colour_rows() {
        for ((low, high), pixel) in ranges.iter_mut().zip(row) {
            for ((low, high), byte) in low.iter_mut().zip(high).zip(pixel) {
                *low = (*low).min(*byte);
                *high = (*high).max(*byte);
            }
        }
    }
    let is_bar =
        |(low, high): &&([u8; 3], [u8; 3])| high.iter().all(|byte| *byte <= MAX_BAR) && is_close(*low, *high, 3);
    let (left, right) = (ranges.iter().take_while(is_bar).count(), ranges.iter().rev().take_while(is_bar).count());
    let share = |n: usize, of: usize| n as f64 / of as f64;
    Bars {
        top: share(top, n_rows),
        bottom: share(bottom, n_rows),
        left: share(left, grid.n_columns()),
        right: share(right, grid.n_columns()),
    }
}

/// How much of a row is unlike the row above it, in 255ths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jump {
    /// By a clear step.
    pub clear: u8,
    /// By a third of one at least: so much is left of an edge when the light changes.
    pub faint: u8,
}

/// Of each row. The first one has none above it.
pub fn jumps<'a>(rows: impl Iterator<Item = &'a [[u8; 3]]> + Clone) -> Vec<Jump> {
    let jump = |(above, below): (&[[u8; 3]], &[[u8; 3]])| {
        // At most 960: the smaller the number, the more of them are added at once.
        let share = |least: u8| {
            let pairs = above.as_flattened().iter().zip(below.as_flattened());
            let n: u16 = pairs.map(|(a, b)| u16::from(a.abs_diff(*b) > least)).sum();
            u8::try_from(usize::from(n) * 255 / below.as_flattened().len().max(1)).unwrap_or(u8::MAX)
        };
        Jump { clear: share(MIN_JUMP), faint: share(MIN_JUMP / 3) }
    };
    std::iter::once(Jump::default()).chain(rows.clone().zip(rows.skip(1)).map(jump)).collect()
}

/// Among the pixels that changed, those that stand between neighbours of the other half-picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Combed {
    pub n_combed: usize,
    pub n_moved: usize,
}

/// In every fourth row, which is enough of them.
pub fn combed(grid: &Grid, before: &Grid) -> Combed {
    let rows: Vec<&[u8]> = grid.luma_rows().collect();
    let mut counts = Combed::default();
    for (five, old) in rows.windows(5).zip(before.luma_rows().skip(2)).step_by(4) {
        let [a, b, c, d, e] = five else { continue };
        let has_moved = |(new, old): (&u8, &u8)| usize::from(new.abs_diff(*old) >= MIN_MOTION);
        let n_moved: usize = c.iter().zip(old).map(has_moved).sum();
        if n_moved == 0 {
            continue;
        }
        counts.n_moved += n_moved;
        let pairs = a.iter().zip(b.iter()).zip(c.iter().zip(d.iter())).zip(e.iter().zip(old));
        for (((a, b), (c, d)), (e, old)) in pairs {
            if c.abs_diff(*old) >= MIN_MOTION {
                counts.n_combed += usize::from(is_comb([*a, *b, *c, *d, *e].map(i16::from)));
            }
        }
    }
    counts
}

/// Up, down, up, down; and rows of the same half-picture are more alike than neighbours.
fn is_comb([a, b, c, d, e]: [i16; 5]) -> bool {
    let teeth = [b - a, b - c, d - c, d - e];
    let least = teeth.iter().map(|tooth| tooth.abs()).min().unwrap_or_default();
    let alternate = teeth.iter().all(|tooth| *tooth > 0) || teeth.iter().all(|tooth| *tooth < 0);
    let apart = [a - c, c - e, b - d].iter().map(|step| step.abs()).max().unwrap_or_default();
    alternate && least >= MIN_TOOTH && apart * 2 <= least
}
