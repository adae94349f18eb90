//! Whether the computer has time and memory, and how late its timers ring. Measured only: whether frames are lost because of it
//! is judged by the entries of the catalogue.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{QUICK, result};
use crate::checkup::facts;
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::criteria;
use crate::device;
use crate::phrases::{Message, number};

/// The load of processors is the difference between two readings, this far apart.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
/// The name of the capture process, which Linux cuts after 15 letters.
const WORKER: &str = "camclinic-worke";

pub struct ComputerCheck;

impl Check for ComputerCheck {
    fn id(&self) -> &'static str {
        "computer"
    }

    fn skip(&self, _: &CheckContext) -> Option<Message> {
        None
    }

    fn patience(&self, _: &CheckContext) -> Duration {
        QUICK
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(mut load) = ProcessLoad::new() else { return result(self, CheckOutcome::Skipped, "none") };
        let computer = match context.cancel.recv_timeout(BETWEEN_LOOKS) {
            Err(RecvTimeoutError::Timeout) => load.computer(),
            _ => facts::ComputerFacts::default(),
        };
        let (cpu, free) = (computer.cpu_percent, computer.free_memory_bytes);
        let result = match () {
            () if criteria::is_cpu_busy(cpu) => result(self, CheckOutcome::Warning, "busy"),
            () if computer.total_memory_bytes > 0 && free < criteria::LITTLE_MEMORY_BYTES => {
                result(self, CheckOutcome::Warning, "little-memory")
            }
            () => result(self, CheckOutcome::Good, "good"),
        };
        let result = result.with("cpu", cpu).with("memory", number(free as f64 / f64::from(1 << 30), 1));
        context.facts.computer = Some(computer);
        result
    }
}

/// The load of the processors and of each process, each time since the reading before.
pub struct ProcessLoad {
    system: System,
    own: Option<Pid>,
}

impl ProcessLoad {
    /// Takes the first reading. `None` where the system does not tell.
    #[must_use]
    pub fn new() -> Option<Self> {
        let mut load = Self { system: System::new().ok()?, own: sysinfo::get_current_pid().ok() };
        load.look();
        Some(load)
    }

    fn look(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().with_cpu());
    }

    /// Of this program's capture processes since the reading before, in percent of one core. `None` where it has none.
    pub fn worker_percent(&mut self) -> Option<f64> {
        self.look();
        let workers = self
            .system
            .processes()
            .values()
            .filter(|process| process.parent() == self.own && process.name().to_string_lossy().starts_with(WORKER));
        workers.map(|process| f64::from(process.cpu_usage())).reduce(|a, b| a + b)
    }

    /// Of all cores, 0 to 100, between the last two readings: [`Self::worker_percent`] takes one.
    pub fn cpu_percent(&self) -> f64 {
        f64::from(self.system.global_cpu_usage())
    }

    fn computer(&mut self) -> facts::ComputerFacts {
        self.look();
        self.system.refresh_memory();
        let is_ours = |process: &sysinfo::Process| Some(process.pid()) == self.own || process.parent() == self.own;
        let busiest = self
            .system
            .processes()
            .values()
            .filter(|process| !is_ours(process))
            .max_by(|a, b| a.cpu_usage().total_cmp(&b.cpu_usage()));
        let heat = device::heat();
        facts::ComputerFacts {
            celsius: heat.celsius,
            is_throttled: heat.is_throttled,
            confinement: device::confinement(),
            resumed_secs_ago: device::resumed_secs_ago(),
            n_cores: u32::try_from(self.system.cpus().len()).unwrap_or(0),
            cpu_percent: f64::from(self.system.global_cpu_usage()),
            busiest: busiest
                .filter(|process| process.cpu_usage() > 10.0)
                .map(|process| (process.name().to_string_lossy().into_owned(), f64::from(process.cpu_usage()))),
            free_memory_bytes: self.system.available_memory(),
            total_memory_bytes: self.system.total_memory(),
            ..facts::ComputerFacts::default()
        }
    }
}

/// The names of all processes that this user may see.
pub fn process_names() -> Vec<String> {
    let Some(load) = ProcessLoad::new() else { return Vec::new() };
    load.system.processes().values().map(|process| process.name().to_string_lossy().into_owned()).collect()
}

/// Measures how late timers ring while something else is done.
pub struct TimerLateness {
    ended: Receiver<f64>,
    /// Dropped to end it.
    running: Sender<()>,
}

/// Shorter than a frame of any common camera.
const TICK: Duration = Duration::from_millis(10);

impl TimerLateness {
    /// `None` where the system gives no thread.
    pub fn start() -> Option<Self> {
        let (sender, ended) = bounded(1);
        let (running, end) = bounded::<()>(0);
        let measure = move || {
            let mut late_ms = Vec::new();
            loop {
                let due = Instant::now() + TICK;
                if !matches!(end.recv_deadline(due), Err(RecvTimeoutError::Timeout)) {
                    break;
                }
                late_ms.push(due.elapsed().as_secs_f64() * 1_000.0);
            }
            late_ms.sort_by(f64::total_cmp);
            let _ = sender.send(late_ms.get(late_ms.len() * 95 / 100).copied().unwrap_or_default());
        };
        thread::Builder::new().name("check-pace".to_owned()).spawn(measure).ok()?;
        Some(Self { ended, running })
    }

    /// 95 of 100 timers were not later, in milliseconds.
    pub fn late_ms(self) -> Option<f64> {
        drop(self.running);
        self.ended.recv_timeout(Duration::from_millis(500)).ok()
    }
}
