//! Processes of our own, with what only Linux has for them.

use std::fs;

use rustix::process::{Signal, set_parent_process_death_signal};

pub use crate::device::unix::process::{ProcessGuard, end_now, kill_group, prepare, terminate};

/// The signal comes when the *thread* ends that started this process (`prctl(2)`, `PR_SET_PDEATHSIG`): it has to live as
/// long as the process is wanted.
pub fn die_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

pub fn kernel_function(pid: u32) -> Option<String> {
    // The stack has more to tell, and only root may read it: `[<0>] uvc_queue_streamon+0x1a/0x60 [uvcvideo]`.
    let stack = fs::read_to_string(format!("/proc/{pid}/stack")).unwrap_or_default();
    let top = stack.lines().find_map(|line| line.split_whitespace().nth(1)?.split('+').next().map(str::to_owned));
    let waits_in = || fs::read_to_string(format!("/proc/{pid}/wchan")).ok();
    top.or_else(waits_in).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty() && name != "0")
}
