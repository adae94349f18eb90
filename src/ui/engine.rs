//! The camera behind a pane, and its way into the pane.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

use super::pane::Pane;
use super::shell::Shell;
use super::waker::Waker;
use crate::analyser::Analyser;
use crate::camera::{Camera, Command};
use crate::checkup::{Live, coding_of};
use crate::control::DeviceControls;
use crate::frame::Frame;
use crate::health::History;
use crate::latest::Reader;
use crate::logging::EventLog;
use crate::picture::PictureStats;
use crate::settings::{CameraId, CameraSettings, TrustedCertificates};
use crate::source::{Demand, SourceSpec};
use crate::status::Status;

/// One camera at work for the pane of its number. Dropping it closes the camera, and waits a second at most.
pub(super) struct PaneEngine {
    pub id: CameraId,
    camera: Camera,
    /// What the camera was told last.
    spec: SourceSpec,
    settings: CameraSettings,
    trusted: TrustedCertificates,
    demand: Demand,
    frames: Reader<Frame>,
    /// Pictures taken before this moment are another camera's. `None` until the first status after a switch.
    frames_since: Option<Instant>,
    status: Reader<Status>,
    history: Reader<History>,
    controls: Reader<DeviceControls>,
    /// Looks at the live picture; `None` where the system gives no thread.
    analyser: Option<Analyser>,
    seen: Option<Reader<PictureStats>>,
    /// Its pictures are on the screen.
    pub watched: Arc<AtomicBool>,
    /// The history of earlier runs has been read.
    pub has_past: bool,
}

impl PaneEngine {
    /// Opens the camera of a pane.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(pane: &mut Pane, shell: &Shell, log: EventLog, waker: &Waker) -> io::Result<Self> {
        let (spec, settings) = (pane.spec.clone(), pane.settings.clone());
        let trusted = shell.settings.network.trusted_certificates.clone();
        let began = Instant::now();
        let watched = Arc::new(AtomicBool::new(true));
        let wake = waker.for_camera(Arc::clone(&watched));
        let camera = Camera::start(spec.clone(), &settings, &trusted, log, wake)?;
        let analyser = Analyser::start(camera.frames(), coding_of(&spec)).ok();
        pane.live = Some(Live { frames: camera.frames(), status: camera.status(), controls: camera.controls() });
        pane.replaces = None;
        Ok(Self {
            id: pane.id(),
            spec,
            settings,
            trusted,
            demand: Demand::default(),
            frames: camera.frames(),
            frames_since: Some(began),
            status: camera.status(),
            history: camera.history(),
            controls: camera.controls(),
            seen: analyser.as_ref().map(Analyser::picture),
            analyser,
            camera,
            watched,
            has_past: false,
        })
    }

    /// The camera as the status names it.
    pub fn source(&self) -> String {
        self.spec.to_string()
    }

    pub fn status(&self) -> Reader<Status> {
        self.camera.status()
    }

    pub fn into_camera(self) -> Camera {
        self.camera
    }

    /// Closes the camera, which may take a second, on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread: then it is closed here, and waited for.
    pub fn close(self) -> io::Result<()> {
        thread::Builder::new().name("close-camera".to_owned()).spawn(move || drop(self)).map(drop)
    }

    /// Puts everything that is new into the pane. Costs next to nothing when nothing is. `is_drawn` says that the window has
    /// been drawn without a gap since the last picture, so that a skipped picture is our own doing.
    pub fn refresh(&mut self, pane: &mut Pane, shell: &Shell, is_drawn: bool) {
        let source = self.source();
        // For a moment after a switch the engine still tells of the camera before.
        if let Some(fresh) = self.status.take_fresh()
            && fresh.value.source == source
        {
            self.frames_since.get_or_insert(shell.now);
            pane.status = Some(fresh.value);
            pane.status_at = shell.now;
        }
        if let Some(fresh) = self.history.take_fresh() {
            pane.history = fresh.value;
        }
        if let Some(fresh) = self.controls.take_fresh()
            && fresh.value.source == source
        {
            pane.controls = fresh.value;
        }
        if let Some(fresh) = self.frames.take_fresh()
            && self.frames_since.is_some_and(|since| fresh.value.taken_at >= since)
        {
            if is_drawn {
                pane.n_missed += fresh.n_skipped;
            }
            pane.frame = Some(fresh.value);
        }
        if let Some(fresh) = self.seen.as_mut().and_then(Reader::take_fresh) {
            pane.look_at_picture(shell, &fresh.value);
        }
    }

    /// Has the camera be the one that the pane shows, with its settings, and gives it the pane's commands. Settings that only
    /// changed wait until `may_apply`.
    pub fn follow(&mut self, pane: &mut Pane, shell: &Shell, demand: Demand, may_apply: bool) {
        let is_other = self.spec != pane.spec;
        let trusted = &shell.settings.network.trusted_certificates;
        // Before a switch, so that the new camera is opened as it shall be at once.
        if (is_other || may_apply) && (self.settings != pane.settings || self.trusted != *trusted) {
            self.settings = pane.settings.clone();
            self.trusted.clone_from(trusted);
            self.camera.send(Command::Apply(Box::new(self.settings.clone()), trusted.clone()));
        }
        if is_other {
            self.spec = pane.spec.clone();
            self.frames_since = None;
            self.has_past = false;
            self.analyser = Analyser::start(self.camera.frames(), coding_of(&self.spec)).ok();
            self.seen = self.analyser.as_ref().map(Analyser::picture);
            self.camera.send(Command::Switch(Box::new(self.spec.clone())));
        }
        if self.demand != demand {
            self.demand = demand;
            pane.set_demand(demand, shell.now);
            self.camera.send(Command::SetDemand(demand));
        }
        self.id = pane.id();
        pane.replaces = None;
        for command in pane.commands.drain(..) {
            self.camera.send(command);
        }
    }
}
