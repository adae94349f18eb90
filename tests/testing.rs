//! `camclinic test`, the one line for monitoring systems, completions and the manual: the real program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use camclinic::criteria::{POINTS_PER_FAILURE, RULES};
use serde_json::Value;

use super::commands::{camclinic, camclinic_in, check_usage, json, stderr, stdout};

/// Every key of `golden` is there, with a value of the same kind.
#[track_caller]
fn check_keys(got: &Value, golden: &Value, place: &str) {
    match (got, golden) {
        (Value::Object(got), Value::Object(golden)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(got), keys(golden), "{place}");
            golden.iter().for_each(|(key, example)| check_keys(&got[key], example, &format!("{place}.{key}")));
        }
        (Value::Array(got), Value::Array(golden)) => {
            golden.iter().take(1).for_each(|example| check_keys(&got[0], example, &format!("{place}[0]")));
        }
        _ => {
            let is_same = std::mem::discriminant(got) == std::mem::discriminant(golden);
            assert!(is_same, "{place} is {got}, not like {golden}");
        }
    }
}

#[test]
fn a_test_has_every_key_of_the_contract() {
    let output = camclinic(&["test", "sim:", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let got = json(&output);
    check_keys(&got, &serde_json::from_str(include_str!("golden/test.json")).unwrap(), "test");
    assert_eq!((got["passed"].as_u64(), got["failed"].as_u64()), (Some(5), Some(0)));
    assert_eq!(got["attempts"].as_array().unwrap().len(), 5);
    assert_eq!((got["stability"].as_str(), got["connected"].as_bool()), (Some("stable"), Some(true)));
    assert!((29.0..31.0).contains(&got["fps"].as_f64().unwrap()), "{got}");
}

/// Runs a test and checks its end: code, passed and failed frames, and what was found.
#[track_caller]
fn check(arguments: &[&str], code: i32, passed: u64, failed: u64, findings: &[&str]) -> Value {
    let output = camclinic(&[&["test", "--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    let got = json(&output);
    assert_eq!((got["passed"].as_u64(), got["failed"].as_u64()), (Some(passed), Some(failed)), "{got}");
    // A busy computer reads late now and then.
    let counts = |finding: &&Value| finding["points"].as_u64() >= Some(10) || finding["id"] == "failures";
    let found = got["findings"].as_array().unwrap().iter().filter(counts);
    let found: Vec<_> = found.map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(found, findings, "{got}");
    got
}

#[test]
fn each_trouble_of_a_stream_is_named() {
    let got = check(&["sim:slow=12"], 1, 5, 0, &["rate"]);
    let message = got["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("12.0 fps of the agreed 30"), "{message}");
    assert_eq!(got["stability"], "unstable");
    let got = check(&["sim:frozen@1s"], 2, 5, 0, &["frozen"]);
    assert_eq!(got["stability"], "unstable");
    let got = check(&["sim:black"], 1, 5, 0, &["black"]);
    assert_eq!(got["stability"], "stable", "it comes as it should");
    check(&["sim:cap"], 1, 5, 0, &["covered"]);
    let got = check(&["sim:green"], 1, 5, 0, &["green"]);
    assert_eq!(got["stability"], "unstable");
    let got = check(&["sim:torn=80"], 1, 5, 0, &["torn"]);
    assert_eq!(got["stability"], "unstable");
    let got = check(&["sim:format=mjpeg,corrupt=100", "--num-tests", "7"], 2, 0, 7, &["failures"]);
    assert_eq!((got["drops"]["damaged"] == 0, &got["last_fault"]["kind"]), (false, &"bad-frame".into()));
    let got = check(&["sim:320x240", "--size", "640x480", "--fps", "60"], 0, 5, 0, &[]);
    assert_eq!(got["asked"]["size"]["width"], 320, "the line stands before the option");
}

#[test]
fn each_frame_has_its_own_fault() {
    let got = check(&["sim:stall@500ms+1500ms", "--num-tests", "20"], 1, 19, 1, &["failures", "rate"]);
    let attempts = got["attempts"].as_array().unwrap();
    let failed: Vec<_> = attempts.iter().filter(|attempt| attempt["ok"] == false).collect();
    assert_eq!(failed[0]["fault"]["kind"], "stall", "{got}");
    let ms = failed[0]["ms"].as_f64().unwrap();
    assert!((1_000.0..1_500.0).contains(&ms), "{ms}");
    // The stream ends, and with it the test: what was not tried has failed too.
    let got = check(&["sim:unplug@500ms", "--num-tests", "500"], 2, 9, 491, &["failures", "ended"]);
    assert_eq!(got["last_fault"]["kind"], "unplugged");
    assert!(got["attempts"].as_array().unwrap().len() < 20, "{got}");
}

#[test]
fn a_camera_that_cannot_be_tested_is_critical() {
    for (source, kind, connected) in [
        ("sim:open-busy", "busy", false),
        ("sim:open-denied", "denied", false),
        ("no-such-camera", "missing", false),
        ("missing.mp4", "missing", false),
        ("sim:hang@300ms", "hung", true),
        ("sim:stall", "no-first-frame", true),
    ] {
        let output = camclinic(&["test", source, "--json", "--num-tests", "2"]);
        assert_eq!(output.status.code(), Some(2), "{source}: {}", stderr(&output));
        let got = json(&output);
        assert_eq!(got["last_fault"]["kind"], kind, "{source}: {got}");
        assert_eq!(got["connected"], connected, "{got}");
        let text = stdout(&camclinic(&["test", source, "--num-tests", "1"]));
        assert!(text.contains("  fault    ") && text.contains("  to do    "), "{text}");
    }
}

/// The numbers of the frames that are missing between the first and the last.
fn missing(got: &Value) -> (u64, BTreeSet<u64>, u64) {
    let attempts = got["attempts"].as_array().unwrap();
    let came: BTreeSet<u64> = attempts.iter().map(|attempt| attempt["sequence"].as_u64().unwrap()).collect();
    let (first, last) = (*came.first().unwrap(), *came.last().unwrap());
    (first, (first..=last).filter(|n| !came.contains(n)).collect(), last)
}

#[test]
fn lost_frames_are_counted_exactly() {
    // Which frames are lost depends on the line's seed alone, not on the rate. A machine that is too busy to wake the simulated
    // camera in time makes it lose a few more; losses that had nothing to do with each other would differ in about a hundred.
    const N_BUSY: u64 = 15;
    let [slow, fast] = [("sim:drop=20%@0s,seed=7", "300"), ("sim:@60,drop=20%@0s,seed=7", "300")].map(|(source, n)| {
        let got = json(&camclinic(&["test", source, "--num-tests", n, "--json"]));
        assert_eq!((got["passed"].as_u64(), got["stability"].as_str()), (Some(300), Some("unstable")), "{got}");
        let lost = missing(&got);
        assert_eq!(got["dropped"].as_u64(), Some(lost.1.len() as u64), "{}", got["drops"]);
        let n_late = got["drops"]["late"].as_u64().unwrap();
        (lost, n_late)
    });
    let ((slow_first, slow_lost, slow_last), n_slow_late) = slow;
    let ((fast_first, fast_lost, fast_last), n_fast_late) = fast;
    let (first, last) = (slow_first.max(fast_first), slow_last.min(fast_last));
    let within = |lost: BTreeSet<u64>| lost.range(first..last).copied().collect::<BTreeSet<_>>();
    let n_differing = within(slow_lost).symmetric_difference(&within(fast_lost)).count() as u64;
    assert!(n_differing <= n_slow_late + n_fast_late + N_BUSY, "{n_differing} of {n_slow_late} and {n_fast_late}");
}

/// A camera that answers every request with the same words; none is silence. Ends with the test.
fn camera(answer: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(answer) = answer else {
                silent.push(stream);
                continue;
            };
            thread::spawn(move || {
                let mut requests = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = requests.next() {
                    if let Some(number) = line.strip_prefix("CSeq: ") {
                        stream.write_all(answer.replace("CSEQ", number).as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    port
}

/// The test of an address ends with this finding, at this step, and tells no password.
#[track_caller]
fn check_address(address: &str, id: &str, kind: &str, bad: &str) {
    let folder = tempfile::tempdir().unwrap();
    let patience = r#"{"version":1,"recovery":{"open_deadline_secs":2}}"#;
    fs::write(folder.path().join("settings.json"), patience).unwrap();
    let started = Instant::now();
    let output = camclinic_in(folder.path(), &["test", address, "--json", "-vv"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{address}: {:?}", started.elapsed());
    assert_eq!(output.status.code(), Some(2), "{address}: {}", stderr(&output));
    let got = json(&output);
    assert_eq!((&got["connected"], &got["passed"], &got["failed"]), (&false.into(), &0.into(), &5.into()), "{got}");
    assert_eq!((&got["verdict"]["id"], &got["verdict"]["kind"]), (&id.into(), &kind.into()), "{got}");
    assert_eq!(got["last_fault"]["kind"], kind, "{got}");
    let steps = got["steps"].as_array().unwrap();
    let position = steps.iter().position(|step| step["outcome"] == "bad").unwrap();
    assert_eq!(steps[position]["name"], bad, "{got}");
    assert!(steps[position + 1..].iter().all(|step| step["outcome"] == "skipped" && step["ms"].is_null()), "{got}");
    let text = camclinic_in(folder.path(), &["test", address]);
    for text in [stdout(&output), stderr(&output), stdout(&text), stderr(&text)] {
        assert!(!text.contains("g%40heim") && !text.contains("g@heim"), "{text}");
    }
    assert!(stdout(&text).contains(&format!("  {bad:<13} BAD ")), "{}", stdout(&text));
}

#[test]
fn an_address_is_tested_step_by_step() {
    const DENIED: &str = "RTSP/1.0 401 Unauthorized\r\nCSeq: CSEQ\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n\r\n";
    let [denied, web, silent] =
        [Some(DENIED), Some("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), None].map(camera);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    check_address(&format!("rtsp://admin:g@heim@127.0.0.1:{denied}/1"), "F83", "login-refused", "login");
    check_address(&format!("rtsp://admin:g@heim@127.0.0.1:{web}/1"), "F99", "wrong-protocol", "options");
    check_address(&format!("rtsp://admin:g@heim@127.0.0.1:{silent}/1"), "F82", "unreachable", "options");
    check_address(&format!("rtsp://admin:g@heim@127.0.0.1:{closed}/1"), "F81", "refused", "tcp");
    check_address("rtsp://admin:g@heim@no-such-camera.invalid/1", "F80", "name-unknown", "dns");
}

#[test]
fn what_can_be_tested_is_checked_first() {
    let range = &["1 to 100000 frames"];
    for n_tests in ["0", "-1", "many", "1.5", "100001", "99999999999999999999"] {
        check_usage(&["test", "sim:", "--num-tests", n_tests], range);
    }
    check_usage(&["test", "sim:stal@1s"], &["stal", "stall"]);
    check_usage(&["test", "sim:", "--json", "--format", "text"], &["cannot be used with"]);
    check_usage(&["test", "gopher://camera"], &["rtsp"]);
}

/// Runs with `--format nagios`: one line, its code, its word, and performance data as the guidelines have it.
#[track_caller]
fn check_plugin(arguments: &[&str], code: i32, starts: &str, holds: &[&str]) {
    let output = camclinic(&[arguments, &["--format", "nagios"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with(&format!("CAMCLINIC {starts}")), "{text}");
    assert_eq!((text.lines().count(), text.matches('|').count()), (1, usize::from(code < 3)), "{text}");
    for part in holds {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let Some((_, numbers)) = text.trim_end().split_once(" | ") else { return };
    for number in numbers.split(' ') {
        let (label, value) = number.split_once('=').unwrap();
        assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte)), "{number}");
        let value = value.split(';').next().unwrap().trim_end_matches("ms");
        assert!(value == "U" || value.parse::<f64>().is_ok(), "{number}");
    }
}

#[test]
fn monitoring_systems_get_their_one_line() {
    check_plugin(&["status", "sim:"], 0, "OK - score ", &[" fps | score=", ";70;30 fps="]);
    check_plugin(&["test", "sim:"], 0, "OK - score ", &["5 of 5 frames", ";70;30 fps=", " open=", "ms"]);
    check_plugin(&["test", "sim:slow=12"], 1, "WARNING - score ", &["12.0 fps of the agreed 30"]);
    check_plugin(
        &["status", "sim:open-busy"],
        2,
        "CRITICAL - score 15, ",
        &["Close the other program", ";70;30 fps=0.0"],
    );
    check_plugin(&["test", "sim:open-busy"], 2, "CRITICAL - score 0, 0 of 5", &["Close the other program", "fps=U"]);
    check_plugin(&["test", "sim:stal"], 3, "UNKNOWN - “stal”", &[]);
    check_plugin(&["status", "sim:", "--fps", "many"], 3, "UNKNOWN - invalid value 'many'", &[]);
}

/// Bash itself completes with the script, where there is one.
#[cfg(target_os = "linux")]
#[test]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("camclinic.bash");
    fs::write(&script, run(&["complete", "bash"])).unwrap();
    let completed = |words: &str, n: usize| {
        let line = format!(
            ". {}; COMP_WORDS=({words}); COMP_CWORD={n}; _camclinic camclinic \"${{COMP_WORDS[{n}]}}\" \"${{COMP_WORDS[{n}-1]}}\"; \
             echo \"${{COMPREPLY[*]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(completed("camclinic stat", 1), "status\n");
    assert_eq!(completed("camclinic test --num", 2), "--num-tests\n");
    assert_eq!(completed("camclinic status --format n", 3), "nagios\n");
}

/// The settings option would be taken for a word of these commands.
fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_camclinic")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    run(&["man", pages.to_str().unwrap()]);
    let page = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("camclinic.1").contains("Exit codes: 0 healthy"), "{}", page("camclinic.1"));
    assert!(page("camclinic-status.1").contains("camclinic status"), "{}", page("camclinic-status.1"));
    let n_pages = fs::read_dir(&pages).unwrap().count();
    assert!(n_pages >= 6, "{n_pages}");
    // Nobody can write below a file.
    fs::write(folder.path().join("file"), "").unwrap();
    let output = camclinic(&["man", folder.path().join("file/man1").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("Cannot write"), "{}", stderr(&output));
}

/// As Nagios runs plugins: through one that turns their states around.
#[cfg(target_os = "linux")]
#[test]
fn a_monitoring_system_reads_the_line_and_the_code() {
    const NEGATE: &str = "/usr/lib/nagios/plugins/negate";
    if !std::path::Path::new(NEGATE).exists() {
        eprintln!("skipped: {NEGATE} is not installed; packaging/test installs it where the system has it");
        return;
    }
    let check = |source: &str, states: [&str; 2], code: i32, begins: &str| {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = states;
        let output = Command::new(NEGATE)
            .args(["-s", from, to, env!("CARGO_BIN_EXE_camclinic"), "test", source, "--format", "nagios", "--settings"])
            .arg(folder.path().join("settings.json"))
            .env("CAMCLINIC_DATA", folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{source}: {}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).starts_with(begins), "{source}: {}", stdout(&output));
        assert_eq!(stdout(&output).lines().count(), 1, "{source}: {}", stdout(&output));
    };
    check("sim:", ["-o", "WARNING"], 1, "CAMCLINIC WARNING - score ");
    check("sim:slow=12", ["-w", "OK"], 0, "CAMCLINIC OK - ");
    check("sim:open-denied", ["-c", "OK"], 0, "CAMCLINIC OK - ");
    check("sim:nonsense", ["-u", "CRITICAL"], 2, "CAMCLINIC CRITICAL - ");
}

#[test]
fn monitoring_ends_in_one_line_for_monitoring_systems() {
    let monitor = ["monitor", "sim:open-denied", "sim:64x48", "--duration", "0.1", "--format", "nagios"];
    let output = camclinic(&monitor);
    assert_eq!(output.status.code(), Some(2), "{}{}", stdout(&output), stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    // The worst one first.
    assert!(text.starts_with("CAMCLINIC CRITICAL - sim:open-denied: score "), "{text}");
    assert!(text.contains("; sim:64x48: score ") && text.contains(" | score="), "{text}");
    assert!(text.trim_end().ends_with(" outages=1 recoveries=0"), "{text}");
}

/// What the manual says of the score is what the program does.
#[test]
fn the_table_of_the_score_stands_in_the_readme() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let rows: Vec<_> = RULES
        .iter()
        .map(|rule| {
            let what = rule.what.trim_end_matches(':');
            let (unit, each) = match rule.unit {
                "yes" => (String::new(), String::new()),
                "" => (String::new(), rule.points_per_unit.to_string()),
                unit => (
                    format!(" {unit}"),
                    format!("{}{}", rule.points_per_unit, if unit == "s" { " a second" } else { "" }),
                ),
            };
            let free = if rule.free > 0.0 { format!("{}{unit}", rule.free) } else { String::new() };
            let unstable = match rule.unstable_above {
                Some(0.0) => "always".to_owned(),
                Some(limit) => format!("{limit}{unit}"),
                None => String::new(),
            };
            format!("| `{}` | {what} | {free} | {each} | {} | {unstable} |", rule.id, rule.max_points)
        })
        .collect();
    let table = rows.join("\n");
    assert!(readme.contains(&table), "README.md lacks this table:\n{table}");
    assert!(readme.contains(&format!("100 minus {POINTS_PER_FAILURE} for each failure in a row")));
}
