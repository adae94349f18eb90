//! Which frame is due when: pure arithmetic, without a clock.

use std::time::Duration;

use super::fault_table::FaultName;
use super::script::Script;
use super::value::FaultValue;

/// A stretch of time in which frames come at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RatePeriod {
    /// Number of its first frame.
    first: u64,
    /// When that frame is due.
    start: Duration,
    fps: f64,
    /// `None` goes on for ever.
    n_frames: Option<u64>,
}

impl RatePeriod {
    fn due(&self, nth: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "2^53 frames last for millennia")]
        let secs = nth as f64 / self.fps;
        self.start.saturating_add(Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX))
    }
}

/// The frames that the sensor makes, numbered from 0 without a gap.
///
/// `slow=FPS` makes it take fewer and a stall none, as a sensor does that exposes for longer or has stopped: no number is
/// used up. Every other fault loses or changes frames that were made.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    stretches: Vec<RatePeriod>,
}

impl Timeline {
    /// For a camera that makes `fps` frames a second when nothing hinders it.
    #[must_use]
    pub fn new(script: &Script, fps: f64) -> Self {
        let hindrances = || script.faults().filter(|fault| matches!(fault.name, FaultName::Slow | FaultName::Stall));
        let mut borders: Vec<Duration> =
            hindrances().flat_map(|fault| [Some(fault.start), fault.end()]).flatten().collect();
        borders.push(Duration::ZERO);
        borders.sort_unstable();
        borders.dedup();
        let mut stretches = Vec::new();
        let (mut next, mut next_due) = (0, Duration::ZERO);
        for (n, border) in borders.iter().enumerate() {
            if script.fault_at(FaultName::Stall, *border).is_some() {
                continue;
            }
            let fps = match script.fault_at(FaultName::Slow, *border).map(|slow| slow.value) {
                Some(FaultValue::Fps(slow)) => slow.min(fps),
                _ => fps,
            };
            // An exposure that has begun is finished at its own pace.
            let mut stretch = RatePeriod { first: next, start: next_due.max(*border), fps, n_frames: None };
            if let Some(end) = borders.get(n + 1) {
                let n_frames = n_periods(end.saturating_sub(stretch.start), fps);
                if n_frames == 0 {
                    continue;
                }
                next += n_frames;
                next_due = stretch.due(n_frames);
                stretch.n_frames = Some(n_frames);
            }
            stretches.push(stretch);
        }
        Self { stretches }
    }

    /// When frame `n` is due after the first opening; `None` if it never comes.
    #[must_use]
    pub fn due(&self, n: u64) -> Option<Duration> {
        let stretch = self.stretches.iter().rfind(|stretch| stretch.first <= n)?;
        let nth = n - stretch.first;
        stretch.n_frames.is_none_or(|n_frames| nth < n_frames).then(|| stretch.due(nth))
    }

    /// The newest frame that is due at `elapsed`; `None` before the first.
    #[must_use]
    pub fn newest(&self, elapsed: Duration) -> Option<u64> {
        let stretch = self.stretches.iter().rfind(|stretch| stretch.start <= elapsed)?;
        let passed = elapsed.saturating_sub(stretch.start);
        // `n_periods` rounds up and floats round at all: the true number is one of three.
        let guess = n_periods(passed, stretch.fps) + 1;
        let nth = (guess.saturating_sub(3)..=guess).rfind(|nth| stretch.due(*nth) <= elapsed).unwrap_or(0);
        Some(stretch.first + stretch.n_frames.map_or(nth, |n_frames| nth.min(n_frames.saturating_sub(1))))
    }

    /// The number of the first frame that is due at `elapsed` or later.
    #[must_use]
    pub fn first_from(&self, elapsed: Duration) -> u64 {
        match self.newest(elapsed) {
            None => 0,
            Some(n) if self.due(n) == Some(elapsed) => n,
            Some(n) => n + 1,
        }
    }
}

/// How many frames begin within `span`, the first at its beginning.
fn n_periods(span: Duration, fps: f64) -> u64 {
    // A hair less than a whole period is a rounding error of the sum before, not one more frame.
    let periods = (span.as_secs_f64() * fps - 1e-6).ceil().max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and `as` saturates")]
    let n_periods = periods as u64;
    n_periods
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[track_caller]
    fn check_dues(line: &str, fps: f64, expected_millis: &[u64]) {
        let timeline = Timeline::new(&Script::parse(line).unwrap(), fps);
        let dues: Vec<u64> = (0..)
            .map_while(|n| timeline.due(n))
            .take(expected_millis.len())
            .map(|due| u64::try_from(due.as_millis()).unwrap())
            .collect();
        assert_eq!(dues, expected_millis, "{line}");
        for n in 0..expected_millis.len() as u64 {
            let due = timeline.due(n).unwrap();
            assert_eq!(timeline.newest(due), Some(n), "{line}: frame {n} at its own time");
            assert_eq!(timeline.first_from(due), n, "{line}: frame {n} at its own time");
            if let Some(before) = due.checked_sub(Duration::from_nanos(1)) {
                assert_eq!(timeline.newest(before), n.checked_sub(1), "{line}: just before frame {n}");
                assert_eq!(timeline.first_from(before), n, "{line}: just before frame {n}");
            }
        }
    }

    #[test]
    fn frames_are_due_at_the_rate_that_the_faults_leave() {
        check_dues("", 10.0, &[0, 100, 200, 300, 400]);
        check_dues("", 30.0, &[0, 33, 66, 100, 133, 166, 200]);
        check_dues("slow=5@200ms", 10.0, &[0, 100, 200, 400, 600, 800]);
        check_dues("slow=5@200ms+400ms", 10.0, &[0, 100, 200, 400, 600, 700, 800]);
        check_dues("slow=5@150ms+300ms", 10.0, &[0, 100, 200, 400, 600, 700]);
        check_dues("slow=50", 10.0, &[0, 100, 200]);
        check_dues("stall@250ms+300ms", 10.0, &[0, 100, 200, 550, 650, 750]);
        check_dues("stall@0s+1s", 10.0, &[1000, 1100]);
        check_dues("stall@200ms+300ms,slow=5@300ms+600ms", 10.0, &[0, 100, 500, 700, 900, 1000]);
        check_dues("slow=1@100ms+50ms", 10.0, &[0, 100, 1100, 1200]);
    }

    #[test]
    fn after_the_last_frame_there_is_none() {
        let timeline = Timeline::new(&Script::parse("stall@250ms").unwrap(), 10.0);
        assert_eq!((timeline.due(2), timeline.due(3)), (Some(millis(200)), None));
        assert_eq!(timeline.newest(millis(100_000)), Some(2));
        assert_eq!(timeline.first_from(millis(100_000)), 3);
        let never = Timeline::new(&Script::parse("stall").unwrap(), 10.0);
        assert_eq!((never.due(0), never.newest(millis(5)), never.first_from(millis(5))), (None, None, 0));
    }

    #[test]
    fn numbers_and_times_agree_for_days() {
        for fps in [0.1, 7.5, 29.97, 30.0, 59.94, 120.0, 1000.0] {
            let timeline = Timeline::new(&Script::parse("").unwrap(), fps);
            for n in [1, 2, 999, 100_000, 2_592_000, 100_000_000] {
                let due = timeline.due(n).unwrap();
                assert_eq!(timeline.newest(due), Some(n), "{fps} fps, frame {n}");
                assert_eq!(
                    timeline.newest(due.checked_sub(Duration::from_nanos(1)).unwrap()),
                    Some(n - 1),
                    "{fps} fps, frame {n}"
                );
            }
        }
    }
}
