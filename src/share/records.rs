//! What the log says of each camera: the newest verdict, and how long it was away. What was read once is not read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::event::{Event, ToldVerdict};
use crate::lock::Lock;
use crate::logging::EventLog;
use crate::settings::CameraId;
use crate::uptime::{UptimeRecord, UptimeTotals};

/// The log keeps so many events that none is missed between two looks.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

pub struct CameraRecords {
    log: EventLog,
    began: Instant,
    read: Lock<ReadEvents>,
}

#[derive(Default)]
struct ReadEvents {
    /// The number of the last one.
    to: u64,
    verdicts: BTreeMap<CameraId, Value>,
    uptime: BTreeMap<CameraId, UptimeRecord>,
}

impl CameraRecords {
    pub fn new(log: EventLog, now: Instant) -> Self {
        Self { log, began: now, read: Lock::default() }
    }

    pub fn verdict(&self, camera: CameraId) -> Option<Value> {
        self.read_on();
        self.read.lock().verdicts.get(&camera).cloned()
    }

    /// Since this began.
    pub fn totals(&self, camera: CameraId, has_picture: bool, now: Instant) -> UptimeTotals {
        self.read_on();
        let mut read = self.read.lock();
        let record = read.uptime.entry(camera).or_insert_with(|| UptimeRecord::new(self.began));
        record.totals(has_picture, now)
    }

    fn read_on(&self) {
        let to = self.read.lock().to;
        let events = self.log.since(to);
        let mut read = self.read.lock();
        // Another thread may have read on meanwhile.
        let to = read.to;
        for event in events.iter().filter(|event| event.id > to) {
            read.add(event, self.began);
        }
    }
}

impl ReadEvents {
    fn add(&mut self, event: &Event, began: Instant) {
        self.to = self.to.max(event.id);
        let Some(camera) = event.camera else { return };
        if let Some(ToldVerdict { entry, title, confidence }) = ToldVerdict::of(event) {
            let verdict = json!({ "id": entry, "title": title, "confidence": confidence, "at": event.at });
            self.verdicts.insert(camera, verdict);
        }
        self.uptime.entry(camera).or_insert_with(|| UptimeRecord::new(began)).on_event(event);
    }
}

/// Reads on until it is dropped.
pub async fn follow(records: Arc<CameraRecords>) {
    loop {
        records.read_on();
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Level;
    use crate::status::AlertName;

    #[test]
    fn the_newest_verdict_of_each_camera_is_known() {
        let log = EventLog::new();
        let records = CameraRecords::new(log.clone(), Instant::now());
        let tell = |camera: u32, entry: &str| {
            let verdict = ToldVerdict { entry: entry.into(), title: "It is black.".into(), confidence: 0.9 };
            log.of_camera(CameraId(camera)).add_with("sim:", Level::Info, ToldVerdict::EVENT, "", verdict.details());
        };
        let newest = |camera: u32| records.verdict(CameraId(camera)).map(|verdict| verdict["id"].clone());
        assert_eq!(newest(1), None);
        tell(1, "F60");
        tell(2, "F40");
        log.add("", Level::Info, "else", "");
        assert_eq!((newest(1), newest(2), newest(3)), (Some("F60".into()), Some("F40".into()), None));
        tell(1, "F65");
        assert_eq!((newest(1), newest(2)), (Some("F65".into()), Some("F40".into())));
    }

    #[test]
    fn outages_are_counted_once() {
        let log = EventLog::new();
        let records = CameraRecords::new(log.clone(), Instant::now());
        let tell = |name: AlertName| {
            let details = [("outage_secs".to_owned(), 0.5.into())].into_iter().collect();
            log.of_camera(CameraId(1)).add_with("sim:", Level::Warning, name.as_str(), "", details);
        };
        let totals = |camera: u32| {
            let totals = records.totals(CameraId(camera), true, Instant::now());
            (totals.outages, totals.recoveries)
        };
        tell(AlertName::CameraIssue);
        assert_eq!((totals(1), totals(1), totals(2)), ((1, 0), (1, 0), (0, 0)));
        tell(AlertName::CameraRecovery);
        tell(AlertName::CameraIssue);
        assert_eq!(totals(1), (2, 1));
    }
}
