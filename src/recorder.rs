//! Writes what cameras send into files: all the time, or what was before and behind each fault.
//!
//! ```text
//!  source ─► PacketRing (the last seconds, always) ─► thread `recorder` ─► ClipFile ─► FOLDER/camera/day/….mp4, ….json
//!  status, events ──────────────────────────────────────┘   decides with triggers, rotation, full_disk
//! ```
//!
//! Nobody waits for the disk but that thread: a disk that is slow or gone costs what falls out of the ring, which is counted. Decisions
//! are pure, each in a file of its own; `crate::clips` knows the folder.

use std::fmt;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use serde::Serialize;

use crate::camera::Camera;
use crate::clips::{ClipFolder, FolderTrouble, RetentionLimits};
use crate::event::{self, Level};
use crate::latest::{Latest, Reader};
use crate::logging::EventLog;
use crate::packet::ring::{KeptPackets, PacketRing, RingLimits};
use crate::settings::{CameraId, ClipSettings, RecordingSettings, secs};

pub mod clip_file;
mod encoder;
pub mod full_disk;
pub mod index;
mod mp4;
mod part;
pub mod repair;
pub mod rotation;
mod sample_clock;
pub mod storage;
#[cfg(test)]
mod testing;
mod thread_loop;
pub mod triggers;
mod walk;

use encoder::FrameEncoder;
use storage::{StorageHealth, StorageState};
use thread_loop::RecorderThread;

/// How long a recorder may take to close its file before it is left behind.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// The same where nobody waits for a window to go: a clip of gigabytes is read once more, for its digest.
const CLOSE_PATIENCE: Duration = Duration::from_secs(30);
const NOT_CLOSED: &str = "The disk was too slow to close the clip in time. Nothing of it is lost: it is closed when Camclinic records into \
                          this folder again.";
/// What a recorder says of itself is older only where the disk does not answer.
const NEWS_DEADLINE: Duration = Duration::from_secs(3);
/// How long a disk may take to show a folder.
const FOLDER_DEADLINE: Duration = Duration::from_secs(10);
/// All rings together, and one.
const MAX_RING_BYTES: usize = 256 << 20;
const MAX_CAMERA_RING_BYTES: usize = 64 << 20;

/// What becomes a clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecordingMode {
    /// What was around each fault.
    Faults,
    Continuous,
    /// One picture in so long.
    TimeLapse(Duration),
}

impl RecordingMode {
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Continuous => "continuous",
            Self::TimeLapse(_) => "time-lapse",
        }
    }
}

/// What is recorded of a camera, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingPlan {
    pub mode: RecordingMode,
    /// What a clip has from before its cause.
    pub before: Duration,
    /// Of a continuous recording.
    pub part: Duration,
    pub limits: RetentionLimits,
    /// Of so many cameras that record into the folder this is the one with that number, from 0.
    pub place: u32,
    pub n_cameras: u32,
}

impl RecordingPlan {
    #[must_use]
    pub fn new(mode: RecordingMode) -> Self {
        let (before, part) = (Duration::from_secs(10), Duration::from_mins(5));
        Self { mode, before, part, limits: RetentionLimits::default(), place: 0, n_cameras: 1 }
    }

    /// As it is set of a camera and of all clips.
    #[must_use]
    pub fn as_set(mode: RecordingMode, camera: &RecordingSettings, clips: &ClipSettings) -> Self {
        Self { before: secs(camera.before_secs), limits: clips.into(), ..Self::new(mode) }
    }

    fn ring(&self) -> RingLimits {
        let share = MAX_RING_BYTES / usize::try_from(self.n_cameras.max(1)).unwrap_or(usize::MAX);
        RingLimits { span: self.before, n_bytes: share.min(MAX_CAMERA_RING_BYTES) }
    }
}

/// `"recording"` of the status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordingStatus {
    /// `faults`, `continuous` or `time-lapse`.
    pub mode: &'static str,
    pub is_writing: bool,
    /// Of the clip that is being written, as its name has it.
    pub reason: Option<String>,
    /// For which it has been.
    pub secs: f64,
    /// Closed ones.
    pub clips: u64,
    pub last_clip: Option<String>,
    /// In the files of this run.
    pub bytes: u64,
    pub pictures: u64,
    /// Pictures that were to be recorded and are not.
    pub lost: u64,
    /// What is kept, from which a clip would begin.
    pub kept_secs: f64,
    pub kept_bytes: usize,
    /// Why nothing is written that should be, and what to do.
    pub trouble: Option<String>,
}

/// What a recorder says of itself: keys that are added to the status of its camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecorderNews {
    #[serde(skip)]
    at: Instant,
    pub recording: RecordingStatus,
    pub storage: StorageHealth,
    /// From which a clip of a fault would begin.
    #[serde(skip)]
    pub kept: KeptPackets,
}

impl RecorderNews {
    #[must_use]
    pub fn new(at: Instant, recording: RecordingStatus, storage: StorageHealth, kept: KeptPackets) -> Self {
        Self { at, recording, storage, kept }
    }
}

/// How a recorder stands, for whoever wants to know. It keeps nothing at work.
#[derive(Clone)]
pub struct RecorderReader {
    news: Reader<RecorderNews>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    ring: PacketRing,
}

impl RecorderReader {
    /// Whether both are of one recorder.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.ended.same_channel(&other.ended)
    }

    /// Where the thread waits for a disk, that is said in its place. Never waits.
    #[must_use]
    pub fn news(&self, now: Instant) -> RecorderNews {
        let Some(news) = self.news.current() else {
            let (recording, storage) = (RecordingStatus::default(), StorageHealth::default());
            return RecorderNews::new(now, recording, storage, KeptPackets::default());
        };
        let mut news = RecorderNews::clone(&news);
        let kept = self.ring.kept();
        news.recording.kept_secs = kept.span.as_secs_f64();
        news.recording.kept_bytes = kept.n_bytes;
        news.kept = kept;
        let waited = now.saturating_duration_since(news.at);
        if waited >= NEWS_DEADLINE && self.ended.try_recv() != Err(TryRecvError::Disconnected) {
            let trouble = format!(
                "The disk has not answered for {} s: nothing is written meanwhile. Look at the connection to it.",
                waited.as_secs()
            );
            news.storage.state = StorageState::Gone;
            news.recording.trouble = Some(trouble);
        }
        news
    }
}

/// Records one camera. Dropping it closes the file, waiting two seconds at most; should that not do, the log tells.
pub struct Recorder {
    /// Each asks for a clip of what is kept; dropped to end it.
    orders: Option<Sender<()>>,
    reader: RecorderReader,
    /// Of this camera, and its name there.
    log: EventLog,
    source: String,
    _encoder: FrameEncoder,
    /// Nobody waits for its end.
    is_let_go: bool,
}

impl Recorder {
    /// Starts the threads `recorder` and `record-jpeg`. `folder` was opened by the caller, on a thread that may wait for a disk.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        camera: &Camera,
        id: CameraId,
        folder: ClipFolder,
        plan: RecordingPlan,
        log: &EventLog,
    ) -> io::Result<Self> {
        let ring = camera.packets();
        ring.set_limits(plan.ring());
        let (orders, orders_rx) = bounded(1);
        let (ended_tx, ended) = bounded(0);
        let news = Latest::new();
        let reader = news.reader();
        let kept = ring.clone();
        let source = camera.status().current().map_or_else(String::new, |status| status.source.clone());
        let recorder = RecorderThread::new(camera, id, folder, plan, log, orders_rx, news);
        let encoder = FrameEncoder::start(camera, ring.clone())?;
        thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            recorder.run();
            kept.set_limits(RingLimits::default());
            drop(ended_tx);
        })?;
        let log = log.of_camera(id);
        let reader = RecorderReader { news: reader, ended, ring };
        Ok(Self { orders: Some(orders), reader, log, source, _encoder: encoder, is_let_go: false })
    }

    /// How it stands. Never waits.
    #[must_use]
    pub fn news(&self, now: Instant) -> RecorderNews {
        self.reader.news(now)
    }

    #[must_use]
    pub fn reader(&self) -> RecorderReader {
        self.reader.clone()
    }

    /// Has a clip written of what is kept and of the next seconds, where clips are written of faults alone. Never waits.
    pub fn save_kept(&self) {
        if let Some(orders) = &self.orders {
            // Full: it was asked for a moment ago, and is one clip.
            let _ = orders.try_send(());
        }
    }

    /// Closes the file without waiting for that. Disconnected when it is closed; before, the camera must not be recorded anew.
    #[must_use]
    pub fn let_go(mut self) -> Receiver<()> {
        self.begin_to_stop();
        self.is_let_go = true;
        self.reader.ended.clone()
    }

    fn begin_to_stop(&mut self) {
        self.orders = None;
    }

    fn has_ended_by(&self, deadline: Instant) -> bool {
        self.reader.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.is_let_go {
            self.begin_to_stop();
            if !self.has_ended_by(Instant::now() + CLOSE_DEADLINE) {
                self.log.add(&self.source, Level::Warning, "recording", NOT_CLOSED);
            }
        }
    }
}

/// Closes the files of several side by side, so that all of them take no longer than the slowest, and returns how each stood then.
/// Waits half a minute at most; `on_slow` is called when it takes longer than usual.
#[must_use]
pub fn stop_all(mut recorders: Vec<Recorder>, on_slow: impl FnOnce()) -> Vec<RecorderNews> {
    recorders.iter_mut().for_each(Recorder::begin_to_stop);
    let began = Instant::now();
    let have_ended = |deadline: Instant| recorders.iter().all(|recorder| recorder.has_ended_by(deadline));
    if !have_ended(began + CLOSE_DEADLINE) {
        on_slow();
        have_ended(began + CLOSE_PATIENCE);
    }
    let stop = |mut recorder: Recorder| {
        recorder.is_let_go = true;
        let mut news = recorder.news(Instant::now());
        if !recorder.has_ended_by(Instant::now()) {
            news.recording.trouble = Some(NOT_CLOSED.to_owned());
        }
        news
    };
    recorders.into_iter().map(stop).collect()
}

/// For people, in a few words.
impl fmt::Display for RecorderNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordingStatus { is_writing, reason, secs, clips, bytes, lost, kept_secs, trouble, .. } = &self.recording;
        match (trouble, reason) {
            (Some(trouble), _) => write!(f, "not recording: {trouble}")?,
            (None, Some(reason)) if *is_writing => write!(f, "recording {reason} for {secs:.0} s")?,
            _ => write!(f, "not recording, the last {kept_secs:.1} s are kept")?,
        }
        write!(f, ", {clips} clips, {:.1} MB", *bytes as f64 / 1e6)?;
        if *lost > 0 {
            write!(f, ", {lost} pictures lost")?;
        }
        match self.storage.free_bytes {
            Some(free) => write!(f, ", {:.1} GB free", free as f64 / 1e9),
            None => Ok(()),
        }
    }
}

/// Opens a folder of clips on a thread named `open-folder`, and has it close there what an earlier run has left unfinished, which is
/// not waited for. Waits for the disk for ten seconds at most.
///
/// # Errors
/// A sentence that says what is wrong with the folder and what to do.
pub fn open_folder(path: &Path, id: Option<&str>, log: &EventLog) -> Result<ClipFolder, String> {
    let (opened, result) = bounded(1);
    let (folder, id, log) = (path.to_owned(), id.map(str::to_owned), log.clone());
    let open = move || {
        let result = ClipFolder::open(&folder, id.as_deref(), event::now());
        let to_repair = result.as_ref().ok().cloned();
        let _ = opened.send(result);
        if let Some(folder) = to_repair {
            repair::repair_all(&folder, &log);
        }
    };
    thread::Builder::new()
        .name("open-folder".to_owned())
        .spawn(open)
        .map_err(|error| format!("The system gives no thread: {error}"))?;
    let result = result.recv_timeout(FOLDER_DEADLINE).unwrap_or(Err(FolderTrouble::Hangs(FOLDER_DEADLINE)));
    result.map_err(|trouble| trouble.sentence(path))
}
