//! Shared memory as a file that has no name and is never on a disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};

use crate::device::shared_memory::SharedMemory;

pub fn create(n_bytes: u64) -> io::Result<SharedMemory> {
    let file = File::from(memfd_create("camclinic", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    fallocate(&file, FallocateFlags::empty(), 0, n_bytes)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    // Processes of the same user may open it there (proc_pid_fd(5)).
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into();
    Ok(SharedMemory { file, path, _name: None })
}

pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
