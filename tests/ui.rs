//! The window, driven by the names that a screen reader speaks: without a camera, a display or a graphics driver.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use camclinic::camera::{Command, StatusReader};
use camclinic::checkup::Live;
use camclinic::control::{self, Control, ControlKind, ControlSetting, DeviceControls, MenuItem};
use camclinic::device::availability::Availability;
use camclinic::device::capabilities::{Format, FrameSize};
use camclinic::device::holders::{Holder, Role as Part};
use camclinic::device::{Capabilities, Device};
use camclinic::event::{Event, Level};
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::{Frame, Image, PixelFormat, Size};
use camclinic::health::History;
use camclinic::latest::Latest;
use camclinic::past::Sample;
use camclinic::records::Past;
use camclinic::secrets::Passwords;
use camclinic::settings::{CameraSettings, Isolation, PRESETS, Settings, Theme};
use camclinic::source::SourceSpec;
use camclinic::status::PictureFaultKind;
use camclinic::status::{
    Asked, Drops, Got, Grade, PictureFaultStatus, Rung, RungOutcome, RungResult, RungStatus, State, Status,
    StuckProcess,
};
use camclinic::ui::background::{Host, WindowHandle};
use camclinic::ui::choice::CameraChoice;
use camclinic::ui::prompt::Purpose;
use camclinic::ui::shell::{Ability, WindowRequest};
use camclinic::ui::theme;
use camclinic::ui::window::Window;
use egui::accesskit::{Role, Toggled};
use egui::{Key, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

const DEVICE: &str = "/dev/video0";

fn device(path: &str) -> Device {
    Device {
        identity: format!("identity-of-{path}"),
        name: format!("Camera {path}"),
        path: path.to_owned(),
        ..Device::default()
    }
}

pub fn status() -> Status {
    let size = Size::new(1280, 720);
    Status {
        source: DEVICE.to_owned(),
        camera_index: Some(0),
        backend: "v4l2".to_owned(),
        state: State::Streaming,
        is_opened: true,
        is_initialized: true,
        is_capturing: true,
        is_healthy: true,
        health_score: Some(100),
        grade: Some(Grade::Excellent),
        deductions: Vec::new(),
        consecutive_failures: 0,
        has_cached_frame: true,
        fps: 30.0,
        width: 1280,
        height: 720,
        frames: 1_918,
        dropped: 0,
        last_frame_age_secs: Some(0.02),
        recovery_attempts: 0,
        rung: None,
        last_fault: None,
        should_reboot: false,
        alerts: Vec::new(),
        name: "Logitech C920".into(),
        asked: Asked { size, fps: Some(30.0), format: Some(PixelFormat::MJPG), n_buffers: Some(1) },
        got: Got { size, fps: Some(30.0), format: Some(PixelFormat::MJPG), n_buffers: Some(1) },
        open_ms: Some(40),
        first_frame_ms: Some(412),
        latency_ms: Some(33.0),
        drops: Drops::default(),
        picture_faults: Vec::new(),
        outage_secs: None,
        next_try_secs: None,
        abandoned_calls: 0,
        is_isolated: false,
        stuck_processes: Vec::new(),
        ladder: Vec::new(),
        reset_needs_consent: false,
        given_name: None,
    }
}

pub fn failing() -> Status {
    Status {
        state: State::Recovering,
        health_score: Some(18),
        grade: Some(Grade::Critical),
        fps: 0.0,
        outage_secs: Some(3.2),
        next_try_secs: Some(2.0),
        rung: Some(Rung::Reinitialise),
        recovery_attempts: 3,
        last_fault: Some(Fault::new(FaultKind::ReadFailed, "the driver reports transfer errors").with_code(-71)),
        ..status()
    }
}

/// One rung of a ladder that has been climbed before.
fn tried(rung: Rung, n_tries: u32, outcome: RungOutcome, took_ms: u64, ago_secs: f64) -> RungStatus {
    let why = if outcome == RungOutcome::Failed { "no frame for 1.0 s" } else { "" };
    RungStatus { rung, n_tries, last: Some(RungResult { outcome, took_ms, ago_secs, why: why.to_owned() }) }
}

/// Retry and a restart of the stream have failed, and the device is about to be opened anew.
fn climbing() -> Status {
    let untried = |rung| RungStatus { rung, n_tries: 0, last: None };
    let ladder = vec![
        tried(Rung::Retry, 3, RungOutcome::Failed, 120, 14.2),
        tried(Rung::RestartStream, 1, RungOutcome::Failed, 620, 2.2),
        tried(Rung::Reinitialise, 2, RungOutcome::Recovered, 1_640, 130.0),
        untried(Rung::ResetDevice),
        untried(Rung::AdviseReboot),
    ];
    Status { ladder, ..failing() }
}

/// A device whose driver hangs: a reset is what is left, and reconnections go on meanwhile.
fn hung() -> Status {
    Status {
        next_try_secs: Some(28.5),
        recovery_attempts: 6,
        reset_needs_consent: true,
        last_fault: Some(Fault::new(FaultKind::OpenTimeout, "opening has not come back for 5.0 s")),
        stuck_processes: vec![
            StuckProcess { pid: 4_711, since_secs: 12.4, kernel_function: Some("uvc_queue_cancel".to_owned()) },
            StuckProcess { pid: 4_712, since_secs: 90.0, kernel_function: None },
        ],
        ..climbing()
    }
}

pub fn frame(now: Instant) -> Arc<Frame> {
    let size = Size { width: 64, height: 36 };
    Arc::new(Frame {
        image: Image::new(size, vec![90; size.n_bytes()]).unwrap(),
        number: 1_918,
        sequence: Some(1_917),
        taken_at: now,
        taken_at_wall: SystemTime::now(),
    })
}

/// What happened, and how many seconds ago.
const EVENTS: [(f64, Level, &str, &str); 5] = [
    (290.0, Level::Info, "open", "Logitech C920 through V4L2, /dev/video0"),
    (150.0, Level::Warning, "stall", "No frame for 1.0 s (limit 1.0 s)"),
    (120.0, Level::Good, "recovered", "Picture back after 1.2 s"),
    (60.0, Level::Error, "denied", "The system refuses access"),
    (10.0, Level::Info, "snapshot", "Snapshot saved: C920.jpg"),
];

pub fn window(status: Status) -> Window {
    let now = Instant::now();
    let mut window = Window::new(SourceSpec::parse(DEVICE).unwrap(), Settings::default(), now);
    window.shell.cameras = ["/dev/video0", "/dev/video2"]
        .map(|path| CameraChoice { device: device(path), availability: Availability::Free })
        .to_vec();
    let untold = Fault::new(FaultKind::BackendMissing, "this test has no drivers");
    window.shell.abilities.insert("identity-of-/dev/video0".to_owned(), Ability::Unknown(untold));
    window.shell.host = Some(Host { cpu_percent: 4.0, free_bytes: Some(812_000_000_000) });
    window.panes[0].status = Some(Arc::new(status));
    window.panes[0].frame = Some(frame(now));
    let (frames, status, controls) = (Latest::new().reader(), StatusReader::default(), Latest::new().reader());
    window.panes[0].live = Some(Live { frames, status, controls, evidence: Latest::new().reader() });
    let events = EVENTS.iter().zip(1..).map(|((secs_ago, level, name, message), id)| {
        Arc::new(Event {
            id,
            at: jiff::Timestamp::now(),
            instant: now.checked_sub(Duration::from_secs_f64(*secs_ago)).unwrap(),
            camera: None,
            source: DEVICE.to_owned(),
            level: *level,
            name: (*name).to_owned(),
            message: (*message).into(),
            details: serde_json::Map::new(),
        })
    });
    window.shell.log.add(events);
    let mut history = History::default();
    for n in 0..600_u32 {
        history.push(now.checked_sub(Duration::from_millis(500) * (600 - n)).unwrap(), 95);
    }
    window.panes[0].history = Arc::new(history);
    window
}

pub fn harness(window: Window) -> Harness<'static, Window> {
    sized(window, vec2(1440.0, 900.0))
}

pub fn sized(window: Window, size: egui::Vec2) -> Harness<'static, Window> {
    let mut harness = Harness::builder()
        .with_size(size)
        .with_context_setup(theme::install)
        .build_ui_state(|ui, window: &mut Window| window.draw(ui), window);
    harness.run();
    harness
}

/// Clicks what has this label, and lets the window settle.
#[track_caller]
pub fn click(harness: &mut Harness<'_, Window>, label: &str) {
    harness.get_by_label(label).click();
    harness.run();
}

#[track_caller]
pub fn press(harness: &mut Harness<'_, Window>, key: Key) {
    harness.key_press(key);
    harness.run();
}

/// What has been asked for so far, as text; it is taken away.
pub fn requests(harness: &mut Harness<'_, Window>) -> Vec<String> {
    let Window { panes, shell, .. } = harness.state_mut();
    // To let go of the camera belongs to the examination that waits for it.
    let commands = panes.iter_mut().flat_map(|pane| std::mem::take(&mut pane.commands));
    let commands = commands.filter(|command| !matches!(command, Command::Release(_)));
    let mut requests: Vec<_> = commands.map(|command| format!("Camera({command:?})")).collect();
    requests.extend(std::mem::take(&mut shell.requests).iter().map(|request| format!("{request:?}")));
    requests
}

/// Runs the tasks that have been asked for, here and now, and tells the window what comes of them.
pub fn carry_out(harness: &mut Harness<'_, Window>, passwords: &Passwords) {
    let (handle, updates) = WindowHandle::new(passwords.clone(), Arc::new(|| {}));
    for request in std::mem::take(&mut harness.state_mut().shell.requests) {
        if let WindowRequest::Run(task) = request {
            task.run(&handle);
        }
        updates.try_iter().for_each(|update| update(harness.state_mut()));
    }
}

/// The events of the window itself, as text.
pub fn told(window: &Window) -> Vec<String> {
    let line = |event: &Arc<Event>| format!("{:?} {}: {}", event.level, event.name, event.message);
    window.shell.events.since(0).iter().map(line).collect()
}

#[track_caller]
pub fn check_request(harness: &mut Harness<'_, Window>, expected: &str) {
    let requests = requests(harness);
    assert!(
        requests.len() == 1 && requests[0].starts_with(expected),
        "expected one request {expected}…, got {:?}",
        requests.iter().map(|request| request.chars().take(80).collect::<String>()).collect::<Vec<_>>()
    );
}

#[test]
fn the_pill_tells_the_state() {
    #[track_caller]
    fn check(status: Status, expected: &str) {
        let harness = harness(window(status));
        harness.get_by_role_and_label(Role::Status, expected);
    }
    check(status(), "Excellent 100 · 30.0 fps");
    check(Status { health_score: Some(75), grade: Some(Grade::Good), fps: 24.96, ..status() }, "Good 75 · 25.0 fps");
    check(failing(), "Critical 18 · no picture for 3.2 s");
    check(Status { outage_secs: Some(75.0), ..failing() }, "Critical 18 · no picture for 1 min 15 s");
    check(Status { state: State::Failed, outage_secs: None, ..failing() }, "Critical 18 · no picture");
    check(Status { state: State::Failed, outage_secs: Some(38.3), ..failing() }, "Critical 18 · no picture for 38 s");
    check(Status { state: State::Opening, outage_secs: Some(0.8), ..status() }, "Opening · 0.8 s");
    check(Status { state: State::Idle, ..status() }, "Stopped");
}

#[test]
fn a_live_picture_has_no_banner_and_says_what_it_is() {
    let harness = harness(window(status()));
    harness.get_by_label("Live picture");
    harness.get_by_label_contains("1280 × 720 MJPG · 30.0 of 30 fps · age 0 ms · 0 dropped");
    assert!(harness.query_by_label("Now").is_none());
    assert!(harness.query_by_label_contains("last frame").is_none());
}

pub fn picture_fault(kind: PictureFaultKind, since_secs: f64) -> PictureFaultStatus {
    PictureFaultStatus { kind, since_secs, share: 1.0, message: kind.began().to_owned() }
}

#[test]
fn a_live_picture_with_a_fault_has_a_banner_and_stays_live() {
    #[track_caller]
    fn check(faults: Vec<PictureFaultStatus>, headline: &str, reason: &str) {
        let harness = harness(window(Status { picture_faults: faults, ..status() }));
        harness.get_by_label(headline);
        harness.get_by_label(reason);
        harness.get_by_label("Live picture");
        harness.get_by_label_contains("30.0 of 30 fps · age 0 ms");
    }
    check(vec![picture_fault(PictureFaultKind::Black, 4.3)], "Faulty picture for 4 s", "The picture is black.");
    check(
        vec![picture_fault(PictureFaultKind::Frozen, 3.0), picture_fault(PictureFaultKind::Green, 75.0)],
        "Faulty picture for 1 min",
        "The picture stands still. Parts of the picture are missing: they are green.",
    );
}

#[test]
fn an_old_picture_is_never_shown_as_live() {
    for state in [State::Idle, State::Opening, State::Streaming, State::Recovering, State::Failed] {
        let harness = harness(window(Status { state, ..failing() }));
        assert!(harness.query_by_label("Live picture").is_none(), "{state}");
        harness.get_by_label("Last picture, not live");
        harness.get_by_label_contains("last frame #1\u{202f}918, ");
    }
}

#[test]
fn the_banner_gives_reason_next_step_and_button() {
    #[track_caller]
    fn check(status: Status, headline: &str, reason: &str, button: &str, request: &str) {
        let mut harness = harness(window(status));
        // The pill may say the same.
        assert!(harness.query_all_by_label(headline).count() > 0, "{headline}");
        harness.get_by_label(reason);
        // The toolbar may have a button of the same name.
        harness.get_all_by_role_and_label(Role::Button, button).last().unwrap().click();
        harness.run();
        check_request(&mut harness, request);
    }
    check(
        failing(),
        "No live picture for 3.2 s",
        "The driver reports transfer errors (-71). Next: reconnect in 2.0\u{a0}s (attempt 4 of 5).",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status { rung: Some(Rung::Retry), next_try_secs: None, recovery_attempts: 0, ..failing() },
        "No live picture for 3.2 s",
        "The driver reports transfer errors (-71). Now: retry.",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status {
            state: State::Failed,
            rung: None,
            next_try_secs: None,
            last_fault: Some(Fault::new(FaultKind::Denied, "no access").with_advice("Ask.")),
            ..failing()
        },
        "No live picture for 3 s",
        "No access. Ask.",
        "Try again",
        "Camera(Start)",
    );
    check(
        climbing(),
        "No live picture for 3.2 s",
        "The driver reports transfer errors (-71). Restart stream did not help; next: reconnect in 2.0\u{a0}s (attempt 4 of 5).",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status { rung: Some(Rung::RestartStream), recovery_attempts: 0, ..climbing() },
        "No live picture for 3.2 s",
        "The driver reports transfer errors (-71). Next: restart stream again in 2.0\u{a0}s.",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status { next_try_secs: None, recovery_attempts: 0, ..climbing() },
        "No live picture for 3.2 s",
        "The driver reports transfer errors (-71). Restart stream did not help; now: reconnect.",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status {
            last_fault: Some(Fault::new(FaultKind::Unplugged, "the camera is gone")),
            recovery_attempts: 0,
            ..climbing()
        },
        "No live picture for 3.2 s",
        "The camera is gone. It comes back by itself once it is plugged in. Next look in 2.0\u{a0}s.",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status { rung: Some(Rung::AdviseReboot), should_reboot: true, ..climbing() },
        "No live picture for 3.2 s",
        "The driver reports transfer errors (-71). Next try in 2.0\u{a0}s. Restarting the computer may help.",
        "Now",
        "Camera(RecoverNow)",
    );
    check(
        Status { state: State::Idle, outage_secs: None, ..status() },
        "Stopped",
        "Press Start or the space bar to see the camera.",
        "Start",
        "Camera(Start)",
    );
}

#[test]
fn the_clocks_of_the_banner_go_on_between_two_statuses() {
    let mut window = window(failing());
    window.shell.now = window.panes[0].status_at + Duration::from_millis(1_500);
    let harness = harness(window);
    harness.get_by_label("No live picture for 4.7 s");
    harness.get_by_label_contains("reconnect in 0.5\u{a0}s");
    harness.get_by_label_contains("Step 3: Reconnect, active, in 0.5 s");
}

#[test]
fn without_any_picture_the_window_says_what_to_do() {
    #[track_caller]
    fn check(status: Option<Status>, expected: &str) {
        let mut window = window(self::status());
        window.panes[0].frame = None;
        window.panes[0].status = status.map(Arc::new);
        harness(window).get_by_label(expected);
    }
    check(None, "Choose a camera at the top left.");
    check(Some(Status { state: State::Idle, ..status() }), "Press Start or the space bar.");
    check(Some(Status { state: State::Opening, ..status() }), "Opening Logitech C920");
    check(Some(failing()), "No picture so far");
    let reason =
        "The driver reports transfer errors (-71). Check the cable; plug the camera into another port, without a hub.";
    check(Some(Status { state: State::Failed, ..failing() }), reason);
}

#[test]
fn the_toolbar_starts_stops_and_saves() {
    #[track_caller]
    fn check(state: State, label: &str, request: &str) {
        let mut window = window(Status { state, ..status() });
        // Without a picture there is no banner with a second button.
        window.panes[0].frame = None;
        let mut harness = harness(window);
        harness.get_all_by_role_and_label(Role::Button, label).next().unwrap().click();
        harness.run();
        check_request(&mut harness, request);
    }
    check(State::Streaming, "Stop", "Camera(Stop)");
    check(State::Recovering, "Stop trying", "Camera(StopTrying)");
    check(State::Idle, "Start", "Camera(Start)");
    let mut harness = harness(window(status()));
    click(&mut harness, "Snapshot");
    check_request(&mut harness, "Snapshot(SnapshotTarget {");
    click(&mut harness, "Save as…");
    check_request(&mut harness, "Browse(Snapshot)");
    assert!(harness.state().panes[0].waiting_frame.is_some(), "the picture of the moment is kept");
    harness.state_mut().with_selected(|pane, shell| pane.picked(shell, Purpose::Snapshot, "/tmp/a.png").unwrap());
    let saved = requests(&mut harness);
    assert!(matches!(saved.as_slice(), [one] if one.contains("file: Some(\"/tmp/a.png\")")), "{saved:?}");
}

#[test]
fn a_camera_is_chosen_from_the_list() {
    let mut harness = harness(window(status()));
    harness.get_by_role_and_label(Role::ComboBox, "Camera").click();
    harness.run();
    click(&mut harness, "Camera /dev/video2 · /dev/video2");
    check_request(&mut harness, "Choose(CameraId(1), Device(\"identity-of-/dev/video2\"))");
    // The one that is shown already, though it was named otherwise.
    harness.get_by_role_and_label(Role::ComboBox, "Camera").click();
    harness.run();
    harness.get_all_by_label("Camera /dev/video0 · /dev/video0").last().unwrap().click();
    harness.run();
    assert!(requests(&mut harness).is_empty());
    click(&mut harness, "Simulated camera");
    check_request(&mut harness, "Choose(CameraId(1), Simulated(");
    harness.get_by_role_and_label(Role::ComboBox, "Camera").click();
    harness.run();
    click(&mut harness, "Open file…");
    check_request(&mut harness, "Browse(VideoFile)");
}

#[test]
fn each_camera_of_the_list_tells_how_it_stands() {
    let holder = Holder { pid: 4711, program: "cheese".into(), user: None, since: None, role: Part::Program };
    let denied = Fault::new(FaultKind::Denied, "the system does not let this program open /dev/video2");
    let check = |availability: Availability, spoken: &str| {
        let mut window = window(status());
        window.shell.cameras[1].availability = availability;
        let mut harness = harness(window);
        click(&mut harness, spoken);
        // Also one that cannot be opened now: why not is then told in full.
        check_request(&mut harness, "Choose(CameraId(1), Device(\"identity-of-/dev/video2\"))");
    };
    check(Availability::Free, "Camera /dev/video2 · /dev/video2, free");
    check(Availability::Held(vec![holder]), "Camera /dev/video2 · /dev/video2, open in cheese");
    check(Availability::Denied(denied), "Camera /dev/video2 · /dev/video2, no permission");

    let mut gone = window(status());
    gone.shell.cameras.remove(0);
    let status = Arc::make_mut(gone.panes[0].status.as_mut().unwrap());
    status.state = State::Recovering;
    status.last_fault = Some(Fault::new(FaultKind::Missing, "there is no camera"));
    harness(gone).get_by_label("Logitech C920 · /dev/video0, gone");
}

fn format(fourcc: &str, sizes: &[(u32, u32, &[f64])]) -> Format {
    let size = |(width, height, rates): &(u32, u32, &[f64])| FrameSize {
        width: *width,
        height: *height,
        rates: rates.to_vec(),
        ..FrameSize::default()
    };
    Format { fourcc: fourcc.into(), sizes: sizes.iter().map(size).collect(), ..Format::default() }
}

/// As many webcams are: fast when packed, slow when not.
fn webcam() -> Capabilities {
    let formats = vec![
        format("YUYV", &[(640, 480, &[30.0, 15.0]), (1280, 720, &[10.0])]),
        format("MJPG", &[(1280, 720, &[30.0]), (1920, 1080, &[30.0, 24.0])]),
    ];
    Capabilities { formats, ..Capabilities::default() }
}

#[test]
fn only_what_the_camera_has_can_be_chosen() {
    let mut asking = window(status());
    asking.shell.abilities.clear();
    let mut harness = harness(asking);
    check_request(&mut harness, "AskDevice(Device");
    harness.run();
    assert!(requests(&mut harness).is_empty(), "it is asked once");
    harness.state_mut().shell.learn("identity-of-/dev/video0".into(), Ok(webcam()));
    harness.run();
    let choose = |harness: &mut Harness<'_, Window>, combo: &str, choice: &str, others: &[&str]| {
        harness.get_by_role_and_label(Role::ComboBox, combo).click();
        harness.run();
        for other in others {
            assert!(harness.query_by_label(other).is_none(), "{combo} offers {other}");
        }
        click(harness, choice);
    };
    choose(&mut harness, "Format", "MJPG", &["NV12"]);
    choose(&mut harness, "Size", "1920 × 1080", &["640 × 480", "Custom…"]);
    choose(&mut harness, "Rate", "24 fps", &["15 fps", "60 fps"]);
    let asked = harness.state().panes[0].settings.asked;
    assert_eq!((asked.format, asked.size, asked.fps), (Some(PixelFormat::MJPG), Size::new(1920, 1080), Some(24.0)));
    // A format without this size gets the nearest that it has.
    choose(&mut harness, "Format", "YUYV", &[]);
    assert_eq!(harness.state().panes[0].settings.asked.size, Size::new(1280, 720));
    // One that comes back is asked anew.
    let cameras = harness.state().shell.cameras.clone();
    harness.state_mut().shell.set_cameras(Vec::new());
    harness.state_mut().shell.set_cameras(cameras);
    harness.run();
    check_request(&mut harness, "AskDevice(Device");
}

#[test]
fn what_the_camera_does_otherwise_is_explained_and_mended() {
    let mut status = status();
    status.asked.format = Some(PixelFormat::YUYV);
    status.asked.size = Size::new(1280, 720);
    status.asked.fps = Some(30.0);
    status.got = Got { format: status.asked.format, size: status.asked.size, fps: Some(10.0), n_buffers: None };
    let mut window = window(status);
    window.shell.learn("identity-of-/dev/video0".into(), Ok(webcam()));
    let mut harness = harness(window);
    harness.get_by_label("YUYV at 1280\u{a0}×\u{a0}720 comes with at most 10 fps; MJPG comes with 30.");
    click(&mut harness, "Use MJPG");
    assert_eq!(harness.state().panes[0].settings.asked.format, Some(PixelFormat::MJPG));
}

#[test]
fn a_busy_camera_is_waited_for_on_request() {
    let mut status = status();
    status.state = State::Failed;
    status.is_opened = false;
    status.last_fault = Some(Fault::new(FaultKind::Busy, "it is in use by cheese"));
    let mut harness = harness(window(status));
    click(&mut harness, "Wait until free");
    check_request(&mut harness, "Camera(WaitUntilFree)");
}

#[test]
fn sliders_and_fields_change_the_settings() {
    let mut harness = harness(window(status()));
    harness.get_by_role_and_label(Role::Slider, "Buffers").set_value_accesskit(4.0);
    harness.run();
    assert_eq!(harness.state().panes[0].settings.asked.n_buffers, Some(4));
    harness.get_by_role_and_label(Role::SpinButton, "JPEG quality value").set_value_accesskit(40.0);
    harness.run();
    assert_eq!(harness.state().panes[0].settings.jpeg_quality_percent, 40);
    // What lies outside the range is brought into it.
    harness.get_by_role_and_label(Role::SpinButton, "JPEG quality value").set_value_accesskit(900.0);
    harness.run();
    assert_eq!(harness.state().panes[0].settings.jpeg_quality_percent, 100);
    let field = harness.get_by_role_and_label(Role::SpinButton, "Warm-up value");
    field.focus();
    harness.run();
    for letter in ["1", "2"] {
        harness.event(egui::Event::Text(letter.to_owned()));
    }
    harness.run();
    press(&mut harness, Key::Enter);
    assert_eq!(harness.state().panes[0].settings.n_warm_up_frames, 12);
}

#[test]
fn the_reset_arrow_is_there_only_where_a_value_differs() {
    let mut harness = harness(window(status()));
    assert!(harness.query_by_label("Reset Buffers").is_none());
    harness.state_mut().panes[0].settings.asked.n_buffers = Some(7);
    harness.run();
    click(&mut harness, "Reset Buffers");
    assert_eq!(harness.state().panes[0].settings.asked.n_buffers, Some(1));
    assert!(harness.query_by_label("Reset Buffers").is_none());
}

#[test]
fn a_preset_sets_its_values_and_is_marked() {
    let mut harness = harness(window(status()));
    for preset in &PRESETS {
        // They may lie below what is scrolled into view.
        harness.get_by_label(preset.name).click_accesskit();
        harness.run();
        assert!(preset.is_active(&harness.state().panes[0].settings), "{}", preset.name);
        let chip = harness.get_by_label(preset.name);
        assert_eq!(chip.accesskit_node().toggled(), Some(Toggled::True), "{}", preset.name);
    }
}

#[test]
fn only_backends_that_can_open_the_camera_are_offered() {
    #[track_caller]
    fn check(source: &str) {
        let spec = SourceSpec::parse(source).unwrap();
        let mut window = window(status());
        window.panes[0].spec = spec.clone();
        let mut harness = harness(window);
        harness.get_by_role_and_label(Role::ComboBox, "Backend").click();
        harness.run();
        for backend in camclinic::backend::Backend::ALL {
            let offered = harness.query_all_by_label(backend.label()).count() > 0;
            assert_eq!(offered, spec.backends().contains(&backend), "{source} {backend}");
        }
        if let Some(last) = spec.backends().last() {
            click(&mut harness, last.label());
            assert_eq!(harness.state().panes[0].settings.backend, Some(*last));
            click(&mut harness, "Reset Backend");
            assert_eq!(harness.state().panes[0].settings.backend, None);
        }
    }
    check("sim:");
    check(DEVICE);
    check("film.mp4");
}

#[test]
fn size_format_and_rate_are_chosen_device_default_first() {
    #[track_caller]
    fn choose(harness: &mut Harness<'_, Window>, combo: &str, label: &str) {
        harness.get_by_role_and_label(Role::ComboBox, combo).click();
        harness.run();
        let place = |harness: &Harness<'_, Window>, label: &str| {
            harness.get_all_by_label(label).map(|node| node.rect().top()).fold(f32::NAN, f32::max)
        };
        let first = place(harness, "Device default");
        assert!(label == "Device default" || first < place(harness, label), "{combo}");
        harness.get_all_by_label(label).last().unwrap().click();
        harness.run();
    }
    let mut harness = harness(window(status()));
    choose(&mut harness, "Size", "1920 × 1080");
    assert_eq!(harness.state().panes[0].settings.asked.size, Size::new(1920, 1080));
    choose(&mut harness, "Format", "YUYV");
    assert_eq!(harness.state().panes[0].settings.asked.format, Some(PixelFormat::YUYV));
    choose(&mut harness, "Rate", "15 fps");
    assert_eq!(harness.state().panes[0].settings.asked.fps, Some(15.0));
    choose(&mut harness, "Rate", "Device default");
    assert_eq!(harness.state().panes[0].settings.asked.fps, None);
}

#[test]
fn a_custom_size_must_be_possible() {
    let mut window = window(status());
    window.panes[0].settings.asked.size = Size::new(640, 480);
    let mut harness = harness(window);
    harness.get_by_role_and_label(Role::ComboBox, "Size").click();
    harness.run();
    click(&mut harness, "Custom…");
    let width = harness.get_by_label("Width in pixels");
    width.set_text_value_accesskit("0");
    harness.run();
    harness.get_by_label_contains("whole numbers from 1 to 16384");
    assert!(harness.get_by_label("Use").accesskit_node().is_disabled());
    harness.get_by_label("Width in pixels").set_text_value_accesskit("1024");
    harness.run();
    click(&mut harness, "Use");
    assert_eq!(harness.state().panes[0].settings.asked.size, Size::new(1024, 480));
}

#[test]
fn the_inspector_says_what_the_device_made_of_it() {
    let asked = Asked { size: Size::new(640, 480), fps: Some(30.0), ..Asked::default() };
    let got = Got { size: Size::new(640, 480), fps: Some(25.0), ..Got::default() };
    harness(window(Status { asked, got, ..status() }))
        .get_by_label("Got 640\u{a0}×\u{a0}480 at 25 fps: the device changed the rate.");
}

#[test]
fn sections_fold_and_the_settings_remember_it() {
    let mut harness = harness(window(status()));
    click(&mut harness, "Source");
    assert_eq!(harness.state().shell.settings.window.folded_sections, ["Source"]);
    assert!(harness.query_by_label("Buffers").is_none());
    click(&mut harness, "Source");
    assert!(harness.state().shell.settings.window.folded_sections.is_empty());
    harness.get_by_label("Buffers");
}

#[test]
fn the_ladder_tells_each_rung() {
    #[track_caller]
    fn check(status: Status, change: fn(&mut CameraSettings), lines: &[&str]) {
        let mut window = window(status);
        change(&mut window.panes[0].settings);
        let harness = harness(window);
        for line in lines {
            assert!(harness.query_by_label(line).is_some(), "{line}: {:?}", ladder(&harness));
        }
    }
    check(
        climbing(),
        |_| (),
        &[
            "Step 1: Retry, at once, 3 tries · failed after 0.1 s · 14 s ago",
            "Step 2: Restart stream, once, 1 try · failed after 0.6 s · 2 s ago",
            "Step 3: Reconnect, active, in 2.0 s, 2 tries · recovered in 1.6 s · 2 min ago",
            "Step 4: Reset device, asks first, Restarts the device on its USB port",
            "Step 5: Advise a reboot, after 10 failures, Camclinic never restarts the computer",
        ],
    );
    check(
        Status { next_try_secs: None, ladder: Vec::new(), ..climbing() },
        |settings| settings.recovery.may_reset_device = true,
        &[
            "Step 3: Reconnect, active, now, Closes the device and opens it anew",
            "Step 4: Reset device, by itself, Restarts the device on its USB port",
        ],
    );
    check(
        Status { rung: Some(Rung::AdviseReboot), should_reboot: true, ..climbing() },
        |settings| settings.recovery.automatic = false,
        &[
            "Step 2: Restart stream, when asked, 1 try · failed after 0.6 s · 2 s ago",
            "Step 5: Advise a reboot, active, now advised, Camclinic never restarts the computer",
        ],
    );
    check(
        Status { ladder: vec![tried(Rung::RestartStream, 0, RungOutcome::Interrupted, 90, 0.2)], ..status() },
        |_| (),
        &["Step 2: Restart stream, once, interrupted after 0.1 s · just now"],
    );
    check(
        hung(),
        |_| (),
        &[
            "Step 3: Reconnect, active, in 28.5 s, 2 tries · recovered in 1.6 s · 2 min ago",
            "Step 4: Reset device, waits for you, Restarts the device on its USB port",
        ],
    );
    let waiting = |kind| Status { last_fault: Some(Fault::new(kind, "test")), ..climbing() };
    for (status, says) in [
        (waiting(FaultKind::Unplugged), "in 2.0 s, 2 tries · looking until it is there and free"),
        (waiting(FaultKind::Busy), "in 2.0 s, 2 tries · looking until it is there and free"),
        (
            Status {
                next_try_secs: None,
                ladder: vec![RungStatus { rung: Rung::Reinitialise, n_tries: 1, last: None }],
                ..failing()
            },
            "now, 1 try · under way",
        ),
    ] {
        check(status, |_| (), &[&format!("Step 3: Reconnect, active, {says}")]);
    }
    // What cannot be reset is not said to be.
    let mut simulated = window(status());
    simulated.panes[0].spec = SourceSpec::parse("sim:").unwrap();
    let simulated = harness(simulated);
    let line = "Step 4: Reset device, –, Only for a camera of this computer";
    assert!(simulated.query_by_label(line).is_some(), "{:?}", ladder(&simulated));
}

/// Every line of the ladder, as it is spoken.
fn ladder(harness: &Harness<'_, Window>) -> Vec<String> {
    harness.query_all_by_label_contains("Step ").filter_map(|node| node.accesskit_node().value()).collect()
}

#[test]
fn the_buttons_of_recovery_are_there_when_they_can_do_something() {
    #[track_caller]
    fn check(status: Status, label: &str, request: Option<&str>) {
        let mut window = window(status);
        // The banner and the toolbar have buttons of the same names.
        window.panes[0].frame = None;
        let mut harness = harness(window);
        let button = harness.get_all_by_role_and_label(Role::Button, label).last().unwrap();
        assert_eq!(button.accesskit_node().is_disabled(), request.is_none(), "{label}");
        button.click();
        harness.run();
        match request {
            Some(request) => check_request(&mut harness, request),
            None => assert!(requests(&mut harness).is_empty(), "{label}"),
        }
    }
    check(climbing(), "Recover now", Some("Camera(RecoverNow)"));
    check(climbing(), "Stop trying", Some("Camera(StopTrying)"));
    check(hung(), "Recover now", Some("Camera(RecoverNow)"));
    check(Status { state: State::Failed, rung: None, ..hung() }, "Recover now", Some("Camera(RecoverNow)"));
    check(Status { state: State::Failed, rung: None, ..hung() }, "Stop trying", None);
    check(status(), "Recover now", None);
    check(status(), "Stop trying", None);
}

#[test]
fn a_reset_is_explained_and_asked_for() {
    let mut harness = harness(window(climbing()));
    assert!(harness.query_by_label("Reset device…").is_none(), "there are gentler steps");
    harness.state_mut().panes[0].status = Some(Arc::new(hung()));
    harness.run();
    harness.get_by_label_contains("next: reconnect in 28.5\u{a0}s (attempt 7). A reset of the device may help.");
    harness.get_by_label_contains("as if it were unplugged");
    harness.get_by_label_contains("on Linux root");
    // From the banner and from the inspector alike: nothing is done before it is confirmed.
    for which in 0..2 {
        harness.get_all_by_role_and_label(Role::Button, "Reset device…").nth(which).unwrap().click();
        harness.run();
        harness.get_by_label("Reset the device?");
        click(&mut harness, "Cancel");
        assert!(requests(&mut harness).is_empty());
        assert!(harness.query_by_label("Reset the device?").is_none());
    }
    click_first(&mut harness, "Reset device…");
    press(&mut harness, Key::Space);
    assert!(requests(&mut harness).is_empty(), "a sheet is open");
    click(&mut harness, "Reset device");
    check_request(&mut harness, "Camera(ResetDevice)");
    assert!(harness.query_by_label("Reset the device?").is_none());
    // A picture that comes back by itself makes the question moot.
    click_first(&mut harness, "Reset device…");
    harness.state_mut().panes[0].status = Some(Arc::new(status()));
    harness.run();
    assert!(harness.state().shell.sheet.is_none() && harness.query_by_label("Reset the device?").is_none());
}

#[track_caller]
fn click_first(harness: &mut Harness<'_, Window>, label: &str) {
    harness.get_all_by_role_and_label(Role::Button, label).next().unwrap().click();
    harness.run();
}

#[test]
fn processes_that_do_not_end_are_shown() {
    let mut window = window(hung());
    window.shell.now = window.panes[0].status_at + Duration::from_secs(5);
    let harness = harness(window);
    let says = "Process 4711 does not end: it has been waiting in the kernel in uvc_queue_cancel for 17\u{a0}s.";
    harness.get_by_label_contains(says);
    harness.get_by_label_contains("Process 4712 does not end: it has been waiting in the kernel for 1\u{a0}min.");
    let quiet = self::harness(self::window(status()));
    assert!(quiet.query_by_label_contains("does not end").is_none());
}

#[test]
fn the_recovery_of_a_failing_camera_stands_first() {
    #[track_caller]
    fn check(harness: &mut Harness<'_, Window>, after_secs: u64, status: Status, expected: bool) {
        harness.state_mut().panes[0].status = Some(Arc::new(status));
        harness.state_mut().shell.now += Duration::from_secs(after_secs);
        // The order changes in the pass after the one that saw the reason.
        harness.run();
        harness.run();
        let top = |title| harness.get_by_role_and_label(Role::Button, title).rect().top();
        assert_eq!(top("Recovery") < top("Source"), expected);
    }
    let mut harness = harness(window(status()));
    check(&mut harness, 0, status(), false);
    check(&mut harness, 0, climbing(), true);
    // Not back and forth with each picture.
    check(&mut harness, 1, status(), true);
    check(&mut harness, 10, status(), false);
    // Whoever is about to click there must not miss.
    harness.hover_at(egui::pos2(1_300.0, 300.0));
    check(&mut harness, 1, climbing(), false);
    harness.hover_at(egui::pos2(300.0, 300.0));
    check(&mut harness, 1, climbing(), true);
}

#[test]
fn in_a_small_window_a_failing_camera_has_its_ladder_under_the_picture() {
    #[track_caller]
    fn check(status: Status, expected: [&str; 3]) {
        let harness = sized(window(status), vec2(600.0, 480.0));
        let top = |name: &str| harness.get_all_by_label(name).map(|node| node.rect().top()).fold(f32::NAN, f32::max);
        let mut found = expected;
        found.sort_by(|a, b| top(a).total_cmp(&top(b)));
        assert_eq!(found, expected);
        // Each part is as high as it is, and the column scrolls.
        assert!(top("Stall after value") > top("Retries value") + 200.0);
    }
    check(climbing(), ["Recovery", "Health", "Source"]);
    check(status(), ["Health", "Source", "Recovery"]);
}

#[test]
fn why_a_step_failed_is_told_under_the_pointer() {
    let mut harness = harness(window(climbing()));
    harness.get_by_label_contains("Step 2: ").hover();
    // The explanation comes after a moment.
    for _ in 0..60 {
        harness.step();
    }
    harness.get_by_label_contains("Last: No frame for 1.0 s.");
}

#[test]
fn what_recovery_may_do_is_set_and_reset() {
    #[track_caller]
    fn check(name: &str, value: fn(&CameraSettings) -> bool) {
        let mut harness = harness(window(climbing()));
        let default = value(&CameraSettings::default());
        let reset = format!("Reset {name}");
        assert!(harness.query_by_label(&reset).is_none());
        harness.get_by_role_and_label(Role::CheckBox, name).click();
        harness.run();
        assert_eq!(value(&harness.state().panes[0].settings), !default, "{name}");
        click(&mut harness, &reset);
        assert_eq!(value(&harness.state().panes[0].settings), default, "{name}");
        assert!(harness.query_by_label(&reset).is_none());
    }
    check("Automatic recovery", |settings| settings.recovery.automatic);
    check("Try another format", |settings| settings.recovery.may_change_format);
    check("Try another backend", |settings| settings.recovery.may_change_backend);
    check("Reset the device without asking", |settings| settings.recovery.may_reset_device);
}

#[test]
fn a_process_of_its_own_is_chosen() {
    let mut harness = harness(window(Status { is_isolated: true, ..status() }));
    let always = "This backend always runs in a process of its own.";
    for (label, expected) in [("Yes", Isolation::On), ("No", Isolation::Off), ("Auto (yes)", Isolation::Auto)] {
        assert_eq!(harness.query_by_label("Reset Own process").is_some(), expected != Isolation::On);
        harness.get_by_role_and_label(Role::ComboBox, "Own process").click();
        harness.run();
        harness.get_all_by_label(label).last().unwrap().click();
        harness.run();
        assert_eq!(harness.state().panes[0].settings.isolation, expected);
        assert_eq!(harness.query_by_label(always).is_some(), expected == Isolation::Off);
    }
    harness.state_mut().panes[0].settings.isolation = Isolation::Off;
    harness.run();
    click(&mut harness, "Reset Own process");
    assert_eq!(harness.state().panes[0].settings.isolation, Isolation::Auto);
    // The simulated camera needs none.
    harness.state_mut().panes[0].spec = SourceSpec::parse("sim:").unwrap();
    harness.run();
    harness.get_by_role_and_label(Role::ComboBox, "Own process").click();
    harness.run();
    assert!(harness.query_all_by_label("Auto (no)").count() > 0);
}

/// The messages of [`EVENTS`] that the log shows.
fn shown(harness: &Harness<'_, Window>) -> Vec<&'static str> {
    EVENTS
        .iter()
        .filter(|(.., message)| harness.query_by_label_contains(message).is_some())
        .map(|(_, _, name, _)| *name)
        .collect()
}

#[test]
fn the_log_filters_and_searches() {
    let mut harness = harness(window(status()));
    assert_eq!(shown(&harness), ["open", "stall", "recovered", "denied", "snapshot"]);
    click(&mut harness, "warnings");
    assert_eq!(shown(&harness), ["stall", "denied"]);
    click(&mut harness, "errors");
    assert_eq!(shown(&harness), ["denied"]);
    click(&mut harness, "all");
    click(&mut harness, "search");
    harness.get_by_role_and_label(Role::TextInput, "Search the log").type_text("PICTURE");
    harness.run();
    assert_eq!(shown(&harness), ["recovered"]);
    harness.get_by_role_and_label(Role::TextInput, "Search the log").type_text(" nothing of the kind");
    harness.run();
    harness.get_by_label("No line fits the filter and the search");
    click(&mut harness, "search");
    assert_eq!(shown(&harness).len(), EVENTS.len());
}

#[test]
fn a_paused_log_holds_back_what_is_new() {
    let mut harness = harness(window(status()));
    click(&mut harness, "pause");
    let now = harness.state().shell.now;
    let event = Event {
        id: 99,
        at: jiff::Timestamp::now(),
        instant: now,
        camera: None,
        source: DEVICE.to_owned(),
        level: Level::Error,
        name: "later".to_owned(),
        message: "Came while paused".into(),
        details: serde_json::Map::new(),
    };
    harness.state_mut().shell.log.add([Arc::new(event)]);
    harness.run();
    assert!(harness.query_by_label_contains("Came while paused").is_none());
    click(&mut harness, "paused · 1 new");
    harness.get_by_label_contains("Came while paused");
}

#[test]
fn the_log_is_copied_and_saved() {
    let mut harness = harness(window(status()));
    click(&mut harness, "errors");
    harness.get_by_label("copy").click();
    harness.step();
    let copied = harness.output().platform_output.commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    });
    // The command may be in the pass after the one that saw the click.
    let copied = copied.unwrap_or_else(|| harness.state().shell.log.as_text());
    assert_eq!(copied.lines().count(), 1, "{copied}");
    assert!(copied.contains("\terror\tdenied\t/dev/video0\tThe system refuses access"), "{copied}");
    harness.run();
    harness.get_by_label("Copied 1 line");
    click(&mut harness, "save…");
    check_request(&mut harness, "Browse(Log)");
}

#[test]
fn errors_stay_when_the_log_is_full() {
    let mut window = window(status());
    let now = window.shell.now;
    window.shell.log.add((100..6_000).map(|id| {
        Arc::new(Event {
            id,
            at: jiff::Timestamp::now(),
            instant: now,
            camera: None,
            source: DEVICE.to_owned(),
            level: Level::Info,
            name: "many".to_owned(),
            message: id.to_string().into(),
            details: serde_json::Map::new(),
        })
    }));
    let kept: Vec<_> =
        window.shell.log.events().filter(|event| event.id < 100).map(|event| event.name.as_str()).collect();
    assert_eq!(kept, ["denied"]);
}

#[test]
fn a_click_on_a_marker_leads_to_its_line() {
    let mut window = window(status());
    window.shell.log.filter = camclinic::ui::log::Filter::Errors;
    let mut harness = harness(window);
    assert_eq!(shown(&harness), ["denied"]);
    let plot = harness.get_by_label("Health plot, score 100 now").rect();
    // 150 of 300 seconds ago, on an axis that goes on 5 points beyond now.
    let seconds = plot.width() / (1.0 + 5.0 / plot.width()) / 300.0;
    let place = egui::pos2(plot.left() + 150.0 * seconds, plot.center().y);
    harness.hover_at(place);
    harness.run();
    harness.get_by_label_contains("· stall");
    harness.drag_at(place);
    harness.drop_at(place);
    harness.run();
    assert!(shown(&harness).contains(&"stall"), "the filter that hid the line is lifted");
}

#[test]
fn the_plot_offers_five_spans() {
    let mut window = window(status());
    let minute = |n: i64| Sample {
        secs: 60,
        ..Sample::second(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(n), 90, 30.0, true)
    };
    window.panes[0].past =
        Arc::new(Past { source: DEVICE.to_owned(), samples: (10..9_000).rev().map(minute).collect() });
    let mut harness = harness(window);
    for span in ["1 min", "hour", "day", "week", "5 min"] {
        click(&mut harness, span);
        assert_eq!(harness.get_by_label(span).accesskit_node().toggled(), Some(Toggled::True), "{span}");
        harness.get_by_label("Health plot, score 100 now");
    }
}

#[test]
fn the_status_line_has_every_number() {
    let mut window = window(Status { drops: Drops { camera: 573, damaged: 2, concealed: 0, warm_up: 5 }, ..status() });
    window.panes[0].n_missed = 7;
    harness(window).get_by_label(
        "Frame 1\u{202f}918 · seq 1\u{202f}917 · 30.0 fps in · 0.5 shown · dropped 573 camera / 2 damaged / 7 us · latency 33 ms · CPU 4 % · 812 GB free",
    );
}

#[test]
fn keys_do_what_the_sheet_says() {
    let mut harness = harness(window(status()));
    press(&mut harness, Key::Space);
    check_request(&mut harness, "Camera(Stop)");
    press(&mut harness, Key::S);
    check_request(&mut harness, "Snapshot(SnapshotTarget {");
    press(&mut harness, Key::L);
    assert!(!harness.state().shell.settings.window.log_shown);
    assert!(harness.query_by_label("Log").is_none());
    press(&mut harness, Key::L);
    for key in [Key::F, Key::H] {
        press(&mut harness, key);
        assert!(harness.state().shell.picture_only && harness.state().shell.is_full_screen == (key == Key::F));
        assert!(harness.query_by_label("Snapshot").is_none());
        press(&mut harness, Key::Escape);
        assert!(!harness.state().shell.picture_only && !harness.state().shell.is_full_screen);
    }
    press(&mut harness, Key::Questionmark);
    harness.get_by_label("Start and stop the camera");
    press(&mut harness, Key::S);
    assert!(requests(&mut harness).is_empty(), "a sheet is open");
    press(&mut harness, Key::Escape);
    assert!(harness.state().shell.sheet.is_none());
    // Held down, a key counts once; with Ctrl it means something else.
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::S);
    harness.run();
    assert!(requests(&mut harness).is_empty());
    for _ in 0..3 {
        harness.key_down(Key::S);
        harness.run();
    }
    check_request(&mut harness, "Snapshot(SnapshotTarget {");
}

#[test]
fn keys_are_letters_while_somebody_types() {
    let mut harness = harness(window(status()));
    click(&mut harness, "search");
    harness.get_by_role_and_label(Role::TextInput, "Search the log").focus();
    harness.run();
    for key in [Key::Space, Key::S, Key::F, Key::H, Key::P, Key::Z, Key::L] {
        press(&mut harness, key);
    }
    assert!(requests(&mut harness).is_empty());
    assert!(!harness.state().shell.picture_only && harness.state().shell.settings.window.log_shown);
}

#[test]
fn preferences_are_set() {
    let mut harness = harness(window(status()));
    click(&mut harness, "Settings");
    click(&mut harness, "PNG");
    assert_eq!(harness.state().shell.settings.snapshot.format, camclinic::settings::SnapshotFormat::Png);
    click(&mut harness, "Light");
    assert_eq!(harness.state().shell.settings.window.theme, Theme::Light);
    click(&mut harness, "150 %");
    assert_eq!(harness.state().shell.settings.window.scale_percent, 150);
    harness.get_by_role_and_label(Role::TextInput, "Snapshot folder").focus();
    harness.run();
    harness.get_by_role_and_label(Role::TextInput, "Snapshot folder").type_text("/tmp/pictures");
    harness.run();
    assert_eq!(harness.state().shell.settings.snapshot.folder.as_deref(), Some(std::path::Path::new("/tmp/pictures")));
    click(&mut harness, "Browse…");
    check_request(&mut harness, "Browse(SnapshotFolder)");
    click(&mut harness, "Restore all defaults");
    let (settings, camera) = (&harness.state().shell.settings, &harness.state().panes[0].settings);
    assert_eq!(*settings, Settings { cameras: settings.cameras.clone(), ..Settings::default() });
    assert_eq!(*camera, CameraSettings { id: camera.id, source: DEVICE.to_owned(), ..CameraSettings::default() });
}

#[test]
fn notices_offer_the_folder_and_go_by_themselves() {
    let mut window = window(status());
    let now = window.shell.now;
    window.shell.toasts.saved("Snapshot saved: a.jpg", "/tmp".into(), now);
    window.shell.toasts.error("The disk is full", now);
    let mut harness = harness(window);
    harness.get_by_label("Snapshot saved: a.jpg");
    click(&mut harness, "Open folder");
    check_request(&mut harness, "OpenFolder(\"/tmp\")");
    harness.state_mut().shell.now = now + Duration::from_secs(10);
    harness.run();
    assert!(harness.query_by_label("Snapshot saved: a.jpg").is_none());
    harness.get_by_label_contains("The disk is full");
    click(&mut harness, "Close this notice");
    assert!(harness.query_by_label_contains("The disk is full").is_none());
}

/// Everything that can be operated has a name (the harness checks it) and lies inside the window, at every size.
#[test]
fn everything_fits_and_has_a_name() {
    #[track_caller]
    fn check(size: (f32, f32), scale_percent: u32, theme: Theme, status: Status) {
        let mut window = window(status);
        window.shell.settings.window.theme = theme;
        window.shell.settings.window.scale_percent = scale_percent;
        // Every arrow and field is there.
        window.panes[0].settings.asked.size = Size::new(1280, 720);
        window.panes[0].settings.recovery.n_retries = 9;
        window.panes[0].settings.recovery.automatic = false;
        window.panes[0].settings.recovery.may_reset_device = true;
        window.panes[0].settings.isolation = Isolation::Off;
        let mut harness = sized(window, vec2(size.0, size.1));
        harness.run();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let (width, height) = (size.0 * 100.0 / scale_percent as f32, size.1 * 100.0 / scale_percent as f32);
        let inspector_width = if width < 1_000.0 { 316.0 } else { 360.0 };
        let inspector_left = (width >= 700.0 && height >= 500.0).then_some(width - inspector_width);
        for node in harness.root().children_recursive() {
            let role = node.accesskit_node().role();
            let is_control = matches!(
                role,
                Role::Button | Role::CheckBox | Role::ComboBox | Role::Slider | Role::SpinButton | Role::Status
            );
            let label = node.accesskit_node().label().unwrap_or_default();
            if !is_control && !label.starts_with("Step ") {
                continue;
            }
            let rect = node.rect();
            assert!(
                rect.left() >= 0.0 && rect.right() <= width + 0.5,
                "{size:?} at {scale_percent} %: {label} {rect:?} is cut off"
            );
            // The inspector hides what is too wide for it beyond its own left edge.
            let is_inside =
                label.starts_with("Step ") || matches!(role, Role::CheckBox | Role::Slider | Role::SpinButton);
            if let Some(left) = inspector_left.filter(|_| is_inside) {
                assert!(rect.left() >= left, "{size:?} at {scale_percent} %: {label} {rect:?} is cut off");
            }
        }
    }
    for status in [status(), failing(), hung()] {
        check((1440.0, 900.0), 100, Theme::Dark, status.clone());
        check((1440.0, 900.0), 100, Theme::Light, status.clone());
        check((1000.0, 700.0), 100, Theme::Dark, status.clone());
        check((870.0, 600.0), 100, Theme::Dark, status.clone());
        check((760.0, 520.0), 100, Theme::Dark, status.clone());
        check((1440.0, 900.0), 200, Theme::Dark, status.clone());
        check((760.0, 520.0), 200, Theme::Light, status);
    }
}

#[test]
fn commands_are_sent_as_they_are() {
    // The names above are compared as text: here they are the real thing.
    let mut window = window(status());
    window.with_selected(|pane, _| pane.toggle_camera());
    assert!(matches!(window.panes[0].commands.as_slice(), [Command::Stop]));
}

#[test]
fn pixels_keep_their_colours_in_the_texture() {
    let size = Size { width: 2, height: 1 };
    let image = Image::new(size, vec![1, 2, 3, 250, 128, 0]).unwrap();
    let texture = camclinic::ui::color_image_from_bgr(&image);
    assert_eq!(texture.size, [2, 1]);
    assert_eq!(texture.pixels, [egui::Color32::from_rgb(3, 2, 1), egui::Color32::from_rgb(0, 128, 250)]);
}

fn control(id: u32, name: &str, kind: ControlKind, value: i64, default: i64) -> Control {
    let name = name.to_owned();
    Control { id, name, kind, value: Some(value), default, held: None, is_read_only: false, is_volatile: false }
}

fn with_controls() -> Window {
    let range = |min, max| ControlKind::Integer { min, max, step: 1 };
    let menu = |names: &[(i64, &str)]| ControlKind::Menu {
        items: names.iter().map(|(value, name)| MenuItem { value: *value, name: (*name).to_owned() }).collect(),
    };
    let held = Some("Auto exposure is on".to_owned());
    let mut window = window(status());
    window.panes[0].controls = Arc::new(DeviceControls {
        source: DEVICE.to_owned(),
        camera: DEVICE.to_owned(),
        list: vec![
            control(control::BRIGHTNESS, "Brightness", range(-64, 64), 10, 0),
            control(control::CONTRAST, "Contrast", range(0, 95), 32, 32),
            control(control::AUTO_WHITE_BALANCE, "White Balance, Automatic", ControlKind::Boolean, 1, 1),
            control(control::AUTO_EXPOSURE, "Auto Exposure", menu(&[(1, "Manual Mode"), (3, "Automatic")]), 3, 3),
            Control { held, ..control(control::EXPOSURE_TIME, "Exposure Time", range(1, 2_000), 157, 333) },
            Control { is_read_only: true, ..control(control::PRIVACY, "Privacy", ControlKind::Boolean, 1, 0) },
            control(0x0099_0001, "Restart the Lens", ControlKind::Button, 0, 0),
        ],
    });
    // What is not looked at here needs no room.
    window.shell.settings.window.folded_sections = vec!["Source".to_owned(), "Recovery".to_owned()];
    window
}

#[test]
fn each_control_is_set_by_its_own_widget() {
    #[track_caller]
    fn check(label: &str, then: Option<&str>, expected: &str) {
        let mut harness = harness(with_controls());
        click(&mut harness, label);
        if let Some(then) = then {
            click(&mut harness, then);
        }
        check_request(&mut harness, &format!("Camera(SetControls([ControlSetting {{ id: {expected} }}]))"));
    }
    check("Reset Brightness", None, &format!("{}, value: 0", control::BRIGHTNESS));
    check("Auto white balance", None, &format!("{}, value: 0", control::AUTO_WHITE_BALANCE));
    check("Restart the Lens", None, &format!("{}, value: 1", 0x0099_0001));
    check("All defaults", None, &format!("{}, value: 0", control::BRIGHTNESS));
    check("Auto exposure", Some("Manual"), &format!("{}, value: 1", control::AUTO_EXPOSURE));
}

#[test]
fn a_number_is_typed_or_slid() {
    let mut harness = harness(with_controls());
    harness.get_by_label("Contrast").focus();
    harness.run();
    press(&mut harness, Key::ArrowRight);
    check_request(
        &mut harness,
        &format!("Camera(SetControls([ControlSetting {{ id: {}, value: 33 }}]))", control::CONTRAST),
    );
    // What was chosen is shown until the camera has answered, and not sent again.
    harness.run();
    assert!(requests(&mut harness).is_empty());
    press(&mut harness, Key::ArrowRight);
    check_request(
        &mut harness,
        &format!("Camera(SetControls([ControlSetting {{ id: {}, value: 34 }}]))", control::CONTRAST),
    );
    // A camera that does not answer has the last word all the same.
    harness.state_mut().shell.now += Duration::from_secs(4);
    harness.run();
    press(&mut harness, Key::ArrowLeft);
    check_request(
        &mut harness,
        &format!("Camera(SetControls([ControlSetting {{ id: {}, value: 31 }}]))", control::CONTRAST),
    );
}

#[test]
fn what_cannot_be_set_is_disabled_and_says_why() {
    let harness = harness(with_controls());
    let is_disabled = |label: &str| harness.get_by_label(label).accesskit_node().is_disabled();
    assert!(is_disabled("Exposure time") && !is_disabled("Brightness"));
    harness.get_by_label("Auto exposure is on");
    // What the camera only reports is a word, not a switch.
    harness.get_by_label("Shutter closed");
    // The arrow stands only where somebody could go back.
    for label in ["Reset Exposure time", "Reset Contrast", "Reset Restart the Lens"] {
        assert!(harness.query_by_label(label).is_none(), "{label}");
    }
    let mut stopped = with_controls();
    stopped.panes[0].status = Some(Arc::new(Status { state: State::Idle, is_opened: false, ..status() }));
    let harness = self::harness(stopped);
    assert!(harness.get_by_label("Brightness").accesskit_node().is_disabled());
    harness.get_by_label_contains("these are the values that it had");
}

#[test]
fn presets_are_kept_for_each_camera() {
    let mut harness = harness(with_controls());
    assert!(harness.get_by_label("Preset 2").accesskit_node().is_disabled());
    click(&mut harness, "Keep");
    click(&mut harness, "Preset 2");
    assert!(requests(&mut harness).is_empty(), "keeping sets nothing");
    let kept = harness.state().panes[0].settings.control_presets[&2].clone();
    // Neither what is held nor what is only reported, nor a button.
    let ids: Vec<_> = kept.iter().map(|setting| setting.id).collect();
    let settable = [control::BRIGHTNESS, control::CONTRAST, control::AUTO_WHITE_BALANCE, control::AUTO_EXPOSURE];
    assert_eq!(ids, settable);
    // Another value, and back to the preset, as far as this camera can have it.
    let preset = [(control::BRIGHTNESS, 500), (77, 1)].map(|(id, value)| ControlSetting { id, value });
    harness.state_mut().panes[0].settings.control_presets.insert(3, preset.to_vec());
    harness.run();
    click(&mut harness, "Preset 3");
    check_request(
        &mut harness,
        &format!("Camera(SetControls([ControlSetting {{ id: {}, value: 64 }}]))", control::BRIGHTNESS),
    );
    // They are the camera's own, however it is named; another camera has none of them.
    harness.state_mut().panes[0].spec = SourceSpec::parse("/dev/video2").unwrap();
    harness.run();
    assert!(!harness.get_by_label("Preset 2").accesskit_node().is_disabled());
    Arc::make_mut(&mut harness.state_mut().panes[0].controls).camera = "usb-1234".to_owned();
    harness.run();
    assert!(harness.get_by_label("Preset 2").accesskit_node().is_disabled());
}

/// As drivers for tests have them: of every kind, and many.
fn with_many_controls() -> Window {
    let mut window = with_controls();
    let list = &mut Arc::make_mut(&mut window.panes[0].controls).list;
    let kinds = [
        ("Mask", ControlKind::Bitmask { mask: 0xff }),
        ("Long", ControlKind::Integer64 { min: 0, max: i64::MAX, step: 1 }),
        ("Words", ControlKind::Text { max_chars: 32 }),
        ("Matrix", ControlKind::Table { sizes: vec![8, 16] }),
        ("Area", ControlKind::Other),
    ];
    for (id, (name, kind)) in (0x0098_f900_u32..).zip(kinds) {
        list.push(Control { value: None, ..control(id, name, kind, 0, 0) });
    }
    for number in 1..=30_u32 {
        let range = ControlKind::Integer { min: 0, max: 9, step: 1 };
        list.push(control(0x00f0_f000 + number, &format!("Special {number}"), range, 0, 0));
    }
    window
}

#[test]
fn many_controls_are_grouped_and_searched() {
    let mut harness = harness(with_many_controls());
    // Those that cameras have are there at once; the others are folded away, and counted.
    harness.get_by_label("Brightness");
    assert!(harness.query_by_label("Special 7").is_none() && harness.query_by_label("Search controls").is_some());
    click(&mut harness, "Other controls");
    harness.get_by_label("Special 7");
    for words in [
        "Bits of 0xff",
        "A 64-bit number",
        "A text of up to 32 characters",
        "A table of 8 × 16 numbers",
        "Not a simple value",
    ] {
        harness.get_by_label(words);
    }
    click(&mut harness, "Picture controls");
    assert!(harness.query_by_label("Brightness").is_none());
    // What is searched for is found, also where it is folded away.
    click(&mut harness, "Other controls");
    harness.get_by_label("Search controls").focus();
    harness.run();
    harness.get_by_label("Search controls").type_text("BRIGHT");
    harness.run();
    harness.get_by_label("Brightness");
    assert!(harness.query_by_label("Contrast").is_none());
    harness.get_by_label("Search controls").type_text(" and dark");
    harness.run();
    harness.get_by_label("No control has these words in its name.");
    click(&mut harness, "Reset Search controls");
    harness.get_by_label("Exposure time");
    // Few controls need no search.
    assert!(self::harness(with_controls()).query_by_label("Search controls").is_none());
}

#[test]
fn a_control_that_does_not_tell_its_value_can_be_set() {
    let mut window = with_controls();
    Arc::make_mut(&mut window.panes[0].controls).list[1].value = None;
    let mut harness = harness(window);
    harness.get_by_label_contains("does not tell which value");
    assert!(harness.query_by_label("Reset Contrast").is_none());
    harness.get_by_label("Contrast").focus();
    harness.run();
    press(&mut harness, Key::ArrowRight);
    check_request(
        &mut harness,
        &format!("Camera(SetControls([ControlSetting {{ id: {}, value: 33 }}]))", control::CONTRAST),
    );
}

#[test]
fn no_controls_are_explained() {
    #[track_caller]
    fn check(source: &str, status: Status, expected: &str) {
        let mut window = window(status);
        window.panes[0].spec = SourceSpec::parse(source).unwrap();
        window.shell.settings.window.folded_sections = vec!["Source".to_owned(), "Recovery".to_owned()];
        harness(window).get_by_label_contains(expected);
    }
    check("film.mp4", status(), "A file has no controls");
    check("rtsp://cam/1", status(), "on its own page");
    check(DEVICE, status(), "tells of no controls");
    check(DEVICE, Status { is_capturing: false, ..status() }, "after the first picture");
}
