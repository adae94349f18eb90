//! Looking on over HTTP: how soon, how many at once, how late, and what it costs. The program itself is at work, in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::machine;
use crate::served::{Browser, FAR, Served, Socket, socket_over};
use crate::table::{Scale, Times, print, print_plain, print_skipped};

/// What all of these watch: a picture of it has about 40 kB.
const CAMERA: &str = "sim:640x480@30";
/// As a link over a mobile phone, in bytes a second.
const SLOW: usize = 200_000;
const BOUNDARY: &[u8] = b"\r\n--camclinic\r\nContent-Type: image/jpeg\r\n\r\n";

// ---- scripts

/// Ten pictures at once, a hundred in a row, and a camera that comes back.
pub fn captures(scale: Scale) {
    let served = Served::start(&[CAMERA]);
    served.wait_healthy();
    let good = thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(|| served.get("/capture"))).collect();
        all.into_iter().filter_map(|answer| answer.join().ok()).filter(|answer| answer.status == 200).count()
    });
    print("pictures asked for at once", &format!("{good} of 10"), "10 of 10", 10, good == 10);
    let times = Times::new((0..100).map(|_| {
        let began = Instant::now();
        assert_eq!(served.get("/capture").status, 200);
        began.elapsed()
    }));
    let mean = times.mean();
    let words = format!("mean {:.1} ms; {}", mean * 1e3, times.in_ms());
    print("a hundred pictures in a row", &words, "mean ≤ 10 ms", times.len(), mean <= 0.01);
    let back = Times::new((0..scale.of(10)).filter_map(|_| time_to_come_back()));
    print("a camera is plugged in again: live picture", &back.in_words(), "≤ 1.5 s", back.len(), back.at(1.0) <= 1.5);
}

/// From when the camera can be opened again to the first live picture that somebody gets.
fn time_to_come_back() -> Option<Duration> {
    const AWAY: Duration = Duration::from_secs(3);
    let served = Served::start(&["sim:320x240@30,unplug@5s+3s"]);
    served.wait_healthy();
    let deadline = Instant::now() + FAR;
    // The last live picture tells when it went.
    let mut last = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = served.get("/capture?strict=1&quality=low");
        if answer.status == 200 {
            let is_back = asked.saturating_duration_since(last) > AWAY / 2;
            let age = answer.head("x-age-ms")?.parse().ok()?;
            if is_back {
                return Some(asked.elapsed() + asked.saturating_duration_since(last + AWAY));
            }
            last = asked.checked_sub(Duration::from_millis(age))?;
        }
        assert!(Instant::now() < deadline, "it never comes back");
        thread::sleep(Duration::from_millis(60));
    }
}

// ---- viewers

/// Which pictures a viewer got whole, and when.
type Got = BTreeMap<u64, Instant>;

fn mark(jpeg: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Pictures of a simulated camera differ in their last bytes, or in their length.
    (jpeg.len(), jpeg.last_chunk::<256>()).hash(&mut hasher);
    hasher.finish()
}

/// Somebody who looks on until he is told to end.
struct Viewer {
    got: Arc<Mutex<Got>>,
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Viewer {
    fn start(work: impl FnOnce(&Mutex<Got>, &AtomicBool) + Send + 'static) -> Self {
        let (got, ends) = (Arc::<Mutex<Got>>::default(), Arc::<AtomicBool>::default());
        let (own_got, own_ends) = (Arc::clone(&got), Arc::clone(&ends));
        let run = move || work(&own_got, &own_ends);
        let thread = thread::Builder::new().name("viewer".to_owned()).spawn(run).ok();
        Self { got, ends, thread }
    }

    /// As a browser shows `/stream`.
    fn stream(address: SocketAddr, quality: &'static str, bytes_a_second: Option<usize>) -> Self {
        Self::start(move |got, ends| {
            let mut stream = Throttled::new(connect(address), bytes_a_second);
            write!(stream, "GET /stream?quality={quality} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
            let (mut all, mut buffer, mut from) = (Vec::new(), [0; 16_384], 0);
            while !ends.load(Ordering::Relaxed) {
                let Ok(n) = stream.read(&mut buffer) else { return };
                assert!(n > 0, "the stream ended");
                all.extend_from_slice(&buffer[..n]);
                while let Some(at) = find(&all[from..], BOUNDARY) {
                    let part = &all[..from + at];
                    let jpeg = find(part, &[0xff, 0xd8, 0xff]).map(|begin| &part[begin..]);
                    if let Some(jpeg) = jpeg {
                        // Pieces of the transfer (RFC 9112, section 7.1) end with a line.
                        got.lock().unwrap().insert(mark(jpeg), Instant::now());
                    }
                    all.drain(..from + at + BOUNDARY.len());
                    from = 0;
                }
                from = all.len().saturating_sub(BOUNDARY.len());
            }
        })
    }

    /// As the page asks for each picture.
    fn socket(address: SocketAddr, quality: &'static str, bytes_a_second: Option<usize>) -> Self {
        Self::start(move |got, ends| {
            let stream = Throttled::new(connect(address), bytes_a_second);
            let mut socket: Socket<Throttled> = socket_over(stream, address, "/ws", Some("camclinic.1"));
            let wish = json!({ "type": "request_frame", "camera": 1, "quality": quality }).to_string();
            socket.send(tungstenite::Message::text(wish.clone())).unwrap();
            while !ends.load(Ordering::Relaxed) {
                let Ok(message) = socket.read() else { return };
                if let tungstenite::Message::Binary(bytes) = message {
                    got.lock().unwrap().insert(mark(&bytes[16..]), Instant::now());
                    socket.send(tungstenite::Message::text(wish.clone())).unwrap();
                }
            }
        })
    }

    fn n(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    fn end(mut self) -> Got {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == what[0]) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(FAR)).unwrap();
    stream
}

/// A connection of which no more is taken than this a second.
struct Throttled {
    stream: TcpStream,
    bytes_a_second: Option<usize>,
    next_at: Instant,
}

impl Throttled {
    /// So that what is taken at once is a few packets.
    const MAX_AT_ONCE: usize = 4_096;

    fn new(stream: TcpStream, bytes_a_second: Option<usize>) -> Self {
        Self { stream, bytes_a_second, next_at: Instant::now() }
    }
}

impl Read for Throttled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(rate) = self.bytes_a_second else { return self.stream.read(buffer) };
        thread::sleep(self.next_at.saturating_duration_since(Instant::now()));
        let most = buffer.len().min(Self::MAX_AT_ONCE);
        let n = self.stream.read(&mut buffer[..most])?;
        self.next_at = self.next_at.max(Instant::now()) + Duration::from_secs_f64(n as f64 / rate as f64);
        Ok(n)
    }
}

impl io::Write for Throttled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Many who look on cost no more coding than one.
pub fn viewers(scale: Scale) {
    const MANY: usize = 64;
    let what = "coding for 64 viewers, against one";
    let served = Served::start(&[CAMERA]);
    served.wait_healthy();
    let pid = served.pid();
    let coding = || {
        machine::cpu_of_threads(pid)
            .iter()
            .filter(|(name, _)| name.starts_with("share-"))
            .map(|(_, cpu)| *cpu)
            .sum::<u64>()
    };
    let n_coded = || served.get("/stats").json()["pictures_coded"].as_u64().unwrap();
    // The server's own work for each viewer is beside it.
    let sending =
        || machine::cpu_of_threads(pid).iter().filter(|(name, _)| name == "share").map(|(_, cpu)| *cpu).sum::<u64>();
    let time = Duration::from_secs(scale.of(60) as u64);
    let measure = |n: usize| {
        let all: Vec<_> = (0..n).map(|_| Viewer::stream(served.address, "medium", None)).collect();
        let deadline = Instant::now() + FAR;
        while all.iter().any(|viewer| viewer.n() < 3) {
            assert!(Instant::now() < deadline, "not all of {n} get pictures");
            thread::sleep(Duration::from_millis(100));
        }
        // One place is left free for whoever asks how it stands.
        let (coding_before, sending_before, began) = (coding(), sending(), Instant::now());
        let before = all[0].n();
        thread::sleep(time);
        let secs = began.elapsed().as_secs_f64();
        let n_pictures = (all[0].n() - before) as f64;
        let result = (
            (coding() - coding_before) as f64 / 1e9 / secs,
            (sending() - sending_before) as f64 / 1e9 / secs,
            n_pictures / secs,
        );
        all.into_iter().for_each(|viewer| drop(viewer.end()));
        result
    };
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let one = measure(1);
    let before = n_coded();
    let many = measure(MANY);
    let coded = (n_coded() - before) as f64;
    let (each_of_one, each_of_many) = (one.0 / one.2, many.0 / many.2);
    let ratio = each_of_many / each_of_one;
    let words = format!(
        "{ratio:.2} × a picture ({:.2} and {:.2} ms); {:.1} and {:.1} fps; {coded:.0} coded",
        each_of_one * 1e3,
        each_of_many * 1e3,
        one.2,
        many.2
    );
    print(what, &words, "≤ 1.05 ×", MANY, ratio <= 1.05);
    print_plain(
        "sending to them",
        &format!("{:.1} % of a core for one, {:.1} % for all", one.1 * 100.0, many.1 * 100.0),
        MANY,
    );
}

/// Nobody watches.
pub fn idle(scale: Scale) {
    let what = "nobody looks on";
    if !machine::has_proc() {
        return print_skipped(what, "there is no /proc");
    }
    let served = Served::start(&[CAMERA]);
    served.wait_healthy();
    // Whoever was there a moment ago is still served.
    thread::sleep(Duration::from_secs(8));
    let cpu = || {
        machine::cpu_of_threads(served.pid())
            .iter()
            .filter(|(name, _)| name.starts_with("share"))
            .map(|(_, cpu)| *cpu)
            .sum::<u64>()
    };
    let n_coded = || served.get("/stats").json()["pictures_coded"].as_u64().unwrap();
    let (coded_before, before, began) = (n_coded(), cpu(), Instant::now());
    thread::sleep(Duration::from_secs(scale.of(60) as u64));
    let percent = (cpu() - before) as f64 / 1e7 / began.elapsed().as_secs_f64();
    let coded = n_coded() - coded_before;
    let words = format!("{coded} pictures coded, {percent:.3} % of a core");
    print(what, &words, "0, ≤ 0.1 %", 1, coded == 0 && percent <= 0.1);
}

/// One with a slow link beside 63 others.
pub fn slow_viewer(scale: Scale) {
    slow_beside("stream (MJPEG)", 1.5, scale, |address| Viewer::stream(address, "high", Some(SLOW)));
    slow_beside("page (WebSocket)", 0.7, scale, |address| Viewer::socket(address, "high", Some(SLOW)));
}

fn slow_beside(how: &str, bar_secs: f64, scale: Scale, slow: impl FnOnce(SocketAddr) -> Viewer) {
    const OTHERS: usize = 63;
    let served = Served::start(&[CAMERA]);
    served.wait_healthy();
    let pid = served.pid();
    let others: Vec<_> = (0..OTHERS).map(|_| Viewer::stream(served.address, "high", None)).collect();
    let deadline = Instant::now() + FAR;
    while others.iter().any(|viewer| viewer.n() < 3) {
        assert!(Instant::now() < deadline, "not all get pictures");
        thread::sleep(Duration::from_millis(100));
    }
    thread::sleep(Duration::from_secs(10));
    let memory_before = machine::memory_of(pid).unwrap_or_default();
    let slow = slow(served.address);
    let ends = Instant::now() + Duration::from_secs(scale.of(300) as u64);
    let mut memory = memory_before;
    while Instant::now() < ends {
        thread::sleep(Duration::from_secs(1));
        memory = memory.max(machine::memory_of(pid).unwrap_or_default());
    }
    let slow = slow.end();
    let all: Vec<Got> = others.into_iter().map(Viewer::end).collect();
    // What each of the others should have: all that any of them got, but for the edges.
    let mut first: Got = BTreeMap::new();
    for (picture, at) in all.iter().flatten() {
        first.entry(*picture).and_modify(|earliest| *earliest = (*earliest).min(*at)).or_insert(*at);
    }
    let begin = first.values().min().unwrap().to_owned() + Duration::from_secs(8);
    let end = ends.checked_sub(Duration::from_secs(2)).unwrap();
    let due: BTreeSet<u64> =
        first.iter().filter(|(_, at)| **at > begin && **at < end).map(|(picture, _)| *picture).collect();
    let lost: usize = all.iter().map(|got| due.iter().filter(|picture| !got.contains_key(picture)).count()).sum();
    let lags =
        Times::new(slow.iter().filter_map(|(picture, at)| Some(at.saturating_duration_since(*first.get(picture)?))));
    let grown = memory - memory_before;
    let words =
        format!("lag {}; the others lost {lost} of {}; memory + {grown:.1} MB", lags.in_words(), due.len() * OTHERS);
    let is_reached = lags.at(1.0) <= bar_secs && lost == 0 && grown <= 1.0;
    print(&format!("slow viewer, {how}"), &words, &format!("≤ {bar_secs} s, 0, ≤ 1 MB"), lags.len(), is_reached);
}

// ---- the page

/// Installed before the page's own script: when what happened, on the page's own clock.
const WATCH: &str = "addEventListener('DOMContentLoaded',()=>{const told=window.told={};new MutationObserver(()=>{\
    const d=document.body.dataset,now=performance.now();if(+d.frames>0&&!told.first)told.first=now;\
    if(+d.frames!==told.frames){told.frames=+d.frames;told.last=now}\
    if(d.state==='streaming'){told.live=now;told.stale=null}else if(told.live&&!told.stale){told.stale=now;told.age=+d.ageMs}\
    }).observe(document.body,{attributes:true})})";

/// How soon a browser shows the first picture, and that pictures come no more.
pub fn page(scale: Scale) {
    let what = "page: first picture";
    let served = Served::start(&[CAMERA]);
    served.wait_healthy();
    let Some(mut browser) = Browser::open("about:blank", "390,844") else {
        return print_skipped(what, "there is no chromium");
    };
    browser.ask("Page.enable", &json!({}));
    browser.ask("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH }));
    let url = format!("http://{}/", served.address);
    let n = scale.of(10).max(3);
    let first = Times::of_secs((0..n).map(|_| {
        browser.ask("Page.navigate", &json!({ "url": url }));
        browser.wait("window.told && told.first > 0");
        let ms = browser.value("told.first").as_f64().unwrap();
        // Nobody codes any more when the next one comes.
        browser.ask("Page.navigate", &json!({ "url": "about:blank" }));
        thread::sleep(Duration::from_secs(7));
        ms / 1e3
    }));
    print(what, &first.in_ms(), "≤ 0.5 s", first.len(), first.at(1.0) <= 0.5);
    // The program stands still: no message says so.
    let stood = Times::of_secs((0..n).map(|_| {
        browser.ask("Page.navigate", &json!({ "url": url }));
        browser.wait("window.told && document.body.dataset.state === 'streaming' && told.frames > 30");
        machine::signal(served.pid(), "STOP");
        browser.wait("told.stale > 0");
        let ms = browser.value("told.stale - told.last").as_f64().unwrap();
        machine::signal(served.pid(), "CONT");
        ms / 1e3
    }));
    print("page: the program stands still", &stood.in_ms(), "told ≤ 1.2 s", stood.len(), stood.at(1.0) <= 1.2);
    let stalled = Times::of_secs((0..n).map(|_| {
        let served = Served::start(&["sim:640x480@30,stall@8s+600s"]);
        browser.ask("Page.navigate", &json!({ "url": format!("http://{}/", served.address) }));
        browser.wait("window.told && told.stale > 0");
        // The last picture comes once more then, dimmed: what counts is how old it is.
        browser.value("told.age").as_f64().unwrap() / 1e3
    }));
    print("page: the camera stands still", &stalled.in_ms(), "told ≤ 1.2 s", stalled.len(), stalled.at(1.0) <= 1.2);
}
