//! Whether this program may use the camera (F10 to F14).

use super::signs::hresult;
use crate::checkup::action::Action;
use crate::checkup::catalogue::{CatalogueEntry, Fix, Judgement, Layer, critical};
use crate::checkup::facts::{AccessFacts, Facts, SourceKind};
use crate::device::System;
use crate::fault::{Fault, FaultKind};
use crate::phrases::Message;

pub const ENTRIES: &[CatalogueEntry] = &[
    critical("F10", "node-permission", Layer::Access, node_permission),
    critical("F11", "sandbox", Layer::Access, sandbox),
    critical("F12", "privacy-windows", Layer::Access, privacy_windows),
    critical("F13", "webcam-shield", Layer::Access, webcam_shield),
    critical("F14", "privacy-macos", Layer::Access, privacy_macos),
];

const EPERM: i64 = 1;
const E_ACCESSDENIED: u32 = 0x8007_0005;

fn denied(facts: &Facts, system: System) -> Option<&Fault> {
    let (_, fault) = facts.fault_of(&[FaultKind::Denied]).filter(|_| facts.system() == system)?;
    Some(fault)
}

fn access(facts: &Facts) -> AccessFacts {
    facts.access.clone().unwrap_or_default()
}

/// Who keeps the camera away on Linux: 0 to 1 for a sandbox, container or policy rather than the rights of the node.
fn is_kept_by_sandbox(facts: &Facts, fault: &Fault) -> f64 {
    // The simulated camera has no node that could be kept away.
    let is_confined = facts.source.kind == SourceKind::Device
        && facts.computer.as_ref().is_some_and(|computer| computer.confinement.is_some());
    match access(facts).is_allowed_by_node {
        Some(true) => 0.95,
        Some(false) if fault.code != Some(EPERM) => 0.05,
        _ if fault.code == Some(EPERM) => 0.9,
        _ if is_confined => 0.55,
        _ => 0.05,
    }
}

fn node_permission(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "node-permission";
    if facts.source.kind == SourceKind::File {
        let (_, fault) = facts.fault_of(&[FaultKind::Denied])?;
        return Some(Judgement::new(SLUG, 0.95).titled("file").quoting(fault).advised(fault));
    }
    let fault = denied(facts, System::Linux)?;
    let judgement =
        Judgement::new(SLUG, 1.0 - is_kept_by_sandbox(facts, fault)).with("path", facts.path()).quoting(fault);
    // It knows the group's name, and whether a new session is all that is missing.
    let judgement = if facts.source.kind == SourceKind::Device { judgement.advised(fault) } else { judgement };
    let rule = r#"echo 'SUBSYSTEM=="video4linux", TAG+="uaccess"' | sudo tee /etc/udev/rules.d/70-camera.rules && sudo udevadm control --reload && sudo udevadm trigger"#;
    let judgement = judgement
        .fix(Fix::new("join-video-group").runs("sudo usermod -aG video $USER"))
        .fix(Fix::new("udev-uaccess").runs(rule));
    Some(judgement.fixes(&["service-group"]))
}

fn sandbox(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "sandbox";
    let confinement = facts.computer.as_ref().and_then(|computer| computer.confinement.as_deref());
    // One that was seen a moment ago is not hidden.
    let is_hidden = facts.device().is_none()
        && facts.presence.as_ref().is_some_and(|presence| presence.is_known_to_kernel == Some(true));
    let (confidence, fault) = match facts.fault_of(&[FaultKind::Missing]) {
        Some((_, fault)) if is_hidden && confinement.is_some() => (0.95, fault),
        _ => {
            let fault = denied(facts, System::Linux).filter(|_| facts.source.kind == SourceKind::Device)?;
            (is_kept_by_sandbox(facts, fault), fault)
        }
    };
    let judgement = Judgement::new(SLUG, confidence).with("path", facts.path()).quoting(fault);
    let Some(confinement) = confinement else {
        return Some(
            judgement
                .titled("policy")
                .advised(fault)
                .fix(Fix::new("kernel-denials").runs("sudo dmesg | grep -E 'DENIED|avc'")),
        );
    };
    let judgement = judgement.with("sandbox", confinement).advised(fault);
    let path = facts.path();
    Some(match confinement {
        "snap" => judgement.fix(Fix::new("snap-connect").runs("sudo snap connect camclinic:camera")),
        "flatpak" => judgement.fix(Fix::new("flatpak-devices").runs("flatpak override --user --device=all camclinic")),
        "docker" | "podman" => judgement
            .fix(Fix::new("container-device").runs(format!("{confinement} run --device {path} --group-add video"))),
        _ => judgement.fixes(&["container-access"]),
    })
}

fn settings() -> Fix {
    Fix::new("windows-camera-settings").does(Action::OpenSettings("ms-settings:privacy-webcam".to_owned()))
}

fn privacy_windows(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "privacy-windows";
    // Those of the Device Manager are F02.
    let fault = denied(facts, System::Windows).filter(|fault| fault.code.is_none_or(|code| code <= 0))?;
    let switch = facts.access.as_ref().and_then(|access| access.fault.as_ref()).filter(|fault| fault.code.is_none());
    if switch.is_some_and(|fault| fault.message.contains("LetAppsAccessCamera")) {
        return Some(Judgement::new(SLUG, 0.95).titled("policy").quoting(fault).fixes(&["ask-administrator"]));
    }
    // Refused, though no switch of the system is off: then security software may do it.
    let confidence = match switch {
        Some(_) => 0.96,
        None if fault.code.is_none() => 0.95,
        None if !access(facts).shields.is_empty() => 0.45,
        None => 0.7,
    };
    Some(Judgement::new(SLUG, confidence).quoting(fault).advised(fault).fix(settings()).fixes(&["restart-program"]))
}

fn webcam_shield(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "webcam-shield";
    let access = access(facts);
    let shield = access.shields.first()?;
    if access.fault.is_some() || !matches!(facts.system(), System::Windows | System::Macos) {
        return None;
    }
    let refusals = [hresult(E_ACCESSDENIED), hresult(0xC00D_3704)];
    let refused = facts.fault_with_code(&refusals).filter(|_| facts.holders.as_ref().is_none_or(Vec::is_empty));
    let (_, fault) = refused?;
    let confidence = if fault.code == Some(hresult(E_ACCESSDENIED)) { 0.8 } else { 0.6 };
    let judgement = Judgement::new(SLUG, confidence).with("program", shield.as_str()).quoting(fault);
    let judgement = judgement.with_evidence(Message::new("evidence.switches-on"));
    Some(judgement.fix(Fix::new("shield-allow").with("program", shield.as_str())).fix(settings()))
}

fn privacy_macos(facts: &Facts) -> Option<Judgement> {
    const SLUG: &str = "privacy-macos";
    let is_asking = |fault: &Fault| fault.kind == FaultKind::OpenTimeout && fault.message.contains("macOS asks");
    let timeout = || facts.faults().map(|(_, fault)| fault).find(|fault| is_asking(fault));
    let fault = denied(facts, System::Macos).or_else(timeout)?;
    let open = Fix::new("macos-camera-settings").does(Action::OpenSettings(
        "x-apple.systempreferences:com.apple.preference.security?Privacy_Camera".to_owned(),
    ));
    let reset = Fix::new("tcc-reset").runs("tccutil reset Camera");
    let judgement = Judgement::new(SLUG, 0.95).quoting(fault);
    Some(match fault.code {
        _ if is_asking(fault) => judgement.titled("asks").fixes(&["answer-question", "restart-program"]),
        Some(0) => judgement.titled("asks").fixes(&["answer-question", "restart-program"]).fix(open),
        Some(1) => judgement.titled("restricted").fixes(&["ask-administrator"]),
        _ => judgement.fix(open).fixes(&["restart-program"]).fix(reset),
    })
}
