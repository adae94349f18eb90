//! Why it is slow: the time that each part of the way takes of each frame, the longest first.

use egui::accesskit::Role;
use egui::{Align2, Rect, Sense, Ui, WidgetInfo, pos2, vec2};

use super::CheckupState;
use crate::phrases::Language;
use crate::ui::text;
use crate::ui::theme::{self, Palette, SMALL};
use crate::ui::widgets;

pub fn draw(view: &CheckupState, language: Language, ui: &mut Ui) {
    let Some(checkup) = view.checkup().filter(|checkup| !checkup.slow.is_empty()) else { return };
    let palette = Palette::of(ui);
    ui.add_space(2.0);
    ui.label(egui::RichText::new(language.word("card.slow")).font(theme::semibold(SMALL)).color(palette.text_label));
    let longest = checkup.slow.iter().map(|share| share.ms).fold(f64::EPSILON, f64::max);
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 2.0);
    for share in &checkup.slow {
        let name = language.say(&share.part);
        let ms = format!("{} ms", text::decimal(share.ms, 1));
        let mark = if share.is_too_long { language.word("card.too-long") } else { String::new() };
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::hover());
        let spoken = if mark.is_empty() { format!("{name}, {ms}") } else { format!("{name}, {ms}, {mark}") };
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
        let painter = ui.painter();
        let y = rect.top() + 11.0;
        let color = if share.is_too_long { palette.warning } else { palette.text_weak };
        let aside = if mark.is_empty() { ms } else { format!("! {mark} · {ms}") };
        let aside_left =
            painter.text(pos2(rect.right() - 2.0, y), Align2::RIGHT_CENTER, aside, theme::regular(SMALL), color).left();
        let room = aside_left - rect.left() - 8.0;
        let galley = widgets::one_line(painter, &name, theme::regular(theme::BODY), palette.text, room);
        painter.galley(pos2(rect.left(), y - galley.size().y / 2.0), galley, palette.text);
        let track = Rect::from_min_size(pos2(rect.left(), rect.top() + 24.0), vec2(rect.width() - 2.0, 5.0));
        painter.rect_filled(track, 2, palette.raised);
        #[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1")]
        let width = track.width() * (share.ms / longest).clamp(0.0, 1.0) as f32;
        let fill = if share.is_too_long { palette.warning } else { palette.curve };
        painter.rect_filled(Rect::from_min_size(track.min, vec2(width.max(2.0), track.height())), 2, fill);
    }
    ui.spacing_mut().item_spacing.y = gap;
}
