//! The one read loop. The engine's capture thread, the probe and the capture process all read a source with it; what they do
//! with a frame, and whether they go on after a fault, is theirs.
//!
//! Also here: the times that all of them wait for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::control::{ControlSetting, ControlsUpdate};
use crate::fault::Fault;
use crate::network::PacketEvidence;
use crate::source::{Demand, Grabbed, Source};
use crate::status::Got;

/// A stall is at least this many frame periods (libcamera's dequeue watchdog has the same).
const STALL_PERIODS: f64 = 5.0;
/// The intervals that the pace is taken from.
const N_INTERVALS: usize = 16;
/// How long the second frame may take of a stream whose rate nobody knows: a tenth of a frame a second, and some more.
const UNKNOWN_PACE: Duration = Duration::from_secs(12);
/// Warm-up ends after this time, whatever the number of frames: a slow camera must not stay dark.
const LONGEST_WARM_UP: Duration = Duration::from_secs(1);
/// How long a device may take to close before its thread is left behind.
pub const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// How often pictures are decoded of a camera that nobody looks at, and how many in turn: that one is torn shows against its
/// neighbours.
const CHECKS_PERIOD: Duration = Duration::from_millis(500);
pub(crate) const N_CHECKED: u32 = 3;
/// Media Foundation opens in 4 to 20 s on many machines: so many times the usual time at first, and in later tries.
pub(super) const MSMF_OPEN_FACTORS: [f64; 2] = [3.0, 5.0];

/// The time without a frame that counts as a stall: `least`, and longer for a camera of few frames a second.
#[must_use]
pub fn stall_deadline(least: Duration, fps: Option<f64>) -> Duration {
    let periods = fps.filter(|fps| *fps > 0.0).and_then(|fps| Duration::try_from_secs_f64(STALL_PERIODS / fps).ok());
    periods.map_or(least, |periods| periods.max(least))
}

/// How frames of one opening have come lately. What a camera says of its rate is seldom what it does: cameras that follow movements,
/// or the light, give one in ten seconds.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    intervals: VecDeque<Duration>,
}

impl Pace {
    /// `now` is when it arrived: the camera's own clock may be wrong.
    pub fn on_frame(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            if self.intervals.len() >= N_INTERVALS {
                self.intervals.pop_front();
            }
            self.intervals.push_back(now.saturating_duration_since(last));
        }
    }

    /// The usual time between two frames. A single one that was late does not count.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        let mut sorted: Vec<_> = self.intervals.iter().copied().collect();
        sorted.sort_unstable();
        sorted.iter().rev().nth(1).or(sorted.first()).copied()
    }

    /// The time without a frame that counts as a stall. Before two frames have come `told_fps` counts, as far as it is believed.
    #[must_use]
    pub fn stall_deadline(&self, least: Duration, told_fps: Option<f64>) -> Duration {
        match (self.interval(), told_fps) {
            (Some(interval), _) => interval.mul_f64(STALL_PERIODS).max(least),
            (None, Some(fps)) => stall_deadline(least, Some(fps)),
            (None, None) => UNKNOWN_PACE.max(least),
        }
    }
}

/// Nothing more is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndReading;

/// What is to be done before the next frame is waited for.
#[derive(Debug, Default)]
pub struct BeforeRead {
    pub controls: Vec<ControlSetting>,
    /// What is wanted of the pictures, where that has changed.
    pub demand: Option<Demand>,
    /// The time of a file at which its next picture is shown.
    pub seek: Option<Duration>,
    /// Stop the stream and start it.
    pub restart: bool,
}

/// How reading goes on after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    ReadOn,
    /// Stop the stream and start it first.
    Restart,
}

/// One call for a frame, as it ended.
#[derive(Debug)]
pub struct ReadResult<P> {
    pub asked_at: Instant,
    /// Before it was decoded.
    pub grabbed_at: Instant,
    /// With the picture decoded.
    pub ended_at: Instant,
    /// `None` where no frame came.
    pub grabbed: Option<Grabbed>,
    pub picture: Result<P, Fault>,
    /// Where the device has come to deliver something else.
    pub changed: Option<Got>,
}

/// Who reads. Each function may end the reading.
pub trait Consumer {
    /// A decoded picture, as the consumer wants it.
    type Picture;

    /// Asked before each frame. Never waits.
    ///
    /// # Errors
    /// Nothing more is to be read.
    fn before_read(&mut self) -> Result<BeforeRead, EndReading>;

    /// Has the frame decoded that was grabbed last, no larger than it is wanted.
    ///
    /// # Errors
    /// Nothing more is to be read. The inner result is a fault of the frame.
    fn decode(&mut self, source: &mut dyn Source, demand: Demand) -> Result<Result<Self::Picture, Fault>, EndReading>;

    /// A frame came whose picture nobody wants.
    ///
    /// # Errors
    /// Nothing more is to be read.
    fn on_left_out(&mut self, grabbed: Grabbed) -> Result<(), EndReading>;

    /// A frame was thrown away undecoded, while exposure and decoder settle.
    ///
    /// # Errors
    /// Nothing more is to be read.
    fn on_warmed_up(&mut self) -> Result<(), EndReading>;

    /// # Errors
    /// Nothing more is to be read.
    fn on_read(&mut self, read: ReadResult<Self::Picture>) -> Result<(), EndReading>;

    /// # Errors
    /// Nothing more is to be read.
    fn on_controls(&mut self, news: ControlsUpdate) -> Result<(), EndReading>;

    /// Told ahead of the frame or the fault that came with it.
    ///
    /// # Errors
    /// Nothing more is to be read.
    fn on_evidence(&mut self, _evidence: PacketEvidence) -> Result<(), EndReading> {
        Ok(())
    }

    /// Asked after a read or a restart that has failed; may wait.
    ///
    /// # Errors
    /// Nothing more is to be read.
    fn after_fault(&mut self) -> Result<Resume, EndReading>;

    /// The stream was stopped and started, or could not be.
    ///
    /// # Errors
    /// Nothing more is to be read.
    fn on_restarted(&mut self, result: Result<(), Fault>) -> Result<(), EndReading>;
}

/// Reads until the consumer ends it. `n_warm_up` frames are thrown away first. Blocks as long as the driver does.
pub fn read<C: Consumer>(source: &mut dyn Source, demand: Demand, n_warm_up: u32, consumer: &mut C) -> EndReading {
    let first = at_first(demand);
    let leaves_out = source.set_demand(first);
    let (got, wanted) = (source.got(), demand);
    let mut reading = Reading { got, n_warm_up, first_at: None, wanted, demand: first, leaves_out, look: None };
    loop {
        if let Err(end) = reading.read_one(source, consumer) {
            return end;
        }
    }
}

/// The first picture of a stream is wanted in any case.
fn at_first(demand: Demand) -> Demand {
    if demand == Demand::Checks { Demand::Full } else { demand }
}

struct Reading {
    got: Got,
    n_warm_up: u32,
    /// When the first frame was taken.
    first_at: Option<Instant>,
    wanted: Demand,
    /// What the source was told.
    demand: Demand,
    /// The source itself leaves out what is not wanted.
    leaves_out: bool,
    /// When the first frame of those was taken that were decoded last in turn, and how many they are.
    look: Option<(Instant, u32)>,
}

impl Reading {
    fn read_one<C: Consumer>(&mut self, source: &mut dyn Source, consumer: &mut C) -> Result<(), EndReading> {
        let before = consumer.before_read()?;
        if !before.controls.is_empty() {
            source.set_controls(&before.controls);
        }
        if let Some(to) = before.seek {
            source.seek(to);
        }
        self.wanted = before.demand.unwrap_or(self.wanted);
        self.follow_demand(source);
        let mut is_good = (!before.restart || self.restart(source, consumer)?) && self.frame(source, consumer)?;
        while !is_good {
            is_good = match consumer.after_fault()? {
                Resume::ReadOn => true,
                Resume::Restart => self.restart(source, consumer)?,
            };
        }
        Ok(())
    }

    fn follow_demand(&mut self, source: &mut dyn Source) {
        let demand = if self.look.is_none() { at_first(self.wanted) } else { self.wanted };
        if demand != self.demand {
            self.demand = demand;
            self.leaves_out = source.set_demand(demand);
        }
    }

    /// Whether the stream runs again.
    fn restart<C: Consumer>(&mut self, source: &mut dyn Source, consumer: &mut C) -> Result<bool, EndReading> {
        self.look = None;
        self.follow_demand(source);
        let result = source.restart();
        let is_good = result.is_ok();
        consumer.on_restarted(result)?;
        Ok(is_good)
    }

    /// Whether a frame came.
    fn frame<C: Consumer>(&mut self, source: &mut dyn Source, consumer: &mut C) -> Result<bool, EndReading> {
        let asked_at = Instant::now();
        let grab = source.grab();
        let grabbed_at = Instant::now();
        if let Some(evidence) = source.evidence() {
            consumer.on_evidence(evidence)?;
        }
        let (grabbed, picture) = match grab {
            Ok(grabbed) => {
                let grabbed = Grabbed { asked_at: grabbed.asked_at.or(Some(asked_at)), ..grabbed };
                let since_first =
                    grabbed.taken_at.saturating_duration_since(*self.first_at.get_or_insert(grabbed.taken_at));
                if self.n_warm_up > 0 && since_first < LONGEST_WARM_UP {
                    self.n_warm_up -= 1;
                    return consumer.on_warmed_up().map(|()| true);
                }
                if grabbed.is_left_out || !self.leaves_out && self.is_unwanted(grabbed) {
                    consumer.on_left_out(grabbed)?;
                    return Self::tell_controls(source, consumer).map(|()| true);
                }
                let (began, n_before) = self.look_at(grabbed).unwrap_or((grabbed.taken_at, 0));
                self.look = Some((began, n_before.saturating_add(1)));
                (Some(grabbed), consumer.decode(source, self.demand)?)
            }
            Err(fault) => (None, Err(fault)),
        };
        let is_good = picture.is_ok();
        let now_got = source.got();
        let changed = (now_got != self.got).then(|| now_got.clone());
        self.got = now_got;
        let ended_at = Instant::now();
        consumer.on_read(ReadResult { asked_at, grabbed_at, ended_at, grabbed, picture, changed })?;
        Self::tell_controls(source, consumer)?;
        Ok(is_good)
    }

    /// The look that this frame belongs to, if one has begun.
    fn look_at(&self, grabbed: Grabbed) -> Option<(Instant, u32)> {
        self.look.filter(|(began, _)| grabbed.taken_at.saturating_duration_since(*began) < CHECKS_PERIOD)
    }

    fn is_unwanted(&self, grabbed: Grabbed) -> bool {
        self.demand == Demand::Checks && self.look_at(grabbed).is_some_and(|(_, n)| n >= N_CHECKED)
    }

    fn tell_controls<C: Consumer>(source: &mut dyn Source, consumer: &mut C) -> Result<(), EndReading> {
        while let Some(update) = source.controls() {
            consumer.on_controls(update)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;
    use crate::frame::{Image, Size};
    use crate::source::Picture;

    /// A source whose calls end as the letters say: `.` a frame, `d` a damaged one, `x` a read that failed, `r` a restart that
    /// works, `R` one that does not. With the last letter used up it is read no more.
    struct Script {
        calls: std::vec::IntoIter<char>,
        now: Instant,
        last: char,
        /// What was wanted of it.
        demands: Vec<Demand>,
    }

    impl Source for Script {
        fn set_demand(&mut self, demand: Demand) -> bool {
            self.demands.push(demand);
            false
        }

        fn got(&self) -> Got {
            Got::default()
        }

        fn grab(&mut self) -> Result<Grabbed, Fault> {
            self.last = self.calls.next().unwrap();
            self.now += Duration::from_millis(100);
            match self.last {
                'x' => Err(Fault::new(FaultKind::ReadFailed, "x")),
                _ => Ok(Grabbed::new(self.now, None)),
            }
        }

        fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
            match self.last {
                'd' => Err(Fault::new(FaultKind::BadFrame, "d")),
                _ => Ok(Picture::Own(Image::new(Size { width: 1, height: 1 }, vec![0; 3]).unwrap())),
            }
        }

        fn restart(&mut self) -> Result<(), Fault> {
            match self.calls.next().unwrap() {
                'r' => Ok(()),
                _ => Err(Fault::new(FaultKind::Stall, "R")),
            }
        }
    }

    /// Writes down what it is told, and answers each fault with the next letter: `>` read on, `!` restart, none: end.
    struct Listener {
        answers: std::vec::IntoIter<char>,
        n_left: usize,
        heard: String,
    }

    impl Consumer for Listener {
        type Picture = ();

        fn before_read(&mut self) -> Result<BeforeRead, EndReading> {
            if self.n_left == 0 { Err(EndReading) } else { Ok(BeforeRead::default()) }
        }

        fn decode(&mut self, source: &mut dyn Source, _: Demand) -> Result<Result<(), Fault>, EndReading> {
            Ok(source.retrieve().map(drop))
        }

        fn on_left_out(&mut self, _: Grabbed) -> Result<(), EndReading> {
            self.heard.push('-');
            self.n_left -= 1;
            Ok(())
        }

        fn on_warmed_up(&mut self) -> Result<(), EndReading> {
            self.heard.push('w');
            self.n_left -= 1;
            Ok(())
        }

        fn on_read(&mut self, read: ReadResult<()>) -> Result<(), EndReading> {
            assert_eq!(read.grabbed.is_some(), read.picture.as_ref().err().is_none_or(|fault| fault.message == "d"));
            self.heard.push_str(read.picture.err().map_or(".", |fault| if fault.message == "d" { "d" } else { "x" }));
            self.n_left -= 1;
            Ok(())
        }

        fn on_controls(&mut self, _: ControlsUpdate) -> Result<(), EndReading> {
            Ok(())
        }

        fn after_fault(&mut self) -> Result<Resume, EndReading> {
            match self.answers.next() {
                Some('>') => Ok(Resume::ReadOn),
                Some(_) => Ok(Resume::Restart),
                None => Err(EndReading),
            }
        }

        fn on_restarted(&mut self, result: Result<(), Fault>) -> Result<(), EndReading> {
            self.heard.push(if result.is_ok() { 'r' } else { 'R' });
            Ok(())
        }
    }

    #[track_caller]
    fn check(calls: &str, n_warm_up: u32, answers: &str, expected: &str) {
        let letters = |text: &str| text.chars().collect::<Vec<_>>().into_iter();
        let mut source = Script { calls: letters(calls), now: Instant::now(), last: ' ', demands: Vec::new() };
        let n_left = calls.chars().filter(|call| ".dx".contains(*call)).count();
        let mut listener = Listener { answers: letters(answers), n_left, heard: String::new() };
        read(&mut source, Demand::Full, n_warm_up, &mut listener);
        assert_eq!(listener.heard, expected, "{calls} {n_warm_up} {answers}");
    }

    #[test]
    fn of_a_camera_that_nobody_looks_at_three_pictures_in_turn_are_decoded_twice_a_second() {
        let calls = vec!['.'; 12].into_iter();
        let mut source = Script { calls, now: Instant::now(), last: ' ', demands: Vec::new() };
        let mut listener = Listener { answers: Vec::new().into_iter(), n_left: 12, heard: String::new() };
        read(&mut source, Demand::Checks, 1, &mut listener);
        assert_eq!(listener.heard, "w...--...--.");
        assert_eq!(source.demands, [Demand::Full, Demand::Checks]);
    }

    #[test]
    fn the_first_picture_is_wanted_after_a_restart_too() {
        let calls = vec!['.', '.', 'x', 'r', '.', '.'].into_iter();
        let mut source = Script { calls, now: Instant::now(), last: ' ', demands: Vec::new() };
        let mut listener = Listener { answers: vec!['!'].into_iter(), n_left: 5, heard: String::new() };
        read(&mut source, Demand::Checks, 0, &mut listener);
        assert_eq!(listener.heard, "..xr..");
        assert_eq!(source.demands, [Demand::Full, Demand::Checks, Demand::Full, Demand::Checks]);
    }

    #[test]
    fn frames_are_read_until_somebody_says_no() {
        check("...", 0, "", "...");
        check(".x.", 0, ">", ".x.");
        check(".d.", 0, ">", ".d.");
        check(".x.", 0, "", ".x");
        check(".xr.", 0, "!", ".xr.");
        check(".xRr.", 0, "!!", ".xRr.");
        check(".xR.", 0, "!>", ".xR.");
        check(".xR", 0, "!", ".xR");
        check(".....", 2, "", "ww...");
        // It lasts a second at most, from the first frame on.
        check("..............", 99, "", "wwwwwwwwww....");
        check("x....", 2, ">", "xww..");
    }

    /// Frames at these times in milliseconds; the time that counts as a stall then, in milliseconds.
    #[test]
    fn what_is_a_stall_follows_from_how_frames_come() {
        #[track_caller]
        fn check(frames: &[u64], told: Option<f64>, expected: u128) {
            let (start, mut pace) = (Instant::now(), Pace::default());
            for ms in frames {
                pace.on_frame(start + Duration::from_millis(*ms));
            }
            assert_eq!(pace.stall_deadline(Duration::from_secs(1), told).as_millis(), expected, "{frames:?}");
        }
        check(&[], None, 12_000);
        check(&[0], None, 12_000);
        check(&[0], Some(30.0), 1_000);
        check(&[0], Some(0.5), 10_000);
        check(&[0, 40], None, 1_000);
        check(&[0, 10_000], None, 50_000);
        check(&[0, 1_000], Some(30.0), 5_000);
        // One is late: it counts once there are two.
        check(&[0, 40, 80, 980, 1_020], None, 1_000);
        check(&[0, 40, 80, 980, 1_020, 2_000], None, 4_500);
        // Long ago.
        let fast: Vec<u64> = (0..20).map(|n| 20_000 + 40 * n).collect();
        check(&[&[0, 10_000, 20_000], fast.as_slice()].concat(), None, 1_000);
    }

    #[test]
    fn a_slow_camera_is_given_its_time() {
        let (second, check) = (Duration::from_secs(1), |fps| stall_deadline(Duration::from_secs(1), fps));
        assert_eq!([None, Some(30.0), Some(5.0), Some(0.0), Some(-1.0), Some(f64::NAN)].map(check), [second; 6]);
        assert_eq!([Some(2.5), Some(0.1)].map(check), [second * 2, second * 50]);
    }
}
