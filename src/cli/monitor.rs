//! `camclinic monitor`: watches cameras for as long as is wanted, tells how they are and what happens, and sums it up.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use self::hook::Hooks;
use self::metrics::{Sample, Server};
use self::record::{Ending, Record, Totals};
use super::line_writer::LineWriter;
use super::nagios::Perf;
use super::{Exit, Form, Work, complain, exit_of, keep_records, lost, nagios};
use crate::camera::Camera;
use crate::event::{Event, Level};
use crate::latest::{Latest, Reader};
use crate::logging::EventLog;
use crate::source::SourceSpec;
use crate::status::{AlertName, Status, score_text};

mod hook;
mod metrics;
mod record;

/// How often the cameras are looked at between the lines: what is shorter is told by events alone.
const LOOK_PERIOD: Duration = Duration::from_millis(100);
/// Events that wait to be told. They are taken as they come: more than these is a flood.
const MAX_UNTOLD: usize = 4_096;

/// What the command line asks for.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    /// None: the camera that would be opened without a name.
    pub sources: &'a [String],
    /// `None`: until it is interrupted.
    pub duration: Option<Duration>,
    pub interval: Duration,
    /// JSON has one object a line, and the line for monitoring systems comes at the end alone.
    pub form: Form,
    /// A command to run for each alert.
    pub on_event: Option<&'a str>,
    /// Where metrics are served.
    pub metrics: Option<&'a str>,
    /// Whether that may be where other computers reach it.
    pub may_be_reached: bool,
}

/// Where all that is known goes.
struct Outlets {
    output: LineWriter,
    hooks: Option<Hooks>,
    samples: Latest<Vec<Sample>>,
    server: Option<Server>,
}

/// A camera that is monitored.
struct Monitored {
    source: String,
    camera: Camera,
    statuses: Reader<Status>,
    status: Arc<Status>,
    record: Record,
}

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Status {
        at: Timestamp,
        #[serde(flatten)]
        status: &'a Status,
    },
    Event(&'a Event),
    Summary {
        at: Timestamp,
        duration_secs: f64,
        /// Whether a signal ended it.
        interrupted: bool,
        exit_code: u8,
        cameras: Vec<Ending<'a>>,
    },
}

impl Work<'_> {
    pub(super) fn monitor(&self, order: Order) -> Result<Exit, String> {
        let specs = self.choose_all(order.sources)?;
        let (events, untold) = bounded(MAX_UNTOLD);
        let mut outlets = outlets(order, &events)?;
        let began = Instant::now();
        // Dropped after the cameras, whose last events it takes.
        let kept = EventLog::new();
        let records = keep_records(&kept);
        let mut cameras = Vec::new();
        for (nth, spec) in specs.into_iter().enumerate() {
            let monitored = self.begin_to_monitor(nth, spec, &events, &kept, order.form, began)?;
            if let Some(records) = &records {
                records.watch(monitored.camera.status());
            }
            cameras.push(monitored);
        }
        let is_open = self.until_end(&mut cameras, order, &mut outlets, &untold, began)?;
        let now = Instant::now();
        let exit = cameras.iter().map(|camera| exit_of(&camera.status)).max_by_key(|exit| *exit as u8);
        let exit = exit.unwrap_or(Exit::CouldNotRun);
        if is_open {
            let text = self.summary(&cameras, order, exit, now.saturating_duration_since(began), now);
            outlets.output.end_with(text).map_err(unwritable)?;
        }
        drop(outlets.server);
        Camera::close_all(cameras.into_iter().map(|camera| camera.camera).collect());
        // The last alert may be the one that matters.
        drop(outlets.hooks);
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

    fn begin_to_monitor(
        &self,
        nth: usize,
        spec: SourceSpec,
        events: &Sender<(usize, Event)>,
        kept: &EventLog,
        form: Form,
        now: Instant,
    ) -> Result<Monitored, String> {
        let source = spec.to_string();
        let log = EventLog::new();
        let (events, kept) = (events.clone(), kept.clone());
        log.listen(move |event| {
            kept.add_with(&event.source, event.level, &event.name, event.message.clone(), event.details.clone());
            // Should there be no room, thousands of events are on their way already.
            let _ = events.try_send((nth, event.clone()));
        });
        // As text, the events are told on stdout.
        let settings = self.settings(&spec);
        let camera = if form == Form::Text {
            Camera::start(spec, &settings, self.trusted(), log, Arc::new(|| {})).map_err(no_thread)?
        } else {
            self.open_with(spec, &settings, log)?
        };
        let mut statuses = camera.status();
        let first = statuses.take_fresh().ok_or("The camera does not say how it is.")?;
        Ok(Monitored { source, camera, statuses, status: first.value, record: Record::new(now) })
    }

    /// Tells what happens until the time is over, a signal comes, or nobody listens any more (`Ok(false)`).
    fn until_end(
        &self,
        cameras: &mut [Monitored],
        order: Order,
        outlets: &mut Outlets,
        untold: &Receiver<(usize, Event)>,
        began: Instant,
    ) -> Result<bool, String> {
        let ends_at = order.duration.and_then(|duration| began.checked_add(duration));
        let mut line_due = began + order.interval;
        loop {
            let now = Instant::now();
            let wake_at = [Some(now + LOOK_PERIOD), Some(line_due), ends_at].into_iter().flatten().min();
            let first = untold.recv_deadline(wake_at.unwrap_or(now)).ok();
            for (nth, event) in first.into_iter().chain(untold.try_iter().take(MAX_UNTOLD)) {
                if let Some(camera) = cameras.get_mut(nth) {
                    camera.record.on_event(&event);
                }
                self.tell_event(&event, order, &outlets.output);
                if let Some(hooks) = outlets.hooks.as_ref().filter(|_| is_alert(&event)) {
                    hooks.run(line(&Line::Event(&event)));
                }
            }
            let now = Instant::now();
            for camera in &mut *cameras {
                if let Some(fresh) = camera.statuses.take_fresh() {
                    camera.status = fresh.value;
                    camera.record.on_status(&camera.status, now);
                }
            }
            if outlets.server.is_some() {
                let sample = |camera: &Monitored| camera.sample(now);
                outlets.samples.publish(cameras.iter().map(sample).collect::<Vec<_>>());
            }
            let output = &outlets.output;
            if now >= line_due {
                for camera in &*cameras {
                    tell_status(camera, order, output);
                }
                // After a sleep of the computer there is nothing to make up for.
                while line_due <= now {
                    line_due += order.interval;
                }
                let n_lost = output.take_lost();
                if n_lost > 0 {
                    complain(&lost(n_lost));
                }
            }
            if !output.is_open().map_err(unwritable)? {
                return Ok(false);
            }
            let is_over = ends_at.is_some_and(|at| now >= at);
            if is_over || self.interrupted.load(Ordering::Relaxed) {
                return Ok(true);
            }
        }
    }

    fn tell_event(&self, event: &Event, order: Order, output: &LineWriter) {
        match order.form {
            Form::Json => return output.write(line(&Line::Event(event))),
            Form::Nagios => return,
            Form::Text => {}
        }
        let least = if self.shared.verbose > 0 { Level::Debug } else { Level::Info };
        // What concerns no camera is told on stderr.
        if event.level >= least && !event.source.is_empty() {
            output.write(format!("{}  {}  {}: {}", clock(event.at), event.source, event.name, event.message));
        }
    }

    fn summary(&self, cameras: &[Monitored], order: Order, exit: Exit, took: Duration, now: Instant) -> String {
        let endings = cameras.iter().map(|camera| camera.ending(now));
        let secs = took.as_secs_f64();
        if order.form == Form::Nagios {
            return for_nagios(exit, endings.collect());
        }
        if order.form == Form::Json {
            return line(&Line::Summary {
                at: Timestamp::now(),
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

fn outlets(order: Order, events: &Sender<(usize, Event)>) -> Result<Outlets, String> {
    let hooks = order.on_event.map(|command| {
        let events = events.clone();
        let log = EventLog::new();
        // Of no camera.
        log.listen(move |event| drop(events.try_send((usize::MAX, event.clone()))));
        let tell = move |sentence: String| {
            complain(&sentence);
            log.add("", Level::Warning, "hook", sentence);
        };
        Hooks::start(command, Arc::new(tell))
    });
    let samples = Latest::new();
    let server = order.metrics.map(|address| Server::start(address, order.may_be_reached, samples.reader()));
    let server = server.transpose()?;
    if let Some(server) = &server {
        complain(&format!("Metrics: http://{}/metrics", server.address));
    }
    let output = LineWriter::start("stdout", io::stdout()).map_err(no_thread)?;
    Ok(Outlets { output, hooks: hooks.transpose()?, samples, server })
}

fn is_alert(event: &Event) -> bool {
    let alerts = [AlertName::CameraIssue, AlertName::CameraCritical, AlertName::CameraRecovery];
    alerts.iter().any(|alert| event.name == alert.as_str())
}

impl Monitored {
    fn sample(&self, now: Instant) -> Sample {
        Sample { source: self.source.clone(), status: Arc::clone(&self.status), totals: self.totals(now) }
    }

    fn totals(&self, now: Instant) -> Totals {
        self.record.totals(self.status.frames > 0, now)
    }

    fn ending(&self, now: Instant) -> Ending<'_> {
        let status = &self.status;
        Ending {
            source: &self.source,
            name: &status.name,
            totals: self.totals(now),
            frames: status.frames,
            dropped: status.dropped,
            state: status.state,
            is_healthy: status.is_healthy,
            health_score: status.health_score,
            grade: status.grade,
        }
    }
}

fn tell_status(camera: &Monitored, order: Order, output: &LineWriter) {
    let (at, status) = (Timestamp::now(), camera.status.as_ref());
    match order.form {
        Form::Json => return output.write(line(&Line::Status { at, status })),
        Form::Nagios => return,
        Form::Text => {}
    }
    let fault = status.last_fault.as_ref().map(|fault| format!(", {fault}")).unwrap_or_default();
    let outage = status.outage_secs.map(|secs| format!(", no picture for {}", time(secs))).unwrap_or_default();
    output.write(format!(
        "{}  {}  {}, {}, {:.1} fps, {} frames, {} dropped{outage}{fault}",
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
fn for_nagios(exit: Exit, mut endings: Vec<Ending>) -> String {
    endings.sort_by_key(|ending| ending.health_score);
    let one = |ending: &Ending| {
        let (uptime, outages) = uptime_and_outages(ending);
        let score = ending.health_score.map_or_else(|| "no score".to_owned(), |score| format!("score {score}"));
        format!("{}: {score}, {uptime}, {outages}", ending.source)
    };
    let least = |of: fn(&Ending) -> Option<f64>| endings.iter().filter_map(of).min_by(f64::total_cmp);
    let sum = |of: fn(&Ending) -> u32| Some(f64::from(endings.iter().map(of).sum::<u32>()));
    let perf = [
        Perf::score(endings.first().and_then(|ending| ending.health_score)),
        Perf::plain("least_score", least(|ending| ending.totals.least_score.map(f64::from)), 0),
        Perf { unit: "%", ..Perf::plain("uptime", least(|ending| ending.totals.uptime_percent), 2) },
        Perf::plain("outages", sum(|ending| ending.totals.outages), 0),
        Perf::plain("recoveries", sum(|ending| ending.totals.recoveries), 0),
    ];
    nagios::line(exit, &endings.iter().map(one).collect::<Vec<_>>().join("; "), &perf)
}

fn uptime_and_outages(ending: &Ending) -> (String, String) {
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
fn text(ending: &Ending) -> String {
    let totals = ending.totals;
    let (uptime, outages) = uptime_and_outages(ending);
    let recoveries = if totals.recoveries == 1 { "1 recovery" } else { &format!("{} recoveries", totals.recoveries) };
    let score = match (totals.mean_score, totals.least_score) {
        (Some(mean), Some(least)) => format!("score {mean} on average, {least} at least"),
        _ => "no score yet".to_owned(),
    };
    format!(
        "  {}: {uptime}; {outages}; {recoveries}; {score}; {} frames, {} dropped; now {}, {}",
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

fn line(value: &Line) -> String {
    // Plain data of ours always serialises; should it not, an empty object is honest JSON.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_thread(error: io::Error) -> String {
    format!("The system gives no thread: {error}")
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritable(error: io::Error) -> String {
    format!("The results cannot be written: {error}. Make room, or write them elsewhere.")
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
