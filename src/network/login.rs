//! The login: sent after the camera has asked for it, and the same one never twice.
//!
//! Many cameras lock a user or a computer out after five wrong passwords. So a refusal is final, and only what cannot be a
//! wrong password is answered again: a nonce that has grown old (RFC 7616, section 3.3).

use std::fmt;

use http_auth::digest::Algorithm;
use http_auth::{PasswordClient, PasswordParams};

use super::ConnectionFinding;
use crate::address::Address;
use crate::fault::FaultKind;
use crate::foreign::safe_within;

/// What one connection knows about the login at its camera.
pub struct Login {
    address: Address,
    client: Option<PasswordClient>,
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
    pub fn new(address: &Address) -> Self {
        Self { address: address.clone(), client: None, is_proven: false, sent: None }
    }

    /// The value of `Authorization` for a request, if the camera has asked for one. `uri` as it stands in the request.
    pub fn authorization(&mut self, method: &str, uri: &str, body: &[u8]) -> Option<String> {
        let password = self.address.password.as_ref().map_or("", |password| password.reveal());
        let params = PasswordParams { username: &self.address.user, password, uri, method, body: Some(body) };
        let value = self.client.as_mut()?.respond(&params).ok()?;
        self.sent = value.split_once(' ').map(|(_, secret)| secret.to_owned());
        Some(value)
    }

    /// The camera took a request that had the login with it.
    pub fn accepted(&mut self) {
        self.is_proven |= self.client.is_some();
    }

    /// How the password is kept secret on its way, if the camera has asked for it.
    #[must_use]
    pub fn scheme(&self) -> Option<&'static str> {
        Some(match self.client.as_ref()? {
            PasswordClient::Digest(digest) => match digest.algorithm() {
                Algorithm::Md5 => "Digest MD5",
                Algorithm::Sha256 => "Digest SHA-256, which many players do not know",
                Algorithm::Sha512Trunc256 => "Digest SHA-512-256, which many players do not know",
                _ => "Digest",
            },
            _ => "Basic",
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
        let client = PasswordClient::builder().challenges(challenge).build();
        if was_sent {
            let (is_stale, is_other) = match (&client, &self.client) {
                (Ok(PasswordClient::Digest(new)), Some(PasswordClient::Digest(old))) => {
                    (new.stale(), new.nonce() != old.nonce())
                }
                _ => (false, false),
            };
            // A nonce may have expired without `stale=true`: the password was accepted before.
            let is_worth_it = is_other && (is_stale || self.is_proven) && !is_again;
            if let (true, Ok(client)) = (is_worth_it, client) {
                self.client = Some(client);
                return Ok(());
            }
            let user = &self.address.user;
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
        if self.address.password.is_none() {
            let message = if self.address.user.is_empty() {
                format!("the camera wants a login, and the address has none: {words}")
            } else {
                format!("the camera wants the password of “{}”, and none is known: {words}", self.address.user)
            };
            return Err(refused(message).with_advice("Give the user's name and password."));
        }
        if !challenge.is_ascii() {
            let message = "the camera's name for its users (its realm) has letters that this program cannot answer";
            return Err(refused(message.to_owned()).with_advice("Give the camera a plain name, without accents."));
        }
        let Ok(client) = client else {
            let words = challenge.split(',').filter_map(|part| part.split_whitespace().next());
            let offered: Vec<_> = words.filter(|word| !word.contains('=')).take(4).collect();
            let offered = self.mask(&offered.join(", "));
            let message = format!("the camera offers only kinds of login that this program does not know: {offered}");
            return Err(refused(message)
                .with_advice("Switch on “Digest” (or “Basic”) as the kind of login in the camera's settings."));
        };
        self.client = Some(client);
        Ok(())
    }

    /// A text of the camera's with all secrets masked, on one line and of bounded length.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let text = self.address.mask_in(&safe_within(text.as_bytes(), 300));
        match &self.sent {
            Some(sent) if !sent.is_empty() => text.replace(sent.as_str(), "***"),
            _ => text,
        }
    }
}
