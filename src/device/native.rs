//! Cameras as nokhwa lists them, for the systems whose own interfaces need `unsafe` code.

use super::Device;

/// All of them, each with its description. Empty when the system refuses to tell, or in a build without nokhwa.
pub fn native_cameras() -> Vec<(Device, String)> {
    #[cfg(feature = "native")]
    let cameras = std::panic::catch_unwind(|| nokhwa::query(nokhwa::utils::ApiBackend::Auto))
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
        .into_iter()
        .map(|camera| {
            let device = Device {
                identity: camera.misc(),
                name: crate::foreign::safe(camera.human_name().as_bytes()),
                path: camera.misc(),
                index: camera.index().as_index().ok(),
                ..Device::default()
            };
            (device, camera.description().to_owned())
        })
        .collect();
    #[cfg(not(feature = "native"))]
    let cameras = Vec::new();
    cameras
}

/// A camera that is not listed and was named by its number.
pub fn unlisted(text: &str) -> Option<Device> {
    let index = text.parse().ok()?;
    Some(Device {
        identity: text.to_owned(),
        name: format!("Camera {text}"),
        path: text.to_owned(),
        index: Some(index),
        ..Device::default()
    })
}
