//! `camclinic serve` at work, and who looks on: scripts, the page's own connection, and a browser.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::running::Running;

/// Only what hangs takes so long.
pub const FAR: Duration = Duration::from_secs(90);

/// `camclinic serve` at work; killed when this is dropped.
pub struct Served {
    pub child: Running,
    pub lines: BufReader<ChildStdout>,
    pub address: SocketAddr,
    pub token: Option<String>,
    pub folder: TempDir,
}

pub struct Answer {
    pub status: u16,
    pub heads: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a head, whose name is given in small letters.
    pub fn head(&self, name: &str) -> Option<&str> {
        let named = self.heads.lines().filter_map(|line| line.split_once(": "));
        named.into_iter().find(|(head, _)| head.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn is_jpeg(&self) -> bool {
        self.body.starts_with(&[0xff, 0xd8]) && self.body.ends_with(&[0xff, 0xd9])
    }
}

pub fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    command_with(folder, arguments, &folder.path().join("settings.json"))
}

pub fn command_with(folder: &TempDir, arguments: &[&str], settings: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camclinic"));
    command.arg("serve").args(arguments).arg("--settings").arg(settings);
    if !arguments.contains(&"--clips") {
        command.arg("--clips").arg(folder.path().join("clips"));
    }
    command.env("CAMCLINIC_DATA", folder.path().join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

impl Served {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    pub fn start_at(listen: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = command(&folder, &[arguments, &["--listen", listen]].concat());
        Self::run(command, folder)
    }

    /// With these settings.
    pub fn start_with(arguments: &[&str], settings: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = command_with(&folder, &[arguments, &["--listen", "127.0.0.1:0"]].concat(), settings);
        Self::run(command, folder)
    }

    pub fn run(mut command: Command, folder: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let link = line.strip_prefix("Look on at http://").unwrap_or_else(|| panic!("{line}"));
        let (address, rest) = link.split_once('/').unwrap();
        let token = rest.trim().strip_prefix("#t=").map(str::to_owned);
        let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child: Running(child), lines, address: SocketAddr::from(([127, 0, 0, 1], port)), token, folder }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(FAR)).unwrap();
        stream
    }

    /// The answer to these bytes, up to the end of the connection.
    pub fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // Who is turned away may be so before all is said.
        let _ = stream.write_all(request);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let end = all.windows(4).position(|end| end == b"\r\n\r\n");
        let Some(end) = end else {
            return Answer { status: 0, heads: String::from_utf8_lossy(&all).into_owned(), body: Vec::new() };
        };
        let heads = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = heads.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, heads, body: all[end + 4..].to_vec() }
    }

    pub fn get_with(&self, path: &str, heads: &str) -> Answer {
        self.ask(
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{heads}Connection: close\r\n\r\n", self.address).as_bytes(),
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + FAR;
        loop {
            let health = self.get("/health").json();
            if is_so(&health) {
                return health;
            }
            assert!(Instant::now() < deadline, "{what}: {health}");
            thread::sleep(Duration::from_millis(120));
        }
    }

    pub fn wait_healthy(&self) {
        self.wait("it is never healthy", |health| health["status"] == "healthy");
    }
}

pub type Socket<S = TcpStream> = tungstenite::WebSocket<S>;

pub fn socket(served: &Served, path: &str, protocol: Option<&str>) -> Socket {
    socket_over(served.connect(), served.address, path, protocol)
}

/// The same over a connection that is there.
pub fn socket_over<S: Read + Write>(stream: S, address: SocketAddr, path: &str, protocol: Option<&str>) -> Socket<S> {
    use tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    if let Some(protocol) = protocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    }
    tungstenite::client(request, stream).unwrap().0
}

pub fn text_of(socket: &mut Socket) -> Value {
    serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap()
}

/// Debian's Chromium without a screen, driven through its own socket; `None` where there is none.
pub struct Browser {
    _child: Running,
    page: Socket,
    n_asked: u64,
    _folder: TempDir,
}

impl Browser {
    pub fn open(url: &str, size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-port=0",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ])
            .arg(format!("--window-size={size}"))
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: there is no chromium; packaging/setup --test installs it where the system has it");
            return None;
        };
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("DevTools listening on ws://") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the browser ended");
        }
        let address = line.split_once("ws://").unwrap().1.split('/').next().unwrap().to_owned();
        // What it says besides is of no interest, and must not fill the pipe.
        thread::Builder::new().spawn(move || std::io::copy(&mut said, &mut std::io::sink())).unwrap();
        let deadline = Instant::now() + FAR;
        let page = loop {
            let mut stream = TcpStream::connect(&address).unwrap();
            // It keeps the connection open.
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            write!(stream, "GET /json HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer).into_owned();
            let pages = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
            let pages: Value = pages.unwrap_or_default();
            let is_page = |page: &&Value| page["type"] == "page";
            let found = pages.as_array().and_then(|pages| pages.iter().find(is_page)).cloned();
            if let Some(found) = found {
                break found["webSocketDebuggerUrl"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "{answer}");
            thread::sleep(Duration::from_millis(100));
        };
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(FAR)).unwrap();
        let page = tungstenite::client(page, stream).unwrap().0;
        Some(Self { _child: Running(child), page, n_asked: 0, _folder: folder })
    }

    pub fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.n_asked += 1;
        let request = json!({ "id": self.n_asked, "method": method, "params": parameters });
        self.page.send(tungstenite::Message::text(request.to_string())).unwrap();
        loop {
            let answer = text_of(&mut self.page);
            if answer["id"] == self.n_asked {
                return answer["result"].clone();
            }
        }
    }

    pub fn value(&mut self, expression: &str) -> Value {
        self.ask("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }))["result"]["value"]
            .clone()
    }

    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let deadline = Instant::now() + FAR;
        while self.value(expression) != true {
            if Instant::now() > deadline {
                let body = self.value("JSON.stringify(document.body.dataset) + document.body.innerText");
                panic!("never so: {expression}: {body}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// For whoever wants to see it.
    pub fn picture(&mut self, name: &str) {
        use base64::Engine as _;
        let shot = self.ask("Page.captureScreenshot", &json!({}));
        let png = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), png).unwrap();
    }
}
