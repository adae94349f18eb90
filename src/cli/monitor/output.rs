//! Lines on their way to stdout. Whoever reads them may be slow, stopped or gone: none of it holds the monitor up.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded};

/// Lines that wait for the reader. Ten cameras say as many in a minute and a half.
const MAX_WAITING: usize = 1_024;
/// How long the last lines may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Writes lines on a thread of its own.
pub(super) struct Output {
    lines: Sender<String>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    failure: Arc<Mutex<Option<io::Error>>>,
    /// Lines for which there was no room.
    pub(super) n_lost: u64,
}

impl Output {
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = bounded::<String>(MAX_WAITING);
        let (ended_tx, ended) = bounded(0);
        let failure = Arc::new(Mutex::new(None));
        let told = Arc::clone(&failure);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            let _ended: Sender<()> = ended_tx;
            for line in waiting {
                if let Err(error) = writeln!(to, "{line}").and_then(|()| to.flush()) {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        })?;
        Ok(Self { lines, ended, failure, n_lost: 0 })
    }

    /// Never waits.
    pub(super) fn say(&mut self, line: String) {
        match self.lines.try_send(line) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.n_lost += 1,
        }
    }

    /// Whether lines can be written; `Ok(false)` when the reader has gone away, which is its right.
    ///
    /// # Errors
    /// What the system says of the writing: a full disk, say.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Some(error) => Err(error),
            None => Ok(true),
        }
    }

    /// Says the last line, and waits a moment until everything is written.
    ///
    /// # Errors
    /// As [`Self::is_open`]; or the reader does not read.
    pub(super) fn end_with(self, line: String) -> io::Result<()> {
        let until = Instant::now() + FAREWELL;
        let late = || io::Error::new(ErrorKind::TimedOut, "whoever reads it has stopped reading");
        if let Err(SendTimeoutError::Timeout(_)) = self.lines.send_timeout(line, FAREWELL) {
            return Err(late());
        }
        let Self { lines, ended, failure, .. } = self;
        drop(lines);
        if let Err(crossbeam_channel::RecvTimeoutError::Timeout) = ended.recv_deadline(until) {
            return Err(late());
        }
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.filter(|error| error.kind() != ErrorKind::BrokenPipe).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `n` writes, and then fails or blocks.
    struct Reader {
        lines: Sender<String>,
        left: usize,
        then: Option<ErrorKind>,
        gate: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                let Some(kind) = self.then else {
                    let _ = self.gate.recv();
                    return Ok(bytes.len());
                };
                return Err(kind.into());
            }
            if bytes.contains(&b'\n') {
                self.left -= 1;
            }
            let _ = self.lines.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(left: usize, then: Option<ErrorKind>) -> (Output, Receiver<String>, Sender<()>) {
        let (lines, said) = bounded(MAX_WAITING * 4);
        let (open, gate) = bounded(0);
        (Output::start(Reader { lines, left, then, gate }).unwrap(), said, open)
    }

    #[test]
    fn everything_is_written_before_the_end() {
        let (mut output, said, _gate) = output(100, None);
        (0..50).for_each(|n| output.say(n.to_string()));
        assert!(output.is_open().unwrap());
        output.end_with("end".to_owned()).unwrap();
        let said: String = said.try_iter().collect();
        assert_eq!(said.lines().count(), 51);
        assert!(said.ends_with("49\nend\n"), "{said}");
    }

    #[track_caller]
    fn check_failure(kind: ErrorKind, expected: Result<bool, ErrorKind>) {
        let (mut output, _said, _gate) = output(0, Some(kind));
        output.say("line".to_owned());
        // The thread ends at the failure.
        let _ = output.ended.recv_timeout(Duration::from_secs(5));
        assert_eq!(output.is_open().map_err(|error| error.kind()), expected);
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        check_failure(ErrorKind::BrokenPipe, Ok(false));
        check_failure(ErrorKind::StorageFull, Err(ErrorKind::StorageFull));
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_no_time() {
        let (mut output, _said, gate) = output(0, None);
        let began = Instant::now();
        (0..MAX_WAITING * 2).for_each(|n| output.say(n.to_string()));
        assert!(began.elapsed() < FAREWELL, "{:?}", began.elapsed());
        assert!(output.n_lost >= (MAX_WAITING - 1) as u64, "{}", output.n_lost);
        assert_eq!(output.end_with("end".to_owned()).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(gate);
    }
}
