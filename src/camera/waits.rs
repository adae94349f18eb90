//! What ends the wait for a device that is away or that others hold, sooner than its timer.

use crossbeam_channel::{Receiver, never};

use crate::device::watch::{Hold, Sign, Vigil, Watch};
use crate::fault::FaultClass;

/// Lives as long as there is such a wait: a camera that is well costs nothing here.
#[derive(Default)]
pub(super) struct Waits {
    plug: Option<Watch>,
    release: Option<Vigil>,
    /// Those who hold the device are known, so that their letting go will be.
    is_held: bool,
}

impl Waits {
    /// Waits for what a fault of this class waits for. `device` is the name by which it is found, of a device of this
    /// computer; others give no signs.
    pub(super) fn await_end_of(&mut self, class: Option<FaultClass>, device: Option<String>) {
        if class == Some(FaultClass::Plug) && device.is_some() {
            self.plug.get_or_insert_with(Watch::start);
        } else {
            self.plug = None;
        }
        match device {
            Some(device) if class == Some(FaultClass::Busy) => {
                if self.release.is_none() {
                    // Without a thread the timer has to do.
                    self.release = Vigil::start(device).ok();
                }
            }
            _ => self.forget_holders(),
        }
    }

    pub(super) fn end(&mut self) {
        self.await_end_of(None, None);
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

    pub(super) fn signs(&self) -> Receiver<Sign> {
        self.plug.as_ref().map_or_else(never, |watch| watch.signs().clone())
    }

    pub(super) fn holds(&self) -> Receiver<Hold> {
        self.release.as_ref().map_or_else(never, |vigil| vigil.holds().clone())
    }

    pub(super) fn on_signs_ended(&mut self) {
        self.plug = None;
    }
}
