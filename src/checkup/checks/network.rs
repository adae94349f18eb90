//! The conversation with a network camera, step by step. Left out while the camera streams in this program: it may allow one
//! session only.

use std::time::{Duration, Instant};

use super::{kind_of, result};
use crate::checkup::facts::{ConversationFacts, ConversationFinding, SourceKind};
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::network::{self, ConnectionParameters, StepOutcome};
use crate::phrases::Message;
use crate::settings::secs;
use crate::source::SourceSpec;

/// How long packets are watched: what takes longer to show is seen in those of the stream, behind.
const WATCH: Duration = Duration::from_millis(400);
/// Every step together. A silent camera shall have its verdict within eight seconds.
const LONGEST: Duration = Duration::from_secs(12);

pub struct NetworkCheck;

impl Check for NetworkCheck {
    fn id(&self) -> &'static str {
        "network"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        match kind_of(&context.request.spec) {
            SourceKind::Network if context.request.live.is_some() => Some(Message::new("why.live")),
            SourceKind::Network => None,
            _ => Some(Message::new("why.not-network")),
        }
    }

    fn patience(&self, _: &CheckContext) -> Duration {
        LONGEST
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let SourceSpec::Url(address) = &context.request.spec else {
            return result(self, CheckOutcome::Skipped, "none");
        };
        let access = ConnectionParameters {
            address: address.clone(),
            network: context.request.settings.network(&context.request.trusted),
            logins: context.request.logins.clone(),
            step_deadline: network::step_deadline(secs(context.request.settings.recovery.open_deadline_secs)),
            deadline: context.deadline.min(Instant::now() + LONGEST),
            cancel: context.cancel.clone(),
        };
        let tested = network::test(&access, WATCH, &mut |_| {});
        let is_bad = tested.steps.iter().any(|step| step.outcome == StepOutcome::Bad);
        let finding = tested.verdict.map(|found| ConversationFinding {
            entry: found.entry.to_owned(),
            fault: found.fault,
            confidence: found.confidence,
        });
        let n_good = tested.steps.iter().filter(|step| step.outcome == StepOutcome::Good).count();
        let result = match &finding {
            None => result(self, CheckOutcome::Good, "good").with("n", n_good as f64),
            Some(found) => {
                let outcome = if is_bad { CheckOutcome::Bad } else { CheckOutcome::Warning };
                result(self, outcome, "bad").with("what", found.fault.to_string())
            }
        };
        if let Some((rate, secs)) = tested.measured.wrong_clock {
            let time = context.facts.time.get_or_insert_default();
            (time.drift_ppm, time.drift_secs) = (Some((rate.recip() - 1.0) * 1e6), secs);
        }
        context.facts.conversation =
            Some(ConversationFacts { steps: tested.steps, finding, measured: tested.measured });
        result
    }
}
