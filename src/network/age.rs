//! How old a picture is when it is handed out: by its own time stamp, against the quickest one so far.
//!
//! A camera's clock and ours run at the same speed and show different times. The picture that took the shortest time to arrive
//! counts as not delayed; one that arrives later by its own clock has waited for that long, in the camera, on the network or in
//! this process.

use std::time::{Duration, Instant};

/// Clocks of cameras are wrong by up to this share: without it, a slow clock would look like a growing delay.
const DRIFT: f64 = 0.000_2;
/// A picture that is older is late.
const LATE: Duration = Duration::from_secs(2);
/// Pictures that are late for so long will not catch up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the time stamps of a stream lie on our clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ages {
    /// When a picture with the time stamp 0 would have been taken.
    zero: Option<Instant>,
    last: Option<(Duration, Instant)>,
    late_since: Option<Instant>,
}

impl Ages {
    /// When a picture was taken that arrives now with this time stamp. Never in the future.
    pub fn taken_at(&mut self, stamp: Duration, now: Instant) -> Instant {
        let zero = now.checked_sub(stamp).unwrap_or(now);
        let best = match (self.zero, self.last) {
            (Some(best), Some((last, at))) if stamp > last => {
                zero.min(best + now.saturating_duration_since(at).mul_f64(DRIFT))
            }
            // The first one, or the camera's clock was set back: nothing is known of earlier ones.
            _ => zero,
        };
        self.zero = Some(best);
        self.last = Some((stamp, now));
        let taken_at = best.checked_add(stamp).unwrap_or(now).min(now);
        if now.saturating_duration_since(taken_at) <= LATE {
            self.late_since = None;
        } else {
            self.late_since.get_or_insert(now);
        }
        taken_at
    }

    /// Since when each picture has been too late, if that is too long.
    #[must_use]
    pub fn backlog(&self, now: Instant) -> Option<Duration> {
        let late = now.saturating_duration_since(self.late_since?);
        (late >= PATIENCE).then_some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures as (time stamp, arrival), both in ms, and the ages that they are given.
    #[track_caller]
    fn check(pictures: &[(u64, u64)], expected: &[u128]) {
        let start = Instant::now() + Duration::from_hours(1);
        let mut ages = Ages::default();
        let got = pictures.iter().map(|(stamp, arrival)| {
            let now = start + Duration::from_millis(*arrival);
            (now - ages.taken_at(Duration::from_millis(*stamp), now)).as_millis()
        });
        assert_eq!(got.collect::<Vec<_>>(), expected, "{pictures:?}");
    }

    #[test]
    fn the_quickest_picture_counts_as_new() {
        check(&[(0, 0), (33, 33), (66, 66)], &[0, 0, 0]);
        check(&[(0, 100), (33, 110), (66, 120), (100, 153)], &[0, 0, 0, 0]);
        check(&[(0, 0), (33, 333), (66, 334), (100, 335), (400, 401)], &[0, 299, 267, 234, 0]);
        // A stall, then pictures that were made after it; and one that is made up for picture by picture.
        check(&[(0, 0), (42_000, 42_000), (42_033, 42_033)], &[0, 0, 0]);
        check(&[(0, 0), (33, 3_033), (66, 3_034)], &[0, 2_999, 2_967]);
    }

    #[test]
    fn a_clock_that_is_set_begins_anew() {
        check(&[(5_000, 0), (5_033, 33), (10, 66), (43, 99)], &[0, 0, 0, 0]);
        check(&[(0, 0), (3_600_000, 33), (3_600_033, 66), (3_600_066, 200)], &[0, 0, 0, 100]);
        check(&[(0, 0), (0, 33), (0, 66)], &[0, 0, 0]);
    }

    #[test]
    fn a_clock_that_runs_slow_is_no_delay() {
        let start = Instant::now();
        let mut ages = Ages::default();
        let last = (0..24 * 60 * 60)
            .map(|secs| {
                let now = start + Duration::from_secs(secs);
                now - ages.taken_at(Duration::from_secs(secs).mul_f64(0.9999), now)
            })
            .max();
        assert!(last < Some(Duration::from_millis(1)), "{last:?}");
    }

    #[test]
    fn late_pictures_are_borne_for_a_while() {
        let start = Instant::now();
        let mut ages = Ages::default();
        // 10 pictures a second arrive a tenth too slowly.
        let mut since = None;
        for n in 0..600 {
            let now = start + Duration::from_millis(110) * n;
            ages.taken_at(Duration::from_millis(100) * n, now);
            if ages.backlog(now).is_some() {
                since.get_or_insert(now - start);
            }
        }
        let since = since.unwrap().as_secs_f64();
        assert!((22.0..32.0).contains(&since), "{since}");
        // Nearly two seconds late is late, and no backlog.
        let mut ages = Ages::default();
        ages.taken_at(Duration::ZERO, start);
        for n in 0..100 {
            let now = start + Duration::from_millis(1_900 + 100 * n);
            ages.taken_at(Duration::from_millis(1 + 100 * n), now);
            assert_eq!(ages.backlog(now), None);
        }
    }
}
