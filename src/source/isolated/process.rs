//! The worker as a process: started, read from, watched by its heartbeat, ended, and waited for.
//!
//! Knows nothing of cameras or pictures: what the messages mean is decided in `isolated.rs`.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, at, bounded, select};

use super::packets::PacketReader;
use super::protocol::{self, ReadLine, SentEvent, WorkerEvent, WorkerRequest};
use crate::device::codes::without_code;
use crate::device::codes::{self, ErrorMeaning};
use crate::device::process::{
    ProcessGuard, beside, is_ready, kernel_function, kill_group, prepare, processor_times, terminate, was_killed,
};
use crate::fault::{Fault, FaultKind};
use crate::lock::{Lock, Locked};
use crate::source::{OpenRequest, SourceSpec};
use crate::status::StuckProcess;

/// How often the worker sends a heartbeat, and how long nothing at all may come from it before it counts as hung.
pub const HEARTBEAT_PERIOD: Duration = Duration::from_millis(250);
const HEARTBEAT_DEADLINE: Duration = Duration::from_secs(1);
/// A worker that is at work, or could be, may be silent for so long.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);
/// A worker that is at work at a deadline, or has waited for a processor, gets so much more time at once, and so many times the whole
/// of it at most: what it had no processor for is nothing that a driver has failed to do.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const MOST_EXTENSIONS: u32 = 2;
/// Who has waited for less of the time than one part of so many has had it.
const LONG_WAIT: u32 = 5;
/// The thread that sends it.
pub(super) const HEARTBEAT_THREAD: &str = "heartbeat";

/// A worker may have begun before we know.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// How long a worker may take to end when asked through its pipe, when terminated by the system, and when killed.
const STOP_DEADLINE: Duration = Duration::from_millis(200);
const TERMINATE_DEADLINE: Duration = Duration::from_millis(300);
const KILL_DEADLINE: Duration = Duration::from_millis(200);
/// How long the last output of a worker that has ended may take to be read.
const LAST_OUTPUT_DEADLINE: Duration = Duration::from_millis(100);
/// How often is looked whether a worker has ended.
const POLL_PERIOD: Duration = Duration::from_millis(5);
/// The same for one that does not end even when killed.
const STUCK_POLL_PERIOD: Duration = Duration::from_millis(250);

/// Requests that wait to be written, behind those in the pipe (64 KiB on Linux). More than are ever under way to a worker that
/// reads them.
const MAX_WAITING_REQUESTS: usize = 256;
/// Events that wait to be received. A worker waits after each fault and owns few slots, but frames that are left out cost it
/// nothing: more than these, a quarter of a minute of a camera, is a flood.
const MAX_WAITING_EVENTS: usize = 512;
/// So many of the last lines that the worker's libraries printed are kept for the message about its end.
const MAX_OUTPUT_LINES: usize = 4;
const MAX_LINE_BYTES: u64 = 300;

/// Names the worker's file, for installations that keep it elsewhere than beside the program.
const WORKER_VARIABLE: &str = "CAMCLINIC_WORKER";
const WORKER_NAME: &str = "camclinic-worker";

/// Processes that were killed and have not ended: they sit in a driver. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct StuckProcesses(Arc<Lock<Vec<Stuck>>>);

#[derive(Debug)]
struct Stuck {
    pid: u32,
    since: Instant,
    kernel_function: Option<String>,
}

impl StuckProcesses {
    fn lock(&self) -> Locked<'_, Vec<Stuck>> {
        self.0.lock()
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
    fn add(&self, mut child: Child, now: Instant) {
        let pid = child.id();
        let stuck = Stuck { pid, since: now, kernel_function: kernel_function(pid) };
        self.lock().push(stuck);
        let list = self.clone();
        let wait = move || {
            while let Ok(None) = child.try_wait() {
                let function = kernel_function(pid);
                if let Some(stuck) = list.lock().iter_mut().find(|stuck| stuck.pid == pid) {
                    stuck.kernel_function = function;
                }
                thread::sleep(STUCK_POLL_PERIOD);
            }
            list.lock().retain(|stuck| stuck.pid != pid);
        };
        // Without a thread it stays in the list, and a zombie until we end.
        let _ = thread::Builder::new().name(format!("reaper-{pid}")).spawn(wait);
    }
}

/// Why no event was received.
pub enum ReceiveError {
    /// None came within the caller's deadline, but the worker lives.
    TimedOut,
    /// The camera is being closed.
    Cancelled,
    /// The worker has ended, hangs, or sends what is no message.
    WorkerLost(Fault),
}

/// Hands requests to the thread that writes them to the worker. Clones share it; it ends with the last of them, and closes the
/// pipe. That a worker has ended or reads nothing is not noticed here, but by whoever receives its events.
#[derive(Clone)]
pub struct RequestSender {
    waiting: Sender<Vec<u8>>,
    /// One found no room.
    has_lost: Arc<AtomicBool>,
}

impl RequestSender {
    /// Never waits, and takes no lock that is held over a write: a worker that reads nothing fills its pipe, and its writer
    /// stands still.
    pub fn send(&self, request: &WorkerRequest) {
        if let Ok(line) = protocol::encode(request) {
            let has_room = !matches!(self.waiting.try_send(line), Err(TrySendError::Full(_)));
            self.has_lost.fetch_or(!has_room, Ordering::Relaxed);
        }
    }

    /// The pipe is full, and so was the room behind it: the worker does not know any more what it is to do.
    fn reads_nothing(&self) -> bool {
        self.has_lost.load(Ordering::Relaxed)
    }
}

/// A running worker. Dropping it ends the process and what that has started, within 700 ms as far as we wait for it.
pub struct WorkerProcess {
    child: Option<Child>,
    /// It was waited for: its number may be another's.
    has_ended: bool,
    /// Kills it when we end.
    _guard: Option<ProcessGuard>,
    pub requests: RequestSender,
    incoming: Receiver<Received>,
    packets: Arc<OnceLock<PacketReader>>,
    heartbeat: Arc<HeartbeatMonitor>,
    output: Arc<LibraryOutput>,
    stuck: StuckProcesses,
    has_said_hello: bool,
    /// Until then no sign of life is expected.
    excused_until: Instant,
}

/// What the thread that reads the worker's events passes on.
enum Received {
    /// With the worker's zero of time on our clock, as well as it is known by now.
    Event(WorkerEvent, Instant),
    Malformed(String),
    End {
        is_cut: bool,
    },
}

/// When the worker last sent anything, written by the thread that reads and read by whoever waits.
struct HeartbeatMonitor {
    started: Instant,
    last_ms: AtomicU64,
    /// More events came than there was room for.
    is_flooded: AtomicBool,
}

impl HeartbeatMonitor {
    fn on_event(&self) {
        let elapsed = self.started.elapsed().as_millis();
        self.last_ms.store(u64::try_from(elapsed).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The worker's clock began when it was started. A message from its future would make all pictures seem old.
    fn can_be_sent_at(&self, sent_us: i64) -> bool {
        let latest = (self.started.elapsed() + CLOCK_TOLERANCE).as_micros();
        u128::try_from(sent_us).is_ok_and(|sent_us| sent_us <= latest)
    }

    fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

impl WorkerProcess {
    /// Starts the worker. Returns before it has said anything.
    ///
    /// # Errors
    /// Its file is missing, or the system gives no process.
    pub fn start(request: &OpenRequest, environment: &[(&str, String)]) -> Result<Self, Fault> {
        let mut command = Command::new(worker_file());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::run(command, request)
    }

    fn run(mut command: Command, request: &OpenRequest) -> Result<Self, Fault> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // It is told a password through its pipe, and only where there is one to be told.
        prepare(&mut command);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| why_not_started(&error, Path::new(command.get_program())))?;
        let guard = ProcessGuard::on(&child);
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((stdin, stdout), stderr) = pipes
            .ok_or_else(|| Fault::new(FaultKind::NoResources, "the system gives no pipe to the capture process"))?;

        let heartbeat = Arc::new(HeartbeatMonitor {
            started: Instant::now(),
            last_ms: AtomicU64::new(0),
            is_flooded: AtomicBool::new(false),
        });
        let output = Arc::new(LibraryOutput::new(request.spec.clone()));
        let (sender, incoming) = bounded(MAX_WAITING_EVENTS);
        let (requests, waiting_requests) = bounded(MAX_WAITING_REQUESTS);
        let process = Self {
            _guard: guard,
            requests: RequestSender { waiting: requests, has_lost: Arc::default() },
            incoming,
            packets: Arc::default(),
            heartbeat: Arc::clone(&heartbeat),
            output: Arc::clone(&output),
            stuck: request.stuck.clone(),
            has_said_hello: false,
            excused_until: Instant::now(),
            child: Some(child),
            has_ended: false,
        };
        let (printed, packets) = (Arc::clone(&output), Arc::clone(&process.packets));
        spawn(&process, "requests", move || write_requests(stdin, &waiting_requests))?;
        spawn(&process, "events", move || read_events(stdout, &sender, &heartbeat, &printed, &packets))?;
        spawn(&process, "stderr", move || read_output(stderr, &output))?;
        Ok(process)
    }

    /// Waits for the next event; with it comes the worker's zero of time on our clock.
    pub fn receive(
        &mut self,
        deadline: Instant,
        cancel: &Receiver<()>,
    ) -> Result<(WorkerEvent, Instant), ReceiveError> {
        let mut deadline = deadline;
        let latest = deadline + MOST_EXTENSIONS * deadline.saturating_duration_since(Instant::now());
        let mut looked = (Instant::now(), self.waited());
        loop {
            if self.requests.reads_nothing() {
                let message = "the capture process reads none of the program's requests";
                return Err(ReceiveError::WorkerLost(Fault::new(FaultKind::Hung, message)));
            }
            // A worker that is still being loaded sends no heartbeat yet.
            let hung_at = if self.has_said_hello { self.silent_at() } else { deadline };
            select! {
                recv(self.incoming) -> incoming => return match incoming {
                    Ok(Received::Event(event, epoch)) => {
                        self.has_said_hello = true;
                        Ok((event, epoch))
                    }
                    Ok(Received::Malformed(why)) => Err(ReceiveError::WorkerLost(self.protocol_fault(&why))),
                    Ok(Received::End { is_cut }) => Err(ReceiveError::WorkerLost(self.ended(is_cut))),
                    Err(_) => Err(ReceiveError::WorkerLost(self.ended(false))),
                },
                recv(cancel) -> _ => return Err(ReceiveError::Cancelled),
                recv(at(deadline.min(hung_at))) -> _ => {
                    let now = Instant::now();
                    if now >= deadline {
                        let since = std::mem::replace(&mut looked, (now, self.waited()));
                        let has_waited = || {
                            let waited = looked.1.zip(since.1).map(|(now, before)| now.saturating_sub(before));
                            waited.is_some_and(|waited| LONG_WAIT * waited >= now.saturating_duration_since(since.0))
                        };
                        if now >= latest || !self.has_said_hello || !(self.is_ready() || has_waited()) {
                            return Err(ReceiveError::TimedOut);
                        }
                        deadline = latest.min(now + LOOK_AGAIN);
                        continue;
                    }
                    let silent_at = self.silent_at();
                    if !self.has_said_hello || now < silent_at {
                        continue;
                    }
                    // One that is at work all the time and says nothing hangs as well.
                    let may_be_starved = now < self.heartbeat.last() + LONGEST_SILENCE && self.is_ready();
                    if now >= silent_at + HEARTBEAT_PERIOD || may_be_starved {
                        // This thread was not woken in time either, or those are not: the computer has no time for them.
                        self.excused_until = now + if may_be_starved { HEARTBEAT_PERIOD } else { HEARTBEAT_DEADLINE };
                    } else {
                        let message = format!(
                            "the capture process has given no sign of life for {:.1} s",
                            now.saturating_duration_since(self.heartbeat.last()).as_secs_f64()
                        );
                        return Err(ReceiveError::WorkerLost(Fault::new(FaultKind::Hung, message)));
                    }
                }
            }
        }
    }

    /// Something in it runs, or could.
    fn is_ready(&self) -> bool {
        self.child.as_ref().is_some_and(|child| is_ready(child.id()))
    }

    /// How long it has waited for a processor so far.
    fn waited(&self) -> Option<Duration> {
        Some(processor_times(self.child.as_ref()?.id())?.waited)
    }

    /// When a worker that has sent nothing since counts as hung.
    fn silent_at(&self) -> Instant {
        (self.heartbeat.last() + HEARTBEAT_DEADLINE).max(self.excused_until)
    }

    /// The fault of a worker that sent `what`, which is against the protocol.
    pub fn protocol_fault(&self, what: &str) -> Fault {
        let what: String = what.chars().take(200).collect();
        Fault::new(
            FaultKind::Crashed,
            format!("the capture process sent what cannot be understood: {what}{}", self.last_output()),
        )
    }

    fn ended(&mut self, is_cut: bool) -> Fault {
        if self.heartbeat.is_flooded.load(Ordering::Relaxed) {
            return self.protocol_fault("more messages than there can be");
        }
        // The pipe closes a moment before the process is gone.
        let status = self.wait(KILL_DEADLINE);
        let deadline = Instant::now() + LAST_OUTPUT_DEADLINE;
        while status.is_some() && !self.output.is_over.load(Ordering::Relaxed) && Instant::now() < deadline {
            thread::sleep(POLL_PERIOD);
        }
        let how = match status {
            Some(status) if status.success() => "ended by itself".to_owned(),
            Some(status) if lacks_library(status) => format!("lacks a library ({status})"),
            Some(status) => format!("died ({status})"),
            None => "closed its pipe".to_owned(),
        };
        let cut = if is_cut { ", in the middle of a message" } else { "" };
        // Who is killed while it starts can start, and does so the next time.
        if !self.has_said_hello && !status.is_some_and(was_killed) {
            let message = format!("the capture process {WORKER_NAME} does not start: it {how}{}", self.last_output());
            return Fault::new(FaultKind::BackendMissing, message).with_advice(
                "If a library is missing, install OpenCV again (packaging/run does that); otherwise install Camclinic again.",
            );
        }
        Fault::new(FaultKind::Crashed, format!("the capture process {how}{cut}{}", self.last_output()))
    }

    /// Whether there is room for packets.
    pub fn takes_packets(&self) -> bool {
        self.packets.get().is_some()
    }

    /// Once: has packets taken out of there as they come.
    pub fn take_packets(&self, reader: PacketReader) {
        let _ = self.packets.set(reader);
    }

    /// Whether a decoder has complained about a picture since this was asked before.
    pub fn has_damage(&self) -> bool {
        self.output.has_damage.swap(false, Ordering::Relaxed)
    }

    /// A fault for which the worker has no reason, with the one that a library has logged. `name` is the camera's.
    pub fn explained(&self, fault: Fault, name: &str) -> Fault {
        self.output.explained(fault, name)
    }

    /// The last lines that the libraries in it printed, to be put behind a message.
    fn last_output(&self) -> String {
        let lines = self.output.lock();
        if lines.is_empty() {
            return String::new();
        }
        format!("; it printed last: {}", lines.iter().cloned().collect::<Vec<_>>().join(" / "))
    }

    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let deadline = Instant::now() + patience;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    // What it has left behind holds its pipes open, and with them the threads that read. At once, as
                    // numbers are given out in turn: this one is no other process's yet.
                    if !std::mem::replace(&mut self.has_ended, true) {
                        kill_group(child.id());
                    }
                    return Some(status);
                }
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL_PERIOD),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.requests.send(&WorkerRequest::Stop);
        if self.wait(STOP_DEADLINE).is_some() {
            return;
        }
        if let Some(child) = &self.child {
            terminate(child.id());
        }
        if self.wait(TERMINATE_DEADLINE).is_some() {
            return;
        }
        if let Some(child) = &mut self.child {
            kill_group(child.id());
            let _ = child.kill();
        }
        if self.wait(KILL_DEADLINE).is_none()
            && let Some(child) = self.child.take()
        {
            self.stuck.add(child, Instant::now());
        }
    }
}

/// `STATUS_DLL_NOT_FOUND` and `STATUS_ENTRYPOINT_NOT_FOUND` on Windows, where nobody prints it. Elsewhere no status is so high.
fn lacks_library(status: ExitStatus) -> bool {
    status.code().is_some_and(|code| matches!(code.cast_unsigned(), 0xC000_0135 | 0xC000_0139))
}

fn spawn(process: &WorkerProcess, what: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    let pid = process.child.as_ref().map_or(0, Child::id);
    thread::Builder::new()
        .name(format!("{what}-{pid}"))
        .spawn(run)
        .map(drop)
        .map_err(|error| Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}")))
}

/// Writes requests until nobody sends any more or the worker has ended. Blocks while the pipe is full.
fn write_requests(mut stdin: ChildStdin, waiting: &Receiver<Vec<u8>>) {
    while let Ok(line) = waiting.recv() {
        if stdin.write_all(&line).is_err() {
            return;
        }
    }
}

/// Reads the worker's events until it ends or nobody receives them any more.
fn read_events(
    stdout: ChildStdout,
    incoming: &Sender<Received>,
    heartbeat: &HeartbeatMonitor,
    output: &LibraryOutput,
    packets: &OnceLock<PacketReader>,
) {
    let mut input = BufReader::new(stdout);
    let mut line = Vec::new();
    // The smallest difference between arrival and sending is that of the quickest message: the others waited.
    let mut epoch: Option<Instant> = None;
    loop {
        let next = match protocol::read::<SentEvent>(&mut input, &mut line) {
            ReadLine::Message(SentEvent(sent_us, _)) if !heartbeat.can_be_sent_at(sent_us) => {
                Received::Malformed(format!("a message of {sent_us} µs"))
            }
            ReadLine::Message(SentEvent(sent_us, event)) => {
                let now = Instant::now();
                heartbeat.on_event();
                let candidate = shift(now, sent_us.saturating_neg()).unwrap_or(now);
                let best = epoch.map_or(candidate, |epoch| epoch.min(candidate));
                epoch = Some(best);
                match event {
                    WorkerEvent::Heartbeat => continue,
                    // Here, so that they are kept whatever becomes of the worker and of whoever waits for its pictures.
                    WorkerEvent::Packet(message) => {
                        let taken = packets.get().ok_or_else(|| "a packet, without room for it".to_owned());
                        match taken.and_then(|packets| packets.on_packet(message, best, now)) {
                            Ok(()) => continue,
                            Err(why) => Received::Malformed(why),
                        }
                    }
                    event => Received::Event(event, best),
                }
            }
            ReadLine::Foreign(text) => {
                output.add(&text);
                continue;
            }
            ReadLine::Malformed(why) => Received::Malformed(why),
            ReadLine::End { is_cut } => Received::End { is_cut },
        };
        let is_last = !matches!(next, Received::Event(..));
        match incoming.try_send(next) {
            Ok(()) if !is_last => {}
            Ok(()) | Err(TrySendError::Disconnected(_)) => break,
            Err(TrySendError::Full(_)) => {
                heartbeat.is_flooded.store(true, Ordering::Relaxed);
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
struct LibraryOutput {
    lines: Lock<VecDeque<String>>,
    /// The newest of the systems' numbers among them that nobody has asked for yet.
    number: Lock<Option<(i64, ErrorMeaning)>>,
    /// Since somebody asked, a decoder has complained about a picture.
    has_damage: AtomicBool,
    /// Nothing more will come.
    is_over: AtomicBool,
    secret: SourceSpec,
}

/// What decoders print of pictures whose bytes are damaged, and of nothing else (FFmpeg's h264, hevc, mjpeg and mpeg4; libjpeg). They
/// fill the gaps and hand the picture out. Missing reference pictures are no damage of the bytes: pictures were lost.
const DAMAGE: [&str; 15] = [
    "error while decoding MB",
    "block unavailable for requested intra",
    "corrupted macroblock",
    "cabac decode of qscale diff failed",
    "Invalid level prefix",
    "negative number of zero coeffs",
    "out of range intra chroma pred mode",
    "cu_qp_delta",
    "CABAC_MAX_BIN",
    "damaged at",
    "slice end not reached",
    "mjpeg_decode_dc: bad vlc",
    "overread 8",
    "error count:",
    "Corrupt JPEG data: premature end",
];

fn is_damage(line: &str) -> bool {
    DAMAGE.iter().any(|words| line.contains(words))
}

impl LibraryOutput {
    fn new(secret: SourceSpec) -> Self {
        Self {
            lines: Lock::default(),
            number: Lock::default(),
            has_damage: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            secret,
        }
    }

    fn number(&self) -> Locked<'_, Option<(i64, ErrorMeaning)>> {
        self.number.lock()
    }

    fn lock(&self) -> Locked<'_, VecDeque<String>> {
        self.lines.lock()
    }

    fn add(&self, line: &str) {
        let line = self.secret.mask_in(line.trim());
        if let Some(found) = codes::in_log(&line) {
            *self.number() = Some(found);
        }
        if is_damage(&line) {
            self.has_damage.store(true, Ordering::Relaxed);
        }
        let mut lines = self.lock();
        if line.is_empty() || lines.back() == Some(&line) {
            return;
        }
        if lines.len() >= MAX_OUTPUT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

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

fn read_output(stderr: ChildStderr, output: &LibraryOutput) {
    let mut input = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => {
                output.is_over.store(true, Ordering::Relaxed);
                return;
            }
            Ok(_) => output.add(&String::from_utf8_lossy(&line)),
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
    use crate::settings::{CameraSettings, TrustedCertificates};

    /// The supervisor, the window and whoever drops a picture send requests: none of them may wait for a worker.
    #[test]
    #[cfg(unix)]
    fn a_worker_that_reads_nothing_holds_up_nobody() {
        let request =
            OpenRequest::new(SourceSpec::Index(0), &CameraSettings::default(), &TrustedCertificates::default());
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut process = WorkerProcess::run(command, &request).unwrap();
        let far = Instant::now() + Duration::from_mins(1);
        while !process.requests.reads_nothing() {
            process.requests.send(&WorkerRequest::ReleaseSlot { generation: 1, slot: 0 });
            assert!(Instant::now() < far, "the pipe is never full");
        }
        match process.receive(far, &crossbeam_channel::never()) {
            Err(ReceiveError::WorkerLost(fault)) => assert_eq!(fault.kind, FaultKind::Hung, "{fault}"),
            _ => panic!("it counts as alive"),
        }
    }

    /// Otherwise it holds the worker's pipes open, and the threads that read them wait for ever.
    #[test]
    #[cfg(unix)]
    fn what_a_worker_has_started_ends_with_it() {
        #[track_caller]
        fn check(script: &str) {
            let request =
                OpenRequest::new(SourceSpec::Index(0), &CameraSettings::default(), &TrustedCertificates::default());
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let process = WorkerProcess::run(command, &request).unwrap();
            let incoming = process.incoming.clone();
            drop(process);
            let far = Instant::now() + Duration::from_mins(1);
            while !matches!(incoming.recv_deadline(far), Err(crossbeam_channel::RecvTimeoutError::Disconnected)) {
                assert!(Instant::now() < far, "{script}");
            }
        }
        check("sleep 600 &");
        check("sleep 600 & wait");
        check("trap '' TERM; sleep 600 & wait");
    }

    #[test]
    fn what_decoders_say_of_damage_is_told_from_the_rest() {
        let check = |line: &str, expected: bool| {
            let output = LibraryOutput::new(SourceSpec::Index(0));
            output.add(line);
            let has_damage = output.has_damage.swap(false, Ordering::Relaxed);
            assert_eq!(has_damage, expected, "{line}");
        };
        check("[h264 @ 0x55f6] error while decoding MB 14 0, bytestream -7", true);
        check("[h264 @ 0x55f6] top block unavailable for requested intra mode -1", true);
        check("[hevc @ 0x55f6] The cu_qp_delta 1094995529 is outside the valid range [-26, 25].", true);
        check("Corrupt JPEG data: premature end of data segment", true);
        check("Corrupt JPEG data: 2 extraneous bytes before marker 0xd3", false);
        // Pictures were lost, or left out.
        check("[hevc @ 0x55f6] Could not find ref with POC 12", false);
        check("[h264 @ 0x55f6] mmco: unref short failure", false);
        check("[swscaler @ 0x55f6] deprecated pixel format used", false);
        check("", false);
    }

    const PREEMPTED: &str = "[ WARN:0@3.1] videoio(MSMF): can't grab frame. Error: -1072873821";

    #[track_caller]
    fn check(lines: &[&str], fault: &Fault, expected: (FaultKind, Option<i64>)) {
        let output = LibraryOutput::new(SourceSpec::Index(0));
        for line in lines {
            output.add(line);
        }
        let explained = output.explained(fault.clone(), "Cam");
        assert_eq!((explained.kind, explained.code), expected, "{explained}");
        assert_eq!(&output.explained(fault.clone(), "Cam"), fault, "a number explains one fault");
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
