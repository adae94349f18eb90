//! How every face gets the status of a camera: never an old one as if it were today's.
//!
//! The status is published at fixed periods while the camera is at work. When none comes, the supervisor itself stands still,
//! which no part of it can tell: the reader does.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::criteria::NO_PICTURE;
use crate::fault::{Fault, FaultKind};
use crate::latest::{Fresh, Latest, Reader};
use crate::status::{Alert, AlertName, Deduction, Grade, State, Status, round_secs};

/// A status of a camera at work that is older is outdated: a dozen periods of one that is open, twice that of one that is given up.
const OUTDATED_AFTER: Duration = Duration::from_secs(3);
const OUTDATED_AFTER_FAILED: Duration = Duration::from_secs(10);
/// How often an outdated one is told anew.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// As the supervisor publishes it.
pub(super) struct PublishedStatus {
    at: Instant,
    status: Arc<Status>,
}

impl PublishedStatus {
    pub(super) fn new(status: Status, at: Instant) -> Self {
        Self { at, status: Arc::new(status) }
    }

    /// What it means at `now`, and whether it is outdated.
    fn as_of(&self, now: Instant) -> (Arc<Status>, bool) {
        let age = now.saturating_duration_since(self.at);
        let outdated_after = match self.status.state {
            State::Idle => Duration::MAX,
            State::Failed => OUTDATED_AFTER_FAILED,
            State::Opening | State::Streaming | State::Recovering => OUTDATED_AFTER,
        };
        if age <= outdated_after {
            return (Arc::clone(&self.status), false);
        }
        (Arc::new(outdated(&self.status, age)), true)
    }
}

/// A status that was the last one `age` ago: nothing in it is known to hold any more.
fn outdated(last: &Status, age: Duration) -> Status {
    let secs = round_secs(age);
    let fault =
        Fault::new(FaultKind::Hung, format!("Camclinic itself has not looked after this camera for {secs:.0} s"))
            .with_advice("Restart Camclinic, and save a report: this is a fault of the program, not of the camera.");
    let issue =
        Alert { name: AlertName::CameraIssue, cause: "capture_failure".to_owned(), message: fault.message.to_string() };
    let mut alerts = last.alerts.clone();
    alerts.push(issue);
    Status {
        state: State::Recovering,
        is_capturing: false,
        is_healthy: false,
        health_score: Some(0),
        grade: Some(Grade::Critical),
        deductions: vec![Deduction { rule: NO_PICTURE.id.to_owned(), reason: fault.message.to_string(), points: 100 }],
        fps: 0.0,
        last_frame_age_secs: last.last_frame_age_secs.map(|before| before + secs),
        last_fault: Some(fault),
        alerts,
        outage_secs: Some(last.outage_secs.unwrap_or_default() + secs),
        next_try_secs: None,
        ..last.clone()
    }
}

/// Like a [`Reader`] of statuses, but for the date.
#[derive(Clone)]
pub struct StatusReader {
    statuses: Reader<PublishedStatus>,
    /// Gone with the camera: that nothing is published of one that was closed is as it should be.
    camera: Weak<()>,
    told_outdated_at: Option<Instant>,
}

impl Default for StatusReader {
    /// Of no camera: there never is a status.
    fn default() -> Self {
        Self::new(Latest::new().reader(), Weak::new())
    }
}

impl StatusReader {
    pub(super) fn new(statuses: Reader<PublishedStatus>, camera: Weak<()>) -> Self {
        Self { statuses, camera, told_outdated_at: None }
    }

    fn at(&self, published: &PublishedStatus, now: Instant) -> (Arc<Status>, bool) {
        if self.is_closed() { (Arc::clone(&published.status), false) } else { published.as_of(now) }
    }

    /// Whether nobody wants the camera any more: the status stays as it was.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.camera.strong_count() == 0
    }

    /// The status of this moment, seen or not.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Status>> {
        self.statuses.current().map(|published| self.at(&published, Instant::now()).0)
    }

    /// The status of this moment if it is new to this reader. An outdated one is new once a second.
    pub fn take_fresh(&mut self) -> Option<Fresh<Status>> {
        let fresh = self.statuses.take_fresh();
        self.fresh(fresh, Instant::now())
    }

    /// Waits for a status that is new to this reader, until `deadline` at the latest.
    pub fn wait_fresh(&mut self, deadline: Instant) -> Option<Fresh<Status>> {
        let fresh = self.statuses.wait_fresh(deadline);
        self.fresh(fresh, Instant::now())
    }

    fn fresh(&mut self, fresh: Option<Fresh<PublishedStatus>>, now: Instant) -> Option<Fresh<Status>> {
        let (published, n_skipped, is_new) = match fresh {
            Some(fresh) => (fresh.value, fresh.n_skipped, true),
            None => (self.statuses.current()?, 0, false),
        };
        let (value, is_outdated) = self.at(&published, now);
        if !is_outdated {
            self.told_outdated_at = None;
            return is_new.then_some(Fresh { value, n_skipped });
        }
        if self.told_outdated_at.is_some_and(|at| now.saturating_duration_since(at) < TOLD_EVERY) {
            return None;
        }
        self.told_outdated_at = Some(now);
        Some(Fresh { value, n_skipped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::machine::Machine;
    use crate::settings::{CameraSettings, TrustedCertificates};
    use crate::source::SourceSpec;

    fn status(state: State) -> Status {
        let spec = SourceSpec::parse("sim:").unwrap();
        let now = Instant::now();
        let mut machine = Machine::new(spec, CameraSettings::default(), TrustedCertificates::default(), 1, now);
        let score = (state == State::Streaming).then_some(100);
        Status { state, health_score: score, is_healthy: true, is_capturing: true, fps: 30.0, ..machine.status(now) }
    }

    /// What is left of a status of `state` that is so old.
    #[track_caller]
    fn check(state: State, age_secs: f64, expected: (State, bool)) {
        let now = Instant::now();
        let published = PublishedStatus::new(status(state), now);
        let (status, is_outdated) = published.as_of(now + Duration::from_secs_f64(age_secs));
        assert_eq!((status.state, is_outdated), expected, "{state} of {age_secs} s");
        assert_eq!(status.is_healthy, !is_outdated);
        if is_outdated {
            assert_eq!((status.health_score, status.fps, status.is_capturing), (Some(0), 0.0, false));
            assert!(status.outage_secs.unwrap() >= age_secs && status.last_fault.is_some());
        }
    }

    #[test]
    fn an_old_status_is_never_told_as_todays() {
        use State::{Failed, Idle, Opening, Recovering, Streaming};
        check(Streaming, 0.0, (Streaming, false));
        check(Streaming, 2.9, (Streaming, false));
        check(Streaming, 3.1, (Recovering, true));
        check(Opening, 3.1, (Recovering, true));
        check(Recovering, 3.1, (Recovering, true));
        check(Failed, 9.9, (Failed, false));
        check(Failed, 10.1, (Recovering, true));
        // Nothing is published of a stopped one.
        check(Idle, 86_400.0, (Idle, false));
    }

    #[test]
    fn an_outdated_status_is_new_once_a_second() {
        let latest = Latest::new();
        let camera = Arc::new(());
        let mut reader = StatusReader::new(latest.reader(), Arc::downgrade(&camera));
        assert!(reader.take_fresh().is_none());
        let began = Instant::now();
        latest.publish(PublishedStatus::new(status(State::Streaming), began));
        assert_eq!(reader.take_fresh().map(|fresh| fresh.value.state), Some(State::Streaming));
        let states = |reader: &mut StatusReader, secs: f64| {
            reader.fresh(None, began + Duration::from_secs_f64(secs)).map(|fresh| fresh.value.state)
        };
        assert_eq!(states(&mut reader, 2.0), None);
        assert_eq!(states(&mut reader, 3.5), Some(State::Recovering));
        assert_eq!(states(&mut reader, 4.0), None);
        assert_eq!(states(&mut reader, 4.6), Some(State::Recovering));
        // A camera that was closed is not looked after any more.
        assert!(!reader.is_closed());
        drop(camera);
        assert!(reader.is_closed());
        assert_eq!(states(&mut reader, 9.0), None);
    }
}
