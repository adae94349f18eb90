//! Cameras as the plug-and-play manager of Windows and its two media systems tell of them, made into devices.
//!
//! Plain data in, devices out: what asks the system is in its own file, and this is the same everywhere.
//!
//! Media Foundation and DirectShow count the cameras each in its own order, and only DirectShow has the virtual cameras of
//! the old kind; neither lists a camera that is disabled or has no driver. The link of its interface is what both have of
//! one camera, and the instance in it is its name at the plug-and-play manager.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::consent::{self, Process, Store};
use super::text::{plain, safe};
use super::{Device, DeviceKind, Holder, UsbLink, codes};
use crate::fault::{Fault, FaultKind};

/// A device as the plug-and-play manager has it. What it does not tell is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `USB\VID_046D&PID_082D&MI_00\6&1A2B&0&0000`
    pub instance: String,
    /// The device that it is a part of, else the hub or controller that it is plugged into.
    pub parent: String,
    pub friendly_name: String,
    /// What the driver's installer calls it.
    pub description: String,
    /// What it calls itself on its bus.
    pub bus_name: String,
    /// The GUID of its set-up class, without braces.
    pub class: String,
    /// The driver: `usbvideo`.
    pub service: String,
    /// `USB\Class_0e&SubClass_03&Prot_00`
    pub compatible_ids: Vec<String>,
    /// `PCIROOT(0)#PCI(1400)#USBROOT(0)#USB(2)#USBMI(0)`
    pub location_paths: Vec<String>,
    /// The problem of the Device Manager; 0 for none.
    pub problem: u32,
    /// The links of those of its interfaces that belong to video and are switched on.
    pub links: Vec<String>,
    /// Of a USB device: what its hub says.
    pub connection: Connection,
}

/// What the driver of a hub says about one of its ports, byte for byte; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// `USB_NODE_CONNECTION_INFORMATION_EX`
    pub basic: Vec<u8>,
    /// `USB_NODE_CONNECTION_INFORMATION_EX_V2`
    pub newer: Vec<u8>,
}

impl Connection {
    /// In millions of bits a second, and the version of USB that the device keeps to, both as Linux writes them. Neither
    /// where the device in that port is not of that maker and model.
    fn speed(&self, vendor: Option<&str>, product: Option<&str>) -> (Option<&'static str>, Option<String>) {
        // After the port's number the device's descriptor (USB 2.0, table 9-8), its configuration, and its speed.
        let number = |at: usize| Some(u16::from_le_bytes(self.basic.get(at..at + 2)?.try_into().ok()?));
        let hex = |at: usize| number(at).map(|number| format!("{number:04x}"));
        if vendor.is_none() || hex(12).as_deref() != vendor || hex(14).as_deref() != product {
            return (None, None);
        }
        // A driver that is older than USB 3 knows no higher speed than that of USB 2.
        let flags = self.newer.get(12).copied().unwrap_or_default();
        let (is_super, is_super_plus) = (flags & 1 != 0, flags & 4 != 0);
        let megabits = match self.basic.get(23) {
            _ if is_super_plus => Some("10000"),
            _ if is_super => Some("5000"),
            Some(0) => Some("1.5"),
            Some(1) => Some("12"),
            Some(2) => Some("480"),
            Some(3) => Some("5000"),
            _ => None,
        };
        let version = number(6).map(|version| format!("{:x}.{:02x}", version >> 8, version & 0xFF));
        (megabits, version)
    }
}

/// A camera on the list of Media Foundation or DirectShow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Listed {
    pub name: String,
    /// The link of its interface; of a filter that has none, the name that makes it (`@device:sw:…`).
    pub path: String,
}

/// `KSCATEGORY_VIDEO_CAMERA`: what Media Foundation lists.
pub const VIDEO_CAMERA: &str = "e5323777-f976-4f5b-9b55-b94699c46e44";
/// `KSCATEGORY_SENSOR_CAMERA`: infrared and depth cameras that no ordinary program is meant to open.
pub const SENSOR_CAMERA: &str = "24e552d7-6523-47f7-a647-d3465bf1f5ca";
/// `GUID_DEVCLASS_CAMERA`, since Windows 10, and `GUID_DEVCLASS_IMAGE`, which scanners have too.
const CAMERA_CLASS: &str = "ca3e7ab9-b4c3-4ae6-8251-579ef933890f";
const IMAGE_CLASS: &str = "6bdd1fc6-810f-11d0-bec7-08002be2092f";
/// What the name of a filter begins with that a program has registered, and no driver.
const SOFTWARE_FILTER: &str = "@device:sw:";
/// The interface class of USB video.
const USB_VIDEO: &str = r"USB\CLASS_0E";

/// The link of an interface, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    /// As the plug-and-play manager writes it, but for the case.
    instance: String,
    /// Which of the instance's cameras: most have one, `global`.
    reference: String,
}

/// `\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b&0&0000#{…}\global`
fn link(path: &str) -> Option<Link> {
    let (id, rest) = path.strip_prefix(r"\\?\")?.rsplit_once("#{")?;
    let reference = rest.split_once('}')?.1.trim_start_matches('\\');
    Some(Link { instance: id.replace('#', r"\").to_uppercase(), reference: reference.to_uppercase() })
}

/// The instance that a link names, or that is named as such: `USB\VID_046D&PID_082D&MI_00\6&1A2B&0&0000`. `None` for a
/// filter that no device is behind.
#[must_use]
pub fn instance_of(path: &str) -> Option<String> {
    let is_instance = || path.split('\\').count() == 3 && !path.starts_with('\\') && !path.starts_with('@');
    link(path).map(|link| link.instance).or_else(|| is_instance().then(|| path.to_uppercase()))
}

impl Node {
    /// Whether it is a camera, be it a disabled one or one that lacks its driver.
    #[must_use]
    pub fn is_camera(&self) -> bool {
        let is_usb_video = || self.compatible_ids.iter().any(|id| id.to_uppercase().starts_with(USB_VIDEO));
        match self.class.to_lowercase().as_str() {
            CAMERA_CLASS => true,
            IMAGE_CLASS => is_usb_video() || self.service.eq_ignore_ascii_case("usbvideo") || !self.links.is_empty(),
            "" => is_usb_video(),
            _ => !self.links.is_empty(),
        }
    }

    #[must_use]
    pub fn is_usb(&self) -> bool {
        InstanceId::of(&self.instance.to_uppercase()).vendor.is_some()
    }

    /// The instance of the device that it is, or is a part of; in capitals.
    #[must_use]
    pub fn whole(&self) -> String {
        let is_part = InstanceId::of(&self.instance.to_uppercase()).part.is_some();
        if is_part { self.parent.to_uppercase() } else { self.instance.to_uppercase() }
    }

    fn is_in(&self, category: &str) -> bool {
        self.links.iter().any(|link| link.to_lowercase().contains(category))
    }

    fn is_sensor_only(&self) -> bool {
        self.is_in(SENSOR_CAMERA) && !self.is_in(VIDEO_CAMERA)
    }

    fn name(&self) -> &str {
        let names = [&self.friendly_name, &self.description, &self.bus_name, &self.instance];
        names.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str)
    }

    /// What the Device Manager has against it.
    #[must_use]
    pub fn fault(&self, shown: &str) -> Option<Fault> {
        if self.problem == 0 {
            return None;
        }
        let unknown = || {
            Fault::new(FaultKind::OpenFailed, format!("{shown} has problem {} in the Device Manager", self.problem))
                .with_code(self.problem)
                .with_advice(
                    "Open the Device Manager, which says more about it; or unplug the camera and plug it in again.",
                )
        };
        Some(codes::device_problem(self.problem).map_or_else(unknown, |meaning| meaning.fault(shown, self.problem)))
    }
}

/// One camera, as far as each of the three has it.
#[derive(Default)]
struct Seen<'a> {
    instance: Option<String>,
    reference: String,
    node: Option<&'a Node>,
    media_foundation: Option<&'a Listed>,
    direct_show: Option<&'a Listed>,
    number: Option<usize>,
}

/// All cameras, in the order of their numbers, which are DirectShow's, or Media Foundation's if DirectShow lists none.
/// Those that only the plug-and-play manager knows come last, without a number.
#[must_use]
pub fn devices(nodes: &[Node], media_foundation: &[Listed], direct_show: &[Listed]) -> Vec<Device> {
    let mut all = Vec::<Seen>::new();
    for (number, listed) in direct_show.iter().enumerate() {
        let (instance, reference) = parts(&listed.path);
        all.push(Seen { instance, reference, direct_show: Some(listed), number: Some(number), ..Seen::default() });
    }
    for (number, listed) in media_foundation.iter().enumerate() {
        let (instance, reference) = parts(&listed.path);
        let same = |seen: &&mut Seen| {
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
        all.push(Seen { instance, reference, media_foundation: Some(listed), number, ..Seen::default() });
    }
    for node in nodes {
        let instance = node.instance.to_uppercase();
        let mut is_listed = false;
        for seen in all.iter_mut().filter(|seen| seen.instance.as_ref() == Some(&instance)) {
            seen.node = Some(node);
            is_listed = true;
        }
        if !is_listed && node.is_camera() {
            all.push(Seen { instance: Some(instance), node: Some(node), ..Seen::default() });
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

fn describe(seen: &Seen) -> Device {
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
        let (megabits, version) = node.connection.speed(id.vendor.as_deref(), id.product.as_deref());
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
pub fn position(path: &str, list: &[Listed]) -> Option<usize> {
    let by_path = list.iter().position(|listed| listed.path.eq_ignore_ascii_case(path));
    let same = |listed: &Listed| match (link(path), link(&listed.path)) {
        (Some(asked), Some(listed)) => asked == listed,
        (None, Some(listed)) => instance_of(path).is_some_and(|instance| instance == listed.instance),
        _ => false,
    };
    by_path.or_else(|| list.iter().position(same))
}

/// What can be found out about the cameras of this computer without asking a driver.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `None` where the system does not tell.
    pub nodes: Option<Vec<Node>>,
    pub store: Store,
    pub processes: Vec<Process>,
    /// The files of this program.
    pub own: Vec<String>,
}

impl Facts {
    /// Why the camera of that path did not open, as far as it can be told.
    #[must_use]
    pub fn why_not(&self, path: &str) -> Option<Fault> {
        let node = self.node(path);
        let shown = match node {
            Some(node) => safe(node.name().as_bytes()),
            None if path.bytes().all(|byte| byte.is_ascii_digit()) => safe(format!("camera {path}").as_bytes()),
            None if path.starts_with('@') => "the camera".to_owned(),
            None => safe(path.as_bytes()),
        };
        if self.nodes.is_some() && instance_of(path).is_some() && node.is_none() {
            return Some(Fault::new(FaultKind::Missing, format!("{shown} is not plugged in")));
        }
        let has_problem = node.and_then(|node| node.fault(&shown));
        let is_denied = || self.own.iter().find_map(|own| self.store.denied(own)).map(|switch| switch.fault(&shown));
        let is_busy = || consent::busy(&self.holders(), &shown, self.is_only_camera(path));
        // A program that feeds a virtual camera uses another.
        let is_real = instance_of(path).is_some_and(|instance| !is_software(&instance));
        has_problem.or_else(is_denied).or_else(|| if is_real { is_busy() } else { None })
    }

    /// The programs that use a camera, whichever it is.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        consent::holders(&self.store.uses(), &self.processes, &self.own)
    }

    /// Whether whoever uses a camera must be using that one. Infrared cameras do not count: programs are not offered them.
    #[must_use]
    pub fn is_only_camera(&self, path: &str) -> bool {
        let is_offered = |node: &&Node| node.is_camera() && node.problem == 0 && !node.is_sensor_only();
        let mut working = self.nodes.iter().flatten().filter(is_offered);
        let first = working.next().map(|node| node.instance.to_uppercase());
        first.is_some() && first == instance_of(path) && working.next().is_none()
    }

    fn node(&self, path: &str) -> Option<&Node> {
        let instance = instance_of(path)?;
        self.nodes.iter().flatten().find(|node| node.instance.to_uppercase() == instance)
    }
}

/// Whether no hardware is behind an instance; its name is in capitals.
fn is_software(instance: &str) -> bool {
    ["ROOT", "SWD", "SW"].contains(&instance.split('\\').next().unwrap_or_default())
}

/// An instance's name, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct InstanceId {
    /// In capitals: `USB`, `ROOT`, `SWD`, `DISPLAY`.
    bus: String,
    /// In small letters.
    vendor: Option<String>,
    product: Option<String>,
    /// Which of a USB device's interfaces it is.
    part: Option<u32>,
    /// What tells it from others of its model: a serial number, or the place where it is plugged in.
    unique: String,
}

impl InstanceId {
    /// In capitals.
    fn of(instance: &str) -> Self {
        let mut parts = instance.splitn(3, '\\');
        let bus = parts.next().unwrap_or_default().to_owned();
        let model = parts.next().unwrap_or_default();
        let unique = parts.next().unwrap_or_default().to_owned();
        let field = |key: &str, n_digits: usize| {
            let field = model.split('&').find_map(|field| field.strip_prefix(key))?;
            let is_number = field.len() == n_digits && field.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_number.then(|| field.to_lowercase())
        };
        let is_usb = bus == "USB";
        Self {
            vendor: field("VID_", 4).filter(|_| is_usb),
            product: field("PID_", 4).filter(|_| is_usb),
            part: field("MI_", 2).and_then(|part| u32::from_str_radix(&part, 16).ok()),
            bus,
            unique,
        }
    }

    /// Windows makes up a name with `&` from the place where there is no serial number, and always for a part of a device.
    fn serial(&self) -> Option<String> {
        let is_own = self.vendor.is_some() && self.part.is_none() && !self.unique.is_empty();
        (is_own && !self.unique.contains('&')).then(|| safe(self.unique.as_bytes()))
    }

    /// The serial number of the device that `part` is a part of, where this is that device and not a hub.
    fn serial_of_part(&self, part: &Self) -> Option<String> {
        let is_whole = (&self.vendor, &self.product) == (&part.vendor, &part.product);
        self.serial().filter(|_| is_whole && part.part.is_some())
    }
}

/// `pci1400-2.4` for the port 4 of a hub in port 2 of a controller: `PCIROOT(0)#PCI(1400)#USBROOT(0)#USB(2)#USB(4)#USBMI(0)`.
fn port_of(location_path: &str) -> Option<String> {
    let steps = location_path
        .split('#')
        .map(|step| step.strip_suffix(')')?.split_once('('))
        .collect::<Option<Vec<_>>>()
        .filter(|steps| steps.first().is_some_and(|(name, _)| *name == "PCIROOT"))?;
    let of = |wanted: &str| {
        let values = steps.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value);
        values.collect::<Vec<_>>()
    };
    let ports = of("USB").join(".");
    // Most computers have one of either, with the number 0.
    let roots = of("PCIROOT").into_iter().filter(|root| *root != "0");
    let hubs = of("USBROOT").into_iter().filter(|root| *root != "0").flat_map(|root| ["r", root]).collect::<String>();
    let controller = roots.chain(of("PCI")).collect::<Vec<_>>().join(":").to_lowercase();
    (!ports.is_empty()).then(|| safe(format!("pci{controller}{hubs}-{ports}").as_bytes()))
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

// ---- properties as the system's calls return them

/// A property of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    Text(String),
    List(Vec<String>),
    Number(u32),
    /// In small letters, without braces.
    Guid(String),
}

/// Of a type of `devpropdef.h`. `None` where the bytes are none of that type, and for types that nobody here asks for.
#[must_use]
pub fn property(kind: u32, bytes: &[u8]) -> Option<Property> {
    match kind {
        0x12 => Some(Property::Text(text(bytes))),
        0x2012 => Some(Property::List(texts(bytes))),
        0x07 => Some(Property::Number(u32::from_le_bytes(bytes.try_into().ok()?))),
        0x0D => Some(Property::Guid(guid(bytes.try_into().ok()?))),
        _ => None,
    }
}

/// UTF-16 up to its first zero.
fn text(bytes: &[u8]) -> String {
    texts(bytes).into_iter().next().unwrap_or_default()
}

/// UTF-16, each text ended by a zero, and all by an empty one.
fn texts(bytes: &[u8]) -> Vec<String> {
    let units = bytes.chunks_exact(2).map(|pair| pair.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
    let units = units.collect::<Vec<u16>>();
    let texts = units.split(|unit| *unit == 0).take_while(|text| !text.is_empty());
    texts.map(String::from_utf16_lossy).collect()
}

/// The first three fields are numbers of the processor's order.
fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let end = u64::from_be_bytes(rest);
    let (first, second, third) =
        (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h]));
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", end >> 48, end & 0xFFFF_FFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Deserialize)]
    struct System {
        nodes: Vec<Node>,
        media_foundation: Vec<Listed>,
        direct_show: Vec<Listed>,
    }

    fn system() -> System {
        serde_json::from_str(include_str!("../../tests/fixtures/windows/cameras.json")).unwrap()
    }

    fn all() -> Vec<Device> {
        let System { nodes, media_foundation, direct_show } = system();
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
        let System { nodes, media_foundation, .. } = system();
        let devices = devices(&nodes, &media_foundation, &[]);
        let numbers = devices.iter().map(|device| (device.index, device.name.as_str())).collect::<Vec<_>>();
        assert_eq!(numbers[..2], [(Some(0), "Integrated Camera"), (Some(1), "HD Pro Webcam C920")]);
        assert_eq!(devices.len(), 7);
    }

    #[test]
    fn a_camera_keeps_its_identity_whatever_the_two_say() {
        let System { nodes, media_foundation, direct_show } = system();
        let identities = |nodes: &[Node], media_foundation: &[Listed], direct_show: &[Listed]| {
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

    #[track_caller]
    fn check_problem(problem: u32, expected: Option<FaultKind>) {
        let node = Node { problem, ..Node::default() };
        let fault = node.fault("Cam (x)");
        assert_eq!(fault.as_ref().map(|fault| fault.kind), expected, "{problem}");
        let is_told =
            fault.is_none_or(|fault| fault.code == Some(problem.into()) && fault.message.starts_with("Cam (x) "));
        assert!(is_told, "{problem}");
    }

    #[test]
    fn a_problem_is_a_fault() {
        check_problem(0, None);
        check_problem(22, Some(FaultKind::Denied));
        check_problem(28, Some(FaultKind::OpenFailed));
        check_problem(45, Some(FaultKind::Missing));
        check_problem(999, Some(FaultKind::OpenFailed));
    }

    #[test]
    fn two_with_one_serial_number_are_told_apart() {
        let node = |port: u32| Node {
            instance: format!(r"USB\VID_0C45&PID_6366&MI_00\7&{port}&0&0000"),
            parent: r"USB\VID_0C45&PID_6366\SN0001".into(),
            class: CAMERA_CLASS.into(),
            location_paths: vec![format!("PCIROOT(0)#PCI(1400)#USBROOT(0)#USB({port})#USBMI(0)")],
            ..Node::default()
        };
        let devices = devices(&[node(1), node(2)], &[], &[]);
        let identities = devices.iter().map(|device| device.identity.as_str()).collect::<Vec<_>>();
        assert_eq!(identities, ["usb-0c45_6366_SN0001-portpci1400-1", "usb-0c45_6366_SN0001-portpci1400-2"]);
        assert!(devices.iter().all(|device| device.is_bound_to_port && device.notes.len() == 1));
    }

    #[test]
    fn a_hostile_name_steers_nothing() {
        let listed = Listed { name: "\u{1b}[2Jcam\u{202e}\n".repeat(2_000), path: "@device:sw:{1}\\{2}".into() };
        let device = devices(&[], &[], std::slice::from_ref(&listed)).remove(0);
        assert!(device.name.chars().count() <= 120 && !device.name.contains(['\u{1b}', '\u{202e}', '\n']));
        assert!(device.identity.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn nothing_is_told_of_a_device_without_a_name() {
        let device = devices(&[], &[Listed::default()], &[]).remove(0);
        assert_eq!((device.identity.as_str(), device.index), ("device-", Some(0)));
    }

    /// As DirectShow has the cameras of drivers that are older than plug and play.
    #[test]
    fn a_driver_without_a_device_is_no_virtual_camera() {
        let path = r"@device:cm:{860BB310-5D01-11D0-BD3B-00A0C911CE86}\video0".to_owned();
        let device = devices(&[], &[], &[Listed { name: "vivid".into(), path: path.clone() }]).remove(0);
        assert_eq!((device.identity.as_str(), device.path, device.kind), ("device-vivid", path, DeviceKind::Camera));
    }

    #[track_caller]
    fn check_position(path: &str, expected: Option<usize>) {
        assert_eq!(position(path, &system().direct_show), expected, "{path}");
    }

    #[test]
    fn a_camera_is_found_on_the_other_list() {
        let System { media_foundation, direct_show, .. } = system();
        check_position(&media_foundation[0].path, Some(1));
        check_position(&media_foundation[1].path, Some(0));
        check_position(&media_foundation[3].path, None);
        check_position(&direct_show[3].path, Some(3));
        check_position(r"USB\VID_1908&PID_2311\5&38ABCD01&0&3", Some(2));
        check_position(&direct_show[0].path.replace("global", "other"), None);
        check_position("", None);
    }

    const C920: &str =
        r"\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b3c4d&0&0000#{e5323777-f976-4f5b-9b55-b94699c46e44}\global";

    fn facts() -> Facts {
        let store = serde_json::from_str(include_str!("../../tests/fixtures/windows/consent.json")).unwrap();
        let processes = vec![Process { pid: 60, file: r"C:\Program Files\Zoom\bin\Zoom.exe".into() }];
        Facts { nodes: Some(system().nodes), store, processes, own: vec![r"C:\camclinic.exe".into()] }
    }

    #[track_caller]
    fn check_why(facts: &Facts, path: &str, expected: Option<(FaultKind, &str)>) {
        let fault = facts.why_not(path);
        let (kind, message) = expected.unzip();
        assert_eq!(fault.as_ref().map(|fault| fault.kind), kind, "{fault:?}");
        let said = fault.map(|fault| fault.message).unwrap_or_default();
        assert!(said.starts_with(message.unwrap_or_default()), "{said}");
    }

    #[test]
    fn what_keeps_a_camera_from_opening_is_told_the_surest_first() {
        let nobody = Facts { processes: Vec::new(), ..facts() };
        let only = |facts: &Facts| Facts { nodes: Some(system().nodes[..1].to_vec()), ..facts.clone() };
        let mut denied = facts();
        denied.store.user.values.insert("Value".into(), consent::Value::Text("Deny".into()));
        let gone = C920.replace("1a2b3c4d", "99999999");
        let disabled = r"USB\VID_045E&PID_0779&MI_00\7&11112222&0&0000";

        check_why(&nobody, C920, None);
        check_why(&facts(), C920, Some((FaultKind::Busy, "HD Pro Webcam C920 did not open, and Zoom.exe (process 60")));
        check_why(
            &only(&facts()),
            C920,
            Some((FaultKind::Busy, "HD Pro Webcam C920 is in use by Zoom.exe (process 60")),
        );
        check_why(
            &denied,
            C920,
            Some((FaultKind::Denied, "HD Pro Webcam C920 is switched off in the privacy settings")),
        );
        check_why(&denied, disabled, Some((FaultKind::Denied, "Microsoft LifeCam HD-3000 is disabled")));
        check_why(&denied, &gone, Some((FaultKind::Missing, "")));
        check_why(&Facts { nodes: None, ..nobody.clone() }, &gone, None);
        // A virtual camera: whoever feeds it uses another.
        check_why(&facts(), &system().direct_show[3].path, None);
        check_why(&facts(), &system().media_foundation[3].path, None);
        check_why(&facts(), "0", None);
        check_why(&denied, "0", Some((FaultKind::Denied, "camera 0 is switched off")));
        check_why(&denied, &system().direct_show[3].path, Some((FaultKind::Denied, "the camera is switched off")));
    }

    #[test]
    fn a_switch_for_the_worker_alone_is_found() {
        let mut facts = Facts { own: vec![r"C:\camclinic.exe".into(), r"C:\camclinic-worker.exe".into()], ..facts() };
        let desktop = facts.store.user.keys.entry("NonPackaged".into()).or_default();
        let worker = desktop.keys.entry("C:#camclinic-worker.exe".into()).or_default();
        worker.values.insert("Value".into(), consent::Value::Text("Deny".into()));
        check_why(
            &facts,
            C920,
            Some((FaultKind::Denied, "HD Pro Webcam C920 is switched off in the privacy settings for this program")),
        );
    }

    #[test]
    fn an_infrared_camera_beside_it_leaves_a_camera_the_only_one() {
        let Facts { nodes, .. } = facts();
        let nodes = nodes.unwrap();
        let laptop = Facts { nodes: Some(nodes[1..3].to_vec()), ..facts() };
        assert!(laptop.is_only_camera(&nodes[1].links[0]) && !laptop.is_only_camera(&nodes[2].links[0]));
        assert!(!facts().is_only_camera(C920) && !Facts::default().is_only_camera(C920));
    }

    fn connection(speed: u8, version: u16, flags: Option<u8>) -> Connection {
        let mut basic = vec![4, 0, 0, 0, 18, 1];
        basic.extend(version.to_le_bytes());
        basic.extend([
            0xEF, 2, 1, 64, 0x6D, 0x04, 0x2D, 0x08, 0x11, 0, 0, 2, 1, 1, 1, speed, 0, 7, 0, 4, 0, 0, 0, 1, 0, 0, 0,
        ]);
        let newer = flags.map(|flags| vec![4, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, flags, 0, 0, 0]).unwrap_or_default();
        Connection { basic, newer }
    }

    #[track_caller]
    fn check_speed(connection: &Connection, megabits: Option<&str>, version: Option<&str>) {
        let found = connection.speed(Some("046d"), Some("082d"));
        assert_eq!((found.0, found.1.as_deref()), (megabits, version), "{connection:?}");
    }

    #[test]
    fn a_hub_tells_the_speed_of_its_port() {
        check_speed(&connection(0, 0x0110, Some(0)), Some("1.5"), Some("1.10"));
        check_speed(&connection(1, 0x0200, Some(0)), Some("12"), Some("2.00"));
        check_speed(&connection(2, 0x0200, Some(0)), Some("480"), Some("2.00"));
        check_speed(&connection(2, 0x0200, None), Some("480"), Some("2.00"));
        check_speed(&connection(2, 0x0210, Some(2)), Some("480"), Some("2.10"));
        check_speed(&connection(2, 0x0300, Some(3)), Some("5000"), Some("3.00"));
        check_speed(&connection(3, 0x0320, None), Some("5000"), Some("3.20"));
        check_speed(&connection(3, 0x0320, Some(7)), Some("10000"), Some("3.20"));
        check_speed(&connection(9, 0x0200, None), None, Some("2.00"));
        check_speed(&Connection::default(), None, None);
        // Another device has taken the port in between.
        assert_eq!(connection(2, 0x0200, Some(0)).speed(Some("046d"), Some("0825")), (None, None));
        assert_eq!(connection(2, 0x0200, Some(0)).speed(None, None), (None, None));
    }

    #[test]
    fn the_speed_is_a_fact_of_the_camera() {
        let System { mut nodes, media_foundation, .. } = system();
        nodes[0].connection = connection(1, 0x0200, Some(0));
        let devices = devices(&nodes, &media_foundation, &[]);
        let c920 = devices.iter().find(|device| device.product_id.as_deref() == Some("082d")).unwrap();
        assert_eq!(c920.usb.as_ref().unwrap().speed.as_deref(), Some("USB 1 full speed, 12 Mbit/s"));
        assert!(c920.notes[0].contains("too slow for video"));
        assert_eq!(nodes[0].whole(), r"USB\VID_046D&PID_082D\8A5C1234");
        assert_eq!(nodes[3].whole(), r"USB\VID_1908&PID_2311\5&38ABCD01&0&3");
        assert!(nodes[0].is_usb() && !nodes[6].is_usb());
    }

    #[track_caller]
    fn check_id(instance: &str, vendor: Option<&str>, part: Option<u32>, serial: Option<&str>) {
        let id = InstanceId::of(instance);
        assert_eq!((id.vendor.as_deref(), id.part, id.serial().as_deref()), (vendor, part, serial), "{instance}");
    }

    #[test]
    fn an_instance_tells_serial_and_part() {
        check_id(r"USB\VID_046D&PID_082D\8A5C1234", Some("046d"), None, Some("8A5C1234"));
        check_id(r"USB\VID_046D&PID_082D\5&38AB&0&3", Some("046d"), None, None);
        check_id(r"USB\VID_046D&PID_082D&MI_02\6&1A2B&0&0002", Some("046d"), Some(2), None);
        check_id(r"USB\VID_046D&PID_082D&REV_0011&MI_0A\SERIAL", Some("046d"), Some(10), None);
        check_id(r"USB\ROOT_HUB30\4&1A&0&0", None, None, None);
        check_id(r"PCI\VEN_8086&DEV_A0ED\3&11583659&0&A0", None, None, None);
        check_id(r"USB\VID_04&PID_0\X", None, None, None);
        check_id(r"USB\VID_046D&PID_082D\", Some("046d"), None, None);
        check_id("", None, None, None);
    }

    #[test]
    fn a_hub_gives_a_camera_no_serial_number() {
        let part = InstanceId::of(r"USB\VID_046D&PID_082D&MI_00\6&1&0&0000");
        let serial = |parent: &str, part: &InstanceId| InstanceId::of(parent).serial_of_part(part);
        assert_eq!(serial(r"USB\VID_046D&PID_082D\ABC", &part).as_deref(), Some("ABC"));
        assert_eq!(serial(r"USB\VID_05E3&PID_0610\HUBSERIAL", &part), None);
        assert_eq!(serial(r"USB\VID_046D&PID_082D\5&1&0&2", &part), None);
        let whole = InstanceId::of(r"USB\VID_046D&PID_082D\5&1&0&2");
        assert_eq!(serial(r"USB\VID_046D&PID_082D\ABC", &whole), None);
    }

    #[track_caller]
    fn check_port(path: &str, expected: Option<&str>) {
        assert_eq!(port_of(path).as_deref(), expected, "{path}");
    }

    #[test]
    fn a_location_path_is_a_port() {
        check_port("PCIROOT(0)#PCI(1400)#USBROOT(0)#USB(2)#USB(4)#USBMI(0)", Some("pci1400-2.4"));
        check_port("PCIROOT(0)#PCI(1C00)#PCI(0000)#USBROOT(0)#USB(3)", Some("pci1c00:0000-3"));
        check_port("PCIROOT(40)#PCI(0801)#USBROOT(1)#USB(1)", Some("pci40:0801r1-1"));
        check_port("ACPI(_SB_)#ACPI(PC00)#ACPI(XHCI)#ACPI(RHUB)#ACPI(HS02)", None);
        check_port("PCIROOT(0)#PCI(0200)", None);
        check_port("PCIROOT(0)#garbage", None);
        check_port("", None);
    }

    #[track_caller]
    fn check_instance(path: &str, expected: Option<&str>) {
        assert_eq!(instance_of(path).as_deref(), expected, "{path}");
    }

    #[test]
    fn a_link_names_its_instance() {
        let link = r"\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b&0&0000#{65e8773d-8f56-11d0-a3b9-00a0c9223196}\global";
        check_instance(link, Some(r"USB\VID_046D&PID_082D&MI_00\6&1A2B&0&0000"));
        check_instance(r"USB\VID_0C45&PID_6366&MI_00\7&5&0&0000", Some(r"USB\VID_0C45&PID_6366&MI_00\7&5&0&0000"));
        check_instance(
            r"@device:sw:{860BB310-5D01-11D0-BD3B-00A0C911CE86}\{A3FCE0F5-3493-419F-958A-ABA1250EC20B}",
            None,
        );
        check_instance("0", None);
        check_instance(r"\\?\usb#vid_046d", None);
    }

    #[track_caller]
    fn check_property(kind: u32, bytes: &[u8], expected: Option<&Property>) {
        assert_eq!(property(kind, bytes).as_ref(), expected, "{kind:#x} {bytes:x?}");
    }

    #[test]
    fn properties_are_read_from_their_bytes() {
        check_property(0x12, b"u\0s\0b\0\0\0", Some(&Property::Text("usb".into())));
        check_property(0x12, b"u\0s\0b\0", Some(&Property::Text("usb".into())));
        check_property(0x12, b"\xe9\0\x4d\xd8x", Some(&Property::Text("\u{e9}\u{fffd}".into())));
        check_property(0x12, b"", Some(&Property::Text(String::new())));
        check_property(0x2012, b"A\0\0\0B\0\0\0\0\0C\0", Some(&Property::List(vec!["A".into(), "B".into()])));
        check_property(0x2012, b"", Some(&Property::List(Vec::new())));
        check_property(0x07, &[22, 0, 0, 0], Some(&Property::Number(22)));
        check_property(0x07, &[22, 0, 0], None);
        let camera = [0xb9, 0x7a, 0x3e, 0xca, 0xc3, 0xb4, 0xe6, 0x4a, 0x82, 0x51, 0x57, 0x9e, 0xf9, 0x33, 0x89, 0x0f];
        check_property(0x0D, &camera, Some(&Property::Guid(CAMERA_CLASS.into())));
        check_property(0x0D, &camera[..15], None);
        check_property(0x11, &[255], None);
    }
}
