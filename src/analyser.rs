//! Looks at the live picture, twice a second, for as long as it lives: tells what is wrong with it, and gives its numbers.
//!
//! It opens nothing and waits for no camera: it reads the frames that the engine publishes, which starts it. What a number means
//! beyond black, frozen, torn, covered and green is judged by those who know the camera besides.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use crate::criteria::PictureFault;
use crate::device::DeviceKind;
use crate::frame::{Frame, PixelFormat};
use crate::latest::{Latest, Reader};
use crate::picture::{FrameCoding, PictureStats};
use crate::source::SourceSpec;
use crate::status::Got;

mod live;
mod observer;

use observer::PictureObserver;
pub use observer::WINDOW;

/// How equal pictures of a source are to be taken, as far as its name, its kind and what it delivers tell.
#[must_use]
pub fn coding_of(spec: &SourceSpec, kind: Option<DeviceKind>, got: &Got) -> FrameCoding {
    /// Snapshots are asked for one by one, perhaps more often than they are made; no more than one a second is expected of a camera.
    const SNAPSHOTS_FPS: f64 = 1.0;
    match spec {
        // A program may show a slide for as long as it likes.
        _ if matches!(kind, Some(DeviceKind::Virtual | DeviceKind::Test)) => FrameCoding::Unknown,
        SourceSpec::Url(_)
            if got.format == Some(PixelFormat::MJPG) && got.fps.is_none_or(|fps| fps > SNAPSHOTS_FPS) =>
        {
            FrameCoding::Served
        }
        // Its encoder smooths the sensor's noise away.
        SourceSpec::Url(_) => FrameCoding::Inter,
        SourceSpec::File(_) => FrameCoding::Unknown,
        SourceSpec::Simulated(_) | SourceSpec::Index(_) | SourceSpec::Device(_) => FrameCoding::Intra,
    }
}

/// The thread that looks. Dropping it ends the thread, within half a second.
pub struct Analyser {
    /// Dropped to end the thread.
    _alive: Sender<()>,
}

impl Analyser {
    /// Looks at these frames, of one camera. `stats` gets the numbers of the last seconds after each picture that was looked at, and
    /// `faults` everything that is wrong, whenever that has changed. It does not wait for the reader of `faults`: what finds no room is
    /// sent again.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        frames: Reader<Frame>,
        coding: FrameCoding,
        stats: Latest<PictureStats>,
        faults: Sender<Vec<PictureFault>>,
    ) -> io::Result<Self> {
        let (alive, is_alive) = bounded::<()>(0);
        stats.publish(PictureStats::default());
        thread::Builder::new()
            .name("analyser".to_owned())
            .spawn(move || look(frames, coding, &is_alive, &stats, &faults))?;
        Ok(Self { _alive: alive })
    }
}

/// How often a wait for a picture looks whether it is still wanted.
const POLL: Duration = Duration::from_millis(500);

fn look(
    mut frames: Reader<Frame>,
    coding: FrameCoding,
    alive: &Receiver<()>,
    stats: &Latest<PictureStats>,
    told: &Sender<Vec<PictureFault>>,
) {
    let mut observer = PictureObserver::new(coding, Instant::now());
    let mut last_told = Vec::new();
    while matches!(alive.try_recv(), Err(TryRecvError::Empty)) {
        if !observer.wants_next() {
            // Ends at once when nobody wants it any more.
            let _ = alive.recv_deadline(observer.due());
        }
        let now = Instant::now();
        let fresh =
            if observer.wants_next() { frames.wait_fresh(observer.due()) } else { frames.wait_fresh(now + POLL) };
        let now = Instant::now();
        match fresh {
            Some(fresh) => observer.on_frame(&fresh.value, now),
            None => observer.on_silence(now),
        }
        if let Some(fresh) = observer.take_stats() {
            stats.publish(fresh);
        }
        let faults = observer.faults();
        if has_changed(&last_told, &faults) && told.try_send(faults.clone()).is_ok() {
            last_told = faults;
        }
    }
}

/// A share differs by a hundredth at least: less is not worth a word.
fn has_changed(before: &[PictureFault], after: &[PictureFault]) -> bool {
    const LEAST: f64 = 0.01;
    let differs = |(a, b): (&PictureFault, &PictureFault)| {
        (a.kind, a.since) != (b.kind, b.since) || (a.share - b.share).abs() >= LEAST
    };
    before.len() != after.len() || before.iter().zip(after).any(differs)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::source::simulated::pictures;
    use crate::status::PictureFaultKind;

    #[test]
    fn a_program_may_show_the_same_picture_for_ever() {
        use DeviceKind::{Camera, Infrared, Virtual};
        use FrameCoding::{Inter, Intra, Served, Unknown};
        #[track_caller]
        fn check_got(spec: &str, kind: Option<DeviceKind>, got: &Got, expected: FrameCoding) {
            assert_eq!(coding_of(&SourceSpec::parse(spec).unwrap(), kind, got), expected, "{spec} {kind:?} {got:?}");
        }
        #[track_caller]
        fn check(spec: &str, kind: Option<DeviceKind>, expected: FrameCoding) {
            check_got(spec, kind, &Got::default(), expected);
        }
        check("0", Some(Camera), Intra);
        check("0", Some(Infrared), Intra);
        check("0", None, Intra);
        check("usb-1", Some(Virtual), Unknown);
        check("rtsp://camera/1", None, Inter);
        check("film.mp4", None, Unknown);
        for (fps, expected) in [(None, Served), (Some(4.0), Served), (Some(1.0), Inter), (Some(0.3), Inter)] {
            let got = Got { fps, format: Some(PixelFormat::MJPG), ..Got::default() };
            check_got("http://camera/video", None, &got, expected);
            check_got("0", Some(Camera), &got, Intra);
        }
    }

    #[test]
    fn it_tells_what_it_sees_and_ends_when_it_is_dropped() {
        let frames = Latest::new();
        let (sender, told) = bounded(1);
        let stats = Latest::new();
        let analyser = Analyser::start(frames.reader(), FrameCoding::Intra, stats.clone(), sender).unwrap();
        let image = pictures("64x48,black").next().unwrap().1;
        let publish = |number: u64| {
            let (taken_at, taken_at_wall) = (Instant::now(), SystemTime::now());
            let image = image.clone();
            frames.publish(Frame { image, number, sequence: None, taken_at, taken_at_wall });
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut number = 0;
        let faults = loop {
            number += 1;
            publish(number);
            if let Ok(faults) = told.recv_timeout(Duration::from_millis(20)) {
                break faults;
            }
            assert!(Instant::now() < deadline, "nothing is told");
        };
        let kinds: Vec<_> = faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [PictureFaultKind::Black]);
        assert!(stats.reader().current().unwrap().is_uniform);
        drop(analyser);
        // The thread owns what it tells with.
        while told.recv_timeout(Duration::from_millis(20)) != Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
            assert!(Instant::now() < deadline, "it goes on");
        }
    }
}
