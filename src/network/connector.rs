//! The way to a stream, step by step: find the address, connect, encrypt, ask for the description, log in. Nothing is played
//! here.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::connection::{self, Connection};
use super::http::HttpStream;
use super::rtsp::{RtspClient, RtspRequest, RtspResponse, refusal, status_line};
use super::sdp::{self, SessionDescription, Unusable};
use super::{Certificate, ConnectionFinding, ConnectionParameters, StepName, StepOutcome, TestStep, tls};
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
        let headers = [("Accept", "application/sdp")];
        let describe = RtspRequest::new("DESCRIBE", &url, &headers);
        let started = Instant::now();
        let first = client.ask_once(&describe, self.step_deadline());
        let took = started.elapsed();
        let first = first.map_err(|finding| self.bad(StepName::Describe, started, finding))?;
        if u16::from(first.status()) != 401 {
            let description =
                self.step_with(StepName::Describe, started, took, description(&first, &client, address))?;
            let words = "the camera wants no login";
            self.report_ms(StepName::Login, StepOutcome::Good, None, words);
            return Ok((client, description));
        }
        let (login_started, deadline) = (Instant::now(), self.step_deadline());
        let wants = client.login().mask(&status_line(&first));
        let mut asked = client.asked(&first).and_then(|()| client.ask(&describe, deadline));
        // Some cameras close behind each refusal: that says nothing about the login.
        if asked.as_ref().is_err_and(|finding| finding.fault.kind == FaultKind::ProtocolTrouble) {
            asked = match self.connect_again(deadline) {
                Ok(connection) => {
                    client = client.again(connection, address);
                    client.ask(&describe, deadline)
                }
                Err(finding) => Err(finding),
            };
        }
        let scheme = client.login().scheme().unwrap_or_default();
        let wants = format!("{wants}: the camera wants a login {}", in_brackets(scheme));
        match asked {
            Ok(response) => {
                let login_took = login_started.elapsed();
                let described = description(&response, &client, address);
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
        format!("{}{size}{of}", video.encoding)
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
            Unusable::NotUnderstood(what) => {
                let mut finding = what.finding("DESCRIBE");
                finding.fault.message = client.login().mask(&finding.fault.message).into();
                finding
            }
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
