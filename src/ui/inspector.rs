//! The settings that matter while one watches: how the camera is opened, and what is done when it fails.

use std::time::{Duration, Instant};

use egui::{Margin, Rect, Ui, vec2};

use super::theme::{CONTROL_HEIGHT, Palette, SMALL};
use super::window::Window;
use super::{controls, recovery, text, toolbar, widgets};
use crate::frame::{PixelFormat, Size};
use crate::settings::{self, Isolation, Settings, Tunable};
use crate::source::SourceSpec;

/// What stays between two passes.
#[derive(Default)]
pub struct View {
    /// The size that is being typed: width and height.
    custom_size: Option<(String, String)>,
    custom_rate: bool,
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
    aside: fn(&Window) -> String,
    draw: fn(&mut Window, &mut Ui),
}

/// A new section is a function and a line here.
const SECTIONS: [Section; 3] = [
    Section { title: "Source", aside: |_| String::new(), draw: source },
    Section { title: RECOVERY, aside: recovery::aside, draw: recovery::draw },
    Section { title: "Controls", aside: controls::aside, draw: controls::draw },
];

const RECOVERY: &str = "Recovery";

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

/// The sections that are drawn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// What a failing camera is being helped with; nothing while all is well.
    Urgent,
    /// All but that.
    Rest,
}

pub fn draw(window: &mut Window, ui: &mut Ui) {
    let changes = update(window, ui);
    let mut scroll = egui::ScrollArea::vertical().id_salt("inspector").auto_shrink([false, true]);
    if changes {
        scroll = scroll.vertical_scroll_offset(0.0);
    }
    let shown = scroll.show(ui, |ui| draw_part(window, ui, Part::All));
    window.inspector.urgent.area = Some(shown.inner_rect);
}

/// To be called once before the parts are drawn. Returns whether their order is another one now.
pub fn update(window: &mut Window, ui: &Ui) -> bool {
    let is_failing = window.status.as_deref().is_some_and(recovery::is_failing);
    let pointer = ui.input(|input| input.pointer.hover_pos());
    let urgent = &mut window.inspector.urgent;
    let is_held = urgent.area.take().is_some_and(|area| pointer.is_some_and(|at| area.contains(at)));
    urgent.update(is_failing, is_held, window.now)
}

/// Some of the sections, as high as they are.
pub fn draw_part(window: &mut Window, ui: &mut Ui, part: Part) {
    let is_urgent = |section: &Section| section.title == RECOVERY && window.inspector.urgent.is_first;
    let mut sections: Vec<_> = SECTIONS
        .iter()
        .filter(|section| match part {
            Part::All => true,
            Part::Urgent => is_urgent(section),
            Part::Rest => !is_urgent(section),
        })
        .collect();
    sections.sort_by_key(|section| !is_urgent(section));
    if sections.is_empty() {
        return;
    }
    let margin = Margin { left: 14, right: 14, top: 4, bottom: 10 };
    let shown = egui::Frame::NONE.inner_margin(margin).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        for section in sections {
            ui.push_id(section.title, |ui| {
                let aside = (section.aside)(window);
                let mut folded = std::mem::take(&mut window.settings.window.folded_sections);
                widgets::section(ui, section.title, &aside, &mut folded, |ui| (section.draw)(window, ui));
                window.settings.window.folded_sections = folded;
            });
        }
    });
    let seen = shown.response.rect.intersect(ui.clip_rect());
    let area = &mut window.inspector.urgent.area;
    *area = Some(area.map_or(seen, |area| area.union(seen)));
}

fn source(window: &mut Window, ui: &mut Ui) {
    widgets::row(ui, "Device", "Which camera is shown", |ui, width| {
        let chosen = toolbar::current_name(window);
        widgets::combo(ui, "Device", "Which camera is shown", &chosen, width, |ui| toolbar::camera_menu(window, ui));
    });
    backend(window, ui);
    isolation(window, ui);
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
pub fn note(ui: &mut Ui, words: &str) {
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

fn isolation(window: &mut Window, ui: &mut Ui) {
    const HELP: &str = "Runs the driver in a process of its own: when it hangs it is ended, and when it crashes the window goes on. Off is a little quicker to open, and as safe as the driver is. A change opens the camera again.";
    let is_simulated = matches!(window.spec, SourceSpec::Simulated(_));
    let label = |isolation: Isolation| match isolation {
        Isolation::Auto if is_simulated => "Auto (no)",
        Isolation::Auto => "Auto (yes)",
        Isolation::On => "Yes",
        Isolation::Off => "No",
    };
    let chosen = &mut window.settings.isolation;
    let before = *chosen;
    widgets::row(ui, "Own process", HELP, |ui, width| {
        widgets::combo(ui, "Own process", HELP, label(before), width, |ui| {
            for isolation in [Isolation::Auto, Isolation::On, Isolation::Off] {
                if widgets::choice(ui, label(isolation), before == isolation) {
                    *chosen = isolation;
                }
            }
        });
        let default = Settings::default().isolation;
        if widgets::reset(ui, "Own process", label(default), before != default) {
            *chosen = default;
        }
    });
    if before == Isolation::Off && window.status.as_ref().is_some_and(|status| status.is_opened && status.is_isolated) {
        note(ui, "This backend always runs in a process of its own.");
    }
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
