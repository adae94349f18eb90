//! RTSP messages out of a stream of bytes, as cameras write them: with other ends of lines, missing headers, and rubbish between
//! their packets.

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use rtsp_types::Message;

use super::{InterleavedData, RtspResponse};
use crate::address::Address;
use crate::fault::FaultKind;
use crate::network::ConnectionFinding;
use crate::network::bytes::{ByteQueue, HeadSearch};
use crate::network::connection::{Connection, broken};
use crate::network::login;
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
    /// A request, which gets no answer, or an interim answer: nobody waits for either.
    Other,
}

/// Why no message could be read.
pub(super) enum RtspReadError {
    Io(std::io::Error),
    /// It is not RTSP; these are its first bytes.
    Foreign(Vec<u8>),
    TooLong,
    /// So many bytes on end that belong to no message, in the midst of a conversation.
    Stray(u64),
    NotUnderstood(NotUnderstood),
}

impl From<NotUnderstood> for RtspReadError {
    fn from(not_understood: NotUnderstood) -> Self {
        Self::NotUnderstood(not_understood)
    }
}

impl RtspReadError {
    /// `address` has the secrets that the camera may repeat.
    fn finding(&self, doing: &str, patience: Duration, address: &Address) -> ConnectionFinding {
        match self {
            Self::Io(error) => broken(error, doing, patience),
            Self::TooLong => ConnectionFinding::new(
                "F86",
                FaultKind::ProtocolTrouble,
                format!("the camera's answer to {doing} is longer than any should be, and was not read to its end"),
            ),
            Self::Foreign(bytes) => foreign(bytes, doing, address),
            Self::Stray(n) => ConnectionFinding::new(
                "F86",
                FaultKind::ProtocolTrouble,
                format!(
                    "in the midst of {doing} the camera has sent {} KiB that are neither packets nor answers",
                    n >> 10
                ),
            )
            .with_advice("Restart the camera; update its firmware."),
            Self::NotUnderstood(what) => {
                let mut finding = what.finding(doing);
                finding.fault.message = address.mask_in(&finding.fault.message).into();
                finding
            }
        }
    }
}

/// What answers, if not RTSP (F99).
fn foreign(bytes: &[u8], doing: &str, address: &Address) -> ConnectionFinding {
    let wrong = |message: String, advice: &str| {
        ConnectionFinding::new("F99", FaultKind::WrongProtocol, message).with_advice(advice)
    };
    if bytes.starts_with(b"HTTP/") {
        let text = String::from_utf8_lossy(bytes);
        let line: String = address.mask_in(text.lines().next().unwrap_or_default()).chars().take(80).collect();
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
        let begin = parsers::beginning(bytes, |text| address.mask_in(text));
        wrong(
            format!("what answers {doing} on this port is no RTSP: it begins with {begin}"),
            "Check the port: RTSP mostly has 554.",
        )
    }
}

/// Takes messages out of the stream of bytes.
pub(super) struct MessageReader {
    connection: Connection,
    splitter: MessageSplitter,
    /// Of the camera, with what is to be masked in its words.
    address: Address,
}

impl fmt::Debug for MessageReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageSplitter { bytes, n_visited, .. } = &self.splitter;
        let mut text = f.debug_struct("MessageReader");
        text.field("n_bytes", &bytes.len()).field("n_visited", n_visited).finish_non_exhaustive()
    }
}

impl MessageReader {
    pub(super) fn new(connection: Connection, address: Address) -> Self {
        Self { connection, splitter: MessageSplitter::default(), address }
    }

    pub(super) fn next(
        &mut self,
        deadline: Instant,
        doing: &str,
        patience: Duration,
    ) -> Result<Incoming, ConnectionFinding> {
        self.receive(deadline).map_err(|unheard| self.finding(&unheard, doing, patience))
    }

    pub(super) fn finding(&self, unheard: &RtspReadError, doing: &str, patience: Duration) -> ConnectionFinding {
        unheard.finding(doing, patience, &self.address)
    }

    /// Bytes that belonged to no message.
    pub(super) fn n_stray(&self) -> u64 {
        self.splitter.n_stray
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
                Err(error) if error.kind() == ErrorKind::TimedOut && self.splitter.is_foreign() => {
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

/// A camera that sends so much without a message among it speaks another language by now.
const MAX_STRAY: u64 = 1 << 20;
/// Packets may come on each channel that was agreed on, and RTCP beside it.
const MAX_CHANNELS: usize = 16;
/// No camera agrees on a higher one, and two are asked for.
const MAX_CHANNEL: u8 = 7;

/// Takes messages out of what is pushed into its bytes. What has been looked at is not looked at again, in however small pieces a
/// message comes.
///
/// Some cameras send other bytes between their packets, or a part of a packet (live555 before 2017). Once the conversation has
/// begun these are skipped, up to the next bytes that a message begins with.
#[derive(Default)]
struct MessageSplitter {
    bytes: ByteQueue,
    search: HeadSearch,
    /// No message is whole before so many bytes are there.
    n_needed: usize,
    /// A message has come.
    has_begun: bool,
    /// On which packets have come, and of which type each was last (RFC 3550, 5.1 and 6.4.1).
    channels: Vec<(u8, u8)>,
    /// Behind bytes that belong to no message: what looks like one is looked at twice.
    is_lost: bool,
    n_stray: u64,
    /// Of these, since the last message.
    n_stray_now: u64,
    /// Bytes that were looked at, those that were looked at twice twice.
    n_visited: usize,
}

/// What stands at the beginning of the bytes, if a packet does.
enum Framed {
    Whole(InterleavedData),
    /// More bytes than so many are needed.
    Partial(usize),
    /// It is none.
    Stray,
}

const RTSP: &[u8] = b"RTSP/";

fn is_rtsp(bytes: &[u8]) -> bool {
    let n = bytes.len().min(RTSP.len());
    bytes.get(..n).is_some_and(|begin| RTSP.get(..n).is_some_and(|rtsp| begin.eq_ignore_ascii_case(rtsp)))
}

fn could_be_rtsp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"$") || is_rtsp(bytes) || is_request(bytes)
}

fn is_request(bytes: &[u8]) -> bool {
    let methods =
        ["OPTIONS ", "ANNOUNCE ", "SET_PARAMETER ", "GET_PARAMETER ", "REDIRECT ", "TEARDOWN ", "PLAY_NOTIFY "];
    methods.iter().any(|method| {
        let n = bytes.len().min(method.len());
        n > 0 && bytes.get(..n) == method.as_bytes().get(..n)
    })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' ' | 0)
}

impl MessageSplitter {
    /// The next message, if it is whole.
    fn next(&mut self) -> Result<Option<Incoming>, RtspReadError> {
        loop {
            if self.bytes.len() < self.n_needed {
                return Ok(None);
            }
            let n_blank = self.bytes.rest().iter().take_while(|byte| is_blank(**byte)).count();
            self.n_visited += n_blank;
            self.bytes.skip(n_blank);
            self.n_stray += if self.is_lost { n_blank as u64 } else { 0 };
            let rest = self.bytes.rest();
            if rest.is_empty() {
                return Ok(None);
            }
            if rest.starts_with(b"$") {
                match self.framed() {
                    Framed::Whole(data) => {
                        self.learn(&data);
                        return Ok(Some(self.taken(4 + data.payload.len(), Incoming::Data(data))));
                    }
                    Framed::Partial(n) => return Ok(self.wait_for(n)),
                    Framed::Stray => {}
                }
            } else if could_be_rtsp(rest) {
                match self.message() {
                    Err(RtspReadError::Foreign(_)) if !self.channels.is_empty() => {}
                    read => return read,
                }
            } else if !self.has_begun || self.is_foreign() {
                // Enough to say what it is; of a web server the whole line.
                let begin = self.bytes.begin(100);
                let is_begun = matches!(rest, [0x15 | 0x16])
                    || b"HTTP/".starts_with(self.bytes.begin(5)) && !begin.contains(&b'\n');
                let is_told = rest.len() >= 100 || !is_begun;
                return if is_told {
                    Err(RtspReadError::Foreign(self.bytes.begin(MAX_FOREIGN).to_vec()))
                } else {
                    Ok(None)
                };
            }
            self.skip_stray()?;
        }
    }

    /// What begins the bytes is of another language: a web server's, or none before the conversation has begun.
    fn is_foreign(&self) -> bool {
        let rest = self.bytes.rest();
        let is_other = b"HTTP/".starts_with(self.bytes.begin(5)) || matches!(rest, [0x15 | 0x16, 3, ..]);
        !could_be_rtsp(rest) && self.channels.is_empty() && (!self.has_begun || is_other)
    }

    /// The packet that begins here (RFC 2326, 10.12). RTP and RTCP have version 2 in their first two bits (RFC 3550, 5.1).
    fn framed(&self) -> Framed {
        let [_, channel, high, low, payload @ ..] = self.bytes.rest() else { return Framed::Partial(4) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (has_none, is_empty) = (self.channels.is_empty(), length == 0);
        let known = self.channels.iter().find(|(known, _)| known == channel);
        let is_known = known.is_some() || has_none && *channel <= MAX_CHANNEL;
        let is_usual = known.is_some_and(|(_, kind)| payload.get(1).is_some_and(|second| second & 0x7f == *kind));
        let is_rtp = match payload.first() {
            Some(first) => is_empty || first >> 6 == 2,
            None if is_empty => true,
            None => return Framed::Partial(5),
        };
        let could_be = has_none || is_known || is_rtp && *channel <= MAX_CHANNEL;
        if !could_be || self.is_lost && !(is_known && is_rtp) {
            return Framed::Stray;
        }
        // What is doubtful is one if another message follows it.
        let is_doubtful = self.is_lost && !is_usual || !has_none && !is_rtp;
        let Some((payload, behind)) = payload.split_at_checked(length) else { return Framed::Partial(4 + length) };
        match behind.first() {
            None if is_doubtful => return Framed::Partial(5 + length),
            Some(next) if is_doubtful && !is_blank(*next) && !could_be_rtsp(behind) => return Framed::Stray,
            _ => {}
        }
        Framed::Whole(InterleavedData { channel: *channel, payload: payload.to_vec() })
    }

    fn learn(&mut self, data: &InterleavedData) {
        let kind = data.payload.get(1).map_or(0, |second| second & 0x7f);
        if let Some((_, known)) = self.channels.iter_mut().find(|(channel, _)| *channel == data.channel) {
            *known = kind;
        } else if self.channels.len() < MAX_CHANNELS {
            self.channels.push((data.channel, kind));
        }
    }

    /// Goes on to where the next message may begin.
    fn skip_stray(&mut self) -> Result<(), RtspReadError> {
        let rest = self.bytes.rest();
        let behind = rest.get(1..).unwrap_or_default();
        let begins = |at: &usize| {
            let bytes = behind.get(*at..).unwrap_or_default();
            bytes.starts_with(b"$") || is_rtsp(bytes)
        };
        let n = 1 + (0..behind.len()).find(begins).unwrap_or(behind.len());
        self.n_visited += n;
        self.bytes.skip(n);
        (self.is_lost, self.n_needed) = (true, 0);
        self.search = HeadSearch::default();
        self.n_stray += n as u64;
        self.n_stray_now += n as u64;
        if self.n_stray_now > MAX_STRAY { Err(RtspReadError::Stray(self.n_stray_now)) } else { Ok(()) }
    }

    /// The answer or the request that begins here.
    fn message(&mut self) -> Result<Option<Incoming>, RtspReadError> {
        let begin = self.bytes.begin(MAX_HEAD_BYTES);
        self.n_visited += begin.len().saturating_sub(self.search.at);
        let Some(n_head) = self.search.length(begin) else {
            return if begin.len() >= MAX_HEAD_BYTES { Err(RtspReadError::TooLong) } else { Ok(None) };
        };
        let head = self.bytes.begin(n_head);
        let foreign = || RtspReadError::Foreign(head.get(..MAX_FOREIGN).unwrap_or(head).to_vec());
        let is_asked = is_request(head);
        let (mut message, n_body) = tidy(head, is_asked).ok_or_else(foreign)?;
        if n_body > MAX_BODY_BYTES {
            return Err(RtspReadError::TooLong);
        }
        let n = n_head + n_body;
        let Some(body) = self.bytes.rest().get(n_head..n) else { return Ok(self.wait_for(n)) };
        if is_asked {
            return Ok(Some(self.taken(n, Incoming::Other)));
        }
        message.extend_from_slice(body);
        match parsers::rtsp_message(&message)? {
            Ok((Message::Response(response), _)) if (100..200).contains(&u16::from(response.status())) => {
                Ok(Some(self.taken(n, Incoming::Other)))
            }
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
        (self.has_begun, self.is_lost, self.n_stray_now) = (true, false, 0);
        incoming
    }
}

/// A head as the standard wants it, and the length of the body behind it, from one as cameras write it: other ends of lines, other
/// encodings, blanks before the colon, no reason behind the status, lines that are no headers. `None` where it has no status.
fn tidy(head: &[u8], is_request: bool) -> Option<(Vec<u8>, usize)> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = String::from_utf8_lossy(lines.next()?);
    let mut tidied = if is_request { first.into_owned() } else { parsers::status_line(&first, "RTSP/1.0")? } + "\r\n";
    let mut n_body = None;
    for line in lines {
        let text = String::from_utf8_lossy(line);
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            // A header goes on.
            tidied.truncate(tidied.trim_end().len());
            tidied += &format!(" {}\r\n", text.trim());
        } else if let Some((name, value)) = text.split_once(':') {
            let name = name.trim();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                continue;
            }
            let value = if name.eq_ignore_ascii_case("WWW-Authenticate") {
                login::challenge(line.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default())
            } else {
                value.trim().to_owned()
            };
            if name.eq_ignore_ascii_case("Content-Length") {
                n_body = n_body.or(Some(value.parse::<usize>().unwrap_or(0)));
            } else {
                tidied += &format!("{name}: {value}\r\n");
            }
        }
    }
    let n_body = n_body.unwrap_or(0);
    tidied += &format!("Content-Length: {n_body}\r\n\r\n");
    Some((tidied.into_bytes(), n_body))
}

#[cfg(test)]
mod tests {
    use super::super::status_line;
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
                Ok(Some(Incoming::Other)) => format!("{n} other"),
                Ok(Some(Incoming::Response(response))) => {
                    let body = String::from_utf8_lossy(response.body()).into_owned();
                    format!("{n} {} {body}", status_line(&response))
                }
                Err(RtspReadError::Foreign(bytes)) => format!("foreign {}", bytes.len()),
                Err(RtspReadError::TooLong) => "too long".to_owned(),
                Err(RtspReadError::NotUnderstood(what)) => format!("{what:?}"),
                Err(RtspReadError::Stray(n)) => format!("stray {n}"),
                Err(RtspReadError::Io(error)) => error.to_string(),
            };
            assert_eq!(got, expected, "{} in pieces of {n_piece}", bytes.escape_ascii());
        }
    }

    #[test]
    fn messages_are_read_as_cameras_write_them() {
        check(b"", "0 partial");
        check(b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\nrest", "28 200 OK ");
        check(b"RTSP/1.0 200 OK\r\n\r\n", "19 200 OK ");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nab", "0 partial");
        check(b"RTSP/1.0 200 OK\r\nContent-length:3\r\n\r\nabcd", "40 200 OK abc");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\nabcd", "60 200 OK abc");
        check(b"\r\nRTSP/1.0 454\nCSeq : 7\nServer: \xe4\n\n", "35 454 ");
        check(b"RTSP/1.0 404 Stream Not Found\r\nno header\r\nCSeq: 7\r\n\r\n", "53 404 Stream Not Found ");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: 9999999\r\n\r\n", "too long");
        check(b"RTSP/1.0 200 OK\r\nContent-Length: much\r\n\r\n", "41 200 OK ");
        // Other status lines.
        check(b"RTSP/1.1 200 OK\r\n\r\n", "19 200 OK ");
        check(b"rtsp/1.0  200\tgood\r\n\r\n", "22 200 good ");
        check(b"RTSP/2.0 200OK\r\n\r\n", "18 200 OK ");
        check(b"RTSP/1.0 200 \xf6k\r\n\r\n", "19 200 \u{fffd}k ");
        check(b"RTSP/1.0 100 Continue\r\n\r\n", "25 other");
        check(b"RTSP/9 no\r\n\r\n", "foreign 13");
        check(b"$\x01\0\x03abcd", "7 data 1 3");
        check(b"$\x01\0\x03ab", "0 partial");
        check(b"OPTIONS rtsp://x RTSP/1.0\r\n\r\n", "29 other");
        check(b"ANNOUNCE rtsp://x RTSP/1.0\r\nContent-Length: 3\r\n\r\nv=0$", "52 other");
        check(b"HTT", "0 partial");
        check(b"HTTP/1.1 400 Bad", "0 partial");
        check(b"HTTP/1.1 400 Bad\r\n", "foreign 18");
        check(&[0x16], "0 partial");
        check(&[0x16, 3, 1], "foreign 3");
        check(b"220 mail", "foreign 8");
        check(&[b"RTSP/1.0 200 OK\r\nX: ".to_vec(), vec![b'x'; MAX_HEAD_BYTES]].concat(), "too long");
    }

    #[test]
    fn what_is_no_rtsp_is_told_without_a_secret() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            let address = Address::parse("rtsp://admin:geheim123@cam/").unwrap();
            let finding = RtspReadError::Foreign(bytes.to_vec()).finding("DESCRIBE", Duration::ZERO, &address);
            assert!(finding.fault.message.ends_with(expected), "{}", finding.fault);
        }
        check(b"SSH-2.0-OpenSSH_9.6\r\n", "begins with “SSH-2.0-OpenSSH_9.6”");
        check(b"geheim123\r\n", "begins with “***”");
        check(b"0123456789 GEHEIM%3123 x", "begins with “0123456789 *** x”");
        check(b"sent YWRtaW46Z2VoZWltMTIz\r\n", "begins with “sent ***”");
        check(&[vec![b'x'; 35], b"geheim123".to_vec()].concat(), "xx***”");
        check(b"\x00\xff\x01geheim123", "begins with 00 ff 01");
        check(&[0x80; 20], "begins with 80 80 80 80 80 80 80 80");
        check(b"HTTP/1.1 404 no geheim123\r\nX: geheim123\r\n", "on this port: HTTP/1.1 404 no ***");
    }

    /// Packets of three bytes, by their last one, and answers, `A`; how many other bytes there were.
    #[track_caller]
    fn check_stray(parts: &[&[u8]], expected: &str, n_stray: u64) {
        let bytes = parts.concat();
        for n_piece in [bytes.len(), 1, 3] {
            let (mut splitter, mut got) = (MessageSplitter::default(), String::new());
            for piece in bytes.chunks(n_piece) {
                splitter.bytes.push(piece);
                loop {
                    match splitter.next() {
                        Ok(Some(Incoming::Data(data))) => got.push(char::from(*data.payload.last().unwrap())),
                        Ok(Some(Incoming::Response(_))) => got.push('A'),
                        Ok(Some(Incoming::Other)) => got.push('O'),
                        Ok(None) => break,
                        Err(error) => {
                            let address = Address::parse("rtsp://cam/").unwrap();
                            panic!("{:?}", error.finding("it", Duration::ZERO, &address));
                        }
                    }
                }
            }
            assert_eq!((got.as_str(), splitter.n_stray), (expected, n_stray), "in pieces of {n_piece}");
        }
    }

    #[test]
    fn bytes_between_packets_are_skipped() {
        let (a, b, c) = (b"$\0\0\x03\x80\x60a", b"$\0\0\x03\x80\x60b", b"$\0\0\x03\x80\x60c");
        let answer = b"RTSP/1.0 200 OK\r\n\r\n";
        check_stray(&[a, b, c], "abc", 0);
        check_stray(&[a, b"junk", b, c], "abc", 4);
        check_stray(&[answer, b"junk", a, b], "Aab", 4);
        check_stray(&[a, b"junk", answer, b], "aAb", 4);
        check_stray(&[a, b"\r\n\r\n", b], "ab", 0);
        check_stray(&[a, b"junk", b, b"junk", c, b"junk"], "abc", 12);
        // One that says that it is a packet: of a channel that nobody has, of no version, with others behind it that are none.
        check_stray(&[a, b"$\x37\xf1\x22xy", b, c], "abc", 6);
        check_stray(&[a, b"$\0\0\x02xyz", b, c], "abc", 7);
        check_stray(&[a, b"j$\0\0\x02\x80\x61xx", b, c], "abc", 9);
        check_stray(&[a, b"RTSP?\r\n\r\n", b, c], "abc", 9);
        // Half a packet takes the head of the next one with it.
        check_stray(&[a, b"$\0\0\x07\x80\x60", b, c, a], "a\u{80}ca", 2);
        check_stray(&[a, b"REDIRECT rtsp://x RTSP/1.0\r\nContent-Length: 2\r\n\r\n$$", b], "aOb", 0);
    }

    #[test]
    fn a_camera_that_sends_nothing_else_any_more_is_given_up() {
        let mut splitter = MessageSplitter::default();
        splitter.bytes.push(b"$\0\0\x03\x80\x60a");
        assert!(matches!(splitter.next(), Ok(Some(_))));
        let ended = (0..100).find_map(|_| {
            splitter.bytes.push(&vec![b'x'; 65_536]);
            splitter.next().err()
        });
        assert!(matches!(ended, Some(RtspReadError::Stray(_))));
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
