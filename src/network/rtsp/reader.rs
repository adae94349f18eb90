//! RTSP messages out of a stream of bytes, as cameras write them: with other ends of lines, missing headers and web pages among
//! them.

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use rtsp_types::{Message, ParseError};

use super::{InterleavedData, RtspResponse};
use crate::fault::FaultKind;
use crate::network::ConnectionFinding;
use crate::network::bytes::{ByteQueue, HeadSearch};
use crate::network::connection::{Connection, broken};
use crate::network::parsers::{self, NotUnderstood};

/// Longer heads are not read.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// No description of a stream is longer.
const MAX_BODY_BYTES: usize = 256 << 10;
/// What is read from the socket at once.
pub(super) const N_READ_BYTES: usize = 16_384;

pub(super) enum Incoming {
    Response(RtspResponse),
    Data(InterleavedData),
    /// Cameras seldom send requests, and get no answer to them.
    Request,
}

/// Why no message could be read.
pub(super) enum RtspReadError {
    Io(std::io::Error),
    /// It is not RTSP; these are its first bytes.
    Foreign(Vec<u8>),
    TooLong,
    NotUnderstood(NotUnderstood),
}

impl From<NotUnderstood> for RtspReadError {
    fn from(not_understood: NotUnderstood) -> Self {
        Self::NotUnderstood(not_understood)
    }
}

impl RtspReadError {
    pub(super) fn finding(&self, doing: &str, patience: Duration) -> ConnectionFinding {
        match self {
            Self::Io(error) => broken(error, doing, patience),
            Self::TooLong => ConnectionFinding::new(
                "F86",
                FaultKind::ProtocolTrouble,
                format!("the camera's answer to {doing} is longer than any should be, and was not read to its end"),
            ),
            Self::Foreign(bytes) => foreign(bytes, doing),
            Self::NotUnderstood(what) => what.finding(doing),
        }
    }
}

/// What answers, if not RTSP (F99).
fn foreign(bytes: &[u8], doing: &str) -> ConnectionFinding {
    let wrong = |message: String, advice: &str| {
        ConnectionFinding::new("F99", FaultKind::WrongProtocol, message).with_advice(advice)
    };
    if bytes.starts_with(b"HTTP/") {
        let line: String = String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().chars().take(80).collect();
        wrong(
            format!("a web server answers {doing} on this port: {line}"),
            "Check the port: RTSP mostly has 554. If the camera serves its stream over HTTP, the address begins with http://.",
        )
    } else if matches!(bytes, [0x15 | 0x16, 3, ..]) {
        wrong(
            format!("this port wants encryption: {doing} was answered with a TLS record"),
            "Write rtsps:// in place of rtsp://, or choose the port without encryption, mostly 554.",
        )
    } else {
        let begin: Vec<_> = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        wrong(
            format!("what answers {doing} on this port is no RTSP: it begins with {}", begin.join(" ")),
            "Check the port: RTSP mostly has 554.",
        )
    }
}

/// Takes messages out of the stream of bytes.
pub(super) struct MessageReader {
    connection: Connection,
    splitter: MessageSplitter,
}

impl fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageSplitter { bytes, n_visited, .. } = &self.splitter;
        let mut text = f.debug_struct("MessageReader");
        text.field("n_bytes", &bytes.len()).field("n_visited", n_visited).finish_non_exhaustive()
    }
}

impl MessageReader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, splitter: MessageSplitter::default() }
    }

    pub(super) fn next(
        &mut self,
        deadline: Instant,
        doing: &str,
        patience: Duration,
    ) -> Result<Incoming, ConnectionFinding> {
        self.receive(deadline).map_err(|unheard| unheard.finding(doing, patience))
    }

    pub(super) fn receive(&mut self, deadline: Instant) -> Result<Incoming, RtspReadError> {
        let mut read = [0; N_READ_BYTES];
        loop {
            if let Some(incoming) = self.splitter.next()? {
                return Ok(incoming);
            }
            let n = match self.connection.read(&mut read, deadline) {
                Ok(0) => return Err(RtspReadError::Io(ErrorKind::UnexpectedEof.into())),
                Ok(n) => n,
                // What came without an end may still tell what it is.
                Err(error) if error.kind() == ErrorKind::TimedOut && !could_be_rtsp(self.splitter.bytes.rest()) => {
                    return Err(RtspReadError::Foreign(self.splitter.bytes.begin(MAX_FOREIGN).to_vec()));
                }
                Err(error) => return Err(RtspReadError::Io(error)),
            };
            self.splitter.bytes.push(read.get(..n).unwrap_or_default());
        }
    }
}

/// So much of what is no RTSP is looked at.
const MAX_FOREIGN: usize = 200;

/// Takes messages out of what is pushed into its bytes. What has been looked at is not looked at again, in however small pieces a
/// message comes.
#[derive(Default)]
struct MessageSplitter {
    bytes: ByteQueue,
    search: HeadSearch,
    /// No message is whole before so many bytes are there.
    n_needed: usize,
    /// Bytes that were looked at, those that were looked at twice twice.
    n_visited: usize,
}

fn could_be_rtsp(bytes: &[u8]) -> bool {
    let n = bytes.len().min(5);
    bytes.starts_with(b"$") || bytes.get(..n) == b"RTSP/".get(..n) || is_request(bytes)
}

fn is_request(bytes: &[u8]) -> bool {
    let methods =
        ["OPTIONS ", "ANNOUNCE ", "SET_PARAMETER ", "GET_PARAMETER ", "REDIRECT ", "TEARDOWN ", "PLAY_NOTIFY "];
    methods.iter().any(|method| {
        let n = bytes.len().min(method.len());
        n > 0 && bytes.get(..n) == method.as_bytes().get(..n)
    })
}

impl MessageSplitter {
    /// The next message, if it is whole.
    fn next(&mut self) -> Result<Option<Incoming>, RtspReadError> {
        if self.bytes.len() < self.n_needed {
            return Ok(None);
        }
        let is_blank = |byte: &&u8| matches!(byte, b'\r' | b'\n' | b' ' | 0);
        let n_blank = self.bytes.rest().iter().take_while(is_blank).count();
        self.n_visited += n_blank;
        self.bytes.skip(n_blank);
        let rest = self.bytes.rest();
        let foreign = || RtspReadError::Foreign(self.bytes.begin(MAX_FOREIGN).to_vec());
        if let [b'$', channel, high, low, payload @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(payload) = payload.get(..length) else { return Ok(self.wait_for(4 + length)) };
            let data = InterleavedData { channel: *channel, payload: payload.to_vec() };
            return Ok(Some(self.taken(4 + length, Incoming::Data(data))));
        }
        if !rest.is_empty() && !could_be_rtsp(rest) {
            // Enough to say what it is; of a web server the whole line.
            let begin = self.bytes.begin(100);
            let is_begun =
                matches!(rest, [0x15 | 0x16]) || b"HTTP/".starts_with(self.bytes.begin(5)) && !begin.contains(&b'\n');
            return if rest.len() < 100 && is_begun { Ok(None) } else { Err(foreign()) };
        }
        let begin = self.bytes.begin(MAX_HEAD_BYTES);
        self.n_visited += begin.len().saturating_sub(self.search.at);
        let Some(n_head) = self.search.length(begin) else {
            return if begin.len() >= MAX_HEAD_BYTES { Err(RtspReadError::TooLong) } else { Ok(None) };
        };
        let head = self.bytes.begin(n_head);
        if is_request(head) {
            return Ok(Some(self.taken(n_head, Incoming::Request)));
        }
        let foreign = || RtspReadError::Foreign(head.get(..MAX_FOREIGN).unwrap_or(head).to_vec());
        let mut message = tidy(head);
        let n_body = match parsers::rtsp_message(&message)? {
            Ok(_) => 0,
            Err(ParseError::Incomplete(Some(n))) => n.get(),
            Err(_) => return Err(foreign()),
        };
        if n_body > MAX_BODY_BYTES {
            return Err(RtspReadError::TooLong);
        }
        let n = n_head + n_body;
        let Some(body) = self.bytes.rest().get(n_head..n) else { return Ok(self.wait_for(n)) };
        message.extend_from_slice(body);
        match parsers::rtsp_message(&message)? {
            Ok((Message::Response(response), _)) => Ok(Some(self.taken(n, Incoming::Response(response)))),
            _ => Err(foreign()),
        }
    }

    fn wait_for(&mut self, n: usize) -> Option<Incoming> {
        self.n_needed = n;
        None
    }

    fn taken(&mut self, n: usize, incoming: Incoming) -> Incoming {
        self.n_visited += n;
        self.bytes.skip(n);
        self.n_needed = 0;
        incoming
    }
}

/// A head as the standard wants it, from one as cameras write it: other ends of lines, other encodings, blanks before the
/// colon, no reason behind the status, lines that are no headers.
fn tidy(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let mut status = lines.next().unwrap_or_default().trim_end().to_owned();
    if status.split_whitespace().count() == 2 {
        status.push(' ');
    }
    let mut tidied = status + "\r\n";
    for line in lines {
        if line.starts_with([' ', '\t']) && !line.trim().is_empty() {
            // A header goes on.
            tidied.truncate(tidied.trim_end().len());
            tidied += &format!(" {}\r\n", line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if !name.is_empty() && name.chars().all(is_name) {
                tidied += &format!("{name}: {}\r\n", value.trim());
            }
        }
    }
    tidied += "\r\n";
    tidied.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::{is_answer, status_line};
    use super::*;

    /// How many bytes are done with, and what they were.
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        for n_piece in [bytes.len().max(1), 1] {
            let mut splitter = MessageSplitter::default();
            let mut got = splitter.next();
            for piece in bytes.chunks(n_piece) {
                if !matches!(got, Ok(None)) {
                    break;
                }
                splitter.bytes.push(piece);
                got = splitter.next();
            }
            // What comes byte by byte is known for what it is sooner.
            if n_piece == 1 && expected.starts_with("foreign") {
                assert!(matches!(got, Err(RtspReadError::Foreign(_))), "{}", bytes.escape_ascii());
                continue;
            }
            let n = bytes.len() - splitter.bytes.len();
            let n = if n_piece == 1 { expected.split(' ').next().unwrap().to_owned() } else { n.to_string() };
            let got = match got {
                Ok(None) => format!("{n} partial"),
                Ok(Some(Incoming::Data(data))) => format!("{n} data {} {}", data.channel, data.payload.len()),
                Ok(Some(Incoming::Request)) => format!("{n} request"),
                Ok(Some(Incoming::Response(response))) => {
                    let body = String::from_utf8_lossy(response.body()).into_owned();
                    format!("{n} {} {body} {}", status_line(&response), is_answer(&response, 7))
                }
                Err(RtspReadError::Foreign(bytes)) => format!("foreign {}", bytes.len()),
                Err(RtspReadError::TooLong) => "too long".to_owned(),
                Err(RtspReadError::NotUnderstood(what)) => format!("{what:?}"),
                Err(RtspReadError::Io(error)) => error.to_string(),
            };
            assert_eq!(got, expected, "{} in pieces of {n_piece}", bytes.escape_ascii());
        }
    }

    #[test]
    fn messages_are_read_as_cameras_write_them() {
        check(b"", "0 partial");
        check(b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\nrest", "28 200 OK  true");
        check(b"RTSP/1.0 200 OK\r\nCSeq: 8\r\n\r\n", "28 200 OK  false");
        check(b"RTSP/1.0 200 OK\r\n\r\n", "19 200 OK  true");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab", "0 partial");
        check(b"RTSP/1.0 200 OK\r\nContent-length:3\r\n\r\nabcd", "40 200 OK abc true");
        check(b"\r\nRTSP/1.0 454\nCSeq : 7\nServer: \xe4\n\n", "35 454  true");
        check(b"RTSP/1.0 404 Stream Not Found\r\nno header\r\nCSeq: 7\r\n\r\n", "53 404 Stream Not Found  true");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 9999999\r\n\r\n", "too long");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: much\r\n\r\n", "foreign 41");
        check(b"RTSP/9 no\r\n\r\n", "foreign 13");
        check(b"$\x01\0\x03abcd", "7 data 1 3");
        check(b"$\x01\0\x03ab", "0 partial");
        check(b"OPTIONS rtsp://x RTSP/1.0\r\n\r\n", "29 request");
        check(b"HTT", "0 partial");
        check(b"HTTP/1.1 400 Bad", "0 partial");
        check(b"HTTP/1.1 400 Bad\r\n", "foreign 18");
        check(&[0x16], "0 partial");
        check(&[0x16, 3, 1], "foreign 3");
        check(b"220 mail", "foreign 8");
        check(&[b"RTSP/1.0 200 OK\r\nX: ".to_vec(), vec![b'x'; MAX_HEAD_BYTES]].concat(), "too long");
    }

    #[test]
    fn nothing_makes_it_panic() {
        let mut random = fastrand::Rng::with_seed(13);
        let good =
            b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nSession: 1;timeout=60\r\nContent-Length: 4\r\n\r\nbody$\x01\0\x03abc";
        for _ in 0..20_000 {
            let mut bytes = good.to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            let mut splitter = MessageSplitter::default();
            splitter.bytes.push(&bytes);
            while let Ok(Some(_)) = splitter.next() {}
        }
    }

    /// Messages of which each comes as a drip, and many that come at once.
    #[test]
    fn no_byte_is_looked_at_again_and_again() {
        let line = b"X-Name: some words that say nothing at all\r\n".repeat(1_000);
        let head = [b"RTSP/1.0 200 OK\r\nContent-Length: 200000\r\n", &line[..], b"\r\n"].concat();
        let long = [&head[..], &vec![b'x'; 200_000][..]].concat();
        let blank = vec![b'\n'; 200_000];
        let empty = b"$\0\0\0".repeat(50_000);
        let frame = [b"$\0\xff\xff", &vec![7; 65_535][..]].concat();
        for (bytes, n_messages) in [(&long, 1), (&blank, 0), (&empty, 50_000), (&frame, 1), (&line, 0)] {
            for n_piece in [1, bytes.len()] {
                let mut splitter = MessageSplitter::default();
                let mut n = 0;
                for piece in bytes.chunks(n_piece) {
                    splitter.bytes.push(piece);
                    while let Ok(Some(_)) = splitter.next() {
                        n += 1;
                    }
                }
                let begin = bytes[..20.min(bytes.len())].escape_ascii();
                assert_eq!(n, n_messages, "{begin}");
                assert!(splitter.n_visited <= 3 * bytes.len(), "{} for {} of {begin}", splitter.n_visited, bytes.len());
            }
        }
    }
}
