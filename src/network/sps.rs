//! The size of the picture from a sequence parameter set: H.264 (ITU-T H.264, 7.3.2.1.1) and H.265 (ITU-T H.265, 7.3.2.2); and the
//! numbers of pictures.

use crate::frame::Size;

/// No camera's picture is wider or higher.
const MAX_SIDE: u64 = 32_768;
/// Longer sets are not read: they come from the camera.
const MAX_BYTES: usize = 1_024;

/// Four numbers of 32 bits at most, and what is put between them.
const MAX_SLICE_HEAD: usize = 32;

/// Bits of an RBSP, without its emulation prevention bytes.
pub(super) struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    pub(super) fn new(nal: &[u8], n_header: usize) -> Self {
        let mut bytes = Vec::new();
        let mut n_zeros = 0;
        for byte in nal.iter().skip(n_header).take(MAX_BYTES) {
            if n_zeros >= 2 && *byte == 3 {
                n_zeros = 0;
                continue;
            }
            n_zeros = if *byte == 0 { n_zeros + 1 } else { 0 };
            bytes.push(*byte);
        }
        Self { bytes, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<u64> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u64::from(bit))
    }

    pub(super) fn bits(&mut self, n: usize) -> Option<u64> {
        (0..n).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// ue(v), at most 32 bits.
    pub(super) fn ue(&mut self) -> Option<u64> {
        let mut n = 0;
        while self.bit()? == 0 {
            n += 1;
            if n > 32 {
                return None;
            }
        }
        Some((1_u64 << n) - 1 + self.bits(n)?)
    }

    /// se(v)
    fn se(&mut self) -> Option<i64> {
        let code = i64::try_from(self.ue()?).ok()?;
        Some(if code % 2 == 0 { -(code / 2) } else { (code + 1) / 2 })
    }

    fn skip_scaling_list(&mut self, n: usize) -> Option<()> {
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..n {
            if next != 0 {
                next = (last + self.se()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
        Some(())
    }
}

fn size(width: u64, height: u64, crop: (u64, u64)) -> Option<Size> {
    let (width, height) = (width.checked_sub(crop.0)?, height.checked_sub(crop.1)?);
    let is_sane = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    is_sane.then_some(())?;
    Some(Size { width: u32::try_from(width).ok()?, height: u32::try_from(height).ok()? })
}

/// Of a slice of H.264: which macroblock it begins with, and its type (7.3.3). `None` where it is cut off.
#[must_use]
pub fn slice(nal: &[u8]) -> Option<(u64, u64)> {
    let mut bits = Bits::new(nal.get(..MAX_SLICE_HEAD).unwrap_or(nal), 1);
    Some((bits.ue()?, bits.ue()?))
}

/// Numbers have 16 bits at most in both codecs; sets tell by how many they have more than this.
const LEAST_NUMBER_BITS: usize = 4;
const MAX_MORE_BITS: usize = 12;

fn number_bits(bits: &mut Bits) -> Option<usize> {
    usize::try_from(bits.ue()?).ok().filter(|more| *more <= MAX_MORE_BITS).map(|more| more + LEAST_NUMBER_BITS)
}

/// How far one number of so many bits is behind another; they begin anew.
fn distance(n_bits: usize, from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) & ((1 << n_bits) - 1)
}

/// How a stream of H.264 numbers its pictures (7.4.3, `frame_num`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameNumbering {
    /// A number has so many bits.
    n_bits: usize,
    has_separate_planes: bool,
    /// Numbers may be left out on purpose.
    pub may_have_gaps: bool,
}

impl FrameNumbering {
    /// `None` where this is no SPS of H.264, or a damaged one.
    #[must_use]
    pub fn of(sps: &[u8]) -> Option<Self> {
        h264(sps).map(|(_, numbering)| numbering)
    }

    /// The number of the picture that a slice is of, and whether the slice needs no other picture.
    #[must_use]
    pub fn read(self, nal: &[u8]) -> Option<(u64, bool)> {
        let mut bits = Bits::new(nal.get(..MAX_SLICE_HEAD).unwrap_or(nal), 1);
        let (_, kind, _) = (bits.ue()?, bits.ue()?, bits.ue()?);
        if self.has_separate_planes {
            bits.bits(2)?;
        }
        // Table 7-6: I and SI.
        Some((bits.bits(self.n_bits)?, matches!(kind % 5, 2 | 4)))
    }

    /// How far one number is behind another.
    #[must_use]
    pub fn distance(self, from: u64, to: u64) -> u64 {
        distance(self.n_bits, from, to)
    }
}

/// How a stream of H.265 numbers its pictures, in the order in which they are shown (7.4.7.1, `slice_pic_order_cnt_lsb`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureOrder {
    /// 0 before a set has told.
    n_bits: usize,
    has_separate_planes: bool,
    has_output_flag: bool,
    /// Bits of a slice's head that say nothing here.
    n_extra: usize,
}

impl PictureOrder {
    /// Takes in what a parameter set says of it.
    pub fn learn(&mut self, set: &[u8]) {
        match set.first().map(|head| head >> 1 & 0x3f) {
            Some(33) => {
                if let Some((_, order)) = h265(set) {
                    (self.n_bits, self.has_separate_planes) = (order.n_bits, order.has_separate_planes);
                }
            }
            Some(34) => {
                let mut bits = Bits::new(set, 2);
                let mut read = || Some((bits.ue()?, bits.ue()?, bits.bit()?, bits.bit()?, bits.bits(3)?));
                if let Some((_, _, _, has_output_flag, n_extra)) = read() {
                    (self.has_output_flag, self.n_extra) =
                        (has_output_flag == 1, usize::try_from(n_extra).unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    /// The number of the picture that a slice of this type begins; `data` is what follows the head of its unit.
    #[must_use]
    pub fn read(self, kind: u8, data: &[u8]) -> Option<u64> {
        let mut bits = Bits::new(data.get(..MAX_SLICE_HEAD).unwrap_or(data), 0);
        (self.n_bits > 0 && bits.bit()? == 1).then_some(())?;
        if (16..=23).contains(&kind) {
            bits.bit()?;
        }
        bits.ue()?;
        bits.bits(self.n_extra)?;
        bits.ue()?;
        bits.bits(usize::from(self.has_output_flag) + if self.has_separate_planes { 2 } else { 0 })?;
        // IDR pictures have none: they are the first.
        if matches!(kind, 19 | 20) { Some(0) } else { bits.bits(self.n_bits) }
    }

    /// How far one number is behind another.
    #[must_use]
    pub fn distance(self, from: u64, to: u64) -> u64 {
        distance(self.n_bits, from, to)
    }
}

/// `None` where this is no SPS of H.264, or a damaged one.
#[must_use]
pub fn h264_size(nal: &[u8]) -> Option<Size> {
    h264(nal).map(|(size, _)| size)
}

fn h264(nal: &[u8]) -> Option<(Size, FrameNumbering)> {
    (nal.first()? & 0x1f == 7).then_some(())?;
    let mut bits = Bits::new(nal, 1);
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.ue()?;
    let mut chroma_format = 1;
    let mut has_separate_planes = false;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        chroma_format = bits.ue()?;
        if chroma_format == 3 {
            has_separate_planes = bits.bit()? == 1;
        }
        bits.ue()?;
        bits.ue()?;
        bits.bit()?;
        if bits.bit()? == 1 {
            for n in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.bit()? == 1 {
                    bits.skip_scaling_list(if n < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let n_bits = number_bits(&mut bits)?;
    match bits.ue()? {
        0 => drop(bits.ue()?),
        1 => {
            bits.bit()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue()?.min(255) {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    let may_have_gaps = bits.bit()? == 1;
    let width = 16 * (bits.ue()? + 1);
    let n_map_units = bits.ue()? + 1;
    let is_frame_only = bits.bit()?;
    if is_frame_only == 0 {
        bits.bit()?;
    }
    let height = 16 * n_map_units * (2 - is_frame_only);
    bits.bit()?;
    let mut crop = (0, 0);
    if bits.bit()? == 1 {
        let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
        let chroma = if has_separate_planes { 0 } else { chroma_format };
        let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma == 1 { 2 } else { 1 } * (2 - is_frame_only);
        crop = (unit_x * (left + right), unit_y * (top + bottom));
    }
    Some((size(width, height, crop)?, FrameNumbering { n_bits, has_separate_planes, may_have_gaps }))
}

/// ITU-T H.265, 7.3.3.
pub(super) fn skip_profile_tier_level(bits: &mut Bits, n_sub_layers: usize) -> Option<()> {
    // 2 + 1 + 5, 32 flags, 48 flags, level.
    bits.bits(8)?;
    bits.bits(32)?;
    bits.bits(48)?;
    bits.bits(8)?;
    let has: Vec<(u64, u64)> = (0..n_sub_layers).map(|_| Some((bits.bit()?, bits.bit()?))).collect::<Option<_>>()?;
    if n_sub_layers > 0 {
        bits.bits(2 * (8 - n_sub_layers))?;
    }
    for (has_profile, has_level) in has {
        if has_profile == 1 {
            bits.bits(40)?;
            bits.bits(48)?;
        }
        if has_level == 1 {
            bits.bits(8)?;
        }
    }
    Some(())
}

/// `None` where this is no SPS of H.265, or a damaged one.
#[must_use]
pub fn h265_size(nal: &[u8]) -> Option<Size> {
    h265(nal).map(|(size, _)| size)
}

fn h265(nal: &[u8]) -> Option<(Size, PictureOrder)> {
    (nal.first()? >> 1 & 0x3f == 33).then_some(())?;
    let mut bits = Bits::new(nal, 2);
    bits.bits(4)?;
    let n_sub_layers = usize::try_from(bits.bits(3)?).ok()?;
    bits.bit()?;
    skip_profile_tier_level(&mut bits, n_sub_layers)?;
    bits.ue()?;
    let chroma_format = bits.ue()?;
    let has_separate_planes = chroma_format == 3 && bits.bit()? == 1;
    let (width, height) = (bits.ue()?, bits.ue()?);
    let mut crop = (0, 0);
    if bits.bit()? == 1 {
        let (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
        let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 } else { 1 };
        crop = (unit_x * (left + right), unit_y * (top + bottom));
    }
    bits.ue()?;
    bits.ue()?;
    let n_bits = number_bits(&mut bits)?;
    Some((size(width, height, crop)?, PictureOrder { n_bits, has_separate_planes, ..PictureOrder::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[track_caller]
    fn check(read: fn(&[u8]) -> Option<Size>, hex: &str, expected: &str) {
        assert_eq!(read(&bytes(hex)).map(|size| size.to_string()).as_deref(), Some(expected), "{hex}");
    }

    #[test]
    fn nothing_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        let numbering = FrameNumbering { n_bits: 16, has_separate_planes: true, may_have_gaps: false };
        for _ in 0..20_000 {
            let mut nal: Vec<u8> = (0..random.usize(..60)).map(|_| random.u8(..)).collect();
            if let Some(first) = nal.first_mut() {
                *first = *random.choice(&[0x67, 0x42]).unwrap();
            }
            let mut order = PictureOrder { n_bits: 8, has_output_flag: true, n_extra: 7, ..PictureOrder::default() };
            order.learn(&nal);
            let _ = (h264_size(&nal), h265_size(&nal), numbering.read(&nal), order.read(1, &nal));
        }
    }

    #[test]
    fn sizes_of_what_encoders_write_are_read() {
        check(h264_size, "6764001eacd940a03db011000003000100000300320f162d96", "640x480");
        check(h264_size, "6764001facd9405005bb011000000300100000030320f1831960", "1280x720");
        check(h264_size, "67640028acd940780227e5c044000003000400000300c83c60c658", "1920x1080");
        check(h264_size, "6742c028d900780227e5c044000003000400000300c83c60c920", "1920x1080");
        // Interlaced, 4:2:2.
        check(h264_size, "677a001ebcd940b424d8088000000300800000190f8a14cb", "720x576");
        check(
            h265_size,
            "42010101600000030090000003000003005aa0050201e165959a4932bc05a02000000300200000030321",
            "640x480",
        );
        check(
            h265_size,
            "42010101600000030090000003000003005da00280802d165959a4932bc05a020000030002000003003210",
            "1280x720",
        );
        check(
            h265_size,
            "420101016000000300900000030000030078a003c08010e596566924caf0168080000003008000000c84",
            "1920x1080",
        );
        assert_eq!(h264_size(&bytes("68ce38800000")), None, "a PPS");
        assert_eq!(h264_size(&bytes("6764001f")), None, "cut off");
    }
}
