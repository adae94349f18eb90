//! Colour of a picture.

use super::grid::Grid;
use super::light::luma_of;
use super::numbers::Histogram;
use super::{ColourStats, Gains};

/// Darker pixels have no colour.
const MIN_BRIGHT: u8 = 30;
/// Brighter ones are white, whatever they show.
const MAX_BRIGHT: u8 = 250;
/// What is brighter than all but a twentieth.
const WHITEST: f64 = 0.95;
/// Of this share of the pixels at least the gains are told.
const MIN_MEDIUM: f64 = 0.01;

pub fn colour(grid: &Grid) -> ColourStats {
    let mut sums = Sums::default();
    let mut lumas = Histogram::default();
    grid.sparse_colours().for_each(|bgr| {
        sums.add(bgr);
        lumas.add(std::iter::once(luma_of(bgr)));
    });
    let least = lumas.quantile(WHITEST);
    let mut white = [0; 3];
    grid.sparse_colours()
        .filter(|bgr| f64::from(luma_of(*bgr)) >= least)
        .for_each(|bgr| add(&mut white, bgr.map(u32::from)));
    let [b, g, r] = white.map(f64::from);
    ColourStats { white: (g > 0.0).then(|| Gains { red: r / g, blue: b / g }), ..sums.colour() }
}

/// What one pass over the pixels adds up, in whole numbers.
#[derive(Default)]
struct Sums {
    n: u32,
    bgr: [u32; 3],
    differences: u32,
    n_medium: u32,
    medium: [u32; 3],
    n_neutral: u32,
    /// Of the colour differences, without their factors: U, V, and their squares and product.
    u: i32,
    v: i32,
    uu: i64,
    vv: i64,
    uv: i64,
}

impl Sums {
    fn add(&mut self, bgr: [u8; 3]) {
        let [b, g, r] = bgr.map(u32::from);
        self.n += 1;
        add(&mut self.bgr, [b, g, r]);
        let (red_off, blue_off) = (r.abs_diff(g), b.abs_diff(g));
        self.differences += red_off.max(blue_off);
        let is_medium = bgr.iter().any(|byte| *byte >= MIN_BRIGHT) && bgr.iter().any(|byte| *byte <= MAX_BRIGHT);
        if is_medium {
            self.n_medium += 1;
            add(&mut self.medium, [b, g, r]);
            // Nearly grey: within a tenth.
            self.n_neutral += u32::from(red_off.max(blue_off) <= g / 10 + 2);
        }
        let luma = ((29 * b + 150 * g + 77 * r) >> 8).cast_signed();
        let (u, v) = (b.cast_signed() - luma, r.cast_signed() - luma);
        self.u += u;
        self.v += v;
        self.uu += i64::from(u * u);
        self.vv += i64::from(v * v);
        self.uv += i64::from(u * v);
    }

    fn colour(&self) -> ColourStats {
        let n = f64::from(self.n.max(1));
        let n_medium = f64::from(self.n_medium);
        let (u, v) = (f64::from(self.u) / n, f64::from(self.v) / n);
        let spread = |squares: i64, a: f64, b: f64| squares as f64 / n - a * b;
        let (var_u, var_v) = (spread(self.uu, u, u).max(0.0), spread(self.vv, v, v).max(0.0));
        let both = (var_u * var_v).sqrt();
        let [b, g, r] = self.medium.map(f64::from);
        ColourStats {
            bgr: self.bgr.map(|sum| f64::from(sum) / n),
            difference: f64::from(self.differences) / n,
            gains: (n_medium > n * MIN_MEDIUM && g > 0.0).then(|| Gains { red: r / g, blue: b / g }),
            neutral: f64::from(self.n_neutral) / n_medium.max(1.0),
            chroma_correlation: if both < 1.0 { 0.0 } else { spread(self.uv, u, v) / both },
            // The factors of BT.601.
            white: None,
            chroma_std: (0.564 * var_u.sqrt()).max(0.713 * var_v.sqrt()),
        }
    }
}

fn add(sums: &mut [u32; 3], pixel: [u32; 3]) {
    for (sum, channel) in sums.iter_mut().zip(pixel) {
        *sum += channel;
    }
}
