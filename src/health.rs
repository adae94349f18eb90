//! The health score, why it is what it is, and how it was.
//!
//! Pure: everything is told what time it is. What costs points stands in [`crate::criteria`]; here it is measured.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::criteria::{
    self, CLOCK, DROPS, JITTER, NO_PICTURE, POINTS_PER_FAILURE, PictureFault, RATE, STALLS, UNAVAILABLE,
};
use crate::status::Deduction;

/// How long frames are remembered for the rate and for the drops.
const RATE_WINDOW: Duration = Duration::from_secs(2);
const DROP_WINDOW: Duration = Duration::from_secs(10);
/// So many frames make a rate, however slowly they come.
const N_OF_A_RATE: usize = 3;
/// The same for interruptions, and for jumps of the camera's clock.
const EVENT_WINDOW: Duration = Duration::from_mins(1);
/// Before the stream has run this long its rate says nothing.
const SETTLING: Duration = Duration::from_secs(2);
/// The intervals that the jitter is taken from.
const N_INTERVALS: usize = 150;

/// With fewer frames the share of the lost ones says nothing.
const LEAST_FRAMES: f64 = 10.0;

/// What the score depends on besides the time series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Condition<'a> {
    pub n_failures: u32,
    /// Something failed and the device is closed, or could not be opened.
    pub unavailable: bool,
    /// How long there has been no live picture although one is wanted.
    pub outage: Option<Duration>,
    /// The rate that the device agreed to.
    pub agreed_fps: Option<f64>,
    /// What is wrong with the live picture. Of an outage it does not count: what is shown then is not live.
    pub picture: &'a [PictureFault],
}

/// Watches the frames of one camera.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// When each recent frame was taken, and how many were lost just before it.
    frames: VecDeque<(Instant, u64)>,
    intervals_secs: VecDeque<f64>,
    stalls: VecDeque<Instant>,
    /// When the camera's clock has jumped back.
    clock_jumps: VecDeque<Instant>,
    stream_since: Option<Instant>,
}

impl Health {
    /// A frame arrived, and `n_lost` were lost since the one before.
    pub fn on_frame(&mut self, taken_at: Instant, n_lost: u64) {
        match self.frames.back() {
            Some((last, _)) if self.stream_since.is_some() => {
                if criteria::has_gone_back(*last, taken_at) {
                    self.clock_jumps.push_back(*last);
                }
                if self.intervals_secs.len() >= N_INTERVALS {
                    self.intervals_secs.pop_front();
                }
                self.intervals_secs.push_back(taken_at.saturating_duration_since(*last).as_secs_f64());
            }
            _ => self.stream_since = Some(taken_at),
        }
        self.frames.push_back((taken_at, n_lost));
        let horizon = taken_at.checked_sub(DROP_WINDOW);
        while self.frames.len() > N_OF_A_RATE
            && self.frames.front().is_some_and(|(at, _)| horizon.is_some_and(|horizon| *at < horizon))
        {
            self.frames.pop_front();
        }
    }

    /// Frames were lost and none came with them.
    pub fn on_lost(&mut self, n_lost: u64) {
        if let Some((_, lost)) = self.frames.back_mut() {
            *lost = lost.saturating_add(n_lost);
        }
    }

    /// The stream stopped for longer than it may, or was opened again: once until the next frame.
    pub fn on_interruption(&mut self, now: Instant) {
        if self.stream_since.is_some() {
            self.stalls.push_back(now);
        }
        self.on_stream_end();
    }

    /// The stream ended: rate and jitter begin anew with the next frame.
    pub fn on_stream_end(&mut self) {
        self.stream_since = None;
        self.intervals_secs.clear();
    }

    /// Good frames a second over the last two seconds; over the last few frames where fewer have come.
    #[must_use]
    pub fn fps(&self, now: Instant) -> f64 {
        let window = now.checked_sub(RATE_WINDOW);
        let few = self.frames.get(self.frames.len().saturating_sub(N_OF_A_RATE)).zip(self.frames.back());
        // They count while they do not stay away by their own pace.
        let few = few
            .map(|((first, _), (last, _))| (*first, *last))
            .filter(|(first, last)| now.saturating_duration_since(*last) <= last.saturating_duration_since(*first) * 2);
        let since = few.map_or(window, |(first, _)| window.min(Some(first))).max(self.stream_since);
        let Some(since) = since else { return 0.0 };
        let mut recent = self.frames.iter().map(|(at, _)| *at).filter(|at| *at >= since);
        let (Some(first), n_more) = (recent.next(), recent.count()) else { return 0.0 };
        let last = self.frames.back().map_or(first, |(at, _)| *at);
        if n_more == 0 {
            return 0.0;
        }
        let n_more = u32::try_from(n_more).unwrap_or(u32::MAX);
        let mean = last.saturating_duration_since(first) / n_more;
        // A rate must fall as soon as frames stay away, not when the last one leaves the window.
        let quiet = now.saturating_duration_since(last);
        let span = if quiet > mean * 2 { now.saturating_duration_since(first) } else { mean * n_more };
        if span.is_zero() { 0.0 } else { f64::from(n_more) / span.as_secs_f64() }
    }

    /// How far intervals exceed the usual one, in seconds, for 95 of 100 of them.
    fn jitter_secs(&self) -> f64 {
        let mut sorted: Vec<f64> = self.intervals_secs.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| -> f64 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index of a short list"
            )]
            let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
            sorted.get(index).copied().unwrap_or_default()
        };
        at(0.95) - at(0.5)
    }

    fn lost_percent(&self, now: Instant) -> f64 {
        let since = now.checked_sub(DROP_WINDOW);
        let (mut n_got, mut n_lost) = (0_u32, 0_u64);
        for (at, lost) in &self.frames {
            if since.is_none_or(|since| *at >= since) {
                n_got += 1;
                n_lost = n_lost.saturating_add(*lost);
            }
        }
        let n_lost = f64::from(u32::try_from(n_lost).unwrap_or(u32::MAX));
        let n_all = f64::from(n_got) + n_lost;
        if n_all < LEAST_FRAMES { 0.0 } else { 100.0 * n_lost / n_all }
    }

    /// The score, 0 to 100, and what it lost points for.
    pub fn score(&mut self, condition: Condition<'_>, now: Instant) -> (u8, Vec<Deduction>) {
        for events in [&mut self.stalls, &mut self.clock_jumps] {
            while events.front().is_some_and(|at| now.saturating_duration_since(*at) > EVENT_WINDOW) {
                events.pop_front();
            }
        }
        let mut deductions = Vec::new();
        if condition.n_failures > 0 {
            let points = u8::try_from((condition.n_failures * POINTS_PER_FAILURE).min(100)).unwrap_or(100);
            let reason = match condition.n_failures {
                1 => "1 failure since the last good frame".to_owned(),
                n => format!("{n} failures in a row"),
            };
            deductions.push(Deduction { rule: "failures".to_owned(), reason, points });
        }
        let settled = self.stream_since.is_some_and(|since| now.saturating_duration_since(since) >= SETTLING);
        let agreed_fps = condition.agreed_fps.filter(|fps| *fps > 0.0 && settled && condition.outage.is_none());
        let count = |events: &VecDeque<Instant>| f64::from(u32::try_from(events.len()).unwrap_or(u32::MAX));
        if condition.unavailable {
            deductions.extend(UNAVAILABLE.deduct(1.0));
        }
        deductions.extend(NO_PICTURE.deduct(condition.outage.unwrap_or_default().as_secs_f64()));
        if condition.outage.is_none() && !condition.unavailable {
            deductions.extend(condition.picture.iter().filter_map(|fault| fault.deduction(now)));
        }
        let fps = self.fps(now);
        deductions.extend(agreed_fps.and_then(|agreed| RATE.deduct(100.0 * (1.0 - fps / agreed))));
        // Where no rate was agreed, frames come unevenly by their own.
        let usual_fps = agreed_fps.unwrap_or(if settled && condition.outage.is_none() { fps } else { 0.0 });
        deductions.extend(JITTER.deduct(100.0 * self.jitter_secs() * usual_fps));
        deductions.extend(DROPS.deduct(self.lost_percent(now)));
        deductions.extend(STALLS.deduct(count(&self.stalls)));
        deductions.extend(CLOCK.deduct(count(&self.clock_jumps)));
        let lost: u32 = deductions.iter().map(|deduction| u32::from(deduction.points)).sum();
        (u8::try_from(100_u32.saturating_sub(lost)).unwrap_or_default(), deductions)
    }
}

/// The score over time: fine for the last minutes, coarser the older it is, so that a day stays small.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first. Of each span that was thinned out the lowest score is kept, so that no trouble vanishes.
    pub samples: Vec<(Instant, u8)>,
    n_since_thinning: usize,
}

/// Samples older than the first are kept as one for each span of the second.
const THINNING: [(Duration, Duration); 3] = [
    (Duration::from_mins(5), Duration::from_secs(5)),
    (Duration::from_hours(1), Duration::from_mins(1)),
    (Duration::from_hours(24), Duration::from_mins(10)),
];
const N_BETWEEN_THINNINGS: usize = 120;
/// A week: nothing older is kept in memory.
const OLDEST: Duration = Duration::from_hours(24 * 7);

/// How far apart samples of this age are, at most.
#[must_use]
pub fn spacing(age: Duration) -> Duration {
    THINNING.iter().rev().find(|(older, _)| age > *older).map_or(Duration::ZERO, |(_, span)| *span)
}

impl History {
    pub fn push(&mut self, now: Instant, score: u8) {
        self.samples.push((now, score));
        self.n_since_thinning += 1;
        if self.n_since_thinning >= N_BETWEEN_THINNINGS {
            self.n_since_thinning = 0;
            self.thin(now);
        }
    }

    fn thin(&mut self, now: Instant) {
        let mut kept: Vec<(Instant, u8)> = Vec::with_capacity(self.samples.len());
        // The start of the span that the last kept sample stands for.
        let mut span_start: Option<Instant> = None;
        for (at, score) in self.samples.drain(..) {
            let age = now.saturating_duration_since(at);
            if age > OLDEST {
                continue;
            }
            match (kept.last_mut(), span_start) {
                (Some(last), Some(start)) if at.saturating_duration_since(start) < spacing(age) => {
                    last.1 = last.1.min(score);
                }
                _ => {
                    kept.push((at, score));
                    span_start = Some(at);
                }
            }
        }
        self.samples = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames at this rate for so many seconds, every `lose`-th lost; returns the time of the end.
    fn stream(health: &mut Health, from: Instant, fps: u32, secs: u32, lose: Option<u32>) -> Instant {
        let mut n_lost = 0;
        for n in 0..fps * secs {
            if lose.is_some_and(|every| n % every == every - 1) {
                n_lost += 1;
                continue;
            }
            health.on_frame(from + Duration::from_secs(1) * n / fps, n_lost);
            n_lost = 0;
        }
        from + Duration::from_secs(1) * (fps * secs - 1) / fps
    }

    fn condition() -> Condition<'static> {
        Condition { agreed_fps: Some(30.0), ..Condition::default() }
    }

    #[track_caller]
    fn check(
        health: &mut Health,
        condition: Condition<'_>,
        now: Instant,
        score: std::ops::RangeInclusive<u8>,
        rules: &[&str],
    ) {
        let (got, deductions) = health.score(condition, now);
        assert!(score.contains(&got), "{got} {deductions:?}");
        assert_eq!(deductions.iter().map(|d| d.rule.as_str()).collect::<Vec<_>>(), rules, "{deductions:?}");
    }

    #[test]
    fn a_good_stream_has_a_full_score() {
        let mut health = Health::default();
        let now = stream(&mut health, Instant::now(), 30, 20, None);
        check(&mut health, condition(), now, 100..=100, &[]);
        assert!((health.fps(now) - 30.0).abs() < 0.1, "{}", health.fps(now));
    }

    #[test]
    fn each_trouble_costs_points_under_its_own_name() {
        let start = Instant::now();
        let mut slow = Health::default();
        let now = stream(&mut slow, start, 12, 10, None);
        check(&mut slow, condition(), now, 60..=60, &["rate"]);

        let mut lossy = Health::default();
        let now = stream(&mut lossy, start, 30, 20, Some(5));
        check(&mut lossy, condition(), now, 30..=60, &["rate", "jitter", "drops"]);

        let mut health = Health::default();
        let now = stream(&mut health, start, 30, 5, None);
        check(&mut health, Condition { n_failures: 3, ..condition() }, now, 70..=70, &["failures"]);
        check(&mut health, Condition { n_failures: 300, ..condition() }, now, 0..=0, &["failures"]);
        check(
            &mut health,
            Condition { n_failures: 1, unavailable: true, ..condition() },
            now,
            15..=15,
            &["failures", "unavailable"],
        );
        let outage = Some(Duration::from_millis(1_500));
        check(&mut health, Condition { outage, ..condition() }, now, 70..=70, &["no-picture"]);
        health.on_interruption(now);
        check(&mut health, condition(), now, 95..=95, &["stalls"]);
        check(&mut health, condition(), now + Duration::from_secs(61), 100..=100, &[]);
    }

    #[test]
    fn the_rate_falls_when_frames_stay_away() {
        let mut health = Health::default();
        let now = stream(&mut health, Instant::now(), 30, 5, None);
        assert!(health.fps(now + Duration::from_millis(50)) > 29.0);
        assert!(health.fps(now + Duration::from_secs(1)) < 16.0);
        assert!(health.fps(now + Duration::from_secs(3)) < 0.1);
        // One in two seconds, and in ten.
        for secs in [2, 10] {
            let mut health = Health::default();
            let start = Instant::now();
            let at = |n: u64| start + Duration::from_secs(secs * n);
            for n in 0..5 {
                health.on_frame(at(n), 0);
            }
            let fps = health.fps(at(4) + Duration::from_secs(secs) / 2);
            assert!((fps * secs as f64 - 1.0).abs() < 0.01, "{fps}");
            let condition = Condition { agreed_fps: Some(1.0 / secs as f64), ..Condition::default() };
            assert_eq!(health.score(condition, at(4) + Duration::from_secs(secs)).0, 100);
        }
    }

    #[test]
    fn a_stream_that_has_just_begun_is_not_blamed_for_its_rate() {
        let mut health = Health::default();
        let now = stream(&mut health, Instant::now(), 5, 1, None);
        check(&mut health, condition(), now, 100..=100, &[]);
    }

    #[test]
    fn a_day_of_history_stays_small_and_keeps_each_dip() {
        let start = Instant::now();
        let mut history = History::default();
        let mut now = start;
        for n in 0..2 * 60 * 60 * 24 {
            now = start + Duration::from_millis(500) * n;
            history.push(now, if n == 2 * 60 * 60 { 12 } else { 100 });
        }
        assert!(history.samples.len() < 4_000, "{}", history.samples.len());
        assert_eq!(history.samples.iter().filter(|(_, score)| *score == 12).count(), 1);
        assert!(history.samples.is_sorted_by_key(|(at, _)| *at));
        let n_fine = history.samples.iter().filter(|(at, _)| now - *at < Duration::from_mins(4)).count();
        assert!(n_fine >= 450, "{n_fine}");
    }
}
