//! The sheet of keyboard shortcuts, and where to begin.

use egui::{RichText, Ui};

use super::shell::{Sheet, Shell};
use super::theme::{self, Palette};
use super::widgets;
use crate::status::Grade;

/// Every key of the window.
const KEYS: [(&str, &str); 18] = [
    ("Space", "Start and stop the camera"),
    ("S", "Save a snapshot"),
    ("R", "Record what the camera sends, and stop"),
    ("C", "Check up: find out what is wrong with the camera"),
    ("F", "Full screen, and back"),
    ("H", "Picture only: hide the panels, and back"),
    ("Z", "Pixel for pixel, and all of the picture again; also 1 where one camera is shown"),
    ("P", "Pause the picture, and go on; the camera goes on all the while"),
    ("Wheel", "Zoom at the pointer; pull to move; a double click shows all again; right click: everything else"),
    ("L", "Show and hide plot and log"),
    ("1 … 9", "That camera alone, where several are shown; Enter the selected one"),
    ("← → ↑ ↓", "To the next camera; with Shift the tile is moved"),
    ("← → , .", "In a clip that is played: a second, and a picture, back and on; Space plays and stops it"),
    ("I O", "In a clip that is played: the part to export begins, and ends, here"),
    ("Esc", "Back to all cameras; back from full screen and picture only; close a sheet"),
    ("2 clicks", "On a tile: that camera alone; on its picture: back to all"),
    ("?", "This sheet"),
    ("Tab", "To the next control; arrow keys change it"),
];

pub fn draw(shell: &mut Shell, ctx: &egui::Context) {
    let mut open = shell.sheet == Some(Sheet::Help);
    widgets::sheet(ctx, "Help", 460.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        heading(ui, "Keys");
        egui::Grid::new("keys").num_columns(2).spacing([18.0, 6.0]).show(ui, |ui| {
            for (key, does) in KEYS {
                key_box(ui, key);
                ui.label(does);
                ui.end_row();
            }
        });
        heading(ui, "The score");
        ui.label("100 is a camera that does what was asked of it. Failures, lost pictures, stalls and a low rate are deducted; point at the pill at the top right to see what.");
        egui::Grid::new("grades").num_columns(2).spacing([18.0, 4.0]).show(ui, |ui| {
            let palette = Palette::of(ui);
            let mut most = 100;
            for (grade, least) in Grade::BANDS {
                let (rect, _) = ui.allocate_exact_size(egui::vec2(74.0, 18.0), egui::Sense::hover());
                ui.painter().circle_filled(rect.left_center() + egui::vec2(6.0, 0.0), 4.5, palette.grade(grade));
                let at = rect.left_center() + egui::vec2(18.0, 0.0);
                ui.painter().text(
                    at,
                    egui::Align2::LEFT_CENTER,
                    format!("{least}–{most}"),
                    theme::regular(theme::BODY),
                    palette.text,
                );
                ui.label(super::text::capitalised(&grade.to_string()));
                ui.end_row();
                most = least.saturating_sub(1);
            }
        });
        heading(ui, "No camera at hand?");
        ui.label("Choose “Address or path…” and type what a simulated camera shall do, for example:");
        ui.label(RichText::new("sim:1280x720@30,stall@5s+3s,black@15s+2s").monospace());
        ui.label("“camclinic help sim” lists everything that it can do.");
        ui.add_space(4.0);
        ui.weak(concat!("Camclinic ", env!("CARGO_PKG_VERSION")));
    });
    if !open {
        shell.sheet = shell.sheet.filter(|sheet| *sheet != Sheet::Help);
    }
}

fn heading(ui: &mut Ui, words: &str) {
    ui.add_space(4.0);
    let color = Palette::of(ui).text_strong;
    ui.label(RichText::new(words).font(theme::semibold(theme::BODY)).color(color));
}

fn key_box(ui: &mut Ui, key: &str) {
    let palette = Palette::of(ui);
    let galley = ui.painter().layout_no_wrap(key.to_owned(), theme::regular(12.0), palette.text);
    let (rect, _) = ui.allocate_exact_size(egui::vec2(56.0, 22.0), egui::Sense::hover());
    let area = egui::Rect::from_min_size(rect.min, egui::vec2(galley.size().x + 14.0, 22.0));
    ui.painter().rect(area, 4, palette.raised, egui::Stroke::new(1.0, palette.edge), egui::StrokeKind::Inside);
    ui.painter().galley(area.center() - galley.size() / 2.0, galley, palette.text);
}
