//! The card on top: what is being done, or the verdict with its proof and what mends it.

use egui::{Frame, Label, Margin, ProgressBar, RichText, Stroke, Ui, pos2, vec2};

use super::{CheckupResult, CheckupState, act, ids, name, quiet, steps};
use crate::checkup::{Action, CheckOutcome, Checkup, Finding, Fix, LIKELY, Severity};
use crate::phrases::Language;
use crate::ui::pane::Pane;
use crate::ui::shell::Shell;
use crate::ui::theme::{self, Palette, SMALL};
use crate::ui::widgets;

/// Of the card of a check-up that runs: nothing below moves meanwhile.
const RUNNING_HEIGHT: f32 = 92.0;
/// More evidence than that is folded away at first.
const N_SHOWN: usize = 3;

fn card(ui: &mut Ui, surface: egui::Color32, edge: egui::Color32, contents: impl FnOnce(&mut Ui)) {
    let frame = Frame::NONE.fill(surface).stroke(Stroke::new(1.0, edge)).corner_radius(8);
    frame.inner_margin(Margin::symmetric(14, 12)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        contents(ui);
    });
}

/// A check-up on its way: what it does now, how far it is, and the way out.
pub fn running(pane: &mut Pane, language: Language, ui: &mut Ui) {
    let palette = Palette::of(ui);
    let Some((examination, progress)) = pane.checkup.progress() else { return };
    let all = ids(&progress.checks);
    let headline = match (&progress.trying, progress.running) {
        _ if examination.is_cancelled() => language.word("panel.ending"),
        (Some(trying), _) => format!("{}…", language.say(trying)),
        (None, Some((id, _))) => format!("{}…", name(language, id)),
        (None, None) => language.word("panel.starting"),
    };
    // What is known so far may still give way to something nearer.
    let so_far = progress.found.first().filter(|finding| finding.judgement.confidence >= LIKELY);
    let so_far = so_far.map(|finding| language.say(&finding.judgement.title)).unwrap_or_default();
    let share = share(progress.checks.len(), all.len());
    let words = format!("{} / {}", progress.checks.len(), all.len());
    let (is_cancelled, pauses) = (examination.is_cancelled(), pane.checkup.pauses());
    let mut cancels = false;
    card(ui, palette.raised, palette.edge, |ui| {
        ui.set_min_height(RUNNING_HEIGHT - 24.0);
        ui.horizontal(|ui| {
            let room = ui.available_width() - 76.0;
            let galley = widgets::one_line(ui.painter(), &headline, theme::semibold(15.0), palette.text_strong, room);
            let (rect, response) = ui.allocate_exact_size(vec2(room, theme::CONTROL_HEIGHT), egui::Sense::hover());
            response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Status, true, &headline));
            let at = pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
            ui.painter().galley(at, galley, palette.text_strong);
            ui.add_enabled_ui(!is_cancelled, |ui| {
                cancels =
                    widgets::button(ui, &language.word("panel.cancel"), false, &language.word("panel.cancel-help"))
                        .clicked();
            });
        });
        let bar = ProgressBar::new(share).desired_height(6.0).fill(palette.accent);
        ui.add(bar).widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::ProgressIndicator, true, &words));
        let color = palette.text_weak;
        ui.add(Label::new(RichText::new(&so_far).size(SMALL).color(palette.text)).truncate());
        let remark = if pauses { "panel.paused" } else { "panel.undisturbed" };
        ui.add(Label::new(RichText::new(language.word(remark)).size(SMALL).color(color)).wrap());
    });
    if cancels {
        pane.checkup.cancel();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few checks")]
fn share(n: usize, of: usize) -> f32 {
    if of == 0 { 0.0 } else { n as f32 / of as f32 }
}

/// What came of it. Returns the fix whose button was pressed, by its place, with what it is to do.
pub fn outcome(pane: &mut Pane, shell: &mut Shell, language: Language, ui: &mut Ui) -> Option<(usize, Action)> {
    let palette = Palette::of(ui);
    let result = pane.checkup.result.take()?;
    let (mut wanted, mut watches) = (None, false);
    match (&result.checkup, result.verdict()) {
        (None, _) => plain(ui, &palette, &language.word("panel.crashed"), &language.word("panel.crashed-because")),
        (Some(_), Some(finding)) => wanted = verdict(pane, shell, &result, finding, language, ui),
        (Some(checkup), None) if checkup.was_cancelled => {
            plain(ui, &palette, &language.word("card.cancelled"), &language.word("panel.cancelled-because"));
        }
        (Some(checkup), None) => {
            if checkup.is_healthy() {
                healthy(checkup, language, ui);
            } else {
                plain(ui, &palette, &language.word("card.no-verdict"), &language.word("card.no-verdict-because"));
            }
            watches = watch_offer(&palette, language, ui);
        }
    }
    if watches {
        pane.watch_until_it_happens(shell);
    }
    pane.checkup.result = Some(result);
    wanted
}

/// For what comes and goes, and did not come. Whether it was taken.
fn watch_offer(palette: &Palette, language: Language, ui: &mut Ui) -> bool {
    let words = RichText::new(language.word("panel.watch-because")).size(SMALL).color(palette.text_weak);
    ui.add(Label::new(words).wrap());
    widgets::button(ui, &language.word("panel.watch"), false, &language.word("panel.watch-help")).clicked()
}

fn plain(ui: &mut Ui, palette: &Palette, headline: &str, words: &str) {
    card(ui, palette.raised, palette.edge, |ui| {
        title(ui, headline, palette.text_strong);
        ui.add(Label::new(RichText::new(words).color(palette.text)).wrap());
    });
}

fn title(ui: &mut Ui, words: &str, color: egui::Color32) {
    ui.add(Label::new(RichText::new(words).font(theme::semibold(15.5)).color(color)).wrap());
}

fn healthy(checkup: &Checkup, language: Language, ui: &mut Ui) {
    let palette = Palette::of(ui);
    let edge = theme::mix(palette.good_surface, palette.good, 0.3);
    card(ui, palette.good_surface, edge, |ui| {
        marked(ui, CheckOutcome::Good, palette.good, &language.word("card.healthy"));
        ui.add(Label::new(RichText::new(language.word("card.healthy-because")).color(palette.text)).wrap());
        let good = checkup.checks.iter().filter(|checked| checked.outcome == CheckOutcome::Good);
        let names: Vec<_> = good.map(|checked| name(language, checked.id)).collect();
        if !names.is_empty() {
            ui.add(Label::new(RichText::new(names.join(" · ")).size(SMALL).color(palette.text_weak)).wrap());
        }
    });
}

/// A title with the sign of an outcome before it.
fn marked(ui: &mut Ui, outcome: CheckOutcome, color: egui::Color32, words: &str) {
    ui.horizontal_top(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(14.0, 20.0), egui::Sense::hover());
        steps::mark(ui.painter(), rect.center(), outcome, color);
        ui.vertical(|ui| {
            title(ui, words, if outcome == CheckOutcome::Good { color } else { Palette::of(ui).text_strong });
        });
    });
}

fn verdict(
    pane: &mut Pane,
    shell: &mut Shell,
    result: &CheckupResult,
    finding: &Finding,
    language: Language,
    ui: &mut Ui,
) -> Option<(usize, Action)> {
    let palette = Palette::of(ui);
    let (outcome, surface, color) = match finding.entry.severity {
        Severity::Critical => (CheckOutcome::Bad, palette.error_surface, palette.error),
        Severity::Warning => (CheckOutcome::Warning, palette.warning_surface, palette.warning),
    };
    let judgement = &finding.judgement;
    let mut wanted = None;
    // A touch of its colour: text must be easy to read for longer than a glance.
    let (surface, edge) = (theme::mix(palette.raised, surface, 0.45), theme::mix(palette.edge, color, 0.45));
    card(ui, surface, edge, |ui| {
        marked(ui, outcome, color, &language.say(&judgement.title));
        ui.add(Label::new(RichText::new(language.say(&judgement.because)).color(palette.text)).wrap());
        let sure = format!("{} · {}", language.word(judgement.certainty()), finding.entry.id);
        ui.add(Label::new(RichText::new(sure).size(SMALL).color(palette.text_weak)).wrap());
        proof(ui, finding, language, &mut pane.checkup.folds.proof);
        if !judgement.fixes.is_empty() {
            ui.add_space(2.0);
            heading(ui, &language.word("card.fixes"));
        }
        let first_action = judgement.fixes.iter().position(|fix| fix.action.is_some());
        for (index, fix) in judgement.fixes.iter().enumerate() {
            let is_main = Some(index) == first_action && result.pressed.is_empty();
            ui.push_id(index, |ui| {
                if let Some(action) = fix_row(pane, shell, ui, language, index, fix, is_main) {
                    wanted = Some((index, action));
                }
            });
        }
        if !result.pressed.is_empty() {
            quiet(ui, &language.word("panel.pressed"));
        }
    });
    wanted
}

fn heading(ui: &mut Ui, words: &str) {
    let color = Palette::of(ui).text_label;
    ui.label(RichText::new(words).font(theme::semibold(SMALL)).color(color));
}

/// What speaks for it, line by line.
fn proof(ui: &mut Ui, finding: &Finding, language: Language, is_turned: &mut bool) {
    let lines = &finding.judgement.evidence;
    if lines.is_empty() {
        return;
    }
    let is_short = lines.len() <= N_SHOWN;
    if super::fold(ui, &language.word("card.proof"), &lines.len().to_string(), is_turned, is_short) {
        for line in lines {
            bullet(ui, "•", &language.say(line));
        }
    }
}

/// A text beside its number, so that its lines stand under each other.
fn bullet(ui: &mut Ui, sign: &str, words: &str) {
    let palette = Palette::of(ui);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let (rect, _) = ui.allocate_exact_size(vec2(16.0, 17.0), egui::Sense::hover());
        let at = pos2(rect.left(), rect.center().y);
        ui.painter().text(at, egui::Align2::LEFT_CENTER, sign, theme::regular(theme::BODY), palette.text_weak);
        ui.vertical(|ui| ui.add(Label::new(RichText::new(words).color(palette.text)).wrap()));
    });
}

fn fix_row(
    pane: &mut Pane,
    shell: &mut Shell,
    ui: &mut Ui,
    language: Language,
    index: usize,
    fix: &Fix,
    is_main: bool,
) -> Option<Action> {
    const INDENT: f32 = 20.0;
    let mut wanted = None;
    bullet(ui, &format!("{}.", index + 1), &language.say(&fix.text));
    if let Some(action) = &fix.action {
        ui.horizontal_wrapped(|ui| {
            ui.add_space(INDENT);
            let why_not = act::why_not(pane, shell, action);
            ui.add_enabled_ui(why_not.is_none(), |ui| {
                let label = language.say(&act::label(pane, action));
                let help = language.word(act::help(action));
                let response = widgets::button(ui, &label, is_main, &help);
                if response.on_disabled_hover_text(why_not.map(|key| language.word(key)).unwrap_or_default()).clicked()
                {
                    wanted = Some(action.clone());
                }
            });
        });
    }
    if let Some(command) = &fix.command {
        ui.horizontal_top(|ui| {
            ui.add_space(INDENT);
            ui.vertical(|ui| command_box(shell, ui, language, command));
        });
    }
    wanted
}

/// What somebody with more rights can run, to be copied.
fn command_box(shell: &mut Shell, ui: &mut Ui, language: Language, command: &str) {
    let palette = Palette::of(ui);
    let label = language.word("panel.copy");
    Frame::NONE.fill(palette.sunken).corner_radius(theme::RADIUS).inner_margin(Margin::symmetric(8, 6)).show(
        ui,
        |ui| {
            ui.set_width(ui.available_width());
            let words = RichText::new(command).monospace().color(palette.text);
            ui.add(Label::new(words).wrap().selectable(true));
            if widgets::button(ui, &label, false, &language.word("panel.copy-help")).clicked() {
                ui.ctx().copy_text(command.to_owned());
                shell.toasts.info(language.word("panel.copied"), shell.now);
            }
        },
    );
}

/// What was found besides the verdict: other causes, and hints.
pub fn others(view: &mut CheckupState, language: Language, ui: &mut Ui) {
    let Some(checkup) = view.result.as_ref().and_then(|result| result.checkup.as_ref()) else { return };
    let others = checkup.findings.get(usize::from(checkup.verdict().is_some())..).unwrap_or_default();
    if others.is_empty() {
        return;
    }
    let title = language.word("card.others");
    if !super::fold(ui, &title, &others.len().to_string(), &mut view.folds.others, false) {
        return;
    }
    let palette = Palette::of(ui);
    for finding in others {
        let (outcome, color) = match (finding.judgement.confidence >= LIKELY, finding.entry.severity) {
            (false, _) => (CheckOutcome::Skipped, palette.text_weak),
            (true, Severity::Warning) => (CheckOutcome::Warning, palette.warning),
            (true, Severity::Critical) => (CheckOutcome::Bad, palette.error),
        };
        ui.horizontal_top(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(14.0, 17.0), egui::Sense::hover());
            steps::mark(ui.painter(), rect.center(), outcome, color);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.add(Label::new(RichText::new(language.say(&finding.judgement.title)).color(palette.text)).wrap());
                let because = language.say(&finding.judgement.because);
                let sure = language.word(finding.judgement.certainty());
                quiet(ui, &format!("{because} {sure} · {}", finding.entry.id));
                for fix in &finding.judgement.fixes {
                    quiet(ui, &format!("→ {}", language.say(&fix.text)));
                }
            });
        });
        ui.add_space(2.0);
    }
}
