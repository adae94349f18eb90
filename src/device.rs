//! Which cameras there are, and why one of them cannot be opened.
//!
//! A device has an identity that survives a re-plug and a restart; the number by which the system lists it does not.
//! Nothing here opens a stream. What a system knows is in one file for each: the rest of the program never asks which
//! system it runs on.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::fault::{Fault, FaultKind};

pub mod ask;
pub mod availability;
pub mod capabilities;
pub mod choices;
pub mod codes;
pub mod controls;
pub mod holders;
pub mod kind;
pub mod process;
pub mod shared_memory;
pub mod surroundings;
pub mod watch;

pub use ask::{capabilities_of_all, capabilities_within};
pub use capabilities::Capabilities;
pub use holders::Holder;
pub use kind::{DeviceKind, UsbLink};
pub use surroundings::{Heat, KernelLine, Pressure, UsbState};

mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::capture;
pub mod macos;
#[cfg(any(windows, target_os = "macos"))]
mod native;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod unix;
pub mod windows;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos::system;
#[cfg(windows)]
use windows::system;

/// The system that a camera is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    Linux,
    Windows,
    Macos,
    Other,
}

impl System {
    /// The one that this program was built for.
    pub const HERE: Self = if cfg!(target_os = "linux") {
        Self::Linux
    } else if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::Macos
    } else {
        Self::Other
    };
}

impl Default for System {
    fn default() -> Self {
        Self::HERE
    }
}

/// A camera that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// Names the same camera again after a re-plug and a restart, as far as the camera lets it: by its serial number,
    /// else by the port it is plugged into.
    pub identity: String,
    /// The name that the maker gave it, for people.
    pub name: String,
    /// What opens it: the node on Linux, the symbolic link on Windows, the unique ID on macOS.
    pub path: String,
    /// The system's number, which another camera may have tomorrow.
    pub index: Option<u32>,
    pub driver: Option<String>,
    /// Where it is plugged in: `usb 1-1:1.0`, `platform vivid.0`.
    pub bus: Option<String>,
    /// Four hexadecimal digits each, where it is a USB device.
    pub vendor_id: Option<String>,
    pub product_id: Option<String>,
    pub serial: Option<String>,
    pub kind: DeviceKind,
    /// Boxed because most of its readers do not ask for it.
    pub usb: Option<Box<UsbLink>>,
    /// It has no serial number of its own: its identity is that of the port, and another camera of the same model in this
    /// port would be taken for it.
    pub is_bound_to_port: bool,
    /// What there is to know before it is opened, in sentences.
    pub notes: Vec<String>,
}

impl Device {
    /// Name and path, for messages.
    #[must_use]
    pub fn label(&self) -> String {
        if self.name == self.path { self.path.clone() } else { format!("{} ({})", self.name, self.path) }
    }

    /// Takes in what only the device itself tells: that it is an infrared camera, though its name does not say so; that its
    /// privacy shutter is closed.
    pub fn learn(&mut self, capabilities: &Capabilities) {
        if self.kind == DeviceKind::Camera && self.usb.is_some() && capabilities.is_grey_only() {
            self.kind = DeviceKind::Infrared;
            self.write_notes();
        }
        let is_covered = capabilities
            .controls
            .iter()
            .any(|control| control.id == crate::control::PRIVACY && control.value == Some(1));
        if is_covered && !self.notes.iter().any(|note| note == COVERED) {
            self.notes.insert(0, COVERED.to_owned());
        }
    }

    /// Writes the notes that its other facts call for.
    fn write_notes(&mut self) {
        let mut notes = Vec::new();
        notes.extend(self.kind.note(self.driver.as_deref()));
        if let Some(usb) = &self.usb {
            if self.is_bound_to_port {
                let why = if self.serial.is_some() {
                    "Another camera here has the same serial number"
                } else {
                    "It has no serial number"
                };
                notes.push(format!(
                    "{why}: it is known by its port ({}). In another port it counts as another camera, and another of its model in this port as this one.",
                    usb.port
                ));
            }
            notes.extend(usb.note());
        }
        self.notes = notes;
    }
}

/// Of a camera whose privacy control says so.
const COVERED: &str =
    "Its privacy shutter or switch is closed: every picture is black. Open the shutter, or press the camera's key.";

/// A camera that is plugged in and cannot be used, because no driver has taken it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undriven {
    /// Without a path.
    #[serde(flatten)]
    pub device: Device,
    pub fault: Fault,
}

/// What can be found out about a device that did not open, without talking to its driver's video side.
#[derive(Debug)]
pub enum Usability {
    /// This is why it cannot be opened.
    Unusable(Fault),
    /// The node opens: whoever failed to stream from it was refused for another reason, most often because another
    /// program streams already.
    Openable,
    /// The system has no node to look at.
    Unknown,
}

/// All cameras, in an order that does not change while nothing is plugged in or out.
///
/// Asks drivers on Windows and macOS, which may hang: see [`list_within`].
#[must_use]
pub fn list() -> Vec<Device> {
    system::list()
}

/// The same on a thread of its own, which is left behind when it takes longer. `None` then, or when there is no thread.
#[must_use]
pub fn list_within(deadline: Duration) -> Option<Vec<Device>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("list-devices".into())
        .spawn(move || {
            // After the deadline nobody receives it any more.
            let _ = sender.send(list());
        })
        .ok()?;
    receiver.recv_timeout(deadline).ok()
}

/// The camera of that identity, path or number, if it is there now.
#[must_use]
pub fn find(text: &str) -> Option<Device> {
    find_among(list(), text)
}

fn find_among(devices: Vec<Device>, text: &str) -> Option<Device> {
    let index = text.parse::<u32>().ok();
    devices
        .into_iter()
        .find(|device| device.identity == text || device.path == text || index.is_some() && device.index == index)
}

/// The camera that a user named by identity, path or number; also one whose node exists and is not listed, so that
/// opening it can say what it is.
///
/// # Errors
/// There is none of that name; the advice lists those that are there.
pub fn named(text: &str) -> Result<Device, Fault> {
    let devices = list();
    if let Some(listed) = find_among(devices.clone(), text) {
        return Ok(listed);
    }
    let unlisted = system::by_path(text).ok_or_else(|| missing(text, &devices, &system::without_driver()))?;
    match find_among(devices, &unlisted.path) {
        Some(listed) => Ok(listed),
        None => system::check_node(Path::new(&unlisted.path)).map(|()| unlisted),
    }
}

/// The cameras that are plugged in and not in [`list`], because no driver has taken them. Only files are read.
#[must_use]
pub fn undriven() -> Vec<Undriven> {
    system::without_driver()
}

/// What keeps a device from being opened, as far as the system tells before a backend is asked: it is not there, this
/// program may not open it, it is something else than a camera, another program streams from it. Opens its node for a
/// moment, and blocks as long as its driver does.
///
/// # Errors
/// What it is, and what to do about it.
pub fn check(device: &Device) -> Result<(), Fault> {
    use FaultKind::{Busy, Denied, Missing, NoResources, NotACamera};
    match examine(device) {
        // Many programs may have a camera open, of which one streams.
        Usability::Unusable(fault) if fault.kind == Busy => match system::taken_error(Path::new(&device.path)) {
            Some(code) => Err(fault.with_code(code)),
            None => Ok(()),
        },
        Usability::Unusable(fault) if matches!(fault.kind, Denied | Missing | NoResources | NotACamera) => Err(fault),
        // The other reasons are only for what has failed.
        Usability::Unusable(_) | Usability::Openable | Usability::Unknown => Ok(()),
    }
}

/// Why a stream does not start that has just failed to: by the error's number; without one, in the words of the driver,
/// which libraries keep to themselves. Asks the driver then, and blocks as long as it does. `None` where it has nothing to
/// say, and where the system's numbers are others.
#[must_use]
pub fn start_fault(device: &Device, code: Option<i32>) -> Option<Fault> {
    system::why_no_start(Path::new(&device.path), &device.label(), code)
}

/// Why a device did not open, as far as it can be told from outside.
#[must_use]
pub fn examine(device: &Device) -> Usability {
    system::examine(Path::new(&device.path))
}

/// The number by which a backend opens a device. `None` where it does not list it.
#[must_use]
pub fn number(device: &Device, backend: Backend) -> Option<u32> {
    system::number(device, backend)
}

/// The processes that have a device open, likeliest in the way first; servers that do not stream come last. Asks no driver,
/// and takes some milliseconds. Empty where nobody has it, where they are other users' and this one may not look, and on
/// systems that do not tell.
#[must_use]
pub fn holders(device: &Device) -> Vec<Holder> {
    system::holders(Path::new(&device.path))
}

/// The same of many devices, in their order, in hardly more time.
#[must_use]
pub fn holders_of_all(devices: &[Device]) -> Vec<Vec<Holder>> {
    system::holders_of_each(&devices.iter().map(|device| Path::new(&device.path)).collect::<Vec<_>>())
}

// ---- what surrounds a camera

/// What the system has of a camera's node, besides what it lets this program do with it. `None` where it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// The kernel has it, though this program may not see it.
    pub is_known: Option<bool>,
    /// Its own rights let this program in: whoever refuses all the same is somebody else (F11).
    pub is_allowed: Option<bool>,
}

/// The state of what is named by its path or number. Nothing is opened.
#[must_use]
pub fn node_state(text: &str) -> NodeState {
    system::node_state(text)
}

/// How the port of a USB camera stands. `None` of other cameras, and where the system does not tell. Only files are read.
#[must_use]
pub fn usb_state(device: &Device) -> Option<UsbState> {
    system::usb_state(device)
}

/// The other cameras in the same device: the coloured one beside an infrared one, the one beside a metadata node. Asks drivers
/// on Windows and macOS, as [`list`] does.
#[must_use]
pub fn siblings(device: &Device) -> Vec<Device> {
    system::siblings(device)
}

/// What the kernel said within the last hour of a camera, its port and its USB controller, oldest first. `None` where this
/// user may not read it.
#[must_use]
pub fn kernel_log(device: &Device) -> Option<Vec<KernelLine>> {
    system::kernel_log(device)
}

/// What this program runs in that may keep devices from it, in one word: `snap`, `docker`.
#[must_use]
pub fn confinement() -> Option<String> {
    system::confinement()
}

/// When the computer last woke from sleep, in seconds ago, where that can be read.
#[must_use]
pub fn resumed_secs_ago() -> Option<f64> {
    system::resumed_secs_ago()
}

/// How warm the computer is. Only files are read.
#[must_use]
pub fn heat() -> Heat {
    system::heat()
}

/// How long others have waited for this computer so far. Only files are read.
#[must_use]
pub fn pressure() -> Pressure {
    system::pressure()
}

/// Reads and sets a device's controls beside whoever streams from it. Each call may block for as long as the device does not
/// answer. Where the system has no such thing, opening fails.
pub use system::ControlPort;

// ---- reset

/// Resets a device on its bus, which is what pulling its plug and plugging it in again does. Every program loses it, and
/// it may come back under another number. May block for seconds, and for ever in a hung driver: to be called on a thread
/// that nobody needs back, with the device closed.
///
/// # Errors
/// `Denied`, with an advice that names the right that is needed; `ResetFailed` where the system has no way to do it.
pub fn reset(device: &Device) -> Result<(), Fault> {
    system::reset(device)
}

/// No such camera; says which there are.
fn missing(text: &str, devices: &[Device], undriven: &[Undriven]) -> Fault {
    if let Some(wanted) = undriven.iter().find(|undriven| undriven.device.identity == text) {
        return wanted.fault.clone();
    }
    with_what_is_there(Fault::new(FaultKind::Missing, format!("there is no camera {text}")), devices, undriven)
}

/// A camera without a driver may be the one that is missed.
fn with_what_is_there(fault: Fault, devices: &[Device], undriven: &[Undriven]) -> Fault {
    match undriven.first() {
        Some(other) => {
            let message = format!("{}; {}", fault.message, other.fault.message);
            Fault { message: message.into(), ..fault }.with_advice(&other.fault.advice)
        }
        None => fault.with_advice(what_is_there(devices)),
    }
}

fn what_is_there(devices: &[Device]) -> String {
    if devices.is_empty() {
        return "The system lists no camera: check cable and port, or choose the simulated camera, sim:.".to_owned();
    }
    let names = devices
        .iter()
        .map(|device| format!("{} ({}, {})", device.identity, device.name, device.path))
        .collect::<Vec<_>>();
    format!("Check the cable and the name, or choose one of: {}.", names.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Control, ControlKind, EXPOSURE_TIME, PRIVACY};

    fn two() -> Vec<Device> {
        let device = |identity: &str, path: &str, index| Device {
            identity: identity.into(),
            name: "Cam".into(),
            path: path.into(),
            index: Some(index),
            ..Device::default()
        };
        vec![device("usb-046d_082d_A", "/dev/video0", 0), device("usb-046d_082d_B", "/dev/video2", 2)]
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = find_among(two(), text).map(|device| device.path);
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_camera_is_found_by_each_of_its_names() {
        check("usb-046d_082d_B", Some("/dev/video2"));
        check("/dev/video0", Some("/dev/video0"));
        check("2", Some("/dev/video2"));
        check("1", None);
        check("usb-046d_082d", None);
        check("", None);
    }

    #[test]
    fn an_unknown_camera_is_answered_with_those_that_are_there() {
        let fault = missing("usb-1234", &two(), &[]);
        assert_eq!(fault.kind, FaultKind::Missing);
        assert!(fault.message.contains("usb-1234"));
        assert!(fault.advice.contains("usb-046d_082d_B") && fault.advice.contains("/dev/video2"));
        assert!(missing("7", &[], &[]).advice.contains("sim:"));
        let undriven = |identity: &str| Undriven {
            device: Device { identity: identity.into(), ..Device::default() },
            fault: Fault::new(FaultKind::Missing, "Cam is plugged in, but not driven").with_advice("Drive it."),
        };
        let fault = missing("usb-1234", &two(), &[undriven("usb-1")]);
        assert_eq!(fault.message, "there is no camera usb-1234; Cam is plugged in, but not driven");
        assert_eq!(fault.advice, "Drive it.");
        let fault = missing("usb-1234", &two(), &[undriven("usb-1"), undriven("usb-1234")]);
        assert_eq!(fault.message, "Cam is plugged in, but not driven");
        assert_eq!(
            named("no-such-camera").map(|device| device.path).map_err(|fault| fault.kind),
            Err(FaultKind::Missing)
        );
    }

    #[test]
    fn a_closed_shutter_is_noted_once() {
        let shutter = |id, value| {
            let (name, kind) = ("Privacy".to_owned(), ControlKind::Boolean);
            let shutter =
                Control { id, name, kind, value, default: 0, held: None, is_read_only: true, is_volatile: true };
            Capabilities { controls: vec![shutter], ..Capabilities::default() }
        };
        let check = |capabilities: &Capabilities, expected: usize| {
            let mut device = Device::default();
            device.learn(capabilities);
            device.learn(capabilities);
            assert_eq!(device.notes.iter().filter(|note| note.contains("shutter")).count(), expected);
        };
        check(&shutter(PRIVACY, Some(1)), 1);
        check(&shutter(PRIVACY, Some(0)), 0);
        check(&shutter(PRIVACY, None), 0);
        check(&shutter(EXPOSURE_TIME, Some(1)), 0);
    }

    #[test]
    fn listing_keeps_its_deadline() {
        assert!(list_within(Duration::from_secs(30)).is_some());
    }
}
