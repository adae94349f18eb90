//! A device as the plug-and-play manager of Windows has it: whether it is a camera, what is wrong with it, and how fast the port
//! is that it is plugged into.

use serde::Deserialize;

use super::instance::InstanceId;
use crate::device::codes;
use crate::fault::{Fault, FaultKind};

/// A device as the plug-and-play manager has it. What it does not tell is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PnpDevice {
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
    pub hub_port: HubPort,
}

/// What the driver of a hub says about one of its ports, byte for byte; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HubPort {
    /// `USB_NODE_CONNECTION_INFORMATION_EX`
    pub basic: Vec<u8>,
    /// `USB_NODE_CONNECTION_INFORMATION_EX_V2`
    pub newer: Vec<u8>,
}

impl HubPort {
    /// In millions of bits a second, and the version of USB that the device keeps to, both as Linux writes them. Neither
    /// where the device in that port is not of that maker and model.
    pub(super) fn speed(&self, vendor: Option<&str>, product: Option<&str>) -> (Option<&'static str>, Option<String>) {
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

/// `KSCATEGORY_VIDEO_CAMERA`: what Media Foundation lists.
pub const VIDEO_CAMERA: &str = "e5323777-f976-4f5b-9b55-b94699c46e44";
/// `KSCATEGORY_SENSOR_CAMERA`: infrared and depth cameras that no ordinary program is meant to open.
pub const SENSOR_CAMERA: &str = "24e552d7-6523-47f7-a647-d3465bf1f5ca";
/// `GUID_DEVCLASS_CAMERA`, since Windows 10, and `GUID_DEVCLASS_IMAGE`, which scanners have too.
pub const CAMERA_CLASS: &str = "ca3e7ab9-b4c3-4ae6-8251-579ef933890f";
const IMAGE_CLASS: &str = "6bdd1fc6-810f-11d0-bec7-08002be2092f";
/// The interface class of USB video.
const USB_VIDEO: &str = r"USB\CLASS_0E";

impl PnpDevice {
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

    #[must_use]
    pub fn is_sensor_only(&self) -> bool {
        self.is_in(SENSOR_CAMERA) && !self.is_in(VIDEO_CAMERA)
    }

    #[must_use]
    pub fn name(&self) -> &str {
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

#[cfg(test)]
mod tests {
    use super::super::fake::hub_port;
    use super::*;

    #[track_caller]
    fn check_problem(problem: u32, expected: Option<FaultKind>) {
        let node = PnpDevice { problem, ..PnpDevice::default() };
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

    #[track_caller]
    fn check_speed(port: &HubPort, megabits: Option<&str>, version: Option<&str>) {
        let found = port.speed(Some("046d"), Some("082d"));
        assert_eq!((found.0, found.1.as_deref()), (megabits, version), "{port:?}");
    }

    #[test]
    fn a_hub_tells_the_speed_of_its_port() {
        check_speed(&hub_port(0, 0x0110, Some(0)), Some("1.5"), Some("1.10"));
        check_speed(&hub_port(1, 0x0200, Some(0)), Some("12"), Some("2.00"));
        check_speed(&hub_port(2, 0x0200, Some(0)), Some("480"), Some("2.00"));
        check_speed(&hub_port(2, 0x0200, None), Some("480"), Some("2.00"));
        check_speed(&hub_port(2, 0x0210, Some(2)), Some("480"), Some("2.10"));
        check_speed(&hub_port(2, 0x0300, Some(3)), Some("5000"), Some("3.00"));
        check_speed(&hub_port(3, 0x0320, None), Some("5000"), Some("3.20"));
        check_speed(&hub_port(3, 0x0320, Some(7)), Some("10000"), Some("3.20"));
        check_speed(&hub_port(9, 0x0200, None), None, Some("2.00"));
        check_speed(&HubPort::default(), None, None);
        // Another device has taken the port in between.
        assert_eq!(hub_port(2, 0x0200, Some(0)).speed(Some("046d"), Some("0825")), (None, None));
        assert_eq!(hub_port(2, 0x0200, Some(0)).speed(None, None), (None, None));
    }
}
