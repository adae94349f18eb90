//! `--on-event`: runs a command of the user's for each alert. It may be missing, hang, fail or print without end: each of these
//! is reported once, and neither cameras nor output wait for it.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::device::process::{self, ProcessGuard};
use crate::foreign::safe_within;
use crate::lock::Lock;

/// What a command may take: a message over a slow line, with a retry.
const DEADLINE: Duration = Duration::from_secs(10);
/// So many run at once.
const MAX_RUNNING: usize = 4;
/// Alerts that wait for one to end.
const MAX_WAITING: usize = 64;
/// What a command may print. None has so much to say; more is a loop.
const MAX_OUTPUT: u64 = 64 << 10;
/// The end of what it printed, for the message about its failure.
const MAX_SHOWN_CHARS: usize = 200;
const POLL: Duration = Duration::from_millis(20);
/// How long its last output may take to be read.
const LAST_OUTPUT_DEADLINE: Duration = Duration::from_millis(200);
/// How long the commands at work may take after the end of the monitor, and to die when they are killed.
const END_DEADLINE: Duration = Duration::from_secs(3);
const KILL_DEADLINE: Duration = Duration::from_millis(500);

/// Gets a sentence about what is wrong with the command; called once for each kind of failure, on any thread.
pub(super) type Tell = Arc<dyn Fn(String) + Send + Sync>;

/// The command, ready to be run. Dropping it gives those at work three seconds, and kills them then.
pub(super) struct Hooks {
    alerts: Option<Sender<String>>,
    failures: Arc<HookFailures>,
    stop: Arc<AtomicBool>,
    /// Disconnected when the last runner has ended.
    ended: Receiver<()>,
}

/// What went wrong with a run.
#[derive(Debug)]
enum HookFailure {
    DoesNotStart(io::Error),
    Hangs,
    Floods,
    Fails(ExitStatus, String),
    /// It has ended, and something that it started holds its output.
    LeavesBehind,
    TooMany,
}

/// Reports each kind once: a command that fails at each alert of a night must not fill the log.
struct HookFailures {
    program: String,
    told: Lock<BTreeSet<&'static str>>,
    tell: Tell,
}

impl Hooks {
    /// # Errors
    /// The command cannot be understood, or the system gives no thread.
    pub(super) fn start(command: &str, tell: Tell) -> Result<Self, String> {
        let mut words = split(command)?;
        if words.is_empty() {
            return Err("--on-event names no program.".to_owned());
        }
        let program = words.remove(0);
        let failures = HookFailures { program: program.clone(), told: Lock::default(), tell };
        let failures = Arc::new(failures);
        let (alerts, waiting) = bounded::<String>(MAX_WAITING);
        let (ended_tx, ended) = bounded::<()>(0);
        let stop = Arc::new(AtomicBool::new(false));
        for nth in 1..=MAX_RUNNING {
            let runner = Runner { program: program.clone(), arguments: words.clone(), stop: Arc::clone(&stop) };
            let (waiting, failures, ended_tx) = (waiting.clone(), Arc::clone(&failures), ended_tx.clone());
            let run = move || {
                for alert in &waiting {
                    if let Err(failure) = runner.run(alert, &failures) {
                        failures.on(&failure);
                    }
                }
                drop(ended_tx);
            };
            let no_thread = |error| format!("The system gives no thread: {error}");
            thread::Builder::new().name(format!("hook-{nth}")).spawn(run).map_err(no_thread)?;
        }
        Ok(Self { alerts: Some(alerts), failures, stop, ended })
    }

    /// Has the command run with this line on its stdin. Never waits.
    pub(super) fn run(&self, alert: String) {
        if self.alerts.as_ref().is_some_and(|alerts| alerts.try_send(alert).is_err()) {
            self.failures.on(&HookFailure::TooMany);
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.alerts = None;
        let is_late =
            |patience| matches!(self.ended.recv_timeout(patience), Err(crossbeam_channel::RecvTimeoutError::Timeout));
        if is_late(END_DEADLINE) {
            self.stop.store(true, Ordering::Relaxed);
            is_late(KILL_DEADLINE * 2);
        }
    }
}

impl HookFailures {
    fn on(&self, failure: &HookFailure) {
        let secs = DEADLINE.as_secs();
        let (kind, what) = match failure {
            HookFailure::DoesNotStart(error) => {
                ("start", format!("does not start: {error}. Give the full path of a program that may be run"))
            }
            HookFailure::Hangs => ("hangs", format!("had not ended after {secs} s and was killed")),
            HookFailure::Floods => ("floods", format!("printed more than {} KiB and was killed", MAX_OUTPUT >> 10)),
            HookFailure::Fails(status, words) => {
                let words = if words.is_empty() { String::new() } else { format!(": {words}") };
                ("fails", format!("failed ({status}){words}"))
            }
            HookFailure::LeavesBehind => {
                ("leaves", "has left a process behind that holds its output: have that write elsewhere".to_owned())
            }
            HookFailure::TooMany => ("too-many", "is too slow for so many alerts: some are left out".to_owned()),
        };
        if self.told.lock().insert(kind) {
            (self.tell)(format!("The command of --on-event, {}, {what}. This is told once.", self.program));
        }
    }
}

/// What was printed, and whether it was too much.
struct HookOutput {
    words: String,
    is_flood: bool,
}

#[derive(Clone)]
struct Runner {
    program: String,
    arguments: Vec<String>,
    stop: Arc<AtomicBool>,
}

impl Runner {
    fn run(&self, alert: String, failures: &HookFailures) -> Result<(), HookFailure> {
        let (mut child, output) = self.spawn(alert).map_err(HookFailure::DoesNotStart)?;
        let guard = ProcessGuard::on(&child);
        let deadline = Instant::now() + DEADLINE;
        let mut said = None;
        let status = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break status;
            }
            // The end is seen also without the thread that reads the output.
            match output.recv_timeout(POLL) {
                Ok(output) if output.is_flood => {
                    self.kill(&mut child, guard);
                    return Err(HookFailure::Floods);
                }
                Ok(output) => said = Some(output),
                Err(error) if error.is_disconnected() => thread::sleep(POLL),
                Err(_) => {}
            }
            let is_over = Instant::now() >= deadline;
            if is_over || self.stop.load(Ordering::Relaxed) {
                self.kill(&mut child, guard);
                return if is_over { Err(HookFailure::Hangs) } else { Ok(()) };
            }
        };
        if said.is_none() {
            said = output.recv_timeout(LAST_OUTPUT_DEADLINE).ok();
        }
        match said {
            Some(output) if output.is_flood => Err(HookFailure::Floods),
            Some(output) if !status.success() => Err(HookFailure::Fails(status, output.words)),
            Some(_) => Ok(()),
            None => {
                if !status.success() {
                    failures.on(&HookFailure::Fails(status, String::new()));
                }
                // It counts as running until its output ends: otherwise there would be ever more threads that read.
                let mut is_told = false;
                while !self.stop.load(Ordering::Relaxed) {
                    match output.recv_timeout(POLL * 10) {
                        Err(error) if error.is_timeout() => {}
                        _ => return Ok(()),
                    }
                    if Instant::now() >= deadline && !std::mem::replace(&mut is_told, true) {
                        failures.on(&HookFailure::LeavesBehind);
                    }
                }
                Ok(())
            }
        }
    }

    fn spawn(&self, alert: String) -> io::Result<(Child, Receiver<HookOutput>)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        process::prepare(&mut command);
        let mut child = command.spawn()?;
        // Its ends of the pipe are our copies: with them open there would be no end to be read.
        drop(command);
        let (output_tx, output) = bounded(1);
        thread::Builder::new().name("hook-out".to_owned()).spawn(move || drop(output_tx.send(read_output(reader))))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read it is none the worse.
            let write = move || drop(writeln!(stdin, "{alert}"));
            thread::Builder::new().name("hook-in".to_owned()).spawn(write)?;
        }
        Ok((child, output))
    }

    /// With all that it started, as far as the system knows of it.
    fn kill(&self, child: &mut Child, _guard: Option<ProcessGuard>) {
        process::kill_group(child.id());
        let _ = child.kill();
        let until = Instant::now() + KILL_DEADLINE;
        // One that waits in the kernel counts as running.
        while matches!(child.try_wait(), Ok(None)) && (Instant::now() < until || !self.stop.load(Ordering::Relaxed)) {
            thread::sleep(POLL);
        }
    }
}

/// Reads to the end, or to more than there may be; the pipe is closed then, which ends most floods by itself.
fn read_output(reader: PipeReader) -> HookOutput {
    let mut bytes = Vec::new();
    let _ = reader.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let words = safe_within(last.as_bytes(), MAX_SHOWN_CHARS);
    HookOutput { words, is_flood: bytes.len() as u64 > MAX_OUTPUT }
}

/// Program and arguments: blanks separate, quotes of both kinds hold together. No shell: nothing else means anything, a
/// backslash neither, so that paths of Windows can be written.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match quote {
        Some(open) => Err(format!("A quote of --on-event is not closed: {open}")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_split(text: &str, expected: &[&str]) {
        assert_eq!(split(text).unwrap(), expected, "{text}");
    }

    #[test]
    fn commands_are_split_without_a_shell() {
        check_split("", &[]);
        check_split(" notify ", &["notify"]);
        check_split("/opt/a.sh  -x\t--to me", &["/opt/a.sh", "-x", "--to", "me"]);
        check_split("'/opt/my tools/a' \"b c\"d ''", &["/opt/my tools/a", "b cd", ""]);
        check_split("mail -s 'it\"s' $HOME;ls", &["mail", "-s", "it\"s", "$HOME;ls"]);
        check_split(r"C:\tools\a.exe \n", &[r"C:\tools\a.exe", r"\n"]);
        assert!(split("a 'b").unwrap_err().contains("not closed"));
    }

    #[test]
    fn each_kind_of_trouble_is_told_once() {
        let told = Arc::new(Lock::new(Vec::new()));
        let tell: Tell = {
            let told = Arc::clone(&told);
            Arc::new(move |text| told.lock().push(text))
        };
        let hooks = Hooks::start("/no/such/program -x", tell).unwrap();
        (0..5).for_each(|n| hooks.run(n.to_string()));
        hooks.failures.on(&HookFailure::Hangs);
        drop(hooks);
        let told = told.lock();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|text| text.contains("/no/such/program, does not start")), "{told:?}");
    }
}
