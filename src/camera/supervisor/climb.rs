//! What the supervisor does about a failure: has the ladder decide, carries out its steps, and tells how they end.

use std::time::{Duration, Instant};

use super::{Next, Phase, Step, Supervisor};
use crate::backend::Backend;
use crate::camera::outage::ordinal;
use crate::camera::reset::{self, device_name};
use crate::device::watch::{DeviceEvent, HolderEvent};
use crate::event::Level;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::PixelFormat;
use crate::network::port;
use crate::recovery::{HELD_PAUSE, Plan, Situation, Stream, UNHELD_PAUSE, Way};
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

impl Supervisor {
    /// The next step at once, whatever is waited for; from a standstill, a reconnection.
    pub(super) fn recover_now(&mut self, now: Instant) {
        self.ladder.forgive();
        if !matches!(self.phase, Phase::Opening { .. } | Phase::Resetting { .. }) {
            self.log(Level::Info, "rung", "The next step at once, as asked");
        }
        match &mut self.phase {
            Phase::Running { capture, retry_at: retry_at @ Some(_), .. } => {
                *retry_at = None;
                capture.go_on();
                self.begin(Rung::Retry, "Retry: reading again".to_owned(), now);
            }
            Phase::Resting { step, .. } => {
                let step = *step;
                self.take(step, now);
            }
            Phase::Closing { then: Next::Take(_, at), .. } => *at = now,
            Phase::Opening { .. } | Phase::Resetting { .. } | Phase::Closing { then: Next::Open, .. } => {}
            Phase::Closing { then: then @ (Next::Stay | Next::Fail), .. } => {
                *then = Next::Take(Step::Reconnect, now);
                self.ladder.start_over();
            }
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

    /// Has effect only while something is being tried: a live picture stays.
    pub(super) fn stop_trying(&mut self, now: Instant) {
        match &self.phase {
            Phase::Idle | Phase::Failed | Phase::Closing { then: Next::Stay | Next::Fail, .. } => return,
            Phase::Running { .. } if self.state(now) == State::Streaming => return,
            // Nothing has failed: to try nothing more is to stop.
            _ if self.outage.last_fault.is_none() => return self.stop(now),
            _ => {}
        }
        self.interrupt_rung(now);
        self.outage.on_stop_trying(now);
        self.tally.on_interruption(now);
        self.close_then(Next::Fail, now);
    }

    /// The user's consent to the reset of the device, or his wish for it.
    pub(super) fn reset_as_asked(&mut self, now: Instant) {
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

    /// A camera has come or gone: looks whether it is ours.
    pub(super) fn on_sign(&mut self, event: &DeviceEvent, now: Instant) {
        if *event == DeviceEvent::ListChanged && self.ladder.waits_for() == Some(FaultClass::Plug) {
            self.reconnect_within(PLUG_SETTLE, now);
        }
    }

    /// Who holds the device is known, or has let go.
    pub(super) fn on_hold(&mut self, event: &HolderEvent, now: Instant) {
        if self.ladder.waits_for() != Some(FaultClass::Busy) {
            return;
        }
        match event {
            HolderEvent::HeldBy(_) => {
                self.waits.on_held();
                self.put_off(now + HELD_PAUSE);
            }
            HolderEvent::Released => {
                self.log(Level::Info, "rung", "A program has let go of the camera");
                self.waits.forget_holders();
                self.reconnect_within(RELEASE_SETTLE, now);
            }
        }
        self.publish(now);
    }

    /// Nothing answers on the port of a network camera, or something does again.
    pub(super) fn on_port(&mut self, event: port::PortEvent, now: Instant) {
        let is_awaited = self.reconnection_at().is_some();
        match event {
            port::PortEvent::Closed => {
                self.waits.on_silent();
                if is_awaited {
                    self.ladder.wait_for_port();
                    self.put_off(now + HELD_PAUSE);
                    self.log(Level::Info, "rung", format!("Waiting until the port of {} answers", self.label()));
                }
            }
            port::PortEvent::Open => {
                self.waits.forget_port();
                if is_awaited {
                    self.log(Level::Info, "rung", format!("The port of {} answers again", self.label()));
                    self.reconnect_within(Duration::ZERO, now);
                }
            }
        }
        self.publish(now);
    }

    /// The time of the reconnection that is waited for.
    fn reconnection_at(&mut self) -> Option<&mut Instant> {
        match &mut self.phase {
            Phase::Resting { step: Step::Reconnect, until: at }
            | Phase::Closing { then: Next::Take(Step::Reconnect, at), .. } => Some(at),
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

    /// The user's wish for a camera that others hold, or held when it was tried last.
    pub(super) fn wait_until_free(&mut self, now: Instant) {
        if !self.outage.last_fault.as_ref().is_some_and(|fault| fault.class == FaultClass::Busy) {
            return self.log(Level::Info, "rung", "No other program is known to hold the camera");
        }
        self.ladder.wait_for_release();
        match self.phase {
            Phase::Idle | Phase::Failed | Phase::Closing { then: Next::Stay | Next::Fail, .. } => {
                self.log(Level::Info, "rung", "Waiting until the camera is free, as asked");
                self.outage.rung = Some(Rung::Reinitialise);
                let device = device_name(&self.spec_to_open());
                self.waits.await_end_of(Some(FaultClass::Busy), device);
                self.close_then(Next::Take(Step::Reconnect, now + UNHELD_PAUSE), now);
            }
            // It is waited for already.
            _ => {}
        }
    }

    /// The stream was stopped and started: it has as long for its next frame as a stream that was just opened.
    pub(super) fn on_restarted(&mut self, now: Instant) {
        let due = now + secs(self.settings.recovery.first_frame_deadline_secs).max(self.stall_deadline());
        let grace = self.grace();
        if let Phase::Running { first_frame_due, deadline, restart_since, .. } = &mut self.phase {
            *first_frame_due = due;
            *deadline = due + grace;
            *restart_since = None;
        }
    }

    /// The capture thread could not open or read, and waits, or has ended.
    pub(super) fn on_failed(&mut self, fault: Fault, now: Instant) {
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

    /// A deadline passed while a call into the driver is out.
    pub(super) fn on_overdue(&mut self, now: Instant) {
        let waited = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
        let label = self.label();
        let (kind, message, stream) = match &self.phase {
            Phase::Opening { since, .. } => {
                let message = format!("opening has not come back for {:.1} s: {label}", waited(*since));
                (FaultKind::OpenTimeout, message, Stream::Gone)
            }
            Phase::Running { restart_since: Some(since), .. } => {
                let message =
                    format!("the restart of the stream has not come back for {:.1} s: {label}", waited(*since));
                (FaultKind::Hung, message, Stream::CallOut)
            }
            Phase::Running { opened_at, .. } if self.tally.n_frames_of_opening == 0 => {
                let message = format!("no first frame for {:.1} s after opening: {label}", waited(*opened_at));
                (FaultKind::NoFirstFrame, message, Stream::CallOut)
            }
            Phase::Running { .. } => {
                let limit = self.stall_deadline().as_secs_f64();
                let message = format!("no frame for {limit:.1} s, and the driver's call is still out: {label}");
                (FaultKind::Stall, message, Stream::CallOut)
            }
            Phase::Resetting { .. } => {
                let limit = RESET_DEADLINE.as_secs();
                let message = format!("the reset has not come back for {limit} s, and is left behind: {label}");
                return self.after_reset(Err(Fault::new(FaultKind::ResetFailed, message)), now);
            }
            Phase::Idle | Phase::Closing { .. } | Phase::Resting { .. } | Phase::Failed => return,
        };
        self.on_failure(Fault::new(kind, message), stream, now);
    }

    /// Something failed: decides what comes next, and begins it if it is due.
    pub(super) fn on_failure(&mut self, fault: Fault, stream: Stream, now: Instant) {
        let is_damage = fault.class == FaultClass::Quality;
        let plan = self.judge(fault, stream, now);
        match plan {
            Plan::Do { rung: Rung::Retry, at } => {
                let (stall, grace) = (self.stall_deadline(), self.grace());
                let is_due = at <= now;
                if let Phase::Running { capture, retry_at, deadline, .. } = &mut self.phase {
                    if stream == Stream::CallOut {
                        *deadline = now + stall;
                    } else {
                        *retry_at = Some(at).filter(|_| !is_due);
                        *deadline = (*deadline).max(at + stall + grace);
                        if is_due {
                            capture.go_on();
                        }
                    }
                }
                if is_due && !is_damage {
                    let call = if stream == Stream::CallOut { ", the driver's call is still out" } else { "" };
                    self.begin(Rung::Retry, format!("Retry: waiting on{call}"), now);
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
        let device = device_name(&self.spec_to_open());
        let situation = Situation {
            stream,
            is_device: device.is_some(),
            is_watched: self.waits.is_watched(&fault),
            other_format: self.other_format(),
            other_backends: &other_backends,
        };
        let plan = self.ladder.on_failure(&fault, situation, now);
        let plan = self.hasten(plan, now);
        self.waits.await_end_of(self.ladder.waits_for(), device);
        let address = match &self.spec {
            SourceSpec::Url(address) if plan != Plan::GiveUp => Some(address),
            _ => None,
        };
        self.waits.await_port(&fault, address);
        self.outage.on_failure(fault, plan, self.ladder.should_reboot(), self.tally.last_frame_at, now);
        if self.ladder.needs_consent() && !knew_of_consent {
            self.outage.on_consent_needed(self.ladder.n_attempts());
        }
        if self.ladder.advise_reboot() {
            self.outage.on_reboot_advised(self.ladder.n_attempts());
        }
        plan
    }

    /// The system tells when a device is plugged in, and it is opened at once; the simulated one has its script for that.
    fn hasten(&self, plan: Plan, now: Instant) -> Plan {
        let back = self.first_opened.and_then(|first_opened| self.spec.returns_at(first_opened, now));
        match (plan, back) {
            (Plan::Do { rung: Rung::Reinitialise, at }, Some(back))
                if self.ladder.waits_for() == Some(FaultClass::Plug) =>
            {
                Plan::Do { rung: Rung::Reinitialise, at: at.min(back) }
            }
            _ => plan,
        }
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
    pub(super) fn begin(&mut self, rung: Rung, message: String, now: Instant) {
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
        // Most backends can only do it by opening the device anew.
        let (open, first_frame) =
            (self.settings.recovery.open_deadline_secs, self.settings.recovery.first_frame_deadline_secs);
        let limit = secs(if self.spec.is_network() { open + first_frame.max(5.0) } else { open.max(first_frame) });
        let grace = self.grace();
        if let Phase::Running { capture, deadline, retry_at, restart_since, .. } = &mut self.phase {
            *deadline = now + limit + grace;
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
            Some(_) if self.waits.is_held() => return "Waiting until the camera is let go of".to_owned(),
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

    /// The device is closed: resets it on a thread that is not waited for beyond its deadline.
    fn reset(&mut self, now: Instant) {
        self.outage.since.get_or_insert(now);
        self.outage.is_announced = true;
        self.phase = Phase::Idle;
        self.begin(Rung::ResetDevice, "Resetting the camera on its bus".to_owned(), now);
        let started = match device_name(&self.spec) {
            Some(_) if self.resets.n_out(None) > 0 => Err("an earlier reset has not come back".to_owned()),
            Some(name) => self.resets.start(name).map_err(|error| format!("the system gives no thread: {error}")),
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

    pub(super) fn on_reset(&mut self, report: reset::Report, now: Instant) {
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
}
