//! The stream: opened, its first frame, how frames come, what they show. One [`CheckupStream`] goes
//! through all of these. Nothing is recovered here: each fault is to show.

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::device::look_whether_gone;
use super::host::LoadWatch;
use super::{QUICK, result, with_load};
use crate::checkup::catalogue::LIKELY;
use crate::checkup::facts::OpeningFacts;
use crate::checkup::status::StreamStatus;
use crate::checkup::stream::{CheckupStream, NETWORK_PAUSE};
use crate::checkup::verdict::findings;
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult, CheckupRequest, Layer, is_disconnected};
use crate::criteria;
use crate::device::{self, DeviceKind};
use crate::fault::{Fault, FaultKind};
use crate::network::StepOutcome;
use crate::phrases::{Message, number};
use crate::source::OpenRequest;
use crate::status::Got;

/// How long frames are watched: the rate needs a second, bands of mains light two.
const WATCH: Duration = Duration::from_secs(2);
/// A network camera is watched until its stream is so old, or older where its clock may have jumped: many end their streams soon, and
/// what they do wrong comes each few seconds.
const LEAST_AGE: Duration = Duration::from_millis(3_800);
const DOUBTFUL_AGE: Duration = Duration::from_millis(8_500);
/// A slow camera is watched until it has given so many frames, but no longer than this.
const LEAST_FRAMES: u64 = 15;
const LONGEST_WATCH: Duration = Duration::from_secs(5);
/// Pictures of a network camera that are all the same are watched for longer than two usual distances of key frames (F65).
const STILL_WATCH: Duration = Duration::from_millis(5_500);
/// A round of a long watch: what goes wrong for a moment counts for something in it.
const WATCH_ROUND: Duration = Duration::from_secs(10);
/// How long a camera has to notice that a viewer is gone.
const RELEASE: Duration = Duration::from_secs(2);
/// What a process of a driver takes to be killed, beyond the deadlines of its calls.
const SPARE: Duration = Duration::from_secs(3);

/// How the check-up opens the camera: as the settings say, with the script's clock of the simulated one beginning now. What comes behind
/// a pause of a network camera tells why it was.
pub fn request_of(context: &CheckContext) -> OpenRequest {
    let mut request = context.request.opening();
    if request.spec.is_network() {
        request.frame_deadline = request.frame_deadline.max(NETWORK_PAUSE);
    }
    request
}

/// A stream that nobody opened, or that is over already.
fn without_stream(context: &CheckContext) -> Option<Message> {
    match &context.stream {
        None => Some(Message::new("why.not-open")),
        Some(stream) if stream.opened_at.is_none() => Some(Message::new("why.not-open")),
        Some(_) => None,
    }
}

fn without_picture(context: &CheckContext) -> Option<Message> {
    without_stream(context).or_else(|| {
        let has_picture = context.stream.as_ref().is_some_and(|stream| stream.first_at.is_some());
        (!has_picture).then(|| Message::new("why.no-picture"))
    })
}

pub struct OpenCheck;

impl Check for OpenCheck {
    fn id(&self) -> &'static str {
        "open"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        let presence = context.facts.presence.as_ref();
        let is_missing = presence.is_some_and(|presence| presence.device.is_none());
        let conversation = context.facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
        let is_refused = conversation.is_some_and(|finding| finding.fault.kind != FaultKind::BadFrame)
            && context
                .facts
                .conversation
                .as_ref()
                .is_some_and(|conversation| conversation.steps.iter().any(|step| step.outcome == StepOutcome::Bad));
        match () {
            () if is_missing => Some(Message::new("why.no-camera")),
            () if is_refused => Some(Message::new("why.no-stream")),
            () => None,
        }
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        // As the probe does: Media Foundation gets more time.
        let once = request_of(context).for_attempt(1).patience();
        if context.facts.has_served_once() { 2 * once + RELEASE + SPARE } else { once + SPARE }
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        if let Some(live) = context.request.live.clone() {
            let status = live.status.current();
            let stream = CheckupStream::live(live, &context.request.spec);
            let backend = stream.backend;
            context.facts.opening = Some(OpeningFacts {
                backend,
                open_ms: status.as_ref().and_then(|status| status.open_ms).unwrap_or_default(),
                first_frame_ms: status.as_ref().and_then(|status| status.first_frame_ms),
                got: stream.got.clone(),
                ..OpeningFacts::default()
            });
            context.stream = Some(stream);
            return result(self, CheckOutcome::Good, "live");
        }
        let load = LoadWatch::start();
        let request = request_of(context);
        let (stuck, wanted) = (request.stuck.clone(), request.backend().ok());
        let device = context.facts.presence.as_ref().and_then(|presence| presence.device.as_ref());
        let device = device.map(|device| (device.identity.clone(), device.kind));
        let open = |began| {
            let status = StreamStatus::new(&context.request, device.clone(), began);
            let mut stream = CheckupStream::open(request.clone())?.with_status(status);
            stream.watch(context.deadline, &context.cancel, |stream| stream.opened_at.is_some());
            Ok::<_, String>(stream)
        };
        let mut opened = open(Instant::now());
        // One that serves a single viewer may not have noticed yet that the connection test is gone.
        if context.facts.has_served_once()
            && matches!(&opened, Ok(stream) if stream.ended.is_some())
            && context.cancel.recv_timeout(RELEASE) == Err(RecvTimeoutError::Timeout)
        {
            opened = open(Instant::now());
        }
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => return result(self, CheckOutcome::Skipped, "no-thread").with("error", error),
        };
        let open_ms = stream.open_ms(Instant::now());
        let fault = stream.ended.clone();
        // Frames wait meanwhile, and it explains nothing else.
        let load = load.filter(|_| fault.is_some() || open_ms >= criteria::OPEN_SLOW_MS);
        let cpu_percent = load.and_then(|load| load.end(&mut context.facts.computer));
        let result = match (&fault, stream.backend) {
            (Some(fault), _) => result(self, CheckOutcome::Bad, "bad").with("what", fault.to_string()),
            (None, Some(backend)) => result(self, CheckOutcome::Good, "good").with("backend", backend.label()),
            (None, None) => result(self, CheckOutcome::Skipped, "cancelled"),
        };
        context.facts.opening = Some(OpeningFacts {
            backend: stream.backend.or(wanted),
            open_ms,
            fault,
            got: stream.got.clone(),
            cpu_percent,
            kernel_function: stuck.report(Instant::now()).into_iter().find_map(|process| process.kernel_function),
            ..OpeningFacts::default()
        });
        let failed = stream.ended.as_ref().map(|fault| fault.kind);
        context.stream = Some(stream);
        if failed.is_some() {
            look_whether_gone(&mut context.facts);
        }
        // Whoever has it may have come since it was looked for.
        if failed == Some(FaultKind::Busy)
            && let Some(device) = context.facts.presence.as_ref().and_then(|presence| presence.device.as_ref())
        {
            context.facts.holders = Some(device::holders(device));
        }
        result.with("ms", open_ms)
    }
}

/// How long a first frame is waited for: longer while others have the processors.
fn first_frame_patience(context: &CheckContext) -> Duration {
    let request = request_of(context);
    let once = request.first_frame_deadline.max(request.frame_deadline);
    with_load(once, context)
}

pub struct FirstFrameCheck;

impl Check for FirstFrameCheck {
    fn id(&self) -> &'static str {
        "first-frame"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_stream(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        first_frame_patience(context) + SPARE
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let until = Instant::now() + first_frame_patience(context);
        let is_saturated = context.facts.is_saturated();
        let Some(stream) = context.stream.as_mut() else { return result(self, CheckOutcome::Skipped, "none") };
        let load = LoadWatch::start();
        let has_failed = |stream: &CheckupStream| {
            let is_late = stream.measured.last_fault.as_ref().is_some_and(|f| f.kind == FaultKind::NoFirstFrame);
            is_late && (!is_saturated || Instant::now() >= until)
        };
        stream.watch(context.deadline, &context.cancel, |stream| stream.first_at.is_some() || has_failed(stream));
        if let Some(load) = load.filter(|_| stream.first_at.is_none()) {
            load.end(&mut context.facts.computer);
        }
        let failed = stream.ended.clone().or_else(|| stream.measured.last_fault.clone());
        // Nobody waits any longer, though neither the engine nor the driver has said that it is too long.
        let none = || Fault::new(FaultKind::Stall, format!("no picture came from {}", context.request.spec));
        let fault = failed.filter(|_| stream.first_at.is_none());
        let is_given_up = stream.first_at.is_none() && Instant::now() >= context.deadline;
        let fault = fault.or_else(|| is_given_up.then(none));
        let measured = stream.facts();
        let first_frame_ms = if stream.is_live() {
            context.facts.opening.as_ref().and_then(|opening| opening.first_frame_ms)
        } else {
            stream.ms_to(stream.first_at)
        };
        let result = match (stream.first_at, &fault) {
            (Some(_), _) => result(self, CheckOutcome::Good, "good").with("ms", first_frame_ms.unwrap_or_default()),
            (None, Some(fault)) => result(self, CheckOutcome::Bad, "bad").with("what", fault.to_string()),
            (None, None) => result(self, CheckOutcome::Bad, "none"),
        };
        if let Some(opening) = context.facts.opening.as_mut() {
            opening.first_frame_ms = first_frame_ms;
            opening.fault = opening.fault.take().or(fault);
        }
        context.facts.stream = Some(measured);
        if result.outcome == CheckOutcome::Bad {
            look_whether_gone(&mut context.facts);
        }
        result
    }
}

pub struct RateCheck;

impl Check for RateCheck {
    fn id(&self) -> &'static str {
        "rate"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_picture(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        context.request.watch.unwrap_or_default() + LONGEST_WATCH + STILL_WATCH + SPARE
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let is_network = context.request.spec.is_network();
        let Some(stream) = context.stream.as_mut() else { return result(self, CheckOutcome::Skipped, "none") };
        let began = Instant::now();
        let load = LoadWatch::start();
        let wall = ClockPair::now();
        stream.watch(context.deadline, &context.cancel, |stream| {
            let took = began.elapsed();
            if took < WATCH || is_network && stream.age() < LEAST_AGE {
                return false;
            }
            if stream.packets.is_some_and(|packets| packets.is_unsure()) && stream.age() < DOUBTFUL_AGE {
                return false;
            }
            // It may be the first of many.
            if is_network && stream.has_paused_once() && stream.age() < DOUBTFUL_AGE {
                return false;
            }
            // A pause of the network ends, or turns out to be none.
            if is_network && !stream.is_flowing(Instant::now()) && stream.ended.is_none() && !stream.has_stalled() {
                return false;
            }
            // Two pictures that are equal in each byte: only a longer look tells a still scene from a frozen camera.
            let same_since = stream.same_since.filter(|_| !stream.coding.is_by_itself());
            if took >= same_since.map_or(Duration::ZERO, |since| since.saturating_duration_since(began)) + STILL_WATCH {
                return true;
            }
            // Whether it has stopped is seen a moment later.
            if !stream.is_flowing(Instant::now()) {
                return false;
            }
            // A frame or two that are missing or damaged may be an accident, or every fifth.
            let n_bad = stream.measured.lost.camera + stream.measured.lost.damaged;
            let is_unsure = n_bad > 0 && !criteria::is_more_than_chance(n_bad);
            let is_unseen = stream.sampler.n_seen() < criteria::LEAST_PICTURES;
            let is_enough = stream.measured.n_good >= LEAST_FRAMES && !is_unsure && !is_unseen || took >= LONGEST_WATCH;
            is_enough && same_since.is_none()
        });
        if let Some(longest) = context.request.watch {
            watch_until_it_happens(stream, &context.request, began + longest, &context.cancel);
        }
        let mut measured = stream.facts();
        if let Some(load) = load {
            load.end(&mut context.facts.computer);
        }
        context.facts.time.get_or_insert_default().wall_step_secs = wall.step_secs();
        if let Some(opening) = context.facts.opening.as_mut() {
            // What was agreed stands beside what came.
            let size = opening.got.size.or(stream.got.size);
            opening.got = Got { size, ..stream.got.clone() };
        }
        let device = context.facts.presence.as_ref().and_then(|presence| presence.device.as_ref());
        let is_fed = device.is_some_and(|device| device.kind == DeviceKind::Virtual);
        if is_fed {
            // What feeds it never waits for us: a gap is what was written over before we came.
            measured.n_late += std::mem::take(&mut measured.n_lost);
        }
        let (fps, lost) = (measured.fps.unwrap_or_default(), measured.n_lost + measured.n_damaged + measured.n_late);
        // Nobody has agreed to the rate of what is fed.
        let agreed = measured.agreed_fps.filter(|_| !is_fed);
        let is_short = agreed.zip(measured.fps).is_some_and(|(agreed, fps)| criteria::is_too_slow(fps, agreed));
        let n_all = measured.n_good + lost;
        let is_lossy = criteria::is_lossy(measured.n_lost + measured.n_damaged, n_all)
            || criteria::is_late(measured.n_late, n_all);
        let ended = measured.ended.as_ref().map(Fault::to_string);
        let result = match (&ended, is_short, is_lossy) {
            (Some(what), ..) => result(self, CheckOutcome::Bad, "ended").with("what", what.clone()),
            (None, true, _) => {
                let agreed = measured.agreed_fps.unwrap_or_default();
                result(self, CheckOutcome::Warning, "short").with("agreed", number(agreed, 1))
            }
            (None, false, true) => result(self, CheckOutcome::Warning, "lost"),
            (None, false, false) => result(self, CheckOutcome::Good, "good"),
        };
        context.facts.stream = Some(measured);
        if ended.is_some() {
            look_whether_gone(&mut context.facts);
        }
        if context.facts.usb.is_some() {
            super::device::look_at_port(context);
        }
        result.with("fps", number(fps, 1)).with("lost", lost)
    }
}

/// Watches until something is wrong, a round at a time: what is measured then is of the round in which it happened.
fn watch_until_it_happens(stream: &mut CheckupStream, request: &CheckupRequest, until: Instant, cancel: &Receiver<()>) {
    let asked = request.spec.asked(request.settings.asked);
    let has_trouble = |stream: &CheckupStream| {
        let found = stream.measured.verdict(&asked, &stream.got).findings;
        let is_told = stream.packets.as_ref().is_some_and(|packets| packets.judge().is_some());
        stream.ended.is_some() || is_told || found.iter().any(|finding| finding.points > 0)
    };
    while !has_trouble(stream) && Instant::now() < until && !is_disconnected(cancel) {
        stream.begin_anew();
        let round = Instant::now() + WATCH_ROUND;
        stream.watch(round.min(until), cancel, |_| false);
    }
}

pub struct PictureCheck;

impl Check for PictureCheck {
    fn id(&self) -> &'static str {
        "picture"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_picture(context)
    }

    fn patience(&self, _: &CheckContext) -> Duration {
        LONGEST_WATCH + QUICK
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(stream) = context.stream.as_mut() else { return result(self, CheckOutcome::Skipped, "none") };
        // Where the computer had no time to look at those that came: a verdict takes so many.
        if stream.measured.n_good >= u64::from(criteria::LEAST_PICTURES) {
            stream.watch(Instant::now() + LONGEST_WATCH, &context.cancel, |stream| {
                stream.sampler.n_seen() >= criteria::LEAST_PICTURES
            });
        }
        let seen = stream.sampler.seen();
        let (mean, noise) = (seen.luma.mean, seen.noise.temporal.unwrap_or_default());
        context.facts.picture = Some(seen);
        let is_suspicious = findings(&context.facts)
            .iter()
            .any(|finding| finding.entry.layer == Layer::Picture && finding.judgement.confidence >= LIKELY);
        let result = if is_suspicious {
            result(self, CheckOutcome::Warning, "suspicious")
        } else {
            result(self, CheckOutcome::Good, "good")
        };
        result.with("mean", mean).with("noise", number(noise, 1))
    }
}

pub struct TimeCheck;

impl Check for TimeCheck {
    fn id(&self) -> &'static str {
        "time"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_picture(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        with_load(QUICK, context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let n_back = context.facts.stream.as_ref().map_or(0, |stream| stream.n_back);
        let time = context.facts.time.get_or_insert_default();
        time.is_year_wrong = SystemTime::now() < built();
        match (n_back, time.wall_step_secs, time.is_year_wrong) {
            (0, None, false) => result(self, CheckOutcome::Good, "good"),
            (0, Some(secs), false) => result(self, CheckOutcome::Warning, "stepped").with("secs", number(secs, 1)),
            (0, _, true) => result(self, CheckOutcome::Warning, "year"),
            (n, ..) => result(self, CheckOutcome::Warning, "back").with("n", n),
        }
    }
}

/// No computer that runs this program has an earlier date, unless its clock is wrong.
fn built() -> SystemTime {
    /// The first of January 2025.
    const YEAR_2025: Duration = Duration::from_hours(482_136);
    SystemTime::UNIX_EPOCH + YEAR_2025
}

/// Both clocks at one moment.
struct ClockPair {
    steady: Instant,
    wall: SystemTime,
}

impl ClockPair {
    /// Whoever is held up between the two readings does not know both at one moment: the closest pair of a few is taken.
    fn now() -> Self {
        const TRIES: usize = 4;
        let tries = (0..TRIES).map(|_| {
            let (before, wall) = (Instant::now(), SystemTime::now());
            (before.elapsed(), Self { steady: before, wall })
        });
        let closest = tries.min_by_key(|(took, _)| *took);
        closest.map_or_else(|| Self { steady: Instant::now(), wall: SystemTime::now() }, |(_, pair)| pair)
    }

    /// By how much the wall clock was set since then.
    fn step_secs(&self) -> Option<f64> {
        let now = Self::now();
        let steady = now.steady.saturating_duration_since(self.steady).as_secs_f64();
        let wall = match now.wall.duration_since(self.wall) {
            Ok(forward) => forward.as_secs_f64(),
            Err(back) => -back.duration().as_secs_f64(),
        };
        Some(wall - steady).filter(|step| criteria::is_clock_step(*step))
    }
}
