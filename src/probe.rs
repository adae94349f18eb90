//! Reads one source without the engine: nothing is recovered, so that each fault is seen as it comes.
//!
//! For tests and check-ups. One thread opens the source, reads it and closes it, and does nothing else; whoever has the
//! [`Probe`] waits for what it tells, with the deadlines of opening, first frame and stall, so that a call that never returns
//! is one more thing to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::backend::Backend;
use crate::control::{ControlSetting, ControlsUpdate};
use crate::fault::{Fault, FaultKind};
use crate::frame::Image;
use crate::network::PacketEvidence;
use crate::source::reader::{
    self, BeforeRead, CLOSE_DEADLINE, Consumer, EndReading, ReadResult, Resume, stall_deadline,
};
use crate::source::{Demand, Grabbed, OpenRequest, Picture, Source};
use crate::status::Got;

pub mod measure;

/// Sources that see to their deadlines themselves, isolated ones among them, shall do so first.
const GRACE: Duration = Duration::from_millis(1_500);
/// And so many times their time where they are isolated: they wait for a process that is given no processor.
const ISOLATED_FACTOR: u32 = 3;
/// What comes of reading.
#[derive(Debug)]
pub enum ProbeEvent {
    Opened {
        got: Got,
        backend: Backend,
        /// The device itself, as far as that is known apart from all else.
        took: Duration,
    },
    /// A frame, or why there is none; with a fault that ends the stream, [`ProbeEvent::Ended`] follows.
    Frame(Box<ReadResult<Image>>),
    /// Thrown away undecoded, while exposure settles.
    WarmedUp,
    /// What the device tells of its controls.
    Controls(ControlsUpdate),
    /// What the packets of a network camera have shown so far.
    Evidence(PacketEvidence),
    /// Nothing more will come: it cannot be opened, has broken off, or a call does not come back.
    Ended(Fault),
}

/// A source being read. Dropping it has the source closed, without waiting for that: see [`Probe::close`].
pub struct Probe {
    request: OpenRequest,
    events: Receiver<ProbeEvent>,
    wanted: Sender<BeforeRead>,
    stop: Arc<AtomicBool>,
    /// Dropped to end the waiting of a source that can be told.
    alive: Option<Sender<()>>,
    began: Instant,
    opened_at: Option<Instant>,
    /// What the device agreed to last.
    fps: Option<f64>,
    has_seen_frame: bool,
    has_ended: bool,
    deadline: Instant,
}

impl Probe {
    /// Starts to open the source, on a thread of its own. The request's `cancel` is not looked at: dropping the probe ends
    /// the waiting of its source.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(request: OpenRequest, n_warm_up: u32) -> Result<Self, String> {
        // There is no second try here: it gets the time of one.
        let request = request.for_attempt(1);
        let (sender, events) = bounded(2);
        let (wanted, orders) = bounded(4);
        let (alive, cancel) = bounded(0);
        let stop = Arc::new(AtomicBool::new(false));
        let opening = OpenRequest { cancel, ..request.clone() };
        let thread = ProbeThread { stop: Arc::clone(&stop), wanted: orders, events: sender, end: None };
        thread::Builder::new()
            .name("capture-test".to_owned())
            .spawn(move || thread.run(&opening, n_warm_up))
            .map_err(|error| format!("The system gives no thread: {error}"))?;
        let began = Instant::now();
        let deadline = began + request.patience() + GRACE;
        Ok(Self {
            fps: request.asked.fps,
            request,
            events,
            wanted,
            stop,
            alive: Some(alive),
            began,
            opened_at: None,
            has_seen_frame: false,
            has_ended: false,
            deadline,
        })
    }

    #[must_use]
    pub fn request(&self) -> &OpenRequest {
        &self.request
    }

    /// What comes next, if it comes until then. `None` after [`ProbeEvent::Ended`] as well.
    pub fn next(&mut self, until: Instant) -> Option<ProbeEvent> {
        while !self.has_ended {
            match self.events.recv_deadline(self.deadline.min(until)) {
                Ok(event) => {
                    let event = self.take(event, Instant::now());
                    self.deadline = Instant::now() + self.longest_silence();
                    if event.is_some() {
                        return event;
                    }
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < self.deadline => return None,
                Err(RecvTimeoutError::Timeout) => return Some(self.end(self.silence(Instant::now()))),
                // It sends why before it ends; without a word it has crashed.
                Err(RecvTimeoutError::Disconnected) => {
                    let message = format!("the backend crashed while reading {}", self.request.spec);
                    return Some(self.end(Fault::new(FaultKind::Crashed, message)));
                }
            }
        }
        None
    }

    fn end(&mut self, fault: Fault) -> ProbeEvent {
        self.has_ended = true;
        ProbeEvent::Ended(fault)
    }

    fn take(&mut self, event: ProbeEvent, now: Instant) -> Option<ProbeEvent> {
        match &event {
            ProbeEvent::Opened { got, .. } => {
                self.opened_at = Some(now);
                self.fps = got.fps.or(self.fps);
            }
            ProbeEvent::WarmedUp => self.has_seen_frame = true,
            ProbeEvent::Ended(_) => self.has_ended = true,
            ProbeEvent::Controls(_) | ProbeEvent::Evidence(_) | ProbeEvent::Frame(_) => {}
        }
        let ProbeEvent::Frame(mut read) = event else { return Some(event) };
        if let Some(changed) = &read.changed {
            self.fps = changed.fps.or(self.fps);
        }
        self.has_seen_frame |= read.grabbed.is_some();
        if let Err(fault) = &read.picture
            && !self.has_seen_frame
            && !fault.ends_stream()
        {
            // A camera may take longer for its first frame than for any other.
            if read.ended_at < self.opened_at.unwrap_or(self.began) + self.request.first_frame_deadline {
                return None;
            }
            let waited = self.request.first_frame_deadline.as_secs_f64();
            let message = format!("no first frame within {waited:.1} s: {}", self.request.spec);
            read.picture = Err(Fault::new(FaultKind::NoFirstFrame, message));
        }
        Some(ProbeEvent::Frame(read))
    }

    /// How long the next frame is waited for.
    #[must_use]
    pub fn frame_patience(&self) -> Duration {
        let patience = stall_deadline(self.request.frame_deadline, self.fps);
        if self.has_seen_frame { patience + GRACE } else { patience.max(self.request.first_frame_deadline) + GRACE }
    }

    /// How long it is until a source that has said nothing is given up.
    fn longest_silence(&self) -> Duration {
        let is_isolated = self.request.backend().is_ok_and(|backend| self.request.is_isolated(backend));
        if is_isolated { ISOLATED_FACTOR * self.frame_patience() } else { self.frame_patience() }
    }

    /// A call has not come back, be it that of opening.
    fn silence(&self, now: Instant) -> Fault {
        let spec = &self.request.spec;
        if self.opened_at.is_none() {
            let waited = now.saturating_duration_since(self.began).as_secs_f64();
            let message = format!("the driver's call to open {spec} has not come back for {waited:.1} s");
            return Fault::new(FaultKind::OpenTimeout, message);
        }
        let waited = self.longest_silence().as_secs_f64();
        let message = format!("no frame for {waited:.1} s, and the driver's call has not come back: {spec}");
        Fault::new(FaultKind::Hung, message)
    }

    /// Has controls set before the next frame. What came of it is told by [`ProbeEvent::Controls`].
    pub fn set_controls(&self, wanted: Vec<ControlSetting>) {
        let _ = self.wanted.try_send(BeforeRead { controls: wanted, ..BeforeRead::default() });
    }

    /// Has the stream stopped and started before the next frame.
    pub fn restart(&self) {
        let _ = self.wanted.try_send(BeforeRead { restart: true, ..BeforeRead::default() });
    }

    /// Has the source closed, and waits for that within reason: whether it has been.
    #[must_use = "it may not have been closed"]
    pub fn close(mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        self.alive = None;
        let deadline = Instant::now() + CLOSE_DEADLINE;
        // The thread has ended when nobody is left to send.
        while self.events.recv_deadline(deadline).is_ok() {}
        matches!(self.events.try_recv(), Err(TryRecvError::Disconnected))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The reading thread.
struct ProbeThread {
    stop: Arc<AtomicBool>,
    wanted: Receiver<BeforeRead>,
    events: Sender<ProbeEvent>,
    /// The fault of the last read, where it ends the stream.
    end: Option<Fault>,
}

impl ProbeThread {
    fn run(mut self, request: &OpenRequest, n_warm_up: u32) {
        // Nobody may listen any more.
        let began = Instant::now();
        let _ = match request.open() {
            Ok((backend, mut source)) => {
                let took = source.took_to_open().unwrap_or_else(|| began.elapsed());
                let opened = self.tell(ProbeEvent::Opened { got: source.got(), backend, took });
                opened.and_then(|()| Err(reader::read(&mut *source, Demand::Full, n_warm_up, &mut self)))
            }
            Err(fault) => self.tell(ProbeEvent::Ended(fault)),
        };
    }

    fn tell(&self, event: ProbeEvent) -> Result<(), EndReading> {
        self.events.send(event).map_err(|_| EndReading)
    }
}

impl Consumer for ProbeThread {
    type Picture = Image;

    fn before_read(&mut self) -> Result<BeforeRead, EndReading> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(EndReading);
        }
        let mut before = BeforeRead::default();
        for wanted in self.wanted.try_iter() {
            before.controls.extend(wanted.controls);
            before.restart |= wanted.restart;
        }
        Ok(before)
    }

    fn decode(&mut self, source: &mut dyn Source, _: Demand) -> Result<Result<Image, Fault>, EndReading> {
        Ok(source.retrieve().and_then(Picture::into_image))
    }

    /// All of them are wanted.
    fn on_left_out(&mut self, _: Grabbed) -> Result<(), EndReading> {
        Ok(())
    }

    fn on_warmed_up(&mut self) -> Result<(), EndReading> {
        self.tell(ProbeEvent::WarmedUp)
    }

    fn on_read(&mut self, read: ReadResult<Image>) -> Result<(), EndReading> {
        self.end = read.picture.as_ref().err().filter(|fault| fault.ends_stream()).cloned();
        self.tell(ProbeEvent::Frame(Box::new(read)))
    }

    fn on_controls(&mut self, news: ControlsUpdate) -> Result<(), EndReading> {
        self.tell(ProbeEvent::Controls(news))
    }

    fn on_evidence(&mut self, evidence: PacketEvidence) -> Result<(), EndReading> {
        self.tell(ProbeEvent::Evidence(evidence))
    }

    fn after_fault(&mut self) -> Result<Resume, EndReading> {
        match self.end.take() {
            Some(end) => self.tell(ProbeEvent::Ended(end)).and(Err(EndReading)),
            None => Ok(Resume::ReadOn),
        }
    }

    fn on_restarted(&mut self, result: Result<(), Fault>) -> Result<(), EndReading> {
        let Err(fault) = result else { return Ok(()) };
        let now = Instant::now();
        self.end = Some(fault.clone()).filter(Fault::ends_stream);
        let read = ReadResult {
            asked_at: now,
            grabbed_at: now,
            ended_at: now,
            grabbed: None,
            picture: Err(fault),
            changed: None,
        };
        self.tell(ProbeEvent::Frame(Box::new(read)))
    }
}
