//! The front door to one camera: a supervisor that decides, and a capture thread that only reads.

use std::io;
use std::sync::Arc;

use crate::backend::Backend;
use crate::frame::Frame;
use crate::health::History;
use crate::latest::{Latest, Reader};
use crate::logging::EventLog;
use crate::settings::Settings;
use crate::source::SourceSpec;
use crate::status::Status;

/// What somebody wants of a camera.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open it, if it is stopped or given up.
    Start,
    /// Close it and leave it closed.
    Stop,
    /// Use other settings from now on. The stream is restarted only if the change needs it.
    Apply(Box<Settings>),
    /// Another camera.
    Switch(SourceSpec, Option<Backend>),
    /// Do the next step of recovery at once.
    RecoverNow,
}

/// Called after each new frame and each new status, on the supervisor's thread: must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A camera at work. Dropping it closes the device.
pub struct Camera {
    frames: Latest<Frame>,
    status: Latest<Status>,
    history: Latest<History>,
}

impl Camera {
    /// Starts the supervisor and opens the camera. Returns at once: the status tells how it goes.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(spec: SourceSpec, settings: &Settings, log: EventLog, wake: Wake) -> io::Result<Self> {
        let _ = (spec, settings, log, wake);
        Err(io::Error::other("under construction"))
    }

    /// Sends a command. Never waits.
    pub fn send(&self, command: Command) {
        let _ = command;
    }

    /// A reader of good frames.
    #[must_use]
    pub fn frames(&self) -> Reader<Frame> {
        self.frames.reader()
    }

    /// A reader of the status, published at each change and at least four times a second.
    #[must_use]
    pub fn status(&self) -> Reader<Status> {
        self.status.reader()
    }

    /// The score over time, published with the status.
    #[must_use]
    pub fn history(&self) -> Reader<History> {
        self.history.reader()
    }
}
