//! Which of the packets that come are those of the video, and what they hold.
//!
//! Cameras announce one thing and send another: another payload type, channel or codec, or packets that are encrypted each for itself.
//! So the packets are looked at before anything is played or judged. Of a camera that keeps its word the first packet decides.

use std::collections::VecDeque;

use super::ConnectionFinding;
use super::rtp::{RtpPacket, SenderClock};
use super::sdp::{Codec, SessionDescription, VideoFormat, VideoMedia};
use crate::fault::FaultKind;

/// Packets of another kind than was agreed on are taken for the video once so many have come, and none as agreed.
const FEW: u32 = 4;
/// So many packets tell what they hold.
const ENOUGH: u32 = 8;
/// After so many that hold nothing known, nothing known comes any more.
const TOO_MANY: u32 = 60;
/// Other kinds of packets are not looked at.
const MAX_KINDS: usize = 8;
/// So much waits until it is known: the first pictures of the largest stream.
const MAX_HELD_BYTES: usize = 8 << 20;

/// A video as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundVideo {
    pub format: VideoFormat,
    /// What the camera announced otherwise, in words; empty where it kept its word.
    pub remark: String,
}

/// Packets of one payload type on one channel, of so many that are like the codecs that can be told apart.
#[derive(Clone, Copy, Debug)]
struct PacketKind {
    channel: u8,
    payload_type: u8,
    n: u32,
    n_264: u32,
    n_265: u32,
}

/// Looks at packets until it is known which ones are the video, and lets these through from then on.
#[derive(Debug)]
pub struct VideoFinder {
    announced: VideoMedia,
    channel: u8,
    kinds: Vec<PacketKind>,
    held: VecDeque<(u8, Vec<u8>)>,
    n_held_bytes: usize,
    found: Option<(PacketKind, FoundVideo)>,
    clock: SenderClock,
}

impl VideoFinder {
    /// `channel` is the one that was agreed on; over UDP any.
    #[must_use]
    pub fn new(description: &SessionDescription, channel: u8) -> Self {
        let (announced, clock) = (description.video.clone(), SenderClock::default());
        Self { announced, channel, kinds: Vec::new(), held: VecDeque::new(), n_held_bytes: 0, found: None, clock }
    }

    /// The camera's seconds for each second of the video's time stamps, where it reports that.
    #[must_use]
    pub fn reported_rate(&self) -> Option<f64> {
        self.clock.rate(self.found()?.format.clock_rate)
    }

    #[must_use]
    pub fn found(&self) -> Option<&FoundVideo> {
        self.found.as_ref().map(|(_, found)| found)
    }

    /// The packets of the video that are known now that this one has come.
    ///
    /// # Errors
    /// They hold what nobody can play (F91).
    pub fn take(&mut self, channel: u8, packet: Vec<u8>) -> Result<Vec<Vec<u8>>, ConnectionFinding> {
        let Some(parsed) = RtpPacket::parse(&packet) else {
            self.clock.take(&packet);
            return Ok(Vec::new());
        };
        let payload_type = parsed.payload_type;
        if let Some((kind, _)) = &self.found {
            let is_video = (kind.channel, kind.payload_type) == (channel, payload_type);
            return Ok(if is_video { vec![packet] } else { Vec::new() });
        }
        let is_it = |kind: &PacketKind| (kind.channel, kind.payload_type) == (channel, payload_type);
        let at = self.kinds.iter().position(is_it).unwrap_or(self.kinds.len());
        if at == MAX_KINDS {
            return Ok(Vec::new());
        }
        if at == self.kinds.len() {
            self.kinds.push(PacketKind { channel, payload_type, n: 0, n_264: 0, n_265: 0 });
        }
        let Some(kind) = self.kinds.get_mut(at) else { return Ok(Vec::new()) };
        kind.n += 1;
        let like = [Codec::H264, Codec::H265].map(|codec| parsed.is_like(codec));
        kind.n_264 += u32::from(like == [true, false]);
        kind.n_265 += u32::from(like == [false, true]);
        let kind = *kind;
        self.hold(channel, packet);
        let Some(found) = self.judge(kind)? else { return Ok(Vec::new()) };
        self.found = Some((kind, found));
        let held = std::mem::take(&mut self.held).into_iter();
        let is_video = |(channel, packet): &(u8, Vec<u8>)| {
            *channel == kind.channel
                && RtpPacket::parse(packet).is_some_and(|packet| packet.payload_type == kind.payload_type)
        };
        Ok(held.filter(is_video).map(|(_, packet)| packet).collect())
    }

    fn hold(&mut self, channel: u8, packet: Vec<u8>) {
        self.n_held_bytes += packet.len();
        self.held.push_back((channel, packet));
        while self.n_held_bytes > MAX_HELD_BYTES {
            let Some((_, oldest)) = self.held.pop_front() else { break };
            self.n_held_bytes -= oldest.len();
        }
    }

    fn is_agreed(&self, kind: &PacketKind) -> bool {
        kind.channel == self.channel && self.format_of(kind.payload_type).is_some()
    }

    fn format_of(&self, payload_type: u8) -> Option<&VideoFormat> {
        let VideoMedia { format, others, .. } = &self.announced;
        std::iter::once(format).chain(others).find(|format| format.payload_type == payload_type)
    }

    /// Whether this kind is the video, now that one more of it has come.
    fn judge(&self, kind: PacketKind) -> Result<Option<FoundVideo>, ConnectionFinding> {
        let is_agreed = self.is_agreed(&kind);
        if !is_agreed && (kind.n < FEW || self.kinds.iter().any(|kind| self.is_agreed(kind))) {
            return Ok(None);
        }
        let told = self.format_of(kind.payload_type).unwrap_or(&self.announced.format);
        let (n_told, n_other, other) = match told.codec {
            Codec::H264 => (kind.n_264, kind.n_265, Codec::H265),
            Codec::H265 => (kind.n_265, kind.n_264, Codec::H264),
            codec => {
                // What the packets of others hold is not to be seen; but these begin otherwise than those that show in each packet.
                let differs = matches!(codec, Codec::Jpeg | Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::Other);
                let holds = match () {
                    () if differs && kind.n_264 == kind.n => Codec::H264,
                    () if differs && kind.n_265 == kind.n => Codec::H265,
                    () => codec,
                };
                let is_known = holds == codec || kind.n >= ENOUGH;
                return Ok(is_known.then(|| self.found_as(kind, told, holds)));
            }
        };
        let n_least = if self.announced.is_encrypted { ENOUGH } else { 1 };
        let is_told = n_told >= n_least && n_other == 0 && (kind.n < ENOUGH || 2 * n_told >= kind.n);
        let is_other = kind.n >= ENOUGH && n_other > n_told && 2 * n_other >= kind.n;
        match () {
            () if is_told || kind.n >= ENOUGH && n_told > n_other && 2 * n_told >= kind.n => {
                Ok(Some(self.found_as(kind, told, told.codec)))
            }
            () if is_other => Ok(Some(self.found_as(kind, told, other))),
            () if kind.n < TOO_MANY => Ok(None),
            () => Err(self.unknown(told)),
        }
    }

    fn found_as(&self, kind: PacketKind, told: &VideoFormat, codec: Codec) -> FoundVideo {
        let mut format = VideoFormat { payload_type: kind.payload_type, ..told.clone() };
        let mut remarks = Vec::new();
        if codec != told.codec {
            let announced = if told.codec == Codec::Other { &told.encoding } else { told.codec.name() };
            remarks.push(format!("it announces {announced}, and its packets hold {}", codec.name()));
            let encoding = codec.name().replace('.', "");
            (format.codec, format.encoding, format.clock_rate) = (codec, encoding, 90_000);
            (format.parameters, format.parameter_sets) = (String::new(), Vec::new());
        }
        if self.format_of(kind.payload_type).is_none() {
            let (agreed, come) = (told.payload_type, kind.payload_type);
            remarks.push(format!("it announces the payload type {agreed}, and its packets have {come}"));
        }
        if kind.channel != self.channel {
            let (agreed, come) = (self.channel, kind.channel);
            remarks.push(format!("channel {agreed} was agreed on, and its packets come on channel {come}"));
        }
        FoundVideo { format, remark: remarks.join("; ") }
    }

    fn unknown(&self, told: &VideoFormat) -> ConnectionFinding {
        let finding = |message: String| ConnectionFinding::new("F91", FaultKind::CodecMissing, message);
        if self.announced.is_encrypted {
            finding("the camera encrypts each packet (SRTP), as it announces, and this program does not decrypt them".into())
                .with_advice(
                    "Take the address without “?enableSrtp”, or switch SRTP off in the camera's settings. rtsps:// encrypts without it.",
                )
        } else {
            finding(format!(
                "the camera announces {}, and its packets hold something else, or are encrypted",
                told.codec.name()
            ))
            .with_advice("Switch encryption of the stream (SRTP) off in the camera's settings, and choose H.264 there; restart the camera.")
            .unsure(0.8)
        }
    }

    /// Why there is no video although packets came; `None` if none came at all.
    #[must_use]
    pub fn why_none(&self) -> Option<String> {
        let kinds = self.kinds.iter().map(|kind| format!("{} of payload type {}", kind.n, kind.payload_type));
        let kinds: Vec<String> = kinds.collect();
        let wanted = self.announced.format.payload_type;
        (!kinds.is_empty()).then(|| format!("packets come ({}; announced: {wanted})", kinds.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::network::sdp;

    const H264: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000";
    const H265: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000";

    /// Packets as `channel:type:kind`, where the kind is `4` or `5` for one of H.264 or H.265 and `?` for one of neither, and so many of
    /// each in turn; as `codec type|remark`, or the error, and how many packets came out.
    #[track_caller]
    fn check(media: &str, packets: &[(&str, u32)], expected: &str, n_out: usize) {
        let asked = Address::parse("rtsp://cam/1").unwrap();
        let mut finder = VideoFinder::new(&sdp::read(media.as_bytes(), None, &asked).unwrap(), 0);
        let (mut out, mut error) = (0, None);
        for (kind, n) in packets {
            let mut parts = kind.split(':');
            let (channel, payload_type) =
                (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse::<u8>().unwrap());
            let payload: &[u8] = match parts.next().unwrap() {
                "4" => &[0x41, 0x9a],
                "5" => &[0x02, 1],
                _ => &[0xff, 0xff],
            };
            for _ in 0..*n {
                let mut packet = vec![0x80, payload_type, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
                packet.extend(payload);
                match finder.take(channel, packet) {
                    Ok(packets) => out += packets.len(),
                    Err(finding) => error = error.or(Some(finding.fault.message.to_string())),
                }
            }
        }
        let found = finder
            .found()
            .map(|FoundVideo { format, remark }| format!("{} {}|{remark}", format.codec.name(), format.payload_type));
        assert_eq!(error.or(found).unwrap_or_else(|| "-".into()), expected, "{media} {packets:?}");
        assert_eq!(out, n_out, "{media} {packets:?}");
    }

    #[test]
    fn a_camera_that_keeps_its_word_is_believed_at_once() {
        check(H264, &[("0:96:4", 1)], "H.264 96|", 1);
        check(H265, &[("0:96:5", 3)], "H.265 96|", 3);
        check("m=video 0 RTP/AVP 26", &[("0:26:?", 1)], "MJPEG 26|", 1);
        // Sound, or what it sees, among them.
        check(H264, &[("2:0:?", 9), ("0:107:?", 9), ("0:96:4", 2), ("0:107:?", 9)], "H.264 96|", 2);
        check(H264, &[("0:96:?", 3), ("0:96:4", 1)], "H.264 96|", 4);
        check("m=video 0 RTP/AVP 35 96\r\na=rtpmap:35 H265/9\r\na=rtpmap:96 H264/9", &[("0:96:4", 2)], "H.264 96|", 2);
    }

    #[test]
    fn what_comes_otherwise_is_found() {
        check(H265, &[("0:96:4", 9)], "H.264 96|it announces H.265, and its packets hold H.264", 9);
        check(H264, &[("0:96:5", 9)], "H.265 96|it announces H.264, and its packets hold H.265", 9);
        check(H264, &[("0:97:4", 9)], "H.264 97|it announces the payload type 96, and its packets have 97", 9);
        check(H264, &[("2:96:4", 9)], "H.264 96|channel 0 was agreed on, and its packets come on channel 2", 9);
        check(
            "m=video 0 RTP/AVP 26",
            &[("0:96:?", 9)],
            "MJPEG 96|it announces the payload type 26, and its packets have 96",
            9,
        );
        let as_vp9 = H264.replace("H264", "VP9");
        check(&as_vp9, &[("0:96:4", 9)], "H.264 96|it announces VP9, and its packets hold H.264", 9);
        check(&as_vp9, &[("0:96:5", 9)], "H.265 96|it announces VP9, and its packets hold H.265", 9);
        check(&as_vp9, &[("0:96:?", 1), ("0:96:4", 9)], "VP9 96|", 10);
        check("m=video 0 RTP/AVP 26", &[("0:26:4", 9)], "H.264 26|it announces MJPEG, and its packets hold H.264", 9);
        check(
            &H264.replace("H264", "X-own"),
            &[("0:96:4", 9)],
            "H.264 96|it announces X-own, and its packets hold H.264",
            9,
        );
        // Too little to tell.
        check(&as_vp9, &[("0:96:4", 7)], "-", 0);
        check(H264, &[("0:97:4", 3)], "-", 0);
        check(H265, &[("0:96:4", 7)], "-", 0);
    }

    #[test]
    fn packets_that_nobody_can_read_are_named() {
        let srtp = H264.replace("RTP/AVP", "RTP/SAVP");
        let encrypted =
            "the camera encrypts each packet (SRTP), as it announces, and this program does not decrypt them";
        check(&srtp, &[("0:96:?", 20), ("0:96:4", 2), ("0:96:5", 2), ("0:96:?", 60)], encrypted, 0);
        check(
            H264,
            &[("0:96:?", 60)],
            "the camera announces H.264, and its packets hold something else, or are encrypted",
            0,
        );
        // Announced, and not done.
        check(&srtp, &[("0:96:4", 9)], "H.264 96|", 9);
    }

    #[test]
    fn what_waits_is_bounded() {
        let asked = Address::parse("rtsp://cam/1").unwrap();
        let mut finder = VideoFinder::new(&sdp::read(H264.as_bytes(), None, &asked).unwrap(), 0);
        for n in 0..2_000_u32 {
            let kind = u8::try_from(n % 60).unwrap();
            let mut packet = vec![0x80, kind, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
            packet.resize(60_000, 0xff);
            let _ = finder.take(4, packet);
        }
        assert!(finder.kinds.len() <= MAX_KINDS && finder.n_held_bytes <= MAX_HELD_BYTES, "{finder:?}");
    }
}
