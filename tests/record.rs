//! Recording, run as a program: what is in the clips, what survives the end of everything, and what is told of them.

use std::fs;
#[cfg(feature = "opencv")]
use std::io::{BufRead, BufReader, Write};
#[cfg(feature = "opencv")]
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{Camera, Command};
#[cfg(feature = "opencv")]
use camclinic::clips::Film;
use camclinic::clips::{Clip, ClipKind, SidecarState, list};
use camclinic::event::{Level, ToldVerdict};
use camclinic::frame::Size;
use camclinic::logging::EventLog;
use camclinic::recorder::index::ClipReader;
use camclinic::recorder::{Recorder, RecordingMode, RecordingPlan, open_folder, stop_all};
use camclinic::settings::{CameraId, CameraSettings, TrustedCertificates};
use camclinic::source::{Demand, SourceSpec};
use serde_json::Value;
use tempfile::TempDir;

use super::commands::{camclinic, check_usage, command_in, json, stderr, stdout};
use super::running::Running;
#[cfg(feature = "opencv")]
use super::streams::server::Server;

/// So long is waited for what comes at once. Only something that hangs takes so long.
const FAR: Duration = Duration::from_mins(1);

/// A folder for clips, with what the program needs besides.
struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn clips_folder(&self) -> PathBuf {
        self.folder.path().join("clips")
    }

    fn command(&self, arguments: &[&str]) -> process::Command {
        let mut command = command_in(self.folder.path(), arguments);
        command.arg("--to").arg(self.clips_folder());
        command
    }

    fn clips(&self) -> Vec<Clip> {
        list(&self.clips_folder()).map(|listing| listing.clips).unwrap_or_default()
    }

    /// Goes on until the clips are so.
    #[track_caller]
    fn wait(&self, what: &str, is_so: impl Fn(&[Clip]) -> bool) {
        let deadline = Instant::now() + FAR;
        while !is_so(&self.clips()) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.clips());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What `clips --check` says, and its exit code.
    fn check(&self) -> (Value, Option<i32>) {
        let output = camclinic(&["clips", self.clips_folder().to_str().unwrap(), "--check", "--json"]);
        (json(&output), output.status.code())
    }
}

fn n_written(clips: &[Clip]) -> u64 {
    clips.iter().map(|clip| clip.bytes).sum()
}

/// Of each clip: what its file has, against what is told beside it.
#[track_caller]
fn check_clip(clip: &Clip, codec: &str, kind: ClipKind) -> ClipReader {
    let reader = ClipReader::open(&clip.path).unwrap();
    let about = clip.about().unwrap_or_else(|| panic!("{clip:?}"));
    assert_eq!((clip.kind(), about.reason), (kind, kind));
    assert_eq!(reader.track().codec.name(), codec);
    assert_eq!(reader.pictures().len() as u64, about.pictures);
    assert!(reader.pictures().first().unwrap().is_key);
    reader
}

#[test]
fn a_camera_is_recorded_as_it_sends() {
    #[track_caller]
    fn check(source: &str, codec: &str) {
        let room = Room::new();
        let output = room.command(&["record", source, "--json", "--duration", "0.12"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = &lines.last().unwrap()["cameras"][0]["recording"];
        assert_eq!(summary["clips"], 1, "{summary}");
        // Pixels are coded as far as there is time for it.
        assert!(source.starts_with("sim:") || summary["lost"] == 0, "{summary}");
        let status = lines.iter().find(|line| line["type"] == "status").unwrap();
        assert_eq!(status["recording"]["mode"], "continuous");
        assert_eq!(status["storage"]["state"], "good", "{status}");
        let clips = room.clips();
        let [clip] = clips.as_slice() else { panic!("{clips:?}") };
        let reader = check_clip(clip, codec, ClipKind::Continuous);
        assert_eq!(clip.about().unwrap().state, SidecarState::Closed);
        assert!(reader.is_closed() && reader.pictures().len() >= 10, "{}", reader.pictures().len());
        assert_eq!(room.check(), (serde_json::json!({ "clips": 1, "defects": [] }), Some(0)));
    }
    check("sim:320x240@30", "JPEG");
    #[cfg(feature = "opencv")]
    for (options, codec) in [("", "H.264"), ("--codec mjpeg", "JPEG")] {
        let Some(server) = Server::start(&format!("--size 320x240 --key-on-play {options}")) else { return };
        check(&server.url(""), codec);
    }
}

/// Wherever in a clip: also behind a time without pictures, where the count of pictures says nothing about the time.
#[test]
#[cfg(feature = "opencv")]
fn each_picture_of_a_clip_is_found() {
    #[track_caller]
    fn check(source: &str, minutes: &str) {
        let room = Room::new();
        let output = room.command(&["record", source, "--duration", minutes]).output().unwrap();
        let clips = room.clips();
        let [clip] = clips.as_slice() else { panic!("{clips:?} {}", stderr(&output)) };
        let reader = ClipReader::open(&clip.path).unwrap();
        let mut ticks: Vec<_> = reader.pictures().iter().map(camclinic::recorder::index::ClipSample::shown).collect();
        ticks.sort_unstable();
        let first = ticks[0];
        let times: Vec<_> = ticks.iter().map(|at| Duration::from_micros((at - first) * 1_000_000 / 90_000)).collect();
        let (_wanted, cancel) = crossbeam_channel::bounded(0);
        let mut film = Film::open(&clip.path, Demand::Full, cancel).unwrap();
        let mut picture = |at: Duration| film.picture_at(at).unwrap().fingerprint();
        // One after the other: each is another one.
        let in_order: Vec<_> = times.iter().map(|at| picture(*at)).collect();
        let different: std::collections::BTreeSet<_> = in_order.iter().collect();
        assert!(different.len() + 2 >= in_order.len(), "{} of {}", different.len(), in_order.len());
        // From any to any other.
        let n = times.len();
        for k in 0..25 {
            let index = (k * 7_919 + k * k * 31) % n;
            assert_eq!(picture(times[index]), in_order[index], "picture {index} of {n} of {source}");
        }
        // Behind the end there is none, and the others are there as before.
        assert!(film.picture_at(Duration::from_hours(1)).is_err());
        assert_eq!(film.picture_at(times[n / 2]).unwrap().fingerprint(), in_order[n / 2]);
    }
    check("sim:320x240@30,stall@2s+3s", "0.15");
    for options in ["", "--keys 100", "--codec mjpeg"] {
        let Some(server) = Server::start(&format!("--size 320x240 --key-on-play {options}")) else { continue };
        check(&server.url(""), "0.1");
    }
}

/// From ten seconds before, or from the first picture on.
#[test]
fn a_clip_of_a_fault_begins_before_it_and_tells_it() {
    let room = Room::new();
    let source = "sim:320x240@30,stall@6s+3s,seed=5";
    let output = room.command(&["record", source, "--faults-only", "--json", "--duration", "0.5"]).output().unwrap();
    let clips = room.clips();
    let [clip] = clips.as_slice() else { panic!("{clips:?} {}", stdout(&output)) };
    let reader = check_clip(clip, "JPEG", ClipKind::Fault);
    let about = clip.about().unwrap();
    assert_eq!(clip.name.reason.to_string(), "fault-stall");
    assert_eq!(about.fault.as_ref().unwrap().kind.slug(), "stall");
    assert!(clip.is_protected());
    let [gap] = about.gaps.as_slice() else { panic!("{:?}", about.gaps) };
    assert!((2.5..15.0).contains(&gap.secs), "{gap:?}");
    // Its pictures come as pixels: the last one is beside it as it was.
    let picture = clip.picture.as_ref().unwrap();
    let from_last = about.picture.as_ref().unwrap().at.at().duration_since(gap.at.at());
    assert!(from_last.as_secs_f64().abs() < 1.0, "{from_last:?}");
    let png = png::Decoder::new(std::io::BufReader::new(fs::File::open(picture).unwrap())).read_info().unwrap();
    assert_eq!((png.info().width, png.info().height), (320, 240));
    assert_eq!(room.check(), (serde_json::json!({ "clips": 1, "defects": [] }), Some(0)));
    // Media time is real time, and the text over it says why.
    let lasted = about.ended.at().duration_since(about.started.at()).as_secs_f64();
    assert!((reader.duration().as_secs_f64() - lasted).abs() < 1.0, "{:?} {lasted}", reader.duration());
    let notes = reader.notes().unwrap();
    assert!(notes.iter().any(|note| note.text.contains("No picture for")), "{notes:?}");
    // From what began it to its end.
    for name in ["stall", "recovered"] {
        assert!(about.events.iter().any(|event| event.name == name), "{name}: {:?}", about.events);
    }
}

/// The program, at any moment.
#[test]
fn what_was_written_before_the_program_was_killed_is_kept() {
    let room = Room::new();
    let mut running = Running::start(room.command(&["record", "sim:320x240@30,seed=3"]));
    room.wait("nothing is written", |clips| n_written(clips) > 60_000);
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let before = room.clips();
    assert!(!before[0].is_being_recorded());
    let (told, exit) = room.check();
    assert_eq!((told["defects"].as_array().unwrap().len(), exit), (1, Some(2)), "{told}");
    // The next recording into the folder closes it.
    let output = room.command(&["record", "sim:320x240@30,seed=4", "--duration", "0.15"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    room.wait("it is not repaired", |clips| clips.first().is_some_and(Clip::is_recovered));
    let clips = room.clips();
    let reader = check_clip(&clips[0], "JPEG", ClipKind::Continuous);
    assert!(reader.is_closed() && reader.pictures().len() >= 10);
    assert!(n_written(&clips[..1]) >= n_written(&before));
    assert_eq!(room.check().1, Some(0));
}

/// The capture process, while it is watched for faults.
#[test]
#[cfg(target_os = "linux")]
fn what_was_before_the_end_of_a_capture_process_is_in_the_clip() {
    let room = Room::new();
    let source = "sim:320x240@30,crash@5s";
    let output =
        room.command(&["record", source, "--faults-only", "--isolation", "on", "--duration", "0.3"]).output().unwrap();
    let clips = room.clips();
    assert!(!clips.is_empty(), "{}", stdout(&output));
    let reader = check_clip(&clips[0], "JPEG", ClipKind::Fault);
    assert_eq!(clips[0].name.reason.to_string(), "fault-crashed");
    assert!(reader.duration() >= Duration::from_secs(2), "{:?}", reader.duration());
}

/// However small it is shown, as in a tile; and what a check-up finds meanwhile stands beside the clip.
#[test]
fn a_camera_of_pixels_is_recorded_in_full_size() {
    let room = Room::new();
    let (log, id) = (EventLog::new(), CameraId(1));
    let spec = SourceSpec::parse("sim:640x480@30").unwrap();
    let settings = CameraSettings::default();
    let camera =
        Camera::start(spec, &settings, &TrustedCertificates::default(), log.of_camera(id), Arc::new(|| {})).unwrap();
    camera.send(Command::SetDemand(Demand::Tile(Size { width: 160, height: 120 })));
    let mut frames = camera.frames();
    let mut wait_for_width = |width| {
        let deadline = Instant::now() + FAR;
        while frames.wait_fresh(deadline).unwrap().value.image.size().width != width {}
    };
    wait_for_width(160);
    let folder = open_folder(&room.clips_folder(), None, &log).unwrap();
    let plan = RecordingPlan::new(RecordingMode::Continuous);
    let recorder = Recorder::start(&camera, id, folder, plan, &log).unwrap();
    wait_for_width(640);
    let deadline = Instant::now() + FAR;
    while recorder.news(Instant::now()).recording.pictures < 5 {
        assert!(Instant::now() < deadline, "{:?}", recorder.news(Instant::now()));
        thread::sleep(Duration::from_millis(20));
    }
    let verdict = ToldVerdict { entry: "F20".into(), title: "Zoom holds it".into(), confidence: 0.95 };
    log.of_camera(id).add_with("sim:", Level::Info, ToldVerdict::EVENT, "found", verdict.details());
    let [news] = stop_all(vec![recorder], || ()).try_into().unwrap();
    assert_eq!((news.recording.clips, news.recording.trouble), (1, None));
    wait_for_width(160);
    let clips = room.clips();
    let about = check_clip(&clips[0], "JPEG", ClipKind::Continuous);
    assert_eq!(about.track().size, Size { width: 640, height: 480 });
    let about = clips[0].about().unwrap();
    assert_eq!((about.verdict_id.clone(), about.verdict.clone()), (Some("F20".into()), Some("Zoom holds it".into())));
    assert_eq!(about.verdict_confidence, Some(0.95));
}

#[test]
fn a_folder_that_cannot_have_clips_is_told() {
    #[track_caller]
    fn check(folder: &Path, says: &str) {
        let output = camclinic(&["record", "sim:", "--to", folder.to_str().unwrap(), "--duration", "0.15"]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    let room = Room::new();
    let file = room.folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    check(&file, "this is a file, not a folder");
    check(&file.join("below"), "Clips cannot be kept");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    check_usage(&["record", "sim:"], &["--to"]);
    check_usage(&["record", "sim:", "--to", "x", "--time-lapse", "5", "--faults-only"], &["cannot be used with"]);
    check_usage(&["clips", "/nowhere/at/all"], &["There is no folder"]);
}

/// An hour back while it is recorded: all stays in one clip, whose times go on, and it is told.
#[test]
#[cfg(target_os = "linux")]
fn a_clock_that_is_set_back_loses_nothing() {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    if !Path::new(&library).exists() {
        eprintln!("skipped: faketime is not installed; packaging/setup --test installs it where the system has it");
        return;
    }
    let room = Room::new();
    let clock = room.folder.path().join("clock");
    fs::write(&clock, "+0").unwrap();
    let mut command = room.command(&["record", "sim:320x240@30", "--isolation", "off", "--duration", "0.25"]);
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut running = Running::start(command);
    room.wait("nothing is written", |clips| n_written(clips) > 60_000);
    fs::write(&clock, "-3600").unwrap();
    assert!(running.0.wait().unwrap().success());
    let clips = room.clips();
    let [clip] = clips.as_slice() else { panic!("{clips:?}") };
    let reader = check_clip(clip, "JPEG", ClipKind::Continuous);
    let about = clip.about().unwrap();
    assert_eq!((about.clock_steps, about.lost_pictures.disk), (1, 0), "{about:?}");
    // By the clock that nobody sets.
    assert!((about.secs() - reader.duration().as_secs_f64()).abs() < 1.0, "{} {:?}", about.secs(), reader.duration());
    assert!(reader.pictures().windows(2).all(|pair| pair[0].decode < pair[1].decode));
    assert_eq!(room.check().1, Some(0));
}

/// What `record` says on a disk of its own, which is mounted so, and what of it is damaged then; `None` where this system lets
/// nobody mount.
#[cfg(target_os = "linux")]
fn recorded_on(mount: &str, minutes: &str) -> Option<(String, Option<i32>, Value)> {
    let room = Room::new();
    fs::create_dir(room.clips_folder()).unwrap();
    let script = format!(
        "mount -t tmpfs {mount} none \"$2\" || exit 77; \
         \"$1\" record sim:1280x720@30 --settings \"$3/settings.json\" --duration {minutes} --to \"$2/clips\" >&2; \
         code=$?; \"$1\" clips \"$2/clips\" --check --json; exit $code"
    );
    let output = process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_camclinic"))
        .args([room.clips_folder(), room.folder.path().to_owned()])
        .env("CAMCLINIC_DATA", room.folder.path().join("data"))
        .output()
        .ok()?;
    if output.status.code() == Some(77) || stderr(&output).starts_with("unshare") {
        eprintln!("skipped: this system lets nobody mount a small file system");
        return None;
    }
    let checked = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Some((stderr(&output), output.status.code(), checked))
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_takes_nothing_is_told_and_damages_nothing() {
    if let Some((said, code, _)) = recorded_on("-o ro", "0.1") {
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("the disk is read-only"), "{said}");
    }
    // Less than is left free on any disk, and what a few seconds fill.
    for size in ["8m", "66m"] {
        let Some((said, code, checked)) = recorded_on(&format!("-o size={size}"), "0.4") else { return };
        assert_eq!(code, Some(1), "{size}: {said}");
        assert!(said.contains("full"), "{size}: {said}");
        // What there was no room to close waits for the next recording, and plays as it is.
        let defects = checked["defects"].as_array().unwrap();
        assert!(
            defects.iter().all(|defect| defect["message"].as_str().unwrap().contains("not closed")),
            "{said} {checked}"
        );
    }
}

#[test]
fn clips_are_copied_with_what_tells_that_they_are_whole() {
    let room = Room::new();
    let recorded = room.command(&["record", "sim:320x240@15", "--duration", "0.15"]).output().unwrap();
    assert_eq!(recorded.status.code(), Some(0), "{}", stderr(&recorded));
    let (clips, zip, archive) =
        (room.clips_folder(), room.folder.path().join("clips.zip"), room.folder.path().join("case 7"));
    let run = |arguments: &[&str]| {
        let output = camclinic(&[&["clips", clips.to_str().unwrap(), "--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        json(&output)
    };
    assert_eq!(run(&["--export", zip.to_str().unwrap()])["clips"], 1);
    assert!(fs::read(&zip).unwrap().starts_with(b"PK"));
    // A part of it is cut at key pictures, which each JPEG is, and is a clip of its own.
    let whole = room.clips().remove(0).about().unwrap().clone();
    let span = [2_000, 5_000].map(|ms| whole.started.later_by_ms(ms).at().to_string());
    let part = room.folder.path().join("part.zip");
    run(&["--export", part.to_str().unwrap(), "--from", &span[0], "--to", &span[1]]);
    let unpacked = room.folder.path().join("part");
    zip::ZipArchive::new(fs::File::open(&part).unwrap()).unwrap().extract(&unpacked).unwrap();
    let cut = list(&unpacked).unwrap().clips.remove(0);
    let reader = check_clip(&cut, "JPEG", ClipKind::Continuous);
    assert!((2.5..3.5).contains(&reader.duration().as_secs_f64()), "{:?}", reader.duration());
    let began = cut.about().unwrap().started.at().duration_since(whole.started.at()).as_secs_f64();
    assert!((1.5..=2.0).contains(&began), "{began}");
    assert_eq!(camclinic(&["clips", unpacked.to_str().unwrap(), "--check"]).status.code(), Some(0));
    let archived = run(&["--archive", archive.to_str().unwrap()]);
    assert_eq!(archived["clips"], 1);
    // Its name is one that each file system takes.
    let archive = PathBuf::from(archived["file"].as_str().unwrap());
    let listed = run(&[]);
    assert_eq!(listed["clips"][0]["reason"], "continuous", "{listed}");
    // The copy is looked into by its own list, and a bit that was turned shows.
    let output = camclinic(&["clips", archive.to_str().unwrap(), "--check"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let copy = list(&archive).unwrap().clips.remove(0).path;
    let mut bytes = fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&copy, bytes).unwrap();
    assert_eq!(camclinic(&["clips", archive.to_str().unwrap(), "--check"]).status.code(), Some(2));
}

/// Under our names, of which something is wrong: what is said of each, and what becomes of it when it is recorded into the folder again.
#[test]
fn damaged_clips_are_told_and_kept_or_repaired() {
    let room = Room::new();
    let recorded = room.command(&["record", "sim:320x240@15", "--duration", "0.1"]).output().unwrap();
    assert_eq!(recorded.status.code(), Some(0), "{}", stderr(&recorded));
    let clip = room.clips().remove(0);
    let closed = fs::read(&clip.path).unwrap();
    // As it is before it is closed.
    let unfinished = [&closed[..56], b"\0\0\0\x10free\0\0\0\0\0\0\0\0", &closed[72..]].concat();
    let half = closed.len() / 2;
    let half_zero = |bytes: &[u8]| [&bytes[..half], &vec![0; bytes.len() - half]].concat();
    let without_head = |bytes: &[u8]| [&[0; 4_096], &bytes[4_096..]].concat();
    let foreign = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2avc1mp41\0\0\0\x08free".to_vec();
    let noise: Vec<u8> = (0..9_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    // What is in the file, what is said of it, and what it is in the end: closed by a repair, gone, or as it was.
    let cases = [
        (".mp4", closed[..half].to_vec(), "cut short", "kept"),
        (".mp4", half_zero(&closed), "not as it was recorded", "kept"),
        (".mp4", without_head(&closed), "not as it was recorded", "kept"),
        (".mp4", foreign.clone(), "cut short", "kept"),
        (".mp4", Vec::new(), "cut short", "kept"),
        (".recording.mp4", unfinished.clone(), "was not closed", "repaired"),
        (".recording.mp4", unfinished[..half].to_vec(), "was not closed", "repaired"),
        (".recording.mp4", half_zero(&unfinished), "was not closed", "repaired"),
        (".recording.mp4", without_head(&unfinished), "was not closed", "kept"),
        (".recording.mp4", foreign, "was not closed", "kept"),
        (".recording.mp4", noise, "was not closed", "kept"),
        (".recording.mp4", Vec::new(), "was not closed", "gone"),
        (".recording.mp4", unfinished[..600].to_vec(), "was not closed", "gone"),
    ];
    let day = clip.name.day();
    let path =
        |n: usize, ending: &str| clip.path.with_file_name(format!("{day}_00-00-{n:02}.000+0000_continuous{ending}"));
    for (n, (ending, bytes, ..)) in cases.iter().enumerate() {
        fs::write(path(n, ending), bytes).unwrap();
        fs::copy(&clip.sidecar_path, path(n, ".json")).unwrap();
    }
    let listed = camclinic(&["clips", room.clips_folder().to_str().unwrap(), "--json"]);
    assert_eq!(json(&listed)["clips"].as_array().unwrap().len(), cases.len() + 1, "{}", stderr(&listed));
    let (told, exit) = room.check();
    assert_eq!((told["defects"].as_array().unwrap().len(), exit), (cases.len(), Some(2)), "{told}");
    for (n, (ending, _, says, _)) in cases.iter().enumerate() {
        let path = path(n, ending);
        let defect = told["defects"].as_array().unwrap().iter().find(|defect| defect["file"] == path.to_str().unwrap());
        let message = defect.and_then(|defect| defect["message"].as_str()).unwrap_or_default();
        assert!(message.contains(says), "{n}: {message}");
    }
    let _running = Running::start(room.command(&["record", "sim:320x240@15,seed=2"]));
    for (n, (ending, bytes, _, end)) in cases.iter().enumerate() {
        let is_so = || match *end {
            "kept" => fs::read(path(n, ending)).is_ok_and(|now| now == *bytes),
            "gone" => !path(n, ending).exists() && !path(n, ".json").exists(),
            _ => {
                ClipReader::open(&path(n, ".mp4")).is_ok_and(|reader| reader.is_closed() && reader.pictures().len() > 5)
            }
        };
        room.wait(&format!("{n}: {end}"), |_| is_so());
    }
    let is_repaired = |clip: &Clip| clip.is_recovered() && !clip.about().unwrap().sha256.is_empty();
    room.wait("what stands beside them", |clips| clips.iter().filter(|clip| is_repaired(clip)).count() == 3);
}

/// Whatever a camera is called, its clips are in one folder below that of the clips.
#[test]
fn a_name_leads_nowhere() {
    #[track_caller]
    fn check(name: &str) {
        let room = Room::new();
        let settings =
            serde_json::json!({ "version": 2, "cameras": [{ "id": 1, "source": "sim:320x240@15", "name": name }] });
        fs::write(room.folder.path().join("settings.json"), settings.to_string()).unwrap();
        let output = room.command(&["record", "sim:320x240@15", "--duration", "0.15"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name:?}: {}", stderr(&output));
        let clips = room.clips();
        assert_eq!(clips.len(), 1, "{name:?}: {clips:?}");
        assert!(
            clips[0].camera_folder.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter)),
            "{clips:?}"
        );
        assert_eq!(room.check().1, Some(0), "{name:?}");
    }
    check("../../../etc/passwd");
    check("/");
    check(&"Kamera ".repeat(43));
    check(&"摄像头".repeat(100));
    check("a\u{1b}[2J\u{7}\r\n\u{202e}b");
    check("NUL");
}

/// A JPEG stream over HTTP for one client, whose pictures have two sizes in turn.
#[cfg(feature = "opencv")]
fn camera_of_two_sizes() -> u16 {
    let jpeg = |size: u16| {
        let mut bytes = Vec::new();
        let pixels = vec![90; usize::from(size) * usize::from(size) * 3];
        let encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
        encoder.encode(&pixels, size, size, jpeg_encoder::ColorType::Rgb).unwrap();
        bytes
    };
    let pictures = [jpeg(160), jpeg(320)];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let pictures = pictures.clone();
            thread::spawn(move || {
                // The request, up to its empty line.
                BufReader::new(&stream).lines().map_while(Result::ok).find(String::is_empty);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";
                let mut is_sent = stream.write_all(head.as_bytes()).is_ok();
                let mut pictures = pictures.iter().cycle();
                while is_sent && let Some(jpeg) = pictures.next() {
                    let head = format!("--b\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
                    is_sent = stream.write_all(&[head.as_bytes(), jpeg, b"\r\n"].concat()).is_ok();
                    thread::sleep(Duration::from_millis(50));
                }
            });
        }
    });
    port
}

/// A part a second at most, and each has pictures of one size.
#[cfg(feature = "opencv")]
#[test]
fn a_camera_that_changes_its_size_fills_no_folder() {
    let room = Room::new();
    let source = format!("http://127.0.0.1:{}/", camera_of_two_sizes());
    let output = room.command(&["record", &source, "--json", "--duration", "0.1"]).output().unwrap();
    let last = stdout(&output).lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap()).unwrap();
    let recording = &last["cameras"][0]["recording"];
    let clips = room.clips();
    assert!((2..=8).contains(&clips.len()), "{}: {recording}", clips.len());
    let n_kept: u64 =
        clips.iter().map(|clip| check_clip(clip, "JPEG", ClipKind::Continuous).pictures().len() as u64).sum();
    assert_eq!(recording["pictures"].as_u64(), Some(n_kept), "{recording}");
    assert!(n_kept >= 20 && recording["lost"].as_u64() > Some(10), "{recording}");
    assert_eq!(room.check().1, Some(0));
}

#[test]
fn two_programs_record_into_one_folder() {
    let room = Room::new();
    let start = |source: &str| {
        let mut command = room.command(&["record", source, "--duration", "0.1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // The same camera twice, and another one.
    let programs = ["sim:320x240@15", "sim:320x240@15", "sim:320x240@15,seed=2"].map(start);
    for mut program in programs {
        assert_eq!(program.wait().unwrap().code(), Some(0));
    }
    let clips = room.clips();
    assert_eq!(clips.len(), 3, "{clips:?}");
    for clip in &clips {
        check_clip(clip, "JPEG", ClipKind::Continuous);
    }
    assert_eq!(room.check(), (serde_json::json!({ "clips": 3, "defects": [] }), Some(0)));
}

/// No password is in any name or byte beside a clip.
#[test]
#[cfg(feature = "opencv")]
fn no_password_is_in_what_is_recorded() {
    const PASSWORD: &str = "geheimnis-42";
    let Some(server) = Server::start(&format!("--size 320x240 --key-on-play --login digest --password {PASSWORD}"))
    else {
        return;
    };
    let room = Room::new();
    let url = server.url(&format!("admin:{PASSWORD}@"));
    let output = room.command(&["record", &url, "--duration", "0.15"]).output().unwrap();
    let clips = room.clips();
    assert_eq!(clips.len(), 1, "{}{}", stdout(&output), stderr(&output));
    assert!(!clips[0].path.to_str().unwrap().contains(PASSWORD));
    assert!(!fs::read_to_string(&clips[0].sidecar_path).unwrap().contains(PASSWORD));
}
