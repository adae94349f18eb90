//! What stands in a certificate, for the person who has to decide whether to trust it.
//!
//! Verifying is rustls's part. It refuses to read some certificates that cameras have (RFC 5280 calls them version 1, or an
//! authority's), and these must be shown too; so the few fields that people look at are read here, and nothing is judged.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::crypto::hash::HashAlgorithm;
use serde::Serialize;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{
    OID_X509_COMMON_NAME, OID_X509_COUNTRY_NAME, OID_X509_LOCALITY_NAME, OID_X509_ORGANIZATION_NAME,
    OID_X509_ORGANIZATIONAL_UNIT, OID_X509_STATE_OR_PROVINCE_NAME, Oid,
};
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::parsers;
use crate::foreign::safe_within;

/// Longer names are cut: they come from the camera.
const MAX_TEXT_CHARS: usize = 200;
const MAX_NAMES: usize = 50;

/// The parts of a name that are shown, with their usual abbreviations (RFC 4514, section 3).
static PARTS: [(Oid<'static>, &str); 6] = [
    (OID_X509_COMMON_NAME, "CN"),
    (OID_X509_COUNTRY_NAME, "C"),
    (OID_X509_LOCALITY_NAME, "L"),
    (OID_X509_STATE_OR_PROVINCE_NAME, "ST"),
    (OID_X509_ORGANIZATION_NAME, "O"),
    (OID_X509_ORGANIZATIONAL_UNIT, "OU"),
];

/// A camera's certificate, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// As in `CN=camera, O=Maker`.
    pub subject: String,
    pub issuer: String,
    /// The host names and addresses that it is valid for; of old ones that have none, the subject's common name.
    pub names: Vec<String>,
    /// As in `2027-05-31 12:00:00 UTC`.
    pub not_before: String,
    pub not_after: String,
    /// SHA-256 of the whole certificate, in small hexadecimal digits.
    pub fingerprint: String,
    /// It was issued by its own subject.
    pub is_self_signed: bool,
}

impl Certificate {
    /// Reads DER (RFC 5280, section 4.1). `None` where this is no certificate.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        parsers::certificate(der, |certificate| Self::of(der, certificate))
    }

    fn of(der: &[u8], certificate: &X509Certificate<'_>) -> Option<Self> {
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        let mut names = alternative_names(certificate);
        if names.is_empty() {
            names = parts(subject).filter(|(key, _)| *key == "CN").map(|(_, value)| value).collect();
        }
        Some(Self {
            subject: shown(subject),
            issuer: shown(issuer),
            names,
            not_before: date_and_time(certificate.validity().not_before),
            not_after: date_and_time(certificate.validity().not_after),
            fingerprint: fingerprint(der)?,
            is_self_signed: issuer.as_raw() == subject.as_raw(),
        })
    }
}

/// SHA-256, in small hexadecimal digits.
fn fingerprint(der: &[u8]) -> Option<String> {
    let suites = rustls::crypto::ring::DEFAULT_CIPHER_SUITES;
    let hash = suites.iter().filter_map(rustls::SupportedCipherSuite::tls13).map(|suite| suite.common.hash_provider);
    let sha256 = hash.into_iter().find(|hash| hash.algorithm() == HashAlgorithm::SHA256)?;
    let digits: Vec<_> = sha256.hash(der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(digits.concat())
}

fn date_and_time(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", time.hour(), time.minute(), time.second())
}

fn shown(name: &X509Name) -> String {
    parts(name).map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

fn parts(name: &X509Name) -> impl Iterator<Item = (&'static str, String)> {
    let part = |attribute: &AttributeTypeAndValue| {
        let (_, key) = PARTS.iter().find(|(oid, _)| oid == attribute.attr_type())?;
        Some((*key, text(attribute)))
    };
    name.iter_attributes().filter_map(part).take(MAX_NAMES)
}

/// Also of text in an encoding that is not the one that it says: it is shown, not compared.
fn text(attribute: &AttributeTypeAndValue) -> String {
    let value = attribute.attr_value();
    if value.tag() == Tag::BmpString {
        let units = value.data.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
        let decoded: String =
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        readable(&decoded)
    } else {
        readable(&String::from_utf8_lossy(value.data))
    }
}

fn readable(text: &str) -> String {
    safe_within(text.as_bytes(), MAX_TEXT_CHARS)
}

/// `subjectAltName` (RFC 5280, section 4.2.1.6). Empty where there is none, or it is damaged.
fn alternative_names(certificate: &X509Certificate) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName| match name {
        GeneralName::DNSName(name) => Some(readable(name)),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*octets).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).take(MAX_NAMES).collect()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// As `subject|issuer|names|not before|not after|self-signed`.
    #[track_caller]
    fn check(pem: &str, expected: &str) {
        let got = Certificate::read(&der(pem)).unwrap();
        let names = got.names.join(" ");
        let text = format!("{}|{}|{names}|{}|{}", got.subject, got.issuer, got.not_before, got.not_after);
        assert_eq!(format!("{text}|{}", got.is_self_signed), expected);
        assert_eq!(got.fingerprint.len(), 64);
    }

    #[test]
    fn what_people_look_at_is_read() {
        let authority = "CN=Camclinic test authority";
        let times = "2024-01-01 00:00:00 UTC|2119-01-01 00:00:00 UTC";
        check(
            include_str!("../../tests/fixtures/tls/good.pem"),
            &format!("CN=camera|{authority}|localhost 127.0.0.1|{times}|false"),
        );
        check(
            include_str!("../../tests/fixtures/tls/self-signed.pem"),
            &format!("CN=camera, O=Maker|CN=camera, O=Maker|localhost 127.0.0.1|{times}|true"),
        );
        check(
            include_str!("../../tests/fixtures/tls/expired.pem"),
            &format!("CN=camera|{authority}|localhost 127.0.0.1|2010-01-01 00:00:00 UTC|2011-01-01 00:00:00 UTC|false"),
        );
        check(
            include_str!("../../tests/fixtures/tls/wrong-name.pem"),
            &format!("CN=camera|{authority}|camera.example|{times}|false"),
        );
    }

    /// Version 1; an encoding of text and a serial number that standards forbid; a boolean of BER.
    #[test]
    fn certificates_that_cameras_have_against_the_standard_are_read() {
        let old = "CN=cam, O=Maker|CN=cam, O=Maker|cam|";
        let odd = "CN=Kamera ü, O=Maker|CN=Kamera ü, O=Maker|cam.local 10.0.0.7|";
        let check = |pem: &str, expected: &str| {
            let got = Certificate::read(&der(pem)).unwrap();
            let text = format!("{}|{}|{}|", got.subject, got.issuer, got.names.join(" "));
            assert_eq!((text.as_str(), got.is_self_signed), (expected, true));
        };
        check(include_str!("../../tests/fixtures/tls/version-1.pem"), old);
        check(include_str!("../../tests/fixtures/tls/bmp-string.pem"), odd);
        check(include_str!("../../tests/fixtures/tls/negative-serial.pem"), odd);
        check(include_str!("../../tests/fixtures/tls/ber-boolean.pem"), odd);
        let latin = "CN=Kamera \u{fffd}, O=Maker|CN=Kamera \u{fffd}, O=Maker|cam.local 10.0.0.7|";
        check(include_str!("../../tests/fixtures/tls/teletex-string.pem"), latin);
    }

    #[test]
    fn the_fingerprint_is_the_one_that_openssl_prints() {
        let got = Certificate::read(&der(include_str!("../../tests/fixtures/tls/good.pem"))).unwrap();
        assert_eq!(got.fingerprint, include_str!("../../tests/fixtures/tls/good.sha256").trim());
    }

    #[test]
    fn damage_is_no_certificate_and_no_panic() {
        let whole = der(include_str!("../../tests/fixtures/tls/good.pem"));
        for n in 0..whole.len() {
            assert!(Certificate::read(&whole[..n]).is_none(), "{n}");
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut damaged = whole.to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..damaged.len());
                damaged[at] = random.u8(..);
            }
            let _ = Certificate::read(&damaged);
        }
    }
}
