//! The camera behind a pane, and its way into the pane.

use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::pane::Pane;
use super::recording::ClipFolderState;
use super::shell::Shell;
use crate::camera::{Camera, Command, StatusReader};
use crate::checkup::Live;
use crate::clips::ClipFolder;
use crate::control::DeviceControls;
use crate::event::Level;
use crate::fleet::Fleet;
use crate::frame::Frame;
use crate::health::History;
use crate::latest::Reader;
use crate::logging::EventLog;
use crate::picture::PictureStats;
#[cfg(feature = "share")]
use crate::recorder::RecorderReader;
use crate::recorder::{Recorder, RecordingPlan};
use crate::settings::{CameraId, CameraSettings, TrustedCertificates};
use crate::source::{Demand, SourceSpec};

/// How long a camera has to let go of its device before another one is opened in its place, which may be the same under another
/// name. The engine has a deadline of its own for it.
const RELEASED_WITHIN: Duration = Duration::from_secs(4);

/// What is read of one camera of the fleet, for the pane of its number.
pub(super) struct PaneEngine {
    pub id: CameraId,
    /// What the camera was told last.
    spec: SourceSpec,
    settings: CameraSettings,
    trusted: TrustedCertificates,
    demand: Demand,
    /// Disconnected when the device is closed, where another camera waits for that, and until when it does.
    released: Option<(Receiver<()>, Instant)>,
    frames: Reader<Frame>,
    /// Pictures taken before this moment are of another stream. `None` until the first status after a switch.
    frames_since: Option<Instant>,
    status: StatusReader,
    history: Reader<History>,
    controls: Reader<DeviceControls>,
    picture: Reader<PictureStats>,
    /// With where and what it records.
    recorder: Option<(Recorder, ClipFolder, RecordingPlan)>,
    /// The recorder before it, until it has closed its file.
    closing: Option<Receiver<()>>,
    /// The history of earlier runs has been read.
    pub has_past: bool,
}

impl PaneEngine {
    /// Opens the camera of a pane.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(pane: &mut Pane, shell: &Shell, fleet: &mut Fleet) -> io::Result<Self> {
        let (spec, settings) = (pane.spec.clone(), pane.settings.clone());
        let trusted = shell.settings.network.trusted_certificates.clone();
        let began = Instant::now();
        let camera = fleet.add(pane.id(), spec.clone(), &settings, &trusted)?;
        pane.live = Some(Live::of(camera));
        Ok(Self {
            id: pane.id(),
            spec,
            settings,
            trusted,
            demand: Demand::default(),
            released: None,
            frames: camera.frames(),
            frames_since: Some(began),
            status: camera.status(),
            history: camera.history(),
            controls: camera.controls(),
            picture: camera.picture(),
            recorder: None,
            closing: None,
            has_past: false,
        })
    }

    /// The camera as the status names it.
    pub fn source(&self) -> String {
        self.spec.to_string()
    }

    #[cfg(feature = "share")]
    pub fn recorder(&self) -> Option<RecorderReader> {
        self.recorder.as_ref().map(|(recorder, ..)| recorder.reader())
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
        if let Some(fresh) = self.picture.take_fresh() {
            pane.look_at_picture(shell, &fresh.value);
        }
        pane.recording.news = self.recorder.as_ref().map(|(recorder, ..)| recorder.news(shell.now));
    }

    /// Has the camera be as the pane wants it: from which source, with which settings, with which pictures; and gives it the
    /// pane's commands. Settings that only changed wait until `may_apply`.
    pub fn follow(&mut self, pane: &mut Pane, shell: &Shell, fleet: &Fleet, demand: Demand, may_apply: bool) {
        let Some(camera) = fleet.camera(self.id) else { return };
        let is_other = self.spec != pane.spec;
        let trusted = &shell.settings.network.trusted_certificates;
        // Before a switch, so that it is opened at once as it shall be.
        if (is_other || may_apply) && (self.settings != pane.settings || self.trusted != *trusted) {
            self.settings = pane.settings.clone();
            self.trusted.clone_from(trusted);
            camera.send(Command::Apply(Box::new(self.settings.clone()), trusted.clone()));
        }
        if is_other {
            self.spec = pane.spec.clone();
            self.frames_since = None;
            self.has_past = false;
            camera.send(Command::Switch(Box::new(self.spec.clone())));
        }
        if self.demand != demand {
            self.demand = demand;
            pane.set_demand(demand, shell.now);
            camera.send(Command::SetDemand(demand));
        }
        // It is wanted again, before it was gone.
        if self.released.take().is_some() {
            camera.send(Command::Start);
        }
        for command in pane.commands.drain(..) {
            camera.send(command);
        }
        if let Err(error) = self.follow_recording(pane, shell, camera, fleet.log(), may_apply) {
            pane.recording.is_wanted = false;
            pane.settings.recording.watches_for_faults = false;
            shell.events.add("", Level::Error, "recording", format!("The system gives no thread: {error}"));
        }
    }

    /// Has the camera recorded as the pane wants it. Never waits. What only changed waits until `may_apply`.
    fn follow_recording(
        &mut self,
        pane: &mut Pane,
        shell: &Shell,
        camera: &Camera,
        log: &EventLog,
        may_apply: bool,
    ) -> io::Result<()> {
        let saves_kept = std::mem::take(&mut pane.recording.saves_kept);
        let folder = match &shell.clip_folder {
            ClipFolderState::Open(folder) => Some(folder),
            ClipFolderState::Unknown | ClipFolderState::Asked | ClipFolderState::Failed { .. } => None,
        };
        let n_cameras = u32::try_from(shell.panes.len()).unwrap_or(u32::MAX);
        let place = shell.panes.iter().position(|pane| pane.id == self.id).unwrap_or_default();
        let place = u32::try_from(place).unwrap_or_default();
        let wanted = pane.recording_mode().map(|mode| RecordingPlan {
            place,
            n_cameras,
            ..RecordingPlan::as_set(mode, &pane.settings.recording, &shell.settings.clips)
        });
        if let Some((recorder, into, plan)) = self.recorder.take() {
            // How many cameras there are matters when it begins alone.
            let is_same = |wanted: &RecordingPlan| {
                folder.is_none_or(|folder| *folder == into)
                    && RecordingPlan { place: plan.place, n_cameras: plan.n_cameras, ..wanted.clone() } == plan
            };
            let has_failed = matches!(shell.clip_folder, ClipFolderState::Failed { .. });
            if wanted.as_ref().is_some_and(|wanted| !has_failed && (!may_apply || is_same(wanted))) {
                if saves_kept {
                    recorder.save_kept();
                }
                self.recorder = Some((recorder, into, plan));
            } else {
                self.closing = Some(recorder.let_go());
            }
        }
        self.closing.take_if(|closing| closing.try_recv() == Err(TryRecvError::Disconnected));
        if let (None, None, Some(folder), Some(plan)) = (&self.recorder, &self.closing, folder, wanted) {
            let recorder = Recorder::start(camera, self.id, folder.clone(), plan.clone(), log)?;
            self.recorder = Some((recorder, folder.clone(), plan));
        }
        Ok(())
    }

    /// Has the device closed, for another camera in the same pane. Says whether it is, or has been waited for long enough.
    pub fn release(&mut self, fleet: &Fleet, now: Instant) -> bool {
        let (closed, until) = self.released.get_or_insert_with(|| {
            let (closing, closed) = bounded(0);
            fleet.send(self.id, Command::Release(closing));
            (closed, now + RELEASED_WITHIN)
        });
        closed.try_recv() == Err(TryRecvError::Disconnected) || now >= *until
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::clips::list;
    use crate::network::KnownLogins;
    use crate::settings::Settings;
    use crate::ui::window::Window;

    /// Goes on until it is so.
    #[track_caller]
    fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < deadline, "not within 30 s: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn refresh(engine: &mut PaneEngine, window: &mut Window) {
        window.shell.now = Instant::now();
        window.with_selected(|pane, shell| engine.refresh(pane, shell, true));
    }

    #[test]
    fn a_pane_shows_its_camera_and_the_one_before_is_let_go_first() {
        let log = EventLog::new();
        let mut fleet = Fleet::new(log.clone(), KnownLogins::default(), Arc::new(|| {}));
        let spec = |text: &str| SourceSpec::parse(text).unwrap();
        let mut window = Window::new(spec("sim:64x48@50"), Settings::default(), Instant::now());
        let mut engine = PaneEngine::start(&mut window.panes[0], &window.shell, &mut fleet).unwrap();
        wait_until("a picture comes", || {
            refresh(&mut engine, &mut window);
            window.panes[0].frame.is_some() && window.panes[0].status.is_some()
        });
        // Settings wait until the hand has left the control; a number that only changed is no reason to open anything anew.
        window.panes[0].settings.recovery.n_retries = 9;
        engine.follow(&mut window.panes[0], &window.shell, &fleet, Demand::Checks, false);
        assert_eq!(engine.settings.recovery.n_retries, 3);
        engine.follow(&mut window.panes[0], &window.shell, &fleet, Demand::Checks, true);
        assert_eq!(engine.settings.recovery.n_retries, 9);

        let old = window.selected;
        window.choose(old, spec("sim:32x24@50"));
        assert_ne!(window.selected, old, "another camera has another number");
        assert_eq!(window.panes[0].replaces, Some(old));
        assert!(window.panes[0].frame.is_none(), "the picture of another camera is not shown under its name");
        wait_until("the camera before is closed", || engine.release(&fleet, Instant::now()));
        fleet.remove(old);
        let mut engine = PaneEngine::start(&mut window.panes[0], &window.shell, &mut fleet).unwrap();
        wait_until("its picture comes", || {
            refresh(&mut engine, &mut window);
            window.panes[0].frame.as_ref().is_some_and(|frame| frame.image.size().width == 32)
        });
        assert!(log.since(0).iter().all(|event| event.camera.is_some()));
    }

    #[test]
    fn a_pane_has_its_camera_recorded_while_it_wants_that() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = Fleet::new(EventLog::new(), KnownLogins::default(), Arc::new(|| {}));
        let spec = SourceSpec::parse("sim:64x48@50").unwrap();
        let mut window = Window::new(spec, Settings::default(), Instant::now());
        let mut engine = PaneEngine::start(&mut window.panes[0], &window.shell, &mut fleet).unwrap();
        let opened = ClipFolder::open(folder.path(), None, crate::event::now()).unwrap();
        window.shell.clip_folder = ClipFolderState::Open(opened);
        // Twice: what was closed is begun anew.
        for n_clips in [1, 2] {
            window.panes[0].recording.is_wanted = true;
            wait_until("a clip is written", || {
                refresh(&mut engine, &mut window);
                engine.follow(&mut window.panes[0], &window.shell, &fleet, Demand::Full, true);
                window.panes[0].recording_words(&window.shell).unwrap().starts_with("recording, ")
            });
            window.panes[0].recording.is_wanted = false;
            wait_until("it is closed", || {
                engine.follow(&mut window.panes[0], &window.shell, &fleet, Demand::Full, true);
                let clips = list(folder.path()).unwrap().clips;
                clips.len() == n_clips && clips.iter().all(|clip| clip.about().is_some_and(|about| about.bytes > 0))
            });
            assert_eq!(window.panes[0].recording_words(&window.shell), None);
        }
    }
}
