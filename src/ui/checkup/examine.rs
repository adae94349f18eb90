//! The thread that examines a camera: a check-up, or a comparison of its backends.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};

use crate::checkup::compare::{self, BackendComparison};
use crate::checkup::facts::StreamSummary;
use crate::checkup::{self, Checkup, CheckupRequest, Progress};
use crate::settings::CameraId;
use crate::ui::background::{Task, WindowHandle, WindowUpdate};

/// How long an examination waits for the engine to let go of the camera, which has a deadline of its own, and for the
/// examination before it.
const RELEASE_DEADLINE: Duration = Duration::from_secs(4);

/// What is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Camera,
    Backends,
}

/// How an examination of a camera goes.
#[derive(Debug)]
pub enum ExaminationEvent {
    Progress(Progress),
    CheckedUp(Box<Checkup>),
    /// One backend of a comparison.
    Row(Box<StreamSummary>),
    Compared(Box<BackendComparison>),
    /// It has broken off, and nothing is known.
    Crashed,
}

/// Examines a camera, as soon as nobody else uses it.
pub(super) struct Examine {
    pub pane: CameraId,
    pub number: u64,
    pub subject: Subject,
    pub request: CheckupRequest,
    /// Disconnected when the engine has let go of the camera, where it has it.
    pub released: Option<Receiver<()>>,
    /// Disconnected when the examination before this one has.
    pub last_ended: Option<Receiver<()>>,
    /// Disconnected when it is to end.
    pub cancel: Receiver<()>,
    /// Dropped when it has ended, and with it every use of the camera that can be ended.
    pub end: Sender<()>,
}

impl fmt::Debug for Examine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.subject {
            Subject::Camera => "CheckUp",
            Subject::Backends => "Compare",
        };
        let mut shown = f.debug_struct(name);
        shown.field("number", &self.number);
        shown.field("is_live", &self.request.live.is_some());
        shown.field("waits_for_release", &self.released.is_some());
        shown.field("is_cancelled", &(self.cancel.try_recv() == Err(TryRecvError::Disconnected)));
        shown.finish_non_exhaustive()
    }
}

impl Task for Examine {
    fn thread_name(&self) -> &'static str {
        match self.subject {
            Subject::Camera => "check-up",
            Subject::Backends => "compare-backends",
        }
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { pane, number, subject, request, released, last_ended, cancel, end } = *self;
        let deadline = Instant::now() + RELEASE_DEADLINE;
        for free in [released, last_ended].into_iter().flatten() {
            // What hangs in a driver by then is for the check-up to find out.
            let _ = free.recv_deadline(deadline);
        }
        let tell = |event| window.update_pane(pane, move |pane, shell| pane.hear_examination(shell, number, event));
        let work = || match subject {
            Subject::Camera => {
                let progress = &mut |progress| tell(ExaminationEvent::Progress(progress));
                ExaminationEvent::CheckedUp(Box::new(checkup::run(&request, &cancel, progress)))
            }
            Subject::Backends => {
                let row = &mut |row: &StreamSummary| tell(ExaminationEvent::Row(Box::new(row.clone())));
                ExaminationEvent::Compared(Box::new(compare::compare(&request, &cancel, row)))
            }
        };
        // The window waits for the end, and the camera with it.
        let event = catch_unwind(AssertUnwindSafe(work)).unwrap_or(ExaminationEvent::Crashed);
        drop(end);
        window.deliver_to_pane(pane, move |pane, shell| pane.hear_examination(shell, number, event));
    }

    fn without_thread(&self) -> Option<WindowUpdate> {
        let (pane, number) = (self.pane, self.number);
        Some(Box::new(move |window| {
            window.with_pane(pane, |pane, shell| pane.hear_examination(shell, number, ExaminationEvent::Crashed));
        }))
    }
}
