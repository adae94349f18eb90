//! Secrets, names and addresses that are known by their form. What stands in their place is up to `masking.rs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::masking::{MaskedKind, Masker, SECRET};
use crate::address::Address;

/// Something at the beginning of a text.
pub(super) struct Match {
    /// How much of the text it is.
    pub n_bytes: usize,
    pub instead: String,
}

/// Names of what is kept secret.
const SECRET_KEYS: [&str; 20] = [
    "password",
    "passwort",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "pass",
    "hasło",
    "haslo",
    "token",
    "access_token",
    "secret",
    "api_key",
    "api-key",
    "apikey",
    "auth",
    "session_id",
    "sessionid",
    "private_key",
    "credentials",
];
/// Of these the whole line is secret.
const SECRET_LINES: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate"];
/// Words before a login in an HTTP header.
const LOGIN_WORDS: [&str; 2] = ["bearer ", "basic "];
/// The shortest word in a path that counts as a token, which no person has chosen.
const MIN_TOKEN: usize = 16;
/// No user's folder has a longer name.
const MAX_USER: usize = 64;

pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_KEYS.contains(&key.as_str()) || SECRET_LINES.contains(&key.as_str())
}

/// What begins at the beginning of `rest`. `is_start`: no word goes on there.
pub(super) fn find(masker: &mut Masker, rest: &str, is_start: bool) -> Option<Match> {
    if rest.starts_with('?') {
        return query(masker, rest);
    }
    if !is_start {
        return None;
    }
    secret(masker, rest)
        .or_else(|| url(masker, rest))
        .or_else(|| home(masker, rest))
        .or_else(|| share(masker, rest))
        .or_else(|| serial(masker, rest))
        .or_else(|| number(masker, rest))
}

/// How many bytes of `rest` are `lower` in large or small letters.
pub(super) fn starts_with_lower(rest: &str, lower: &str) -> Option<usize> {
    let mut wanted = lower.chars();
    let mut expected = wanted.next();
    for (at, c) in rest.char_indices() {
        if expected.is_none() {
            return Some(at);
        }
        for c in c.to_lowercase() {
            if expected != Some(c) {
                return None;
            }
            expected = wanted.next();
        }
    }
    expected.is_none().then_some(rest.len())
}

/// `?user=x&pwd=y`, in whatever stands before it.
fn query(masker: &mut Masker, rest: &str) -> Option<Match> {
    let run = run(rest.get(1..)?);
    let key = run.split_once('=')?.0;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.[]%".contains(c));
    is_key.then(|| Match { n_bytes: 1 + run.len(), instead: format!("?{}", masker.secret()) })
}

/// `password=x`, `token: x`, `Authorization: Digest …`, `Bearer x`.
fn secret(masker: &mut Masker, rest: &str) -> Option<Match> {
    let mut hidden = |n_shown: usize, n_hidden: usize| {
        let shown = rest.get(..n_shown)?;
        (n_hidden > 0).then(|| Match { n_bytes: n_shown + n_hidden, instead: format!("{shown}{}", masker.secret()) })
    };
    for key in SECRET_LINES {
        if let Some(n_bytes) = starts_with_lower(rest, key)
            && rest.get(n_bytes..)?.trim_start_matches(['"', '\'', ' ']).starts_with([':', '='])
        {
            let line_end = rest.find(['\r', '\n']).unwrap_or(rest.len());
            return hidden(n_bytes + 1, line_end.saturating_sub(n_bytes + 1));
        }
    }
    for word in LOGIN_WORDS {
        if let Some(n_bytes) = starts_with_lower(rest, word) {
            let login = run(rest.get(n_bytes..)?);
            let is_prose = login.chars().skip(1).all(|c| c.is_lowercase() || c.is_ascii_punctuation());
            return if login.len() >= 8 && !is_prose { hidden(n_bytes, login.len()) } else { None };
        }
    }
    let n_key = SECRET_KEYS.iter().filter_map(|key| starts_with_lower(rest, key)).max()?;
    let behind = rest.get(n_key..)?;
    let sign = behind.trim_start_matches(['"', '\'', ' ']);
    if !sign.starts_with(['=', ':']) {
        return None;
    }
    let value = sign.get(1..)?.trim_start_matches([' ', '\t']);
    let (value, ends): (&str, &[char]) = match value.chars().next()? {
        '"' => (value.get(1..)?, &['"', '\r', '\n']),
        '\'' => (value.get(1..)?, &['\'', '\r', '\n']),
        _ => (value, &[' ', '\t', '\r', '\n', '&', ';', '"', '\'']),
    };
    let n_value = value.find(ends).unwrap_or(value.len());
    if value.starts_with(SECRET) {
        return None;
    }
    hidden(rest.len() - value.len(), n_value)
}

/// Up to white space or a quotation mark.
fn run(text: &str) -> &str {
    let end = text.find(|c: char| c.is_whitespace() || c.is_control() || "\"'<>“”„«»‘’`".contains(c));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Of a camera or anything else: the login, the host and what follows a `?`.
fn url(masker: &mut Masker, rest: &str) -> Option<Match> {
    let scheme_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c))?;
    let scheme = rest.get(..scheme_end)?;
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !rest.get(scheme_end..)?.starts_with("://") {
        return None;
    }
    let run = run(rest).trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}']);
    let behind = run.get(scheme_end + 3..)?;
    if scheme.eq_ignore_ascii_case("file") {
        let instead = format!("{scheme}://{}", masker.text(behind));
        return Some(Match { n_bytes: run.len(), instead });
    }
    // How a login is told from a path is the same for every scheme.
    let Ok(address) = Address::parse(&format!("rtsp://{behind}")) else {
        return Some(Match { n_bytes: run.len(), instead: format!("{scheme}://{}", masker.secret()) });
    };
    let mut instead = format!("{scheme}://");
    if !address.user.is_empty() || address.password.is_some() {
        instead.push_str(&masker.name(MaskedKind::Users, &address.user));
        if address.password.is_some() {
            instead.push(':');
            instead.push_str(&masker.secret());
        }
        instead.push('@');
    }
    let is_number = address.host.parse::<IpAddr>().is_ok();
    instead.push_str(&if is_number { address_name(masker, &address.host) } else { host(masker, &address.host) });
    if let Some(port) = address.port {
        instead.push_str(&format!(":{port}"));
    }
    let (path, query) = match address.path.split_once(['?', '#']) {
        Some((path, _)) => (path, true),
        None => (address.path.as_str(), false),
    };
    for (n, part) in path.split('/').enumerate() {
        if n > 0 {
            instead.push('/');
        }
        instead.push_str(&if is_token(part) { masker.secret() } else { masker.text(part) });
    }
    if query {
        instead.push('?');
        instead.push_str(&masker.secret());
    }
    Some(Match { n_bytes: run.len(), instead })
}

fn host(masker: &mut Masker, name: &str) -> String {
    if name.eq_ignore_ascii_case("localhost") { name.to_owned() } else { masker.name(MaskedKind::Addresses, name) }
}

/// Small letters, large ones and digits in no order that a person would choose: `9f8e7d…`, and not `h264Preview_01_main`.
fn is_token(part: &str) -> bool {
    let class = |c: char| (c.is_ascii_lowercase(), c.is_ascii_uppercase(), c.is_ascii_digit());
    let is_other = |a: char, b: char| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() && class(a) != class(b);
    let n_changes = part.chars().zip(part.chars().skip(1)).filter(|(a, b)| is_other(*a, *b)).count();
    part.len() >= MIN_TOKEN
        && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_=%".contains(c))
        && 3 * n_changes >= part.len()
}

/// `/home/anna`, `/Users/anna`, `C:\Users\Anna Maier\…`: the user is known from then on.
fn home(masker: &mut Masker, rest: &str) -> Option<Match> {
    let is_drive = rest.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && rest.get(1..).is_some_and(|rest| rest.starts_with(":\\") || rest.starts_with(":/"));
    let behind_drive = if is_drive { rest.get(2..)? } else { rest };
    let folders: &[&str] = if is_drive { &["\\users\\", "/users/"] } else { &["/home/", "/users/"] };
    let n_folder = folders.iter().find_map(|folder| starts_with_lower(behind_drive, folder))?;
    let n_before = n_folder + rest.len() - behind_drive.len();
    let behind = rest.get(n_before..)?;
    let n_separated = behind.find(['/', '\\', '\n', '"', '<', '>', '|', ':', '*', '?']).unwrap_or(behind.len());
    let is_folder = behind.get(n_separated..)?.starts_with(['/', '\\']);
    // A name with spaces can only be told on Windows, and when something follows it.
    let n_user = if is_drive && is_folder && n_separated <= MAX_USER {
        n_separated
    } else {
        behind.find(|c: char| c.is_whitespace() || "/\\\"'<>|:*?,;)]}“”".contains(c)).unwrap_or(behind.len())
    };
    let user = behind.get(..n_user)?;
    let shown = masker.name(MaskedKind::Users, user);
    if n_user == 0 || user.len() > MAX_USER {
        return None;
    }
    let before = rest.get(..n_before)?;
    let instead = if masker.hides(MaskedKind::Home) {
        masker.name(MaskedKind::Home, &format!("{before}{user}"))
    } else {
        before.to_owned() + &shown
    };
    Some(Match { n_bytes: n_before + n_user, instead })
}

/// `\\server\share`: the server.
fn share(masker: &mut Masker, rest: &str) -> Option<Match> {
    let behind = rest.strip_prefix("\\\\")?;
    let server = behind.split('\\').next().filter(|server| server.len() < behind.len())?;
    let is_server =
        !server.is_empty() && server.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) && server != ".";
    is_server.then(|| Match { n_bytes: 2 + server.len(), instead: format!("\\\\{}", host(masker, server)) })
}

/// In the words of the kernel, in identities, in the names of nodes, in paths of Windows.
fn serial(masker: &mut Masker, rest: &str) -> Option<Match> {
    let word = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(text.len());
    if let Some(behind) = rest.strip_prefix("SerialNumber:") {
        let n_bytes = rest.len() - behind.trim_start().len();
        let value = rest.get(n_bytes..)?;
        let n_value = value.find(['\r', '\n']).unwrap_or(value.len());
        let value = value.get(..n_value)?.trim_end();
        let instead = format!("SerialNumber: {}", masker.name(MaskedKind::Serials, value));
        return (!value.is_empty()).then_some(Match { n_bytes: n_bytes + value.len(), instead });
    }
    if let Some(behind) = rest.strip_prefix("by-id/") {
        let name = behind.get(..word(behind))?;
        let stem = name.split("-video-index").next()?;
        let (before, serial) = stem.rsplit_once('_').filter(|(_, serial)| !serial.is_empty())?;
        let instead = format!("by-id/{before}_{}", masker.name(MaskedKind::Serials, serial));
        return Some(Match { n_bytes: "by-id/".len() + stem.len(), instead });
    }
    if let Some(n_before) = starts_with_lower(rest, "usb#vid_") {
        // usb#vid_046d&pid_082d&mi_00#SERIAL#{class}
        let n_ids = n_before + rest.get(n_before..)?.find('#')? + 1;
        let serial = rest.get(n_ids..)?.split('#').next()?;
        let instead = format!("{}{}", rest.get(..n_ids)?, masker.name(MaskedKind::Serials, serial));
        return (n_ids < 60 && serial.len() < 200).then_some(Match { n_bytes: n_ids + serial.len(), instead });
    }
    // usb-046d_082d_SERIAL, usb-046d_082d-port1-2
    let behind = rest.strip_prefix("usb-")?;
    let ids = behind.get(..10)?;
    let is_id = |id: &str| id.len() == 4 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (vendor, product) = ids.strip_suffix('_')?.split_once('_')?;
    if !is_id(vendor) || !is_id(product) {
        return None;
    }
    let serial = behind.get(10..)?;
    let serial = serial.get(..word(serial))?.trim_end_matches('.');
    let serial = serial.split("-if").next().unwrap_or(serial);
    let instead = format!("usb-{ids}{}", masker.name(MaskedKind::Serials, serial));
    (!serial.is_empty()).then_some(Match { n_bytes: 14 + serial.len(), instead })
}

/// Numbers on the network: IPv4, IPv6, MAC. Those of every computer, such as 127.0.0.1, say nothing.
fn number(masker: &mut Masker, rest: &str) -> Option<Match> {
    let whole = |len: usize| {
        let text = rest.get(..len)?.trim_end_matches(['.', ':']);
        let is_over = !rest.get(text.len()..)?.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        is_over.then_some(text)
    };
    let len = |admits: fn(char) -> bool| rest.find(|c: char| !admits(c)).unwrap_or(rest.len());
    let v4 = whole(len(|c| c.is_ascii_digit() || c == '.')).filter(|text| text.parse::<Ipv4Addr>().is_ok());
    let v6 = || {
        whole(len(|c| c.is_ascii_hexdigit() || c == ':' || c == '.')).filter(|text| text.parse::<Ipv6Addr>().is_ok())
    };
    let text = match v4.or_else(v6) {
        Some(text) => text,
        None => whole(17).filter(|text| is_mac(text))?,
    };
    Some(Match { n_bytes: text.len(), instead: address_name(masker, text) })
}

fn address_name(masker: &mut Masker, text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() || ip.is_unspecified() => text.to_owned(),
        // One number may be written in several ways.
        Ok(ip) => masker.name(MaskedKind::Addresses, &ip.to_string()),
        Err(_) => masker.name(MaskedKind::Addresses, text),
    }
}

fn is_mac(text: &str) -> bool {
    let is_of = |separator: char| {
        let parts: Vec<_> = text.split(separator).collect();
        parts.len() == 6
            && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    is_of(':') || is_of('-')
}
