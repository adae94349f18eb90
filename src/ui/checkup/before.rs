//! Before and after a fix, side by side.

use egui::{Grid, Label, RichText, Ui};

use super::CheckupState;
use crate::checkup::Checkup;
use crate::phrases::{Language, number};
use crate::phrases::{Message, MessageValue};
use crate::ui::theme::{self, Palette, SMALL};

/// What is compared: its name, and its value where it was measured.
type Figure = (&'static str, fn(&Checkup) -> Option<f64>, u8, &'static str);

const FIGURES: [Figure; 7] = [
    ("before.fps", |checkup| checkup.facts.stream.as_ref()?.fps, 1, "fps"),
    ("before.lost", |checkup| Some(count(lost(checkup)?)), 0, ""),
    ("before.open", |checkup| Some(count(checkup.facts.opening.as_ref()?.open_ms)), 0, "ms"),
    ("before.first-frame", |checkup| Some(count(checkup.facts.opening.as_ref()?.first_frame_ms?)), 0, "ms"),
    ("before.age", |checkup| checkup.facts.stream.as_ref()?.age_ms, 0, "ms"),
    ("before.brightness", |checkup| Some(checkup.facts.picture.as_ref()?.luma.mean), 0, ""),
    ("before.focus", |checkup| checkup.facts.picture.as_ref()?.focus, 2, ""),
];

/// Of a camera whose pictures were looked at: how many never came, or came damaged.
fn lost(checkup: &Checkup) -> Option<u64> {
    let stream = checkup.facts.stream.as_ref()?;
    Some(stream.n_lost.saturating_add(stream.n_late).saturating_add(stream.n_damaged))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds and frames of one check-up")]
fn count(n: u64) -> f64 {
    n as f64
}

/// A figure in both, for people; a dash where it was not measured.
fn row(figure: &Figure, before: &Checkup, after: &Checkup, language: Language) -> Option<[String; 2]> {
    let (_, value, decimals, unit) = figure;
    let values = [before, after].map(value);
    if values.iter().all(Option::is_none) {
        return None;
    }
    let spelled = |value: Option<f64>| {
        let Some(value) = value else { return "–".to_owned() };
        let said = Message::new("before.value")
            .with("value", number(value, *decimals))
            .with("unit", MessageValue::from(*unit));
        language.say(&said).trim_end().to_owned()
    };
    Some(values.map(spelled))
}

fn verdict(checkup: &Checkup, language: Language) -> String {
    match checkup.verdict() {
        Some(finding) => language.say(&finding.judgement.title),
        None if checkup.is_healthy() => language.word("card.healthy"),
        None => language.word("card.no-verdict"),
    }
}

pub fn draw(view: &CheckupState, language: Language, ui: &mut Ui) {
    let (Some(before), Some(after)) = (&view.before, &view.result) else { return };
    let (Some(before), Some(after)) = (&before.checkup, &after.checkup) else { return };
    if after.was_cancelled {
        return;
    }
    let palette = Palette::of(ui);
    ui.add_space(4.0);
    let width = ui.available_width();
    let label_width = (width * 0.3).min(150.0);
    let column = ((width - label_width - 16.0) / 2.0).max(40.0);
    let text = |ui: &mut Ui, words: &str, width: f32, font: egui::FontId, color: egui::Color32| {
        ui.vertical(|ui| {
            ui.set_width(width);
            ui.add(Label::new(RichText::new(words).font(font).color(color)).wrap());
        });
    };
    Grid::new("before and after").num_columns(3).min_row_height(18.0).spacing([8.0, 4.0]).show(ui, |ui| {
        let bold = || theme::semibold(SMALL);
        let plain = || theme::regular(SMALL);
        text(ui, "", label_width, plain(), palette.text_weak);
        text(ui, &language.word("before.before"), column, bold(), palette.text_label);
        text(ui, &language.word("before.after"), column, bold(), palette.text_label);
        ui.end_row();
        text(ui, &language.word("before.verdict"), label_width, plain(), palette.text_weak);
        text(ui, &verdict(before, language), column, plain(), palette.text_weak);
        text(ui, &verdict(after, language), column, bold(), palette.text_strong);
        ui.end_row();
        for figure in &FIGURES {
            let Some([was, is]) = row(figure, before, after, language) else { continue };
            text(ui, &language.word(figure.0), label_width, plain(), palette.text_weak);
            text(ui, &was, column, plain(), palette.text_weak);
            // What has changed is what one looks for.
            let (font, color) = if was == is { (plain(), palette.text_weak) } else { (bold(), palette.text_strong) };
            text(ui, &is, column, font, color);
            ui.end_row();
        }
    });
    ui.add_space(4.0);
}
