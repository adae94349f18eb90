//! Which pictures are looked at, and what is measured of them. Pure: it is given frames and times.
//!
//! Twice a second one picture is measured in full. Those that follow it at once are compared only row by row: whether a picture
//! is torn shows against its neighbours.

use std::time::{Duration, Instant};

use super::live::LivePicture;
use crate::criteria::PictureFault;
use crate::frame::Frame;
use crate::picture::{FrameCoding, PictureSeries, PictureStats, PictureTraits, RowSteps, TearCounter};

/// Between two pictures that are measured in full.
const PERIOD: Duration = Duration::from_millis(500);
/// Pictures that follow each of them: all but the first and the last have neighbours on both sides.
const N_FOLLOWERS: u32 = 8;
/// Pictures that are further apart are no neighbours: what moves is elsewhere in each of them.
const NEIGHBOURS: Duration = Duration::from_millis(110);
/// A picture that stands alone is measured though it comes a little early.
const EARLY: Duration = Duration::from_millis(100);
/// The numbers are those of so much time: enough for medians, and not so long that what is over still shows.
pub const WINDOW: Duration = Duration::from_secs(4);

/// Watches the pictures of one camera.
pub struct PictureObserver {
    coding: FrameCoding,
    series: PictureSeries,
    live: LivePicture,
    tears: TearCounter,
    due: Instant,
    n_followers: u32,
    /// Of the last frame: number, the driver's count, time.
    last: Option<(u64, Option<u64>, Instant)>,
    stats: Option<PictureStats>,
}

impl PictureObserver {
    #[must_use]
    pub fn new(coding: FrameCoding, now: Instant) -> Self {
        Self {
            coding,
            series: PictureSeries::of_last(WINDOW, coding),
            live: LivePicture::new(coding),
            tears: TearCounter::new(coding),
            due: now,
            n_followers: 0,
            last: None,
            stats: None,
        }
    }

    /// When the next picture is to be measured in full.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether the very next picture is wanted before that.
    #[must_use]
    pub fn wants_next(&self) -> bool {
        self.n_followers > 0
    }

    /// What is wrong now.
    #[must_use]
    pub fn faults(&self) -> Vec<PictureFault> {
        self.live.faults()
    }

    /// The numbers of the last seconds, once after each picture that was measured in full.
    pub fn take_stats(&mut self) -> Option<PictureStats> {
        self.stats.take()
    }

    /// The newest frame, at that time.
    pub fn on_frame(&mut self, frame: &Frame, now: Instant) {
        let follows = self.last.is_some_and(|(number, sequence, taken_at)| {
            let is_next = |(before, at): (u64, u64)| before.checked_add(1) == Some(at);
            is_next((number, frame.number))
                && sequence.zip(frame.sequence).is_none_or(is_next)
                && frame.taken_at.saturating_duration_since(taken_at) <= NEIGHBOURS
        });
        self.last = Some((frame.number, frame.sequence, frame.taken_at));
        if !follows {
            self.tears.on_gap();
        }
        // Of pictures that are coded against each other the decoder knows what is missing, and figures that are drawn into them leap
        // from row to row.
        let looks_for_tears = self.coding.is_by_itself();
        if looks_for_tears {
            self.tears.add(RowSteps::of(&frame.image));
        }
        // Of a camera that gives two pictures a second, or is not looked at, each is measured.
        let is_due = now >= self.due || !follows && now + EARLY >= self.due;
        if !is_due {
            self.n_followers = self.n_followers.saturating_sub(1);
            self.live.follow(&PictureTraits::of(&frame.image, None));
            if !self.wants_next() {
                self.live.count_tears(self.tears.take_count(), frame.taken_at);
            }
            return;
        }
        self.live.count_tears(self.tears.take_count(), frame.taken_at);
        let traits = self.series.add(&frame.image, frame.taken_at);
        self.stats = Some(self.series.stats());
        self.live.update(&traits, frame.taken_at);
        self.n_followers = if looks_for_tears { N_FOLLOWERS } else { 0 };
        self.due += PERIOD;
        if self.due <= now {
            // Slow cameras, and a computer that was busy.
            self.due = now + PERIOD;
        }
    }

    /// No new frame, at that time.
    pub fn on_silence(&mut self, now: Instant) {
        self.n_followers = 0;
        self.tears.on_gap();
        self.live.on_silence(now);
        self.live.count_tears(self.tears.take_count(), now);
    }
}

#[cfg(test)]
mod tests {
    use std::iter::Peekable;
    use std::time::SystemTime;

    use super::*;
    use crate::frame::{Image, Size};
    use crate::health::{Condition, Health};
    use crate::source::reader::N_CHECKED;
    use crate::source::simulated::pictures;
    use crate::status::{Grade, PictureFaultKind};

    /// What a camera that is watched does to the observer, on a virtual clock.
    struct Camera<I: Iterator<Item = (Duration, Image)>> {
        origin: Instant,
        pictures: Peekable<I>,
        number: u64,
        observer: PictureObserver,
        /// Only the first pictures of each such time are handed on, as of a tile that is not looked at.
        handed_every: Option<Duration>,
        /// Of the present such time: its beginning, and how many were handed on.
        handed: Option<(Instant, u32)>,
        /// Handed on in this size.
        tile: Option<Size>,
    }

    /// What is told of a picture.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum PictureChange {
        Began(PictureFaultKind),
        Ended(PictureFaultKind),
    }

    /// What was told, and when, in seconds from the first picture.
    type Told = Vec<(f64, PictureChange)>;

    impl<I: Iterator<Item = (Duration, Image)>> Camera<I> {
        fn new(pictures: I, coding: FrameCoding, phase: Duration) -> Self {
            let origin = Instant::now();
            let observer = PictureObserver::new(coding, origin + phase);
            Self {
                origin,
                pictures: pictures.peekable(),
                number: 0,
                observer,
                handed_every: None,
                handed: None,
                tile: None,
            }
        }

        fn due_of_next(&mut self) -> Option<Instant> {
            self.pictures.peek().map(|(due, _)| self.origin + *due)
        }

        fn take(&mut self) -> Option<Frame> {
            let (due, image) = self.pictures.next()?;
            self.number += 1;
            let image = match self.tile {
                Some(tile) => image.for_tile(tile),
                None => image,
            };
            let (taken_at, taken_at_wall) = (self.origin + due, SystemTime::UNIX_EPOCH);
            let frame = Frame { image, number: self.number, sequence: None, taken_at, taken_at_wall };
            if let Some(period) = self.handed_every {
                let handed = self.handed.filter(|(began, _)| taken_at < *began + period);
                let (began, n) = handed.map_or((taken_at, 1), |(began, n)| (began, n + 1));
                self.handed = Some((began, n));
                while n >= N_CHECKED && self.due_of_next().is_some_and(|due| due < began + period) {
                    self.pictures.next();
                    self.number += 1;
                }
            }
            Some(frame)
        }

        /// The newest one at that time, if it was not taken yet.
        fn newest(&mut self, now: Instant) -> Option<Frame> {
            let mut newest = None;
            while self.due_of_next().is_some_and(|due| due <= now) {
                newest = self.take();
            }
            newest
        }

        fn watch(mut self, secs: f64) -> Told {
            let mut told = Vec::new();
            let end = self.origin + Duration::from_secs_f64(secs);
            let mut now = self.origin;
            while now < end {
                let wants_next = self.observer.wants_next();
                now = if wants_next { now } else { now.max(self.observer.due()) };
                let until = if wants_next { self.observer.due() } else { now + PERIOD };
                let frame = match (self.newest(now), self.due_of_next()) {
                    (Some(frame), _) => Some(frame),
                    (None, Some(next)) if next < until => {
                        now = next;
                        self.take()
                    }
                    (None, _) => {
                        now = until;
                        None
                    }
                };
                let before = self.observer.faults();
                match frame {
                    Some(frame) => self.observer.on_frame(&frame, now),
                    None => self.observer.on_silence(now),
                }
                let secs = now.saturating_duration_since(self.origin).as_secs_f64();
                let after = self.observer.faults();
                let missing =
                    |kind: PictureFaultKind, faults: &[PictureFault]| faults.iter().all(|fault| fault.kind != kind);
                for kind in PictureFaultKind::ALL {
                    match (missing(kind, &before), missing(kind, &after)) {
                        (true, false) => told.push((secs, PictureChange::Began(kind))),
                        (false, true) => told.push((secs, PictureChange::Ended(kind))),
                        _ => {}
                    }
                }
            }
            told
        }
    }

    const PHASES: [u64; 4] = [0, 130, 290, 410];

    /// What is told of a line, whenever one begins to look: kind, when it begins and when it ends, in seconds. Begins are told 1.5 s
    /// after at the latest, ends 1 s after.
    #[track_caller]
    fn check(line: &str, secs: f64, expected: &[(PictureFaultKind, f64, Option<f64>)]) {
        let made = made(line, secs);
        for phase in PHASES {
            let camera = Camera::new(made.iter().cloned(), FrameCoding::Intra, Duration::from_millis(phase));
            check_told(&format!("{line}, phase {phase}"), &camera.watch(secs), expected);
        }
    }

    /// The pictures of so much time, to be watched several times.
    fn made(line: &str, secs: f64) -> Vec<(Duration, Image)> {
        let end = Duration::from_secs_f64(secs + 1.0);
        pictures(line).take_while(|(due, _)| *due < end).collect()
    }

    #[track_caller]
    fn check_told(what: &str, told: &Told, expected: &[(PictureFaultKind, f64, Option<f64>)]) {
        let mut left = told.iter();
        for (kind, begin, end) in expected {
            match left.next() {
                Some((at, PictureChange::Began(began))) if began == kind => {
                    assert!((*begin..=begin + 1.5).contains(at), "{what}: {kind:?} at {begin} is told at {at}");
                }
                other => panic!("{what}: {kind:?} does not begin: {other:?} of {told:#?}"),
            }
            match (end, left.as_slice()) {
                (None, []) => {}
                (Some(end), [(at, PictureChange::Ended(ended)), ..]) if ended == kind => {
                    assert!((*end..=end + 1.0).contains(at), "{what}: the end of {kind:?} at {end} is told at {at}");
                    left.next();
                }
                (_, other) => panic!("{what}: {kind:?} does not end: {other:?} of {told:#?}"),
            }
        }
        assert!(left.as_slice().is_empty(), "{what}: {told:#?}");
    }

    use PictureFaultKind::{Black, Covered, Frozen, Green, Torn};

    const FORMATS: [&str; 3] = ["bgr", "yuyv", "mjpeg"];

    #[test]
    fn a_fault_begins_and_ends_with_the_pictures_that_show_it() {
        for (format, lasting) in [("bgr", &[1.0, 2.0, 4.0][..]), ("yuyv", &[2.0]), ("mjpeg", &[2.0])] {
            for secs in lasting {
                let check = |fault: &str, kind| {
                    let line = format!("160x120,format={format},{fault}@3s+{secs}s");
                    check(&line, secs + 6.0, &[(kind, 3.0, Some(3.0 + secs))]);
                };
                check("black", Black);
                check("cap", Covered);
                check("green", Green);
                if *secs > 1.0 {
                    check("frozen", Frozen);
                }
            }
        }
        check("160x120,black", 6.0, &[(Black, 0.0, None)]);
        check("160x120,frozen", 6.0, &[(Frozen, 0.0, None)]);
        check("160x120,cap,pattern=night", 6.0, &[(Covered, 0.0, None)]);
        check("160x120,black@2s+1s,black@5s+1s", 9.0, &[(Black, 2.0, Some(3.0)), (Black, 5.0, Some(6.0))]);
        check("160x120,black@2s+3s,frozen@5s+3s", 10.0, &[(Black, 2.0, Some(5.0)), (Frozen, 5.0, Some(8.0))]);
        check("160x120,frozen@2s+3s,black@5s+3s", 10.0, &[(Frozen, 2.0, Some(5.0)), (Black, 5.0, Some(8.0))]);
        check("160x120,black@2s+2s,green@4s+2s", 9.0, &[(Black, 2.0, Some(4.0)), (Green, 4.0, Some(6.0))]);
        check(
            "160x120,frozen@2s+2s,frozen@6s+2s,pattern=still",
            10.0,
            &[(Frozen, 2.0, Some(4.0)), (Frozen, 6.0, Some(8.0))],
        );
    }

    #[test]
    fn a_long_fault_is_told_once() {
        for (fault, kind) in [("black", Black), ("cap", Covered), ("green", Green), ("frozen", Frozen)] {
            check(&format!("160x120,{fault}@3s+30s"), 36.0, &[(kind, 3.0, Some(33.0))]);
        }
    }

    #[test]
    fn what_passes_at_once_is_not_told() {
        check("160x120,black@3s+300ms", 6.0, &[]);
        check("160x120,green@3s+300ms,green@5s+100ms", 8.0, &[]);
        check("160x120,frozen@3s+400ms", 6.0, &[]);
    }

    #[test]
    fn healthy_pictures_are_not_blamed() {
        for pattern in ["card", "noise", "gradient", "chart", "still", "night"] {
            for format in FORMATS {
                check(&format!("160x120,pattern={pattern},format={format}"), 6.0, &[]);
            }
            for more in ["@5", "@60", "slow=2", "seed=7", "doubled", "flicker=50", "infrared"] {
                check(&format!("160x120,pattern={pattern},{more}"), 6.0, &[]);
            }
        }
        for fault in
            ["dark", "bright", "blur", "noise", "cast", "comb", "letterbox", "swapped", "drop=20", "time-back@2s+1s"]
        {
            check(&format!("160x120,{fault}"), 6.0, &[]);
        }
    }

    #[test]
    fn cameras_of_any_rate_are_watched() {
        for rate in ["@5", "@10", "@24", "@29.97", "@60", "slow=2"] {
            for (fault, kind) in [("black", Black), ("cap", Covered), ("frozen", Frozen), ("green", Green)] {
                let line = format!("160x120,{rate},{fault}@3s+4s");
                check(&line, 10.0, &[(kind, 3.0, Some(7.0))]);
            }
        }
    }

    /// Told within so much time of the first torn picture, and over within so much of the last one.
    #[track_caller]
    fn check_torn(line: &str, percent: u32, secs: u32, begins_within: f64, ends_within: f64) {
        check_torn_handed(line, percent, secs, begins_within, ends_within, None);
    }

    #[track_caller]
    fn check_torn_handed(
        line: &str,
        percent: u32,
        secs: u32,
        begins_within: f64,
        ends_within: f64,
        handed_every: Option<Duration>,
    ) {
        let line = format!("160x120,torn={percent}@3s+{secs}s,{line}");
        let (end, watched) = (3.0 + f64::from(secs), f64::from(secs) + 4.0 + ends_within);
        let made = made(&line, watched);
        for phase in PHASES {
            let mut camera = Camera::new(made.iter().cloned(), FrameCoding::Intra, Duration::from_millis(phase));
            camera.handed_every = handed_every;
            let told = camera.watch(watched);
            let [(began, PictureChange::Began(first)), (ended, PictureChange::Ended(last))] = told.as_slice() else {
                panic!("{line}, {phase}: {told:#?}")
            };
            assert_eq!((*first, *last), (Torn, Torn), "{line}");
            assert!((3.0..3.0 + begins_within).contains(began), "{line}, {phase}: told at {began}");
            assert!((end - 1.0..end + ends_within).contains(ended), "{line}, {phase}: over at {ended}");
        }
    }

    #[test]
    fn torn_pictures_are_told_as_soon_as_their_share_is_certain() {
        for format in FORMATS {
            check_torn(&format!("format={format},seed=1"), 80, 10, 3.0, 4.0);
            check_torn(&format!("format={format},seed=2,pattern=still"), 30, 10, 5.0, 6.0);
        }
        // One or two of a hundred show, for seconds on end: hardly more than in any stream.
        check_torn("seed=1", 5, 40, 20.0, 21.0);
    }

    /// The grade of a camera of 30 frames a second, which sends all of them, at these times in seconds.
    #[track_caller]
    fn check_grades(line: &str, expected: &[(f64, Grade)]) {
        let origin = Instant::now();
        let (mut health, mut observer) = (Health::default(), PictureObserver::new(FrameCoding::Intra, origin));
        let mut left = expected.iter().peekable();
        for (number, (due, image)) in (1..).zip(pictures(line)) {
            let Some((at, grade)) = left.peek() else { break };
            let (taken_at, taken_at_wall) = (origin + due, SystemTime::UNIX_EPOCH);
            health.on_frame(taken_at, 0);
            if observer.wants_next() || taken_at >= observer.due() {
                observer.on_frame(&Frame { image, number, sequence: None, taken_at, taken_at_wall }, taken_at);
            }
            if due.as_secs_f64() >= *at {
                let faults = observer.faults();
                let condition = Condition { agreed_fps: Some(30.0), picture: &faults, ..Condition::default() };
                let (score, deductions) = health.score(condition, taken_at);
                assert_eq!(Grade::of(score), *grade, "{line} at {at} s: {score} {deductions:?}");
                left.next();
            }
        }
    }

    #[test]
    fn the_score_follows_the_picture() {
        use Grade::{Critical, Excellent, Warning};
        for (fault, grade) in [("black", Warning), ("cap", Warning), ("green", Warning), ("frozen", Critical)] {
            let line = format!("160x120,{fault}@3s+4s");
            check_grades(&line, &[(2.9, Excellent), (5.0, grade), (6.9, grade), (8.0, Excellent)]);
        }
        check_grades("160x120,torn=80@3s+8s", &[(2.9, Excellent), (8.0, Warning), (15.0, Excellent)]);
        check_grades("160x120,pattern=still", &[(5.0, Excellent), (12.0, Excellent)]);
    }

    #[test]
    fn a_still_scene_of_a_network_camera_is_not_frozen_at_once() {
        #[track_caller]
        fn check(line: &str, coding: FrameCoding, expected: Option<std::ops::Range<f64>>) {
            let told = Camera::new(pictures(line), coding, Duration::ZERO).watch(12.0);
            let began = told.iter().find_map(|(at, change)| matches!(change, PictureChange::Began(_)).then_some(*at));
            assert_eq!(began.is_some(), expected.is_some(), "{line}, {coding:?}: {told:?}");
            assert!(began.is_none_or(|at| expected.is_some_and(|times| times.contains(&at))), "{line}: {told:?}");
        }
        use FrameCoding::{Inter, Intra, Unknown};
        check("160x120,frozen", Intra, Some(0.5..1.6));
        check("160x120,frozen", Inter, Some(5.0..6.0));
        check("160x120,frozen@2s+4s", Inter, None);
        check("160x120,frozen", Unknown, None);
        check("160x120,black", Unknown, Some(0.4..1.5));
    }

    #[test]
    fn torn_pictures_of_a_hidden_tile_are_told_too() {
        for period in [460, 500, 530] {
            check_torn_handed("seed=1", 80, 10, 6.0, 6.0, Some(Duration::from_millis(period)));
        }
    }

    #[test]
    fn a_hidden_tile_is_watched_too() {
        for (fault, kind) in [("black", Black), ("cap", Covered), ("frozen,pattern=still", Frozen), ("green", Green)] {
            let (fault, more) = fault.split_once(',').unwrap_or((fault, "seed=1"));
            let line = format!("160x120,{fault}@3s+6s,{more}");
            for phase in PHASES {
                for period in [460, 490, 530] {
                    let mut camera = Camera::new(pictures(&line), FrameCoding::Intra, Duration::from_millis(phase));
                    camera.handed_every = Some(Duration::from_millis(period));
                    check_told(&format!("{line}, {phase}, {period}"), &camera.watch(13.0), &[(kind, 3.0, Some(9.0))]);
                }
            }
        }
    }

    #[test]
    fn a_small_copy_is_judged_by_the_fingerprint_of_the_whole_picture() {
        for (line, expected) in [
            ("320x240,pattern=still", &[][..]),
            ("320x240,pattern=night", &[]),
            ("320x240,pattern=still,frozen@3s+4s", &[(Frozen, 3.0, Some(7.0))]),
            ("320x240,black@3s+4s", &[(Black, 3.0, Some(7.0))]),
            ("320x240,cap@3s+4s", &[(Covered, 3.0, Some(7.0))]),
        ] {
            let mut camera = Camera::new(pictures(line), FrameCoding::Intra, Duration::from_millis(130));
            camera.tile = Size::new(80, 60);
            check_told(line, &camera.watch(11.0), expected);
        }
    }

    #[test]
    fn a_stream_that_ends_says_nothing_of_its_faults() {
        #[track_caller]
        fn check(pictures: impl Iterator<Item = (Duration, Image)>, expected: &[(PictureFaultKind, f64, Option<f64>)]) {
            check_told("", &Camera::new(pictures, FrameCoding::Intra, Duration::ZERO).watch(20.0), expected);
        }
        let stream = |line: &str, from: u64, to: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            let made: Vec<_> = pictures(line).take_while(|(due, _)| *due < to).collect();
            made.into_iter().filter(move |(due, _)| *due >= from)
        };
        let black = || stream("160x120,black", 0, 4);
        check(black(), &[(Black, 0.0, None)]);
        check(black().chain(stream("160x120,black", 12, 15)), &[(Black, 0.0, None)]);
        check(black().chain(stream("160x120,seed=2", 12, 15)), &[(Black, 0.0, Some(12.0))]);
        check(stream("160x120,frozen", 0, 4).chain(stream("160x120,frozen", 12, 15)), &[(Frozen, 0.0, None)]);
        // Not long enough before the end to be told, and begun anew.
        check(stream("160x120,black", 0, 1).chain(stream("160x120,black", 12, 15)), &[(Black, 0.0, None)]);
        let moment = stream("160x120,black@2s+1s", 0, 1).chain(stream("160x120,black@11800ms+1s", 2, 15));
        check(moment, &[(Black, 11.8, Some(12.8))]);
    }
}
