//! How long a camera was there while somebody watched: outages, recoveries, the score over time. Pure: each call is given the time.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::event::Event;
use crate::status::{AlertName, Status};

/// The sums of one camera.
#[derive(Debug)]
pub struct UptimeRecord {
    began: Instant,
    n_outages: u32,
    n_recoveries: u32,
    /// Outages that have ended.
    down: Duration,
    longest: Duration,
    out_since: Option<Instant>,
    /// Since when the score is this one.
    score: Option<(u8, Instant)>,
    /// The time over which the mean is taken, and the sum of score times seconds.
    scored_secs: f64,
    weighted: f64,
    least: Option<u8>,
}

/// The numbers of a record at one moment. The field names are those of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UptimeTotals {
    /// Time with a live picture, or on the way to the first one; `None` where there was neither a picture nor a fault yet.
    pub uptime_percent: Option<f64>,
    /// Times without a live picture that something failed in.
    pub outages: u32,
    pub recoveries: u32,
    /// All outages together, the one that goes on included.
    pub outage_secs: f64,
    pub longest_outage_secs: f64,
    /// Weighted by time, from the first picture or fault on.
    pub mean_score: Option<f64>,
    pub least_score: Option<u8>,
}

impl UptimeRecord {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            n_outages: 0,
            n_recoveries: 0,
            down: Duration::ZERO,
            longest: Duration::ZERO,
            out_since: None,
            score: None,
            scored_secs: 0.0,
            weighted: 0.0,
            least: None,
        }
    }

    /// The status of this moment.
    pub fn on_status(&mut self, status: &Status, now: Instant) {
        self.weigh(now);
        self.score = status.health_score.map(|score| (score, now));
        if let Some(score) = status.health_score {
            self.least = Some(self.least.map_or(score, |least| least.min(score)));
        }
    }

    /// Something happened. Alerts that belong to a time without a picture say how long it has been.
    pub fn on_event(&mut self, event: &Event) {
        let secs = event.details.get("outage_secs").and_then(serde_json::Value::as_f64);
        let Some(lasted) = secs.and_then(|secs| Duration::try_from_secs_f64(secs).ok()) else { return };
        let is = |name: AlertName| event.name == name.as_str();
        if is(AlertName::CameraIssue) || is(AlertName::CameraCritical) {
            if self.out_since.is_none() {
                self.n_outages += 1;
                self.out_since = Some(event.instant.checked_sub(lasted).map_or(self.began, |at| at.max(self.began)));
            }
        } else if is(AlertName::CameraRecovery) && self.out_since.take().is_some() {
            self.n_recoveries += 1;
            self.down += lasted;
            self.longest = self.longest.max(lasted);
        }
    }

    #[must_use]
    pub fn totals(&self, has_picture: bool, now: Instant) -> UptimeTotals {
        let so_far = self.out_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let down = self.down + so_far;
        let watched = now.saturating_duration_since(self.began).as_secs_f64();
        let is_known = has_picture || self.n_outages > 0;
        // What was on the way to a picture that never came was not up.
        let up = if has_picture { 1.0 - down.as_secs_f64() / watched } else { 0.0 };
        let uptime = (is_known && watched > 0.0).then(|| up.clamp(0.0, 1.0) * 100.0);
        let (mut secs, mut weighted) = (self.scored_secs, self.weighted);
        if let Some((score, since)) = self.score {
            let more = now.saturating_duration_since(since).as_secs_f64();
            secs += more;
            weighted += f64::from(score) * more;
        }
        UptimeTotals {
            uptime_percent: uptime.map(|percent| rounded(percent, 100.0)),
            outages: self.n_outages,
            recoveries: self.n_recoveries,
            outage_secs: rounded(down.as_secs_f64(), 1_000.0),
            longest_outage_secs: rounded(self.longest.max(so_far).as_secs_f64(), 1_000.0),
            mean_score: (secs > 0.0).then(|| rounded(weighted / secs, 10.0)),
            least_score: self.least,
        }
    }

    fn weigh(&mut self, now: Instant) {
        if let Some((score, since)) = self.score {
            let secs = now.saturating_duration_since(since).as_secs_f64();
            self.scored_secs += secs;
            self.weighted += f64::from(score) * secs;
        }
    }
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::Level;
    use crate::status::State;

    /// What happens at a second after the start.
    enum RecordInput {
        Status(State, u8),
        Event(&'static str, Option<f64>),
    }
    use RecordInput::{Event as E, Status as S};

    fn golden() -> Status {
        // What older golden files lack has no part in this.
        let mut status: Value = serde_json::from_str(include_str!("../tests/golden/status.json")).unwrap();
        let more = json!({
            "name": "Simulated camera", "asked": {"size": null, "fps": null, "format": null, "n_buffers": null},
            "got": {"size": null, "fps": null, "format": null, "n_buffers": null},
            "open_ms": null, "first_frame_ms": null, "latency_ms": null,
            "drops": {"camera": 0, "damaged": 0, "warm_up": 0}, "picture_faults": [], "outage_secs": null, "next_try_secs": null,
            "abandoned_calls": 0, "is_isolated": false, "stuck_processes": [], "ladder": [], "reset_needs_consent": false
        });
        for (key, value) in more.as_object().unwrap() {
            status.as_object_mut().unwrap().entry(key.clone()).or_insert(value.clone());
        }
        serde_json::from_value(status).unwrap()
    }

    #[track_caller]
    fn check(inputs: &[(f64, RecordInput)], end: f64, expected: &Value) {
        let began = Instant::now();
        let mut record = UptimeRecord::new(began);
        for (secs, input) in inputs {
            let now = began + Duration::from_secs_f64(*secs);
            match input {
                S(state, health_score) => {
                    let has_score = !matches!(state, State::Opening | State::Idle);
                    let health_score = has_score.then_some(*health_score);
                    let status = Status { state: *state, health_score, ..golden() };
                    record.on_status(&status, now);
                }
                E(name, outage_secs) => record.on_event(&Event {
                    id: 1,
                    at: Timestamp::now(),
                    instant: now,
                    camera: None,
                    source: "sim:".to_owned(),
                    level: Level::Warning,
                    name: (*name).to_owned(),
                    message: "".into(),
                    details: outage_secs.map(|secs| ("outage_secs".to_owned(), secs.into())).into_iter().collect(),
                }),
            }
        }
        let has_picture = inputs.iter().any(|(_, input)| matches!(input, S(State::Streaming, _)));
        let totals = json!(record.totals(has_picture, began + Duration::from_secs_f64(end)));
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&totals[key], value, "{key} in {totals}");
        }
    }

    #[test]
    fn what_did_not_fail_was_up() {
        let opening = (0.0, S(State::Opening, 100));
        check(&[opening], 0.3, &json!({"uptime_percent": null, "mean_score": null, "least_score": null}));
        let healthy = json!({"uptime_percent": 100.0, "outages": 0, "recoveries": 0, "outage_secs": 0.0,
            "longest_outage_secs": 0.0, "mean_score": 100.0, "least_score": 100});
        check(&[(0.0, S(State::Opening, 70)), (0.5, S(State::Streaming, 100))], 10.0, &healthy);
    }

    #[test]
    fn an_outage_counts_from_the_last_picture_to_the_next() {
        let live = || S(State::Streaming, 100);
        let two = [
            (0.5, live()),
            (4.0, E("CAMERA_ISSUE", Some(1.0))),
            (5.0, E("CAMERA_CRITICAL", Some(2.0))),
            (7.0, E("CAMERA_RECOVERY", Some(4.0))),
            (12.0, E("CAMERA_ISSUE", Some(0.0))),
            (14.0, E("recovered", None)),
            (14.0, E("CAMERA_RECOVERY", Some(2.0))),
        ];
        let expected = json!({"uptime_percent": 70.0, "outages": 2, "recoveries": 2, "outage_secs": 6.0,
            "longest_outage_secs": 4.0});
        check(&two, 20.0, &expected);
        let going_on = [(0.5, live()), (4.0, E("CAMERA_ISSUE", Some(1.0)))];
        let expected = json!({"uptime_percent": 30.0, "outages": 1, "recoveries": 0, "longest_outage_secs": 7.0});
        check(&going_on, 10.0, &expected);
        let never = [(0.1, E("CAMERA_ISSUE", Some(0.1)))];
        check(&never, 10.0, &json!({"uptime_percent": 0.0, "outages": 1, "outage_secs": 10.0}));
    }

    #[test]
    fn alerts_about_a_live_picture_are_no_outages() {
        let damaged =
            [(0.5, S(State::Streaming, 80)), (1.0, E("CAMERA_ISSUE", None)), (3.0, E("CAMERA_RECOVERY", None))];
        check(&damaged, 10.0, &json!({"uptime_percent": 100.0, "outages": 0, "recoveries": 0}));
    }

    #[test]
    fn the_mean_is_weighted_by_time() {
        let scores = [(1.0, S(State::Streaming, 100)), (4.0, S(State::Recovering, 0)), (5.0, S(State::Streaming, 90))];
        check(&scores, 7.0, &json!({"mean_score": 80.0, "least_score": 0}));
    }
}
