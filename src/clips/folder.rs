//! The folder into which clips go, and the marker in it.
//!
//! The marker makes it ours: with its id it is told from an empty mount point, whose disk is not there, before the
//! first byte is written. A folder with files of others is taken as it is; nothing in it is touched but what bears our
//! names in our places.
//!
//! All of this asks the disk, so that it may block for ever on a network share: the caller has a thread and a deadline
//! for it, and says [`FolderTrouble::Hangs`].

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::listing::{ClipListing, list};
use super::name::{ClipName, ClipPaths, is_camera_folder};
use crate::disk::{FileAccess, FileLock, lock_file, make_folder, read_regular, sync_folder, write_whole};

const MARKER: &str = ".camclinic";
/// Held by who deletes clips or makes the marker.
const LOCK: &str = ".camclinic.lock";
const MAX_MARKER_BYTES: u64 = 4_096;
const N_ID_CHARS: usize = 32;
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// Clips that begin in one millisecond: each takes the next that is free.
const MAX_LATER_MS: i64 = 1_000;

/// Why clips cannot go into a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderTrouble {
    IsFile,
    NotMade(String),
    ReadOnly,
    Denied,
    Full,
    /// It was used before, and is not there.
    Gone,
    /// It was used before, and its marker is not there: as a rule the disk is not mounted.
    WithoutMarker,
    /// It is another one than was used before.
    OtherFolder,
    MarkerDamaged,
    /// The caller has waited so long.
    Hangs(Duration),
    Other(String),
}

impl FolderTrouble {
    /// Of a call that failed in a folder that was good.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::PermissionDenied => Self::Denied,
            io::ErrorKind::NotFound | io::ErrorKind::StaleNetworkFileHandle | io::ErrorKind::NotConnected => Self::Gone,
            _ => Self::Other(error.to_string()),
        }
    }

    /// What is wrong and what to do.
    #[must_use]
    pub fn sentence(&self, folder: &Path) -> String {
        let shown = folder.display();
        match self {
            Self::IsFile => format!("Clips cannot be kept: this is a file, not a folder. Choose a folder. {shown}"),
            Self::NotMade(why) => {
                format!("Clips cannot be kept: the folder cannot be made: {why}. Choose another folder. {shown}")
            }
            Self::ReadOnly => format!(
                "Clips cannot be kept: the disk is read-only. Choose another folder, or look whether the disk is \
                 write-protected or damaged. {shown}"
            ),
            Self::Denied => {
                format!("Clips cannot be kept: you may not write there. Choose a folder that you may write to. {shown}")
            }
            Self::Full => {
                format!("Clips cannot be kept: the disk is full. Make room on it, or choose another folder. {shown}")
            }
            Self::Gone => format!(
                "Clips cannot be kept: the folder is not there any more. Connect its disk or network share, or choose \
                 the folder anew. {shown}"
            ),
            Self::WithoutMarker => format!(
                "Clips cannot be kept: the folder is there, but without the file {MARKER} that was made in it, so that \
                 its disk is probably not connected. Connect the disk or network share, or choose the folder anew. \
                 {shown}"
            ),
            Self::OtherFolder => format!(
                "Clips cannot be kept: this is not the folder that was used before, but another one in its place. \
                 Connect the right disk, or choose the folder anew. {shown}"
            ),
            Self::MarkerDamaged => format!(
                "Clips cannot be kept: the file {MARKER} in the folder cannot be read. Look whether the disk is good; \
                 delete that file if it is. {shown}"
            ),
            Self::Hangs(waited) => format!(
                "Clips cannot be kept: the disk or network share has not answered for {} s. Look at the connection to \
                 it, or choose a folder on this computer. {shown}",
                waited.as_secs()
            ),
            Self::Other(why) => format!("Clips cannot be kept: {why}. Choose another folder. {shown}"),
        }
    }
}

impl From<io::Error> for FolderTrouble {
    fn from(error: io::Error) -> Self {
        Self::of(&error)
    }
}

impl fmt::Display for FolderTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.sentence(Path::new(""));
        f.write_str(sentence.trim_end())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct FolderMarker {
    id: String,
    made: Timestamp,
    about: String,
}

/// A folder that was looked at and can take clips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipFolder {
    path: PathBuf,
    id: String,
    has_others: bool,
}

impl ClipFolder {
    /// Looks at a folder, and writes into it to see that it can be done. Without an expected id it is made if need be,
    /// and gets its marker; with that of an earlier use neither.
    ///
    /// # Errors
    /// See [`FolderTrouble`]. Nothing is left behind.
    pub fn open(path: &Path, expected_id: Option<&str>, now: Timestamp) -> Result<Self, FolderTrouble> {
        match fs::metadata(path) {
            Ok(about) if about.is_dir() => {}
            Ok(_) => return Err(FolderTrouble::IsFile),
            Err(error) if error.kind() == io::ErrorKind::NotFound && expected_id.is_some() => {
                return Err(FolderTrouble::Gone);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                make_folder(path, FileAccess::Usual).map_err(|error| match FolderTrouble::of(&error) {
                    FolderTrouble::Gone | FolderTrouble::Other(_) => FolderTrouble::NotMade(error.to_string()),
                    trouble => trouble,
                })?;
            }
            Err(error) => return Err(FolderTrouble::of(&error)),
        }
        let id = match (read_marker(path)?, expected_id) {
            (None, Some(_)) => return Err(FolderTrouble::WithoutMarker),
            (None, None) => make_marker(path, now)?,
            (Some(id), Some(expected)) if id != expected => return Err(FolderTrouble::OtherFolder),
            (Some(id), _) => id,
        };
        try_writing(path)?;
        let is_other = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            !name.starts_with(MARKER) && !is_camera_folder(&name)
        };
        let has_others = fs::read_dir(path)?.flatten().any(is_other);
        Ok(Self { path: path.to_owned(), id, has_others })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// To be remembered beside the folder's path, and expected the next time.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether something else is kept in it, which somebody should know who wonders where the room has gone.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.has_others
    }

    /// Whether it still is the one that was opened.
    ///
    /// # Errors
    /// Its disk was taken away, or something else is in its place.
    pub fn check(&self) -> Result<(), FolderTrouble> {
        match read_marker(&self.path)? {
            Some(id) if id == self.id => Ok(()),
            Some(_) => Err(FolderTrouble::OtherFolder),
            None if self.path.is_dir() => Err(FolderTrouble::WithoutMarker),
            None => Err(FolderTrouble::Gone),
        }
    }

    /// Makes the file of a new clip, never over another: `create` is given its path, and must fail with
    /// [`io::ErrorKind::AlreadyExists`] where something is there. Of two clips of one moment the second bears the next
    /// millisecond.
    ///
    /// # Errors
    /// The folder is not there any more, or as `create` says.
    pub fn claim<T>(
        &self,
        camera_folder: &str,
        name: &ClipName,
        mut create: impl FnMut(&Path) -> io::Result<T>,
    ) -> Result<(T, ClipName, ClipPaths), FolderTrouble> {
        self.check()?;
        for later_ms in 0..MAX_LATER_MS {
            let name = ClipName { started: name.started.later_by_ms(later_ms), reason: name.reason.clone() };
            let paths = ClipPaths::new(&self.path, camera_folder, &name);
            let others = [&paths.closed, &paths.sidecar, &paths.picture];
            let is_taken = || others.iter().any(|path| path.symlink_metadata().is_ok());
            if is_taken() {
                continue;
            }
            let day = self.path.join(camera_folder).join(name.day());
            let mut created = make_below(&self.path, &day).and_then(|()| create(&paths.unfinished));
            if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                // Another program has deleted the empty folder meanwhile.
                created = make_below(&self.path, &day).and_then(|()| create(&paths.unfinished));
            }
            match created {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
                // Another program has closed one of this name meanwhile.
                Ok(file) if is_taken() => {
                    drop(file);
                    fs::remove_file(&paths.unfinished)?;
                }
                Ok(file) => return Ok((file, name, paths)),
            }
        }
        Err(FolderTrouble::Other(format!("there are {MAX_LATER_MS} clips of this moment")))
    }

    /// All clips in it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> io::Result<ClipListing> {
        list(&self.path)
    }

    /// One program at a time deletes clips. `None` while another one does, or the folder is not there.
    #[must_use]
    pub fn lock(&self) -> Option<FileLock> {
        self.check().ok()?;
        lock_file(&self.path.join(LOCK), LOCK_PATIENCE)
    }
}

/// Makes the two folders of a camera and its day, and never the one above them: where a disk was taken away, nothing is
/// made in its place. A folder whose name is lost with the power takes all that is in it along.
fn make_below(root: &Path, day: &Path) -> io::Result<()> {
    for folder in [day.parent().unwrap_or(root), day] {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                sync_folder(folder)?;
            }
        }
        // A link could lead anywhere.
        if !folder.symlink_metadata()?.is_dir() {
            let why = format!("this is no folder: {}", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(())
}

/// The id in the marker; `None` where there is none. One that is empty was being written when the computer lost its
/// power.
fn read_marker(folder: &Path) -> Result<Option<String>, FolderTrouble> {
    let bytes = match read_regular(&folder.join(MARKER), MAX_MARKER_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(FolderTrouble::Denied),
        Err(_) => return Err(FolderTrouble::MarkerDamaged),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    let marker: FolderMarker = serde_json::from_slice(&bytes).map_err(|_| FolderTrouble::MarkerDamaged)?;
    let is_id = marker.id.len() == N_ID_CHARS && marker.id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(Some(marker.id)) } else { Err(FolderTrouble::MarkerDamaged) }
}

/// Of two programs that do this at the same time, the second takes the marker of the first.
fn make_marker(folder: &Path, now: Timestamp) -> Result<String, FolderTrouble> {
    let lock = lock_file(&folder.join(LOCK), LOCK_PATIENCE);
    if let Some(id) = read_marker(folder)? {
        return Ok(id);
    }
    let marker = FolderMarker {
        id: format!("{:032x}", fastrand::u128(..)),
        made: now,
        about: "Camclinic keeps clips in this folder. With this file it knows the folder again.".to_owned(),
    };
    let text = serde_json::to_string_pretty(&marker).map_err(io::Error::from)?;
    let written = write_whole(&folder.join(MARKER), text.as_bytes(), FileAccess::Usual);
    if written.is_err() && lock.is_some() {
        let _ = fs::remove_file(folder.join(LOCK));
    }
    written?;
    sync_folder(&folder.join(MARKER))?;
    Ok(marker.id)
}

fn try_writing(folder: &Path) -> io::Result<()> {
    // Under a name that is swept should the program be killed now.
    let mut file = tempfile::Builder::new().prefix(".camclinic-").rand_bytes(6).tempfile_in(folder)?;
    file.write_all(&[0; 4_096])?;
    file.as_file().sync_data()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::clips::{ClipKind, ClipReason};

    fn open(path: &Path, expected: Option<&str>) -> Result<ClipFolder, FolderTrouble> {
        ClipFolder::open(path, expected, "2026-11-20T11:00:00Z".parse().unwrap())
    }

    fn name(text: &str) -> ClipName {
        ClipName { started: text.parse().unwrap(), reason: ClipReason::new(ClipKind::Fault, "stall") }
    }

    #[test]
    fn a_folder_is_known_again() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/clips");
        let first = open(&path, None).unwrap();
        assert!(!first.has_others());
        assert_eq!(open(&path, None).unwrap(), first);
        assert_eq!(open(&path, Some(first.id())).unwrap(), first);
        first.check().unwrap();
        let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name == MARKER || name == LOCK), "{names:?}");
        // Files of others are no obstacle.
        fs::write(path.join("holiday.mp4"), "mine").unwrap();
        assert!(open(&path, None).unwrap().has_others());
        // The power was lost while it was written.
        fs::write(path.join(MARKER), "").unwrap();
        assert_eq!(open(&path, Some(first.id())), Err(FolderTrouble::WithoutMarker));
        assert_ne!(open(&path, None).unwrap().id(), first.id());
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said_before_the_first_byte() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let check = |name: &str, expected_id: Option<&str>, trouble: &FolderTrouble, says: &str| {
            let got = open(&at(name), expected_id).unwrap_err();
            assert_eq!(&got, trouble, "{name}");
            let sentence = got.sentence(&at(name));
            assert!(sentence.contains(says) && sentence.ends_with(&at(name).display().to_string()), "{sentence}");
        };
        let id = open(&at("good"), None).unwrap().id().to_owned();
        fs::write(at("file"), "").unwrap();
        check("file", None, &FolderTrouble::IsFile, "a file");
        fs::create_dir(at("mount")).unwrap();
        check("mount", Some(&id), &FolderTrouble::WithoutMarker, "not connected");
        assert_eq!(fs::read_dir(at("mount")).unwrap().count(), 0);
        check("nowhere", Some(&id), &FolderTrouble::Gone, "not there");
        assert!(!at("nowhere").exists());
        check("good", Some(&"0".repeat(32)), &FolderTrouble::OtherFolder, "another one");
        for marker in ["{", "[]", r#"{"id":"x"}"#, r#"{"id":7}"#, "{}"] {
            fs::create_dir_all(at("damaged")).unwrap();
            fs::write(at("damaged").join(MARKER), marker).unwrap();
            check("damaged", None, &FolderTrouble::MarkerDamaged, "cannot be read");
            assert_eq!(fs::read_to_string(at("damaged").join(MARKER)).unwrap(), marker);
        }
        let got = open(&at("file/below"), None).unwrap_err();
        assert!(matches!(got, FolderTrouble::NotMade(_)), "{got:?}");
        if cfg!(target_family = "unix") {
            let got = open(Path::new("/proc/clips"), None).unwrap_err();
            assert!(!got.to_string().is_empty(), "{got:?}");
        }
        for trouble in [FolderTrouble::ReadOnly, FolderTrouble::Denied, FolderTrouble::Full] {
            assert!(trouble.to_string().contains("Choose") || trouble.to_string().contains("choose"));
        }
        assert!(FolderTrouble::Hangs(Duration::from_secs(5)).to_string().contains("5 s"));
    }

    #[test]
    fn a_clip_is_never_made_over_another() {
        let place = tempfile::tempdir().unwrap();
        let folder = open(place.path(), None).unwrap();
        let create = |path: &Path| File::create_new(path);
        let at = "2026-11-20T23:59:59.998+01:00";
        let claim = || folder.claim("C920-1a2b3c4d", &name(at), create).unwrap();
        let (_file, first, paths) = claim();
        assert_eq!(first, name(at));
        let (_file, second, _) = claim();
        assert_eq!(second, name("2026-11-20T23:59:59.999+01:00"));
        // Into the next day, for its folder bears the date in the name.
        let (_file, third, third_paths) = claim();
        assert_eq!(third.day(), "2026-11-21");
        assert!(third_paths.unfinished.exists());
        fs::rename(&paths.unfinished, &paths.closed).unwrap();
        fs::rename(&third_paths.unfinished, &third_paths.sidecar).unwrap();
        assert_eq!(claim().1, name("2026-11-21T00:00:00.001+01:00"));
    }

    /// One closes a clip of this name between the other's look and its file.
    #[test]
    fn of_two_programs_none_takes_the_others_name() {
        let place = tempfile::tempdir().unwrap();
        let folder = open(place.path(), None).unwrap();
        let at = name("2026-11-20T12:00:00Z");
        let mut n_calls = 0;
        let create = |path: &Path| {
            n_calls += 1;
            if n_calls == 1 {
                fs::write(ClipPaths::new(folder.path(), "C920-1a2b3c4d", &at).closed, "theirs").unwrap();
            }
            File::create_new(path)
        };
        let (_, mine, _) = folder.claim("C920-1a2b3c4d", &at, create).unwrap();
        assert_eq!(mine, name("2026-11-20T12:00:00.001Z"));
        let paths = ClipPaths::new(folder.path(), "C920-1a2b3c4d", &at);
        assert!(!paths.unfinished.exists());
        assert_eq!(fs::read(paths.closed).unwrap(), b"theirs");
    }

    #[test]
    fn nothing_is_made_where_a_disk_was_taken_away() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("mount");
        let folder = open(&path, None).unwrap();
        let claim = || folder.claim("C920-1a2b3c4d", &name("2026-11-20T12:00:00Z"), |path| File::create_new(path));
        fs::rename(&path, place.path().join("away")).unwrap();
        assert_eq!(claim().unwrap_err(), FolderTrouble::Gone);
        assert!(folder.lock().is_none() && !path.exists());
        fs::create_dir(&path).unwrap();
        assert_eq!(claim().unwrap_err(), FolderTrouble::WithoutMarker);
        assert!(folder.lock().is_none());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        open(&path, None).unwrap();
        assert_eq!(claim().unwrap_err(), FolderTrouble::OtherFolder);
        fs::remove_dir_all(&path).unwrap();
        fs::rename(place.path().join("away"), &path).unwrap();
        claim().unwrap();
        let held = folder.lock();
        assert!(held.is_some() && folder.clone().lock().is_none());
    }

    #[test]
    fn two_programs_agree_on_one_marker() {
        for _ in 0..20 {
            let place = tempfile::tempdir().unwrap();
            let ids: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| open(place.path(), None).unwrap().id)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }
}
