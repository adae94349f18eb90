//! Shared memory as a temporary file, whose space cannot be reserved, and which another process can make smaller.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::device::shared_memory::{PREFIX, SharedMemory};

pub fn create(n_bytes: u64) -> io::Result<SharedMemory> {
    let (file, name) = NamedTempFile::with_prefix(PREFIX)?.into_parts();
    file.set_len(n_bytes)?;
    Ok(SharedMemory { file, path: name.to_path_buf(), _name: Some(Box::new(name)) })
}

pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
