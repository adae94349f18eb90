//! The camera's own controls: brightness, exposure, focus. A change is sent as it is made, and what the camera makes of it
//! is what is shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Align, Layout, Response, RichText, Ui, vec2};

use super::inspector;
use super::pane::Pane;
use super::shell::Shell;
use super::theme::{CONTROL_HEIGHT, Palette};
use super::widgets::{self, Number};
use crate::control::{self, Control, ControlGroup, ControlKind, ControlSetting, DeviceControls};
use crate::settings::N_CONTROL_PRESETS;
use crate::source::SourceSpec;

/// So long what the hand has chosen is shown in place of what the camera says: it may be slow to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than a webcam has: then they can be searched, and those that cameras seldom have are folded away at first.
const MANY: usize = 24;

/// What stays between two passes.
#[derive(Default)]
pub struct ControlsState {
    /// Chosen, and not yet confirmed by the camera.
    edits: Vec<(ControlSetting, Instant)>,
    /// The next preset that is clicked takes over the values as they are.
    is_keeping: bool,
    /// Words in the names of the controls to be shown.
    search: String,
    /// Groups that are not as they are at first: folded or unfolded by hand.
    turned: Vec<ControlGroup>,
}

impl ControlsState {
    /// The value to be shown.
    fn value(&self, control: &Control) -> i64 {
        let told = control.value.unwrap_or(control.default);
        self.edits.iter().find(|(edit, _)| edit.id == control.id).map_or(told, |(edit, _)| edit.value)
    }

    fn forget(&mut self, controls: &DeviceControls, now: Instant) {
        self.edits.retain(|(edit, at)| {
            let is_open =
                controls.list.iter().any(|control| control.id == edit.id && control.value != Some(edit.value));
            is_open && now.saturating_duration_since(*at) < PATIENCE
        });
    }

    pub(super) fn put(&mut self, setting: ControlSetting, now: Instant) {
        self.edits.retain(|(edit, _)| edit.id != setting.id);
        self.edits.push((setting, now));
    }
}

/// Controls that somebody could set back.
fn n_changed(controls: &DeviceControls) -> usize {
    controls.list.iter().filter(|control| control.can_be_set() && !control.is_default()).count()
}

#[must_use]
pub fn aside(pane: &Pane, _: &Shell) -> String {
    match n_changed(&pane.controls) {
        0 => String::new(),
        n => format!("{n} changed"),
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let controls = Arc::clone(&pane.controls);
    if controls.list.is_empty() {
        ui.add(egui::Label::new(why_none(pane)).wrap());
        return;
    }
    let now = shell.now;
    pane.controls_state.forget(&controls, now);
    let is_open = pane.status.as_ref().is_some_and(|status| status.is_opened);
    let mut wanted = Vec::new();
    ui.add_enabled_ui(is_open, |ui| presets(pane, shell, ui, &controls, &mut wanted));
    if controls.list.len() > MANY {
        search(&mut pane.controls_state, ui);
    }
    let groups = grouped(&controls.list, &pane.controls_state.search);
    if groups.is_empty() {
        inspector::note(ui, "No control has these words in its name.");
    }
    let is_alone = groups.len() == 1 && controls.list.len() <= MANY;
    for (group, members) in groups {
        if !is_alone && !heading(&mut pane.controls_state, ui, group, members.len(), controls.list.len()) {
            continue;
        }
        ui.add_enabled_ui(is_open, |ui| {
            for control in members {
                // Names may be there twice, and rows come and go.
                ui.push_id(control.id, |ui| row(&pane.controls_state, ui, control, &mut wanted));
            }
        });
    }
    ui.add_enabled_ui(is_open && n_changed(&controls) > 0, |ui| {
        let help = "Sets every control to the value that the camera's maker chose";
        let button = widgets::button(ui, "All defaults", false, help);
        if button.on_disabled_hover_text("Every control has its default.").clicked() {
            let settable = controls.list.iter().filter(|control| control.can_be_set() && !control.is_default());
            wanted.extend(settable.map(|control| ControlSetting { id: control.id, value: control.default }));
        }
    });
    if !is_open {
        inspector::note(ui, "The camera is not open: these are the values that it had.");
    }
    pane.set_controls(shell, wanted);
}

/// Under their headings, in the device's order; without headings under which nothing stands.
fn grouped<'a>(list: &'a [Control], search: &str) -> Vec<(ControlGroup, Vec<&'a Control>)> {
    let words: Vec<_> = search.split_whitespace().map(str::to_lowercase).collect();
    let is_wanted = |control: &&Control| {
        let names = format!("{} {}", control.label(), control.name).to_lowercase();
        words.iter().all(|word| names.contains(word))
    };
    let of = |group| list.iter().filter(move |control| ControlGroup::of(control.id) == group);
    let groups = ControlGroup::ALL.into_iter().map(|group| (group, of(group).filter(is_wanted).collect::<Vec<_>>()));
    groups.filter(|(_, members)| !members.is_empty()).collect()
}

fn search(view: &mut ControlsState, ui: &mut Ui) {
    const HELP: &str = "Shows only the controls with these words in their names";
    widgets::row(ui, "Search", HELP, |ui, width| {
        let edit = egui::TextEdit::singleline(&mut view.search)
            .hint_text("Words in a name")
            .align(egui::Align2::LEFT_CENTER)
            .desired_width(width - 12.0);
        ui.add_sized(vec2(width, CONTROL_HEIGHT), edit).accessible_name("Search controls").on_hover_text(HELP);
        if widgets::reset(ui, "Search controls", "all of them", !view.search.is_empty()) {
            view.search.clear();
        }
    });
}

/// The title of a group, which folds it away. Says whether it is open.
fn heading(view: &mut ControlsState, ui: &mut Ui, group: ControlGroup, n_members: usize, n_all: usize) -> bool {
    let is_open_at_first = group != ControlGroup::Other || n_all <= MANY;
    let is_turned = view.turned.contains(&group);
    // What is found must not be hidden.
    let is_open = is_open_at_first != is_turned || !view.search.is_empty();
    let text = if is_open { group.label().to_owned() } else { format!("{} ({n_members})", group.label()) };
    if widgets::fold(ui, &text, &format!("{} controls", group.label()), is_open) {
        if is_turned {
            view.turned.retain(|turned| *turned != group);
        } else {
            view.turned.push(group);
        }
    }
    is_open
}

fn why_none(pane: &Pane) -> &'static str {
    match pane.spec {
        SourceSpec::File(_) => "A file has no controls.",
        SourceSpec::Url(_) => "A network camera's controls are on its own page: open its address in a browser.",
        _ if pane.status.as_ref().is_some_and(|status| status.is_capturing) => {
            "This camera tells of no controls, or this backend cannot ask for them."
        }
        _ => "The controls are shown after the first picture.",
    }
}

/// Four sets of values that are kept for this camera.
fn presets(
    pane: &mut Pane,
    shell: &mut Shell,
    ui: &mut Ui,
    controls: &DeviceControls,
    wanted: &mut Vec<ControlSetting>,
) {
    const HELP: &str = "Sets of values that are kept for this camera";
    let camera = controls.camera.clone();
    widgets::row(ui, "Presets", HELP, |ui, width| {
        ui.allocate_ui_with_layout(vec2(width, CONTROL_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            for number in 1..=N_CONTROL_PRESETS {
                let kept = shell.settings_of(pane, &camera).control_presets.get(&number).cloned();
                let is_active = kept.as_deref().is_some_and(|kept| is_as(controls, kept));
                let (enabled, help) = match (pane.controls_state.is_keeping, kept.is_some()) {
                    (true, _) => (true, format!("Keeps the values as they are now as preset {number}")),
                    (false, true) => (true, format!("Sets the values of preset {number}")),
                    (false, false) => (false, "Nothing is kept here: press “Keep” and then this number.".to_owned()),
                };
                let clicked = ui
                    .add_enabled_ui(enabled, |ui| {
                        let chip = widgets::chip(ui, &number.to_string(), is_active, &help);
                        chip.accessible_name(format!("Preset {number}")).on_disabled_hover_text(&help).clicked()
                    })
                    .inner;
                if !clicked {
                    continue;
                }
                if std::mem::take(&mut pane.controls_state.is_keeping) {
                    shell.change_settings_of(pane, &camera, |settings| {
                        settings.control_presets.insert(number, values(controls));
                    });
                } else if let Some(kept) = kept {
                    wanted.extend(fitting(controls, &kept));
                }
            }
            let is_keeping = &mut pane.controls_state.is_keeping;
            if widgets::chip(ui, "Keep", *is_keeping, "Press this, then the number under which to keep the values")
                .clicked()
            {
                *is_keeping = !*is_keeping;
            }
        });
    });
}

/// What a preset keeps: all that could be set just now.
fn values(controls: &DeviceControls) -> Vec<ControlSetting> {
    let settable =
        controls.list.iter().filter(|control| control.can_be_set() && !matches!(control.kind, ControlKind::Button));
    settable.filter_map(|control| Some(ControlSetting { id: control.id, value: control.value? })).collect()
}

/// What of a preset this camera can have.
fn fitting(controls: &DeviceControls, kept: &[ControlSetting]) -> Vec<ControlSetting> {
    let fit = |setting: &ControlSetting| {
        let control = controls.list.iter().find(|control| control.id == setting.id && control.is_ever_set())?;
        Some(ControlSetting { value: control.fit(setting.value), ..*setting })
    };
    kept.iter().filter_map(fit).collect()
}

fn is_as(controls: &DeviceControls, kept: &[ControlSetting]) -> bool {
    let mut fitting = fitting(controls, kept).into_iter().peekable();
    let has = |setting: ControlSetting| {
        controls.list.iter().any(|control| control.id == setting.id && control.value == Some(setting.value))
    };
    fitting.peek().is_some() && fitting.all(has)
}

/// What it does, and which values it has.
fn help(control: &Control) -> String {
    let what = control::help(control.id);
    let mut help = if what.is_empty() { format!("{}.", control.name) } else { format!("{}. {what}", control.name) };
    if let ControlKind::Integer { min, max, step } = control.kind {
        let (low, high) = (control.spelled(min), control.spelled(max));
        help += &format!("\nFrom {low} to {high}");
        if step > 1 {
            help += &format!(" in steps of {}", control.spelled(step));
        }
        help += &format!("; default {}.", control.spelled(control.default));
    }
    help
}

fn row(view: &ControlsState, ui: &mut Ui, control: &Control, wanted: &mut Vec<ControlSetting>) {
    let help = help(control);
    if !control.is_ever_set() {
        return reported(ui, control, &help);
    }
    let before = view.value(control);
    let mut value = before;
    let why_not = control.held.as_deref();
    widgets::row(ui, control.label(), &help, |ui, width| {
        let size = vec2(width, CONTROL_HEIGHT);
        let mut pressed = false;
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.set_width(width);
            ui.add_enabled_ui(why_not.is_none(), |ui| match &control.kind {
                ControlKind::Integer { min, max, step } => {
                    integer(ui, control, &help, (*min, *max, *step), &mut value, width);
                }
                ControlKind::Boolean => {
                    let mut is_on = value != 0;
                    let shown = control.spelled(value);
                    told(ui.checkbox(&mut is_on, shown).accessible_name(control.label()), &help, why_not);
                    value = i64::from(is_on);
                }
                ControlKind::Menu { items } => {
                    let shown = control.spelled(value);
                    widgets::combo(ui, control.label(), &help, in_short(&shown), width, |ui| {
                        for item in items {
                            if widgets::choice(ui, in_short(&item.name), item.value == value) {
                                value = item.value;
                            }
                        }
                    });
                }
                _ => {
                    let button = widgets::button(ui, "Do it", false, &help).accessible_name(control.label());
                    pressed = button.clicked();
                }
            });
        });
        let has_default = why_not.is_none() && !matches!(control.kind, ControlKind::Button);
        let differs = has_default && control.value.is_some() && value != control.default;
        if widgets::reset(ui, control.label(), &control.spelled(control.default), differs) {
            value = control.default;
        }
        if pressed {
            wanted.push(ControlSetting { id: control.id, value: 1 });
        }
    });
    if let Some(why) = why_not {
        inspector::note(ui, why);
    } else if control.value.is_none() && !matches!(control.kind, ControlKind::Button) {
        inspector::note(ui, "The camera does not tell which value it has.");
    }
    if value != before && why_not.is_none() {
        wanted.push(ControlSetting { id: control.id, value: control.fit(value) });
    }
}

/// `Aperture Priority Mode`, as drivers have it, is wider than the column.
fn in_short(item: &str) -> &str {
    item.strip_suffix(" Mode").unwrap_or(item)
}

/// A control that cannot be set: its value, or what it is.
fn reported(ui: &mut Ui, control: &Control, help: &str) {
    widgets::row(ui, control.label(), help, |ui, width| {
        let palette = Palette::of(ui);
        let is_shut = control.id == control::PRIVACY && control.value.is_some_and(|value| value != 0);
        let color = if is_shut { palette.warning } else { palette.text_label };
        let words = RichText::new(control.in_words()).color(color);
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(vec2(width, CONTROL_HEIGHT), layout, |ui| {
            let why = if control.is_read_only {
                "The camera only reports this."
            } else {
                "This program does not set values of this kind."
            };
            ui.add(egui::Label::new(words).truncate()).on_hover_text(format!("{help}\n{why}"));
        });
    });
}

fn told(response: Response, help: &str, why_not: Option<&str>) -> Response {
    response.on_hover_text(help).on_disabled_hover_text(why_not.unwrap_or("The camera is not open."))
}

#[expect(clippy::cast_precision_loss, reason = "controls have at most 32 bits")]
fn integer(ui: &mut Ui, control: &Control, help: &str, range: (i64, i64, i64), value: &mut i64, width: f32) {
    let (min, max, step) = range;
    let scale = control::scale(control.id);
    let number = Number {
        label: control.label(),
        unit: control::unit(control.id),
        help,
        min: min as f64 * scale,
        max: max as f64 * scale,
        step: step as f64 * scale,
    };
    let mut shown = *value as f64 * scale;
    // A long way from nearly nothing to much: equal steps on the slider are equal factors then.
    let is_wide = min > 0 && max / min > 100;
    widgets::slider_and_field(ui, &number, &mut shown, is_wide, width);
    let wanted = shown / scale;
    if (wanted - *value as f64).abs() > 0.5 {
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
        let rounded = wanted.round() as i64;
        *value = control.fit(rounded);
    }
}
