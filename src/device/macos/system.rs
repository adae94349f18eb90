//! What the rest of the program asks macOS: AVFoundation lists cameras, and the system decides who may use them.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::cameras::{self, ReportedCamera};
pub use super::watch::WatchGuard;
use super::{core_media_io, watch};
pub(in crate::device) use super::{process, shared_memory};
// The system tells that a camera is in use, and not by whom.
pub use crate::device::elsewhere::{
    ControlPort, confinement, heat, holders, holders_of_each, kernel_log, node_state, number, pressure,
    resumed_secs_ago, siblings, taken_error, usb_state, why_no_start, without_driver,
};
use crate::device::native::{native_cameras, unlisted};
use crate::device::process::prepare;
use crate::device::watch::DeviceEvent;
use crate::device::{Capabilities, Device, Usability};
use crate::fault::{Fault, FaultKind};

pub fn list() -> Vec<Device> {
    let listed = native_cameras()
        .into_iter()
        .map(|(camera, model)| ReportedCamera { name: camera.name, unique_id: camera.path, model })
        .collect::<Vec<_>>();
    // The system's own report takes most of a second, and knows as much as is needed without the native backend.
    let listed = if listed.is_empty() { reported().unwrap_or_default() } else { listed };
    cameras::devices(&listed)
}

/// A report of the system about itself takes half a second, and much longer on a busy one.
const REPORT_DEADLINE: Duration = Duration::from_secs(4);
/// No report on cameras is longer.
const MAX_REPORT: u64 = 1 << 20;

fn reported() -> Option<Vec<ReportedCamera>> {
    let mut command = Command::new("/usr/sbin/system_profiler");
    command.args(["-json", "SPCameraDataType"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    prepare(&mut command);
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    // Reads while it runs, as a pipe that is full would stop it; its end comes with that of the process.
    let reader = thread::Builder::new().name("read-report".into()).spawn(move || {
        let mut text = String::new();
        output.take(MAX_REPORT).read_to_string(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + REPORT_DEADLINE;
    let is_done = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            _ => break false,
        }
    };
    if !is_done {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    }
    cameras::report(&reader.ok()?.join().ok()?.ok()?)
}

/// A number may be right although nothing lists it.
pub fn by_path(text: &str) -> Option<Device> {
    unlisted(text)
}

/// There are no nodes here.
pub fn check_node(_: &Path) -> Result<(), Fault> {
    Ok(())
}

/// Asks no driver.
pub fn may_open(path: &Path) -> Result<(), Fault> {
    let path = path.to_string_lossy();
    authorization().and_then(|status| cameras::denied(status, &path)).map_or(Ok(()), Err)
}

/// What macOS has decided about this program and cameras (`AVAuthorizationStatus`). `None` in a build without nokhwa.
fn authorization() -> Option<i64> {
    #[cfg(feature = "native")]
    let status = std::panic::catch_unwind(nokhwa_bindings_macos::current_authorization_status)
        .ok()
        .and_then(|status| i64::try_from(status as isize).ok());
    #[cfg(not(feature = "native"))]
    let status = None;
    status
}

pub fn examine(path: &Path) -> Usability {
    let path = path.to_string_lossy();
    if let Some(fault) = authorization().and_then(|status| cameras::denied(status, &path)) {
        return Usability::Unusable(fault);
    }
    match core_media_io::is_running(&path) {
        Some(true) => Usability::Unusable(cameras::running(&path)),
        Some(false) | None => Usability::Unknown,
    }
}

/// AVFoundation tells formats of a camera only in ways that have crashed programs; this asks what it may be asked safely.
pub fn capabilities(device: &Device) -> Result<Capabilities, Fault> {
    // Not yet asked is no refusal: the system asks when a camera is opened.
    if let Some(fault) =
        authorization().filter(|status| *status != 0).and_then(|status| cameras::denied(status, &device.label()))
    {
        return Err(fault);
    }
    Err(Fault::new(
        FaultKind::BackendMissing,
        format!("what {} can do is not known on this system before it is opened", device.label()),
    ))
}

/// Programs that take a camera or let it go are not told of.
pub const TELLS_OF_USE: bool = false;

pub fn watch(report: impl Fn(DeviceEvent) + Send + 'static) -> Option<WatchGuard> {
    watch::watch(move || report(DeviceEvent::ListChanged))
}

// ---- reset

/// Only drivers may reset a device here.
pub fn reset(device: &Device) -> Result<(), Fault> {
    Err(Fault::new(FaultKind::ResetFailed, format!("macOS lets no program reset {}", device.label())))
}
