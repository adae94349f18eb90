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
    pixels: Arc<dyn AsRef<[u8]> + Send + Sync>,
}

impl Image {
    pub const BYTES_PER_PIXEL: usize = 3;

    /// `None` when `pixels` is not exactly `size.n_bytes()` long.
    pub fn new(size: Size, pixels: impl AsRef<[u8]> + Send + Sync + 'static) -> Option<Self> {
        (pixels.as_ref().len() == size.n_bytes()).then(|| Self { size, pixels: Arc::new(pixels) })
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
    /// Of the picture that the camera sent, where this is a smaller copy of it: by it alone two of them are equal or not, as
    /// a sensor's noise is averaged away in the copy. See [`crate::picture::fingerprint()`].
    pub fingerprint: Option<u64>,
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
