//! When each picture of a clip is decoded and shown: media time, which is real time, from the camera's stamps and the arrivals.
//!
//! A camera's stamps tell the rhythm better than arrivals, which the network shakes; but they jump, and may run at a wrong rate. So
//! the stamps give the steps as long as they run like the arrivals, and the sum of the steps is drawn towards the arrivals: slowly,
//! and at once where it is half a second off. Never backwards.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// Ticks in a second, as RTP counts for video.
pub const TICKS: u32 = 90_000;

const SECOND: i64 = 90_000;
/// Media time is never further from the arrivals.
const MAX_DRIFT: i64 = SECOND / 2;
/// What lies within the network's jitter is left alone.
const DEAD_ZONE: i64 = SECOND / 20;
/// Stamps that go so much further than the arrivals have jumped.
const JUMP: i64 = SECOND;
/// No codec shows a picture behind more than so many that were decoded before it (H.264 A.3.1, H.265 A.4.2: 16).
const MAX_REORDERED: usize = 16;
/// In which a rate of stamps is measured, from when on it means something, and how long it has to be otherwise before it is believed.
const WINDOW: i64 = 5 * SECOND;
const MIN_WINDOW: i64 = SECOND;
const CONVINCED_AFTER: i64 = 2 * SECOND;
/// Between two of the arrivals that are kept for it.
const WINDOW_STEP: i64 = SECOND / 10;
const USUAL_DURATION: i64 = SECOND / 25;

/// Media time and duration of a picture, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleTime {
    /// When it is decoded, behind the first picture; grows from picture to picture.
    pub decode: u64,
    pub duration: u32,
    /// It is shown so much later. Below 0 for pictures that are shown before one that was decoded earlier.
    pub shift: i32,
}

/// The picture that is shown last of those that have come.
#[derive(Clone, Copy, Debug)]
struct Furthest {
    stamp: Option<i64>,
    arrived: i64,
    at: i64,
    /// Stamp of the one that was furthest before it, if it came by the same clock.
    stamp_before: Option<i64>,
}

#[derive(Debug)]
pub struct SampleClock {
    may_reorder: bool,
    began: Option<Instant>,
    furthest: Option<Furthest>,
    arrived: i64,
    n_pictures: i64,
    rate: StampRate,
    /// How far the arrivals are ahead of media time, without their jitter.
    lag: i64,
    /// When pictures are shown that have no decode time yet, in order of decoding; the same, in order of showing: these become the
    /// decode times.
    waiting: VecDeque<i64>,
    sorted: BinaryHeap<Reverse<i64>>,
    /// The last few, and how many of them at most are shown behind one that came after them.
    recent: VecDeque<i64>,
    n_reordered: usize,
    decoded: Option<i64>,
    usual_duration: Option<i64>,
}

impl SampleClock {
    /// `may_reorder`: pictures may come in another order than that in which they are shown (B pictures).
    #[must_use]
    pub fn new(may_reorder: bool) -> Self {
        Self {
            may_reorder,
            began: None,
            furthest: None,
            arrived: 0,
            n_pictures: 0,
            rate: StampRate::default(),
            lag: 0,
            waiting: VecDeque::new(),
            sorted: BinaryHeap::new(),
            recent: VecDeque::new(),
            n_reordered: 0,
            decoded: None,
            usual_duration: None,
        }
    }

    /// The next picture in order of decoding.
    pub fn push(&mut self, stamp: Option<Duration>, taken_at: Instant) {
        let began = *self.began.get_or_insert(taken_at);
        let arrived = ticks(taken_at.saturating_duration_since(began)).max(self.arrived);
        let at = self.place(stamp.map(ticks), arrived);
        // A picture behind a pause tells no more than others do.
        let weight = (arrived - self.arrived).min(SECOND / 5);
        self.lag += (arrived - at - self.lag) * weight / (2 * SECOND);
        self.arrived = arrived;
        self.n_pictures += 1;
        let n_behind = self.recent.iter().filter(|shown| **shown > at).count();
        self.n_reordered = self.n_reordered.max(n_behind);
        if self.recent.len() >= MAX_REORDERED {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
        self.waiting.push_back(at);
        self.sorted.push(Reverse(at));
    }

    /// Of those pictures, in order, whose times will not change: the next picture has come, and all that are shown before it.
    pub fn settled(&mut self) -> Vec<SampleTime> {
        let n = self.waiting.len().saturating_sub(self.n_reordered + 1);
        (0..n).filter_map(|_| self.settle()).collect()
    }

    /// Of all pictures, in order. The last one lasts as long as they did lately.
    pub fn rest(&mut self) -> Vec<SampleTime> {
        (0..self.waiting.len()).filter_map(|_| self.settle()).collect()
    }

    /// How much media waits for its time.
    #[must_use]
    pub fn waits(&self) -> Duration {
        let first = self.waiting.front().copied().unwrap_or_default();
        let last = self.furthest.map_or(first, |furthest| furthest.at);
        Duration::from_nanos(u64::try_from(last - first).unwrap_or_default().saturating_mul(100_000) / 9)
    }

    /// Media time of something else that happened. `None` before the first picture.
    #[must_use]
    pub fn at(&self, moment: Instant) -> Option<u64> {
        let (began, furthest) = (self.began?, self.furthest?);
        let arrived = match moment.checked_duration_since(began) {
            Some(behind) => ticks(behind),
            None => -ticks(began.saturating_duration_since(moment)),
        };
        Some(u64::try_from(furthest.at.saturating_add(arrived - furthest.arrived)).unwrap_or(0))
    }

    fn settle(&mut self) -> Option<SampleTime> {
        let shown = self.waiting.pop_front()?;
        let Reverse(first) = self.sorted.pop()?;
        let decode = self.decoded.map_or(first, |last| first.max(last + 1));
        self.decoded = Some(decode);
        let duration = match self.sorted.peek() {
            Some(Reverse(next)) => (next - decode).max(1),
            None => self.usual_duration.unwrap_or(USUAL_DURATION),
        };
        // A pause is none of the usual.
        let usual = self.usual_duration.unwrap_or(duration.min(2 * SECOND));
        self.usual_duration = Some(usual + (duration - usual).min(usual) / 8);
        Some(SampleTime {
            decode: u64::try_from(decode).unwrap_or(0),
            duration: u32::try_from(duration).unwrap_or(u32::MAX),
            shift: i32::try_from(shown - decode).unwrap_or(0),
        })
    }

    /// When a picture is shown.
    fn place(&mut self, stamp: Option<i64>, arrived: i64) -> i64 {
        let Some(furthest) = self.furthest else {
            self.furthest = Some(Furthest { stamp, arrived, at: arrived, stamp_before: None });
            return arrived;
        };
        let waited = arrived - furthest.arrived;
        let mut step = waited;
        let mut dead_zone = 0;
        let mut stamp_before = None;
        if let (Some(new), Some(old)) = (stamp, furthest.stamp) {
            let by_stamps = new.saturating_sub(old);
            if by_stamps <= 0 && self.is_reordered(new, old, furthest.stamp_before) {
                return furthest.at.saturating_add(by_stamps).max(0);
            }
            if by_stamps <= 0 || by_stamps > waited.saturating_add(JUMP) {
                self.rate = StampRate::default();
            } else {
                stamp_before = Some(old);
                if self.rate.runs_like_arrivals(new, arrived) {
                    (step, dead_zone) = (by_stamps, DEAD_ZONE);
                }
            }
        }
        // At most a quarter faster or slower.
        let slew =
            step.saturating_mul((self.lag.abs() - dead_zone).clamp(0, SECOND / 2)) / (2 * SECOND) * self.lag.signum();
        let at = furthest.at.saturating_add(step).saturating_add(slew);
        let at = at.clamp(arrived - MAX_DRIFT, arrived + MAX_DRIFT).max(furthest.at + 1);
        self.furthest = Some(Furthest { stamp, arrived, at, stamp_before });
        at
    }

    /// A picture that is shown between the two furthest ones, which are further apart than pictures are. One that is not has a stamp
    /// that went back.
    fn is_reordered(&self, stamp: i64, furthest: i64, before: Option<i64>) -> bool {
        let interval = self.arrived / (self.n_pictures - 1).max(1);
        self.may_reorder
            && stamp < furthest
            && before.is_some_and(|before| before < stamp && 2 * (furthest - before) > 3 * interval.min(SECOND))
    }
}

/// Whether stamps run like the arrivals.
#[derive(Debug, Default)]
struct StampRate {
    /// Arrivals and stamps.
    window: VecDeque<(i64, i64)>,
    is_wrong: bool,
    /// Since when they seem to be otherwise.
    otherwise_since: Option<i64>,
}

impl StampRate {
    /// Within a tenth, over the last seconds. Right from the beginning: a camera is believed until it proves wrong. A pause of the
    /// network, behind which all pictures come at once, is over before it counts.
    fn runs_like_arrivals(&mut self, stamp: i64, arrived: i64) -> bool {
        while self.window.front().is_some_and(|(first, _)| arrived - first > WINDOW) {
            self.window.pop_front();
        }
        let first = self.window.front().copied();
        if self.window.back().is_none_or(|(last, _)| arrived - last >= WINDOW_STEP) {
            self.window.push_back((arrived, stamp));
        }
        let Some((first_arrived, first_stamp)) = first else { return !self.is_wrong };
        let span = arrived - first_arrived;
        if span >= MIN_WINDOW {
            let is_off = stamp.saturating_sub(first_stamp).saturating_sub(span).saturating_abs() > span / 10;
            if is_off == self.is_wrong {
                self.otherwise_since = None;
            } else if arrived - *self.otherwise_since.get_or_insert(arrived) >= CONVINCED_AFTER {
                self.is_wrong = is_off;
                self.otherwise_since = None;
            }
        }
        !self.is_wrong
    }
}

/// At most 3 million years.
fn ticks(time: Duration) -> i64 {
    let whole = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).min(i64::MAX / SECOND / 4);
    whole * SECOND + i64::from(time.subsec_nanos()) * 9 / 100_000
}

#[cfg(test)]
mod tests;
