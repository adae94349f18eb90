//! Something that happened, with its time: a line of the log, a marker on the plot, a line of the JSON log.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::foreign::Foreign;
use crate::settings::CameraId;

/// The time on the wall. The last moment that a [`Timestamp`] can hold, at the end of the year 9999, where the computer's clock is set
/// beyond it.
#[must_use]
pub fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn timestamp(at: SystemTime) -> Timestamp {
    let last = if at < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(at).unwrap_or(last)
}

/// How grave an event is. The order is that of the log's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a defect in Camclinic itself.
    Debug,
    /// Worked as asked.
    Info,
    /// Something bad has ended.
    Good,
    /// Works, but not as asked; or it does not work and is being mended.
    Warning,
    /// The camera does not work, or something was lost.
    Error,
}

/// The event of a camera that was opened, and under which name the identity of the device stands in it.
pub const OPENED: &str = "open";
pub const OPENED_IDENTITY: &str = "identity";

/// The event of somebody who comes to look on, or goes.
pub const VIEWER: &str = "viewer";

/// What a check-up has found, as it is told to whoever keeps it: with the event of a check-up that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldVerdict {
    /// Of the catalogue, as `F40`.
    pub entry: Foreign,
    pub title: Foreign,
    /// 0 to 1.
    pub confidence: f64,
}

impl ToldVerdict {
    /// The name of the event.
    pub const EVENT: &str = "verdict";

    /// For [`Event::details`].
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(details)) => details,
            // Plain data: it is always an object.
            _ => Map::new(),
        }
    }

    /// `None` of any other event.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let details = (event.name == Self::EVENT).then(|| Value::Object(event.details.clone()))?;
        serde_json::from_value(details).ok()
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Counts the events of a program run; the plot's markers and the log's lines find each other by it.
    #[serde(skip)]
    pub id: u64,
    /// Wall clock, for people and for files.
    pub at: Timestamp,
    /// Monotonic clock, for the plot: it does not jump when somebody sets the clock.
    #[serde(skip)]
    pub instant: Instant,
    /// The camera's number in this run, where it is one of a fleet.
    #[serde(skip)]
    pub camera: Option<CameraId>,
    /// The camera, as the status names it; empty when it concerns the whole program.
    pub source: String,
    pub level: Level,
    /// One word that says what it is about: `open`, `stall`, `recovered`; the alerts have the names of [`crate::status::AlertName`].
    pub name: String,
    pub message: Foreign,
    /// What else belongs to it, for programs: `rung`, `outcome` and `took_ms` of a step of recovery.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

impl Event {
    /// Whether the health plot shows a marker for it: news about the picture, not about the program.
    #[must_use]
    pub fn is_marker(&self) -> bool {
        self.level > Level::Info && !self.source.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_that_is_set_beyond_all_dates_stops_nothing() {
        let years = |n: u64| Duration::from_secs(n * 366 * 24 * 3_600);
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH + years(9_000)), Timestamp::MAX);
        assert_eq!(timestamp(SystemTime::UNIX_EPOCH - years(12_500)), Timestamp::MIN);
    }
}
