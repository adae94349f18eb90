//! What the buttons of the fixes do: each the same as a control of the inspector, so that it can be undone there.

use crate::camera::Command;
use crate::checkup::Action;
use crate::control::{Control, ControlKind, ControlSetting};
use crate::phrases::Message;
use crate::settings::Transport;
use crate::source::SourceSpec;
use crate::status::State;
use crate::ui::address::Field;
use crate::ui::background::{Task, WindowHandle};
use crate::ui::pane::Pane;
use crate::ui::prompt::Purpose;
use crate::ui::shell::{Sheet, Shell, WindowRequest};
use crate::ui::source;
use crate::ui::text;

/// The words on the button.
pub fn label(pane: &Pane, action: &Action) -> Message {
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
        Action::SetControl(setting) => match control(pane, *setting) {
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

fn control(pane: &Pane, setting: ControlSetting) -> Option<&Control> {
    pane.controls.list.iter().find(|control| control.id == setting.id)
}

/// Why it cannot be done now.
pub fn why_not(pane: &Pane, shell: &Shell, action: &Action) -> Option<&'static str> {
    let state = pane.status.as_ref().map(|status| status.state);
    let is_open = pane.status.as_ref().is_some_and(|status| status.is_opened);
    match action {
        // The question goes away by itself while there is nothing to be reset.
        Action::ResetDevice if !matches!(state, Some(State::Recovering | State::Failed)) => Some("panel.not-needed"),
        Action::SetControl(_) | Action::ResetControls if !is_open => Some("panel.not-open"),
        Action::UseBackend(backend) if !pane.spec.backends().contains(backend) => Some("panel.not-possible"),
        Action::ChooseDevice(identity) if choice(shell, identity).is_none() => Some("panel.not-there"),
        _ => None,
    }
}

fn choice(shell: &Shell, identity: &str) -> Option<SourceSpec> {
    let listed = shell.cameras.iter().find(|camera| camera.device.identity == identity);
    listed.map(crate::ui::choice::CameraChoice::spec)
}

/// Does it, with what the window has for it.
pub fn perform(pane: &mut Pane, shell: &mut Shell, action: &Action) {
    let asked = &mut pane.settings.asked;
    match action {
        Action::WaitUntilFree => pane.commands.push(Command::WaitUntilFree),
        Action::RestartStream | Action::Reconnect => {
            let is_closed =
                pane.status.as_ref().is_none_or(|status| matches!(status.state, State::Idle | State::Failed));
            let command = if is_closed { Command::Start } else { Command::RecoverNow };
            pane.commands.push(command);
        }
        Action::UseFormat(format) => asked.format = Some(*format),
        Action::UseSize(size) => asked.size = Some(*size),
        Action::UseRate(fps) => asked.fps = Some(*fps),
        Action::UseDeviceDefaults => (asked.format, asked.size, asked.fps) = (None, None, None),
        Action::UseBuffers(n) => asked.n_buffers = Some(*n),
        Action::UseBackend(backend) => pane.settings.backend = Some(*backend),
        Action::UseTransport(transport) => pane.settings.transport = *transport,
        Action::SetControl(setting) => pane.set_controls(shell, vec![*setting]),
        Action::ResetControls => {
            let changed = pane.controls.list.iter().filter(|control| control.can_be_set() && !control.is_default());
            let settings = changed.map(|control| ControlSetting { id: control.id, value: control.default }).collect();
            pane.set_controls(shell, settings);
        }
        Action::ResetDevice => shell.sheet = Some(Sheet::Reset),
        Action::ChooseDevice(identity) => {
            shell.requests.extend(choice(shell, identity).map(|spec| WindowRequest::Choose(pane.id(), spec)));
        }
        Action::EditAddress => {
            let field = if pane.wants_password() { Field::Password } else { Field::Whole };
            pane.open_address(shell, field);
        }
        Action::OpenSettings(page) => shell.run(OpenPage(page.clone())),
        Action::ChooseFolder => pane.browse(shell, Purpose::SnapshotFolder),
    }
    // The fields in which something else was being typed show what is asked for now.
    pane.inspector.source = source::SourceState::default();
}

/// Opens a page of the system's settings.
#[derive(Debug)]
struct OpenPage(String);

impl Task for OpenPage {
    fn thread_name(&self) -> &'static str {
        "open-page"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self(page) = *self;
        if let Err(error) = open::that_detached(&page) {
            window.fail(format!("The settings could not be opened ({error}): {page}"));
        }
    }
}

impl Pane {
    /// Has controls set, and shows them as set until the camera answers.
    pub(in crate::ui) fn set_controls(&mut self, shell: &mut Shell, wanted: Vec<ControlSetting>) {
        if wanted.is_empty() {
            return;
        }
        let is_button = |id| self.controls.list.iter().any(|c| c.id == id && matches!(c.kind, ControlKind::Button));
        let shown: Vec<_> = wanted.iter().filter(|setting| !is_button(setting.id)).copied().collect();
        for setting in shown {
            self.controls_state.put(setting, shell.now);
        }
        self.commands.push(Command::SetControls(wanted));
    }
}
