//! Cameras as AVFoundation lists them.

use std::path::Path;

use super::{Device, Usability};
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

pub fn examine(_: &Path) -> Usability {
    Usability::Unknown
}

// ---- reset

/// Only drivers may reset a device here.
pub fn reset(device: &Device) -> Result<(), Fault> {
    Err(Fault::new(FaultKind::ResetFailed, format!("macOS lets no program reset {}", device.label())))
}
