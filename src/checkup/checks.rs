//! The checks, in the order in which they are carried out: from the computer to the picture, cheap before intrusive
//! (`failures.md`, section 4).

use std::time::Duration;

use super::facts::SourceKind;
use super::{Check, CheckContext, CheckOutcome, CheckResult};
use crate::phrases::Message;
use crate::source::SourceSpec;

pub(super) mod device;
mod folder;
pub(super) mod host;
mod network;
mod past;
pub(super) mod stream;

/// A new check is a struct and a line here, and its sentences in the phrases.
pub const CHECKS: &[&dyn Check] = &[
    &host::ComputerCheck,
    &device::PresenceCheck,
    &device::DriverCheck,
    &device::AccessCheck,
    &device::HolderCheck,
    &device::UsbCheck,
    &past::PastCheck,
    &network::NetworkCheck,
    &stream::OpenCheck,
    &stream::FirstFrameCheck,
    &stream::RateCheck,
    &stream::PictureCheck,
    &stream::TimeCheck,
    &folder::FolderCheck,
];

/// What sort of source it is.
#[must_use]
pub fn kind_of(spec: &SourceSpec) -> SourceKind {
    match spec {
        SourceSpec::Simulated(_) => SourceKind::Simulated,
        SourceSpec::Index(_) | SourceSpec::Device(_) => SourceKind::Device,
        SourceSpec::File(_) => SourceKind::File,
        SourceSpec::Url(_) => SourceKind::Network,
    }
}

/// Left out of all but cameras of this computer.
fn unless_device(context: &CheckContext) -> Option<Message> {
    match kind_of(&context.request.spec) {
        SourceKind::Device => None,
        SourceKind::Simulated => Some(Message::new("why.simulated")),
        SourceKind::File => Some(Message::new("why.file")),
        SourceKind::Network => Some(Message::new("why.network")),
    }
}

/// Left out where there is no camera.
fn without_device(context: &CheckContext) -> Option<Message> {
    unless_device(context).or_else(|| {
        let is_there = context.facts.presence.as_ref().is_some_and(|presence| presence.device.is_some());
        (!is_there).then(|| Message::new("why.no-camera"))
    })
}

/// `check.<id>.<word>`
fn result(check: &dyn Check, outcome: CheckOutcome, word: &str) -> CheckResult {
    CheckResult { outcome, why: Message::new(format!("check.{}.{word}", check.id())) }
}

impl CheckResult {
    fn with(mut self, place: &'static str, value: impl Into<crate::phrases::MessageValue>) -> Self {
        self.why = self.why.with(place, value);
        self
    }
}

/// What a check on files of the system takes, at most.
const QUICK: Duration = Duration::from_secs(2);
/// Where others have the processors, so many times as long.
const BUSY_FACTOR: u32 = 3;

/// So long, and longer on a busy computer: what it has no time for is no answer.
fn with_load(patience: Duration, context: &CheckContext) -> Duration {
    if context.facts.is_saturated() { BUSY_FACTOR * patience } else { patience }
}
