//! The scripted camera: a source that works, and fails, as its `sim:` line says.
//!
//! It stands in for a device, so it does what no other part of the program may: it waits for its next frame, hangs, and
//! on demand takes its process with it (`crash`, meant for backends in a child process). All that it shows is a pure
//! function of the line and of the frame's number; only `Simulated` reads the clock, to know which frame is due. The clock
//! may be a virtual one, on which a day takes no longer than its frames.
//!
//! A fault is added as one row of `fault_table.rs`, and where it acts: opening and reading here, the order of frames in
//! `timeline.rs`, the picture and its bytes in `lens.rs`. Parser and documentation take it from the table.

mod canvas;
mod clock;
mod controls;
mod effects;
mod fault_table;
mod glyph;
mod help;
mod lens;
mod random;
mod room;
mod script;
mod setting_table;
mod timeline;
mod value;

use std::time::{Duration, Instant};

use crate::control::{ControlSetting, ControlsUpdate};
use crate::fault::{Fault, FaultKind};
use crate::source::{Grabbed, OpenRequest, Picture, Source};
use crate::status::{Asked, Got};

use clock::Clock;
use controls::SimulatedControls;
use fault_table::FaultName;
use lens::{Lens, Mode};
use setting_table::WireFormat;
use value::FaultValue;

pub use help::help;
pub use script::{DEFAULT_FPS, DEFAULT_SIZE, Script};

/// By how much `time-back` sets the time stamps back.
const TIME_BACK: Duration = Duration::from_secs(1);
/// A camera that makes few frames a second is not stalled while it makes them.
const PATIENCE_FRAMES: f64 = 5.0;

// The numbers of Linux's errno.h, which V4L2 drivers answer with.
const ENOENT: i64 = 2;
const EACCES: i64 = 13;
const EBUSY: i64 = 16;
const ENODEV: i64 = 19;

/// Opens the camera, or does what the script says instead. With `open-hang` that takes as long as its window, be it for ever.
///
/// # Errors
/// As the script says; or a size was asked for that no camera has.
pub(super) fn open(script: &Script, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    Ok(Box::new(open_on(Clock::Real(request.first_opened), script, request)?))
}

fn open_on(clock: Clock, script: &Script, request: &OpenRequest) -> Result<Simulated, Fault> {
    let opened = clock.elapsed();
    look(script, opened)?;
    let fault = |name| script.fault_at(name, opened);
    if let Some(hang) = fault(FaultName::OpenHang) {
        clock.sleep_until(hang.end())?;
    }
    if let Some(FaultValue::Time(time)) = fault(FaultName::OpenSlow).map(|slow| slow.value) {
        clock.sleep_until(clock.elapsed().checked_add(time))?;
    }
    let mode = mode(script, &request.asked)?;
    Ok(Simulated::new(clock, script, mode, request, opened))
}

/// What can be said that long after the camera was first opened without opening it: as with a real device's node, whether
/// it is there, free, and allowed.
///
/// # Errors
/// Why it cannot be opened.
pub(super) fn look(script: &Script, elapsed: Duration) -> Result<(), Fault> {
    let fault = |name| script.fault_at(name, elapsed);
    let cannot = |kind, reason: &str, code| {
        Err(Fault::new(kind, format!("cannot open the simulated camera: {reason}: sim:{script}")).with_code(code))
    };
    if fault(FaultName::OpenMissing).is_some() {
        return cannot(FaultKind::Missing, "no such file or directory", ENOENT);
    }
    if fault(FaultName::Unplug).is_some() {
        return cannot(FaultKind::Missing, "it is unplugged, no such device", ENODEV);
    }
    if fault(FaultName::OpenDenied).is_some() {
        return cannot(FaultKind::Denied, "permission denied", EACCES);
    }
    if fault(FaultName::OpenBusy).is_some() {
        return cannot(FaultKind::Busy, "another program uses it, device or resource busy", EBUSY);
    }
    Ok(())
}

/// What the device offers: what the line says, and what was asked where the line leaves it open.
fn mode(script: &Script, asked: &Asked) -> Result<Mode, Fault> {
    let format = script.format().or_else(|| asked.format.and_then(WireFormat::from_pixel_format));
    let format = format.unwrap_or(WireFormat::Bgr);
    let size = script.size().or(asked.size).unwrap_or(DEFAULT_SIZE);
    value::check_size(size).map_err(|reason| Fault::new(FaultKind::FormatRefused, reason))?;
    let fps = script.fps().or_else(|| asked.fps.map(value::possible_fps)).unwrap_or(DEFAULT_FPS);
    Ok(Mode { size: lens::possible(size, format), fps, format })
}

/// The open camera.
struct Simulated {
    clock: Clock,
    script: Script,
    mode: Mode,
    lens: Lens,
    first_opened: Instant,
    /// When this source was opened, on the clock of the script.
    opened: Duration,
    /// How long a call waits for a frame.
    patience: Duration,
    n_buffers: u32,
    /// No frame before this one is handed out any more.
    next: u64,
    /// The frame to be decoded.
    grabbed: Option<u64>,
    controls: SimulatedControls,
}

impl Simulated {
    fn new(clock: Clock, script: &Script, mode: Mode, request: &OpenRequest, opened: Duration) -> Self {
        let lens = Lens::new(script, mode);
        let slowest = Duration::try_from_secs_f64(PATIENCE_FRAMES / mode.fps).unwrap_or(Duration::MAX);
        let next = lens.timeline().newest(clock.elapsed()).map_or(0, |passed| passed + 1);
        Self {
            clock,
            script: script.clone(),
            mode,
            first_opened: request.first_opened,
            opened,
            patience: request.frame_deadline.max(slowest),
            n_buffers: request.asked.n_buffers.unwrap_or(1),
            lens,
            next,
            grabbed: None,
            controls: SimulatedControls::new(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The newest frame that has not been handed out and is there by now. Whatever else is there is lost: the queue has
    /// one place.
    fn ready(&mut self, now: Duration) -> Option<u64> {
        let newest = self.lens.timeline().newest(now)?;
        while self.next <= newest && self.lens.hits(FaultName::Drop, self.next) {
            self.next += 1;
        }
        (self.next..=newest)
            .rev()
            .find(|n| !self.lens.hits(FaultName::Drop, *n) && self.arrival(*n).is_some_and(|at| at <= now))
    }

    /// When frame `n` reaches the program; `None` if it never does.
    fn arrival(&self, n: u64) -> Option<Duration> {
        self.lens.timeline().due(n).map(|due| due.saturating_add(self.lens.delay(n)))
    }

    /// When the next frame reaches the program, if that is before `limit`.
    fn next_arrival(&self, limit: Duration) -> Duration {
        let mut best = limit;
        for n in self.next.. {
            match self.lens.timeline().due(n) {
                Some(due) if due < best => {
                    if let Some(arrival) = self.arrival(n).filter(|_| !self.lens.hits(FaultName::Drop, n)) {
                        best = best.min(arrival);
                    }
                }
                _ => break,
            }
        }
        best
    }

    /// The next moment at which a fault changes what a call does.
    fn next_turn(&self, now: Duration) -> Option<Duration> {
        let acts_on_calls = |name| matches!(name, FaultName::Unplug | FaultName::Hang | FaultName::Crash);
        self.script
            .faults()
            .filter(|fault| acts_on_calls(fault.name) && fault.start > now)
            .map(|fault| fault.start)
            .min()
    }

    /// Whether the device has gone away since this source was opened: it stays of no use, even when it is back.
    fn is_unplugged(&self, now: Duration) -> bool {
        let mut unplugs = self.script.faults().filter(|fault| fault.name == FaultName::Unplug);
        unplugs.any(|unplug| unplug.start <= now && unplug.end().is_none_or(|end| end > self.opened))
    }

    fn taken_at(&self, due: Duration) -> Instant {
        let taken_at = self.first_opened + due;
        match self.script.fault_at(FaultName::TimeBack, due) {
            // Close to the start of the computer there may be no such moment.
            Some(_) => taken_at.checked_sub(TIME_BACK).unwrap_or(taken_at),
            None => taken_at,
        }
    }
}

impl Source for Simulated {
    fn got(&self) -> Got {
        Got {
            size: Some(self.mode.size),
            fps: Some(self.mode.fps),
            format: Some(self.mode.format.pixel_format()),
            n_buffers: Some(self.n_buffers),
        }
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        self.grabbed = None;
        let begun = self.elapsed();
        let limit = begun.saturating_add(self.patience);
        loop {
            let now = self.elapsed();
            if self.script.fault_at(FaultName::Crash, now).is_some() {
                return Err(self.clock.crash());
            }
            if self.is_unplugged(now) {
                let message = format!("the simulated camera is gone, no such device: sim:{}", self.script);
                return Err(Fault::new(FaultKind::Unplugged, message).with_code(ENODEV));
            }
            if let Some(hang) = self.script.fault_at(FaultName::Hang, now) {
                self.clock.sleep_until(hang.end())?;
                continue;
            }
            if let Some(n) = self.ready(now) {
                self.next = n + 1;
                self.grabbed = Some(n);
                let due = self.lens.timeline().due(n).unwrap_or(now);
                return Ok(Grabbed::new(self.taken_at(due), Some(n)));
            }
            if now >= limit {
                let waited = now.saturating_sub(begun).as_secs_f64();
                return Err(Fault::new(FaultKind::Stall, format!("no frame for {waited:.1} s: sim:{}", self.script)));
            }
            let wake = self.next_arrival(limit);
            let wake = self.next_turn(now).map_or(wake, |turn| wake.min(turn));
            self.clock.sleep_until(Some(wake))?;
        }
    }

    fn retrieve(&mut self) -> Result<Picture<'_>, Fault> {
        let n = self.grabbed.take().ok_or_else(|| Fault::new(FaultKind::ReadFailed, "no frame was grabbed"))?;
        let image = self.lens.image(n).map_err(|why| Fault::new(FaultKind::BadFrame, format!("frame {n}: {why}")))?;
        Ok(Picture::Own(image))
    }

    /// The queue is emptied, as by a real driver; the script's faults are none that this cures.
    fn restart(&mut self) -> Result<(), Fault> {
        self.grabbed = None;
        let passed = self.lens.timeline().newest(self.elapsed());
        self.next = self.next.max(passed.map_or(0, |passed| passed + 1));
        Ok(())
    }

    fn controls(&mut self) -> Option<ControlsUpdate> {
        self.controls.update()
    }

    fn set_controls(&mut self, wanted: &[ControlSetting]) {
        self.controls.set(wanted);
        self.lens.tone = self.controls.tone();
    }
}

/// The names of all faults, in the order of the documentation.
#[cfg(test)]
pub(crate) fn fault_names() -> impl Iterator<Item = &'static str> {
    FaultName::ALL.iter().map(|name| name.as_str())
}

/// A camera on a virtual clock, for stories of recovery.
#[cfg(test)]
pub(crate) mod on_virtual_clock {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// How a call ended, and when; `None` where it never does.
    pub type Ended<T> = (Option<Duration>, Result<T, Fault>);

    pub struct VirtualCamera {
        now: Rc<Cell<Duration>>,
        source: Simulated,
    }

    impl VirtualCamera {
        /// Opens it at that time after its first opening.
        pub fn open(script: &Script, request: &OpenRequest, at: Duration) -> Ended<Self> {
            let now = Rc::new(Cell::new(at));
            let opened = open_on(Clock::Virtual(Rc::clone(&now)), script, request);
            let opened = opened.map(|source| Self { now: Rc::clone(&now), source });
            ended(&now, opened)
        }

        /// Calls for a frame. A fault of the frame itself is told as one of the call.
        pub fn read(&mut self, at: Duration) -> Ended<Grabbed> {
            self.now.set(at);
            let grabbed = self.source.grab().and_then(|grabbed| match grabbed.sequence {
                Some(n) if self.source.lens.hits(FaultName::Corrupt, n) => {
                    Err(Fault::new(FaultKind::BadFrame, format!("frame {n} is damaged")))
                }
                _ => Ok(grabbed),
            });
            ended(&self.now, grabbed)
        }

        pub fn got(&self) -> Got {
            self.source.got()
        }

        pub fn restart(&mut self, at: Duration) {
            self.now.set(at);
            let _ = self.source.restart();
        }
    }

    fn ended<T>(now: &Cell<Duration>, result: Result<T, Fault>) -> Ended<T> {
        let never = result.as_ref().err().is_some_and(|fault| fault.message == clock::NEVER);
        ((!never).then(|| now.get()), result)
    }
}

/// The pictures of this line and when each is due, without waiting for them. Those that are lost or damaged are left out.
#[cfg(test)]
pub(crate) fn pictures(line: &str) -> impl Iterator<Item = (Duration, crate::frame::Image)> {
    let script = Script::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mode = mode(&script, &Asked::default()).unwrap_or_else(|fault| panic!("{line}: {fault}"));
    let mut lens = Lens::new(&script, mode);
    let frames = (0..).map_while(move |n| Some((lens.timeline().due(n)?, lens.image(n))));
    frames.filter_map(|(due, image)| Some((due, image.ok()?)))
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;

    use crate::frame::{PixelFormat, Size};
    use crate::settings::{CameraSettings, TrustedCertificates};
    use crate::source::SourceSpec;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// To open a camera that was opened for the first time `ago`.
    fn request(line: &str, ago: Duration) -> OpenRequest {
        let spec = SourceSpec::Simulated(Script::parse(line).unwrap());
        OpenRequest {
            asked: Asked::default(),
            first_opened: Instant::now().checked_sub(ago).unwrap(),
            open_deadline: millis(50),
            frame_deadline: millis(50),
            ..OpenRequest::new(spec, &CameraSettings::default(), &TrustedCertificates::default())
        }
    }

    /// A camera that was opened for the first time, and stands open since, `ago`.
    fn open_since(line: &str, ago: Duration) -> Simulated {
        let script = Script::parse(line).unwrap();
        let request = request(line, ago);
        let mode = mode(&script, &request.asked).unwrap();
        let mut source = Simulated::new(Clock::Real(request.first_opened), &script, mode, &request, Duration::ZERO);
        source.next = 0;
        source
    }

    #[track_caller]
    fn check_got(line: &str, asked: (Option<Size>, Option<f64>, Option<PixelFormat>), expected: &str) {
        let mut request = request(line, millis(0));
        (request.asked.size, request.asked.fps, request.asked.format) = asked;
        request.asked.n_buffers = Some(3);
        let got = request.open().unwrap().1.got();
        let (size, fps, format) = (got.size.unwrap(), got.fps.unwrap(), got.format.unwrap());
        assert_eq!(format!("{size} {fps} {format}"), expected, "{line}");
        assert_eq!(got.n_buffers, Some(3));
    }

    #[test]
    fn a_device_gives_what_it_can_and_what_was_asked_where_it_has_the_choice() {
        let hd = Size::new(1280, 720);
        let odd = Size::new(641, 480);
        check_got("", (None, None, None), "640x480 30 BGR3");
        check_got("", (hd, Some(60.0), Some(PixelFormat::MJPG)), "1280x720 60 MJPG");
        check_got("", (hd, Some(f64::NAN), Some(PixelFormat::NV12)), "1280x720 30 BGR3");
        check_got("", (odd, Some(1e9), Some(PixelFormat::YUYV)), "640x480 1000 YUYV");
        check_got("", (odd, Some(-1.0), None), "641x480 0.1 BGR3");
        check_got("320x240@15,format=yuyv", (hd, Some(60.0), Some(PixelFormat::MJPG)), "320x240 15 YUYV");
        check_got("@15", (hd, Some(60.0), None), "1280x720 15 BGR3");
        check_got("320x240,resize=160x120", (None, Some(60.0), None), "320x240 60 BGR3");
    }

    #[test]
    fn a_size_that_no_camera_has_is_refused() {
        let mut request = request("", millis(0));
        request.asked.size = Size::new(16_000, 16_000);
        assert_eq!(request.open().err().map(|fault| fault.kind), Some(FaultKind::FormatRefused));
    }

    #[track_caller]
    fn check_open(line: &str, ago_millis: u64, expected: Option<(FaultKind, i64)>) {
        let fault = request(line, millis(ago_millis)).open().err();
        assert_eq!(
            fault.as_ref().map(|fault| (fault.kind, fault.code.unwrap())),
            expected,
            "{line} after {ago_millis} ms"
        );
        if let Some(fault) = fault {
            assert!(fault.message.ends_with(&format!("sim:{line}")), "{fault}");
        }
    }

    #[test]
    fn opening_fails_within_the_window_and_not_outside() {
        for (name, kind, code) in [
            ("open-busy", FaultKind::Busy, 16),
            ("open-denied", FaultKind::Denied, 13),
            ("open-missing", FaultKind::Missing, 2),
            ("unplug", FaultKind::Missing, 19),
        ] {
            check_open(name, 0, Some((kind, code)));
            check_open(name, 60_000, Some((kind, code)));
            let line = format!("{name}@5s+10s");
            check_open(&line, 0, None);
            check_open(&line, 7_000, Some((kind, code)));
            check_open(&line, 15_000, None);
        }
    }

    #[test]
    fn a_slow_opening_takes_its_time() {
        let begun = Instant::now();
        assert!(request("open-slow=40ms@5s+1s", millis(5_500)).open().is_ok());
        assert!(begun.elapsed() >= millis(40));
    }

    /// Runs `call` on a thread that may never end, and tells whether it does within `limit`.
    fn ends_within(limit: Duration, call: impl FnOnce() + Send + 'static) -> bool {
        let (done_tx, done_rx) = channel();
        let run = move || {
            call();
            let _ = done_tx.send(());
        };
        thread::Builder::new().name("may hang".into()).spawn(run).unwrap();
        done_rx.recv_timeout(limit) != Err(RecvTimeoutError::Timeout)
    }

    #[test]
    fn a_hanging_opening_ends_with_its_window_or_never() {
        let request_ending = request("open-hang@0s+10s", millis(9_970));
        let end = request_ending.first_opened + millis(10_000);
        assert!(request_ending.open().is_ok());
        assert!(Instant::now() >= end);
        let endless = request("open-hang", millis(9_970));
        assert!(!ends_within(millis(100), move || drop(endless.open())));
    }

    #[test]
    fn a_hanging_grab_ends_with_its_window_or_never() {
        let mut source = open_since("@200,hang@0s+10s", millis(9_970));
        let grabbed = source.grab().unwrap();
        assert!(source.elapsed() >= millis(10_000));
        assert!(grabbed.sequence >= Some(1_990), "the sensor went on meanwhile: {grabbed:?}");
        let endless = request("hang", millis(9_970));
        assert!(!ends_within(millis(100), move || drop(endless.open().unwrap().1.grab())));
        // It begins while the call waits.
        let soon = request("hang@1s", millis(980));
        assert!(!ends_within(millis(150), move || while soon.open().unwrap().1.grab().is_ok() {}));
    }

    #[test]
    fn frames_are_due_by_the_clock_and_keep_their_numbers() {
        let request = request("@200", millis(5_000));
        let mut source = request.open().unwrap().1;
        let mut last = None;
        for _ in 0..10 {
            let grabbed = source.grab().unwrap();
            let n = grabbed.sequence.unwrap();
            assert!(n > 1_000 && last < Some(n), "{n} after {last:?}");
            assert_eq!(grabbed.taken_at, request.first_opened + millis(5 * n));
            assert!(grabbed.taken_at <= Instant::now());
            assert_eq!(source.retrieve().unwrap().size(), DEFAULT_SIZE);
            last = Some(n);
        }
    }

    #[test]
    fn two_cameras_of_one_line_show_the_same() {
        let line = "320x240@20,seed=4,noise,format=yuyv";
        let (mut a, mut b) = (open_since(line, millis(3_000)), open_since(line, millis(3_000)));
        let n = a.grab().unwrap().sequence;
        while b.grab().unwrap().sequence < n {}
        if let Some(n) = b.grabbed {
            a.grabbed = Some(n);
            assert_eq!(a.retrieve().unwrap().pixels(), b.retrieve().unwrap().pixels());
        }
    }

    #[test]
    fn a_late_reader_misses_frames() {
        let mut source = open_since("@100", millis(5_005));
        let n = source.grab().unwrap().sequence.unwrap();
        assert!(n >= 500, "the newest one, not the first: {n}");
    }

    #[test]
    fn a_frame_is_decoded_once_and_only_when_grabbed() {
        let mut source = open_since("64x48", millis(100));
        assert_eq!(source.retrieve().unwrap_err().kind, FaultKind::ReadFailed);
        source.grab().unwrap();
        assert!(source.retrieve().is_ok());
        assert_eq!(source.retrieve().unwrap_err().kind, FaultKind::ReadFailed);
    }

    #[test]
    fn a_stall_times_out_and_then_frames_go_on_without_a_gap() {
        let mut source = open_since("@100,stall@1s", millis(10_000));
        assert_eq!(source.grab().unwrap().sequence, Some(99), "the last one waits in the queue");
        let begun = Instant::now();
        let fault = source.grab().unwrap_err();
        assert_eq!(fault.kind, FaultKind::Stall);
        assert!(fault.message.starts_with("no frame for "), "{fault}");
        assert!(begun.elapsed() >= millis(50) && !fault.ends_stream());
        assert_eq!(source.grab().unwrap_err().kind, FaultKind::Stall);
        assert_eq!(source.retrieve().unwrap_err().kind, FaultKind::ReadFailed);

        let mut source = open_since("@100,stall@1s+9s", millis(9_980));
        source.next = 100;
        let grabbed = source.grab().unwrap();
        assert!(source.elapsed() >= millis(10_000));
        assert_eq!(grabbed.taken_at, source.first_opened + millis(10_000 + (grabbed.sequence.unwrap() - 100) * 10));
    }

    #[test]
    fn a_slow_camera_is_not_stalled() {
        let mut source = open_since("@10", millis(1_000));
        source.next = 11;
        // 100 ms away, twice the deadline.
        assert!(source.grab().unwrap().sequence >= Some(11));
    }

    #[test]
    fn an_unplugged_camera_is_gone_until_it_is_opened_again() {
        let line = "@100,unplug@70s+20s";
        assert!(open_since(line, millis(30_000)).grab().is_ok());
        for ago in [75_000, 95_000, 900_000] {
            let fault = open_since(line, millis(ago)).grab().unwrap_err();
            assert_eq!((fault.kind, fault.code), (FaultKind::Unplugged, Some(19)), "after {ago} ms");
            assert!(fault.ends_stream());
        }
        check_open(line, 75_000, Some((FaultKind::Missing, 19)));
        assert!(request(line, millis(95_000)).open().unwrap().1.grab().is_ok());
        // It goes while the call waits, which does not wait for its deadline.
        let mut source = open_since("@0.1,unplug@1s", millis(980));
        source.next = 1;
        assert_eq!(source.grab().unwrap_err().kind, FaultKind::Unplugged);
        assert!(source.elapsed() < millis(9_000));
    }

    #[test]
    fn dropped_frames_leave_gaps() {
        let mut source = open_since("@500,drop=50,seed=3", millis(0));
        let mut n_grabbed = 0;
        while source.next < 60 {
            let n = source.grab().unwrap().sequence.unwrap();
            assert!(!source.lens.hits(FaultName::Drop, n), "frame {n} is lost");
            n_grabbed += 1;
        }
        assert!((1..50).contains(&n_grabbed), "{n_grabbed}");
        let mut none = open_since("@500,drop=100", millis(1_000));
        assert_eq!(none.grab().unwrap_err().kind, FaultKind::Stall);
    }

    #[test]
    fn late_frames_come_late_and_say_when_they_were_taken() {
        let mut source = open_since("@100,late=700ms", millis(5_000));
        for _ in 0..3 {
            let grabbed = source.grab().unwrap();
            assert!(grabbed.taken_at.elapsed() >= millis(700));
        }
        // The first frame of the camera is not there before its delay is over.
        let mut source = open_since("@100,late=60s", millis(600));
        assert_eq!(source.grab().unwrap_err().kind, FaultKind::Stall);
        // The frames that are still under way when the window ends are overtaken.
        let mut source = open_since("@100,late=700ms@0s+1s", millis(1_305));
        assert!(source.grab().unwrap().sequence >= Some(130));
    }

    #[test]
    fn time_stamps_jump_back_and_the_sequence_does_not() {
        let source = open_since("@100,time-back@2s+1s", millis(5_000));
        let at = |due_millis| source.taken_at(millis(due_millis)).duration_since(source.first_opened);
        assert_eq!([1_990, 2_990, 3_000].map(at), [1_990, 1_990, 3_000].map(millis));
    }

    #[test]
    fn damaged_frames_are_faults_of_quality() {
        for format in ["bgr", "yuyv", "mjpeg"] {
            let mut source = open_since(&format!("64x48,format={format},corrupt=100"), millis(1_000));
            source.grab().unwrap();
            let fault = source.retrieve().unwrap_err();
            assert_eq!(fault.kind, FaultKind::BadFrame, "{fault}");
            assert!(!fault.ends_stream());
        }
    }

    const CRASHES: &str = "CAMCLINIC_TEST_CRASHES";

    #[test]
    fn a_crash_takes_the_process_with_it() {
        let mut source = open_since("@100,crash@2s+1s", millis(1_000));
        if std::env::var_os(CRASHES).is_some() {
            source.first_opened = Instant::now().checked_sub(millis(2_500)).unwrap();
            source.clock = Clock::Real(source.first_opened);
        }
        assert!(source.grab().is_ok());
        if std::env::var_os(CRASHES).is_none() {
            let name = "source::simulated::tests::a_crash_takes_the_process_with_it";
            let mut again = Command::new(std::env::current_exe().unwrap());
            let output = again.args(["--exact", name]).env(CRASHES, "1").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(!output.status.success() && text.contains("running 1 test"), "{output:?}");
            assert!(!text.contains("panicked") && !text.contains("test result"), "it died on the spot: {text}");
        }
    }
}
