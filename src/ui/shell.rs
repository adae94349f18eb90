//! What of the window belongs to the program and to no single camera: settings, the list of cameras, log, notices, dialogues.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use egui::Rect;

use super::background::{Host, Task};
use super::choice::CameraChoice;
use super::clips::ClipsState;
use super::log::LogState;
use super::pane::Pane;
use super::player::ClipPlayer;
use super::plot::PlotState;
use super::prompt::Prompt;
use super::recording::ClipFolderState;
use super::renderer::Renderer;
#[cfg(feature = "share")]
use super::share::ShareState;
use super::status_line::StatusLineState;
use super::toasts::Toasts;
use super::{address, report};
use crate::device::Capabilities;
use crate::event::Level;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::logging::EventLog;
use crate::network::KnownLogins;
use crate::phrases::Language;
use crate::settings::{CameraId, CameraSettings, Settings};
use crate::snapshot::SnapshotTarget;
use crate::source::SourceSpec;

/// What is to be done once the pass that draws is over.
pub enum WindowRequest {
    /// Show another camera in this pane.
    Choose(CameraId, SourceSpec),
    /// Show a camera beside the others.
    Add(SourceSpec),
    /// Show this camera no more.
    Remove(CameraId),
    Select(CameraId),
    /// All cameras side by side.
    ShowGrid,
    /// Save this picture of the camera.
    Snapshot(CameraId, Arc<Frame>, SnapshotTarget),
    /// On a thread of its own.
    Run(Box<dyn Task>),
}

impl fmt::Debug for WindowRequest {
    /// A task is shown as itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choose(pane, spec) => f.debug_tuple("Choose").field(pane).field(spec).finish(),
            Self::Add(spec) => f.debug_tuple("Add").field(spec).finish(),
            Self::Remove(pane) => f.debug_tuple("Remove").field(pane).finish(),
            Self::Select(pane) => f.debug_tuple("Select").field(pane).finish(),
            Self::ShowGrid => f.write_str("ShowGrid"),
            Self::Snapshot(_, _, target) => f.debug_tuple("Snapshot").field(target).finish(),
            Self::Run(task) => task.fmt(f),
        }
    }
}

/// What is known of what a camera can do.
#[derive(Clone, Debug)]
pub enum Ability {
    /// It has not answered yet.
    Asked,
    Known(Arc<Capabilities>),
    Unknown(Fault),
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
    /// The choice of a camera that is shown beside the others.
    AddCamera,
    /// Where clips go and how long they are kept.
    ClipLimits,
    /// The list of what was recorded.
    Clips,
    /// The link of the web page, and who looks on.
    #[cfg(feature = "share")]
    Share,
}

/// What everybody may know of a camera that the window shows.
#[derive(Clone, Debug)]
pub struct ShownPane {
    pub id: CameraId,
    pub name: String,
    pub spec: SourceSpec,
    /// How it stands, in a word or two.
    pub state: &'static str,
}

/// All of the window but its cameras.
pub struct Shell {
    pub settings: Settings,
    /// The cameras that are shown, in their order, as of this pass.
    pub panes: Vec<ShownPane>,
    /// Where pictures were drawn last.
    pub stage: Option<Rect>,
    /// The cameras of this computer.
    pub cameras: Vec<CameraChoice>,
    /// By the camera's identity.
    pub abilities: BTreeMap<String, Ability>,
    pub host: Option<Host>,
    /// Who paints the window.
    pub renderer: Renderer,
    /// Where clips go, as far as it was looked at.
    pub clip_folder: ClipFolderState,
    /// What was told last of a folder that cannot be used: once is enough.
    pub last_folder_trouble: Option<String>,
    /// What is known of how cameras want people to log in: of everybody who does, the engine included.
    pub logins: KnownLogins,
    /// What the check-up speaks unless the settings say otherwise.
    pub system_language: Language,
    /// The moment that is drawn; the owner sets it before each pass.
    pub now: Instant,
    /// Where events of the window itself are told.
    pub events: EventLog,
    /// Log and history are kept on the disk.
    pub has_records: bool,

    pub log: LogState,
    pub plot: PlotState,
    pub toasts: Toasts,
    pub clips: ClipsState,
    #[cfg(feature = "share")]
    pub share: ShareState,
    /// The clip that stands in the place of the pictures.
    pub player: Option<ClipPlayer>,
    /// The number of the newest clip that was played.
    pub n_clips_played: u64,
    /// For pictures that are made between two passes.
    pub(super) context: Option<egui::Context>,
    pub status_line: StatusLineState,
    pub prompt: Option<Prompt>,
    pub address: Option<address::AddressDialog>,
    /// What was typed into one that was closed before it was opened or cancelled, and for which camera.
    pub left_address: Option<(CameraId, address::AddressDialog)>,
    pub report: Option<report::ReportDialog>,
    /// The number of the newest test of a connection.
    pub n_connection_tests: u64,
    pub sheet: Option<Sheet>,
    pub picture_only: bool,
    /// The window covers the screen.
    pub is_full_screen: bool,
    pub requests: Vec<WindowRequest>,
}

impl Shell {
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            panes: Vec::new(),
            stage: None,
            cameras: Vec::new(),
            abilities: BTreeMap::new(),
            host: None,
            renderer: Renderer::default(),
            clip_folder: ClipFolderState::default(),
            last_folder_trouble: None,
            logins: KnownLogins::default(),
            system_language: Language::English,
            now,
            events: EventLog::new(),
            has_records: false,
            log: LogState::default(),
            plot: PlotState::default(),
            toasts: Toasts::default(),
            clips: ClipsState::default(),
            #[cfg(feature = "share")]
            share: ShareState::default(),
            player: None,
            n_clips_played: 0,
            context: None,
            status_line: StatusLineState::default(),
            prompt: None,
            address: None,
            left_address: None,
            report: None,
            n_connection_tests: 0,
            sheet: None,
            picture_only: false,
            is_full_screen: false,
            requests: Vec::new(),
        }
    }

    /// Has something done that may take time; what comes of it is the task's to tell.
    pub fn run(&mut self, task: impl Task + 'static) {
        self.requests.push(WindowRequest::Run(Box::new(task)));
    }

    /// In which the check-up speaks.
    #[must_use]
    pub fn language(&self) -> Language {
        self.settings.language.unwrap_or(self.system_language)
    }

    /// Over all of the screen with the picture alone, or back.
    pub fn toggle_full_screen(&mut self, ctx: &egui::Context) {
        self.is_full_screen = !self.is_full_screen;
        self.picture_only = self.is_full_screen;
        ctx.send_viewport_cmd(egui::ViewportCommand::Fullscreen(self.is_full_screen));
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

    /// The camera of the list that a source names.
    #[must_use]
    pub fn listed(&self, spec: &SourceSpec) -> Option<&CameraChoice> {
        self.cameras.iter().find(|camera| camera.is(spec))
    }

    /// Something went wrong: in a notice and in the log. `about` names the event.
    pub fn fail(&mut self, about: &str, why: String) {
        self.events.add("", Level::Error, about, why.clone());
        self.toasts.error(why, self.now);
    }

    /// Something was written to this file.
    pub fn saved(&mut self, what: &str, file: &std::path::Path) {
        let folder = file.parent().map(PathBuf::from).unwrap_or_default();
        self.toasts.saved(format!("{what} saved: {}", file.display()), folder, self.now);
    }

    /// What is set for the camera of this source, which need not be the one of the pane.
    #[must_use]
    pub fn settings_of(&self, pane: &Pane, source: &str) -> CameraSettings {
        if pane.settings.source == source { pane.settings.clone() } else { self.settings.camera(source) }
    }

    pub fn change_settings_of(&mut self, pane: &mut Pane, source: &str, change: impl FnOnce(&mut CameraSettings)) {
        if pane.settings.source == source {
            return change(&mut pane.settings);
        }
        let mut camera = self.settings.camera(source);
        change(&mut camera);
        self.settings.put(camera);
    }
}
