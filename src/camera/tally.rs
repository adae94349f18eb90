//! What is counted and measured of one camera.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::health::Health;
use crate::source::Grabbed;
use crate::source::reader::Pace;
use crate::status::{Drops, Got};

/// Counts go on across openings; what belongs to one opening begins anew with it.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) n_frames: u64,
    pub(super) drops: Drops,
    pub(super) health: Health,
    /// By the camera's clock, which may be wrong, and by ours.
    pub(super) last_frame_at: Option<Instant>,
    pub(super) last_arrival: Option<Instant>,
    pub(super) pace: Pace,
    /// From the driver's hand-over to the supervisor, smoothed.
    pub(super) latency_ms: Option<f64>,
    pub(super) got: Got,
    pub(super) backend: Option<Backend>,

    opening_since: Option<Instant>,
    pub(super) open_ms: Option<u64>,
    pub(super) first_frame_ms: Option<u64>,
    /// Good frames since this opening.
    pub(super) n_frames_of_opening: u64,
    last_sequence: Option<u64>,
}

impl Tally {
    pub(super) fn on_opening(&mut self, now: Instant) {
        self.opening_since = Some(now);
        self.open_ms = None;
        self.first_frame_ms = None;
        self.n_frames_of_opening = 0;
        self.last_sequence = None;
        self.pace = Pace::default();
    }

    /// The open call has come back, with a stream or without.
    pub(super) fn on_open_ended(&mut self, now: Instant) {
        self.open_ms = self.open_ms.or_else(|| self.since_opening(now));
    }

    pub(super) fn on_frame(&mut self, grabbed: Grabbed, now: Instant) {
        let n_lost = match (self.last_sequence, grabbed.sequence) {
            // A driver that starts counting anew has not lost anything.
            (Some(last), Some(this)) if this > last => this - last - 1,
            _ => 0,
        };
        self.last_sequence = grabbed.sequence;
        self.drops.camera = self.drops.camera.saturating_add(n_lost);
        self.health.on_frame(grabbed.taken_at, n_lost);
        self.n_frames += 1;
        self.n_frames_of_opening += 1;
        self.first_frame_ms = self.first_frame_ms.or_else(|| self.since_opening(now));
        self.last_frame_at = Some(grabbed.taken_at);
        self.last_arrival = Some(now);
        self.pace.on_frame(now);
        let latency_ms = now.saturating_duration_since(grabbed.taken_at).as_secs_f64() * 1_000.0;
        self.latency_ms = Some(self.latency_ms.map_or(latency_ms, |smoothed| smoothed * 0.9 + latency_ms * 0.1));
    }

    pub(super) fn on_damaged_frame(&mut self) {
        self.drops.damaged += 1;
        self.health.on_lost(1);
    }

    /// One that is shown all the same.
    pub(super) fn on_concealed_damage(&mut self) {
        self.drops.concealed += 1;
        self.health.on_lost(1);
    }

    /// The stream ends because something failed.
    pub(super) fn on_interruption(&mut self, now: Instant) {
        if self.n_frames_of_opening > 0 {
            self.health.on_interruption(now);
        } else {
            self.health.on_stream_end();
        }
        self.n_frames_of_opening = 0;
    }

    fn since_opening(&self, now: Instant) -> Option<u64> {
        self.opening_since.map(|since| millis(now.saturating_duration_since(since)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// “640x480 MJPG at 30 fps”.
pub(super) fn describe(got: &Got) -> String {
    let size = got.size.map_or_else(|| "size unknown".to_owned(), |size| size.to_string());
    let format = got.format.map(|format| format!(" {format}")).unwrap_or_default();
    // Two decimals at most, and none that are zero: 29.97, 30.
    let fps = got.fps.map(|fps| format!(" at {} fps", (fps * 100.0).round() / 100.0)).unwrap_or_default();
    format!("{size}{format}{fps}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{PixelFormat, Size};

    #[test]
    fn gaps_in_the_drivers_count_are_losses_and_a_new_count_is_none() {
        let now = Instant::now();
        let mut tally = Tally::default();
        for sequence in [7, 8, 10, 15, 0, 1] {
            tally.on_frame(Grabbed::new(now, Some(sequence)), now);
        }
        assert_eq!((tally.n_frames, tally.drops.camera), (6, 5));
        tally.on_opening(now);
        tally.on_frame(Grabbed::new(now, Some(90)), now);
        assert_eq!((tally.n_frames_of_opening, tally.drops.camera), (1, 5));
        // Whatever a driver counts.
        for sequence in [0, u64::MAX, 0, u64::MAX] {
            tally.on_frame(Grabbed::new(now, Some(sequence)), now);
            tally.on_damaged_frame();
        }
        assert_eq!(tally.drops.camera, u64::MAX);
    }

    #[test]
    fn streams_are_described_as_people_say_it() {
        let got = Got { size: Size::new(640, 480), fps: Some(30.0), format: Some(PixelFormat::MJPG), n_buffers: None };
        assert_eq!(describe(&got), "640x480 MJPG at 30 fps");
        assert_eq!(describe(&Got { fps: Some(30_000.0 / 1_001.0), ..got }), "640x480 MJPG at 29.97 fps");
        assert_eq!(describe(&Got::default()), "size unknown");
    }
}
