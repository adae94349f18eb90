//! Colour of a picture.

use super::grid::Grid;
use super::numbers::{mean, share, std};
use super::{Colour, Gains};

/// Darker pixels have no colour.
const MIN_BRIGHT: u8 = 30;
/// Brighter ones are white, whatever they show.
const MAX_BRIGHT: u8 = 250;
/// Fewer pixels between these tell no gains.
const MIN_MEDIUM: usize = 500;
/// Nearly grey: red and blue this close to green, as a share of it.
const NEUTRAL: f64 = 0.1;

pub fn colour(grid: &Grid) -> Colour {
    let pixels: Vec<[u8; 3]> = grid.sparse_colours().collect();
    let (u, v): (Vec<f64>, Vec<f64>) = pixels.iter().map(|bgr| chroma(*bgr)).unzip();
    let (std_u, std_v) = (std(&u), std(&v));
    let is_medium =
        |bgr: &[u8; 3]| bgr.iter().any(|byte| *byte >= MIN_BRIGHT) && bgr.iter().any(|byte| *byte <= MAX_BRIGHT);
    let medium: Vec<[u8; 3]> = pixels.iter().filter(|bgr| is_medium(bgr)).copied().collect();
    let has_medium = medium.len() >= MIN_MEDIUM.min(pixels.len() / 4).max(1);
    Colour {
        bgr: means(&pixels),
        difference: mean(pixels.iter().map(|[b, g, r]| f64::from(r.abs_diff(*g).max(b.abs_diff(*g))))),
        gains: gains(&medium).filter(|_| has_medium),
        neutral: share(medium.iter().filter(|bgr| is_neutral(**bgr)).count(), medium.len()),
        chroma_correlation: correlation(&u, &v, std_u, std_v),
        chroma_std: std_u.max(std_v),
    }
}

fn means(pixels: &[[u8; 3]]) -> [f64; 3] {
    let sums = pixels.iter().fold([0_u64; 3], |[b, g, r], pixel| {
        let [pb, pg, pr] = pixel.map(u64::from);
        [b + pb, g + pg, r + pr]
    });
    sums.map(|sum| sum as f64 / pixels.len().max(1) as f64)
}

fn gains(pixels: &[[u8; 3]]) -> Option<Gains> {
    let [b, g, r] = means(pixels);
    (g > 1.0).then(|| Gains { red: r / g, blue: b / g })
}

fn is_neutral([b, g, r]: [u8; 3]) -> bool {
    let close = f64::from(g) * NEUTRAL + 2.0;
    f64::from(r.abs_diff(g)) <= close && f64::from(b.abs_diff(g)) <= close
}

/// Colour differences after BT.601.
fn chroma(bgr: [u8; 3]) -> (f64, f64) {
    let [b, g, r] = bgr.map(f64::from);
    let luma = 0.114 * b + 0.587 * g + 0.299 * r;
    (0.564 * (b - luma), 0.713 * (r - luma))
}

fn correlation(u: &[f64], v: &[f64], std_u: f64, std_v: f64) -> f64 {
    if std_u * std_v < 1.0 {
        return 0.0;
    }
    let (mean_u, mean_v) = (mean(u.iter().copied()), mean(v.iter().copied()));
    mean(u.iter().zip(v).map(|(u, v)| (u - mean_u) * (v - mean_v))) / (std_u * std_v)
}
