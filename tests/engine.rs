//! The camera engine against scripted cameras: what a person would see of each fault, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use camclinic::camera::{Camera, Command};
use camclinic::control::{self, Control, ControlSetting};
use camclinic::fault::FaultKind;
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation, Settings, TrustedCertificates};
use camclinic::snapshot::{self, SnapshotTarget};
use camclinic::source::{Demand, SourceSpec};
use camclinic::status::{Rung, RungOutcome, RungStatus, State, Status};

/// Long enough for a machine that does three other things.
const PATIENCE: Duration = Duration::from_secs(40);

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
        Self::with(source, |_| {})
    }

    /// Waits until the status is as wanted and returns it.
    #[track_caller]
    fn wait(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
        let deadline = Instant::now() + PATIENCE;
        let mut statuses = self.camera.status();
        while let Some(fresh) = statuses.wait_fresh(deadline) {
            if wanted(&fresh.value) {
                return fresh.value;
            }
        }
        let events: Vec<_> =
            self.log.since(0).iter().map(|event| format!("{} {}", event.name, event.message)).collect();
        panic!("never {what}: {:#?}\n{}", statuses.current(), events.join("\n"));
    }

    fn event_names(&self) -> Vec<String> {
        self.log.since(0).iter().map(|event| event.name.clone()).collect()
    }

    #[track_caller]
    fn check_events(&self, in_order: &[&str]) {
        let names = self.event_names();
        let mut left = names.iter();
        for wanted in in_order {
            assert!(left.any(|name| name == wanted), "{wanted} is missing in {names:?}");
        }
    }
}

fn row(status: &Status, rung: Rung) -> &RungStatus {
    status.ladder.iter().find(|row| row.rung == rung).unwrap()
}

fn streams(status: &Status) -> bool {
    status.state == State::Streaming
}

/// Somebody else needs the device: it is told when that is free, or will never be.
#[test]
fn a_camera_that_is_released_tells_when_it_is_closed() {
    #[track_caller]
    fn check(source: &str, is_there: fn(&Status) -> bool) {
        let bench = Bench::new(source);
        bench.wait("there", is_there);
        let (closed, is_closed) = crossbeam_channel::bounded(0);
        bench.camera.send(Command::Release(closed));
        let told = is_closed.recv_timeout(PATIENCE);
        assert_eq!(told, Err(crossbeam_channel::RecvTimeoutError::Disconnected), "{source}");
        bench.wait("stopped", |status| status.state == State::Idle);
        bench.camera.send(Command::Start);
    }
    check("sim:320x240@30", streams);
    check("sim:320x240@30,open-hang", |status| status.state == State::Opening);
    check("sim:320x240@30,open-missing", |status| status.state == State::Recovering);
}

#[test]
fn a_healthy_camera_streams_with_a_full_score() {
    let bench = Bench::new("sim:320x240@30");
    let status = bench.wait("streaming for two seconds", |status| streams(status) && status.frames > 60);
    assert_eq!((status.width, status.height, status.backend.as_str()), (320, 240, "simulated"));
    assert!(status.is_healthy && status.is_opened && status.is_initialized && status.is_capturing, "{status:?}");
    assert!(status.health_score >= Some(90), "{:?}", status.deductions);
    assert!(status.last_fault.is_none() && status.alerts.is_empty() && status.outage_secs.is_none());
    assert!((status.fps - 30.0).abs() < 3.0, "{}", status.fps);
    assert_eq!(status.drops.warm_up, 0);
}

#[test]
fn warm_up_frames_are_thrown_away() {
    let bench = Bench::with("sim:320x240@30", |settings| settings.n_warm_up_frames = 5);
    let status = bench.wait("streaming", streams);
    assert_eq!(status.drops.warm_up, 5);
    // A camera so slow that five frames would take long is not kept dark.
    let bench = Bench::with("sim:320x240@2", |settings| settings.n_warm_up_frames = 100);
    assert!(bench.wait("streaming", streams).drops.warm_up <= 3);
}

/// Opens a camera that cannot be opened, and checks what is said of it.
#[track_caller]
fn check_open_fault(source: &str, kind: &str, class: &str, code: Option<i64>, state: State) {
    let bench = Bench::with(source, |settings| settings.recovery.open_deadline_secs = 0.5);
    let status = bench.wait("at fault", |status| status.last_fault.is_some());
    let fault = status.last_fault.clone().unwrap();
    let json = serde_json::to_value(&fault).unwrap();
    assert_eq!(
        (json["kind"].as_str(), json["class"].as_str(), fault.code),
        (Some(kind), Some(class), code),
        "{source}"
    );
    assert!(!fault.advice.is_empty() && !status.is_healthy && !status.has_cached_frame);
    assert!(status.health_score.is_some_and(|score| score < 30), "{source}: {:?}", status.deductions);
    bench.wait("in its state", |status| status.state == state);
}

#[test]
fn a_camera_that_cannot_be_opened_says_why() {
    check_open_fault("sim:open-busy", "busy", "busy", Some(16), State::Recovering);
    check_open_fault("sim:open-denied", "denied", "terminal", Some(13), State::Failed);
    check_open_fault("/nonexistent/film.mp4", "missing", "plug", Some(2), State::Recovering);
}

#[test]
fn a_reset_is_done_when_it_is_asked_for_and_only_to_devices() {
    let bench = Bench::new("no-such-camera");
    bench.wait("missing", |status| status.last_fault.is_some());
    bench.camera.send(Command::ResetDevice);
    let status = bench.wait("told", |status| row(status, Rung::ResetDevice).last.is_some());
    let reset = row(&status, Rung::ResetDevice);
    let last = reset.last.as_ref().unwrap();
    assert_eq!((reset.n_tries, last.outcome), (1, RungOutcome::Failed));
    assert!(last.why.contains("no-such-camera"), "{last:?}");
    let fault = status.last_fault.as_ref().unwrap();
    assert_eq!((fault.kind, status.state), (FaultKind::Missing, State::Recovering), "the camera's own fault stays");
    bench.wait("looked for again", |status| row(status, Rung::Reinitialise).n_tries > 0);

    let bench = Bench::new("sim:320x240");
    let before = bench.wait("streaming", streams);
    bench.camera.send(Command::ResetDevice);
    let after = bench.wait("streaming on", |status| status.frames > before.frames + 10);
    assert_eq!((after.state, row(&after, Rung::ResetDevice).n_tries), (State::Streaming, 0));
    assert!(bench.log.since(0).iter().any(|event| event.message.starts_with("Only a camera of this computer")));
}

#[test]
fn damaged_frames_are_counted_and_never_restart_the_stream() {
    let bench = Bench::new("sim:320x240,format=mjpeg,corrupt=30%,seed=3");
    let status = bench.wait("damaged", |status| status.drops.damaged > 10 && status.frames > 30);
    assert_eq!(status.recovery_attempts, 0);
    assert_eq!(status.last_fault.as_ref().map(|fault| fault.kind.slug()), Some("bad-frame"));
    assert!(status.deductions.iter().any(|deduction| deduction.rule == "drops"), "{:?}", status.deductions);
    assert!(bench.event_names().iter().filter(|name| *name == "damaged").count() <= 3, "the log is not flooded");
    let alerts: Vec<_> = status.alerts.iter().map(|alert| (alert.name.as_str(), alert.cause.as_str())).collect();
    assert_eq!(alerts, [("CAMERA_ISSUE", "buffer_error")]);
    assert!(status.state == State::Streaming && status.outage_secs.is_none(), "{status:?}");
}

#[test]
fn lost_frames_are_counted_exactly() {
    let bench = Bench::new("sim:160x120@60,drop=20%,seed=7");
    let status = bench.wait("streaming for some seconds", |status| status.frames > 200);
    let last = bench.camera.frames().current().unwrap();
    // The driver's count tells how many there were in all; ours, how many came.
    assert!(status.drops.camera > 0);
    let made = last.sequence.unwrap();
    assert!(made >= last.number, "{made}");
}

#[test]
fn stop_and_start_obey_at_once() {
    let bench = Bench::new("sim:320x240");
    bench.wait("streaming", streams);
    bench.camera.send(Command::Stop);
    let stopped = bench.wait("stopped", |status| status.state == State::Idle);
    assert!(stopped.has_cached_frame && !stopped.is_capturing && stopped.outage_secs.is_none());
    bench.camera.send(Command::Start);
    bench.wait("streaming again", |status| streams(status) && status.frames > stopped.frames);
}

#[test]
fn another_camera_can_be_chosen() {
    let bench = Bench::new("sim:320x240");
    bench.wait("streaming", streams);
    bench.camera.send(Command::Switch(Box::new(SourceSpec::parse("sim:640x360").unwrap())));
    let status = bench.wait("the other one", |status| status.width == 640 && streams(status));
    assert_eq!(status.source, "sim:640x360");
    bench.camera.send(Command::Switch(Box::new(SourceSpec::parse("sim:open-busy").unwrap())));
    bench.wait("busy", |status| status.last_fault.is_some() && status.frames == 0);
}

/// What of the pictures is wanted is what is made, here and in a process of its own; the camera is watched all the same.
#[track_caller]
fn check_demand(isolation: Isolation) {
    let bench = Bench::with("sim:640x480@30", |settings| settings.isolation = isolation);
    bench.wait("streaming", streams);
    let mut frames = bench.camera.frames();
    // The newest frame of this size that comes from now on.
    let mut wait = |width| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let frame = frames.wait_fresh(deadline).unwrap().value;
            if frame.image.size().width == width {
                return frame;
            }
        }
    };
    assert_eq!(wait(640).image.pixels().len(), 640 * 480 * 3);
    bench.camera.send(Command::SetDemand(Demand::Tile("200x150".parse().unwrap())));
    let small = wait(213);
    assert_eq!(small.image.size().to_string(), "213x160");
    assert_ne!(small.image.fingerprint(), wait(213).image.fingerprint(), "another frame");
    bench.camera.send(Command::SetDemand(Demand::Checks));
    let before = wait(640);
    // Three in turn, twice a second.
    let after = (0..12).map(|_| wait(640)).last().unwrap();
    let n_frames = after.number - before.number;
    let secs = (after.taken_at - before.taken_at).as_secs_f64();
    assert!(n_frames > 40 && secs > 1.5, "{n_frames} frames and twelve pictures in {secs:.1} s");
    let status = bench.wait("watched", |status| status.frames >= after.number);
    assert!(streams(&status) && status.drops.camera < 10 && status.fps > 20.0, "{status:?}");
    bench.camera.send(Command::SetDemand(Demand::Full));
    let (first, second) = (wait(640), wait(640));
    assert!(second.number - first.number < 10);
    bench.check_events(&["open"]);
    assert_eq!(bench.log.since(0).iter().filter(|event| event.message.starts_with("Opened through")).count(), 1);
}

#[test]
fn what_nobody_wants_to_see_is_not_made() {
    check_demand(Isolation::Off);
    check_demand(Isolation::On);
}

#[test]
fn two_cameras_run_beside_each_other() {
    let (good, bad) = (Bench::new("sim:320x240"), Bench::new("sim:open-hang"));
    good.wait("streaming", |status| streams(status) && status.frames > 40);
    assert_eq!(bad.camera.status().current().unwrap().frames, 0);
}

#[test]
fn dropping_a_hung_camera_waits_for_no_driver() {
    let bench = Bench::new("sim:hang@0s");
    bench.wait("opened", |status| status.is_opened);
    let before = Instant::now();
    drop(bench);
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[test]
fn the_window_is_woken_for_frames_and_not_while_stopped() {
    let n_wakes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&n_wakes);
    let wake = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let spec = SourceSpec::parse("sim:160x120@20").unwrap();
    let camera =
        Camera::start(spec, &CameraSettings::default(), &TrustedCertificates::default(), EventLog::new(), wake)
            .unwrap();
    let mut frames = camera.frames();
    let deadline = Instant::now() + PATIENCE;
    let mut n_frames = 0;
    while n_frames < 60 {
        n_frames = frames.wait_fresh(deadline).unwrap().value.number;
    }
    let n_wakes_streaming = n_wakes.load(Ordering::Relaxed);
    assert!(
        (n_frames..n_frames * 3 / 2).contains(&n_wakes_streaming),
        "{n_wakes_streaming} wakes for {n_frames} frames"
    );
    camera.send(Command::Stop);
    let mut statuses = camera.status();
    while statuses.wait_fresh(deadline).unwrap().value.state != State::Idle {}
    // The answer to the closing of the device may come just after.
    thread::sleep(Duration::from_millis(300));
    let before = n_wakes.load(Ordering::Relaxed);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(n_wakes.load(Ordering::Relaxed), before);
}

/// Ten readers at once for half a minute, and a hundred snapshots in a row meanwhile: what broke the programs that
/// Camclinic replaces.
#[test]
fn ten_readers_and_a_hundred_snapshots() {
    let bench = Bench::new("sim:1280x720@30");
    bench.wait("streaming", streams);
    let end = Instant::now() + Duration::from_secs(10);
    let readers: Vec<_> = (0..10)
        .map(|_| {
            let mut frames = bench.camera.frames();
            thread::spawn(move || {
                let (mut n_got, mut last) = (0_u64, 0);
                while Instant::now() < end {
                    let fresh = frames.wait_fresh(Instant::now() + PATIENCE).expect("frames go on");
                    assert!(fresh.value.number > last, "never an old frame");
                    assert_eq!(fresh.value.image.pixels().len(), 1280 * 720 * 3);
                    last = fresh.value.number;
                    n_got += 1;
                }
                n_got
            })
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let target = SnapshotTarget {
        folder: folder.path().to_owned(),
        ..SnapshotTarget::new(&Settings::default(), &CameraSettings::default(), "stress")
    };
    let mut frames = bench.camera.frames();
    let before = Instant::now();
    for _ in 0..100 {
        let frame = frames.wait_fresh(Instant::now() + PATIENCE).unwrap().value;
        snapshot::save(&frame, None, &target).unwrap();
    }
    println!("a snapshot took {:?} on average", before.elapsed() / 100);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 100);
    for reader in readers {
        assert!(reader.join().unwrap() > 100);
    }
    let status = bench.camera.status().current().unwrap();
    assert_eq!((status.state, status.consecutive_failures), (State::Streaming, 0));
}

/// Mean of all bytes of the newest picture taken since.
fn brightness_since(bench: &Bench, since: Instant) -> f64 {
    let mut frames = bench.camera.frames();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let frame = frames.wait_fresh(deadline).unwrap().value;
        if frame.taken_at > since {
            let pixels = frame.image.pixels();
            return pixels.iter().map(|byte| f64::from(*byte)).sum::<f64>() / pixels.len() as f64;
        }
    }
}

/// Waits until the control is as wanted.
#[track_caller]
fn wait_control(bench: &Bench, id: u32, what: &str, wanted: impl Fn(&Control) -> bool) -> Control {
    let deadline = Instant::now() + PATIENCE;
    let mut controls = bench.camera.controls();
    while let Some(fresh) = controls.wait_fresh(deadline) {
        if let Some(control) = fresh.value.list.iter().find(|control| control.id == id && wanted(control)) {
            return control.clone();
        }
    }
    panic!("never {what}: {:#?}", controls.current());
}

/// The same in this process and in one of its own.
#[track_caller]
fn check_controls(isolation: Isolation) {
    let bench = Bench::with("sim:160x120@60,unplug@4s+1s", |settings| settings.isolation = isolation);
    let set = |id, value| bench.camera.send(Command::SetControls(vec![ControlSetting { id, value }]));
    wait_control(&bench, control::BRIGHTNESS, "listed", |control| control.value == Some(0));
    let before = brightness_since(&bench, Instant::now());
    let n_openings = || bench.event_names().iter().filter(|name| *name == "open").count();
    let n_openings_before = n_openings();
    set(control::BRIGHTNESS, 40);
    wait_control(&bench, control::BRIGHTNESS, "read back", |control| control.value == Some(40));
    // A picture may be on its way still.
    let after = brightness_since(&bench, Instant::now() + Duration::from_millis(100));
    assert!(after > before + 25.0, "{before} {after}");
    // An automatic mode holds what it sets, and says why.
    let held = wait_control(&bench, control::EXPOSURE_TIME, "held", |control| !control.can_be_set());
    assert_eq!(held.held.as_deref(), Some("Auto exposure is on"));
    set(control::EXPOSURE_TIME, 10);
    set(control::AUTO_EXPOSURE, 1);
    wait_control(&bench, control::EXPOSURE_TIME, "free", Control::can_be_set);
    assert_eq!(n_openings(), n_openings_before, "opened again: {:?}", bench.event_names());
    // Unplugged, it has forgotten everything, and is told again.
    bench.wait("unplugged", |status| status.last_fault.is_some());
    bench.wait("streaming again", streams);
    let deadline = Instant::now() + PATIENCE;
    let is_told = || bench.log.since(0).iter().any(|event| event.message.starts_with("Controls set again: "));
    while !is_told() {
        assert!(Instant::now() < deadline, "{:?}", bench.event_names());
        thread::sleep(Duration::from_millis(10));
    }
    wait_control(&bench, control::AUTO_EXPOSURE, "set again", |control| control.value == Some(1));
    wait_control(&bench, control::BRIGHTNESS, "set again", |control| control.value == Some(40));
}

#[test]
fn controls_are_set_without_opening_the_camera_again_and_again_after_a_replug() {
    check_controls(Isolation::Off);
    check_controls(Isolation::On);
}
