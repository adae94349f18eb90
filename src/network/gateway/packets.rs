//! Packets from the camera to the player: over TCP or UDP, in order, counted, and none before the first key frame. They are
//! passed on as they came.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::network::age::StampOrder;
use crate::network::bytes::PacketQueue;
use crate::network::rtp::{CutUnits, MANY_MARKS, RtpPacket, SeenSets};
use crate::network::sdp::{Codec, VideoFormat};

/// What an Ethernet frame can carry, and more.
const MAX_PACKET: usize = 65_536;
/// Packets that came too early, and wait for those before them: so many, and so long. What comes later than this does not come.
const MAX_EARLY: usize = 64;
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// How long a read of the socket blocks at most.
const SLICE: Duration = Duration::from_millis(50);
/// While nobody looks, a key picture passes that much after the last picture at the earliest: to decode one with those behind it
/// takes as long as ten others. Many cameras send one each two seconds anyway.
const KEY_PERIOD: Duration = Duration::from_millis(1500);
/// How often the camera is told that its packets arrive (RFC 3550, 6.2).
const REPORT_PERIOD: Duration = Duration::from_secs(5);
/// So many reports of the camera are read at a time.
const MAX_REPORTS: usize = 100;
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

impl PacketSource {
    /// On which the video shall come; over UDP it is 0.
    pub fn channel(&self) -> u8 {
        match self {
            Self::Tcp { channel } => *channel,
            Self::Udp(_) => 0,
        }
    }
}

/// Two sockets, for RTP and RTCP.
pub struct Udp {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Packets from other addresses are left out, and none are sent to others.
    camera: IpAddr,
    /// The multicast group that was joined.
    group: Option<SocketAddr>,
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
                return Self::of(rtp, rtcp, camera);
            }
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// The sockets of a multicast group, on the network of the address `local`.
    ///
    /// # Errors
    /// Another program has the port, or the system refuses.
    pub fn join(group: SocketAddr, local: IpAddr, camera: IpAddr) -> std::io::Result<Self> {
        let bind = |port: u16| match (group.ip(), local) {
            (IpAddr::V4(group), IpAddr::V4(local)) => {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
                socket.join_multicast_v4(&group, &local).map(|()| socket)
            }
            (IpAddr::V6(group), _) => {
                let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
                socket.join_multicast_v6(&group, 0).map(|()| socket)
            }
            _ => Err(ErrorKind::AddrNotAvailable.into()),
        };
        let (rtp, rtcp) = (bind(group.port())?, bind(group.port().saturating_add(1))?);
        Ok(Self { group: Some(group), ..Self::of(rtp, rtcp, camera)? })
    }

    pub fn group(&self) -> Option<SocketAddr> {
        self.group
    }

    fn of(rtp: UdpSocket, rtcp: UdpSocket, camera: IpAddr) -> std::io::Result<Self> {
        rtp.set_read_timeout(Some(SLICE))?;
        rtcp.set_nonblocking(true)?;
        let buffer = vec![0; MAX_PACKET];
        let (order, report_due) = (ReorderBuffer::default(), Instant::now() + REPORT_PERIOD);
        Ok(Self { rtp, rtcp, camera, group: None, reports_to: None, report_due, order, buffer })
    }

    /// The first of the two.
    pub fn port(&self) -> std::io::Result<u16> {
        Ok(self.rtp.local_addr()?.port())
    }

    /// `ports` are those of the camera, for RTP and RTCP. Something is sent there, so that firewalls let its packets through. It may
    /// name another address too (`source`, RFC 2326, 12.39): that one is not spoken to, as anybody's could stand there.
    pub fn on_agreed(&mut self, ports: Option<(u16, u16)>) {
        if let Some((rtp, rtcp)) = ports {
            self.reports_to = Some(SocketAddr::new(self.camera, rtcp));
            // Version 2, nothing else. Nothing depends on its arrival.
            let _ = self.rtp.send_to(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], (self.camera, rtp));
            let _ = self.rtcp.send_to(&RECEIVER_REPORT, (self.camera, rtcp));
        }
    }

    /// What the camera has reported on its own.
    fn reports(&mut self) -> Vec<Vec<u8>> {
        let mut reports = Vec::new();
        for _ in 0..MAX_REPORTS {
            let Ok((n, from)) = self.rtcp.recv_from(&mut self.buffer) else { break };
            if from.ip().to_canonical() == self.camera.to_canonical() {
                reports.push(self.buffer.get(..n).unwrap_or_default().to_vec());
            }
        }
        reports
    }

    /// The next packets in order, and reports among them; none if none come by the deadline.
    pub fn next(&mut self, deadline: Instant) -> Vec<Vec<u8>> {
        loop {
            let now = Instant::now();
            if now >= self.report_due {
                self.report_due = now + REPORT_PERIOD;
                if let Some(to) = self.reports_to {
                    let _ = self.rtcp.send_to(&RECEIVER_REPORT, to);
                }
                // The system keeps little of what the camera reports, and who sends more is not listened to longer.
                let reports = self.reports();
                if !reports.is_empty() {
                    return reports;
                }
            }
            if now >= deadline {
                return Vec::new();
            }
            let Ok((n, from)) = self.rtp.recv_from(&mut self.buffer) else { continue };
            let packet = self.buffer.get(..n).unwrap_or_default();
            if from.ip().to_canonical() != self.camera.to_canonical() {
                continue;
            }
            let in_order = self.order.push(packet, Instant::now());
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
    /// Since when one waits.
    waits_since: Option<Instant>,
}

impl ReorderBuffer {
    fn push(&mut self, packet: &[u8], now: Instant) -> Vec<Vec<u8>> {
        let Some(RtpPacket { sequence, .. }) = RtpPacket::parse(packet) else { return Vec::new() };
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
        let waited = now.saturating_duration_since(*self.waits_since.get_or_insert(now));
        if self.early.len() > MAX_EARLY || waited > LONGEST_WAIT {
            // What is missing does not come any more.
            let n_missing = self.early.keys().next().copied().unwrap_or_default();
            self.advance(n_missing);
        }
        while let Some(packet) = self.early.remove(&0) {
            out.push(packet);
            self.advance(1);
        }
        if !out.is_empty() {
            self.waits_since = (!self.early.is_empty()).then_some(now);
        }
        out
    }

    fn advance(&mut self, by: u16) {
        self.next = self.next.map(|next| next.wrapping_add(by));
        let early = std::mem::take(&mut self.early);
        self.early = early.into_iter().map(|(ahead, packet)| (ahead.saturating_sub(by), packet)).collect();
    }
}

/// Pictures that have come from the camera, by their time stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureCount {
    pub n_seen: u64,
    /// Those of them that were passed on whole.
    pub n_passed: u64,
    /// Key pictures that were passed on whole while nothing else is, each with the pictures behind it.
    pub n_keys: u64,
    /// From the last picture that was passed on before it to the last such key picture, by their time stamps.
    pub key_gap: Duration,
    /// When the last picture had come.
    pub at: Option<Instant>,
    /// The time stamp of the newest picture that was passed on and can be shown, from the first one on: one that is shown behind others
    /// waits for them.
    pub newest: Option<Duration>,
    /// A picture has come from which on pictures become whole.
    pub has_key: bool,
    /// A picture has come that needs no other; without one a picture becomes whole bit by bit.
    pub has_whole_key: bool,
}

/// Lets packets through from the first key frame on, and counts what is lost. While nobody looks, it lets key pictures through
/// alone: each with some behind it, until the decoder hands the key picture out.
pub struct KeyFrameGate {
    codec: Codec,
    /// Time stamps a second.
    clock_rate: f64,
    /// From the first picture that passed to the newest, by their time stamps.
    ticks: i64,
    order: StampOrder,
    is_open: bool,
    has_been_open: bool,
    /// So many pictures pass from each key picture on; `None`: all.
    of_key: Option<u32>,
    /// Of the frame that may turn out to be a key frame: more may come before the picture itself, with the same time stamp.
    frame: PacketQueue<Vec<u8>>,
    timestamp: Option<u32>,
    /// Packets with that time stamp that end a picture by their mark.
    n_marks: u64,
    expected: Option<u16>,
    n_lost: u64,
    cut: CutUnits,
    sets: SeenSets,
    /// Pictures that have passed since the key picture with which the gate opened, that one among them; more than any if others are
    /// to pass as well.
    n_since_key: u32,
    /// The time stamp of the picture that passed last.
    passed: Option<u32>,
    /// When the gate closed behind such pictures, and whether one has been left out since: by the gap whoever decodes them tells the
    /// key picture from what the decoder still had.
    closed_at: Option<Instant>,
    has_left_out: bool,
    /// Packets that were left out; those that pass are numbered as if there had been none.
    n_left_out: u16,
    count: PictureCount,
}

impl KeyFrameGate {
    /// With the parameter sets that are announced.
    pub fn of(format: &VideoFormat) -> Self {
        let sets = SeenSets::of(format.codec, &format.parameter_sets);
        Self { sets, clock_rate: f64::from(format.clock_rate), ..Self::new(format.codec) }
    }

    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            clock_rate: 90_000.0,
            ticks: 0,
            order: StampOrder::default(),
            is_open: false,
            has_been_open: false,
            of_key: None,
            frame: PacketQueue::default(),
            timestamp: None,
            n_marks: 0,
            expected: None,
            n_lost: 0,
            cut: CutUnits::default(),
            sets: SeenSets::default(),
            n_since_key: 0,
            passed: None,
            closed_at: None,
            has_left_out: true,
            n_left_out: 0,
            count: PictureCount::default(),
        }
    }

    /// Packets that have not come, and units of pictures that the camera has cut.
    pub fn n_lost(&self) -> u64 {
        self.n_lost
    }

    /// The parameter sets that were neither announced nor have come.
    pub fn missing_sets(&self) -> Option<&'static str> {
        // Where packets were lost, they may have been among these.
        self.sets.missing(self.codec).filter(|_| self.n_lost == 0)
    }

    pub fn count(&self) -> PictureCount {
        self.count
    }

    /// How many pictures pass from each key picture on, that one among them; `None`: all. Only for a codec that shows its key
    /// pictures.
    pub fn set_of_key(&mut self, of_key: Option<u32>) {
        self.of_key = of_key;
    }

    /// Until the next key frame.
    pub fn close(&mut self) {
        self.is_open = false;
        self.leave_out();
    }

    fn leave_out(&mut self) {
        if self.has_been_open {
            // Packets are counted in two bytes, over and over.
            let n = u16::try_from(self.frame.len() & 0xffff).unwrap_or_default();
            self.n_left_out = self.n_left_out.wrapping_add(n);
        }
        self.frame.clear();
    }

    /// What may go on, now that this has come; `None` where nothing may.
    pub fn pass(&mut self, packet: Vec<u8>, now: Instant) -> Option<Vec<Vec<u8>>> {
        let is_marked = RtpPacket::parse(&packet)?.marker;
        let passed = self.pass_or_hold(packet, now);
        self.n_marks += u64::from(is_marked);
        // All pictures have the same time stamp: nothing else tells where one ends.
        if is_marked && self.n_marks > MANY_MARKS {
            self.on_picture_ended(now);
        }
        passed
    }

    fn pass_or_hold(&mut self, packet: Vec<u8>, now: Instant) -> Option<Vec<Vec<u8>>> {
        let parsed = RtpPacket::parse(&packet)?;
        let (sequence, timestamp) = (parsed.sequence, parsed.timestamp);
        // It came twice, and would stand twice in its picture.
        if self.expected == Some(sequence.wrapping_add(1)) && self.timestamp == Some(timestamp) {
            return None;
        }
        // A codec that does not show it is left to the decoder.
        let is_key = parsed.is_beginning(self.codec).unwrap_or(true);
        let gap = self.expected.map_or(0, |expected| sequence.wrapping_sub(expected));
        // A larger gap is a camera that counts anew, or a packet that comes late.
        self.n_lost += if gap < 1_000 { u64::from(gap) } else { 0 };
        self.n_lost += u64::from(self.cut.take(&parsed, self.codec, gap.into()));
        self.sets.take(&parsed, self.codec);
        self.expected = Some(sequence.wrapping_add(1));
        if self.timestamp.is_some_and(|last| last != timestamp) {
            self.n_marks = 0;
            self.on_picture_ended(now);
        }
        self.timestamp = Some(timestamp);
        if self.is_open {
            return Some(vec![self.numbered(packet)]);
        }
        self.frame.push(packet);
        if self.frame.n_bytes() > MAX_FRAME_BYTES {
            self.leave_out();
        }
        let is_soon = |closed_at: Instant| now.saturating_duration_since(closed_at) < KEY_PERIOD;
        if !is_key || self.of_key.is_some() && (!self.has_left_out || self.closed_at.is_some_and(is_soon)) {
            return None;
        }
        (self.is_open, self.has_been_open) = (true, true);
        self.n_since_key = if self.of_key.is_some() { 0 } else { u32::MAX };
        let gap = self.passed.map_or(0, |passed| timestamp.wrapping_sub(passed));
        self.count.key_gap = Duration::from_secs_f64(f64::from(gap) / self.clock_rate);
        let mut frame = std::mem::take(&mut self.frame);
        Some(std::iter::from_fn(|| frame.pop()).map(|packet| self.numbered(packet)).collect())
    }

    /// All packets of a picture have come.
    fn on_picture_ended(&mut self, now: Instant) {
        self.count.n_seen += 1;
        self.count.at = Some(now);
        self.count.has_key = self.sets.has_key();
        self.count.has_whole_key = self.sets.has_whole_key();
        if !self.is_open {
            self.has_left_out = true;
            return self.leave_out();
        }
        self.count.n_passed += 1;
        if let (Some(passed), Some(timestamp)) = (self.passed, self.timestamp) {
            self.ticks += i64::from(timestamp.wrapping_sub(passed).cast_signed());
            let newest = Duration::try_from_secs_f64(self.ticks as f64 / self.clock_rate).unwrap_or_default();
            self.count.newest = self.order.next(newest);
        }
        self.passed = self.timestamp;
        self.n_since_key = self.n_since_key.saturating_add(1);
        if let Some(of_key) = self.of_key.filter(|of_key| self.n_since_key >= *of_key) {
            self.count.n_keys += u64::from(self.n_since_key == of_key);
            (self.is_open, self.closed_at, self.has_left_out) = (false, Some(now), false);
        }
    }

    fn numbered(&self, mut packet: Vec<u8>) -> Vec<u8> {
        if let Some(place) = packet.get_mut(2..4).and_then(|place| <&mut [u8; 2]>::try_from(place).ok()) {
            *place = u16::from_be_bytes(*place).wrapping_sub(self.n_left_out).to_be_bytes();
        }
        packet
    }
}

/// Of one frame; no camera sends more.
const MAX_FRAME_BYTES: usize = 4 << 20;

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

    /// Reports go to the camera alone, and packets of others are left out.
    #[test]
    fn packets_travel_between_the_camera_and_here_alone() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let bind = |ip: [u8; 4]| UdpSocket::bind((IpAddr::from(ip), 0)).unwrap();
        let (camera, other) = (bind([127, 0, 0, 1]), bind([127, 0, 0, 1]));
        let mut udp = Udp::bind(here, here).unwrap();
        udp.on_agreed(Some((camera.local_addr().unwrap().port(), camera.local_addr().unwrap().port())));
        let mut bytes = [0; 100];
        assert_eq!(camera.recv_from(&mut bytes).unwrap().1.ip(), here);
        let to = ("127.0.0.1", udp.port().unwrap());
        // A camera at another address: nothing is taken from here.
        udp.camera = IpAddr::from([127, 0, 0, 2]);
        other.send_to(&packet(1, 1, &[1]), to).unwrap();
        assert_eq!(udp.next(Instant::now() + Duration::from_millis(200)), Vec::<Vec<u8>>::new());
        udp.camera = here;
        camera.send_to(&packet(2, 1, &[1]), to).unwrap();
        assert_eq!(udp.next(Instant::now() + Duration::from_secs(20)), [packet(2, 1, &[1])]);
    }

    /// However large its packets are, or small and many.
    #[test]
    fn a_frame_without_an_end_is_not_kept() {
        for (n_packets, n_bytes) in [(1_000, 60_000), (200_000, 0)] {
            let mut gate = KeyFrameGate::new(Codec::H264);
            let payload = [&[0x41][..], &vec![0; n_bytes]].concat();
            for n in 0..n_packets {
                assert_eq!(gate.pass(packet(u16::try_from(n % 65_536).unwrap(), 1, &payload), Instant::now()), None);
                assert!(gate.frame.n_bytes() <= MAX_FRAME_BYTES);
            }
        }
    }

    #[track_caller]
    fn check_order(sequences: &[u16], expected: &[u16]) {
        let mut order = ReorderBuffer::default();
        let now = Instant::now();
        let out = sequences.iter().flat_map(|n| order.push(&packet(*n, 0, &[1]), now));
        assert_eq!(
            out.filter_map(|packet| Some(RtpPacket::parse(&packet)?.sequence)).collect::<Vec<_>>(),
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
        // Nor do few of them wait for long.
        let (mut order, now) = (ReorderBuffer::default(), Instant::now());
        let mut at = |n: u16, ms| order.push(&packet(n, 0, &[1]), now + Duration::from_millis(ms)).len();
        assert_eq!([at(1, 0), at(3, 40), at(4, 140), at(5, 300), at(6, 340)], [1, 0, 0, 3, 1]);
        assert_eq!([at(8, 400), at(7, 500), at(9, 900)], [0, 2, 1]);
    }

    #[test]
    fn nothing_passes_before_the_first_key_frame() {
        let mut gate = KeyFrameGate::new(Codec::H264);
        let now = Instant::now();
        assert_eq!(gate.pass(packet(1, 10, &[0x41, 0]), now), None);
        let (before, key) = (packet(2, 20, &[0x06, 0]), packet(3, 20, &[0x65, 0]));
        assert_eq!(gate.pass(before.clone(), now), None);
        assert_eq!(gate.pass(key.clone(), now), Some(vec![before, key]), "the whole frame");
        let next = packet(6, 30, &[0x41, 0]);
        assert_eq!(gate.pass(next.clone(), now), Some(vec![next]));
        assert_eq!(gate.pass(packet(6, 30, &[0x41, 0]), now), None, "it came twice");
        assert_eq!(gate.n_lost(), 2);
        gate.close();
        assert_eq!(gate.pass(packet(7, 40, &[0x41, 0]), now), None);
        assert_eq!((gate.pass(vec![0x80], now), gate.pass(Vec::new(), now)), (None, None));
    }

    /// Pictures of two packets each, `k` a key picture, so far apart; from `|` on key pictures alone are wanted, from `/` on all. Those
    /// that pass are told in the same letters, and the count.
    #[track_caller]
    fn check_keys(period_ms: u64, pictures: &str, expected: &str, count: (u64, u64, u64)) {
        let mut gate = KeyFrameGate::new(Codec::H264);
        let (start, mut sequence, mut nth) = (Instant::now(), 65_530_u16, 0_u32);
        let (mut told, mut numbers) = (String::new(), Vec::new());
        for letter in pictures.chars() {
            if "|/".contains(letter) {
                gate.set_of_key((letter == '|').then_some(2));
                continue;
            }
            nth += 1;
            let now = start + Duration::from_millis(period_ms) * nth;
            let kind = if letter == 'k' { 0x65 } else { 0x41 };
            for part in 0..2 {
                let passed = gate.pass(packet(sequence, nth * 9_000, &[kind, 0]), now);
                sequence = sequence.wrapping_add(1);
                let passed = passed.unwrap_or_default();
                if part == 0 && !passed.is_empty() {
                    told.push(letter);
                }
                numbers.extend(passed.iter().filter_map(|packet| Some(RtpPacket::parse(packet)?.sequence)));
            }
        }
        assert_eq!(told, expected, "{pictures}");
        let got = gate.count();
        assert_eq!((got.n_seen, got.n_passed, got.n_keys), count, "{pictures}");
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "no gap in {numbers:?}");
        assert_eq!(gate.n_lost(), 0);
    }

    #[test]
    fn while_nobody_looks_key_pictures_pass_with_those_behind_them() {
        check_keys(600, "kppppkppp", "kppppkppp", (8, 8, 0));
        check_keys(600, "kppp|pppkppppppkpp", "kpppkpkp", (16, 8, 2));
        check_keys(600, "|kppppppkppppppkp", "kpkpkp", (15, 5, 2));
        // More often than checks want them they do not pass.
        check_keys(600, "|kkkkkkkkkkkkk", "kkkkkk", (12, 6, 3));
        // All again: from the next key picture on.
        check_keys(600, "|kpppppp/pppkppp", "kpkppp", (13, 5, 1));
        check_keys(600, "kpp|/ppp", "kppppp", (5, 5, 0));
        // One at least is left out before the next key picture, of a slow camera too.
        check_keys(600, "kk|kkkkkkk", "kkkk", (8, 4, 1));
        check_keys(5_000, "kk|kkkkkkk", "kkkkkk", (8, 6, 2));
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
            for packet in order.push(&junk, Instant::now()) {
                let _ = gate.pass(packet, Instant::now());
            }
        }
    }
}
