//! What stands in a certificate, for the person who has to decide whether to trust it.
//!
//! Verifying is rustls's part. It refuses to read some certificates that cameras have (RFC 5280 calls them version 1, or an
//! authority's), and these must be shown too; so the few fields that people look at are read here.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::crypto::hash::HashAlgorithm;
use serde::Serialize;

/// Longer names are cut: they come from the camera.
const MAX_TEXT_CHARS: usize = 200;
const MAX_NAMES: usize = 50;

/// A camera's certificate, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// As in `CN=camera, O=Maker`.
    pub subject: String,
    pub issuer: String,
    /// The names and numbers that it is valid for; of old ones that have none, the subject's own.
    pub names: Vec<String>,
    /// As in `2027-05-31 12:00:00 UTC`.
    pub not_before: String,
    pub not_after: String,
    /// SHA-256 of the whole certificate, in small hexadecimal digits.
    pub fingerprint: String,
    /// Nobody but itself vouches for it.
    pub is_self_signed: bool,
}

impl Certificate {
    /// Reads DER (RFC 5280, section 4.1). `None` where this is no certificate.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = item(der, SEQUENCE)?;
        let (mut rest, _) = item(certificate, SEQUENCE)?;
        if let Some((_, after)) = item(rest, VERSION) {
            rest = after;
        }
        let (_, rest) = item(rest, INTEGER)?;
        let (_, rest) = item(rest, SEQUENCE)?;
        let (issuer, rest) = item(rest, SEQUENCE)?;
        let (validity, rest) = item(rest, SEQUENCE)?;
        let (subject, rest) = item(rest, SEQUENCE)?;
        let (not_before, validity) = time(validity)?;
        let (not_after, _) = time(validity)?;
        let mut names = alternative_names(rest).unwrap_or_default();
        if names.is_empty() {
            names.extend(attributes(subject).into_iter().filter(|(key, _)| *key == "CN").map(|(_, value)| value));
        }
        Some(Self {
            subject: name(subject),
            issuer: name(issuer),
            names,
            not_before,
            not_after,
            fingerprint: fingerprint(der)?,
            is_self_signed: issuer == subject,
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

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.29.17, subjectAltName.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];

/// The next element whatever its tag: tag, contents, what follows.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// The next element if it has this tag: contents, what follows.
fn item(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    any(der).filter(|(found, ..)| *found == tag).map(|(_, contents, rest)| (contents, rest))
}

fn items(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, contents, rest) = any(der)?;
        der = rest;
        Some((tag, contents))
    })
}

/// `UTCTime` with two digits of the year, or `GeneralizedTime` with four (RFC 5280, section 4.1.2.5).
fn time(der: &[u8]) -> Option<(String, &[u8])> {
    let (tag, digits, rest) = any(der)?;
    let digits = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let (year, digits) = match tag {
        UTC_TIME => {
            let (year, digits) = digits.split_at_checked(2)?;
            let year: u32 = year.parse().ok()?;
            (if year < 50 { 2_000 + year } else { 1_900 + year }, digits)
        }
        GENERALIZED_TIME => {
            let (year, digits) = digits.split_at_checked(4)?;
            (year.parse().ok()?, digits)
        }
        _ => return None,
    };
    let two = |at: usize| digits.get(at..at + 2).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_digit()));
    let text = format!("{year:04}-{}-{} {}:{}:{} UTC", two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    Some((text, rest))
}

/// The parts of a name that people know.
fn attributes(name: &[u8]) -> Vec<(&'static str, String)> {
    items(name)
        .filter(|(tag, _)| *tag == SET)
        .flat_map(|(_, set)| items(set))
        .filter_map(|(_, pair)| {
            let (oid, value) = item(pair, OID)?;
            let key = match oid {
                [0x55, 0x04, 0x03] => "CN",
                [0x55, 0x04, 0x06] => "C",
                [0x55, 0x04, 0x07] => "L",
                [0x55, 0x04, 0x08] => "ST",
                [0x55, 0x04, 0x0a] => "O",
                [0x55, 0x04, 0x0b] => "OU",
                _ => return None,
            };
            let (tag, value, _) = any(value)?;
            let value = if tag == BMP_STRING {
                let units = value.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
                char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            } else {
                String::from_utf8_lossy(value).into_owned()
            };
            Some((key, readable(&value)))
        })
        .take(MAX_NAMES)
        .collect()
}

fn name(der: &[u8]) -> String {
    let parts: Vec<_> = attributes(der).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    parts.join(", ")
}

fn readable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect()
}

/// From what follows the subject.
fn alternative_names(rest: &[u8]) -> Option<Vec<String>> {
    let (_, extensions) = items(rest).find(|(tag, _)| *tag == EXTENSIONS)?;
    let (extensions, _) = item(extensions, SEQUENCE)?;
    let value = items(extensions).find_map(|(_, extension)| {
        let (oid, value) = item(extension, OID)?;
        let octets = || items(value).find(|(tag, _)| *tag == OCTETS).map(|(_, octets)| octets);
        (oid == ALTERNATIVE_NAMES).then(octets).flatten()
    })?;
    let (names, _) = item(value, SEQUENCE)?;
    let name = |(tag, value): (u8, &[u8])| match tag {
        DNS_NAME => Some(readable(&String::from_utf8_lossy(value))),
        IP_ADDRESS => match value.len() {
            4 => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    };
    Some(items(names).filter_map(name).take(MAX_NAMES).collect())
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
