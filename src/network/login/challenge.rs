//! What cameras ask in `WWW-Authenticate` (RFC 9110, section 11.6.1), as they write it, and the answer by Digest (RFC 7616; RFC 2069
//! where they name no `qop`).

use md5::Digest as _;
use md5::Md5;
use sha2::{Sha256, Sha512_256};

/// A kind of login that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub scheme: String,
    parameters: Vec<(String, String)>,
}

impl Offer {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The kinds of login that are offered, as far as they can be read. Cameras forget quotes, commas and values, and say things twice: then
/// the first holds.
pub fn offered(text: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | '"' | '=');
    let mut rest = text.trim_start_matches(is_between);
    while let Some(n) = rest.find(is_between).or(Some(rest.len())).filter(|n| *n > 0) {
        let (word, behind) = rest.split_at(n);
        let value = behind.trim_start().strip_prefix('=').map(str::trim_start);
        match (value, offers.last_mut()) {
            (Some(value), Some(offer)) => {
                let (value, behind) = value_of(value);
                if offer.get(word).is_none() {
                    offer.parameters.push((word.to_owned(), value));
                }
                rest = behind;
            }
            // A list without quotes: `qop=auth,auth-int`.
            (None, Some(offer)) if word.eq_ignore_ascii_case("auth") || word.eq_ignore_ascii_case("auth-int") => {
                offer.parameters.iter_mut().filter(|(name, _)| name == "qop").for_each(|(_, value)| {
                    value.push(',');
                    value.push_str(word);
                });
                rest = behind;
            }
            _ => {
                offers.push(Offer { scheme: word.to_owned(), parameters: Vec::new() });
                rest = behind;
            }
        }
        rest = rest.trim_start_matches(is_between);
    }
    offers
}

/// The value at the beginning, in quotes or up to the comma, and what comes behind it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = text.split_at(text.find(',').unwrap_or(text.len()));
        return (value.trim().to_owned(), behind);
    };
    let mut value = String::new();
    let mut is_escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return (value, quoted.get(at + 1..).unwrap_or_default()),
            _ => {
                value.push(c);
                is_escaped = false;
            }
        }
    }
    (value, "")
}

/// What is answered to a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Digest(Digest),
}

/// The first Digest that can be answered, else Basic.
pub fn best(offers: &[Offer]) -> Option<Challenge> {
    let is = |offer: &&Offer, scheme: &str| offer.scheme.eq_ignore_ascii_case(scheme);
    let digest = offers.iter().filter(|offer| is(offer, "Digest")).find_map(Digest::read);
    digest.map(Challenge::Digest).or_else(|| offers.iter().any(|offer| is(&offer, "Basic")).then_some(Challenge::Basic))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
    Sha512Part,
}

impl Hash {
    /// Of the parts with colons between them, in hexadecimal.
    fn of(self, parts: &[&[u8]]) -> String {
        let bytes = parts.join(&b':');
        match self {
            Self::Md5 => format!("{:x}", Md5::digest(bytes)),
            Self::Sha256 => format!("{:x}", Sha256::digest(bytes)),
            Self::Sha512Part => format!("{:x}", Sha512_256::digest(bytes)),
        }
    }
}

/// A question by Digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    realm: String,
    pub nonce: String,
    opaque: Option<String>,
    /// As it was written; cameras that name none may not know the word.
    algorithm: Option<String>,
    hash: Hash,
    /// The first hash has the nonces in it.
    is_of_session: bool,
    /// `auth` or `auth-int`.
    qop: Option<&'static str>,
    pub is_stale: bool,
    /// How often it was answered.
    n_answers: u32,
}

impl Digest {
    /// `None` where it has no nonce, or a hash that nobody knows.
    fn read(offer: &Offer) -> Option<Self> {
        let algorithm = offer.get("algorithm").map(str::trim).filter(|name| !name.is_empty());
        let name = algorithm.unwrap_or("MD5").to_ascii_uppercase();
        let (hash, is_of_session) = match name.strip_suffix("-SESS") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let hash = match hash {
            "MD5" => Hash::Md5,
            "SHA-256" => Hash::Sha256,
            "SHA-512-256" => Hash::Sha512Part,
            _ => return None,
        };
        let qops = offer.get("qop").unwrap_or_default().to_ascii_lowercase();
        let has_qop = |qop: &str| qops.split([',', ' ']).any(|offered| offered == qop);
        let qop = ["auth", "auth-int"].into_iter().find(|qop| has_qop(qop));
        Some(Self {
            realm: offer.get("realm").unwrap_or_default().to_owned(),
            nonce: offer.get("nonce").filter(|nonce| !nonce.is_empty())?.to_owned(),
            opaque: offer.get("opaque").map(str::to_owned),
            algorithm: algorithm.map(str::to_owned),
            hash,
            is_of_session,
            qop,
            is_stale: offer.get("stale").is_some_and(|stale| stale.trim().eq_ignore_ascii_case("true")),
            n_answers: 0,
        })
    }

    pub fn name(&self) -> &'static str {
        match self.hash {
            Hash::Md5 => "Digest MD5",
            Hash::Sha256 => "Digest SHA-256, which many players do not know",
            Hash::Sha512Part => "Digest SHA-512-256, which many players do not know",
        }
    }

    /// The value of `Authorization`. `None` where the system has no random numbers.
    pub fn answer(&mut self, user: &str, password: &str, method: &str, uri: &str, body: &[u8]) -> Option<String> {
        self.n_answers += 1;
        let nonce_of_ours = format!("{:016x}", crate::network::random()? & u128::from(u64::MAX));
        Some(self.answer_with(&nonce_of_ours, (user, password), (method, uri, body)))
    }

    fn answer_with(&self, cnonce: &str, (user, password): (&str, &str), asked: (&str, &str, &[u8])) -> String {
        let (method, uri, body) = asked;
        let hash = self.hash;
        let realm = super::bytes(&self.realm);
        let nonce = super::bytes(&self.nonce);
        let mut secret = hash.of(&[user.as_bytes(), &realm, password.as_bytes()]);
        if self.is_of_session {
            secret = hash.of(&[secret.as_bytes(), &nonce, cnonce.as_bytes()]);
        }
        let mut asked = vec![method.as_bytes(), uri.as_bytes()];
        let body = hash.of(&[body]);
        if self.qop == Some("auth-int") {
            asked.push(body.as_bytes());
        }
        let asked = hash.of(&asked);
        let count = format!("{:08x}", self.n_answers);
        let response = match self.qop {
            Some(qop) => {
                let parts =
                    [secret.as_bytes(), &nonce, count.as_bytes(), cnonce.as_bytes(), qop.as_bytes(), asked.as_bytes()];
                hash.of(&parts)
            }
            None => hash.of(&[secret.as_bytes(), &nonce, asked.as_bytes()]),
        };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(user),
            quoted(&self.realm),
            quoted(&self.nonce)
        );
        if let Some(algorithm) = &self.algorithm {
            value += &format!(", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque=\"{}\"", quoted(opaque));
        }
        if let Some(qop) = self.qop {
            value += &format!(", qop={qop}, nc={count}");
        }
        if self.qop.is_some() || self.is_of_session {
            value += &format!(", cnonce=\"{cnonce}\"");
        }
        value.replace(['\r', '\n'], "")
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offers, as `scheme name=value name=value`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let got: Vec<String> = offered(text)
            .iter()
            .map(|offer| {
                let values = offer.parameters.iter().map(|(name, value)| format!(" {name}={value}"));
                format!("{}{}", offer.scheme, values.collect::<String>())
            })
            .collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn questions_are_read_as_cameras_write_them() {
        check("Basic realm=\"cam\"", &["Basic realm=cam"]);
        check(
            "Digest realm=\"a, b\", nonce=\"1=\",qop=\"auth-int, auth\"",
            &["Digest realm=a, b nonce=1= qop=auth-int, auth"],
        );
        check("Digest realm = x , nonce=1, algorithm=, qop=", &["Digest realm=x nonce=1 algorithm= qop="]);
        check("Digest nonce=1, qop=auth,auth-int, realm=x", &["Digest nonce=1 qop=auth,auth-int realm=x"]);
        check("Digest nonce=\"1\" realm=\"x\"", &["Digest nonce=1 realm=x"]);
        check("Digest nonce=\"1\", nonce=\"2\", realm=\"c\\\"am\"", &["Digest nonce=1 realm=c\"am"]);
        check("Basic, Digest nonce=\"1\", Negotiate", &["Basic", "Digest nonce=1", "Negotiate"]);
        check("Basic realm=cam\", Digest nonce=\"1\"", &["Basic realm=cam\"", "Digest nonce=1"]);
        check("realm=\"x\", nonce=\"1\"", &["realm", "x nonce=1"]);
        check("", &[]);
        check(",=\"", &[]);
    }

    /// As `Basic`, or as the name of the hash, `qop` and whether it has grown old.
    #[track_caller]
    fn check_best(text: &str, expected: &str) {
        let got = match best(&offered(text)) {
            None => "-".to_owned(),
            Some(Challenge::Basic) => "Basic".to_owned(),
            Some(Challenge::Digest(digest)) => {
                let (session, stale) = (if digest.is_of_session { "-sess" } else { "" }, digest.is_stale);
                format!("{:?}{session} {} {stale}", digest.hash, digest.qop.unwrap_or("-"))
            }
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn the_best_question_is_answered() {
        check_best("Basic realm=\"x\", Digest nonce=\"1\"", "Md5 - false");
        check_best("Digest nonce=1, algorithm=\"\", qop=\"\"", "Md5 - false");
        check_best("Digest nonce=1, qop=\"auth-int, auth\"", "Md5 auth false");
        check_best("Digest nonce=1, qop=AUTH-INT, stale=TRUE", "Md5 auth-int true");
        check_best("digest nonce=1, algorithm=sha-256", "Sha256 - false");
        check_best("Digest nonce=1, algorithm=MD5-sess, qop=auth", "Md5-sess auth false");
        check_best("Digest nonce=1, algorithm=SHA-999, Digest nonce=2, algorithm=SHA-512-256", "Sha512Part - false");
        check_best("Digest nonce=1, algorithm=SHA-999, Basic realm=\"x\"", "Basic");
        check_best("Digest realm=\"x\"", "-");
        check_best("Negotiate", "-");
    }

    #[track_caller]
    fn check_answer(text: &str, cnonce: &str, login: (&str, &str), asked: (&str, &str), expected: &str) {
        let Some(Challenge::Digest(mut digest)) = best(&offered(text)) else { panic!("{text}") };
        digest.n_answers = 1;
        let value = digest.answer_with(cnonce, login, (asked.0, asked.1, &[]));
        assert!(value.contains(&format!("response=\"{expected}\"")), "{value}");
    }

    #[test]
    fn answers_are_those_of_the_standards() {
        // RFC 2617, 3.5; RFC 7616, 3.9.1.
        let of_2617 =
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let mufasa = ("Mufasa", "Circle Of Life");
        let asked = ("GET", "/dir/index.html");
        check_answer(of_2617, "0a4f113b", mufasa, asked, "6629fae49393a05397450978507c4ef1");
        let of_7616 = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"";
        let (cnonce, mufasa) = ("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", ("Mufasa", "Circle of Life"));
        check_answer(of_7616, cnonce, mufasa, asked, "8ca523f5e9506fed4657c9700eebdbec");
        let sha = format!("{of_7616}, algorithm=SHA-256");
        check_answer(&sha, cnonce, mufasa, asked, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
        // RFC 2069, with the erratum.
        let old = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        check_answer(old, "", ("Mufasa", "CircleOfLife"), asked, "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn nothing_in_it_ends_the_header() {
        let Some(Challenge::Digest(mut digest)) = best(&offered("Digest nonce=\"a\\\"b\", realm=\"x\ry\"")) else {
            panic!()
        };
        let value = digest.answer("an\"na", "secret", "GET", "/", &[]).unwrap();
        assert!(value.contains("username=\"an\\\"na\", realm=\"xy\", nonce=\"a\\\"b\""), "{value}");
    }
}
