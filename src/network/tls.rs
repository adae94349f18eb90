//! Encryption: whether the camera's certificate is trusted, and if not, why, in a sentence.
//!
//! A certificate is trusted if an authority of this computer vouches for it (`SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! others), or if it is the very one that somebody has looked at and trusted, by its fingerprint. No other is accepted.

use std::ffi::OsStr;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::connection::{Connection, broken};
use super::{Certificate, ConnectionFinding};
use crate::address::Address;
use crate::disk::read_regular;
use crate::fault::FaultKind;
use crate::lock::Lock;

/// No certificate of a camera is younger: a clock that says so is wrong. 2020-01-01, in seconds since 1970.
const EARLIEST_NOW_SECS: u64 = 1_577_836_800;
/// Many times what systems have.
const MAX_AUTHORITIES_BYTES: u64 = 16 << 20;

/// The authorities that this computer trusts. `file` is the one that the environment names in place of the system's: all of it is read,
/// so that a pipe or a device is left out.
fn authorities(file: Option<&OsStr>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    if file.is_none_or(|file| read_regular(Path::new(file), MAX_AUTHORITIES_BYTES).is_ok()) {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots
}

/// Encrypts a connection.
///
/// `shown` becomes the certificate that the camera showed, trusted or not.
///
/// # Errors
/// The certificate is not to be trusted, or nobody answers the greeting (F94); or something else answers, without encryption (F99).
pub fn secure(
    socket: TcpStream,
    address: &Address,
    pin: Option<&str>,
    cancel: Receiver<()>,
    deadline: Instant,
    shown: &mut Option<Certificate>,
) -> Result<Connection, ConnectionFinding> {
    let started = Instant::now();
    let untrusted = |message: String| ConnectionFinding::new("F94", FaultKind::Untrusted, message);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Verifier {
        roots: authorities(std::env::var_os("SSL_CERT_FILE").as_deref()),
        provider: Arc::clone(&provider),
        pin: pin.map(str::to_ascii_lowercase),
        shown: Lock::new(None),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| untrusted(format!("this program cannot encrypt: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    // A zone (fe80::1%eth0) has a meaning on this computer only.
    let host = address.host.split('%').next().unwrap_or_default().to_owned();
    let name = ServerName::try_from(host.clone())
        .map_err(|_| untrusted(format!("no certificate can be for a camera of the name {host}")))?;
    let connection = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| untrusted(format!("this program cannot encrypt: {error}")))?;
    let patience = deadline.saturating_duration_since(started);
    let connection =
        Connection::new(socket, Some(connection), cancel).map_err(|error| broken(&error, "the greeting", patience))?;
    let mut plain: Option<String> = None;
    let shaken = connection.handshake(deadline, &mut |bytes| {
        if matches!(bytes.first(), Some(0x14..=0x17)) {
            return Ok(());
        }
        plain = Some(String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().chars().take(80).collect());
        Err(io::ErrorKind::InvalidData.into())
    });
    *shown = verifier.shown.lock().take();
    let Err(error) = shaken else { return Ok(connection) };
    connection.close();
    if let Some(words) = plain {
        let words =
            if words.starts_with(|c: char| c.is_ascii_alphanumeric()) { format!(": {words}") } else { String::new() };
        let message = format!("there is no encryption on port {}: something else answers there{words}", address.port());
        return Err(ConnectionFinding::new("F99", FaultKind::WrongProtocol, message).with_advice(format!("Check scheme and port: encrypted streams mostly have port 322 or 443. Without encryption the address begins with {}://.", if address.scheme.is_rtsp() { "rtsp" } else { "http" })));
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => Err(explain(error, shown.as_ref(), &host, pin)),
        // Devices without encryption wait for a line that they understand, or close.
        None if error.kind() == io::ErrorKind::TimedOut => Err(untrusted(format!(
            "nobody answers the greeting of encryption on port {} within {:.1} s",
            address.port(),
            patience.as_secs_f64()
        ))
        .with_advice("Check scheme and port: there may be no encryption on this one.")
        .unsure(0.7)),
        None if error.kind() == io::ErrorKind::ConnectionAborted => Err(broken(&error, "the greeting", patience)),
        None => Err(untrusted(format!(
            "the camera breaks off at the greeting of encryption: {error}"
        ))
        .with_advice("Check scheme and port: there may be no encryption on this one. Switch it on in the camera's settings, or update its firmware.")
        .unsure(0.7)),
    }
}

struct Verifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    pin: Option<String>,
    shown: Lock<Option<Certificate>>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("pin", &self.pin).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Certificate::read(end_entity);
        let is_pinned = self.pin.is_some() && shown.as_ref().map(|shown| &shown.fingerprint) == self.pin.as_ref();
        // rustls asks under the connection's lock.
        *self.shown.lock_inside() = shown;
        if is_pinned {
            return Ok(ServerCertVerified::assertion());
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why there is no encryption with this camera, in words.
fn explain(error: &Error, shown: Option<&Certificate>, host: &str, pin: Option<&str>) -> ConnectionFinding {
    let is_pinned = |shown: &Certificate| pin.is_some_and(|pin| pin.eq_ignore_ascii_case(&shown.fingerprint));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let is_clock_wrong = now.as_secs() < EARLIEST_NOW_SECS;
    let mut advice: Option<&str> = None;
    let mut confidence = 0.95;
    let reason = match (error, shown) {
        (Error::InvalidCertificate(_), Some(shown)) if is_pinned(shown) => {
            advice = Some("Give the camera a new certificate, in its own settings, or update its firmware.");
            format!("the camera's certificate is trusted, and of a form too old for this program: {error}")
        }
        (Error::InvalidCertificate(reason), Some(shown)) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                advice = Some(
                    "Give the camera a new certificate, in its own settings. Check the clocks of the camera and of this computer. Trust it all the same only if it is the camera's own.",
                );
                format!("the camera's certificate has expired: it was valid until {}", shown.not_after)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                advice = Some("Set the clocks of the camera and of this computer: one of them is wrong.");
                format!("the camera's certificate is not valid yet: it will be from {}", shown.not_before)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                advice = Some(
                    "Write the name that stands in the certificate into the address, or trust the certificate if it is the camera's own.",
                );
                format!("the camera's certificate is for {}, and not for {host}", listed(&shown.names))
            }
            CertificateError::Revoked => "the camera's certificate has been revoked".to_owned(),
            _ if shown.is_self_signed => {
                "the camera's certificate is self-signed: nobody but the camera vouches for it".to_owned()
            }
            CertificateError::UnknownIssuer => {
                format!(
                    "the camera's certificate is vouched for by “{}”, whom this computer does not know",
                    shown.issuer
                )
            }
            _ => {
                confidence = 0.8;
                format!("the camera's certificate does not convince: {error}")
            }
        },
        (Error::AlertReceived(alert), _) => {
            advice = Some(
                "Update the camera's firmware: what it offers for encryption is too old to be safe, or switched off.",
            );
            confidence = 0.7;
            let old = matches!(alert, AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure);
            let why = if old { "it knows only kinds that are no longer safe" } else { "it says" };
            format!("the camera declines encryption: {why} ({alert:?})")
        }
        (Error::PeerIncompatible(why), _) => {
            advice = Some("Update the camera's firmware: what it offers for encryption is too old to be safe.");
            format!("the camera knows only encryption that is no longer safe ({why:?})")
        }
        _ => {
            confidence = 0.7;
            format!("encryption failed: {error}")
        }
    };
    let mut message = reason;
    if is_clock_wrong {
        message += "; this computer's clock is wrong";
        advice = Some("Set the clock of this computer.");
    }
    if let Some(shown) = shown.filter(|_| matches!(error, Error::InvalidCertificate(_))) {
        let other =
            if pin.is_some() && !is_pinned(shown) { "; it is another than the one that was trusted" } else { "" };
        message += &format!("{other}; its SHA-256 fingerprint is {}", shown.fingerprint);
    }
    let finding = ConnectionFinding::new("F94", FaultKind::Untrusted, message).unsure(confidence);
    match advice {
        Some(advice) => finding.with_advice(advice),
        None => finding,
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody writes to the pipe, and the device has no end.
    #[cfg(unix)]
    #[test]
    fn authorities_are_read_from_a_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.pem");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for file in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            assert!(authorities(Some(file.as_os_str())).is_empty(), "{}", file.display());
        }
    }
}
