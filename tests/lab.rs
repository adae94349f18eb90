//! Real Linux drivers: vivid and a USB camera in a throw-away virtual machine.
//!
//! `CAMCLINIC_LAB` names the program that starts the machine with such cameras and runs a command in it; without it these
//! tests skip, and say so. The machine is slow to start and ten times slower than its host, so that one run holds all cases.
#![cfg(all(target_os = "linux", feature = "opencv", feature = "native"))]

use std::io::{BufRead, Read};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camclinic::backend::Backend;
use camclinic::camera::{Camera, Command};
use camclinic::codec;
use camclinic::control::{self, Control, ControlSetting};
use camclinic::device;
use camclinic::event::Event;
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::{Image, PixelFormat, Size};
use camclinic::logging::EventLog;
use camclinic::packet::PacketSink;
use camclinic::packet::ring::{PacketRing, RingLimits};
use camclinic::settings::{CameraSettings, TrustedCertificates};
use camclinic::source::{OpenRequest, Source, SourceSpec};
use camclinic::status::{Asked, Rung, RungOutcome, State, Status};
use serde_json::Value;

/// Set in the machine only.
pub fn is_guest() -> bool {
    std::env::var_os("LAB_GUEST").is_some()
}

/// `cameras` are those that the machine has; one that begins with `n_devs=` sets how many test drivers of which sort.
#[track_caller]
pub fn run_in_lab(test: &str, cameras: &[&str]) {
    let Some(lab) = std::env::var_os("CAMCLINIC_LAB") else {
        eprintln!("skipped: CAMCLINIC_LAB is not set, so there are no cameras to test with");
        return;
    };
    let this = std::env::current_exe().unwrap();
    let output = process::Command::new(lab)
        .args(["-u", "-t", "500"])
        .args(cameras.iter().flat_map(|camera| [if camera.starts_with("n_devs=") { "-v" } else { "--camera" }, camera]))
        .arg(this)
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            &format!("{}{test}", if test.contains("::") { "" } else { "lab::" }),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{all}");
    if output.status.code() == Some(125) {
        eprintln!("skipped: the machine with the cameras did not start");
        return;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{test} on real drivers: {}", output.status);
}

#[test]
fn real_cameras() {
    run_in_lab("guest_cameras", &["uvc", "vivid"]);
}

#[test]
fn real_formats() {
    let test_drivers = "n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0,0 multiplanar=1,2";
    run_in_lab("guest_formats", &[test_drivers]);
}

#[test]
fn real_losses() {
    run_in_lab("guest_losses", &["uvc", "vivid"]);
}

#[test]
fn real_faults() {
    run_in_lab("guest_faults", &["uvc", "vivid"]);
}

#[test]
fn real_recoveries() {
    run_in_lab("guest_recoveries", &["uvc", "vivid"]);
}

#[test]
fn real_hangs() {
    run_in_lab("guest_hangs", &["uvc", "cuse:open-hang"]);
}

#[test]
fn real_resets() {
    run_in_lab("guest_resets", &["uvc", "vivid"]);
}

#[test]
fn real_controls() {
    run_in_lab("guest_controls", &["uvc"]);
}

#[test]
fn real_many_controls() {
    run_in_lab("guest_many_controls", &["n_devs=1 node_types=0x1 num_inputs=3 input_types=0xe4"]);
}

#[test]
fn real_lists() {
    let cameras =
        ["uvc:serial=A", "uvc:serial=B", "uvc:serial=", "uvc:serial=", "vivid", "loop:empty", "cuse:open-hang"];
    run_in_lab("guest_lists", &cameras);
}

#[test]
fn real_identities() {
    run_in_lab("guest_identities", &["uvc", "uvc"]);
}

#[test]
fn real_waits() {
    run_in_lab("guest_waits", &["uvc"]);
}

#[test]
fn real_watches() {
    run_in_lab("guest_watches", &["uvc", "vivid"]);
}

const V4L2: Backend = Backend::V4l2;
const V4L2_OPENCV: Backend = Backend::V4l2OpenCv;
const NATIVE: Backend = Backend::Native;
const GSTREAMER: Backend = Backend::Gstreamer;

pub fn asked(format: Option<PixelFormat>, width: u32, height: u32) -> Asked {
    Asked { size: Size::new(width, height), fps: Some(30.0), format, n_buffers: Some(4) }
}

pub fn open(name: &str, backend: Backend, asked: Asked) -> Result<Box<dyn Source>, Fault> {
    open_with(name, backend, asked, PacketSink::default())
}

fn open_with(name: &str, backend: Backend, asked: Asked, packets: PacketSink) -> Result<Box<dyn Source>, Fault> {
    OpenRequest {
        backend: Some(backend),
        asked,
        packets,
        open_deadline: Duration::from_secs(30),
        first_frame_deadline: Duration::from_secs(30),
        frame_deadline: Duration::from_secs(30),
        ..OpenRequest::new(
            SourceSpec::parse(name).unwrap(),
            &CameraSettings::default(),
            &TrustedCertificates::default(),
        )
    }
    .open()
    .map(|(_, source)| source)
}

pub fn read(source: &mut dyn Source) -> Result<Image, Fault> {
    source.grab()?;
    source.retrieve()?.into_image()
}

/// Whether blue, green and red are bright in each of the eight bars, which both cameras show in the order of a
/// television's test picture. The outer two are grey.
fn bars(image: &Image) -> Vec<String> {
    let (width, height) = (image.size().width as usize, image.size().height as usize);
    let mean = |bar: usize, channel: usize| {
        let (x, y) = ((2 * bar + 1) * width / 16, height * 4 / 5);
        let sum = (0..64)
            .map(|n| {
                u32::from(image.pixels()[((y + n / 8) * width + x + n % 8 - 4) * Image::BYTES_PER_PIXEL + channel])
            })
            .sum::<u32>();
        sum / 64
    };
    let middle = |values: [u32; 3]| (values.iter().min().unwrap() + values.iter().max().unwrap()) / 2;
    (1..7)
        .map(|bar| {
            let values = [mean(bar, 0), mean(bar, 1), mean(bar, 2)];
            values.iter().zip(["b", "g", "r"]).filter(|(v, _)| **v > middle(values)).map(|(_, name)| name).collect()
        })
        .collect()
}

/// Ten frames of this size and with the right colours.
#[track_caller]
fn check(name: &str, backend: Backend, asked: Asked, size: (u32, u32), format: Option<PixelFormat>) {
    let what = format!("{name} through {backend}");
    let start = Instant::now();
    let mut source = open(name, backend, asked).unwrap_or_else(|fault| panic!("{what}: {fault}. {}", fault.advice));
    let opened = start.elapsed();
    let size = Size { width: size.0, height: size.1 };
    for n in 0..10 {
        let image = read(source.as_mut()).unwrap_or_else(|fault| panic!("{what}, frame {n}: {fault}"));
        assert_eq!(image.size(), size, "{what}");
        assert_eq!(bars(&image), ["gr", "bg", "g", "br", "r", "b"], "{what}, frame {n}");
    }
    let got = source.got();
    println!(
        "{what}: opened in {:.1} s, 10 frames after {:.1} s, {got:?}",
        opened.as_secs_f32(),
        start.elapsed().as_secs_f32()
    );
    assert_eq!(got.size, Some(size), "{what}");
    if let Some(format) = format {
        assert_eq!(got.format, Some(format), "{what}");
    }
    if backend != GSTREAMER {
        assert!(got.fps.is_some_and(|fps| (1.0..=60.0).contains(&fps)), "{what}: {:?}", got.fps);
    }
    if [V4L2, V4L2_OPENCV].contains(&backend) {
        assert!(got.n_buffers.is_some(), "{what}");
    }
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_cameras() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let devices = device::list();
    println!("{devices:#?}");
    let paths = devices.iter().map(|device| device.path.as_str()).collect::<Vec<_>>();
    assert_eq!(paths, ["/dev/video0", "/dev/video2"], "the metadata node must not be listed");
    let (usb, vivid) = (&devices[0], &devices[1]);
    assert_eq!(usb.identity, "usb-1209_ca30_LAB0001");
    assert_eq!((usb.driver.as_deref(), usb.serial.as_deref()), (Some("uvcvideo"), Some("LAB0001")));
    assert_eq!(usb.name, "Lab UVC Camera");
    assert_eq!(vivid.identity, "platform-vivid_0");
    let link = "/dev/v4l/by-id/usb-Lab_Lab_UVC_Camera_LAB0001-video-index0";
    for name in [usb.identity.as_str(), "0", "/dev/video0"] {
        assert_eq!(device::find(name).as_ref(), Some(usb), "{name}");
    }
    for name in [link, "usb-Lab_Lab_UVC_Camera_LAB0001-video-index0"] {
        assert_eq!(device::named(name).as_ref(), Ok(usb), "{name}");
    }

    let mjpg = Some(PixelFormat::MJPG);
    let yuyv = Some(PixelFormat::YUYV);
    for backend in [V4L2, V4L2_OPENCV, NATIVE] {
        check("/dev/video0", backend, asked(mjpg, 640, 480), (640, 480), mjpg);
        check("0", backend, asked(yuyv, 640, 480), (640, 480), yuyv);
        check(&usb.identity, backend, asked(mjpg, 1280, 720), (1280, 720), mjpg);
        check(&usb.identity, backend, Asked::default(), (640, 480), None);
        check("/dev/video2", backend, asked(None, 640, 480), (640, 480), None);
        check(&vivid.identity, backend, asked(yuyv, 640, 480), (640, 480), yuyv);
    }
    check(link, V4L2, asked(mjpg, 640, 480), (640, 480), mjpg);
    check("/dev/video0", GSTREAMER, asked(mjpg, 640, 480), (640, 480), None);
    check("/dev/video0", GSTREAMER, Asked::default(), (640, 480), None);
    check("/dev/video2", GSTREAMER, asked(None, 640, 480), (640, 480), None);
    check("/dev/video2", GSTREAMER, Asked::default(), (640, 480), None);

    // What is not there is rounded, and what came of it is told.
    for backend in [V4L2, V4L2_OPENCV] {
        check("/dev/video0", backend, asked(mjpg, 600, 400), (640, 480), mjpg);
    }
    check("/dev/video0", NATIVE, asked(mjpg, 600, 400), (640, 480), mjpg);
    let one_buffer = Asked { n_buffers: Some(1), ..asked(mjpg, 640, 480) };
    for (backend, least) in [(V4L2, 3), (V4L2_OPENCV, 2)] {
        let source = open("/dev/video0", backend, one_buffer).unwrap();
        assert_eq!(source.got().n_buffers, Some(least), "one buffer starves the driver");
    }
    let source = open("/dev/video2", V4L2, asked(mjpg, 640, 480)).unwrap();
    assert_ne!(source.got().format, mjpg, "vivid has no such format");
}

/// Each format that the test driver has and that can be shown has its right colours, of a node with one plane and of one that has
/// them in buffers of their own.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_formats() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let (mut n_shown, mut n_refused) = (0, 0);
    for (device, n_passed_over) in device::list().into_iter().zip([1, 8]) {
        let offered = device::capabilities_within(&device, Duration::from_mins(1)).unwrap().format_codes();
        for format in offered.into_iter().step_by(n_passed_over) {
            let what = format!("{} as {format}", device.path);
            let shown = open(&device.path, V4L2, asked(Some(format), 320, 180));
            let mut source = match shown {
                Ok(source) if source.got().format == Some(format) => source,
                // Another was chosen: this one cannot be shown.
                Ok(_) => {
                    n_refused += 1;
                    continue;
                }
                Err(fault) => {
                    println!("{what}: {fault}");
                    assert_eq!(fault.kind, FaultKind::FormatRefused, "{what}: {fault}");
                    n_refused += 1;
                    continue;
                }
            };
            n_shown += 1;
            let image = read(source.as_mut()).unwrap_or_else(|fault| panic!("{what}: {fault}"));
            assert_eq!(Some(image.size()), Size::new(320, 180), "{what}");
            let name = format.to_string();
            let is_grey = name.starts_with('Y') && name.len() == 3 || name == "GREY";
            let expected = if is_grey { vec![""; 6] } else { vec!["gr", "bg", "g", "br", "r", "b"] };
            assert_eq!(bars(&image), expected, "{what}");
        }
    }
    println!("{n_shown} formats are shown, {n_refused} are not");
    assert!(n_shown >= 42, "{n_shown}");
}

/// What the camera sent is passed on as it is: the pictures are those that are shown. Uncompressed ones are not passed on.
#[track_caller]
fn check_packets(name: &str, backend: Backend) {
    for (format, width, height) in [(PixelFormat::MJPG, 1280, 720), (PixelFormat::YUYV, 640, 480)] {
        let ring = PacketRing::default();
        ring.set_limits(RingLimits { span: Duration::from_mins(1), n_bytes: usize::MAX });
        let sink = PacketSink::to(Arc::new(ring.clone()));
        let mut source = open_with(name, backend, asked(Some(format), width, height), sink).unwrap();
        let mut n_equal = 0;
        for _ in 0..20 {
            let grabbed = source.grab().unwrap();
            let image = source.retrieve().unwrap().into_image().unwrap();
            let Some(packet) = ring.nearest(grabbed.taken_at) else { continue };
            // The camera marks each of its pictures.
            assert!(packet.bytes.windows(9).any(|window| window == b"camera 0 "), "{backend}");
            assert!(packet.bytes.ends_with(&[0xFF, 0xD9]), "{backend}");
            assert_eq!((packet.size, packet.is_damaged), (Size::new(width, height), false), "{backend}");
            let same = codec::decode(format, image.size(), &packet.bytes).unwrap();
            n_equal += u32::from(same.pixels() == image.pixels());
        }
        println!("{backend} {format}: {n_equal} of 20 pictures came as packets");
        assert_eq!(n_equal > 10, format == PixelFormat::MJPG, "{backend}: {n_equal} of 20");
        assert_eq!(ring.kept().n_packets > 0, format == PixelFormat::MJPG, "{backend}");
    }
}

/// What the driver loses or spoils is counted, and nothing else.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_losses() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let (usb, vivid) = ("usb-1209_ca30_LAB0001", "platform-vivid_0");
    let mjpg = Some(PixelFormat::MJPG);
    for backend in [V4L2, V4L2_OPENCV, NATIVE] {
        check_packets(usb, backend);
    }
    // Of four pictures one is spoilt. Without Huffman tables one is as good as with them; a few other bits may make another picture.
    let spoilt = 6..=14;
    for (damage, expected) in [
        ("trunc", spoilt.clone()),
        ("nohdr", spoilt.clone()),
        ("text", spoilt.clone()),
        ("zero", spoilt),
        ("flip", 1..=14),
        ("nodht", 0..=0),
    ] {
        for backend in [V4L2, V4L2_OPENCV] {
            let mut source = open(usb, backend, asked(mjpg, 640, 480)).unwrap();
            read(source.as_mut()).unwrap();
            lab_devices(&format!("uvc0 corrupt {damage} 4"));
            // Those that are on their way.
            (0..8).for_each(|_| drop(read(source.as_mut())));
            let (mut n_damaged, mut last) = (0, None);
            for _ in 0..40 {
                let grabbed = source.grab().unwrap();
                // OpenCV has no count.
                let has_count = backend == V4L2;
                assert!(!has_count || last.is_none_or(|last| grabbed.sequence > last), "{last:?} {grabbed:?}");
                last = Some(grabbed.sequence);
                if let Err(fault) = source.retrieve() {
                    assert_eq!(fault.kind, FaultKind::BadFrame, "{damage}: {fault}");
                    n_damaged += 1;
                }
            }
            println!("{damage}, {backend}: {n_damaged} of 40 damaged");
            lab_devices("uvc0 resume");
            // Some that are lost by this slow machine change which of the four is damaged.
            assert!(expected.contains(&n_damaged), "{damage}, {backend}: {n_damaged} of 40");
        }
    }

    // Half of the pictures are lost by the driver, and show in its count.
    let mut source = open(vivid, V4L2, asked(None, 320, 180)).unwrap();
    read(source.as_mut()).unwrap();
    let lost_of = |source: &mut dyn Source, n: u64| {
        let first = source.grab().unwrap();
        let mut last = first;
        for _ in 0..n {
            last = source.grab().unwrap();
            let age = last.taken_at.elapsed();
            assert!(age < Duration::from_secs(5), "{age:?}");
        }
        assert!(last.taken_at > first.taken_at);
        last.sequence.unwrap() - first.sequence.unwrap() - n
    };
    let n_before = lost_of(source.as_mut(), 40);
    lab_devices("vivid0 drop 50");
    let n_lost = lost_of(source.as_mut(), 40);
    lab_devices("vivid0 drop 0");
    println!("lost: {n_before} before, {n_lost} while half are dropped");
    assert!(n_before <= 8 && (15..=90).contains(&n_lost), "{n_before} {n_lost}");

    // One that the driver itself marks as damaged.
    lab_devices("vivid0 buferror");
    let faults = (0..40).filter_map(|_| read(source.as_mut()).err()).collect::<Vec<_>>();
    assert!(faults.len() == 1 && faults[0].message.contains("its driver has lost a part of it"), "{faults:?}");
    // A buffer that is refused once does not end the stream.
    lab_devices("vivid0 qbuf");
    (0..20).for_each(|_| drop(read(source.as_mut()).unwrap()));

    // What is asked for is agreed on and told.
    drop(source);
    let source = open(usb, V4L2, Asked { fps: Some(15.0), ..asked(mjpg, 640, 480) }).unwrap();
    assert_eq!(source.got().fps, Some(15.0));
    drop(source);
    let source = open(usb, V4L2, asked(None, 1920, 1080)).unwrap();
    assert_eq!((source.got().format, source.got().size), (mjpg, Size::new(1920, 1080)), "only MJPG has this size");
}

/// What `camclinic list --json` prints, by identity, and how long it takes.
pub fn listed() -> (Vec<(String, Value)>, Duration) {
    let start = Instant::now();
    let output = process::Command::new(env!("CARGO_BIN_EXE_camclinic")).args(["list", "--json"]).output().unwrap();
    let took = start.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let devices = json["devices"].as_array().unwrap();
    (devices.iter().map(|device| (device["identity"].as_str().unwrap().to_owned(), device.clone())).collect(), took)
}

pub fn entry<'a>(list: &'a [(String, Value)], identity: &str) -> &'a Value {
    let found = list.iter().find(|(name, _)| name == identity);
    &found.unwrap_or_else(|| panic!("{identity} is not among {list:#?}")).1
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_lists() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let (list, took) = listed();
    println!("{} devices in {:.2} s: {}", list.len(), took.as_secs_f64(), serde_json::to_string(&list).unwrap());
    let text = process::Command::new(env!("CARGO_BIN_EXE_camclinic")).arg("list").output().unwrap().stdout;
    println!("{}", String::from_utf8_lossy(&text));

    // Two of one model with serial numbers, two without; the test driver; a loopback that nobody feeds.
    let bound = list.iter().filter(|(_, device)| device["is_bound_to_port"] == true).collect::<Vec<_>>();
    assert_eq!(bound.len(), 2, "{list:#?}");
    for (identity, device) in &bound {
        assert!(identity.starts_with("usb-1209_ca30-port"), "{identity}");
        assert!(device["notes"][0].as_str().unwrap().contains("no serial number"), "{device}");
    }
    assert_ne!(bound[0].0, bound[1].0);
    let kinds = list.iter().map(|(_, device)| device["kind"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(kinds.iter().filter(|kind| **kind == "camera").count(), 4, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "virtual").count(), 1, "{kinds:?}");
    assert_eq!(entry(&list, "platform-vivid_0")["kind"], "test");

    // What it can do, as the driver says.
    let usb = entry(&list, "usb-1209_ca30_A");
    assert!(usb["usb"]["speed"].as_str().unwrap().starts_with("USB "), "{usb}");
    let mjpg = usb["formats"].as_array().unwrap().iter().find(|format| format["fourcc"] == "MJPG").unwrap();
    let sizes = mjpg["sizes"].as_array().unwrap();
    let sizes = sizes.iter().map(|size| (size["width"].as_u64().unwrap(), size["height"].as_u64().unwrap()));
    assert_eq!(sizes.collect::<Vec<_>>(), [(640, 480), (1280, 720), (1920, 1080)]);
    assert_eq!(mjpg["sizes"][0]["rates"], serde_json::json!([30.0, 15.0, 5.0]));
    let control = |name: &str| {
        let controls = usb["controls"].as_array().unwrap();
        controls.iter().find(|control| control["name"].as_str().unwrap().contains(name)).unwrap().clone()
    };
    assert_eq!(control("Brightness")["kind"], "integer");
    assert_eq!(control("Brightness")["value"], control("Brightness")["default"]);
    assert_eq!(control("Exposure Time")["unit"], "100 µs");
    assert_eq!(control("Exposure Time")["flags"], serde_json::json!(["held"]));
    assert_eq!(control("Exposure Time")["held"], "Auto exposure is on");
    let mains = control("Power Line");
    assert!(mains["menu"].as_array().unwrap().iter().any(|item| item["name"] == "50 Hz"), "{mains}");
    let vivid = entry(&list, "platform-vivid_0");
    assert!(vivid["formats"].as_array().unwrap().len() > 50 && vivid["controls"].as_array().unwrap().len() > 20);

    // Whoever holds it is named; the others stay free.
    let holder = lab_devices("busy /dev/video0 600");
    let (list, _) = listed();
    let of = |identity: &str| entry(&list, identity)["holders"].clone();
    assert_eq!(of("usb-1209_ca30_A")[0]["pid"].to_string(), holder);
    assert_eq!(
        (&of("usb-1209_ca30_A")[0]["role"], &of("usb-1209_ca30_A")[0]["user"]),
        (&"program".into(), &"root".into())
    );
    assert_eq!(of("usb-1209_ca30_B"), serde_json::json!([]));
    let since = of("usb-1209_ca30_A")[0]["since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let age = jiff::Timestamp::now().duration_since(since).as_secs();
    assert!((-2..600).contains(&age), "started {age} s ago");
    assert!(process::Command::new("kill").arg(&holder).status().unwrap().success());

    // A driver that does not answer costs its own entry only.
    lab_devices("uvc0 ctlhang 1");
    let (list, took) = listed();
    println!("one hangs: {:.2} s", took.as_secs_f64());
    assert_eq!(entry(&list, "usb-1209_ca30_A")["fault"]["kind"], "hung");
    assert!(entry(&list, "usb-1209_ca30_B")["formats"].is_array());
    assert!(entry(&list, "platform-vivid_0")["formats"].is_array());
    lab_devices("uvc0 ctlhang 0");
    let hung = device::Device { path: "/dev/video20".into(), ..device::Device::default() };
    let start = Instant::now();
    let fault = device::capabilities_within(&hung, Duration::from_secs(1)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Hung, "{fault}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    lab_devices("cuse0 quit");
}

/// What the command prints. Into a file: a process that it leaves behind would hold a pipe open.
pub fn lab_devices(command: &str) -> String {
    let output = tempfile::NamedTempFile::new().unwrap();
    let status = process::Command::new("lab-devices")
        .args(command.split(' '))
        .stdout(output.reopen().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "lab-devices {command}: {status}");
    std::fs::read_to_string(output.path()).unwrap().trim().to_owned()
}

#[track_caller]
fn check_refused(name: &str, backend: Backend, kind: FaultKind, code: Option<i64>) {
    let start = Instant::now();
    let Err(fault) = open(name, backend, asked(None, 640, 480)) else { panic!("{name} opens through {backend}") };
    println!("{name} through {backend}, {:.1} s: {fault}. {}", start.elapsed().as_secs_f32(), fault.advice);
    assert_eq!((fault.kind, fault.code), (kind, code), "{name} through {backend}: {fault}");
}

/// The first fault of a camera that has delivered before.
#[track_caller]
fn first_fault(source: &mut dyn Source, what: &str) -> Fault {
    let start = Instant::now();
    for _ in 0..1000 {
        if let Err(fault) = read(source) {
            println!("{what}, {:.1} s: {fault}. {}", start.elapsed().as_secs_f32(), fault.advice);
            return fault;
        }
    }
    panic!("{what}: no fault in 1000 frames");
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_faults() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    for backend in [V4L2, NATIVE] {
        check_refused("/dev/video77", backend, FaultKind::Missing, Some(2));
        check_refused("77", backend, FaultKind::Missing, Some(2));
        check_refused("usb-1209_ca30_OTHER", backend, FaultKind::Missing, None);
        check_refused("/dev/null", backend, FaultKind::NotACamera, None);
    }
    check_refused("/dev/video1", V4L2, FaultKind::NotACamera, None);
    check_refused("/dev/video1", NATIVE, FaultKind::NotACamera, None);
    check_refused("/dev/video77", GSTREAMER, FaultKind::Missing, Some(2));

    let holder = lab_devices("busy /dev/video0 600");
    for backend in [V4L2, NATIVE, GSTREAMER] {
        check_refused("/dev/video0", backend, FaultKind::Busy, Some(16));
    }
    let fault = open("/dev/video0", V4L2, Asked::default()).err().unwrap();
    assert!(fault.message.contains(&format!("process {holder} of root, started at ")), "{fault}");
    assert!(process::Command::new("kill").arg(&holder).status().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while Path::new("/proc").join(&holder).exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }

    // A user without rights: the same program, started anew.
    let copy = "/tmp/camclinic-lab-test";
    std::fs::copy(std::env::current_exe().unwrap(), copy).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_camclinic-worker"), "/tmp/camclinic-worker").unwrap();
    let output = process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", copy])
        .args(["--ignored", "--exact", "--nocapture", "lab::guest_without_rights"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));

    // Each fault in a camera that streams; then it must be possible to open it again.
    let identity = "usb-1209_ca30_LAB0001";
    let mjpg = Some(PixelFormat::MJPG);
    for backend in [V4L2, NATIVE] {
        let mut source = open(identity, backend, asked(mjpg, 640, 480)).unwrap();
        read(source.as_mut()).unwrap();
        lab_devices("uvc0 unplug");
        let fault = first_fault(source.as_mut(), "unplugged");
        assert_eq!(fault.kind, FaultKind::Unplugged, "{fault}");
        check_refused(identity, backend, FaultKind::Missing, None);
        // The old handle keeps the number: the camera comes back under another, and is found.
        println!("back as {}", lab_devices("uvc0 plug"));
        check(identity, backend, asked(mjpg, 640, 480), (640, 480), mjpg);
        drop(source);
        lab_devices("uvc0 unplug");
        lab_devices("uvc0 plug");

        let mut source = open("platform-vivid_0", backend, asked(None, 640, 480)).unwrap();
        read(source.as_mut()).unwrap();
        lab_devices("vivid0 disconnect");
        let fault = first_fault(source.as_mut(), "disconnected");
        assert_eq!((fault.kind, fault.code), (FaultKind::Unplugged, Some(19)), "{fault}");
        drop(source);

        let mut source = open("platform-vivid_0", backend, asked(None, 640, 480)).unwrap();
        read(source.as_mut()).unwrap();
        lab_devices("vivid0 fatal");
        let fault = first_fault(source.as_mut(), "fatal error");
        assert_eq!(fault.kind, FaultKind::ReadFailed, "{fault}");
        assert!(!fault.ends_stream());
        drop(source);
        check("platform-vivid_0", backend, asked(None, 640, 480), (640, 480), None);
    }

    // Damaged pictures are faults of single pictures, and panic nobody.
    for damage in ["text", "nohdr", "trunc"] {
        let mut source = open(identity, NATIVE, asked(mjpg, 640, 480)).unwrap();
        lab_devices(&format!("uvc0 corrupt {damage} 2"));
        let results = (0..20).map(|_| read(source.as_mut())).collect::<Vec<_>>();
        let n_good = results.iter().filter(|result| result.is_ok()).count();
        println!("{damage}: {n_good} of 20 good");
        for fault in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(fault.kind, FaultKind::BadFrame, "{damage}: {fault}");
        }
        assert!((5..=19).contains(&n_good) || damage == "trunc", "{damage}: {n_good} of 20 good");
        lab_devices("uvc0 resume");
    }

    let mut source = open("platform-vivid_0", V4L2, asked(None, 640, 480)).unwrap();
    read(source.as_mut()).unwrap();
    lab_devices("vivid0 stall");
    let fault = first_fault(source.as_mut(), "stalled");
    assert_eq!(fault.kind, FaultKind::Stall, "{fault}");
    lab_devices("vivid0 stall 0");
    read(source.as_mut()).unwrap();
}

/// Waits until the camera that was reset delivers again.
#[track_caller]
fn check_is_back(name: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let read = open(name, V4L2, asked(None, 640, 480)).and_then(|mut source| read(source.as_mut()));
        match read {
            Ok(_) => return,
            Err(fault) => assert!(Instant::now() < deadline, "{name} is not back after its reset: {fault}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_resets() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let (usb, vivid) = ("usb-1209_ca30_LAB0001", "platform-vivid_0");
    for name in [usb, vivid] {
        let device = device::find(name).unwrap();
        let start = Instant::now();
        assert_eq!(device::reset(&device), Ok(()), "{name}");
        println!("{name} was reset in {:.1} s", start.elapsed().as_secs_f32());
        check_is_back(name);
        // Whoever has it open loses it: the proof that something was reset.
        let device = device::find(name).unwrap();
        let mut source = open(name, V4L2, asked(None, 640, 480)).unwrap();
        read(source.as_mut()).unwrap();
        assert_eq!(device::reset(&device), Ok(()), "{name}");
        assert_eq!(first_fault(source.as_mut(), name).kind, FaultKind::Unplugged);
        drop(source);
        check_is_back(name);
    }

    // The same through the whole engine, because the user wants it.
    let engine = Engine::new(usb, &CameraSettings::default());
    engine.wait("streaming", |status| status.state == State::Streaming);
    engine.camera.send(Command::ResetDevice);
    engine.wait("reset", is_revived_by_reset);
    drop(engine);

    // A camera that only a reset revives: opening it anew leaves the driver's fault as it is.
    let mut settings = CameraSettings { backend: Some(V4L2), ..CameraSettings::default() };
    settings.recovery.n_recovery_attempts = 1;
    settings.recovery.cooldown_secs = 1.0;
    let engine = Engine::new(vivid, &settings);
    engine.wait("streaming", |status| status.state == State::Streaming);
    lab_devices("vivid0 stall");
    let status = engine.wait("waiting for consent", |status| status.reset_needs_consent);
    assert_eq!(status.state, State::Recovering);
    assert!(engine.log.since(0).iter().any(|event| event.message.contains("waits for your consent")));
    engine.camera.send(Command::ResetDevice);
    let status = engine.wait("revived", is_revived_by_reset);
    assert!(!status.reset_needs_consent);
    drop(engine);
    settings.recovery.may_reset_device = true;
    let engine = Engine::new(vivid, &settings);
    engine.wait("streaming", |status| status.state == State::Streaming);
    lab_devices("vivid0 stall");
    engine.wait("revived without being asked", is_revived_by_reset);
}

/// A camera with everything that the program does for it.
struct Engine {
    camera: Camera,
    log: EventLog,
}

impl Engine {
    fn new(name: &str, settings: &CameraSettings) -> Self {
        let log = EventLog::new();
        let start = Instant::now();
        let print =
            move |event: &Event| println!("{:.1} s {} {}", start.elapsed().as_secs_f32(), event.name, event.message);
        log.listen(print);
        let spec = SourceSpec::parse(name).unwrap();
        Self {
            camera: Camera::start(spec, settings, &TrustedCertificates::default(), log.clone(), Arc::new(|| {}))
                .unwrap(),
            log,
        }
    }

    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
        let deadline = Instant::now() + Duration::from_mins(3);
        let mut statuses = self.camera.status();
        while let Some(fresh) = statuses.wait_fresh(deadline) {
            if wanted(&fresh.value) {
                return fresh.value;
            }
        }
        panic!("never {what}: {:#?}", statuses.current());
    }
}

fn is_revived_by_reset(status: &Status) -> bool {
    let reset = status.ladder.iter().find(|row| row.rung == Rung::ResetDevice).unwrap();
    let has_helped = reset.last.as_ref().is_some_and(|last| last.outcome == RungOutcome::Recovered);
    has_helped && status.state == State::Streaming
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_without_rights() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    check_refused("/dev/video0", V4L2, FaultKind::Denied, Some(13));
    check_refused("/dev/video0", NATIVE, FaultKind::Denied, Some(13));

    let fault = device::reset(&device::find("usb-1209_ca30_LAB0001").unwrap()).unwrap_err();
    println!("{fault}. {}", fault.advice);
    assert_eq!((fault.kind, fault.code), (FaultKind::Denied, Some(13)));
    assert!(fault.advice.contains("/dev/bus/usb/001/") && fault.advice.contains("1209"), "{}", fault.advice);
    let fault = device::reset(&device::find("platform-vivid_0").unwrap()).unwrap_err();
    assert_eq!((fault.kind, fault.code), (FaultKind::Denied, Some(13)), "{fault}");
}

/// A camera at work, with deadlines for a machine that is emulated.
struct AtWork {
    camera: Camera,
    log: EventLog,
    what: String,
    begun: Instant,
}

impl AtWork {
    fn new(source: &str, backend: Backend, format: Option<PixelFormat>) -> Self {
        Self::with(source, backend, format, |_| ())
    }

    fn with(
        source: &str,
        backend: Backend,
        format: Option<PixelFormat>,
        change: impl FnOnce(&mut CameraSettings),
    ) -> Self {
        let mut settings = CameraSettings { backend: Some(backend), n_warm_up_frames: 0, ..CameraSettings::default() };
        settings.asked = asked(format, 640, 480);
        settings.recovery.open_deadline_secs = 20.0;
        settings.recovery.first_frame_deadline_secs = 10.0;
        settings.recovery.stall_deadline_secs = 2.0;
        change(&mut settings);
        let log = EventLog::new();
        let begun = Instant::now();
        log.listen(move |event| {
            println!("  {:6.1} {} {}", begun.elapsed().as_secs_f32(), event.name, event.message);
        });
        let spec = SourceSpec::parse(source).unwrap();
        let camera =
            Camera::start(spec, &settings, &TrustedCertificates::default(), log.clone(), Arc::new(|| {})).unwrap();
        Self { camera, log, what: format!("{source} through {backend}"), begun }
    }

    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
        let deadline = Instant::now() + Duration::from_secs(90);
        let mut statuses = self.camera.status();
        while let Some(fresh) = statuses.wait_fresh(deadline) {
            if wanted(&fresh.value) {
                return fresh.value;
            }
        }
        panic!("{}: never {what}: {:#?}", self.what, statuses.current());
    }

    /// Waits until a picture comes that was taken from now on.
    #[track_caller]
    fn wait_live(&self) -> Duration {
        let from = Instant::now();
        let frames = self.camera.frames();
        self.wait("live again", |status| {
            let is_new = frames.current().is_some_and(|frame| frame.taken_at > from);
            is_new && status.state == State::Streaming
        });
        from.elapsed()
    }

    /// Waits until there is a control as wanted.
    #[track_caller]
    fn wait_control(&self, what: &str, wanted: impl Fn(&Control) -> bool) -> Control {
        let deadline = Instant::now() + Duration::from_secs(90);
        let mut controls = self.camera.controls();
        while let Some(fresh) = controls.wait_fresh(deadline) {
            if let Some(control) = fresh.value.list.iter().find(|control| wanted(control)) {
                return control.clone();
            }
        }
        panic!("{}: never {what}: {:#?}", self.what, controls.current());
    }

    fn set(&self, settings: &[(u32, i64)]) {
        let settings = settings.iter().map(|(id, value)| ControlSetting { id: *id, value: *value }).collect();
        self.camera.send(Command::SetControls(settings));
    }

    #[track_caller]
    fn wait_event(&self, text: &str) {
        self.wait(text, |_| self.log.since(0).iter().any(|event| event.message.contains(text)));
    }

    fn n_openings(&self) -> usize {
        self.log.since(0).iter().filter(|event| event.name == "open").count()
    }

    /// A fault begins, is noticed as one of these kinds, ends, and the picture comes back.
    #[track_caller]
    fn survive(&self, begin: &[&str], kinds: &[&str], end: &[&str]) {
        println!("{}: {begin:?}", self.what);
        let seen = self.log.since(0).last().map_or(0, |event| event.id);
        for command in begin {
            lab_devices(command);
        }
        self.wait("at fault", |_| self.log.since(seen).iter().any(|event| kinds.contains(&event.name.as_str())));
        for command in end {
            lab_devices(command);
        }
        let took = self.wait_live();
        println!("  {:6.1} back after {:.1} s", self.begun.elapsed().as_secs_f32(), took.as_secs_f32());
    }
}

#[track_caller]
pub fn run(program: &str, arguments: &[&str]) {
    // A device that is being closed is in use for a moment more.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let status = process::Command::new(program).args(arguments).status().unwrap();
        if status.success() {
            return;
        }
        assert!(Instant::now() < deadline, "{program} {arguments:?}: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Faults of real drivers under a camera at work: each is noticed, and the picture comes back by itself.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_recoveries() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let identity = "usb-1209_ca30_LAB0001";
    for backend in [V4L2, NATIVE] {
        let work = AtWork::new(identity, backend, Some(PixelFormat::MJPG));
        work.wait_live();
        work.survive(&["uvc0 unplug"], &["unplugged", "missing"], &["uvc0 plug"]);
        // Back before the old handle is closed: the system gives it another number.
        work.survive(&["uvc0 unplug", "uvc0 plug"], &["unplugged", "missing"], &[]);
        work.survive(&["uvc0 stall 1"], &["stall", "hung"], &["uvc0 stall 0"]);
        // Transfers that have failed are not repeated, also when the fault is over.
        work.survive(&["uvc0 epipe 1"], &["stall", "hung", "read-failed"], &["uvc0 epipe 0"]);
        work.survive(&["uvc0 reset"], &["unplugged", "missing", "read-failed"], &[]);
        work.survive(&["uvc0 unbind"], &["unplugged", "missing", "read-failed"], &["uvc0 bind"]);
        // Its driver is taken away while it is closed, and comes back.
        work.camera.send(Command::Stop);
        work.wait("stopped", |status| status.state == State::Idle);
        run("rmmod", &["uvcvideo"]);
        work.camera.send(Command::Start);
        work.wait("missing", |status| status.last_fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Missing));
        run("modprobe", &["uvcvideo"]);
        work.wait_live();
        drop(work);
        let work = AtWork::new("platform-vivid_0", backend, None);
        work.wait_live();
        work.survive(&["vivid0 unbind"], &["unplugged", "missing", "read-failed"], &["vivid0 bind"]);
        work.survive(&["vivid0 fatal"], &["read-failed", "stall"], &[]);
        work.survive(&["vivid0 disconnect"], &["unplugged", "missing", "read-failed"], &[]);
        work.camera.send(Command::Stop);
        work.wait("stopped", |status| status.state == State::Idle);
        lab_devices("vivid0 streamon");
        work.camera.send(Command::Start);
        work.wait_live();
    }
}

/// Drivers that do not come back: the program goes on, says where the process hangs, and ends in time.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_hangs() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    // OpenCV takes 102 s to give up such a camera; without it the driver's own answer comes sooner.
    for (backend, kinds) in [(V4L2, "open-failed read-failed open-timeout"), (V4L2_OPENCV, "open-timeout")] {
        let work = AtWork::new("usb-1209_ca30_LAB0001", backend, Some(PixelFormat::MJPG));
        work.wait_live();
        work.camera.send(Command::Stop);
        work.wait("stopped", |status| status.state == State::Idle);
        lab_devices("uvc0 ctlhang 1");
        work.camera.send(Command::Start);
        let is_told = |fault: &Fault| kinds.split(' ').any(|kind| fault.kind.slug() == kind);
        work.wait("told", |status| status.last_fault.as_ref().is_some_and(is_told));
        lab_devices("uvc0 ctlhang 0");
        work.wait_live();
    }

    let work = AtWork::new("/dev/video20", V4L2, None);
    let status = work.wait("stuck", |status| !status.stuck_processes.is_empty());
    println!("{:?}", status.stuck_processes);
    assert!(status.stuck_processes[0].kernel_function.is_some(), "{status:?}");
    let before = Instant::now();
    drop(work);
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    lab_devices("cuse0 quit");
}

/// What another program makes of the controls of this camera.
fn v4l2_ctl(identity: &str, arguments: &[&str]) -> String {
    let path = device::find(identity).unwrap().path;
    let output = process::Command::new("v4l2-ctl").args(["-d", &path]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Controls of a real driver beside its stream: set by us and by others, held by their automatic mode, slow, and forgotten by
/// a camera that is plugged in again.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_controls() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let identity = "usb-1209_ca30_LAB0001";
    for backend in [V4L2, NATIVE] {
        let work = AtWork::new(identity, backend, Some(PixelFormat::MJPG));
        work.wait_live();
        let wait = |id, what: &str, wanted: &dyn Fn(&Control) -> bool| {
            work.wait_control(what, |control| control.id == id && wanted(control))
        };
        let brightness = wait(control::BRIGHTNESS, "listed", &|_| true);
        println!("{:#?}", work.camera.controls().current().unwrap().list);
        let (ours, others) = (brightness.fit(brightness.default + 20), brightness.fit(brightness.default - 20));
        let n_before = work.n_openings();
        work.set(&[(control::BRIGHTNESS, ours)]);
        wait(control::BRIGHTNESS, "set", &|control| control.value == Some(ours));
        assert_eq!(v4l2_ctl(identity, &["-C", "brightness"]), format!("brightness: {ours}"));

        v4l2_ctl(identity, &["-c", &format!("brightness={others}")]);
        wait(control::BRIGHTNESS, "changed by another program", &|control| control.value == Some(others));
        work.wait_event(&format!("Another program changed Brightness: {others}, before {ours}"));

        let held = wait(control::EXPOSURE_TIME, "held", &|control| !control.can_be_set());
        assert_eq!(held.held.as_deref(), Some("Auto exposure is on"));
        work.set(&[(control::EXPOSURE_TIME, 100), (control::AUTO_EXPOSURE, 1)]);
        wait(control::EXPOSURE_TIME, "free", &|control| control.can_be_set() && control.value == Some(100));
        assert_eq!(v4l2_ctl(identity, &["-C", "exposure_time_absolute"]), "exposure_time_absolute: 100");

        // A camera that takes its time to answer goes on showing its picture.
        lab_devices("uvc0 slow 300");
        let gain = wait(control::GAIN, "listed", &|_| true);
        let more = gain.fit(gain.default + 10);
        work.set(&[(control::GAIN, more)]);
        wait(control::GAIN, "set slowly", &|control| control.value == Some(more));
        lab_devices("uvc0 resume");

        // The shutter before the lens is moved by hand, and told.
        assert_eq!(wait(control::PRIVACY, "listed", &|_| true).in_words(), "Shutter open");
        lab_devices("uvc0 privacy 1");
        assert_eq!(wait(control::PRIVACY, "closed", &|control| control.value == Some(1)).in_words(), "Shutter closed");
        lab_devices("uvc0 privacy 0");

        // One whose controls do not answer at all does, too, and answers again later.
        lab_devices("uvc0 ctlhang 1");
        work.set(&[(control::GAIN, gain.default)]);
        let from = Instant::now();
        while from.elapsed() < Duration::from_secs(8) {
            work.wait_live();
        }
        lab_devices("uvc0 ctlhang 0");
        work.set(&[(control::GAIN, more)]);
        wait(control::GAIN, "set again", &|control| control.value == Some(more));
        let status = work.wait("live", |status| status.state == State::Streaming);
        assert!(status.last_fault.is_none() && status.recovery_attempts == 0, "{status:#?}");
        assert_eq!(work.n_openings(), n_before, "the camera was opened again");

        // Plugged in again it has forgotten what we set, and is told.
        work.survive(&["uvc0 unplug"], &["unplugged", "missing"], &["uvc0 plug"]);
        work.wait_event("Controls set again: ");
        wait(control::EXPOSURE_TIME, "set again", &|control| control.can_be_set() && control.value == Some(100));
        wait(control::GAIN, "set again", &|control| control.value == Some(more));
        assert_eq!(v4l2_ctl(identity, &["-C", "exposure_time_absolute"]), "exposure_time_absolute: 100");
        assert_eq!(v4l2_ctl(identity, &["-C", "gain"]), format!("gain: {more}"));
        assert_eq!(
            wait(control::BRIGHTNESS, "left alone", &|_| true).value,
            Some(brightness.default),
            "what another program has set is its own business"
        );
        // The next one is to begin with a camera that has its defaults.
        drop(work);
        lab_devices("uvc0 unplug");
        lab_devices("uvc0 plug");
    }
}

/// A driver with controls of every kind: all are listed, what cannot be set here too, and those that can are set beside the
/// stream.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_many_controls() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let identity = "platform-vivid_0";
    let (list, took) = listed();
    let shown = entry(&list, identity)["controls"].as_array().unwrap().clone();
    println!("{} controls in {:.2} s:", shown.len(), took.as_secs_f64());
    for control in &shown {
        println!("  {control}");
    }
    // As many as another program names, which counts headings and leaves out what has several values.
    let others = v4l2_ctl(identity, &["--list-ctrls"]);
    let n_others = others.lines().filter(|line| line.contains(" 0x")).count();
    println!("{n_others} by v4l2-ctl");
    assert!(shown.len() >= n_others && shown.len() > 40, "{} {others}", shown.len());
    let named = |name: &str| shown.iter().find(|control| control["name"] == name).unwrap_or_else(|| panic!("{name}"));
    for (name, kind) in [
        ("Brightness", "integer"),
        ("Boolean", "boolean"),
        ("Menu", "menu"),
        ("Integer Menu", "menu"),
        ("Button", "button"),
        ("Bitmask", "bitmask"),
        ("Integer 64 Bits", "integer64"),
        ("String", "text"),
        ("U16 8x16 Matrix", "table"),
    ] {
        assert_eq!(named(name)["kind"], kind, "{name}");
    }
    assert_eq!(named("U16 8x16 Matrix")["sizes"], serde_json::json!([8, 16]));
    assert!(named("Bitmask")["value"].as_u64().is_some(), "{}", named("Bitmask"));

    // Presets are kept for the camera, not for the number that it was named by.
    let path = device::find(identity).unwrap().path;
    let work = AtWork::new(&path, V4L2, Some(PixelFormat::YUYV));
    work.wait_live();
    work.wait_control("listed", |_| true);
    assert_eq!(work.camera.controls().current().unwrap().camera, identity);
    let wait = |name: &str, wanted: &dyn Fn(&Control) -> bool| {
        work.wait_control(name, |control| control.name == name && wanted(control))
    };
    let (brightness, boolean, menu) =
        (wait("Brightness", &|_| true), wait("Boolean", &|_| true), wait("Menu", &|_| true));
    let held = work.camera.controls().current().unwrap().list.clone();
    assert_eq!(held.len(), shown.len(), "the stream shows all that the list has");
    let n_before = work.n_openings();
    work.set(&[(brightness.id, 200), (boolean.id, 0), (menu.id, 4)]);
    wait("Brightness", &|control| control.value == Some(200));
    wait("Boolean", &|control| control.value == Some(0));
    wait("Menu", &|control| control.value == Some(4));
    let said = v4l2_ctl(identity, &["-C", "brightness,boolean,menu"]);
    assert!(said.contains("brightness: 200") && said.contains("boolean: 0") && said.contains("menu: 4"), "{said}");

    v4l2_ctl(identity, &["-c", "boolean=1,contrast=99"]);
    work.wait_event("Another program changed Boolean: on, before off");
    work.wait_event("Another program changed Contrast: 99, before 128");
    // A place of the menu that is not there.
    work.set(&[(menu.id, 2)]);
    work.wait_event("could not be set: the camera does not take this value");
    let status = work.wait("live", |status| status.state == State::Streaming);
    assert!(status.last_fault.is_none(), "{status:#?}");
    assert_eq!(work.n_openings(), n_before, "the camera was opened again");

    // All of them back, as the button in the window does it.
    let list = work.camera.controls().current().unwrap().list.clone();
    let settable = list.iter().filter(|control| control.can_be_set() && !control.is_default());
    let defaults = settable.map(|control| (control.id, control.default)).collect::<Vec<_>>();
    work.set(&defaults);
    wait("Brightness", &|control| control.is_default());
    wait("Contrast", &|control| control.is_default());
}

/// A number may name another camera after a re-plug; that one is never shown in place of the one that was opened.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_identities() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let work = AtWork::new("/dev/video0", V4L2, Some(PixelFormat::MJPG));
    work.wait_live();
    let mine = bars(&work.camera.frames().current().unwrap().image);
    lab_devices("uvc1 unplug");
    lab_devices("uvc0 unplug");
    work.wait("missing", |status| status.last_fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Missing));
    // The other camera of the same model, under the number of the first.
    assert_eq!(lab_devices("uvc1 plug"), "/dev/video0");
    // Long enough to be looked for several times.
    let outage = |status: &Status| status.outage_secs.unwrap_or_default();
    let before = outage(&work.camera.status().current().unwrap());
    let status = work.wait("looked for", |status| outage(status) >= before + 3.0 || status.state == State::Streaming);
    assert_eq!(status.state, State::Recovering);
    println!("back as {}", lab_devices("uvc0 plug"));
    work.wait_live();
    assert_eq!(bars(&work.camera.frames().current().unwrap().image), mine);
}

/// A camera that another program streams from is opened when that lets go, and not before.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_waits() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let hold = || {
        let stream = ["-d", "/dev/video0", "--stream-mmap", "--stream-count=100000"];
        let mut holder =
            process::Command::new("v4l2-ctl").args(stream).stderr(process::Stdio::piped()).spawn().unwrap();
        // It marks each picture with a character.
        let mut first = [0];
        holder.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
        holder
    };
    let is_busy = |status: &Status| status.last_fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Busy);
    for is_automatic in [true, false] {
        let mut holder = hold();
        let work = AtWork::with("/dev/video0", V4L2, Some(PixelFormat::MJPG), |settings| {
            settings.recovery.automatic = is_automatic;
        });
        if !is_automatic {
            work.wait("given up", |status| is_busy(status) && status.state == State::Failed);
            work.camera.send(Command::WaitUntilFree);
        }
        // Known to be held, it is left alone.
        let status = work.wait("waited for", |status| status.next_try_secs.is_some_and(|secs| secs > 10.0));
        let fault = status.last_fault.clone().unwrap();
        assert!(fault.message.contains(&format!("v4l2-ctl (process {} of root", holder.id())), "{fault}");
        println!("{fault}. {}", fault.advice);
        let released = Instant::now();
        holder.kill().unwrap();
        holder.wait().unwrap();
        work.wait_live();
        println!("live {:?} after the release", released.elapsed());
        // How long the driver takes then is a matter of the machine.
        let events = work.log.since(0);
        let opened_at = |text: &str| {
            let event = events.iter().rev().find(|event| event.message.starts_with(text));
            event.map_or_else(|| panic!("never {text}"), |event| event.instant)
        };
        opened_at("A program has let go of the camera");
        let took = opened_at("Trying every few seconds").saturating_duration_since(released);
        assert!(took < Duration::from_secs(10), "opened {took:?} after the release");
    }
}

/// Real cameras tested and monitored by the commands.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_watches() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.json");
    let patient =
        r#"{"version":1,"recovery":{"open_deadline_secs":20,"first_frame_deadline_secs":20,"stall_deadline_secs":3}}"#;
    std::fs::write(&settings, patient).unwrap();
    let program = |arguments: &[&str]| {
        let mut command = process::Command::new(env!("CARGO_BIN_EXE_camclinic"));
        command.args(arguments).arg("--settings").arg(&settings).env("CAMCLINIC_DATA", folder.path());
        command.stdout(process::Stdio::piped());
        command.spawn().unwrap()
    };
    let lines = |child: process::Child| {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = serde_json::Deserializer::from_str(&text).into_iter::<Value>().map(Result::unwrap);
        (output.status.code(), lines.collect::<Vec<_>>())
    };
    for source in ["usb-1209_ca30_LAB0001", "platform-vivid_0"] {
        let (_, tested) = lines(program(&["test", source, "--num-tests", "10", "--size", "640x480", "--json"]));
        let tested = &tested[0];
        println!("{source}: {tested}");
        assert_eq!((&tested["connected"], &tested["passed"], &tested["failed"]), (&true.into(), &10.into(), &0.into()));
        assert_eq!(tested["resolution"]["width"], 640);
    }
    let cameras = ["usb-1209_ca30_LAB0001", "platform-vivid_0"];
    let mut monitor = program(&["monitor", cameras[0], cameras[1], "--duration", "1", "--interval", "1", "--json"]);
    let said = std::io::BufReader::new(monitor.stdout.take().unwrap());
    let mut lines = said.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut told = Vec::new();
    let mut until = |is_it: &dyn Fn(&Value) -> bool| {
        let line = lines.by_ref().inspect(|line| told.push(line.clone())).find(is_it);
        line.unwrap_or_else(|| panic!("it never came: {told:#?}"))
    };
    let of = |line: &Value, source: &str| line["source"] == source;
    until(&|line| of(line, cameras[0]) && line["state"] == "streaming");
    until(&|line| of(line, cameras[1]) && line["state"] == "streaming");
    lab_devices("uvc0 unplug");
    until(&|line| of(line, cameras[0]) && line["name"] == "CAMERA_ISSUE");
    lab_devices("uvc0 plug");
    until(&|line| of(line, cameras[0]) && line["name"] == "CAMERA_RECOVERY");
    let summary = until(&|line| line["type"] == "summary");
    println!("{:?}, {summary}", monitor.wait().unwrap());
    assert!(!told.iter().any(|line| of(line, cameras[1]) && line["name"] == "CAMERA_ISSUE"), "{told:#?}");
}
