//! What the window shows and what the user set in it: one struct that draws itself, with or without a camera behind it.
//!
//! Deliberately not here: threads, files, the camera. A panel changes [`Window::settings`] or adds a [`Wish`]; the owner
//! carries it out after the pass.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Frame, Key, Margin, Rect, Ui, UiBuilder, vec2};

use super::background::Host;
use super::choice::CameraChoice;
use super::prompt::{Prompt, Purpose};
use super::text::Moment;
use super::theme::{self, Palette};
use super::toasts::Toasts;
use super::{
    address, checkup, consent, controls, help, inspector, log, plot, preferences, prompt, report, status_line, toolbar,
    viewer,
};
use crate::address::Address;
use crate::camera::Command;
use crate::control::DeviceControls;
use crate::device::{Capabilities, Device};
use crate::event::Level;
use crate::fault::Fault;
use crate::frame::Frame as CameraFrame;
use crate::health::History;
use crate::phrases::Language;
use crate::records::Past;
use crate::report::{Masking, Report};
use crate::settings::{CameraSettings, Settings, Transport};
use crate::source::SourceSpec;
use crate::status::{State, Status};

/// Something to be done that a drawing function must not do itself.
#[derive(Clone, Debug)]
pub enum Wish {
    Camera(Command),
    /// Show another camera from now on.
    Choose(SourceSpec),
    /// Save this picture in the folder for snapshots.
    Snapshot(Arc<CameraFrame>),
    /// Save this picture there.
    SnapshotTo(Arc<CameraFrame>, PathBuf),
    /// Ask the system for a file or a folder.
    Browse(Purpose),
    /// Write these lines to a file.
    SaveLog(PathBuf, String),
    /// Show a folder in the system's file manager.
    OpenFolder(PathBuf),
    /// Ask a camera what it can do.
    Ask(Device),
    /// Look for the password of an address, which is told by [`Window::hear_password`].
    FindPassword(Address),
    /// Keep the password of an address, for this run or for longer.
    KeepPassword {
        address: Address,
        in_keyring: bool,
    },
    ForgetPassword(Address),
    /// Test the connection, which is told by [`Window::hear_step`] and [`Window::hear_tested`]. Ends a test that runs.
    TestConnection {
        number: u64,
        address: Address,
        transport: Transport,
    },
    CancelTest,
    /// Check up on the camera that is shown, which is told by [`Window::hear_checkup`]. Ends an examination that runs.
    CheckUp {
        number: u64,
        /// The stream that runs is watched, instead of one of its own.
        is_live: bool,
        /// The engine has to let go of the camera first.
        releases: bool,
    },
    /// The same with each of its backends.
    Compare {
        number: u64,
        releases: bool,
    },
    CancelCheckup,
    /// Make the report of this number, which is told by [`Window::hear_report`].
    PreviewReport {
        number: u64,
        known: Box<report::Known>,
        masking: Masking,
    },
    SaveReport(Arc<Report>, PathBuf),
    /// A line of the log about the camera that is shown.
    Log {
        level: Level,
        name: &'static str,
        message: String,
    },
    /// Open a page of the system's settings.
    OpenPage(String),
}

/// What is known of what a camera can do.
#[derive(Clone, Debug)]
pub enum Ability {
    /// It has not answered yet.
    Asked,
    Known(Arc<Capabilities>),
    Unknown(Fault),
}

/// The whole window.
pub struct Window {
    pub spec: SourceSpec,
    pub settings: Settings,
    /// Of the camera that is shown. What `settings` has of it is as old as the last time they were saved.
    pub camera: CameraSettings,
    pub cameras: Vec<CameraChoice>,
    /// By the camera's identity.
    pub abilities: BTreeMap<String, Ability>,
    pub status: Option<Arc<Status>>,
    /// When `status` was published, as far as the window knows.
    pub status_at: Instant,
    pub frame: Option<Arc<CameraFrame>>,
    /// Pictures that came while the window was still busy with the one before.
    pub n_missed: u64,
    pub history: Arc<History>,
    /// The same before this run of the program.
    pub past: Arc<Past>,
    pub controls: Arc<DeviceControls>,
    pub host: Option<Host>,
    /// What the check-up speaks unless the settings say otherwise.
    pub system_language: Language,
    /// The moment that is drawn; the owner sets it before each pass.
    pub now: Instant,

    pub log: log::View,
    pub plot: plot::View,
    pub viewer: viewer::View,
    pub inspector: inspector::View,
    pub control_view: controls::View,
    pub checkup: checkup::View,
    pub toasts: Toasts,
    pub status_line: status_line::View,
    pub prompt: Option<Prompt>,
    pub address: Option<address::Dialog>,
    pub report: Option<report::Dialog>,
    /// How many connections were tested: the number of the newest test.
    pub n_trials: u64,
    /// The picture that waits for the name of its file: the one of the moment in which the user asked.
    pub waiting_frame: Option<Arc<CameraFrame>>,
    pub sheet: Option<Sheet>,
    pub picture_only: bool,
    pub wishes: Vec<Wish>,
}

/// What lies over the whole window and holds back its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    Help,
    Preferences,
    /// The question whether the device may be reset.
    Reset,
    /// The backends side by side.
    Comparison,
}

/// Where a panel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Top,
    Centre,
    Side,
    /// Side by side under the picture; can be hidden.
    Below,
    Bottom,
}

/// One part of the window.
pub struct Panel {
    pub name: &'static str,
    pub place: Place,
    pub draw: fn(&mut Window, &mut Ui),
}

/// Everything that the window shows. A new panel is a file and a line here.
pub const PANELS: [Panel; 6] = [
    Panel { name: "toolbar", place: Place::Top, draw: toolbar::draw },
    Panel { name: "status line", place: Place::Bottom, draw: status_line::draw },
    Panel { name: "health", place: Place::Below, draw: plot::draw },
    Panel { name: "log", place: Place::Below, draw: log::draw },
    Panel { name: "inspector", place: Place::Side, draw: inspector::draw },
    Panel { name: "picture", place: Place::Centre, draw: viewer::draw },
];

/// Below this size, in points, everything stands in one column that scrolls.
const ROOM_FOR_PANELS: egui::Vec2 = vec2(700.0, 500.0);

impl Window {
    #[must_use]
    pub fn new(spec: SourceSpec, mut settings: Settings, now: Instant) -> Self {
        let mut camera = spec.settings(&settings);
        camera.id = settings.put(camera.clone());
        Self {
            spec,
            settings,
            camera,
            cameras: Vec::new(),
            abilities: BTreeMap::new(),
            status: None,
            status_at: now,
            frame: None,
            n_missed: 0,
            history: Arc::default(),
            past: Arc::default(),
            controls: Arc::default(),
            host: None,
            system_language: Language::English,
            now,
            log: log::View::default(),
            plot: plot::View::default(),
            viewer: viewer::View::default(),
            inspector: inspector::View::default(),
            control_view: controls::View::default(),
            checkup: checkup::View::default(),
            toasts: Toasts::default(),
            status_line: status_line::View::default(),
            prompt: None,
            address: None,
            report: None,
            n_trials: 0,
            waiting_frame: None,
            sheet: None,
            picture_only: false,
            wishes: Vec::new(),
        }
    }

    /// What is set for the camera of this source.
    #[must_use]
    pub fn settings_of(&self, source: &str) -> CameraSettings {
        if self.camera.source == source { self.camera.clone() } else { self.settings.camera(source) }
    }

    pub fn change_settings_of(&mut self, source: &str, change: impl FnOnce(&mut CameraSettings)) {
        if self.camera.source == source {
            return change(&mut self.camera);
        }
        let mut camera = self.settings.camera(source);
        change(&mut camera);
        self.settings.put(camera);
    }

    /// The cameras that are there now. What was known of others is forgotten: they may come back with another cable.
    pub fn set_cameras(&mut self, cameras: Vec<CameraChoice>) {
        self.cameras = cameras;
        let cameras = &self.cameras;
        self.abilities.retain(|identity, _| cameras.iter().any(|camera| camera.device.identity == *identity));
        for camera in &mut self.cameras {
            if let Some(Ability::Known(capabilities)) = self.abilities.get(&camera.device.identity) {
                camera.device.learn(capabilities);
            }
        }
    }

    /// A camera has told what it can do, or why it does not.
    pub fn learn(&mut self, identity: String, answer: Result<Capabilities, Fault>) {
        let ability = match answer {
            Ok(capabilities) => {
                if let Some(camera) = self.cameras.iter_mut().find(|camera| camera.device.identity == identity) {
                    camera.device.learn(&capabilities);
                }
                Ability::Known(Arc::new(capabilities))
            }
            Err(fault) => Ability::Unknown(fault),
        };
        self.abilities.insert(identity, ability);
    }

    /// The status with its clocks as they stand now.
    #[must_use]
    pub fn moment(&self) -> Option<Moment<'_>> {
        let status = self.status.as_deref()?;
        // A stopped camera's clocks stand still, and so does the window.
        let since = if status.state == State::Idle {
            Duration::ZERO
        } else {
            self.now.saturating_duration_since(self.status_at)
        };
        Some(Moment { status, since })
    }

    pub fn toggle_camera(&mut self) {
        if self.checkup.pauses() {
            return self.cancel_checkup();
        }
        let command = match self.status.as_ref().map(|status| status.state) {
            None | Some(State::Idle | State::Failed) => Command::Start,
            Some(State::Recovering) => Command::StopTrying,
            Some(State::Opening | State::Streaming) => Command::Stop,
        };
        self.wishes.push(Wish::Camera(command));
    }

    pub fn take_snapshot(&mut self) {
        match self.frame.clone() {
            Some(frame) => self.wishes.push(Wish::Snapshot(frame)),
            None => self.toasts.error("There is no picture to save yet.", self.now),
        }
    }

    /// Asks for a file name, for the picture of this moment.
    pub fn save_snapshot_as(&mut self) {
        match self.frame.clone() {
            Some(frame) => {
                self.waiting_frame = Some(frame);
                self.wishes.push(Wish::Browse(Purpose::Snapshot));
            }
            None => self.toasts.error("There is no picture to save yet.", self.now),
        }
    }

    /// What was picked in a dialogue of the system, or typed in our own.
    ///
    /// # Errors
    /// What is wrong with the text, and how to write it.
    pub fn picked(&mut self, purpose: Purpose, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("Nothing is typed yet.".to_owned());
        }
        match purpose {
            Purpose::VideoFile => {
                // A file's name may look like anything else: it is not parsed.
                self.wishes.push(Wish::Choose(SourceSpec::File(PathBuf::from(text))));
            }
            Purpose::Snapshot => {
                if let Some(frame) = self.waiting_frame.take() {
                    self.wishes.push(Wish::SnapshotTo(frame, PathBuf::from(text)));
                }
            }
            Purpose::SnapshotFolder => self.settings.snapshot.folder = Some(PathBuf::from(text)),
            Purpose::Report => self.save_report(text),
            Purpose::Log => self.wishes.push(Wish::SaveLog(PathBuf::from(text), self.log.as_text())),
        }
        Ok(())
    }

    /// Draws everything into `ui`, which is the whole window.
    pub fn draw(&mut self, ui: &mut Ui) {
        theme::follow(ui.ctx(), self.settings.window.theme, self.settings.window.scale_percent);
        address::catch(self, ui.ctx());
        self.shortcuts(ui.ctx());
        let size = ui.available_size();
        if self.picture_only {
            self.draw_centre(ui, Margin::ZERO);
        } else if size.x < ROOM_FOR_PANELS.x || size.y < ROOM_FOR_PANELS.y {
            self.draw_column(ui);
        } else {
            self.draw_panels(ui);
        }
        help::draw(self, ui.ctx());
        preferences::draw(self, ui.ctx());
        prompt::draw(self, ui.ctx());
        address::draw(self, ui.ctx());
        consent::draw(self, ui.ctx());
        report::draw(self, ui.ctx());
        checkup::comparison::draw(self, ui.ctx());
        super::toasts::draw(self, ui.ctx());
        self.give_way();
    }

    fn draw_panels(&mut self, ui: &mut Ui) {
        let size = ui.available_size();
        self.draw_top(ui);
        self.draw_bottom(ui);
        let palette = Palette::of(ui);
        if self.settings.window.log_shown {
            egui::Panel::bottom("below")
                .resizable(true)
                .default_size((size.y * 0.26).clamp(130.0, 232.0))
                .size_range(120.0..=(size.y * 0.55))
                .frame(Frame::NONE.fill(palette.low))
                .show(ui, |ui| self.draw_below(ui));
        }
        let inspector_width = if size.x < 1000.0 { 316.0 } else { 360.0 };
        egui::Panel::right("side")
            .resizable(false)
            .exact_size(inspector_width)
            .frame(Frame::NONE.fill(palette.panel))
            .show(ui, |ui| self.draw_all(ui, Place::Side));
        self.draw_centre(ui, Margin::same(14));
    }

    /// The same panels in one column, for a small window or a large scale.
    fn draw_column(&mut self, ui: &mut Ui) {
        self.draw_top(ui);
        // Little height is left for the picture then: the numbers come at the end of the column.
        let is_low = ui.available_height() < 330.0;
        if !is_low {
            self.draw_bottom(ui);
        }
        let palette = Palette::of(ui);
        egui::CentralPanel::default().frame(Frame::NONE.fill(palette.panel)).show(ui, |ui| {
            let room = ui.available_size();
            egui::ScrollArea::vertical().id_salt("column").auto_shrink(false).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                let picture = vec2(room.x, (room.x * 0.62).min(room.y * 0.85).max(210.0));
                self.draw_sized(ui, Place::Centre, picture);
                inspector::update(self, ui);
                inspector::draw_part(self, ui, inspector::Part::Urgent);
                if self.settings.window.log_shown {
                    for panel in PANELS.iter().filter(|panel| panel.place == Place::Below) {
                        let (rect, _) = ui.allocate_exact_size(vec2(room.x, 210.0), egui::Sense::hover());
                        ui.painter().rect_filled(rect, 0, palette.low);
                        let inner = rect.shrink2(vec2(10.0, 8.0));
                        (panel.draw)(self, &mut ui.new_child(UiBuilder::new().id_salt(panel.name).max_rect(inner)));
                    }
                }
                // Not in a scroll area of its own: within this one it would be a slit.
                inspector::draw_part(self, ui, inspector::Part::Rest);
                if is_low {
                    Frame::NONE.inner_margin(Margin::symmetric(14, 5)).show(ui, |ui| self.draw_all(ui, Place::Bottom));
                }
            });
        });
    }

    fn draw_top(&mut self, ui: &mut Ui) {
        let frame = Frame::NONE.fill(Palette::of(ui).panel).inner_margin(Margin::symmetric(12, 8));
        egui::Panel::top("top").resizable(false).frame(frame).show(ui, |ui| self.draw_all(ui, Place::Top));
    }

    fn draw_bottom(&mut self, ui: &mut Ui) {
        let frame = Frame::NONE.fill(Palette::of(ui).panel).inner_margin(Margin::symmetric(14, 5));
        egui::Panel::bottom("bottom").resizable(false).frame(frame).show(ui, |ui| self.draw_all(ui, Place::Bottom));
    }

    fn draw_centre(&mut self, ui: &mut Ui, margin: Margin) {
        self.viewer.margin = f32::from(margin.left);
        egui::CentralPanel::default()
            .frame(Frame::NONE.fill(Palette::of(ui).stage))
            .show(ui, |ui| self.draw_all(ui, Place::Centre));
    }

    fn draw_all(&mut self, ui: &mut Ui, place: Place) {
        for panel in PANELS.iter().filter(|panel| panel.place == place) {
            (panel.draw)(self, ui);
        }
    }

    fn draw_sized(&mut self, ui: &mut Ui, place: Place, size: egui::Vec2) {
        self.viewer.margin = 0.0;
        let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        let mut child = ui.new_child(UiBuilder::new().id_salt("sized").max_rect(rect));
        child.set_clip_rect(rect.intersect(ui.clip_rect()));
        self.draw_all(&mut child, place);
    }

    /// The panels below the picture side by side, with a line between them.
    fn draw_below(&mut self, ui: &mut Ui) {
        let all = ui.available_rect_before_wrap();
        ui.allocate_rect(all, egui::Sense::hover());
        let panels: Vec<_> = PANELS.iter().filter(|panel| panel.place == Place::Below).collect();
        let line = egui::Stroke::new(1.0, Palette::of(ui).line);
        let mut left = all.left();
        for (i, panel) in panels.iter().enumerate() {
            let is_last = i + 1 == panels.len();
            // The plot needs a little more room than the log, whose lines are cut anyway.
            #[expect(clippy::cast_precision_loss, reason = "a few panels")]
            let width = if is_last { all.right() - left } else { (all.width() * 1.055 / panels.len() as f32).round() };
            let rect = Rect::from_min_size(egui::pos2(left, all.top()), vec2(width, all.height()));
            let inner = rect.shrink2(vec2(10.0, 8.0));
            let mut child = ui.new_child(UiBuilder::new().id_salt(panel.name).max_rect(inner));
            child.set_clip_rect(rect.intersect(ui.clip_rect()));
            (panel.draw)(self, &mut child);
            left = rect.right();
            if !is_last {
                ui.painter().vline(left, all.y_range(), line);
            }
        }
    }

    fn shortcuts(&mut self, ctx: &egui::Context) {
        let sheet_shown =
            self.sheet.is_some() || self.prompt.is_some() || self.address.is_some() || self.report.is_some();
        if sheet_shown || ctx.text_edit_focused() || ctx.any_popup_open() {
            return;
        }
        // Space presses the button that has the focus: it must not stop the camera as well.
        if pressed(ctx, Key::Space) && !ctx.egui_wants_keyboard_input() {
            self.toggle_camera();
        }
        if pressed(ctx, Key::S) {
            self.take_snapshot();
        }
        if pressed(ctx, Key::C) {
            self.check_up();
        }
        if pressed(ctx, Key::F) {
            self.picture_only = !self.picture_only;
        }
        if pressed(ctx, Key::Escape) {
            self.picture_only = false;
        }
        if pressed(ctx, Key::L) {
            self.settings.window.log_shown = !self.settings.window.log_shown;
        }
        if pressed(ctx, Key::Questionmark) || pressed(ctx, Key::F1) {
            self.sheet = Some(Sheet::Help);
        }
    }
}

/// Whether a key went down in this pass: held down it counts once, and with Ctrl, Alt or Cmd it means something else.
fn pressed(ctx: &egui::Context, wanted: Key) -> bool {
    ctx.input(|input| {
        input.events.iter().any(|event| {
            matches!(event, egui::Event::Key { key, pressed: true, repeat: false, modifiers, .. }
                if *key == wanted && !modifiers.ctrl && !modifiers.alt && !modifiers.command)
        })
    })
}
