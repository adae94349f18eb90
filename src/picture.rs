//! What pictures show, in numbers.

use serde::{Deserialize, Serialize};

/// What a series of pictures has in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    pub n_pictures: u32,
}
