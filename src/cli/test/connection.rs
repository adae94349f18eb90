//! What a test of a network camera begins with: the conversation with it, step by step, before its pictures are decoded.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::super::{CommandContext, OutputFormat, POLL, complain, say};
use crate::address::Address;
use crate::fault::{Fault, FaultKind};
use crate::network::{
    self, ConnectionFinding, ConnectionParameters, ConnectionTestResult, KnownLogins, StepName, StepOutcome,
    StreamMeasurements, TestStep,
};
use crate::settings::{CameraSettings, secs};

/// How long the stream is watched for losses, jitter and growing delay.
const WATCH: Duration = Duration::from_secs(10);
/// Monitoring systems mostly wait ten seconds for a plugin.
const PLUGIN_WATCH: Duration = Duration::from_secs(2);
/// All steps together, besides the watching: none may take longer than the deadline of opening, and a silent camera shall
/// have its verdict within eight seconds.
const LONGEST: Duration = Duration::from_secs(30);
/// A test that is to end has ended by then.
const GRACE: Duration = Duration::from_secs(2);

/// The result of the conversation.
pub(super) struct ConnectionReport {
    pub steps: Vec<TestStep>,
    pub verdict: Option<ConnectionFinding>,
    pub measured: StreamMeasurements,
}

impl ConnectionReport {
    /// Whether pictures can be had at all: what is wrong with them then is told with them.
    pub(super) fn is_good(&self) -> bool {
        self.fault().is_none()
    }

    /// Why there will be no pictures.
    pub(super) fn fault(&self) -> Option<&Fault> {
        let bad = self.steps.iter().find(|step| step.outcome == StepOutcome::Bad)?;
        let verdict = self.verdict.as_ref()?;
        (bad.name != StepName::Quality).then_some(&verdict.fault)
    }
}

impl CommandContext<'_> {
    /// Talks to the camera on a thread of its own, and prints each step as it ends.
    pub(super) fn connection(
        &self,
        address: &Address,
        settings: &CameraSettings,
        format: OutputFormat,
    ) -> Result<ConnectionReport, String> {
        let watch = if format == OutputFormat::Nagios { PLUGIN_WATCH } else { WATCH };
        let (alive, cancel) = bounded(0);
        let access = ConnectionParameters {
            address: address.clone(),
            network: settings.network(self.trusted()),
            logins: KnownLogins::default(),
            step_deadline: network::step_deadline(secs(settings.recovery.open_deadline_secs)),
            deadline: Instant::now() + LONGEST + watch,
            cancel,
        };
        let deadline = access.deadline + GRACE;
        let (sender, news) = bounded(32);
        let ended = sender.clone();
        thread::Builder::new()
            .name("connection-test".to_owned())
            .spawn(move || {
                let tested = network::test(&access, watch, &mut |step| drop(sender.send(TestEvent::Step(step))));
                let _ = ended.send(TestEvent::Ended(Box::new(tested)));
            })
            .map_err(|error| format!("The system gives no thread: {error}"))?;
        loop {
            self.check_interrupted()?;
            let now = Instant::now();
            match news.recv_deadline(deadline.min(now + POLL)) {
                Ok(TestEvent::Step(step)) => print_step(&step, format),
                Ok(TestEvent::Ended(tested)) => {
                    drop(alive);
                    let ConnectionTestResult { steps, verdict, measured, .. } = *tested;
                    if let Some(line) = not_tried(&steps).filter(|_| format == OutputFormat::Text) {
                        say(&line);
                    }
                    return Ok(ConnectionReport { steps, verdict, measured });
                }
                Err(RecvTimeoutError::Timeout) if now < deadline => {}
                Err(_) => {
                    let message = format!("the test of the connection has not ended: {address}");
                    let fault = Fault::new(FaultKind::Hung, message);
                    let verdict = Some(ConnectionFinding { entry: "F82", fault, confidence: 0.3 });
                    let step = TestStep {
                        name: StepName::Tcp,
                        outcome: StepOutcome::Bad,
                        ms: None,
                        detail: "no answer".into(),
                    };
                    return Ok(ConnectionReport {
                        steps: vec![step],
                        verdict,
                        measured: StreamMeasurements::default(),
                    });
                }
            }
        }
    }
}

enum TestEvent {
    Step(TestStep),
    Ended(Box<ConnectionTestResult>),
}

/// As text the steps are the first part of the result; beside JSON they are progress.
fn print_step(step: &TestStep, format: OutputFormat) {
    match format {
        _ if step.outcome == StepOutcome::Skipped => {}
        OutputFormat::Text => say(&line(step)),
        OutputFormat::Json | OutputFormat::Nagios if io::stderr().is_terminal() => complain(&line(step)),
        OutputFormat::Json | OutputFormat::Nagios => {}
    }
}

/// Those that were not carried out, in one line.
fn not_tried(steps: &[TestStep]) -> Option<String> {
    let skipped = steps.iter().filter(|step| step.outcome == StepOutcome::Skipped);
    let names: Vec<_> = skipped.map(|step| step.name.slug()).collect();
    (!names.is_empty()).then(|| format!("  not tried     {}", names.join(", ")))
}

fn line(step: &TestStep) -> String {
    let outcome = match step.outcome {
        StepOutcome::Good => "good",
        StepOutcome::Warning => "warning",
        StepOutcome::Bad => "BAD",
        StepOutcome::Skipped => "not tried",
    };
    let ms = step.ms.map_or_else(String::new, |ms| format!("{ms} ms"));
    format!("  {:<13} {outcome:<8} {ms:>8}  {}", step.name.slug(), step.detail)
}
