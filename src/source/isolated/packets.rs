//! Packets of the camera on their way from the worker to the program, through memory that both have.
//!
//! The bytes of each lie in one piece, one behind the other, round and round. The program copies them out as soon as it is told of
//! them, and counts up to where it has; the worker writes over nothing that is not counted. It never waits for room: what finds none is
//! left out, up to the next key packet, and counted. While the program keeps up, all lies at the beginning, so that little of the
//! memory is touched.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use memmap2::{MmapOptions, MmapRaw};
use serde::{Deserialize, Serialize};

use super::process::shift;
use crate::device::shared_memory::{self, SharedMemory};
use crate::frame::Size;
use crate::lock::Lock;
use crate::packet::{Packet, PacketSink, ParameterSets, TakePackets, VideoCodec, wall_clock_at};

/// For the bytes of packets. A picture that is larger is left out.
pub const N_BYTES: u64 = 16 << 20;
/// Before them: up to where the program has copied them out.
const HEADER: usize = 64;
/// Packets that wait to be written there.
const MAX_WAITING: usize = 64;
/// Parameter sets go through the pipe. No camera's are longer.
const MAX_SET_BYTES: usize = 8 << 10;

/// Where a packet lies, and all but its bytes.
#[derive(Debug, Serialize, Deserialize)]
pub struct PacketMessage {
    /// Counted over all of the memory's rounds: where it begins and where it ends.
    start: u64,
    end: u64,
    codec: VideoCodec,
    is_key: bool,
    is_damaged: bool,
    stamp_us: Option<u64>,
    taken_at_us: i64,
    size: Option<(u32, u32)>,
    /// Where they have changed.
    sets: Option<ParameterSets>,
    /// Packets before it that were left out.
    n_left_out: u64,
}

/// The memory as either side has it mapped.
struct PacketMemory {
    map: MmapRaw,
    n_bytes: u64,
}

impl PacketMemory {
    /// Up to where the program has copied the bytes out.
    fn read_up_to(&self) -> &AtomicU64 {
        // SAFETY: the mapping lives as long as `self`, is longer than the header, begins at a page and so is aligned; both sides
        // touch these eight bytes as an atomic number alone. Whatever stands there is a number.
        #[expect(unsafe_code, reason = "the shared mapping")]
        unsafe {
            AtomicU64::from_ptr(self.map.as_mut_ptr().cast())
        }
    }

    /// The place of so many bytes that begin at `start`; `None` where they do not lie in one piece.
    fn place(&self, start: u64, n: usize) -> Option<*mut u8> {
        let at = start % self.n_bytes;
        at.checked_add(n as u64).filter(|end| *end <= self.n_bytes)?;
        Some(self.map.as_mut_ptr().wrapping_add(HEADER + usize::try_from(at).ok()?))
    }
}

/// The program's side. Dropping it forgets what has not been copied out.
pub struct PacketReader {
    memory: PacketMemory,
    /// Until the worker has opened it.
    shared: Lock<Option<SharedMemory>>,
    sink: PacketSink,
    sets: Lock<Arc<ParameterSets>>,
}

impl PacketReader {
    /// # Errors
    /// There is no room for it.
    pub fn new(sink: PacketSink) -> io::Result<Self> {
        let shared = shared_memory::create(HEADER as u64 + N_BYTES)?;
        let map = MmapOptions::new().map_raw(&shared.file)?;
        let memory = PacketMemory { map, n_bytes: N_BYTES };
        Ok(Self { memory, shared: Lock::new(Some(shared)), sink, sets: Lock::default() })
    }

    /// By which the worker opens it, once.
    pub fn path(&self) -> Option<PathBuf> {
        self.shared.lock().as_ref().map(|shared| shared.path.clone())
    }

    /// Passes a packet on. `epoch` is the worker's zero of time.
    ///
    /// # Errors
    /// It cannot lie there.
    pub fn on_packet(&self, message: PacketMessage, epoch: Instant, now: Instant) -> Result<(), String> {
        drop(self.shared.lock().take());
        let PacketMessage { start, end, codec, is_key, is_damaged, stamp_us, taken_at_us, size, sets, n_left_out } =
            message;
        let impossible = || format!("a packet from {start} to {end}");
        let n = end.checked_sub(start).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let n = n.ok_or_else(impossible)?;
        let place = self.memory.place(start, n).ok_or_else(impossible)?;
        let mut bytes = vec![0; n];
        // SAFETY: `place` has checked that the bytes lie within the mapping, which lives as long as `self`; `bytes` has as many. The
        // worker does not write there until it is told below; one that does spoils its own packet, whose bytes are not trusted.
        #[expect(unsafe_code, reason = "the shared mapping")]
        unsafe {
            std::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), n);
        }
        self.memory.read_up_to().store(end, Ordering::Release);
        let sets = {
            let mut known = self.sets.lock();
            if let Some(sets) = sets {
                *known = Arc::new(sets);
            }
            Arc::clone(&known)
        };
        let taken_at = shift(epoch, taken_at_us).unwrap_or(now).min(now);
        self.sink.put(Packet {
            codec,
            is_key,
            is_damaged: is_damaged || n_left_out > 0 && !is_key,
            is_made_here: false,
            n_lost_before: n_left_out,
            stamp: stamp_us.map(Duration::from_micros),
            taken_at,
            taken_at_wall: wall_clock_at(taken_at),
            sets,
            size: size.and_then(|(width, height)| Size::new(width, height)),
            bytes: bytes.into(),
        });
        Ok(())
    }
}

/// The worker's side: what the source puts its packets into. They wait for the thread `packets`, which writes them.
pub struct PacketOutlet {
    waiting: Sender<Packet>,
    are_wanted: AtomicBool,
    /// Since the last one that was told.
    n_left_out: AtomicU64,
    /// What depends on one that was left out is of no use.
    awaits_key: AtomicBool,
}

impl PacketOutlet {
    /// With what takes packets out of it.
    pub fn new() -> (Arc<Self>, Receiver<Packet>) {
        let (waiting, packets) = bounded(MAX_WAITING);
        let (are_wanted, awaits_key) = (AtomicBool::new(false), AtomicBool::new(true));
        (Arc::new(Self { waiting, are_wanted, n_left_out: AtomicU64::new(0), awaits_key }), packets)
    }

    pub fn set_wanted(&self, are_wanted: bool) {
        self.are_wanted.store(are_wanted, Ordering::Relaxed);
    }

    /// Not the first ones, before the first key packet, which nobody has lost.
    fn leave_out(&self, n: u64) {
        self.n_left_out.fetch_add(n, Ordering::Relaxed);
        self.awaits_key.store(true, Ordering::Relaxed);
    }
}

impl TakePackets for PacketOutlet {
    fn are_wanted(&self) -> bool {
        self.are_wanted.load(Ordering::Relaxed)
    }

    fn take(&self, packet: Packet) {
        let is_key = packet.is_key;
        if self.awaits_key.load(Ordering::Relaxed) && !is_key {
            let has_lost = self.n_left_out.load(Ordering::Relaxed) > 0;
            return self.leave_out(u64::from(has_lost));
        }
        match self.waiting.try_send(packet) {
            Ok(()) => self.awaits_key.store(false, Ordering::Relaxed),
            Err(_) => self.leave_out(1),
        }
    }
}

/// Writes packets to where the program sees them, in order.
pub struct PacketWriter {
    memory: PacketMemory,
    outlet: Arc<PacketOutlet>,
    /// Up to where has been written, over all rounds, and from where on it may not have been read.
    written: u64,
    unread_from: u64,
    sets: Option<Arc<ParameterSets>>,
}

impl PacketWriter {
    /// # Errors
    /// The program's memory cannot be opened.
    pub fn open(file: &Path, outlet: Arc<PacketOutlet>) -> io::Result<Self> {
        let file = shared_memory::open(file)?;
        if file.metadata()?.len() < HEADER as u64 + N_BYTES {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the memory for packets is too short"));
        }
        let map = MmapOptions::new().map_raw(&file)?;
        Ok(Self { memory: PacketMemory { map, n_bytes: N_BYTES }, outlet, written: 0, unread_from: 0, sets: None })
    }

    /// Writes all packets until nobody sends any more, or `tell` says that nobody listens. It is told of each; `clock` gives moments as the
    /// program is told them.
    pub fn run(
        mut self,
        packets: &Receiver<Packet>,
        clock: impl Fn(Instant) -> i64,
        tell: impl Fn(PacketMessage) -> bool,
    ) {
        while let Ok(packet) = packets.recv() {
            match self.write(&packet, &clock) {
                Some(message) => {
                    if !tell(message) {
                        return;
                    }
                }
                None => self.outlet.leave_out(1),
            }
        }
    }

    /// `None` where there is no room.
    fn write(&mut self, packet: &Packet, clock: impl Fn(Instant) -> i64) -> Option<PacketMessage> {
        if packet.sets.n_bytes() > MAX_SET_BYTES {
            return None;
        }
        let (n, of_round) = (packet.bytes.len() as u64, self.written % self.memory.n_bytes);
        let rest = self.memory.n_bytes - of_round;
        let read = self.memory.read_up_to().load(Ordering::Acquire);
        let is_read = read >= self.written;
        // Where everything has been read, the beginning is as good a place as any, and has been touched.
        let start = if is_read && of_round > 0 || n > rest { self.written + rest } else { self.written };
        let end = start + n;
        let unread_from = if is_read { start } else { self.unread_from.max(read) };
        if n == 0 || n > self.memory.n_bytes || end.saturating_sub(unread_from) > self.memory.n_bytes {
            return None;
        }
        let place = self.memory.place(start, packet.bytes.len())?;
        // SAFETY: `place` has checked that the bytes lie within the mapping, which lives as long as `self`. The program reads there only
        // what it has been told of and has not counted, and none of that lies there.
        #[expect(unsafe_code, reason = "the shared mapping")]
        unsafe {
            std::ptr::copy_nonoverlapping(packet.bytes.as_ptr(), place, packet.bytes.len());
        }
        (self.written, self.unread_from) = (end, unread_from);
        let has_changed = self.sets.as_ref().is_none_or(|sets| **sets != *packet.sets);
        if has_changed {
            self.sets = Some(Arc::clone(&packet.sets));
        }
        Some(PacketMessage {
            start,
            end,
            codec: packet.codec,
            is_key: packet.is_key,
            is_damaged: packet.is_damaged,
            stamp_us: packet.stamp.and_then(|stamp| u64::try_from(stamp.as_micros()).ok()),
            taken_at_us: clock(packet.taken_at),
            size: packet.size.map(|size| (size.width, size.height)),
            sets: has_changed.then(|| (*packet.sets).clone()),
            n_left_out: self.outlet.n_left_out.swap(0, Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::packet::ring::{PacketRing, RingLimits};

    fn packet(seed: u8, n_bytes: usize, is_key: bool) -> Packet {
        let bytes: Vec<u8> = (0..n_bytes).map(|n| seed.wrapping_add(u8::try_from(n % 251).unwrap())).collect();
        Packet {
            codec: VideoCodec::H264,
            is_key,
            is_damaged: false,
            is_made_here: false,
            n_lost_before: 0,
            stamp: Some(Duration::from_micros(seed.into())),
            taken_at: Instant::now(),
            taken_at_wall: SystemTime::now(),
            sets: Arc::new(ParameterSets { sps: vec![vec![seed / 100]], ..ParameterSets::default() }),
            size: Size::new(64, 48),
            bytes: bytes.into(),
        }
    }

    struct Both {
        reader: PacketReader,
        outlet: Arc<PacketOutlet>,
        waiting: Receiver<Packet>,
        writer: PacketWriter,
        ring: PacketRing,
        epoch: Instant,
    }

    fn both() -> Both {
        let ring = PacketRing::default();
        ring.set_limits(RingLimits { span: Duration::from_mins(1), n_bytes: usize::MAX });
        let reader = PacketReader::new(PacketSink::to(Arc::new(ring.clone()))).unwrap();
        let (outlet, waiting) = PacketOutlet::new();
        outlet.set_wanted(true);
        let writer = PacketWriter::open(&reader.path().unwrap(), Arc::clone(&outlet)).unwrap();
        Both { reader, outlet, waiting, writer, ring, epoch: Instant::now() }
    }

    impl Both {
        /// Has a packet written, and returns what the program is told.
        fn write(&mut self, packet: Packet) -> Option<PacketMessage> {
            let sink = PacketSink::to(Arc::clone(&self.outlet) as Arc<dyn TakePackets>);
            sink.put(packet);
            let packet = self.waiting.try_recv().ok()?;
            let epoch = self.epoch;
            let clock = |at: Instant| i64::try_from(at.saturating_duration_since(epoch).as_micros()).unwrap();
            let message = self.writer.write(&packet, clock);
            if message.is_none() {
                self.outlet.leave_out(1);
            }
            message
        }

        fn read(&self, message: &PacketMessage) {
            // As it goes through the pipe.
            let message = serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap();
            self.reader.on_packet(message, self.epoch, Instant::now()).unwrap();
        }
    }

    #[test]
    fn packets_arrive_as_they_were_sent() {
        let mut both = both();
        let mut random = fastrand::Rng::with_seed(7);
        let mut sent: Vec<Packet> = Vec::new();
        let mut on_the_way = std::collections::VecDeque::new();
        for seed in 0..=255 {
            let packet = packet(seed, random.usize(1..400_000), seed % 10 == 0);
            let message = both.write(packet.clone()).unwrap();
            sent.push(packet);
            on_the_way.push_back(message);
            // The program is behind by some, and catches up now and then.
            let n_late = if random.u8(..5) == 0 { 0 } else { 6 };
            while on_the_way.len() > n_late {
                both.read(&on_the_way.pop_front().unwrap());
            }
        }
        for message in &on_the_way {
            both.read(message);
        }
        let got = both.ring.take_from(0, usize::MAX).packets;
        assert_eq!(got.len(), sent.len());
        for (got, sent) in got.iter().zip(&sent) {
            assert!(got.bytes == sent.bytes && got.sets == sent.sets && got.is_key == sent.is_key);
            assert_eq!((got.stamp, got.size, got.is_damaged), (sent.stamp, sent.size, false));
        }
    }

    #[test]
    fn what_finds_no_room_is_left_out_up_to_a_key_packet_and_counted() {
        const LARGE: usize = 5 << 20;
        let mut both = both();
        let first: Vec<_> = (0..3).map(|n| both.write(packet(n, LARGE, n == 0)).unwrap()).collect();
        assert!(both.write(packet(3, LARGE, false)).is_none(), "there is no room");
        assert!(both.write(packet(4, 10, false)).is_none(), "it depends on that one");
        for message in &first {
            both.read(message);
        }
        assert!(both.write(packet(5, 10, false)).is_none(), "still");
        let message = both.write(packet(6, LARGE, true)).unwrap();
        assert_eq!(message.n_left_out, 3);
        assert_eq!(message.start % N_BYTES, 0, "all is read: it begins anew");
        both.read(&message);
        let whole = usize::try_from(N_BYTES).unwrap();
        assert!(both.write(packet(7, whole + 1, true)).is_none(), "it never fits");
        assert!(both.write(packet(8, whole, true)).is_some(), "it just does");
    }

    #[test]
    fn places_that_cannot_be_are_refused() {
        let both = both();
        let message = |start, end| PacketMessage {
            start,
            end,
            codec: VideoCodec::Jpeg,
            is_key: true,
            is_damaged: false,
            stamp_us: None,
            taken_at_us: i64::MIN,
            size: Some((0, u32::MAX)),
            sets: None,
            n_left_out: u64::MAX,
        };
        let check = |start, end| both.reader.on_packet(message(start, end), Instant::now(), Instant::now()).is_ok();
        assert!(check(0, 10));
        assert!(
            check(u64::MAX - 1, u64::MAX) || !check(u64::MAX - 1, u64::MAX),
            "either way nothing is touched outside"
        );
        for (start, end) in [(0, 0), (10, 0), (0, N_BYTES + 1), (N_BYTES - 1, N_BYTES + 1), (0, u64::MAX)] {
            assert!(!check(start, end), "{start} {end}");
        }
        assert!(PacketWriter::open(Path::new("/nowhere"), both.outlet).is_err());
    }
}
