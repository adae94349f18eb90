//! Several cameras: what each costs beside fifteen others, what it costs while nobody looks, and that one which hangs, is dead or
//! crashes is nobody else's trouble.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{self, Camera};
use camclinic::frame::Size;
use camclinic::settings::Isolation;
use camclinic::source::Demand;

use crate::cameras::{PATIENCE, start, streams, wait};
use crate::machine;
use crate::server::Server;
use crate::table::{Scale, Times, print, print_plain, print_skipped};

const N: usize = 16;
/// A tile of a grid of sixteen on a screen of 1920 points.
const TILE: Size = Size { width: 480, height: 270 };

/// Ten seconds of 720p30 H.264 with a key frame each second, hard to compress.
fn clip(folder: &Path) -> Option<PathBuf> {
    let clip = folder.join("clip.h264");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=10,noise=alls=8:allf=t"]);
    ffmpeg
        .args(["-c:v", "libx264", "-preset", "veryfast", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-g", "30"]);
    ffmpeg.args([
        "-bf",
        "0",
        "-pix_fmt",
        "yuv420p",
        "-profile:v",
        "high",
        "-x264-params",
        "aud=1:sliced-threads=0:scenecut=0",
    ]);
    ffmpeg.args(["-f", "h264"]).arg(&clip).status().is_ok_and(|status| status.success()).then_some(clip)
}

/// What `n` cameras cost, seconds of CPU a second: the workers, and this process.
struct Cost {
    workers: f64,
    ours: f64,
    /// Frames that were delivered, a second and camera.
    fps: f64,
}

fn cost(url: &str, n: usize, demand: Demand, time: Duration) -> Option<Cost> {
    let cameras: Vec<Camera> = (0..n).map(|_| start(url, Isolation::Auto)).collect();
    for camera in &cameras {
        wait(camera, "streaming for a while", |status| streams(status) && status.frames > 30);
        camera.send(camera::Command::SetDemand(demand));
    }
    // Until the change of demand is through.
    thread::sleep(Duration::from_secs(3));
    let workers: Vec<u32> = machine::children()?.into_iter().filter(|pid| machine::is_worker(*pid)).collect();
    let frames =
        || cameras.iter().filter_map(|camera| camera.status().current()).map(|status| status.frames).sum::<u64>();
    let cpu = || workers.iter().filter_map(|pid| machine::cpu_secs(*pid)).sum::<f64>();
    let (began, before, before_ours, n_before) =
        (Instant::now(), cpu(), machine::cpu_secs(std::process::id())?, frames());
    thread::sleep(time);
    let secs = began.elapsed().as_secs_f64();
    let cost = Cost {
        workers: (cpu() - before) / secs,
        ours: (machine::cpu_secs(std::process::id())? - before_ours) / secs,
        fps: (frames() - n_before) as f64 / secs / n as f64,
    };
    Camera::close_all(cameras);
    Some(cost)
}

pub fn cpu(scale: Scale) {
    let (each, hidden) = ("CPU of each of 16 cameras, 720p30 H.264, tiles", "16 cameras that nobody looks at");
    let folder = tempfile::tempdir().unwrap();
    let Some(clip) = clip(folder.path()).filter(|_| machine::has_proc()) else {
        return print_skipped(each, "there is no /proc, or no ffmpeg to make a film with");
    };
    let Some(server) = Server::start(&format!("--clip {}", clip.display())) else {
        return print_skipped(each, "there is no GStreamer server");
    };
    let url = server.url("");
    let time = Duration::from_secs(scale.of(20).max(5) as u64);
    let (Some(one), Some(many), Some(unseen)) = (
        cost(&url, 1, Demand::Tile(TILE), time),
        cost(&url, N, Demand::Tile(TILE), time),
        cost(&url, N, Demand::Checks, time),
    ) else {
        return print_skipped(each, "there is no /proc");
    };
    // A busy computer delivers fewer frames: what counts is what each of them costs.
    let ms = |cost: &Cost, n: usize| 1_000.0 * cost.workers / (cost.fps * n as f64);
    let slope = ms(&many, N) / ms(&one, 1);
    let measured = format!("{slope:.2} x one alone: {:.2} / {:.2} ms a frame", ms(&many, N), ms(&one, 1));
    print(each, &measured, "≤ 1.05 x", N, slope <= 1.05);
    print_plain("  frames a second and camera", &format!("{:.1}, one alone {:.1}", many.fps, one.fps), N);
    let n_cores = thread::available_parallelism().map_or(2, usize::from) as f64;
    let percent = 100.0 * (unseen.workers + unseen.ours) / n_cores;
    let measured = format!(
        "{percent:.1} % of all cores: workers {:.2}, program {:.2} cores; {:.1} fps counted",
        unseen.workers, unseen.ours, unseen.fps
    );
    print(hidden, &measured, "≤ 15 %", N, percent <= 15.0);
}

/// Opens five cameras, then watches them for a while; how long each took to open, and how many frames they lost.
fn five(time: Duration) -> (Times, u64) {
    let cameras: Vec<Camera> = (0..5).map(|n| start(&format!("sim:640x480@30,seed={n}"), Isolation::On)).collect();
    let opened = cameras.iter().map(|camera| {
        let (status, _) = wait(camera, "streaming", streams);
        Duration::from_millis(status.open_ms.unwrap_or_default())
    });
    let opened = Times::new(opened.collect::<Vec<_>>());
    thread::sleep(time);
    let lost = cameras.iter().filter_map(|camera| camera.status().current()).map(|status| status.drops.camera).sum();
    Camera::close_all(cameras);
    (opened, lost)
}

pub fn beside_bad_ones(scale: Scale) {
    let what = "beside one hung, one dead and one crashing camera";
    // Takes connections, and never answers.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("rtsp://127.0.0.1:{}/1", dead.local_addr().unwrap().port());
    let time = Duration::from_secs(scale.of(20).max(5) as u64);
    let (alone, lost_alone) = five(time);
    let crashes: Vec<String> = (0..40).map(|n| format!("crash@{}s+500ms", 2 + 3 * n)).collect();
    let bad = [
        start("sim:320x240,hang@1s", Isolation::On),
        start(&dead, Isolation::Auto),
        start(&format!("sim:320x240,{}", crashes.join(",")), Isolation::On),
    ];
    wait(&bad[0], "hung", |status| status.last_fault.is_some());
    let (beside, lost) = five(time);
    let more_ms = (beside.at(0.5) - alone.at(0.5)) * 1_000.0;
    let measured = format!("{lost} frames of five others lost (alone {lost_alone}); opened {more_ms:+.0} ms later");
    print(what, &measured, "0 lost, ≤ 50 ms", 5, lost <= lost_alone && more_ms <= 50.0);
    drop(bad);
}

/// The longest time without a new picture when a tile becomes the whole window and back.
pub fn focus(scale: Scale) {
    let what = "tile to whole window and back: longest gap";
    let Some(server) = Server::start("--size 1280x720 --key-on-play") else {
        return print_skipped(what, "there is no GStreamer server");
    };
    let camera = start(&server.url(""), Isolation::Auto);
    wait(&camera, "streaming for a while", |status| streams(status) && status.frames > 30);
    let mut frames = camera.frames();
    let mut gap = |n: usize| {
        let mut last = frames.wait_fresh(Instant::now() + PATIENCE).expect("frames go on").value.taken_at;
        let gaps = (0..n).map(|_| {
            let at = frames.wait_fresh(Instant::now() + PATIENCE).expect("frames go on").value.taken_at;
            at.saturating_duration_since(std::mem::replace(&mut last, at))
        });
        gaps.max().unwrap_or_default()
    };
    let usual = Times::new((0..scale.of(20)).map(|_| gap(20)));
    let changed = Times::new((0..scale.of(20)).map(|nth| {
        let demand = if nth % 2 == 0 { Demand::Tile(TILE) } else { Demand::Full };
        camera.send(camera::Command::SetDemand(demand));
        gap(20)
    }));
    let more_ms = (changed.at(0.5) - usual.at(0.5)) * 1_000.0;
    let measured = format!("median {more_ms:+.0} ms beside any other 20 frames: {}", changed.in_ms());
    print(what, &measured, "no frame missed: ≤ 17 ms", changed.len(), more_ms <= 17.0);
}
