//! Keeps on the disk what happens: the events, and how each camera is. One thread writes, and no other waits for it. The formats
//! of the files are in `logging/files.rs` and `past.rs`.

use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use jiff::Timestamp;

use crate::camera::StatusReader;
use crate::event::{self, Event, Level};
use crate::latest::{Latest, Reader};
use crate::logging::{EventLog, files};
use crate::past::{self, Sample};
use crate::settings::DATA_VARIABLE;
use crate::status::State;

/// The name of the events about the records themselves.
pub const EVENT: &str = "records";

/// Events that may wait for the disk. Those that find no room are counted and lost.
const N_WAITING: usize = 1_024;
/// Written in one call.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// Between two samples of the history.
const SAMPLE_PERIOD: Duration = Duration::from_secs(1);
const TIDY_PERIOD: Duration = Duration::from_mins(10);
/// How long nothing may fail before the disk counts as good again, so that one that fails now and then is reported once.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// How long the end of the program waits for the last lines.
const SHUTDOWN_DEADLINE: Duration = Duration::from_millis(500);

enum RecordsTask {
    /// A line of the log.
    Line(String),
    Watch(StatusReader),
    /// Read the history of this camera.
    Load(String),
}

/// What is known of a camera from the disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// As the status names it.
    pub source: String,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// The thread that writes. Dropping it has the events that wait be written, and waits half a second at most for that.
pub struct Records {
    orders: Sender<RecordsTask>,
    /// Dropped to end the thread.
    going_on: Option<Sender<()>>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    past: Latest<Past>,
}

impl Records {
    /// Keeps every event of `log` from now on in this folder. `tell` is given a sentence, once, when that is not possible;
    /// it is called on the writing thread. The log is told as well.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(folder: PathBuf, log: &EventLog, tell: fn(&str)) -> io::Result<Self> {
        Self::start_with(folder, log, tell, files::append)
    }

    fn start_with(folder: PathBuf, log: &EventLog, tell: fn(&str), append: AppendLines) -> io::Result<Self> {
        let (orders, orders_rx) = bounded(N_WAITING);
        let (going_on, going_on_rx) = bounded::<()>(0);
        let (ended_tx, ended) = bounded::<()>(0);
        let n_lost = Arc::new(AtomicU64::new(0));
        let past = Latest::new();
        let mut writer = RecordsWriter {
            folder,
            log: log.clone(),
            tell,
            append,
            n_lost: Arc::clone(&n_lost),
            past: past.clone(),
            cameras: Vec::new(),
            trouble: None,
        };
        thread::Builder::new().name("records".to_owned()).spawn(move || {
            writer.run(&orders_rx, &going_on_rx);
            drop(ended_tx);
        })?;
        let lines = orders.clone();
        log.listen(move |event| {
            let is_taken = line(event).is_some_and(|line| lines.try_send(RecordsTask::Line(line)).is_ok());
            if !is_taken {
                n_lost.fetch_add(1, Ordering::Relaxed);
            }
        });
        let version = env!("CARGO_PKG_VERSION");
        log.add("", Level::Debug, "start", format!("Camclinic {version}, process {}", process::id()));
        Ok(Self { orders, going_on: Some(going_on), ended, past })
    }

    /// Keeps the history of the camera whose status this is, whatever camera that may become.
    pub fn watch(&self, status: StatusReader) {
        let _ = self.orders.send_timeout(RecordsTask::Watch(status), SHUTDOWN_DEADLINE);
    }

    /// Has the history of a camera read. [`Records::past`] gets it.
    pub fn load(&self, source: &str) {
        let _ = self.orders.try_send(RecordsTask::Load(source.to_owned()));
    }

    /// A reader of the histories that were asked for.
    #[must_use]
    pub fn past(&self) -> Reader<Past> {
        self.past.reader()
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.going_on = None;
        let _ = self.ended.recv_timeout(SHUTDOWN_DEADLINE);
    }
}

/// Adds lines to the log: [`files::append`], or a disk that is slow in a test.
type AppendLines = fn(&Path, &[u8], Timestamp) -> io::Result<()>;

/// A failure to write that goes on.
struct WriteFailure {
    failed_at: Instant,
    n_unwritten: u64,
}

struct RecordsWriter {
    folder: PathBuf,
    log: EventLog,
    tell: fn(&str),
    append: AppendLines,
    /// Events that found no room in the queue.
    n_lost: Arc<AtomicU64>,
    past: Latest<Past>,
    cameras: Vec<StatusReader>,
    trouble: Option<WriteFailure>,
}

impl RecordsWriter {
    fn run(&mut self, orders: &Receiver<RecordsTask>, going_on: &Receiver<()>) {
        let now = Instant::now();
        let (mut sample_due, mut tidy_due) = (now, now);
        loop {
            let due = crossbeam_channel::at(sample_due);
            select! {
                recv(orders) -> order => match order {
                    Ok(order) => self.carry_out(order, orders),
                    Err(_) => return,
                },
                recv(due) -> _ => {}
                recv(going_on) -> _ => break,
            }
            let now = Instant::now();
            if now >= sample_due {
                // In step with the clock, so that no second is left out.
                let next = sample_due + SAMPLE_PERIOD;
                sample_due = if next > now { next } else { now + SAMPLE_PERIOD };
                self.sample(now);
                self.tell_losses(now);
            }
            if now >= tidy_due {
                tidy_due = now + TIDY_PERIOD;
                let wall = event::now();
                let tidied = files::prune(&self.folder, wall).and_then(|()| past::tidy(&self.folder, wall));
                self.judge(tidied, 0, now);
            }
        }
        while let Ok(order) = orders.try_recv() {
            self.carry_out(order, orders);
        }
    }

    fn carry_out(&mut self, order: RecordsTask, more: &Receiver<RecordsTask>) {
        let mut lines = String::new();
        let mut n_lines = 0;
        let mut next = Some(order);
        while let Some(order) = next {
            match order {
                RecordsTask::Line(line) => {
                    lines.push_str(&line);
                    n_lines += 1;
                }
                RecordsTask::Watch(status) => {
                    self.cameras.push(status);
                    self.sample(Instant::now());
                }
                RecordsTask::Load(source) => self.load(source),
            }
            next = if lines.len() < MAX_BATCH_BYTES { more.try_recv().ok() } else { None };
        }
        if n_lines > 0 {
            let written = (self.append)(&self.folder, lines.as_bytes(), event::now());
            self.judge(written, n_lines, Instant::now());
        }
    }

    fn load(&mut self, source: String) {
        // What cannot be read is no trouble of today's camera.
        let samples = past::read(&self.folder, &source, Timestamp::MIN).unwrap_or_default();
        self.past.publish(Past { source, samples });
    }

    fn sample(&mut self, now: Instant) {
        self.cameras.retain(|camera| !camera.is_closed());
        let statuses = self.cameras.iter().filter_map(StatusReader::current);
        let samples: Vec<_> = statuses.filter(|status| status.state != State::Idle).collect();
        for status in samples {
            // Without a score there is a gap.
            let Some(score) = status.health_score else { continue };
            let is_live = status.state == State::Streaming;
            let sample = Sample::second(event::now(), score, status.fps, is_live);
            let written = past::append(&self.folder, &status.source, sample);
            self.judge(written, 0, now);
        }
    }

    /// Reports a failure once when it begins. `n_events` were to be written.
    fn judge(&mut self, written: io::Result<()>, n_events: u64, now: Instant) {
        let Err(error) = written else { return };
        let sentence = self.trouble.is_none().then(|| sentence(&error, &self.folder));
        let trouble = self.trouble.get_or_insert(WriteFailure { failed_at: now, n_unwritten: 0 });
        trouble.failed_at = now;
        trouble.n_unwritten += n_events;
        if let Some(sentence) = sentence {
            (self.tell)(&sentence);
            self.log.add("", Level::Error, EVENT, sentence);
        }
    }

    /// Reports that the failure has ended, and what was lost.
    fn tell_losses(&mut self, now: Instant) {
        if let Some(trouble) = &self.trouble
            && now.saturating_duration_since(trouble.failed_at) >= GOOD_AFTER
        {
            // Without anything to write it is not known whether it would succeed.
            let probe = (self.append)(&self.folder, b"", event::now());
            let n_unwritten = trouble.n_unwritten;
            if probe.is_ok() {
                self.trouble = None;
                let message = format!("Log and history are written again. Events that were not written: {n_unwritten}");
                self.log.add("", Level::Good, EVENT, message);
            }
            self.judge(probe, 0, now);
        }
        let n_lost = self.n_lost.swap(0, Ordering::Relaxed);
        if n_lost > 0 {
            let message = format!("Events that the log on the disk lacks, because the disk was too slow: {n_lost}");
            self.log.add("", Level::Warning, EVENT, message);
        }
    }
}

/// An event as a line of the log. `None` only if it could not be told as JSON.
fn line(event: &Event) -> Option<String> {
    let mut line = serde_json::to_string(event).ok()?;
    line.push('\n');
    Some(line)
}

/// What is wrong and what to do.
fn sentence(error: &io::Error, folder: &Path) -> String {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk".to_owned(),
        _ => format!("Make this a folder that you may write to, or name another in {DATA_VARIABLE}"),
    };
    format!("Log and history are not kept: {error}. {advice}: {}", folder.display())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Condvar, Mutex};

    use super::*;

    fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < deadline, "not within 30 s: {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn messages(folder: &Path) -> Vec<String> {
        let is_ours = |entry: &files::LogEntry| entry.name != "start";
        files::read(folder, Timestamp::MIN, is_ours).unwrap().into_iter().map(|entry| entry.message).collect()
    }

    #[test]
    fn every_event_is_on_the_disk_when_the_records_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::new();
        let records = Records::start(folder.path().join("new"), &log, |_| {}).unwrap();
        for n in 0..500 {
            log.add("sim:", Level::Info, "test", format!("{n}\n\"\u{1b}"));
        }
        drop(records);
        let expected: Vec<_> = (0..500).map(|n| format!("{n} \"\u{fffd}")).collect();
        assert_eq!(messages(&folder.path().join("new")), expected);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_once_and_used_when_it_can() {
        static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::write(&data, "a file").unwrap();
        let log = EventLog::new();
        let records =
            Records::start(data.clone(), &log, |sentence| TOLD.lock().unwrap().push(sentence.to_owned())).unwrap();
        let about = |log: &EventLog| log.since(0).iter().filter(|event| event.name == EVENT).count();
        wait_until("it is told", || about(&log) == 1);
        log.add("sim:", Level::Info, "test", "lost");
        wait_until("the event was tried", || records.orders.is_empty());
        fs::remove_file(&data).unwrap();
        wait_until("it is told to be good again", || about(&log) == 2);
        log.add("sim:", Level::Info, "test", "kept");
        drop(records);
        let told = TOLD.lock().unwrap();
        assert!(matches!(told.as_slice(), [one] if one.contains(DATA_VARIABLE)), "{told:?}");
        let messages = messages(&data);
        assert_eq!(messages.last().unwrap(), "kept");
        assert!(messages.iter().any(|message| message.contains("written again")), "{messages:?}");
        assert!(!messages.iter().any(|message| message == "lost"), "{messages:?}");
    }

    #[test]
    fn events_that_find_no_room_are_counted_and_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::new();
        let (orders, orders_rx) = bounded(1);
        let n_lost = Arc::new(AtomicU64::new(3));
        let mut writer = RecordsWriter {
            folder: folder.path().to_owned(),
            log: log.clone(),
            tell: |_| {},
            append: files::append,
            n_lost,
            past: Latest::new(),
            cameras: Vec::new(),
            trouble: None,
        };
        writer.tell_losses(Instant::now());
        writer.tell_losses(Instant::now());
        let events = log.since(0);
        assert!(matches!(events.as_slice(), [event] if event.message.ends_with("too slow: 3")), "{events:?}");
        orders.send(RecordsTask::Load("sim:".to_owned())).unwrap();
        drop(orders);
        let (_going_on, going_on_rx) = bounded(0);
        writer.run(&orders_rx, &going_on_rx);
        assert_eq!(writer.past.reader().current().unwrap().source, "sim:");
    }

    /// Whether the disk of [`append_when_it_answers`] answers.
    static ANSWERS: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// A disk that hangs until it answers.
    fn append_when_it_answers(folder: &Path, lines: &[u8], now: Timestamp) -> io::Result<()> {
        let (answers, changed) = &ANSWERS;
        let answers = changed.wait_while(answers.lock().unwrap(), |answers| !*answers).unwrap();
        drop(answers);
        files::append(folder, lines, now)
    }

    #[test]
    fn a_disk_that_hangs_holds_up_nobody_and_what_is_lost_is_told() {
        let start = |log: &EventLog| {
            let folder = tempfile::tempdir().unwrap();
            let records = Records::start_with(folder.path().to_owned(), log, |_| {}, append_when_it_answers).unwrap();
            (folder, records)
        };
        let log = EventLog::new();
        let (_folder, records) = start(&log);
        let begun = Instant::now();
        for _ in 0..N_WAITING {
            log.add("sim:", Level::Info, "test", "x".repeat(200));
        }
        drop(records);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

        let log = EventLog::new();
        let (_folder, records) = start(&log);
        let begun = Instant::now();
        for _ in 0..4 * N_WAITING {
            log.add("sim:", Level::Info, "test", "x".repeat(200));
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        *ANSWERS.0.lock().unwrap() = true;
        ANSWERS.1.notify_all();
        wait_until("the loss is told", || log.since(0).iter().any(|event| event.message.contains("too slow")));
        drop(records);
    }

    #[test]
    fn the_advice_fits_the_trouble() {
        let says = |kind| sentence(&io::Error::from(kind), Path::new("/data"));
        assert!(says(io::ErrorKind::StorageFull).contains("Make room"));
        assert!(says(io::ErrorKind::PermissionDenied).contains("CAMCLINIC_DATA: /data"));
    }
}
