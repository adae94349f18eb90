//! A picture with its number and its times: what every reader of a camera gets.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// The encoding in which a driver hands out its pictures, before they are decoded to [`Image`].
///
/// The names are those of V4L2's four-character codes, which the other systems share for these formats
/// (<https://www.kernel.org/doc/html/latest/userspace-api/media/v4l/pixfmt.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PixelFormat([u8; 4]);

impl PixelFormat {
    /// Packed 8-bit blue, green, red (`V4L2_PIX_FMT_BGR24`).
    pub const BGR: Self = Self(*b"BGR3");
    /// Packed 8-bit red, green, blue (`V4L2_PIX_FMT_RGB24`).
    pub const RGB: Self = Self(*b"RGB3");
    /// Packed 4:2:2, two bytes a pixel: the uncompressed format of most USB cameras.
    pub const YUYV: Self = Self(*b"YUYV");
    /// Luma plane followed by interleaved chroma at half size, 4:2:0.
    pub const NV12: Self = Self(*b"NV12");
    /// 8-bit luma only.
    pub const GREY: Self = Self(*b"GREY");
    /// One JPEG a frame: the compressed format of most USB cameras.
    pub const MJPG: Self = Self(*b"MJPG");

    /// The formats that can be asked for; the first is the one to prefer when bandwidth is short.
    pub const COMMON: [Self; 3] = [Self::MJPG, Self::YUYV, Self::NV12];

    /// The code as V4L2 and OpenCV number it: first character in the lowest byte.
    #[must_use]
    pub fn to_fourcc(self) -> u32 {
        u32::from_le_bytes(self.0)
    }

    /// `None` where a driver gave no readable code (GStreamer reports 0).
    #[must_use]
    pub fn from_fourcc(code: u32) -> Option<Self> {
        Self::from_code(code.to_le_bytes())
    }

    fn from_code(code: [u8; 4]) -> Option<Self> {
        code.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ').then_some(Self(code))
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end())
    }
}

impl From<PixelFormat> for String {
    fn from(format: PixelFormat) -> Self {
        format.to_string()
    }
}

impl TryFrom<String> for PixelFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut code = [b' '; 4];
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > code.len() {
            return Err(format!("a pixel format has one to four letters, not “{text}”"));
        }
        for (slot, byte) in code.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        // People write the usual ones in small letters; `avc1` is not `AVC1`.
        let upper = Self(code.map(|byte| byte.to_ascii_uppercase()));
        let known = [Self::BGR, Self::RGB, Self::YUYV, Self::NV12, Self::GREY, Self::MJPG];
        known
            .into_iter()
            .find(|known| *known == upper)
            .or_else(|| Self::from_code(code))
            .ok_or_else(|| format!("“{text}” is not a pixel format"))
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// No camera exceeds it (8K is 7680 × 4320); a larger number is a typing error or a lie of the driver.
    pub const MAX_SIDE: u32 = 16_384;

    /// `None` unless both sides are in `1..=MAX_SIDE`.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let sides = 1..=Self::MAX_SIDE;
        (sides.contains(&width) && sides.contains(&height)).then_some(Self { width, height })
    }

    /// Bytes of a picture of this size in [`Image`]'s layout.
    #[must_use]
    pub fn n_bytes(self) -> usize {
        self.width as usize * self.height as usize * Image::BYTES_PER_PIXEL
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "a size is WIDTHxHEIGHT in pixels, 1 to {} each, for example 1280x720; not “{text}”",
                Self::MAX_SIDE
            )
        };
        let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wrong)?;
        let side = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
        Self::new(side(width)?, side(height)?).ok_or_else(wrong)
    }
}

/// Decoded pixels: blue, green, red, one byte each, rows from the top, without padding.
///
/// Cloning shares the pixels. They are behind a trait object because their owner differs: a vector here, a
/// lent slot of shared memory elsewhere; the last clone to be dropped gives it back.
#[derive(Clone)]
pub struct Image {
    size: Size,
    /// That of the picture from which this one was made smaller.
    fingerprint_of_original: Option<u64>,
    pixels: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl Image {
    pub const BYTES_PER_PIXEL: usize = 3;

    /// `None` when `pixels` is not exactly `size.n_bytes()` long.
    pub fn new(size: Size, pixels: impl AsRef<[u8]> + Send + Sync + 'static) -> Option<Self> {
        let fingerprint_of_original = None;
        (pixels.as_ref().len() == size.n_bytes()).then(|| Self {
            size,
            fingerprint_of_original,
            pixels: Arc::new(pixels),
        })
    }

    /// The same picture, known to have been made smaller from one with this fingerprint.
    #[must_use]
    pub fn made_smaller_from(self, fingerprint: Option<u64>) -> Self {
        Self { fingerprint_of_original: fingerprint.or(self.fingerprint_of_original), ..self }
    }

    /// Whether the camera has made a larger one.
    #[must_use]
    pub fn is_made_smaller(&self) -> bool {
        self.fingerprint_of_original.is_some()
    }

    /// Differs for pictures that differ as the camera made them; see [`fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint_of_original.unwrap_or_else(|| fingerprint(self.size, self.pixels()))
    }

    /// This picture in a tile of that size, where it is at least twice as large.
    #[must_use]
    pub fn for_tile(self, tile: Size) -> Self {
        let factor = tile_factor(self.size, tile);
        if factor < 2 {
            return self;
        }
        let (size, pixels) = made_smaller(self.size, self.pixels(), factor);
        let fingerprint = self.fingerprint();
        Self::new(size, pixels).map_or(self, |image| image.made_smaller_from(Some(fingerprint)))
    }

    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Exactly `size().n_bytes()` bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        (*self.pixels).as_ref()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({})", self.size)
    }
}

/// By how much a picture can be made smaller for a tile of that size, without becoming smaller than that.
#[must_use]
pub fn tile_factor(picture: Size, tile: Size) -> u32 {
    (picture.width / tile.width.max(1)).min(picture.height / tile.height.max(1)).max(1)
}

/// The means of squares of `factor` × `factor` pixels, in [`Image`]'s layout. What is left over at the right and at the bottom is
/// cut off. Empty where `pixels` is shorter than its size says.
#[must_use]
pub fn made_smaller(size: Size, pixels: &[u8], factor: u32) -> (Size, Vec<u8>) {
    const N: usize = Image::BYTES_PER_PIXEL;
    // So many rows add up to less than 2^16, and 16-bit numbers are added quickly.
    let factor = factor.clamp(1, size.width.min(size.height).clamp(1, 257));
    let small = Size { width: size.width / factor, height: size.height / factor };
    let (side, row_bytes) = (factor as usize, size.width as usize * N);
    let mut sums = vec![0_u16; small.width as usize * side * N];
    let mut out = Vec::with_capacity(small.n_bytes());
    let n = factor * factor;
    for rows in pixels.chunks_exact(row_bytes * side).take(small.height as usize) {
        sums.fill(0);
        for row in rows.chunks_exact(row_bytes) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += u16::from(*value);
            }
        }
        for square in sums.chunks_exact(side * N) {
            let mut total = [n / 2; N];
            for pixel in square.as_chunks::<N>().0 {
                for (total, value) in total.iter_mut().zip(pixel) {
                    *total += u32::from(*value);
                }
            }
            out.extend(total.map(|total| u8::try_from(total / n).unwrap_or(u8::MAX)));
        }
    }
    (small, out)
}

/// Rows of a picture that are looked at for its fingerprint: one in so many. The noise of a sensor is in all of them.
const FINGERPRINT_ROWS: usize = 4;

/// A number that differs for pictures that differ in one of the rows looked at, but for a chance of one in 2^60. In four lanes, as
/// fast as memory is read.
#[must_use]
pub fn fingerprint(size: Size, pixels: &[u8]) -> u64 {
    // The odd multiplier of SplitMix64's sequence: 2^64 over the golden ratio.
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    let mut lanes = [1_u64, 2, 3, 4];
    let mut hash = pixels.len() as u64;
    let row_bytes = (size.width as usize * Image::BYTES_PER_PIXEL).max(1);
    // Small pictures are looked at whole.
    let step = if size.height as usize >= 16 * FINGERPRINT_ROWS { FINGERPRINT_ROWS } else { 1 };
    for row in pixels.chunks(row_bytes).step_by(step) {
        let (blocks, rest) = row.as_chunks::<32>();
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = mix(*lane, u64::from_le_bytes(*word));
            }
        }
        hash = rest.iter().map(|byte| u64::from(*byte)).fold(hash, mix);
    }
    lanes.into_iter().fold(hash, mix)
}

/// One good picture of a camera. Immutable; shared as `Arc<Frame>`.
#[derive(Clone, Debug)]
pub struct Frame {
    pub image: Image,
    /// Counts the good frames of a camera from 1, going on when it is opened again.
    pub number: u64,
    /// The driver's own count, where it has one: a gap is a picture lost before it reached us.
    pub sequence: Option<u64>,
    /// When the driver handed it out, on the monotonic clock: ages are counted from here.
    pub taken_at: Instant,
    /// The same moment on the wall clock, for names and for people.
    pub taken_at_wall: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_size(text: &str, expected: Option<(u32, u32)>) {
        let got = text.parse::<Size>().ok().map(|size| (size.width, size.height));
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn sizes_are_read_as_people_type_them() {
        check_size("640x480", Some((640, 480)));
        check_size("1920X1080", Some((1920, 1080)));
        check_size("1280 × 720", Some((1280, 720)));
        check_size("0x480", None);
        check_size("640x", None);
        check_size("640", None);
        check_size("-1x5", None);
        check_size("16385x1", None);
        check_size("99999999999x1", None);
    }

    #[test]
    fn an_image_has_just_the_bytes_of_its_size() {
        let size = Size { width: 2, height: 2 };
        assert!(Image::new(size, vec![0; 12]).is_some());
        assert!(Image::new(size, vec![0; 11]).is_none());
        assert!(Image::new(size, vec![0; 13]).is_none());
    }

    #[track_caller]
    fn check_smaller(size: (u32, u32), factor: u32, pixel: impl Fn(u32, u32) -> u8, expected: &[u8]) {
        let size = Size { width: size.0, height: size.1 };
        let pixels: Vec<u8> = (0..size.height)
            .flat_map(|y| (0..size.width).map(move |x| (x, y)))
            .flat_map(|(x, y)| [pixel(x, y), 255 - pixel(x, y), 7])
            .collect();
        let (small, got) = made_smaller(size, &pixels, factor);
        assert_eq!(got.len(), small.n_bytes());
        let blue: Vec<u8> = got.iter().copied().step_by(3).collect();
        assert_eq!(blue, expected, "{size} by {factor}");
        assert!(got.iter().skip(2).step_by(3).all(|red| *red == 7));
    }

    #[test]
    fn a_smaller_picture_has_the_means_of_squares() {
        check_smaller((4, 2), 2, |x, _| if x < 2 { 10 } else { 20 }, &[10, 20]);
        check_smaller((2, 2), 2, |x, y| if x == 0 && y == 0 { 100 } else { 0 }, &[25]);
        check_smaller((5, 3), 2, |x, _| if x == 4 { 255 } else { 9 }, &[9, 9]);
        check_smaller((2, 1), 1, |x, _| if x == 0 { 1 } else { 2 }, &[1, 2]);
        check_smaller((40, 40), 40, |_, _| 255, &[255]);
        check_smaller((3, 3), 9, |_, _| 8, &[8]);
    }

    #[test]
    fn a_tile_is_no_smaller_than_it_is_shown_and_remembers_its_original() {
        let size = |width, height| Size { width, height };
        let check = |picture, tile, factor| assert_eq!(tile_factor(picture, tile), factor, "{picture} {tile}");
        check(size(1920, 1080), size(480, 270), 4);
        check(size(1280, 720), size(480, 270), 2);
        check(size(1280, 720), size(700, 300), 1);
        check(size(640, 480), size(0, 0), 480);
        let image = |last| {
            let mut pixels = vec![9; size(64, 48).n_bytes()];
            *pixels.first_mut().unwrap() = last;
            Image::new(size(64, 48), pixels).unwrap()
        };
        let (one, other) = (image(9), image(10));
        let (small, small_other) = (one.clone().for_tile(size(8, 8)), other.clone().for_tile(size(8, 8)));
        assert_eq!((small.size(), small.pixels()), (size(10, 8), small_other.pixels()), "the mean is the same");
        assert_eq!(small.fingerprint(), one.fingerprint());
        assert_ne!(small.fingerprint(), small_other.fingerprint());
        assert_eq!(small.clone().for_tile(size(2, 2)).fingerprint(), one.fingerprint(), "made smaller twice");
        assert_eq!(one.clone().for_tile(size(60, 40)).size(), one.size());
    }

    #[test]
    fn formats_keep_their_code() {
        assert_eq!(PixelFormat::from_fourcc(0x4750_4A4D), Some(PixelFormat::MJPG));
        assert_eq!(PixelFormat::MJPG.to_fourcc(), 0x4750_4A4D);
        assert_eq!(PixelFormat::from_fourcc(0), None);
        assert_eq!(PixelFormat::try_from("yuyv".to_owned()), Ok(PixelFormat::YUYV));
        assert_eq!(PixelFormat::try_from("Y8".to_owned()).map(|f| f.to_string()), Ok("Y8".into()));
        assert_eq!(PixelFormat::try_from("avc1".to_owned()).map(|f| f.to_string()), Ok("avc1".into()));
        assert!(PixelFormat::try_from("MJPEG".to_owned()).is_err());
    }
}
