//! Network cameras as the engine plays them: a real RTSP server, and small ones written here for what that does not do.
#![cfg(feature = "opencv")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{Camera, Command};
use camclinic::checkup;
use camclinic::codec;
use camclinic::fault::FaultKind;
use camclinic::frame::{Image, Size};
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Transport, TrustedCertificates};
use camclinic::source::{Demand, SourceSpec};
use camclinic::status::{State, Status};

pub mod server;

use super::checkup::request;
use server::Server;

/// Long enough for a machine that does three other things.
const PATIENCE: Duration = Duration::from_mins(1);

struct Bench {
    camera: Camera,
    log: EventLog,
}

impl Bench {
    fn with(source: &str, change: impl FnOnce(&mut CameraSettings)) -> Self {
        let mut settings = CameraSettings { n_warm_up_frames: 0, ..CameraSettings::default() };
        change(&mut settings);
        let log = EventLog::new();
        let spec = SourceSpec::parse(source).unwrap();
        let camera =
            Camera::start(spec, &settings, &TrustedCertificates::default(), log.clone(), Arc::new(|| {})).unwrap();
        Self { camera, log }
    }

    fn new(source: &str) -> Self {
        Self::with(source, |_| ())
    }

    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
        let deadline = Instant::now() + PATIENCE;
        let mut statuses = self.camera.status();
        while let Some(fresh) = statuses.wait_fresh(deadline) {
            if wanted(&fresh.value) {
                return fresh.value;
            }
        }
        panic!("never {what}: {:#?}\n{}", statuses.current(), self.log_text());
    }

    fn log_text(&self) -> String {
        let events = self.log.since(0);
        events.iter().map(|event| format!("{} {}", event.name, event.message)).collect::<Vec<_>>().join("\n")
    }

    fn n_events(&self, with: &str) -> usize {
        self.log.since(0).iter().filter(|event| event.message.contains(with)).count()
    }
}

fn streams(status: &Status) -> bool {
    status.state == State::Streaming
}

fn has_fault(kind: FaultKind) -> impl Fn(&Status) -> bool {
    move |status| status.last_fault.as_ref().is_some_and(|fault| fault.kind == kind)
}

/// Plays, and sees that the pictures are those that the camera makes now.
#[track_caller]
fn check_live(server: &str, login: &str, transport: Transport) {
    let Some(server) = Server::start(&format!("--keys 10 {server}")) else { return };
    let bench = Bench::with(&server.url(login), |settings| settings.transport = transport);
    let status = bench.wait("live", |status| streams(status) && status.frames >= 20);
    assert!(status.first_frame_ms.unwrap() < 3_000, "{status:?}");
    assert_eq!((status.width, status.height), (640, 480));
    let mut frames = bench.camera.frames();
    let mut last = 0;
    for _ in 0..5 {
        let frame = frames.wait_fresh(Instant::now() + PATIENCE).unwrap().value;
        let (number, age) = server::read(&frame.image);
        assert!(number > last && age < Duration::from_secs(5), "{number} behind {last}, {age:?} old");
        last = number;
    }
    drop(bench);
    server.line_beginning("TEARDOWN");
}

#[test]
fn pictures_come_over_tcp() {
    check_live("--codec h264", "", Transport::Tcp);
    check_live("--codec mjpeg --login basic", "admin:admin@", Transport::Tcp);
}

#[test]
fn pictures_come_over_udp() {
    check_live("--codec h264 --login digest", "admin:admin@", Transport::Udp);
    check_live("--codec mjpeg --transport udp", "", Transport::Auto);
}

/// Nobody looks: few pictures are decoded, all are counted, each that is decoded is of this moment, and nothing is opened anew when
/// somebody looks again.
#[track_caller]
fn check_unseen(server: &str, transport: Transport, first: Demand, most_decoded: u64) {
    let Some(server) = Server::start(server) else { return };
    let bench = Bench::with(&server.url(""), |settings| settings.transport = transport);
    bench.camera.send(Command::SetDemand(first));
    bench.wait("live", |status| streams(status) && status.frames >= 40);
    let mut frames = bench.camera.frames();
    for _ in 0..2 {
        bench.camera.send(Command::SetDemand(Demand::Checks));
        // What was on its way.
        let deadline = Instant::now() + PATIENCE;
        let mut last = frames.wait_fresh(deadline).unwrap().value;
        while last.number == 0 || last.taken_at.elapsed() > Duration::from_secs(3) {
            last = frames.wait_fresh(deadline).unwrap().value;
        }
        let n_before = bench.camera.status().current().unwrap().frames;
        let (mut n_decoded, mut number) = (0, server::read(&last.image).0);
        while bench.camera.status().current().unwrap().frames < n_before + 150 {
            let Some(frame) = frames.wait_fresh(Instant::now() + Duration::from_millis(200)) else { continue };
            let (this, age) = server::read(&frame.value.image);
            assert!(this > number, "an old picture: {this} behind {number}\n{}", bench.log_text());
            assert!(age < Duration::from_secs(5), "it is {age:?} old");
            number = this;
            n_decoded += 1;
        }
        assert!((1..=most_decoded).contains(&n_decoded), "{n_decoded} of 150 pictures were decoded");
        let status = bench.camera.status().current().unwrap();
        assert!(streams(&status) && status.fps > 20.0 && status.drops.camera == 0, "{status:?}\n{}", bench.log_text());
        bench.camera.send(Command::SetDemand(Demand::Full));
        let all = |status: &Status| streams(status) && status.frames > n_before + 260;
        bench.wait("all of them again", all);
        let first = frames.wait_fresh(Instant::now() + PATIENCE).unwrap().value.number;
        for _ in 0..20 {
            frames.wait_fresh(Instant::now() + PATIENCE);
        }
        let last = frames.current().unwrap().number;
        assert!(last - first < 60, "{first} {last}");
    }
    assert_eq!(bench.n_events("Opened through"), 1, "{}", bench.log_text());
    // Pictures that are left out are dated as they come, and those that are decoded come later, out of the decoder.
    let deductions = &bench.camera.status().current().unwrap().deductions;
    assert!(!deductions.iter().any(|deduction| deduction.reason.contains("clock")), "{deductions:?}");
}

#[test]
fn of_a_camera_that_nobody_looks_at_key_pictures_are_decoded() {
    // Side by side: each waits most of the time.
    thread::scope(|scope| {
        for (server, transport, first, most_decoded) in [
            ("--codec h264 --keys 30", Transport::Tcp, Demand::Full, 20),
            ("--codec h264 --keys 15", Transport::Udp, Demand::Checks, 30),
            ("--codec mjpeg", Transport::Tcp, Demand::Full, 30),
        ] {
            scope.spawn(move || check_unseen(server, transport, first, most_decoded));
        }
    });
}

#[test]
fn nothing_is_shown_before_the_first_key_frame() {
    // The second viewer joins in the midst of it.
    let Some(server) = Server::start("--keys 60") else { return };
    let first = Bench::new(&server.url(""));
    first.wait("live", |status| streams(status) && status.frames > 5);
    let second = Bench::new(&server.url(""));
    let mut frames = second.camera.frames();
    let frame = frames.wait_fresh(Instant::now() + PATIENCE).unwrap().value;
    assert_eq!(frame.number, 1);
    let (number, age) = server::read(&frame.image);
    assert_eq!(number % 60, 0, "the key frame itself");
    assert!(age < Duration::from_secs(5), "{age:?}");
}

#[test]
fn a_camera_that_was_away_is_back_when_its_port_answers() {
    let Some(mut server) = Server::start("--keys 10") else { return };
    let bench = Bench::new(&server.url(""));
    let mut frames = bench.camera.frames();
    bench.wait("live", streams);
    for n_times in 1..=2 {
        server.kill();
        bench.wait("waiting for the port", |status| !streams(status) && status.next_try_secs > Some(20.0));
        assert_eq!(bench.n_events("Waiting until the port of"), n_times, "{}", bench.log_text());
        let n_before = bench.camera.status().current().unwrap().frames;
        server.start_again();
        bench.wait("live again", |status| streams(status) && status.frames > n_before);
        // Whoever reads pictures reads on.
        frames.take_fresh();
        assert!(frames.wait_fresh(Instant::now() + PATIENCE).is_some());
    }
}

#[test]
fn a_camera_that_stands_still_is_noticed_and_comes_back() {
    let Some(server) = Server::start("--keys 10") else { return };
    let bench = Bench::new(&server.url(""));
    // How long it may pause is known of a camera that has shown a few pictures.
    bench.wait("live", |status| streams(status) && status.frames > 20);
    let before = Instant::now();
    server.signal("STOP");
    bench.wait("noticed", |status| !streams(status));
    println!("noticed after {:?}", before.elapsed());
    bench.wait("being tried again", |status| status.recovery_attempts > 0);
    server.signal("CONT");
    bench.wait("live again", streams);
    // The server itself has stood still, and makes up for it: what it sends first is as old as that.
    let (mut frames, deadline) = (bench.camera.frames(), Instant::now() + PATIENCE);
    let is_young = |image: &Image| server::read(image).1 < Duration::from_secs(3);
    while !is_young(&frames.wait_fresh(deadline).unwrap().value.image) {
        assert!(Instant::now() < deadline, "{}", bench.log_text());
    }
}

/// What a scripted camera answers to a request, by its first line.
type Answer = fn(method: &str, has_login: bool) -> Option<String>;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:1\r\n";

/// Answers as it is told, and counts requests with a login. Lives as long as the tests.
fn scripted(answer: Answer) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let n_logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_logins);
    let serve = move |stream: TcpStream, counted: &AtomicUsize| -> Option<()> {
        let mut requests = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        loop {
            let head: Vec<String> = requests.by_ref().take_while(|line| !line.is_empty()).collect();
            let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
            let has_login = header("Authorization:").is_some();
            counted.fetch_add(usize::from(has_login), Ordering::Relaxed);
            let text = answer(head.first()?.split(' ').next()?, has_login)?;
            let (status, rest) = text.split_once("\r\n")?;
            write!(&stream, "RTSP/1.0 {status}\r\nCSeq:{}\r\n{rest}", header("CSeq:")?).ok()?;
        }
    };
    thread::Builder::new()
        .name("scripted".into())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                thread::Builder::new().name("scripted".into()).spawn(move || serve(stream, &counted)).unwrap();
            }
        })
        .unwrap();
    (port, n_logins)
}

fn described() -> String {
    format!("200 OK\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len())
}

#[test]
fn a_wrong_password_is_sent_once_and_told_nowhere() {
    const SECRET: &str = "planted-geheim-7";
    let (port, n_logins) = scripted(|method, _| match method {
        "OPTIONS" => Some("200 OK\r\nPublic: DESCRIBE, SETUP\r\n\r\n".into()),
        _ => Some("401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"cam\", nonce=\"abc\"\r\n\r\n".into()),
    });
    let bench = Bench::new(&format!("rtsp://admin:{SECRET}@127.0.0.1:{port}/1"));
    let status = bench.wait("failed", |status| status.state == State::Failed);
    assert!(has_fault(FaultKind::LoginRefused)(&status), "{status:?}");
    let refused = status.last_fault.as_ref().unwrap();
    assert_eq!(refused.code, Some(401), "{refused}");
    assert_eq!(n_logins.load(Ordering::Relaxed), 1);
    // Somebody acts: once more.
    bench.camera.send(Command::RecoverNow);
    bench.wait("tried again", |status| status.state != State::Failed);
    let status = bench.wait("failed again", |status| status.state == State::Failed);
    assert_eq!(n_logins.load(Ordering::Relaxed), 2);
    let json = serde_json::to_string(&*status).unwrap();
    let events =
        serde_json::to_string(&bench.log.since(0).iter().map(|event| format!("{event:?}")).collect::<Vec<_>>());
    assert!(!json.contains(SECRET) && !events.unwrap().contains(SECRET));
}

#[cfg(target_os = "linux")]
#[test]
fn other_users_do_not_see_the_password_of_a_camera() {
    const SECRET: &str = "planted-geheim-8";
    let Some(server) = Server::start(&format!("--login digest --password {SECRET}")) else { return };
    let bench = Bench::new(&server.url(&format!("admin:{SECRET}@")));
    bench.wait("live", streams);
    let me = std::process::id().to_string();
    let mut n_workers = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let is_child = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&me));
        if !is_child || !stat.contains("camclinic-work") {
            continue;
        }
        n_workers += 1;
        for name in ["cmdline", "environ"] {
            let text = String::from_utf8_lossy(&read(name)).into_owned();
            assert!(!text.contains(SECRET), "{name}: {text}");
        }
    }
    assert!(n_workers > 0);
    assert!(!bench.log_text().contains(SECRET), "{}", bench.log_text());
}

#[test]
fn a_refusal_is_named_by_its_status() {
    let (port, _) = scripted(|method, _| match method {
        "OPTIONS" => Some("200 OK\r\nPublic: DESCRIBE, SETUP\r\n\r\n".into()),
        "DESCRIBE" => Some(described()),
        _ => Some("453 Not Enough Bandwidth\r\n\r\n".into()),
    });
    let bench = Bench::new(&format!("rtsp://127.0.0.1:{port}/1"));
    let status = bench.wait("at its limit", has_fault(FaultKind::SessionLimit));
    assert_eq!(status.last_fault.as_ref().unwrap().code, Some(453));
    bench.wait("resting", |status| status.next_try_secs > Some(50.0));

    let (port, _) = scripted(|method, _| match method {
        "OPTIONS" => Some("200 OK\r\nPublic: DESCRIBE, SETUP\r\n\r\n".into()),
        "DESCRIBE" => Some(described()),
        "SETUP" => {
            Some("200 OK\r\nSession: 7\r\nTransport: RTP/AVP;unicast;client_port=1-2;server_port=3-4\r\n\r\n".into())
        }
        _ => Some("200 OK\r\nSession: 7\r\n\r\n".into()),
    });
    let bench = Bench::with(&format!("rtsp://127.0.0.1:{port}/1"), |settings| settings.transport = Transport::Udp);
    bench.wait("without packets", has_fault(FaultKind::UdpBlocked));
}

/// Serves JPEGs, as one stream at this pace or one for each request.
fn http_camera(is_stream: bool, period: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let jpeg = |n: u8| {
        let size = Size { width: 320, height: 240 };
        codec::encode_jpeg(&Image::new(size, vec![n; size.n_bytes()]).unwrap(), 80).unwrap()
    };
    let serve = move |mut stream: TcpStream| -> Option<()> {
        let mut requests = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        for n in 0_usize.. {
            if !is_stream || n == 0 {
                requests.by_ref().find(String::is_empty)?;
            }
            let jpeg = jpeg(u8::try_from(8 * n % 256).unwrap());
            let part = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
            if is_stream {
                if n == 0 {
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n")
                        .ok()?;
                }
                write!(stream, "--b\r\n{part}").ok()?;
            } else {
                write!(stream, "HTTP/1.1 200 OK\r\n{part}").ok()?;
            }
            stream.write_all(&jpeg).ok()?;
            if is_stream {
                write!(stream, "\r\n").ok()?;
                thread::sleep(period);
            }
        }
        None
    };
    thread::Builder::new()
        .name("http".into())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::Builder::new().name("http".into()).spawn(move || serve(stream)).unwrap();
            }
        })
        .unwrap();
    port
}

#[test]
fn pictures_come_over_http() {
    for is_stream in [true, false] {
        let bench =
            Bench::new(&format!("http://127.0.0.1:{}/video", http_camera(is_stream, Duration::from_millis(40))));
        let status = bench.wait("live", |status| streams(status) && status.frames >= 10);
        assert_eq!((status.width, status.height), (320, 240));
        let mut frames = bench.camera.frames();
        let shades = (0..5).map(|_| {
            let frame = frames.wait_fresh(Instant::now() + PATIENCE).unwrap().value;
            frame.image.pixels()[0]
        });
        assert!(shades.collect::<BTreeSet<_>>().len() > 3, "new pictures, not one again and again");
        let fps = bench.wait("measured", |status| status.frames >= 15).fps;
        assert!(if is_stream { fps > 15.0 } else { fps < 5.6 }, "{fps}");
    }
}

#[test]
fn a_slow_camera_is_opened_once() {
    let bench = Bench::new(&format!("http://127.0.0.1:{}/video", http_camera(true, Duration::from_millis(1_300))));
    bench.wait("live", |status| streams(status) && status.frames >= 5);
    assert_eq!(bench.n_events("Opened through"), 1, "{}", bench.log_text());
    assert_eq!(bench.n_events("no picture"), 0, "{}", bench.log_text());
}

#[test]
fn a_good_stream_is_checked_up_without_a_verdict() {
    let Some(server) = Server::start("--size 640x480 --key-on-play --login digest") else {
        eprintln!("skipped: there is no GStreamer server");
        return;
    };
    let checkup = checkup::run(&request(&server.url("admin:admin@")), &crossbeam_channel::never(), &mut |_| {});
    assert!(checkup.verdict().is_none(), "{:?} {:#?}", checkup.findings, checkup.facts);
    assert!(checkup.facts.conversation.is_some() && checkup.facts.stream.is_some_and(|stream| stream.n_good > 20));
    let checkup = checkup::run(&request(&server.url("admin:wrong@")), &crossbeam_channel::never(), &mut |_| {});
    assert_eq!(checkup.verdict().map(|verdict| verdict.entry.id), Some("F83"), "{:?}", checkup.findings);
}

#[test]
fn a_picture_that_is_coded_again_and_again_is_a_frozen_one() {
    let Some(server) = Server::start("--size 640x480 --noise --still --keys 30 --key-on-play") else {
        return;
    };
    let checkup = checkup::run(&request(&server.url("")), &crossbeam_channel::never(), &mut |_| {});
    assert_eq!(checkup.verdict().map(|verdict| verdict.entry.id), Some("F65"), "{:?}", checkup.findings);
}
