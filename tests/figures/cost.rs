//! What isolation and failed cameras cost: CPU, age of the picture, and time to start.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{Camera, StatusReader};
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation, TrustedCertificates};
use camclinic::source::SourceSpec;
use camclinic::status::State;

use crate::cameras::{PATIENCE, start, streams, wait};
use crate::machine;
use crate::table::{Scale, Times, print, print_plain, print_skipped};

/// What a run shows of a stream of 1080p pictures.
struct Run {
    /// CPU time for each frame, of all processes concerned.
    #[cfg_attr(not(feature = "opencv"), expect(dead_code, reason = "compared with OpenCV's loop only"))]
    cpu_secs: f64,
    /// From the driver's hand-over to the moment at which a reader has the picture.
    ages: Vec<Duration>,
}

/// Reads so many frames from a camera that has been running for a while.
fn watch(source: &str, isolation: Isolation, n: usize) -> Option<Run> {
    let camera = start(source, isolation);
    let (status, _) = wait(&camera, "streaming for a while", |status| streams(status) && status.frames > 30);
    let worker = if status.is_isolated { Some(machine::worker_of(&status.source)?) } else { None };
    let cpu = || Some(machine::cpu_secs(std::process::id())? + worker.map_or(Some(0.0), machine::cpu_secs)?);
    let mut frames = camera.frames();
    let mut ages = Vec::new();
    let before = cpu()?;
    let mut n_frames = 0;
    while ages.len() < n {
        let fresh = frames.wait_fresh(Instant::now() + PATIENCE).expect("frames go on");
        ages.push(fresh.value.taken_at.elapsed());
        n_frames += 1 + fresh.n_skipped;
    }
    Some(Run { cpu_secs: (cpu()? - before) / n_frames as f64, ages })
}

#[cfg(feature = "opencv")]
pub fn cpu_and_age_of_a_file(scale: Scale) {
    let (what_cpu, what_age) = ("CPU per 1080p frame, isolated", "age added by isolation, 1080p30 file");
    if !machine::has_proc() {
        return print_skipped(what_cpu, "there is no /proc");
    }
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.avi");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=20", "-c:v", "mjpeg", "-q:v", "4"]);
    if !ffmpeg.arg(&film).status().is_ok_and(|status| status.success()) {
        return print_skipped(what_cpu, "there is no ffmpeg to make a film with");
    }
    let film = film.to_str().unwrap();
    let n = scale.of(300);
    // In turn, so that a change of the machine's speed meets all of them.
    let (mut isolated, mut whole, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.of(3) {
        isolated.extend(watch(film, Isolation::On, n));
        whole.push(loop_here(film, n, true));
        bare.push(loop_here(film, n, false));
    }
    let n = n * isolated.len();
    let cpu = |runs: &[Run]| Times::of_secs(runs.iter().map(|run| run.cpu_secs)).at(0.5);
    let ms = |runs: &[Run]| cpu(runs) * 1_000.0;
    let ratio = cpu(&isolated) / cpu(&whole);
    print(
        what_cpu,
        &format!("{ratio:.2} x the same loop here: {:.1} / {:.1} ms", ms(&isolated), ms(&whole)),
        "≤ 1.10 x",
        n,
        ratio <= 1.10,
    );
    let ratio = cpu(&isolated) / cpu(&bare);
    print_plain(
        "  against a loop that keeps no picture",
        &format!("{ratio:.2} x: {:.1} / {:.1} ms", ms(&isolated), ms(&bare)),
        n,
    );
    let ages = |runs: &[Run]| Times::new(runs.iter().flat_map(|run| run.ages.iter().copied()));
    print_age(what_age, &ages(&isolated), &ages(&whole));
}

#[cfg(not(feature = "opencv"))]
pub fn cpu_and_age_of_a_file(_: Scale) {
    print_skipped("CPU per 1080p frame, isolated", "this build has no OpenCV");
}

/// The same backend in this process, as a plain loop.
#[cfg(feature = "opencv")]
fn loop_here(film: &str, n: usize, keeps_pictures: bool) -> Run {
    use camclinic::backend::Backend;
    use camclinic::source::{OpenRequest, Picture};
    let spec = SourceSpec::parse(film).unwrap();
    let request = OpenRequest::new(spec, &CameraSettings::default(), &TrustedCertificates::default());
    let mut source = crate::opencv::open(Backend::Ffmpeg, &request).unwrap();
    let mut newest = None;
    let mut one = || {
        let grabbed = source.grab().unwrap();
        let picture = source.retrieve().unwrap();
        if keeps_pictures {
            newest = Some(Picture::into_image(picture).unwrap());
        }
        std::hint::black_box(&newest);
        grabbed.taken_at.elapsed()
    };
    for _ in 0..30 {
        one();
    }
    let cpu = || machine::cpu_secs(std::process::id()).unwrap();
    let before = cpu();
    let ages: Vec<Duration> = (0..n).map(|_| one()).collect();
    Run { cpu_secs: (cpu() - before) / n as f64, ages }
}

pub fn age_of_a_simulated_camera(scale: Scale) {
    let what = "age added by isolation, 1080p30 simulated";
    let n = scale.of(300);
    let source = "sim:1920x1080@30";
    let (mut isolated, mut here) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(2) {
        let (Some(one), Some(other)) = (watch(source, Isolation::On, n), watch(source, Isolation::Off, n)) else {
            return print_skipped(what, "there is no /proc");
        };
        isolated.extend(one.ages);
        here.extend(other.ages);
    }
    print_age(what, &Times::new(isolated), &Times::new(here));
}

fn print_age(what: &str, isolated: &Times, here: &Times) {
    let added_ms = (isolated.at(0.95) - here.at(0.95)) * 1_000.0;
    print(what, &format!("p95 {added_ms:+.1} ms"), "≤ 5 ms", isolated.len(), added_ms <= 5.0);
    print_plain("  driver → newest frame, isolated", &isolated.in_ms(), isolated.len());
    print_plain("  the same in one process", &here.in_ms(), here.len());
}

pub fn failed_cameras(scale: Scale) {
    for (source, isolation, how, may_look) in [
        ("sim:open-denied", Isolation::Off, "in process", false),
        ("sim:open-denied", Isolation::On, "isolated", false),
        ("sim:open-missing", Isolation::Off, "in process", true),
        ("sim:open-missing", Isolation::On, "isolated", true),
        ("/dev/video77", Isolation::Auto, "isolated", true),
    ] {
        failed_camera(source, isolation, how, may_look, Duration::from_secs(scale.of(20) as u64));
    }
}

fn failed_camera(source: &str, isolation: Isolation, how: &str, may_look: bool, time: Duration) {
    let what = format!("failed camera {source}, {how}");
    let Some(before) = machine::cpu_secs_with_children() else {
        return print_skipped(&what, "there is no /proc");
    };
    let attempts = Arc::new(Attempts::default());
    let spec = SourceSpec::parse(source).unwrap();
    let settings = CameraSettings { isolation, ..CameraSettings::default() };
    let counting = Arc::clone(&attempts);
    let began = Instant::now();
    let camera = Camera::start(
        spec,
        &settings,
        &TrustedCertificates::default(),
        EventLog::new(),
        Arc::new(move || counting.look()),
    )
    .unwrap();
    let _ = attempts.statuses.set(Mutex::new(camera.status()));
    thread::sleep(time);
    drop(camera);
    let took = began.elapsed().as_secs_f64();
    let percent = (machine::cpu_secs_with_children().unwrap() - before) / took * 100.0;
    let n_more = attempts.n.load(Ordering::Relaxed);
    print(
        &what,
        &format!("{percent:.1} % of a core; opened {n_more} more times in {took:.0} s"),
        if may_look { "≤ 1 %" } else { "≤ 1 %, not again" },
        n_more,
        percent <= 1.0 && (may_look || n_more == 0),
    );
}

/// Counts how often a camera is opened again: each time that a pause ends. Looks at every status, on the thread that
/// publishes them.
#[derive(Default)]
struct Attempts {
    statuses: OnceLock<Mutex<StatusReader>>,
    was_resting: AtomicBool,
    n: AtomicUsize,
}

impl Attempts {
    fn look(&self) {
        let Some(status) = self.statuses.get().and_then(|statuses| statuses.lock().unwrap().current()) else { return };
        let rests = status.next_try_secs.is_some();
        if self.was_resting.swap(rests, Ordering::Relaxed) && !rests && status.state != State::Failed {
            self.n.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub fn time_to_start(scale: Scale) {
    let n = scale.of(20);
    let program = env!("CARGO_BIN_EXE_camclinic");
    let version = || {
        let before = Instant::now();
        assert!(Command::new(program).arg("--version").stdout(Stdio::null()).status().unwrap().success());
        before.elapsed()
    };
    version();
    print_plain("camclinic --version", &Times::new((0..n).map(|_| version())).in_ms(), n);
    greeting();
    print_plain("worker until its greeting", &Times::new((0..n).map(|_| greeting())).in_ms(), n);
}

fn greeting() -> Duration {
    let before = Instant::now();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_camclinic-worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(worker.stdout.take().unwrap()).lines();
    let hello = said.map_while(Result::ok).find(|line| line.contains("Hello"));
    let took = before.elapsed();
    assert!(hello.is_some(), "the worker ended without a greeting");
    // It ends with its pipe.
    drop(worker.stdin.take());
    worker.wait().unwrap();
    took
}
