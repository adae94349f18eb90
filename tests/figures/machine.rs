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

/// Nanoseconds of CPU of each thread of a process, by its name.
pub fn cpu_of_threads(pid: u32) -> Vec<(String, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned();
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((name, stat.split(' ').next()?.parse().ok()?))
    };
    tasks.filter_map(of).collect()
}

/// Processes that this one has started and not buried, the dead among them.
pub fn children() -> Option<Vec<u32>> {
    has_proc().then(|| children_of(std::process::id()))
}

pub fn children_of(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let is_its = |pid: &u32| stat(&pid.to_string()).is_some_and(|stat| stat.get(1) == Some(&parent));
    processes().filter(is_its).collect()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Capture processes that have not ended, whoever has started them.
pub fn remains() -> Vec<u32> {
    let lives = |pid: &u32| stat(&pid.to_string()).is_some_and(|stat| stat.first().is_some_and(|state| state != "Z"));
    processes().filter(|pid| is_worker(*pid)).filter(lives).collect()
}

/// Files of ours in the folder for shared memory.
pub fn shared_files() -> usize {
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("camclinic-")).count()
}

/// Resident memory of a process in MB.
pub fn memory_of(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
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

/// Sent to a process that may have ended by now.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(std::process::Stdio::null()).status();
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
        Some(Self {
            processes: children()?.len(),
            files: entries("/proc/self/fd")?.len(),
            threads: entries("/proc/self/task")?.len(),
            shared: shared_files(),
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
