//! How old a picture is when it is handed out: by its own time stamp, against the quickest one so far.
//!
//! The picture that took the shortest time to arrive counts as not delayed; one that arrives later by its own clock has waited for
//! that long, in the camera, on the network or in this process. But the clock of a stream need not be right: cameras stamp the rate
//! that is set and send fewer pictures in the dark, or count milliseconds. So its rate is found out first: from the camera's own
//! reports where it sends them, else from a few seconds of arrivals. A delay that grows as evenly as a clock is not told from a slow
//! clock without reports.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Within a rate that was found out of arrivals the clock may be wrong by this share: what a few seconds cannot tell, and what changes
/// little by little.
const DRIFT: f64 = 0.05;
/// The same of a rate that the camera reports.
const REPORTED_DRIFT: f64 = 0.000_2;
/// A picture that is older is late.
const LATE: Duration = Duration::from_secs(2);
/// Pictures that are late for so long will not catch up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of each such time the picture counts that came quickest: seconds.
const WINDOW: f64 = 1.0;
/// So many of them tell a rate, and so many are looked at.
const LEAST_WINDOWS: usize = 4;
const MAX_WINDOWS: usize = 8;
/// They lie so close to a line if they are those of one clock: seconds.
const TOLERANCE: f64 = 0.15;
/// A clock that jumps further has been set: seconds.
const MAX_JUMP: f64 = 5.0;

/// How many of our seconds a second of a clock takes, out of points (its seconds, ours) that all lie near one line.
#[must_use]
pub fn rate_of(points: &(impl ExactSizeIterator<Item = (f64, f64)> + Clone)) -> Option<f64> {
    let first = points.clone().next()?;
    let last = points.clone().last().filter(|last| last.0 > first.0 && points.len() >= LEAST_WINDOWS)?;
    let rate = (last.1 - first.1) / (last.0 - first.0);
    let is_near = |(x, y): (f64, f64)| (y - first.1 - rate * (x - first.0)).abs() <= TOLERANCE;
    (rate > 0.0 && points.clone().all(is_near)).then_some(rate)
}

/// Where the time stamps of a stream lie on our clock.
#[derive(Clone, Debug)]
pub struct Ages {
    began: Option<Instant>,
    /// Our seconds for each of the stream's; `None` until it is known.
    rate: Option<f64>,
    is_reported: bool,
    /// When a picture with the time stamp 0 would have been taken.
    zero: Option<f64>,
    last: Option<(f64, f64)>,
    windows: VecDeque<(f64, f64)>,
    /// The quickest picture of the window that has not ended.
    quickest: Option<(f64, f64)>,
    window_end: f64,
    /// The least that the newest picture here has ever been ahead of the one that is handed out.
    least_ahead: Option<Duration>,
    late_since: Option<Instant>,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            began: None,
            rate: None,
            is_reported: false,
            zero: None,
            last: None,
            windows: VecDeque::new(),
            quickest: None,
            window_end: WINDOW,
            least_ahead: None,
            late_since: None,
        }
    }
}

impl Ages {
    /// The rate that follows from the camera's reports.
    pub fn on_report(&mut self, rate: f64) {
        let is_other = self.rate.is_none_or(|known| (known / rate - 1.0).abs() > DRIFT);
        (self.rate, self.is_reported) = (Some(rate), true);
        if is_other {
            self.zero = None;
        }
    }

    /// When a picture was taken that is handed out now with this time stamp. `newest` is that of the newest picture that has come:
    /// those between them wait here. Never in the future.
    pub fn taken_at(&mut self, stamp: Duration, newest: Option<Duration>, now: Instant) -> Instant {
        let at = now.saturating_duration_since(*self.began.get_or_insert(now)).as_secs_f64();
        let x = stamp.as_secs_f64();
        let rate = self.rate.unwrap_or(1.0);
        let since = self.last.map(|(last, last_at)| (x - last, at - last_at));
        let is_set = since.is_some_and(|(stamps, ours)| stamps < 0.0 || (stamps * rate - ours).abs() > MAX_JUMP);
        self.last = Some((x, at));
        if is_set {
            self.windows.clear();
            (self.quickest, self.window_end) = (None, at + WINDOW);
        }
        if since.is_some_and(|(stamps, _)| stamps <= 0.0) {
            // The camera's clock was set back: nothing is known of earlier ones.
            self.zero = None;
            self.least_ahead = None;
        }
        self.look_at_rate(x, at);
        let rate = self.rate.unwrap_or(1.0);
        let own = at - rate * x;
        let drift = if self.is_reported { REPORTED_DRIFT } else { DRIFT };
        let risen = |zero: f64| zero + since.map_or(0.0, |(_, ours)| ours) * drift;
        let zero = self.zero.filter(|_| self.rate.is_some()).map_or(own, |zero| own.min(risen(zero)));
        self.zero = Some(zero);
        let here = newest.map_or(Duration::ZERO, |newest| self.waited_here(stamp, newest).mul_f64(rate.min(1_000.0)));
        let age = Duration::try_from_secs_f64(own - zero).unwrap_or_default().max(here);
        if age <= LATE {
            self.late_since = None;
        } else {
            self.late_since.get_or_insert(now);
        }
        now.checked_sub(age).unwrap_or(now)
    }

    /// By the stream's clock. The decoder always keeps some back.
    fn waited_here(&mut self, stamp: Duration, newest: Duration) -> Duration {
        let ahead = newest.saturating_sub(stamp);
        let least = self.least_ahead.map_or(ahead, |least| least.min(ahead));
        self.least_ahead = Some(least);
        ahead.saturating_sub(least)
    }

    fn look_at_rate(&mut self, x: f64, at: f64) {
        let rate = self.rate.unwrap_or(1.0);
        if self.quickest.is_none_or(|(x0, at0)| at - rate * x < at0 - rate * x0) {
            self.quickest = Some((x, at));
        }
        if at < self.window_end {
            return;
        }
        self.window_end = at + WINDOW;
        self.windows.extend(self.quickest.take());
        if self.windows.len() > MAX_WINDOWS {
            self.windows.pop_front();
        }
        if self.is_reported || self.windows.len() < LEAST_WINDOWS {
            return;
        }
        let found = rate_of(&self.windows.iter().copied());
        let is_known = self.rate.is_some();
        if let Some(found) = found.filter(|found| !is_known || (found / rate - 1.0).abs() > DRIFT) {
            self.rate = Some(if (found - 1.0).abs() > DRIFT { found } else { 1.0 });
            let rate = self.rate.unwrap_or(1.0);
            self.zero = self.windows.iter().map(|(x, at)| at - rate * x).reduce(f64::min);
        }
    }

    /// Since when each picture has been too late, if that is too long.
    #[must_use]
    pub fn backlog(&self, now: Instant) -> Option<Duration> {
        let late = now.saturating_duration_since(self.late_since?);
        (late >= PATIENCE).then_some(late)
    }
}

/// Pictures further apart are never sent in another order than they are shown: as many as a decoder may hold (ITU-T H.264, A.3.1), and
/// for so long.
const MAX_HELD: usize = 16;
const LONGEST_HELD: Duration = Duration::from_secs(1);

/// Time stamps in the order of the pictures, of pictures as they are sent: B pictures come after pictures that are shown later.
#[derive(Clone, Debug, Default)]
pub struct StampOrder {
    /// Stamps as they came, the newest last.
    recent: VecDeque<Duration>,
    /// Those that are not given out, the earliest first.
    waiting: Vec<Duration>,
    /// So many later ones have come before an earlier one, at most.
    depth: usize,
}

impl StampOrder {
    /// The stamp that a decoder which holds back as many as it must gives out when this one comes; `None` while it only takes in.
    pub fn next(&mut self, stamp: Duration) -> Option<Duration> {
        let newest = self.recent.iter().copied().max().unwrap_or(stamp);
        if stamp + LONGEST_HELD < newest || stamp > newest + LONGEST_HELD {
            // The clock was set, or nothing came for a while.
            self.recent.clear();
            self.waiting.clear();
        }
        let n_later = self.recent.iter().filter(|recent| **recent > stamp).count();
        self.depth = self.depth.max(n_later);
        if self.recent.len() == MAX_HELD {
            self.recent.pop_front();
        }
        self.recent.push_back(stamp);
        let place = self.waiting.partition_point(|waiting| *waiting <= stamp);
        self.waiting.insert(place, stamp);
        (self.waiting.len() > self.depth).then(|| self.waiting.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0: none is given out.
    #[track_caller]
    fn check_order(stamps: &[u64], expected: &[u64]) {
        let mut order = StampOrder::default();
        let got = stamps.iter().map(|stamp| order.next(millis(*stamp)).unwrap_or_default());
        let got: Vec<_> = got.map(|stamp| u64::try_from(stamp.as_millis()).unwrap()).collect();
        assert_eq!(got, expected, "{stamps:?}");
    }

    #[test]
    fn stamps_come_in_the_order_of_the_pictures() {
        check_order(&[40, 80, 120], &[40, 80, 120]);
        // One B picture between two others.
        check_order(&[40, 120, 80, 200, 160, 280, 240], &[40, 120, 0, 80, 160, 200, 240]);
        // A pyramid of them.
        check_order(
            &[40, 360, 200, 120, 80, 160, 280, 240, 320, 680, 520, 440, 400],
            &[40, 360, 0, 0, 0, 80, 120, 160, 200, 240, 280, 320, 400],
        );
        // The clock is set.
        check_order(&[9_000, 9_040, 10, 40, 80], &[9_000, 9_040, 10, 40, 80]);
        check_order(&[10, 40, 9_000, 9_040], &[10, 40, 9_000, 9_040]);
    }

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A stream of even pictures, by which its clock is known, until this time; then pictures as (time stamp, arrival), both in ms
    /// from then on, and the ages that they are given, to 20 ms.
    #[track_caller]
    fn check(pictures: &[(u64, u64)], expected: &[u64]) {
        let (start, lead) = (Instant::now(), 6_000);
        let mut ages = Ages::default();
        let mut age = |stamp: u64, arrival: u64| {
            let now = start + millis(arrival);
            now - ages.taken_at(millis(stamp), None, now)
        };
        for n in 0..lead / 40 {
            assert!(age(100_000 + n * 40, n * 40) < millis(1));
        }
        let got: Vec<u64> = pictures
            .iter()
            .map(|(stamp, arrival)| u64::try_from(age(100_000 + lead + stamp, lead + arrival).as_millis()).unwrap())
            .collect();
        let is_near = got.iter().zip(expected).all(|(got, expected)| got.abs_diff(*expected) <= 20);
        assert!(is_near && got.len() == expected.len(), "{got:?} in place of {expected:?} for {pictures:?}");
    }

    #[test]
    fn the_quickest_picture_counts_as_new() {
        check(&[(0, 0), (33, 33), (66, 66)], &[0, 0, 0]);
        check(&[(0, 0), (33, 333), (66, 334), (100, 335), (400, 401)], &[0, 299, 267, 234, 0]);
        // A stall, then pictures that were made after it; and one that is made up for picture by picture.
        check(&[(0, 0), (42_000, 42_000), (42_033, 42_033)], &[0, 0, 0]);
        check(&[(0, 0), (33, 2_033), (66, 2_034)], &[0, 1_900, 1_870]);
    }

    #[test]
    fn a_clock_that_is_set_begins_anew() {
        let start = Instant::now();
        let mut ages = Ages::default();
        let mut last = Duration::ZERO;
        for n in 0..400_u64 {
            // Set back, and set forward.
            let jump = [90_000, 10_000, 4_000_000][usize::try_from(n / 150).unwrap()];
            let now = start + millis(n * 40);
            last = last.max(now - ages.taken_at(millis(jump + n * 40), None, now));
        }
        assert!(last < millis(1), "{last:?}");
    }

    /// Pictures that come evenly, 15 a second, for five minutes, with stamps of a clock of this rate. None is late, and each that comes
    /// 300 ms late after half of it is that old.
    #[track_caller]
    fn check_rate(rate: f64, reported: Option<f64>) {
        let start = Instant::now();
        let mut ages = Ages::default();
        if let Some(reported) = reported {
            ages.on_report(reported);
        }
        let mut most = Duration::ZERO;
        for n in 0..4_500_u32 {
            let wait = if n > 2_250 && n % 50 == 0 { millis(300) } else { Duration::ZERO };
            let made = Duration::from_secs(1) * n / 15;
            // The network needs up to 20 ms.
            let now = start + made + millis(u64::from(n * 7 % 5) * 5) + wait;
            let age = now - ages.taken_at(millis(5_000) + made.mul_f64(rate), None, now);
            if wait.is_zero() {
                most = most.max(age);
            } else {
                assert!((250..=350).contains(&age.as_millis()), "{age:?} at {rate}, picture {n}");
            }
            assert_eq!(ages.backlog(now), None);
        }
        assert!(most < millis(100), "{most:?} at {rate}");
    }

    #[test]
    fn a_clock_that_runs_wrong_is_no_delay() {
        for rate in [1.0, 0.999, 1.001, 0.98, 1.02, 21.0 / 25.0, 0.5, 2.0, 1.0 / 90.0, 30.0] {
            check_rate(rate, None);
        }
        check_rate(0.84, Some(1.0 / 0.84));
        check_rate(1.0, Some(1.0));
    }

    #[test]
    fn a_clock_may_change_its_pace() {
        let start = Instant::now();
        let (mut ages, mut stamp, mut late) = (Ages::default(), 0.0, Duration::ZERO);
        // 25 by day, and at night as many stamps for fewer pictures.
        for n in 0..6_000_u32 {
            stamp += if (2_000..4_000).contains(&n) { 0.03 } else { 0.04 };
            let now = start + millis(40) * n;
            late = late.max(now - ages.taken_at(Duration::from_secs_f64(stamp), None, now));
            assert_eq!(ages.backlog(now), None);
        }
        assert!(late < Duration::from_secs(3), "{late:?}");
    }

    /// Pictures of which each is late by as many milliseconds more; when that is a backlog, in seconds.
    #[track_caller]
    fn check_late(later: u64, reported: Option<f64>, waits_here: bool, expected: Option<std::ops::Range<u64>>) {
        let start = Instant::now();
        let mut ages = Ages::default();
        let mut since = None;
        for n in 0..1_000_u64 {
            if let Some(rate) = reported {
                ages.on_report(rate);
            }
            let now = start + millis((100 + later) * n);
            let newest = waits_here.then(|| millis((100 + later) * n));
            ages.taken_at(millis(100 * n), newest, now);
            since = since.or(ages.backlog(now).map(|_| (now - start).as_secs()));
        }
        assert_eq!(since.is_some(), expected.is_some(), "{since:?}");
        assert!(since.zip(expected).is_none_or(|(since, expected)| expected.contains(&since)), "{since:?}");
    }

    #[test]
    fn late_pictures_are_borne_for_a_while() {
        check_late(10, Some(1.0), false, Some(22..32));
        // Nobody can tell it from a clock that runs slow, unless the pictures wait here.
        check_late(10, None, false, None);
        check_late(10, None, true, Some(22..40));
        // All at once.
        let start = Instant::now();
        let mut ages = Ages::default();
        let mut age = |n: u64, wait: u64| {
            let now = start + millis(100 * n + wait);
            ages.taken_at(millis(100 * n), None, now);
            ages.backlog(now).is_some()
        };
        assert!((0..60).all(|n| !age(n, 0)));
        assert!((60..100).all(|n| !age(n, 1_900)), "late, and no backlog");
        assert!((100..149).all(|n| !age(n, 3_500)));
        assert!((149..160).any(|n| age(n, 3_500)));
    }
}
