//! What else would work: things that are tried, measured and undone.
//!
//! Only with a camera that was opened for the check-up. Nothing that is tried outlasts it: the device's controls get their
//! values back, and settings are not touched.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::action::Action;
use super::facts::{Experiment, Facts, StreamSummary};
use super::stream::CheckupStream;
use super::{CheckupRequest, Progress, is_disconnected};
use crate::control::{self, AUTO_EXPOSURE, Control, ControlSetting, EXPOSURE_PRIORITY, POWER_LINE_FREQUENCY};
use crate::criteria;
use crate::device::Capabilities;
use crate::fault::FaultKind;
use crate::frame::{PixelFormat, Size};
use crate::phrases::Message;
use crate::source::OpenRequest;

/// Time for all experiments together.
const LONGEST: Duration = Duration::from_secs(15);
/// How many are made at most.
const MOST: usize = 4;
/// Exposure needs its time after a change.
const SETTLE: Duration = Duration::from_millis(700);
const WATCH: Duration = Duration::from_millis(1_500);
/// For a control to have its old value again.
const UNDO: Duration = Duration::from_millis(300);

/// What an experiment changes.
enum ExperimentChange {
    /// The stream is stopped and started.
    Restart,
    /// A control gets another value, and its old one after.
    Control { set: ControlSetting, back: ControlSetting },
    /// The camera is opened anew, with this.
    Open(Box<dyn Fn(&mut OpenRequest)>),
}

struct ExperimentPlan {
    with: String,
    change: ExperimentChange,
    action: Action,
}

/// One thing to try: its name in the phrases (`experiment.<id>`), and what it would be with these facts.
struct ExperimentRow {
    id: &'static str,
    plan: fn(&Facts, &CheckupRequest) -> Option<ExperimentPlan>,
}

/// The gentlest first.
const ROWS: [ExperimentRow; 7] = [
    ExperimentRow { id: "restart-stream", plan: restart_stream },
    ExperimentRow { id: "exposure-priority", plan: exposure_priority },
    ExperimentRow { id: "power-line", plan: power_line },
    ExperimentRow { id: "auto-exposure", plan: auto_exposure },
    ExperimentRow { id: "other-format", plan: other_format },
    ExperimentRow { id: "half-size", plan: half_size },
    ExperimentRow { id: "other-backend", plan: other_backend },
];

/// Tries what may help with what is in the facts, and adds what came of it. Gives the stream back, if it is still open.
pub(super) fn run(
    request: &CheckupRequest,
    facts: &mut Facts,
    mut stream: Option<CheckupStream>,
    cancel: &Receiver<()>,
    tell: &mut dyn FnMut(Progress),
) -> Option<CheckupStream> {
    let until = Instant::now() + LONGEST;
    let before = before(facts, stream.as_ref());
    for row in ROWS {
        if facts.experiments.len() >= MOST || Instant::now() >= until || is_disconnected(cancel) {
            break;
        }
        let Some(plan) = (row.plan)(facts, request) else { continue };
        let needs_stream = matches!(plan.change, ExperimentChange::Restart | ExperimentChange::Control { .. });
        if needs_stream && stream.as_ref().is_none_or(|stream| stream.ended.is_some()) {
            continue;
        }
        let name = Message::new(format!("experiment.{}", row.id)).with("with", plan.with.clone());
        tell(Progress::Trying(name));
        let (after, back) = carry_out(&plan.change, request, stream.take(), until, cancel);
        stream = back;
        let (id, with) = (row.id.to_owned(), plan.with);
        let experiment = Experiment { id, with, action: Some(plan.action), before: before.clone(), after };
        let has_helped = experiment.has_helped();
        facts.experiments.push(experiment);
        if has_helped {
            break;
        }
    }
    stream
}

/// The stream before anything was tried.
fn before(facts: &Facts, stream: Option<&CheckupStream>) -> StreamSummary {
    let fault = facts.opening.as_ref().and_then(|opening| opening.fault.clone());
    let mut summary = stream.map(|stream| stream.summary(None)).unwrap_or_default();
    summary.fault = summary.fault.or(fault);
    summary
}

fn carry_out(
    change: &ExperimentChange,
    request: &CheckupRequest,
    stream: Option<CheckupStream>,
    until: Instant,
    cancel: &Receiver<()>,
) -> (StreamSummary, Option<CheckupStream>) {
    match (change, stream) {
        (ExperimentChange::Restart, Some(mut stream)) => {
            stream.restart();
            stream.watch(until.min(Instant::now() + SETTLE), cancel, |_| false);
            stream.begin_anew();
            stream.watch(until.min(Instant::now() + WATCH), cancel, |_| false);
            (stream.summary(None), Some(stream))
        }
        (ExperimentChange::Control { set, back }, Some(mut stream)) => {
            stream.set_controls(vec![*set]);
            stream.watch(until.min(Instant::now() + SETTLE), cancel, |_| false);
            stream.begin_anew();
            stream.watch(until.min(Instant::now() + WATCH), cancel, |_| false);
            let summary = stream.summary(None);
            // Also for who has cancelled: the device is left as it was.
            stream.set_controls(vec![*back]);
            stream.watch(Instant::now() + UNDO, &crossbeam_channel::never(), |_| false);
            (summary, Some(stream))
        }
        (ExperimentChange::Open(change), stream) => {
            if let Some(stream) = stream {
                let _ = stream.close();
            }
            let mut opening = request.opening();
            change(&mut opening);
            let summary = open_and_watch(opening, until, cancel);
            (summary, None)
        }
        (ExperimentChange::Restart | ExperimentChange::Control { .. }, None) => (StreamSummary::default(), None),
    }
}

/// Opens a camera, watches it for a moment and closes it.
pub(super) fn open_and_watch(request: OpenRequest, until: Instant, cancel: &Receiver<()>) -> StreamSummary {
    let patience = request.patience() + request.first_frame_deadline;
    let Ok(mut stream) = CheckupStream::open(request) else { return StreamSummary::default() };
    stream.watch(until.min(Instant::now() + patience), cancel, |stream| stream.first_at.is_some());
    let mut load = super::checks::host::ProcessLoad::new();
    if stream.first_at.is_some() {
        stream.watch(until.min(Instant::now() + WATCH), cancel, |_| false);
    }
    let cpu_percent = load.as_mut().and_then(|load| load.worker().cpu);
    let mut summary = stream.summary(cpu_percent);
    if summary.first_frame_ms.is_none() && summary.fault.is_none() {
        summary.fault.clone_from(&stream.measured.last_fault);
    }
    let _ = stream.close();
    summary
}

// ---- what to try

fn control_of(facts: &Facts, id: u32) -> Option<&Control> {
    let of_stream = facts.stream.iter().flat_map(|stream| &stream.controls);
    let of_device = facts.abilities.iter().flat_map(|abilities| &abilities.controls);
    of_stream.chain(of_device).find(|control| control.id == id && control.held.is_none() && !control.is_read_only)
}

fn set_control(facts: &Facts, id: u32, value: i64) -> Option<ExperimentPlan> {
    let control = control_of(facts, id)?;
    let old = control.value.filter(|old| *old != value)?;
    let set = ControlSetting { id, value };
    Some(ExperimentPlan {
        with: format!("{} = {value}", control.label()),
        change: ExperimentChange::Control { set, back: ControlSetting { id, value: old } },
        action: Action::SetControl(set),
    })
}

fn is_slow(facts: &Facts) -> bool {
    let Some(stream) = &facts.stream else { return false };
    let wanted = facts.wanted_fps().filter(|_| facts.is_rate_of_camera());
    wanted.zip(stream.made_fps).is_some_and(|(wanted, made)| criteria::is_too_slow(made, wanted))
}

fn is_damaged(facts: &Facts) -> bool {
    let stream = facts.stream.as_ref();
    let picture = facts.picture.as_ref();
    stream.is_some_and(|stream| criteria::is_lossy(stream.n_damaged, stream.n_good + stream.n_damaged))
        || picture.is_some_and(|seen| seen.torn.is_some_and(|torn| criteria::is_torn(torn, seen.n_pictures)))
}

fn does_not_start(facts: &Facts) -> bool {
    use FaultKind::{Crashed, FormatRefused, NoFirstFrame, NoResources, OpenFailed, ReadFailed, Stall};
    let fault = facts.opening.as_ref().and_then(|opening| opening.fault.as_ref());
    fault.is_some_and(|fault| {
        matches!(fault.kind, Crashed | FormatRefused | NoFirstFrame | NoResources | OpenFailed | ReadFailed | Stall)
    })
}

fn restart_stream(facts: &Facts, _: &CheckupRequest) -> Option<ExperimentPlan> {
    let is_frozen =
        facts.picture.as_ref().is_some_and(|seen| seen.same.lasts && criteria::is_still(&seen.same, seen.coding()));
    (is_frozen && !is_black(facts)).then(|| ExperimentPlan {
        with: String::new(),
        change: ExperimentChange::Restart,
        action: Action::RestartStream,
    })
}

fn is_black(facts: &Facts) -> bool {
    facts.picture.as_ref().is_some_and(|seen| seen.n_pictures > 0 && criteria::is_black(&seen.darkness()))
}

fn exposure_priority(facts: &Facts, _: &CheckupRequest) -> Option<ExperimentPlan> {
    if is_slow(facts) { set_control(facts, EXPOSURE_PRIORITY, 0) } else { None }
}

fn power_line(facts: &Facts, _: &CheckupRequest) -> Option<ExperimentPlan> {
    let mains = facts.picture.as_ref()?.bands.as_ref()?.mains_hz?;
    // V4L2_CID_POWER_LINE_FREQUENCY_50HZ, …_60HZ
    set_control(facts, POWER_LINE_FREQUENCY, if mains < 55.0 { 1 } else { 2 })
}

fn auto_exposure(facts: &Facts, _: &CheckupRequest) -> Option<ExperimentPlan> {
    let seen = facts.picture.as_ref().filter(|seen| seen.n_pictures > 0)?;
    let is_off = criteria::is_under_exposed(&seen.luma) || criteria::is_over_exposed(&seen.luma);
    let control = control_of(facts, AUTO_EXPOSURE)?;
    // V4L2_EXPOSURE_MANUAL
    (is_off && control.value == Some(1) && control.default != 1)
        .then(|| set_control(facts, control::AUTO_EXPOSURE, control.default))
        .flatten()
}

fn formats(facts: &Facts, request: &CheckupRequest) -> Vec<PixelFormat> {
    match (&facts.abilities, &request.spec) {
        (Some(abilities), _) => abilities.format_codes(),
        (None, crate::source::SourceSpec::Simulated(_)) => PixelFormat::COMMON.into_iter().take(2).collect(),
        (None, _) => Vec::new(),
    }
}

fn other_format(facts: &Facts, request: &CheckupRequest) -> Option<ExperimentPlan> {
    if !(is_slow(facts) || is_damaged(facts) || does_not_start(facts)) {
        return None;
    }
    let got = facts.opening.as_ref().and_then(|opening| opening.got.format).or(request.settings.asked.format);
    let wanted = if got == Some(PixelFormat::MJPG) { PixelFormat::YUYV } else { PixelFormat::MJPG };
    formats(facts, request).contains(&wanted).then(|| ExperimentPlan {
        with: wanted.to_string(),
        change: ExperimentChange::Open(Box::new(move |request| request.asked.format = Some(wanted))),
        action: Action::UseFormat(wanted),
    })
}

fn half_size(facts: &Facts, request: &CheckupRequest) -> Option<ExperimentPlan> {
    if !(is_slow(facts) || is_damaged(facts) || does_not_start(facts)) {
        return None;
    }
    let got = facts.opening.as_ref().and_then(|opening| opening.got.size).or(request.settings.asked.size)?;
    let half = Size::new(got.width / 2, got.height / 2)?;
    let abilities: &Capabilities = facts.abilities.as_ref()?;
    let size = abilities.nearest_size(None, half).filter(|size| size.width < got.width)?;
    Some(ExperimentPlan {
        with: size.to_string(),
        change: ExperimentChange::Open(Box::new(move |request| request.asked.size = Some(size))),
        action: Action::UseSize(size),
    })
}

fn other_backend(facts: &Facts, request: &CheckupRequest) -> Option<ExperimentPlan> {
    if !(does_not_start(facts) || is_black(facts)) {
        return None;
    }
    let used = facts.opening.as_ref().and_then(|opening| opening.backend).or(request.settings.backend);
    let possible = request.spec.backends();
    let used = used.or_else(|| possible.first().copied())?;
    let other = possible.into_iter().find(|backend| *backend != used)?;
    Some(ExperimentPlan {
        with: other.label().to_owned(),
        change: ExperimentChange::Open(Box::new(move |request| request.backend = Some(other))),
        action: Action::UseBackend(other),
    })
}
