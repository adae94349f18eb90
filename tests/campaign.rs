//! The fault campaign: every fault of the simulated camera in the middle of a stream, in this process and in one of its own. Whatever
//! happens, the program lives, says what it was, and the picture comes back. How each of them is recovered from at the start, twice
//! and with other settings is told on a virtual clock (`src/camera/machine/stories.rs`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{Camera, Command};
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation, TrustedCertificates};
use camclinic::source::{SourceSpec, simulated};
use camclinic::status::{State, Status};

/// Cameras side by side. They wait, most of the time.
const N_AT_ONCE: usize = 16;
/// From the end of the last fault to a picture, on a machine that does three other things.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Expect {
    /// A fault of this kind is told, and the picture comes back by itself.
    Fault(&'static str),
    /// The same, once somebody has pressed Start.
    Terminal(&'static str),
    /// Pictures come all the time: nothing is opened a second time because of them.
    Pictures,
    /// Such a fault acts on nothing but the opening, and may be noticed or not.
    Opening,
}

use Expect::{Fault, Opening, Pictures, Terminal};

/// Each fault with its value.
const FAULTS: &[(&str, Expect)] = &[
    ("open-hang", Opening),
    ("open-slow=300ms", Opening),
    ("open-busy", Fault("busy")),
    ("open-denied", Terminal("denied")),
    ("open-missing", Fault("missing")),
    ("stall", Fault("stall")),
    ("hang", Opening),
    ("crash", Fault("crashed")),
    ("unplug", Opening),
    ("drop=30", Pictures),
    ("corrupt=30", Fault("damaged")),
    ("torn=30", Pictures),
    ("black", Pictures),
    ("cap", Pictures),
    ("dark", Pictures),
    ("bright", Pictures),
    ("green", Pictures),
    ("frozen", Pictures),
    ("blur", Pictures),
    ("noise", Pictures),
    ("flicker=50", Pictures),
    ("infrared", Pictures),
    ("swapped", Pictures),
    ("cast", Pictures),
    ("comb", Pictures),
    ("doubled", Pictures),
    ("letterbox", Pictures),
    ("slow=8", Pictures),
    ("late=200ms", Pictures),
    ("time-back", Pictures),
    ("resize=320x240", Pictures),
];

#[derive(Clone, Copy)]
struct Case {
    fault: &'static str,
    expect: Expect,
    isolation: Isolation,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (isolation {:?})", self.source(), self.isolation)
    }
}

impl Case {
    fn name(&self) -> &'static str {
        self.fault.split('=').next().unwrap()
    }

    fn is_of_opening(&self) -> bool {
        self.name().starts_with("open-")
    }

    fn source(&self) -> String {
        let fault = self.fault;
        // A fault of opening is met in the middle only by who has to open again.
        let windows = if self.is_of_opening() {
            format!("unplug@1500ms+300ms,{fault}@1500ms+3500ms")
        } else {
            format!("{fault}@1500ms+1500ms")
        };
        format!("sim:160x120@20,seed=5,{windows}")
    }

    /// When the last window is over.
    fn end(&self) -> Duration {
        Duration::from_millis(if self.is_of_opening() { 5_000 } else { 3_000 })
    }

    fn run(&self) -> Result<(), String> {
        let mut settings =
            CameraSettings { n_warm_up_frames: 0, isolation: self.isolation, ..CameraSettings::default() };
        settings.recovery.stall_deadline_secs = 0.5;
        let log = EventLog::new();
        let begun = Instant::now();
        let camera = Camera::start(
            SourceSpec::parse(&self.source())?,
            &settings,
            &TrustedCertificates::default(),
            log.clone(),
            Arc::new(|| {}),
        )
        .map_err(|error| error.to_string())?;
        let mut statuses = camera.status();
        let mut is_started_again = false;
        let deadline = begun + self.end() + PATIENCE;
        let recovered = loop {
            let Some(fresh) = statuses.wait_fresh(deadline) else { break None };
            let status = fresh.value;
            let is_over = begun.elapsed() > self.end();
            if is_over && status.state == State::Failed && matches!(self.expect, Terminal(_)) && !is_started_again {
                camera.send(Command::Start);
                is_started_again = true;
            }
            if is_over && is_well(&status) {
                break Some(status);
            }
        };
        let events = log.since(0);
        let said = || {
            let lines = events.iter().map(|event| format!("\n  {} {}", event.name, event.message));
            lines.collect::<Vec<_>>().concat()
        };
        let Some(status) = recovered else {
            return Err(format!("no picture after it was over: {:?}{}", statuses.current(), said()));
        };
        let is_told = |kind: &str| events.iter().any(|event| event.name == kind);
        match self.expect {
            Fault(kind) | Terminal(kind) if !is_told(kind) => Err(format!("“{kind}” was not told{}", said())),
            Pictures if status.ladder.iter().any(|rung| rung.n_tries > 0) => {
                Err(format!("something was done about it{}", said()))
            }
            Fault(_) | Terminal(_) | Pictures | Opening => Ok(()),
        }
    }
}

/// A picture, and of the size that was agreed.
fn is_well(status: &Status) -> bool {
    status.state == State::Streaming && status.alerts.is_empty() && status.frames > 0
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (fault, expect) in FAULTS {
        for isolation in [Isolation::Off, Isolation::On] {
            // Without a process of its own, a crash is the program's.
            if *fault == "crash" && isolation == Isolation::Off {
                continue;
            }
            cases.push(Case { fault, expect: *expect, isolation });
        }
    }
    cases
}

#[test]
fn every_fault_is_survived() {
    let left = Mutex::new(VecDeque::from(cases()));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..N_AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().unwrap().pop_front() else { break };
                    if let Err(why) = case.run() {
                        failed.lock().unwrap().push(format!("{case}: {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases().len(), failed.join("\n"));
}

#[test]
fn no_fault_is_left_out() {
    let help = simulated::help();
    let table = help.split("and with which real cameras").nth(1).unwrap();
    let named = table.lines().filter_map(|line| line.strip_prefix("  ")?.split(['=', ' ']).next());
    let named: Vec<_> = named.filter(|name| name.starts_with(char::is_lowercase)).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(FAULTS.iter().any(|(fault, _)| fault.split('=').next() == Some(name)), "{name} is not tried");
    }
}
