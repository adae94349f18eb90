//! Whether it opens, and whether a first picture comes (F30 to F39, F101).

use super::signs::{FaultStage, LATE_WORKER, hresult};
use crate::backend::Backend;
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, LIKELY, Layer, critical, warning};
use crate::checkup::facts::{Facts, SourceKind};
use crate::criteria;
use crate::device::{DeviceKind, System};
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::phrases::{Message, number};

pub const ENTRIES: &[CatalogueEntry] = &[
    critical("F30", "open-hangs", Layer::Open, open_hangs),
    warning("F31", "open-slow", Layer::Open, open_slow),
    critical("F32", "windows-camera-stuck", Layer::Open, windows_camera_stuck),
    critical("F33", "read-hangs", Layer::Open, read_hangs),
    critical("F34", "no-picture", Layer::Open, no_picture),
    critical("F35", "directshow-silent", Layer::Open, directshow_silent),
    critical("F36", "media-foundation-silent", Layer::Open, media_foundation_silent),
    warning("F37", "close-slow", Layer::Open, close_slow),
    critical("F39", "driver-crash", Layer::Open, driver_crash),
    critical("F101", "libcamera-timeout", Layer::Open, libcamera_timeout),
];

/// `E_PENDING`
const PENDING: u32 = 0x8000_000A;
/// `WAIT_TIMEOUT`, `VFW_E_TIMEOUT`, `VFW_E_WRONG_STATE`
const WAIT_TIMEOUT: u32 = 0x8007_0102;
const DIRECT_SHOW_TIMEOUTS: [u32; 2] = [0x8004_022E, 0x8004_0227];

fn backend(facts: &Facts) -> Option<Backend> {
    facts.opening.as_ref().and_then(|opening| opening.backend).or(facts.source.backend)
}

fn reset() -> Fix {
    Fix::new("reset-device").does(Action::ResetDevice)
}

fn restart_stream() -> Fix {
    Fix::new("restart-stream").does(Action::RestartStream)
}

fn use_backend(backend: Backend) -> Fix {
    Fix::new("use-backend").with("backend", backend.label()).does(Action::UseBackend(backend))
}

/// A call to open that has not come back; on the systems where it may wait for a question it is another one.
fn open_timeout(facts: &Facts) -> Option<&Fault> {
    let found = facts.faults().find(|(place, fault)| {
        fault.kind == FaultKind::OpenTimeout
            || fault.kind == FaultKind::Hung
                && *place == FaultStage::Opening
                && first_frame(facts).is_none()
                && !is_reading(fault)
    });
    let (_, fault) = found.filter(|_| !facts.is_network())?;
    let is_other = fault.message.contains("macOS asks") || fault.message.contains(LATE_WORKER);
    (!is_other).then_some(fault)
}

fn is_reading(fault: &Fault) -> bool {
    fault.message.starts_with("no frame")
}

fn first_frame(facts: &Facts) -> Option<u64> {
    facts.opening.as_ref().and_then(|opening| opening.first_frame_ms)
}

fn kernel_function(facts: &Facts) -> Option<&str> {
    facts.opening.as_ref().and_then(|opening| opening.kernel_function.as_deref())
}

fn waited_secs(facts: &Facts) -> f64 {
    facts.opening.as_ref().map_or(0.0, |opening| opening.open_ms as f64 / 1e3)
}

/// It was asked what it can do, and that call has not come back; nor does it open, whatever is said of that.
fn mute(facts: &Facts) -> Option<&Fault> {
    use FaultKind::{Busy, Denied, Missing, NoResources};
    let (_, fault) = facts.first_fault().filter(|_| first_frame(facts).is_none())?;
    let is_other = matches!(fault.kind, Busy | Denied | Missing | NoResources);
    facts.hung_when_asked().filter(|_| !is_other)
}

fn open_hangs(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "open-hangs";
    if facts.system() == System::Windows {
        return None;
    }
    let queries = facts.kernel_says(&["-110"]);
    let mut judgement = match (open_timeout(facts), mute(facts)) {
        (Some(fault), _) => Judgement::new(SLUG, 0.95).with("secs", number(waited_secs(facts), 1)).quoting(fault),
        (None, Some(fault)) => Judgement::new(SLUG, 0.85).titled("asked").quoting(fault),
        (None, None) => return None,
    };
    if let Some(function) = kernel_function(facts) {
        judgement = judgement.with_evidence(Message::new("evidence.kernel-function").with("function", function));
    }
    if let Some(line) = queries.last() {
        judgement = judgement.quoting_words(line);
    }
    Some(judgement.fix(Fix::new("replug")).fix(reset()).fixes(&["power-cycle", "restart-computer"]))
}

fn open_slow(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "open-slow";
    let opening = facts.opening.as_ref().filter(|_| facts.is_local())?;
    let is_media_foundation = backend(facts) == Some(Backend::Msmf);
    let secs = number(opening.open_ms as f64 / 1e3, 1);
    let compared = facts.is_helped_by("other-backend");
    let hardware = || Fix::new("msmf-transforms-off").runs("setx OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS 0");
    if let Some(fault) = open_timeout(facts).filter(|_| is_media_foundation && facts.system() == System::Windows) {
        // Nothing tells yet whether it would have come back: F32.
        let confidence = if compared { 0.92 } else { 0.55 };
        let judgement = Judgement::new(SLUG, confidence).titled("media-foundation").with("secs", secs).quoting(fault);
        return Some(judgement.fix(use_backend(Backend::DirectShow)).fix(hardware()).fix(use_backend(Backend::Native)));
    }
    opening.first_frame_ms.filter(|_| opening.fault.is_none() && opening.open_ms >= criteria::OPEN_SLOW_MS)?;
    let confidence = match () {
        () if is_media_foundation => 0.9,
        // Everything is slow then.
        () if facts.was_saturated_when_opened() => 0.4,
        () => 0.75,
    };
    let judgement = Judgement::new(SLUG, confidence).with("secs", secs);
    if is_media_foundation {
        let judgement = judgement.titled("media-foundation");
        return Some(judgement.fix(use_backend(Backend::DirectShow)).fix(hardware()).fix(use_backend(Backend::Native)));
    }
    Some(judgement.fixes(&["replug", "other-port", "update-firmware"]))
}

fn windows_camera_stuck(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "windows-camera-stuck";
    if facts.system() != System::Windows {
        return None;
    }
    let told = facts.fault_with_code(&[hresult(WAIT_TIMEOUT)]).map(|(_, fault)| fault);
    let fault = told.or_else(|| open_timeout(facts))?;
    let other = facts.experiments.iter().find(|tried| tried.id == "other-backend");
    let confidence = match other {
        _ if facts.is_helped_by("other-backend") => 0.1,
        Some(_) => 0.92,
        None if told.is_some() => 0.92,
        None if backend(facts) == Some(Backend::Msmf) => 0.5,
        None => 0.8,
    };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault).fix(super::presence::restart_frame_server());
    Some(judgement.fixes(&["replug", "enable-device", "restart-computer"]))
}

fn read_hangs(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "read-hangs";
    if facts.is_network() {
        return super::network::silent(facts);
    }
    let (_, fault) = facts.fault_of(&[FaultKind::Hung])?;
    if open_timeout(facts) == Some(fault) {
        return None;
    }
    let mut judgement = Judgement::new(SLUG, 0.95).quoting(fault);
    if let Some(function) = kernel_function(facts) {
        judgement = judgement.with_evidence(Message::new("evidence.kernel-function").with("function", function));
    }
    let reconnect = Fix::new("reconnect").does(Action::Reconnect);
    Some(judgement.fix(reconnect).fix(Fix::new("replug")).fix(reset()).fixes(&["other-backend", "restart-computer"]))
}

/// The kinds that say no more than that no picture came.
const SILENCE: [FaultKind; 4] =
    [FaultKind::NoFirstFrame, FaultKind::Stall, FaultKind::ReadFailed, FaultKind::OpenFailed];

fn no_picture(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "no-picture";
    let (place, fault) = facts.first_fault().filter(|_| !facts.is_network())?;
    let is_silent = SILENCE.contains(&fault.kind);
    if !is_silent && fault.class != FaultClass::Stalled {
        return None;
    }
    let is_codeless = fault.code.is_none_or(|code| code == 11);
    let is_virtual =
        facts.device().is_some_and(|device| matches!(device.kind, DeviceKind::Virtual | DeviceKind::RawSensor));
    let has_waited = matches!(fault.kind, FaultKind::NoFirstFrame | FaultKind::Stall);
    let is_explained = super::usb::usb_errors(facts).is_some_and(|judgement| judgement.confidence >= LIKELY);
    // Whatever has a number or a sign of its own is another entry's; this one says what is left.
    let confidence = match () {
        () if is_virtual || is_explained => 0.4,
        () if has_waited && is_codeless => 0.8,
        () => 0.5,
    };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault);
    let judgement = match (place, fault.kind) {
        (FaultStage::Stream, FaultKind::Stall) => judgement.titled("stopped"),
        (_, FaultKind::OpenFailed) => judgement.titled("not-opened"),
        (_, FaultKind::ReadFailed) => judgement.titled("failed"),
        _ => judgement,
    };
    let judgement = judgement.fix(restart_stream()).fix(Fix::new("device-defaults").does(Action::UseDeviceDefaults));
    Some(judgement.fixes(&["replug-direct"]).fix(reset()))
}

fn directshow_silent(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "directshow-silent";
    let told = facts.fault_with_code(&DIRECT_SHOW_TIMEOUTS.map(hresult));
    let silent = facts
        .fault_of(&[FaultKind::NoFirstFrame, FaultKind::Stall, FaultKind::ReadFailed])
        .filter(|(_, fault)| backend(facts) == Some(Backend::DirectShow) && fault.code.is_none());
    let (_, fault) = told.or(silent).filter(|_| facts.system() == System::Windows)?;
    let judgement = Judgement::new(SLUG, if told.is_some() { 0.92 } else { 0.85 }).quoting(fault);
    let judgement = judgement.fix(Fix::new("device-defaults").does(Action::UseDeviceDefaults));
    Some(judgement.fix(use_backend(Backend::Msmf)).fixes(&["close-camera-programs", "replug"]))
}

fn media_foundation_silent(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "media-foundation-silent";
    let told = facts.fault_with_code(&[hresult(PENDING)]);
    let silent = facts
        .fault_of(&[FaultKind::NoFirstFrame, FaultKind::Stall])
        .filter(|(_, fault)| backend(facts) == Some(Backend::Msmf) && fault.code.is_none());
    let (_, fault) = told.or(silent).filter(|_| facts.system() == System::Windows)?;
    let is_held = facts.holder(crate::device::holders::Role::Program).is_some();
    let confidence = match told {
        _ if is_held => 0.5,
        Some(_) => 0.9,
        None => 0.85,
    };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault).fixes(&["close-camera-programs"]);
    Some(judgement.fix(use_backend(Backend::DirectShow)).fixes(&["replug"]))
}

fn close_slow(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "close-slow";
    facts.opening.as_ref().filter(|opening| opening.is_slow_to_close && facts.is_local())?;
    Some(Judgement::new(SLUG, 0.7).fixes(&["other-backend", "replug-direct", "update-driver"]))
}

fn driver_crash(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "driver-crash";
    let (_, fault) = facts.fault_of(&[FaultKind::Crashed, FaultKind::CrashLoop])?;
    let judgement = Judgement::new(SLUG, 0.95).quoting(fault);
    if facts.source.kind == SourceKind::Network {
        return Some(judgement.titled("decoder").fixes(&["camera-h264", "other-backend"]));
    }
    let reconnect = Fix::new("reconnect").does(Action::Reconnect);
    Some(judgement.fix(reconnect).fixes(&["other-backend", "update-driver", "replug"]))
}

fn libcamera_timeout(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "libcamera-timeout";
    const WORDS: [&str; 2] = ["frontend has timed out", "Dequeue timer of"];
    let (_, fault) = facts.faults().find(|(_, fault)| WORDS.iter().any(|words| fault.message.contains(words)))?;
    Some(Judgement::new(SLUG, 0.95).quoting(fault).fixes(&["ribbon", "power-supply", "update-system"]))
}
