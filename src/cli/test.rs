//! `camclinic test`: takes a number of frames, measures how they come, and tells what is wrong with them.
//!
//! It reads the source through a [`Probe`], opened as by every other command, and not through the engine, which would recover:
//! a test is to show each fault.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{CommandContext, Exit, OutputFormat, POLL, STATUS_WATCH, nagios, pretty, say};
use crate::analyser::coding_of;
use crate::backend::Backend;
use crate::device::DeviceKind;
use crate::fault::Fault;
use crate::foreign::Foreign;
use crate::frame::{Image, Size};
use crate::network::{self, StepOutcome};
use crate::picture::{FrameCoding, PictureTraits, RowSteps};
use crate::probe::measure::{
    FrameAttempt, FrameRead, Jitter, LostFrames, Stability, StreamMeasurement, TestFinding, TestVerdict, short,
};
use crate::probe::{Probe, ProbeEvent};
use crate::settings::secs;
use crate::source::reader::ReadResult;
use crate::source::{OpenRequest, SourceSpec};
use crate::status::{Asked, Got, Grade};

mod connection;

use connection::ConnectionReport;

const BAR_COLUMNS: usize = 30;
/// How often the progress bar is drawn.
const BAR_PERIOD: Duration = Duration::from_millis(100);

/// One part of the test. Network cameras have more of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct StepReport {
    name: &'static str,
    outcome: StepOutcome,
    /// `null` where it was not carried out.
    ms: Option<u64>,
    detail: Foreign,
}

impl From<&network::TestStep> for StepReport {
    fn from(step: &network::TestStep) -> Self {
        Self { name: step.name.slug(), outcome: step.outcome, ms: step.ms, detail: step.detail.clone() }
    }
}

/// What `--json` prints. The field order is that of the contract; what follows `steps` is more than it asks for.
#[derive(Serialize)]
struct TestReport<'a> {
    source: String,
    /// Whether it could be opened.
    connected: bool,
    passed: u32,
    /// Those that were not even made, because the stream had ended, included.
    failed: u32,
    /// Those that were made.
    attempts: &'a [FrameAttempt],
    open_ms: Option<u64>,
    first_frame_ms: Option<u64>,
    fps: Option<f64>,
    jitter_ms: Jitter,
    dropped: u64,
    resolution: Option<Size>,
    latency_ms: Option<f64>,
    stability: Stability,
    steps: Vec<StepReport>,
    backend: Option<&'static str>,
    score: u8,
    grade: Grade,
    findings: &'a [TestFinding],
    drops: LostFrames,
    frames: u64,
    watched_secs: f64,
    asked: Asked,
    got: &'a Got,
    last_fault: Option<&'a Fault>,
    /// Of network cameras: what stands in the way, with its entry in the catalogue of failures, and what was measured on the
    /// way of the packets.
    verdict: Option<Named<'a>>,
    network: Option<&'a network::StreamMeasurements>,
}

/// A finding of the conversation with a network camera.
#[derive(Serialize)]
struct Named<'a> {
    id: &'static str,
    confidence: f64,
    #[serde(flatten)]
    fault: &'a Fault,
}

impl CommandContext<'_> {
    pub(super) fn test(&self, source: Option<&str>, n_tests: u32, format: OutputFormat) -> Result<Exit, String> {
        let spec = self.choose(source)?;
        let settings = self.settings(&spec);
        let request = OpenRequest::new(spec, &settings, self.trusted());
        let bar = ProgressBar::new(n_tests, self.shared.verbose == 0);
        let connection = match &request.spec {
            SourceSpec::Url(address) => Some(self.connection(address, &settings, format)?),
            _ => None,
        };
        let mut test = TestRun::new(request, n_tests, bar, connection);
        if let Some(fault) = test.connection.as_ref().and_then(ConnectionReport::fault).cloned() {
            test.end(fault, test.began, Instant::now());
        } else {
            let mut probe = Probe::start(test.request.clone(), settings.n_warm_up_frames)?;
            let ended = test.until_end(self, &mut probe);
            test.bar.clear();
            // What does not close is left to the end of the program.
            let _ = probe.close();
            ended?;
        }
        let verdict = test.verdict();
        let exit = exit_of(&verdict);
        say(&match format {
            OutputFormat::Text => test.text(&verdict),
            OutputFormat::Json => pretty(&test.report(&verdict)),
            OutputFormat::Nagios => test.nagios(exit, &verdict),
        });
        Ok(exit)
    }
}

/// An unstable stream is never healthy, whatever its score.
fn exit_of(verdict: &TestVerdict) -> Exit {
    match (verdict.grade, verdict.stability) {
        (Grade::Critical, _) => Exit::Critical,
        (Grade::Warning, _) | (_, Stability::Unstable) => Exit::Warning,
        (Grade::Good | Grade::Excellent, Stability::Stable) => Exit::Healthy,
    }
}

/// A test that is running.
struct TestRun {
    request: OpenRequest,
    kind: Option<DeviceKind>,
    /// How equal pictures are to be taken.
    coding: FrameCoding,
    n_wanted: u32,
    began: Instant,
    opened_at: Option<Instant>,
    backend: Option<Backend>,
    got: Got,
    open_ms: Option<u64>,
    first_frame_ms: Option<u64>,
    /// When the first reading ended, good or not.
    watched_since: Option<Instant>,
    before: Option<Image>,
    measured: StreamMeasurement,
    /// Of a network camera.
    connection: Option<ConnectionReport>,
    /// Why it could not be opened, or why the stream is over.
    end: Option<Fault>,
    bar: ProgressBar,
}

impl TestRun {
    fn new(request: OpenRequest, n_wanted: u32, bar: ProgressBar, connection: Option<ConnectionReport>) -> Self {
        let kind = request.spec.device().map(|device| device.kind);
        let coding = coding_of(&request.spec, kind, &Got::default());
        Self {
            request,
            kind,
            coding,
            n_wanted,
            connection,
            began: Instant::now(),
            opened_at: None,
            backend: None,
            got: Got::default(),
            open_ms: None,
            first_frame_ms: None,
            watched_since: None,
            before: None,
            measured: StreamMeasurement::new(n_wanted, coding),
            end: None,
            bar,
        }
    }

    /// Takes what is read until all attempts are made and the stream was watched for long enough, or has ended.
    fn until_end(&mut self, work: &CommandContext<'_>, probe: &mut Probe) -> Result<(), String> {
        let mut is_over = false;
        while self.end.is_none() && !is_over {
            work.check_interrupted()?;
            if let Some(event) = probe.next(Instant::now() + POLL) {
                self.take(event, probe);
                // Only a frame ends the test: a call that is out may be the one that never returns.
                is_over = self.is_over();
            }
            self.bar.show(self.measured.attempts.len(), Instant::now());
        }
        self.measured.has_ended = self.end.is_some() && self.opened_at.is_some();
        Ok(())
    }

    fn is_over(&self) -> bool {
        let is_watched = self.watched_since.is_some_and(|since| since.elapsed() >= STATUS_WATCH);
        self.measured.is_complete() && is_watched
    }

    fn take(&mut self, event: ProbeEvent, probe: &Probe) {
        match event {
            ProbeEvent::Opened { got, backend, .. } => {
                let now = Instant::now();
                self.open_ms = Some(whole_ms(now.saturating_duration_since(self.began)));
                self.opened_at = Some(now);
                self.backend = Some(backend);
                self.coding = coding_of(&self.request.spec, self.kind, &got);
                self.measured = StreamMeasurement::new(self.n_wanted, self.coding);
                self.measured.on_opened(&got);
                self.got = got;
            }
            ProbeEvent::Ended(fault) => {
                let now = Instant::now();
                let asked_at = match self.opened_at {
                    Some(_) => now.checked_sub(probe.frame_patience()).unwrap_or(self.began),
                    None => self.began,
                };
                if self.opened_at.is_none() {
                    self.open_ms = Some(whole_ms(now.saturating_duration_since(self.began)));
                }
                self.end(fault, asked_at, now);
            }
            ProbeEvent::WarmedUp | ProbeEvent::Controls(_) | ProbeEvent::Evidence(_) => {}
            ProbeEvent::Frame(read) => {
                if let Some(changed) = &read.changed {
                    self.measured.on_opened(changed);
                    self.got = changed.clone();
                }
                self.on_frame(*read);
            }
        }
    }

    fn on_frame(&mut self, read: ReadResult<Image>) {
        let ReadResult { asked_at, ended_at, grabbed, picture: image, .. } = read;
        let has_ended = image.as_ref().err().filter(|fault| fault.ends_stream()).cloned();
        let looks_for_tears = self.coding.is_by_itself();
        let rows = image.as_ref().ok().filter(|_| looks_for_tears).map(RowSteps::of);
        let picture = image.map(|image| {
            let traits = PictureTraits::of(&image, self.before.as_ref());
            self.before = Some(image);
            traits
        });
        if picture.is_ok() && self.first_frame_ms.is_none() {
            self.first_frame_ms = Some(whole_ms(ended_at.saturating_duration_since(self.began)));
        }
        self.watched_since.get_or_insert(ended_at);
        self.measured.add(FrameRead { asked_at, ended_at, grabbed, picture, rows });
        self.end = has_ended.or_else(|| self.measured.last_fault.clone().filter(|_| self.measured.is_silent()));
    }

    /// Nothing more will come.
    fn end(&mut self, fault: Fault, asked_at: Instant, now: Instant) {
        self.measured.add(FrameRead {
            asked_at,
            ended_at: now,
            grabbed: None,
            picture: Err(fault.clone()),
            rows: None,
        });
        self.end = Some(fault);
    }

    /// A warning of the conversation with the camera makes the test a warning as well.
    fn verdict(&self) -> TestVerdict {
        let mut verdict = self.measured.verdict(&self.request.asked, &self.got);
        let found = self.connection.as_ref().and_then(|connection| connection.verdict.as_ref());
        if let Some(found) = found.filter(|_| self.opened_at.is_some()) {
            let message = format!("{}. {}", found.fault, found.fault.advice);
            verdict.findings.push(TestFinding { id: "connection", message, points: 0 });
            verdict.stability = Stability::Unstable;
        }
        verdict
    }

    fn steps(&self, verdict: &TestVerdict) -> Vec<StepReport> {
        let of_connection = self.connection.iter().flat_map(|connection| &connection.steps).map(StepReport::from);
        of_connection.chain(self.steps_of_pictures(verdict)).collect()
    }

    fn steps_of_pictures(&self, verdict: &TestVerdict) -> Vec<StepReport> {
        let skipped =
            |name| StepReport { name, outcome: StepOutcome::Skipped, ms: None, detail: "there was no picture".into() };
        let fault = || self.measured.last_fault.as_ref().map_or_else(String::new, ToString::to_string);
        if self.connection.as_ref().is_some_and(|connection| !connection.is_good()) {
            return vec![skipped("open"), skipped("first-frame"), skipped("frames")];
        }
        if self.opened_at.is_none() {
            let open = StepReport { name: "open", outcome: StepOutcome::Bad, ms: self.open_ms, detail: fault().into() };
            return vec![open, skipped("first-frame"), skipped("frames")];
        }
        let good =
            |name, ms, detail: String| StepReport { name, outcome: StepOutcome::Good, ms, detail: detail.into() };
        let open = good("open", self.open_ms, self.backend.map_or_else(String::new, |b| b.to_string()));
        let Some(first_frame_ms) = self.first_frame_ms else {
            let ms = self.watched_since.map(|at| whole_ms(at.saturating_duration_since(self.began)));
            let first = StepReport { name: "first-frame", outcome: StepOutcome::Bad, ms, detail: fault().into() };
            return vec![open, first, skipped("frames")];
        };
        let size = self.measured.size.map_or_else(String::new, |size| size.to_string());
        let outcome = match exit_of(verdict) {
            Exit::Healthy => StepOutcome::Good,
            Exit::Warning => StepOutcome::Warning,
            Exit::Critical | Exit::CouldNotRun => StepOutcome::Bad,
        };
        let words: Vec<_> = verdict.findings.iter().map(|finding| finding.message.as_str()).collect();
        let frames = StepReport {
            name: "frames",
            outcome,
            ms: Some(whole_ms(secs(self.measured.watched_secs()))),
            detail: if words.is_empty() { "nothing is wrong".into() } else { words.join("; ").into() },
        };
        vec![open, good("first-frame", Some(first_frame_ms), size), frames]
    }

    fn report<'a>(&'a self, verdict: &'a TestVerdict) -> TestReport<'a> {
        let measured = &self.measured;
        let passed = measured.n_passed();
        TestReport {
            source: self.request.spec.to_string(),
            connected: self.opened_at.is_some(),
            passed,
            failed: self.n_wanted.saturating_sub(passed),
            attempts: &measured.attempts,
            open_ms: self.open_ms,
            first_frame_ms: self.first_frame_ms,
            fps: measured.fps().map(to_thousandths),
            jitter_ms: measured.jitter(),
            dropped: measured.lost.total(),
            resolution: measured.size,
            latency_ms: measured.latency_ms(),
            stability: verdict.stability,
            steps: self.steps(verdict),
            backend: self.backend.map(Backend::slug),
            score: verdict.score,
            grade: verdict.grade,
            findings: &verdict.findings,
            drops: measured.lost,
            frames: measured.n_good,
            watched_secs: to_thousandths(measured.watched_secs()),
            asked: self.request.asked,
            got: &self.got,
            last_fault: measured.last_fault.as_ref(),
            verdict: self.connection.as_ref().and_then(|connection| connection.verdict.as_ref()).map(|found| Named {
                id: found.entry,
                confidence: found.confidence,
                fault: &found.fault,
            }),
            network: self.connection.as_ref().map(|connection| &connection.measured),
        }
    }

    /// “12 of 300 frames”.
    fn passed(&self) -> String {
        format!("{} of {} frames", self.measured.n_passed(), self.n_wanted)
    }

    fn text(&self, verdict: &TestVerdict) -> String {
        let measured = &self.measured;
        let name = self.request.spec.name();
        let word = match (self.opened_at, verdict.stability) {
            (None, _) => "cannot be opened",
            (Some(_), Stability::Stable) => "stable",
            (Some(_), Stability::Unstable) => "unstable",
        };
        let passed = self.passed();
        let mut lines = vec![format!("{name}: {word}, {passed} passed, score {} ({})", verdict.score, verdict.grade)];
        if let Some(fault) = &measured.last_fault {
            lines.push(format!("  fault    {fault}"));
            lines.push(format!("  to do    {}", fault.advice));
        }
        let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
        if let Some(backend) = self.backend {
            lines.push(format!("  open     {}, first picture {}", ms(self.open_ms), ms(self.first_frame_ms)));
            let size = measured.size.map_or_else(|| "none".to_owned(), |size| size.to_string());
            let format = self.got.format.map(|format| format!(" {format}")).unwrap_or_default();
            let agreed = self.got.fps.map(|fps| format!(" of {}", short(fps))).unwrap_or_default();
            let fps = measured.fps().map(|fps| format!(", {fps:.1}{agreed} fps")).unwrap_or_default();
            lines.push(format!("  picture  {size}{format}{fps} through {backend}"));
        }
        if let Jitter { p50: Some(p50), p95: Some(p95), p99: Some(p99) } = measured.jitter() {
            lines.push(format!("  interval half within {p50:.1} ms, 95 % within {p95:.1}, 99 % within {p99:.1}"));
        }
        if let Some(latency) = measured.latency_ms() {
            lines.push(format!("  latency  {latency:.1} ms from the driver to the decoded picture"));
        }
        if measured.n_good > 0 {
            let LostFrames { camera, damaged, late } = measured.lost;
            lines.push(format!(
                "  frames   {} in {:.1} s, lost {} (camera {camera}, damaged {damaged}, this computer too busy {late})",
                measured.n_good,
                measured.watched_secs(),
                measured.lost.total(),
            ));
        }
        // A camera that cannot be opened has its fault, and there is no more to it.
        let findings = verdict.findings.iter().filter(|_| self.opened_at.is_some());
        lines.extend(findings.map(|finding| {
            if finding.points > 0 {
                format!("  -{:<7} {}", finding.points, finding.message)
            } else {
                format!("  note     {}", finding.message)
            }
        }));
        lines.join("\n")
    }

    fn nagios(&self, exit: Exit, verdict: &TestVerdict) -> String {
        let measured = &self.measured;
        let fps = measured.fps();
        let fps_text = fps.map(|fps| format!(", {fps:.1} fps")).unwrap_or_default();
        let mut text = format!("score {}{fps_text}, {}", verdict.score, self.passed());
        match &measured.last_fault {
            Some(fault) => text.push_str(&format!(": {fault}. {}", fault.advice)),
            None => verdict
                .findings
                .iter()
                .filter(|finding| finding.points > 0)
                .for_each(|finding| text.push_str(&format!(", {}", finding.message))),
        }
        let [open_ms, first_frame_ms] = [self.open_ms, self.first_frame_ms].map(|ms| ms.map(|ms| ms as f64));
        let perf = [
            nagios::Perf::score(Some(verdict.score)),
            nagios::Perf::plain("fps", fps, 1),
            nagios::Perf::plain("passed", Some(f64::from(measured.n_passed())), 0),
            nagios::Perf::plain("dropped", Some(measured.lost.total() as f64), 0),
            nagios::Perf::ms("jitter_p95", measured.jitter().p95),
            nagios::Perf::ms("latency", measured.latency_ms()),
            nagios::Perf::ms("open", open_ms),
            nagios::Perf::ms("first_frame", first_frame_ms),
        ];
        nagios::line(exit, &text, &perf)
    }
}

fn to_thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How far the test is, on a terminal.
struct ProgressBar {
    n_wanted: u32,
    is_wanted: bool,
    shown_at: Option<Instant>,
}

impl ProgressBar {
    fn new(n_wanted: u32, is_wanted: bool) -> Self {
        Self { n_wanted, is_wanted: is_wanted && io::stderr().is_terminal(), shown_at: None }
    }

    fn show(&mut self, n_done: usize, now: Instant) {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < BAR_PERIOD;
        if !self.is_wanted || self.shown_at.is_some_and(is_recent) {
            return;
        }
        self.shown_at = Some(now);
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "\r{}", bar(n_done, self.n_wanted as usize)).and_then(|()| stderr.flush());
    }

    fn clear(&self) {
        if self.shown_at.is_some() {
            let width = bar(self.n_wanted as usize, self.n_wanted as usize).chars().count();
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r{}\r", " ".repeat(width)).and_then(|()| stderr.flush());
        }
    }
}

/// “[######------] 12 of 24 frames”; “watching on” is what remains when all frames are there.
fn bar(n_done: usize, n_wanted: usize) -> String {
    let n_full = (n_done * BAR_COLUMNS).checked_div(n_wanted).unwrap_or(0).min(BAR_COLUMNS);
    let more = if n_done >= n_wanted { ", watching on" } else { "" };
    format!("[{}{}] {n_done} of {n_wanted} frames{more}", "#".repeat(n_full), "-".repeat(BAR_COLUMNS - n_full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_as_it_is_true() {
        for (n_done, n_wanted, expected) in [
            (0, 5, "[------------------------------] 0 of 5 frames"),
            (3, 6, "[###############---------------] 3 of 6 frames"),
            (5, 5, "[##############################] 5 of 5 frames, watching on"),
            (9, 5, "[##############################] 9 of 5 frames, watching on"),
        ] {
            assert_eq!(bar(n_done, n_wanted), expected);
        }
    }

    #[track_caller]
    fn check_exit(grade: Grade, stability: Stability, expected: Exit) {
        assert_eq!(exit_of(&TestVerdict { findings: Vec::new(), score: 0, grade, stability }), expected);
    }

    #[test]
    fn an_unstable_stream_is_never_healthy() {
        check_exit(Grade::Excellent, Stability::Stable, Exit::Healthy);
        check_exit(Grade::Good, Stability::Stable, Exit::Healthy);
        check_exit(Grade::Excellent, Stability::Unstable, Exit::Warning);
        check_exit(Grade::Warning, Stability::Stable, Exit::Warning);
        check_exit(Grade::Critical, Stability::Stable, Exit::Critical);
        check_exit(Grade::Critical, Stability::Unstable, Exit::Critical);
    }
}
