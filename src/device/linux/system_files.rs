//! The system's own files, read as text: those of this computer, or those below a folder in tests.

use std::fs;
use std::path::PathBuf;

use crate::foreign::safe;

/// Where they are, and in which snap this program runs.
pub struct SystemFiles {
    pub(super) root: PathBuf,
    /// The name of the snap that this program runs in.
    pub(super) snap: Option<String>,
}

impl SystemFiles {
    pub fn of_this_system() -> Self {
        let snap = std::env::var_os("SNAP_NAME").filter(|_| std::env::var_os("SNAP").is_some());
        Self { root: PathBuf::from("/"), snap: snap.map(|name| safe(name.as_encoded_bytes())) }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Empty where it cannot be read.
    pub fn text(&self, file: &str) -> String {
        fs::read(self.path(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}
