//! The error with which a stream does not start: libraries get its number from the driver and do not pass it on, so that the
//! driver is asked once more. To be called after a failure only.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::ioctl::{Opcode, opcode};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::query::{self, ask};

pub(super) const MEMORY_MMAP: u32 = 1;
const N_BUFFERS: u32 = 2;

#[repr(C)]
#[derive(Default)]
struct RawRequest {
    count: u32,
    kind: u32,
    memory: u32,
    capabilities: u32,
    flags: u8,
    reserved: [u8; 3],
}

const REQBUFS: Opcode = opcode::read_write::<RawRequest>(b'V', 8);
const STREAMON: Opcode = opcode::write::<u32>(b'V', 18);
const STREAMOFF: Opcode = opcode::write::<u32>(b'V', 19);

/// Has the driver start the stream, and stop it at once where it does: the number with which it refuses. `None` where it
/// does not refuse, or what it says tells nothing. Where this process has the node open, the stream is that one.
///
/// To be called when a stream has just failed to start. Blocks as long as the driver does.
pub fn start_error(node: &Path) -> Option<i32> {
    let refused = match own(node) {
        Some(own) => stream(&own, query::capture_type(&own).ok()?),
        None => query::open(node).and_then(|node| with_buffers(&node, query::capture_type(&node)?, stream)),
    };
    // EINVAL and ENOTTY are also what drivers say that want something else to be done first.
    refused.err()?.raw_os_error().filter(|code| ![22, 25].contains(code))
}

/// The number with which a driver refuses the buffers of a node that another program has, and with them its stream: the
/// right to them is given to one only. Blocks as long as the driver does.
pub fn taken_error(node: &Path) -> Option<i32> {
    const EBUSY: i32 = 16;
    let taken = query::open(node).and_then(|node| with_buffers(&node, query::capture_type(&node)?, |_, _| Ok(())));
    taken.err()?.raw_os_error().filter(|code| *code == EBUSY)
}

fn with_buffers(node: &File, kind: u32, then: impl FnOnce(&File, u32) -> io::Result<()>) -> io::Result<()> {
    request_buffers(node, kind, N_BUFFERS)?;
    let result = then(node, kind);
    // They go with the file, should this fail.
    let _ = request_buffers(node, kind, 0);
    result
}

/// Has a queue have so many buffers; returns how many it got. None: those that it has are freed.
pub(super) fn request_buffers(node: &File, kind: u32, count: u32) -> io::Result<u32> {
    let mut request = RawRequest { count, kind, memory: MEMORY_MMAP, ..RawRequest::default() };
    ask::<REQBUFS, _>(node, &mut request)?;
    Ok(request.count)
}

pub(super) fn stream_on(node: &File, mut kind: u32) -> io::Result<()> {
    ask::<STREAMON, _>(node, &mut kind)
}

pub(super) fn stream_off(node: &File, mut kind: u32) -> io::Result<()> {
    ask::<STREAMOFF, _>(node, &mut kind)
}

fn stream(node: &File, kind: u32) -> io::Result<()> {
    stream_on(node, kind)?;
    stream_off(node, kind)
}

/// The same open file as the one that a library in this process has of the node.
fn own(node: &Path) -> Option<File> {
    let number = fs::read_dir("/proc/self/fd").ok()?.flatten().find_map(|fd| {
        let is_it = fs::read_link(fd.path()).is_ok_and(|target| target == node);
        fd.file_name().to_str()?.parse().ok().filter(|_| is_it)
    })?;
    let this = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    pidfd_getfd(this, number, PidfdGetfdFlags::empty()).ok().map(File::from)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!((REQBUFS, STREAMON, STREAMOFF), (0xc014_5608, 0x4004_5612, 0x4004_5613));
    }

    #[test]
    fn what_is_no_camera_tells_nothing() {
        assert_eq!(start_error(Path::new("/dev/null")), None);
        assert_eq!(start_error(Path::new("/dev/video99999")), Some(2));
        assert_eq!((taken_error(Path::new("/dev/null")), taken_error(Path::new("/dev/video99999"))), (None, None));
    }

    #[test]
    fn a_file_that_this_process_has_open_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abc").unwrap();
        let path = fs::canonicalize(file.path()).unwrap();
        let Some(mut own) = own(&path) else {
            eprintln!("skipped: this system does not let a process duplicate its own files");
            return;
        };
        // One open file: it has one position.
        let mut text = String::new();
        own.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), file.as_file().stream_position().unwrap()), ("abc", 3));
    }
}
