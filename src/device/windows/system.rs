//! What the rest of the program asks Windows: the plug-and-play manager, Media Foundation and DirectShow know a part each.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::access::AccessState;
use super::cameras::{self, ListedCamera};
use super::consent::RunningProcess;
pub use super::controls::ControlPort;
use super::instance::instance_of;
pub use super::watch::WatchGuard;
use super::{controls, directshow, media_types, registry, setup, watch};
pub(in crate::device) use super::{process, shared_memory};
use crate::backend::Backend;
pub use crate::device::elsewhere::{
    confinement, heat, holders_of_each, kernel_log, node_state, pressure, resumed_secs_ago, siblings, taken_error,
    usb_state, why_no_start, without_driver,
};
use crate::device::native::{native_cameras, unlisted};
use crate::device::process::prepare;
use crate::device::watch::DeviceEvent;
use crate::device::{Capabilities, Device, Holder, Usability};
use crate::fault::{Fault, FaultKind};

pub fn list() -> Vec<Device> {
    let _com = directshow::Com::start();
    cameras::devices(&setup::nodes(None).unwrap_or_default(), &media_foundation(), &directshow::list())
}

fn media_foundation() -> Vec<ListedCamera> {
    let mut listed = native_cameras();
    listed.sort_by_key(|(camera, _)| camera.index);
    listed.into_iter().map(|(camera, _)| ListedCamera { name: camera.name, path: camera.path }).collect()
}

/// Media Foundation counts the cameras in an order of its own.
pub fn number(device: &Device, backend: Backend) -> Option<u32> {
    if backend != Backend::Msmf {
        return device.index;
    }
    let _com = directshow::Com::start();
    let listed = media_foundation();
    if listed.is_empty() {
        return device.index;
    }
    cameras::position(&device.path, &listed).and_then(|number| u32::try_from(number).ok())
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
    match examine(path) {
        // Whoever uses it is told by `holders`.
        Usability::Unusable(fault) if fault.kind != FaultKind::Busy => Err(fault),
        Usability::Unusable(_) | Usability::Openable | Usability::Unknown => Ok(()),
    }
}

/// Asks no driver. A camera that opens and one whose driver fails look the same from here.
pub fn examine(path: &Path) -> Usability {
    let path = path.to_string_lossy();
    access_state(&path).why_not(&path).map_or(Usability::Unknown, Usability::Unusable)
}

/// Windows keeps this for all cameras together: it is told only where there is no other.
pub fn holders(path: &Path) -> Vec<Holder> {
    let path = path.to_string_lossy();
    let state = access_state(&path);
    if state.is_only_camera(&path) { state.holders() } else { Vec::new() }
}

fn access_state(path: &str) -> AccessState {
    let store = registry::consent();
    // The list of processes takes the longest, and most often there is nobody to look for.
    let processes = if store.uses().is_empty() { Vec::new() } else { processes() };
    AccessState { nodes: setup::nodes(instance_of(path).as_deref()), store, processes, own: own_files() }
}

fn processes() -> Vec<RunningProcess> {
    let Ok(mut system) = System::new() else { return Vec::new() };
    let exe = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, exe);
    let describe = |process: &sysinfo::Process| {
        let file = process.exe().filter(|file| !file.as_os_str().is_empty());
        let file = file.map_or_else(|| process.name().to_string_lossy(), |file| file.to_string_lossy());
        RunningProcess { pid: process.pid().as_u32(), file: file.into_owned() }
    };
    system.processes().values().map(describe).collect()
}

/// This program and its worker, which lie beside each other.
fn own_files() -> Vec<String> {
    let Ok(own) = std::env::current_exe() else { return Vec::new() };
    let others = ["camclinic.exe", "camclinic-worker.exe"].map(|name| own.with_file_name(name));
    [own].into_iter().chain(others).map(|file| file.to_string_lossy().into_owned()).collect()
}

/// DirectShow's: it lists more cameras than Media Foundation, and their drivers tell all that they have without being
/// started.
pub fn capabilities(device: &Device) -> Result<Capabilities, Fault> {
    let _com = directshow::Com::start();
    let listed = directshow::list();
    let asked = cameras::position(&device.path, &listed).and_then(|number| listed.get(number)).map(|listed| {
        directshow::bind(&listed.path).map(|camera| (directshow::offers(&camera), controls::of(&camera)))
    });
    match asked {
        Some(Some((offers, controls))) if !offers.is_empty() => {
            Ok(Capabilities { formats: media_types::formats(&offers), controls, ..Capabilities::default() })
        }
        asked => match examine(Path::new(&device.path)) {
            Usability::Unusable(fault) => Err(fault),
            _ if asked.is_some() => {
                let message = format!("the driver of {} does not say what it can do", device.label());
                Err(Fault::new(FaultKind::OpenFailed, message))
            }
            _ => {
                let message = format!("what {} can do is not known before it is opened", device.label());
                Err(Fault::new(FaultKind::BackendMissing, message))
            }
        },
    }
}

/// Programs that take a camera or let it go are not told of.
pub const TELLS_OF_USE: bool = false;

pub fn watch(report: impl Fn(DeviceEvent) + Send + 'static) -> Option<WatchGuard> {
    watch::watch(move || report(DeviceEvent::ListChanged))
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
    let instance = instance_of(&device.path).ok_or_else(|| failed("the system does not tell which device it is"))?;
    let mut command = Command::new("pnputil");
    command.args(["/restart-device", &instance]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    prepare(&mut command);
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
