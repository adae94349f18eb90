//! Disk, heat, memory and clocks (F74 to F79).

use super::signs::hresult;
use super::usb::is_memory;
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical, warning};
use crate::checkup::facts::{Facts, SourceKind};
use crate::criteria;
use crate::fault::{Fault, FaultKind};
use crate::phrases::{Message, number};

pub const ENTRIES: &[CatalogueEntry] = &[
    warning("F74", "disk-full", Layer::Folder, disk_full),
    warning("F75", "folder-fails", Layer::Folder, folder_fails),
    warning("F76", "overheated", Layer::Computer, overheated),
    critical("F77", "resources-used-up", Layer::Computer, resources_used_up),
    warning("F78", "times-wrong", Layer::Time, times_wrong),
    warning("F79", "clock-drift", Layer::Time, clock_drift),
    warning("F79b", "clock-stepped", Layer::Time, clock_stepped),
];

fn choose_folder() -> Fix {
    Fix::new("choose-folder").does(Action::ChooseFolder)
}

/// `ENOSPC`, `EDQUOT`, `ERROR_DISK_FULL`, `AVErrorDiskFull`
fn is_full(fault: &Fault) -> bool {
    matches!(fault.code, Some(28 | 122 | 112 | -11_807)) || fault.code == Some(hresult(0x8007_0070))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn disk_full(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "disk-full";
    let folder = facts.folder.as_ref()?;
    let told = folder.error.as_ref().filter(|fault| is_full(fault));
    let confidence = match (told, folder.free_bytes) {
        (Some(_), _) => 0.95,
        (None, Some(free)) if free < criteria::FULL_DISK_BYTES => 0.9,
        (None, Some(free)) if free < criteria::NEARLY_FULL_DISK_BYTES => 0.4,
        _ => return None,
    };
    let mut judgement = Judgement::new(SLUG, confidence).with("path", folder.path.as_str());
    if let Some(free) = folder.free_bytes {
        judgement = judgement.with_evidence(Message::new("evidence.free").with("mb", megabytes(free)));
    }
    if let Some(fault) = told {
        judgement = judgement.quoting(fault);
    }
    Some(judgement.fixes(&["make-room"]).fix(choose_folder()))
}

fn folder_fails(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "folder-fails";
    let folder = facts.folder.as_ref()?;
    let told = folder.error.as_ref().filter(|fault| !is_full(fault));
    let slow = folder.write_ms.filter(|ms| *ms >= criteria::SLOW_WRITE_MS);
    let judgement = match (told, slow) {
        (Some(fault), _) => Judgement::new(SLUG, 0.9).quoting(fault),
        (None, Some(ms)) => {
            // Others write, or the file was not given the time to be written.
            let pressure = facts.computer.as_ref().and_then(|computer| computer.disk_pressure_percent);
            let is_of_others = facts.is_saturated() || pressure.is_some_and(criteria::is_under_pressure);
            let judgement = Judgement::new(SLUG, if is_of_others { 0.4 } else { 0.65 });
            judgement.titled("slow").with("secs", number(ms / 1e3, 1))
        }
        (None, None) => return None,
    };
    let judgement = judgement.with("path", folder.path.as_str());
    let judgement = if folder.is_remote { judgement.fixes(&["check-share"]) } else { judgement };
    Some(judgement.fix(choose_folder()).fixes(&["check-folder"]))
}

fn overheated(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "overheated";
    let computer = facts.computer.as_ref().filter(|computer| computer.is_throttled == Some(true))?;
    let suffers = facts.shortfall().is_some() || facts.missing_share().is_some() || facts.is_computer_busy();
    let mut judgement = Judgement::new(SLUG, if suffers { 0.8 } else { 0.4 });
    if let Some(celsius) = computer.celsius {
        judgement = judgement.with_evidence(Message::new("evidence.celsius").with("celsius", celsius));
    }
    Some(judgement.fixes(&["cool", "power-supply", "lower-rate"]))
}

fn resources_used_up(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "resources-used-up";
    let conversation = facts.conversation.as_ref().and_then(|conversation| conversation.finding.as_ref());
    let told = conversation.map(|finding| &finding.fault).filter(|fault| fault.kind == FaultKind::NoResources);
    let fault = facts.fault_of(&[FaultKind::NoResources]).map(|(_, fault)| fault).or(told)?;
    // Room on a bus is F40, or F45.
    let codes = [12, 23, 24, hresult(0x8007_000E)];
    let is_own = is_memory(fault) || fault.code.is_some_and(|code| codes.contains(&code));
    let is_bus = fault.code.is_some_and(|code| code == 28 || code == hresult(super::busy::NO_SYSTEM_RESOURCES));
    let confidence = match () {
        () if is_own => 0.95,
        () if is_bus => return None,
        () => 0.7,
    };
    let mut judgement = Judgement::new(SLUG, confidence).quoting(fault).advised(fault);
    if let Some(computer) = facts.computer.as_ref().filter(|computer| computer.total_memory_bytes > 0) {
        let (free, total) = (megabytes(computer.free_memory_bytes), megabytes(computer.total_memory_bytes));
        judgement = judgement.with_evidence(Message::new("evidence.memory").with("free", free).with("total", total));
    }
    Some(judgement.fixes(&["close-programs", "smaller-size", "restart-program"]))
}

fn times_wrong(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "times-wrong";
    let stream = facts.stream.as_ref().filter(|stream| stream.n_back > 0 && facts.source.kind != SourceKind::File)?;
    // Times that are taken from the wall clock go back with it.
    let has_stepped = clock_stepped(facts).is_some();
    // When a network camera took a picture is reckoned from arrivals; its own clock is judged by its packets (F98).
    let is_reckoned = facts.source.kind == SourceKind::Network;
    let judgement = Judgement::new(SLUG, if has_stepped || is_reckoned { 0.4 } else { 0.8 }).with("n", stream.n_back);
    Some(judgement.fixes(&["times-of-arrival", "update-firmware", "replug"]))
}

fn clock_drift(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "clock-drift";
    let time = facts.time.as_ref()?;
    let drift = time.drift_ppm.filter(|ppm| criteria::is_clock_off(*ppm))?;
    let confidence = if criteria::is_drift_certain(time.drift_secs) { 0.7 } else { 0.2 };
    let a_day = drift.abs() * 86_400.0 / 1e6;
    let judgement = Judgement::new(SLUG, confidence)
        .with("ppm", drift.abs())
        .with("a-day", a_day)
        .with("secs", time.drift_secs)
        .because(if drift > 0.0 { "fast" } else { "slow" });
    Some(judgement.fixes(&["camera-ntp", "times-of-arrival", "update-firmware"]))
}

fn clock_stepped(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "clock-stepped";
    let time = facts.time.as_ref()?;
    let set = Fix::new("set-clock").runs("sudo timedatectl set-ntp true");
    if time.is_year_wrong {
        return Some(Judgement::new(SLUG, 0.8).titled("year").fix(set));
    }
    let step = time.wall_step_secs.filter(|secs| criteria::is_clock_step(*secs))?;
    let judgement = Judgement::new(SLUG, 0.7).with("secs", number(step.abs(), 1));
    let judgement = judgement.because(if step > 0.0 { "forward" } else { "back" });
    Some(judgement.fix(set).fixes(&["one-clock-service"]))
}
