//! The capture thread: opens a source, reads it, and closes it. It decides nothing.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::machine::CaptureEvent;
use crate::control::{ControlSetting, ControlsUpdate, add_setting};
use crate::fault::{Fault, FaultKind};
use crate::frame::Image;
use crate::latest::Latest;
use crate::network::PacketEvidence;
use crate::packet::PacketSink;
use crate::source::reader::{self, BeforeRead, Consumer, EndReading, ReadResult, Resume};
use crate::source::{Demand, Grabbed, OpenRequest, Source};

/// Changes of controls that wait for the next frame. A hand on a slider makes sixty a second.
const MAX_UNSET: usize = 128;

/// The supervisor's end of a capture thread. Dropping it has the device closed, without waiting for that.
pub(super) struct Capture {
    stop: Arc<AtomicBool>,
    resume: Sender<Resume>,
    controls: Sender<Vec<ControlSetting>>,
    demand: Sender<Demand>,
    /// Dropped to end the waiting of a source that can be told.
    _alive: Sender<()>,
}

impl Capture {
    /// Starts the thread, which sends `events` with this number, and publishes what packets show.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        opening: u64,
        request: OpenRequest,
        n_warm_up: u32,
        events: Sender<(u64, CaptureEvent)>,
        evidence: Latest<PacketEvidence>,
    ) -> io::Result<Self> {
        let (alive, cancel) = bounded(0);
        let request = OpenRequest { cancel, ..request };
        let stop = Arc::new(AtomicBool::new(false));
        let (resume, resumed) = bounded(1);
        let (controls, wanted) = bounded(MAX_UNSET);
        let (demand, demanded) = bounded(MAX_UNSET);
        let thread = CaptureThread {
            opening,
            stop: Arc::clone(&stop),
            resumed,
            wanted,
            demanded,
            demand: request.demand,
            told: request.demand,
            packets: request.packets.clone(),
            events,
            evidence,
        };
        thread::Builder::new().name(format!("capture-{opening}")).spawn(move || thread.run(&request, n_warm_up))?;
        Ok(Self { stop, resume, controls, demand, _alive: alive })
    }

    /// Only for a thread that waits after a fault.
    pub(super) fn resume(&self, how: Resume) {
        let _ = self.resume.try_send(how);
    }

    /// Has controls set before the next frame is waited for. Those that find no room, as behind a call that does not come
    /// back, are set when the camera is opened anew.
    pub(super) fn set_controls(&self, settings: Vec<ControlSetting>) {
        let _ = self.controls.try_send(settings);
    }

    /// Says what is wanted of the pictures, from the next frame on.
    pub(super) fn set_demand(&self, demand: Demand) {
        let _ = self.demand.try_send(demand);
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The senders go with it, which ends the thread's waits.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The thread's own end.
struct CaptureThread {
    opening: u64,
    stop: Arc<AtomicBool>,
    resumed: Receiver<Resume>,
    wanted: Receiver<Vec<ControlSetting>>,
    demanded: Receiver<Demand>,
    /// What is wanted of the pictures by those who look at them, and what the source was told.
    demand: Demand,
    told: Demand,
    packets: PacketSink,
    events: Sender<(u64, CaptureEvent)>,
    evidence: Latest<PacketEvidence>,
}

impl CaptureThread {
    fn run(mut self, request: &OpenRequest, n_warm_up: u32) {
        // A panic in a backend or in the library below it ends this opening, not the program.
        if panic::catch_unwind(AssertUnwindSafe(|| self.read(request, n_warm_up))).is_err() {
            let message = format!("the backend crashed while reading {}", request.spec);
            let _ = self.tell(CaptureEvent::Failed(Fault::new(FaultKind::Crashed, message)));
        }
        let _ = self.tell(CaptureEvent::Closed);
    }

    fn read(&mut self, request: &OpenRequest, n_warm_up: u32) -> Result<(), EndReading> {
        self.tell(match request.spec.device() {
            Some(device) => CaptureEvent::Named { name: device.name, device: Some((device.identity, device.kind)) },
            None => CaptureEvent::Named { name: request.spec.name(), device: None },
        })?;
        let (backend, mut source) = match request.open() {
            Ok(opened) => opened,
            Err(fault) => return self.tell(CaptureEvent::Failed(fault)),
        };
        self.tell(CaptureEvent::Opened { got: source.got(), backend })?;
        Err(reader::read(&mut *source, request.demand, n_warm_up, self))
    }

    fn tell(&self, event: CaptureEvent) -> Result<(), EndReading> {
        self.events.send((self.opening, event)).map_err(|_| EndReading)
    }
}

impl Consumer for CaptureThread {
    type Picture = (Image, SystemTime);

    fn before_read(&mut self) -> Result<BeforeRead, EndReading> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(EndReading);
        }
        let mut controls = Vec::new();
        self.wanted.try_iter().flatten().for_each(|setting| add_setting(&mut controls, setting));
        self.demand = self.demanded.try_iter().last().unwrap_or(self.demand);
        // A recording is made of all of them, whatever is looked at.
        let demand = if self.packets.needs_pictures() { Demand::Full } else { self.demand };
        let has_changed = std::mem::replace(&mut self.told, demand) != demand;
        Ok(BeforeRead { controls, demand: has_changed.then_some(demand), ..BeforeRead::default() })
    }

    fn decode(&mut self, source: &mut dyn Source, demand: Demand) -> Result<Result<Self::Picture, Fault>, EndReading> {
        let wall = SystemTime::now();
        Ok(source.retrieve().and_then(|picture| picture.into_image_for(demand)).map(|image| (image, wall)))
    }

    fn on_left_out(&mut self, grabbed: Grabbed) -> Result<(), EndReading> {
        self.tell(CaptureEvent::LeftOut(grabbed))
    }

    fn on_warmed_up(&mut self) -> Result<(), EndReading> {
        self.tell(CaptureEvent::WarmedUp)
    }

    fn on_read(&mut self, read: ReadResult<Self::Picture>) -> Result<(), EndReading> {
        if let Some(got) = read.changed {
            self.tell(CaptureEvent::Changed(got))?;
        }
        // What was allowed while a call was out is not for the fault that comes now.
        let _ = self.resumed.try_recv();
        self.tell(match (read.picture, read.grabbed) {
            (Ok((image, wall)), Some(grabbed)) => CaptureEvent::Frame { image, grabbed, wall },
            (Ok(_), None) => return Ok(()),
            (Err(fault), _) => CaptureEvent::Failed(fault),
        })
    }

    fn on_controls(&mut self, news: ControlsUpdate) -> Result<(), EndReading> {
        self.tell(CaptureEvent::Controls(news))
    }

    fn on_evidence(&mut self, evidence: PacketEvidence) -> Result<(), EndReading> {
        self.evidence.publish(evidence);
        Ok(())
    }

    fn after_fault(&mut self) -> Result<Resume, EndReading> {
        // Ends with the supervisor's end.
        self.resumed.recv().map_err(|_| EndReading)
    }

    fn on_restarted(&mut self, result: Result<(), Fault>) -> Result<(), EndReading> {
        self.tell(CaptureEvent::Restarted(result))
    }
}
