//! Shared memory as a file in `/dev/shm`.

use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use tempfile::NamedTempFile;

use crate::device::shared_memory::PREFIX;

pub fn create(n_bytes: u64) -> io::Result<NamedTempFile> {
    // A file in /dev/shm is never written to a disk. Containers often have a small one.
    create_in(Path::new("/dev/shm"), n_bytes).or_else(|_| create_in(&std::env::temp_dir(), n_bytes))
}

fn create_in(folder: &Path, n_bytes: u64) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::with_prefix_in(PREFIX, folder)?;
    // Without its space reserved, writing to a full file system ends the writer with SIGBUS.
    fallocate(file.as_file(), FallocateFlags::empty(), 0, n_bytes)?;
    Ok(file)
}
