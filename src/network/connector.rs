//! The way to a stream, step by step: find the address, connect, encrypt, ask for the description, log in. Nothing is played
//! here.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rtsp_types::headers::LOCATION;

use super::connection::{self, Connection};
use super::http::HttpStream;
use super::login::Login;
use super::rtsp::{RtspClient, RtspRequest, RtspResponse, refusal, status_line};
use super::sdp::{self, SessionDescription, Unusable};
use super::{Certificate, ConnectionFinding, ConnectionParameters, Origin, StepName, StepOutcome, TestStep, tls};
use crate::address::Address;
use crate::fault::{Fault, FaultKind};

/// A stream that was found: to be gone on with on the same connection.
#[derive(Debug)]
pub enum OpenedStream {
    /// SETUP comes next.
    Rtsp { client: RtspClient, description: SessionDescription },
    /// The first picture comes next.
    Http { stream: HttpStream },
}

/// Finds the stream of an address: resolves, connects, encrypts, asks for the description of the stream, logs in if the camera
/// wants it. `report` gets each step when it is over; the steps are those of [`StepName`] up to `Login`.
///
/// Blocks until [`ConnectionParameters::deadline`] at most, and ends within 100 ms when [`ConnectionParameters::cancel`] is
/// disconnected.
///
/// # Errors
/// The first step that failed, in the camera's own words and with its status code.
pub fn open_stream(
    parameters: &ConnectionParameters,
    on_step: &mut dyn FnMut(TestStep),
) -> Result<OpenedStream, Fault> {
    Connector::new(parameters, on_step).open().map_err(|finding| finding.fault)
}

/// One try: where to, who gets its steps, and what is known so far.
pub(super) struct Connector<'a> {
    pub parameters: &'a ConnectionParameters,
    on_step: &'a mut dyn FnMut(TestStep),
    pub certificate: Option<Certificate>,
    addresses: Vec<SocketAddr>,
}

impl<'a> Connector<'a> {
    pub fn new(parameters: &'a ConnectionParameters, on_step: &'a mut dyn FnMut(TestStep)) -> Self {
        Self { parameters, on_step, certificate: None, addresses: Vec::new() }
    }

    /// When the step that begins now must be over.
    pub fn step_deadline(&self) -> Instant {
        step_deadline(self.parameters)
    }

    pub fn report(&mut self, name: StepName, outcome: StepOutcome, started: Instant, detail: impl Into<String>) {
        self.report_ms(name, outcome, Some(started.elapsed()), detail);
    }

    pub fn report_ms(
        &mut self,
        name: StepName,
        outcome: StepOutcome,
        took: Option<Duration>,
        detail: impl Into<String>,
    ) {
        let ms = took.and_then(|took| u64::try_from(took.as_millis()).ok());
        let detail = self.parameters.address.mask_in(&detail.into()).into();
        (self.on_step)(TestStep { name, outcome, ms, detail });
    }

    /// Carries a step out and tells of it.
    pub fn step<T>(
        &mut self,
        name: StepName,
        work: impl FnOnce(&mut Self) -> Result<(T, String), ConnectionFinding>,
    ) -> Result<T, ConnectionFinding> {
        let started = Instant::now();
        match work(self) {
            Ok((value, detail)) => {
                self.report(name, StepOutcome::Good, started, detail);
                Ok(value)
            }
            Err(finding) => Err(self.bad(name, started, finding)),
        }
    }

    /// Tells that a step failed. No secret is in what it hands back.
    pub fn bad(&mut self, name: StepName, started: Instant, finding: ConnectionFinding) -> ConnectionFinding {
        let mut finding = finding;
        finding.fault.message = self.parameters.address.mask_in(&finding.fault.message).into();
        self.report(name, StepOutcome::Bad, started, finding.fault.to_string());
        finding
    }

    pub fn open(&mut self) -> Result<OpenedStream, ConnectionFinding> {
        let address = &self.parameters.address;
        let url = address.to_string();
        self.step(StepName::Url, |_| Ok(((), url)))?;
        self.addresses = self.step(StepName::Dns, |connector| {
            let found = connection::resolve(
                &address.host,
                address.port(),
                &connector.parameters.cancel,
                connector.step_deadline(),
            )?;
            let numbers: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
            Ok((found, numbers.join(", ")))
        })?;
        let socket = self.step(StepName::Tcp, |connector| {
            let socket = connector.connect(connector.step_deadline())?;
            let peer = socket.peer_addr().map_or_else(|_| String::new(), |peer| peer.to_string());
            Ok((socket, format!("connected to {peer}")))
        })?;
        let connection = if address.scheme.is_encrypted() {
            self.step(StepName::Tls, |connector| {
                let connection = connector.secure(socket, connector.step_deadline())?;
                let detail = match &connector.certificate {
                    Some(certificate) => {
                        format!("{}, by {}, until {}", certificate.subject, certificate.issuer, certificate.not_after)
                    }
                    None => String::new(),
                };
                Ok((connection, detail))
            })?
        } else {
            self.secure(socket, self.step_deadline())?
        };
        if address.scheme.is_rtsp() {
            let (client, description) = self.describe(connection)?;
            Ok(OpenedStream::Rtsp { client, description })
        } else {
            let stream = HttpStream::open(self, connection)?;
            Ok(OpenedStream::Http { stream })
        }
    }

    fn connect(&self, deadline: Instant) -> Result<TcpStream, ConnectionFinding> {
        connection::connect(&self.addresses, &self.parameters.cancel, deadline)
    }

    fn secure(&mut self, socket: TcpStream, deadline: Instant) -> Result<Connection, ConnectionFinding> {
        secure(self.parameters, &self.parameters.address, socket, deadline, &mut self.certificate)
    }

    /// Another connection to the same camera, which is no step of its own: it has what is left of the time of one.
    fn connect_again(&mut self, deadline: Instant) -> Result<Connection, ConnectionFinding> {
        let socket = self.connect(deadline)?;
        self.secure(socket, deadline)
    }

    fn describe(&mut self, connection: Connection) -> Result<(RtspClient, SessionDescription), ConnectionFinding> {
        let address = &self.parameters.address;
        let url = address.request_url();
        let mut client = RtspClient::new(connection, address, &self.parameters.logins);
        let (started, deadline) = (Instant::now(), self.step_deadline());
        match client.ask_once(&RtspRequest::new("OPTIONS", &url, &[]), deadline) {
            Ok(response) if response.status().is_success() => {
                let public = response.header(&rtsp_types::headers::PUBLIC).map_or("", |value| value.as_str());
                let server = response.header(&rtsp_types::headers::SERVER).map_or("", |value| value.as_str());
                let detail = client.login().mask(&format!("{} {server} {public}", status_line(&response)));
                self.report(StepName::Options, StepOutcome::Good, started, detail);
            }
            Ok(response) => {
                let is_login = u16::from(response.status()) == 401;
                let outcome = if is_login { StepOutcome::Good } else { StepOutcome::Warning };
                let detail = client.login().mask(&status_line(&response));
                self.report(StepName::Options, outcome, started, format!("the camera answers with {detail}"));
            }
            // Some cameras cannot be asked for their options, and close.
            Err(finding) if finding.fault.kind == FaultKind::ProtocolTrouble => {
                self.report(StepName::Options, StepOutcome::Warning, started, finding.fault.to_string());
                client = RtspClient::new(self.connect_again(deadline)?, address, &self.parameters.logins);
            }
            Err(finding) => return Err(self.bad(StepName::Options, started, finding)),
        }
        let (started, deadline) = (Instant::now(), self.step_deadline());
        let first = client.ask_once(&describe_request(&url), deadline);
        let followed = first.and_then(|first| self.follow(client, address.clone(), first, false, deadline));
        let took = started.elapsed();
        let (mut client, at, first) = followed.map_err(|finding| self.bad(StepName::Describe, started, finding))?;
        if u16::from(first.status()) != 401 {
            let description = self.step_with(StepName::Describe, started, took, description(&first, &client, &at))?;
            let words = "the camera wants no login";
            self.report_ms(StepName::Login, StepOutcome::Good, None, words);
            return Ok((client, description));
        }
        let (login_started, deadline) = (Instant::now(), self.step_deadline());
        let wants = client.login().mask(&status_line(&first));
        let url = at.request_url();
        let mut asked = client.asked(&first).and_then(|()| client.ask(&describe_request(&url), deadline));
        // Some cameras close behind each refusal: that says nothing about the login.
        if asked.as_ref().is_err_and(|finding| finding.fault.kind == FaultKind::ProtocolTrouble) {
            asked = match reach(self.parameters, &at, deadline) {
                Ok(connection) => {
                    client = client.again(connection, &at);
                    client.ask(&describe_request(&url), deadline)
                }
                Err(finding) => Err(finding),
            };
        }
        let scheme = client.login().scheme().unwrap_or_default();
        let wants = format!("{wants}: the camera wants a login {}", in_brackets(scheme));
        match asked.and_then(|response| self.follow(client, at, response, true, deadline)) {
            Ok((client, at, response)) => {
                let login_took = login_started.elapsed();
                let described = description(&response, &client, &at);
                let described = self.step_with(StepName::Describe, started, took, described);
                let user = &self.parameters.address.user;
                let words = format!("the camera takes user “{user}” {}", in_brackets(scheme));
                self.report_ms(StepName::Login, StepOutcome::Good, Some(login_took), words);
                Ok((client, described?))
            }
            Err(finding) => {
                self.report_ms(StepName::Describe, StepOutcome::Good, Some(took), wants.trim_end());
                Err(self.bad(StepName::Login, login_started, finding))
            }
        }
    }

    /// Goes where the camera sends on to (RFC 2326, 11.3), and asks there.
    fn follow(
        &self,
        mut client: RtspClient,
        mut at: Address,
        mut response: RtspResponse,
        may_log_in: bool,
        deadline: Instant,
    ) -> Result<(RtspClient, Address, RtspResponse), ConnectionFinding> {
        for _ in 0..MAX_REDIRECTS {
            let status = u16::from(response.status());
            let location = response.header(&LOCATION).filter(|_| (300..400).contains(&status));
            let Some(location) = location else { return Ok((client, at, response)) };
            let given = &self.parameters.address;
            let next = own(given, &at, client.login(), client.connection(), location.as_str());
            let next = next.map_err(|finding| finding.with_code(status))?;
            let is_same_server = Origin::of(&next) == Origin::of(&at);
            client = if is_same_server {
                client.at(&next)
            } else {
                RtspClient::new(reach(self.parameters, &next, deadline)?, &next, &self.parameters.logins)
            };
            at = next;
            let url = at.request_url();
            let describe = describe_request(&url);
            response = if may_log_in { client.ask(&describe, deadline) } else { client.ask_once(&describe, deadline) }?;
        }
        let message = format!("the camera sends on from one address to the next, {MAX_REDIRECTS} times");
        Err(ConnectionFinding::new("F84", FaultKind::WrongPath, message).with_code(u16::from(response.status())))
    }

    /// Tells of a step that was carried out before.
    pub fn step_with<T: StepDetail>(
        &mut self,
        name: StepName,
        started: Instant,
        took: Duration,
        outcome: Result<T, ConnectionFinding>,
    ) -> Result<T, ConnectionFinding> {
        match outcome {
            Ok(value) => {
                let detail = value.detail();
                self.report_ms(name, StepOutcome::Good, Some(took), detail);
                Ok(value)
            }
            Err(finding) => Err(self.bad(name, started, finding)),
        }
    }
}

pub(super) const MAX_REDIRECTS: usize = 5;

fn describe_request(url: &str) -> RtspRequest<'_> {
    RtspRequest::new("DESCRIBE", url, &[("Accept", "application/sdp")])
}

/// What a redirect or a list of the camera's names, if that is on the camera's own host, in the same language and not out of
/// encryption. `given` is the user's address, `at` where it is asked now. The login is in it where it is for that origin.
pub(super) fn own(
    given: &Address,
    at: &Address,
    login: &Login,
    connection: &Connection,
    location: &str,
) -> Result<Address, ConnectionFinding> {
    let shown = login.mask(location.trim());
    let none = |message: String| {
        let (entry, kind) =
            if at.scheme.is_rtsp() { ("F84", FaultKind::WrongPath) } else { ("F95", FaultKind::NoStream) };
        ConnectionFinding::new(entry, kind, message)
    };
    let mut next =
        at.resolve(location).map_err(|_| none(format!("the camera sends on to what is no address: {shown}")))?;
    if next.scheme.is_rtsp() != at.scheme.is_rtsp() {
        let message = format!("the camera sends on to {shown}");
        return Err(ConnectionFinding::new("F99", FaultKind::WrongProtocol, message)
            .with_advice("Take the address that the camera names."));
    }
    if at.scheme.is_encrypted() && !next.scheme.is_encrypted() {
        let message = format!("the camera sends on out of encryption, to {shown}: that is not followed");
        return Err(ConnectionFinding::new("F94", FaultKind::Untrusted, message).with_advice(
            "Switch encryption on for the stream in the camera's settings, or take the address without it.",
        ));
    }
    let peer = connection.peer().ok().map(|peer| peer.ip().to_canonical());
    let is_own_number = next.host.parse::<IpAddr>().is_ok_and(|number| Some(number.to_canonical()) == peer);
    if !next.host.eq_ignore_ascii_case(&at.host) && !is_own_number {
        let message = format!("the camera sends on to another host, to {shown}: that is not followed");
        return Err(none(message)
            .with_advice("Take the address that the camera names, if you know that it is the camera's too."));
    }
    (next.user, next.password) = if Origin::of(&next) == Origin::of(given) {
        (given.user.clone(), given.password.clone())
    } else {
        (String::new(), None)
    };
    Ok(next)
}

/// What a step's result says in the list of steps.
pub(super) trait StepDetail {
    fn detail(&self) -> String;
}

impl StepDetail for SessionDescription {
    fn detail(&self) -> String {
        let video = &self.video;
        let size = video.size.map_or_else(String::new, |size| format!(" {size}"));
        let of =
            if self.media.len() > 1 { format!("; the stream has {}", self.media.join(", ")) } else { String::new() };
        let secret = if video.is_encrypted { ", encrypted (SRTP)" } else { "" };
        format!("{}{size}{secret}{of}", video.format.encoding)
    }
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("({text})") }
}

pub(super) fn step_deadline(parameters: &ConnectionParameters) -> Instant {
    parameters.deadline.min(Instant::now() + parameters.step_deadline)
}

/// Encrypts the connection if the address says so.
fn secure(
    parameters: &ConnectionParameters,
    address: &Address,
    socket: TcpStream,
    deadline: Instant,
    shown: &mut Option<Certificate>,
) -> Result<Connection, ConnectionFinding> {
    let cancel = parameters.cancel.clone();
    if address.scheme.is_encrypted() {
        let pin = parameters.network.trusted_certificates.get(&super::trust_key(address));
        tls::secure(socket, address, pin.map(String::as_str), cancel, deadline, shown)
    } else {
        Connection::new(socket, None, cancel)
            .map_err(|error| connection::broken(&error, "the connection", Duration::ZERO))
    }
}

/// Connects to another address, as one step: after a redirect.
pub(super) fn reach(
    parameters: &ConnectionParameters,
    address: &Address,
    deadline: Instant,
) -> Result<Connection, ConnectionFinding> {
    let addresses = connection::resolve(&address.host, address.port(), &parameters.cancel, deadline)?;
    let socket = connection::connect(&addresses, &parameters.cancel, deadline)?;
    secure(parameters, address, socket, deadline, &mut None)
}

/// The description in an answer to DESCRIBE.
fn description(
    response: &RtspResponse,
    client: &RtspClient,
    asked: &Address,
) -> Result<SessionDescription, ConnectionFinding> {
    if let Some(refusal) = refusal("DESCRIBE", response, client.login()) {
        return Err(refusal);
    }
    let header = |name| response.header(name).map(|value| value.as_str().trim()).filter(|value| value.contains("://"));
    let base = header(&rtsp_types::headers::CONTENT_BASE).or(header(&rtsp_types::headers::CONTENT_LOCATION));
    sdp::read(response.body(), base, asked).map_err(|unusable| {
        let status = status_line(response);
        match unusable {
            Unusable::Empty => ConnectionFinding::new(
                "F84",
                FaultKind::WrongPath,
                format!("the camera answers DESCRIBE with {status}, and describes nothing"),
            )
            .unsure(0.8),
            Unusable::NotSdp(begin) => ConnectionFinding::new(
                "F84",
                FaultKind::WrongPath,
                client.login().mask(&format!(
                    "the camera answers DESCRIBE with {status}, and with something that describes no stream: {begin}"
                )),
            )
            .unsure(0.8),
            Unusable::NoVideo(media) => ConnectionFinding::new(
                "F84",
                FaultKind::NoStream,
                format!(
                    "there is no video on this path, only: {}",
                    if media.is_empty() { "nothing".into() } else { media.join(", ") }
                ),
            )
            .with_advice("Choose the path of a picture stream: each make has its own."),
        }
    })
}
