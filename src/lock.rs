//! The only kind of lock. One is held for a few instructions: nobody waits for anything under it, and takes no other, so that no
//! two threads can wait for each other. The exception, with its order, is named where it is ([`Lock::lock_inside`]).
//!
//! Builds with debug assertions look after it, so that every test does.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A value that one thread has at a time.
#[derive(Debug, Default)]
pub struct Lock<T: ?Sized>(Mutex<T>);

/// The value of a [`Lock`], until this is dropped.
pub struct Locked<'a, T: ?Sized> {
    guard: MutexGuard<'a, T>,
    held: Held,
}

impl<T> Lock<T> {
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// What a thread that panicked has left is taken as it is: each change under a lock is whole, or of no harm when it is half.
    pub fn lock(&self) -> Locked<'_, T> {
        let held = Held::only();
        Locked { guard: self.0.lock().unwrap_or_else(PoisonError::into_inner), held }
    }

    /// While another lock is held. Only for one inside which none is ever taken.
    pub fn lock_inside(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Locked<'_, T> {
    /// Lets go of the value until somebody notifies, or so long.
    #[must_use]
    pub fn wait_timeout(self, changed: &Condvar, timeout: Duration) -> Self {
        let Self { guard, held } = self;
        let guard = changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0;
        Self { guard, held }
    }
}

impl<T: ?Sized> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Locked<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}

#[cfg(debug_assertions)]
use looked_after::Held;

#[cfg(debug_assertions)]
mod looked_after {
    use std::cell::Cell;

    thread_local!(static HOLDS: Cell<bool> = const { Cell::new(false) });

    /// This thread holds a lock.
    pub struct Held;

    impl Held {
        #[track_caller]
        pub fn only() -> Self {
            let held_before = HOLDS.replace(true);
            debug_assert!(!held_before, "a lock is taken while another is held");
            Self
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HOLDS.set(false);
        }
    }
}

#[cfg(not(debug_assertions))]
struct Held;

#[cfg(not(debug_assertions))]
impl Held {
    fn only() -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn no_lock_is_taken_under_another() {
        static OUTER: Lock<u32> = Lock::new(1);
        static INNER: Lock<u32> = Lock::new(2);
        let taken = || {
            let outer = OUTER.lock();
            *outer + *INNER.lock()
        };
        assert_eq!(catch_unwind(taken).is_err(), cfg!(debug_assertions));
        // One after the other, and the exception.
        *OUTER.lock() += 1;
        assert_eq!(*INNER.lock(), 2);
        let outer = OUTER.lock();
        assert_eq!(*outer + *INNER.lock_inside(), 4);
    }
}
