//! The worker's half: opens one source, reads it, puts its pictures into shared memory, and ends with the program.

use std::cell::RefCell;
use std::io::{self, BufReader, IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::memory::WorkerMemory;
use super::process::HEARTBEAT_PERIOD;
use super::protocol::{self, FrameSlot, FrameStamp, OpenParameters, ReadLine, SentEvent, WorkerEvent, WorkerRequest};
use crate::backend::Backend;
use crate::control::{ControlSetting, add_setting};
use crate::device::process;
use crate::fault::{Fault, FaultKind};
use crate::settings::{Isolation, Settings};
use crate::source::{Grabbed, OpenRequest, Picture, Source, SourceSpec};

/// How long the driver may take to close when the program asks for the end. Then this process ends as it stands.
const CLOSE: Duration = Duration::from_millis(150);

type Open<'a> = &'a dyn Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>;

pub fn serve(open: impl Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>) -> ExitCode {
    process::die_with_parent();
    if io::stdin().is_terminal() {
        let _ = writeln!(
            io::stderr(),
            "This is the capture process of Camclinic, which starts it by itself: start camclinic."
        );
        return ExitCode::from(3);
    }
    let voice = Arc::new(Voice { epoch: Instant::now() });
    let (sender, requests) = bounded(64);
    let (wanted, cancel) = bounded(0);
    let reader = thread::Builder::new().name("requests".into()).spawn(move || read_requests(&sender, wanted));
    let beating = Arc::clone(&voice);
    let beat = thread::Builder::new().name("heartbeat".into()).spawn(move || {
        while beating.tell(WorkerEvent::Heartbeat) {
            thread::sleep(HEARTBEAT_PERIOD);
        }
    });
    if reader.is_err() || beat.is_err() {
        return ExitCode::FAILURE;
    }
    let job = Job { voice: &voice, requests, cancel, wanted: RefCell::default() };
    job.voice.tell(WorkerEvent::Hello { version: protocol::VERSION });
    let ended = panic::catch_unwind(AssertUnwindSafe(|| job.run(&open)));
    if ended.is_err() {
        voice.tell(WorkerEvent::Failed(Fault::new(FaultKind::Crashed, "the backend crashed in the capture process")));
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

/// What the program hears.
struct Voice {
    epoch: Instant,
}

impl Voice {
    /// `false` when nobody hears it any more. Blocks while the pipe is full.
    fn tell(&self, event: WorkerEvent) -> bool {
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

struct Job<'a> {
    voice: &'a Voice,
    requests: Receiver<WorkerRequest>,
    /// Disconnected when the source is to be closed.
    cancel: Receiver<()>,
    /// Controls to be set before the next frame is waited for.
    wanted: RefCell<Vec<ControlSetting>>,
}

/// Nothing more is wanted.
struct Ended;

/// What the program does about a fault.
enum Leave {
    ReadOn,
    Restart,
}

impl Job<'_> {
    fn run(&self, open: Open) -> Result<(), Ended> {
        let Ok(WorkerRequest::Open(opening)) = self.requests.recv() else { return Err(Ended) };
        let opened = request(*opening, self.cancel.clone()).and_then(|(backend, request)| open(backend, &request));
        let mut source = match opened {
            Ok(source) => source,
            Err(fault) => {
                self.voice.tell(WorkerEvent::Failed(fault));
                return Err(Ended);
            }
        };
        let mut got = source.got();
        self.tell(WorkerEvent::Opened { got: got.clone() })?;
        let mut memory = None;
        loop {
            self.take_back(&mut memory)?;
            let wanted = self.wanted.take();
            if !wanted.is_empty() {
                source.set_controls(&wanted);
            }
            let grabbed = match source.grab() {
                Ok(grabbed) => grabbed,
                Err(fault) => {
                    self.tell(WorkerEvent::Failed(fault))?;
                    self.wait_for_leave(&mut *source, &mut memory)?;
                    continue;
                }
            };
            let stamp = self.stamp(grabbed);
            let placed = match decode_in_place(&mut *source, memory.as_mut()) {
                Some(placed) => placed,
                None => match source.retrieve() {
                    Ok(picture) => Ok(self.place(&picture, &mut memory)?),
                    Err(fault) => Err(fault),
                },
            };
            match placed {
                Ok(mut place) => {
                    let now_got = source.got();
                    if now_got != got {
                        got = now_got;
                        place.got = Some(got.clone());
                    }
                    self.tell(WorkerEvent::Frame { stamp, slot: place })?;
                    if let Some(update) = source.controls() {
                        self.tell(WorkerEvent::Controls(update))?;
                    }
                }
                Err(fault) => {
                    self.tell(WorkerEvent::Damaged { stamp, fault })?;
                    self.wait_for_leave(&mut *source, &mut memory)?;
                }
            }
        }
    }

    fn tell(&self, event: WorkerEvent) -> Result<(), Ended> {
        if self.voice.tell(event) { Ok(()) } else { Err(Ended) }
    }

    fn stamp(&self, grabbed: Grabbed) -> FrameStamp {
        FrameStamp { taken_at_us: self.voice.clock(grabbed.taken_at), sequence: grabbed.sequence }
    }

    /// Slots that the program has done with.
    fn take_back(&self, memory: &mut Option<WorkerMemory>) -> Result<(), Ended> {
        for request in self.requests.try_iter() {
            self.follow(&request, memory)?;
        }
        Ok(())
    }

    /// Copies a picture to where the program can see it, once there is room.
    fn place(&self, picture: &Picture, memory: &mut Option<WorkerMemory>) -> Result<FrameSlot, Ended> {
        let pixels = picture.pixels();
        if !memory.as_ref().is_some_and(|memory| memory.fits(pixels.len())) {
            self.tell(WorkerEvent::NeedMemory { n_bytes: pixels.len() as u64 })?;
            *memory = Some(self.wait_for_memory()?);
        }
        loop {
            let Some(room) = memory.as_mut() else { return Err(Ended) };
            if let Some(slot) = room.put(pixels) {
                let size = picture.size();
                let generation = room.generation;
                return Ok(FrameSlot { generation, slot, width: size.width, height: size.height, got: None });
            }
            self.follow(&self.requests.recv().map_err(|_| Ended)?, memory)?;
        }
    }

    fn wait_for_memory(&self) -> Result<WorkerMemory, Ended> {
        loop {
            match self.requests.recv().map_err(|_| Ended)? {
                WorkerRequest::Memory { generation, file, n_slots, slot_bytes } => {
                    return WorkerMemory::open(generation, &file, n_slots, slot_bytes).map_err(|error| {
                        let message = format!("the shared memory cannot be opened: {error}");
                        self.voice.tell(WorkerEvent::Failed(Fault::new(FaultKind::NoResources, message)));
                        Ended
                    });
                }
                // Of the memory before.
                WorkerRequest::ReleaseSlot { .. } => {}
                WorkerRequest::SetControls(wanted) => self.want(&wanted),
                _ => return Err(Ended),
            }
        }
    }

    fn wait_for_leave(&self, source: &mut dyn Source, memory: &mut Option<WorkerMemory>) -> Result<(), Ended> {
        loop {
            match self.follow(&self.requests.recv().map_err(|_| Ended)?, memory)? {
                None => {}
                Some(Leave::ReadOn) => return Ok(()),
                Some(Leave::Restart) => match source.restart() {
                    Ok(()) => return self.tell(WorkerEvent::Restarted),
                    Err(fault) => self.tell(WorkerEvent::Failed(fault))?,
                },
            }
        }
    }

    fn follow(&self, request: &WorkerRequest, memory: &mut Option<WorkerMemory>) -> Result<Option<Leave>, Ended> {
        match request {
            WorkerRequest::ReleaseSlot { generation, slot } => {
                if let Some(memory) = memory {
                    memory.on_given_back(*generation, *slot);
                }
                Ok(None)
            }
            WorkerRequest::SetControls(wanted) => {
                self.want(wanted);
                Ok(None)
            }
            WorkerRequest::Continue => Ok(Some(Leave::ReadOn)),
            WorkerRequest::Restart => Ok(Some(Leave::Restart)),
            WorkerRequest::Open(_) | WorkerRequest::Memory { .. } | WorkerRequest::NoMemory | WorkerRequest::Stop => {
                Err(Ended)
            }
        }
    }

    fn want(&self, wanted: &[ControlSetting]) {
        let mut all = self.wanted.borrow_mut();
        for setting in wanted {
            add_setting(&mut all, *setting);
        }
    }
}

/// Has the picture decoded to where the program can see it, if the backend can do that and there is room.
fn decode_in_place(source: &mut dyn Source, memory: Option<&mut WorkerMemory>) -> Option<Result<FrameSlot, Fault>> {
    let (memory, size) = (memory?, source.got().size?);
    let slot = memory.fill(size.n_bytes(), |room| source.retrieve_into(size, room))?;
    let generation = memory.generation;
    Some(slot.map(|slot| FrameSlot { generation, slot, width: size.width, height: size.height, got: None }))
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
        isolation: Isolation::Off,
        network: opening.network,
        cancel,
        ..OpenRequest::new(spec, &Settings::default())
    };
    Ok((opening.backend, request))
}
