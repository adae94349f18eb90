//! Resetting a camera on its bus: USB devices by their port, others by their driver. Whether to do it is not decided here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sysfs::read;
use super::{DEV, SYSFS};
use crate::device::{Device, codes};
use crate::fault::{Fault, FaultKind};

/// What can be reset of a camera.
#[derive(Debug, PartialEq, Eq)]
enum Resettable {
    /// A device on the bus, by its node, with its maker's number.
    Usb { node: PathBuf, vendor_id: String },
    /// Whatever else has a driver that can let go of it: the driver's folder, and its name for the device.
    Bound { driver: PathBuf, name: String },
}

/// USB: `USBDEVFS_RESET`, a third of a second, and the camera may come back under another number. Others: their driver
/// lets go of them and takes them again.
pub fn reset(device: &Device) -> Result<(), Fault> {
    let label = device.label();
    let node = Path::new(&device.path).file_name().map(|name| Path::new(SYSFS).join(name));
    match node.and_then(|node| resettable(&node)) {
        Some(Resettable::Usb { node, vendor_id }) => reset_usb(&node).map_err(|error| {
            let rights = format!(
                "Resetting it needs write access to {}: run Camclinic as root once, or have a udev rule made \
                 (SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{vendor_id}\", GROUP=\"video\", MODE=\"0660\") and plug the camera in again.",
                node.display()
            );
            not_reset(&error, &label, rights)
        }),
        Some(Resettable::Bound { driver, name }) => {
            let write = |file: &str| fs::write(driver.join(file), &name);
            write("unbind").and_then(|()| write("bind")).map_err(|error| {
                let rights = format!("Resetting it needs write access to {}: run Camclinic as root.", driver.display());
                not_reset(&error, &label, rights)
            })
        }
        None => {
            let fault = Fault::new(FaultKind::ResetFailed, format!("there is no device behind {label} to be reset"));
            Err(fault.with_advice("Restart the program that makes its picture."))
        }
    }
}

fn not_reset(error: &io::Error, label: &str, rights: String) -> Fault {
    let message = error.to_string();
    let fault = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Fault::new(FaultKind::Denied, format!("the system does not let this program reset {label}"))
                .with_advice(rights)
        }
        _ => {
            Fault::new(FaultKind::ResetFailed, format!("{label} could not be reset: {}", codes::without_code(&message)))
        }
    };
    match error.raw_os_error() {
        Some(code) => fault.with_code(code),
        None => fault,
    }
}

/// What is behind a node of [`SYSFS`]; `None` for a camera that a program makes.
fn resettable(node: &Path) -> Option<Resettable> {
    let device = fs::canonicalize(node.join("device")).ok()?;
    let number = |folder: &Path, file: &str| read(&folder.join(file))?.parse::<u32>().ok();
    for folder in device.ancestors() {
        if let (Some(bus), Some(number), Some(vendor_id)) =
            (number(folder, "busnum"), number(folder, "devnum"), read(&folder.join("idVendor")))
        {
            let node = Path::new(DEV).join(format!("bus/usb/{bus:03}/{number:03}"));
            return Some(Resettable::Usb { node, vendor_id });
        }
    }
    let driver = fs::canonicalize(device.join("driver")).ok()?;
    Some(Resettable::Bound { driver, name: device.file_name()?.to_str()?.to_owned() })
}

fn reset_usb(node: &Path) -> io::Result<()> {
    /// `_IO('U', 20)` of `linux/usbdevice_fs.h`.
    const USBDEVFS_RESET: rustix::ioctl::Opcode = rustix::ioctl::opcode::none(b'U', 20);
    let node = fs::OpenOptions::new().read(true).write(true).open(node)?;
    // SAFETY: the number is that of a request without an argument, so that the system neither reads nor writes memory of
    // ours; on a file that is no USB device it is refused.
    #[expect(unsafe_code, reason = "no safe wrapper has this request")]
    let reset = unsafe { rustix::ioctl::ioctl(&node, rustix::ioctl::NoArg::<USBDEVFS_RESET>::new()) };
    match reset {
        // The device came back as another one and is announced anew, which is as good (`usb_reset_and_verify_device`).
        Ok(()) | Err(rustix::io::Errno::NODEV) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeSysfs;
    use super::*;

    #[test]
    fn what_is_behind_a_camera_is_found_for_its_reset() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("A"));
        let root = fs::canonicalize(system.root.path()).unwrap();
        let class = root.join("class");
        // Without its numbers on the bus it is a device like any other.
        let driver = root.join("bus/usb/drivers/uvcvideo");
        let bound = Resettable::Bound { driver, name: "1-1:1.0".into() };
        assert_eq!(resettable(&class.join("video0")), Some(bound));
        fs::write(root.join("usb1/1-1/busnum"), "1\n").unwrap();
        fs::write(root.join("usb1/1-1/devnum"), "23\n").unwrap();
        let usb = Resettable::Usb { node: "/dev/bus/usb/001/023".into(), vendor_id: "046d".into() };
        assert_eq!(resettable(&class.join("video0")), Some(usb));
        assert_eq!(resettable(&class.join("video1")), None);
    }

    #[test]
    fn a_reset_that_cannot_be_done_says_why() {
        let nothing = Device { path: "/dev/video99999".into(), name: "Cam".into(), ..Device::default() };
        assert_eq!(reset(&nothing).map_err(|fault| fault.kind), Err(FaultKind::ResetFailed));
        let denied = not_reset(&io::Error::from_raw_os_error(13), "Cam", "Be root.".into());
        assert_eq!((denied.kind, denied.code, denied.advice.as_str()), (FaultKind::Denied, Some(13), "Be root."));
        // No USB device: the request reaches no driver that knows it.
        assert_eq!(reset_usb(Path::new("/dev/null")).map_err(|error| error.raw_os_error()), Err(Some(25)));
        assert_eq!(reset_usb(Path::new("/no/such/node")).map_err(|error| error.raw_os_error()), Err(Some(2)));
    }
}
