//! Asks devices what they can do, in a process of its own: a driver that hangs holds up that process, and neither this one nor
//! its end. Nothing is started or set, and nothing is asked twice.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::codes::without_code;
use super::process::{ProcessGuard, beside, die_with_parent, prepare};
use super::{Capabilities, Device, named, system};
use crate::fault::{Fault, FaultKind};

/// The command of the program that answers.
pub const COMMAND: &str = "ask-device";
const PROGRAM: &str = "camclinic";
/// How long one camera is waited for before the next on its bus is asked too.
const TURN: Duration = Duration::from_millis(300);
/// No device has so much to tell; more comes from a broken driver.
const MAX_ANSWER: u64 = 8 << 20;
/// How long a process that is killed may take to end before it is left to itself.
const KILL: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(2);
/// How long the process may take to start, of which no driver is to blame.
pub const START: Duration = Duration::from_secs(5);
/// How long one that has answered may take to end.
const END: Duration = Duration::from_millis(500);

/// What a device says.
pub type CapabilitiesResult = Result<Capabilities, Fault>;

/// One line of what [`COMMAND`] prints: the place of the device among those that were named, and what it says.
type AnswerLine = (usize, CapabilitiesResult);

/// A line of it: `None` for the empty one with which it begins.
type AskNews = Option<AnswerLine>;

/// The other half: says an empty line, asks the devices of these paths in this process, and says each answer in a line of JSON as
/// it comes. Blocks as long as the drivers do.
///
/// Those on one USB bus are asked one after the other, because several that are woken at once can fall off it; one whose
/// driver hangs keeps those on its bus waiting for a moment.
pub fn answer(paths: &[String], print: impl Fn(&str) + Sync) {
    die_with_parent();
    print("");
    let mut buses = BTreeMap::<String, Vec<(usize, Result<Device, Fault>)>>::new();
    for (nth, path) in paths.iter().enumerate() {
        let device = named(path);
        // `1-2.4` is a port of bus 1; what is no USB device is on its own.
        let usb =
            device.as_ref().ok().and_then(|device| device.usb.as_ref()).and_then(|usb| usb.port.split('-').next());
        let bus = usb.map_or_else(|| format!("device {nth}"), |bus| format!("usb {bus}"));
        buses.entry(bus).or_default().push((nth, device));
    }
    let print = &print;
    thread::scope(|scope| {
        for bus in buses.into_values() {
            // Without a thread the answer does not come, which is an answer too.
            let _ = thread::Builder::new().name("ask-bus".into()).spawn_scoped(scope, move || {
                for (nth, device) in bus {
                    let (done, is_done) = mpsc::sync_channel::<()>(1);
                    let ask = move || {
                        let began = Instant::now();
                        let answer = device.and_then(|device| system::capabilities(&device));
                        let took_ms = u64::try_from(began.elapsed().as_millis()).ok();
                        let line: AnswerLine = (nth, answer.map(|answer| Capabilities { took_ms, ..answer }));
                        print(&serde_json::to_string(&line).unwrap_or_default());
                        let _ = done.try_send(());
                    };
                    let _ = thread::Builder::new().name("ask-device".into()).spawn_scoped(scope, ask);
                    let _ = is_done.recv_timeout(TURN);
                }
            });
        }
    });
}

/// What a device can do, as its driver says. It need not be free, and is not started.
///
/// # Errors
/// `Hung` after the deadline; else why the node does not open, or `BackendMissing` where the system does not tell or the
/// process does not start.
pub fn capabilities_within(device: &Device, deadline: Duration) -> CapabilitiesResult {
    let mut answers = capabilities_of_all(std::slice::from_ref(device), deadline);
    answers.pop().unwrap_or_else(|| Err(crashed(device)))
}

fn crashed(device: &Device) -> Fault {
    Fault::new(FaultKind::Crashed, format!("asking {} what it can do crashed", device.label()))
}

/// The same of many, in their order and in one process: one that hangs costs its own answer only.
#[must_use]
pub fn capabilities_of_all(devices: &[Device], deadline: Duration) -> Vec<CapabilitiesResult> {
    if devices.is_empty() {
        return Vec::new();
    }
    let mut until = Instant::now() + START;
    let (mut asked, lines) =
        match AskProcess::start(devices).and_then(|mut asked| asked.lines(devices.len()).map(|lines| (asked, lines))) {
            Ok(both) => both,
            Err(fault) => return devices.iter().map(|_| Err(fault.clone())).collect(),
        };
    let mut answers = BTreeMap::new();
    let (mut has_begun, mut is_over) = (false, false);
    while answers.len() < devices.len() && !is_over {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Some((nth, answer))) => {
                answers.insert(nth, answer);
            }
            Ok(None) => (has_begun, until) = (true, Instant::now() + deadline),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => is_over = true,
        }
    }
    if answers.len() == devices.len() {
        asked.wait(END);
    }
    let silent = |device: &Device| {
        if is_over {
            return crashed(device);
        }
        if !has_begun {
            return Fault::new(FaultKind::NoResources, "the process that asks cameras has not started in time");
        }
        let waited = deadline.as_secs_f64();
        let message = format!("{} has not said within {waited:.1} s what it can do", device.label());
        Fault::new(FaultKind::Hung, message)
    };
    let answers =
        devices.iter().enumerate().map(|(nth, device)| answers.remove(&nth).unwrap_or_else(|| Err(silent(device))));
    answers.collect()
}

/// A process that asks. Dropping it ends it; one that a driver holds is left behind, and ends when that lets go.
struct AskProcess {
    child: Child,
    _guard: Option<ProcessGuard>,
}

impl AskProcess {
    fn start(devices: &[Device]) -> Result<Self, Fault> {
        let program = env::current_exe().ok().filter(|file| file.file_stem().is_some_and(|stem| stem == PROGRAM));
        let program = program.unwrap_or_else(|| beside(Path::new(PROGRAM)));
        let mut command = Command::new(&program);
        command.args([COMMAND, "--"]).args(devices.iter().map(|device| &device.path));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        prepare(&mut command);
        let child = command.spawn().map_err(|error| {
            let printed = error.to_string();
            let message = format!("{} does not start: {}", program.display(), without_code(&printed));
            Fault::new(FaultKind::BackendMissing, message)
                .with_advice("Camclinic was moved or replaced: start it again.")
        })?;
        Ok(Self { _guard: ProcessGuard::on(&child), child })
    }

    /// What it prints, until it ends or prints what cannot be read.
    fn lines(&mut self, n_devices: usize) -> Result<Receiver<AskNews>, Fault> {
        let no_pipe =
            || Fault::new(FaultKind::NoResources, "the system gives no pipe to the process that asks cameras");
        let stdout = self.child.stdout.take().ok_or_else(no_pipe)?;
        let (sender, lines) = mpsc::sync_channel(n_devices + 1);
        let listen = move || {
            let printed = BufReader::new(stdout.take(MAX_ANSWER)).lines().map_while(Result::ok);
            let read =
                |line: String| if line.is_empty() { Some(None) } else { serde_json::from_str(&line).ok().map(Some) };
            for news in printed.map_while(read) {
                if sender.send(news).is_err() {
                    return;
                }
            }
        };
        let no_thread = |error| Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}"));
        thread::Builder::new().name("read-answers".into()).spawn(listen).map_err(no_thread)?;
        Ok(lines)
    }

    fn wait(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

impl Drop for AskProcess {
    fn drop(&mut self) {
        if self.wait(Duration::ZERO) {
            return;
        }
        // Ended meanwhile is as good.
        let _ = self.child.kill();
        self.wait(KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_is_asked_is_answered_in_json() {
        let printed = Mutex::new(Vec::new());
        answer(&["/no/such/camera".into(), "/dev/null".into()], |line| printed.lock().unwrap().push(line.to_owned()));
        let mut lines: Vec<AnswerLine> =
            printed.lock().unwrap().iter().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|(nth, _)| *nth);
        assert_eq!(lines.iter().map(|(nth, _)| *nth).collect::<Vec<_>>(), [0, 1]);
        for (_, answer) in lines {
            let kind = answer.unwrap_err().kind;
            assert!(!matches!(kind, FaultKind::Hung | FaultKind::Crashed), "{kind:?}");
        }
    }
}
