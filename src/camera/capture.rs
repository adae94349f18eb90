//! The capture thread: opens a source, reads it, and closes it. It decides nothing.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::backend::Backend;
use crate::control::{ControlSetting, ControlsUpdate, add_setting};
use crate::fault::{Fault, FaultKind};
use crate::frame::Image;
use crate::source::{Grabbed, OpenRequest, Picture};
use crate::status::Got;

/// Warm-up ends after this time, whatever the number of frames: a slow camera must not stay dark.
const LONGEST_WARM_UP: Duration = Duration::from_secs(1);

/// Changes of controls that wait for the next frame. A hand on a slider makes sixty a second.
const MAX_UNSET: usize = 128;

/// What a capture thread has to say, with the number of the opening that it belongs to.
pub(super) struct Report {
    pub(super) opening: u64,
    pub(super) news: News,
}

pub(super) enum News {
    /// Opening begins; this is the device's name for people, and its identity if the system lists it.
    Named(String, Option<String>),
    /// The device delivers something else than it said when it was opened.
    Changed(Got),
    Opened {
        got: Got,
        backend: Backend,
    },
    Frame {
        image: Image,
        grabbed: Grabbed,
        wall: SystemTime,
    },
    Controls(ControlsUpdate),
    /// Grabbed and thrown away undecoded.
    WarmedUp,
    /// The thread waits for leave to go on.
    Failed(Fault),
    /// The stream was stopped and started, or could not be: then the thread waits for leave.
    Restarted(Result<(), Fault>),
    /// The device is closed and the thread is ending.
    Closed,
}

/// The supervisor's end of a capture thread.
pub(super) struct Capture {
    pub(super) opening: u64,
    stop: Arc<AtomicBool>,
    go_on: Sender<Leave>,
    controls: Sender<Vec<ControlSetting>>,
    /// Dropped to end the waiting of a source that can be told.
    alive: Option<Sender<()>>,
}

/// What a capture thread does after a failure.
#[derive(Clone, Copy)]
enum Leave {
    ReadOn,
    Restart,
}

impl Capture {
    pub(super) fn start(
        opening: u64,
        request: OpenRequest,
        n_warm_up: u32,
        reports: Sender<Report>,
    ) -> io::Result<Self> {
        let (alive, cancel) = bounded(0);
        let request = OpenRequest { cancel, ..request };
        let stop = Arc::new(AtomicBool::new(false));
        let (go_on, leave) = bounded(1);
        let (controls, wanted) = bounded(MAX_UNSET);
        let worker = Worker { opening, stop: Arc::clone(&stop), leave, wanted, reports };
        thread::Builder::new().name(format!("capture-{opening}")).spawn(move || worker.run(&request, n_warm_up))?;
        Ok(Self { opening, stop, go_on, controls, alive: Some(alive) })
    }

    pub(super) fn go_on(&self) {
        let _ = self.go_on.try_send(Leave::ReadOn);
    }

    /// Has the stream stopped and started. Only for a thread that waits for leave.
    pub(super) fn restart(&self) {
        let _ = self.go_on.try_send(Leave::Restart);
    }

    /// Has controls set before the next frame is waited for. `false` when too many wait already, as behind a call that does
    /// not come back.
    pub(super) fn set_controls(&self, settings: Vec<ControlSetting>) -> bool {
        self.controls.try_send(settings).is_ok()
    }

    /// Asks the thread to close the device. It says `Closed` when it has.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.alive = None;
        self.go_on();
    }
}

/// The capture thread's own end.
struct Worker {
    opening: u64,
    stop: Arc<AtomicBool>,
    leave: Receiver<Leave>,
    wanted: Receiver<Vec<ControlSetting>>,
    reports: Sender<Report>,
}

impl Worker {
    fn run(self, request: &OpenRequest, n_warm_up: u32) {
        // A panic in a backend or in the library below it ends this opening, not the program.
        if panic::catch_unwind(AssertUnwindSafe(|| self.read(request, n_warm_up))).is_err() {
            self.tell(News::Failed(Fault::new(
                FaultKind::Crashed,
                format!("the backend crashed while reading {}", request.spec),
            )));
        }
        self.tell(News::Closed);
    }

    fn read(&self, request: &OpenRequest, mut n_warm_up: u32) {
        let named = match request.spec.device() {
            Some(device) => News::Named(device.name, Some(device.identity)),
            None => News::Named(request.spec.name(), None),
        };
        if !self.tell(named) {
            return;
        }
        let (backend, mut source) = match request.open() {
            Ok(opened) => opened,
            Err(fault) => {
                self.tell(News::Failed(fault));
                return;
            }
        };
        let mut got = source.got();
        if !self.tell(News::Opened { got: got.clone(), backend }) {
            return;
        }
        let mut first_frame_at = None;
        while !self.stop.load(Ordering::Relaxed) {
            let mut wanted = Vec::new();
            self.wanted.try_iter().flatten().for_each(|setting| add_setting(&mut wanted, setting));
            if !wanted.is_empty() {
                source.set_controls(&wanted);
            }
            let news = match source.grab() {
                Ok(grabbed) => {
                    let since_first =
                        grabbed.taken_at.saturating_duration_since(*first_frame_at.get_or_insert(grabbed.taken_at));
                    if n_warm_up > 0 && since_first < LONGEST_WARM_UP {
                        n_warm_up -= 1;
                        News::WarmedUp
                    } else {
                        let wall = SystemTime::now();
                        match source.retrieve().and_then(Picture::into_image) {
                            Ok(image) => News::Frame { image, grabbed, wall },
                            Err(fault) => News::Failed(fault),
                        }
                    }
                }
                Err(fault) => News::Failed(fault),
            };
            let mut failed = matches!(news, News::Failed(_));
            let changed = Some(source.got()).filter(|now_got| *now_got != got);
            if let Some(changed) = changed {
                got = changed;
                self.tell(News::Changed(got.clone()));
            }
            // Leave that was given while a call was out is not for the failure that comes now.
            let _ = self.leave.try_recv();
            if !self.tell(news) {
                return;
            }
            while let Some(news) = source.controls() {
                self.tell(News::Controls(news));
            }
            while failed && !self.stop.load(Ordering::Relaxed) {
                failed = match self.leave.recv() {
                    Ok(Leave::ReadOn) => false,
                    Ok(Leave::Restart) => {
                        let restarted = source.restart();
                        let failed = restarted.is_err();
                        if !self.tell(News::Restarted(restarted)) {
                            return;
                        }
                        failed
                    }
                    Err(_) => return,
                };
            }
        }
    }

    /// `false` when nobody listens any more.
    fn tell(&self, news: News) -> bool {
        self.reports.send(Report { opening: self.opening, news }).is_ok()
    }
}
