//! Measures the pictures of a check-up on a thread of its own: that may take longer than the time to the next frame, and a frame
//! that is not read in time is lost. Pictures that come while it is at work are left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::frame::Image;
use crate::lock::{Lock, Locked};
use crate::picture::{FrameCoding, PictureSeries, PictureStats};

/// A thread that looks at pictures as it gets to them. It ends with this.
pub struct PictureSampler {
    pictures: Option<Sender<(Image, Instant)>>,
    watcher: Arc<Lock<PictureSeries>>,
    /// When it is worth asking again: looking takes no more than half of the time.
    rests_until: Arc<Lock<Instant>>,
    n_seen: Arc<AtomicU32>,
}

impl PictureSampler {
    /// Without a thread, where the system gives none, nothing is seen.
    #[must_use]
    pub fn new(coding: FrameCoding) -> Self {
        let watcher = Arc::new(Lock::new(PictureSeries::new(coding)));
        let rests_until = Arc::new(Lock::new(Instant::now()));
        let (pictures, waiting) = bounded(1);
        let n_seen = Arc::new(AtomicU32::new(0));
        let (sampler, rest, n) = (Arc::clone(&watcher), Arc::clone(&rests_until), Arc::clone(&n_seen));
        let started =
            thread::Builder::new().name("check-picture".to_owned()).spawn(move || look(&waiting, &sampler, &rest, &n));
        Self { pictures: started.is_ok().then_some(pictures), watcher, rests_until, n_seen }
    }

    /// Gives it a picture, which it looks at if it has time. Never waits.
    pub fn show(&self, image: &Image, taken_at: Instant) {
        let is_resting = *lock(&self.rests_until) > Instant::now();
        if let Some(pictures) = self.pictures.as_ref().filter(|_| !is_resting) {
            let _ = pictures.try_send((image.clone(), taken_at));
        }
    }

    /// How many it has looked at.
    #[must_use]
    pub fn n_seen(&self) -> u32 {
        self.n_seen.load(Ordering::Relaxed)
    }

    /// The numbers of what it has looked at. Takes as long as one look.
    #[must_use]
    pub fn seen(&self) -> PictureStats {
        lock(&self.watcher).stats()
    }
}

fn look(
    waiting: &Receiver<(Image, Instant)>,
    watcher: &Lock<PictureSeries>,
    rests_until: &Lock<Instant>,
    n_seen: &AtomicU32,
) {
    /// Less than the time from one frame to the next, of any common camera: who is as fast as this needs no rest.
    const SHORT: std::time::Duration = std::time::Duration::from_millis(25);
    while let Ok((image, taken_at)) = waiting.recv() {
        let began = Instant::now();
        lock(watcher).add(&image, taken_at);
        n_seen.fetch_add(1, Ordering::Relaxed);
        let took = began.elapsed();
        drop(image);
        if took > SHORT {
            *lock(rests_until) = Instant::now() + took;
        }
    }
}

fn lock<T>(mutex: &Lock<T>) -> Locked<'_, T> {
    mutex.lock()
}
