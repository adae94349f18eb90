//! Between bytes and pictures: the only file that knows a codec.
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

/// Decodes what a driver handed out. The size of a JPEG is its own and may differ from `size`.
///
/// # Errors
/// The bytes are not a whole picture of this format and size, or the format is not known here.
pub fn decode(format: PixelFormat, size: Size, bytes: &[u8]) -> Result<Image, String> {
    let n_pixels = size.width as usize * size.height as usize;
    let raw = |n_bytes: usize| {
        // A driver's buffer may be longer than the picture; the rest is padding.
        bytes
            .get(..n_bytes)
            .ok_or_else(|| format!("the {format} frame is short: {} of {n_bytes} bytes for {size}", bytes.len()))
    };
    let pixels = match format {
        PixelFormat::MJPG => return decode_jpeg(bytes),
        PixelFormat::BGR => raw(n_pixels * 3)?.to_vec(),
        PixelFormat::RGB => raw(n_pixels * 3)?
            .chunks_exact(3)
            .flat_map(|p| match p {
                [r, g, b] => [*b, *g, *r],
                _ => [0; 3],
            })
            .collect(),
        PixelFormat::GREY => raw(n_pixels)?.iter().flat_map(|y| [*y; 3]).collect(),
        PixelFormat::YUYV if size.width.is_multiple_of(2) => bgr_from_yuyv(raw(n_pixels * 2)?),
        PixelFormat::NV12 if size.width.is_multiple_of(2) && size.height.is_multiple_of(2) => {
            let (luma, chroma) = raw(n_pixels * 3 / 2)?.split_at(n_pixels);
            bgr_from_nv12(luma, chroma, size.width as usize)
        }
        PixelFormat::YUYV | PixelFormat::NV12 => {
            return Err(format!("a {format} frame cannot have the odd size {size}"));
        }
        other => return Err(format!("frames in the format {other} cannot be decoded here")),
    };
    Image::new(size, pixels).ok_or_else(|| format!("the {format} frame does not have the size {size}"))
}

/// Blue, green, red from video-range luma and chroma after BT.601, which is what USB cameras send
/// (UVC 1.5 class specification, colour matching descriptor, default). 16-bit fixed point.
fn bgr(y: u8, u: u8, v: u8) -> [u8; 3] {
    let luma = (i32::from(y) - 16).max(0) * 76_309;
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let byte = |value: i32| u8::try_from(((value + 32_768) >> 16).clamp(0, 255)).unwrap_or(u8::MAX);
    [byte(luma + 132_201 * u), byte(luma - 25_675 * u - 53_279 * v), byte(luma + 104_597 * v)]
}

fn bgr_from_yuyv(bytes: &[u8]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(bytes.len() / 2 * 3);
    for pair in bytes.chunks_exact(4) {
        if let [y0, u, y1, v] = *pair {
            pixels.extend_from_slice(&bgr(y0, u, v));
            pixels.extend_from_slice(&bgr(y1, u, v));
        }
    }
    pixels
}

fn bgr_from_nv12(luma: &[u8], chroma: &[u8], width: usize) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(luma.len() * 3);
    for (row_pair, chroma_row) in luma.chunks_exact(width * 2).zip(chroma.chunks_exact(width)) {
        for row in row_pair.chunks_exact(width) {
            for (ys, uv) in row.chunks_exact(2).zip(chroma_row.chunks_exact(2)) {
                if let ([y0, y1], [u, v]) = (ys, uv) {
                    pixels.extend_from_slice(&bgr(*y0, *u, *v));
                    pixels.extend_from_slice(&bgr(*y1, *u, *v));
                }
            }
        }
    }
    pixels
}

/// Start and end of image (ITU-T T.81, table B.1).
const SOI: [u8; 2] = [0xFF, 0xD8];
const EOI: [u8; 2] = [0xFF, 0xD9];

/// Decodes one frame of an MJPEG stream.
///
/// A picture without its end marker is refused: decoders fill the rest with grey or with what lay in memory, and a
/// torn picture that looks whole is worse than none.
fn decode_jpeg(bytes: &[u8]) -> Result<Image, String> {
    if !bytes.starts_with(&SOI) {
        return Err("the JPEG frame has no start marker".to_owned());
    }
    // Drivers pad: the end marker is followed by zeros, or by the remains of a longer picture.
    let end =
        bytes.windows(2).rposition(|pair| pair == EOI).ok_or("the JPEG frame is cut off: it has no end marker")?;
    let whole = bytes.get(..end + 2).unwrap_or(bytes);
    let marked = marked_as_avi(whole);
    let bytes = marked.as_deref().unwrap_or(whole);
    // The decoder is written not to panic; a camera's bytes must not be what proves the contrary.
    panic::catch_unwind(|| {
        let options = DecoderOptions::new_safe().set_strict_mode(false);
        let bgr = options.jpeg_set_out_colorspace(ColorSpace::BGR);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), bgr);
        let damaged = |error| format!("the JPEG frame is damaged: {error:?}");
        decoder.decode_headers().map_err(damaged)?;
        // The inks of a printer: the decoder makes of them red, green and blue in that order only.
        let is_inks = matches!(decoder.input_colorspace(), Some(ColorSpace::CMYK | ColorSpace::YCCK));
        if is_inks {
            decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::RGB));
        }
        let mut pixels = decoder.decode().map_err(damaged)?;
        if is_inks {
            pixels.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
        }
        let info = decoder.info().ok_or("the JPEG frame has no size")?;
        let size = Size::new(info.width.into(), info.height.into()).ok_or("the JPEG frame has an impossible size")?;
        let grey = pixels.len() * 3 == size.n_bytes();
        let pixels = if grey { pixels.iter().flat_map(|y| [*y; 3]).collect() } else { pixels };
        Image::new(size, pixels).ok_or_else(|| format!("the JPEG frame does not fill its size {size}"))
    })
    .unwrap_or_else(|_| Err("the JPEG frame is damaged: the decoder gave up".to_owned()))
}

/// Many cameras leave out the Huffman tables and mean the standard ones (UVC payload specification for MJPEG, section 3).
/// The decoder supplies them when the frame carries the mark of AVI files, which do the same; this adds that mark.
/// `None` when the frame has tables of its own.
fn marked_as_avi(jpeg: &[u8]) -> Option<Vec<u8>> {
    const DEFINE_HUFFMAN_TABLES: [u8; 2] = [0xFF, 0xC4];
    const AVI1_SEGMENT: [u8; 9] = [0xFF, 0xE0, 0, 7, b'A', b'V', b'I', b'1', 0];
    // Tables stand before the picture's data, so that this search is short where there are any.
    if jpeg.windows(2).any(|pair| pair == DEFINE_HUFFMAN_TABLES) {
        return None;
    }
    Some([&SOI, AVI1_SEGMENT.as_slice(), jpeg.get(SOI.len()..)?].concat())
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
        let bare = without_segments(&jpeg, 0xC4);
        assert!(bare.len() < jpeg.len());
        check_two_halves(&decode(PixelFormat::MJPG, SIZE, &bare).unwrap());
    }

    #[test]
    fn a_jpeg_of_inks_keeps_its_colours() {
        let image = two_halves();
        // Ink is what keeps light away; no black.
        let inks: Vec<u8> =
            image.pixels().chunks_exact(3).flat_map(|bgr| [255 - bgr[2], 255 - bgr[1], 255 - bgr[0], 0]).collect();
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, 90).encode(&inks, 64, 48, ColorType::Cmyk).unwrap();
        check_two_halves(&decode(PixelFormat::MJPG, SIZE, &jpeg).unwrap());
    }

    #[test]
    fn a_damaged_jpeg_is_an_error() {
        let jpeg = encode_jpeg(&two_halves(), 90).unwrap();
        let check = |bytes: &[u8], what: &str| {
            let error = decode(PixelFormat::MJPG, SIZE, bytes).map(|image| image.size()).unwrap_err();
            assert!(error.contains(what), "{error}");
        };
        check(&jpeg[..jpeg.len() / 2], "cut off");
        check(&jpeg[1..], "start marker");
        check(b"", "start marker");
        check(b"not a jpeg", "start marker");
        check(&[0xFF, 0xD8, 0xFF, 0xD9], "damaged");
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
            let _ = decode(PixelFormat::MJPG, SIZE, &bytes);
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
        let rgb: Vec<u8> = two_halves().pixels().chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
        check_two_halves(&decode(PixelFormat::RGB, SIZE, &rgb).unwrap());
        check_two_halves(&decode(PixelFormat::BGR, SIZE, two_halves().pixels()).unwrap());
        assert_eq!(bgr(235, 128, 128), [255; 3]);
        assert_eq!(bgr(16, 128, 128), [0; 3]);
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
