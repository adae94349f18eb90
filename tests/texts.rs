//! Text from outside: addresses that are hard to read, and what cameras, servers and drivers say to whoever reads a terminal.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use camclinic::address::Address;
use camclinic::settings::Settings;
use camclinic::source::SourceSpec;
use serde_json::json;

/// The same again with the variable of this name.
fn random() -> fastrand::Rng {
    const SEED: &str = "CAMCLINIC_SEED";
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("{SEED}={seed}");
    fastrand::Rng::with_seed(seed)
}

const SECRET: &str = "geheim";
const SCHEMES: [&str; 5] = ["rtsp://", "http://", "https://", "RTSPS://", "http:/"];
const HOSTS: [&str; 8] =
    ["cam", "cam.local:81", "[fe80::1]", "[fe80::1%eth0]:554", "10.0.0.7", "ä.example", "cam:8554", ""];
const PIECES: [&str; 42] = [
    "@",
    ":",
    "/",
    "?",
    "#",
    "[",
    "]",
    "%",
    "&",
    "=",
    ";",
    "//",
    "password",
    "pwd",
    "pass",
    "user",
    "password=",
    "pwd=",
    "pass=",
    "PASSWD=",
    "password%3D",
    "p%61ss=",
    "%26",
    "%2",
    "%e4",
    "ä",
    "🎥",
    "\u{202e}",
    "\u{130}",
    "'",
    "\"",
    "<",
    " ",
    "\t",
    "[fe80::1]",
    "h",
    "cam.local",
    ":0",
    ":99999",
    "://",
    "..",
    "_",
];

fn pieces(random: &mut fastrand::Rng, n_most: usize) -> String {
    (0..random.usize(..=n_most)).filter_map(|_| random.choice(PIECES)).collect()
}

/// An address of which a camera might make something, and whether its secret stands where a password does.
fn nasty(random: &mut fastrand::Rng) -> (String, bool) {
    let scheme = random.choice(SCHEMES).unwrap();
    let host = random.choice(HOSTS).unwrap();
    match random.u8(..3) {
        0 => (format!("{scheme}user:{SECRET}{}@{host}", random.choice(["", "@", ":", "#", "%", "ä"]).unwrap()), true),
        1 => {
            let key = random.choice(["password=", "pwd=", "PASS=", "passwd=", "password%3d", "p%41ss="]).unwrap();
            let (before, behind) = (pieces(random, 6), pieces(random, 6));
            (format!("{scheme}{host}/{before}&{key}{SECRET}{behind}"), true)
        }
        _ => (format!("{scheme}{}", pieces(random, 12)), false),
    }
}

/// It is read again as the same, and shows no password.
fn check_address(address: &Address, has_secret: bool, text: &str) {
    let (shown, saved) = (address.to_string(), address.without_password());
    for (what, written) in [("shown", &shown), ("saved", &saved), ("whole", &address.with_login())] {
        let again = Address::parse(written);
        let again = again.unwrap_or_else(|why| panic!("{text:?} is {what} as {written}, and that: {why}"));
        let same = match what {
            "shown" => again.to_string(),
            "saved" => again.without_password(),
            _ => again.with_login(),
        };
        assert_eq!(&same, written, "{text:?} as it is {what}");
        assert_eq!((&again.host, again.port()), (&address.host, address.port()), "{text:?} as it is {what}");
    }
    for shown in [&shown, &saved, &format!("{address:?}")].into_iter().filter(|_| has_secret) {
        assert!(!shown.contains(SECRET), "{text:?} is shown as {shown}");
    }
    let masked = address.mask_in(&format!("{} {}", address.with_login(), address.request_url()));
    assert!(!has_secret || !masked.contains(SECRET), "{text:?} is masked as {masked}");
    // Each place has one of these. Two are filled with the same password.
    let signs = ["=", "%3d", "://"];
    let n_signs: usize = signs.iter().map(|sign| address.path.to_lowercase().matches(sign).count()).sum();
    if let (Some(password), 1) = (address.path_password(), n_signs) {
        let filled = Address::parse(&saved).unwrap().with_path_password(password);
        // A slash in the password of an address inside another is escaped, which means the same.
        let means = |path: &str| percent_encoding::percent_decode_str(path).collect::<Vec<_>>();
        assert_eq!(means(&filled.path), means(&address.path), "{text:?}");
        assert!(!filled.lacks_password() || !address.user.is_empty(), "{text:?}");
    }
}

#[test]
fn no_address_does_harm() {
    let mut random = random();
    for _ in 0..20_000 {
        let (text, has_secret) = nasty(&mut random);
        let location = pieces(&mut random, 8);
        let address = match SourceSpec::parse(&text) {
            Ok(SourceSpec::Url(address)) => address,
            Ok(_) => continue,
            Err(why) => {
                assert!(!why.contains(SECRET), "{text:?}: {why}");
                continue;
            }
        };
        // What stands before an @ and has no colon is a user's name, whatever it says.
        let is_name = address.user.contains(SECRET) || address.host.contains(SECRET);
        check_address(&address, has_secret && !is_name, &text);
        let Ok(next) = address.resolve(&location) else { continue };
        check_address(&next, false, &location);
        let is_elsewhere = location.contains("://") || location.trim().starts_with("//");
        assert!(is_elsewhere || (&next.host, next.port) == (&address.host, address.port), "{text:?} to {location:?}");
        assert!(next.password.is_none() || is_elsewhere, "{text:?} to {location:?}");
    }
}

#[test]
fn no_stored_value_keeps_the_program_from_starting() {
    let mut random = random();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    for _ in 0..300 {
        let source = |random: &mut fastrand::Rng| match random.u8(..4) {
            0 => format!("sim:{}", pieces(random, 8)),
            1 => pieces(random, 8),
            _ => nasty(random).0,
        };
        let sources: Vec<_> = (0..8).map(|_| source(&mut random)).collect();
        let cameras: Vec<_> =
            (1..).zip(&sources).map(|(id, source)| json!({ "id": id, "source": source, "name": source })).collect();
        let settings = json!({ "version": 2, "cameras": cameras, "network": { "recent": sources }, "shown": { "cameras": [1, 2, 3, 4, 5, 6, 7, 8] } });
        fs::write(&path, settings.to_string()).unwrap();
        let loaded = Settings::load(&path).settings;
        assert_eq!(loaded.cameras.len(), sources.iter().filter(|source| !source.is_empty()).count(), "{sources:?}");
        for camera in &loaded.cameras {
            let _ = SourceSpec::parse(&camera.source).map(|spec| spec.without_password());
        }
    }
}

/// What everybody says who can: it clears the screen, turns the direction of writing, and begins a line of its own.
const EVIL: &str = "evil\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}\r\nhealthy";

/// Nothing that was printed steers the terminal or begins a line with the words of a stranger.
#[track_caller]
fn check_clean(what: &str, output: &Output) -> String {
    let mut all = String::new();
    for stream in [&output.stdout, &output.stderr] {
        let text = str::from_utf8(stream).unwrap_or_else(|error| panic!("{what}: {error}"));
        let steers = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        };
        assert!(!text.contains(steers), "{what}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("healthy")), "{what}: {text}");
        all.push_str(text);
    }
    all
}

/// Runs these commands on a source, with the same settings and the same folder of data.
fn check_commands(folder: &Path, source: &str, worker: Option<&Path>, commands: &[&[&str]]) {
    let settings = json!({
        "version": 2,
        "cameras": [{ "id": 1, "source": source, "name": EVIL, "isolation": "on", "recovery": { "automatic": false, "open_deadline_secs": 2 } }],
    });
    fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
    let mut n_evil = 0;
    for arguments in commands {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
        command.args(arguments.iter().map(|word| if *word == "SOURCE" { source } else { word }));
        command.arg("--settings").arg(folder.join("settings.json")).env("CAMCLINIC_DATA", folder.join("data"));
        if let Some(worker) = worker {
            command.env("CAMCLINIC_WORKER", worker);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code <= 3), "{source} {arguments:?}: {}", output.status);
        n_evil += usize::from(check_clean(&format!("{source} {arguments:?}"), &output).contains("evil"));
    }
    assert!(n_evil >= 3, "{source}: the camera was hardly heard");
}

const COMMANDS: &[&[&str]] = &[
    &["status", "SOURCE"],
    &["status", "SOURCE", "--detailed", "-vv"],
    &["status", "SOURCE", "--json"],
    &["status", "SOURCE", "--format", "nagios"],
    &["test", "SOURCE", "-vv"],
    &["test", "SOURCE", "--json"],
    &["checkup", "SOURCE", "-v"],
    &["checkup", "SOURCE", "--json"],
    &["recover", "SOURCE", "--deadline", "2"],
    &["snapshot", "SOURCE", "--output", "x.png"],
    &["monitor", "SOURCE", "--duration", "0.03", "--interval", "0.5"],
    &["monitor", "SOURCE", "sim:64x48", "--duration", "0.03", "--json", "-vv"],
    &["log"],
    &["log", "--json"],
    &["log", "--camera", "nobody"],
    &["history", "SOURCE"],
    &["list"],
    &["list", "--json"],
];

#[cfg(unix)]
#[test]
fn a_driver_does_not_steer_the_terminal() {
    use std::os::unix::fs::PermissionsExt;
    let say = |message: &serde_json::Value| format!("printf '\\036[0,%s]\\n' '{message}'");
    let fault = json!({ "Failed": {
        "kind": "open-failed", "class": "stalled", "code": 5, "message": EVIL, "advice": EVIL,
    }});
    let hello = say(&json!({ "Hello": { "version": 6 } }));
    let printed = format!("printf '{}' >&2", EVIL.replace('\u{9b}', "\\233"));
    for end in [format!("{}; read -r order", say(&fault)), format!("{printed}; exit 9")] {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        fs::write(&worker, format!("#!/bin/sh\n{hello}\nread -r order\n{end}\n")).unwrap();
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
        check_commands(folder.path(), "sim:", Some(&worker), COMMANDS);
    }
}

/// A server that answers every request with the same bytes and closes. Ends with the test.
fn server(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut requests = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut number = String::new();
                while let Some(Ok(line)) = requests.next() {
                    if let Some(value) = line.strip_prefix("CSeq: ") {
                        value.clone_into(&mut number);
                    }
                    if line.is_empty() {
                        let cut = answer.windows(4).position(|part| part == b"CSEQ");
                        let (head, rest) = answer.split_at(cut.unwrap_or(answer.len()));
                        let rest = rest.strip_prefix(b"CSEQ").unwrap_or(rest);
                        let _ = stream.write_all(&[head, number.as_bytes(), rest].concat());
                        if cut.is_none() {
                            break;
                        }
                    }
                }
            });
        }
    });
    port
}

#[test]
fn a_panic_does_not_steer_the_terminal() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "texts::that_panics", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("thread texts::that_panics") && text.contains("not a name: "), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
}

#[test]
#[ignore = "run by a_panic_does_not_steer_the_terminal, in a process of its own"]
fn that_panics() {
    camclinic::foreign::tell_panics_cleanly();
    panic!("not a name: {EVIL}");
}

#[test]
fn a_server_does_not_steer_the_terminal() {
    let evil = EVIL.replace("\r\n", " ");
    let rtsp = |status: &str, rest: &str| format!("RTSP/1.0 {status}\r\nCSeq: CSEQ\r\n{rest}").into_bytes();
    let described = |text: &str| {
        rtsp(
            "200 OK",
            &format!(
                "Server: {evil}\r\nPublic: {evil}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            ),
        )
    };
    let sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns={evil}\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 {evil}/90000\r\n"
    );
    let http = |status: &str, kind: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    };
    let servers = [
        ("rtsp", rtsp(&format!("404 {evil}"), "\r\n")),
        ("rtsp", rtsp("401 No", &format!("WWW-Authenticate: {evil} realm=\"{evil}\"\r\n\r\n"))),
        ("rtsp", described(EVIL)),
        ("rtsp", described(&sdp)),
        ("rtsp", format!("HTTP/1.1 400 {evil}\r\n\r\n").into_bytes()),
        ("http", http(&format!("404 {evil}"), "text/plain", "")),
        ("http", http("200 OK", "text/html", &format!("<html><title>{EVIL}</title>"))),
        ("http", http("200 OK", &format!("evil/{evil}"), "x")),
        ("http", format!("HTTP/1.1 302 Found\r\nLocation: rtsp://{evil}/?password=x&a=pwd=y\r\n\r\n").into_bytes()),
    ];
    thread::scope(|scope| {
        for (scheme, answer) in servers {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let source = format!("{scheme}://127.0.0.1:{}/evil", server(answer));
                check_commands(folder.path(), &source, None, COMMANDS);
            });
        }
    });
}

/// The camera has a name of the user's, by which it is found wherever it is meant.
#[test]
fn a_given_name_finds_its_camera() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sim:64x48,open-denied";
    let settings = json!({ "version": 2, "cameras": [{ "id": 1, "source": source, "name": "Till\u{202e} 3" }] });
    fs::write(folder.path().join("settings.json"), settings.to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
        command.args(arguments).arg("--settings").arg(folder.path().join("settings.json"));
        let output = command.env("CAMCLINIC_DATA", folder.path().join("data")).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), check_clean(&format!("{arguments:?}"), &output))
    };
    let (_, said) = run(&["monitor", source, "sim:80x60,open-denied", "--duration", "0.15", "--json"]);
    assert!(said.contains("Till 3 is dead") && said.contains("Simulated camera is dead"), "{said}");
    let (code, said) = run(&["log", "--camera", "till"]);
    assert!(code == Some(0) && said.contains("is dead") && !said.contains("80x60"), "{said}");
    let (code, said) = run(&["history", "TILL 3"]);
    assert!(code == Some(0) && said.starts_with(source), "{said}");
    assert!(run(&["status", "till 3"]).1.starts_with("Till 3: failed"));
    let (code, said) = run(&["log", "--camera", "nobody"]);
    assert!(code == Some(3) && said.contains(source), "{said}");
}

/// Into a disk that is full, and into a pipe that nobody reads.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str]| {
        let run = |stdout: Stdio| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
            command.args(arguments).env("CAMCLINIC_DATA", folder.path()).stdin(Stdio::null());
            command.stdout(stdout).output().unwrap()
        };
        let full = run(fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
        let said = String::from_utf8_lossy(&full.stderr);
        assert_eq!(full.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains("cannot be written: No space left"), "{arguments:?}: {said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = run(writer.into());
        let said = String::from_utf8_lossy(&closed.stderr);
        assert!(closed.status.code() != Some(3) && !said.contains("written"), "{arguments:?}: {said}");
    };
    for arguments in [
        &["status", "sim:64x48", "--json"][..],
        &["status", "sim:64x48", "--format", "nagios"],
        &["test", "sim:64x48"],
        &["test", "sim:64x48", "--json"],
        &["checkup", "sim:64x48"],
        &["recover", "sim:64x48"],
        &["list", "--json"],
        &["help"],
        &["--version"],
        &["help", "sim"],
        &["complete", "bash"],
    ] {
        check(arguments);
    }
}
