//! The report before it is saved: what it holds, and what of that is nobody's business.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use egui::{Grid, Label, RichText, Ui, vec2};
use jiff::Timestamp;

use super::background::{Task, WindowHandle};
use super::pane::Pane;
use super::player::started_words;
use super::prompt::Purpose;
use super::shell::Shell;
use super::text;
use super::theme::{self, Palette, SMALL};
use super::widgets;
use crate::checkup::Checkup;
use crate::checkup::compare::BackendComparison;
use crate::clips::Clip;
use crate::event::{self, Event};
use crate::frame::Frame;
use crate::health::History;
use crate::phrases::{Language, Message};
use crate::recorder::RecorderNews;
use crate::report::{MAX_CLIP_BYTES, MaskedKind, Masking, Material, Report, read_clip};
use crate::settings;
use crate::source::SourceSpec;

/// The open dialogue.
pub struct ReportDialog {
    /// Of the newest preview that was asked for: what an earlier one shows is masked otherwise.
    number: u64,
    masking: Masking,
    /// The clip of a fault goes with it.
    has_clip: bool,
    report: Option<Arc<Report>>,
}

/// What the window knows for a report.
#[derive(Clone, Debug)]
pub struct ReportInput {
    checkup: Checkup,
    compared: Option<BackendComparison>,
    began: Timestamp,
    spec: SourceSpec,
    language: Language,
    events: Vec<Arc<Event>>,
    history: Arc<History>,
    /// When the history was as it is.
    now: Instant,
    frame: Option<Arc<Frame>>,
    recorder: Option<RecorderNews>,
    /// What goes with it.
    clip: Option<Clip>,
}

impl ReportInput {
    /// The report, with what the disk has, in the folder `data`, and what the system tells. Not for the window's thread.
    #[must_use]
    pub fn report(self, data: Option<&Path>, masking: &Masking) -> Report {
        let Self { checkup, compared, began, spec, language, events, history, now, frame, recorder, clip } = self;
        let mut material = Material::gathered(checkup, compared, &spec, began, data, language);
        material.recorder = recorder;
        // The picture that the check-up has judged, or else the one that is shown.
        material.snapshot = material.snapshot.or_else(|| frame.map(|frame| frame.image.clone()));
        let report = Report::build(&material.and_this_run(&events, &history, now), masking);
        match clip {
            // One that cannot be read, or was deleted meanwhile, is left out as one that is too large.
            Some(clip) => report.with_clip(read_clip(&clip.path, clip.about(), MAX_CLIP_BYTES).ok().flatten()),
            None => report,
        }
    }
}

impl Pane {
    /// Shows what a report would hold.
    pub fn open_report(&mut self, shell: &mut Shell) {
        let number = shell.report.as_ref().map_or(0, |dialog| dialog.number);
        shell.report = Some(ReportDialog { number, masking: Masking::default(), has_clip: false, report: None });
        shell.list_clips();
        self.preview_report(shell);
    }

    fn preview_report(&mut self, shell: &mut Shell) {
        let has_clip = shell.report.as_ref().is_some_and(|dialog| dialog.has_clip);
        let at = event::now();
        let ago = self.checkup.began_at().map(|began| shell.now.saturating_duration_since(began)).unwrap_or_default();
        let mut checkup = self.checkup.checkup().cloned().unwrap_or_default();
        checkup.status = checkup.status.or_else(|| self.status.as_deref().cloned());
        let input = ReportInput {
            checkup,
            compared: self.checkup.compared(),
            began: at.checked_sub(ago).unwrap_or(at),
            spec: self.spec.clone(),
            language: shell.language(),
            events: shell.log.events_of(self, shell).cloned().collect(),
            history: Arc::clone(&self.history),
            now: shell.now,
            frame: self.frame.clone(),
            recorder: self.recording.news.clone(),
            clip: has_clip.then(|| shell.clips.newest_of_fault(&self.spec.to_string()).cloned()).flatten(),
        };
        let Some(dialog) = &mut shell.report else { return };
        dialog.number += 1;
        let (number, masking) = (dialog.number, dialog.masking.clone());
        let data = if shell.has_records { settings::data_folder() } else { None };
        shell.run(MakeReport { number, input, data, masking });
    }
}

impl Shell {
    /// The report of this number is ready.
    pub fn hear_report(&mut self, number: u64, report: Arc<Report>) {
        if let Some(dialog) = self.report.as_mut().filter(|dialog| dialog.number == number) {
            dialog.report = Some(report);
        }
    }

    /// Where it is to be saved.
    pub(super) fn save_report(&mut self, path: &str) {
        let Some(dialog) = self.report.take() else { return };
        if let Some(report) = dialog.report {
            self.run(SaveReport { report, path: with_ending(Path::new(path)) });
        }
    }
}

/// Makes a report to be looked at.
struct MakeReport {
    number: u64,
    input: ReportInput,
    /// The folder with log and history.
    data: Option<PathBuf>,
    masking: Masking,
}

impl fmt::Debug for MakeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeReport")
            .field("number", &self.number)
            .field("masking", &self.masking)
            .finish_non_exhaustive()
    }
}

impl Task for MakeReport {
    fn thread_name(&self) -> &'static str {
        "make-report"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { number, input, data, masking } = *self;
        let report = Arc::new(input.report(data.as_deref(), &masking));
        window.deliver(move |window| window.shell.hear_report(number, report));
    }
}

struct SaveReport {
    report: Arc<Report>,
    path: PathBuf,
}

impl fmt::Debug for SaveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaveReport").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Task for SaveReport {
    fn thread_name(&self) -> &'static str {
        "save-report"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { report, path } = *self;
        match report.save(&path) {
            Ok(()) => {
                window.update(move |window| window.shell.saved("Report", &path));
            }
            Err(why) => window.fail(why),
        }
    }
}

/// As a zip is named.
pub(super) fn with_ending(path: &Path) -> PathBuf {
    let is_zip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    if is_zip { path.to_owned() } else { PathBuf::from(format!("{}.zip", path.display())) }
}

/// A name for the file that tells which camera and when.
#[must_use]
pub fn suggestion(pane: &Pane) -> String {
    let name = pane.status.as_ref().map_or_else(|| pane.spec.name(), |status| status.name.to_string());
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).take(40).collect();
    let at = event::now().to_zoned(jiff::tz::TimeZone::system());
    format!("camclinic-{}-{}.zip", name.trim_matches('_'), at.strftime("%Y-%m-%d_%H-%M"))
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    // The field for its path lies over it.
    if shell.prompt.is_some() {
        return;
    }
    let Some(mut dialog) = shell.report.take() else { return };
    let language = shell.language();
    let mut open = true;
    let (mut is_changed, mut is_wanted, mut is_left) = (false, false, false);
    widgets::sheet(ctx, &language.word("report.save"), 520.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        let color = Palette::of(ui).text;
        ui.add(Label::new(RichText::new(language.word("report.intro")).color(color)).wrap());
        if pane.checkup.checkup().is_none() {
            let color = Palette::of(ui).warning;
            let words = format!("⚠ {}", language.word("report.no-checkup"));
            ui.add(Label::new(RichText::new(words).color(color)).wrap());
        }
        contents(&dialog, language, ui);
        is_changed = unmasking(&mut dialog.masking, language, ui);
        if let Some(clip) = shell.clips.newest_of_fault(&pane.spec.to_string()) {
            is_changed |= offer_clip(clip, &mut dialog.has_clip, language, ui);
        }
        ui.horizontal_wrapped(|ui| {
            ui.add_enabled_ui(dialog.report.is_some(), |ui| {
                let help = language.word("report.save-as-help");
                is_wanted = widgets::button(ui, &language.word("report.save-as"), true, &help).clicked();
            });
            is_left = widgets::button(ui, &language.word("panel.cancel"), false, &language.word("report.leave-help"))
                .clicked();
        });
    });
    if !open || is_left {
        return;
    }
    if is_changed {
        dialog.report = None;
    }
    shell.report = Some(dialog);
    if is_changed {
        pane.preview_report(shell);
    }
    if is_wanted {
        pane.browse(shell, Purpose::Report);
    }
}

/// Each member of the file with its size, and what was masked. As high while it is being made.
fn contents(dialog: &ReportDialog, language: Language, ui: &mut Ui) {
    let palette = Palette::of(ui);
    let small = |words: String| RichText::new(words).size(SMALL).color(palette.text_weak);
    let members = dialog.report.as_ref().map(|report| report.members()).unwrap_or_default();
    Grid::new("members").num_columns(3).min_row_height(18.0).spacing([14.0, 3.0]).show(ui, |ui| {
        let key = |name: &str| match name {
            "report.html" => "report.member-html",
            "report.json" => "report.member-json",
            "clip.mp4" => "report.member-mp4",
            _ => "report.member-jpg",
        };
        for (name, n_bytes) in &members {
            ui.label(RichText::new(*name).font(theme::semibold(theme::BODY)).color(palette.text_strong));
            ui.label(RichText::new(language.word(key(name))).color(palette.text));
            ui.label(small(text::file_size(*n_bytes)));
            ui.end_row();
        }
        if members.is_empty() {
            ui.label(RichText::new(language.word("report.preparing")).color(palette.text_weak));
            ui.end_row();
        }
    });
    let Some(report) = &dialog.report else { return };
    let summary = report.summary(language);
    let words = if summary.is_empty() { language.word("report.masked-none") } else { summary.join(" · ") };
    ui.add(Label::new(small(format!("{}: {words}", language.word("report.masked")))).wrap());
}

/// Whether the clip is to go with it from now on, or no more. Nobody's picture is sent without being asked.
fn offer_clip(clip: &Clip, has_clip: &mut bool, language: Language, ui: &mut Ui) -> bool {
    let size = text::file_size(usize::try_from(clip.bytes).unwrap_or(usize::MAX));
    let label = Message::new("report.add-clip").with("at", started_words(clip)).with("size", size);
    ui.checkbox(has_clip, language.say(&label)).on_hover_text(language.word("report.add-clip-help")).changed()
}

/// Whether something is to be masked otherwise.
fn unmasking(masking: &mut Masking, language: Language, ui: &mut Ui) -> bool {
    let palette = Palette::of(ui);
    let mut is_changed = false;
    ui.label(
        RichText::new(language.word("report.unmask")).font(theme::semibold(theme::BODY)).color(palette.text_label),
    );
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(16.0, 4.0);
        for kind in MaskedKind::ALL {
            let mut is_shown = !masking.hides(kind);
            let label = text::capitalised(&language.word(kind.key()));
            if ui.checkbox(&mut is_shown, label).on_hover_text(language.word("report.unmask-help")).changed() {
                masking.set(kind, !is_shown);
                is_changed = true;
            }
        }
    });
    let words = RichText::new(language.word("report.secrets-always")).size(SMALL).color(palette.text_weak);
    ui.add(Label::new(words).wrap());
    is_changed
}
