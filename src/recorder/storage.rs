//! How the disk of the clips does: measurements of the last minute, and what they mean. Pure.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::foreign::Foreign;

/// What is measured says something for so long.
const WINDOW: Duration = Duration::from_mins(1);
/// Sixteen cameras write and sync 2 and 0.5 times a second; more is thinned out by age.
const MAX_MEASUREMENTS: usize = 2_400;
/// Before so much was seen, no rate is told.
const LEAST_WINDOW: Duration = Duration::from_secs(5);
/// Writing and syncing take so much of the time: little is left for a worse moment.
const SLOW_SHARE: f64 = 0.8;
/// Of the five seconds that may wait.
const SLOW_QUEUE: Duration = Duration::from_secs(2);
/// Told for so long after it was slow, so that it does not flicker.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// In one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageState {
    #[default]
    Good,
    /// It cannot follow, or hardly.
    Slow,
    /// Nothing is written before there is room.
    Full,
    /// It is not there, or answers with errors.
    Gone,
}

/// Of the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallTimes {
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

/// `"storage"` of the status. Times are milliseconds where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageHealth {
    pub state: StorageState,
    /// `null` where the system does not tell.
    pub free_bytes: Option<u64>,
    /// Until the disk is full at the rate of the last minute, were nothing deleted; `null` while nothing is written.
    pub hours_left: Option<f64>,
    pub mb_per_sec: f64,
    /// `null` before anything was written, or synced.
    pub write_ms: Option<CallTimes>,
    pub sync_ms: Option<CallTimes>,
    /// What one second of recording takes to be written.
    pub secs_per_sec: f64,
    pub queue_bytes: u64,
    pub queue_secs: f64,
    /// Pictures that found no room in the queue, since the start.
    pub dropped: u64,
    /// Until something succeeds.
    pub last_error: Option<Foreign>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MeasuredCall {
    Write(u64),
    Sync,
}

/// Is told what the writer does.
#[derive(Clone, Debug)]
pub struct StorageMeter {
    began: Instant,
    calls: VecDeque<(Instant, MeasuredCall, Duration)>,
    free_bytes: Option<u64>,
    queue_bytes: u64,
    queued: Duration,
    dropped: u64,
    slow_at: Option<Instant>,
    trouble: Option<(StorageState, Foreign)>,
}

impl StorageMeter {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            calls: VecDeque::new(),
            free_bytes: None,
            queue_bytes: 0,
            queued: Duration::ZERO,
            dropped: 0,
            slow_at: None,
            trouble: None,
        }
    }

    pub fn on_write(&mut self, bytes: u64, took: Duration, now: Instant) {
        self.trouble = None;
        self.add(MeasuredCall::Write(bytes), took, now);
    }

    pub fn on_sync(&mut self, took: Duration, now: Instant) {
        self.add(MeasuredCall::Sync, took, now);
    }

    /// Writing, syncing or making a file failed.
    pub fn on_error(&mut self, error: &io::Error) {
        let state = if is_full(error) { StorageState::Full } else { StorageState::Gone };
        self.trouble = Some((state, Foreign::from(error.to_string())));
    }

    /// `None` where the system does not tell.
    pub fn on_free(&mut self, free_bytes: Option<u64>) {
        self.free_bytes = free_bytes;
    }

    /// What waits to be written, in bytes and as time of recording, and pictures that found no room since the last
    /// call.
    pub fn on_queue(&mut self, bytes: u64, secs: Duration, n_dropped: u64, now: Instant) {
        self.queue_bytes = bytes;
        self.queued = secs;
        self.dropped = self.dropped.saturating_add(n_dropped);
        if n_dropped > 0 || secs >= SLOW_QUEUE {
            self.slow_at = Some(now);
        }
    }

    /// What is being written, in bytes a second.
    #[must_use]
    pub fn bytes_per_sec(&self, now: Instant) -> f64 {
        let bytes = self.recent(now).fold(0_u64, |sum, (call, _)| match call {
            MeasuredCall::Write(bytes) => sum.saturating_add(bytes),
            MeasuredCall::Sync => sum,
        });
        bytes as f64 / self.window_secs(now)
    }

    /// `is_stopped`: nothing is written for want of room.
    #[must_use]
    pub fn health(&self, is_stopped: bool, now: Instant) -> StorageHealth {
        let bytes_per_sec = self.bytes_per_sec(now);
        let took = self.recent(now).fold(Duration::ZERO, |sum, (_, took)| sum.saturating_add(took));
        let secs_per_sec = took.as_secs_f64() / self.window_secs(now);
        let was_slow = self.slow_at.is_some_and(|at| now.saturating_duration_since(at) < SLOW_FOR);
        let state = match &self.trouble {
            Some((state, _)) => *state,
            None if is_stopped => StorageState::Full,
            None if was_slow || secs_per_sec >= SLOW_SHARE => StorageState::Slow,
            None => StorageState::Good,
        };
        let hours_left = |free: u64| (bytes_per_sec > 0.0).then(|| free as f64 / bytes_per_sec / 3_600.0);
        StorageHealth {
            state,
            free_bytes: self.free_bytes,
            hours_left: self.free_bytes.and_then(hours_left).map(|hours| rounded(hours, 10.0)),
            mb_per_sec: rounded(bytes_per_sec / 1e6, 1_000.0),
            write_ms: self.times(now, |call| matches!(call, MeasuredCall::Write(_))),
            sync_ms: self.times(now, |call| call == MeasuredCall::Sync),
            secs_per_sec: rounded(secs_per_sec, 1_000.0),
            queue_bytes: self.queue_bytes,
            queue_secs: rounded(self.queued.as_secs_f64(), 1_000.0),
            dropped: self.dropped,
            last_error: self.trouble.as_ref().map(|(_, message)| message.clone()),
        }
    }

    fn add(&mut self, call: MeasuredCall, took: Duration, now: Instant) {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        while self.calls.front().is_some_and(|(at, ..)| is_over(*at)) || self.calls.len() >= MAX_MEASUREMENTS {
            self.calls.pop_front();
        }
        self.calls.push_back((now, call, took));
    }

    fn recent(&self, now: Instant) -> impl Iterator<Item = (MeasuredCall, Duration)> {
        let is_recent = move |at: Instant| now.saturating_duration_since(at) < WINDOW;
        self.calls.iter().filter(move |(at, ..)| is_recent(*at)).map(|(_, call, took)| (*call, *took))
    }

    /// Since when there are measurements, a minute at most.
    fn window_secs(&self, now: Instant) -> f64 {
        let oldest = self.calls.front().map(|(at, ..)| *at).filter(|_| self.calls.len() >= MAX_MEASUREMENTS);
        let seen = now.saturating_duration_since(oldest.unwrap_or(self.began));
        seen.clamp(LEAST_WINDOW, WINDOW).as_secs_f64()
    }

    fn times(&self, now: Instant, is_meant: impl Fn(MeasuredCall) -> bool) -> Option<CallTimes> {
        let mut times: Vec<_> =
            self.recent(now).filter(|(call, _)| is_meant(*call)).map(|(_, took)| took.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let at_percent = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(place).map(|ms| rounded(*ms, 100.0))
        };
        Some(CallTimes { p50: at_percent(50)?, p95: at_percent(95)?, max: at_percent(100)? })
    }
}

/// Whether there is no room on the disk, or for this user.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// A sentence for people.
impl fmt::Display for StorageHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            StorageState::Gone => {
                let why = self.last_error.as_ref().map_or("it does not answer", |error| error.as_str());
                return write!(f, "The disk of the clips fails: {why}. Nothing is recorded; look at its connection.");
            }
            StorageState::Full => {
                return f.write_str(
                    "The disk of the clips is full: nothing is recorded until there is room. Make room on it, or \
                     choose another folder.",
                );
            }
            StorageState::Slow => write!(
                f,
                "The disk takes {:.1} s for a second of video ({:.1} MB/s), {:.1} s are waiting",
                self.secs_per_sec, self.mb_per_sec, self.queue_secs
            )?,
            StorageState::Good => write!(f, "The disk is good: {:.1} MB/s", self.mb_per_sec)?,
        }
        if self.dropped > 0 {
            write!(f, ", {} pictures were lost", self.dropped)?;
        }
        match self.free_bytes {
            Some(free) => write!(f, ", {:.1} GB free", free as f64 / 1e9)?,
            None => f.write_str(", and the system does not say how much room is left")?,
        }
        match self.hours_left {
            Some(hours) if hours >= 48.0 => write!(f, " for {:.0} days.", hours / 24.0),
            Some(hours) if hours >= 1.0 => write!(f, " for {hours:.0} h."),
            Some(hours) => write!(f, " for {:.0} min.", hours * 60.0),
            None => f.write_str("."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_last_minute_is_told() {
        let began = Instant::now();
        let mut meter = StorageMeter::new(began);
        let health = meter.health(false, began);
        assert_eq!((health.state, health.write_ms, health.hours_left), (StorageState::Good, None, None));
        // Two minutes: the first is over.
        for n in 0..240_u32 {
            let now = began + 500 * MS * n;
            let took = if n < 120 { 400 * MS } else { MS * (n - 119) };
            meter.on_write(500_000, took, now);
            meter.on_sync(2 * took, now);
        }
        let now = began + Duration::from_mins(2);
        meter.on_free(Some(7_200_000_000));
        meter.on_queue(1_000, 20 * MS, 0, now);
        let health = meter.health(false, now);
        let times = |p50, p95, max| Some(CallTimes { p50, p95, max });
        assert_eq!(health.write_ms, times(61.0, 115.0, 120.0));
        assert_eq!(health.sync_ms, times(122.0, 230.0, 240.0));
        assert!((health.mb_per_sec - 0.992).abs() < 0.01, "{health:?}");
        assert_eq!(health.hours_left, Some(2.0));
        assert_eq!(health.state, StorageState::Good);
        assert!(health.to_string().contains("7.2 GB free for 2 h."), "{health}");
        let json = serde_json::to_value(&health).unwrap();
        assert_eq!((&json["state"], &json["free_bytes"]), (&"good".into(), &7_200_000_000_u64.into()));
        assert_eq!(serde_json::from_value::<StorageHealth>(json).unwrap(), health);
        let later = meter.health(false, now + Duration::from_mins(5));
        assert_eq!((later.write_ms, later.mb_per_sec, later.hours_left), (None, 0.0, None));
    }

    #[test]
    fn the_state_follows_what_happens() {
        #[track_caller]
        fn check(happens: impl Fn(&mut StorageMeter, Instant), is_stopped: bool, state: StorageState, says: &str) {
            let began = Instant::now();
            let now = began + Duration::from_mins(1);
            let mut meter = StorageMeter::new(began);
            meter.on_write(1_000_000, 10 * MS, now);
            happens(&mut meter, now);
            let health = meter.health(is_stopped, now);
            assert_eq!(health.state, state, "{health:?}");
            assert!(health.to_string().contains(says), "{health}");
        }
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let quota = || io::Error::from(io::ErrorKind::QuotaExceeded);
        let broken = || io::Error::other("input/output error\u{1b}[2J");
        check(|_, _| (), false, StorageState::Good, "does not say how much room");
        check(|_, _| (), true, StorageState::Full, "is full");
        check(|meter, _| meter.on_error(&full()), false, StorageState::Full, "is full");
        check(|meter, _| meter.on_error(&quota()), false, StorageState::Full, "is full");
        check(|meter, _| meter.on_error(&broken()), false, StorageState::Gone, "error\u{fffd}[2J");
        let mended = |meter: &mut StorageMeter, now: Instant| {
            meter.on_error(&broken());
            meter.on_write(1, MS, now);
        };
        check(mended, false, StorageState::Good, "is good");
        let busy = |meter: &mut StorageMeter, now: Instant| {
            (0..60).for_each(|_| meter.on_write(1, 2_100 * MS, now));
        };
        check(busy, false, StorageState::Slow, "takes 2.1 s for a second of video");
        check(|meter, now| meter.on_queue(0, 2_000 * MS, 0, now), false, StorageState::Slow, "2.0 s are waiting");
        check(|meter, now| meter.on_queue(0, MS, 7, now), false, StorageState::Slow, "7 pictures were lost");
        let long_ago = |meter: &mut StorageMeter, now: Instant| {
            meter.on_queue(0, MS, 7, now.checked_sub(SLOW_FOR).unwrap());
        };
        check(long_ago, false, StorageState::Good, "7 pictures were lost");
    }

    #[test]
    fn whatever_is_told_memory_is_bounded() {
        let began = Instant::now();
        let mut meter = StorageMeter::new(began);
        for n in 0..100_000 {
            meter.on_write(1_000, MS, began + MS * (n / 100));
        }
        assert!(meter.calls.len() <= MAX_MEASUREMENTS);
        meter.on_write(u64::MAX, Duration::MAX, began + MS * 1_000);
        meter.on_free(Some(u64::MAX));
        let health = meter.health(false, began + Duration::from_secs(1));
        assert!(health.mb_per_sec.is_finite() && health.secs_per_sec.is_finite());
    }
}
