//! The dialogue for addresses and the test of a connection, driven by the names that a screen reader speaks.

use std::fmt::Write;
use std::time::Duration;

use camclinic::address::Address;
use camclinic::fault::{Fault, FaultKind};
use camclinic::frame::Size;
use camclinic::network::{
    Certificate, ConnectionFinding, ConnectionTestResult, StepName, StepOutcome, StreamMeasurements, TestStep,
};
use camclinic::secrets::{Keyring, KeyringError, Passwords};
use camclinic::settings::Transport;
use camclinic::source::SourceSpec;
use camclinic::status::{State, Status};
use camclinic::ui::address::Field;
use camclinic::ui::shell::WindowRequest;
use camclinic::ui::window::Window;
use egui::accesskit::{Role, Toggled};
use egui::{Event, Key, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use super::ui::{carry_out, check_request, click, harness, press, requests, sized, status, window};

/// A system without a keyring: what is kept is kept for this run.
struct NoKeyring;

impl Keyring for NoKeyring {
    fn get(&self, _: &str) -> Result<Option<String>, KeyringError> {
        Err(KeyringError::None)
    }

    fn set(&self, _: &str, _: &str) -> Result<(), KeyringError> {
        Err(KeyringError::None)
    }

    fn forget(&self, _: &str) -> Result<(), KeyringError> {
        Err(KeyringError::None)
    }
}

type Shown = Harness<'static, Window>;

const WHOLE: &str = "Address or path";

/// The window with the dialogue open and empty.
fn opened() -> Shown {
    let mut harness = harness(window(status()));
    harness.get_by_role_and_label(Role::ComboBox, "Camera").click();
    harness.run();
    click(&mut harness, "Address or path…");
    harness
}

/// A camera of this address is shown, and has this fault.
fn failing_with(address: &str, kind: FaultKind) -> Shown {
    let fault = Fault::new(kind, "401 Unauthorized");
    let status = Status { state: State::Failed, last_fault: Some(fault), name: "Door".into(), ..status() };
    let mut window = window(status);
    window.panes[0].spec = SourceSpec::parse(address).unwrap();
    harness(window)
}

#[track_caller]
fn paste(harness: &mut Shown, text: &str) {
    harness.event(Event::Paste(text.to_owned()));
    harness.run();
}

#[track_caller]
fn write(harness: &mut Shown, role: Role, field: &str, text: &str) {
    let node = harness.get_by_role_and_label(role, field);
    node.focus();
    harness.run();
    harness.get_by_role_and_label(role, field).type_text(text);
    harness.run();
}

fn value(harness: &Shown, field: &str) -> String {
    let role = if field == "Password" { Role::PasswordInput } else { Role::TextInput };
    harness.get_by_role_and_label(role, field).accesskit_node().value().unwrap_or_default()
}

/// Every label and value that a screen reader could speak now.
pub fn texts(harness: &Shown) -> String {
    let mut all = String::new();
    for node in harness.root().children_recursive() {
        let node = node.accesskit_node();
        for text in [node.label(), node.value(), node.description()].into_iter().flatten() {
            writeln!(all, "{text}").unwrap();
        }
    }
    all
}

/// The one address that is opened.
#[track_caller]
fn check_opened(harness: &mut Shown, expected: &str) {
    let requests = std::mem::take(&mut harness.state_mut().shell.requests);
    let chosen: Vec<_> = requests
        .iter()
        .filter_map(|request| match request {
            WindowRequest::Choose(_, SourceSpec::Url(address)) => Some(address.with_login()),
            WindowRequest::Choose(_, other) => Some(other.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(chosen, [expected]);
    assert!(harness.state().shell.address.is_none(), "the dialogue is closed");
}

#[test]
fn a_pasted_address_fills_the_fields_and_its_password_hides() {
    #[track_caller]
    fn check(pasted: &str, fields: [&str; 5], opened_as: &str) {
        let mut harness = opened();
        paste(&mut harness, pasted);
        let got = [WHOLE, "Host", "Port", "Path", "User"].map(|field| value(&harness, field));
        assert_eq!(got, fields, "{pasted}");
        assert!(!texts(&harness).contains("geheim"), "{}", texts(&harness));
        press(&mut harness, Key::Enter);
        check_opened(&mut harness, opened_as);
    }
    check(
        "rtsp://admin:geheim@192.168.1.64:554/Streaming/Channels/101\n",
        ["rtsp://admin@192.168.1.64/Streaming/Channels/101", "192.168.1.64", "", "/Streaming/Channels/101", "admin"],
        "rtsp://admin:geheim@192.168.1.64/Streaming/Channels/101",
    );
    check(
        "rtsp://admin:geheim@#/1@cam:8554/a b",
        ["rtsp://admin@cam:8554/a%20b", "cam", "8554", "/a%20b", "admin"],
        "rtsp://admin:geheim%40%23%2F1@cam:8554/a%20b",
    );
    check(
        "http://cam/video?user=a&pwd=geheim",
        ["http://cam/video?user=a&pwd=", "cam", "", "/video?user=a&pwd=", ""],
        "http://cam/video?user=a&pwd=geheim",
    );
    check("https://[fe80::1]/", ["https://[fe80::1]/", "fe80::1", "", "/", ""], "https://[fe80::1]/");
}

#[test]
fn a_password_pasted_anywhere_ends_in_the_dialogue() {
    #[track_caller]
    fn check(mut harness: Shown) {
        paste(&mut harness, "rtsp://admin:geheim@cam/1");
        assert_eq!(value(&harness, WHOLE), "rtsp://admin@cam/1");
        assert!(!texts(&harness).contains("geheim"), "{}", texts(&harness));
        let state = harness.state();
        assert!(state.shell.prompt.is_none() && state.shell.sheet.is_none());
        assert_eq!(state.shell.settings.snapshot.folder, None);
    }
    check(harness(window(status())));
    // Into the field for the folder of snapshots.
    let mut preferences = harness(window(status()));
    click(&mut preferences, "Settings");
    preferences.get_by_role_and_label(Role::TextInput, "Snapshot folder").focus();
    preferences.run();
    check(preferences);
    // Into the search of the log.
    let mut log = harness(window(status()));
    click(&mut log, "search");
    check(log);
    // One without a password is any text, unless the dialogue is open.
    let mut harness = harness(window(status()));
    paste(&mut harness, "rtsp://admin@cam/1");
    assert!(harness.state().shell.address.is_none());
}

#[test]
fn parts_make_the_whole() {
    let mut harness = opened();
    write(&mut harness, Role::TextInput, "Host", "192.168.1.64");
    write(&mut harness, Role::TextInput, "Port", "8554");
    write(&mut harness, Role::TextInput, "Path", "live stream");
    write(&mut harness, Role::TextInput, "User", "admin");
    write(&mut harness, Role::PasswordInput, "Password", "p@ss/#1");
    assert_eq!(value(&harness, WHOLE), "rtsp://admin@192.168.1.64:8554/live%20stream");
    assert!(!texts(&harness).contains("p@ss"), "{}", texts(&harness));
    press(&mut harness, Key::Enter);
    let whole = "rtsp://admin:p%40ss%2F%231@192.168.1.64:8554/live%20stream";
    let kept = harness.state().shell.requests.iter().map(|request| format!("{request:?}"));
    assert!(
        kept.into_iter().any(|request| request.starts_with("KeepPassword") && request.contains("in_keyring: true"))
    );
    let (passwords, without) =
        (Passwords::new(NoKeyring), Address::parse("rtsp://admin@192.168.1.64:8554/live%20stream").unwrap());
    let requests: Vec<_> = harness.state_mut().shell.requests.drain(..).collect();
    let (kept, opened): (Vec<_>, Vec<_>) =
        requests.into_iter().partition(|request| matches!(request, WindowRequest::Run(_)));
    harness.state_mut().shell.requests = kept;
    carry_out(&mut harness, &passwords);
    let found = passwords.find(&without, Duration::from_secs(20)).unwrap().unwrap();
    assert_eq!(found.with_login(), whole);
    harness.state_mut().shell.requests = opened;
    check_opened(&mut harness, whole);
    assert_eq!(harness.state().shell.settings.network.recent, ["rtsp://admin@192.168.1.64:8554/live%20stream"]);
}

#[test]
fn a_password_need_not_be_kept() {
    let mut harness = opened();
    paste(&mut harness, "rtsp://admin:geheim@cam/1");
    click(&mut harness, "Keep in the keyring");
    assert_eq!(harness.get_by_label("Keep in the keyring").accesskit_node().toggled(), Some(Toggled::False));
    click(&mut harness, "Open");
    let requests = requests(&mut harness);
    assert!(requests.iter().any(|request| request.contains("in_keyring: false")), "{requests:?}");
    assert!(!requests.join(" ").contains("geheim"), "{requests:?}");
}

#[test]
fn other_sources_are_opened_from_the_same_field() {
    let mut harness = opened();
    write(&mut harness, Role::TextInput, WHOLE, "sim:stal@1s");
    harness.get_by_label_contains("stal@1s");
    click(&mut harness, "Open");
    assert!(harness.state().shell.address.is_some(), "it stays open until the text is right");
    press(&mut harness, Key::Escape);
    assert!(harness.state().shell.address.is_none());
    let mut harness = opened();
    write(&mut harness, Role::TextInput, WHOLE, "sim:stall@1s");
    harness.get_by_label_contains("no network camera");
    click(&mut harness, "Open");
    check_request(&mut harness, "Choose(CameraId(1), Simulated(");
}

#[test]
fn what_is_wrong_is_told_beside_the_field_and_not_opened() {
    #[track_caller]
    fn check(field: &str, text: &str, said: &str) {
        let mut harness = opened();
        if field != "Host" && field != WHOLE {
            write(&mut harness, Role::TextInput, "Host", "cam");
        }
        write(&mut harness, Role::TextInput, field, text);
        harness.get_by_label_contains(said);
        assert!(harness.get_by_role_and_label(Role::Button, "Open").accesskit_node().is_disabled());
        assert!(harness.get_by_role_and_label(Role::Button, "Test connection").accesskit_node().is_disabled());
        press(&mut harness, Key::Enter);
        assert!(harness.state().shell.address.is_some());
        assert!(requests(&mut harness).iter().all(|request| !request.starts_with("Choose")));
    }
    check("Host", "my cam", "letters, digits, dots and dashes");
    check("Host", "cam:554", "The port has a field of its own");
    check("Host", "admin@cam", "fields of its own");
    check("Port", "65536", "from 1 to 65535");
    check(WHOLE, "ftp://cam/1", "ftp:// cannot be opened");
    check(WHOLE, "rtsp://cam:port/1", "a port is expected");
    let harness = opened();
    assert!(harness.get_by_role_and_label(Role::Button, "Open").accesskit_node().is_disabled(), "nothing is typed");
    assert!(harness.query_by_label_contains("⚠").is_none(), "and nothing is wrong yet");
}

#[test]
fn a_maker_fills_in_its_path() {
    #[track_caller]
    fn check(maker: &str, second: bool, whole: &str) {
        let mut harness = opened();
        write(&mut harness, Role::TextInput, "Host", "192.168.1.64");
        write(&mut harness, Role::TextInput, "User", "admin");
        // The toolbar has one of this name too.
        harness.get_all_by_role_and_label(Role::ComboBox, "Camera").last().unwrap().click();
        harness.run();
        click(&mut harness, maker);
        if second {
            click(&mut harness, "Second");
        }
        assert_eq!(value(&harness, WHOLE), whole);
    }
    check("Hikvision", false, "rtsp://admin@192.168.1.64/Streaming/Channels/101");
    check("Hikvision", true, "rtsp://admin@192.168.1.64/Streaming/Channels/102");
    check("Axis", false, "rtsp://admin@192.168.1.64/axis-media/media.amp");
}

#[test]
fn recent_addresses_are_offered_and_forgotten() {
    let mut window = window(status());
    for text in ["rtsp://admin:geheim@cam/1", "http://other/v"] {
        window.shell.settings.network.remember(&Address::parse(text).unwrap());
    }
    window.with_selected(|pane, shell| pane.open_address(shell, Field::Whole));
    let mut harness = harness(window);
    harness.get_by_role_and_label(Role::ComboBox, "Recent").click();
    harness.run();
    click(&mut harness, "Forget http://other/v and its password");
    check_request(&mut harness, "ForgetPassword(Address(http://other/v))");
    assert_eq!(harness.state().shell.settings.network.recent, ["rtsp://admin@cam/1"]);
    if harness.query_by_label("rtsp://admin@cam/1").is_none() {
        harness.get_by_role_and_label(Role::ComboBox, "Recent").click();
        harness.run();
    }
    click(&mut harness, "rtsp://admin@cam/1");
    assert_eq!(value(&harness, "User"), "admin");
    // The list of cameras has them too.
    press(&mut harness, Key::Escape);
    harness.state_mut().shell.requests.clear();
    harness.get_by_role_and_label(Role::ComboBox, "Camera").click();
    harness.run();
    click(&mut harness, "rtsp://admin@cam/1");
    check_request(&mut harness, "Choose(CameraId(1), Url(Address(rtsp://admin@cam/1)))");
}

#[test]
fn the_keyring_is_asked_and_not_waited_for() {
    /// The answer, what the dialogue shows then, and what it opens.
    #[track_caller]
    fn check(answer: Result<Option<&str>, KeyringError>, shown: Option<&str>, opened_as: &str) {
        let mut window = window(status());
        window.panes[0].spec = SourceSpec::parse("rtsp://admin@cam/1").unwrap();
        window.with_selected(|pane, shell| pane.open_address(shell, Field::Password));
        let mut harness = harness(window);
        harness.get_by_label("Looking for the password…");
        check_request(&mut harness, "FindPassword(Address(rtsp://admin@cam/1))");
        let asked = Address::parse("rtsp://admin@cam/1").unwrap();
        let answer = answer.map(|found| found.map(|text| Address::parse(text).unwrap()));
        harness.state_mut().hear_password(&asked, &answer);
        harness.run();
        assert!(harness.query_by_label("Looking for the password…").is_none());
        if let Some(shown) = shown {
            harness.get_by_label(shown);
        }
        assert!(requests(&mut harness).is_empty(), "it is asked once");
        press(&mut harness, Key::Enter);
        check_opened(&mut harness, opened_as);
    }
    let found = "rtsp://admin:geheim@cam/1";
    check(Ok(Some(found)), Some("From the keyring"), found);
    check(Ok(None), None, "rtsp://admin@cam/1");
    check(Err(KeyringError::None), Some("There is no keyring on this system."), "rtsp://admin@cam/1");
}

#[test]
fn a_kept_password_can_be_forgotten() {
    let mut window = window(status());
    window.panes[0].spec = SourceSpec::parse("rtsp://admin@cam/1").unwrap();
    window.with_selected(|pane, shell| pane.open_address(shell, Field::Whole));
    let mut harness = harness(window);
    requests(&mut harness);
    let asked = Address::parse("rtsp://admin@cam/1").unwrap();
    harness.state_mut().hear_password(&asked, &Ok(Address::parse("rtsp://admin:geheim@cam/1").ok()));
    harness.run();
    click(&mut harness, "Forget it");
    let requests = requests(&mut harness);
    assert!(requests[0].starts_with("ForgetPassword("), "{requests:?}");
    assert_eq!(value(&harness, "Password"), "");
}

/// A click beside the dialogue, or Esc, is a slip of the hand.
#[test]
fn what_was_typed_is_kept_when_the_dialogue_is_closed() {
    let mut harness = harness(window(status()));
    let open = |harness: &mut Harness<'_, Window>| {
        harness.state_mut().with_selected(|pane, shell| pane.open_address(shell, Field::Whole));
        harness.run();
    };
    open(&mut harness);
    harness.get_by_role_and_label(Role::TextInput, "Address or path").type_text("rtsp://192.0.2.7/stream1");
    harness.run();
    press(&mut harness, Key::Escape);
    assert!(harness.state().shell.address.is_none());
    open(&mut harness);
    assert_eq!(value(&harness, "Address or path"), "rtsp://192.0.2.7/stream1");
    click(&mut harness, "Cancel");
    open(&mut harness);
    assert_eq!(value(&harness, "Address or path"), "", "who cancels means it");
}

#[test]
fn a_refused_login_leads_to_the_password() {
    let mut harness = failing_with("rtsp://admin:wrong@cam/1", FaultKind::LoginRefused);
    assert_eq!(harness.get_all_by_label("Enter password…").count(), 2, "in the banner and beside the camera");
    harness.get_all_by_label("Enter password…").last().unwrap().click();
    harness.run();
    let password = harness.get_by_role_and_label(Role::PasswordInput, "Password");
    assert!(password.accesskit_node().is_focused());
    // The one that was refused is not in the way, and the keyring, which may have the same, is not asked.
    assert_eq!(value(&harness, "Password"), "");
    assert!(requests(&mut harness).is_empty());
    harness.get_by_label("The camera refused the one before. Type another one.");
    harness.get_by_role_and_label(Role::PasswordInput, "Password").type_text("geheim");
    harness.run();
    press(&mut harness, Key::Enter);
    check_opened(&mut harness, "rtsp://admin:geheim@cam/1");
}

#[test]
fn the_transport_is_a_setting() {
    let mut harness = opened();
    paste(&mut harness, "rtsp://cam/1");
    click(&mut harness, "UDP");
    harness.get_by_label_contains("firewalls often block it");
    assert_eq!(harness.state().panes[0].settings.transport, Transport::Auto, "not before it is opened");
    click(&mut harness, "Open");
    let state = harness.state();
    assert_eq!(state.shell.settings.camera("rtsp://cam/1").transport, Transport::Udp);
    assert_eq!(state.panes[0].settings.transport, Transport::Auto, "that of another camera");
}

#[test]
fn the_keyboard_goes_through_the_fields_in_order() {
    let mut harness = opened();
    paste(&mut harness, "rtsp://admin:geheim@cam/1");
    let focused = |harness: &Shown| {
        let node = harness.root().children_recursive().find(|node| node.accesskit_node().is_focused());
        node.and_then(|node| node.accesskit_node().label()).unwrap_or_default()
    };
    assert_eq!(focused(&harness), WHOLE);
    let mut order = Vec::new();
    for _ in 0..9 {
        press(&mut harness, Key::Tab);
        order.push(focused(&harness));
    }
    let expected = [
        "Camera",
        "Scheme",
        "Host",
        "Port",
        "Path",
        "User",
        "Password",
        "Show the password while held",
        "Keep in the keyring",
    ];
    assert_eq!(order, expected);
}

// ---- the test of the connection

fn step(name: StepName, outcome: StepOutcome, ms: u64, detail: &str) -> TestStep {
    TestStep { name, outcome, ms: Some(ms), detail: detail.into() }
}

/// The window with a test that has just begun, and the task that would carry it out. Its number is 1.
fn testing(address: &str) -> (Shown, Vec<WindowRequest>) {
    let mut harness = opened();
    paste(&mut harness, address);
    click(&mut harness, "Test connection");
    let begun = std::mem::take(&mut harness.state_mut().shell.requests);
    let tested = format!("TestConnection {{ number: 1, address: {:?},", Address::parse(address).unwrap());
    assert!(matches!(begun.as_slice(), [one] if format!("{one:?}").starts_with(&tested)), "{begun:?}");
    (harness, begun)
}

fn end_test(harness: &mut Shown, tested: ConnectionTestResult) {
    let now = harness.state().shell.now;
    harness.state_mut().shell.connection_test(1).unwrap().end(tested, now);
}

fn is_cancelled(test: &[WindowRequest]) -> bool {
    matches!(test, [one] if format!("{one:?}").contains("is_cancelled: true"))
}

fn refused(steps: Vec<TestStep>) -> ConnectionTestResult {
    let fault = Fault::new(FaultKind::LoginRefused, "the camera refuses the login: 401 Unauthorized").with_code(401);
    let verdict = Some(ConnectionFinding { entry: "F83", fault, confidence: 0.9 });
    ConnectionTestResult { steps, verdict, measured: StreamMeasurements::default(), certificate: None }
}

#[test]
fn steps_are_shown_as_they_come() {
    let (mut harness, _test) = testing("rtsp://admin:geheim@cam/1");
    harness.get_by_label("Address, running");
    harness.get_by_label("Quality");
    let steps = [
        step(StepName::Url, StepOutcome::Good, 0, "host cam, port 554"),
        step(StepName::Dns, StepOutcome::Good, 3, "192.168.1.64"),
        step(StepName::Tcp, StepOutcome::Good, 4, ""),
        step(StepName::Options, StepOutcome::Warning, 11, "405 Method Not Allowed"),
        step(StepName::Describe, StepOutcome::Good, 12, "401, Digest"),
        step(StepName::Login, StepOutcome::Bad, 31, "401 Unauthorized"),
    ];
    for step in &steps {
        harness.state_mut().shell.connection_test(1).unwrap().hear(step.clone());
        harness.run();
    }
    harness.get_by_label("Name, good, 3 ms, 192.168.1.64");
    harness.get_by_label("Greeting (OPTIONS), warning, 11 ms, 405 Method Not Allowed");
    harness.get_by_label("Login, failed, 31 ms, 401 Unauthorized");
    harness.get_by_label("Setup over TCP, running");
    // Of another test nothing is heard.
    assert!(harness.state_mut().shell.connection_test(2).is_none());
    harness.run();
    harness.get_by_label("Setup over TCP, running");
    end_test(&mut harness, refused(steps.to_vec()));
    harness.run();
    harness.get_by_label("The camera refuses the login: 401 Unauthorized.");
    harness.get_by_label(FaultKind::LoginRefused.advice());
    harness.get_by_label("Setup over TCP, not tried");
    assert!(!texts(&harness).contains("geheim"), "{}", texts(&harness));
    click(&mut harness, "Copy");
    let copied = harness.output().platform_output.commands.iter().find_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    });
    // The pass of the click may not be the last one.
    if let Some(copied) = copied {
        assert!(copied.contains("401 Unauthorized") && !copied.contains("geheim"), "{copied}");
    }
    click(&mut harness, "Enter password…");
    assert!(harness.get_by_role_and_label(Role::PasswordInput, "Password").accesskit_node().is_focused());
}

#[test]
fn a_good_stream_says_what_was_measured() {
    let (mut harness, _test) = testing("http://cam/video");
    assert!(harness.query_by_label_contains("Key frame").is_none(), "HTTP has none");
    let measured = StreamMeasurements {
        fps: Some(25.0),
        resolution: Size::new(1280, 720),
        codec: Some("MJPEG".into()),
        kbit_per_sec: Some(2_140.0),
        ..StreamMeasurements::default()
    };
    let steps = vec![step(StepName::FirstPicture, StepOutcome::Good, 120, "")];
    end_test(&mut harness, ConnectionTestResult { steps, verdict: None, measured, certificate: None });
    harness.run();
    harness.get_by_label("The stream runs as it should.");
    harness.get_by_label_contains("1280\u{a0}×\u{a0}720 · MJPEG · 25.0\u{a0}fps · 2.14\u{a0}Mbit/s");
    click(&mut harness, "Open");
    check_opened(&mut harness, "http://cam/video");
}

#[test]
fn a_test_ends_at_once_when_it_is_cancelled_or_closed() {
    let (mut harness, test) = testing("rtsp://cam/1");
    assert!(!is_cancelled(&test));
    click(&mut harness, "Cancel");
    assert!(is_cancelled(&test));
    harness.get_by_label("The test was cancelled.");
    end_test(&mut harness, refused(Vec::new()));
    harness.run();
    harness.get_by_label("The test was cancelled.");
    click(&mut harness, "Test again");
    let again = std::mem::take(&mut harness.state_mut().shell.requests);
    assert!(!is_cancelled(&again));
    press(&mut harness, Key::Escape);
    assert!(harness.state().shell.address.is_none());
    assert!(is_cancelled(&again));
}

#[test]
fn a_certificate_is_trusted_after_a_second_question() {
    let (mut harness, _test) = testing("rtsps://cam/1");
    let certificate = Certificate {
        subject: "CN=IPC".to_owned(),
        issuer: "CN=IPC".to_owned(),
        names: vec!["ipc.local".to_owned()],
        not_before: "2020-01-01 00:00:00 UTC".to_owned(),
        not_after: "2030-01-01 00:00:00 UTC".to_owned(),
        fingerprint: "ab12cd34".to_owned(),
        is_self_signed: true,
    };
    let fault = Fault::new(FaultKind::Untrusted, "nobody vouches for the certificate");
    let tested = ConnectionTestResult {
        steps: vec![step(StepName::Tls, StepOutcome::Bad, 9, "self-signed")],
        verdict: Some(ConnectionFinding { entry: "F94", fault, confidence: 0.95 }),
        measured: StreamMeasurements::default(),
        certificate: Some(certificate),
    };
    end_test(&mut harness, tested.clone());
    harness.run();
    harness.get_by_label("ab12 cd34");
    harness.get_by_label("2020-01-01 00:00:00 UTC to 2030-01-01 00:00:00 UTC");
    click(&mut harness, "Trust this certificate…");
    click(&mut harness, "Do not trust it");
    assert!(harness.state().shell.settings.network.trusted_certificates.is_empty());
    click(&mut harness, "Trust this certificate…");
    click(&mut harness, "Trust it");
    let trusted = harness.state().shell.settings.network.trusted_certificates.clone();
    assert_eq!(trusted.into_iter().collect::<Vec<_>>(), [("cam:322".to_owned(), "ab12cd34".to_owned())]);
    check_request(&mut harness, "TestConnection");
}

#[test]
fn the_camera_that_is_shown_can_be_tested_and_edited() {
    let mut harness = failing_with("rtsp://admin:geheim@cam/1", FaultKind::Unreachable);
    assert!(!texts(&harness).contains("geheim"), "{}", texts(&harness));
    assert_eq!(harness.get_all_by_label("Test connection").count(), 2, "beside the camera and in its recovery");
    harness.get_all_by_label("Test connection").next().unwrap().click();
    harness.run();
    check_request(&mut harness, "TestConnection");
    harness.get_by_label("rtsp://admin:***@cam/1");
    click(&mut harness, "Edit address");
    assert_eq!(value(&harness, "Host"), "cam");
    let mut harness = failing_with("rtsps://cam/1", FaultKind::Untrusted);
    click(&mut harness, "Look at certificate…");
    check_request(&mut harness, "TestConnection");
}

#[test]
fn the_dialogue_fits_small_windows() {
    for size in [vec2(360.0, 400.0), vec2(760.0, 520.0)] {
        let mut window = window(status());
        window.with_selected(|pane, shell| pane.open_address(shell, Field::Whole));
        let mut harness = sized(window, size);
        paste(&mut harness, "rtsp://admin:geheim@cam/1");
        for field in ["Host", "Port", "Path", "User"] {
            let rect = harness.get_by_role_and_label(Role::TextInput, field).rect();
            assert!(rect.left() >= 0.0 && rect.right() <= size.x && rect.width() > 20.0, "{field} at {size}: {rect}");
        }
    }
}
