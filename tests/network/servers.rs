//! Cameras on loopback that behave as they are told, a few words each.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http_auth::digest::DigestClient;
use http_auth::{PasswordParams, parse_challenges};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub const USER: &str = "admin";
pub const PASSWORD: &str = "pl4nted@Secret";
pub const WRONG_PASSWORD: &str = "wr0ng-Secret";
/// 640x480.
const SPS: &str = "Z2QAHqzZQKA9sBEAAAMAAQAAAwAyDxYtlg==";
const SPS_NAL: [u8; 26] = [
    0x67, 0x64, 0, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x3d, 0xb0, 0x11, 0, 0, 3, 0, 1, 0, 0, 3, 0, 0x32, 0x0f, 0x16, 0x2d,
    0x96, 0,
];

const PPS_NAL: [u8; 6] = [0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0];

/// What a server has seen.
#[derive(Default)]
pub struct Seen {
    /// Requests with a login that was not taken.
    pub refused: AtomicU32,
    /// Requests with a login, right or wrong.
    pub logins: AtomicU32,
    /// Those of them by Basic.
    pub basic: AtomicU32,
    pub connections: AtomicU32,
    pub teardowns: AtomicU32,
    pub sessions: AtomicU32,
    /// Requests while packets were sent, but for TEARDOWN.
    pub signs: AtomicU32,
}

/// How a server wants people to log in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Login {
    None,
    Basic,
    Md5,
    Sha256,
    /// As MD5, with the first nonce grown old at once.
    Stale,
    /// A kind that nobody has.
    Unknown,
    /// Both, in two headers.
    Both,
    /// As MD5; closes behind each refusal.
    Closing,
    /// As MD5 the first time, as Basic on each connection after it.
    Weakening,
    /// As MD5 with `auth`, asked as nobody should.
    Odd,
    /// As Basic, of a user without a password.
    Unset,
}

impl Seen {
    fn see_login(&self, request: &Message) {
        let sent = request.header("authorization");
        self.logins.fetch_add(u32::from(sent.is_some()), Ordering::SeqCst);
        self.basic.fetch_add(u32::from(sent.is_some_and(|sent| sent.starts_with("Basic"))), Ordering::SeqCst);
    }
}

impl Login {
    fn challenge(self, n: u32) -> String {
        let nonce = format!("nonce{n}");
        let md5 = format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"{nonce}\"\r\n");
        match self {
            Self::None => String::new(),
            Self::Basic | Self::Unset => "WWW-Authenticate: Basic realm=\"cam\"\r\n".into(),
            Self::Md5 | Self::Closing | Self::Weakening => md5,
            Self::Stale => format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"{nonce}\", stale={}\r\n", n > 0),
            Self::Sha256 => format!(
                "WWW-Authenticate: Digest realm=\"cam\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\"\r\n"
            ),
            Self::Odd => format!(
                "WWW-Authenticate: Basic realm=cam\"\r\nWWW-Authenticate: Digest realm=\"cam\", algorithm=, nonce=\"{nonce}\", \
                 qop=\"auth-int, auth\", opaque=\"\", nonce=\"again\"\r\n"
            ),
            Self::Unknown => "WWW-Authenticate: Negotiate\r\n".into(),
            Self::Both => format!("{md5}WWW-Authenticate: Basic realm=\"cam\"\r\n"),
        }
    }

    /// What holds on the next connection.
    fn at(self, seen: &Seen) -> Self {
        let n_before = seen.connections.fetch_add(1, Ordering::SeqCst);
        if self == Self::Weakening && n_before > 0 { Self::Basic } else { self }
    }

    fn is_right(self, n: u32, request: &Message) -> bool {
        let Some(sent) = request.header("authorization") else { return false };
        match self {
            Self::Basic => return sent == "Basic YWRtaW46cGw0bnRlZEBTZWNyZXQ=",
            Self::Unset => return sent == "Basic YWRtaW46",
            _ => {}
        }
        let challenge = match self {
            Self::Odd => format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"nonce{n}\", qop=\"auth\""),
            _ => self.challenge(n),
        };
        let challenge = challenge.lines().next().unwrap().split_once(": ").unwrap().1;
        let challenges = parse_challenges(challenge).unwrap();
        let Ok(mut client) = DigestClient::try_from(&challenges[0]) else { return false };
        let field = |name: &str| {
            let value = sent.split([',', ' ']).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches('"').to_owned()
        };
        let params = PasswordParams {
            username: USER,
            password: PASSWORD,
            uri: &request.url,
            method: &request.method,
            body: Some(&[]),
        };
        (0..20).any(|_| {
            let expected = client.respond_with_testing_cnonce(&params, &field("cnonce")).unwrap();
            expected.contains(&format!("response=\"{}\"", field("response")))
        })
    }
}

pub struct Message {
    pub method: String,
    pub url: String,
    headers: Vec<(String, String)>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// One connection of a server.
pub struct Conn {
    stream: Box<dyn Both>,
    bytes: Vec<u8>,
    peer: SocketAddr,
}

impl Conn {
    /// The next request; `None` if none is there yet.
    fn request(&mut self) -> io::Result<Option<Message>> {
        loop {
            while self.bytes.first() == Some(&b'$') && self.bytes.len() >= 4 {
                let n = 4 + usize::from(u16::from_be_bytes([self.bytes[2], self.bytes[3]]));
                self.bytes.drain(..n.min(self.bytes.len()));
            }
            if let Some(end) = self.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.bytes.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap();
                let mut lines = head.lines();
                let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
                let (method, url) = (words.next().unwrap(), words.next().unwrap_or_default());
                let headers = lines.filter_map(|line| line.split_once(':'));
                let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
                return Ok(Some(Message { method, url, headers: headers.collect() }));
            }
            let mut read = [0; 4_096];
            match self.stream.read(&mut read) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.bytes.extend_from_slice(&read[..n]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_request(&mut self) -> io::Result<Message> {
        loop {
            if let Some(request) = self.request()? {
                return Ok(request);
            }
        }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    fn drip(&mut self, begin: &str) -> io::Result<()> {
        self.send(begin)?;
        loop {
            self.send("x")?;
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn forever(&mut self) -> io::Result<()> {
        loop {
            self.request()?;
        }
    }
}

/// What to answer to a method, in place of what a good camera does.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// As in `404 Not Found`, with headers behind it if need be.
    Status(&'static str),
    /// The body of a 200.
    Body(&'static str),
    Raw(&'static [u8]),
    Close,
    /// None, and the conversation goes on.
    Ignored,
    Silence,
    /// The right answer, so many milliseconds late.
    Late(u64),
    EndlessLine,
    EndlessHead,
    /// These bytes without an end, as fast as they are taken.
    Flood(&'static [u8]),
    /// This, and then a byte ten times a second.
    Drip(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Play {
    Good,
    Nothing,
    NoKey,
    /// Each n-th packet is left out.
    Loss(u16),
    Restart,
    ClockJump,
    NewSize,
    Stops,
    /// The same, and answers nothing more.
    FallsSilent,
    Closes,
    /// Each frame is so many milliseconds later than the one before it should be; reports say that the clock is right.
    Later(u64),
    /// What was made in so many milliseconds is sent at once, when they are over.
    HoldsUp(u64),
    /// Time stamps of a clock of so many percent of the rate, without reports.
    Clock(u64),
    /// The clock is set forward by so many milliseconds, and back, each time behind so many pictures.
    ClockSteps(u64, u64),
    /// All pictures have the same time stamp.
    OneStamp,
    /// So many pictures of each second are lost whole.
    Bursts(u64),
    /// What has no room in one packet is lost.
    LosesFragments,
    /// Without picture parameter sets.
    NoPps,
    /// Of this payload type.
    Type(u8),
    /// On this channel.
    Channel(u8),
    /// Noise behind the heads of the packets.
    Encrypted,
    /// Of H.265, whatever is announced.
    H265,
    /// Bytes of no packet between two pictures.
    Stray,
    /// Each n-th unit has no end.
    Cut(u64),
    /// Each n-th picture is made and not sent, unless it is a key picture.
    LeavesOut(u64),
    /// Another picture parameter set each so many key pictures.
    NewSets(u64),
}

/// A camera that speaks RTSP.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    pub login: Login,
    pub replies: &'static [(&'static str, Reply)],
    pub media: &'static str,
    pub play: Play,
    pub has_udp: bool,
    pub count: Count,
    pub public: &'static str,
    /// Behind the session's number.
    pub session: &'static str,
    /// What SETUP over TCP is answered with, if that is not what was asked.
    pub transport: Option<&'static str>,
    /// It closes if it hears nothing for so long.
    pub life_ms: Option<u64>,
}

/// How a camera counts its answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    Good,
    Zero,
    OneLess,
    None,
}

pub const GOOD: Camera = Camera {
    count: Count::Good,
    public: "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN",
    session: ";timeout=60",
    transport: None,
    life_ms: None,
    login: Login::None,
    replies: &[],
    media: "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=SPS,aOvjyyLA\r\na=control:trackID=1\r\n",
    play: Play::Good,
    has_udp: true,
};

fn rtsp(camera: Camera, conn: &mut Conn, seen: &Seen) -> io::Result<()> {
    let camera = Camera { login: camera.login.at(seen), ..camera };
    let mut n_nonces = 0;
    let mut udp: Option<(UdpSocket, SocketAddr)> = None;
    let mut playing: Option<(Instant, u64)> = None;
    let mut heard_at = Instant::now();
    loop {
        if playing.is_some() && camera.life_ms.is_some_and(|life| heard_at.elapsed() > Duration::from_millis(life)) {
            return Ok(());
        }
        if let Some((start, n)) = playing {
            let slower = if let Play::Later(ms) = camera.play { ms } else { 0 };
            let due = match camera.play {
                Play::HoldsUp(ms) => (n * 40).next_multiple_of(ms),
                _ => n * (40 + slower),
            };
            let due = start + Duration::from_millis(due);
            if Instant::now() < due {
                thread::sleep((due - Instant::now()).min(Duration::from_millis(5)));
            } else {
                for packet in packets(camera.play, n) {
                    if let Some((socket, to)) = &udp {
                        let _ = socket.send_to(&packet, to);
                    } else {
                        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
                        let channel = if let Play::Channel(channel) = camera.play { channel } else { 0 };
                        conn.send([&[b'$', channel, length[0], length[1]], &packet[..]].concat())?;
                    }
                }
                if matches!(camera.play, Play::Later(_)) && n.is_multiple_of(25) && udp.is_none() {
                    let report = report(n);
                    conn.send([&[b'$', 1, 0, u8::try_from(report.len()).unwrap()], &report[..]].concat())?;
                }
                if camera.play == Play::Stray {
                    conn.send("no packet")?;
                }
                playing = Some((start, n + 1));
                if n == 8 && camera.play == Play::Closes {
                    return Ok(());
                }
                if n == 8 && camera.play == Play::FallsSilent {
                    conn.forever()?;
                }
            }
        }
        let request = match playing {
            Some(_) => match conn.request()? {
                Some(request) => request,
                None => continue,
            },
            None => conn.wait_for_request()?,
        };
        seen.see_login(&request);
        heard_at = Instant::now();
        let method = request.method.as_str();
        seen.signs.fetch_add(u32::from(playing.is_some() && method != "TEARDOWN"), Ordering::SeqCst);
        let asked = request.header("cseq").unwrap_or("0");
        let cseq = match camera.count {
            Count::Good => asked.to_owned(),
            Count::Zero => "0".to_owned(),
            Count::OneLess => (asked.parse::<i64>().unwrap() - 1).to_string(),
            Count::None => String::new(),
        };
        let is_open = matches!(method, "OPTIONS" | "TEARDOWN") || camera.login == Login::None;
        if !is_open && !camera.login.is_right(n_nonces, &request) {
            let is_old = camera.login == Login::Stale && n_nonces == 0 && camera.login.is_right(0, &request);
            if request.header("authorization").is_some() {
                if is_old {
                    n_nonces = 1;
                } else {
                    seen.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
            let challenge = camera.login.challenge(n_nonces);
            // Some say what they were told; nobody else shall read it.
            let echo =
                request.header("authorization").map(|echo| format!("{WRONG_PASSWORD} {echo}")).unwrap_or_default();
            conn.send(format!("RTSP/1.0 401 Unauthorized {echo}\r\nCSeq: {cseq}\r\n{challenge}\r\n"))?;
            if camera.login == Login::Closing {
                return Ok(());
            }
            continue;
        }
        if camera.login == Login::Stale && n_nonces == 0 && !is_open {
            n_nonces = 1;
            let challenge = camera.login.challenge(n_nonces);
            conn.send(format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n{challenge}\r\n"))?;
            continue;
        }
        let reply = camera.replies.iter().find(|(name, _)| *name == method).map(|(_, reply)| *reply);
        match reply {
            Some(Reply::Status(status)) => {
                conn.send(format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n\r\n"))?;
                continue;
            }
            Some(Reply::Body(body)) => {
                let length = body.len();
                conn.send(format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Length: {length}\r\n\r\n{body}"))?;
                continue;
            }
            Some(Reply::Raw(bytes)) => {
                conn.send(bytes)?;
                conn.forever()?;
            }
            Some(Reply::Close) => return Ok(()),
            Some(Reply::Ignored) => continue,
            Some(Reply::Silence) => conn.forever()?,
            Some(Reply::Late(ms)) => thread::sleep(Duration::from_millis(ms)),
            Some(Reply::EndlessLine) => {
                conn.send("RTSP/1.0 200 OK\r\nX-Name: ")?;
                for _ in 0..1_600 {
                    conn.send("x".repeat(65_536))?;
                }
            }
            Some(Reply::EndlessHead) => {
                conn.send("RTSP/1.0 200 OK\r\n")?;
                for _ in 0..1_600 {
                    conn.send("X-Name: some words that say nothing at all, again and again\r\n".repeat(1_000))?;
                }
            }
            Some(Reply::Flood(bytes)) => loop {
                conn.send(bytes.repeat(65_536 / bytes.len()))?;
            },
            Some(Reply::Drip(begin)) => conn.drip(begin)?,
            None => {}
        }
        let more = match method {
            "OPTIONS" => format!("Public: {}\r\n\r\n", camera.public),
            "DESCRIBE" => {
                let media = camera.media.replace("SPS", SPS);
                let body = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n{media}");
                format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
            "SETUP" => {
                seen.sessions.fetch_add(1, Ordering::SeqCst);
                let session = camera.session;
                let transport = request.header("transport").unwrap_or_default();
                let is_multicast = camera.transport.is_some_and(|transport| transport.contains("multicast"));
                if let Some((_, ports)) = transport.split_once("client_port=").filter(|_| !is_multicast) {
                    let port = ports.split('-').next().unwrap().parse().unwrap();
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    let server_port = socket.local_addr().unwrap().port();
                    // A firewall swallows what is sent to another port.
                    let to = if camera.has_udp { port } else { 9 };
                    udp = Some((socket, SocketAddr::new(conn.peer.ip(), to)));
                    let ports = format!("{server_port}-{}", server_port.wrapping_add(1));
                    format!("Session: 12345678{session}\r\nTransport: {transport};server_port={ports}\r\n\r\n")
                } else {
                    udp = None;
                    let transport = camera.transport.unwrap_or(transport);
                    format!("Session: 12345678{session}\r\nTransport: {transport}\r\n\r\n")
                }
            }
            "PLAY" => {
                playing = (camera.play != Play::Nothing).then(|| (Instant::now(), 0));
                "Session: 12345678\r\n\r\n".to_owned()
            }
            "TEARDOWN" => {
                seen.teardowns.fetch_add(1, Ordering::SeqCst);
                playing = None;
                "\r\n".to_owned()
            }
            _ => "\r\n".to_owned(),
        };
        conn.send(format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}"))?;
    }
}

/// A report of the sender (RFC 3550, 6.4.1) at the n-th frame: its clock and that of the stream.
fn report(n: u64) -> Vec<u8> {
    let timestamp = u32::try_from(n * 3_600).unwrap().wrapping_add(u32::MAX - 20_000);
    let secs = 3_900_000_000 + u32::try_from(n / 25).unwrap();
    let words = [0x0102_0304, secs, 0, timestamp, 0, 0];
    [&[0x80, 200, 0, 6][..], &words.map(u32::to_be_bytes).concat()].concat()
}

/// The packets of the n-th frame, 25 in a second: SPS, PPS and IDR of two packets each ten frames, else one packet.
fn packets(play: Play, n: u64) -> Vec<Vec<u8>> {
    let is_key = n.is_multiple_of(10) && play != Play::NoKey;
    let of_265: &[&[u8]] = &[&[0x42, 1, 1], &[0x44, 1, 0xc1], &[0x62, 1, 0x93, 2, 3], &[0x62, 1, 0x53, 4, 5]];
    // A slice of type P, which begins with the first macroblock: behind 1, 00110 and 1 the number of the picture in four bits.
    let number = u16::try_from(if play == Play::NoKey { n % 16 } else { n % 10 }).unwrap();
    let [high, low] = (0b100_1101 << 9 | number << 5).to_be_bytes();
    let between: &[u8] = &[0x41, high, low, 3];
    let other_pps: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xd0];
    let is_other_set = matches!(play, Play::NewSets(each) if n / 10 / each % 2 == 1);
    let pps = if is_other_set { other_pps } else { &PPS_NAL };
    let leaves_out = |n: u64| matches!(play, Play::LeavesOut(each) if n.is_multiple_of(each) && !n.is_multiple_of(10));
    if leaves_out(n) {
        return Vec::new();
    }
    let payloads: &[&[u8]] = match (is_key, play) {
        (true, Play::H265) => of_265,
        (false, Play::H265) => &[&[0x02, 1, 0xd0]],
        (true, Play::NoPps) => &[&SPS_NAL, &[6, 5, 1, 2], &[0x7c, 0x85, 1, 2, 3], &[0x7c, 0x45, 4, 5]],
        (true, _) => &[&SPS_NAL, pps, &[0x7c, 0x85, 1, 2, 3], &[0x7c, 0x45, 4, 5]],
        (false, Play::Cut(each)) if n.is_multiple_of(each) => &[&[0x7c, 0x81, 1, 2]],
        (false, _) => &[between],
    };
    // 1280x720.
    let other_sps: &[u8] = &[
        0x67, 0x64, 0, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x20, 0xf1,
        0x83, 0x19, 0x60,
    ];
    let is_other = play == Play::NewSize && n >= 15;
    let payloads: Vec<Vec<u8>> = payloads
        .iter()
        .map(|payload| match play {
            _ if is_other && payload[0] == 0x67 => other_sps.to_vec(),
            Play::Encrypted => {
                let mut noise = fastrand::Rng::with_seed(n);
                (0..40).map(|_| noise.u8(..)).collect()
            }
            _ => payload.to_vec(),
        })
        .collect();
    let n_before = if play == Play::NoKey { n } else { n + 3 * n.div_ceil(10) };
    let n_before = n_before - (0..n).filter(|n| leaves_out(*n)).count() as u64;
    let mut packets = Vec::new();
    if play == Play::Stops && n > 8 {
        return packets;
    }
    for (at, payload) in (0_u16..).zip(&payloads) {
        let mut sequence = u16::try_from((65_000 + n_before) & 0xffff).unwrap().wrapping_add(at);
        if let Play::Loss(each) = play
            && sequence % each == 0
        {
            continue;
        }
        let is_lost = match play {
            Play::Bursts(of) => n % 25 >= 25 - of,
            Play::LosesFragments => payload[0] == 0x7c,
            _ => false,
        };
        if is_lost {
            continue;
        }
        let ticks = if let Play::Clock(percent) = play { 36 * percent } else { 3_600 };
        let mut timestamp = u32::try_from(n * ticks).unwrap().wrapping_add(u32::MAX - 20_000);
        match play {
            Play::Restart if n >= 15 => {
                sequence = sequence.wrapping_add(20_000);
                timestamp = timestamp.wrapping_add(1 << 31);
            }
            Play::ClockJump if n >= 15 => timestamp = timestamp.wrapping_add(90_000 * 3_600),
            Play::ClockSteps(ms, each) if n / each % 2 == 1 => {
                timestamp = timestamp.wrapping_add(u32::try_from(90 * ms).unwrap());
            }
            Play::OneStamp => timestamp = 1,
            _ => {}
        }
        let is_last = usize::from(at) + 1 == payloads.len();
        let payload_type = if let Play::Type(other) = play { other } else { 96 };
        let mut packet = vec![0x80, if is_last { 0x80 | payload_type } else { payload_type }];
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&[1, 2, 3, 4]);
        packet.extend_from_slice(payload);
        packets.push(packet);
    }
    packets
}

/// What comes behind the head of an HTTP answer.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    Text(&'static str),
    Jpeg,
    /// So many pictures, each with this before it, 40 ms apart.
    Jpegs(u32, &'static str),
    /// One picture, in chunks.
    Chunks,
    /// As `Jpeg`, with this before each answer but the first.
    Rest(&'static str),
    /// As `Jpeg`, with the n-th answer busy.
    Busy(u32),
    /// As `Jpeg`, with each n-th picture cut.
    Cut(u32),
    /// One picture without a length, and the end of the connection.
    Bare,
    /// So many pictures without end markers, each with this before it.
    Endings(u32, &'static str),
    Endless,
    EndlessHead,
    /// This without an end, behind the head.
    Flood(&'static str),
    /// This, and then a byte ten times a second.
    Drip(&'static str),
    Silence,
}

/// A camera that speaks HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub login: Login,
    /// Status and headers.
    pub head: &'static str,
    pub body: Body,
}

/// 64x48, with a thumbnail's marks in its comment.
pub fn jpeg() -> Vec<u8> {
    let head = [0xff, 0xd8, 0xff, 0xfe, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
    let frame = [0xff, 0xc0, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0, 0xff, 0xda, 0, 2];
    [&head[..], &frame, &[7; 500], &[0xff, 0xd9]].concat()
}

fn http(page: Page, conn: &mut Conn, seen: &Seen) -> io::Result<()> {
    let page = Page { login: page.login.at(seen), ..page };
    for n_answers in 0_u32.. {
        let request = conn.wait_for_request()?;
        seen.see_login(&request);
        if page.login != Login::None && !page.login.is_right(0, &request) {
            if request.header("authorization").is_some() {
                seen.refused.fetch_add(1, Ordering::SeqCst);
            }
            let challenge = page.login.challenge(0);
            conn.send(format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n{challenge}\r\nno"))?;
            if page.login == Login::Closing {
                return Ok(());
            }
            continue;
        }
        match page.body {
            Body::Rest(rest) if n_answers > 0 => conn.send(rest)?,
            Body::Busy(nth) if n_answers == nth => {
                conn.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            _ => {}
        }
        conn.send(format!("HTTP/1.1 {}\r\n", page.head))?;
        match page.body {
            Body::Text(text) => {
                conn.send(format!("Content-Length: {}\r\n\r\n{text}", text.len()))?;
            }
            Body::Bare => {
                conn.send("\r\n")?;
                return conn.send(jpeg());
            }
            Body::Endings(n, before) => {
                conn.send("\r\n")?;
                for _ in 0..n {
                    let jpeg = jpeg();
                    conn.send([before.as_bytes(), &jpeg[..jpeg.len() - 2], b"\r\n"].concat())?;
                    thread::sleep(Duration::from_millis(40));
                }
                return Ok(());
            }
            Body::Jpeg | Body::Rest(_) | Body::Busy(_) | Body::Cut(_) => {
                let mut jpeg = jpeg();
                if matches!(page.body, Body::Cut(each) if n_answers % each == each - 1) {
                    jpeg.truncate(300);
                }
                conn.send(format!("Content-Length: {}\r\n\r\n", jpeg.len()))?;
                conn.send(jpeg)?;
            }
            Body::Jpegs(n, before) => {
                conn.send("\r\n")?;
                for _ in 0..n {
                    conn.send(before.replace("LENGTH", &jpeg().len().to_string()))?;
                    conn.send(jpeg())?;
                    conn.send("\r\n")?;
                    thread::sleep(Duration::from_millis(40));
                }
                return Ok(());
            }
            Body::Chunks => {
                conn.send("Transfer-Encoding: chunked\r\n\r\n")?;
                for part in jpeg().chunks(200) {
                    conn.send(format!("{:x};name=value\r\n", part.len()))?;
                    conn.send([part, b"\r\n"].concat())?;
                }
                conn.send("0\r\n\r\n")?;
            }
            Body::EndlessHead => loop {
                conn.send("X-Name: some words that say nothing at all, again and again\r\n".repeat(1_000))?;
            },
            Body::Endless => {
                conn.send("\r\n")?;
                loop {
                    conn.send("x".repeat(65_536))?;
                }
            }
            Body::Flood(text) => loop {
                conn.send(text.repeat(65_536 / text.len()))?;
            },
            Body::Drip(begin) => conn.drip(begin)?,
            Body::Silence => {
                conn.send("\r\n")?;
                conn.forever()?;
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
pub enum Service {
    Rtsp(Camera),
    Http(Page),
    /// Says this at once, whatever is asked.
    Says(&'static [u8]),
    /// Takes the connection and says nothing.
    Silent,
    Closes,
}

/// A server that runs until its process ends.
pub struct Server {
    pub port: u16,
    pub seen: Arc<Seen>,
}

pub fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

impl Server {
    /// `certificate` is a file of `tests/fixtures/tls`, for an encrypted one.
    pub fn start(service: Service, certificate: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let config = certificate.map(|name| {
            let chain = vec![CertificateDer::from_pem_file(fixture(name)).unwrap()];
            let key = PrivateKeyDer::from_pem_file(fixture("key.pem")).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
        });
        let all_seen = Arc::clone(&seen);
        let accept = move || {
            for socket in listener.incoming() {
                let (seen, config) = (Arc::clone(&all_seen), config.clone());
                let serve = move || {
                    // It ends when the other side has gone.
                    let _ = serve(service, socket.unwrap(), config, &seen);
                };
                thread::Builder::new().name("camera-client".into()).spawn(serve).unwrap();
            }
        };
        thread::Builder::new().name("camera".into()).spawn(accept).unwrap();
        Self { port, seen }
    }
}

fn serve(service: Service, socket: TcpStream, config: Option<Arc<ServerConfig>>, seen: &Seen) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr()?;
    let mut stream: Box<dyn Both> = if let Some(config) = config {
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        stream.sock.set_read_timeout(Some(Duration::from_millis(10)))?;
        Box::new(stream)
    } else {
        socket.set_read_timeout(Some(Duration::from_millis(10)))?;
        Box::new(socket)
    };
    match service {
        Service::Closes => return Ok(()),
        Service::Says(words) => {
            stream.write_all(words)?;
            thread::sleep(Duration::from_secs(10));
            return Ok(());
        }
        _ => {}
    }
    let mut conn = Conn { stream, bytes: Vec::new(), peer };
    match service {
        Service::Rtsp(camera) => rtsp(camera, &mut conn, seen),
        Service::Http(page) => http(page, &mut conn, seen),
        _ => conn.forever(),
    }
}
