//! The web page, run as a program: scripts, browsers, whoever looks on, and whoever attacks it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::served::{Browser, FAR, Served, command, socket, text_of};

/// A camera that is unplugged again and again: whoever comes late on a busy computer sees it too.
fn unplugged(period_secs: u32, for_secs: u32) -> String {
    let faults: Vec<_> = (0..12).map(|n| format!("unplug@{}s+{for_secs}s", period_secs * (n + 1))).collect();
    format!("sim:320x240@30,{}", faults.join(","))
}

#[test]
fn scripts_of_before_get_what_they_know() {
    let served = Served::start(&["sim:320x240@30"]);
    served.wait_healthy();
    let stats = served.get("/stats").json();
    for (key, is_it) in [
        ("camera_index", Value::is_number as fn(&Value) -> bool),
        ("is_opened", Value::is_boolean),
        ("consecutive_failures", Value::is_number),
        ("has_cached_frame", Value::is_boolean),
        ("is_healthy", Value::is_boolean),
        ("fps", Value::is_f64),
        ("width", Value::is_number),
        ("height", Value::is_number),
        ("backend", Value::is_f64),
    ] {
        assert!(is_it(&stats[key]), "{key}: {stats}");
    }
    assert_eq!((&stats["width"], &stats["height"], &stats["is_healthy"]), (&320.into(), &240.into(), &true.into()));
    let health = served.get("/api/v1/health/").json();
    assert_eq!((&health["status"], &health["has_cached_frame"]), (&"healthy".into(), &true.into()));
    assert_eq!(served.get("/api/v1/stream/video/status").json()["camera"]["connected"], true);
    // Ten at once.
    thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(|| served.get("/capture"))).collect();
        for answer in all {
            let answer = answer.join().unwrap();
            assert!(answer.status == 200 && answer.is_jpeg(), "{} {}", answer.status, answer.heads);
        }
    });
    // A hundred in a row.
    assert!((0..100).all(|_| served.get("/capture").status == 200));
    let small = served.get("/capture?width=80&quality=low");
    assert!(small.is_jpeg() && small.heads.to_lowercase().contains("x-age-ms: "), "{}", small.heads);
    assert_eq!(served.get("/capture?quality=fine").status, 400);
    assert_eq!(served.get("/capture?width=0").status, 400);
}

#[test]
fn a_camera_that_is_away_is_told_and_comes_back() {
    let served = Served::start(&[&unplugged(10, 3)]);
    served.wait_healthy();
    let away = served.wait("it is never away", |health| health["status"] == "degraded");
    assert_eq!(away["has_cached_frame"], true);
    assert!(away["reason"].as_str().unwrap().contains("is gone"), "{away}");
    // The last picture, dimmed; or none, where only a live one will do.
    let last = served.get("/capture");
    assert!(last.is_jpeg() && last.heads.to_lowercase().contains("x-state: "), "{}", last.heads);
    assert_eq!(served.get("/capture?strict=1").status, 503);
    assert_eq!(served.get("/health?strict=1").status, 503);
    served.wait_healthy();
    let events = served.get("/api/v1/events").json();
    assert!(events["events"].as_array().unwrap().iter().any(|event| event["name"] == "recovered"), "{events}");
    let history = served.get("/api/v1/history").json();
    assert!(!history["seconds_ago_and_score"].as_array().unwrap().is_empty(), "{history}");
    let marks = history["seconds_ago_level_and_event"].as_array().unwrap();
    assert!(marks.iter().any(|mark| mark[1] == "good" && mark[0].as_f64().is_some()), "{history}");
    let metrics = served.get("/metrics").text();
    let outages = metrics.lines().find(|line| line.starts_with("camclinic_camera_outages_total{")).unwrap();
    assert!(!outages.ends_with(" 0"), "{outages}");
}

#[test]
fn a_camera_that_hangs_holds_up_no_answer() {
    let served = Served::start(&["sim:open-hang", "--isolation", "on"]);
    for _ in 0..5 {
        let health = served.get("/health");
        assert_eq!((health.status, &health.json()["has_cached_frame"]), (200, &false.into()));
    }
    // No picture is invented: what comes says that it is none.
    let picture = served.get("/capture");
    assert!(picture.status == 200 && !picture.heads.contains("x-state: streaming"), "{}", picture.heads);
    assert_eq!(served.get("/capture?strict=1").status, 503);
}

#[test]
fn several_cameras_have_their_own_addresses() {
    let served = Served::start(&["sim:320x240@30", "sim:160x120@30,pattern=still"]);
    served.wait_healthy();
    let cameras = served.get("/api/v1/cameras").json();
    let ids: Vec<_> = cameras["cameras"].as_array().unwrap().iter().map(|camera| camera["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2)]);
    let width = |path: &str| served.get(path).json()["width"].clone();
    assert_eq!(
        [width("/stats"), width("/cameras/1/stats"), width("/cameras/2/stats")],
        [320, 320, 160].map(Value::from)
    );
    assert!(served.get("/cameras/2/capture").is_jpeg());
    for none in
        ["/cameras/3/capture", "/cameras/x/health", "/cameras/-1/health", "/cameras/99999999999/stats", "/nothing"]
    {
        assert_eq!(served.get(none).status, 404, "{none}");
    }
    let metrics = served.get("/metrics").text();
    assert!(metrics.contains("camclinic_camera_up{source=\"sim:320x240@30\"} 1"), "{metrics}");
    assert!(metrics.contains("camclinic_camera_outages_total{source=\"sim:320x240@30\"} 0"), "{metrics}");
}

#[test]
fn pictures_come_one_after_the_other() {
    const HEAD: &[u8] = b"--camclinic\r\nContent-Type: image/jpeg\r\n\r\n";
    let served = Served::start(&["sim:160x120@30"]);
    served.wait_healthy();
    let mut stream = served.connect();
    write!(stream, "GET /stream?quality=low HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4_096];
    let count = |all: &[u8]| all.windows(HEAD.len()).filter(|window| *window == HEAD).count();
    let deadline = Instant::now() + FAR;
    while count(&all) < 11 {
        assert!(Instant::now() < deadline);
        let n = stream.read(&mut buffer).unwrap();
        all.extend_from_slice(&buffer[..n]);
    }
    // Each is followed by the head of the next, so that it is shown at once.
    let n_jpegs = all.windows(3).filter(|window| *window == [0xff, 0xd8, 0xff]).count();
    assert!(n_jpegs >= 10, "{n_jpegs}");
    let viewers = served.get("/sessions").json();
    assert!(viewers["viewers"][0]["frames"].as_u64().unwrap() >= 10, "{viewers}");
}

#[test]
fn pages_of_before_ask_for_each_picture() {
    let served = Served::start(&[&unplugged(20, 10)]);
    served.wait_healthy();
    let mut socket = socket(&served, "/ws?user=me", None);
    let mut ask = |quality: &str| {
        let wish = json!({ "type": "request_frame", "quality": quality });
        socket.send(tungstenite::Message::text(wish.to_string())).unwrap();
        text_of(&mut socket)
    };
    // It is away for a while now and then.
    let deadline = Instant::now() + FAR;
    for quality in ["low", "medium", "high", "original"] {
        let frame = loop {
            let frame = ask(quality);
            if frame["type"] != "no_frame" {
                break frame;
            }
            assert!(Instant::now() < deadline, "{frame}");
        };
        assert_eq!((&frame["type"], &frame["camera"]), (&"frame".into(), &1.into()), "{frame}");
        assert!(frame["data"].as_str().unwrap().starts_with("/9j/"), "{frame}");
    }
    let refused = ask("fine");
    assert_eq!(refused["type"], "error", "{refused}");
    let deadline = Instant::now() + FAR;
    let none = loop {
        let answer = ask("low");
        if answer["type"] == "no_frame" {
            break answer;
        }
        assert!(Instant::now() < deadline, "{answer}");
    };
    assert!(none["reason"].as_str().unwrap().contains("is gone"), "{none}");
}

#[test]
fn our_page_is_told_what_happens() {
    let served = Served::start(&["sim:160x120@30"]);
    served.wait_healthy();
    let mut socket = socket(&served, "/ws?tab=7", Some("camclinic.1"));
    let mut status = None;
    socket.send(tungstenite::Message::text(r#"{"type":"request_frame","camera":1,"quality":"low"}"#)).unwrap();
    let picture = loop {
        match socket.read().unwrap() {
            tungstenite::Message::Binary(bytes) if status.is_some() => break bytes,
            tungstenite::Message::Binary(_) => {
                socket.send(tungstenite::Message::text(r#"{"type":"request_frame","quality":"low"}"#)).unwrap();
            }
            tungstenite::Message::Text(text) => {
                let told: Value = serde_json::from_str(&text).unwrap();
                if told["type"] == "status" {
                    status = Some(told["camera"].clone());
                }
            }
            _ => {}
        }
    };
    let number = u64::from_be_bytes(picture[..8].try_into().unwrap());
    assert!(number > 0 && picture[12..16] == [0, 1, 0, 1] && picture[16..18] == [0xff, 0xd8], "{:?}", &picture[..18]);
    let status = status.unwrap();
    assert_eq!((&status["state"], &status["id"]), (&"streaming".into(), &1.into()), "{status}");
    // The page connects again: its earlier connection has to go.
    let _again = super::served::socket(&served, "/ws?tab=7", Some("camclinic.1"));
    let deadline = Instant::now() + FAR;
    while !matches!(socket.read(), Err(_) | Ok(tungstenite::Message::Close(_))) {
        assert!(Instant::now() < deadline);
    }
    let viewers = served.get("/sessions").json();
    assert_eq!(viewers["viewers"].as_array().unwrap().len(), 1, "{viewers}");
}

#[test]
fn only_who_has_the_link_looks_on() {
    let served = Served::start_at("0.0.0.0:0", &["sim:160x120@30"]);
    let token = served.token.clone().unwrap();
    assert!(token.len() >= 22, "{token}");
    for path in ["/health", "/capture", "/stream", "/stats", "/metrics", "/sessions", "/api/v1/clips", "/api/v1/events"]
    {
        let answer = served.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains(&token));
    }
    // The page itself tells nothing.
    let page = served.get("/");
    assert!(page.status == 200 && page.text().contains("Camclinic") && !page.text().contains(&token));
    assert_eq!(served.get(&format!("/health?token={token}")).status, 200);
    assert_eq!(served.get_with("/health", &format!("Authorization: Bearer {token}\r\n")).status, 200);
    let bearer = format!(
        "POST /sessions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        served.address
    );
    let session = served.ask(bearer.as_bytes());
    assert_eq!(session.status, 201, "{}", session.text());
    let cookie =
        session.heads.lines().find_map(|line| line.to_lowercase().strip_prefix("set-cookie: ").map(str::to_owned));
    let cookie = cookie.unwrap_or_else(|| panic!("{}", session.heads));
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    assert_eq!(served.get_with("/health", &format!("Cookie: a=b; camclinic_token={token}\r\n")).status, 200);
    // Whoever guesses is sent away, and is not told when he is right.
    for _ in 0..5 {
        assert_eq!(served.get("/health?token=00000000000000000000000000000000").status, 401);
    }
    assert_eq!(served.get(&format!("/health?token={token}")).status, 429);
}

/// What attackers send; who looks on meanwhile is not hurt.
#[test]
fn attacks_get_nowhere() {
    let served = Served::start(&["sim:160x120@30"]);
    served.wait_healthy();
    let own = served.address.to_string();
    let get = |path: &str, heads: &str| served.get_with(path, heads).status;
    // Names that a page of the web has made stand for this computer, and pages of others.
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil.example:8001"] {
        let request = format!("GET /capture HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(served.ask(request.as_bytes()).status, 421, "{host}");
    }
    let twice = format!("GET /stats HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(served.ask(twice.as_bytes()).status, 400);
    let whole = format!("GET http://evil.example/stats HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n");
    assert_eq!(served.ask(whole.as_bytes()).status, 421);
    for heads in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
    ] {
        for path in ["/capture", "/stream", "/stats", "/ws", "/api/v1/status", "/api/v1/clips"] {
            assert_eq!(get(path, heads), 403, "{path} {heads}");
        }
    }
    assert_eq!(get("/", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"), 200, "a link leads here");
    thread::sleep(Duration::from_secs(3));
    // Nothing can be changed.
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "FROB"] {
        for path in ["/stats", "/capture", "/api/v1/status"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: {own}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let status = served.ask(request.as_bytes()).status;
            assert!([400, 404, 405].contains(&status), "{method} {path}: {status}");
        }
    }
    thread::sleep(Duration::from_secs(3));
    // Ways out of the folder of clips.
    for path in [
        "/api/v1/clips/..%2f..%2fetc%2fpasswd",
        "/api/v1/clips/%2e%2e%2f%2e%2e%2fsettings.json",
        "/api/v1/clips/../../../etc/passwd",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/clips/%00",
        "//etc/passwd",
    ] {
        let answer = served.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.text().contains("root:"));
    }
    // Two requests in one, lengths that contradict each other, heads without end.
    let long = format!("GET /stats HTTP/1.1\r\nHost: {own}\r\nX: {}\r\nConnection: close\r\n\r\n", "x".repeat(9_000));
    let longer = format!("GET /{} HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n", "x".repeat(70_000));
    let smuggled = format!(
        "POST /sessions HTTP/1.1\r\nHost: {own}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         0\r\n\r\nGET /capture HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    );
    let two_lengths = format!(
        "POST /sessions HTTP/1.1\r\nHost: {own}\r\nContent-Length: 4\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{{}}  "
    );
    let large = format!(
        "POST /sessions HTTP/1.1\r\nHost: {own}\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\nConnection: close\r\n\r\n{}",
        "x".repeat(10_000)
    );
    for (name, request) in
        [("long", long), ("longer", longer), ("smuggled", smuggled), ("two lengths", two_lengths), ("large", large)]
    {
        let answer = served.ask(request.as_bytes());
        // The length that counts is that of the pieces, and what is behind them is no request (RFC 9112, section 6.3).
        let is_refused = !(200..300).contains(&answer.status);
        assert!(is_refused || name == "smuggled", "{name}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("JFIF") && !answer.text().contains("HTTP/1.1"), "{name}: {}", answer.text());
    }
    for nonsense in [&b"\0\x01\x02\r\n\r\n"[..], b"GET", b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut stream = served.connect();
        let _ = stream.write_all(nonsense);
        drop(stream);
    }
    // A message that is too long ends its connection alone.
    let mut socket = socket(&served, "/ws", None);
    let _ = socket.send(tungstenite::Message::text("x".repeat(1_000_000)));
    let deadline = Instant::now() + FAR;
    while socket.read().is_ok() {
        assert!(Instant::now() < deadline);
    }
    let page = served.get("/");
    for head in
        ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "cache-control: no-store"]
    {
        assert!(page.heads.to_lowercase().contains(head), "{head}: {}", page.heads);
    }
    assert!(!page.heads.to_lowercase().contains("access-control-allow"));
    assert_eq!(served.get("/health").json()["status"], "healthy");
}

/// A site that the user has named may show it, in a frame or with fetch; others may not.
#[test]
fn a_named_site_may_show_it() {
    const SITE: &str = "https://dashboard.example";
    let served = Served::start(&["sim:160x120@30", "--allow-origin", "HTTPS://Dashboard.Example"]);
    served.wait_healthy();
    let check = |path: &str, origin: &str, status: u16, allows: Option<&str>, resources: &str| {
        let answer = served.get_with(path, &format!("Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\n"));
        assert_eq!(answer.status, status, "{path} {origin}");
        assert_eq!(answer.head("access-control-allow-origin"), allows, "{path} {origin}");
        assert_eq!(answer.head("cross-origin-resource-policy"), Some(resources), "{path} {origin}");
        assert_eq!(answer.head("vary"), Some("Origin"));
        let policy = answer.head("content-security-policy").unwrap();
        assert!(policy.contains(&format!("frame-ancestors 'self' {SITE}")), "{policy}");
        assert_eq!(answer.head("x-frame-options"), None, "it knows one site alone");
    };
    for path in ["/health", "/capture", "/stats", "/api/v1/events"] {
        check(path, SITE, 200, Some(SITE), "cross-origin");
        for other in ["https://evil.example", "http://dashboard.example", "https://dashboard.example:8443", "null"] {
            check(path, other, 403, None, "same-origin");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for nonsense in ["dashboard.example", "https://dashboard.example/page", "*", "https://", "https://a b"] {
        let output = command(&folder, &["sim:", "--allow-origin", nonsense]).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(3) && stderr.contains("such as https://dashboard.example"), "{stderr}");
    }
}

/// Heads that come letter by letter, and more connections than there may be.
#[test]
fn slow_and_many_connections_hurt_nobody() {
    let served = Served::start(&["sim:160x120@30"]);
    served.wait_healthy();
    let mut slow = served.connect();
    slow.write_all(b"GET /stats HTTP/1.1\r\n").unwrap();
    let mut idle: Vec<_> = (0..62).map(|_| served.connect()).collect();
    // The last place is taken, and the next one is told so.
    idle.push(served.connect());
    let deadline = Instant::now() + FAR;
    while served.get("/health").status == 200 {
        assert!(Instant::now() < deadline);
    }
    // They say nothing, so they go, and there is room again.
    while served.get("/health").status != 200 {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(300));
    }
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    drop(idle);
}

#[test]
fn what_cannot_be_served_is_told() {
    let check = |listen: &str, says: &str| {
        let folder = tempfile::tempdir().unwrap();
        let output = command(&folder, &["sim:", "--listen", listen]).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{listen}: {stderr}");
        assert!(stderr.contains(says), "{listen}: “{says}” is not in: {stderr}");
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    check(&taken.local_addr().unwrap().to_string(), "Another program has this port");
    check("192.0.2.77:8001", "no address of this computer");
    check("nonsense", "such as 127.0.0.1:8001");
    check("8001", "such as 127.0.0.1:8001");
}

#[cfg(unix)]
#[test]
fn who_comes_and_goes_is_told_and_a_signal_ends_it() {
    use std::io::BufRead as _;
    let mut served = Served::start(&["sim:160x120@30"]);
    served.wait_healthy();
    let mut stream = served.connect();
    write!(stream, "GET /stream?user=Anna HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).unwrap();
    stream.read_exact(&mut [0; 2_000]).unwrap();
    drop(stream);
    let (mut line, mut told) = (String::new(), Vec::new());
    while !told.iter().any(|line: &String| line.contains("has gone")) {
        line.clear();
        assert!(served.lines.read_line(&mut line).unwrap() > 0, "{told:?}");
        told.push(line.clone());
    }
    assert!(told.iter().any(|line| line.contains("Anna at 127.0.0.1 looks on")), "{told:?}");
    let kill = Command::new("kill").args(["-TERM", &served.pid().to_string()]).status().unwrap();
    assert!(kill.success());
    let deadline = Instant::now() + FAR;
    while served.child.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(served.child.0.wait().unwrap().code(), Some(0));
    assert!(served.folder.path().exists());
}

/// A clip in parts, as browsers ask for it.
#[test]
fn clips_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folder.path().join("clips");
    let recorded = Command::new(env!("CARGO_BIN_EXE_camclinic"))
        .args(["record", "sim:160x120@15", "--duration", "0.1", "--to"])
        .arg(&clips)
        .arg("--settings")
        .arg(folder.path().join("settings.json"))
        .env("CAMCLINIC_DATA", folder.path().join("data"))
        .output()
        .unwrap();
    // A busy computer may be told as a warning.
    assert!(matches!(recorded.status.code(), Some(0 | 1)), "{recorded:?}");
    let served = Served::start(&["sim:160x120@15", "--clips", clips.to_str().unwrap()]);
    let listed = served.get("/api/v1/clips").json();
    let clip = &listed["clips"][0];
    let path = format!("/api/v1/clips/{}", clip["id"].as_str().unwrap());
    let whole = served.get(&path);
    assert_eq!((whole.status, whole.body.len() as u64), (200, clip["bytes"].as_u64().unwrap()), "{listed}");
    let part = served.get_with(&path, "Range: bytes=100-199\r\n");
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[100..200]));
    assert_eq!(served.get_with(&path, "Range: bytes=99999999-\r\n").status, 416);
    assert_eq!(served.get("/api/v1/clips/nothing").status, 404);
    assert!(!whole.heads.contains(folder.path().to_str().unwrap()));
}

#[test]
fn no_password_is_in_any_answer() {
    const PASSWORD: &str = "geheimnis-42";
    let source = format!("rtsp://admin:{PASSWORD}@127.0.0.1:9/live");
    let served = Served::start(&[&source]);
    thread::sleep(Duration::from_secs(1));
    for path in
        ["/", "/health", "/stats", "/metrics", "/sessions", "/api/v1/status", "/api/v1/events", "/api/v1/cameras"]
    {
        let answer = served.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains(PASSWORD), "{path}: {}", answer.text());
    }
}

#[test]
fn a_browser_shows_live_pictures_and_greys_what_is_not() {
    let served = Served::start(&[&unplugged(16, 6)]);
    let Some(mut browser) = Browser::open(&format!("http://{}/", served.address), "390,844") else { return };
    browser.wait("document.body.dataset.state === 'streaming' && +document.body.dataset.frames > 20");
    assert_eq!(browser.value("document.documentElement.scrollWidth <= window.innerWidth"), true, "it fits a phone");
    browser.wait("+document.body.dataset.ageMs < 500");
    browser.picture("share-live.png");
    browser.wait(
        "document.body.dataset.state !== 'streaming' && document.getElementById('stage').classList.contains('stale')",
    );
    browser.wait("document.getElementById('note').textContent.includes('gone')");
    browser.picture("share-stale.png");
    assert_eq!(
        browser.value("document.documentElement.scrollWidth <= window.innerWidth"),
        true,
        "it fits a phone then too"
    );
    browser.wait("document.body.dataset.state === 'streaming' && +document.body.dataset.ageMs < 500");
    // The program ends: the page says so by itself.
    drop(served);
    browser.wait("document.body.dataset.state === 'lost'");
}

#[test]
fn a_browser_opens_a_link_with_a_token_and_several_cameras() {
    let served = Served::start_at("0.0.0.0:0", &["sim:320x240@30", "sim:160x120@15,pattern=still"]);
    let token = served.token.clone().unwrap();
    let url = format!("http://{}/#t={token}", served.address);
    let Some(mut browser) = Browser::open(&url, "1280,900") else { return };
    browser.wait("document.querySelectorAll('.tile').length === 2 && +document.body.dataset.frames > 20");
    browser.picture("share-two.png");
    browser.value("document.querySelectorAll('.tile')[1].click()");
    browser.wait("document.getElementById('picture').width === 160");
    assert!(!browser.value("document.documentElement.outerHTML").as_str().unwrap().contains(&token));
}

/// A name with markup in it is a name.
#[test]
fn names_are_no_markup() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({ "version": 2, "cameras": [{ "id": 1, "source": "sim:320x240@30",
        "name": "<img src=x onerror=\"document.title='hacked'\"><b>Yard</b>" }] });
    let path = folder.path().join("named.json");
    std::fs::write(&path, settings.to_string()).unwrap();
    let served = Served::start_with(&["sim:320x240@30"], &path);
    let Some(mut browser) = Browser::open(&format!("http://{}/", served.address), "390,844") else { return };
    browser.wait("document.getElementById('name').textContent.includes('<b>Yard</b>')");
    assert_eq!(browser.value("document.querySelectorAll('header b, img').length"), 0);
    assert_ne!(browser.value("document.title"), "hacked");
}
