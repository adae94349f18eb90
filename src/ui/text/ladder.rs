//! What is said of the steps of recovery, one by one.

use std::time::Duration;

use super::{Moment, ago, coarse_span, sentence, span};
use crate::settings::RecoverySettings;
use crate::status::{Rung, RungOutcome, StuckProcess};

/// What a reset of the device does.
pub const RESET_IS: &str = "A reset restarts the device on its USB port, as if it were unplugged and plugged in again. Every other program that uses it loses its picture too.";
/// Who may do it.
pub const RESET_NEEDS: &str = "It needs rights on the device itself: on Linux root, or a udev rule that lets you write to its file below /dev/bus/usb; on Windows an administrator.";

/// What can be done about a process that does not end.
pub const STUCK_HELP: &str = "Only the driver can let it go. Unplug the camera; when that does not help, restart the computer. Until then the camera may be busy.";

/// A process of ours that even a kill did not end. `since` is the time since the status was published.
#[must_use]
pub fn stuck(process: &StuckProcess, since: Duration) -> String {
    let place = process.kernel_function.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
    let secs = process.since_secs + since.as_secs_f64();
    // The time stays on one line.
    let waited = coarse_span(secs).replace(' ', "\u{a0}");
    format!("Process {} does not end: it has been waiting in the kernel{place} for {waited}.", process.pid)
}

/// One rung of the ladder in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RungLine {
    pub is_active: bool,
    /// It is not carried out before somebody consents.
    pub needs_consent: bool,
    /// The countdown of the active one; of the others, when their turn comes.
    pub when: String,
    /// How its last try ended.
    pub outcome: Option<RungOutcome>,
    /// What came of it so far; before that, what it does.
    pub below: String,
    pub hover: String,
}

/// `moment` is `None` before anything is known of the camera. `has_reset` says that it is one that can be reset.
#[must_use]
pub fn rung_line(rung: Rung, moment: Option<Moment<'_>>, recovery: &RecoverySettings, has_reset: bool) -> RungLine {
    let does = match rung {
        Rung::ResetDevice if !has_reset => "Only for a camera of this computer",
        Rung::Retry => "Reads again after a short pause",
        Rung::RestartStream => "Stops the stream and starts it again",
        Rung::Reinitialise => "Closes the device and opens it anew",
        Rung::ResetDevice => "Restarts the device on its USB port",
        Rung::AdviseReboot => "Camclinic never restarts the computer",
    };
    let status = moment.map(|moment| moment.status);
    let needs_consent = rung == Rung::ResetDevice && status.is_some_and(|status| status.reset_needs_consent);
    let is_active = status.is_some_and(|status| status.rung == Some(rung));
    let next_try_secs = moment.and_then(|moment| moment.next_try_secs());
    let failures = |n: u32| format!("after {}", counted(n, "failure"));
    let when = match (rung, next_try_secs) {
        _ if needs_consent => "waits for you".to_owned(),
        (Rung::AdviseReboot, _) if is_active => "now advised".to_owned(),
        (_, Some(secs)) if is_active => format!("in {}", span(secs)),
        _ if is_active => "now".to_owned(),
        (Rung::ResetDevice, _) if !has_reset => "–".to_owned(),
        (Rung::ResetDevice, _) => if recovery.may_reset_device { "by itself" } else { "asks first" }.to_owned(),
        (Rung::AdviseReboot, _) => failures(recovery.n_failures_before_reboot_advice),
        _ if !recovery.automatic => "when asked".to_owned(),
        (Rung::Retry, _) => "at once".to_owned(),
        (Rung::RestartStream, _) => "once".to_owned(),
        (Rung::Reinitialise, _) => failures(recovery.n_failures_before_reconnect),
    };
    let seen = status.and_then(|status| status.ladder.iter().find(|seen| seen.rung == rung));
    let last = seen.and_then(|seen| seen.last.as_ref());
    let n_tries = seen.map_or(0, |seen| seen.n_tries);
    let since_secs = moment.map_or(0.0, |moment| moment.since.as_secs_f64());
    let mut parts = Vec::new();
    if n_tries > 0 {
        parts.push(tries(n_tries));
    }
    let waited_for = status.filter(|_| is_active).is_some_and(super::is_waited_for);
    if n_tries > 0 && waited_for {
        parts.push("looking until it is there and free".to_owned());
    } else if let Some(last) = last {
        let took = span(Duration::from_millis(last.took_ms).as_secs_f64());
        parts.push(match last.outcome {
            RungOutcome::Recovered => format!("recovered in {took}"),
            RungOutcome::Failed | RungOutcome::Interrupted => format!("{} after {took}", last.outcome),
        });
        parts.push(ago(last.ago_secs + since_secs));
    } else if n_tries > 0 && is_active {
        parts.push("under way".to_owned());
    }
    let below = if parts.is_empty() { does.to_owned() } else { parts.join(" · ") };
    let n_reconnections = recovery.n_recovery_attempts;
    let explained = match rung {
        Rung::Retry => "A failed read is repeated, and a picture that is only late is waited for.".to_owned(),
        Rung::RestartStream => {
            "The stream is stopped and started, with the device kept open: what revives a camera whose transfers have failed."
                .to_owned()
        }
        Rung::Reinitialise => {
            "The device is closed and opened anew, with pauses that grow; in another format or through another backend where that is allowed below.".to_owned()
        }
        Rung::ResetDevice if !has_reset => {
            "Only a camera of this computer can be reset: no file, no address, no simulated one.".to_owned()
        }
        Rung::ResetDevice => format!("{RESET_IS} It comes after {n_reconnections} reconnections in a row."),
        Rung::AdviseReboot => "When all else has failed, a restart of the computer may help. Camclinic only says so.".to_owned(),
    };
    let why = last.filter(|last| !last.why.is_empty()).map(|last| format!("\nLast: {}", sentence(&last.why)));
    let hover = explained + &why.unwrap_or_default();
    let outcome = last.map(|last| last.outcome).filter(|_| !waited_for);
    RungLine { is_active, needs_consent, when, outcome, below, hover }
}

fn tries(n: u32) -> String {
    if n == 1 { "1 try".to_owned() } else { format!("{n} tries") }
}

fn counted(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
