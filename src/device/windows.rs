//! Cameras as Media Foundation lists them.
//!
//! DirectShow also lists virtual cameras that Media Foundation does not know, behind the others on most systems: a number
//! means the same camera to both only as long as there are none.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{ptr, thread};

use tempfile::NamedTempFile;
use windows_sys::Win32::Storage::FileSystem::{FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE};
use windows_sys::Win32::System::Diagnostics::Debug::{GetErrorMode, SEM_FAILCRITICALERRORS, SetErrorMode};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess, TerminateProcess,
};

use super::watch::Sign;
use super::{Capabilities, Device, Holder, SHARED_FILE_PREFIX, Usability};
use crate::control::{Control, Setting};
use crate::fault::{Fault, FaultKind};

pub fn list() -> Vec<Device> {
    let mut devices = super::native_cameras();
    for device in &mut devices {
        device.vendor_id = four_digits(&device.path, "vid_");
        device.product_id = four_digits(&device.path, "pid_");
    }
    devices.sort_by(|a, b| a.index.cmp(&b.index).then_with(|| a.identity.cmp(&b.identity)));
    devices
}

/// `046d` for `vid_` in the symbolic link `\\?\usb#vid_046d&pid_082d&mi_00#…`.
fn four_digits(link: &str, key: &str) -> Option<String> {
    let (_, rest) = link.split_once(key)?;
    rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned)
}

/// A number may be right although nothing lists it: in a build without the native backend, or for a camera that only
/// DirectShow knows.
pub fn by_path(text: &str) -> Option<Device> {
    super::unlisted(text)
}

/// There are no nodes here.
pub fn check_node(_: &Path) -> Result<(), Fault> {
    Ok(())
}

/// Told only to who tries.
pub fn may_open(_: &Path) -> Result<(), Fault> {
    Ok(())
}

pub fn examine(_: &Path) -> Usability {
    Usability::Unknown
}

/// The system does not name them.
pub fn holders(_: &Path) -> Vec<Holder> {
    Vec::new()
}

/// This build asks no driver of this system.
pub fn capabilities(device: &Device) -> Result<Capabilities, Fault> {
    Err(Fault::new(
        FaultKind::BackendMissing,
        format!("what {} can do is not known on this system before it is opened", device.label()),
    ))
}

/// Nothing to be ended.
pub struct WatchGuard;

/// Signs are not asked for here: whoever waits compares lists.
pub fn watch(_: impl Fn(Sign) + Send + 'static) -> Option<WatchGuard> {
    None
}

// ---- controls

/// Another handle beside the one that streams shows no controls here.
pub enum ControlPort {}

impl ControlPort {
    pub fn open(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn read(&mut self) -> io::Result<Vec<Control>> {
        match *self {}
    }

    pub fn set(&mut self, _: Setting) -> Result<(), String> {
        match *self {}
    }
}

// ---- processes of our own, and memory that they share

pub fn prepare(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
    // Inherited by the process: one that lacks a library would wait until somebody closes the system's message about it.
    // SAFETY: both take and give numbers only.
    #[expect(unsafe_code, reason = "calls into the system")]
    unsafe {
        SetErrorMode(GetErrorMode() | SEM_FAILCRITICALERRORS);
    }
}

/// Done from outside, by the [`Leash`].
pub fn die_with_parent() {}

/// A process without a window cannot be asked, only killed.
pub fn terminate(_: u32) {}

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

/// A job object that kills the processes in it when its last handle is closed, by us or by the system at our end.
pub struct Leash {
    _job: OwnedHandle,
}

impl Leash {
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

pub fn shared_file(n_bytes: u64) -> io::Result<NamedTempFile> {
    let create = |path: &Path| {
        // Deleted with its last handle, also when this program is killed; kept in memory as far as possible.
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
            .attributes(FILE_ATTRIBUTE_TEMPORARY)
            .open(path)
    };
    let file = tempfile::Builder::new().prefix(SHARED_FILE_PREFIX).make(create)?;
    let (file, path) = file.into_parts();
    file.set_len(n_bytes)?;
    Ok(NamedTempFile::from_parts(file, path))
}

// ---- reset

/// How long the system's own tool may take; disabling a camera that a hung program holds can take it for ever.
const RESET_DEADLINE: Duration = Duration::from_secs(9);
/// `ERROR_ACCESS_DENIED` and `ERROR_SUCCESS_REBOOT_REQUIRED` of `winerror.h`.
const ACCESS_DENIED: i32 = 5;
const REBOOT_REQUIRED: i32 = 3010;

/// Disables the device and enables it, through `pnputil` (Windows 10, version 2004, or later).
pub fn reset(device: &Device) -> Result<(), Fault> {
    let label = device.label();
    let failed = |why: &str| {
        Fault::new(FaultKind::ResetFailed, format!("{label} could not be reset: {why}"))
            .with_advice("Unplug the camera and plug it in again. To reset it needs Windows 10, version 2004, or later, and administrator rights.")
    };
    let instance = instance_id(&device.path).ok_or_else(|| failed("the system does not tell which device it is"))?;
    let mut command = Command::new("pnputil");
    command.args(["/restart-device", &instance]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.creation_flags(CREATE_NO_WINDOW);
    let mut child = command.spawn().map_err(|error| failed(&format!("pnputil does not start: {error}")))?;
    let deadline = Instant::now() + RESET_DEADLINE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            Ok(None) => {
                let _ = child.kill();
                return Err(failed(&format!("pnputil has not come back for {} s", RESET_DEADLINE.as_secs())));
            }
            Err(error) => return Err(failed(&error.to_string())),
        }
    };
    match status.code() {
        Some(0) => Ok(()),
        Some(ACCESS_DENIED) => {
            let message = format!("the system does not let this program reset {label}");
            Err(Fault::new(FaultKind::Denied, message).with_code(ACCESS_DENIED).with_advice(
                "Resetting a camera needs administrator rights: start Camclinic with “Run as administrator”.",
            ))
        }
        Some(REBOOT_REQUIRED) => Err(failed("Windows wants to be restarted first")
            .with_code(REBOOT_REQUIRED)
            .with_advice("Restart the computer; or unplug the camera and plug it in again.")),
        Some(code) => Err(failed("pnputil refused").with_code(code)),
        None => Err(failed("pnputil was ended")),
    }
}

/// `usb\vid_046d&pid_082d&mi_00\6&1a2b&0&0000` for the symbolic link `\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b&0&0000#{…}\global`.
fn instance_id(link: &str) -> Option<String> {
    let (id, _) = link.strip_prefix(r"\\?\")?.rsplit_once("#{")?;
    Some(id.replace('#', r"\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(link: &str, expected: Option<&str>) {
        assert_eq!(instance_id(link).as_deref(), expected, "{link}");
    }

    #[test]
    fn a_symbolic_link_names_its_instance() {
        let link = r"\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b&0&0000#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\global";
        check(link, Some(r"usb\vid_046d&pid_082d&mi_00\6&1a2b&0&0000"));
        check("0", None);
        check(r"\\?\usb#vid_046d", None);
    }
}
