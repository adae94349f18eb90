//! What a clip has at each of its moments, and where in it one stands. Pure, but for reading the clip.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::clips::{ClipGap, Sidecar};
use crate::event::Level;
use crate::recorder::index::{ClipNote, ClipReader};

/// Ticks of the clip's clock.
const TICKS_A_SEC: u64 = 90_000;

/// The times of one clip, from its first picture on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipTimeline {
    /// When each picture is shown, in order.
    pictures: Vec<Duration>,
    /// Those of them with which decoding can begin.
    keys: Vec<Duration>,
    pub end: Duration,
    pub outages: Vec<ClipOutage>,
    pub marks: Vec<ClipMark>,
    /// When it began; `None` where nothing tells.
    pub started: Option<Timestamp>,
}

/// A time without pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipOutage {
    pub from: Duration,
    pub to: Duration,
    pub cause: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipMark {
    pub at: Duration,
    pub level: Level,
    pub text: String,
}

impl ClipTimeline {
    /// Reads where the pictures of a clip are, and what is told of it. Waits for the disk.
    ///
    /// # Errors
    /// As [`ClipReader::open`].
    pub fn read(path: &Path, about: Option<&Sidecar>) -> io::Result<Self> {
        let reader = ClipReader::open(path)?;
        let mut shown: Vec<_> = reader.pictures().iter().map(|picture| (picture.shown(), picture.is_key)).collect();
        shown.sort_unstable();
        // The decoder's clock begins with the first picture.
        let first = shown.first().map_or(0, |(at, _)| *at);
        let time = |at: u64| Duration::from_micros((at - first).saturating_mul(1_000_000) / TICKS_A_SEC);
        let keys = shown.iter().filter(|(_, is_key)| *is_key).map(|(at, _)| time(*at)).collect();
        let pictures = shown.iter().map(|(at, _)| time(*at)).collect();
        let notes = reader.notes().unwrap_or_default();
        Ok(Self { pictures, keys, end: reader.duration(), ..Self::default() }.told_by(about, &notes))
    }

    /// With what stands beside the clip; without that, with what is noted in it.
    fn told_by(mut self, about: Option<&Sidecar>, notes: &[ClipNote]) -> Self {
        let Some(about) = about else {
            let outage = |note: &ClipNote| ClipOutage { from: note.at, to: note.until, cause: note.text.clone() };
            self.outages = notes.iter().map(outage).collect();
            return self;
        };
        let (started, end) = (about.started.at(), self.end);
        let since = |at: Timestamp| {
            let since = Duration::try_from(at.duration_since(started)).ok();
            since.filter(|since| *since <= end)
        };
        let outage = |gap: &ClipGap| {
            let from = since(gap.at.at())?;
            let to = from.saturating_add(Duration::try_from_secs_f64(gap.secs).unwrap_or_default()).min(end);
            Some(ClipOutage { from, to, cause: gap.cause.to_string() })
        };
        self.outages = about.gaps.iter().filter_map(outage).collect();
        let mark = |event: &crate::clips::ClipEvent| {
            Some(ClipMark { at: since(event.at)?, level: event.level, text: event.message.to_string() })
        };
        self.marks = about.events.iter().filter_map(mark).collect();
        self.started = Some(started);
        self
    }

    #[must_use]
    pub fn n_pictures(&self) -> usize {
        self.pictures.len()
    }

    /// The picture that is seen at that time, by its number and when it is shown.
    #[must_use]
    pub fn picture_at(&self, at: Duration) -> Option<(usize, Duration)> {
        let index = self.pictures.partition_point(|shown| *shown <= at).saturating_sub(1);
        self.pictures.get(index).map(|shown| (index, *shown))
    }

    /// When a picture is shown that is so many before or behind the one that is seen at that time.
    #[must_use]
    pub fn step(&self, at: Duration, n: isize) -> Option<Duration> {
        let (index, _) = self.picture_at(at)?;
        self.pictures.get(index.checked_add_signed(n)?).copied()
    }

    /// When the next picture is shown.
    #[must_use]
    pub fn next_after(&self, at: Duration) -> Option<Duration> {
        self.pictures.get(self.pictures.partition_point(|shown| *shown <= at)).copied()
    }

    /// The last key picture that is not shown behind that time.
    #[must_use]
    pub fn key_before(&self, at: Duration) -> Option<Duration> {
        self.keys.iter().rev().find(|key| **key <= at).or(self.keys.first()).copied()
    }

    #[must_use]
    pub fn outage_at(&self, at: Duration) -> Option<&ClipOutage> {
        self.outages.iter().find(|outage| (outage.from..outage.to).contains(&at))
    }

    /// What the clock of the computer showed.
    #[must_use]
    pub fn clock(&self, at: Duration) -> Option<Timestamp> {
        self.started?.checked_add(SignedDuration::try_from(at).ok()?).ok()
    }

    /// The moment of the clip at which the clock showed that.
    #[must_use]
    pub fn at_clock(&self, clock: Timestamp) -> Duration {
        let since = self.started.and_then(|started| Duration::try_from(clock.duration_since(started)).ok());
        since.unwrap_or_default().min(self.end)
    }
}

/// Where one stands in a clip, and whether it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Playhead {
    /// At `since`, or for as long as it stands still.
    at: Duration,
    since: Option<Instant>,
    end: Duration,
}

impl Playhead {
    #[must_use]
    pub fn new(at: Duration, end: Duration) -> Self {
        Self { at: at.min(end), since: None, end }
    }

    /// It stands still at the end.
    #[must_use]
    pub fn position(&self, now: Instant) -> Duration {
        let played = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.at.saturating_add(played).min(self.end)
    }

    #[must_use]
    pub fn is_playing(&self, now: Instant) -> bool {
        self.since.is_some() && self.position(now) < self.end
    }

    /// From the end on it plays from the beginning.
    pub fn play(&mut self, now: Instant) {
        let at = self.position(now);
        self.at = if at >= self.end { Duration::ZERO } else { at };
        self.since = Some(now);
    }

    pub fn pause(&mut self, now: Instant) {
        self.at = self.position(now);
        self.since = None;
    }

    /// Goes on from there as it did before.
    pub fn seek(&mut self, to: Duration, now: Instant) {
        let is_playing = self.is_playing(now);
        self.at = to.min(self.end);
        self.since = is_playing.then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::ClipEvent;

    const MS: Duration = Duration::from_millis(1);

    /// Pictures at these milliseconds, the first of them key pictures.
    fn timeline(pictures: &[u32], n_keys: usize, end: u32) -> ClipTimeline {
        let pictures: Vec<_> = pictures.iter().map(|ms| MS * *ms).collect();
        let keys = pictures.iter().copied().take(n_keys).collect();
        ClipTimeline { pictures, keys, end: MS * end, ..ClipTimeline::default() }
    }

    #[test]
    fn each_moment_has_its_picture() {
        #[track_caller]
        fn check(timeline: &ClipTimeline, at: u32, index: usize, step: (Option<u32>, Option<u32>), next: Option<u32>) {
            let at = MS * at;
            let ms = |ms: Option<u32>| ms.map(|ms| MS * ms);
            assert_eq!(timeline.picture_at(at).unwrap().0, index, "{at:?}");
            assert_eq!((timeline.step(at, -1), timeline.step(at, 1)), (ms(step.0), ms(step.1)), "{at:?}");
            assert_eq!(timeline.next_after(at), ms(next), "{at:?}");
        }
        let timeline = timeline(&[0, 40, 80, 7_080, 7_120], 2, 7_160);
        check(&timeline, 0, 0, (None, Some(40)), Some(40));
        check(&timeline, 39, 0, (None, Some(40)), Some(40));
        check(&timeline, 40, 1, (Some(0), Some(80)), Some(80));
        // In the middle of a time without pictures the last one before it is seen.
        check(&timeline, 5_000, 2, (Some(40), Some(7_080)), Some(7_080));
        check(&timeline, 9_000, 4, (Some(7_080), None), None);
        assert_eq!(timeline.key_before(5_000 * MS), Some(40 * MS));
        assert_eq!(timeline.key_before(39 * MS), Some(Duration::ZERO));
        assert_eq!(ClipTimeline::default().picture_at(MS), None);
    }

    #[test]
    fn outages_and_events_are_where_they_were() {
        let started = "2026-11-20T12:41:06.118+01:00".parse::<crate::clips::WallTime>().unwrap();
        let mut about = Sidecar { started, ..Sidecar::default() };
        about.add_gap(ClipGap::new(started.later_by_ms(2_000), 3_000 * MS, "it was unplugged"));
        about.add_gap(ClipGap::new(started.later_by_ms(9_000), 60_000 * MS, "again"));
        let at = |ms| started.later_by_ms(ms).at();
        let event = |ms, level| ClipEvent { at: at(ms), level, name: "stall".into(), message: "no picture".into() };
        about.add_event(event(-5_000, Level::Warning));
        about.add_event(event(500, Level::Info));
        about.add_event(event(2_500, Level::Error));
        let told = timeline(&[0], 1, 10_000).told_by(Some(&about), &[]);
        let spans: Vec<_> = told.outages.iter().map(|outage| (outage.from, outage.to)).collect();
        assert_eq!(spans, [(2_000 * MS, 5_000 * MS), (9_000 * MS, 10_000 * MS)]);
        assert_eq!(told.outage_at(4_999 * MS).unwrap().cause, "it was unplugged");
        assert_eq!(told.outage_at(5_000 * MS), None);
        let marks: Vec<_> = told.marks.iter().map(|mark| (mark.at, mark.level)).collect();
        assert_eq!(marks, [(500 * MS, Level::Info), (2_500 * MS, Level::Error)]);
        assert_eq!(told.clock(2_500 * MS), Some(at(2_500)));
        assert_eq!(
            (told.at_clock(at(2_500)), told.at_clock(at(-1)), told.at_clock(at(99_000))),
            (2_500 * MS, Duration::ZERO, 10_000 * MS)
        );
        assert_eq!(about.trouble_at(), 2_000 * MS);
        about.gaps.clear();
        // What was before the clip is no moment of it.
        assert_eq!(about.trouble_at(), Duration::ZERO);
        about.events.remove(0);
        assert_eq!(about.trouble_at(), 2_500 * MS);
        // Nothing stands beside it: the clip's own notes.
        let note = ClipNote { at: 2_000 * MS, until: 5_000 * MS, text: "no picture for 3.0 s".to_owned() };
        let told = timeline(&[0], 1, 10_000).told_by(None, &[note]);
        assert_eq!((told.outages.len(), told.clock(MS)), (1, None));
    }

    #[test]
    fn it_plays_and_stands_still() {
        let now = Instant::now();
        let at = |ms: u32| now + MS * ms;
        let mut head = Playhead::new(100 * MS, 1_000 * MS);
        assert_eq!((head.position(at(500)), head.is_playing(at(500))), (100 * MS, false));
        head.play(at(500));
        assert_eq!((head.position(at(700)), head.is_playing(at(700))), (300 * MS, true));
        head.seek(800 * MS, at(700));
        assert_eq!((head.position(at(800)), head.is_playing(at(800))), (900 * MS, true));
        head.pause(at(800));
        assert_eq!((head.position(at(5_000)), head.is_playing(at(5_000))), (900 * MS, false));
        head.seek(5_000 * MS, at(5_000));
        assert_eq!(head.position(at(5_000)), 1_000 * MS);
        // At the end it stands, and plays from the beginning.
        head.play(at(6_000));
        assert_eq!(head.position(at(6_100)), 100 * MS);
        assert!(!head.is_playing(at(9_000)));
    }
}
