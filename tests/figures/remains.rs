//! What is left when workers die, cameras hang, and devices are opened thousands of times.

use std::path::Path;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{Camera, Command};
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation, TrustedCertificates};
use camclinic::source::SourceSpec;
use camclinic::status::State;

use crate::cameras::{PATIENCE, side_by_side, start, start_with, streams, wait};
use crate::machine::{self, Held};
use crate::server::Server;
use crate::table::{Scale, Times, print, print_skipped};

/// Threads and processes need a moment to be gone.
const SETTLING: Duration = Duration::from_secs(5);
const N_LANES: usize = 8;
/// Each re-open tells three events, of which 5 000 are kept.
const N_UNTIL_LOG_IS_FULL: usize = 2_000;

fn settings(isolation: Isolation) -> CameraSettings {
    CameraSettings { isolation, n_warm_up_frames: 0, ..CameraSettings::default() }
}

pub fn killed_workers(scale: Scale) {
    let what = "worker killed -9";
    // The first time loads what is loaded once.
    kill_workers(1);
    let Some(before) = settled(None) else { return print_skipped(what, "there is no /proc") };
    let n_each = scale.of(1_000).div_ceil(N_LANES);
    kill_workers(n_each);
    let after = settled(Some(before)).unwrap();
    let more = |after: usize, before: usize| after.saturating_sub(before);
    let left = Held {
        processes: more(after.processes, before.processes),
        files: more(after.files, before.files),
        threads: more(after.threads, before.threads),
        shared: more(after.shared, before.shared),
    };
    let is_clean = left == Held { processes: 0, files: 0, threads: 0, shared: 0 };
    print(what, &format!("left: {}", left.in_words()), "nothing left", n_each * N_LANES, is_clean);
}

/// What is held once it is no more than before, or does not become less.
fn settled(before: Option<Held>) -> Option<Held> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let held = Held::now()?;
        if before.is_some_and(|before| held == before) || Instant::now() >= deadline {
            return Some(held);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Each of the cameras side by side loses its worker so many times, and gets a new one at once.
fn kill_workers(n_times: usize) {
    if !machine::has_proc() {
        return;
    }
    side_by_side(N_LANES, N_LANES, |lane| {
        let camera = start_with(&format!("sim:160x120@60,seed={lane}"), &settings(Isolation::On), EventLog::new());
        let mut n_frames = 0;
        for _ in 0..n_times {
            let (status, _) =
                wait(&camera, "streaming with new frames", |status| streams(status) && status.frames > n_frames);
            n_frames = status.frames;
            let worker = machine::worker_of(&status.source).expect("a camera that streams has a worker");
            machine::kill(worker);
            wait(&camera, "at fault", |status| !streams(status));
            camera.send(Command::RecoverNow);
        }
        wait(&camera, "streaming at the end", |status| streams(status) && status.frames > n_frames);
    });
}

pub fn closing_hung_cameras(scale: Scale) {
    let n = scale.of(10);
    let times = Times::new((0..n).map(|_| {
        let faults = ["open-hang", "hang"].iter().cycle().take(8);
        let cameras: Vec<Camera> = faults.map(|fault| start(&format!("sim:160x120,{fault}"), Isolation::On)).collect();
        for camera in cameras.iter().skip(1).step_by(2) {
            wait(camera, "open", |status| status.is_opened);
        }
        let before = Instant::now();
        Camera::close_all(cameras);
        before.elapsed()
    }));
    print("closing 8 hung cameras", &times.in_words(), "max ≤ 1 s", n, times.at(1.0) <= 1.0);
    let what = "workers left 2 s after closing them";
    thread::sleep(Duration::from_secs(2));
    match machine::children() {
        Some(left) => print(what, &left.len().to_string(), "0", n * 8, left.is_empty()),
        None => print_skipped(what, "there is no /proc"),
    }
}

pub fn memory(scale: Scale) {
    // What is kept beside the pictures shows with small ones: a picture more or less of the allocator hides it otherwise.
    reopen("64x48@500", Isolation::Off, scale, 100, 10_000);
    reopen("1920x1080@60", Isolation::Off, scale, 100, 10_000);
}

pub fn memory_isolated(scale: Scale) {
    reopen("1920x1080@60", Isolation::On, scale, 50, 300);
}

/// A few seconds of film.
fn film(folder: &Path) -> Option<String> {
    let film = folder.join("film.mp4");
    let mut ffmpeg = process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=5"]).arg(&film);
    ffmpeg.status().is_ok_and(|status| status.success()).then(|| film.display().to_string())
}

/// Opened and closed again and again, each in a process of its own: what is held afterwards.
pub fn cycles(scale: Scale) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start("--size 320x240 --key-on-play");
    let sources = [
        ("sim: in a process of its own", Some("sim:320x240@30".to_owned())),
        ("RTSP", server.as_ref().map(|server| server.url(""))),
        ("a file", film(folder.path())),
    ];
    for (name, source) in sources {
        let n = scale.of(500);
        let what = format!("opened and closed {n} times: {name}");
        let Some(source) = source.filter(|_| machine::has_proc()) else {
            print_skipped(&what, "there is no /proc, no ffmpeg or no server");
            continue;
        };
        let camera = start_with(&source, &settings(Isolation::On), EventLog::new());
        // The first ones load what is loaded once.
        let n_first = n.div_ceil(5);
        for _ in 0..n_first {
            reopen_once(&camera, || ());
        }
        let at_rest = || {
            let mut held = None;
            reopen_once(&camera, || held = Some((settled(None).unwrap(), memory_at_rest().unwrap().0)));
            held.unwrap()
        };
        let (before, mb_before) = at_rest();
        for _ in n_first..n {
            reopen_once(&camera, || ());
        }
        let (after, mb_after) = at_rest();
        let grown = mb_after / mb_before;
        let measured = format!("{} (before {}); memory {grown:.3} x", after.in_words(), before.in_words());
        print(&what, &measured, "as before, ≤ 1.05 x", n, after <= before && grown <= 1.05);
    }
}

/// Five cameras that fail again and again, each in processes of its own.
pub fn faulty_cameras(scale: Scale) {
    let time = Duration::from_secs(scale.of(22 * 60) as u64);
    let what = format!("memory beside five faulty cameras, {:.0} min", time.as_secs_f64() / 60.0);
    if !machine::has_proc() {
        return print_skipped(&what, "there is no /proc");
    }
    let repeat = |fault: &str, every: u64, length: &str| {
        let n = time.as_secs() / every + 1;
        (1..=n).map(|n| format!("{fault}@{}s+{length}", n * every)).collect::<Vec<_>>().join(",")
    };
    let faults = [
        // The names of the cameras stand in each event of the log: they shall not be what grows.
        repeat("hang", 40, "2s"),
        repeat("stall", 30, "3s"),
        repeat("unplug", 40, "4s"),
        "torn=30".to_owned(),
        repeat("crash", 60, "1s"),
    ];
    let cameras: Vec<_> = faults.iter().map(|fault| start(&format!("sim:640x480@30,{fault}"), Isolation::On)).collect();
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < time {
        thread::sleep(Duration::from_secs(1));
        samples.extend(machine::memory_mb().map(|(own, _)| own));
    }
    let part = samples.len() / 10;
    let median = |samples: &[f64]| Times::of_secs(samples.iter().copied()).at(0.5);
    let (early, late) = (median(&samples[part..2 * part]), median(&samples[samples.len() - part..]));
    print(&what, &format!("{early:.1} → {late:.1} MB"), "+ ≤ 3 MB", samples.len(), late - early <= 3.0);
    Camera::close_all(cameras);
}

/// Memory in MB once the device is closed and no picture is on its way any more.
fn memory_at_rest() -> Option<(f64, f64)> {
    let deadline = Instant::now() + SETTLING;
    while machine::has_thread("capture-") && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    // The supervisor drops what has been read last.
    thread::sleep(Duration::from_millis(10));
    machine::memory_mb()
}

/// Waits for the picture, stops, does `at_rest`, and starts.
fn reopen_once(camera: &Camera, at_rest: impl FnOnce()) {
    wait(camera, "streaming", streams);
    camera.send(Command::Stop);
    wait(camera, "stopped", |status| status.state == State::Idle);
    at_rest();
    camera.send(Command::Start);
    wait(camera, "started", |status| status.state != State::Idle);
}

fn reopen(mode: &str, isolation: Isolation, scale: Scale, first: usize, last: usize) {
    let how = if isolation == Isolation::On { "isolated" } else { "in process" };
    let last = scale.of(last).max(first + first);
    let what = format!("memory, {last} re-opens at {mode}, {how}");
    if !machine::has_proc() {
        return print_skipped(&what, "there is no /proc");
    }
    let n_around = first / 2;
    let camera = start_with("sim:64x48@500", &settings(Isolation::Off), EventLog::new());
    // The log keeps a certain number of events, and shall be full of them before anything is compared.
    for _ in 0..N_UNTIL_LOG_IS_FULL {
        reopen_once(&camera, || ());
    }
    let source = format!("sim:{mode},pattern=gradient");
    camera.send(Command::Apply(Box::new(settings(isolation)), TrustedCertificates::default()));
    camera.send(Command::Switch(Box::new(SourceSpec::parse(&source).unwrap())));
    wait(&camera, "switched", |status| status.source == source);
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for n in 1..=last {
        reopen_once(&camera, || {
            let is_early = (first - n_around..first + n_around).contains(&n);
            if is_early || n > last - 2 * n_around {
                let readings = if is_early { &mut early } else { &mut late };
                readings.extend(memory_at_rest());
            }
        });
    }
    drop(camera);
    let median =
        |readings: &[(f64, f64)], which: fn(&(f64, f64)) -> f64| Times::of_secs(readings.iter().map(which)).at(0.5);
    // The libraries that this program maps do not count: they would hide what grows.
    let (before, after) = (median(&early, |(own, _)| *own), median(&late, |(own, _)| *own));
    let (all_before, all_after) = (median(&early, |(_, all)| *all), median(&late, |(_, all)| *all));
    print(
        &what,
        &format!(
            "{:.3} x after {first}: {after:.1} / {before:.1} MB (with libraries {:.3} x)",
            after / before,
            all_after / all_before
        ),
        "≤ 1.05 x",
        last,
        after / before <= 1.05,
    );
    let what = format!("workers left, {how}");
    let deadline = Instant::now() + PATIENCE.min(SETTLING);
    let mut left = machine::children().unwrap_or_default();
    while !left.is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
        left = machine::children().unwrap_or_default();
    }
    print(&what, &left.len().to_string(), "0", last, left.is_empty());
}
