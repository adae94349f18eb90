//! What the buttons of the fixes do: each the same as a control of the inspector, so that it can be undone there.

use crate::camera::Command;
use crate::checkup::Action;
use crate::control::{Control, ControlKind, ControlSetting};
use crate::phrases::Message;
use crate::settings::Transport;
use crate::source::SourceSpec;
use crate::status::State;
use crate::ui::address::{self, Field};
use crate::ui::prompt::Purpose;
use crate::ui::source;
use crate::ui::text;
use crate::ui::window::{Sheet, Window, Wish};

/// The words on the button.
pub fn label(window: &Window, action: &Action) -> Message {
    match action {
        Action::WaitUntilFree => Message::new("action.wait-until-free"),
        Action::RestartStream => Message::new("action.restart-stream"),
        Action::Reconnect => Message::new("action.reconnect"),
        Action::UseFormat(format) => Message::new("action.use").with("what", format.to_string()),
        Action::UseSize(size) => Message::new("action.use").with("what", source::spelled(*size)),
        Action::UseRate(fps) => Message::new("action.use").with("what", format!("{} fps", text::decimal(*fps, 2))),
        Action::UseDeviceDefaults => Message::new("action.use-device-defaults"),
        Action::UseBackend(backend) => Message::new("action.use").with("what", backend.label()),
        Action::UseBuffers(n) => Message::new("action.use-buffers").with("n", *n),
        Action::UseTransport(Transport::Tcp) => Message::new("action.use").with("what", "TCP"),
        Action::UseTransport(Transport::Udp) => Message::new("action.use").with("what", "UDP"),
        Action::UseTransport(Transport::Auto) => Message::new("action.use-any-transport"),
        Action::SetControl(setting) => match control(window, *setting) {
            Some(control) => Message::new("action.set-control")
                .with("name", control.label())
                .with("value", control.spelled(setting.value)),
            None => Message::new("action.set-unknown-control"),
        },
        Action::ResetControls => Message::new("action.reset-controls"),
        Action::ResetDevice => Message::new("action.reset-device"),
        Action::ChooseDevice(_) => Message::new("action.choose-device"),
        Action::EditAddress => Message::new("action.edit-address"),
        Action::OpenSettings(_) => Message::new("action.open-settings"),
        Action::ChooseFolder => Message::new("action.choose-folder"),
    }
}

/// What a press does, where the button's words do not say all of it.
pub fn help(action: &Action) -> &'static str {
    match action {
        Action::WaitUntilFree => "action.wait-until-free-help",
        Action::RestartStream | Action::Reconnect => "action.reconnect-help",
        Action::UseFormat(_)
        | Action::UseSize(_)
        | Action::UseRate(_)
        | Action::UseDeviceDefaults
        | Action::UseBackend(_)
        | Action::UseBuffers(_)
        | Action::UseTransport(_) => "action.source-help",
        Action::SetControl(_) | Action::ResetControls => "action.controls-help",
        Action::ResetDevice => "action.reset-device-help",
        Action::ChooseDevice(_) => "action.choose-device-help",
        Action::EditAddress => "action.edit-address-help",
        Action::OpenSettings(_) => "action.open-settings-help",
        Action::ChooseFolder => "action.choose-folder-help",
    }
}

fn control(window: &Window, setting: ControlSetting) -> Option<&Control> {
    window.controls.list.iter().find(|control| control.id == setting.id)
}

/// Why it cannot be done now.
pub fn why_not(window: &Window, action: &Action) -> Option<&'static str> {
    let state = window.status.as_ref().map(|status| status.state);
    let is_open = window.status.as_ref().is_some_and(|status| status.is_opened);
    match action {
        // The question goes away by itself while there is nothing to be reset.
        Action::ResetDevice if !matches!(state, Some(State::Recovering | State::Failed)) => Some("panel.not-needed"),
        Action::SetControl(_) | Action::ResetControls if !is_open => Some("panel.not-open"),
        Action::UseBackend(backend) if !window.spec.backends().contains(backend) => Some("panel.not-possible"),
        Action::ChooseDevice(identity) if choice(window, identity).is_none() => Some("panel.not-there"),
        _ => None,
    }
}

fn choice(window: &Window, identity: &str) -> Option<SourceSpec> {
    let listed = window.cameras.iter().find(|camera| camera.device.identity == identity);
    listed.map(crate::ui::choice::CameraChoice::spec)
}

/// Does it, with what the window has for it.
pub fn perform(window: &mut Window, action: &Action) {
    let asked = &mut window.camera.asked;
    match action {
        Action::WaitUntilFree => window.wishes.push(Wish::Camera(Command::WaitUntilFree)),
        Action::RestartStream | Action::Reconnect => {
            let is_closed =
                window.status.as_ref().is_none_or(|status| matches!(status.state, State::Idle | State::Failed));
            let command = if is_closed { Command::Start } else { Command::RecoverNow };
            window.wishes.push(Wish::Camera(command));
        }
        Action::UseFormat(format) => asked.format = Some(*format),
        Action::UseSize(size) => asked.size = Some(*size),
        Action::UseRate(fps) => asked.fps = Some(*fps),
        Action::UseDeviceDefaults => (asked.format, asked.size, asked.fps) = (None, None, None),
        Action::UseBuffers(n) => asked.n_buffers = Some(*n),
        Action::UseBackend(backend) => window.camera.backend = Some(*backend),
        Action::UseTransport(transport) => window.camera.transport = *transport,
        Action::SetControl(setting) => window.set_controls(vec![*setting]),
        Action::ResetControls => {
            let changed = window.controls.list.iter().filter(|control| control.can_be_set() && !control.is_default());
            let settings = changed.map(|control| ControlSetting { id: control.id, value: control.default }).collect();
            window.set_controls(settings);
        }
        Action::ResetDevice => window.sheet = Some(Sheet::Reset),
        Action::ChooseDevice(identity) => window.wishes.extend(choice(window, identity).map(Wish::Choose)),
        Action::EditAddress => {
            let field = if address::wants_password(window) { Field::Password } else { Field::Whole };
            window.open_address(field);
        }
        Action::OpenSettings(page) => window.wishes.push(Wish::OpenPage(page.clone())),
        Action::ChooseFolder => window.wishes.push(Wish::Browse(Purpose::SnapshotFolder)),
    }
    // The fields in which something else was being typed show what is asked for now.
    window.inspector.source = source::View::default();
}

impl Window {
    /// Has controls set, and shows them as set until the camera answers.
    pub(in crate::ui) fn set_controls(&mut self, wanted: Vec<ControlSetting>) {
        if wanted.is_empty() {
            return;
        }
        let is_button = |id| self.controls.list.iter().any(|c| c.id == id && matches!(c.kind, ControlKind::Button));
        let shown: Vec<_> = wanted.iter().filter(|setting| !is_button(setting.id)).copied().collect();
        for setting in shown {
            self.control_view.put(setting, self.now);
        }
        self.wishes.push(Wish::Camera(Command::SetControls(wanted)));
    }
}
