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
use super::process::BEAT;
use super::protocol::{self, Line, Opening, Order, Place, Report, Sent, Stamp};
use crate::backend::Backend;
use crate::control::{Setting, add_setting};
use crate::device;
use crate::fault::{Fault, FaultKind};
use crate::settings::{CameraSettings, Isolation, TrustedCertificates};
use crate::source::{Grabbed, OpenRequest, Picture, Source, SourceSpec};

/// How long the driver may take to close when the program asks for the end. Then this process ends as it stands.
const CLOSE: Duration = Duration::from_millis(150);

type Open<'a> = &'a dyn Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>;

pub fn serve(open: impl Fn(Backend, &OpenRequest) -> Result<Box<dyn Source>, Fault>) -> ExitCode {
    device::die_with_parent();
    if io::stdin().is_terminal() {
        let _ = writeln!(
            io::stderr(),
            "This is the capture process of Camclinic, which starts it by itself: start camclinic."
        );
        return ExitCode::from(3);
    }
    let voice = Arc::new(Voice { epoch: Instant::now() });
    let (sender, orders) = bounded(64);
    let (wanted, cancel) = bounded(0);
    let hear = thread::Builder::new().name("orders".into()).spawn(move || hear_orders(&sender, wanted));
    let beating = Arc::clone(&voice);
    let beat = thread::Builder::new().name("heartbeat".into()).spawn(move || {
        while beating.tell(Report::Beat) {
            thread::sleep(BEAT);
        }
    });
    if hear.is_err() || beat.is_err() {
        return ExitCode::FAILURE;
    }
    let job = Job { voice: &voice, orders, cancel, wanted: RefCell::default() };
    job.voice.tell(Report::Hello { version: protocol::VERSION });
    let ended = panic::catch_unwind(AssertUnwindSafe(|| job.run(&open)));
    if ended.is_err() {
        voice.tell(Report::Failed(Fault::new(FaultKind::Crashed, "the backend crashed in the capture process")));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Passes orders on until the program has ended, and this process with it. `wanted` is dropped when nothing more is, so
/// that a source that is waiting can say good-bye to its camera.
fn hear_orders(sender: &Sender<Order>, wanted: Sender<()>) {
    let mut wanted = Some(wanted);
    let mut input = BufReader::new(io::stdin());
    let mut line = Vec::new();
    loop {
        let order = match protocol::read(&mut input, &mut line) {
            Line::Message(order) => order,
            Line::Foreign(_) => continue,
            // The program is gone, and nobody waits for a driver's call to come back.
            Line::End { .. } | Line::Garbage(_) => device::end_now(),
        };
        if matches!(order, Order::Stop) {
            wanted = None;
        }
        if sender.send(order).is_err() || wanted.is_none() {
            thread::sleep(CLOSE);
            device::end_now();
        }
    }
}

/// What the program hears.
struct Voice {
    epoch: Instant,
}

impl Voice {
    /// `false` when nobody hears it any more. Blocks while the pipe is full.
    fn tell(&self, report: Report) -> bool {
        let now = self.clock(Instant::now());
        let Ok(line) = protocol::encode(&Sent(now, report)) else { return false };
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
    orders: Receiver<Order>,
    /// Disconnected when the source is to be closed.
    cancel: Receiver<()>,
    /// Controls to be set before the next frame is waited for.
    wanted: RefCell<Vec<Setting>>,
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
        let Ok(Order::Open(opening)) = self.orders.recv() else { return Err(Ended) };
        let opened = request(*opening, self.cancel.clone()).and_then(|(backend, request)| open(backend, &request));
        let mut source = match opened {
            Ok(source) => source,
            Err(fault) => {
                self.voice.tell(Report::Failed(fault));
                return Err(Ended);
            }
        };
        let mut got = source.got();
        self.tell(Report::Opened { got: got.clone() })?;
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
                    self.tell(Report::Failed(fault))?;
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
                    self.tell(Report::Frame { stamp, place })?;
                    if let Some(news) = source.controls() {
                        self.tell(Report::Controls(news))?;
                    }
                }
                Err(fault) => {
                    self.tell(Report::Damaged { stamp, fault })?;
                    self.wait_for_leave(&mut *source, &mut memory)?;
                }
            }
        }
    }

    fn tell(&self, report: Report) -> Result<(), Ended> {
        if self.voice.tell(report) { Ok(()) } else { Err(Ended) }
    }

    fn stamp(&self, grabbed: Grabbed) -> Stamp {
        Stamp { taken_at_us: self.voice.clock(grabbed.taken_at), sequence: grabbed.sequence }
    }

    /// Slots that the program has done with.
    fn take_back(&self, memory: &mut Option<WorkerMemory>) -> Result<(), Ended> {
        for order in self.orders.try_iter() {
            self.follow(&order, memory)?;
        }
        Ok(())
    }

    /// Copies a picture to where the program can see it, once there is room.
    fn place(&self, picture: &Picture, memory: &mut Option<WorkerMemory>) -> Result<Place, Ended> {
        let pixels = picture.pixels();
        if !memory.as_ref().is_some_and(|memory| memory.fits(pixels.len())) {
            self.tell(Report::NeedMemory { n_bytes: pixels.len() as u64 })?;
            *memory = Some(self.wait_for_memory()?);
        }
        loop {
            let Some(room) = memory.as_mut() else { return Err(Ended) };
            if let Some(slot) = room.put(pixels) {
                let size = picture.size();
                let generation = room.generation;
                return Ok(Place { generation, slot, width: size.width, height: size.height, got: None });
            }
            self.follow(&self.orders.recv().map_err(|_| Ended)?, memory)?;
        }
    }

    fn wait_for_memory(&self) -> Result<WorkerMemory, Ended> {
        loop {
            match self.orders.recv().map_err(|_| Ended)? {
                Order::Memory { generation, file, n_slots, slot_bytes } => {
                    return WorkerMemory::open(generation, &file, n_slots, slot_bytes).map_err(|error| {
                        let message = format!("the shared memory cannot be opened: {error}");
                        self.voice.tell(Report::Failed(Fault::new(FaultKind::NoResources, message)));
                        Ended
                    });
                }
                // Of the memory before.
                Order::GiveBack { .. } => {}
                Order::SetControls(wanted) => self.want(&wanted),
                _ => return Err(Ended),
            }
        }
    }

    fn wait_for_leave(&self, source: &mut dyn Source, memory: &mut Option<WorkerMemory>) -> Result<(), Ended> {
        loop {
            match self.follow(&self.orders.recv().map_err(|_| Ended)?, memory)? {
                None => {}
                Some(Leave::ReadOn) => return Ok(()),
                Some(Leave::Restart) => match source.restart() {
                    Ok(()) => return self.tell(Report::Restarted),
                    Err(fault) => self.tell(Report::Failed(fault))?,
                },
            }
        }
    }

    fn follow(&self, order: &Order, memory: &mut Option<WorkerMemory>) -> Result<Option<Leave>, Ended> {
        match order {
            Order::GiveBack { generation, slot } => {
                if let Some(memory) = memory {
                    memory.on_given_back(*generation, *slot);
                }
                Ok(None)
            }
            Order::SetControls(wanted) => {
                self.want(wanted);
                Ok(None)
            }
            Order::ReadOn => Ok(Some(Leave::ReadOn)),
            Order::Restart => Ok(Some(Leave::Restart)),
            Order::Open(_) | Order::Memory { .. } | Order::NoMemory | Order::Stop => Err(Ended),
        }
    }

    fn want(&self, wanted: &[Setting]) {
        let mut all = self.wanted.borrow_mut();
        for setting in wanted {
            add_setting(&mut all, *setting);
        }
    }
}

/// Has the picture decoded to where the program can see it, if the backend can do that and there is room.
fn decode_in_place(source: &mut dyn Source, memory: Option<&mut WorkerMemory>) -> Option<Result<Place, Fault>> {
    let (memory, size) = (memory?, source.got().size?);
    let slot = memory.fill(size.n_bytes(), |room| source.retrieve_into(size, room))?;
    let generation = memory.generation;
    Some(slot.map(|slot| Place { generation, slot, width: size.width, height: size.height, got: None }))
}

fn request(opening: Opening, cancel: Receiver<()>) -> Result<(Backend, OpenRequest), Fault> {
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
        ..OpenRequest::new(spec, &CameraSettings::default(), &TrustedCertificates::default())
    };
    Ok((opening.backend, request))
}
