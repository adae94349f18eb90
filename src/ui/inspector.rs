//! The settings that matter while one watches: how the camera is opened, and what is done when it fails.

use std::time::{Duration, Instant};

use egui::{Margin, Rect, Ui};

use super::pane::Pane;
use super::shell::Shell;
use super::theme::{Palette, SMALL};
use super::{checkup, controls, recording, recovery, source, widgets};

/// What stays between two passes.
#[derive(Default)]
pub struct InspectorState {
    pub source: source::SourceState,
    urgent: Urgent,
}

/// Whether the section of a failing camera stands first.
#[derive(Default)]
struct Urgent {
    is_first: bool,
    calm_since: Option<Instant>,
    /// Where the sections were drawn last.
    area: Option<Rect>,
}

/// A camera that is well for so long no longer keeps the ladder at the top.
const CALM: Duration = Duration::from_secs(5);

impl Urgent {
    /// `is_held` says that somebody works in the inspector: nothing may move away under the hand. Returns whether the
    /// order changes now.
    fn update(&mut self, is_failing: bool, is_held: bool, now: Instant) -> bool {
        if is_failing {
            self.calm_since = None;
        } else {
            self.calm_since.get_or_insert(now);
        }
        let is_calm = self.calm_since.is_some_and(|since| now.saturating_duration_since(since) >= CALM);
        let wanted = is_failing || self.is_first && !is_calm;
        let changes = wanted != self.is_first && !is_held;
        if changes {
            self.is_first = wanted;
        }
        changes
    }
}

/// One foldable part of the inspector.
struct Section {
    title: &'static str,
    /// What stands beside the title.
    aside: fn(&Pane, &Shell) -> String,
    draw: fn(&mut Pane, &mut Shell, &mut Ui),
}

/// A new section is a function and a line here.
const SECTIONS: [Section; 5] = [
    Section { title: "Source", aside: source::aside, draw: source::draw },
    Section { title: RECOVERY, aside: recovery::aside, draw: recovery::draw },
    Section { title: "Controls", aside: controls::aside, draw: controls::draw },
    Section { title: checkup::TITLE, aside: checkup::aside, draw: checkup::draw },
    Section { title: recording::TITLE, aside: recording::aside, draw: recording::draw },
];

const RECOVERY: &str = "Recovery";

/// The sections that are drawn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// What a failing camera is being helped with, and what was asked for; nothing while all is well.
    Urgent,
    /// All but that.
    Rest,
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let changes = update(pane, shell, ui);
    let mut scroll = egui::ScrollArea::vertical().id_salt("inspector").auto_shrink([false, true]);
    if changes {
        scroll = scroll.vertical_scroll_offset(0.0);
    }
    let shown = scroll.show(ui, |ui| draw_part(pane, shell, ui, Part::All));
    pane.inspector.urgent.area = Some(shown.inner_rect);
}

/// To be called once before the parts are drawn. Returns whether their order is another one now.
pub fn update(pane: &mut Pane, shell: &mut Shell, ui: &Ui) -> bool {
    let is_failing = pane.status.as_deref().is_some_and(recovery::is_failing);
    let pointer = ui.input(|input| input.pointer.hover_pos());
    let urgent = &mut pane.inspector.urgent;
    let is_held = urgent.area.take().is_some_and(|area| pointer.is_some_and(|at| area.contains(at)));
    urgent.update(is_failing, is_held, shell.now)
}

/// Some of the sections, as high as they are.
pub fn draw_part(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, part: Part) {
    let is_failing = pane.inspector.urgent.is_first;
    // What was asked for comes before what goes on by itself.
    let has_news = pane.checkup.has_news();
    let urgency = |section: &Section| match section.title {
        checkup::TITLE if has_news => Some(0),
        RECOVERY if is_failing => Some(1),
        _ => None,
    };
    let mut sections: Vec<_> = SECTIONS
        .iter()
        .filter(|section| match part {
            Part::All => true,
            Part::Urgent => urgency(section).is_some(),
            Part::Rest => urgency(section).is_none(),
        })
        .collect();
    sections.sort_by_key(|section| urgency(section).unwrap_or(u8::MAX));
    if sections.is_empty() {
        return;
    }
    let margin = Margin { left: 14, right: 14, top: 4, bottom: 10 };
    let shown = egui::Frame::NONE.inner_margin(margin).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        for section in sections {
            ui.push_id(section.title, |ui| {
                if section.title == checkup::TITLE && pane.checkup.take_wanted() {
                    ui.scroll_to_cursor(Some(egui::Align::Min));
                }
                let aside = (section.aside)(pane, shell);
                let mut folded = std::mem::take(&mut shell.settings.window.folded_sections);
                widgets::section(ui, section.title, &aside, &mut folded, |ui| (section.draw)(pane, shell, ui));
                shell.settings.window.folded_sections = folded;
            });
        }
    });
    let seen = shown.response.rect.intersect(ui.clip_rect());
    let area = &mut pane.inspector.urgent.area;
    *area = Some(area.map_or(seen, |area| area.union(seen)));
}

/// A quiet remark under the controls.
pub fn note(ui: &mut Ui, words: &str) {
    let color = Palette::of(ui).text_weak;
    remark(ui, words, color);
}

/// The same in a colour of its own.
pub fn remark(ui: &mut Ui, words: &str, color: egui::Color32) {
    let words = egui::RichText::new(words).size(SMALL).color(color);
    ui.horizontal(|ui| {
        ui.add_space(widgets::label_width(ui.available_width()) + 8.0);
        ui.vertical(|ui| ui.add(egui::Label::new(words).wrap()));
    });
    ui.add_space(2.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_urgent_comes_first_and_never_moves_under_the_hand() {
        let now = Instant::now();
        let at = |secs| now + Duration::from_secs(secs);
        let mut urgent = Urgent::default();
        let steps = [
            // failing, held, at, is first then
            (false, false, 0, false),
            (true, true, 1, false),
            (true, false, 2, true),
            // Back for a moment is not yet well.
            (false, false, 3, true),
            (true, false, 7, true),
            (false, false, 8, true),
            (false, true, 20, true),
            (false, false, 21, false),
            (false, false, 22, false),
        ];
        for (is_failing, is_held, secs, expected) in steps {
            let before = urgent.is_first;
            let changes = urgent.update(is_failing, is_held, at(secs));
            assert_eq!(urgent.is_first, expected, "after {secs} s");
            assert_eq!(changes, before != expected, "after {secs} s");
        }
    }
}
