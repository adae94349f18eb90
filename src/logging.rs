//! The ring of events that the log panel, the plot and the commands read, and the log on the disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::event::{self, Event, Level};
use crate::foreign::Foreign;
use crate::lock::{Lock, Locked};
use crate::settings::CameraId;

pub mod files;

/// How many events are kept, unless somebody wants fewer: a day of a camera that fails every minute, in about a megabyte.
const CAPACITY: usize = 5_000;
/// And no more than so many bytes of them: cameras and their sources may have long names.
const MAX_BYTES: usize = 4 << 20;

/// Where events go. Cloning it gives another handle to the same ring; any thread may write and read.
#[derive(Clone)]
pub struct EventLog {
    ring: Arc<Lock<Ring>>,
    camera: Option<CameraId>,
}

struct Ring {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    /// Of all of them, as [`n_bytes`] counts.
    n_bytes: usize,
    next_id: u64,
    /// Called for each event, on the writer's thread: wake the window, print to the terminal.
    listeners: Vec<Arc<EventListener>>,
}

type EventListener = dyn Fn(&Event) + Send + Sync;

impl EventLog {
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(CAPACITY)
    }

    /// With room for so many events.
    #[must_use]
    pub fn keeping(capacity: usize) -> Self {
        let ring = Ring { events: VecDeque::new(), capacity, n_bytes: 0, next_id: 1, listeners: Vec::new() };
        Self { ring: Arc::new(Lock::new(ring)), camera: None }
    }

    /// The same log, for the events of this camera.
    #[must_use]
    pub fn of_camera(&self, id: CameraId) -> Self {
        Self { ring: Arc::clone(&self.ring), camera: Some(id) }
    }

    /// Has `listener` called for each event from now on, on the thread that writes it; it must not block.
    pub fn listen(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.lock().listeners.push(Arc::new(listener));
    }

    /// Adds an event with the time of this moment. When the ring is full the oldest goes.
    pub fn add(&self, source: &str, level: Level, name: &str, message: impl Into<Foreign>) {
        self.add_with(source, level, name, message, Map::new());
    }

    /// The same with what else belongs to it, for programs.
    pub fn add_with(
        &self,
        source: &str,
        level: Level,
        name: &str,
        message: impl Into<Foreign>,
        details: Map<String, Value>,
    ) {
        let mut ring = self.lock();
        let event = Arc::new(Event {
            id: ring.next_id,
            at: event::now(),
            instant: Instant::now(),
            camera: self.camera,
            source: source.to_owned(),
            level,
            name: name.to_owned(),
            message: message.into(),
            details,
        });
        ring.next_id += 1;
        ring.n_bytes += n_bytes(&event);
        ring.events.push_back(Arc::clone(&event));
        while ring.events.len() > ring.capacity || ring.n_bytes > MAX_BYTES && ring.events.len() > 1 {
            let oldest = ring.events.pop_front();
            ring.n_bytes = ring.n_bytes.saturating_sub(oldest.map_or(0, |event| n_bytes(&event)));
        }
        let listeners = ring.listeners.clone();
        drop(ring);
        for listener in listeners {
            listener(&event);
        }
    }

    /// The events after the one with this number, oldest first. 0 gives all that are kept.
    #[must_use]
    pub fn since(&self, id: u64) -> Vec<Arc<Event>> {
        let ring = self.lock();
        let n_old = ring.events.partition_point(|event| event.id <= id);
        ring.events.iter().skip(n_old).cloned().collect()
    }

    fn lock(&self) -> Locked<'_, Ring> {
        self.ring.lock()
    }
}

/// What an event takes, about: texts and details, and itself.
fn n_bytes(event: &Event) -> usize {
    let details = event.details.iter().map(|(name, value)| name.len() + value.to_string().len()).sum::<usize>();
    size_of::<Event>() + event.source.len() + event.name.len() + event.message.len() + details
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_go_first() {
        let log = EventLog::new();
        for n in 0..CAPACITY + 10 {
            log.add("sim:", Level::Info, "test", n.to_string());
        }
        let all = log.since(0);
        assert_eq!(all.len(), CAPACITY);
        assert_eq!(all.first().unwrap().message, "10");
        let last = all.last().unwrap().id;
        assert_eq!(log.since(last - 1).len(), 1);
        assert!(log.since(last).is_empty());
    }

    #[test]
    fn long_names_cost_events_and_no_memory() {
        let log = EventLog::new();
        let source = "x".repeat(10_000);
        let details = Map::from_iter([("rung".to_owned(), Value::from("y".repeat(10_000)))]);
        for _ in 0..CAPACITY {
            log.add_with(&source, Level::Info, "test", "z".repeat(10_000), details.clone());
        }
        let all = log.since(0);
        let sum: usize = all.iter().map(|event| n_bytes(event)).sum();
        assert!(sum <= MAX_BYTES && sum > MAX_BYTES * 9 / 10, "{sum} bytes in {} events", all.len());
        assert_eq!(log.lock().n_bytes, sum);
        log.add(&"x".repeat(MAX_BYTES), Level::Info, "test", "");
        assert_eq!(log.since(0).len(), 1, "the newest is kept");
    }
}
