//! What coded pictures show without being decoded: that others were left out before they were sent, that the same one comes again and
//! again, that their bytes were spoilt, and that their parameter sets change.

use std::hash::{DefaultHasher, Hasher};

use serde::{Deserialize, Serialize};

use super::RtpPacket;
use super::h264::H264;
use super::h265::H265;
use super::nal::{NalCodec, Unit};
use super::sets::KnownSets;
use crate::frame::Size;
use crate::network::sdp::Codec;
use crate::network::sps::{FrameNumbering, PictureOrder};

/// A picture that needs others and has so few bytes, and some more for its macroblocks, says that nothing has changed: each of them is
/// skipped.
const EMPTY_BYTES: u64 = 48;
const MACROBLOCKS_PER_BYTE: u64 = 32;

/// The coder says hardly anything of a picture that was there before: so many times less than of the last new one.
const TIMES_SMALLER: u64 = 4;

/// What was counted of the pictures of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContentCounts {
    /// Pictures that came whole.
    pub n_pictures: u64,
    /// Those of them that show something else than the one before.
    pub n_new: u64,
    /// How often one that has little to say follows one that has more, or the other way round.
    pub n_turns: u64,
    /// Key pictures that are the last one again, byte for byte.
    pub n_keys_again: u64,
    /// Pictures that were made and not sent, by the numbers of those around them.
    pub n_left_out: u64,
    /// Pictures with bytes that no coder writes.
    pub n_spoilt: u64,
    /// Pictures whose first slice was not sent, although no packet is missing.
    pub n_headless: u64,
    /// Since the last picture that needs others and says that something has changed: those that say that nothing has, and key pictures,
    /// with their bytes and macroblocks.
    pub n_unchanged: u64,
    pub n_keys: u64,
    pub key_bytes: u64,
    pub key_macroblocks: u64,
    /// Parameter sets that came otherwise than before under the same number.
    pub n_set_changes: u64,
}

impl ContentCounts {
    /// What has come since then.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            n_pictures: self.n_pictures.saturating_sub(before.n_pictures),
            n_new: self.n_new.saturating_sub(before.n_new),
            n_turns: self.n_turns.saturating_sub(before.n_turns),
            n_keys_again: self.n_keys_again.saturating_sub(before.n_keys_again),
            n_left_out: self.n_left_out.saturating_sub(before.n_left_out),
            n_spoilt: self.n_spoilt.saturating_sub(before.n_spoilt),
            n_headless: self.n_headless.saturating_sub(before.n_headless),
            n_set_changes: self.n_set_changes.saturating_sub(before.n_set_changes),
            ..*self
        }
    }
}

/// Looks at the pictures of one stream.
#[derive(Clone, Debug)]
pub(super) struct CodedContents {
    codec: Codec,
    counts: ContentCounts,
    /// That came in band: what is announced may be old.
    sets: KnownSets,
    numbering: Option<FrameNumbering>,
    order: PictureOrder,
    /// Of the last picture; of H.264 of the last one that others may need.
    number: Option<u64>,
    /// The least that a picture of H.265 was ahead of the one before; `None` where some are sent in another order than they are shown.
    least_step: Option<u64>,
    open: OpenContent,
    last: Option<u64>,
    last_key: Option<u64>,
    /// Bytes of the last one that had something to say, key pictures aside; and whether the last one had.
    n_last_large: u64,
    was_large: bool,
    /// The number of the picture that was last found spoilt.
    spoilt: Option<u64>,
}

/// Of the picture whose packets come.
#[derive(Clone, Debug, Default)]
struct OpenContent {
    hash: DefaultHasher,
    n_bytes: u64,
    is_key: bool,
    is_partial: bool,
    /// Others may need it.
    is_needed: bool,
    /// Whether its first slice came, once one has.
    has_head: Option<bool>,
}

impl CodedContents {
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            counts: ContentCounts::default(),
            sets: KnownSets::default(),
            numbering: None,
            order: PictureOrder::default(),
            number: None,
            least_step: Some(u64::MAX),
            open: OpenContent::default(),
            last: None,
            last_key: None,
            n_last_large: 0,
            was_large: true,
            spoilt: None,
        }
    }

    pub fn counts(&self) -> ContentCounts {
        self.counts
    }

    /// A parameter set that is announced.
    pub fn announce(&mut self, set: &[u8]) {
        match self.codec {
            Codec::H264 => self.numbering = FrameNumbering::of(set).or(self.numbering),
            Codec::H265 => self.order.learn(set),
            _ => {}
        }
    }

    /// Takes a packet in. `size` is that of its picture, as far as it is known.
    pub fn take(&mut self, packet: &RtpPacket<'_>, is_new_picture: bool, is_behind_gap: bool, size: Option<Size>) {
        self.open.is_partial |= is_behind_gap;
        if is_new_picture {
            self.end(size);
            self.open.is_partial = is_behind_gap;
        }
        if is_behind_gap {
            self.number = None;
        }
        for set in packet.sets(self.codec) {
            self.take_set(&set);
        }
        self.open.is_key |= packet.is_key(self.codec) == Some(true);
        if is_coded(packet.payload, self.codec) {
            self.open.hash.write(packet.payload);
            self.open.n_bytes += packet.payload.len() as u64;
            self.open.is_needed |= is_needed(packet.payload, self.codec);
            let nth = Some(self.counts.n_pictures);
            if has_units(self.codec) && self.spoilt != nth && is_spoilt(packet.payload) {
                self.spoilt = nth;
                self.counts.n_spoilt += 1;
            }
        }
        self.look_for_head(packet);
        match self.codec {
            Codec::H264 => self.take_numbers(packet),
            Codec::H265 => self.take_order(packet),
            _ => {}
        }
    }

    /// The first slice of a picture begins with its first macroblock (ITU-T H.264, 7.4.3; ITU-T H.265, 7.4.7.1).
    fn look_for_head(&mut self, packet: &RtpPacket<'_>) {
        let has_head = &mut self.open.has_head;
        let mut see = |is_first: bool| *has_head = Some(has_head.unwrap_or(false) || is_first);
        match self.codec {
            Codec::H264 => packet.each_h264(&mut |kind, nal| {
                if matches!(kind, 1 | 5) {
                    // 0 is a single bit that is set.
                    see(nal.get(1).is_some_and(|head| head >> 7 == 1));
                }
            }),
            Codec::H265 => {
                let of_fragment = packet.fragment(self.codec).map(|_| packet.payload.get(3..).unwrap_or_default());
                packet.each_h265(&mut |kind, nal| {
                    let data = of_fragment.or(nal.get(2..)).unwrap_or_default();
                    if kind < 32 {
                        see(data.first().is_some_and(|head| head >> 7 == 1));
                    }
                });
            }
            _ => {}
        }
    }

    fn take_set(&mut self, set: &[u8]) {
        let unit = if self.codec == Codec::H265 { H265::read(set) } else { H264::read(set) };
        let Unit::Set(kind, id) = unit else { return };
        self.counts.n_set_changes += u64::from(self.sets.get(kind, id).is_some_and(|known| known != set));
        self.sets.take(kind, id, set);
        self.announce(set);
    }

    /// ITU-T H.264, 7.4.3: behind a picture that others may need the number is one higher.
    fn take_numbers(&mut self, packet: &RtpPacket<'_>) {
        let Some(numbering) = self.numbering.filter(|numbering| !numbering.may_have_gaps) else { return };
        let head_of_fragment = packet.fragment(self.codec).and_then(|_| packet.payload.first());
        packet.each_h264(&mut |kind, nal| match kind {
            5 => self.number = Some(0),
            1 => {
                let Some((number, is_intra)) = numbering.read(nal) else { return };
                let last = self.number.unwrap_or(number);
                let (n_ahead, n_behind) = (numbering.distance(last, number), numbering.distance(number, last));
                // A coder that begins anew may count anew, with a picture that needs no other.
                let is_gap = n_ahead > 1 && n_ahead < n_behind && !is_intra;
                self.counts.n_left_out += if is_gap { n_ahead - 1 } else { 0 };
                let is_needed = head_of_fragment.or(nal.first()).is_some_and(|head| head >> 5 & 3 > 0);
                if is_needed || n_ahead > 1 {
                    self.number = Some(number);
                }
            }
            _ => {}
        });
    }

    /// ITU-T H.265, 8.3.1: each picture is ahead of the one before by the same, unless they are sent in another order than they are shown.
    fn take_order(&mut self, packet: &RtpPacket<'_>) {
        let of_fragment = packet.fragment(self.codec).map(|_| packet.payload.get(3..).unwrap_or_default());
        packet.each_h265(&mut |kind, nal| {
            let data = of_fragment.or(nal.get(2..)).unwrap_or_default();
            let Some(number) = self.order.read(kind, data).filter(|_| kind < 32) else { return };
            let Some(last) = self.number.replace(number).filter(|_| kind < 16) else { return };
            let Some(least) = self.least_step else { return };
            let (n_ahead, n_behind) = (self.order.distance(last, number), self.order.distance(number, last));
            if n_behind < n_ahead {
                (self.least_step, self.counts.n_left_out) = (None, 0);
            } else if n_ahead > 0 {
                let least = least.min(n_ahead);
                self.least_step = Some(least);
                self.counts.n_left_out += n_ahead / least - 1;
            }
        });
    }

    fn end(&mut self, size: Option<Size>) {
        let open = std::mem::take(&mut self.open);
        if open.is_partial || open.n_bytes == 0 {
            self.last = None;
            return;
        }
        let hash = open.hash.finish();
        let is_last_key = open.is_key && self.last_key == Some(hash);
        let n_macroblocks = size.map_or(0, |size| u64::from(size.width) * u64::from(size.height) / 256);
        let is_empty =
            has_units(self.codec) && !open.is_key && open.n_bytes <= EMPTY_BYTES + n_macroblocks / MACROBLOCKS_PER_BYTE;
        let is_new = !is_last_key && !is_empty && self.last != Some(hash);
        // One that no other needs may be small because it is coded less well.
        let is_small = !open.is_key && open.is_needed && open.n_bytes * TIMES_SMALLER < self.n_last_large;
        let is_large = is_new && !is_small;
        if is_large && !open.is_key {
            self.n_last_large = open.n_bytes;
        }
        // What was on its way when the stream was joined is none of them.
        self.counts.n_headless += u64::from(open.has_head == Some(false) && self.counts.n_pictures > 0);
        let counts = &mut self.counts;
        if open.is_key {
            counts.n_keys += 1;
            counts.key_bytes += open.n_bytes;
            counts.key_macroblocks += n_macroblocks;
        } else if is_empty {
            counts.n_unchanged += 1;
        } else {
            (counts.n_unchanged, counts.n_keys, counts.key_bytes, counts.key_macroblocks) = (0, 0, 0, 0);
        }
        self.counts.n_pictures += 1;
        self.counts.n_new += u64::from(is_new);
        self.counts.n_turns += u64::from(is_large != std::mem::replace(&mut self.was_large, is_large));
        self.counts.n_keys_again += u64::from(is_last_key);
        self.last = Some(hash);
        if open.is_key {
            self.last_key = Some(hash);
        }
    }
}

fn has_units(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265)
}

/// Whether a part of a picture is in it, and not only what goes with one.
fn is_coded(payload: &[u8], codec: Codec) -> bool {
    match (codec, payload) {
        (Codec::H264, [head, fragment, ..]) if head & 0x1f == 28 => matches!(fragment & 0x1f, 1..=5),
        (Codec::H264, [head, ..]) => matches!(head & 0x1f, 1..=5 | 24),
        (Codec::H265, [head, _, fragment, ..]) if head >> 1 & 0x3f == 49 => fragment & 0x3f < 32,
        (Codec::H265, [head, ..]) => matches!(head >> 1 & 0x3f, 0..=31 | 48),
        (_, payload) => !payload.is_empty(),
    }
}

/// Whether other pictures may need the one that it is of, as far as that shows (ITU-T H.264, 7.4.1; ITU-T H.265, table 7-1).
fn is_needed(payload: &[u8], codec: Codec) -> bool {
    match (codec, payload) {
        (Codec::H264, [head, ..]) => head >> 5 & 3 > 0,
        (Codec::H265, [head, _, fragment, ..]) => {
            let kind = if head >> 1 & 0x3f == 49 { fragment & 0x3f } else { head >> 1 & 0x3f };
            kind > 15 || kind % 2 == 1
        }
        _ => true,
    }
}

/// Whether bytes stand in it that a coder never writes, as it breaks them up (ITU-T H.264, 7.4.1): two zeros and a 2, or three zeros
/// that do not lead up to the start of another unit.
fn is_spoilt(payload: &[u8]) -> bool {
    let mut n_zeros = 0_u32;
    for byte in payload {
        match (*byte, n_zeros) {
            (0, _) => n_zeros += 1,
            (1, 2..) => n_zeros = 0,
            (2, 2) | (_, 3..) => return true,
            _ => n_zeros = 0,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 640x480, with numbers of four bits (`log2_max_frame_num_minus4` is 0).
    const SPS: &[u8] = &[
        0x67, 0x64, 0, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x3d, 0xb0, 0x11, 0, 0, 3, 0, 1, 0, 0, 3, 0, 0x32, 0x0f, 0x16,
        0x2d, 0x96,
    ];
    const SIZE: Size = Size { width: 640, height: 480 };

    fn packet(payload: &[u8]) -> RtpPacket<'_> {
        RtpPacket { marker: true, payload_type: 96, sequence: 0, timestamp: 0, ssrc: 1, extension: None, payload }
    }

    /// A slice of this number: first macroblock 0, type P or I, PPS 0.
    fn slice(head: u8, is_intra: bool, number: u8) -> Vec<u8> {
        // 1, then 00110 for type 5 or 0001000 for type 7, then 1, then four bits.
        let number = u16::from(number);
        let bits: u16 = if is_intra { 0b1_0001_0001 << 7 | number << 3 } else { 0b100_1101 << 9 | number << 5 };
        let mut unit = vec![head];
        unit.extend(bits.to_be_bytes());
        unit.extend([0x55; 200]);
        unit
    }

    /// Pictures as `P3` (others need it), `b3` (none does), `I3` (it needs no other), `K` (all begins anew), `-` for a packet that is
    /// missing, and how many were left out.
    #[track_caller]
    fn check_left_out(pictures: &str, expected: u64) {
        let mut contents = CodedContents::new(Codec::H264);
        contents.announce(SPS);
        let mut is_behind_gap = false;
        for picture in pictures.split(' ') {
            let number = picture.get(1..).and_then(|number| number.parse().ok()).unwrap_or_default();
            let unit = match picture.as_bytes().first() {
                Some(b'K') => vec![0x65, 0x88, 0x80],
                Some(b'P') => slice(0x41, false, number),
                Some(b'b') => slice(0x01, false, number),
                Some(b'I') => slice(0x61, true, number),
                _ => {
                    is_behind_gap = true;
                    continue;
                }
            };
            contents.take(&packet(&unit), true, std::mem::take(&mut is_behind_gap), Some(SIZE));
        }
        assert_eq!(contents.counts().n_left_out, expected, "{pictures}");
    }

    #[test]
    fn pictures_that_were_not_sent_are_counted() {
        check_left_out("K P1 P2 P3 P4 K P1 P2", 0);
        check_left_out("K P1 P3 P4 P6", 2);
        check_left_out("K P1 b2 b2 P2 b3 P3", 0);
        check_left_out("K P1 b3 P3 P4", 1);
        // Numbers have four bits.
        check_left_out("P14 P15 P0 P1", 0);
        check_left_out("P14 P15 P2 P3", 2);
        // Others were lost on the way, or the coder counts anew.
        check_left_out("K P1 - P5 P6", 0);
        check_left_out("P9 P10 I1 P2", 0);
        check_left_out("P9 P10 P2 P3", 0);
        check_left_out("P5 P5 P5 P5", 0);
    }

    /// Numbers of pictures of H.265 as they are sent, with `K` for an IDR picture, and how many were left out.
    #[track_caller]
    fn check_order(pictures: &str, expected: u64) {
        // 640x480, with numbers of eight bits; and a PPS.
        let sps = [
            0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5a, 0xa0, 5, 2, 1, 0xe1, 0x65, 0x95, 0x9a,
            0x49, 0x32, 0xbc, 5, 0xa0, 0x20, 0, 0, 3, 0, 0x20, 0, 0, 3, 3, 0x21,
        ];
        let mut contents = CodedContents::new(Codec::H265);
        contents.announce(&sps);
        contents.announce(&[0x44, 1, 0xc1, 0x72, 0xb4]);
        for picture in pictures.split(' ') {
            // 1, then 1 for PPS 0, 010 for type P, and eight bits; of an IDR picture a bit more, and none.
            let unit = match picture.parse::<u16>() {
                Ok(number) => {
                    let [high, low] = (0b11_010 << 11 | number << 3).to_be_bytes();
                    [&[2, 1, high, low][..], &[0x55; 300]].concat()
                }
                Err(_) => [&[19 << 1, 1, 0b1010_1100][..], &[0x55; 300]].concat(),
            };
            // In one packet, or in the first of several.
            let fragment = [&[49 << 1, 1, 0x80 | unit[0] >> 1][..], &unit[2..]].concat();
            contents.take(&packet(if picture.len() % 2 == 0 { &fragment } else { &unit }), true, false, Some(SIZE));
        }
        assert_eq!(contents.counts().n_left_out, expected, "{pictures}");
    }

    #[test]
    fn pictures_of_h265_that_were_not_sent_are_counted() {
        check_order("K 1 2 3 9 10 11 K 1 2", 5);
        check_order("K 1 2 3 4 K 1 2 3", 0);
        check_order("K 2 4 6 8 10 12 16 18", 1);
        check_order("253 254 255 0 1 4 5", 2);
        // B pictures.
        check_order("K 4 2 1 3 8 6 5 7", 0);
    }

    /// Pictures as letters: a key picture in capitals, another one in small letters, the same letter for the same bytes; `.` for one that
    /// says that nothing has changed. How many are new, and how many key pictures came again.
    fn counts_of(codec: Codec, pictures: &str) -> ContentCounts {
        let mut contents = CodedContents::new(codec);
        for letter in pictures.bytes().chain([b'z']) {
            let (is_key, n) = (letter.is_ascii_uppercase(), if letter == b'.' { 12 } else { 400 });
            let payload = match codec {
                Codec::H264 => [vec![if is_key { 0x65 } else { 0x41 }], vec![letter; n]].concat(),
                Codec::H265 => [vec![if is_key { 19 << 1 } else { 2 }, 1], vec![letter; n]].concat(),
                _ => [vec![0, 0, 0, 0, 1, 255, 80, 60], vec![letter; n]].concat(),
            };
            contents.take(&packet(&payload), true, false, Some(SIZE));
        }
        contents.counts()
    }

    #[track_caller]
    fn check_new(codec: Codec, pictures: &str, n_new: u64, n_keys_again: u64) {
        let counts = counts_of(codec, pictures);
        assert_eq!((counts.n_new, counts.n_keys_again), (n_new, n_keys_again), "{codec:?} {pictures} {counts:?}");
    }

    /// Pictures of three slices, of H.264 and of H.265: the first ones are left out of those with an `x`, the last ones of those with a
    /// `y`; `-` is a gap.
    #[test]
    fn pictures_without_their_first_slice_are_counted() {
        #[track_caller]
        fn check(codec: Codec, pictures: &str, expected: u64) {
            let mut contents = CodedContents::new(codec);
            let mut is_behind_gap = false;
            for picture in pictures.bytes().chain(*b"p") {
                if picture == b'-' {
                    is_behind_gap = true;
                    continue;
                }
                let slices: &[usize] = match picture {
                    b'x' => &[1, 2],
                    b'y' => &[0, 1],
                    _ => &[0, 1, 2],
                };
                for (nth, slice) in slices.iter().enumerate() {
                    // The first one: macroblock 0 as the bit 1, or the flag of the first slice.
                    let first = if *slice == 0 { 0x88 } else { 0x22 };
                    let head: &[u8] = if codec == Codec::H264 { &[0x41] } else { &[2, 1] };
                    let unit = [head, &[first, 0x5a], &[0x55; 400]].concat();
                    contents.take(&packet(&unit), nth == 0, nth == 0 && std::mem::take(&mut is_behind_gap), Some(SIZE));
                }
            }
            assert_eq!(contents.counts().n_headless, expected, "{codec:?} {pictures}");
        }
        for codec in [Codec::H264, Codec::H265] {
            check(codec, "pppppppp", 0);
            check(codec, "ppxppxpy", 2);
            // It was joined in the middle, and packets were lost on the way.
            check(codec, "xpppp-xpp", 0);
        }
        check(Codec::Jpeg, "pxpx", 0);
    }

    #[test]
    fn what_comes_again_is_not_new() {
        for codec in [Codec::H264, Codec::H265] {
            check_new(codec, "AbcdEfgh", 8, 0);
            check_new(codec, "A...A...A...", 1, 2);
            check_new(codec, "A...B...C...", 3, 0);
            check_new(codec, "AAAAA", 1, 4);
            // A film of a second that is played round and round moves.
            check_new(codec, "AbcdAbcdAbcd", 10, 2);
            check_new(codec, "Ab.c.d.e.F.g.", 7, 0);
        }
        check_new(Codec::Jpeg, "AAAA", 1, 3);
        check_new(Codec::Jpeg, "ABCD", 4, 0);
    }

    /// Pictures as in `check_new`: how many have not changed since the last change, and how many key pictures came since.
    #[track_caller]
    fn check_unchanged(codec: Codec, pictures: &str, n_unchanged: u64, n_keys: u64) {
        let counts = counts_of(codec, pictures);
        assert_eq!((counts.n_unchanged, counts.n_keys), (n_unchanged, n_keys), "{codec:?} {pictures} {counts:?}");
    }

    #[test]
    fn a_picture_that_freezes_is_seen_from_there_on() {
        for codec in [Codec::H264, Codec::H265] {
            check_unchanged(codec, "A...B...C...", 9, 3);
            check_unchanged(codec, "AbcdEf..G...", 5, 1);
            check_unchanged(codec, "A...B..b", 0, 0);
        }
        // What is not read may change something.
        check_unchanged(Codec::Mpeg4, "abcdef", 0, 0);
    }

    /// Pictures of so many bytes, of H.264, behind a key picture that is larger than any; how many turns.
    #[track_caller]
    fn check_turns(head: u8, sizes: &[usize], expected: u64) {
        let mut contents = CodedContents::new(Codec::H264);
        for (n, size) in [20_000].iter().chain(sizes).chain(&[100]).enumerate() {
            let head = if n == 0 { 0x65 } else { head };
            let payload = [vec![head, 0x6f], vec![u8::try_from(n % 256).unwrap(); *size]].concat();
            contents.take(&packet(&payload), true, false, Some(SIZE));
        }
        assert_eq!(contents.counts().n_turns, expected, "{sizes:?}");
    }

    #[test]
    fn pictures_that_come_twice_are_large_and_small_in_turn() {
        check_turns(0x41, &[2_000, 300, 2_100, 280, 1_900, 350], 5);
        check_turns(0x41, &[2_000, 900, 2_100, 1_000, 1_900, 800], 0);
        check_turns(0x01, &[2_000, 300, 2_100, 280, 1_900, 350], 0);
        check_turns(0x41, &[2_000, 300, 310, 290, 300, 280], 1);
    }

    #[test]
    fn bytes_that_no_coder_writes_are_seen() {
        for (bytes, expected) in [
            (&[0x41, 0, 0, 3, 0, 5][..], false),
            (&[0x41, 0, 0, 0, 1, 0x41], false),
            (&[0x41, 0, 0, 0, 0, 0, 1, 0x41], false),
            (&[0x41, 7, 0, 0, 0], false),
            (&[0x41, 0, 0, 2], true),
            (&[0x41, 0, 0, 0, 9], true),
            (&[0x41, 0, 0, 0, 0, 0, 0, 0, 3], true),
        ] {
            assert_eq!(is_spoilt(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn sets_that_change_are_counted() {
        let mut contents = CodedContents::new(Codec::H264);
        let other = [SPS, &[1]].concat();
        let sets: [&[u8]; 6] = [SPS, &[0x68, 0xeb], SPS, &other, &[0x68, 0xee], SPS];
        for set in sets {
            contents.take(&packet(set), true, false, None);
        }
        assert_eq!(contents.counts().n_set_changes, 3);
    }
}
