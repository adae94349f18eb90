//! Whether there is a camera, and whether it is the right one (F01 to F09).

use super::signs::{FaultStage, LATE_WORKER};
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical, warning};
use crate::checkup::facts::{Facts, SourceKind};
use crate::criteria;
use crate::device::{Device, DeviceKind, System};
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::PixelFormat;
use crate::phrases::Message;
use crate::picture::FrameCoding;

pub const ENTRIES: &[CatalogueEntry] = &[
    critical("F01", "no-camera", Layer::Presence, no_camera),
    critical("F02", "device-disabled", Layer::Driver, device_disabled),
    critical("F03", "no-driver", Layer::Driver, no_driver),
    critical("F04", "metadata-node", Layer::Presence, metadata_node),
    warning("F05", "infrared-device", Layer::Presence, infrared_device),
    critical("F06", "virtual-camera", Layer::Presence, virtual_camera),
    warning("F07", "other-camera", Layer::Presence, other_camera),
    critical("F08", "mipi-camera", Layer::Driver, mipi_camera),
    critical("F09", "raspberry-camera", Layer::Driver, raspberry_camera),
];

/// The numbers with which a system says that a device was there a moment ago (ENODEV, ESHUTDOWN): F46.
const GONE: [i64; 2] = [19, 108];

fn no_camera(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "no-camera";
    let (place, fault) = facts.fault_of(&[FaultKind::Missing])?;
    if facts.source.kind == SourceKind::File {
        return Some(Judgement::new(SLUG, 0.95).titled("file").quoting(fault).fixes(&["check-file"]));
    }
    let presence = facts.presence.as_ref();
    // It was there when it was looked for: F46.
    let has_vanished = place != FaultStage::Presence && facts.device().is_some();
    let is_gone = fault.code.is_some_and(|code| GONE.contains(&code));
    let is_explained = has_vanished
        || is_gone
        || presence.is_some_and(|presence| !presence.undriven.is_empty())
        || presence.is_some_and(|presence| presence.is_known_to_kernel == Some(true))
        || facts.has_just_resumed()
        || facts.dead_controller().is_some();
    let n_listed = presence.map_or(0, |presence| presence.n_listed);
    let judgement = Judgement::new(SLUG, if is_explained { 0.4 } else { 0.93 }).quoting(fault);
    let judgement = match n_listed {
        0 => judgement.because("none").fixes(&["replug-direct", "camera-key", "vm-passthrough", "other-cable"]),
        n => judgement.with("n", n).because("others").fixes(&[
            "choose-camera",
            "replug-direct",
            "camera-key",
            "other-cable",
        ]),
    };
    Some(judgement)
}

/// Problem codes of the Device Manager (`CM_PROB_*`) by what mends them; all others are told with their number.
fn device_disabled(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "device-disabled";
    if facts.system() != System::Windows {
        return None;
    }
    let (_, fault) = facts.fault_of(&[FaultKind::OpenFailed, FaultKind::Denied])?;
    // Results of calls are negative.
    let code = fault.code.filter(|code| (1..=99).contains(code))?;
    let judgement = Judgement::new(SLUG, 0.95).with("code", code as f64);
    let judgement = match code {
        22 => judgement.titled("off").fixes(&["enable-device", "camera-key"]),
        14 => judgement.titled("restart").fixes(&["restart-computer"]),
        28 | 31 | 37 | 39 | 48 | 52 => {
            judgement.titled("driver").fixes(&["usb-video-driver", "replug", "restart-computer"])
        }
        43 => judgement.titled("failed").fixes(&["power-cycle", "other-port", "update-firmware"]),
        10 => judgement.titled("start").fix(restart_frame_server()).fixes(&["replug", "usb-video-driver"]),
        _ => judgement.fixes(&["device-manager", "replug", "restart-computer"]),
    };
    Some(judgement.quoting(fault))
}

/// As administrator.
pub fn restart_frame_server() -> Fix {
    Fix::new("restart-frame-server").runs("Restart-Service FrameServer -Force")
}

fn no_driver(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "no-driver";
    let presence = facts.presence.as_ref()?;
    let (_, missing) = facts.fault_of(&[FaultKind::Missing]).filter(|_| presence.device.is_none())?;
    let named = presence.undriven.iter().find(|fault| *fault == missing);
    let fault = named.or(presence.undriven.first())?;
    // With other cameras at hand the one without a driver need not be the one that is missed.
    let confidence = if named.is_some() || presence.n_listed == 0 { 0.95 } else { 0.8 };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault).advised(fault);
    Some(judgement.fix(Fix::new("load-driver").runs("sudo modprobe uvcvideo")).fixes(&["replug"]))
}

/// The sibling that has the pictures.
fn sibling(facts: &Facts) -> Option<&Device> {
    let siblings = &facts.presence.as_ref()?.siblings;
    siblings.iter().find(|device| device.kind == DeviceKind::Camera)
}

fn choose(device: &Device) -> Fix {
    Fix::new("choose-device").with("camera", device.label()).does(Action::ChooseDevice(device.identity.clone()))
}

fn metadata_node(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "metadata-node";
    let (_, fault) = facts.fault_of(&[FaultKind::NotACamera])?;
    let judgement = Judgement::new(SLUG, 0.95).with("path", facts.path()).quoting(fault);
    Some(match sibling(facts) {
        Some(camera) => judgement.with("camera", camera.path.as_str()).fix(choose(camera)).fixes(&["choose-camera"]),
        // A codec, a microphone, a file.
        None => judgement.titled("other").fixes(&["choose-camera"]),
    })
}

fn infrared_device(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "infrared-device";
    let device = facts.device().filter(|device| device.kind == DeviceKind::Infrared)?;
    let is_wanted = facts.source.asked.format == Some(PixelFormat::GREY);
    let camera = sibling(facts).filter(|_| !is_wanted);
    // Alone it may be wanted: there are grey cameras that are no mistake.
    let judgement =
        Judgement::new(SLUG, if camera.is_some() { 0.75 } else { 0.3 }).with("camera", device.name.as_str());
    let judgement = match &facts.abilities {
        Some(abilities) if abilities.is_grey_only() => {
            let formats = abilities.formats.iter().map(|format| format.fourcc.trim()).collect::<Vec<_>>().join(", ");
            judgement.with_evidence(Message::new("evidence.formats").with("formats", formats))
        }
        _ => judgement,
    };
    let judgement = match camera {
        Some(camera) => judgement.fix(choose(camera)),
        None => judgement,
    };
    Some(judgement.fixes(&["choose-camera"]))
}

fn virtual_camera(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "virtual-camera";
    let device = facts.device().filter(|device| device.kind == DeviceKind::Virtual)?;
    // One whose format is refused is fed (F54).
    if facts.fault_of(&[FaultKind::FormatRefused]).is_some() {
        return None;
    }
    let mut faults = facts.faults().map(|(_, fault)| fault);
    // A computer that has no time says nothing of what feeds it.
    let is_of_camera = |fault: &&Fault| !fault.message.contains(LATE_WORKER);
    let fault =
        faults.find(|fault| is_of_camera(fault) && matches!(fault.class, FaultClass::Stalled | FaultClass::Hung));
    // What stands still may be what its program shows; one colour is what most drivers show without one.
    let seen =
        facts.picture.as_ref().filter(|seen| seen.same.lasts && criteria::is_still(&seen.same, FrameCoding::Intra));
    let confidence = match (fault, seen) {
        (Some(_), _) => 0.95,
        (None, Some(seen)) if seen.is_uniform => 0.85,
        (None, Some(_)) => 0.4,
        (None, None) => return None,
    };
    let judgement = Judgement::new(SLUG, confidence).with("camera", device.name.as_str());
    let judgement = match fault {
        Some(fault) => judgement.quoting(fault),
        None => judgement.because("still"),
    };
    Some(match sibling(facts) {
        Some(camera) => judgement.fix(Fix::new("start-producer")).fix(choose(camera)),
        None => judgement.fixes(&["start-producer", "choose-camera"]),
    })
}

fn other_camera(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "other-camera";
    let was = facts.presence.as_ref()?.was.as_deref()?;
    let device = facts.device()?;
    let moved_to = facts.presence.as_ref()?.was_moved_to.as_deref();
    // It may have been put in the place of one that is broken.
    let confidence = if moved_to.is_some() { 0.6 } else { 0.3 };
    let judgement = Judgement::new(SLUG, confidence).with("was", was).with("now", device.label());
    let judgement = match moved_to {
        Some(place) => judgement.with_evidence(Message::new("evidence.moved-to").with("was", was).with("place", place)),
        None => judgement,
    };
    Some(judgement.fixes(&["choose-by-identity", "choose-camera"]))
}

/// Whether a sensor without a processor of its own gives nothing that a program could show.
fn raw_sensor(facts: &Facts, slug: &str, is_ours: fn(&str) -> bool) -> Option<Judgement> {
    let device = facts.device().filter(|device| device.kind == DeviceKind::RawSensor)?;
    let driver = device.driver.as_deref().unwrap_or_default();
    if !is_ours(driver) || facts.is_streaming() {
        return None;
    }
    let has_only_raw = facts.abilities.as_ref().is_some_and(|abilities| {
        !abilities.formats.is_empty() && abilities.formats.iter().all(|format| is_bayer(&format.fourcc))
    });
    let trouble = facts.faults().find(|(_, fault)| {
        !matches!(fault.kind, FaultKind::Busy | FaultKind::Denied | FaultKind::Missing | FaultKind::Unplugged)
    });
    // Some of these give pictures all the same.
    let confidence = match (&trouble, has_only_raw) {
        (Some(_), _) => 0.95,
        (None, true) => 0.85,
        (None, false) => 0.3,
    };
    let mut judgement = Judgement::new(slug, confidence).with("driver", driver);
    if let Some((_, fault)) = trouble {
        judgement = judgement.quoting(fault);
    }
    if has_only_raw {
        let formats = facts.abilities.iter().flat_map(|abilities| &abilities.formats);
        let formats = formats.map(|format| format.fourcc.trim()).collect::<Vec<_>>().join(", ");
        judgement = judgement.with_evidence(Message::new("evidence.formats").with("formats", formats));
    }
    Some(judgement)
}

/// A sensor's raw data (`pixfmt-bayer.rst`): the order of its colours, and how many bits each has.
fn is_bayer(fourcc: &str) -> bool {
    let (order, depth) = (fourcc.get(..2).unwrap_or_default(), fourcc.get(2..).unwrap_or_default());
    matches!(fourcc, "BA81" | "GBRG" | "GRBG" | "RGGB" | "BYR2")
        || matches!(order, "BG" | "GB" | "BA" | "RG") && matches!(depth, "10" | "12" | "14" | "16")
        || matches!(order, "pB" | "pG" | "pg" | "pR")
}

fn is_raspberry(driver: &str) -> bool {
    ["unicam", "bcm2835", "rp1-cfe", "pispbe"].iter().any(|own| driver.starts_with(own))
}

fn mipi_camera(facts: &Facts) -> Option<Judgement> {
    let judgement = raw_sensor(facts, "mipi-camera", |driver| !is_raspberry(driver))?;
    Some(judgement.fixes(&["libcamera", "camera-relay", "newer-kernel"]))
}

fn raspberry_camera(facts: &Facts) -> Option<Judgement> {
    let judgement = raw_sensor(facts, "raspberry-camera", is_raspberry)?;
    let list = Fix::new("list-libcamera").runs("rpicam-hello --list-cameras");
    Some(judgement.fix(Fix::new("libcamera")).fix(list).fixes(&["ribbon"]))
}
