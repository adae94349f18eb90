//! The check-up in the window: how far it is, what came of it, and the buttons that mend it.
//!
//! Deliberately not here: the check-up itself, which runs on a thread of its own. What it tells comes back by number, and what
//! an earlier one still has to say is not heard any more.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use egui::{Label, RichText, Ui, vec2};

use super::pane::Pane;
use super::shell::{Sheet, Shell};
use super::theme::{Palette, SMALL};
use super::widgets;
use crate::camera::Command;
use crate::checkup::compare::BackendComparison;
use crate::checkup::{CHECKS, CheckRun, Checkup, CheckupRequest, Facts, Finding, Progress, facts, kind_of};
use crate::event::{Level, ToldVerdict};
use crate::phrases::{Language, Message};
use crate::picture::PictureStats;
use crate::settings::data_folder;
use crate::status::State;

mod act;
mod before;
mod card;
pub mod comparison;
mod examine;
mod findings;
mod slow;
mod steps;

pub use examine::ExaminationEvent;

use comparison::Comparison;
use examine::{Examine, Subject};

/// The title of its section.
pub const TITLE: &str = "Check-up";

/// How long something that comes and goes is waited for: a night.
const LONGEST_WATCH: Duration = Duration::from_hours(12);
/// How long the picture stops for experiments, about.
const EXPERIMENTS_SECS: u32 = 20;

/// What stays between two passes.
#[derive(Default)]
pub struct CheckupState {
    /// How often the camera was examined: the number of the newest examination.
    n_examinations: u64,
    running: Option<Examination>,
    /// Disconnected when the newest examination has let go of the camera.
    last_ended: Option<Receiver<()>>,
    result: Option<CheckupResult>,
    /// The result before that, of the same camera.
    before: Option<CheckupResult>,
    pub comparison: Option<Comparison>,
    folds: Folds,
    /// The inspector goes to the section in the next pass.
    is_wanted: bool,
    findings: findings::Tracker,
    watch: findings::PictureWatch,
}

/// Which parts are not as they are at first.
#[derive(Default)]
struct Folds {
    proof: bool,
    others: bool,
    checks: bool,
}

/// An examination of the camera that runs: a check-up, or a comparison of its backends.
struct Examination {
    number: u64,
    started_at: Instant,
    /// Set where nobody else may open the camera meanwhile.
    claim: Option<CameraClaim>,
    /// Dropped to end it; `None` once it has been cancelled.
    alive: Option<Sender<()>>,
    /// `None` is a comparison.
    checkup: Option<CheckupProgress>,
}

impl Examination {
    fn is_cancelled(&self) -> bool {
        self.alive.is_none()
    }
}

/// The camera is the examination's until that has ended.
struct CameraClaim {
    /// The engine had it open, or tried to: its state is no state of the camera.
    is_pause: bool,
    /// What the engine is told then.
    then: Option<Command>,
}

/// A check-up on its way.
#[derive(Default)]
struct CheckupProgress {
    checks: Vec<CheckRun>,
    running: Option<(&'static str, Instant)>,
    trying: Option<Message>,
    found: Vec<Finding>,
}

/// A check-up that has ended.
struct CheckupResult {
    /// `None`: it has crashed.
    checkup: Option<Checkup>,
    began_at: Instant,
    was_live: bool,
    /// The fixes of the verdict whose buttons were pressed since.
    pressed: Vec<usize>,
}

impl CheckupResult {
    fn of(examination: &Examination, checkup: Option<Checkup>) -> Self {
        let (began_at, was_live) = (examination.started_at, examination.claim.is_none());
        Self { checkup, began_at, was_live, pressed: Vec::new() }
    }

    fn verdict(&self) -> Option<&Finding> {
        self.checkup.as_ref().and_then(Checkup::verdict)
    }
}

impl CheckupProgress {
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

impl CheckupState {
    /// Whether a check-up runs, or its result is there.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.running.is_some() || self.result.is_some()
    }

    fn progress(&self) -> Option<(&Examination, &CheckupProgress)> {
        let examination = self.running.as_ref()?;
        Some((examination, examination.checkup.as_ref()?))
    }

    /// Whether the camera is closed for an examination, and comes back by itself.
    #[must_use]
    pub fn pauses(&self) -> bool {
        self.running.as_ref().and_then(|examination| examination.claim.as_ref()).is_some_and(|claim| claim.is_pause)
    }

    /// Whether the stream that runs is being watched.
    #[must_use]
    pub(super) fn watches(&self) -> bool {
        self.running.as_ref().is_some_and(|examination| examination.claim.is_none())
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

    /// Ends the examination that runs; the camera goes on as soon as it has let go of it.
    pub fn cancel(&mut self) {
        if let Some(examination) = &mut self.running {
            examination.alive = None;
        }
    }

    /// For another camera in the same pane. An examination that runs ends.
    #[must_use]
    pub(super) fn forgotten(self) -> Self {
        // Numbers go on: what is heard of the camera before is not taken for this one's.
        Self { n_examinations: self.n_examinations, last_ended: self.last_ended, ..Self::default() }
    }
}

impl Pane {
    /// Finds out what is wrong. A camera that streams is watched, and not disturbed.
    pub fn check_up(&mut self, shell: &mut Shell) {
        self.begin_checkup(shell, false, None);
    }

    /// The same of what comes and goes: the stream is watched until something is wrong with it.
    pub fn watch_until_it_happens(&mut self, shell: &mut Shell) {
        self.begin_checkup(shell, false, Some(LONGEST_WATCH));
    }

    /// The same with experiments, for which a picture that runs is stopped: the user has consented.
    pub fn try_everything(&mut self, shell: &mut Shell) {
        self.begin_checkup(shell, true, None);
    }

    fn begin_checkup(&mut self, shell: &mut Shell, stops_picture: bool, watch: Option<Duration>) {
        let is_live = !stops_picture && self.is_live(shell.now) && !self.checkup.pauses();
        let claim = if is_live { None } else { Some(self.claim_camera()) };
        self.begin_examination(shell, Subject::Camera, claim, Some(CheckupProgress::default()), watch);
        self.checkup.is_wanted = true;
        shell.picture_only = false;
        shell.settings.window.folded_sections.retain(|title| title != TITLE);
    }

    /// Opens the camera through each backend in turn.
    pub(super) fn compare_backends(&mut self, shell: &mut Shell) {
        let claim = self.claim_camera();
        self.begin_examination(shell, Subject::Backends, Some(claim), None, None);
        self.checkup.comparison = Some(Comparison::default());
    }

    fn begin_examination(
        &mut self,
        shell: &mut Shell,
        subject: Subject,
        claim: Option<CameraClaim>,
        checkup: Option<CheckupProgress>,
        watch: Option<Duration>,
    ) {
        // The stream that runs is watched, instead of one of its own.
        let live = if claim.is_none() { self.live.clone() } else { None };
        let released = claim.as_ref().is_some_and(|claim| claim.is_pause).then(|| {
            let (closed, released) = bounded(0);
            self.commands.push(Command::Release(closed));
            released
        });
        let request = CheckupRequest {
            spec: self.spec.clone(),
            settings: self.settings.clone(),
            trusted: shell.settings.network.trusted_certificates.clone(),
            logins: shell.logins.clone(),
            with_experiments: live.is_none() && subject == Subject::Camera,
            live,
            folder: shell.settings.snapshot_folder(),
            records: data_folder(),
            watch,
        };
        let state = &mut self.checkup;
        // Of one that is replaced no more is heard.
        if state.running.as_ref().is_some_and(|examination| examination.checkup.is_none()) {
            state.comparison = None;
        }
        state.n_examinations += 1;
        let (alive, cancel) = bounded(0);
        let (end, ended) = bounded(0);
        let last_ended = state.last_ended.replace(ended);
        let number = state.n_examinations;
        state.running = Some(Examination { number, started_at: shell.now, claim, alive: Some(alive), checkup });
        let pane = self.settings.id;
        shell.run(Examine { pane, number, subject, request, released, last_ended, cancel, end });
    }

    /// How the camera is kept from everybody else, and what is done after.
    fn claim_camera(&mut self) -> CameraClaim {
        // What an examination that is replaced has promised is still to be done.
        if let Some(claim) = self.checkup.running.as_mut().and_then(|examination| examination.claim.take()) {
            return claim;
        }
        match self.status.as_ref().map(|status| status.state) {
            // Closed: stays so, with the state that tells why.
            None | Some(State::Idle | State::Failed) => CameraClaim { is_pause: false, then: None },
            Some(State::Opening | State::Streaming | State::Recovering) => {
                CameraClaim { is_pause: true, then: Some(Command::Start) }
            }
        }
    }

    /// The examination of this number goes on, or is over.
    pub fn hear_examination(&mut self, shell: &Shell, number: u64, event: ExaminationEvent) {
        let Some(examination) = self.checkup.running.as_mut().filter(|running| running.number == number) else {
            return;
        };
        match event {
            ExaminationEvent::Progress(progress) => {
                if let Some(checkup) = &mut examination.checkup {
                    checkup.hear(progress, shell.now);
                }
            }
            ExaminationEvent::Row(row) => {
                if let Some(comparison) = &mut self.checkup.comparison {
                    comparison.rows.push(*row);
                }
            }
            ExaminationEvent::CheckedUp(checkup) => {
                let result = CheckupResult::of(examination, Some(*checkup));
                self.end_examination();
                self.take_result(shell, result);
            }
            ExaminationEvent::Compared(compared) => {
                let is_cancelled = examination.is_cancelled();
                self.end_examination();
                if let Some(comparison) = &mut self.checkup.comparison {
                    comparison.end(Some(*compared), is_cancelled);
                }
            }
            ExaminationEvent::Crashed => {
                let result = examination.checkup.is_some().then(|| CheckupResult::of(examination, None));
                self.end_examination();
                if let Some(result) = result {
                    self.take_result(shell, result);
                } else if let Some(comparison) = &mut self.checkup.comparison {
                    comparison.end(None, false);
                }
            }
        }
    }

    fn take_result(&mut self, shell: &Shell, result: CheckupResult) {
        let state = &mut self.checkup;
        let is_whole = result.checkup.as_ref().is_some_and(|checkup| !checkup.was_cancelled);
        let last = state.result.replace(result);
        // One that was ended by hand says nothing: the whole one before it is what is compared.
        if let Some(last) = last.filter(|last| last.checkup.as_ref().is_some_and(|checkup| !checkup.was_cancelled)) {
            state.before = Some(last);
        }
        state.folds = Folds::default();
        if is_whole {
            self.track_findings(shell);
            self.tell_verdict(shell);
        }
    }

    /// For a recording that goes on.
    fn tell_verdict(&self, shell: &Shell) {
        let Some(verdict) = self.checkup.result.as_ref().and_then(CheckupResult::verdict) else { return };
        let title = self.spec.mask_in(&shell.language().say(&verdict.judgement.title));
        let percent = (verdict.judgement.confidence * 100.0).round();
        let message = format!("The check-up has found {}, {percent} %: {title}", verdict.entry.id);
        let told = ToldVerdict { entry: verdict.entry.id.into(), title: title.into(), confidence: percent / 100.0 };
        let log = shell.events.of_camera(self.id());
        log.add_with(&self.spec.to_string(), Level::Info, ToldVerdict::EVENT, message, told.details());
    }

    /// What has begun and what is over goes to the log, and so to the plot.
    fn track_findings(&mut self, shell: &Shell) {
        let CheckupState { result, findings, watch, .. } = &mut self.checkup;
        let Some(checkup) = result.as_ref().and_then(|result| result.checkup.as_ref()) else { return };
        for (level, message) in findings.update(&checkup.findings, watch, shell.language()) {
            self.tell(shell, level, findings::EVENT, message);
        }
    }

    /// The same for what the live picture shows between check-ups.
    pub fn look_at_picture(&mut self, shell: &Shell, seen: &PictureStats) {
        let is_streaming = self.status.as_deref().is_some_and(|status| status.state == State::Streaming);
        // A check-up that runs looks itself.
        if !is_streaming || self.checkup.running.is_some() {
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
        let CheckupState { findings, watch, .. } = &mut self.checkup;
        for (level, message) in watch.update(&facts, findings, shell.language(), shell.now) {
            self.tell(shell, level, findings::EVENT, message);
        }
    }

    fn end_examination(&mut self) {
        let Some(examination) = self.checkup.running.take() else { return };
        self.commands.extend(examination.claim.and_then(|claim| claim.then));
    }

    /// Whoever wants to open the camera while it is being examined gets it: the examination ends first.
    pub(super) fn give_way(&mut self) {
        let Some(claim) = self.checkup.running.as_mut().and_then(|running| running.claim.as_mut()) else { return };
        let wants_camera = |command: &Command| {
            matches!(command, Command::Start | Command::RecoverNow | Command::WaitUntilFree | Command::ResetDevice)
        };
        let Some(position) = self.commands.iter().position(wants_camera) else { return };
        claim.then = Some(self.commands.remove(position));
        self.checkup.cancel();
    }
}

/// What stands beside the title, and is all that is seen of a folded section.
pub fn aside(pane: &Pane, shell: &Shell) -> String {
    let state = &pane.checkup;
    if let Some((job, _)) = state.progress() {
        return tenths(shell.now.saturating_duration_since(job.started_at));
    }
    state.checkup().map_or_else(String::new, |checkup| tenths(checkup.took))
}

fn tenths(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let language = shell.language();
    if pane.checkup.progress().is_some() {
        card::running(pane, language, ui);
        steps::draw(pane, shell, language, ui);
        ui.ctx().request_repaint_after(Duration::from_millis(100));
        return;
    }
    if pane.checkup.result.is_none() {
        quiet(ui, &language.word("panel.intro"));
        buttons(pane, shell, language, ui);
        return;
    }
    let wanted = card::outcome(pane, shell, language, ui);
    buttons(pane, shell, language, ui);
    before::draw(&pane.checkup, language, ui);
    card::others(&mut pane.checkup, language, ui);
    if fold(ui, &language.word("card.checks"), &n_checks(pane), &mut pane.checkup.folds.checks, true) {
        steps::draw(pane, shell, language, ui);
    }
    slow::draw(&pane.checkup, language, ui);
    if let Some((fix, action)) = wanted {
        act::perform(pane, shell, &action);
        if let Some(result) = &mut pane.checkup.result {
            result.pressed.push(fix);
        }
    }
}

/// How many checks there were, and how many did not come out well.
fn n_checks(pane: &Pane) -> String {
    pane.checkup.checkup().map_or_else(String::new, |checkup| checkup.checks.len().to_string())
}

/// What can be done now, whatever the result.
fn buttons(pane: &mut Pane, shell: &mut Shell, language: Language, ui: &mut Ui) {
    let is_busy = pane.checkup.running.is_some();
    let has_result = pane.checkup.result.is_some();
    let is_live = pane.moment(shell.now).is_some_and(|moment| moment.is_live());
    let is_open_question = is_live
        && pane.checkup.result.as_ref().is_some_and(|result| {
            result.was_live && result.checkup.as_ref().is_some_and(|checkup| !checkup.is_healthy())
        });
    ui.add_enabled_ui(!is_busy, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            let (label, help) =
                if has_result { ("card.again", "card.again-help") } else { ("panel.check-up", "panel.check-up-help") };
            let has_fixes = pane.checkup.result.as_ref().and_then(CheckupResult::verdict).is_some_and(has_open_action);
            let pressed = pane.checkup.result.as_ref().is_some_and(|result| !result.pressed.is_empty());
            let is_main = !has_fixes || pressed;
            if widgets::button(ui, &language.word(label), is_main, &language.word(help)).clicked() {
                pane.check_up(shell);
            }
            if is_open_question {
                let label = language.word("card.try-else");
                if widgets::button(ui, &label, false, &language.word("card.try-else-help")).clicked() {
                    pane.try_everything(shell);
                }
            }
            if pane.spec.backends().len() > 1 {
                let label = language.word("card.compare");
                if widgets::button(ui, &label, false, &language.word("card.compare-help")).clicked() {
                    shell.sheet = Some(Sheet::Comparison);
                }
            }
            let label = language.word("card.report");
            if has_result && widgets::button(ui, &label, false, &language.word("card.report-help")).clicked() {
                pane.open_report(shell);
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
