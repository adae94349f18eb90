//! Cameras as Media Foundation lists them.
//!
//! DirectShow also lists virtual cameras that Media Foundation does not know, behind the others on most systems: a number
//! means the same camera to both only as long as there are none.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Device, Usability};
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

pub fn examine(_: &Path) -> Usability {
    Usability::Unknown
}

// ---- reset

/// How long the system's own tool may take; disabling a camera that a hung program holds can take it for ever.
const RESET_DEADLINE: Duration = Duration::from_secs(9);
/// `CREATE_NO_WINDOW` of `WinBase.h`.
const NO_WINDOW: u32 = 0x0800_0000;
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
    std::os::windows::process::CommandExt::creation_flags(&mut command, NO_WINDOW);
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
