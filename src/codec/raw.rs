//! Pixels as drivers lay them out in memory (`pixfmt-*.rst`), turned to blue, green and red.

use crate::frame::{Image, PixelFormat, Size};

/// How the pixels of a format lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// So many bytes for each pixel.
    Pixels(usize),
    /// 4:2:2: four bytes for each two pixels.
    Packed,
    /// Brightness, and behind it the two colours of each second pixel in each so many rows: together, or one after the other.
    Planes { n_rows: usize, is_interleaved: bool },
    /// A sensor's own: one colour for each pixel, in so many bytes.
    Bayer(usize),
    /// Compressed, each by itself.
    Jpeg,
}

use Layout::{Bayer, Jpeg, Packed, Pixels, Planes};

const HALF_ROWS: Layout = Planes { n_rows: 2, is_interleaved: true };
const HALF_ROWS_APART: Layout = Planes { n_rows: 2, is_interleaved: false };
const ALL_ROWS: Layout = Planes { n_rows: 1, is_interleaved: true };
const ALL_ROWS_APART: Layout = Planes { n_rows: 1, is_interleaved: false };

/// Those that can be shown. At the same size and rate the first is taken that a device has: what costs neither work nor quality
/// stands before what has to be decoded, colours before grey, and a sensor's own last.
const LAYOUTS: &[(&[u8; 4], Layout)] = &[
    (b"YUYV", Packed),
    (b"UYVY", Packed),
    (b"YVYU", Packed),
    (b"VYUY", Packed),
    (b"NV12", HALF_ROWS),
    (b"NV21", HALF_ROWS),
    (b"YU12", HALF_ROWS_APART),
    (b"YV12", HALF_ROWS_APART),
    (b"NV16", ALL_ROWS),
    (b"NV61", ALL_ROWS),
    (b"422P", ALL_ROWS_APART),
    (b"MJPG", Jpeg),
    (b"JPEG", Jpeg),
    (b"BGR3", Pixels(3)),
    (b"RGB3", Pixels(3)),
    (b"BGR4", Pixels(4)),
    (b"XR24", Pixels(4)),
    (b"AR24", Pixels(4)),
    (b"RGB4", Pixels(4)),
    (b"BX24", Pixels(4)),
    (b"BA24", Pixels(4)),
    (b"RX24", Pixels(4)),
    (b"RA24", Pixels(4)),
    (b"XB24", Pixels(4)),
    (b"AB24", Pixels(4)),
    (b"RGBP", Pixels(2)),
    (b"RGBR", Pixels(2)),
    (b"GREY", Pixels(1)),
    (b"Y16 ", Pixels(2)),
    (b"Y14 ", Pixels(2)),
    (b"Y12 ", Pixels(2)),
    (b"Y10 ", Pixels(2)),
    (b"BA81", Bayer(1)),
    (b"GBRG", Bayer(1)),
    (b"GRBG", Bayer(1)),
    (b"RGGB", Bayer(1)),
    (b"BG10", Bayer(2)),
    (b"GB10", Bayer(2)),
    (b"BA10", Bayer(2)),
    (b"RG10", Bayer(2)),
    (b"BG12", Bayer(2)),
    (b"GB12", Bayer(2)),
    (b"BA12", Bayer(2)),
    (b"RG12", Bayer(2)),
];

fn row_of(format: PixelFormat) -> Option<usize> {
    let code = format.to_fourcc().to_le_bytes();
    LAYOUTS.iter().position(|(known, _)| **known == code)
}

/// `None` where the format cannot be shown.
pub fn layout(format: PixelFormat) -> Option<Layout> {
    LAYOUTS.get(row_of(format)?).map(|(_, layout)| *layout)
}

/// The lower, the sooner it is to be taken. `None` where it cannot be shown.
#[must_use]
pub fn preference(format: PixelFormat) -> Option<usize> {
    row_of(format)
}

fn bytes_of_row(layout: Layout, width: usize) -> usize {
    match layout {
        Pixels(n) | Bayer(n) => width * n,
        Packed => width * 2,
        Planes { .. } => width,
        Jpeg => 0,
    }
}

/// So many bytes has a picture with at least so many from one row to the next.
pub fn n_bytes(layout: Layout, size: Size, line_bytes: usize) -> usize {
    let line = line_bytes.max(bytes_of_row(layout, size.width as usize));
    let first = line.saturating_mul(size.height as usize);
    match layout {
        Planes { n_rows, .. } => first.saturating_add(first / n_rows),
        Jpeg => 0,
        Pixels(_) | Packed | Bayer(_) => first,
    }
}

/// Fills `out`, which has the bytes of a picture of this size. From one row to the next are `line_bytes`, or as many as a row has
/// where that is more. A driver's buffer may be longer than the picture.
///
/// # Errors
/// The bytes are not a whole picture of this format and size.
pub fn decode_into(
    (format, layout): (PixelFormat, Layout),
    size: Size,
    line_bytes: usize,
    bytes: &[u8],
    out: &mut [u8],
) -> Result<(), String> {
    let (width, height) = (size.width as usize, size.height as usize);
    let (step, rows_step) = match layout {
        Pixels(_) | Jpeg => (1, 1),
        Packed => (2, 1),
        Planes { n_rows, .. } => (2, n_rows),
        Bayer(_) => (2, 2),
    };
    if !width.is_multiple_of(step) || !height.is_multiple_of(rows_step) {
        return Err(format!("a {format} frame cannot have the odd size {size}"));
    }
    let row_bytes = bytes_of_row(layout, width);
    let line = line_bytes.max(row_bytes).max(1);
    // Behind the last row there need be no gap.
    let plane = |from: usize, line: usize, row_bytes: usize, n: usize| {
        let end = from + line * (n - 1) + row_bytes;
        let plane = bytes.get(from..end);
        plane.ok_or_else(|| format!("the {format} frame is short: {} of {end} bytes for {size}", bytes.len()))
    };
    let code = format.to_fourcc().to_le_bytes();
    let out_bytes = width * Image::BYTES_PER_PIXEL;
    let first = plane(0, line, row_bytes, height)?;
    match layout {
        // It has a decoder of its own.
        Jpeg => return Err(format!("{format} has no rows")),
        Pixels(_) => {
            for (row, out) in first.chunks(line).zip(out.chunks_exact_mut(out_bytes)) {
                pixels(code, row.get(..row_bytes).unwrap_or_default(), out);
            }
        }
        Packed => {
            for (row, out) in first.chunks(line).zip(out.chunks_exact_mut(out_bytes)) {
                packed(code, row.get(..row_bytes).unwrap_or_default(), out);
            }
        }
        Bayer(n) => {
            for (rows, out) in first.chunks(line * 2).zip(out.chunks_exact_mut(out_bytes * 2)) {
                let (upper, lower) = rows.split_at(line);
                let (upper_out, lower_out) = out.split_at_mut(out_bytes);
                let eight_bit = |row: &[u8]| samples(code, n, row.get(..row_bytes).unwrap_or_default());
                mosaic(code, (&eight_bit(upper), &eight_bit(lower)), (upper_out, lower_out));
            }
        }
        Planes { n_rows, is_interleaved } => {
            let (n, from) = (height / n_rows, line * height);
            let rows = first.chunks(line).zip(out.chunks_exact_mut(out_bytes));
            if is_interleaved {
                let colours = plane(from, line, width, n)?;
                let is_swapped = matches!(&code, b"NV21" | b"NV61");
                let colour_of = |y: usize| colours.get(y / n_rows * line..).unwrap_or_default();
                for (y, (row, out)) in rows.enumerate() {
                    let pairs = colour_of(y).as_chunks::<2>().0.iter();
                    if is_swapped {
                        planar(row, pairs.map(|[v, u]| (*u, *v)), out);
                    } else {
                        planar(row, pairs.map(|[u, v]| (*u, *v)), out);
                    }
                }
            } else {
                let (line, row_bytes) = (line / 2, width / 2);
                let (second, third) = (plane(from, line, row_bytes, n)?, plane(from + line * n, line, row_bytes, n)?);
                let (us, vs) = if &code == b"YV12" { (third, second) } else { (second, third) };
                let row_of =
                    |plane: &'_ [u8], y: usize| y / n_rows * line..(y / n_rows * line + row_bytes).min(plane.len());
                for (y, (row, out)) in rows.enumerate() {
                    let u = us.get(row_of(us, y)).unwrap_or_default();
                    let v = vs.get(row_of(vs, y)).unwrap_or_default();
                    planar(row, u.iter().copied().zip(v.iter().copied()), out);
                }
            }
        }
    }
    Ok(())
}

/// Blue, green, red from video-range luma and chroma after BT.601, which is what USB cameras send
/// (UVC 1.5 class specification, colour matching descriptor, default). 16-bit fixed point.
pub fn bgr(y: u8, u: u8, v: u8) -> [u8; 3] {
    let luma = (i32::from(y) - 16).max(0) * 76_309;
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    let byte = |value: i32| u8::try_from(((value + 32_768) >> 16).clamp(0, 255)).unwrap_or(u8::MAX);
    [byte(luma + 132_201 * u), byte(luma - 25_675 * u - 53_279 * v), byte(luma + 104_597 * v)]
}

/// Two pixels that have their colour in common.
fn pair(y0: u8, y1: u8, u: u8, v: u8) -> [u8; 6] {
    let ([b0, g0, r0], [b1, g1, r1]) = (bgr(y0, u, v), bgr(y1, u, v));
    [b0, g0, r0, b1, g1, r1]
}

fn planar(row: &[u8], colours: impl Iterator<Item = (u8, u8)>, out: &mut [u8]) {
    for (([y0, y1], (u, v)), out) in row.as_chunks().0.iter().zip(colours).zip(out.as_chunks_mut().0) {
        *out = pair(*y0, *y1, u, v);
    }
}

fn packed(code: [u8; 4], row: &[u8], out: &mut [u8]) {
    fn fill(row: &[u8], out: &mut [u8], colours: impl Fn([u8; 4]) -> [u8; 6]) {
        for (two, out) in row.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            *out = colours(*two);
        }
    }
    match &code {
        b"UYVY" => fill(row, out, |[u, y0, v, y1]| pair(y0, y1, u, v)),
        b"YVYU" => fill(row, out, |[y0, v, y1, u]| pair(y0, y1, u, v)),
        b"VYUY" => fill(row, out, |[v, y0, u, y1]| pair(y0, y1, u, v)),
        _ => fill(row, out, |[y0, u, y1, v]| pair(y0, y1, u, v)),
    }
}

fn pixels(code: [u8; 4], row: &[u8], out: &mut [u8]) {
    fn fill<const N: usize>(row: &[u8], out: &mut [u8], colours: impl Fn([u8; N]) -> [u8; 3]) {
        for (pixel, out) in row.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            *out = colours(*pixel);
        }
    }
    match &code {
        b"BGR3" => out.copy_from_slice(row),
        b"RGB3" => fill(row, out, |[r, g, b]| [b, g, r]),
        b"BGR4" | b"XR24" | b"AR24" => fill(row, out, |[b, g, r, _]| [b, g, r]),
        b"RGB4" | b"BX24" | b"BA24" => fill(row, out, |[_, r, g, b]| [b, g, r]),
        b"RX24" | b"RA24" => fill(row, out, |[_, b, g, r]| [b, g, r]),
        b"XB24" | b"AB24" => fill(row, out, |[r, g, b, _]| [b, g, r]),
        b"RGBP" => fill(row, out, |pixel| bgr_of_565(u16::from_le_bytes(pixel))),
        b"RGBR" => fill(row, out, |pixel| bgr_of_565(u16::from_be_bytes(pixel))),
        b"GREY" => fill(row, out, |[y]| [y; 3]),
        _ => fill(row, out, |pixel| [upper_bits(code, pixel); 3]),
    }
}

fn bgr_of_565(pixel: u16) -> [u8; 3] {
    let widened =
        |value: u16, n_bits: u32| u8::try_from(value << (8 - n_bits) | value >> (2 * n_bits - 8)).unwrap_or(u8::MAX);
    [widened(pixel & 0x1f, 5), widened(pixel >> 5 & 0x3f, 6), widened(pixel >> 11, 5)]
}

/// The upper eight of the bits that a sample has; its code ends with how many these are.
fn upper_bits(code: [u8; 4], sample: [u8; 2]) -> u8 {
    let shift = match &code {
        [_, _, b'1', b'0'] | [_, b'1', b'0', _] => 2,
        [_, _, b'1', b'2'] | [_, b'1', b'2', _] => 4,
        [_, b'1', b'4', _] => 6,
        _ => 8,
    };
    // What is set beyond them is not the sensor's.
    u8::try_from(u16::from_le_bytes(sample) >> shift).unwrap_or(u8::MAX)
}

fn samples(code: [u8; 4], n_bytes: usize, row: &[u8]) -> Vec<u8> {
    match n_bytes {
        1 => row.to_vec(),
        _ => row.as_chunks().0.iter().map(|sample| upper_bits(code, *sample)).collect(),
    }
}

/// Each square of four has one blue, one red and two green samples: its pixels have the first two in common, and the green one of
/// their row.
fn mosaic(code: [u8; 4], (upper, lower): (&[u8], &[u8]), (upper_out, lower_out): (&mut [u8], &mut [u8])) {
    let squares = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
    let outs = upper_out.as_chunks_mut::<6>().0.iter_mut().zip(lower_out.as_chunks_mut::<6>().0);
    for (([a, b], [c, d]), (upper_out, lower_out)) in squares.zip(outs) {
        let (blue, green, other_green, red) = match &code {
            b"GBRG" | b"GB10" | b"GB12" => (b, a, d, c),
            b"GRBG" | b"BA10" | b"BA12" => (c, a, d, b),
            b"RGGB" | b"RG10" | b"RG12" => (d, b, c, a),
            _ => (a, b, c, d),
        };
        *upper_out = [*blue, *green, *red, *blue, *green, *red];
        *lower_out = [*blue, *other_green, *red, *blue, *other_green, *red];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 4, height: 2 };

    fn decoded(code: &str, line_bytes: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let format = PixelFormat::try_from(code.to_owned()).unwrap();
        let mut out = vec![0; SIZE.n_bytes()];
        decode_into((format, layout(format).unwrap()), SIZE, line_bytes, bytes, &mut out).map(|()| out)
    }

    /// A picture of one colour: `row` is one of it, `rest` what stands behind all rows.
    #[track_caller]
    fn check(code: &str, row: &[u8], rest: &[u8], expected: [u8; 3]) {
        let bytes = [row, row, rest].concat();
        assert_eq!(decoded(code, 0, &bytes), Ok(expected.repeat(8)), "{code}");
        let padded = [&bytes, &[9; 5][..]].concat();
        assert_eq!(decoded(code, 0, &padded), Ok(expected.repeat(8)), "{code} with padding behind it");
        let error = decoded(code, 0, &bytes[..bytes.len() - 1]).unwrap_err();
        assert!(error.contains("short"), "{code}: {error}");
        if rest.is_empty() {
            let gapped = [row, &[7; 12], row].concat();
            assert_eq!(decoded(code, row.len() + 12, &gapped), Ok(expected.repeat(8)), "{code} with gaps");
            assert!(decoded(code, row.len() + 13, &gapped).is_err(), "{code} with larger gaps");
        }
    }

    /// Of a reddish colour.
    const Y: u8 = 81;
    const U: u8 = 90;
    const V: u8 = 240;

    #[test]
    fn every_format_has_its_colours() {
        let red = bgr(Y, U, V);
        assert!(red[2] > 240 && red[0] < 20 && red[1] < 20, "{red:?}");
        assert_eq!((bgr(235, 128, 128), bgr(16, 128, 128)), ([255; 3], [0; 3]));
        check("YUYV", &[Y, U, Y, V].repeat(2), &[], red);
        check("UYVY", &[U, Y, V, Y].repeat(2), &[], red);
        check("YVYU", &[Y, V, Y, U].repeat(2), &[], red);
        check("VYUY", &[V, Y, U, Y].repeat(2), &[], red);
        check("NV12", &[Y; 4], &[U, V, U, V], red);
        check("NV21", &[Y; 4], &[V, U, V, U], red);
        check("NV16", &[Y; 4], &[U, V].repeat(4), red);
        check("NV61", &[Y; 4], &[V, U].repeat(4), red);
        check("YU12", &[Y; 4], &[U, U, V, V], red);
        check("YV12", &[Y; 4], &[V, V, U, U], red);
        check("422P", &[Y; 4], &[U, U, U, U, V, V, V, V], red);
        check("BGR3", &[1, 2, 3].repeat(4), &[], [1, 2, 3]);
        check("RGB3", &[3, 2, 1].repeat(4), &[], [1, 2, 3]);
        for code in ["BGR4", "XR24", "AR24"] {
            check(code, &[1, 2, 3, 9].repeat(4), &[], [1, 2, 3]);
        }
        for code in ["RGB4", "BX24", "BA24"] {
            check(code, &[9, 3, 2, 1].repeat(4), &[], [1, 2, 3]);
        }
        for code in ["RX24", "RA24"] {
            check(code, &[9, 1, 2, 3].repeat(4), &[], [1, 2, 3]);
        }
        for code in ["XB24", "AB24"] {
            check(code, &[3, 2, 1, 9].repeat(4), &[], [1, 2, 3]);
        }
        check("RGBP", &0xf81f_u16.to_le_bytes().repeat(4), &[], [255, 0, 255]);
        check("RGBR", &0x07e0_u16.to_be_bytes().repeat(4), &[], [0, 255, 0]);
        check("GREY", &[7; 4], &[], [7; 3]);
        check("Y10", &0x3fc_u16.to_le_bytes().repeat(4), &[], [255; 3]);
        check("Y12", &0x800_u16.to_le_bytes().repeat(4), &[], [128; 3]);
        check("Y14", &0x1000_u16.to_le_bytes().repeat(4), &[], [64; 3]);
        check("Y16", &0x8001_u16.to_le_bytes().repeat(4), &[], [128; 3]);
    }

    /// Two rows of squares: blue is 1, green 2, red 3.
    #[track_caller]
    fn check_mosaic(code: &str, upper: [u8; 2], lower: [u8; 2], shift: Option<u32>) {
        let bytes: Vec<u8> = [upper, upper, lower, lower]
            .concat()
            .into_iter()
            .flat_map(|value| match shift {
                None => vec![value],
                Some(shift) => (u16::from(value) << shift).to_le_bytes().to_vec(),
            })
            .collect();
        assert_eq!(decoded(code, 0, &bytes), Ok([1, 2, 3].repeat(8)), "{code}");
    }

    #[test]
    fn a_sensors_own_colours_are_told_apart() {
        for (codes, upper, lower) in [
            (["BA81", "BG10", "BG12"], [1, 2], [2, 3]),
            (["GBRG", "GB10", "GB12"], [2, 1], [3, 2]),
            (["GRBG", "BA10", "BA12"], [2, 3], [1, 2]),
            (["RGGB", "RG10", "RG12"], [3, 2], [2, 1]),
        ] {
            for (code, shift) in codes.into_iter().zip([None, Some(2), Some(4)]) {
                check_mosaic(code, upper, lower, shift);
            }
        }
    }

    #[test]
    fn planes_have_gaps_of_their_own() {
        // Lines of six bytes, and of three for the colours.
        let luma = [Y, Y, Y, Y, 0, 0].repeat(2);
        let apart = [luma.as_slice(), &[U, U, 0], &[V, V, 0]].concat();
        assert_eq!(decoded("YU12", 6, &apart), Ok(bgr(Y, U, V).repeat(8)));
        let together = [luma.as_slice(), &[U, V, U, V, 0, 0]].concat();
        assert_eq!(decoded("NV12", 6, &together), Ok(bgr(Y, U, V).repeat(8)));
    }

    #[test]
    fn a_picture_has_its_bytes() {
        let check =
            |layout, line_bytes, expected| assert_eq!(n_bytes(layout, SIZE, line_bytes), expected, "{layout:?}");
        check(Pixels(3), 0, 24);
        check(Packed, 10, 20);
        check(HALF_ROWS, 0, 12);
        check(ALL_ROWS_APART, 6, 24);
        check(Bayer(2), 0, 16);
        check(Jpeg, 99, 0);
    }

    #[test]
    fn no_bytes_and_no_size_can_panic() {
        let mut rng = fastrand::Rng::with_seed(3);
        for (code, layout) in LAYOUTS {
            let format = PixelFormat::from_fourcc(u32::from_le_bytes(**code)).unwrap();
            for _ in 0..200 {
                let size = Size::new(rng.u32(1..9), rng.u32(1..9)).unwrap();
                let bytes: Vec<u8> = (0..rng.usize(0..300)).map(|_| rng.u8(..)).collect();
                let mut out = vec![0; size.n_bytes()];
                let _ = decode_into((format, *layout), size, rng.usize(0..40), &bytes, &mut out);
            }
        }
    }
}
