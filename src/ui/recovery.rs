//! The ladder of recovery as it stands, what can be done by hand, and the numbers that it goes by.

use egui::accesskit::Role;
use egui::{Frame, Label, Margin, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use super::pane::Pane;
use super::shell::{Sheet, Shell};
use super::text::{self, Moment, RungLine};
use super::theme::{self, Palette, RADIUS, SMALL};
use super::widgets::{self, Icon};
use crate::camera::Command;
use crate::settings::{self, CameraSettings, PRESETS, RecoverySettings};
use crate::source::SourceSpec;
use crate::status::{Rung, RungOutcome, State, Status, StuckProcess};

/// Whether a camera is in such trouble that its recovery is what one wants to see.
#[must_use]
pub fn is_failing(status: &Status) -> bool {
    matches!(status.state, State::Recovering | State::Failed)
}

fn can_recover(status: &Status) -> bool {
    match status.state {
        State::Recovering | State::Failed => true,
        State::Opening | State::Streaming => status.outage_secs.is_some() && status.last_fault.is_some(),
        State::Idle => false,
    }
}

/// What stands beside the title, and is all that is seen of a folded section.
pub fn aside(pane: &Pane, _: &Shell) -> String {
    let Some(status) = pane.status.as_deref() else { return String::new() };
    match (status.stuck_processes.len(), text::attempt(status, &pane.settings.recovery)) {
        (0, _) if status.state == State::Failed => "given up".to_owned(),
        (0, attempt) => attempt,
        (1, _) => "⚠ a process hangs".to_owned(),
        (n, _) => format!("⚠ {n} processes hang"),
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    ladder(pane, shell, ui);
    buttons(pane, shell, ui);
    consent(pane, shell, ui);
    stuck(pane, shell, ui);
    ui.add_space(4.0);
    permissions(&mut pane.settings, ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for preset in &PRESETS {
            if widgets::chip(ui, preset.name, preset.is_active(&pane.settings), preset.help).clicked() {
                preset.apply(&mut pane.settings);
            }
        }
    });
    for tunable in settings::CAMERA_TUNABLES.iter().filter(|tunable| tunable.is_of_recovery()) {
        widgets::number_row(ui, tunable, &mut pane.settings);
    }
}

fn ladder(pane: &Pane, shell: &Shell, ui: &mut Ui) {
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 2.0);
    let has_reset = matches!(pane.spec, SourceSpec::Device(_) | SourceSpec::Index(_));
    for (rung, number) in Rung::ALL.into_iter().zip(1..) {
        let line = text::rung_line(rung, pane.moment(shell.now), &pane.settings.recovery, has_reset);
        rung_row(ui, rung, number, &line);
    }
    ui.spacing_mut().item_spacing.y = gap;
}

/// Two lines at the same height always: nothing below moves while recovery goes on.
fn rung_row(ui: &mut Ui, rung: Rung, number: usize, line: &RungLine) {
    const HEIGHT: f32 = 43.0;
    const TEXT_LEFT: f32 = 40.0;
    const MARGIN: f32 = 8.0;
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    let label = text::capitalised(&rung.to_string());
    let active = if line.is_active { "active, " } else { "" };
    let spoken = format!("Step {number}: {label}, {active}{}, {}", line.when, line.below);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    let painter = ui.painter();
    let (strong, weak, font) = if line.is_active {
        painter.rect_filled(rect, RADIUS, palette.warning_surface);
        (palette.warning, palette.warning, theme::semibold(theme::BODY))
    } else if line.needs_consent {
        (palette.warning, palette.text_weak, theme::regular(theme::BODY))
    } else {
        (palette.text_label, palette.text_weak, theme::regular(theme::BODY))
    };
    let (upper, lower) = (rect.top() + 13.5, rect.top() + 30.5);
    if line.is_active {
        Icon::Right.paint(painter, pos2(rect.left() + 11.0, upper), 8.0, strong);
    }
    let centred = |text: String, font: egui::FontId, color, center: egui::Pos2| {
        let galley = painter.layout_no_wrap(text, font, color);
        painter.galley(center - galley.size() / 2.0, galley, color);
    };
    centred(number.to_string(), font.clone(), strong, pos2(rect.left() + 25.0, upper));
    let when_color = if line.needs_consent { palette.warning } else { weak };
    let when = painter.layout_no_wrap(line.when.clone(), theme::regular(SMALL), when_color);
    let when_at = pos2(rect.right() - MARGIN - when.size().x, upper - when.size().y / 2.0);
    let room = when_at.x - rect.left() - TEXT_LEFT - MARGIN;
    painter.galley(when_at, when, when_color);
    let label = widgets::one_line(painter, &label, font, strong, room);
    painter.galley(pos2(rect.left() + TEXT_LEFT, upper - label.size().y / 2.0), label, strong);
    if let Some(outcome) = line.outcome {
        let (icon, color) = match outcome {
            RungOutcome::Recovered => (Icon::Check, palette.good),
            RungOutcome::Failed => (Icon::Cross, palette.error),
            RungOutcome::Interrupted => (Icon::Dash, weak),
        };
        icon.paint(painter, pos2(rect.left() + 25.0, lower), 9.0, color);
    }
    let room = rect.width() - TEXT_LEFT - MARGIN;
    let below = widgets::one_line(painter, &line.below, theme::regular(SMALL), weak, room);
    painter.galley(pos2(rect.left() + TEXT_LEFT, lower - below.size().y / 2.0), below, weak);
    response.on_hover_text(&line.hover);
}

fn buttons(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let status = pane.status.as_deref();
    let can_recover = status.is_some_and(can_recover);
    let is_trying = status.is_some_and(|status| status.state == State::Recovering);
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        let mut command = |ui: &mut Ui, enabled, label, help, why_not: &str, command: Command| {
            ui.add_enabled_ui(enabled, |ui| {
                if widgets::button(ui, label, false, help).on_disabled_hover_text(why_not).clicked() {
                    pane.commands.push(command);
                }
            });
        };
        command(
            ui,
            can_recover,
            "Recover now",
            "Do the next step of recovery at once, without waiting",
            "There is nothing to recover: the camera works or is stopped.",
            Command::RecoverNow,
        );
        command(
            ui,
            is_trying,
            "Stop trying",
            "Let go of the camera and try nothing more until you ask for it",
            "Nothing is being tried.",
            Command::StopTrying,
        );
        let help = "Goes from the name to the picture step by step, and says which step fails and why";
        let is_network = matches!(pane.spec, SourceSpec::Url(_));
        if can_recover && is_network && widgets::button(ui, "Test connection", false, help).clicked() {
            pane.test_shown(shell);
        }
    });
}

/// What a reset is, where it is the next step and waits for somebody's consent.
fn consent(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    if !pane.status.as_ref().is_some_and(|status| status.reset_needs_consent) {
        return;
    }
    let palette = Palette::of(ui);
    card(ui, palette.warning_surface, |ui| {
        ui.add(Label::new(RichText::new(text::RESET_IS).color(palette.text)).wrap());
        ui.add(Label::new(RichText::new(text::RESET_NEEDS).size(SMALL).color(palette.text_weak)).wrap());
        if widgets::button(ui, "Reset device…", true, "Asks once more, then resets the device").clicked() {
            shell.sheet = Some(Sheet::Reset);
        }
    });
}

fn stuck(pane: &Pane, shell: &Shell, ui: &mut Ui) {
    let Some(moment) = pane.moment(shell.now) else { return };
    for process in &moment.status.stuck_processes {
        stuck_row(ui, process, moment);
    }
}

fn stuck_row(ui: &mut Ui, process: &StuckProcess, moment: Moment<'_>) {
    let palette = Palette::of(ui);
    card(ui, palette.error_surface, |ui| {
        let words = format!("⚠ {}", text::stuck(process, moment.since));
        ui.add(Label::new(RichText::new(words).color(palette.error)).wrap()).on_hover_text(text::STUCK_HELP);
    });
}

fn card(ui: &mut Ui, surface: egui::Color32, contents: impl FnOnce(&mut Ui)) {
    Frame::NONE.fill(surface).corner_radius(RADIUS).inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        contents(ui);
    });
}

/// Something that recovery may do or not.
struct Permission {
    label: &'static str,
    /// Beside the box.
    says: &'static str,
    /// For whoever cannot see the label.
    name: &'static str,
    help: &'static str,
    of: fn(&mut RecoverySettings) -> &mut bool,
}

const PERMISSIONS: [Permission; 4] = [
    Permission {
        label: "Automatic",
        says: "by itself",
        name: "Automatic recovery",
        help: "When it is off, a failed camera waits for “Recover now”.",
        of: |recovery| &mut recovery.automatic,
    },
    Permission {
        label: "Other format",
        says: "may be tried",
        name: "Try another format",
        help: "A reconnection that did not help may be followed by one that asks for another picture format. The picture may be smaller or slower then; “Source” says what was got.",
        of: |recovery| &mut recovery.may_change_format,
    },
    Permission {
        label: "Other backend",
        says: "may be tried",
        name: "Try another backend",
        help: "A reconnection that did not help may be followed by one that reaches the camera in another way, for example through GStreamer in place of V4L2.",
        of: |recovery| &mut recovery.may_change_backend,
    },
    Permission {
        label: "Device reset",
        says: "without asking",
        name: "Reset the device without asking",
        help: text::RESET_IS,
        of: |recovery| &mut recovery.may_reset_device,
    },
];

fn permissions(settings: &mut CameraSettings, ui: &mut Ui) {
    let mut defaults = RecoverySettings::default();
    for permission in &PERMISSIONS {
        let default = *(permission.of)(&mut defaults);
        let value = (permission.of)(&mut settings.recovery);
        widgets::row(ui, permission.label, permission.help, |ui, width| {
            let size = vec2(width, theme::CONTROL_HEIGHT);
            ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
                ui.set_width(width);
                ui.checkbox(value, permission.says).accessible_name(permission.name).on_hover_text(permission.help);
            });
            let shown = if default { "on" } else { "off" };
            if widgets::reset(ui, permission.name, shown, *value != default) {
                *value = default;
            }
        });
    }
}
