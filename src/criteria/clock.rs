//! Whether clocks can be relied on.

use std::time::{Duration, Instant};

/// Millionths by which a camera's clock may run fast or slow: cheap ones have 20, and 500 is what recorders can bear (F79).
const MAX_DRIFT_PPM: f64 = 500.0;
/// What arrives a few milliseconds early or late looks like drift over less than this many seconds.
const LEAST_DRIFT_SECS: f64 = 120.0;
/// Times of another process are known to so much.
const TOLERANCE: Duration = Duration::from_millis(1);
/// Clocks are set by less all the time, to keep them right (F79b).
const STEP_SECS: f64 = 1.0;

/// F79: a camera's clock is off by so much.
#[must_use]
pub fn is_clock_off(ppm: f64) -> bool {
    ppm.abs() > MAX_DRIFT_PPM
}

/// The drift was watched for long enough to be one.
#[must_use]
pub fn is_drift_certain(secs: f64) -> bool {
    secs >= LEAST_DRIFT_SECS
}

/// F79b: the computer's clock was set by so much.
#[must_use]
pub fn is_clock_step(secs: f64) -> bool {
    secs.abs() >= STEP_SECS
}

/// F78: this frame is said to be older than the one before it.
#[must_use]
pub fn has_gone_back(before: Instant, this: Instant) -> bool {
    before.saturating_duration_since(this) > TOLERANCE
}
