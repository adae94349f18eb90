//! The program from outside, while everything around it goes wrong: processes killed and stopped, servers restarted, settings
//! rewritten, the disk full, the clock set (where libfaketime is installed). What is done when comes from a seed, which is printed; `CHAOS_SEED` repeats it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::machine;
use crate::server::Server;
use crate::table::{Scale, Times, print, print_plain, print_skipped};

/// A whole run; the scale shortens it.
const RUN: Duration = Duration::from_mins(30);
/// At the end nothing is done to it, so that what can live does: longer than the longest pause between two tries.
const QUIET: Duration = Duration::from_secs(40);
/// Between two things that are done to it, in milliseconds. Each of the cameras is hit every minute or two: one that crashes again
/// and again is given up, and rightly so.
const PAUSE_MS: std::ops::Range<u64> = 2_000..10_000;
/// A window of its own beside it, with these of the simulated ones.
const N_SHOWN: usize = 4;
const LONGEST_PASS_MS: f64 = 100.0;
/// A status that comes so late is told as if the camera were looked after; it is to come each second.
const LATEST_STATUS: Duration = Duration::from_secs(4);
const N_KILLED: usize = 200;
const REMAINS_AFTER: Duration = Duration::from_secs(2);

/// Each fault comes again and again; those of the last row never end.
const SIMULATED: [&str; 8] = [
    "160x120@30,seed=1",
    "160x120@30,seed=2,hang@20s+2s",
    "160x120@15,seed=3,stall@10s+3s",
    "160x120@30,seed=4,unplug@15s+5s",
    "160x120@30,seed=5,torn=30@5s+20s",
    "160x120@30,seed=6,crash@25s+2s",
    "160x120@30,seed=7,open-hang",
    "160x120@30,seed=8,open-denied",
];
const N_STREAMS: usize = 8;

/// The program in a folder of its own, and what it says.
struct Program {
    child: Child,
    lines: Receiver<String>,
    folder: TempDir,
}

impl Program {
    fn start(sources: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("settings.json"), SETTINGS[0]).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_camclinic"))
            .args(["monitor", "--json", "--isolation", "on", "--interval", "1", "--settings"])
            .arg(folder.path().join("settings.json"))
            .args(sources)
            .envs(["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"].map(|name| (name, folder.path())))
            .envs(settable_clock(&folder.path().join("clock")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100_000);
        let read = move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        thread::Builder::new().name("program-output".into()).spawn(read).unwrap();
        Self { child, lines, folder }
    }

    fn workers(&self) -> Vec<u32> {
        machine::children_of(self.child.id()).into_iter().filter(|pid| machine::is_worker(*pid)).collect()
    }
}

/// What lets the wall clock of a program be set by a file. The steady clock goes on.
fn settable_clock(file: &Path) -> Vec<(&'static str, String)> {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    if !Path::new(&library).exists() {
        return Vec::new();
    }
    fs::write(file, "+0").unwrap();
    vec![
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// The window, on a screen of its own.
struct ShownWindow {
    /// Which has the program as its child.
    screen: Child,
    folder: TempDir,
}

impl ShownWindow {
    /// `None` where there is no Xvfb.
    fn start(sources: &[String]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let screen = Command::new("xvfb-run")
            .args([
                "-a",
                "-s",
                "-screen 0 1920x1080x24",
                env!("CARGO_BIN_EXE_camclinic"),
                "-vv",
                "--isolation",
                "on",
                "--settings",
            ])
            .arg(folder.path().join("settings.json"))
            .args(sources)
            .envs(["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"].map(|name| (name, folder.path())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("said")).unwrap())
            .spawn();
        Some(Self { screen: screen.ok()?, folder })
    }

    fn program(&self) -> Option<u32> {
        let is_program =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "camclinic");
        machine::children_of(self.screen.id()).into_iter().find(is_program)
    }

    fn workers(&self) -> Vec<u32> {
        let of_program = self.program().map(machine::children_of).unwrap_or_default();
        of_program.into_iter().filter(|pid| machine::is_worker(*pid)).collect()
    }

    /// How long the longest of its passes took, in milliseconds, and how many it had: it tells that at its end.
    fn end(mut self) -> Option<(f64, usize)> {
        machine::signal(self.program()?, "TERM");
        self.screen.wait().ok()?;
        let said = fs::read_to_string(self.folder.path().join("said")).ok()?;
        let line = said.lines().find(|line| line.contains("pictures of the window"))?;
        println!("{line}");
        // "N pictures of the window; 99 in a hundred took at most X ms, the longest Y ms, …"
        let numbers_in = |text: &str| text.split(' ').find_map(|word| word.parse::<f64>().ok());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let n = numbers_in(line)? as usize;
        Some((numbers_in(line.split_once("the longest")?.1)?, n))
    }
}

impl Drop for ShownWindow {
    fn drop(&mut self) {
        if let Some(program) = self.program() {
            machine::signal(program, "KILL");
        }
        let _ = self.screen.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What another program may write meanwhile, good and bad.
const SETTINGS: [&str; 4] = [
    r#"{"version":2,"cameras":[]}"#,
    r#"{"version":2,"cameras":[{"id":1,"source":"sim:","name":"Another"}],"new_camera":{"fps":15}}"#,
    r#"{"version":2,"#,
    "",
];

#[derive(Default)]
struct Seen {
    /// By camera: when its last status came, and its state.
    statuses: BTreeMap<String, (Instant, String)>,
    gaps: Vec<f64>,
    n_lines: usize,
    n_bad_lines: usize,
    n_stale: usize,
    summary: Option<Value>,
}

impl Seen {
    fn take(&mut self, line: &str, now: Instant) {
        self.n_lines += 1;
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            self.n_bad_lines += 1;
            return;
        };
        match value["type"].as_str() {
            Some("status") => {
                let source = value["source"].as_str().unwrap_or_default().to_owned();
                let state = value["state"].as_str().unwrap_or_default().to_owned();
                // A live camera has a young picture, whatever happens around it.
                let age = value["last_frame_age_secs"].as_f64().unwrap_or(f64::INFINITY);
                self.n_stale += usize::from(state == "streaming" && age > LATEST_STATUS.as_secs_f64());
                let state = match value["last_fault"]["message"].as_str() {
                    Some(why) if state != "streaming" => format!("{state}: {why}"),
                    _ => state,
                };
                if let Some((last, _)) = self.statuses.insert(source, (now, state)) {
                    self.gaps.push((now - last).as_secs_f64());
                }
            }
            Some("summary") => self.summary = Some(value),
            _ => {}
        }
    }
}

pub fn run(scale: Scale) {
    let what = "chaos: 16 cameras";
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let seed = std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("chaos seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut server = Server::start("--size 320x240 --key-on-play");
    let mut sources: Vec<String> = SIMULATED.iter().map(|items| format!("sim:{items}")).collect();
    match &server {
        Some(server) => sources.extend((0..N_STREAMS).map(|n| format!("{}?{n}", server.url("")))),
        None => sources.extend((0..N_STREAMS).map(|n| format!("sim:320x240@30,seed={n}"))),
    }
    let mut program = Program::start(&sources);
    let window = ShownWindow::start(&sources[1..=N_SHOWN]);
    let time = RUN / u32::try_from(30 / scale.of(30).max(1)).unwrap_or(1);
    let began = Instant::now();
    let mut seen = Seen::default();
    let mut memory = Vec::new();
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    let mut next = began + Duration::from_secs(5);
    let mut restart_at: Option<Instant> = None;
    while began.elapsed() < time {
        let now = Instant::now();
        if let Ok(line) = program.lines.recv_timeout(Duration::from_millis(50)) {
            seen.take(&line, Instant::now());
            continue;
        }
        if restart_at.is_some_and(|at| now >= at) {
            server.as_mut().unwrap().start_again();
            restart_at = None;
        }
        if now < next {
            continue;
        }
        memory.extend(machine::memory_of(program.child.id()));
        next = now + Duration::from_millis(random.u64(PAUSE_MS));
        if began.elapsed() + QUIET < time {
            let is_away = restart_at.is_some();
            let action = act(&mut random, &program, window.as_ref(), is_away);
            *done.entry(action).or_default() += 1;
            if action == "server"
                && let Some(server) = &mut server
            {
                server.kill();
                restart_at = Some(now + Duration::from_millis(random.u64(100..8_000)));
            }
        } else if let (Some(_), Some(server)) = (restart_at.take(), &mut server) {
            server.start_again();
        }
    }
    let ended = Command::new("kill").args(["-s", "TERM", &program.child.id().to_string()]).status();
    assert!(ended.unwrap().success());
    let status = program.child.wait().unwrap();
    for line in program.lines.try_iter() {
        seen.take(&line, Instant::now());
    }
    report(what, &seen, &memory, status.code(), &done);
    match window.and_then(ShownWindow::end) {
        Some((longest, n)) => {
            print(
                "chaos: longest pass of a window",
                &format!("{longest:.0} ms"),
                "< 100 ms",
                n,
                longest < LONGEST_PASS_MS,
            );
        }
        None => print_skipped("chaos: longest pass of a window", "there is no Xvfb"),
    }
    drop(program);
    thread::sleep(REMAINS_AFTER);
    let left = machine::remains();
    print("chaos: processes left", &left.len().to_string(), "0", 16, left.is_empty());
}

/// One thing that goes wrong.
fn act(random: &mut fastrand::Rng, program: &Program, window: Option<&ShownWindow>, is_away: bool) -> &'static str {
    let mut workers = program.workers();
    workers.extend(window.map(ShownWindow::workers).unwrap_or_default());
    let (settings, clock) = (program.folder.path().join("settings.json"), program.folder.path().join("clock"));
    match (random.u8(..11), workers.get(random.usize(..workers.len().max(1)))) {
        (0..=3, Some(worker)) => {
            machine::signal(*worker, "KILL");
            "kill"
        }
        (4 | 5, Some(worker)) => {
            machine::signal(*worker, "STOP");
            "stop"
        }
        (6, Some(worker)) => {
            machine::signal(*worker, "CONT");
            "continue"
        }
        (7, _) => {
            fs::write(settings, SETTINGS[random.usize(..SETTINGS.len())]).unwrap();
            "settings"
        }
        (8, _) => {
            disk(program.folder.path());
            "disk"
        }
        (9, _) if clock.exists() => {
            // Seconds, hours and years, on and back.
            let secs = 10_i64.pow(random.u32(..9)) * if random.bool() { 1 } else { -1 };
            fs::write(clock, format!("{secs:+}")).unwrap();
            "clock"
        }
        _ if is_away => "nothing",
        _ => "server",
    }
}

/// The folder of log and history cannot be written to, or can again.
fn disk(folder: &Path) {
    let state = folder.join("camclinic");
    let aside = folder.join("aside");
    if aside.exists() {
        let _ = fs::remove_file(&state);
        let _ = fs::rename(&aside, &state);
    } else if fs::rename(&state, &aside).is_ok() {
        fs::write(&state, "no folder").unwrap();
    }
}

fn report(what: &str, seen: &Seen, memory: &[f64], code: Option<i32>, done: &BTreeMap<&str, usize>) {
    let done: Vec<_> = done.iter().map(|(what, n)| format!("{n} {what}")).collect();
    print_plain(what, &done.join(", "), seen.n_lines);
    let gaps = Times::of_secs(seen.gaps.iter().copied());
    let longest = gaps.at(1.0);
    let bar = format!("≤ {} s", LATEST_STATUS.as_secs());
    print("chaos: longest time between two statuses", &format!("{longest:.1} s"), &bar, gaps.len(), {
        longest <= LATEST_STATUS.as_secs_f64() && seen.statuses.len() == SIMULATED.len() + N_STREAMS
    });
    let bad = format!("{} no JSON, {} live and old", seen.n_bad_lines, seen.n_stale);
    print("chaos: statuses that say what is not", &bad, "none", seen.n_lines, seen.n_bad_lines + seen.n_stale == 0);
    // The last two of the simulated ones can never be opened.
    let can_live = seen.statuses.iter().filter(|(source, _)| !source.contains(",open-"));
    let dead: Vec<_> = can_live
        .filter(|(_, (_, state))| state != "streaming")
        .map(|(source, (_, state))| format!("{source} {state}"))
        .collect();
    print("chaos: cameras that do not live afterwards", &format!("{dead:?}"), "none", 14, dead.is_empty());
    let told = seen.summary.as_ref().and_then(|summary| summary["exit_code"].as_i64());
    let is_right = told == code.map(i64::from) && code == Some(2);
    print("chaos: exit code, and as the summary tells it", &format!("{code:?}, {told:?}"), "2", 1, is_right);
    // The first minute loads what is loaded once.
    let (early, late) = memory.split_at(memory.len() / 3);
    let most = |samples: &[f64]| samples.iter().copied().fold(0.0, f64::max);
    let (early, late) = (most(early), most(late));
    let grown = format!("{early:.1} → {late:.1} MB at most");
    print("chaos: memory of the program", &grown, "+ 10 %", memory.len(), late <= early * 1.1);
}

/// The program killed at any moment: its workers, files and memory go with it.
pub fn killed_programs(scale: Scale) {
    let what = "program killed -9";
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let n = scale.of(N_KILLED);
    let mut left_files = 0;
    for round in 0..n {
        let sources: Vec<_> = (0..3).map(|camera| format!("sim:640x480@30,seed={camera}")).collect();
        let mut program = Program::start(&sources);
        // From before the first worker is started to well into the stream.
        thread::sleep(Duration::from_millis(round as u64 * 7 % 700));
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        left_files += fs::read_dir(program.folder.path()).unwrap().flatten().filter(is_temporary).count();
    }
    thread::sleep(REMAINS_AFTER);
    let (workers, shared) = (machine::remains().len(), machine::shared_files());
    let left = format!("{workers} workers, {shared} of shared memory, {left_files} files");
    print(what, &left, "nothing", n, workers + shared + left_files == 0);
}

fn is_temporary(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy().into_owned();
    !["settings.json", "camclinic", "clock"].contains(&name.as_str())
}
