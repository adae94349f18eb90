//! Memory that this program shares with processes of its own: a file whose space is reserved. What lies in it, and who may
//! write where, is decided by whoever maps it.

use std::io;

use tempfile::NamedTempFile;

use super::system;

/// What the names of the files begin with.
pub(super) const PREFIX: &str = "camclinic-";

/// A file in memory if the system has a folder for such, else among the temporary files, with its space reserved: writing
/// to it cannot fail later. It is deleted when it is dropped, also when this program is killed where the system allows.
///
/// # Errors
/// Nowhere is room, or nothing may be written.
pub fn create(n_bytes: u64) -> io::Result<NamedTempFile> {
    system::shared_memory::create(n_bytes)
}
