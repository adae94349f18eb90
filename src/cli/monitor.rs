//! `camclinic monitor`: watches cameras for as long as is wanted, prints how they are and what happens, and sums it up.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use self::hook::Hooks;
use self::sharing::Sharing;
use super::line_writer::LineWriter;
use super::nagios::Perf;
use super::{CommandContext, Exit, OutputFormat, complain, exit_of, keep_records, lost, nagios, unwritable};
use crate::camera::StatusReader;
use crate::event::{self, Event, Level, VIEWER};
use crate::fleet::Fleet;
use crate::logging::EventLog;
use crate::network::KnownLogins;
use crate::recorder::{self, Recorder, RecorderNews, RecordingMode, RecordingPlan, RecordingStatus, open_folder};
use crate::settings::CameraId;
use crate::source::SourceSpec;
use crate::status::{AlertName, Grade, State, Status, score_text};
use crate::uptime::{UptimeRecord, UptimeTotals};

mod hook;
#[cfg_attr(not(feature = "share"), path = "monitor/no_sharing.rs")]
mod sharing;

/// How often the status of each camera is read between the lines: what is shorter shows in events alone.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// Events that wait to be printed. They are taken as they come: more than these is a flood.
const MAX_WAITING_EVENTS: usize = 4_096;

/// All are printed and written to the disk as they come: these are for whoever asks over HTTP.
const KEPT_EVENTS: usize = 1_000;

/// What the command line asks for.
#[derive(Clone, Copy)]
pub(super) struct MonitorOptions<'a> {
    /// None: the camera that would be opened without a name.
    pub sources: &'a [String],
    /// `None`: until it is interrupted.
    pub duration: Option<Duration>,
    /// Between two lines about a camera; `None`: only what happens is told.
    pub interval: Option<Duration>,
    /// JSON has one object a line, and the line for monitoring systems comes at the end alone.
    pub format: OutputFormat,
    /// A command to run for each alert.
    pub on_event: Option<&'a str>,
    /// What is served over HTTP, and where.
    pub shared: Option<SharedOverHttp<'a>>,
    /// Where to record what.
    pub record: Option<(&'a Path, RecordingMode)>,
}

/// What is served over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SharedOverHttp<'a> {
    /// The numbers for Prometheus, at this address; whether that may be where other computers reach it.
    Numbers { address: &'a str, may_be_reached: bool },
    /// The page with the pictures, at this address, and the clips of this folder.
    /// Pages of that origin may show it.
    Page { address: SocketAddr, clips: Option<&'a Path>, allow_origin: Option<&'a str> },
}

/// Where statuses and events go.
struct MonitorOutputs {
    output: LineWriter,
    hooks: Option<Hooks>,
    sharing: Option<Sharing>,
}

/// A camera that is monitored.
struct MonitoredCamera {
    id: CameraId,
    source: String,
    statuses: StatusReader,
    status: Arc<Status>,
    record: UptimeRecord,
    recorder: Option<Recorder>,
    /// What came of it in the end.
    recorded: Option<RecordingStatus>,
}

/// One camera in the summary.
#[derive(Debug, Serialize)]
struct CameraSummary<'a> {
    source: &'a str,
    name: &'a str,
    #[serde(flatten)]
    totals: UptimeTotals,
    frames: u64,
    dropped: u64,
    /// How it stands at the end.
    state: State,
    is_healthy: bool,
    health_score: Option<u8>,
    grade: Option<Grade>,
    /// Where it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<RecordingStatus>,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum JsonLine<'a> {
    Status {
        at: Timestamp,
        #[serde(flatten)]
        status: &'a Status,
        #[serde(flatten)]
        recorder: Option<Box<RecorderNews>>,
    },
    Event(&'a Event),
    Summary {
        at: Timestamp,
        duration_secs: f64,
        /// Whether a signal ended it.
        interrupted: bool,
        exit_code: u8,
        cameras: Vec<CameraSummary<'a>>,
    },
}

impl CommandContext<'_> {
    pub(super) fn monitor(&self, options: MonitorOptions) -> Result<Exit, String> {
        let specs = self.choose_all(options.sources)?;
        let (events, waiting) = bounded(MAX_WAITING_EVENTS);
        let mut outputs = outputs(options, &events)?;
        let began = Instant::now();
        let log = EventLog::keeping(KEPT_EVENTS);
        // Dropped after the cameras, whose last events it takes.
        let records = keep_records(&log);
        self.listen(&log, &events, options.format);
        let mut fleet = Fleet::new(log, KnownLogins::default(), Arc::new(|| {}));
        let folder = options.record.map(|(folder, mode)| Ok((open_folder(folder, None, fleet.log())?, mode)));
        let folder = folder.transpose().map_err(|why: String| why)?;
        let n_cameras = u32::try_from(specs.len()).unwrap_or(u32::MAX);
        let mut cameras = Vec::new();
        for (number, spec) in (1..).zip(specs) {
            let mut monitored = self.begin_to_monitor(&mut fleet, CameraId(number), spec, began)?;
            if let Some((folder, mode)) = &folder
                && let Some(camera) = fleet.camera(monitored.id)
            {
                let plan = RecordingPlan { place: number - 1, n_cameras, ..RecordingPlan::new(*mode) };
                let recorder = Recorder::start(camera, monitored.id, folder.clone(), plan, fleet.log());
                monitored.recorder = Some(recorder.map_err(no_thread)?);
            }
            if let Some(records) = &records {
                records.watch(monitored.statuses.clone());
            }
            cameras.push(monitored);
        }
        outputs.sharing = options.shared.map(|shared| Sharing::start(shared, &fleet, &cameras)).transpose()?;
        if let Some(words) = outputs.sharing.as_ref().and_then(Sharing::words_for_stdout) {
            outputs.output.write(words);
        }
        let is_open = self.until_end(&mut cameras, options, &mut outputs, &waiting, began)?;
        // Their last clips are closed before the end is told.
        let recorders: Vec<_> = cameras.iter_mut().filter_map(|camera| camera.recorder.take()).collect();
        let tell_slow = || complain("The disk is slow: the last clips are being closed, which may take half a minute.");
        for (camera, news) in cameras.iter_mut().zip(recorder::stop_all(recorders, tell_slow)) {
            if let Some(trouble) = &news.recording.trouble {
                complain(&format!("{}: {trouble}", camera.source));
            }
            camera.recorded = Some(news.recording);
        }
        let now = Instant::now();
        let exit = cameras.iter().map(MonitoredCamera::exit).max_by_key(|exit| *exit as u8);
        let exit = exit.unwrap_or(Exit::CouldNotRun);
        // Whoever only shares asks for no verdict on the cameras.
        let exit = if options.interval.is_some() { exit } else { Exit::Healthy };
        if is_open && options.interval.is_some() {
            let text = self.summary(&cameras, options, exit, now.saturating_duration_since(began), now);
            outputs.output.end_with(text).map_err(|error| unwritable(&error))?;
        }
        outputs.sharing = None;
        drop(fleet);
        // The last alert may be the one that matters.
        drop(outputs.hooks);
        Ok(exit)
    }

    /// # Errors
    /// One is no source, or stands there twice.
    fn choose_all(&self, named: &[String]) -> Result<Vec<SourceSpec>, String> {
        if named.is_empty() {
            return Ok(vec![self.choose(None)?]);
        }
        let specs = named.iter().map(|name| self.choose(Some(name))).collect::<Result<Vec<_>, _>>()?;
        let mut known = BTreeSet::new();
        match specs.iter().find(|spec| !known.insert(spec.to_string())) {
            Some(twice) => Err(super::named_twice(twice)),
            None => Ok(specs),
        }
    }

    /// Events wait to be printed.
    fn listen(&self, log: &EventLog, events: &Sender<Event>, format: OutputFormat) {
        let events = events.clone();
        log.listen(move |event| {
            // Without room thousands of events wait already: this one is left out.
            let _ = events.try_send(event.clone());
        });
        // As text, the events are told on stdout.
        if format != OutputFormat::Text {
            let _ = self.shared.tell(log);
        }
    }

    fn begin_to_monitor(
        &self,
        fleet: &mut Fleet,
        id: CameraId,
        spec: SourceSpec,
        now: Instant,
    ) -> Result<MonitoredCamera, String> {
        let source = spec.to_string();
        let settings = self.settings(&spec);
        let camera = fleet.add(id, spec, &settings, self.trusted()).map_err(no_thread)?;
        let statuses = camera.status();
        let status = statuses.current().ok_or("The camera does not say how it is.")?;
        Ok(MonitoredCamera {
            id,
            source,
            statuses,
            status,
            record: UptimeRecord::new(now),
            recorder: None,
            recorded: None,
        })
    }

    /// Prints what happens until the time is over, a signal comes, or the reader of stdout has gone (`Ok(false)`).
    fn until_end(
        &self,
        cameras: &mut [MonitoredCamera],
        options: MonitorOptions,
        outputs: &mut MonitorOutputs,
        waiting: &Receiver<Event>,
        began: Instant,
    ) -> Result<bool, String> {
        let ends_at = options.duration.and_then(|duration| began.checked_add(duration));
        let mut line_due = options.interval.map(|interval| began + interval);
        loop {
            let now = Instant::now();
            let wake_at = [Some(now + LOOK_PERIOD), line_due, ends_at].into_iter().flatten().min();
            let first = waiting.recv_deadline(wake_at.unwrap_or(now)).ok();
            for event in first.into_iter().chain(waiting.try_iter().take(MAX_WAITING_EVENTS)) {
                if let Some(camera) = cameras.iter_mut().find(|camera| Some(camera.id) == event.camera) {
                    camera.record.on_event(&event);
                }
                self.print_event(&event, options, &outputs.output);
                if let Some(hooks) = outputs.hooks.as_ref().filter(|_| is_alert(&event)) {
                    hooks.run(line(&JsonLine::Event(&event)));
                }
            }
            let now = Instant::now();
            for camera in &mut *cameras {
                if let Some(fresh) = camera.statuses.take_fresh() {
                    camera.status = fresh.value;
                    camera.record.on_status(&camera.status, now);
                }
            }
            let output = &outputs.output;
            if let Some((due, interval)) = line_due.as_mut().zip(options.interval)
                && now >= *due
            {
                for camera in &*cameras {
                    print_status(camera, options, output);
                }
                // After the computer has slept, the lines of that time are left out.
                while *due <= now {
                    *due += interval;
                }
                let n_lost = output.take_lost();
                if n_lost > 0 {
                    complain(&lost(n_lost));
                }
            }
            if !output.is_open().map_err(|error| unwritable(&error))? {
                return Ok(false);
            }
            let is_over = ends_at.is_some_and(|at| now >= at);
            if is_over || self.interrupted.load(Ordering::Relaxed) {
                return Ok(true);
            }
        }
    }

    fn print_event(&self, event: &Event, options: MonitorOptions, output: &LineWriter) {
        match options.format {
            OutputFormat::Json => return output.write(line(&JsonLine::Event(event))),
            OutputFormat::Nagios => return,
            OutputFormat::Text => {}
        }
        let least = if self.shared.verbose > 0 { Level::Debug } else { Level::Info };
        if event.level < least {
            return;
        }
        if event.name == VIEWER {
            output.write(format!("{}  {}", clock(event.at), event.message));
        } else if !event.source.is_empty() {
            // Other events that concern no camera are printed on stderr.
            output.write(format!("{}  {}  {}: {}", clock(event.at), event.source, event.name, event.message));
        }
    }

    fn summary(
        &self,
        cameras: &[MonitoredCamera],
        options: MonitorOptions,
        exit: Exit,
        took: Duration,
        now: Instant,
    ) -> String {
        let endings = cameras.iter().map(|camera| camera.ending(now));
        let secs = took.as_secs_f64();
        if options.format == OutputFormat::Nagios {
            return for_nagios(exit, endings.collect());
        }
        if options.format == OutputFormat::Json {
            return line(&JsonLine::Summary {
                at: event::now(),
                duration_secs: (secs * 1_000.0).round() / 1_000.0,
                interrupted: self.interrupted.load(Ordering::Relaxed),
                exit_code: exit as u8,
                cameras: endings.collect(),
            });
        }
        let mut lines = vec![format!("Monitored for {}:", time(secs))];
        lines.extend(endings.map(|ending| text(&ending)));
        lines.join("\n")
    }
}

fn outputs(options: MonitorOptions, events: &Sender<Event>) -> Result<MonitorOutputs, String> {
    let hooks = options.on_event.map(|command| {
        let events = events.clone();
        let log = EventLog::new();
        // Of no camera.
        log.listen(move |event| drop(events.try_send(event.clone())));
        let tell = move |sentence: String| {
            complain(&sentence);
            log.add("", Level::Warning, "hook", sentence);
        };
        Hooks::start(command, Arc::new(tell))
    });
    let output = LineWriter::start("stdout", io::stdout()).map_err(no_thread)?;
    Ok(MonitorOutputs { output, hooks: hooks.transpose()?, sharing: None })
}

fn is_alert(event: &Event) -> bool {
    AlertName::ALL.iter().any(|alert| event.name == alert.as_str())
}

impl MonitoredCamera {
    /// By the camera; where something is not recorded that should be, it is no good end either.
    fn exit(&self) -> Exit {
        let has_trouble = self.recorded.as_ref().is_some_and(|recorded| recorded.trouble.is_some());
        let least = if has_trouble { Exit::Warning } else { Exit::Healthy };
        [exit_of(&self.status), least].into_iter().max_by_key(|exit| *exit as u8).unwrap_or(least)
    }

    fn totals(&self, now: Instant) -> UptimeTotals {
        self.record.totals(self.status.frames > 0, now)
    }

    fn ending(&self, now: Instant) -> CameraSummary<'_> {
        let status = &self.status;
        CameraSummary {
            source: &self.source,
            name: status.called(),
            totals: self.totals(now),
            frames: status.frames,
            dropped: status.dropped,
            state: status.state,
            is_healthy: status.is_healthy,
            health_score: status.health_score,
            grade: status.grade,
            recording: self.recorded.clone(),
        }
    }
}

fn print_status(camera: &MonitoredCamera, options: MonitorOptions, output: &LineWriter) {
    let (at, status) = (event::now(), camera.status.as_ref());
    match options.format {
        OutputFormat::Json => {
            let recorder = camera.recorder.as_ref().map(|recorder| Box::new(recorder.news(Instant::now())));
            return output.write(line(&JsonLine::Status { at, status, recorder }));
        }
        OutputFormat::Nagios => return,
        OutputFormat::Text => {}
    }
    let fault = status.last_fault.as_ref().map(|fault| format!(", {fault}")).unwrap_or_default();
    let outage = status.outage_secs.map(|secs| format!(", no picture for {}", time(secs))).unwrap_or_default();
    let recording = camera.recorder.as_ref().map(|recorder| format!("; {}", recorder.news(Instant::now())));
    let recording = recording.unwrap_or_default();
    output.write(format!(
        "{}  {}  {}, {}, {:.1} fps, {} frames, {} dropped{outage}{fault}{recording}",
        clock(at),
        camera.source,
        status.state,
        status.score_text(),
        status.fps,
        status.frames,
        status.dropped
    ));
}

/// One line about all of them, the worst first.
fn for_nagios(exit: Exit, mut endings: Vec<CameraSummary>) -> String {
    endings.sort_by_key(|ending| ending.health_score);
    let one = |ending: &CameraSummary| {
        let (uptime, outages) = uptime_and_outages(ending);
        let score = ending.health_score.map_or_else(|| "no score".to_owned(), |score| format!("score {score}"));
        format!("{}: {score}, {uptime}, {outages}", ending.source)
    };
    let least = |of: fn(&CameraSummary) -> Option<f64>| endings.iter().filter_map(of).min_by(f64::total_cmp);
    let sum = |of: fn(&CameraSummary) -> u32| Some(f64::from(endings.iter().map(of).sum::<u32>()));
    let perf = [
        Perf::score(endings.first().and_then(|ending| ending.health_score)),
        Perf::plain("least_score", least(|ending| ending.totals.least_score.map(f64::from)), 0),
        Perf { unit: "%", ..Perf::plain("uptime", least(|ending| ending.totals.uptime_percent), 2) },
        Perf::plain("outages", sum(|ending| ending.totals.outages), 0),
        Perf::plain("recoveries", sum(|ending| ending.totals.recoveries), 0),
    ];
    nagios::line(exit, &endings.iter().map(one).collect::<Vec<_>>().join("; "), &perf)
}

fn uptime_and_outages(ending: &CameraSummary) -> (String, String) {
    let totals = &ending.totals;
    let uptime = totals.uptime_percent.map_or_else(|| "no picture yet".to_owned(), |percent| format!("up {percent} %"));
    let outages = match totals.outages {
        0 => "no outage".to_owned(),
        1 => format!("1 outage of {}", time(totals.longest_outage_secs)),
        n => format!("{n} outages, the longest {}", time(totals.longest_outage_secs)),
    };
    (uptime, outages)
}

/// The summary of one camera for people.
fn text(ending: &CameraSummary) -> String {
    let totals = ending.totals;
    let (uptime, outages) = uptime_and_outages(ending);
    let recoveries = if totals.recoveries == 1 { "1 recovery" } else { &format!("{} recoveries", totals.recoveries) };
    let score = match (totals.mean_score, totals.least_score) {
        (Some(mean), Some(least)) => format!("score {mean} on average, {least} at least"),
        _ => "no score yet".to_owned(),
    };
    let recorded = ending.recording.as_ref().map(|recording| {
        let RecordingStatus { clips, bytes, lost, .. } = recording;
        format!("; {clips} clips, {:.1} MB, {lost} pictures lost", *bytes as f64 / 1e6)
    });
    let recorded = recorded.unwrap_or_default();
    format!(
        "  {}: {uptime}; {outages}; {recoveries}; {score}; {} frames, {} dropped; now {}, {}{recorded}",
        ending.source,
        ending.frames,
        ending.dropped,
        ending.state,
        score_text(ending.health_score)
    )
}

/// “4.0 s”, “12 min 5 s”, “8 h 3 min”.
fn time(secs: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time, rounded")]
    let whole = secs.round() as u64;
    match whole {
        _ if secs < 59.95 => format!("{secs:.1} s"),
        0..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

fn line(value: &JsonLine) -> String {
    // Plain data of ours always serialises; should it not, an empty object is still JSON.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_thread(error: io::Error) -> String {
    format!("The system gives no thread: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let times = [0.04, 4.0, 59.94, 59.96, 60.0, 725.0, 3_600.0, 29_000.0].map(time);
        assert_eq!(
            times,
            ["0.0 s", "4.0 s", "59.9 s", "1 min 0 s", "1 min 0 s", "12 min 5 s", "1 h 0 min", "8 h 3 min"]
        );
    }
}
