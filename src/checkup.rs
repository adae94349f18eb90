//! The check-up: from the computer to the picture, until it is known what is wrong.
//!
//! ```text
//!   CHECKS ──► Facts ──► ENTRIES ──► findings ──► verdict
//!   (gather)   (data)    (judge)     (in order)
//! ```
//!
//! Checks gather, each on a thread of its own with a deadline, cheap before intrusive; entries of the catalogue judge what
//! was gathered, and are pure. A stream that runs already is watched, and neither opened a second time nor changed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, select};
use serde::Serialize;

use crate::camera::{Camera, StatusReader};
use crate::control::DeviceControls;
use crate::frame::{Frame, Image};
use crate::latest::Reader;
use crate::network::{KnownLogins, PacketEvidence};
use crate::phrases::Message;
use crate::settings::{CameraSettings, Isolation, TrustedCertificates};
use crate::source::{OpenRequest, SourceSpec};
use crate::status::Status;

use stream::CheckupStream;

mod action;
mod catalogue;
mod checks;
pub mod compare;
pub mod entries;
mod experiments;
pub mod facts;
pub mod json;
pub mod markers;
mod sampler;
pub mod slow;

mod status;
mod stream;
pub mod verdict;

pub use action::Action;
pub use catalogue::{CERTAIN, CatalogueEntry, Fix, Judgement, LIKELY, Layer, Severity};
pub use checks::{CHECKS, kind_of};
pub use facts::Facts;
pub use verdict::Finding;

/// What to check.
#[derive(Clone)]
pub struct CheckupRequest {
    /// With its password, if it has one.
    pub spec: SourceSpec,
    pub settings: CameraSettings,
    pub trusted: TrustedCertificates,
    /// What is known of how the camera wants people to log in.
    pub logins: KnownLogins,
    /// Of a camera that streams in this program: it is watched there and not opened.
    pub live: Option<Live>,
    /// Where snapshots go.
    pub folder: PathBuf,
    /// Where the log is, in which the camera's past stands.
    pub records: Option<PathBuf>,
    /// How long frames are watched until something goes wrong; `None`: for a few seconds.
    pub watch: Option<Duration>,
    /// Whether to try what else would work, where the cause is not certain. Never with a stream that runs.
    pub with_experiments: bool,
}

impl CheckupRequest {
    /// How the camera is opened: as the settings say, in a process of its own unless they forbid it, so that a driver may
    /// crash.
    fn opening(&self) -> OpenRequest {
        let mut opening = OpenRequest::new(self.spec.clone(), &self.settings, &self.trusted);
        opening.logins = self.logins.clone();
        if opening.isolation == Isolation::Auto {
            opening.isolation = Isolation::On;
        }
        opening
    }
}

/// Readers of a camera that streams in this program.
#[derive(Clone)]
pub struct Live {
    pub frames: Reader<Frame>,
    pub status: StatusReader,
    pub controls: Reader<DeviceControls>,
    pub evidence: Reader<PacketEvidence>,
}

impl Live {
    /// Of a camera that is at work.
    #[must_use]
    pub fn of(camera: &Camera) -> Self {
        let (frames, status) = (camera.frames(), camera.status());
        Self { frames, status, controls: camera.controls(), evidence: camera.evidence() }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    Good,
    Warning,
    Bad,
    /// It does not concern this camera, cannot be done here, was not needed any more, or took too long.
    Skipped,
}

/// A check that has ended, or was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRun {
    pub id: &'static str,
    pub outcome: CheckOutcome,
    pub took_ms: u64,
    /// What was found, or why nothing was.
    pub why: Message,
}

/// What is told while a check-up runs.
#[derive(Clone, Debug)]
pub enum Progress {
    /// `check.<id>` is its name in the phrases.
    Began(&'static str),
    Ended(CheckRun),
    /// What is known so far, what explains most first.
    Found(Vec<Finding>),
    /// Something is tried now, and undone after: `experiment.<id>`.
    Trying(Message),
}

/// The result of a check-up.
#[derive(Clone, Debug, Default)]
pub struct Checkup {
    pub facts: Facts,
    /// What explains most first.
    pub findings: Vec<Finding>,
    /// Every check of [`CHECKS`], in order.
    pub checks: Vec<CheckRun>,
    /// How the camera stands, as every face tells it; `None` where it was ended before that was known.
    pub status: Option<Status>,
    /// The newest picture.
    pub picture: Option<Image>,
    /// What each part of the way of a frame takes.
    pub slow: Vec<slow::LatencyShare>,
    pub took: Duration,
    /// Somebody has ended it early.
    pub was_cancelled: bool,
}

impl Checkup {
    /// `None` of a healthy camera.
    #[must_use]
    pub fn verdict(&self) -> Option<&Finding> {
        verdict::verdict(&self.findings)
    }

    /// Nothing speaks against the camera. That the computer has other work does not, nor does a mere hint.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let is_against = |check: &CheckRun| matches!(check.outcome, CheckOutcome::Bad | CheckOutcome::Warning);
        let of_camera = self.checks.iter().filter(|check| check.id != checks::host::ComputerCheck.id());
        self.verdict().is_none() && !self.was_cancelled && !of_camera.into_iter().any(is_against)
    }
}

/// What a check works on: it goes from one to the next.
pub struct CheckContext {
    pub request: CheckupRequest,
    pub facts: Facts,
    /// The stream, from when it is opened.
    stream: Option<CheckupStream>,
    /// Disconnected when nobody wants the answer any more: each wait looks at it.
    pub cancel: Receiver<()>,
    /// By then the check shall have ended; it is left behind a moment later.
    pub deadline: Instant,
}

/// How a check ended, and the sentence that says why.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    pub outcome: CheckOutcome,
    pub why: Message,
}

impl CheckResult {
    /// `name` is that of the phrase, without `check.<id>.`.
    fn new(outcome: CheckOutcome, why: Message) -> Self {
        Self { outcome, why }
    }
}

/// One test of the check-up: gathers one part of the facts. Judges nothing but its own outcome.
pub trait Check: Sync {
    /// Its name in JSON, and in the phrases: `check.<id>`.
    fn id(&self) -> &'static str;

    /// `None` when it has to do with this source as far as that is known; else why it is left out.
    fn skip(&self, context: &CheckContext) -> Option<Message>;

    /// How long it may take.
    fn patience(&self, context: &CheckContext) -> Duration;

    /// Runs on a thread of its own, which is left behind when it takes longer than it may.
    fn run(&self, context: &mut CheckContext) -> CheckResult;
}

/// What a check may take beyond its own patience before it is left behind: it shall see to its deadline itself.
const GRACE: Duration = Duration::from_millis(500);

/// Goes through the checks until the cause is certain. Blocks for seconds: not for the window's thread. Disconnecting
/// `cancel` ends it within a moment.
pub fn run(request: &CheckupRequest, cancel: &Receiver<()>, tell: &mut dyn FnMut(Progress)) -> Checkup {
    run_checks(CHECKS, request, cancel, tell)
}

fn run_checks(
    checks: &[&'static dyn Check],
    request: &CheckupRequest,
    cancel: &Receiver<()>,
    tell: &mut dyn FnMut(Progress),
) -> Checkup {
    let began = Instant::now();
    let mut checkup = Checkup::default();
    let mut context = Some(CheckContext {
        request: request.clone(),
        facts: facts_of(request),
        stream: None,
        cancel: cancel.clone(),
        deadline: began,
    });
    for check in checks {
        let current = context.take().unwrap_or_else(|| CheckContext {
            request: request.clone(),
            facts: checkup.facts.clone(),
            stream: None,
            cancel: cancel.clone(),
            deadline: Instant::now(),
        });
        let is_known = checkup
            .verdict()
            .is_some_and(|found| found.judgement.confidence >= CERTAIN && found.entry.severity == Severity::Critical);
        let why = match () {
            () if checkup.was_cancelled => Some(Message::new("why.cancelled")),
            () if is_known => Some(Message::new("why.known")),
            () => check.skip(&current),
        };
        if let Some(why) = why {
            let checked = CheckRun { id: check.id(), outcome: CheckOutcome::Skipped, took_ms: 0, why };
            tell(Progress::Ended(checked.clone()));
            checkup.checks.push(checked);
            context = Some(current);
            continue;
        }
        tell(Progress::Began(check.id()));
        let (checked, back) = carry_out(*check, current);
        checkup.was_cancelled = is_disconnected(cancel);
        if let Some(back) = &back {
            checkup.facts.clone_from(&back.facts);
        }
        context = back;
        checkup.checks.push(checked.clone());
        tell(Progress::Ended(checked));
        checkup.findings = verdict::findings(&checkup.facts);
        tell(Progress::Found(checkup.findings.clone()));
    }
    let stream = context.and_then(|context| context.stream);
    let watched = stream.as_ref().and_then(|stream| stream.status.as_ref());
    checkup.status = Some(status::status(request, &checkup.facts, watched));
    checkup.picture = stream.as_ref().and_then(|stream| stream.image.clone());
    let is_certain = checkup.verdict().is_some_and(|found| found.judgement.confidence >= CERTAIN);
    let is_wanted = request.with_experiments && request.live.is_none() && !is_certain;
    let stream = if is_wanted && !checkup.findings.is_empty() && !checkup.was_cancelled {
        let stream = experiments::run(request, &mut checkup.facts, stream, cancel, tell);
        if checkup.facts.experiments.iter().any(|tried| tried.after.fault.is_some()) {
            checks::device::look_whether_gone(&mut checkup.facts);
        }
        checkup.findings = verdict::findings(&checkup.facts);
        tell(Progress::Found(checkup.findings.clone()));
        stream
    } else {
        stream
    };
    if let (Some(stream), Some(opening)) = (stream, checkup.facts.opening.as_mut()) {
        opening.is_slow_to_close = !stream.close();
        if opening.is_slow_to_close {
            checkup.findings = verdict::findings(&checkup.facts);
        }
    }
    checkup.slow = slow::shares(&checkup.facts);
    checkup.was_cancelled |= is_disconnected(cancel);
    checkup.took = began.elapsed();
    checkup
}

/// What is known before anything is looked at.
fn facts_of(request: &CheckupRequest) -> Facts {
    let opening = request.opening();
    let source = facts::SourceFacts {
        kind: checks::kind_of(&request.spec),
        name: request.spec.to_string(),
        is_live: request.live.is_some(),
        backend: request.settings.backend,
        asked: opening.asked,
        size_in_address: match &request.spec {
            SourceSpec::Url(address) => address.named_size(),
            _ => None,
        },
    };
    Facts { source, ..Facts::default() }
}

fn is_disconnected(cancel: &Receiver<()>) -> bool {
    matches!(cancel.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected))
}

/// One check on its own thread. Without the context it has not come back, or has crashed.
fn carry_out(check: &'static dyn Check, mut context: CheckContext) -> (CheckRun, Option<CheckContext>) {
    let began = Instant::now();
    let patience = check.patience(&context);
    context.deadline = began + patience;
    let cancel = context.cancel.clone();
    let (sender, receiver) = bounded(1);
    let started = thread::Builder::new().name(format!("check-{}", check.id())).spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| check.run(&mut context)));
        // Nobody listens any more after the deadline.
        let _ = sender.send((result, context));
    });
    let ended = |result: CheckResult| {
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        CheckRun { id: check.id(), outcome: result.outcome, took_ms, why: result.why }
    };
    let skipped = |why: Message| ended(CheckResult::new(CheckOutcome::Skipped, why));
    if let Err(error) = started {
        return (skipped(Message::new("why.no-thread").with("error", error.to_string())), None);
    }
    let mut until = began + patience + GRACE;
    let mut cancel = cancel;
    loop {
        select! {
            recv(receiver) -> answer => return match answer {
                Ok((Ok(result), context)) => (ended(result), Some(context)),
                Ok((Err(_), context)) => (skipped(Message::new("why.crashed")), Some(context)),
                Err(_) => (skipped(Message::new("why.crashed")), None),
            },
            recv(cancel) -> _ => {
                // It ends by itself now, or is left behind.
                until = until.min(Instant::now() + GRACE);
                cancel = crossbeam_channel::never();
            }
            default(until.saturating_duration_since(Instant::now())) => {
                return (skipped(Message::new("why.overrun").with("seconds", patience.as_secs_f64())), None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Trying {
        id: &'static str,
        run: fn(&mut CheckContext) -> CheckResult,
    }

    impl Check for Trying {
        fn id(&self) -> &'static str {
            self.id
        }

        fn skip(&self, _: &CheckContext) -> Option<Message> {
            None
        }

        fn patience(&self, _: &CheckContext) -> Duration {
            Duration::from_secs(1)
        }

        fn run(&self, context: &mut CheckContext) -> CheckResult {
            (self.run)(context)
        }
    }

    fn good(context: &mut CheckContext) -> CheckResult {
        context.facts.computer.get_or_insert_default().n_cores += 1;
        CheckResult::new(CheckOutcome::Good, Message::new("test"))
    }

    fn request() -> CheckupRequest {
        CheckupRequest {
            spec: SourceSpec::parse("sim:").unwrap(),
            settings: CameraSettings::default(),
            trusted: TrustedCertificates::default(),
            logins: KnownLogins::default(),
            live: None,
            folder: PathBuf::new(),
            records: None,
            watch: None,
            with_experiments: false,
        }
    }

    /// Outcome and reason of each check, and how many good ones have left their fact.
    #[track_caller]
    fn check(checks: &[&'static dyn Check], expected: &[(CheckOutcome, &str)], n_good: u32) {
        let (_alive, cancel) = bounded(0);
        let checkup = run_checks(checks, &request(), &cancel, &mut |_| {});
        let got: Vec<_> = checkup.checks.iter().map(|checked| (checked.outcome, checked.why.key.to_string())).collect();
        let expected: Vec<_> = expected.iter().map(|(outcome, why)| (*outcome, (*why).to_owned())).collect();
        assert_eq!(got, expected);
        assert_eq!(checkup.facts.computer.map_or(0, |computer| computer.n_cores), n_good);
    }

    const GOOD: Trying = Trying { id: "good", run: good };
    const CRASH: Trying = Trying { id: "crash", run: |_| panic!("on purpose") };
    const HANG: Trying = Trying {
        id: "hang",
        run: |context| {
            thread::sleep(Duration::from_mins(1));
            good(context)
        },
    };

    #[test]
    fn a_check_that_crashes_or_overruns_is_an_outcome_and_no_end() {
        use CheckOutcome::{Good, Skipped};
        check(&[&GOOD, &GOOD], &[(Good, "test"), (Good, "test")], 2);
        check(&[&GOOD, &CRASH, &GOOD], &[(Good, "test"), (Skipped, "why.crashed"), (Good, "test")], 2);
        check(&[&GOOD, &HANG, &GOOD], &[(Good, "test"), (Skipped, "why.overrun"), (Good, "test")], 2);
    }

    #[test]
    fn whoever_cancels_is_not_kept_waiting() {
        let (alive, cancel) = bounded(0);
        drop(alive);
        let began = Instant::now();
        let checkup = run_checks(&[&HANG, &GOOD], &request(), &cancel, &mut |_| {});
        assert!(checkup.was_cancelled && began.elapsed() < Duration::from_secs(20));
        assert_eq!(checkup.checks.last().map(|checked| checked.outcome), Some(CheckOutcome::Skipped));
    }

    #[test]
    fn checks_have_names_of_their_own() {
        for (n, check) in CHECKS.iter().enumerate() {
            assert!(CHECKS.iter().skip(n + 1).all(|other| other.id() != check.id()), "{}", check.id());
        }
    }
}
