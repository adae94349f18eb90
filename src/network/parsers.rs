//! The one door to parsers that others wrote. They are given what a camera sent, and some of them assert what no camera keeps to.
//! A panic in one is therefore what any other error is: the camera sent what nobody understands.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http_auth::{PasswordClient, PasswordParams};
use rtsp_types::{Message, ParseError};

use super::ConnectionFinding;
use super::http::ResponseHead;
use crate::fault::FaultKind;

/// So much of what was not understood is told.
const MAX_SHOWN: usize = 200;
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

fn guarded<T>(bytes: &[u8], parse: impl FnOnce() -> T) -> Result<T, NotUnderstood> {
    catch_unwind(AssertUnwindSafe(parse)).map_err(|_| NotUnderstood(shown(bytes)))
}

/// A description of a stream, of its lines that matter here: version, media, attributes. `None` where it is none.
///
/// Whatever else cameras write is left out before, be it a line of no form (RFC 8866, section 5) or of one that nothing needs.
pub(super) fn session(description: &[u8]) -> Result<Option<sdp_types::Session>, NotUnderstood> {
    let text = String::from_utf8_lossy(description);
    let is_needed = |line: &&str| matches!(line.as_bytes(), [b'v' | b'm' | b'a', b'=', ..]);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(is_needed).collect();
    guarded(description, || sdp_types::Session::parse(lines.join("\r\n").as_bytes()).ok())
}

/// What rtsp-types says.
type ParsedMessage = Result<(Message<Vec<u8>>, usize), ParseError>;

/// One message of RTSP, and how many bytes it has.
pub(super) fn rtsp_message(bytes: &[u8]) -> Result<ParsedMessage, NotUnderstood> {
    guarded(bytes, || Message::parse(bytes))
}

/// A whole head of an HTTP answer.
pub(super) fn http_head(bytes: &[u8]) -> Result<Result<ResponseHead, httparse::Error>, NotUnderstood> {
    guarded(bytes, || {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut config = httparse::ParserConfig::default();
        config.allow_spaces_after_header_name_in_responses(true);
        config.ignore_invalid_headers_in_responses(true);
        if config.parse_response(&mut response, bytes)?.is_partial() {
            return Err(httparse::Error::NewLine);
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
        let headers = response.headers.iter();
        Ok(ResponseHead {
            is_old: response.version == Some(0),
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().chars().take(100).collect(),
            headers: headers.map(|header| (header.name.to_owned(), text(header.value))).collect(),
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

/// How the camera wants people to log in. `None` where it wants it in no way that is known.
pub(super) fn login_client(challenge: &str) -> Result<Option<PasswordClient>, NotUnderstood> {
    guarded(challenge.as_bytes(), || PasswordClient::builder().challenges(challenge).build().ok())
}

/// The value of `Authorization`. `None` where the camera's challenge cannot be answered.
pub(super) fn login_value(client: &mut PasswordClient, params: &PasswordParams<'_>) -> Option<String> {
    guarded(&[], || client.respond(params).ok()).ok().flatten()
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
        let good: [&[u8]; 4] = [
            b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
            b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nSession: 1;timeout=60\r\nContent-Length: 4\r\n\r\nbody",
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 7\r\n\r\n",
            b"Digest realm=\"c\\\"am\", nonce=\"abc\", qop=\"auth\", algorithm=MD5, Basic realm=\"x\"",
        ];
        for n in 0..20_000 {
            let mut bytes = good[n % good.len()].to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = *random.choice(b"\r\n =:\0\xff\xe2\\\",m9x").unwrap();
            }
            let text = String::from_utf8_lossy(&bytes);
            let params = PasswordParams { username: "ü", password: "p", uri: "/", method: "GET", body: Some(&[]) };
            assert!(session(&bytes).is_ok() && rtsp_message(&bytes).is_ok() && http_head(&bytes).is_ok(), "{text}");
            let client = login_client(&text);
            assert!(client.is_ok(), "{text}");
            if let Ok(Some(mut client)) = client {
                login_value(&mut client, &params);
            }
            let _ = chunk_size(&bytes);
        }
    }
}
