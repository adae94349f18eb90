//! Copies of the heads of fragments. These lie half a second of pictures apart: with the copies a repair reads one place in each twelve
//! seconds of a file. Players pass over them, as over any `free`.
//!
//! ```text
//! free  MARK  where the copies before these lie (8 bytes; 0: nowhere)  { where it lies (8)  length of its payload (4)  moof } ...
//! ```

use super::{BoxHead, Samples, read_fragment};

/// Fragments whose heads are copied at once: so many more have to be looked at one by one behind the last copies.
const N_COPIED: u32 = 24;
/// Or so many bytes of heads.
const ENOUGH_BYTES: usize = 512 << 10;
/// Longer boxes of copies are not written, and not read.
pub const MAX_COPIES: u64 = 2 << 20;

const MARK: &[u8; 16] = b"Camclinic heads\n";

/// Heads of which no copies are in the file yet.
#[derive(Debug, Default)]
pub struct HeadCopies {
    entries: Vec<u8>,
    n_heads: u32,
    /// Where the last box of them lies.
    at: u64,
}

impl HeadCopies {
    /// Of a fragment that lies there in the file: as [`super::fragment_head`] has made it.
    pub fn add(&mut self, at: u64, head: &[u8]) {
        let Some((moof, mdat)) = head.split_last_chunk::<8>() else { return };
        let n_payload = BoxHead::read(mdat).map_or(0, |mdat| mdat.len - mdat.n_head);
        self.entries.extend_from_slice(&at.to_be_bytes());
        self.entries.extend_from_slice(&u32::try_from(n_payload).unwrap_or(u32::MAX).to_be_bytes());
        self.entries.extend_from_slice(moof);
        self.n_heads += 1;
    }

    /// The box with them, once there are enough for one.
    #[must_use]
    pub fn due(&self) -> Option<Vec<u8>> {
        let is_due = self.n_heads >= N_COPIED || self.entries.len() >= ENOUGH_BYTES;
        let len = u32::try_from(8 + MARK.len() + 8 + self.entries.len()).ok().filter(|_| is_due)?;
        Some([&len.to_be_bytes(), b"free".as_slice(), MARK, &self.at.to_be_bytes(), &self.entries].concat())
    }

    /// It lies there.
    pub fn on_written(&mut self, at: u64) {
        *self = Self { at, ..Self::default() };
    }

    /// Where the last box lies; 0 before there is one.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }
}

/// What copies tell.
#[derive(Debug, PartialEq, Eq)]
pub struct CopiedHeads {
    /// Where the copies before these lie; 0: nowhere.
    pub before: u64,
    /// Where the first of the fragments begins.
    pub from: u64,
    /// Where each of them ends, and its samples.
    pub fragments: Vec<(u64, Samples)>,
}

/// Whether these bytes begin a box of copies.
#[must_use]
pub fn are_copies(bytes: &[u8]) -> bool {
    BoxHead::read(bytes).is_some_and(|head| head.kind == *b"free" && head.n_head == 8 && head.len <= MAX_COPIES)
        && bytes.get(8..).is_some_and(|payload| payload.starts_with(MARK))
}

/// The copies in a box that lies there, whole. `None` where they are not those of the fragments right before it.
#[must_use]
pub fn read_copies(bytes: &[u8], at: u64) -> Option<CopiedHeads> {
    let (before, mut rest) = bytes.get(8..)?.strip_prefix(MARK)?.split_first_chunk::<8>()?;
    let from = u64::from_be_bytes(*rest.first_chunk()?);
    let mut fragments = Vec::new();
    let mut next = from;
    while !rest.is_empty() {
        let (lies_at, n_payload, moof);
        (lies_at, rest) = rest.split_first_chunk::<8>()?;
        (n_payload, rest) = rest.split_first_chunk::<4>()?;
        (moof, rest) = rest.split_at_checked(usize::try_from(BoxHead::read(rest)?.len).ok()?)?;
        (u64::from_be_bytes(*lies_at) == next).then_some(())?;
        let n_payload = u32::from_be_bytes(*n_payload).into();
        let samples = read_fragment(moof, next, n_payload)?;
        next = next.checked_add(u64::try_from(moof.len()).ok()?)?.checked_add(8)?.checked_add(n_payload)?;
        fragments.push((next, samples));
    }
    let before = u64::from_be_bytes(*before);
    (next == at && before < from).then_some(CopiedHeads { before, from, fragments })
}
