//! `camclinic checkup`: what is wrong, the proof, what to do.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::{CommandContext, Exit, POLL, complain, pretty, say};
use crate::backend::Backend;
use crate::checkup::compare::{BackendComparison, compare};
use crate::checkup::facts::StreamSummary;
use crate::checkup::json::contract;
use crate::checkup::{self, CheckOutcome, CheckRun, Checkup, CheckupRequest, Finding, Progress, Severity};
use crate::event;
use crate::network::KnownLogins;
use crate::phrases::{Language, Message, number};
use crate::report::{Masking, Material, Report};
use crate::settings::data_folder;

/// What the command was asked for.
pub(super) struct CheckupOptions<'a> {
    pub json: bool,
    pub report: Option<&'a Path>,
    pub no_experiments: bool,
    pub watch: Option<Duration>,
    pub compare: bool,
}

/// What the thread of the check-up sends.
enum CheckupEvent {
    Progress(Progress),
    Checked(Box<Checkup>),
    Row(Box<StreamSummary>),
    Compared(Box<BackendComparison>),
}

impl CommandContext<'_> {
    pub(super) fn checkup(&self, source: Option<&str>, options: &CheckupOptions<'_>) -> Result<Exit, String> {
        let spec = self.choose(source)?;
        let request = CheckupRequest {
            settings: self.settings(&spec),
            spec,
            trusted: self.trusted().clone(),
            logins: KnownLogins::default(),
            folder: self.run.settings.snapshot_folder(),
            records: data_folder(),
            watch: options.watch,
            live: None,
            with_experiments: !options.no_experiments,
        };
        let language = Language::of(&self.run.settings);
        let began = event::now();
        let (checkup, compared) = self.carry_out(&request, options, language)?;
        if let Some(path) = options.report {
            let (checkup, compared) = (checkup.clone(), compared.clone());
            let data = data_folder();
            let material = Material::gathered(checkup, compared, &request.spec, began, data.as_deref(), language);
            Report::build(&material, &Masking::default()).save(path)?;
            complain(&language.say(&Message::new("report.saved").with("path", path.display().to_string())));
        }
        if options.json {
            say(&pretty(&contract(&checkup, compared.as_ref(), language)));
        } else {
            say(&text(&request.spec.name(), &checkup, compared.as_ref(), language));
        }
        Ok(exit_of(&checkup))
    }

    /// On a thread of its own, which is told to end when the user interrupts the command.
    fn carry_out(
        &self,
        request: &CheckupRequest,
        options: &CheckupOptions<'_>,
        language: Language,
    ) -> Result<(Checkup, Option<BackendComparison>), String> {
        let (alive, cancel) = bounded(0);
        let (sender, news) = bounded(64);
        let (job, wants_comparison) = (request.clone(), options.compare);
        thread::Builder::new()
            .name("checkup".to_owned())
            .spawn(move || {
                let tell = |news| drop(sender.send(news));
                let checkup = checkup::run(&job, &cancel, &mut |progress| tell(CheckupEvent::Progress(progress)));
                tell(CheckupEvent::Checked(Box::new(checkup)));
                if wants_comparison {
                    let compared = compare(&job, &cancel, &mut |row| tell(CheckupEvent::Row(Box::new(row.clone()))));
                    tell(CheckupEvent::Compared(Box::new(compared)));
                }
            })
            .map_err(|error| format!("The system gives no thread: {error}"))?;
        let mut alive = Some(alive);
        let (mut checkup, mut compared) = (None, None);
        let shows_progress = !options.json && self.shared.verbose == 0 && io::stderr().is_terminal();
        loop {
            if self.interrupted.load(Ordering::Relaxed) {
                alive = None;
            }
            match news.recv_deadline(Instant::now() + POLL) {
                Ok(CheckupEvent::Progress(progress)) if shows_progress || self.shared.verbose > 0 => {
                    tell(&progress, language);
                }
                Ok(CheckupEvent::Row(row)) if shows_progress => complain(&row_text(&row)),
                Ok(CheckupEvent::Checked(done)) => checkup = Some(*done),
                Ok(CheckupEvent::Compared(done)) => compared = Some(*done),
                Ok(CheckupEvent::Progress(_) | CheckupEvent::Row(_)) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(alive);
        self.check_interrupted()?;
        checkup.map(|checkup| (checkup, compared)).ok_or_else(|| "The check-up has crashed.".to_owned())
    }
}

fn exit_of(checkup: &Checkup) -> Exit {
    match checkup.verdict().map(|verdict| verdict.entry.severity) {
        None => Exit::Healthy,
        Some(Severity::Warning) => Exit::Warning,
        Some(Severity::Critical) => Exit::Critical,
    }
}

fn tell(progress: &Progress, language: Language) {
    match progress {
        Progress::Began(_) | Progress::Found(_) => {}
        Progress::Ended(checked) => complain(&check_line(checked, language)),
        Progress::Trying(what) => complain(&format!("  … {}", language.say(what))),
    }
}

fn check_line(checked: &CheckRun, language: Language) -> String {
    let word = |outcome| match outcome {
        CheckOutcome::Good => "good",
        CheckOutcome::Warning => "warning",
        CheckOutcome::Bad => "bad",
        CheckOutcome::Skipped => "skipped",
    };
    let name = language.say(&Message::new(format!("check.{}", checked.id)));
    let outcome = language.say(&Message::new(format!("outcome.{}", word(checked.outcome))));
    let seconds = language.say(&Message::new("card.seconds").with("secs", number(checked.took_ms as f64 / 1_000.0, 1)));
    let took = if checked.outcome == CheckOutcome::Skipped { String::new() } else { seconds };
    format!("  {} {} {took:>6}  {}", padded(&name, 22), padded(&outcome, 11), language.say(&checked.why))
}

/// By letters, which are not bytes in most languages.
fn padded(text: &str, width: usize) -> String {
    let n_missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(n_missing))
}

fn text(name: &str, checkup: &Checkup, compared: Option<&BackendComparison>, language: Language) -> String {
    let said = |key: &'static str| language.say(&Message::new(key));
    let mut lines = Vec::new();
    match checkup.verdict() {
        None if checkup.is_healthy() => lines.push(format!("{name}: {}", said("card.healthy"))),
        None => {
            lines.push(format!("{name}: {}", said("card.no-verdict")));
            lines.push(format!("  {}", said("card.no-verdict-because")));
        }
        Some(verdict) => lines.extend(verdict_lines(name, verdict, language)),
    }
    let others: Vec<_> = checkup.findings.iter().skip(usize::from(checkup.verdict().is_some())).collect();
    if !others.is_empty() {
        lines.push(format!("\n{}", said("card.others")));
        lines.extend(others.iter().take(4).map(|other| {
            format!(
                "  {} {}",
                padded(&language.word(other.judgement.certainty()), 10),
                language.say(&other.judgement.title)
            )
        }));
    }
    if checkup.slow.iter().any(|share| share.is_too_long) {
        lines.push(format!("\n{}", said("card.slow")));
        lines.extend(checkup.slow.iter().map(|share| {
            let mark = if share.is_too_long { "!" } else { " " };
            format!("  {:>8.1} ms {mark} {}", share.ms, language.say(&share.part))
        }));
    }
    if let Some(compared) = compared {
        lines.push(format!("\n{}", said("card.backends")));
        lines.extend(compared.rows.iter().map(row_text));
        if let Some(best) = compared.best {
            lines.push(language.say(&Message::new("card.best").with("backend", best.label())));
        }
    }
    lines.push(format!("\n{}", said("card.checks")));
    let (skipped, carried_out): (Vec<_>, Vec<_>) =
        checkup.checks.iter().partition(|checked| checked.outcome == CheckOutcome::Skipped && checked.took_ms == 0);
    lines.extend(carried_out.into_iter().map(|checked| check_line(checked, language)));
    let mut whys: Vec<_> = skipped.iter().map(|checked| &checked.why).collect();
    whys.dedup();
    // Several are left out for one reason.
    for why in whys {
        let names = skipped.iter().filter(|checked| checked.why == *why);
        let names: Vec<_> = names.map(|checked| language.say(&Message::new(format!("check.{}", checked.id)))).collect();
        let not_checked = language.say(&Message::new("outcome.skipped"));
        lines.push(format!("  {not_checked}: {} ({})", names.join(", "), language.say(why)));
    }
    lines.join("\n")
}

fn verdict_lines(name: &str, verdict: &Finding, language: Language) -> Vec<String> {
    let judgement = &verdict.judgement;
    let said = |key: &'static str| language.say(&Message::new(key));
    let mut lines = vec![
        format!("{name}: {}", language.say(&judgement.title)),
        format!(
            "  {} ({}, {})",
            language.say(&judgement.because),
            language.word(judgement.certainty()),
            verdict.entry.id
        ),
    ];
    lines.extend(judgement.evidence.iter().map(|evidence| format!("  - {}", language.say(evidence))));
    if !judgement.fixes.is_empty() {
        lines.push(format!("\n{}", said("card.fixes")));
    }
    for (n, fix) in judgement.fixes.iter().enumerate() {
        lines.push(format!("  {}. {}", n + 1, language.say(&fix.text)));
        lines.extend(fix.command.iter().map(|command| format!("     {command}")));
    }
    lines
}

/// A line of the comparison of backends.
fn row_text(row: &StreamSummary) -> String {
    let backend = row.backend.map_or("?", Backend::label);
    let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let Some(fps) = row.fps else {
        let why = row.fault.as_ref().map_or_else(String::new, ToString::to_string);
        return format!("  {} -  {why}", padded(backend, 18));
    };
    let format = row.got.format.map_or_else(|| "?".to_owned(), |format| format.to_string());
    let size = row.got.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
    let cpu = row.cpu_percent.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.0} %"));
    format!(
        "  {} open {:>8}, picture {:>8}, {fps:>5.1} fps, jitter {:>5.1} ms, lost {:>3}, {size} {format}, CPU {cpu}",
        padded(backend, 18),
        ms(row.open_ms),
        ms(row.first_frame_ms),
        row.jitter_ms.unwrap_or_default(),
        row.n_lost + row.n_damaged,
    )
}

/// Whether a file can be a report: checked before the camera is opened.
pub(super) fn report_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_zip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    if is_zip { Ok(path) } else { Err("the report is a zip file: name one that ends in .zip".to_owned()) }
}
