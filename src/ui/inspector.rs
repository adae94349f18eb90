//! The settings that matter while one watches: how the camera is opened, and what is done when it fails.

use egui::accesskit::Role;
use egui::{Align2, Margin, Sense, Ui, WidgetInfo, pos2, vec2};

use super::text;
use super::theme::{self, CONTROL_HEIGHT, Palette, RADIUS, SMALL};
use super::toolbar;
use super::widgets;
use super::window::{Window, Wish};
use crate::camera::Command;
use crate::frame::{PixelFormat, Size};
use crate::settings::{self, PRESETS, Settings, Tunable};
use crate::status::{Rung, State, Status};

/// What stays between two passes.
#[derive(Default)]
pub struct View {
    /// The size that is being typed: width and height.
    custom_size: Option<(String, String)>,
    custom_rate: bool,
}

/// One foldable part of the inspector.
struct Section {
    title: &'static str,
    /// What stands beside the title.
    aside: fn(&Window) -> String,
    draw: fn(&mut Window, &mut Ui),
}

/// A new section is a function and a line here.
const SECTIONS: [Section; 2] = [
    Section { title: "Source", aside: |_| String::new(), draw: source },
    Section { title: "Recovery", aside: recovery_aside, draw: recovery },
];

const COMMON_SIZES: [(u32, u32); 9] = [
    (320, 240),
    (640, 480),
    (800, 600),
    (1024, 768),
    (1280, 720),
    (1920, 1080),
    (2560, 1440),
    (2592, 1944),
    (3840, 2160),
];

const COMMON_RATES: [u32; 8] = [5, 10, 15, 24, 25, 30, 50, 60];

pub fn draw(window: &mut Window, ui: &mut Ui) {
    egui::ScrollArea::vertical().id_salt("inspector").auto_shrink([false, true]).show(ui, |ui| {
        egui::Frame::NONE.inner_margin(Margin { left: 14, right: 14, top: 4, bottom: 10 }).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            for section in &SECTIONS {
                let aside = (section.aside)(window);
                let mut folded = std::mem::take(&mut window.settings.window.folded_sections);
                widgets::section(ui, section.title, &aside, &mut folded, |ui| (section.draw)(window, ui));
                window.settings.window.folded_sections = folded;
            }
        });
    });
}

fn source(window: &mut Window, ui: &mut Ui) {
    widgets::row(ui, "Device", "Which camera is shown", |ui, width| {
        let chosen = toolbar::current_name(window);
        widgets::combo(ui, "Device", "Which camera is shown", &chosen, width, |ui| toolbar::camera_menu(window, ui));
    });
    backend(window, ui);
    format(&mut window.settings, ui);
    size(window, ui);
    rate(window, ui);
    let got = window.status.as_ref().and_then(|status| text::got(&status.asked, &status.got));
    note(ui, got.as_deref().unwrap_or("Not answered yet: what the camera delivers is shown here."));
    for tunable in [&settings::BUFFERS, &settings::WARM_UP, &settings::JPEG_QUALITY] {
        widgets::number_row(ui, tunable, &mut window.settings);
    }
}

/// A quiet remark under the controls.
fn note(ui: &mut Ui, words: &str) {
    let color = Palette::of(ui).text_weak;
    let words = egui::RichText::new(words).size(SMALL).color(color);
    ui.horizontal(|ui| {
        ui.add_space(widgets::label_width(ui.available_width()) + 8.0);
        ui.vertical(|ui| ui.add(egui::Label::new(words).wrap()));
    });
    ui.add_space(2.0);
}

fn backend(window: &mut Window, ui: &mut Ui) {
    const HELP: &str =
        "How the camera is reached. Try another one when a camera does not open or gives a wrong picture.";
    let possible = window.spec.backends();
    let automatic = possible.first().map_or_else(|| "Auto".to_owned(), |first| format!("Auto ({})", first.label()));
    let before = window.settings.backend;
    // One that cannot open this kind of camera cannot be chosen; when it was chosen for another one, it is named.
    let shown = before.map_or_else(|| automatic.clone(), |backend| backend.label().to_owned());
    widgets::row(ui, "Backend", HELP, |ui, width| {
        widgets::combo(ui, "Backend", HELP, &shown, width, |ui| {
            if widgets::choice(ui, &automatic, before.is_none()) {
                window.settings.backend = None;
            }
            for backend in possible {
                if widgets::choice(ui, backend.label(), before == Some(backend)) {
                    window.settings.backend = Some(backend);
                }
            }
        });
        if widgets::reset(ui, "Backend", "Auto", before.is_some()) {
            window.settings.backend = None;
        }
    });
}

fn format(settings: &mut Settings, ui: &mut Ui) {
    const HELP: &str =
        "How the camera packs its pictures. MJPG needs the least of the cable; YUYV and NV12 lose nothing.";
    const DEFAULT: &str = "Device default";
    let before = settings.asked.format;
    let shown = before.map_or_else(|| DEFAULT.to_owned(), |format| format.to_string());
    widgets::row(ui, "Format", HELP, |ui, width| {
        widgets::combo(ui, "Format", HELP, &shown, width, |ui| {
            if widgets::choice(ui, DEFAULT, before.is_none()) {
                settings.asked.format = None;
            }
            for format in PixelFormat::COMMON {
                if widgets::choice(ui, &format.to_string(), before == Some(format)) {
                    settings.asked.format = Some(format);
                }
            }
        });
        if widgets::reset(ui, "Format", DEFAULT, before.is_some()) {
            settings.asked.format = None;
        }
    });
}

fn spelled(size: Size) -> String {
    format!("{} × {}", size.width, size.height)
}

fn size(window: &mut Window, ui: &mut Ui) {
    const HELP: &str =
        "Width and height of the picture in pixels. Smaller needs less of the cable and of the computer.";
    const DEFAULT: &str = "Device default";
    let before = window.settings.asked.size;
    let shown = match (&window.inspector.custom_size, before) {
        (Some(_), _) => "Custom…".to_owned(),
        (None, None) => DEFAULT.to_owned(),
        (None, Some(size)) => spelled(size),
    };
    widgets::row(ui, "Size", HELP, |ui, width| {
        widgets::combo(ui, "Size", HELP, &shown, width, |ui| {
            if widgets::choice(ui, DEFAULT, before.is_none()) {
                window.settings.asked.size = None;
                window.inspector.custom_size = None;
            }
            for size in COMMON_SIZES.iter().filter_map(|(width, height)| Size::new(*width, *height)) {
                if widgets::choice(ui, &spelled(size), before == Some(size)) {
                    window.settings.asked.size = Some(size);
                    window.inspector.custom_size = None;
                }
            }
            if widgets::choice(ui, "Custom…", window.inspector.custom_size.is_some()) {
                let status = window.status.as_ref();
                let start = before.or_else(|| status.and_then(|status| Size::new(status.width, status.height)));
                let start = start.unwrap_or(Size { width: 640, height: 480 });
                window.inspector.custom_size = Some((start.width.to_string(), start.height.to_string()));
            }
        });
        if widgets::reset(ui, "Size", DEFAULT, before.is_some()) {
            window.settings.asked.size = None;
            window.inspector.custom_size = None;
        }
    });
    let Some((width_text, height_text)) = &mut window.inspector.custom_size else { return };
    let typed = format!("{width_text}x{height_text}").parse::<Size>();
    let mut done = false;
    widgets::row(ui, "", "", |ui, width| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let field = (width - 46.0 - 3.0 * 5.0 - 10.0) / 2.0;
        let mut entered = false;
        for (text, name) in [(&mut *width_text, "Width in pixels"), (&mut *height_text, "Height in pixels")] {
            let edit = egui::TextEdit::singleline(text)
                .char_limit(5)
                .desired_width(field - 12.0)
                .min_size(vec2(field, CONTROL_HEIGHT))
                .align(egui::Align2::CENTER_CENTER);
            let response = ui.add_sized([field, CONTROL_HEIGHT], edit).accessible_name(name).on_hover_text(name);
            entered |= response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if name.starts_with('W') {
                ui.weak("×");
            }
        }
        done = ui
            .add_enabled_ui(typed.is_ok(), |ui| widgets::button(ui, "Use", false, "Ask the camera for this size"))
            .inner
            .clicked()
            || entered;
    });
    match typed {
        Ok(size) if done => {
            window.settings.asked.size = Some(size);
            window.inspector.custom_size = None;
        }
        Ok(_) => {}
        Err(_) => note(ui, &format!("Width and height are whole numbers from 1 to {}.", Size::MAX_SIDE)),
    }
}

fn rate(window: &mut Window, ui: &mut Ui) {
    const DEFAULT: &str = "Device default";
    let tunable: &Tunable = &settings::FPS;
    let before = window.settings.asked.fps;
    let spelled = |fps: f64| format!("{} {}", text::decimal(fps, 2), tunable.unit);
    let shown = before.map_or_else(|| DEFAULT.to_owned(), spelled);
    let default = Settings::default().asked.fps;
    widgets::row(ui, tunable.label, tunable.help, |ui, width| {
        widgets::combo(ui, tunable.label, tunable.help, &shown, width, |ui| {
            let mut choose = |ui: &mut Ui, label: &str, fps: Option<f64>| {
                if widgets::choice(ui, label, before == fps) {
                    window.settings.asked.fps = fps;
                    window.inspector.custom_rate = false;
                }
            };
            choose(ui, DEFAULT, None);
            for fps in COMMON_RATES {
                choose(ui, &spelled(f64::from(fps)), Some(f64::from(fps)));
            }
            if widgets::choice(ui, "Custom…", window.inspector.custom_rate) {
                window.inspector.custom_rate = true;
            }
        });
        let shown_default = default.map_or_else(|| DEFAULT.to_owned(), spelled);
        if widgets::reset(ui, tunable.label, &shown_default, before != default) {
            window.settings.asked.fps = default;
            window.inspector.custom_rate = false;
        }
    });
    if window.inspector.custom_rate {
        number_below(ui, tunable, &mut window.settings);
    }
}

/// The field for a number that the list above it does not have.
fn number_below(ui: &mut Ui, tunable: &Tunable, settings: &mut Settings) {
    let mut value = (tunable.get)(settings);
    let before = value;
    widgets::row(ui, "", "", |ui, width| {
        widgets::number_field(ui, tunable, &mut value, vec2(width, CONTROL_HEIGHT));
    });
    if (value - before).abs() > f64::EPSILON {
        (tunable.set)(settings, value);
    }
}

fn recovery_aside(window: &Window) -> String {
    match window.status.as_ref().map(|status| status.recovery_attempts) {
        None | Some(0) => String::new(),
        Some(n) => format!("attempt {n} of {}", window.settings.recovery.n_recovery_attempts),
    }
}

fn recovery(window: &mut Window, ui: &mut Ui) {
    ladder(window, ui);
    widgets::row(ui, "Automatic", "Whether anything is tried without being asked", |ui, _| {
        let automatic = &mut window.settings.recovery.automatic;
        let label = if *automatic { "on" } else { "off" };
        ui.checkbox(automatic, label)
            .accessible_name("Automatic recovery")
            .on_hover_text("When it is off, a failed camera waits for “Recover now”.");
    });
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for preset in &PRESETS {
            if widgets::chip(ui, preset.name, preset.is_active(&window.settings), preset.help).clicked() {
                preset.apply(&mut window.settings);
            }
        }
    });
    for tunable in [
        &settings::RETRIES,
        &settings::BASE_DELAY,
        &settings::GROWTH,
        &settings::RECONNECT_AFTER,
        &settings::ATTEMPTS,
        &settings::COOLDOWN,
        &settings::REBOOT_AFTER,
        &settings::OPEN_DEADLINE,
        &settings::FIRST_FRAME_DEADLINE,
        &settings::STALL_DEADLINE,
    ] {
        widgets::number_row(ui, tunable, &mut window.settings);
    }
}

/// The steps of recovery that this program takes by itself, gentlest first.
const LADDER: [(Rung, &str); 3] = [
    (Rung::Retry, "Read again after a pause that grows"),
    (Rung::Reinitialise, "Close the camera and open it again"),
    (Rung::AdviseReboot, "Say that a restart of the computer is what is left. Camclinic never restarts it."),
];

fn ladder(window: &mut Window, ui: &mut Ui) {
    let settings = &window.settings.recovery;
    let moment = window.moment();
    let active = moment.and_then(|moment| moment.status.rung);
    let mut next_secs = moment.and_then(|moment| moment.next_try_secs());
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 1.0);
    for (i, (rung, help)) in LADDER.iter().enumerate() {
        let is_active = active == Some(*rung);
        let aside = if is_active {
            match next_secs.take() {
                Some(secs) => format!("in {}", text::span(secs)),
                None => "now".to_owned(),
            }
        } else {
            match rung {
                Rung::Retry => format!("{} ×", settings.n_retries),
                Rung::Reinitialise => format!("after {} failures", settings.n_failures_before_reconnect),
                _ => format!("after {} failures", settings.n_failures_before_reboot_advice),
            }
        };
        rung_row(ui, i + 1, &text::capitalised(&rung.to_string()), &aside, is_active, help);
    }
    let can_recover = window.status.as_deref().is_some_and(can_recover);
    ui.spacing_mut().item_spacing.y = gap;
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        ui.add_enabled_ui(can_recover, |ui| {
            let clicked =
                widgets::button(ui, "Recover now", false, "Do the next step of recovery at once, without waiting")
                    .on_disabled_hover_text("There is nothing to recover: the camera works or is stopped.")
                    .clicked();
            if clicked {
                window.wishes.push(Wish::Camera(Command::RecoverNow));
            }
        });
    });
    ui.add_space(4.0);
}

fn can_recover(status: &Status) -> bool {
    match status.state {
        State::Recovering | State::Failed => true,
        State::Opening | State::Streaming => status.outage_secs.is_some() && status.last_fault.is_some(),
        State::Idle => false,
    }
}

fn rung_row(ui: &mut Ui, number: usize, label: &str, aside: &str, is_active: bool, help: &str) {
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 26.0), Sense::hover());
    let spoken = format!("Step {number}: {label}, {}{aside}", if is_active { "active, " } else { "" });
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    let painter = ui.painter();
    let (color, font) = if is_active {
        painter.rect_filled(rect, RADIUS, palette.warning_surface);
        (palette.warning, theme::semibold(theme::BODY))
    } else {
        (palette.text_weak, theme::regular(theme::BODY))
    };
    let y = rect.center().y;
    painter.text(pos2(rect.left() + 12.0, y), Align2::CENTER_CENTER, number, font.clone(), color);
    painter.text(pos2(rect.left() + 38.0, y), Align2::LEFT_CENTER, label, font, color);
    painter.text(pos2(rect.right() - 8.0, y), Align2::RIGHT_CENTER, aside, theme::regular(SMALL), color);
    response.on_hover_text(help);
}
