//! The worker's half: opens one source, reads it, puts its pictures into shared memory, and ends with the program.

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
use crate::control::{ControlNews, Setting, add_setting};
use crate::device;
use crate::fault::{Fault, FaultKind};
use crate::settings::{Isolation, Settings};
use crate::source::reader::{self, BeforeRead, Consumer, EndReading, ReadResult, Resume};
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
    let reports = Arc::new(Reports { epoch: Instant::now() });
    let (sender, orders) = bounded(64);
    let (wanted, cancel) = bounded(0);
    let hear = thread::Builder::new().name("orders".into()).spawn(move || hear_orders(&sender, wanted));
    let heart = Arc::clone(&reports);
    let beat = thread::Builder::new().name("heartbeat".into()).spawn(move || {
        while heart.send(Report::Beat) {
            thread::sleep(BEAT);
        }
    });
    if hear.is_err() || beat.is_err() {
        return ExitCode::FAILURE;
    }
    let mut worker = Worker { reports: &reports, orders, memory: None, wanted: Vec::new() };
    reports.send(Report::Hello { version: protocol::VERSION });
    let ended = panic::catch_unwind(AssertUnwindSafe(|| worker.run(&open, cancel)));
    if ended.is_err() {
        reports.send(Report::Failed(Fault::new(FaultKind::Crashed, "the backend crashed in the capture process")));
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

/// Where reports to the program are written.
struct Reports {
    /// The zero of this process's clock.
    epoch: Instant,
}

impl Reports {
    /// `false` when nobody reads them any more. Blocks while the pipe is full.
    fn send(&self, report: Report) -> bool {
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

/// Reads the source on the main thread, as the program orders.
struct Worker<'a> {
    reports: &'a Reports,
    orders: Receiver<Order>,
    memory: Option<WorkerMemory>,
    /// Controls to be set before the next frame is waited for.
    wanted: Vec<Setting>,
}

impl Worker<'_> {
    fn run(&mut self, open: Open, cancel: Receiver<()>) {
        let Ok(Order::Open(opening)) = self.orders.recv() else { return };
        match request(*opening, cancel).and_then(|(backend, request)| open(backend, &request)) {
            Ok(mut source) => {
                if self.reports.send(Report::Opened { got: source.got() }) {
                    // The program throws warm-up frames away itself.
                    let EndReading = reader::read(&mut *source, 0, self);
                }
            }
            Err(fault) => drop(self.reports.send(Report::Failed(fault))),
        }
    }

    fn tell(&self, report: Report) -> Result<(), EndReading> {
        if self.reports.send(report) { Ok(()) } else { Err(EndReading) }
    }

    fn next_order(&self) -> Result<Order, EndReading> {
        self.orders.recv().map_err(|_| EndReading)
    }

    /// Copies a picture to where the program can see it, once there is room.
    fn place(&mut self, picture: &Picture) -> Result<Place, EndReading> {
        let pixels = picture.pixels();
        if !self.memory.as_ref().is_some_and(|memory| memory.fits(pixels.len())) {
            self.tell(Report::NeedMemory { n_bytes: pixels.len() as u64 })?;
            self.memory = Some(self.wait_for_memory()?);
        }
        loop {
            let Some(memory) = self.memory.as_mut() else { return Err(EndReading) };
            if let Some(slot) = memory.put(pixels) {
                let size = picture.size();
                let generation = memory.generation;
                return Ok(Place { generation, slot, width: size.width, height: size.height, got: None });
            }
            let order = self.next_order()?;
            self.follow(order)?;
        }
    }

    fn wait_for_memory(&mut self) -> Result<WorkerMemory, EndReading> {
        loop {
            match self.next_order()? {
                Order::Memory { generation, file, n_slots, slot_bytes } => {
                    return WorkerMemory::open(generation, &file, n_slots, slot_bytes).map_err(|error| {
                        let message = format!("the shared memory cannot be opened: {error}");
                        self.reports.send(Report::Failed(Fault::new(FaultKind::NoResources, message)));
                        EndReading
                    });
                }
                // Of the memory before.
                Order::GiveBack { .. } => {}
                Order::SetControls(wanted) => self.want(&wanted),
                _ => return Err(EndReading),
            }
        }
    }

    /// How reading shall go on, where the order says so.
    fn follow(&mut self, order: Order) -> Result<Option<Resume>, EndReading> {
        match order {
            Order::GiveBack { generation, slot } => {
                if let Some(memory) = &mut self.memory {
                    memory.on_given_back(generation, slot);
                }
                Ok(None)
            }
            Order::SetControls(wanted) => {
                self.want(&wanted);
                Ok(None)
            }
            Order::ReadOn => Ok(Some(Resume::ReadOn)),
            Order::Restart => Ok(Some(Resume::Restart)),
            Order::Open(_) | Order::Memory { .. } | Order::NoMemory | Order::Stop => Err(EndReading),
        }
    }

    fn want(&mut self, wanted: &[Setting]) {
        for setting in wanted {
            add_setting(&mut self.wanted, *setting);
        }
    }

    fn stamp(&self, grabbed: Grabbed) -> Stamp {
        Stamp { taken_at_us: self.reports.clock(grabbed.taken_at), sequence: grabbed.sequence }
    }
}

impl Consumer for Worker<'_> {
    type Picture = Place;

    fn before_read(&mut self) -> Result<BeforeRead, EndReading> {
        while let Ok(order) = self.orders.try_recv() {
            self.follow(order)?;
        }
        Ok(BeforeRead { controls: std::mem::take(&mut self.wanted), restart: false })
    }

    fn decode(&mut self, source: &mut dyn Source) -> Result<Result<Place, Fault>, EndReading> {
        if let Some(placed) = decode_in_place(source, self.memory.as_mut()) {
            return Ok(placed);
        }
        match source.retrieve() {
            Ok(picture) => self.place(&picture).map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    }

    fn on_warmed_up(&mut self) -> Result<(), EndReading> {
        Ok(())
    }

    fn on_read(&mut self, read: ReadResult<Place>) -> Result<(), EndReading> {
        self.tell(match (read.picture, read.grabbed) {
            (Ok(place), Some(grabbed)) => {
                Report::Frame { stamp: self.stamp(grabbed), place: Place { got: read.changed, ..place } }
            }
            (Ok(_), None) => return Ok(()),
            (Err(fault), Some(grabbed)) => Report::Damaged { stamp: self.stamp(grabbed), fault },
            (Err(fault), None) => Report::Failed(fault),
        })
    }

    fn on_controls(&mut self, news: ControlNews) -> Result<(), EndReading> {
        self.tell(Report::Controls(news))
    }

    fn after_fault(&mut self) -> Result<Resume, EndReading> {
        loop {
            let order = self.next_order()?;
            if let Some(resume) = self.follow(order)? {
                return Ok(resume);
            }
        }
    }

    fn on_restarted(&mut self, result: Result<(), Fault>) -> Result<(), EndReading> {
        self.tell(match result {
            Ok(()) => Report::Restarted,
            Err(fault) => Report::Failed(fault),
        })
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
        ..OpenRequest::new(spec, &Settings::default())
    };
    Ok((opening.backend, request))
}
