//! `camclinic list`: all that is known of each camera without starting it.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use super::{Exit, LIST_DEADLINE, pretty, say};
use crate::device::availability::{Availability, of_holders};
use crate::device::capabilities::Format;
use crate::device::{self, Capabilities, Device, Holder, Undriven};
use crate::fault::{Fault, FaultKind};

/// Of the narrowest terminal that people use.
const N_COLUMNS: usize = 80;
const INDENT: &str = "     ";
/// Drivers for tests have dozens.
const MAX_FORMATS_SHOWN: usize = 6;

pub fn list(json: bool) -> Result<Exit, String> {
    let devices = device::list_within(LIST_DEADLINE).ok_or_else(|| {
        format!(
            "Listing the cameras has not come back within {} s: a driver hangs. Unplug the cameras one by one.",
            LIST_DEADLINE.as_secs()
        )
    })?;
    let (entries, undriven) = (ask_all(devices), device::undriven());
    if json {
        say(&pretty(&json!({ "devices": entries, "without_driver": undriven })));
        return Ok(Exit::Healthy);
    }
    let paragraphs = entries.iter().map(describe).chain(undriven.iter().map(describe_undriven)).collect::<Vec<_>>();
    if paragraphs.is_empty() {
        say("No camera was found. Try the simulated one: camclinic sim:");
    }
    for paragraph in paragraphs {
        say(&paragraph);
    }
    Ok(Exit::Healthy)
}

/// All that is known of a camera. Without formats and controls where it did not tell.
#[derive(Serialize)]
struct ListedDevice {
    #[serde(flatten)]
    device: Device,
    state: ListState,
    holders: Vec<Holder>,
    #[serde(flatten)]
    capabilities: Option<Capabilities>,
    /// Why it did not tell what it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// Whether it can be opened now, as far as that can be told without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ListState {
    Free,
    /// A program has it open, most likely to stream from it.
    Busy,
    Denied,
    NoAnswer,
    Gone,
    Failed,
}

impl ListState {
    fn of(device: &Device, holders: &[Holder], fault: Option<&Fault>) -> Self {
        match fault.map(|fault| fault.kind) {
            Some(FaultKind::Denied) => Self::Denied,
            Some(FaultKind::Hung) => Self::NoAnswer,
            Some(FaultKind::Missing | FaultKind::Unplugged) => Self::Gone,
            Some(FaultKind::Busy) => Self::Busy,
            // A system that does not tell.
            Some(FaultKind::BackendMissing) | None => match of_holders(device.kind, holders.to_vec()) {
                Availability::Held(_) | Availability::Ours => Self::Busy,
                Availability::Free | Availability::Denied(_) | Availability::Undriven(_) => Self::Free,
            },
            Some(_) => Self::Failed,
        }
    }
}

/// Comes back within [`LIST_DEADLINE`].
fn ask_all(devices: Vec<Device>) -> Vec<ListedDevice> {
    let holders = device::holders_of_all(&devices);
    let answers = device::capabilities_of_all(&devices, LIST_DEADLINE);
    devices
        .into_iter()
        .zip(holders)
        .zip(answers)
        .map(|((device, holders), answer)| entry(device, holders, answer))
        .collect()
}

fn entry(mut device: Device, holders: Vec<Holder>, answer: Result<Capabilities, Fault>) -> ListedDevice {
    let (capabilities, fault) = match answer {
        Ok(capabilities) => (Some(capabilities), None),
        Err(fault) => (None, Some(fault)),
    };
    if let Some(capabilities) = &capabilities {
        device.learn(capabilities);
    }
    let state = ListState::of(&device, &holders, fault.as_ref());
    ListedDevice { device, state, holders, capabilities, fault }
}

fn describe(entry: &ListedDevice) -> String {
    let ListedDevice { device, state, holders, capabilities, fault } = entry;
    let number = device.index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    let kind = device.kind.word().map(|word| format!(" [{word}]")).unwrap_or_default();
    let path = &device.path;
    let mut lines = Vec::new();
    let zone = TimeZone::system();
    let reason = fault.as_ref().map(|fault| format!("{fault}. {}", fault.advice)).unwrap_or_default();
    let (word, details) = match state {
        ListState::Free => ("free", String::new()),
        ListState::Busy => {
            ("busy: in use by", holders.first().map_or_else(|| reason.clone(), |holder| holder.label(&zone)))
        }
        ListState::Denied => ("denied", reason),
        ListState::NoAnswer => ("no answer", reason),
        ListState::Gone => ("gone", reason),
        ListState::Failed => ("does not work", reason),
    };
    match state {
        ListState::Free => lines.push(format!("{path}: {word}")),
        ListState::Busy => lines.push(format!("{path}: {word} {details}")),
        ListState::Denied | ListState::NoAnswer | ListState::Gone | ListState::Failed => {
            lines.extend([format!("{path}: {word}"), details]);
        }
    }
    lines.push(device.identity.clone());
    if let Some(usb) = &device.usb {
        let hub = if usb.is_behind_hub { ", behind a hub" } else { "" };
        let speed = usb.speed.as_deref().unwrap_or("USB");
        lines.push(format!("{speed}, port {}{hub}", usb.port));
    }
    if let Some(capabilities) = capabilities {
        let formats = capabilities.formats.iter().map(in_short).collect::<Vec<_>>();
        let (shown, rest) = formats.split_at(formats.len().min(MAX_FORMATS_SHOWN));
        let more = if rest.is_empty() { String::new() } else { format!("; {} more formats", rest.len()) };
        let formats = if shown.is_empty() { "no formats".to_owned() } else { shown.join("; ") };
        lines.push(format!("{formats}{more}; {} controls", capabilities.controls.len()));
    }
    // The first of those that are in the way stands behind the path.
    let n_told = usize::from(*state == ListState::Busy);
    lines.extend(holders.iter().skip(n_told).map(|holder| format!("also open in {}", holder.label(&zone))));
    lines.extend(device.notes.iter().cloned());
    paragraph(&format!("{number:>3}  {}{kind}", device.name), &lines)
}

fn describe_undriven(undriven: &Undriven) -> String {
    let Undriven { device, fault } = undriven;
    let reason = format!("{fault}. {}", fault.advice);
    paragraph(&format!("  -  {}", device.name), &["no driver".to_owned(), reason, device.identity.clone()])
}

/// `MJPG 1920x1080 30 fps`: the largest size, and its highest rate.
fn in_short(format: &Format) -> String {
    let Some(largest) = format.sizes.last() else { return format.fourcc.clone() };
    let fastest = largest.rates.first().map(|rate| format!(" {} fps", (rate * 10.0).round() / 10.0));
    format!("{} {}x{}{}", format.fourcc, largest.width, largest.height, fastest.unwrap_or_default())
}

/// A heading with lines below it, none longer than a terminal is wide but where a single word is.
fn paragraph(heading: &str, lines: &[String]) -> String {
    let mut text = wrapped(heading, INDENT);
    for line in lines {
        text.push_str(&format!("\n{}", wrapped(&format!("{INDENT}{line}"), INDENT)));
    }
    text
}

fn wrapped(line: &str, indent: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let (before, text) = line.split_at(start);
    let mut wrapped = before.to_owned();
    let mut at = n_columns(before);
    let mut is_first = true;
    for word in text.split(' ') {
        let n = n_columns(word);
        if is_first {
            is_first = false;
        } else if at + 1 + n > N_COLUMNS {
            wrapped.push_str(&format!("\n{indent}"));
            at = indent.len();
        } else {
            wrapped.push(' ');
            at += 1;
        }
        wrapped.push_str(word);
        at += n;
    }
    wrapped
}

/// How wide a text is on a terminal: the letters of East Asia and pictures are two columns (UAX #11, in short).
fn n_columns(text: &str) -> usize {
    let is_wide = |c| matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}');
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::capabilities::FrameSize;
    use crate::device::holders::Role;
    use crate::device::{DeviceKind, UsbLink};

    fn camera() -> Device {
        Device {
            identity: "usb-046d_082d_7F3E".into(),
            name: "HD Pro Webcam C920".into(),
            path: "/dev/video0".into(),
            index: Some(0),
            usb: Some(Box::new(UsbLink::new("1-2.4", Some("480"), None))),
            ..Device::default()
        }
    }

    fn holder(program: &str, role: Role) -> Holder {
        Holder { pid: 4711, program: program.into(), user: Some("anna".into()), since: None, role }
    }

    fn entry(device: Device, holders: Vec<Holder>, fault: Option<Fault>) -> ListedDevice {
        let size = FrameSize { width: 1920, height: 1080, rates: vec![30.0, 7.5], ..FrameSize::default() };
        let format = Format { fourcc: "MJPG".into(), sizes: vec![size], ..Format::default() };
        let capabilities = fault.is_none().then(|| Capabilities { formats: vec![format], ..Capabilities::default() });
        ListedDevice { state: ListState::of(&device, &holders, fault.as_ref()), device, holders, capabilities, fault }
    }

    #[track_caller]
    fn check(entry: &ListedDevice, state: &str, lines: &[&str]) {
        assert_eq!(serde_json::to_value(entry).unwrap()["state"], state);
        let text = describe(entry);
        assert!(text.lines().all(|line| n_columns(line) <= N_COLUMNS), "{text}");
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no line “{line}” in\n{text}");
        }
    }

    #[test]
    fn a_camera_fits_on_a_terminal() {
        let free = entry(camera(), Vec::new(), None);
        assert_eq!(
            describe(&free),
            "  0  HD Pro Webcam C920\n     /dev/video0: free\n     usb-046d_082d_7F3E\n     \
             USB 2 high speed, 480 Mbit/s, port 1-2.4, behind a hub\n     MJPG 1920x1080 30 fps; 0 controls"
        );
        check(&free, "free", &[]);
        let busy = entry(camera(), vec![holder("cheese", Role::Program), holder("pipewire", Role::Bystander)], None);
        let lines = [
            "     /dev/video0: busy: in use by cheese (process 4711 of anna)",
            "     also open in pipewire (process 4711 of anna)",
        ];
        check(&busy, "busy", &lines);
        let server = entry(camera(), vec![holder("pipewire", Role::Bystander)], None);
        check(&server, "free", &["     /dev/video0: free", lines[1]]);
        let fed = Device { kind: DeviceKind::Virtual, ..camera() };
        check(&entry(fed, vec![holder("obs", Role::Program)], None), "free", &["  0  HD Pro Webcam C920 [virtual]"]);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_list() {
        let fault = |kind| Some(Fault::new(kind, "it is so").with_advice("Do this."));
        let check = |kind, state, line: &str| {
            check(&entry(camera(), Vec::new(), fault(kind)), state, &[line, "     it is so. Do this."]);
        };
        check(FaultKind::Denied, "denied", "     /dev/video0: denied");
        check(FaultKind::Hung, "no-answer", "     /dev/video0: no answer");
        check(FaultKind::Missing, "gone", "     /dev/video0: gone");
        check(FaultKind::OpenFailed, "failed", "     /dev/video0: does not work");
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        let device = Device {
            name: format!("{} {}", "名前".repeat(15), "x".repeat(58)),
            notes: vec!["word ".repeat(40).trim().to_owned()],
            ..camera()
        };
        let text = describe(&entry(device, Vec::new(), None));
        assert!(text.lines().all(|line| n_columns(line) <= N_COLUMNS), "{text}");
        assert_eq!(text.matches("word").count(), 40);
        assert_eq!(text.lines().nth(1), Some(format!("{INDENT}{}", "x".repeat(58)).as_str()));
        // A single word is left whole: it may be an identity that somebody copies.
        assert_eq!(wrapped(&"y".repeat(200), INDENT), "y".repeat(200));
    }

    #[test]
    fn a_camera_without_a_driver_is_listed_too() {
        let fault = Fault::new(FaultKind::Missing, "Cam is plugged in, but its driver is not loaded")
            .with_advice("Load it: sudo modprobe uvcvideo.");
        let undriven = Undriven { device: Device { name: "Cam".into(), ..Device::default() }, fault };
        let text = describe_undriven(&undriven);
        assert!(text.starts_with("  -  Cam\n     no driver\n") && text.contains("modprobe"), "{text}");
    }
}
