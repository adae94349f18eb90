//! Waits until a camera that does not answer does: by connecting to its port and nothing more, so that neither a request nor
//! a login is sent to it meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::connection::{connect, resolve};
use crate::address::Address;

/// How often it is tried.
const PERIOD: Duration = Duration::from_millis(500);
/// How long a port may take to answer: longer than a lost packet takes to be sent again.
const DEADLINE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortEvent {
    /// The first try to connect has failed.
    Closed,
    /// It did not answer before, and does now.
    Open,
}

/// Connects to the port twice a second until it answers. Has a thread of its own, named `await-port`, which ends with it.
pub struct PortWatcher {
    events: Receiver<PortEvent>,
    _end: Sender<()>,
}

impl PortWatcher {
    /// # Errors
    /// The system gives no thread.
    pub fn start(address: &Address) -> std::io::Result<Self> {
        let (sender, events) = bounded(2);
        let (end, ended) = bounded(0);
        let (host, port) = (address.host.clone(), address.port());
        thread::Builder::new().name("await-port".into()).spawn(move || {
            watch_port(PERIOD, || answers(&host, port, &ended), &sender, &ended);
        })?;
        Ok(Self { events, _end: end })
    }

    /// Disconnected when nothing more is to be told: it answers.
    #[must_use]
    pub fn events(&self) -> &Receiver<PortEvent> {
        &self.events
    }
}

fn answers(host: &str, port: u16, ended: &Receiver<()>) -> bool {
    let deadline = Instant::now() + DEADLINE;
    resolve(host, port, ended, deadline).is_ok_and(|addresses| connect(&addresses, ended, deadline).is_ok())
}

fn watch_port(period: Duration, mut answers: impl FnMut() -> bool, events: &Sender<PortEvent>, ended: &Receiver<()>) {
    // Whatever is wrong with a camera that answers, its port is not what to wait for.
    if answers() || events.send(PortEvent::Closed).is_err() {
        return;
    }
    while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        if answers() {
            // Nobody may be left who wants to know.
            let _ = events.send(PortEvent::Open);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[track_caller]
    fn check(looks: &[bool], expected: &[PortEvent]) {
        let mut looks = looks.iter().copied();
        let (sender, events) = bounded(8);
        let (_end, ended) = bounded(0);
        watch_port(Duration::from_millis(1), || looks.next().unwrap(), &sender, &ended);
        drop(sender);
        assert_eq!(events.iter().collect::<Vec<_>>(), expected);
        assert_eq!(looks.next(), None);
    }

    #[test]
    fn a_port_is_told_to_answer_only_where_it_did_not() {
        check(&[true], &[]);
        check(&[false, true], &[PortEvent::Closed, PortEvent::Open]);
        check(&[false, false, false, true], &[PortEvent::Closed, PortEvent::Open]);
    }

    #[test]
    fn a_real_port_is_seen_to_open() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = Address::parse(&format!("rtsp://127.0.0.1:{port}/")).unwrap();
        let watcher = PortWatcher::start(&address).unwrap();
        assert_eq!(watcher.events().recv_timeout(Duration::from_secs(10)), Ok(PortEvent::Closed));
        let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert_eq!(watcher.events().recv_timeout(Duration::from_secs(10)), Ok(PortEvent::Open));
    }
}
