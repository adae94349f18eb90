//! The list of cameras, from `/sys/class/video4linux`.
//!
//! Only files are read: no ioctl is called, so that listing wakes no camera and cannot hang in a driver.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::device::{Device, DeviceKind, UsbLink, kind};
use crate::foreign::{plain, safe};

/// Those of `sysfs`, with their nodes in `dev`; what udev has found out about them is in `udev_data`.
pub fn list_in(sysfs: &Path, dev: &Path, udev_data: &Path) -> Vec<Device> {
    let mut nodes = fs::read_dir(sysfs)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((number_of(&entry.path())?, entry.path())))
        .collect::<Vec<_>>();
    nodes.sort();
    let mut devices = nodes
        .iter()
        .filter(|(_, node)| is_capture_node(node, udev_data))
        .map(|(number, node)| describe(*number, node, dev))
        .collect::<Vec<_>>();
    tell_apart(&mut devices);
    devices
}

/// 3 for `…/video3`.
pub fn number_of(node: &Path) -> Option<u32> {
    node.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

/// Whether a program makes its picture (v4l2loopback): `node` is one of sysfs.
pub fn is_virtual(node: &Path) -> bool {
    fs::canonicalize(node).is_ok_and(|path| {
        let folders: Vec<_> = path.components().map(std::path::Component::as_os_str).collect();
        folders.windows(2).any(|pair| pair == ["devices", "virtual"])
    })
}

/// Whether pictures come from it.
pub fn is_capture_node(node: &Path, udev_data: &Path) -> bool {
    let udev = || {
        let number = read(&node.join("dev"))?;
        let data = fs::read_to_string(udev_data.join(format!("c{number}"))).ok()?;
        data.lines().find_map(|line| line.strip_prefix("E:ID_V4L_CAPABILITIES=")).map(|caps| caps.contains(":capture:"))
    };
    // A loopback device turns into a camera when somebody feeds it, and udev does not look again.
    if is_virtual(node) {
        return true;
    }
    // Without udev: uvcvideo gives the number 1 to the metadata node beside a camera.
    udev().unwrap_or_else(|| {
        let driver = link_name(&node.join("device/driver"));
        let is_codec = driver.is_some_and(|driver| kind::is_codec(&driver));
        !is_codec && read(&node.join("index")).is_none_or(|index| index == "0")
    })
}

/// The name of what a link of sysfs points to.
pub fn link_name(link: &Path) -> Option<String> {
    Some(safe(fs::read_link(link).ok()?.file_name()?.as_encoded_bytes()))
}

fn describe(number: u32, node: &Path, dev: &Path) -> Device {
    let path = dev.join(format!("video{number}")).to_string_lossy().into_owned();
    let name = read(&node.join("name")).unwrap_or_else(|| path.clone());
    let parent = fs::canonicalize(node.join("device")).ok();
    let driver = link_name(&node.join("device/driver"));
    let parent_name = parent.as_deref().and_then(Path::file_name).map(|name| safe(name.as_encoded_bytes()));
    let subsystem = link_name(&node.join("device/subsystem"));
    let bus = parent_name.as_ref().map(|name| format!("{} {name}", subsystem.as_deref().unwrap_or("device")));
    // An interface of a USB device: what concerns the whole device is one folder up.
    let usb = parent.as_deref().and_then(Path::parent).filter(|_| subsystem.as_deref() == Some("usb"));
    let usb_file = |file| usb.and_then(|folder| read(&folder.join(file)));
    let (vendor_id, product_id, serial) = (usb_file("idVendor"), usb_file("idProduct"), usb_file("serial"));

    let mut identity = match (&vendor_id, &product_id, &parent_name) {
        (Some(vendor), Some(product), Some(interface)) => usb_identity(vendor, product, serial.as_deref(), interface),
        (_, _, Some(parent)) => format!("{}-{parent}", subsystem.as_deref().unwrap_or("device")),
        _ => format!("virtual-{name}"),
    };
    // Two cameras in one USB device, as the coloured and the infrared one of many laptops.
    let interface = parent_name.as_deref().filter(|_| usb.is_some()).and_then(|name| name.rsplit_once('.'));
    if let Some((_, nth)) = interface.filter(|(_, nth)| *nth != "0") {
        identity = format!("{identity}-if{nth}");
    }
    // A camera behind the same interface as another.
    if let Some(nth) = read(&node.join("index")).filter(|index| index != "0" && parent.is_some()) {
        identity = format!("{identity}-{nth}");
    }
    let link = parent_name.as_deref().filter(|_| usb.is_some()).map(|interface| {
        Box::new(UsbLink::new(port_of(interface), usb_file("speed").as_deref(), usb_file("version").as_deref()))
    });
    let mut device = Device {
        identity: plain(&identity),
        kind: DeviceKind::of(&name, driver.as_deref(), is_virtual(node)),
        is_bound_to_port: link.is_some() && serial.is_none(),
        usb: link,
        name,
        path,
        index: Some(number),
        driver,
        bus,
        vendor_id,
        product_id,
        serial,
        notes: Vec::new(),
    };
    device.write_notes();
    device
}

/// By its serial number, else by the port of its interface.
pub fn usb_identity(vendor: &str, product: &str, serial: Option<&str>, interface: &str) -> String {
    match serial {
        Some(serial) => format!("usb-{vendor}_{product}_{serial}"),
        None => format!("usb-{vendor}_{product}-port{}", port_of(interface)),
    }
}

/// `1-1` for the interface `1-1:1.0`.
pub fn port_of(interface: &str) -> &str {
    interface.split(':').next().unwrap_or(interface)
}

/// Many cheap cameras share one serial number: where two are there, the port decides; the name where no port is known, as
/// with several of one driver's.
fn tell_apart(devices: &mut [Device]) {
    let mut names_of = BTreeMap::<String, Vec<String>>::new();
    for device in devices.iter() {
        names_of.entry(device.identity.clone()).or_default().push(device.name.clone());
    }
    for device in devices.iter_mut() {
        let Some(names) = names_of.get(&device.identity).filter(|names| names.len() > 1) else { continue };
        let has_own_name = names.iter().filter(|name| **name == device.name).count() == 1;
        let place = match (&device.bus, device.index) {
            (Some(bus), _) if device.vendor_id.is_some() => {
                format!("port{}", bus.split(' ').next_back().unwrap_or_default())
            }
            _ if has_own_name => device.name.clone(),
            (_, Some(index)) => format!("port{index}"),
            _ => continue,
        };
        device.identity = plain(&format!("{}-{place}", device.identity));
        device.is_bound_to_port = device.usb.is_some();
        device.write_notes();
    }
}

/// A file's one line, fit to be shown: a device may have written it.
pub fn read(path: &Path) -> Option<String> {
    let text = safe(&fs::read(path).ok()?);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::fake::FakeSysfs;
    use super::*;

    #[test]
    fn a_camera_is_described_from_sysfs() {
        let system = FakeSysfs::new();
        system.node(10, "usb1/1-1.2/1-1.2:1.0", 0, Some("7F3E.1"));
        let expected = Device {
            identity: "usb-046d_082d_7F3E_1".into(),
            name: "Some Camera".into(),
            path: "/dev/video10".into(),
            index: Some(10),
            driver: Some("uvcvideo".into()),
            bus: Some("usb 1-1.2:1.0".into()),
            vendor_id: Some("046d".into()),
            product_id: Some("082d".into()),
            serial: Some("7F3E.1".into()),
            usb: Some(Box::new(UsbLink::new("1-1.2", None, None))),
            ..Device::default()
        };
        assert_eq!(system.list(), [expected]);
    }

    #[test]
    fn identities_do_not_depend_on_numbers() {
        let system = FakeSysfs::new();
        system.node(10, "usb1/1-1/1-1:1.0", 0, Some("A"));
        system.node(2, "usb1/1-2.4/1-2.4:1.0", 0, None);
        system.check(&[("usb-046d_082d-port1-2_4", "/dev/video2"), ("usb-046d_082d_A", "/dev/video10")]);
    }

    #[test]
    fn cameras_with_one_serial_number_are_told_apart_by_their_port() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("01.00.00"));
        system.node(2, "usb1/1-3/1-3:1.0", 0, Some("01.00.00"));
        system.check(&[
            ("usb-046d_082d_01_00_00-port1-1_1_0", "/dev/video0"),
            ("usb-046d_082d_01_00_00-port1-3_1_0", "/dev/video2"),
        ]);
    }

    #[test]
    fn a_camera_without_a_serial_number_is_bound_to_its_port() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, None);
        system.node(2, "usb1/1-3/1-3:1.0", 0, None);
        system.node(4, "usb1/1-4/1-4:1.0", 0, Some("A"));
        let devices = system.list();
        assert_eq!(devices.iter().map(|d| d.is_bound_to_port).collect::<Vec<_>>(), [true, true, false]);
        assert!(devices[1].notes[0].contains("no serial number") && devices[1].notes[0].contains("port (1-3)"));
        assert_eq!(devices[2].notes, [""; 0]);

        // One serial number for the whole model, as cheap ones have it.
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("01.00.00"));
        system.node(2, "usb1/1-3/1-3:1.0", 0, Some("01.00.00"));
        let devices = system.list();
        assert!(devices.iter().all(|d| d.is_bound_to_port && d.notes[0].contains("same serial number")), "{devices:?}");
    }

    #[test]
    fn what_a_usb_port_gives_is_told() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1.4/1-1.4:1.0", 0, Some("A"));
        fs::write(system.root.path().join("usb1/1-1.4/speed"), "480\n").unwrap();
        fs::write(system.root.path().join("usb1/1-1.4/version"), " 2.00\n").unwrap();
        let usb = system.list()[0].usb.clone().unwrap();
        assert_eq!(*usb, UsbLink::new("1-1.4", Some("480"), Some("2.00")));
        assert_eq!(usb.speed.as_deref(), Some("USB 2 high speed, 480 Mbit/s"));
    }

    #[test]
    fn two_cameras_in_one_device_are_two() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("A"));
        system.node(2, "usb1/1-1/1-1:1.2", 0, Some("A"));
        fs::write(system.root.path().join("usb1/1-1/1-1:1.2/video4linux/video2/name"), "Integrated IR Camera\n")
            .unwrap();
        system.check(&[("usb-046d_082d_A", "/dev/video0"), ("usb-046d_082d_A-if2", "/dev/video2")]);
        let devices = system.list();
        assert_eq!((devices[0].kind, devices[1].kind), (DeviceKind::Camera, DeviceKind::Infrared));
        assert!(devices[1].notes[0].contains("infrared") && !devices[1].is_bound_to_port);
    }

    #[test]
    fn a_virtual_camera_is_marked() {
        let system = FakeSysfs::new();
        let node = system.root.path().join("devices/virtual/video4linux/video10");
        fs::create_dir_all(&node).unwrap();
        fs::write(node.join("name"), "Dummy video device (0x0000)\n").unwrap();
        symlink(&node, system.root.path().join("class/video10")).unwrap();
        let devices = system.list();
        assert_eq!(devices[0].kind, DeviceKind::Virtual);
        assert_eq!(devices[0].identity, "virtual-Dummy_video_device__0x0000_");
    }

    #[test]
    fn several_of_one_driver_are_told_apart_by_their_names() {
        let device = |index, name: &str| Device {
            identity: "platform-vivid_0".into(),
            name: name.into(),
            index: Some(index),
            ..Device::default()
        };
        let check = |names: [&str; 2], expected: [&str; 2]| {
            let mut devices = [device(3, names[0]), device(5, names[1])];
            tell_apart(&mut devices);
            assert_eq!(devices.map(|device| device.identity), expected);
        };
        check(["vivid-000", "vivid-001"], ["platform-vivid_0-vivid-000", "platform-vivid_0-vivid-001"]);
        check(["Cam", "Cam"], ["platform-vivid_0-port3", "platform-vivid_0-port5"]);
    }

    #[test]
    fn a_codec_is_no_camera() {
        let system = FakeSysfs::new();
        system.node(0, "soc/codec/fe980000.codec", 0, None);
        let driver = system.root.path().join("soc/codec/fe980000.codec/driver");
        fs::remove_file(&driver).unwrap();
        symlink(system.root.path().join("bus/usb/drivers/bcm2835-codec"), driver).unwrap();
        system.check(&[]);
    }

    #[test]
    fn what_a_hostile_device_says_is_made_safe() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some(&"../\u{1b}[2J".repeat(2_000)));
        let name = system.root.path().join("usb1/1-1/1-1:1.0/video4linux/video0/name");
        for (bytes, shown) in [(&b"\x1b]0;x\x07Cam\xff"[..], "\u{fffd}]0;x\u{fffd}Cam\u{fffd}"), (b"\n", "/dev/video0")]
        {
            fs::write(&name, bytes).unwrap();
            let device = system.list().remove(0);
            assert_eq!(device.name, shown);
            let texts = [&device.identity, device.serial.as_ref().unwrap()];
            assert!(texts.iter().all(|text| text.len() < 1_000 && !text.contains('\u{1b}')), "{device:?}");
            assert!(!device.identity.contains(['/', '.', '[']), "{}", device.identity);
        }
    }

    #[test]
    fn only_nodes_with_pictures_are_listed() {
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("A"));
        system.node(1, "usb1/1-1/1-1:1.0", 1, Some("A"));
        system.check(&[("usb-046d_082d_A", "/dev/video0")]);

        // Where udev has looked, it knows better: an infrared camera beside the first, a codec that is no camera.
        system.node(2, "usb1/1-1/1-1:1.0", 2, Some("A"));
        system.node(4, "usb1/1-2/1-2:1.0", 0, Some("B"));
        system.udev_says(0, ":capture:");
        system.udev_says(1, ":");
        system.udev_says(2, ":capture:");
        system.udev_says(4, ":video_output:");
        system.check(&[("usb-046d_082d_A", "/dev/video0"), ("usb-046d_082d_A-2", "/dev/video2")]);
    }

    #[test]
    fn a_system_without_cameras_has_an_empty_list() {
        assert_eq!(list_in(Path::new("/no/such/folder"), Path::new("/dev"), Path::new("/none")), []);
    }

    #[test]
    fn an_identity_can_be_typed() {
        use crate::source::SourceSpec;
        let system = FakeSysfs::new();
        system.node(0, "usb1/1-1.4/1-1.4:1.0", 0, Some("ÄÖ /.x"));
        for device in system.list() {
            assert_eq!(SourceSpec::parse(&device.identity), Ok(SourceSpec::Device(device.identity)));
        }
    }
}
