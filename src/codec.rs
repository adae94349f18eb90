//! Between bytes and pictures: the only module that knows a codec.
//!
//! Everything here is a pure function of its arguments and may be called on any thread. What comes from a camera is
//! never trusted: wrong bytes give an error, never a panic.

use std::panic;

use jpeg_encoder::{ColorType, Encoder};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::frame::{Image, PixelFormat, Size};

mod raw;

pub use raw::preference;

/// Encodes as baseline JPEG. `quality_percent` is 1 to 100, as libjpeg counts it.
///
/// # Errors
/// The picture is larger than a JPEG can be (65 535 pixels a side).
pub fn encode_jpeg(image: &Image, quality_percent: u32) -> Result<Vec<u8>, String> {
    let quality = u8::try_from(quality_percent.clamp(1, 100)).unwrap_or(100);
    let side = |side: u32| u16::try_from(side).map_err(|_| format!("a JPEG cannot be {side} pixels long"));
    let (width, height) = (side(image.size().width)?, side(image.size().height)?);
    let mut jpeg = Vec::with_capacity(image.pixels().len() / 8);
    Encoder::new(&mut jpeg, quality)
        .encode(image.pixels(), width, height, ColorType::Bgr)
        .map_err(|error| format!("the picture could not be encoded as JPEG: {error}"))?;
    Ok(jpeg)
}

/// Encodes as PNG, without loss.
///
/// # Errors
/// As the encoder says; none is known for a picture that fits in memory.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, String> {
    let mut rgb = image.pixels().to_vec();
    for pixel in rgb.chunks_exact_mut(Image::BYTES_PER_PIXEL) {
        pixel.swap(0, 2);
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.size().width, image.size().height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&rgb))
        .map_err(|error| format!("the picture could not be encoded as PNG: {error}"))?;
    Ok(bytes)
}

/// Decodes a picture file, JPEG or PNG, as somebody chose it.
///
/// # Errors
/// It is neither, or too large, or damaged.
pub fn decode_file(bytes: &[u8]) -> Result<Image, String> {
    if !bytes.starts_with(b"\x89PNG") {
        return Coded::Jpeg(Jpeg::read(bytes)?).decode_as(MissingData::Filled);
    }
    let wrong = |error: png::DecodingError| format!("the PNG is damaged ({error})");
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    // Palettes, grey and 16 bits become 8 bits of red, green, blue, with or without transparency.
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(wrong)?;
    let size = Size::new(reader.info().width, reader.info().height).ok_or("the picture is too large")?;
    let mut buffer = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let info = reader.next_frame(&mut buffer).map_err(wrong)?;
    let n = info.color_type.samples();
    let pixels = buffer.chunks_exact(n).flat_map(|pixel| match *pixel {
        [red, green, blue] | [red, green, blue, _] => [blue, green, red],
        [grey] | [grey, _] => [grey; 3],
        _ => [0; 3],
    });
    let pixels: Vec<u8> = pixels.take(size.n_bytes()).collect();
    Image::new(size, pixels).ok_or_else(|| "the PNG ends too early".to_owned())
}

/// Decodes what a driver handed out. The size of a JPEG is its own and may differ from `size`. Where a part of a JPEG's data is
/// missing, what can be decoded is a torn picture; [`Coded::decode`] refuses it.
///
/// # Errors
/// The bytes are not a picture of this format and size, or the format is not known here.
pub fn decode(format: PixelFormat, size: Size, bytes: &[u8]) -> Result<Image, String> {
    Coded::read(format, size, 0, bytes)?.decode_as(MissingData::Filled)
}

/// What is made of a JPEG whose data do not go up to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingData {
    /// With grey.
    Filled,
    Refused,
}

/// Whether pictures of this format are compressed, each by itself.
#[must_use]
pub fn is_jpeg(format: PixelFormat) -> bool {
    raw::layout(format) == Some(raw::Layout::Jpeg)
}

/// A JPEG from its start marker to its end, without what drivers pad. `None` where one of them is missing. Its data are not looked at.
#[must_use]
pub fn whole_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    Jpeg::read(bytes).ok().map(|jpeg| jpeg.bytes)
}

/// What a camera has sent as a JPEG, as a file that any program can show: up to its end marker. `None` where a part of it is missing,
/// or its Huffman tables are.
#[must_use]
pub fn jpeg_file(bytes: &[u8]) -> Option<&[u8]> {
    let jpeg = Jpeg::read(bytes).ok().filter(|jpeg| jpeg.has_huffman_tables)?;
    let mut pixels = vec![0; jpeg.size.n_bytes()];
    jpeg.decode_into(&mut pixels, MissingData::Refused).ok()?;
    Some(jpeg.bytes)
}

/// The same of a packet that was not damaged when it came: its data are not looked at again.
#[must_use]
pub fn jpeg_of_packet(bytes: &[u8]) -> Option<&[u8]> {
    Jpeg::read(bytes).ok().filter(|jpeg| jpeg.has_huffman_tables).map(|jpeg| jpeg.bytes)
}

/// So many bytes has a raw picture with so many from one row to the next. 0 of a compressed one.
#[must_use]
pub fn n_bytes(format: PixelFormat, size: Size, line_bytes: usize) -> usize {
    raw::layout(format).map_or(0, |layout| raw::n_bytes(layout, size, line_bytes))
}

/// A picture whose size is known and that has not been decoded.
#[derive(Debug)]
pub enum Coded<'a> {
    Jpeg(Jpeg<'a>),
    Raw { format: PixelFormat, layout: raw::Layout, size: Size, line_bytes: usize, bytes: &'a [u8] },
}

impl<'a> Coded<'a> {
    /// What a driver handed out. From one row to the next are `line_bytes`, or just those of a row where that is less. The size of
    /// a JPEG is its own.
    ///
    /// # Errors
    /// It is no whole JPEG, or the format is not known here.
    pub fn read(format: PixelFormat, size: Size, line_bytes: usize, bytes: &'a [u8]) -> Result<Self, String> {
        match raw::layout(format) {
            Some(raw::Layout::Jpeg) => Jpeg::read(bytes).map(Self::Jpeg),
            Some(layout) => Ok(Self::Raw { format, layout, size, line_bytes, bytes }),
            None => Err(format!("frames in the format {format} cannot be decoded here")),
        }
    }

    #[must_use]
    pub fn size(&self) -> Size {
        match self {
            Self::Jpeg(jpeg) => jpeg.size,
            Self::Raw { size, .. } => *size,
        }
    }

    /// # Errors
    /// The bytes are not a whole picture.
    pub fn decode(&self) -> Result<Image, String> {
        self.decode_as(MissingData::Refused)
    }

    fn decode_as(&self, missing: MissingData) -> Result<Image, String> {
        let mut pixels = vec![0; self.size().n_bytes()];
        self.fill(&mut pixels, missing)?;
        Image::new(self.size(), pixels).ok_or_else(|| format!("the frame does not have the size {}", self.size()))
    }

    /// Fills `out`, which has the bytes of a picture of this size; with anything where it fails.
    ///
    /// # Errors
    /// The bytes are not a whole picture.
    pub fn decode_into(&self, out: &mut [u8]) -> Result<(), String> {
        self.fill(out, MissingData::Refused)
    }

    fn fill(&self, out: &mut [u8], missing: MissingData) -> Result<(), String> {
        match self {
            Self::Jpeg(jpeg) => jpeg.decode_into(out, missing),
            Self::Raw { format, layout, size, line_bytes, bytes } => {
                raw::decode_into((*format, *layout), *size, *line_bytes, bytes, out)
            }
        }
    }
}

/// Start and end of image (ITU-T T.81, table B.1).
const SOI: [u8; 2] = [0xFF, 0xD8];
const EOI: [u8; 2] = [0xFF, 0xD9];
/// Between a picture's data these may stand: tables, further scans, the number of lines, restart intervals, what programs say.
const IN_SCAN: [std::ops::RangeInclusive<u8>; 4] = [0xC4..=0xC4, 0xDA..=0xDE, 0xE0..=0xEF, 0xFE..=0xFE];

/// One frame of an MJPEG stream, whole from its start to its end marker.
///
/// One without its end marker is refused: decoders fill the rest with grey or with what lay in memory, and a torn picture that
/// looks whole is worse than none. The end is found by walking from marker to marker, as small pictures within it have ends too.
#[derive(Debug)]
pub struct Jpeg<'a> {
    size: Size,
    has_huffman_tables: bool,
    /// All of it stands in one scan, from its top to its bottom.
    is_sequential: bool,
    /// Drivers pad: what stands behind the end marker is left out.
    bytes: &'a [u8],
}

impl<'a> Jpeg<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        if !bytes.starts_with(&SOI) {
            return Err("the JPEG frame has no start marker".to_owned());
        }
        let mut at = SOI.len();
        let (mut size, mut has_huffman_tables, mut is_baseline, mut n_scans) = (None, false, false, 0_u32);
        loop {
            let (behind, marker) = next_marker(bytes, at).ok_or("the JPEG frame is cut off: it has no end marker")?;
            at = behind;
            match marker {
                0xD9 => break,
                0xD8 if n_scans > 0 => {
                    return Err("the JPEG frame is torn: another picture begins within it".to_owned());
                }
                // Have no length.
                0x01 | 0xD0..=0xD8 => continue,
                _ if n_scans > 0 && !IN_SCAN.iter().any(|range| range.contains(&marker)) => {
                    return Err(format!("the JPEG frame is damaged: marker {marker:#04x} within its data"));
                }
                _ => {}
            }
            let segment = bytes.get(at..).unwrap_or_default();
            let length = match segment {
                [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
                _ => 0,
            };
            match (marker, segment) {
                (0xC4, _) => has_huffman_tables = true,
                (0xC0..=0xCF, [_, _, _, h1, h0, w1, w0, ..]) if !matches!(marker, 0xC8 | 0xCC) => {
                    let side = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
                    size = Size::new(side(*w1, *w0), side(*h1, *h0));
                    is_baseline = marker <= 0xC1;
                }
                (0xDA, _) => n_scans += 1,
                _ => {}
            }
            // A length holds its own two bytes.
            at += length.max(2);
        }
        if n_scans == 0 {
            return Err("the JPEG frame is damaged: there is no picture in it".to_owned());
        }
        let size = size.ok_or("the JPEG frame has an impossible size")?;
        let is_sequential = is_baseline && n_scans == 1;
        Ok(Self { size, has_huffman_tables, is_sequential, bytes: bytes.get(..at).unwrap_or(bytes) })
    }

    /// Many cameras leave out the Huffman tables and mean the standard ones (UVC payload specification for MJPEG, section 3). The
    /// decoder supplies them when the frame carries the mark of AVI files, which do the same: they are given that mark.
    ///
    /// Where the end marker comes too early the decoder fills the rest with grey, and calls it a picture; where the data end, it says
    /// so. It looks a little beyond the last of them, so that there have to be some.
    fn for_decoder(&self, missing: MissingData) -> Vec<u8> {
        const AVI1_SEGMENT: &[u8] = &[0xFF, 0xE0, 0, 7, b'A', b'V', b'I', b'1', 0];
        let mark = if self.has_huffman_tables { &[] } else { AVI1_SEGMENT };
        let is_cut = self.is_sequential && missing == MissingData::Refused;
        let (n_cut, beyond) = if is_cut { (EOI.len(), &[0; 16][..]) } else { (0, &[][..]) };
        let inner = self.bytes.get(SOI.len()..self.bytes.len() - n_cut).unwrap_or_default();
        [&SOI, mark, inner, beyond].concat()
    }

    fn decode_into(&self, out: &mut [u8], missing: MissingData) -> Result<(), String> {
        let bytes = self.for_decoder(missing);
        let bytes = bytes.as_slice();
        // The decoder is written not to panic; a camera's bytes must not be what proves the contrary.
        panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let damaged = |error| format!("the JPEG frame is damaged: {error:?}");
            let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::BGR);
            let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options.set_strict_mode(false));
            decoder.decode_headers().map_err(damaged)?;
            // From grey it makes no BGR, and in RGB grey is the same.
            let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
            // The inks of a printer: it makes of them red, green and blue in that order only.
            let is_inks = matches!(decoder.input_colorspace(), Some(ColorSpace::CMYK | ColorSpace::YCCK));
            let options = if is_grey || is_inks { options.jpeg_set_out_colorspace(ColorSpace::RGB) } else { options };
            // Oddities of the head do no harm. In the data an error is damage.
            decoder.set_options(options.set_strict_mode(missing == MissingData::Refused));
            if decoder.output_buffer_size() != Some(out.len()) {
                return Err(format!("the JPEG frame does not fill its size {}", self.size));
            }
            decoder.decode_into(out).map_err(damaged)?;
            if is_inks {
                out.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
            }
            Ok(())
        }))
        .unwrap_or_else(|_| Err("the JPEG frame is damaged: the decoder gave up".to_owned()))
    }
}

/// The next marker from there on that is none of the data's own, stuffed bytes and restarts, and where what follows it begins.
fn next_marker(bytes: &[u8], from: usize) -> Option<(usize, u8)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)? + 1;
        match *bytes.get(at)? {
            // Fill bytes may stand before a marker.
            0xFF => {}
            0 | 0xD0..=0xD7 => at += 1,
            marker => return Some((at + 1, marker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 64, height: 48 };

    /// Left half blue, right half red.
    fn two_halves() -> Image {
        let pixels: Vec<u8> =
            (0..64 * 48).flat_map(|n| if n % 64 < 32 { [230, 20, 20] } else { [20, 20, 230] }).collect();
        Image::new(SIZE, pixels).unwrap()
    }

    fn pixel(image: &Image, x: usize, y: usize) -> &[u8] {
        let at = (y * image.size().width as usize + x) * 3;
        &image.pixels()[at..at + 3]
    }

    #[track_caller]
    fn check_two_halves(image: &Image) {
        assert_eq!(image.size(), SIZE);
        let (left, right) = (pixel(image, 8, 20), pixel(image, 56, 20));
        assert!(left[0] > 200 && left[2] < 60, "left is blue: {left:?}");
        assert!(right[2] > 200 && right[0] < 60, "right is red: {right:?}");
    }

    /// Removes the segments with this marker.
    fn without_segments(jpeg: &[u8], marker: u8) -> Vec<u8> {
        let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
        while jpeg[at + 1] != 0xDA {
            let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != marker {
                out.extend_from_slice(&jpeg[at..end]);
            }
            at = end;
        }
        out.extend_from_slice(&jpeg[at..]);
        out
    }

    #[test]
    fn a_jpeg_keeps_its_colours() {
        let jpeg = encode_jpeg(&two_halves(), 90).unwrap();
        check_two_halves(&decode(PixelFormat::MJPG, SIZE, &jpeg).unwrap());
        let padded = [jpeg.as_slice(), &[0; 500]].concat();
        check_two_halves(&decode(PixelFormat::MJPG, SIZE, &padded).unwrap());
        assert_eq!((jpeg_file(&padded), whole_jpeg(&padded)), (Some(jpeg.as_slice()), Some(jpeg.as_slice())));
        assert_eq!((whole_jpeg(&jpeg[..jpeg.len() - 1]), whole_jpeg(&jpeg[1..])), (None, None));
        assert_eq!(jpeg_file(&jpeg[..jpeg.len() - 1]), None);
        let bare = without_segments(&jpeg, 0xC4);
        assert!(bare.len() < jpeg.len());
        check_two_halves(&decode(PixelFormat::MJPG, SIZE, &bare).unwrap());
        check_two_halves(&whole(&bare).unwrap());
        assert_eq!(jpeg_file(&bare), None);
    }

    /// A slope with the noise of a sensor.
    fn scene(seed: u64) -> Vec<u8> {
        let size = Size { width: 320, height: 240 };
        let mut rng = fastrand::Rng::with_seed(seed);
        let pixels = (0..size.n_bytes()).map(|n| u8::try_from(n / 3 % 200).unwrap() + rng.u8(..20)).collect::<Vec<_>>();
        encode_jpeg(&Image::new(size, pixels).unwrap(), 80).unwrap()
    }

    fn whole(jpeg: &[u8]) -> Result<Image, String> {
        Coded::read(PixelFormat::MJPG, SIZE, 0, jpeg)?.decode()
    }

    #[track_caller]
    fn check_damaged(bytes: &[u8], expected: &str) {
        let error = whole(bytes).map(|image| image.size()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_jpeg_of_inks_keeps_its_colours() {
        let image = two_halves();
        // No ink is white. The encoder turns that round, as programs for printers do.
        let inks = image.pixels().chunks_exact(3).flat_map(|bgr| [255 - bgr[2], 255 - bgr[1], 255 - bgr[0], 0]);
        let inks: Vec<u8> = inks.collect();
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, 90).encode(&inks, 64, 48, ColorType::Cmyk).unwrap();
        check_two_halves(&decode(PixelFormat::MJPG, SIZE, &jpeg).unwrap());
    }

    #[test]
    fn a_damaged_jpeg_is_an_error() {
        let jpeg = encode_jpeg(&two_halves(), 90).unwrap();
        check_damaged(&jpeg[..jpeg.len() / 2], "cut off");
        check_damaged(&jpeg[..jpeg.len() - 1], "cut off");
        check_damaged(&jpeg[..20], "cut off");
        check_damaged(&jpeg[1..], "start marker");
        check_damaged(b"", "start marker");
        check_damaged(b"not a jpeg", "start marker");
        check_damaged(&[0xFF, 0xD8, 0xFF, 0xD9], "damaged");
        // The end of the picture within it, such as cameras have, is not its own.
        let thumbnail = [&[0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9][..], &jpeg[2..]].concat();
        let jpeg = [&SOI, thumbnail.as_slice()].concat();
        check_two_halves(&whole(&jpeg).unwrap());
        check_damaged(&jpeg[..jpeg.len() / 2], "cut off");
    }

    #[test]
    fn a_torn_jpeg_is_an_error() {
        let (one, other) = (scene(1), scene(2));
        assert!(whole(&one).is_ok());
        check_damaged(&[&one[..one.len() / 2], other.as_slice()].concat(), "torn");
        // A part of its data never came, and its end did. It can be shown all the same.
        let half = [&one[..one.len() / 2], &EOI].concat();
        assert!(decode(PixelFormat::MJPG, SIZE, &half).is_ok());
        check_damaged(&half, "damaged");
        let mut n_refused = 0;
        for n in 0..100 {
            let at = one.len() / 4 + 50 * n;
            let lacking = [&one[..at], &one[at + 1_000..]].concat();
            n_refused += usize::from(whole(&lacking).is_err());
        }
        assert!(n_refused > 90, "{n_refused} of 100");
    }

    #[test]
    fn oddities_of_the_head_do_no_harm() {
        let jpeg = encode_jpeg(&two_halves(), 90).unwrap();
        for between in [&[0xFF, 0xFF, 0xFF][..], &[0; 9], &[0xFF, 0xFE, 0, 4, 1, 2]] {
            let odd = [&SOI, between, &jpeg[2..]].concat();
            let image = whole(&odd).unwrap_or_else(|why| panic!("{between:?}: {why}"));
            check_two_halves(&image);
        }
        // libjpeg calls this "extraneous bytes before marker 0xd9", and many cameras send it.
        let more = [&jpeg[..jpeg.len() - 2], &[0x3A, 0], &jpeg[jpeg.len() - 2..]].concat();
        check_two_halves(&whole(&more).unwrap());
    }

    #[test]
    fn a_grey_jpeg_is_grey() {
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, 90).encode(&[90; 64 * 48], 64, 48, ColorType::Luma).unwrap();
        let image = whole(&jpeg).unwrap();
        assert!(image.pixels().iter().all(|value| value.abs_diff(90) < 3));
    }

    #[test]
    fn no_bytes_of_a_camera_can_panic() {
        let jpeg = encode_jpeg(&two_halves(), 60).unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut bytes = jpeg.clone();
            for _ in 0..rng.usize(1..20) {
                let at = rng.usize(2..bytes.len() - 2);
                bytes[at] = rng.u8(..);
            }
            let _ = (decode(PixelFormat::MJPG, SIZE, &bytes), whole(&bytes));
        }
    }

    #[test]
    fn raw_formats_keep_their_colours() {
        let yuyv: Vec<u8> =
            (0..32 * 48).flat_map(|n| if n % 32 < 16 { [41, 240, 41, 110] } else { [81, 90, 81, 240] }).collect();
        check_two_halves(&decode(PixelFormat::YUYV, SIZE, &yuyv).unwrap());
        let luma = (0..64 * 48).map(|n| if n % 64 < 32 { 41 } else { 81 });
        let chroma = (0..32 * 24).flat_map(|n| if n % 32 < 16 { [240, 110] } else { [90, 240] });
        check_two_halves(&decode(PixelFormat::NV12, SIZE, &luma.chain(chroma).collect::<Vec<_>>()).unwrap());
        check_two_halves(&decode(PixelFormat::BGR, SIZE, two_halves().pixels()).unwrap());
    }

    #[test]
    fn short_frames_and_odd_sizes_are_errors() {
        for format in [PixelFormat::BGR, PixelFormat::RGB, PixelFormat::YUYV, PixelFormat::NV12, PixelFormat::GREY] {
            let error = decode(format, SIZE, &[0; 100]).map(|image| image.size()).unwrap_err();
            assert!(error.contains("short"), "{error}");
        }
        let odd = Size { width: 3, height: 3 };
        assert!(decode(PixelFormat::YUYV, odd, &[0; 100]).is_err());
        assert!(decode(PixelFormat::NV12, odd, &[0; 100]).is_err());
        assert!(decode(PixelFormat::try_from("H264".to_owned()).unwrap(), SIZE, &[0; 100]).is_err());
    }

    #[test]
    fn a_png_keeps_every_pixel() {
        let png = encode_png(&two_halves()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        let bgr: Vec<u8> = rgb.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        assert_eq!(bgr, two_halves().pixels());
    }
}
