//! Goes through a file from fragment to fragment: whatever has become of it, what is whole is found. Reads heads alone, and copies of
//! heads in place of them where there are some.

use std::fs::File;
use std::io;

use super::mp4::{self, BoxHead, Head, MAX_COPIES, MAX_MOOF, MAX_SAMPLES, PREFIX, Prefix, Samples};
use crate::disk;

/// Memory that is taken before it is known whether the bytes are there.
const MAX_RESERVED: usize = 1 << 20;
/// Read at once where a fragment begins: most heads are shorter.
const N_PEEK: u64 = 4 << 10;
/// The same of copies of heads.
const N_COPIES_PEEK: u64 = 16 << 10;
/// Of the payload of a fragment. Ours are 1 MiB, or one picture.
const MAX_MDAT: u64 = 80 << 20;
/// Of the first `moov`, which has no pictures.
const MAX_FIRST_MOOV: u64 = 4 << 20;

/// What is whole of a file.
pub struct WalkedClip {
    pub head: Head,
    pub samples: Samples,
    pub fragments: Vec<WalkedFragment>,
}

/// How much is whole with this fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkedFragment {
    pub end: u64,
    pub n_pictures: usize,
    pub n_texts: usize,
}

/// The bytes there, at most so many; fewer at the end of the file.
pub fn read_at(file: &File, at: u64, n_bytes: u64) -> io::Result<Vec<u8>> {
    let n_bytes = usize::try_from(n_bytes).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    loop {
        let n_read = bytes.len();
        bytes.resize(n_read.saturating_add(MAX_RESERVED).min(n_bytes), 0);
        let room = bytes.get_mut(n_read..).unwrap_or_default();
        let n_more = match disk::read_at(file, room, at.saturating_add(u64::try_from(n_read).unwrap_or(u64::MAX))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
            Ok(0) => {
                bytes.truncate(n_read);
                return Ok(bytes);
            }
            Ok(n_more) => n_more,
        };
        bytes.truncate(n_read.saturating_add(n_more));
        if bytes.len() >= n_bytes {
            return Ok(bytes);
        }
    }
}

/// # Errors
/// As the system says, or the file is not a clip of ours.
pub fn read_prefix(file: &File) -> io::Result<Prefix> {
    match mp4::read_prefix(&read_at(file, 0, PREFIX)?) {
        Prefix::Foreign => {
            let why = "This file was not recorded by Camclinic; it is left as it is. Choose another one.";
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        }
        prefix => Ok(prefix),
    }
}

/// `None` without a whole beginning.
///
/// # Errors
/// As the system says.
pub fn walk(file: &File) -> io::Result<Option<WalkedClip>> {
    let n_file = file.metadata()?.len();
    let Some(moov) = read_box(file, PREFIX, *b"moov", MAX_FIRST_MOOV)? else { return Ok(None) };
    let Some(head) = Head::read(&moov) else { return Ok(None) };
    let mut walked = WalkedClip { head, samples: Samples::default(), fragments: Vec::new() };
    let mut at = PREFIX + u64::try_from(moov.len()).unwrap_or(u64::MAX);
    disk::expect_jumps(file, true);
    let mut has_room = true;
    if let Prefix::Unfinished { copies_at } = mp4::read_prefix(&read_at(file, 0, PREFIX)?)
        && let Some(fragments) = copied(file, copies_at, at, n_file)?
    {
        has_room = fragments.into_iter().all(|(end, found)| walked.add(end, found));
        at = walked.end().unwrap_or(at);
    }
    while has_room && let Some((end, found)) = fragment(file, at, n_file)? {
        has_room = walked.add(end, found);
        at = end;
    }
    disk::expect_jumps(file, false);
    walked.cut_behind(walked.fragments.len());
    Ok(Some(walked))
}

impl WalkedClip {
    /// Whether there was room for it.
    fn add(&mut self, end: u64, mut found: Samples) -> bool {
        self.samples.pictures.append(&mut found.pictures);
        self.samples.texts.append(&mut found.texts);
        let (n_pictures, n_texts) = (self.samples.pictures.len(), self.samples.texts.len());
        let has_room = n_pictures.max(n_texts) <= MAX_SAMPLES;
        if has_room {
            self.fragments.push(WalkedFragment { end, n_pictures, n_texts });
        }
        has_room
    }

    /// Only the first fragments are whole.
    pub fn cut_behind(&mut self, n_fragments: usize) {
        self.fragments.truncate(n_fragments);
        let (n_pictures, n_texts) = self.fragments.last().map_or((0, 0), |last| (last.n_pictures, last.n_texts));
        self.samples.pictures.truncate(n_pictures);
        self.samples.texts.truncate(n_texts);
    }

    /// What has been found ends there.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.fragments.last().map(|last| last.end)
    }
}

/// Whether the file ends before its first fragment does.
pub fn ends_early(file: &File, n_file: u64) -> io::Result<bool> {
    let mut at = PREFIX;
    for kind in [*b"moov", *b"moof", *b"mdat"] {
        let bytes = read_at(file, at, 16)?;
        if bytes.len() < 8 {
            return Ok(true);
        }
        let Some(head) = BoxHead::read(&bytes).filter(|head| head.kind == kind) else { return Ok(false) };
        at = at.saturating_add(head.len);
    }
    Ok(at > n_file)
}

/// A box of that kind, which is whole and not longer.
pub fn read_box(file: &File, at: u64, kind: [u8; 4], max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let start = read_at(file, at, 16)?;
    let Some(head) = BoxHead::read(&start).filter(|head| head.kind == kind && head.len <= max_bytes) else {
        return Ok(None);
    };
    let bytes = read_at(file, at, head.len)?;
    Ok((u64::try_from(bytes.len()).ok() == Some(head.len)).then_some(bytes))
}

/// All fragments from that place on of whose heads there are copies, and the last copies, as one without samples. `None` where copies
/// are missing or do not fit: then the heads themselves tell.
fn copied(file: &File, last: u64, from: u64, n_file: u64) -> io::Result<Option<Vec<(u64, Samples)>>> {
    let (mut at, mut begins, mut end) = (last, None, None);
    let mut boxes = Vec::new();
    while (from..n_file).contains(&at) && begins != Some(from) {
        let mut bytes = read_at(file, at, N_COPIES_PEEK)?;
        let Some(len) = BoxHead::read(&bytes).map(|head| head.len).filter(|len| *len <= MAX_COPIES) else {
            return Ok(None);
        };
        if len > N_COPIES_PEEK {
            bytes = read_at(file, at, len)?;
        }
        let bytes = usize::try_from(len).ok().and_then(|len| bytes.get(..len)).unwrap_or_default();
        let Some(copies) = mp4::read_copies(bytes, at) else { return Ok(None) };
        let box_end = at.saturating_add(len);
        if begins.is_some_and(|begins| begins != box_end) {
            return Ok(None);
        }
        end = end.or(Some(box_end));
        begins = Some(copies.from);
        at = copies.before;
        boxes.push(copies.fragments);
    }
    let is_all = begins == Some(from);
    let copies = end.filter(|_| is_all).map(|end| (end, Samples::default()));
    Ok(copies.map(|copies| boxes.into_iter().rev().flatten().chain([copies]).collect()))
}

/// Where the fragment ends that begins there, and its samples; copies of heads are one without samples.
fn fragment(file: &File, at: u64, n_file: u64) -> io::Result<Option<(u64, Samples)>> {
    let mut bytes = read_at(file, at, N_PEEK)?;
    if mp4::are_copies(&bytes) {
        let end = at.saturating_add(BoxHead::read(&bytes).map_or(0, |head| head.len));
        return Ok((end <= n_file).then_some((end, Samples::default())));
    }
    let is_moof = |head: &BoxHead| head.kind == *b"moof" && head.n_head == 8 && head.len <= MAX_MOOF;
    let Some(moof) = BoxHead::read(&bytes).filter(is_moof) else { return Ok(None) };
    if moof.len + 8 > N_PEEK {
        bytes = read_at(file, at, moof.len + 8)?;
    }
    let split = usize::try_from(moof.len).ok().and_then(|n_moof| bytes.split_at_checked(n_moof));
    let Some((moof, rest)) = split else { return Ok(None) };
    let is_mdat = |head: &BoxHead| head.kind == *b"mdat" && head.n_head == 8 && head.len <= MAX_MDAT;
    let Some(mdat) = BoxHead::read(rest).filter(is_mdat) else { return Ok(None) };
    let end = at.saturating_add(u64::try_from(moof.len()).unwrap_or(u64::MAX)).saturating_add(mdat.len);
    if end > n_file {
        return Ok(None);
    }
    let found = mp4::read_fragment(moof, at, mdat.len - mdat.n_head);
    Ok(found.map(|found| (end, found)))
}
