//! A planted password is found nowhere: the real program talks to a camera that refuses every login.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::commands::{command_in, stderr, stdout};

/// As somebody types it, with whatever a URL has signs for.
const IN_LOGIN: &str = "Gq7!k#z@p%9ß";
const IN_QUERY: &str = "Xw4.k~v2";

/// Every spelling in which one of them might turn up.
fn spellings() -> Vec<String> {
    let escaped = "Gq7%21k%23z%40p%259%C3%9F".to_owned();
    // The heads and tails that are left if a part of it is masked or cut at one of its odd characters.
    vec![IN_LOGIN.to_owned(), escaped.to_lowercase(), escaped, IN_QUERY.to_owned(), "Gq7".to_owned(), "Xw4".to_owned()]
}

#[track_caller]
fn check_clean(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for spelling in spellings() {
        assert!(!text.contains(&spelling), "{what} has the password as {spelling}:\n{text}");
    }
}

fn check_output(what: &str, output: &Output) {
    check_clean(what, &output.stdout);
    check_clean(what, &output.stderr);
}

fn check_folder(folder: &Path) -> usize {
    let mut n_files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        check_clean("the name of a file", path.to_string_lossy().as_bytes());
        if path.is_dir() {
            n_files += check_folder(&path);
        } else {
            n_files += 1;
            check_clean(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
    n_files
}

/// A camera that wants a login and takes none, and repeats in its answers what it was asked for.
struct Camera {
    port: u16,
    n_requests: Arc<AtomicUsize>,
}

impl Camera {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let n_requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&n_requests);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                thread::Builder::new().name("camera-client".to_owned()).spawn(move || answer(stream, &count)).unwrap();
            }
        };
        thread::Builder::new().name("camera".to_owned()).spawn(serve).unwrap();
        Self { port, n_requests }
    }

    fn address(&self) -> String {
        format!("rtsp://admin:{IN_LOGIN}@127.0.0.1:{}/live?pwd={IN_QUERY}", self.port)
    }
}

fn answer(mut stream: TcpStream, n_requests: &AtomicUsize) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut head = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            head.push(line);
            continue;
        }
        n_requests.fetch_add(1, Ordering::Relaxed);
        let request = std::mem::take(&mut head);
        let sequence =
            request.iter().find(|line| line.to_lowercase().starts_with("cseq:")).cloned().unwrap_or_default();
        let asked = request.first().cloned().unwrap_or_default();
        let reply = format!(
            "RTSP/1.0 401 Unauthorized for {asked}\r\n{sequence}\r\nServer: {asked}\r\n\
             WWW-Authenticate: Digest realm=\"camera\", nonce=\"abc\"\r\nContent-Length: 0\r\n\r\n"
        );
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn no_command_tells_the_password() {
    let camera = Camera::start();
    let address = camera.address();
    let folder = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 8] = [
        &["status", &address, "--json", "-v", "-v"],
        &["status", &address, "--detailed", "-v", "-v"],
        &["status", &address, "--format", "nagios"],
        &["test", &address, "--json", "-v", "-v"],
        &["test", &address, "-v", "-v"],
        &["monitor", &address, "--duration", "0.05", "--json", "-v", "-v"],
        &["snapshot", &address, "--output", "picture.png", "--json", "-v", "-v"],
        &["recover", &address, "--deadline", "2", "--json", "-v", "-v"],
    ];
    // Side by side: most of their time is waiting.
    let outputs: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = commands
            .iter()
            .map(|arguments| {
                scope.spawn(|| (arguments.join(" "), command_in(folder.path(), arguments).output().unwrap()))
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (what, output) in &outputs {
        let what = what.replace(&address, "…");
        check_output(&what, output);
        let said = format!("{}{}", stdout(output), stderr(output));
        assert_ne!(output.status.code(), Some(0), "{what}: it did not work: {said}");
        assert!(!said.contains("unexpected argument") && !said.contains("Usage:"), "{what}: {said}");
    }
    for arguments in [["history", &address, "--json"].as_slice(), &["log", "--json"], &["log"]] {
        check_output(arguments[0], &command_in(folder.path(), arguments).output().unwrap());
    }
    assert!(check_folder(folder.path()) > 0, "log and history are written");
    assert!(camera.n_requests.load(Ordering::Relaxed) > 0, "the camera was spoken to");
}

#[test]
fn an_address_that_cannot_be_read_does_not_tell_it_either() {
    for address in [
        format!("rtsp://admin:{IN_LOGIN}@"),
        format!("rtsp://admin:{IN_LOGIN}/1"),
        format!("ftp://admin:{IN_LOGIN}@cam/1"),
        format!("rtsp://admin:{IN_LOGIN}@cam:99999/?pwd={IN_QUERY}"),
        format!("rtsp://admin:{IN_LOGIN}@my cam/"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = command_in(folder.path(), &["status", &address, "--json", "-v", "-v"]).output().unwrap();
        check_output(&address.replace(IN_LOGIN, "…").replace(IN_QUERY, "…"), &output);
    }
}

#[cfg(all(target_os = "linux", feature = "opencv"))]
mod seen_by_others {
    use std::collections::BTreeMap;
    use std::fs;
    use std::net::TcpListener;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::commands::command_in;
    use super::{IN_LOGIN, IN_QUERY, check_clean};

    /// The command line and environment of what this process and its children started, by number and name.
    fn family(parent: u32) -> BTreeMap<(u32, String), Vec<u8>> {
        let mut parents = BTreeMap::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let Some((head, rest)) = stat.rsplit_once(')') else { continue };
            let name = head.split_once('(').map(|(_, name)| name.to_owned()).unwrap_or_default();
            let Some(Ok(ppid)) = rest.split_whitespace().nth(1).map(str::parse::<u32>) else { continue };
            parents.insert(pid, (ppid, name));
        }
        let is_of_family = |mut pid: u32| {
            // No chain of processes is longer.
            for _ in 0..64 {
                match parents.get(&pid) {
                    Some((ppid, _)) if *ppid == parent => return true,
                    Some((ppid, _)) => pid = *ppid,
                    None => return false,
                }
            }
            false
        };
        let told = |pid: u32| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            [read("cmdline"), read("environ")].concat()
        };
        parents
            .iter()
            .filter(|(pid, _)| is_of_family(**pid))
            .map(|(pid, (_, name))| ((*pid, name.clone()), told(*pid)))
            .collect()
    }

    /// What other users and other programs see of the capture process.
    #[test]
    fn the_capture_process_shows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A camera that accepts and is silent: the capture process waits for it.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let address = format!("rtsp://admin:{IN_LOGIN}@127.0.0.1:{port}/live?pwd={IN_QUERY}");
        let mut program = command_in(folder.path(), &["monitor", &address, "--duration", "0.2", "--json"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut n_looks = 0;
        while n_looks < 3 {
            assert!(Instant::now() < deadline, "there is no capture process");
            for ((_, name), told) in family(program.id()) {
                // Between fork and exec it is still the program, whose own command line is the user's doing.
                if name.starts_with("camclinic-work") && !told.is_empty() {
                    check_clean("the capture process", &told);
                    n_looks += 1;
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        program.kill().unwrap();
        program.wait().unwrap();
    }
}

#[cfg(feature = "gui")]
mod in_the_window {
    use camclinic::address::Address;
    use camclinic::event::{Event, Level};
    use camclinic::fault::{Fault, FaultKind};
    use camclinic::source::SourceSpec;
    use camclinic::status::{State, Status};
    use camclinic::ui::address::Field;
    use egui_kittest::kittest::Queryable;

    use super::super::addresses::texts;
    use super::super::ui::{harness, status, window};
    use super::{IN_LOGIN, IN_QUERY, check_clean};

    /// The window with a camera whose login was refused, as the engine tells of it.
    #[test]
    fn no_text_of_the_window_has_it() {
        let address = Address::parse(&format!("rtsp://admin:{IN_LOGIN}@cam/live?pwd={IN_QUERY}")).unwrap();
        let spec = SourceSpec::Url(address.clone());
        let message = spec.mask_in(&format!("401 Unauthorized for {}", address.with_login()));
        let fault = Fault::new(FaultKind::LoginRefused, message.clone());
        let status = Status {
            source: spec.to_string(),
            name: spec.name().into(),
            state: State::Failed,
            last_fault: Some(fault),
            ..status()
        };
        let mut window = window(status);
        window.shell.settings.network.remember(&address);
        window.panes[0].spec = spec.clone();
        let event = Event {
            id: 99,
            at: jiff::Timestamp::now(),
            instant: window.shell.now,
            camera: None,
            source: spec.to_string(),
            level: Level::Error,
            name: "login-refused".to_owned(),
            message: message.into(),
            details: serde_json::Map::new(),
        };
        window.shell.log.add([std::sync::Arc::new(event)]);
        let mut harness = harness(window);
        check_clean("the window", texts(&harness).as_bytes());
        check_clean("the log", harness.state().shell.log.as_text().as_bytes());
        for field in [Field::Whole, Field::Password] {
            harness.state_mut().with_selected(|pane, shell| pane.open_address(shell, field));
            harness.run();
            check_clean("the dialogue", texts(&harness).as_bytes());
        }
        harness.get_by_label("Open").click();
        harness.run();
        let state = harness.state();
        check_clean("the settings", serde_json::to_string(&state.shell.settings).unwrap().as_bytes());
        check_clean("the requests", format!("{:?}", state.shell.requests).as_bytes());
        harness.state_mut().with_selected(|pane, shell| pane.test_shown(shell));
        harness.run();
        check_clean("the test", texts(&harness).as_bytes());
    }
}
