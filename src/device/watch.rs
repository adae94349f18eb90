//! Signs that something has changed about the cameras of this computer, and the wait for one that others hold.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::holders::{Holder, Role};
use super::{list_within, named, system};

/// How often the list is compared where the system gives no signs.
const POLL_PERIOD: Duration = Duration::from_secs(2);
/// A driver that takes longer to say which cameras there are is asked again later.
const POLL_DEADLINE: Duration = Duration::from_secs(5);
/// How often holders are looked up where the system does not tell that a node was closed.
const HOLDERS_PERIOD: Duration = Duration::from_secs(2);
/// A sign that is not read stands for those that follow.
const N_UNREAD: usize = 16;

/// Something worth a look; it may have been nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A camera has come or gone, or may be used by others than before.
    Plug,
    /// A program has opened or closed the node.
    Use(PathBuf),
}

/// Tells of cameras that come, go, and are taken or let go, until it is dropped. Has a thread of its own.
pub struct Watch {
    signs: Receiver<Sign>,
    guard: Option<system::WatchGuard>,
}

impl Watch {
    /// Where the system gives no signs, the list of cameras is compared every two seconds. Without a thread there are no
    /// signs.
    #[must_use]
    pub fn start() -> Self {
        let (sender, signs) = bounded(N_UNREAD);
        let report = {
            let sender = sender.clone();
            move |sign| {
                // What is not read yet says as much.
                let _ = sender.try_send(sign);
            }
        };
        let guard = system::watch(report);
        if guard.is_none() {
            // Ends when the receiver is gone, a period later.
            let _ = thread::Builder::new().name("poll-devices".into()).spawn(move || poll(&sender));
        }
        Self { signs, guard }
    }

    /// Whether the system gives a sign of each change, so that who also looks from time to time need not hurry.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.guard.is_some() && system::TELLS_OF_USE
    }

    #[must_use]
    pub fn signs(&self) -> &Receiver<Sign> {
        &self.signs
    }
}

fn poll(signs: &Sender<Sign>) {
    let mut known = None;
    loop {
        if let Some(devices) = list_within(POLL_DEADLINE) {
            if known.as_ref().is_some_and(|known| *known != devices)
                && signs.try_send(Sign::Plug).is_err_and(|error| error.is_disconnected())
            {
                return;
            }
            known = Some(devices);
        }
        thread::sleep(POLL_PERIOD);
    }
}

/// What is known of a device that others hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// These are in the way, as far as the system tells.
    By(Vec<Holder>),
    /// One of them has let go, or they have changed.
    Changed,
}

/// Looks who holds a device, without ever opening it, and tells when one of them lets go. Has a thread of its own, which
/// ends with it.
pub struct Vigil {
    holds: Receiver<Hold>,
    _end: Sender<()>,
}

impl Vigil {
    /// `name` is what [`named`] finds the device by.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: String) -> std::io::Result<Self> {
        let (sender, holds) = bounded(2);
        let (end, ended) = bounded(0);
        thread::Builder::new().name("await-release".into()).spawn(move || {
            if let Ok(device) = named(&name) {
                let path = PathBuf::from(device.path);
                keep_vigil(&path, HOLDERS_PERIOD, || system::holders(&path), &sender, &ended);
            }
        })?;
        Ok(Self { holds, _end: end })
    }

    /// Disconnected when nothing more is to be told: nobody is known to hold the device, or it is free.
    #[must_use]
    pub fn holds(&self) -> &Receiver<Hold> {
        &self.holds
    }
}

/// Whether the others that had the device have it no longer as they had. Who merely joins them changes nothing.
fn has_let_go(before: &[Holder], after: &[Holder]) -> bool {
    before.iter().any(|old| !after.iter().any(|new| new.pid == old.pid && new.since == old.since))
}

fn in_the_way(holders: Vec<Holder>) -> Vec<Holder> {
    holders.into_iter().filter(|holder| matches!(holder.role, Role::Program | Role::Leftover)).collect()
}

fn keep_vigil(
    path: &Path,
    period: Duration,
    holders: impl Fn() -> Vec<Holder>,
    told: &Sender<Hold>,
    ended: &Receiver<()>,
) {
    let watch = Watch::start();
    let mut known = in_the_way(holders());
    // Those of other users are not seen: whoever waits has to try.
    if known.is_empty() || told.send(Hold::By(known.clone())).is_err() {
        return;
    }
    loop {
        let next_look = Instant::now() + period;
        loop {
            match watch.signs.recv_deadline(next_look) {
                Ok(Sign::Use(used)) if used != path => {}
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
            if told.send(Hold::Changed).is_err() || after.is_empty() {
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
        let (sender, holds) = bounded(8);
        let (_end, ended) = bounded(0);
        keep_vigil(Path::new("/dev/video7"), Duration::from_millis(1), holders, &sender, &ended);
        drop(sender);
        let told = holds.iter().map(|hold| match hold {
            Hold::By(holders) => Some(holders.len()),
            Hold::Changed => None,
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
