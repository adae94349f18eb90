//! The one loop that decides about a camera: it owns the state, waits for commands, reports and one timer, and calls no
//! driver.

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use super::capture::{Capture, News, Report};
use super::controls::ControlBook;
use super::outage::Outage;
use super::reset::Resets;
use super::tally::{Tally, describe};
use super::waits::Waits;
use super::{Command, SHUTDOWN_DEADLINE, Wake};
use crate::backend::Backend;
use crate::control::{ControlNews, DeviceControls, Setting};
use crate::event::Level;
use crate::fault::{Fault, FaultKind};
use crate::frame::{Frame, Image, PixelFormat};
use crate::health::History;
use crate::latest::Latest;
use crate::logging::EventLog;
use crate::recovery::{Ladder, Stream, Way};
use crate::settings::{Settings, secs};
use crate::source::{Grabbed, OpenRequest, SourceSpec, StuckProcesses};
use crate::status::{Asked, Got, Rung, State, Status};

mod climb;
mod publication;

/// How long a device may take to close before its thread is left behind.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// Sources with a time-out of their own use the stall deadline; the supervisor waits this much longer for them.
const GRACE: Duration = Duration::from_millis(250);
/// The same for sources in a process of their own, which see to their deadlines themselves.
const ISOLATED_GRACE: Duration = Duration::from_millis(1_500);
/// Threads and processes left behind in calls that do not return. With more, nothing is opened until one comes back.
const MAX_ABANDONED: usize = 4;
/// A stall is at least this many frame periods (libcamera's dequeue watchdog has the same).
const STALL_PERIODS: f64 = 5.0;
/// Media Foundation opens in 4 to 20 s on many machines; the second try is given more.
const MSMF_OPEN_FACTORS: [f64; 2] = [3.0, 5.0];

/// Where the supervisor's results go.
pub(super) struct Outputs {
    pub(super) frames: Latest<Frame>,
    pub(super) status: Latest<Status>,
    pub(super) history: Latest<History>,
    pub(super) controls: Latest<DeviceControls>,
    pub(super) wake: Wake,
    pub(super) log: EventLog,
}

/// What the supervisor is waiting for.
enum Phase {
    Idle,
    /// The open call.
    Opening {
        capture: Capture,
        since: Instant,
        deadline: Instant,
    },
    /// Frames.
    Running {
        capture: Capture,
        opened_at: Instant,
        /// Until then a camera that has given no frame yet may take its time.
        first_frame_due: Instant,
        deadline: Instant,
        retry_at: Option<Instant>,
        /// Since when the stream is being stopped and started.
        restart_since: Option<Instant>,
    },
    /// An old handle to be released, before anything is opened.
    Closing {
        capture: Capture,
        deadline: Instant,
        then: Next,
    },
    /// The time of the next step; nothing is open.
    Resting {
        step: Step,
        until: Instant,
    },
    /// The device being reset.
    Resetting {
        number: u64,
        deadline: Instant,
    },
    /// Somebody to act.
    Failed,
}

#[derive(Clone, Copy)]
enum Next {
    Stay,
    Open,
    Take(Step, Instant),
    Fail,
}

/// A step of recovery that is taken with the device closed.
#[derive(Clone, Copy)]
enum Step {
    Reconnect,
    ResetDevice,
    /// The device has been reset: to open it belongs to the reset.
    OpenAfterReset,
}

/// Owns the state of one camera.
pub(super) struct Supervisor {
    out: Outputs,
    settings: Settings,
    spec: SourceSpec,
    name: String,
    phase: Phase,
    ladder: Ladder,
    history: History,
    reports: (Sender<Report>, Receiver<Report>),
    n_openings: u64,
    /// The clock of the simulated camera's script.
    first_opened: Option<Instant>,
    /// Openings whose threads were left behind in a call that has not returned.
    abandoned: Vec<u64>,
    /// Worker processes that do not end although they were killed.
    stuck: StuckProcesses,
    /// Whether the source that was opened last has a process of its own.
    is_isolated: bool,
    /// The camera that was opened: a path or a number may name another one after a re-plug, and that must never be shown
    /// in its place without a word.
    bound: Option<String>,
    /// The identity of the camera that is being opened.
    found: Option<String>,
    resets: Resets,
    waits: Waits,
    /// What the device delivers when it is opened as asked, for the choice of another format.
    usual_format: Option<PixelFormat>,
    controls: ControlBook,
    /// Dropped when the device has been closed.
    closed: Option<Sender<()>>,

    tally: Tally,
    outage: Outage,
    status_due: Instant,
    history_due: Instant,
    last_level: Option<(State, Option<u8>)>,
}

impl Supervisor {
    pub(super) fn new(spec: SourceSpec, settings: Settings, out: Outputs) -> Self {
        let now = Instant::now();
        Self {
            outage: Outage::new(spec.to_string(), out.log.clone()),
            out,
            ladder: Ladder::new(settings.recovery.clone(), fastrand::u64(..)),
            settings,
            name: spec.to_string(),
            spec,
            phase: Phase::Idle,
            history: History::default(),
            // Deep enough that a capture thread does not wait for the supervisor, too shallow to hold old pictures.
            reports: bounded(4),
            n_openings: 0,
            first_opened: None,
            abandoned: Vec::new(),
            stuck: StuckProcesses::default(),
            is_isolated: false,
            bound: None,
            found: None,
            resets: Resets::new(),
            waits: Waits::default(),
            usual_format: None,
            controls: ControlBook::default(),
            closed: None,
            tally: Tally::default(),
            status_due: now,
            history_due: now,
            last_level: None,
        }
    }

    /// The one loop: commands, reports, one timer. Ends, with the device closed or left behind, when nobody can send
    /// commands any more.
    pub(super) fn run(&mut self, commands: &Receiver<Command>) {
        self.open(Instant::now());
        loop {
            let reports = self.reports.1.clone();
            let resets = self.resets.reports();
            let (signs, holds, ports) = (self.waits.signs(), self.waits.holds(), self.waits.ports());
            let timeout = match self.next_deadline() {
                Some(at) => crossbeam_channel::at(at),
                None => crossbeam_channel::never(),
            };
            select! {
                recv(commands) -> command => match command {
                    Ok(command) => self.on_command(command, Instant::now()),
                    Err(_) => break,
                },
                recv(reports) -> report => if let Ok(report) = report {
                    self.on_report(report, Instant::now());
                },
                recv(resets) -> reset => if let Ok(reset) = reset {
                    self.on_reset(reset, Instant::now());
                },
                recv(signs) -> sign => match sign {
                    Ok(sign) => self.on_sign(&sign, Instant::now()),
                    Err(_) => self.waits.on_signs_ended(),
                },
                recv(holds) -> hold => match hold {
                    Ok(hold) => self.on_hold(&hold, Instant::now()),
                    Err(_) => self.waits.forget_holders(),
                },
                recv(ports) -> sign => match sign {
                    Ok(sign) => self.on_port(sign, Instant::now()),
                    Err(_) => self.waits.forget_port(),
                },
                recv(timeout) -> _ => self.on_timer(Instant::now()),
            }
        }
        self.shut_down();
    }

    fn shut_down(&mut self) {
        let now = Instant::now();
        self.close_then(Next::Stay, now);
        let deadline = now + SHUTDOWN_DEADLINE;
        while let Phase::Closing { capture, .. } = &self.phase {
            match self.reports.1.recv_deadline(deadline) {
                Ok(Report { opening, news: News::Closed }) if opening == capture.opening => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let of_phase = match &self.phase {
            Phase::Idle => return None,
            Phase::Failed => None,
            Phase::Opening { deadline, .. } | Phase::Closing { deadline, .. } | Phase::Resetting { deadline, .. } => {
                Some(*deadline)
            }
            Phase::Running { deadline, retry_at, .. } => Some(retry_at.map_or(*deadline, |at| at.min(*deadline))),
            Phase::Resting { until, .. } => Some(*until),
        };
        [of_phase, self.picture_too_old_at()].into_iter().flatten().chain([self.status_due]).min()
    }

    /// When the picture that was told to be live is none any more, if no other comes. To say so shall not wait for the
    /// next status that is due.
    fn picture_too_old_at(&self) -> Option<Instant> {
        let is_told_live = matches!(self.last_level, Some((State::Streaming, _)));
        let last = self.tally.last_frame_at.filter(|_| is_told_live && self.outage.since.is_none())?;
        Some(last + self.stall_deadline())
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Start => match &self.phase {
                Phase::Idle | Phase::Failed => {
                    self.bound = None;
                    self.ladder.start_over();
                    self.open(now);
                }
                Phase::Closing { then: Next::Stay | Next::Fail, .. } => {
                    self.ladder.start_over();
                    self.set_next(Next::Open);
                }
                Phase::Closing { .. }
                | Phase::Opening { .. }
                | Phase::Running { .. }
                | Phase::Resting { .. }
                | Phase::Resetting { .. } => {}
            },
            Command::Stop => self.stop(now),
            Command::Release(closed) => {
                self.closed = Some(closed);
                self.stop(now);
            }
            Command::Apply(settings) => self.apply(*settings, now),
            Command::Switch(spec) => self.switch(*spec, now),
            Command::WaitUntilFree => self.wait_until_free(now),
            Command::StopTrying => self.stop_trying(now),
            Command::ResetDevice => self.reset_as_asked(now),
            Command::RecoverNow => self.recover_now(now),
            Command::SetControls(settings) => self.set_controls(settings),
        }
        self.publish(now);
    }

    fn stop(&mut self, now: Instant) {
        self.waits.end();
        self.interrupt_rung(now);
        if !matches!(self.phase, Phase::Idle) {
            self.log(Level::Info, "stop", "Stopped");
        }
        self.outage.end_unwanted();
        self.tally.health.on_stream_end();
        self.close_then(Next::Stay, now);
    }

    fn apply(&mut self, settings: Settings, now: Instant) {
        let before = &self.settings;
        let reopen = settings.asked != before.asked
            || self.spec.backend(&settings) != self.spec.backend(before)
            || settings.isolation != before.isolation
            || self.spec.is_network()
                && (settings.network.transport != before.network.transport
                    || settings.network.trusted_certificates != before.network.trusted_certificates);
        self.ladder.set_settings(settings.recovery.clone());
        self.settings = settings;
        if reopen && !matches!(self.phase, Phase::Idle) {
            self.log(Level::Info, "open", "Opening again with other settings");
            self.interrupt_rung(now);
            self.ladder.start_over();
            self.outage.begin_anew(now);
            self.tally.health.on_stream_end();
            self.close_then(Next::Open, now);
        }
    }

    fn switch(&mut self, spec: SourceSpec, now: Instant) {
        self.interrupt_rung(now);
        self.name = spec.to_string();
        self.outage = Outage::new(spec.to_string(), self.out.log.clone());
        self.outage.begin_anew(now);
        self.spec = spec;
        self.bound = None;
        self.waits.end();
        self.first_opened = None;
        self.ladder = Ladder::new(self.settings.recovery.clone(), fastrand::u64(..));
        self.history = History::default();
        self.tally = Tally::default();
        self.usual_format = None;
        self.controls = ControlBook::default();
        self.publish_controls();
        self.close_then(Next::Open, now);
    }

    fn on_named(&mut self, name: String, identity: Option<String>) {
        // One that is away for a while keeps its name.
        if identity.is_some() || self.bound.is_none() {
            self.name = name;
        }
        self.found = identity;
    }

    fn on_report(&mut self, report: Report, now: Instant) {
        if let News::Closed = report.news {
            self.on_closed(report.opening, now);
        } else if self.current_opening() == Some(report.opening) {
            match report.news {
                News::Opened { got, backend } => self.on_opened(got, backend, now),
                News::Named(name, identity) => self.on_named(name, identity),
                News::Changed(got) => {
                    self.tally.got = got;
                    let message = format!("The camera changed its stream: {}", describe(&self.tally.got));
                    self.log(Level::Warning, "format", message);
                }
                News::Frame { image, grabbed, wall } => self.on_frame(image, grabbed, wall, now),
                News::Controls(news) => self.on_controls(news, now),
                News::WarmedUp => {
                    self.tally.drops.warm_up += 1;
                    self.extend_deadline(now);
                }
                News::Failed(fault) => self.on_failed(fault, now),
                News::Restarted(Ok(())) => self.on_restarted(now),
                // A stream that could not be started again has nothing to be read.
                News::Restarted(Err(fault)) => self.on_failure(fault, Stream::Gone, now),
                News::Closed => {}
            }
        }
    }

    fn set_controls(&mut self, settings: Vec<Setting>) {
        self.controls.choose(&settings);
        if let Phase::Running { capture, .. } = &self.phase {
            // Those that find no room are set when the camera is opened anew.
            let _ = capture.set_controls(settings);
        }
    }

    fn on_controls(&mut self, news: ControlNews, now: Instant) {
        let Some(response) = self.controls.on_news(news, now) else { return };
        for (level, message) in response.events {
            self.log(level, "control", message);
        }
        if let Phase::Running { capture, .. } = &self.phase
            && !response.to_set.is_empty()
        {
            let _ = capture.set_controls(response.to_set);
        }
        self.publish_controls();
    }

    fn publish_controls(&self) {
        let list = self.controls.list().to_vec();
        let camera = self.bound.clone().unwrap_or_else(|| self.spec.without_password());
        self.out.controls.publish(DeviceControls { source: self.spec.to_string(), camera, list });
        (self.out.wake)();
    }

    /// The opening whose reports count: not one that is being closed or was left behind.
    fn current_opening(&self) -> Option<u64> {
        match &self.phase {
            Phase::Opening { capture, .. } | Phase::Running { capture, .. } => Some(capture.opening),
            Phase::Idle | Phase::Closing { .. } | Phase::Resting { .. } | Phase::Resetting { .. } | Phase::Failed => {
                None
            }
        }
    }

    fn on_opened(&mut self, got: Got, backend: Backend, now: Instant) {
        let capture = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Opening { capture, .. } => capture,
            other => {
                self.phase = other;
                return;
            }
        };
        self.tally.got = got;
        self.bound = self.bound.take().or_else(|| self.found.take());
        self.tally.backend = Some(backend);
        if self.ladder.way() == Way::AsAsked {
            self.usual_format = self.tally.got.format;
        }
        self.tally.on_open_ended(now);
        let deadline = now + secs(self.settings.recovery.first_frame_deadline_secs);
        self.phase = Phase::Running {
            capture,
            opened_at: now,
            first_frame_due: deadline,
            deadline,
            retry_at: None,
            restart_since: None,
        };
        let took = self.tally.open_ms.unwrap_or_default();
        let message = format!("Opened through {} in {took} ms: {}", backend.label(), describe(&self.tally.got));
        self.log(Level::Info, "open", message);
        self.publish(now);
    }

    fn on_frame(&mut self, image: Image, grabbed: Grabbed, wall: SystemTime, now: Instant) {
        self.tally.on_frame(grabbed, now);
        let is_first = self.tally.n_frames_of_opening == 1;
        if is_first {
            self.waits.end();
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
        self.extend_deadline(now);
        let frame = Frame {
            image,
            number: self.tally.n_frames,
            sequence: grabbed.sequence,
            taken_at: grabbed.taken_at,
            taken_at_wall: wall,
            fingerprint: None,
        };
        self.out.frames.publish(frame);
        if is_first || now >= self.status_due {
            self.publish(now);
        } else {
            (self.out.wake)();
        }
    }

    /// Some sign of life came: the stall deadline starts over.
    fn extend_deadline(&mut self, now: Instant) {
        let (stall, grace) = (self.stall_deadline(), self.grace());
        if let Phase::Running { deadline, retry_at, .. } = &mut self.phase {
            *deadline = now + stall + grace;
            *retry_at = None;
        }
    }

    /// How much longer than the source itself the supervisor waits for it.
    fn grace(&self) -> Duration {
        if self.is_isolated { ISOLATED_GRACE } else { GRACE }
    }

    fn stall_deadline(&self) -> Duration {
        let period = self.tally.got.fps.or(self.asked().fps).filter(|fps| *fps > 0.0).map_or(0.0, f64::recip);
        secs(self.settings.recovery.stall_deadline_secs.max(STALL_PERIODS * period))
    }

    fn on_timer(&mut self, now: Instant) {
        if let Phase::Running { capture, retry_at, .. } = &mut self.phase
            && retry_at.is_some_and(|at| now >= at)
        {
            *retry_at = None;
            capture.go_on();
            self.begin(Rung::Retry, "Retry: reading again".to_owned(), now);
        }
        match &self.phase {
            Phase::Opening { deadline, .. } | Phase::Running { deadline, .. } | Phase::Resetting { deadline, .. }
                if now >= *deadline =>
            {
                self.on_overdue(now);
            }
            Phase::Closing { deadline, .. } if now >= *deadline => self.abandon(now),
            Phase::Resting { until, step } if now >= *until => {
                let step = *step;
                self.take(step, now);
            }
            Phase::Idle
            | Phase::Failed
            | Phase::Opening { .. }
            | Phase::Running { .. }
            | Phase::Closing { .. }
            | Phase::Resting { .. }
            | Phase::Resetting { .. } => {}
        }
        if now >= self.status_due || self.picture_too_old_at().is_some_and(|at| now >= at) {
            self.publish(now);
        }
    }

    /// A device has been closed, one way or the other.
    fn on_closed(&mut self, opening: u64, now: Instant) {
        if let Some(position) = self.abandoned.iter().position(|abandoned| *abandoned == opening) {
            self.abandoned.swap_remove(position);
            self.log(
                Level::Info,
                "closed",
                "A driver call that had been given up has come back; its handle is released",
            );
        } else if let Phase::Closing { capture, then, .. } = &self.phase
            && capture.opening == opening
        {
            let then = *then;
            self.phase = Phase::Idle;
            self.go_to(then, now);
        }
        self.publish(now);
    }

    /// Asks the capture thread, if there is one, to close the device, and goes on when it has.
    fn close_then(&mut self, then: Next, now: Instant) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Opening { mut capture, .. } | Phase::Running { mut capture, .. } => {
                capture.stop();
                Phase::Closing { capture, deadline: now + CLOSE_DEADLINE, then }
            }
            Phase::Closing { capture, deadline, .. } => Phase::Closing { capture, deadline, then },
            Phase::Idle | Phase::Resting { .. } | Phase::Resetting { .. } | Phase::Failed => {
                return self.go_to(then, now);
            }
        };
    }

    fn set_next(&mut self, next: Next) {
        if let Phase::Closing { then, .. } = &mut self.phase {
            *then = next;
        }
    }

    fn go_to(&mut self, next: Next, now: Instant) {
        self.closed = None;
        match next {
            Next::Stay => self.phase = Phase::Idle,
            Next::Fail => self.phase = Phase::Failed,
            Next::Open => self.open(now),
            Next::Take(step, until) if now < until => self.phase = Phase::Resting { step, until },
            Next::Take(step, _) => self.take(step, now),
        }
    }

    /// The device did not close in time: its thread is left behind, and frees it whenever the call returns.
    fn abandon(&mut self, now: Instant) {
        if let Phase::Closing { capture, then, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.abandoned.push(capture.opening);
            let waited = CLOSE_DEADLINE.as_secs();
            self.log(
                Level::Warning,
                "hung",
                format!(
                    "A call into the driver has not come back {waited} s after it was asked to end; it is left behind"
                ),
            );
            self.go_to(then, now);
        }
        self.publish(now);
    }

    fn n_abandoned(&self) -> u32 {
        u32::try_from(self.abandoned.len()).unwrap_or(u32::MAX)
    }

    fn open(&mut self, now: Instant) {
        self.outage.since.get_or_insert(now);
        self.tally.on_opening(now);
        self.n_openings += 1;
        if self.abandoned.len() + self.stuck.len() >= MAX_ABANDONED {
            let message = format!("{MAX_ABANDONED} calls into the driver have not come back: {}", self.label());
            self.phase = Phase::Idle;
            return self.on_failure(Fault::new(FaultKind::Hung, message), Stream::Gone, now);
        }
        let request = self.open_request(now);
        let deadline = now + request.patience() + GRACE;
        self.is_isolated = request.backend().is_ok_and(|backend| request.is_isolated(backend));
        // These do not begin with us.
        let is_running = matches!(self.spec, SourceSpec::File(_) | SourceSpec::Url(_));
        let n_warm_up = if is_running { 0 } else { self.settings.n_warm_up_frames };
        match Capture::start(self.n_openings, request, n_warm_up, self.reports.0.clone()) {
            Ok(capture) => self.phase = Phase::Opening { capture, since: now, deadline },
            Err(error) => {
                self.phase = Phase::Idle;
                let fault = Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}"));
                self.on_failure(fault, Stream::Gone, now);
            }
        }
        self.publish(now);
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
            frame_deadline: self.stall_deadline(),
            stuck: self.stuck.clone(),
            ..OpenRequest::new(self.spec_to_open(), &self.settings)
        };
        let factor = if matches!(request.backend(), Ok(Backend::Msmf)) {
            let [first, later] = MSMF_OPEN_FACTORS;
            if self.ladder.n_attempts() == 0 { first } else { later }
        } else {
            1.0
        };
        OpenRequest { open_deadline: request.open_deadline.mul_f64(factor), ..request }
    }

    fn spec_to_open(&self) -> SourceSpec {
        self.bound.clone().map_or_else(|| self.spec.clone(), SourceSpec::Device)
    }

    fn asked(&self) -> Asked {
        self.spec.asked(self.settings.asked)
    }

    /// The source as a message ends with it: a bare number would say nothing.
    fn label(&self) -> String {
        match &self.spec {
            SourceSpec::Index(index) => format!("camera {index}"),
            spec => spec.to_string(),
        }
    }

    fn log(&self, level: Level, name: &str, message: impl Into<String>) {
        self.outage.log(level, name, message);
    }
}
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn supervisor(source: &str) -> Supervisor {
        let outputs = Outputs {
            frames: Latest::new(),
            status: Latest::new(),
            history: Latest::new(),
            controls: Latest::new(),
            wake: Arc::new(|| {}),
            log: EventLog::new(),
        };
        let settings = Settings { n_warm_up_frames: 0, ..Settings::default() };
        Supervisor::new(SourceSpec::parse(source).unwrap(), settings, outputs)
    }

    #[test]
    fn a_picture_that_stands_still_is_told_when_it_is_too_old_and_not_at_the_next_look() {
        let mut supervisor = supervisor("sim:64x48");
        supervisor.open(Instant::now());
        while supervisor.tally.n_frames == 0 {
            let report = supervisor.reports.1.recv().unwrap();
            supervisor.on_report(report, Instant::now());
        }
        let last = supervisor.tally.last_frame_at.unwrap();
        let too_old = last + supervisor.stall_deadline();
        supervisor.on_timer(too_old.checked_sub(Duration::from_millis(20)).unwrap());
        assert_eq!(supervisor.next_deadline(), Some(too_old));
        let state = |supervisor: &Supervisor| supervisor.out.status.reader().current().unwrap().state;
        assert_eq!(state(&supervisor), State::Streaming);
        supervisor.on_timer(too_old);
        assert_eq!(state(&supervisor), State::Recovering);
        // Said once, not for ever.
        assert!(supervisor.next_deadline() > Some(too_old));
    }

    #[test]
    fn a_refused_login_is_not_tried_again_in_ten_minutes() {
        let mut supervisor = supervisor("rtsp://admin:geheim@127.0.0.1:9/");
        let begin = Instant::now();
        supervisor.on_failure(Fault::new(FaultKind::LoginRefused, "401"), Stream::Gone, begin);
        let mut now = begin;
        while now < begin + Duration::from_mins(10) {
            assert!(matches!(supervisor.phase, Phase::Failed), "{now:?}");
            supervisor.on_timer(now);
            now = supervisor.next_deadline().unwrap();
        }
        assert_eq!(supervisor.n_openings, 0);
        // Other settings of recovery are no reason either; another way to the camera is.
        let mut settings = supervisor.settings.clone();
        settings.recovery.n_retries += 1;
        settings.network.recent.push("rtsp://camera/".into());
        supervisor.on_command(Command::Apply(Box::new(settings.clone())), now);
        assert_eq!(supervisor.n_openings, 0);
        settings.network.transport = crate::settings::Transport::Udp;
        supervisor.on_command(Command::Apply(Box::new(settings)), now);
        assert_eq!(supervisor.n_openings, 1);
        supervisor.on_command(Command::Stop, now);
    }
}
