//! Stories of recovery on a virtual clock: the machine, a scripted camera, and everything around it that gives inputs.
//!
//! Each story runs to its end in well under a millisecond for each second that it tells, and whatever it is about, it is
//! checked for what must hold in all of them ([`World::check_invariants`]).

use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::device::watch::DeviceEvent;
use crate::fault::FaultClass;
use crate::frame::Size;
use crate::settings::{Isolation, RecoverySettings};
use crate::source::simulated::Script;
use crate::source::simulated::on_virtual_clock::VirtualCamera;
use crate::status::{AlertName, Rung};

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
struct Planned {
    at: Duration,
    nth: u64,
    input: Input,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    /// The earliest is the greatest, as a heap wants it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.nth).cmp(&(self.at, self.nth))
    }
}

/// The capture thread's part.
struct Capture {
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
    planned: BinaryHeap<Planned>,
    n_planned: u64,
    capture: Option<Capture>,
    /// Openings that have not told that they are closed.
    unclosed: Vec<u64>,
    watched: Option<Watched>,
    /// What happened: words of the effects, of the log and of the state, each with its time.
    story: Vec<(Duration, String)>,
    lines: Vec<(Duration, LogLine)>,
    status: Option<Status>,
    last_frame_at: Option<Duration>,
    n_frames: u64,
    n_read_on: u64,
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
            watched: None,
            story: Vec::new(),
            lines: Vec::new(),
            status: None,
            last_frame_at: None,
            n_frames: 0,
            n_read_on: 0,
        };
        world.plan(Duration::ZERO, Input::Command(Command::Start));
        world
    }

    fn plan(&mut self, at: Duration, input: Input) {
        self.n_planned += 1;
        self.planned.push(Planned { at: at.max(self.now), nth: self.n_planned, input });
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
            capture.is_call_out = false;
            match event {
                CaptureEvent::Opened { .. } | CaptureEvent::Frame { .. } | CaptureEvent::WarmedUp => {}
                CaptureEvent::Failed(_) | CaptureEvent::Restarted(_) => capture.waits = true,
                _ => {}
            }
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
                self.n_read_on += 1;
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
            Effect::Watch(watched) => self.watch(watched),
            Effect::Log(line) => {
                if FaultKind::ALL.iter().any(|kind| kind.slug() == line.name) || line.name.starts_with("CAMERA") {
                    self.tell(line.name.clone());
                }
                self.lines.push((self.now, line));
            }
            Effect::PublishFrame(frame) => {
                let at = frame.taken_at.saturating_duration_since(self.began);
                self.last_frame_at = Some(at);
                self.n_frames += 1;
                assert_eq!(frame.number, self.n_frames, "each frame once, in order");
            }
            Effect::PublishStatus(status) => self.status = Some(*status),
            Effect::SetControls(_)
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
        self.plan(self.now, Input::Capture(opening, CaptureEvent::Named("Camera".into(), None)));
        // What the user typed may be no simulated camera; what plays it is one.
        let request = OpenRequest { first_opened: self.began, ..request };
        let (ends, opened) = VirtualCamera::open(&self.script, &request, self.now);
        let is_isolated = self.setup.settings.isolation == Isolation::On;
        let patience = self.now + request.open_patience();
        let is_overdue = is_isolated && ends.is_none_or(|ends| ends > patience);
        let opened = match opened {
            Ok(_) if is_overdue => Err(Fault::new(FaultKind::OpenTimeout, "opening hangs")),
            Err(_) if is_overdue => Err(Fault::new(FaultKind::OpenTimeout, "opening hangs")),
            Err(fault) => Err(match self.setup.open_fault {
                Some(kind) => Fault::new(kind, "not to be opened"),
                None => fault,
            }),
            Ok(camera) => Ok(camera),
        };
        let ends = if is_overdue { Some(patience) } else { ends };
        let mut capture = Capture {
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

    fn watch(&mut self, watched: Option<Watched>) {
        self.watched.clone_from(&watched);
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
        assert_eq!(status.is_opened, self.machine.phase.device().is_some());
    }

    /// So many openings within any such stretch of time.
    fn most_openings_within(&self, stretch: Duration) -> usize {
        let openings: Vec<_> = self.story.iter().filter(|(_, word)| word == "open").map(|(at, _)| *at).collect();
        openings
            .iter()
            .map(|first| openings.iter().filter(|at| (*first..*first + stretch).contains(at)).count())
            .max()
            .unwrap_or(0)
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
    assert_eq!(world.told(), expected, "{} {:?}", setup.line, setup.source);
}

#[test]
fn print_some() {
    for line in [
        "160x120@20",
        "160x120@20,stall@2s+500ms",
        "160x120@20,stall@2s+1500ms",
        "160x120@20,stall@2s+10s",
        "160x120@20,hang@2s+3s",
        "160x120@20,hang@2s",
        "160x120@20,unplug@2s+3s",
        "160x120@20,crash@2s+1s",
        "160x120@20,open-busy@0s+5s",
        "160x120@20,open-denied@0s+1s",
        "160x120@20,open-hang@0s+8s",
    ] {
        for setup in [Setup::new(line), Setup::new(line).isolated()] {
            println!("{line} {:?}\n   {}", setup.settings.isolation, setup.run(20.0, &[]).told());
        }
    }
    let _ = check;
}
