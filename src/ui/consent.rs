//! The question before a device is reset: it takes the device away from everybody for a moment.

use egui::{Label, RichText};

use super::pane::Pane;
use super::shell::{Sheet, Shell};
use super::text;
use super::theme::Palette;
use super::widgets;
use crate::camera::Command;
use crate::status::State;

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    if shell.sheet != Some(Sheet::Reset) {
        return;
    }
    let Some(status) = pane.status.clone() else {
        shell.sheet = None;
        return;
    };
    let is_moot = match status.state {
        State::Idle | State::Opening => true,
        // The picture came back by itself meanwhile.
        State::Streaming => status.outage_secs.is_none(),
        State::Recovering | State::Failed => false,
    };
    let mut open = !is_moot;
    let (mut consented, mut refused) = (false, false);
    widgets::sheet(ctx, "Reset the device?", 460.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        let palette = Palette::of(ui);
        ui.add(Label::new(RichText::new(status.name.as_str()).color(palette.text_strong)).wrap());
        ui.add(Label::new(text::RESET_IS).wrap());
        ui.add(Label::new(RichText::new(text::RESET_NEEDS).color(palette.text_weak)).wrap());
        ui.add_space(2.0);
        ui.horizontal_wrapped(|ui| {
            consented = widgets::button(ui, "Reset device", true, "Reset it now").clicked();
            refused = widgets::button(ui, "Cancel", false, "Leave the device as it is").clicked();
        });
    });
    if consented {
        pane.commands.push(Command::ResetDevice);
    }
    if !open || consented || refused {
        shell.sheet = None;
    }
}
