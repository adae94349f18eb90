//! The conversation with a network camera: it is found, connected to, logged in at, described, and tested step by step.
//!
//! FFmpeg plays the stream, but reports five causes by one text ("Invalid data") and four by another ("4XX"); it accepts any
//! certificate, and knows no login but MD5. So the conversation with the camera is held here, with the camera's own texts and
//! status codes, and a deadline for every wait.
//!
//! Not here, on purpose: decoding, retries, knowledge of recovery.

pub mod age;
mod bytes;
mod certificate;
pub mod connection;
mod connector;
mod evidence;
pub mod gateway;
pub mod http;
pub(crate) mod jpeg;
pub mod login;
mod origin;
mod parsers;
pub mod port;
pub mod relay;
pub mod rtp;
pub mod rtsp;
mod rtsp_stream;
pub mod sdp;
pub(crate) mod sps;
pub mod test;
mod tls;
pub mod video;

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::fault::{Fault, FaultKind};
use crate::foreign::Foreign;
use crate::frame::Size;
use crate::settings::NetworkOptions;

pub use certificate::Certificate;
pub use connector::{OpenedStream, open_stream};
pub use evidence::PacketEvidence;
pub use jpeg::size as jpeg_size;
pub use login::KnownLogins;
pub use origin::Origin;
pub use test::{plan, test};

/// What to talk to, and for how long.
#[derive(Clone, Debug)]
pub struct ConnectionParameters {
    /// With the password, if it has one: it is sent once, and only after the camera has asked for it.
    pub address: Address,
    pub network: NetworkOptions,
    /// What is known of how this camera wants people to log in.
    pub logins: KnownLogins,
    /// For each step: to find the name, to connect, to get an answer.
    pub step_deadline: Duration,
    /// By then all of it is over.
    pub deadline: Instant,
    /// Disconnected when nobody wants the answer any more.
    pub cancel: Receiver<()>,
}

/// How long a step of the conversation with a camera may take, whoever has it, where opening the camera may take so long: so that the
/// reason comes before the time is over.
#[must_use]
pub fn step_deadline(opening: Duration) -> Duration {
    opening.mul_f64(0.9)
}

/// Under which a certificate that somebody trusts stands in [`NetworkOptions::trusted_certificates`]: `host:port`.
#[must_use]
pub fn trust_key(address: &Address) -> String {
    format!("{}:{}", address.host, address.port())
}

/// Whether the words of a refusal say that others have what was asked for, whatever its number says.
fn is_full(words: &str) -> bool {
    const WORDS: [&str; 9] =
        ["too many", "busy", "limit", "maximum", "max ", "no more", "in use", "exceed", "already streaming"];
    let words = words.to_ascii_lowercase();
    WORDS.iter().any(|full| words.contains(full))
}

/// A number that nobody can guess; `None` where the system has none.
fn random() -> Option<u128> {
    let mut bytes = [0; 16];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(u128::from_be_bytes(bytes))
}

/// What makes an address on this computer one that no other user can guess.
pub(crate) fn token() -> std::io::Result<String> {
    let random = random().ok_or_else(|| std::io::Error::other("no random numbers"))?;
    Ok(format!("{random:032x}"))
}

/// One step of the connection test, as it is shown and as `camclinic test --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestStep {
    pub name: StepName,
    pub outcome: StepOutcome,
    /// `None` where it was not carried out.
    pub ms: Option<u64>,
    /// What was found, with the camera's own words and its status code. Never a password.
    pub detail: Foreign,
}

/// The steps in their order (`failures.md`, N1 to N11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    Url,
    Dns,
    Tcp,
    /// Of encrypted addresses only.
    Tls,
    Options,
    Describe,
    /// With the password, once.
    Login,
    SetupTcp,
    FirstPacket,
    SetupUdp,
    Codec,
    KeyFrame,
    Quality,
    /// Of HTTP: the answer to GET, and the first picture.
    Get,
    FirstPicture,
}

impl StepName {
    /// The name in JSON and on the command line.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Options => "options",
            Self::Describe => "describe",
            Self::Login => "login",
            Self::SetupTcp => "setup-tcp",
            Self::FirstPacket => "first-packet",
            Self::SetupUdp => "setup-udp",
            Self::Codec => "codec",
            Self::KeyFrame => "key-frame",
            Self::Quality => "quality",
            Self::Get => "get",
            Self::FirstPicture => "first-picture",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    Good,
    Warning,
    Bad,
    Skipped,
}

/// What stands in the way, or what a technician should know although the stream runs.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionFinding {
    /// The entry of the catalogue of failures, as in `F83`.
    pub entry: &'static str,
    pub fault: Fault,
    /// 0 to 1.
    pub confidence: f64,
}

impl ConnectionFinding {
    /// One that is nearly certain.
    pub(crate) fn new(entry: &'static str, kind: FaultKind, message: impl Into<Foreign>) -> Self {
        Self { entry, fault: Fault::new(kind, message), confidence: 0.95 }
    }

    pub(crate) fn with_code(self, code: impl Into<i64>) -> Self {
        Self { fault: self.fault.with_code(code), ..self }
    }

    pub(crate) fn with_os_code(self, error: &std::io::Error) -> Self {
        let Some(code) = error.raw_os_error() else { return self };
        // The number stands beside the words already.
        let message = self.fault.message.replace(&format!(" (os error {code})"), "");
        Self { fault: Fault { message: message.into(), ..self.fault }, ..self }.with_code(code)
    }

    pub(crate) fn with_advice(self, advice: impl Into<Foreign>) -> Self {
        Self { fault: self.fault.with_advice(advice), ..self }
    }

    pub(crate) fn unsure(self, confidence: f64) -> Self {
        Self { confidence, ..self }
    }
}

/// What the test measured over its time of watching.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamMeasurements {
    pub fps: Option<f64>,
    pub resolution: Option<Size>,
    pub codec: Option<Foreign>,
    pub kbit_per_sec: Option<f64>,
    /// RTP packets that did not arrive, of those that were sent.
    pub loss_percent: Option<f64>,
    /// RFC 3550, section 6.4.1.
    pub jitter_ms: Option<f64>,
    /// From one key frame to the next.
    pub key_frame_secs: Option<f64>,
    /// How much later frames arrive at the end than at the beginning, by their own clock.
    pub delay_growth_ms: Option<f64>,
    /// Our seconds for each second of the stream's clock, and for how many seconds it was watched, where it is so wrong that it shows.
    pub wrong_clock: Option<(f64, f64)>,
}

/// The outcome of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionTestResult {
    /// All that were or would have been carried out.
    pub steps: Vec<TestStep>,
    /// The first failing step in words; `None` where the stream runs as it should.
    pub verdict: Option<ConnectionFinding>,
    pub measured: StreamMeasurements,
    /// The one that an encrypted camera showed, trusted or not.
    pub certificate: Option<Certificate>,
}
