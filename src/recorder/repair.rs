//! Makes a clip of a file that was left unfinished: by a crash, a power cut, or a full disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::clip_file::{self, ClosedClip};
use super::mp4::{ClipSample, PREFIX};
use super::sample_clock::TICKS;
use super::walk::{self, WalkedClip};
use crate::disk;
use crate::packet::VideoCodec;

mod folder;

pub use folder::{repair_all, repair_aside};

/// Of the end of a file, which may not have reached the disk before a power cut, every byte is looked at: so many seconds of media,
/// and no more bytes.
const UNSURE_SECONDS: u64 = 4;
const MAX_UNSURE_BYTES: u64 = 64 << 20;
/// Disks lose whole sectors, which then are zeros; coded pictures have no zeros of such a length.
const SECTOR: u64 = 512;
const MIN_ZEROS: usize = 32;
/// A file that is longer has had more than a beginning.
const MAX_BEGINNING: u64 = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    Closed(ClosedClip),
    /// It was left as it is: something is there, but not one whole fragment with a picture.
    Nothing,
    /// The same of a file of which nothing has ever reached the disk, or no more than a part of the first half second.
    Empty,
}

/// Cuts an unfinished file behind what is whole, and closes it. Reads the heads, and the last seconds.
///
/// # Errors
/// As the system says; it is being written; it is not a file of ours: then it is untouched.
pub fn repair(path: &Path) -> io::Result<Repaired> {
    clip_file::closed_path(path)?;
    drop(disk::open_regular(path)?);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    clip_file::lock(&file)?;
    let n_file = file.metadata()?.len();
    let without_pictures =
        |has_more: bool| Ok(if has_more || n_file > MAX_BEGINNING { Repaired::Nothing } else { Repaired::Empty });
    if is_blank(&file, PREFIX)? {
        return without_pictures(!is_blank(&file, n_file)?);
    }
    walk::read_prefix(&file)?;
    let mut walked = walk::walk(&file)?;
    if let Some(walked) = &mut walked {
        cut_holes(&file, walked)?;
    }
    let with_pictures = walked.filter(|walked| !walked.samples.pictures.is_empty());
    let Some((walked, end)) = with_pictures.and_then(|walked| walked.end().map(|end| (walked, end))) else {
        return without_pictures(!walk::ends_early(&file, n_file)?);
    };
    clip_file::add_table(&file, end, &walked.head, &walked.samples)?;
    // On the disk together with the turned head and the name: should one of them alone get there, this is done again.
    clip_file::finish(&file, path, end, &walked.samples).map(Repaired::Closed)
}

/// Nothing has ever been written to so much of its beginning, or it has not reached the disk.
fn is_blank(file: &File, n_bytes: u64) -> io::Result<bool> {
    Ok(n_bytes <= MAX_BEGINNING && walk::read_at(file, 0, n_bytes)?.iter().all(|byte| *byte == 0))
}

/// Whatever follows a picture that has a hole is not whole.
fn cut_holes(file: &File, walked: &mut WalkedClip) -> io::Result<()> {
    let Some(codec) = walked.head.track().map(|track| track.codec) else { return Ok(()) };
    let last = walked.samples.pictures.last().map_or(0, |last| last.decode);
    let is_unsure = |picture: &ClipSample| picture.decode.saturating_add(UNSURE_SECONDS * u64::from(TICKS)) >= last;
    let first = walked.samples.pictures.iter().position(is_unsure).unwrap_or(0);
    let mut n_bytes = 0;
    let mut n_whole = 0;
    for fragment in &walked.fragments {
        let from = n_whole;
        n_whole = fragment.n_pictures;
        if n_whole <= first || n_bytes > MAX_UNSURE_BYTES {
            continue;
        }
        for picture in walked.samples.pictures.get(from..n_whole).unwrap_or_default() {
            n_bytes += u64::from(picture.len);
            let bytes = walk::read_at(file, picture.offset, picture.len.into())?;
            if has_hole(codec, &bytes, picture.offset) {
                let n_fragments = walked.fragments.iter().position(|other| other == fragment).unwrap_or(0);
                walked.cut_behind(n_fragments);
                return Ok(());
            }
        }
    }
    Ok(())
}

fn has_hole(codec: VideoCodec, mut bytes: &[u8], at: u64) -> bool {
    if codec == VideoCodec::Jpeg {
        // USB cameras fill up behind the end.
        let n_filled = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let filled = bytes.get(..bytes.len() - n_filled).unwrap_or(bytes);
        bytes = if filled.ends_with(&[0xff, 0xd9]) { filled } else { bytes };
    }
    let n_first = usize::try_from(SECTOR - at % SECTOR).unwrap_or(0).min(bytes.len());
    let (first, rest) = bytes.split_at(n_first);
    let is_hole = |sector: &[u8]| sector.len() >= MIN_ZEROS && sector.iter().all(|byte| *byte == 0);
    is_hole(first) || rest.chunks(usize::try_from(SECTOR).unwrap_or(usize::MAX)).any(is_hole)
}

#[cfg(test)]
mod tests;
