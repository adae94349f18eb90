//! What a camera sent of one picture, coded as it was: what is recorded, so that a recording holds the camera's own bytes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::frame::Size;

/// What a recording can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    Jpeg,
    H264,
    H265,
}

impl VideoCodec {
    /// As people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        }
    }
}

/// What a decoder needs before the first picture, as units without a start code or a length. None for JPEG; `vps` for H.265 alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterSets {
    pub vps: Vec<Vec<u8>>,
    pub sps: Vec<Vec<u8>>,
    pub pps: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Of all of them together.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        [&self.vps, &self.sps, &self.pps].into_iter().flatten().map(Vec::len).sum()
    }
}

/// One coded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub codec: VideoCodec,
    /// A decoder can begin with it.
    pub is_key: bool,
    /// Parts of it have not come, or cannot be right.
    pub is_damaged: bool,
    /// The program has coded it, of a picture that came as pixels.
    pub is_made_here: bool,
    /// Pictures between it and the packet before that were to come and did not.
    pub n_lost_before: u64,
    /// By the camera's own clock, from any beginning; it may jump and run at a wrong rate. `None` where the camera tells no time.
    pub stamp: Option<Duration>,
    pub taken_at: Instant,
    pub taken_at_wall: SystemTime,
    /// Those that hold for it.
    pub sets: Arc<ParameterSets>,
    /// As its own bytes or the parameter sets say.
    pub size: Option<Size>,
    /// A JPEG file; of H.264 and H.265 the units (NAL), each behind its length in four bytes, the largest first (ISO/IEC 14496-15).
    pub bytes: Arc<[u8]>,
}

impl Packet {
    /// A JPEG that came at that moment; `size` is what it says itself.
    #[must_use]
    pub fn jpeg(
        bytes: &[u8],
        size: Option<Size>,
        is_damaged: bool,
        stamp: Option<Duration>,
        taken_at: Instant,
    ) -> Self {
        Self {
            codec: VideoCodec::Jpeg,
            is_key: true,
            is_damaged,
            is_made_here: false,
            n_lost_before: 0,
            stamp,
            taken_at,
            taken_at_wall: wall_clock_at(taken_at),
            sets: Arc::default(),
            size,
            bytes: bytes.into(),
        }
    }
}

/// What the wall clock showed at a moment that is not long ago.
#[must_use]
pub fn wall_clock_at(moment: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(moment.elapsed()).unwrap_or(now)
}

pub mod ring;

/// Where a source puts what the camera sends, while somebody wants it. Clones share it.
#[derive(Clone, Default)]
pub struct PacketSink(Option<Arc<dyn TakePackets>>);

/// Takes packets from a source, on whichever thread has them. Neither call may wait.
pub trait TakePackets: Send + Sync {
    /// A source that has something to do for packets leaves it while nobody wants them.
    fn are_wanted(&self) -> bool;

    /// Whether packets are made of the pictures that the source hands out: each of them is needed then, as large as it comes.
    fn are_made_of_pictures(&self) -> bool {
        false
    }

    fn take(&self, packet: Packet);
}

impl PacketSink {
    #[must_use]
    pub fn to(taker: Arc<dyn TakePackets>) -> Self {
        Self(Some(taker))
    }

    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|taker| taker.are_wanted())
    }

    /// See [`TakePackets::are_made_of_pictures`].
    #[must_use]
    pub fn needs_pictures(&self) -> bool {
        self.0.as_ref().is_some_and(|taker| taker.are_made_of_pictures())
    }

    pub fn put(&self, packet: Packet) {
        if let Some(taker) = self.0.as_ref().filter(|taker| taker.are_wanted()) {
            taker.take(packet);
        }
    }
}

impl fmt::Debug for PacketSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PacketSink").field(&self.is_wanted()).finish()
    }
}
