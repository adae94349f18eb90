//! What the program says of real Linux devices: which they are, and why one cannot be opened. In the lab's machine, as
//! [`crate::lab`] tells.
#![cfg(all(target_os = "linux", feature = "opencv", feature = "native"))]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use camclinic::backend::Backend;
use camclinic::device::{self, Device};
use camclinic::fault::{Fault, FaultClass, FaultKind};
use camclinic::frame::{Image, PixelFormat};
use serde_json::Value;

use crate::lab::{asked, entry, is_guest, lab_devices, listed, open, read, run, run_in_lab};

#[test]
fn real_replugs() {
    run_in_lab("devices::guest_replugs", &["uvc:serial=A", "uvc:serial=B", "uvc:serial=", "uvc:serial="]);
}

#[test]
fn real_refusals() {
    run_in_lab("devices::guest_refusals", &["uvc", "loop:empty"]);
}

#[test]
fn real_inputs() {
    let test_drivers = "n_devs=3 node_types=0x1,0x1,0x1 num_inputs=1,3,1 input_types=0,0x24,3";
    run_in_lab("devices::guest_inputs", &[test_drivers]);
}

#[test]
fn real_many() {
    let test_drivers = "n_devs=3 node_types=0x1,0x1,0x1 num_inputs=1,1,1 input_types=0,0,0";
    let cameras = ["uvc", "uvc", "uvc", "loop", "loop:empty", "cuse:open-hang", test_drivers];
    run_in_lab("devices::guest_many", &cameras);
}

fn skips() -> bool {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
    }
    !is_guest()
}

/// The number that a camera of the lab has written into its picture: two bits in the top row, beside white and black.
fn number_in(image: &Image) -> usize {
    let brightness = |cell: usize| {
        let at = (8 * image.size().width as usize + 16 * cell + 8) * Image::BYTES_PER_PIXEL;
        image.pixels()[at..at + Image::BYTES_PER_PIXEL].iter().map(|value| usize::from(*value)).sum::<usize>()
    };
    let middle = usize::midpoint(brightness(0), brightness(1));
    let bit = |cell| usize::from(brightness(cell) > middle);
    2 * bit(18) + bit(19)
}

#[track_caller]
fn check_picture(identity: &str, number: usize) {
    let mut source = open(identity, Backend::V4l2, asked(Some(PixelFormat::MJPG), 640, 480)).unwrap();
    assert_eq!(number_in(&read(source.as_mut()).unwrap()), number, "the picture of {identity}");
}

fn camclinic(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_camclinic")).args(arguments).output().unwrap()
}

/// Two of one model with serial numbers, and two without, re-plugged in the other order: each is itself again.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_replugs() {
    if skips() {
        return;
    }
    let port_of = |device: &Device| device.usb.as_ref().unwrap().port.clone();
    let before = device::list();
    assert_eq!(before.len(), 4, "four cameras, and none of their metadata nodes: {before:#?}");
    let identities = before.iter().map(|device| device.identity.clone()).collect::<Vec<_>>();
    assert_eq!(identities[..2], ["usb-1209_ca30_A", "usb-1209_ca30_B"]);
    assert!(identities[2..].iter().all(|identity| identity.starts_with("usb-1209_ca30-port")), "{identities:?}");
    let is_bound = before.iter().map(|device| device.is_bound_to_port).collect::<Vec<_>>();
    assert_eq!(is_bound, [false, false, true, true]);
    for (device, nth) in before.iter().zip(0..) {
        let is_said = device.notes.iter().any(|note| note.contains(&port_of(device)) && note.contains("serial number"));
        assert_eq!(is_said, nth >= 2, "{device:#?}");
        check_picture(&device.identity, nth);
    }

    let (mut n_back, mut times) = (0, Vec::new());
    for round in 0..13 {
        for nth in 0..4 {
            lab_devices(&format!("uvc{nth} unplug"));
        }
        assert_eq!(device::list(), [], "round {round}");
        // Another order in each round, so that each number comes to each camera.
        for step in 0..4 {
            let nth = if round % 2 == 0 { 3 - step } else { (step + round) % 4 };
            let begun = Instant::now();
            let node = lab_devices(&format!("uvc{nth} plug"));
            let found = device::find(&identities[nth]);
            times.push(begun.elapsed());
            let is_right = found.as_ref().is_some_and(|device| device.path == node);
            assert!(is_right, "round {round}: {} is at {node} and found as {found:#?}", identities[nth]);
            n_back += usize::from(is_right);
        }
        let after = device::list();
        assert_eq!(after.len(), 4, "round {round}: {after:#?}");
    }
    times.sort();
    println!(
        "figure: {n_back} of {} re-plugged cameras were found under their identities, {:.1} s in the middle",
        times.len(),
        times[times.len() / 2].as_secs_f32()
    );
    assert_eq!(n_back, 52);
    for (identity, nth) in identities.iter().zip(0..) {
        check_picture(identity, nth);
    }

    // The commands show the right one as well. The first has another number now.
    lab_devices("uvc0 unplug");
    lab_devices("uvc1 unplug");
    lab_devices("uvc1 plug");
    lab_devices("uvc0 plug");
    assert_ne!(device::find(&identities[0]).unwrap().path, before[0].path);
    // The machine is slow where its host has other work.
    let patient = "/tmp/patient.json";
    let deadlines = ["open", "first_frame", "stall"].map(|what| format!("\"{what}_deadline_secs\":30")).join(",");
    fs::write(patient, format!(r#"{{"version":2,"new_camera":{{"recovery":{{{deadlines}}}}}}}"#)).unwrap();
    for (identity, nth) in identities.iter().take(2).zip(0..) {
        let file = format!("/tmp/snapshot{nth}.png");
        let output = camclinic(&["snapshot", identity, "--settings", patient, "--size", "640x480", "--output", &file]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let png = camclinic_png(&file);
        assert_eq!(number_in(&png), nth, "the snapshot of {identity}");
        let output = camclinic(&["status", identity, "--settings", patient, "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&status["source"], &status["is_capturing"]), (&identity.as_str().into(), &true.into()), "{status}");
    }

    // A camera without a serial number in the other's port is the other, as its note says.
    lab_devices("uvc2 unplug");
    lab_devices("uvc3 unplug");
    let port = port_of(&before[2]);
    let nth_port: u32 = port.rsplit(['-', '.']).next().unwrap().parse().unwrap();
    lab_devices(&format!("uvc3 plug {}", nth_port - 1));
    check_picture(&identities[2], 3);
}

fn camclinic_png(file: &str) -> Image {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    let size = camclinic::frame::Size { width: info.width, height: info.height };
    Image::new(size, rgb).unwrap()
}

#[track_caller]
fn check_refused(name: &str, backend: Backend, kind: FaultKind, message: &str, advice: &str) -> Fault {
    let Err(fault) = open(name, backend, asked(None, 640, 480)) else { panic!("{name} opens through {backend}") };
    println!("{name} through {backend}: {fault}. {}", fault.advice);
    assert_eq!(fault.kind, kind, "{fault}");
    assert!(fault.message.contains(message), "{fault}");
    assert!(fault.advice.contains(advice), "{}", fault.advice);
    fault
}

/// What an advice says to type, typed.
#[track_caller]
fn follow(fault: &Fault) {
    let (_, command) = fault.advice.split_once("echo ").unwrap();
    let command = format!("echo {}", command.split(". ").next().unwrap().trim_end_matches('.').replace("sudo ", ""));
    run("sh", &["-c", &command]);
}

#[track_caller]
fn wait_for(identity: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while device::find(identity).is_none() {
        assert!(Instant::now() < deadline, "{identity} is not back: {:#?}", device::list());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What an unprivileged user is told, in the words of `camclinic status`.
#[track_caller]
fn check_denied(message: &str, advice: &str) {
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["/tmp/camclinic", "status", "/dev/video0", "--json", "--settings", "/tmp/none.json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let status: Value = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said} {output:?}"));
    let fault = &status["last_fault"];
    println!("{fault}");
    assert_eq!((&fault["kind"], &fault["code"]), (&"denied".into(), &13.into()), "{fault}");
    assert!(fault["message"].as_str().unwrap().contains(message), "{fault}");
    assert!(fault["advice"].as_str().unwrap().contains(advice), "{fault}");
    assert_eq!(output.status.code(), Some(2));
}

/// Each row of the table of reasons that real drivers can be made to show.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_refusals() {
    if skips() {
        return;
    }
    let identity = "usb-1209_ca30_LAB0001";
    let backends = [Backend::V4l2, Backend::Native];

    // Its driver is taken from it, is not there, may not be loaded; the device is not authorized.
    lab_devices("uvc0 unbind");
    for backend in backends {
        check_refused(identity, backend, FaultKind::Missing, "no driver has taken it", "uvcvideo/bind");
    }
    let fault =
        check_refused("/dev/video0", Backend::V4l2, FaultKind::Missing, "/dev/video0 does not exist; Lab", "bind");
    let output = camclinic(&["list", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["without_driver"][0]["identity"], identity, "{list}");
    assert!(String::from_utf8_lossy(&camclinic(&["list"]).stdout).contains("no driver"));
    follow(&fault);
    wait_for(identity);

    run("rmmod", &["uvcvideo"]);
    check_refused(identity, Backend::V4l2, FaultKind::Missing, "uvcvideo, is not loaded", "sudo modprobe uvcvideo");
    let conf = "/etc/modprobe.d/no-cameras.conf";
    fs::create_dir_all("/etc/modprobe.d").unwrap();
    fs::write(conf, "blacklist uvcvideo\n").unwrap();
    check_refused(identity, Backend::V4l2, FaultKind::Missing, &format!("kept from being loaded by {conf}"), conf);
    fs::remove_file(conf).unwrap();
    run("modprobe", &["uvcvideo"]);
    wait_for(identity);

    lab_devices("uvc0 authorize 0");
    let fault = check_refused(identity, Backend::V4l2, FaultKind::Missing, "not authorized", "USBGuard");
    follow(&fault);
    wait_for(identity);
    assert_eq!(device::undriven(), []);

    // What is no camera, or none that anybody feeds.
    for (path, what) in [("/dev/video1", "metadata"), ("/dev/null", "not a camera"), ("/dev/v4l", "a folder")] {
        check_refused(path, Backend::V4l2, FaultKind::NotACamera, what, "Choose");
    }
    let media = "/dev/media0";
    if Path::new(media).exists() {
        check_refused(media, Backend::V4l2, FaultKind::NotACamera, "media controller", "Choose");
    }
    for backend in backends {
        check_refused("/dev/video10", backend, FaultKind::OpenFailed, "no program feeds it", "Start the program");
    }

    // Who has it: a program that streams is in the way, one that only has it open is not.
    let holder = lab_devices("busy /dev/video0 600");
    for backend in backends {
        let message = format!("in use by v4l2-ctl (process {holder} of root, started at ");
        let fault = check_refused("/dev/video0", backend, FaultKind::Busy, &message, "Close v4l2-ctl");
        assert_eq!((fault.class, fault.code), (FaultClass::Busy, Some(16)));
    }
    assert!(Command::new("kill").arg(&holder).status().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while Path::new("/proc").join(&holder).exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut idle = Command::new("sh").args(["-c", "exec sleep 600 </dev/video0"]).spawn().unwrap();
    check_picture(identity, 0);
    idle.kill().unwrap();
    idle.wait().unwrap();

    // The shutter is told of by the list, and keeps nobody from the camera.
    lab_devices("uvc0 privacy 1");
    let (list, _) = listed();
    let notes = entry(&list, identity)["notes"].clone();
    assert!(notes[0].as_str().unwrap().contains("privacy shutter"), "{notes}");
    lab_devices("uvc0 privacy 0");
    assert_eq!(entry(&listed().0, identity)["notes"], serde_json::json!([]));

    // A fault of the USB line passes: it is tried again.
    lab_devices("uvc0 ctlstall 1");
    for backend in backends {
        let opened = open(identity, backend, asked(None, 640, 480));
        let fault = opened.and_then(|mut source| read(source.as_mut())).unwrap_err();
        println!("control requests stall, {backend}: {fault}. {}", fault.advice);
        assert!(fault.is_transient() && fault.code == Some(5), "{fault}");
    }
    lab_devices("uvc0 ctlstall 0");
    check_picture(identity, 0);

    // A user without rights, one who has them from the next login on, and a node that is root's alone.
    fs::copy(env!("CARGO_BIN_EXE_camclinic"), "/tmp/camclinic").unwrap();
    fs::copy(env!("CARGO_BIN_EXE_camclinic-worker"), "/tmp/camclinic-worker").unwrap();
    // The machine's files are those of its host, which may itself be a container.
    fs::write("/.dockerenv", "").unwrap();
    check_denied("belongs to the group video, and nobody is not in it", "--device /dev/video0 --group-add video");
    for mark in ["/.dockerenv", "/run/.containerenv", "/run/systemd/container", "/run/host/container-manager"] {
        let _ = fs::remove_file(mark);
    }
    check_denied("belongs to the group video, and nobody is not in it", "sudo usermod -aG video nobody; then log out");
    run("usermod", &["-aG", "video", "nobody"]);
    check_denied("nobody is in it, but was added after this session began", "Log out of the whole session");
    run("chmod", &["600", "/dev/video0"]);
    check_denied("may be opened by root only, and this program runs as nobody", "udev rule");
    run("chmod", &["666", "/dev/video0"]);
    check_picture(identity, 0);
}

/// Cameras of one driver, one of them with three inputs, taken away and brought back.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_inputs() {
    if skips() {
        return;
    }
    let names = || device::list().into_iter().map(|device| (device.identity, device.path)).collect::<Vec<_>>();
    let before = names();
    let identities = before.iter().map(|(identity, _)| identity.as_str()).collect::<Vec<_>>();
    let expected = ["000", "001", "002"].map(|nth| format!("platform-vivid_0-vivid-{nth}-vid-cap"));
    assert_eq!(identities, expected);
    let (list, _) = listed();
    for (identity, device) in &list {
        assert_eq!((&device["kind"], &device["state"]), (&"test".into(), &"free".into()), "{device}");
        assert!(device["formats"].as_array().unwrap().len() > 50, "{identity}");
    }
    // Somebody has the first while the driver goes and comes back: its number stays taken.
    let mut idle = Command::new("sh").args(["-c", &format!("exec sleep 600 <{}", before[0].1)]).spawn().unwrap();
    lab_devices("vivid0 unbind");
    assert_eq!(names(), []);
    lab_devices("vivid0 bind");
    let after = names();
    println!("{before:?} {after:?}");
    assert_eq!(after.iter().map(|(identity, _)| identity).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    for identity in &expected {
        let mut source = open(identity, Backend::V4l2, asked(None, 640, 480)).unwrap();
        read(source.as_mut()).unwrap();
    }
    idle.kill().unwrap();
    idle.wait().unwrap();
}

/// How long the list takes with eight devices, and with one more that hangs.
#[test]
#[ignore = "runs in the lab's machine"]
fn guest_many() {
    if skips() {
        return;
    }
    // The first time loads the program from the disk, and wakes the cameras.
    listed();
    let start = || Command::new(env!("CARGO_BIN_EXE_camclinic")).arg("--version").output().unwrap();
    let timed = |work: &dyn Fn()| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    let best = |work: &dyn Fn()| (0..5).map(|_| timed(work)).min().unwrap();
    let starting = best(&|| drop(start()));
    let listing = best(&|| {
        assert_eq!(listed().0.len(), 8);
    });
    println!(
        "figure: list --json with 8 devices took {listing:.0?} on this emulated machine, where --version takes {starting:.0?}"
    );
    // Twice what it takes on a calm machine.
    assert!(listing < 20 * starting, "{listing:?}");

    // Slow ones on one bus take their turns, and keep nobody else.
    lab_devices("uvc0 slow 20");
    let slow = best(&|| drop(listed()));
    lab_devices("uvc0 slow 0");
    println!("figure: with one camera that takes 20 ms for each request: {slow:.0?}");
    lab_devices("uvc0 ctlhang 1");
    let begun = Instant::now();
    let (list, _) = listed();
    let hung = begun.elapsed();
    println!("figure: with one camera that does not answer: {hung:.1?}");
    lab_devices("uvc0 ctlhang 0");
    let silent = list.iter().filter(|(_, device)| device["state"] == "no-answer").count();
    let n_told = list.iter().filter(|(_, device)| device["formats"].is_array()).count();
    assert_eq!((list.len(), silent, n_told), (8, 1, 7));
    lab_devices("cuse0 quit");
}
