//! Cameras as Linux has them: `/sys` lists them, `/dev` has their nodes, and V4L2 asks their drivers.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, OFlags, access};

pub use self::controls::ControlPort;
pub use self::processes::{holders, holders_of_each};
use self::refusal::fault_of;
pub use self::reset::reset;
pub use self::start::taken_error;
pub use self::surroundings::{
    confinement, heat, kernel_log, node_state, pressure, resumed_secs_ago, siblings, usb_state,
};
use self::sysfs::number_of;
use self::system_files::SystemFiles;
pub use self::watch::{TELLS_OF_USE, WatchGuard, watch};
pub use super::elsewhere::number;
use super::{Capabilities, Device, Undriven, Usability};
use crate::fault::Fault;

pub mod capture;
mod controls;
#[cfg(test)]
mod fake;
mod permissions;
pub mod process;
mod processes;
mod query;
mod refusal;
mod reset;
mod sandbox;
pub mod shared_memory;
mod start;
mod surroundings;
mod sysfs;
mod system_files;
mod undriven;
mod usb_bus;
mod watch;

const SYSFS: &str = "/sys/class/video4linux";
const DEV: &str = "/dev";
const UDEV_DATA: &str = "/run/udev/data";

/// For the standard library's way of opening files.
const O_NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

pub fn list() -> Vec<Device> {
    sysfs::list_in(Path::new(SYSFS), Path::new(DEV), Path::new(UDEV_DATA))
}

/// A node that the user named by its path (also a link to it, as in `/dev/v4l/by-id`), by its number, or by the name of
/// its link in `/dev/v4l/by-id` or `by-path`, whether or not it exists.
pub fn by_path(text: &str) -> Option<Device> {
    let path = if text.starts_with("/dev/") {
        PathBuf::from(text)
    } else if let Ok(index) = text.parse::<u32>() {
        Path::new(DEV).join(format!("video{index}"))
    } else {
        ["v4l/by-id", "v4l/by-path"].iter().map(|folder| Path::new(DEV).join(folder).join(text)).find(|p| p.exists())?
    };
    let path = fs::canonicalize(&path).unwrap_or(path);
    let text = path.to_string_lossy().into_owned();
    Some(Device {
        identity: text.clone(),
        name: text.clone(),
        index: number_of(&path),
        path: text,
        ..Device::default()
    })
}

/// Whether there is a node at all. Nothing is opened.
pub fn check_node(path: &Path) -> Result<(), Fault> {
    fs::metadata(path).map(drop).map_err(|error| fault_of(&error, path))
}

/// Whether this user may open a node. Nothing is opened.
pub fn may_open(path: &Path) -> Result<(), Fault> {
    access(path, Access::READ_OK | Access::WRITE_OK).map_err(|error| fault_of(&error.into(), path))
}

pub fn examine(path: &Path) -> Usability {
    match refusal::why_not(path) {
        Some(fault) => Usability::Unusable(fault),
        None => Usability::Openable,
    }
}

/// Cameras that are plugged in and have no node.
pub fn without_driver() -> Vec<Undriven> {
    undriven::list(&SystemFiles::of_this_system())
}

/// Why a stream does not start that has just failed to, by the error's number, or what the driver itself says when it is
/// asked once more. Blocks as long as it does.
pub fn why_no_start(path: &Path, label: &str, code: Option<i32>) -> Option<Fault> {
    let code = code.or_else(|| start::start_error(path))?;
    refusal::why_no_start(Path::new(SYSFS), path, label, code, &list())
}

/// Calls the driver, and blocks as long as it does.
pub fn capabilities(device: &Device) -> Result<Capabilities, Fault> {
    let path = Path::new(&device.path);
    query::capabilities(path).map_err(|error| fault_of(&error, path))
}
