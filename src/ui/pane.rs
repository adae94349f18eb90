//! One camera in the window: all that belongs to it and to no other.
//!
//! Deliberately not here: the camera itself. What it delivers is put in from outside before each pass; what it is to do is in
//! [`Pane::commands`], and which camera it is in [`Pane::spec`] and [`Pane::settings`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkup::CheckupState;
use super::clips::ClipJob;
use super::controls::ControlsState;
use super::inspector::InspectorState;
use super::log::SaveLog;
use super::prompt::{Browse, Purpose};
use super::recording::RecordingState;
use super::shell::{Shell, ShownPane, WindowRequest};
use super::text::{Moment, state_word};
use super::viewer::{self, ViewerState};
use crate::address::Address;
use crate::camera::Command;
use crate::checkup::Live;
use crate::control::DeviceControls;
use crate::event::Level;
use crate::frame::Frame;
use crate::health::History;
use crate::records::Past;
use crate::settings::{CameraId, CameraSettings};
use crate::snapshot::SnapshotTarget;
use crate::source::{Demand, SourceSpec};
use crate::status::{State, Status};

/// One camera as the window knows it.
pub struct Pane {
    pub spec: SourceSpec,
    /// What the settings of the program have of it is as old as the last time they were saved.
    pub settings: CameraSettings,
    pub status: Option<Arc<Status>>,
    /// When `status` was published, as far as the window knows.
    pub status_at: Instant,
    pub frame: Option<Arc<Frame>>,
    /// Pictures that came while the window was still busy with the one before.
    pub n_missed: u64,
    pub history: Arc<History>,
    /// The same before this run of the program.
    pub past: Arc<Past>,
    pub controls: Arc<DeviceControls>,
    /// Readers of its own for whoever watches the stream as it runs.
    pub live: Option<Live>,
    /// The pane's camera before this one, until the owner of the cameras has seen to it.
    pub replaces: Option<CameraId>,
    /// Another camera, which is shown here as soon as the keyring has said whether it knows its password.
    pub awaited: Option<Address>,

    pub viewer: ViewerState,
    pub inspector: InspectorState,
    pub controls_state: ControlsState,
    pub checkup: CheckupState,
    pub recording: RecordingState,
    /// The picture that waits for the name of its file: the one of the moment in which the user asked.
    pub waiting_frame: Option<Arc<Frame>>,
    /// Snapshots that wait for a picture in full size, since when.
    snapshots_due: Vec<(SnapshotTarget, Instant)>,
    /// Between snapshots that are taken by themselves, and when the next one is due.
    snapshot_period: Option<(Duration, Instant)>,
    /// What of its pictures is wanted, and since when, if it has changed.
    demand: Demand,
    demand_since: Option<Instant>,
    /// What the camera is to do once the pass is over.
    pub commands: Vec<Command>,
}

/// Smaller pictures that are under way when whole ones are demanded have come by then.
const SMALL_ONES_COME_WITHIN: Duration = Duration::from_millis(500);

/// So long a snapshot waits for a picture in full size. Then the one that there is has to do.
const FULL_SIZE_WITHIN: Duration = Duration::from_secs(2);

/// Snapshots that wait for a picture in full size are looked at so often.
const LOOK_AT_DUE_ONES: Duration = Duration::from_millis(200);

impl Pane {
    /// `settings` have the pane's number.
    #[must_use]
    pub fn new(spec: SourceSpec, settings: CameraSettings, now: Instant) -> Self {
        Self {
            spec,
            settings,
            status: None,
            status_at: now,
            frame: None,
            n_missed: 0,
            history: Arc::default(),
            past: Arc::default(),
            controls: Arc::default(),
            live: None,
            replaces: None,
            awaited: None,
            viewer: ViewerState::default(),
            inspector: InspectorState::default(),
            controls_state: ControlsState::default(),
            checkup: CheckupState::default(),
            recording: RecordingState::default(),
            waiting_frame: None,
            snapshots_due: Vec::new(),
            snapshot_period: None,
            demand: Demand::default(),
            demand_since: None,
            commands: Vec::new(),
        }
    }

    #[must_use]
    pub fn id(&self) -> CameraId {
        self.settings.id
    }

    /// What the camera is called: as the user named it, else by its own name, else by what it was opened by.
    #[must_use]
    pub fn name(&self) -> String {
        self.settings.name.clone().unwrap_or_else(|| self.own_name())
    }

    /// What it is called where the user has not named it.
    #[must_use]
    pub fn own_name(&self) -> String {
        let told = self.status.as_ref().map(|status| status.name.to_string()).filter(|name| !name.is_empty());
        match &self.spec {
            SourceSpec::Device(_) | SourceSpec::Index(_) => told.unwrap_or_else(|| self.spec.to_string()),
            SourceSpec::File(_) => self.spec.name(),
            SourceSpec::Simulated(_) => self.spec.to_string(),
            // Which one it is stands behind scheme and login.
            SourceSpec::Url(_) => {
                let whole = self.spec.without_password();
                let rest = whole.split_once("://").map_or(whole.as_str(), |(_, rest)| rest);
                rest.split_once('@').map_or(rest, |(_, rest)| rest).trim_end_matches('/').to_owned()
            }
        }
    }

    /// From now on it is another camera.
    pub fn switch(&mut self, spec: SourceSpec, settings: CameraSettings) {
        let replaces = self.replaces.or(Some(self.id()));
        let old = std::mem::replace(self, Self::new(spec, settings, self.status_at));
        (self.replaces, self.live) = (replaces, old.live);
        self.checkup = old.checkup.forgotten();
    }

    /// The status with its clocks as they stand now.
    #[must_use]
    pub fn moment(&self, now: Instant) -> Option<Moment<'_>> {
        let status = self.status.as_deref()?;
        // A stopped camera's clocks stand still, and so does the window.
        let since =
            if status.state == State::Idle { Duration::ZERO } else { now.saturating_duration_since(self.status_at) };
        Some(Moment { status, since })
    }

    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.moment(now).is_some_and(|moment| moment.is_live())
    }

    pub fn toggle_camera(&mut self) {
        if self.checkup.pauses() {
            return self.checkup.cancel();
        }
        self.commands.push(match self.status.as_ref().map(|status| status.state) {
            None | Some(State::Idle | State::Failed) => Command::Start,
            Some(State::Recovering) => Command::StopTrying,
            Some(State::Opening | State::Streaming) => Command::Stop,
        });
    }

    /// What everybody may know of it.
    #[must_use]
    pub fn summary(&self, now: Instant) -> ShownPane {
        let state = state_word(self.moment(now), self.checkup.pauses());
        ShownPane { id: self.id(), name: self.name(), spec: self.spec.clone(), state }
    }

    /// A line of the log about this camera.
    pub fn tell(&self, shell: &Shell, level: Level, name: &str, message: String) {
        shell.events.of_camera(self.id()).add(&self.spec.to_string(), level, name, message);
    }

    // ---- snapshots

    fn snapshot_target(&self, shell: &Shell) -> SnapshotTarget {
        let told = || self.status.as_ref().map_or_else(|| self.spec.to_string(), |status| status.name.to_string());
        let name = self.settings.name.clone().unwrap_or_else(told);
        SnapshotTarget::new(&shell.settings, &self.settings, &name)
    }

    /// From now on this is wanted of its pictures.
    pub fn set_demand(&mut self, demand: Demand, now: Instant) {
        if self.demand != demand {
            (self.demand, self.demand_since) = (demand, Some(now));
        }
    }

    /// Whether a picture is as large as the camera makes it: for a tile it is made smaller.
    fn is_full_size(&self, frame: &Frame) -> bool {
        let size = frame.image.size();
        let is_as_told =
            self.status.as_ref().is_some_and(|status| (status.width, status.height) == (size.width, size.height));
        let since = |since: Instant| frame.taken_at >= since + SMALL_ONES_COME_WITHIN;
        is_as_told || self.demand == Demand::Full && self.demand_since.is_none_or(since)
    }

    /// Whether pictures are needed as large as the camera makes them, wherever they are shown.
    #[must_use]
    pub fn needs_full_size(&self) -> bool {
        let is_small = |frame: &Arc<Frame>| !self.is_full_size(frame);
        !self.snapshots_due.is_empty() || self.waiting_frame.as_ref().is_some_and(is_small) || self.checkup.watches()
    }

    pub fn take_snapshot(&mut self, shell: &mut Shell) {
        match self.frame.clone() {
            Some(frame) => {
                let target = self.snapshot_target(shell);
                if self.is_full_size(&frame) {
                    shell.requests.push(WindowRequest::Snapshot(self.id(), frame, target));
                } else {
                    self.snapshots_due.push((target, shell.now));
                }
            }
            None => shell.toasts.error("There is no picture to save yet.", shell.now),
        }
    }

    /// Asks for a file name, for the picture of this moment.
    pub fn save_snapshot_as(&mut self, shell: &mut Shell) {
        match self.frame.clone() {
            Some(frame) => {
                self.waiting_frame = Some(frame);
                self.browse(shell, Purpose::Snapshot);
            }
            None => shell.toasts.error("There is no picture to save yet.", shell.now),
        }
    }

    #[must_use]
    pub fn snapshot_period(&self) -> Option<Duration> {
        self.snapshot_period.map(|(period, _)| period)
    }

    /// From now on a snapshot is taken so often; the first one at once.
    pub fn set_snapshot_period(&mut self, period: Option<Duration>, now: Instant) {
        self.snapshot_period = period.map(|period| (period, now));
    }

    /// Takes the snapshot that is due by itself, while the picture is live.
    pub fn take_due_snapshot(&mut self, shell: &mut Shell) {
        let now = shell.now;
        let is_live = self.is_live(now) && self.frame.is_some();
        if let Some((period, due)) = &mut self.snapshot_period
            && now >= *due
            && is_live
        {
            *due = now + *period;
            self.take_snapshot(shell);
        }
        // Where nobody sees the window nothing else makes it look.
        let waits = if self.snapshots_due.is_empty() {
            self.snapshot_period.filter(|_| is_live).map(|(_, due)| due.saturating_duration_since(now))
        } else {
            Some(LOOK_AT_DUE_ONES)
        };
        if let Some((context, waits)) = shell.context.as_ref().zip(waits) {
            context.request_repaint_after(waits);
        }
    }

    /// A new picture has come, or time has gone on: what waits for one in full size may have it now.
    pub fn serve_snapshots(&mut self, shell: &mut Shell) {
        let Some(frame) = self.frame.clone() else { return };
        let is_full = self.is_full_size(&frame);
        if is_full && self.waiting_frame.as_ref().is_some_and(|waiting| !self.is_full_size(waiting)) {
            self.waiting_frame = Some(Arc::clone(&frame));
        }
        let now = shell.now;
        let due = self
            .snapshots_due
            .extract_if(.., |(_, since)| is_full || now.saturating_duration_since(*since) >= FULL_SIZE_WITHIN);
        let id = self.settings.id;
        let saved = due.map(|(target, _)| WindowRequest::Snapshot(id, Arc::clone(&frame), target));
        shell.requests.extend(saved);
    }

    // ---- files

    /// Asks the system for a file or a folder.
    pub fn browse(&self, shell: &mut Shell, purpose: Purpose) {
        let browse = Browse::new(purpose, self, shell);
        shell.run(browse);
    }

    /// What was picked in a dialogue of the system, or typed in our own.
    ///
    /// # Errors
    /// What is wrong with the text, and how to write it.
    pub fn picked(&mut self, shell: &mut Shell, purpose: Purpose, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("Nothing is typed yet.".to_owned());
        }
        match purpose {
            // A file's name may look like anything else: it is not parsed.
            Purpose::VideoFile => {
                shell.requests.push(WindowRequest::Choose(self.id(), SourceSpec::File(PathBuf::from(text))));
            }
            Purpose::AnotherVideoFile => {
                shell.requests.push(WindowRequest::Add(SourceSpec::File(PathBuf::from(text))));
            }
            Purpose::Snapshot => {
                if let Some(frame) = self.waiting_frame.take() {
                    let target = SnapshotTarget { file: Some(PathBuf::from(text)), ..self.snapshot_target(shell) };
                    shell.requests.push(WindowRequest::Snapshot(self.id(), frame, target));
                }
            }
            Purpose::ComparedPicture => viewer::load_compared(self, shell, PathBuf::from(text)),
            Purpose::SnapshotFolder => shell.settings.snapshot.folder = Some(PathBuf::from(text)),
            Purpose::ClipFolder => shell.choose_clip_folder(Some(PathBuf::from(text))),
            Purpose::ExportClips => shell.begin_clip_job(ClipJob::Export(PathBuf::from(text))),
            Purpose::ExportPart => shell.export_part(PathBuf::from(text)),
            Purpose::ArchiveClips => shell.begin_clip_job(ClipJob::Archive(PathBuf::from(text))),
            Purpose::Report => shell.save_report(text),
            Purpose::Log => {
                let text_of_log = shell.log.as_text();
                shell.run(SaveLog { path: PathBuf::from(text), text: text_of_log });
            }
        }
        Ok(())
    }

    /// No path was picked.
    pub(super) fn cancelled(&mut self, purpose: Purpose) {
        if purpose == Purpose::Snapshot {
            self.waiting_frame = None;
        }
    }
}
