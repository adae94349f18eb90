//! The row at the top, in the order of work: camera, start and stop, snapshot, recording, check-up, report; at its end the state in
//! one pill.

use egui::accesskit::Role;
use egui::{Align, Color32, Layout, Sense, Ui, WidgetInfo, vec2};

use super::address::Field;
use super::choice::{BadgeLevel, CameraChoice};
use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::{Sheet, Shell, WindowRequest};
use super::text;
use super::theme::{self, CONTROL_HEIGHT, Palette};
use super::widgets::{self, Icon, ToolButton};
use crate::source::SourceSpec;
use crate::status::State;

/// The dialogue for addresses has the rest.
const N_RECENT: usize = 5;

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let width = ui.available_width();
    ui.spacing_mut().interact_size.y = CONTROL_HEIGHT + 2.0;
    if width > 1060.0 {
        // What the longest state leaves of one row goes to the camera's name; the keys are shown when there is plenty.
        let keys_fit = width > 1390.0;
        ui.horizontal(|ui| {
            camera_combo(pane, shell, ui, (width - if keys_fit { 1_170.0 } else { 960.0 }).clamp(120.0, 292.0));
            buttons(pane, shell, ui, keys_fit, keys_fit);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                help_button(shell, ui);
                pill(pane, shell, ui);
            });
        });
    } else {
        let pill_fits = width > 560.0;
        ui.horizontal(|ui| {
            let rest = if pill_fits { 340.0 } else { 42.0 };
            camera_combo(pane, shell, ui, (width - rest).min(420.0));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                help_button(shell, ui);
                if pill_fits {
                    pill(pane, shell, ui);
                }
            });
        });
        ui.horizontal_wrapped(|ui| {
            buttons(pane, shell, ui, width > 760.0, false);
            if !pill_fits {
                pill(pane, shell, ui);
            }
        });
    }
}

/// What the first button is called at one time or another.
const START_STOP: [&str; 5] = ["Start", "Stop", "Stop trying", "Try again", "Go on"];

/// `is_roomy`: buttons have room for all their names.
fn buttons(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, keys_fit: bool, is_roomy: bool) {
    let names = |names: &'static [&'static str]| if is_roomy { names } else { &[] };
    let key = |key| keys_fit.then_some(key);
    let state = pane.status.as_ref().map(|status| status.state);
    let start_stop = match state {
        _ if pane.checkup.pauses() => ToolButton {
            icon: Some(Icon::Start),
            label: "Go on",
            key: key("Space"),
            help: "End the check-up, and show the picture again",
            ..ToolButton::default()
        },
        None | Some(State::Idle) => ToolButton {
            icon: Some(Icon::Start),
            label: "Start",
            key: key("Space"),
            help: "Open the camera and show its picture",
            ..ToolButton::default()
        },
        Some(State::Failed) => ToolButton {
            icon: Some(Icon::Start),
            label: "Try again",
            key: key("Space"),
            help: "Open the camera once more",
            ..ToolButton::default()
        },
        Some(State::Recovering) => ToolButton {
            icon: Some(Icon::Stop),
            label: "Stop trying",
            key: key("Space"),
            help: "Let go of the camera and try nothing more until you ask for it",
            ..ToolButton::default()
        },
        Some(State::Opening | State::Streaming) => ToolButton {
            icon: Some(Icon::Stop),
            label: "Stop",
            key: key("Space"),
            help: "Close the camera and leave it closed",
            ..ToolButton::default()
        },
    };
    if widgets::tool_button(ui, ToolButton { labels: names(&START_STOP), ..start_stop }).clicked() {
        pane.toggle_camera();
    }
    ui.add_enabled_ui(pane.frame.is_some(), |ui| {
        let snapshot = ToolButton {
            label: "Snapshot",
            key: key("S"),
            help: "Save the picture at full size in the folder for snapshots. Of a camera that sends JPEGs the file is its own, \
                   whatever quality is set.",
            ..ToolButton::default()
        };
        if widgets::tool_button(ui, snapshot).clicked() {
            pane.take_snapshot(shell);
        }
        let save_as = ToolButton {
            label: "Save as…",
            help: "Save the picture of this moment under a name of your choice",
            ..ToolButton::default()
        };
        if widgets::tool_button(ui, save_as).clicked() {
            pane.save_snapshot_as(shell);
        }
    });
    let is_recording = pane.recording.is_wanted;
    let record = ToolButton {
        icon: Some(if is_recording { Icon::Recording } else { Icon::Record }),
        label: if is_recording { "Stop rec." } else { "Record" },
        labels: names(&["Stop rec.", "Record"]),
        key: key("R"),
        help: if is_recording {
            "End the recording, and close its file"
        } else {
            "Keep what the camera sends, as it sends it, in clips in the folder for videos"
        },
        ..ToolButton::default()
    };
    if widgets::tool_button(ui, record).clicked() {
        pane.toggle_recording(shell);
    }
    let clips = ToolButton {
        label: "Clips",
        help: "What was recorded: show it, keep it, copy it for somebody else",
        ..ToolButton::default()
    };
    if widgets::tool_button(ui, clips).clicked() {
        shell.open_clips();
    }
    let check_up = ToolButton {
        label: "Check up",
        key: key("C"),
        help: "Find out what is wrong with the camera, with its proof and what mends it",
        is_main: true,
        ..ToolButton::default()
    };
    if widgets::tool_button(ui, check_up).clicked() {
        pane.check_up(shell);
    }
    let report = ToolButton {
        label: "Report…",
        help: "Show what a report of this camera holds, and save it as one file",
        ..ToolButton::default()
    };
    if widgets::tool_button(ui, report).clicked() {
        pane.open_report(shell);
    }
    #[cfg(feature = "share")]
    {
        let label = shell.share.label();
        let help = "Let a colleague look on, in a browser";
        // While nobody can look on, the pill has the room.
        let labels = if shell.share.is_running() { names(&["Sharing with 12"]) } else { names(&["Share"]) };
        let share = ToolButton { label: &label, labels, help, ..ToolButton::default() };
        if widgets::tool_button(ui, share).clicked() {
            shell.sheet = Some(Sheet::Share);
        }
    }
    let settings = ToolButton { icon: Some(Icon::Gear), help: "Settings", ..ToolButton::default() };
    if widgets::tool_button(ui, settings).clicked() {
        shell.sheet = Some(Sheet::Preferences);
    }
}

fn help_button(shell: &mut Shell, ui: &mut Ui) {
    let help = ToolButton { label: "?", help: "Help and keyboard shortcuts", ..ToolButton::default() };
    if widgets::tool_button(ui, help).clicked() {
        shell.sheet = Some(Sheet::Help);
    }
}

/// Colour, word, score and rate: the state of the camera at one look.
fn pill(pane: &Pane, shell: &Shell, ui: &mut Ui) {
    let palette = Palette::of(ui);
    let (label, color, surface) = match pane.moment(shell.now) {
        Some(_) if pane.checkup.pauses() => ("Paused for the check-up".to_owned(), palette.info, palette.raised),
        None if pane.awaited.is_some() || pane.replaces.is_some() => {
            ("Opening".to_owned(), palette.info, palette.raised)
        }
        None => ("No camera yet".to_owned(), palette.text_weak, palette.raised),
        Some(moment) => {
            let color = theme::state_color(&palette, Some(moment.status));
            let surface = match moment.status.state {
                State::Idle => palette.raised,
                _ => theme::mix(palette.panel, color, 0.15),
            };
            (text::pill(moment), color, surface)
        }
    };
    let deductions = pane.status.as_ref().map(|status| status.deductions.clone()).unwrap_or_default();
    let room = ui.available_width();
    let galley = widgets::one_line(ui.painter(), &label, theme::semibold(13.5), Color32::PLACEHOLDER, room - 48.0);
    let width = widgets::steady_width(galley.size().x) + 46.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, CONTROL_HEIGHT + 2.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Status, true, &label));
    let painter = ui.painter();
    painter.rect_filled(rect, 15, surface);
    painter.circle_filled(egui::pos2(rect.left() + 18.0, rect.center().y), 4.5, color);
    painter.galley(egui::pos2(rect.left() + 32.0, rect.center().y - galley.size().y / 2.0), galley, color);
    response.on_hover_ui(|ui| {
        if deductions.is_empty() {
            ui.label("The score is 100 when nothing is wrong. Nothing is deducted now.");
        } else {
            ui.label("What is deducted from 100:");
            for deduction in &deductions {
                ui.label(format!("−{}  {}", deduction.points, deduction.reason));
            }
        }
    });
}

fn camera_combo(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, width: f32) {
    let chosen = current_name(pane, shell);
    widgets::combo(ui, "Camera", "Which camera is shown", &chosen, width, |ui| camera_menu(pane, shell, ui));
}

/// The chosen camera for people: its own name, and what it was opened by.
pub fn current_name(pane: &Pane, shell: &Shell) -> String {
    let listed = shell.listed(&pane.spec);
    let spec = pane.spec.to_string();
    if let Some(name) = &pane.settings.name {
        return format!("{name} · {}", listed.map_or(spec, CameraChoice::detail));
    }
    if let Some(listed) = listed {
        return listed.label();
    }
    let told = pane.status.as_ref().filter(|status| status.source == spec).map(|status| status.name.to_string());
    match told.filter(|name| !name.is_empty() && *name != spec) {
        Some(name) => format!("{name} · {spec}"),
        None => spec,
    }
}

/// The rows of every list of cameras: those that exist, the simulated one, and the two ways to name another.
pub fn camera_menu(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let mut chosen = None;
    if shell.panes.len() > 1 {
        ui.weak("In this window");
        for (number, other) in (1..).zip(&shell.panes) {
            let label = format!("{number}  {} ({})", other.name, other.state);
            if widgets::choice(ui, &label, other.id == pane.id()) {
                shell.requests.push(WindowRequest::Select(other.id));
            }
        }
        ui.separator();
        ui.weak("Show in its place");
    }
    for camera in &shell.cameras {
        let is_shown = camera.is(&pane.spec);
        let badge = camera.badge(is_shown);
        let aside = match badge.level {
            BadgeLevel::Calm | BadgeLevel::Shown => String::new(),
            BadgeLevel::Warning | BadgeLevel::Error => format!(" ({})", badge.words),
        };
        if widgets::choice(ui, &format!("{}{aside}", camera.label()), is_shown) && !is_shown {
            chosen = Some(camera.spec());
        }
    }
    if shell.cameras.is_empty() {
        ui.weak("No camera is connected");
    }
    ui.separator();
    let plain = SourceSpec::parse("sim:").ok();
    let is_plain = plain.as_ref() == Some(&pane.spec);
    if !is_plain && !shell.cameras.iter().any(|camera| camera.is(&pane.spec)) {
        // A file, an address, a script: it stands in no list, and is what is shown.
        widgets::choice(ui, &current_name(pane, shell), true);
    }
    if widgets::choice(ui, "Simulated camera · sim:", is_plain) {
        chosen = plain;
    }
    let shown = pane.spec.without_password();
    for text in shell.settings.network.recent.iter().filter(|text| **text != shown).take(N_RECENT) {
        if widgets::choice(ui, text, false) {
            chosen = SourceSpec::parse(text).ok();
        }
    }
    ui.separator();
    if widgets::choice(ui, "Open file…", false) {
        pane.browse(shell, Purpose::VideoFile);
    }
    if widgets::choice(ui, "Address or path…", false) {
        pane.open_address(shell, Field::Whole);
    }
    if widgets::choice(ui, "Add camera…", false) {
        shell.sheet = Some(Sheet::AddCamera);
    }
    if let Some(spec) = chosen.filter(|spec| *spec != pane.spec) {
        shell.requests.push(WindowRequest::Choose(pane.id(), spec));
    }
}
