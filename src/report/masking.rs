//! What is masked in a report: names of people and computers, numbers by which they can be found, and secrets. How they are told
//! by their form is in `patterns.rs`.
//!
//! A name is known once it has stood in a place that shows what it is: a home folder, an address, a device's serial
//! number. From then on it is masked wherever it stands. So a report is read twice: to learn, and to mask.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::patterns::{self, Match};
use crate::checkup::{CheckRun, Checkup, Finding};
use crate::foreign::plain;
use crate::phrases::{Message, MessageValue};

/// What can be masked, and what can be left as it is. Secrets are none of it: they are masked always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MaskedKind {
    /// The name of this computer.
    Host,
    /// Of people who use it or the camera.
    Users,
    /// Serial numbers, of the camera and others.
    Serials,
    /// Names and numbers on the network, MAC addresses.
    Addresses,
    /// Where home folders are.
    Home,
}

impl MaskedKind {
    pub const ALL: [Self; 5] = [Self::Host, Self::Users, Self::Serials, Self::Addresses, Self::Home];

    /// Its phrase.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Host => "report.mask.host",
            Self::Users => "report.mask.users",
            Self::Serials => "report.mask.serials",
            Self::Addresses => "report.mask.addresses",
            Self::Home => "report.mask.home",
        }
    }

    /// `user-1` stands for the first user.
    pub(super) fn stem(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Users => "user",
            Self::Serials => "serial",
            Self::Addresses => "address",
            Self::Home => "home",
        }
    }
}

/// Which kinds are masked: all of them, until somebody says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masking {
    shown: BTreeSet<MaskedKind>,
}

impl Masking {
    #[must_use]
    pub fn hides(&self, kind: MaskedKind) -> bool {
        !self.shown.contains(&kind)
    }

    pub fn set(&mut self, kind: MaskedKind, hides: bool) {
        if hides {
            self.shown.remove(&kind)
        } else {
            self.shown.insert(kind)
        };
    }
}

/// What stands for a secret.
pub(super) const SECRET: &str = "***";

/// Accounts that every computer or camera has: they identify nobody.
const EVERYBODY: [&str; 16] = [
    "root",
    "admin",
    "administrator",
    "user",
    "guest",
    "system",
    "nobody",
    "operator",
    "viewer",
    "service",
    "default",
    "public",
    "shared",
    "all users",
    "local service",
    "network service",
];
/// A shorter name also occurs by chance in other texts; a shorter number identifies nothing.
const MIN_NAME: usize = 2;
const MIN_SERIAL: usize = 4;
/// A longer secret is masked in the midst of a word too.
const MIN_SECRET: usize = 4;
/// No report has more different names; those that come after them are masked only where their place shows what they are.
const MAX_NAMES: usize = 1_000;

/// A name that is looked for in all texts.
struct Name {
    kind: MaskedKind,
    /// In small letters.
    text: String,
    /// What it counts as: a serial number is written in several ways.
    canonical: String,
}

pub struct Masker {
    masking: Masking,
    /// The longest first: `anna.local` before `anna`.
    names: Vec<Name>,
    /// In small letters, the longest first.
    secrets: Vec<String>,
    numbers: BTreeMap<(MaskedKind, String), usize>,
    n_secrets: usize,
}

impl Masker {
    pub fn new(masking: Masking, secrets: &[String]) -> Self {
        let lower = |secret: &String| secret.chars().flat_map(char::to_lowercase).collect::<String>();
        let mut secrets: Vec<_> = secrets.iter().map(lower).filter(|secret| !secret.is_empty()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { masking, names: Vec::new(), secrets, numbers: BTreeMap::new(), n_secrets: 0 }
    }

    /// What is masked: how many different names of each kind, and how often a secret stood somewhere.
    pub fn counts(&self) -> (BTreeMap<MaskedKind, usize>, usize) {
        let mut counts = BTreeMap::new();
        for (kind, _) in self.numbers.keys() {
            *counts.entry(*kind).or_insert(0) += 1;
        }
        (counts, self.n_secrets)
    }

    /// What stands for a name, from now on in every text.
    pub fn name(&mut self, kind: MaskedKind, text: &str) -> String {
        let lower = text.to_lowercase();
        let is_anybody = kind == MaskedKind::Users && EVERYBODY.contains(&lower.as_str());
        let n_least = if kind == MaskedKind::Serials { MIN_SERIAL } else { MIN_NAME };
        let is_number = kind == MaskedKind::Users && lower.bytes().all(|byte| byte.is_ascii_digit());
        if !self.masking.hides(kind) || is_anybody || is_number || lower.chars().count() < n_least {
            return text.to_owned();
        }
        let canonical = match kind {
            // As it stands in an identity.
            MaskedKind::Serials => plain(&lower),
            MaskedKind::Host | MaskedKind::Users | MaskedKind::Addresses | MaskedKind::Home => lower.clone(),
        };
        if self.names.len() < MAX_NAMES {
            for text in [lower, canonical.clone()] {
                if !self.names.iter().any(|name| name.text == text) {
                    let place = self.names.partition_point(|name| name.text.len() >= text.len());
                    self.names.insert(place, Name { kind, text, canonical: canonical.clone() });
                }
            }
        }
        self.stand_in(kind, canonical)
    }

    fn stand_in(&mut self, kind: MaskedKind, canonical: String) -> String {
        if kind == MaskedKind::Home {
            self.numbers.entry((kind, canonical)).or_insert(1);
            return "~".to_owned();
        }
        let next = self.numbers.keys().filter(|(other, _)| *other == kind).count() + 1;
        let number = *self.numbers.entry((kind, canonical)).or_insert(next);
        format!("{}-{number}", kind.stem())
    }

    pub fn hides(&self, kind: MaskedKind) -> bool {
        self.masking.hides(kind)
    }

    pub fn secret(&mut self) -> String {
        self.n_secrets += 1;
        SECRET.to_owned()
    }

    /// A text with everything masked that is known or shows what it is.
    pub fn text(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        let mut before: Option<char> = None;
        while let Some(next) = rest.chars().next() {
            let is_start = !before.is_some_and(char::is_alphanumeric) || !next.is_alphanumeric();
            let found = self.known(rest, is_start).or_else(|| {
                let found = patterns::find(self, rest, is_start)?;
                Some(Match { instead: self.without_secrets(&found.instead), ..found })
            });
            let n_bytes = match found {
                Some(Match { n_bytes, instead }) if n_bytes > 0 => {
                    masked.push_str(&instead);
                    n_bytes
                }
                _ => {
                    masked.push(next);
                    next.len_utf8()
                }
            };
            let (taken, behind) = rest.split_at_checked(n_bytes).unwrap_or((rest, ""));
            before = taken.chars().next_back();
            rest = behind;
        }
        masked
    }

    /// What stands in place of an address keeps its scheme and more: a secret may be in it.
    fn without_secrets(&mut self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let n_bytes = if let Some(n_bytes) = self.secret_at(rest, |secret, _| secret.len() >= MIN_SECRET) {
                masked.push_str(&self.secret());
                n_bytes
            } else {
                masked.push(next);
                next.len_utf8()
            };
            rest = rest.get(n_bytes..).unwrap_or_default();
        }
        masked
    }

    /// How long the secret is that begins here, in whatever letters, of those that count.
    fn secret_at(&self, rest: &str, counts: impl Fn(&str, usize) -> bool) -> Option<usize> {
        self.secrets.iter().find_map(|secret| {
            let n_bytes = patterns::starts_with_lower(rest, secret)?;
            counts(secret, n_bytes).then_some(n_bytes)
        })
    }

    /// A known secret or name that begins here.
    fn known(&mut self, rest: &str, is_start: bool) -> Option<Match> {
        let ends = |n_bytes: usize| !rest.get(n_bytes..).is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        let counts = |secret: &str, n_bytes: usize| secret.len() >= MIN_SECRET || is_start && ends(n_bytes);
        if let Some(n_bytes) = self.secret_at(rest, counts) {
            return Some(Match { n_bytes, instead: self.secret() });
        }
        if !is_start {
            return None;
        }
        let (kind, canonical, n_bytes) = self.names.iter().find_map(|name| {
            let n_bytes = patterns::starts_with_lower(rest, &name.text)?;
            ends(n_bytes).then(|| (name.kind, name.canonical.clone(), n_bytes))
        })?;
        Some(Match { n_bytes, instead: self.stand_in(kind, canonical) })
    }

    /// Every text in it. What stands under `serial`, `user` or `password` is what the name says.
    pub fn json(&mut self, value: &mut Json) {
        match value {
            Json::String(text) => *text = self.text(text),
            Json::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Json::Object(members) => {
                for (key, member) in members {
                    let kind = match key.as_str() {
                        "serial" => Some(MaskedKind::Serials),
                        "user" => Some(MaskedKind::Users),
                        "host" => Some(MaskedKind::Host),
                        _ => None,
                    };
                    match (member, kind) {
                        (Json::String(secret), _) if patterns::is_secret_key(key) => *secret = self.secret(),
                        (Json::String(text), Some(MaskedKind::Users)) => *text = self.account(text),
                        (Json::String(text), Some(kind)) => *text = self.name(kind, text),
                        (member, _) => self.json(member),
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// A user's name; on Windows with the computer's in front of it.
    fn account(&mut self, text: &str) -> String {
        match text.split_once('\\') {
            Some((host, user)) => {
                format!("{}\\{}", self.name(MaskedKind::Host, host), self.name(MaskedKind::Users, user))
            }
            None => self.name(MaskedKind::Users, text),
        }
    }

    /// The values of a sentence: its own words name nobody.
    pub fn said(&mut self, said: &Message) -> Message {
        let mut masked = said.clone();
        for (_, value) in &mut masked.values {
            match value {
                MessageValue::Text(text) => *text = self.text(text).into(),
                MessageValue::Message(said) => **said = self.said(said),
                MessageValue::Number { .. } => {}
            }
        }
        masked
    }

    /// All that is said of a check-up. The rest is as it was, and is masked as JSON.
    pub fn checkup(&mut self, checkup: &Checkup) -> Checkup {
        let mut masked = checkup.clone();
        masked.findings.iter_mut().for_each(|finding| self.finding(finding));
        for CheckRun { why, .. } in &mut masked.checks {
            *why = self.said(why);
        }
        for share in &mut masked.slow {
            share.part = self.said(&share.part);
        }
        masked
    }

    fn finding(&mut self, finding: &mut Finding) {
        let judgement = &mut finding.judgement;
        for said in [&mut judgement.title, &mut judgement.because].into_iter().chain(&mut judgement.evidence) {
            *said = self.said(said);
        }
        for fix in &mut judgement.fixes {
            fix.text = self.said(&fix.text);
            fix.command = fix.command.as_deref().map(|command| self.text(command));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Masks a text twice, as a report is: names are learned first.
    #[track_caller]
    fn check_with(masking: &Masking, text: &str, expected: &str) {
        let mut masker = Masker::new(masking.clone(), &["geh:eim7".to_owned(), "x9".to_owned()]);
        masker.name(MaskedKind::Host, "Kasse-3");
        masker.name(MaskedKind::Users, "anna");
        masker.name(MaskedKind::Home, "/srv/people/anna");
        masker.name(MaskedKind::Serials, "7F3E A1");
        masker.text(text);
        assert_eq!(masker.text(text), expected, "{text}");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        check_with(&Masking::default(), text, expected);
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        check("wrong: geh:eim7!", "wrong: ***!");
        check("xgeh:eim7x", "x***x");
        check("x9 and x99", "*** and x99");
        check("GEH:Eim7, X9, X99", "***, ***, X99");
        check("rtsp://kurt:pa/s#s@10.1.2.3:8554/h264?key=1&b=2", "rtsp://user-2:***@address-1:8554/h264?***");
        check("rtsp://admin:***@cam/1", "rtsp://admin:***@address-1/1");
        check("(rtsp://cam/1?token=a%20b).", "(rtsp://address-1/1?***).");
        check("rtsp://cam/user=admin_password=hush_channel=1", "rtsp://address-1/user=admin_password=***");
        check("https://cam/live/9f8e7d6c5b4a39281706/1", "https://address-1/live/***/1");
        check("https://cam/Xk39sLq0Zp7VtB2w", "https://address-1/***");
        check("rtsp://cam/h264Preview_01_main", "rtsp://address-1/h264Preview_01_main");
        check("rtsp://cam/Streaming/Channels/101", "rtsp://address-1/Streaming/Channels/101");
        check("rtsp://cam/onvifProfile1MediaStream2", "rtsp://address-1/onvifProfile1MediaStream2");
        check("http:// no address", "http://*** no address");
        check("GET /cgi?user=a&pwd=b HTTP/1.1", "GET /cgi?*** HTTP/1.1");
        check("Is it so? yes=1", "Is it so? yes=1");
        check("password=hush, next", "password=*** next");
        check("Password: \"hush hush\" next", "Password: \"***\" next");
        check("rtsp_pwd='a b'", "rtsp_pwd='***'");
        check("{\"token\":\"abc\"}", "{\"token\":\"***\"}");
        check("passwords are kept; bypass=1", "passwords are kept; bypass=1");
        check("Authorization: Digest username=\"kurt\", nonce=\"1\"\nnext", "Authorization:***\nnext");
        check("sent Basic YWRtaW46Z2VoZWlt twice", "sent Basic *** twice");
        check("a basic description", "a basic description");
    }

    #[test]
    fn names_are_masked_by_the_same_number() {
        check("anna on KASSE-3 (Anna's), annabel", "user-1 on host-1 (user-1's), annabel");
        check("/home/bert/x, bert, /home/bert", "~/x, user-2, ~");
        check("/srv/people/anna/Pictures", "~/Pictures");
        check(r"C:\Users\Anna Maier\Pictures\1.png", r"~\Pictures\1.png");
        check("c:/users/bert", "~");
        check("/Users/bert/Desktop: no room", "~/Desktop: no room");
        check("file:///home/bert/a.mp4", "file://~/a.mp4");
        check("/home/", "/home/");
        check(r"\\NAS7\video$\a", r"\\address-1\video$\a");
        check("root and admin", "root and admin");
        check("cam-flur does not answer: rtsp://cam-flur/1", "address-1 does not answer: rtsp://address-1/1");
    }

    #[test]
    fn serial_numbers_are_found_in_every_spelling() {
        check("serial 7f3e a1", "serial serial-1");
        check("usb-046d_082d_7F3E_A1-if2", "usb-046d_082d_serial-1-if2");
        check("usb-046d_082d_OTHER-9", "usb-046d_082d_serial-2");
        check("/dev/v4l/by-id/usb-046d_C920_ABCD12-video-index0", "/dev/v4l/by-id/usb-046d_C920_serial-2-video-index0");
        check("usb 1-2: SerialNumber: ABCD12", "usb 1-2: SerialNumber: serial-2");
        check(
            r"\\?\usb#vid_046d&pid_082d&mi_00#6&1a2b&0&0000#{65e8}",
            r"\\?\usb#vid_046d&pid_082d&mi_00#serial-2#{65e8}",
        );
        check("SerialNumber: 1", "SerialNumber: 1");
        check("usb-046d_082d", "usb-046d_082d");
    }

    #[test]
    fn addresses_are_told_from_clocks_and_versions() {
        check("192.168.1.64 and 192.168.1.64:554", "address-1 and address-1:554");
        check("from 10.0.0.1, 10.0.0.2.", "from address-1, address-2.");
        check("fe80::1%eth0 [2001:db8::7]:554", "address-1%eth0 [address-2]:554");
        check("AA:bb:cc:dd:ee:0f is aa:BB:cc:dd:ee:0f", "address-1 is address-1");
        check("127.0.0.1, ::1, 0.0.0.0, localhost", "127.0.0.1, ::1, 0.0.0.0, localhost");
        check("at 16:04:05 on 2026-11-21", "at 16:04:05 on 2026-11-21");
        check("6.1.192, 10.0.22621.1, v1.2.3", "6.1.192, 10.0.22621.1, v1.2.3");
        check("rtsp://127.0.0.1:8554/a", "rtsp://127.0.0.1:8554/a");
        check("rtsp://[fe80::1]:8554/a", "rtsp://address-1:8554/a");
    }

    #[test]
    fn what_somebody_wants_to_show_is_shown() {
        let mut masking = Masking::default();
        masking.set(MaskedKind::Addresses, false);
        masking.set(MaskedKind::Home, false);
        check_with(&masking, "rtsp://kurt:hush@cam/1?a=b", "rtsp://user-2:***@cam/1?***");
        check_with(&masking, "/home/bert/x on Kasse-3 at 10.0.0.1", "/home/user-2/x on host-1 at 10.0.0.1");
        for kind in MaskedKind::ALL {
            masking.set(kind, false);
        }
        check_with(
            &masking,
            "/home/bert, anna, Kasse-3, usb-046d_082d_7F3E_A1",
            "/home/bert, anna, Kasse-3, usb-046d_082d_7F3E_A1",
        );
        check_with(&masking, "rtsp://kurt:hush@cam/1?a=b", "rtsp://kurt:***@cam/1?***");
    }

    #[test]
    fn odd_texts_come_through() {
        for text in [
            "",
            "?",
            "://",
            "\\\\",
            "/home",
            "usb-",
            "usb#vid_",
            "by-id/",
            "password",
            "password=",
            "a\u{301}🎥=",
            "İ/home/İ",
        ] {
            let mut masker = Masker::new(Masking::default(), &[]);
            masker.text(text);
            let odd = format!("🎥{text}🎥");
            assert!(masker.text(&odd).starts_with('🎥'), "{text}");
        }
    }

    #[test]
    fn names_of_members_say_what_they_hold() {
        let mut masker = Masker::new(Masking::default(), &[]);
        let mut value = json!({
            "message": "dora closed ABCD12", "user": r"WERK\dora", "serial": "ABCD12", "password": "hush", "pid": 7,
            "list": [{"user": "1000"}, {"user": "root"}],
        });
        masker.json(&mut value.clone());
        masker.json(&mut value);
        let expected = json!({
            "message": "user-1 closed serial-1", "user": r"host-1\user-1", "serial": "serial-1", "password": "***", "pid": 7,
            "list": [{"user": "1000"}, {"user": "root"}],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn sentences_keep_their_own_words() {
        let mut masker = Masker::new(Masking::default(), &[]);
        masker.name(MaskedKind::Users, "camera");
        let inner = Message::new("fix.x").with("who", "camera");
        let said = masker.said(&Message::new("because.camera").with("who", inner).with("n", 2.0));
        assert_eq!(
            said,
            Message::new("because.camera").with("who", Message::new("fix.x").with("who", "user-1")).with("n", 2.0)
        );
    }
}
