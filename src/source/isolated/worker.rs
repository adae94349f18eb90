//! The worker's half: opens one source, reads it, puts its pictures into shared memory, and ends with the program.

use std::io::{self, BufReader, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::memory::WorkerMemory;
use super::packets::{PacketOutlet, PacketWriter};
use super::process::{HEARTBEAT_PERIOD, HEARTBEAT_THREAD};
use super::protocol::{self, FrameSlot, FrameStamp, OpenParameters, ReadLine, SentEvent, WorkerEvent, WorkerRequest};
use crate::backend::Backend;
use crate::control::{ControlSetting, ControlsUpdate, add_setting};
use crate::device::process;
use crate::fault::{Fault, FaultKind};
use crate::foreign;
use crate::frame::{Size, fingerprint, made_smaller, tile_factor};
use crate::network::{KnownLogins, PacketEvidence};
use crate::packet::{Packet, PacketSink};
use crate::settings::{CameraSettings, Isolation, TrustedCertificates};
use crate::source::reader::{self, BeforeRead, Consumer, EndReading, ReadResult, Resume};
use crate::source::{Demand, Grabbed, OpenRequest, Source, SourceSpec};

/// How long the driver may take to close when the program asks for the end. Then this process ends as it stands.
const CLOSE: Duration = Duration::from_millis(150);

type Open<'a> = &'a dyn Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>;

pub fn serve(open: impl Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>) -> ExitCode {
    process::die_with_parent();
    foreign::tell_panics_cleanly();
    if io::stdin().is_terminal() {
        let _ = writeln!(
            io::stderr(),
            "This is the capture process of Camclinic, which starts it by itself: start camclinic."
        );
        return ExitCode::from(3);
    }
    let events = Arc::new(EventWriter { epoch: Instant::now() });
    let (sender, requests) = bounded(64);
    let (wanted, cancel) = bounded(0);
    let reader = thread::Builder::new().name("requests".into()).spawn(move || read_requests(&sender, wanted));
    let beating = Arc::clone(&events);
    let beat = thread::Builder::new().name(HEARTBEAT_THREAD.into()).spawn(move || {
        while beating.send(WorkerEvent::Heartbeat) {
            thread::sleep(HEARTBEAT_PERIOD);
        }
    });
    if reader.is_err() || beat.is_err() {
        return ExitCode::FAILURE;
    }
    let (outlet, packets) = PacketOutlet::new();
    let mut worker = Worker {
        events: &events,
        requests,
        memory: None,
        wanted: Vec::new(),
        demand: None,
        is_by_order: false,
        sought: None,
        logins: KnownLogins::default(),
        n_logins_told: 0,
        outlet,
        packets,
    };
    events.send(WorkerEvent::Hello { version: protocol::VERSION });
    let ended = panic::catch_unwind(AssertUnwindSafe(|| worker.run(&open, cancel)));
    if ended.is_err() {
        events.send(WorkerEvent::Failed(Fault::new(FaultKind::Crashed, "the backend crashed in the capture process")));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Passes requests on until the program has ended, and this process with it. `wanted` is dropped when nothing more is, so
/// that a source that is waiting can say good-bye to its camera.
fn read_requests(sender: &Sender<WorkerRequest>, wanted: Sender<()>) {
    let mut wanted = Some(wanted);
    let mut input = BufReader::new(io::stdin());
    let mut line = Vec::new();
    loop {
        let request = match protocol::read(&mut input, &mut line) {
            ReadLine::Message(request) => request,
            ReadLine::Foreign(_) => continue,
            // The program is gone, and nobody waits for a driver's call to come back.
            ReadLine::End { .. } | ReadLine::Malformed(_) => process::end_now(),
        };
        if matches!(request, WorkerRequest::Stop) {
            wanted = None;
        }
        if sender.send(request).is_err() || wanted.is_none() {
            thread::sleep(CLOSE);
            process::end_now();
        }
    }
}

/// Writes events to the program.
struct EventWriter {
    /// The zero of this process's clock.
    epoch: Instant,
}

impl EventWriter {
    /// `false` when nobody reads them any more. Blocks while the pipe is full.
    fn send(&self, event: WorkerEvent) -> bool {
        let now = self.clock(Instant::now());
        let Ok(line) = protocol::encode(&SentEvent(now, event)) else { return false };
        let mut out = io::stdout().lock();
        // One write, so that what libraries print stands before or behind it.
        out.write_all(&line).and_then(|()| out.flush()).is_ok()
    }

    fn clock(&self, moment: Instant) -> i64 {
        let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        match moment.checked_duration_since(self.epoch) {
            Some(later) => us(later),
            None => -us(self.epoch.saturating_duration_since(moment)),
        }
    }
}

/// Reads the source on the main thread, as the program requests.
struct Worker<'a> {
    events: &'a Arc<EventWriter>,
    requests: Receiver<WorkerRequest>,
    memory: Option<WorkerMemory>,
    /// Controls to be set before the next frame is waited for.
    wanted: Vec<ControlSetting>,
    demand: Option<Demand>,
    /// A frame is read only when one was sought.
    is_by_order: bool,
    sought: Option<Duration>,
    logins: KnownLogins,
    n_logins_told: usize,
    outlet: Arc<PacketOutlet>,
    /// What the source has put there.
    packets: Receiver<Packet>,
}

impl Worker<'_> {
    fn run(&mut self, open: Open, cancel: Receiver<()>) {
        let Ok(WorkerRequest::Open(opening)) = self.requests.recv() else { return };
        if let Some(file) = &opening.packets
            && self.write_packets(file).is_err()
        {
            return;
        }
        let demand = opening.demand;
        self.is_by_order = opening.is_by_order;
        self.logins.learn(opening.logins.iter().cloned());
        self.n_logins_told = self.logins.origins().len();
        let (logins, packets) = (self.logins.clone(), PacketSink::to(Arc::clone(&self.outlet) as _));
        let request = request(*opening, cancel);
        let request = request.map(|(backend, request)| (backend, OpenRequest { logins, packets, ..request }));
        let opened = request.and_then(|(backend, request)| open(backend, &request));
        if self.tell_logins().is_err() {
            return;
        }
        match opened {
            Ok(mut source) => {
                if self.events.send(WorkerEvent::Opened { got: source.got() }) {
                    // The program throws warm-up frames away itself.
                    let EndReading = reader::read(&mut *source, demand, 0, self);
                }
            }
            Err(fault) => drop(self.events.send(WorkerEvent::Failed(fault))),
        }
    }

    fn tell(&self, event: WorkerEvent) -> Result<(), EndReading> {
        if self.events.send(event) { Ok(()) } else { Err(EndReading) }
    }

    /// What was found out about logins, before what came of it.
    fn tell_logins(&mut self) -> Result<(), EndReading> {
        let origins = self.logins.origins();
        if std::mem::replace(&mut self.n_logins_told, origins.len()) == origins.len() {
            return Ok(());
        }
        self.tell(WorkerEvent::Logins(origins))
    }

    fn next_request(&self) -> Result<WorkerRequest, EndReading> {
        self.requests.recv().map_err(|_| EndReading)
    }

    /// Copies a picture to where the program can see it, once there is room.
    fn place(&mut self, size: Size, pixels: &[u8]) -> Result<FrameSlot, EndReading> {
        if !self.memory.as_ref().is_some_and(|memory| memory.suits(pixels.len())) {
            self.tell(WorkerEvent::NeedMemory { n_bytes: pixels.len() as u64 })?;
            self.memory = Some(self.wait_for_memory()?);
        }
        loop {
            let Some(memory) = self.memory.as_mut() else { return Err(EndReading) };
            if let Some(slot) = memory.put(pixels) {
                return Ok(slot_of(memory.generation, slot, size));
            }
            let request = self.next_request()?;
            self.follow(request)?;
        }
    }

    fn wait_for_memory(&mut self) -> Result<WorkerMemory, EndReading> {
        loop {
            match self.next_request()? {
                WorkerRequest::Memory { generation, file, n_slots, slot_bytes } => {
                    return WorkerMemory::open(generation, &file, n_slots, slot_bytes).map_err(|error| {
                        let message = format!("the shared memory cannot be opened: {error}");
                        self.events.send(WorkerEvent::Failed(Fault::new(FaultKind::NoResources, message)));
                        EndReading
                    });
                }
                // Of the memory before.
                WorkerRequest::ReleaseSlot { .. } => {}
                WorkerRequest::SetControls(wanted) => self.want(&wanted),
                WorkerRequest::SetDemand(demand) => self.demand = Some(demand),
                WorkerRequest::Seek { to_us } => self.sought = Some(Duration::from_micros(to_us)),
                WorkerRequest::PacketMemory { file } => self.write_packets(&file)?,
                WorkerRequest::WantPackets(are_wanted) => self.outlet.set_wanted(are_wanted),
                _ => return Err(EndReading),
            }
        }
    }

    /// How reading shall go on, where the request says so.
    fn follow(&mut self, request: WorkerRequest) -> Result<Option<Resume>, EndReading> {
        match request {
            WorkerRequest::ReleaseSlot { generation, slot } => {
                if let Some(memory) = &mut self.memory {
                    memory.on_given_back(generation, slot);
                }
                Ok(None)
            }
            WorkerRequest::SetControls(wanted) => {
                self.want(&wanted);
                Ok(None)
            }
            WorkerRequest::SetDemand(demand) => {
                self.demand = Some(demand);
                Ok(None)
            }
            WorkerRequest::Seek { to_us } => {
                self.sought = Some(Duration::from_micros(to_us));
                Ok(None)
            }
            WorkerRequest::PacketMemory { file } => self.write_packets(&file).map(|()| None),
            WorkerRequest::WantPackets(are_wanted) => {
                self.outlet.set_wanted(are_wanted);
                Ok(None)
            }
            WorkerRequest::Continue => Ok(Some(Resume::ReadOn)),
            WorkerRequest::Restart => Ok(Some(Resume::Restart)),
            WorkerRequest::Open(_) | WorkerRequest::Memory { .. } | WorkerRequest::NoMemory | WorkerRequest::Stop => {
                Err(EndReading)
            }
        }
    }

    /// Starts the thread that writes packets to where the program sees them. Blocks for nothing.
    fn write_packets(&self, file: &Path) -> Result<(), EndReading> {
        let (events, packets) = (Arc::clone(self.events), self.packets.clone());
        let started = PacketWriter::open(file, Arc::clone(&self.outlet)).and_then(|writer| {
            thread::Builder::new().name("packets".into()).spawn(move || {
                writer.run(&packets, |at| events.clock(at), |message| events.send(WorkerEvent::Packet(message)));
            })
        });
        match started {
            Ok(_) => {
                self.outlet.set_wanted(true);
                Ok(())
            }
            Err(error) => {
                let message = format!("the memory for packets cannot be opened: {error}");
                self.tell(WorkerEvent::Failed(Fault::new(FaultKind::NoResources, message)))?;
                Err(EndReading)
            }
        }
    }

    fn want(&mut self, wanted: &[ControlSetting]) {
        for setting in wanted {
            add_setting(&mut self.wanted, *setting);
        }
    }

    fn stamp(&self, grabbed: Grabbed) -> FrameStamp {
        FrameStamp {
            taken_at_us: self.events.clock(grabbed.taken_at),
            asked_at_us: grabbed.asked_at.map(|moment| self.events.clock(moment)),
            position_us: grabbed.position.and_then(|at| u64::try_from(at.as_micros()).ok()),
            sequence: grabbed.sequence,
            is_damaged: grabbed.is_damaged,
        }
    }
}

impl Consumer for Worker<'_> {
    type Picture = FrameSlot;

    fn before_read(&mut self) -> Result<BeforeRead, EndReading> {
        while let Ok(request) = self.requests.try_recv() {
            self.follow(request)?;
        }
        while self.is_by_order && self.sought.is_none() {
            let request = self.next_request()?;
            self.follow(request)?;
        }
        let (controls, demand, seek) = (std::mem::take(&mut self.wanted), self.demand.take(), self.sought.take());
        Ok(BeforeRead { controls, demand, seek, restart: false })
    }

    fn decode(&mut self, source: &mut dyn Source, demand: Demand) -> Result<Result<FrameSlot, Fault>, EndReading> {
        let factor = |size: Size| if let Demand::Tile(tile) = demand { tile_factor(size, tile) } else { 1 };
        if source.got().size.is_some_and(|size| factor(size) == 1)
            && let Some(placed) = decode_in_place(source, self.memory.as_mut())
        {
            return Ok(placed);
        }
        let picture = match source.retrieve() {
            Ok(picture) => picture,
            Err(fault) => return Ok(Err(fault)),
        };
        let (size, pixels) = (picture.size(), picture.pixels());
        if factor(size) == 1 {
            return self.place(size, pixels).map(Ok);
        }
        let (small, small_pixels) = made_smaller(size, pixels, factor(size));
        let slot = self.place(small, &small_pixels)?;
        Ok(Ok(FrameSlot { fingerprint: Some(fingerprint(size, pixels)), ..slot }))
    }

    fn on_left_out(&mut self, grabbed: Grabbed) -> Result<(), EndReading> {
        self.tell(WorkerEvent::LeftOut(self.stamp(grabbed)))
    }

    fn on_warmed_up(&mut self) -> Result<(), EndReading> {
        Ok(())
    }

    fn on_read(&mut self, read: ReadResult<FrameSlot>) -> Result<(), EndReading> {
        self.tell(match (read.picture, read.grabbed) {
            (Ok(slot), Some(grabbed)) => {
                WorkerEvent::Frame { stamp: self.stamp(grabbed), slot: FrameSlot { got: read.changed, ..slot } }
            }
            (Ok(_), None) => return Ok(()),
            (Err(fault), Some(grabbed)) => WorkerEvent::Damaged { stamp: self.stamp(grabbed), fault },
            (Err(fault), None) => WorkerEvent::Failed(fault),
        })
    }

    fn on_controls(&mut self, news: ControlsUpdate) -> Result<(), EndReading> {
        self.tell(WorkerEvent::Controls(news))
    }

    fn on_evidence(&mut self, evidence: PacketEvidence) -> Result<(), EndReading> {
        self.tell(WorkerEvent::Evidence(Box::new(evidence)))
    }

    fn after_fault(&mut self) -> Result<Resume, EndReading> {
        loop {
            let request = self.next_request()?;
            if let Some(resume) = self.follow(request)? {
                return Ok(resume);
            }
        }
    }

    fn on_restarted(&mut self, result: Result<(), Fault>) -> Result<(), EndReading> {
        self.tell_logins()?;
        self.tell(match result {
            Ok(()) => WorkerEvent::Restarted,
            Err(fault) => WorkerEvent::Failed(fault),
        })
    }
}

/// Has the picture decoded to where the program can see it, if the backend can do that and there is room.
fn decode_in_place(source: &mut dyn Source, memory: Option<&mut WorkerMemory>) -> Option<Result<FrameSlot, Fault>> {
    let (memory, size) = (memory?, source.got().size?);
    let slot = memory.fill(size.n_bytes(), |room| source.retrieve_into(size, room))?;
    let generation = memory.generation;
    Some(slot.map(|slot| slot_of(generation, slot, size)))
}

fn slot_of(generation: u32, slot: u32, size: Size) -> FrameSlot {
    FrameSlot { generation, slot, width: size.width, height: size.height, got: None, fingerprint: None }
}

fn request(opening: OpenParameters, cancel: Receiver<()>) -> Result<(Backend, OpenRequest), Fault> {
    let spec = SourceSpec::try_from(opening.spec).map_err(|why| Fault::new(FaultKind::Missing, why))?;
    let now = Instant::now();
    let request = OpenRequest {
        backend: Some(opening.backend),
        asked: opening.asked,
        first_opened: now.checked_sub(Duration::from_micros(opening.first_opened_ago_us)).unwrap_or(now),
        open_deadline: Duration::from_micros(opening.open_deadline_us),
        first_frame_deadline: Duration::from_micros(opening.first_frame_deadline_us),
        frame_deadline: Duration::from_micros(opening.frame_deadline_us),
        is_by_order: opening.is_by_order,
        isolation: Isolation::Off,
        network: opening.network,
        demand: opening.demand,
        cancel,
        ..OpenRequest::new(spec, &CameraSettings::default(), &TrustedCertificates::default())
    };
    Ok((opening.backend, request))
}
