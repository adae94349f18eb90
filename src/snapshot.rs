//! Saves pictures: encoding and writing happen on a thread of their own, so that nobody waits for a disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clips::file_part;
use crate::codec;
use crate::disk::{FileAccess, write_advice, write_whole};
use crate::frame::{Frame, Image};
use crate::settings::{CameraId, CameraSettings, Settings, SnapshotFormat};

/// Pictures that may wait for the disk. A person presses the key no faster.
const N_WAITING: usize = 8;

/// So many pictures of one millisecond have names of their own.
const MAX_NUMBER: u32 = 1_000;

/// Where and how one picture is to be saved.
#[derive(Clone, Debug)]
pub struct SnapshotTarget {
    pub folder: PathBuf,
    /// A file chosen by the user, whose ending decides the format; `None` names it by camera and time, in `folder`.
    pub file: Option<PathBuf>,
    /// The camera's name, for the file's name.
    pub camera: String,
    pub format: SnapshotFormat,
    pub jpeg_quality_percent: u32,
}

struct WaitingSnapshot {
    camera: CameraId,
    frame: Arc<Frame>,
    target: SnapshotTarget,
}

/// What came of a picture that was to be saved.
#[derive(Clone, Debug)]
pub struct SavedSnapshot {
    pub camera: CameraId,
    /// The file, or a sentence that says what is wrong and what to do.
    pub result: Result<PathBuf, String>,
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
            for WaitingSnapshot { camera, frame, target } in waiting_rx {
                let result = save(&frame, &target);
                // Should nobody look at what came of it, the pictures are still saved.
                let _ = saved_tx.try_send(SavedSnapshot { camera, result });
                wake();
            }
        })?;
        Ok(Self { waiting, saved })
    }

    /// Hands a picture of a camera over. `false` when too many are waiting already: the disk is slow, or gone.
    #[must_use]
    pub fn take(&self, camera: CameraId, frame: Arc<Frame>, target: SnapshotTarget) -> bool {
        self.waiting.try_send(WaitingSnapshot { camera, frame, target }).is_ok()
    }

    /// What came of the next picture, if that is known.
    #[must_use]
    pub fn poll(&self) -> Option<SavedSnapshot> {
        self.saved.try_recv().ok()
    }
}

/// Saves a picture, whole or not at all, and returns its file.
///
/// # Errors
/// A sentence for the user: the folder cannot be made or written, the disk is full, the ending is no picture's.
pub fn save(frame: &Frame, target: &SnapshotTarget) -> Result<PathBuf, String> {
    if let Some(file) = &target.file {
        let format = format_of(file)?;
        write(&frame.image, format, target.jpeg_quality_percent, file)?;
        return Ok(file.clone());
    }
    let ending = match target.format {
        SnapshotFormat::Jpeg => "jpg",
        SnapshotFormat::Png => "png",
    };
    let name = file_name(&target.camera, frame.taken_at_wall.try_into().unwrap_or(Timestamp::UNIX_EPOCH));
    let numbered = |n: u32| {
        let number = if n == 1 { String::new() } else { format!("_{n}") };
        target.folder.join(format!("{name}{number}.{ending}"))
    };
    // Two pictures of one millisecond are two pictures.
    let file = (1..=MAX_NUMBER).map(numbered).find(|file| !file.exists()).ok_or_else(|| {
        format!("The picture was not saved: there are {MAX_NUMBER} of this moment: {}", target.folder.display())
    })?;
    write(&frame.image, target.format, target.jpeg_quality_percent, &file)?;
    Ok(file)
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

fn write(image: &Image, format: SnapshotFormat, jpeg_quality_percent: u32, file: &Path) -> Result<(), String> {
    if fs::metadata(file).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("The picture was not saved: this is a folder, a file name is missing: {}", file.display()));
    }
    let bytes = match format {
        SnapshotFormat::Jpeg => codec::encode_jpeg(image, jpeg_quality_percent)?,
        SnapshotFormat::Png => codec::encode_png(image)?,
    };
    write_whole(file, &bytes, FileAccess::Usual).map_err(|error| {
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
    use std::time::{Instant, SystemTime};

    use super::*;
    use crate::frame::Size;

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
        let (first, second) = (save(&frame, &target).unwrap(), save(&frame, &target).unwrap());
        assert_ne!(first, second);
        let name = first.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("sim_640x480_stall_1s_2") && name.contains(".jpg"), "{name}");
        let stem = name.strip_suffix(".jpg").unwrap();
        (2..=MAX_NUMBER).for_each(|n| fs::write(first.with_file_name(format!("{stem}_{n}.jpg")), "old").unwrap());
        assert!(save(&frame, &target).unwrap_err().contains("of this moment"));
        assert_eq!(fs::read(first.with_file_name(format!("{stem}_{MAX_NUMBER}.jpg"))).unwrap(), b"old");
    }

    #[test]
    fn whatever_a_camera_is_called_its_pictures_can_be_saved() {
        let folder = tempfile::tempdir().unwrap();
        let check = |camera: &str, start: &str| {
            let target = SnapshotTarget { camera: camera.to_owned(), ..target(folder.path(), None) };
            let file = save(&frame(), &target).unwrap();
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
    fn the_ending_decides_the_format() {
        let folder = tempfile::tempdir().unwrap();
        for (file, start) in [("a.png", [0x89, b'P']), ("a.JPG", [0xFF, 0xD8]), ("a.jpeg", [0xFF, 0xD8])] {
            let file = save(&frame(), &target(folder.path(), Some(file))).unwrap();
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
            let error = save(&frame(), &target(folder.path(), Some(file))).unwrap_err();
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
            assert!(snapshots.take(CameraId(1), Arc::clone(&frame), target(folder.path(), None)));
            wake_rx.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
            snapshots.poll().unwrap().result.unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 100);
    }
}
