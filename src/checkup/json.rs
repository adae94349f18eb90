//! What programs read of a check-up: the contract of `camclinic checkup --json`.

use serde_json::{Value as Json, json};

use super::compare::BackendComparison;
use super::slow::LatencyShare;
use super::{CheckRun, Checkup};
use crate::backend::Backend;
use crate::phrases::Language;

/// `verdict` is null of a healthy camera. What follows `status` is more than the contract asks for; `backends` is there only
/// after a comparison.
#[must_use]
pub fn contract(checkup: &Checkup, compared: Option<&BackendComparison>, language: Language) -> Json {
    let check = |check: &CheckRun| json!({"id": check.id, "outcome": check.outcome, "took_ms": check.took_ms, "why": language.say(&check.why)});
    let share = |share: &LatencyShare| json!({"part": language.say(&share.part), "ms": thousandths(share.ms), "is_too_long": share.is_too_long});
    let mut object = json!({
        "verdict": checkup.verdict().map(|verdict| verdict.json(language)),
        "findings": checkup.findings.iter().map(|finding| finding.json(language)).collect::<Vec<_>>(),
        "checks": checkup.checks.iter().map(check).collect::<Vec<_>>(),
        "status": checkup.status,
        "slow": checkup.slow.iter().map(share).collect::<Vec<_>>(),
        "experiments": checkup.facts.experiments,
        "took_ms": u64::try_from(checkup.took.as_millis()).unwrap_or(u64::MAX),
        "was_cancelled": checkup.was_cancelled,
    });
    if let (Some(compared), Some(object)) = (compared, object.as_object_mut()) {
        object.insert("backends".to_owned(), json!({"rows": compared.rows, "best": compared.best.map(Backend::slug)}));
    }
    object
}

fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
