//! A camera that can be chosen, as every list of cameras shows it.

use crate::device::Device;
use crate::device::availability::Availability;
use crate::device::holders::{Holder, Role};
use crate::source::SourceSpec;

/// A camera of this computer, and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraChoice {
    pub device: Device,
    pub availability: Availability,
}

/// How urgent a badge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadgeLevel {
    Calm,
    /// It is the one that is shown.
    Shown,
    Warning,
    Error,
}

/// A word or two on how a camera stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    pub words: String,
    pub level: BadgeLevel,
    /// The whole, in sentences.
    pub help: String,
}

impl Badge {
    #[must_use]
    pub fn new(words: &str, level: BadgeLevel, help: &str) -> Self {
        Self { words: words.to_owned(), level, help: help.to_owned() }
    }
}

impl CameraChoice {
    /// By identity, so that the same camera is found again after a re-plug.
    #[must_use]
    pub fn spec(&self) -> SourceSpec {
        SourceSpec::Device(self.device.identity.clone())
    }

    /// Whether a source names this camera: by identity, path or number.
    #[must_use]
    pub fn is(&self, spec: &SourceSpec) -> bool {
        match spec {
            SourceSpec::Device(text) => *text == self.device.identity || *text == self.device.path,
            SourceSpec::Index(index) => Some(*index) == self.device.index,
            SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => false,
        }
    }

    /// Name and detail on one line.
    #[must_use]
    pub fn label(&self) -> String {
        let detail = self.detail();
        if detail.is_empty() || detail == self.device.name {
            self.device.name.clone()
        } else {
            format!("{} · {detail}", self.device.name)
        }
    }

    /// What tells two cameras of one name apart and can be read: the node where it is short, else the end of the serial
    /// number, else the port.
    #[must_use]
    pub fn detail(&self) -> String {
        let device = &self.device;
        if device.path.starts_with("/dev/") {
            return device.path.clone();
        }
        match (&device.serial, &device.bus) {
            (Some(serial), _) => {
                let n_hidden = serial.chars().count().saturating_sub(4);
                format!("serial …{}", serial.chars().skip(n_hidden).collect::<String>())
            }
            (None, Some(bus)) => bus.clone(),
            (None, None) => String::new(),
        }
    }

    /// The detail, and what else there is to know before it is opened.
    #[must_use]
    pub fn facts(&self) -> String {
        let usb = self.device.usb.as_ref();
        // The generation; its rate is in the tip.
        let speed =
            usb.and_then(|usb| usb.speed.as_ref()).map(|speed| speed.split(',').next().unwrap_or(speed).to_owned());
        let hub = usb.filter(|usb| usb.is_behind_hub).map(|_| "behind a hub".to_owned());
        let facts = [Some(self.detail()), self.device.kind.word().map(str::to_owned), speed, hub];
        facts.into_iter().flatten().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(" · ")
    }

    /// `is_shown` says that it is the camera that the window shows.
    #[must_use]
    pub fn badge(&self, is_shown: bool) -> Badge {
        match &self.availability {
            Availability::Free => Badge::new("free", BadgeLevel::Calm, "No other program has it open."),
            Availability::Ours if is_shown => Badge::new("open here", BadgeLevel::Shown, "This window has it open."),
            Availability::Ours => {
                Badge::new("open here", BadgeLevel::Warning, "An earlier call into its driver has not come back.")
            }
            Availability::Held(holders) => held(holders),
            Availability::Undriven(fault) => {
                Badge::new("no driver", BadgeLevel::Error, &format!("{}. {}", fault.message, fault.advice))
            }
            Availability::Denied(fault) => {
                Badge::new("no permission", BadgeLevel::Error, &format!("{}. {}", fault.message, fault.advice))
            }
        }
    }
}

fn held(holders: &[Holder]) -> Badge {
    let zone = jiff::tz::TimeZone::system();
    let names: Vec<_> = holders.iter().take(3).map(|holder| holder.label(&zone)).collect();
    let first = holders.first();
    let words = match first {
        Some(first) if first.role == Role::Leftover => "left open".to_owned(),
        Some(first) => format!("open in {}", first.program),
        None => "in use".to_owned(),
    };
    let help = format!(
        "It is open in {}. If it is streaming there, no other program can: choose it all the same, and it is opened as soon as it is free.",
        names.join(", ")
    );
    Badge { words, level: BadgeLevel::Warning, help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceKind, UsbLink};
    use crate::fault::{Fault, FaultKind};

    fn choice(availability: Availability) -> CameraChoice {
        let device = Device {
            identity: "usb-046d_082d_A".into(),
            name: "HD Webcam".into(),
            path: "/dev/video0".into(),
            index: Some(0),
            kind: DeviceKind::Infrared,
            usb: Some(Box::new(UsbLink::new("1-2.4", Some("480"), None))),
            ..Device::default()
        };
        CameraChoice { device, availability }
    }

    #[track_caller]
    fn check(availability: Availability, is_shown: bool, words: &str, level: BadgeLevel, help: &str) {
        let badge = choice(availability).badge(is_shown);
        assert_eq!((badge.words.as_str(), badge.level), (words, level));
        assert!(badge.help.contains(help), "{}", badge.help);
    }

    #[test]
    fn a_badge_says_how_a_camera_stands() {
        let holder =
            |role| Holder { pid: 4711, program: "cheese".into(), user: Some("anna".into()), since: None, role };
        check(Availability::Free, false, "free", BadgeLevel::Calm, "No other");
        check(Availability::Ours, true, "open here", BadgeLevel::Shown, "This window");
        check(Availability::Ours, false, "open here", BadgeLevel::Warning, "not come back");
        check(
            Availability::Held(vec![holder(Role::Program)]),
            false,
            "open in cheese",
            BadgeLevel::Warning,
            "cheese (process 4711 of anna)",
        );
        check(Availability::Held(vec![holder(Role::Leftover)]), false, "left open", BadgeLevel::Warning, "left behind");
        let fault = Fault::new(FaultKind::Denied, "no").with_advice("Join the group.");
        check(Availability::Denied(fault), false, "no permission", BadgeLevel::Error, "Join the group.");
    }

    #[test]
    fn a_camera_is_known_by_each_of_its_names() {
        let camera = choice(Availability::Free);
        for (text, expected) in [
            ("usb-046d_082d_A", true),
            ("/dev/video0", true),
            ("0", true),
            ("1", false),
            ("/dev/video1", false),
            ("sim:", false),
        ] {
            assert_eq!(camera.is(&SourceSpec::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn the_facts_stand_on_one_line() {
        let mut camera = choice(Availability::Free);
        assert_eq!(camera.label(), "HD Webcam · /dev/video0");
        assert_eq!(camera.facts(), "/dev/video0 · infrared · USB 2 high speed · behind a hub");
        camera.device.path = r"\\?\usb#vid_046d".into();
        camera.device.serial = Some("ABC123456".into());
        assert_eq!(camera.detail(), "serial …3456");
        (camera.device.serial, camera.device.bus) = (None, Some("port 3".into()));
        assert_eq!(camera.detail(), "port 3");
    }
}
