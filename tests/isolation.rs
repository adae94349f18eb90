//! Backends in a process of their own: what the process may do wrong, and that nothing is left of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use camclinic::camera::Camera;
use camclinic::logging::EventLog;
use camclinic::settings::{CameraSettings, Isolation, TrustedCertificates};
use camclinic::source::SourceSpec;
use camclinic::status::{State, Status};

/// Long enough for a machine that does three other things.
const PATIENCE: Duration = Duration::from_mins(1);

fn start(source: &str, change: impl FnOnce(&mut CameraSettings)) -> Camera {
    let mut settings = CameraSettings { n_warm_up_frames: 0, isolation: Isolation::On, ..CameraSettings::default() };
    change(&mut settings);
    Camera::start(
        SourceSpec::parse(source).unwrap(),
        &settings,
        &TrustedCertificates::default(),
        EventLog::new(),
        Arc::new(|| {}),
    )
    .unwrap()
}

#[track_caller]
fn wait(camera: &Camera, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
    let deadline = Instant::now() + PATIENCE;
    let mut statuses = camera.status();
    while let Some(fresh) = statuses.wait_fresh(deadline) {
        if wanted(&fresh.value) {
            return fresh.value;
        }
    }
    panic!("never {what}: {:#?}", statuses.current());
}

fn streams(status: &Status) -> bool {
    status.state == State::Streaming
}

#[test]
fn a_worker_delivers_what_the_source_does() {
    let camera = start("sim:320x240@30,seed=3", |_| {});
    // A busy machine takes a while until nothing is late.
    let status = wait(&camera, "healthy", |status| {
        let is_quick = status.latency_ms.is_some_and(|latency| latency < 100.0);
        streams(status) && status.frames > 60 && status.health_score >= Some(90) && is_quick
    });
    assert!(status.is_isolated && (status.fps - 30.0).abs() < 3.0, "{status:?}");
    // The same camera in this process shows the same picture under the same number.
    let here = start("sim:320x240@30,seed=3", |settings| settings.isolation = Isolation::Off);
    assert!(!wait(&here, "streaming", streams).is_isolated);
    let size = camera.frames().current().unwrap().image.size();
    assert_eq!(size, here.frames().current().unwrap().image.size());
}

#[test]
fn pictures_may_be_kept_and_the_size_may_change() {
    let camera = start("sim:320x240@60,resize=640x480@1s+1s", |_| {});
    let mut frames = camera.frames();
    let deadline = Instant::now() + PATIENCE;
    let mut kept = Vec::new();
    while kept.len() < 150 {
        kept.push(frames.wait_fresh(deadline).unwrap().value);
    }
    let n_large = kept.iter().filter(|frame| frame.image.size().width == 640).count();
    assert!((20..=80).contains(&n_large), "{n_large}");
    assert!(kept.windows(2).all(|pair| pair[0].number < pair[1].number && pair[0].taken_at <= pair[1].taken_at));
    drop(camera);
    // The memory of a worker that has ended can still be read.
    assert!(kept.iter().all(|frame| frame.image.pixels().len() == frame.image.size().n_bytes()));
}

/// The camera fails as told, and works again.
#[track_caller]
fn check_recovery(source: &str, kind: &str) {
    let camera = start(source, |settings| settings.recovery.stall_deadline_secs = 0.5);
    wait(&camera, "streaming at first", streams);
    let status =
        wait(&camera, "at fault", |status| status.last_fault.as_ref().is_some_and(|fault| fault.kind.slug() == kind));
    assert_ne!(status.state, State::Streaming);
    wait(&camera, "streaming again", streams);
}

#[test]
fn no_fault_of_a_driver_is_more_than_a_fault() {
    check_recovery("sim:320x240,hang@1s+2s", "hung");
    check_recovery("sim:320x240,crash@1s+1s", "crashed");
    check_recovery("sim:320x240,stall@1s+2s", "stall");
    check_recovery("sim:320x240,unplug@1s+2s", "unplugged");
}

#[test]
fn eight_hung_cameras_are_closed_together() {
    let cameras: Vec<_> = ["open-hang", "hang"]
        .iter()
        .cycle()
        .take(8)
        .map(|fault| start(&format!("sim:160x120,{fault}"), |_| {}))
        .collect();
    for camera in cameras.iter().skip(1).step_by(2) {
        wait(camera, "open", |status| status.is_opened);
    }
    let before = Instant::now();
    Camera::close_all(cameras);
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::Read;
    use std::path::Path;
    use std::process::{Child, Stdio};

    use camclinic::camera::Command;

    use super::*;

    /// The processes that this one has started and that have not ended.
    fn children_of(parent: u32) -> Vec<u32> {
        let stat_of = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // “pid (name) state parent …”, where the name may hold anything.
        let is_child = |stat: &str| {
            let rest = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
            rest.is_some_and(|rest| rest[0] != "Z" && rest[1] == parent.to_string())
        };
        pids.filter(|pid| is_child(&stat_of(*pid))).collect()
    }

    fn wait_until(what: &str, patience: Duration, wanted: impl Fn() -> bool) {
        let deadline = Instant::now() + patience;
        while !wanted() {
            assert!(Instant::now() < deadline, "never {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(name: &str, pid: u32) {
        let status = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The program with an isolated camera, and the worker's number.
    fn program(source: &str) -> (Child, u32) {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.json");
        fs::write(&settings, r#"{"version":1,"isolation":"on"}"#).unwrap();
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_camclinic"))
            .args(["status", source, "--settings"])
            .arg(settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("a worker", PATIENCE, || !children_of(child.id()).is_empty());
        let worker = children_of(child.id())[0];
        (child, worker)
    }

    #[test]
    fn no_worker_outlives_the_program() {
        for source in ["sim:", "sim:open-hang", "sim:hang@100ms"] {
            let (mut child, worker) = program(source);
            child.kill().unwrap();
            child.wait().unwrap();
            // Whoever inherits it may take long to bury it.
            let has_ended =
                || fs::read_to_string(format!("/proc/{worker}/stat")).map_or(true, |stat| stat.contains(") Z "));
            wait_until("ended", Duration::from_secs(1), has_ended);
        }
    }

    #[test]
    fn a_worker_that_is_killed_or_stopped_is_replaced() {
        let me = std::process::id();
        // The children of this process are also those of the tests beside it: the worker is found by its source.
        let workers = |mark: &str| -> Vec<u32> {
            let environment = |pid: u32| fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has = |pid: &u32| environment(*pid).windows(mark.len()).any(|part| part == mark.as_bytes());
            children_of(me).into_iter().filter(has).collect()
        };
        let camera = start("sim:160x120@57", |_| {});
        wait(&camera, "streaming", streams);
        let mark = format!("CAMCLINIC_SOURCE={}", "sim:160x120@57");
        let first = workers(&mark);
        assert_eq!(first.len(), 1, "one worker for one camera");
        signal("STOP", first[0]);
        wait(&camera, "silent", |status| status.last_fault.is_some());
        wait(&camera, "streaming again", streams);
        let second = workers(&mark);
        assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
        signal("KILL", second[0]);
        let status = wait(&camera, "crashed", |status| status.last_fault.is_some());
        assert_eq!(status.last_fault.as_ref().unwrap().kind.slug(), "crashed");
        wait(&camera, "streaming again", streams);
        camera.send(Command::Stop);
        wait(&camera, "stopped", |status| status.state == State::Idle);
        wait_until("no worker", PATIENCE, || workers(&mark).is_empty());
    }

    /// A worker that says `script`, as a shell prints it, and what the program makes of it.
    #[track_caller]
    fn check(script: &str, kind: &str, says: &str) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        let hello = r#"say() { printf '\036[%s,%s]\n' "$1" "$2"; }; hello() { say 0 '{"Hello":{"version":11}}'; }"#;
        let opened = r#"opened() { hello; read -r order; say 0 '{"Opened":{"got":{"size":{"width":4,"height":2},"fps":30.0,"format":"BGR3","n_buffers":null}}}'; }"#;
        let frame = r#"frame() { opened; say 1 "{\"NeedMemory\":{\"n_bytes\":$1}}"; read -r order; say 2 "{\"Frame\":{\"stamp\":{\"taken_at_us\":$2,\"sequence\":null},\"slot\":{\"generation\":$3,\"slot\":$4,\"width\":$5,\"height\":2,\"got\":null}}}"; }"#;
        fs::write(&worker, format!("#!/bin/sh\n{hello}\n{opened}\n{frame}\n{script}\n")).unwrap();
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = folder.path().join("settings.json");
        // Not tried again, so that the first fault is the one that is seen.
        let quick = r#"{"version":1,"isolation":"on","recovery":{"automatic":false}}"#;
        fs::write(&settings, quick).unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_camclinic"))
            .args(["status", "sim:", "--json", "--settings"])
            .arg(settings)
            .env("CAMCLINIC_WORKER", &worker)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().code().is_some(), "{script}: the program itself died");
        let status: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fault = &status["last_fault"];
        let message = fault["message"].as_str().unwrap_or_default();
        assert!(fault["kind"] == kind && message.contains(says), "{script}: {fault:#}");
        assert_eq!(status["is_healthy"], false);
    }

    #[test]
    fn whatever_a_worker_says_is_only_a_fault() {
        let cases: &[(&str, &str, &str)] = &[
            ("exit 0", "backend-missing", "ended by itself"),
            (
                "echo 'error while loading shared libraries: libopencv_videoio.so.406: no such file' >&2; exit 127",
                "backend-missing",
                "libopencv_videoio.so.406",
            ),
            (r#"say 0 '{"Hello":{"version":99}}'; read -r order"#, "backend-missing", "another version"),
            (r"say 0 '{}'; read -r order", "crashed", "cannot be understood"),
            ("hello; printf '\\036[0,{\"Ope'", "crashed", "in the middle of a message"),
            ("hello; read -r order; kill -s SEGV $$", "crashed", "signal: 11"),
            ("hello; read -r order; echo 'the driver says no' >&2; exit 9", "crashed", "the driver says no"),
            ("hello; read -r order; say 0 '\"Restarted\"'; read -r order", "crashed", "Restarted"),
            ("opened; say 1 '{\"NeedMemory\":{\"n_bytes\":900000000000000}}'; read -r order", "crashed", "bytes"),
            ("opened; say 1 '{\"NeedMemory\":{\"n_bytes\":0}}'; read -r order", "crashed", "bytes"),
            ("frame 24 5 1 77 4; read -r order", "crashed", "slot 77"),
            ("frame 24 5 2 0 4; read -r order", "crashed", "memory 2"),
            ("frame 24 5 1 0 99999; read -r order", "crashed", "99999x2"),
            ("frame 24 5 1 0 16000; read -r order", "crashed", "slot of 4096 bytes"),
            ("frame 24 9000000000000000000 1 0 4; read -r order", "crashed", "µs"),
            ("opened; say 4000000000 '\"Heartbeat\"'; read -r order", "crashed", "4000000000 µs"),
            ("opened; say -5 '\"Heartbeat\"'; read -r order", "crashed", "-5 µs"),
            ("frame 24 5 1 0 4; say 3 '\"Heartbeat\"'; sleep 60", "hung", "no sign of life"),
            ("opened; while :; do say 0 '\"Restarted\"'; done", "crashed", "cannot be understood"),
            (
                "opened; say 1 '{\"Controls\":{\"cause\":\"Listed\",\"changed\":[{\"id\":1}],\"is_last\":true,\"refused\":[]}}'; read -r order",
                "crashed",
                "cannot be understood",
            ),
            ("opened; say 1 '{\"Logins\":[{\"scheme\":7}]}'; read -r order", "crashed", "cannot be understood"),
            ("opened; while :; do echo driver babble; done", "hung", "no sign of life"),
            ("opened; say 1 '{\"NeedMemory\":{\"n_bytes\":500000000}}'; read -r order", "crashed", "500000000 bytes"),
        ];
        std::thread::scope(|scope| {
            for (script, kind, says) in cases {
                scope.spawn(move || check(script, kind, says));
            }
        });
    }

    /// What the program makes of a real worker when `sed` changes what is said: what the program hears with `is_heard`, else
    /// what it says. Whatever that is, it ends, and says one thing with its answer and its exit code.
    #[track_caller]
    fn check_changed(is_heard: bool, change: &str) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        let real = Path::new(env!("CARGO_BIN_EXE_camclinic")).with_file_name("camclinic-worker");
        let (real, sed) = (format!("'{}'", real.display()), format!("sed -u '{change}'"));
        let piped = if is_heard { format!("{real} | {sed}") } else { format!("{sed} | {real}") };
        fs::write(&worker, format!("#!/bin/sh\n{piped}\n")).unwrap();
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = folder.path().join("settings.json");
        fs::write(&settings, r#"{"version":1,"isolation":"on","recovery":{"automatic":false}}"#).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_camclinic"))
            .args(["status", "sim:160x120@30", "--json", "--settings"])
            .arg(settings)
            .env("CAMCLINIC_WORKER", &worker)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{piped}: {said}");
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let is_critical = status["state"] != "streaming";
        assert_eq!(is_critical, !status["last_fault"].is_null(), "{piped}: {status:#}");
        assert_eq!(output.status.code() == Some(2), is_critical, "{piped}: {status:#}");
    }

    #[test]
    fn messages_may_be_lost_doubled_late_or_garbled() {
        // By number of the message, heartbeats among them.
        let changes = ["d", "p", "s/{/x/", "s/[0-9]\\{1,\\}/4000000000/g", "q", "e sleep 2"];
        std::thread::scope(|scope| {
            for n in 1..=5 {
                for change in changes {
                    scope.spawn(move || check_changed(true, &format!("{n}{change}")));
                    if n <= 3 {
                        scope.spawn(move || check_changed(false, &format!("{n}{change}")));
                    }
                }
            }
        });
    }

    #[test]
    fn a_worker_that_is_killed_at_its_start_is_started_again() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (worker, mark) = (folder.path().join("worker"), folder.path().join("mark"));
        let real = env!("CARGO_BIN_EXE_camclinic-worker");
        let script = format!(
            "#!/bin/sh\nif mkdir '{}' 2>/dev/null; then kill -9 $$; fi\nexec '{real}' \"$@\"\n",
            mark.display()
        );
        fs::write(&worker, script).unwrap();
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_camclinic"))
            .args([
                "monitor",
                "sim:64x48@10",
                "--isolation",
                "on",
                "--duration",
                "0.15",
                "--interval",
                "1",
                "--json",
                "--settings",
            ])
            .arg(folder.path().join("settings.json"))
            .env("CAMCLINIC_WORKER", &worker)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let last = lines.find(|line| !line["state"].is_null()).unwrap();
        assert_eq!(last["state"], "streaming", "{text}");
        assert!(mark.exists() && text.contains("\"crashed\""), "{text}");
    }

    #[test]
    fn a_worker_that_is_missing_or_no_program_is_named() {
        for (make, says) in [("none", "is gone"), ("text", "does not start"), ("folder", "may not be started")] {
            let folder = tempfile::tempdir().unwrap();
            let worker = folder.path().join("worker");
            match make {
                "text" => {
                    use std::os::unix::fs::PermissionsExt;
                    fs::write(&worker, "#!/no/such/shell\n").unwrap();
                    fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
                }
                "folder" => fs::create_dir(&worker).unwrap(),
                _ => {}
            }
            let settings = folder.path().join("settings.json");
            fs::write(&settings, r#"{"version":1,"isolation":"on"}"#).unwrap();
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_camclinic"))
                .args(["status", "sim:", "--json", "--settings"])
                .arg(settings)
                .env("CAMCLINIC_WORKER", &worker)
                .output()
                .unwrap();
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(status["last_fault"]["kind"], "backend-missing", "{make}: {status:#}");
            assert!(status["last_fault"]["message"].as_str().unwrap().contains(says), "{make}: {status:#}");
            assert_eq!((status["state"].as_str(), output.status.code()), (Some("failed"), Some(2)));
        }
    }

    /// The status of an isolated camera, asked for by a shell that first makes the computer poor.
    fn status_when(poor: &str) -> Option<serde_json::Value> {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "{poor} || exit 77; exec \"$1\" status sim:1280x720 --isolation on --json --settings \"$2/settings.json\""
        );
        let output = std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
            .arg(env!("CARGO_BIN_EXE_camclinic"))
            .arg(folder.path())
            .env("TMPDIR", folder.path())
            .output()
            .ok()?;
        if [Some(77), Some(1)].contains(&output.status.code()) {
            eprintln!("skipped: this system lets nobody mount a small file system");
            return None;
        }
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The same for each of several ways, side by side, as each waits most of the time; without those that this system does not let be.
    fn statuses_when(poor: &[String]) -> Vec<(&str, serde_json::Value)> {
        std::thread::scope(|scope| {
            let asked: Vec<_> = poor.iter().map(|how| (how, scope.spawn(|| status_when(how)))).collect();
            asked.into_iter().filter_map(|(how, status)| Some((how.as_str(), status.join().unwrap()?))).collect()
        })
    }

    /// Containers often have a small folder for shared memory, or none that can be written to.
    #[test]
    fn pictures_need_no_folder_for_shared_memory() {
        let poor = ["mount -t tmpfs -o size=64k none", "mount -t tmpfs -o ro none"];
        let poor = poor.map(|how| format!("{how} /dev/shm && {how} \"$TMPDIR\""));
        for (how, status) in statuses_when(&poor) {
            assert_eq!(status["state"], "streaming", "{how}: {status:#}");
        }
    }

    #[test]
    fn too_few_file_handles_are_told() {
        let hows: Vec<_> = (7..=10).map(|n| format!("ulimit -n {n}")).collect();
        let statuses = statuses_when(&hows);
        let kinds: Vec<_> = statuses
            .iter()
            .map(|(_, status)| match status["state"].as_str() {
                Some("streaming") => "streaming",
                _ => status["last_fault"]["kind"].as_str().unwrap_or("none"),
            })
            .collect();
        assert!(kinds.is_empty() || kinds.contains(&"no-resources"), "{kinds:?}");
        assert!(kinds.iter().all(|kind| ["no-resources", "streaming"].contains(kind)), "{kinds:?}");
    }

    #[test]
    fn no_worker_is_started_to_see_that_a_camera_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.json");
        fs::write(&settings, r#"{"version":1,"isolation":"on"}"#).unwrap();
        for source in ["sim:open-missing", "sim:unplug", "/dev/video77"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_camclinic"))
                .args(["status", source, "--json", "--settings"])
                .arg(&settings)
                .env("CAMCLINIC_WORKER", folder.path().join("none"))
                .output()
                .unwrap();
            let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(status["last_fault"]["kind"], "missing", "{source}: {status:#}");
        }
    }
}
