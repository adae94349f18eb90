//! Processes of our own, with what only Linux has for them.

use std::fs;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::device::process::ProcessorTimes;
pub use crate::device::unix::process::{ProcessGuard, end_now, kill_group, prepare, terminate, was_killed};

/// The signal comes when the *thread* ends that started this process (`prctl(2)`, `PR_SET_PDEATHSIG`): it has to live as
/// long as the process is wanted.
pub fn die_with_parent() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

/// Each try to open a camera has threads of its own. The C library gives them arenas of memory, up to eight for each processor, and
/// keeps what is freed in each (`mallopt(3)`).
pub fn reuse_freed_memory() {
    // SAFETY: it sets a number of the allocator, under the allocator's own lock. Refused, it stays as it was.
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "a call into the system")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

pub fn kernel_function(pid: u32) -> Option<String> {
    // The stack has more to tell, and only root may read it: `[<0>] uvc_queue_streamon+0x1a/0x60 [uvcvideo]`.
    let stack = fs::read_to_string(format!("/proc/{pid}/stack")).unwrap_or_default();
    let top = stack.lines().find_map(|line| line.split_whitespace().nth(1)?.split('+').next().map(str::to_owned));
    let waits_in = || fs::read_to_string(format!("/proc/{pid}/wchan")).ok();
    top.or_else(waits_in).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty() && name != "0")
}

/// `PID (NAME) STATE …`; R is running, or ready to (proc(5)).
pub fn is_ready(pid: u32) -> bool {
    let is_running = |stat: &str| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('R'));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok()).any(|stat| is_running(&stat))
}

/// Only the first thread of it is told of. One that waits now has its wait added when it runs again.
pub fn processor_times(pid: u32) -> Option<ProcessorTimes> {
    times_in(&fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?)
}

/// Nanoseconds on a processor, nanoseconds without one, turns (`sched-stats.rst`). A kernel that does not count has zeroes.
fn times_in(schedstat: &str) -> Option<ProcessorTimes> {
    let mut numbers = schedstat.split_whitespace().map_while(|number| number.parse::<u64>().ok());
    let (ran, waited) = (numbers.next().filter(|ran| *ran > 0)?, numbers.next()?);
    Some(ProcessorTimes { ran: Duration::from_nanos(ran), waited: Duration::from_nanos(waited) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_counts_what_a_process_waits_or_does_not() {
        let check = |text: &str, ms: Option<[u64; 2]>| {
            let times = ms.map(|ms| ms.map(Duration::from_millis)).map(|[ran, waited]| ProcessorTimes { ran, waited });
            assert_eq!(times_in(text), times, "{text:?}");
        };
        check("105000000 62000000 121\n", Some([105, 62]));
        check("105000000 0 1\n", Some([105, 0]));
        check("0 0 0\n", None);
        check("", None);
    }

    #[test]
    fn a_process_that_could_run_is_told_from_one_that_waits() {
        // Of one thread each: threads that come and go, as those of these tests do, may hide others from whoever lists them.
        let check = |command: &str, is_wanted: bool| {
            let mut child = std::process::Command::new("sh").args(["-c", command]).spawn().unwrap();
            let far = std::time::Instant::now() + Duration::from_secs(20);
            while is_ready(child.id()) != is_wanted && std::time::Instant::now() < far {
                std::thread::sleep(Duration::from_millis(5));
            }
            let is_ready = is_ready(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(is_ready, is_wanted, "{command}");
        };
        check("while :; do :; done", true);
        check("exec sleep 60", false);
    }
}
