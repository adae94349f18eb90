//! The file of one clip while it is written. See `recorder/mp4.rs` for its two states; each state in between plays, and what was
//! written before a crash can be repaired.
//!
//! Everything here blocks as long as the disk does: for the recorder's thread alone.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::mp4::{self, ClipSample, Head, HeadCopies, MAX_SAMPLES, Samples, SetsKind};
use super::sample_clock::{SampleClock, SampleTime};
use crate::disk;
use crate::frame::Size;
use crate::packet::{Packet, ParameterSets, VideoCodec};

mod closing;
mod notes;

pub use super::mp4::TrackHead;
pub use closing::ClosedClip;

pub(super) use closing::{add_table, duration_of, finish, made_continuous};
pub(super) use notes::read_text;

use notes::Notes;

/// A fragment is written when so much waits: it is what a crash loses.
const FRAGMENT: Duration = Duration::from_millis(500);
const FRAGMENT_BYTES: usize = 1 << 20;
const FRAGMENT_PICTURES: usize = 4_096;
/// What is written is on the disk after so long: it is what a power cut loses, with the fragment.
const SYNC_EVERY: Duration = Duration::from_secs(2);
/// Cameras and SD cards of 32 bits go no further (FAT32).
const MAX_BYTES: u64 = (4 << 30) - (64 << 20);
/// Calls that wait to be asked for.
const MAX_CALLS: usize = 256;
/// How the name of an unfinished file ends, and of a closed one.
pub const RECORDING: &str = ".recording.mp4";
pub const CLOSED: &str = ".mp4";

/// What has become of a picture that was given to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Push {
    Taken,
    /// It does not go into this file: another codec, size or profile, or the file is full. The next file begins with a key picture.
    NeedsNewPart,
}

/// How the disk took something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCall {
    Write { n_bytes: u64, took: Duration },
    Sync { took: Duration },
}

/// A picture whose time is not known yet.
struct Waiting {
    bytes: Arc<[u8]>,
    /// That go before it, as the units of a picture do.
    sets_in_band: Option<Vec<u8>>,
    is_key: bool,
    taken_at: Instant,
}

impl Waiting {
    /// Its bytes one after the other: sets, with their length before them, and the picture.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.sets_in_band.iter().map(Vec::as_slice).chain([&*self.bytes])
    }
}

/// A fragment that is to be written behind what is in the file.
struct ClipFragment {
    bytes: Vec<u8>,
    /// Of them, `moof` and the head of `mdat`.
    head: Range<usize>,
    /// They begin with copies of earlier heads.
    has_copies: bool,
    samples: Samples,
}

pub struct ClipFile {
    file: File,
    path: PathBuf,
    codec: VideoCodec,
    size: Size,
    kind: Option<SetsKind>,
    head: Head,
    clock: SampleClock,
    sets: Arc<ParameterSets>,
    /// That came later: they go before each key picture.
    other_sets: Option<Arc<ParameterSets>>,
    waiting: VecDeque<Waiting>,
    n_waiting_bytes: usize,
    notes: Notes,
    last_taken: Option<Instant>,
    /// The last moment that is known to have come.
    seen_until: Option<Instant>,
    written: Samples,
    n_fragments: u32,
    copies: HeadCopies,
    /// Where the file says that the last copies lie.
    copies_told: u64,
    /// Bytes of the file that are sure; what is behind them was written in part.
    end: u64,
    is_torn: bool,
    is_head_safe: bool,
    stuck: Option<ClipFragment>,
    /// The memory of the last one.
    spare: Vec<u8>,
    unsynced_since: Option<Instant>,
    calls: Vec<DiskCall>,
    is_closed: bool,
}

impl ClipFile {
    /// Makes the file, whose name ends in [`RECORDING`]; its folder is there. Nothing is written before the first pictures.
    ///
    /// # Errors
    /// As the system says, a file of that name or of its final name is there, or the parameter sets are missing or damaged.
    pub fn create(path_recording: &Path, head: &TrackHead, started: SystemTime) -> io::Result<Self> {
        let entry = Head::new(head, started)?;
        if closed_path(path_recording)?.try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a clip of this name is there already"));
        }
        let file = disk::create_new(path_recording)?;
        lock(&file)?;
        let kind = mp4::sets_kind(head.codec, &head.sets);
        Ok(Self {
            file,
            path: path_recording.to_owned(),
            codec: head.codec,
            size: entry.track().map_or(head.size, |track| track.size),
            kind,
            head: entry,
            clock: SampleClock::new(may_reorder(head)),
            sets: Arc::new(head.sets.clone()),
            other_sets: None,
            waiting: VecDeque::new(),
            n_waiting_bytes: 0,
            notes: Notes::default(),
            last_taken: None,
            seen_until: None,
            written: Samples::default(),
            n_fragments: 0,
            copies: HeadCopies::default(),
            copies_told: 0,
            end: 0,
            is_torn: false,
            is_head_safe: false,
            stuck: None,
            spare: Vec::new(),
            unsynced_since: None,
            calls: Vec::new(),
            is_closed: false,
        })
    }

    /// Takes the next picture, and writes those before it when there is enough. Should that fail, the next call tries it again, and
    /// tells.
    ///
    /// # Errors
    /// What was taken before could not be written, as the disk says: this picture was not taken. The file goes on with a later key
    /// picture, or can be closed.
    pub fn push(&mut self, packet: &Packet) -> io::Result<Push> {
        self.catch_up()?;
        if !self.fits(packet) {
            return Ok(Push::NeedsNewPart);
        }
        let sets_in_band = self.sets_before(packet);
        self.clock.push(packet.stamp, packet.taken_at);
        self.last_taken = Some(packet.taken_at);
        self.seen_until = self.seen_until.max(self.last_taken);
        self.n_waiting_bytes = self.n_waiting_bytes.saturating_add(packet.bytes.len());
        let Packet { is_key, taken_at, .. } = *packet;
        self.waiting.push_back(Waiting { bytes: Arc::clone(&packet.bytes), sets_in_band, is_key, taken_at });
        let is_enough = self.clock.waits() >= FRAGMENT || self.waiting.len() >= FRAGMENT_PICTURES;
        if is_enough || self.n_waiting_bytes >= FRAGMENT_BYTES {
            let times = self.clock.settled();
            self.gather(&times)?;
            // Told by the next call: this picture is taken.
            let _ = self.catch_up();
        }
        Ok(Push::Taken)
    }

    /// What happened, shown from one moment to the other while the clip plays; one text at a time. The last picture is shown as long as
    /// the text, up to the last moment that [`Self::tick`] has told.
    pub fn note(&mut self, at: Instant, until: Instant, text: &str) {
        self.notes.push(at, until, text);
    }

    /// Does what is due: writes what has waited, and sees to it that what was written is on the disk. To be called ten times a second.
    ///
    /// # Errors
    /// As the disk says.
    pub fn tick(&mut self, now: Instant) -> io::Result<()> {
        self.seen_until = self.seen_until.max(Some(now));
        self.catch_up()?;
        let is_old = |taken_at: Instant| now.saturating_duration_since(taken_at) >= FRAGMENT;
        let is_idle = self.last_taken.is_some_and(is_old);
        let is_due = self.waiting.front().is_some_and(|first| is_old(first.taken_at));
        if is_due || is_idle && self.notes.wait(&self.clock) {
            // The last one waits for the next, which tells how long it lasts.
            let times = if is_idle { self.clock.rest() } else { self.clock.settled() };
            self.gather(&times)?;
            self.catch_up()?;
        }
        if self.unsynced_since.is_some_and(|since| now.saturating_duration_since(since) >= SYNC_EVERY) {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes the rest and closes the file. Where this fails it may be called again; until then the file can be repaired.
    ///
    /// # Errors
    /// As the disk says, or no picture came: then the file is gone.
    pub fn close(&mut self) -> io::Result<ClosedClip> {
        self.catch_up()?;
        let times = self.clock.rest();
        self.gather(&times)?;
        self.catch_up()?;
        if self.written.pictures.is_empty() {
            self.is_closed = true;
            fs::remove_file(&self.path)?;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "No picture came, so that there is no clip."));
        }
        // A text that is to be shown for some seconds more makes no clip longer than its time.
        let end = self.written.pictures.last().map_or(0, ClipSample::end);
        let end = self.seen_until.and_then(|seen| self.clock.at(seen)).unwrap_or(0).max(end);
        for text in &mut self.written.texts {
            let left = u32::try_from(end.saturating_sub(text.decode)).unwrap_or(u32::MAX);
            text.duration = text.duration.min(left).max(1);
        }
        // Should it fail and the clip go on, the table is no part of it.
        self.is_torn = true;
        let closed = closing::close(&self.file, &self.path, self.end, &self.head, &self.written)?;
        self.is_closed = true;
        Ok(closed)
    }

    /// How the disk took what was written since this was asked before.
    pub fn calls(&mut self) -> Vec<DiskCall> {
        mem::take(&mut self.calls)
    }

    /// In the file.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.end
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn note_call(&mut self, call: DiskCall) {
        // Whoever does not ask gets the first ones.
        if self.calls.len() < MAX_CALLS {
            self.calls.push(call);
        }
    }

    /// Does what could not be done before.
    fn catch_up(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the clip is closed"));
        }
        self.write_stuck()?;
        if self.end > 0 && !self.is_head_safe {
            // A file without its head is lost.
            self.sync()?;
            disk::sync_folder(&self.path)?;
            self.is_head_safe = true;
        }
        Ok(())
    }

    fn fits(&self, packet: &Packet) -> bool {
        let n_pictures = self.written.pictures.len().saturating_add(self.waiting.len());
        let is_full = n_pictures >= MAX_SAMPLES || self.end >= MAX_BYTES || packet.bytes.len() > FRAGMENT_BYTES << 6;
        let is_alike = match self.codec {
            VideoCodec::Jpeg => packet.size.is_none_or(|size| size == self.size),
            // Damaged ones are not followed: the next may be whole.
            _ => {
                self.has_sets_of(packet)
                    || mp4::sets_kind(self.codec, &packet.sets).is_none_or(|kind| Some(kind) == self.kind)
            }
        };
        packet.codec == self.codec && is_alike && !is_full
    }

    /// A picture without sets has those that came last.
    fn has_sets_of(&self, packet: &Packet) -> bool {
        let sets = self.other_sets.as_ref().unwrap_or(&self.sets);
        Arc::ptr_eq(&packet.sets, sets) || packet.sets.sps.is_empty() || packet.sets == *sets
    }

    /// Sets that were changed go before the picture, as the head has the first ones for ever.
    fn sets_before(&mut self, packet: &Packet) -> Option<Vec<u8>> {
        let is_change = !self.has_sets_of(packet) && mp4::sets_kind(self.codec, &packet.sets).is_some();
        if is_change {
            self.other_sets = Some(Arc::clone(&packet.sets));
        }
        let sets = self.other_sets.as_ref().filter(|_| is_change || packet.is_key)?;
        let with_length =
            |unit: &Vec<u8>| [&u32::try_from(unit.len()).unwrap_or(0).to_be_bytes(), unit.as_slice()].concat();
        Some(sets.vps.iter().chain(&sets.sps).chain(&sets.pps).flat_map(with_length).collect())
    }

    /// Makes a fragment of the first of those that wait, as many as there are times, and of what was noted.
    fn gather(&mut self, times: &[SampleTime]) -> io::Result<()> {
        let mut text_bytes = Vec::new();
        let texts = self.notes.take(&self.clock, &mut text_bytes);
        let n_pictures = times.len().min(self.waiting.len());
        let mut offset = u64::try_from(text_bytes.len()).unwrap_or(u64::MAX);
        let mut pictures = Vec::with_capacity(n_pictures);
        for (time, picture) in times.iter().zip(&self.waiting) {
            let len = picture.parts().map(<[u8]>::len).fold(0, usize::saturating_add);
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            let SampleTime { decode, duration, shift } = *time;
            pictures.push(ClipSample { offset, len, decode, duration, shift, is_key: picture.is_key });
            offset = offset.saturating_add(len.into());
        }
        if pictures.is_empty() && texts.is_empty() {
            return Ok(());
        }
        let mut samples = Samples { pictures, texts };
        self.n_fragments = self.n_fragments.wrapping_add(1);
        let mut bytes = mem::take(&mut self.spare);
        bytes.clear();
        if self.n_fragments == 1 {
            bytes.append(&mut self.head.beginning()?);
        }
        let copies = self.copies.due();
        let has_copies = copies.is_some();
        bytes.append(&mut copies.unwrap_or_default());
        let head_from = bytes.len();
        bytes.append(&mut mp4::fragment_head(self.n_fragments, &samples)?);
        let head = head_from..bytes.len();
        let from = self.end.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        for sample in samples.pictures.iter_mut().chain(&mut samples.texts) {
            sample.offset = sample.offset.saturating_add(from);
        }
        bytes.append(&mut text_bytes);
        for picture in self.waiting.drain(..n_pictures) {
            self.n_waiting_bytes = self.n_waiting_bytes.saturating_sub(picture.bytes.len());
            picture.parts().for_each(|part| bytes.extend_from_slice(part));
        }
        self.stuck = Some(ClipFragment { bytes, head, has_copies, samples });
        Ok(())
    }

    /// Writes the fragment that waits for the disk, if one does.
    fn write_stuck(&mut self) -> io::Result<()> {
        let Some(fragment) = &self.stuck else { return Ok(()) };
        if self.is_torn {
            self.file.set_len(self.end)?;
            self.is_torn = false;
        }
        let began = Instant::now();
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| self.file.write_all(&fragment.bytes));
        if let Err(error) = written {
            // What was written of it is taken back now, should the program end before there is room.
            self.is_torn = self.file.set_len(self.end).is_err();
            return Err(error);
        }
        let n_bytes = fragment.bytes.len() as u64;
        self.note_call(DiskCall::Write { n_bytes, took: began.elapsed() });
        let at = self.end;
        self.end = at.saturating_add(n_bytes);
        if let Some(mut fragment) = self.stuck.take() {
            if fragment.has_copies {
                self.copies.on_written(at);
            }
            let head_at = at.saturating_add(u64::try_from(fragment.head.start).unwrap_or(u64::MAX));
            self.copies.add(head_at, fragment.bytes.get(fragment.head).unwrap_or_default());
            // Memory that is new each time costs more than the copying.
            self.spare =
                Some(fragment.bytes).filter(|bytes| bytes.capacity() <= 2 * FRAGMENT_BYTES).unwrap_or_default();
            self.written.pictures.append(&mut fragment.samples.pictures);
            self.written.texts.append(&mut fragment.samples.texts);
        }
        self.unsynced_since.get_or_insert(began);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let began = Instant::now();
        self.file.sync_data()?;
        self.note_call(DiskCall::Sync { took: began.elapsed() });
        self.unsynced_since = None;
        if self.copies_told != self.copies.at() {
            // Not before: what the file tells of is on the disk.
            self.file.seek(SeekFrom::Start(mp4::COPIES_AT))?;
            self.file.write_all(&self.copies.at().to_be_bytes())?;
            self.copies_told = self.copies.at();
        }
        Ok(())
    }
}

/// JPEG and the baseline profile (H.264, A.2.1) have no B pictures.
fn may_reorder(head: &TrackHead) -> bool {
    let profile = head.sets.sps.first().and_then(|sps| sps.get(1));
    head.codec == VideoCodec::H265 || head.codec == VideoCodec::H264 && profile != Some(&66)
}

/// So that another program, and the repair, know that it is written.
pub(super) fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "The clip is being recorded. Stop its recording first."))
        }
        // File systems without locks: whoever made the file has it.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// # Errors
/// The name is not that of an unfinished file.
pub(super) fn closed_path(recording: &Path) -> io::Result<PathBuf> {
    let name = recording.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_suffix(RECORDING));
    let why =
        || io::Error::new(io::ErrorKind::InvalidInput, format!("the name of an unfinished clip ends in {RECORDING}"));
    Ok(recording.with_file_name(format!("{}{CLOSED}", name.filter(|name| !name.is_empty()).ok_or_else(why)?)))
}

#[cfg(test)]
mod tests;
