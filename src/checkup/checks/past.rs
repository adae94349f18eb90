//! What the log on the disk knows of this camera: a check-up of a few seconds sees a quiet moment of what comes and goes.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::{QUICK, result, with_load};
use crate::checkup::facts::{Facts, PastFault};
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::criteria;
use crate::device;
use crate::event::{self, Level};
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::logging::files;
use crate::phrases::Message;

/// What is longer ago says little of today.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(24);

pub struct PastCheck;

impl Check for PastCheck {
    fn id(&self) -> &'static str {
        "past"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        context.request.records.is_none().then(|| Message::new("why.no-records"))
    }

    fn patience(&self, context: &CheckContext) -> std::time::Duration {
        with_load(QUICK, context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(folder) = &context.request.records else { return result(self, CheckOutcome::Skipped, "none") };
        let now = event::now();
        match read(folder, &context.facts.source.name, now) {
            Ok((past, opened)) => {
                tell_whose_place_it_was(&mut context.facts, &opened);
                let n: u32 = past.iter().map(|past| past.n).sum();
                let comes_again = past.iter().any(|past| criteria::comes_again(past.n, past.last_secs_ago));
                context.facts.past = Some(past);
                let outcome = if comes_again { CheckOutcome::Warning } else { CheckOutcome::Good };
                result(self, outcome, if n == 0 { "none" } else { "some" }).with("n", n)
            }
            Err(error) => result(self, CheckOutcome::Skipped, "unreadable").with("error", error.to_string()),
        }
    }
}

/// The faults, and the identities of the devices that were opened, the latest one last.
fn read(folder: &Path, source: &str, now: Timestamp) -> std::io::Result<(Vec<PastFault>, Vec<String>)> {
    let since = now.checked_sub(LOOKED_BACK).unwrap_or(Timestamp::MIN);
    let entries = files::read(folder, since, |entry| {
        entry.source == source && (entry.level >= Level::Warning || entry.name == event::OPENED)
    })?;
    let (opened, troubles): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.name == event::OPENED);
    let troubles = troubles.iter().map(|entry| (entry.at, entry.name.as_str(), entry.message.as_str()));
    Ok((gathered(troubles, now), opened.iter().filter_map(|entry| identity(&entry.line)).collect()))
}

fn identity(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    event.get(event::OPENED_IDENTITY)?.as_str().map(str::to_owned)
}

/// Numbers and paths go to other cameras where the system starts anew or plugs are changed.
fn tell_whose_place_it_was(facts: &mut Facts, opened: &[String]) {
    let Some(presence) = &mut facts.presence else { return };
    let Some(device) = &presence.device else { return };
    presence.was = opened.iter().rev().find(|identity| **identity != device.identity).cloned();
    presence.was_moved_to = presence.was.as_deref().and_then(device::find).map(|moved| moved.path);
}

/// Lines of faults by their kind, from the oldest line to the newest. What somebody had to put right, and has, is over; so is what
/// another program kept.
fn gathered<'a>(lines: impl Iterator<Item = (Timestamp, &'a str, &'a str)>, now: Timestamp) -> Vec<PastFault> {
    let mut past: Vec<PastFault> = Vec::new();
    for (at, name, message) in lines {
        let kind = FaultKind::ALL.iter().copied().find(|kind| kind.slug() == name);
        let counts = |kind: &FaultKind| !matches!(kind.class(), FaultClass::Terminal | FaultClass::Busy);
        let Some(kind) = kind.filter(counts) else { continue };
        let secs_ago = now.duration_since(at).as_secs_f64().max(0.0);
        let fault = Fault::new(kind, message);
        match past.iter_mut().find(|past| past.fault.kind == kind) {
            Some(known) => {
                known.n += 1;
                (known.fault, known.last_secs_ago) = (fault, secs_ago);
            }
            None => past.push(PastFault { fault, n: 1, first_secs_ago: secs_ago, last_secs_ago: secs_ago }),
        }
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::facts::PresenceFacts;
    use crate::device::Device;

    #[test]
    fn faults_are_gathered_by_their_kind() {
        #[track_caller]
        fn check(lines: &[(i64, &str)], expected: &[(&str, u32, f64, f64)]) {
            let now = Timestamp::from_second(1_000_000).unwrap();
            let at = |secs_ago: &i64| Timestamp::from_second(1_000_000 - secs_ago).unwrap();
            let past = gathered(lines.iter().map(|(secs_ago, name)| (at(secs_ago), *name, "As it was told")), now);
            let told = |past: &PastFault| (past.fault.kind.slug(), past.n, past.first_secs_ago, past.last_secs_ago);
            assert_eq!(past.iter().map(told).collect::<Vec<_>>(), expected);
        }
        check(&[], &[]);
        check(&[(60, "stall")], &[("stall", 1, 60.0, 60.0)]);
        check(
            &[(90, "stall"), (60, "rung"), (30, "stall"), (9, "hung")],
            &[("stall", 2, 90.0, 30.0), ("hung", 1, 9.0, 9.0)],
        );
        // Somebody has put it right; another program had it; an alert is no fault.
        check(&[(90, "login-refused"), (60, "busy"), (30, "CAMERA_ISSUE")], &[]);
        // Another process's clock is a little ahead.
        check(&[(-2, "stall")], &[("stall", 1, 0.0, 0.0)]);
    }

    #[test]
    fn who_had_the_place_before_is_told() {
        #[track_caller]
        fn check(opened: &[&str], expected: Option<&str>) {
            let folder = tempfile::tempdir().unwrap();
            let now = event::now();
            for (n, identity) in (0..).zip(opened) {
                let at = now.checked_sub(SignedDuration::from_secs(60 - n)).unwrap();
                let source = if identity.is_empty() { "1" } else { "0" };
                let line = serde_json::json!({
                    "at": at, "source": source, "level": "info", "name": "open", "message": "Opened", "identity": identity,
                });
                files::append(folder.path(), format!("{line}\n").as_bytes(), now).unwrap();
            }
            let device = Device { identity: "usb-A".to_owned(), ..Device::default() };
            let presence = PresenceFacts { device: Some(device), ..PresenceFacts::default() };
            let mut facts = Facts { presence: Some(presence), ..Facts::default() };
            tell_whose_place_it_was(&mut facts, &read(folder.path(), "0", now).unwrap().1);
            assert_eq!(facts.presence.unwrap().was.as_deref(), expected, "{opened:?}");
        }
        check(&[], None);
        check(&["usb-A"], None);
        check(&["usb-B"], Some("usb-B"));
        check(&["usb-B", "usb-A"], Some("usb-B"));
        check(&["usb-C", "usb-B", "usb-A"], Some("usb-B"));
        // Of another place.
        check(&[""], None);
    }
}
