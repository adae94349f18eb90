//! A real RTSP camera: GStreamer's server in a process of its own, which is always reaped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use camclinic::frame::Image;

const PATIENCE: Duration = Duration::from_secs(30);

/// The system's own knows the system's modules; the one on the path may be another.
const PYTHONS: [&str; 2] = ["/usr/bin/python3", "python3"];

pub struct Server {
    child: Child,
    lines: Receiver<String>,
    pub port: u16,
    python: &'static str,
    arguments: Vec<String>,
}

impl Server {
    /// `None`, and a word, where GStreamer's server is not installed.
    pub fn start(arguments: &str) -> Option<Self> {
        let has = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; \
                   Gst.init(None); raise SystemExit(any(not Gst.ElementFactory.find(name) for name in \
                   ['x264enc', 'jpegenc', 'rtph264pay', 'rtpjpegpay', 'appsrc']))";
        let can = |python: &&&str| {
            Command::new(python).args(["-c", has]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let Some(python) = PYTHONS.iter().find(can) else {
            println!(
                "skipped: python3-gi, gir1.2-gst-rtsp-server-1.0 or GStreamer's plugins (base, good, ugly) are missing"
            );
            return None;
        };
        let mut server = Self::spawn(python, arguments.split_whitespace().map(str::to_owned).collect());
        let line = server.line_beginning("PORT ");
        server.port = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        Some(server)
    }

    fn spawn(python: &'static str, arguments: Vec<String>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rtsp_server.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(10_000);
        let read = move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        thread::Builder::new().name("server-output".into()).spawn(read).unwrap();
        Self { child, lines, port: 0, python, arguments }
    }

    pub fn url(&self, login: &str) -> String {
        format!("rtsp://{login}127.0.0.1:{}/cam", self.port)
    }

    #[track_caller]
    pub fn line_beginning(&self, begin: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("the server never said {begin}"));
            if line.starts_with(begin) {
                return line;
            }
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// After `kill`, on the same port. Returns when it listens.
    pub fn start_again(&mut self) {
        let port = self.port;
        let mut arguments = self.arguments.clone();
        if !arguments.iter().any(|argument| argument == "--port") {
            arguments.extend(["--port".to_owned(), port.to_string()]);
        }
        *self = Self::spawn(self.python, arguments);
        self.port = port;
        self.line_beginning("PORT ");
    }

    /// `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of a picture, and how long ago it was made, as the server has written it into the picture.
pub fn read(image: &Image) -> (u64, Duration) {
    let (width, block) = (image.size().width as usize, image.size().width as usize / 20);
    let bit = |n: usize| {
        let (x, y) = (n % 20 * block + block / 2, n / 20 * 16 + 8);
        u64::from(image.pixels().get((y * width + x) * 3 + 1).is_some_and(|green| *green > 128))
    };
    let bits = (0..40).fold(0, |bits, n| bits << 1 | bit(n));
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let age = now.wrapping_sub(bits) & 0xff_ffff;
    (bits >> 24, Duration::from_millis(age))
}
