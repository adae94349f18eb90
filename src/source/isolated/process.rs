//! The worker as a process: started, listened to, ended, and waited for.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, at, bounded, select};

use super::protocol::{self, Line, Order, Report, Sent};
use crate::address::PASSWORD_VARIABLE;
use crate::device::codes::{self, Meaning};
use crate::device::process::{ProcessGuard, beside, kernel_function, prepare, terminate};
use crate::device::without_code;
use crate::fault::{Fault, FaultKind};
use crate::source::{OpenRequest, SourceSpec};
use crate::status::StuckProcess;

/// The worker says each [`BEAT`] that it lives; so many are missed before it counts as dead.
pub const BEAT: Duration = Duration::from_millis(250);
const SILENCE: Duration = Duration::from_secs(1);

/// How long a worker may take to end when asked, when told by the system, and when killed.
const ASK: Duration = Duration::from_millis(200);
const TERMINATE: Duration = Duration::from_millis(300);
const KILL: Duration = Duration::from_millis(200);
/// How long the last words of one that has ended may be on their way.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How often it is looked at meanwhile.
const POLL: Duration = Duration::from_millis(5);
/// The same for one that does not end even when killed.
const STUCK_POLL: Duration = Duration::from_millis(250);

/// Messages that wait to be heard. A worker waits after each fault and owns few slots: more than these is a flood.
const MAX_UNHEARD: usize = 64;
/// The last lines that the worker's libraries printed, for the message about its end.
const MAX_WORDS: usize = 4;
const MAX_WORD_CHARS: u64 = 300;

/// Names the worker's file, for installations that keep it elsewhere than beside the program.
const WORKER_VARIABLE: &str = "CAMCLINIC_WORKER";
const WORKER_NAME: &str = "camclinic-worker";

/// Processes that were killed and have not ended: they sit in a driver. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct StuckProcesses(Arc<Mutex<Vec<Stuck>>>);

#[derive(Debug)]
struct Stuck {
    pid: u32,
    since: Instant,
    kernel_function: Option<String>,
}

impl StuckProcesses {
    fn lock(&self) -> MutexGuard<'_, Vec<Stuck>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn report(&self, now: Instant) -> Vec<StuckProcess> {
        let one = |stuck: &Stuck| StuckProcess {
            pid: stuck.pid,
            since_secs: now.saturating_duration_since(stuck.since).as_secs_f64(),
            kernel_function: stuck.kernel_function.clone(),
        };
        self.lock().iter().map(one).collect()
    }

    /// Waits for a killed process on a thread of its own.
    fn adopt(&self, mut child: Child, now: Instant) {
        let pid = child.id();
        self.lock().push(Stuck { pid, since: now, kernel_function: kernel_function(pid) });
        let list = self.clone();
        let wait = move || {
            while let Ok(None) = child.try_wait() {
                if let Some(stuck) = list.lock().iter_mut().find(|stuck| stuck.pid == pid) {
                    stuck.kernel_function = kernel_function(pid);
                }
                thread::sleep(STUCK_POLL);
            }
            list.lock().retain(|stuck| stuck.pid != pid);
        };
        // Without a thread it stays in the list, and a zombie until we end.
        let _ = thread::Builder::new().name(format!("reaper-{pid}")).spawn(wait);
    }
}

/// Why nothing was heard.
pub enum Silence {
    /// Not within the caller's deadline, but the worker lives.
    Deadline,
    /// The camera is being closed.
    Cancelled,
    /// The worker is of no more use.
    Lost(Fault),
}

/// Writes orders. Clones share the pipe.
#[derive(Clone)]
pub struct Orders(Arc<Mutex<ChildStdin>>);

impl Orders {
    /// Never waits: the pipe holds more orders than can be open at a time. A worker that has ended hears none, which
    /// whoever listens to it will notice.
    pub fn send(&self, order: &Order) {
        if let Ok(line) = protocol::encode(order) {
            let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        }
    }
}

/// A running worker. Dropping it ends the process, within 700 ms as far as we wait for it.
pub struct Process {
    child: Option<Child>,
    /// Kills it when we end.
    _guard: Option<ProcessGuard>,
    pub orders: Orders,
    heard: Receiver<Heard>,
    ear: Arc<Ear>,
    words: Arc<Words>,
    stuck: StuckProcesses,
    has_said_hello: bool,
}

enum Heard {
    /// With the worker's zero of time on our clock, as well as it is known by now.
    Report(Report, Instant),
    Garbage(String),
    End {
        is_cut: bool,
    },
}

/// When something was heard last.
struct Ear {
    started: Instant,
    last_ms: AtomicU64,
    /// The worker says more than anybody listens to.
    is_flooded: AtomicBool,
}

impl Ear {
    fn on_heard(&self) {
        let elapsed = self.started.elapsed().as_millis();
        self.last_ms.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

impl Process {
    /// Starts the worker. Returns before it has said anything.
    ///
    /// # Errors
    /// Its file is missing, or the system gives no process.
    pub fn start(request: &OpenRequest, environment: &[(&str, String)]) -> Result<Self, Fault> {
        let file = worker_file();
        let mut command = Command::new(&file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // It is told the password through its pipe, and only where there is one to be told.
        command.env_remove(PASSWORD_VARIABLE);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        prepare(&mut command);
        let mut child = command.spawn().map_err(|error| why_not_started(&error, &file))?;
        let guard = ProcessGuard::on(&child);
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((stdin, stdout), stderr) = pipes
            .ok_or_else(|| Fault::new(FaultKind::NoResources, "the system gives no pipe to the capture process"))?;

        let ear =
            Arc::new(Ear { started: Instant::now(), last_ms: AtomicU64::new(0), is_flooded: AtomicBool::new(false) });
        let words = Arc::new(Words::new(request.spec.clone()));
        let (sender, heard) = bounded(MAX_UNHEARD);
        let process = Self {
            _guard: guard,
            orders: Orders(Arc::new(Mutex::new(stdin))),
            heard,
            ear: Arc::clone(&ear),
            words: Arc::clone(&words),
            stuck: request.stuck.clone(),
            has_said_hello: false,
            child: Some(child),
        };
        let foreign = Arc::clone(&words);
        spawn(&process, "hear", move || listen(stdout, &sender, &ear, &foreign))?;
        spawn(&process, "words", move || take_down(stderr, &words))?;
        Ok(process)
    }

    /// Waits for the next report, and for the worker's zero of time on our clock.
    pub fn hear(&mut self, deadline: Instant, cancel: &Receiver<()>) -> Result<(Report, Instant), Silence> {
        loop {
            // A worker that is still being loaded cannot beat yet.
            let silent_at = if self.has_said_hello { self.ear.last() + SILENCE } else { deadline };
            select! {
                recv(self.heard) -> heard => return match heard {
                    Ok(Heard::Report(report, epoch)) => {
                        self.has_said_hello = true;
                        Ok((report, epoch))
                    }
                    Ok(Heard::Garbage(why)) => Err(Silence::Lost(self.garbage(&why))),
                    Ok(Heard::End { is_cut }) => Err(Silence::Lost(self.ended(is_cut))),
                    Err(_) => Err(Silence::Lost(self.ended(false))),
                },
                recv(cancel) -> _ => return Err(Silence::Cancelled),
                recv(at(deadline.min(silent_at))) -> _ => {
                    let now = Instant::now();
                    if now >= deadline {
                        return Err(Silence::Deadline);
                    }
                    if self.has_said_hello && now >= self.ear.last() + SILENCE {
                        let message = format!(
                            "the capture process has given no sign of life for {:.1} s",
                            now.saturating_duration_since(self.ear.last()).as_secs_f64()
                        );
                        return Err(Silence::Lost(Fault::new(FaultKind::Hung, message)));
                    }
                }
            }
        }
    }

    /// What the worker sent makes no sense.
    pub fn garbage(&self, what: &str) -> Fault {
        let what: String = what.chars().take(200).collect();
        Fault::new(
            FaultKind::Crashed,
            format!("the capture process sent what cannot be understood: {what}{}", self.said()),
        )
    }

    fn ended(&mut self, is_cut: bool) -> Fault {
        if self.ear.is_flooded.load(Ordering::Relaxed) {
            return self.garbage("more messages than there can be");
        }
        // The pipe closes a moment before the process is gone.
        let status = self.wait(KILL);
        let deadline = Instant::now() + LAST_WORDS;
        while status.is_some() && !self.words.is_over.load(Ordering::Relaxed) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        let how = match status {
            Some(status) if status.success() => "ended by itself".to_owned(),
            Some(status) if lacks_library(status) => format!("lacks a library ({status})"),
            Some(status) => format!("died ({status})"),
            None => "closed its pipe".to_owned(),
        };
        let cut = if is_cut { ", in the middle of a message" } else { "" };
        if !self.has_said_hello {
            let message = format!("the capture process {WORKER_NAME} does not start: it {how}{}", self.said());
            return Fault::new(FaultKind::BackendMissing, message).with_advice(
                "If a library is missing, install OpenCV again (packaging/run does that); otherwise install Camclinic again.",
            );
        }
        Fault::new(FaultKind::Crashed, format!("the capture process {how}{cut}{}", self.said()))
    }

    /// A fault for which the worker has no reason, with the one that a library has logged. `name` is the camera's.
    pub fn explained(&self, fault: Fault, name: &str) -> Fault {
        self.words.explained(fault, name)
    }

    /// The last words of the libraries in it, to be put behind a message.
    fn said(&self) -> String {
        let words = self.words.lock();
        if words.is_empty() {
            return String::new();
        }
        format!("; its last words: {}", words.iter().cloned().collect::<Vec<_>>().join(" / "))
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let deadline = Instant::now() + patience;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.orders.send(&Order::Stop);
        if self.wait(ASK).is_some() {
            return;
        }
        if let Some(child) = &self.child {
            terminate(child.id());
        }
        if self.wait(TERMINATE).is_some() {
            return;
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
        }
        if self.wait(KILL).is_none()
            && let Some(child) = self.child.take()
        {
            self.stuck.adopt(child, Instant::now());
        }
    }
}

/// `STATUS_DLL_NOT_FOUND` and `STATUS_ENTRYPOINT_NOT_FOUND` on Windows, where nobody prints it. Elsewhere no status is so high.
fn lacks_library(status: ExitStatus) -> bool {
    status.code().is_some_and(|code| matches!(code.cast_unsigned(), 0xC000_0135 | 0xC000_0139))
}

fn spawn(process: &Process, what: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    let pid = process.child.as_ref().map_or(0, Child::id);
    thread::Builder::new()
        .name(format!("{what}-{pid}"))
        .spawn(run)
        .map(drop)
        .map_err(|error| Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}")))
}

/// Reads what the worker says until it ends or nobody listens.
fn listen(stdout: ChildStdout, heard: &Sender<Heard>, ear: &Ear, words: &Words) {
    let mut input = BufReader::new(stdout);
    let mut line = Vec::new();
    // The smallest difference between arrival and sending is that of the quickest message: the others waited.
    let mut epoch: Option<Instant> = None;
    loop {
        let next = match protocol::read::<Sent>(&mut input, &mut line) {
            Line::Message(Sent(sent_us, report)) => {
                let now = Instant::now();
                ear.on_heard();
                let candidate = shift(now, sent_us.saturating_neg()).unwrap_or(now);
                let best = epoch.map_or(candidate, |epoch| epoch.min(candidate));
                epoch = Some(best);
                match report {
                    Report::Beat => continue,
                    report => Heard::Report(report, best),
                }
            }
            Line::Foreign(text) => {
                words.add(&text);
                continue;
            }
            Line::Garbage(why) => Heard::Garbage(why),
            Line::End { is_cut } => Heard::End { is_cut },
        };
        let is_last = !matches!(next, Heard::Report(..));
        match heard.try_send(next) {
            Ok(()) if !is_last => {}
            Ok(()) | Err(TrySendError::Disconnected(_)) => break,
            Err(TrySendError::Full(_)) => {
                ear.is_flooded.store(true, Ordering::Relaxed);
                break;
            }
        }
    }
}

/// That many µs later; `None` where the clock has no such moment.
pub fn shift(moment: Instant, by_us: i64) -> Option<Instant> {
    let by = Duration::from_micros(by_us.unsigned_abs());
    if by_us < 0 { moment.checked_sub(by) } else { moment.checked_add(by) }
}

/// The last lines that the worker's libraries printed, without any password.
struct Words {
    lines: Mutex<VecDeque<String>>,
    /// The newest of the systems' numbers among them that nobody has asked for yet.
    number: Mutex<Option<(i64, Meaning)>>,
    /// Nothing more will come.
    is_over: AtomicBool,
    secret: SourceSpec,
}

impl Words {
    fn new(secret: SourceSpec) -> Self {
        Self { lines: Mutex::default(), number: Mutex::default(), is_over: AtomicBool::new(false), secret }
    }

    fn number(&self) -> MutexGuard<'_, Option<(i64, Meaning)>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &str) {
        let line = self.secret.mask_in(line.trim());
        if let Some(found) = codes::in_log(&line) {
            *self.number() = Some(found);
        }
        let mut lines = self.lock();
        if line.is_empty() || lines.back() == Some(&line) {
            return;
        }
        if lines.len() >= MAX_WORDS {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl Words {
    fn explained(&self, fault: Fault, name: &str) -> Fault {
        use FaultKind::{NoFirstFrame, OpenFailed, ReadFailed, Stall};
        let is_vague = fault.code.is_none() && matches!(fault.kind, NoFirstFrame | OpenFailed | ReadFailed | Stall);
        // A number explains one fault: the next one has its own.
        match self.number().take() {
            Some((code, meaning)) if is_vague => meaning.fault(name, code),
            _ => fault,
        }
    }
}

fn take_down(stderr: ChildStderr, words: &Words) {
    let mut input = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.by_ref().take(MAX_WORD_CHARS).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => {
                words.is_over.store(true, Ordering::Relaxed);
                return;
            }
            Ok(_) => words.add(&String::from_utf8_lossy(&line)),
        }
    }
}

fn worker_file() -> PathBuf {
    match std::env::var_os(WORKER_VARIABLE) {
        Some(file) => PathBuf::from(file),
        None => beside(Path::new(WORKER_NAME)),
    }
}

fn why_not_started(error: &io::Error, file: &Path) -> Fault {
    let shown = file.display();
    let said = error.to_string();
    let said = without_code(&said);
    let missing = |message: String| {
        Fault::new(FaultKind::BackendMissing, message).with_advice(format!(
            "Install Camclinic again, with {WORKER_NAME} beside the program, or name its file in {WORKER_VARIABLE}."
        ))
    };
    let fault = match error.kind() {
        io::ErrorKind::NotFound if fs::exists(file).unwrap_or(false) => {
            missing(format!("the capture process {shown} does not start: a library that it needs is missing"))
        }
        io::ErrorKind::NotFound => missing(format!("the capture process is gone: there is no {shown}")),
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            missing(format!("the capture process {shown} may not be started: {said}"))
        }
        _ if is_no_program(error) => missing(format!("{shown} is no program of this system: {said}")),
        _ => Fault::new(FaultKind::NoResources, format!("the system gives no process for {shown}: {said}"))
            .with_advice("Close other programs; this program may have too many files or processes open."),
    };
    match error.raw_os_error() {
        Some(code) => fault.with_code(code),
        None => fault,
    }
}

/// ENOEXEC, or `ERROR_BAD_EXE_FORMAT` on Windows.
fn is_no_program(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(8 | 193))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREEMPTED: &str = "[ WARN:0@3.1] videoio(MSMF): can't grab frame. Error: -1072873821";

    #[track_caller]
    fn check(lines: &[&str], fault: &Fault, expected: (FaultKind, Option<i64>)) {
        let words = Words::new(SourceSpec::Index(0));
        for line in lines {
            words.add(line);
        }
        let explained = words.explained(fault.clone(), "Cam");
        assert_eq!((explained.kind, explained.code), expected, "{explained}");
        assert_eq!(&words.explained(fault.clone(), "Cam"), fault, "a number explains one fault");
    }

    #[test]
    fn a_fault_without_a_reason_gets_the_one_that_a_library_logged() {
        let vague = Fault::new(FaultKind::ReadFailed, "reading failed");
        check(&[PREEMPTED], &vague, (FaultKind::Busy, Some(-1_072_873_821)));
        check(&[PREEMPTED, "and so on"], &vague, (FaultKind::Busy, Some(-1_072_873_821)));
        check(&[PREEMPTED, "Error: -2147024891"], &vague, (FaultKind::Denied, Some(-2_147_024_891)));
        check(&["nothing", ""], &vague, (FaultKind::ReadFailed, None));
        // What is known already is not replaced.
        check(&[PREEMPTED], &Fault::new(FaultKind::Unplugged, "gone"), (FaultKind::Unplugged, None));
        check(&[PREEMPTED], &vague.clone().with_code(5), (FaultKind::ReadFailed, Some(5)));
    }
}
