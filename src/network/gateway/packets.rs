//! Packets from the camera to the player: over TCP or UDP, in order, counted, and none before the first key frame. They are
//! passed on as they came.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::network::rtp::Packet;
use crate::network::sdp::Codec;

/// What an Ethernet frame can carry, and more.
const MAX_PACKET: usize = 65_536;
/// Packets that came too early, and wait for those before them.
const MAX_EARLY: usize = 64;
/// How long a read of the socket blocks at most.
const SLICE: Duration = Duration::from_millis(50);
/// How often the camera is told that its packets arrive (RFC 3550, 6.2).
const REPORT_PERIOD: Duration = Duration::from_secs(5);
/// An empty receiver report: version 2, no blocks, type 201, one word more, any source.
const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0x43, 0x43, 0x43, 0x43];

/// How the packets travel.
pub enum PacketSource {
    /// Interleaved with the answers, on this channel.
    Tcp {
        channel: u8,
    },
    Udp(Udp),
}

/// Two sockets, for RTP and RTCP.
pub struct Udp {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Packets from other addresses are left out.
    from: IpAddr,
    reports_to: Option<SocketAddr>,
    report_due: Instant,
    order: ReorderBuffer,
    buffer: Vec<u8>,
}

impl Udp {
    /// Two ports beside each other, the first one even (RFC 3550, section 11).
    ///
    /// # Errors
    /// The system has none.
    pub fn bind(local: IpAddr, camera: IpAddr) -> std::io::Result<Self> {
        for _ in 0..64 {
            let rtp = UdpSocket::bind((local, 0))?;
            let port = rtp.local_addr()?.port();
            if port % 2 != 0 || port == u16::MAX {
                continue;
            }
            if let Ok(rtcp) = UdpSocket::bind((local, port + 1)) {
                rtp.set_read_timeout(Some(SLICE))?;
                rtcp.set_nonblocking(true)?;
                let buffer = vec![0; MAX_PACKET];
                let (order, report_due) = (ReorderBuffer::default(), Instant::now() + REPORT_PERIOD);
                return Ok(Self { rtp, rtcp, from: camera, reports_to: None, report_due, order, buffer });
            }
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// The first of the two.
    pub fn port(&self) -> std::io::Result<u16> {
        Ok(self.rtp.local_addr()?.port())
    }

    /// `source` is from where the camera has agreed to send. Something is sent there, so that firewalls let its packets through.
    pub fn on_agreed(&mut self, source: Option<IpAddr>, ports: Option<(u16, u16)>) {
        self.from = source.unwrap_or(self.from);
        if let Some((rtp, rtcp)) = ports {
            self.reports_to = Some(SocketAddr::new(self.from, rtcp));
            // Version 2, nothing else. Nothing depends on its arrival.
            let _ = self.rtp.send_to(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (self.from, rtp));
            let _ = self.rtcp.send_to(&RECEIVER_REPORT, (self.from, rtcp));
        }
    }

    /// The next packets in order; none if none come by the deadline.
    pub fn next(&mut self, deadline: Instant) -> Vec<Vec<u8>> {
        loop {
            let now = Instant::now();
            if now >= self.report_due {
                self.report_due = now + REPORT_PERIOD;
                if let Some(to) = self.reports_to {
                    let _ = self.rtcp.send_to(&RECEIVER_REPORT, to);
                }
                // What the camera reports is not needed, and must not pile up.
                while self.rtcp.recv(&mut self.buffer).is_ok() {}
            }
            if now >= deadline {
                return Vec::new();
            }
            let Ok((n, from)) = self.rtp.recv_from(&mut self.buffer) else { continue };
            let packet = self.buffer.get(..n).unwrap_or_default();
            if from.ip() != self.from {
                continue;
            }
            let in_order = self.order.push(packet);
            if !in_order.is_empty() {
                return in_order;
            }
        }
    }
}

/// Puts packets into order that have overtaken each other.
#[derive(Default)]
struct ReorderBuffer {
    next: Option<u16>,
    /// By how far they are ahead.
    early: BTreeMap<u16, Vec<u8>>,
}

impl ReorderBuffer {
    fn push(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let Some(Packet { sequence, .. }) = Packet::parse(packet) else { return Vec::new() };
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence.wrapping_sub(next);
        let is_restart = (1_000..=u16::MAX - 1_000).contains(&ahead);
        if ahead > u16::MAX / 2 && !is_restart {
            // Too late: those after it have gone.
            return Vec::new();
        }
        let mut out = Vec::new();
        if is_restart {
            out.extend(std::mem::take(&mut self.early).into_values());
            self.next = Some(sequence.wrapping_add(1));
            out.push(packet.to_vec());
            return out;
        }
        self.early.insert(ahead, packet.to_vec());
        if self.early.len() > MAX_EARLY {
            // What is missing does not come any more.
            let n_missing = self.early.keys().next().copied().unwrap_or_default();
            self.advance(n_missing);
        }
        while let Some(packet) = self.early.remove(&0) {
            out.push(packet);
            self.advance(1);
        }
        out
    }

    fn advance(&mut self, by: u16) {
        self.next = self.next.map(|next| next.wrapping_add(by));
        let early = std::mem::take(&mut self.early);
        self.early = early.into_iter().map(|(ahead, packet)| (ahead.saturating_sub(by), packet)).collect();
    }
}

/// Lets packets through from the first key frame on, and counts what is lost.
pub struct KeyFrameGate {
    codec: Codec,
    is_open: bool,
    /// Of the frame that may turn out to be a key frame: more may come before the picture itself, with the same time stamp.
    frame: Vec<Vec<u8>>,
    timestamp: u32,
    expected: Option<u16>,
    n_lost: u64,
}

impl KeyFrameGate {
    pub fn new(codec: Codec) -> Self {
        Self { codec, is_open: false, frame: Vec::new(), timestamp: 0, expected: None, n_lost: 0 }
    }

    pub fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// Until the next key frame.
    pub fn close(&mut self) {
        self.is_open = false;
        self.frame.clear();
    }

    /// What may go on, now that this has come; `None` before the first key frame.
    pub fn pass(&mut self, packet: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        let parsed = Packet::parse(&packet)?;
        let (sequence, timestamp) = (parsed.sequence, parsed.timestamp);
        // A codec that does not show it is left to the decoder.
        let is_key = parsed.is_key(self.codec).unwrap_or(true);
        if let Some(expected) = self.expected {
            let gap = sequence.wrapping_sub(expected);
            // A larger gap is a camera that counts anew, or a packet that comes late.
            if gap < 1_000 {
                self.n_lost += u64::from(gap);
            }
        }
        self.expected = Some(sequence.wrapping_add(1));
        if self.is_open {
            return Some(vec![packet]);
        }
        if self.timestamp != timestamp {
            self.timestamp = timestamp;
            self.frame.clear();
        }
        self.frame.push(packet);
        if self.frame.len() > MAX_FRAME_PACKETS {
            self.frame.clear();
        }
        self.is_open = is_key;
        is_key.then(|| std::mem::take(&mut self.frame))
    }
}

/// Of one frame; no camera sends more, as it has a megabyte then.
const MAX_FRAME_PACKETS: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(payload);
        packet
    }

    #[track_caller]
    fn check_order(sequences: &[u16], expected: &[u16]) {
        let mut order = ReorderBuffer::default();
        let out = sequences.iter().flat_map(|n| order.push(&packet(*n, 0, &[1])));
        assert_eq!(
            out.filter_map(|packet| Some(Packet::parse(&packet)?.sequence)).collect::<Vec<_>>(),
            expected,
            "{sequences:?}"
        );
    }

    #[test]
    fn packets_are_put_in_order() {
        check_order(&[5, 6, 7], &[5, 6, 7]);
        check_order(&[5, 7, 6, 8], &[5, 6, 7, 8]);
        check_order(&[65_534, 0, 65_535, 1], &[65_534, 65_535, 0, 1]);
        check_order(&[5, 6, 5, 6, 7], &[5, 6, 7]);
        check_order(&[5, 6, 30_000, 30_001], &[5, 6, 30_000, 30_001]);
        // One that is lost does not hold the others up for ever.
        let sequences: Vec<u16> = (0..10).chain(11..100).collect();
        let expected: Vec<u16> = (0..10).chain(11..100).collect();
        check_order(&sequences, &expected);
    }

    #[test]
    fn nothing_passes_before_the_first_key_frame() {
        let mut gate = KeyFrameGate::new(Codec::H264);
        assert_eq!(gate.pass(packet(1, 10, &[0x41, 0])), None);
        let (before, key) = (packet(2, 20, &[0x06, 0]), packet(3, 20, &[0x65, 0]));
        assert_eq!(gate.pass(before.clone()), None);
        assert_eq!(gate.pass(key.clone()), Some(vec![before, key]), "the whole frame");
        let next = packet(6, 30, &[0x41, 0]);
        assert_eq!(gate.pass(next.clone()), Some(vec![next]));
        assert_eq!(gate.n_lost(), 2);
        gate.close();
        assert_eq!(gate.pass(packet(7, 40, &[0x41, 0])), None);
        assert_eq!((gate.pass(vec![0x80]), gate.pass(Vec::new())), (None, None));
    }

    #[test]
    fn junk_is_no_packet() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut gate, mut order) = (KeyFrameGate::new(Codec::H265), ReorderBuffer::default());
        for _ in 0..20_000 {
            let mut junk: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
            if let Some(first) = junk.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            for packet in order.push(&junk) {
                let _ = gate.pass(packet);
            }
        }
    }
}
