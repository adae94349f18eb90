//! What tells black from a dark room: how bright a picture is, and how evenly.

use super::light::{self, Blocks};
use super::numbers::{Histogram, std};
use crate::frame::Image;

/// Brightness is luma after BT.601, 0 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Darkness {
    pub mean: f64,
    pub std: f64,
    /// Only one pixel of a thousand is brighter.
    pub peak: f64,
    /// How much brightness differs between the parts of the picture.
    pub structure: f64,
    /// The mean of the brightest of blue, green and red.
    pub brightest_channel: f64,
}

/// Rows and columns that are looked at.
const SAMPLE: (usize, usize) = (160, 90);

impl Darkness {
    /// Of one picture, from some ten thousand of its pixels: a tenth of a millisecond, whatever its size.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let (width, height) = (image.size().width as usize, image.size().height as usize);
        let (across, down) = (width.div_ceil(SAMPLE.0).max(1), height.div_ceil(SAMPLE.1).max(1));
        let mut histogram = Histogram::default();
        let mut sums = [0.0; 3];
        let mut n = 0.0_f64;
        let rows: Vec<Vec<u8>> = image
            .pixels()
            .chunks_exact(width * Image::BYTES_PER_PIXEL)
            .step_by(down)
            .map(|row| {
                let pixels = row.as_chunks::<{ Image::BYTES_PER_PIXEL }>().0.iter().step_by(across);
                pixels
                    .map(|pixel| {
                        n += 1.0;
                        for (sum, channel) in sums.iter_mut().zip(pixel) {
                            *sum += f64::from(*channel);
                        }
                        light::luma_of(*pixel)
                    })
                    .collect()
            })
            .collect();
        for row in &rows {
            histogram.add(row.iter().copied());
        }
        let blocks = Blocks::of(rows.iter().map(Vec::as_slice), rows.len(), width.div_ceil(across));
        Self {
            mean: histogram.mean(),
            std: histogram.std(),
            peak: histogram.quantile(light::PEAK),
            structure: std(&blocks.means()),
            brightest_channel: sums.into_iter().fold(0.0, f64::max) / n.max(1.0),
        }
    }
}
