//! Pictures of H.264 and H.265 out of their units (NAL), which both pack in the same ways: alone, several together, or in fragments.
//!
//! A unit of which a part is missing is dropped: decoders conceal a slice that is missing better than one that is corrupt. One that the
//! camera itself does not end, with no packet missing, is kept; the picture is marked in both cases.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::RtpPacket;
use super::depacketiser::{Assembled, Assembly, MAX_PICTURE, PacketPlace};
use super::sets::{KnownSets, SetKind};
use crate::frame::Size;

/// So much of a unit shows what it is.
const HEAD: usize = 64;

const TOO_LARGE: &str =
    "The camera's pictures are larger than 16 MiB, or nothing ends them: choose a smaller picture or more compression";
const PACKED_OTHERWISE: &str =
    "The camera packs its pictures in a way that is not read here (interleaved packets): have it send them in order";

/// How a payload is packed.
#[derive(Debug)]
pub(super) enum Packing<'a> {
    Unit(&'a [u8]),
    /// Units, each behind its length in two bytes.
    Aggregate(&'a [u8]),
    Fragment {
        begins: bool,
        ends: bool,
        /// The first bytes of the unit that it is of, as many as the codec has.
        header: [u8; 2],
        data: &'a [u8],
    },
    /// A way that no camera has.
    Other,
    Damaged,
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Slice(Slice),
    Set(SetKind, u64),
    /// It tells that a picture begins, and nothing else.
    Delimiter,
    /// It is sent ahead of a picture on which decoding can begin.
    RecoveryPoint,
    /// It follows slices of its picture.
    Behind,
    Other,
    Empty,
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// The first of its picture.
    pub is_first: bool,
    /// A decoder can begin with its picture.
    pub is_key: bool,
    /// It needs no other picture.
    pub is_intra: bool,
    /// Number of its picture parameter set.
    pub pps: u64,
}

/// What tells the two codecs apart.
pub(super) trait NalCodec: fmt::Debug + Send {
    /// Bytes of the header of a unit.
    const N_HEADER: usize;

    fn packing(payload: &[u8]) -> Packing<'_>;

    /// `head`: the beginning of a unit, or all of it.
    fn read(head: &[u8]) -> Unit;

    /// The number of the sequence parameter set that a picture parameter set names.
    fn sps_of(pps: &[u8]) -> Option<u64>;

    fn size(sps: &[u8]) -> Option<Size>;
}

/// The units between start codes, in what stands in no place of its own: some cameras leave the codes in, or send whole pictures as one
/// unit (ITU-T H.264, annex B). Zeros at their ends are no part of them.
pub(super) struct Units<'a>(Option<&'a [u8]>);

impl<'a> Units<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(Some(bytes))
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take()?;
        let unit = match start_code(rest) {
            Some(at) => {
                self.0 = rest.get(at + 3..);
                rest.get(..at).unwrap_or_default()
            }
            None => rest,
        };
        let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        unit.get(..end)
    }
}

/// Where the next 0, 0, 1 is.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut last = 2;
    loop {
        last += match bytes.get(last)? {
            0 => 1,
            1 if matches!(bytes.get(last - 2..last), Some([0, 0])) => return Some(last - 2),
            _ => 3,
        };
    }
}

/// What has come of the picture.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent marks of one picture")]
struct Seen {
    has_slice: bool,
    has_first: bool,
    is_key: bool,
    /// A slice needs another picture.
    needs_others: bool,
    pps: Option<u64>,
}

#[derive(Debug)]
pub(super) struct NalAssembly<C> {
    sets: KnownSets,
    seen: Seen,
    bytes: Vec<u8>,
    /// A unit whose fragments are coming.
    fragments: Vec<u8>,
    is_fragment_open: bool,
    is_too_large: bool,
    why_none: Option<&'static str>,
    /// The size that the sets tell to pictures of one PPS, until the sets change.
    size: Option<(Option<u64>, Option<Size>)>,
    codec: PhantomData<C>,
}

impl<C: NalCodec> NalAssembly<C> {
    pub fn new(announced: &[Vec<u8>]) -> Self {
        let mut sets = KnownSets::default();
        for unit in announced.iter().flat_map(|bytes| Units::of(bytes)) {
            if let Unit::Set(kind, id) = C::read(unit) {
                sets.take(kind, id, unit);
            }
        }
        Self {
            sets,
            seen: Seen::default(),
            bytes: Vec::new(),
            fragments: Vec::new(),
            is_fragment_open: false,
            is_too_large: false,
            why_none: None,
            size: None,
            codec: PhantomData,
        }
    }

    fn head(unit: &[u8]) -> Unit {
        C::read(unit.get(..HEAD).unwrap_or(unit))
    }

    /// False where the picture becomes too large.
    fn has_room(&mut self, n: usize) -> bool {
        if self.bytes.len() + self.fragments.len() + n > MAX_PICTURE {
            self.is_too_large = true;
            self.is_fragment_open = false;
            self.bytes = Vec::new();
            self.fragments = Vec::new();
            self.why_none = Some(TOO_LARGE);
        }
        !self.is_too_large
    }

    fn add(&mut self, bytes: &[u8]) -> bool {
        let mut is_whole = true;
        for unit in Units::of(bytes) {
            is_whole &= self.add_unit(unit);
        }
        is_whole
    }

    fn add_unit(&mut self, unit: &[u8]) -> bool {
        match C::read(unit) {
            Unit::Empty | Unit::Delimiter => return true,
            Unit::Damaged => return false,
            Unit::Set(kind, id) => {
                let is_known = self.sets.take(kind, id, unit);
                self.size = self.size.filter(|_| !self.sets.are_changed());
                return is_known;
            }
            Unit::Slice(slice) => {
                self.seen.has_slice = true;
                self.seen.has_first |= slice.is_first;
                self.seen.is_key |= slice.is_key;
                self.seen.needs_others |= !slice.is_intra;
                self.seen.pps.get_or_insert(slice.pps);
            }
            Unit::RecoveryPoint => self.seen.is_key = true,
            Unit::Behind | Unit::Other => {}
        }
        let Ok(length) = u32::try_from(unit.len()) else { return false };
        if !self.has_room(unit.len() + 4) {
            return false;
        }
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend_from_slice(unit);
        true
    }

    fn add_aggregate(&mut self, mut rest: &[u8]) -> bool {
        let mut is_whole = true;
        while let [high, low, behind @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((unit, behind)) = behind.split_at_checked(length) else { return false };
            is_whole &= self.add(unit);
            rest = behind;
        }
        is_whole
    }

    fn add_fragment(&mut self, begins: bool, ends: bool, header: [u8; 2], data: &[u8]) -> bool {
        let header = header.get(..C::N_HEADER).unwrap_or_default();
        let mut is_whole = true;
        if begins {
            is_whole = self.close();
            self.is_fragment_open = self.has_room(header.len());
            self.fragments.extend_from_slice(header);
        } else if self.is_fragment_open && !is_same_type(&self.fragments, header) {
            // The end of this one and the beginning of that one are missing.
            self.lose();
        }
        if !self.is_fragment_open || !self.has_room(data.len()) {
            return false;
        }
        self.fragments.extend_from_slice(data);
        if ends {
            self.is_fragment_open = false;
            is_whole &= self.add_fragments();
        }
        is_whole
    }

    fn add_fragments(&mut self) -> bool {
        let mut unit = std::mem::take(&mut self.fragments);
        let is_whole = self.add(&unit);
        unit.clear();
        self.fragments = unit;
        is_whole
    }

    /// As the sets say of pictures with this PPS; where they do not, as the newest of them says.
    fn size_of(&mut self, pps: Option<u64>) -> Option<Size> {
        if let Some((of, size)) = self.size
            && of == pps
        {
            return size;
        }
        let named = pps.and_then(|id| self.sets.get(SetKind::Pps, id)).and_then(C::sps_of);
        let sps = named.and_then(|id| self.sets.get(SetKind::Sps, id)).or_else(|| self.sets.last(SetKind::Sps));
        let size = sps.and_then(C::size);
        self.size = Some((pps, size));
        size
    }
}

/// The fragments of a unit repeat its type; of the bits beside it some cameras make nothing.
fn is_same_type(unit: &[u8], header: &[u8]) -> bool {
    let mask = if header.len() == 1 { 0x1f } else { 0x7e };
    matches!((unit, header), ([a, ..], [b, ..]) if a & mask == b & mask)
}

impl<C: NalCodec> Assembly for NalAssembly<C> {
    fn place(&self, packet: &RtpPacket<'_>) -> PacketPlace {
        let first = match C::packing(packet.payload) {
            Packing::Unit(bytes) => Units::of(bytes).map(Self::head).find(|unit| *unit != Unit::Empty),
            Packing::Aggregate([_, _, bytes @ ..]) => Some(Self::head(bytes)),
            Packing::Fragment { begins: false, .. } => return PacketPlace::GoesOn,
            Packing::Fragment { header, data, .. } => {
                let header = header.get(..C::N_HEADER).unwrap_or_default();
                Some(C::read(&[header, data.get(..HEAD).unwrap_or(data)].concat()))
            }
            Packing::Aggregate(_) | Packing::Other | Packing::Damaged => None,
        };
        match first {
            Some(Unit::Slice(Slice { is_first: true, .. }) | Unit::Set(..) | Unit::Delimiter) => {
                PacketPlace::NewBehindMarker
            }
            Some(Unit::Slice(_) | Unit::Behind) => PacketPlace::GoesOn,
            _ => PacketPlace::Unknown,
        }
    }

    fn push(&mut self, packet: &RtpPacket<'_>) -> bool {
        if self.is_too_large {
            return false;
        }
        match C::packing(packet.payload) {
            Packing::Unit(bytes) => self.close() & self.add(bytes),
            Packing::Aggregate(rest) => self.close() & self.add_aggregate(rest),
            Packing::Fragment { begins, ends, header, data } => self.add_fragment(begins, ends, header, data),
            Packing::Other => {
                self.why_none = Some(PACKED_OTHERWISE);
                self.close();
                false
            }
            Packing::Damaged => {
                self.close();
                false
            }
        }
    }

    fn keeps_rests(&self) -> bool {
        true
    }

    fn lose(&mut self) {
        self.is_fragment_open = false;
        self.fragments.clear();
    }

    fn may_end(&self) -> bool {
        self.is_too_large || self.seen.has_slice && !self.is_fragment_open
    }

    fn close(&mut self) -> bool {
        let was_open = std::mem::take(&mut self.is_fragment_open);
        if was_open {
            self.add_fragments();
        }
        !was_open
    }

    fn finish(&mut self, is_damaged: bool, is_rest: bool) -> Option<Assembled> {
        let is_picture = self.seen.has_slice && !self.is_too_large;
        if !is_picture && !is_damaged {
            return None;
        }
        let seen = std::mem::take(&mut self.seen);
        let bytes = std::mem::take(&mut self.bytes);
        self.is_too_large = false;
        if !is_picture {
            return None;
        }
        self.why_none = None;
        let is_damaged = is_damaged || !seen.has_first && !is_rest;
        Some(Assembled {
            // Whether slices that are missing need other pictures is not known.
            is_key: !is_rest && (seen.is_key || !seen.needs_others && !is_damaged),
            is_damaged,
            sets: Arc::clone(self.sets.shared()),
            size: self.size_of(seen.pps),
            bytes,
        })
    }

    fn why_none(&self) -> Option<&'static str> {
        self.why_none
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &[&[u8]]) {
        let units: Vec<&[u8]> = Units::of(bytes).filter(|unit| !unit.is_empty()).collect();
        assert_eq!(units, expected, "{bytes:?}");
    }

    #[test]
    fn units_stand_between_start_codes() {
        check(&[], &[]);
        check(&[5], &[&[5]]);
        check(&[5, 0, 0, 2, 1], &[&[5, 0, 0, 2, 1]]);
        check(&[0, 0, 1, 5, 6], &[&[5, 6]]);
        check(&[0, 0, 0, 1, 5, 6, 0, 0, 0, 0, 1, 7, 0, 0, 1, 8, 0, 0], &[&[5, 6], &[7], &[8]]);
        check(&[5, 0, 0, 1], &[&[5]]);
        check(&[0, 1, 5, 0, 0, 3, 0, 0, 3], &[&[0, 1, 5, 0, 0, 3, 0, 0, 3]]);
        check(&[1, 0, 0, 1, 0, 0, 1, 1, 0, 1], &[&[1], &[1, 0, 1]]);
        check(&[0; 9], &[]);
    }

    #[test]
    fn start_codes_are_found_wherever_they_stand() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.usize(..12)).map(|_| random.u8(..3)).collect();
            assert_eq!(start_code(&bytes), bytes.windows(3).position(|code| code == [0, 0, 1]), "{bytes:?}");
        }
    }
}
