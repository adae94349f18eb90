//! Carries out what the machine decides about one camera: threads, channels, the clock, the log. Decides nothing itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

use super::capture::Capture;
use super::machine::{CameraEvent, CaptureEvent, Effect, Input, Machine};
use super::status_reader::PublishedStatus;
use super::watches::CameraWatch;
use super::{Command, SHUTDOWN_DEADLINE, Wake};
use crate::analyser::Analyser;
use crate::control::DeviceControls;
use crate::criteria::PictureFault;
use crate::device;
use crate::device::watch::DeviceEvent;
use crate::event::Level;
use crate::fault::{Fault, FaultKind};
use crate::frame::Frame;
use crate::health::History;
use crate::latest::Latest;
use crate::logging::EventLog;
use crate::network::{KnownLogins, PacketEvidence};
use crate::packet::PacketSink;
use crate::picture::{FrameCoding, PictureStats};
use crate::source::reader::Resume;
use crate::source::{OpenRequest, StuckProcesses};
use crate::status::Status;
use crate::subscriber::Publisher;

/// Where the supervisor's results go.
pub(super) struct Outputs {
    pub(super) frames: Publisher<Frame>,
    pub(super) status: Latest<PublishedStatus>,
    pub(super) history: Latest<History>,
    pub(super) controls: Latest<DeviceControls>,
    pub(super) picture: Latest<PictureStats>,
    pub(super) evidence: Latest<PacketEvidence>,
    pub(super) wake: Wake,
    pub(super) on_status: Arc<dyn Fn(&Status) + Send + Sync>,
    pub(super) log: EventLog,
}

/// An event with the number of its opening.
type OfOpening = (u64, CaptureEvent);
/// The number of a reset that has ended, and what came of it.
type ResetResult = (u64, Result<(), Fault>);

/// Drives the machine of one camera.
pub(super) struct Supervisor {
    machine: Machine,
    out: Outputs,
    capture: Option<Capture>,
    events: (Sender<OfOpening>, Receiver<OfOpening>),
    resets: (Sender<ResetResult>, Receiver<ResetResult>),
    watch: CameraWatch,
    /// While pictures are looked at, and what it finds.
    analyser: Option<Analyser>,
    picture_faults: Receiver<Vec<PictureFault>>,
    /// Worker processes that do not end although they were killed.
    stuck: StuckProcesses,
    logins: KnownLogins,
    packets: PacketSink,
    has_stuck: bool,
    /// Dropped when the device has been closed.
    awaiting_release: Vec<Sender<()>>,
}

impl Supervisor {
    pub(super) fn new(machine: Machine, logins: KnownLogins, packets: PacketSink, out: Outputs) -> Self {
        Self {
            machine,
            out,
            capture: None,
            // Deep enough that a capture thread does not wait for the supervisor, too shallow to hold old pictures.
            events: bounded(4),
            resets: bounded(1),
            watch: CameraWatch::None,
            analyser: None,
            picture_faults: crossbeam_channel::never(),
            stuck: StuckProcesses::default(),
            logins,
            packets,
            has_stuck: false,
            awaiting_release: Vec::new(),
        }
    }

    /// The one loop. Ends, with the device closed or left behind, when nobody can send commands any more.
    pub(super) fn run(&mut self, commands: &Receiver<Command>) {
        loop {
            let (events, resets) = (self.events.1.clone(), self.resets.1.clone());
            let (devices, returns) = (self.watch.devices(), self.watch.returns());
            let (holders, ports) = (self.watch.holders(), self.watch.ports());
            let picture_faults = self.picture_faults.clone();
            let timeout = self.machine.next_deadline().map_or_else(crossbeam_channel::never, crossbeam_channel::at);
            let input = select! {
                recv(commands) -> command => match command {
                    Ok(Command::Release(closed)) => {
                        self.awaiting_release.push(closed);
                        Input::Command(Command::Stop)
                    }
                    Ok(command) => Input::Command(command),
                    Err(_) => break,
                },
                recv(events) -> event => match event {
                    Ok((opening, event)) => Input::Capture(opening, event),
                    Err(_) => break,
                },
                recv(resets) -> ended => match ended {
                    Ok((number, result)) => Input::ResetEnded(number, result),
                    Err(_) => break,
                },
                recv(devices) -> event => event.map_or_else(|_| self.end_watch(), Input::Devices),
                recv(returns) -> _ => {
                    self.watch = CameraWatch::None;
                    Input::Devices(DeviceEvent::ListChanged)
                }
                recv(holders) -> event => event.map_or_else(|_| self.end_watch(), Input::Holders),
                recv(ports) -> event => event.map_or_else(|_| self.end_watch(), Input::Port),
                recv(picture_faults) -> faults => if let Ok(faults) = faults {
                    Input::Picture(faults)
                } else {
                    self.picture_faults = crossbeam_channel::never();
                    Input::Timer
                },
                recv(timeout) -> _ => Input::Timer,
            };
            self.step(input);
        }
        self.shut_down();
    }

    fn end_watch(&mut self) -> Input {
        self.watch = CameraWatch::None;
        Input::WatchEnded
    }

    /// Gives the machine an input, and what follows from carrying out its effects.
    pub(super) fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        if self.has_stuck || !self.stuck.is_empty() {
            let stuck = self.stuck.report(Instant::now());
            self.has_stuck = !stuck.is_empty();
            inputs.push_front(Input::Stuck(stuck));
        }
        while let Some(input) = inputs.pop_front() {
            for effect in self.machine.step(input, Instant::now()) {
                inputs.extend(self.carry_out(effect));
            }
        }
    }

    /// What the machine is to be told about it at once, if anything.
    fn carry_out(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::Open { opening, request, n_warm_up } => {
                let (stuck, logins, packets) = (self.stuck.clone(), self.logins.clone(), self.packets.clone());
                let request = OpenRequest { logins, packets, stuck, ..*request };
                let evidence = self.out.evidence.clone();
                match Capture::start(opening, request, n_warm_up, self.events.0.clone(), evidence) {
                    Ok(capture) => self.capture = Some(capture),
                    Err(error) => {
                        let fault = Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}"));
                        let failed = Input::Capture(opening, CaptureEvent::Failed(fault));
                        return vec![failed, Input::Capture(opening, CaptureEvent::Closed)];
                    }
                }
            }
            Effect::ReadOn => self.resume(Resume::ReadOn),
            Effect::RestartStream => self.resume(Resume::Restart),
            Effect::SetControls(settings) => {
                if let Some(capture) = &self.capture {
                    capture.set_controls(settings);
                }
            }
            Effect::SetDemand(demand) => {
                if let Some(capture) = &self.capture {
                    capture.set_demand(demand);
                }
            }
            Effect::Close => self.capture = None,
            Effect::Released => self.awaiting_release.clear(),
            Effect::Reset { number, name } => {
                if let Err(error) = self.reset(number, name) {
                    let message = format!("the system gives no thread for the reset: {error}");
                    return vec![Input::ResetEnded(number, Err(Fault::new(FaultKind::ResetFailed, message)))];
                }
            }
            Effect::Watch(watched) => {
                let (spec, first_opened) = (self.machine.spec(), self.machine.first_opened());
                self.watch =
                    watched.map_or(CameraWatch::None, |watched| CameraWatch::start(watched, spec, first_opened));
            }
            Effect::LookAtPictures(coding) => {
                self.analyser = None;
                self.picture_faults = crossbeam_channel::never();
                if let Some(Err(error)) = coding.map(|coding| self.look_at_pictures(coding)) {
                    let message = format!("Pictures are not judged: the system gives no thread: {error}");
                    self.out.log.add(&self.machine.spec().to_string(), Level::Warning, "picture", &message);
                }
            }
            Effect::Log(source, CameraEvent { level, name, message, details }) => {
                self.out.log.add_with(&source, level, &name, message, details);
            }
            Effect::PublishFrame(frame) => self.out.frames.publish(frame),
            Effect::PublishStatus(status) => {
                (self.out.on_status)(&status);
                self.out.status.publish(PublishedStatus::new(*status, Instant::now()));
            }
            Effect::PublishHistory(history) => self.out.history.publish(*history),
            Effect::PublishControls(controls) => self.out.controls.publish(controls),
            Effect::Wake => (self.out.wake)(),
        }
        Vec::new()
    }

    fn look_at_pictures(&mut self, coding: FrameCoding) -> std::io::Result<()> {
        let (sender, receiver) = bounded(1);
        self.analyser = Some(Analyser::start(self.out.frames.newest(), coding, self.out.picture.clone(), sender)?);
        self.picture_faults = receiver;
        Ok(())
    }

    fn resume(&self, how: Resume) {
        if let Some(capture) = &self.capture {
            capture.resume(how);
        }
    }

    /// On a thread that is not waited for: the system may take its time, and a hung driver for ever.
    fn reset(&self, number: u64, name: String) -> std::io::Result<()> {
        let ended = self.resets.0.clone();
        let reset = move || {
            let result = device::named(&name).and_then(|device| device::reset(&device));
            // Nobody listens any more when the camera is gone.
            let _ = ended.send((number, result));
        };
        thread::Builder::new().name(format!("reset-{number}")).spawn(reset).map(drop)
    }

    fn shut_down(&mut self) {
        let deadline = Instant::now() + SHUTDOWN_DEADLINE;
        self.step(Input::Command(Command::Stop));
        while self.machine.is_closing() {
            match self.events.1.recv_deadline(deadline) {
                Ok((opening, event)) => self.step(Input::Capture(opening, event)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
