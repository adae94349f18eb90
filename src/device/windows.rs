//! Cameras as Media Foundation lists them.
//!
//! DirectShow also lists virtual cameras that Media Foundation does not know, behind the others on most systems: a number
//! means the same camera to both only as long as there are none.

use std::path::Path;

use super::{Device, Usability};
use crate::fault::Fault;

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

pub fn examine(_: &Path) -> Usability {
    Usability::Unknown
}
