//! `camclinic log`: what happened, in this run of the program and in those before.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use super::{Exit, complain, say};
use crate::event::{self, Level};
use crate::foreign::safe_within;
use crate::logging::files::{self, LogEntry};
use crate::settings::{CameraSettings, Settings};
use crate::source::SourceSpec;

/// What `--recent-errors` takes for recent where `--since` does not say it.
const RECENT: SignedDuration = SignedDuration::from_hours(24);
/// Longer than any message, shorter than what would flood a terminal.
const MAX_CHARS: usize = 2_000;

/// Which events are wanted.
pub(super) struct LogOptions<'a> {
    pub(super) recent_errors: bool,
    pub(super) since: Option<Timestamp>,
    pub(super) camera: Option<CameraFilter<'a>>,
    pub(super) json: bool,
}

/// Which camera is meant: a part of a name is enough; capitals do not count.
pub(super) struct CameraFilter<'a> {
    text: &'a str,
    /// Of the cameras whose given names hold the text, without passwords.
    sources: Vec<&'a str>,
}

impl<'a> CameraFilter<'a> {
    pub(super) fn new(text: &'a str, settings: &'a Settings) -> Self {
        let is_called = |camera: &&CameraSettings| camera.name.as_ref().is_some_and(|name| holds(name, text));
        let sources = settings.cameras.iter().filter(is_called).map(|camera| camera.source.as_str()).collect();
        Self { text, sources }
    }

    fn admits(&self, source: &str) -> bool {
        let is_named = || {
            // As it is saved.
            let spec = SourceSpec::parse(source);
            let saved = spec.map_or_else(|_| source.to_owned(), |spec| spec.without_password());
            self.sources.contains(&saved.as_str())
        };
        holds(source, self.text) || !self.sources.is_empty() && is_named()
    }
}

fn holds(name: &str, part: &str) -> bool {
    name.to_lowercase().contains(&part.to_lowercase())
}

pub(super) fn log(folder: &Path, options: &LogOptions<'_>, now: Timestamp) -> Result<Exit, String> {
    let read = |admits: &dyn Fn(&LogEntry) -> bool| {
        files::read(folder, Timestamp::MIN, admits)
            .map_err(|error| format!("The log cannot be read: {error}: {}", folder.display()))
    };
    let entries = read(&|entry| options.camera.as_ref().is_none_or(|camera| camera.admits(&entry.source)))?;
    if let (Some(camera), true) = (&options.camera, entries.is_empty()) {
        let sources: BTreeSet<_> =
            read(&|entry| !entry.source.is_empty())?.into_iter().map(|entry| safe(&entry.source)).collect();
        let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
        let known = if sources.is_empty() { "no camera yet".to_owned() } else { sources };
        return Err(format!("The log has nothing of “{}”. It has events of: {known}.", safe(camera.text)));
    }
    let since = since(options, now);
    let least = if options.recent_errors { Level::Warning } else { Level::Debug };
    let zone = TimeZone::system();
    let mut n_shown = 0;
    for entry in entries.iter().filter(|entry| entry.at >= since && entry.level >= least) {
        n_shown += 1;
        say(&if options.json { entry.line.clone() } else { text(entry, &zone) });
    }
    if n_shown == 0 && !options.json {
        complain(&format!("There is no such event in the log: {}", folder.display()));
    }
    Ok(Exit::Healthy)
}

fn since(options: &LogOptions<'_>, now: Timestamp) -> Timestamp {
    let usual = if options.recent_errors { now.checked_sub(RECENT).ok() } else { None };
    options.since.or(usual).unwrap_or(Timestamp::MIN)
}

fn text(entry: &LogEntry, zone: &TimeZone) -> String {
    let at = entry.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
    let level = format!("{:?}", entry.level).to_lowercase();
    let source = if entry.source.is_empty() { String::new() } else { format!("{}  ", safe(&entry.source)) };
    format!("{at}  {level:<7}  {:<15}  {source}{}", safe(&entry.name), safe(&entry.message))
}

fn safe(text: &str) -> String {
    safe_within(text.as_bytes(), MAX_CHARS)
}

/// How long ago, or a moment: for clap.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    moment_at(text, &event::now().to_zoned(TimeZone::system()))
}

fn moment_at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let ago = || -> Option<Timestamp> {
        let span: Span = text.parse().ok()?;
        (span.is_positive()).then(|| now.checked_sub(span).ok())?.map(|moment| moment.timestamp())
    };
    let moment = || -> Option<Timestamp> {
        let local = || text.parse::<DateTime>().ok()?.to_zoned(now.time_zone().clone()).ok();
        text.parse().ok().or_else(|| Some(local()?.timestamp())).filter(|moment| *moment <= now.timestamp())
    };
    ago().or_else(moment).ok_or_else(|| {
        "it can be how long ago, such as 90s, 30m, 1h or 2d, or a moment in the past, such as 2026-11-21T09:30"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-11-21T12:00:00+01:00[Europe/Berlin]".parse().unwrap()
    }

    #[track_caller]
    fn check_moment(text: &str, expected: Option<&str>) {
        let expected = expected.map(|moment| moment.parse::<Timestamp>().unwrap());
        assert_eq!(moment_at(text, &now()).ok(), expected, "{text}");
    }

    #[test]
    fn a_time_ago_or_a_moment_is_understood() {
        check_moment("1h", Some("2026-11-21T10:00:00Z"));
        check_moment("90s", Some("2026-11-21T10:58:30Z"));
        check_moment("1h30m", Some("2026-11-21T09:30:00Z"));
        check_moment("2d", Some("2026-11-19T11:00:00Z"));
        check_moment("2 days", Some("2026-11-19T11:00:00Z"));
        check_moment("2026-11-21", Some("2026-11-20T23:00:00Z"));
        check_moment("2026-11-21 09:30", Some("2026-11-21T08:30:00Z"));
        check_moment("2026-11-21T09:30:00Z", Some("2026-11-21T09:30:00Z"));
        for wrong in
            ["", "1", "h", "soon", "-1h", "0s", "1x", "99999y", "9999999999999999999h", "2026-11-22", "2026-13-01"]
        {
            check_moment(wrong, None);
        }
    }

    #[test]
    fn recent_errors_are_those_of_a_day() {
        let now = now().timestamp();
        let options = |recent_errors, since| LogOptions { recent_errors, since, camera: None, json: false };
        assert_eq!(since(&options(true, None), now), now - RECENT);
        assert_eq!(since(&options(true, Some(Timestamp::UNIX_EPOCH)), now), Timestamp::UNIX_EPOCH);
        assert_eq!(since(&options(false, None), now), Timestamp::MIN);
    }

    #[test]
    fn a_line_steers_no_terminal() {
        let entry = LogEntry {
            at: "2026-11-21T10:04:37.118Z".parse().unwrap(),
            source: "sim:".into(),
            level: Level::Error,
            name: "stall".into(),
            message: "no frame\u{1b}[2J\nfor 1.0 s".into(),
            line: String::new(),
        };
        let expected = "2026-11-21 10:04:37.118  error    stall            sim:  no frame\u{fffd}[2J for 1.0 s";
        assert_eq!(text(&entry, &TimeZone::UTC), expected);
    }

    #[test]
    fn a_camera_is_known_by_its_given_name_too() {
        let mut settings = Settings::default();
        for (source, name) in [("rtsp://admin@cam/1?pwd=", "Front door"), ("sim:64x48", "Till")] {
            let mut camera = settings.camera(source);
            camera.rename(name);
            settings.put(camera);
        }
        let check = |text: &str, source: &str, expected: bool| {
            assert_eq!(CameraFilter::new(text, &settings).admits(source), expected, "{text} of {source}");
        };
        check("SIM", "sim:", true);
        check("video", "sim:", false);
        check("DOOR", "rtsp://admin:***@cam/1?pwd=***", true);
        check("front door", "rtsp://admin@cam/1?pwd=", true);
        check("till", "sim:64x48", true);
        check("till", "sim:", false);
        check("till", "", false);
        assert_eq!(settings.called(" front DOOR ").unwrap().source, "rtsp://admin@cam/1?pwd=");
        assert_eq!(settings.called("door"), None);
    }
}
