//! The formats of a camera as DirectShow has them: one media type for each format and size.
//!
//! Plain data in, formats out; the calls are in `directshow.rs`.

use crate::device::capabilities::{Format, FrameSize};

/// What `IAMStreamConfig::GetStreamCaps` gives for one number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// `AM_MEDIA_TYPE::subtype` and `formattype`.
    pub subtype: u128,
    pub kind: u128,
    /// What `AM_MEDIA_TYPE::pbFormat` points to.
    pub block: Vec<u8>,
    /// `VIDEO_STREAM_CONFIG_CAPS`' limits of a picture's time, in units of 100 ns.
    pub shortest: i64,
    pub longest: i64,
    /// `IAMVideoControl::GetFrameRateList`: the very times that can be had. Empty where the driver does not tell.
    pub times: Vec<i64>,
}

/// `FORMAT_VideoInfo` and `FORMAT_VideoInfo2`
const VIDEO_INFO: u128 = 0x0558_9f80_c356_11ce_bf01_00aa_0055_595a;
const VIDEO_INFO_2: u128 = 0xf72a_76a0_eb0a_11d0_ace4_0000_c0cc_16ba;
/// Of the types that are named by a number: the number is in the first 32 bits.
const NUMBERED: u128 = 0x0000_0010_8000_00aa_0038_9b71;
/// `MEDIASUBTYPE_RGB565` and what follows, which are older than the numbers. Blue comes first in memory.
const NAMED: [(u128, &str); 4] = [
    (0xe436_eb7b_524f_11ce_9f53_0020_af0b_a770, "RGBP"),
    (0xe436_eb7c_524f_11ce_9f53_0020_af0b_a770, "RGBO"),
    (0xe436_eb7d_524f_11ce_9f53_0020_af0b_a770, "BGR3"),
    (0xe436_eb7e_524f_11ce_9f53_0020_af0b_a770, "BGR4"),
];
const COMPRESSED: [&str; 9] = ["MJPG", "JPEG", "H264", "H265", "HEVC", "AVC1", "X264", "VP80", "MP4V"];

/// Offers in formats, in the order in which the driver has them; a size that comes twice has the rates of both.
#[must_use]
pub fn formats(offers: &[Offer]) -> Vec<Format> {
    let mut formats = Vec::<Format>::new();
    for offer in offers {
        let Some((width, height, usual)) = picture(offer) else { continue };
        let fourcc = fourcc(offer.subtype);
        let rates = rates(offer, usual);
        let at = formats.iter().position(|format| format.fourcc == fourcc).unwrap_or(formats.len());
        if at == formats.len() {
            let is_compressed = COMPRESSED.contains(&fourcc.as_str());
            formats.push(Format { name: fourcc.clone(), fourcc, is_compressed, ..Format::default() });
        }
        let Some(format) = formats.get_mut(at) else { continue };
        match format.sizes.iter_mut().find(|size| (size.width, size.height) == (width, height)) {
            Some(size) => size.rates.extend(rates),
            None => format.sizes.push(FrameSize { width, height, rates, ..FrameSize::default() }),
        }
    }
    for format in &mut formats {
        format.sizes.sort_by_key(|size| (u64::from(size.width) * u64::from(size.height), size.width));
        for size in &mut format.sizes {
            size.rates.sort_by(|a, b| b.total_cmp(a));
            size.rates.dedup();
        }
    }
    formats
}

/// Width, height, and the usual time of a picture.
fn picture(offer: &Offer) -> Option<(u32, u32, i64)> {
    // Two rectangles and two numbers come before the time; then the second kind has six numbers more.
    let header = match offer.kind {
        VIDEO_INFO => 48,
        VIDEO_INFO_2 => 72,
        _ => return None,
    };
    let number = |at: usize| Some(i32::from_le_bytes(offer.block.get(at..at + 4)?.try_into().ok()?));
    let usual = i64::from_le_bytes(offer.block.get(40..48)?.try_into().ok()?);
    // A negative height says that the top line comes first.
    let (width, height) = (u32::try_from(number(header + 4)?).ok()?, number(header + 8)?.unsigned_abs());
    (width > 0 && height > 0).then_some((width, height, usual))
}

/// As others write it: four letters for most, a GUID's beginning for what has none.
fn fourcc(subtype: u128) -> String {
    if let Some((_, name)) = NAMED.iter().find(|(guid, _)| *guid == subtype) {
        return (*name).to_owned();
    }
    let number = u32::try_from(subtype >> 96).unwrap_or_default();
    let is_numbered = subtype & (u128::MAX >> 32) == NUMBERED;
    let letters = number.to_le_bytes();
    match (is_numbered, number) {
        // `D3DFMT_L8` and `D3DFMT_L16`, by which infrared cameras call theirs.
        (true, 50) => "L8".to_owned(),
        (true, 81) => "Y16".to_owned(),
        (true, _) if letters == *b"YUY2" => "YUYV".to_owned(),
        (true, _) if letters.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') => {
            String::from_utf8_lossy(&letters).trim_end().to_uppercase()
        }
        _ => format!("{number:08X}"),
    }
}

/// In pictures a second, at most a thousand: drivers give times of 0 and 1 where they know none.
fn rates(offer: &Offer, usual: i64) -> Vec<f64> {
    const MIN_TIME: i64 = 10_000;
    let limits = [offer.shortest, usual, offer.longest];
    let times = if offer.times.is_empty() { limits.as_slice() } else { offer.times.as_slice() };
    let times = times.iter().filter(|time| **time >= MIN_TIME);
    // To a thousandth: 333333 units are 30 pictures a second and not 30.00003.
    times.map(|time| (1e10 / *time as f64).round() / 1e3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `YUY2-0000-0010-8000-00aa00389b71`
    fn numbered(letters: [u8; 4]) -> u128 {
        u128::from(u32::from_le_bytes(letters)) << 96 | NUMBERED
    }

    fn offer(subtype: u128, kind: u128, width: i32, height: i32, times: [i64; 3]) -> Offer {
        let [shortest, usual, longest] = times;
        let mut block = vec![0xAA; 40];
        block.extend(usual.to_le_bytes());
        block.extend(vec![0xBB; if kind == VIDEO_INFO_2 { 24 } else { 0 }]);
        block.extend(40_u32.to_le_bytes());
        block.extend(width.to_le_bytes());
        block.extend(height.to_le_bytes());
        block.extend(vec![0xCC; 28]);
        Offer { subtype, kind, block, shortest, longest, times: Vec::new() }
    }

    #[track_caller]
    fn check(offers: &[Offer], expected: &[(&str, u32, u32, &[f64])]) {
        let formats = formats(offers);
        let found = formats.iter().flat_map(|format| {
            format.sizes.iter().map(|size| (format.fourcc.as_str(), size.width, size.height, size.rates.as_slice()))
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn media_types_make_formats() {
        let (yuyv, mjpg) = (numbered(*b"YUY2"), numbered(*b"MJPG"));
        check(&[], &[]);
        check(
            &[
                offer(yuyv, VIDEO_INFO, 1280, 720, [1_000_000, 1_000_000, 2_000_000]),
                offer(yuyv, VIDEO_INFO, 640, 480, [333_333, 333_333, 2_000_000]),
                offer(yuyv, VIDEO_INFO_2, 640, 480, [333_333, 333_333, 2_000_000]),
                offer(mjpg, VIDEO_INFO, 1920, 1080, [333_333, 333_333, 333_333]),
                offer(mjpg, VIDEO_INFO, 1920, 1080, [166_666, 166_666, 166_666]),
            ],
            &[("YUYV", 640, 480, &[30.0, 5.0]), ("YUYV", 1280, 720, &[10.0, 5.0]), ("MJPG", 1920, 1080, &[60.0, 30.0])],
        );
        assert!(formats(&[offer(mjpg, VIDEO_INFO, 8, 8, [1, 1, 1])])[0].is_compressed);
        assert!(!formats(&[offer(yuyv, VIDEO_INFO, 8, 8, [1, 1, 1])])[0].is_compressed);
    }

    #[test]
    fn the_driver_s_own_list_of_rates_comes_first() {
        let times = vec![333_333, 400_000, 666_666];
        let offer = Offer { times, ..offer(numbered(*b"NV12"), VIDEO_INFO, 640, 480, [1, 2, 3]) };
        check(&[offer], &[("NV12", 640, 480, &[30.0, 25.0, 15.0])]);
    }

    #[test]
    fn nonsense_is_left_out() {
        let good = offer(numbered(*b"YUY2"), VIDEO_INFO, 640, -480, [0, 1, i64::MIN]);
        check(std::slice::from_ref(&good), &[("YUYV", 640, 480, &[])]);
        check(&[Offer { block: good.block[..58].to_vec(), ..good.clone() }], &[]);
        check(&[Offer { block: Vec::new(), ..good.clone() }], &[]);
        check(&[Offer { kind: 7, ..good.clone() }], &[]);
        check(&[offer(numbered(*b"YUY2"), VIDEO_INFO, 0, 480, [1, 1, 1])], &[]);
        check(&[offer(numbered(*b"YUY2"), VIDEO_INFO, -640, 480, [1, 1, 1])], &[]);
        check(&[offer(numbered(*b"YUY2"), VIDEO_INFO, 640, i32::MIN, [1, 1, 1])], &[("YUYV", 640, 1 << 31, &[])]);
    }

    #[track_caller]
    fn check_name(subtype: u128, expected: &str) {
        assert_eq!(fourcc(subtype), expected, "{subtype:032x}");
    }

    #[test]
    fn types_have_names() {
        check_name(numbered(*b"YUY2"), "YUYV");
        check_name(numbered(*b"MJPG"), "MJPG");
        check_name(numbered(*b"h264"), "H264");
        check_name(numbered([50, 0, 0, 0]), "L8");
        check_name(numbered([81, 0, 0, 0]), "Y16");
        check_name(numbered([0x1b, b'[', b'2', b'J']), "4A325B1B");
        check_name(0xe436_eb7d_524f_11ce_9f53_0020_af0b_a770, "BGR3");
        check_name(0xe436_eb7e_524f_11ce_9f53_0020_af0b_a770, "BGR4");
        check_name(0x1234_5678_0000_0000_0000_0000_0000_0000, "12345678");
    }
}
