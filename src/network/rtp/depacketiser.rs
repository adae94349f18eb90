//! Pictures out of the packets of RTP, coded as the camera coded them.
//!
//! Here is what all codecs share: which packets are missing, and where a picture ends. What a packet holds is known by the
//! [`Assembly`] of its codec.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::h264::H264;
use super::h265::H265;
use super::jpeg::JpegAssembly;
use super::nal::NalAssembly;
use super::{MAX_GAP, MAX_STEP_BACK, RtpPacket};
use crate::frame::Size;
use crate::packet::{ParameterSets, VideoCodec};

/// Larger pictures are dropped: bytes.
pub(super) const MAX_PICTURE: usize = 16 << 20;

/// One picture of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodedPicture {
    /// A decoder can begin with it.
    pub is_key: bool,
    /// Parts of it, or pictures before it, have not come or cannot be right.
    pub is_damaged: bool,
    pub rtp_timestamp: u32,
    /// When its first packet came.
    pub taken_at: Instant,
    /// Those that hold for it; another `Arc` only where they are others.
    pub sets: Arc<ParameterSets>,
    pub size: Option<Size>,
    /// A JPEG file; of H.264 and H.265 the units, each behind its length in four bytes, without parameter sets and delimiters.
    pub bytes: Vec<u8>,
}

/// Where a packet stands in its picture, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketPlace {
    /// It begins another picture than what has come before it.
    New,
    /// The same, if that was ended by a marker: else it may be the second field of the same.
    NewBehindMarker,
    /// It goes on with what has come before it.
    GoesOn,
    Unknown,
}

/// A picture that has been put together.
#[derive(Debug)]
pub(super) struct Assembled {
    pub is_key: bool,
    pub is_damaged: bool,
    pub sets: Arc<ParameterSets>,
    pub size: Option<Size>,
    pub bytes: Vec<u8>,
}

/// Puts pictures of one codec together, one at a time.
pub(super) trait Assembly: fmt::Debug + Send {
    fn place(&self, packet: &RtpPacket<'_>) -> PacketPlace;

    /// Takes in what a packet holds. False where something of it is missing or cannot be right.
    fn push(&mut self, packet: &RtpPacket<'_>) -> bool;

    /// The rest of a picture that has been given out too early is of use alone.
    fn keeps_rests(&self) -> bool;

    /// Packets are missing behind the last one.
    fn lose(&mut self);

    /// The picture has coded data, and may be over.
    fn may_end(&self) -> bool;

    /// No more comes of the picture. False where a unit has no end.
    fn close(&mut self) -> bool;

    /// The picture; `None` where there is none. Then what has come belongs to the next one, unless it is damaged. `is_rest`: an earlier
    /// part of the picture has been given out.
    fn finish(&mut self, is_damaged: bool, is_rest: bool) -> Option<Assembled>;

    /// Why there was no picture, if that is the camera's way.
    fn why_none(&self) -> Option<&'static str>;
}

/// The picture whose packets are coming.
#[derive(Clone, Copy, Debug)]
struct OpenPicture {
    timestamp: u32,
    taken_at: Instant,
    /// Its newest packet has the marker.
    is_marked: bool,
    is_rest: bool,
}

/// What the camera's markers are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MarkerHabit {
    /// None has come with a picture.
    None,
    EndPictures,
    /// Pictures went on behind one. Then the time stamp ends them, or what shows itself to be the beginning of another.
    EndParts,
}

/// How a packet follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SequenceStep {
    First,
    Next,
    /// Others are missing before it.
    Gap,
    /// The sender counts anew.
    Anew,
    /// It came twice, or too late.
    Old,
}

/// Puts pictures together of the packets of one stream, which are pushed in order. Knows no clock: each call is told the time of
/// arrival.
#[derive(Debug)]
pub struct Depacketiser {
    assembly: Box<dyn Assembly>,
    /// Sender and number of the newest packet.
    newest: Option<(u32, u16)>,
    open: Option<OpenPicture>,
    /// Something is missing: of the open picture, or else before the next.
    is_damaged: bool,
    /// The time stamp of the picture that was last given out for its marker.
    ended: Option<u32>,
    markers: MarkerHabit,
    /// The picture has begun before us.
    is_joining: bool,
    n_dropped: u64,
}

impl Depacketiser {
    /// `announced`: the parameter sets of the description, as units, with or without start codes. `hint`: the size that the description
    /// tells (`a=x-dimensions`, `a=framesize`), for JPEG pictures that do not tell it.
    #[must_use]
    pub fn new(codec: VideoCodec, announced: &[Vec<u8>], hint: Option<Size>) -> Self {
        let assembly: Box<dyn Assembly> = match codec {
            VideoCodec::Jpeg => Box::new(JpegAssembly::new(hint)),
            VideoCodec::H264 => Box::new(NalAssembly::<H264>::new(announced)),
            VideoCodec::H265 => Box::new(NalAssembly::<H265>::new(announced)),
        };
        Self {
            assembly,
            newest: None,
            open: None,
            is_damaged: false,
            ended: None,
            markers: MarkerHabit::None,
            is_joining: false,
            n_dropped: 0,
        }
    }

    /// Takes a packet in, and gives the pictures that are over with it: two at most.
    pub fn take(&mut self, packet: &RtpPacket<'_>, now: Instant) -> Vec<CodedPicture> {
        let mut pictures = Vec::new();
        let step = self.step(packet);
        match step {
            SequenceStep::Old => return pictures,
            SequenceStep::First => self.is_joining = self.assembly.place(packet) == PacketPlace::GoesOn,
            SequenceStep::Next => {}
            SequenceStep::Gap => {
                self.assembly.lose();
                self.is_damaged = true;
                self.is_joining = false;
            }
            SequenceStep::Anew => {
                pictures.extend(self.flush());
                self.ended = None;
            }
        }
        let timestamp = packet.timestamp;
        let place = self.assembly.place(packet);
        let mut is_rest = false;
        if let Some(open) = self.open {
            let is_another = match place {
                PacketPlace::New => self.assembly.may_end(),
                PacketPlace::NewBehindMarker => open.is_marked && self.assembly.may_end(),
                PacketPlace::GoesOn | PacketPlace::Unknown => false,
            };
            if is_another || open.timestamp != timestamp {
                pictures.extend(self.end());
                // The end of that picture may be what is missing, or the beginning of this one, or others between them.
                self.is_damaged |= step == SequenceStep::Gap;
            }
        } else if self.ended == Some(timestamp) && place == PacketPlace::GoesOn && step == SequenceStep::Next {
            self.markers = MarkerHabit::EndParts;
            if !self.assembly.keeps_rests() {
                return pictures;
            }
            is_rest = true;
        }
        let open = self.open.get_or_insert(OpenPicture { timestamp, taken_at: now, is_marked: false, is_rest });
        open.is_marked = packet.marker;
        self.is_damaged |= !self.assembly.push(packet);
        if packet.marker && self.assembly.may_end() && self.markers != MarkerHabit::EndParts {
            self.markers = MarkerHabit::EndPictures;
            pictures.extend(self.end());
            self.ended = Some(timestamp);
        }
        pictures
    }

    /// The last picture, when no more packets come.
    pub fn flush(&mut self) -> Option<CodedPicture> {
        let open = self.open?;
        self.is_damaged |= self.markers != MarkerHabit::None && !open.is_marked && self.assembly.may_end();
        self.end()
    }

    /// Why the camera's packets gave no picture lately, as a sentence, if that is known.
    #[must_use]
    pub fn why_none(&self) -> Option<&'static str> {
        self.assembly.why_none()
    }

    /// Pictures of which packets came, but nothing that can be shown. The next one is marked as damaged.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    fn step(&mut self, packet: &RtpPacket<'_>) -> SequenceStep {
        let this = (packet.ssrc, packet.sequence);
        let Some((ssrc, newest)) = self.newest else {
            self.newest = Some(this);
            return SequenceStep::First;
        };
        let step = match packet.sequence.wrapping_sub(newest) {
            _ if packet.ssrc != ssrc => SequenceStep::Anew,
            1 => SequenceStep::Next,
            0 => SequenceStep::Old,
            2..=MAX_GAP => SequenceStep::Gap,
            step if step > u16::MAX - MAX_STEP_BACK => SequenceStep::Old,
            _ => SequenceStep::Anew,
        };
        if step != SequenceStep::Old {
            self.newest = Some(this);
        }
        step
    }

    fn end(&mut self) -> Option<CodedPicture> {
        let open = self.open.take()?;
        self.is_damaged |= !self.assembly.close();
        let is_damaged = std::mem::take(&mut self.is_damaged);
        let Some(picture) = self.assembly.finish(is_damaged, open.is_rest) else {
            let is_lost = is_damaged && !self.is_joining;
            self.is_joining &= !is_damaged;
            self.n_dropped += u64::from(is_lost);
            self.is_damaged = is_lost;
            return None;
        };
        self.is_joining = false;
        Some(CodedPicture {
            is_key: picture.is_key,
            is_damaged: picture.is_damaged,
            rtp_timestamp: open.timestamp,
            taken_at: open.taken_at,
            sets: picture.sets,
            size: picture.size,
            bytes: picture.bytes,
        })
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod generated;
