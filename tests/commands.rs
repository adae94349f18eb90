//! The real program, as a technician and as a monitoring script call it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub fn camclinic(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    camclinic_in(folder.path(), arguments)
}

/// Runs with settings, log and history of its own in `folder`, and without any display.
pub fn camclinic_in(folder: &Path, arguments: &[&str]) -> Output {
    command_in(folder, arguments).output().unwrap()
}

pub fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
    command
        .args(arguments)
        .arg("--settings")
        .arg(folder.join("settings.json"))
        .current_dir(folder)
        .env("CAMCLINIC_DATA", folder.join("data"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .stdin(Stdio::null());
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)))
}

#[test]
fn status_has_every_key_of_the_contract() {
    let output = camclinic(&["status", "sim:", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (got, golden) = (json(&output), include_str!("golden/status.json"));
    let golden: Value = serde_json::from_str(golden).unwrap();
    for (key, example) in golden.as_object().unwrap() {
        let value = got.get(key).unwrap_or_else(|| panic!("{key} is missing"));
        let same_type = std::mem::discriminant(value) == std::mem::discriminant(example);
        assert!(same_type, "{key} is {value}, not like {example}");
    }
    for key in [
        "source",
        "backend",
        "state",
        "grade",
        "is_healthy",
        "width",
        "height",
        "rung",
        "last_fault",
        "alerts",
        "dropped",
    ] {
        assert_eq!(got[key], golden[key], "{key}");
    }
    assert!(got["frames"].as_u64().unwrap() > 30, "{got}");
}

#[track_caller]
fn check_fault(source: &str, kind: &str, class: &str) {
    let output = camclinic(&["status", source, "--json"]);
    assert_eq!(output.status.code(), Some(2), "{source}");
    let got = json(&output);
    assert_eq!(got["last_fault"]["kind"], kind, "{source}");
    assert_eq!(got["last_fault"]["class"], class, "{source}");
    assert_eq!(got["is_healthy"], false, "{source}");
    assert!(!got["last_fault"]["advice"].as_str().unwrap().is_empty());
}

#[test]
fn a_camera_fault_is_critical_and_named() {
    check_fault("sim:open-busy", "busy", "busy");
    check_fault("sim:open-denied", "denied", "terminal");
    check_fault("sim:unplug", "missing", "plug");
    check_fault("missing.mp4", "missing", "plug");
    #[cfg(target_os = "linux")]
    check_fault("/dev/video63", "missing", "plug");
}

#[track_caller]
pub fn check_usage(arguments: &[&str], says: &[&str]) {
    let output = camclinic(arguments);
    assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", stderr(&output));
    assert!(output.stdout.is_empty(), "{}", stdout(&output));
    for text in says {
        assert!(stderr(&output).contains(text), "{arguments:?}: “{text}” is not in: {}", stderr(&output));
    }
}

#[test]
fn wrong_usage_is_explained() {
    check_usage(&["status", "sim:stal@1s"], &["stal", "stall"]);
    check_usage(&["status", "sim:0x0"], &["0x0"]);
    check_usage(&["status", "sim:", "--size", "99999x9"], &["WIDTHxHEIGHT"]);
    check_usage(&["status", "sim:", "--fps", "-3"], &["1 to 240"]);
    check_usage(&["status", "sim:", "--fps", "many"], &["1 to 240"]);
    check_usage(&["status", "sim:", "--backend", "magic"], &["v4l2", "dshow"]);
    check_usage(&["status", "gopher://camera"], &["rtsp"]);
    check_usage(&["snapshot", "sim:"], &["--output"]);
    check_usage(&["snapshot", "sim:", "--output", "a.bmp"], &[".jpg or .png"]);
    check_usage(&["statsu"], &["status"]);
    check_usage(&["help", "nonsense"], &["sim", "status"]);
    check_usage(&["--after", "3"], &["--screenshot"]);
    check_usage(&["recover", "sim:stal@1s"], &["stal", "stall"]);
    check_usage(&["recover", "sim:", "--deadline", "0"], &["1 to 3600 seconds"]);
    check_usage(&["recover", "sim:", "--deadline", "soon"], &["1 to 3600 seconds"]);
    check_usage(&["recover", "sim:", "--rest"], &["--reset"]);
    check_usage(&["status", "sim:", "--isolation", "maybe"], &["auto", "on", "off"]);
    check_usage(&["log", "--since", "soon"], &["1h or 2d"]);
    check_usage(&["log", "--since", "-5"], &["1h or 2d"]);
    check_usage(&["log", "--since"], &["--since <WHEN>"]);
    check_usage(&["history", "--since", "2099-01-01"], &["in the past"]);
    check_usage(&["history", "sim:", "--json", "--csv"], &["cannot be used with"]);
    check_usage(&["history", "sim:stal@1s"], &["stal", "stall"]);
}

#[test]
fn a_backend_that_cannot_open_the_source_is_a_fault() {
    let output = camclinic(&["status", "sim:", "--backend", "native", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["last_fault"]["kind"], "backend-missing");
}

/// Runs `recover --json` and checks how it ends, and its first and its last rung; those between them did not help.
#[track_caller]
fn check_recovery(settings: &str, arguments: &[&str], code: i32, rungs: Option<[(&str, &str); 2]>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    let output = camclinic_in(folder.path(), &[&["recover", "--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    let got = json(&output);
    assert_eq!(got["source"], arguments[0]);
    assert_eq!(got["recovered"], code == 0, "{got}");
    let climbed = got["rungs"].as_array().unwrap();
    for (n, rung) in climbed.iter().enumerate() {
        let outcome = rung["outcome"].as_str().unwrap();
        assert!(outcome == "failed" || n + 1 == climbed.len(), "{got}");
        assert!(rung["took_ms"].is_u64(), "{got}");
        assert_eq!(rung["why"] == "", outcome == "recovered", "{got}");
    }
    let end = |rung: Option<&Value>| rung.map(|rung| (rung["rung"].clone(), rung["outcome"].clone()));
    let expected = |n: usize| rungs.map(|rungs| (rungs[n].0.into(), rungs[n].1.into()));
    assert_eq!((end(climbed.first()), end(climbed.last())), (expected(0), expected(1)), "{got}");
    got
}

const PLAIN: &str = r#"{"version":1}"#;

#[test]
fn a_healthy_camera_needs_no_recovery() {
    let got = check_recovery(PLAIN, &["sim:"], 0, None);
    assert!(got["took_ms"].as_u64().unwrap() < 3_000, "{got}");
    let golden: Value = serde_json::from_str(include_str!("golden/status.json")).unwrap();
    for key in golden.as_object().unwrap().keys() {
        assert!(got["status"].get(key).is_some(), "{key} is missing");
    }
    let text = stdout(&camclinic(&["recover", "sim:"]));
    assert!(text.starts_with("Simulated camera works: ") && text.ends_with("There is nothing to recover.\n"), "{text}");
}

#[test]
fn recovery_tells_each_rung() {
    let rungs = Some([("restart-stream", "failed"), ("retry", "recovered")]);
    let got = check_recovery(PLAIN, &["sim:stall@1s+3500ms"], 0, rungs);
    let took_ms = got["took_ms"].as_u64().unwrap();
    assert!((3_500..20_000).contains(&took_ms), "{took_ms}");
    assert!(got["rungs"][0]["why"].as_str().unwrap().contains("no frame"), "{got}");
    assert_eq!(got["status"]["state"], "streaming");
    let output = camclinic(&["recover", "sim:open-busy@0s+1s"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    let [fault, rung, end] = lines.as_slice() else { panic!("{text}") };
    assert!(fault.contains("another program uses it"), "{text}");
    assert!(rung.starts_with("  reconnect       recovered ") && rung.ends_with(" s"), "{text}");
    assert!(end.starts_with("Recovered after "), "{text}");
}

#[test]
fn recovery_ends_when_it_is_of_no_use() {
    let got = check_recovery(PLAIN, &["sim:open-denied"], 2, None);
    assert_eq!(got["status"]["last_fault"]["kind"], "denied");
    check_recovery(PLAIN, &["sim:unplug", "--deadline", "2"], 2, None);
    // Everything has been tried; a reset is no option for a simulated camera, allowed or not.
    let quick = r#"{"version":1,"recovery":
        {"open_deadline_secs":0.5,"n_recovery_attempts":1,"n_failures_before_reboot_advice":2}}"#;
    let rungs = Some([("reinitialise", "failed"); 2]);
    let got = check_recovery(quick, &["sim:open-hang", "--reset"], 2, rungs);
    assert_eq!(got["status"]["should_reboot"], true);
    for (source, says) in [
        ("sim:open-denied", "trying on is of no use. Allow this program"),
        ("sim:open-busy", "within 1 s (--deadline)"),
    ] {
        let output = camclinic(&["recover", source, "--deadline", "1"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stdout(&output).contains(says), "{}", stdout(&output));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_recovery_ends_at_once() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_camclinic"))
        .args(["recover", "sim:open-busy", "--settings"])
        .arg(folder.path().join("settings.json"))
        .env("CAMCLINIC_DATA", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("another program uses it"), "{line}");
    let sent = std::time::Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(sent.elapsed() < std::time::Duration::from_secs(20), "{:?}", sent.elapsed());
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(3), "Interrupted.\n"));
}

#[test]
fn a_snapshot_has_the_size_of_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    for (file, start) in [("a.jpg", &[0xFF, 0xD8][..]), ("b.png", b"\x89PNG")] {
        let output = camclinic_in(folder.path(), &["snapshot", "sim:1280x720", "--output", file, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!((json(&output)["width"].as_u64(), json(&output)["height"].as_u64()), (Some(1280), Some(720)));
        assert!(fs::read(folder.path().join(file)).unwrap().starts_with(start));
    }
}

#[test]
fn a_snapshot_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let output = camclinic_in(folder.path(), &["snapshot", "sim:", "--output", "file/a.jpg"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let output = camclinic_in(folder.path(), &["snapshot", "sim:open-busy", "--output", "a.jpg"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("Close the other program"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A file system of 16 KiB in a mount namespace of its own; where the system allows none, the test says so.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=16k none \"$1\" && cd \"$1\" || exit 77; \
                  \"$2\" snapshot sim:1280x720 --output a.jpg --settings s.json; status=$?; ls -A; exit $status";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_camclinic"))
        .output();
    let Some(output) = output.ok().filter(|output| ![Some(77), Some(1)].contains(&output.status.code())) else {
        eprintln!("skipped: this system lets nobody mount a small file system");
        return;
    };
    assert_eq!(output.status.code(), Some(3), "{}{}", stdout(&output), stderr(&output));
    assert!(stderr(&output).contains("Make room on the disk"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "no file, no half of one");
}

/// File names have any bytes on Unix; sources are words.
#[cfg(unix)]
#[test]
fn words_that_are_no_text_are_names_of_files_or_an_error() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    #[track_caller]
    fn check(arguments: &[&[u8]], code: i32, prints: &str, explains: &str) {
        let folder = tempfile::tempdir().unwrap();
        let output =
            command_in(folder.path(), &[]).args(arguments.iter().map(|word| OsStr::from_bytes(word))).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stdout(&output).contains(prints), "{}", stdout(&output));
        assert!(stderr(&output).contains(explains), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
    check(&[b"status", b"sim:\xff"], 2, "there is no file", "");
    check(&[b"status", b"sim:", b"--backend", b"\xff"], 3, "", "UTF-8");
    check(&[b"status", b"--format=nagios", b"--fps=\xff"], 3, "UNKNOWN", "UTF-8");
    check(&[b"status", b"--format=nagios", b"\xff"], 2, "CRITICAL", "");
    check(&[b"snapshot", b"sim:", b"--json", b"--output", b"\xff.png"], 0, ".png", "");
}

/// What stands in place of a settings file, and how it is told; the command does what it was asked for.
#[cfg(unix)]
#[test]
fn settings_that_are_no_file_are_told_and_hold_up_nobody() {
    #[track_caller]
    fn check(make: impl FnOnce(&Path), says: &str) {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("settings.json"));
        let output = camclinic_in(folder.path(), &["help", "sim"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    // Nobody ever writes to it.
    check(|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()), "a pipe");
    check(|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(), "a device");
    check(|path| fs::create_dir(path).unwrap(), "a folder");
    check(|path| fs::File::create(path).unwrap().set_len(10 << 30).unwrap(), "larger than");
}

/// Pictures are as the user wants his files; what tells where cameras are and what happened is nobody else's.
#[cfg(unix)]
#[test]
fn files_are_for_those_whom_the_user_means() {
    use std::os::unix::fs::PermissionsExt;
    fn modes(folder: &Path, found: &mut Vec<(String, u32)>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let about = entry.metadata().unwrap();
            found.push((entry.file_name().into_string().unwrap(), about.permissions().mode() & 0o777));
            if about.is_dir() {
                modes(&entry.path(), found);
            }
        }
    }
    #[track_caller]
    fn check(umask: &str, picture: u32) {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.json");
        fs::write(&settings, r#"{"version":1,"source":"sim:"}"#).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o644)).unwrap();
        let script = "umask $1; export CAMCLINIC_DATA=data; \"$2\" snapshot sim: --output a.png --settings settings.json && \
                      \"$2\" monitor sim: --duration 0.05 --settings settings.json && \
                      \"$2\" checkup sim: --no-experiments --report a.zip --settings settings.json";
        let output = Command::new("sh")
            .args(["-c", script, "sh", umask, env!("CARGO_BIN_EXE_camclinic")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let mut found = Vec::new();
        modes(folder.path(), &mut found);
        for part in [
            "a.png",
            "a.zip",
            "settings.v1.json",
            "settings.json",
            "data",
            "history",
            "log-",
            ".seconds.",
            "camera.json",
        ] {
            assert!(found.iter().any(|(name, _)| name.contains(part)), "{part}: {found:?} {}", stderr(&output));
        }
        for (name, mode) in &found {
            let is_folder = ["data", "history"].contains(&name.as_str()) || name.starts_with("sim");
            let expected = match name.as_str() {
                "a.png" => picture,
                _ if is_folder => 0o700,
                _ => 0o600,
            };
            assert_eq!(*mode, expected, "{name} with umask {umask}: {found:?}");
        }
    }
    check("077", 0o600);
    check("022", 0o644);
    check("027", 0o640);
}

#[test]
fn help_and_version_are_printed() {
    for (arguments, says) in [
        (&["help"][..], "snapshot"),
        (&["help", "sim"], "unplug"),
        (&["help", "status"], "--detailed"),
        (&["help", "test"], "--num-tests"),
        (&["--help"], "Exit codes"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        // The settings option would be taken for the topic's.
        let output = Command::new(env!("CARGO_BIN_EXE_camclinic")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(stdout(&output).contains(says), "{arguments:?}: {}", stdout(&output));
    }
}

#[test]
fn the_list_is_json_alone() {
    let output = camclinic(&["list", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(json(&output)["devices"].is_array());
}

#[test]
fn status_for_people_names_fault_and_remedy() {
    let output = camclinic(&["status", "sim:open-busy", "--detailed"]);
    let text = stdout(&output);
    assert!(text.contains("critical") && text.contains("to do"), "{text}");
    assert!(text.contains("  backend  simulated in this process\n"), "{text}");
    let output = camclinic(&["status", "sim:stall@500ms", "--detailed", "--isolation", "off"]);
    let text = stdout(&output);
    assert!(text.contains("  rung     restart stream: 1 try"), "{text}");
}

#[test]
fn status_knows_what_the_picture_shows() {
    #[track_caller]
    fn check(source: &str, code: i32, expected: Option<&str>) {
        let output = camclinic(&["status", source, "--json"]);
        let status = json(&output);
        let kinds: Vec<_> =
            status["picture_faults"].as_array().unwrap().iter().filter_map(|fault| fault["kind"].as_str()).collect();
        assert_eq!((output.status.code(), kinds), (Some(code), expected.into_iter().collect()), "{source}: {status}");
        let rules = status["deductions"].as_array().unwrap();
        assert!(expected.is_none_or(|kind| rules.iter().any(|rule| rule["rule"] == kind)), "{source}: {status}");
    }
    // Side by side: each waits most of the time.
    std::thread::scope(|scope| {
        for (source, code, expected) in [
            ("sim:", 0, None),
            ("sim:pattern=still", 0, None),
            ("sim:black", 1, Some("black")),
            ("sim:cap", 1, Some("covered")),
            ("sim:frozen", 2, Some("frozen")),
            ("sim:green", 1, Some("green")),
        ] {
            scope.spawn(move || check(source, code, expected));
        }
    });
}

#[test]
fn a_damaged_settings_file_is_set_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.json"), "{ damaged").unwrap();
    let output = camclinic_in(folder.path(), &["list"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("damaged"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(folder.path().join("settings.damaged.json")).unwrap(), "{ damaged");
}

#[test]
fn the_saved_camera_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.json"), r#"{"version":1,"source":"sim:open-busy"}"#).unwrap();
    let output = camclinic_in(folder.path(), &["status", "--json"]);
    assert_eq!(json(&output)["source"], "sim:open-busy");
}

#[test]
fn without_a_display_the_window_says_so() {
    if cfg!(any(windows, target_os = "macos")) {
        return;
    }
    let output = camclinic(&["--screenshot", "a.png", "sim:"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let says = if cfg!(feature = "gui") { "display" } else { "no window" };
    assert!(stderr(&output).contains(says), "{}", stderr(&output));
}

#[test]
fn what_happened_is_kept_for_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run = |arguments: &[&str]| camclinic_in(folder, arguments);
    for (arguments, says) in
        [(&["log", "--camera", "sim:"][..], "no camera yet"), (&["history", "sim:"], "There is no history yet")]
    {
        let output = run(arguments);
        assert_eq!((output.status.code(), stderr(&output).contains(says)), (Some(3), true), "{}", stderr(&output));
    }
    let output = run(&["log"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{}", stderr(&output));

    let secret = "rtsp://admin:geheim@127.0.0.1:9/1";
    for (source, deadline, code) in [("sim:stall@1s+3500ms", "15", 0), ("sim:open-busy", "3", 2), (secret, "3", 2)] {
        let output = run(&["recover", source, "--deadline", deadline]);
        assert_eq!(output.status.code(), Some(code), "{source}: {}{}", stdout(&output), stderr(&output));
    }
    let output = run(&["log", "--json"]);
    let all: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(all.is_sorted_by_key(|event| event["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()));
    for (source, name) in [("", "start"), ("sim:stall@1s+3500ms", "CAMERA_RECOVERY"), ("sim:open-busy", "busy")] {
        assert!(all.iter().any(|event| event["source"] == source && event["name"] == name), "{source} {name}: {all:?}");
    }
    assert!(all.iter().any(|event| event["rung"] == "restart-stream" && event["outcome"] == "failed"), "{all:?}");

    let text = stdout(&run(&["log", "--recent-errors"]));
    assert!(text.contains("  warning  CAMERA_ISSUE") && !text.contains("  info  "), "{text}");
    let text = stdout(&run(&["log", "--camera", "OPEN-busy", "--since", "1h"]));
    assert!(text.contains("sim:open-busy  ") && !text.contains("stall"), "{text}");
    let output = run(&["log", "--camera", "webcam"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("sim:open-busy, sim:stall@1s+3500ms"), "{}", stderr(&output));

    let history = json(&run(&["history", "sim:stall@1s+3500ms", "--json"]));
    let samples = history["samples"].as_array().unwrap();
    assert!(samples.len() >= 4, "{history}");
    assert!(samples.iter().any(|sample| sample["live"] == 0.0) && samples.iter().any(|sample| sample["live"] == 1.0));
    let csv = stdout(&run(&["history", "sim:stall@1s+3500ms", "--csv"]));
    assert_eq!(csv.lines().count(), samples.len() + 1, "{csv}");
    let text = stdout(&run(&["history", "sim:stall@1s+3500ms"]));
    assert!(text.starts_with("sim:stall@1s+3500ms measured for ") && text.lines().count() >= 3, "{text}");
    let output = run(&["history", "sim:unplug"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("sim:open-busy, sim:stall@1s+3500ms"), "{}", stderr(&output));

    let mut n_files = 0;
    let mut folders = vec![folder.join("data")];
    while let Some(next) = folders.pop() {
        assert!(!next.to_string_lossy().contains("geheim"), "{}", next.display());
        if next.is_dir() {
            folders.extend(fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            n_files += 1;
            assert!(!fs::read_to_string(&next).unwrap().contains("geheim"), "{}", next.display());
        }
    }
    // The log, and the history of two cameras at least.
    assert!(n_files >= 3, "{n_files}");
}

#[test]
fn a_folder_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "a file").unwrap();
    let output = camclinic_in(folder.path(), &["recover", "sim:", "--json"]);
    assert_eq!((output.status.code(), &json(&output)["recovered"]), (Some(0), &Value::Bool(true)));
    let told = stderr(&output);
    assert_eq!(told.matches("are not kept").count(), 1, "{told}");
    assert!(told.contains("CAMCLINIC_DATA"), "{told}");
    for command in ["log", "history"] {
        let output = camclinic_in(folder.path(), &[command]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains("cannot be read"), "{}", stderr(&output));
    }
}

/// A file system of 16 KiB in a mount namespace of its own; where the system allows none, the test says so.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_no_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=16k none \"$1\" && cd \"$1\" || exit 77; head -c 16k /dev/zero > big 2>&-; \
                  export CAMCLINIC_DATA=\"$1/data\"; \"$2\" recover sim:stall@1s+2s --settings s.json; \
                  status=$?; \"$2\" log >&-; exit $status";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_camclinic"))
        .output();
    let Some(output) = output.ok().filter(|output| ![Some(77), Some(1)].contains(&output.status.code())) else {
        eprintln!("skipped: this system lets nobody mount a small file system");
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stderr(&output).matches("Make room on the disk").count(), 1, "{}", stderr(&output));
}

/// Processes that write into one folder are killed, each at another moment. What each had told until a second before is
/// there, and nothing else of the log or of a history is lost.
#[cfg(unix)]
#[test]
fn a_kill_at_any_moment_costs_a_second_at_most() {
    use std::time::{Duration, Instant};
    const N_AT_ONCE: u64 = 25;
    /// What a busy machine adds to the second between two samples.
    const SLACK_SECS: f64 = 1.5;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut n_long = 0;
    for round in 0..5 {
        let start = |n: u64| {
            let source = format!("sim:open-busy,seed={}", round * N_AT_ONCE + n);
            let mut command = command_in(folder, &["recover", &source, "--deadline", "100"]);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            (source, child, Instant::now() + Duration::from_millis(40 + 110 * n + 13 * round))
        };
        let children: Vec<_> = (0..N_AT_ONCE).map(start).collect();
        for (source, mut child, killed_at) in children {
            std::thread::sleep(killed_at.saturating_duration_since(Instant::now()));
            child.kill().unwrap();
            let killed_at = jiff::Timestamp::now();
            child.wait().unwrap();
            let output = camclinic_in(folder, &["history", &source, "--json"]);
            if output.status.code() == Some(3) {
                // It had not begun to watch.
                continue;
            }
            let samples = json(&output)["samples"].as_array().unwrap().clone();
            let times: Vec<jiff::Timestamp> =
                samples.iter().map(|sample| sample["at"].as_str().unwrap().parse().unwrap()).collect();
            let (first, last) = (times[0], times[times.len() - 1]);
            // A sample bears the second in which it was taken.
            let lost_secs = killed_at.duration_since(last).as_secs_f64() - 1.0;
            assert!(lost_secs < 1.0 + SLACK_SECS, "{source}: {lost_secs} s are lost of {times:?}");
            let whole_secs = last.duration_since(first).as_secs();
            assert!(i64::try_from(times.len()).unwrap() >= whole_secs, "{source}: {times:?}");
            n_long += u32::from(times.len() > 1);
        }
    }
    assert!(n_long > 37, "only {n_long} were watched for longer than a second");
    let output = camclinic_in(folder, &["log", "--json"]);
    let events: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let n_starts = events.iter().filter(|event| event["name"] == "start").count();
    let n_busy = events.iter().filter(|event| event["name"] == "busy").count();
    assert!(n_starts >= 93 && n_busy >= 93, "{n_starts} starts, {n_busy} that found the camera busy");
    let n_lines: usize = fs::read_dir(folder.join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap().lines().count())
        .sum();
    assert!(n_lines - events.len() <= 200, "{n_lines} lines and {} events", events.len());
}
