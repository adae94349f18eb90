//! Looks at the live picture, twice a second, for as long as it lives.
//!
//! It takes the numbers, and judges nothing: who shows them knows the camera besides.

use std::io;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::frame::Frame;
use crate::latest::{Latest, Reader};
use crate::picture::{FrameCoding, PictureSeries, PictureStats};

/// Between two pictures that are looked at: with 1080p less than a fiftieth of a core.
const PERIOD: Duration = Duration::from_millis(500);

/// The thread that looks. Dropping it ends the thread, at the latest when the picture in its hands is done.
pub struct Analyser {
    /// Dropped to end the thread.
    _going_on: Sender<()>,
    seen: Latest<PictureStats>,
}

impl Analyser {
    /// Looks at these frames, of one camera. Nothing is done while none come.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(frames: Reader<Frame>, coding: FrameCoding) -> io::Result<Self> {
        let (going_on, going_on_rx) = bounded::<()>(0);
        let seen = Latest::new();
        let published = seen.clone();
        thread::Builder::new()
            .name("analyser".to_owned())
            .spawn(move || look(frames, PictureSeries::new(coding), &going_on_rx, &published))?;
        Ok(Self { _going_on: going_on, seen })
    }

    /// A reader of the numbers of the last ten seconds, published after each picture that was looked at.
    #[must_use]
    pub fn picture(&self) -> Reader<PictureStats> {
        self.seen.reader()
    }
}

fn look(mut frames: Reader<Frame>, mut watcher: PictureSeries, going_on: &Receiver<()>, seen: &Latest<PictureStats>) {
    while going_on.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        if let Some(frame) = frames.take_fresh() {
            watcher.add(&frame.value.image, frame.value.taken_at);
            seen.publish(watcher.stats());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;
    use crate::source::simulated::pictures;

    #[test]
    fn it_tells_what_it_sees_and_ends_when_it_is_dropped() {
        let frames = Latest::new();
        let analyser = Analyser::start(frames.reader(), FrameCoding::Intra).unwrap();
        let mut seen = analyser.picture();
        let image = pictures("64x48,black").next().unwrap().1;
        for number in 1..=2 {
            let (taken_at, taken_at_wall) = (Instant::now(), SystemTime::now());
            frames.publish(Frame { image: image.clone(), number, sequence: None, taken_at, taken_at_wall });
            let fresh = seen.wait_fresh(Instant::now() + Duration::from_secs(20)).unwrap();
            assert_eq!(u64::from(fresh.value.n_pictures), number);
            assert!(fresh.value.is_uniform);
        }
        drop(analyser);
        // Each reader of the frames that lives holds one of the picture's owners with it.
        let deadline = Instant::now() + Duration::from_secs(20);
        while seen.wait_fresh(Instant::now() + Duration::from_millis(10)).is_some() {
            assert!(Instant::now() < deadline, "it goes on");
        }
    }
}
