//! Who may look: which names of this computer are answered, which pages may ask, the link's token and its end, and how often
//! somebody may ask. Pure: each decision is given the time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// A link works for so long.
pub const LINK_LIFE: Duration = Duration::from_hours(1);
/// Wrong tokens that one address may try in a minute.
const N_WRONG: f64 = 5.0;
/// Requests of one address: so many at once, and so many a second from then on.
const USUAL: Rate = Rate { at_once: 60.0, a_second: 10.0 };
/// Pictures asked for one by one: a script that takes a hundred in a row is served at once.
const PICTURES: Rate = Rate { at_once: 200.0, a_second: 20.0 };
/// Streams that are begun, of all addresses together.
const STREAMS: Rate = Rate { at_once: 70.0, a_second: 5.0 };
/// More are not remembered: the one that asked longest ago goes.
const MAX_ADDRESSES: usize = 1_024;

#[derive(Clone, Copy)]
struct Rate {
    at_once: f64,
    a_second: f64,
}

/// What is left of a rate.
#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    since: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.at_once, since: now }
    }

    fn refill(&mut self, rate: Rate, now: Instant) {
        let secs = now.saturating_duration_since(self.since).as_secs_f64();
        self.left = (self.left + secs * rate.a_second).min(rate.at_once);
        self.since = now;
    }

    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        self.refill(rate, now);
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }
}

/// What is asked for, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    Usual,
    Picture,
    Stream,
}

/// Why somebody gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Under a name that is not ours.
    WrongHost,
    /// A page of somebody else asks.
    CrossSite,
    /// Without a token.
    NoToken,
    WrongToken,
    /// The link has ended.
    Ended,
    TooOften,
}

/// One request, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub peer: IpAddr,
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// Pages of this site may ask too.
    pub allow_origin: Option<&'a str>,
    /// As the browser says: `Sec-Fetch-Site`.
    pub site: Option<&'a str>,
    /// Somebody opens the page itself, which holds nothing secret.
    pub is_page: bool,
    /// A browser goes there, as opposed to a page that asks for something: `Sec-Fetch-Mode: navigate`.
    pub is_navigation: bool,
    /// The token that it shows.
    pub token: Option<&'a str>,
    pub asked: RequestKind,
}

/// A link that may be given away.
#[derive(Clone)]
pub struct Link {
    /// Only its digest is kept: how long a comparison takes tells nothing.
    digest: [u8; 32],
    ends_at: Instant,
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// What is known of one address.
struct Visitor {
    usual: Bucket,
    pictures: Bucket,
    wrong: Bucket,
    last: Instant,
}

/// The doorkeeper.
pub struct Access {
    /// `None`: whoever reaches this computer's own address may look.
    link: Option<Link>,
    /// Counts the links: whoever came by an earlier one has to go.
    generation: u64,
    /// Other computers can reach the address.
    is_public: bool,
    visitors: BTreeMap<IpAddr, Visitor>,
    streams: Bucket,
}

impl Access {
    #[must_use]
    pub fn new(is_public: bool, now: Instant) -> Self {
        Self { link: None, generation: 0, is_public, visitors: BTreeMap::new(), streams: Bucket::full(STREAMS, now) }
    }

    /// From now on only this link works.
    pub fn set_link(&mut self, token: &str, now: Instant) {
        self.link = Some(Link { digest: digest(token), ends_at: now + LINK_LIFE });
        self.generation += 1;
    }

    /// How long the link still works; `None` where none is needed.
    #[must_use]
    pub fn left(&self, now: Instant) -> Option<Duration> {
        self.link.as_ref().map(|link| link.ends_at.saturating_duration_since(now))
    }

    /// Under which link somebody is let in.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether somebody who was let in may go on looking.
    #[must_use]
    pub fn still_holds(&self, generation: u64, now: Instant) -> bool {
        generation == self.generation && self.link.as_ref().is_none_or(|link| now < link.ends_at)
    }

    /// # Errors
    /// Why there is no answer.
    pub fn ask(&mut self, question: &Question, now: Instant) -> Result<(), Denial> {
        if !is_host_ours(question.host, self.is_public) {
            return Err(Denial::WrongHost);
        }
        if is_foreign_page(question) {
            return Err(Denial::CrossSite);
        }
        let link = self.link.clone();
        let visitor = self.visitor(question.peer, now);
        if let Some(link) = link.filter(|_| !question.is_page) {
            let Some(token) = question.token else { return Err(Denial::NoToken) };
            visitor.wrong.refill(WRONG, now);
            // Whoever guesses is not told whether he was right meanwhile.
            if visitor.wrong.left < 1.0 {
                return Err(Denial::TooOften);
            }
            if digest(token) != link.digest {
                visitor.wrong.take(WRONG, now);
                return Err(Denial::WrongToken);
            }
            if now >= link.ends_at {
                return Err(Denial::Ended);
            }
        }
        let may = match question.asked {
            RequestKind::Usual => visitor.usual.take(USUAL, now),
            RequestKind::Picture => visitor.pictures.take(PICTURES, now),
            RequestKind::Stream => self.streams.take(STREAMS, now),
        };
        may.then_some(()).ok_or(Denial::TooOften)
    }

    fn visitor(&mut self, peer: IpAddr, now: Instant) -> &mut Visitor {
        if self.visitors.len() >= MAX_ADDRESSES && !self.visitors.contains_key(&peer) {
            let oldest = self.visitors.iter().min_by_key(|(_, visitor)| visitor.last).map(|(peer, _)| *peer);
            oldest.map(|peer| self.visitors.remove(&peer));
        }
        let visitor = self.visitors.entry(peer).or_insert_with(|| Visitor {
            usual: Bucket::full(USUAL, now),
            pictures: Bucket::full(PICTURES, now),
            wrong: Bucket::full(WRONG, now),
            last: now,
        });
        visitor.last = now;
        visitor
    }
}

const WRONG: Rate = Rate { at_once: N_WRONG, a_second: N_WRONG / 60.0 };

/// Whether a request means this computer. A web page can have its own name stand for this computer's address, and would read what
/// only this computer may (DNS rebinding): under a name there is no answer. Where everybody may come, names are good that no
/// page of the web has.
fn is_host_ours(host: Option<&str>, is_public: bool) -> bool {
    // Every browser names one (RFC 9112, section 3.2).
    let Some(host) = host else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let number = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_plain =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_of_network = is_plain(name) || name.to_ascii_lowercase().strip_suffix(".local").is_some_and(is_plain);
    number.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || is_public && is_of_network
}

/// Whether a page that is not ours is behind it. Programs send none of these heads.
fn is_foreign_page(question: &Question) -> bool {
    let own = |origin: &str| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some_and(|host| question.host.is_some_and(|own| own.eq_ignore_ascii_case(host)))
    };
    if question.allow_origin.is_some() && question.origin == question.allow_origin {
        return false;
    }
    if question.origin.is_some_and(|origin| !own(origin)) {
        return true;
    }
    let is_foreign = matches!(question.site, Some("cross-site" | "same-site"));
    // A link on another page may lead here.
    is_foreign && !(question.is_page && question.is_navigation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:8001";

    fn question<'a>() -> Question<'a> {
        Question {
            peer: IpAddr::from([127, 0, 0, 1]),
            host: Some(HERE),
            origin: None,
            allow_origin: None,
            site: None,
            is_page: false,
            is_navigation: false,
            token: None,
            asked: RequestKind::Usual,
        }
    }

    #[track_caller]
    fn check(is_public: bool, question: &Question, expected: Result<(), Denial>) {
        let now = Instant::now();
        assert_eq!(Access::new(is_public, now).ask(question, now), expected, "{question:?}");
    }

    #[test]
    fn names_that_are_not_ours_get_no_answer() {
        for (host, local, public) in [
            ("127.0.0.1", true, true),
            (HERE, true, true),
            ("[::1]", true, true),
            ("[::1]:8001", true, true),
            ("localhost", true, true),
            ("LocalHost:1", true, true),
            ("192.0.2.7:80", true, true),
            ("till-3:8001", false, true),
            ("till-3.local:8001", false, true),
            ("evil.example", false, false),
            ("evil.example:8001", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example", false, false),
            ("evil.example.local", false, false),
            ("", false, false),
            (":80", false, false),
            ("[x].", false, false),
        ] {
            for (is_public, is_ours) in [(false, local), (true, public)] {
                let expected = if is_ours { Ok(()) } else { Err(Denial::WrongHost) };
                check(is_public, &Question { host: Some(host), ..question() }, expected);
            }
        }
        check(false, &Question { host: None, ..question() }, Ok(()));
    }

    #[test]
    fn pages_of_others_get_no_answer() {
        let of = |origin, site| Question { origin, site, ..question() };
        check(false, &of(None, None), Ok(()));
        check(false, &of(Some("http://127.0.0.1:8001"), Some("same-origin")), Ok(()));
        check(false, &of(None, Some("none")), Ok(()));
        check(false, &of(Some("http://evil.example"), None), Err(Denial::CrossSite));
        check(false, &of(Some("http://127.0.0.1:9000"), None), Err(Denial::CrossSite));
        check(false, &of(Some("null"), None), Err(Denial::CrossSite));
        check(false, &of(None, Some("cross-site")), Err(Denial::CrossSite));
        check(false, &of(None, Some("same-site")), Err(Denial::CrossSite));
        let link = Question { is_page: true, is_navigation: true, ..of(None, Some("cross-site")) };
        check(false, &link, Ok(()));
        check(false, &Question { is_navigation: false, ..link }, Err(Denial::CrossSite));
        check(false, &Question { is_page: false, ..link }, Err(Denial::CrossSite));
    }

    #[test]
    fn a_link_lets_in_until_it_ends_or_another_one_is_made() {
        let now = Instant::now();
        let mut access = Access::new(true, now);
        access.set_link("right", now);
        let with = |token| Question { token, ..question() };
        assert_eq!(access.ask(&with(None), now), Err(Denial::NoToken));
        assert_eq!(access.ask(&Question { is_page: true, ..with(None) }, now), Ok(()));
        assert_eq!(access.ask(&with(Some("right")), now), Ok(()));
        assert_eq!(access.ask(&with(Some("wrong")), now), Err(Denial::WrongToken));
        let generation = access.generation();
        assert!(access.still_holds(generation, now));
        let end = now + LINK_LIFE;
        assert_eq!(access.ask(&with(Some("right")), end), Err(Denial::Ended));
        assert!(!access.still_holds(generation, end));
        access.set_link("other", now);
        assert_eq!(access.ask(&with(Some("right")), now), Err(Denial::WrongToken));
        assert_eq!(access.ask(&with(Some("other")), now), Ok(()));
        assert!(!access.still_holds(generation, now));
    }

    #[test]
    fn nobody_may_guess_or_ask_without_end() {
        let now = Instant::now();
        let mut access = Access::new(true, now);
        access.set_link("right", now);
        let with = |token, peer: [u8; 4]| Question { token, peer: peer.into(), ..question() };
        for _ in 0..5 {
            assert_eq!(access.ask(&with(Some("x"), [192, 0, 2, 1]), now), Err(Denial::WrongToken));
        }
        // Now the right one does not help either, but for others it does.
        assert_eq!(access.ask(&with(Some("right"), [192, 0, 2, 1]), now), Err(Denial::TooOften));
        assert_eq!(access.ask(&with(Some("right"), [192, 0, 2, 2]), now), Ok(()));
        assert_eq!(access.ask(&with(Some("right"), [192, 0, 2, 1]), now + Duration::from_secs(13)), Ok(()));
        // Pictures: the seed's hundred in a row, and ten at once behind them.
        let picture = Question { asked: RequestKind::Picture, ..with(Some("right"), [192, 0, 2, 3]) };
        assert!((0..110).all(|_| access.ask(&picture, now) == Ok(())));
        let n_more = (0..1_000).filter(|_| access.ask(&picture, now) == Ok(())).count();
        assert_eq!(n_more, 90);
        assert_eq!(access.ask(&picture, now + Duration::from_millis(60)), Ok(()));
        // Streams are counted for all together.
        let stream = |last| Question { asked: RequestKind::Stream, ..with(Some("right"), [192, 0, 3, last]) };
        let n_begun = (0..=255).filter(|last| access.ask(&stream(*last), now) == Ok(())).count();
        assert_eq!(n_begun, 70);
    }

    #[test]
    fn many_addresses_take_no_room_without_end() {
        let now = Instant::now();
        let mut access = Access::new(true, now);
        for n in 0..5_000_u32 {
            let asked = Question { peer: IpAddr::from(n.to_be_bytes()), ..question() };
            assert_eq!(access.ask(&asked, now + Duration::from_millis(n.into())), Ok(()));
        }
        assert_eq!(access.visitors.len(), MAX_ADDRESSES);
    }
}
