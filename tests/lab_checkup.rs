//! The check-up of real cameras: healthy ones, and each in trouble of its own.
#![cfg(all(target_os = "linux", feature = "opencv", feature = "native"))]

use std::process;
use std::time::{Duration, Instant};

use camclinic::checkup;
use camclinic::frame::{PixelFormat, Size};
use crossbeam_channel::never;

use super::checkup::request;
use super::lab::{is_guest, lab_devices, run_in_lab};

#[test]
fn real_checkups() {
    run_in_lab("lab_checkup::guest_checkups", &["uvc", "vivid", "vivid:hdmi", "loop:empty", "loop"]);
}

#[test]
fn real_checkups_of_drivers_that_hang() {
    run_in_lab("lab_checkup::guest_hanging_checkups", &["cuse:open-hang", "cuse:open-eio", "cuse:ioctl-hang"]);
}

const UVC: &str = "usb-1209_ca30_LAB0001";

#[derive(Default)]
struct Board {
    n: usize,
    n_first: usize,
    n_in_three: usize,
    wrong: Vec<String>,
}

impl Board {
    /// What is said of a camera; `-` where nothing may be wrong with it, `|` between those that mean the same.
    fn check(&mut self, what: &str, source: &str, expected: &str) {
        self.check_with(what, source, None, expected);
    }

    fn check_with(&mut self, what: &str, source: &str, format: Option<PixelFormat>, expected: &str) {
        let mut request = request(source);
        // Everything is ten times slower there: what a webcam does without effort takes all of the time.
        request.settings.recovery.first_frame_deadline_secs = 6.0;
        request.settings.asked.format = format;
        request.settings.asked.fps = Some(5.0);
        if source == UVC {
            request.settings.asked.size = if format.is_some() { Size::new(640, 480) } else { Size::new(320, 240) };
        }
        let began = Instant::now();
        let checkup = checkup::run(&request, &never(), &mut |_| {});
        let likely = checkup.findings.iter().filter(|finding| finding.judgement.confidence >= 0.5);
        // It is, there.
        let found: Vec<_> = likely.map(|finding| finding.entry.slug).filter(|slug| *slug != "open-slow").collect();
        let place = if expected == "-" {
            found.is_empty().then_some(0)
        } else {
            found.iter().position(|slug| expected.split('|').any(|right| right == *slug))
        };
        self.n += 1;
        self.n_first += usize::from(place == Some(0));
        self.n_in_three += usize::from(place.is_some_and(|place| place < 3));
        let mark = if place == Some(0) { ' ' } else { '!' };
        println!("{mark} {what:<28} {:>5.1} s  {found:?}", began.elapsed().as_secs_f32());
        if place != Some(0) {
            let facts = serde_json::to_string(&checkup.facts).unwrap();
            self.wrong.push(format!("{what}: {found:?} in place of {expected}\n{facts}"));
        }
    }

    fn done(self) {
        println!("first {} of {}, among the first three {}", self.n_first, self.n, self.n_in_three);
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_checkups() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let mut board = Board::default();
    board.check("healthy webcam", UVC, "-");
    // Both are parts of one device: by their nodes they are told apart.
    let [test_driver, hdmi] = ["node vivid0", "node vivid1"].map(lab_devices);
    board.check("healthy test driver", &test_driver, "-");
    board.check("metadata node", "/dev/video1", "metadata-node");
    board.check("no such node", "/dev/video77", "no-camera");
    board.check("virtual camera without feed", "/dev/video10", "virtual-camera");
    for (command, expected) in [("fps 5", "-"), ("corrupt trunc 2", "torn"), ("corrupt text 2", "torn")] {
        lab_devices(&format!("loop1 {command}"));
        board.check(&format!("fed: {command}"), "/dev/video11", expected);
        lab_devices("loop1 resume");
    }
    for signal in ["none", "nolock", "range"] {
        lab_devices(&format!("vivid1 signal {signal}"));
        board.check(&format!("signal {signal}"), &hdmi, "black-signal");
    }

    let holder = lab_devices("busy /dev/video0 600");
    board.check("held by another program", "/dev/video0", "busy-linux");
    assert!(process::Command::new("kill").arg(&holder).status().unwrap().success());
    std::thread::sleep(Duration::from_secs(2));

    for (command, expected) in [
        ("fps 2", "rate-untrue"),
        ("freeze", "frozen"),
        ("dup 2", "doubled"),
        ("black", "shutter|black-signal"),
        ("privacy 1", "privacy-shutter"),
        ("stall", "no-picture"),
        ("corrupt text 5", "usb-errors"),
        ("corrupt trunc 4", "usb-errors"),
        ("errbit", "no-picture"),
        ("ctlstall", "firmware-silent"),
    ] {
        lab_devices(&format!("uvc0 {command}"));
        let format = command.starts_with("corrupt").then_some(PixelFormat::MJPG);
        board.check_with(command, UVC, format, expected);
        lab_devices("uvc0 resume");
        if command.starts_with("privacy") {
            lab_devices("uvc0 privacy 0");
        }
    }
    lab_devices("uvc0 unbind");
    board.check("driver taken off", UVC, "no-driver");
    lab_devices("uvc0 bind");
    lab_devices("wait uvc0");
    lab_devices("uvc0 unplug");
    board.check("unplugged", UVC, "no-camera|unplugged");
    lab_devices("uvc0 plug");
    board.check("healthy again", UVC, "-");
    board.done();
}

#[test]
#[ignore = "runs in the lab's machine"]
fn guest_hanging_checkups() {
    if !is_guest() {
        eprintln!("skipped: this is no lab machine");
        return;
    }
    let mut board = Board::default();
    board.check("open fails", "/dev/video21", "no-picture|firmware-silent");
    board.check("open hangs", "/dev/video20", "open-hangs");
    board.check("each question hangs", "/dev/video22", "open-hangs");
    board.done();
}
