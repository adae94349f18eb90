//! The login: sent after the camera has asked for it, and the same one never twice.
//!
//! Many cameras lock a user or a computer out after five wrong passwords. So a refusal is final, and only what cannot be a
//! wrong password is answered again: a nonce that has grown old (RFC 7616, section 3.3).

mod challenge;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::challenge::Challenge;
use super::{ConnectionFinding, Origin};
use crate::address::Address;
use crate::fault::FaultKind;
use crate::foreign::safe_within;
use crate::lock::{Lock, Locked};

/// More origins than a camera ever has.
const MAX_KNOWN: usize = 16;
/// No name on a network is longer (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// The origins that have asked for a login by Digest: none of them gets the password in clear (Basic) afterwards. Otherwise whoever
/// stands between could ask for it in place of the camera. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct KnownLogins(Arc<Lock<BTreeSet<Origin>>>);

impl KnownLogins {
    fn lock(&self) -> Locked<'_, BTreeSet<Origin>> {
        self.0.lock()
    }

    /// They have asked for Digest.
    pub fn learn(&self, origins: impl IntoIterator<Item = Origin>) {
        let mut known = self.lock();
        for origin in origins {
            if known.len() < MAX_KNOWN && origin.host().len() <= MAX_HOST_BYTES {
                known.insert(origin);
            }
        }
    }

    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        self.lock().iter().cloned().collect()
    }

    fn has(&self, origin: &Origin) -> bool {
        self.lock().contains(origin)
    }
}

/// What one connection knows about the login at its camera. It is for the address's origin alone.
pub struct Login {
    address: Address,
    known: KnownLogins,
    challenge: Option<Challenge>,
    /// The camera has answered a request with this login by something else than 401.
    is_proven: bool,
    /// What was sent last, so that it can be masked should the camera repeat it.
    sent: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("address", &self.address).field("scheme", &self.scheme()).finish_non_exhaustive()
    }
}

impl Login {
    #[must_use]
    pub fn new(address: &Address, known: &KnownLogins) -> Self {
        Self { address: address.clone(), known: known.clone(), challenge: None, is_proven: false, sent: None }
    }

    /// The value of `Authorization` for a request, if the camera has asked for one. `uri` as it stands in the request.
    pub fn authorization(&mut self, method: &str, uri: &str, body: &[u8]) -> Option<String> {
        let password = self.address.password.as_ref().map_or("", |password| password.reveal());
        let user = &self.address.user;
        let value = match self.challenge.as_mut()? {
            Challenge::Basic => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            Challenge::Digest(digest) => digest.answer(user, password, method, uri, body)?,
        };
        self.sent = value.split_once(' ').map(|(_, secret)| secret.to_owned());
        Some(value)
    }

    /// The camera took a request that had the login with it.
    pub fn accepted(&mut self) {
        self.is_proven |= self.challenge.is_some();
    }

    /// How the password is kept secret on its way, if the camera has asked for it.
    #[must_use]
    pub fn scheme(&self) -> Option<&'static str> {
        Some(match self.challenge.as_ref()? {
            Challenge::Digest(digest) => digest.name(),
            Challenge::Basic => "Basic",
        })
    }

    /// Takes a 401 in. `was_sent`: the request had the login with it; `is_again`: this request was answered before.
    /// `challenge` is what `WWW-Authenticate` says, `words` the camera's text of the refusal.
    ///
    /// # Errors
    /// The request is not to be sent again (F83).
    pub fn asked(
        &mut self,
        challenge: Option<&str>,
        was_sent: bool,
        is_again: bool,
        words: &str,
    ) -> Result<(), ConnectionFinding> {
        let refused = |message: String| ConnectionFinding::new("F83", FaultKind::LoginRefused, message).with_code(401);
        let words = self.mask(words);
        let Some(challenge) = challenge else {
            let why = if was_sent { "refuses the login" } else { "wants a login, and does not say which kind" };
            return Err(refused(format!("the camera {why}: {words}")));
        };
        let offered = challenge::offered(challenge);
        let best = challenge::best(&offered);
        let origin = Origin::of(&self.address);
        let is_weaker = self.known.has(&origin) && matches!(best, Some(Challenge::Basic));
        if matches!(best, Some(Challenge::Digest(_))) {
            self.known.learn([origin]);
        }
        if is_weaker {
            let message = format!(
                "the camera asked for the password by Digest before, and wants it in clear now (Basic): it is not sent ({words})"
            );
            return Err(refused(message).with_advice(
                "Find out whether another device answers in the camera's place, at this address. If you yourself have changed the \
                 kind of login in the camera's settings, set it back to Digest; if it shall be Basic, start Camclinic again.",
            ));
        }
        let has_password = self.address.password.is_some();
        if was_sent {
            let (is_stale, is_other) = match (&best, &self.challenge) {
                (Some(Challenge::Digest(new)), Some(Challenge::Digest(old))) => (new.is_stale, new.nonce != old.nonce),
                _ => (false, false),
            };
            // A nonce may have expired without `stale=true`: the password was accepted before.
            let is_worth_it = is_other && (is_stale || self.is_proven) && !is_again;
            if is_worth_it {
                self.challenge = best;
                return Ok(());
            }
            let user = &self.address.user;
            if !has_password && !self.is_proven {
                let message = format!("the camera wants the password of “{user}”, and none is known");
                return Err(refused(message).with_advice(GIVE));
            }
            return Err(if self.is_proven {
                ConnectionFinding::new("F83", FaultKind::LoginRefused, format!("the camera took the login of “{user}” before, and refuses it now: {words}"))
                    .with_code(401)
                    .with_advice("Look whether the user or the password was changed in the camera, or a limit of viewers is reached. Nothing is tried again until you say so.")
                    .unsure(0.7)
            } else {
                refused(format!("the camera refuses user “{user}” with this password: {words}")).with_advice(
                    "Check user name and password; the user needs the right to see the live picture. If both are right, the camera may have \
                     locked the user after too many attempts (wait half an hour), or serve no more viewers (close other programs). \
                     Nothing is tried again until they are changed.",
                ).unsure(0.9)
            });
        }
        // Of a user alone an empty password is tried: many cameras have none when they are new.
        if !has_password && self.address.user.is_empty() {
            let message = format!("the camera wants a login, and the address has none: {words}");
            return Err(refused(message).with_advice(GIVE));
        }
        let Some(best) = best else {
            let offered: Vec<_> = offered.iter().map(|offer| offer.scheme.as_str()).take(4).collect();
            let offered = self.mask(&offered.join(", "));
            let message = format!("the camera offers only kinds of login that this program does not know: {offered}");
            return Err(refused(message)
                .with_advice("Switch on “Digest” (or “Basic”) as the kind of login in the camera's settings."));
        };
        self.challenge = Some(best);
        Ok(())
    }

    /// A text of the camera's with all secrets masked, on one line and of bounded length.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let text = self.address.mask_in(&safe_within(text.as_bytes(), MAX_MASKED));
        let text = match &self.sent {
            Some(sent) if !sent.is_empty() => text.replace(sent.as_str(), "***"),
            _ => text,
        };
        text.chars().take(MAX_TOLD).collect()
    }
}

/// What a camera says in `WWW-Authenticate`, as a text that [`bytes`] gives back byte for byte: its name for its users is a part of the
/// answer, in whatever encoding. Quotes that are not closed are closed, so that the next header is not taken for a part of this one.
#[must_use]
pub fn challenge(value: &[u8]) -> String {
    let mut text = String::new();
    for chunk in value.trim_ascii().utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(FOREIGN_BYTE + u32::from(*byte))));
    }
    if text.matches('"').count() % 2 == 1 {
        text.push('"');
    }
    text
}

/// A byte that is no UTF-8 stands for itself as this character plus its number: in a private area (Unicode, section 23.5).
const FOREIGN_BYTE: u32 = 0xf700;

/// A text as it goes to the camera.
#[must_use]
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(FOREIGN_BYTE).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

const GIVE: &str = "Give the user's name and password.";

/// So much of a camera's text is told. More is looked through for secrets, so that none is cut in two and told in part.
const MAX_TOLD: usize = 300;
const MAX_MASKED: usize = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    const BASIC: &str = "Basic realm=\"cam\"";
    const DIGEST: &str = "Digest realm=\"cam\", nonce=\"abc\"";
    const BOTH: &str = "Basic realm=\"cam\", Digest realm=\"cam\", nonce=\"abc\"";

    /// What the connections of one camera are asked one after the other, each at an address; as the kinds of login that were sent, and
    /// `-` for none.
    #[track_caller]
    fn check(asked: &[(&str, &str)], expected: &str) {
        let known = KnownLogins::default();
        let sent = asked.iter().map(|(url, challenge)| {
            let mut login = Login::new(&Address::parse(url).unwrap(), &known);
            let outcome = login.asked(Some(challenge), false, false, "401 Unauthorized");
            let value = login.authorization("GET", "/", &[]);
            assert_eq!(value.is_none(), outcome.is_err(), "{outcome:?}");
            if let Err(finding) = outcome {
                assert!(!finding.fault.message.contains("geheim"), "{}", finding.fault);
            }
            value.map_or("-".to_owned(), |value| value.split(' ').next().unwrap().to_owned())
        });
        assert_eq!(sent.collect::<Vec<_>>().join(" "), expected, "{asked:?}");
    }

    #[test]
    fn a_login_is_never_weakened_silently() {
        let cam = "http://admin:geheim@cam/1";
        check(&[(cam, BASIC)], "Basic");
        check(&[(cam, DIGEST)], "Digest");
        check(&[(cam, BASIC), (cam, BASIC)], "Basic Basic");
        check(&[(cam, BASIC), (cam, DIGEST), (cam, BASIC)], "Basic Digest -");
        check(&[(cam, BOTH), (cam, BASIC), (cam, DIGEST), (cam, BASIC)], "Digest - Digest -");
        check(&[(cam, DIGEST), ("http://admin:geheim@CAM:80/2", BASIC)], "Digest -");
        // Another server is another matter.
        check(&[(cam, DIGEST), ("http://admin:geheim@cam:81/1", BASIC)], "Digest Basic");
        check(&[(cam, DIGEST), ("https://admin:geheim@cam/1", BASIC)], "Digest Basic");
        check(&[(cam, DIGEST), ("rtsp://admin:geheim@cam/1", BASIC)], "Digest Basic");
    }

    /// Also from one process to the next.
    #[test]
    fn what_is_known_of_logins_can_be_passed_on() {
        let (first, second) = (KnownLogins::default(), KnownLogins::default());
        let address = Address::parse("rtsp://admin:geheim@cam/1").unwrap();
        Login::new(&address, &first).asked(Some(DIGEST), false, false, "").unwrap();
        second.learn(first.origins());
        let refused = Login::new(&address, &second).asked(Some(BASIC), false, false, "401 Unauthorized").unwrap_err();
        assert_eq!((refused.entry, refused.fault.kind), ("F83", FaultKind::LoginRefused));
        assert!(refused.fault.message.contains("in clear"), "{}", refused.fault);
        let flood = (0..1_000).map(|n| Origin::of(&Address::parse(&format!("rtsp://cam{n}/")).unwrap()));
        second.learn(flood);
        assert!(second.origins().len() <= MAX_KNOWN);
        let third = KnownLogins::default();
        let long = |n: usize| Origin::of(&Address::parse(&format!("rtsp://{}/", "h".repeat(n))).unwrap());
        third.learn([long(255), long(256)]);
        assert_eq!(third.origins(), [long(255)]);
    }

    #[test]
    fn names_of_users_come_back_byte_for_byte() {
        for value in [&b"Digest realm=\"K\xfcche \xe2\x82\xac\""[..], "realm=\"Küche\"".as_bytes(), b"\xff\x80", b""] {
            assert_eq!(bytes(&challenge(value)), value, "{}", value.escape_ascii());
        }
        assert_eq!(challenge(b" Basic realm=\"cam "), "Basic realm=\"cam\"");
    }

    #[test]
    fn a_secret_is_not_told_in_part() {
        let login = Login::new(&Address::parse("rtsp://admin:geheim@cam/1").unwrap(), &KnownLogins::default());
        for n in 280..310 {
            let told = login.mask(&format!("{}geheim", "x".repeat(n)));
            assert!(!told.contains('g') && told.chars().count() <= MAX_TOLD, "{told}");
        }
    }
}
