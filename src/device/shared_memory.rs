//! Memory that this program shares with processes of its own: its space is reserved, and none of them can make it smaller, as
//! reading behind its end would end the reader (SIGBUS). What lies in it, and who may write where, is decided by whoever maps it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::system;

/// What the names begin with, where there are names.
pub(super) const PREFIX: &str = "camclinic-";

/// As its maker has it. When dropped, nobody can open it any more; those who have it mapped keep it.
pub struct SharedMemory {
    pub file: File,
    /// By which another process opens it.
    pub path: PathBuf,
    /// Takes its name away when it is dropped.
    pub(super) _name: Option<Box<dyn Send + Sync>>,
}

/// Reserves so many bytes: writing to them cannot fail later. Gone with this program, however it ends, where the system allows.
///
/// # Errors
/// There is no room, or nothing may be written.
pub fn create(n_bytes: u64) -> io::Result<SharedMemory> {
    system::shared_memory::create(n_bytes)
}

/// That of another process, to be read and written.
///
/// # Errors
/// It is gone, or may not be opened.
pub fn open(path: &Path) -> io::Result<File> {
    system::shared_memory::open(path)
}
