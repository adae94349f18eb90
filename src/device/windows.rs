//! Cameras as Media Foundation lists them.
//!
//! DirectShow also lists virtual cameras that Media Foundation does not know, behind the others on most systems: a number
//! means the same camera to both only as long as there are none.

use std::path::Path;

use super::{Device, Usability};

pub fn list() -> Vec<Device> {
    let mut devices = super::native_cameras()
        .into_iter()
        .map(|camera| {
            let id = |key: &str| {
                let (_, rest) = camera.id.split_once(key)?;
                rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())).map(str::to_owned)
            };
            Device {
                vendor_id: id("vid_"),
                product_id: id("pid_"),
                identity: camera.id.clone(),
                path: camera.id,
                name: camera.name,
                index: camera.index,
                ..Device::default()
            }
        })
        .collect::<Vec<_>>();
    devices.sort_by(|a, b| a.index.cmp(&b.index).then_with(|| a.identity.cmp(&b.identity)));
    devices
}

/// A number may be right although nothing lists it: in a build without the native backend, or for a
/// camera that only DirectShow knows.
pub fn by_path(text: &str) -> Option<Device> {
    super::unlisted(text)
}

pub fn examine(_: &Path) -> Usability {
    Usability::Unknown
}
