//! How long the window took for each of its pictures: the promise that nothing stops it, in numbers.

use std::time::{Duration, Instant};

use crate::event::Level;
use crate::logging::EventLog;

/// Fonts and shaders are made in the first pictures.
const BEGINNING: Duration = Duration::from_secs(1);
/// The oldest go: an hour at 60 Hz.
const MAX_KEPT: usize = 216_000;

/// One picture of the window.
struct Pass {
    /// Layout and painting.
    secs: f32,
    layout_secs: f32,
    at: Instant,
}

/// When dropped, tells the log (debug) how the window kept up.
pub struct PassTimes {
    began: Instant,
    secs: Vec<f32>,
    longest: Option<Pass>,
    log: EventLog,
}

impl PassTimes {
    pub fn new(log: EventLog) -> Self {
        Self { began: Instant::now(), secs: Vec::new(), longest: None, log }
    }

    /// One more picture, which took so long to lay out and paint. Waiting for the screen does not count.
    pub fn add(&mut self, secs: f32, layout_secs: f32) {
        if self.began.elapsed() < BEGINNING {
            return;
        }
        if self.secs.len() >= MAX_KEPT {
            self.secs.drain(..MAX_KEPT / 2);
        }
        self.secs.push(secs);
        if self.longest.as_ref().is_none_or(|longest| longest.secs < secs) {
            self.longest = Some(Pass { secs, layout_secs, at: Instant::now() });
        }
    }
}

impl Drop for PassTimes {
    fn drop(&mut self) {
        let Some(Pass { secs, layout_secs, at }) = &self.longest else { return };
        let mut sorted = std::mem::take(&mut self.secs);
        sorted.sort_by(f32::total_cmp);
        let n = sorted.len();
        let most = sorted.get((n - 1) * 99 / 100).unwrap_or(secs);
        let message = format!(
            "{n} pictures of the window; 99 in a hundred took at most {:.0} ms, the longest {:.0} ms, {:.0} ms of them \
             for layout, {:.0} s after the start",
            most * 1e3,
            secs * 1e3,
            layout_secs * 1e3,
            (*at - self.began).as_secs_f32()
        );
        self.log.add("", Level::Debug, "window", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_and_the_usual_are_told_at_the_end() {
        let log = EventLog::new();
        let mut pace = PassTimes::new(log.clone());
        pace.add(9.0, 1.0);
        pace.began = Instant::now().checked_sub(BEGINNING).unwrap();
        (0..200).for_each(|_| pace.add(0.004, 0.001));
        pace.add(0.05, 0.03);
        drop(pace);
        let events = log.since(0);
        assert_eq!(events.len(), 1);
        let expected = "201 pictures of the window; 99 in a hundred took at most 4 ms, the longest 50 ms, 30 ms of them for layout, 1 s after the start";
        assert_eq!(events[0].message, expected);
    }

    #[test]
    fn a_window_that_was_never_drawn_has_no_pace() {
        let log = EventLog::new();
        drop(PassTimes::new(log.clone()));
        assert!(log.since(0).is_empty());
    }
}
