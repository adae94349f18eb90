//! Reads a clip, closed or not: where its pictures are and what was noted; and copies a part of it.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use super::clip_file::{self, ClosedClip};
use super::mp4::{self, BoxHead, Head, MAX_MOOV, Prefix, Samples};
use super::sample_clock::TICKS;
use super::walk::{self, read_at};
use crate::disk;

pub use super::mp4::{ClipSample, TrackHead};

/// Larger pictures are not read. The depacketiser bounds them at 16 MiB.
const MAX_PICTURE: u32 = 64 << 20;
/// Copied at once.
const N_COPIED: u64 = 1 << 20;
/// More are not listed.
const MAX_NOTES: usize = 4_096;
/// Of a text, and its length.
const MAX_TEXT: u64 = 2 + u16::MAX as u64;

/// What was noted, and when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipNote {
    pub at: Duration,
    pub until: Duration,
    pub text: String,
}

/// Memory is bounded by the number of pictures that a clip may have.
pub struct ClipReader {
    file: File,
    head: Head,
    track: TrackHead,
    samples: Samples,
    is_closed: bool,
}

impl ClipReader {
    /// # Errors
    /// As the system says, it is not a clip of ours, or nothing of it is whole.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = disk::open_regular(path)?;
        let prefix = walk::read_prefix(&file)?;
        let by_table = match prefix {
            Prefix::Closed { next } => read_table(&file, next)?,
            _ => None,
        };
        let is_closed = by_table.is_some();
        let damaged = || {
            let why = "Nothing of this clip can be read: it is damaged, or has just begun.";
            io::Error::new(io::ErrorKind::InvalidData, why)
        };
        // A damaged table is not needed, where the fragments are there.
        let found = match by_table {
            Some(found) => Some(found),
            None => walk::walk(&file)?.map(|walked| (walked.head, clip_file::made_continuous(&walked.samples))),
        };
        let (head, samples) = found.ok_or_else(damaged)?;
        let track = head.track().ok_or_else(damaged)?;
        Ok(Self { file, head, track, samples, is_closed })
    }

    /// All its pictures are in one table; else it is unfinished, or that is damaged.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    #[must_use]
    pub fn track(&self) -> &TrackHead {
        &self.track
    }

    /// In order of decoding.
    #[must_use]
    pub fn pictures(&self) -> &[ClipSample] {
        &self.samples.pictures
    }

    #[must_use]
    pub fn duration(&self) -> Duration {
        clip_file::duration_of(self.samples.pictures.last().map_or(0, ClipSample::end))
    }

    /// The bytes of a picture, as the camera sent them, or behind parameter sets that were changed: as [`crate::packet::Packet`] says.
    ///
    /// # Errors
    /// As the system says, or the file is cut off there.
    pub fn read(&self, picture: &ClipSample) -> io::Result<Vec<u8>> {
        let len = if picture.len <= MAX_PICTURE { picture.len } else { 0 };
        let bytes = read_at(&self.file, picture.offset, len.into())?;
        if bytes.is_empty() || u32::try_from(bytes.len()) != Ok(picture.len) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "This picture of the clip is cut off."));
        }
        Ok(bytes)
    }

    /// # Errors
    /// As the system says.
    pub fn notes(&self) -> io::Result<Vec<ClipNote>> {
        let is_text = |sample: &&ClipSample| usize::try_from(sample.len).is_ok_and(|len| len > mp4::EMPTY_TEXT.len());
        let texts = self.samples.texts.iter().filter(is_text).take(MAX_NOTES);
        let note = |sample: &ClipSample| {
            Ok(ClipNote {
                at: clip_file::duration_of(sample.decode),
                until: clip_file::duration_of(sample.end()),
                text: clip_file::read_text(&read_at(&self.file, sample.offset, u64::from(sample.len).min(MAX_TEXT))?),
            })
        };
        texts.map(note).collect()
    }
}

/// `None` where there is no table, or it speaks of bytes that are not there.
fn read_table(file: &File, mut at: u64) -> io::Result<Option<(Head, Samples)>> {
    let n_file = file.metadata()?.len();
    // The table is the first box there, or the second: behind `mdat`.
    for _ in 0..2 {
        if let Some(moov) = walk::read_box(file, at, *b"moov", MAX_MOOV)? {
            let is_there = |sample: &ClipSample| sample.offset.saturating_add(sample.len.into()) <= n_file;
            let all_there = |samples: &Samples| {
                samples.pictures.iter().chain(&samples.texts).all(is_there) && !samples.pictures.is_empty()
            };
            return Ok(mp4::read_index(&moov).filter(|(_, samples)| all_there(samples)));
        }
        let Some(other) = BoxHead::read(&read_at(file, at, 16)?) else { return Ok(None) };
        at = at.saturating_add(other.len);
    }
    Ok(None)
}

/// Copies the pictures of a span into a new plain file, from the key picture before it to the one behind it, and what was noted.
/// Tells besides where in the clip it begins.
///
/// # Errors
/// As the system says, `out` is there already, or nothing is in the span.
pub fn cut(path: &Path, from: Duration, to: Duration, out: &Path) -> io::Result<(Duration, ClosedClip)> {
    let reader = ClipReader::open(path)?;
    let CutOut { begin, samples: wanted, sources } = span(&reader.samples, from, to)?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Its name is one of those that `disk` sweeps.
    let mut file = tempfile::Builder::new().prefix(".camclinic-").rand_bytes(6).tempfile_in(folder)?;
    file.write_all(&reader.head.standing_alone(&wanted)?)?;
    for (offset, len) in sources {
        let mut copied = 0;
        while copied < len {
            let bytes = read_at(&reader.file, offset.saturating_add(copied), (len - copied).min(N_COPIED))?;
            if bytes.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "The clip is cut off. Choose an earlier part of it.",
                ));
            }
            file.write_all(&bytes)?;
            copied += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        }
    }
    file.as_file().sync_all()?;
    let n_bytes = file.seek(SeekFrom::End(0))?;
    file.persist_noclobber(out).map_err(|error| error.error)?;
    let closed = ClosedClip {
        path: out.to_owned(),
        n_pictures: wanted.pictures.len(),
        n_keys: wanted.pictures.iter().filter(|picture| picture.is_key).count(),
        duration: clip_file::duration_of(wanted.pictures.last().map_or(0, ClipSample::end)),
        n_bytes,
    };
    Ok((clip_file::duration_of(begin), closed))
}

/// A part of a clip.
struct CutOut {
    /// Where it begins in the clip, in ticks.
    begin: u64,
    /// As they lie and are timed in a file of their own.
    samples: Samples,
    /// From where their bytes come, in that order.
    sources: Vec<(u64, u64)>,
}

fn span(all: &Samples, from: Duration, to: Duration) -> io::Result<CutOut> {
    let ticks = |time: Duration| {
        u64::try_from(time.as_nanos() * 9 / 100_000).unwrap_or(u64::MAX).min(u64::MAX / u64::from(TICKS))
    };
    let (from, to) = (ticks(from), ticks(to));
    let keys = || all.pictures.iter().enumerate().filter(|(_, picture)| picture.is_key);
    let first = keys().rev().find(|(_, key)| key.shown() <= from).or_else(|| keys().next());
    let end =
        keys().find(|(_, key)| key.shown() >= to && key.shown() > from).map_or(all.pictures.len(), |(end, _)| end);
    let nothing =
        || io::Error::new(io::ErrorKind::InvalidInput, "Nothing of the clip is in this span. Choose another one.");
    let (first, begin) = first.ok_or_else(nothing)?;
    let pictures = all.pictures.get(first..end).filter(|pictures| !pictures.is_empty()).ok_or_else(nothing)?;
    let end = pictures.last().map_or(0, ClipSample::end);
    if from >= all.pictures.last().map_or(0, ClipSample::end) || to <= from {
        return Err(nothing());
    }
    let mut sources: Vec<(u64, u64)> = Vec::new();
    let mut offset = 0;
    let mut moved = |sample: &ClipSample| {
        match sources.last_mut() {
            Some((at, len)) if at.saturating_add(*len) == sample.offset => *len += u64::from(sample.len),
            _ => sources.push((sample.offset, u64::from(sample.len))),
        }
        let at = offset;
        offset += u64::from(sample.len);
        let decode = sample.decode.max(begin.decode);
        let duration = sample.end().min(end).saturating_sub(decode);
        let duration = u32::try_from(duration).unwrap_or(u32::MAX);
        ClipSample { offset: at, decode: decode - begin.decode, duration, ..*sample }
    };
    let pictures = pictures.iter().map(&mut moved).collect();
    let is_in = |text: &&ClipSample| text.decode < end && text.end() > begin.decode;
    let texts = all.texts.iter().filter(is_in).map(&mut moved).collect();
    Ok(CutOut { begin: begin.decode, samples: Samples { pictures, texts }, sources })
}

#[cfg(test)]
mod tests;
