//! The last seconds of what a camera has sent, so that a recording can begin before its cause. It lies in the program, since the
//! moment that is to be kept is often the one in which the capture process ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Packet, TakePackets};
use crate::latest::{Latest, Reader};
use crate::lock::Lock;

/// How much is kept. A limit of zero: nothing, and sources need not send anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingLimits {
    pub span: Duration,
    pub n_bytes: usize,
}

/// For somebody who wants the packet of a picture that is there, or that comes next.
const FOR_A_LOOK: RingLimits = RingLimits { span: Duration::from_secs(1), n_bytes: 16 << 20 };

/// The packets of one camera, numbered from 0 over all of its openings. Clones share it. It begins at a key packet.
#[derive(Clone, Default)]
pub struct PacketRing {
    shared: Arc<SharedRing>,
}

#[derive(Default)]
struct SharedRing {
    ring: Lock<KeptRing>,
    /// Something is kept: sources look at it with each picture.
    are_wanted: AtomicBool,
    are_made_of_pictures: AtomicBool,
    /// How many packets have come.
    news: Latest<u64>,
}

#[derive(Default)]
struct KeptRing {
    limits: RingLimits,
    n_looks: usize,
    packets: VecDeque<KeptPacket>,
    /// The number of the first one.
    first: u64,
    n_bytes: usize,
}

struct KeptPacket {
    packet: Arc<Packet>,
    /// With its parameter sets, where the packet before it has others.
    n_bytes: usize,
}

/// Has the newest packets kept while it lives, though nobody records.
pub struct PacketLook(PacketRing);

impl Drop for PacketLook {
    fn drop(&mut self) {
        self.0.change(|ring| ring.n_looks -= 1);
    }
}

/// What a reader gets that has read up to a number.
#[derive(Clone, Debug, Default)]
pub struct TakenPackets {
    pub packets: Vec<Arc<Packet>>,
    /// Those that were gone before they could be read; the first of `packets` is a key packet then.
    n_missed: u64,
    /// From which it goes on.
    pub next: u64,
}

impl TakenPackets {
    #[must_use]
    pub fn n_missed(&self) -> u64 {
        self.n_missed
    }
}

/// What is kept at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KeptPackets {
    pub span: Duration,
    pub n_bytes: usize,
    pub n_packets: usize,
    /// Those with which a recording can begin.
    pub n_keys: usize,
    pub n_key_bytes: usize,
}

/// Over less time no rate is told.
const LEAST_SPAN: Duration = Duration::from_secs(1);

impl KeptPackets {
    /// What the camera sends; `None` while too little of it is kept.
    #[must_use]
    pub fn bytes_per_sec(&self) -> Option<f64> {
        (self.span >= LEAST_SPAN).then(|| self.n_bytes as f64 / self.span.as_secs_f64())
    }

    /// Of a key picture, in the mean.
    #[must_use]
    pub fn bytes_per_key(&self) -> Option<f64> {
        (self.n_keys > 0).then(|| self.n_key_bytes as f64 / self.n_keys as f64)
    }
}

impl PacketRing {
    /// What is kept from now on. Never waits.
    pub fn set_limits(&self, limits: RingLimits) {
        self.change(|ring| ring.limits = limits);
    }

    /// Has the newest packets kept for a while. Never waits.
    #[must_use]
    pub fn look(&self) -> PacketLook {
        self.change(|ring| ring.n_looks += 1);
        PacketLook(self.clone())
    }

    /// Says whether the packets are made of the pictures that the camera hands out.
    pub fn set_made_of_pictures(&self, are_so: bool) {
        self.shared.are_made_of_pictures.store(are_so, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut KeptRing)) {
        let gone = {
            let mut ring = self.shared.ring.lock();
            change(&mut ring);
            self.shared.are_wanted.store(ring.limits().n_bytes > 0, Ordering::Relaxed);
            ring.trim()
        };
        drop(gone);
    }

    /// The packet that was taken nearest to a moment.
    #[must_use]
    pub fn nearest(&self, moment: Instant) -> Option<Arc<Packet>> {
        let distance = |at: Instant| at.max(moment).saturating_duration_since(at.min(moment));
        let ring = self.shared.ring.lock();
        ring.packets.iter().map(|kept| &kept.packet).min_by_key(|packet| distance(packet.taken_at)).cloned()
    }

    #[must_use]
    pub fn kept(&self) -> KeptPackets {
        self.kept_from(0)
    }

    /// Of it, what a reader has not had who goes on with that number.
    #[must_use]
    pub fn kept_from(&self, number: u64) -> KeptPackets {
        let ring = self.shared.ring.lock();
        let n_before = ring.n_before(number);
        let span = ring.packets.get(n_before).zip(ring.packets.back());
        let keys = || ring.packets.iter().skip(n_before).filter(|kept| kept.packet.is_key);
        KeptPackets {
            span: span.map_or(Duration::ZERO, |(first, last)| {
                last.packet.taken_at.saturating_duration_since(first.packet.taken_at)
            }),
            n_bytes: ring.packets.iter().skip(n_before).map(|kept| kept.n_bytes).sum(),
            n_packets: ring.packets.len().saturating_sub(n_before),
            n_keys: keys().count(),
            n_key_bytes: keys().map(|kept| kept.packet.bytes.len()).sum(),
        }
    }

    /// The number of the key packet with which a recording begins that shall have what came since `moment`: the last one before it,
    /// or the first that is kept.
    #[must_use]
    pub fn number_at(&self, moment: Instant) -> u64 {
        let ring = self.shared.ring.lock();
        let numbered = ring.packets.iter().map(|kept| &kept.packet).zip(ring.first..);
        let keys = numbered.take_while(|(packet, _)| packet.taken_at <= moment).filter(|(packet, _)| packet.is_key);
        keys.last().map_or(ring.first, |(_, number)| number)
    }

    /// The number that the next packet gets.
    #[must_use]
    pub fn end(&self) -> u64 {
        let ring = self.shared.ring.lock();
        ring.first + ring.packets.len() as u64
    }

    /// Packets from that number on, about so many bytes of them at most.
    #[must_use]
    pub fn take_from(&self, number: u64, max_bytes: usize) -> TakenPackets {
        let ring = self.shared.ring.lock();
        let n_missed = ring.first.saturating_sub(number);
        let first = number.max(ring.first);
        let n_before = ring.n_before(first);
        let mut n_bytes = 0;
        let packets: Vec<_> = ring
            .packets
            .iter()
            .skip(n_before)
            .map(|kept| &kept.packet)
            .take_while(|packet| {
                let has_room = n_bytes < max_bytes;
                n_bytes += packet.bytes.len();
                has_room
            })
            .cloned()
            .collect();
        let next = first + packets.len() as u64;
        TakenPackets { packets, n_missed, next }
    }

    /// Tells of each packet that comes: how many have.
    #[must_use]
    pub fn news(&self) -> Reader<u64> {
        self.shared.news.reader()
    }
}

impl TakePackets for PacketRing {
    fn are_wanted(&self) -> bool {
        self.shared.are_wanted.load(Ordering::Relaxed)
    }

    fn are_made_of_pictures(&self) -> bool {
        self.shared.are_made_of_pictures.load(Ordering::Relaxed)
    }

    /// Never waits. Those before the first key packet are left out.
    fn take(&self, packet: Packet) {
        let packet = Arc::new(packet);
        let (gone, end) = {
            let mut ring = self.shared.ring.lock();
            if ring.packets.is_empty() && !packet.is_key {
                return;
            }
            ring.push(packet);
            (ring.trim(), ring.first + ring.packets.len() as u64)
        };
        self.shared.news.publish(end);
        // Freeing takes time: not under the lock.
        drop(gone);
    }
}

impl KeptRing {
    fn limits(&self) -> RingLimits {
        let RingLimits { span, n_bytes } = self.limits;
        let least = if self.n_looks > 0 { FOR_A_LOOK } else { RingLimits::default() };
        RingLimits { span: span.max(least.span), n_bytes: n_bytes.max(least.n_bytes) }
    }

    fn push(&mut self, packet: Arc<Packet>) {
        let has_same_sets = |before: &KeptPacket| Arc::ptr_eq(&before.packet.sets, &packet.sets);
        let n_set_bytes = if self.packets.back().is_some_and(has_same_sets) { 0 } else { packet.sets.n_bytes() };
        let n_bytes = packet.bytes.len() + n_set_bytes;
        self.n_bytes += n_bytes;
        self.packets.push_back(KeptPacket { packet, n_bytes });
    }

    /// How many of its packets stand before that number.
    fn n_before(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Takes out what is too much, up to a key packet, and returns it. Of pictures that depend on each other all go or none, so that
    /// more than the span is kept where key packets are rare; never more than the bytes.
    fn trim(&mut self) -> Vec<Arc<Packet>> {
        let mut gone = Vec::new();
        while let Some(n) = self.n_to_go() {
            for kept in self.packets.drain(..n) {
                self.n_bytes -= kept.n_bytes;
                self.first += 1;
                gone.push(kept.packet);
            }
        }
        gone
    }

    fn n_to_go(&self) -> Option<usize> {
        let limits = self.limits();
        let newest = self.packets.back()?.packet.taken_at;
        let next_key =
            self.packets.iter().map(|kept| &kept.packet).enumerate().skip(1).find(|(_, packet)| packet.is_key);
        match next_key {
            _ if limits.n_bytes == 0 => Some(self.packets.len()),
            Some((n, _)) if self.n_bytes > limits.n_bytes => Some(n),
            Some((n, key)) => (newest.saturating_duration_since(key.taken_at) >= limits.span).then_some(n),
            // Without another key packet nothing of it can be shown once its first one is gone.
            None => (self.n_bytes > limits.n_bytes).then_some(self.packets.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::packet::{ParameterSets, VideoCodec};

    /// A letter a packet, one each 100 ms, of ten bytes: `K` a key packet, `.` another, `_` none at that moment.
    fn fill(ring: &PacketRing, packets: &str) -> Instant {
        let began = Instant::now();
        for (n, letter) in (0..).zip(packets.chars()).filter(|(_, letter)| *letter != '_') {
            ring.take(Packet {
                codec: VideoCodec::H264,
                is_key: letter == 'K',
                is_damaged: false,
                is_made_here: false,
                n_lost_before: 0,
                stamp: None,
                taken_at: began + Duration::from_millis(100) * n,
                taken_at_wall: SystemTime::now(),
                sets: Arc::default(),
                size: None,
                bytes: Arc::from([0; 10].as_slice()),
            });
        }
        began
    }

    fn ring(span_ms: u64, n_bytes: usize) -> PacketRing {
        let ring = PacketRing::default();
        ring.set_limits(RingLimits { span: Duration::from_millis(span_ms), n_bytes });
        ring
    }

    fn shown(packets: &[Arc<Packet>]) -> String {
        packets.iter().map(|packet| if packet.is_key { 'K' } else { '.' }).collect()
    }

    #[test]
    fn the_last_seconds_are_kept_from_a_key_packet_on() {
        #[track_caller]
        fn check(span_ms: u64, n_bytes: usize, packets: &str, expected: &str) {
            let ring = ring(span_ms, n_bytes);
            fill(&ring, packets);
            let kept = ring.kept();
            assert_eq!(shown(&ring.take_from(0, usize::MAX).packets), expected, "{packets} {span_ms} {n_bytes}");
            assert_eq!((kept.n_packets, kept.n_bytes), (expected.len(), 10 * expected.len()));
        }
        check(500, 1_000, "K..K..", "K..K..");
        check(500, 1_000, "..K..", "K..");
        check(500, 1_000, "...", "");
        check(500, 1_000, "K..K..K..", "K..K..");
        check(500, 1_000, "K..K..K...", "K..K...");
        // An outage.
        check(500, 1_000, "K..K_______.", "K.");
        check(500, 1_000, "KKKKKKKKKKKK", "KKKKKK");
        // Key packets that are rarer than the span.
        check(500, 1_000, "K..............", "K..............");
        check(500, 1_000, "K..............K....", "K..............K....");
        check(500, 1_000, "K..............K.....", "K.....");
        // Never more than the bytes, and nothing that cannot be shown.
        check(5_000, 60, "K..K..K..", "K..K..");
        check(5_000, 60, "K..K..K.", "K..K.");
        check(5_000, 60, "K.......", "");
        check(5_000, 60, "K.......K.", "K.");
        check(0, 0, "KKK", "");
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_is_told_what_it_missed() {
        let ring = ring(500, 1_000);
        let began = fill(&ring, "K..K..");
        let taken = ring.take_from(0, 25);
        assert_eq!((shown(&taken.packets).as_str(), taken.next, taken.n_missed()), ("K..", 3, 0));
        let taken = ring.take_from(taken.next, usize::MAX);
        assert_eq!((shown(&taken.packets).as_str(), taken.next, taken.n_missed()), ("K..", 6, 0));
        assert!(ring.take_from(6, usize::MAX).packets.is_empty());
        let waits = ring.kept_from(4);
        assert_eq!((waits.n_packets, waits.n_bytes, waits.span), (2, 20, Duration::from_millis(100)));
        assert_eq!((waits.n_keys, waits.bytes_per_key(), waits.bytes_per_sec()), (0, None, None));
        let all = ring.kept();
        assert_eq!((all.n_keys, all.bytes_per_key()), (2, Some(10.0)));
        let longer = KeptPackets { span: Duration::from_secs(2), ..all };
        assert_eq!(longer.bytes_per_sec(), Some(30.0));
        assert_eq!(ring.kept_from(99), KeptPackets::default());
        assert_eq!((ring.end(), ring.number_at(began), ring.number_at(began + Duration::from_millis(450))), (6, 0, 3));
        fill(&ring, "______________K..K..K..");
        let taken = ring.take_from(6, usize::MAX);
        assert_eq!((shown(&taken.packets).as_str(), taken.next, taken.n_missed()), ("K..K..", 15, 3));
        assert_eq!(ring.number_at(began), 9);
        assert_eq!(ring.news().current().as_deref(), Some(&15));
        // What is not wanted any more goes at once, and is not counted as new.
        ring.set_limits(RingLimits::default());
        assert!(!ring.are_wanted());
        assert_eq!((ring.kept(), ring.end()), (KeptPackets::default(), 15));
    }

    #[test]
    fn somebody_who_looks_has_the_newest_kept() {
        let ring = PacketRing::default();
        fill(&ring, "KKK");
        assert_eq!((ring.are_wanted(), ring.nearest(Instant::now())), (false, None));
        let looks = [ring.look(), ring.look()];
        assert!(ring.are_wanted());
        let began = fill(&ring, "KKKKKKKKKKKKKKK");
        let nearest = |ms| ring.nearest(began + Duration::from_millis(ms)).unwrap().taken_at - began;
        assert_eq!([0, 880, 949, 9_000].map(nearest).map(|at| at.as_millis()), [400, 900, 900, 1_400]);
        // What is recorded besides is not touched by the end of it.
        ring.set_limits(RingLimits { span: Duration::from_millis(300), n_bytes: 1_000 });
        drop(looks);
        assert!(ring.are_wanted());
        assert_eq!(ring.kept().n_packets, 4);
        ring.set_limits(RingLimits::default());
        let look = ring.look();
        fill(&ring, "KK");
        drop(look);
        assert_eq!((ring.are_wanted(), ring.kept()), (false, KeptPackets::default()));
    }

    #[test]
    fn parameter_sets_that_change_take_room() {
        #[track_caller]
        fn check(sets_change: bool, expected: usize) {
            let ring = ring(60_000, 10_000);
            let some = || Arc::new(ParameterSets { sps: vec![vec![0; 990]], ..ParameterSets::default() });
            let (first, began) = (some(), Instant::now());
            for n in 0..100 {
                let sets = if sets_change { some() } else { Arc::clone(&first) };
                let at = began + Duration::from_millis(40) * n;
                ring.take(Packet { sets, ..Packet::jpeg(&[0; 10], None, false, None, at) });
            }
            assert_eq!(ring.kept().n_packets, expected);
            assert!(ring.kept().n_bytes <= 10_000);
        }
        check(true, 10);
        check(false, 100);
    }
}
