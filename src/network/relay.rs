//! A video over HTTP is fetched for its player: lists of addresses (HLS, DASH), segments and keys. FFmpeg by itself would follow a
//! list or a redirect to any host, also with one that a live list names minutes later, and would have to be told the login.
//!
//! The player knows one address, on this computer. Whatever a list names is written anew as an address of the relay, so that each
//! request comes here and is asked of the camera by the rules of [`super::http`]: its own host alone, and the login for its own
//! origin alone.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::http::HttpAnswer;
use super::{ConnectionFinding, ConnectionParameters, token};
use crate::address::Address;
use crate::fault::{Fault, FaultKind};
use crate::lock::Lock;

/// Sound and picture of HLS are fetched beside each other, and the list of each.
const MAX_REQUESTS: usize = 8;
/// A player on this computer says at once what it wants.
const REQUEST_DEADLINE: Duration = Duration::from_secs(1);
const MAX_REQUEST_BYTES: usize = 16 << 10;
/// No list is longer with all its addresses written anew.
const MAX_REWRITTEN_BYTES: usize = 4 << 20;
/// How long a camera may be silent within an answer. The player gives up sooner, and closes its connection.
const SILENCE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the player may leave what came unread: one that is paused by a busy computer, not by a user.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// To wake the thread that waits for the player, so that it ends.
const WAKE_DEADLINE: Duration = Duration::from_millis(100);

/// A port on this computer behind which the camera's video is. Dropping it ends its threads: `relay`, and one named
/// `relay-request` for each request.
pub struct Relay {
    url: String,
    port: SocketAddr,
    shared: Arc<RelayState>,
    /// Dropped with it: what waits for the camera ends.
    _wanted: Sender<()>,
}

struct RelayState {
    /// Its `cancel` is the relay's own.
    parameters: ConnectionParameters,
    /// Where the camera has its video, after redirects.
    address: Address,
    /// `http://127.0.0.1:PORT/TOKEN/`
    base: String,
    token: String,
    is_over: AtomicBool,
    n_requests: AtomicUsize,
    /// Why the camera's last answer was none.
    fault: Lock<Option<Fault>>,
}

impl Relay {
    /// # Errors
    /// There is no port or no thread left.
    pub fn start(parameters: &ConnectionParameters, address: &Address) -> Result<Self, Fault> {
        Self::open(parameters, address).map_err(|error| {
            Fault::new(FaultKind::NoResources, format!("no port on this computer can be opened: {error}"))
        })
    }

    fn open(parameters: &ConnectionParameters, address: &Address) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?;
        let token = token()?;
        let base = format!("http://{port}/{token}/");
        let (wanted, cancel) = bounded(0);
        let shared = Arc::new(RelayState {
            parameters: ConnectionParameters { cancel, ..parameters.clone() },
            address: address.clone(),
            base,
            token,
            is_over: AtomicBool::new(false),
            n_requests: AtomicUsize::new(0),
            fault: Lock::new(None),
        });
        let url = shared.own_url(address);
        let serving = Arc::clone(&shared);
        thread::Builder::new().name("relay".to_owned()).spawn(move || serve(&listener, &serving))?;
        Ok(Self { url, port, shared, _wanted: wanted })
    }

    /// For the player. No login is in it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the camera said last in place of what the player had asked for.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.shared.fault.lock().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&self.port, WAKE_DEADLINE);
    }
}

fn serve(listener: &TcpListener, shared: &Arc<RelayState>) {
    for player in listener.incoming() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(player) = player else {
            // No handle is left, most likely: not a loop without rest.
            thread::sleep(WAKE_DEADLINE);
            continue;
        };
        // One that is too many is closed at once.
        if shared.n_requests.fetch_add(1, Ordering::Relaxed) < MAX_REQUESTS {
            let of_request = Arc::clone(shared);
            let request = move || {
                // The player has gone, or was refused.
                let _ = of_request.answer(player);
                of_request.n_requests.fetch_sub(1, Ordering::Relaxed);
            };
            if thread::Builder::new().name("relay-request".to_owned()).spawn(request).is_ok() {
                continue;
            }
        }
        shared.n_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RelayState {
    /// The address here of one of the camera's.
    fn own_url(&self, address: &Address) -> String {
        format!("{}{}/{}{}", self.base, address.scheme.name(), address.authority(), address.path)
    }

    /// The address here of what a list names that is at `at`. What is no address of a server is one that is refused.
    fn url_here(&self, at: &Address, reference: &str) -> String {
        match at.resolve(reference) {
            Ok(address) if !address.scheme.is_rtsp() => self.own_url(&address),
            _ => {
                let message = format!("the camera's list names what cannot be fetched from it: {reference}");
                self.note(ConnectionFinding::new("F95", FaultKind::NoStream, at.mask_in(&message)));
                self.base.clone()
            }
        }
    }

    /// The camera's address of one here.
    fn camera_url(&self, path: &str) -> Option<String> {
        let (scheme, rest) = path.strip_prefix('/')?.strip_prefix(&self.token)?.strip_prefix('/')?.split_once('/')?;
        Some(format!("{scheme}://{rest}"))
    }

    fn answer(&self, mut player: TcpStream) -> io::Result<()> {
        player.set_nodelay(true)?;
        player.set_write_timeout(Some(WRITE_DEADLINE))?;
        let head = request_head(&mut player)?;
        let Some((wanted, range)) = wanted(&head).and_then(|(path, range)| Some((self.camera_url(path)?, range)))
        else {
            return refuse(&mut player);
        };
        let deadline = Instant::now() + self.parameters.step_deadline;
        match HttpAnswer::of(&self.parameters, &self.address, &wanted, range, deadline) {
            Ok(answer) => self.pass_on(answer, &mut player, deadline),
            Err(finding) => self.fail(finding, &mut player),
        }
    }

    fn pass_on(&self, mut answer: HttpAnswer, player: &mut TcpStream, deadline: Instant) -> io::Result<()> {
        let mut some = Vec::new();
        let mut has_more = true;
        // Enough to see what it is.
        while has_more && some.len() < ListKind::N_MARK_BYTES {
            match answer.read(&mut some, deadline) {
                Ok(more) => has_more = more,
                Err(finding) => return self.fail(finding, player),
            }
        }
        let head = answer.head_lines();
        if let Some(kind) = ListKind::of(&some) {
            let text = match answer.whole(some, deadline) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                Err(finding) => return self.fail(finding, player),
            };
            let at = answer.address();
            let Some(list) = kind.rewritten_within(&text, MAX_REWRITTEN_BYTES, |url| self.url_here(at, url)) else {
                let message = "the camera's list names more addresses than any should";
                return self.fail(ConnectionFinding::new("F95", FaultKind::NoStream, message), player);
            };
            let length = format!("Content-Length: {}\r\nConnection: close\r\n\r\n", list.len());
            return player.write_all((head + &length + &list).as_bytes());
        }
        player.write_all((head + &answer.body_lines() + "Connection: close\r\n\r\n").as_bytes())?;
        loop {
            player.write_all(&some)?;
            if !has_more {
                return Ok(());
            }
            some.clear();
            match answer.read(&mut some, Instant::now() + SILENCE_DEADLINE) {
                Ok(more) => has_more = more,
                Err(finding) => {
                    self.note(finding);
                    return Ok(());
                }
            }
        }
    }

    fn fail(&self, finding: ConnectionFinding, player: &mut TcpStream) -> io::Result<()> {
        self.note(finding);
        player.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    }

    fn note(&self, finding: ConnectionFinding) {
        *self.fault.lock() = Some(finding.fault);
    }
}

fn refuse(player: &mut TcpStream) -> io::Result<()> {
    player.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn request_head(player: &mut TcpStream) -> io::Result<String> {
    let deadline = Instant::now() + REQUEST_DEADLINE;
    let (mut head, mut some) = (Vec::new(), [0; 4_096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > MAX_REQUEST_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        player.set_read_timeout(Some(left))?;
        let n = player.read(&mut some)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(some.get(..n).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The path, and which part of it (RFC 9110, section 14.2).
fn wanted(head: &str) -> Option<(&str, Option<&str>)> {
    let mut lines = head.lines();
    let path = lines.next()?.strip_prefix("GET ")?.split(' ').next()?;
    let range = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("range").then_some(value.trim())
    });
    Some((path, range))
}

/// A list of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKind {
    /// HLS (RFC 8216).
    Playlist,
    /// DASH (ISO/IEC 23009-1) and other XML.
    Xml,
}

impl ListKind {
    const N_MARK_BYTES: usize = 7;

    fn of(begin: &[u8]) -> Option<Self> {
        let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin).trim_ascii_start();
        if begin.starts_with(b"#EXTM3U") {
            Some(Self::Playlist)
        } else {
            (begin.starts_with(b"<?xml") || begin.starts_with(b"<MPD")).then_some(Self::Xml)
        }
    }

    /// The same as [`Self::rewritten`]; `None` where the other addresses together have more bytes than that.
    fn rewritten_within(self, list: &str, max_bytes: usize, other: impl Fn(&str) -> String) -> Option<String> {
        let n_bytes = Cell::new(0);
        let text = self.rewritten(list, |reference| {
            if n_bytes.get() > max_bytes {
                return String::new();
            }
            let other = other(reference);
            n_bytes.set(n_bytes.get() + other.len());
            other
        });
        (n_bytes.get() <= max_bytes).then_some(text)
    }

    /// The list with `other` of all that it names.
    fn rewritten(self, list: &str, other: impl Fn(&str) -> String) -> String {
        match self {
            Self::Playlist => list.lines().map(|line| rewritten_line(line.trim(), &other) + "\n").collect(),
            Self::Xml => {
                let mut text = String::new();
                let mut rest = list;
                // Byte for byte as long as the list.
                let lower = list.to_ascii_lowercase();
                while let Some(at) = first_url(lower.get(list.len() - rest.len()..).unwrap_or_default()) {
                    let (before, url) = rest.split_at(at);
                    let end = url
                        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'))
                        .unwrap_or(url.len());
                    let (url, behind) = url.split_at(end);
                    text += before;
                    text += &other(&url.replace("&amp;", "&")).replace('&', "&amp;");
                    rest = behind;
                }
                text + rest
            }
        }
    }
}

/// Of a text in small letters. Looks at nothing behind it.
fn first_url(lower: &str) -> Option<usize> {
    const BEGIN: &str = "http";
    lower.match_indices(BEGIN).map(|(at, _)| at).find(|at| {
        let behind = lower.get(at + BEGIN.len()..).unwrap_or_default();
        behind.starts_with("://") || behind.starts_with("s://")
    })
}

/// A line that is none of the list's own is an address; in those that are, `URI="…"` is one (RFC 8216, section 4).
fn rewritten_line(line: &str, other: &impl Fn(&str) -> String) -> String {
    const URI: &str = "URI=\"";
    if line.is_empty() {
        return String::new();
    }
    if !line.starts_with('#') {
        return other(line);
    }
    let mut parts = line.split(URI);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (reference, behind) = part.split_once('"').unwrap_or((part, ""));
        text += URI;
        text += &other(reference);
        text.push('"');
        text += behind;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_list_names_is_fetched_here() {
        #[track_caller]
        fn check(list: &str, expected: &str) {
            let kind = ListKind::of(list.as_bytes()).unwrap();
            assert_eq!(kind.rewritten(list, |reference| format!("HERE({reference})")), expected);
        }
        check("#EXTM3U\r\n#EXTINF:4,\r\n a.ts\r\n\r\n", "#EXTM3U\n#EXTINF:4,\nHERE(a.ts)\n\n");
        check("#EXTM3U\n#EXT-X-KEY:URI=\"k\",IV=1", "#EXTM3U\n#EXT-X-KEY:URI=\"HERE(k)\",IV=1\n");
        check("#EXTM3U\n#X:URI=\"a\",URI=\"b\"", "#EXTM3U\n#X:URI=\"HERE(a)\",URI=\"HERE(b)\"\n");
        check("#EXTM3U\n#X:URI=\"data:,b\"\n", "#EXTM3U\n#X:URI=\"HERE(data:,b)\"\n");
        check(
            "#EXTM3U\r\n#EXT-X-MEDIA:URI=\"a.m3u8\",X=\"b\"\n\n  http://other/1.ts \n",
            "#EXTM3U\n#EXT-X-MEDIA:URI=\"HERE(a.m3u8)\",X=\"b\"\n\nHERE(http://other/1.ts)\n",
        );
        check("#EXTM3U\n# words\n2.ts?URI=\"x\n", "#EXTM3U\n# words\nHERE(2.ts?URI=\"x)\n");
        check("#EXTM3U\n#X:URI=\"open", "#EXTM3U\n#X:URI=\"HERE(open)\"\n");
        check(
            "#EXTM3U\n#EXTINF:2, URI=x\nhttp://other/1?a&b\n",
            "#EXTM3U\n#EXTINF:2, URI=x\nHERE(http://other/1?a&b)\n",
        );
        check(
            "<?xml?><MPD><BaseURL>HTTP://cam/a?b&amp;c</BaseURL><S media='x.m4s'/></MPD>",
            "<?xml?><MPD><BaseURL>HERE(HTTP://cam/a?b&amp;c)</BaseURL><S media='x.m4s'/></MPD>",
        );
        check("<MPD x=\"https://s\" y='http://t'/>", "<MPD x=\"HERE(https://s)\" y='HERE(http://t)'/>");
        check(
            "<MPD ä='httphttp://s' b='http:' c='HTTPS://ü'",
            "<MPD ä='httpHERE(http://s)' b='http:' c='HERE(HTTPS://ü)'",
        );
    }

    #[test]
    fn a_list_does_not_become_much_longer_than_it_was() {
        #[track_caller]
        fn check(begin: &str, unit: &str, n_units: usize, is_good: bool) {
            let list = begin.to_owned() + &unit.repeat(n_units);
            let rewritten = ListKind::of(list.as_bytes()).unwrap().rewritten_within(&list, 1_000, |_| "x".repeat(100));
            assert_eq!(rewritten.is_some(), is_good, "{n_units} of {unit}");
        }
        for (begin, unit) in [("#EXTM3U\n", "a\n"), ("#EXTM3U\n#X:", "URI=\"a\""), ("<MPD>", "http://a ")] {
            check(begin, unit, 10, true);
            check(begin, unit, 11, false);
            check(begin, unit, 30_000, false);
        }
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        for begin in [&b""[..], b"G@\x11", b"\0\0\0\x20ftypisom", b"#EXTINF", b"FLV\x01"] {
            assert_eq!(ListKind::of(begin), None, "{begin:?}");
        }
        assert_eq!(ListKind::of("\u{feff}#EXTM3U".as_bytes()), Some(ListKind::Playlist));
    }

    #[test]
    fn the_path_and_its_part_are_read() {
        #[track_caller]
        fn check(head: &str, expected: Option<(&str, Option<&str>)>) {
            assert_eq!(wanted(head), expected);
        }
        check("GET /t/a HTTP/1.1\r\nHost: x\r\nrange:  bytes=0-\r\n\r\n", Some(("/t/a", Some("bytes=0-"))));
        check("GET /t/a HTTP/1.1\r\n\r\n", Some(("/t/a", None)));
        check("POST /t/a HTTP/1.1\r\n\r\n", None);
        check("", None);
    }
}
