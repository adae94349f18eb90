//! How the camera stands after a check-up, as every other face tells it: by the decisions of the engine.
//!
//! Of a camera that streams in this program it is the engine's own status. Of one that the check-up reads itself a machine of the
//! engine is told what comes, and its effects are not carried out: nothing is recovered.

use std::time::{Instant, SystemTime};

use crossbeam_channel::{Receiver, bounded};

use super::CheckupRequest;
use super::facts::Facts;
use crate::analyser::Analyser;
use crate::camera::Command;
use crate::camera::machine::{CaptureEvent, Effect, Input, Machine};
use crate::criteria::PictureFault;
use crate::device::DeviceKind;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::latest::Latest;
use crate::picture::FrameCoding;
use crate::probe::ProbeEvent;
use crate::settings::CameraSettings;
use crate::source::Grabbed;
use crate::status::Status;

/// There is only one.
const OPENING: u64 = 1;
/// After a pause between two checks the first frames have waited, or have lost their predecessors to it.
const N_AFTER_PAUSE: u32 = 3;

/// The machine of a stream that the check-up reads itself.
pub(super) struct StreamStatus {
    machine: Machine,
    frames: Latest<Frame>,
    /// Looks at the frames, from the first one on.
    analyser: Option<Analyser>,
    picture_faults: Receiver<Vec<PictureFault>>,
    n_after_pause: u32,
}

impl StreamStatus {
    /// The camera is being opened from now on. The kind is that of the device, if it is one.
    pub(super) fn new(request: &CheckupRequest, device: Option<(String, DeviceKind)>, now: Instant) -> Self {
        let mut stream = Self {
            machine: machine_of(request, now),
            frames: Latest::new(),
            analyser: None,
            picture_faults: crossbeam_channel::never(),
            n_after_pause: 0,
        };
        stream.step(Input::Command(Command::Start), now);
        let name = request.spec.name();
        stream.step(Input::Capture(OPENING, CaptureEvent::Named { name, device }), now);
        stream
    }

    /// Nobody has asked for frames for a while.
    pub(super) fn on_pause(&mut self) {
        self.n_after_pause = N_AFTER_PAUSE;
    }

    pub(super) fn on_event(&mut self, event: &ProbeEvent, now: Instant) {
        let told = match event {
            ProbeEvent::Opened { got, backend, .. } => CaptureEvent::Opened { got: got.clone(), backend: *backend },
            ProbeEvent::Controls(_) | ProbeEvent::Evidence(_) => return,
            ProbeEvent::WarmedUp => CaptureEvent::WarmedUp,
            ProbeEvent::Frame(read) => {
                if let Some(changed) = &read.changed {
                    self.step(Input::Capture(OPENING, CaptureEvent::Changed(changed.clone())), now);
                }
                match (&read.picture, read.grabbed) {
                    (Ok(image), Some(grabbed)) => {
                        let is_after_pause = self.n_after_pause > 0;
                        self.n_after_pause = self.n_after_pause.saturating_sub(1);
                        let sequence = grabbed.sequence.filter(|_| !is_after_pause);
                        let grabbed = Grabbed::new(grabbed.taken_at, sequence);
                        CaptureEvent::Frame { image: image.clone(), grabbed, wall: SystemTime::now() }
                    }
                    (Ok(_), None) => return,
                    (Err(fault), _) => CaptureEvent::Failed(fault.clone()),
                }
            }
            ProbeEvent::Ended(fault) => return self.end(fault.clone(), now),
        };
        self.step(Input::Capture(OPENING, told), now);
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, fault: Fault, now: Instant) {
        for event in [CaptureEvent::Failed(fault), CaptureEvent::Closed] {
            self.step(Input::Capture(OPENING, event), now);
        }
        self.step(Input::Command(Command::StopTrying), now);
        self.step(Input::Capture(OPENING, CaptureEvent::Closed), now);
    }

    pub(super) fn status(&mut self, now: Instant) -> Status {
        while let Ok(faults) = self.picture_faults.try_recv() {
            self.step(Input::Picture(faults), now);
        }
        self.machine.status(now)
    }

    fn step(&mut self, input: Input, now: Instant) {
        for effect in self.machine.step(input, now) {
            match effect {
                Effect::PublishFrame(frame) => self.frames.publish(frame),
                Effect::LookAtPictures(coding) => {
                    self.analyser = coding.and_then(|coding| self.look_at_pictures(coding));
                }
                _ => {}
            }
        }
    }

    fn look_at_pictures(&mut self, coding: FrameCoding) -> Option<Analyser> {
        let (sender, receiver) = bounded(8);
        self.picture_faults = receiver;
        Analyser::start(self.frames.reader(), coding, Latest::new(), sender).ok()
    }
}

/// A machine of a camera that nobody has opened.
fn machine_of(request: &CheckupRequest, now: Instant) -> Machine {
    let settings = CameraSettings { isolation: request.opening().isolation, ..request.settings.clone() };
    Machine::new(request.spec.clone(), settings, request.trusted.clone(), 0, now)
}

/// Of a camera that streams in this program its own status, else what the check-up has seen of it.
pub(super) fn status(request: &CheckupRequest, facts: &Facts, watched: Option<&Status>) -> Status {
    if let Some(status) = request.live.as_ref().and_then(|live| live.status.current()) {
        return Status::clone(&status);
    }
    let status = watched.cloned().unwrap_or_else(|| {
        let now = Instant::now();
        match refusal(facts) {
            Some(fault) => {
                let mut stream = StreamStatus::new(request, None, now);
                stream.end(fault, now);
                stream.status(now)
            }
            None => machine_of(request, now).status(now),
        }
    });
    let device = facts.presence.as_ref().and_then(|presence| presence.device.as_ref());
    let name = device.map_or(status.name, |device| device.name.as_str().into());
    Status { name, ..status }
}

/// Why it was not opened.
fn refusal(facts: &Facts) -> Option<Fault> {
    let presence = facts.presence.as_ref().and_then(|presence| presence.fault.clone());
    let access = facts.access.as_ref().and_then(|access| access.fault.clone());
    let network = facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
    let opening = facts.opening.as_ref().and_then(|opening| opening.fault.clone());
    presence.or(access).or_else(|| network.map(|finding| finding.fault.clone())).or(opening)
}
