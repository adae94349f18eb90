//! Every decision about one camera: an input and the time go in, effects come out.
//!
//! Deliberately not here: threads, clocks, channels, drivers, files. `supervisor.rs` carries the effects out and
//! reports what came of them as further inputs, so that each story of recovery is a test on a virtual clock
//! (`machine/stories.rs`).
//!
//! Invariant: what the camera does is one value, `Phase`. Whoever changes it goes through `Machine::enter`; the state
//! that people see is read from it alone.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value};

use super::Command;
use super::controls::ControlBook;
use super::outage::Outage;
use super::picture_faults::PictureFaults;
use super::score_log::ScoreLog;
use super::tally::{Tally, describe};
use crate::address::Address;
use crate::analyser::coding_of;
use crate::backend::Backend;
use crate::control::{ControlSetting, ControlsUpdate, DeviceControls};
use crate::criteria::PictureFault;
use crate::device::DeviceKind;
use crate::device::watch::{DeviceEvent, HolderEvent};
use crate::event::{Level, OPENED, OPENED_IDENTITY};
use crate::fault::{Fault, FaultKind};
use crate::frame::{Frame, Image, PixelFormat};
use crate::health::History;
use crate::network::port;
use crate::picture::FrameCoding;
use crate::recovery::{Ladder, StreamState, Way};
use crate::settings::{CameraSettings, TrustedCertificates, secs};
use crate::source::reader::{self, CLOSE_DEADLINE};
use crate::source::{Demand, Grabbed, OpenRequest, SourceSpec};
use crate::status::{Asked, Got, State, Status, StuckProcess};

mod failure;
mod publication;
#[cfg(test)]
mod stories;

/// How much longer than a source with a time-out of its own the machine waits for it.
const GRACE: Duration = Duration::from_millis(250);
/// The same for sources in a process of their own, which see to their deadlines themselves.
const ISOLATED_GRACE: Duration = Duration::from_millis(1_500);
/// Sources come back a little before it is a stall.
const SHARE_OF_STALL: f64 = 0.75;
/// Threads and processes left behind in calls that do not return. With more, nothing is opened until one comes back.
const MAX_ABANDONED: usize = 4;

/// What the machine is told.
#[derive(Debug)]
pub enum Input {
    /// Somebody wants something of the camera. [`Command::Release`] is [`Command::Stop`] here: [`Effect::Released`] answers both.
    Command(Command),
    /// What the capture thread of this opening reports.
    Capture(u64, CaptureEvent),
    /// The reset of this number has ended.
    ResetEnded(u64, Result<(), Fault>),
    /// Cameras of this computer have come or gone.
    Devices(DeviceEvent),
    /// Who holds the device.
    Holders(HolderEvent),
    /// Whether the port of the network camera answers.
    Port(port::PortEvent),
    /// Everything that is wrong with the published pictures, whenever that has changed.
    Picture(Vec<PictureFault>),
    /// What was watched by [`Effect::Watch`] will not report any more.
    WatchEnded,
    /// Capture processes that were killed and have not ended, whenever the list has changed.
    Stuck(Vec<StuckProcess>),
    /// The time of [`Machine::next_deadline`] has come.
    Timer,
}

/// What a capture thread reports.
#[derive(Debug)]
pub enum CaptureEvent {
    /// Opening begins.
    Named {
        /// For people.
        name: String,
        /// Its identity and its kind, if the system lists it.
        device: Option<(String, DeviceKind)>,
    },
    Opened {
        got: Got,
        backend: Backend,
    },
    /// The device delivers something else than it said when it was opened.
    Changed(Got),
    Frame {
        image: Image,
        grabbed: Grabbed,
        wall: SystemTime,
    },
    Controls(ControlsUpdate),
    /// A frame came whose picture nobody wants.
    LeftOut(Grabbed),
    /// Grabbed and thrown away undecoded.
    WarmedUp,
    /// It could not open or read. A thread that has opened the device waits for [`Effect::ReadOn`] or [`Effect::RestartStream`].
    Failed(Fault),
    /// The stream was stopped and started, or could not be: then the thread waits as after `Failed`.
    Restarted(Result<(), Fault>),
    /// The device is closed and the thread is ending.
    Closed,
}

/// What is to be done. Effects are carried out in their order.
#[derive(Debug)]
pub enum Effect {
    /// Open the source on a capture thread of this number.
    Open {
        opening: u64,
        request: Box<OpenRequest>,
        n_warm_up: u32,
    },
    /// The capture thread that waits after a fault shall read on.
    ReadOn,
    /// The same with the stream stopped and started before.
    RestartStream,
    SetControls(Vec<ControlSetting>),
    SetDemand(Demand),
    /// Have the capture thread close the device, and forget it: it reports [`CaptureEvent::Closed`].
    Close,
    /// The device is closed, or left behind by a call that does not come back: whoever waited for that can have it.
    Released,
    /// Reset the device of this name on its bus.
    Reset {
        number: u64,
        name: String,
    },
    /// Watch this and nothing else.
    Watch(Option<Watched>),
    /// Look for faults of the published pictures, beginning anew, or do so no longer.
    LookAtPictures(Option<FrameCoding>),
    /// Of the camera of this name, as the status has it.
    Log(String, CameraEvent),
    PublishFrame(Frame),
    PublishStatus(Box<Status>),
    PublishHistory(Box<History>),
    PublishControls(DeviceControls),
    /// Somebody who shows the camera has something new to show.
    Wake,
}

/// What ends the wait for a device sooner than a timer.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// Cameras that come and go.
    Plug,
    /// The programs that hold the device of this name.
    Holders(String),
    /// The port of a network camera.
    Port(Box<Address>),
}

/// An event of this camera, for the log.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraEvent {
    pub level: Level,
    pub name: String,
    pub message: String,
    pub details: Map<String, Value>,
}

impl CameraEvent {
    /// Without details.
    pub fn new(level: Level, name: &str, message: impl Into<String>) -> Self {
        Self { level, name: name.to_owned(), message: message.into(), details: Map::new() }
    }
}

/// Whether an opening is the one that was asked for, or one of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Start,
    Recovery,
}

impl Attempt {
    fn state(self) -> State {
        match self {
            Self::Start => State::Opening,
            Self::Recovery => State::Recovering,
        }
    }
}

/// A device that is open, with the capture thread that reads it.
#[derive(Clone, Copy, Debug)]
struct OpenDevice {
    opening: u64,
    since: Instant,
    /// Until then a camera that has given no frame yet may take its time.
    first_frame_due: Instant,
}

/// What the camera does, or what is waited for.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nobody wants a picture.
    Idle,
    /// Somebody has to act.
    Failed,
    /// The call to open the device is out.
    Opening { opening: u64, attempt: Attempt, since: Instant, deadline: Instant },
    /// The device is open, and its first frame is waited for.
    FirstFrame { device: OpenDevice, attempt: Attempt, deadline: Instant },
    /// Frames come. From `stale_at` on the last one is not a live picture any more.
    Streaming { device: OpenDevice, stale_at: Instant, deadline: Instant },
    /// The last frame is too old for a live picture, and the driver's call for the next one is out.
    Stale { device: OpenDevice, deadline: Instant },
    /// A read has failed: the next one is made at `at`, or is out.
    Retrying { device: OpenDevice, at: Option<Instant>, deadline: Instant },
    /// The stream is being stopped and started.
    Restarting { device: OpenDevice, since: Instant, deadline: Instant },
    /// The device is being closed, before anything else.
    Closing { opening: u64, deadline: Instant, then: Then },
    /// Nothing is open, and the time of the next step is waited for.
    Resting { step: Step, attempt: Attempt, until: Instant },
    /// The device is being reset.
    Resetting { number: u64, since: Instant, deadline: Instant },
}

/// What comes after the device is closed.
#[derive(Clone, Copy, Debug)]
enum Then {
    Stay,
    Fail,
    Open(Attempt),
    Take { step: Step, attempt: Attempt, at: Instant },
}

/// A step of recovery that is taken with the device closed.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reconnect,
    ResetDevice,
    /// The device has been reset: to open it belongs to the reset.
    OpenAfterReset,
}

impl Phase {
    /// As people see it.
    fn state(&self) -> State {
        match self {
            Self::Idle | Self::Closing { then: Then::Stay, .. } => State::Idle,
            Self::Failed | Self::Closing { then: Then::Fail, .. } => State::Failed,
            Self::Opening { attempt, .. }
            | Self::FirstFrame { attempt, .. }
            | Self::Resting { attempt, .. }
            | Self::Closing { then: Then::Open(attempt) | Then::Take { attempt, .. }, .. } => attempt.state(),
            Self::Streaming { .. } => State::Streaming,
            Self::Stale { .. } | Self::Retrying { .. } | Self::Restarting { .. } | Self::Resetting { .. } => {
                State::Recovering
            }
        }
    }

    /// The device, while it is open and can be read.
    fn device(&self) -> Option<OpenDevice> {
        match self {
            Self::FirstFrame { device, .. }
            | Self::Streaming { device, .. }
            | Self::Stale { device, .. }
            | Self::Retrying { device, .. }
            | Self::Restarting { device, .. } => Some(*device),
            Self::Idle
            | Self::Failed
            | Self::Opening { .. }
            | Self::Closing { .. }
            | Self::Resting { .. }
            | Self::Resetting { .. } => None,
        }
    }

    /// The opening whose reports count: not one that is being closed or was left behind.
    fn opening(&self) -> Option<u64> {
        match self {
            Self::Opening { opening, .. } => Some(*opening),
            other => other.device().map(|device| device.opening),
        }
    }

    /// When something is to be done if nothing else happens.
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Failed => None,
            Self::Opening { deadline, .. }
            | Self::FirstFrame { deadline, .. }
            | Self::Stale { deadline, .. }
            | Self::Restarting { deadline, .. }
            | Self::Closing { deadline, .. }
            | Self::Resetting { deadline, .. } => Some(*deadline),
            Self::Streaming { stale_at, deadline, .. } => Some(*stale_at.min(deadline)),
            Self::Retrying { at, deadline, .. } => Some(at.map_or(*deadline, |at| at.min(*deadline))),
            Self::Resting { until, .. } => Some(*until),
        }
    }

    /// The time of the next step of recovery, where that is known.
    fn next_try(&self) -> Option<Instant> {
        match self {
            Self::Resting { until: at, .. } | Self::Closing { then: Then::Take { at, .. }, .. } => Some(*at),
            Self::Retrying { at, .. } => *at,
            _ => None,
        }
    }
}

/// What is being watched, and what is known from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchState {
    Nothing,
    Plug,
    /// Whether others are known to hold the device, so that their letting go will be reported.
    Holders {
        is_held: bool,
    },
    /// Whether the port is known not to answer, so that its answer will be reported.
    Port {
        is_silent: bool,
    },
}

/// The decisions about one camera.
pub struct Machine {
    settings: CameraSettings,
    trusted: TrustedCertificates,
    spec: SourceSpec,
    name: String,
    phase: Phase,
    ladder: Ladder,
    tally: Tally,
    outage: Outage,
    picture: PictureFaults,
    score_log: ScoreLog,
    is_picture_looked_at: bool,
    history: History,
    controls: ControlBook,
    demand: Demand,
    n_openings: u64,
    /// The clock of the simulated camera's script.
    first_opened: Option<Instant>,
    /// Openings whose threads were left behind in a call that has not returned.
    abandoned: Vec<u64>,
    stuck: Vec<StuckProcess>,
    /// Whether the source that was opened last has a process of its own.
    is_isolated: bool,
    /// The camera that was opened: a path or a number may name another one after a re-plug, and that must never be shown
    /// in its place without a word.
    bound: Option<String>,
    /// The identity of the camera that is being opened.
    found: Option<String>,
    kind: Option<DeviceKind>,
    watching: WatchState,
    n_resets: u64,
    /// Resets whose threads have not reported.
    resets_out: Vec<u64>,
    /// What the device delivers when it is opened as asked, for the choice of another format.
    usual_format: Option<PixelFormat>,

    status_due: Instant,
    history_due: Instant,
    /// What was published last.
    told: Option<(State, Option<u8>)>,
    /// Of the step that is being made.
    effects: Vec<Effect>,
    is_status_wanted: bool,
}

impl Machine {
    /// A camera that nobody wants yet. `seed` makes the jitter of pauses repeatable; two cameras should have different ones.
    #[must_use]
    pub fn new(
        spec: SourceSpec,
        settings: CameraSettings,
        trusted: TrustedCertificates,
        seed: u64,
        now: Instant,
    ) -> Self {
        Self {
            outage: Outage::default(),
            picture: PictureFaults::default(),
            score_log: ScoreLog::default(),
            is_picture_looked_at: false,
            ladder: Ladder::new(settings.recovery.clone(), seed),
            settings,
            trusted,
            name: spec.to_string(),
            spec,
            phase: Phase::Idle,
            tally: Tally::default(),
            history: History::default(),
            controls: ControlBook::default(),
            demand: Demand::Full,
            n_openings: 0,
            first_opened: None,
            abandoned: Vec::new(),
            stuck: Vec::new(),
            is_isolated: false,
            bound: None,
            found: None,
            kind: None,
            watching: WatchState::Nothing,
            n_resets: 0,
            resets_out: Vec::new(),
            usual_format: None,
            status_due: now,
            history_due: now,
            told: None,
            effects: Vec::new(),
            is_status_wanted: false,
        }
    }

    /// Takes an input. What is to be done about it comes in order.
    pub fn step(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Command(command) => self.on_command(command, now),
            Input::Capture(opening, event) => self.on_capture(opening, event, now),
            Input::ResetEnded(number, result) => self.on_reset_ended(number, result, now),
            Input::Devices(event) => self.on_devices(&event, now),
            Input::Holders(event) => self.on_holders(&event, now),
            Input::Port(event) => self.on_port(event, now),
            Input::Picture(faults) => self.on_picture(faults, now),
            Input::WatchEnded => self.watching = WatchState::Nothing,
            Input::Stuck(stuck) => self.stuck = stuck,
            Input::Timer => self.on_timer(now),
        }
        let state = self.phase.state();
        let has_pictures = self.is_picture_looked_at || self.tally.n_frames_of_opening > 0;
        self.look_at_pictures(state != State::Idle && has_pictures);
        self.take_lines();
        if self.is_status_wanted || now >= self.status_due || self.told.is_none_or(|(told, _)| told != state) {
            self.publish(now);
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`Input::Timer`] is to be given, if nothing else comes before. `None`: never.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle => None,
            _ => Some(self.phase.deadline().map_or(self.status_due, |at| at.min(self.status_due))),
        }
    }

    /// The source as the user named it.
    #[must_use]
    pub fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// When the camera was opened for the first time.
    #[must_use]
    pub fn first_opened(&self) -> Option<Instant> {
        self.first_opened
    }

    /// Whether a device is being closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Start => self.start(now),
            Command::Stop | Command::Release(_) => self.stop(now),
            Command::Apply(settings, trusted) => self.apply(*settings, trusted, now),
            Command::Switch(spec) => self.switch(*spec, now),
            Command::WaitUntilFree => self.wait_until_free(now),
            Command::StopTrying => self.stop_trying(now),
            Command::ResetDevice => self.reset_as_asked(now),
            Command::RecoverNow => self.recover_now(now),
            Command::SetControls(settings) => self.set_controls(settings),
            Command::SetDemand(demand) => return self.set_demand(demand),
        }
        self.is_status_wanted = true;
    }

    fn start(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Idle | Phase::Failed => {
                self.bound = None;
                self.ladder.start_over();
                self.open(now);
            }
            Phase::Closing { then: then @ (Then::Stay | Then::Fail), .. } => {
                *then = Then::Open(Attempt::Start);
                self.ladder.start_over();
            }
            _ => {}
        }
    }

    fn stop(&mut self, now: Instant) {
        self.watch(WatchState::Nothing, None);
        self.interrupt_rung(now);
        if !matches!(self.phase, Phase::Idle) {
            self.log(Level::Info, "stop", "Stopped");
        }
        self.outage.end_unwanted();
        self.tally.health.on_stream_end();
        self.close_then(Then::Stay, now);
    }

    fn apply(&mut self, settings: CameraSettings, trusted: TrustedCertificates, now: Instant) {
        let before = &self.settings;
        let reopen = settings.asked != before.asked
            || self.spec.backend(&settings) != self.spec.backend(before)
            || settings.isolation != before.isolation
            || self.spec.is_network() && (settings.transport != before.transport || trusted != self.trusted);
        self.ladder.set_settings(settings.recovery.clone());
        self.settings = settings;
        self.trusted = trusted;
        if reopen && !matches!(self.phase, Phase::Idle | Phase::Closing { then: Then::Stay, .. }) {
            self.log(Level::Info, "open", "Opening again with other settings");
            self.interrupt_rung(now);
            self.ladder.start_over();
            self.outage.begin_anew(now);
            self.tally.health.on_stream_end();
            self.close_then(Then::Open(Attempt::Start), now);
        }
    }

    fn switch(&mut self, spec: SourceSpec, now: Instant) {
        self.interrupt_rung(now);
        self.take_lines();
        self.watch(WatchState::Nothing, None);
        self.look_at_pictures(false);
        self.name = spec.to_string();
        self.outage = Outage::default();
        self.outage.begin_anew(now);
        self.spec = spec;
        self.bound = None;
        self.kind = None;
        self.first_opened = None;
        self.ladder = self.ladder.of_another_camera();
        self.history = History::default();
        self.tally = Tally::default();
        self.usual_format = None;
        self.controls = ControlBook::default();
        self.publish_controls();
        self.close_then(Then::Open(Attempt::Start), now);
    }

    fn on_capture(&mut self, opening: u64, event: CaptureEvent, now: Instant) {
        if let CaptureEvent::Closed = event {
            return self.on_closed(opening, now);
        }
        if self.phase.opening() != Some(opening) {
            return;
        }
        match event {
            CaptureEvent::Named { name, device } => {
                // One that is away for a while keeps its name.
                if device.is_some() || self.bound.is_none() {
                    self.name = name;
                }
                let (identity, kind) = device.unzip();
                self.found = identity;
                self.kind = kind.or(self.kind);
            }
            CaptureEvent::Opened { got, backend } => self.on_opened(got, backend, now),
            CaptureEvent::Changed(got) => {
                self.tally.got = got;
                let message = format!("The camera changed its stream: {}", describe(&self.tally.got));
                self.log(Level::Warning, "format", message);
            }
            CaptureEvent::Frame { image, grabbed, wall } => {
                if self.on_frame(grabbed, now) {
                    self.publish_frame(image, grabbed, wall);
                }
            }
            CaptureEvent::LeftOut(grabbed) => {
                self.on_frame(grabbed, now);
            }
            CaptureEvent::Controls(news) => self.on_controls(news, now),
            CaptureEvent::WarmedUp => {
                self.tally.drops.warm_up += 1;
                self.wait_on(now);
            }
            CaptureEvent::Failed(fault) => self.on_failed(fault, now),
            CaptureEvent::Restarted(Ok(())) => self.on_restarted(now),
            // A stream that could not be started again has nothing to be read.
            CaptureEvent::Restarted(Err(fault)) => self.on_failure(fault, StreamState::Gone, now),
            CaptureEvent::Closed => {}
        }
    }

    fn set_demand(&mut self, demand: Demand) {
        if demand != self.demand {
            self.demand = demand;
            if self.phase.opening().is_some() {
                self.effects.push(Effect::SetDemand(demand));
            }
        }
    }

    fn set_controls(&mut self, settings: Vec<ControlSetting>) {
        self.controls.choose(&settings);
        if self.phase.device().is_some() {
            self.effects.push(Effect::SetControls(settings));
        }
    }

    fn on_controls(&mut self, news: ControlsUpdate, now: Instant) {
        let Some(response) = self.controls.on_news(news, now) else { return };
        for (level, message) in response.events {
            self.log(level, "control", message);
        }
        if self.phase.device().is_some() && !response.to_set.is_empty() {
            self.effects.push(Effect::SetControls(response.to_set));
        }
        self.publish_controls();
    }

    fn publish_controls(&mut self) {
        let list = self.controls.list().to_vec();
        let camera = self.bound.clone().unwrap_or_else(|| self.spec.without_password());
        let controls = DeviceControls { source: self.spec.to_string(), camera, list };
        self.effects.extend([Effect::PublishControls(controls), Effect::Wake]);
    }

    fn on_opened(&mut self, got: Got, backend: Backend, now: Instant) {
        let Phase::Opening { opening, attempt, .. } = self.phase else { return };
        self.tally.got = got;
        self.bound = self.bound.take().or_else(|| self.found.take());
        self.tally.backend = Some(backend);
        if self.ladder.way() == Way::AsAsked {
            self.usual_format = self.tally.got.format;
        }
        self.tally.on_open_ended(now);
        let deadline = now + self.first_frame_deadline();
        let device = OpenDevice { opening, since: now, first_frame_due: deadline };
        self.enter(Phase::FirstFrame { device, attempt, deadline });
        let took = self.tally.open_ms.unwrap_or_default();
        let message = format!("Opened through {} in {took} ms: {}", backend.label(), describe(&self.tally.got));
        let identity = self.bound.iter().map(|identity| (OPENED_IDENTITY.to_owned(), identity.as_str().into()));
        self.outage.log_with(Level::Info, OPENED, message, identity.collect());
        self.is_status_wanted = true;
    }

    /// A good frame came, whether its picture is wanted or not. Returns whether it counts.
    fn on_frame(&mut self, grabbed: Grabbed, now: Instant) -> bool {
        let Some(device) = self.phase.device() else { return false };
        let is_old = |last: Instant| now.saturating_duration_since(last) >= self.stall_deadline();
        if self.tally.last_arrival.is_some_and(is_old) {
            self.tally.health.on_interruption(now);
        }
        self.tally.on_frame(grabbed, now);
        let is_first = self.tally.n_frames_of_opening == 1;
        if is_first {
            self.watch(WatchState::Nothing, None);
        }
        let opening = is_first.then(|| {
            let took = self.tally.first_frame_ms.unwrap_or_default();
            format!("First picture after {took} ms: {}", describe(&self.tally.got))
        });
        let n_attempts = self.ladder.n_attempts();
        if let Some(ended) = self.ladder.on_good_frame(now) {
            self.outage.on_rung_ended(ended, None);
        }
        self.outage.on_good_frame(opening, n_attempts, now);
        if let Some(fault) = grabbed.damage() {
            self.tally.on_concealed_damage();
            self.outage.on_damage(&fault, now);
        }
        let stall = self.stall_deadline();
        let deadline = now + stall + self.grace();
        // One that is old when it comes is no live picture, however long the next one may take.
        let is_pace_unknown = self.spec.is_network() && self.tally.pace.interval().is_none();
        let oldest = if is_pace_unknown { self.least_stall() } else { stall };
        let is_old = now.saturating_duration_since(grabbed.taken_at) >= oldest;
        self.enter(if is_old {
            Phase::Stale { device, deadline }
        } else {
            Phase::Streaming { device, stale_at: grabbed.taken_at + stall, deadline }
        });
        self.is_status_wanted |= is_first;
        true
    }

    fn publish_frame(&mut self, image: Image, grabbed: Grabbed, wall: SystemTime) {
        let frame = Frame {
            image,
            number: self.tally.n_frames,
            sequence: grabbed.sequence,
            taken_at: grabbed.taken_at,
            taken_at_wall: wall,
        };
        self.effects.extend([Effect::PublishFrame(frame), Effect::Wake]);
    }

    /// A frame came that nobody sees: the time of a stall starts over.
    fn wait_on(&mut self, now: Instant) {
        let until = now + self.stall_deadline() + self.grace();
        match &mut self.phase {
            Phase::FirstFrame { deadline, .. } | Phase::Streaming { deadline, .. } | Phase::Stale { deadline, .. } => {
                *deadline = until.max(*deadline);
            }
            Phase::Retrying { at, deadline, .. } => (*at, *deadline) = (None, until.max(*deadline)),
            _ => {}
        }
    }

    fn grace(&self) -> Duration {
        if self.is_isolated { ISOLATED_GRACE } else { GRACE }
    }

    fn stall_deadline(&self) -> Duration {
        // What a network camera says of its rate may be that of another day, and what it is asked for it never hears.
        let told = self.tally.got.fps.or(self.asked().fps).filter(|_| !self.spec.is_network());
        self.tally.pace.stall_deadline(self.least_stall(), told)
    }

    fn least_stall(&self) -> Duration {
        secs(self.settings.recovery.stall_deadline_secs)
    }

    /// The source has waited for as long as it does, which is not yet a stall of this camera.
    fn may_frame_still_come(&self, now: Instant) -> bool {
        let due = self.tally.last_arrival.map(|last| last + self.stall_deadline().mul_f64(SHARE_OF_STALL));
        due.is_some_and(|due| now < due)
    }

    fn first_frame_deadline(&self) -> Duration {
        secs(self.settings.recovery.first_frame_deadline_secs)
    }

    fn on_timer(&mut self, now: Instant) {
        match self.phase {
            Phase::Retrying { device, at: Some(at), deadline } if now >= at => {
                self.enter(Phase::Retrying { device, at: None, deadline });
                self.read_on(now);
            }
            Phase::Closing { deadline, .. } if now >= deadline => self.abandon(now),
            Phase::Resting { until, step, .. } if now >= until => self.take(step, now),
            Phase::Streaming { device, stale_at, deadline } if now >= stale_at && now < deadline => {
                self.enter(Phase::Stale { device, deadline });
            }
            _ if self.phase.deadline().is_some_and(|deadline| now >= deadline) => self.on_overdue(now),
            _ => {}
        }
    }

    /// A device has been closed, one way or the other.
    fn on_closed(&mut self, opening: u64, now: Instant) {
        if let Some(position) = self.abandoned.iter().position(|abandoned| *abandoned == opening) {
            self.abandoned.swap_remove(position);
            let message = "A driver call that had been given up has come back; its handle is released";
            self.log(Level::Info, "closed", message);
        } else if let Phase::Closing { opening: closing, then, .. } = self.phase
            && closing == opening
        {
            self.go_to(then, now);
        }
        self.is_status_wanted = true;
    }

    /// Has the device closed, if it is open, and goes on when it is.
    fn close_then(&mut self, then: Then, now: Instant) {
        match self.phase {
            Phase::Closing { opening, deadline, .. } => self.enter(Phase::Closing { opening, deadline, then }),
            _ => match self.phase.opening() {
                Some(opening) => {
                    self.effects.push(Effect::Close);
                    self.enter(Phase::Closing { opening, deadline: now + CLOSE_DEADLINE, then });
                }
                None => self.go_to(then, now),
            },
        }
    }

    /// The device is not open any more.
    fn go_to(&mut self, then: Then, now: Instant) {
        self.effects.push(Effect::Released);
        match then {
            Then::Stay => self.enter(Phase::Idle),
            Then::Fail => self.enter(Phase::Failed),
            Then::Open(_) => self.open(now),
            Then::Take { step, attempt, at } if now < at => self.enter(Phase::Resting { step, attempt, until: at }),
            Then::Take { step, .. } => self.take(step, now),
        }
    }

    /// The device did not close in time: its thread is left behind, and frees it whenever the call returns.
    fn abandon(&mut self, now: Instant) {
        let Phase::Closing { opening, then, .. } = self.phase else { return };
        self.abandoned.push(opening);
        let waited = CLOSE_DEADLINE.as_secs();
        let message =
            format!("A call into the driver has not come back {waited} s after it was asked to end; it is left behind");
        self.log(Level::Warning, "hung", message);
        self.go_to(then, now);
        self.is_status_wanted = true;
    }

    fn open(&mut self, now: Instant) {
        self.outage.since.get_or_insert(now);
        self.tally.on_opening(now);
        self.is_status_wanted = true;
        if self.abandoned.len() + self.stuck.len() >= MAX_ABANDONED {
            let message = format!("{MAX_ABANDONED} calls into the driver have not come back: {}", self.label());
            self.enter(Phase::Idle);
            return self.on_failure(Fault::new(FaultKind::Hung, message), StreamState::Gone, now);
        }
        self.n_openings += 1;
        let opening = self.n_openings;
        let request = self.open_request(now);
        let deadline = now + request.patience() + GRACE;
        self.is_isolated = request.backend().is_ok_and(|backend| request.is_isolated(backend));
        // These do not begin with us.
        let is_running = matches!(self.spec, SourceSpec::File(_) | SourceSpec::Url(_));
        let n_warm_up = if is_running { 0 } else { self.settings.n_warm_up_frames };
        self.effects.push(Effect::Open { opening, request: Box::new(request), n_warm_up });
        self.enter(Phase::Opening { opening, attempt: self.attempt(), since: now, deadline });
    }

    fn open_request(&mut self, now: Instant) -> OpenRequest {
        let (backend, asked) = match self.ladder.way() {
            Way::AsAsked => (self.spec.backend(&self.settings), self.asked()),
            Way::WithFormat(format) => {
                (self.spec.backend(&self.settings), Asked { format: Some(format), ..self.asked() })
            }
            Way::Through(backend) => (Some(backend), self.asked()),
        };
        let request = OpenRequest {
            backend,
            asked,
            first_opened: *self.first_opened.get_or_insert(now),
            frame_deadline: reader::stall_deadline(
                secs(self.settings.recovery.stall_deadline_secs),
                self.tally.got.fps,
            ),
            demand: self.demand,
            ..OpenRequest::new(self.spec_to_open(), &self.settings, &self.trusted)
        };
        request.for_attempt(self.ladder.n_attempts())
    }

    fn spec_to_open(&self) -> SourceSpec {
        self.bound.clone().map_or_else(|| self.spec.clone(), SourceSpec::Device)
    }

    fn asked(&self) -> Asked {
        self.spec.asked(self.settings.asked)
    }

    /// Whether what comes now belongs to the recovery from something that has failed.
    fn attempt(&self) -> Attempt {
        if self.outage.is_announced { Attempt::Recovery } else { Attempt::Start }
    }

    /// The source as a message ends with it: a bare number would say nothing.
    fn label(&self) -> String {
        match &self.spec {
            SourceSpec::Index(index) => format!("camera {index}"),
            spec => spec.to_string(),
        }
    }

    fn log(&mut self, level: Level, name: &str, message: impl Into<String>) {
        self.outage.log(level, name, message);
    }

    fn take_lines(&mut self) {
        let source = self.spec.to_string();
        self.effects.extend(self.outage.take_lines().map(|line| Effect::Log(source.clone(), line)));
    }

    /// Pictures are looked at from the first one of the camera to its stop.
    fn look_at_pictures(&mut self, is_wanted: bool) {
        if is_wanted != self.is_picture_looked_at {
            self.is_picture_looked_at = is_wanted;
            (self.picture, self.score_log) = (PictureFaults::default(), ScoreLog::default());
            let coding = is_wanted.then(|| coding_of(&self.spec, self.kind, &self.tally.got));
            self.effects.push(Effect::LookAtPictures(coding));
        }
    }

    fn on_picture(&mut self, faults: Vec<PictureFault>, now: Instant) {
        if self.is_picture_looked_at {
            let lines = self.picture.set(faults, now);
            self.outage.add_lines(lines);
            self.is_status_wanted = true;
        }
    }

    /// Watches this from now on; `target` is what it is about.
    fn watch(&mut self, watching: WatchState, target: Option<Watched>) {
        let is_same = std::mem::discriminant(&self.watching) == std::mem::discriminant(&watching);
        if !is_same {
            self.watching = watching;
            self.effects.push(Effect::Watch(target));
        }
    }
}
