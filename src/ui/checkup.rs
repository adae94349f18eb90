//! The check-up in the window: how far it is, what came of it, and the buttons that mend it.
//!
//! Deliberately not here: the threads. A press adds a [`Wish`], news come back by number, and what an earlier run still has
//! to say is not heard any more.

use std::time::{Duration, Instant};

use egui::{Label, RichText, Ui, vec2};

use super::background::CheckupNews;
use super::theme::{Palette, SMALL};
use super::widgets;
use super::window::{Sheet, Window, Wish};
use crate::camera::Command;
use crate::checkup::compare::BackendComparison;
use crate::checkup::{CHECKS, CheckRun, Checkup, Facts, Finding, Progress, facts, kind_of};
use crate::event::Level;
use crate::phrases::{Language, Message};
use crate::picture::PictureStats;
use crate::status::State;

mod act;
mod before;
mod card;
pub mod comparison;
mod findings;
mod slow;
mod steps;

use comparison::Comparison;

/// The title of its section.
pub const TITLE: &str = "Check-up";

/// How long the picture stops for experiments, about.
const EXPERIMENTS_SECS: u32 = 20;

/// What stays between two passes.
#[derive(Default)]
pub struct View {
    /// How often the camera was examined: the number of the newest examination.
    n_jobs: u64,
    job: Option<Job>,
    result: Option<Outcome>,
    /// The result before that, of the same camera.
    before: Option<Outcome>,
    pub comparison: Option<Comparison>,
    folds: Folds,
    /// The inspector goes to the section in the next pass.
    is_wanted: bool,
    findings: findings::Tracker,
    watch: findings::Watch,
}

/// Which parts are not as they are at first.
#[derive(Default)]
struct Folds {
    proof: bool,
    others: bool,
    checks: bool,
}

/// An examination that runs: of the camera, or of its backends.
struct Job {
    number: u64,
    started_at: Instant,
    /// Set where nobody else may open the camera meanwhile.
    hold: Option<Hold>,
    is_cancelled: bool,
    /// `None` is a comparison.
    run: Option<Run>,
}

/// The camera is the examination's until that has ended.
struct Hold {
    /// The engine had it open, or tried to: its state is no state of the camera.
    is_pause: bool,
    /// What the engine is told then.
    then: Option<Command>,
}

/// A check-up on its way.
#[derive(Default)]
struct Run {
    checks: Vec<CheckRun>,
    running: Option<(&'static str, Instant)>,
    trying: Option<Message>,
    found: Vec<Finding>,
}

/// A check-up that has ended.
struct Outcome {
    /// `None`: it has crashed.
    checkup: Option<Checkup>,
    began_at: Instant,
    was_live: bool,
    /// The fixes of the verdict whose buttons were pressed since.
    pressed: Vec<usize>,
}

impl Outcome {
    fn of(job: &Job, checkup: Option<Checkup>) -> Self {
        Self { checkup, began_at: job.started_at, was_live: job.hold.is_none(), pressed: Vec::new() }
    }

    fn verdict(&self) -> Option<&Finding> {
        self.checkup.as_ref().and_then(Checkup::verdict)
    }
}

impl Run {
    fn hear(&mut self, progress: Progress, now: Instant) {
        match progress {
            Progress::Began(id) => self.running = Some((id, now)),
            Progress::Ended(checked) => {
                self.running = None;
                self.trying = None;
                self.checks.retain(|known| known.id != checked.id);
                self.checks.push(checked);
            }
            Progress::Found(found) => self.found = found,
            Progress::Trying(what) => self.trying = Some(what),
        }
    }
}

impl View {
    /// Whether a check-up runs, or its result is there.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.job.is_some() || self.result.is_some()
    }

    fn running(&self) -> Option<(&Job, &Run)> {
        let job = self.job.as_ref()?;
        Some((job, job.run.as_ref()?))
    }

    /// Whether the camera is closed for an examination, and comes back by itself.
    #[must_use]
    pub fn pauses(&self) -> bool {
        self.job.as_ref().and_then(|job| job.hold.as_ref()).is_some_and(|hold| hold.is_pause)
    }

    /// The newest result.
    #[must_use]
    pub fn checkup(&self) -> Option<&Checkup> {
        self.result.as_ref()?.checkup.as_ref()
    }

    /// Whether the section is to be brought into sight now.
    pub(super) fn take_wanted(&mut self) -> bool {
        std::mem::take(&mut self.is_wanted)
    }

    /// When the camera was found to be as the newest result says.
    #[must_use]
    pub fn began_at(&self) -> Option<Instant> {
        self.result.as_ref().map(|result| result.began_at)
    }

    /// The newest comparison of backends that has come to its end.
    #[must_use]
    pub fn compared(&self) -> Option<BackendComparison> {
        self.comparison.as_ref().and_then(Comparison::compared)
    }

    /// Another camera is shown.
    pub fn forget(&mut self) {
        // Numbers go on: news of the camera before are not taken for news of this one.
        *self = Self { n_jobs: self.n_jobs, ..Self::default() };
    }
}

impl Window {
    /// In which the check-up speaks.
    #[must_use]
    pub fn language(&self) -> Language {
        self.settings.language.unwrap_or(self.system_language)
    }

    /// Finds out what is wrong. A camera that streams is watched, and not disturbed.
    pub fn check_up(&mut self) {
        self.begin_checkup(false);
    }

    /// The same with experiments, for which a picture that runs is stopped: the user has consented.
    pub fn try_everything(&mut self) {
        self.begin_checkup(true);
    }

    fn begin_checkup(&mut self, stops_picture: bool) {
        let is_live = !stops_picture && self.moment().is_some_and(|moment| moment.is_live()) && !self.checkup.pauses();
        let hold = if is_live { None } else { Some(self.hold()) };
        let has_to_wait = hold.as_ref().is_some_and(|hold| hold.is_pause);
        let number = self.begin_job(hold, Some(Run::default()));
        self.checkup.is_wanted = true;
        self.picture_only = false;
        self.settings.window.folded_sections.retain(|title| title != TITLE);
        self.wishes.push(Wish::CheckUp { number, is_live, releases: has_to_wait });
    }

    /// Opens the camera through each backend in turn.
    pub(super) fn compare_backends(&mut self) {
        let hold = self.hold();
        let releases = hold.is_pause;
        let number = self.begin_job(Some(hold), None);
        self.checkup.comparison = Some(Comparison::default());
        self.wishes.push(Wish::Compare { number, releases });
    }

    fn begin_job(&mut self, hold: Option<Hold>, run: Option<Run>) -> u64 {
        let view = &mut self.checkup;
        view.n_jobs += 1;
        // Of one that is replaced no more is heard.
        if view.job.as_ref().is_some_and(|job| job.run.is_none()) {
            view.comparison = None;
        }
        view.job = Some(Job { number: view.n_jobs, started_at: self.now, hold, is_cancelled: false, run });
        view.n_jobs
    }

    /// How the camera is kept from everybody else, and what is done after.
    fn hold(&mut self) -> Hold {
        // What an examination that is replaced has promised is still to be done.
        if let Some(hold) = self.checkup.job.as_mut().and_then(|job| job.hold.take()) {
            return hold;
        }
        match self.status.as_ref().map(|status| status.state) {
            // Closed: stays so, with the state that tells why.
            None | Some(State::Idle | State::Failed) => Hold { is_pause: false, then: None },
            Some(State::Opening | State::Streaming | State::Recovering) => {
                Hold { is_pause: true, then: Some(Command::Start) }
            }
        }
    }

    /// Ends the examination that runs; the camera goes on as soon as it has let go of it.
    pub fn cancel_checkup(&mut self) {
        if let Some(job) = &mut self.checkup.job {
            job.is_cancelled = true;
            self.wishes.push(Wish::CancelCheckup);
        }
    }

    /// An examination goes on, or is over.
    pub fn hear_checkup(&mut self, number: u64, news: CheckupNews) {
        let now = self.now;
        let Some(job) = self.checkup.job.as_mut().filter(|job| job.number == number) else { return };
        match news {
            CheckupNews::Progress(progress) => {
                if let Some(run) = &mut job.run {
                    run.hear(progress, now);
                }
            }
            CheckupNews::Done(checkup) => {
                let outcome = Outcome::of(job, Some(*checkup));
                self.end_job();
                self.take_outcome(outcome);
            }
            CheckupNews::Row(row) => {
                if let Some(comparison) = &mut self.checkup.comparison {
                    comparison.rows.push(*row);
                }
            }
            CheckupNews::Compared(compared) => {
                let is_cancelled = job.is_cancelled;
                self.end_job();
                if let Some(comparison) = &mut self.checkup.comparison {
                    comparison.end(Some(*compared), is_cancelled);
                }
            }
            CheckupNews::Crashed => {
                let outcome = job.run.is_some().then(|| Outcome::of(job, None));
                self.end_job();
                if let Some(outcome) = outcome {
                    self.take_outcome(outcome);
                } else if let Some(comparison) = &mut self.checkup.comparison {
                    comparison.end(None, false);
                }
            }
        }
    }

    fn take_outcome(&mut self, outcome: Outcome) {
        let view = &mut self.checkup;
        let is_whole = outcome.checkup.as_ref().is_some_and(|checkup| !checkup.was_cancelled);
        let last = view.result.replace(outcome);
        // One that was ended by hand says nothing: the whole one before it is what is compared.
        if let Some(last) = last.filter(|last| last.checkup.as_ref().is_some_and(|checkup| !checkup.was_cancelled)) {
            view.before = Some(last);
        }
        view.folds = Folds::default();
        if is_whole {
            self.track_findings();
        }
    }

    /// What has begun and what is over goes to the log, and so to the plot.
    fn track_findings(&mut self) {
        let language = self.language();
        let Some(checkup) = self.checkup.result.as_ref().and_then(|result| result.checkup.as_ref()) else { return };
        for (level, message) in self.checkup.findings.update(&checkup.findings, &self.checkup.watch, language) {
            self.wishes.push(Wish::Log { level, name: findings::EVENT, message });
        }
    }

    /// The same for what the live picture shows between check-ups.
    pub fn look_at_picture(&mut self, seen: &PictureStats) {
        let is_streaming = self.status.as_deref().is_some_and(|status| status.state == State::Streaming);
        // A check-up that runs looks itself.
        if !is_streaming || self.checkup.job.is_some() {
            return;
        }
        let source = facts::SourceFacts {
            kind: kind_of(&self.spec),
            name: self.spec.to_string(),
            is_live: true,
            ..Default::default()
        };
        let stream = facts::StreamFacts { controls: self.controls.list.clone(), ..facts::StreamFacts::default() };
        let facts = Facts { source, stream: Some(stream), picture: Some(seen.clone()), ..Facts::default() };
        let (language, now) = (self.language(), self.now);
        for (level, message) in self.checkup.watch.update(&facts, &mut self.checkup.findings, language, now) {
            self.wishes.push(Wish::Log { level, name: findings::EVENT, message });
        }
    }

    fn end_job(&mut self) {
        let Some(job) = self.checkup.job.take() else { return };
        self.wishes.extend(job.hold.and_then(|hold| hold.then).map(Wish::Camera));
    }

    /// Whoever wants to open the camera while it is being examined gets it: the examination ends first.
    pub(super) fn give_way(&mut self) {
        let Some(hold) = self.checkup.job.as_mut().and_then(|job| job.hold.as_mut()) else { return };
        let wants_camera = |wish: &Wish| {
            matches!(
                wish,
                Wish::Camera(Command::Start | Command::RecoverNow | Command::WaitUntilFree | Command::ResetDevice)
            )
        };
        let Some(position) = self.wishes.iter().position(wants_camera) else { return };
        if let Wish::Camera(command) = self.wishes.remove(position) {
            hold.then = Some(command);
        }
        self.cancel_checkup();
    }
}

/// What stands beside the title, and is all that is seen of a folded section.
pub fn aside(window: &Window) -> String {
    let view = &window.checkup;
    if let Some((job, _)) = view.running() {
        return tenths(window.now.saturating_duration_since(job.started_at));
    }
    view.checkup().map_or_else(String::new, |checkup| tenths(checkup.took))
}

fn tenths(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

pub fn draw(window: &mut Window, ui: &mut Ui) {
    let language = window.language();
    if window.checkup.running().is_some() {
        card::running(window, language, ui);
        steps::draw(window, language, ui);
        ui.ctx().request_repaint_after(Duration::from_millis(100));
        return;
    }
    if window.checkup.result.is_none() {
        quiet(ui, &language.word("panel.intro"));
        buttons(window, language, ui);
        return;
    }
    let wanted = card::outcome(window, language, ui);
    buttons(window, language, ui);
    before::draw(&window.checkup, language, ui);
    card::others(&mut window.checkup, language, ui);
    if fold(ui, &language.word("card.checks"), &n_checks(window), &mut window.checkup.folds.checks, true) {
        steps::draw(window, language, ui);
    }
    slow::draw(&window.checkup, language, ui);
    if let Some((fix, action)) = wanted {
        act::perform(window, &action);
        if let Some(result) = &mut window.checkup.result {
            result.pressed.push(fix);
        }
    }
}

/// How many checks there were, and how many did not come out well.
fn n_checks(window: &Window) -> String {
    window.checkup.checkup().map_or_else(String::new, |checkup| checkup.checks.len().to_string())
}

/// What can be done now, whatever the result.
fn buttons(window: &mut Window, language: Language, ui: &mut Ui) {
    let is_busy = window.checkup.job.is_some();
    let has_result = window.checkup.result.is_some();
    let is_live = window.moment().is_some_and(|moment| moment.is_live());
    let is_open_question = is_live
        && window.checkup.result.as_ref().is_some_and(|result| {
            result.was_live && result.checkup.as_ref().is_some_and(|checkup| !is_healthy(checkup))
        });
    ui.add_enabled_ui(!is_busy, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            let (label, help) =
                if has_result { ("card.again", "card.again-help") } else { ("panel.check-up", "panel.check-up-help") };
            let has_fixes = window.checkup.result.as_ref().and_then(Outcome::verdict).is_some_and(has_open_action);
            let pressed = window.checkup.result.as_ref().is_some_and(|result| !result.pressed.is_empty());
            let is_main = !has_fixes || pressed;
            if widgets::button(ui, &language.word(label), is_main, &language.word(help)).clicked() {
                window.check_up();
            }
            if is_open_question {
                let label = language.word("card.try-else");
                if widgets::button(ui, &label, false, &language.word("card.try-else-help")).clicked() {
                    window.try_everything();
                }
            }
            if window.spec.backends().len() > 1 {
                let label = language.word("card.compare");
                if widgets::button(ui, &label, false, &language.word("card.compare-help")).clicked() {
                    window.sheet = Some(Sheet::Comparison);
                }
            }
            let label = language.word("card.report");
            if has_result && widgets::button(ui, &label, false, &language.word("card.report-help")).clicked() {
                window.open_report();
            }
        });
    });
    if is_open_question {
        quiet(ui, &language.say(&Message::new("card.try-else-stops").with("seconds", EXPERIMENTS_SECS)));
    }
    if is_busy {
        quiet(ui, &language.word("panel.busy"));
    }
}

fn has_open_action(finding: &Finding) -> bool {
    finding.judgement.fixes.iter().any(|fix| fix.action.is_some())
}

/// Whether nothing at all is to be said against the camera.
fn is_healthy(checkup: &Checkup) -> bool {
    use crate::checkup::CheckOutcome;
    checkup.findings.is_empty()
        && !checkup.was_cancelled
        && !checkup.checks.iter().any(|check| matches!(check.outcome, CheckOutcome::Bad | CheckOutcome::Warning))
}

/// The checks in their order: those of the table, and whatever else was told.
fn ids(checks: &[CheckRun]) -> Vec<&'static str> {
    let mut ids: Vec<_> = CHECKS.iter().map(|check| check.id()).collect();
    ids.extend(checks.iter().map(|checked| checked.id));
    let mut seen = Vec::new();
    ids.retain(|id| {
        let is_new = !seen.contains(id);
        seen.push(*id);
        is_new
    });
    ids
}

fn name(language: Language, id: &str) -> String {
    language.say(&Message::new(format!("check.{id}")))
}

/// A remark that is not shouted.
fn quiet(ui: &mut Ui, words: &str) {
    let color = Palette::of(ui).text_weak;
    ui.add(Label::new(RichText::new(words).size(SMALL).color(color)).wrap());
}

/// The title of a part that can be folded away, which `is_turned` notes. Says whether it is open.
fn fold(ui: &mut Ui, title: &str, aside: &str, is_turned: &mut bool, is_open_at_first: bool) -> bool {
    let is_open = is_open_at_first != *is_turned;
    let shown = if aside.is_empty() { title.to_owned() } else { format!("{title} · {aside}") };
    if widgets::fold(ui, &shown, title, is_open) {
        *is_turned = !*is_turned;
    }
    is_open
}

/// The severity of a finding in the log.
fn level(finding: &Finding) -> Level {
    match finding.entry.severity {
        crate::checkup::Severity::Warning => Level::Warning,
        crate::checkup::Severity::Critical => Level::Error,
    }
}
