//! Pictures over HTTP: MJPEG streams (`multipart/x-mixed-replace`) and addresses of snapshots, as cameras serve them.

mod body;

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use self::body::{Body, Framing};
use super::bytes::{ByteQueue, HeadSearch};
use super::connection::{Connection, broken, ended, stopped};
use super::connector::{Connector, MAX_REDIRECTS, StepDetail, own, reach};
use super::jpeg::JpegSplitter;
use super::login::{self, Login};
use super::parsers::{self, NotUnderstood};
use super::{ConnectionFinding, ConnectionParameters, Origin, StepName, StepOutcome, is_full};
use crate::address::Address;
use crate::fault::{Fault, FaultKind};

const MAX_HEAD_BYTES: usize = 64 << 10;
/// A camera that sends so much without a picture among it sends none.
const MAX_SKIPPED_BYTES: usize = 1 << 20;
const N_READ_BYTES: usize = 16_384;
/// How long a busy camera is left alone that does not say how long (`Retry-After`), and at most.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
const MAX_BUSY_PAUSE: Duration = Duration::from_secs(5);
/// How often one is asked again that is busy at the first request: one that is full is so for longer.
const N_ASKED_AGAIN: u32 = 3;
/// No list of the addresses of a video is longer.
const MAX_LIST_BYTES: usize = 256 << 10;

/// A connection to a camera that serves pictures over HTTP, after the login.
pub struct HttpStream {
    parameters: ConnectionParameters,
    /// After redirects.
    address: Address,
    connection: Connection,
    login: Login,
    kind: HttpStreamKind,
    body: Body,
    splitter: JpegSplitter,
    n_pictures: u64,
    /// Of the answers before this one.
    n_damaged: u64,
    /// It is one JPEG or many, whose lengths nobody tells.
    is_bare: bool,
    answer_took: Duration,
    /// The next picture must be asked for.
    is_used_up: bool,
    /// The connection has had an answer before, and may be closed by now.
    is_wire_used: bool,
    /// The part that is wanted (RFC 9110, section 14.2).
    range: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStreamKind {
    /// Picture after picture, at the camera's pace.
    Pictures,
    /// One picture, and another each time that it is asked for.
    Snapshot,
    /// A video of another make, as its content type says: for a player, that is not read here.
    Video,
}

/// Content types of what players play; HLS is a list of further addresses.
const VIDEO_TYPES: [&str; 4] =
    ["application/vnd.apple.mpegurl", "application/x-mpegurl", "application/dash+xml", "application/ogg"];

impl fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("address", &self.address).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl StepDetail for HttpStreamKind {
    fn detail(&self) -> String {
        match self {
            Self::Pictures => "a stream of JPEGs".to_owned(),
            Self::Snapshot => "a snapshot: one JPEG for each request".to_owned(),
            Self::Video => "a video".to_owned(),
        }
    }
}

/// The status and the headers of an answer.
pub(super) struct ResponseHead {
    /// HTTP/1.0: the connection ends with the answer.
    pub is_old: bool,
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
}

impl ResponseHead {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// As in `404 Not Found`.
    fn status_line(&self) -> String {
        format!("{} {}", self.status, self.reason).trim_end().to_owned()
    }
}

impl HttpStream {
    fn new(parameters: &ConnectionParameters, address: Address, connection: Connection) -> Self {
        Self {
            login: Login::new(&address, &parameters.logins),
            address,
            parameters: parameters.clone(),
            connection,
            kind: HttpStreamKind::Pictures,
            body: Body::default(),
            splitter: JpegSplitter::default(),
            n_pictures: 0,
            n_damaged: 0,
            is_bare: false,
            answer_took: Duration::ZERO,
            is_used_up: false,
            is_wire_used: false,
            range: None,
        }
    }

    /// Asks for the stream and logs in, and tells of the steps `Get` and `Login`.
    pub(super) fn open(connector: &mut Connector<'_>, connection: Connection) -> Result<Self, ConnectionFinding> {
        let mut stream = Self::new(connector.parameters, connector.parameters.address.clone(), connection);
        let started = Instant::now();
        let deadline = connector.step_deadline();
        let first = stream.fetch_patiently(false, N_ASKED_AGAIN, deadline);
        let first = first.map_err(|finding| connector.bad(StepName::Get, started, finding))?;
        if first.status != 401 {
            let kind = stream.judge(&first, deadline);
            stream.kind = connector.step_with(StepName::Get, started, started.elapsed(), kind)?;
            connector.report_ms(StepName::Login, StepOutcome::Good, None, "the camera wants no login");
            return Ok(stream);
        }
        let took = started.elapsed();
        let login_started = Instant::now();
        let deadline = connector.step_deadline();
        match stream.asked(&first, false, false).and_then(|()| stream.fetch_patiently(true, N_ASKED_AGAIN, deadline)) {
            Ok(head) => {
                let login_took = login_started.elapsed();
                let kind = stream.judge(&head, deadline);
                let kind = connector.step_with(StepName::Get, started, took, kind);
                let scheme = stream.login.scheme().unwrap_or_default();
                let words = format!("the camera takes user “{}” ({scheme})", stream.address.user);
                connector.report_ms(StepName::Login, StepOutcome::Good, Some(login_took), words);
                stream.kind = kind?;
                Ok(stream)
            }
            Err(finding) => {
                let words = format!("{}: the camera wants a login", stream.login.mask(&first.status_line()));
                connector.report_ms(StepName::Get, StepOutcome::Good, Some(took), words);
                Err(connector.bad(StepName::Login, login_started, finding))
            }
        }
    }

    /// Where it was found, which a redirect may have changed.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    #[must_use]
    pub fn kind(&self) -> HttpStreamKind {
        self.kind
    }

    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The connection itself: closing it ends a wait for a picture. Snapshots may use another for each.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The next whole JPEG, of 16 MiB at most. For a snapshot a request is sent; how often is up to the caller.
    ///
    /// # Errors
    /// None came by the deadline, the stream ended, or it is none.
    pub fn next_picture(&mut self, deadline: Instant) -> Result<Vec<u8>, Fault> {
        self.picture(deadline).map_err(|finding| finding.fault)
    }

    pub(super) fn picture(&mut self, deadline: Instant) -> Result<Vec<u8>, ConnectionFinding> {
        let started = Instant::now();
        if self.is_used_up {
            self.ask_again(deadline)?;
        }
        let no_stream = |message: String| ConnectionFinding::new("F95", FaultKind::NoStream, message);
        let mut some = Vec::new();
        loop {
            if let Some(picture) = self.splitter.next() {
                return Ok(self.counted(picture));
            }
            if self.splitter.n_skipped() > MAX_SKIPPED_BYTES {
                self.connection.close();
                return Err(no_stream(format!(
                    "the camera has sent {} KiB, and no JPEG is among it",
                    self.splitter.n_skipped() >> 10
                )));
            }
            some.clear();
            match self.body.read(&self.connection, &mut some, deadline) {
                Ok(true) => self.splitter.push(&some),
                Ok(false) if self.splitter.has_begun() => {
                    // Its end marker is missing; whether more is, is seen when it is decoded.
                    if let Some(picture) = self.splitter.finish() {
                        return Ok(self.counted(picture));
                    }
                }
                Ok(false) if self.kind == HttpStreamKind::Snapshot && self.n_pictures > 0 => {
                    // It was cut, and others were not.
                    self.pause(BUSY_PAUSE)?;
                    self.ask_again(deadline)?;
                }
                Ok(false) if self.n_pictures == 1 && self.is_bare => {
                    // One JPEG and no more, without a word of its length: each has to be asked for.
                    self.kind = HttpStreamKind::Snapshot;
                    self.ask_again(deadline)?;
                }
                Ok(false) if self.n_pictures == 0 || self.kind == HttpStreamKind::Snapshot => {
                    return Err(no_stream("the answer ended before there was a whole picture".into()));
                }
                Ok(false) if self.n_pictures == 1 => {
                    let message = "the camera ended the stream after one picture";
                    return Err(ConnectionFinding::new("F95", FaultKind::ProtocolTrouble, message).with_advice(
                        "If it always ends so soon, take the address of a snapshot, or of another stream; update the camera's firmware.",
                    ));
                }
                Ok(false) => return Err(ended(&ErrorKind::UnexpectedEof.into())),
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    let waited = deadline.saturating_duration_since(started).as_secs_f64();
                    if self.n_pictures == 1 {
                        let message = format!("one picture came, and then nothing for {waited:.1} s");
                        return Err(ConnectionFinding::new("F95", FaultKind::ProtocolTrouble, message).with_advice(
                            "It is a single picture, and no stream: take the address of the stream, or that of a snapshot; restart the camera.",
                        ));
                    }
                    if self.n_pictures > 0 {
                        return Err(stopped(waited));
                    }
                    let message = format!("the camera answers, and no whole picture came within {waited:.1} s");
                    return Err(ConnectionFinding::new("F95", FaultKind::Unreachable, message).unsure(0.8));
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    return Err(no_stream("the camera's answer contradicts itself: its chunks have no lengths".into()));
                }
                Err(error) if self.n_pictures > 0 => return Err(ended(&error)),
                Err(error) => return Err(broken(&error, "the stream", Duration::ZERO)),
            }
        }
    }

    fn counted(&mut self, picture: Vec<u8>) -> Vec<u8> {
        self.n_pictures += 1;
        self.is_used_up = self.kind == HttpStreamKind::Snapshot;
        picture
    }

    /// Pictures that were begun and came to no end, so far.
    #[must_use]
    pub fn n_damaged(&self) -> u64 {
        self.n_damaged + self.splitter.n_damaged()
    }

    /// How long the camera took for the head of its last answer.
    #[must_use]
    pub fn answer_took(&self) -> Duration {
        self.answer_took
    }

    /// Asks for another snapshot. A camera that has given some and is busy for a moment is asked once more a little later.
    fn ask_again(&mut self, deadline: Instant) -> Result<(), ConnectionFinding> {
        let head = self.fetch_patiently(true, u32::MAX, deadline)?;
        self.judge(&head, deadline)?;
        self.is_used_up = false;
        Ok(())
    }

    /// As [`Self::fetch`]; a camera that is busy is asked again so many times, as it is for a moment beside its other work.
    fn fetch_patiently(
        &mut self,
        may_log_in: bool,
        n_again: u32,
        deadline: Instant,
    ) -> Result<ResponseHead, ConnectionFinding> {
        for _ in 0..n_again {
            let head = self.fetch(may_log_in, deadline)?;
            let said = head.header("retry-after").and_then(|secs| secs.parse().ok()).map(Duration::from_secs);
            let pause = said.unwrap_or(BUSY_PAUSE).clamp(BUSY_PAUSE, MAX_BUSY_PAUSE);
            if !matches!(head.status, 429 | 503) || Instant::now() + pause >= deadline {
                return Ok(head);
            }
            self.pause(pause)?;
        }
        self.fetch(may_log_in, deadline)
    }

    fn pause(&self, pause: Duration) -> Result<(), ConnectionFinding> {
        match self.parameters.cancel.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(broken(&ErrorKind::ConnectionAborted.into(), "GET", pause)),
        }
    }

    fn asked(&mut self, head: &ResponseHead, had_login: bool, is_again: bool) -> Result<(), ConnectionFinding> {
        let challenges: Vec<_> = head
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"))
            .map(|(_, value)| value.as_str())
            .collect();
        let challenge = (!challenges.is_empty()).then(|| challenges.join(", "));
        let given = &self.parameters.address;
        if given.password.is_some() && Origin::of(given) != Origin::of(&self.address) {
            let to = self.login.mask(&self.address.to_string());
            let message = format!(
                "the camera sends on to {to}, which wants a login: yours is for {} only, and is not sent there",
                given.authority()
            );
            return Err(ConnectionFinding::new("F83", FaultKind::LoginRefused, message)
                .with_code(head.status)
                .with_advice(
                    "Take the address that the camera names, with user and password, if that is the camera's too.",
                ));
        }
        self.login.asked(challenge.as_deref(), had_login, is_again, &head.status_line())
    }

    /// GET, through redirects, and through the login if that is wanted; the body comes next.
    fn fetch(&mut self, may_log_in: bool, deadline: Instant) -> Result<ResponseHead, ConnectionFinding> {
        let mut is_again = false;
        let mut n_redirects = 0;
        loop {
            let (head, had_login) = self.get(deadline)?;
            match head.status {
                401 if may_log_in => {
                    self.asked(&head, had_login, is_again)?;
                    is_again = had_login;
                }
                301 | 302 | 303 | 307 | 308 if head.header("location").is_some() => {
                    n_redirects += 1;
                    if n_redirects > MAX_REDIRECTS {
                        let message = format!("the camera sends on from one address to the next, {n_redirects} times");
                        return Err(ConnectionFinding::new("F95", FaultKind::NoStream, message).with_code(head.status));
                    }
                    let next = self.own(head.header("location").unwrap_or_default());
                    self.go_to(next.map_err(|finding| finding.with_code(head.status))?, deadline)?;
                }
                _ => {
                    if had_login && head.status != 401 {
                        self.login.accepted();
                    }
                    return Ok(head);
                }
            }
        }
    }

    /// From now on this address of the camera's own is asked for.
    fn go_to(&mut self, next: Address, deadline: Instant) -> Result<(), ConnectionFinding> {
        let is_same_server = Origin::of(&next) == Origin::of(&self.address);
        if !is_same_server {
            self.login = Login::new(&next, &self.parameters.logins);
        }
        self.address = next;
        if is_same_server { Ok(()) } else { self.reach(deadline) }
    }

    fn own(&self, location: &str) -> Result<Address, ConnectionFinding> {
        own(&self.parameters.address, &self.address, &self.login, &self.connection, location)
    }

    /// Another connection.
    fn reach(&mut self, deadline: Instant) -> Result<(), ConnectionFinding> {
        self.connection.close();
        self.connection = reach(&self.parameters, &self.address, deadline)?;
        self.body = Body::default();
        self.is_wire_used = false;
        Ok(())
    }

    /// One request and the head of its answer, and whether the login went with it.
    fn get(&mut self, deadline: Instant) -> Result<(ResponseHead, bool), ConnectionFinding> {
        let patience = deadline.saturating_duration_since(Instant::now());
        if self.is_wire_used && !self.body.finish(&self.connection, deadline) {
            self.reach(deadline)?;
        }
        self.n_damaged += self.splitter.n_damaged();
        self.splitter = self.splitter.renewed();
        let asked_at = Instant::now();
        let path = if self.address.path.is_empty() { "/" } else { &self.address.path };
        let login = self.login.authorization("GET", path, &[]);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Camclinic\r\nAccept: multipart/x-mixed-replace, image/jpeg, */*;q=0.1\r\n",
            self.address.authority()
        );
        if let Some(login) = &login {
            request += &format!("Authorization: {login}\r\n");
        }
        if let Some(range) = &self.range {
            request += &format!("Range: {range}\r\n");
        }
        request += "\r\n";
        let sent = self.connection.write_all(&login::bytes(&request), deadline);
        let head = match sent {
            Ok(()) => self.head(deadline),
            Err(error) => Err(HttpReadError::Io(error)),
        };
        let head = match head {
            // A connection that was kept may have been closed meanwhile.
            Err(HttpReadError::Io(error)) if self.is_wire_used && error.kind() != ErrorKind::TimedOut => {
                self.reach(deadline)?;
                let sent = self.connection.write_all(&login::bytes(&request), deadline);
                sent.map_err(HttpReadError::Io).and_then(|()| self.head(deadline))
            }
            head => head,
        };
        match head {
            Ok(head) => {
                self.is_wire_used = true;
                self.answer_took = asked_at.elapsed();
                Ok((head, login.is_some()))
            }
            Err(HttpReadError::Io(error)) => Err(broken(&error, "GET", patience)),
            Err(HttpReadError::TooLong) => {
                self.connection.close();
                let message =
                    "the head of the camera's answer is longer than any should be, and was not read to its end";
                Err(ConnectionFinding::new("F95", FaultKind::ProtocolTrouble, message))
            }
            Err(HttpReadError::Foreign(bytes)) => Err(foreign(&bytes, &self.login)),
            Err(HttpReadError::NotUnderstood(what)) => {
                let mut finding = what.finding("GET");
                finding.fault.message = self.login.mask(&finding.fault.message).into();
                Err(finding)
            }
        }
    }

    fn head(&mut self, deadline: Instant) -> Result<ResponseHead, HttpReadError> {
        let mut read = [0; N_READ_BYTES];
        let mut search = HeadSearch::default();
        // Of this one and of those before it that said nothing yet.
        let mut n_left = MAX_HEAD_BYTES;
        loop {
            let raw = &mut self.body.raw;
            let foreign = |raw: &ByteQueue| HttpReadError::Foreign(raw.begin(200).to_vec());
            // Blank lines, and on a connection that was kept what is left of the answer before, are skipped.
            let n_rest = if self.is_wire_used { before_answer(raw.begin(n_left)) } else { n_blank(raw.begin(n_left)) };
            raw.skip(n_rest);
            n_left = n_left.saturating_sub(n_rest);
            if !is_answer(raw.begin(5)) || n_left == 0 {
                return Err(foreign(raw));
            }
            if let Some(n) = search.length(raw.begin(n_left)) {
                let head = match parsers::http_head(raw.begin(n)).map_err(HttpReadError::NotUnderstood)? {
                    Ok(head) => head,
                    Err(httparse::Error::TooManyHeaders) => return Err(HttpReadError::TooLong),
                    Err(_) => return Err(foreign(raw)),
                };
                raw.skip(n);
                // 100 Continue and its like.
                if (100..200).contains(&head.status) {
                    n_left -= n;
                    continue;
                }
                self.body.begin(&head);
                return Ok(head);
            }
            if raw.len() >= n_left {
                return Err(HttpReadError::TooLong);
            }
            match self.connection.read(&mut read, deadline) {
                Ok(0) => return Err(HttpReadError::Io(ErrorKind::UnexpectedEof.into())),
                Ok(n) => raw.push(read.get(..n).unwrap_or_default()),
                Err(error) => return Err(HttpReadError::Io(error)),
            }
        }
    }

    /// What can be done with an answer.
    fn judge(&mut self, head: &ResponseHead, deadline: Instant) -> Result<HttpStreamKind, ConnectionFinding> {
        let words = self.login.mask(&head.status_line());
        let said = format!("the camera answers GET with {words}");
        let refused = |entry, kind, confidence| {
            Err(ConnectionFinding::new(entry, kind, said.clone()).with_code(head.status).unsure(confidence))
        };
        match head.status {
            200..=299 => {}
            400 | 402..=403 | 405..=409 | 411.. if is_full(&words) => {
                return refused("F90", FaultKind::SessionLimit, 0.85);
            }
            401 => return refused("F83", FaultKind::LoginRefused, 0.9),
            403 | 423 => return refused("F85", FaultKind::Forbidden, 0.9),
            404 | 410 => return refused("F84", FaultKind::WrongPath, 0.95),
            400 | 405 | 406 => return refused("F84", FaultKind::WrongPath, 0.7),
            429 | 503 => return refused("F90", FaultKind::SessionLimit, 0.8),
            _ => return refused("F95", FaultKind::ProtocolTrouble, 0.7),
        }
        let content_type = head.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_owned();
        if content_type.starts_with("multipart/") {
            return Ok(HttpStreamKind::Pictures);
        }
        if matches!(content_type.as_str(), "image/jpeg" | "image/jpg" | "image/pjpeg") {
            return Ok(HttpStreamKind::Snapshot);
        }
        // JPEGs one after the other are called so, too.
        let is_video = content_type.starts_with("video/") && !content_type.contains("jp");
        if is_video || VIDEO_TYPES.contains(&content_type.as_str()) {
            return Ok(HttpStreamKind::Video);
        }
        let has_length = matches!(self.body.framing, Framing::Length(_));
        let begin = self.begin(deadline);
        let text = String::from_utf8_lossy(&begin).trim_start().to_ascii_lowercase();
        if begin.starts_with(&[0xff, 0xd8, 0xff]) {
            self.is_bare = !has_length;
            return Ok(if has_length { HttpStreamKind::Snapshot } else { HttpStreamKind::Pictures });
        }
        if text.starts_with("--") && text.contains("content-") {
            return Ok(HttpStreamKind::Pictures);
        }
        if let Some(refusal) = self.refusal_in(&begin) {
            self.connection.close();
            return Err(refusal);
        }
        let is_html = content_type.contains("html") || text.starts_with("<!doctype html") || text.starts_with("<html");
        let what = if begin.is_empty() {
            "nothing behind it".to_owned()
        } else if is_html {
            match title(&begin) {
                Some(title) => format!("a web page, “{}”", self.login.mask(&title)),
                None => "a web page".to_owned(),
            }
        } else if content_type.is_empty() {
            "something that is no picture".to_owned()
        } else {
            let kind: String = content_type.chars().take(60).collect();
            format!("{}, which is no JPEG", self.login.mask(&kind))
        };
        self.connection.close();
        let finding = ConnectionFinding::new("F95", FaultKind::NoStream, format!("{said}, and {what}"));
        Err(if is_html {
            finding.with_advice(
                "The address is that of a page. Take that of the stream or of a snapshot; if the page asks for a login, switch on “Basic” or “Digest” for the stream in the camera's settings.",
            )
        } else {
            finding
        })
    }

    /// Some cameras say 200 to everything, and in JSON, XML or a line of text that the login is wrong or that they are full. Their web
    /// pages speak of logins anyway.
    fn refusal_in(&self, begin: &[u8]) -> Option<ConnectionFinding> {
        const LONGEST_ERROR: usize = 400;
        const LOGIN: [&str; 6] = ["login", "password", "unauthori", "not authori", "authentication", "access denied"];
        let text = String::from_utf8_lossy(begin).split_whitespace().collect::<Vec<_>>().join(" ");
        let words = text.to_ascii_lowercase();
        let is_page = words.starts_with("<!doctype html") || words.starts_with("<html");
        let (entry, kind) = match () {
            () if is_page || text.len() > LONGEST_ERROR || !text.starts_with(|c: char| c.is_ascii_graphic()) => {
                return None;
            }
            () if is_full(&words) => ("F90", FaultKind::SessionLimit),
            () if LOGIN.iter().any(|word| words.contains(word)) => ("F83", FaultKind::LoginRefused),
            () => return None,
        };
        let said = parsers::beginning(text.as_bytes(), |text| self.login.mask(text));
        let message = format!("the camera answers GET with 200, and in place of a picture it says {said}");
        Some(ConnectionFinding::new(entry, kind, message).unsure(0.85))
    }

    /// The first bytes of the body, which stay there.
    fn begin(&mut self, deadline: Instant) -> Vec<u8> {
        let mut begin = Vec::new();
        while begin.len() < 1_024 {
            match self.body.read(&self.connection, &mut begin, deadline) {
                Ok(true) => {}
                _ => break,
            }
        }
        self.splitter.push(&begin);
        begin
    }
}

/// What the camera answers for one address of its own, on a connection of its own: for a player, as it comes.
pub(super) struct HttpAnswer {
    stream: HttpStream,
    head: ResponseHead,
    /// Of the body, where the camera tells it.
    length: Option<u64>,
}

impl HttpAnswer {
    /// `reference` is an address or what stands for one in what came from `base`, which is the camera's.
    ///
    /// # Errors
    /// It is not the camera's own, or there is no answer.
    pub fn of(
        parameters: &ConnectionParameters,
        base: &Address,
        reference: &str,
        range: Option<&str>,
        deadline: Instant,
    ) -> Result<Self, ConnectionFinding> {
        let connection = reach(parameters, base, deadline)?;
        let mut stream = HttpStream::new(parameters, base.clone(), connection);
        stream.range = range.map(str::to_owned);
        let address = stream.own(reference)?;
        stream.go_to(address, deadline)?;
        let head = stream.fetch(true, deadline)?;
        let length = match stream.body.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        };
        Ok(Self { stream, head, length })
    }

    /// Where it was found, which a redirect may have changed.
    pub fn address(&self) -> &Address {
        &self.stream.address
    }

    /// The status and what the body is, as lines of an answer to somebody else.
    pub fn head_lines(&self) -> String {
        let mut lines = format!("HTTP/1.1 {}\r\n", self.head.status_line());
        for name in ["Content-Type", "Content-Range", "Accept-Ranges"] {
            if let Some(value) = self.head.header(name) {
                lines += &format!("{name}: {value}\r\n");
            }
        }
        lines
    }

    /// How long the body is, where that is known.
    pub fn body_lines(&self) -> String {
        self.length.map_or_else(String::new, |length| format!("Content-Length: {length}\r\n"))
    }

    /// Appends some of the body; `false` at its end.
    pub fn read(&mut self, into: &mut Vec<u8>, deadline: Instant) -> Result<bool, ConnectionFinding> {
        let HttpStream { body, connection, .. } = &mut self.stream;
        body.read(connection, into, deadline).map_err(|error| broken(&error, "the video", Duration::ZERO))
    }

    /// The whole body of a list, of which so much was read before.
    pub fn whole(&mut self, mut text: Vec<u8>, deadline: Instant) -> Result<Vec<u8>, ConnectionFinding> {
        while text.len() <= MAX_LIST_BYTES {
            if !self.read(&mut text, deadline)? {
                return Ok(text);
            }
        }
        let message = "the list of addresses that the camera gives is longer than any should be";
        Err(ConnectionFinding::new("F95", FaultKind::NoStream, message))
    }
}

/// With which an answer begins.
const HTTP: &[u8] = b"HTTP/";

/// As far as it has come.
fn is_answer(begin: &[u8]) -> bool {
    HTTP.get(..begin.len()).is_some_and(|http| http.eq_ignore_ascii_case(begin))
}

fn n_blank(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// How many bytes stand before those with which an answer may begin.
fn before_answer(bytes: &[u8]) -> usize {
    (0..bytes.len())
        .find(|at| is_answer(bytes.get(*at..bytes.len().min(at + 5)).unwrap_or_default()))
        .unwrap_or(bytes.len())
}

/// Why no head was understood.
enum HttpReadError {
    Io(io::Error),
    TooLong,
    Foreign(Vec<u8>),
    NotUnderstood(NotUnderstood),
}

/// What answers, if not HTTP (F99).
fn foreign(bytes: &[u8], login: &Login) -> ConnectionFinding {
    let wrong = |message: String, advice: &str| {
        ConnectionFinding::new("F99", FaultKind::WrongProtocol, message).with_advice(advice)
    };
    if bytes.starts_with(b"RTSP/") {
        wrong("an RTSP server answers on this port".into(), "Write rtsp:// in place of http://.")
    } else if matches!(bytes, [0x15 | 0x16, 3, ..]) {
        wrong(
            "this port wants encryption: GET was answered with a TLS record".into(),
            "Write https:// in place of http://, or choose the port without encryption, mostly 80.",
        )
    } else {
        let begin = parsers::beginning(bytes, |text| login.mask(text));
        wrong(
            format!("what answers on this port is no HTTP: it begins with {begin}"),
            "Check the port: HTTP mostly has 80.",
        )
    }
}

fn title(html: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(html);
    let start = text.to_ascii_lowercase().find("<title>")? + "<title>".len();
    let title = text.get(start..)?.split('<').next()?.trim();
    (!title.is_empty()).then(|| title.chars().take(60).collect())
}
