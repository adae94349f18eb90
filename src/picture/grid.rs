//! A picture reduced to what the numbers need: each of its rows, with some hundred pixels of it.

use super::light::luma_of;
use crate::frame::Image;

/// Enough for every number here, and a sixth of a row of 1080p.
const MAX_COLUMNS: usize = 320;

/// Pixels in columns that lie apart, in rows that do not: what is wrong between rows shows between neighbours only.
pub struct Grid {
    n_columns: usize,
    /// From one column to the next, in pixels.
    step: usize,
    bgr: Vec<[u8; 3]>,
    luma: Vec<u8>,
}

impl Grid {
    pub fn of(image: &Image) -> Self {
        let width = image.size().width as usize;
        let step = width.div_ceil(MAX_COLUMNS).max(1);
        let n_columns = width.div_ceil(step).max(1);
        let mut bgr = Vec::with_capacity(n_columns * image.size().height as usize);
        for row in image.pixels().chunks_exact(width * Image::BYTES_PER_PIXEL) {
            bgr.extend(row.as_chunks::<{ Image::BYTES_PER_PIXEL }>().0.iter().step_by(step));
        }
        let luma = bgr.iter().copied().map(luma_of).collect();
        Self { n_columns, step, bgr, luma }
    }

    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    pub fn n_rows(&self) -> usize {
        self.luma.len() / self.n_columns
    }

    pub fn luma_rows(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator + Clone {
        self.luma.chunks_exact(self.n_columns)
    }

    pub fn colour_rows(&self) -> impl DoubleEndedIterator<Item = &[[u8; 3]]> + ExactSizeIterator + Clone {
        self.bgr.chunks_exact(self.n_columns)
    }

    /// As far apart as the columns: a small picture of the whole.
    pub fn sparse_luma_rows(&self) -> impl Iterator<Item = &[u8]> {
        self.luma_rows().step_by(self.step)
    }

    pub fn sparse_colours(&self) -> impl Iterator<Item = [u8; 3]> {
        self.colour_rows().step_by(self.step).flatten().copied()
    }

    /// Each row that [`Grid::sparse_luma_rows`] has, between the ones above and below it.
    pub fn sparse_neighbours(&self) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
        let rows = self.luma_rows();
        let three = rows.clone().zip(rows.clone().skip(1)).zip(rows.skip(2));
        three.step_by(self.step).map(|((above, row), below)| (above, row, below))
    }
}

/// Whether every pixel is like the first one.
pub fn is_uniform(image: &Image) -> bool {
    let pixels = image.pixels();
    let n = pixels.len().saturating_sub(Image::BYTES_PER_PIXEL);
    pixels.get(Image::BYTES_PER_PIXEL..) == pixels.get(..n)
}

#[cfg(test)]
mod tests {
    use crate::frame::Size;

    use super::*;

    #[test]
    fn every_size_has_a_grid() {
        for (width, height) in [(1, 1), (319, 2), (321, 240), (1920, 3), (16_384, 1), (1, 2_000)] {
            let size = Size { width, height };
            let mut pixels = vec![9; size.n_bytes()];
            let image = |pixels: &[u8]| Image::new(size, pixels.to_vec()).unwrap();
            let grid = Grid::of(&image(&pixels));
            assert!(grid.n_columns() <= 320 && grid.n_rows() == height as usize, "{size}");
            assert!(is_uniform(&image(&pixels)), "{size}");
            pixels[0] = 8;
            assert_eq!(is_uniform(&image(&pixels)), size.n_bytes() == 3, "{size}");
        }
    }
}
