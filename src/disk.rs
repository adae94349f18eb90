//! The disk: files that are whole at every moment, who may read them, what to say when one cannot be written, and how much room is
//! left. Nothing but regular files is read or written: a pipe would be waited for, and a device has no end.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use sysinfo::{DiskRefreshKind, Disks};

/// Names of files that are being written: this, and random letters and digits.
const TEMPORARY: &str = ".camclinic-";
const N_RANDOM: usize = 6;
/// No file takes longer to be written: one that is older was left behind by a program that was killed.
const WRITTEN_WITHIN: Duration = Duration::from_hours(1);
/// With which some editors begin a text in UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The clock is believed where something was kept by it so many days ago. One that was set wrongly a moment ago has
/// kept nothing then.
const BELIEVED_AFTER: SignedDuration = SignedDuration::from_hours(24 * 3);
const BELIEVED_WITHIN: SignedDuration = SignedDuration::from_hours(24 * 30);
/// In a folder of many thousand pictures not all of them are looked at for each that is added.
const N_SWEPT: usize = 1_000;

/// Who may read what is written. Windows has this from the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// As the user wants it of his files (umask).
    Usual,
    /// Nobody but the user: for what holds addresses, names, or what happened when.
    Private,
}

impl FileAccess {
    /// The rights of a new file, before the umask.
    fn mode(self) -> u32 {
        match self {
            Self::Usual => 0o666,
            Self::Private => 0o600,
        }
    }
}

/// Writes a file under a temporary name beside its place, flushes it to the disk and renames it. The folder is made if need be. Who
/// could not read the file that was there cannot read the new one.
///
/// # Errors
/// As the system says, or something else than a file is there; nothing is left behind, and what is there is untouched.
pub fn write_whole(path: &Path, bytes: &[u8], access: FileAccess) -> io::Result<()> {
    write_whole_by(path, access, |file| file.write_all(bytes))
}

/// The same for what is too large to be held in memory: `write` is given the file, and what it returns is returned.
///
/// # Errors
/// As [`write_whole`], and those of `write`.
pub fn write_whole_by<T>(
    path: &Path,
    access: FileAccess,
    write: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        there => Some(there?),
    };
    there.as_ref().map_or(Ok(()), refuse_irregular)?;
    make_folder(folder, access)?;
    sweep(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY).rand_bytes(N_RANDOM);
    #[cfg(unix)]
    let rights = {
        use std::os::unix::fs::PermissionsExt;
        let of_old = there.filter(|_| access == FileAccess::Usual).map_or(0o777, |old| old.permissions().mode());
        fs::Permissions::from_mode(access.mode() & of_old)
    };
    #[cfg(unix)]
    builder.permissions(rights);
    let mut file = builder.tempfile_in(folder)?;
    let written = write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(written)
}

/// On Unix a path need not be text.
#[must_use]
pub fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    #[cfg(unix)]
    let path = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes);
    #[cfg(not(unix))]
    let path = String::from_utf8_lossy(&bytes).into_owned();
    path.into()
}

/// Makes a private file to be written and read; nothing may be there.
///
/// # Errors
/// As the system says.
pub fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, FileAccess::Private.mode());
    options.open(path)
}

/// Sees to it that the name of a file, or of a folder, is on the disk: one that is not is lost with the power, and what it names with
/// it. Windows does this by itself; some file systems have nothing to be asked for it.
///
/// # Errors
/// As the system says.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match File::open(folder)?.sync_all() {
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            synced => synced?,
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Reads bytes of a file from a place on, and returns how many; where it is read next does not change on Unix.
///
/// # Errors
/// As the system says.
pub fn read_at(file: &File, room: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    let n_read = std::os::unix::fs::FileExt::read_at(file, room, at);
    #[cfg(not(unix))]
    let n_read = {
        use io::{Seek, SeekFrom};
        let mut file = file;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read(room))
    };
    n_read
}

/// A file is read here and there, or no longer: what lies between is not wanted. Systems that cannot be told read it too.
pub fn expect_jumps(file: &File, is_jumping: bool) {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    {
        let advice = if is_jumping { rustix::fs::Advice::Random } else { rustix::fs::Advice::Normal };
        let _ = rustix::fs::fadvise(file, 0, None, advice);
    }
    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    let _ = (file, is_jumping);
}

/// Makes a folder and those above it, where they are not there.
///
/// # Errors
/// As the system says.
pub fn make_folder(folder: &Path, access: FileAccess) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    // Who may read a folder may look for files in it.
    let mode = access.mode() | access.mode() >> 2 & 0o111;
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(folder)
}

/// Opens a file for reading.
///
/// # Errors
/// As the system says, or it is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true))
}

/// Opens a private file for reading, and for writing at its end; it is made if need be.
///
/// # Errors
/// As [`open_regular`].
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(FileAccess::Private.mode());
    }
    let file = open(path, &mut options)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Another program may have made it.
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    Ok(file)
}

/// The bytes of a file that is not longer than that.
///
/// # Errors
/// As [`open_regular`], or it is longer.
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n_bytes| n_bytes > max_bytes) {
        let why = format!("it is larger than {} MB", max_bytes >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Some devices do something when they are opened.
    if let Ok(there) = fs::metadata(path) {
        refuse_irregular(&there)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Should a pipe have come in its place meanwhile, nobody waits for its other end. A regular file does not care.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    refuse_irregular(&file.metadata()?)?;
    Ok(file)
}

fn refuse_irregular(about: &Metadata) -> io::Result<()> {
    if about.is_file() {
        return Ok(());
    }
    Err(if about.is_dir() {
        io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file")
    } else {
        io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device, not a file")
    })
}

/// A file that one program at a time holds, as long as this lives.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "closing it lets go")] File);

/// Waits until no other program holds the file, which is made if need be. `None` where one still does after this time, or the system
/// has no such thing: nobody stays out for ever because another program is stopped.
#[must_use]
pub fn lock_file(path: &Path, patience: Duration) -> Option<FileLock> {
    const POLL: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + patience;
    make_folder(path.parent()?, FileAccess::Private).ok()?;
    let file = open_to_append(path).ok()?;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(FileLock(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(POLL),
            Err(_) => return None,
        }
    }
}

/// Deletes what [`write_whole`] left in this folder when the program was killed, as far as it is found in passing. What cannot be
/// deleted stays.
pub fn sweep(folder: &Path) {
    let now = SystemTime::now();
    for entry in fs::read_dir(folder).into_iter().flatten().take(N_SWEPT).flatten() {
        let is_old = |about: Metadata| {
            // A time to come is that of a clock that was wrong: nothing is known of its age.
            let age = about.modified().ok().and_then(|written| now.duration_since(written).ok());
            about.is_file() && age.is_some_and(|age| age > WRITTEN_WITHIN)
        };
        if entry.file_name().to_str().is_some_and(is_temporary) && entry.metadata().is_ok_and(is_old) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// How old those are that were kept with a date, by a clock that may be wrong: nothing is over until it is believed. In
/// the first days and behind a long pause it is not.
#[derive(Clone, Copy, Debug)]
pub struct KeptAges {
    now: Timestamp,
    is_believed: bool,
}

impl KeptAges {
    /// `dates` are those of all that is kept.
    #[must_use]
    pub fn new(now: Timestamp, dates: impl IntoIterator<Item = Timestamp>) -> Self {
        let bears_out = |date| (BELIEVED_AFTER..=BELIEVED_WITHIN).contains(&now.duration_since(date));
        Self { now, is_believed: dates.into_iter().any(bears_out) }
    }

    /// Whether something is older than that, or as far ahead, which only a wrong clock has dated.
    #[must_use]
    pub fn is_over(self, date: Timestamp, kept: SignedDuration) -> bool {
        self.is_believed && self.now.duration_since(date).abs() > kept
    }
}

fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(TEMPORARY);
    random.is_some_and(|random| random.len() == N_RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What to do about a file that could not be written, as a sentence.
#[must_use]
pub fn write_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "Choose a folder that you may write to.",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk, or choose another folder.",
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => "Choose another name.",
        _ => "Choose another folder.",
    }
}

/// The disk that a folder lies on, or will lie on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    pub free_bytes: u64,
    /// A network share, or one that can be unplugged.
    pub is_remote: bool,
}

/// `None` where the system does not tell. Asks it, so that it may block: not for the window's thread.
#[must_use]
pub fn disk_of(folder: &Path) -> Option<Disk> {
    const REMOTE: [&str; 6] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs"];
    let existing = folder.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage()).ok()?;
    let disk = disks
        .iter()
        .filter(|disk| existing.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())?;
    let file_system = disk.file_system().to_string_lossy().to_lowercase();
    let is_remote = disk.is_removable() || REMOTE.contains(&file_system.as_str());
    Some(Disk { free_bytes: disk.available_space(), is_remote })
}

/// How much room is left for this user on the disk of a folder that exists. One call to the system, so that it can be asked each
/// second; it may block where the disk does.
///
/// # Errors
/// As the system says, or its answer cannot be true: that is never “enough”.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    /// No disk has so much. Some network file systems say so when they do not know.
    const MAX_BYTES: u64 = 1 << 60;
    let unknown = || io::Error::other("the system does not tell how much room is left");
    #[cfg(unix)]
    let free_bytes = {
        let told = rustix::fs::statvfs(folder)?;
        (told.f_blocks > 0).then(|| told.f_bavail.saturating_mul(told.f_frsize))
    };
    #[cfg(not(unix))]
    let free_bytes = disk_of(folder).map(|disk| disk.free_bytes);
    free_bytes.filter(|free_bytes| *free_bytes < MAX_BYTES).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reading and writing in place of each of these, as `read | written | appended`.
    #[cfg(unix)]
    #[test]
    fn nothing_but_a_regular_file_is_read_or_written() {
        const MAX: u64 = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let check = |path: &Path, read: &str, changed: &str| {
            let told = |result: io::Result<()>| result.map_or_else(|error| error.to_string(), |()| "good".to_owned());
            let is_kept = |result: &str| changed == "good" || result.contains(changed);
            let got = told(read_regular(path, MAX).map(drop));
            assert!(got.contains(read), "{}: {got}", path.display());
            let got = told(open_to_append(path).map(drop));
            assert!(is_kept(&got), "{}: {got}", path.display());
            let got = told(write_whole(path, b"new", FileAccess::Usual));
            assert!(is_kept(&got), "{}: {got}", path.display());
        };
        fs::write(at("file"), "old").unwrap();
        check(&at("file"), "good", "good");
        assert_eq!(fs::read(at("file")).unwrap(), b"new");
        check(&at("none"), "No such file", "good");
        // Nobody ever writes to the pipe.
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        check(&at("pipe"), "a pipe", "a pipe");
        check(Path::new("/dev/zero"), "a device", "a device");
        std::os::unix::fs::symlink("/dev/zero", at("link")).unwrap();
        check(&at("link"), "a device", "a device");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        check(&at("socket"), "a socket", "a socket");
        fs::create_dir(at("folder")).unwrap();
        check(&at("folder"), "a folder", "a folder");
        // It has holes: no disk is filled.
        File::create(at("huge")).unwrap().set_len(10 << 30).unwrap();
        check(&at("huge"), "larger than 1 MB", "good");
        let left = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_str().is_some_and(is_temporary));
        assert_eq!(left.count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn who_may_read_a_file_is_as_the_user_wants_it() {
        use std::os::unix::fs::PermissionsExt;
        #[track_caller]
        fn check(old: Option<u32>, access: FileAccess, expected: u32) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new/file");
            if let Some(mode) = old {
                fs::create_dir(folder.path().join("new")).unwrap();
                fs::write(&path, "old").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            // As the system makes any file of this user.
            fs::write(folder.path().join("usual"), "").unwrap();
            fs::create_dir(folder.path().join("usual folder")).unwrap();
            let (usual, usual_folder) = (mode(&folder.path().join("usual")), mode(&folder.path().join("usual folder")));
            write_whole(&path, b"new", access).unwrap();
            assert_eq!(mode(&path), expected & usual, "{old:?} {access:?}");
            if old.is_none() {
                let expected = if access == FileAccess::Private { 0o700 } else { usual_folder };
                assert_eq!(mode(&folder.path().join("new")), expected, "{access:?}");
            }
            if access == FileAccess::Private {
                let added = folder.path().join("added");
                fs::write(&added, "").unwrap();
                open_to_append(&added).unwrap();
                open_to_append(&folder.path().join("made")).unwrap();
                assert_eq!((mode(&added), mode(&folder.path().join("made"))), (0o600, 0o600));
            }
        }
        check(None, FileAccess::Usual, 0o666);
        check(Some(0o644), FileAccess::Usual, 0o644);
        check(Some(0o600), FileAccess::Usual, 0o600);
        check(Some(0o640), FileAccess::Usual, 0o640);
        check(None, FileAccess::Private, 0o600);
        check(Some(0o666), FileAccess::Private, 0o600);
        check(Some(0o644), FileAccess::Private, 0o600);
    }

    #[test]
    fn room_that_is_not_known_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(&folder.path().join("none")).is_err());
        // It has no blocks at all.
        if Path::new("/proc/self").exists() {
            assert!(free_bytes(Path::new("/proc")).is_err());
        }
    }

    #[test]
    fn what_could_not_be_written_to_its_end_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let write = |fails: bool| {
            write_whole_by(&path, FileAccess::Usual, |file| {
                file.write_all(b"new")?;
                if fails { Err(io::ErrorKind::Interrupted.into()) } else { Ok(7) }
            })
        };
        assert_eq!(write(true).unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(write(false).unwrap(), 7);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_file_is_held_once_and_waited_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.lock");
        let held = lock_file(&path, Duration::ZERO);
        assert!(held.is_some());
        assert!(lock_file(&path, Duration::from_millis(20)).is_none());
        drop(held);
        assert!(lock_file(&path, Duration::ZERO).is_some());
        assert!(lock_file(Path::new("/dev/null"), Duration::ZERO).is_none());
    }

    /// Days of what is kept, before today where they are negative; and those that are over when a week is kept.
    #[test]
    fn nothing_is_too_old_by_a_clock_that_may_be_wrong() {
        #[track_caller]
        fn check(days: &[i64], expected: &[i64]) {
            let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
            let date = |day: i64| now + SignedDuration::from_hours(24 * day);
            let ages = KeptAges::new(now, days.iter().map(|day| date(*day)));
            let is_over = |day: &i64| ages.is_over(date(*day), SignedDuration::from_hours(24 * 7));
            assert_eq!(days.iter().copied().filter(is_over).collect::<Vec<_>>(), expected, "{days:?}");
        }
        check(&[], &[]);
        check(&[-9, -8, -7, -1, 0], &[-9, -8]);
        check(&[-400, -3, 0], &[-400]);
        // Set ten years ahead, or used again after a pause.
        check(&[-3_654, -3_653, 0], &[]);
        check(&[-31, -2, 0], &[]);
        // Set right again: what was dated ahead is kept for no longer than the rest.
        check(&[-1, 0, 3_653], &[]);
        check(&[-3, 0, 6, 3_653], &[3_653]);
    }

    #[test]
    fn only_old_files_of_ours_are_swept() {
        #[track_caller]
        fn check(name: &str, age_hours: u64, is_swept: bool) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(age_hours)).unwrap();
            drop(file);
            write_whole(&folder.path().join("new"), b"", FileAccess::Usual).unwrap();
            assert_eq!(!path.exists(), is_swept, "{name}, {age_hours} h");
        }
        check(".camclinic-aB3xY9", 2, true);
        check(".camclinic-aB3xY9", 0, false);
        check(".camclinic-aB3xY", 2, false);
        check(".camclinic-aB3xY9.json", 2, false);
        check(".camclinic-notes.", 2, false);
        check("settings.json", 2, false);
        // What is written bears such a name until it is whole.
        let folder = tempfile::tempdir().unwrap();
        let file = tempfile::Builder::new().prefix(TEMPORARY).rand_bytes(N_RANDOM).tempfile_in(&folder).unwrap();
        assert!(is_temporary(file.path().file_name().unwrap().to_str().unwrap()));
        fs::create_dir(folder.path().join(".camclinic-folder")).unwrap();
        sweep(folder.path());
        sweep(&folder.path().join("none"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
