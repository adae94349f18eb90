//! The menu of the picture: all that can be done with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use egui::Ui;

use super::color_image_from_bgr;
use super::tools::{ComparedPicture, ComparisonWay, PictureTool};
use super::view::Zoom;
use crate::codec;
use crate::disk::open_regular;
use crate::settings::CameraId;
use crate::ui::background::{Task, WindowHandle};
use crate::ui::pane::Pane;
use crate::ui::prompt::Purpose;
use crate::ui::shell::Shell;
use crate::ui::text;

/// A picture to compare with is no film.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// How often snapshots may be taken by themselves.
const SNAPSHOT_PERIODS: [(&str, u64); 5] = [
    ("each 5 seconds", 5),
    ("each 30 seconds", 30),
    ("each minute", 60),
    ("each 10 minutes", 600),
    ("each hour", 3_600),
];

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    ui.set_min_width(230.0);
    let has_picture = pane.viewer.shown().is_some();
    if !has_picture {
        ui.weak("There is no picture yet.");
    }
    ui.add_enabled_ui(has_picture, |ui| {
        size(pane, ui);
        ui.separator();
        ui.menu_button("Show", |ui| {
            for tool in PictureTool::ALL {
                let mut is_on = pane.viewer.tools.on.contains(&tool);
                if ui.checkbox(&mut is_on, tool.name()).on_hover_text(tool.help()).changed() {
                    pane.viewer.tools.toggle(tool);
                }
            }
        });
        let words = if pane.viewer.held.is_some() { "Go on with the live picture" } else { "Pause the picture" };
        if ui.button(words).on_hover_text("The camera goes on (P)").clicked() {
            pane.viewer.toggle_pause();
        }
        comparison(pane, shell, ui);
        ui.separator();
        if ui.button("Copy picture").on_hover_text("For other programs, as the camera sends it").clicked()
            && let Some(shown) = pane.viewer.shown()
        {
            ui.ctx().copy_image(color_image_from_bgr(&shown.image));
            shell.toasts.info("The picture was copied.", shell.now);
        }
        if ui.button("Snapshot").on_hover_text("Save it as a file (S)").clicked() {
            pane.take_snapshot(shell);
        }
    });
    if ui.button("Copy state as text").on_hover_text("How the camera is, for a message to somebody").clicked() {
        copy_state(pane, shell, ui.ctx());
    }
    let period = pane.snapshot_period();
    let words = if period.is_some() { "Snapshots by themselves ✔" } else { "Snapshots by themselves" };
    ui.menu_button(words, |ui| {
        for (words, secs) in SNAPSHOT_PERIODS {
            let wanted = Duration::from_secs(secs);
            if ui.radio(period == Some(wanted), words).clicked() {
                pane.set_snapshot_period(Some(wanted), shell.now);
                ui.close();
            }
        }
        if ui.radio(period.is_none(), "not at all").clicked() {
            pane.set_snapshot_period(None, shell.now);
            ui.close();
        }
    });
    ui.separator();
    if ui.button("Picture only").on_hover_text("Hide the panels (H), and back").clicked() {
        shell.picture_only = !shell.picture_only;
    }
    if ui.button("Full screen").on_hover_text("Over all of the screen (F); Esc goes back").clicked() {
        shell.toggle_full_screen(ui.ctx());
    }
}

fn size(pane: &mut Pane, ui: &mut Ui) {
    let view = &mut pane.viewer.view;
    if ui.radio(view.zoom == Zoom::Fit, "Fit").on_hover_text("All of the picture; also by a double click").clicked() {
        view.fit();
    }
    if ui.radio(view.zoom == Zoom::Fill, "Fill").on_hover_text("No room is left empty; two edges are cut off").clicked()
    {
        view.fill();
    }
    let one = Zoom::Scale(1.0 / ui.ctx().pixels_per_point());
    if ui
        .radio(view.zoom == one, "One to one")
        .on_hover_text("Each pixel of the picture is one of the screen (Z)")
        .clicked()
    {
        view.zoom = one;
    }
    if ui.button("Turn by 90°").on_hover_text("Clockwise, here alone: files stay as the camera sends it").clicked() {
        view.turn();
    }
    ui.checkbox(&mut view.is_mirrored, "Mirror").on_hover_text("Left and right, here alone");
}

fn comparison(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    ui.menu_button("Compare", |ui| {
        if ui.button("With this moment").on_hover_text("What is shown now, beside what comes").clicked()
            && let Some(shown) = pane.viewer.shown().map(Arc::clone)
        {
            let name = text::clock_tenths(shown.taken_at_wall);
            pane.viewer.tools.compared = Some(ComparedPicture::new(shown.image.clone(), name));
            pane.viewer.tools.look_again();
            ui.close();
        }
        if ui.button("With a picture…").on_hover_text("A JPEG or PNG file, such as an earlier snapshot").clicked() {
            pane.browse(shell, Purpose::ComparedPicture);
            ui.close();
        }
        let Some(compared) = &mut pane.viewer.tools.compared else { return };
        ui.separator();
        let is_slider = matches!(compared.way, ComparisonWay::Slider(_));
        let before = compared.way;
        if ui.radio(is_slider, "Side by side").clicked() && !is_slider {
            compared.way = ComparisonWay::Slider(0.5);
        }
        if ui.radio(!is_slider, "Difference").on_hover_text("What differs, four times as strong").clicked() {
            compared.way = ComparisonWay::Difference;
        }
        let has_changed = before != compared.way;
        if ui.button("End the comparison").clicked() {
            pane.viewer.tools.compared = None;
            pane.viewer.tools.look_again();
            ui.close();
        } else if has_changed {
            pane.viewer.tools.look_again();
        }
    });
}

/// How the camera is, in a few lines for a message.
pub fn copy_state(pane: &Pane, shell: &mut Shell, ctx: &egui::Context) {
    let mut lines = vec![pane.name()];
    if let Some(moment) = pane.moment(shell.now) {
        let status = moment.status;
        lines.push(text::pill(moment));
        if status.width > 0 {
            lines.push(format!("{} × {}, {:.1} fps, {}", status.width, status.height, status.fps, status.backend));
        }
        if let Some(fault) = &status.last_fault {
            lines.push(format!("{} {}", text::sentence(fault.message.as_ref()), text::sentence(fault.advice.as_ref())));
        }
    }
    lines.push(format!("Camclinic {}, {}", env!("CARGO_PKG_VERSION"), text::clock_ms(crate::event::now())));
    ctx.copy_text(lines.join("\n"));
    shell.toasts.info("The state was copied.", shell.now);
}

/// Has a picture read to compare with.
pub fn load_compared(pane: &Pane, shell: &mut Shell, path: PathBuf) {
    shell.run(LoadCompared { pane: pane.id(), path });
}

#[derive(Debug)]
struct LoadCompared {
    pane: CameraId,
    path: PathBuf,
}

impl Task for LoadCompared {
    fn thread_name(&self) -> &'static str {
        "load-picture"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { pane, path } = *self;
        let read = || {
            let mut bytes = Vec::new();
            let file = open_regular(&path).map_err(|error| error.to_string())?;
            std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_FILE_BYTES), &mut bytes)
                .map_err(|error| error.to_string())?;
            codec::decode_file(&bytes)
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let read = read();
        window.deliver_to_pane(pane, move |pane, shell| match read {
            Ok(image) => {
                pane.viewer.tools.compared = Some(ComparedPicture::new(image, name));
                pane.viewer.tools.look_again();
            }
            Err(why) => {
                let why = format!("{name} cannot be shown: {why}. Choose a JPEG or a PNG file.");
                shell.toasts.error(why, shell.now);
            }
        });
    }
}
