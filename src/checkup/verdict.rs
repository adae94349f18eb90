//! Puts the judgements of all entries in order, and picks the one that explains the trouble. Pure.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use super::catalogue::{CatalogueEntry, Fix, Judgement, LIKELY, Severity};
use super::entries;
use super::facts::{Experiment, Facts, StreamSummary};
use crate::phrases::{Language, number};

/// What was found: an entry of the catalogue, and what speaks for it.
#[derive(Clone, Debug)]
pub struct Finding {
    pub entry: &'static CatalogueEntry,
    pub judgement: Judgement,
}

impl Finding {
    /// The object of the JSON contract.
    #[must_use]
    pub fn json(&self, language: Language) -> Json {
        let judgement = &self.judgement;
        let fix = |fix: &Fix| json!({"text": language.say(&fix.text), "action": fix.action, "command": fix.command});
        json!({
            "id": self.entry.id,
            "slug": self.entry.slug,
            "title": language.say(&judgement.title),
            "because": language.say(&judgement.because),
            "confidence": (judgement.confidence * 100.0).round() / 100.0,
            "evidence": judgement.evidence.iter().map(|said| language.say(said)).collect::<Vec<_>>(),
            "fixes": judgement.fixes.iter().map(fix).collect::<Vec<_>>(),
            "severity": self.entry.severity,
            "layer": self.entry.layer,
        })
    }
}

/// Everything that the entries see in the facts, what explains most first.
///
/// What keeps the picture away stands before what spoils it; then the surer one; of two equally sure ones the nearer to the
/// computer, which explains what is seen behind it.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<_> = entries::all()
        .filter_map(|entry| (entry.judge)(facts).map(|judgement| Finding { entry, judgement }))
        .filter(|finding| finding.judgement.confidence > 0.0)
        .collect();
    found.sort_by(compare);
    if let Some(first) = found.first_mut() {
        // What was tried and has helped is the surest advice.
        first.judgement.fixes.splice(0..0, facts.experiments.iter().filter(|tried| tried.has_helped()).map(proven));
    }
    found
}

/// Advice from an experiment.
fn proven(tried: &Experiment) -> Fix {
    let fps = |summary: &StreamSummary| number(summary.fps.unwrap_or_default(), 1);
    let fix = Fix::new(&format!("tried.{}", tried.id))
        .with("with", tried.with.clone())
        .with("before", fps(&tried.before))
        .with("after", fps(&tried.after));
    match &tried.action {
        Some(action) => fix.does(action.clone()),
        None => fix,
    }
}

fn compare(a: &Finding, b: &Finding) -> Ordering {
    let is_likely = |finding: &Finding| finding.judgement.confidence >= LIKELY;
    let is_critical = |finding: &Finding| finding.entry.severity == Severity::Critical;
    is_likely(b)
        .cmp(&is_likely(a))
        .then_with(|| is_critical(b).cmp(&is_critical(a)))
        .then_with(|| b.judgement.confidence.total_cmp(&a.judgement.confidence))
        .then_with(|| a.entry.layer.cmp(&b.entry.layer))
}

/// The finding that explains the trouble. `None` of a healthy camera.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Option<&Finding> {
    findings.first().filter(|finding| finding.judgement.confidence >= LIKELY)
}
