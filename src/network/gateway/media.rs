//! Packets on their way from the camera: over TCP or UDP, in order, counted, and none before the first key frame.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

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
pub enum Media {
    /// Within the conversation, on this channel.
    Tcp {
        channel: u8,
    },
    Udp(Udp),
}

/// Two sockets, for RTP and RTCP.
pub struct Udp {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Others are not listened to.
    from: IpAddr,
    reports_to: Option<SocketAddr>,
    report_due: Instant,
    order: Order,
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
                let (order, report_due) = (Order::default(), Instant::now() + REPORT_PERIOD);
                return Ok(Self { rtp, rtcp, from: camera, reports_to: None, report_due, order, buffer });
            }
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// The first of the two.
    pub fn port(&self) -> std::io::Result<u16> {
        Ok(self.rtp.local_addr()?.port())
    }

    /// Takes in from where the camera sends. Something is sent there, so that firewalls let the answers through.
    pub fn on_agreed(&mut self, source: Option<IpAddr>, ports: Option<(u16, u16)>) {
        self.from = source.unwrap_or(self.from);
        if let Some((rtp, rtcp)) = ports {
            self.reports_to = Some(SocketAddr::new(self.from, rtcp));
            // Version 2, nothing else. What does not arrive is missed by nobody.
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

/// The count in a packet's head (RFC 3550, 5.1).
fn sequence(packet: &[u8]) -> Option<u16> {
    match packet {
        [first, _, high, low, ..] if packet.len() >= 12 && first >> 6 == 2 => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

fn timestamp(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(4..8)?.try_into().ok()?))
}

/// Puts packets into order that have overtaken each other.
#[derive(Default)]
struct Order {
    next: Option<u16>,
    /// By how far they are ahead.
    early: BTreeMap<u16, Vec<u8>>,
}

impl Order {
    fn push(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let Some(sequence) = sequence(packet) else { return Vec::new() };
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

/// Opens with the first key frame, and counts what is lost.
pub struct Gate {
    codec: Codec,
    is_open: bool,
    /// Of the frame that may turn out to be a key frame: parameter sets come before it, with the same time stamp.
    frame: Vec<Vec<u8>>,
    expected: Option<u16>,
    n_lost: u64,
}

impl Gate {
    pub fn new(codec: Codec) -> Self {
        Self { codec, is_open: false, frame: Vec::new(), expected: None, n_lost: 0 }
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
        let sequence = sequence(&packet)?;
        if let Some(expected) = self.expected {
            let gap = sequence.wrapping_sub(expected);
            // More is a camera that counts anew, or a packet that comes late.
            if gap < 1_000 {
                self.n_lost += u64::from(gap);
            }
        }
        self.expected = Some(sequence.wrapping_add(1));
        if self.is_open {
            return Some(vec![packet]);
        }
        if self.frame.first().is_some_and(|first| timestamp(first) != timestamp(&packet)) {
            self.frame.clear();
        }
        let is_key = is_key(self.codec, payload(&packet)?);
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

/// Behind head, sources and extension (RFC 3550, 5.1 and 5.3.1).
fn payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let mut start = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let length = packet.get(start + 2..start + 4)?;
        start += 4 + 4 * usize::from(u16::from_be_bytes(length.try_into().ok()?));
    }
    packet.get(start..)
}

/// Whether a key frame begins here. Of codecs that are not looked into, each frame counts as one.
fn is_key(codec: Codec, payload: &[u8]) -> bool {
    match (codec, payload) {
        // RFC 6184, 5.2: an IDR slice by itself, the first part of one (FU-A), or one of several units together (STAP-A).
        (Codec::H264, [unit, fragment, ..]) => match unit & 0x1f {
            5 => true,
            28 | 29 => fragment & 0x80 != 0 && fragment & 0x1f == 5,
            24 => units(payload.get(1..).unwrap_or_default()).any(|unit| unit.first().is_some_and(|b| b & 0x1f == 5)),
            _ => false,
        },
        // RFC 7798, 4.4: the same of the types 16 to 21, FU 49 and AP 48.
        (Codec::H265, [unit, _, rest @ ..]) => match unit >> 1 & 0x3f {
            16..=21 => true,
            49 => rest.first().is_some_and(|fragment| fragment & 0x80 != 0 && (16..=21).contains(&(fragment & 0x3f))),
            48 => units(rest).any(|unit| unit.first().is_some_and(|b| (16..=21).contains(&(b >> 1 & 0x3f)))),
            _ => false,
        },
        (Codec::H264 | Codec::H265, _) => false,
        _ => true,
    }
}

/// Units with their length before them.
fn units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_at_checked(2)?;
        let (unit, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))?;
        rest = behind;
        Some(unit)
    })
}

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
        let mut order = Order::default();
        let out = sequences.iter().flat_map(|n| order.push(&packet(*n, 0, &[1])));
        assert_eq!(out.filter_map(|packet| sequence(&packet)).collect::<Vec<_>>(), expected, "{sequences:?}");
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

    #[track_caller]
    fn check_key(codec: Codec, payload: &[u8], expected: bool) {
        assert_eq!(is_key(codec, payload), expected, "{payload:x?}");
    }

    #[test]
    fn key_frames_are_seen() {
        check_key(Codec::H264, &[0x65, 0x88], true);
        check_key(Codec::H264, &[0x41, 0x88], false);
        check_key(Codec::H264, &[0x67, 0x42], false);
        check_key(Codec::H264, &[0x7c, 0x85], true);
        check_key(Codec::H264, &[0x7c, 0x05], false);
        check_key(Codec::H264, &[0x7c, 0x81], false);
        check_key(Codec::H264, &[0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 1], true);
        check_key(Codec::H264, &[0x78, 0, 2, 0x67, 1, 0, 9, 0x65, 1], false);
        check_key(Codec::H264, &[], false);
        check_key(Codec::H265, &[0x26, 1, 0], true);
        check_key(Codec::H265, &[0x02, 1, 0], false);
        check_key(Codec::H265, &[0x62, 1, 0x93], true);
        check_key(Codec::H265, &[0x62, 1, 0x13], false);
        check_key(Codec::H265, &[0x60, 1, 0, 2, 0x40, 1, 0, 2, 0x26, 1], true);
        check_key(Codec::Jpeg, &[0], true);
    }

    #[test]
    fn nothing_passes_before_the_first_key_frame() {
        let mut gate = Gate::new(Codec::H264);
        assert_eq!(gate.pass(packet(1, 10, &[0x41, 0])), None);
        assert_eq!(gate.pass(packet(2, 20, &[0x67, 0])), None);
        let (sets, key) = (packet(2, 20, &[0x67, 0]), packet(3, 20, &[0x65, 0]));
        assert_eq!(gate.pass(key.clone()), Some(vec![sets, key]), "with its parameter sets");
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
        let (mut gate, mut order) = (Gate::new(Codec::H265), Order::default());
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
