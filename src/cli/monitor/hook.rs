//! `--on-event`: runs a command of the user's for each alert. It may be missing, hang, fail or flood: it is told once, and
//! neither cameras nor output wait for it.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::device::process::{self, ProcessGuard};

/// What a command may take: a message over a slow line, with a retry.
const DEADLINE: Duration = Duration::from_secs(10);
/// So many run at once.
const MAX_RUNNING: usize = 4;
/// Alerts that wait for one to end.
const MAX_WAITING: usize = 64;
/// What a command may print. None has so much to say; more is a loop.
const MAX_OUTPUT: u64 = 64 << 10;
/// The end of what it printed, for the message about its failure.
const MAX_WORDS: usize = 200;
const POLL: Duration = Duration::from_millis(20);
/// How long what it printed last may be on its way.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long the commands at work may take after the end of the monitor, and to die when they are killed.
const FAREWELL: Duration = Duration::from_secs(3);
const KILL: Duration = Duration::from_millis(500);

/// Hears what is wrong with the command; called once for each kind of trouble, on any thread.
pub(super) type Tell = Arc<dyn Fn(String) + Send + Sync>;

/// The command, ready to be run. Dropping it gives those at work three seconds, and kills them then.
pub(super) struct Hooks {
    alerts: Option<Sender<String>>,
    troubles: Arc<Troubles>,
    stop: Arc<AtomicBool>,
    /// Disconnected when the last runner has ended.
    ended: Receiver<()>,
}

/// A run that did not go well.
#[derive(Debug)]
enum Trouble {
    DoesNotStart(io::Error),
    Hangs,
    Floods,
    Fails(ExitStatus, String),
    /// It has ended, and something that it started holds its output.
    LeavesBehind,
    TooMany,
}

/// Tells each kind once: a command that fails at each alert of a night must not fill the log.
struct Troubles {
    program: String,
    told: Mutex<BTreeSet<&'static str>>,
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
        let troubles = Troubles { program: program.clone(), told: Mutex::default(), tell };
        let troubles = Arc::new(troubles);
        let (alerts, waiting) = bounded::<String>(MAX_WAITING);
        let (ended_tx, ended) = bounded::<()>(0);
        let stop = Arc::new(AtomicBool::new(false));
        for nth in 1..=MAX_RUNNING {
            let runner = Runner { program: program.clone(), arguments: words.clone(), stop: Arc::clone(&stop) };
            let (waiting, troubles, ended_tx) = (waiting.clone(), Arc::clone(&troubles), ended_tx.clone());
            let run = move || {
                for alert in &waiting {
                    if let Err(trouble) = runner.run(alert, &troubles) {
                        troubles.on(&trouble);
                    }
                }
                drop(ended_tx);
            };
            let no_thread = |error| format!("The system gives no thread: {error}");
            thread::Builder::new().name(format!("hook-{nth}")).spawn(run).map_err(no_thread)?;
        }
        Ok(Self { alerts: Some(alerts), troubles, stop, ended })
    }

    /// Has the command run with this line on its stdin. Never waits.
    pub(super) fn run(&self, alert: String) {
        if self.alerts.as_ref().is_some_and(|alerts| alerts.try_send(alert).is_err()) {
            self.troubles.on(&Trouble::TooMany);
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.alerts = None;
        let is_late =
            |patience| matches!(self.ended.recv_timeout(patience), Err(crossbeam_channel::RecvTimeoutError::Timeout));
        if is_late(FAREWELL) {
            self.stop.store(true, Ordering::Relaxed);
            is_late(KILL * 2);
        }
    }
}

impl Troubles {
    fn on(&self, trouble: &Trouble) {
        let secs = DEADLINE.as_secs();
        let (kind, what) = match trouble {
            Trouble::DoesNotStart(error) => {
                ("start", format!("does not start: {error}. Give the full path of a program that may be run"))
            }
            Trouble::Hangs => ("hangs", format!("had not ended after {secs} s and was killed")),
            Trouble::Floods => ("floods", format!("printed more than {} KiB and was killed", MAX_OUTPUT >> 10)),
            Trouble::Fails(status, words) => {
                let words = if words.is_empty() { String::new() } else { format!(": {words}") };
                ("fails", format!("failed ({status}){words}"))
            }
            Trouble::LeavesBehind => {
                ("leaves", "has left a process behind that holds its output: have that write elsewhere".to_owned())
            }
            Trouble::TooMany => ("too-many", "is too slow for so many alerts: some are left out".to_owned()),
        };
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(kind) {
            (self.tell)(format!("The command of --on-event, {}, {what}. This is told once.", self.program));
        }
    }
}

/// What was printed, and whether it was too much.
struct Heard {
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
    fn run(&self, alert: String, troubles: &Troubles) -> Result<(), Trouble> {
        let (mut child, heard) = self.spawn(alert).map_err(Trouble::DoesNotStart)?;
        let guard = ProcessGuard::on(&child);
        let deadline = Instant::now() + DEADLINE;
        let mut said = None;
        let status = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break status;
            }
            // A thread that listens is not needed to see the end.
            match heard.recv_timeout(POLL) {
                Ok(heard) if heard.is_flood => {
                    self.kill(&mut child, guard);
                    return Err(Trouble::Floods);
                }
                Ok(heard) => said = Some(heard),
                Err(error) if error.is_disconnected() => thread::sleep(POLL),
                Err(_) => {}
            }
            let is_over = Instant::now() >= deadline;
            if is_over || self.stop.load(Ordering::Relaxed) {
                self.kill(&mut child, guard);
                return if is_over { Err(Trouble::Hangs) } else { Ok(()) };
            }
        };
        if said.is_none() {
            said = heard.recv_timeout(LAST_WORDS).ok();
        }
        match said {
            Some(heard) if heard.is_flood => Err(Trouble::Floods),
            Some(heard) if !status.success() => Err(Trouble::Fails(status, heard.words)),
            Some(_) => Ok(()),
            None => {
                if !status.success() {
                    troubles.on(&Trouble::Fails(status, String::new()));
                }
                // It keeps its place among those that run: a thread listens to it, and there shall not be ever more.
                let mut is_told = false;
                while !self.stop.load(Ordering::Relaxed) {
                    match heard.recv_timeout(POLL * 10) {
                        Err(error) if error.is_timeout() => {}
                        _ => return Ok(()),
                    }
                    if Instant::now() >= deadline && !std::mem::replace(&mut is_told, true) {
                        troubles.on(&Trouble::LeavesBehind);
                    }
                }
                Ok(())
            }
        }
    }

    fn spawn(&self, alert: String) -> io::Result<(Child, Receiver<Heard>)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        process::prepare(&mut command);
        let mut child = command.spawn()?;
        // Its ends of the pipe are our copies: with them open there would be no end to be read.
        drop(command);
        let (heard_tx, heard) = bounded(1);
        thread::Builder::new().name("hook-out".to_owned()).spawn(move || drop(heard_tx.send(hear(reader))))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Some do not read it, and what they do not read does not matter.
            let write = move || drop(writeln!(stdin, "{alert}"));
            thread::Builder::new().name("hook-in".to_owned()).spawn(write)?;
        }
        Ok((child, heard))
    }

    /// With all that it started, as far as the system knows of it.
    fn kill(&self, child: &mut Child, _guard: Option<ProcessGuard>) {
        process::kill_group(child.id());
        let _ = child.kill();
        let until = Instant::now() + KILL;
        // One that sits in the kernel keeps its place among those that run.
        while matches!(child.try_wait(), Ok(None)) && (Instant::now() < until || !self.stop.load(Ordering::Relaxed)) {
            thread::sleep(POLL);
        }
    }
}

/// Reads to the end, or to more than there may be; the pipe is closed then, which ends most floods by itself.
fn hear(reader: PipeReader) -> Heard {
    let mut bytes = Vec::new();
    let _ = reader.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let words = last.trim().chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    Heard { words, is_flood: bytes.len() as u64 > MAX_OUTPUT }
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
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell: Tell = {
            let told = Arc::clone(&told);
            Arc::new(move |text| told.lock().unwrap().push(text))
        };
        let hooks = Hooks::start("/no/such/program -x", tell).unwrap();
        (0..5).for_each(|n| hooks.run(n.to_string()));
        hooks.troubles.on(&Trouble::Hangs);
        drop(hooks);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|text| text.contains("/no/such/program, does not start")), "{told:?}");
    }
}
