//! Shared memory as an object of POSIX (`shm_open(2)`). The kernel lets its size be set once (`pshm_truncate` in `posix_shm.c` of
//! xnu): it cannot be made smaller.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::Mode;
use rustix::shm;

use crate::device::shared_memory::{PREFIX, SharedMemory};

/// `PSHMNAMLEN` allows 31 characters.
const N_RANDOM: usize = 16;

/// Takes the object's name away when it is dropped.
struct Name(String);

impl Drop for Name {
    fn drop(&mut self) {
        let _ = shm::unlink(&self.0);
    }
}

pub fn create(n_bytes: u64) -> io::Result<SharedMemory> {
    let random: String = std::iter::repeat_with(fastrand::alphanumeric).take(N_RANDOM).collect();
    let name = format!("/{PREFIX}{random}");
    let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
    let file = File::from(shm::open(&name, flags, Mode::RUSR | Mode::WUSR)?);
    let path = name.clone().into();
    let name = Name(name);
    file.set_len(n_bytes)?;
    Ok(SharedMemory { file, path, _name: Some(Box::new(name)) })
}

pub fn open(path: &Path) -> io::Result<File> {
    Ok(File::from(shm::open(path, shm::OFlags::RDWR, Mode::empty())?))
}
