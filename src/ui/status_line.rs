//! The numbers at the foot of the window, always there.

use egui::{RichText, Ui};

use super::text;
use super::theme::{self, Palette, SMALL};
use super::widgets;
use super::window::Window;

pub fn draw(window: &mut Window, ui: &mut Ui) {
    let color = Palette::of(ui).text_weak;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(0.0, 2.0);
        ui.set_min_height(18.0);
        for (i, part) in parts(window).into_iter().enumerate() {
            if i > 0 {
                ui.label(RichText::new(" · ").size(SMALL).color(color));
            }
            let galley = ui.painter().layout_no_wrap(part.clone(), theme::regular(SMALL), color);
            // Numbers grow and shrink by a digit: what follows keeps its place within a step.
            let width = widgets::steady_width(galley.size().x + 1.0);
            let label = egui::Label::new(RichText::new(part).size(SMALL).color(color)).extend();
            ui.allocate_ui_with_layout(
                egui::vec2(width, 18.0),
                egui::Layout::left_to_right(egui::Align::Center),
                |ui| {
                    ui.set_min_width(width);
                    ui.add(label);
                },
            );
        }
    });
}

fn parts(window: &Window) -> Vec<String> {
    let dash = || "–".to_owned();
    let frame = window.frame.as_deref();
    let status = window.status.as_deref();
    let mut parts = vec![
        format!("Frame {}", frame.map_or_else(dash, |frame| text::count(frame.number))),
        format!("seq {}", frame.and_then(|frame| frame.sequence).map_or_else(dash, text::count)),
        format!("{:.1} fps in", status.map_or(0.0, |status| status.fps)),
        format!("{:.1} shown", window.viewer.shown_fps(window.now)),
    ];
    let drops = status.map(|status| status.drops).unwrap_or_default();
    parts.push(format!(
        "dropped {} camera / {} damaged / {} us",
        text::count(drops.camera),
        text::count(drops.damaged),
        text::count(window.n_missed)
    ));
    parts.push(format!(
        "latency {}",
        status.and_then(|status| status.latency_ms).map_or_else(dash, |ms| format!("{ms:.0} ms"))
    ));
    if let Some(host) = &window.host {
        parts.push(format!("CPU {:.0} %", host.cpu_percent));
        if let Some(free) = host.free_bytes {
            parts.push(format!("{} free", text::bytes(free)));
        }
    }
    parts
}
