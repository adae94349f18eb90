//! The one loop that decides about a camera: it owns the state, waits for commands, reports and one timer, and calls no
//! driver.

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use super::capture::{Capture, News, Report};
use super::outage::{Outage, ordinal};
use super::reset::{self, Resets, device_name};
use super::tally::{Tally, describe};
use super::{Command, SHUTDOWN_DEADLINE, Wake};
use crate::backend::Backend;
use crate::event::Level;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::{Frame, Image, PixelFormat};
use crate::health::{Condition, History};
use crate::latest::Latest;
use crate::logging::EventLog;
use crate::recovery::{Ladder, Plan, Situation, Stream, Way};
use crate::settings::{Settings, secs};
use crate::source::{Grabbed, OpenRequest, SourceSpec, StuckProcesses};
use crate::status::{Asked, Got, Grade, Rung, State, Status};

/// How often the status is published while a camera is at work.
const STATUS_PERIOD: Duration = Duration::from_millis(250);
/// The same when it is given up: nothing changes but the time, and nobody pays a repaint for that many times a second.
const FAILED_STATUS_PERIOD: Duration = Duration::from_secs(5);
/// How often the score is added to the history.
const HISTORY_PERIOD: Duration = Duration::from_millis(500);
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
/// How long a reset of a device is waited for; the system takes a third of a second for a USB camera.
const RESET_DEADLINE: Duration = Duration::from_secs(10);
/// A device that has been reset is looked for by its drivers first.
const PAUSE_AFTER_RESET: Duration = Duration::from_secs(1);
/// Media Foundation opens in 4 to 20 s on many machines; the second try is given more.
const MSMF_OPEN_FACTORS: [f64; 2] = [3.0, 5.0];

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
    resets: Resets,
    /// What the device delivers when it is opened as asked, for the choice of another format.
    usual_format: Option<PixelFormat>,

    tally: Tally,
    outage: Outage,
    status_due: Instant,
    history_due: Instant,
    last_level: Option<(State, u8)>,
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
            resets: Resets::new(),
            usual_format: None,
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
                    self.ladder.start_over();
                    self.open(now);
                }
                Phase::Closing { .. } => {
                    self.ladder.start_over();
                    self.set_next(Next::Open);
                }
                Phase::Opening { .. } | Phase::Running { .. } | Phase::Resting { .. } | Phase::Resetting { .. } => {}
            },
            Command::Stop => self.stop(now),
            Command::Apply(settings) => self.apply(*settings, now),
            Command::Switch(spec) => self.switch(*spec, now),
            Command::StopTrying => self.stop_trying(now),
            Command::ResetDevice => self.reset_as_asked(now),
            Command::RecoverNow => self.recover_now(now),
        }
        self.publish(now);
    }

    fn stop(&mut self, now: Instant) {
        self.interrupt_rung(now);
        if !matches!(self.phase, Phase::Idle) {
            self.log(Level::Info, "stop", "Stopped");
        }
        self.outage.end_unwanted();
        self.tally.health.on_stream_end();
        self.close_then(Next::Stay, now);
    }

    /// Has effect only while something is being tried: a live picture stays.
    fn stop_trying(&mut self, now: Instant) {
        match &self.phase {
            Phase::Idle | Phase::Failed | Phase::Closing { then: Next::Stay | Next::Fail, .. } => return,
            Phase::Running { .. } if self.state(now) == State::Streaming => return,
            // Nothing has failed: to try nothing more is to stop.
            _ if self.outage.last_fault.is_none() => return self.stop(now),
            _ => {}
        }
        self.interrupt_rung(now);
        self.outage.on_stop_trying();
        self.tally.on_interruption(now);
        self.close_then(Next::Fail, now);
    }

    /// The next step at once, whatever is waited for; from a standstill, a reconnection.
    fn recover_now(&mut self, now: Instant) {
        self.ladder.forgive();
        match &mut self.phase {
            Phase::Running { capture, retry_at: retry_at @ Some(_), .. } => {
                *retry_at = None;
                capture.go_on();
                self.begin(Rung::Retry, "Retry, asked for".to_owned(), now);
            }
            Phase::Resting { step, .. } => {
                let step = *step;
                self.take(step, now);
            }
            Phase::Closing { then: Next::Take(_, at), .. } => *at = now,
            Phase::Opening { .. } | Phase::Resetting { .. } => {}
            Phase::Closing { then, .. } => match then {
                Next::Open => {}
                _ => *then = Next::Take(Step::Reconnect, now),
            },
            Phase::Idle | Phase::Failed => {
                self.ladder.start_over();
                self.take(Step::Reconnect, now);
            }
            Phase::Running { .. } => {
                self.interrupt_rung(now);
                self.tally.on_interruption(now);
                self.close_then(Next::Take(Step::Reconnect, now), now);
            }
        }
    }

    fn reset_as_asked(&mut self, now: Instant) {
        if device_name(&self.spec).is_none() {
            let message = format!("Only a camera of this computer can be reset, not {}", self.spec);
            return self.log(Level::Warning, "rung", message);
        }
        if self.resets.n_out(None) > 0 {
            return self.log(Level::Warning, "rung", "A reset of the camera is under way already");
        }
        self.ladder.forgive();
        self.interrupt_rung(now);
        if !matches!(self.phase, Phase::Idle | Phase::Failed) {
            self.tally.on_interruption(now);
        }
        let next = Next::Take(Step::ResetDevice, now);
        self.close_then(next, now);
    }

    fn apply(&mut self, settings: Settings, now: Instant) {
        let reopen = settings.asked != self.settings.asked || settings.backend != self.settings.backend;
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
        self.name = spec.to_string();
        self.outage = Outage::new(spec.to_string(), self.out.log.clone());
        self.outage.begin_anew(now);
        self.spec = spec;
        self.first_opened = None;
        self.ladder = Ladder::new(self.settings.recovery.clone(), fastrand::u64(..));
        self.history = History::default();
        self.tally = Tally::default();
        self.usual_format = None;
        self.close_then(Next::Open, now);
    }

    fn on_report(&mut self, report: Report, now: Instant) {
        if let News::Closed = report.news {
            self.on_closed(report.opening, now);
        } else if self.current_opening() == Some(report.opening) {
            match report.news {
                News::Opened { got, backend } => self.on_opened(got, backend, now),
                News::Named(name) => self.name = name,
                News::Changed(got) => {
                    self.tally.got = got;
                    let message = format!("The camera changed its stream: {}", describe(&self.tally.got));
                    self.log(Level::Warning, "format", message);
                }
                News::Frame { image, grabbed, wall } => self.on_frame(image, grabbed, wall, now),
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

    fn grace(&self) -> Duration {
        if self.is_isolated { ISOLATED_GRACE } else { GRACE }
    }

    fn stall_deadline(&self) -> Duration {
        let period = self.tally.got.fps.or(self.asked().fps).filter(|fps| *fps > 0.0).map_or(0.0, f64::recip);
        secs(self.settings.recovery.stall_deadline_secs.max(STALL_PERIODS * period))
    }

    /// The stream was stopped and started: it has as long for its next frame as a stream that was just opened.
    fn on_restarted(&mut self, now: Instant) {
        let due = now + secs(self.settings.recovery.first_frame_deadline_secs).max(self.stall_deadline());
        if let Phase::Running { first_frame_due, deadline, restart_since, .. } = &mut self.phase {
            *first_frame_due = due;
            *deadline = due + GRACE;
            *restart_since = None;
        }
    }

    /// The capture thread could not open or read, and waits, or has ended.
    fn on_failed(&mut self, fault: Fault, now: Instant) {
        let Phase::Running { capture, opened_at, first_frame_due, .. } = &self.phase else {
            return self.on_failure(fault, Stream::Gone, now);
        };
        if fault.kind != FaultKind::Stall || self.tally.n_frames_of_opening > 0 {
            return self.on_failure(fault, Stream::Open, now);
        }
        // The call waited for the time of a stall; a first frame may take longer.
        if now < *first_frame_due {
            return capture.go_on();
        }
        let waited = now.saturating_duration_since(*opened_at).as_secs_f64();
        let message = format!("no first frame for {waited:.1} s after opening: {}", self.label());
        let fault = Fault { code: fault.code, ..Fault::new(FaultKind::NoFirstFrame, message) };
        self.on_failure(fault, Stream::Open, now);
    }

    fn on_failure(&mut self, fault: Fault, stream: Stream, now: Instant) {
        let is_damage = fault.class == FaultClass::Quality;
        let plan = self.judge(fault, stream, now);
        match plan {
            Plan::Do { rung: Rung::Retry, at } => {
                let wait = self.stall_deadline() + GRACE;
                let is_due = at <= now;
                if let Phase::Running { capture, retry_at, deadline, .. } = &mut self.phase {
                    if stream == Stream::CallOut {
                        *deadline = now + wait;
                    } else {
                        *retry_at = Some(at).filter(|_| !is_due);
                        *deadline = (*deadline).max(at + wait);
                        if is_due {
                            capture.go_on();
                        }
                    }
                }
                if is_due && !is_damage {
                    self.begin(Rung::Retry, "Retry: reading on".to_owned(), now);
                }
            }
            Plan::Do { rung: Rung::RestartStream, .. } => self.restart_stream(now),
            Plan::Do { rung: Rung::ResetDevice, at } => self.give_up_stream(Next::Take(Step::ResetDevice, at), now),
            Plan::Do { rung: Rung::Reinitialise | Rung::AdviseReboot, at } => {
                self.give_up_stream(Next::Take(Step::Reconnect, at), now);
            }
            Plan::GiveUp => self.give_up_stream(Next::Fail, now),
        }
        self.publish(now);
    }

    /// Has the ladder decide about a fault, and everybody told.
    fn judge(&mut self, fault: Fault, stream: Stream, now: Instant) -> Plan {
        self.tally.on_open_ended(now);
        let fault = self.ladder.escalate(fault, now);
        let is_damage = fault.class == FaultClass::Quality && stream != Stream::Gone;
        if is_damage {
            self.tally.on_damaged_frame();
        } else if let Some(ended) = self.ladder.on_rung_failed(&fault, now) {
            self.outage.on_rung_ended(ended, Some(&fault));
        }
        let knew_of_consent = self.ladder.needs_consent();
        let other_backends = self.other_backends();
        let situation = Situation {
            stream,
            is_device: device_name(&self.spec).is_some(),
            other_format: self.other_format(),
            other_backends: &other_backends,
        };
        let plan = self.ladder.on_failure(&fault, situation, now);
        self.outage.on_failure(fault, plan, self.ladder.should_reboot(), self.tally.last_frame_at, now);
        if self.ladder.needs_consent() && !knew_of_consent {
            self.outage.on_consent_needed(self.ladder.n_attempts());
        }
        if self.ladder.advise_reboot() {
            self.outage.on_reboot_advised(self.ladder.n_attempts());
        }
        plan
    }

    /// The compressed format where the camera sends another one, and the other way round: nearly every USB camera has both.
    fn other_format(&self) -> Option<PixelFormat> {
        match &self.spec {
            SourceSpec::File(_) | SourceSpec::Url(_) => None,
            SourceSpec::Simulated(_) | SourceSpec::Index(_) | SourceSpec::Device(_) => {
                let usual = self.usual_format.or(self.asked().format);
                Some(if usual == Some(PixelFormat::MJPG) { PixelFormat::YUYV } else { PixelFormat::MJPG })
            }
        }
    }

    fn other_backends(&self) -> Vec<Backend> {
        let mut backends = self.spec.backends();
        let usual = self.settings.backend.or(backends.first().copied());
        backends.retain(|backend| Some(*backend) != usual);
        backends
    }

    /// What is told when a rung is carried out; nothing when it is no news.
    fn begin(&mut self, rung: Rung, message: String, now: Instant) {
        if self.ladder.begin(rung, now) {
            self.outage.on_rung_begun(rung, message);
        }
    }

    fn interrupt_rung(&mut self, now: Instant) {
        if let Some(ended) = self.ladder.interrupt(now) {
            self.outage.on_rung_ended(ended, None);
        }
    }

    fn restart_stream(&mut self, now: Instant) {
        // Most backends can only do it by opening the device anew.
        let limit = self.settings.recovery.open_deadline_secs.max(self.settings.recovery.first_frame_deadline_secs);
        if let Phase::Running { capture, deadline, retry_at, restart_since, .. } = &mut self.phase {
            *deadline = now + secs(limit) + GRACE;
            *retry_at = None;
            *restart_since = Some(now);
            capture.restart();
            self.begin(Rung::RestartStream, "Restarting the stream, with the camera kept open".to_owned(), now);
        }
    }

    fn give_up_stream(&mut self, next: Next, now: Instant) {
        self.tally.on_interruption(now);
        self.close_then(next, now);
    }

    fn on_timer(&mut self, now: Instant) {
        if let Phase::Running { capture, retry_at, .. } = &mut self.phase
            && retry_at.is_some_and(|at| now >= at)
        {
            *retry_at = None;
            capture.go_on();
            self.begin(Rung::Retry, "Retry: reading again".to_owned(), now);
        }
        let waited = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        match &self.phase {
            Phase::Opening { deadline, since, .. } if now >= *deadline => {
                let message = format!("opening has not come back for {:.1} s: {}", waited(*since), self.label());
                self.on_failure(Fault::new(FaultKind::OpenTimeout, message), Stream::Gone, now);
            }
            Phase::Running { deadline, restart_since: Some(since), .. } if now >= *deadline => {
                let message = format!(
                    "the restart of the stream has not come back for {:.1} s: {}",
                    waited(*since),
                    self.label()
                );
                self.on_failure(Fault::new(FaultKind::Hung, message), Stream::CallOut, now);
            }
            Phase::Running { deadline, opened_at, .. } if now >= *deadline => {
                let fault = if self.tally.n_frames_of_opening == 0 {
                    let message =
                        format!("no first frame for {:.1} s after opening: {}", waited(*opened_at), self.label());
                    Fault::new(FaultKind::NoFirstFrame, message)
                } else {
                    let limit = self.stall_deadline().as_secs_f64();
                    let message =
                        format!("no frame for {limit:.1} s, and the driver's call is still out: {}", self.label());
                    Fault::new(FaultKind::Stall, message)
                };
                self.on_failure(fault, Stream::CallOut, now);
            }
            Phase::Closing { deadline, .. } if now >= *deadline => self.abandon(now),
            Phase::Resting { until, step } if now >= *until => {
                let step = *step;
                self.take(step, now);
            }
            Phase::Resetting { deadline, .. } if now >= *deadline => {
                let message = format!(
                    "the reset has not come back for {} s, and is left behind: {}",
                    RESET_DEADLINE.as_secs(),
                    self.label()
                );
                self.after_reset(Err(Fault::new(FaultKind::ResetFailed, message)), now);
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

    fn take(&mut self, step: Step, now: Instant) {
        match step {
            Step::Reconnect => {
                let message = self.reconnection();
                self.begin(Rung::Reinitialise, message, now);
                self.open(now);
            }
            Step::ResetDevice => self.reset(now),
            Step::OpenAfterReset => self.open(now),
        }
    }

    /// What the log says of the reconnection that comes now.
    fn reconnection(&self) -> String {
        let how = match self.ladder.waits_for() {
            Some(FaultClass::Plug) => return "Looking for the camera until it is back".to_owned(),
            Some(_) => return "Trying every few seconds whether the camera is free".to_owned(),
            None => match self.ladder.way() {
                Way::AsAsked => String::new(),
                Way::WithFormat(format) => match self.usual_format.or(self.asked().format) {
                    Some(usual) => format!(" with {format} in place of {usual}"),
                    None => format!(" with {format}"),
                },
                Way::Through(backend) => {
                    let usual = self.settings.backend.or(self.spec.backends().first().copied());
                    let usual = usual.map(|usual| format!(" in place of {}", usual.label())).unwrap_or_default();
                    format!(" through {}{usual}", backend.label())
                }
            },
        };
        format!("Reconnect{how}, {} try", ordinal(self.ladder.n_attempts() + 1))
    }

    /// The device is closed: resets it on a thread that is not waited for beyond its deadline.
    fn reset(&mut self, now: Instant) {
        self.outage.since.get_or_insert(now);
        self.outage.is_announced = true;
        self.phase = Phase::Idle;
        let started = match device_name(&self.spec) {
            Some(_) if self.resets.n_out(None) > 0 => Err("an earlier reset has not come back".to_owned()),
            Some(name) => {
                self.begin(Rung::ResetDevice, "Resetting the camera on its bus".to_owned(), now);
                self.resets.start(name).map_err(|error| format!("the system gives no thread: {error}"))
            }
            None => Err("it is no camera of this computer".to_owned()),
        };
        match started {
            Ok(number) => self.phase = Phase::Resetting { number, deadline: now + RESET_DEADLINE },
            Err(why) => {
                let fault = Fault::new(FaultKind::ResetFailed, format!("{} cannot be reset: {why}", self.label()));
                self.after_reset(Err(fault), now);
            }
        }
        self.publish(now);
    }

    fn on_reset(&mut self, report: reset::Report, now: Instant) {
        self.resets.on_report(report.number);
        match &self.phase {
            Phase::Resetting { number, .. } if *number == report.number => self.after_reset(report.result, now),
            _ => self.log(Level::Info, "rung", "A reset that was not waited for any more has come back"),
        }
        self.publish(now);
    }

    /// Whatever came of it: the device is opened again, when its drivers have had time to find it.
    fn after_reset(&mut self, result: Result<(), Fault>, now: Instant) {
        let step = match result {
            Ok(()) => Step::OpenAfterReset,
            Err(fault) => {
                if let Some(ended) = self.ladder.on_rung_failed(&fault, now) {
                    self.outage.on_rung_ended(ended, Some(&fault));
                }
                self.outage.on_reset_failed(&fault);
                Step::Reconnect
            }
        };
        self.phase = Phase::Resting { step, until: now + PAUSE_AFTER_RESET };
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
        let is_file = matches!(self.spec, SourceSpec::File(_));
        let n_warm_up = if is_file { 0 } else { self.settings.n_warm_up_frames };
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
            Way::AsAsked => (self.settings.backend, self.asked()),
            Way::WithFormat(format) => (self.settings.backend, Asked { format: Some(format), ..self.asked() }),
            Way::Through(backend) => (Some(backend), self.asked()),
        };
        let request = OpenRequest {
            backend,
            asked,
            first_opened: *self.first_opened.get_or_insert(now),
            frame_deadline: self.stall_deadline(),
            stuck: self.stuck.clone(),
            ..OpenRequest::new(self.spec.clone(), &self.settings)
        };
        let factor = if matches!(request.backend(), Ok(Backend::Msmf)) {
            let [first, later] = MSMF_OPEN_FACTORS;
            if self.ladder.n_attempts() == 0 { first } else { later }
        } else {
            1.0
        };
        OpenRequest { open_deadline: request.open_deadline.mul_f64(factor), ..request }
    }

    fn asked(&self) -> Asked {
        self.spec.asked(self.settings.asked)
    }

    fn state(&self, now: Instant) -> State {
        match &self.phase {
            Phase::Idle | Phase::Closing { then: Next::Stay, .. } => State::Idle,
            Phase::Failed | Phase::Closing { then: Next::Fail, .. } => State::Failed,
            Phase::Running { retry_at: None, .. }
                if self.tally.n_frames_of_opening > 0 && self.time_without_picture(now).is_none() =>
            {
                State::Streaming
            }
            _ if self.outage.is_announced => State::Recovering,
            Phase::Opening { .. }
            | Phase::Closing { .. }
            | Phase::Running { .. }
            | Phase::Resting { .. }
            | Phase::Resetting { .. } => {
                if self.tally.n_frames_of_opening > 0 {
                    State::Recovering
                } else {
                    State::Opening
                }
            }
        }
    }

    /// How long there has been no live picture although one is wanted. Short gaps are none.
    fn time_without_picture(&self, now: Instant) -> Option<Duration> {
        let age = |since: Instant| now.saturating_duration_since(since);
        match self.outage.since {
            Some(since) => Some(age(since)).filter(|_| self.outage.is_announced),
            None => self.tally.last_frame_at.map(age).filter(|age| *age >= self.stall_deadline()),
        }
    }

    pub(super) fn publish(&mut self, now: Instant) {
        let state = self.state(now);
        self.status_due = now + if state == State::Failed { FAILED_STATUS_PERIOD } else { STATUS_PERIOD };
        let working = state != State::Idle;
        let outage = self.time_without_picture(now).filter(|_| working);
        let condition = Condition {
            n_failures: if working { self.ladder.n_failures() } else { 0 },
            unavailable: self.outage.is_announced && working && !matches!(self.phase, Phase::Running { .. }),
            outage,
            agreed_fps: self.tally.got.fps.or(self.asked().fps).filter(|_| state == State::Streaming),
        };
        let (health_score, deductions) = self.tally.health.score(condition, now);
        if working && now >= self.history_due {
            self.history_due = now + HISTORY_PERIOD;
            self.history.push(now, health_score);
            self.out.history.publish(self.history.clone());
        }
        let next_try = match &self.phase {
            Phase::Resting { until, .. } | Phase::Closing { then: Next::Take(_, until), .. } => Some(*until),
            Phase::Running { retry_at, .. } => *retry_at,
            Phase::Idle | Phase::Failed | Phase::Opening { .. } | Phase::Closing { .. } | Phase::Resetting { .. } => {
                None
            }
        };
        let current_reset = match &self.phase {
            Phase::Resetting { number, .. } => Some(*number),
            _ => None,
        };
        let is_opened = matches!(self.phase, Phase::Running { .. });
        let is_streaming = state == State::Streaming;
        let status = Status {
            source: self.spec.to_string(),
            camera_index: self.spec.index(),
            backend: self
                .tally
                .backend
                .or(self.settings.backend)
                .or_else(|| self.spec.backends().first().copied())
                .map_or("none", Backend::slug)
                .to_owned(),
            state,
            is_opened,
            is_initialized: is_opened && self.tally.n_frames_of_opening > 0,
            is_capturing: is_streaming,
            is_healthy: is_streaming && Grade::of(health_score) >= Grade::Good,
            health_score,
            grade: Grade::of(health_score),
            deductions,
            consecutive_failures: self.ladder.n_failures(),
            has_cached_frame: self.tally.n_frames > 0,
            fps: if is_streaming { (self.tally.health.fps(now) * 10.0).round() / 10.0 } else { 0.0 },
            width: self.tally.got.size.map_or(0, |size| size.width),
            height: self.tally.got.size.map_or(0, |size| size.height),
            frames: self.tally.n_frames,
            dropped: self.tally.drops.total(),
            last_frame_age_secs: self.tally.last_frame_at.map(|at| round_secs(now.saturating_duration_since(at))),
            recovery_attempts: self.ladder.n_attempts(),
            rung: if self.ladder.should_reboot() { Some(Rung::AdviseReboot) } else { self.outage.rung },
            last_fault: self.outage.last_fault.clone(),
            should_reboot: self.ladder.should_reboot(),
            alerts: self.outage.alert.iter().cloned().collect(),
            name: self.name.clone(),
            asked: self.asked(),
            got: self.tally.got.clone(),
            open_ms: self.tally.open_ms,
            first_frame_ms: self.tally.first_frame_ms,
            latency_ms: self.tally.latency_ms.map(|ms| (ms * 10.0).round() / 10.0),
            drops: self.tally.drops,
            outage_secs: outage.map(round_secs),
            next_try_secs: next_try.map(|at| round_secs(at.saturating_duration_since(now))),
            abandoned_calls: self.n_abandoned() + self.resets.n_out(current_reset),
            is_isolated: self.is_isolated,
            stuck_processes: self.stuck.report(now),
            ladder: self.ladder.report(now),
            reset_needs_consent: self.ladder.needs_consent(),
        };
        self.out.status.publish(status);
        let level = (state, health_score);
        if working || self.last_level != Some(level) {
            (self.out.wake)();
        }
        self.last_level = Some(level);
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

/// Seconds for people and JSON: a thousandth is all that means anything.
fn round_secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
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
}
