//! How an unfinished file becomes a plain one.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::closed_path;
use super::notes::laid_out;
use crate::disk;
use crate::recorder::mp4::{self, ClipSample, Head, SWITCH_AT, Samples};
use crate::recorder::sample_clock::TICKS;

/// What a file has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedClip {
    pub path: PathBuf,
    pub n_pictures: usize,
    pub n_keys: usize,
    pub duration: Duration,
    pub n_bytes: u64,
}

/// Adds the table of all samples behind what is whole, turns the head, and gives the file its final name. Whenever it is stopped,
/// what is there plays, and it can be done again.
///
/// # Errors
/// As the disk says, or a file of the final name is there.
pub fn close(file: &File, path: &Path, end: u64, head: &Head, written: &Samples) -> io::Result<ClosedClip> {
    add_table(file, end, head, written)?;
    file.sync_data()?;
    let closed = finish(file, path, end, written)?;
    disk::sync_folder(&closed.path)?;
    Ok(closed)
}

/// The same from the turn of the head on. The new name may still be lost with the power, and the file then has the old one.
pub fn finish(mut file: &File, path: &Path, end: u64, written: &Samples) -> io::Result<ClosedClip> {
    let to = closed_path(path)?;
    file.seek(SeekFrom::Start(SWITCH_AT))?;
    file.write_all(&mp4::closed_switch(end))?;
    file.sync_data()?;
    if to.try_exists()? {
        let why = format!("{} is there already. Rename one of the two.", to.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    fs::rename(path, &to)?;
    let pictures = made_continuous(written).pictures;
    Ok(ClosedClip {
        path: to,
        n_pictures: pictures.len(),
        n_keys: pictures.iter().filter(|picture| picture.is_key).count(),
        duration: duration_of(pictures.last().map_or(0, ClipSample::end)),
        n_bytes: file.metadata()?.len(),
    })
}

/// Writes the table of all samples behind what is whole.
pub fn add_table(mut file: &File, end: u64, head: &Head, written: &Samples) -> io::Result<()> {
    let index = head.index(&made_continuous(written))?;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))?;
    let added = file.write_all(&index);
    if added.is_err() {
        let _ = file.set_len(end);
    }
    added
}

/// Samples as a plain file has them, without a pause between them: each lasts until the next, and the last picture as long as the
/// texts, which may tell of an outage.
pub fn made_continuous(written: &Samples) -> Samples {
    let mut pictures = written.pictures.clone();
    let nexts = written.pictures.iter().skip(1).map(|next| next.decode);
    for (picture, next) in pictures.iter_mut().zip(nexts) {
        picture.duration = u32::try_from(next.saturating_sub(picture.decode)).unwrap_or(u32::MAX);
    }
    let texts = laid_out(&written.texts, pictures.last().map_or(0, ClipSample::end));
    if let Some(last) = pictures.last_mut() {
        let end = texts.last().map_or(0, ClipSample::end).max(last.end());
        last.duration = u32::try_from(end - last.decode).unwrap_or(u32::MAX);
    }
    Samples { pictures, texts }
}

#[must_use]
pub fn duration_of(ticks: u64) -> Duration {
    let (secs, rest) = (ticks / u64::from(TICKS), ticks % u64::from(TICKS));
    Duration::from_secs(secs) + Duration::from_nanos(rest * 100_000 / 9)
}
