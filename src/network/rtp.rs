//! RTP (RFC 3550): losses, jitter, delay, key frames and size of a stream, from its packets and without decoding them.

mod contents;
mod depacketiser;
mod h264;
mod h265;
mod jpeg;
mod nal;
mod sets;

use std::time::{Duration, Instant};

use contents::CodedContents;
pub use contents::ContentCounts;
pub use depacketiser::{CodedPicture, Depacketiser};

use super::age::rate_of;
use super::evidence::PacketEvidence;
use super::sdp::{Codec, VideoFormat};
use super::sps;
use crate::frame::Size;

/// RFC 3550, A.1: a gap of more packets is a new count, and so is a step back of more.
const MAX_GAP: u16 = 3_000;
const MAX_STEP_BACK: u16 = 100;
/// A clock that jumps further from one frame to the next has been set, or is another's: seconds.
const MAX_CLOCK_JUMP: f64 = 5.0;
/// The same of one that jumps back, further than the order of B pictures does, or forward by more than went by and more than it did
/// from frame to frame before.
const MAX_ODD_STEP: f64 = 1.0;
/// A step from one frame to the next that is longer than this and some usual ones, and that no waiting explains, is a small jump: seconds.
/// B pictures reach back over a few frames.
const LEAST_STEP: f64 = 0.15;
const USUAL_STEPS: f64 = 4.0;
/// Pictures that come by so much later than the one before, and by so many usual steps, were held up on their way: seconds.
const HELD_UP: f64 = 0.5;
const HELD_UP_PERIODS: f64 = 4.0;
/// How frames follow each other is known after so many.
const SETTLED: u64 = 5;
/// So many frames by their marks, and one time stamp: all have the same one. A picture of so many parts that are marked each lasts no
/// second.
pub const MANY_MARKS: u64 = 12;
/// By so many seconds a clock must be off at the end to be told from chance.
const LEAST_SEEN: f64 = 0.15;
/// How long the delays at the beginning and at the end are watched that are compared.
const DELAY_WINDOW: Duration = Duration::from_millis(500);

/// A packet, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// The last of its frame, at most payloads.
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// What its kind is, and its data.
    pub extension: Option<(u16, &'a [u8])>,
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// RFC 3550, section 5.1. `None` where this is no RTP.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut payload) = bytes.split_first_chunk::<12>()?;
        let [first, second, s1, s0, t3, t2, t1, t0, c3, c2, c1, c0] = *head;
        // 72 to 76 are RTCP on the same channel (RFC 5761, section 4).
        if first >> 6 != 2 || (72..=76).contains(&(second & 0x7f)) {
            return None;
        }
        payload = payload.get(4 * usize::from(first & 0x0f)..)?;
        let mut extension = None;
        if first & 0x10 != 0 {
            let [p1, p0, high, low, rest @ ..] = payload else { return None };
            let (data, behind) = rest.split_at_checked(4 * usize::from(u16::from_be_bytes([*high, *low])))?;
            extension = Some((u16::from_be_bytes([*p1, *p0]), data));
            payload = behind;
        }
        if first & 0x20 != 0 {
            let n_padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(n_padding)?)?;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s1, s0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            ssrc: u32::from_be_bytes([c3, c2, c1, c0]),
            extension,
            payload,
        })
    }

    /// Whether a picture begins in it that needs no other, or from which on pictures become whole; `None` where the codec does not show
    /// it.
    #[must_use]
    pub fn is_key(&self, codec: Codec) -> Option<bool> {
        let mut is_key = false;
        match codec {
            // Not all cameras send IDR pictures: some send intra slices or refresh the picture bit by bit.
            Codec::H264 => self.each_h264(&mut |kind, nal| {
                is_key |= kind == 5 || kind == 1 && is_intra_slice(nal) || kind == 6 && is_recovery_point(nal);
            }),
            Codec::H265 => self.each_h265(&mut |kind, _| is_key |= (16..=21).contains(&kind)),
            // Each is whole: its first fragment has offset 0 (RFC 2435, section 3.1).
            Codec::Jpeg => is_key = matches!(self.payload, [_, 0, 0, 0, ..]),
            // A VOP with coding type I (ISO/IEC 14496-2, 6.3.5).
            Codec::Mpeg4 => {
                is_key = self.payload.windows(5).any(|bytes| matches!(bytes, [0, 0, 1, 0xb6, kind] if kind >> 6 == 0));
            }
            _ => {}
        }
        codec.shows_keys().then_some(is_key)
    }

    /// Whether a decoder may begin with it: at a key picture, or at the parameter sets that some cameras send ahead of it.
    #[must_use]
    pub fn is_beginning(&self, codec: Codec) -> Option<bool> {
        let mut has_sets = false;
        if codec == Codec::H264 {
            self.each_h264(&mut |kind, _| has_sets |= kind == 7);
        }
        self.is_key(codec).map(|is_key| is_key || has_sets)
    }

    /// Whether a picture begins in it that needs no other, and not one that is refreshed bit by bit from there on.
    #[must_use]
    pub fn is_whole_key(&self, codec: Codec) -> bool {
        let mut is_whole = false;
        match codec {
            Codec::H264 => self.each_h264(&mut |kind, nal| is_whole |= kind == 5 || kind == 1 && is_intra_slice(nal)),
            _ => is_whole = self.is_key(codec) != Some(false),
        }
        is_whole
    }

    /// Whether this is how packets of a codec begin that names its units. Of H.264 and H.265 hardly one is like the other.
    #[must_use]
    pub fn is_like(&self, codec: Codec) -> bool {
        let is_unit_of_264 = |kind: u8| matches!(kind, 1 | 5..=9 | 12);
        let is_unit_of_265 = |kind: u8| matches!(kind, 0..=9 | 16..=21 | 32..=40);
        match (codec, self.payload) {
            (Codec::H264, [0, 0, 1, ..] | [0, 0, 0, 1, ..]) => true,
            (Codec::H264, [head, rest @ ..]) => {
                let (is_reference, kind) = (head >> 5 & 3 > 0, head & 0x1f);
                head & 0x80 == 0
                    && match (kind, rest) {
                        (24, _) => true,
                        (28, [fragment, ..]) => {
                            fragment & 0x20 == 0 && fragment >> 6 != 3 && is_unit_of_264(fragment & 0x1f)
                        }
                        (5 | 7 | 8, _) => is_reference,
                        (6 | 9 | 12, _) => !is_reference,
                        _ => is_unit_of_264(kind),
                    }
            }
            // Layer 0 and one of the first four temporal layers, which is all that cameras have (ITU-T H.265, 7.3.1.2).
            (Codec::H265, [head, layer, rest @ ..]) => {
                head & 0x81 == 0
                    && matches!(layer, 1..=4)
                    && match (head >> 1, rest) {
                        (48, _) => true,
                        (49, [fragment, ..]) => fragment >> 6 != 3 && is_unit_of_265(fragment & 0x3f),
                        (kind, _) => is_unit_of_265(kind),
                    }
            }
            _ => false,
        }
    }

    /// A JPEG whose size has no room where it should stand (RFC 2435, 3.1.5).
    #[must_use]
    pub fn is_large_jpeg(&self) -> bool {
        matches!(self.payload, [_, _, _, _, _, _, 0, _, ..] | [_, _, _, _, _, _, _, 0, ..])
    }

    /// The parameter sets that are whole in it.
    #[must_use]
    pub fn sets(&self, codec: Codec) -> Vec<Vec<u8>> {
        let mut sets = Vec::new();
        let mut see = |is_set: bool, nal: &[u8]| {
            if is_set {
                sets.push(nal.to_vec());
            }
        };
        match codec {
            _ if self.fragment(codec).is_some() => {}
            Codec::H264 => self.each_h264(&mut |kind, nal| see(matches!(kind, 7 | 8), nal)),
            Codec::H265 => self.each_h265(&mut |kind, nal| see((32..=34).contains(&kind), nal)),
            _ => {}
        }
        sets
    }

    /// How the fragment of a unit that it is begins and ends; `None` where it is none. Only of codecs that name their units.
    fn fragment(&self, codec: Codec) -> Option<(bool, bool)> {
        let flags = match (codec, self.payload) {
            (Codec::H264, [head, flags, ..]) if head & 0x1f == 28 => flags,
            (Codec::H265, [head, _, flags, ..]) if head >> 1 & 0x3f == 49 => flags,
            _ => return None,
        };
        Some((flags & 0x80 != 0, flags & 0x40 != 0))
    }

    /// The size that it tells.
    #[must_use]
    pub fn size(&self, codec: Codec) -> Option<Size> {
        let mut size = None;
        match codec {
            Codec::H264 => self.each_h264(&mut |kind, nal| {
                if kind == 7 {
                    size = size.or_else(|| sps::h264_size(nal));
                }
            }),
            Codec::H265 => self.each_h265(&mut |kind, nal| {
                if kind == 33 {
                    size = size.or_else(|| sps::h265_size(nal));
                }
            }),
            Codec::Jpeg => {
                if let [_, 0, 0, 0, _, _, width, height, ..] = self.payload
                    && *width > 0
                    && *height > 0
                {
                    size = Some(Size { width: 8 * u32::from(*width), height: 8 * u32::from(*height) });
                }
            }
            _ => {}
        }
        size
    }

    /// The units that begin in it, by type (RFC 6184, section 5.2). Of a fragmented one the beginning is known, but for its first byte.
    fn each_h264(&self, see: &mut dyn FnMut(u8, &[u8])) {
        match self.payload {
            // Some cameras leave in what stands between the units in a file (ITU-T H.264, annex B).
            [0, 0, 1, ..] | [0, 0, 0, 1, ..] => {
                each_in_file(self.payload, &mut |nal| see(nal.first().map_or(0, |head| head & 0x1f), nal));
            }
            [head, rest @ ..] if head & 0x1f == 24 => each_aggregated(rest, &mut |nal| {
                see(nal.first().map_or(0, |head| head & 0x1f), nal);
            }),
            [head, fragment, ..] if head & 0x1f == 28 && fragment & 0x80 == 0 => {}
            [head, fragment, ..] if head & 0x1f == 28 => {
                see(fragment & 0x1f, self.payload.get(1..).unwrap_or_default());
            }
            [head, ..] => see(head & 0x1f, self.payload),
            [] => {}
        }
    }

    /// RFC 7798, section 4.4.
    fn each_h265(&self, see: &mut dyn FnMut(u8, &[u8])) {
        match self.payload {
            [head, _, rest @ ..] if head >> 1 & 0x3f == 48 => each_aggregated(rest, &mut |nal| {
                see(nal.first().map_or(0, |head| head >> 1 & 0x3f), nal);
            }),
            [head, _, fragment, ..] if head >> 1 & 0x3f == 49 && fragment & 0x80 == 0 => {}
            [head, _, fragment, ..] if head >> 1 & 0x3f == 49 => see(fragment & 0x3f, &[]),
            [head, _, ..] => see(head >> 1 & 0x3f, self.payload),
            _ => {}
        }
    }
}

fn each_aggregated(mut rest: &[u8], see: &mut dyn FnMut(&[u8])) {
    while let [high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((nal, behind)) = behind.split_at_checked(length) else { return };
        see(nal);
        rest = behind;
    }
}

fn each_in_file(bytes: &[u8], see: &mut dyn FnMut(&[u8])) {
    let mut rest = bytes;
    while let Some(at) = rest.windows(3).position(|code| code == [0, 0, 1]) {
        rest = rest.get(at + 3..).unwrap_or_default();
        let end = rest.windows(3).position(|code| code == [0, 0, 1]).unwrap_or(rest.len());
        see(rest.get(..end).unwrap_or_default());
    }
}

/// The slice is the first of its picture, and of a type that needs no other picture: I or SI (ITU-T H.264, table 7-6).
fn is_intra_slice(nal: &[u8]) -> bool {
    sps::slice(nal).is_some_and(|(first, kind)| first == 0 && matches!(kind % 5, 2 | 4))
}

/// A message that says from where on pictures become whole (ITU-T H.264, D.1.8). It stands first, or behind one or two short ones.
fn is_recovery_point(nal: &[u8]) -> bool {
    let mut rest = nal.get(1..).unwrap_or_default();
    for _ in 0..4 {
        match rest {
            [6, _, ..] => return true,
            [kind, length, behind @ ..] if *kind < 0xff && *length < 0xff => {
                rest = behind.get(usize::from(*length)..).unwrap_or_default();
            }
            _ => return false,
        }
    }
    false
}

/// The parameter sets without which nothing can be decoded, as far as they were announced or have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenSets {
    has_sps: bool,
    has_pps: bool,
    key: KeySeen,
}

/// From which sort of key picture a decoder could begin so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum KeySeen {
    #[default]
    None,
    /// The picture becomes whole bit by bit.
    Gradual,
    Whole,
}

impl SeenSets {
    /// Those that are announced.
    #[must_use]
    pub fn of(codec: Codec, announced: &[Vec<u8>]) -> Self {
        let mut sets = Self::default();
        for set in announced {
            let head = set.first().copied().unwrap_or_default();
            sets.see(codec, if codec == Codec::H265 { head >> 1 & 0x3f } else { head & 0x1f });
        }
        sets
    }

    /// Those that begin in this packet.
    pub fn take(&mut self, packet: &RtpPacket<'_>, codec: Codec) {
        match codec {
            Codec::H264 => packet.each_h264(&mut |kind, _| self.see(codec, kind)),
            Codec::H265 => packet.each_h265(&mut |kind, _| self.see(codec, kind)),
            _ => {}
        }
        let key = match (packet.is_whole_key(codec), packet.is_key(codec)) {
            (true, _) => KeySeen::Whole,
            (false, Some(false)) => KeySeen::None,
            (false, _) => KeySeen::Gradual,
        };
        self.key = self.key.max(key);
    }

    /// A picture has come from which on pictures become whole.
    #[must_use]
    pub fn has_key(self) -> bool {
        self.key > KeySeen::None
    }

    /// A picture has come that needs no other.
    #[must_use]
    pub fn has_whole_key(self) -> bool {
        self.key == KeySeen::Whole
    }

    fn see(&mut self, codec: Codec, kind: u8) {
        self.has_sps |= matches!((codec, kind), (Codec::H264, 7) | (Codec::H265, 33));
        self.has_pps |= matches!((codec, kind), (Codec::H264, 8) | (Codec::H265, 34));
    }

    /// What has never come, in words.
    #[must_use]
    pub fn missing(self, codec: Codec) -> Option<&'static str> {
        match (codec, self.has_sps, self.has_pps) {
            (Codec::H264 | Codec::H265, false, false) => Some("sequence and picture parameter sets (SPS and PPS)"),
            (Codec::H264 | Codec::H265, false, true) => Some("sequence parameter sets (SPS)"),
            (Codec::H264 | Codec::H265, true, false) => Some("picture parameter sets (PPS)"),
            _ => None,
        }
    }
}

/// Finds units that were cut: a fragment begins one, and nothing ends it although no packet is missing. Then the camera has left out
/// a part of its own picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct CutUnits {
    is_open: bool,
}

impl CutUnits {
    /// Whether a unit was cut before this packet, with so many packets missing between it and the last one.
    pub fn take(&mut self, packet: &RtpPacket<'_>, codec: Codec, n_missing: u32) -> bool {
        let was_open = std::mem::take(&mut self.is_open);
        let (begins, ends) = packet.fragment(codec).unwrap_or((true, true));
        self.is_open = !ends;
        n_missing == 0 && (begins && was_open)
    }
}

/// How fast the clock of a stream runs by the camera's own clock, which it reports beside it (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct SenderClock {
    /// Whose it is, and both clocks: seconds by the camera's, ticks of the stream's.
    first: Option<(u32, f64, u32)>,
    last: Option<(f64, u32)>,
}

/// Two reports that are closer to each other tell too little: seconds.
const LEAST_REPORTED_SECS: f64 = 2.5;

impl SenderClock {
    /// Takes a packet in that may be such a report.
    pub fn take(&mut self, bytes: &[u8]) {
        let [0x80..=0x9f, 200, _, _, rest @ ..] = bytes else { return };
        let mut words =
            rest.chunks_exact(4).map(|word| word.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)));
        let mut word = || words.next();
        let (Some(ssrc), Some(secs), Some(part), Some(ticks)) = (word(), word(), word(), word()) else { return };
        let at = f64::from(secs) + f64::from(part) / 4_294_967_296.0;
        match self.first {
            Some((of, first, _)) if of == ssrc && at > first => self.last = Some((at, ticks)),
            _ => (self.first, self.last) = (Some((ssrc, at, ticks)), None),
        }
    }

    /// The camera's seconds for each second of the stream, with so many ticks a second.
    #[must_use]
    pub fn rate(&self, clock_rate: u32) -> Option<f64> {
        let ((_, first, first_ticks), (last, last_ticks)) = (self.first?, self.last?);
        let ticks = last_ticks.wrapping_sub(first_ticks);
        (ticks > 0 && last - first >= LEAST_REPORTED_SECS)
            .then(|| (last - first) * f64::from(clock_rate) / f64::from(ticks))
            .filter(|rate| (0.001..1_000.0).contains(rate))
    }
}

/// What one packet was to the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketInfo {
    /// A frame begins with it.
    pub is_new_frame: bool,
    /// A key frame begins in it.
    pub is_key: bool,
    /// So many packets before it have not come, so far.
    pub n_missing: u32,
    /// The sender counts anew: another stream, or another start of the camera.
    pub is_restart: bool,
}

/// Counts and times the packets of one stream. Knows no clock: each call is told the time of arrival.
#[derive(Clone, Debug)]
pub struct Meter {
    codec: Codec,
    clock_rate: u32,
    ssrc: Option<u32>,
    /// The count of the newest packet, and how many counts there have been before this one.
    newest: u16,
    n_expected: u64,
    n_received: u64,
    n_restarts: u64,
    n_clock_jumps: u64,
    /// The same of small ones; one may be chance.
    n_clock_steps: u64,
    n_bytes: u64,
    n_frames: u64,
    /// Packets that end a frame by their mark.
    n_marks: u64,
    /// Of the newest frame.
    timestamp: u32,
    /// Ticks since the first frame.
    ticks: i64,
    first_at: Option<Instant>,
    newest_at: Option<Instant>,
    /// Seconds, RFC 3550, section 6.4.1.
    jitter: f64,
    /// By how much the stream's clock went on with the newest frame, in seconds.
    step: Option<f64>,
    /// What such a step usually is, forward or back, and the least delay so far, since its last small jump.
    usual_step: f64,
    least_delay: f64,
    /// How much later a frame arrived than its clock says, in seconds, relative to the first.
    delay: f64,
    first_delay: Option<f64>,
    window_start: Option<Instant>,
    window_delay: f64,
    last_delay: Option<f64>,
    /// The frame of each window that came quickest: its seconds by the stream's clock, and ours.
    windows: Vec<(f64, f64)>,
    quickest: Option<(f64, f64)>,
    n_keys: u64,
    /// Ticks at the first and at the newest key frame.
    first_key: Option<i64>,
    newest_key: i64,
    size: Option<Size>,
    n_size_changes: u64,
    n_held_up: u64,
    held_up_secs: f64,
    cut: CutUnits,
    n_cut: u64,
    sets: SeenSets,
    contents: CodedContents,
}

impl Meter {
    #[must_use]
    pub fn new(codec: Codec, clock_rate: u32) -> Self {
        Self {
            codec,
            clock_rate: clock_rate.max(1),
            ssrc: None,
            newest: 0,
            n_expected: 0,
            n_received: 0,
            n_restarts: 0,
            n_clock_jumps: 0,
            n_clock_steps: 0,
            n_bytes: 0,
            n_frames: 0,
            n_marks: 0,
            timestamp: 0,
            ticks: 0,
            first_at: None,
            newest_at: None,
            jitter: 0.0,
            step: None,
            usual_step: 0.0,
            least_delay: 0.0,
            delay: 0.0,
            first_delay: None,
            window_start: None,
            window_delay: f64::INFINITY,
            last_delay: None,
            windows: Vec::new(),
            quickest: None,
            n_keys: 0,
            first_key: None,
            newest_key: 0,
            size: None,
            n_size_changes: 0,
            n_held_up: 0,
            held_up_secs: 0.0,
            cut: CutUnits::default(),
            n_cut: 0,
            sets: SeenSets::default(),
            contents: CodedContents::new(codec),
        }
    }

    /// With the parameter sets that are announced.
    #[must_use]
    pub fn of(format: &VideoFormat) -> Self {
        let mut meter = Self::new(format.codec, format.clock_rate);
        format.parameter_sets.iter().for_each(|set| meter.contents.announce(set));
        Self { sets: SeenSets::of(format.codec, &format.parameter_sets), ..meter }
    }

    /// What the packets have shown so far.
    #[must_use]
    pub fn evidence(&self, reported: Option<f64>) -> PacketEvidence {
        PacketEvidence {
            n_held_up: self.n_held_up,
            held_up_secs: self.held_up_secs,
            delay_growth_ms: reported.and(self.delay_growth_ms(reported)),
            unreported_growth_ms: if reported.is_none() { self.delay_growth_ms(Some(1.0)) } else { None },
            secs: self.watched().as_secs_f64(),
            n_received: self.n_received,
            n_lost: self.n_lost(),
            n_cut: self.n_cut,
            n_restarts: self.n_restarts,
            n_clock_jumps: self.n_clock_jumps(),
            may_jump: self.may_jump(),
            has_one_stamp: self.has_one_stamp(),
            n_size_changes: self.n_size_changes,
            contents: self.contents.counts(),
            ..PacketEvidence::default()
        }
    }

    /// The parameter sets that were neither announced nor have come.
    #[must_use]
    pub fn missing_sets(&self) -> Option<&'static str> {
        self.sets.missing(self.codec)
    }

    /// Units of pictures that have a beginning and no end, although no packet is missing.
    #[must_use]
    pub fn n_cut(&self) -> u64 {
        self.n_cut
    }

    /// Takes a packet in. `None` where it is no RTP.
    pub fn take(&mut self, bytes: &[u8], now: Instant) -> Option<PacketInfo> {
        let packet = RtpPacket::parse(bytes)?;
        let mut taken = PacketInfo::default();
        let step = packet.sequence.wrapping_sub(self.newest);
        let is_back = step > u16::MAX - MAX_STEP_BACK;
        if self.ssrc.is_none() {
            self.n_expected = 1;
            self.newest = packet.sequence;
        } else if self.ssrc != Some(packet.ssrc) || (step > MAX_GAP && !is_back) {
            self.n_restarts += 1;
            self.n_expected += 1;
            self.newest = packet.sequence;
            taken.is_restart = true;
        } else if step != 0 && !is_back {
            taken.n_missing = u32::from(step) - 1;
            self.n_expected += u64::from(step);
            self.newest = packet.sequence;
        }
        self.ssrc = Some(packet.ssrc);
        // One that came twice would hide a loss; few networks do that.
        if step != 0 || self.n_received == 0 || taken.is_restart {
            self.n_received += 1;
        }
        self.n_bytes += bytes.len() as u64;
        self.n_marks += u64::from(packet.marker);
        self.newest_at = Some(now);
        self.sets.take(&packet, self.codec);
        let is_again = step == 0 && self.n_received > 1 && !taken.is_restart;
        if !is_back && !is_again && self.cut.take(&packet, self.codec, taken.n_missing) && !taken.is_restart {
            self.n_cut += 1;
        }
        if self.first_at.is_none() || taken.is_restart || (packet.timestamp != self.timestamp && !is_back) {
            taken.is_new_frame = true;
            self.frame(packet.timestamp, taken.is_restart, now);
        }
        if !is_back && !is_again {
            let is_behind_gap = taken.n_missing > 0 || taken.is_restart;
            self.contents.take(&packet, taken.is_new_frame, is_behind_gap, self.size);
        }
        if let Some(size) = packet.size(self.codec) {
            self.n_size_changes += u64::from(self.size.is_some_and(|known| known != size));
            self.size = Some(size);
        }
        let is_new_key = self.first_key.is_none() || self.newest_key != self.ticks;
        if packet.is_key(self.codec) == Some(true) && is_new_key {
            taken.is_key = true;
            self.n_keys += 1;
            self.newest_key = self.ticks;
            self.first_key.get_or_insert(self.ticks);
        }
        Some(taken)
    }

    fn frame(&mut self, timestamp: u32, is_restart: bool, now: Instant) {
        self.n_frames += 1;
        let rate = f64::from(self.clock_rate);
        let Some(first_at) = self.first_at else {
            self.first_at = Some(now);
            self.timestamp = timestamp;
            self.window_start = Some(now);
            self.window_delay = 0.0;
            self.quickest = Some((0.0, 0.0));
            return;
        };
        let step = timestamp.wrapping_sub(self.timestamp).cast_signed();
        self.timestamp = timestamp;
        let elapsed = now.saturating_duration_since(first_at).as_secs_f64();
        let by_clock = f64::from(step) / rate;
        let delay = elapsed - self.ticks as f64 / rate - by_clock;
        let was_longest = self.step.replace(by_clock).map_or(f64::INFINITY, |before| before.max(0.0) + MAX_ODD_STEP);
        // Time that went by explains a step: packets were lost, or the camera made no pictures.
        let is_early = delay < self.delay - MAX_ODD_STEP;
        let is_leap = is_early && (by_clock > MAX_CLOCK_JUMP || by_clock > was_longest);
        let is_odd = self.n_frames > SETTLED && by_clock.abs() > LEAST_STEP + USUAL_STEPS * self.usual_step;
        let is_small = is_odd && (by_clock < 0.0 || delay < self.least_delay - LEAST_STEP);
        if is_restart || by_clock < -MAX_ODD_STEP || is_leap || is_small {
            if !is_restart {
                let n = if is_small && by_clock.abs() <= MAX_ODD_STEP {
                    &mut self.n_clock_steps
                } else {
                    &mut self.n_clock_jumps
                };
                *n += 1;
            }
            // Another clock: it goes on where the old one would be.
            #[expect(clippy::cast_possible_truncation, reason = "seconds times a clock rate, far below 2^63")]
            let ticks = ((elapsed - self.delay) * rate) as i64;
            self.ticks = ticks.max(self.ticks + 1);
            self.least_delay = self.delay;
            return;
        }
        let is_first_step = self.usual_step == 0.0;
        self.usual_step += (by_clock.abs() - self.usual_step) / if is_first_step { 1.0 } else { 8.0 };
        self.least_delay = self.least_delay.min(delay);
        // By its own clock it follows upon the one before, and comes so much later: it has waited somewhere.
        let waited = delay - self.delay;
        if self.n_frames > SETTLED && waited > HELD_UP && waited > HELD_UP_PERIODS * self.usual_step {
            self.n_held_up += 1;
            self.held_up_secs = self.held_up_secs.max(waited);
        }
        self.ticks += i64::from(step);
        self.jitter += ((delay - self.delay).abs() - self.jitter) / 16.0;
        self.delay = delay;
        // The least delay of a window is that of the frames that met no other traffic.
        if delay < self.window_delay {
            self.window_delay = delay;
            self.quickest = Some((self.ticks as f64 / rate, elapsed));
        }
        if self.window_start.is_some_and(|start| now.saturating_duration_since(start) >= DELAY_WINDOW) {
            self.first_delay.get_or_insert(self.window_delay);
            self.last_delay = Some(self.window_delay);
            self.windows.extend(self.quickest.take());
            self.window_start = Some(now);
            self.window_delay = f64::INFINITY;
        }
    }

    /// From the first packet to the newest.
    #[must_use]
    pub fn watched(&self) -> Duration {
        match (self.first_at, self.newest_at) {
            (Some(first), Some(newest)) => newest.saturating_duration_since(first),
            _ => Duration::ZERO,
        }
    }

    #[must_use]
    pub fn n_received(&self) -> u64 {
        self.n_received
    }

    /// Packets that were sent and have not arrived.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        self.n_expected.saturating_sub(self.n_received)
    }

    #[must_use]
    pub fn loss_percent(&self) -> Option<f64> {
        (self.n_expected > 0).then(|| 100.0 * self.n_lost() as f64 / self.n_expected as f64)
    }

    /// How often the sender began to count anew.
    #[must_use]
    pub fn n_restarts(&self) -> u64 {
        self.n_restarts
    }

    /// How often its clock jumped: forward or back, by more than time and the order of pictures explain.
    #[must_use]
    pub fn n_clock_jumps(&self) -> u64 {
        self.n_clock_jumps + if self.n_clock_steps > 1 { self.n_clock_steps } else { 0 }
    }

    /// It jumped a little, once: a longer look tells whether that was chance.
    #[must_use]
    pub fn may_jump(&self) -> bool {
        self.n_clock_steps == 1
    }

    /// Frames come, and all have the same time stamp.
    #[must_use]
    pub fn has_one_stamp(&self) -> bool {
        self.n_frames == 1 && self.n_marks >= MANY_MARKS
    }

    #[must_use]
    pub fn n_frames(&self) -> u64 {
        self.n_frames
    }

    #[must_use]
    pub fn n_keys(&self) -> u64 {
        self.n_keys
    }

    /// Frames per second, once half a second has been watched.
    #[must_use]
    pub fn fps(&self) -> Option<f64> {
        let watched = self.watched().as_secs_f64();
        (watched >= 0.5 && self.n_frames > 1).then(|| (self.n_frames - 1) as f64 / watched)
    }

    #[must_use]
    pub fn kbit_per_sec(&self) -> Option<f64> {
        let watched = self.watched().as_secs_f64();
        (watched >= 0.5).then(|| self.n_bytes as f64 * 8.0 / 1_000.0 / watched)
    }

    /// Of the frames' first packets, in milliseconds.
    #[must_use]
    pub fn jitter_ms(&self) -> Option<f64> {
        (self.n_frames > 1).then_some(self.jitter * 1_000.0)
    }

    /// Seconds from one key frame to the next, by the camera's clock, once there were two.
    #[must_use]
    pub fn key_frame_secs(&self) -> Option<f64> {
        let ticks = self.newest_key - self.first_key?;
        (self.n_keys > 1).then(|| ticks as f64 / f64::from(self.clock_rate) / (self.n_keys - 1) as f64)
    }

    /// Our seconds for each second of the stream's clock: as the camera reports it, else by the arrivals, if these show an even clock.
    #[must_use]
    pub fn clock_rate(&self, reported: Option<f64>) -> Option<f64> {
        reported.or_else(|| rate_of(&self.windows.iter().copied()))
    }

    /// The same, if it is so wrong that it shows.
    #[must_use]
    pub fn wrong_clock(&self, reported: Option<f64>) -> Option<f64> {
        let (first, last) = (self.windows.first()?, self.windows.last()?);
        let rate = self.clock_rate(reported)?;
        let is_seen = (rate - 1.0).abs() * (last.0 - first.0) > LEAST_SEEN;
        is_seen.then_some(rate)
    }

    /// How much later frames arrive now than in the first second, by their own clock, whatever its rate.
    #[must_use]
    pub fn delay_growth_ms(&self, reported: Option<f64>) -> Option<f64> {
        let growth = self.last_delay? - self.first_delay?;
        let (first, last) = (self.windows.first()?, self.windows.last()?);
        let rate = self.clock_rate(reported).unwrap_or(1.0);
        let of_clock = (1.0 - rate) * (last.0 - first.0);
        Some((growth + of_clock) * 1_000.0)
    }

    #[must_use]
    pub fn size(&self) -> Option<Size> {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80, 96];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
        bytes
    }

    /// The packets that arrive, one frame each, 40 ms apart; as `received/lost/restarts`.
    #[track_caller]
    fn check_loss(sequences: &[u16], expected: &str) {
        let start = Instant::now();
        let mut meter = Meter::new(Codec::H264, 90_000);
        for (n, sequence) in (0..).zip(sequences) {
            meter.take(&packet(*sequence, n * 3_600, &[0x41]), start + Duration::from_millis(40) * n);
        }
        let got = format!("{}/{}/{}", meter.n_received(), meter.n_lost(), meter.n_restarts());
        assert_eq!(got, expected, "{sequences:?}");
    }

    #[test]
    fn lost_packets_are_counted_by_their_numbers() {
        check_loss(&[1, 2, 3], "3/0/0");
        check_loss(&[1, 2, 5], "3/2/0");
        check_loss(&[65_534, 65_535, 0, 1], "4/0/0");
        check_loss(&[65_534, 1, 2], "3/2/0");
        check_loss(&[1, 3, 2, 4], "4/0/0");
        check_loss(&[1, 4, 2, 5], "4/1/0");
        check_loss(&[1, 2, 30_000, 30_001], "4/0/1");
        check_loss(&[1, 2, 2, 3], "3/0/0");
        check_loss(&[], "0/0/0");
    }

    #[track_caller]
    fn check_key(codec: Codec, payload: &[u8], expected: Option<bool>) {
        let bytes = packet(1, 1, payload);
        assert_eq!(RtpPacket::parse(&bytes).unwrap().is_key(codec), expected, "{codec:?} {payload:02x?}");
    }

    #[test]
    fn key_frames_are_seen_in_each_way_of_packing() {
        use Codec::{H264, H265, Jpeg, Mpeg4};
        check_key(H264, &[0x65, 1], Some(true));
        check_key(H264, &[0x67, 1], Some(false));
        check_key(H264, &[0x41, 1], Some(false));
        check_key(H264, &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], Some(false));
        check_key(H264, &[0x78, 0, 2, 0x67, 1, 0, 1, 0x65], Some(true));
        check_key(H264, &[0x78, 0, 1, 0x68, 0, 1, 0x41], Some(false));
        check_key(H264, &[0x7c, 0x85, 1], Some(true));
        check_key(H264, &[0x7c, 0x05, 1], Some(false));
        check_key(H264, &[0x7c, 0x81, 1], Some(false));
        check_key(H264, &[], Some(false));
        // Intra pictures that are no IDR: slice type 7 or 2 of the first slice; and where the picture is refreshed bit by bit.
        check_key(H264, &[0x61, 0b1000_1000, 0], Some(true));
        check_key(H264, &[0x41, 0b1011_0000, 0], Some(true));
        check_key(H264, &[0x41, 0b0100_1000, 0x80], Some(false));
        check_key(H264, &[0x41, 0b1001_1000, 0], Some(false));
        check_key(H264, &[0x7c, 0x81, 0b1000_1000, 0], Some(true));
        check_key(H264, &[6, 6, 1, 0xc4, 0x80], Some(true));
        check_key(H264, &[6, 1, 2, 0, 0, 6, 1, 0xc4, 0x80], Some(true));
        check_key(H264, &[6, 5, 2, 6, 6, 0x80], Some(false));
        let whole = |payload: &[u8]| RtpPacket::parse(&packet(1, 1, payload)).unwrap().is_whole_key(H264);
        assert_eq!(
            [&[0x65, 1][..], &[0x61, 0b1000_1000, 0], &[6, 6, 1, 0xc4], &[0x67, 1]].map(whole),
            [true, true, false, false]
        );
        // A decoder may begin with the parameter sets that come ahead of one.
        let begins = |payload: &[u8]| RtpPacket::parse(&packet(1, 1, payload)).unwrap().is_beginning(H264);
        assert_eq!([&[0x65, 1][..], &[0x67, 1], &[0x41, 1]].map(begins), [Some(true), Some(true), Some(false)]);
        // As units stand in a file.
        check_key(H264, &[0, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 1], Some(true));
        check_key(H264, &[0, 0, 1, 0x68, 1], Some(false));
        check_key(H265, &[19 << 1, 1, 1], Some(true));
        check_key(H265, &[21 << 1, 1, 1], Some(true));
        check_key(H265, &[1 << 1, 1, 1], Some(false));
        check_key(H265, &[48 << 1, 1, 0, 2, 33 << 1, 1, 0, 2, 20 << 1, 1], Some(true));
        check_key(H265, &[49 << 1, 1, 0x93, 1], Some(true));
        check_key(H265, &[49 << 1, 1, 0x13, 1], Some(false));
        check_key(Jpeg, &[0, 0, 0, 0, 1, 80, 80, 60], Some(true));
        check_key(Jpeg, &[0, 0, 4, 0, 1, 80, 80, 60], Some(false));
        check_key(Mpeg4, &[0, 0, 1, 0xb6, 0x10], Some(true));
        check_key(Mpeg4, &[0, 0, 1, 0xb6, 0x50], Some(false));
        check_key(Codec::Vp8, &[0], None);
    }

    /// Reports as (seconds by the camera's clock, seconds of 90 000 ticks).
    #[track_caller]
    fn check_reported(reports: &[(f64, f64)], expected: Option<f64>) {
        let mut clock = SenderClock::default();
        for (at, stamp) in reports {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of a test")]
            let words =
                [7, at.floor() as u32, (at.fract() * 4_294_967_296.0) as u32, (stamp * 90_000.0) as u64 as u32, 1, 1];
            clock.take(&[&[0x80, 200, 0, 6][..], &words.map(u32::to_be_bytes).concat()].concat());
            clock.take(&[0x81, 201, 0, 1, 0, 0, 0, 7]);
        }
        let got = clock.rate(90_000);
        let is_near = got.zip(expected).is_none_or(|(got, expected)| (got - expected).abs() < 0.001);
        assert!(got.is_some() == expected.is_some() && is_near, "{got:?} in place of {expected:?}");
    }

    #[test]
    fn reports_tell_the_rate_of_a_clock() {
        check_reported(&[(3_900_000_000.0, 5.0), (3_900_000_005.5, 10.5)], Some(1.0));
        check_reported(&[(10.0, 5.0), (12.0, 7.0), (15.0, 9.0)], Some(1.25));
        // The count of ticks begins anew.
        check_reported(&[(10.0, 47_720.0), (20.0, 47_730.0)], Some(1.0));
        check_reported(&[(10.0, 5.0), (11.0, 6.0)], None);
        check_reported(&[(10.0, 5.0)], None);
        check_reported(&[(10.0, 5.0), (9.0, 6.0)], None);
        check_reported(&[(10.0, 5.0), (20.0, 5.0)], None);
    }

    #[track_caller]
    fn check_like(payload: &[u8], expected: (bool, bool)) {
        let bytes = packet(1, 1, payload);
        let parsed = RtpPacket::parse(&bytes).unwrap();
        assert_eq!((parsed.is_like(Codec::H264), parsed.is_like(Codec::H265)), expected, "{payload:02x?}");
    }

    #[test]
    fn packets_of_two_codecs_are_told_apart() {
        let of_264: [&[u8]; 9] = [
            &[0x67, 0x64, 0],
            &[0x68, 0xee],
            &[0x65, 0x88],
            &[0x41, 0x9a],
            &[0x01, 0x9a],
            &[0x09, 0xf0],
            &[0x78, 0, 3],
            &[0x7c, 0x85, 1],
            &[0x5c, 0x41, 1],
        ];
        for payload in of_264 {
            check_like(payload, (true, false));
        }
        let of_265: [&[u8]; 9] = [
            &[0x40, 1, 12],
            &[0x42, 1, 1],
            &[0x44, 1, 0xc1],
            &[0x26, 1, 0xaf],
            &[0x02, 1, 0xd0],
            &[0x00, 2, 0xd0],
            &[0x62, 1, 0x93],
            &[0x60, 1, 0],
            &[0x4e, 1, 1],
        ];
        for payload in of_265 {
            check_like(payload, (false, true));
        }
        let of_none: [&[u8]; 5] = [&[], &[0xe7, 1, 2], &[0x7c, 0xc5, 1], &[0x7c, 0x3f, 1], &[0x63, 1]];
        for payload in of_none {
            check_like(payload, (false, false));
        }
    }

    /// Packets of H.264, `(` the first fragment of a unit, `-` one in its midst, `)` its last, `u` a whole unit, `x` one that is lost.
    #[track_caller]
    fn check_cut(packets: &str, expected: u64) {
        let mut meter = Meter::new(Codec::H264, 90_000);
        for (n, letter) in (0_u16..).zip(packets.chars()) {
            let payload: &[u8] = match letter {
                '(' => &[0x7c, 0x81, 0x9a],
                '-' => &[0x7c, 0x01, 1],
                ')' => &[0x7c, 0x41, 1],
                'u' => &[0x41, 0x9a, 1],
                _ => continue,
            };
            meter.take(&packet(n, 0, payload), Instant::now());
        }
        assert_eq!(meter.n_cut(), expected, "{packets}");
    }

    #[test]
    fn units_without_an_end_are_counted() {
        check_cut("u(--)u()()u", 0);
        check_cut("(-(--)u", 1);
        check_cut("(-u(-u", 2);
        // A packet that is lost is counted as lost.
        check_cut("(-xu(x-)u", 0);
        check_cut("-)u", 0);
    }

    #[test]
    fn missing_parameter_sets_are_named() {
        #[track_caller]
        fn check(codec: Codec, announced: &[u8], payloads: &[&[u8]], expected: Option<&str>) {
            let mut sets = SeenSets::of(codec, &[announced.to_vec()]);
            for payload in payloads {
                sets.take(&RtpPacket::parse(&packet(1, 1, payload)).unwrap(), codec);
            }
            assert_eq!(sets.missing(codec), expected, "{codec:?} {announced:?} {payloads:?}");
        }
        check(Codec::H264, &[0x67], &[&[0x68, 1]], None);
        check(Codec::H264, &[], &[&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]], None);
        check(Codec::H264, &[], &[&[0x67, 1], &[0x65, 1]], Some("picture parameter sets (PPS)"));
        check(Codec::H264, &[0x68], &[&[0x65, 1]], Some("sequence parameter sets (SPS)"));
        check(Codec::H265, &[0x42, 1], &[&[0x44, 1]], None);
        check(Codec::H265, &[], &[], Some("sequence and picture parameter sets (SPS and PPS)"));
        check(Codec::Jpeg, &[], &[], None);
    }

    #[test]
    fn sizes_are_read_from_packets() {
        let bytes = packet(1, 1, &[0, 0, 0, 0, 1, 80, 80, 60]);
        let size = RtpPacket::parse(&bytes).unwrap().size(Codec::Jpeg);
        assert_eq!(size, Some(Size { width: 640, height: 480 }));
    }

    /// Frames at these milliseconds, each 40 ms after the other by the camera's clock of 90 kHz.
    fn meter(arrivals: impl Iterator<Item = u64>) -> Meter {
        let start = Instant::now();
        let mut meter = Meter::new(Codec::H264, 90_000);
        for (n, ms) in (0_u16..).zip(arrivals) {
            let kind = if n % 25 == 0 { 0x65 } else { 0x41 };
            let timestamp = (u32::MAX - 9_000).wrapping_add(u32::from(n) * 3_600);
            meter.take(&packet(n, timestamp, &[kind; 988]), start + Duration::from_millis(ms));
        }
        meter
    }

    #[track_caller]
    fn check_near(got: Option<f64>, expected: f64, tolerance: f64) {
        assert!(got.is_some_and(|got| (got - expected).abs() <= tolerance), "{got:?} is not {expected}");
    }

    #[test]
    fn an_even_stream_has_its_rate_and_nothing_else() {
        let meter = meter((0..126).map(|n| n * 40));
        check_near(meter.fps(), 25.0, 0.01);
        check_near(meter.kbit_per_sec(), 201.6, 0.1);
        check_near(meter.key_frame_secs(), 1.0, 0.001);
        check_near(meter.jitter_ms(), 0.0, 0.01);
        check_near(meter.delay_growth_ms(Some(1.0)), 0.0, 0.01);
    }

    #[test]
    fn jitter_and_growing_delay_are_told_apart() {
        let uneven = meter((0..126).map(|n| n * 40 + if n % 2 == 0 { 0 } else { 10 }));
        check_near(uneven.jitter_ms(), 10.0, 0.1);
        check_near(uneven.delay_growth_ms(None), 0.0, 0.01);
        let late = meter((0..126).map(|n| n * 44));
        check_near(late.jitter_ms(), 4.0, 0.1);
        check_near(late.delay_growth_ms(Some(1.0)), 440.0, 40.0);
        // A clock that runs slow looks the same, unless the camera says that it does not.
        check_near(late.delay_growth_ms(None), 0.0, 40.0);
        check_near(late.clock_rate(None), 1.1, 0.01);
    }

    /// A clock that is set by so many tenths of a second.
    #[track_caller]
    fn check_jumps(tenths: i32, expected: u64) {
        let (start, mut meter) = (Instant::now(), Meter::new(Codec::H264, 90_000));
        for n in 0..100_u16 {
            let set = if n >= 50 { tenths * 9_000 } else { 0 };
            let at = start + Duration::from_millis(40) * u32::from(n);
            let timestamp = (u32::from(n) * 3_600 + 1_000_000).wrapping_add_signed(set);
            meter.take(&packet(n, timestamp, &[0x41]), at);
        }
        assert_eq!(meter.n_clock_jumps(), expected, "{tenths} tenths of a second");
        // Nor are pictures a jump that are sent in another order than they are shown, and ticks of another rate.
        for (step, ahead) in [(3_600, 2), (90, 2), (108_000, 0)] {
            let mut meter = Meter::new(Codec::H264, 90_000);
            for (sequence, n) in (0..).zip(0..100_u32) {
                let shown = if n % 2 == 0 { n + ahead } else { n };
                let at = start + Duration::from_millis(40) * n;
                meter.take(&packet(sequence, shown * step, &[0x41]), at);
            }
            assert_eq!(meter.n_clock_jumps(), 0, "{step}");
        }
    }

    /// A clock that is set by so many milliseconds, and back, each second; frames that stay away, or come late and at once.
    #[track_caller]
    fn check_steps(frames: impl Fn(u32) -> Option<(u32, i32)>, expected: u64) {
        let (start, mut meter) = (Instant::now(), Meter::new(Codec::H264, 90_000));
        for (sequence, (arrives_ms, stamp_ms)) in (0..).zip((0..100).filter_map(frames)) {
            let timestamp = 1_000_000_u32.wrapping_add_signed(stamp_ms * 90);
            meter.take(&packet(sequence, timestamp, &[0x41]), start + Duration::from_millis(arrives_ms.into()));
        }
        assert_eq!(meter.n_clock_jumps(), expected);
        check_near(meter.delay_growth_ms(Some(1.0)), 0.0, 60.0);
    }

    #[test]
    fn small_jumps_of_a_clock_are_told_from_pauses() {
        let stamp = |n: u32| (n * 40).cast_signed();
        for by in [400, 900, -400] {
            check_steps(|n| Some((n * 40, stamp(n) + by * (n / 25 % 2).cast_signed())), 3);
        }
        check_steps(|n| Some((n * 40, stamp(n) + if n > 50 { 400 } else { 0 })), 0);
        check_steps(|n| (n % 25 < 10).then_some((n * 40, stamp(n))), 0);
        check_steps(|n| Some((if n % 50 < 15 { n / 50 * 50 + 15 } else { n } * 40, stamp(n))), 0);
        // Pictures of a stream with seven B pictures between two others.
        check_steps(|n| Some((n * 40, stamp(if n % 8 == 0 { n + 7 } else { n - 1 }))), 0);
    }

    #[test]
    fn a_clock_that_jumps_is_no_delay() {
        let start = Instant::now();
        let mut meter = Meter::new(Codec::H264, 90_000);
        for n in 0..100_u16 {
            let jump = if n >= 50 { 900_000_000 } else { 0 };
            let at = start + Duration::from_millis(40) * u32::from(n);
            meter.take(&packet(n, u32::from(n) * 3_600 + jump, &[0x41]), at);
        }
        assert_eq!((meter.n_clock_jumps(), meter.n_restarts(), meter.n_lost()), (1, 0, 0));
        check_jumps(0, 0);
        check_jumps(-50, 1);
        check_jumps(-15, 1);
        check_jumps(-1, 0);
        check_jumps(20, 1);
        check_jumps(5, 0);
        check_near(meter.delay_growth_ms(Some(1.0)), 0.0, 1.0);
        check_near(meter.fps(), 25.0, 0.01);
    }

    #[test]
    fn nothing_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(5);
        let start = Instant::now();
        for codec in [Codec::H264, Codec::H265, Codec::Jpeg, Codec::Mpeg4, Codec::Other] {
            let mut meter = Meter::new(codec, 90_000);
            for n in 0..20_000 {
                let mut bytes: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
                if let Some(first) = bytes.first_mut().filter(|_| n % 4 != 0) {
                    *first = 0x80 | *first & 0x3f;
                }
                meter.take(&bytes, start + Duration::from_millis(n));
            }
            let _ = (
                meter.fps(),
                meter.loss_percent(),
                meter.key_frame_secs(),
                meter.delay_growth_ms(Some(1.0)),
                meter.size(),
            );
            assert!(meter.n_received() > 0);
        }
    }
}
