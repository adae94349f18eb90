//! Network cameras: how soon there is a picture, how old it is, what it costs, and how soon it is back. The camera is a real
//! server on loopback.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::Camera;
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation};

use crate::cameras::{PATIENCE, start, start_with, streams, wait};
use crate::machine;
use crate::server::{self, Server};
use crate::table::{Scale, Times, print, print_plain, print_skipped};

const HD: &str = "--size 1280x720 --noise --kbit 4000 --key-on-play";

/// From nothing to the first picture that anybody can have.
fn first_picture(url: &str) -> Duration {
    let before = Instant::now();
    let camera = start(url, Isolation::Auto);
    camera.frames().wait_fresh(before + PATIENCE).expect("a first picture");
    before.elapsed()
}

pub fn first_pictures(scale: Scale) {
    let what = "first picture, 720p30 H.264 over RTSP";
    let Some(server) = Server::start(HD) else { return print_skipped(what, "there is no GStreamer server") };
    let n = scale.of(30);
    let times = Times::new((0..n).map(|_| first_picture(&server.url(""))));
    print(what, &times.in_words(), "median ≤ 1.0 s", n, times.at(0.5) <= 1.0);
}

pub fn delay(scale: Scale) {
    let what = "delay from server to reader, 720p30 H.264";
    let Some(server) = Server::start(HD) else { return print_skipped(what, "there is no GStreamer server") };
    let camera = start(&server.url(""), Isolation::Auto);
    wait(&camera, "streaming for a while", |status| streams(status) && status.frames > 30);
    let mut frames = camera.frames();
    let n = scale.of(900);
    let times = Times::new((0..n).map(|_| {
        let frame = frames.wait_fresh(Instant::now() + PATIENCE).expect("frames go on").value;
        server::read(&frame.image).1
    }));
    print(what, &times.in_ms(), "median ≤ 150 ms", n, times.at(0.5) <= 0.150);
}

pub fn killed_and_back(scale: Scale) {
    let what = "server killed, back after 5 s → picture";
    let Some(mut server) = Server::start(HD) else { return print_skipped(what, "there is no GStreamer server") };
    let n = scale.of(50);
    let log = EventLog::new();
    let camera = start_with(&server.url(""), &CameraSettings::default(), log.clone());
    let mut frames = camera.frames();
    let mut one = |nth: usize| {
        wait(&camera, "streaming", streams);
        // At any moment between two looks.
        thread::sleep(Duration::from_millis(1_000 + 137 * (nth as u64 % 10)));
        server.kill();
        thread::sleep(Duration::from_secs(5));
        server.start_again();
        let back = Instant::now();
        while frames.wait_fresh(back + PATIENCE).expect("the picture comes back").value.taken_at < back {}
        back.elapsed()
    };
    let times = Times::new((0..n).map(&mut one));
    print(what, &times.in_words(), "p95 ≤ 2 s, 100 %", n, times.at(0.95) <= 2.0);
}

pub fn standing_still(scale: Scale) {
    let what = "server stopped with its connection open → noticed";
    let n = scale.of(20);
    let mut noticed = Vec::new();
    for nth in 0..n {
        let Some(server) = Server::start(HD) else { return print_skipped(what, "there is no GStreamer server") };
        let camera = start(&server.url(""), Isolation::Auto);
        wait(&camera, "streaming", |status| streams(status) && status.frames > 20);
        thread::sleep(Duration::from_millis(37 * nth as u64));
        server.signal("STOP");
        let stopped = Instant::now();
        wait(&camera, "not streaming", |status| !streams(status));
        noticed.push(stopped.elapsed());
    }
    let times = Times::new(noticed);
    print(what, &times.in_words(), "max ≤ 2 s", n, times.at(1.0) <= 2.0);
}

pub fn beside_a_dead_one(scale: Scale) {
    let what = "one dead camera: delay of another's first picture";
    let Some(server) = Server::start("--size 640x480 --key-on-play") else {
        return print_skipped(what, "there is no GStreamer server");
    };
    // Takes connections, and never answers.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead_url = format!("rtsp://127.0.0.1:{}/1", dead.local_addr().unwrap().port());
    let n = scale.of(70);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    // In turn, so that a change of the machine's speed meets both.
    for _ in 0..n {
        alone.push(first_picture(&server.url("")));
        let dead_camera: Camera = start(&dead_url, Isolation::Auto);
        // It is waiting by then.
        thread::sleep(Duration::from_millis(300));
        beside.push(first_picture(&server.url("")));
        drop(dead_camera);
    }
    let (alone, beside) = (Times::new(alone), Times::new(beside));
    let more_ms = (beside.at(0.5) - alone.at(0.5)) * 1_000.0;
    let measured = format!("median {more_ms:+.0} ms: {:.0} / {:.0} ms", beside.at(0.5) * 1e3, alone.at(0.5) * 1e3);
    print(what, &measured, "≤ 50 ms", n, more_ms <= 50.0);
}

pub fn cpu(scale: Scale) {
    let what = "CPU of 1080p30 H.264 over RTSP";
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.h264");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=10,noise=alls=8:allf=t"]);
    ffmpeg
        .args(["-c:v", "libx264", "-preset", "veryfast", "-b:v", "9M", "-maxrate", "9M", "-bufsize", "9M", "-g", "30"]);
    ffmpeg.args(["-bf", "0", "-pix_fmt", "yuv420p", "-profile:v", "high", "-x264-params", "aud=1:sliced-threads=0"]);
    if !ffmpeg.args(["-f", "h264"]).arg(&clip).status().is_ok_and(|status| status.success()) {
        return print_skipped(what, "there is no ffmpeg to make a film with");
    }
    let Some(server) = Server::start(&format!("--clip {}", clip.display())) else {
        return print_skipped(what, "there is no GStreamer server");
    };
    let url = server.url("");
    let time = Duration::from_secs(scale.of(20).max(5) as u64);
    let n = scale.of(3);
    let (mut workers, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let share = our_share(&url, time);
        workers.extend(share.map(|(worker, _)| worker));
        ours.extend(share.map(|(_, ours)| ours));
        theirs.extend(their_share(&url, time));
    }
    let [worker, ours, theirs] = [workers, ours, theirs].map(|shares| Times::of_secs(shares).at(0.5));
    let ratio = worker / theirs;
    let measured = format!("{ratio:.2} x ffmpeg -f null: {:.1} / {:.1} ms a frame", worker / 0.03, theirs / 0.03);
    print(what, &measured, "≤ 1.1 x", n, ratio <= 1.1);
    print_plain("  the program besides", &format!("{:.1} ms a frame", ours / 0.03), n);
}

/// Seconds of CPU a second: of the worker, and of this process.
fn our_share(url: &str, time: Duration) -> Option<(f64, f64)> {
    let camera = start(url, Isolation::Auto);
    let (status, _) = wait(&camera, "streaming for a while", |status| streams(status) && status.frames > 60);
    let worker = machine::worker_of(&status.source)?;
    let cpu = || Some((machine::cpu_secs(worker)?, machine::cpu_secs(std::process::id())?));
    let (began, before) = (Instant::now(), cpu()?);
    thread::sleep(time);
    let (after, secs) = (cpu()?, began.elapsed().as_secs_f64());
    Some(((after.0 - before.0) / secs, (after.1 - before.1) / secs))
}

fn their_share(url: &str, time: Duration) -> Option<f64> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "quiet", "-nostdin", "-rtsp_transport", "tcp", "-i", url, "-an", "-f", "null", "-"]);
    let mut ffmpeg = ffmpeg.stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
    thread::sleep(Duration::from_secs(4));
    let before = (Instant::now(), machine::cpu_secs(ffmpeg.id())?);
    thread::sleep(time);
    let share = (machine::cpu_secs(ffmpeg.id())? - before.1) / before.0.elapsed().as_secs_f64();
    ffmpeg.kill().ok()?;
    ffmpeg.wait().ok()?;
    Some(share)
}
