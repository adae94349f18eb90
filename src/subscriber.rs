//! Who receives what a camera delivers: the newest of it, or all of it as far as there is room. The writer waits for neither.
//!
//! Whoever shows takes the newest ([`crate::latest`]); whoever measures or keeps gets a bounded queue, which counts what it had to
//! drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::latest::{Latest, Reader};
use crate::lock::{Lock, Locked};

/// What a subscriber gets of what comes faster than it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The newest value; those before it are skipped.
    Newest,
    /// Values in order, as long as no more than so many wait; those that come then are dropped.
    Queue(usize),
}

/// The writing end. Clones write to the same subscribers.
pub struct Publisher<T> {
    latest: Latest<T>,
    queues: Arc<Lock<Vec<QueueWriter<T>>>>,
}

struct QueueWriter<T> {
    values: Sender<Arc<T>>,
    n_dropped: Arc<AtomicU64>,
}

impl<T> Publisher<T> {
    #[must_use]
    pub fn new() -> Self {
        Self { latest: Latest::new(), queues: Arc::default() }
    }

    /// Hands a value to everybody. Never waits for one of them.
    pub fn publish(&self, value: impl Into<Arc<T>>) {
        let value = value.into();
        self.queues().retain(|queue| match queue.values.try_send(Arc::clone(&value)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                queue.n_dropped.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
        self.latest.publish(value);
    }

    /// A reader of the newest value.
    #[must_use]
    pub fn newest(&self) -> Reader<T> {
        self.latest.reader()
    }

    /// A subscriber. With [`Policy::Newest`] the value of this moment is fresh to it, with a queue only what comes from now on.
    #[must_use]
    pub fn subscribe(&self, policy: Policy) -> Subscriber<T> {
        match policy {
            Policy::Newest => Subscriber(Kind::Newest(self.newest())),
            Policy::Queue(room) => {
                let (values, receiver) = bounded(room.max(1));
                let n_dropped = Arc::new(AtomicU64::new(0));
                self.queues().push(QueueWriter { values, n_dropped: Arc::clone(&n_dropped) });
                Subscriber(Kind::Queue { values: receiver, n_dropped })
            }
        }
    }

    fn queues(&self) -> Locked<'_, Vec<QueueWriter<T>>> {
        self.queues.lock()
    }
}

impl<T> Default for Publisher<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Self { latest: self.latest.clone(), queues: Arc::clone(&self.queues) }
    }
}

/// The receiving end. Dropping it ends the subscription.
pub struct Subscriber<T>(Kind<T>);

enum Kind<T> {
    Newest(Reader<T>),
    Queue { values: Receiver<Arc<T>>, n_dropped: Arc<AtomicU64> },
}

/// What a subscriber receives.
pub struct Delivery<T> {
    pub value: Arc<T>,
    /// Values since the delivery before that it never gets. With a queue they may have come just after this one.
    pub n_missed: u64,
}

impl<T> Subscriber<T> {
    /// The next value, if it comes until `deadline`.
    pub fn next(&mut self, deadline: Instant) -> Option<Delivery<T>> {
        match &mut self.0 {
            Kind::Newest(reader) => {
                reader.wait_fresh(deadline).map(|fresh| Delivery { value: fresh.value, n_missed: fresh.n_skipped })
            }
            Kind::Queue { values, n_dropped } => {
                let value = values.recv_deadline(deadline).ok()?;
                Some(Delivery { value, n_missed: n_dropped.swap(0, Ordering::Relaxed) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishes so many values at once, then takes them: each with what was missed before it.
    #[track_caller]
    fn check(policy: Policy, n: u32, expected: &[(u32, u64)]) {
        let publisher = Publisher::new();
        let mut subscriber = publisher.subscribe(policy);
        let mut other = publisher.subscribe(Policy::Queue(100));
        drop(publisher.subscribe(Policy::Queue(1)));
        (0..n).for_each(|n| publisher.publish(n));
        let now = Instant::now();
        let taken: Vec<_> = std::iter::from_fn(|| subscriber.next(now)).map(|it| (*it.value, it.n_missed)).collect();
        assert_eq!(taken, expected, "{policy:?} {n}");
        assert_eq!(std::iter::from_fn(|| other.next(now)).count(), n as usize, "one does not take from another");
        assert_eq!(publisher.queues().len(), 1 + usize::from(policy != Policy::Newest), "who has gone is forgotten");
    }

    #[test]
    fn each_policy_gives_what_it_says() {
        check(Policy::Newest, 5, &[(4, 0)]);
        check(Policy::Queue(8), 5, &[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
        check(Policy::Queue(2), 5, &[(0, 3), (1, 0)]);
        check(Policy::Queue(0), 2, &[(0, 1)]);
    }

    #[test]
    fn what_a_full_queue_drops_is_counted_once() {
        let publisher = Publisher::new();
        let mut queue = publisher.subscribe(Policy::Queue(2));
        let mut n_got = 0;
        let mut n_missed = 0;
        for n in 0_u32..1_000 {
            publisher.publish(n);
            if n % 3 == 0
                && let Some(delivery) = queue.next(Instant::now())
            {
                n_got += 1;
                n_missed += delivery.n_missed;
            }
        }
        while let Some(delivery) = queue.next(Instant::now()) {
            n_got += 1;
            n_missed += delivery.n_missed;
        }
        assert_eq!(n_got + n_missed, 1_000);
    }
}
