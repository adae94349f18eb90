//! What is wrong with the live picture: what the log and the alerts say of it. Finds nothing itself: see [`crate::analyser`].

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::machine::CameraEvent;
use crate::criteria::PictureFault;
use crate::event::Level;
use crate::status::{Alert, AlertName, PictureFaultKind, PictureFaultStatus, round_secs};

/// A hand before the lens is no reason to call somebody.
const ALERT_AFTER: Duration = Duration::from_secs(5);
const CAUSE: &str = "picture_fault";

/// Of one camera, from its start to its stop. An outage changes nothing: what was wrong before it is judged anew by the pictures
/// after it.
#[derive(Default)]
pub(super) struct PictureFaults {
    faults: Vec<PictureFault>,
    alert: Option<Alert>,
}

impl PictureFaults {
    pub(super) fn faults(&self) -> &[PictureFault] {
        &self.faults
    }

    pub(super) fn alert(&self) -> Option<&Alert> {
        self.alert.as_ref()
    }

    pub(super) fn statuses(&self, now: Instant) -> Vec<PictureFaultStatus> {
        let status = |fault: &PictureFault| PictureFaultStatus {
            kind: fault.kind,
            since_secs: round_secs(now.saturating_duration_since(fault.since)),
            share: (fault.share * 100.0).round() / 100.0,
            message: fault.kind.began().to_owned(),
        };
        self.faults.iter().map(status).collect()
    }

    /// All that is wrong now. Returns what is new for the log.
    pub(super) fn set(&mut self, faults: Vec<PictureFault>, now: Instant) -> Vec<CameraEvent> {
        let before = std::mem::replace(&mut self.faults, faults);
        let is_in = |faults: &[PictureFault], kind: PictureFaultKind| faults.iter().any(|fault| fault.kind == kind);
        let ended = before.iter().filter(|fault| !is_in(&self.faults, fault.kind)).map(|fault| {
            let lasted = now.saturating_duration_since(fault.since).as_secs_f64();
            let message = format!("{} It lasted {lasted:.0} s.", fault.kind.ended());
            CameraEvent::new(Level::Good, fault.kind.slug(), message)
        });
        let began = self.faults.iter().filter(|fault| !is_in(&before, fault.kind));
        let began = began.map(|fault| CameraEvent::new(Level::Warning, fault.kind.slug(), fault.kind.began()));
        let mut lines: Vec<_> = ended.chain(began).collect();
        lines.extend(self.watch(now));
        lines
    }

    /// The alert begins and ends.
    pub(super) fn watch(&mut self, now: Instant) -> Option<CameraEvent> {
        let is_old = |fault: &&PictureFault| now.saturating_duration_since(fault.since) >= ALERT_AFTER;
        let details = |fault: Option<PictureFaultKind>| {
            let fault = fault.map(|kind| ("fault".to_owned(), Value::from(kind.slug())));
            [("cause".to_owned(), Value::from(CAUSE))].into_iter().chain(fault).collect::<Map<_, _>>()
        };
        if self.faults.is_empty() {
            let _ended = self.alert.take()?;
            let message = "Alert ended: the picture shows no fault any more".to_owned();
            let line = CameraEvent::new(Level::Good, AlertName::CameraRecovery.as_str(), message);
            return Some(CameraEvent { details: details(None), ..line });
        }
        let kind = self.faults.iter().find(is_old)?.kind;
        let message = kind.began().to_owned();
        let alert = Alert { name: AlertName::CameraIssue, cause: CAUSE.to_owned(), message };
        let is_new = self.alert.replace(alert).is_none();
        is_new.then(|| {
            let line = CameraEvent::new(Level::Warning, AlertName::CameraIssue.as_str(), format!("Alert: {CAUSE}"));
            CameraEvent { details: details(Some(kind)), ..line }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PictureFaultKind::{Black, Frozen};

    /// What the log has after reports at these times, in seconds, each of faults and since when.
    #[track_caller]
    fn check(reports: &[(u64, &[(PictureFaultKind, u64)])], end_secs: u64, expected: &[(u64, &str)]) {
        let origin = Instant::now();
        let at = |secs: u64| origin + Duration::from_secs(secs);
        let mut picture = PictureFaults::default();
        let mut got = Vec::new();
        for secs in 0..=end_secs {
            let mut lines: Vec<_> = picture.watch(at(secs)).into_iter().collect();
            for (_, faults) in reports.iter().filter(|(then, _)| *then == secs) {
                let fault = |(kind, since): &(_, u64)| PictureFault { kind: *kind, since: at(*since), share: 1.0 };
                lines.extend(picture.set(faults.iter().map(fault).collect(), at(secs)));
            }
            got.extend(lines.into_iter().map(|line| (secs, format!("{}: {}", line.name, line.message))));
        }
        let got: Vec<_> = got.iter().map(|(secs, line)| (*secs, line.as_str())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn faults_are_told_once_and_are_an_alert_when_they_last() {
        check(
            &[(1, &[(Black, 1)]), (4, &[])],
            20,
            &[(1, "black: The picture is black."), (4, "black: The picture is no longer black. It lasted 3 s.")],
        );
        check(
            &[(1, &[(Black, 0)]), (7, &[(Black, 0), (Frozen, 6)]), (9, &[(Frozen, 6)]), (20, &[])],
            30,
            &[
                (1, "black: The picture is black."),
                (5, "CAMERA_ISSUE: Alert: picture_fault"),
                (7, "frozen: The picture stands still."),
                (9, "black: The picture is no longer black. It lasted 9 s."),
                (20, "frozen: The picture moves again. It lasted 14 s."),
                (20, "CAMERA_RECOVERY: Alert ended: the picture shows no fault any more"),
            ],
        );
    }
}
