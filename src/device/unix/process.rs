//! Processes of our own, by process groups and signals.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

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

/// Signals that nobody sends to himself: of the kernel when memory is short, of a user, of a terminal that closes.
pub fn was_killed(status: ExitStatus) -> bool {
    let of_others = [Signal::KILL, Signal::TERM, Signal::HUP, Signal::INT];
    status.signal().is_some_and(|number| of_others.iter().any(|signal| signal.as_raw() == number))
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
