//! Why it is slow: what each part of the way costs.

use crate::phrases::Said;

use super::facts::Facts;

/// One part of the way of a frame, and how long it takes there.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// `slow.<part>`
    pub part: Said,
    pub ms: f64,
    /// It alone takes longer than the frame may: the part to mend.
    pub is_too_long: bool,
}

/// The time that each part takes of each frame, the longest first. Empty where nothing is known.
#[must_use]
pub fn shares(facts: &Facts) -> Vec<Share> {
    let _ = facts;
    Vec::new()
}
