//! Which camera is shown, how it is opened, and what it makes of what it is asked for.

use std::sync::Arc;
use std::time::Duration;

use egui::accesskit::Role;
use egui::{Sense, Ui, WidgetInfo, pos2, vec2};

use super::address::{self, Field};
use super::background::{Task, WindowHandle};
use super::choice::{Badge, BadgeLevel};
use super::inspector::{note, remark};
use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::{Ability, Sheet, Shell, WindowRequest};
use super::theme::{self, CONTROL_HEIGHT, Palette, RADIUS, SMALL};
use super::{text, widgets};
use crate::device::availability::Availability;
use crate::device::choices::{COMMON_RATES, RequestFix, common_sizes};
use crate::device::{self, Capabilities, Device};
use crate::fault::{FaultClass, FaultKind};
use crate::frame::{PixelFormat, Size};
use crate::settings::{self, CameraSettings, Isolation, Tunable};
use crate::source::SourceSpec;
use crate::status::State;

/// What stays between two passes.
#[derive(Default)]
pub struct SourceState {
    /// The size that is being typed: width and height.
    custom_size: Option<(String, String)>,
    custom_rate: bool,
}

/// What a folded section tells.
pub fn aside(pane: &Pane, shell: &Shell) -> String {
    if shell.panes.len() > 1 {
        let number = shell.panes.iter().position(|shown| shown.id == pane.id()).map_or(0, |index| index + 1);
        return format!("camera {number} of {}", shell.panes.len());
    }
    match shell.cameras.len() {
        0 => String::new(),
        1 => "1 camera".to_owned(),
        n => format!("{n} cameras"),
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    cameras(pane, shell, ui);
    network(pane, shell, ui);
    ask(pane, shell);
    backend(pane, shell, ui);
    isolation(pane, ui);
    let capabilities = known(pane, shell);
    let capabilities = capabilities.as_deref();
    format(pane, capabilities, ui);
    size(pane, capabilities, ui);
    rate(pane, capabilities, ui);
    got(pane, capabilities, ui);
    // The rate has a row of its own, with the rates that the camera offers.
    let has_slider = |tunable: &&&Tunable| {
        !tunable.is_of_recovery() && !tunable.is_of_recording() && tunable.key != settings::FPS.key
    };
    for tunable in settings::CAMERA_TUNABLES.iter().filter(has_slider) {
        widgets::number_row(ui, tunable, &mut pane.settings);
    }
}

// ---- the list

/// One line of the list.
struct CameraRow {
    name: String,
    facts: String,
    badge: Badge,
    is_shown: bool,
    /// What a click does; `None` of the one that is shown already.
    click: Option<WindowRequest>,
}

fn rows(pane: &Pane, shell: &Shell) -> Vec<CameraRow> {
    let listed = shell.cameras.iter().map(|camera| {
        let is_shown = camera.is(&pane.spec);
        CameraRow {
            name: camera.device.name.clone(),
            facts: camera.facts(),
            badge: camera.badge(is_shown),
            is_shown,
            click: match shell.panes.iter().find(|other| camera.is(&other.spec)) {
                _ if is_shown => None,
                Some(other) => Some(WindowRequest::Select(other.id)),
                None => Some(WindowRequest::Choose(pane.id(), camera.spec())),
            },
        }
    });
    let mut rows: Vec<_> = listed.collect();
    if !rows.iter().any(|row| row.is_shown) {
        rows.insert(0, unlisted(pane));
    }
    rows
}

/// What is shown and is no camera of the list: one that is gone, a file, an address, a script.
fn unlisted(pane: &Pane) -> CameraRow {
    let status = pane.status.as_deref();
    let is_device = matches!(pane.spec, SourceSpec::Device(_) | SourceSpec::Index(_));
    let is_away =
        status.and_then(|status| status.last_fault.as_ref()).is_some_and(|fault| fault.class == FaultClass::Plug);
    let badge = match status.map(|status| status.state) {
        _ if is_device && is_away => {
            Badge::new("gone", BadgeLevel::Error, "It comes back by itself once it is plugged in.")
        }
        Some(State::Streaming) => Badge::new("open here", BadgeLevel::Shown, "This window has it open."),
        Some(State::Idle) => Badge::new("stopped", BadgeLevel::Calm, "It is opened with Start."),
        Some(State::Opening) => Badge::new("opening", BadgeLevel::Shown, "It is being opened."),
        Some(State::Recovering | State::Failed) => Badge::new("no picture", BadgeLevel::Error, "See “Recovery”."),
        None => Badge::new("", BadgeLevel::Calm, ""),
    };
    let facts = pane.spec.to_string();
    let name =
        status.map(|status| status.name.to_string()).filter(|name| !name.is_empty()).unwrap_or_else(|| facts.clone());
    let (name, facts) = match &pane.spec {
        // The whole is too long for one line, and which camera it is stands in the middle of it.
        SourceSpec::Url(address) if facts == name => (address.authority(), facts),
        _ if facts == name => (name, String::new()),
        _ => (name, facts),
    };
    CameraRow { name, facts, badge, is_shown: true, click: None }
}

fn cameras(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 3.0);
    let mut chosen = None;
    for row in rows(pane, shell) {
        if camera_row(ui, &row).clicked() {
            shell.requests.extend(row.click);
        }
    }
    ui.spacing_mut().item_spacing.y = gap;
    ui.add_space(2.0);
    for words in notes(pane, shell) {
        ui.add(egui::Label::new(egui::RichText::new(words).size(SMALL).color(Palette::of(ui).text_weak)).wrap());
    }
    if shell.cameras.is_empty() {
        let words = "No camera of this computer is connected, or none is usable.";
        ui.add(egui::Label::new(egui::RichText::new(words).size(SMALL).color(Palette::of(ui).text_weak)).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        let is_simulated = matches!(pane.spec, SourceSpec::Simulated(_));
        if widgets::chip(ui, "Simulated camera", is_simulated, "A camera without a device, to try things out: sim:")
            .clicked()
            && !is_simulated
        {
            chosen = SourceSpec::parse("sim:").ok();
        }
        if widgets::chip(
            ui,
            "File…",
            matches!(pane.spec, SourceSpec::File(_)),
            "Play a video file as if it were a camera",
        )
        .clicked()
        {
            pane.browse(shell, Purpose::VideoFile);
        }
        let is_address = matches!(pane.spec, SourceSpec::Url(_));
        if widgets::chip(ui, "Address…", is_address, "Type the address of a network camera, or a path").clicked() {
            pane.open_address(shell, Field::Whole);
        }
        if widgets::chip(ui, "Add camera…", false, "Show one more camera beside this one").clicked() {
            shell.sheet = Some(Sheet::AddCamera);
        }
        let help = "Show this camera no more; its settings are kept";
        if shell.panes.len() > 1 && widgets::chip(ui, "Remove from the grid", false, help).clicked() {
            shell.requests.push(WindowRequest::Remove(pane.id()));
        }
    });
    ui.add_space(4.0);
    name(pane, ui);
    if let Some(spec) = chosen {
        shell.requests.push(WindowRequest::Choose(pane.id(), spec));
    }
}

/// What the camera is called here.
fn name(pane: &mut Pane, ui: &mut Ui) {
    const HELP: &str = "What this camera is called in the window and in the names of its snapshots";
    let own = pane.own_name();
    let mut text = pane.settings.name.clone().unwrap_or_default();
    widgets::row(ui, "Name", HELP, |ui, width| {
        let weak = Palette::of(ui).text_weak;
        let edit = egui::TextEdit::singleline(&mut text)
            .hint_text(egui::RichText::new(&own).color(weak))
            .char_limit(settings::MAX_NAME_CHARS)
            .align(egui::Align2::LEFT_CENTER)
            .desired_width(width - 12.0);
        let response = ui.add_sized(vec2(width, CONTROL_HEIGHT), edit);
        let response = response.accessible_name("Name of the camera").on_hover_text(HELP);
        if response.changed() {
            pane.settings.name = Some(text.clone()).filter(|text| !text.is_empty());
        }
        if response.lost_focus() {
            pane.settings.rename(&text);
        }
        if widgets::reset(ui, "Name of the camera", &own, pane.settings.name.is_some()) {
            pane.settings.name = None;
        }
    });
}

/// What a network camera has and no other: a connection to test, a transport, a password that may be wrong.
fn network(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    if !matches!(pane.spec, SourceSpec::Url(_)) {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let wants_password = pane.wants_password();
        let help = "The camera refused the login: nothing is tried again until it is changed";
        if wants_password && widgets::button(ui, "Enter password…", true, help).clicked() {
            pane.open_address(shell, Field::Password);
        }
        let help = "Goes from the name to the picture step by step, and says which step fails and why";
        if widgets::button(ui, "Test connection", false, help).clicked() {
            pane.test_shown(shell);
        }
        if widgets::button(ui, "Edit address…", false, "Another path, port or login").clicked() {
            pane.open_address(shell, Field::Whole);
        }
    });
    let help = address::transport(&mut pane.settings.transport, ui);
    note(ui, help);
}

/// What there is to know about the camera that is shown.
fn notes(pane: &Pane, shell: &Shell) -> Vec<String> {
    let shown = shell.listed(&pane.spec);
    let mut notes = shown.map(|camera| camera.device.notes.clone()).unwrap_or_default();
    match shown.and_then(|camera| shell.abilities.get(&camera.device.identity)) {
        // That is no trouble of the camera.
        Some(Ability::Unknown(fault)) if fault.kind != FaultKind::BackendMissing => {
            notes.push(format!("{}. {}", text::sentence(&fault.message).trim_end_matches('.'), fault.advice));
        }
        _ => {}
    }
    notes
}

/// Two lines at the same height always.
fn camera_row(ui: &mut Ui, row: &CameraRow) -> egui::Response {
    const HEIGHT: f32 = 42.0;
    const MARGIN: f32 = 10.0;
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click());
    let spoken = format!("{} · {}, {}", row.name, row.facts, row.badge.words);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, row.is_shown, &spoken));
    if ui.is_rect_visible(rect) {
        let (fill, strong) = match (row.is_shown, response.hovered()) {
            (true, _) => (palette.chosen, palette.on_chosen),
            (false, true) => (palette.raised_hover, palette.text_strong),
            (false, false) => (palette.raised, palette.text),
        };
        let painter = ui.painter();
        painter.rect_filled(rect, RADIUS, fill);
        let color = match row.badge.level {
            BadgeLevel::Calm => palette.text_weak,
            BadgeLevel::Shown => palette.good,
            BadgeLevel::Warning => palette.warning,
            BadgeLevel::Error => palette.error,
        };
        let (upper, lower) = (rect.top() + 13.5, rect.top() + 29.5);
        let badge = widgets::one_line(painter, &row.badge.words, theme::regular(SMALL), color, rect.width() * 0.5);
        let badge_left = rect.right() - MARGIN - badge.size().x;
        painter.galley(pos2(badge_left, upper - badge.size().y / 2.0), badge, color);
        let font = if row.is_shown { theme::semibold(theme::BODY) } else { theme::regular(theme::BODY) };
        let room = badge_left - rect.left() - 2.0 * MARGIN;
        let name = widgets::one_line(painter, &row.name, font, strong, room);
        painter.galley(pos2(rect.left() + MARGIN, upper - name.size().y / 2.0), name, strong);
        let weak = if row.is_shown { palette.on_chosen.gamma_multiply(0.8) } else { palette.text_weak };
        let facts = widgets::one_line(painter, &row.facts, theme::regular(SMALL), weak, rect.width() - 2.0 * MARGIN);
        painter.galley(pos2(rect.left() + MARGIN, lower - facts.size().y / 2.0), facts, weak);
        widgets::focus_ring(ui, &response, RADIUS);
    }
    if row.badge.help.is_empty() {
        response
    } else {
        response.on_hover_text(format!("{}\n{}", row.facts, row.badge.help))
    }
}

// ---- what the camera has

fn known(pane: &Pane, shell: &Shell) -> Option<Arc<Capabilities>> {
    match shell.abilities.get(&shell.listed(&pane.spec)?.device.identity)? {
        Ability::Known(capabilities) if !capabilities.formats.is_empty() => Some(Arc::clone(capabilities)),
        Ability::Known(_) | Ability::Asked | Ability::Unknown(_) => None,
    }
}

/// Asks the camera that is shown what it has, once after each time it was plugged in, and not while it is being opened.
fn ask(pane: &mut Pane, shell: &mut Shell) {
    let is_opening = pane.status.as_ref().is_none_or(|status| status.state == State::Opening);
    let Some(camera) = shell.listed(&pane.spec).filter(|_| !is_opening) else { return };
    let may_ask = !matches!(camera.availability, Availability::Denied(_) | Availability::Undriven(_))
        && !shell.abilities.contains_key(&camera.device.identity);
    if may_ask {
        let device = camera.device.clone();
        shell.abilities.insert(device.identity.clone(), Ability::Asked);
        shell.run(AskDevice(device));
    }
}

/// Asks a camera what it can do.
#[derive(Debug)]
struct AskDevice(Device);

/// A camera whose controls are slow takes its time.
const ASK_DEADLINE: Duration = Duration::from_secs(10);

impl Task for AskDevice {
    fn thread_name(&self) -> &'static str {
        "ask-camera"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self(device) = *self;
        let answer = device::capabilities_within(&device, ASK_DEADLINE);
        window.update(move |window| window.shell.learn(device.identity, answer));
    }
}

/// What was got, and where that is not what was asked, why, with the button that mends it.
fn got(pane: &mut Pane, capabilities: Option<&Capabilities>, ui: &mut Ui) {
    let status = pane.status.clone();
    let words = status.as_ref().and_then(|status| text::got(&status.asked, &status.got));
    note(ui, words.as_deref().unwrap_or("Not answered yet: what the camera delivers is shown here."));
    let (Some(status), Some(capabilities)) = (status, capabilities) else { return };
    for reason in capabilities.why_other(&status.asked, &status.got) {
        let color = Palette::of(ui).warning;
        remark(ui, &reason.words, color);
        let Some(fix) = reason.fix else { continue };
        ui.horizontal(|ui| {
            ui.add_space(widgets::label_width(ui.available_width()) + 8.0);
            if widgets::chip(ui, &label_of(fix), false, "Ask the camera for this; the stream is opened again").clicked()
            {
                fix.apply(&mut pane.settings.asked);
                pane.inspector.source = SourceState::default();
            }
        });
    }
}

fn label_of(fix: RequestFix) -> String {
    match fix {
        RequestFix::Format(format) => format!("Use {format}"),
        RequestFix::Size(size) => format!("Use {}", spelled(size)),
        RequestFix::Rate(fps) => format!("Use {} fps", text::decimal(fps, 2)),
        RequestFix::AnyFormat => "Use the device's default".to_owned(),
    }
}

// ---- how it is opened

fn backend(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    const HELP: &str =
        "How the camera is reached. Try another one when a camera does not open or gives a wrong picture.";
    let possible = pane.spec.backends();
    let kept = pane.kept_backend(shell);
    let automatic = match (kept, possible.first()) {
        (Some(kept), _) => format!("Auto ({}, found best)", kept.label()),
        (None, Some(first)) => format!("Auto ({})", first.label()),
        (None, None) => "Auto".to_owned(),
    };
    let before = pane.settings.backend;
    // One that cannot open this kind of camera cannot be chosen; when it was chosen for another one, it is named.
    let shown = before.map_or_else(|| automatic.clone(), |backend| backend.label().to_owned());
    widgets::row(ui, "Backend", HELP, |ui, width| {
        widgets::combo(ui, "Backend", HELP, &shown, width, |ui| {
            if widgets::choice(ui, &automatic, before.is_none()) {
                pane.settings.backend = None;
            }
            for backend in possible {
                if widgets::choice(ui, backend.label(), before == Some(backend)) {
                    pane.settings.backend = Some(backend);
                }
            }
        });
        if widgets::reset(ui, "Backend", "Auto", before.is_some() || kept.is_some()) {
            pane.settings.backend = None;
            pane.forget_backend(shell);
        }
    });
}

fn isolation(pane: &mut Pane, ui: &mut Ui) {
    const HELP: &str = "Runs the driver in a process of its own: when it hangs it is ended, and when it crashes the window goes on. Off is a little quicker to open, and as safe as the driver is. A change opens the camera again.";
    let is_simulated = matches!(pane.spec, SourceSpec::Simulated(_)) && !pane.spec.may_kill_its_process();
    let label = |isolation: Isolation| match isolation {
        Isolation::Auto if is_simulated => "Auto (no)",
        Isolation::Auto => "Auto (yes)",
        Isolation::On => "Yes",
        Isolation::Off => "No",
    };
    let chosen = &mut pane.settings.isolation;
    let before = *chosen;
    widgets::row(ui, "Own process", HELP, |ui, width| {
        widgets::combo(ui, "Own process", HELP, label(before), width, |ui| {
            for isolation in [Isolation::Auto, Isolation::On, Isolation::Off] {
                if widgets::choice(ui, label(isolation), before == isolation) {
                    *chosen = isolation;
                }
            }
        });
        let default = CameraSettings::default().isolation;
        if widgets::reset(ui, "Own process", label(default), before != default) {
            *chosen = default;
        }
    });
    if before == Isolation::Off && pane.status.as_ref().is_some_and(|status| status.is_opened && status.is_isolated) {
        note(ui, "This backend always runs in a process of its own.");
    }
}

fn format(pane: &mut Pane, capabilities: Option<&Capabilities>, ui: &mut Ui) {
    const HELP: &str =
        "How the camera packs its pictures. MJPG needs the least of the cable; YUYV and NV12 lose nothing.";
    const DEFAULT: &str = "Device default";
    let before = pane.settings.asked.format;
    let shown = before.map_or_else(|| DEFAULT.to_owned(), |format| format.to_string());
    let offered = capabilities.map_or_else(|| PixelFormat::COMMON.to_vec(), Capabilities::format_codes);
    widgets::row(ui, "Format", HELP, |ui, width| {
        widgets::combo(ui, "Format", HELP, &shown, width, |ui| {
            if widgets::choice(ui, DEFAULT, before.is_none()) {
                pane.settings.asked.format = None;
            }
            for format in offered {
                if widgets::choice(ui, &described(format, capabilities), before == Some(format)) {
                    pane.settings.asked.format = Some(format);
                    keep_possible(&mut pane.settings, capabilities);
                }
            }
        });
        if widgets::reset(ui, "Format", DEFAULT, before.is_some()) {
            pane.settings.asked.format = None;
        }
    });
}

/// The format with the driver's words for it, where those say more.
fn described(format: PixelFormat, capabilities: Option<&Capabilities>) -> String {
    let code = format.to_string();
    let entry =
        capabilities.and_then(|capabilities| capabilities.formats.iter().find(|entry| entry.fourcc.trim_end() == code));
    match entry {
        Some(entry) if !entry.name.is_empty() && entry.name != code => format!("{code} · {}", entry.name),
        _ => code,
    }
}

/// A size that the camera does not have with the format gives way to the nearest one.
fn keep_possible(settings: &mut CameraSettings, capabilities: Option<&Capabilities>) {
    let asked = &mut settings.asked;
    if let (Some(capabilities), Some(size)) = (capabilities, asked.size)
        && !capabilities.has_size(asked.format, size)
    {
        asked.size = capabilities.nearest_size(asked.format, size);
    }
}

pub(super) fn spelled(size: Size) -> String {
    format!("{} × {}", size.width, size.height)
}

fn size(pane: &mut Pane, capabilities: Option<&Capabilities>, ui: &mut Ui) {
    const HELP: &str =
        "Width and height of the picture in pixels. Smaller needs less of the cable and of the computer.";
    const DEFAULT: &str = "Device default";
    let before = pane.settings.asked.size;
    let shown = match (&pane.inspector.source.custom_size, before) {
        (Some(_), _) => "Custom…".to_owned(),
        (None, None) => DEFAULT.to_owned(),
        (None, Some(size)) => spelled(size),
    };
    let offered = capabilities
        .map_or_else(|| common_sizes().collect(), |capabilities| capabilities.sizes(pane.settings.asked.format));
    // A list of the camera's own has no other sizes.
    let takes_others = capabilities.is_none_or(Capabilities::takes_any_size);
    widgets::row(ui, "Size", HELP, |ui, width| {
        widgets::combo(ui, "Size", HELP, &shown, width, |ui| {
            if widgets::choice(ui, DEFAULT, before.is_none()) {
                pane.settings.asked.size = None;
                pane.inspector.source.custom_size = None;
            }
            for size in offered {
                if widgets::choice(ui, &spelled(size), before == Some(size)) {
                    pane.settings.asked.size = Some(size);
                    pane.inspector.source.custom_size = None;
                }
            }
            if takes_others && widgets::choice(ui, "Custom…", pane.inspector.source.custom_size.is_some()) {
                let status = pane.status.as_ref();
                let start = before.or_else(|| status.and_then(|status| Size::new(status.width, status.height)));
                let start = start.unwrap_or(Size { width: 640, height: 480 });
                pane.inspector.source.custom_size = Some((start.width.to_string(), start.height.to_string()));
            }
        });
        if widgets::reset(ui, "Size", DEFAULT, before.is_some()) {
            pane.settings.asked.size = None;
            pane.inspector.source.custom_size = None;
        }
    });
    let Some((width_text, height_text)) = &mut pane.inspector.source.custom_size else { return };
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
            pane.settings.asked.size = Some(size);
            pane.inspector.source.custom_size = None;
        }
        Ok(_) => {}
        Err(_) => note(ui, &format!("Width and height are whole numbers from 1 to {}.", Size::MAX_SIDE)),
    }
}

fn rate(pane: &mut Pane, capabilities: Option<&Capabilities>, ui: &mut Ui) {
    const DEFAULT: &str = "Device default";
    let tunable: &Tunable = &settings::FPS;
    let before = pane.settings.asked.fps;
    let spelled = |fps: f64| format!("{} {}", text::decimal(fps, 2), tunable.unit);
    let shown = before.map_or_else(|| DEFAULT.to_owned(), spelled);
    let default = CameraSettings::default().asked.fps;
    let asked = pane.settings.asked;
    let offered =
        capabilities.map_or_else(|| COMMON_RATES.to_vec(), |capabilities| capabilities.rates(asked.format, asked.size));
    let takes_others = capabilities.is_none_or(Capabilities::takes_any_rate_somewhere);
    widgets::row(ui, tunable.label, tunable.help, |ui, width| {
        widgets::combo(ui, tunable.label, tunable.help, &shown, width, |ui| {
            let mut choose = |ui: &mut Ui, label: &str, fps: Option<f64>| {
                if widgets::choice(ui, label, before == fps) {
                    pane.settings.asked.fps = fps;
                    pane.inspector.source.custom_rate = false;
                }
            };
            choose(ui, DEFAULT, None);
            for fps in offered {
                choose(ui, &spelled(fps), Some(fps));
            }
            if takes_others && widgets::choice(ui, "Custom…", pane.inspector.source.custom_rate) {
                pane.inspector.source.custom_rate = true;
            }
        });
        let shown_default = default.map_or_else(|| DEFAULT.to_owned(), spelled);
        if widgets::reset(ui, tunable.label, &shown_default, before != default) {
            pane.settings.asked.fps = default;
            pane.inspector.source.custom_rate = false;
        }
    });
    if pane.inspector.source.custom_rate {
        number_below(ui, tunable, &mut pane.settings);
    }
}

/// The field for a number that the list above it does not have.
fn number_below(ui: &mut Ui, tunable: &Tunable, settings: &mut CameraSettings) {
    let mut value = (tunable.get)(settings);
    let before = value;
    widgets::row(ui, "", "", |ui, width| {
        widgets::number_field(ui, tunable, &mut value, vec2(width, CONTROL_HEIGHT));
    });
    if (value - before).abs() > f64::EPSILON {
        (tunable.set)(settings, value);
    }
}
