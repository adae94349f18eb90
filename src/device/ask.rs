//! Asks a device what it can do, in a process of its own: a driver that hangs holds that process, and never this one nor its
//! end.

use std::env;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Capabilities, Device, Leash, beside, die_with_parent, named, prepare, system, without_code};
use crate::fault::{Fault, FaultKind};

/// The command of the program that answers.
pub const COMMAND: &str = "ask-device";
const PROGRAM: &str = "camclinic";
/// No device has so much to say; more is a driver gone mad.
const MAX_ANSWER: u64 = 8 << 20;
/// How long a process that is killed may take to end before it is left to itself.
const KILL: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(2);
/// How long one that has answered may take to end.
const END: Duration = Duration::from_millis(500);

/// What [`COMMAND`] prints.
pub type Answer = Result<Capabilities, Fault>;

/// The other half: asks in this process, and says so in JSON. Blocks as long as the driver does.
#[must_use]
pub fn answer(path: &str) -> String {
    die_with_parent();
    let answer: Answer = named(path).and_then(|device| system::capabilities(&device));
    serde_json::to_string(&answer).unwrap_or_default()
}

/// What a device can do, as its driver says. It need not be free, and is not started.
///
/// # Errors
/// `Hung` after the deadline; else why the node does not open, or `BackendMissing` where the system does not tell or the
/// process does not start.
pub fn capabilities_within(device: &Device, deadline: Duration) -> Answer {
    let until = Instant::now() + deadline;
    let hung = || {
        let waited = deadline.as_secs_f64();
        let message = format!("{} has not said within {waited:.1} s what it can do: its driver hangs", device.label());
        Fault::new(FaultKind::Hung, message)
    };
    let crashed = || Fault::new(FaultKind::Crashed, format!("asking {} what it can do crashed", device.label()));
    let mut asked = Asked::start(&device.path)?;
    let Some(mut stdout) = asked.child.stdout.take() else { return Err(crashed()) };
    let (sender, said) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("ask-device".into())
        .spawn(move || {
            let mut text = Vec::new();
            let read = stdout.by_ref().take(MAX_ANSWER).read_to_end(&mut text);
            // Nobody listens any more after the deadline.
            let _ = sender.send(read.map(|_| text));
        })
        .map_err(|error| Fault::new(FaultKind::NoResources, format!("the system gives no thread: {error}")))?;
    match said.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(Ok(text)) => {
            asked.wait(END);
            serde_json::from_slice(&text).map_err(|_| crashed())?
        }
        Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(crashed()),
        Err(RecvTimeoutError::Timeout) => Err(hung()),
    }
}

/// A process that asks. Dropping it ends it; one that a driver holds is left behind, and ends when that lets go.
struct Asked {
    child: Child,
    _leash: Option<Leash>,
}

impl Asked {
    fn start(path: &str) -> Result<Self, Fault> {
        let program = env::current_exe().ok().filter(|file| file.file_stem().is_some_and(|stem| stem == PROGRAM));
        let program = program.unwrap_or_else(|| beside(Path::new(PROGRAM)));
        let mut command = Command::new(&program);
        command.args([COMMAND, "--", path]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        prepare(&mut command);
        let child = command.spawn().map_err(|error| {
            let said = error.to_string();
            let message = format!("{} does not start: {}", program.display(), without_code(&said));
            Fault::new(FaultKind::BackendMissing, message)
                .with_advice("Camclinic was moved or replaced: start it again.")
        })?;
        Ok(Self { _leash: Leash::on(&child), child })
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

impl Drop for Asked {
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
    use super::*;

    #[test]
    fn what_is_asked_is_answered_in_json() {
        let answer: Answer = serde_json::from_str(&answer("/no/such/camera")).unwrap();
        let kind = answer.unwrap_err().kind;
        assert!(matches!(kind, FaultKind::Missing | FaultKind::BackendMissing), "{kind:?}");
    }
}
