//! `--metrics`: the numbers of the monitored cameras for Prometheus, in its text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), over the little of HTTP/1.1 that this takes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::record::Totals;
use crate::latest::Reader;
use crate::recorder::RecorderNews;
use crate::recorder::storage::{CallTimes, StorageHealth, StorageState};
use crate::status::{AlertName, State, Status};

/// A request and its answer, together. Prometheus gives up after ten seconds by default.
const DEADLINE: Duration = Duration::from_secs(2);
/// Requests that are answered at once. For one more the oldest is cut off: whoever asks without delay has his answer by then.
const MAX_CONNECTIONS: usize = 8;
const MAX_REQUEST: usize = 8 << 10;
/// How often is looked for a request.
const POLL: Duration = Duration::from_millis(20);

/// One camera at one moment.
#[derive(Clone)]
pub(super) struct CameraMetrics {
    pub source: String,
    pub status: Arc<Status>,
    pub totals: Totals,
    /// Where it is recorded.
    pub recorder: Option<RecorderNews>,
}

impl CameraMetrics {
    /// A value of its recording or of the disk that it goes to.
    fn recorded(&self, value: impl FnOnce(&RecorderNews) -> Option<f64>) -> Vec<(Labels, f64)> {
        maybe(self.recorder.as_ref().and_then(value))
    }

    /// How long calls to that disk took, in seconds.
    fn calls(&self, times: impl FnOnce(&StorageHealth) -> Option<CallTimes>) -> Vec<(Labels, f64)> {
        let times = self.recorder.as_ref().and_then(|news| times(&news.storage));
        let of = |times: CallTimes| [("median", times.p50), ("p95", times.p95), ("longest", times.max)];
        let labelled = |(which, ms)| (vec![("which", String::from(which))], ms / 1_000.0);
        times.map(of).into_iter().flatten().map(labelled).collect()
    }
}

type Labels = Vec<(&'static str, String)>;

/// A metric: name, type, help, and its values of a camera.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&CameraMetrics) -> Vec<(Labels, f64)>,
}

const fn family(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: fn(&CameraMetrics) -> Vec<(Labels, f64)>,
) -> Family {
    Family { name, kind, help, values }
}

fn one(value: f64) -> Vec<(Labels, f64)> {
    vec![(Vec::new(), value)]
}

fn maybe(value: Option<f64>) -> Vec<(Labels, f64)> {
    value.map(one).unwrap_or_default()
}

const STATES: [State; 5] = [State::Idle, State::Opening, State::Streaming, State::Recovering, State::Failed];
const STORAGE_STATES: [StorageState; 4] =
    [StorageState::Good, StorageState::Slow, StorageState::Full, StorageState::Gone];

/// Everything that is served. The names stay: dashboards know them.
const FAMILIES: &[Family] = &[
    family("camera_info", "gauge", "What the camera is; always 1.", |sample| {
        let status = &sample.status;
        vec![(vec![("name", status.name.to_string()), ("backend", status.backend.clone())], 1.0)]
    }),
    family("camera_up", "gauge", "Whether a live picture comes.", |sample| {
        one(f64::from(u8::from(sample.status.is_capturing)))
    }),
    family("camera_healthy", "gauge", "Whether a live picture comes and the score is good.", |sample| {
        one(f64::from(u8::from(sample.status.is_healthy)))
    }),
    family("camera_state", "gauge", "1 for the state in which the camera is, 0 for the others.", |sample| {
        let of = |state: State| f64::from(u8::from(sample.status.state == state));
        // Under the names that the JSON has.
        let name = |state: State| serde_json::to_value(state).ok()?.as_str().map(str::to_owned);
        STATES.iter().filter_map(|state| Some((vec![("state", name(*state)?)], of(*state)))).collect()
    }),
    family("camera_health_score", "gauge", "Health score, 0 to 100.", |sample| {
        maybe(sample.status.health_score.map(f64::from))
    }),
    family("camera_frames_per_second", "gauge", "Good frames a second, over the last two seconds.", |sample| {
        one(sample.status.fps)
    }),
    family("camera_width_pixels", "gauge", "Width of the picture.", |sample| one(f64::from(sample.status.width))),
    family("camera_height_pixels", "gauge", "Height of the picture.", |sample| one(f64::from(sample.status.height))),
    family("camera_frames_total", "counter", "Good frames.", |sample| one(sample.status.frames as f64)),
    family(
        "camera_frames_dropped_total",
        "counter",
        "Frames that the camera made and nobody saw, by place.",
        |sample| {
            let drops = sample.status.drops;
            let place = |name: &str, n: u64| (vec![("place", name.to_owned())], n as f64);
            vec![place("camera", drops.camera), place("damaged", drops.damaged)]
        },
    ),
    family("camera_last_frame_age_seconds", "gauge", "Age of the newest good frame.", |sample| {
        maybe(sample.status.last_frame_age_secs)
    }),
    family(
        "camera_latency_seconds",
        "gauge",
        "From the driver's hand-over to the decoded picture, smoothed.",
        |sample| maybe(sample.status.latency_ms.map(|ms| ms / 1_000.0)),
    ),
    family("camera_consecutive_failures", "gauge", "Failures since the last good frame.", |sample| {
        one(f64::from(sample.status.consecutive_failures))
    }),
    family("camera_recovery_attempts", "gauge", "Reconnections since the last good frame.", |sample| {
        one(f64::from(sample.status.recovery_attempts))
    }),
    family(
        "camera_outage_seconds",
        "gauge",
        "How long there has been no live picture; 0 while there is one.",
        |sample| one(sample.status.outage_secs.unwrap_or(0.0)),
    ),
    family("camera_outages_total", "counter", "Times without a live picture that something failed in.", |sample| {
        one(f64::from(sample.totals.outages))
    }),
    family("camera_recoveries_total", "counter", "Outages that have ended.", |sample| {
        one(f64::from(sample.totals.recoveries))
    }),
    family("camera_down_seconds_total", "counter", "All outages together, the one that goes on included.", |sample| {
        one(sample.totals.outage_secs)
    }),
    family("camera_alert", "gauge", "1 while the alert stands open.", |sample| {
        let alerts = [AlertName::CameraIssue, AlertName::CameraCritical];
        let is_open = |name| sample.status.alerts.iter().any(|alert| alert.name == name);
        let one = |name: AlertName| (vec![("alert", name.as_str().to_owned())], f64::from(u8::from(is_open(name))));
        alerts.into_iter().map(one).collect()
    }),
    family("camera_fault", "gauge", "1 for the kind of the last fault, while there is one.", |sample| {
        let fault = sample.status.last_fault.iter();
        fault.map(|fault| (vec![("kind", fault.kind.slug().to_owned())], 1.0)).collect()
    }),
    family("camera_reboot_advised", "gauge", "Whether a restart of the computer is what is left.", |sample| {
        one(f64::from(u8::from(sample.status.should_reboot)))
    }),
    family("recording_up", "gauge", "Whether a clip is being written.", |sample| {
        sample.recorded(|news| Some(f64::from(u8::from(news.recording.is_writing))))
    }),
    family("recording_trouble", "gauge", "Whether something is not written that should be.", |sample| {
        sample.recorded(|news| Some(f64::from(u8::from(news.recording.trouble.is_some()))))
    }),
    family("recording_clips_total", "counter", "Clips that were closed.", |sample| {
        sample.recorded(|news| Some(news.recording.clips as f64))
    }),
    family("recording_pictures_total", "counter", "Pictures that were recorded.", |sample| {
        sample.recorded(|news| Some(news.recording.pictures as f64))
    }),
    family("recording_pictures_lost_total", "counter", "Pictures that were to be recorded and are not.", |sample| {
        sample.recorded(|news| Some(news.recording.lost as f64))
    }),
    family("storage_state", "gauge", "1 for the state of the disk of the clips, 0 for the others.", |sample| {
        let Some(news) = &sample.recorder else { return Vec::new() };
        let is = |state: StorageState| f64::from(u8::from(news.storage.state == state));
        let name = |state: StorageState| serde_json::to_value(state).ok()?.as_str().map(str::to_owned);
        STORAGE_STATES.iter().filter_map(|state| Some((vec![("state", name(*state)?)], is(*state)))).collect()
    }),
    family("storage_free_bytes", "gauge", "Room on the disk of the clips.", |sample| {
        sample.recorded(|news| news.storage.free_bytes.map(|bytes| bytes as f64))
    }),
    family("storage_left_seconds", "gauge", "Until that disk is full at the rate of the last minute.", |sample| {
        sample.recorded(|news| news.storage.hours_left.map(|hours| hours * 3_600.0))
    }),
    family("storage_written_bytes_per_second", "gauge", "What is written to it, over the last minute.", |sample| {
        sample.recorded(|news| Some(news.storage.mb_per_sec * 1e6))
    }),
    family("storage_write_seconds", "gauge", "How long writing to it took in the last minute.", |sample| {
        sample.calls(|storage| storage.write_ms)
    }),
    family("storage_sync_seconds", "gauge", "How long it took to have all of it on the disk.", |sample| {
        sample.calls(|storage| storage.sync_ms)
    }),
    family("storage_queue_bytes", "gauge", "What waits to be written.", |sample| {
        sample.recorded(|news| Some(news.storage.queue_bytes as f64))
    }),
    family("storage_queue_seconds", "gauge", "The same as time of recording.", |sample| {
        sample.recorded(|news| Some(news.storage.queue_secs))
    }),
    family("storage_pictures_dropped_total", "counter", "Pictures for which the disk was too slow.", |sample| {
        sample.recorded(|news| Some(news.storage.dropped as f64))
    }),
];

/// The page.
fn render(samples: &[CameraMetrics]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "# HELP camclinic_build_info Which Camclinic this is; always 1.\n# TYPE camclinic_build_info gauge\n\
         camclinic_build_info{{version=\"{version}\"}} 1\n"
    );
    for Family { name, kind, help, values } in FAMILIES {
        text += &format!("# HELP camclinic_{name} {help}\n# TYPE camclinic_{name} {kind}\n");
        for sample in samples {
            for (labels, value) in values(sample) {
                text += &format!("camclinic_{name}{{source=\"{}\"", escaped(&sample.source));
                for (label, value) in labels {
                    text += &format!(",{label}=\"{}\"", escaped(&value));
                }
                text += &format!("}} {value}\n");
            }
        }
    }
    text
}

/// As the format wants the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Answers until it is dropped. Requests at work end within two seconds, by themselves.
pub(super) struct Server {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// # Errors
    /// The address is none, others could reach it and may not, or the system does not give it.
    pub(super) fn start(
        address: &str,
        may_be_reached: bool,
        samples: Reader<Vec<CameraMetrics>>,
    ) -> Result<Self, String> {
        let asked = parse(address, may_be_reached)?;
        let cannot = |error: io::Error| format!("Metrics cannot be served at {asked}: {error}. Choose another port.");
        let listener = TcpListener::bind(asked).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let serve = move || serve(&listener, &samples, &is_over);
        thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(cannot)?;
        Ok(Self { address, stop })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Host names are not looked up: that may take minutes, and the address might be any.
fn parse(text: &str, may_be_reached: bool) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = local.map(|port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let Some(address) = local.or_else(|| text.parse().ok()) else {
        return Err(format!("--metrics takes an address and a port, as in 127.0.0.1:9464, not “{text}”."));
    };
    if address.ip().is_loopback() || may_be_reached {
        return Ok(address);
    }
    Err(format!(
        "Other computers could read the metrics at {address}: choose an address of this computer alone, such as \
         127.0.0.1:{}, or allow it with --metrics-anywhere.",
        address.port()
    ))
}

fn serve(listener: &TcpListener, samples: &Reader<Vec<CameraMetrics>>, is_over: &AtomicBool) {
    let is_public = listener.local_addr().is_ok_and(|address| !address.ip().is_loopback());
    // Clients that are being answered: each is closed by its thread.
    let mut open: VecDeque<Weak<TcpStream>> = VecDeque::new();
    while !is_over.load(Ordering::Relaxed) {
        // Also when the program has as many files open as it may: the next look may find room.
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(POLL);
            continue;
        };
        open.retain(|client| client.strong_count() > 0);
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front().and_then(|client| client.upgrade())
        {
            // Its thread ends with it.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        let stream = Arc::new(stream);
        open.push_back(Arc::downgrade(&stream));
        let samples = samples.clone();
        // Errors of a client are the client's.
        let converse = move || drop(converse(&stream, &samples, is_public));
        // Without a thread the client is turned away.
        let _ = thread::Builder::new().name("metrics-client".to_owned()).spawn(converse);
    }
}

fn converse(mut stream: &TcpStream, samples: &Reader<Vec<CameraMetrics>>, is_public: bool) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    // Some systems hand down what the listener is.
    stream.set_nonblocking(false)?;
    let request = read_head(stream, deadline)?;
    let answer = answer(&request, is_public, || samples.current().map_or_else(String::new, |samples| render(&samples)));
    let mut rest = answer.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        let n = stream.write(rest)?;
        rest = rest.get(n..).unwrap_or_default();
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    // Closed with something unread, a connection is reset, and the answer may be lost.
    stream.shutdown(Shutdown::Write)?;
    let mut buffer = [0; 1_024];
    for _ in 0..MAX_REQUEST / buffer.len() {
        stream.set_read_timeout(Some(left(deadline)?))?;
        if stream.read(&mut buffer)? == 0 {
            break;
        }
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Request line and headers, or as much of them as there may be.
fn read_head(mut stream: &TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1_024];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let n = stream.read(&mut buffer)?;
        head.extend_from_slice(buffer.get(..n).unwrap_or_default());
        let is_whole = head.windows(4).any(|end| end == b"\r\n\r\n");
        if n == 0 || is_whole || head.len() > MAX_REQUEST {
            return Ok(head);
        }
    }
}

/// Whether a request means this computer. A web page can have its own name stand for this computer's address, and would read what
/// only this computer may (DNS rebinding): under a name there is no answer. Where everybody may read, names are good that no
/// page of the web has.
fn is_host_ours(request: &str, is_public: bool) -> bool {
    let hosts = request.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut hosts = hosts.filter(|(name, _)| name.trim().eq_ignore_ascii_case("host")).map(|(_, host)| host.trim());
    // Every browser names one (RFC 9112, section 3.2).
    let Some(host) = hosts.next() else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let number = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_known = number.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || is_public && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_known && hosts.next().is_none()
}

/// The answer to a request; `page` makes the metrics.
fn answer(request: &[u8], is_public: bool, page: impl FnOnce() -> String) -> String {
    let text = String::from_utf8_lossy(request);
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<_> = first.split(' ').collect();
    let [method, target, version] = words.as_slice() else {
        return response("400 Bad Request", "", "This is no request.\n", false);
    };
    if !version.starts_with("HTTP/1.") || !text.contains("\r\n\r\n") {
        let is_long = request.len() > MAX_REQUEST;
        let status = if is_long { "431 Request Header Fields Too Large" } else { "400 Bad Request" };
        return response(status, "", "This is no request that is understood here.\n", false);
    }
    if !is_host_ours(&text, is_public) {
        let words = "Ask by the number of this computer, as in http://127.0.0.1:9464/metrics.\n";
        return response("421 Misdirected Request", "", words, false);
    }
    let is_head = *method == "HEAD";
    if !is_head && *method != "GET" {
        return response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "Only GET and HEAD.\n", false);
    }
    match target.split('?').next().unwrap_or_default() {
        "/metrics" => response("200 OK", "", &page(), is_head),
        "/" => response("200 OK", "", "Camclinic. The metrics are at /metrics.\n", is_head),
        _ => response("404 Not Found", "", "The metrics are at /metrics.\n", is_head),
    }
}

fn response(status: &str, header: &str, body: &str, is_head: bool) -> String {
    let shown = if is_head { "" } else { body };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n{header}\r\n{shown}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_address(text: &str, may_be_reached: bool, expected: Result<&str, &str>) {
        match (parse(text, may_be_reached), expected) {
            (Ok(address), Ok(expected)) => assert_eq!(address.to_string(), expected),
            (Err(sentence), Err(says)) => assert!(sentence.contains(says), "{sentence}"),
            (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn only_this_computer_unless_told_otherwise() {
        check_address("127.0.0.1:9464", false, Ok("127.0.0.1:9464"));
        check_address("127.9.9.9:1", false, Ok("127.9.9.9:1"));
        check_address("localhost:0", false, Ok("127.0.0.1:0"));
        check_address("[::1]:80", false, Ok("[::1]:80"));
        check_address("0.0.0.0:9464", false, Err("127.0.0.1:9464, or allow it with --metrics-anywhere"));
        check_address("[::]:9464", false, Err("Other computers"));
        check_address("192.0.2.7:9464", false, Err("Other computers"));
        check_address("0.0.0.0:9464", true, Ok("0.0.0.0:9464"));
        for nonsense in ["", "9464", ":9464", "127.0.0.1", "example.org:80", "127.0.0.1:99999", "localhost"] {
            check_address(nonsense, true, Err("as in 127.0.0.1:9464"));
        }
    }

    #[track_caller]
    fn check_answer(request: &str, status: &str, body: &str) {
        let answer = answer(request.as_bytes(), false, || "page".to_owned());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        let (_, got) = answer.split_once("\r\n\r\n").unwrap();
        assert!(got.contains(body) && (!body.is_empty() || got.is_empty()), "{request:?}: {answer}");
    }

    #[test]
    fn requests_are_answered_and_nonsense_is_refused() {
        check_answer("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n", "200", "page");
        check_answer("GET /metrics?a=b HTTP/1.0\r\n\r\n", "200", "page");
        check_answer("HEAD /metrics HTTP/1.1\r\n\r\n", "200", "");
        check_answer("GET / HTTP/1.1\r\n\r\n", "200", "/metrics");
        check_answer("GET /../etc/passwd HTTP/1.1\r\n\r\n", "404", "/metrics");
        check_answer("POST /metrics HTTP/1.1\r\n\r\n", "405", "GET");
        check_answer("GET /metrics HTTP/2\r\n\r\n", "400", "request");
        check_answer("GET /metrics HTTP/1.1\r\n", "400", "request");
        check_answer("", "400", "request");
        check_answer("\u{0}\u{1}", "400", "request");
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(MAX_REQUEST));
        check_answer(&long, "431", "request");
    }

    #[test]
    fn a_page_of_the_web_gets_no_answer_under_its_own_name() {
        let check = |host: &str, expected: [bool; 2]| {
            let request = format!("GET / HTTP/1.1\r\nX: y\r\nhost: {host}\r\n\r\n");
            let got = [false, true].map(|is_public| is_host_ours(&request, is_public));
            assert_eq!(got, expected, "{host}");
        };
        for ours in ["127.0.0.1", "127.0.0.1:9464", "[::1]", "[::1]:9464", "localhost", "LocalHost:1", "192.0.2.7:80"] {
            check(ours, [true, true]);
        }
        for theirs in
            ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example", "", ":80", "[x]."]
        {
            check(theirs, [false, false]);
        }
        check("till-3:9464", [false, true]);
        check("127.0.0.1\r\nHost: evil.example", [false, false]);
        check_answer("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", "127.0.0.1");
        assert!(is_host_ours("GET / HTTP/1.0\r\n\r\n", false));
    }

    #[test]
    fn values_of_labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
