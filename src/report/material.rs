//! What a report is made of: gathered here, not yet masked or shortened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::checkup::Checkup;
use crate::checkup::compare::BackendComparison;
use crate::event::{self, Event, Level};
use crate::frame::Image;
use crate::health::History;
use crate::logging::files::{self, LogEntry};
use crate::past::{self, Sample};
use crate::phrases::Language;
use crate::recorder::RecorderNews;
use crate::source::SourceSpec;

/// Of the past on the disk.
const HISTORY: SignedDuration = SignedDuration::from_hours(24 * 7);
const LOG: SignedDuration = SignedDuration::from_hours(24);

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Material {
    pub checkup: Checkup,
    /// When the check-up began.
    pub began: Timestamp,
    /// How the camera was, oldest first.
    pub history: Vec<Point>,
    /// Oldest first.
    pub log: Vec<LogLine>,
    pub snapshot: Option<Image>,
    pub compared: Option<BackendComparison>,
    pub computer: ComputerInfo,
    /// Where it is recorded: how that and its disk do.
    pub recorder: Option<RecorderNews>,
    /// The camera's passwords, as they might turn up in texts of libraries and cameras.
    pub secrets: Secrets,
    pub language: Language,
    /// When the report is made.
    pub at: Timestamp,
    /// In which times are told.
    pub zone: TimeZone,
}

impl Material {
    /// Of a check-up that began then: with its own picture, and with what `data`, the folder for log and history, has of the
    /// camera: events of a day, the history of a week. Asks the system and reads files: not for the window's thread.
    #[must_use]
    pub fn gathered(
        checkup: Checkup,
        compared: Option<BackendComparison>,
        spec: &SourceSpec,
        began: Timestamp,
        data: Option<&Path>,
        language: Language,
    ) -> Self {
        let at = event::now();
        let source = match &checkup.status {
            Some(status) => &status.source,
            None => &checkup.facts.source.name,
        };
        let since = |age| at.checked_sub(age).unwrap_or(Timestamp::MIN);
        let mut log = Vec::new();
        let mut history = Vec::new();
        if let Some(data) = data {
            // What concerns no camera in particular concerns each.
            let entries = files::read(data, since(LOG), |entry| entry.source == *source || entry.source.is_empty());
            let samples = past::read(data, source, since(HISTORY));
            let unread = |what: &str, error: &std::io::Error| LogLine {
                at,
                source: source.clone(),
                level: Level::Warning,
                name: "report".to_owned(),
                message: format!("The {what} on the disk could not be read: {error}"),
                details: Map::new(),
            };
            let mut unreadable = Vec::new();
            match entries {
                Ok(entries) => log.extend(entries.into_iter().map(LogLine::from)),
                Err(error) => unreadable.push(unread("log", &error)),
            }
            match samples {
                Ok(samples) => history.extend(samples.iter().map(Point::from)),
                Err(error) => unreadable.push(unread("history", &error)),
            }
            log.extend(unreadable);
        }
        let secrets = match spec {
            SourceSpec::Url(address) => address.secrets().collect(),
            SourceSpec::Simulated(_) | SourceSpec::Index(_) | SourceSpec::Device(_) | SourceSpec::File(_) => Vec::new(),
        };
        Self {
            snapshot: checkup.picture.clone(),
            checkup,
            began,
            history,
            log,
            compared,
            computer: ComputerInfo::here(),
            recorder: None,
            secrets: Secrets(secrets),
            language,
            at,
            zone: TimeZone::system(),
        }
    }

    /// With what this run of the program knows and the disk does not have (yet): its events, and its history, whose moments
    /// were counted until `now`.
    #[must_use]
    pub fn and_this_run(mut self, events: &[Arc<Event>], history: &History, now: Instant) -> Self {
        let last = self.log.last().map(|line| line.at);
        let newer = events.iter().filter(|event| last.is_none_or(|last| event.at > last));
        self.log.extend(newer.map(|event| LogLine::from(&**event)));
        let last = self.history.last().map(|point| point.at);
        let newer = history.samples.iter().filter_map(|(moment, score)| {
            let age = SignedDuration::try_from(now.saturating_duration_since(*moment)).ok()?;
            let at = self.at.checked_sub(age).ok().filter(|at| last.is_none_or(|last| *at > last))?;
            Some(Point { at, secs: 1, score: *score, fps: None, live: None })
        });
        self.history.extend(newer);
        self
    }
}

/// They are in no text that anybody reads.
#[derive(Clone, Default)]
pub struct Secrets(pub Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub source: String,
    pub level: Level,
    pub name: String,
    pub message: String,
    #[serde(flatten)]
    pub details: Map<String, Json>,
}

impl From<&Event> for LogLine {
    fn from(event: &Event) -> Self {
        Self {
            at: event.at,
            source: event.source.clone(),
            level: event.level,
            name: event.name.clone(),
            message: event.message.to_string(),
            details: event.details.clone(),
        }
    }
}

impl From<LogEntry> for LogLine {
    fn from(entry: LogEntry) -> Self {
        let mut details: Map<String, Json> = serde_json::from_str(&entry.line).unwrap_or_default();
        for own in ["at", "source", "level", "name", "message"] {
            details.remove(own);
        }
        let LogEntry { at, source, level, name, message, .. } = entry;
        Self { at, source, level, name, message, details }
    }
}

/// What is known of this computer beside the facts of a check-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputerInfo {
    pub host: Option<String>,
    /// Whoever runs the program.
    pub user: Option<String>,
    pub home: Option<PathBuf>,
    /// Name and version of the system.
    pub system: Option<String>,
    pub kernel: Option<String>,
}

impl ComputerInfo {
    /// Asks the system. Takes some milliseconds.
    #[must_use]
    pub fn here() -> Self {
        let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        Self {
            host: sysinfo::System::host_name().ok(),
            user: user.filter(|user| !user.is_empty()),
            home: directories::UserDirs::new().map(|folders| folders.home_dir().to_owned()),
            system: sysinfo::System::long_os_version().ok(),
            kernel: sysinfo::System::kernel_version().ok(),
        }
    }
}

/// How the camera was at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    pub at: Timestamp,
    /// How long it was so.
    pub secs: u32,
    /// The lowest health score in that time.
    pub score: u8,
    /// Good frames a second, and the share of the time with a live picture, where the disk has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<f64>,
}

impl From<&Sample> for Point {
    fn from(sample: &Sample) -> Self {
        let Sample { at, secs, score, fps, live, .. } = *sample;
        Self { at, secs, score, fps: Some(fps), live: Some(live) }
    }
}
