//! Video files as people hand them in: whole, cut off, empty, or no video at all. The videos are made with ffmpeg; without
//! it these tests skip, and say so.
#![cfg(feature = "opencv")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::backend::Backend;
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::{Image, Size};
use camclinic::settings::{CameraSettings, TrustedCertificates};
use camclinic::source::{OpenRequest, Source, SourceSpec};

const SIZE: Size = Size { width: 160, height: 120 };

const OPEN_DEADLINE: Duration = Duration::from_secs(3);

/// Twelve pictures at 24 fps: half a second, red on the left and blue on the right, the first of them green.
fn make(folder: &Path, name: &str, codec: &[&str]) -> Option<PathBuf> {
    let path = folder.join(name);
    let picture = "color=red:s=80x120:r=24:d=0.5[a];color=blue:s=80x120:r=24:d=0.5[b];color=lime:s=160x120:r=24:d=0.5[c];\
                   [a][b]hstack[d];[d][c]overlay=enable='eq(n,0)',format=yuv420p";
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-filter_complex", picture, "-frames:v", "12"])
        .args(codec)
        .arg(&path)
        .stdin(Stdio::null())
        .status()
        .ok()?;
    assert!(status.success(), "ffmpeg cannot make {name}");
    Some(path)
}

/// A folder with the videos, or `None` without ffmpeg.
fn videos() -> Option<(tempfile::TempDir, PathBuf, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    let mp4 = make(folder.path(), "a: 100%.mp4", &["-c:v", "libx264", "-preset", "ultrafast"]);
    let avi = make(folder.path(), "film.avi", &["-c:v", "mjpeg", "-q:v", "2"]);
    let Some((mp4, avi)) = mp4.zip(avi) else {
        eprintln!("skipped: there is no ffmpeg to make videos with");
        return None;
    };
    Some((folder, mp4, avi))
}

fn open(path: &Path, backend: Backend) -> Result<Box<dyn Source>, Fault> {
    open_spec(SourceSpec::File(path.to_owned()), backend)
}

fn open_spec(spec: SourceSpec, backend: Backend) -> Result<Box<dyn Source>, Fault> {
    OpenRequest {
        backend: Some(backend),
        open_deadline: OPEN_DEADLINE,
        frame_deadline: Duration::from_secs(3),
        ..OpenRequest::new(spec, &CameraSettings::default(), &TrustedCertificates::default())
    }
    .open()
    .map(|(_, source)| source)
}

fn read(source: &mut dyn Source) -> Result<Image, Fault> {
    source.grab()?;
    source.retrieve()?.into_image()
}

/// `g` for the first picture and `rb` for the others: the strongest colour left and right.
fn colours(image: &Image) -> String {
    let (width, height) = (image.size().width as usize, image.size().height as usize);
    let at = |x: usize| {
        let start = (height / 2 * width + x) * Image::BYTES_PER_PIXEL;
        let pixel = &image.pixels()[start..start + 3];
        let strongest = (0..3).max_by_key(|channel| pixel[*channel]).unwrap();
        ["b", "g", "r"][strongest]
    };
    let (left, right) = (at(width / 4), at(width * 3 / 4));
    if left == right { left.to_owned() } else { format!("{left}{right}") }
}

#[track_caller]
fn check_plays(path: &Path, backend: Backend, format: Option<&str>) {
    let what = format!("{} through {backend}", path.display());
    let mut source = open(path, backend).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let got = source.got();
    assert_eq!(got.size, Some(SIZE), "{what}");
    assert_eq!(got.fps, Some(24.0), "{what}");
    assert_eq!(got.format.map(|format| format.to_string()).as_deref(), format, "{what}");

    let start = Instant::now();
    // Two rounds and the beginning of a third.
    let seen = (0..30).map(|_| colours(&read(source.as_mut()).unwrap())).collect::<Vec<_>>();
    let took = start.elapsed();
    let round = [vec!["g"], vec!["rb"; 11]].concat();
    assert_eq!(seen, round.repeat(3)[..30], "{what}");
    // The first picture is due at once, the others at 24 fps.
    assert!(took >= Duration::from_secs_f64(28.5 / 24.0), "{what}: 30 pictures in {took:?}");
    assert_eq!(source.grab().unwrap().sequence, Some(31), "{what}");
}

#[test]
fn videos_are_played_round_and_round_at_their_own_pace() {
    let Some((_folder, mp4, avi)) = videos() else { return };
    check_plays(&mp4, Backend::Ffmpeg, Some("avc1"));
    check_plays(&avi, Backend::Ffmpeg, Some("MJPG"));
    check_plays(&avi, Backend::Gstreamer, None);
}

/// What is damaged in the bytes is counted, although the decoder fills it with something and says nothing to whoever asks.
#[test]
fn what_a_decoder_conceals_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let ffmpeg = |arguments: &str| {
        let mut command = Command::new("ffmpeg");
        command.current_dir(&folder).args(["-v", "error"]).args(arguments.split(' ')).stdin(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !ffmpeg("-f lavfi -i testsrc2=s=320x240:r=24:d=4 -c:v libx264 -preset ultrafast -g 12 good.mp4") {
        return eprintln!("skipped: there is no ffmpeg to make videos with");
    }
    assert!(ffmpeg("-i good.mp4 -c copy -bsf:v noise=amount=300 bad.mp4"));
    let n_damaged = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
        command.current_dir(&folder).env("CAMCLINIC_DATA", folder.path()).args(["--settings", "none.json"]);
        let output = command.args(["test", name, "--isolation", "on", "--json"]).output().unwrap();
        let tested: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(tested["connected"], true, "{tested}");
        tested["dropped"].as_u64().unwrap()
    };
    assert_eq!(n_damaged("good.mp4"), 0);
    assert!(n_damaged("bad.mp4") > 3);
}

/// Answers each request with the file of its name, as a camera that serves HLS does.
fn served(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut request) = (client.unwrap(), [0; 4_096]);
            let n = client.read(&mut request).unwrap_or(0);
            let head = String::from_utf8_lossy(&request[..n]).into_owned();
            let name = head.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let body = fs::read(folder.join(&name)).unwrap_or_default();
            let kind = if name.ends_with("m3u8") { "application/vnd.apple.mpegurl" } else { "video/mp2t" };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
            let _ = client.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes());
            let _ = client.write_all(&body);
        }
    });
    port
}

/// Segments come at once, each of several pictures.
#[test]
fn videos_over_http_are_played_at_their_own_pace() {
    let folder = tempfile::tempdir().unwrap();
    let hls =
        ["-c:v", "libx264", "-preset", "ultrafast", "-g", "6", "-f", "hls", "-hls_time", "0.25", "-hls_list_size", "0"];
    if make(folder.path(), "live.m3u8", &hls).is_none() {
        return;
    }
    let spec = format!("http://127.0.0.1:{}/live.m3u8", served(folder.path().to_owned()));
    let mut source = open_spec(SourceSpec::parse(&spec).unwrap(), Backend::Ffmpeg).unwrap();
    let start = Instant::now();
    let seen = (0..12).map(|_| colours(&read(source.as_mut()).unwrap())).collect::<Vec<_>>();
    assert_eq!(seen, [vec!["g"], vec!["rb"; 11]].concat());
    // Eleven times from one to the next, at 24 fps.
    assert!(start.elapsed() >= Duration::from_secs_f64(10.5 / 24.0), "12 pictures in {:?}", start.elapsed());
}

#[track_caller]
fn check_refused(path: &Path, kind: FaultKind, words: &str) {
    let Err(fault) = open(path, Backend::Ffmpeg) else { panic!("{} opens", path.display()) };
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.message.contains(words), "{fault}");
    assert!(fault.message.contains(&*path.file_name().unwrap().to_string_lossy()), "{fault}");
}

#[test]
fn what_cannot_be_played_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    check_refused(&folder.path().join("none.mp4"), FaultKind::Missing, "no file");
    check_refused(&file("notes.txt", b"Dear all,\nno video here.\n"), FaultKind::Unreadable, "text");
    check_refused(&file("text.mp4", b"Dear all,\nno video here.\n"), FaultKind::Unreadable, "text");
    check_refused(&file("empty.mp4", b""), FaultKind::Unreadable, "empty");
    check_refused(&file("zeros.avi", &[0; 10_000]), FaultKind::Unreadable, "no picture");
    check_refused(folder.path(), FaultKind::Unreadable, "folder");
    check_refused(&file("a", b"x").join("film.mp4"), FaultKind::Missing, "no file");
    if cfg!(unix) {
        check_refused(Path::new("/dev/zero"), FaultKind::Unreadable, "not a file");
        // Nobody ever writes to it.
        let pipe = folder.path().join("pipe.mp4");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        check_refused(&pipe, FaultKind::Unreadable, "a pipe");
    }
}

#[test]
fn a_video_that_is_cut_off_is_played_as_far_as_it_goes_or_refused() {
    let Some((folder, mp4, avi)) = videos() else { return };
    let cut = |path: &Path, name: &str, keep: fn(usize) -> usize| {
        let bytes = fs::read(path).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, &bytes[..keep(bytes.len())]).unwrap();
        path
    };
    // The index of an mp4 stands at its end, without which nothing can be found in it.
    check_refused(&cut(&mp4, "half.mp4", |n| n / 2), FaultKind::Unreadable, "no picture");
    check_refused(&cut(&avi, "head.avi", |_| 100), FaultKind::Unreadable, "no picture");
    let mut source = open(&cut(&avi, "most.avi", |n| n * 7 / 8), Backend::Ffmpeg).unwrap();
    for n in 0..30 {
        let image = read(source.as_mut()).unwrap_or_else(|fault| panic!("picture {n}: {fault}"));
        assert_eq!(image.size(), SIZE);
    }
}

#[test]
fn a_video_that_changes_on_the_disk_is_no_endless_loop() {
    let Some((folder, ..)) = videos() else { return };
    // More than FFmpeg reads ahead.
    let Some(raw) = make(folder.path(), "raw.avi", &["-c:v", "rawvideo"]) else { return };
    let mut source = open(&raw, Backend::Ffmpeg).unwrap();
    read(source.as_mut()).unwrap();
    fs::write(&raw, b"").unwrap();
    let fault = (0..100).find_map(|_| read(source.as_mut()).err()).expect("an emptied file plays on");
    assert_eq!(fault.kind, FaultKind::Unreadable, "{fault}");
    assert!(fault.ends_stream());
}

/// The first fault of opening and reading.
fn first_fault(address: &str) -> Fault {
    let mut source = match open_spec(SourceSpec::parse(address).unwrap(), Backend::Ffmpeg) {
        Ok(source) => source,
        Err(fault) => return fault,
    };
    (0..1000).find_map(|_| read(source.as_mut()).err()).unwrap_or_else(|| panic!("no fault in 1000 pictures"))
}

#[track_caller]
fn check_fault(address: &str, kind: FaultKind, words: &str, has_code: bool) {
    let start = Instant::now();
    let fault = first_fault(address);
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.message.contains(words), "{fault}");
    assert_eq!(fault.code.is_some(), has_code, "{fault}");
    assert!(!format!("{fault:?}").contains("geheim"), "{fault}");
    // FFmpeg's own patience is 30 s.
    assert!(start.elapsed() < OPEN_DEADLINE * 3, "{address}: {:?}", start.elapsed());
}

#[test]
fn addresses_without_a_picture_are_explained_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The system accepts connections for a listener that never answers.
    let [rtsp, http] = ["rtsp", "http"].map(|scheme| format!("{scheme}://admin:geheim@127.0.0.1:{port}/1"));
    check_fault(&rtsp, FaultKind::Unreachable, "does not answer OPTIONS", false);
    check_fault(&http, FaultKind::Unreachable, "does not answer GET", false);
    drop(listener);
    check_fault(&rtsp, FaultKind::Refused, "nothing answers on its port", true);
    check_fault("rtsp://admin:geheim@no-such-host.invalid/1", FaultKind::NameUnknown, "is not known", false);
}

#[test]
fn a_stream_is_played_to_its_end() {
    let Some((_folder, _, avi)) = videos() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/live.avi", listener.local_addr().unwrap());
    let bytes = fs::read(avi).unwrap();
    let server = thread::Builder::new().name("serve-video".into()).spawn(move || {
        // One is looked at, the next one is played.
        for _ in 0..2 {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = client.read(&mut request).unwrap();
            client.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: video/x-msvideo\r\n\r\n").unwrap();
            // Whoever only looks hangs up.
            let _ = client.write_all(&bytes);
        }
    });
    let mut source = open_spec(SourceSpec::parse(&address).unwrap(), Backend::Ffmpeg).unwrap();
    server.unwrap().join().unwrap();
    assert_eq!(source.got().size, Some(SIZE));
    for n in 0..12 {
        let colours = colours(&read(source.as_mut()).unwrap());
        assert_eq!(colours, if n == 0 { "g" } else { "rb" }, "picture {n}");
    }
    let fault = read(source.as_mut()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(fault.message.contains("ended"), "{fault}");
}
