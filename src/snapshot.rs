//! Saves pictures: encoding and writing happen on a thread of their own, so that nobody waits for a disk. Of a camera that sends JPEGs
//! the file is what it has sent, byte for byte.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clips::file_part;
use crate::codec;
use crate::disk::{FileAccess, write_advice, write_whole};
use crate::frame::{Frame, Size};
use crate::packet::ring::PacketRing;
use crate::packet::{Packet, VideoCodec};
use crate::settings::{CameraId, CameraSettings, Settings, SnapshotFormat};

/// Pictures that may wait for the disk. A person presses the key no faster.
const N_WAITING: usize = 8;

/// So many pictures of one millisecond have names of their own.
const MAX_NUMBER: u32 = 1_000;

/// A packet is of a picture where both were taken at the same time: the two come on different ways.
const SAME: Duration = Duration::from_millis(20);
/// Where the packets of a camera were not kept, its next picture is saved in place of the one that is shown, if it comes so soon.
const NEXT_WITHIN: Duration = Duration::from_secs(1);

/// Where and how one picture is to be saved.
#[derive(Clone, Debug)]
pub struct SnapshotTarget {
    pub folder: PathBuf,
    /// A file chosen by the user, whose ending decides the format; `None` names it by camera and time, in `folder`.
    pub file: Option<PathBuf>,
    /// The camera's name, for the file's name.
    pub camera: String,
    pub format: SnapshotFormat,
    /// Of what comes as pixels, or as video.
    pub jpeg_quality_percent: u32,
}

struct WaitingSnapshot {
    camera: CameraId,
    frame: Arc<Frame>,
    jpegs: Option<PacketRing>,
    target: SnapshotTarget,
}

/// What came of a picture that was to be saved.
#[derive(Clone, Debug)]
pub struct SavedSnapshot {
    pub camera: CameraId,
    /// Or a sentence that says what is wrong and what to do.
    pub result: Result<SavedFile, String>,
}

/// A picture on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFile {
    pub path: PathBuf,
    pub size: Size,
    /// It is the camera's own JPEG: nothing was coded anew.
    pub is_as_sent: bool,
}

impl fmt::Display for SavedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_as_sent { ", as the camera sent it" } else { "" };
        write!(f, "{} ({}{how})", self.path.display(), self.size)
    }
}

/// The thread that saves. Dropping it lets the pictures that wait be saved, without waiting for them.
pub struct Snapshots {
    waiting: Sender<WaitingSnapshot>,
    saved: Receiver<SavedSnapshot>,
}

impl Snapshots {
    /// `wake` is called on the saving thread after each picture; it must not block.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(wake: Arc<dyn Fn() + Send + Sync>) -> io::Result<Self> {
        let (waiting, waiting_rx) = bounded::<WaitingSnapshot>(N_WAITING);
        let (saved_tx, saved) = bounded(N_WAITING);
        thread::Builder::new().name("snapshots".to_owned()).spawn(move || {
            for WaitingSnapshot { camera, frame, jpegs, target } in waiting_rx {
                let result = save(&frame, jpegs.as_ref(), &target);
                // Should nobody look at what came of it, the pictures are still saved.
                let _ = saved_tx.try_send(SavedSnapshot { camera, result });
                wake();
            }
        })?;
        Ok(Self { waiting, saved })
    }

    /// Hands a picture of a camera over, with what the camera sends where that is JPEGs. `false` when too many are waiting already: the
    /// disk is slow, or gone.
    #[must_use]
    pub fn take(&self, camera: CameraId, frame: Arc<Frame>, jpegs: Option<PacketRing>, target: SnapshotTarget) -> bool {
        self.waiting.try_send(WaitingSnapshot { camera, frame, jpegs, target }).is_ok()
    }

    /// What came of the next picture, if that is known.
    #[must_use]
    pub fn poll(&self) -> Option<SavedSnapshot> {
        self.saved.try_recv().ok()
    }
}

/// Saves a picture, whole or not at all. Of a camera that sends JPEGs, whose packets are in `jpegs`, it is what was sent, unless a PNG
/// is wanted; that may be waited for, a second at most.
///
/// # Errors
/// A sentence for the user: the folder cannot be made or written, the disk is full, the ending is no picture's.
pub fn save(frame: &Frame, jpegs: Option<&PacketRing>, target: &SnapshotTarget) -> Result<SavedFile, String> {
    let format = target.file.as_deref().map_or(Ok(target.format), format_of)?;
    let jpegs = jpegs.filter(|_| format == SnapshotFormat::Jpeg);
    let sent = jpegs.and_then(|jpegs| sent_of(frame, jpegs, Instant::now() + NEXT_WITHIN));
    let own = sent.as_ref().and_then(|sent| Some((codec::jpeg_file(&sent.bytes)?, sent)));
    let bytes = match (own, format) {
        (Some((jpeg, _)), _) => Cow::Borrowed(jpeg),
        (None, SnapshotFormat::Jpeg) => Cow::Owned(codec::encode_jpeg(&frame.image, target.jpeg_quality_percent)?),
        (None, SnapshotFormat::Png) => Cow::Owned(codec::encode_png(&frame.image)?),
    };
    let at = own.map_or(frame.taken_at_wall, |(_, sent)| sent.taken_at_wall);
    let path = match &target.file {
        Some(file) => file.clone(),
        None => free_name(target, format, at)?,
    };
    write(&path, &bytes)?;
    let size = own.and_then(|(_, sent)| sent.size).unwrap_or_else(|| frame.image.size());
    Ok(SavedFile { path, size, is_as_sent: own.is_some() })
}

/// What the camera has sent of this picture, as a JPEG that is not known to be damaged; where nobody had that kept, of the next one that
/// comes until then.
pub(crate) fn sent_of(frame: &Frame, jpegs: &PacketRing, deadline: Instant) -> Option<Arc<Packet>> {
    let _look = jpegs.look();
    let mut news = jpegs.news();
    let is_sent = |packet: &Arc<Packet>| packet.codec == VideoCodec::Jpeg && !packet.is_made_here && !packet.is_damaged;
    loop {
        if let Some(nearest) = jpegs.nearest(frame.taken_at) {
            let is_later = nearest.taken_at > frame.taken_at;
            let distance = nearest.taken_at.max(frame.taken_at) - nearest.taken_at.min(frame.taken_at);
            return Some(nearest).filter(is_sent).filter(|_| distance <= if is_later { NEXT_WITHIN } else { SAME });
        }
        news.wait_fresh(deadline)?;
    }
}

fn free_name(target: &SnapshotTarget, format: SnapshotFormat, at: SystemTime) -> Result<PathBuf, String> {
    let ending = match format {
        SnapshotFormat::Jpeg => "jpg",
        SnapshotFormat::Png => "png",
    };
    let name = file_name(&target.camera, at.try_into().unwrap_or(Timestamp::UNIX_EPOCH));
    let numbered = |n: u32| {
        let number = if n == 1 { String::new() } else { format!("_{n}") };
        target.folder.join(format!("{name}{number}.{ending}"))
    };
    // Two pictures of one millisecond are two pictures.
    (1..=MAX_NUMBER).map(numbered).find(|file| !file.exists()).ok_or_else(|| {
        format!("The picture was not saved: there are {MAX_NUMBER} of this moment: {}", target.folder.display())
    })
}

/// The format that a file's ending stands for.
///
/// # Errors
/// A sentence that names the endings that are possible.
pub fn format_of(file: &Path) -> Result<SnapshotFormat, String> {
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "jpg" | "jpeg" => Ok(SnapshotFormat::Jpeg),
        "png" => Ok(SnapshotFormat::Png),
        _ => Err(format!("A picture's name ends in .jpg or .png: {}", file.display())),
    }
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::metadata(file).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("The picture was not saved: this is a folder, a file name is missing: {}", file.display()));
    }
    write_whole(file, bytes, FileAccess::Usual).map_err(|error| {
        let advice = write_advice(&error);
        format!("The picture was not saved: {error}. {advice} {}", file.display())
    })
}

/// `C920_2026-11-20_12-41-06.118`, in local time.
fn file_name(camera: &str, at: Timestamp) -> String {
    let name = file_part(camera, "camera");
    format!("{name}_{}", at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d_%H-%M-%S%.3f"))
}

impl SnapshotTarget {
    /// As the settings of the program and of the camera say. `name` is the camera's, for people.
    #[must_use]
    pub fn new(settings: &Settings, camera: &CameraSettings, name: &str) -> Self {
        Self {
            folder: settings.snapshot_folder(),
            file: None,
            camera: name.to_owned(),
            format: settings.snapshot.format,
            jpeg_quality_percent: camera.jpeg_quality_percent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Image;
    use crate::packet::TakePackets;

    fn frame() -> Frame {
        let size = Size { width: 8, height: 8 };
        Frame {
            image: Image::new(size, vec![99; size.n_bytes()]).unwrap(),
            number: 1,
            sequence: None,
            taken_at: Instant::now(),
            taken_at_wall: SystemTime::now(),
        }
    }

    fn target(folder: &Path, file: Option<&str>) -> SnapshotTarget {
        SnapshotTarget {
            file: file.map(|file| folder.join(file)),
            folder: folder.to_owned(),
            ..SnapshotTarget::new(&Settings::default(), &CameraSettings::default(), "sim:640x480,stall@1s")
        }
    }

    #[test]
    fn pictures_are_named_by_camera_and_time_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let frame = frame();
        let target = target(&folder.path().join("new"), None);
        let save = || save(&frame, None, &target).map(|saved| saved.path);
        let (first, second) = (save().unwrap(), save().unwrap());
        assert_ne!(first, second);
        let name = first.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("sim_640x480_stall_1s_2") && name.contains(".jpg"), "{name}");
        let stem = name.strip_suffix(".jpg").unwrap();
        (2..=MAX_NUMBER).for_each(|n| fs::write(first.with_file_name(format!("{stem}_{n}.jpg")), "old").unwrap());
        assert!(save().unwrap_err().contains("of this moment"));
        assert_eq!(fs::read(first.with_file_name(format!("{stem}_{MAX_NUMBER}.jpg"))).unwrap(), b"old");
    }

    #[test]
    fn whatever_a_camera_is_called_its_pictures_can_be_saved() {
        let folder = tempfile::tempdir().unwrap();
        let check = |camera: &str, start: &str| {
            let target = SnapshotTarget { camera: camera.to_owned(), ..target(folder.path(), None) };
            let file = save(&frame(), None, &target).unwrap().path;
            assert_eq!(file.parent(), Some(folder.path()), "{camera:?}");
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(start) && !name.chars().any(char::is_control), "{name:?}");
        };
        check("../../etc/passwd", "etc_passwd_2");
        check("\u{1b}[2J\u{202e}C920\r\n", "2J_C920_2");
        check(r"C:\CON|<>*?", "C__CON_2");
        check("", "camera_2");
        check("/", "camera_2");
        check(&"𝒳".repeat(10_000), "𝒳𝒳");
        check(&"a".repeat(10_000), "aaa");
        check("Kamera 摄像头", "Kamera_摄像头_2");
    }

    #[test]
    fn what_a_camera_has_sent_is_saved_as_it_is() {
        /// What is saved of a picture where a packet came so long behind it: the packet, or what is shown.
        #[track_caller]
        fn check(format: SnapshotFormat, packet: impl Fn(Packet) -> Packet, after_ms: i64, is_as_sent: bool) {
            let folder = tempfile::tempdir().unwrap();
            let frame = frame();
            let jpeg = codec::encode_jpeg(&frame.image, 77).unwrap();
            let ms = Duration::from_millis(after_ms.unsigned_abs());
            let at = if after_ms < 0 { frame.taken_at.checked_sub(ms).unwrap() } else { frame.taken_at + ms };
            let ring = PacketRing::default();
            let _look = ring.look();
            ring.take(packet(Packet::jpeg(&jpeg, Some(frame.image.size()), false, None, at)));
            let target = SnapshotTarget { format, ..target(folder.path(), None) };
            let saved = save(&frame, Some(&ring), &target).unwrap();
            assert_eq!((saved.is_as_sent, saved.size), (is_as_sent, frame.image.size()), "{after_ms}");
            assert_eq!(fs::read(&saved.path).unwrap() == jpeg, is_as_sent);
        }
        let jpeg = SnapshotFormat::Jpeg;
        check(jpeg, |packet| packet, 0, true);
        check(jpeg, |packet| packet, -10, true);
        // The next picture, where nobody had the packets kept.
        check(jpeg, |packet| packet, 300, true);
        check(jpeg, |packet| packet, -30, false);
        check(jpeg, |packet| packet, 3_000, false);
        check(SnapshotFormat::Png, |packet| packet, 0, false);
        check(jpeg, |packet| Packet { is_made_here: true, ..packet }, 0, false);
        check(jpeg, |packet| Packet { is_damaged: true, ..packet }, 0, false);
        check(jpeg, |packet| Packet { codec: VideoCodec::H264, ..packet }, 0, false);
        check(jpeg, |packet| Packet { bytes: packet.bytes[..90].into(), ..packet }, 0, false);
    }

    #[test]
    fn a_camera_that_sends_nothing_more_is_not_waited_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let ring = PacketRing::default();
        let saved = save(&frame(), Some(&ring), &target(folder.path(), None)).unwrap();
        assert!(!saved.is_as_sent && !ring.are_wanted());
    }

    #[test]
    fn the_ending_decides_the_format() {
        let folder = tempfile::tempdir().unwrap();
        for (file, start) in [("a.png", [0x89, b'P']), ("a.JPG", [0xFF, 0xD8]), ("a.jpeg", [0xFF, 0xD8])] {
            let file = save(&frame(), None, &target(folder.path(), Some(file))).unwrap().path;
            assert_eq!(fs::read(file).unwrap()[..2], start);
        }
    }

    #[test]
    fn what_cannot_be_saved_is_said_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        fs::create_dir(folder.path().join("folder.png")).unwrap();
        for (file, says) in [
            ("a.bmp", ".jpg or .png"),
            ("a", ".jpg or .png"),
            ("file/a.png", "Choose another folder"),
            ("folder.png", "is a folder"),
        ] {
            let error = save(&frame(), None, &target(folder.path(), Some(file))).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_hundred_pictures_in_a_row_are_all_saved() {
        let folder = tempfile::tempdir().unwrap();
        let (wake_tx, wake_rx) = bounded(100);
        let snapshots = Snapshots::start(Arc::new(move || wake_tx.try_send(()).unwrap())).unwrap();
        let frame = Arc::new(frame());
        for _ in 0..100 {
            assert!(snapshots.take(CameraId(1), Arc::clone(&frame), None, target(folder.path(), None)));
            wake_rx.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
            snapshots.poll().unwrap().result.unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 100);
    }
}
