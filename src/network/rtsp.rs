//! RTSP (RFC 2326): requests and their answers, and what travels between them.
//!
//! An [`RtspClient`] is a conversation that one thread holds. [`RtspClient::split`] makes it one that two threads hold:
//! [`RequestHalf`] sends requests, [`PacketHalf`] reads packets and hands the answers over. Either way the login is added here,
//! and sent once. Dropping the half that sends ends the session, so that the camera does not keep a place for a viewer who has
//! gone. What the packets hold is read in `rtp.rs`.

mod reader;

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rtsp_types::headers::{CSEQ, PUBLIC, SESSION, WWW_AUTHENTICATE};

use self::reader::{Incoming, MessageReader, N_READ_BYTES, RtspReadError};
use super::bytes::PacketQueue;
use super::connection::{Connection, broken, ended};
use super::login::{self, KnownLogins, Login};
use super::{ConnectionFinding, is_full};
use crate::address::Address;
use crate::fault::{Fault, FaultKind};

/// Of the packets that come while an answer is waited for, so much is kept; of more the oldest are dropped. The largest key picture of
/// a camera has a quarter of it.
const MAX_WAITING_BYTES: usize = 8 << 20;
/// How long TEARDOWN may take to be sent, and as long again to be answered.
const TEARDOWN_DEADLINE: Duration = Duration::from_millis(400);
/// How long a session lives without a request, if the camera does not say (RFC 2326, 12.37).
const SESSION_TIMEOUT: Duration = Duration::from_mins(1);

/// An answer, with its status, headers and body as the camera gave them.
pub type RtspResponse = rtsp_types::Response<Vec<u8>>;

/// A piece of interleaved data (RFC 2326, 10.12): on even channels mostly RTP, on odd ones RTCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterleavedData {
    pub channel: u8,
    pub payload: Vec<u8>,
}

impl AsRef<[u8]> for InterleavedData {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

/// What is asked. The method's own headers only: `CSeq`, `Authorization`, `User-Agent` and `Content-Length` are added, and so
/// is `Session`, unless it is among them.
#[derive(Clone, Copy, Debug)]
pub struct RtspRequest<'a> {
    pub method: &'a str,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl<'a> RtspRequest<'a> {
    #[must_use]
    pub fn new(method: &'a str, url: &'a str, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { method, url, headers, body: &[] }
    }
}

/// A conversation with a camera on one connection.
#[derive(Debug)]
pub struct RtspClient {
    requests: RequestHalf,
    packets: PacketHalf,
}

impl RtspClient {
    #[must_use]
    pub fn new(connection: Connection, address: &Address, known: &KnownLogins) -> Self {
        let requests = RequestHalf {
            connection: connection.clone(),
            login: Login::new(address, known),
            n_asked: 0,
            session: None,
            url: address.request_url(),
            unanswered: Vec::new(),
            knows_get_parameter: false,
            answers: None,
        };
        Self {
            requests,
            packets: PacketHalf {
                reader: MessageReader::new(connection, address.clone()),
                waiting: PacketQueue::default(),
                answers: None,
            },
        }
    }

    /// Asks, and waits for the answer; a 401 is answered with the login, once. Packets that come meanwhile wait for
    /// [`Self::next_data`].
    ///
    /// # Errors
    /// The conversation broke, or the login was refused. Any other status is an answer: see [`refusal`].
    pub fn request(&mut self, request: &RtspRequest<'_>, deadline: Instant) -> Result<RtspResponse, Fault> {
        self.ask(request, deadline).map_err(|finding| finding.fault)
    }

    pub(super) fn ask(
        &mut self,
        request: &RtspRequest<'_>,
        deadline: Instant,
    ) -> Result<RtspResponse, ConnectionFinding> {
        let Self { requests, packets } = self;
        requests.exchange(request, deadline, &mut |doing, patience| packets.answer(deadline, doing, patience))
    }

    /// The same without answering a 401: what the camera says to somebody without a login.
    pub(super) fn ask_once(
        &mut self,
        request: &RtspRequest<'_>,
        deadline: Instant,
    ) -> Result<RtspResponse, ConnectionFinding> {
        let Self { requests, packets } = self;
        let patience = deadline.saturating_duration_since(Instant::now());
        let had_login = requests.send(request, deadline)?;
        let receive: &mut ReceiveResponse<'_> = &mut |doing, patience| packets.answer(deadline, doing, patience);
        let response = requests.answer(request.method, deadline, patience, receive)?;
        if u16::from(response.status()) != 401 {
            requests.take_in(request, &response, had_login);
        }
        Ok(response)
    }

    /// Keeps the session alive; nobody waits for the answer.
    pub(super) fn send_sign_of_life(&mut self, url: &str, deadline: Instant) -> Result<(), ConnectionFinding> {
        let method = self.requests.method_of_life();
        self.requests.send(&RtspRequest::new(method, url, &[]), deadline).map(drop)
    }

    /// Whether it answers at all.
    pub(super) fn is_answering(&mut self, url: &str, deadline: Instant) -> bool {
        let method = self.requests.method_of_life();
        self.ask_once(&RtspRequest::new(method, url, &[]), deadline).is_ok()
    }

    /// Bytes of the camera's that belonged neither to an answer nor to a packet.
    pub(super) fn n_stray(&self) -> u64 {
        self.packets.reader.n_stray()
    }

    /// The next piece of interleaved data; `None` if none comes by the deadline.
    ///
    /// # Errors
    /// The conversation broke.
    pub fn next_data(&mut self, deadline: Instant) -> Result<Option<InterleavedData>, Fault> {
        self.packets.next(deadline)
    }

    pub(super) fn next_piece(&mut self, deadline: Instant) -> Result<Option<InterleavedData>, ConnectionFinding> {
        self.packets.take(deadline)
    }

    /// Ends the session, if there is one; the connection stays for another.
    pub(super) fn tear_down(&mut self, url: &str, deadline: Instant) {
        if self.session().is_some() {
            // A camera that has gone needs no TEARDOWN.
            let _ = self.ask(&RtspRequest::new("TEARDOWN", url, &[]), deadline);
            self.packets.waiting.clear();
        }
    }

    pub(super) fn check_wanted(&self) -> Result<(), ConnectionFinding> {
        let wanted = self.requests.connection.check_wanted();
        wanted.map_err(|error| broken(&error, "the stream", Duration::ZERO))
    }

    #[must_use]
    pub fn login(&self) -> &Login {
        &self.requests.login
    }

    /// The same conversation on another connection, with what is known of the login.
    pub(super) fn again(mut self, connection: Connection, address: &Address) -> Self {
        let mut client = Self::new(connection, address, &KnownLogins::default());
        std::mem::swap(&mut client.requests.login, &mut self.requests.login);
        client
    }

    /// The same for another address of the same server.
    pub(super) fn at(mut self, address: &Address) -> Self {
        self.requests.url = address.request_url();
        self
    }

    /// Takes in the first 401: the next request has the login with it.
    pub(super) fn asked(&mut self, response: &RtspResponse) -> Result<(), ConnectionFinding> {
        self.requests.asked(response, false, false)
    }

    /// See [`RequestHalf::session`].
    #[must_use]
    pub fn session(&self) -> Option<(&str, Duration)> {
        self.requests.session()
    }

    /// The connection itself.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.requests.connection
    }

    /// For two threads. Drop [`RequestHalf`] first: then the camera's answer to TEARDOWN is still read.
    #[must_use]
    pub fn split(mut self) -> (RequestHalf, PacketHalf) {
        let (sender, receiver) = bounded(16);
        self.requests.answers = Some(receiver);
        self.packets.answers = Some(sender);
        (self.requests, self.packets)
    }
}

/// The half that sends requests. Dropping it ends the session, which takes 0.8 s at most.
pub struct RequestHalf {
    connection: Connection,
    login: Login,
    n_asked: u32,
    session: Option<Session>,
    /// What TEARDOWN names.
    url: String,
    /// Requests that were not waited for to the end: their answers may still come.
    unanswered: Vec<u32>,
    /// The camera has said so (`Public`).
    knows_get_parameter: bool,
    /// From the half that reads, if that is on a thread of its own.
    answers: Option<Receiver<RtspResponse>>,
}

impl fmt::Debug for RequestHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHalf")
            .field("login", &self.login)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    id: String,
    timeout: Duration,
}

/// More are not expected to come still.
const MAX_UNANSWERED: usize = 16;

/// Waits for the next answer. The text says what is being done, for messages; the duration is the time that it has.
type ReceiveResponse<'a> = dyn FnMut(&str, Duration) -> Result<RtspResponse, ConnectionFinding> + 'a;

impl RequestHalf {
    /// As [`RtspClient::request`]; [`PacketHalf::next`] must be called on another thread meanwhile.
    ///
    /// # Errors
    /// As [`RtspClient::request`].
    pub fn request(&mut self, request: &RtspRequest<'_>, deadline: Instant) -> Result<RtspResponse, Fault> {
        let answers = self.answers.clone();
        let receive: &mut ReceiveResponse<'_> = &mut |doing, patience| {
            let gone = || broken(&ErrorKind::UnexpectedEof.into(), doing, patience);
            match answers.as_ref().ok_or_else(gone)?.recv_deadline(deadline) {
                Ok(response) => Ok(response),
                Err(RecvTimeoutError::Timeout) => Err(broken(&ErrorKind::TimedOut.into(), doing, patience)),
                Err(RecvTimeoutError::Disconnected) => Err(gone()),
            }
        };
        self.exchange(request, deadline, receive).map_err(|finding| finding.fault)
    }

    /// A piece of interleaved data for the camera: receiver reports mostly.
    ///
    /// # Errors
    /// The connection broke.
    pub fn send_data(&mut self, channel: u8, payload: &[u8], deadline: Instant) -> Result<(), Fault> {
        let Ok(length) = u16::try_from(payload.len()) else { return Ok(()) };
        let mut bytes = vec![b'$', channel];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(payload);
        let sent = self.connection.write_all(&bytes, deadline);
        sent.map_err(|error| broken(&error, "a report", Duration::ZERO).fault)
    }

    /// The session's number, and how long it lives without a request.
    #[must_use]
    pub fn session(&self) -> Option<(&str, Duration)> {
        self.session.as_ref().map(|session| (session.id.as_str(), session.timeout))
    }

    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The connection itself: closing it ends both halves.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    fn exchange(
        &mut self,
        request: &RtspRequest<'_>,
        deadline: Instant,
        receive: &mut ReceiveResponse<'_>,
    ) -> Result<RtspResponse, ConnectionFinding> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let mut is_again = false;
        loop {
            let had_login = self.send(request, deadline)?;
            let response = self.answer(request.method, deadline, patience, receive)?;
            if u16::from(response.status()) != 401 {
                self.take_in(request, &response, had_login);
                return Ok(response);
            }
            self.asked(&response, had_login, is_again)?;
            is_again = had_login;
        }
    }

    /// The answer to the request that was sent last.
    fn answer(
        &mut self,
        doing: &str,
        deadline: Instant,
        patience: Duration,
        receive: &mut ReceiveResponse<'_>,
    ) -> Result<RtspResponse, ConnectionFinding> {
        loop {
            let response = receive(doing, patience)?;
            if self.is_answered_by(&response) {
                return Ok(response);
            }
            if Instant::now() >= deadline {
                return Err(broken(&ErrorKind::TimedOut.into(), doing, patience));
            }
        }
    }

    /// Whether this answers the last request. Many cameras forget `CSeq` or count otherwise (0 at OPTIONS, or always one less), so
    /// that only an answer that an earlier request still waits for is none.
    fn is_answered_by(&mut self, response: &RtspResponse) -> bool {
        let said = response.header(&CSEQ).and_then(|value| value.as_str().trim().parse::<u32>().ok());
        let is_late = said.is_some_and(|said| said != self.n_asked && self.unanswered.contains(&said));
        let answered = if is_late { said } else { Some(self.n_asked) };
        self.unanswered.retain(|cseq| Some(*cseq) != answered);
        !is_late
    }

    /// What keeps a session alive: OPTIONS, which all cameras know, unless they say that they know `GET_PARAMETER`, which is meant for
    /// it (RFC 2326, 10.8).
    #[must_use]
    pub fn method_of_life(&self) -> &'static str {
        if self.knows_get_parameter { "GET_PARAMETER" } else { "OPTIONS" }
    }

    /// Takes a 401 in.
    fn asked(&mut self, response: &RtspResponse, had_login: bool, is_again: bool) -> Result<(), ConnectionFinding> {
        let challenge = response.header(&WWW_AUTHENTICATE).map(|value| value.as_str().to_owned());
        self.login.asked(challenge.as_deref(), had_login, is_again, &status_line(response))
    }

    fn take_in(&mut self, request: &RtspRequest<'_>, response: &RtspResponse, had_login: bool) {
        if had_login {
            self.login.accepted();
        }
        let is_success = response.status().is_success();
        if let Some(public) = response.header(&PUBLIC).filter(|_| is_success) {
            let is_it = |method: &str| method.trim().eq_ignore_ascii_case("GET_PARAMETER");
            self.knows_get_parameter = public.as_str().split([',', ' ']).any(is_it);
        }
        if request.method == "TEARDOWN" {
            self.session = None;
        } else if let Some(value) = response.header(&SESSION).filter(|_| is_success) {
            let mut parts = value.as_str().split(';');
            let id = parts.next().unwrap_or_default().trim().to_owned();
            let timeout = parts.find_map(timeout).map_or(SESSION_TIMEOUT, Duration::from_secs);
            // Later answers often name the session without its time.
            let timeout = match &self.session {
                Some(known) if known.id == id && timeout == SESSION_TIMEOUT => known.timeout,
                _ => timeout,
            };
            if !id.is_empty() {
                self.session = Some(Session { id, timeout });
            }
        }
    }

    /// Whether the login went with it.
    fn send(&mut self, request: &RtspRequest<'_>, deadline: Instant) -> Result<bool, ConnectionFinding> {
        self.n_asked += 1;
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.remove(0);
        }
        self.unanswered.push(self.n_asked);
        let RtspRequest { method, url, headers, body } = *request;
        let mut head = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\nUser-Agent: Camclinic\r\n", self.n_asked);
        let is_own = |name: &str| {
            ["CSeq", "User-Agent", "Authorization", "Content-Length"].iter().any(|own| own.eq_ignore_ascii_case(name))
        };
        let is_clean = |text: &str| !text.contains(['\r', '\n']);
        for (name, value) in headers.iter().filter(|(name, value)| !is_own(name) && is_clean(name) && is_clean(value)) {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(session) = &self.session
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Session"))
        {
            head += &format!("Session: {}\r\n", session.id);
        }
        let login = self.login.authorization(method, url, body);
        if let Some(login) = &login {
            head += &format!("Authorization: {login}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let bytes = [&login::bytes(&head), body].concat();
        let patience = deadline.saturating_duration_since(Instant::now());
        match self.connection.write_all(&bytes, deadline) {
            Ok(()) => Ok(login.is_some()),
            // The camera may have said why before it closed: that is read next.
            Err(error) if error.kind() == ErrorKind::BrokenPipe && self.n_asked == 1 => Ok(false),
            Err(error) => Err(broken(&error, method, patience)),
        }
    }
}

impl Drop for RequestHalf {
    fn drop(&mut self) {
        if self.session.is_none() {
            return;
        }
        self.connection = self.connection.uncancelled();
        let url = self.url.clone();
        let deadline = Instant::now() + TEARDOWN_DEADLINE;
        if self.send(&RtspRequest::new("TEARDOWN", &url, &[]), deadline).is_err() {
            return;
        }
        let deadline = Instant::now() + TEARDOWN_DEADLINE;
        if let Some(answers) = self.answers.clone() {
            loop {
                match answers.recv_deadline(deadline) {
                    Ok(response) if !self.is_answered_by(&response) && Instant::now() < deadline => {}
                    Ok(_) | Err(RecvTimeoutError::Timeout) => return self.connection.close(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        // A connection that is closed with packets unread is reset, and the request to end the session may be lost with it.
        let mut read = [0; N_READ_BYTES];
        while let Ok(n @ 1..) = self.connection.read(&mut read, deadline) {
            let has_answer = read.get(..n).is_some_and(|read| read.windows(5).any(|window| window == b"RTSP/"));
            if has_answer || Instant::now() > deadline {
                break;
            }
        }
        self.connection.close();
    }
}

/// The half that reads.
#[derive(Debug)]
pub struct PacketHalf {
    reader: MessageReader,
    waiting: PacketQueue<InterleavedData>,
    answers: Option<Sender<RtspResponse>>,
}

impl PacketHalf {
    /// The next piece of interleaved data; `None` if none comes by the deadline. Answers are handed to [`RequestHalf`].
    ///
    /// # Errors
    /// The conversation broke, or nobody wants it any more.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<InterleavedData>, Fault> {
        self.take(deadline).map_err(|finding| finding.fault)
    }

    fn take(&mut self, deadline: Instant) -> Result<Option<InterleavedData>, ConnectionFinding> {
        if let Some(data) = self.waiting.pop() {
            return Ok(Some(data));
        }
        loop {
            match self.reader.receive(deadline) {
                Ok(Incoming::Data(data)) => return Ok(Some(data)),
                Ok(Incoming::Response(response)) => {
                    if let Some(answers) = &self.answers {
                        // Nobody waits for an answer that comes too late.
                        let _ = answers.try_send(response);
                    }
                }
                Ok(Incoming::Other) => {}
                Err(RtspReadError::Io(error)) if error.kind() == ErrorKind::TimedOut => return Ok(None),
                Err(RtspReadError::Io(error)) => return Err(ended(&error)),
                Err(unheard) => return Err(self.reader.finding(&unheard, "the stream", Duration::ZERO)),
            }
        }
    }

    /// The next answer. Packets that come before it are kept.
    fn answer(
        &mut self,
        deadline: Instant,
        doing: &str,
        patience: Duration,
    ) -> Result<RtspResponse, ConnectionFinding> {
        loop {
            match self.reader.next(deadline, doing, patience)? {
                Incoming::Response(response) => return Ok(response),
                Incoming::Data(data) => self.keep(data),
                Incoming::Other => {}
            }
        }
    }

    fn keep(&mut self, data: InterleavedData) {
        self.waiting.push(data);
        while self.waiting.n_bytes() > MAX_WAITING_BYTES {
            self.waiting.pop();
        }
    }
}

/// The seconds in `timeout=60`, in whatever case and with whatever behind the number. 0 says nothing.
fn timeout(parameter: &str) -> Option<u64> {
    let (name, value) = parameter.split_once('=')?;
    let digits: String = value.trim().chars().take_while(char::is_ascii_digit).collect();
    name.trim().eq_ignore_ascii_case("timeout").then(|| digits.parse().ok()).flatten().filter(|secs| *secs > 0)
}

/// As in `404 Not Found`.
#[must_use]
pub fn status_line(response: &RtspResponse) -> String {
    format!("{} {}", u16::from(response.status()), response.reason_phrase()).trim_end().to_owned()
}

/// RFC 4918, section 11.3; cameras answer so after several wrong passwords.
const LOCKED: &str = "The camera has locked this login for a while: wait some minutes, and see that no other program logs in with a wrong password.";

/// What a status other than success means for the stream, in the camera's own words. `None` for success.
#[must_use]
pub fn refusal(method: &str, response: &RtspResponse, login: &Login) -> Option<ConnectionFinding> {
    let status = u16::from(response.status());
    let words = login.mask(&status_line(response));
    let said = format!("the camera answers {method} with {words}");
    let (entry, kind, confidence, advice) = match status {
        200..=299 => return None,
        401 => ("F83", FaultKind::LoginRefused, 0.9, None),
        453 => ("F90", FaultKind::SessionLimit, 0.95, None),
        400 | 402..=403 | 405..=409 | 411..=452 | 500.. if is_full(&words) => {
            ("F90", FaultKind::SessionLimit, 0.85, None)
        }
        403 => ("F85", FaultKind::Forbidden, 0.9, None),
        423 => ("F85", FaultKind::Forbidden, 0.8, Some(LOCKED)),
        503 => ("F90", FaultKind::SessionLimit, 0.8, None),
        300..=399 => ("F84", FaultKind::WrongPath, 0.8, Some("Write the address that the camera names.")),
        404 | 410 => ("F84", FaultKind::WrongPath, 0.95, None),
        400 if method == "DESCRIBE" => ("F84", FaultKind::WrongPath, 0.7, None),
        454 => (
            "F86",
            FaultKind::ProtocolTrouble,
            0.9,
            Some("The camera has forgotten the session at once: restart it; update its firmware."),
        ),
        455 => ("F86", FaultKind::ProtocolTrouble, 0.9, Some("Restart the camera; update its firmware.")),
        459 | 460 => (
            "F86",
            FaultKind::ProtocolTrouble,
            0.9,
            Some("Check whether the path is that of one picture stream; update the camera's firmware."),
        ),
        461 => (
            "F86",
            FaultKind::ProtocolTrouble,
            0.95,
            Some("Choose the other transport, TCP or UDP: the camera does not offer this one."),
        ),
        _ => ("F86", FaultKind::ProtocolTrouble, 0.8, None),
    };
    let location = response.header(&rtsp_types::headers::LOCATION).filter(|_| (300..400).contains(&status));
    let said = match location {
        Some(location) => format!("{said}, and sends on to {}", login.mask(location.as_str())),
        None => said,
    };
    let finding = ConnectionFinding::new(entry, kind, said).with_code(status).unsure(confidence);
    Some(match advice {
        Some(advice) => finding.with_advice(advice),
        None => finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_session_is_read_as_cameras_write_it() {
        let check = |parameter: &str, expected: Option<u64>| assert_eq!(timeout(parameter), expected, "{parameter}");
        check("timeout=60", Some(60));
        check(" Timeout = 10", Some(10));
        check("TIMEOUT=30s", Some(30));
        check("timeout=2.5", Some(2));
        check("timeout=0", None);
        check("timeout=soon", None);
        check("timeout", None);
        check("x-timeout=60", None);
    }

    /// Answers with these `CSeq`s (`-` for none) to requests that are sent one after the other; those that a request takes for its own,
    /// `+`. A request that has taken none by the `|` is given up.
    #[track_caller]
    fn check(answers: &str, expected: &str) {
        let (mut requests, _listener) = unconnected();
        let mut got = String::new();
        for of_request in answers.split('|') {
            requests.n_asked += 1;
            let n = requests.n_asked;
            requests.unanswered.push(n);
            for cseq in of_request.split_whitespace() {
                let response = rtsp_types::Response::builder(rtsp_types::Version::V1_0, rtsp_types::StatusCode::Ok);
                let response = if cseq == "-" { response } else { response.header(CSEQ, cseq) };
                got.push(if requests.is_answered_by(&response.build(Vec::new())) { '+' } else { '.' });
            }
        }
        assert_eq!(got, expected, "{answers}");
    }

    fn unconnected() -> (RequestHalf, std::net::TcpListener) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection = Connection::new(socket, None, crossbeam_channel::never()).unwrap();
        let address = Address::parse("rtsp://cam/1").unwrap();
        (RtspClient::new(connection, &address, &KnownLogins::default()).requests, listener)
    }

    #[test]
    fn an_answer_is_one_whatever_its_number() {
        check("1|2|3", "+++");
        check("0|2|3", "+++");
        check("0|1|2", "+++");
        check("-|-", "++");
        check("900|901", "++");
        // The late answer to a request that was given up is not that to the next one.
        check("1|  |2 3", "+.+");
        check("1|  |3", "++");
        check("1|  |  |2 3 4|5", "+..++");
    }
}
