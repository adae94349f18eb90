//! Names, connections, bytes: each wait has a deadline and ends within 100 ms when it is cancelled. What is sent, and what the
//! answers mean, is the business of the protocols above.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded, never, select};
use rustls::ClientConnection;

use super::ConnectionFinding;
use crate::fault::FaultKind;
use crate::lock::Lock;

/// How long a read or a write may block before it is looked whether it was cancelled.
const SLICE: Duration = Duration::from_millis(50);
/// How long an address is tried alone before the next one is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
const MAX_ADDRESSES: usize = 8;
/// What rustls takes in at once.
const N_SEALED_BYTES: usize = 4_096;

/// How waiting for an answer ended.
enum WaitOutcome<T> {
    Answer(T),
    TimedOut,
    Cancelled,
}

fn wait<T>(answers: &Receiver<T>, cancel: &Receiver<()>, deadline: Instant) -> WaitOutcome<T> {
    select! {
        recv(answers) -> answer => answer.map_or(WaitOutcome::TimedOut, WaitOutcome::Answer),
        recv(cancel) -> _ => WaitOutcome::Cancelled,
        default(deadline.saturating_duration_since(Instant::now())) => WaitOutcome::TimedOut,
    }
}

fn cancelled() -> ConnectionFinding {
    ConnectionFinding::new("F82", FaultKind::Unreachable, "given up: the answer is not wanted any more").unsure(0.0)
}

fn in_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Receiver<T>, ConnectionFinding> {
    let (sender, receiver) = bounded(1);
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || drop(sender.send(work())));
    match spawned {
        Ok(_) => Ok(receiver),
        Err(error) => {
            Err(ConnectionFinding::new("F77", FaultKind::NoResources, format!("no thread can be started: {error}")))
        }
    }
}

/// The numbers of a camera's name, in the order in which the system wants them tried.
///
/// The system is asked on a thread named `resolve`, which ends when the system has answered.
///
/// # Errors
/// The name is unknown (F80), or nobody answers who would know.
pub fn resolve(
    host: &str,
    port: u16,
    cancel: &Receiver<()>,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, ConnectionFinding> {
    if let Ok(number) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(number, port)]);
    }
    let started = Instant::now();
    let name = host.to_owned();
    let answers = in_thread("resolve", move || {
        (name.as_str(), port).to_socket_addrs().map(|found| found.take(MAX_ADDRESSES).collect::<Vec<_>>())
    })?;
    match wait(&answers, cancel, deadline) {
        WaitOutcome::Answer(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        WaitOutcome::Answer(Ok(_)) => Err(ConnectionFinding::new(
            "F80",
            FaultKind::NameUnknown,
            format!("the name {host} has no number on the network"),
        )),
        WaitOutcome::Answer(Err(error)) if is_temporary(&error) => Err(ConnectionFinding::new(
            "F80",
            FaultKind::Unreachable,
            format!("nobody answers who might know the name {host}: {error}"),
        )
        .with_advice("Check the network of this computer, or write the camera's number, as in 192.168.1.64.")),
        WaitOutcome::Answer(Err(error)) => {
            let finding = ConnectionFinding::new(
                "F80",
                FaultKind::NameUnknown,
                format!("the name {host} is not known on this network: {error}"),
            );
            Err(finding.with_os_code(&error))
        }
        WaitOutcome::TimedOut => Err(ConnectionFinding::new(
            "F80",
            FaultKind::Unreachable,
            format!("asked for {:.1} s, nobody knows the name {host}", started.elapsed().as_secs_f64()),
        )
        .with_advice("Check the network of this computer, or write the camera's number, as in 192.168.1.64.")),
        WaitOutcome::Cancelled => Err(cancelled()),
    }
}

/// `EAI_AGAIN` and its like: the standard library tells it in words only, but on Windows.
fn is_temporary(error: &io::Error) -> bool {
    const WSATRY_AGAIN: i32 = 11_002;
    error.raw_os_error() == Some(WSATRY_AGAIN) || error.to_string().to_ascii_lowercase().contains("temporary")
}

/// Connects to the first of the addresses that answers. Each is tried on a thread named `connect`, which ends with its try.
///
/// # Errors
/// Refused (F81) if one of them is there and has nothing on the port, else unreachable (F82).
pub fn connect(
    addresses: &[SocketAddr],
    cancel: &Receiver<()>,
    deadline: Instant,
) -> Result<TcpStream, ConnectionFinding> {
    let started = Instant::now();
    let (sender, answers) = bounded(MAX_ADDRESSES);
    let mut worst: Option<(SocketAddr, io::Error)> = None;
    let mut n_open = 0_usize;
    let mut rest = addresses.iter().take(MAX_ADDRESSES).copied();
    loop {
        let next = rest.next();
        if let Some(address) = next {
            let sender = sender.clone();
            let patience = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let _answer = in_thread("connect", move || {
                // Nobody receives it where another address was faster.
                let _ = sender.send((address, TcpStream::connect_timeout(&address, patience)));
            })?;
            n_open += 1;
        } else if n_open == 0 {
            break;
        }
        let until = if rest.len() == 0 { deadline } else { deadline.min(Instant::now() + STAGGER) };
        match wait(&answers, cancel, until) {
            WaitOutcome::Answer((_, Ok(socket))) => return Ok(socket),
            WaitOutcome::Answer((address, Err(error))) => {
                n_open -= 1;
                let is_refused = error.kind() == ErrorKind::ConnectionRefused;
                if worst.is_none() || is_refused {
                    worst = Some((address, error));
                }
            }
            WaitOutcome::TimedOut if Instant::now() < deadline => {}
            WaitOutcome::TimedOut => break,
            WaitOutcome::Cancelled => return Err(cancelled()),
        }
    }
    let finding = match worst {
        Some((address, error)) if error.kind() == ErrorKind::ConnectionRefused => ConnectionFinding::new(
            "F81",
            FaultKind::Refused,
            format!("{} is there, and nothing answers on its port {}: {error}", address.ip(), address.port()),
        )
        .with_advice(
            "Check the port (most cameras: 554, some 8554 or 10554; pages: 80) and that the service is switched on in the camera's own \
             settings. If it works while no other program watches the camera, it serves no more viewers at a time.",
        )
        .with_os_code(&error),
        Some((address, error)) if error.kind() != ErrorKind::TimedOut => {
            ConnectionFinding::new("F82", FaultKind::Unreachable, format!("{} cannot be reached: {error}", address.ip()))
                .with_os_code(&error)
        }
        _ => {
            let to = addresses.first().map_or_else(String::new, |address| format!("{} port {}", address.ip(), address.port()));
            let waited = started.elapsed().as_secs_f64();
            ConnectionFinding::new("F82", FaultKind::Unreachable, format!("{to} did not answer within {waited:.1} s"))
        }
    };
    Err(finding)
}

/// A connection to the camera, encrypted or not. Clones share it: one thread may read while another writes.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<SharedSocket>,
    cancel: Receiver<()>,
}

struct SharedSocket {
    socket: TcpStream,
    tls: Option<Tls>,
}

/// The socket is read and written outside the first lock; the second keeps what is sent in its order, while it is sent. Who holds
/// both has taken `sending` first.
struct Tls {
    connection: Lock<ClientConnection>,
    sending: Lock<()>,
}

impl Connection {
    /// # Errors
    /// The system does not let the socket be set up.
    pub fn new(socket: TcpStream, tls: Option<ClientConnection>, cancel: Receiver<()>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SLICE))?;
        socket.set_write_timeout(Some(SLICE))?;
        let tls = tls.map(|connection| Tls { connection: Lock::new(connection), sending: Lock::new(()) });
        Ok(Self { shared: Arc::new(SharedSocket { socket, tls }), cancel })
    }

    /// The same connection without its cancellation: for requests that end a session.
    #[must_use]
    pub fn uncancelled(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), cancel: never() }
    }

    /// # Errors
    /// The connection is gone.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.shared.socket.peer_addr()
    }

    /// # Errors
    /// The connection is gone.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.shared.socket.local_addr()
    }

    /// Ends it for every clone: a read returns its end.
    pub fn close(&self) {
        // It may be gone already.
        let _ = self.shared.socket.shutdown(Shutdown::Both);
    }

    /// Some bytes, at least one; none at the end. One thread reads.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, `ConnectionAborted` when it was cancelled, else the system's.
    pub fn read(&self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let Some(tls) = &self.shared.tls else { return self.receive(into, deadline) };
        let mut sealed = [0; N_SEALED_BYTES];
        loop {
            match tls.connection.lock().reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Cameras just close; what is missing of a message shows in the message.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            let n = self.receive(&mut sealed, deadline)?;
            if n == 0 {
                return Ok(0);
            }
            self.open(tls, sealed.get(..n).unwrap_or_default(), deadline).map_err(io::Error::other)?;
        }
    }

    /// # Errors
    /// As [`Self::read`].
    pub fn write_all(&self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let Some(tls) = &self.shared.tls else { return self.send(bytes, deadline) };
        // Less than what rustls keeps, so that it takes all of it.
        for part in bytes.chunks(16_384) {
            let _order = tls.sending.lock();
            tls.connection.lock_inside().writer().write_all(part)?;
            self.flush(tls, deadline)?;
        }
        Ok(())
    }

    /// The TLS handshake, if it is encrypted. `first` gets the first bytes that the other side sent.
    ///
    /// # Errors
    /// rustls's own inside [`io::Error::other`], or the system's.
    pub fn handshake(&self, deadline: Instant, first: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(tls) = &self.shared.tls else { return Ok(()) };
        let mut sealed = [0; N_SEALED_BYTES];
        let mut is_first = true;
        loop {
            {
                let _order = tls.sending.lock();
                self.flush(tls, deadline)?;
            }
            if !tls.connection.lock().is_handshaking() {
                return Ok(());
            }
            let n = self.receive(&mut sealed, deadline)?;
            if n == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let bytes = sealed.get(..n).unwrap_or_default();
            if std::mem::take(&mut is_first) {
                first(bytes)?;
            }
            self.open(tls, bytes, deadline).map_err(io::Error::other)?;
        }
    }

    fn open(&self, tls: &Tls, mut sealed: &[u8], deadline: Instant) -> Result<(), rustls::Error> {
        let mut wants_write = false;
        let mut outcome = Ok(());
        while !sealed.is_empty() && outcome.is_ok() {
            let mut connection = tls.connection.lock();
            if connection.read_tls(&mut sealed).is_err() {
                outcome = Err(rustls::Error::General("more arrived than was asked for".into()));
            }
            outcome = outcome.and_then(|()| connection.process_new_packets().map(drop));
            wants_write |= connection.wants_write();
        }
        if wants_write {
            let _order = tls.sending.lock();
            // A new key, or an alert about the certificate; if it cannot be sent, the next read says so.
            let _ = self.flush(tls, deadline);
        }
        outcome
    }

    /// With `sending` held.
    fn flush(&self, tls: &Tls, deadline: Instant) -> io::Result<()> {
        let mut sealed = Vec::new();
        {
            let mut connection = tls.connection.lock_inside();
            while connection.wants_write() {
                connection.write_tls(&mut sealed)?;
            }
        }
        self.send(&sealed, deadline)
    }

    /// A server that always has something to say has no more time than one that is silent: the deadline holds for each read, and
    /// so for the step that reads again and again.
    fn receive(&self, into: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            self.check_time(deadline)?;
            match (&self.shared.socket).read(into) {
                Err(error) if is_slice_over(&error) => {}
                read => return read,
            }
        }
    }

    fn send(&self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            self.check_time(deadline)?;
            match (&self.shared.socket).write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(error) if is_slice_over(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn check_time(&self, deadline: Instant) -> io::Result<()> {
        self.check_wanted()?;
        if Instant::now() < deadline { Ok(()) } else { Err(ErrorKind::TimedOut.into()) }
    }

    /// # Errors
    /// `ConnectionAborted` when it was cancelled.
    pub fn check_wanted(&self) -> io::Result<()> {
        match self.cancel.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            Ok(()) | Err(TryRecvError::Disconnected) => Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

fn is_slice_over(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The finding about a connection that broke while something was being done, which `doing` names.
#[must_use]
pub fn broken(error: &io::Error, doing: &str, patience: Duration) -> ConnectionFinding {
    match error.kind() {
        ErrorKind::TimedOut => ConnectionFinding::new(
            "F82",
            FaultKind::Unreachable,
            format!(
                "the camera takes the connection, and does not answer {doing} within {:.1} s",
                patience.as_secs_f64()
            ),
        )
        .with_advice(
            "Restart the camera. If it answers other programs, check scheme and port: something else may listen there.",
        )
        .unsure(0.7),
        ErrorKind::ConnectionAborted => cancelled(),
        ErrorKind::UnexpectedEof => ConnectionFinding::new(
            "F86",
            FaultKind::ProtocolTrouble,
            format!("the camera closed the connection instead of answering {doing}"),
        )
        .unsure(0.7),
        _ => {
            let finding = ConnectionFinding::new(
                "F86",
                FaultKind::ProtocolTrouble,
                format!("the connection broke at {doing}: {error}"),
            );
            finding.with_os_code(error).unsure(0.7)
        }
    }
}

/// The finding about a stream that ran, and of a camera that is not heard of any more.
#[must_use]
pub fn stopped(secs: f64) -> ConnectionFinding {
    let message = format!("the stream ran, and nothing has come of it for {secs:.1} s");
    ConnectionFinding::new("F96", FaultKind::Stall, message)
        .with_advice("Check the camera's power and network; restart the camera.")
        .unsure(0.7)
}

/// The finding about a stream that ran, and whose connection ended by itself.
#[must_use]
pub fn ended(error: &io::Error) -> ConnectionFinding {
    let how = match error.kind() {
        ErrorKind::ConnectionAborted => return cancelled(),
        ErrorKind::UnexpectedEof => "the camera has closed the connection in the midst of the stream".to_owned(),
        _ => format!("the connection broke in the midst of the stream: {error}"),
    };
    ConnectionFinding::new("F96", FaultKind::Unreachable, how)
        .with_os_code(error)
        .with_advice(
            "Check the camera's power and network, and whether it restarts; close other viewers; update its firmware.",
        )
        .unsure(0.8)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// However much is there to be read, or room to be written to.
    #[test]
    fn a_deadline_that_is_over_ends_a_busy_conversation() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(&[7; 1_000]).unwrap();
        let connection = Connection::new(socket, None, never()).unwrap();
        let far = Instant::now() + Duration::from_mins(1);
        let mut into = [0; 10];
        assert!(connection.read(&mut into, far).is_ok_and(|n| n > 0));
        connection.write_all(&[1], far).unwrap();
        let over = Instant::now();
        assert_eq!(connection.read(&mut into, over).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(connection.write_all(&[1], over).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
