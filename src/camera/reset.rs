//! Resets of a device, each on a thread of its own: the system may take its time, and a hung driver for ever.

use std::io;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::device;
use crate::fault::Fault;
use crate::source::SourceSpec;

/// What came of a reset, with its number.
pub(super) struct Report {
    pub(super) number: u64,
    pub(super) result: Result<(), Fault>,
}

pub(super) struct Resets {
    reports: (Sender<Report>, Receiver<Report>),
    n_started: u64,
    /// Those whose thread has not reported.
    out: Vec<u64>,
}

impl Resets {
    pub(super) fn new() -> Self {
        Self { reports: bounded(1), n_started: 0, out: Vec::new() }
    }

    pub(super) fn reports(&self) -> Receiver<Report> {
        self.reports.1.clone()
    }

    /// How many threads have not reported, besides this one.
    pub(super) fn n_out(&self, but: Option<u64>) -> u32 {
        u32::try_from(self.out.iter().filter(|number| Some(**number) != but).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn on_report(&mut self, number: u64) {
        self.out.retain(|out| *out != number);
    }

    /// Resets the device that the source names; returns the number under which the thread will report.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(&mut self, name: String) -> io::Result<u64> {
        let number = self.n_started + 1;
        let reports = self.reports.0.clone();
        thread::Builder::new().name(format!("reset-{number}")).spawn(move || {
            let result = device::named(&name).and_then(|device| device::reset(&device));
            // Nobody listens any more when the camera is gone.
            let _ = reports.send(Report { number, result });
        })?;
        self.n_started = number;
        self.out.push(number);
        Ok(number)
    }
}

/// By what [`device::named`] finds the device; `None` for what is no device of this computer.
pub(super) fn device_name(spec: &SourceSpec) -> Option<String> {
    match spec {
        SourceSpec::Index(index) => Some(index.to_string()),
        SourceSpec::Device(name) => Some(name.clone()),
        SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => None,
    }
}
