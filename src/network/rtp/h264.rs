//! How H.264 is packed (RFC 6184), and what its units are (ITU-T H.264, 7.3 and 7.4.1).

use super::is_recovery_point;
use super::nal::{NalCodec, Packing, Slice, Unit};
use super::sets::SetKind;
use crate::frame::Size;
use crate::network::sps::{self, Bits};

/// Numbers of sequence and picture parameter sets are below (7.4.2.1.1, 7.4.2.2).
const MAX_SPS: u64 = 32;
const MAX_PPS: u64 = 256;
/// A slice tells its place, kind and PPS in so many bytes.
const SLICE_HEAD: usize = 24;

#[derive(Debug)]
pub(super) struct H264;

impl NalCodec for H264 {
    const N_HEADER: usize = 1;

    /// RFC 6184, 5.2. Decoding order numbers are skipped: cameras that write them send in order.
    fn packing(payload: &[u8]) -> Packing<'_> {
        match payload {
            [] | [0, 0, 1, ..] | [0, 0, 0, 1, ..] => Packing::Unit(payload),
            [head, rest @ ..] => match (head & 0x1f, rest) {
                (24, _) => Packing::Aggregate(rest),
                (25, [_, _, rest @ ..]) => Packing::Aggregate(rest),
                (28, [flags, data @ ..]) | (29, [flags, _, _, data @ ..]) => Packing::Fragment {
                    begins: flags & 0x80 != 0,
                    ends: flags & 0x40 != 0,
                    header: [head & 0xe0 | flags & 0x1f, 0],
                    data,
                },
                (26 | 27, _) => Packing::Other,
                (25 | 28 | 29, _) => Packing::Damaged,
                _ => Packing::Unit(payload),
            },
        }
    }

    fn read(head: &[u8]) -> Unit {
        match head {
            [] => Unit::Empty,
            [first, ..] if first & 0x80 != 0 => Unit::Damaged,
            [first] => {
                if matches!(first & 0x1f, 10 | 11) {
                    Unit::Behind
                } else {
                    Unit::Empty
                }
            }
            [first, ..] => match first & 0x1f {
                kind @ (1 | 2 | 5) => slice(head, kind == 5).map_or(Unit::Damaged, Unit::Slice),
                6 if is_recovery_point(head) => Unit::RecoveryPoint,
                7 => set(head, SetKind::Sps),
                8 => set(head, SetKind::Pps),
                9 => Unit::Delimiter,
                // Partitions B and C, ends of sequence and stream, filler, auxiliary slices.
                3 | 4 | 10..=12 | 19 => Unit::Behind,
                0 | 24..=31 => Unit::Damaged,
                _ => Unit::Other,
            },
        }
    }

    fn sps_of(pps: &[u8]) -> Option<u64> {
        let mut bits = Bits::new(pps, 1);
        bits.ue()?;
        bits.ue()
    }

    fn size(sps: &[u8]) -> Option<Size> {
        sps::h264_size(sps)
    }
}

fn set(unit: &[u8], kind: SetKind) -> Unit {
    let is_sps = kind == SetKind::Sps;
    // Profile, constraints and level stand before the number of a sequence parameter set.
    let id = Bits::new(unit, if is_sps { 4 } else { 1 }).ue();
    let id = id.filter(|id| *id < if is_sps { MAX_SPS } else { MAX_PPS });
    id.map_or(Unit::Damaged, |id| Unit::Set(kind, id))
}

/// 7.3.3
fn slice(unit: &[u8], is_key: bool) -> Option<Slice> {
    let mut bits = Bits::new(unit.get(..SLICE_HEAD).unwrap_or(unit), 1);
    let (first, kind, pps) = (bits.ue()?, bits.ue()?, bits.ue()?);
    // Table 7-6: I and SI.
    let is_intra = is_key || matches!(kind % 5, 2 | 4);
    (kind < 10 && pps < MAX_PPS).then_some(Slice { is_first: first == 0, is_key, is_intra, pps })
}
