//! `camclinic monitor`, run as a program: over night, under a supervisor of processes, into a pipe that breaks.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The end of a command that was told to end. Ten times as long as it takes.
const END: Duration = Duration::from_secs(15);

fn command(arguments: &[&str]) -> (Command, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
    command.arg("monitor").args(arguments).arg("--settings").arg(folder.path().join("settings.json"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, folder)
}

fn monitor(arguments: &[&str]) -> Output {
    let (mut command, _folder) = command(arguments);
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every line, each of which must be JSON with a type; the last one is the only summary.
#[track_caller]
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert!(types.iter().all(|kind| ["status", "event", "summary"].contains(kind)), "{types:?}");
    assert_eq!(types.iter().position(|kind| *kind == "summary"), Some(types.len() - 1), "{types:?}");
    lines
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

fn named<'a>(lines: &'a [Value], name: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["name"] == name && line["type"] == "event").collect()
}

/// Waits for the end, and kills what does not come to one.
#[track_caller]
fn end_of(mut child: Child) -> Output {
    let until = Instant::now() + END;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn outages_and_recoveries_are_told_with_their_durations() {
    let source = "sim:stall@1s+3s,unplug@6s+2s";
    let output = monitor(&[source, "--duration", "0.2", "--interval", "0.5", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = lines(&output);
    let issues: Vec<_> = named(&lines, "CAMERA_ISSUE").iter().map(|event| event["cause"].clone()).collect();
    assert_eq!(issues, ["capture_failure", "connection_error"]);
    let ends = named(&lines, "CAMERA_RECOVERY");
    let lasted: Vec<f64> = ends.iter().map(|event| event["outage_secs"].as_f64().unwrap()).collect();
    let [stall, unplug] = lasted.as_slice() else { panic!("{lasted:?}") };
    assert!((stall - 3.0).abs() < 0.3, "{lasted:?}");
    // From the last picture to the next one: the camera is looked for about each 0.7 s, and then opened.
    assert!((1.9..3.4).contains(unplug), "{lasted:?}");
    for event in of_type(&lines, "event") {
        for key in ["at", "source", "level", "name", "message"] {
            assert!(event[key].is_string(), "{key}: {event}");
        }
        assert_eq!(event["source"], source);
    }
    let statuses = of_type(&lines, "status");
    assert_eq!(statuses.len(), 24, "one each half second of twelve");
    let golden: Value = serde_json::from_str(include_str!("golden/status.json")).unwrap();
    for status in statuses {
        for key in golden.as_object().unwrap().keys() {
            assert!(status.get(key).is_some(), "{key}");
        }
    }
    let summary = &lines.last().unwrap();
    assert_eq!((&summary["interrupted"], &summary["exit_code"]), (&false.into(), &0.into()));
    let camera = &summary["cameras"][0];
    let number = |key: &str| camera[key].as_f64().unwrap();
    assert_eq!((number("outages"), number("recoveries")), (2.0, 2.0));
    assert!((number("outage_secs") - stall - unplug).abs() < 0.01, "{camera}");
    assert!((number("longest_outage_secs") - stall.max(*unplug)).abs() < 0.01, "{camera}");
    let watched = summary["duration_secs"].as_f64().unwrap();
    assert!((number("uptime_percent") - 100.0 * (1.0 - (stall + unplug) / watched)).abs() < 0.1, "{summary}");
    assert!(number("least_score") < number("mean_score") && number("mean_score") < 100.0, "{camera}");
    assert!(number("frames") > 100.0, "{camera}");
}

#[test]
fn several_cameras_are_watched_at_once_and_the_worst_one_counts() {
    let output = monitor(&["sim:", "sim:open-denied", "--duration", "0.05", "--interval", "1", "--json"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let lines = lines(&output);
    for source in ["sim:", "sim:open-denied"] {
        let n = of_type(&lines, "status").iter().filter(|status| status["source"] == source).count();
        assert_eq!(n, 3, "{source}");
    }
    let critical = named(&lines, "CAMERA_CRITICAL");
    assert_eq!((critical.len(), &critical[0]["source"]), (1, &"sim:open-denied".into()));
    let cameras = &lines.last().unwrap()["cameras"];
    assert_eq!((&cameras[0]["uptime_percent"], &cameras[0]["outages"]), (&100.0.into(), &0.into()), "{cameras}");
    assert_eq!((&cameras[1]["state"], &cameras[1]["frames"]), (&"failed".into(), &0.into()), "{cameras}");
    assert_eq!(cameras[1]["uptime_percent"].as_f64().map(f64::round), Some(0.0), "{cameras}");
}

#[test]
fn people_get_lines_and_a_summary() {
    let output = monitor(&["sim:unplug@1s+500ms", "--duration", "0.07", "--interval", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for says in ["live, score", "Alert: connection_error", "Picture back after", "Monitored for 4.2 s:", "1 outage of "]
    {
        assert!(text.contains(says), "{says} is not in: {text}");
    }
    assert!(text.lines().last().unwrap().contains("1 recovery; score "), "{text}");
}

#[cfg(unix)]
#[test]
fn signals_bring_the_summary() {
    for signal in ["-INT", "-TERM"] {
        let (mut command, _folder) = command(&["sim:", "--interval", "0.5", "--json"]);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("streaming") {
            assert!(stdout.read_line(&mut text).unwrap() > 0, "{text}");
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let mut output = end_of(child);
        stdout.read_to_string(&mut text).unwrap();
        output.stdout = text.into_bytes();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
        assert_eq!(lines(&output).last().unwrap()["interrupted"], true);
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let (mut command, _folder) = command(&["sim:", "--interval", "0.2"]);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    // The pipe is broken from here on.
    let output = end_of(child);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let (mut command, _folder) = command(&["sim:", "--interval", "0.2"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = end_of(command.stdout(full).spawn().unwrap());
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("cannot be written: No space left"), "{}", stderr(&output));
}

#[track_caller]
fn check_usage(arguments: &[&str], says: &str) {
    let output = monitor(arguments);
    assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", stderr(&output));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains(says), "{arguments:?}: “{says}” is not in: {}", stderr(&output));
}

#[test]
fn wrong_usage_is_explained() {
    check_usage(&["sim:stal@1s"], "stall");
    check_usage(&["sim:", "sim:"], "sim: is named twice");
    check_usage(&["sim:", "--duration", "0"], "0.01 to 525600 minutes");
    check_usage(&["sim:", "--duration", "-1"], "0.01 to 525600 minutes");
    check_usage(&["sim:", "--duration", "NaN"], "0.01 to 525600 minutes");
    check_usage(&["sim:", "--interval", "0"], "0.1 to 3600 seconds");
    check_usage(&["sim:", "--interval", "often"], "0.1 to 3600 seconds");
}
