//! The clip that goes with a report, as much of it as can be sent.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::clips::Sidecar;
use crate::disk::read_regular;
use crate::recorder::index::cut;

/// With what else is in a report, its zip is small enough to be sent.
pub const MAX_CLIP_BYTES: u64 = 12 << 20;
/// What is left of a larger clip, before and behind the beginning of its trouble; tried in turn until it is small enough.
const PARTS: [(Duration, Duration); 4] = [
    (Duration::from_secs(10), Duration::from_secs(15)),
    (Duration::from_secs(5), Duration::from_secs(5)),
    (Duration::from_secs(2), Duration::from_secs(2)),
    (Duration::from_secs(1), Duration::from_secs(1)),
];

/// The clip, or, where it has more bytes than that, the part of it around its trouble; `None` where even the shortest is too large.
/// Waits for the disk.
///
/// # Errors
/// As the system says.
pub fn read(path: &Path, about: Option<&Sidecar>, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    if fs::metadata(path)?.len() <= max_bytes {
        return read_regular(path, max_bytes).map(Some);
    }
    let trouble = about.map(Sidecar::trouble_at).unwrap_or_default();
    let folder = tempfile::tempdir()?;
    for (n, (before, behind)) in PARTS.iter().enumerate() {
        let part = folder.path().join(format!("{n}.mp4"));
        let (_, made) = cut(path, trouble.saturating_sub(*before), trouble.saturating_add(*behind), &part)?;
        if made.n_bytes <= max_bytes {
            return read_regular(&part, max_bytes).map(Some);
        }
    }
    Ok(None)
}
