//! Cameras as AVFoundation and the system's own report tell of them, made into devices.
//!
//! Plain data in, devices out: nothing here calls the system.

use serde_json::Value;

use crate::device::{Device, DeviceKind, UsbLink, codes};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{plain, safe};

/// A camera as the system lists it. What it does not tell is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedCamera {
    pub name: String,
    /// `AVCaptureDevice.uniqueID`
    pub unique_id: String,
    /// `AVCaptureDevice.modelID`, with whatever else describes the camera.
    pub model: String,
}

/// What can be told from the unique ID of a USB camera: `0x14200000046d082d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UsbId {
    /// The bus, and a digit for each port on the way.
    location: u32,
    vendor: u16,
    product: u16,
}

impl UsbId {
    fn of(unique_id: &str) -> Option<Self> {
        let digits = unique_id.strip_prefix("0x")?;
        let number = u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() > 8)?;
        let [a, b, c, d, v, w, p, q] = number.to_be_bytes();
        Some(Self {
            location: u32::from_be_bytes([a, b, c, d]),
            vendor: u16::from_be_bytes([v, w]),
            product: u16::from_be_bytes([p, q]),
        })
    }

    /// `20-2.4` for the location `0x14240000`.
    fn port(self) -> String {
        let digits = (0..6).map(|nth| self.location >> (20 - 4 * nth) & 0xF);
        let ports = digits.take_while(|digit| *digit != 0).map(|digit| digit.to_string()).collect::<Vec<_>>();
        format!("{}-{}", self.location >> 24, ports.join("."))
    }
}

/// In the order of their unique IDs, in which OpenCV counts them (`cap_avfoundation_mac.mm`).
#[must_use]
pub fn devices(listed: &[ReportedCamera]) -> Vec<Device> {
    let mut sorted = listed.iter().collect::<Vec<_>>();
    sorted.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
    (0..).zip(sorted).map(|(index, listed)| describe(index, listed)).collect()
}

fn describe(index: u32, listed: &ReportedCamera) -> Device {
    let name = safe(listed.name.as_bytes());
    let id = UsbId::of(&listed.unique_id);
    let port = id.map(UsbId::port);
    let ids = id.map(|id| (id.vendor, id.product)).or_else(|| ids_in(&listed.model));
    let kind = DeviceKind::of(&name, None, id.is_none() && is_virtual(&name, &listed.model));
    let mut device = Device {
        identity: plain(&listed.unique_id),
        path: listed.unique_id.clone(),
        index: Some(index),
        bus: port.as_ref().map(|port| format!("usb {port}")),
        vendor_id: ids.map(|(vendor, _)| format!("{vendor:04x}")),
        product_id: ids.map(|(_, product)| format!("{product:04x}")),
        kind,
        is_bound_to_port: port.is_some(),
        usb: port.map(|port| Box::new(UsbLink::new(&port, None, None))),
        name: if name.is_empty() { safe(listed.unique_id.as_bytes()) } else { name },
        ..Device::default()
    };
    device.write_notes();
    if listed.model.contains("iPhone") || listed.model.contains("iPad") {
        device.notes.push(
            "It is the camera of a phone or tablet: it comes and goes with that, which must be near, locked and on the same account."
                .to_owned(),
        );
    }
    device
}

/// `UVC Camera VendorID_1133 ProductID_2093`, in decimal.
fn ids_in(model: &str) -> Option<(u16, u16)> {
    let number = |key: &str| {
        let (_, rest) = model.split_once(key)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some((number("VendorID_")?, number("ProductID_")?))
}

/// Programs that add a camera of their own name it after themselves: the system does not tell such from others.
fn is_virtual(name: &str, model: &str) -> bool {
    const WORDS: [&str; 12] = [
        "virtual",
        "obs",
        "snap",
        "mmhmm",
        "camo",
        "epoccam",
        "manycam",
        "xsplit",
        "ndi",
        "ecamm",
        "extension",
        "droidcam",
    ];
    let text = format!("{name} {model}").to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.contains(&word))
}

/// Why this program may not use cameras, from its `AVAuthorizationStatus`. `None` where it may.
#[must_use]
pub fn denied(status: i64, shown: &str) -> Option<Fault> {
    codes::authorization(status).map(|meaning| meaning.fault(&safe(shown.as_bytes()), status))
}

/// The fault of a camera that did not open while some program has its stream running.
#[must_use]
pub fn running(shown: &str) -> Fault {
    let shown = safe(shown.as_bytes());
    Fault::new(FaultKind::Busy, format!("{shown} is in use by another program, which macOS does not name")).with_advice(
        "Close other programs that use cameras, tabs of browsers too; the green dot in the menu bar goes out when none does.",
    )
}

/// What `system_profiler -json SPCameraDataType` prints. `None` where it is something else.
#[must_use]
pub fn report(json: &str) -> Option<Vec<ReportedCamera>> {
    let report = serde_json::from_str::<Value>(json).ok()?;
    let text = |camera: &Value, key: &str| camera.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let describe = |camera: &Value| ReportedCamera {
        name: text(camera, "_name"),
        unique_id: text(camera, "spcamera_unique-id"),
        model: text(camera, "spcamera_model-id"),
    };
    let cameras = report.get("SPCameraDataType")?.as_array()?.iter().map(describe);
    Some(cameras.filter(|camera| !camera.unique_id.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Device> {
        devices(&report(include_str!("../../../tests/fixtures/macos/cameras.json")).unwrap())
    }

    #[track_caller]
    fn check(name: &str, index: u32, kind: DeviceKind, ids: Option<(&str, &str)>, bus: Option<&str>) {
        let devices = all();
        let device = devices.iter().find(|device| device.name == name).unwrap();
        let found = device.vendor_id.as_deref().zip(device.product_id.as_deref());
        assert_eq!((device.index, device.kind, found, device.bus.as_deref()), (Some(index), kind, ids, bus));
        assert_eq!((device.is_bound_to_port, device.usb.is_some()), (bus.is_some(), bus.is_some()), "{name}");
        assert_eq!(device.identity, device.path, "{name}");
    }

    #[test]
    fn the_report_makes_devices() {
        use DeviceKind::{Camera, Virtual};
        check("HD Pro Webcam C920", 0, Camera, Some(("046d", "082d")), Some("usb 20-2.4"));
        check("FaceTime HD Camera (Built-in)", 1, Camera, Some(("05ac", "8514")), Some("usb 128-2"));
        check("FaceTime HD Camera", 2, Camera, None, None);
        check("OBS Virtual Camera", 3, Virtual, None, None);
        check("Anna’s iPhone Camera", 4, Camera, None, None);
        assert_eq!(all().len(), 5);
    }

    #[test]
    fn what_there_is_to_know_is_a_note() {
        let note = |index: usize| all()[index].notes.join(" ");
        assert!(note(0).contains("known by its port (20-2.4)"), "{}", note(0));
        assert_eq!(note(2), "");
        assert!(note(3).contains("virtual camera"));
        assert!(note(4).contains("phone"));
    }

    #[track_caller]
    fn check_status(status: i64, expected: Option<&str>) {
        let fault = denied(status, "Cam\u{1b}");
        assert_eq!(fault.as_ref().map(|fault| fault.message.as_str()), expected);
        assert!(fault.is_none_or(|fault| fault.kind == FaultKind::Denied && fault.code == Some(status)));
    }

    #[test]
    fn the_system_s_decision_is_told() {
        check_status(
            0,
            Some("Cam\u{fffd} waits for your answer: the system asks whether this program may use cameras"),
        );
        check_status(1, Some("Cam\u{fffd} is kept from all programs by a profile or by Screen Time"));
        check_status(2, Some("Cam\u{fffd} is kept from this program by the privacy settings"));
        check_status(3, None);
        check_status(-1, None);
        assert_eq!(running("Cam").kind, FaultKind::Busy);
    }

    #[track_caller]
    fn check_id(unique_id: &str, expected: Option<(&str, u16, u16)>) {
        let found = UsbId::of(unique_id).map(|id| (id.port(), id.vendor, id.product));
        let found = found.as_ref().map(|(port, vendor, product)| (port.as_str(), *vendor, *product));
        assert_eq!(found, expected, "{unique_id}");
    }

    #[test]
    fn a_unique_id_tells_the_port() {
        check_id("0x14200000046d082d", Some(("20-2", 0x046d, 0x082d)));
        check_id("0x14243100046d082d", Some(("20-2.4.3.1", 0x046d, 0x082d)));
        check_id("0x1100000046d082d", Some(("1-1", 0x046d, 0x082d)));
        check_id("0x46d082d", None);
        check_id("0x", None);
        check_id("47B4B64B-7067-4B9C-AD2B-AE273A71F4B5", None);
        check_id("0xffffffffffffffff0", None);
        check_id("", None);
    }

    #[test]
    fn a_model_tells_its_numbers_in_decimal() {
        assert_eq!(ids_in("UVC Camera VendorID_1133 ProductID_2093"), Some((0x046d, 0x082d)));
        assert_eq!(ids_in("UVC Camera VendorID_99999 ProductID_2093"), None);
        assert_eq!(ids_in("iPhone14,2"), None);
    }

    #[test]
    fn a_program_s_camera_is_known_by_its_name() {
        assert!(
            is_virtual("OBS Virtual Camera", "")
                && is_virtual("Camo", "Camo")
                && is_virtual("x", "OBS Camera Extension")
        );
        assert!(!is_virtual("FaceTime HD Camera", "MacBook Air") && !is_virtual("Observer Cam", ""));
    }

    #[test]
    fn what_is_no_report_is_none() {
        assert_eq!(report(""), None);
        assert_eq!(report("{}"), None);
        assert_eq!(report(r#"{"SPCameraDataType":{}}"#), None);
        assert_eq!(report(r#"{"SPCameraDataType":[{"_name":5}]}"#), Some(Vec::new()));
    }

    #[test]
    fn a_hostile_name_steers_nothing() {
        let listed =
            ReportedCamera { name: "\u{1b}[2J".repeat(5_000), unique_id: "../\u{1b}]x".into(), model: String::new() };
        let device = devices(&[listed]).remove(0);
        assert!(!device.name.contains('\u{1b}') && device.name.chars().count() <= 120);
        assert_eq!(device.identity, "_____x");
    }
}
