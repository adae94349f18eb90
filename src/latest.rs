//! The newest value wins: how frames and status reach any number of readers.
//!
//! Like tokio's `watch` channel, without async: the writer never waits for a reader, each [`Reader`] remembers what it
//! saw last and is told how many values it missed.

use std::sync::{Arc, Condvar};
use std::time::Instant;

use crate::lock::{Lock, Locked};

struct Slot<T> {
    /// Number of values published so far; the value in the slot is this one.
    version: u64,
    value: Option<Arc<T>>,
    n_waiting: usize,
    /// The newest version of which all waiting readers have been told.
    announced: u64,
}

struct Shared<T> {
    slot: Lock<Slot<T>>,
    published: Condvar,
}

impl<T> Shared<T> {
    /// A reader that panicked cannot have left the slot half written: nothing under the lock can fail.
    fn lock(&self) -> Locked<'_, Slot<T>> {
        self.slot.lock()
    }
}

/// The writing end. Cloning it gives another writer of the same slot.
pub struct Latest<T> {
    shared: Arc<Shared<T>>,
}

/// A reading end, with its own memory of what it has seen. A clone starts with the same memory.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// A value that a reader had not seen before.
pub struct Fresh<T> {
    pub value: Arc<T>,
    /// Values published since the reader's last look that it never got.
    pub n_skipped: u64,
}

impl<T> Latest<T> {
    #[must_use]
    pub fn new() -> Self {
        let slot = Slot { version: 0, value: None, n_waiting: 0, announced: 0 };
        Self { shared: Arc::new(Shared { slot: Lock::new(slot), published: Condvar::new() }) }
    }

    /// Replaces the value. Never waits for a reader, and wakes one at most: that one wakes the others, so that the
    /// cost for the writer does not grow with the number of readers.
    pub fn publish(&self, value: impl Into<Arc<T>>) {
        let value = value.into();
        let old;
        let wake;
        {
            let mut slot = self.shared.lock();
            slot.version += 1;
            old = slot.value.replace(value);
            wake = slot.n_waiting > 0;
        }
        if wake {
            self.shared.published.notify_one();
        }
        // Freeing a picture takes time: not under the lock.
        drop(old);
    }

    /// A reader that has seen nothing yet: the value of this moment is fresh to it.
    #[must_use]
    pub fn reader(&self) -> Reader<T> {
        Reader { shared: Arc::clone(&self.shared), seen: 0 }
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Reader<T> {
    /// The value of this moment, seen or not.
    #[must_use]
    pub fn current(&self) -> Option<Arc<T>> {
        self.shared.lock().value.clone()
    }

    /// The value of this moment if it is new to this reader.
    pub fn take_fresh(&mut self) -> Option<Fresh<T>> {
        let (version, value) = {
            let slot = self.shared.lock();
            (slot.version, slot.value.clone())
        };
        self.mark_seen(version, value)
    }

    /// Waits for a value that is new to this reader, until `deadline` at the latest.
    pub fn wait_fresh(&mut self, deadline: Instant) -> Option<Fresh<T>> {
        let mut slot = self.shared.lock();
        slot.n_waiting += 1;
        while slot.version == self.seen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            slot = slot.wait_timeout(&self.shared.published, left);
        }
        slot.n_waiting -= 1;
        let (version, value) = (slot.version, slot.value.clone());
        let announce = slot.announced < version && slot.n_waiting > 0;
        slot.announced = version;
        drop(slot);
        if announce {
            self.shared.published.notify_all();
        }
        self.mark_seen(version, value)
    }

    fn mark_seen(&mut self, version: u64, value: Option<Arc<T>>) -> Option<Fresh<T>> {
        let value = value.filter(|_| version > self.seen)?;
        // A new reader has missed nothing, however long the writer has been at work.
        let n_skipped = if self.seen == 0 { 0 } else { version - self.seen - 1 };
        self.seen = version;
        Some(Fresh { value, n_skipped })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reader_gets_the_newest_and_counts_what_it_missed() {
        let latest = Latest::new();
        let mut reader = latest.reader();
        assert!(reader.take_fresh().is_none());
        latest.publish(1);
        let fresh = reader.take_fresh().unwrap();
        assert_eq!((*fresh.value, fresh.n_skipped), (1, 0));
        assert!(reader.take_fresh().is_none());
        for n in 2..=5 {
            latest.publish(n);
        }
        let fresh = reader.take_fresh().unwrap();
        assert_eq!((*fresh.value, fresh.n_skipped), (5, 3));
        let mut late = latest.reader();
        let fresh = late.take_fresh().unwrap();
        assert_eq!((*fresh.value, fresh.n_skipped), (5, 0));
        assert_eq!(late.current().as_deref(), Some(&5));
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let latest = Latest::<u32>::new();
        let before = Instant::now();
        assert!(latest.reader().wait_fresh(before + Duration::from_millis(20)).is_none());
        assert!(before.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn every_waiting_reader_is_woken() {
        let latest = Latest::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let mut reader = latest.reader();
                thread::spawn(move || {
                    let mut last = 0;
                    while last < 200 {
                        last = *reader.wait_fresh(deadline).unwrap().value;
                    }
                })
            })
            .collect();
        for n in 1..=200 {
            latest.publish(n);
            thread::yield_now();
        }
        for reader in readers {
            reader.join().unwrap();
        }
    }

    #[test]
    fn the_old_value_is_freed_when_its_last_reader_lets_go() {
        let latest = Latest::new();
        let first = Arc::new(1);
        latest.publish(Arc::clone(&first));
        let held = latest.reader().current();
        latest.publish(2);
        assert_eq!(Arc::strong_count(&first), 2);
        drop(held);
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
