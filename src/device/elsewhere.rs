//! The answers where a system tells nothing: all of them on systems that are not known, and on each of the others those that it
//! cannot give itself.
#![allow(dead_code, reason = "each system takes what it lacks")]
#![expect(clippy::unnecessary_wraps, reason = "the others have more to say")]

use std::io;
use std::path::Path;

use super::watch::DeviceEvent;
use super::{Capabilities, Device, Heat, Holder, KernelLine, NodeState, Pressure, Undriven, Usability, UsbState};
use crate::backend::Backend;
use crate::control::{Control, ControlSetting};
use crate::fault::{Fault, FaultKind};

pub mod process;
pub mod shared_memory;

pub fn list() -> Vec<Device> {
    Vec::new()
}

pub fn by_path(_: &str) -> Option<Device> {
    None
}

pub fn check_node(_: &Path) -> Result<(), Fault> {
    Ok(())
}

pub fn may_open(_: &Path) -> Result<(), Fault> {
    Ok(())
}

pub fn examine(_: &Path) -> Usability {
    Usability::Unknown
}

pub fn holders(_: &Path) -> Vec<Holder> {
    Vec::new()
}

pub fn capabilities(device: &Device) -> Result<Capabilities, Fault> {
    let what = format!("what {} can do is not known on this system before it is opened", device.label());
    Err(Fault::new(FaultKind::BackendMissing, what))
}

pub const TELLS_OF_USE: bool = false;

pub struct WatchGuard;

pub fn watch(_: impl Fn(DeviceEvent) + Send + 'static) -> Option<WatchGuard> {
    None
}

/// There is none on this system.
pub enum ControlPort {}

impl ControlPort {
    pub fn open(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn read(&mut self) -> io::Result<Vec<Control>> {
        match *self {}
    }

    pub fn set(&mut self, _: ControlSetting) -> Result<(), String> {
        match *self {}
    }
}

pub fn reset(device: &Device) -> Result<(), Fault> {
    Err(Fault::new(FaultKind::ResetFailed, format!("this system has no way to reset {}", device.label())))
}

/// Backends count cameras as the list does.
pub fn number(device: &Device, backend: Backend) -> Option<u32> {
    device.index.filter(|_| backend != Backend::Simulated)
}

/// [`examine`](super::examine) tells all that there is.
pub fn taken_error(_: &Path) -> Option<i32> {
    None
}

pub fn holders_of_each(nodes: &[&Path]) -> Vec<Vec<Holder>> {
    nodes.iter().map(|node| super::system::holders(node)).collect()
}

pub fn why_no_start(_: &Path, _: &str, _: Option<i32>) -> Option<Fault> {
    None
}

pub fn without_driver() -> Vec<Undriven> {
    Vec::new()
}

pub fn usb_state(_: &Device) -> Option<UsbState> {
    None
}

/// Cameras in one port are parts of one device.
pub fn siblings(device: &Device) -> Vec<Device> {
    let Some(usb) = &device.usb else { return Vec::new() };
    let is_sibling =
        |other: &Device| other.path != device.path && other.usb.as_ref().is_some_and(|other| other.port == usb.port);
    super::list().into_iter().filter(is_sibling).collect()
}

pub fn node_state(_: &str) -> NodeState {
    NodeState::default()
}

pub fn confinement() -> Option<String> {
    None
}

pub fn kernel_log(_: &Device) -> Option<Vec<KernelLine>> {
    None
}

pub fn resumed_secs_ago() -> Option<f64> {
    None
}

pub fn heat() -> Heat {
    Heat::default()
}

pub fn pressure() -> Pressure {
    Pressure::default()
}
