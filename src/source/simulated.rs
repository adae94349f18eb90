//! The scripted camera: a source that works, and fails, as its `sim:` line says.
//!
//! It stands in for a device, so it does what no other part of the program may: it waits for its next frame, hangs, and
//! on demand takes its process with it (`crash`, meant for backends in a child process). All that it shows is a pure function of the line and of
//! the frame's number; only [`Simulated`] reads the clock, to know which frame is due.
//!
//! A fault is added as one row of the table in `script.rs`, and where it acts: opening and reading here, the order of
//! frames in `timeline.rs`, the picture and its bytes in `lens.rs`.

mod canvas;
mod chance;
mod glyph;
mod lens;
mod script;
mod timeline;

use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};
use crate::frame::{Image, Size};
use crate::source::{Grabbed, OpenRequest, Source};
use crate::status::{Asked, Got};

use lens::{Lens, Mode};
use script::{FaultName, Value, WireFormat};

pub use script::{DEFAULT_FPS, DEFAULT_SIZE, Script, help};

/// By how much `time-back` sets the time stamps back.
const TIME_BACK: Duration = Duration::from_secs(1);
/// A camera that makes few frames a second is not stalled while it makes them.
const PATIENCE_FRAMES: f64 = 5.0;

// The numbers of Linux's errno.h, which V4L2 drivers answer with.
const ENOENT: i64 = 2;
const EACCES: i64 = 13;
const EBUSY: i64 = 16;
const ENODEV: i64 = 19;

/// Opens the camera, or does what the script says instead. With `open-hang` that takes as long as its window, be it for ever.
///
/// # Errors
/// As the script says; or a size was asked for that no camera has.
pub(super) fn open(script: &Script, request: &OpenRequest) -> Result<Box<dyn Source>, Fault> {
    let opened = request.first_opened.elapsed();
    let fault = |name| script.fault_at(name, opened);
    let cannot = |kind, reason: &str, code| {
        Err(Fault::new(kind, format!("cannot open the simulated camera: {reason}: sim:{script}")).with_code(code))
    };
    if fault(FaultName::OpenMissing).is_some() {
        return cannot(FaultKind::Missing, "no such file or directory", ENOENT);
    }
    if fault(FaultName::Unplug).is_some() {
        return cannot(FaultKind::Missing, "it is unplugged, no such device", ENODEV);
    }
    if fault(FaultName::OpenDenied).is_some() {
        return cannot(FaultKind::Denied, "permission denied", EACCES);
    }
    if fault(FaultName::OpenBusy).is_some() {
        return cannot(FaultKind::Busy, "another program uses it, device or resource busy", EBUSY);
    }
    if let Some(hang) = fault(FaultName::OpenHang) {
        sleep_until(request.first_opened, hang.end());
    }
    if let Some(Value::Time(time)) = fault(FaultName::OpenSlow).map(|slow| slow.value) {
        thread::sleep(time);
    }
    let mode = mode(script, &request.asked)?;
    Ok(Box::new(Simulated::new(script, mode, request, opened)))
}

/// What the device offers: what the line says, and what was asked where the line leaves it open.
fn mode(script: &Script, asked: &Asked) -> Result<Mode, Fault> {
    let format = script.format().or_else(|| asked.format.and_then(WireFormat::from_pixel_format));
    let format = format.unwrap_or(WireFormat::Bgr);
    let size = script.size().or(asked.size).unwrap_or(DEFAULT_SIZE);
    script::check_size(size).map_err(|reason| Fault::new(FaultKind::FormatRefused, reason))?;
    let fps = script.fps().or_else(|| asked.fps.map(script::possible_fps)).unwrap_or(DEFAULT_FPS);
    Ok(Mode { size: lens::possible(size, format), fps, format })
}

/// Returns at that time after `origin`; never, if there is none.
fn sleep_until(origin: Instant, end: Option<Duration>) {
    loop {
        match end {
            Some(end) => match end.checked_sub(origin.elapsed()) {
                Some(left) if !left.is_zero() => thread::sleep(left),
                _ => return,
            },
            None => thread::park(),
        }
    }
}

/// The open camera.
struct Simulated {
    script: Script,
    mode: Mode,
    lens: Lens,
    first_opened: Instant,
    /// When this source was opened, on the clock of the script.
    opened: Duration,
    /// How long a call waits for a frame.
    patience: Duration,
    n_buffers: u32,
    /// The size that was agreed on.
    size: Size,
    /// No frame before this one is handed out any more.
    next: u64,
    /// The frame to be decoded.
    grabbed: Option<u64>,
}

impl Simulated {
    fn new(script: &Script, mode: Mode, request: &OpenRequest, opened: Duration) -> Self {
        let lens = Lens::new(script, mode);
        let slowest = Duration::try_from_secs_f64(PATIENCE_FRAMES / mode.fps).unwrap_or(Duration::MAX);
        let next = lens.timeline().newest(request.first_opened.elapsed()).map_or(0, |passed| passed + 1);
        Self {
            script: script.clone(),
            mode,
            first_opened: request.first_opened,
            opened,
            patience: request.frame_deadline.max(slowest),
            n_buffers: request.asked.n_buffers.unwrap_or(1),
            size: lens.size(next),
            lens,
            next,
            grabbed: None,
        }
    }

    fn elapsed(&self) -> Duration {
        self.first_opened.elapsed()
    }

    /// The newest frame that has not been handed out and is there by now. Whatever else is there is lost: the queue has
    /// one place.
    fn ready(&mut self, now: Duration) -> Option<u64> {
        let newest = self.lens.timeline().newest(now)?;
        while self.next <= newest && self.lens.hits(FaultName::Drop, self.next) {
            self.next += 1;
        }
        (self.next..=newest)
            .rev()
            .find(|n| !self.lens.hits(FaultName::Drop, *n) && self.arrival(*n).is_some_and(|at| at <= now))
    }

    /// When frame `n` reaches the program; `None` if it never does.
    fn arrival(&self, n: u64) -> Option<Duration> {
        self.lens.timeline().due(n).map(|due| due.saturating_add(self.lens.delay(n)))
    }

    /// When the next frame reaches the program, if that is before `limit`.
    fn next_arrival(&self, limit: Duration) -> Duration {
        let mut best = limit;
        for n in self.next.. {
            match self.lens.timeline().due(n) {
                Some(due) if due < best => {
                    if let Some(arrival) = self.arrival(n).filter(|_| !self.lens.hits(FaultName::Drop, n)) {
                        best = best.min(arrival);
                    }
                }
                _ => break,
            }
        }
        best
    }

    /// The next moment at which a fault changes what a call does.
    fn next_turn(&self, now: Duration) -> Option<Duration> {
        let acts_on_calls = |name| matches!(name, FaultName::Unplug | FaultName::Hang | FaultName::Crash);
        self.script
            .faults()
            .filter(|fault| acts_on_calls(fault.name) && fault.start > now)
            .map(|fault| fault.start)
            .min()
    }

    /// Whether the device has gone away since this source was opened: it stays of no use, even when it is back.
    fn is_unplugged(&self, now: Duration) -> bool {
        let mut unplugs = self.script.faults().filter(|fault| fault.name == FaultName::Unplug);
        unplugs.any(|unplug| unplug.start <= now && unplug.end().is_none_or(|end| end > self.opened))
    }

    fn taken_at(&self, due: Duration) -> Instant {
        let taken_at = self.first_opened + due;
        match self.script.fault_at(FaultName::TimeBack, due) {
            // Close to the start of the computer there may be no such moment.
            Some(_) => taken_at.checked_sub(TIME_BACK).unwrap_or(taken_at),
            None => taken_at,
        }
    }
}

impl Source for Simulated {
    fn got(&self) -> Got {
        Got {
            size: Some(self.size),
            fps: Some(self.mode.fps),
            format: Some(self.mode.format.pixel_format()),
            n_buffers: Some(self.n_buffers),
        }
    }

    fn grab(&mut self) -> Result<Grabbed, Fault> {
        self.grabbed = None;
        let begun = self.elapsed();
        let limit = begun.saturating_add(self.patience);
        loop {
            let now = self.elapsed();
            if self.script.fault_at(FaultName::Crash, now).is_some() {
                std::process::abort();
            }
            if self.is_unplugged(now) {
                let message = format!("the simulated camera is gone, no such device: sim:{}", self.script);
                return Err(Fault::new(FaultKind::Unplugged, message).with_code(ENODEV));
            }
            if let Some(hang) = self.script.fault_at(FaultName::Hang, now) {
                sleep_until(self.first_opened, hang.end());
                continue;
            }
            if let Some(n) = self.ready(now) {
                self.next = n + 1;
                self.grabbed = Some(n);
                let due = self.lens.timeline().due(n).unwrap_or(now);
                return Ok(Grabbed { taken_at: self.taken_at(due), sequence: Some(n) });
            }
            if now >= limit {
                let waited = now.saturating_sub(begun).as_secs_f64();
                return Err(Fault::new(FaultKind::Stall, format!("no frame for {waited:.1} s: sim:{}", self.script)));
            }
            let wake = self.next_arrival(limit);
            let wake = self.next_turn(now).map_or(wake, |turn| wake.min(turn));
            sleep_until(self.first_opened, Some(wake));
        }
    }

    fn retrieve(&mut self) -> Result<Image, Fault> {
        let n = self.grabbed.take().ok_or_else(|| Fault::new(FaultKind::ReadFailed, "no frame was grabbed"))?;
        self.lens.image(n).map_err(|reason| Fault::new(FaultKind::BadFrame, format!("frame {n}: {reason}")))
    }
}
