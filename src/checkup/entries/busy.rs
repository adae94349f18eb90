//! Whether somebody else has the camera (F20 to F23).

use super::signs::hresult;
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical};
use crate::checkup::facts::Facts;
use crate::device::holders::Role;
use crate::device::{Holder, System};
use crate::fault::{Fault, FaultKind};
use crate::phrases::Message;

pub const ENTRIES: &[CatalogueEntry] = &[
    critical("F20", "busy-linux", Layer::Holder, busy_linux),
    critical("F21", "busy-windows", Layer::Holder, busy_windows),
    critical("F22", "busy-macos", Layer::Holder, busy_macos),
    critical("F23", "busy-own", Layer::Holder, busy_own),
];

/// `MF_E_HW_MFT_FAILED_START_STREAMING`: in use, no room on the bus, or out of order.
pub const FAILED_START_STREAMING: u32 = 0xC00D_3704;
/// `ERROR_GEN_FAILURE`: in use, or out of order.
pub const GENERAL_FAILURE: u32 = 0x8007_001F;
/// `ERROR_NO_SYSTEM_RESOURCES`: no room on the bus, no power, or in use.
pub const NO_SYSTEM_RESOURCES: u32 = 0x8007_05AA;

fn busy(facts: &Facts, system: System) -> Option<&Fault> {
    let (_, fault) = facts.fault_of(&[FaultKind::Busy]).filter(|_| facts.system() == system)?;
    Some(fault)
}

/// One of our own has it, and nobody else: of this run, of another one, or of one that is over.
fn own(facts: &Facts) -> Option<&Holder> {
    let mut others = facts.holders.iter().flatten().filter(|holder| holder.role == Role::Program);
    let own = [Role::Program, Role::Leftover, Role::Own].into_iter().find_map(|role| facts.holder(role));
    own.filter(|_| others.all(is_of_camclinic))
}

/// Another window or command of Camclinic, or a capture process of it.
fn is_of_camclinic(holder: &Holder) -> bool {
    matches!(holder.program.as_str(), "camclinic" | "camclinic-worker" | "camclinic-worker.exe")
}

fn naming(judgement: Judgement, holder: &Holder) -> Judgement {
    let who = match (&holder.user, holder.since) {
        (Some(user), Some(since)) => {
            Message::new("value.process-user-since").with("user", user.as_str()).with("since", clock(since))
        }
        (Some(user), None) => Message::new("value.process-user").with("user", user.as_str()),
        (None, Some(since)) => Message::new("value.process-since").with("since", clock(since)),
        (None, None) => Message::new("value.process"),
    };
    judgement
        .with("program", holder.program.as_str())
        .with("who", who.with("pid", holder.pid))
        .fix(Fix::new("close-program").with("program", holder.program.as_str()))
        .fix(wait())
}

/// The hour in the zone of this computer.
fn clock(since: jiff::Timestamp) -> String {
    since.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string()
}

fn wait() -> Fix {
    Fix::new("wait-until-free").does(Action::WaitUntilFree)
}

fn busy_linux(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "busy-linux";
    if let Some(holder) = facts.holder(Role::Program).filter(|_| own(facts).is_none())
        && facts.first_fault().is_none()
        && facts.stream.is_none()
        && facts.system() == System::Linux
    {
        // Many programs may have it open, of which one streams: only starting tells.
        return Some(naming(Judgement::new(SLUG, 0.3), holder));
    }
    let fault = busy(facts, System::Linux).filter(|_| own(facts).is_none())?;
    let find = Fix::new("find-holder");
    // The simulated camera has no node that could be open.
    let find = match facts.device() {
        Some(device) => find.runs(format!("sudo fuser -v {}", device.path)),
        None => find,
    };
    Some(match (facts.holder(Role::Program), facts.holder(Role::Bystander)) {
        (Some(holder), _) => naming(Judgement::new(SLUG, 0.97), holder).quoting(fault),
        (None, Some(server)) => {
            naming(Judgement::new(SLUG, 0.9).titled("server"), server).quoting(fault).fixes(&["close-camera-programs"])
        }
        // Only root sees what other users' programs have open.
        (None, None) => Judgement::new(SLUG, 0.92).titled("unseen").quoting(fault).fix(find).fix(wait()),
    })
}

fn busy_windows(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "busy-windows";
    if facts.system() != System::Windows {
        return None;
    }
    let shared = [FAILED_START_STREAMING, GENERAL_FAILURE, NO_SYSTEM_RESOURCES].map(hresult);
    let is_shared = |fault: &Fault| fault.code.is_some_and(|code| shared.contains(&code));
    let silent = [hresult(0x8000_000A)];
    let (_, fault) = facts
        .fault_of(&[FaultKind::Busy])
        .or_else(|| facts.fault_with_code(&shared))
        .or_else(|| facts.fault_with_code(&silent).filter(|_| facts.holder(Role::Program).is_some()))?;
    let has_neighbours = facts.usb.as_ref().is_some_and(|usb| !usb.neighbours.is_empty());
    let has_shield = facts.access.as_ref().is_some_and(|access| !access.shields.is_empty());
    let is_cured_by_less = facts.is_helped_by("half-size") || facts.is_helped_by("other-format");
    let holder = facts.holder(Role::Program);
    let confidence = match holder {
        _ if own(facts).is_some() => 0.2,
        _ if is_cured_by_less => 0.2,
        // The store names a program that uses a camera, not which camera.
        Some(_) if is_shared(fault) && has_neighbours => 0.8,
        Some(_) => 0.96,
        None if !is_shared(fault) => 0.92,
        None if has_shield || has_neighbours => 0.45,
        None if fault.code == Some(hresult(FAILED_START_STREAMING)) => 0.6,
        None => 0.4,
    };
    let share = Fix::new("share-camera").does(Action::OpenSettings("ms-settings:camera".to_owned()));
    let judgement = match holder {
        Some(holder) => naming(Judgement::new(SLUG, confidence), holder),
        None => Judgement::new(SLUG, confidence).titled("unseen").fixes(&["close-camera-programs"]).fix(wait()),
    };
    Some(judgement.quoting(fault).fix(share).fix(super::presence::restart_frame_server()))
}

fn busy_macos(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "busy-macos";
    if facts.system() != System::Macos {
        return None;
    }
    let interrupted = || facts.fault_with_code(&[-11_818]).map(|(_, fault)| fault);
    let fault = busy(facts, System::Macos).filter(|_| own(facts).is_none()).or_else(interrupted)?;
    let confidence = if fault.kind == FaultKind::Busy { 0.95 } else { 0.75 };
    let judgement = Judgement::new(SLUG, confidence).quoting(fault);
    let restart = Fix::new("restart-stream").does(Action::RestartStream);
    Some(judgement.fixes(&["close-camera-programs"]).fix(wait()).fix(restart).fixes(&["replug"]))
}

fn busy_own(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "busy-own";
    let (_, fault) = facts.fault_of(&[FaultKind::Busy])?;
    let holder = own(facts)?;
    let judgement =
        Judgement::new(SLUG, 0.95).with("program", holder.program.as_str()).with("pid", holder.pid).quoting(fault);
    Some(match holder.role {
        Role::Leftover => judgement
            .titled("leftover")
            .fix(Fix::new("end-process").with("pid", holder.pid).runs(format!("kill -9 {}", holder.pid)))
            .fixes(&["replug", "restart-computer"]),
        Role::Program => judgement.titled("other").fixes(&["close-other-view"]).fix(wait()),
        _ => judgement.fixes(&["close-other-view", "restart-program", "replug"]),
    })
}
