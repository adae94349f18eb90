//! Whether the camera is there, driven, allowed, free, and well connected. Nothing here starts a stream.

use std::time::Duration;

use super::{QUICK, ending, unless_device, without_device};
use crate::checkup::facts;
use crate::checkup::{Check, Ending, Job, Outcome};
use crate::device::glance::{Glance, glance};
use crate::device::{self, Device, DeviceKind};
use crate::fault::FaultKind;
use crate::phrases::Said;
use crate::source::SourceSpec;

/// A driver that takes longer to tell what it can do is left to tell it nobody.
const ASK_DEADLINE: Duration = Duration::from_millis(2_500);

pub struct Presence;

impl Check for Presence {
    fn id(&self) -> &'static str {
        "presence"
    }

    fn skip(&self, job: &Job) -> Option<Said> {
        unless_device(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        QUICK
    }

    fn run(&self, job: &mut Job) -> Ending {
        let named = match &job.request.spec {
            SourceSpec::Index(index) => device::named(&index.to_string()),
            SourceSpec::Device(text) => device::named(text),
            SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => {
                return ending(self, Outcome::Skipped, "none");
            }
        };
        let (device, fault) = match named {
            Ok(device) => (Some(device), None),
            Err(fault) => (None, Some(fault)),
        };
        let listed = device::list();
        let undriven = device::undriven().into_iter().map(|undriven| undriven.fault).collect();
        let ending = if let Some(device) = &device {
            ending(self, Outcome::Good, "good").with("name", device.label())
        } else {
            let what = fault.as_ref().map_or_else(String::new, ToString::to_string);
            ending(self, Outcome::Bad, "bad").with("what", what)
        };
        job.facts.presence = Some(facts::Presence {
            device,
            fault,
            n_listed: u32::try_from(listed.len()).unwrap_or(u32::MAX),
            undriven,
            ..facts::Presence::default()
        });
        ending
    }
}

pub struct Driver;

impl Check for Driver {
    fn id(&self) -> &'static str {
        "driver"
    }

    fn skip(&self, job: &Job) -> Option<Said> {
        without_device(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        ASK_DEADLINE + Duration::from_millis(500)
    }

    fn run(&self, job: &mut Job) -> Ending {
        let Some(device) = device_of(job) else { return ending(self, Outcome::Skipped, "none") };
        let driver = device.driver.clone().unwrap_or_else(|| "?".to_owned());
        let abilities = device::capabilities_within(&device, ASK_DEADLINE);
        let kind = device.kind;
        let ending = match &abilities {
            Err(fault) if fault.kind != FaultKind::BackendMissing => {
                ending(self, Outcome::Warning, "silent").with("what", fault.to_string())
            }
            _ if kind != DeviceKind::Camera => {
                ending(self, Outcome::Good, "kind").with("kind", Said::new(format!("kind.{}", kind_word(kind))))
            }
            _ => ending(self, Outcome::Good, "good"),
        };
        if let Ok(abilities) = abilities {
            if let Some(device) = job.facts.presence.as_mut().and_then(|presence| presence.device.as_mut()) {
                device.learn(&abilities);
            }
            job.facts.abilities = Some(abilities);
        }
        ending.with("driver", driver)
    }
}

fn kind_word(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Camera => "camera",
        DeviceKind::Infrared => "infrared",
        DeviceKind::Virtual => "virtual",
        DeviceKind::Test => "test",
        DeviceKind::RawSensor => "raw-sensor",
    }
}

fn device_of(job: &Job) -> Option<Device> {
    job.facts.presence.as_ref()?.device.clone()
}

pub struct Access;

impl Check for Access {
    fn id(&self) -> &'static str {
        "access"
    }

    fn skip(&self, job: &Job) -> Option<Said> {
        without_device(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        QUICK
    }

    fn run(&self, job: &mut Job) -> Ending {
        let Some(device) = device_of(job) else { return ending(self, Outcome::Skipped, "none") };
        let fault = match glance(&[device]).pop() {
            Some(Glance::Denied(fault)) => Some(fault),
            _ => None,
        };
        let ending = match &fault {
            None => ending(self, Outcome::Good, "good"),
            Some(fault) => ending(self, Outcome::Bad, "bad").with("what", fault.to_string()),
        };
        job.facts.access = Some(facts::Access { fault, ..facts::Access::default() });
        ending
    }
}

pub struct Holder;

impl Check for Holder {
    fn id(&self) -> &'static str {
        "holder"
    }

    fn skip(&self, job: &Job) -> Option<Said> {
        without_device(job)
    }

    fn patience(&self, _: &Job) -> Duration {
        QUICK
    }

    fn run(&self, job: &mut Job) -> Ending {
        let Some(device) = device_of(job) else { return ending(self, Outcome::Skipped, "none") };
        let holders = device::holders(&device);
        let in_the_way = device::glance::of_holders(device.kind, holders.clone());
        let ending = match in_the_way {
            Glance::Held(others) => {
                let zone = jiff::tz::TimeZone::system();
                let names = others.iter().take(3).map(|holder| holder.label(&zone)).collect::<Vec<_>>();
                ending(self, Outcome::Warning, "held").with("holders", names.join(", "))
            }
            Glance::Ours => ending(self, Outcome::Good, "ours"),
            Glance::Free | Glance::Denied(_) | Glance::Undriven(_) => ending(self, Outcome::Good, "good"),
        };
        job.facts.holders = Some(holders);
        ending
    }
}

pub struct Usb;

impl Check for Usb {
    fn id(&self) -> &'static str {
        "usb"
    }

    fn skip(&self, job: &Job) -> Option<Said> {
        without_device(job).or_else(|| {
            let is_usb = device_of(job).is_some_and(|device| device.usb.is_some());
            (!is_usb).then(|| Said::new("why.no-usb"))
        })
    }

    fn patience(&self, _: &Job) -> Duration {
        QUICK
    }

    fn run(&self, job: &mut Job) -> Ending {
        let Some(device) = device_of(job) else { return ending(self, Outcome::Skipped, "none") };
        let Some(link) = &device.usb else { return ending(self, Outcome::Skipped, "none") };
        let ending = match link.note() {
            Some(note) => ending(self, Outcome::Warning, "slow").with("what", note),
            None => ending(self, Outcome::Good, "good"),
        };
        ending.with("speed", link.speed.clone().unwrap_or_else(|| "?".to_owned())).with("port", link.port.clone())
    }
}
