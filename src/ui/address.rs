//! The dialogue for addresses: the whole and its parts, the password apart from them, the test of the connection.
//!
//! A password is in no text of it but its own masked field. Wherever in the window an address with a password is pasted,
//! it ends here.

use std::time::Duration;

use egui::{Align, Event, Key, Layout, RichText, TextEdit, Ui, vec2};

use self::draft::{Draft, Wrong};
use self::makes::{MAKES, Make, StreamPlace};
use super::background::{Task, WindowHandle};
use super::connection::{self, ConnectionTest, TestAction, TestConnection};
use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::{Shell, WindowRequest};
use super::text::capitalised;
use super::theme::{self, CONTROL_HEIGHT, Palette, SMALL};
use super::widgets::{self, Icon};
use crate::address::{Address, Scheme};
use crate::fault::FaultKind;
use crate::network;
use crate::secrets::{self, KeyringError};
use crate::settings::{NetworkOptions, Transport};
use crate::source::SourceSpec;

pub mod draft;
pub mod makes;

const TITLE: &str = "Open an address or a path";
const WIDTH: f32 = 620.0;
const HINT_HEIGHT: f32 = 15.0;
/// Names of the fields, for whoever cannot see them.
const WHOLE: &str = "Address or path";
const PASSWORD: &str = "Password";

/// Which field is wanted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Whole,
    Password,
}

/// What is known of a password that is not in the field.
#[derive(Clone, Debug, Default, PartialEq)]
enum Lookup {
    #[default]
    None,
    /// The keyring has been asked for this address.
    Asked(Address),
    NotThere(Address),
    Failed(Address, KeyringError),
    /// The camera has refused the password that it was opened with: another one is wanted.
    Refused,
}

/// Where the camera is shown that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpensCamera {
    /// In place of the one that is selected.
    Here,
    /// Beside the others.
    Beside,
}

/// The open dialogue.
pub struct AddressDialog {
    pub draft: Draft,
    transport: Transport,
    keep: bool,
    lookup: Lookup,
    /// Something was typed into the field that has the cursor.
    is_touched: bool,
    make: Option<&'static Make>,
    is_sub: bool,
    /// The field that gets the cursor in the next pass.
    focus: Option<Field>,
    test: Option<ConnectionTest>,
    opens: OpensCamera,
}

impl AddressDialog {
    #[must_use]
    pub fn new(spec: &SourceSpec, transport: Transport, focus: Field) -> Self {
        Self {
            draft: Draft::of(spec),
            transport,
            keep: true,
            lookup: Lookup::None,
            is_touched: false,
            make: None,
            is_sub: false,
            focus: Some(focus),
            test: None,
            opens: OpensCamera::Here,
        }
    }
}

impl Pane {
    /// Opens the dialogue, with what is shown now in its fields.
    pub fn open_address(&self, shell: &mut Shell, focus: Field) {
        let mut dialog = AddressDialog::new(&self.spec, self.settings.transport, focus);
        if focus == Field::Password && self.wants_password() {
            // What is typed stands in place of it, and not behind it: a camera locks after a few wrong ones.
            dialog.draft.password.clear();
            dialog.draft.typed_password();
            dialog.lookup = Lookup::Refused;
        } else if let Some((_, left)) = shell.left_address.take_if(|(pane, _)| *pane == self.id()) {
            dialog = AddressDialog { focus: Some(focus), ..left };
        }
        shell.address = Some(dialog);
    }

    /// The same for one more camera, with empty fields.
    pub(super) fn open_address_beside(&self, shell: &mut Shell, focus: Field) {
        let transport = shell.settings.new_camera.transport;
        let dialog = AddressDialog { draft: Draft::default(), ..AddressDialog::new(&self.spec, transport, focus) };
        shell.address = Some(AddressDialog { opens: OpensCamera::Beside, ..dialog });
    }

    /// Tests the connection to the camera that is shown.
    pub fn test_shown(&self, shell: &mut Shell) {
        let mut dialog = AddressDialog::new(&self.spec, self.settings.transport, Field::Whole);
        begin_test(shell, &mut dialog);
        shell.address = Some(dialog);
    }

    /// Whether the camera wants another password.
    #[must_use]
    pub fn wants_password(&self) -> bool {
        let fault = self.status.as_ref().and_then(|status| status.last_fault.as_ref());
        matches!(self.spec, SourceSpec::Url(_)) && fault.is_some_and(|fault| fault.kind == FaultKind::LoginRefused)
    }
}

impl Shell {
    /// What the keyring had for an address.
    pub(super) fn hear_password(&mut self, asked: &Address, answer: &Result<Option<Address>, KeyringError>) {
        let Some(dialog) = &mut self.address else { return };
        if dialog.lookup != Lookup::Asked(asked.clone()) {
            return;
        }
        dialog.lookup = match answer {
            Ok(Some(found)) => {
                // What was typed meanwhile stands before what was kept.
                if dialog.draft.password.is_empty() {
                    dialog.draft.take_found(found);
                }
                Lookup::None
            }
            Ok(None) => Lookup::NotThere(asked.clone()),
            Err(trouble) => Lookup::Failed(asked.clone(), *trouble),
        };
    }

    /// The test of a connection of this number, if it is the one in the dialogue.
    pub fn connection_test(&mut self, number: u64) -> Option<&mut ConnectionTest> {
        self.address.as_mut()?.test.as_mut().filter(|test| test.number == number)
    }

    fn hear_not_kept(&mut self, trouble: KeyringError) {
        let why = format!("{}: the password is kept until Camclinic ends.", capitalised(&trouble.to_string()));
        self.toasts.info(why, self.now);
    }
}

// ---- the keyring

/// A keyring may ask its owner first: nobody waits for the answer but the field that it fills.
const KEYRING_DEADLINE: Duration = Duration::from_mins(1);

/// Looks for the password of an address.
#[derive(Debug)]
pub(super) struct FindPassword(pub Address);

impl Task for FindPassword {
    fn thread_name(&self) -> &'static str {
        "find-password"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self(address) = *self;
        let answer = window.passwords.find(&address, secrets::DEADLINE);
        window.update(move |window| window.hear_password(&address, &answer));
    }
}

/// Keeps the password of an address, for this run or for longer.
#[derive(Debug)]
struct KeepPassword {
    address: Address,
    in_keyring: bool,
}

impl Task for KeepPassword {
    fn thread_name(&self) -> &'static str {
        "keep-password"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        match window.passwords.keep(&self.address, self.in_keyring, KEYRING_DEADLINE) {
            // Who keeps nothing there need not be told that there is no keyring.
            Err(trouble) if self.in_keyring => {
                window.update(move |window| window.shell.hear_not_kept(trouble));
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[derive(Debug)]
struct ForgetPassword(Address);

impl Task for ForgetPassword {
    fn thread_name(&self) -> &'static str {
        "forget-password"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        match window.passwords.forget(&self.0, KEYRING_DEADLINE) {
            Ok(()) | Err(KeyringError::None) => {}
            Err(trouble) => {
                window.update(move |window| window.shell.hear_not_kept(trouble));
            }
        }
    }
}

// ---- the dialogue

/// Takes pasted addresses that have a password out of the events of this pass, before any field can show them; while the
/// dialogue is open, any address.
pub fn catch(pane: &Pane, shell: &mut Shell, ctx: &egui::Context) {
    let password_has_focus = shell.address.is_some() && ctx.memory(egui::Memory::focused) == Some(password_id());
    if password_has_focus {
        return;
    }
    let is_open = shell.address.as_ref().is_some_and(|dialog| dialog.test.is_none());
    let mut caught = None;
    ctx.input_mut(|input| {
        input.events.retain(|event| {
            let Event::Paste(text) = event else { return true };
            let Some(address) = Some(text).filter(|text| text.contains("://")).and_then(|text| draft::address_in(text))
            else {
                return true;
            };
            let has_secret = address.secrets().next().is_some();
            if is_open || has_secret {
                caught = Some(text.clone());
            }
            caught.is_none()
        });
    });
    let Some(text) = caught else { return };
    // The field that it was meant for is not where it belongs.
    shell.prompt = None;
    shell.sheet = None;
    if !is_open {
        shell.address = Some(AddressDialog::new(&pane.spec, pane.settings.transport, Field::Whole));
    }
    if let Some(dialog) = &mut shell.address {
        dialog.draft.paste(&text);
        dialog.is_touched = false;
        dialog.lookup = Lookup::None;
        dialog.make = None;
    }
}

/// What a pass of the dialogue ends with.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum DialogAction {
    #[default]
    Stays,
    Open,
    Test,
    Cancel,
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    let Some(mut dialog) = shell.address.take() else { return };
    let mut open = true;
    let mut action = DialogAction::Stays;
    let is_test = dialog.test.is_some();
    let title = if is_test { "Test of the connection" } else { TITLE };
    widgets::sheet(ctx, title, WIDTH, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 7.0;
        action = if is_test { test_page(shell, &mut dialog, ui) } else { form_page(pane, shell, &mut dialog, ui) };
    });
    match action {
        DialogAction::Stays => {}
        DialogAction::Test => begin_test(shell, &mut dialog),
        DialogAction::Open => {
            if accept(pane, shell, &mut dialog) {
                return;
            }
        }
        DialogAction::Cancel => open = false,
    }
    // A test that runs ends with the dialogue.
    if open {
        shell.address = Some(dialog);
    } else if action == DialogAction::Stays && dialog.opens == OpensCamera::Here && !dialog.draft.is_like(&pane.spec) {
        // A click beside it, or Esc, throws nothing away.
        dialog.test = None;
        shell.toasts.info("What you typed is kept. Open the address again to go on.", shell.now);
        shell.left_address = Some((pane.id(), dialog));
    }
}

/// Opens what the fields name. Returns `false` where something in them is wrong.
fn accept(pane: &mut Pane, shell: &mut Shell, dialog: &mut AddressDialog) -> bool {
    let Ok(spec) = dialog.draft.spec() else { return false };
    if let SourceSpec::Url(address) = &spec {
        shell.settings.network.remember(address);
        let transport = dialog.transport;
        shell.change_settings_of(pane, &spec.without_password(), |settings| settings.transport = transport);
        if address.secrets().next().is_some() && !dialog.draft.is_found() {
            shell.run(KeepPassword { address: address.clone(), in_keyring: dialog.keep });
        }
    }
    let request = if dialog.opens == OpensCamera::Beside {
        WindowRequest::Add(spec)
    } else {
        WindowRequest::Choose(pane.id(), spec)
    };
    shell.requests.push(request);
    true
}

fn begin_test(shell: &mut Shell, dialog: &mut AddressDialog) {
    let Ok(SourceSpec::Url(address)) = dialog.draft.spec() else { return };
    // Of another dialogue's tests nothing is heard any more.
    shell.n_connection_tests += 1;
    let (number, transport) = (shell.n_connection_tests, dialog.transport);
    let trusted_certificates = shell.settings.network.trusted_certificates.clone();
    let network = NetworkOptions { transport, trusted_certificates };
    let (test, task) = TestConnection::new(number, address, network, shell.logins.clone(), shell.now);
    dialog.test = Some(test);
    shell.run(task);
}

fn test_page(shell: &mut Shell, dialog: &mut AddressDialog, ui: &mut Ui) -> DialogAction {
    let now = shell.now;
    let Some(test) = &mut dialog.test else { return DialogAction::Stays };
    match connection::draw(test, now, ui) {
        TestAction::Stays => DialogAction::Stays,
        TestAction::Cancel => {
            test.cancel();
            DialogAction::Stays
        }
        TestAction::Again => DialogAction::Test,
        TestAction::Back { to_password } => {
            dialog.test = None;
            dialog.focus = Some(if to_password { Field::Password } else { Field::Whole });
            DialogAction::Stays
        }
        TestAction::Open => DialogAction::Open,
        TestAction::Trust(fingerprint) => {
            let place = network::trust_key(&test.address);
            shell.settings.network.trusted_certificates.insert(place, fingerprint);
            DialogAction::Test
        }
    }
}

// ---- the form

fn whole_id() -> egui::Id {
    egui::Id::unique("address: whole")
}

fn password_id() -> egui::Id {
    egui::Id::unique("address: password")
}

fn form_page(pane: &mut Pane, shell: &mut Shell, dialog: &mut AddressDialog, ui: &mut Ui) -> DialogAction {
    let wrong = dialog.draft.spec().err();
    let is_right = wrong.is_none();
    let wrong = wrong.unwrap_or_default();
    let mut entered = whole(dialog, &wrong, ui);
    recent(shell, dialog, ui);
    ui.add_space(2.0);
    let has_parts = dialog.draft.has_parts();
    ui.add_enabled_ui(has_parts, |ui| {
        make(dialog, ui);
        entered |= parts(dialog, &wrong, ui);
        entered |= login(shell, dialog, ui);
        let help = transport(&mut dialog.transport, ui);
        let weak = Palette::of(ui).text_weak;
        hint_below(ui, help, weak);
    });
    look_for_password(shell, dialog, ui.ctx());
    ui.add_space(4.0);
    let mut action = DialogAction::Stays;
    ui.horizontal(|ui| {
        ui.add_enabled_ui(is_right, |ui| {
            let why = "Something in the fields is missing or wrong.";
            let (label, help) = if dialog.opens == OpensCamera::Beside {
                ("Add", "Show this camera beside the others")
            } else {
                ("Open", "Show this camera")
            };
            if widgets::button(ui, label, true, help).on_disabled_hover_text(why).clicked() {
                action = DialogAction::Open;
            }
        });
        ui.add_enabled_ui(is_right && has_parts, |ui| {
            let help = "Goes from the name to the picture step by step, and says which step fails and why";
            let why = "Only network cameras are tested here.";
            if widgets::button(ui, "Test connection", false, help).on_disabled_hover_text(why).clicked() {
                action = DialogAction::Test;
            }
        });
        if widgets::button(ui, "Browse…", false, "Choose a video file in the system's own dialogue").clicked() {
            let purpose =
                if dialog.opens == OpensCamera::Beside { Purpose::AnotherVideoFile } else { Purpose::VideoFile };
            pane.browse(shell, purpose);
            action = DialogAction::Cancel;
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::button(ui, "Cancel", false, "Esc").clicked() {
                action = DialogAction::Cancel;
            }
        });
    });
    if entered && is_right {
        action = DialogAction::Open;
    }
    if action != DialogAction::Stays {
        dialog.draft.settle();
    }
    action
}

/// The field at the top. Returns whether Enter was pressed in it.
fn whole(dialog: &mut AddressDialog, wrong: &Wrong, ui: &mut Ui) -> bool {
    let weak = Palette::of(ui).text_weak;
    let mut hide = |ui: &Ui, buffer: &dyn egui::TextBuffer, _width: f32| {
        let text = buffer.as_str();
        let secret = Draft::secret_range(text);
        let shown: String = text.char_indices().map(|(at, c)| if secret.contains(&at) { '•' } else { c }).collect();
        let font = theme::regular(theme::BODY);
        let color = ui.visuals().text_color();
        ui.painter().layout_no_wrap(shown, font, color)
    };
    let edit = TextEdit::singleline(&mut dialog.draft.whole)
        .id(whole_id())
        .hint_text(RichText::new("rtsp://192.168.1.64/stream, a device, a video file, or sim:").color(weak))
        .char_limit(2_000)
        .layouter(&mut hide)
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    let response = ui.add(edit).accessible_name(WHOLE);
    if dialog.focus == Some(Field::Whole) {
        response.request_focus();
        dialog.focus = None;
    }
    if response.changed() {
        dialog.is_touched = true;
        dialog.draft.read_whole();
        dialog.make = None;
    }
    if response.lost_focus() {
        dialog.draft.settle();
        forget_undo(ui.ctx(), whole_id());
    }
    let (words, color) = if !wrong.whole.is_empty() {
        (format!("⚠ {}", wrong.whole), Palette::of(ui).warning)
    } else if dialog.draft.has_parts() {
        ("Paste a whole address here, or fill in the parts. Odd characters are escaped for you.".to_owned(), weak)
    } else {
        ("This is no network camera: nothing more is needed.".to_owned(), weak)
    };
    hint(ui, &words, color);
    entered(ui, &response)
}

/// What was typed may have held a password.
fn forget_undo(ctx: &egui::Context, id: egui::Id) {
    if let Some(mut state) = egui::text_edit::TextEditState::load(ctx, id) {
        state.clear_undoer();
        state.store(ctx, id);
    }
}

fn entered(ui: &Ui, response: &egui::Response) -> bool {
    response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

/// A line of small text that takes its place whether there is something to say or not.
fn hint(ui: &mut Ui, words: &str, color: egui::Color32) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HINT_HEIGHT), egui::Sense::hover());
    if words.is_empty() {
        return;
    }
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Label, true, words));
    let galley = widgets::one_line(ui.painter(), words, theme::regular(SMALL), color, rect.width());
    ui.painter().galley(rect.left_center() - vec2(0.0, galley.size().y / 2.0), galley, color);
    response.on_hover_text(words);
}

/// The same under a field.
fn hint_below(ui: &mut Ui, words: &str, color: egui::Color32) {
    let left = widgets::label_width(ui.available_width()) + 8.0;
    let size = vec2(ui.available_width(), HINT_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(left);
        hint(ui, words, color);
    });
}

fn recent(shell: &mut Shell, dialog: &mut AddressDialog, ui: &mut Ui) {
    const HELP: &str = "Addresses that were opened before, the newest first. Passwords are not among them.";
    if shell.settings.network.recent.is_empty() {
        return;
    }
    let (mut chosen, mut removed) = (None, None);
    widgets::wide_row(ui, "Recent", HELP, |ui, width| {
        widgets::combo(ui, "Recent", HELP, "Choose one…", width, |ui| {
            for text in &shell.settings.network.recent {
                ui.horizontal(|ui| {
                    let room = width - 60.0;
                    let shown = ui
                        .allocate_ui_with_layout(vec2(room, 22.0), Layout::top_down_justified(Align::Min), |ui| {
                            ui.set_width(room);
                            ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Truncate);
                            widgets::choice(ui, text, false)
                        })
                        .inner;
                    if shown {
                        chosen = Some(text.clone());
                    }
                    if widgets::close_button(ui, &format!("Forget {text} and its password")).clicked() {
                        removed = Some(text.clone());
                    }
                });
            }
        });
    });
    if let Some(text) = chosen {
        dialog.draft.paste(&text);
        dialog.make = None;
        dialog.lookup = Lookup::None;
    }
    if let Some(text) = removed {
        shell.settings.network.recent.retain(|recent| *recent != text);
        if let Ok(address) = Address::parse(&text) {
            shell.run(ForgetPassword(address));
        }
    }
}

fn make(dialog: &mut AddressDialog, ui: &mut Ui) {
    const HELP: &str = "Fills in scheme, port and path as the maker has them.";
    let shown = dialog.make.map_or("Choose a maker for its path…", |make| make.name);
    let mut placed: Option<&StreamPlace> = None;
    widgets::wide_row(ui, "Camera", HELP, |ui, width| {
        let has_sub = dialog.make.is_some_and(|make| make.sub.is_some());
        let chips = if has_sub { 150.0 } else { 0.0 };
        let mut made = dialog.make;
        widgets::combo(ui, "Camera", HELP, shown, width - chips, |ui| {
            for make in MAKES {
                let is_chosen = made.is_some_and(|chosen| std::ptr::eq(chosen, make));
                if widgets::choice(ui, make.name, is_chosen) {
                    made = Some(make);
                    dialog.is_sub = false;
                    placed = Some(&make.main);
                }
            }
        });
        if let (true, Some(make)) = (has_sub, dialog.make) {
            ui.spacing_mut().item_spacing.x = 6.0;
            let sub = make.sub.as_ref();
            if widgets::chip(ui, "Main", !dialog.is_sub, "The main stream, in full size").clicked() {
                dialog.is_sub = false;
                placed = Some(&make.main);
            }
            if widgets::chip(ui, "Second", dialog.is_sub, "The smaller stream, or single pictures").clicked() {
                dialog.is_sub = true;
                placed = sub;
            }
        }
        dialog.make = made;
    });
    if let Some(place) = placed {
        dialog.draft.scheme = Some(place.scheme);
        dialog.draft.port = place.port.map(|port| port.to_string()).unwrap_or_default();
        place.path.clone_into(&mut dialog.draft.path);
        dialog.draft.read_parts();
    }
    let weak = Palette::of(ui).text_weak;
    hint_below(ui, dialog.make.map_or("Fills in scheme, port and path.", |make| make.note), weak);
}

/// A field of the form, with what is wrong below it. Returns its response.
fn field(ui: &mut Ui, edit: TextEdit<'_>, name: &str, width: f32) -> egui::Response {
    let width = width.max(24.0);
    let edit = edit.desired_width(width - 16.0).margin(egui::Margin::symmetric(8, 5)).align(egui::Align2::LEFT_CENTER);
    ui.add_sized([width, CONTROL_HEIGHT], edit).accessible_name(name)
}

/// Scheme, host, port and path. Returns whether Enter was pressed in one of them.
fn parts(dialog: &mut AddressDialog, wrong: &Wrong, ui: &mut Ui) -> bool {
    const HELP: &str = "How the camera is spoken to, its name or number on the network, and the port.";
    let (mut changed, mut done) = (false, false);
    let warning = Palette::of(ui).warning;
    let draft = &mut dialog.draft;
    let mut judge = |ui: &Ui, response: &egui::Response| {
        changed |= response.changed();
        done |= entered(ui, response);
    };
    let mut scheme = draft.scheme();
    widgets::wide_row(ui, "Host and port", HELP, |ui, width| {
        let (scheme_width, port_width) = if width > 260.0 { (96.0, 76.0) } else { (84.0, 48.0) };
        widgets::combo(
            ui,
            "Scheme",
            "rtsp:// is what most cameras have; the s at the end means encrypted",
            &format!("{}://", scheme.name()),
            scheme_width,
            |ui| {
                for one in Scheme::ALL {
                    if widgets::choice(ui, &format!("{}://", one.name()), one == scheme) {
                        scheme = one;
                    }
                }
            },
        );
        let room = width - scheme_width - port_width - 2.0 * 8.0;
        let edit = TextEdit::singleline(&mut draft.host).hint_text("192.168.1.64 or a name").char_limit(255);
        let response = field(ui, edit, "Host", room);
        judge(ui, &response);
        let default = scheme.default_port().to_string();
        let edit = TextEdit::singleline(&mut draft.port).hint_text(default).char_limit(6);
        let response = field(ui, edit, "Port", port_width);
        judge(ui, &response);
    });
    let beside = [&wrong.host, &wrong.port].map(|why| warned(why)).join(" ");
    hint_below(ui, beside.trim(), warning);
    widgets::wide_row(
        ui,
        "Path",
        "What stands behind the host: which stream it is. Each maker has its own.",
        |ui, width| {
            let edit = TextEdit::singleline(&mut draft.path).hint_text("/stream").char_limit(1_500);
            let response = field(ui, edit, "Path", width);
            judge(ui, &response);
        },
    );
    if !wrong.path.is_empty() {
        hint_below(ui, &warned(&wrong.path), warning);
    }
    if scheme != draft.scheme() {
        draft.scheme = Some(scheme);
        changed = true;
    }
    if changed {
        dialog.is_touched = true;
        draft.read_parts();
    }
    done
}

fn warned(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!("⚠ {why}") }
}

/// User and password. Returns whether Enter was pressed in one of them.
fn login(shell: &mut Shell, dialog: &mut AddressDialog, ui: &mut Ui) -> bool {
    const HELP: &str = "It is sent to the camera only, and only after the camera has asked for it.";
    let mut done = false;
    widgets::wide_row(ui, "User", "Empty where the camera asks for none.", |ui, width| {
        let edit = TextEdit::singleline(&mut dialog.draft.user).char_limit(200);
        let response = field(ui, edit, "User", width);
        if response.changed() {
            dialog.is_touched = true;
            dialog.draft.read_parts();
        }
        done |= entered(ui, &response);
    });
    widgets::wide_row(ui, PASSWORD, HELP, |ui, width| {
        const EYE: f32 = 64.0;
        let eye = ui.scope_id().with("eye");
        let is_shown = ui.ctx().read_response(eye).is_some_and(|eye| eye.is_pointer_button_down_on());
        let edit =
            TextEdit::singleline(&mut dialog.draft.password).id(password_id()).password(!is_shown).char_limit(500);
        let response = field(ui, edit, PASSWORD, width - EYE - 8.0);
        if dialog.focus == Some(Field::Password) {
            response.request_focus();
            dialog.focus = None;
        }
        if response.changed() {
            dialog.draft.typed_password();
            dialog.lookup = Lookup::None;
        }
        done |= entered(ui, &response);
        show_button(ui, eye, EYE, is_shown);
    });
    password_state(shell, dialog, ui);
    done
}

/// Shows the password while it is held down.
fn show_button(ui: &mut Ui, id: egui::Id, width: f32, is_shown: bool) {
    let (rect, _) = ui.allocate_exact_size(vec2(width, CONTROL_HEIGHT), egui::Sense::hover());
    let response = ui.interact(rect, id, egui::Sense::click_and_drag());
    response.widget_info(|| {
        egui::WidgetInfo::selected(egui::accesskit::Role::Button, true, is_shown, "Show the password while held")
    });
    let visuals = ui.style().interact(&response);
    ui.painter().rect(rect, theme::RADIUS, visuals.weak_bg_fill, visuals.bg_stroke, egui::StrokeKind::Inside);
    widgets::focus_ring(ui, &response, theme::RADIUS);
    let color = if is_shown { Palette::of(ui).accent } else { visuals.text_color() };
    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "Show", theme::regular(theme::BODY), color);
    response.on_hover_text("Shows the password while it is held down");
}

/// Whether the password is kept, and what the keyring has to say.
fn password_state(shell: &mut Shell, dialog: &mut AddressDialog, ui: &mut Ui) {
    const HELP: &str =
        "The system's keyring is where other programs keep passwords too. Without it, Camclinic asks again each time.";
    ui.horizontal(|ui| {
        ui.add_space(widgets::label_width(ui.available_width()) + 8.0);
        let palette = Palette::of(ui);
        if dialog.draft.is_found() {
            let (rect, _) = ui.allocate_exact_size(vec2(12.0, 22.0), egui::Sense::hover());
            Icon::Check.paint(ui.painter(), rect.center(), 9.0, palette.good);
            ui.label(RichText::new("From the keyring").size(SMALL).color(palette.good));
            if widgets::chip(ui, "Forget it", false, "Take the password out of the keyring").clicked() {
                if let Ok(SourceSpec::Url(address)) = dialog.draft.spec() {
                    shell.run(ForgetPassword(address));
                }
                dialog.draft.password.clear();
                dialog.draft.typed_password();
                dialog.lookup = Lookup::None;
            }
            return;
        }
        ui.checkbox(&mut dialog.keep, "Keep in the keyring").on_hover_text(HELP);
        let words = match &dialog.lookup {
            Lookup::Asked(_) => "Looking for the password…".to_owned(),
            Lookup::Failed(_, trouble) => super::text::sentence(&trouble.to_string()),
            Lookup::Refused => "The camera refused the one before. Type another one.".to_owned(),
            Lookup::None | Lookup::NotThere(_) => String::new(),
        };
        hint(ui, &words, palette.text_weak);
    });
}

/// Asks the keyring where an address wants a password, once the hand has left the fields.
fn look_for_password(shell: &mut Shell, dialog: &mut AddressDialog, ctx: &egui::Context) {
    // At the password nothing is typed into it yet, as it is empty.
    let is_elsewhere = !ctx.text_edit_focused() || ctx.memory(egui::Memory::focused) == Some(password_id());
    if is_elsewhere {
        dialog.is_touched = false;
    }
    if dialog.is_touched || !dialog.draft.password.is_empty() || !dialog.draft.has_parts() {
        return;
    }
    let Ok(address) = dialog.draft.address() else { return };
    let is_known = match &dialog.lookup {
        Lookup::None => false,
        // The keyring may have the same one.
        Lookup::Refused => true,
        Lookup::Asked(asked) | Lookup::NotThere(asked) | Lookup::Failed(asked, _) => *asked == address,
    };
    if address.lacks_password() && !is_known {
        dialog.lookup = Lookup::Asked(address.clone());
        shell.run(FindPassword(address));
    }
}

/// How the packets travel, as chips. Returns the line of help on the chosen one.
pub fn transport(transport: &mut Transport, ui: &mut Ui) -> &'static str {
    const HELP: &str = "How the packets of an RTSP stream travel.";
    const ALL: [(Transport, &str, &str); 3] = [
        (Transport::Auto, "Auto", "TCP first, and UDP where the camera refuses that: right nearly always."),
        (Transport::Tcp, "TCP", "Nothing is lost, and no firewall is in the way."),
        (
            Transport::Udp,
            "UDP",
            "Lost packets are not sent again, late ones hold nothing up; firewalls often block it.",
        ),
    ];
    widgets::wide_row(ui, "Transport", HELP, |ui, _| {
        ui.spacing_mut().item_spacing.x = 6.0;
        for (one, label, help) in ALL {
            if widgets::chip(ui, label, *transport == one, help).clicked() {
                *transport = one;
            }
        }
    });
    ALL.iter().find(|(one, ..)| one == transport).map_or("", |(_, _, help)| help)
}
