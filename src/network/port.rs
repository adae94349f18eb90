//! Waits until a camera that does not answer does: by connecting to its port and nothing more, so that neither a request nor
//! a login is sent to it meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::wire::{connect, resolve};
use crate::address::Address;

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(500);
/// How long a port may take to answer: longer than a lost packet takes to be sent again.
const DEADLINE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It was looked at, and nothing answers.
    Silent,
    /// It did not answer, and does now.
    Answers,
}

/// Looks at the port twice a second until it answers. Has a thread of its own, named `await-port`, which ends with it.
pub struct Vigil {
    signs: Receiver<Sign>,
    _end: Sender<()>,
}

impl Vigil {
    /// # Errors
    /// The system gives no thread.
    pub fn start(address: &Address) -> std::io::Result<Self> {
        let (sender, signs) = bounded(2);
        let (end, ended) = bounded(0);
        let (host, port) = (address.host.clone(), address.port());
        thread::Builder::new().name("await-port".into()).spawn(move || {
            keep_vigil(PERIOD, || answers(&host, port, &ended), &sender, &ended);
        })?;
        Ok(Self { signs, _end: end })
    }

    /// Disconnected when nothing more is to be told: it answers.
    #[must_use]
    pub fn signs(&self) -> &Receiver<Sign> {
        &self.signs
    }
}

fn answers(host: &str, port: u16, ended: &Receiver<()>) -> bool {
    let deadline = Instant::now() + DEADLINE;
    resolve(host, port, ended, deadline).is_ok_and(|addresses| connect(&addresses, ended, deadline).is_ok())
}

fn keep_vigil(period: Duration, mut answers: impl FnMut() -> bool, told: &Sender<Sign>, ended: &Receiver<()>) {
    // One that answers has another trouble, for which this is no cure.
    if answers() || told.send(Sign::Silent).is_err() {
        return;
    }
    while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        if answers() {
            // Nobody may be left who wants to know.
            let _ = told.send(Sign::Answers);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[track_caller]
    fn check(looks: &[bool], expected: &[Sign]) {
        let mut looks = looks.iter().copied();
        let (sender, signs) = bounded(8);
        let (_end, ended) = bounded(0);
        keep_vigil(Duration::from_millis(1), || looks.next().unwrap(), &sender, &ended);
        drop(sender);
        assert_eq!(signs.iter().collect::<Vec<_>>(), expected);
        assert_eq!(looks.next(), None);
    }

    #[test]
    fn a_port_is_told_to_answer_only_where_it_did_not() {
        check(&[true], &[]);
        check(&[false, true], &[Sign::Silent, Sign::Answers]);
        check(&[false, false, false, true], &[Sign::Silent, Sign::Answers]);
    }

    #[test]
    fn a_real_port_is_seen_to_open() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = Address::parse(&format!("rtsp://127.0.0.1:{port}/")).unwrap();
        let vigil = Vigil::start(&address).unwrap();
        assert_eq!(vigil.signs().recv_timeout(Duration::from_secs(10)), Ok(Sign::Silent));
        let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert_eq!(vigil.signs().recv_timeout(Duration::from_secs(10)), Ok(Sign::Answers));
    }
}
