//! Processes of our own: how they are started, tied to this program, and ended.
//!
//! Nothing here knows what such a process does. Waiting for one, and the order in which it is asked, terminated and killed,
//! is the business of whoever has started it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::system;
use crate::address::PASSWORD_VARIABLE;

/// Ties a process of our own to this program from outside: it is killed when the guard is dropped, and when this program
/// ends, however it ends. `None` where [`die_with_parent`] does that.
pub use super::system::process::ProcessGuard;

/// A program of ours: beside this one; one folder up for programs that cargo puts into `deps` and `examples`.
#[must_use]
pub fn beside(name: &Path) -> PathBuf {
    let name = name.with_extension(std::env::consts::EXE_EXTENSION);
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or_else(|| Path::new(""));
    let beside = folder.join(&name);
    match folder.parent().map(|up| up.join(&name)) {
        Some(up) if !beside.exists() && up.exists() => up,
        _ => beside,
    }
}

/// Makes a process of our own ready for its start: apart from the terminal, whose Ctrl-C is for us and not for it,
/// without a window, and without the password, which the environment may hold for us alone.
pub fn prepare(command: &mut Command) {
    command.env_remove(PASSWORD_VARIABLE);
    system::process::prepare(command);
}

/// Has this process killed when the one that started it ends, where the system can do that from inside.
pub fn die_with_parent() {
    system::process::die_with_parent();
}

/// Has memory that is freed used again, or given back to the system. Before any other thread is started.
pub fn reuse_freed_memory() {
    system::process::reuse_freed_memory();
}

/// Asks a process of our own to end, in the system's way, where it has one besides killing.
pub fn terminate(pid: u32) {
    system::process::terminate(pid);
}

/// Kills a process that was started after [`prepare`], and what it has started itself. It must not have been waited for: its
/// number might be another's by then. Where there are no such groups, dropping the [`ProcessGuard`] does it.
pub fn kill_group(pid: u32) {
    system::process::kill_group(pid);
}

/// Whether it was ended from outside, by the system or by somebody, as far as that shows.
#[must_use]
pub fn was_killed(status: ExitStatus) -> bool {
    system::process::was_killed(status)
}

/// Ends this process on the spot, whatever its other threads do; nothing is flushed or freed.
pub fn end_now() -> ! {
    system::process::end_now();
    std::process::abort()
}

/// The function of the kernel in which a process waits, where the system tells.
#[must_use]
pub fn kernel_function(pid: u32) -> Option<String> {
    system::process::kernel_function(pid)
}

/// Whether something in a process of our own runs, or could if it were given a processor; where the system tells.
#[must_use]
pub fn is_ready(pid: u32) -> bool {
    system::process::is_ready(pid)
}

/// What became, since its start, of the thread of a process of our own that reads the camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessorTimes {
    pub ran: Duration,
    /// It could run, and was given no processor.
    pub waited: Duration,
}

/// `None` where the system does not count that.
#[must_use]
pub fn processor_times(pid: u32) -> Option<ProcessorTimes> {
    system::process::processor_times(pid)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn no_process_is_given_the_password() {
        let mut command = Command::new("any");
        command.env(PASSWORD_VARIABLE, "geheim");
        prepare(&mut command);
        assert_eq!(command.get_envs().collect::<Vec<_>>(), [(OsStr::new(PASSWORD_VARIABLE), None)]);
    }
}
