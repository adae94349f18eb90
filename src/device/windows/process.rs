//! Processes of our own, tied to this program by a job object.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::ptr;

use windows_sys::Win32::System::Diagnostics::Debug::{GetErrorMode, SEM_FAILCRITICALERRORS, SetErrorMode};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess, TerminateProcess,
};

use crate::device::process::ProcessorTimes;

pub fn prepare(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
    // Inherited by the process: one that lacks a library would wait until somebody closes the system's message about it.
    // SAFETY: both take and give numbers only.
    #[expect(unsafe_code, reason = "calls into the system")]
    unsafe {
        SetErrorMode(GetErrorMode() | SEM_FAILCRITICALERRORS);
    }
}

/// Done from outside, by the [`ProcessGuard`].
pub fn die_with_parent() {}

pub fn reuse_freed_memory() {}

/// A process without a window cannot be asked, only killed.
pub fn terminate(_: u32) {}

/// Done by dropping the [`ProcessGuard`].
pub fn kill_group(_: u32) {}

/// Whoever ends a process chooses its exit code.
pub fn was_killed(_: ExitStatus) -> bool {
    false
}

pub fn end_now() {
    // SAFETY: the pseudo handle of this process is always valid, and nothing runs after the call. `ExitProcess` would wait
    // for the lock of a library that may be held by the very call that does not come back.
    #[expect(unsafe_code, reason = "calls into the system")]
    unsafe {
        TerminateProcess(GetCurrentProcess(), 1);
    }
}

/// Only a kernel debugger is told.
pub fn kernel_function(_: u32) -> Option<String> {
    None
}

pub fn is_ready(_: u32) -> bool {
    false
}

pub fn processor_times(_: u32) -> Option<ProcessorTimes> {
    None
}

/// A job object that kills the processes in it when its last handle is closed, by us or by the system at our end.
pub struct ProcessGuard {
    _job: OwnedHandle,
}

impl ProcessGuard {
    /// `None` when the system refuses, as it does within some jobs of others: then the pipe's end has to do.
    #[must_use]
    pub fn on(child: &Child) -> Option<Self> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        // The second one spares the user the system's message about a crash, and us the wait for it.
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        let n_bytes = u32::try_from(size_of_val(&limits)).ok()?;
        // SAFETY: no name and no security attributes are given; the handle, if there is one, is ours alone, and
        // `OwnedHandle` closes it. `limits` is the structure that the information class asks for, and lives through the
        // call; so does the child's handle.
        #[expect(unsafe_code, reason = "calls into the system")]
        unsafe {
            let job = CreateJobObjectW(ptr::null(), ptr::null());
            if job.is_null() {
                return None;
            }
            let owned = OwnedHandle::from_raw_handle(job);
            let is_set =
                SetInformationJobObject(job, JobObjectExtendedLimitInformation, (&raw const limits).cast(), n_bytes)
                    != 0;
            let is_assigned = is_set && AssignProcessToJobObject(job, child.as_raw_handle()) != 0;
            is_assigned.then_some(Self { _job: owned })
        }
    }
}
