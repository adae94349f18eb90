//! In place of `sharing` where the program is built without its feature `share`.

use super::{MonitoredCamera, SharedOverHttp};
use crate::fleet::Fleet;

pub(super) enum NoSharing {}

pub(super) use NoSharing as Sharing;

impl NoSharing {
    /// # Errors
    /// Always.
    pub(super) fn start(_: SharedOverHttp, _: &Fleet, _: &[MonitoredCamera]) -> Result<Self, String> {
        Err("This Camclinic was built without its web page: nothing can be served.".to_owned())
    }

    pub(super) fn words_for_stdout(&self) -> Option<String> {
        match *self {}
    }
}
