//! RTSP messages out of a stream of bytes, as cameras write them: with other ends of lines, missing headers and web pages among
//! them.

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use rtsp_types::{Message, ParseError};

use super::{InterleavedData, RtspResponse};
use crate::fault::FaultKind;
use crate::network::ConnectionFinding;
use crate::network::connection::{Connection, broken};

/// Longer heads are not read.
const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_BODY_BYTES: usize = 1 << 20;
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
    bytes: Vec<u8>,
    /// Those before have been taken out.
    start: usize,
}

impl fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearing").field("n_bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl MessageReader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, bytes: Vec::new(), start: 0 }
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
            let rest = self.bytes.get(self.start..).unwrap_or_default();
            let (n, incoming) = parse(rest)?;
            self.start += n;
            if let Some(incoming) = incoming {
                return Ok(incoming);
            }
            self.bytes.drain(..self.start);
            self.start = 0;
            let n = match self.connection.read(&mut read, deadline) {
                Ok(0) => return Err(RtspReadError::Io(ErrorKind::UnexpectedEof.into())),
                Ok(n) => n,
                // What came without an end may still tell what it is.
                Err(error) if error.kind() == ErrorKind::TimedOut && !could_be_rtsp(&self.bytes) => {
                    return Err(RtspReadError::Foreign(self.bytes.clone()));
                }
                Err(error) => return Err(RtspReadError::Io(error)),
            };
            self.bytes.extend_from_slice(read.get(..n).unwrap_or_default());
        }
    }
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

/// How many bytes are done with, and the message that they were, if it is whole.
fn parse(bytes: &[u8]) -> Result<(usize, Option<Incoming>), RtspReadError> {
    let n_blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0)).count();
    let rest = bytes.get(n_blank..).unwrap_or_default();
    if let [b'$', channel, high, low, payload @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        return Ok(match payload.get(..length) {
            Some(payload) => (
                n_blank + 4 + length,
                Some(Incoming::Data(InterleavedData { channel: *channel, payload: payload.to_vec() })),
            ),
            None => (n_blank, None),
        });
    }
    if !rest.is_empty() && !could_be_rtsp(rest) {
        // Enough to say what it is; of a web server the whole line.
        let is_begun = matches!(rest, [0x15 | 0x16])
            || b"HTTP/".starts_with(rest.get(..rest.len().min(5)).unwrap_or_default()) && !rest.contains(&b'\n');
        return if rest.len() < 100 && is_begun {
            Ok((n_blank, None))
        } else {
            Err(RtspReadError::Foreign(rest.get(..rest.len().min(200)).unwrap_or_default().to_vec()))
        };
    }
    let Some(n_head) = head_length(rest.get(..rest.len().min(MAX_HEAD_BYTES)).unwrap_or_default()) else {
        return if rest.len() >= MAX_HEAD_BYTES { Err(RtspReadError::TooLong) } else { Ok((n_blank, None)) };
    };
    let (head, behind) = rest.split_at_checked(n_head).unwrap_or_default();
    if is_request(head) {
        return Ok((n_blank + n_head, Some(Incoming::Request)));
    }
    let foreign = || RtspReadError::Foreign(head.get(..head.len().min(200)).unwrap_or_default().to_vec());
    let mut message = tidy(head);
    let n_body = match Message::<Vec<u8>>::parse(&message) {
        Ok(_) => 0,
        Err(ParseError::Incomplete(Some(n))) => n.get(),
        Err(_) => return Err(foreign()),
    };
    if n_body > MAX_BODY_BYTES {
        return Err(RtspReadError::TooLong);
    }
    let Some(body) = behind.get(..n_body) else { return Ok((n_blank, None)) };
    message.extend_from_slice(body);
    match Message::<Vec<u8>>::parse(&message) {
        Ok((Message::Response(response), _)) => Ok((n_blank + n_head + n_body, Some(Incoming::Response(response)))),
        _ => Err(foreign()),
    }
}

/// Up to the blank line, with it. Some cameras end their lines with a line feed only.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    feeds.into_iter().find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
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
        let got = match parse(bytes) {
            Ok((n, None)) => format!("{n} partial"),
            Ok((n, Some(Incoming::Data(data)))) => {
                format!("{n} data {} {}", data.channel, data.payload.len())
            }
            Ok((n, Some(Incoming::Request))) => format!("{n} request"),
            Ok((n, Some(Incoming::Response(response)))) => {
                let body = String::from_utf8_lossy(response.body()).into_owned();
                format!("{n} {} {body} {}", status_line(&response), is_answer(&response, 7))
            }
            Err(RtspReadError::Foreign(bytes)) => format!("foreign {}", bytes.len()),
            Err(RtspReadError::TooLong) => "too long".to_owned(),
            Err(RtspReadError::Io(error)) => error.to_string(),
        };
        assert_eq!(got, expected, "{}", String::from_utf8_lossy(bytes));
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
            let mut rest = &bytes[..];
            while let Ok((n, Some(_))) = parse(rest) {
                rest = &rest[n..];
            }
        }
    }
}
