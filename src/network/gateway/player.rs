//! The player's side of the gateway: an RTSP server with one stream for one client on this computer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rtsp_types::headers::{CONTENT_BASE, CONTENT_TYPE, CSEQ, PUBLIC, SESSION, TRANSPORT};
use rtsp_types::{Message, Method, ParseError, Response, StatusCode, Version};

use crate::lock::Lock;
use crate::network::sdp::{SessionDescription, VideoFormat};
use crate::network::video::FoundVideo;
use crate::network::{parsers, token};

/// How often is looked whether the player has connected.
const POLL: Duration = Duration::from_millis(2);
/// How long the player may take to connect; FFmpeg does at once.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long another program that connects may take to send a request, so that it does not keep the player out.
const FIRST_REQUEST_DEADLINE: Duration = Duration::from_secs(1);
/// How long the player may leave packets unread. Then it has stopped.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// A player's requests are short.
const MAX_REQUEST: usize = 64 << 10;

/// An open port, to which the player is to connect.
pub struct PlayerServer {
    listener: TcpListener,
    dialogue: PlayerDialogue,
}

/// What the player is answered.
struct PlayerDialogue {
    port: u16,
    token: String,
    description: Vec<u8>,
}

/// The connection to a player that wants its packets now.
pub struct PlayerConnection(Arc<Lock<TcpStream>>);

impl PlayerConnection {
    /// Sends a packet on the first channel (RFC 2326, 10.12).
    pub fn send(&self, packet: &[u8]) -> std::io::Result<()> {
        let Ok(length) = u16::try_from(packet.len()) else { return Ok(()) };
        let mut framed = Vec::with_capacity(packet.len() + 4);
        framed.extend_from_slice(b"$\0");
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(packet);
        self.0.lock().write_all(&framed)
    }
}

impl PlayerServer {
    /// For a video as it was found to come, whatever the camera's description says.
    pub fn open(description: &SessionDescription, found: &FoundVideo) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let description = local_description(description, found).into_bytes();
        Ok(Self { listener, dialogue: PlayerDialogue { port, token: token()?, description } })
    }

    pub fn url(&self) -> String {
        self.dialogue.url()
    }

    /// Answers the player until it disconnects. `ready` gets the player when it has asked for packets (PLAY); `is_over` is
    /// disconnected when the player is not wanted any more; `came` gets its connection, so that it can be closed from outside.
    pub fn serve(self, ready: &Sender<PlayerConnection>, is_over: &Receiver<()>, came: impl FnOnce(TcpStream)) {
        let Some((stream, buffer)) = self.accept(is_over) else { return };
        let Self { listener, dialogue } = self;
        drop(listener);
        let Ok(reading) = stream.try_clone() else { return };
        let Ok(ending) = stream.try_clone() else { return };
        came(ending);
        let writing = Arc::new(Lock::new(stream));
        // It has ended, or was ended.
        let _ = dialogue.converse(reading, buffer, &writing, ready);
    }

    /// The first client that knows the token, and what it has sent so far.
    fn accept(&self, is_over: &Receiver<()>) -> Option<(TcpStream, Vec<u8>)> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        while Instant::now() < deadline && is_over.try_recv() == Err(TryRecvError::Empty) {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Ok(buffer) = self.first_request(&stream) {
                        return Some((stream, buffer));
                    }
                }
                Err(_) => thread::sleep(POLL),
            }
        }
        None
    }

    fn first_request(&self, mut stream: &TcpStream) -> std::io::Result<Vec<u8>> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(FIRST_REQUEST_DEADLINE))?;
        stream.set_write_timeout(Some(WRITE_DEADLINE))?;
        let mut head = vec![0; 4_096];
        let n = stream.read(&mut head)?;
        head.truncate(n);
        let token = self.dialogue.token.as_bytes();
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let is_ours = line.windows(token.len()).any(|part| part == token);
        stream.set_read_timeout(None)?;
        if is_ours { Ok(head) } else { Err(ErrorKind::PermissionDenied.into()) }
    }
}

impl PlayerDialogue {
    fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/{}", self.port, self.token)
    }

    fn converse(
        &self,
        mut reading: TcpStream,
        mut buffer: Vec<u8>,
        writing: &Arc<Lock<TcpStream>>,
        ready: &Sender<PlayerConnection>,
    ) -> std::io::Result<()> {
        let mut chunk = [0; 4_096];
        loop {
            match parsers::rtsp_message(&buffer).unwrap_or(Err(ParseError::Error)) {
                Ok((message, n)) => {
                    buffer.drain(..n);
                    let Message::Request(request) = message else { continue };
                    let method = request.method().clone();
                    let mut answer = Vec::new();
                    self.answer(&request).write(&mut answer).map_err(std::io::Error::other)?;
                    writing.lock().write_all(&answer)?;
                    if method == Method::Play {
                        let _ = ready.try_send(PlayerConnection(Arc::clone(writing)));
                    }
                }
                Err(ParseError::Incomplete(_)) if buffer.len() < MAX_REQUEST => {
                    let n = reading.read(&mut chunk)?;
                    if n == 0 {
                        return Ok(());
                    }
                    buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
                }
                Err(_) => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    fn answer(&self, request: &rtsp_types::Request<Vec<u8>>) -> Response<Vec<u8>> {
        let status = match request.method() {
            Method::Options
            | Method::Describe
            | Method::Setup
            | Method::Play
            | Method::Teardown
            | Method::GetParameter => StatusCode::Ok,
            _ => StatusCode::MethodNotAllowed,
        };
        let mut answer = Response::builder(Version::V1_0, status);
        if let Some(cseq) = request.header(&CSEQ) {
            answer = answer.header(CSEQ, cseq.as_str());
        }
        match request.method() {
            Method::Options => {
                answer.header(PUBLIC, "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER").build(Vec::new())
            }
            Method::Describe => answer
                .header(CONTENT_BASE, format!("{}/", self.url()))
                .header(CONTENT_TYPE, "application/sdp")
                .build(self.description.clone()),
            Method::Setup => answer
                .header(TRANSPORT, "RTP/AVP/TCP;unicast;interleaved=0-1")
                .header(SESSION, "1;timeout=60")
                .build(Vec::new()),
            _ => answer.header(SESSION, "1").build(Vec::new()),
        }
    }
}

/// The camera's description of its video, without sound and without addresses, corrected by what comes.
fn local_description(description: &SessionDescription, found: &FoundVideo) -> String {
    let VideoFormat { payload_type, encoding, clock_rate, parameters, .. } = &found.format;
    let mut local = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=Camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n".to_owned();
    // Over TLS or not is the camera's side.
    local += &format!("m=video 0 RTP/AVP {payload_type}\r\n");
    if !encoding.is_empty() {
        local += &format!("a=rtpmap:{payload_type} {encoding}/{clock_rate}\r\n");
    }
    if !parameters.is_empty() {
        local += &format!("a=fmtp:{payload_type} {parameters}\r\n");
    }
    let is_kept = |line: &&String| {
        let line = line.to_ascii_lowercase();
        ["control", "range", "key-mgmt", "crypto", "rtpmap", "fmtp"].iter().all(|no| !line.starts_with(no))
    };
    for line in description.video.attributes.iter().filter(is_kept) {
        local += &format!("a={line}\r\n");
    }
    local + "a=control:video\r\n"
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    const OF_CAMERA: &str = "v=0\r\ns=x\r\na=control:*\r\nm=audio 0 RTP/AVP 0\r\na=control:a\r\nm=video 5000 RTP/SAVP 96\r\n\
        b=AS:100\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:rtsp://10.0.0.7/v\r\nm=application 0 RTP/AVP 107\r\na=x\r\n";

    fn described() -> (SessionDescription, FoundVideo) {
        let asked = crate::address::Address::parse("rtsp://cam/1").unwrap();
        let description = crate::network::sdp::read(OF_CAMERA.as_bytes(), None, &asked).unwrap();
        let found = FoundVideo { format: description.video.format.clone(), remark: String::new() };
        (description, found)
    }

    #[test]
    fn a_player_learns_of_the_picture_alone() {
        let (description, mut found) = described();
        let local = local_description(&description, &found);
        let begin = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=Camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
        let video =
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:video\r\n";
        assert_eq!(local, format!("{begin}{video}"));
        // As it comes, not as it is announced.
        found.format.payload_type = 97;
        assert_eq!(local_description(&description, &found), format!("{begin}{video}").replace("96", "97"));
    }

    fn ask(stream: &mut TcpStream, method: &str, url: &str) -> String {
        write!(stream, "{method} {url} RTSP/1.0\r\nCSeq: 3\r\n\r\n").unwrap();
        let mut answer = vec![0; 4_096];
        let n = stream.read(&mut answer).unwrap_or_default();
        String::from_utf8_lossy(answer.get(..n).unwrap_or_default()).into_owned()
    }

    #[test]
    fn only_who_knows_the_token_is_served() {
        let local = PlayerServer::open(&described().0, &described().1).unwrap();
        let (port, url) = (local.dialogue.port, local.url());
        let (ready, player) = bounded(1);
        let (_end, is_over) = bounded(0);
        thread::scope(|scope| {
            scope.spawn(move || local.serve(&ready, &is_over, |_| ()));
            let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert_eq!(ask(&mut connect(), "OPTIONS", &format!("rtsp://127.0.0.1:{port}/")), "");
            assert_eq!(ask(&mut connect(), "GET", "/"), "");
            let mut stream = connect();
            let answer = ask(&mut stream, "DESCRIBE", &url);
            assert!(answer.starts_with("RTSP/1.0 200 ") && answer.contains("CSeq: 3\r\n"), "{answer}");
            assert!(answer.contains("H264"), "{answer}");
            assert!(player.is_empty());
            assert!(ask(&mut stream, "PLAY", &url).contains(" 200 "));
            player.recv().unwrap().send(&[7; 3]).unwrap();
            let mut packet = [0; 7];
            stream.read_exact(&mut packet).unwrap();
            assert_eq!(packet, [b'$', 0, 0, 3, 7, 7, 7]);
            // It does not wait for another one.
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
            drop(stream);
        });
    }
}
