//! What is watched for a camera that is away, that others hold, or whose port does not answer.

use std::time::Instant;

use crossbeam_channel::{Receiver, at, never};

use super::machine::Watched;
use crate::device::watch::{DeviceEvent, DeviceWatcher, HolderEvent, ReleaseWatcher};
use crate::network::port;
use crate::source::SourceSpec;

/// One watch at a time, for as long as its end is waited for: a camera that is well costs nothing here. Dropping it ends it.
#[derive(Default)]
pub(super) enum CameraWatch {
    #[default]
    None,
    Devices(DeviceWatcher),
    /// The simulated camera's script says when it is plugged in again.
    Return(Instant),
    Holders(ReleaseWatcher),
    Port(port::PortWatcher),
}

impl CameraWatch {
    /// Where the system gives no thread, the timer of recovery has to do.
    pub(super) fn start(watched: Watched, spec: &SourceSpec, first_opened: Option<Instant>) -> Self {
        match watched {
            Watched::Plug => match spec {
                SourceSpec::Index(_) | SourceSpec::Device(_) => Self::Devices(DeviceWatcher::start()),
                SourceSpec::Simulated(_) | SourceSpec::File(_) | SourceSpec::Url(_) => {
                    let back = first_opened.and_then(|first_opened| spec.returns_at(first_opened, Instant::now()));
                    back.map_or(Self::None, Self::Return)
                }
            },
            Watched::Holders(name) => ReleaseWatcher::start(name).map_or(Self::None, Self::Holders),
            Watched::Port(address) => port::PortWatcher::start(&address).map_or(Self::None, Self::Port),
        }
    }

    pub(super) fn devices(&self) -> Receiver<DeviceEvent> {
        if let Self::Devices(watch) = self { watch.events().clone() } else { never() }
    }

    pub(super) fn returns(&self) -> Receiver<Instant> {
        if let Self::Return(when) = self { at(*when) } else { never() }
    }

    pub(super) fn holders(&self) -> Receiver<HolderEvent> {
        if let Self::Holders(watcher) = self { watcher.events().clone() } else { never() }
    }

    pub(super) fn ports(&self) -> Receiver<port::PortEvent> {
        if let Self::Port(watcher) = self { watcher.events().clone() } else { never() }
    }
}
