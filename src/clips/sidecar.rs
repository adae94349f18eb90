//! What stands beside a clip: the JSON file of the same name that tells what it shows, why it was made and what it must
//! be like.
//!
//! It is read from a folder to which anybody may write: bounded, and without trust. Keys that are missing have a
//! default, keys that are not known are kept. Its last line is a digest of all before it, so that a flipped bit is
//! found in the sidecar as well as in the clip.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::{FileDigest, digest_bytes};
use super::name::{ClipKind, ClipName};
use super::wall_time::WallTime;
use crate::disk::{FileAccess, read_regular, write_whole};
use crate::event::{Event, Level};
use crate::fault::Fault;
use crate::foreign::{Foreign, safe_within};
use crate::frame::Size;
use crate::packet::VideoCodec;
use crate::recorder::clip_file::ClosedClip;
use crate::status::round_secs;

/// What happens more often in one clip is counted.
pub const MAX_EVENTS: usize = 200;
pub const MAX_KERNEL_LINES: usize = 100;
pub const MAX_GAPS: usize = 500;
/// Of a line in it.
const MAX_LINE_CHARS: usize = 300;
/// No sidecar with the most of all is larger.
const MAX_BYTES: u64 = 2 << 20;
/// Before the digest, at the end.
const SEAL: &str = ",\n  \"sha256_of_the_above\": \"";
const SEAL_END: &str = "\"\n}\n";

/// How far a clip's file has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SidecarState {
    /// Written when the clip begins.
    Recording,
    Closed,
    /// It was closed by a later run of the program.
    Recovered,
    /// Complete, but without an index: the disk was full. It is closed when there is room.
    Fragmented,
    /// A later version of the program knows.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A time without pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipGap {
    /// The last picture before it.
    pub at: WallTime,
    pub secs: f64,
    pub cause: Foreign,
}

impl ClipGap {
    #[must_use]
    pub fn new(at: WallTime, lasted: Duration, cause: impl Into<Foreign>) -> Self {
        Self { at, secs: round_secs(lasted), cause: cause.into() }
    }
}

/// Pictures that are not in the clip, by where they were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LostPictures {
    /// Before they reached the program.
    pub camera: u64,
    /// Between the capture process and the program.
    pub transfer: u64,
    /// They came as pixels, and there was no time to code them.
    pub coding: u64,
    /// The disk was too slow.
    pub disk: u64,
}

/// The picture that stands beside a clip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipPicture {
    /// When it was taken.
    pub at: WallTime,
    #[serde(flatten)]
    pub digest: FileDigest,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipEvent {
    pub at: Timestamp,
    pub level: Level,
    pub name: Foreign,
    pub message: Foreign,
}

impl From<&Event> for ClipEvent {
    fn from(event: &Event) -> Self {
        Self { at: event.at, level: event.level, name: event.name.as_str().into(), message: event.message.clone() }
    }
}

/// What the kernel said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipKernelLine {
    pub at: Timestamp,
    pub text: Foreign,
}

/// Everything that is known of a clip. The order of the fields is that of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "keys of the file, each of its own")]
pub struct Sidecar {
    pub state: SidecarState,
    pub reason: ClipKind,
    /// In one word: the kind of the fault, of what is wrong with the picture, or the alert.
    pub cause: Foreign,
    /// Never deleted by itself before those that are not: somebody said so.
    pub protected: bool,
    /// Somebody said that it is not to be kept before others, although it is of a kind that is.
    pub released: bool,
    /// As the status names it, without secrets.
    pub source: Foreign,
    /// What it is called.
    pub camera: Foreign,
    /// See [`super::identity_hash`].
    pub camera_hash: Foreign,
    pub codec: Option<VideoCodec>,
    pub size: Option<Size>,
    /// That were got.
    pub fps: Option<f64>,
    pub started: WallTime,
    pub ended: WallTime,
    /// By the computer's monotonic clock, which nobody sets. Of use within one run of the system.
    pub started_monotonic_ns: u64,
    pub ended_monotonic_ns: u64,
    /// How often somebody set the clock meanwhile.
    pub clock_steps: u32,
    pub pictures: u64,
    pub key_pictures: u64,
    pub damaged_pictures: u64,
    pub lost_pictures: LostPictures,
    pub gaps: Vec<ClipGap>,
    pub fault: Option<Fault>,
    /// Of the last check-up meanwhile: the entry of the catalogue, as `F40`, and what it says.
    pub verdict_id: Option<Foreign>,
    pub verdict: Option<Foreign>,
    /// How sure that is, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_confidence: Option<f64>,
    pub events: Vec<ClipEvent>,
    pub kernel: Vec<ClipKernelLine>,
    /// Of events, kernel lines and gaps, for want of room.
    pub n_left_out: usize,
    pub sound: bool,
    pub bytes: u64,
    /// Of the closed clip; empty before.
    pub sha256: String,
    /// The last one before the fault, without loss, of a camera whose pictures come as pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<ClipPicture>,
    pub program: Foreign,
    /// The name of the clip of which it is a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<Foreign>,
    /// Its digest is missing or another: somebody has changed it, or the disk has.
    #[serde(skip)]
    pub is_altered: bool,
}

impl Sidecar {
    /// Whether a clip of this kind is kept before others: as somebody said, else by its kind.
    #[must_use]
    pub fn is_kept(&self, kind: ClipKind) -> bool {
        self.protected || !self.released && (kind.is_evidence() || self.reason.is_evidence())
    }

    /// How long it lasts, by the clock that nobody sets.
    #[must_use]
    pub fn secs(&self) -> f64 {
        let monotonic = self.ended_monotonic_ns.saturating_sub(self.started_monotonic_ns) as f64 / 1e9;
        if monotonic > 0.0 {
            return monotonic;
        }
        self.ended.at().duration_since(self.started.at()).as_secs_f64().max(0.0)
    }

    /// When the trouble began that it shows, from its beginning on: with the first time without pictures, else with the first event
    /// that tells of one.
    #[must_use]
    pub fn trouble_at(&self) -> Duration {
        let gap = self.gaps.first().map(|gap| gap.at.at());
        let event = || self.events.iter().find(|event| event.level >= Level::Warning).map(|event| event.at);
        let since = gap.or_else(event).map(|at| at.duration_since(self.started.at()));
        since.and_then(|since| Duration::try_from(since).ok()).unwrap_or_default()
    }

    pub fn add_event(&mut self, mut event: ClipEvent) {
        event.name = short(&event.name);
        event.message = short(&event.message);
        add(&mut self.events, event, MAX_EVENTS, &mut self.n_left_out);
    }

    pub fn add_kernel_line(&mut self, mut line: ClipKernelLine) {
        line.text = short(&line.text);
        add(&mut self.kernel, line, MAX_KERNEL_LINES, &mut self.n_left_out);
    }

    pub fn add_gap(&mut self, mut gap: ClipGap) {
        gap.cause = short(&gap.cause);
        add(&mut self.gaps, gap, MAX_GAPS, &mut self.n_left_out);
    }

    /// What stands beside a part of the clip of this name that begins so long after it. What was lost and damaged is still counted for all
    /// of it.
    #[must_use]
    pub(super) fn of_part(&self, name: &ClipName, begin: Duration, closed: &ClosedClip, digest: FileDigest) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let started = self.started.later_by_ms(ms(begin));
        let ended = started.later_by_ms(ms(closed.duration));
        let is_in = |at: Timestamp| (started.at()..=ended.at()).contains(&at);
        let monotonic = self.started_monotonic_ns.saturating_add(ns(begin));
        let mut part = Self {
            cut_from: Some(name.to_string().into()),
            started,
            ended,
            started_monotonic_ns: monotonic,
            ended_monotonic_ns: monotonic.saturating_add(ns(closed.duration)),
            pictures: u64::try_from(closed.n_pictures).unwrap_or(u64::MAX),
            key_pictures: u64::try_from(closed.n_keys).unwrap_or(u64::MAX),
            bytes: digest.bytes,
            sha256: digest.sha256,
            ..self.clone()
        };
        let lasts = |gap: &ClipGap| ms(Duration::try_from_secs_f64(gap.secs).unwrap_or_default());
        let reaches = |gap: &ClipGap| gap.at.later_by_ms(lasts(gap)).at() >= started.at();
        part.gaps.retain(|gap| gap.at.at() <= ended.at() && reaches(gap));
        part.events.retain(|event| is_in(event.at));
        part.kernel.retain(|line| is_in(line.at));
        part.picture = part.picture.filter(|picture| is_in(picture.at.at()));
        part
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// As the system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        write_sealed(path, self)
    }

    /// Reads one, of whatever version of the program.
    ///
    /// # Errors
    /// As the system says; or it is too large, or not what it should be, as [`io::ErrorKind::InvalidData`].
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = read_regular(path, MAX_BYTES)?;
        let mut sidecar: Self = serde_json::from_slice(&bytes)?;
        sidecar.is_altered = !is_sealed(&bytes);
        Ok(sidecar)
    }
}

fn short(text: &Foreign) -> Foreign {
    safe_within(text.as_bytes(), MAX_LINE_CHARS).into()
}

/// The first of them are kept: they show how it began.
fn add<T>(kept: &mut Vec<T>, item: T, max: usize, n_left_out: &mut usize) {
    if kept.len() < max {
        kept.push(item);
    } else {
        *n_left_out = n_left_out.saturating_add(1);
    }
}

/// Says in a clip's sidecar whether it shall be kept before others. What a later version of the program has written
/// there stays.
///
/// # Errors
/// As [`Sidecar::read`] and [`Sidecar::write`]. One that was altered is not sealed anew.
pub fn set_protected(path: &Path, protected: bool) -> io::Result<()> {
    let bytes = read_regular(path, MAX_BYTES)?;
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if !is_sealed(&bytes) {
        return Err(invalid("it was changed by another program, or is damaged"));
    }
    let mut value: Value = serde_json::from_slice(&bytes)?;
    let keys = value.as_object_mut().ok_or_else(|| invalid("it is no object of JSON"))?;
    keys.remove(seal_key());
    keys.insert("protected".to_owned(), protected.into());
    keys.insert("released".to_owned(), (!protected).into());
    write_sealed(path, &value)
}

/// Writes JSON whose last line is a digest of the rest.
pub(super) fn write_sealed(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, sealed(value)?.as_bytes(), FileAccess::Usual)
}

/// The same as text.
pub(super) fn sealed(value: &impl Serialize) -> io::Result<String> {
    Ok(seal(&serde_json::to_string_pretty(value)?))
}

/// Adds the digest as the last key of a JSON object.
fn seal(text: &str) -> String {
    let body = text.trim_end().strip_suffix('}').unwrap_or(text).trim_end();
    format!("{body}{SEAL}{}{SEAL_END}", digest_bytes(body.as_bytes()))
}

pub(super) fn is_sealed(bytes: &[u8]) -> bool {
    let sealed = || {
        let (body, digest) = std::str::from_utf8(bytes).ok()?.rsplit_once(SEAL)?;
        Some(digest.strip_suffix(SEAL_END)? == digest_bytes(body.as_bytes()))
    };
    sealed().unwrap_or(false)
}

fn seal_key() -> &'static str {
    SEAL.split('"').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::fault::FaultKind;

    fn full() -> Sidecar {
        let at: WallTime = "2026-11-20T12:41:06.118+01:00".parse().unwrap();
        let mut sidecar = Sidecar {
            state: SidecarState::Closed,
            reason: ClipKind::Fault,
            cause: "stall".into(),
            source: "rtsp://me:***@cam/1".into(),
            codec: Some(VideoCodec::H264),
            size: Some(Size { width: 1280, height: 720 }),
            fps: Some(29.97),
            started: at,
            ended: at.later_by_ms(17_250),
            pictures: 500,
            fault: Some(Fault::new(FaultKind::Stall, "No picture for 7.3 s").with_code(-71)),
            verdict_id: Some("F40".into()),
            bytes: 9_000_000,
            sha256: "0".repeat(64),
            picture: Some(ClipPicture { at, digest: FileDigest::of(b"picture") }),
            ..Sidecar::default()
        };
        sidecar.add_gap(ClipGap::new(at.later_by_ms(10_000), Duration::from_millis(7_300), "the camera was unplugged"));
        sidecar.add_event(ClipEvent {
            at: at.at(),
            level: Level::Error,
            name: "stall".into(),
            message: "a\u{1b}[2J".into(),
        });
        sidecar.add_kernel_line(ClipKernelLine { at: at.at(), text: "usb 1-1: USB disconnect".into() });
        sidecar
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.json");
        for sidecar in [Sidecar::default(), full(), Sidecar { fps: Some(f64::NAN), ..full() }] {
            sidecar.write(&path).unwrap();
            let read = Sidecar::read(&path).unwrap();
            let fps = sidecar.fps.filter(|fps| fps.is_finite());
            assert_eq!(read, Sidecar { fps, ..sidecar });
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""started": "2026-11-20T12:41:06.118+01:00""#) && text.contains("�[2J"), "{text}");
        assert!((full().secs() - 17.25).abs() < 1e-9);
        let clock_was_set_back = Sidecar { ended: full().started, ended_monotonic_ns: 3_000_000_000, ..full() };
        assert!((clock_was_set_back.secs() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn sidecars_of_other_versions_are_understood() {
        #[track_caller]
        fn check(text: &str, state: SidecarState, reason: ClipKind) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("clip.json");
            fs::write(&path, text).unwrap();
            let read = Sidecar::read(&path).unwrap();
            assert_eq!((read.state, read.reason, read.is_altered), (state, reason, true), "{text}");
        }
        check("{}", SidecarState::Unknown, ClipKind::Unknown);
        check(r#"{"state":"closed","reason":"manual","new":[1]}"#, SidecarState::Closed, ClipKind::Manual);
        check(r#"{"state":"uploaded","reason":"motion"}"#, SidecarState::Unknown, ClipKind::Unknown);
        check(r#"{"picture":{"kind":"webp"},"lost_pictures":{"new":1}}"#, SidecarState::Unknown, ClipKind::Unknown);
    }

    #[test]
    fn what_is_none_is_told() {
        #[track_caller]
        fn check(bytes: &[u8]) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("clip.json");
            fs::write(&path, bytes).unwrap();
            assert!(Sidecar::read(&path).is_err(), "{}", String::from_utf8_lossy(bytes));
            assert!(set_protected(&path, true).is_err());
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        check(b"");
        check(b"[]  ,");
        check(b"null");
        check(br#"{"pictures":"many"}"#);
        check(br#"{"pictures":-1}"#);
        check(br#"{"started":"yesterday"}"#);
        check(br#"{"state":"clo"#);
        check(&[0; 4_096]);
        check(&vec![b'['; 100_000]);
        check(&vec![b' '; 3 << 20]);
    }

    #[test]
    fn each_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.json");
        full().write(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        assert!(is_sealed(&whole));
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << (place % 8);
            assert!(!is_sealed(&flipped), "{place}");
        }
        assert!((0..whole.len()).all(|len| !is_sealed(&whole[..len])));
    }

    #[test]
    fn a_clip_is_protected_without_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.json");
        write_sealed(&path, &json!({"state": "closed", "from_the_future": {"a": 1}})).unwrap();
        set_protected(&path, true).unwrap();
        set_protected(&path, true).unwrap();
        let read = Sidecar::read(&path).unwrap();
        assert!(read.is_kept(ClipKind::Continuous) && !read.is_altered);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(seal_key()).count(), 1);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["from_the_future"]["a"], 1);
        // What nobody has spoken of is kept by its kind.
        let recorded = Sidecar { reason: ClipKind::Continuous, ..Sidecar::default() };
        assert!(recorded.is_kept(ClipKind::Fault) && !recorded.is_kept(ClipKind::Continuous));
        set_protected(&path, false).unwrap();
        assert!(!Sidecar::read(&path).unwrap().is_kept(ClipKind::Fault));
    }

    #[test]
    fn the_fullest_can_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.json");
        let mut sidecar = full();
        let long: Foreign = "摄".repeat(10_000).into();
        for _ in 0..10_000 {
            let at = sidecar.started.at();
            sidecar.add_event(ClipEvent { at, level: Level::Warning, name: long.clone(), message: long.clone() });
            sidecar.add_kernel_line(ClipKernelLine { at, text: long.clone() });
            sidecar.add_gap(ClipGap { at: sidecar.started, secs: 1.0, cause: long.clone() });
        }
        assert_eq!(sidecar.events.len(), MAX_EVENTS);
        assert_eq!(sidecar.n_left_out, 30_003 - MAX_EVENTS - MAX_KERNEL_LINES - MAX_GAPS);
        let text = serde_json::to_string_pretty(&sidecar).unwrap();
        println!("{} kB", text.len() >> 10);
        sidecar.write(&path).unwrap();
        Sidecar::read(&path).unwrap();
    }
}
