//! The one door to parsers that others wrote. They are given what a camera sent, and some of them assert what no camera keeps to.
//! A panic in one is therefore what any other error is: the camera sent what nobody understands.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rtsp_types::{Message, ParseError};

use super::http::ResponseHead;
use super::{ConnectionFinding, login};
use crate::fault::FaultKind;

/// So much of what was not understood is told.
const MAX_SHOWN: usize = 200;
/// The same of what is of another protocol, as a text and as numbers.
const MAX_BEGINNING: usize = 40;
const MAX_NUMBERS: usize = 8;
const MAX_HEADERS: usize = 100;

/// Bytes at which a parser gave up in a way that it should not; these are the first of them, fit to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnderstood(String);

impl NotUnderstood {
    /// `doing` names what was asked.
    pub(super) fn finding(&self, doing: &str) -> ConnectionFinding {
        let message = format!("the camera answers {doing} with what nobody understands: {}", self.0);
        ConnectionFinding::new("F86", FaultKind::ProtocolTrouble, message).with_advice(
            "Restart the camera; update its firmware. If that does not help, save a report: its maker needs what the camera sent.",
        )
    }
}

/// The beginning of what a camera sent, with everything escaped that is no letter, sign or blank.
pub(super) fn shown(bytes: &[u8]) -> String {
    let begin = String::from_utf8_lossy(bytes.get(..MAX_SHOWN).unwrap_or(bytes)).into_owned();
    let mut shown = String::new();
    for c in begin.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// With what foreign bytes begin: a text as such, in which `mask` finds what is secret before it is cut, and of other
/// bytes the first few by their numbers.
pub(super) fn beginning(bytes: &[u8], mask: impl FnOnce(&str) -> String) -> String {
    let is_text = |byte: u8| matches!(byte, b' '..=b'~');
    let text: String = bytes.iter().take_while(|byte| is_text(**byte)).map(|byte| char::from(*byte)).collect();
    if text.is_empty() {
        let odd = bytes.iter().take_while(|byte| !is_text(**byte)).take(MAX_NUMBERS);
        return odd.map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    }
    format!("“{}”", mask(&text).chars().take(MAX_BEGINNING).collect::<String>())
}

fn guarded<T>(bytes: &[u8], parse: impl FnOnce() -> T) -> Result<T, NotUnderstood> {
    catch_unwind(AssertUnwindSafe(parse)).map_err(|_| NotUnderstood(shown(bytes)))
}

/// What rtsp-types says.
type ParsedMessage = Result<(Message<Vec<u8>>, usize), ParseError>;

/// One message of RTSP, and how many bytes it has.
pub(super) fn rtsp_message(bytes: &[u8]) -> Result<ParsedMessage, NotUnderstood> {
    guarded(bytes, || Message::parse(bytes))
}

/// A status line as the standard wants it, of this version, from one of whatever version, case and blanks, with or without a reason.
pub(super) fn status_line(line: &str, version: &str) -> Option<String> {
    let (_, rest) = line.trim().split_once(char::is_whitespace)?;
    let (code, reason) = rest.trim_start().split_at_checked(3)?;
    code.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("{version} {code} {}", reason.trim()))
}

/// A whole head of an HTTP answer.
pub(super) fn http_head(bytes: &[u8]) -> Result<Result<ResponseHead, httparse::Error>, NotUnderstood> {
    guarded(bytes, || {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut config = httparse::ParserConfig::default();
        config.allow_spaces_after_header_name_in_responses(true);
        config.ignore_invalid_headers_in_responses(true);
        let (first, rest) =
            bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1));
        let version = if first.get(5..8) == Some(b"1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
        let first = status_line(&String::from_utf8_lossy(first), version).ok_or(httparse::Error::Status)?;
        let bytes = [first.as_bytes(), b"\r\n", rest].concat();
        if config.parse_response(&mut response, &bytes)?.is_partial() {
            return Err(httparse::Error::NewLine);
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
        let headers = response.headers.iter();
        Ok(ResponseHead {
            is_old: response.version == Some(0),
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().chars().take(100).collect(),
            headers: headers
                .map(|header| {
                    let is_challenge = header.name.eq_ignore_ascii_case("www-authenticate");
                    let value = if is_challenge { login::challenge(header.value) } else { text(header.value) };
                    (header.name.to_owned(), value)
                })
                .collect(),
        })
    })
}

/// The length of the line that says how long a chunk is, and that. `None` where more has to come; an error where it is no such line.
pub(super) fn chunk_size(bytes: &[u8]) -> Result<Option<(usize, u64)>, NotUnderstood> {
    match guarded(bytes, || httparse::parse_chunk_size(bytes))? {
        Ok(httparse::Status::Complete(found)) => Ok(Some(found)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(NotUnderstood(shown(bytes))),
    }
}

/// Reads a certificate. `None` where it is none.
pub(super) fn certificate<T>(
    der: &[u8],
    read: impl FnOnce(&x509_parser::certificate::X509Certificate<'_>) -> Option<T>,
) -> Option<T> {
    let read = || x509_parser::parse_x509_certificate(der).ok().and_then(|(_, certificate)| read(&certificate));
    guarded(der, read).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_foreign_bytes_begin_with_is_told_without_numbers_of_letters() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            assert_eq!(beginning(bytes, |text| text.replace("geheim", "***")), expected);
        }
        check(b"220 mail.example ESMTP\r\n", "“220 mail.example ESMTP”");
        check(b"geheim\r\n", "“***”");
        check(b"\x00\xa7geheim", "00 a7");
        check(&[b'x'; 200], &format!("“{}”", "x".repeat(MAX_BEGINNING)));
        check(&[0; 200], "00 00 00 00 00 00 00 00");
        check(b"", "");
    }

    #[test]
    fn a_panic_is_an_answer_that_nobody_understands() {
        let bytes = b"v=0\r\n\x1b[31m\xff \"geheim\" \xe2\x80\xae";
        let failed = guarded::<()>(bytes, || panic!("as parsers do")).unwrap_err();
        let finding = failed.finding("DESCRIBE");
        assert_eq!((finding.entry, finding.fault.kind), ("F86", FaultKind::ProtocolTrouble));
        let expected = "the camera answers DESCRIBE with what nobody understands: \
                        v=0\\r\\n\\u{1b}[31m\u{fffd} \"geheim\" \\u{202e}";
        assert_eq!(finding.fault.message, expected);
        assert_eq!(guarded(bytes, || 7), Ok(7));
    }

    #[test]
    fn what_is_told_is_bounded() {
        for bytes in [vec![b'x'; 100_000], vec![0; 100_000], vec![0xe2; 100_000]] {
            assert!(shown(&bytes).len() <= MAX_SHOWN * 6, "{}", shown(&bytes).len());
        }
    }

    /// Bytes of what cameras send, spoiled in each way that has once been found to matter and at random.
    #[test]
    fn no_bytes_come_out_as_a_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        let good: [&[u8]; 2] = [
            b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nSession: 1;timeout=60\r\nContent-Length: 4\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n",
        ];
        for n in 0..20_000 {
            let mut bytes = good[n % good.len()].to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = *random.choice(b"\r\n =:\0\xff\xe2\\\",m9x").unwrap();
            }
            let text = String::from_utf8_lossy(&bytes);
            assert!(rtsp_message(&bytes).is_ok() && http_head(&bytes).is_ok(), "{text}");
            let _ = chunk_size(&bytes);
        }
    }
}
