//! Cameras as Linux shows them in `/sys/class/video4linux`.
//!
//! Only files are read: no ioctl is called, so that listing wakes no camera and cannot hang in a driver.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

pub use self::controls::ControlPort;
pub use self::processes::{holders, holders_of_each};
use self::refusal::Files;
pub use self::surroundings::{confinement, heat, kernel_log, node_state, resumed_secs_ago, siblings, usb_state};
pub use self::watch::{TELLS_OF_USE, WatchGuard, watch};
use super::codes::{self, Call};
pub use super::elsewhere::number;
use super::text::{plain, safe};
use super::{Capabilities, Device, DeviceKind, Undriven, Usability, UsbLink, with_what_is_there, without_code};
use crate::fault::{Fault, FaultKind};

mod controls;
pub mod process;
mod processes;
mod query;
mod refusal;
pub mod shared_memory;
mod start;
mod surroundings;
mod watch;

const SYSFS: &str = "/sys/class/video4linux";
const DEV: &str = "/dev";
const UDEV_DATA: &str = "/run/udev/data";

/// `O_NONBLOCK` of all Linux architectures that Rust supports, except those of MIPS and SPARC.
const O_NONBLOCK: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
    0x80
} else if cfg!(target_arch = "sparc64") {
    0x4000
} else {
    0x800
};

pub fn list() -> Vec<Device> {
    list_in(Path::new(SYSFS), Path::new(DEV), Path::new(UDEV_DATA))
}

/// A node that the user named by its path (also a link to it, as in `/dev/v4l/by-id`), by its number, or by the name of
/// its link in `/dev/v4l/by-id` or `by-path`, whether or not it exists.
pub fn by_path(text: &str) -> Option<Device> {
    let path = if text.starts_with("/dev/") {
        PathBuf::from(text)
    } else if let Ok(index) = text.parse::<u32>() {
        Path::new(DEV).join(format!("video{index}"))
    } else {
        ["v4l/by-id", "v4l/by-path"].iter().map(|folder| Path::new(DEV).join(folder).join(text)).find(|p| p.exists())?
    };
    let path = fs::canonicalize(&path).unwrap_or(path);
    let text = path.to_string_lossy().into_owned();
    Some(Device {
        identity: text.clone(),
        name: text.clone(),
        index: number_of(&path),
        path: text,
        ..Device::default()
    })
}

/// Whether there is a node at all. Nothing is opened.
pub fn check_node(path: &Path) -> Result<(), Fault> {
    fs::metadata(path).map(drop).map_err(|error| fault_of(&error, path))
}

/// Whether this user may open a node. Nothing is opened.
pub fn may_open(path: &Path) -> Result<(), Fault> {
    access(path, Access::READ_OK | Access::WRITE_OK).map_err(|error| fault_of(&error.into(), path))
}

pub fn examine(path: &Path) -> Usability {
    match why_not(path) {
        Some(fault) => Usability::Unusable(fault),
        None => Usability::Openable,
    }
}

/// Cameras that are plugged in and have no node.
pub fn without_driver() -> Vec<Undriven> {
    refusal::without_driver(&Files::of_this_system())
}

/// Why a stream does not start that has just failed to, by the error's number, or what the driver itself says when it is
/// asked once more. Blocks as long as it does.
pub fn why_no_start(path: &Path, label: &str, code: Option<i32>) -> Option<Fault> {
    let code = code.or_else(|| start::start_error(path))?;
    why_no_start_in(Path::new(SYSFS), path, label, code, &list())
}

pub fn taken_error(path: &Path) -> Option<i32> {
    start::taken_error(path)
}

fn why_no_start_in(sysfs: &Path, path: &Path, label: &str, code: i32, devices: &[Device]) -> Option<Fault> {
    const ENOSPC: i32 = 28;
    let fault = codes::errno(code, Call::Start)?.fault(label, code);
    if fault.kind == FaultKind::Busy {
        return Some(match busy(path) {
            Some(named) => named.with_code(code),
            // Only root sees what other users' processes have open.
            None => Fault { message: format!("{label} is in use by a program of another user"), ..fault }
                .with_advice(format!("Find it with sudo fuser -v {}, and close it.", path.display())),
        });
    }
    if code != ENOSPC {
        return Some(fault);
    }
    let node = sysfs.join(path.file_name()?);
    let label_of = |number| devices.iter().find(|device| device.index == Some(number)).map(Device::label);
    let others = refusal::neighbours(sysfs, &node)
        .into_iter()
        .map(|number| label_of(number).unwrap_or_else(|| format!("/dev/video{number}")))
        .collect::<Vec<_>>();
    if others.is_empty() {
        return Some(fault);
    }
    let verb = if others.len() == 1 { "streams" } else { "stream" };
    let message = format!("{}, on which {} {verb} too", fault.message, others.join(" and "));
    Some(Fault { message, ..fault })
}

fn why_not(path: &Path) -> Option<Fault> {
    let shown = path.display();
    let no_camera = |what: &str| Some(Fault::new(FaultKind::NotACamera, format!("{shown} is {what}")));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Some(fault_of(&error, path)),
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        return no_camera("a folder, not a camera");
    }
    if !kind.is_char_device() {
        return no_camera("a file, not a camera");
    }
    let node = Path::new(SYSFS).join(path.file_name()?);
    // Opening is no small matter with some devices: a watchdog then restarts the computer.
    if !node.exists() && number_of(path).is_none() {
        return no_camera(refusal::what_it_is(path));
    }
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path) {
        return Some(fault_of(&error, path));
    }
    if !node.exists() {
        return no_camera(refusal::what_it_is(path));
    }
    if !is_capture_node(&node, Path::new(UDEV_DATA)) {
        return Some(no_pictures(Path::new(SYSFS), &node, path, &list()));
    }
    if is_virtual(&node) {
        // Not busy: a loopback device has any number of readers, and whoever holds it may well be the one that feeds it.
        let feeder = holders(path).into_iter().find(|holder| holder.role == super::holders::Role::Program);
        let feeds = feeder.map_or_else(
            || "no program feeds it".to_owned(),
            |feeder| format!("{} (process {}), which has it open, gives no picture", feeder.program, feeder.pid),
        );
        return Some(
            Fault::new(FaultKind::OpenFailed, format!("{shown} is a virtual camera, and {feeds}"))
                .with_advice("Start the program that makes its picture, or choose another camera."),
        );
    }
    busy(path).or_else(|| {
        let driver = link_name(&node.join("device/driver"));
        let kind = DeviceKind::of("", driver.as_deref(), false);
        let note = (kind == DeviceKind::RawSensor).then(|| kind.note(driver.as_deref())).flatten()?;
        Some(
            Fault::new(FaultKind::FormatRefused, format!("{shown} gives a sensor's raw data, which is no picture yet"))
                .with_advice(note),
        )
    })
}

/// What a node is that gives no pictures, though it is one of a camera or near to it.
fn no_pictures(sysfs: &Path, node: &Path, path: &Path, cameras: &[Device]) -> Fault {
    let shown = path.display();
    let driver = link_name(&node.join("device/driver"));
    let parent = fs::canonicalize(node.join("device")).ok();
    let camera = cameras.iter().find(|device| {
        let node = sysfs.join(Path::new(&device.path).file_name().unwrap_or_default());
        fs::canonicalize(node.join("device")).ok() == parent && parent.is_some()
    });
    let fault = |what: &str| Fault::new(FaultKind::NotACamera, format!("{shown} is {what}"));
    match (driver, camera) {
        (Some(driver), _) if super::kind::is_codec(&driver) => {
            fault(&format!("a codec ({driver}), which works on the pictures of others"))
        }
        (_, Some(camera)) => fault("a camera's second node, for its metadata: no picture comes from it")
            .with_advice(format!("Choose {} instead.", camera.path)),
        (_, None) => fault("an output or a node for data: no picture comes from it"),
    }
}

/// The errors of opening a node; those of streaming are others.
fn fault_of(error: &io::Error, path: &Path) -> Fault {
    const EPERM: i32 = 1;
    const ENOENT: i32 = 2;
    const EACCES: i32 = 13;
    let shown = path.display().to_string();
    let Some(code) = error.raw_os_error() else {
        return Fault::new(FaultKind::OpenFailed, format!("{shown} cannot be opened: {error}"));
    };
    let files = Files::of_this_system();
    if matches!(code, EPERM | EACCES) {
        return refusal::denied(&files, path, code, refusal::Rights::of(path));
    }
    if let Some(fault) = refusal::without_name(&files, path).filter(|_| code == ENOENT) {
        return fault;
    }
    let Some(meaning) = codes::errno(code, Call::Open) else {
        let said = error.to_string();
        let message = format!("{shown} cannot be opened: {}", without_code(&said));
        return Fault::new(FaultKind::OpenFailed, message).with_code(code);
    };
    let fault = meaning.fault(&shown, code);
    if fault.kind == FaultKind::Missing { with_what_is_there(fault, &list(), &without_driver()) } else { fault }
}

/// Calls the driver, and blocks as long as it does.
pub fn capabilities(device: &Device) -> Result<Capabilities, Fault> {
    let path = Path::new(&device.path);
    query::capabilities(path).map_err(|error| fault_of(&error, path))
}

/// A fault that names the programs that have the node open, when there are such. Sees those of other users only as root.
fn busy(path: &Path) -> Option<Fault> {
    super::holders::busy(&holders(path), &path.display().to_string())
}

fn list_in(sysfs: &Path, dev: &Path, udev_data: &Path) -> Vec<Device> {
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
fn number_of(node: &Path) -> Option<u32> {
    node.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

fn is_virtual(node: &Path) -> bool {
    fs::canonicalize(node).is_ok_and(|path| {
        let folders: Vec<_> = path.components().map(std::path::Component::as_os_str).collect();
        folders.windows(2).any(|pair| pair == ["devices", "virtual"])
    })
}

fn is_capture_node(node: &Path, udev_data: &Path) -> bool {
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
        let is_codec = driver.is_some_and(|driver| super::kind::is_codec(&driver));
        !is_codec && read(&node.join("index")).is_none_or(|index| index == "0")
    })
}

/// The name of what a link of sysfs points to.
fn link_name(link: &Path) -> Option<String> {
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
fn usb_identity(vendor: &str, product: &str, serial: Option<&str>, interface: &str) -> String {
    match serial {
        Some(serial) => format!("usb-{vendor}_{product}_{serial}"),
        None => format!("usb-{vendor}_{product}-port{}", port_of(interface)),
    }
}

/// `1-1` for the interface `1-1:1.0`.
fn port_of(interface: &str) -> &str {
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
fn read(path: &Path) -> Option<String> {
    let text = safe(&fs::read(path).ok()?);
    (!text.is_empty()).then_some(text)
}

// ---- reset

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
            let tell = |file: &str| fs::write(driver.join(file), &name);
            tell("unbind").and_then(|()| tell("bind")).map_err(|error| {
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
    let said = error.to_string();
    let fault = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Fault::new(FaultKind::Denied, format!("the system does not let this program reset {label}"))
                .with_advice(rights)
        }
        _ => Fault::new(FaultKind::ResetFailed, format!("{label} could not be reset: {}", without_code(&said))),
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
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder laid out as `/sys`: each node is a folder of its parent and a link in the class.
    struct FakeSystem {
        root: tempfile::TempDir,
    }

    impl FakeSystem {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for folder in ["class", "bus/usb/drivers/uvcvideo", "udev"] {
                fs::create_dir_all(root.path().join(folder)).unwrap();
            }
            Self { root }
        }

        /// `parent` is a path below the root, `usb1/1-1/1-1:1.0`; its folder gets the files of a USB device.
        fn node(&self, number: u32, parent: &str, index: u32, serial: Option<&str>) {
            let parent = self.root.path().join(parent);
            let node = parent.join(format!("video4linux/video{number}"));
            let bus = self.root.path().join("bus/usb");
            fs::create_dir_all(&node).unwrap();
            let file = |path: PathBuf, text: &str| fs::write(path, format!("{text}\n")).unwrap();
            file(node.join("name"), "Some Camera");
            file(node.join("index"), &index.to_string());
            file(node.join("dev"), &format!("81:{number}"));
            let _ = symlink(&parent, node.join("device"));
            let _ = symlink(&bus, parent.join("subsystem"));
            let _ = symlink(bus.join("drivers/uvcvideo"), parent.join("driver"));
            let usb = parent.parent().unwrap();
            file(usb.join("idVendor"), "046d");
            file(usb.join("idProduct"), "082d");
            if let Some(serial) = serial {
                file(usb.join("serial"), serial);
            }
            symlink(&node, self.root.path().join("class").join(format!("video{number}"))).unwrap();
        }

        fn udev_says(&self, number: u32, capabilities: &str) {
            let text = format!("S:v4l/by-id/x\nE:ID_V4L_VERSION=2\nE:ID_V4L_CAPABILITIES={capabilities}\n");
            fs::write(self.root.path().join(format!("udev/c81:{number}")), text).unwrap();
        }

        fn list(&self) -> Vec<Device> {
            list_in(&self.root.path().join("class"), Path::new("/dev"), &self.root.path().join("udev"))
        }

        #[track_caller]
        fn check(&self, expected: &[(&str, &str)]) {
            let devices = self.list();
            let got = devices.iter().map(|d| (d.identity.as_str(), d.path.as_str())).collect::<Vec<_>>();
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_camera_is_described_from_sysfs() {
        let system = FakeSystem::new();
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
        let system = FakeSystem::new();
        system.node(10, "usb1/1-1/1-1:1.0", 0, Some("A"));
        system.node(2, "usb1/1-2.4/1-2.4:1.0", 0, None);
        system.check(&[("usb-046d_082d-port1-2_4", "/dev/video2"), ("usb-046d_082d_A", "/dev/video10")]);
    }

    #[test]
    fn cameras_with_one_serial_number_are_told_apart_by_their_port() {
        let system = FakeSystem::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("01.00.00"));
        system.node(2, "usb1/1-3/1-3:1.0", 0, Some("01.00.00"));
        system.check(&[
            ("usb-046d_082d_01_00_00-port1-1_1_0", "/dev/video0"),
            ("usb-046d_082d_01_00_00-port1-3_1_0", "/dev/video2"),
        ]);
    }

    #[test]
    fn a_camera_without_a_serial_number_is_bound_to_its_port() {
        let system = FakeSystem::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, None);
        system.node(2, "usb1/1-3/1-3:1.0", 0, None);
        system.node(4, "usb1/1-4/1-4:1.0", 0, Some("A"));
        let devices = system.list();
        assert_eq!(devices.iter().map(|d| d.is_bound_to_port).collect::<Vec<_>>(), [true, true, false]);
        assert!(devices[1].notes[0].contains("no serial number") && devices[1].notes[0].contains("port (1-3)"));
        assert_eq!(devices[2].notes, [""; 0]);

        // One serial number for the whole model, as cheap ones have it.
        let system = FakeSystem::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("01.00.00"));
        system.node(2, "usb1/1-3/1-3:1.0", 0, Some("01.00.00"));
        let devices = system.list();
        assert!(devices.iter().all(|d| d.is_bound_to_port && d.notes[0].contains("same serial number")), "{devices:?}");
    }

    #[test]
    fn what_a_usb_port_gives_is_told() {
        let system = FakeSystem::new();
        system.node(0, "usb1/1-1.4/1-1.4:1.0", 0, Some("A"));
        fs::write(system.root.path().join("usb1/1-1.4/speed"), "480\n").unwrap();
        fs::write(system.root.path().join("usb1/1-1.4/version"), " 2.00\n").unwrap();
        let usb = system.list()[0].usb.clone().unwrap();
        assert_eq!(*usb, UsbLink::new("1-1.4", Some("480"), Some("2.00")));
        assert_eq!(usb.speed.as_deref(), Some("USB 2 high speed, 480 Mbit/s"));
    }

    #[test]
    fn two_cameras_in_one_device_are_two() {
        let system = FakeSystem::new();
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
        let system = FakeSystem::new();
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
        let system = FakeSystem::new();
        system.node(0, "soc/codec/fe980000.codec", 0, None);
        let driver = system.root.path().join("soc/codec/fe980000.codec/driver");
        fs::remove_file(&driver).unwrap();
        symlink(system.root.path().join("bus/usb/drivers/bcm2835-codec"), driver).unwrap();
        system.check(&[]);
    }

    #[test]
    fn what_a_hostile_device_says_is_made_safe() {
        let system = FakeSystem::new();
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
        let system = FakeSystem::new();
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
    fn what_is_behind_a_camera_is_found_for_its_reset() {
        let system = FakeSystem::new();
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

    #[test]
    fn a_system_without_cameras_has_an_empty_list() {
        assert_eq!(list_in(Path::new("/no/such/folder"), Path::new("/dev"), Path::new("/none")), []);
    }

    #[test]
    fn an_identity_can_be_typed() {
        use crate::source::SourceSpec;
        let system = FakeSystem::new();
        system.node(0, "usb1/1-1.4/1-1.4:1.0", 0, Some("ÄÖ /.x"));
        for device in system.list() {
            assert_eq!(SourceSpec::parse(&device.identity), Ok(SourceSpec::Device(device.identity)));
        }
    }

    #[track_caller]
    fn check_why(path: &str, expected: Option<(FaultKind, Option<i64>)>) {
        assert_eq!(why_not(Path::new(path)).map(|fault| (fault.kind, fault.code)), expected, "{path}");
    }

    #[test]
    fn what_is_no_camera_is_named() {
        check_why("/dev/video99999", Some((FaultKind::Missing, Some(2))));
        check_why("/dev/null/video0", Some((FaultKind::Missing, Some(20))));
        check_why("/dev", Some((FaultKind::NotACamera, None)));
        check_why("/dev/null", Some((FaultKind::NotACamera, None)));
        check_why("/etc/passwd", Some((FaultKind::NotACamera, None)));
    }

    #[test]
    fn a_codec_and_a_metadata_node_are_told_apart() {
        let system = FakeSystem::new();
        system.node(0, "usb1/1-1/1-1:1.0", 0, Some("A"));
        system.node(1, "usb1/1-1/1-1:1.0", 1, Some("A"));
        system.node(10, "soc/codec/fe980000.codec", 0, None);
        system.node(12, "soc/out/fe990000.out", 0, None);
        let driver = system.root.path().join("soc/codec/fe980000.codec/driver");
        fs::remove_file(&driver).unwrap();
        symlink(system.root.path().join("bus/usb/drivers/bcm2835-codec"), driver).unwrap();
        system.udev_says(12, ":video_output:");
        let class = system.root.path().join("class");
        let check = |number: u32, expected: &str, advice: &str| {
            let path = format!("/dev/video{number}");
            let fault = no_pictures(&class, &class.join(format!("video{number}")), Path::new(&path), &system.list());
            assert_eq!((fault.kind, fault.message), (FaultKind::NotACamera, format!("{path} is {expected}")));
            assert!(fault.advice.contains(advice), "{}", fault.advice);
        };
        check(1, "a camera's second node, for its metadata: no picture comes from it", "Choose /dev/video0 instead");
        check(10, "a codec (bcm2835-codec), which works on the pictures of others", "camclinic list");
        check(12, "an output or a node for data: no picture comes from it", "camclinic list");
    }

    #[test]
    fn a_full_bus_is_explained_with_who_is_on_it() {
        let system = FakeSystem::new();
        for (number, port) in [(0, 1), (2, 2), (4, 3)] {
            system.node(number, &format!("usb1/1-{port}/1-{port}:1.0"), 0, Some(&number.to_string()));
            let interface = system.root.path().join(format!("usb1/1-{port}/1-{port}:1.1"));
            fs::create_dir_all(&interface).unwrap();
            fs::write(interface.join("bInterfaceClass"), "0e\n").unwrap();
            fs::write(interface.join("bAlternateSetting"), if number == 2 { " 0\n" } else { "11\n" }).unwrap();
        }
        let class = system.root.path().join("class");
        let devices = system.list();
        let why = |node: &str, code| why_no_start_in(&class, Path::new(node), "Cam", code, &devices).unwrap();
        let fault = why("/dev/video2", 28);
        assert_eq!((fault.kind, fault.code), (FaultKind::NoResources, Some(28)));
        let others = "Some Camera (/dev/video0) and Some Camera (/dev/video4)";
        assert_eq!(fault.message, format!("Cam finds no room on its USB bus, on which {others} stream too"));
        assert!(fault.advice.contains("MJPEG") && fault.advice.contains("another USB controller"), "{}", fault.advice);
        assert_eq!(why("/dev/video9", 28).message, "Cam finds no room on its USB bus");
        let fault = why("/dev/video2", 16);
        assert!(fault.message.contains("program of another user") && fault.advice.contains("fuser -v /dev/video2"));
        assert_eq!(why("/dev/video2", 71).message, "Cam has errors on its USB line");
        assert_eq!(why_no_start_in(&class, Path::new("/dev/video2"), "Cam", 9_999, &devices), None);
    }

    #[test]
    fn whoever_holds_a_node_is_found() {
        let path = fs::canonicalize(tempfile::NamedTempFile::new().unwrap().path().parent().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new_in(path).unwrap();
        assert_eq!(holders(file.path()).iter().map(|holder| holder.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(busy(file.path()).unwrap().message.contains("this program itself"));
        assert!(busy(Path::new("/dev/no-such-node")).is_none());
    }
}
