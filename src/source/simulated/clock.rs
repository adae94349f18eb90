//! The time of the simulated camera, counted from its first opening.

use std::thread;
use std::time::{Duration, Instant};

use crate::fault::Fault;

#[derive(Clone, Debug)]
pub enum Clock {
    /// The computer's, from this moment on.
    Real(Instant),
    /// A hand that whoever waits moves forward.
    #[cfg(test)]
    Virtual(std::rc::Rc<std::cell::Cell<Duration>>),
}

impl Clock {
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::Real(origin) => origin.elapsed(),
            #[cfg(test)]
            Self::Virtual(now) => now.get(),
        }
    }

    /// Comes back at that time; never, if there is none.
    ///
    /// # Errors
    /// On a virtual clock, where nobody can wait for ever, in place of that.
    pub fn sleep_until(&self, end: Option<Duration>) -> Result<(), Fault> {
        match self {
            Self::Real(origin) => loop {
                match end {
                    Some(end) => match end.checked_sub(origin.elapsed()) {
                        Some(left) if !left.is_zero() => thread::sleep(left),
                        _ => return Ok(()),
                    },
                    None => thread::park(),
                }
            },
            #[cfg(test)]
            Self::Virtual(now) => {
                let end = end.ok_or_else(|| Fault::new(crate::fault::FaultKind::Hung, NEVER))?;
                now.set(now.get().max(end));
                Ok(())
            }
        }
    }

    /// The end of the process.
    pub fn crash(&self) -> Fault {
        match self {
            Self::Real(_) => std::process::abort(),
            #[cfg(test)]
            Self::Virtual(_) => Fault::new(crate::fault::FaultKind::Crashed, "the capture process died (signal 6)"),
        }
    }
}

/// What a call says that would not come back.
#[cfg(test)]
pub const NEVER: &str = "it never comes back";
