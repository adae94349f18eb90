//! Programs that end with whoever has started them.

use std::process::{Child, Command, Stdio};

/// A program that is killed when this is dropped.
pub struct Running(pub Child);

impl Running {
    /// What it says is of no interest.
    pub fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
