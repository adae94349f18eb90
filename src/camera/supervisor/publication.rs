//! What the supervisor tells everybody: the state of the camera, and the status made of it.

use std::time::{Duration, Instant};

use super::{Next, Phase, Supervisor};
use crate::backend::Backend;
use crate::health::Condition;
use crate::status::{Grade, Rung, State, Status};

/// How often the status is published while a camera is at work.
const STATUS_PERIOD: Duration = Duration::from_millis(250);
/// The same when it is given up: nothing changes but the time, and nobody pays a repaint for that many times a second.
const FAILED_STATUS_PERIOD: Duration = Duration::from_secs(5);
/// How often the score is added to the history.
const HISTORY_PERIOD: Duration = Duration::from_millis(500);

impl Supervisor {
    pub(super) fn state(&self, now: Instant) -> State {
        match &self.phase {
            Phase::Idle | Phase::Closing { then: Next::Stay, .. } => State::Idle,
            Phase::Failed | Phase::Closing { then: Next::Fail, .. } => State::Failed,
            Phase::Running { retry_at: None, .. }
                if self.tally.n_frames_of_opening > 0 && self.time_without_picture(now).is_none() =>
            {
                State::Streaming
            }
            _ if self.outage.is_announced => State::Recovering,
            Phase::Opening { .. }
            | Phase::Closing { .. }
            | Phase::Running { .. }
            | Phase::Resting { .. }
            | Phase::Resetting { .. } => {
                if self.tally.n_frames_of_opening > 0 {
                    State::Recovering
                } else {
                    State::Opening
                }
            }
        }
    }

    /// How long there has been no live picture although one is wanted. Short gaps are none.
    pub(super) fn time_without_picture(&self, now: Instant) -> Option<Duration> {
        let age = |since: Instant| now.saturating_duration_since(since);
        match self.outage.since {
            Some(since) => Some(age(since)).filter(|_| self.outage.is_announced),
            None => self.tally.last_frame_at.map(age).filter(|age| *age >= self.stall_deadline()),
        }
    }

    pub(in crate::camera) fn publish(&mut self, now: Instant) {
        let state = self.state(now);
        self.status_due = now + if state == State::Failed { FAILED_STATUS_PERIOD } else { STATUS_PERIOD };
        let working = state != State::Idle;
        let outage = self.time_without_picture(now).filter(|_| working);
        let condition = Condition {
            n_failures: if working { self.ladder.n_failures() } else { 0 },
            unavailable: self.outage.is_announced && working && !matches!(self.phase, Phase::Running { .. }),
            outage,
            agreed_fps: self.tally.got.fps.or(self.asked().fps).filter(|_| state == State::Streaming),
            picture: &[],
        };
        // There is nothing to judge before the first picture or the first fault.
        let is_judged = !matches!(state, State::Idle | State::Opening);
        let judged = is_judged.then(|| self.tally.health.score(condition, now));
        let (health_score, deductions) = judged.map_or((None, Vec::new()), |(score, why)| (Some(score), why));
        let grade = health_score.map(Grade::of);
        if let Some(score) = health_score
            && now >= self.history_due
        {
            self.history_due = now + HISTORY_PERIOD;
            self.history.push(now, score);
            self.out.history.publish(self.history.clone());
        }
        let next_try = match &self.phase {
            Phase::Resting { until, .. } | Phase::Closing { then: Next::Take(_, until), .. } => Some(*until),
            Phase::Running { retry_at, .. } => *retry_at,
            Phase::Idle | Phase::Failed | Phase::Opening { .. } | Phase::Closing { .. } | Phase::Resetting { .. } => {
                None
            }
        };
        let current_reset = match &self.phase {
            Phase::Resetting { number, .. } => Some(*number),
            _ => None,
        };
        let is_opened = matches!(self.phase, Phase::Running { .. });
        let is_streaming = state == State::Streaming;
        let status = Status {
            source: self.spec.to_string(),
            camera_index: self.spec.index(),
            backend: self
                .tally
                .backend
                .or(self.spec.backend(&self.settings))
                .or_else(|| self.spec.backends().first().copied())
                .map_or("none", Backend::slug)
                .to_owned(),
            state,
            is_opened,
            is_initialized: is_opened && self.tally.n_frames_of_opening > 0,
            is_capturing: is_streaming,
            is_healthy: is_streaming && grade >= Some(Grade::Good),
            health_score,
            grade,
            deductions,
            consecutive_failures: self.ladder.n_failures(),
            has_cached_frame: self.tally.n_frames > 0,
            fps: if is_streaming { (self.tally.health.fps(now) * 10.0).round() / 10.0 } else { 0.0 },
            width: self.tally.got.size.map_or(0, |size| size.width),
            height: self.tally.got.size.map_or(0, |size| size.height),
            frames: self.tally.n_frames,
            dropped: self.tally.drops.total(),
            last_frame_age_secs: self.tally.last_frame_at.map(|at| round_secs(now.saturating_duration_since(at))),
            recovery_attempts: self.ladder.n_attempts(),
            rung: if self.ladder.should_reboot() { Some(Rung::AdviseReboot) } else { self.outage.rung },
            last_fault: self.outage.last_fault.clone(),
            should_reboot: self.ladder.should_reboot(),
            alerts: self.outage.alerts(),
            name: self.name.clone(),
            asked: self.asked(),
            got: self.tally.got.clone(),
            open_ms: self.tally.open_ms,
            first_frame_ms: self.tally.first_frame_ms,
            latency_ms: self.tally.latency_ms.map(|ms| (ms * 10.0).round() / 10.0),
            drops: self.tally.drops,
            outage_secs: outage.map(round_secs),
            next_try_secs: next_try.map(|at| round_secs(at.saturating_duration_since(now))),
            abandoned_calls: self.n_abandoned() + self.resets.n_out(current_reset),
            is_isolated: self.is_isolated,
            stuck_processes: self.stuck.report(now),
            ladder: self.ladder.report(now),
            reset_needs_consent: self.ladder.needs_consent(),
        };
        self.out.status.publish(status);
        let level = (state, health_score);
        if working || self.last_level != Some(level) {
            (self.out.wake)();
        }
        self.last_level = Some(level);
    }
}

/// Seconds for people and JSON: a thousandth is all that means anything.
fn round_secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}
