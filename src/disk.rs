//! The disk: files that are whole at every moment, what to say when one cannot be written, and how much room is left.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use sysinfo::{DiskRefreshKind, Disks};

/// Writes a file under a temporary name beside its place, flushes it to the disk and renames it.
///
/// # Errors
/// As the system says; nothing is left behind, and a file of that name is untouched.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".camclinic-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    // A temporary file is private to its owner; what the user asked for is to be as any file of his.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What to do about a file that could not be written, as a sentence.
#[must_use]
pub fn write_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "Choose a folder that you may write to.",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the disk, or choose another folder.",
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
