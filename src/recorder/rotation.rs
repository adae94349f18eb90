//! When a continuous recording begins a new part, and which pictures a time lapse keeps. Pure.

use std::time::{Duration, Instant};

/// The file systems of small sticks take little more than twice this.
const MAX_PART_BYTES: u64 = 2 << 30;
/// Kept free in that for the index, which is written last.
const INDEX_BYTES: u64 = 16 << 20;
/// From here on the next key picture begins a new part.
const LARGE_PART_BYTES: u64 = MAX_PART_BYTES / 8 * 7;
/// Cameras send key pictures more often than that, as a rule.
const KEY_WITHIN: Duration = Duration::from_secs(30);

/// Divides a recording into parts.
#[derive(Clone, Debug)]
pub struct Rotation {
    period: Duration,
    /// When the current part is due; `None` before the first picture.
    due: Option<Instant>,
    /// Of the first part, so that the disk is not asked to close those of all cameras at once.
    first: Duration,
}

impl Rotation {
    /// `place` of so many cameras that record into one folder: the first part of each is shorter than that of the one
    /// before.
    #[must_use]
    pub fn new(period: Duration, place: u32, n_cameras: u32) -> Self {
        let n_cameras = n_cameras.max(1);
        let first = period / n_cameras * (n_cameras - place % n_cameras);
        Self { period, due: None, first }
    }

    /// Whether this picture shall begin a new part. `part_bytes` are those of the current part, `bytes` those of the
    /// picture.
    #[must_use]
    pub fn is_due(&mut self, is_key: bool, bytes: u64, part_bytes: u64, now: Instant) -> bool {
        let due = *self.due.get_or_insert(now + self.first);
        let is_over = now >= due || part_bytes >= LARGE_PART_BYTES;
        let is_late = now >= due + KEY_WITHIN || part_bytes.saturating_add(bytes) > MAX_PART_BYTES - INDEX_BYTES;
        is_over && is_key || is_late
    }

    /// A new part has begun, for whatever reason.
    pub fn on_part(&mut self, now: Instant) {
        let first = self.due.is_none().then_some(self.first);
        self.due = Some(now + first.unwrap_or(self.period));
    }
}

/// Keeps one picture in so long.
#[derive(Clone, Debug)]
pub struct TimeLapse {
    period: Duration,
    next: Option<Instant>,
}

impl TimeLapse {
    #[must_use]
    pub fn new(period: Duration) -> Self {
        Self { period, next: None }
    }

    /// Whether this picture is kept. One that is no key picture cannot stand alone, and never is: nothing has to be
    /// decoded.
    #[must_use]
    pub fn takes(&mut self, is_key: bool, now: Instant) -> bool {
        if !is_key || self.next.is_some_and(|next| now < next) {
            return false;
        }
        // In step with the first one, unless a whole period was missed.
        let in_step = self.next.map(|next| next + self.period).filter(|next| *next > now);
        self.next = Some(in_step.unwrap_or(now + self.period));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_mins(5);
    const SEC: Duration = Duration::from_secs(1);

    /// Seconds at which parts begin within 20 minutes, with pictures of so many bytes each second and a key picture
    /// each so many.
    #[track_caller]
    fn check(place: u32, n_cameras: u32, key_period: u32, bytes: u64, expected: &[u32]) {
        let began = Instant::now();
        let mut rotation = Rotation::new(PERIOD, place, n_cameras);
        rotation.on_part(began);
        let (mut parts, mut part_bytes) = (Vec::new(), 0);
        for sec in 0..1_200_u32 {
            let is_key = key_period > 0 && sec % key_period == 0;
            if rotation.is_due(is_key, bytes, part_bytes, began + SEC * sec) {
                rotation.on_part(began + SEC * sec);
                parts.push(sec);
                part_bytes = 0;
            }
            part_bytes += bytes;
            assert!(part_bytes <= MAX_PART_BYTES - INDEX_BYTES);
        }
        assert_eq!(parts, expected);
    }

    #[test]
    fn parts_begin_in_time_at_a_key_picture() {
        check(0, 1, 1, 1_000, &[300, 600, 900]);
        check(0, 1, 7, 1_000, &[301, 602, 903]);
        // Without a key picture, 30 s late.
        check(0, 1, 0, 1_000, &[330, 660, 990]);
        // Staggered.
        check(1, 2, 1, 1_000, &[150, 450, 750, 1_050]);
        check(3, 4, 1, 1_000, &[75, 375, 675, 975]);
        check(5, 4, 1, 1_000, &[225, 525, 825, 1_125]);
        check(0, 0, 1, 1_000, &[300, 600, 900]);
        // Too large: from seven eighths at a key picture, at the end at any.
        check(0, 1, 10, 10 << 20, &[180, 360, 540, 720, 900, 1_080]);
        check(0, 1, 0, 10 << 20, &[203, 406, 609, 812, 1_015]);
    }

    #[test]
    fn a_time_lapse_keeps_key_pictures_in_step() {
        #[track_caller]
        fn check(period_secs: u32, key_period: u32, expected: &[u32]) {
            let began = Instant::now();
            let mut lapse = TimeLapse::new(SEC * period_secs);
            let takes = |sec: &u32| lapse.takes(sec.is_multiple_of(key_period), began + SEC * *sec);
            assert_eq!((0..60).filter(takes).collect::<Vec<_>>(), expected);
        }
        check(10, 1, &[0, 10, 20, 30, 40, 50]);
        check(10, 4, &[0, 12, 20, 32, 40, 52]);
        check(10, 25, &[0, 25, 50]);
        check(1, 30, &[0, 30]);
    }
}
