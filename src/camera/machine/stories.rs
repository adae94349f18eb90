//! Stories of recovery on a virtual clock: the machine, a scripted camera, and everything around it that gives inputs.
//!
//! Each story runs to its end in well under a millisecond for each second that it tells, and whatever it is about, it is
//! checked for what must hold in all of them ([`World::check_invariants`]).

use std::collections::{BTreeSet, BinaryHeap};
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::device::watch::DeviceEvent;
use crate::frame::Size;
use crate::settings::{CameraSettings, Isolation, RecoverySettings, TrustedCertificates};
use crate::source::simulated::Script;
use crate::source::simulated::on_virtual_clock::VirtualCamera;
use crate::status::{PictureFaultKind, Rung, RungOutcome, RungStatus};

/// What a capture process may take longer than the driver's call before it is killed (`source/isolated.rs`).
const WORKER_GRACE: Duration = Duration::from_millis(500);
/// What it takes to end one that hangs: asked, terminated, killed.
const KILL: Duration = Duration::from_millis(550);
/// What closing takes otherwise.
const CLOSE: Duration = Duration::from_millis(10);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How the world around the camera is.
#[derive(Clone)]
struct Setup {
    /// The line of the simulated camera that plays the device.
    line: String,
    /// What the user typed; the line itself unless it is to be a device of this computer or an address.
    source: Option<&'static str>,
    settings: CameraSettings,
    /// Who holds a busy device is known, and seen to let go.
    are_holders_known: bool,
    /// The system gives signs of cameras that come and go.
    are_plugs_told: bool,
    /// How a reset of the device ends.
    reset: Result<(), FaultKind>,
    /// In place of what the line says when the camera cannot be opened.
    open_fault: Option<FaultKind>,
    seed: u64,
}

impl Setup {
    fn new(line: &str) -> Self {
        let settings = CameraSettings { n_warm_up_frames: 0, isolation: Isolation::Off, ..CameraSettings::default() };
        Self {
            line: line.to_owned(),
            source: None,
            settings,
            are_holders_known: false,
            are_plugs_told: true,
            reset: Ok(()),
            open_fault: None,
            seed: 7,
        }
    }

    fn recovery(mut self, change: impl FnOnce(&mut RecoverySettings)) -> Self {
        change(&mut self.settings.recovery);
        self
    }

    fn isolated(mut self) -> Self {
        self.settings.isolation = Isolation::On;
        self
    }

    fn source(mut self, source: &'static str) -> Self {
        self.source = Some(source);
        self
    }

    /// Runs until then, with these commands at their times in seconds.
    fn run(&self, secs: f64, commands: &[(f64, Command)]) -> World {
        let mut world = World::new(self.clone());
        for (at, command) in commands {
            world.plan(Duration::from_secs_f64(*at), Input::Command(command.clone()));
        }
        world.run_until(Duration::from_secs_f64(secs));
        world
    }
}

/// An input that is on its way.
struct PlannedInput {
    at: Duration,
    nth: u64,
    input: Input,
}

impl PartialEq for PlannedInput {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PlannedInput {}

impl PartialOrd for PlannedInput {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PlannedInput {
    /// The earliest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.nth).cmp(&(self.at, self.nth))
    }
}

/// The capture thread's part.
struct PlayedCapture {
    opening: u64,
    frame_deadline: Duration,
    camera: Option<VirtualCamera>,
    /// When the call that is out comes back; `None`: never.
    call_ends: Option<Duration>,
    is_call_out: bool,
    /// It has told a fault, and waits.
    waits: bool,
    /// Its process is gone.
    is_dead: bool,
}

struct World {
    setup: Setup,
    script: Script,
    machine: Machine,
    began: Instant,
    now: Duration,
    planned: BinaryHeap<PlannedInput>,
    n_planned: u64,
    capture: Option<PlayedCapture>,
    /// Openings that have not told that they are closed.
    unclosed: Vec<u64>,
    /// What happened: words of the effects, of the log and of the state, each with its time.
    story: Vec<(Duration, String)>,
    lines: Vec<(Duration, CameraEvent)>,
    status: Option<Status>,
    last_frame_at: Option<Duration>,
    n_frames: u64,
    is_picture_looked_at: bool,
}

impl World {
    fn new(setup: Setup) -> Self {
        let script = Script::parse(&setup.line).unwrap_or_else(|error| panic!("{}: {error}", setup.line));
        let began = Instant::now();
        let spec = match setup.source {
            Some(source) => SourceSpec::parse(source).unwrap(),
            None => SourceSpec::Simulated(script.clone()),
        };
        let machine = Machine::new(spec, setup.settings.clone(), TrustedCertificates::default(), setup.seed, began);
        let mut world = Self {
            setup,
            script,
            machine,
            began,
            now: Duration::ZERO,
            planned: BinaryHeap::new(),
            n_planned: 0,
            capture: None,
            unclosed: Vec::new(),
            story: Vec::new(),
            lines: Vec::new(),
            status: None,
            last_frame_at: None,
            n_frames: 0,
            is_picture_looked_at: false,
        };
        world.plan(Duration::ZERO, Input::Command(Command::Start));
        world
    }

    fn plan(&mut self, at: Duration, input: Input) {
        self.n_planned += 1;
        self.planned.push(PlannedInput { at: at.max(self.now), nth: self.n_planned, input });
    }

    fn tell(&mut self, word: impl Into<String>) {
        self.story.push((self.now, word.into()));
    }

    fn run_until(&mut self, end: Duration) {
        loop {
            let timer = self.machine.next_deadline().map(|at| at.saturating_duration_since(self.began));
            let next = self.planned.peek().map(|planned| planned.at);
            let is_timer = timer.is_some_and(|timer| next.is_none_or(|next| timer < next));
            let Some(at) = (if is_timer { timer } else { next }).filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            if is_timer {
                self.step(Input::Timer);
                let again = self.machine.next_deadline();
                assert!(again.is_none_or(|again| again > self.began + self.now), "it spins: {:?}", self.machine.phase);
            } else if let Some(planned) = self.planned.pop() {
                self.give(planned.input);
            }
        }
        self.now = end;
    }

    /// What the world itself notes of an input before the machine gets it.
    fn give(&mut self, input: Input) {
        if let Input::Capture(opening, event) = &input {
            if matches!(event, CaptureEvent::Closed) {
                self.unclosed.retain(|unclosed| unclosed != opening);
            }
            let Some(capture) = self.capture.as_mut().filter(|capture| capture.opening == *opening) else {
                // Of one that is being closed: its thread says no more than that it has ended.
                if matches!(event, CaptureEvent::Closed) {
                    self.step(input);
                }
                return;
            };
            capture.is_call_out &= matches!(event, CaptureEvent::Named { .. });
            capture.waits |= matches!(event, CaptureEvent::Failed(_) | CaptureEvent::Restarted(_));
            let reads_on = matches!(
                event,
                CaptureEvent::Opened { .. } | CaptureEvent::Frame { .. } | CaptureEvent::Restarted(Ok(()))
            );
            self.step(input);
            if reads_on && let Some(capture) = self.capture.as_mut().filter(|capture| !capture.is_call_out) {
                capture.waits = false;
                self.read();
            }
            return;
        }
        self.step(input);
    }

    fn step(&mut self, input: Input) {
        let before = self.machine.phase.state();
        for effect in self.machine.step(input, self.began + self.now) {
            self.carry_out(effect);
        }
        let state = self.machine.phase.state();
        if state != before {
            self.tell(state.to_string());
        }
        self.check_invariants();
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Open { opening, request, .. } => self.open(opening, *request),
            Effect::ReadOn => {
                if let Some(capture) = self.capture.as_mut().filter(|capture| capture.waits) {
                    capture.waits = false;
                    self.read();
                }
            }
            Effect::RestartStream => {
                self.tell("restart");
                let now = self.now;
                let Some(capture) = &mut self.capture else { panic!("nothing is open") };
                assert!(capture.waits, "a call is out");
                let opening = capture.opening;
                if let Some(camera) = &mut capture.camera {
                    camera.restart(now);
                }
                self.plan(now, Input::Capture(opening, CaptureEvent::Restarted(Ok(()))));
            }
            Effect::Close => self.close(),
            Effect::Reset { number, .. } => {
                self.tell("reset");
                let result = self.setup.reset.map_err(|kind| Fault::new(kind, "not reset"));
                self.plan(self.now + millis(300), Input::ResetEnded(number, result));
            }
            Effect::Watch(watched) => self.watch(watched.as_ref()),
            Effect::Log(_, line) => {
                if FaultKind::ALL.iter().any(|kind| kind.slug() == line.name) {
                    self.tell(line.name.clone());
                }
                self.lines.push((self.now, line));
            }
            Effect::PublishFrame(frame) => {
                let at = frame.taken_at.saturating_duration_since(self.began);
                self.last_frame_at = Some(at);
                // Another camera counts from one.
                self.n_frames = if frame.number == 1 { 1 } else { self.n_frames + 1 };
                assert_eq!(frame.number, self.n_frames, "each frame once, in order");
            }
            Effect::PublishStatus(status) => self.status = Some(*status),
            Effect::LookAtPictures(coding) => {
                assert_ne!(self.is_picture_looked_at, coding.is_some(), "told twice");
                self.is_picture_looked_at = coding.is_some();
            }
            Effect::SetControls(_)
            | Effect::SetDemand(_)
            | Effect::Released
            | Effect::PublishHistory(_)
            | Effect::PublishControls(_)
            | Effect::Wake => {}
        }
    }

    fn open(&mut self, opening: u64, request: OpenRequest) {
        self.tell("open");
        assert!(self.capture.is_none(), "two devices are open");
        self.unclosed.push(opening);
        assert!(self.unclosed.len() <= MAX_ABANDONED, "more than {MAX_ABANDONED} calls are out");
        self.plan(self.now, Input::Capture(opening, CaptureEvent::Named { name: "Camera".into(), device: None }));
        // What the user typed may be no simulated camera; what plays it is one.
        let request = OpenRequest { first_opened: self.began, ..request };
        let (ends, opened) = VirtualCamera::open(&self.script, &request, self.now);
        let is_isolated = self.setup.settings.isolation == Isolation::On;
        let patience = self.now + request.open_patience();
        let is_overdue = is_isolated && ends.is_none_or(|ends| ends > patience);
        let opened = match opened {
            Ok(_) | Err(_) if is_overdue => Err(Fault::new(FaultKind::OpenTimeout, "opening hangs")),
            Err(fault) => Err(match self.setup.open_fault {
                Some(kind) => Fault::new(kind, "not to be opened"),
                None => fault,
            }),
            Ok(camera) => Ok(camera),
        };
        let ends = if is_overdue { Some(patience) } else { ends };
        let mut capture = PlayedCapture {
            opening,
            frame_deadline: request.frame_deadline,
            camera: None,
            call_ends: ends,
            is_call_out: true,
            waits: false,
            is_dead: is_overdue,
        };
        if let Some(ends) = ends {
            let event = match opened {
                Ok(camera) => {
                    let got = camera.got();
                    capture.camera = Some(camera);
                    CaptureEvent::Opened { got, backend: Backend::Simulated }
                }
                Err(fault) => CaptureEvent::Failed(fault),
            };
            self.plan(ends, Input::Capture(opening, event));
        }
        self.capture = Some(capture);
    }

    /// Makes the next call for a frame.
    fn read(&mut self) {
        let is_isolated = self.setup.settings.isolation == Isolation::On;
        let now = self.now;
        let Some(capture) = &mut self.capture else { return };
        let Some(camera) = &mut capture.camera else { return };
        let (mut ends, mut result) = camera.read(now);
        let patience = now + capture.frame_deadline + WORKER_GRACE;
        if capture.is_dead {
            (ends, result) = (Some(now), Err(Fault::new(FaultKind::Crashed, "its process is gone")));
        } else if is_isolated && ends.is_none_or(|ends| ends > patience) {
            (ends, result) = (Some(patience), Err(Fault::new(FaultKind::Hung, "the driver hangs")));
            capture.is_dead = true;
        } else if result.as_ref().is_err_and(|fault| fault.kind == FaultKind::Crashed) {
            capture.is_dead = true;
        }
        (capture.call_ends, capture.is_call_out) = (ends, true);
        let opening = capture.opening;
        let event = match result {
            Ok(grabbed) => {
                let image = Image::new(Size { width: 1, height: 1 }, vec![0; 3]).unwrap();
                CaptureEvent::Frame { image, grabbed, wall: SystemTime::UNIX_EPOCH }
            }
            Err(fault) => CaptureEvent::Failed(fault),
        };
        if let Some(ends) = ends {
            self.plan(ends, Input::Capture(opening, event));
        }
    }

    fn close(&mut self) {
        let is_isolated = self.setup.settings.isolation == Isolation::On;
        let Some(capture) = self.capture.take() else { panic!("nothing is open") };
        let ends = match () {
            () if !capture.is_call_out => Some(self.now + CLOSE),
            // Its process can be ended.
            () if is_isolated && (capture.is_dead || capture.call_ends.is_none()) => Some(self.now + KILL),
            () if is_isolated => Some(self.now + CLOSE),
            () => capture.call_ends,
        };
        if let Some(ends) = ends {
            self.plan(ends, Input::Capture(capture.opening, CaptureEvent::Closed));
        }
    }

    fn watch(&mut self, watched: Option<&Watched>) {
        let ends_at = |name: &str| {
            let faults = Script::parse(&self.setup.line).unwrap();
            let until = faults.away_until(self.now);
            (name == "plug").then_some(until).flatten()
        };
        match watched {
            Some(Watched::Plug) => {
                if let Some(back) = ends_at("plug").filter(|_| self.setup.are_plugs_told) {
                    self.plan(back, Input::Devices(DeviceEvent::ListChanged));
                }
            }
            Some(Watched::Holders(_)) if self.setup.are_holders_known => {
                self.plan(self.now + CLOSE, Input::Holders(HolderEvent::HeldBy(Vec::new())));
                if let Some(end) = self.busy_until() {
                    self.plan(end, Input::Holders(HolderEvent::Released));
                }
            }
            Some(Watched::Port(_)) => {
                self.plan(self.now + CLOSE, Input::Port(port::PortEvent::Closed));
                if let Some(end) = self.busy_until() {
                    self.plan(end, Input::Port(port::PortEvent::Open));
                }
            }
            _ => {}
        }
    }

    /// When the camera that cannot be opened now can be.
    fn busy_until(&self) -> Option<Duration> {
        let request = OpenRequest {
            first_opened: self.began,
            ..OpenRequest::new(
                SourceSpec::Simulated(self.script.clone()),
                &self.setup.settings,
                &TrustedCertificates::default(),
            )
        };
        let is_shut = |at: Duration| VirtualCamera::open(&self.script, &request, at).1.is_err();
        (0..100_000).map(|n| self.now + millis(10) * n).find(|at| !is_shut(*at))
    }

    /// What holds in every story, at every moment.
    fn check_invariants(&self) {
        let Some(status) = &self.status else { return };
        let state = self.machine.phase.state();
        assert_eq!(status.state, state, "the state is told as soon as it changes");
        let is_judged = !matches!(state, State::Idle | State::Opening);
        assert_eq!(status.health_score.is_some(), is_judged, "{state}: a score where there is something to judge");
        if state == State::Streaming {
            let age = self.last_frame_at.map(|at| self.now.saturating_sub(at)).unwrap();
            assert!(age < self.machine.stall_deadline(), "an old picture is told to be live: {age:?}");
            assert!(status.outage_secs.is_none() && status.next_try_secs.is_none(), "{status:?}");
        }
        assert!(!status.is_healthy || state == State::Streaming);
        match state {
            State::Idle => assert!(!self.is_picture_looked_at),
            State::Streaming => assert!(self.is_picture_looked_at),
            _ => {}
        }
        let lost: u32 = status.deductions.iter().map(|deduction| u32::from(deduction.points)).sum();
        let score = status.health_score.map_or(100, u32::from);
        assert_eq!(100_u32.saturating_sub(lost), score, "the score is what its reasons leave: {:?}", status.deductions);
        assert_eq!(status.is_opened, self.machine.phase.device().is_some());
    }

    /// So many openings within any such stretch of time.
    fn most_openings_within(&self, stretch: Duration) -> usize {
        let openings: Vec<_> = self.story.iter().filter(|(_, word)| word == "open").map(|(at, _)| *at).collect();
        openings
            .iter()
            .map(|first| openings.iter().filter(|at| (*first..*first + stretch).contains(*at)).count())
            .max()
            .unwrap_or(0)
    }

    /// The alerts that stand open, by the log: each that is raised is ended, once.
    fn open_alerts(&self) -> Vec<&str> {
        let mut open = Vec::new();
        for (_, line) in &self.lines {
            let cause = line.details.get("cause").and_then(Value::as_str).unwrap_or_default();
            match line.name.as_str() {
                "CAMERA_RECOVERY" => open.retain(|raised| (*raised == "buffer_error") != (cause == "buffer_error")),
                "CAMERA_ISSUE" | "CAMERA_CRITICAL" => open.push(cause),
                _ => {}
            }
        }
        open
    }

    /// `0.0 open, 0.0 live, 2.0 stall`
    fn told(&self) -> String {
        let mut text = String::new();
        for (at, word) in &self.story {
            let separator = if text.is_empty() { "" } else { ", " };
            write!(text, "{separator}{:.1} {word}", at.as_secs_f64()).unwrap();
        }
        text
    }
}

#[track_caller]
fn check(setup: &Setup, secs: f64, commands: &[(f64, Command)], expected: &str) {
    let world = setup.run(secs, commands);
    assert_eq!(world.told(), expected, "{} {:?} {:?}", setup.line, setup.source, setup.settings.isolation);
}

/// The whole of what happens to a camera of 20 frames a second, in this process and in one of its own.
#[track_caller]
fn check_both(faults: &str, expected: &str) {
    let setup = Setup::new(&format!("160x120@20,{faults}"));
    check(&setup, 20.0, &[], expected);
    check(&setup.isolated(), 20.0, &[], expected);
}

#[track_caller]
fn check_here(faults: &str, expected: &str) {
    check(&Setup::new(&format!("160x120@20,{faults}")), 20.0, &[], expected);
}

#[track_caller]
fn check_isolated(faults: &str, expected: &str) {
    check(&Setup::new(&format!("160x120@20,{faults}")).isolated(), 20.0, &[], expected);
}

#[test]
fn each_fault_has_its_story() {
    // What is over before it is noticed is none.
    check_both("stall@2s+700ms", "0.0 open, 0.0 opening, 0.1 live");
    check_both("hang@2s+500ms", "0.0 open, 0.0 opening, 0.1 live");
    check_both("stall@0s+2s", "0.0 open, 0.0 opening, 2.0 live");
    check_both("open-hang@0s+2s", "0.0 open, 0.0 opening, 2.0 live");
    check_both("open-slow=3s", "0.0 open, 0.0 opening, 3.0 live");
    check_both("late=300ms", "0.0 open, 0.0 opening, 0.3 live");
    check_both("slow=2", "0.0 open, 0.0 opening, 0.5 live");
    check_both("drop=50", "0.0 open, 0.0 opening, 0.1 live");
    check_both("corrupt=30", "0.0 open, 0.0 opening, 0.1 live");
    // A stall: the stream is restarted, then read, then opened anew with growing pauses.
    check_both("stall@2s+2s", "0.0 open, 0.0 opening, 0.1 live, 3.0 restart, 3.0 stall, 3.0 recovering, 4.0 live");
    check_both(
        "stall@2s+14s",
        "0.0 open, 0.0 opening, 0.1 live, 3.0 restart, 3.0 stall, 3.0 recovering, 8.1 open, 11.1 no-first-frame, \
         11.9 open, 17.1 open, 17.1 live",
    );
    check_both(
        "stall",
        "0.0 open, 0.0 opening, 3.0 restart, 3.0 no-first-frame, 3.0 recovering, 7.1 open, 11.0 open, 16.2 open",
    );
    // The restart that has helped is tried again; the one that has not is not, for a minute.
    check_both(
        "stall@2s+1100ms,stall@6s+1100ms",
        "0.0 open, 0.0 opening, 0.1 live, 3.0 restart, 3.0 stall, 3.0 recovering, 3.1 live, 7.0 restart, 7.0 stall, \
         7.0 recovering, 7.1 live",
    );
    check_both(
        "stall@2s+2s,stall@6s+2s",
        "0.0 open, 0.0 opening, 0.1 live, 3.0 restart, 3.0 stall, 3.0 recovering, 4.0 live, 7.0 stall, 7.0 recovering, \
         8.0 live",
    );
    // A call that hangs is waited for in this process; in one of its own it is ended.
    check_here("hang@2s+4s", "0.0 open, 0.0 opening, 0.1 live, 3.0 recovering, 3.2 stall, 6.0 live");
    check_isolated("hang@2s+4s", "0.0 open, 0.0 opening, 0.1 live, 3.0 recovering, 3.5 hung, 4.6 open, 6.0 live");
    check_here(
        "hang@2s+12s",
        "0.0 open, 0.0 opening, 0.1 live, 3.0 recovering, 3.2 stall, 9.2 open, 9.2 hung, 12.2 no-first-frame, 14.0 open, \
         14.1 live",
    );
    check_isolated(
        "hang@2s+12s",
        "0.0 open, 0.0 opening, 0.1 live, 3.0 recovering, 3.5 hung, 4.6 open, 6.9 open, 10.6 open, 16.1 open, 16.1 live",
    );
    // Calls that never come back are left behind, and no more than four of them.
    check_here(
        "hang",
        "0.0 open, 0.0 opening, 3.0 no-first-frame, 3.0 recovering, 5.0 open, 5.0 hung, 10.0 open, 10.0 hung, 15.0 hung, \
         15.2 open",
    );
    check_here(
        "open-hang@0s+20s",
        "0.0 open, 0.0 opening, 5.2 open-timeout, 5.2 recovering, 7.2 open, 7.2 hung, 14.5 open, 14.5 hung",
    );
    // An absent camera is looked for, and opened when it is plugged in.
    check_both("unplug@2s+300ms", "0.0 open, 0.0 opening, 0.1 live, 2.0 unplugged, 2.0 recovering, 2.4 open, 2.5 live");
    check_both(
        "unplug@2s+1500ms",
        "0.0 open, 0.0 opening, 0.1 live, 2.0 unplugged, 2.0 recovering, 2.8 open, 2.8 missing, 3.4 open, 3.6 open, \
         3.6 live",
    );
    check_both(
        "open-missing@0s+1s",
        "0.0 open, 0.0 opening, 0.0 missing, 0.0 recovering, 0.8 open, 1.4 open, 1.4 live",
    );
    // A node that has just come may not be ours for a moment, and not for ever.
    check_both(
        "unplug@1s+1s,open-denied@2s+500ms",
        "0.0 open, 0.0 opening, 0.1 live, 1.0 unplugged, 1.0 recovering, 1.8 open, 1.8 missing, 2.1 open, 2.1 denied, \
         2.9 open, 2.9 live",
    );
    check_both(
        "unplug@1s+1s,open-denied@2s+9s",
        "0.0 open, 0.0 opening, 0.1 live, 1.0 unplugged, 1.0 recovering, 1.8 open, 1.8 missing, 2.1 open, 2.1 denied, \
         2.9 open, 3.6 open, 4.1 open, 4.8 open, 5.5 open, 5.5 denied, 5.5 failed",
    );
    // A busy camera is tried each few seconds.
    check_both(
        "open-busy@0s+5s",
        "0.0 open, 0.0 opening, 0.0 busy, 0.0 recovering, 2.2 open, 4.2 open, 7.5 open, 7.5 live",
    );
    check_both(
        "unplug@1s+1s,open-busy@2s+3s",
        "0.0 open, 0.0 opening, 0.1 live, 1.0 unplugged, 1.0 recovering, 1.8 open, 1.8 missing, 2.1 open, 2.1 busy, \
         4.3 open, 6.3 open, 6.3 live",
    );
    check_both("open-denied@0s+1s", "0.0 open, 0.0 opening, 0.0 denied, 0.0 failed");
    // Crashes are survived, and not for ever.
    check_both(
        "crash@2s+2s",
        "0.0 open, 0.0 opening, 0.1 live, 2.0 crashed, 2.0 recovering, 3.1 open, 4.0 open, 6.2 open, 6.2 live",
    );
    check_both(
        "crash@0s",
        "0.0 open, 0.0 opening, 0.0 crashed, 0.0 recovering, 1.1 open, 2.0 open, 4.2 open, 8.1 open, 8.1 crash-loop, \
         8.1 failed",
    );
    // One fault on top of another.
    check_both(
        "stall@1s+8s,unplug@9s+2s",
        "0.0 open, 0.0 opening, 0.1 live, 1.9 restart, 1.9 stall, 1.9 recovering, 7.1 open, 9.0 unplugged, 9.6 open, \
         9.6 missing, 10.4 open, 11.1 open, 11.1 live",
    );
    // A picture that was taken long ago is no live one.
    check_both("time-back@2s+2s", "0.0 open, 0.0 opening, 0.1 live, 2.0 recovering, 4.0 live");
}

/// A device of this computer, played by the simulated camera.
fn device(faults: &str) -> Setup {
    Setup::new(&format!("160x120@20,{faults}")).source("usb-test").isolated()
}

/// A network camera that cannot be reached for a time.
fn network(secs: u32, fault: FaultKind) -> Setup {
    let line = format!("160x120@20,open-missing@0s+{secs}s");
    Setup { open_fault: Some(fault), ..Setup::new(&line).source("rtsp://cam/1").isolated() }
}

/// What counts as a stall follows from how frames come, not from what the camera says of its rate.
#[test]
fn a_camera_of_few_frames_does_not_stall() {
    let slow = |source| Setup::new("160x120@20,slow=0.5").source(source).isolated();
    check(&slow("rtsp://cam/1"), 300.0, &[], "0.0 open, 0.0 opening, 2.0 live");
    check(&slow("http://cam/1"), 300.0, &[], "0.0 open, 0.0 opening, 2.0 live");
    // What a driver says is believed until two frames have come.
    let once = "0.0 open, 0.0 opening, 2.0 live, 3.0 restart, 3.0 stall, 3.0 recovering, 4.0 live";
    check(&slow("usb-test"), 300.0, &[], once);
    // It stalls after all: five periods after its last frame.
    let stalls = Setup::new("160x120@20,slow=0.5,stall@21s+60s").source("rtsp://cam/1").isolated();
    let world = stalls.run(40.0, &[]);
    assert!(world.told().starts_with("0.0 open, 0.0 opening, 2.0 live, 28."), "{}", world.told());
    let rate = |world: &World| world.status.as_ref().unwrap().deductions.iter().any(|why| why.rule == "rate");
    assert!(!rate(&Setup::new("160x120@20").source("rtsp://cam/1").run(10.0, &[])));
}

/// What the log says of each step of recovery that has ended: its name, how, and the fault.
fn ended_steps(world: &World) -> Vec<[&str; 3]> {
    let ended = world.lines.iter().map(|(_, line)| line).filter(|line| line.details.contains_key("outcome"));
    let steps = ended.map(|line| {
        assert!(line.details.get("took_ms").is_some_and(Value::is_u64), "{line:?}");
        ["rung", "outcome", "fault"].map(|key| line.details.get(key).and_then(Value::as_str).unwrap_or(""))
    });
    steps.collect()
}

fn row(world: &World, rung: Rung) -> RungStatus {
    world.status.as_ref().unwrap().ladder.iter().find(|row| row.rung == rung).unwrap().clone()
}

#[test]
fn each_step_is_told_with_its_end() {
    let world = Setup::new("160x120@20,stall@2s+1500ms").run(6.0, &[]);
    assert_eq!(ended_steps(&world), [["restart-stream", "recovered", ""]]);
    let restart = row(&world, Rung::RestartStream);
    assert_eq!((restart.n_tries, restart.last.unwrap().outcome), (1, RungOutcome::Recovered));
    assert_eq!(row(&world, Rung::Reinitialise).n_tries, 0);

    let world = Setup::new("160x120@20,stall@2s+9s").run(20.0, &[]);
    let steps = ended_steps(&world);
    assert_eq!(
        (steps[0], *steps.last().unwrap()),
        (["restart-stream", "failed", "stall"], ["reinitialise", "recovered", ""])
    );
    let restart = row(&world, Rung::RestartStream).last.unwrap();
    assert!(restart.outcome == RungOutcome::Failed && !restart.why.is_empty(), "{restart:?}");

    // To look for a camera that is away is one step, however often.
    let world = Setup::new("160x120@20,unplug@500ms+20s").run(30.0, &[]);
    assert_eq!(ended_steps(&world), [["reinitialise", "recovered", ""]]);
    let status = world.status.as_ref().unwrap();
    assert_eq!((row(&world, Rung::Reinitialise).n_tries, status.recovery_attempts), (1, 0));
    assert_eq!(world.lines.iter().filter(|(_, line)| line.name == "rung").count(), 2, "the log is not flooded");

    // Calls that are left behind are counted until they come back.
    let mut world = World::new(Setup::new("160x120@20,open-hang@0s+12s"));
    world.run_until(millis(8_000));
    assert_eq!(world.status.as_ref().unwrap().abandoned_calls, 1);
    world.run_until(millis(40_000));
    assert_eq!(world.status.as_ref().unwrap().abandoned_calls, 0);
}

#[test]
fn nobody_has_to_wait_for_a_long_pause() {
    let setup = Setup::new("160x120@20,open-hang@0s+6s").isolated().recovery(|recovery| {
        (recovery.n_recovery_attempts, recovery.cooldown_secs) = (1, 600.0);
    });
    let expected = "0.0 open, 0.0 opening, 5.0 open-timeout, 5.0 recovering, 6.1 open, 6.2 live";
    check(&setup, 20.0, &[], expected);
    let setup = Setup { line: "160x120@20,open-hang@0s+16s".to_owned(), ..setup };
    let world = setup.run(20.0, &[]);
    assert!(world.status.as_ref().unwrap().next_try_secs.is_some_and(|secs| secs > 400.0), "{}", world.told());
    let world = setup.run(30.0, &[(20.0, Command::RecoverNow)]);
    assert!(world.told().ends_with("20.0 open, 20.1 live"), "{}", world.told());
    assert_eq!(row(&world, Rung::Reinitialise).n_tries, 2);
}

#[test]
fn what_is_known_about_the_cause_decides_when_it_is_tried_again() {
    // Those who hold it are known: it is left alone until they let go.
    let held = Setup { are_holders_known: true, ..device("open-busy@0s+50s") };
    check(&held, 60.0, &[], "0.0 open, 0.0 opening, 0.0 busy, 0.0 recovering, 30.0 open, 50.2 open, 50.2 live");
    // The system gives no signs: a look tells.
    let silent = Setup { are_plugs_told: false, ..device("open-missing@0s+2s") };
    let looked_for = "0.0 open, 0.0 opening, 0.0 missing, 0.0 recovering, 0.8 open, 1.4 open, 2.2 open, 2.2 live";
    check(&silent, 20.0, &[], looked_for);
    // The port is looked at; nothing else is sent to the camera.
    let silent_port = "0.0 open, 0.0 opening, 0.0 unreachable, 0.0 recovering, 30.0 open, 50.0 open, 50.0 live";
    check(&network(50, FaultKind::Unreachable), 60.0, &[], silent_port);
    check(&network(5, FaultKind::LoginRefused), 600.0, &[], "0.0 open, 0.0 opening, 0.0 login-refused, 0.0 failed");
    check(&network(5, FaultKind::WrongPath), 600.0, &[], "0.0 open, 0.0 opening, 0.0 wrong-path, 0.0 failed");
    let limited = "0.0 open, 0.0 opening, 0.0 session-limit, 0.0 recovering, 65.0 open, 65.0 live";
    check(&network(60, FaultKind::SessionLimit), 90.0, &[], limited);
}

#[test]
fn a_reset_is_the_last_that_is_tried() {
    let hung =
        "0.0 open, 0.0 opening, 5.0 open-timeout, 5.0 recovering, 6.1 open, 12.0 open, 19.2 open, 28.1 open, 39.9 open";
    let setup = device("open-hang@0s+45s").recovery(|recovery| recovery.may_reset_device = true);
    check(&setup, 60.0, &[], &format!("{hung}, 44.9 reset, 46.2 open, 46.2 live"));
    let setup = Setup { reset: Err(FaultKind::Denied), ..setup };
    check(&setup, 60.0, &[], &format!("{hung}, 44.9 reset, 45.2 denied, 46.2 open, 46.2 live"));
    // Nobody has allowed it: recovery goes on, and a consent is taken at once.
    let setup = device("open-hang@0s+45s");
    let status = setup.run(46.0, &[]).status.unwrap();
    assert!(status.reset_needs_consent && status.state == State::Recovering);
    let consent = &[(50.0, Command::ResetDevice)];
    check(&setup, 60.0, consent, &format!("{hung}, 50.0 reset, 51.3 open, 51.4 live"));
    // What is no device of this computer cannot be reset.
    let simulated =
        Setup::new("160x120@20,open-hang@0s+90s").isolated().recovery(|recovery| recovery.may_reset_device = true);
    assert!(!simulated.run(90.0, &[(5.5, Command::ResetDevice)]).told().contains("reset"));
}

#[test]
fn what_somebody_wants_is_done_at_once() {
    let plain = "160x120@20";
    let setup = Setup::new(plain);
    let live = "0.0 open, 0.0 opening, 0.1 live";
    check(&setup, 9.0, &[(2.0, Command::Stop)], &format!("{live}, 2.0 stopped"));
    let stopped = &[(2.0, Command::Stop), (4.0, Command::Start)];
    check(&setup, 9.0, stopped, &format!("{live}, 2.0 stopped, 4.0 open, 4.0 opening, 4.0 live"));
    let twice = &[(2.0, Command::Stop), (2.0, Command::Start), (2.0, Command::Start)];
    check(&setup, 9.0, twice, &format!("{live}, 2.0 stopped, 2.0 opening, 2.0 open, 2.0 live"));
    check(&setup, 9.0, &[(2.0, Command::RecoverNow)], &format!("{live}, 2.0 opening, 2.0 open, 2.0 live"));
    // A live picture is nobody's to stop by this, and a simulated camera has no bus.
    check(&setup, 9.0, &[(2.0, Command::StopTrying), (3.0, Command::ResetDevice)], live);
    check(&setup, 9.0, &[(2.0, Command::WaitUntilFree)], live);
    let other = SourceSpec::parse("sim:160x120@20").unwrap();
    let switched = &[(2.0, Command::Switch(Box::new(other)))];
    check(&setup, 9.0, switched, &format!("{live}, 2.0 opening, 2.0 open, 2.0 live"));
    let mut faster = setup.settings.clone();
    faster.recovery.n_retries = 1;
    let trusted = TrustedCertificates::default();
    check(&setup, 9.0, &[(2.0, Command::Apply(Box::new(faster.clone()), trusted.clone()))], live);
    faster.asked.n_buffers = Some(4);
    let applied = &[(2.0, Command::Apply(Box::new(faster), trusted))];
    check(&setup, 9.0, applied, &format!("{live}, 2.0 opening, 2.0 open, 2.0 live"));

    // During an outage.
    let setup = Setup::new("160x120@20,stall@1s+30s");
    let stalled = format!("{live}, 1.9 restart, 1.9 stall, 1.9 recovering");
    check(&setup, 5.0, &[(3.0, Command::StopTrying)], &format!("{stalled}, 3.0 failed"));
    let again = &[(3.0, Command::StopTrying), (4.0, Command::Start)];
    check(&setup, 5.0, again, &format!("{stalled}, 3.0 failed, 4.0 open, 4.0 recovering"));
    check(&setup, 5.0, &[(3.0, Command::Stop)], &format!("{stalled}, 3.0 stopped"));
    // In this process the call that waits for a frame has to end first.
    let recover = &[(3.0, Command::RecoverNow)];
    check(&setup, 5.0, recover, &format!("{stalled}, 4.0 open"));
    check(&setup.isolated(), 5.0, recover, &format!("{stalled}, 3.0 open"));

    // A call that hangs holds nobody up but the one who wants the device again.
    let setup = Setup::new("160x120@20,hang@1s+4s");
    let hung = format!("{live}, 1.9 recovering, 2.0 stopped");
    let stop = &[(2.0, Command::Stop), (3.0, Command::Start)];
    check(&setup, 9.0, stop, &format!("{hung}, 3.0 opening, 4.0 open, 4.0 hung, 5.0 live"));
    // To stop and to open twice is to open once.
    let setup = Setup::new("160x120@20,open-slow=1s");
    let impatient = &[(0.2, Command::Stop), (0.4, Command::Start), (0.6, Command::Stop), (0.8, Command::Start)];
    let expected = "0.0 open, 0.0 opening, 0.2 stopped, 0.4 opening, 0.6 stopped, 0.8 opening, 1.0 open, 2.0 live";
    check(&setup, 9.0, impatient, expected);
}

#[test]
fn without_automatic_recovery_somebody_has_to_act() {
    let manual =
        |faults: &str| Setup::new(&format!("160x120@20,{faults}")).recovery(|recovery| recovery.automatic = false);
    let failed = "0.0 open, 0.0 opening, 0.1 live, 3.0 stall, 3.0 failed";
    check(&manual("stall@2s+2s"), 600.0, &[], failed);
    let acted = &[(6.0, Command::RecoverNow)];
    check(&manual("stall@2s+2s"), 9.0, acted, &format!("{failed}, 6.0 open, 6.0 recovering, 6.0 live"));
    // Damaged pictures are no reason to be without any.
    check(&manual("corrupt=50"), 9.0, &[], "0.0 open, 0.0 opening, 0.1 live");
    // A busy camera is waited for when somebody asks for that.
    let busy = Setup { are_holders_known: true, ..device("open-busy@0s+20s") };
    let busy = busy.recovery(|recovery| recovery.automatic = false);
    let waited = &[(5.0, Command::WaitUntilFree)];
    let expected = "0.0 open, 0.0 opening, 0.0 busy, 0.0 failed, 5.0 recovering, 20.2 open, 20.2 live";
    check(&busy, 60.0, waited, expected);
}

#[test]
fn another_format_is_tried_where_that_is_allowed() {
    let setup = Setup::new("160x120@20,stall@0s+12s").recovery(|recovery| {
        recovery.n_failures_before_reconnect = 1;
        recovery.may_change_format = true;
    });
    let world = setup.run(20.0, &[]);
    let messages: Vec<_> = world.lines.iter().map(|(_, line)| line.message.as_str()).collect();
    assert!(messages.contains(&"Reconnect with MJPG in place of BGR3, 3rd try"), "{messages:#?}");
    let status = world.status.unwrap();
    assert_eq!((status.got.format, status.asked.format), (Some(PixelFormat::MJPG), None));
    // Whoever starts the camera gets what he asked for.
    let started = setup.run(25.0, &[(20.0, Command::Stop), (21.0, Command::Start)]);
    assert_eq!(started.status.unwrap().got.format, Some(PixelFormat::BGR));
}

/// What comes of a fault that begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// A fault of this kind is told, and the picture comes back by itself.
    Told(&'static str),
    /// The same, once somebody has acted.
    Acted(&'static str),
    /// Pictures come all the time: nothing is opened a second time because of them.
    Pictures,
    /// It may be noticed or not.
    Any,
}

use Expect::{Acted, Any, Pictures, Told};

/// Every fault of the simulated camera, with a value.
const FAULTS: &[(&str, Expect)] = &[
    ("open-hang", Any),
    ("open-slow=300ms", Any),
    ("open-busy", Told("busy")),
    ("open-denied", Acted("denied")),
    ("open-missing", Told("missing")),
    ("stall", Any),
    ("hang", Any),
    ("crash", Told("crashed")),
    ("unplug", Any),
    ("drop=30", Pictures),
    ("corrupt=30", Pictures),
    ("torn=30", Pictures),
    ("black", Pictures),
    ("cap", Pictures),
    ("dark", Pictures),
    ("bright", Pictures),
    ("green", Pictures),
    ("frozen", Pictures),
    ("blur", Pictures),
    ("noise", Pictures),
    ("flicker=50", Pictures),
    ("infrared", Pictures),
    ("swapped", Pictures),
    ("cast", Pictures),
    ("comb", Pictures),
    ("doubled", Pictures),
    ("letterbox", Pictures),
    ("slow=8", Pictures),
    ("late=200ms", Pictures),
    ("time-back", Pictures),
    ("resize=320x240", Pictures),
];

/// What is said of the picture and of the score, and what the score is in the end, where the looks at the picture say this, each
/// kind with its first picture's time.
#[track_caller]
fn check_picture(
    line: &str,
    looks: &[(f64, &[(PictureFaultKind, f64)])],
    commands: &[(f64, Command)],
    secs: f64,
    expected: (&str, Option<u8>),
) {
    let mut world = World::new(Setup::new(line));
    let at = Duration::from_secs_f64;
    for (secs, faults) in looks {
        let fault =
            |(kind, since): &(_, f64)| PictureFault { kind: *kind, since: world.began + at(*since), share: 1.0 };
        let input = Input::Picture(faults.iter().map(fault).collect());
        world.plan(at(*secs), input);
    }
    for (secs, command) in commands {
        world.plan(at(*secs), Input::Command(command.clone()));
    }
    world.run_until(at(secs));
    let is_told = |name: &str| name == "score" || PictureFaultKind::ALL.iter().any(|kind| kind.slug() == name);
    let is_about_it = |event: &CameraEvent| {
        is_told(&event.name) || event.details.get("cause").is_some_and(|cause| cause == "picture_fault")
    };
    let lines = world.lines.iter().filter(|(_, event)| is_about_it(event));
    let lines: Vec<_> = lines.map(|(at, event)| format!("{:.0} {}", at.as_secs_f64(), event.name)).collect();
    let score = world.status.as_ref().and_then(|status| status.health_score);
    assert_eq!((lines.join(", ").as_str(), score), expected, "{line} {looks:?}");
}

#[test]
fn the_score_and_the_log_know_the_picture() {
    use PictureFaultKind::{Black, Frozen};
    let check = check_picture;
    let live = "160x120@20";
    check(live, &[], &[], 10.0, ("", Some(100)));
    check(live, &[(2.0, &[(Black, 1.0)])], &[], 4.0, ("2 black", Some(60)));
    check(live, &[(2.0, &[(Frozen, 1.0)])], &[], 8.0, ("2 frozen, 6 CAMERA_ISSUE", Some(25)));
    let looks: &[(f64, &[_])] = &[(2.0, &[(Black, 1.0)]), (9.0, &[])];
    check(live, looks, &[], 9.1, ("2 black, 6 CAMERA_ISSUE, 9 black, 9 CAMERA_RECOVERY", Some(100)));
    // Of an outage it does not count, and it is there again after it.
    let stall = "160x120@20,stall@4s+3s";
    check(stall, &[(2.0, &[(Black, 1.0)])], &[], 6.0, ("2 black", Some(40)));
    check(stall, &[(2.0, &[(Black, 1.0)])], &[], 9.0, ("2 black, 7 CAMERA_ISSUE", Some(55)));
    // One that is stopped, and another camera, begin anew.
    let stop = [(3.0, Command::Stop)];
    check(live, &[(2.0, &[(Black, 1.0)]), (4.0, &[])], &stop, 6.0, ("2 black", None));
    check(live, &[(2.0, &[(Black, 1.0)])], &[(3.0, Command::Stop), (4.0, Command::Start)], 9.0, ("2 black", Some(100)));
    let other = Command::Switch(Box::new(SourceSpec::parse("sim:160x120@20,seed=2").unwrap()));
    check(live, &[(2.0, &[(Black, 1.0)])], &[(3.0, other)], 9.0, ("2 black", Some(100)));
}

#[test]
fn each_fall_of_the_score_is_told() {
    check_picture("160x120@20,drop=30@3s+5s", &[], &[], 60.0, ("5 score, 9 score, 47 score", Some(100)));
    check_picture("160x120@20,time-back@3s+2s", &[], &[], 9.0, ("7 score", Some(90)));
}

#[test]
fn no_fault_is_left_out() {
    let tried: BTreeSet<_> = FAULTS.iter().map(|(fault, _)| fault.split('=').next().unwrap()).collect();
    assert_eq!(tried, crate::source::simulated::fault_names().collect());
}

/// From the end of the last fault to a picture: a rest, the longest pause, and an opening.
const BACK_WITHIN: Duration = Duration::from_secs(50);

/// Windows of a fault, and when the last one ends.
fn windows(fault: &str) -> Vec<(String, Duration)> {
    let plain = [
        (format!("{fault}@0s+1500ms"), millis(1_500)),
        (format!("{fault}@0s+9s"), millis(9_000)),
        (format!("{fault}@1500ms+1500ms"), millis(3_000)),
        (format!("{fault}@1500ms+12s"), millis(13_500)),
        (format!("{fault}@1s+1200ms,{fault}@4s+1200ms"), millis(5_200)),
    ];
    let of_opening = [
        (format!("{fault}@0s+1500ms"), millis(1_500)),
        (format!("{fault}@0s+9s"), millis(9_000)),
        // Who is to open again in the middle.
        (format!("unplug@1500ms+300ms,{fault}@1500ms+3500ms"), millis(5_000)),
        (format!("crash@1500ms+300ms,{fault}@1500ms+13s"), millis(14_500)),
        (format!("{fault}@0s+1s,unplug@3s+300ms,{fault}@3s+3s"), millis(6_000)),
    ];
    if fault.starts_with("open-") { of_opening.to_vec() } else { plain.to_vec() }
}

type Change = fn(&mut RecoverySettings);

/// A name for people, and the settings that go with it.
const VARIANTS: &[(&str, Change)] = &[
    ("default", |_| ()),
    ("not automatic", |recovery| recovery.automatic = false),
    ("quick", |recovery| {
        (recovery.stall_deadline_secs, recovery.first_frame_deadline_secs, recovery.open_deadline_secs) =
            (0.3, 0.5, 0.5);
    }),
    ("reconnect at once", |recovery| recovery.n_failures_before_reconnect = 1),
    ("in every way", |recovery| {
        (recovery.may_change_format, recovery.may_change_backend, recovery.may_reset_device) = (true, true, true);
    }),
];

fn check_story(setup: &Setup, name: &str, fault: &str, expect: Expect, end: Duration) -> Result<(), String> {
    let is_automatic = setup.settings.recovery.automatic;
    let mut world = World::new(setup.clone());
    world.run_until(end + millis(10));
    let is_final = |world: &World| world.machine.phase.state() == State::Failed;
    // Nothing is tried on a timer after that.
    if is_final(&world) {
        let n_before = world.story.len();
        world.run_until(end + Duration::from_mins(5));
        if world.story.len() > n_before {
            return Err(format!("it is given up and tried on: {}", world.told()));
        }
        world.plan(world.now, Input::Command(Command::Start));
    }
    let back_by = world.now + BACK_WITHIN;
    world.run_until(back_by);
    let told = world.told();
    if world.machine.phase.state() != State::Streaming {
        return Err(format!("no picture {BACK_WITHIN:?} after it was over: {told}"));
    }
    if !world.open_alerts().is_empty() {
        return Err(format!("alerts stand open: {:?}: {told}", world.open_alerts()));
    }
    let is_told = |kind: &str| world.story.iter().any(|(_, word)| word == kind);
    let n_openings = world.story.iter().filter(|(_, word)| word == "open").count();
    match expect {
        // Where nothing is tried, a fault behind another one is not met.
        Told(kind) | Acted(kind) if is_automatic && !is_told(kind) => {
            return Err(format!("“{kind}” is not told: {told}"));
        }
        Pictures if n_openings > 1 => return Err(format!("it is opened again: {told}")),
        _ => {}
    }
    // Absent and busy cameras are looked for most often.
    let most = world.most_openings_within(Duration::from_secs(10));
    if most > 20 || !is_automatic && most > 3 {
        return Err(format!("{most} openings within 10 s: {told}"));
    }
    let n_lines = world.lines.iter().filter(|(_, line)| line.level > Level::Debug).count();
    if n_lines > 60 {
        return Err(format!("{n_lines} lines in the log ({name}, {fault}): {told}"));
    }
    Ok(())
}

#[test]
fn every_fault_in_every_way_is_survived() {
    let (mut n_stories, mut failed) = (0, Vec::new());
    for (fault, expect) in FAULTS {
        for (nth, (faults, end)) in windows(fault).into_iter().enumerate() {
            for (name, change) in VARIANTS {
                for isolation in [Isolation::Off, Isolation::On] {
                    let mut setup = Setup::new(&format!("160x120@20,seed=5,{faults}")).recovery(change);
                    setup.settings.isolation = isolation;
                    setup.seed = nth as u64;
                    n_stories += 1;
                    if let Err(why) = check_story(&setup, name, fault, *expect, end) {
                        failed.push(format!("{} ({name}, isolation {isolation:?}): {why}", setup.line));
                    }
                }
            }
        }
    }
    println!("{n_stories} stories");
    assert!(failed.is_empty(), "{} of {n_stories}:\n{}", failed.len(), failed.join("\n"));
}
