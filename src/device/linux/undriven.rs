//! Cameras that are plugged in and have no node, because no driver has taken them: what keeps the driver away, and what to do
//! about it. Only files are read.

use std::fs;
use std::path::Path;

use super::sysfs::{link_name, port_of, read, usb_identity};
use super::system_files::SystemFiles;
use crate::device::{Device, Undriven, UsbLink};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{plain, safe};

/// All of them.
pub fn list(files: &SystemFiles) -> Vec<Undriven> {
    let mut entries = fs::read_dir(files.path("sys/bus/usb/devices"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, fs::canonicalize(entry.path()).ok()?)))
        .collect::<Vec<_>>();
    entries.sort();
    entries.iter().filter_map(|(name, folder)| undriven(files, name, folder)).collect()
}

fn undriven(files: &SystemFiles, name: &str, folder: &Path) -> Option<Undriven> {
    let (usb, why) = if name.contains(':') {
        let is = |file, value| read(&folder.join(file)).as_deref() == Some(value);
        // The interface that controls a camera; its second one has the pictures.
        if !is("bInterfaceClass", "0e") || !is("bInterfaceSubClass", "01") {
            return None;
        }
        (folder.parent()?, without_node(files, name, folder)?)
    } else {
        // Without authorisation a device has no interfaces. The classes of cameras: video, and that of joined interfaces.
        let class = read(&folder.join("bDeviceClass"))?;
        if read(&folder.join("authorized")).as_deref() != Some("0") || !["0e", "ef"].contains(&class.as_str()) {
            return None;
        }
        let advice = format!(
            "Allow it: echo 1 | sudo tee /sys/bus/usb/devices/{name}/authorized. If USBGuard runs here, let it through there: sudo usbguard list-devices -b."
        );
        (folder, ("is kept off by a policy for USB devices (it is not authorized)".to_owned(), advice))
    };
    let file = |file| read(&usb.join(file));
    let (vendor_id, product_id, serial) = (file("idVendor")?, file("idProduct")?, file("serial"));
    let model = format!("{vendor_id}:{product_id}");
    let shown = file("product").unwrap_or_else(|| "a camera".to_owned());
    let (what, advice) = why;
    let device = Device {
        identity: plain(&usb_identity(&vendor_id, &product_id, serial.as_deref(), name)),
        name: shown.clone(),
        bus: Some(format!("usb {name}")),
        usb: Some(Box::new(UsbLink::new(port_of(name), file("speed").as_deref(), file("version").as_deref()))),
        is_bound_to_port: serial.is_none(),
        vendor_id: Some(vendor_id),
        product_id: Some(product_id),
        serial,
        ..Device::default()
    };
    let message = format!("{shown} (USB device {model} in port {}) is plugged in, but {what}", port_of(name));
    Some(Undriven { device, fault: Fault::new(FaultKind::Missing, message).with_advice(advice) })
}

/// What keeps the driver from an interface, and what to do about it. `None` where it has its driver.
fn without_node(files: &SystemFiles, name: &str, folder: &Path) -> Option<(String, String)> {
    let bind = format!("echo {name} | sudo tee /sys/bus/usb/drivers/uvcvideo/bind");
    match link_name(&folder.join("driver")).as_deref() {
        Some("uvcvideo") => return None,
        Some("usbfs") => {
            let advice = format!(
                "End the virtual machine or the program that uses it as a bare USB device; then: {bind}, or plug it in again."
            );
            return Some(("a program or a virtual machine uses it as a bare USB device (usbfs)".to_owned(), advice));
        }
        Some(other) => {
            let advice = format!(
                "Unplug it and plug it in again; or: echo {name} | sudo tee /sys/bus/usb/drivers/{other}/unbind; {bind}"
            );
            return Some((format!("the driver {other} has taken it, which makes no camera of it"), advice));
        }
        None => {}
    }
    if files.path("sys/module/uvcvideo").exists() {
        let advice = format!(
            "Unplug it and plug it in again; or: {bind}. If it stays so, the driver does not bear its description: see sudo dmesg."
        );
        return Some(("no driver has taken it".to_owned(), advice));
    }
    if let Some(list) = blacklist(files) {
        let advice = format!("Take the line with uvcvideo out of {list}; then: sudo modprobe uvcvideo.");
        return Some((format!("its driver, uvcvideo, is kept from being loaded by {list}"), advice));
    }
    let release = files.text("proc/sys/kernel/osrelease");
    let modules = format!("lib/modules/{}/modules.dep", release.trim());
    if files.path(&modules).exists() && !files.text(&modules).contains("/uvcvideo.ko") {
        let advice = format!(
            "Install the rest of this kernel's drivers (Ubuntu: sudo apt install linux-modules-extra-{}), or another kernel.",
            release.trim()
        );
        return Some(("this kernel comes without the driver for USB cameras (uvcvideo)".to_owned(), advice));
    }
    Some(("its driver, uvcvideo, is not loaded".to_owned(), "Load it: sudo modprobe uvcvideo.".to_owned()))
}

/// The file that keeps uvcvideo from being loaded (`modprobe.d(5)`).
fn blacklist(files: &SystemFiles) -> Option<String> {
    ["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"].iter().find_map(|folder| {
        let mut entries = fs::read_dir(files.path(folder)).ok()?.flatten().collect::<Vec<_>>();
        entries.sort_by_key(fs::DirEntry::file_name);
        entries.into_iter().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // modprobe reads no others.
            if Path::new(&name).extension().is_none_or(|ending| ending != "conf") {
                return None;
            }
            let file = format!("{folder}/{name}");
            let keeps = |line: &str| {
                let words = line.split_whitespace().collect::<Vec<_>>();
                match words.as_slice() {
                    ["blacklist", "uvcvideo"] => true,
                    ["install", "uvcvideo", program, ..] => program.ends_with("/true") || program.ends_with("/false"),
                    _ => false,
                }
            };
            files.text(&file).lines().any(keeps).then(|| format!("/{}", safe(file.as_bytes())))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeRoot;
    use super::*;

    const ALL_MODULES: &str = "kernel/drivers/media/usb/uvc/uvcvideo.ko: kernel/x.ko\n";

    #[track_caller]
    fn check(system: &FakeRoot, message: &str, advice: &str) {
        let found = list(&system.files());
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.device.identity, "usb-046d_082d_A7");
        assert_eq!(one.fault.kind, FaultKind::Missing);
        let start = "HD Pro C920 (USB device 046d:082d in port 1-1) is plugged in, but ";
        assert_eq!(one.fault.message.strip_prefix(start), Some(message));
        assert!(one.fault.advice.contains(advice), "{}", one.fault.advice);
    }

    #[test]
    fn a_camera_without_a_driver_says_why() {
        let plugged_in = |driver| FakeRoot::new().plugged_in(driver).with("proc/sys/kernel/osrelease", "6.1.0\n");
        assert_eq!(list(&plugged_in(Some("uvcvideo")).files()).len(), 0);
        check(&plugged_in(None), "its driver, uvcvideo, is not loaded", "sudo modprobe uvcvideo");
        let system = plugged_in(None).with("lib/modules/6.1.0/modules.dep", ALL_MODULES);
        check(&system, "its driver, uvcvideo, is not loaded", "sudo modprobe uvcvideo");
        let system = plugged_in(None).with("lib/modules/6.1.0/modules.dep", "kernel/fs/ext4/ext4.ko:\n");
        let message = "this kernel comes without the driver for USB cameras (uvcvideo)";
        check(&system, message, "linux-modules-extra-6.1.0");
        let system = plugged_in(None).with("sys/module/uvcvideo/refcnt", "0");
        let advice = "echo 1-1:1.0 | sudo tee /sys/bus/usb/drivers/uvcvideo/bind";
        check(&system, "no driver has taken it", advice);
        let message = "a program or a virtual machine uses it as a bare USB device (usbfs)";
        check(&plugged_in(Some("usbfs")), message, "End the virtual machine");
        let message = "the driver gspca_main has taken it, which makes no camera of it";
        check(&plugged_in(Some("gspca_main")), message, "gspca_main/unbind");
    }

    #[test]
    fn a_driver_that_may_not_be_loaded_is_told_from_one_that_is_not() {
        let check_file = |file: &str, text: &str, expected: bool| {
            let system = FakeRoot::new().plugged_in(None).with(file, text);
            if expected {
                let message = format!("its driver, uvcvideo, is kept from being loaded by /{file}");
                check(&system, &message, &format!("out of /{file}"));
            } else {
                check(&system, "its driver, uvcvideo, is not loaded", "sudo modprobe uvcvideo");
            }
        };
        check_file("etc/modprobe.d/no-camera.conf", "# off\nblacklist uvcvideo\n", true);
        check_file("usr/lib/modprobe.d/x.conf", "  install uvcvideo   /bin/false\n", true);
        check_file("etc/modprobe.d/x.conf", "#blacklist uvcvideo\nblacklist uvcvideo2\n", false);
        check_file("etc/modprobe.d/x.conf", "install uvcvideo /sbin/modprobe --ignore-install uvcvideo\n", false);
        check_file("etc/modprobe.d/x.conf.bak", "blacklist uvcvideo\n", false);
    }

    #[test]
    fn a_device_that_is_not_authorized_is_named() {
        let usb = "sys/devices/pci0/usb1/1-1";
        let system = FakeRoot::new()
            .plugged_in(Some("uvcvideo"))
            .with(&format!("{usb}/bDeviceClass"), "ef\n")
            .with(&format!("{usb}/authorized"), "0\n");
        check(
            &system,
            "is kept off by a policy for USB devices (it is not authorized)",
            "/sys/bus/usb/devices/1-1/authorized",
        );
        let system = system.with(&format!("{usb}/authorized"), "1\n");
        assert!(list(&system.files()).is_empty());
        // Any other sort of device is none of our business.
        let system = system.with(&format!("{usb}/authorized"), "0\n").with(&format!("{usb}/bDeviceClass"), "09\n");
        assert!(list(&system.files()).is_empty());
    }
}
