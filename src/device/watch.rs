//! What the system tells of the cameras of this computer while the program runs: that one has come or gone, and that whoever
//! holds one has let go of it. Nothing is opened, and no driver is asked but for the list of cameras.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::holders::{Holder, Role};
use super::{list_within, named, system};

/// How often the list is compared where the system tells nothing.
const POLL_PERIOD: Duration = Duration::from_secs(2);
/// A driver that takes longer to say which cameras there are is asked again later.
const POLL_DEADLINE: Duration = Duration::from_secs(5);
/// How often holders are looked up where the system does not tell that a node was closed.
const HOLDERS_PERIOD: Duration = Duration::from_secs(2);
/// An event that is not read yet stands for those that follow.
const MAX_WAITING_EVENTS: usize = 16;

/// A reason to look at the cameras again, which may turn out to be as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// A camera has come or gone, or may be used by others than before.
    ListChanged,
    /// A program has opened or closed the node.
    NodeUsed(PathBuf),
}

/// Tells of cameras that come, go, and are taken or let go, until it is dropped. Has a thread of its own.
pub struct DeviceWatcher {
    events: Receiver<DeviceEvent>,
    guard: Option<system::WatchGuard>,
}

impl DeviceWatcher {
    /// Where the system tells nothing, the list of cameras is compared every two seconds. Without a thread there are no
    /// events.
    #[must_use]
    pub fn start() -> Self {
        let (sender, events) = bounded(MAX_WAITING_EVENTS);
        let report = {
            let sender = sender.clone();
            move |event| {
                // Those that are not read yet say as much.
                let _ = sender.try_send(event);
            }
        };
        let guard = system::watch(report);
        if guard.is_none() {
            // Ends when the receiver is gone, a period later.
            let _ = thread::Builder::new().name("poll-devices".into()).spawn(move || poll(&sender));
        }
        Self { events, guard }
    }

    /// Whether there is an event for each change, so that who also looks from time to time need not do so often.
    #[must_use]
    pub fn tells_all(&self) -> bool {
        self.guard.is_some() && system::TELLS_OF_USE
    }

    #[must_use]
    pub fn events(&self) -> &Receiver<DeviceEvent> {
        &self.events
    }
}

fn poll(events: &Sender<DeviceEvent>) {
    let mut known = None;
    loop {
        if let Some(devices) = list_within(POLL_DEADLINE) {
            if known.as_ref().is_some_and(|known| *known != devices)
                && events.try_send(DeviceEvent::ListChanged).is_err_and(|error| error.is_disconnected())
            {
                return;
            }
            known = Some(devices);
        }
        thread::sleep(POLL_PERIOD);
    }
}

/// What is told of a device that others hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HolderEvent {
    /// These are in the way, as far as the system tells.
    HeldBy(Vec<Holder>),
    /// One of them has let go.
    Released,
}

/// Looks who holds a device, without ever opening it, and tells when one of them lets go. Has a thread of its own, which
/// ends with it.
pub struct ReleaseWatcher {
    events: Receiver<HolderEvent>,
    _end: Sender<()>,
}

impl ReleaseWatcher {
    /// `name` is what [`named`] finds the device by.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: String) -> std::io::Result<Self> {
        let (sender, events) = bounded(2);
        let (end, ended) = bounded(0);
        thread::Builder::new().name("await-release".into()).spawn(move || {
            if let Ok(device) = named(&name) {
                let path = PathBuf::from(device.path);
                watch_holders(&path, HOLDERS_PERIOD, || system::holders(&path), &sender, &ended);
            }
        })?;
        Ok(Self { events, _end: end })
    }

    /// Disconnected when nothing more is to be told: nobody is known to hold the device, or it is free.
    #[must_use]
    pub fn events(&self) -> &Receiver<HolderEvent> {
        &self.events
    }
}

/// Whether the others that had the device have it no longer as they had. Who merely joins them changes nothing.
fn has_let_go(before: &[Holder], after: &[Holder]) -> bool {
    before.iter().any(|old| !after.iter().any(|new| new.pid == old.pid && new.since == old.since))
}

fn in_the_way(holders: Vec<Holder>) -> Vec<Holder> {
    holders.into_iter().filter(|holder| matches!(holder.role, Role::Program | Role::Leftover)).collect()
}

fn watch_holders(
    path: &Path,
    period: Duration,
    holders: impl Fn() -> Vec<Holder>,
    events: &Sender<HolderEvent>,
    ended: &Receiver<()>,
) {
    let devices = DeviceWatcher::start();
    let mut known = in_the_way(holders());
    // Those of other users are not seen: whoever waits has to try.
    if known.is_empty() || events.send(HolderEvent::HeldBy(known.clone())).is_err() {
        return;
    }
    loop {
        let next_look = Instant::now() + period;
        loop {
            match devices.events.recv_deadline(next_look) {
                Ok(DeviceEvent::NodeUsed(used)) if used != path => {}
                Ok(_) | Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(next_look.saturating_duration_since(Instant::now()));
                    break;
                }
            }
        }
        if matches!(ended.try_recv(), Err(TryRecvError::Disconnected)) {
            return;
        }
        let after = in_the_way(holders());
        if has_let_go(&known, &after) {
            if events.send(HolderEvent::Released).is_err() || after.is_empty() {
                return;
            }
            known = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn holder(pid: u32, role: Role) -> Holder {
        Holder { pid, program: "cheese".into(), user: None, since: None, role }
    }

    #[track_caller]
    fn check(before: &[u32], after: &[u32], expected: bool) {
        let of = |pids: &[u32]| pids.iter().map(|pid| holder(*pid, Role::Program)).collect::<Vec<_>>();
        assert_eq!(has_let_go(&of(before), &of(after)), expected, "{before:?} {after:?}");
    }

    #[test]
    fn to_let_go_is_more_than_a_change() {
        check(&[1], &[1], false);
        check(&[1], &[1, 2], false);
        check(&[1], &[], true);
        check(&[1, 2], &[2], true);
        check(&[1], &[2], true);
    }

    /// What is told when the holders are found to be these, one look after the other.
    #[track_caller]
    fn check_told(looks: &[&[(u32, Role)]], expected: &[Option<usize>]) {
        let looks = Mutex::new(looks.iter());
        let holders = || {
            let look = looks.lock().unwrap().next().copied().unwrap_or_default();
            look.iter().map(|(pid, role)| holder(*pid, *role)).collect()
        };
        let (sender, events) = bounded(8);
        let (_end, ended) = bounded(0);
        watch_holders(Path::new("/dev/video7"), Duration::from_millis(1), holders, &sender, &ended);
        drop(sender);
        let told = events.iter().map(|event| match event {
            HolderEvent::HeldBy(holders) => Some(holders.len()),
            HolderEvent::Released => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_holders_are_told_and_that_they_let_go() {
        check_told(&[&[]], &[]);
        check_told(&[&[(1, Role::Bystander), (2, Role::Own)]], &[]);
        check_told(&[&[(1, Role::Program), (2, Role::Bystander)], &[(2, Role::Bystander)]], &[Some(1), None]);
    }
}
