//! Looks at the live picture, twice a second, for as long as it lives: tells what is wrong with it, and gives its numbers.
//!
//! It opens nothing and waits for no camera: it reads the frames that the engine publishes. What a number means beyond black,
//! frozen, torn, covered and green is judged by those who know the camera besides.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::criteria::{PictureChange, PictureFault};
use crate::frame::Frame;
use crate::latest::{Latest, Reader};
use crate::picture::{FrameCoding, PictureStats};
use crate::source::SourceSpec;

mod live;
mod observer;

pub use live::LivePicture;
use observer::PictureObserver;
pub use observer::WINDOW;

/// How equal pictures of a source are to be taken, as far as its name tells.
#[must_use]
pub fn coding_of(spec: &SourceSpec) -> FrameCoding {
    match spec {
        // Its encoder smooths the sensor's noise away.
        SourceSpec::Url(_) => FrameCoding::Inter,
        SourceSpec::File(_) => FrameCoding::Unknown,
        SourceSpec::Simulated(_) | SourceSpec::Index(_) | SourceSpec::Device(_) => FrameCoding::Intra,
    }
}

/// What has changed about the live picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureReport {
    /// What has begun and what has ended since the report before. Empty where only a share is another one.
    pub changes: Vec<PictureChange>,
    /// Everything that is wrong now.
    pub faults: Vec<PictureFault>,
}

/// The thread that looks. Dropping it ends the thread, within half a second.
pub struct Analyser {
    /// Dropped to end the thread.
    _alive: crossbeam_channel::Sender<()>,
    picture: Latest<PictureStats>,
}

impl Analyser {
    /// Looks at these frames, of one camera. `tell` is called on the thread that looks, with each change; it must not wait.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        frames: Reader<Frame>,
        coding: FrameCoding,
        tell: impl FnMut(PictureReport) + Send + 'static,
    ) -> io::Result<Self> {
        let (alive, is_alive) = bounded::<()>(0);
        let picture = Latest::new();
        let published = picture.clone();
        thread::Builder::new()
            .name("analyser".to_owned())
            .spawn(move || look(frames, coding, &is_alive, &published, tell))?;
        Ok(Self { _alive: alive, picture })
    }

    /// A reader of the numbers of the last seconds, published after each picture that was looked at.
    #[must_use]
    pub fn picture(&self) -> Reader<PictureStats> {
        self.picture.reader()
    }
}

/// How often a wait for a picture looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(500);

fn look(
    mut frames: Reader<Frame>,
    coding: FrameCoding,
    alive: &Receiver<()>,
    picture: &Latest<PictureStats>,
    mut tell: impl FnMut(PictureReport),
) {
    let mut observer = PictureObserver::new(coding, Instant::now());
    let mut told = Vec::new();
    while matches!(alive.try_recv(), Err(TryRecvError::Empty)) {
        if !observer.wants_next() {
            // Ends at once when nobody wants it any more.
            let _ = alive.recv_deadline(observer.due());
        }
        let now = Instant::now();
        let fresh =
            if observer.wants_next() { frames.wait_fresh(observer.due()) } else { frames.wait_fresh(now + POLL) };
        let now = Instant::now();
        let changes = match fresh {
            Some(fresh) => observer.on_frame(&fresh.value, now),
            None => observer.on_silence(now),
        };
        if let Some(stats) = observer.take_stats() {
            picture.publish(stats);
        }
        let faults = observer.faults();
        if !changes.is_empty() || has_moved(&told, &faults) {
            told.clone_from(&faults);
            tell(PictureReport { changes, faults });
        }
    }
}

/// A share differs by a hundredth at least: less is not worth a word.
fn has_moved(before: &[PictureFault], after: &[PictureFault]) -> bool {
    const LEAST: f64 = 0.01;
    before.len() != after.len() || before.iter().zip(after).any(|(a, b)| (a.share - b.share).abs() >= LEAST)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::SystemTime;

    use super::*;
    use crate::criteria::PictureFaultKind;
    use crate::source::simulated::pictures;

    #[test]
    fn it_tells_what_it_sees_and_ends_when_it_is_dropped() {
        let frames = Latest::new();
        let (sender, told) = channel();
        let tell = move |report| sender.send(report).unwrap();
        let analyser = Analyser::start(frames.reader(), FrameCoding::Intra, tell).unwrap();
        let mut seen = analyser.picture();
        let image = pictures("64x48,black").next().unwrap().1;
        let publish = |number: u64| {
            let (taken_at, taken_at_wall) = (Instant::now(), SystemTime::now());
            let image = image.clone();
            frames.publish(Frame { image, number, sequence: None, taken_at, taken_at_wall });
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut number = 0;
        let report: PictureReport = loop {
            number += 1;
            publish(number);
            if let Ok(report) = told.recv_timeout(Duration::from_millis(20)) {
                break report;
            }
            assert!(Instant::now() < deadline, "nothing is told");
        };
        let [PictureChange::Began(fault)] = report.changes.as_slice() else { panic!("{report:?}") };
        assert!(fault.kind == PictureFaultKind::Black && report.faults == [*fault], "{report:?}");
        assert!(seen.take_fresh().unwrap().value.is_uniform);
        drop(analyser);
        // The thread owns what it tells with.
        while told.recv_timeout(Duration::from_millis(20)) != Err(std::sync::mpsc::RecvTimeoutError::Disconnected) {
            assert!(Instant::now() < deadline, "it goes on");
        }
    }
}
