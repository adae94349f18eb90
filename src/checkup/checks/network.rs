//! The conversation with a network camera, step by step.

use std::time::{Duration, Instant};

use super::{ending, kind_of};
use crate::checkup::facts::{Conversation, NetworkFinding, SourceKind};
use crate::checkup::{Check, Ending, Job, Outcome};
use crate::network::{self, ConnectionParameters, StepOutcome};
use crate::phrases::Said;
use crate::settings::secs;
use crate::source::SourceSpec;

/// How long packets are watched: what takes longer to show is seen in the pictures.
const WATCH: Duration = Duration::from_millis(1_200);
/// Every step together. A silent camera shall have its verdict within eight seconds.
const LONGEST: Duration = Duration::from_secs(12);

pub struct Network;

impl Check for Network {
    fn id(&self) -> &'static str {
        "network"
    }

    fn skip(&self, job: &Job) -> Option<Said> {
        match kind_of(&job.request.spec) {
            SourceKind::Network if job.request.live.is_some() => Some(Said::new("why.live")),
            SourceKind::Network => None,
            _ => Some(Said::new("why.not-network")),
        }
    }

    fn patience(&self, _: &Job) -> Duration {
        LONGEST
    }

    fn run(&self, job: &mut Job) -> Ending {
        let SourceSpec::Url(address) = &job.request.spec else { return ending(self, Outcome::Skipped, "none") };
        let access = ConnectionParameters {
            address: address.clone(),
            network: job.request.settings.network.clone(),
            step_deadline: secs(job.request.settings.recovery.open_deadline_secs),
            deadline: job.deadline.min(Instant::now() + LONGEST),
            cancel: job.cancel.clone(),
        };
        let tested = network::test(&access, WATCH, &mut |_| {});
        let is_bad = tested.steps.iter().any(|step| step.outcome == StepOutcome::Bad);
        let finding = tested.verdict.map(|found| NetworkFinding {
            entry: found.entry.to_owned(),
            fault: found.fault,
            confidence: found.confidence,
        });
        let n_good = tested.steps.iter().filter(|step| step.outcome == StepOutcome::Good).count();
        let ending = match &finding {
            None => ending(self, Outcome::Good, "good").with("n", n_good as f64),
            Some(found) => {
                let outcome = if is_bad { Outcome::Bad } else { Outcome::Warning };
                ending(self, outcome, "bad").with("what", found.fault.to_string())
            }
        };
        job.facts.conversation = Some(Conversation { steps: tested.steps, finding, measured: tested.measured });
        ending
    }
}
