//! Shared memory as a temporary file that the system keeps in memory as far as it can. While it is mapped, the system lets
//! nobody make it smaller (`ERROR_USER_MAPPED_FILE`).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE};

use crate::device::shared_memory::{PREFIX, SharedMemory};

pub fn create(n_bytes: u64) -> io::Result<SharedMemory> {
    // Deleted with its last handle, also when this program is killed.
    let create = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
            .attributes(FILE_ATTRIBUTE_TEMPORARY)
            .open(path)
    };
    let (file, name) = tempfile::Builder::new().prefix(PREFIX).make(create)?.into_parts();
    file.set_len(n_bytes)?;
    Ok(SharedMemory { file, path: name.to_path_buf(), _name: Some(Box::new(name)) })
}

pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
