//! Whether the computer has time and memory, and how late its timers ring. Measured only: whether frames are lost because of it
//! is judged by the entries of the catalogue.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{BUSY_FACTOR, QUICK, result};
use crate::checkup::facts;
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::criteria;
use crate::device;
use crate::device::process::{ProcessorTimes, processor_times};
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
        // No driver is asked, and how busy the computer is becomes known here.
        BUSY_FACTOR * QUICK
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
    looked_at: Instant,
    /// Of each capture process since it was started.
    times: BTreeMap<Pid, ProcessorTimes>,
}

/// What became of this program's capture processes between two readings, in percent of the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerLoad {
    /// On one core. `None` where there are no such processes.
    pub cpu: Option<f64>,
    /// What the thread that reads the camera ran, and what it was ready to run without a processor.
    pub ran: Option<f64>,
    pub waited: Option<f64>,
}

impl ProcessLoad {
    /// Takes the first reading. `None` where the system does not tell.
    #[must_use]
    pub fn new() -> Option<Self> {
        let (system, own) = (System::new().ok()?, sysinfo::get_current_pid().ok());
        let mut load = Self { system, own, looked_at: Instant::now(), times: BTreeMap::new() };
        load.look();
        load.times = load.times_so_far();
        Some(load)
    }

    fn look(&mut self) {
        self.system.refresh_cpu_usage();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().with_cpu());
    }

    fn workers(&self) -> impl Iterator<Item = &sysinfo::Process> {
        let is_ours = |process: &&sysinfo::Process| {
            process.parent() == self.own && process.name().to_string_lossy().starts_with(WORKER)
        };
        self.system.processes().values().filter(is_ours)
    }

    fn times_so_far(&self) -> BTreeMap<Pid, ProcessorTimes> {
        let times = |worker: &sysinfo::Process| processor_times(worker.pid().as_u32());
        self.workers().filter_map(|worker| Some((worker.pid(), times(worker)?))).collect()
    }

    /// Of this program's capture processes since the reading before.
    pub fn worker(&mut self) -> WorkerLoad {
        self.look();
        let (now, times) = (Instant::now(), self.times_so_far());
        let before = std::mem::replace(&mut self.times, times);
        let secs = now.saturating_duration_since(std::mem::replace(&mut self.looked_at, now)).as_secs_f64();
        let percent = |time: fn(&ProcessorTimes) -> Duration| {
            // One that is not among those of before was started since.
            let old = |pid: &Pid| before.get(pid).map(time).unwrap_or_default();
            let since = self.times.iter().map(|(pid, times)| time(times).saturating_sub(old(pid)).as_secs_f64());
            since.reduce(f64::max).map(|time| percent_of(time, secs))
        };
        WorkerLoad {
            cpu: self.workers().map(|worker| f64::from(worker.cpu_usage())).reduce(|a, b| a + b),
            ran: percent(|times| times.ran),
            waited: percent(|times| times.waited),
        }
    }

    /// Of all cores, 0 to 100, between the last two readings: [`Self::worker`] takes one.
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

fn percent_of(part_secs: f64, secs: f64) -> f64 {
    if secs > 0.0 { (100.0 * part_secs / secs).min(100.0) } else { 0.0 }
}

/// Measures what the computer has left while something else is done, on a thread of its own: reading the list of processes takes
/// its time, and frames do not wait.
pub struct LoadWatch {
    ended: Receiver<MeasuredLoad>,
    /// Dropped to end it.
    running: Sender<()>,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
struct MeasuredLoad {
    cpu_percent: Option<f64>,
    worker: WorkerLoad,
    /// 95 of 100 timers did not ring later, in milliseconds.
    timer_late_ms: Option<f64>,
    cpu_pressure_percent: Option<f64>,
    disk_pressure_percent: Option<f64>,
}

/// Shorter than a frame of any common camera.
const TICK: Duration = Duration::from_millis(10);
/// How long the last readings may take.
const LAST_LOOK: Duration = Duration::from_secs(3);

impl LoadWatch {
    /// `None` where the system gives no thread.
    pub fn start() -> Option<Self> {
        let (sender, ended) = bounded(1);
        let (running, end) = bounded::<()>(0);
        // Nobody may wait for it any more.
        let measure = move || _ = sender.send(MeasuredLoad::until(&end));
        thread::Builder::new().name("check-load".to_owned()).spawn(measure).ok()?;
        Some(Self { ended, running })
    }

    /// Puts what was measured in the place of what was known before; gives the load of all cores.
    pub fn end(self, computer: &mut Option<facts::ComputerFacts>) -> Option<f64> {
        drop(self.running);
        let measured = self.ended.recv_timeout(LAST_LOOK).ok()?;
        let computer = computer.get_or_insert_default();
        computer.cpu_percent = measured.cpu_percent.unwrap_or(computer.cpu_percent);
        computer.worker_cpu_percent = measured.worker.cpu;
        computer.worker_ran_percent = measured.worker.ran;
        computer.worker_waited_percent = measured.worker.waited;
        computer.timer_late_ms = measured.timer_late_ms;
        computer.cpu_pressure_percent = measured.cpu_pressure_percent;
        computer.disk_pressure_percent = measured.disk_pressure_percent;
        measured.cpu_percent
    }
}

impl MeasuredLoad {
    /// Until the channel is closed.
    fn until(end: &Receiver<()>) -> Self {
        let (began, before) = (Instant::now(), device::pressure());
        let mut load = ProcessLoad::new();
        let mut late_ms = Vec::new();
        loop {
            let due = Instant::now() + TICK;
            if !matches!(end.recv_deadline(due), Err(RecvTimeoutError::Timeout)) {
                break;
            }
            late_ms.push(due.elapsed().as_secs_f64() * 1_000.0);
        }
        late_ms.sort_by(f64::total_cmp);
        let (now, secs) = (device::pressure(), began.elapsed().as_secs_f64());
        let percent = |before: Option<Duration>, now: Option<Duration>| {
            Some(percent_of(now?.saturating_sub(before?).as_secs_f64(), secs))
        };
        let worker = load.as_mut().map(ProcessLoad::worker).unwrap_or_default();
        Self {
            cpu_percent: load.as_ref().map(ProcessLoad::cpu_percent),
            worker,
            timer_late_ms: late_ms.get(late_ms.len() * 95 / 100).copied(),
            cpu_pressure_percent: percent(before.cpu, now.cpu),
            disk_pressure_percent: percent(before.disk, now.disk),
        }
    }
}

/// The names of all processes that this user may see.
pub fn process_names() -> Vec<String> {
    let Some(load) = ProcessLoad::new() else { return Vec::new() };
    load.system.processes().values().map(|process| process.name().to_string_lossy().into_owned()).collect()
}
