//! Processes of our own, by process groups and signals.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};

pub fn prepare(command: &mut Command) {
    command.process_group(0);
}

pub fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

pub fn kill_group(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

pub fn end_now() {
    // `exit` runs the libraries' own endings, which may wait for the very call that does not come back.
    let _ = kill_process(getpid(), Signal::KILL);
}

/// Not needed here: a worker sees to its end by itself.
pub struct ProcessGuard;

impl ProcessGuard {
    #[must_use]
    pub fn on(_: &Child) -> Option<Self> {
        None
    }
}
