//! Puts the judgements of all entries in order, and picks the one that explains the trouble. Pure.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use super::catalogue::{CatalogueEntry, Fix, Judgement, LIKELY, Layer, Severity};
use super::entries;
use super::facts::{Experiment, Facts, PastFault, StreamSummary};
use crate::criteria;
use crate::phrases::{Language, Message, number};

/// The stream runs: what has gone wrong before may be over.
const SUREST_OF_THE_PAST: f64 = 0.8;
const HINT: f64 = 0.4;
/// Opening, closing or an answer is slow, the delay grows.
const NEED_THE_CLOCK: [&str; 4] = ["open-slow", "close-slow", "answers-slowly", "latency-grows"];
/// Nothing came in time.
const NEED_A_SIGN_OF_LIFE: [&str; 10] = [
    "open-hangs",
    "read-hangs",
    "no-picture",
    "virtual-camera",
    "mipi-camera",
    "raspberry-camera",
    "windows-camera-stuck",
    "directshow-silent",
    "media-foundation-silent",
    "late-key-frame",
];
const COMPUTER_SLOW: &str = "F55";
const A_LITTLE: f64 = 0.01;

/// Of the entries of a row, by their slugs, one is true at most.
pub const AT_MOST_ONE: &[&[&str]] = &[
    // Why is it black?
    &["lens-covered", "shutter", "black-signal", "privacy-shutter", "under-exposed", "over-exposed", "green"],
    // Why are the colours wrong?
    &["infrared", "swapped-colours", "white-balance", "green"],
    // Why do fewer pictures come?
    &["uncompressed-slow", "low-light", "rate-untrue", "directshow-slow", "one-buffer"],
    // Why does the same picture come again?
    &["frozen", "doubled"],
    // Why does the picture lag?
    &["late-frames", "latency-grows"],
    // Is the computer too slow, or has it time to spare?
    &["usb-errors", "computer-slow"],
    &["rate-untrue", "computer-slow"],
    // What of that does a driver show that gets no signal?
    &["black-signal", "noise"],
    &["black-signal", "frozen"],
    // Why does it take long to open?
    &["answers-slowly", "open-slow"],
    // What does the camera's clock do?
    &["clock-drift", "camera-clock-jumps", "times-wrong"],
];

/// Whether both answer the same question. Why there is no picture has one answer, too.
#[must_use]
pub fn exclude_each_other(a: &CatalogueEntry, b: &CatalogueEntry) -> bool {
    let keeps_away = |entry: &CatalogueEntry| entry.severity == Severity::Critical && entry.layer != Layer::Picture;
    keeps_away(a) && keeps_away(b) || AT_MOST_ONE.iter().any(|row| row.contains(&a.slug) && row.contains(&b.slug))
}

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

impl Finding {
    /// Of a fault that is over. It explains something only where it comes again and again.
    fn of_the_past(mut self, past: &PastFault) -> Self {
        let most = if criteria::comes_again(past.n, past.last_secs_ago) { SUREST_OF_THE_PAST } else { HINT };
        self.judgement.confidence = self.judgement.confidence.min(most);
        let minutes = |secs: f64| (secs / 60.0).ceil();
        let often = Message::new("evidence.past")
            .with("n", past.n)
            .with("first", minutes(past.first_secs_ago))
            .with("last", minutes(past.last_secs_ago));
        self.judgement.evidence.insert(0, often);
        self
    }
}

/// Everything that the entries see in the facts, what explains most first.
///
/// What keeps the picture away stands before what spoils it; then the surer one; of two equally sure ones the nearer to the
/// computer, which explains what is seen behind it.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = judged(facts);
    for past in facts.past.iter().flatten().filter(|_| facts.is_streaming()) {
        let then = judged(&facts.when(past)).into_iter();
        let is_new = |finding: &Finding| found.iter().all(|known| known.entry.id != finding.entry.id);
        let new: Vec<_> = then.filter(is_new).map(|finding| finding.of_the_past(past)).collect();
        found.extend(new);
    }
    weigh_against_load(facts, &mut found);
    weigh_against_departure(facts, &mut found);
    found.sort_by(compare);
    rule_out(&mut found);
    if let Some(first) = found.first_mut() {
        // What was tried and has helped is the surest advice.
        first.judgement.fixes.splice(0..0, facts.experiments.iter().filter(|tried| tried.has_helped()).map(proven));
    }
    found
}

/// Load may delay a verdict and never change it. What needs the clock says little while others have the processors; and what the
/// computer has no time for explains nothing that pictures, bytes and counts show.
fn weigh_against_load(facts: &Facts, found: &mut [Finding]) {
    let (is_slow, is_silent) = (facts.was_saturated_when_opened(), facts.may_silence_be_ours());
    let is_of_load =
        |slug: &str| is_slow && NEED_THE_CLOCK.contains(&slug) || is_silent && NEED_A_SIGN_OF_LIFE.contains(&slug);
    for finding in found.iter_mut().filter(|finding| is_of_load(finding.entry.slug)) {
        finding.judgement.confidence = finding.judgement.confidence.min(HINT);
        let cpu = facts.computer.as_ref().map_or(0.0, |computer| computer.cpu_percent);
        finding.judgement.evidence.push(Message::new("evidence.not-judgeable").with("percent", cpu));
    }
    let surest = |finding: &&Finding| finding.entry.id != COMPUTER_SLOW && finding.judgement.confidence >= LIKELY;
    let surest = found.iter().filter(surest).map(|finding| finding.judgement.confidence).reduce(f64::max);
    if let (Some(surest), Some(slow)) = (surest, found.iter_mut().find(|finding| finding.entry.id == COMPUTER_SLOW)) {
        slow.judgement.confidence = slow.judgement.confidence.min(surest - A_LITTLE);
    }
}

/// A device that is not there any more explains whatever its driver did last.
fn weigh_against_departure(facts: &Facts, found: &mut [Finding]) {
    const SILENCE: [&str; 3] = ["firmware-silent", "usb-asleep", "usb-no-fast-setting"];
    let is_of_driver = |finding: &&mut Finding| {
        finding.entry.layer == Layer::Open && finding.entry.severity == Severity::Critical
            || SILENCE.contains(&finding.entry.slug)
    };
    for finding in found.iter_mut().filter(is_of_driver).filter(|_| facts.has_gone()) {
        finding.judgement.confidence = finding.judgement.confidence.min(HINT);
    }
}

/// Of several likely findings that exclude each other the one that explains most stands, and the others become hints. `found` is
/// in order, and is so again afterwards.
fn rule_out(found: &mut [Finding]) {
    for n in 1..found.len() {
        let (before, [finding, ..]) = found.split_at_mut(n) else { return };
        let is_ruled_out = before
            .iter()
            .any(|other| other.judgement.confidence >= LIKELY && exclude_each_other(other.entry, finding.entry));
        if is_ruled_out {
            finding.judgement.confidence = finding.judgement.confidence.min(HINT);
        }
    }
    found.sort_by(compare);
}

fn judged(facts: &Facts) -> Vec<Finding> {
    let found = entries::all().filter_map(|entry| (entry.judge)(facts).map(|judgement| Finding { entry, judgement }));
    found.filter(|finding| finding.judgement.confidence > 0.0).collect()
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
