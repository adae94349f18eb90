//! How the camera stands after a check-up, as every other face tells it.

use super::facts::Facts;
use super::stream::CheckupStream;
use super::{CheckupRequest, facts};
use crate::backend::Backend;
use crate::status::{Deduction, Drops, Grade, State, Status};

/// Of a camera that streams in this program its own status; else one of what the check-up has seen of it.
pub(super) fn status(request: &CheckupRequest, facts: &Facts, watched: Option<&CheckupStream>) -> Status {
    if let Some(status) = request.live.as_ref().and_then(|live| live.status.current()) {
        return Status::clone(&status);
    }
    let opening = facts.opening.clone().unwrap_or_default();
    let stream = facts.stream.clone().unwrap_or_default();
    let open_request = request.opening();
    let is_opened = facts.opening.is_some() && stream.ended.is_none() && opening.fault.is_none();
    let is_streaming = is_opened && stream.n_good > 0;
    let judged =
        watched.filter(|_| is_streaming).map(|watched| watched.measured.verdict(&open_request.asked, &watched.got));
    let health_score = judged.as_ref().map_or(0, |judged| judged.score);
    let grade = Grade::of(health_score);
    let deductions = judged.iter().flat_map(|judged| &judged.findings).filter(|finding| finding.points > 0);
    let size = stream.sizes.last().copied().or(opening.got.size);
    let backend = opening.backend.or_else(|| open_request.backend().ok());
    let fault = stream.ended.clone().or(opening.fault).or_else(|| refusal(facts)).or(stream.last_fault);
    Status {
        source: request.spec.to_string(),
        camera_index: request.spec.index(),
        backend: backend.map_or("none", Backend::slug).to_owned(),
        state: if is_streaming { State::Streaming } else { State::Failed },
        is_opened,
        is_initialized: is_streaming,
        is_capturing: is_streaming,
        is_healthy: is_streaming && grade >= Grade::Good,
        health_score: Some(health_score),
        grade: Some(grade),
        deductions: deductions
            .map(|finding| Deduction {
                rule: finding.id.to_owned(),
                reason: finding.message.clone(),
                points: finding.points,
            })
            .collect(),
        consecutive_failures: u32::from(!is_streaming),
        has_cached_frame: stream.n_good > 0,
        fps: stream.fps.map_or(0.0, |fps| (fps * 10.0).round() / 10.0),
        width: size.map_or(0, |size| size.width),
        height: size.map_or(0, |size| size.height),
        frames: stream.n_good,
        dropped: stream.n_lost + stream.n_late + stream.n_damaged,
        last_frame_age_secs: None,
        recovery_attempts: 0,
        rung: None,
        last_fault: fault,
        should_reboot: false,
        alerts: Vec::new(),
        name: name(request, facts.presence.as_ref()),
        asked: open_request.asked,
        got: opening.got,
        open_ms: facts.opening.as_ref().map(|opening| opening.open_ms),
        first_frame_ms: opening.first_frame_ms,
        latency_ms: stream.age_ms.map(|ms| (ms * 10.0).round() / 10.0),
        drops: Drops { camera: stream.n_lost + stream.n_late, damaged: stream.n_damaged, warm_up: 0 },
        picture_faults: Vec::new(),
        outage_secs: None,
        next_try_secs: None,
        abandoned_calls: 0,
        is_isolated: backend.is_some_and(|backend| open_request.is_isolated(backend)),
        stuck_processes: Vec::new(),
        ladder: Vec::new(),
        reset_needs_consent: false,
    }
}

/// What stood in the way before the camera was opened.
fn refusal(facts: &Facts) -> Option<crate::fault::Fault> {
    let presence = facts.presence.as_ref().and_then(|presence| presence.fault.clone());
    let access = facts.access.as_ref().and_then(|access| access.fault.clone());
    let network = facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
    presence.or(access).or_else(|| network.map(|finding| finding.fault.clone()))
}

/// The device's own name, where there is one.
fn name(request: &CheckupRequest, presence: Option<&facts::PresenceFacts>) -> String {
    let device = presence.and_then(|presence| presence.device.as_ref());
    device.map_or_else(|| request.spec.name(), |device| device.name.clone())
}
