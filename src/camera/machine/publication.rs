//! What is told about the camera: the one builder of its status.

use std::time::{Duration, Instant};

use super::{Effect, Machine, Phase};
use crate::backend::Backend;
use crate::health::Condition;
use crate::status::{Grade, Rung, State, Status, round_secs};

/// How often the status is published while a camera is at work.
const STATUS_PERIOD: Duration = Duration::from_millis(250);
/// The same when it is given up: nothing changes but the time, and nobody pays a repaint for that many times a second.
const FAILED_STATUS_PERIOD: Duration = Duration::from_secs(5);
/// How often the score is added to the history.
const HISTORY_PERIOD: Duration = Duration::from_millis(500);

impl Machine {
    /// How long there has been no live picture although one is wanted.
    fn time_without_picture(&self, now: Instant) -> Option<Duration> {
        let age = |since: Instant| now.saturating_duration_since(since);
        match self.phase {
            Phase::Stale { .. } => self.tally.last_frame_at.map(age),
            _ => self.outage.since.filter(|_| self.outage.is_announced).map(age),
        }
    }

    pub(super) fn publish(&mut self, now: Instant) {
        self.is_status_wanted = false;
        let state = self.phase.state();
        self.status_due = now + if state == State::Failed { FAILED_STATUS_PERIOD } else { STATUS_PERIOD };
        let status = self.status(now);
        if let (State::Streaming, Some(score)) = (state, status.health_score) {
            let lines =
                self.score_log.update(score, &status.deductions, now).into_iter().chain(self.picture.watch(now));
            self.outage.add_lines(lines);
            self.take_lines();
        } else {
            self.score_log.on_outage();
        }
        let is_working = state != State::Idle;
        if let Some(score) = status.health_score
            && now >= self.history_due
        {
            self.history_due = now + HISTORY_PERIOD;
            self.history.push(now, score);
            self.effects.push(Effect::PublishHistory(Box::new(self.history.clone())));
        }
        let told = (state, status.health_score);
        self.effects.push(Effect::PublishStatus(Box::new(status)));
        if is_working || self.told != Some(told) {
            self.effects.push(Effect::Wake);
        }
        self.told = Some(told);
    }

    /// Everything there is to say about the camera now.
    pub fn status(&mut self, now: Instant) -> Status {
        let state = self.phase.state();
        let is_working = state != State::Idle;
        let outage = self.time_without_picture(now).filter(|_| is_working);
        let is_open = self.phase.device().is_some();
        let is_live = self.is_live();
        let condition = Condition {
            n_failures: if is_working { self.ladder.n_failures() } else { 0 },
            unavailable: self.outage.is_announced && is_working && !is_open,
            outage,
            agreed_fps: self.tally.got.fps.filter(|_| is_live),
            picture: self.picture.faults(),
        };
        // There is nothing to judge before the first picture or the first fault.
        let is_judged = !matches!(state, State::Idle | State::Opening);
        let judged = is_judged.then(|| self.tally.health.score(condition, now));
        let (health_score, deductions) = judged.map_or((None, Vec::new()), |(score, why)| (Some(score), why));
        let grade = health_score.map(Grade::of);
        let size = self.tally.got.size;
        let n_left_behind = self.abandoned.len() + self.n_resets_left_behind();
        Status {
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
            is_opened: is_open,
            is_initialized: is_open && self.tally.n_frames_of_opening > 0,
            is_capturing: is_live,
            is_healthy: is_live && grade >= Some(Grade::Good),
            health_score,
            grade,
            deductions,
            consecutive_failures: self.ladder.n_failures(),
            has_cached_frame: self.tally.n_frames > 0,
            fps: if is_live { (self.tally.health.fps(now) * 10.0).round() / 10.0 } else { 0.0 },
            width: size.map_or(0, |size| size.width),
            height: size.map_or(0, |size| size.height),
            frames: self.tally.n_frames,
            dropped: self.tally.drops.total(),
            last_frame_age_secs: self.tally.last_frame_at.map(|at| round_secs(now.saturating_duration_since(at))),
            recovery_attempts: self.ladder.n_attempts(),
            rung: if self.ladder.should_reboot() { Some(Rung::AdviseReboot) } else { self.outage.rung },
            last_fault: self.outage.last_fault.clone(),
            should_reboot: self.ladder.should_reboot(),
            alerts: self.outage.alerts().into_iter().chain(self.picture.alert().cloned()).collect(),
            name: self.name.as_str().into(),
            asked: self.asked(),
            got: self.tally.got.clone(),
            open_ms: self.tally.open_ms,
            first_frame_ms: self.tally.first_frame_ms,
            latency_ms: self.tally.latency_ms.map(|ms| (ms * 10.0).round() / 10.0),
            drops: self.tally.drops,
            picture_faults: self.picture.statuses(now),
            outage_secs: outage.map(round_secs),
            next_try_secs: self.phase.next_try().map(|at| round_secs(at.saturating_duration_since(now))),
            abandoned_calls: u32::try_from(n_left_behind).unwrap_or(u32::MAX),
            is_isolated: self.is_isolated,
            stuck_processes: self.stuck.clone(),
            ladder: self.ladder.report(now),
            reset_needs_consent: self.ladder.needs_consent(),
            given_name: self.settings.name.as_deref().map(Into::into),
        }
    }
}
