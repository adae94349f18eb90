//! How H.265 is packed (RFC 7798), and what its units are (ITU-T H.265, 7.3 and 7.4.2.2).
//!
//! Decoding order numbers are not expected: cameras do not announce them (`sprop-max-don-diff`).

use super::is_recovery_point;
use super::nal::{NalCodec, Packing, Slice, Unit};
use super::sets::SetKind;
use crate::frame::Size;
use crate::network::sps::{self, Bits};

/// Numbers of sequence and picture parameter sets are below (7.4.3.2, 7.4.3.3).
const MAX_SPS: u64 = 16;
const MAX_PPS: u64 = 64;
/// A slice tells its place and PPS in so many bytes.
const SLICE_HEAD: usize = 24;

#[derive(Debug)]
pub(super) struct H265;

impl NalCodec for H265 {
    const N_HEADER: usize = 2;

    /// RFC 7798, 4.4.
    fn packing(payload: &[u8]) -> Packing<'_> {
        match payload {
            [0, 0, 1, ..] | [0, 0, 0, 1, ..] => Packing::Unit(payload),
            [head, layer, rest @ ..] => match (head >> 1 & 0x3f, rest) {
                (48, _) => Packing::Aggregate(rest),
                (49, [flags, data @ ..]) => Packing::Fragment {
                    begins: flags & 0x80 != 0,
                    ends: flags & 0x40 != 0,
                    header: [head & 0x81 | (flags & 0x3f) << 1, *layer],
                    data,
                },
                (49, []) => Packing::Damaged,
                (50, _) => Packing::Other,
                _ => Packing::Unit(payload),
            },
            _ => Packing::Unit(payload),
        }
    }

    fn read(head: &[u8]) -> Unit {
        let [first, second, rest @ ..] = head else { return Unit::Empty };
        let (kind, layer) = (first >> 1 & 0x3f, (first & 1) << 5 | second >> 3);
        match (kind, rest) {
            // The temporal layer is written plus one.
            _ if first & 0x80 != 0 || second.trailing_zeros() >= 3 => Unit::Damaged,
            (48.., _) => Unit::Damaged,
            (36..=38, _) => Unit::Behind,
            (_, []) => Unit::Empty,
            _ if layer > 0 => Unit::Other,
            (0..=9 | 16..=23, _) => slice(head, kind).map_or(Unit::Damaged, Unit::Slice),
            (32, [id, ..]) => Unit::Set(SetKind::Vps, u64::from(id >> 4)),
            (33, _) => sps_id(head).map_or(Unit::Damaged, |id| Unit::Set(SetKind::Sps, id)),
            (34, _) => pps_id(head).map_or(Unit::Damaged, |id| Unit::Set(SetKind::Pps, id)),
            (35, _) => Unit::Delimiter,
            // Behind one byte more than in H.264 the messages are the same.
            (39, _) if head.get(1..).is_some_and(is_recovery_point) => Unit::RecoveryPoint,
            (40, _) => Unit::Behind,
            _ => Unit::Other,
        }
    }

    fn sps_of(pps: &[u8]) -> Option<u64> {
        let mut bits = Bits::new(pps, 2);
        bits.ue()?;
        bits.ue()
    }

    fn size(sps: &[u8]) -> Option<Size> {
        sps::h265_size(sps)
    }
}

/// 7.3.2.2.1
fn sps_id(unit: &[u8]) -> Option<u64> {
    let mut bits = Bits::new(unit, 2);
    bits.bits(4)?;
    let n_sub_layers = usize::try_from(bits.bits(3)?).ok().filter(|n| *n < 7)?;
    bits.bit()?;
    sps::skip_profile_tier_level(&mut bits, n_sub_layers)?;
    bits.ue().filter(|id| *id < MAX_SPS)
}

fn pps_id(unit: &[u8]) -> Option<u64> {
    Bits::new(unit, 2).ue().filter(|id| *id < MAX_PPS)
}

/// 7.3.6.1
fn slice(unit: &[u8], kind: u8) -> Option<Slice> {
    let mut bits = Bits::new(unit.get(..SLICE_HEAD).unwrap_or(unit), 2);
    let is_first = bits.bit()? == 1;
    let is_key = (16..=23).contains(&kind);
    if is_key {
        bits.bit()?;
    }
    let pps = bits.ue().filter(|id| *id < MAX_PPS)?;
    Some(Slice { is_first, is_key, is_intra: is_key, pps })
}
