//! Processes of our own, where macOS differs from other systems of its family.

use crate::device::process::ProcessorTimes;
pub use crate::device::unix::process::{ProcessGuard, end_now, kill_group, prepare, terminate, was_killed};

/// The system has nothing of the kind: a worker ends with the pipe from its parent.
pub fn die_with_parent() {}

pub fn reuse_freed_memory() {}

/// Only a debugger is told.
pub fn kernel_function(_: u32) -> Option<String> {
    None
}

pub fn is_ready(_: u32) -> bool {
    false
}

pub fn processor_times(_: u32) -> Option<ProcessorTimes> {
    None
}
