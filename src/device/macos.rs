//! Cameras as AVFoundation lists them.

use std::io;
use std::path::Path;

use rustix::fs::FallocateFlags;
use tempfile::NamedTempFile;

pub use super::unix::{Leash, end_now, prepare, terminate};
use super::watch::Sign;
use super::{Capabilities, Device, Holder, SHARED_FILE_PREFIX, Usability};
use crate::control::{Control, Setting};
use crate::fault::{Fault, FaultKind};

pub fn list() -> Vec<Device> {
    let mut devices = super::native_cameras();
    // OpenCV counts the cameras in the order of their unique IDs (`cap_avfoundation_mac.mm`).
    devices.sort_by(|a, b| a.identity.cmp(&b.identity));
    for (index, device) in (0..).zip(&mut devices) {
        device.index = Some(index);
    }
    devices
}

/// A number may be right although nothing lists it: in a build without the native backend.
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

/// The system has nothing of the kind: a worker ends with the pipe from its parent.
pub fn die_with_parent() {}

/// Only a debugger is told.
pub fn kernel_function(_: u32) -> Option<String> {
    None
}

pub fn shared_file(n_bytes: u64) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::with_prefix(SHARED_FILE_PREFIX)?;
    // `F_PREALLOCATE` reserves the space and leaves the length as it is (`fcntl(2)`).
    rustix::fs::fallocate(file.as_file(), FallocateFlags::empty(), 0, n_bytes)?;
    file.as_file().set_len(n_bytes)?;
    Ok(file)
}

// ---- reset

/// Only drivers may reset a device here.
pub fn reset(device: &Device) -> Result<(), Fault> {
    Err(Fault::new(FaultKind::ResetFailed, format!("macOS lets no program reset {}", device.label())))
}
