//! Cable, port, power and bandwidth of a USB camera (F40 to F49).

use super::busy::{FAILED_START_STREAMING, GENERAL_FAILURE, NO_SYSTEM_RESOURCES};
use super::signs::{FaultStage, has_one_buffer, hresult, is_virtual, is_without_line};
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical, warning};
use crate::checkup::facts::Facts;
use crate::criteria::{self, FULL_SPEED_KBITS, HIGH_SPEED_KBITS};
use crate::device::holders::Role;
use crate::device::{System, UsbLink, UsbState};
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::frame::PixelFormat;
use crate::phrases::{Message, number};

pub const ENTRIES: &[CatalogueEntry] = &[
    critical("F40", "usb-bandwidth", Layer::Usb, usb_bandwidth),
    warning("F41", "usb-speed", Layer::Usb, usb_speed),
    warning("F42", "usb-errors", Layer::Usb, usb_errors),
    critical("F43", "firmware-silent", Layer::Usb, firmware_silent),
    warning("F43", "answers-slowly", Layer::Usb, answers_slowly),
    critical("F44", "usb-asleep", Layer::Usb, usb_asleep),
    critical("F45", "usb-power", Layer::Usb, usb_power),
    critical("F46", "unplugged", Layer::Usb, unplugged),
    critical("F47", "usb-controller-dead", Layer::Usb, usb_controller_dead),
    critical("F48", "after-sleep", Layer::Usb, after_sleep),
    critical("F49", "usb-no-fast-setting", Layer::Usb, usb_no_fast_setting),
];

fn usb(facts: &Facts) -> UsbState {
    facts.usb.clone().unwrap_or_default()
}

fn link(facts: &Facts) -> Option<&UsbLink> {
    facts.device().and_then(|device| device.usb.as_deref())
}

fn use_mjpg() -> Fix {
    Fix::new("use-mjpg").does(Action::UseFormat(PixelFormat::MJPG))
}

/// Something that a weak connection can cause: no or few pictures, or damaged ones.
fn suffers(facts: &Facts) -> bool {
    facts.first_fault().is_some()
        || facts.camera_shortfall().is_some()
        || facts.lost_share().is_some()
        || facts.damaged_share().is_some()
}

fn usb_bandwidth(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-bandwidth";
    const ENOSPC: i64 = 28;
    let usb = usb(facts);
    let is_full = usb.bandwidth_percent.is_some_and(criteria::is_bus_full);
    let has_neighbours = !usb.neighbours.is_empty();
    // The same number of a file, or of shared memory, is F74.
    let told = facts.faults().find(|(place, fault)| {
        *place != FaultStage::Presence
            && fault.kind == FaultKind::NoResources
            && fault.code == Some(ENOSPC)
            && !is_memory(fault)
    });
    let shared = [FAILED_START_STREAMING, NO_SYSTEM_RESOURCES].map(hresult);
    let is_cured_by_less = facts.is_helped_by("half-size") || facts.is_helped_by("other-format");
    let is_held = facts.holder(Role::Program).is_some();
    let shared = facts.fault_with_code(&shared).filter(|_| facts.system() == System::Windows);
    let (confidence, fault) = match (told, shared) {
        (Some((_, fault)), _) => (0.95, Some(fault)),
        (None, Some((_, fault))) => {
            let confidence = match () {
                () if is_cured_by_less => 0.93,
                () if is_held => 0.3,
                () if has_neighbours => 0.75,
                () if fault.code == Some(hresult(NO_SYSTEM_RESOURCES)) => 0.6,
                () => 0.4,
            };
            (confidence, Some(fault))
        }
        // It streams, and not all of it arrives.
        (None, None) if is_full && has_neighbours && facts.lost_share().is_some() => (0.75, None),
        (None, None) => return None,
    };
    let mut judgement = Judgement::new(SLUG, confidence);
    if fault.is_none() {
        judgement = judgement.because("stutter");
    }
    if let Some(fault) = fault {
        judgement = judgement.quoting(fault);
    }
    if let Some(percent) = usb.bandwidth_percent {
        judgement = judgement.with_evidence(Message::new("evidence.bandwidth").with("percent", percent));
    }
    if has_neighbours {
        judgement =
            judgement.with_evidence(Message::new("evidence.neighbours").with("cameras", usb.neighbours.join(", ")));
    }
    let quirk =
        || Fix::new("uvc-bandwidth-quirk").runs("sudo modprobe -r uvcvideo && sudo modprobe uvcvideo quirks=128");
    let judgement = judgement.fix(use_mjpg()).fixes(&["smaller-size", "other-controller"]);
    Some(if facts.system() == System::Linux { judgement.fix(quirk()) } else { judgement })
}

/// Room that lacks in memory or on a disk, not on a bus.
pub fn is_memory(fault: &Fault) -> bool {
    fault.message.contains("memory")
}

fn usb_speed(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-speed";
    let link = link(facts)?;
    let speed = link.kbits_per_second?;
    let version = link.version.as_deref().and_then(|text| text.trim().parse::<f64>().ok()).unwrap_or(0.0);
    let is_slow = if version >= 3.0 { speed <= HIGH_SPEED_KBITS } else { version >= 2.0 && speed <= FULL_SPEED_KBITS };
    if !is_slow {
        return None;
    }
    let wanted = facts.source.asked.size.filter(|size| {
        let abilities = facts.abilities.as_ref();
        let sizes = abilities.into_iter().flat_map(|abilities| &abilities.formats).flat_map(|format| &format.sizes);
        let mut sizes = sizes.peekable();
        sizes.peek().is_some() && !sizes.any(|offered| offered.width >= size.width && offered.height >= size.height)
    });
    let has_lack = facts.camera_shortfall().is_some()
        || wanted.is_some()
        || facts.first_fault().is_some_and(|(_, fault)| fault.class == FaultClass::Resource || fault.code == Some(5));
    let judgement = Judgement::new(SLUG, if has_lack { 0.8 } else { 0.4 })
        .with("speed", link.speed.clone().unwrap_or_else(|| format!("{} Mbit/s", speed / 1_000)))
        .with("version", link.version.clone().unwrap_or_default());
    let judgement = match facts.camera_shortfall() {
        Some(short) => judgement.with_evidence(short.evidence()),
        None => judgement,
    };
    Some(judgement.fixes(&["fast-port", "fast-cable", "replug-direct"]))
}

/// What the kernel says of a line that is disturbed (URB status EPROTO, EILSEQ, EOVERFLOW).
const LINE_ERRORS: [&str; 4] = ["status (-71)", "status (-84)", "status (-75)", "error -71"];
const RESETS: [&str; 2] = ["reset high-speed", "reset SuperSpeed"];

pub fn usb_errors(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-errors";
    if !facts.is_local() || is_virtual(facts) {
        return None;
    }
    // What its driver misses is all that can be lost of one that is at no line; what is damaged there is F64.
    let is_at_line = !is_without_line(facts);
    let errors = facts.kernel_says(&LINE_ERRORS);
    let resets = facts.kernel_says(&RESETS);
    let packets = usb(facts).packet_errors.filter(|(damaged, _)| *damaged > 0);
    let told = facts.fault_with_code(&[71, 75, 84]);
    let lost = facts.lost_share().filter(|_| !has_one_buffer(facts));
    let damaged = facts.damaged_share().or_else(|| facts.fault_of(&[FaultKind::BadFrame]).map(|_| 1.0));
    let damaged = damaged.filter(|_| is_at_line);
    // Where the plug was pulled the line has errors too.
    let is_gone = facts.fault_of(&[FaultKind::Unplugged, FaultKind::Missing]).is_some();
    let is_heard = !errors.is_empty() || packets.is_some();
    let confidence: f64 = match (told.is_some(), damaged.is_some(), lost.is_some()) {
        (true, ..) if is_heard => 0.95,
        (true, ..) => 0.88,
        (_, true, _) | (.., true) if is_heard => 0.93,
        (_, true, true) => 0.8,
        (_, true, false) => 0.7,
        (_, false, true) => 0.65,
        _ if is_heard || resets.len() > 1 => 0.35,
        _ => return None,
    };
    let confidence = if is_gone { confidence.min(0.4) } else { confidence };
    let mut judgement = Judgement::new(SLUG, confidence);
    if told.is_none() && damaged.is_none() && lost.is_some() {
        judgement = judgement.titled("lost");
    }
    if let Some((_, fault)) = told {
        judgement = judgement.quoting(fault);
    }
    if let Some(share) = damaged {
        judgement = judgement.with_evidence(Message::new("evidence.damaged").with("percent", number(share * 100.0, 1)));
    }
    if let Some(share) = lost {
        judgement = judgement.with_evidence(Message::new("evidence.lost").with("percent", number(share * 100.0, 1)));
    }
    if let Some((damaged, all)) = packets {
        judgement = judgement.with_evidence(Message::new("evidence.packets").with("damaged", damaged).with("all", all));
    }
    if let Some(line) = errors.last().or(resets.last()) {
        judgement = judgement.quoting_words(line);
    }
    if !is_at_line {
        return Some(judgement.fixes(&["smaller-size", "lower-rate", "update-driver"]));
    }
    Some(judgement.fixes(&["other-cable", "replug-direct", "powered-hub"]).fix(use_mjpg()))
}

fn firmware_silent(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "firmware-silent";
    const SILENT: [i64; 2] = [110, 32];
    let queries = facts.kernel_says(&["-110", "-32 (exp."]);
    let told = facts
        .fault_with_code(&SILENT)
        .filter(|(_, fault)| matches!(fault.kind, FaultKind::OpenFailed | FaultKind::ReadFailed))
        .filter(|_| facts.is_local());
    let failed = facts.fault_with_code(&[hresult(GENERAL_FAILURE)]).filter(|_| facts.system() == System::Windows);
    let is_held = facts.holder(Role::Program).is_some();
    let (confidence, fault) = match (told, failed) {
        (Some((_, fault)), _) => (0.9, Some(fault)),
        (None, Some((_, fault))) => (if is_held { 0.3 } else { 0.6 }, Some(fault)),
        // A call that does not come back at all is F30.
        (None, None)
            if !queries.is_empty()
                && facts.first_fault().is_some_and(|(_, fault)| fault.class == FaultClass::Stalled) =>
        {
            (0.85, facts.first_fault().map(|(_, fault)| fault))
        }
        (None, None) => return None,
    };
    let mut judgement = Judgement::new(SLUG, confidence);
    if let Some(fault) = fault {
        judgement = judgement.quoting(fault);
    }
    if let Some(line) = queries.last() {
        judgement = judgement.quoting_words(line);
    }
    Some(judgement.fixes(&["power-cycle", "other-port", "update-firmware"]))
}

/// It streams, and takes long for each request, or does not answer some.
fn answers_slowly(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "answers-slowly";
    let took_ms = facts.abilities.as_ref().and_then(|abilities| abilities.took_ms);
    let took_ms = took_ms.filter(|ms| *ms >= criteria::SLOW_ANSWER_MS);
    let told = facts.hung_when_asked();
    if !facts.is_streaming() || told.is_none() && took_ms.is_none() {
        return None;
    }
    let open_ms = facts.opening.as_ref().map_or(0, |opening| opening.open_ms);
    let confidence = match () {
        () if facts.is_saturated() => 0.4,
        // Opening consists of such requests.
        () if open_ms >= criteria::OPEN_SLOW_MS => 0.8,
        () => 0.6,
    };
    let judgement = told.into_iter().fold(Judgement::new(SLUG, confidence), Judgement::quoting);
    let took = took_ms.map(|ms| Message::new("evidence.answered").with("secs", number(ms as f64 / 1e3, 1)));
    let judgement = took.into_iter().fold(judgement, Judgement::with_evidence);
    Some(judgement.fixes(&["replug", "other-port", "update-firmware"]))
}

fn usb_asleep(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-asleep";
    const EHOSTUNREACH: i64 = 113;
    let usb = usb(facts);
    let told = facts.fault_with_code(&[EHOSTUNREACH]).filter(|_| facts.is_local());
    let was_asleep = usb.is_suspended == Some(true);
    let trouble = facts.first_fault().filter(|(place, fault)| {
        was_asleep && *place == FaultStage::Opening && fault.class == FaultClass::Stalled && fault.code.is_none()
    });
    let (confidence, fault) = match (told, trouble) {
        (Some((_, fault)), _) => (0.93, fault),
        // Any camera sleeps while nobody uses it.
        (None, Some((_, fault))) => (0.45, fault),
        (None, None) => return None,
    };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault);
    if facts.system() == System::Windows {
        return Some(judgement.fixes(&["windows-usb-saving", "replug"]));
    }
    let ids = facts.device().and_then(|device| device.vendor_id.as_deref().zip(device.product_id.as_deref()));
    let rule = ids.map(|(vendor, product)| {
        format!(
            r#"echo 'ACTION=="add", SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}", TEST=="power/control", ATTR{{power/control}}="on"' | sudo tee /etc/udev/rules.d/71-camera-awake.rules && sudo udevadm control --reload"#
        )
    });
    let awake = Fix::new("stay-awake");
    let awake = match rule {
        Some(rule) => awake.runs(rule),
        None => awake.runs("echo -1 | sudo tee /sys/module/usbcore/parameters/autosuspend"),
    };
    Some(judgement.fix(awake).fixes(&["replug"]))
}

fn usb_power(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-power";
    let usb = usb(facts);
    let told = facts.fault_with_code(&[66]).filter(|_| facts.is_local());
    let lines =
        facts.kernel_says(&["over-current", "rejected 1 configuration due to insufficient available bus power"]);
    let n_cuts = usb.n_over_currents.unwrap_or(0);
    let no_resources =
        facts.fault_with_code(&[hresult(NO_SYSTEM_RESOURCES)]).filter(|_| facts.system() == System::Windows);
    let confidence = match () {
        () if told.is_some() => 0.9,
        () if !lines.is_empty() && suffers(facts) => 0.92,
        // It may have been at any time since the start, and some ports count one then.
        () if n_cuts > 1 && facts.first_fault().is_some() => 0.7,
        () if n_cuts > 0 || !lines.is_empty() => 0.35,
        () if no_resources.is_some() => 0.4,
        () => return None,
    };
    let mut judgement = Judgement::new(SLUG, confidence);
    if let Some((_, fault)) = told.or(no_resources) {
        judgement = judgement.quoting(fault);
    }
    if n_cuts > 0 {
        judgement = judgement.with_evidence(Message::new("evidence.over-currents").with("n", n_cuts));
    }
    if let Some(power) = usb.max_power_ma {
        judgement = judgement.with_evidence(Message::new("evidence.max-power").with("ma", power));
    }
    if let Some(line) = lines.last() {
        judgement = judgement.quoting_words(line);
    }
    Some(judgement.fixes(&["powered-hub", "replug-direct", "power-supply"]))
}

fn unplugged(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "unplugged";
    let n_replugs = facts.presence.as_ref().and_then(|presence| presence.n_replugs).unwrap_or(0);
    let went = facts.fault_of(&[FaultKind::Unplugged]);
    // ENODEV and ESHUTDOWN: the node had a device a moment ago. So had one that was found and is missing when it is opened.
    let vanished = facts
        .faults()
        .find(|(place, fault)| {
            fault.kind == FaultKind::Missing
                && (matches!(fault.code, Some(19 | 108)) || *place != FaultStage::Presence && facts.device().is_some())
        })
        .filter(|_| facts.is_local());
    let has_gone = || facts.first_fault().filter(|_| facts.has_gone());
    let told = went.or(vanished).or_else(has_gone);
    let is_loose = criteria::is_loose_plug(n_replugs);
    let is_explained = facts.has_just_resumed()
        || facts.dead_controller().is_some()
        || !facts.kernel_says(&["over-current"]).is_empty()
        // A driver that answers nothing may say anything.
        || facts.hung_when_asked().is_some() && !facts.has_gone();
    let confidence = match told {
        Some(_) if is_explained => 0.6,
        Some(_) => 0.95,
        None if facts.has_gone() => 0.95,
        // A hand may have done it, looking for the cause.
        None if is_loose => 0.45,
        None => return None,
    };
    let mut judgement = Judgement::new(SLUG, confidence);
    if is_loose {
        judgement = judgement.titled("loose").with("n", n_replugs);
    }
    if let Some((_, fault)) = told {
        judgement = judgement.quoting(fault);
    }
    let fixes: &[&str] = if is_loose {
        &["other-cable", "replug-direct", "powered-hub"]
    } else {
        &["plug-in", "other-cable", "other-port"]
    };
    Some(judgement.fixes(fixes))
}

fn usb_controller_dead(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-controller-dead";
    let line = facts.dead_controller()?;
    let judgement = Judgement::new(SLUG, if facts.first_fault().is_some() { 0.95 } else { 0.3 }).quoting_words(line);
    let rebind = Fix::new("rebind-usb").runs(
        "for d in /sys/bus/pci/drivers/xhci_hcd/0000:*; do n=$(basename $d); echo $n | sudo tee /sys/bus/pci/drivers/xhci_hcd/unbind; echo $n | sudo tee /sys/bus/pci/drivers/xhci_hcd/bind; done",
    );
    Some(judgement.fix(rebind).fixes(&["restart-computer", "update-system"]))
}

fn after_sleep(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "after-sleep";
    let (_, fault) = facts.first_fault().filter(|_| facts.is_local() && facts.has_just_resumed())?;
    if !matches!(fault.class, FaultClass::Plug | FaultClass::Stalled | FaultClass::Hung) {
        return None;
    }
    let secs = facts.computer.as_ref().and_then(|computer| computer.resumed_secs_ago).unwrap_or_default();
    let judgement = Judgement::new(SLUG, 0.85).with("secs", secs).quoting(fault);
    let judgement = judgement.fix(Fix::new("reconnect").does(Action::Reconnect));
    let reset = Fix::new("reset-device").does(Action::ResetDevice);
    Some(judgement.fix(reset).fixes(&["power-cycle", "restart-computer"]))
}

fn usb_no_fast_setting(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "usb-no-fast-setting";
    const EIO: i64 = 5;
    let lines = facts.kernel_says(&["No fast enough alt setting"]);
    let told = facts
        .fault_with_code(&[EIO])
        .filter(|(place, fault)| *place != FaultStage::Stream && fault.kind == FaultKind::OpenFailed);
    let (_, fault) = told.filter(|_| facts.system() == System::Linux && facts.is_local())?;
    let is_slow = link(facts).and_then(|link| link.kbits_per_second).is_some_and(|speed| speed <= FULL_SPEED_KBITS);
    let confidence = match () {
        () if !lines.is_empty() || is_slow => 0.95,
        () if link(facts).is_some() || facts.presence.is_none() => 0.75,
        // What is at no USB port has no transfer modes.
        () => 0.2,
    };
    let mut judgement = Judgement::new(SLUG, confidence).quoting(fault);
    if let Some(speed) = link(facts).and_then(|link| link.speed.as_deref()) {
        judgement = judgement.with_evidence(Message::new("evidence.speed").with("speed", speed));
    }
    if let Some(line) = lines.last() {
        judgement = judgement.quoting_words(line);
    }
    let quirk = Fix::new("uvc-bandwidth-quirk").runs("sudo modprobe -r uvcvideo && sudo modprobe uvcvideo quirks=128");
    Some(judgement.fix(use_mjpg()).fixes(&["smaller-size", "fast-port"]).fix(quirk))
}
