//! JPEGs out of a stream of bytes, by their own structure (ITU-T T.81, annex B).
//!
//! Boundaries and lengths of multipart streams are wrong or missing at many cameras; where a picture begins and ends is not. Between its
//! segments some cameras leave bytes, and some never write an end marker: then a picture ends where the next one begins. Of all others
//! one without its end is cut.

use super::bytes::ByteQueue;
use crate::frame::Size;

/// Larger ones are skipped.
const MAX_BYTES: usize = 16 << 20;
/// More bytes between segments are no accident of a camera's: it is no picture.
const MAX_BETWEEN: usize = 1_024;
/// Tables, further scans, the number of lines, restart intervals, what programs say (ITU-T T.81, B.2.1).
const MAY_STAND_IN_DATA: [u8; 23] = [
    0xc4, 0xcc, 0xda, 0xdb, 0xdc, 0xdd, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec,
    0xed, 0xee, 0xef, 0xfe,
];
/// They are not longer there.
const MAX_IN_DATA: usize = 4_096;
/// How often each byte is looked at before what a damaged picture says of its own lengths is believed.
const MAX_LOOKS: u64 = 4;

/// Takes whole pictures out of what is pushed into it, and skips everything else.
#[derive(Debug, Default)]
pub struct JpegSplitter {
    bytes: ByteQueue,
    /// Up to where the picture has been read; 0 outside of one.
    at: usize,
    place: Place,
    n_skipped: usize,
    n_damaged: u64,
    /// No picture has come since the last of them.
    is_damage_counted: bool,
    /// The camera writes end markers.
    has_ends: bool,
    /// Bytes of this picture that belong to no segment.
    n_between: usize,
    work: Work,
    /// The work up to the last whole picture.
    work_before: Work,
}

/// What of the picture has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    InScan,
    BehindScan,
}

#[derive(Clone, Copy, Debug, Default)]
struct Work {
    n_pushed: u64,
    /// Bytes that were looked at.
    n_visited: u64,
}

/// Parts whose heads promise nothing: a camera that had no picture for them.
fn n_empty_parts(between: &[u8]) -> u64 {
    const LENGTH: &[u8] = b"content-length:";
    let is_empty = |at: usize| {
        let (name, value) = between.get(at..)?.split_at_checked(LENGTH.len())?;
        let line = value.split(|byte| *byte == b'\r').next().filter(|line| line.len() < value.len())?;
        Some(name.eq_ignore_ascii_case(LENGTH) && line.trim_ascii() == b"0")
    };
    let places = between.iter().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(&b'c'));
    places.map(|(at, _)| u64::from(is_empty(at) == Some(true))).sum()
}

impl JpegSplitter {
    pub fn push(&mut self, bytes: &[u8]) {
        self.work.n_pushed += bytes.len() as u64;
        self.bytes.push(bytes);
    }

    /// How many bytes were no part of a picture since the last one, those of the part's head among them.
    pub fn n_skipped(&self) -> usize {
        self.n_skipped
    }

    /// Pictures that were begun and were none.
    pub fn n_damaged(&self) -> u64 {
        self.n_damaged
    }

    fn has_scan(&self) -> bool {
        self.place != Place::Head
    }

    /// A picture has begun, and its data come.
    pub fn has_begun(&self) -> bool {
        self.at > 0 && self.has_scan()
    }

    /// For another answer of the same camera.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self { has_ends: self.has_ends, ..Self::default() }
    }

    /// What has come of a picture behind which nothing more comes, if that may be all of it.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let picture = (self.has_begun() && !self.has_ends).then(|| without_end(self.bytes.rest()));
        if self.has_begun() && self.has_ends {
            self.count_damage();
        }
        self.skip(self.bytes.len());
        picture
    }

    fn count_damage(&mut self) {
        self.n_damaged += u64::from(!self.is_damage_counted);
        self.is_damage_counted = true;
    }

    fn taken(&mut self, picture: Vec<u8>) -> Vec<u8> {
        self.bytes.skip(self.at);
        self.at = 0;
        self.n_skipped = 0;
        self.is_damage_counted = false;
        self.work_before = self.work;
        picture
    }

    /// The next whole picture. To be called until there is none before more is pushed.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.at == 0 {
                let start = self.bytes.rest().windows(3).position(|window| window == [0xff, 0xd8, 0xff]);
                let n = start.unwrap_or(self.bytes.len().saturating_sub(2));
                self.work.n_visited += n as u64;
                self.n_damaged += n_empty_parts(self.bytes.begin(n));
                self.bytes.skip(n);
                self.n_skipped += n;
                start?;
                self.at = 2;
                self.place = Place::Head;
                self.n_between = 0;
            }
            match self.walk() {
                Walked::Whole => {
                    self.has_ends = true;
                    let picture = self.bytes.begin(self.at).to_vec();
                    return Some(self.taken(picture));
                }
                Walked::Partial if self.bytes.len() > MAX_BYTES => self.skip(self.bytes.len()),
                Walked::Partial => return None,
                Walked::Unended if !self.has_ends => {
                    let picture = without_end(self.bytes.begin(self.at));
                    return Some(self.taken(picture));
                }
                // What says how long it is may itself be damaged: the next picture may begin in it.
                Walked::Damaged | Walked::Unended => {
                    self.count_damage();
                    self.skip(if !self.has_scan() && self.may_look_again() { 2 } else { self.at.max(2) });
                }
            }
        }
    }

    /// Bytes can be made so that each third one begins a picture that is damaged at the end of all: these are not walked again and
    /// again, but believed.
    fn may_look_again(&self) -> bool {
        let n_visited = self.work.n_visited - self.work_before.n_visited;
        n_visited <= MAX_LOOKS * (self.work.n_pushed - self.work_before.n_pushed)
    }

    fn skip(&mut self, n: usize) {
        let n = n.min(self.bytes.len());
        self.bytes.skip(n);
        self.n_skipped += n;
        self.at = 0;
    }

    /// Behind a marker, and what belongs to it, which is not looked at.
    fn go_on(&mut self, n: usize) {
        self.at += n;
        self.work.n_visited += 4;
    }

    fn walk(&mut self) -> Walked {
        loop {
            if self.place == Place::InScan {
                // Up to the next marker that is none of the scan's own: stuffed bytes and restarts.
                let rest = self.bytes.rest().get(self.at..).unwrap_or_default();
                let is_end = |pair: &[u8]| matches!(pair, [0xff, second] if !matches!(second, 0 | 0xd0..=0xd7 | 0xff));
                let found = rest.windows(2).position(is_end);
                let n = found.unwrap_or(rest.len().saturating_sub(1));
                self.work.n_visited += n as u64;
                self.at += n;
                if found.is_none() {
                    return Walked::Partial;
                }
                self.place = Place::BehindScan;
            }
            let (marker, length) = match self.bytes.rest().get(self.at..).unwrap_or_default() {
                [0xff, 0xff, ..] => {
                    self.go_on(1);
                    continue;
                }
                [0xff, 0xd9, ..] if !self.has_scan() => return Walked::Damaged,
                [0xff, 0xd9, ..] => {
                    self.at += 2;
                    return Walked::Whole;
                }
                // A picture begins in another: that one has no end.
                [0xff, 0xd8, ..] if self.has_scan() => return Walked::Unended,
                [0xff, 0xd8, ..] => return Walked::Damaged,
                [0xff, 0x01 | 0xd0..=0xd7, ..] => {
                    self.go_on(2);
                    continue;
                }
                // Within the data only a few can stand: others are bytes that were damaged.
                [0xff, marker, ..] if self.has_scan() && !MAY_STAND_IN_DATA.contains(marker) => {
                    self.go_on(2);
                    self.place = Place::InScan;
                    continue;
                }
                [0xff, marker, high, low, ..] => (*marker, usize::from(u16::from_be_bytes([*high, *low]))),
                [0xff] | [0xff, _] | [0xff, _, _] | [] => return Walked::Partial,
                // Bytes between segments, or a length that is not right: the next marker counts.
                rest @ [..] => {
                    let n = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len());
                    self.n_between += n;
                    if self.n_between > MAX_BETWEEN {
                        return Walked::Damaged;
                    }
                    self.work.n_visited += n as u64;
                    self.at += n;
                    continue;
                }
            };
            if length < 2 && !self.has_scan() {
                return Walked::Damaged;
            }
            // Those that can are followed by another, and the head of a scan has the length of what it names.
            if self.has_scan() {
                if length <= MAX_IN_DATA && self.bytes.len() <= self.at + 2 + length {
                    return Walked::Partial;
                }
                let behind = self.bytes.rest().get(self.at + 2 + length).copied();
                let n_parts = self.bytes.rest().get(self.at + 4).map_or(0, |n| usize::from(*n));
                let is_true = match marker {
                    0xda => length == 6 + 2 * n_parts,
                    _ => behind == Some(0xff) && (2..=MAX_IN_DATA).contains(&length),
                };
                if !is_true {
                    self.go_on(2);
                    self.place = Place::InScan;
                    continue;
                }
            }
            if self.bytes.len() < self.at + 2 + length {
                return Walked::Partial;
            }
            self.go_on(2 + length);
            if marker == 0xda {
                self.place = Place::InScan;
            }
        }
    }
}

enum Walked {
    Whole,
    /// Up to where the next one begins.
    Unended,
    Partial,
    Damaged,
}

/// A picture that has no end marker, with one, and without the boundary that stands before the next one.
fn without_end(bytes: &[u8]) -> Vec<u8> {
    let tail = bytes.len().saturating_sub(MAX_BOUNDARY);
    let is_boundary = |pair: &[u8]| matches!(pair, b"--");
    let text = bytes.get(tail..).unwrap_or_default();
    let starts = text.windows(2).enumerate().filter(|(_, pair)| is_boundary(pair)).map(|(at, _)| at);
    let is_text = |at: &usize| {
        text.get(*at..).is_some_and(|rest| rest.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~')))
    };
    let end = starts.into_iter().find(is_text).map_or(bytes.len(), |at| tail + at);
    let mut picture = bytes.get(..end).unwrap_or(bytes).to_vec();
    while picture.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n' | 0xff)) {
        picture.pop();
    }
    picture.extend([0xff, 0xd9]);
    picture
}

/// No boundary with its headers is longer.
const MAX_BOUNDARY: usize = 512;

/// The size that a JPEG says it has.
#[must_use]
pub fn size(jpeg: &[u8]) -> Option<Size> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    loop {
        match rest {
            [0xff, 0xff, ..] => rest = rest.get(1..)?,
            [0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, _, _, _, h1, h2, w1, w2, ..] => {
                let (width, height) = (u16::from_be_bytes([*w1, *w2]), u16::from_be_bytes([*h1, *h2]));
                return (width > 0 && height > 0).then_some(Size { width: width.into(), height: height.into() });
            }
            [0xff, 0xda | 0xd9, ..] => return None,
            [0xff, _, high, low, ..] => rest = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low])).max(2)..)?,
            [0xff, ..] | [] => return None,
            // Bytes between segments.
            [_, ..] => rest = rest.get(rest.iter().position(|byte| *byte == 0xff)?..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u8, scan: &[u8]) -> Vec<u8> {
        let head = [
            0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9, 0xff, 0xc0, 0, 11, 8, 0, 48, 0, width, 1, 1, 0x11, 0,
        ];
        [&head[..], &[0xff, 0xda, 0, 2], scan, &[0xff, 0xd9]].concat()
    }

    /// Pushed at once and byte by byte, the same pictures come out; as their widths.
    #[track_caller]
    fn check(parts: &[&[u8]], expected: &[u32]) {
        let bytes = parts.concat();
        for n in [bytes.len(), 1, 7] {
            let mut splitter = JpegSplitter::default();
            let mut widths = Vec::new();
            for chunk in bytes.chunks(n) {
                splitter.push(chunk);
                while let Some(picture) = splitter.next() {
                    widths.push(size(&picture).unwrap().width);
                }
            }
            assert_eq!(widths, expected, "in chunks of {n}");
        }
    }

    #[test]
    fn pictures_are_found_whatever_stands_between_them() {
        let (a, b) = (jpeg(64, b"data\xff\x00x\xff\xd3y"), jpeg(32, b"z\xff\xff"));
        check(&[&a], &[64]);
        check(&[&a, &b], &[64, 32]);
        check(&[b"--b\r\nContent-Length: 7\r\n\r\n", &a, b"\r\n--c\r\n\r\n", &b, b"\r\n--"], &[64, 32]);
        check(&[b"\xff\xff\xd8 junk\xff", &a], &[64]);
        // Without an end marker, which only the next picture tells.
        check(&[&a[..a.len() - 2], &b], &[64, 32]);
        check(&[&a[..a.len() - 2], b"\r\n--b\r\nContent-Length: 7\r\n\r\n", &b], &[64, 32]);
        // Where others have one it is cut.
        check(&[&b, &a[..a.len() - 2], &b], &[32, 32]);
        // Bytes between segments, and a segment that is longer or shorter than it says.
        check(&[&a[..10], b"junk", &a[10..23], b"junk", &a[23..], &b], &[64, 32]);
        check(&[&a[..10], &[0xff, 0xfe, 0, 4], b"comment", &a[10..], &b], &[64, 32]);
        check(&[&a[..20], &b, &a], &[32, 64]);
        // Bytes of the data that were damaged and seem to begin a segment.
        for marker in [
            &[0xff, 0xc4, 0, 40][..],
            &[0xff, 0xdb, 0xff, 0xff],
            &[0xff, 0xe1, 0, 9],
            &[0xff, 0xda, 0, 8, 7],
            &[0xff, 0xc0, 0, 3],
        ] {
            let damaged = jpeg(48, &[b"da", marker, b"ta, and more of it"].concat());
            check(&[&a, &damaged, &b, &a, &a], &[64, 48, 32, 64, 64]);
        }
        check(&[b"<html>"], &[]);
        check(&[&a[..a.len() - 1]], &[]);
    }

    #[test]
    fn parts_without_a_picture_are_counted() {
        #[track_caller]
        fn check(head: &str, expected: u64) {
            let mut splitter = JpegSplitter::default();
            splitter.push(&[head.as_bytes(), &jpeg(64, b"data"), head.as_bytes(), &jpeg(32, b"data")].concat());
            assert!(splitter.next().is_some() && splitter.next().is_some(), "{head}");
            assert_eq!(splitter.n_damaged(), expected, "{head}");
        }
        check("\r\n--b\r\nContent-Length: 12\r\n\r\n", 0);
        check("\r\n--b\r\nContent-Length: 0\r\n\r\n\r\n--b\r\nContent-Length: 12\r\n\r\n", 2);
        check("--b\r\ncontent-length:0\r\n\r\n--b\r\nContent-Length: 0 \r\n\r\n--b\r\n\r\n", 4);
        check("--b\r\nX-Content-Length: 10\r\nContent-Length: 0", 0);
    }

    #[test]
    fn a_picture_without_an_end_gets_one() {
        let whole = jpeg(64, b"data");
        let cut = &whole[..whole.len() - 2];
        for rest in [&b""[..], b"\r\n", b"\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n", b"\xff"] {
            assert_eq!(without_end(&[cut, rest].concat()), whole, "{}", rest.escape_ascii());
        }
        let mut splitter = JpegSplitter::default();
        splitter.push(cut);
        assert_eq!((splitter.next(), splitter.has_begun()), (None, true));
        assert_eq!((splitter.finish(), splitter.finish()), (Some(whole), None));
    }

    #[test]
    fn pictures_that_are_none_are_counted() {
        let (a, b) = (jpeg(64, b"data"), jpeg(32, b"data"));
        let mut splitter = JpegSplitter::default();
        splitter.push(&[&a[..10], &b, &a[..a.len() - 2], &b, &a[..10], &a].concat());
        let n = std::iter::from_fn(|| splitter.next()).count();
        assert_eq!((n, splitter.n_damaged()), (3, 3));
        let mut next = splitter.renewed();
        next.push(&a[..a.len() - 3]);
        assert_eq!((next.next(), next.finish(), next.n_damaged()), (None, None, 1));
    }

    #[test]
    fn random_bytes_do_no_harm() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2_000 {
            let mut bytes = jpeg(64, b"data");
            for _ in 0..random.usize(..8) {
                let at = random.usize(..bytes.len());
                bytes[at] = *random.choice(&[0xff, 0xd8, 0xd9, 0, 0xda, 0xc0]).unwrap();
            }
            let mut splitter = JpegSplitter::default();
            splitter.push(&bytes);
            while let Some(picture) = splitter.next() {
                let _ = size(&picture);
            }
        }
    }

    #[test]
    fn what_has_no_end_is_not_kept() {
        let mut splitter = JpegSplitter::default();
        splitter.push(&jpeg(64, b"")[..23]);
        splitter.push(&[0xff, 0xda, 0, 2]);
        for _ in 0..20 {
            splitter.push(&vec![1; 1 << 20]);
            assert_eq!(splitter.next(), None);
        }
        assert!(splitter.bytes.len() <= MAX_BYTES, "{}", splitter.bytes.len());
        assert!(splitter.n_skipped() > MAX_BYTES);
    }

    /// Whatever is sent, in whatever pieces, each byte is looked at a few times only.
    #[test]
    fn the_work_grows_with_the_bytes_and_no_faster() {
        let n = 1 << 20;
        let many = |part: &[u8]| part.repeat(n / part.len());
        let soi = [0xff, 0xd8, 0xff];
        // Each begins a picture, of which the markers go on to the end of all.
        let chain = many(&[0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xe1]);
        let shortest = [&soi[..], &many(&[0xe1, 0, 2, 0xff])].concat();
        let nested = many(&[0xff, 0xd8, 0xff, 0xe1, 0, 4]);
        let long = many(&[0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff]);
        let fill = [&soi[..], &many(&[0xff])].concat();
        let restarts = [&soi[..], &many(&[0xd0, 0xff])].concat();
        let scan = [&soi[..], &[0xda, 0, 2], &many(&[0xff, 0])].concat();
        let scans = [&soi[..], &many(&[0xda, 0, 2, 1, 0xff])].concat();
        let tiny = many(&[0xff, 0xd8, 0xff, 0xda, 0, 2, 0xff, 0xd9]);
        let mut random = fastrand::Rng::with_seed(4);
        let any: Vec<u8> = (0..n).map(|_| *random.choice(&[0xff, 0xd8, 0xe1, 0xda, 0, 2, 4, 0xd9]).unwrap()).collect();
        let all = [many(&soi), chain, shortest, nested, long, fill, restarts, scan, scans, tiny, any, vec![0; n]];
        for (nth, bytes) in all.iter().enumerate() {
            for end in [&[][..], &[0xff, 0xd9], &[0]] {
                for n_piece in [bytes.len(), 1_000, 7] {
                    let mut splitter = JpegSplitter::default();
                    for piece in bytes.chunks(n_piece).chain([end]) {
                        splitter.push(piece);
                        while splitter.next().is_some() {}
                    }
                    let work = splitter.work;
                    assert!(work.n_visited <= 12 * work.n_pushed, "{nth} in pieces of {n_piece}: {work:?}");
                }
            }
        }
    }
}
