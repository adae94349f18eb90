//! The health score and its history.

use std::time::Instant;

/// The score over time.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first, about two a second; `NaN` never occurs.
    pub samples: Vec<(Instant, u8)>,
}
