//! The time without a live picture although one is wanted: when it began, why, what the log and the alerts say of it, and
//! how it ended. Writes events; decides nothing.

use std::time::{Duration, Instant};

use crate::event::Level;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::logging::EventLog;
use crate::recovery::{Ladder, Plan};
use crate::status::{Alert, AlertName, Rung};

/// Damaged frames come many a second: the log gets one line in this time.
const DAMAGE_LOG_PERIOD: Duration = Duration::from_secs(5);

pub(super) struct Outage {
    /// The camera's name in the events.
    source: String,
    log: EventLog,
    /// When the live picture ended, or was first wanted; `None` while there is one.
    pub(super) since: Option<Instant>,
    /// Whether something failed since then, so that the end is news.
    pub(super) is_announced: bool,
    pub(super) last_fault: Option<Fault>,
    pub(super) rung: Option<Rung>,
    pub(super) alert: Option<Alert>,
    n_unlogged_damaged: u32,
    damage_logged_at: Option<Instant>,
}

impl Outage {
    pub(super) fn new(source: String, log: EventLog) -> Self {
        Self {
            source,
            log,
            since: None,
            is_announced: false,
            last_fault: None,
            rung: None,
            alert: None,
            n_unlogged_damaged: 0,
            damage_logged_at: None,
        }
    }

    /// A picture is wanted from now on, and nothing is held against the camera.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        *self = Self { since: Some(now), ..Self::new(std::mem::take(&mut self.source), self.log.clone()) };
    }

    /// No picture is wanted any more; the last fault stays to be read.
    pub(super) fn end_unwanted(&mut self) {
        let last_fault = self.last_fault.take();
        *self = Self { last_fault, ..Self::new(std::mem::take(&mut self.source), self.log.clone()) };
    }

    pub(super) fn log(&self, level: Level, name: &str, message: impl Into<String>) {
        self.log.add(&self.source, level, name, message);
    }

    /// Something failed and this is what will be done. Told once for each kind, not for each repetition.
    pub(super) fn on_failure(
        &mut self,
        fault: Fault,
        plan: Plan,
        ladder: &Ladder,
        last_frame_at: Option<Instant>,
        now: Instant,
    ) {
        if fault.class == FaultClass::Quality {
            self.tell_damage(&fault, now);
        } else {
            // An outage begins when the last picture came, not when its absence was noticed.
            self.since = self.since.or(last_frame_at).or(Some(now));
            self.tell_failure(&fault, plan, ladder, now);
            self.raise_alert(&fault, plan == Plan::GiveUp, ladder.should_reboot());
            self.is_announced = true;
        }
        self.rung = match plan {
            Plan::Do { rung: Rung::Retry, at } if at <= now => None,
            Plan::Do { rung, .. } => Some(rung),
            Plan::GiveUp => None,
        };
        self.last_fault = Some(fault);
    }

    fn tell_damage(&mut self, fault: &Fault, now: Instant) {
        self.n_unlogged_damaged += 1;
        if self.damage_logged_at.is_some_and(|at| now.saturating_duration_since(at) < DAMAGE_LOG_PERIOD) {
            return;
        }
        let message = match self.n_unlogged_damaged {
            1 => format!("Damaged frame: {fault}"),
            n => format!("{n} damaged frames; the last one: {fault}"),
        };
        self.log(Level::Warning, "damaged", message);
        self.damage_logged_at = Some(now);
        self.n_unlogged_damaged = 0;
    }

    fn tell_failure(&self, fault: &Fault, plan: Plan, ladder: &Ladder, now: Instant) {
        let is_known = |last: &Fault| last.kind == fault.kind && last.message == fault.message;
        let is_repetition = self.is_announced && self.last_fault.as_ref().is_some_and(is_known);
        let level = match plan {
            Plan::GiveUp => Level::Error,
            Plan::Do { .. } if is_repetition => Level::Debug,
            Plan::Do { .. } => Level::Warning,
        };
        self.log(level, fault.kind.slug(), sentence(fault));
        match plan {
            Plan::Do { rung: Rung::Retry, .. } => {}
            Plan::Do { rung, at } => {
                let pause = at.saturating_duration_since(now).as_secs_f64();
                let number = ladder.n_attempts() + 1;
                self.log(Level::Warning, "rung", format!("Next: {rung} in {pause:.1} s (attempt {number})"));
            }
            Plan::GiveUp => self.log(Level::Error, "rung", format!("Not tried again by itself. {}", fault.advice)),
        }
    }

    fn raise_alert(&mut self, fault: &Fault, gives_up: bool, should_reboot: bool) {
        let (name, cause) = match fault.class {
            _ if gives_up => (AlertName::CameraCritical, "needs somebody to act"),
            _ if should_reboot => (AlertName::CameraCritical, "system reboot needed"),
            FaultClass::Stalled if fault.kind != FaultKind::OpenFailed => (AlertName::CameraIssue, "capture_failure"),
            FaultClass::Quality | FaultClass::Resource => (AlertName::CameraIssue, "buffer_error"),
            _ => (AlertName::CameraIssue, "connection_error"),
        };
        if self.alert.as_ref().is_none_or(|open| open.name != name) {
            let level = if name == AlertName::CameraCritical { Level::Error } else { Level::Warning };
            self.log(level, name.as_str(), format!("Alert: {cause}"));
        }
        self.alert = Some(Alert { name, cause: cause.to_owned(), message: fault.to_string() });
    }

    /// A good frame came. `opening` describes the stream, when this is the first frame since it was opened.
    pub(super) fn on_good_frame(&mut self, opening: Option<String>, n_attempts: u32, now: Instant) {
        let began = self.since.take();
        if let (Some(since), true) = (began, self.is_announced) {
            let lasted = now.saturating_duration_since(since).as_secs_f64();
            let how = match self.rung {
                Some(Rung::Reinitialise) => format!("reconnect, {} try", ordinal(n_attempts)),
                Some(rung) => rung.to_string(),
                None => "by itself".to_owned(),
            };
            self.log(Level::Good, "recovered", format!("Picture back after {lasted:.1} s ({how})"));
            if self.alert.is_some() {
                let message = format!("Alert ended: recovered after {lasted:.1} s");
                self.log(Level::Good, AlertName::CameraRecovery.as_str(), message);
            }
        } else if let Some(opening) = opening {
            self.log(Level::Info, "open", opening);
        }
        self.is_announced = false;
        self.alert = None;
        self.rung = None;
        // That frames are damaged now and then stays worth knowing while good ones come between them.
        self.last_fault = self.last_fault.take().filter(|fault| fault.class == FaultClass::Quality);
    }
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

/// The fault as a line of the log: it begins with a capital letter.
fn sentence(fault: &Fault) -> String {
    let text = fault.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RecoverySettings;

    fn names(log: &EventLog) -> Vec<String> {
        log.since(0).iter().filter(|event| event.level > Level::Debug).map(|event| event.name.clone()).collect()
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let log = EventLog::new();
        let now = Instant::now();
        let mut outage = Outage::new("sim:".to_owned(), log.clone());
        let mut ladder = Ladder::new(RecoverySettings::default(), 1);
        let fault = Fault::new(FaultKind::Stall, "no frame");
        for n in 0..3 {
            let now = now + Duration::from_secs(n);
            let plan = ladder.on_failure(&fault, true, now);
            outage.on_failure(fault.clone(), plan, &ladder, Some(now), now);
        }
        assert_eq!(names(&log), ["stall", "CAMERA_ISSUE"]);
        assert_eq!((outage.since, outage.rung), (Some(now), Some(Rung::Retry)));
        outage.on_good_frame(None, 0, now + Duration::from_secs(4));
        assert_eq!(names(&log)[2..], ["recovered", "CAMERA_RECOVERY"]);
        assert!(log.since(0).iter().any(|event| event.message == "Picture back after 4.0 s (retry)"));
        assert!(outage.last_fault.is_none() && outage.alert.is_none() && outage.since.is_none());
    }

    #[test]
    fn giving_up_is_critical() {
        let log = EventLog::new();
        let now = Instant::now();
        let mut outage = Outage::new("sim:".to_owned(), log.clone());
        let ladder = Ladder::new(RecoverySettings::default(), 1);
        outage.on_failure(Fault::new(FaultKind::Denied, "no permission"), Plan::GiveUp, &ladder, None, now);
        assert_eq!(names(&log), ["denied", "rung", "CAMERA_CRITICAL"]);
        assert_eq!(outage.alert.map(|alert| alert.name), Some(AlertName::CameraCritical));
    }

    #[test]
    fn ordinals_read_well() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]
        );
    }
}
