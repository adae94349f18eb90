//! The cameras of Windows, as its plug-and-play manager and its two media systems tell of them, made into devices.
//!
//! Plain data in, devices out: nothing here calls the system. Media Foundation and DirectShow count the cameras each in its own
//! order, and only DirectShow has the virtual cameras of the old kind; neither lists a camera that is disabled or has no
//! driver. The link of its interface is what both have of one camera, and the instance in it is its name at the plug-and-play
//! manager.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::instance::{InstanceId, instance_of, is_software, link, port_of};
use super::pnp_device::PnpDevice;
use crate::device::{Device, DeviceKind, UsbLink};
use crate::foreign::{plain, safe};

/// A camera on the list of Media Foundation or DirectShow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ListedCamera {
    pub name: String,
    /// The link of its interface; of a filter that has none, the name that makes it (`@device:sw:…`).
    pub path: String,
}

/// What the name of a filter begins with that a program has registered, and no driver.
const SOFTWARE_FILTER: &str = "@device:sw:";
/// One camera, as far as each of the three has it.
#[derive(Default)]
struct CameraEntry<'a> {
    instance: Option<String>,
    reference: String,
    node: Option<&'a PnpDevice>,
    media_foundation: Option<&'a ListedCamera>,
    direct_show: Option<&'a ListedCamera>,
    number: Option<usize>,
}

/// All cameras, in the order of their numbers, which are DirectShow's, or Media Foundation's if DirectShow lists none.
/// Those that only the plug-and-play manager knows come last, without a number.
#[must_use]
pub fn devices(nodes: &[PnpDevice], media_foundation: &[ListedCamera], direct_show: &[ListedCamera]) -> Vec<Device> {
    let mut all = Vec::<CameraEntry>::new();
    for (number, listed) in direct_show.iter().enumerate() {
        let (instance, reference) = parts(&listed.path);
        all.push(CameraEntry {
            instance,
            reference,
            direct_show: Some(listed),
            number: Some(number),
            ..CameraEntry::default()
        });
    }
    for (number, listed) in media_foundation.iter().enumerate() {
        let (instance, reference) = parts(&listed.path);
        let same = |seen: &&mut CameraEntry| {
            instance.is_some()
                && seen.instance == instance
                && seen.reference == reference
                && seen.media_foundation.is_none()
        };
        if let Some(seen) = all.iter_mut().find(same) {
            seen.media_foundation = Some(listed);
            continue;
        }
        let number = direct_show.is_empty().then_some(number);
        all.push(CameraEntry { instance, reference, media_foundation: Some(listed), number, ..CameraEntry::default() });
    }
    for node in nodes {
        let instance = node.instance.to_uppercase();
        let mut is_listed = false;
        for seen in all.iter_mut().filter(|seen| seen.instance.as_ref() == Some(&instance)) {
            seen.node = Some(node);
            is_listed = true;
        }
        if !is_listed && node.is_camera() {
            all.push(CameraEntry { instance: Some(instance), node: Some(node), ..CameraEntry::default() });
        }
    }
    let mut devices = all.iter().map(describe).collect::<Vec<_>>();
    tell_apart(&mut devices);
    devices.sort_by(|a, b| {
        (a.index.is_none(), a.index).cmp(&(b.index.is_none(), b.index)).then_with(|| a.identity.cmp(&b.identity))
    });
    devices
}

fn parts(path: &str) -> (Option<String>, String) {
    link(path).map_or((None, String::new()), |link| (Some(link.instance), link.reference))
}

fn describe(seen: &CameraEntry) -> Device {
    let node = seen.node.cloned().unwrap_or_default();
    let listed = seen.media_foundation.or(seen.direct_show);
    let name = safe(listed.map_or_else(|| node.name(), |listed| listed.name.as_str()).as_bytes());
    // nokhwa opens by Media Foundation's link, to the letter.
    let path = listed
        .map(|listed| listed.path.clone())
        .or_else(|| node.links.first().cloned())
        .unwrap_or_else(|| node.instance.clone());
    let index = seen.number.and_then(|number| u32::try_from(number).ok());
    let instance = seen.instance.clone().unwrap_or_default();
    let id = InstanceId::of(&instance);
    let is_usb = id.bus == "USB";
    let is_software = path.starts_with(SOFTWARE_FILTER) || is_software(&instance);
    let place = node.location_paths.iter().find_map(|path| port_of(path));
    let driver = (!node.service.is_empty()).then(|| safe(node.service.to_lowercase().as_bytes()));
    let serial = id.serial().or_else(|| InstanceId::of(&node.parent.to_uppercase()).serial_of_part(&id));

    let identity = match (&id.vendor, &id.product, &serial, &place) {
        (Some(vendor), Some(product), Some(serial), _) => format!("usb-{vendor}_{product}_{serial}"),
        (Some(vendor), Some(product), None, Some(place)) => format!("usb-{vendor}_{product}-port{place}"),
        _ if instance.is_empty() && is_software => format!("virtual-{name}"),
        _ if instance.is_empty() => format!("device-{name}"),
        _ => instance.to_lowercase(),
    };
    let names_its_part = id.vendor.is_none() || serial.is_none() && place.is_none();
    let identity = match id.part {
        Some(part) if part != 0 && !names_its_part => format!("{identity}-if{part}"),
        _ => identity,
    };
    let identity = match seen.reference.as_str() {
        "" | "GLOBAL" => identity,
        other => format!("{identity}-{}", other.to_lowercase()),
    };

    let mut kind = DeviceKind::of(&name, driver.as_deref(), is_software);
    if node.is_sensor_only() && kind == DeviceKind::Camera {
        kind = DeviceKind::Infrared;
    }
    let bus = (!instance.is_empty()).then(|| {
        let rest = place.clone().unwrap_or_else(|| id.unique.clone());
        safe(format!("{} {rest}", id.bus.to_lowercase()).as_bytes())
    });
    let port = || place.clone().unwrap_or_else(|| safe(id.unique.as_bytes()));
    let usb = is_usb.then(|| {
        let (megabits, version) = node.hub_port.speed(id.vendor.as_deref(), id.product.as_deref());
        Box::new(UsbLink::new(&port(), megabits, version.as_deref()))
    });
    let mut device = Device {
        identity: plain(&identity),
        name: if name.is_empty() { path.clone() } else { name },
        path,
        index,
        driver,
        bus,
        vendor_id: id.vendor,
        product_id: id.product,
        kind,
        is_bound_to_port: usb.is_some() && serial.is_none(),
        serial,
        usb,
        notes: Vec::new(),
    };
    device.write_notes();
    if let Some(fault) = node.fault("It") {
        device.notes.push(format!("{} (code {}). {}", fault.message, node.problem, fault.advice).trim_end().to_owned());
    }
    device
}

/// Where the camera of a path is on a list; the path may be of the other list, or an instance.
#[must_use]
pub fn position(path: &str, list: &[ListedCamera]) -> Option<usize> {
    let by_path = list.iter().position(|listed| listed.path.eq_ignore_ascii_case(path));
    let same = |listed: &ListedCamera| match (link(path), link(&listed.path)) {
        (Some(asked), Some(listed)) => asked == listed,
        (None, Some(listed)) => instance_of(path).is_some_and(|instance| instance == listed.instance),
        _ => false,
    };
    by_path.or_else(|| list.iter().position(same))
}

/// Many cheap cameras share one serial number: where two are there, the port decides.
fn tell_apart(devices: &mut [Device]) {
    let mut n_of = BTreeMap::<String, usize>::new();
    for device in devices.iter() {
        *n_of.entry(device.identity.clone()).or_default() += 1;
    }
    for device in devices.iter_mut().filter(|device| n_of.get(&device.identity).is_some_and(|n| *n > 1)) {
        let place = match (&device.usb, device.index) {
            (Some(usb), _) => format!("port{}", usb.port),
            (None, Some(index)) => index.to_string(),
            (None, None) => continue,
        };
        device.identity = plain(&format!("{}-{place}", device.identity));
        device.is_bound_to_port = device.usb.is_some();
        let problem = device.notes.pop().filter(|note| note.contains("(code "));
        device.write_notes();
        device.notes.extend(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{FakeComputer, hub_port};
    use super::super::pnp_device::CAMERA_CLASS;
    use super::*;

    fn all() -> Vec<Device> {
        let FakeComputer { nodes, media_foundation, direct_show } = FakeComputer::new();
        devices(&nodes, &media_foundation, &direct_show)
    }

    #[track_caller]
    fn check(identity: &str, index: Option<u32>, kind: DeviceKind, bus: &str, is_bound_to_port: bool) {
        let devices = all();
        let ids = devices.iter().map(|device| device.identity.as_str()).collect::<Vec<_>>();
        let device = devices.iter().find(|device| device.identity == identity).unwrap_or_else(|| panic!("{ids:?}"));
        assert_eq!((device.index, device.kind, device.is_bound_to_port), (index, kind, is_bound_to_port));
        assert_eq!(device.bus.as_deref().unwrap_or_default(), bus);
    }

    #[test]
    fn each_camera_is_listed_once() {
        use DeviceKind::{Camera, Infrared, Virtual};
        check("usb-046d_082d_8A5C1234", Some(0), Camera, "usb pci1400-2.4", false);
        check("usb-04f2_b6dd_0001", Some(1), Camera, "usb pci1400-8", false);
        check("usb-04f2_b6dd_0001-if2", None, Infrared, "usb pci1400-8", false);
        check("usb-1908_2311-portpci1c00_0000-3", Some(2), Camera, "usb pci1c00:0000-3", true);
        check("virtual-OBS_Virtual_Camera", Some(3), Virtual, "", false);
        check("swd_vcamdevapi_b487a6a8f0f8", None, Virtual, "swd B487A6A8F0F8", false);
        check("usb-045e_0779-portpci1400-5", None, Camera, "usb pci1400-5", true);
        check("usb-0c45_6366_SN0001", None, Camera, "usb pci1400-6", false);
        assert_eq!(all().len(), 8);
    }

    #[test]
    fn media_foundations_link_opens_and_directshow_numbers() {
        let c920 = all().into_iter().find(|device| device.product_id.as_deref() == Some("082d")).unwrap();
        assert!(c920.path.ends_with(r"#{e5323777-f976-4f5b-9b55-b94699c46e44}\global"), "{}", c920.path);
        assert_eq!((c920.vendor_id.as_deref(), c920.serial.as_deref()), (Some("046d"), Some("8A5C1234")));
        assert_eq!((c920.driver.as_deref(), c920.name.as_str()), (Some("usbvideo"), "HD Pro Webcam C920"));
        let usb = c920.usb.unwrap();
        assert!(usb.is_behind_hub && usb.port == "pci1400-2.4");
        let cheap = all().into_iter().find(|device| device.product_id.as_deref() == Some("2311")).unwrap();
        assert!(!cheap.usb.unwrap().is_behind_hub);
    }

    #[test]
    fn numbers_are_media_foundations_where_directshow_says_nothing() {
        let FakeComputer { nodes, media_foundation, .. } = FakeComputer::new();
        let devices = devices(&nodes, &media_foundation, &[]);
        let numbers = devices.iter().map(|device| (device.index, device.name.as_str())).collect::<Vec<_>>();
        assert_eq!(numbers[..2], [(Some(0), "Integrated Camera"), (Some(1), "HD Pro Webcam C920")]);
        assert_eq!(devices.len(), 7);
    }

    #[test]
    fn a_camera_keeps_its_identity_whatever_the_two_say() {
        let FakeComputer { nodes, media_foundation, direct_show } = FakeComputer::new();
        let identities = |nodes: &[PnpDevice], media_foundation: &[ListedCamera], direct_show: &[ListedCamera]| {
            let devices = devices(nodes, media_foundation, direct_show);
            devices
                .into_iter()
                .filter(|device| device.usb.is_some())
                .map(|device| device.identity)
                .collect::<std::collections::BTreeSet<_>>()
        };
        let both = identities(&nodes, &media_foundation, &direct_show);
        assert_eq!(both.len(), 6);
        assert_eq!(identities(&nodes, &[], &[]), both);
        assert_eq!(identities(&nodes, &media_foundation, &[]), both);
        let mut turned = direct_show.clone();
        turned.reverse();
        assert_eq!(identities(&nodes, &media_foundation, &turned), both);
    }

    #[test]
    fn what_the_device_manager_says_is_a_note() {
        let note = |product: &str| {
            let devices = all();
            let device = devices.iter().find(|device| device.product_id.as_deref() == Some(product)).unwrap();
            device.notes.join(" ")
        };
        assert!(note("0779").ends_with(
            "It is disabled in the Device Manager (code 22). Enable it in the Device Manager, or with the camera key of the laptop."
        ));
        assert!(note("6366").contains("It has no driver (code 28). "), "{}", note("6366"));
        assert_eq!(note("082d"), "");
    }

    #[test]
    fn two_with_one_serial_number_are_told_apart() {
        let node = |port: u32| PnpDevice {
            instance: format!(r"USB\VID_0C45&PID_6366&MI_00\7&{port}&0&0000"),
            parent: r"USB\VID_0C45&PID_6366\SN0001".into(),
            class: CAMERA_CLASS.into(),
            location_paths: vec![format!("PCIROOT(0)#PCI(1400)#USBROOT(0)#USB({port})#USBMI(0)")],
            ..PnpDevice::default()
        };
        let devices = devices(&[node(1), node(2)], &[], &[]);
        let identities = devices.iter().map(|device| device.identity.as_str()).collect::<Vec<_>>();
        assert_eq!(identities, ["usb-0c45_6366_SN0001-portpci1400-1", "usb-0c45_6366_SN0001-portpci1400-2"]);
        assert!(devices.iter().all(|device| device.is_bound_to_port && device.notes.len() == 1));
    }

    #[test]
    fn a_hostile_name_steers_nothing() {
        let listed = ListedCamera { name: "\u{1b}[2Jcam\u{202e}\n".repeat(2_000), path: "@device:sw:{1}\\{2}".into() };
        let device = devices(&[], &[], std::slice::from_ref(&listed)).remove(0);
        assert!(device.name.chars().count() <= 120 && !device.name.contains(['\u{1b}', '\u{202e}', '\n']));
        assert!(device.identity.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn nothing_is_told_of_a_device_without_a_name() {
        let device = devices(&[], &[ListedCamera::default()], &[]).remove(0);
        assert_eq!((device.identity.as_str(), device.index), ("device-", Some(0)));
    }

    #[test]
    fn a_driver_without_a_device_is_no_virtual_camera() {
        let path = r"@device:cm:{860BB310-5D01-11D0-BD3B-00A0C911CE86}\video0".to_owned();
        let device = devices(&[], &[], &[ListedCamera { name: "vivid".into(), path: path.clone() }]).remove(0);
        assert_eq!((device.identity.as_str(), device.path, device.kind), ("device-vivid", path, DeviceKind::Camera));
    }

    #[track_caller]
    fn check_position(path: &str, expected: Option<usize>) {
        assert_eq!(position(path, &FakeComputer::new().direct_show), expected, "{path}");
    }

    #[test]
    fn a_camera_is_found_on_the_other_list() {
        let FakeComputer { media_foundation, direct_show, .. } = FakeComputer::new();
        check_position(&media_foundation[0].path, Some(1));
        check_position(&media_foundation[1].path, Some(0));
        check_position(&media_foundation[3].path, None);
        check_position(&direct_show[3].path, Some(3));
        check_position(r"USB\VID_1908&PID_2311\5&38ABCD01&0&3", Some(2));
        check_position(&direct_show[0].path.replace("global", "other"), None);
        check_position("", None);
    }

    #[test]
    fn the_speed_is_a_fact_of_the_camera() {
        let FakeComputer { mut nodes, media_foundation, .. } = FakeComputer::new();
        nodes[0].hub_port = hub_port(1, 0x0200, Some(0));
        let devices = devices(&nodes, &media_foundation, &[]);
        let c920 = devices.iter().find(|device| device.product_id.as_deref() == Some("082d")).unwrap();
        assert_eq!(c920.usb.as_ref().unwrap().speed.as_deref(), Some("USB 1 full speed, 12 Mbit/s"));
        assert!(c920.notes[0].contains("too slow for video"));
        assert_eq!(nodes[0].whole(), r"USB\VID_046D&PID_082D\8A5C1234");
        assert_eq!(nodes[3].whole(), r"USB\VID_1908&PID_2311\5&38ABCD01&0&3");
        assert!(nodes[0].is_usb() && !nodes[6].is_usb());
    }
}
