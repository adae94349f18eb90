//! Whether the camera is there, driven, allowed, free, and well connected. Nothing here starts a stream.

use std::path::Path;
use std::time::Duration;

use super::{QUICK, result, unless_device, with_load, without_device};
use crate::checkup::facts;
use crate::checkup::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::device::ask::START as ASK_START;
use crate::device::availability::{self, Availability};
use crate::device::surroundings::n_replugs;
use crate::device::{self, Device, DeviceKind, System};
use crate::fault::FaultKind;
use crate::phrases::Message;
use crate::source::SourceSpec;

/// How long a driver may take to list its formats and controls; then the check-up goes on without them.
const ASK_DEADLINE: Duration = Duration::from_millis(2_500);

pub struct PresenceCheck;

impl Check for PresenceCheck {
    fn id(&self) -> &'static str {
        "presence"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        unless_device(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        with_load(QUICK, context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let named = match &context.request.spec {
            SourceSpec::Index(index) => device::named(&index.to_string()),
            SourceSpec::Device(text) => device::named(text),
            SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => {
                return result(self, CheckOutcome::Skipped, "none");
            }
        };
        let (device, fault) = match named {
            Ok(device) => (Some(device), None),
            Err(fault) => (None, Some(fault)),
        };
        let listed = device::list();
        let undriven = device::undriven().into_iter().map(|undriven| undriven.fault).collect();
        let result = if let Some(device) = &device {
            result(self, CheckOutcome::Good, "good").with("name", device.label())
        } else {
            let what = fault.as_ref().map_or_else(String::new, ToString::to_string);
            result(self, CheckOutcome::Bad, "bad").with("what", what)
        };
        let text = context.request.spec.to_string();
        context.facts.presence = Some(facts::PresenceFacts {
            siblings: device.as_ref().map(device::siblings).unwrap_or_default(),
            is_known_to_kernel: device::node_state(&text).is_known,
            device,
            fault,
            n_listed: u32::try_from(listed.len()).unwrap_or(u32::MAX),
            undriven,
            ..facts::PresenceFacts::default()
        });
        result
    }
}

pub struct DriverCheck;

impl Check for DriverCheck {
    fn id(&self) -> &'static str {
        "driver"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_device(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        ASK_START + with_load(ASK_DEADLINE, context) + Duration::from_millis(500)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(device) = device_of(context) else { return result(self, CheckOutcome::Skipped, "none") };
        let driver = device.driver.clone().unwrap_or_else(|| "?".to_owned());
        let abilities = device::capabilities_within(&device, with_load(ASK_DEADLINE, context));
        let kind = device.kind;
        let result = match &abilities {
            Err(fault) if fault.kind != FaultKind::BackendMissing => {
                result(self, CheckOutcome::Warning, "silent").with("what", fault.to_string())
            }
            _ if kind != DeviceKind::Camera => {
                result(self, CheckOutcome::Good, "kind").with("kind", Message::new(format!("kind.{}", kind_word(kind))))
            }
            _ => result(self, CheckOutcome::Good, "good"),
        };
        match abilities {
            Ok(abilities) => {
                if let Some(device) = context.facts.presence.as_mut().and_then(|presence| presence.device.as_mut()) {
                    device.learn(&abilities);
                }
                context.facts.abilities = Some(abilities);
            }
            Err(fault) => context.facts.unanswered = Some(fault),
        }
        result.with("driver", driver)
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

fn device_of(context: &CheckContext) -> Option<Device> {
    context.facts.presence.as_ref()?.device.clone()
}

pub struct AccessCheck;

impl Check for AccessCheck {
    fn id(&self) -> &'static str {
        "access"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_device(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        with_load(QUICK, context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(device) = device_of(context) else { return result(self, CheckOutcome::Skipped, "none") };
        let is_allowed_by_node = device::node_state(&device.path).is_allowed;
        let fault = match availability::of_all(&[device]).pop() {
            Some(Availability::Denied(fault)) => Some(fault),
            _ => None,
        };
        let result = match &fault {
            None => result(self, CheckOutcome::Good, "good"),
            Some(fault) => result(self, CheckOutcome::Bad, "bad").with("what", fault.to_string()),
        };
        let has_failed = fault.is_some();
        context.facts.access = Some(facts::AccessFacts { fault, is_allowed_by_node, shields: shields() });
        if has_failed {
            look_whether_gone(&mut context.facts);
        }
        result
    }
}

/// Programs that keep cameras from others (F13): the name of a process of each, without `.exe`, and its own name.
const SHIELDS: [(&str, &str); 8] = [
    ("avastui", "Avast"),
    ("avgui", "AVG"),
    ("avp", "Kaspersky"),
    ("bdagent", "Bitdefender"),
    ("ekrn", "ESET"),
    ("nortonsecurity", "Norton"),
    ("fshoster64", "F-Secure"),
    ("sophosui", "Sophos"),
];

/// Those of them that run. On Linux none of them guards cameras.
fn shields() -> Vec<String> {
    if System::HERE == System::Linux {
        return Vec::new();
    }
    let names = super::host::process_names();
    let is_running = |process: &str| {
        names.iter().any(|name| name.split('.').next().is_some_and(|stem| stem.eq_ignore_ascii_case(process)))
    };
    SHIELDS.iter().filter(|(process, _)| is_running(process)).map(|(_, name)| (*name).to_owned()).collect()
}

pub struct HolderCheck;

impl Check for HolderCheck {
    fn id(&self) -> &'static str {
        "holder"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_device(context)
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        with_load(QUICK, context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(device) = device_of(context) else { return result(self, CheckOutcome::Skipped, "none") };
        let holders = device::holders(&device);
        let in_the_way = availability::of_holders(device.kind, holders.clone());
        let result = match in_the_way {
            Availability::Held(others) => {
                let zone = jiff::tz::TimeZone::system();
                let names = others.iter().take(3).map(|holder| holder.label(&zone)).collect::<Vec<_>>();
                result(self, CheckOutcome::Warning, "held").with("holders", names.join(", "))
            }
            Availability::Ours => result(self, CheckOutcome::Good, "ours"),
            Availability::Free | Availability::Denied(_) | Availability::Undriven(_) => {
                result(self, CheckOutcome::Good, "good")
            }
        };
        context.facts.holders = Some(holders);
        result
    }
}

pub struct UsbCheck;

impl Check for UsbCheck {
    fn id(&self) -> &'static str {
        "usb"
    }

    fn skip(&self, context: &CheckContext) -> Option<Message> {
        without_device(context).or_else(|| {
            let is_usb = device_of(context).is_some_and(|device| device.usb.is_some());
            (!is_usb).then(|| Message::new("why.no-usb"))
        })
    }

    fn patience(&self, context: &CheckContext) -> Duration {
        with_load(QUICK, context)
    }

    fn run(&self, context: &mut CheckContext) -> CheckResult {
        let Some(device) = device_of(context) else { return result(self, CheckOutcome::Skipped, "none") };
        let Some(link) = &device.usb else { return result(self, CheckOutcome::Skipped, "none") };
        look_at_port(context);
        let n_over_currents = context.facts.usb.as_ref().and_then(|usb| usb.n_over_currents).unwrap_or_default();
        let result = match link.note() {
            Some(note) => result(self, CheckOutcome::Warning, "slow").with("what", note),
            None if n_over_currents > 0 => {
                result(self, CheckOutcome::Warning, "over-current").with("n", n_over_currents)
            }
            None => result(self, CheckOutcome::Good, "good"),
        };
        result.with("speed", link.speed.clone().unwrap_or_else(|| "?".to_owned())).with("port", link.port.clone())
    }
}

/// Whether the device is still there, now that something has failed: a call that does not come back does not say so.
pub fn look_whether_gone(facts: &mut facts::Facts) {
    let Some(presence) = facts.presence.as_mut() else { return };
    let Some(device) = &presence.device else { return };
    // One that is on no list has its path for an identity.
    presence.has_gone = if device.identity == device.path {
        Some(!Path::new(&device.path).exists())
    } else {
        device::list_within(QUICK).map(|list| list.iter().all(|listed| listed.identity != device.identity))
    };
}

/// How the port stands, and what the kernel has said of the camera. To be looked at again after it has streamed: errors on
/// the wire show only then.
pub(super) fn look_at_port(context: &mut CheckContext) {
    let Some(device) = device_of(context) else { return };
    context.facts.usb = device::usb_state(&device);
    context.facts.kernel = device::kernel_log(&device);
    let n_replugs = context.facts.kernel.as_deref().map(n_replugs);
    if let Some(presence) = context.facts.presence.as_mut() {
        presence.n_replugs = n_replugs;
    }
}
