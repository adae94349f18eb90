//! What ends the wait for a device that is away, that others hold, or whose port does not answer, sooner than its timer.

use crossbeam_channel::{Receiver, never};

use crate::address::Address;
use crate::device::watch::{DeviceEvent, DeviceWatcher, HolderEvent, ReleaseWatcher};
use crate::fault::{Fault, FaultClass, FaultKind};
use crate::network::port::{PortEvent, PortWatcher};

/// Lives as long as there is such a wait: a camera that is well costs nothing here.
#[derive(Default)]
pub(super) struct Waits {
    plug: Option<DeviceWatcher>,
    release: Option<ReleaseWatcher>,
    /// Those who hold the device are known, so that their letting go will be.
    is_held: bool,
    port: Option<PortWatcher>,
    /// The port was seen not to answer, and will be seen to.
    is_silent: bool,
}

/// That there is no way to it, as opposed to what it says.
fn is_of_port(fault: &Fault) -> bool {
    fault.class == FaultClass::Network
        && matches!(fault.kind, FaultKind::Refused | FaultKind::Unreachable | FaultKind::NameUnknown)
}

impl Waits {
    /// Waits for what a fault of this class waits for. `device` is the name by which it is found, of a device of this
    /// computer; others give no signs.
    pub(super) fn await_end_of(&mut self, class: Option<FaultClass>, device: Option<String>) {
        if class == Some(FaultClass::Plug) && device.is_some() {
            self.plug.get_or_insert_with(DeviceWatcher::start);
        } else {
            self.plug = None;
        }
        match device {
            Some(device) if class == Some(FaultClass::Busy) => {
                if self.release.is_none() {
                    // Without a thread the timer has to do.
                    self.release = ReleaseWatcher::start(device).ok();
                }
            }
            _ => self.forget_holders(),
        }
    }

    /// Waits for the port of a network camera where that is what the fault is about.
    pub(super) fn await_port(&mut self, fault: &Fault, address: Option<&Address>) {
        match address {
            Some(address) if is_of_port(fault) => {
                if self.port.is_none() {
                    // Without a thread the timer has to do.
                    self.port = PortWatcher::start(address).ok();
                }
            }
            _ => self.forget_port(),
        }
    }

    pub(super) fn end(&mut self) {
        self.await_end_of(None, None);
        self.forget_port();
    }

    /// Whether it answers now is another question.
    pub(super) fn forget_port(&mut self) {
        self.port = None;
        self.is_silent = false;
    }

    pub(super) fn on_silent(&mut self) {
        self.is_silent = true;
    }

    /// Whether what the fault is about is being watched, and its end will be told.
    pub(super) fn is_watched(&self, fault: &Fault) -> bool {
        match fault.class {
            FaultClass::Busy => self.is_held,
            _ => self.is_silent && is_of_port(fault),
        }
    }

    pub(super) fn ports(&self) -> Receiver<PortEvent> {
        self.port.as_ref().map_or_else(never, |watcher| watcher.events().clone())
    }

    /// Who holds it now is another question.
    pub(super) fn forget_holders(&mut self) {
        self.release = None;
        self.is_held = false;
    }

    pub(super) fn on_held(&mut self) {
        self.is_held = true;
    }

    /// Whether the device is known to be held, and its release will be told.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    pub(super) fn signs(&self) -> Receiver<DeviceEvent> {
        self.plug.as_ref().map_or_else(never, |watcher| watcher.events().clone())
    }

    pub(super) fn holds(&self) -> Receiver<HolderEvent> {
        self.release.as_ref().map_or_else(never, |watcher| watcher.events().clone())
    }

    pub(super) fn on_signs_ended(&mut self) {
        self.plug = None;
    }
}
