//! JPEGs of pictures that come as pixels: what is recorded of a camera that codes nothing itself, or whose backend hides it.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use crate::camera::Camera;
use crate::codec;
use crate::frame::Frame;
use crate::latest::Reader;
use crate::packet::ring::PacketRing;
use crate::packet::{Packet, TakePackets};

const QUALITY_PERCENT: u32 = 85;
/// Of the time, a quarter at most: the rate falls where it takes longer.
const COST: u32 = 4;
/// Where packets come, they come before their pictures. So long is waited for them, at first and after the last.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often is looked whether this is still wanted.
const SLICE: Duration = Duration::from_millis(200);

/// The thread `record-jpeg`. Dropping it ends it.
pub struct FrameEncoder {
    _alive: Sender<()>,
}

impl FrameEncoder {
    /// # Errors
    /// The system gives no thread.
    pub fn start(camera: &Camera, ring: PacketRing) -> io::Result<Self> {
        let (alive, wanted) = bounded(0);
        let frames = camera.frames();
        thread::Builder::new().name("record-jpeg".to_owned()).spawn(move || run(frames, &ring, &wanted))?;
        Ok(Self { _alive: alive })
    }
}

fn run(mut frames: Reader<Frame>, ring: &PacketRing, wanted: &Receiver<()>) {
    let mut need = Need::default();
    while wanted.try_recv() != Err(TryRecvError::Disconnected) {
        let Some(fresh) = frames.wait_fresh(Instant::now() + SLICE) else { continue };
        let now = Instant::now();
        if !need.is_there(ring.end(), now) {
            continue;
        }
        let frame = &fresh.value;
        // One that cannot be coded is missing in the recording, as a damaged one would be.
        if let Ok(jpeg) = codec::encode_jpeg(&frame.image, QUALITY_PERCENT) {
            ring.take(Packet::jpeg(&jpeg, Some(frame.image.size()), false, None, frame.taken_at));
        }
        need.on_coded(ring.end(), now, now.elapsed());
    }
}

/// Whether the next picture is to be coded here. Pure.
#[derive(Debug, Default)]
struct Need {
    first_frame: Option<Instant>,
    /// Packets in the ring, as of the last look.
    n_packets: u64,
    /// The last one came that was not ours.
    others_at: Option<Instant>,
    next: Option<Instant>,
}

impl Need {
    fn is_there(&mut self, n_packets: u64, now: Instant) -> bool {
        let first = *self.first_frame.get_or_insert(now);
        if n_packets > self.n_packets {
            self.others_at = Some(now);
            self.n_packets = n_packets;
        }
        let quiet_since = self.others_at.map_or(first, |at| at.max(first));
        now.saturating_duration_since(quiet_since) >= PATIENCE && self.next.is_none_or(|next| now >= next)
    }

    fn on_coded(&mut self, n_packets: u64, began: Instant, took: Duration) {
        self.n_packets = n_packets;
        self.next = Some(began + took * COST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter each 100 ms: `f` a picture, `p` a packet before it. Which of the pictures are coded, each in `took_ms`.
    #[track_caller]
    fn check(letters: &str, took_ms: u64, expected: &str) {
        let began = Instant::now();
        let (mut need, mut n_packets) = (Need::default(), 0);
        let coded: String = (0..)
            .zip(letters.chars())
            .map(|(n, letter)| {
                let now = began + Duration::from_millis(100) * n;
                n_packets += u64::from(letter == 'p');
                if !need.is_there(n_packets, now) {
                    return '.';
                }
                n_packets += 1;
                need.on_coded(n_packets, now, Duration::from_millis(took_ms));
                'J'
            })
            .collect();
        assert_eq!(coded, expected, "{letters}");
    }

    #[test]
    fn pictures_are_coded_where_nobody_else_does() {
        check(&"f".repeat(26), 5, "....................JJJJJJ");
        check(&"p".repeat(40), 5, &".".repeat(40));
        // It takes long.
        check(&"f".repeat(30), 50, "....................J.J.J.J.J.");
        check(&"f".repeat(30), 70, "....................J..J..J..J");
        // Another backend, after a while; and back.
        check(&format!("ppp{}pff", "f".repeat(22)), 5, "......................JJJ...");
    }
}
