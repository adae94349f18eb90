//! Recording while all is well: pictures lost at rotations, what it costs, and how soon clips are listed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use camclinic::camera::Camera;
use camclinic::clips::{
    ClipEvent, ClipFolder, ClipKind, ClipName, ClipPaths, ClipReason, Sidecar, SidecarState, WallTime, audit,
    camera_folder, list,
};
use camclinic::event::{self, Level};
use camclinic::frame::Size;
use camclinic::logging::EventLog;
use camclinic::recorder::clip_file::ClipFile;
use camclinic::recorder::{Recorder, RecordingMode, RecordingPlan, RecordingStatus, stop_all};
use camclinic::settings::{CameraId, CameraSettings, Isolation};

use crate::cameras::{side_by_side, start_with, streams, wait};
use crate::ends::quick_folder;
use crate::film::{FPS, Film, time_of};
use crate::machine;
use crate::server::Server;
use crate::table::{Scale, Times, print, print_plain, print_skipped};

const FULL_HD: Size = Size { width: 1920, height: 1080 };

/// A camera that is recorded into a folder of its own.
pub struct Recorded {
    pub camera: Camera,
    pub recorder: Recorder,
}

impl Recorded {
    pub fn start(source: &str, isolation: Isolation, folder: &Path, plan: RecordingPlan) -> Self {
        let (log, id) = (EventLog::new(), CameraId(1));
        let settings = CameraSettings { isolation, ..CameraSettings::default() };
        let camera = start_with(source, &settings, log.of_camera(id));
        let folder = ClipFolder::open(folder, None, event::now()).unwrap();
        let recorder = Recorder::start(&camera, id, folder, plan, &log).unwrap();
        Self { camera, recorder }
    }

    /// Closes the clip: how it stood then, and how many packets had come in all.
    pub fn stop(self) -> (RecordingStatus, u64) {
        let ring = self.camera.packets();
        // What comes from now on is not asked for.
        drop(self.camera);
        thread::sleep(Duration::from_millis(300));
        let n_packets = ring.end();
        let news = stop_all(vec![self.recorder], || {}).remove(0);
        (news.recording, n_packets)
    }
}

// ---- rotation

pub fn rotations(scale: Scale) {
    const N_CAMERAS: usize = 4;
    let n = scale.of(1_000);
    let counts = side_by_side(N_CAMERAS, N_CAMERAS, |nth| rotate(nth, n.div_ceil(N_CAMERAS)));
    let (n_rotations, n_packets, n_kept, n_gaps) = counts
        .into_iter()
        .fold((0, 0, 0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1, sum.2 + count.2, sum.3 + count.3));
    let measured = format!("{} of {n_packets}; gaps {n_gaps}", n_packets - n_kept);
    let is_reached = n_packets == n_kept && n_gaps == 0 && n_rotations >= n;
    print("pictures lost at rotations", &measured, "0", n_rotations, is_reached);
}

/// Rotations, packets that came, pictures in the clips, and places where the clips do not follow upon each other.
fn rotate(nth: usize, n: usize) -> (usize, u64, u64, usize) {
    let folder = tempfile::tempdir().unwrap();
    let plan = RecordingPlan { part: Duration::from_millis(500), ..RecordingPlan::new(RecordingMode::Continuous) };
    let recorded = Recorded::start(&format!("sim:160x120@30,seed={nth}"), Isolation::Off, folder.path(), plan);
    let deadline = Instant::now() + Duration::from_secs(30 + 2 * n as u64);
    while recorded.recorder.news(Instant::now()).recording.clips < n as u64 + 1 {
        assert!(Instant::now() < deadline, "it came to no end: {:?}", recorded.recorder.news(Instant::now()));
        thread::sleep(Duration::from_millis(100));
    }
    let (_, n_packets) = recorded.stop();
    assert!(audit(folder.path(), &mut |_, _| true).unwrap().is_empty());
    let clips = list(folder.path()).unwrap().clips;
    let about = |n: usize| clips[n].about().unwrap();
    let n_kept = (0..clips.len()).map(|n| about(n).pictures).sum();
    // The next one begins where the one before it ends. A busy computer has a picture late now and then.
    let is_gap = |n: &usize| about(n + 1).started.at().duration_since(about(*n).ended.at()).as_secs_f64().abs() > 0.5;
    let n_gaps = (0..clips.len() - 1).filter(is_gap).count();
    (clips.len() - 1, n_packets, n_kept, n_gaps)
}

// ---- costs

/// Of the threads that have to do with a recording and not with decoding.
fn cpu_besides_decoding(worker: u32) -> f64 {
    const OURS: [&str; 3] = ["recorder", "record-jpeg", "events-"];
    const WORKERS: [&str; 5] = ["packets", "gateway", "gateway-stream", "heartbeat", "requests"];
    let sum = |pid: u32, names: &[&str]| {
        let threads = machine::cpu_of_threads(pid);
        threads
            .iter()
            .filter(|(name, _)| names.iter().any(|begin| name.starts_with(begin)))
            .map(|(_, cpu)| *cpu)
            .sum::<u64>()
    };
    (sum(std::process::id(), &OURS) + sum(worker, &WORKERS)) as f64 / 1e9
}

fn cpu_of_all(worker: u32) -> f64 {
    let of = |pid: u32| machine::cpu_of_threads(pid).iter().map(|(_, cpu)| *cpu).sum::<u64>();
    (of(std::process::id()) + of(worker)) as f64 / 1e9
}

/// Recording switched on and off beside a view that goes on.
pub fn cpu_of_recording(scale: Scale) {
    let what = "CPU added by recording 1080p30 H.264 (RTSP)";
    let Some(film) = Film::h264(FULL_HD, 8_000, FPS, 10).filter(|_| machine::has_proc()) else {
        return print_skipped(what, "there is no ffmpeg or no /proc");
    };
    let place = tempfile::tempdir().unwrap();
    let clip = place.path().join("film.h264");
    fs::write(&clip, film.annex_b(1)).unwrap();
    let Some(server) = Server::start(&format!("--clip {}", clip.display())) else {
        return print_skipped(what, "there is no GStreamer server");
    };
    let time = Duration::from_secs(scale.of(20).max(5) as u64);
    let n = scale.of(6);
    let (log, id) = (EventLog::new(), CameraId(1));
    let camera = start_with(&server.url(""), &CameraSettings::default(), log.of_camera(id));
    let (status, _) = wait(&camera, "streaming for a while", |status| streams(status) && status.frames > 60);
    let Some(worker) = machine::worker_of(&status.source) else { return print_skipped(what, "it has no worker") };
    let (mut added, mut added_in_all) = (Vec::new(), Vec::new());
    let measure = || {
        let (began, before, all_before) = (Instant::now(), cpu_besides_decoding(worker), cpu_of_all(worker));
        thread::sleep(time);
        let secs = began.elapsed().as_secs_f64();
        ((cpu_besides_decoding(worker) - before) / secs, (cpu_of_all(worker) - all_before) / secs)
    };
    for nth in 0..n {
        let off = measure();
        let folder = ClipFolder::open(&place.path().join(format!("{nth}")), None, event::now()).unwrap();
        let plan = RecordingPlan::new(RecordingMode::Continuous);
        let recorder = Recorder::start(&camera, id, folder, plan, &log).unwrap();
        // Whoever asks for packets gets them a moment later.
        thread::sleep(Duration::from_secs(3));
        let on = measure();
        let news = stop_all(vec![recorder], || {}).remove(0);
        assert!(news.recording.pictures > u64::from(FPS) * time.as_secs() && news.recording.lost == 0, "{news:?}");
        added.push(on.0 - off.0);
        added_in_all.push(on.1 - off.1);
    }
    let (added, in_all) = (Times::of_secs(added), Times::of_secs(added_in_all));
    let percent = added.at(0.5) * 100.0;
    print(
        what,
        &format!("median {percent:.2} % of a core (max {:.2} %)", added.at(1.0) * 100.0),
        "≤ 0.6 %",
        n,
        percent <= 0.6,
    );
    let measured = format!(
        "median {:+.2} % (from {:+.2} to {:+.2} %)",
        in_all.at(0.5) * 1e2,
        in_all.at(0.0) * 1e2,
        in_all.at(1.0) * 1e2
    );
    print_plain("  all threads, those that decode too", &measured, n);
}

/// The same packets through our writer and through FFmpeg.
pub fn writer_against_ffmpeg(scale: Scale) {
    let what = "writer against ffmpeg -c copy, 1080p30 8 Mbit/s";
    let Some(film) = Film::h264(FULL_HD, 8_000, FPS, 10).filter(|_| machine::has_proc()) else {
        return print_skipped(what, "there is no ffmpeg or no /proc");
    };
    let n_times = 18;
    let place = quick_folder();
    let stream = place.path().join("film.h264");
    fs::write(&stream, film.annex_b(n_times)).unwrap();
    let n_pictures = u32::try_from(film.n_pictures() * n_times).unwrap();
    let n = scale.of(10);
    let (mut ours, mut theirs, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        ours.push(our_cpu(&film, n_pictures, place.path()));
        theirs.extend(their_cpu(&stream, place.path(), None));
        start.extend(their_cpu(&stream, place.path(), Some("1")));
    }
    let [ours, theirs, start] = [ours, theirs, start].map(|secs| Times::of_secs(secs).at(0.5));
    // What FFmpeg takes to start is not counted.
    let theirs = theirs - start;
    let ratio = ours / theirs;
    let secs = f64::from(n_pictures) / f64::from(FPS);
    let measured = format!("{ratio:.2} x: {:.3} / {:.3} % of a core", ours / secs * 100.0, theirs / secs * 100.0);
    print(what, &measured, "≤ 1.0 x", n, ratio <= 1.0);
}

fn our_cpu(film: &Film, n_pictures: u32, folder: &Path) -> f64 {
    let cpu = || {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse::<u64>().unwrap() as f64 / 1e9
    };
    let path = folder.join("clip.recording.mp4");
    let began = Instant::now();
    let packets: Vec<_> = (0..n_pictures).map(|number| film.packet(number, began)).collect();
    let before = cpu();
    let mut clip = ClipFile::create(&path, &film.head, SystemTime::now()).unwrap();
    for (number, packet) in (0..).zip(&packets) {
        let _ = clip.push(packet).unwrap();
        clip.tick(began + time_of(number)).unwrap();
    }
    let closed = clip.close().unwrap();
    let took = cpu() - before;
    fs::remove_file(closed.path).unwrap();
    took
}

/// `None`: it failed.
fn their_cpu(stream: &Path, folder: &Path, n_frames: Option<&str>) -> Option<f64> {
    let children = || machine::cpu_secs_with_children().unwrap() - machine::cpu_secs(std::process::id()).unwrap();
    let out = folder.join("theirs.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-y", "-r", "30", "-i"]).arg(stream).args(["-c", "copy"]);
    ffmpeg.args(n_frames.map(|n| ["-frames:v", n]).into_iter().flatten()).arg(&out);
    let before = children();
    let is_good = ffmpeg.stdout(Stdio::null()).status().ok()?.success();
    let took = children() - before;
    let _ = fs::remove_file(out);
    is_good.then_some(took)
}

// ---- the list

pub fn list_of_thousand(scale: Scale) {
    const N_CLIPS: usize = 1_000;
    let place = quick_folder();
    for n in 0..N_CLIPS {
        let started: WallTime =
            format!("2026-11-{:02}T{:02}:{:02}:00Z", 1 + n / 100, n % 100 / 10, n % 10).parse().unwrap();
        let name = ClipName { started, reason: ClipReason::new(ClipKind::Fault, "stall") };
        let paths = ClipPaths::new(place.path(), &camera_folder("Yard", "Yard"), &name);
        fs::create_dir_all(paths.closed.parent().unwrap()).unwrap();
        fs::write(&paths.closed, [0; 4_096]).unwrap();
        let mut sidecar = Sidecar {
            state: SidecarState::Closed,
            reason: ClipKind::Fault,
            started,
            ended: started.later_by_ms(17_250),
            sha256: "0".repeat(64),
            ..Sidecar::default()
        };
        for nth in 0..20 {
            let message = format!("No picture for 7.3 s: the camera was unplugged, number {nth}").into();
            sidecar.add_event(ClipEvent { at: started.at(), level: Level::Warning, name: "stall".into(), message });
        }
        sidecar.write(&paths.sidecar).unwrap();
    }
    let n = scale.of(20);
    let times = Times::new((0..n).map(|_| {
        let began = Instant::now();
        assert_eq!(list(place.path()).unwrap().clips.len(), N_CLIPS);
        began.elapsed()
    }));
    print("list of 1 000 clips", &times.in_ms(), "≤ 200 ms", n, times.at(1.0) <= 0.2);
}
