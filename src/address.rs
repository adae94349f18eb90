//! Addresses of network cameras: reading what people paste, and never showing a password.
//!
//! What cameras' manuals and people write is seldom a URL as RFC 3986 wants it: passwords hold `@`, `#` and `/`, paths hold
//! spaces. [`Address::parse`] finds out what is meant, and [`Address::with_login`] writes it as the RFC has it.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::frame::Size;

/// What may not stand in a path or query as it is. `%` may: what is escaped already stays so. Nothing behind a # is ever sent;
/// cameras' paths that have one mean it. A quotation mark at the end would be taken for that of somebody who quotes the address.
const ODD: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'\'')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// What ends a password that is part of a path or query.
const VALUE_ENDS: [char; 3] = ['&', ';', '/'];
const ODD_IN_VALUE: &AsciiSet = &ODD.add(b'&').add(b';').add(b'/');
/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Names under which makers put a password into the path or the query.
const PASSWORD_KEYS: [&str; 4] = ["password=", "passwd=", "pwd=", "pass="];
/// Holds the password where there is no keyring, as in cron and monitoring systems. Other users see a program's command line,
/// and not its environment.
pub const PASSWORD_VARIABLE: &str = "CAMCLINIC_PASSWORD";
const MASK: &str = "***";
/// No camera's address is longer, and no path or script: what is said of it fits into a message to a capture process.
pub const MAX_SOURCE_BYTES: usize = 4_096;

/// How a camera is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Rtsp,
    Rtsps,
    Http,
    Https,
}

impl Scheme {
    pub const ALL: [Self; 4] = [Self::Rtsp, Self::Rtsps, Self::Http, Self::Https];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// As registered with IANA.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Rtsp => 554,
            Self::Rtsps => 322,
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    #[must_use]
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Rtsps | Self::Https)
    }

    #[must_use]
    pub fn is_rtsp(self) -> bool {
        matches!(self, Self::Rtsp | Self::Rtsps)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }
}

/// A password. Neither `Debug` nor `Display` tells it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for the camera and the keyring, never for a text that somebody reads.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The address of a network camera, taken apart. User and password are as people know them, without escapes.
///
/// `Display` and `Debug` mask the password, also one in the path; [`Self::without_password`] leaves it out;
/// [`Self::with_login`] alone tells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub scheme: Scheme,
    /// A name or a number; of IPv6 without brackets.
    pub host: String,
    /// `None` is the scheme's own, and stands for it always.
    pub port: Option<u16>,
    /// Path and query, escaped; empty or with a slash in front.
    pub path: String,
    pub user: String,
    /// `None` where the address has none; an empty one is a password too.
    pub password: Option<Password>,
}

impl Address {
    /// Reads what a person types or pastes.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what can be written instead. It never holds a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\''));
        if text.len() > MAX_SOURCE_BYTES {
            return Err(too_long());
        }
        let schemes = || Scheme::ALL.map(Scheme::name).join("://, ");
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("an address begins with {}://", schemes()));
        };
        let Some(scheme) = Scheme::from_name(scheme.trim()) else {
            // It may be a whole login, of an address that was pasted twice.
            let is_word = scheme.len() <= 20 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let what = if is_word { format!("{scheme}://") } else { "this".to_owned() };
            return Err(format!("{what} cannot be opened: an address begins with {}://", schemes()));
        };
        if text.chars().any(char::is_control) {
            return Err("the address has a line break or another control character in it: paste one line".into());
        }
        let (login, rest) = split_login(rest);
        let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(host_end);
        let (host, port) = host_and_port(authority, scheme)?;
        let port = port.filter(|port| *port != scheme.default_port());
        let (user, password) = match login {
            None => (String::new(), None),
            Some(login) => match login.split_once(':') {
                None => (decoded(login), None),
                Some((user, password)) => (decoded(user), Some(Password(decoded(password)))),
            },
        };
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{}", escaped_path(path));
        Self { scheme, host, port, path, user, password }.bounded()
    }

    /// With its escapes it must not be too long either: it is read again as it is written.
    fn bounded(self) -> Result<Self, String> {
        if self.with_login().len() > MAX_SOURCE_BYTES { Err(too_long()) } else { Ok(self) }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// Host and port, as they stand in an address; without a port where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.bracketed_host();
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// What requests name: no login, and the path with all that stands in it.
    #[must_use]
    pub fn request_url(&self) -> String {
        format!("{}://{}{}", self.scheme.name(), self.authority(), self.path)
    }

    /// The whole address, with its password: for the capture process alone.
    #[must_use]
    pub fn with_login(&self) -> String {
        let password = self.password.as_ref().map(|password| escaped(&password.0));
        self.written(password.as_deref(), &self.path)
    }

    /// As [`Self::parse`] reads it again.
    fn written(&self, password: Option<&str>, path: &str) -> String {
        let place = format!("{}{path}", self.authority());
        let login = match password {
            Some(password) => format!("{}:{password}@", escaped(&self.user)),
            None if !self.user.is_empty() => format!("{}@", escaped(&self.user)),
            // An @ in the path would make a login of what stands before it.
            None if split_login(&place).0.is_some() => "@".to_owned(),
            None => String::new(),
        };
        format!("{}://{login}{place}", self.scheme.name())
    }

    /// Where a server that this is the address of sends on to: an address, or a path on the same server. Without a login, but
    /// for one in the location itself.
    ///
    /// # Errors
    /// It is no address, or too long for one.
    pub fn resolve(&self, location: &str) -> Result<Self, String> {
        let location = location.trim();
        let is_scheme = |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if location.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            // The scheme is the same (RFC 3986, section 4.2).
            return Self::parse(&format!("{}:{location}", self.scheme.name()));
        }
        let folder =
            self.path.split('?').next().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let path = if location.starts_with('/') { location.to_owned() } else { format!("{folder}/{location}") };
        let path = escaped_path(&path);
        Self { path, user: String::new(), password: None, ..self.clone() }.bounded()
    }

    /// The size of picture that the query asks for, as many cameras have it: `resolution=1280x720`, or width and height by themselves.
    #[must_use]
    pub fn named_size(&self) -> Option<Size> {
        let (_, query) = self.path.split_once('?')?;
        let value = |names: &[&str]| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(name, _)| names.iter().any(|known| name.eq_ignore_ascii_case(known)))
                .map(|(_, value)| value)
                .next()
        };
        let number = |names: &[&str]| value(names)?.parse::<u32>().ok();
        let both = value(&["resolution", "size", "imagesize", "videosize"]).and_then(|value| {
            let (width, height) = value.split_once(['x', 'X', '*'])?;
            Some((width.parse().ok()?, height.parse().ok()?))
        });
        let (width, height) = both.or_else(|| number(&["width", "w"]).zip(number(&["height", "h"])))?;
        Size::new(width, height)
    }

    /// As it may be saved: with the user, without any password.
    #[must_use]
    pub fn without_password(&self) -> String {
        self.written(None, &masked_path(&self.path, ""))
    }

    /// The password that stands in the path or query, as it stands there.
    #[must_use]
    pub fn path_password(&self) -> Option<&str> {
        password_places(&self.path).into_iter().map(|place| place.value).find(|value| !value.is_empty())
    }

    /// The same address with its empty places for a password in the path or query filled. Only what would end the place is
    /// escaped: some cameras compare such a password as it stands.
    #[must_use]
    pub fn with_path_password(&self, password: &str) -> Self {
        let password = utf8_percent_encode(password, ODD_IN_VALUE).to_string();
        let path = with_values(&self.path, |value| if value.is_empty() { &password } else { value });
        Self { path, ..self.clone() }
    }

    /// Whether there is a place for a password and none in it: a user without one, or an empty one in the path or query.
    #[must_use]
    pub fn lacks_password(&self) -> bool {
        let is_empty_in_path = password_places(&self.path).iter().any(|place| place.value.is_empty());
        !self.user.is_empty() && self.password.is_none() || is_empty_in_path
    }

    /// The secrets in it, as they might turn up in texts of libraries and cameras; the longest first, as one may be a part of
    /// another.
    pub fn secrets(&self) -> impl Iterator<Item = String> {
        let of_login = self.password.iter().filter(|password| !password.is_empty()).flat_map(|password| {
            // Basic has both in one word (RFC 7617).
            let basic = STANDARD_NO_PAD.encode(format!("{}:{}", self.user, password.0));
            [escaped(&password.0), password.0.clone(), basic]
        });
        let of_path =
            password_places(&self.path).into_iter().flat_map(|place| [place.value.to_owned(), decoded(place.value)]);
        let mut secrets: Vec<_> = of_login.chain(of_path).filter(|secret| !secret.is_empty()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        secrets.into_iter()
    }

    /// A text that may come from a library or a camera, with this address's secrets masked, in capital letters or small
    /// ones and however they are escaped.
    #[must_use]
    pub fn mask_in(&self, text: &str) -> String {
        let text = text.replace(&self.with_login(), &self.to_string());
        let of_secret = |secret: String| unescaped(&secret).into_iter().map(|(letter, _)| letter).collect::<Vec<_>>();
        let secrets: Vec<_> = self.secrets().map(of_secret).collect();
        let letters = unescaped(&text);
        let mut masked = Vec::with_capacity(text.len());
        let (mut start, mut masked_until) = (0, 0);
        for (at, (_, end)) in letters.iter().enumerate() {
            let here = letters.get(at..).unwrap_or_default();
            let begins_here = |secret: &&Vec<u8>| {
                here.len() >= secret.len() && here.iter().zip(*secret).all(|((letter, _), wanted)| letter == wanted)
            };
            let longest = secrets.iter().filter(begins_here).map(Vec::len).max();
            // One may begin within another.
            if at >= masked_until {
                let shown = text.as_bytes().get(start..*end).unwrap_or_default();
                masked.extend_from_slice(if longest.is_some() { MASK.as_bytes() } else { shown });
            }
            masked_until = masked_until.max(at + longest.unwrap_or_default());
            start = *end;
        }
        String::from_utf8_lossy(&masked).into_owned()
    }
}

impl fmt::Display for Address {
    /// Never shows a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(self.password.as_ref().map(|_| MASK), &masked_path(&self.path, MASK)))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

fn too_long() -> String {
    format!("the address is longer than {MAX_SOURCE_BYTES} bytes, which no camera's is")
}

/// The login and what follows its `@`. A password may hold any character, the `@` among them: the last `@` counts behind
/// which a host stands, unless what stands before the first slash is a whole host by itself.
fn split_login(rest: &str) -> (Option<&str>, &str) {
    // A # ends a host too, but none stands right behind one: it is the password's.
    let head = rest.get(..rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or(rest);
    let is_whole_host = !head.contains('@') && {
        let name = head.split(':').next().unwrap_or_default();
        // An address in the query is whole itself: its @ is not that of a login in front.
        let has_inner = || rest.contains("://") && is_host(head);
        head.starts_with('[') || name.contains('.') || name == "localhost" || !head.contains(':') || has_inner()
    };
    if is_whole_host {
        return (None, rest);
    }
    // An @ in the path stands behind the host; one in a password stands before it.
    let at = match head.rfind('@') {
        Some(at) if is_host(head.get(at + 1..).unwrap_or_default()) => Some(at),
        _ => rest.rmatch_indices('@').map(|(at, _)| at).find(|at| {
            let behind = rest.get(at + 1..).unwrap_or_default();
            is_host(behind.split(['/', '?', '#']).next().unwrap_or_default())
        }),
    };
    match at {
        Some(at) => (rest.get(..at), rest.get(at + 1..).unwrap_or_default()),
        None => (None, rest),
    }
}

fn is_host(authority: &str) -> bool {
    host_and_port(authority, Scheme::Rtsp).is_ok()
}

fn host_and_port(authority: &str, scheme: Scheme) -> Result<(String, Option<u16>), String> {
    let authority = authority.trim();
    let scheme = scheme.name();
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let Some((host, behind)) = inner.split_once(']') else {
            return Err("the number of the camera begins with [ and has no ]: write it as in [fe80::1]".into());
        };
        // Behind a % stands the name of a network card (RFC 6874).
        let (number, card) = host.split_once('%').unwrap_or((host, ""));
        if number.parse::<Ipv6Addr>().is_err() || !card.chars().all(|c| is_name(c) || c == '%') {
            return Err("what stands in [ ] is no IPv6 number: write it as in [fe80::1]".into());
        }
        (host, behind.strip_prefix(':').or((!behind.is_empty()).then_some(behind)))
    } else if authority.matches(':').count() > 1 && authority.parse::<Ipv6Addr>().is_ok() {
        (authority, None)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err(format!(
            "{scheme}:// needs the camera's name or number on the network, as in {scheme}://192.168.1.64/"
        ));
    }
    if !host.contains(':') && !host.chars().all(is_name) {
        return Err("the camera's name has a character that no name on a network has. If it belongs to the password, put an @ behind the password".into());
    }
    let port = match port {
        None | Some("") => None,
        Some(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            // What is none may be the password of a login whose host is missing, digits too.
            _ => return Err(format!("behind {host}: a port is expected, a number from 1 to 65535")),
        },
    };
    Ok((host.to_owned(), port))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Escapes are undone where they are some; a lone % is one.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

fn escaped_path(path: &str) -> String {
    utf8_percent_encode(path, ODD).to_string()
}

fn masked_path(path: &str, mask: &str) -> String {
    with_values(path, |value| if value.is_empty() { "" } else { mask })
}

/// The path with another value in each place for a password.
fn with_values<'a>(path: &'a str, mut value: impl FnMut(&'a str) -> &'a str) -> String {
    let mut text = String::new();
    let mut rest = path;
    for place in password_places(path) {
        text.push_str(place.before);
        text.push_str(value(place.value));
        rest = place.behind;
    }
    text + rest
}

/// Where a password stands in a path or query, or would stand.
struct PasswordPlace<'a> {
    /// From the end of the place before it.
    before: &'a str,
    /// Empty where it is missing.
    value: &'a str,
    behind: &'a str,
}

/// In their order, and never one in another: what looks like a key in a value is a part of that. A key counts with escapes too,
/// as whoever is sent it undoes them.
fn password_places(path: &str) -> Vec<PasswordPlace<'_>> {
    let letters = unescaped(path);
    let mut places = Vec::new();
    let (mut taken, mut is_in_word) = (0, false);
    for (at, (letter, end)) in letters.iter().enumerate() {
        let here = || letters.get(at..).unwrap_or_default().iter().map(|(letter, _)| *letter);
        let key =
            PASSWORD_KEYS.iter().find(|key| *end > taken && !is_in_word && here().take(key.len()).eq(key.bytes()));
        is_in_word = letter.is_ascii_alphanumeric();
        let behind_key = key.and_then(|key| letters.get(at + key.len() - 1));
        let (start, n_value) = if let Some((_, start)) = behind_key {
            let rest = path.get(*start..).unwrap_or_default();
            (*start, rest.find(VALUE_ENDS).unwrap_or(rest.len()))
        } else if *end > taken
            && here().take(3).eq(*b"://")
            && let Some(range) = inner_password(&letters, at + 3)
        {
            (range.start, range.len())
        } else {
            continue;
        };
        let (before, rest) = (path.get(taken..start).unwrap_or_default(), path.get(start..).unwrap_or_default());
        let (value, behind) = rest.split_at_checked(n_value).unwrap_or((rest, ""));
        places.push(PasswordPlace { before, value, behind });
        taken = start + value.len();
    }
    places
}

/// Where the password stands of an address in the query, as servers that pass on other cameras have it; its host begins at `from`.
fn inner_password(letters: &[(u8, usize)], from: usize) -> Option<Range<usize>> {
    let rest = letters.get(from..)?;
    let until = |ends: &[u8]| rest.iter().position(|(letter, _)| ends.contains(letter)).unwrap_or(rest.len());
    let find = |end: usize, wanted: u8| rest.iter().take(end).position(|(letter, _)| *letter == wanted);
    let at_in = |end: usize| rest.iter().take(end).rposition(|(letter, _)| *letter == b'@');
    let authority = until(b"/?#&;");
    let colon = find(authority, b':')?;
    // A password may hold a slash; what stands behind a colon and is no port is one.
    let is_port = || rest.iter().take(authority).skip(colon + 1).all(|(letter, _)| letter.is_ascii_digit());
    let at = at_in(authority).or_else(|| if is_port() { None } else { at_in(until(b"&;")) })?;
    let end_before = |nth: usize| letters.get((from + nth).checked_sub(1)?).map(|(_, end)| *end);
    if colon < at { Some(end_before(colon + 1)?..end_before(at)?) } else { None }
}

/// The bytes of a text in small letters with their escapes undone, each with where it ends in the text.
fn unescaped(text: &str) -> Vec<(u8, usize)> {
    let mut letters = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().enumerate();
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    while let Some((at, byte)) = bytes.next() {
        let behind = |n: usize| text.as_bytes().get(at + n);
        let hex = if byte == b'%' { digit(behind(1)).zip(digit(behind(2))) } else { None };
        let (letter, n_bytes) = match hex {
            Some((high, low)) => (u8::try_from(high << 4 | low).unwrap_or_default(), 3),
            None => (byte, 1),
        };
        letters.push((letter.to_ascii_lowercase(), at + n_bytes));
        if n_bytes > 1 {
            bytes.nth(n_bytes - 2);
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_may_stand_in_the_query() {
        #[track_caller]
        fn check(query: &str, expected: Option<(u32, u32)>) {
            let address = Address::parse(&format!("http://cam/video{query}")).unwrap();
            assert_eq!(address.named_size().map(|size| (size.width, size.height)), expected, "{query}");
        }
        check("?resolution=1280x720&fps=15", Some((1280, 720)));
        check("?fps=5&Size=640X480", Some((640, 480)));
        check("?width=800&height=600", Some((800, 600)));
        check("?w=320&h=240", Some((320, 240)));
        check("?resolution=32&rate=0", None);
        check("?resolution=0x0", None);
        check("?width=640", None);
        check("", None);
    }

    /// The parts as `user|password|host|port|path`.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = match Address::parse(text) {
            Ok(address) => {
                let password = address.password.as_ref().map_or("-", |password| password.reveal());
                let port = address.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
                let again = Address::parse(&address.with_login());
                assert_eq!(again.as_ref(), Ok(&address), "{text} as {}", address.with_login());
                format!("{}|{password}|{}|{port}|{}", address.user, address.host, address.path)
            }
            Err(error) => {
                assert!(!error.contains("geheim"), "{error}");
                "error".to_owned()
            }
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn what_people_paste_is_understood() {
        check("rtsp://cam/1", "|-|cam|-|/1");
        check("  RTSP://cam:8554/live \n", "|-|cam|8554|/live");
        check("\"rtsp://cam\"", "|-|cam|-|");
        check("rtsp://admin@cam/1", "admin|-|cam|-|/1");
        check("rtsp://admin:@cam/1", "admin||cam|-|/1");
        check(
            "rtsp://admin:geheim@192.168.1.64:554/Streaming/Channels/101",
            "admin|geheim|192.168.1.64|-|/Streaming/Channels/101",
        );
        check("rtsp://admin:p@ss@cam/1", "admin|p@ss|cam|-|/1");
        check("rtsp://admin:p#1@cam/1", "admin|p#1|cam|-|/1");
        check("rtsp://admin:p@s#1@cam/1", "admin|p@s#1|cam|-|/1");
        check("rtsp://admin:p/s?s@cam/1", "admin|p/s?s|cam|-|/1");
        check("rtsp://admin:p:w@cam/1", "admin|p:w|cam|-|/1");
        check("rtsp://admin:p%40ss@cam/1", "admin|p@ss|cam|-|/1");
        check("rtsp://admin:100%@cam/1", "admin|100%|cam|-|/1");
        check("rtsp://admin:pass word@cam/a b", "admin|pass word|cam|-|/a%20b");
        check("rtsp://ädmin:pä@cam/1", "ädmin|pä|cam|-|/1");
        check("rtsp://cam.local/user@place/1", "|-|cam.local|-|/user@place/1");
        check("rtsp://cam/user@place/1", "|-|cam|-|/user@place/1");
        check(
            "rtsp://192.168.1.9:554/user=admin&password=x&channel=1@2",
            "|-|192.168.1.9|-|/user=admin&password=x&channel=1@2",
        );
        check("rtsp://cam?x=1", "|-|cam|-|/?x=1");
        check("rtsp://cam/a%20b?x=1&y=2", "|-|cam|-|/a%20b?x=1&y=2");
        check("rtsp://[fe80::1]:8554/1", "|-|fe80::1|8554|/1");
        check("rtsp://u:p@[::1]/1", "u|p|::1|-|/1");
        check("http://cam:81/video.mjpg#x", "|-|cam|81|/video.mjpg%23x");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_a_password() {
        for text in [
            "",
            "cam",
            "ftp://cam/1",
            "rtsp://",
            "rtsp:///1",
            "rtsp://:554/1",
            "rtsp://cam:0/1",
            "rtsp://cam:65536/1",
            "rtsp://cam:port/1",
            "rtsp://[fe80::1/1",
            "rtsp://[cam]/1",
            "rtsp://my cam/1",
            "rtsp://admin:geheim/1",
            "rtsp://admin:geheim@",
            "rtsp://admin:geheim@:554/1",
            "rtsp://cam/1\nrtsp://cam/2",
        ] {
            check(text, "error");
        }
    }

    #[test]
    fn an_address_has_a_length_that_one_can_have() {
        #[track_caller]
        fn check(make: impl Fn(&str) -> String, unit: &str, n_units: usize, is_good: bool) {
            let text = make(&unit.repeat(n_units));
            let got = Address::parse(&text);
            assert_eq!(got.is_ok(), is_good, "{n_units} of {unit}");
            match got {
                Ok(address) => assert_eq!(Address::parse(&address.with_login()), Ok(address)),
                Err(error) => assert!(error.contains("4096") && error.len() < 100, "{error}"),
            }
        }
        check(|path| format!("http://cam/{path}"), "a", 4_000, true);
        check(|path| format!("http://cam/{path}"), "a", 66_000, false);
        check(|host| format!("rtsp://{host}/1"), "a", 5_000, false);
        check(|password| format!("rtsp://admin:{password}@cam/1"), "p", 5_000, false);
        // Escaped, each has three bytes.
        check(|path| format!("http://cam/{path}"), "#", 1_300, true);
        check(|path| format!("http://cam/{path}"), "#", 1_400, false);
        check(|password| format!("rtsp://admin:{password}@cam/1"), "!", 1_400, false);
        let cam = Address::parse("http://cam/").unwrap();
        assert!(cam.resolve(&"a".repeat(5_000)).is_err());
        assert!(cam.resolve(&"a".repeat(4_000)).is_ok());
    }

    #[track_caller]
    fn check_shown(text: &str, shown: &str, saved: &str) {
        let address = Address::parse(text).unwrap();
        assert_eq!((address.to_string().as_str(), address.without_password().as_str()), (shown, saved));
        assert!(!format!("{address:?}").contains("geheim"), "{address:?}");
    }

    #[test]
    fn a_password_is_never_shown() {
        check_shown("rtsp://admin:geheim@cam:554/1", "rtsp://admin:***@cam/1", "rtsp://admin@cam/1");
        check_shown("rtsp://:geheim@cam/1", "rtsp://:***@cam/1", "rtsp://cam/1");
        check_shown("rtsp://cam:8554/1", "rtsp://cam:8554/1", "rtsp://cam:8554/1");
        check_shown(
            "rtsp://cam/user=admin&password=x9&channel=1",
            "rtsp://cam/user=admin&password=***&channel=1",
            "rtsp://cam/user=admin&password=&channel=1",
        );
        check_shown("http://cam/v?pwd=geheim", "http://cam/v?pwd=***", "http://cam/v?pwd=");
        // Addresses in addresses.
        let inner = |login: &str| format!("http://nvr:1984/api?src=rtsp://{login}cam:554/a@b&x=1");
        check_shown(&inner("u:geheim@"), &inner("u:***@"), &inner("u:@"));
        check_shown(&inner("u:ge@heim@"), &inner("u:***@"), &inner("u:@"));
        check_shown(&inner("u:ge%40heim@"), &inner("u:***@"), &inner("u:@"));
        check_shown(
            "http://nvr/?a=rtsp://u:geheim/x@cam/1",
            "http://nvr/?a=rtsp://u:***@cam/1",
            "http://nvr/?a=rtsp://u:@cam/1",
        );
        check_shown(&inner(":geheim@"), &inner(":***@"), &inner(":@"));
        check_shown(&inner("u@"), &inner("u@"), &inner("u@"));
        check_shown(&inner(""), &inner(""), &inner(""));
        let escaped = |password: &str| format!("http://nvr/?src=rtsp%3A%2F%2Fu%3A{password}%40cam%2F1&pwd={password}");
        check_shown(&escaped("geheim"), &escaped("***"), &escaped(""));
        let two = |password: &str| format!("http://nvr/?a=http://u:{password}@x/&b=rtsp://v:{password}@y");
        check_shown(&two("geheim"), &two("***"), &two(""));
    }

    #[test]
    fn an_address_knows_whether_it_lacks_a_password() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(Address::parse(text).unwrap().lacks_password(), expected, "{text}");
        }
        check("rtsp://cam/1", false);
        check("rtsp://admin@cam/1", true);
        check("rtsp://admin:@cam/1", false);
        check("rtsp://admin:x@cam/1", false);
        check("http://cam/v?user=a&pwd=", true);
        check("http://cam/v?pwd=&user=a", true);
        check("http://cam/v?pwd=x", false);
        check("rtsp://cam/user=a&password=&channel=1", true);
        check("rtsp://cam/bypass=", false);
    }

    #[test]
    fn a_password_in_the_path_is_taken_out_and_put_back() {
        #[track_caller]
        fn check(text: &str, password: Option<&str>) {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.path_password(), password, "{text}");
            let without = Address::parse(&address.without_password()).unwrap();
            let again = without.with_path_password(password.unwrap_or("unused"));
            assert_eq!(again.path, address.path, "{text}");
        }
        check("rtsp://cam/1", None);
        check("http://cam/v?user=a&pwd=x9", Some("x9"));
        check("http://cam/v?pwd=p@ss%20x&user=a", Some("p@ss%20x"));
        check("rtsp://cam/user=admin&password=x!9&channel=1/2", Some("x!9"));
        check("rtsp://cam/bypass=1", None);
        let odd = Address::parse("http://cam/v?pwd=&a=1").unwrap().with_path_password("a&b#c/d e");
        assert_eq!(odd.path, "/v?pwd=a%26b%23c%2Fd%20e&a=1");
        assert_eq!(odd.without_password(), "http://cam/v?pwd=&a=1");
    }

    #[test]
    fn a_key_in_the_value_of_another_is_a_part_of_it() {
        check_shown(
            "http://h/?a=password=x&password=y",
            "http://h/?a=password=***&password=***",
            "http://h/?a=password=&password=",
        );
        check_shown("rtsp://h/?user=password=1", "rtsp://h/?user=password=***", "rtsp://h/?user=password=");
        check_shown("rtsp://h/pwd=pass=1&pwd=pwd=", "rtsp://h/pwd=***&pwd=***", "rtsp://h/pwd=&pwd=");
        check_shown("rtsp://h/?PassWord%3dgeheim%26pwd%3D1", "rtsp://h/?PassWord%3d***", "rtsp://h/?PassWord%3d");
        check_shown("rtsp://h/?p%61ss=geheim;ä=1", "rtsp://h/?p%61ss=***;%C3%A4=1", "rtsp://h/?p%61ss=;%C3%A4=1");
        check_shown("rtsp://h/äpwd=geheim", "rtsp://h/%C3%A4pwd=***", "rtsp://h/%C3%A4pwd=");
        check_shown("rtsp://:@h:81/a@b", "rtsp://:***@h:81/a@b", "rtsp://@h:81/a@b");
        check_shown("rtsp://h/a' '", "rtsp://h/a", "rtsp://h/a");
    }

    #[test]
    fn a_location_is_an_address_or_a_path_on_the_same_server() {
        #[track_caller]
        fn check(base: &str, location: &str, expected: &str) {
            let resolved = Address::parse(base).unwrap().resolve(location);
            assert_eq!(
                resolved.map_or_else(|_| "error".to_owned(), |address| address.with_login()),
                expected,
                "{location}"
            );
        }
        check("http://u:p@h/a/b?c/d", "e", "http://h/a/e");
        check("http://u:p@h/a/b", "/e?next=http://other/", "http://h/e?next=http://other/");
        check("http://h", "e", "http://h/e");
        check("http://h:81/", "/a@b", "http://@h:81/a@b");
        check("http://h/", "https://x:1/y", "https://x:1/y");
        check("http://h/", "/a\r\nX: y", "http://h/a%0D%0AX:%20y");
        check("http://h/", "http://", "error");
    }

    #[test]
    fn secrets_are_masked_in_the_words_of_others() {
        #[track_caller]
        fn check(address: &str, text: &str, expected: &str) {
            let address = Address::parse(address).unwrap();
            let text = text.replace("ADDRESS", &address.with_login());
            assert_eq!(address.mask_in(&text), expected, "{text}");
        }
        let odd = "rtsp://admin:p@s s@cam/v?pwd=x9";
        check(odd, "cannot open ADDRESS: wrong", "cannot open rtsp://admin:***@cam/v?pwd=***: wrong");
        check(odd, "p@s s, p%40s%20s and x9 are wrong", "***, *** and *** are wrong");
        check(odd, "P@S S, %70@s%20S, X9 and p%40s%2", "***, ***, *** and p%40s%2");
        // As Basic has it.
        check(odd, "sent YWRtaW46cEBzIHM= twice", "sent ***= twice");
        check("rtsp://a:ä%@cam", "käse ä% Ä% %c3%A4%25 ä", "käse *** Ä% *** ä");
        check("rtsp://a:%c3@cam", "ä%C3", "***\u{fffd}***");
        check("rtsp://a:@cam", "nothing YTo", "nothing YTo");
        check("rtsp://a:abc@cam/?pwd=cde", "abcde abccde", "*** ******");
        check("rtsp://cam/1", "", "");
    }
}
