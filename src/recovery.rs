//! Which step of recovery comes next, and when: pure functions of the faults so far and of `now`.
//!
//! What should not be in this file: clocks, threads, drivers. The machine in [`crate::camera`] carries out what is
//! decided here, and tells when a step begins and how it ends.
//!
//! | fault | way up the ladder |
//! |---|---|
//! | quality | read on at once, for ever |
//! | terminal, or recovery is not automatic | nothing until somebody acts |
//! | a read fails at once | retries with growing pauses, restart of the stream, reconnections |
//! | no frame in time | restart of the stream, reading on, reconnections |
//! | hung, crashed, not to be opened, network, resource | reconnections with growing pauses; device reset |
//! | plug | looked for about each 0.7 s; nothing else would help |
//! | busy | tried each few seconds; nothing else would help |
//! | the port of a network camera does not answer | tried when it does; nothing else would help |
//! | a network camera serves no more viewers | once after it has forgotten old ones, then as network |

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::PixelFormat;
use crate::settings::{RecoverySettings, secs};
use crate::status::{Rung, RungOutcome, RungResult, RungStatus};

/// Pauses before reconnections in a row; the last one repeats.
const BACKOFF_SECS: [u64; 7] = [1, 1, 2, 4, 8, 15, 30];
/// Each pause is changed by up to this share, so that several cameras do not come back at the same moment.
const JITTER: f64 = 0.2;
/// How often an absent device is looked for. Opening begins with a cheap look whether it is there, so this costs little,
/// and a camera that was plugged in again is live within a second and a half.
const LOOK_PERIOD: Duration = Duration::from_millis(700);
/// A program that holds a device is not asked to let go by opening it again and again; nor shall whoever has just closed
/// that program wait for long.
const BUSY_PAUSES_SECS: [u64; 4] = [2, 2, 3, 5];
/// The first of them.
pub const UNHELD_PAUSE: Duration = Duration::from_secs(2);
/// Whoever holds the device is known, and will be seen to let go; this is for a program that keeps it open and only stops its
/// stream.
pub const HELD_PAUSE: Duration = Duration::from_secs(30);
/// How long cameras keep the session of a viewer that was cut off (live555 before 2017; `failures.md`, F90).
const SESSION_PAUSE: Duration = Duration::from_secs(65);
/// A node that has just come belongs to root until udev has given it to its users, which takes well under a second.
const UNTIL_GIVEN: Duration = Duration::from_secs(3);
/// Only a camera that has worked this long starts over with short pauses: one that fails each few seconds must not be
/// hammered for ever.
const GOOD_UNTIL_FORGIVEN: Duration = Duration::from_mins(1);
/// A restart of the stream that did not help is not repeated before this time: what helped was something else.
const BETWEEN_RESTARTS: Duration = Duration::from_mins(1);
/// A reset takes the device from every program, and other devices behind the same hub may feel it.
const BETWEEN_RESETS: Duration = Duration::from_mins(1);
/// So many crashes within this time end the automatic restarts.
const CRASHES_OF_A_LOOP: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_mins(1);
/// Reconnections as before, until something else is tried.
const N_ATTEMPTS_AS_BEFORE: usize = 2;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Carry out the rung at that moment. [`Ladder::way`] says how a device that is opened for it is to be opened.
    Do { rung: Rung, at: Instant },
    /// Nothing more until somebody acts.
    GiveUp,
}

/// How a device is to be opened. Only the next openings are meant: the settings stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// With what the settings ask for.
    #[default]
    AsAsked,
    /// With this format in place of the one asked for.
    WithFormat(PixelFormat),
    /// Through this backend in place of the one chosen.
    Through(Backend),
}

/// What is left of the stream when something fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// The device is open and the call into its driver has come back: reading again is possible.
    Open,
    /// The device is open and the call has not come back: all that can be done with the stream is to go on waiting.
    CallOut,
    /// Nothing can be read: the device is not open, or its stream does not run.
    Gone,
}

/// What the ladder has to know besides the fault.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub stream: StreamState,
    /// Whether it is a device of this computer, which can be reset.
    pub is_device: bool,
    /// Others hold the device, or its port on the network does not answer: it will be told when that ends.
    pub is_watched: bool,
    /// A format that could be tried in place of the one in use.
    pub other_format: Option<PixelFormat>,
    /// Backends that could be tried in place of the one in use, the best first.
    pub other_backends: &'a [Backend],
}

/// A rung that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedRung {
    pub rung: Rung,
    pub outcome: RungOutcome,
    /// From the moment at which it was carried out, its pause not counted.
    pub took: Duration,
}

/// What is known of one rung.
#[derive(Clone, Debug, Default)]
struct RungRecord {
    n_tries: u32,
    last: Option<(EndedRung, Instant, String)>,
}

/// What good frames wipe out.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct FailureStreak {
    /// Damaged pictures among them.
    n_failures: u32,
    n_damaged: u32,
    /// Reconnections, without those that only looked whether the device is free and there.
    n_attempts: u32,
    /// The same since the last rest; when they are used up, recovery rests.
    n_attempts_since_rest: u32,
    /// The same since the device was reset.
    n_attempts_since_reset: u32,
    /// The last failure said that the device is away or taken; that is waited for.
    waits_for: Option<FaultClass>,
    /// The user asked to wait until the device is free.
    is_release_awaited: bool,
    /// Sessions that the camera may have kept are forgotten by now.
    is_session_awaited: bool,
    /// Since when a device that was away is there, and not for this program.
    denied_since: Option<Instant>,
    n_looks: usize,
    is_restarted: bool,
    needs_consent: bool,
    is_reboot_advised: bool,
}

/// Where a camera stands on the way from the gentlest step to the last one.
#[derive(Clone, Debug)]
pub struct Ladder {
    settings: RecoverySettings,
    streak: FailureStreak,
    backoff_step: usize,
    good_since: Option<Instant>,
    restart_failed_at: Option<Instant>,
    reset_at: Option<Instant>,
    /// The system refused to reset the device, and will again.
    is_reset_futile: bool,
    crashes: VecDeque<Instant>,
    /// How the device is to be opened the next time.
    way: Way,
    /// How it was opened when good frames came last.
    good_way: Way,
    /// Good frames have come at all, so that its address is right.
    has_been_good: bool,
    running: Option<(Rung, Instant)>,
    records: [RungRecord; Rung::ALL.len()],
    rng: fastrand::Rng,
}

impl Ladder {
    /// `seed` makes the jitter repeatable; two cameras should have different ones.
    #[must_use]
    pub fn new(settings: RecoverySettings, seed: u64) -> Self {
        Self {
            settings,
            streak: FailureStreak::default(),
            backoff_step: 0,
            good_since: None,
            restart_failed_at: None,
            reset_at: None,
            is_reset_futile: false,
            crashes: VecDeque::new(),
            way: Way::AsAsked,
            good_way: Way::AsAsked,
            has_been_good: false,
            running: None,
            records: Default::default(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Uses other numbers from now on; where the camera stands is kept.
    pub fn set_settings(&mut self, settings: RecoverySettings) {
        self.streak.needs_consent &= !settings.may_reset_device;
        self.settings = settings;
    }

    #[must_use]
    pub fn n_failures(&self) -> u32 {
        self.streak.n_failures
    }

    #[must_use]
    pub fn n_attempts(&self) -> u32 {
        self.streak.n_attempts
    }

    /// How the device is to be opened the next time.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// Whether a reset of the device is the next step and waits for somebody's consent. Recovery goes on meanwhile.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.streak.needs_consent
    }

    /// The device is away or taken, and all that recovery does is to wait for it.
    #[must_use]
    pub fn waits_for(&self) -> Option<FaultClass> {
        self.streak.waits_for
    }

    /// Whether everything that can be done from here has been tried often enough. Advice only: nothing is rebooted.
    #[must_use]
    pub fn should_reboot(&self) -> bool {
        !matches!(self.streak.waits_for, Some(FaultClass::Plug | FaultClass::Network))
            && self.streak.n_attempts >= self.settings.n_recovery_attempts
            && self.n_hard() >= self.settings.n_failures_before_reboot_advice
    }

    /// Failures since the last good frame that were more than a damaged picture.
    fn n_hard(&self) -> u32 {
        self.streak.n_failures.saturating_sub(self.streak.n_damaged)
    }

    /// Somebody has acted: what the program had given up on is worth another try.
    pub fn forgive(&mut self) {
        self.crashes.clear();
        self.is_reset_futile = false;
    }

    /// For another camera, with other jitter.
    #[must_use]
    pub fn of_another_camera(&mut self) -> Self {
        Self::new(self.settings.clone(), self.rng.u64(..))
    }

    /// The camera is opened as if for the first time. What the rungs have done so far is kept to be read.
    pub fn start_over(&mut self) {
        let fresh = Self::new(self.settings.clone(), 0);
        *self = Self {
            records: std::mem::take(&mut self.records),
            rng: self.rng.clone(),
            running: self.running,
            has_been_good: self.has_been_good,
            restart_failed_at: self.restart_failed_at,
            reset_at: self.reset_at,
            ..fresh
        };
    }

    /// The fault that is to be judged in place of this one: the fifth crash within a minute is no mere crash any more, and an
    /// address that has been right will be right again.
    pub fn escalate(&mut self, fault: Fault, now: Instant) -> Fault {
        use FaultKind::{Crashed, Denied, NameUnknown, NoStream, WrongPath, WrongProtocol};
        if fault.kind == Denied && self.streak.waits_for == Some(FaultClass::Plug) {
            let since = *self.streak.denied_since.get_or_insert(now);
            let is_given_soon = now.saturating_duration_since(since) < UNTIL_GIVEN;
            return if is_given_soon { Fault { class: FaultClass::Plug, ..fault } } else { fault };
        }
        self.streak.denied_since = None;
        if matches!(fault.kind, NameUnknown | NoStream | WrongPath | WrongProtocol) && self.has_been_good {
            // The address was right: whoever knows its name does not answer as he did, or the camera is still starting.
            return Fault { class: FaultClass::Network, ..fault };
        }
        if fault.kind != Crashed {
            return fault;
        }
        self.crashes.retain(|at| now.saturating_duration_since(*at) < CRASH_WINDOW);
        self.crashes.push_back(now);
        let n = self.crashes.len();
        if n < CRASHES_OF_A_LOOP {
            return fault;
        }
        let message = format!("{n} crashes within a minute, the last one: {}", fault.message);
        Fault { code: fault.code, ..Fault::new(FaultKind::CrashLoop, message) }
    }

    /// The device is to be opened when others let go of it, whatever the settings say of recovery.
    pub fn wait_for_release(&mut self) {
        self.streak.is_release_awaited = true;
        self.streak.waits_for = Some(FaultClass::Busy);
    }

    /// The port of the camera was looked at and does not answer; it will be told when it does.
    pub fn wait_for_port(&mut self) {
        self.streak.waits_for = Some(FaultClass::Network);
    }

    /// The next step. Whatever rung was under way must have been told to have ended before.
    pub fn on_failure(&mut self, fault: &Fault, situation: Situation<'_>, now: Instant) -> Plan {
        if fault.class == FaultClass::Quality && situation.stream != StreamState::Gone {
            // Damaged pictures are no reason to be without any: the next one is read at once, for ever. Nor do they
            // end the time for which the stream has been good.
            self.streak.n_failures = self.streak.n_failures.saturating_add(1);
            self.streak.n_damaged = self.streak.n_damaged.saturating_add(1);
            return Plan::Do { rung: Rung::Retry, at: now };
        }
        let waits_for = Some(fault.class).filter(|_| is_waited_out(fault, situation));
        if waits_for.is_none() || waits_for != self.streak.waits_for {
            // To look once more for what is not there is no failure of the camera.
            self.streak.n_failures = self.streak.n_failures.saturating_add(1);
            self.streak.n_looks = 0;
        }
        self.good_since = None;
        self.streak.needs_consent = false;
        self.streak.waits_for = None;
        if fault.kind != FaultKind::SessionLimit {
            self.streak.is_session_awaited = false;
        }
        let is_awaited = self.streak.is_release_awaited && fault.class == FaultClass::Busy;
        if self.is_final(fault) || !(self.settings.automatic || is_awaited) {
            return Plan::GiveUp;
        }
        self.streak.waits_for = waits_for;
        if fault.ends_stream() {
            return self.reconnect(fault, situation, now);
        }
        self.gentle(fault.kind, situation.stream, now).unwrap_or_else(|| self.reconnect(fault, situation, now))
    }

    /// Nothing is to be hoped for without somebody's help; unless it was the ladder's own idea to open the device in
    /// another way, and just that does not work.
    fn is_final(&self, fault: &Fault) -> bool {
        let is_of_way = matches!(fault.kind, FaultKind::FormatRefused | FaultKind::BackendMissing);
        !(fault.is_transient() || is_of_way && self.way != Way::AsAsked)
    }

    /// What can be done with the device kept open.
    fn gentle(&self, kind: FaultKind, stream: StreamState, now: Instant) -> Option<Plan> {
        let n = self.n_hard();
        if n >= self.settings.n_failures_before_reconnect || stream == StreamState::Gone {
            return None;
        }
        // A call that timed out has waited already.
        let has_waited = matches!(kind, FaultKind::Stall | FaultKind::NoFirstFrame);
        let n_retries_first = if has_waited {
            0
        } else {
            // However many retries are set, the stream is restarted before the device is closed.
            self.settings.n_retries.min(self.settings.n_failures_before_reconnect.saturating_sub(2))
        };
        if stream == StreamState::Open && n > n_retries_first && self.may_restart(now) {
            return Some(Plan::Do { rung: Rung::RestartStream, at: now });
        }
        match kind {
            FaultKind::NoFirstFrame => None,
            _ if has_waited => Some(Plan::Do { rung: Rung::Retry, at: now }),
            _ => Some(Plan::Do { rung: Rung::Retry, at: now + self.retry_pause() }),
        }
    }

    fn may_restart(&self, now: Instant) -> bool {
        !self.streak.is_restarted
            && self.restart_failed_at.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_RESTARTS)
    }

    fn reconnect(&mut self, fault: &Fault, situation: Situation<'_>, now: Instant) -> Plan {
        let pause = match self.streak.waits_for {
            Some(FaultClass::Plug) => self.jittered(LOOK_PERIOD),
            Some(_) if situation.is_watched => HELD_PAUSE,
            Some(_) => {
                let step = self.streak.n_looks.min(BUSY_PAUSES_SECS.len() - 1);
                let least = Duration::from_secs(BUSY_PAUSES_SECS.get(step).copied().unwrap_or_default());
                self.jittered(least).max(least)
            }
            None if fault.kind == FaultKind::SessionLimit && !self.streak.is_session_awaited => {
                self.streak.is_session_awaited = true;
                SESSION_PAUSE
            }
            None => {
                if self.is_reset_due(fault, situation, now) {
                    if self.settings.may_reset_device {
                        return Plan::Do { rung: Rung::ResetDevice, at: now };
                    }
                    self.streak.needs_consent = true;
                }
                self.way = self.next_way(situation);
                self.reconnect_pause()
            }
        };
        Plan::Do { rung: Rung::Reinitialise, at: now + pause }
    }

    fn is_reset_due(&self, fault: &Fault, situation: Situation<'_>, now: Instant) -> bool {
        matches!(fault.class, FaultClass::Stalled | FaultClass::Hung)
            && situation.is_device
            && !self.is_reset_futile
            && self.streak.n_attempts_since_reset >= self.settings.n_recovery_attempts
            && self.reset_at.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_RESETS)
    }

    /// First as it worked last, then in the other ways that are allowed, then round again.
    fn next_way(&self, situation: Situation<'_>) -> Way {
        let formats = situation.other_format.filter(|_| self.settings.may_change_format).map(Way::WithFormat);
        let backends = situation.other_backends.iter().map(|backend| Way::Through(*backend));
        let backends = backends.filter(|_| self.settings.may_change_backend);
        let mut ways = vec![Way::AsAsked];
        ways.extend(formats);
        ways.extend(backends);
        let usual = if ways.contains(&self.good_way) { self.good_way } else { Way::AsAsked };
        ways.retain(|way| *way != usual);
        ways.splice(0..0, [usual; N_ATTEMPTS_AS_BEFORE]);
        let n_done = usize::try_from(self.streak.n_attempts).unwrap_or_default();
        ways.get(n_done % ways.len()).copied().unwrap_or_default()
    }

    /// A rung is carried out. Returns whether that is news: to look for an absent device once more is none.
    pub fn begin(&mut self, rung: Rung, now: Instant) -> bool {
        let is_look = rung == Rung::Reinitialise && self.streak.waits_for.is_some();
        match rung {
            Rung::Retry | Rung::AdviseReboot => {}
            Rung::RestartStream => self.streak.is_restarted = true,
            Rung::Reinitialise if is_look => self.streak.n_looks += 1,
            Rung::Reinitialise => {
                self.streak.n_attempts = self.streak.n_attempts.saturating_add(1);
                self.streak.n_attempts_since_reset = self.streak.n_attempts_since_reset.saturating_add(1);
                if self.streak.n_attempts_since_rest >= self.settings.n_recovery_attempts {
                    self.streak.n_attempts_since_rest = 0;
                }
                self.streak.n_attempts_since_rest += 1;
                self.backoff_step += 1;
            }
            Rung::ResetDevice => {
                self.reset_at = Some(now);
                self.streak.n_attempts_since_reset = 0;
                self.streak.needs_consent = false;
            }
        }
        self.running = Some((rung, now));
        let is_news = !is_look || self.streak.n_looks == 1;
        if is_news {
            self.record(rung).n_tries += 1;
        }
        is_news
    }

    /// Good frames have come.
    pub fn on_good_frame(&mut self, now: Instant) -> Option<EndedRung> {
        self.streak = FailureStreak::default();
        self.has_been_good = true;
        self.good_way = self.way;
        let good_since = *self.good_since.get_or_insert(now);
        if now.saturating_duration_since(good_since) >= GOOD_UNTIL_FORGIVEN {
            self.backoff_step = 0;
            self.is_reset_futile = false;
            for record in &mut self.records {
                record.n_tries = 0;
            }
        }
        self.end(RungOutcome::Recovered, String::new(), now)
    }

    /// The rung that is under way, if there is one, did not help, and this is what failed next. Returns what is news: that
    /// an absent device is still absent is none.
    pub fn on_rung_failed(&mut self, fault: &Fault, now: Instant) -> Option<EndedRung> {
        let is_look = matches!(self.running, Some((Rung::Reinitialise, _))) && self.streak.n_looks > 0;
        if is_look && self.streak.waits_for == Some(fault.class) {
            self.running = None;
            return None;
        }
        match self.running {
            Some((Rung::RestartStream, _)) => self.restart_failed_at = Some(now),
            Some((Rung::ResetDevice, _)) if fault.kind == FaultKind::ResetFailed || !fault.is_transient() => {
                self.is_reset_futile = true;
            }
            _ => {}
        }
        self.end(RungOutcome::Failed, fault.to_string(), now)
    }

    /// The rung that is under way, if there is one, is left before its end is known.
    pub fn interrupt(&mut self, now: Instant) -> Option<EndedRung> {
        self.streak.needs_consent = false;
        self.end(RungOutcome::Interrupted, String::new(), now)
    }

    fn end(&mut self, outcome: RungOutcome, why: String, now: Instant) -> Option<EndedRung> {
        let (rung, since) = self.running.take()?;
        let ended = EndedRung { rung, outcome, took: now.saturating_duration_since(since) };
        self.record(rung).last = Some((ended, now, why));
        Some(ended)
    }

    /// Whether a reboot is to be advised that has not been advised in this outage.
    pub fn advise_reboot(&mut self) -> bool {
        let is_news = self.should_reboot() && !self.streak.is_reboot_advised;
        if is_news {
            self.streak.is_reboot_advised = true;
            self.record(Rung::AdviseReboot).n_tries += 1;
        }
        is_news
    }

    /// Each rung, gentlest first, with what it has done so far.
    #[must_use]
    pub fn report(&self, now: Instant) -> Vec<RungStatus> {
        let result = |(ended, at, why): &(EndedRung, Instant, String)| RungResult {
            outcome: ended.outcome,
            took_ms: u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX),
            ago_secs: (now.saturating_duration_since(*at).as_secs_f64() * 10.0).round() / 10.0,
            why: why.clone(),
        };
        let rows = Rung::ALL.iter().zip(&self.records);
        rows.map(|(rung, record)| RungStatus {
            rung: *rung,
            n_tries: record.n_tries,
            last: record.last.as_ref().map(result),
        })
        .collect()
    }

    fn record(&mut self, rung: Rung) -> &mut RungRecord {
        let [retry, restart, reinitialise, reset, reboot] = &mut self.records;
        match rung {
            Rung::Retry => retry,
            Rung::RestartStream => restart,
            Rung::Reinitialise => reinitialise,
            Rung::ResetDevice => reset,
            Rung::AdviseReboot => reboot,
        }
    }

    /// base × growth ^ (failures − 1), growing for as many failures as there are retries.
    fn retry_pause(&self) -> Duration {
        let n_grown = self.n_hard().min(self.settings.n_retries.max(1)).saturating_sub(1);
        let growth = self.settings.delay_growth.powi(i32::try_from(n_grown).unwrap_or(i32::MAX));
        secs(self.settings.base_delay_secs * growth).min(secs(self.settings.cooldown_secs))
    }

    fn reconnect_pause(&mut self) -> Duration {
        if self.streak.n_attempts_since_rest >= self.settings.n_recovery_attempts {
            return self.jittered(secs(self.settings.cooldown_secs));
        }
        let step = self.backoff_step.min(BACKOFF_SECS.len() - 1);
        self.jittered(Duration::from_secs(BACKOFF_SECS.get(step).copied().unwrap_or_default()))
    }

    fn jittered(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(1.0 + JITTER * (2.0 * self.rng.f64() - 1.0))
    }
}

/// Nothing that this program could do would help: the device has to come back, or another program to let go of it.
fn is_waited_out(fault: &Fault, situation: Situation<'_>) -> bool {
    match fault.class {
        FaultClass::Plug | FaultClass::Busy => true,
        FaultClass::Network => situation.is_watched,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ladder with its own clock.
    struct Climb {
        ladder: Ladder,
        now: Instant,
        situation: Situation<'static>,
    }

    const NOT_OPEN: Situation<'static> = Situation {
        stream: StreamState::Gone,
        is_device: true,
        is_watched: false,
        other_format: Some(PixelFormat::MJPG),
        other_backends: &[Backend::Gstreamer, Backend::Native],
    };

    impl Climb {
        fn with(change: impl FnOnce(&mut RecoverySettings)) -> Self {
            let mut settings = RecoverySettings::default();
            change(&mut settings);
            Self { ladder: Ladder::new(settings, 7), now: Instant::now(), situation: NOT_OPEN }
        }

        fn new() -> Self {
            Self::with(|_| ())
        }

        fn stream(mut self, stream: StreamState) -> Self {
            self.situation.stream = stream;
            self
        }

        /// As the supervisor does it: ends the rung under way, asks for the next, waits for it and begins it.
        fn fail(&mut self, kind: FaultKind) -> Plan {
            let fault = self.ladder.escalate(Fault::new(kind, "test"), self.now);
            self.ladder.on_rung_failed(&fault, self.now);
            let plan = self.ladder.on_failure(&fault, self.situation, self.now);
            if let Plan::Do { rung, at } = plan {
                self.now = at;
                self.ladder.begin(rung, at);
            }
            plan
        }

        /// The next steps, each with its pause in seconds: `retry 0.1`.
        fn steps(&mut self, kind: FaultKind, n: usize) -> Vec<(String, f64)> {
            (0..n)
                .map(|_| {
                    let before = self.now;
                    match self.fail(kind) {
                        Plan::Do { rung, at } => (rung.to_string(), (at - before).as_secs_f64()),
                        Plan::GiveUp => ("give up".to_owned(), 0.0),
                    }
                })
                .collect()
        }

        fn good(&mut self, secs: u64) -> Option<EndedRung> {
            let ended = self.ladder.on_good_frame(self.now);
            self.now += Duration::from_secs(secs);
            self.ladder.on_good_frame(self.now);
            ended
        }

        /// `expected` names rungs and pauses: `retry 0.1, restart stream 0`. Pauses of reconnections may vary by a fifth.
        #[track_caller]
        fn check(&mut self, kind: FaultKind, expected: &str) {
            let expected = expected.split(", ").map(|step| {
                let (rung, pause) = step.rsplit_once(' ').unwrap();
                (rung, pause.parse::<f64>().unwrap())
            });
            let expected = expected.collect::<Vec<_>>();
            let got = self.steps(kind, expected.len());
            for (got, expected) in got.iter().zip(&expected) {
                let tolerance = if expected.0 == "reconnect" { JITTER } else { 0.0 };
                let is_right = got.0 == expected.0 && (got.1 - expected.1).abs() <= expected.1 * tolerance + 1e-6;
                assert!(is_right, "{kind:?}: {got:?} is not {expected:?}");
            }
        }

        fn n_tries(&self, rung: Rung) -> u32 {
            self.row(rung).n_tries
        }

        fn row(&self, rung: Rung) -> RungStatus {
            self.ladder.report(self.now).into_iter().find(|row| row.rung == rung).unwrap()
        }
    }

    /// The first steps about a fault of a stream that was good.
    #[track_caller]
    fn check_climb(kind: FaultKind, stream: StreamState, expected: &str) {
        Climb::new().stream(stream).check(kind, expected);
    }

    #[test]
    fn the_class_of_the_fault_and_what_is_left_of_the_stream_decide() {
        use FaultKind::{Busy, Crashed, Denied, Hung, NoFirstFrame, OpenFailed, OpenTimeout, ReadFailed, Stall};
        use StreamState::{CallOut, Gone, Open};
        check_climb(ReadFailed, Open, "retry 0.1, retry 0.2, retry 0.4, restart stream 0, reconnect 1, reconnect 1");
        check_climb(Stall, Open, "restart stream 0, retry 0, retry 0, retry 0, reconnect 1, reconnect 1, reconnect 2");
        check_climb(Stall, CallOut, "retry 0, retry 0, retry 0, retry 0, reconnect 1");
        check_climb(NoFirstFrame, Open, "restart stream 0, reconnect 1, reconnect 1");
        check_climb(NoFirstFrame, CallOut, "reconnect 1, reconnect 1");
        for (kind, stream) in [
            (ReadFailed, Gone),
            (Hung, Open),
            (Hung, CallOut),
            (Crashed, Gone),
            (OpenTimeout, Gone),
            (OpenFailed, Gone),
            (FaultKind::Unreachable, Open),
            (FaultKind::NoResources, Gone),
        ] {
            check_climb(kind, stream, "reconnect 1, reconnect 1, reconnect 2, reconnect 4");
        }
        check_climb(Busy, Gone, "reconnect 2, reconnect 2, reconnect 3, reconnect 5, reconnect 5, reconnect 5");
        check_climb(Denied, Gone, "give up 0");
        for kind in FaultKind::ALL {
            let first = Climb::new().stream(Open).steps(*kind, 1);
            assert_eq!(first[0].0 == "give up", kind.class() == FaultClass::Terminal, "{kind:?}");
            let first = Climb::with(|settings| settings.automatic = false).steps(*kind, 1);
            assert_eq!(first[0].0, "give up", "{kind:?}");
        }
    }

    #[test]
    fn damaged_pictures_never_lead_up_the_ladder() {
        let mut climb = Climb::new().stream(StreamState::Open);
        assert!(climb.steps(FaultKind::BadFrame, 200).iter().all(|step| *step == ("retry".to_owned(), 0.0)));
        assert_eq!(climb.ladder.n_failures(), 200);
        // Nor do they bring another fault nearer to a reconnection.
        climb.check(FaultKind::ReadFailed, "retry 0.1, retry 0.2");
    }

    #[track_caller]
    fn check_settings(n_retries: u32, before_reconnect: u32, kind: FaultKind, expected: &str) {
        let mut climb = Climb::with(|settings| {
            settings.n_retries = n_retries;
            settings.n_failures_before_reconnect = before_reconnect;
            settings.delay_growth = 1.0;
        });
        climb.situation.stream = StreamState::Open;
        climb.check(kind, expected);
    }

    #[test]
    fn every_setting_leaves_a_sensible_ladder() {
        let read = FaultKind::ReadFailed;
        check_settings(3, 1, read, "reconnect 1, reconnect 1");
        check_settings(3, 2, read, "restart stream 0, reconnect 1");
        check_settings(3, 3, read, "retry 0.1, restart stream 0, reconnect 1");
        check_settings(0, 5, read, "restart stream 0, retry 0.1, retry 0.1, retry 0.1, reconnect 1");
        check_settings(20, 4, read, "retry 0.1, retry 0.1, restart stream 0, reconnect 1");
        check_settings(2, 6, read, "retry 0.1, retry 0.1, restart stream 0, retry 0.1, retry 0.1, reconnect 1");
        check_settings(3, 1, FaultKind::Stall, "reconnect 1");
        check_settings(3, 2, FaultKind::Stall, "restart stream 0, reconnect 1");
        let mut wild = Climb::with(|settings| {
            settings.delay_growth = 10.0;
            settings.n_retries = 20;
            settings.base_delay_secs = 10.0;
            settings.n_failures_before_reconnect = 100;
            settings.cooldown_secs = 600.0;
        });
        wild.situation.stream = StreamState::Open;
        assert!(wild.steps(read, 300).iter().all(|(_, pause)| *pause <= 720.0));
    }

    #[test]
    fn reconnections_back_off_and_rest() {
        let mut climb = Climb::with(|settings| settings.n_recovery_attempts = 8);
        let expected = [1, 1, 2, 4, 8, 15, 30, 30, 30].map(|pause| format!("reconnect {pause}")).join(", ");
        climb.check(FaultKind::OpenTimeout, &expected);
        let mut climb = Climb::with(|settings| settings.cooldown_secs = 77.0);
        climb.check(
            FaultKind::OpenTimeout,
            "reconnect 1, reconnect 1, reconnect 2, reconnect 4, reconnect 8, reconnect 77",
        );
        // After the rest come as many attempts as before.
        climb.check(
            FaultKind::OpenTimeout,
            "reconnect 30, reconnect 30, reconnect 30, reconnect 30, reconnect 77, reconnect 30",
        );
    }

    #[test]
    fn only_a_minute_of_good_frames_forgives() {
        let mut climb = Climb::new();
        climb.check(FaultKind::OpenTimeout, "reconnect 1, reconnect 1, reconnect 2, reconnect 4");
        climb.good(59);
        assert_eq!(climb.n_tries(Rung::Reinitialise), 4);
        climb.check(FaultKind::OpenTimeout, "reconnect 8");
        climb.good(60);
        assert_eq!(climb.n_tries(Rung::Reinitialise), 0);
        climb.check(FaultKind::OpenTimeout, "reconnect 1");
    }

    #[test]
    fn an_absent_camera_is_looked_for_quickly_and_uses_nothing_up() {
        let mut climb = Climb::new();
        climb.check(FaultKind::Unplugged, "reconnect 0.7");
        let mut pauses =
            climb.steps(FaultKind::Missing, 10_000).into_iter().map(|(_, pause)| pause).collect::<Vec<_>>();
        pauses.sort_by(f64::total_cmp);
        assert!(pauses[0] >= 0.56 - 1e-9 && pauses[9_999] <= 0.84 + 1e-9, "{} {}", pauses[0], pauses[9_999]);
        assert!((0.68..0.72).contains(&pauses[5_000]), "{}", pauses[5_000]);
        let ladder = &climb.ladder;
        assert_eq!((ladder.n_attempts(), ladder.n_failures(), ladder.should_reboot()), (0, 1, false));
        assert_eq!(climb.n_tries(Rung::Reinitialise), 1);
        assert!(!climb.ladder.needs_consent());
        climb.now += Duration::from_millis(300);
        let ended = climb.good(1).unwrap();
        assert_eq!(
            (ended.rung, ended.outcome, ended.took.as_millis()),
            (Rung::Reinitialise, RungOutcome::Recovered, 300)
        );
        climb.check(FaultKind::OpenTimeout, "reconnect 1");
    }

    #[test]
    fn a_busy_camera_is_neither_hammered_nor_reset() {
        let mut climb = Climb::with(|settings| settings.may_reset_device = true);
        let steps = climb.steps(FaultKind::Busy, 1_000);
        assert!(steps.iter().all(|(rung, pause)| rung == "reconnect" && (2.0..=6.0).contains(pause)), "{steps:?}");
        assert!(!climb.ladder.should_reboot());
    }

    #[test]
    fn a_camera_whose_holders_are_known_is_left_alone() {
        let mut climb = Climb::new();
        climb.situation.is_watched = true;
        climb.check(FaultKind::Busy, "reconnect 30, reconnect 30");
        climb.situation.is_watched = false;
        climb.check(FaultKind::Busy, "reconnect 3");
    }

    #[test]
    fn a_camera_whose_port_does_not_answer_is_tried_when_it_does() {
        let mut climb = Climb::new();
        climb.check(FaultKind::Unreachable, "reconnect 1");
        climb.ladder.wait_for_port();
        climb.situation.is_watched = true;
        climb.check(FaultKind::Refused, "reconnect 30, reconnect 30, reconnect 30");
        assert_eq!((climb.ladder.n_attempts(), climb.ladder.should_reboot()), (1, false), "looks use nothing up");
        // It answers, and something else is wrong with it: the pauses grow.
        climb.situation.is_watched = false;
        climb.check(FaultKind::ProtocolTrouble, "reconnect 1, reconnect 2, reconnect 4, reconnect 8, reconnect 30");
    }

    #[test]
    fn sessions_that_a_camera_has_kept_are_waited_out_once() {
        let limit = FaultKind::SessionLimit;
        let mut climb = Climb::new();
        for _ in 0..2 {
            let Plan::Do { rung: Rung::Reinitialise, at } =
                climb.ladder.on_failure(&Fault::new(limit, ""), NOT_OPEN, climb.now)
            else {
                panic!("not tried again");
            };
            assert_eq!(at - climb.now, SESSION_PAUSE);
            climb.now = at;
            climb.ladder.begin(Rung::Reinitialise, at);
            climb.check(limit, "reconnect 1, reconnect 2, reconnect 4");
            climb.good(60);
        }
    }

    #[test]
    fn what_only_somebody_can_change_is_never_tried_on_a_timer() {
        use FaultKind::{
            CodecMissing, Forbidden, LoginRefused, NameUnknown, NoStream, Untrusted, WrongPath, WrongProtocol,
        };
        let all = [CodecMissing, Forbidden, LoginRefused, NameUnknown, NoStream, Untrusted, WrongPath, WrongProtocol];
        for kind in all {
            Climb::new().check(kind, "give up 0, give up 0");
            // Where it has worked before, the address was right: whoever knows its name is away, or the camera is still starting.
            let mut climb = Climb::new();
            climb.good(60);
            let is_of_address = matches!(kind, NameUnknown | NoStream | WrongPath | WrongProtocol);
            climb.check(kind, if is_of_address { "reconnect 1, reconnect 1" } else { "give up 0" });
        }
    }

    #[test]
    fn a_busy_camera_is_waited_for_on_request_whatever_the_settings_say() {
        let mut climb = Climb::with(|settings| settings.automatic = false);
        climb.check(FaultKind::Busy, "give up 0");
        climb.ladder.wait_for_release();
        climb.check(FaultKind::Busy, "reconnect 2, reconnect 2");
        // That and nothing else, and once.
        climb.check(FaultKind::Hung, "give up 0");
        climb.ladder.wait_for_release();
        climb.good(1);
        climb.check(FaultKind::Busy, "give up 0");
    }

    #[test]
    fn a_node_that_has_just_come_may_not_yet_be_ours() {
        let mut climb = Climb::new();
        climb.check(FaultKind::Denied, "give up 0");
        climb.check(FaultKind::Missing, "reconnect 0.7");
        for _ in 0..4 {
            climb.check(FaultKind::Denied, "reconnect 0.7");
        }
        climb.now += UNTIL_GIVEN;
        climb.check(FaultKind::Denied, "give up 0");
        // Away again, it may be given anew.
        climb.check(FaultKind::Missing, "reconnect 0.7");
        climb.check(FaultKind::Denied, "reconnect 0.7");
    }

    #[test]
    fn the_stream_is_restarted_once_until_it_has_helped() {
        let mut climb = Climb::new().stream(StreamState::Open);
        climb.check(FaultKind::Stall, "restart stream 0");
        assert_eq!(
            climb.good(1).map(|ended| (ended.rung, ended.outcome)),
            Some((Rung::RestartStream, RungOutcome::Recovered))
        );
        // It has helped before: it is worth another try, however soon.
        climb.check(FaultKind::Stall, "restart stream 0, retry 0");
        assert_eq!(climb.row(Rung::RestartStream).last.unwrap().outcome, RungOutcome::Failed);
        climb.good(30);
        climb.check(FaultKind::Stall, "retry 0");
        climb.good(60);
        climb.check(FaultKind::Stall, "restart stream 0");
    }

    #[test]
    fn other_ways_are_tried_only_where_allowed() {
        let ways = |format, backend, n: usize| {
            let mut climb = Climb::with(|settings| {
                (settings.may_change_format, settings.may_change_backend) = (format, backend);
            });
            let ways = (0..n).map(|_| {
                climb.fail(FaultKind::OpenFailed);
                match climb.ladder.way() {
                    Way::AsAsked => "asked".to_owned(),
                    Way::WithFormat(format) => format.to_string(),
                    Way::Through(backend) => backend.to_string(),
                }
            });
            ways.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ways(false, false, 6), "asked asked asked asked asked asked");
        assert_eq!(ways(true, false, 7), "asked asked MJPG asked asked MJPG asked");
        assert_eq!(ways(false, true, 6), "asked asked gstreamer native asked asked");
        assert_eq!(ways(true, true, 7), "asked asked MJPG gstreamer native asked asked");
    }

    #[test]
    fn a_way_that_works_is_kept_until_the_user_acts() {
        let mut climb = Climb::with(|settings| settings.may_change_format = true);
        let mjpg = Way::WithFormat(PixelFormat::MJPG);
        climb.steps(FaultKind::OpenFailed, 3);
        assert_eq!(climb.ladder.way(), mjpg);
        climb.good(5);
        for (kind, way) in [
            (FaultKind::Unplugged, mjpg),
            (FaultKind::OpenFailed, mjpg),
            (FaultKind::OpenFailed, mjpg),
            (FaultKind::OpenFailed, Way::AsAsked),
            (FaultKind::OpenFailed, mjpg),
        ] {
            climb.fail(kind);
            assert_eq!(climb.ladder.way(), way);
        }
        climb.ladder.start_over();
        assert_eq!((climb.ladder.way(), climb.ladder.n_attempts()), (Way::AsAsked, 0));
        assert!(climb.n_tries(Rung::Reinitialise) > 0, "what has been done is kept to be read");
    }

    #[test]
    fn what_only_another_way_cannot_do_ends_nothing() {
        let mut climb = Climb::with(|settings| settings.may_change_format = true);
        climb.steps(FaultKind::OpenFailed, 3);
        climb.check(FaultKind::FormatRefused, "reconnect 4");
        climb.check(FaultKind::FormatRefused, "give up 0");
    }

    /// Fails until the device's reset is due, and as often again.
    fn climb_to_reset(may: bool, kind: FaultKind, is_device: bool) -> Climb {
        let mut climb = Climb::with(|settings| settings.may_reset_device = may);
        climb.situation.is_device = is_device;
        climb.steps(kind, 6);
        climb
    }

    #[test]
    fn a_device_is_reset_when_reconnections_have_not_helped() {
        let mut climb = climb_to_reset(true, FaultKind::OpenTimeout, true);
        assert_eq!((climb.n_tries(Rung::ResetDevice), climb.n_tries(Rung::Reinitialise)), (1, 5));
        // Then as many reconnections come before the next one, and at least a minute.
        let steps = climb.steps(FaultKind::OpenTimeout, 6);
        assert_eq!(steps.iter().position(|(rung, _)| rung == "reset device"), Some(5), "{steps:?}");
        assert!(steps.iter().map(|(_, pause)| pause).sum::<f64>() >= BETWEEN_RESETS.as_secs_f64());
        for (kind, is_device) in [
            (FaultKind::OpenTimeout, false),
            (FaultKind::NoResources, true),
            (FaultKind::Unreachable, true),
            (FaultKind::Unplugged, true),
            (FaultKind::Busy, true),
        ] {
            assert_eq!(climb_to_reset(true, kind, is_device).n_tries(Rung::ResetDevice), 0, "{kind:?}");
            assert!(!climb_to_reset(false, kind, is_device).ladder.needs_consent(), "{kind:?}");
        }
    }

    #[test]
    fn a_reset_waits_for_consent_and_recovery_goes_on() {
        let mut climb = climb_to_reset(false, FaultKind::NoFirstFrame, true);
        assert!(climb.ladder.needs_consent());
        assert_eq!((climb.n_tries(Rung::ResetDevice), climb.n_tries(Rung::Reinitialise)), (0, 6));
        let mut given = climb.ladder.clone();
        given.begin(Rung::ResetDevice, climb.now);
        assert!(!given.needs_consent());
        climb.fail(FaultKind::Unplugged);
        assert!(!climb.ladder.needs_consent(), "what is not there cannot be reset");
        let mut climb = climb_to_reset(false, FaultKind::Hung, true);
        climb.good(1);
        assert!(!climb.ladder.needs_consent());
    }

    #[test]
    fn a_reset_that_the_system_refuses_is_not_tried_again_until_somebody_acts() {
        for (kind, is_tried_again) in
            [(FaultKind::Denied, false), (FaultKind::ResetFailed, false), (FaultKind::Missing, true)]
        {
            let mut climb = climb_to_reset(true, FaultKind::Hung, true);
            climb.ladder.on_rung_failed(&Fault::new(kind, "test"), climb.now);
            climb.steps(FaultKind::Hung, 30);
            assert_eq!(climb.n_tries(Rung::ResetDevice) > 1, is_tried_again, "{kind:?}");
            climb.ladder.forgive();
            let before = climb.n_tries(Rung::ResetDevice);
            climb.steps(FaultKind::Hung, 6);
            assert_eq!(climb.n_tries(Rung::ResetDevice), before + 1, "{kind:?}");
        }
    }

    #[test]
    fn crashes_in_a_row_end_the_restarts() {
        let mut climb = Climb::new();
        let crash = |climb: &mut Climb, secs| {
            climb.now += Duration::from_secs(secs);
            let fault = Fault::new(FaultKind::Crashed, "signal 11 in /usr/lib/libcam.so").with_code(11);
            climb.ladder.escalate(fault, climb.now)
        };
        for _ in 0..20 {
            assert_eq!(crash(&mut climb, 15).kind, FaultKind::Crashed, "four in a minute are borne");
        }
        let fault = crash(&mut climb, 14);
        assert_eq!((fault.kind, fault.code), (FaultKind::CrashLoop, Some(11)));
        assert!(fault.message.starts_with("5 crashes") && fault.message.contains("libcam.so"), "{fault}");
        assert_eq!(climb.ladder.on_failure(&fault, NOT_OPEN, climb.now), Plan::GiveUp);
        climb.ladder.forgive();
        assert_eq!(crash(&mut climb, 1).kind, FaultKind::Crashed);
        // Other faults are no crashes, and good frames between them change nothing.
        let mut climb = Climb::new();
        for n in 0..5 {
            assert_eq!(climb.steps(FaultKind::Hung, 1)[0].0, "reconnect");
            climb.good(1);
            let step = climb.steps(FaultKind::Crashed, 1);
            assert_eq!(step[0].0 == "give up", n == 4, "{n}: {step:?}");
            climb.good(1);
            climb.ladder.backoff_step = 0;
        }
    }

    #[test]
    fn a_reboot_is_advised_when_all_else_is_used_up() {
        let mut climb = Climb::new();
        climb.steps(FaultKind::OpenTimeout, 9);
        assert!(!climb.ladder.should_reboot());
        climb.steps(FaultKind::OpenTimeout, 1);
        assert!(climb.ladder.should_reboot() && climb.ladder.advise_reboot());
        assert!(!climb.ladder.advise_reboot(), "once for each outage");
        assert_eq!(climb.n_tries(Rung::AdviseReboot), 1);
        climb.fail(FaultKind::Busy);
        assert!(climb.ladder.should_reboot(), "an old handle of our own may be what holds it");
        climb.fail(FaultKind::Unplugged);
        assert!(!climb.ladder.should_reboot());
        climb.good(1);
        assert!(!climb.ladder.should_reboot());
    }

    #[test]
    fn the_report_tells_how_each_rung_ended() {
        let mut climb = Climb::new().stream(StreamState::Open);
        assert_eq!(climb.ladder.report(climb.now).iter().map(|row| row.rung).collect::<Vec<_>>(), Rung::ALL);
        climb.fail(FaultKind::Stall);
        climb.now += Duration::from_millis(3_210);
        climb.situation = NOT_OPEN;
        climb.fail(FaultKind::OpenTimeout);
        climb.now += Duration::from_millis(1_300);
        climb.ladder.on_good_frame(climb.now);
        climb.now += Duration::from_secs(10);
        let restart = climb.row(Rung::RestartStream).last.unwrap();
        assert_eq!((restart.outcome, restart.took_ms, restart.why.as_str()), (RungOutcome::Failed, 3_210, "test"));
        let reconnect = climb.row(Rung::Reinitialise).last.unwrap();
        assert_eq!((reconnect.outcome, reconnect.took_ms, reconnect.why.as_str()), (RungOutcome::Recovered, 1_300, ""));
        assert!((reconnect.ago_secs - 10.0).abs() < 0.1);
        assert!((11.9..12.7).contains(&restart.ago_secs), "{}", restart.ago_secs);
        climb.fail(FaultKind::OpenTimeout);
        assert!(climb.ladder.interrupt(climb.now).is_some() && climb.ladder.interrupt(climb.now).is_none());
        assert_eq!(climb.row(Rung::Reinitialise).last.unwrap().outcome, RungOutcome::Interrupted);
    }
}
