//! What the tools over the picture show, as numbers and marks of one picture: brightness, clipping, sharp edges. Large pictures are looked
//! at in every n-th pixel, so that a look costs a few milliseconds.

use crate::frame::{Image, Size};

/// Brightness from here on is white without detail, and up to there black; in the 0 to 255 of a full range.
const WHITE: u8 = 252;
const BLACK: u8 = 3;
/// A step in brightness between neighbours that the eye takes for an edge in focus.
const SHARP_STEP: u16 = 36;
/// Pixels of a look, at most.
const MAX_PIXELS: usize = 500_000;
/// Marks are made in a picture of at most this width.
const MARKS_WIDTH: u32 = 960;

/// BT.601, in 256ths.
fn luma([blue, green, red]: [u8; 3]) -> u8 {
    let sum = 29 * u32::from(blue) + 150 * u32::from(green) + 77 * u32::from(red);
    (sum >> 8).to_le_bytes()[0]
}

fn rows(image: &Image) -> impl Iterator<Item = &[[u8; 3]]> {
    let (pixels, _) = image.pixels().as_chunks::<{ Image::BYTES_PER_PIXEL }>();
    pixels.chunks_exact(image.size().width.max(1) as usize)
}

/// One pixel.
#[must_use]
pub fn pixel(image: &Image, x: u32, y: u32) -> Option<PixelValue> {
    let row = rows(image).nth(y as usize)?;
    let [blue, green, red] = *row.get(x as usize)?;
    Some(PixelValue { red, green, blue, luma: luma([blue, green, red]) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelValue {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
    /// Brightness, BT.601.
    pub luma: u8,
}

/// How many pixels have which value: red, green, blue, brightness.
#[derive(Clone, Debug, PartialEq)]
pub struct BrightnessHistogram {
    pub counts: [[u32; 256]; 4],
    pub n_pixels: u32,
}

impl BrightnessHistogram {
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let mut counts = [[0; 256]; 4];
        let mut n_pixels = 0;
        let step = every(image.size());
        for row in rows(image).step_by(step) {
            for [blue, green, red] in row.iter().step_by(step) {
                let values = [*red, *green, *blue, luma([*blue, *green, *red])];
                for (counts, value) in counts.iter_mut().zip(values) {
                    if let Some(count) = counts.get_mut(usize::from(value)) {
                        *count += 1;
                    }
                }
                n_pixels += 1;
            }
        }
        Self { counts, n_pixels }
    }

    /// The share of pixels without detail: black, white.
    #[must_use]
    pub fn clipped(&self) -> (f32, f32) {
        let [.., luma] = &self.counts;
        let share = |n: u32| n as f32 / self.n_pixels.max(1) as f32;
        let black = luma.iter().take(usize::from(BLACK) + 1).sum();
        let white = luma.iter().skip(usize::from(WHITE)).sum();
        (share(black), share(white))
    }
}

/// Every n-th row and column is looked at.
fn every(size: Size) -> usize {
    let n = size.width as usize * size.height as usize;
    // A picture of the largest size needs no larger one.
    (1..64).find(|step| n / (step * step) <= MAX_PIXELS).unwrap_or(64)
}

/// Brightness of each column: in row `y` and column `x` how many pixels of the columns there are as bright, 255 for the most.
#[must_use]
pub fn waveform(image: &Image, width: usize, height: usize) -> Vec<u8> {
    let mut counts = vec![0_u32; width * height];
    let size = image.size();
    let step = every(size);
    for row in rows(image).step_by(step) {
        for (x, pixel) in row.iter().enumerate().step_by(step) {
            let column = x * width / size.width.max(1) as usize;
            let line = (255 - usize::from(luma(*pixel))) * height / 256;
            if let Some(count) = counts.get_mut(line * width + column) {
                *count += 1;
            }
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    // A few pixels are to be seen too.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
    counts.iter().map(|count| ((*count as f32 / most as f32).sqrt() * 255.0) as u8).collect()
}

/// What a pixel of the marks stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelMark {
    Nothing,
    White,
    Black,
    Sharp,
}

/// Marks over the whole picture, in a smaller one.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    pub size: Size,
    pub marks: Vec<PixelMark>,
}

fn marks_size(size: Size) -> (Size, usize) {
    let step = size.width.div_ceil(MARKS_WIDTH).max(1);
    (Size { width: size.width.div_ceil(step), height: size.height.div_ceil(step) }, step as usize)
}

/// Where the picture is white or black without detail.
#[must_use]
pub fn clipping(image: &Image) -> Marks {
    let (size, step) = marks_size(image.size());
    let mark = |pixel: &[u8; 3]| match luma(*pixel) {
        WHITE.. => PixelMark::White,
        ..=BLACK => PixelMark::Black,
        _ => PixelMark::Nothing,
    };
    let marks = rows(image).step_by(step).flat_map(|row| row.iter().step_by(step).map(mark)).collect();
    Marks { size, marks }
}

/// Where edges are sharp, and how sharp the picture is as a whole: the mean square of the steps in brightness, of the steps that are more
/// than noise. Only to be compared with the same scene.
#[must_use]
pub fn sharpness(image: &Image) -> (Marks, f32) {
    let (size, step) = marks_size(image.size());
    let mut marks = Vec::with_capacity(size.width as usize * size.height as usize);
    let mut sum = 0_u64;
    let mut above: Option<Vec<u8>> = None;
    for row in rows(image).step_by(step) {
        let row: Vec<u8> = row.iter().map(|pixel| luma(*pixel)).collect();
        let before = above.as_ref().unwrap_or(&row);
        for x in (0..row.len()).step_by(step) {
            let at = |row: &[u8], x: usize| row.get(x).copied().unwrap_or_default();
            // Neighbours, whichever pixels are looked at.
            let next = at(&row, (x + 1).min(row.len() - 1));
            let across = u16::from(at(&row, x).abs_diff(next));
            let down = if step == 1 { u16::from(at(&row, x).abs_diff(at(before, x))) } else { across };
            let largest = across.max(down);
            if largest >= 8 {
                sum += u64::from(largest) * u64::from(largest);
            }
            marks.push(if largest >= SHARP_STEP { PixelMark::Sharp } else { PixelMark::Nothing });
        }
        above = Some(row);
    }
    let sharpness = sum as f32 / marks.len().max(1) as f32;
    (Marks { size, marks }, sharpness)
}

/// Both pictures' difference, four times as strong, as brightness; `None` where they have not the same size.
#[must_use]
pub fn difference(one: &Image, other: &Image) -> Option<Image> {
    if one.size() != other.size() {
        return None;
    }
    let pixels = one.pixels().iter().zip(other.pixels());
    Image::new(one.size(), pixels.map(|(one, other)| one.abs_diff(*other).saturating_mul(4)).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Image {
        let pixels: Vec<u8> =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
        Image::new(Size { width, height }, pixels).unwrap()
    }

    #[test]
    fn a_pixel_has_its_value() {
        let image = image(4, 2, |x, y| [x.to_le_bytes()[0] * 10, y.to_le_bytes()[0] * 100, 7]);
        let value = pixel(&image, 3, 1).unwrap();
        assert_eq!((value.red, value.green, value.blue), (7, 100, 30));
        assert_eq!((pixel(&image, 4, 0), pixel(&image, 0, 2)), (None, None));
    }

    #[test]
    fn brightness_is_counted() {
        // A quarter white, a quarter black, the rest grey.
        let quarters = |x: u32, _: u32| match x / 2 {
            0 => [255; 3],
            1 => [0; 3],
            _ => [120; 3],
        };
        let histogram = BrightnessHistogram::of(&image(8, 4, quarters));
        assert_eq!((histogram.n_pixels, histogram.clipped()), (32, (0.25, 0.25)));
        assert_eq!(histogram.counts.map(|counts| counts[120]), [16; 4]);
        // A large one is looked at in part, and the shares stay.
        let large =
            BrightnessHistogram::of(&image(3_200, 1_800, |x, _| if x < 1_600 { [255; 3] } else { [60, 70, 80] }));
        assert!(large.n_pixels <= 500_000, "{}", large.n_pixels);
        assert!((large.clipped().1 - 0.5).abs() < 0.01);
        let marks = clipping(&image(8, 4, quarters)).marks;
        assert_eq!(
            marks[..5],
            [PixelMark::White, PixelMark::White, PixelMark::Black, PixelMark::Black, PixelMark::Nothing]
        );
        assert_eq!(marks.len(), 32);
    }

    #[test]
    fn the_waveform_rises_with_the_brightness() {
        let wave = waveform(&image(256, 16, |x, _| [x.to_le_bytes()[0]; 3]), 64, 32);
        let brightest_of = |column: usize| (0..32).max_by_key(|line| wave[line * 64 + column]).unwrap();
        assert!(brightest_of(2) > 28 && brightest_of(61) < 3, "{} {}", brightest_of(2), brightest_of(61));
    }

    #[test]
    fn sharp_edges_are_marked_and_blurred_ones_are_not() {
        let bars = |width: u32| {
            image(320, 40, move |x, _| [((x % 40).saturating_sub(20) * 200 / width).min(200).to_le_bytes()[0]; 3])
        };
        let (sharp, of_sharp) = sharpness(&bars(1));
        let (blurred, of_blurred) = sharpness(&bars(20));
        let n = |marks: &Marks| marks.marks.iter().filter(|mark| **mark == PixelMark::Sharp).count();
        assert!(n(&sharp) > 200 && n(&blurred) < n(&sharp), "{} {}", n(&sharp), n(&blurred));
        assert!(of_sharp > 1.5 * of_blurred, "{of_sharp} {of_blurred}");
        assert!(sharpness(&image(64, 64, |_, _| [90; 3])).1 <= 0.0);
    }

    #[test]
    fn differences_are_seen() {
        let (one, other) = (image(4, 4, |_, _| [100; 3]), image(4, 4, |x, _| if x == 0 { [110; 3] } else { [100; 3] }));
        let difference = difference(&one, &other).unwrap();
        assert_eq!(difference.pixels()[..6], [40, 40, 40, 0, 0, 0]);
        assert!(super::difference(&one, &image(8, 4, |_, _| [0; 3])).is_none());
    }
}
