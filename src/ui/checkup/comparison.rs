//! The camera through each of its backends: the question first, then a row for each as it comes, and the best to be taken.

use egui::{Grid, Label, RichText, ScrollArea, Ui};

use crate::backend::Backend;
use crate::checkup::compare::BackendComparison;
use crate::checkup::facts::StreamSummary;
use crate::phrases::{Language, Message};
use crate::settings::CameraSettings;
use crate::ui::choice::CameraChoice;
use crate::ui::pane::Pane;
use crate::ui::shell::{Sheet, Shell, WindowRequest};
use crate::ui::text;
use crate::ui::theme::{self, Palette, SMALL};
use crate::ui::widgets;

/// A comparison that runs or has ended.
#[derive(Default)]
pub struct Comparison {
    pub(super) rows: Vec<StreamSummary>,
    best: Option<Backend>,
    state: ComparisonState,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ComparisonState {
    #[default]
    Running,
    Done,
    Cancelled,
    Crashed,
}

impl Comparison {
    /// `None` while it runs.
    pub(super) fn compared(&self) -> Option<BackendComparison> {
        let is_done = self.state == ComparisonState::Done;
        is_done.then(|| BackendComparison { rows: self.rows.clone(), best: self.best })
    }

    pub(super) fn end(&mut self, compared: Option<BackendComparison>, is_cancelled: bool) {
        match compared {
            // The last row is that of a backend that was not let finish: nothing is concluded from it.
            Some(_) if is_cancelled => self.state = ComparisonState::Cancelled,
            Some(compared) => {
                self.rows = compared.rows;
                self.best = compared.best;
                self.state = ComparisonState::Done;
            }
            None => self.state = ComparisonState::Crashed,
        }
    }
}

/// Seconds that one backend takes, about.
const SECS_EACH: usize = 5;

/// What a camera is remembered by: its identity where it is listed, so that a number that names another camera later does not
/// get its backend.
fn camera(pane: &Pane, shell: &Shell) -> String {
    let listed = shell.listed(&pane.spec);
    listed.map_or_else(|| pane.spec.without_password(), |camera| camera.device.identity.clone())
}

impl Pane {
    /// What was found to be the best for this camera.
    pub(in crate::ui) fn kept_backend(&self, shell: &Shell) -> Option<Backend> {
        let kept = shell.settings_of(self, &camera(self, shell)).best_backend;
        kept.filter(|backend| self.spec.backends().contains(backend))
    }

    pub(in crate::ui) fn forget_backend(&mut self, shell: &mut Shell) {
        let camera = camera(self, shell);
        shell.change_settings_of(self, &camera, |settings| settings.best_backend = None);
    }

    /// From now on this is what `auto` means for this camera.
    fn keep_backend(&mut self, shell: &mut Shell, backend: Backend) {
        let shown = self.settings.clone();
        let camera = camera(self, shell);
        shell.change_settings_of(self, &camera, |settings| {
            // Named by a number or a path so far: what is set there goes with it.
            if settings.source != shown.source {
                let CameraSettings { id, source, control_presets, .. } = std::mem::take(settings);
                *settings = CameraSettings { id, source, control_presets, ..shown };
            }
            (settings.backend, settings.best_backend) = (None, Some(backend));
        });
        self.settings.backend = None;
        // Opened by a number or a path it would not be known again.
        if let Some(spec) = shell.listed(&self.spec).map(CameraChoice::spec).filter(|spec| *spec != self.spec) {
            shell.requests.push(WindowRequest::Choose(self.id(), spec));
        }
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    if shell.sheet != Some(Sheet::Comparison) {
        return;
    }
    let language = shell.language();
    let backends = pane.spec.backends();
    let mut open = true;
    let (mut begins, mut ends, mut taken) = (false, false, None);
    widgets::sheet(ctx, &language.word("compare.title"), 760.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        let palette = Palette::of(ui);
        let is_running = pane.checkup.running.as_ref().is_some_and(|running| running.checkup.is_none());
        let n_secs = backends.len() * SECS_EACH;
        let intro = Message::new("compare.intro").with("seconds", n_secs.to_string());
        ui.add(Label::new(RichText::new(language.say(&intro)).color(palette.text)).wrap());
        if let Some(comparison) = &pane.checkup.comparison {
            let since =
                pane.checkup.running.as_ref().map(|running| shell.now.saturating_duration_since(running.started_at));
            ScrollArea::horizontal()
                .id_salt("backends")
                .auto_shrink([false, true])
                .show(ui, |ui| table(ui, language, &backends, comparison, since.filter(|_| is_running)));
            // Longer than any column.
            for (row, fault) in comparison.rows.iter().filter_map(|row| Some((row, row.fault.as_ref()?))) {
                let name = row.backend.map_or("–", Backend::label);
                let words = format!("{name}: {}", text::sentence(&fault.message));
                ui.add(Label::new(RichText::new(words).size(SMALL).color(palette.text_weak)).wrap());
            }
            if !is_running {
                let (words, color) = ending(comparison, language, &palette);
                ui.add(Label::new(RichText::new(words).color(color)).wrap());
            }
        }
        if is_running {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
        }
        ui.horizontal_wrapped(|ui| {
            let best = pane.checkup.comparison.as_ref().filter(|_| !is_running).and_then(|comparison| comparison.best);
            if let Some(best) = best {
                let is_kept = pane.kept_backend(shell) == Some(best) && pane.settings.backend.is_none();
                let label = language.say(&Message::new("compare.take").with("backend", best.label()));
                ui.add_enabled_ui(!is_kept, |ui| {
                    let help = language.word("compare.take-help");
                    if widgets::button(ui, &label, true, &help).clicked() {
                        taken = Some(best);
                    }
                });
            }
            if is_running {
                let label = language.word("panel.cancel");
                ends = widgets::button(ui, &label, false, &language.word("panel.cancel-help")).clicked();
            } else {
                let is_first = pane.checkup.comparison.is_none();
                let label = language.word(if is_first { "compare.begin" } else { "compare.again" });
                begins = widgets::button(ui, &label, is_first, &language.word("compare.begin-help")).clicked();
            }
        });
    });
    if begins {
        pane.compare_backends(shell);
    }
    if let Some(backend) = taken {
        pane.keep_backend(shell, backend);
    }
    let is_running =
        pane.checkup.running.as_ref().is_some_and(|running| running.checkup.is_none() && !running.is_cancelled());
    if (ends || !open) && is_running && !begins {
        pane.checkup.cancel();
    }
    if !open {
        shell.sheet = None;
    }
}

fn ending(comparison: &Comparison, language: Language, palette: &Palette) -> (String, egui::Color32) {
    match (comparison.state, comparison.best) {
        (ComparisonState::Cancelled, _) => (language.word("compare.cancelled"), palette.text),
        (ComparisonState::Crashed, _) => (language.word("panel.crashed"), palette.warning),
        (_, Some(best)) => {
            (language.say(&Message::new("compare.best").with("backend", best.label())), palette.text_strong)
        }
        (_, None) => (language.word("compare.none"), palette.warning),
    }
}

const COLUMNS: [&str; 8] = [
    "compare.backend",
    "compare.open",
    "compare.first-frame",
    "compare.fps",
    "compare.jitter",
    "compare.lost",
    "compare.format",
    "compare.cpu",
];

/// A row for each backend from the beginning: they are filled in from the top.
fn table(
    ui: &mut Ui,
    language: Language,
    backends: &[Backend],
    comparison: &Comparison,
    running_since: Option<std::time::Duration>,
) {
    let palette = Palette::of(ui);
    let mut listed: Vec<Option<Backend>> = backends.iter().copied().map(Some).collect();
    listed.extend(
        comparison
            .rows
            .iter()
            .map(|row| row.backend)
            .filter(|backend| backend.is_none_or(|backend| !backends.contains(&backend))),
    );
    Grid::new("comparison").num_columns(COLUMNS.len()).min_row_height(26.0).spacing([16.0, 2.0]).show(ui, |ui| {
        for column in COLUMNS {
            ui.label(RichText::new(language.word(column)).font(theme::semibold(SMALL)).color(palette.text_label));
        }
        ui.end_row();
        for (index, backend) in listed.into_iter().enumerate() {
            let name = backend.map_or_else(|| "–".to_owned(), |backend| backend.label().to_owned());
            let row = comparison.rows.iter().find(|row| row.backend == backend);
            let is_best = backend.is_some() && comparison.best == backend;
            let font = if is_best { theme::semibold(theme::BODY) } else { theme::regular(theme::BODY) };
            let name = if is_best { format!("{name} ✓") } else { name };
            ui.label(RichText::new(name).font(font).color(if is_best { palette.good } else { palette.text }));
            match row {
                Some(row) => cells(ui, language, row, &palette),
                None if running_since.is_some() && index == comparison.rows.len() => {
                    let (rect, _) = ui.allocate_exact_size(egui::vec2(20.0, 20.0), egui::Sense::hover());
                    widgets::spinner(ui.painter(), rect.center(), running_since.unwrap_or_default(), palette.info);
                    ui.label(RichText::new(language.word("panel.running")).size(SMALL).color(palette.info));
                }
                None => {
                    ui.label(RichText::new("–").color(palette.text_weak));
                }
            }
            ui.end_row();
        }
    });
}

fn cells(ui: &mut Ui, language: Language, row: &StreamSummary, palette: &Palette) {
    if let Some(fault) = &row.fault {
        let words = format!("! {}", language.word("compare.failed"));
        ui.label(RichText::new(words).color(palette.error)).on_hover_text(fault.message.as_str());
        return;
    }
    let dash = || "–".to_owned();
    let ms = |ms: Option<u64>| ms.map_or_else(dash, |ms| format!("{} ms", text::count(ms)));
    let format = row.got.format.map(|format| format.to_string());
    let size = row.got.size.map(crate::ui::source::spelled);
    let format: Vec<_> = [format, size].into_iter().flatten().collect();
    let cells = [
        ms(row.open_ms),
        ms(row.first_frame_ms),
        row.fps.map_or_else(dash, |fps| format!("{fps:.1} fps")),
        row.jitter_ms.map_or_else(dash, |jitter| format!("{jitter:.1} ms")),
        text::count(row.n_lost.saturating_add(row.n_damaged)),
        if format.is_empty() { dash() } else { format.join(" ") },
        row.cpu_percent.map_or_else(dash, |cpu| format!("{cpu:.0} %")),
    ];
    for cell in cells {
        ui.label(RichText::new(cell).color(palette.text));
    }
}
