//! The names that Windows gives to devices and their interfaces, taken apart: which USB device it is, which of its parts, and
//! where it is plugged in.

use crate::foreign::safe;

/// The link of an interface, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// As the plug-and-play manager writes it, but for the case.
    pub instance: String,
    /// Which of the instance's cameras: most have one, `global`.
    pub reference: String,
}

/// `\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b&0&0000#{…}\global`
#[must_use]
pub fn link(path: &str) -> Option<Link> {
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

/// Whether no hardware is behind an instance; its name is in capitals.
#[must_use]
pub fn is_software(instance: &str) -> bool {
    ["ROOT", "SWD", "SW"].contains(&instance.split('\\').next().unwrap_or_default())
}

/// An instance's name, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InstanceId {
    /// In capitals: `USB`, `ROOT`, `SWD`, `DISPLAY`.
    pub bus: String,
    /// In small letters.
    pub vendor: Option<String>,
    pub product: Option<String>,
    /// Which of a USB device's interfaces it is.
    pub part: Option<u32>,
    /// What tells it from others of its model: a serial number, or the place where it is plugged in.
    pub unique: String,
}

impl InstanceId {
    /// In capitals.
    #[must_use]
    pub fn of(instance: &str) -> Self {
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
    #[must_use]
    pub fn serial(&self) -> Option<String> {
        let is_own = self.vendor.is_some() && self.part.is_none() && !self.unique.is_empty();
        (is_own && !self.unique.contains('&')).then(|| safe(self.unique.as_bytes()))
    }

    /// The serial number of the device that `part` is a part of, where this is that device and not a hub.
    #[must_use]
    pub fn serial_of_part(&self, part: &Self) -> Option<String> {
        let is_whole = (&self.vendor, &self.product) == (&part.vendor, &part.product);
        self.serial().filter(|_| is_whole && part.part.is_some())
    }
}

/// `pci1400-2.4` for the port 4 of a hub in port 2 of a controller: `PCIROOT(0)#PCI(1400)#USBROOT(0)#USB(2)#USB(4)#USBMI(0)`.
#[must_use]
pub fn port_of(location_path: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
