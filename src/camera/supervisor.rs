//! The one loop that decides about a camera: it owns the state, waits for commands, reports and one timer, and calls no
//! driver.

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use super::capture::{Capture, News, Report};
use super::{Command, SHUTDOWN_DEADLINE, Wake};
use crate::backend::Backend;
use crate::event::Level;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::{Frame, Image};
use crate::health::{Condition, Health, History};
use crate::latest::Latest;
use crate::logging::EventLog;
use crate::recovery::{Ladder, Plan};
use crate::settings::{Settings, secs};
use crate::source::{Grabbed, OpenRequest, SourceSpec};
use crate::status::{Alert, AlertName, Drops, Got, Grade, Rung, State, Status};

/// How often the status is published while a camera is at work.
const STATUS_PERIOD: Duration = Duration::from_millis(250);
/// How often the score is added to the history.
const HISTORY_PERIOD: Duration = Duration::from_millis(500);
/// How long a device may take to close before its thread is left behind.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// Sources with a time-out of their own use the stall deadline; the supervisor waits this much longer for them.
const GRACE: Duration = Duration::from_millis(250);
/// Threads left behind in calls that do not return. With more, nothing is opened until one comes back.
const MAX_ABANDONED: u32 = 4;
/// A stall is at least this many frame periods (libcamera's dequeue watchdog has the same).
const STALL_PERIODS: f64 = 5.0;
/// Media Foundation opens in 4 to 20 s on many machines; the second try is given more.
const MSMF_OPEN_FACTORS: [f64; 2] = [3.0, 5.0];
/// Damaged frames come many a second: the log gets one line in this time.
const DAMAGE_LOG_PERIOD: Duration = Duration::from_secs(5);

/// Where the supervisor's results go.
pub(super) struct Outputs {
    pub(super) frames: Latest<Frame>,
    pub(super) status: Latest<Status>,
    pub(super) history: Latest<History>,
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
        deadline: Instant,
        retry_at: Option<Instant>,
    },
    /// An old handle to be released, before anything is opened.
    Closing {
        capture: Capture,
        deadline: Instant,
        then: Next,
    },
    /// The time of the next reconnection.
    Resting {
        until: Instant,
    },
    /// Somebody to act.
    Failed,
}

#[derive(Clone, Copy)]
enum Next {
    Stay,
    Open,
    OpenAt(Instant),
    Fail,
}

/// Owns the state of one camera.
pub(super) struct Supervisor {
    out: Outputs,
    settings: Settings,
    spec: SourceSpec,
    name: String,
    phase: Phase,
    ladder: Ladder,
    health: Health,
    history: History,
    reports: (Sender<Report>, Receiver<Report>),
    n_openings: u64,
    /// The clock of the simulated camera's script.
    first_opened: Option<Instant>,
    /// Openings whose threads were left behind in a call that has not returned.
    abandoned: Vec<u64>,

    n_frames: u64,
    drops: Drops,
    got: Got,
    backend: Option<Backend>,
    last_sequence: Option<u64>,
    last_frame_at: Option<Instant>,
    last_fault: Option<Fault>,
    rung: Option<Rung>,
    /// When the live picture ended, or was first wanted; `None` while there is one.
    outage_since: Option<Instant>,
    /// Whether something failed in this outage, so that its end is news.
    outage_announced: bool,
    issue: Option<Alert>,
    opening_since: Option<Instant>,
    open_ms: Option<u64>,
    first_frame_ms: Option<u64>,
    /// Good frames since this opening.
    n_frames_of_opening: u64,
    latency_ms: Option<f64>,
    n_unlogged_damaged: u32,
    damage_logged_at: Option<Instant>,
    status_due: Instant,
    history_due: Instant,
    last_level: Option<(State, u8)>,
}

impl Supervisor {
    pub(super) fn new(spec: SourceSpec, settings: Settings, out: Outputs) -> Self {
        let now = Instant::now();
        Self {
            out,
            ladder: Ladder::new(settings.recovery.clone(), fastrand::u64(..)),
            settings,
            name: spec.to_string(),
            spec,
            phase: Phase::Idle,
            health: Health::default(),
            history: History::default(),
            // Deep enough that a capture thread does not wait for the supervisor, too shallow to hold old pictures.
            reports: bounded(4),
            n_openings: 0,
            first_opened: None,
            abandoned: Vec::new(),
            n_frames: 0,
            drops: Drops::default(),
            got: Got::default(),
            backend: None,
            last_sequence: None,
            last_frame_at: None,
            last_fault: None,
            rung: None,
            outage_since: None,
            outage_announced: false,
            issue: None,
            opening_since: None,
            open_ms: None,
            first_frame_ms: None,
            n_frames_of_opening: 0,
            latency_ms: None,
            n_unlogged_damaged: 0,
            damage_logged_at: None,
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
            Phase::Opening { deadline, .. } | Phase::Closing { deadline, .. } => Some(*deadline),
            Phase::Running { deadline, retry_at, .. } => Some(retry_at.map_or(*deadline, |at| at.min(*deadline))),
            Phase::Resting { until } => Some(*until),
        };
        Some(of_phase.map_or(self.status_due, |at| at.min(self.status_due)))
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Start => match &self.phase {
                Phase::Idle | Phase::Failed => self.open(now),
                Phase::Closing { .. } => self.set_next(Next::Open),
                Phase::Opening { .. } | Phase::Running { .. } | Phase::Resting { .. } => {}
            },
            Command::Stop => {
                if !matches!(self.phase, Phase::Idle) {
                    self.log(Level::Info, "stop", "Stopped");
                }
                self.outage_since = None;
                self.outage_announced = false;
                self.issue = None;
                self.rung = None;
                self.health.on_stream_end();
                self.close_then(Next::Stay, now);
            }
            Command::Apply(settings) => self.apply(*settings, now),
            Command::Switch(spec) => self.switch(*spec, now),
            Command::RecoverNow => {
                if let Phase::Running { capture, retry_at: retry_at @ Some(_), .. } = &mut self.phase {
                    *retry_at = None;
                    capture.go_on();
                } else if !matches!(self.phase, Phase::Opening { .. } | Phase::Closing { .. }) {
                    self.log(Level::Info, "rung", "Reconnect, asked for");
                    self.rung = Some(Rung::Reinitialise);
                    self.close_then(Next::Open, now);
                }
            }
        }
        self.publish(now);
    }

    fn apply(&mut self, settings: Settings, now: Instant) {
        let reopen = settings.asked != self.settings.asked || settings.backend != self.settings.backend;
        self.ladder.set_settings(settings.recovery.clone());
        self.settings = settings;
        if reopen && !matches!(self.phase, Phase::Idle) {
            self.log(Level::Info, "open", "Opening again with other settings");
            self.reset_outage(now);
            self.close_then(Next::Open, now);
        }
    }

    fn switch(&mut self, spec: SourceSpec, now: Instant) {
        self.name = spec.to_string();
        self.spec = spec;
        self.first_opened = None;
        self.ladder = Ladder::new(self.settings.recovery.clone(), fastrand::u64(..));
        self.health = Health::default();
        self.history = History::default();
        self.n_frames = 0;
        self.drops = Drops::default();
        self.got = Got::default();
        self.backend = None;
        self.last_frame_at = None;
        self.latency_ms = None;
        self.reset_outage(now);
        self.close_then(Next::Open, now);
    }

    fn reset_outage(&mut self, now: Instant) {
        self.last_fault = None;
        self.issue = None;
        self.rung = None;
        self.outage_since = Some(now);
        self.outage_announced = false;
        self.health.on_stream_end();
    }

    fn on_report(&mut self, report: Report, now: Instant) {
        if let News::Closed = report.news {
            self.on_closed(report.opening, now);
        } else if self.current_opening() == Some(report.opening) {
            match report.news {
                News::Opened { got, backend } => self.on_opened(got, backend, now),
                News::Named(name) => self.name = name,
                News::Changed(got) => {
                    self.got = got;
                    let message = format!("The camera changed its stream: {}", describe(&self.got));
                    self.log(Level::Warning, "format", message);
                }
                News::Frame { image, grabbed, wall } => self.on_frame(image, grabbed, wall, now),
                News::WarmedUp => {
                    self.drops.warm_up += 1;
                    self.extend_deadline(now);
                }
                News::Failed(fault) => self.on_failure(fault, now),
                News::Closed => {}
            }
        }
    }

    /// The opening whose reports count: not one that is being closed or was left behind.
    fn current_opening(&self) -> Option<u64> {
        match &self.phase {
            Phase::Opening { capture, .. } | Phase::Running { capture, .. } => Some(capture.opening),
            Phase::Idle | Phase::Closing { .. } | Phase::Resting { .. } | Phase::Failed => None,
        }
    }

    fn on_opened(&mut self, got: Got, backend: Backend, now: Instant) {
        let (capture, since) = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Opening { capture, since, .. } => (capture, since),
            other => {
                self.phase = other;
                return;
            }
        };
        self.got = got;
        self.backend = Some(backend);
        self.open_ms = Some(millis(now.saturating_duration_since(since)));
        self.last_sequence = None;
        let deadline = now + secs(self.settings.recovery.first_frame_deadline_secs);
        self.phase = Phase::Running { capture, opened_at: now, deadline, retry_at: None };
        let took = self.open_ms.unwrap_or_default();
        let message = format!("Opened through {} in {took} ms: {}", backend.label(), describe(&self.got));
        self.log(Level::Info, "open", message);
        self.publish(now);
    }

    fn on_frame(&mut self, image: Image, grabbed: Grabbed, wall: SystemTime, now: Instant) {
        let n_lost = match (self.last_sequence, grabbed.sequence) {
            // A driver that starts counting anew has not lost anything.
            (Some(last), Some(this)) if this > last => this - last - 1,
            _ => 0,
        };
        self.last_sequence = grabbed.sequence;
        self.drops.camera += n_lost;
        self.health.on_frame(grabbed.taken_at, n_lost);
        self.n_frames += 1;
        self.n_frames_of_opening += 1;
        if self.n_frames_of_opening == 1 {
            self.first_frame_ms = self.opening_since.map(|since| millis(now.saturating_duration_since(since)));
        }
        self.last_frame_at = Some(grabbed.taken_at);
        let latency_ms = now.saturating_duration_since(grabbed.taken_at).as_secs_f64() * 1_000.0;
        self.latency_ms = Some(self.latency_ms.map_or(latency_ms, |smoothed| smoothed * 0.9 + latency_ms * 0.1));
        self.end_outage(now);
        self.ladder.on_good_frame(now);
        self.extend_deadline(now);
        let frame = Frame {
            image,
            number: self.n_frames,
            sequence: grabbed.sequence,
            taken_at: grabbed.taken_at,
            taken_at_wall: wall,
        };
        self.out.frames.publish(frame);
        if self.n_frames_of_opening == 1 || now >= self.status_due {
            self.publish(now);
        } else {
            (self.out.wake)();
        }
    }

    fn end_outage(&mut self, now: Instant) {
        let attempts = self.ladder.n_attempts();
        let first = self.n_frames == 1;
        if let Some(since) = self.outage_since.take() {
            let lasted = now.saturating_duration_since(since).as_secs_f64();
            if self.outage_announced {
                let how = match (self.rung, attempts) {
                    (Some(Rung::Reinitialise), n) => format!("reconnect, {} try", ordinal(n)),
                    (Some(rung), _) => rung.to_string(),
                    (None, _) => "by itself".to_owned(),
                };
                self.log(Level::Good, "recovered", format!("Picture back after {lasted:.1} s ({how})"));
                if self.issue.take().is_some() {
                    self.log(
                        Level::Good,
                        AlertName::CameraRecovery.as_str(),
                        format!("Alert ended: recovered after {lasted:.1} s"),
                    );
                }
            } else if first || self.rung.is_none() {
                self.log(
                    Level::Info,
                    "open",
                    format!(
                        "First picture after {} ms: {}",
                        self.first_frame_ms.unwrap_or_default(),
                        describe(&self.got)
                    ),
                );
            }
        }
        self.outage_announced = false;
        self.issue = None;
        self.rung = None;
        self.last_fault = self.last_fault.take().filter(|fault| fault.class == FaultClass::Quality);
    }

    /// Some sign of life came: the stall deadline starts over.
    fn extend_deadline(&mut self, now: Instant) {
        let stall = self.stall_deadline();
        if let Phase::Running { deadline, retry_at, .. } = &mut self.phase {
            *deadline = now + stall + GRACE;
            *retry_at = None;
        }
    }

    fn stall_deadline(&self) -> Duration {
        let period = self.got.fps.or(self.settings.asked.fps).filter(|fps| *fps > 0.0).map_or(0.0, f64::recip);
        secs(self.settings.recovery.stall_deadline_secs.max(STALL_PERIODS * period))
    }

    fn on_failure(&mut self, fault: Fault, now: Instant) {
        if fault.class == FaultClass::Quality {
            self.drops.damaged += 1;
            self.health.on_lost(1);
        }
        let is_open = matches!(self.phase, Phase::Running { .. });
        if !is_open && self.open_ms.is_none() {
            self.open_ms = self.opening_since.map(|since| millis(now.saturating_duration_since(since)));
        }
        let plan = self.ladder.on_failure(&fault, is_open, now);
        self.announce(&fault, plan, now);
        self.last_fault = Some(fault);
        match plan {
            Plan::Do { rung: Rung::Retry, at } => {
                self.rung = Some(Rung::Retry).filter(|_| at > now);
                let stall = self.stall_deadline();
                if let Phase::Running { capture, retry_at, deadline, .. } = &mut self.phase {
                    if at <= now {
                        capture.go_on();
                    } else {
                        *retry_at = Some(at);
                        *deadline = (*deadline).max(at + stall + GRACE);
                    }
                }
            }
            Plan::Do { rung, at } => {
                self.rung = Some(rung);
                self.interrupt(now);
                self.close_then(Next::OpenAt(at), now);
            }
            Plan::GiveUp => {
                self.rung = None;
                self.interrupt(now);
                self.close_then(Next::Fail, now);
            }
        }
        self.publish(now);
    }

    fn interrupt(&mut self, now: Instant) {
        if self.n_frames_of_opening > 0 {
            self.health.on_interruption(now);
        } else {
            self.health.on_stream_end();
        }
        self.n_frames_of_opening = 0;
    }

    /// Tells the log what failed and what comes next: once for each kind, not for each repetition.
    fn announce(&mut self, fault: &Fault, plan: Plan, now: Instant) {
        if fault.class == FaultClass::Quality {
            self.n_unlogged_damaged += 1;
            if self.damage_logged_at.is_none_or(|at| now.saturating_duration_since(at) >= DAMAGE_LOG_PERIOD) {
                let message = match self.n_unlogged_damaged {
                    1 => format!("Damaged frame: {fault}"),
                    n => format!("{n} damaged frames; the last one: {fault}"),
                };
                self.log(Level::Warning, "damaged", message);
                self.damage_logged_at = Some(now);
                self.n_unlogged_damaged = 0;
            }
            return;
        }
        // An outage begins when the last picture came, not when its absence was noticed.
        self.outage_since = self.outage_since.or(self.last_frame_at).or(Some(now));
        let is_news =
            self.last_fault.as_ref().is_none_or(|last| last.kind != fault.kind || last.message != fault.message);
        let gives_up = plan == Plan::GiveUp;
        let level = if gives_up { Level::Error } else { Level::Warning };
        if is_news || gives_up || !self.outage_announced {
            self.log(level, fault.kind.slug(), sentence(fault));
        } else {
            self.log(Level::Debug, fault.kind.slug(), sentence(fault));
        }
        self.outage_announced = true;
        match plan {
            Plan::Do { rung: Rung::Retry, .. } => {}
            Plan::Do { rung, at } => {
                let pause = at.saturating_duration_since(now).as_secs_f64();
                let number = self.ladder.n_attempts() + 1;
                let of = self.settings.recovery.n_recovery_attempts;
                self.log(
                    Level::Warning,
                    "rung",
                    format!("Next: {rung} in {pause:.1} s (attempt {number}, rest after {of})"),
                );
            }
            Plan::GiveUp => self.log(Level::Error, "rung", format!("Not tried again by itself. {}", fault.advice)),
        }
        self.raise_alert(fault, gives_up);
    }

    fn raise_alert(&mut self, fault: &Fault, gives_up: bool) {
        let critical = gives_up || self.ladder.should_reboot();
        let (name, cause) = if critical {
            (AlertName::CameraCritical, if gives_up { "needs somebody to act" } else { "system reboot needed" })
        } else {
            let cause = match fault.class {
                FaultClass::Stalled if fault.kind != FaultKind::OpenFailed => "capture_failure",
                FaultClass::Quality | FaultClass::Resource => "buffer_error",
                _ => "connection_error",
            };
            (AlertName::CameraIssue, cause)
        };
        let alert = Alert { name, cause: cause.to_owned(), message: fault.to_string() };
        if self.issue.as_ref().is_none_or(|open| open.name != alert.name) {
            let level = if critical { Level::Error } else { Level::Warning };
            self.log(level, name.as_str(), format!("Alert: {cause}"));
        }
        self.issue = Some(alert);
    }

    fn on_timer(&mut self, now: Instant) {
        let mut due = false;
        if let Phase::Running { capture, retry_at, .. } = &mut self.phase
            && retry_at.is_some_and(|at| now >= at)
        {
            *retry_at = None;
            capture.go_on();
        }
        match &self.phase {
            Phase::Opening { deadline, since, .. } if now >= *deadline => {
                let took = now.saturating_duration_since(*since).as_secs_f64();
                let message = format!("opening has not come back for {took:.1} s: {}", self.spec);
                self.on_failure(Fault::new(FaultKind::OpenTimeout, message), now);
            }
            Phase::Running { deadline, opened_at, .. } if now >= *deadline => {
                let fault = if self.n_frames_of_opening == 0 {
                    let took = now.saturating_duration_since(*opened_at).as_secs_f64();
                    Fault::new(
                        FaultKind::NoFirstFrame,
                        format!("no first frame for {took:.1} s after opening: {}", self.spec),
                    )
                } else {
                    let limit = self.stall_deadline().as_secs_f64();
                    Fault::new(
                        FaultKind::Stall,
                        format!("no frame for {limit:.1} s, and the driver's call has not come back: {}", self.spec),
                    )
                };
                // Reading again is impossible while the call is out: the deadline just begins anew.
                let stall = self.stall_deadline();
                if let Phase::Running { deadline, .. } = &mut self.phase {
                    *deadline = now + stall;
                }
                self.on_failure(fault, now);
            }
            Phase::Closing { deadline, .. } if now >= *deadline => self.abandon(now),
            Phase::Resting { until } if now >= *until => self.reconnect(now),
            Phase::Idle
            | Phase::Failed
            | Phase::Opening { .. }
            | Phase::Running { .. }
            | Phase::Closing { .. }
            | Phase::Resting { .. } => due = true,
        }
        if due || now >= self.status_due {
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
            Phase::Opening { capture, .. } | Phase::Running { capture, .. } => {
                capture.stop();
                Phase::Closing { capture, deadline: now + CLOSE_DEADLINE, then }
            }
            Phase::Closing { capture, deadline, .. } => Phase::Closing { capture, deadline, then },
            Phase::Idle | Phase::Resting { .. } | Phase::Failed => return self.go_to(then, now),
        };
    }

    fn set_next(&mut self, next: Next) {
        if let Phase::Closing { then, .. } = &mut self.phase {
            *then = next;
        }
    }

    fn go_to(&mut self, next: Next, now: Instant) {
        match next {
            Next::Stay => self.phase = Phase::Idle,
            Next::Fail => self.phase = Phase::Failed,
            Next::Open => self.open(now),
            Next::OpenAt(until) if now < until => self.phase = Phase::Resting { until },
            Next::OpenAt(_) => self.reconnect(now),
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

    fn reconnect(&mut self, now: Instant) {
        self.ladder.on_reconnect();
        self.open(now);
    }

    fn n_abandoned(&self) -> u32 {
        u32::try_from(self.abandoned.len()).unwrap_or(u32::MAX)
    }

    fn open(&mut self, now: Instant) {
        self.outage_since.get_or_insert(now);
        self.opening_since = Some(now);
        self.open_ms = None;
        self.first_frame_ms = None;
        self.n_frames_of_opening = 0;
        self.n_openings += 1;
        if self.n_abandoned() >= MAX_ABANDONED {
            let message = format!("{MAX_ABANDONED} calls into the driver have not come back: {}", self.spec);
            self.phase = Phase::Idle;
            return self.on_failure(Fault::new(FaultKind::Hung, message), now);
        }
        let request = self.open_request(now);
        let deadline = now + request.open_deadline + GRACE;
        let is_file = matches!(self.spec, SourceSpec::File(_));
        let n_warm_up = if is_file { 0 } else { self.settings.n_warm_up_frames };
        match Capture::start(self.n_openings, request, n_warm_up, self.reports.0.clone()) {
            Ok(capture) => self.phase = Phase::Opening { capture, since: now, deadline },
            Err(error) => {
                self.phase = Phase::Idle;
                self.on_failure(
                    Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}")),
                    now,
                );
            }
        }
        self.publish(now);
    }

    fn open_request(&mut self, now: Instant) -> OpenRequest {
        let request = OpenRequest {
            spec: self.spec.clone(),
            backend: self.settings.backend,
            asked: self.settings.asked,
            first_opened: *self.first_opened.get_or_insert(now),
            open_deadline: secs(self.settings.recovery.open_deadline_secs),
            frame_deadline: self.stall_deadline(),
        };
        let factor = if matches!(request.backend(), Ok(Backend::Msmf)) {
            let [first, later] = MSMF_OPEN_FACTORS;
            if self.ladder.n_attempts() == 0 { first } else { later }
        } else {
            1.0
        };
        OpenRequest { open_deadline: request.open_deadline.mul_f64(factor), ..request }
    }

    fn state(&self, now: Instant) -> State {
        match &self.phase {
            Phase::Idle | Phase::Closing { then: Next::Stay, .. } => State::Idle,
            Phase::Failed | Phase::Closing { then: Next::Fail, .. } => State::Failed,
            Phase::Running { retry_at: None, .. } if self.n_frames_of_opening > 0 && self.outage(now).is_none() => {
                State::Streaming
            }
            _ if self.outage_announced => State::Recovering,
            Phase::Opening { .. } | Phase::Closing { .. } | Phase::Running { .. } | Phase::Resting { .. } => {
                if self.n_frames_of_opening > 0 { State::Recovering } else { State::Opening }
            }
        }
    }

    /// How long there has been no live picture although one is wanted. Short gaps are none.
    fn outage(&self, now: Instant) -> Option<Duration> {
        let age = |since: Instant| now.saturating_duration_since(since);
        match self.outage_since {
            Some(since) => Some(age(since)).filter(|_| self.outage_announced),
            None => self.last_frame_at.map(age).filter(|age| *age > self.stall_deadline()),
        }
    }

    pub(super) fn publish(&mut self, now: Instant) {
        self.status_due = now + STATUS_PERIOD;
        let state = self.state(now);
        let working = state != State::Idle;
        let outage = self.outage(now).filter(|_| working);
        let condition = Condition {
            n_failures: if working { self.ladder.n_failures() } else { 0 },
            unavailable: self.outage_announced && working && !matches!(self.phase, Phase::Running { .. }),
            outage,
            agreed_fps: self.got.fps.or(self.settings.asked.fps).filter(|_| state == State::Streaming),
        };
        let (health_score, deductions) = self.health.score(condition, now);
        if working && now >= self.history_due {
            self.history_due = now + HISTORY_PERIOD;
            self.history.push(now, health_score);
            self.out.history.publish(self.history.clone());
        }
        let next_try = match &self.phase {
            Phase::Resting { until } | Phase::Closing { then: Next::OpenAt(until), .. } => Some(*until),
            Phase::Running { retry_at, .. } => *retry_at,
            Phase::Idle | Phase::Failed | Phase::Opening { .. } | Phase::Closing { .. } => None,
        };
        let is_opened = matches!(self.phase, Phase::Running { .. });
        let is_streaming = state == State::Streaming;
        let status = Status {
            source: self.spec.to_string(),
            camera_index: self.spec.index(),
            backend: self
                .backend
                .or(self.settings.backend)
                .or_else(|| self.spec.backends().first().copied())
                .map_or("none", Backend::slug)
                .to_owned(),
            state,
            is_opened,
            is_initialized: is_opened && self.n_frames_of_opening > 0,
            is_capturing: is_streaming,
            is_healthy: is_streaming && Grade::of(health_score) >= Grade::Good,
            health_score,
            grade: Grade::of(health_score),
            deductions,
            consecutive_failures: self.ladder.n_failures(),
            has_cached_frame: self.n_frames > 0,
            fps: if is_streaming { (self.health.fps(now) * 10.0).round() / 10.0 } else { 0.0 },
            width: self.got.size.map_or(0, |size| size.width),
            height: self.got.size.map_or(0, |size| size.height),
            frames: self.n_frames,
            dropped: self.drops.total(),
            last_frame_age_secs: self.last_frame_at.map(|at| round_secs(now.saturating_duration_since(at))),
            recovery_attempts: self.ladder.n_attempts(),
            rung: if self.ladder.should_reboot() { Some(Rung::AdviseReboot) } else { self.rung },
            last_fault: self.last_fault.clone(),
            should_reboot: self.ladder.should_reboot(),
            alerts: self.issue.iter().cloned().collect(),
            name: self.name.clone(),
            asked: self.settings.asked,
            got: self.got.clone(),
            open_ms: self.open_ms,
            first_frame_ms: self.first_frame_ms,
            latency_ms: self.latency_ms.map(|ms| (ms * 10.0).round() / 10.0),
            drops: self.drops,
            outage_secs: outage.map(round_secs),
            next_try_secs: next_try.map(|at| round_secs(at.saturating_duration_since(now))),
            abandoned_calls: self.n_abandoned(),
        };
        self.out.status.publish(status);
        let level = (state, health_score);
        if working || self.last_level != Some(level) {
            (self.out.wake)();
        }
        self.last_level = Some(level);
    }

    fn log(&self, level: Level, name: &str, message: impl Into<String>) {
        self.out.log.add(&self.spec.to_string(), level, name, message);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds for people and JSON: a thousandth is all that means anything.
fn round_secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (1, not_eleven) if not_eleven != 11 => "st",
        (2, not_twelve) if not_twelve != 12 => "nd",
        (3, not_thirteen) if not_thirteen != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// “640x480 MJPG at 30 fps”.
fn describe(got: &Got) -> String {
    let size = got.size.map_or_else(|| "size unknown".to_owned(), |size| size.to_string());
    let format = got.format.map(|format| format!(" {format}")).unwrap_or_default();
    let fps = got.fps.map(|fps| format!(" at {fps:.4} fps")).map(|text| trim_zeros(&text)).unwrap_or_default();
    format!("{size}{format}{fps}")
}

/// “30.0000 fps” is written “30 fps”.
fn trim_zeros(text: &str) -> String {
    let (number, unit) = text.rsplit_once(' ').unwrap_or((text, ""));
    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// The fault as a line of the log: it begins with a capital letter.
fn sentence(fault: &Fault) -> String {
    let text = fault.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
