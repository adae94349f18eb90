//! Shared memory as a temporary file that the system keeps in memory as far as it can.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use tempfile::NamedTempFile;
use windows_sys::Win32::Storage::FileSystem::{FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE};

use crate::device::shared_memory::PREFIX;

pub fn create(n_bytes: u64) -> io::Result<NamedTempFile> {
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
    let file = tempfile::Builder::new().prefix(PREFIX).make(create)?;
    let (file, path) = file.into_parts();
    file.set_len(n_bytes)?;
    Ok(NamedTempFile::from_parts(file, path))
}
