//! `camclinic recover`: lets the recovery steps be tried until good pictures come, and prints each step when it has ended. Which
//! step comes next is decided by the camera's supervisor.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use serde::Serialize;

use super::{CommandContext, Exit, POLL, STATUS_WATCH, complain, keep_records, pretty, say};
use crate::camera::{Camera, Command};
use crate::event::Event;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::logging::EventLog;
use crate::settings::CameraSettings;
use crate::source::SourceSpec;
use crate::status::{Rung, RungOutcome, State, Status};

/// How long the question whether to reset the device may stay open.
const ANSWER_DEADLINE: Duration = Duration::from_mins(2);
/// An event is written shortly before the status that belongs to it.
const STATUS_FOLLOWS_WITHIN: Duration = Duration::from_millis(300);
/// Shorter waits are not worth a line.
const LEAST_TOLD_WAIT_SECS: f64 = 2.0;

/// What the command line asks for.
#[derive(Clone, Copy)]
pub(super) struct RecoverOptions {
    /// Whether the device may be reset without a question.
    pub may_reset: bool,
    /// For everything together.
    pub deadline: Duration,
    pub json: bool,
}

/// A rung that has ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct RungReport {
    rung: Rung,
    outcome: RungOutcome,
    took_ms: u64,
    why: String,
}

/// What `--json` prints. The field order is that of the contract.
#[derive(Serialize)]
struct RecoverReport<'a> {
    source: &'a str,
    /// Whether good pictures come, be it that nothing was wrong.
    recovered: bool,
    /// Until the good pictures came; all of the time where none did.
    took_ms: u64,
    rungs: &'a [RungReport],
    status: &'a Status,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecoverOutcome {
    /// Good pictures came without any help.
    Healthy,
    Recovered,
    /// Trying on is of no use: somebody has to act.
    GivenUp,
    /// Everything has been tried that may be tried.
    UsedUp,
    /// What is left is a reset, and nobody is there to be asked.
    ResetLeft,
    /// There was a reset left, and it was refused.
    ResetRefused,
    OutOfTime,
}

impl RecoverOutcome {
    fn is_good(self) -> bool {
        matches!(self, Self::Healthy | Self::Recovered)
    }

    /// The last line for people.
    fn sentence(self, status: &Status, took: Duration) -> String {
        let advice = status.last_fault.as_ref().map_or("", |fault| fault.advice.as_str());
        let took = took.as_secs_f64();
        let text = match self {
            Self::Healthy => {
                return format!("{} works: {:.1} fps. There is nothing to recover.", status.name, status.fps);
            }
            Self::Recovered => return format!("Recovered after {took:.1} s: {:.1} fps.", status.fps),
            Self::GivenUp => format!("Not recovered: trying on is of no use. {advice}"),
            Self::UsedUp => format!("Not recovered after {took:.1} s: everything has been tried. {advice}"),
            Self::ResetLeft => format!(
                "Not recovered after {took:.1} s. What is left is a reset of the device, which takes it away from every \
                 program for a moment: run this command again with --reset."
            ),
            Self::ResetRefused => format!("Not recovered after {took:.1} s, and the device was not reset. {advice}"),
            Self::OutOfTime => format!("Not recovered within {took:.0} s (--deadline). {advice}"),
        };
        if status.should_reboot { format!("{text} Restarting the computer may help.") } else { text }
    }
}

impl CommandContext<'_> {
    pub(super) fn recover(&self, source: Option<&str>, options: RecoverOptions) -> Result<Exit, String> {
        let spec = self.choose(source)?;
        let name = spec.to_string();
        let log = EventLog::new();
        // Dropped after the camera, whose last events it takes.
        let records = keep_records(&log);
        let settings = settings(self.settings(&spec), options);
        let is_device = matches!(spec, SourceSpec::Device(_) | SourceSpec::Index(_));
        let may_reset = is_device && settings.recovery.may_reset_device;
        let camera = self.open_with(spec, &settings, log.clone())?;
        if let Some(records) = &records {
            records.watch(camera.status());
        }
        let mut climb = RecoveryRun {
            began: Instant::now(),
            log,
            options,
            may_reset,
            rungs: Vec::new(),
            last_event: 0,
            told: Told::default(),
        };
        let (end, status, took) = climb.until_end(self, &camera)?;
        drop(camera);
        if options.json {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let report = RecoverReport {
                source: &name,
                recovered: end.is_good(),
                took_ms,
                rungs: &climb.rungs,
                status: &status,
            };
            say(&pretty(&report));
        } else {
            say(&end.sentence(&status, took));
        }
        Ok(if end.is_good() { Exit::Healthy } else { Exit::Critical })
    }
}

/// The settings of this run: it begins with a restart of the stream, since whoever calls has seen that waiting is no help.
fn settings(mut settings: CameraSettings, options: RecoverOptions) -> CameraSettings {
    settings.recovery.automatic = true;
    settings.recovery.n_retries = 0;
    settings.recovery.may_reset_device |= options.may_reset;
    settings
}

/// The steps so far.
struct RecoveryRun {
    began: Instant,
    log: EventLog,
    options: RecoverOptions,
    /// The ladder resets the device by itself when it comes to that.
    may_reset: bool,
    rungs: Vec<RungReport>,
    last_event: u64,
    told: Told,
}

/// Whether somebody was asked for a reset of the device. It is asked once.
enum ResetQuestion {
    NotAsked,
    Asked(Receiver<bool>),
    Consented,
}

/// What has been printed, so that it is not printed again.
#[derive(Default)]
struct Told {
    fault: bool,
    /// The rung and the number of the attempt that was announced last.
    next: Option<(Rung, u32)>,
}

impl RecoveryRun {
    /// Watches until it is clear how it ends. The time is the one until the picture came, else all of it.
    fn until_end(
        &mut self,
        work: &CommandContext<'_>,
        camera: &Camera,
    ) -> Result<(RecoverOutcome, Arc<Status>, Duration), String> {
        let mut statuses = camera.status();
        let mut deadline = self.began + self.options.deadline;
        let mut good_since: Option<Instant> = None;
        let mut was_bad = false;
        let mut question = ResetQuestion::NotAsked;
        loop {
            work.check_interrupted()?;
            let _ = statuses.wait_fresh(deadline.min(Instant::now() + POLL));
            let Some(status) = statuses.current() else { continue };
            self.take_events(&status);
            self.tell(&status);
            let now = Instant::now();
            let took = now.saturating_duration_since(self.began);
            if is_good(&status) {
                let since = *good_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= STATUS_WATCH {
                    let end = if was_bad || !self.rungs.is_empty() {
                        RecoverOutcome::Recovered
                    } else {
                        RecoverOutcome::Healthy
                    };
                    return Ok((end, status, since.saturating_duration_since(self.began)));
                }
            } else {
                good_since = None;
                was_bad |= has_failed(&status);
            }
            match &question {
                ResetQuestion::NotAsked if status.reset_needs_consent => {
                    let Some(answer) = ask(&status)? else { return Ok((RecoverOutcome::ResetLeft, status, took)) };
                    question = ResetQuestion::Asked(answer);
                    deadline = deadline.max(now + ANSWER_DEADLINE);
                }
                ResetQuestion::Asked(answer) => match answer.try_recv() {
                    Ok(true) => {
                        camera.send(Command::ResetDevice);
                        question = ResetQuestion::Consented;
                        deadline = now + self.options.deadline;
                    }
                    Ok(false) | Err(TryRecvError::Disconnected) => {
                        return Ok((RecoverOutcome::ResetRefused, status, took));
                    }
                    Err(TryRecvError::Empty) => {}
                },
                ResetQuestion::NotAsked | ResetQuestion::Consented => {
                    let reset_is_due = self.may_reset || matches!(question, ResetQuestion::Consented);
                    let reset_is_due = reset_is_due && !self.was_reset();
                    let fault = status.last_fault.as_ref();
                    if let Some(end) = end(status.state, fault, status.should_reboot, reset_is_due) {
                        return Ok((end, status, took));
                    }
                }
            }
            if now >= deadline {
                return Ok((RecoverOutcome::OutOfTime, status, took));
            }
        }
    }

    fn was_reset(&self) -> bool {
        self.rungs.iter().any(|climbed| climbed.rung == Rung::ResetDevice)
    }

    /// Prints the steps that have ended since the last call, and keeps them for the result.
    fn take_events(&mut self, status: &Status) {
        for event in self.log.since(self.last_event) {
            if let Some(mut climbed) = climbed(&event) {
                match why(&climbed, status) {
                    Some(why) => climbed.why = why,
                    // The status that says why is a moment behind the event.
                    None if event.instant.elapsed() < STATUS_FOLLOWS_WITHIN => return,
                    None => {}
                }
                if !self.options.json {
                    say(&line(&climbed));
                }
                self.rungs.push(climbed);
            } else if self.was_reset()
                && [FaultKind::Denied, FaultKind::ResetFailed].map(FaultKind::slug).contains(&event.name.as_str())
            {
                // Which right the reset needed, and how to get it.
                complain(&event.message);
            }
            self.last_event = event.id;
        }
    }

    /// Prints what is wrong, once, and on a terminal what is being waited for.
    fn tell(&mut self, status: &Status) {
        if self.options.json {
            return;
        }
        if let Some(fault) = status.last_fault.as_ref().filter(|_| has_failed(status) && !self.told.fault) {
            self.told.fault = true;
            say(&format!("{}: {fault}", status.name));
        }
        if let (Some(rung), Some(secs)) = (status.rung, status.next_try_secs)
            && secs >= LEAST_TOLD_WAIT_SECS
            && self.told.next != Some((rung, status.recovery_attempts))
            && io::stderr().is_terminal()
        {
            self.told.next = Some((rung, status.recovery_attempts));
            complain(&format!("Next: {rung} in {secs:.0} s …"));
        }
    }
}

fn is_good(status: &Status) -> bool {
    status.state == State::Streaming && status.outage_secs.is_none()
}

/// Whether pictures failed to come, rather than not having come yet. Damaged ones come.
fn has_failed(status: &Status) -> bool {
    status.last_fault.as_ref().is_some_and(|fault| fault.class != FaultClass::Quality)
}

/// Whether nothing more is to be expected. A reset that is still due counts for more than the advice to reboot, which
/// comes from the number of failures alone.
fn end(state: State, fault: Option<&Fault>, should_reboot: bool, reset_is_due: bool) -> Option<RecoverOutcome> {
    match state {
        State::Failed if fault.is_some_and(|fault| !fault.is_transient()) => Some(RecoverOutcome::GivenUp),
        State::Failed => Some(RecoverOutcome::UsedUp),
        State::Recovering | State::Opening if should_reboot && !reset_is_due => Some(RecoverOutcome::UsedUp),
        State::Idle | State::Opening | State::Streaming | State::Recovering => None,
    }
}

/// The event as a rung that has ended, without the reason; `None` for every other event.
fn climbed(event: &Event) -> Option<RungReport> {
    if event.name != "rung" {
        return None;
    }
    let detail = |name: &str| event.details.get(name).cloned();
    let rung = serde_json::from_value(detail("rung")?).ok()?;
    let outcome = serde_json::from_value(detail("outcome")?).ok()?;
    Some(RungReport { rung, outcome, took_ms: detail("took_ms")?.as_u64()?, why: String::new() })
}

/// Why it ended so; `None` where the status does not tell of this end.
fn why(climbed: &RungReport, status: &Status) -> Option<String> {
    let last = status.ladder.iter().find(|known| known.rung == climbed.rung)?.last.as_ref()?;
    (last.outcome == climbed.outcome && last.took_ms == climbed.took_ms).then(|| last.why.clone())
}

fn line(climbed: &RungReport) -> String {
    let took = Duration::from_millis(climbed.took_ms).as_secs_f64();
    format!("  {:<15} {:<11} {took:>5.1} s  {}", climbed.rung.to_string(), climbed.outcome.to_string(), climbed.why)
        .trim_end()
        .to_owned()
}

/// Asks whether the device may be reset; `None` where nobody can be asked. The answer comes from a thread of its own: a
/// signal and the deadline must not wait for it.
fn ask(status: &Status) -> Result<Option<Receiver<bool>>, String> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let mut stderr = io::stderr().lock();
    let question = format!(
        "Nothing gentler has helped. A reset restarts {} on its port, as if it were unplugged and plugged in again; every\n\
         other program that uses it loses its picture too. Reset it? [y/N] ",
        status.called()
    );
    let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    drop(stderr);
    let (answer_tx, answer) = bounded(1);
    let read = move || {
        let mut line = String::new();
        let is_read = io::stdin().lock().read_line(&mut line).is_ok();
        let _ = answer_tx.send(is_read && is_yes(&line));
    };
    thread::Builder::new()
        .name("answer".to_owned())
        .spawn(read)
        .map_err(|error| format!("The system gives no thread: {error}"))?;
    Ok(Some(answer))
}

fn is_yes(line: &str) -> bool {
    ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (line, expected) in
            [("y\n", true), ("Yes\r\n", true), (" y ", true), ("\n", false), ("", false), ("n", false), ("yes?", false)]
        {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_line_for_each_rung_is_easy_to_read() {
        let climbed = |rung, outcome, took_ms, why: &str| RungReport { rung, outcome, took_ms, why: why.to_owned() };
        for (climbed, expected) in [
            (
                climbed(Rung::RestartStream, RungOutcome::Failed, 1_040, "no frame for 1.0 s"),
                "  restart stream  failed        1.0 s  no frame for 1.0 s",
            ),
            (climbed(Rung::Reinitialise, RungOutcome::Recovered, 12_300, ""), "  reconnect       recovered    12.3 s"),
        ] {
            assert_eq!(line(&climbed), expected);
        }
    }

    #[track_caller]
    fn check_end(
        state: State,
        kind: Option<FaultKind>,
        should_reboot: bool,
        reset_is_due: bool,
        expected: Option<RecoverOutcome>,
    ) {
        let fault = kind.map(|kind| Fault::new(kind, "test"));
        assert_eq!(end(state, fault.as_ref(), should_reboot, reset_is_due), expected);
    }

    #[test]
    fn it_is_clear_when_nothing_more_is_to_be_expected() {
        let stall = Some(FaultKind::Stall);
        check_end(State::Opening, None, false, false, None);
        check_end(State::Recovering, stall, false, false, None);
        check_end(State::Recovering, stall, true, false, Some(RecoverOutcome::UsedUp));
        check_end(State::Recovering, stall, true, true, None);
        check_end(State::Streaming, stall, true, false, None);
        check_end(State::Failed, stall, true, true, Some(RecoverOutcome::UsedUp));
        check_end(State::Failed, Some(FaultKind::Denied), false, true, Some(RecoverOutcome::GivenUp));
    }
}
