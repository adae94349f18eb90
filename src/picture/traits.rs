//! What a single picture shows by itself.

use super::damage;
use super::darkness::Darkness;
use super::grid::is_uniform;
use crate::frame::{Image, Size};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureTraits {
    pub size: Size,
    /// Each byte is that of the picture before.
    pub is_same: bool,
    /// Every pixel has the same colour.
    pub is_uniform: bool,
    pub light: Darkness,
    /// How much of the height was never filled, from the bottom: zeros, read as YUV, are green. 0 to 1.
    pub green: f64,
}

impl PictureTraits {
    /// Less than a millisecond for 1080p, unless it equals the picture before.
    #[must_use]
    pub fn of(image: &Image, before: Option<&Image>) -> Self {
        let is_same = |before: &Image| before.size() == image.size() && before.pixels() == image.pixels();
        let row_bytes = image.size().width as usize * Image::BYTES_PER_PIXEL;
        let rows = image.pixels().rchunks_exact(row_bytes).map(|row| row.as_chunks::<{ Image::BYTES_PER_PIXEL }>().0);
        Self {
            size: image.size(),
            is_same: before.is_some_and(is_same),
            is_uniform: is_uniform(image),
            light: Darkness::of(image),
            green: damage::green(&rows, image.size().height as usize).map_or(0.0, |rows| rows.height),
        }
    }
}
