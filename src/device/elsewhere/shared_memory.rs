//! Shared memory as a temporary file, whose space cannot be reserved.

use std::io;

use tempfile::NamedTempFile;

use crate::device::shared_memory::PREFIX;

pub fn create(n_bytes: u64) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::with_prefix(PREFIX)?;
    file.as_file().set_len(n_bytes)?;
    Ok(file)
}
