//! The time without a live picture although one is wanted: when it began, why, what the log and the alerts say of it, and
//! how it ended. Words it; decides nothing. Also the alert about a picture that is live and keeps coming damaged.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::machine::CameraEvent;
use crate::event::Level;
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::recovery::{EndedRung, Plan};
use crate::status::{Alert, AlertName, Rung, RungOutcome, round_secs};

/// Damaged frames come many a second: the log gets one line in this time.
const DAMAGE_LOG_PERIOD: Duration = Duration::from_secs(5);
/// So many damaged frames within this time are more than a disturbance of the moment, and raise an alert.
const DAMAGE_OF_AN_ALERT: usize = 3;
const DAMAGE_WINDOW: Duration = Duration::from_secs(5);
/// The alert stands until there was no damaged frame for so long.
const CALM: Duration = Duration::from_secs(5);
/// The log says that nothing will happen for so long; shorter pauses are over when it is read.
const LONG_PAUSE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Outage {
    /// Lines of the log that nobody has taken yet.
    lines: Vec<CameraEvent>,
    /// When the live picture ended, or was first wanted; `None` while there is one.
    pub(super) since: Option<Instant>,
    /// Whether something failed since then, so that the end is news.
    pub(super) is_announced: bool,
    pub(super) last_fault: Option<Fault>,
    pub(super) rung: Option<Rung>,
    alert: Option<Alert>,
    /// Stands beside an outage, and ends by itself.
    damage_alert: Option<Alert>,
    /// When the last damaged frames came, as many as an alert takes.
    damaged_at: VecDeque<Instant>,
    n_unlogged_damaged: u32,
    damage_logged_at: Option<Instant>,
}

impl Outage {
    /// A picture is wanted from now on, and nothing is held against the camera.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        *self = Self { since: Some(now), ..self.without_memory() };
    }

    /// No picture is wanted any more; the last fault stays to be read.
    pub(super) fn end_unwanted(&mut self) {
        let last_fault = self.last_fault.take();
        *self = Self { last_fault, ..self.without_memory() };
    }

    fn without_memory(&mut self) -> Self {
        Self { lines: std::mem::take(&mut self.lines), ..Self::default() }
    }

    /// What is new for the log.
    pub(super) fn take_lines(&mut self) -> impl Iterator<Item = CameraEvent> + use<> {
        std::mem::take(&mut self.lines).into_iter()
    }

    /// Those that stand open.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        self.alert.iter().chain(&self.damage_alert).cloned().collect()
    }

    pub(super) fn log(&mut self, level: Level, name: &str, message: impl Into<String>) {
        self.add_lines([CameraEvent::new(level, name, message)]);
    }

    pub(super) fn add_lines(&mut self, lines: impl IntoIterator<Item = CameraEvent>) {
        self.lines.extend(lines);
    }

    pub(super) fn log_with(&mut self, level: Level, name: &str, message: String, details: Map<String, Value>) {
        self.add_lines([CameraEvent { details, ..CameraEvent::new(level, name, message) }]);
    }

    /// Something failed and this is what will be done. Told once for each kind, not for each repetition.
    pub(super) fn on_failure(
        &mut self,
        fault: Fault,
        plan: Plan,
        should_reboot: bool,
        last_frame_at: Option<Instant>,
        now: Instant,
    ) {
        if fault.class == FaultClass::Quality {
            self.on_damage(&fault, now);
        } else {
            // An outage begins when the last picture came, not when its absence was noticed.
            self.since = self.since.or(last_frame_at).or(Some(now));
            self.tell_failure(&fault, plan, now);
            self.raise_alert(&fault, plan == Plan::GiveUp, should_reboot, now);
            self.is_announced = true;
            self.rung = match plan {
                Plan::Do { rung, .. } => Some(rung),
                Plan::GiveUp => None,
            };
        }
        self.last_fault = Some(fault);
    }

    /// Nothing more is tried because somebody said so.
    pub(super) fn on_stop_trying(&mut self, now: Instant) {
        self.log(Level::Warning, "rung", "Nothing more is tried, as asked");
        if let Some(fault) = self.last_fault.clone() {
            self.raise_alert(&fault, true, false, now);
        }
        self.rung = None;
    }

    /// A rung is being carried out.
    pub(super) fn on_rung_begun(&mut self, rung: Rung, message: String) {
        // Retries come by the dozen, and their ends say enough.
        let level = if rung == Rung::Retry { Level::Debug } else { Level::Info };
        self.rung = Some(rung);
        self.log_rung(level, rung, message, []);
    }

    /// A rung has ended, with this fault where it did not help.
    pub(super) fn on_rung_ended(&mut self, ended: EndedRung, fault: Option<&Fault>) {
        let EndedRung { rung, outcome, took } = ended;
        let secs = took.as_secs_f64();
        let (level, how) = match outcome {
            RungOutcome::Recovered => (Level::Good, format!("picture back after {secs:.1} s")),
            RungOutcome::Failed => {
                let level = if rung == Rung::Retry { Level::Info } else { Level::Warning };
                let why = fault.map(|fault| format!(" ({})", fault.kind.slug())).unwrap_or_default();
                (level, format!("no picture after {secs:.1} s{why}"))
            }
            RungOutcome::Interrupted => (Level::Info, format!("interrupted after {secs:.1} s")),
        };
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let fault = fault.map(|fault| ("fault", Value::from(fault.kind.slug())));
        let details = [("outcome", json!(outcome)), ("took_ms", took_ms.into())].into_iter().chain(fault);
        self.log_rung(level, rung, format!("{}: {how}", capitalised(&rung.to_string())), details);
    }

    /// The device could not be reset; what is wrong with the camera itself stays the last fault.
    pub(super) fn on_reset_failed(&mut self, fault: &Fault) {
        self.log(Level::Error, fault.kind.slug(), format!("{}. {}", capitalised(&fault.to_string()), fault.advice));
    }

    /// Everything that can be done from here has been tried.
    pub(super) fn on_reboot_advised(&mut self, n_attempts: u32) {
        let message = format!(
            "Restarting the computer may help: {n_attempts} reconnections in a row have not. Camclinic never restarts it"
        );
        self.log_rung(Level::Error, Rung::AdviseReboot, message, []);
    }

    /// A reset of the device is the next step, and nobody has allowed it.
    pub(super) fn on_consent_needed(&mut self, n_attempts: u32) {
        let message = format!(
            "Resetting the camera is the next step, and waits for your consent: {n_attempts} reconnections in a row have not \
             helped. Other programs lose the camera by it"
        );
        self.log_rung(Level::Warning, Rung::ResetDevice, message, []);
    }

    fn log_rung(
        &mut self,
        level: Level,
        rung: Rung,
        message: String,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        let details = [("rung", json!(rung))].into_iter().chain(details);
        let details = details.map(|(key, value)| (key.to_owned(), value)).collect();
        self.log_with(level, "rung", message, details);
    }

    /// For programs it says how long there has been no live picture, where there is none or was none.
    fn log_alert(
        &mut self,
        level: Level,
        name: AlertName,
        message: String,
        outage: Option<Duration>,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        let outage = outage.map(|outage| ("outage_secs", round_secs(outage).into()));
        let details = details.into_iter().chain(outage).map(|(key, value)| (key.to_owned(), value)).collect();
        self.log_with(level, name.as_str(), message, details);
    }

    /// A frame that is shown all the same.
    pub(super) fn on_damage(&mut self, fault: &Fault, now: Instant) {
        self.tell_damage(fault, now);
        self.watch_damage(fault, now);
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

    fn watch_damage(&mut self, fault: &Fault, now: Instant) {
        self.damaged_at.push_back(now);
        if self.damaged_at.len() > DAMAGE_OF_AN_ALERT {
            self.damaged_at.pop_front();
        }
        let is_young = |at: &Instant| now.saturating_duration_since(*at) <= DAMAGE_WINDOW;
        let is_much = self.damaged_at.len() == DAMAGE_OF_AN_ALERT && self.damaged_at.front().is_some_and(is_young);
        let cause = "buffer_error";
        if is_much && self.damage_alert.is_none() {
            let details = [("cause", Value::from(cause)), ("fault", fault.kind.slug().into())];
            self.log_alert(Level::Warning, AlertName::CameraIssue, format!("Alert: {cause}"), None, details);
        }
        if is_much || self.damage_alert.is_some() {
            let alert = Alert { name: AlertName::CameraIssue, cause: cause.to_owned(), message: fault.to_string() };
            self.damage_alert = Some(alert);
        }
    }

    fn end_damage(&mut self, now: Instant) {
        let is_calm = |at: &Instant| now.saturating_duration_since(*at) >= CALM;
        if self.damage_alert.is_some() && self.damaged_at.back().is_none_or(is_calm) {
            self.damage_alert = None;
            let message = format!("Alert ended: no damaged frame for {} s", CALM.as_secs());
            let details = [("cause", "buffer_error".into())];
            self.log_alert(Level::Good, AlertName::CameraRecovery, message, None, details);
        }
    }

    fn tell_failure(&mut self, fault: &Fault, plan: Plan, now: Instant) {
        let is_known = |last: &Fault| last.kind == fault.kind && is_same_but_for_numbers(&last.message, &fault.message);
        let is_repetition = self.is_announced && self.last_fault.as_ref().is_some_and(is_known);
        match plan {
            Plan::GiveUp => {
                self.log(Level::Error, fault.kind.slug(), capitalised(&fault.to_string()));
                self.log(Level::Error, "rung", format!("Not tried again by itself. {}", fault.advice));
            }
            Plan::Do { rung, at } => {
                if !is_repetition {
                    self.log(Level::Warning, fault.kind.slug(), capitalised(&fault.to_string()));
                }
                let pause = at.saturating_duration_since(now);
                if pause >= LONG_PAUSE {
                    let message = format!("Next: {rung} in {:.0} s", pause.as_secs_f64());
                    self.log_rung(Level::Info, rung, message, []);
                }
            }
        }
    }

    fn raise_alert(&mut self, fault: &Fault, gives_up: bool, should_reboot: bool, now: Instant) {
        let (name, cause) = match fault.class {
            _ if gives_up => (AlertName::CameraCritical, "needs somebody to act"),
            _ if should_reboot => (AlertName::CameraCritical, "system reboot needed"),
            FaultClass::Stalled if fault.kind != FaultKind::OpenFailed => (AlertName::CameraIssue, "capture_failure"),
            FaultClass::Quality | FaultClass::Resource => (AlertName::CameraIssue, "buffer_error"),
            _ => (AlertName::CameraIssue, "connection_error"),
        };
        if self.alert.as_ref().is_none_or(|open| open.name != name) {
            let level = if name == AlertName::CameraCritical { Level::Error } else { Level::Warning };
            let outage = self.since.map(|since| now.saturating_duration_since(since));
            let details = [("cause", Value::from(cause)), ("fault", fault.kind.slug().into())];
            self.log_alert(level, name, format!("Alert: {cause}"), outage, details);
        }
        self.alert = Some(Alert { name, cause: cause.to_owned(), message: fault.to_string() });
    }

    /// A good frame came. `opening` describes the stream, when this is the first frame since it was opened.
    pub(super) fn on_good_frame(&mut self, opening: Option<String>, n_attempts: u32, now: Instant) {
        let began = self.since.take();
        if let (Some(since), true) = (began, self.is_announced) {
            let outage = now.saturating_duration_since(since);
            let lasted = outage.as_secs_f64();
            let how = match self.rung {
                Some(Rung::Reinitialise) if n_attempts > 0 => format!("reconnect, {} try", ordinal(n_attempts)),
                Some(rung) => rung.to_string(),
                None => "by itself".to_owned(),
            };
            self.log(Level::Good, "recovered", format!("Picture back after {lasted:.1} s ({how})"));
            if self.alert.is_some() {
                let message = format!("Alert ended: recovered after {lasted:.1} s");
                let cause = self.alert.as_ref().map(|alert| ("cause", Value::from(alert.cause.as_str())));
                self.log_alert(Level::Good, AlertName::CameraRecovery, message, Some(outage), cause);
            }
        } else if let Some(opening) = opening {
            self.log(Level::Info, "open", opening);
        }
        self.is_announced = false;
        self.alert = None;
        self.rung = None;
        self.end_damage(now);
        // That frames are damaged now and then stays worth knowing while good ones come between them.
        self.last_fault = self.last_fault.take().filter(|fault| fault.class == FaultClass::Quality);
    }
}

pub(super) fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (1, not_eleven) if not_eleven != 11 => "st",
        (2, not_twelve) if not_twelve != 12 => "nd",
        (3, not_thirteen) if not_thirteen != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// As a line of the log: it begins with a capital letter.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// How long something took differs from time to time, and is no news.
fn is_same_but_for_numbers(a: &str, b: &str) -> bool {
    let is_word = |c: &char| !c.is_ascii_digit() && *c != '.';
    a.chars().filter(is_word).eq(b.chars().filter(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(outage: &Outage) -> Vec<String> {
        outage.lines.iter().filter(|line| line.level > Level::Debug).map(|line| line.name.clone()).collect()
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let now = Instant::now();
        let mut outage = Outage::default();
        let plan = Plan::Do { rung: Rung::Retry, at: now };
        for n in 0..3 {
            let fault = Fault::new(FaultKind::Stall, format!("no frame for {n}.5 s"));
            outage.on_failure(fault, plan, false, Some(now), now + Duration::from_secs(n));
        }
        assert_eq!(names(&outage), ["stall", "CAMERA_ISSUE"]);
        assert_eq!((outage.since, outage.rung), (Some(now), Some(Rung::Retry)));
        outage.on_good_frame(None, 0, now + Duration::from_secs(4));
        assert_eq!(names(&outage)[2..], ["recovered", "CAMERA_RECOVERY"]);
        let details =
            |name: &str| outage.lines.iter().find(|event| event.name == name).map(|event| json!(event.details));
        let issue = json!({"cause": "capture_failure", "fault": "stall", "outage_secs": 0.0});
        assert_eq!(details("CAMERA_ISSUE"), Some(issue));
        assert_eq!(details("CAMERA_RECOVERY"), Some(json!({"cause": "capture_failure", "outage_secs": 4.0})));
        assert!(outage.lines.iter().any(|event| event.message == "Picture back after 4.0 s (retry)"));
        assert!(outage.last_fault.is_none() && outage.alert.is_none() && outage.since.is_none());
    }

    /// Damaged frames at these times and good ones in between, a tenth of a second apart; what alerts there are.
    #[track_caller]
    fn check_damage(damaged_at_secs: &[u64], end_secs: u64, expected: &[&str], is_open: bool) {
        let now = Instant::now();
        let mut outage = Outage::default();
        let plan = Plan::Do { rung: Rung::Retry, at: now };
        for tenth in 0..end_secs * 10 {
            let at = now + Duration::from_millis(tenth * 100);
            if tenth % 10 == 0 && damaged_at_secs.contains(&(tenth / 10)) {
                outage.on_failure(Fault::new(FaultKind::BadFrame, "cut off"), plan, false, Some(at), at);
            } else {
                outage.on_good_frame(None, 0, at);
            }
        }
        let names = names(&outage);
        let alerts: Vec<_> = names.iter().filter(|name| name.starts_with("CAMERA_")).collect();
        assert_eq!(alerts, expected, "{damaged_at_secs:?}");
        let open: Vec<_> = outage.alerts().into_iter().map(|alert| alert.cause).collect();
        assert_eq!(open, if is_open { vec!["buffer_error"] } else { vec![] }, "{damaged_at_secs:?}");
        assert!(!outage.lines.iter().any(|event| event.details.contains_key("outage_secs")), "the picture was live");
    }

    #[test]
    fn a_picture_that_keeps_coming_damaged_is_an_alert() {
        check_damage(&[1, 2], 20, &[], false);
        check_damage(&[1, 2, 9, 10, 17], 30, &[], false);
        check_damage(&[1, 2, 3], 5, &["CAMERA_ISSUE"], true);
        check_damage(&[1, 3, 6, 10, 14], 18, &["CAMERA_ISSUE"], true);
        check_damage(&[1, 2, 3], 9, &["CAMERA_ISSUE", "CAMERA_RECOVERY"], false);
        check_damage(&[1, 2, 3, 12, 13, 14], 16, &["CAMERA_ISSUE", "CAMERA_RECOVERY", "CAMERA_ISSUE"], true);
    }

    #[test]
    fn an_outage_is_an_alert_beside_that_about_damage() {
        let now = Instant::now();
        let mut outage = Outage::default();
        let plan = Plan::Do { rung: Rung::Retry, at: now };
        for _ in 0..3 {
            outage.on_failure(Fault::new(FaultKind::BadFrame, "cut off"), plan, false, Some(now), now);
        }
        outage.on_failure(Fault::new(FaultKind::Stall, "no frame"), plan, false, Some(now), now);
        let causes: Vec<_> = outage.alerts().into_iter().map(|alert| alert.cause).collect();
        assert_eq!(causes, ["capture_failure", "buffer_error"]);
        outage.on_good_frame(None, 0, now + Duration::from_secs(2));
        assert_eq!(outage.alerts().len(), 1);
        outage.on_good_frame(None, 0, now + CALM);
        assert!(outage.alerts().is_empty());
        assert_eq!(names(&outage).iter().filter(|name| *name == "CAMERA_RECOVERY").count(), 2);
    }

    #[test]
    fn giving_up_is_critical() {
        let mut outage = Outage::default();
        outage.on_failure(Fault::new(FaultKind::Denied, "no permission"), Plan::GiveUp, false, None, Instant::now());
        assert_eq!(names(&outage), ["denied", "rung", "CAMERA_CRITICAL"]);
        assert_eq!(outage.alert.map(|alert| alert.name), Some(AlertName::CameraCritical));
    }

    #[test]
    fn to_stop_trying_keeps_the_fault_and_is_critical() {
        let now = Instant::now();
        let mut outage = Outage::default();
        let plan = Plan::Do { rung: Rung::Reinitialise, at: now };
        outage.on_failure(Fault::new(FaultKind::Hung, "hung"), plan, false, None, now);
        outage.on_stop_trying(now);
        assert_eq!(names(&outage), ["hung", "CAMERA_ISSUE", "rung", "CAMERA_CRITICAL"]);
        assert_eq!(outage.last_fault.map(|fault| fault.kind), Some(FaultKind::Hung));
    }

    /// What the log has of a rung that ended, for people and for programs.
    #[track_caller]
    fn check_end(
        rung: Rung,
        outcome: RungOutcome,
        fault: Option<FaultKind>,
        level: Level,
        message: &str,
        json: &Value,
    ) {
        let ended = EndedRung { rung, outcome, took: Duration::from_millis(3_210) };
        let fault = fault.map(|kind| Fault::new(kind, "test"));
        let mut outage = Outage::default();
        outage.on_rung_ended(ended, fault.as_ref());
        let events = outage.lines;
        let event = events.first().unwrap();
        assert_eq!((event.level, event.name.as_str(), event.message.as_str()), (level, "rung", message));
        assert_eq!(Value::from(event.details.clone()), *json);
    }

    #[test]
    fn the_end_of_each_rung_is_told() {
        check_end(
            Rung::Reinitialise,
            RungOutcome::Failed,
            Some(FaultKind::OpenTimeout),
            Level::Warning,
            "Reconnect: no picture after 3.2 s (open-timeout)",
            &json!({"rung": "reinitialise", "outcome": "failed", "took_ms": 3_210, "fault": "open-timeout"}),
        );
        check_end(
            Rung::RestartStream,
            RungOutcome::Recovered,
            None,
            Level::Good,
            "Restart stream: picture back after 3.2 s",
            &json!({"rung": "restart-stream", "outcome": "recovered", "took_ms": 3_210}),
        );
        check_end(
            Rung::ResetDevice,
            RungOutcome::Interrupted,
            None,
            Level::Info,
            "Reset device: interrupted after 3.2 s",
            &json!({"rung": "reset-device", "outcome": "interrupted", "took_ms": 3_210}),
        );
    }

    #[test]
    fn a_long_pause_is_announced_and_a_repetition_is_not() {
        let now = Instant::now();
        let mut outage = Outage::default();
        for secs in [1, 30] {
            let plan = Plan::Do { rung: Rung::Reinitialise, at: now + Duration::from_secs(secs) };
            outage.on_failure(Fault::new(FaultKind::Hung, "hung"), plan, false, None, now);
        }
        assert_eq!(names(&outage), ["hung", "CAMERA_ISSUE", "rung"]);
        assert_eq!(outage.lines.last().unwrap().message, "Next: reconnect in 30 s");
    }

    #[test]
    fn ordinals_read_well() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]
        );
    }
}
