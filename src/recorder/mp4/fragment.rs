//! The `moof` of a fragment. It is read here and not by the crate: only what we write ourselves is taken, in one look at each byte.

use shiguredo_mp4::SampleFlags;
use shiguredo_mp4::boxes::TrunSample;

use super::{BoxHead, ClipSample, Samples, TEXT, VIDEO};

/// Longer ones are not written, and not read.
pub const MAX_MOOF: u64 = 1 << 20;

const TFHD_FLAGS: u32 = 0x02_0000;
const TRUN_FLAGS: u32 = 0x701;
const HAS_SHIFT: u32 = 0x800;
const IS_NO_KEY: u32 = 1 << 16;

pub fn trun_sample(sample: &ClipSample) -> TrunSample {
    TrunSample {
        duration: Some(sample.duration),
        size: Some(sample.len),
        // Whether it depends on others, and is no place to begin.
        flags: Some(SampleFlags::from_fields(0, if sample.is_key { 2 } else { 1 }, 0, 0, 0, !sample.is_key, 0)),
        composition_time_offset: Some(i64::from(sample.shift)),
    }
}

/// The samples of a `moof` that stands there in its file. `None` where it is not as we write them, or says that bytes of a sample lie
/// elsewhere than in the payload behind it: the caller has read how long that is.
#[must_use]
pub fn read_fragment(moof: &[u8], moof_at: u64, n_payload: u64) -> Option<Samples> {
    let mut samples = Samples::default();
    let from = moof_at.checked_add(u64::try_from(moof.len()).ok()?)?.checked_add(8)?;
    let to = from.checked_add(n_payload)?;
    for child in children(moof.get(8..)?) {
        let (kind, traf) = child?;
        if kind != *b"traf" {
            continue;
        }
        let (mut track, mut decode, mut trun) = (None, None, None);
        for child in children(traf) {
            let (kind, payload) = child?;
            match &kind {
                b"tfhd" => track = tfhd(payload),
                b"tfdt" => decode = tfdt(payload),
                b"trun" => trun = Some(payload),
                _ => {}
            }
        }
        let into = match track? {
            VIDEO => &mut samples.pictures,
            TEXT => &mut samples.texts,
            _ => return None,
        };
        into.is_empty().then_some(())?;
        *into = read_trun(trun?, decode?, moof_at)?;
        let is_within =
            |sample: &ClipSample| sample.offset >= from && sample.offset.saturating_add(sample.len.into()) <= to;
        into.iter().all(is_within).then_some(())?;
    }
    Some(samples)
}

/// Boxes with their payload; `None` at the first that is none.
fn children(mut bytes: &[u8]) -> impl Iterator<Item = Option<([u8; 4], &[u8])>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let child = BoxHead::read(bytes).and_then(|head| {
            let (whole, rest) = bytes.split_at_checked(usize::try_from(head.len).ok()?)?;
            bytes = rest;
            Some((head.kind, whole.get(usize::try_from(head.n_head).ok()?..)?))
        });
        if child.is_none() {
            bytes = &[];
        }
        Some(child)
    })
}

/// A number of 32 bits, and what follows.
fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

fn tfhd(payload: &[u8]) -> Option<u32> {
    let (flags, rest) = word(payload)?;
    (flags == TFHD_FLAGS).then_some(())?;
    Some(word(rest)?.0)
}

fn tfdt(payload: &[u8]) -> Option<u64> {
    let (version, rest) = word(payload)?;
    (version == 1 << 24).then_some(())?;
    let decode = u64::from_be_bytes(*rest.first_chunk()?);
    // So that no sum with it overflows.
    (decode < 1 << 48).then_some(decode)
}

fn read_trun(payload: &[u8], mut decode: u64, moof_at: u64) -> Option<Vec<ClipSample>> {
    let (version_and_flags, rest) = word(payload)?;
    let flags = version_and_flags & 0xff_ffff;
    (flags & !HAS_SHIFT == TRUN_FLAGS).then_some(())?;
    let (n_samples, rest) = word(rest)?;
    let (data_offset, mut rest) = word(rest)?;
    let mut offset = moof_at.checked_add(u64::from(data_offset))?;
    let mut samples = Vec::new();
    for _ in 0..n_samples {
        let (duration, len, flag);
        (duration, rest) = word(rest)?;
        (len, rest) = word(rest)?;
        (flag, rest) = word(rest)?;
        let mut shift = 0;
        if flags & HAS_SHIFT != 0 {
            (shift, rest) = word(rest)?;
        }
        samples.push(ClipSample {
            offset,
            len,
            decode,
            duration,
            shift: shift.cast_signed(),
            is_key: flag & IS_NO_KEY == 0,
        });
        offset = offset.checked_add(u64::from(len))?;
        decode = decode.checked_add(u64::from(duration))?;
    }
    Some(samples)
}
