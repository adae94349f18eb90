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
use crate::settings::secs;
use crate::source::{Grabbed, OpenRequest, Picture, Source};
use crate::status::Got;

pub mod measure;

/// Sources that see to their deadlines themselves, isolated ones among them, shall do so first.
const GRACE: Duration = Duration::from_millis(1_500);
/// As long as the last try of the engine: Media Foundation opens in 4 to 20 s on many machines.
const MSMF_OPEN_FACTOR: f64 = 5.0;
/// A stall is at least this many frame periods.
const STALL_PERIODS: f64 = 5.0;
/// Warm-up ends after this time, whatever the number of frames.
const LONGEST_WARM_UP: Duration = Duration::from_secs(1);
/// How long an open device may take to close. Then it is left to the end of the program.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// What comes of reading.
#[derive(Debug)]
pub enum News {
    Opened {
        got: Got,
        backend: Backend,
    },
    /// A frame, or why there is none; with a fault that ends the stream, [`News::Ended`] follows.
    Frame(Box<Taken>),
    /// Thrown away undecoded, while exposure settles.
    WarmedUp,
    /// What the device tells of its controls.
    Controls(ControlsUpdate),
    /// Nothing more will come: it cannot be opened, has broken off, or a call does not come back.
    Ended(Fault),
}

/// One call for a frame, as it ended.
#[derive(Debug)]
pub struct Taken {
    pub asked_at: Instant,
    /// Before it was decoded.
    pub grabbed_at: Instant,
    /// With the picture decoded.
    pub ended_at: Instant,
    pub grabbed: Option<Grabbed>,
    pub image: Result<Image, Fault>,
    /// Where the device has come to deliver something else.
    pub changed: Option<Got>,
}

/// What the reading thread can be told to do between two frames.
enum Order {
    Set(Vec<ControlSetting>),
    Restart,
}

/// A source being read. Dropping it has the source closed, without waiting for that: see [`Probe::close`].
pub struct Probe {
    request: OpenRequest,
    news: Receiver<News>,
    orders: Sender<Order>,
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
    pub fn start(mut request: OpenRequest, n_warm_up: u32) -> Result<Self, String> {
        if matches!(request.backend(), Ok(Backend::Msmf)) {
            request.open_deadline = request.open_deadline.mul_f64(MSMF_OPEN_FACTOR);
        }
        let (sender, news) = bounded(2);
        let (orders, wanted) = bounded(4);
        let (alive, cancel) = bounded(0);
        let stop = Arc::new(AtomicBool::new(false));
        let opening = OpenRequest { cancel, ..request.clone() };
        let stopped = Arc::clone(&stop);
        thread::Builder::new()
            .name("capture-test".to_owned())
            .spawn(move || read(&opening, n_warm_up, &stopped, &wanted, &sender))
            .map_err(|error| format!("The system gives no thread: {error}"))?;
        let began = Instant::now();
        let deadline = began + request.patience() + GRACE;
        Ok(Self {
            fps: request.asked.fps,
            request,
            news,
            orders,
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

    /// Whether it is read in this process, so that what nobody asks for in time is lost.
    #[must_use]
    pub fn is_read_here(&self, backend: Backend) -> bool {
        !self.request.is_isolated(backend)
    }

    /// What comes next, if it comes until then. `None` after [`News::Ended`] as well.
    pub fn next(&mut self, until: Instant) -> Option<News> {
        while !self.has_ended {
            match self.news.recv_deadline(self.deadline.min(until)) {
                Ok(news) => {
                    let news = self.take(news, Instant::now());
                    self.deadline = Instant::now() + self.frame_patience();
                    if let Some(news) = news {
                        return Some(news);
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

    fn end(&mut self, fault: Fault) -> News {
        self.has_ended = true;
        News::Ended(fault)
    }

    fn take(&mut self, news: News, now: Instant) -> Option<News> {
        match &news {
            News::Opened { got, .. } => {
                self.opened_at = Some(now);
                self.fps = got.fps.or(self.fps);
            }
            News::WarmedUp => self.has_seen_frame = true,
            News::Ended(_) => self.has_ended = true,
            News::Controls(_) | News::Frame(_) => {}
        }
        let News::Frame(mut taken) = news else { return Some(news) };
        if let Some(changed) = &taken.changed {
            self.fps = changed.fps.or(self.fps);
        }
        self.has_seen_frame |= taken.grabbed.is_some();
        if let Err(fault) = &taken.image
            && !self.has_seen_frame
            && !fault.ends_stream()
        {
            // A camera may take longer for its first frame than for any other.
            if taken.ended_at < self.opened_at.unwrap_or(self.began) + self.request.first_frame_deadline {
                return None;
            }
            let waited = self.request.first_frame_deadline.as_secs_f64();
            let message = format!("no first frame within {waited:.1} s: {}", self.request.spec);
            taken.image = Err(Fault::new(FaultKind::NoFirstFrame, message));
        }
        Some(News::Frame(taken))
    }

    /// How long the next frame is waited for.
    #[must_use]
    pub fn frame_patience(&self) -> Duration {
        let fps = self.fps.filter(|fps| *fps > 0.0);
        let periods = secs(fps.map_or(0.0, |fps| STALL_PERIODS / fps));
        let patience = self.request.frame_deadline.max(periods);
        if self.has_seen_frame { patience + GRACE } else { patience.max(self.request.first_frame_deadline) + GRACE }
    }

    /// A call has not come back, be it that of opening.
    fn silence(&self, now: Instant) -> Fault {
        let spec = &self.request.spec;
        if self.opened_at.is_none() {
            let waited = now.saturating_duration_since(self.began).as_secs_f64();
            let message = format!("the driver's call to open {spec} has not come back for {waited:.1} s");
            return Fault::new(FaultKind::OpenTimeout, message);
        }
        let waited = self.frame_patience().as_secs_f64();
        let message = format!("no frame for {waited:.1} s, and the driver's call has not come back: {spec}");
        Fault::new(FaultKind::Hung, message)
    }

    /// Has controls set before the next frame. What came of it is told by [`News::Controls`].
    pub fn set_controls(&self, wanted: Vec<ControlSetting>) {
        let _ = self.orders.try_send(Order::Set(wanted));
    }

    /// Has the stream stopped and started before the next frame.
    pub fn restart(&self) {
        let _ = self.orders.try_send(Order::Restart);
    }

    /// Has the source closed, and waits for that within reason: whether it has been.
    #[must_use = "it may not have been closed"]
    pub fn close(mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        self.alive = None;
        let deadline = Instant::now() + CLOSE_DEADLINE;
        // The thread has ended when nobody is left to send.
        while self.news.recv_deadline(deadline).is_ok() {}
        matches!(self.news.try_recv(), Err(TryRecvError::Disconnected))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Reads until it is told to stop, or the stream has ended.
fn read(request: &OpenRequest, mut n_warm_up: u32, stop: &AtomicBool, orders: &Receiver<Order>, news: &Sender<News>) {
    let (backend, mut source) = match request.open() {
        Ok(opened) => opened,
        Err(fault) => {
            let _ = news.send(News::Ended(fault));
            return;
        }
    };
    let mut got = source.got();
    if news.send(News::Opened { got: got.clone(), backend }).is_err() {
        return;
    }
    let mut first_at = None;
    while !stop.load(Ordering::Relaxed) {
        let asked_at = Instant::now();
        let grab = obey(&mut *source, orders).and_then(|()| source.grab());
        let grabbed_at = Instant::now();
        let (grabbed, image) = match grab {
            Ok(grabbed) => {
                let first_at = *first_at.get_or_insert(grabbed.taken_at);
                if n_warm_up > 0 && grabbed.taken_at.saturating_duration_since(first_at) < LONGEST_WARM_UP {
                    n_warm_up -= 1;
                    if news.send(News::WarmedUp).is_err() {
                        return;
                    }
                    continue;
                }
                (Some(grabbed), source.retrieve().and_then(Picture::into_image))
            }
            Err(fault) => (None, Err(fault)),
        };
        let ended_at = Instant::now();
        let changed = Some(source.got()).filter(|now_got| *now_got != got);
        if let Some(changed) = &changed {
            got = changed.clone();
        }
        let end = image.as_ref().err().filter(|fault| fault.ends_stream()).cloned();
        if news.send(News::Frame(Box::new(Taken { asked_at, grabbed_at, ended_at, grabbed, image, changed }))).is_err()
        {
            return;
        }
        if let Some(end) = end {
            let _ = news.send(News::Ended(end));
            return;
        }
        while let Some(told) = source.controls() {
            if news.send(News::Controls(told)).is_err() {
                return;
            }
        }
    }
}

/// Does what was ordered since the frame before.
fn obey(source: &mut dyn Source, orders: &Receiver<Order>) -> Result<(), Fault> {
    while let Ok(order) = orders.try_recv() {
        match order {
            Order::Set(wanted) => source.set_controls(&wanted),
            Order::Restart => source.restart()?,
        }
    }
    Ok(())
}
