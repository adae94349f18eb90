//! What the system says of this process and of those that it has started. `None` where there is no `/proc`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// `USER_HZ`, which is 100 on every architecture that Rust's standard library knows but Alpha.
const TICKS_A_SECOND: f64 = 100.0;

/// “pid (name) state parent …” without its first two fields; the name may hold anything.
fn stat(pid: &str) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

fn secs(stat: &[String], fields: &[usize]) -> f64 {
    let ticks = |field: &usize| stat.get(*field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    fields.iter().map(ticks).sum::<f64>() / TICKS_A_SECOND
}

/// CPU time of a process so far.
pub fn cpu_secs(pid: u32) -> Option<f64> {
    Some(secs(&stat(&pid.to_string())?, &[11, 12]))
}

/// The same of this process, with all children that have ended.
pub fn cpu_secs_with_children() -> Option<f64> {
    Some(secs(&stat("self")?, &[11, 12, 13, 14]))
}

/// Processes that this one has started and not buried, the dead among them.
pub fn children() -> Option<Vec<u32>> {
    let me = std::process::id().to_string();
    let is_mine = |pid: &u32| stat(&pid.to_string()).is_some_and(|stat| stat.get(1) == Some(&me));
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Some(pids.filter(is_mine).collect())
}

/// The worker of a camera, found by its environment.
pub fn worker_of(source: &str) -> Option<u32> {
    let mark = format!("CAMCLINIC_SOURCE={source}\0").into_bytes();
    let has_mark = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|part| part == mark)
    };
    children()?.into_iter().find(has_mark)
}

/// Whether it is a capture process.
pub fn is_worker(pid: u32) -> bool {
    // The kernel cuts the name off.
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("camclinic-work"))
}

/// At once, without asking it.
pub fn kill(pid: u32) {
    let status = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "process {pid} cannot be killed");
}

/// How many there are of what must not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Held {
    pub processes: usize,
    pub files: usize,
    pub threads: usize,
    pub shared: usize,
}

impl Held {
    pub fn now() -> Option<Self> {
        let entries = |folder: &str| fs::read_dir(folder).ok().map(|entries| entries.flatten().collect::<Vec<_>>());
        let is_ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("camclinic-");
        Some(Self {
            processes: children()?.len(),
            files: entries("/proc/self/fd")?.len(),
            threads: entries("/proc/self/task")?.len(),
            shared: entries("/dev/shm")?.iter().filter(|entry| is_ours(&entry.file_name())).count(),
        })
    }

    pub fn in_words(self) -> String {
        format!(
            "{} processes, {} files, {} threads, {} in /dev/shm",
            self.processes, self.files, self.threads, self.shared
        )
    }
}

/// Memory of this process in MB: its own, without the files (libraries) that it maps; and all that is resident.
pub fn memory_mb() -> Option<(f64, f64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1_024.0)
    };
    Some((field("RssAnon")? + field("RssShmem")?, field("VmRSS")?))
}

/// Whether a thread of this process has a name that begins so.
pub fn has_thread(name: &str) -> bool {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.any(|comm| comm.starts_with(name))
}

pub fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}
