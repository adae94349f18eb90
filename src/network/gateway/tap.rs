//! What is recorded of a stream: its packets put together to pictures again, before they go to the player.

use std::time::{Duration, Instant};

use crate::network::rtp::{CodedPicture, Depacketiser, RtpPacket};
use crate::network::sdp::{Codec, VideoFormat};
use crate::packet::{Packet, PacketSink, VideoCodec, wall_clock_at};

/// A camera's clock begins anywhere; pictures that are shown before the first one have a time too.
const BEGINNING: Duration = Duration::from_hours(1);
/// Parameter sets that are kept while nothing is wanted. A camera has three or four.
const MAX_SETS: usize = 16;

/// Puts pictures into a sink, while they are wanted there.
pub struct PacketTap {
    packets: PacketSink,
    codec: Codec,
    clock: StampClock,
    /// Announced, or seen since: some cameras send them once.
    sets: Vec<Vec<u8>>,
    /// While pictures are wanted.
    depacketiser: Option<Depacketiser>,
}

impl PacketTap {
    pub fn new(format: &VideoFormat, packets: PacketSink) -> Self {
        let clock = StampClock::new(f64::from(format.clock_rate));
        Self { packets, codec: format.codec, clock, sets: format.parameter_sets.clone(), depacketiser: None }
    }

    /// Takes a packet, in order. Never waits.
    pub fn take(&mut self, packet: &[u8], now: Instant) {
        let (Some(video), Some(packet)) = (video_codec(self.codec), RtpPacket::parse(packet)) else { return };
        if !self.packets.is_wanted() {
            self.depacketiser = None;
            for set in packet.sets(self.codec) {
                self.sets.retain(|known| *known != set);
                self.sets.push(set);
                let n_old = self.sets.len().saturating_sub(MAX_SETS);
                self.sets.drain(..n_old);
            }
            return;
        }
        let depacketiser = self.depacketiser.get_or_insert_with(|| Depacketiser::new(video, &self.sets, None));
        for picture in depacketiser.take(&packet, now) {
            let packet = self.clock.stamped(video, picture);
            self.packets.put(packet);
        }
    }

    /// No more packets come.
    pub fn flush(&mut self) {
        let picture = self.depacketiser.as_mut().and_then(Depacketiser::flush);
        if let (Some(video), Some(picture)) = (video_codec(self.codec), picture) {
            self.packets.put(self.clock.stamped(video, picture));
        }
    }
}

/// As a recording holds it; `None` where none can.
fn video_codec(codec: Codec) -> Option<VideoCodec> {
    match codec {
        Codec::H264 => Some(VideoCodec::H264),
        Codec::H265 => Some(VideoCodec::H265),
        Codec::Jpeg => Some(VideoCodec::Jpeg),
        _ => None,
    }
}

/// The stamps of RTP, which begin anew at 2^32, as times that go on.
struct StampClock {
    rate: f64,
    last: Option<u32>,
    ticks: i64,
}

impl StampClock {
    fn new(rate: f64) -> Self {
        Self { rate, last: None, ticks: 0 }
    }

    fn stamped(&mut self, codec: VideoCodec, picture: CodedPicture) -> Packet {
        Packet {
            codec,
            is_key: picture.is_key,
            is_damaged: picture.is_damaged,
            is_made_here: false,
            n_lost_before: 0,
            stamp: Some(self.stamp(picture.rtp_timestamp)),
            taken_at: picture.taken_at,
            taken_at_wall: wall_clock_at(picture.taken_at),
            sets: picture.sets,
            size: picture.size,
            bytes: picture.bytes.into(),
        }
    }

    fn stamp(&mut self, timestamp: u32) -> Duration {
        let step = timestamp.wrapping_sub(self.last.unwrap_or(timestamp)).cast_signed();
        (self.last, self.ticks) = (Some(timestamp), self.ticks + i64::from(step));
        let secs = BEGINNING.as_secs_f64() + self.ticks as f64 / self.rate;
        Duration::try_from_secs_f64(secs).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_go_on() {
        #[track_caller]
        fn check(timestamps: &[u32], expected_ms: &[i64]) {
            let mut clock = StampClock::new(90_000.0);
            let got: Vec<i64> = timestamps
                .iter()
                .map(|timestamp| clock.stamp(*timestamp).as_millis())
                .map(|ms| i64::try_from(ms).unwrap() - 3_600_000)
                .collect();
            assert_eq!(got, expected_ms, "{timestamps:?}");
        }
        check(&[0, 3_600, 7_200], &[0, 40, 80]);
        check(&[u32::MAX - 3_599, 0, 3_600], &[0, 40, 80]);
        check(&[7_200, 0, 3_600], &[0, -80, -40]);
    }
}
