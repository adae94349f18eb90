//! What is done about a failure: the ladder decides, its steps become effects, and how they end is told.

use std::time::{Duration, Instant};

use super::{Attempt, Effect, Machine, Phase, Step, Then, WatchState, Watched};
use crate::backend::Backend;
use crate::camera::outage::ordinal;
use crate::device::watch::{DeviceEvent, HolderEvent};
use crate::event::Level;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::PixelFormat;
use crate::network::port;
use crate::recovery::{HELD_PAUSE, Plan, Situation, StreamState, UNHELD_PAUSE, Way};
use crate::settings::secs;
use crate::source::SourceSpec;
use crate::status::{Rung, State};

/// How long a reset of a device is waited for; the system takes a third of a second for a USB camera.
const RESET_DEADLINE: Duration = Duration::from_secs(10);
/// A device that has been reset is looked for by its drivers first.
const PAUSE_AFTER_RESET: Duration = Duration::from_secs(1);

/// A camera that has come is given to its users by udev a moment later.
const PLUG_SETTLE: Duration = Duration::from_millis(100);
/// A program closes its handles one by one.
const RELEASE_SETTLE: Duration = Duration::from_millis(200);

impl Machine {
    /// The next step at once, whatever is waited for; from a standstill, a reconnection.
    pub(super) fn recover_now(&mut self, now: Instant) {
        self.ladder.forgive();
        if !matches!(self.phase, Phase::Opening { .. } | Phase::Resetting { .. }) {
            self.log(Level::Info, "rung", "The next step at once, as asked");
        }
        let reconnect = |attempt| Then::Take { step: Step::Reconnect, attempt, at: now };
        match self.phase {
            Phase::Retrying { device, at: Some(_), deadline } => {
                self.enter(Phase::Retrying { device, at: None, deadline });
                self.read_on(now);
            }
            Phase::Resting { step, .. } => self.take(step, now),
            Phase::Closing { opening, deadline, then: Then::Take { step, attempt, .. } } => {
                let then = Then::Take { step, attempt, at: now };
                self.enter(Phase::Closing { opening, deadline, then });
            }
            Phase::Opening { .. } | Phase::Resetting { .. } | Phase::Closing { then: Then::Open(_), .. } => {}
            Phase::Closing { opening, deadline, then: Then::Stay | Then::Fail } => {
                let then = reconnect(self.attempt());
                self.enter(Phase::Closing { opening, deadline, then });
                self.ladder.start_over();
            }
            Phase::Idle | Phase::Failed => {
                self.ladder.start_over();
                self.take(Step::Reconnect, now);
            }
            Phase::FirstFrame { .. }
            | Phase::Streaming { .. }
            | Phase::Stale { .. }
            | Phase::Retrying { .. }
            | Phase::Restarting { .. } => {
                self.interrupt_rung(now);
                self.tally.on_interruption(now);
                self.close_then(reconnect(self.attempt()), now);
            }
        }
    }

    /// Has effect only while something is being tried: a live picture stays.
    pub(super) fn stop_trying(&mut self, now: Instant) {
        match self.phase {
            Phase::Idle
            | Phase::Failed
            | Phase::Streaming { .. }
            | Phase::Closing { then: Then::Stay | Then::Fail, .. } => return,
            // Nothing has failed: to try nothing more is to stop.
            _ if self.outage.last_fault.is_none() => return self.stop(now),
            _ => {}
        }
        self.interrupt_rung(now);
        self.outage.on_stop_trying(now);
        self.tally.on_interruption(now);
        self.close_then(Then::Fail, now);
    }

    /// The user's consent to the reset of the device, or the user's request for it.
    pub(super) fn reset_as_asked(&mut self, now: Instant) {
        if device_name(&self.spec).is_none() {
            let message = format!("Only a camera of this computer can be reset, not {}", self.spec);
            return self.log(Level::Warning, "rung", message);
        }
        if !self.resets_out.is_empty() {
            return self.log(Level::Warning, "rung", "A reset of the camera is under way already");
        }
        self.ladder.forgive();
        self.interrupt_rung(now);
        if !matches!(self.phase, Phase::Idle | Phase::Failed) {
            self.tally.on_interruption(now);
        }
        let then = Then::Take { step: Step::ResetDevice, attempt: Attempt::Recovery, at: now };
        self.close_then(then, now);
    }

    /// A camera has come or gone: looks whether it is ours.
    pub(super) fn on_devices(&mut self, event: &DeviceEvent, now: Instant) {
        if *event == DeviceEvent::ListChanged && self.ladder.waits_for() == Some(FaultClass::Plug) {
            self.reconnect_within(PLUG_SETTLE, now);
        }
    }

    /// Who holds the device is known, or has let go.
    pub(super) fn on_holders(&mut self, event: &HolderEvent, now: Instant) {
        if self.ladder.waits_for() != Some(FaultClass::Busy) {
            return;
        }
        match event {
            HolderEvent::HeldBy(_) => {
                self.watching = WatchState::Holders { is_held: true };
                self.put_off(now + HELD_PAUSE);
            }
            HolderEvent::Released => {
                self.log(Level::Info, "rung", "A program has let go of the camera");
                // Who holds it now is another question.
                self.watch(WatchState::Nothing, None);
                self.reconnect_within(RELEASE_SETTLE, now);
            }
        }
        self.is_status_wanted = true;
    }

    /// Nothing answers on the port of a network camera, or something does again.
    pub(super) fn on_port(&mut self, event: port::PortEvent, now: Instant) {
        let is_awaited = self.reconnection_at().is_some();
        match event {
            port::PortEvent::Closed => {
                self.watching = WatchState::Port { is_silent: true };
                if is_awaited {
                    self.ladder.wait_for_port();
                    self.put_off(now + HELD_PAUSE);
                    self.log(Level::Info, "rung", format!("Waiting until the port of {} answers", self.label()));
                }
            }
            port::PortEvent::Open => {
                self.watch(WatchState::Nothing, None);
                if is_awaited {
                    self.log(Level::Info, "rung", format!("The port of {} answers again", self.label()));
                    self.reconnect_within(Duration::ZERO, now);
                }
            }
        }
        self.is_status_wanted = true;
    }

    /// The time of the reconnection that is waited for.
    fn reconnection_at(&mut self) -> Option<&mut Instant> {
        match &mut self.phase {
            Phase::Resting { step: Step::Reconnect, until: at, .. }
            | Phase::Closing { then: Then::Take { step: Step::Reconnect, at, .. }, .. } => Some(at),
            _ => None,
        }
    }

    fn reconnect_within(&mut self, pause: Duration, now: Instant) {
        if let Some(at) = self.reconnection_at() {
            *at = (*at).min(now + pause);
        }
    }

    fn put_off(&mut self, until: Instant) {
        if let Some(at) = self.reconnection_at() {
            *at = until;
        }
    }

    /// The user asks for a camera that others hold, or held when it was tried last.
    pub(super) fn wait_until_free(&mut self, now: Instant) {
        if !self.outage.last_fault.as_ref().is_some_and(|fault| fault.class == FaultClass::Busy) {
            return self.log(Level::Info, "rung", "No other program is known to hold the camera");
        }
        self.ladder.wait_for_release();
        match self.phase {
            Phase::Idle | Phase::Failed | Phase::Closing { then: Then::Stay | Then::Fail, .. } => {
                self.log(Level::Info, "rung", "Waiting until the camera is free, as asked");
                self.outage.rung = Some(Rung::Reinitialise);
                self.watch_end_of(Some(FaultClass::Busy), None);
                let (step, attempt) = (Step::Reconnect, self.attempt());
                self.close_then(Then::Take { step, attempt, at: now + UNHELD_PAUSE }, now);
            }
            // It is waited for already.
            _ => {}
        }
    }

    /// The capture thread that waits after a failure shall go on.
    pub(super) fn read_on(&mut self, now: Instant) {
        self.effects.push(Effect::ReadOn);
        self.begin(Rung::Retry, "Retry: reading again".to_owned(), now);
    }

    /// The stream was stopped and started: it has as long for its next frame as a stream that was just opened.
    pub(super) fn on_restarted(&mut self, now: Instant) {
        let Phase::Restarting { mut device, .. } = self.phase else { return };
        let due = now + self.first_frame_deadline().max(self.stall_deadline());
        device.first_frame_due = due;
        self.enter(Phase::FirstFrame { device, attempt: Attempt::Recovery, deadline: due + self.grace() });
    }

    /// The capture thread could not open or read, and waits, or has ended.
    pub(super) fn on_failed(&mut self, fault: Fault, now: Instant) {
        let Some(device) = self.phase.device() else {
            return self.on_failure(fault, StreamState::Gone, now);
        };
        if fault.kind == FaultKind::Stall && self.tally.n_frames_of_opening > 0 && self.may_frame_still_come(now) {
            return self.effects.push(Effect::ReadOn);
        }
        if fault.kind != FaultKind::Stall || self.tally.n_frames_of_opening > 0 {
            return self.on_failure(fault, StreamState::Open, now);
        }
        // The call waited for the time of a stall; a first frame may take longer.
        if now < device.first_frame_due {
            return self.effects.push(Effect::ReadOn);
        }
        let waited = now.saturating_duration_since(device.since).as_secs_f64();
        let message = format!("no first frame for {waited:.1} s after opening: {}", self.label());
        let fault = Fault { code: fault.code, ..Fault::new(FaultKind::NoFirstFrame, message) };
        self.on_failure(fault, StreamState::Open, now);
    }

    /// A deadline passed while a call into the driver is out.
    pub(super) fn on_overdue(&mut self, now: Instant) {
        let waited = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let label = self.label();
        let (kind, message, stream) = match &self.phase {
            Phase::Opening { since, .. } => {
                let message = format!("opening has not come back for {:.1} s: {label}", waited(*since));
                (FaultKind::OpenTimeout, message, StreamState::Gone)
            }
            Phase::Restarting { since, .. } => {
                let message =
                    format!("the restart of the stream has not come back for {:.1} s: {label}", waited(*since));
                (FaultKind::Hung, message, StreamState::CallOut)
            }
            Phase::Resetting { since, .. } => {
                let limit = waited(*since);
                let message = format!("the reset has not come back for {limit:.0} s, and is left behind: {label}");
                return self.after_reset(Err(Fault::new(FaultKind::ResetFailed, message)), now);
            }
            other => match other.device() {
                Some(device) if self.tally.n_frames_of_opening == 0 => {
                    let message = format!("no first frame for {:.1} s after opening: {label}", waited(device.since));
                    (FaultKind::NoFirstFrame, message, StreamState::CallOut)
                }
                Some(_) => {
                    let limit = self.stall_deadline().as_secs_f64();
                    let message = format!("no frame for {limit:.1} s, and the driver's call is still out: {label}");
                    (FaultKind::Stall, message, StreamState::CallOut)
                }
                None => return,
            },
        };
        self.on_failure(Fault::new(kind, message), stream, now);
    }

    /// Something failed: decides what comes next, and begins it if it is due.
    pub(super) fn on_failure(&mut self, fault: Fault, stream: StreamState, now: Instant) {
        self.is_status_wanted = true;
        let is_damage = fault.class == FaultClass::Quality;
        let plan = self.judge(fault, stream, now);
        match plan {
            Plan::Do { rung: Rung::Retry, .. } if is_damage => {
                // The next picture may be good: the stream is as it was.
                self.wait_on(now);
                self.effects.push(Effect::ReadOn);
            }
            Plan::Do { rung: Rung::Retry, at } => self.retry(at, stream, now),
            Plan::Do { rung: Rung::RestartStream, .. } => self.restart_stream(now),
            Plan::Do { rung: Rung::ResetDevice, at } => {
                self.give_up_stream(Then::Take { step: Step::ResetDevice, attempt: Attempt::Recovery, at }, now);
            }
            Plan::Do { rung: Rung::Reinitialise | Rung::AdviseReboot, at } => {
                self.give_up_stream(Then::Take { step: Step::Reconnect, attempt: Attempt::Recovery, at }, now);
            }
            Plan::GiveUp => self.give_up_stream(Then::Fail, now),
        }
    }

    fn retry(&mut self, at: Instant, stream: StreamState, now: Instant) {
        let Some(device) = self.phase.device() else { return };
        let (stall, grace) = (self.stall_deadline(), self.grace());
        if stream == StreamState::CallOut {
            self.enter(Phase::Retrying { device, at: None, deadline: now + stall });
            self.begin(Rung::Retry, "Retry: waiting on, the driver's call is still out".to_owned(), now);
            return;
        }
        let before = self.phase.deadline().unwrap_or(now);
        let deadline = before.max(at + stall + grace);
        let is_due = at <= now;
        self.enter(Phase::Retrying { device, at: Some(at).filter(|_| !is_due), deadline });
        if is_due {
            self.effects.push(Effect::ReadOn);
            self.begin(Rung::Retry, "Retry: waiting on".to_owned(), now);
        }
    }

    /// Has the ladder decide about a fault, and everybody told.
    fn judge(&mut self, fault: Fault, stream: StreamState, now: Instant) -> Plan {
        self.tally.on_open_ended(now);
        let fault = self.ladder.escalate(fault, now);
        let is_damage = fault.class == FaultClass::Quality && stream != StreamState::Gone;
        if is_damage {
            self.tally.on_damaged_frame();
        } else if let Some(ended) = self.ladder.on_rung_failed(&fault, now) {
            self.outage.on_rung_ended(ended, Some(&fault));
        }
        let knew_of_consent = self.ladder.needs_consent();
        let other_backends = self.other_backends();
        let situation = Situation {
            stream,
            is_device: device_name(&self.spec_to_open()).is_some(),
            is_watched: match fault.class {
                FaultClass::Busy => self.is_held(),
                _ => self.watching == WatchState::Port { is_silent: true } && is_of_port(&fault),
            },
            other_format: self.other_format(),
            other_backends: &other_backends,
        };
        let plan = self.ladder.on_failure(&fault, situation, now);
        if !is_damage {
            let port = Some(&fault).filter(|fault| plan != Plan::GiveUp && is_of_port(fault));
            self.watch_end_of(self.ladder.waits_for(), port);
        }
        self.outage.on_failure(fault, plan, self.ladder.should_reboot(), self.tally.last_frame_at, now);
        if self.ladder.needs_consent() && !knew_of_consent {
            self.outage.on_consent_needed(self.ladder.n_attempts());
        }
        if self.ladder.advise_reboot() {
            self.outage.on_reboot_advised(self.ladder.n_attempts());
        }
        plan
    }

    /// Watches what ends a wait of this class. A network camera's port is watched where the fault is about that.
    fn watch_end_of(&mut self, class: Option<FaultClass>, of_port: Option<&Fault>) {
        let device = device_name(&self.spec_to_open());
        match (class, device, &self.spec) {
            (Some(FaultClass::Plug), _, _) => self.watch(WatchState::Plug, Some(Watched::Plug)),
            (Some(FaultClass::Busy), Some(device), _) => {
                self.watch(WatchState::Holders { is_held: false }, Some(Watched::Holders(device)));
            }
            (_, _, SourceSpec::Url(address)) if of_port.is_some() => {
                let target = Watched::Port(Box::new(address.clone()));
                self.watch(WatchState::Port { is_silent: false }, Some(target));
            }
            _ => self.watch(WatchState::Nothing, None),
        }
    }

    fn is_held(&self) -> bool {
        self.watching == WatchState::Holders { is_held: true }
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
        let usual = self.spec.backend(&self.settings).or(backends.first().copied());
        backends.retain(|backend| Some(*backend) != usual);
        backends
    }

    /// What is told when a rung is carried out; nothing when it is no news.
    fn begin(&mut self, rung: Rung, message: String, now: Instant) {
        if self.ladder.begin(rung, now) {
            self.outage.on_rung_begun(rung, message);
        }
    }

    pub(super) fn interrupt_rung(&mut self, now: Instant) {
        if let Some(ended) = self.ladder.interrupt(now) {
            self.outage.on_rung_ended(ended, None);
        }
    }

    fn restart_stream(&mut self, now: Instant) {
        let Some(device) = self.phase.device() else { return };
        // Most backends can only do it by opening the device anew.
        let (open, first_frame) =
            (self.settings.recovery.open_deadline_secs, self.settings.recovery.first_frame_deadline_secs);
        let limit = secs(if self.spec.is_network() { open + first_frame.max(5.0) } else { open.max(first_frame) });
        self.enter(Phase::Restarting { device, since: now, deadline: now + limit + self.grace() });
        self.effects.push(Effect::RestartStream);
        self.begin(Rung::RestartStream, "Restarting the stream, with the camera kept open".to_owned(), now);
    }

    fn give_up_stream(&mut self, then: Then, now: Instant) {
        self.tally.on_interruption(now);
        self.close_then(then, now);
    }

    pub(super) fn take(&mut self, step: Step, now: Instant) {
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
            Some(FaultClass::Network) => return "Trying the camera now and then until its port answers".to_owned(),
            Some(_) if self.is_held() => return "Waiting until the camera is let go of".to_owned(),
            Some(_) => return "Trying every few seconds whether the camera is free".to_owned(),
            None => match self.ladder.way() {
                Way::AsAsked => String::new(),
                Way::WithFormat(format) => match self.usual_format.or(self.asked().format) {
                    Some(usual) => format!(" with {format} in place of {usual}"),
                    None => format!(" with {format}"),
                },
                Way::Through(backend) => {
                    let usual = self.spec.backend(&self.settings).or(self.spec.backends().first().copied());
                    let usual = usual.map(|usual| format!(" in place of {}", usual.label())).unwrap_or_default();
                    format!(" through {}{usual}", backend.label())
                }
            },
        };
        format!("Reconnect{how}, {} try", ordinal(self.ladder.n_attempts() + 1))
    }

    /// The device is closed: has it reset.
    fn reset(&mut self, now: Instant) {
        self.outage.since.get_or_insert(now);
        self.outage.is_announced = true;
        self.is_status_wanted = true;
        self.begin(Rung::ResetDevice, "Resetting the camera on its bus".to_owned(), now);
        self.n_resets += 1;
        let number = self.n_resets;
        self.enter(Phase::Resetting { number, since: now, deadline: now + RESET_DEADLINE });
        match device_name(&self.spec) {
            Some(name) if self.resets_out.is_empty() => {
                self.resets_out.push(number);
                self.effects.push(Effect::Reset { number, name });
            }
            Some(_) => self.not_reset("an earlier reset has not come back", now),
            None => self.not_reset("it is no camera of this computer", now),
        }
    }

    fn not_reset(&mut self, why: &str, now: Instant) {
        let message = format!("{} cannot be reset: {why}", self.label());
        self.after_reset(Err(Fault::new(FaultKind::ResetFailed, message)), now);
    }

    pub(super) fn on_reset_ended(&mut self, number: u64, result: Result<(), Fault>, now: Instant) {
        self.resets_out.retain(|out| *out != number);
        match self.phase {
            Phase::Resetting { number: current, .. } if current == number => self.after_reset(result, now),
            _ => self.log(Level::Info, "rung", "A reset that was not waited for any more has come back"),
        }
        self.is_status_wanted = true;
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
        self.enter(Phase::Resting { step, attempt: Attempt::Recovery, until: now + PAUSE_AFTER_RESET });
        self.is_status_wanted = true;
    }

    /// Resets that have not come back, besides the one that is waited for.
    pub(super) fn n_resets_left_behind(&self) -> usize {
        let current = match self.phase {
            Phase::Resetting { number, .. } => Some(number),
            _ => None,
        };
        self.resets_out.iter().filter(|number| Some(**number) != current).count()
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase.state() == State::Streaming
    }
}

/// That there is no way to the camera, as opposed to what it says.
fn is_of_port(fault: &Fault) -> bool {
    fault.class == FaultClass::Network
        && matches!(fault.kind, FaultKind::Refused | FaultKind::Unreachable | FaultKind::NameUnknown)
}

/// By what the system finds the device; `None` for what is no device of this computer.
pub(super) fn device_name(spec: &SourceSpec) -> Option<String> {
    match spec {
        SourceSpec::Index(index) => Some(index.to_string()),
        SourceSpec::Device(name) => Some(name.clone()),
        SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => None,
    }
}
