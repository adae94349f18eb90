//! What a test measures of a stream, and how it judges: pure, from the calls for frames as they ended. What costs points stands in
//! [`crate::criteria`].

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::criteria::{
    self, BLACK, CLOCK, COVERED, DROPS, ENDED, FAILURES, FROZEN, GREEN, JITTER, RATE, RULES, Rule, TORN,
};
use crate::fault::{Fault, FaultClass};
use crate::frame::Size;
use crate::picture::{FrameCoding, PictureTraits, RowSteps, TearCounter};
use crate::source::Grabbed;
use crate::status::{Asked, Got, Grade};

/// A stream that has not given anything for so many deadlines in a row is over.
pub const MAX_SILENT_READINGS: u32 = 10;
/// A clock that goes forward by so much more than time is one that jumps.
const LEAP: Duration = Duration::from_millis(500);

/// One call for a frame, as it ended.
pub struct FrameRead {
    /// When the frame was asked for.
    pub asked_at: Instant,
    /// When the call came back, with the picture decoded.
    pub ended_at: Instant,
    pub grabbed: Option<Grabbed>,
    pub picture: Result<PictureTraits, Fault>,
    /// To find torn pictures. Where this is `None` nobody looks for them.
    pub rows: Option<RowSteps>,
}

/// One of the frames that were asked for. The field order is that of the contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrameAttempt {
    pub ok: bool,
    /// How long the frame was waited for.
    pub ms: f64,
    pub fault: Option<Fault>,
    /// From the driver's hand-over to the decoded picture.
    pub latency_ms: Option<f64>,
    /// The driver's own count, where it has one.
    pub sequence: Option<u64>,
}

/// The intervals between frames: half, 95 and 99 of 100 are not longer. `None` with fewer than two frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Jitter {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// Lost frames by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostFrames {
    /// Gaps in the driver's own count.
    pub camera: u64,
    /// Came, but could not be decoded.
    pub damaged: u64,
    /// Gaps while this computer was too busy to ask for the next frame in time: not the camera's fault.
    pub late: u64,
}

impl LostFrames {
    #[must_use]
    pub fn total(self) -> u64 {
        self.camera.saturating_add(self.damaged).saturating_add(self.late)
    }
}

/// A rule that was broken, or a thing worth a note, which then costs nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestFinding {
    pub id: &'static str,
    pub message: String,
    pub points: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stability {
    Stable,
    Unstable,
}

/// How the frames are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct TestVerdict {
    pub findings: Vec<TestFinding>,
    pub score: u8,
    pub grade: Grade,
    pub stability: Stability,
}

/// For how long pictures in a row had something in common.
#[derive(Clone, Copy, Debug, Default)]
struct LongestRun {
    /// The first picture of the run that goes on, and how many it has.
    since: Option<(Instant, u32)>,
    secs: f64,
}

impl LongestRun {
    /// Counts from `first` while `goes_on`, in which case the run has one picture more, and `n_before` from its start. Runs of
    /// fewer pictures than `least` do not count.
    fn add(&mut self, goes_on: bool, (first, n_before): (Instant, u32), now: Instant, least: u32) {
        if !goes_on {
            self.since = None;
            return;
        }
        let (since, n) = self.since.get_or_insert((first, n_before));
        *n += 1;
        if *n >= least {
            self.secs = self.secs.max(now.saturating_duration_since(*since).as_secs_f64());
        }
    }
}

/// Everything that was measured so far.
pub struct StreamMeasurement {
    /// How many attempts were asked for; what is read beyond them is watched only.
    n_wanted: u32,
    coding: FrameCoding,
    /// The rate that the device agreed to.
    pub agreed_fps: Option<f64>,
    pub attempts: Vec<FrameAttempt>,
    pub n_good: u64,
    pub n_failed: u64,
    pub lost: LostFrames,
    /// A frame had a number of the driver's own count; `None` before the first frame.
    pub is_counted: Option<bool>,
    pub size: Option<Size>,
    pub last_fault: Option<Fault>,
    /// It broke off, or nothing has come for so long that nothing will.
    pub has_ended: bool,
    first_at: Option<Instant>,
    last: Option<Grabbed>,
    /// The least age that a frame had so far, when it was here.
    least_age: Option<Duration>,
    /// When it was here.
    last_at: Option<Instant>,
    last_picture_at: Option<Instant>,
    intervals_ms: Vec<f64>,
    latencies_ms: Vec<f64>,
    n_silent: u32,
    /// How often the camera's clock jumped, back most of all.
    pub n_back: u32,
    same: LongestRun,
    black: LongestRun,
    covered: LongestRun,
    /// The sum over all good pictures of how much of each was never filled, 0 to 1.
    green: f64,
    tears: TearCounter,
}

impl StreamMeasurement {
    #[must_use]
    pub fn new(n_wanted: u32, coding: FrameCoding) -> Self {
        Self {
            n_wanted,
            coding,
            agreed_fps: None,
            attempts: Vec::new(),
            n_good: 0,
            n_failed: 0,
            lost: LostFrames::default(),
            is_counted: None,
            size: None,
            last_fault: None,
            has_ended: false,
            first_at: None,
            last: None,
            least_age: None,
            last_at: None,
            last_picture_at: None,
            intervals_ms: Vec::new(),
            latencies_ms: Vec::new(),
            n_silent: 0,
            n_back: 0,
            same: LongestRun::default(),
            black: LongestRun::default(),
            covered: LongestRun::default(),
            green: 0.0,
            tears: TearCounter::new(coding),
        }
    }

    pub fn on_opened(&mut self, got: &Got) {
        self.agreed_fps = got.fps.filter(|fps| *fps > 0.0);
    }

    pub fn add(&mut self, reading: FrameRead) {
        let ms = millis(reading.ended_at.saturating_duration_since(reading.asked_at));
        let sequence = reading.grabbed.and_then(|grabbed| grabbed.sequence);
        if let Some(grabbed) = reading.grabbed {
            self.on_grabbed(grabbed, reading.ended_at);
        }
        let damage = reading.grabbed.as_ref().and_then(Grabbed::damage);
        let picture = damage.map_or(reading.picture, Err);
        let (fault, latency_ms) = match (picture, reading.grabbed) {
            (Ok(traits), Some(grabbed)) => {
                let latency_ms = millis(reading.ended_at.saturating_duration_since(grabbed.taken_at));
                self.on_picture(traits, grabbed, latency_ms);
                match reading.rows {
                    Some(rows) => self.tears.add(rows),
                    None => self.tears.on_gap(),
                }
                (None, Some(latency_ms))
            }
            (Ok(_), None) => (None, None),
            (Err(fault), _) => (Some(fault), None),
        };
        if let Some(fault) = &fault {
            self.n_failed += 1;
            self.tears.on_gap();
            let is_damage = fault.class == FaultClass::Quality;
            self.lost.damaged += u64::from(is_damage);
            self.n_silent = if is_damage { 0 } else { self.n_silent + 1 };
            self.last_fault = Some(fault.clone());
        }
        if !self.is_complete() {
            self.attempts.push(FrameAttempt { ok: fault.is_none(), ms, fault, latency_ms, sequence });
        }
    }

    fn on_grabbed(&mut self, grabbed: Grabbed, now: Instant) {
        let since_last = self.last_at.replace(now).map(|last| now.saturating_duration_since(last));
        if let Some(last) = self.last {
            let n_gap = match (last.sequence, grabbed.sequence) {
                // A driver that starts counting anew has not lost anything.
                (Some(last), Some(this)) if this > last => this - last - 1,
                _ => 0,
            };
            let interval = grabbed.taken_at.saturating_duration_since(last.taken_at);
            let n_late = n_gap.min(self.n_overdue(last.taken_at, grabbed.asked_at, rate_of(n_gap + 1, interval)));
            self.lost.late = self.lost.late.saturating_add(n_late);
            self.lost.camera = self.lost.camera.saturating_add(n_gap - n_late);
            if n_gap > 0 {
                self.tears.on_gap();
            }
            // Forward by more than went by, and no frame is missing: it was behind before anybody looked, with each frame. One that
            // has waited for a computer that stood still is no sign of it.
            let was_behind = self.least_age.is_some_and(|age| age >= LEAP);
            let has_leapt = n_gap == 0 && was_behind && since_last.is_some_and(|since| interval > since + LEAP);
            if criteria::has_gone_back(last.taken_at, grabbed.taken_at) || has_leapt {
                self.n_back += 1;
            } else if n_late == 0 {
                self.intervals_ms.push(millis(interval));
            }
        }
        let age = now.saturating_duration_since(grabbed.taken_at);
        self.least_age = Some(self.least_age.map_or(age, |least| least.min(age)));
        self.first_at.get_or_insert(grabbed.taken_at);
        self.is_counted = Some(self.is_counted == Some(true) || grabbed.sequence.is_some());
        self.last = Some(grabbed);
    }

    /// How many frames came and went, after the one that was taken then, before the next was asked for. The newest of
    /// them waits in the driver's queue. They came at the rate that was agreed, else at the one that was counted.
    fn n_overdue(&self, taken_at: Instant, asked_at: Option<Instant>, counted_fps: Option<f64>) -> u64 {
        let Some((fps, asked_at)) = self.agreed_fps.or(counted_fps).zip(asked_at) else { return 0 };
        let n_made = asked_at.saturating_duration_since(taken_at).as_secs_f64() * fps;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and `as` saturates")]
        let n_made = n_made as u64;
        n_made.saturating_sub(1)
    }

    fn on_picture(&mut self, traits: PictureTraits, grabbed: Grabbed, latency_ms: f64) {
        let now = grabbed.taken_at;
        // A picture that equals the one before stands still since that one.
        let before = self.last_picture_at.replace(now).unwrap_or(now);
        let is_dead = traits.is_same || traits.is_uniform;
        let (is_black, is_green) = (criteria::is_black(&traits.light), criteria::is_green(traits.green));
        let is_still = traits.is_same && !traits.is_uniform && !is_black && !is_green;
        self.same.add(is_still, (before, 1), now, criteria::LEAST_EQUAL);
        self.black.add(is_black && is_dead, (now, 0), now, 2);
        self.covered.add(is_black && !is_dead, (now, 0), now, 2);
        self.green += traits.green;
        self.n_good += 1;
        self.n_silent = 0;
        self.size = Some(traits.size);
        self.latencies_ms.push(latency_ms);
    }

    /// Whether every attempt that was asked for has been made.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.attempts.len() >= self.n_wanted as usize
    }

    /// Whether nothing has come for so long that nothing will.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.n_silent >= MAX_SILENT_READINGS
    }

    #[must_use]
    pub fn n_passed(&self) -> u32 {
        u32::try_from(self.attempts.iter().filter(|attempt| attempt.ok).count()).unwrap_or(u32::MAX)
    }

    fn span(&self) -> Duration {
        match (self.first_at, self.last) {
            (Some(first), Some(last)) => last.taken_at.saturating_duration_since(first),
            _ => Duration::ZERO,
        }
    }

    #[must_use]
    pub fn watched_secs(&self) -> f64 {
        self.span().as_secs_f64()
    }

    /// Frames a second: those that came, and those that the camera made.
    #[must_use]
    pub fn rates(&self) -> Option<(f64, f64)> {
        let span = self.span().as_secs_f64();
        let n_grabbed = self.n_good + self.lost.damaged;
        if span <= 0.0 || n_grabbed < 2 {
            return None;
        }
        let n_made = n_grabbed.saturating_add(self.lost.camera).saturating_add(self.lost.late);
        Some(((self.n_good.saturating_sub(1)) as f64 / span, (n_made - 1) as f64 / span))
    }

    #[must_use]
    pub fn fps(&self) -> Option<f64> {
        self.rates().map(|(fps, _)| fps)
    }

    #[must_use]
    pub fn jitter(&self) -> Jitter {
        let mut sorted = self.intervals_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share| percentile(&sorted, share);
        Jitter { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
    }

    /// Half of the frames took no longer.
    #[must_use]
    pub fn latency_ms(&self) -> Option<f64> {
        let mut sorted = self.latencies_ms.clone();
        sorted.sort_by(f64::total_cmp);
        percentile(&sorted, 0.5)
    }

    /// The value of a rule; `None` where it cannot be told, and of the rules that a test has no use for.
    fn value(&self, rule: &Rule) -> Option<f64> {
        // A damaged frame is a failure already.
        let n_lost = self.lost.camera as f64;
        let has_run = self.span().as_secs_f64() >= criteria::LEAST_RATE_SECS;
        let n_read = (self.n_good + self.n_failed) as f64;
        match *rule {
            FAILURES => Some(100.0 * self.n_failed as f64 / n_read).filter(|_| n_read > 0.0),
            ENDED => Some(f64::from(u8::from(self.has_ended))),
            FROZEN => {
                let least = criteria::still_secs(self.coding)?;
                Some(self.same.secs).filter(|secs| *secs >= least)
            }
            BLACK => Some(self.black.secs),
            COVERED => Some(self.covered.secs),
            GREEN => Some(100.0 * self.green / self.n_good as f64).filter(|_| self.n_good > 0),
            TORN => {
                let count = self.tears.count();
                let share = count.share().filter(|share| criteria::is_torn(*share, count.n_judged))?;
                Some(100.0 * share)
            }
            RATE => {
                let agreed = self.agreed_fps.filter(|_| has_run)?;
                self.rates().map(|(_, made)| 100.0 * (1.0 - made / agreed))
            }
            JITTER => {
                let (jitter, agreed) = (self.jitter(), self.agreed_fps.filter(|_| has_run)?);
                Some((jitter.p95? - jitter.p50?) * agreed / 10.0)
            }
            DROPS => Some(100.0 * n_lost / (n_read + n_lost)).filter(|_| has_run),
            CLOCK => Some(f64::from(self.n_back)),
            _ => None,
        }
    }

    /// What to say beside a rule's own words.
    fn more(&self, rule: &Rule) -> Option<String> {
        match *rule {
            RATE => Some(format!("{:.1} fps of the agreed {}", self.rates()?.1, short(self.agreed_fps?))),
            DROPS => Some(format!("{} are missing in the camera's own count", self.lost.camera)),
            FAILURES => Some(format!("{} of {}", self.n_failed, self.n_good + self.n_failed)),
            BLACK => Some("a closed shutter, or a camera without a signal".to_owned()),
            COVERED => Some("or there is no light".to_owned()),
            _ => None,
        }
    }

    #[must_use]
    pub fn verdict(&self, asked: &Asked, got: &Got) -> TestVerdict {
        let mut findings = Vec::new();
        let mut stability = if self.n_good > 0 { Stability::Stable } else { Stability::Unstable };
        for rule in &RULES {
            let Some(value) = self.value(rule) else { continue };
            if rule.is_unstable(value) {
                stability = Stability::Unstable;
            }
            let Some(deduction) = rule.deduct(value) else { continue };
            let more = self.more(rule).map(|more| format!(" ({more})")).unwrap_or_default();
            let message = format!("{}{more}", deduction.reason);
            findings.push(TestFinding { id: rule.id, message, points: deduction.points });
        }
        let n_points: u32 = findings.iter().map(|finding| u32::from(finding.points)).sum();
        let score = if self.n_good == 0 { 0 } else { u8::try_from(100_u32.saturating_sub(n_points)).unwrap_or(0) };
        findings.extend(notes(asked, got, self.size));
        if self.lost.late > 0 {
            let message =
                format!("this computer was too busy for {} frames, which the camera had made", self.lost.late);
            findings.push(TestFinding { id: "late", message, points: 0 });
        }
        TestVerdict { findings, score, grade: Grade::of(score), stability }
    }
}

/// So many frames in that time; `None` in none.
fn rate_of(n: u64, time: Duration) -> Option<f64> {
    (time > Duration::ZERO).then(|| n as f64 / time.as_secs_f64())
}

/// Where the camera does something else than it was asked for.
fn notes(asked: &Asked, got: &Got, size: Option<Size>) -> Vec<TestFinding> {
    let differs = |what: &str, asked: Option<String>, got: Option<String>| {
        let (asked, got) = (asked?, got?);
        let message = format!("asked for {asked}, the camera gives {got}");
        (asked != got).then(|| TestFinding { id: "asked", message: format!("{what}: {message}"), points: 0 })
    };
    let text = |fps: Option<f64>| fps.map(|fps| format!("{} fps", short(fps)));
    let name = |size: Option<Size>| size.map(|size| size.to_string());
    [
        differs("size", name(asked.size), name(size.or(got.size))),
        differs("rate", text(asked.fps), text(got.fps)),
        differs("format", asked.format.map(|f| f.to_string()), got.format.map(|f| f.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Two decimals at most, and none that are zero: 29.97, 30.
#[must_use]
pub fn short(fps: f64) -> f64 {
    (fps * 100.0).round() / 100.0
}

fn millis(duration: Duration) -> f64 {
    // Microseconds are all that a driver's clock has.
    (duration.as_secs_f64() * 1e6).round() / 1_000.0
}

fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a list in memory")]
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;
    use crate::frame::Image;
    use crate::picture::Darkness;

    const SIZE: Size = Size { width: 64, height: 48 };

    /// A picture of a room.
    fn room() -> PictureTraits {
        let light = Darkness { mean: 119.0, std: 37.0, peak: 240.0, structure: 30.0, brightest_channel: 120.0 };
        PictureTraits { size: SIZE, is_same: false, is_uniform: false, light, green: 0.0 }
    }

    /// A camera of 30 fps that a test writes down frame by frame.
    struct Tape {
        measured: StreamMeasurement,
        /// When the frame before was taken, and when it had been read.
        now: Instant,
        asked_at: Instant,
        n: u64,
        got: Got,
    }

    impl Tape {
        fn new(n_wanted: u32) -> Self {
            let got = Got { size: Some(SIZE), fps: Some(30.0), ..Got::default() };
            let mut measured = StreamMeasurement::new(n_wanted, FrameCoding::Intra);
            measured.on_opened(&got);
            let now = Instant::now();
            Self { measured, now, asked_at: now, n: 0, got }
        }

        fn frame(&mut self, look: PictureTraits) {
            self.n += 1;
            let asked_at = self.asked_at;
            self.now += Duration::from_secs(1) / 30;
            let grabbed = Grabbed::new(self.now, Some(self.n));
            let ended_at = self.now + Duration::from_millis(2);
            self.asked_at = ended_at;
            self.measured.add(FrameRead { asked_at, ended_at, grabbed: Some(grabbed), picture: Ok(look), rows: None });
        }

        fn frames(mut self, n_frames: u32) -> Self {
            (0..n_frames).for_each(|_| self.frame(room()));
            self
        }

        fn same(mut self, n_frames: u32, is_black: bool) -> Self {
            let light = if is_black { Darkness::default() } else { room().light };
            (0..n_frames).for_each(|_| self.frame(PictureTraits { is_same: true, light, ..room() }));
            self
        }

        /// Frames that the camera makes and loses.
        fn lose(mut self, n_frames: u32) -> Self {
            self.n += u64::from(n_frames);
            self.now += Duration::from_secs(1) * n_frames / 30;
            self
        }

        fn fail(mut self, kind: FaultKind, n_readings: u32) -> Self {
            for _ in 0..n_readings {
                let asked_at = self.asked_at;
                let is_damage = kind.class() == FaultClass::Quality;
                self.now += if is_damage { Duration::from_secs(1) / 30 } else { Duration::from_secs(1) };
                self.n += u64::from(is_damage);
                let grabbed = is_damage.then_some(Grabbed::new(self.now, Some(self.n)));
                let picture = Err(Fault::new(kind, "test"));
                self.measured.add(FrameRead { asked_at, ended_at: self.now, grabbed, picture, rows: None });
                self.asked_at = self.now;
            }
            self
        }

        fn verdict(&self) -> TestVerdict {
            self.measured.verdict(&Asked::default(), &self.got)
        }

        #[track_caller]
        fn check(self, stability: Stability, grade: Grade, ids: &[&str]) -> StreamMeasurement {
            let verdict = self.verdict();
            let got: Vec<_> = verdict.findings.iter().map(|finding| finding.id).collect();
            assert_eq!((verdict.stability, verdict.grade, got.as_slice()), (stability, grade, ids), "{verdict:?}");
            self.measured
        }
    }

    use Grade::{Critical, Excellent, Good, Warning};
    use Stability::{Stable, Unstable};

    #[test]
    fn good_frames_are_stable() {
        let measured = Tape::new(5).frames(90).check(Stable, Excellent, &[]);
        assert_eq!((measured.attempts.len(), measured.n_passed(), measured.n_good), (5, 5, 90));
        assert_eq!(measured.is_counted, Some(true));
        assert!((measured.fps().unwrap() - 30.0).abs() < 0.01, "{:?}", measured.fps());
        assert_eq!(measured.latency_ms(), Some(2.0));
        let jitter = measured.jitter();
        assert!((33.2..33.4).contains(&jitter.p50.unwrap()) && jitter.p99 == jitter.p50, "{jitter:?}");
    }

    #[test]
    fn each_trouble_is_found() {
        Tape::new(5).check(Unstable, Critical, &[]);
        Tape::new(5).fail(FaultKind::Stall, 5).check(Unstable, Critical, &["failures"]);
        Tape::new(5).frames(4).fail(FaultKind::ReadFailed, 1).check(Unstable, Good, &["failures"]);
        Tape::new(5).frames(40).fail(FaultKind::BadFrame, 40).check(Unstable, Warning, &["failures"]);
        Tape::new(5).frames(60).lose(30).frames(60).check(Unstable, Good, &["drops"]);
        Tape::new(5).frames(60).lose(5).frames(60).check(Stable, Excellent, &["drops"]);
        Tape::new(5).frames(10).same(50, false).check(Unstable, Critical, &["frozen"]);
        Tape::new(5).frames(10).same(50, false).frames(60).check(Unstable, Critical, &["frozen"]);
        Tape::new(5).frames(10).same(14, false).frames(60).check(Stable, Excellent, &[]);
        let mut broken = Tape::new(5).frames(60).fail(FaultKind::Unplugged, 1);
        broken.measured.has_ended = true;
        broken.check(Unstable, Critical, &["failures", "ended"]);
        Tape::new(5).same(90, true).check(Stable, Warning, &["black"]);
        Tape::new(5).frames(60).same(20, true).frames(10).check(Stable, Excellent, &[]);
    }

    #[test]
    fn two_equal_pictures_of_a_slow_camera_are_no_frozen_one() {
        let mut tape = Tape::new(5);
        let look = |is_same| PictureTraits { is_same, ..room() };
        for is_same in [false, true, false, true, false] {
            tape.now += Duration::from_secs(1);
            tape.frame(look(is_same));
        }
        assert!(tape.verdict().findings.iter().all(|finding| finding.id != "frozen"), "{:?}", tape.verdict());
        tape.frame(look(true));
        tape.now += Duration::from_secs(1);
        tape.frame(look(true));
        assert!(tape.verdict().findings.iter().any(|finding| finding.id == "frozen"), "{:?}", tape.verdict());
    }

    #[test]
    fn a_low_rate_is_told_with_both_numbers() {
        let mut tape = Tape::new(5);
        tape.got.fps = Some(75.0);
        tape.measured.on_opened(&tape.got);
        let tape = tape.frames(60);
        let verdict = tape.verdict();
        let [finding] = verdict.findings.as_slice() else { panic!("{verdict:?}") };
        assert_eq!(finding.message, "frame rate below the agreed one by 60 % (30.0 fps of the agreed 75)");
        // Half a second says nothing.
        let mut tape = Tape::new(5);
        tape.measured.on_opened(&Got { fps: Some(75.0), ..Got::default() });
        tape.frames(15).check(Stable, Excellent, &[]);
    }

    #[test]
    fn what_this_computer_misses_is_not_the_cameras_fault() {
        // With a rate that was agreed, and without.
        for fps in [Some(30.0), None] {
            let mut tape = Tape::new(5).frames(60);
            tape.measured.agreed_fps = fps;
            late(&mut tape);
            let measured = tape.check(Stable, Excellent, &["late"]);
            assert_eq!(measured.lost, LostFrames { camera: 0, damaged: 0, late: 3 });
        }
    }

    /// Nobody asks for four periods: the first three frames are gone, the fourth waits.
    fn late(tape: &mut Tape) {
        let asked_at = tape.now + Duration::from_millis(140);
        let grabbed = Grabbed::new(tape.now + Duration::from_secs(4) / 30, Some(tape.n + 4));
        let grabbed = Grabbed { asked_at: Some(asked_at), ..grabbed };
        let look = room();
        tape.measured.add(FrameRead {
            asked_at,
            ended_at: asked_at,
            grabbed: Some(grabbed),
            picture: Ok(look),
            rows: None,
        });
        tape.now = asked_at;
    }

    #[test]
    fn losses_are_counted_by_cause() {
        let tape = Tape::new(5).frames(10).lose(3).frames(10).fail(FaultKind::BadFrame, 2).lose(1).frames(5);
        assert_eq!(tape.measured.lost, LostFrames { camera: 4, damaged: 2, late: 0 });
        let mut tape = tape;
        tape.n = 0;
        assert_eq!(tape.frames(5).measured.lost.camera, 4, "a driver that counts anew has lost nothing");
    }

    #[test]
    fn a_silent_stream_is_given_up_and_a_damaged_one_is_not() {
        assert!(!Tape::new(99).fail(FaultKind::Stall, MAX_SILENT_READINGS - 1).measured.is_silent());
        assert!(Tape::new(99).fail(FaultKind::Stall, MAX_SILENT_READINGS).measured.is_silent());
        assert!(!Tape::new(99).fail(FaultKind::BadFrame, 50).measured.is_silent());
        assert!(!Tape::new(99).fail(FaultKind::Stall, 9).frames(1).fail(FaultKind::Stall, 9).measured.is_silent());
    }

    #[test]
    fn a_clock_that_jumps_back_is_told() {
        let mut tape = Tape::new(5).frames(60);
        tape.now = tape.now.checked_sub(Duration::from_millis(500)).unwrap();
        tape.frames(60).check(Unstable, Excellent, &["time"]);
    }

    #[test]
    fn a_computer_that_stands_still_is_no_clock_that_jumps() {
        /// When each frame was taken, and how old it was when it was here, in ms.
        #[track_caller]
        fn check(frames: &[(u64, u64)], expected: u32) {
            let mut measured = Tape::new(5).measured;
            let began = Instant::now();
            for (n, (taken_ms, age_ms)) in (0..).zip(frames) {
                let taken_at = began + Duration::from_millis(*taken_ms);
                let ended_at = taken_at + Duration::from_millis(*age_ms);
                let grabbed = Some(Grabbed::new(taken_at, Some(n)));
                measured.add(FrameRead { asked_at: taken_at, ended_at, grabbed, picture: Ok(room()), rows: None });
            }
            assert_eq!(measured.n_back, expected, "{frames:?}");
        }
        check(&[(0, 5), (33, 5), (66, 700), (766, 5), (800, 5)], 0);
        check(&[(0, 2_000), (33, 2_000), (2_066, 5), (2_100, 5)], 1);
    }

    #[test]
    fn what_was_asked_and_not_given_is_noted() {
        let asked = Asked { size: Size::new(1280, 720), fps: Some(60.0), ..Asked::default() };
        let verdict = Tape::new(5).frames(60).measured.verdict(&asked, &Tape::new(1).got);
        let messages: Vec<_> = verdict.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            ["size: asked for 1280x720, the camera gives 64x48", "rate: asked for 60 fps, the camera gives 30 fps"]
        );
        assert_eq!(verdict.score, 100);
    }

    #[test]
    fn black_and_equal_pictures_are_seen() {
        #[track_caller]
        fn check(image: &Image, before: Option<&Image>, is_same: bool, is_black: bool) {
            let traits = PictureTraits::of(image, before);
            assert_eq!((traits.size, traits.is_same, criteria::is_black(&traits.light)), (SIZE, is_same, is_black));
        }
        let image = |pixel: [u8; 3]| Image::new(SIZE, pixel.repeat(64 * 48)).unwrap();
        let (dark, grey) = (image([9, 16, 20]), image([90, 90, 90]));
        check(&dark, None, false, true);
        check(&grey, Some(&dark), false, false);
        check(&grey, Some(&image([90, 90, 90])), true, false);
        let mut pixels = [90_u8; 3].repeat(64 * 48);
        pixels[64 * 48 * 3 - 1] = 91;
        assert!(!PictureTraits::of(&Image::new(SIZE, pixels).unwrap(), Some(&grey)).is_same, "one pixel is enough");
    }

    #[test]
    fn what_pictures_show_is_told_by_the_rules_of_the_score() {
        #[track_caller]
        fn check(line: &str, coding: FrameCoding, stability: Stability, grade: Grade, ids: &[&str]) {
            let got = Got { size: Some(SIZE), fps: Some(30.0), ..Got::default() };
            let mut measured = StreamMeasurement::new(5, coding);
            measured.on_opened(&got);
            let (began, mut before) = (Instant::now(), None);
            for (n, (due, image)) in (0..).zip(crate::source::simulated::pictures(line)).take(90) {
                let taken_at = began + due;
                let grabbed = Some(Grabbed::new(taken_at, Some(n)));
                let (picture, rows) = (Ok(PictureTraits::of(&image, before.as_ref())), Some(RowSteps::of(&image)));
                measured.add(FrameRead { asked_at: taken_at, ended_at: taken_at, grabbed, picture, rows });
                before = Some(image);
            }
            let verdict = measured.verdict(&Asked::default(), &got);
            let got: Vec<_> = verdict.findings.iter().map(|finding| finding.id).collect();
            assert_eq!(
                (verdict.stability, verdict.grade, got.as_slice()),
                (stability, grade, ids),
                "{line} {verdict:?}"
            );
        }
        for format in ["bgr", "yuyv", "mjpeg"] {
            let check = |line: &str, coding, stability, grade, ids: &[&str]| {
                check(&format!("64x48,format={format},{line}"), coding, stability, grade, ids);
            };
            let camera = FrameCoding::Intra;
            check("seed=1", camera, Stable, Excellent, &[]);
            check("pattern=still", camera, Stable, Excellent, &[]);
            check("infrared", camera, Stable, Excellent, &[]);
            check("black", camera, Stable, Warning, &["black"]);
            check("black@2s", camera, Stable, Excellent, &[]);
            check("cap", camera, Stable, Warning, &["covered"]);
            check("green", camera, Unstable, Warning, &["green"]);
            check("frozen", camera, Unstable, Critical, &["frozen"]);
            check("frozen", FrameCoding::Inter, Stable, Excellent, &[]);
            check("frozen", FrameCoding::Unknown, Stable, Excellent, &[]);
        }
        check("320x240,torn=80", FrameCoding::Intra, Unstable, Warning, &["torn"]);
    }
}
