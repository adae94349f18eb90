//! What happens to the nodes in `/dev`, as inotify tells it: no root, no udev and no polling is needed.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::DEV;
use super::sysfs::number_of;
use crate::device::watch::DeviceEvent;

/// The pipe's other end closes when it is dropped, and the thread ends.
pub struct WatchGuard {
    _end: PipeWriter,
}

pub const TELLS_OF_USE: bool = true;

/// Calls `report` on a thread of its own. `None` where the system does not tell.
pub fn watch(report: impl Fn(DeviceEvent) + Send + 'static) -> Option<WatchGuard> {
    watch_in(Path::new(DEV), report).ok()
}

fn watch_in(dev: &Path, report: impl Fn(DeviceEvent) + Send + 'static) -> io::Result<WatchGuard> {
    let mut nodes = Nodes {
        inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
        dev: dev.to_owned(),
        of_watch: BTreeMap::new(),
    };
    // udev gives a node to its users after it has come: ATTRIB.
    let comings =
        WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ATTRIB | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM;
    let of_folder = inotify::add_watch(&nodes.inotify, dev, comings)?;
    for entry in dev.read_dir()?.flatten() {
        nodes.add(entry.path());
    }
    let (ended, end) = io::pipe()?;
    thread::Builder::new().name("watch-devices".into()).spawn(move || {
        while is_ready(&nodes.inotify, &ended) {
            for event in nodes.read(of_folder) {
                report(event);
            }
        }
    })?;
    Ok(WatchGuard { _end: end })
}

/// Waits for something to read; `false` when nobody wants to know any more.
fn is_ready(inotify: &OwnedFd, ended: &PipeReader) -> bool {
    let mut waited_for = [PollFd::new(inotify, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
    match poll(&mut waited_for, None) {
        Ok(_) => waited_for.last().is_some_and(|ended| ended.revents().is_empty()),
        Err(Errno::INTR) => true,
        Err(_) => false,
    }
}

struct Nodes {
    inotify: OwnedFd,
    dev: PathBuf,
    /// The nodes whose opening and closing is told.
    of_watch: BTreeMap<i32, PathBuf>,
}

impl Nodes {
    /// Without the right to read a node its use is not told; that of all others is.
    fn add(&mut self, path: PathBuf) {
        if number_of(&path).is_some()
            && let Ok(watch) = inotify::add_watch(&self.inotify, &path, WatchFlags::OPEN | WatchFlags::CLOSE)
        {
            self.of_watch.insert(watch, path);
        }
    }

    fn read(&mut self, of_folder: i32) -> Vec<DeviceEvent> {
        let mut events = Vec::new();
        let mut come = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| String::from_utf8_lossy(name.to_bytes()).into_owned());
            match (event.wd(), name) {
                // Some were lost.
                (-1, _) => events.push(DeviceEvent::ListChanged),
                (watch, Some(name)) if watch == of_folder => {
                    let path = self.dev.join(name);
                    if number_of(&path).is_some() {
                        come.push(path);
                        events.push(DeviceEvent::ListChanged);
                    }
                }
                (watch, _) if event.events().contains(ReadFlags::IGNORED) => {
                    self.of_watch.remove(&watch);
                }
                (watch, _) => events.extend(self.of_watch.get(&watch).cloned().map(DeviceEvent::NodeUsed)),
            }
        }
        for path in come {
            self.add(path);
        }
        events.dedup();
        events
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, Instant};

    use crossbeam_channel::{Receiver, unbounded};

    use super::*;

    /// Signs come in one or in several, so that only their coming is waited for.
    #[track_caller]
    fn check(events: &Receiver<DeviceEvent>, expected: &DeviceEvent) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while events.recv_deadline(deadline).unwrap_or_else(|_| panic!("no {expected:?}")) != *expected {}
    }

    #[test]
    fn what_happens_to_a_node_is_told() {
        let dev = tempfile::tempdir().unwrap();
        let node = |name: &str| dev.path().join(name);
        File::create(node("video0")).unwrap();
        let (sender, events) = unbounded();
        let guard = watch_in(dev.path(), move |event| sender.send(event).unwrap()).unwrap();
        let opened = File::open(node("video0")).unwrap();
        check(&events, &DeviceEvent::NodeUsed(node("video0")));
        drop(opened);
        check(&events, &DeviceEvent::NodeUsed(node("video0")));
        // Others are nobody's concern here; what follows is the first to be told.
        File::create(node("null")).unwrap();
        fs::create_dir(node("v4l")).unwrap();
        File::create(node("video1")).unwrap();
        assert_eq!(events.recv().unwrap(), DeviceEvent::ListChanged);
        fs::remove_file(node("video0")).unwrap();
        check(&events, &DeviceEvent::ListChanged);
        // One that has come later is watched too.
        while let Ok(event) = events.recv_timeout(Duration::from_millis(50)) {
            assert!(!matches!(&event, DeviceEvent::NodeUsed(path) if *path == node("video0")), "{event:?}");
        }
        drop(File::open(node("video1")).unwrap());
        check(&events, &DeviceEvent::NodeUsed(node("video1")));
        // The thread ends with the guard, and the channel with the thread.
        drop(guard);
        while events.recv().is_ok() {}
    }

    #[test]
    fn a_folder_that_is_not_there_cannot_be_watched() {
        assert!(watch_in(Path::new("/no/such/folder"), |_| ()).is_err());
    }
}
