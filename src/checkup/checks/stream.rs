//! The stream: opened, its first frame, how frames come, what they show. One [`Tap`] goes through all of these.

use std::time::{Duration, Instant, SystemTime};

use super::host::{Load, Pace};
use super::{QUICK, ending};
use crate::checkup::entries::LIKELY;
use crate::checkup::facts::{self, Opening};
use crate::checkup::tap::{Tap, coding_of};
use crate::checkup::verdict::findings;
use crate::checkup::{Check, Ending, Job, Layer, Outcome};
use crate::fault::{Fault, FaultKind};
use crate::phrases::{Message, number};
use crate::picture::FrameCoding;
use crate::source::OpenRequest;

/// How long frames are watched: the rate needs a second, bands of mains light two.
const WATCH: Duration = Duration::from_secs(2);
/// A slow camera is watched until it has given so many frames, but no longer than this.
const LEAST_FRAMES: u64 = 15;
const LONGEST_WATCH: Duration = Duration::from_secs(5);
/// Pictures of a network camera that are all the same are watched for longer than two usual distances of key frames (F65).
const STILL_WATCH: Duration = Duration::from_millis(5_500);
/// What a process of a driver takes to be killed, beyond the deadlines of its calls.
const SPARE: Duration = Duration::from_secs(3);

/// How the check-up opens the camera: as the settings say, with the script's clock of the simulated one beginning now.
pub fn request_of(job: &Job) -> OpenRequest {
    job.request.opening()
}

/// A stream that nobody opened, or that is over already.
fn without_tap(job: &Job) -> Option<Message> {
    match &job.tap {
        None => Some(Message::new("why.not-open")),
        Some(tap) if tap.opened_at.is_none() => Some(Message::new("why.not-open")),
        Some(_) => None,
    }
}

fn without_picture(job: &Job) -> Option<Message> {
    without_tap(job).or_else(|| {
        let has_picture = job.tap.as_ref().is_some_and(|tap| tap.first_at.is_some());
        (!has_picture).then(|| Message::new("why.no-picture"))
    })
}

pub struct Open;

impl Check for Open {
    fn id(&self) -> &'static str {
        "open"
    }

    fn skip(&self, job: &Job) -> Option<Message> {
        let presence = job.facts.presence.as_ref();
        let is_missing = presence.is_some_and(|presence| presence.device.is_none());
        let conversation = job.facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
        let is_refused = conversation.is_some_and(|finding| finding.fault.kind != FaultKind::BadFrame)
            && job.facts.conversation.as_ref().is_some_and(|conversation| {
                conversation.steps.iter().any(|step| step.outcome == crate::network::StepOutcome::Bad)
            });
        match () {
            () if is_missing => Some(Message::new("why.no-camera")),
            () if is_refused => Some(Message::new("why.no-stream")),
            () => None,
        }
    }

    fn patience(&self, job: &Job) -> Duration {
        let request = request_of(job);
        // Media Foundation gets five times the time to open.
        request.patience() * if request.backend() == Ok(crate::backend::Backend::Msmf) { 5 } else { 1 } + SPARE
    }

    fn run(&self, job: &mut Job) -> Ending {
        if let Some(live) = job.request.live.clone() {
            let status = live.status.current();
            let tap = Tap::live(live, &job.request.spec);
            let backend = tap.backend;
            job.facts.opening = Some(Opening {
                backend,
                open_ms: status.as_ref().and_then(|status| status.open_ms).unwrap_or_default(),
                first_frame_ms: status.as_ref().and_then(|status| status.first_frame_ms),
                got: tap.got.clone(),
                ..Opening::default()
            });
            job.tap = Some(tap);
            return ending(self, Outcome::Good, "live");
        }
        let request = request_of(job);
        let (stuck, wanted) = (request.stuck.clone(), request.backend().ok());
        let mut tap = match Tap::open(request) {
            Ok(tap) => tap,
            Err(error) => return ending(self, Outcome::Skipped, "no-thread").with("error", error),
        };
        let began = Instant::now();
        tap.watch(job.deadline, &job.cancel, |tap| tap.opened_at.is_some());
        let open_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let fault = tap.ended.clone();
        let ending = match (&fault, tap.backend) {
            (Some(fault), _) => ending(self, Outcome::Bad, "bad").with("what", fault.to_string()),
            (None, Some(backend)) => ending(self, Outcome::Good, "good").with("backend", backend.label()),
            (None, None) => ending(self, Outcome::Skipped, "cancelled"),
        };
        job.facts.opening = Some(Opening {
            backend: tap.backend.or(wanted),
            open_ms,
            fault,
            got: tap.got.clone(),
            kernel_function: stuck.report(Instant::now()).into_iter().find_map(|process| process.kernel_function),
            ..Opening::default()
        });
        job.tap = Some(tap);
        ending.with("ms", open_ms)
    }
}

pub struct FirstFrame;

impl Check for FirstFrame {
    fn id(&self) -> &'static str {
        "first-frame"
    }

    fn skip(&self, job: &Job) -> Option<Message> {
        without_tap(job)
    }

    fn patience(&self, job: &Job) -> Duration {
        let request = request_of(job);
        request.first_frame_deadline.max(request.frame_deadline) + SPARE
    }

    fn run(&self, job: &mut Job) -> Ending {
        let Some(tap) = job.tap.as_mut() else { return ending(self, Outcome::Skipped, "none") };
        let has_failed =
            |tap: &Tap| tap.measured.last_fault.as_ref().is_some_and(|f| f.kind == FaultKind::NoFirstFrame);
        tap.watch(job.deadline, &job.cancel, |tap| tap.first_at.is_some() || has_failed(tap));
        let failed = tap.ended.clone().or_else(|| tap.measured.last_fault.clone());
        let fault = failed.filter(|_| tap.first_at.is_none());
        let stream = tap.stream();
        let first_frame_ms = if tap.is_live() {
            job.facts.opening.as_ref().and_then(|opening| opening.first_frame_ms)
        } else {
            tap.ms_to(tap.first_at)
        };
        let ending = match (tap.first_at, &fault) {
            (Some(_), _) => ending(self, Outcome::Good, "good").with("ms", first_frame_ms.unwrap_or_default()),
            (None, Some(fault)) => ending(self, Outcome::Bad, "bad").with("what", fault.to_string()),
            (None, None) => ending(self, Outcome::Bad, "none"),
        };
        if let Some(opening) = job.facts.opening.as_mut() {
            opening.first_frame_ms = first_frame_ms;
            opening.fault = opening.fault.take().or(fault);
        }
        job.facts.stream = Some(stream);
        ending
    }
}

pub struct Rate;

impl Check for Rate {
    fn id(&self) -> &'static str {
        "rate"
    }

    fn skip(&self, job: &Job) -> Option<Message> {
        without_picture(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        STILL_WATCH + SPARE
    }

    fn run(&self, job: &mut Job) -> Ending {
        let is_coded_as_differences = coding_of(&job.request.spec) == FrameCoding::Inter;
        let Some(tap) = job.tap.as_mut() else { return ending(self, Outcome::Skipped, "none") };
        let began = Instant::now();
        let (mut load, pace) = (Load::new(), Pace::start());
        let wall = Wall::now();
        tap.watch(job.deadline, &job.cancel, |tap| {
            let took = began.elapsed();
            if took < WATCH {
                return false;
            }
            if took >= STILL_WATCH {
                return true;
            }
            // Whether it has stopped is seen a moment later.
            if !tap.is_flowing(Instant::now()) {
                return false;
            }
            let is_enough = tap.measured.n_good >= LEAST_FRAMES || took >= LONGEST_WATCH;
            // Two pictures that are equal in each byte: only a longer look tells a still scene from a frozen camera.
            is_enough && !(is_coded_as_differences && tap.is_same)
        });
        let stream = tap.stream();
        let worker = load.as_mut().and_then(Load::worker_percent);
        if let Some(computer) = job.facts.computer.as_mut() {
            computer.worker_cpu_percent = worker;
            computer.timer_late_ms = pace.and_then(Pace::late_ms);
            // Of the time that counts.
            computer.cpu_percent = load.as_ref().map_or(computer.cpu_percent, Load::cpu_percent);
        }
        job.facts.time = Some(facts::Time { wall_step_secs: wall.step_secs(), ..facts::Time::default() });
        if let Some(opening) = job.facts.opening.as_mut() {
            opening.got.clone_from(&tap.got);
        }
        let (fps, lost) = (stream.fps.unwrap_or_default(), stream.n_lost + stream.n_damaged + stream.n_late);
        let is_short = stream.agreed_fps.zip(stream.fps).is_some_and(|(agreed, fps)| fps < 0.85 * agreed);
        let ended = stream.ended.as_ref().map(Fault::to_string);
        let ending = match (&ended, is_short, lost * 20 > stream.n_good) {
            (Some(what), ..) => ending(self, Outcome::Bad, "ended").with("what", what.clone()),
            (None, true, _) => {
                let agreed = stream.agreed_fps.unwrap_or_default();
                ending(self, Outcome::Warning, "short").with("agreed", number(agreed, 1))
            }
            (None, false, true) => ending(self, Outcome::Warning, "lost"),
            (None, false, false) => ending(self, Outcome::Good, "good"),
        };
        job.facts.stream = Some(stream);
        if job.facts.usb.is_some() {
            super::device::look_at_port(job);
        }
        ending.with("fps", number(fps, 1)).with("lost", lost)
    }
}

pub struct Picture;

impl Check for Picture {
    fn id(&self) -> &'static str {
        "picture"
    }

    fn skip(&self, job: &Job) -> Option<Message> {
        without_picture(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        QUICK
    }

    fn run(&self, job: &mut Job) -> Ending {
        let Some(tap) = job.tap.as_ref() else { return ending(self, Outcome::Skipped, "none") };
        let seen = tap.eye.seen();
        let (mean, noise) = (seen.luma.mean, seen.noise.temporal.unwrap_or_default());
        job.facts.picture = Some(seen);
        let is_suspicious = findings(&job.facts)
            .iter()
            .any(|finding| finding.entry.layer == Layer::Picture && finding.opinion.confidence >= LIKELY);
        let ending = if is_suspicious {
            ending(self, Outcome::Warning, "suspicious")
        } else {
            ending(self, Outcome::Good, "good")
        };
        ending.with("mean", mean).with("noise", number(noise, 1))
    }
}

pub struct Time;

impl Check for Time {
    fn id(&self) -> &'static str {
        "time"
    }

    fn skip(&self, job: &Job) -> Option<Message> {
        without_picture(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        QUICK
    }

    fn run(&self, job: &mut Job) -> Ending {
        let n_back = job.facts.stream.as_ref().map_or(0, |stream| stream.n_back);
        let time = job.facts.time.get_or_insert_default();
        time.is_year_wrong = SystemTime::now() < built();
        match (n_back, time.wall_step_secs, time.is_year_wrong) {
            (0, None, false) => ending(self, Outcome::Good, "good"),
            (0, Some(secs), false) => ending(self, Outcome::Warning, "stepped").with("secs", number(secs, 1)),
            (0, _, true) => ending(self, Outcome::Warning, "year"),
            (n, ..) => ending(self, Outcome::Warning, "back").with("n", n),
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
struct Wall {
    steady: Instant,
    wall: SystemTime,
}

/// Clocks are set by less all the time, to keep them right.
const LEAST_STEP: Duration = Duration::from_millis(500);

impl Wall {
    fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// By how much the wall clock was set since then.
    fn step_secs(&self) -> Option<f64> {
        let steady = self.steady.elapsed().as_secs_f64();
        let wall = match self.wall.elapsed() {
            Ok(forward) => forward.as_secs_f64(),
            Err(back) => -back.duration().as_secs_f64(),
        };
        Some(wall - steady).filter(|step| step.abs() >= LEAST_STEP.as_secs_f64())
    }
}
