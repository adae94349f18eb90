//! How long the window took for each of its pictures: the promise that nothing stops it, in numbers.

use std::time::{Duration, Instant};

use crate::event::Level;
use crate::logging::EventLog;

/// Fonts and shaders are made in the first pictures.
const BEGINNING: Duration = Duration::from_secs(1);
/// The oldest go: an hour at 60 Hz.
const MAX_KEPT: usize = 216_000;

/// When dropped, tells the log (debug) how the window kept up.
pub struct PassTimes {
    began: Instant,
    secs: Vec<f32>,
    log: EventLog,
}

impl PassTimes {
    pub fn new(log: EventLog) -> Self {
        Self { began: Instant::now(), secs: Vec::new(), log }
    }

    /// One more picture, which took so long to lay out and paint. Waiting for the screen does not count.
    pub fn add(&mut self, secs: f32) {
        if self.began.elapsed() < BEGINNING {
            return;
        }
        if self.secs.len() >= MAX_KEPT {
            self.secs.drain(..MAX_KEPT / 2);
        }
        self.secs.push(secs);
    }

    /// Longest, and the one that 99 in a hundred do not exceed, in seconds.
    fn summary(&self) -> Option<(f32, f32)> {
        let mut sorted = self.secs.clone();
        sorted.sort_by(f32::total_cmp);
        Some((*sorted.last()?, *sorted.get((sorted.len() - 1) * 99 / 100)?))
    }
}

impl Drop for PassTimes {
    fn drop(&mut self) {
        if let Some((longest, most)) = self.summary() {
            let (longest, most, n) = (longest * 1e3, most * 1e3, self.secs.len());
            let message = format!(
                "{n} pictures of the window; 99 in a hundred took at most {most:.0} ms, the longest {longest:.0} ms"
            );
            self.log.add("", Level::Debug, "window", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_and_the_usual_are_told_at_the_end() {
        let log = EventLog::new();
        let mut pace = PassTimes::new(log.clone());
        pace.add(9.0);
        pace.began = Instant::now().checked_sub(BEGINNING).unwrap();
        (0..200).for_each(|_| pace.add(0.004));
        pace.add(0.05);
        drop(pace);
        let events = log.since(0);
        assert_eq!(events.len(), 1);
        let expected = "201 pictures of the window; 99 in a hundred took at most 4 ms, the longest 50 ms";
        assert_eq!(events[0].message, expected);
    }

    #[test]
    fn a_window_that_was_never_drawn_has_no_pace() {
        let log = EventLog::new();
        drop(PassTimes::new(log.clone()));
        assert!(log.since(0).is_empty());
    }
}
