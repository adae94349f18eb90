//! An address while it is typed: the whole, and the parts of it, each following the other.
//!
//! The password is in neither text: it has a field of its own, whatever place of the address it comes from.

use std::net::Ipv4Addr;
use std::ops::Range;

use crate::address::{Address, Password, Scheme};
use crate::source::SourceSpec;
use crate::ui::text;

/// What stands in the fields.
#[derive(Clone, Default)]
pub struct Draft {
    /// The field at the top, which takes devices, files and `sim:` lines too.
    pub whole: String,
    pub scheme: Option<Scheme>,
    pub host: String,
    pub port: String,
    pub path: String,
    pub user: String,
    /// Never in a text that is shown.
    pub password: String,
    /// Of an address that has one in the login and another in the path.
    path_password: Option<Password>,
    /// What is wrong with the whole, or that it is no address of a network camera.
    reading: WholeField,
    /// The login for which the password was found in the keyring: for another one it is not meant.
    found_for: Option<String>,
}

/// What the whole turned out to be.
#[derive(Clone, Debug, Default, PartialEq)]
enum WholeField {
    /// The parts say what it is.
    #[default]
    Parts,
    /// A device, a file, a script.
    Other(SourceSpec),
    Wrong(String),
}

/// What is wrong, beside each field; empty where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    pub whole: String,
    pub host: String,
    pub port: String,
    pub path: String,
}

impl Draft {
    /// The fields filled with what is shown now; empty where that has no address.
    #[must_use]
    pub fn of(spec: &SourceSpec) -> Self {
        let mut draft = Self::default();
        if let SourceSpec::Url(address) = spec {
            draft.fill(address);
        }
        draft
    }

    fn fill(&mut self, address: &Address) {
        self.scheme = Some(address.scheme);
        self.host.clone_from(&address.host);
        self.port = address.port.map(|port| port.to_string()).unwrap_or_default();
        self.user.clone_from(&address.user);
        let in_path = address.path_password().map(str::to_owned);
        self.path = without_password(address).path;
        match (&address.password, in_path) {
            (Some(password), in_path) => {
                self.password = password.reveal().to_owned();
                self.path_password = in_path.map(Password::new);
            }
            (None, Some(in_path)) => {
                self.password = in_path;
                self.path_password = None;
            }
            (None, None) => {}
        }
        self.reading = WholeField::Parts;
        self.forget_another_ones();
        self.whole = self.without_password();
    }

    /// Whether nothing was typed since it was filled with that.
    #[must_use]
    pub fn is_like(&self, spec: &SourceSpec) -> bool {
        let before = Self::of(spec);
        let fields = |draft: &Self| {
            [&draft.whole, &draft.host, &draft.port, &draft.path, &draft.user, &draft.password].map(String::clone)
        };
        fields(self) == fields(&before)
    }

    /// Reads an address that somebody pasted, in place of all that stands in the fields. `false` where it is none.
    pub fn paste(&mut self, text: &str) -> bool {
        let Some(address) = address_in(text) else { return false };
        *self = Self::default();
        self.fill(&address);
        true
    }

    /// Takes over what was typed into the field at the top. What stands there is not touched under the hand: a password
    /// leaves it with [`Self::settle`].
    pub fn read_whole(&mut self) {
        let text = self.whole.trim();
        if let Some(address) = address_in(text) {
            let typed = self.whole.clone();
            self.fill(&address);
            self.whole = typed;
            return;
        }
        self.reading = match SourceSpec::parse(text) {
            _ if text.is_empty() => {
                *self = Self { password: std::mem::take(&mut self.password), ..Self::default() };
                WholeField::Parts
            }
            Ok(SourceSpec::Url(_)) => WholeField::Parts,
            Ok(other) => WholeField::Other(other),
            Err(why) => WholeField::Wrong(text::sentence(&why)),
        };
    }

    /// Takes over what was typed into one of the parts.
    pub fn read_parts(&mut self) {
        self.reading = WholeField::Parts;
        self.forget_another_ones();
        self.whole = self.without_password();
    }

    /// Puts the whole right, once the hand has left it.
    pub fn settle(&mut self) {
        if self.reading == WholeField::Parts && self.address().is_ok() {
            self.whole = self.without_password();
        }
    }

    /// Where a password stands in the whole while that is typed, in bytes: to be hidden.
    #[must_use]
    pub fn secret_range(whole: &str) -> Range<usize> {
        let start = whole.find("://").map_or(0, |at| at + 3);
        let rest = whole.get(start..).unwrap_or_default();
        // Without a scheme it may be anything: sim:stall@5s.
        let is_address = start > 0 || address_in(whole).is_some();
        let Some(colon) = rest.find(':').filter(|_| is_address) else { return 0..0 };
        let behind = rest.get(colon + 1..).unwrap_or_default();
        let is_port = || behind.bytes().take_while(|byte| !b"/?#".contains(byte)).all(|byte| byte.is_ascii_digit());
        let end = match behind.rfind('@') {
            Some(at) => at,
            None if is_port() || rest.starts_with('[') => 0,
            None => behind.len(),
        };
        let from = start + colon + 1;
        from..from + end
    }

    /// Whether the parts are those of what the whole says.
    #[must_use]
    pub fn has_parts(&self) -> bool {
        !matches!(self.reading, WholeField::Other(_))
    }

    /// Nothing is typed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole.trim().is_empty() && self.host.trim().is_empty()
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme.unwrap_or(Scheme::Rtsp)
    }

    /// The password that the keyring keeps for this address.
    pub fn take_found(&mut self, found: &Address) {
        let whole = std::mem::take(&mut self.whole);
        self.fill(found);
        self.whole = whole;
        self.found_for = Some(self.login());
    }

    #[must_use]
    pub fn is_found(&self) -> bool {
        self.found_for.is_some()
    }

    /// The password is the user's own from now on.
    pub fn typed_password(&mut self) {
        self.found_for = None;
        self.path_password = None;
    }

    /// A password that was found for one camera is not sent to another.
    fn forget_another_ones(&mut self) {
        if self.found_for.as_ref().is_some_and(|login| *login != self.login()) {
            self.password.clear();
            self.path_password = None;
            self.found_for = None;
        }
    }

    fn login(&self) -> String {
        format!("{}@{}:{}", self.user, self.host, self.port)
    }

    /// The source that the fields name, with its password.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn spec(&self) -> Result<SourceSpec, Wrong> {
        match &self.reading {
            WholeField::Other(spec) => Ok(spec.clone()),
            WholeField::Wrong(why) => Err(Wrong { whole: why.clone(), ..Wrong::default() }),
            WholeField::Parts => self.address().map(SourceSpec::Url),
        }
    }

    /// # Errors
    /// What is wrong, by field.
    pub fn address(&self) -> Result<Address, Wrong> {
        let mut wrong = Wrong::default();
        let scheme = self.scheme();
        let host = host(scheme, &self.host).unwrap_or_else(|why| {
            wrong.host = why;
            String::new()
        });
        let port = port(&self.port).unwrap_or_else(|why| {
            wrong.port = why;
            None
        });
        let path = path(&self.path).unwrap_or_else(|why| {
            wrong.path = why;
            String::new()
        });
        if wrong != Wrong::default() || host.is_empty() {
            return Err(wrong);
        }
        let port = port.filter(|port| *port != scheme.default_port());
        let user = self.user.trim().to_owned();
        let bare = Address { scheme, host, port, path, user, password: None };
        let in_path = match &self.path_password {
            Some(password) => password.reveal(),
            None => &self.password,
        };
        let has_place_in_path = bare.user.is_empty() && bare.lacks_password();
        let filled = if in_path.is_empty() { bare } else { bare.with_path_password(in_path) };
        let password = (!self.password.is_empty() && !has_place_in_path).then(|| Password::new(self.password.clone()));
        Ok(Address { password, ..filled })
    }

    /// The whole as it is shown while it may still be wrong.
    fn without_password(&self) -> String {
        if let Ok(address) = self.address() {
            return address.without_password();
        }
        let user = if self.user.is_empty() { String::new() } else { format!("{}@", self.user) };
        let port = if self.port.is_empty() { String::new() } else { format!(":{}", self.port) };
        format!("{}://{user}{}{port}{}", self.scheme().name(), self.host, self.path)
    }
}

fn without_password(address: &Address) -> Address {
    // What it writes it reads.
    Address::parse(&address.without_password()).unwrap_or_else(|_| Address { path: String::new(), ..address.clone() })
}

/// The address of a network camera in a text; a number on the network is one too, as people read it off the camera.
#[must_use]
pub fn address_in(text: &str) -> Option<Address> {
    if text.contains("://") {
        return Address::parse(text).ok();
    }
    let address = Address::parse(&format!("rtsp://{}", text.trim())).ok()?;
    address.host.parse::<Ipv4Addr>().is_ok().then_some(address)
}

fn host(scheme: Scheme, text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.contains(['@', '/', '?', '#']) {
        return Err("The name or number alone: all else has fields of its own.".to_owned());
    }
    if text.matches(':').count() == 1 || text.contains("]:") {
        return Err("The port has a field of its own.".to_owned());
    }
    let bracketed =
        if text.matches(':').count() > 1 && !text.starts_with('[') { format!("[{text}]") } else { text.to_owned() };
    let address = Address::parse(&format!("{}://{bracketed}/", scheme.name())).map_err(|_| {
        if text.contains(['[', ']']) || text.matches(':').count() > 1 {
            "An IPv6 number looks like fe80::1.".to_owned()
        } else {
            "A name has letters, digits, dots and dashes.".to_owned()
        }
    })?;
    Ok(address.host)
}

fn port(text: &str) -> Result<Option<u16>, String> {
    match text.trim() {
        "" => Ok(None),
        text => match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err("Ports are numbers from 1 to 65535.".to_owned()),
        },
    }
}

fn path(text: &str) -> Result<String, String> {
    let text = text.trim();
    let slash = if text.is_empty() || text.starts_with('/') { "" } else { "/" };
    let address = Address::parse(&format!("rtsp://camera{slash}{text}")).map_err(|why| text::sentence(&why))?;
    Ok(address.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts as `scheme|user|password|host|port|path`.
    fn parts(draft: &Draft) -> String {
        let scheme = draft.scheme().name();
        [scheme, &draft.user, &draft.password, &draft.host, &draft.port, &draft.path].join("|")
    }

    fn typed(text: &str) -> Draft {
        let mut draft = Draft::default();
        for c in text.chars() {
            draft.whole.push(c);
            draft.read_whole();
        }
        draft
    }

    /// Pastes and types a text: the parts, the whole that is shown, the address that is opened.
    #[track_caller]
    fn check(text: &str, expected: &str, whole: &str, opened: &str) {
        let mut pasted = Draft::default();
        assert!(pasted.paste(text), "{text}");
        let mut as_typed = typed(text);
        as_typed.settle();
        for draft in [pasted, as_typed] {
            assert_eq!(parts(&draft), expected, "{text}");
            assert_eq!(draft.whole, whole, "{text}");
            assert_eq!(draft.address().unwrap().with_login(), opened, "{text}");
        }
    }

    #[test]
    fn the_parts_follow_the_whole() {
        check("rtsp://cam/1", "rtsp|||cam||/1", "rtsp://cam/1", "rtsp://cam/1");
        check("https://cam:8443", "https|||cam|8443|", "https://cam:8443", "https://cam:8443");
        check(
            "rtsp://admin:p@ss@cam:554/a b",
            "rtsp|admin|p@ss|cam||/a%20b",
            "rtsp://admin@cam/a%20b",
            "rtsp://admin:p%40ss@cam/a%20b",
        );
        check("http://cam/v?pwd=x9", "http||x9|cam||/v?pwd=", "http://cam/v?pwd=", "http://cam/v?pwd=x9");
        check("192.168.1.64/1", "rtsp|||192.168.1.64||/1", "rtsp://192.168.1.64/1", "rtsp://192.168.1.64/1");
        check("rtsp://[fe80::1]/1", "rtsp|||fe80::1||/1", "rtsp://[fe80::1]/1", "rtsp://[fe80::1]/1");
    }

    #[test]
    fn a_password_in_two_places_stays_in_both() {
        let mut draft = Draft::default();
        draft.paste("http://a:one@cam/v?pwd=two");
        assert_eq!(draft.whole, "http://a@cam/v?pwd=");
        assert_eq!(draft.address().unwrap().with_login(), "http://a:one@cam/v?pwd=two");
    }

    #[test]
    fn the_whole_follows_the_parts() {
        let mut draft = Draft {
            host: "fe80::1".to_owned(),
            port: "8554".to_owned(),
            path: "live stream".to_owned(),
            user: "ad min".to_owned(),
            password: "p/w".to_owned(),
            ..Draft::default()
        };
        draft.read_parts();
        assert_eq!(draft.whole, "rtsp://ad%20min@[fe80::1]:8554/live%20stream");
        assert_eq!(draft.address().unwrap().with_login(), "rtsp://ad%20min:p%2Fw@[fe80::1]:8554/live%20stream");
    }

    #[test]
    fn a_password_is_hidden_while_it_is_typed() {
        #[track_caller]
        fn check(whole: &str, hidden: &str) {
            assert_eq!(whole.get(Draft::secret_range(whole)), Some(hidden), "{whole}");
        }
        check("", "");
        check("rtsp://cam/1", "");
        check("rtsp://cam:554/1", "");
        check("rtsp://[fe80::1]:554/1", "");
        check("rtsp://admin:", "");
        check("rtsp://admin:ge", "ge");
        check("rtsp://admin:p@s@cam/1", "p@s");
        check("rtsp://admin:p:ä@cam:554/1", "p:ä");
        check("admin:geheim@192.168.1.64", "geheim");
        check("sim:stall@5s", "");
    }

    #[test]
    fn other_sources_are_taken_as_they_are() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let draft = typed(text);
            assert!(!draft.has_parts(), "{text}");
            assert_eq!(draft.spec().unwrap().to_string(), expected);
        }
        check("/dev/video0", "/dev/video0");
        check("0", "0");
        check("sim:", "sim:");
        check("film.mp4", "film.mp4");
    }

    /// Host, port and path; what is said about them, as `whole|host|port|path`.
    #[track_caller]
    fn check_wrong(host: &str, port: &str, path: &str, expected: &str) {
        let mut draft =
            Draft { host: host.to_owned(), port: port.to_owned(), path: path.to_owned(), ..Draft::default() };
        draft.read_parts();
        let wrong = draft.spec().unwrap_err();
        let said = [wrong.whole, wrong.host, wrong.port, wrong.path].map(|why| if why.is_empty() { "-" } else { "x" });
        assert_eq!(said.join("|"), expected, "{host} {port} {path}");
    }

    #[test]
    fn what_is_wrong_is_told_beside_its_field() {
        check_wrong("", "", "", "-|-|-|-");
        check_wrong("my cam", "", "", "-|x|-|-");
        check_wrong("cam:554", "", "", "-|x|-|-");
        check_wrong("admin@cam", "", "", "-|x|-|-");
        check_wrong("cam/1", "", "", "-|x|-|-");
        check_wrong("[fe80::", "", "", "-|x|-|-");
        check_wrong("cam", "0", "", "-|-|x|-");
        check_wrong("cam", "65536", "", "-|-|x|-");
        check_wrong("my cam", "port", "/\u{7}", "-|x|x|x");
        let draft = typed("rtsp://admin:geheim");
        let wrong = draft.spec().unwrap_err();
        assert!(!wrong.whole.is_empty() && !wrong.whole.contains("geheim"), "{wrong:?}");
    }

    #[test]
    fn a_found_password_is_not_for_another_camera() {
        #[track_caller]
        fn check(change: fn(&mut Draft), stays: bool) {
            let found = Address::parse("rtsp://admin:geheim@cam/1").unwrap();
            let mut draft = typed("rtsp://admin@cam/1");
            draft.take_found(&found);
            assert_eq!(draft.password, "geheim");
            change(&mut draft);
            assert_eq!(!draft.password.is_empty(), stays);
        }
        check(Draft::read_parts, true);
        check(
            |draft| {
                draft.path = "/2".to_owned();
                draft.read_parts();
            },
            true,
        );
        check(
            |draft| {
                draft.host = "other".to_owned();
                draft.read_parts();
            },
            false,
        );
        check(
            |draft| {
                draft.user = "root".to_owned();
                draft.read_parts();
            },
            false,
        );
        check(
            |draft| {
                draft.whole = "rtsp://admin@other/1".to_owned();
                draft.read_whole();
            },
            false,
        );
        check(|draft| assert!(draft.paste("rtsp://admin@other/1")), false);
    }
}
