//! Shared memory as a temporary file.

use std::io;

use rustix::fs::{FallocateFlags, fallocate};
use tempfile::NamedTempFile;

use crate::device::shared_memory::PREFIX;

pub fn create(n_bytes: u64) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::with_prefix(PREFIX)?;
    // `F_PREALLOCATE` reserves the space and leaves the length as it is (`fcntl(2)`).
    fallocate(file.as_file(), FallocateFlags::empty(), 0, n_bytes)?;
    file.as_file().set_len(n_bytes)?;
    Ok(file)
}
