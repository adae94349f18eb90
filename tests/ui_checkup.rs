//! The check-up in the window: what is pressed, what is shown, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use camclinic::backend::Backend;
use camclinic::checkup::compare::BackendComparison;
use camclinic::checkup::facts::{OpeningFacts, StreamFacts, StreamSummary};
use camclinic::checkup::slow::LatencyShare;
use camclinic::checkup::{
    Action, CatalogueEntry, CheckOutcome, CheckRun, Checkup, Facts, Finding, Fix, Judgement, Layer, Progress, Severity,
};
use camclinic::control::{self, Control, ControlKind, ControlSetting, DeviceControls};
use camclinic::event::ToldVerdict;
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::{PixelFormat, Size};
use camclinic::phrases::{Language, Message};
use camclinic::report::{MaskedKind, Masking};
use camclinic::secrets::Passwords;
use camclinic::settings::{Settings, Theme, Transport};
use camclinic::source::SourceSpec;
use camclinic::status::{Got, State, Status};
use camclinic::ui::checkup::ExaminationEvent;
use camclinic::ui::pane::Pane;
use camclinic::ui::prompt::Purpose;
use camclinic::ui::shell::{Sheet, WindowRequest};
use camclinic::ui::window::Window;
use egui::accesskit::Role;
use egui::{Key, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use crate::ui::{carry_out, check_request, click, failing, harness, press, requests, sized, status, told, window};

static BUSY: CatalogueEntry =
    CatalogueEntry { id: "F20", slug: "busy", layer: Layer::Holder, severity: Severity::Critical, judge: |_| None };
static DIM: CatalogueEntry =
    CatalogueEntry { id: "F51", slug: "dim", layer: Layer::Picture, severity: Severity::Warning, judge: |_| None };

/// Words that are no key are said as they are.
fn said(words: &str) -> Message {
    Message::new(words.to_owned())
}

fn finding(entry: &'static CatalogueEntry, confidence: f64, title: &str, fixes: Vec<Fix>) -> Finding {
    let mut judgement = Judgement::new(entry.slug, confidence);
    judgement.title = said(title);
    judgement.because = said("It has been open since 10:42.");
    judgement.evidence = vec![said("First proof"), said("Second proof")];
    judgement.fixes = fixes;
    Finding { entry, judgement }
}

fn fix(words: &str) -> Fix {
    Fix { text: said(words), action: None, command: None }
}

fn checked(id: &'static str, outcome: CheckOutcome, why: &str) -> CheckRun {
    CheckRun { id, outcome, took_ms: 41, why: said(why) }
}

fn checkup(findings: Vec<Finding>) -> Checkup {
    let outcome = if findings.is_empty() { CheckOutcome::Good } else { CheckOutcome::Bad };
    Checkup {
        findings,
        checks: vec![
            checked("presence", CheckOutcome::Good, "It is there."),
            checked("holder", outcome, "As it stands."),
        ],
        took: Duration::from_millis(2_400),
        ..Checkup::default()
    }
}

fn busy(fixes: Vec<Fix>) -> Checkup {
    checkup(vec![finding(&BUSY, 0.95, "Busy: Zoom holds it", fixes), finding(&DIM, 0.3, "It may be dim", Vec::new())])
}

/// The examinations that were asked for, and the number of the one that is expected.
#[track_caller]
fn examinations(harness: &mut Harness<'_, Window>, expected: &str) -> (Vec<WindowRequest>, u64) {
    let requests = std::mem::take(&mut harness.state_mut().shell.requests);
    let begun = requests.iter().map(|request| format!("{request:?}")).find(|request| request.starts_with(expected));
    let begun = begun.unwrap_or_else(|| panic!("{expected} is not among {requests:?}"));
    let digits: String = begun.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    (requests, digits.parse().unwrap())
}

fn is_cancelled(examinations: &[WindowRequest]) -> bool {
    matches!(examinations, [one] if format!("{one:?}").contains("is_cancelled: true"))
}

#[track_caller]
fn tell(harness: &mut Harness<'_, Window>, number: u64, event: ExaminationEvent) {
    harness.state_mut().with_selected(|pane, shell| pane.hear_examination(shell, number, event));
    // A spinner asks for the next picture for ever.
    harness.run_steps(3);
}

/// Goes through a check-up with this end.
#[track_caller]
fn examined(harness: &mut Harness<'_, Window>, end: Checkup) {
    harness.state_mut().with_selected(Pane::check_up);
    harness.run_steps(3);
    let (_examination, number) = examinations(harness, "CheckUp");
    tell(harness, number, ExaminationEvent::CheckedUp(Box::new(end)));
}

fn with(end: Checkup) -> Harness<'static, Window> {
    let mut harness = harness(window(status()));
    examined(&mut harness, end);
    harness
}

#[test]
fn a_camera_that_streams_is_watched_and_any_other_is_closed_meanwhile() {
    #[track_caller]
    fn check(status: Status, request: &str, then: Option<&str>) {
        let mut harness = harness(window(status));
        harness.key_press(Key::C);
        harness.run_steps(3);
        let begun = requests(&mut harness);
        assert!(matches!(begun.as_slice(), [one] if one.starts_with(request)), "{begun:?}");
        tell(&mut harness, 1, ExaminationEvent::CheckedUp(Box::new(checkup(Vec::new()))));
        assert_eq!(requests(&mut harness), then.into_iter().map(str::to_owned).collect::<Vec<_>>());
    }
    check(status(), "CheckUp { number: 1, is_live: true, waits_for_release: false,", None);
    check(failing(), "CheckUp { number: 1, is_live: false, waits_for_release: true,", Some("Camera(Start)"));
    let opening = Status { state: State::Opening, ..status() };
    check(opening, "CheckUp { number: 1, is_live: false, waits_for_release: true,", Some("Camera(Start)"));
    for state in [State::Idle, State::Failed] {
        // What is closed stays closed, with the state that tells why.
        let closed = Status { state, ..failing() };
        check(closed, "CheckUp { number: 1, is_live: false, waits_for_release: false,", None);
    }
}

#[test]
fn a_paused_camera_says_so_and_comes_back_when_somebody_wants_it() {
    let mut harness = harness(window(failing()));
    harness.key_press(Key::C);
    harness.run_steps(3);
    let (begun, _) = examinations(&mut harness, "CheckUp");
    harness.state_mut().panes[0].status = Some(Arc::new(Status { state: State::Idle, ..status() }));
    harness.run_steps(3);
    harness.get_by_role_and_label(Role::Status, "Paused for the check-up");
    harness.get_by_label("The picture comes back by itself when it is over.");
    harness.get_by_label("The picture is paused meanwhile, and comes back by itself.");
    assert!(harness.query_by_label("Start").is_none());
    harness.get_by_label("Go on").click();
    harness.run_steps(3);
    assert!(is_cancelled(&begun));
    harness.state_mut().panes[0].commands.clear();
    harness.get_by_label("Ending…");
    let cancelled = Checkup { was_cancelled: true, ..Checkup::default() };
    tell(&mut harness, 1, ExaminationEvent::CheckedUp(Box::new(cancelled)));
    check_request(&mut harness, "Camera(Start)");
    harness.get_by_label("The check-up was ended before its end");
}

/// What would open the camera ends the check-up that has it, and is done then.
#[test]
fn whoever_wants_the_camera_gets_it() {
    let mut harness = harness(window(Status { state: State::Failed, ..failing() }));
    harness.key_press(Key::C);
    harness.run_steps(3);
    let (begun, _) = examinations(&mut harness, "CheckUp");
    harness.get_all_by_label("Try again").next().unwrap().click();
    harness.run_steps(3);
    assert!(is_cancelled(&begun));
    assert_eq!(requests(&mut harness), Vec::<String>::new());
    tell(&mut harness, 1, ExaminationEvent::Crashed);
    check_request(&mut harness, "Camera(Start)");
    harness.get_by_label("It has broken off");
}

#[test]
fn the_checks_are_followed_while_they_run() {
    let mut harness = harness(window(status()));
    harness.get_by_label("Check up").click();
    harness.run_steps(3);
    harness.get_by_label("Starting…");
    let (begun, _) = examinations(&mut harness, "CheckUp");
    harness.get_by_label("The picture goes on: nothing is opened or changed.");
    tell(&mut harness, 1, ExaminationEvent::Progress(Progress::Began("holder")));
    harness.get_by_label("Other programs…");
    harness.get_by_label("Other programs, running");
    let ended = checked("holder", CheckOutcome::Warning, "Held by Zoom.");
    tell(&mut harness, 1, ExaminationEvent::Progress(Progress::Ended(ended)));
    harness.get_by_label("Other programs, warning, 41 ms, Held by Zoom.");
    tell(&mut harness, 1, ExaminationEvent::Progress(Progress::Found(busy(Vec::new()).findings)));
    harness.get_by_label("Busy: Zoom holds it");
    tell(&mut harness, 1, ExaminationEvent::Progress(Progress::Trying(said("Trying MJPG"))));
    harness.get_by_label("Trying MJPG…");
    // News of another run are none.
    tell(&mut harness, 7, ExaminationEvent::Crashed);
    harness.get_by_label("Trying MJPG…");
    harness.get_by_label("Cancel").click();
    harness.run_steps(3);
    assert!(is_cancelled(&begun));
}

/// The list keeps its place and height from the first check to the last.
#[test]
fn nothing_moves_while_the_checks_run() {
    let mut harness = harness(window(status()));
    harness.state_mut().with_selected(Pane::check_up);
    harness.run_steps(3);
    let top = |harness: &Harness<'_, Window>| harness.get_by_label_contains("Frames").rect();
    let before = top(&harness);
    for progress in [
        Progress::Began("presence"),
        Progress::Ended(checked("presence", CheckOutcome::Good, &"A long reason. ".repeat(20))),
        Progress::Found(busy(Vec::new()).findings),
        Progress::Began("open"),
        Progress::Trying(said("A long experiment, with a name that does not fit on any line at all, however wide")),
    ] {
        tell(&mut harness, 1, ExaminationEvent::Progress(progress));
        assert_eq!(top(&harness), before);
    }
}

#[test]
fn a_healthy_camera_gets_a_calm_card() {
    let harness = with(checkup(Vec::new()));
    harness.get_by_label("No trouble found");
    harness.get_by_label("Every check that could be made here came out well.");
    harness.get_by_label("Camera is there · Other programs");
    harness.get_by_label("Camera is there, good, 41 ms, It is there.");
    harness.get_by_label("Check again");
    assert!(harness.query_by_label_contains("Try what else works").is_none());
}

#[test]
fn what_is_wrong_and_not_explained_is_not_called_healthy() {
    let mut end = checkup(vec![finding(&DIM, 0.3, "It may be dim", Vec::new())]);
    end.checks[1].outcome = CheckOutcome::Warning;
    let mut harness = with(end);
    harness.get_by_label("No cause found");
    assert!(harness.query_by_label("No trouble found").is_none());
    click(&mut harness, "Also seen");
    harness.get_by_label("It may be dim");
    harness.get_by_label("Try what else works").click();
    harness.run_steps(3);
    check_request(&mut harness, "CheckUp { number: 2, is_live: false, waits_for_release: true,");
    assert!(harness.state().panes[0].checkup.pauses());
}

#[test]
fn the_verdict_comes_with_its_proof_and_its_fixes() {
    let command = Fix { command: Some("sudo fuser -k /dev/video0".to_owned()), ..fix("Or end it.") };
    let mut harness = with(busy(vec![fix("Close Zoom."), command]));
    for label in [
        "Busy: Zoom holds it",
        "It has been open since 10:42.",
        "Certain · F20",
        "First proof",
        "Second proof",
        "Close Zoom.",
        "Or end it.",
        "sudo fuser -k /dev/video0",
        "Check-up",
    ] {
        assert!(harness.query_all_by_label(label).count() > 0, "{label}");
    }
    click(&mut harness, "Copy");
    let copied =
        harness.output().platform_output.commands.iter().any(
            |command| matches!(command, egui::OutputCommand::CopyText(text) if text == "sudo fuser -k /dev/video0"),
        );
    assert!(copied || harness.query_by_label("Copied").is_some());
    click(&mut harness, "Proof");
    assert!(harness.query_by_label("First proof").is_none());
    // The hint is folded away.
    assert!(harness.query_by_label("It may be dim").is_none());
    click(&mut harness, "Also seen");
    harness.get_by_label("It may be dim");
}

#[test]
fn each_fix_has_a_button_that_does_it() {
    #[track_caller]
    fn check(
        status: Status,
        source: &str,
        action: Action,
        label: &str,
        request: Option<&str>,
        done: fn(&Window) -> bool,
    ) {
        let mut window = window(status);
        window.panes[0].spec = SourceSpec::parse(source).unwrap();
        window.panes[0].settings.asked.size = Size::new(1280, 720);
        let list = vec![Control {
            id: control::EXPOSURE_PRIORITY,
            name: "Exposure priority".to_owned(),
            kind: ControlKind::Boolean,
            value: Some(1),
            default: 0,
            held: None,
            is_read_only: false,
            is_volatile: false,
        }];
        window.panes[0].controls = DeviceControls { source: source.to_owned(), camera: source.to_owned(), list }.into();
        let mut harness = harness(window);
        let action = Fix { action: Some(action), ..fix("Do it.") };
        examined(&mut harness, busy(vec![action]));
        requests(&mut harness);
        // Others of the same name stand elsewhere.
        let words = harness.get_by_label("Do it.").rect();
        let is_below = |rect: egui::Rect| rect.top() >= words.bottom() && (rect.left() - words.left()).abs() < 40.0;
        let button = harness.get_all_by_role_and_label(Role::Button, label).find(|button| is_below(button.rect()));
        button.unwrap().click();
        harness.run();
        match request {
            Some(request) => check_request(&mut harness, request),
            None => assert_eq!(requests(&mut harness), Vec::<String>::new()),
        }
        assert!(done(harness.state()), "{label}");
        harness.get_by_label("Done. Check again to see what has changed.");
    }
    const DEVICE: &str = "/dev/video0";
    let check_settings = |action, label: &str, done| check(status(), DEVICE, action, label, None, done);
    check(failing(), DEVICE, Action::WaitUntilFree, "Wait until free", Some("Camera(WaitUntilFree)"), |_| true);
    check(failing(), DEVICE, Action::RestartStream, "Restart the stream", Some("Camera(RecoverNow)"), |_| true);
    let failed = Status { state: State::Failed, ..failing() };
    check(failed.clone(), DEVICE, Action::Reconnect, "Reconnect", Some("Camera(Start)"), |_| true);
    check_settings(Action::UseFormat(PixelFormat::MJPG), "Use MJPG", |w| {
        w.panes[0].settings.asked.format == Some(PixelFormat::MJPG)
    });
    check_settings(Action::UseSize(Size { width: 640, height: 480 }), "Use 640 × 480", |w| {
        w.panes[0].settings.asked.size == Size::new(640, 480)
    });
    check_settings(Action::UseRate(15.0), "Use 15 fps", |w| w.panes[0].settings.asked.fps == Some(15.0));
    check_settings(Action::UseDeviceDefaults, "Use the device's defaults", |w| {
        w.panes[0].settings.asked.size.is_none() && w.panes[0].settings.asked.fps.is_none()
    });
    check_settings(Action::UseBuffers(4), "Use 4 buffers", |w| w.panes[0].settings.asked.n_buffers == Some(4));
    check_settings(Action::UseTransport(Transport::Udp), "Use UDP", |w| {
        w.panes[0].settings.transport == Transport::Udp
    });
    check(failed.clone(), "sim:", Action::UseBackend(Backend::Simulated), "Use Simulated", None, |w| {
        w.panes[0].settings.backend == Some(Backend::Simulated)
    });
    let priority = ControlSetting { id: control::EXPOSURE_PRIORITY, value: 0 };
    check(
        status(),
        DEVICE,
        Action::SetControl(priority),
        "Set “Rate may fall” to off",
        Some("Camera(SetControls([ControlSetting"),
        |_| true,
    );
    let request = Some("Camera(SetControls([ControlSetting");
    check(status(), DEVICE, Action::ResetControls, "All controls to default", request, |_| true);
    check(failed.clone(), DEVICE, Action::ResetDevice, "Reset device…", None, |w| {
        w.shell.sheet == Some(Sheet::Reset)
    });
    let other = Action::ChooseDevice("identity-of-/dev/video2".to_owned());
    let request = Some("Choose(CameraId(1), Device(\"identity-of-/dev/video2\"))");
    check(failed.clone(), DEVICE, other, "Show that camera", request, |_| true);
    check(failed, "rtsp://cam/1", Action::EditAddress, "Edit address…", None, |w| w.shell.address.is_some());
    let page = Action::OpenSettings("ms-settings:privacy-webcam".to_owned());
    let request = Some("OpenPage(\"ms-settings:privacy-webcam\")");
    check(status(), DEVICE, page, "Open the system's settings", request, |_| true);
    let request = Some("Browse(SnapshotFolder)");
    check(status(), DEVICE, Action::ChooseFolder, "Choose another folder…", request, |_| true);
}

#[test]
fn what_cannot_be_done_now_is_disabled() {
    #[track_caller]
    fn check(status: Status, action: Action, label: &str) {
        let mut harness = harness(window(status));
        let action = Fix { action: Some(action), ..fix("Do it.") };
        examined(&mut harness, busy(vec![action]));
        let buttons = harness.get_all_by_role_and_label(Role::Button, label);
        assert!(buttons.last().unwrap().accesskit_node().is_disabled(), "{label}");
    }
    check(status(), Action::ResetDevice, "Reset device…");
    let closed = Status { is_opened: false, ..failing() };
    check(closed, Action::ResetControls, "All controls to default");
    check(failing(), Action::UseBackend(Backend::Simulated), "Use Simulated");
    check(failing(), Action::ChooseDevice("gone".to_owned()), "Show that camera");
}

#[test]
fn before_and_after_stand_side_by_side() {
    let facts = |fps, n_lost, open_ms| Facts {
        stream: Some(StreamFacts { fps: Some(fps), n_lost, ..StreamFacts::default() }),
        opening: Some(OpeningFacts { open_ms, ..OpeningFacts::default() }),
        ..Facts::default()
    };
    let mut harness = with(Checkup { facts: facts(11.0, 90, 40), ..busy(Vec::new()) });
    assert!(harness.query_by_label("Before").is_none());
    examined(&mut harness, Checkup { facts: facts(30.0, 0, 40), ..checkup(Vec::new()) });
    for label in ["Before", "Now", "Busy: Zoom holds it", "11.0 fps", "30.0 fps", "90", "Lost pictures", "Opened in"] {
        assert!(harness.query_all_by_label(label).count() > 0, "{label}");
    }
    // One that was ended by hand has nothing to compare; the last whole one is compared with the next.
    examined(&mut harness, Checkup { was_cancelled: true, ..Checkup::default() });
    assert!(harness.query_by_label("Before").is_none());
    examined(&mut harness, Checkup { facts: facts(29.0, 1, 40), ..checkup(Vec::new()) });
    harness.get_by_label("30.0 fps");
    harness.get_by_label("29.0 fps");
    // Another camera's numbers say nothing about this one.
    harness.state_mut().with_selected(|pane, _| {
        let (status, frame) = (pane.status.clone(), pane.frame.clone());
        pane.switch(pane.spec.clone(), pane.settings.clone());
        (pane.status, pane.frame) = (status, frame);
    });
    harness.run();
    examined(&mut harness, Checkup { facts: facts(29.0, 1, 40), ..checkup(Vec::new()) });
    assert!(harness.query_by_label("Before").is_none());
}

#[test]
fn findings_are_told_when_they_begin_and_when_they_are_gone() {
    let told = |harness: &Harness<'_, Window>| {
        told(harness.state()).into_iter().filter(|line| line.contains(" finding: ")).collect::<Vec<_>>()
    };
    let mut harness = harness(window(status()));
    examined(&mut harness, busy(Vec::new()));
    assert_eq!(told(&harness), ["Error finding: Busy: Zoom holds it"]);
    examined(&mut harness, busy(Vec::new()));
    assert_eq!(told(&harness).len(), 1);
    examined(&mut harness, checkup(vec![finding(&DIM, 0.6, "It is dim", Vec::new())]));
    assert_eq!(told(&harness)[1..], ["Good finding: Gone: Busy: Zoom holds it", "Warning finding: It is dim"]);
}

/// So that it stands beside a clip that is being recorded.
#[test]
fn each_verdict_is_told_with_its_entry() {
    let verdicts = |harness: &Harness<'_, Window>| {
        harness.state().shell.events.since(0).iter().filter_map(|event| ToldVerdict::of(event)).collect::<Vec<_>>()
    };
    let mut harness = harness(window(status()));
    examined(&mut harness, checkup(Vec::new()));
    assert_eq!(verdicts(&harness), []);
    examined(&mut harness, Checkup { was_cancelled: true, ..busy(Vec::new()) });
    assert_eq!(verdicts(&harness), []);
    for n_told in [1, 2] {
        examined(&mut harness, busy(Vec::new()));
        assert_eq!(verdicts(&harness).len(), n_told);
    }
    let expected = ToldVerdict { entry: BUSY.id.into(), title: "Busy: Zoom holds it".into(), confidence: 0.95 };
    assert_eq!(verdicts(&harness)[0], expected);
}

#[test]
fn why_it_is_slow_is_told_with_the_part_to_mend() {
    let share = |part: &str, ms, is_too_long| LatencyShare { part: said(part), ms, is_too_long };
    let slow = vec![share("Exposure", 66.6, true), share("Decoding", 4.0, false)];
    let harness = with(Checkup { slow, ..busy(Vec::new()) });
    harness.get_by_label("Why is it slow?");
    harness.get_by_label("Exposure, 66.6 ms, too long");
    harness.get_by_label("Decoding, 4 ms");
}

#[track_caller]
fn open_comparison(harness: &mut Harness<'_, Window>) {
    harness.get_by_label("Compare backends…").scroll_to_me();
    harness.run();
    click(harness, "Compare backends…");
}

#[test]
fn backends_are_compared_and_the_best_is_kept_for_this_camera() {
    let mut window = window(status());
    window.panes[0].spec = SourceSpec::parse("identity-of-/dev/video0").unwrap();
    let backends = window.panes[0].spec.backends();
    let [first, .., last] = backends.as_slice() else { return };
    let mut harness = harness(window);
    open_comparison(&mut harness);
    harness.get_by_label("Stop the picture and compare").click();
    harness.run_steps(3);
    let (_examination, number) = examinations(&mut harness, "Compare");
    let row = |backend, fps| StreamSummary {
        backend: Some(backend),
        open_ms: Some(1_040),
        fps: Some(fps),
        got: Got { format: Some(PixelFormat::MJPG), size: Size::new(640, 480), ..Got::default() },
        ..StreamSummary::default()
    };
    tell(&mut harness, number, ExaminationEvent::Row(Box::new(row(*first, 11.0))));
    harness.get_by_label("11.0 fps");
    harness.get_by_label("running");
    let broken = StreamSummary {
        backend: Some(*last),
        fault: Some(Fault::new(FaultKind::OpenFailed, "it cannot be opened")),
        ..StreamSummary::default()
    };
    let compared = BackendComparison { rows: vec![row(*first, 30.0), broken], best: Some(*first) };
    tell(&mut harness, number, ExaminationEvent::Compared(Box::new(compared)));
    check_request(&mut harness, "Camera(Start)");
    harness.get_by_label("MJPG 640 × 480");
    harness.get_by_label(&format!("{}: It cannot be opened.", last.label()));
    click(&mut harness, &format!("Use {} for this camera", first.label()));
    let kept = |window: &Window| window.shell.settings.camera("identity-of-/dev/video0").best_backend;
    assert_eq!(kept(harness.state()), Some(*first));
    // It can be undone where the backend is chosen.
    press(&mut harness, Key::Escape);
    harness.get_by_label("Reset Backend").scroll_to_me();
    harness.run();
    click(&mut harness, "Reset Backend");
    assert_eq!(kept(harness.state()), None);
}

#[test]
fn a_comparison_ends_with_its_sheet() {
    let mut harness = harness(window(failing()));
    if harness.state().panes[0].spec.backends().len() < 2 {
        return;
    }
    open_comparison(&mut harness);
    harness.get_by_label("Stop the picture and compare").click();
    harness.run_steps(3);
    let (begun, _) = examinations(&mut harness, "Compare");
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(is_cancelled(&begun));
}

#[test]
fn the_check_up_speaks_the_language_of_the_settings() {
    let mut window = window(status());
    window.shell.settings.language = Some(Language::Polish);
    let mut harness = harness(window);
    examined(&mut harness, checkup(Vec::new()));
    harness.get_by_label(&Language::Polish.word("card.healthy"));
    click(&mut harness, "Settings");
    click(&mut harness, "English");
    assert_eq!(harness.state().shell.settings.language, Some(Language::English));
    click(&mut harness, "As the system (English)");
    assert_eq!(harness.state().shell.settings.language, Settings::default().language);
}

#[test]
fn a_report_is_looked_at_before_it_is_saved() {
    /// Has the report made that was asked for, and returns how it was.
    #[track_caller]
    fn made(harness: &mut Harness<'_, Window>) -> String {
        let asked = format!("{:?}", harness.state().shell.requests);
        harness.get_by_label("Being made…");
        carry_out(harness, &Passwords::default());
        harness.run();
        asked
    }
    let mut harness = with(busy(Vec::new()));
    click(&mut harness, "Report…");
    made(&mut harness);
    for member in ["report.html", "report.json", "snapshot.jpg", "Passwords and other secrets are masked always."] {
        harness.get_by_label(member);
    }
    assert!(harness.query_by_label_contains("No check-up was made").is_none());
    harness.get_by_role_and_label(Role::CheckBox, "User names").click();
    harness.run();
    let asked = made(&mut harness);
    let mut masking = Masking::default();
    masking.set(MaskedKind::Users, false);
    assert!(asked.contains(&format!("{masking:?}")), "{asked}");
    harness.get_all_by_label("Save as…").last().unwrap().click();
    harness.run();
    check_request(&mut harness, "Browse(Report)");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("camera 1.2");
    harness.state_mut().with_selected(|pane, shell| {
        pane.picked(shell, Purpose::Report, path.to_str().unwrap()).unwrap();
    });
    carry_out(&mut harness, &Passwords::default());
    let saved = folder.path().join("camera 1.2.zip");
    assert!(std::fs::read(&saved).unwrap().starts_with(b"PK"));
    harness.run();
    harness.get_by_label(&format!("Report saved: {}", saved.display()));
    assert!(harness.query_by_label("report.html").is_none());
}

#[test]
fn a_report_can_be_made_without_a_check_up() {
    let mut harness = harness(window(status()));
    click(&mut harness, "Report…");
    // Whether there is a clip to go with it is looked at besides.
    let asked = requests(&mut harness);
    assert!(asked.iter().any(|request| request.starts_with("MakeReport")), "{asked:?}");
    harness.get_by_label_contains("No check-up was made of this camera.");
    let save = harness.get_all_by_label("Save as…").last().unwrap();
    assert!(save.accesskit_node().is_disabled());
    click(&mut harness, "Cancel");
    assert!(harness.state().shell.report.is_none());
}

/// Everything lies inside the window at every size, whatever the check-up found.
#[test]
fn the_card_fits() {
    #[track_caller]
    fn check(size: (f32, f32), scale_percent: u32, theme: Theme) {
        let mut window = window(failing());
        window.shell.settings.window.theme = theme;
        window.shell.settings.window.scale_percent = scale_percent;
        let mut harness = sized(window, vec2(size.0, size.1));
        let long = "a-name-that-is-long-and-cannot-be-broken-anywhere-".repeat(3);
        let fixes = vec![
            Fix { action: Some(Action::UseFormat(PixelFormat::MJPG)), ..fix(&long) },
            Fix { command: Some(format!("sudo {long}")), ..fix("Or this.") },
        ];
        let slow = vec![LatencyShare { part: said(&long), ms: 66.6, is_too_long: true }];
        let mut end = Checkup { slow, ..busy(fixes) };
        end.checks[0].why = said(&long);
        examined(&mut harness, end.clone());
        examined(&mut harness, end);
        harness.run();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let (width, height) = (size.0 * 100.0 / scale_percent as f32, size.1 * 100.0 / scale_percent as f32);
        let inspector_width = if width < 1_000.0 { 316.0 } else { 360.0 };
        let left = if width >= 700.0 && height >= 500.0 { width - inspector_width } else { 0.0 };
        for label in ["Check again", "Use MJPG", "Copy", "Proof", "Also seen", "Checks"] {
            let rect = harness.get_by_role_and_label(Role::Button, label).rect();
            assert!(rect.left() >= left && rect.right() <= width, "{size:?} {scale_percent} %: {label} {rect:?}");
        }
    }
    check((1440.0, 900.0), 100, Theme::Dark);
    check((1000.0, 700.0), 100, Theme::Light);
    check((760.0, 520.0), 100, Theme::Dark);
    check((1440.0, 900.0), 200, Theme::Dark);
    check((760.0, 520.0), 200, Theme::Light);
}
