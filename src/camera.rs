//! The front door to one camera: a machine that decides, a supervisor that carries its decisions out, and a capture thread
//! that only reads.
//!
//! ```text
//!   Command ──► supervisor ──► Latest<Frame>, Latest<Status>, Latest<History>, events
//!                 ▲   │ ▲ │
//!   CaptureEvent  │   │ │ └─ Input, now ──► Machine (pure) ──► [Effect] ─┐
//!                 │   │ └────────────────────────────────────────────────┘
//!                 │   ▼ read on / restart / close
//!               capture thread ──► Source (open, grab, retrieve, close: each may block for ever)
//! ```
//!
//! Invariant: the supervisor never calls a driver and never waits for a thread. A capture thread whose call does not
//! come back within its deadline is told to end and left behind; it frees the device when the call returns, and is
//! counted until then. So is the thread that resets a device. Nothing here is global: any number of cameras run beside each other.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::codec;
use crate::control::{ControlSetting, DeviceControls};
use crate::frame::Frame;
use crate::health::History;
use crate::latest::{Latest, Reader};
use crate::logging::EventLog;
use crate::network::{KnownLogins, PacketEvidence};
use crate::packet::PacketSink;
use crate::packet::ring::PacketRing;
use crate::picture::PictureStats;
use crate::settings::{CameraSettings, TrustedCertificates};
use crate::source::{Demand, SourceSpec};
use crate::status::Status;
use crate::subscriber::{Policy, Publisher, Subscriber};

mod capture;
mod controls;
pub mod machine;
mod outage;
mod picture_faults;
mod score_log;
mod status_reader;
mod supervisor;
mod tally;
mod watches;

use machine::{Input, Machine};
use status_reader::PublishedStatus;
pub use status_reader::StatusReader;
use supervisor::{Outputs, Supervisor};

/// How long dropping a `Camera` waits for the device to be closed.
const SHUTDOWN_DEADLINE: Duration = Duration::from_millis(900);

/// What somebody wants of a camera.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open it, if it is stopped or given up.
    Start,
    /// Close it and leave it closed.
    Stop,
    /// The same for somebody who needs the device: what is sent here is dropped once it is closed, or has been left behind by
    /// a driver that does not come back.
    Release(Sender<()>),
    /// Use other settings from now on. The stream is restarted only if the change needs it.
    Apply(Box<CameraSettings>, TrustedCertificates),
    /// Another camera. A stopped one stays stopped no longer.
    Switch(Box<SourceSpec>),
    /// Do the next step of recovery at once; open the camera anew, if none is planned. Crashes so far are forgiven.
    RecoverNow,
    /// Open a camera that others hold as soon as they let go, also where recovery is not automatic. Never opens it while they
    /// are known to hold it.
    WaitUntilFree,
    /// Try nothing more until somebody acts. A live picture stays.
    StopTrying,
    /// Reset the device on its bus, and open it again: the consent that this step waits for. Only for a device of this
    /// computer; others are left alone, and the log says so.
    ResetDevice,
    /// Have controls set, without a stop of the stream. They are set again whenever the camera is opened anew, until another
    /// one is chosen. What the camera makes of them is told by [`Camera::controls`].
    SetControls(Vec<ControlSetting>),
    /// What is wanted of the pictures from now on. They are never larger than the camera makes them.
    SetDemand(Demand),
}

/// Called after each new frame, and after each new status that no frame accompanies, on the supervisor's thread: must
/// not block. Never called while the camera is stopped.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A camera at work. Dropping it closes the device, waiting a second at most.
pub struct Camera {
    commands: Sender<Command>,
    /// Disconnected when the supervisor has ended.
    ended: Receiver<()>,
    frames: Publisher<Frame>,
    status: Latest<PublishedStatus>,
    history: Latest<History>,
    controls: Latest<DeviceControls>,
    picture: Latest<PictureStats>,
    evidence: Latest<PacketEvidence>,
    packets: PacketRing,
    /// While somebody wants this camera.
    alive: Arc<()>,
}

impl Camera {
    /// Starts the supervisor and opens the camera. Returns at once: the status tells how it goes.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        spec: SourceSpec,
        settings: &CameraSettings,
        trusted: &TrustedCertificates,
        log: EventLog,
        wake: Wake,
    ) -> io::Result<Self> {
        Self::start_observed(spec, settings, trusted, KnownLogins::default(), log, wake, Arc::new(|_| {}))
    }

    /// The same with what is known of logins, which all cameras of a run share, and with `on_status` called for each status, on the
    /// supervisor's thread: it must not block.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start_observed(
        spec: SourceSpec,
        settings: &CameraSettings,
        trusted: &TrustedCertificates,
        logins: KnownLogins,
        log: EventLog,
        wake: Wake,
        on_status: Arc<dyn Fn(&Status) + Send + Sync>,
    ) -> io::Result<Self> {
        let (commands, commands_rx) = bounded(64);
        let (ended_tx, ended) = bounded(0);
        let (frames, status, history) = (Publisher::new(), Latest::new(), Latest::new());
        let (controls, picture, evidence) = (Latest::new(), Latest::new(), Latest::new());
        let outputs = Outputs {
            frames: frames.clone(),
            status: status.clone(),
            history: history.clone(),
            controls: controls.clone(),
            picture: picture.clone(),
            evidence: evidence.clone(),
            wake,
            on_status,
            log,
        };
        let machine = Machine::new(spec, settings.clone(), trusted.clone(), fastrand::u64(..), Instant::now());
        let packets = PacketRing::default();
        let sink = PacketSink::to(Arc::new(packets.clone()));
        let mut supervisor = Supervisor::new(machine, logins, sink, outputs);
        // Opening begins with this call, so that there is a status from the start.
        supervisor.step(Input::Command(Command::Start));
        thread::Builder::new().name("supervisor".to_owned()).spawn(move || {
            supervisor.run(&commands_rx);
            drop(ended_tx);
        })?;
        let alive = Arc::default();
        Ok(Self { commands, ended, frames, status, history, controls, picture, evidence, packets, alive })
    }

    /// Sends a command. Never waits: should the supervisor be sixty commands behind, this one is dropped.
    pub fn send(&self, command: Command) {
        let _ = self.commands.try_send(command);
    }

    /// A reader of good frames.
    #[must_use]
    pub fn frames(&self) -> Reader<Frame> {
        self.frames.newest()
    }

    /// A subscriber to good frames: the newest, or all of them as far as there is room.
    #[must_use]
    pub fn subscribe(&self, policy: Policy) -> Subscriber<Frame> {
        self.frames.subscribe(policy)
    }

    /// A reader of the status, published at each change, and while the camera is at work four times a second (given up: each 5 s).
    #[must_use]
    pub fn status(&self) -> StatusReader {
        StatusReader::new(self.status.reader(), Arc::downgrade(&self.alive))
    }

    /// A reader of the camera's controls, published at each change. None before the first picture.
    #[must_use]
    pub fn controls(&self) -> Reader<DeviceControls> {
        self.controls.reader()
    }

    /// A reader of what the live pictures of the last seconds show, in numbers, published twice a second at most.
    #[must_use]
    pub fn picture(&self) -> Reader<PictureStats> {
        self.picture.reader()
    }

    /// A reader of what the packets of a network camera have shown since its stream began.
    #[must_use]
    pub fn evidence(&self) -> Reader<PacketEvidence> {
        self.evidence.reader()
    }

    /// What the camera has sent in the last seconds, once that is wanted ([`PacketRing::set_limits`]).
    #[must_use]
    pub fn packets(&self) -> PacketRing {
        self.packets.clone()
    }

    /// The same of a camera that sends JPEGs.
    #[must_use]
    pub fn jpegs(&self) -> Option<PacketRing> {
        let format = self.status().current()?.got.format?;
        codec::is_jpeg(format).then(|| self.packets())
    }

    /// A reader of the score over time.
    #[must_use]
    pub fn history(&self) -> Reader<History> {
        self.history.reader()
    }
}

impl Camera {
    /// Closes several cameras side by side, so that all of them take no longer than the slowest.
    pub fn close_all(mut cameras: Vec<Self>) {
        cameras.iter_mut().for_each(Self::begin_to_close);
        let deadline = Instant::now() + SHUTDOWN_DEADLINE;
        for camera in &cameras {
            let _ = camera.ended.recv_deadline(deadline);
        }
        // What has not ended by now is not waited for a second time.
        cameras.into_iter().for_each(Self::let_go);
    }

    /// Has the device closed, and does not wait for that.
    pub fn let_go(mut self) {
        self.begin_to_close();
        let (_, disconnected) = bounded(0);
        self.ended = disconnected;
    }

    /// With its commands gone the supervisor closes the device and ends.
    fn begin_to_close(&mut self) {
        let (closed, _) = bounded(0);
        drop(std::mem::replace(&mut self.commands, closed));
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.begin_to_close();
        let _ = self.ended.recv_timeout(SHUTDOWN_DEADLINE);
    }
}
