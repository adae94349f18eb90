//! The checks, each with its outcome, time and reason. Every check has its place from the beginning, so that nothing moves
//! while they run.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Align2, Color32, Sense, Ui, WidgetInfo, pos2, vec2};

use super::{CheckupResult, ids, name};
use crate::checkup::{CheckOutcome, CheckRun};
use crate::phrases::Language;
use crate::ui::pane::Pane;
use crate::ui::shell::Shell;
use crate::ui::text;
use crate::ui::theme::{self, Palette, SMALL};
use crate::ui::widgets::{self, Icon};

/// Two lines.
const HEIGHT: f32 = 38.0;
/// On one line with its reason, where there is room for both.
const WIDE: f32 = 520.0;
const WIDE_HEIGHT: f32 = 25.0;

/// One check as it stands.
enum CheckStep<'a> {
    /// Its turn has not come.
    Waiting,
    Running(Duration),
    Ended(&'a CheckRun),
    /// The check-up was over before.
    Left,
}

pub fn draw(pane: &Pane, shell: &Shell, language: Language, ui: &mut Ui) {
    let state = &pane.checkup;
    let run = state.progress();
    let checks = match run {
        Some((_, run)) => &run.checks,
        None => match state.result.as_ref().and_then(|result: &CheckupResult| result.checkup.as_ref()) {
            Some(checkup) => &checkup.checks,
            None => return,
        },
    };
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    for id in ids(checks) {
        let step = match (checks.iter().find(|checked| checked.id == id), run) {
            (Some(checked), _) => CheckStep::Ended(checked),
            (None, Some((_, run))) => match run.running {
                Some((running, since)) if running == id => {
                    CheckStep::Running(shell.now.saturating_duration_since(since))
                }
                _ => CheckStep::Waiting,
            },
            (None, None) => CheckStep::Left,
        };
        row(ui, language, &name(language, id), &step);
    }
    ui.spacing_mut().item_spacing.y = gap;
}

/// The word for an outcome.
pub fn word(language: Language, outcome: CheckOutcome) -> String {
    language.word(match outcome {
        CheckOutcome::Good => "outcome.good",
        CheckOutcome::Warning => "outcome.warning",
        CheckOutcome::Bad => "outcome.bad",
        CheckOutcome::Skipped => "outcome.skipped",
    })
}

/// The colour of an outcome.
pub fn color(palette: &Palette, outcome: CheckOutcome) -> Color32 {
    match outcome {
        CheckOutcome::Good => palette.good,
        CheckOutcome::Warning => palette.warning,
        CheckOutcome::Bad => palette.error,
        CheckOutcome::Skipped => palette.text_weak,
    }
}

/// The sign of an outcome: a shape of its own for each, so that colour does not have to be seen.
pub fn mark(painter: &egui::Painter, center: egui::Pos2, outcome: CheckOutcome, color: Color32) {
    match outcome {
        CheckOutcome::Good => Icon::Check.paint(painter, center, 9.0, color),
        CheckOutcome::Bad => Icon::Cross.paint(painter, center, 9.0, color),
        CheckOutcome::Skipped => Icon::Dash.paint(painter, center, 9.0, color),
        CheckOutcome::Warning => {
            painter.text(center, Align2::CENTER_CENTER, "!", theme::semibold(14.0), color);
        }
    }
}

fn row(ui: &mut Ui, language: Language, name: &str, step: &CheckStep<'_>) {
    const LEFT: f32 = 24.0;
    const WORD_LEFT: f32 = 190.0;
    const WHY_LEFT: f32 = 270.0;
    const GAP: f32 = 8.0;
    let palette = Palette::of(ui);
    let is_wide = ui.available_width() >= WIDE;
    let height = if is_wide { WIDE_HEIGHT } else { HEIGHT };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let (state, color, ms, why) = match step {
        CheckStep::Waiting => (String::new(), palette.text_weak, String::new(), String::new()),
        CheckStep::Left => (language.word("panel.not-done"), palette.text_weak, String::new(), String::new()),
        CheckStep::Running(_) => (language.word("panel.running"), palette.info, String::new(), String::new()),
        CheckStep::Ended(checked) => {
            let is_skipped = checked.outcome == CheckOutcome::Skipped && checked.took_ms == 0;
            let ms = if is_skipped { String::new() } else { spelled_ms(checked.took_ms) };
            {
                let why = text::capitalised(&language.say(&checked.why));
                (word(language, checked.outcome), self::color(&palette, checked.outcome), ms, why)
            }
        }
    };
    let spoken: Vec<_> = [name, &state, &ms, &why].into_iter().filter(|part| !part.is_empty()).collect();
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, spoken.join(", ")));
    let mut is_cut = false;
    if ui.is_rect_visible(rect) {
        let painter = ui.painter();
        let upper = if is_wide { rect.center().y } else { rect.top() + 11.0 };
        let center = pos2(rect.left() + 9.0, upper);
        match step {
            CheckStep::Waiting => {}
            CheckStep::Running(since) => widgets::spinner(painter, center, *since, color),
            CheckStep::Ended(checked) => mark(painter, center, checked.outcome, color),
            CheckStep::Left => mark(painter, center, CheckOutcome::Skipped, color),
        }
        let mut put = |text: &str, left: f32, y: f32, size: f32, color: Color32, room: f32| {
            let galley = widgets::one_line(painter, text, theme::regular(size), color, room);
            is_cut |= galley.elided;
            let width = galley.size().x;
            painter.galley(pos2(left, y - galley.size().y / 2.0), galley, color);
            width
        };
        let strong = match step {
            CheckStep::Waiting | CheckStep::Left => palette.text_weak,
            CheckStep::Running(_) | CheckStep::Ended(_) => palette.text,
        };
        let right = rect.right() - 2.0;
        let ms_width = painter
            .text(pos2(right, upper), Align2::RIGHT_CENTER, &ms, theme::regular(SMALL), palette.text_weak)
            .width();
        let name_left = rect.left() + LEFT;
        if is_wide {
            put(name, name_left, upper, theme::BODY, strong, WORD_LEFT - LEFT - GAP);
            put(&state, rect.left() + WORD_LEFT, upper, SMALL, color, WHY_LEFT - WORD_LEFT - GAP);
            let room = right - ms_width - GAP - rect.left() - WHY_LEFT;
            put(&why, rect.left() + WHY_LEFT, upper, SMALL, palette.text_weak, room);
        } else {
            // The word keeps its column while times of different lengths come and go.
            let word_right = right - 62.0;
            let word = painter.layout_no_wrap(state.clone(), theme::regular(SMALL), color);
            let word_left = word_right - word.size().x;
            painter.galley(pos2(word_left, upper - word.size().y / 2.0), word, color);
            put(name, name_left, upper, theme::BODY, strong, word_left - name_left - GAP);
            put(&why, name_left, rect.top() + 27.5, SMALL, palette.text_weak, right - name_left);
        }
    }
    if is_cut && !why.is_empty() {
        response.on_hover_text(format!("{name}\n{why}"));
    }
}

fn spelled_ms(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{} s", text::decimal(seconds(ms), 1)) }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
