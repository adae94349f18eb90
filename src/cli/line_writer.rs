//! Lines to stdout or stderr, written by a thread of their own: a reader that is slow, has stopped or has gone holds up nobody
//! but this thread. Nothing in them steers a terminal. What they say, and what their loss means, is up to whoever has them written.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError, bounded};

use crate::foreign::for_terminal;
use crate::lock::Lock;

/// Lines that wait for the reader. Ten cameras make as many in a minute and a half.
const MAX_WAITING: usize = 1_024;
/// How long the last lines may take.
const LAST_LINES_DEADLINE: Duration = Duration::from_secs(2);

/// Writes lines in their order. Dropping it does not wait for those that are not written yet.
pub(super) struct LineWriter {
    tasks: Sender<WriterTask>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    /// Why the thread has ended.
    failure: Arc<Lock<Option<io::Error>>>,
    /// Lines for which there was no room.
    n_lost: AtomicU64,
    /// Nothing has been written since somebody waited in vain.
    is_stuck: Arc<AtomicBool>,
}

enum WriterTask {
    Write(String),
    /// To be dropped when all that came before it is written.
    Reach(Sender<()>),
}

impl LineWriter {
    /// The thread gets this name.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(name: &str, mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (tasks, waiting) = bounded(MAX_WAITING);
        let (ended_tx, ended) = bounded(0);
        let failure = Arc::new(Lock::new(None));
        let is_stuck = Arc::new(AtomicBool::new(false));
        let (failed, stuck) = (Arc::clone(&failure), Arc::clone(&is_stuck));
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ended: Sender<()> = ended_tx;
            for task in waiting {
                match task {
                    WriterTask::Write(line) => {
                        if let Err(error) = writeln!(to, "{}", for_terminal(&line)).and_then(|()| to.flush()) {
                            *failed.lock() = Some(error);
                            return;
                        }
                        stuck.store(false, Ordering::Relaxed);
                    }
                    WriterTask::Reach(reached) => drop(reached),
                }
            }
        })?;
        Ok(Self { tasks, ended, failure, n_lost: AtomicU64::new(0), is_stuck })
    }

    /// Has a line written. Never waits: without room for it, it is lost.
    pub(super) fn write(&self, line: String) {
        match self.tasks.try_send(WriterTask::Write(line)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.n_lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until all lines so far are written; at most for so long, and not at all behind one that was waited for in vain.
    pub(super) fn wait(&self, patience: Duration) {
        if self.is_stuck.load(Ordering::Relaxed) {
            return;
        }
        let (sender, reached) = bounded(0);
        let is_late = match self.tasks.try_send(WriterTask::Reach(sender)) {
            Ok(()) => reached.recv_timeout(patience) == Err(RecvTimeoutError::Timeout),
            Err(error) => error.is_full(),
        };
        if is_late {
            self.is_stuck.store(true, Ordering::Relaxed);
        }
    }

    /// The same before the program ends: also for one that was late before, as a busy computer makes every reader.
    pub(super) fn wait_at_the_end(&self, patience: Duration) {
        self.is_stuck.store(false, Ordering::Relaxed);
        self.wait(patience);
    }

    /// How many lines were lost since this was asked for last.
    pub(super) fn take_lost(&self) -> u64 {
        self.n_lost.swap(0, Ordering::Relaxed)
    }

    /// Whether lines can be written; `Ok(false)` when the reader has gone, which it may do at any time.
    ///
    /// # Errors
    /// What the system says of the writing: a full disk, say.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        match self.failure.lock().take() {
            Some(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Some(error) => Err(error),
            None => Ok(true),
        }
    }

    /// Has the last line written, and waits a moment until everything is.
    ///
    /// # Errors
    /// As [`Self::is_open`]; or the reader does not read.
    pub(super) fn end_with(self, line: String) -> io::Result<()> {
        let until = Instant::now() + LAST_LINES_DEADLINE;
        let late = || io::Error::new(ErrorKind::TimedOut, "whoever reads it has stopped reading");
        if let Err(SendTimeoutError::Timeout(_)) = self.tasks.send_timeout(WriterTask::Write(line), LAST_LINES_DEADLINE)
        {
            return Err(late());
        }
        let Self { tasks, ended, failure, .. } = self;
        drop(tasks);
        if let Err(RecvTimeoutError::Timeout) = ended.recv_deadline(until) {
            return Err(late());
        }
        let failure = failure.lock().take();
        failure.filter(|error| error.kind() != ErrorKind::BrokenPipe).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `n` writes, and then fails or blocks.
    struct FakeReader {
        lines: Sender<String>,
        left: usize,
        then: Option<ErrorKind>,
        gate: Receiver<()>,
    }

    impl Write for FakeReader {
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

    fn output(left: usize, then: Option<ErrorKind>) -> (LineWriter, Receiver<String>, Sender<()>) {
        let (lines, written) = bounded(MAX_WAITING * 4);
        let (open, gate) = bounded(0);
        (LineWriter::start("lines", FakeReader { lines, left, then, gate }).unwrap(), written, open)
    }

    #[test]
    fn everything_is_written_before_the_end() {
        let (output, written, _gate) = output(100, None);
        (0..50).for_each(|n| output.write(n.to_string()));
        assert!(output.is_open().unwrap());
        output.end_with("end".to_owned()).unwrap();
        let text: String = written.try_iter().collect();
        assert_eq!(text.lines().count(), 51);
        assert!(text.ends_with("49\nend\n"), "{text}");
    }

    #[track_caller]
    fn check_failure(kind: ErrorKind, expected: Result<bool, ErrorKind>) {
        let (output, _written, _gate) = output(0, Some(kind));
        output.write("line".to_owned());
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
        let (output, _written, gate) = output(0, None);
        let began = Instant::now();
        (0..MAX_WAITING * 2).for_each(|n| output.write(n.to_string()));
        assert!(began.elapsed() < LAST_LINES_DEADLINE, "{:?}", began.elapsed());
        assert!(output.take_lost() >= (MAX_WAITING - 1) as u64);
        assert_eq!(output.take_lost(), 0);
        assert_eq!(output.end_with("end".to_owned()).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(gate);
    }

    #[test]
    fn nobody_waits_twice_for_a_reader_that_has_stopped() {
        let (output, written, gate) = output(1, None);
        output.write("first".to_owned());
        output.wait(Duration::from_secs(20));
        assert_eq!(written.try_iter().collect::<String>(), "first\n", "it was waited for");
        output.write("second".to_owned());
        output.wait(Duration::from_millis(1));
        assert!(output.is_stuck.load(Ordering::Relaxed));
        let began = Instant::now();
        output.wait(Duration::from_secs(20));
        assert!(began.elapsed() < Duration::from_secs(10));
        // The reader goes on.
        drop(gate);
        while output.is_stuck.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}
