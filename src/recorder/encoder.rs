//! JPEGs of pictures that come as pixels: what is recorded of a camera that codes nothing itself, or whose backend hides it.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

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

/// The thread `record-jpeg`. Dropping it ends it. While it codes, the camera hands out each picture in full size.
pub struct FrameEncoder {
    _alive: Sender<()>,
}

impl FrameEncoder {
    /// # Errors
    /// The system gives no thread.
    pub fn start(camera: &Camera, ring: PacketRing) -> io::Result<Self> {
        let (alive, wanted) = bounded(0);
        let frames = camera.frames();
        thread::Builder::new().name("record-jpeg".to_owned()).spawn(move || {
            run(frames, &ring, &wanted);
            ring.set_made_of_pictures(false);
        })?;
        Ok(Self { _alive: alive })
    }
}

fn run(mut frames: Reader<Frame>, ring: &PacketRing, wanted: &Receiver<()>) {
    let mut need = Need::default();
    let mut n_lost = 0;
    let mut has_rested = false;
    while wanted.try_recv() != Err(TryRecvError::Disconnected) {
        let Some(fresh) = frames.wait_fresh(Instant::now() + SLICE) else { continue };
        let now = Instant::now();
        let turn = need.turn(ring.end(), now);
        ring.set_made_of_pictures(turn != CodingTurn::OfOthers);
        let frame = &fresh.value;
        // Nobody was to code what came meanwhile.
        let n_skipped = if std::mem::take(&mut has_rested) { 0 } else { fresh.n_skipped };
        match turn {
            CodingTurn::OfOthers => {
                n_lost = 0;
                has_rested = wanted.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout);
            }
            // Of the time before it was wanted in full size.
            _ if frame.image.is_made_smaller() => n_lost = 0,
            CodingTurn::Missed => n_lost += 1 + n_skipped,
            CodingTurn::Taken => {
                n_lost += n_skipped;
                match codec::encode_jpeg(&frame.image, QUALITY_PERCENT) {
                    Ok(jpeg) => ring.take(Packet {
                        is_made_here: true,
                        n_lost_before: std::mem::take(&mut n_lost),
                        ..Packet::jpeg(&jpeg, Some(frame.image.size()), false, None, frame.taken_at)
                    }),
                    // Larger than a JPEG can be.
                    Err(_) => n_lost += 1,
                }
                need.on_coded(ring.end(), now, now.elapsed());
            }
        }
    }
}

/// Who codes a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodingTurn {
    /// The camera, as far as is known.
    OfOthers,
    Taken,
    /// Nobody: there is no time for it.
    Missed,
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
    fn turn(&mut self, n_packets: u64, now: Instant) -> CodingTurn {
        let first = *self.first_frame.get_or_insert(now);
        if n_packets > self.n_packets {
            self.others_at = Some(now);
            self.n_packets = n_packets;
        }
        let quiet_since = self.others_at.map_or(first, |at| at.max(first));
        if now.saturating_duration_since(quiet_since) < PATIENCE {
            CodingTurn::OfOthers
        } else if self.next.is_none_or(|next| now >= next) {
            CodingTurn::Taken
        } else {
            CodingTurn::Missed
        }
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
                match need.turn(n_packets, now) {
                    CodingTurn::OfOthers => '.',
                    CodingTurn::Missed => '-',
                    CodingTurn::Taken => {
                        n_packets += 1;
                        need.on_coded(n_packets, now, Duration::from_millis(took_ms));
                        'J'
                    }
                }
            })
            .collect();
        assert_eq!(coded, expected, "{letters}");
    }

    #[test]
    fn pictures_are_coded_where_nobody_else_does() {
        check(&"f".repeat(26), 5, "....................JJJJJJ");
        check(&"p".repeat(40), 5, &".".repeat(40));
        // It takes long.
        check(&"f".repeat(30), 50, "....................J-J-J-J-J-");
        check(&"f".repeat(30), 70, "....................J--J--J--J");
        // Another backend, after a while; and back.
        check(&format!("ppp{}pff", "f".repeat(22)), 5, "......................JJJ...");
    }
}
