//! What is done when the disk is full, step by step. Pure.
//!
//! A clip is deleted, and the write is tried again; where nothing more can go, or it takes too long, writing stops:
//! what is written is a good file already. Each second it is looked whether there is room again; with the next key
//! picture recording goes on.

use std::time::{Duration, Instant};

use crate::clips::whole_bytes;

/// From the first failed write to the stop, at most. Handled within two seconds with what the stop itself takes.
const FREE_WITHIN: Duration = Duration::from_millis(1_500);
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// With cameras that send no key picture for longer, recording goes on with the last that is kept.
const KEY_WITHIN: Duration = Duration::from_secs(3);
/// Room for so many seconds has to be there before recording goes on, so that it is not full at once again.
const RESUME_SECS: f64 = 60.0;
const RESUME_BYTES: u64 = 16 << 20;
/// A disk on which so many clips in a row free nothing is not helped by a further one.
const MAX_VAIN: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DiskInput {
    /// A write failed for want of room.
    WriteFailed,
    /// What was tried again has succeeded.
    Written,
    /// The answer to [`DiskEffect::FreeAClip`]: so much was freed.
    Freed(u64),
    /// The answer to [`DiskEffect::Look`], and what is measured in between; `None` where the system does not tell,
    /// which is not “enough”.
    Free(Option<u64>),
    /// A key picture is there to begin with.
    KeyPicture,
    /// Time passes. At least four times a second.
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskEffect {
    /// Delete one clip that may go; [`DiskInput::Freed`] answers.
    FreeAClip,
    /// Try the write that failed once more; [`DiskInput::Written`] or [`DiskInput::WriteFailed`] answers, the first
    /// also where none had failed.
    WriteAgain,
    /// Leave the file as it is, unclosed where there is no room for its index, and write nothing. The ring of pictures
    /// runs on.
    Stop,
    /// Ask how much room there is; [`DiskInput::Free`] answers.
    Look,
    /// Go on in a new file. It begins with the oldest key picture that is kept and was not written: as a rule before
    /// this moment.
    Resume,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum DiskPhase {
    Writing,
    /// A clip is being deleted.
    Freeing {
        since: Instant,
    },
    /// The failed write is being tried again.
    Trying {
        since: Instant,
    },
    Stopped {
        looked_at: Instant,
    },
    /// There is room.
    Waiting {
        since: Instant,
    },
}

/// Where this stands.
#[derive(Clone, Debug)]
pub struct FullDisk {
    phase: DiskPhase,
    /// Below this nothing is written.
    least_free_bytes: u64,
    bytes_per_sec: f64,
    n_vain: u32,
}

impl FullDisk {
    #[must_use]
    pub fn new(least_free_bytes: u64) -> Self {
        Self { phase: DiskPhase::Writing, least_free_bytes, bytes_per_sec: 0.0, n_vain: 0 }
    }

    /// What recording writes, or would write.
    pub fn set_rate(&mut self, bytes_per_sec: f64) {
        self.bytes_per_sec = if bytes_per_sec.is_finite() { bytes_per_sec.max(0.0) } else { 0.0 };
    }

    /// Whether nothing is written for want of room.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.phase, DiskPhase::Stopped { .. } | DiskPhase::Waiting { .. })
    }

    #[must_use]
    pub fn step(&mut self, input: DiskInput, now: Instant) -> Vec<DiskEffect> {
        let waited = |since: Instant| now.saturating_duration_since(since);
        let stop = (DiskPhase::Stopped { looked_at: now }, vec![DiskEffect::Stop]);
        let (phase, effects) = match (self.phase, input) {
            (DiskPhase::Writing, DiskInput::WriteFailed) => {
                (DiskPhase::Freeing { since: now }, vec![DiskEffect::FreeAClip])
            }
            // Better in time than in the middle of a picture.
            (DiskPhase::Writing, DiskInput::Free(Some(free))) if free < self.least_free_bytes => {
                (DiskPhase::Freeing { since: now }, vec![DiskEffect::FreeAClip])
            }
            (DiskPhase::Freeing { .. }, DiskInput::Freed(0)) => stop,
            (DiskPhase::Freeing { since }, DiskInput::Freed(_)) if waited(since) < FREE_WITHIN => {
                (DiskPhase::Trying { since }, vec![DiskEffect::WriteAgain])
            }
            // Too late, or the next look finds that it was of use.
            (DiskPhase::Freeing { .. }, DiskInput::Freed(_)) => stop,
            (DiskPhase::Trying { .. }, DiskInput::Written) => {
                self.n_vain = 0;
                (DiskPhase::Writing, Vec::new())
            }
            (DiskPhase::Trying { since }, DiskInput::WriteFailed) => {
                self.n_vain += 1;
                if self.n_vain >= MAX_VAIN || waited(since) >= FREE_WITHIN {
                    stop
                } else {
                    (DiskPhase::Freeing { since }, vec![DiskEffect::FreeAClip])
                }
            }
            (DiskPhase::Freeing { since } | DiskPhase::Trying { since }, _) if waited(since) >= FREE_WITHIN => stop,
            (DiskPhase::Stopped { .. }, DiskInput::Free(Some(free))) if free >= self.resume_bytes() => {
                (DiskPhase::Waiting { since: now }, Vec::new())
            }
            (DiskPhase::Stopped { looked_at }, _) if waited(looked_at) >= LOOK_PERIOD => {
                // Somebody may have given clips free meanwhile.
                (DiskPhase::Stopped { looked_at: now }, vec![DiskEffect::FreeAClip, DiskEffect::Look])
            }
            (DiskPhase::Waiting { .. }, DiskInput::Free(Some(free))) if free < self.least_free_bytes => {
                (DiskPhase::Stopped { looked_at: now }, Vec::new())
            }
            (DiskPhase::Waiting { .. }, DiskInput::KeyPicture) => (DiskPhase::Writing, vec![DiskEffect::Resume]),
            (DiskPhase::Waiting { since }, _) if waited(since) >= KEY_WITHIN => {
                (DiskPhase::Writing, vec![DiskEffect::Resume])
            }
            (phase, _) => (phase, Vec::new()),
        };
        if matches!(phase, DiskPhase::Stopped { .. } | DiskPhase::Writing) {
            self.n_vain = 0;
        }
        self.phase = phase;
        effects
    }

    fn resume_bytes(&self) -> u64 {
        let more = whole_bytes(self.bytes_per_sec * RESUME_SECS);
        self.least_free_bytes.saturating_add(more.max(RESUME_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u64 = 64 << 20;

    /// Inputs at their milliseconds: `w` a write failed, `W` it was written, `d9`/`d0` so much was freed, `f9` so many
    /// MB are free, `f?` is not known, `k` a key picture, `t` time passes. What is done: `9:free 9:stop`.
    #[track_caller]
    fn check(inputs: &str, expected: &str) {
        let began = Instant::now();
        let mut disk = FullDisk::new(LEAST);
        disk.set_rate(1e6);
        let mut done = Vec::new();
        for word in inputs.split_whitespace() {
            let (at, input) = word.split_once(':').unwrap();
            let number = input[1..].parse::<u64>().ok();
            let input = match &input[..1] {
                "w" => DiskInput::WriteFailed,
                "W" => DiskInput::Written,
                "d" => DiskInput::Freed(number.unwrap() << 20),
                "f" => DiskInput::Free(number.map(|mb| mb << 20)),
                "k" => DiskInput::KeyPicture,
                _ => DiskInput::Tick,
            };
            for effect in disk.step(input, began + Duration::from_millis(at.parse().unwrap())) {
                let effect = match effect {
                    DiskEffect::FreeAClip => "free",
                    DiskEffect::WriteAgain => "again",
                    DiskEffect::Stop => "stop",
                    DiskEffect::Look => "look",
                    DiskEffect::Resume => "resume",
                };
                done.push(format!("{at}:{effect}"));
            }
        }
        assert_eq!(done.join(" "), expected, "{inputs}");
    }

    #[test]
    fn a_full_disk_has_its_steps() {
        check("0:t 10:k 20:f900 30:f?", "");
        check("0:w 100:d300 150:W 200:k", "0:free 100:again");
        check("0:w 100:d1 150:w 200:d300 250:W", "0:free 100:again 150:free 200:again");
        check("0:w 100:d0", "0:free 100:stop");
        // What is deleted is of no use: another program takes it.
        check("0:w 1:d1 2:w 3:d1 4:w 5:d1 6:w", "0:free 1:again 2:free 3:again 4:free 5:again 6:stop");
        // It takes too long.
        check("0:w 1000:t 1500:t", "0:free 1500:stop");
        check("0:w 1499:d1 1500:w", "0:free 1499:again 1500:stop");
        check("0:w 1600:d9", "0:free 1600:stop");
        // Before it is full.
        check("0:f63 100:d9 110:W", "0:free 100:again");
        check("0:f64", "");
    }

    #[test]
    fn recording_goes_on_by_itself() {
        let full = "0:w 100:d0";
        let told = "0:free 100:stop";
        check(&format!("{full} 500:t 1099:t 1100:t 1150:d0 1160:f70 1500:k"), &format!("{told} 1100:free 1100:look"));
        check(&format!("{full} 1100:t 1150:d0 1160:f? 1200:k"), &format!("{told} 1100:free 1100:look"));
        check(
            &format!("{full} 1100:t 1150:d500 1160:f900 1400:k 1500:k"),
            &format!("{told} 1100:free 1100:look 1400:resume"),
        );
        // Without a key picture, with what is kept.
        check(
            &format!("{full} 1100:t 1160:f900 2500:t 4159:t 4160:t"),
            &format!("{told} 1100:free 1100:look 4160:resume"),
        );
        // The room is gone again before it was used.
        check(
            &format!("{full} 1100:t 1160:f900 1200:f10 1300:k 2200:t"),
            &format!("{told} 1100:free 1100:look 2200:free 2200:look"),
        );
    }

    /// Room comes back at any time: it is seen within a second, and used within five at any distance of key pictures.
    #[test]
    fn it_is_handled_and_resumed_in_time() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let began = Instant::now();
            let mut disk = FullDisk::new(LEAST);
            disk.set_rate(random.f64() * 1e6);
            let (back, key_period) = (random.u64(3_000..30_000), random.u64(30..20_000));
            let (mut stopped, mut resumed) = (None, None);
            let mut inputs = vec![DiskInput::WriteFailed];
            for ms in (0..60_000_u64).step_by(50) {
                let now = began + Duration::from_millis(ms);
                inputs.push(DiskInput::Tick);
                if ms % key_period < 50 {
                    inputs.push(DiskInput::KeyPicture);
                }
                for input in std::mem::take(&mut inputs) {
                    for effect in disk.step(input, now) {
                        match effect {
                            DiskEffect::FreeAClip => {}
                            DiskEffect::WriteAgain => inputs.push(DiskInput::WriteFailed),
                            DiskEffect::Look => {
                                let free = if ms >= back { 200 << 20 } else { random.u64(..LEAST) };
                                inputs.push(DiskInput::Free(Some(free)));
                            }
                            DiskEffect::Stop => stopped = Some(ms),
                            DiskEffect::Resume => resumed = Some(ms),
                        }
                    }
                }
            }
            assert!(stopped.is_some_and(|ms| ms <= 2_000), "{stopped:?}");
            assert!(resumed.is_some_and(|ms| (back..=back + 5_000).contains(&ms)), "{resumed:?} {back} {key_period}");
            assert!(!disk.is_stopped());
        }
    }

    #[test]
    fn any_order_of_inputs_is_borne() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let began = Instant::now();
        let mut disk = FullDisk::new(u64::MAX);
        for n in 0..100_000 {
            disk.set_rate(*random.choice([0.0, -1.0, 1e300, f64::NAN, f64::INFINITY].iter()).unwrap());
            let input = match random.u8(..7) {
                0 => DiskInput::WriteFailed,
                1 => DiskInput::Written,
                2 => DiskInput::Freed(random.u64(..2)),
                3 => DiskInput::Free(Some(u64::MAX)),
                4 => DiskInput::Free(None),
                5 => DiskInput::KeyPicture,
                _ => DiskInput::Tick,
            };
            let effects = disk.step(input, began + Duration::from_millis(n * random.u64(..3)));
            assert!(effects.len() <= 2);
        }
    }
}
