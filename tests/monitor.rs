//! `camclinic monitor`, run as a program: over night, under a supervisor of processes, into a pipe that breaks.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

#[cfg(feature = "share")]
use super::running::Running;

/// The end of a command that was told to end. Ten times as long as it takes.
const END: Duration = Duration::from_secs(15);

fn command(arguments: &[&str]) -> (Command, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
    command.arg("monitor").args(arguments).arg("--settings").arg(folder.path().join("settings.json"));
    command.env("CAMCLINIC_DATA", folder.path().join("data"));
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
    let source = "sim:160x120,stall@1s+3s,unplug@6s+2s";
    let output = monitor(&[source, "--duration", "0.2", "--interval", "0.5", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = lines(&output);
    let issues: Vec<_> = named(&lines, "CAMERA_ISSUE").iter().map(|event| event["cause"].clone()).collect();
    assert_eq!(issues, ["capture_failure", "connection_error"]);
    let ends = named(&lines, "CAMERA_RECOVERY");
    let lasted: Vec<f64> = ends.iter().map(|event| event["outage_secs"].as_f64().unwrap()).collect();
    let [stall, unplug] = lasted.as_slice() else { panic!("{lasted:?}") };
    // From the last picture to the next one: it is opened as soon as it is back, which takes a moment, on a busy computer longer.
    assert!((2.7..4.0).contains(stall), "{lasted:?}");
    assert!((1.85..3.5).contains(unplug), "{lasted:?}");
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
    let output = monitor(&["sim:", "sim:open-denied", "--duration", "0.1", "--interval", "1", "--json"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let lines = lines(&output);
    for source in ["sim:", "sim:open-denied"] {
        let n = of_type(&lines, "status").iter().filter(|status| status["source"] == source).count();
        assert_eq!(n, 6, "{source}");
    }
    let critical = named(&lines, "CAMERA_CRITICAL");
    assert_eq!((critical.len(), &critical[0]["source"]), (1, &"sim:open-denied".into()));
    let cameras = &lines.last().unwrap()["cameras"];
    assert_eq!((&cameras[0]["uptime_percent"], &cameras[0]["outages"]), (&100.0.into(), &0.into()), "{cameras}");
    assert_eq!((&cameras[1]["state"], &cameras[1]["frames"]), (&"failed".into(), &0.into()), "{cameras}");
    assert_eq!(cameras[1]["uptime_percent"].as_f64().map(f64::round), Some(0.0), "{cameras}");
}

/// Watches these until enough was told and two rounds longer, because a worker starts slowly on a busy computer.
#[track_caller]
fn told_until(sources: &[&str], options: &[&str], is_enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let (mut command, _folder) =
        command(&[sources, &["--duration", "2", "--interval", "1", "--json"], options].concat());
    let mut child = command.spawn().unwrap();
    let (mut lines, mut n_rounds) = (Vec::<Value>::new(), 0);
    let mut reader = BufReader::new(child.stdout.take().unwrap()).lines();
    while n_rounds < 2 {
        let line = reader.next().unwrap_or_else(|| panic!("{sources:?}: it ended: {lines:#?}")).unwrap();
        lines.push(serde_json::from_str(&line).unwrap());
        // A round begins with the camera whose status came first; what is told of the program itself may come before that.
        let of = lines.last().unwrap();
        let begins_round = of["type"] == "status" && of["source"] == of_type(&lines, "status")[0]["source"];
        n_rounds += usize::from(begins_round && is_enough(&lines));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines
}

/// How often the death of a camera, and that of all, is told of these.
#[track_caller]
fn check_deaths(sources: &[&str], n_dead: usize, n_all: usize) {
    let n_told = |lines: &[Value]| (named(lines, "CAMERA_DEAD").len(), named(lines, "ALL_CAMERAS_DEAD").len());
    let lines = told_until(sources, &[], |lines| n_told(lines).0 >= n_dead && n_told(lines).1 >= n_all);
    assert_eq!(n_told(&lines), (n_dead, n_all), "{sources:?}: {lines:#?}");
    let (dead, all) = (named(&lines, "CAMERA_DEAD"), named(&lines, "ALL_CAMERAS_DEAD"));
    for event in dead {
        assert!(event["level"] == "error" && event["fault"] == "denied", "{event}");
        let message = event["message"].as_str().unwrap();
        assert!(message.starts_with("Simulated camera is dead: cannot open") && message.ends_with('.'), "{message}");
    }
    assert!(all.iter().all(|event| event["n_cameras"] == sources.len()), "{all:?}");
}

#[test]
fn the_death_of_each_of_several_cameras_is_told_and_that_of_all() {
    check_deaths(&["sim:64x48", "sim:open-denied", "sim:64x48,open-denied"], 2, 0);
    check_deaths(&["sim:open-denied", "sim:64x48,open-denied", "sim:80x60,open-denied"], 3, 1);
    check_deaths(&["sim:open-denied"], 0, 0);
}

#[test]
fn people_get_lines_and_a_summary() {
    let output = monitor(&["sim:unplug@1s+500ms", "--duration", "0.2", "--interval", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for says in
        ["live, score", "Alert: connection_error", "Picture back after", "Monitored for 12.0 s:", "1 outage of "]
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
    let (mut stdout, mut text) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    while !text.contains("live, score") {
        assert!(stdout.read_line(&mut text).unwrap() > 0, "{text}");
    }
    drop(stdout);
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

/// A hook: a script of the shell, of which `$1` is a folder of its own.
#[cfg(unix)]
fn with_hook(sources: &[&str], minutes: &str, script: &str) -> (Output, TempDir, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hook.sh");
    std::fs::write(&file, script).unwrap();
    let hook = format!("sh '{}' '{}'", file.display(), folder.path().display());
    let began = Instant::now();
    let rest = ["--duration", minutes, "--interval", "0.5", "--json", "--on-event", &hook];
    let output = monitor(&[sources, &rest].concat());
    (output, folder, began.elapsed())
}

/// What a hook that keeps its input was given, once the monitor told what is `enough` and the hook has kept as many lines.
#[cfg(unix)]
#[track_caller]
fn check_told_to_hook(sources: &[&str], enough: &[(&str, usize)]) {
    let folder = tempfile::tempdir().unwrap();
    let (script, said) = (folder.path().join("hook.sh"), folder.path().join("said"));
    std::fs::write(&script, r#"cat >> "$1""#).unwrap();
    let hook = format!("sh '{}' '{}'", script.display(), said.display());
    let alerts_in = |lines: &[Value]| -> Vec<Value> {
        let is_alert = |line: &&Value| enough.iter().any(|(name, _)| line["name"] == *name) && line["type"] == "event";
        lines.iter().filter(is_alert).cloned().collect()
    };
    let kept = || -> Vec<Value> {
        let text = std::fs::read_to_string(&said).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let told = told_until(sources, &["--on-event", &hook], |lines| {
        enough.iter().all(|(name, n)| named(lines, name).len() >= *n) && kept().len() >= alerts_in(lines).len()
    });
    // Hooks run beside each other.
    let sorted = |mut events: Vec<Value>| {
        events.sort_by_key(ToString::to_string);
        events
    };
    assert_eq!(sorted(kept()), sorted(alerts_in(&told)), "the same lines as on stdout, and these alone");
    for (name, n) in enough {
        assert_eq!(named(&told, name).len(), *n, "{name}: {told:#?}");
    }
}

#[cfg(unix)]
#[test]
fn each_alert_runs_the_command_with_the_event_on_its_stdin() {
    check_told_to_hook(&["sim:unplug@500ms+500ms"], &[("CAMERA_ISSUE", 1), ("CAMERA_RECOVERY", 1)]);
    // Also where it is about several.
    check_told_to_hook(
        &["sim:open-denied", "sim:64x48,open-denied"],
        &[("CAMERA_CRITICAL", 2), ("CAMERA_DEAD", 2), ("ALL_CAMERAS_DEAD", 1)],
    );
}

/// The camera fails twice; the trouble is told once, and nothing else suffers from it.
#[cfg(unix)]
#[track_caller]
fn check_hook(script: &str, minutes: &str, says: &str) {
    let (output, _folder, took) = with_hook(&["sim:unplug@500ms+300ms,unplug@1500ms+300ms"], minutes, script);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("The command of --on-event").count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains(says), "“{says}” is not in: {}", stderr(&output));
    let lines = lines(&output);
    assert_eq!(named(&lines, "CAMERA_RECOVERY").len(), 2);
    let minutes: f64 = minutes.parse().unwrap();
    let n = of_type(&lines, "status").len() as f64;
    assert!((n - (minutes * 120.0).floor()).abs() < 0.5, "one each half second, not {n}");
    let told = named(&lines, "hook");
    assert!(told.iter().all(|event| event["level"] == "warning" && event["source"] == ""), "{told:?}");
    let longest = Duration::from_secs_f64(minutes * 60.0 + 12.0);
    assert!(took < longest, "{took:?}");
}

#[cfg(unix)]
#[test]
fn a_command_that_misbehaves_is_told_once() {
    // Side by side: each waits most of the time.
    std::thread::scope(|scope| {
        for (command, minutes, told) in [
            ("exit 3", "0.15", "sh, failed (exit status: 3)"),
            ("echo 'no route to mail' >&2; exit 1", "0.15", "failed (exit status: 1): no route to mail"),
            ("while :; do echo flood; done", "0.15", "printed more than 64 KiB and was killed"),
            ("trap '' TERM INT; while :; do sleep 600; done", "0.25", "had not ended after 10 s and was killed"),
        ] {
            scope.spawn(move || check_hook(command, minutes, told));
        }
    });
}

#[cfg(unix)]
#[test]
fn a_command_that_is_missing_is_told_once() {
    let source = "sim:unplug@500ms+300ms";
    let output = monitor(&[source, "--duration", "0.15", "--interval", "0.5", "--json", "--on-event", "/no/such/hook"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("/no/such/hook, does not start").count(), 1, "{}", stderr(&output));
    assert_eq!(named(&lines(&output), "hook").len(), 1);
    check_usage(&["sim:", "--on-event", ""], "names no program");
    check_usage(&["sim:", "--on-event", "a 'b"], "not closed");
}

/// The monitor with metrics, at work; it is ended when this is dropped.
#[cfg(feature = "share")]
struct Served {
    _child: Running,
    address: String,
    _folder: TempDir,
    _stderr: BufReader<std::process::ChildStderr>,
}

#[cfg(feature = "share")]
impl Served {
    fn start(arguments: &[&str]) -> Self {
        let (mut command, folder) = command(&[arguments, &["--metrics", "127.0.0.1:0"]].concat());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("Metrics: http://").and_then(|url| url.strip_suffix("/metrics"));
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { _child: Running(child), address, _folder: folder, _stderr: stderr }
    }

    fn connect(&self) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(END)).unwrap();
        stream
    }

    fn page(&self) -> String {
        use std::io::Write;
        let mut stream = self.connect();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Until the page has this line.
    fn wait_for(&self, line: &str) -> String {
        let until = Instant::now() + END;
        loop {
            let page = self.page();
            if page.lines().any(|has| has == line) {
                return page;
            }
            assert!(Instant::now() < until, "{line} does not come: {page}");
            std::thread::sleep(Duration::from_millis(120));
        }
    }
}

#[cfg(feature = "share")]
#[cfg(unix)]
fn has_program(name: &str) -> bool {
    let is_there = Command::new(name).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: {name} is not installed; packaging/test installs it where the system has it");
    }
    is_there
}

#[cfg(feature = "share")]
#[test]
fn metrics_are_served_and_slow_clients_disturb_nobody() {
    use std::io::Write;
    let served = Served::start(&["sim:", "sim:open-denied", "--interval", "1"]);
    let page = served.wait_for(r#"camclinic_camera_up{source="sim:"} 1"#);
    for line in [
        r#"camclinic_camera_up{source="sim:open-denied"} 0"#,
        r#"camclinic_camera_state{source="sim:open-denied",state="failed"} 1"#,
        r#"camclinic_camera_alert{source="sim:open-denied",alert="CAMERA_CRITICAL"} 1"#,
        r#"camclinic_camera_fault{source="sim:open-denied",kind="denied"} 1"#,
        r#"camclinic_camera_outages_total{source="sim:open-denied"} 1"#,
        r#"camclinic_camera_outages_total{source="sim:"} 0"#,
    ] {
        assert!(page.lines().any(|has| has == line), "{line} is not in: {page}");
    }
    // One that says nothing, one that says it slowly, one that says nonsense, one that does not listen.
    let clients: Vec<_> = (0..40).map(|_| served.connect()).collect();
    for (nth, mut client) in clients.iter().enumerate() {
        let _ = match nth % 4 {
            0 => Ok(()),
            1 => client.write_all(b"GET /met"),
            2 => client.write_all(&vec![0xFF; 20_000]),
            _ => client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n"),
        };
    }
    // Nobody who asks at once waits for them.
    for _ in 0..20 {
        assert!(served.page().contains("camclinic_camera_up"));
    }
    // They are cut off or timed out, and the next one is served.
    let began = Instant::now();
    for mut client in clients {
        let _ = client.read_to_end(&mut Vec::new());
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    served.wait_for(r#"camclinic_camera_up{source="sim:"} 1"#);
}

#[cfg(feature = "share")]
#[cfg(unix)]
#[test]
fn promtool_finds_nothing_to_say_of_the_metrics() {
    use std::io::Write;
    if !has_program("promtool") {
        return;
    }
    let clips = tempfile::tempdir().unwrap();
    let folder = clips.path().to_str().unwrap();
    let served = Served::start(&["sim:pattern=card,seed=7", "sim:open-denied", "--record", folder]);
    served.wait_for(r#"camclinic_camera_up{source="sim:pattern=card,seed=7"} 1"#);
    let page = served.wait_for(r#"camclinic_storage_state{source="sim:open-denied",state="good"} 1"#);
    for name in ["storage_free_bytes", "storage_pictures_dropped_total", "recording_pictures_lost_total"] {
        let line = format!("camclinic_{name}{{source=\"sim:open-denied\"}} ");
        let value = page.lines().find_map(|has| has.strip_prefix(&line)).unwrap_or_else(|| panic!("{name}: {page}"));
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{name} {value}");
    }
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{page}");
}

#[cfg(feature = "share")]
#[cfg(unix)]
#[test]
fn a_real_prometheus_scrapes_it_twice() {
    if !has_program("prometheus") || !has_program("promtool") {
        return;
    }
    let served = Served::start(&["sim:"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
         - job_name: camclinic\n  static_configs: [{{targets: ['{}']}}]\n",
        served.address
    );
    std::fs::write(&file, config).unwrap();
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut prometheus = Command::new("prometheus");
    prometheus.arg(format!("--config.file={}", file.display()));
    prometheus.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
    prometheus.arg(format!("--web.listen-address={address}"));
    prometheus.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _prometheus = Running(prometheus.spawn().unwrap());
    let until = Instant::now() + Duration::from_mins(1);
    let ask = |query: &str| {
        let asked =
            Command::new("promtool").args(["query", "instant", &format!("http://{address}"), query]).output().unwrap();
        String::from_utf8_lossy(&asked.stdout).into_owned()
    };
    // `camclinic_camera_frames_total{…, source="sim:"} => 61 @[…]`
    let value = |answer: &str| answer.split(" => ").nth(1)?.split(' ').next()?.parse::<f64>().ok();
    let wait_for = |query: &str, is_it: &dyn Fn(f64) -> bool| {
        loop {
            let answer = ask(query);
            if let Some(value) = value(&answer).filter(|value| is_it(*value)) {
                return value;
            }
            assert!(Instant::now() < until, "{query}: {answer}");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let first = wait_for("camclinic_camera_frames_total", &|frames| frames > 0.0);
    wait_for("camclinic_camera_frames_total", &|frames| frames > first);
    wait_for("count_over_time(camclinic_camera_up[1m])", &|n| n >= 2.0);
    wait_for("up{job=\"camclinic\"}", &|up| up > 0.5);
}

#[cfg(feature = "share")]
#[test]
fn metrics_stay_on_this_computer_unless_told_otherwise() {
    check_usage(&["sim:", "--metrics", "0.0.0.0:0"], "--metrics-anywhere");
    check_usage(&["sim:", "--metrics", "somewhere"], "127.0.0.1:9464");
    check_usage(&["sim:", "--metrics-anywhere"], "--metrics");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    check_usage(&["sim:", "--metrics", &listener.local_addr().unwrap().to_string()], "Another program has this port");
    let output = monitor(&["sim:", "--metrics", "0.0.0.0:0", "--metrics-anywhere", "--duration", "0.01"]);
    assert!(stderr(&output).starts_with("Metrics: http://0.0.0.0:"), "{}", stderr(&output));
}

/// A pipe in which not another byte has room, and whose reader reads nothing.
#[cfg(unix)]
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use std::io::{ErrorKind, Write};

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    let error = std::iter::repeat_with(|| writer.write_all(b"x")).find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[cfg(unix)]
#[test]
fn a_reader_of_stderr_that_stops_holds_up_no_camera() {
    let (_reader, writer) = full_pipe();
    // Each fault is several lines on stderr, and so is each recovery.
    let faulty = "sim:160x120,stall@500ms+1500ms,unplug@3s+500ms";
    let (mut command, _folder) = command(&["sim:160x120", faulty, "sim:160x120,open-denied"]);
    command.args(["--json", "-vv", "--interval", "1", "--duration", "0.1"]).stderr(writer);
    let output = end_of(command.spawn().unwrap());
    assert_eq!(output.status.code(), Some(2));
    let lines = lines(&output);
    let cameras = &lines.last().unwrap()["cameras"];
    // Pictures came until the end, and the second camera got over both of its faults.
    assert!(cameras[0]["frames"].as_u64().unwrap() > 30, "{cameras}");
    assert_eq!((&cameras[0]["outages"], &cameras[0]["state"]), (&0.into(), &"streaming".into()), "{cameras}");
    assert_eq!((&cameras[1]["outages"], &cameras[1]["recoveries"]), (&2.into(), &2.into()), "{cameras}");
}
