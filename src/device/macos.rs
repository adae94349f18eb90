//! macOS: what it tells of cameras, and how it is asked.
//!
//! [`cameras`] makes devices of what was told, and is compiled and tested on every system. The files that call macOS are
//! compiled there alone, and `system.rs` is what the rest of the program sees of them.

pub mod cameras;

#[cfg(target_os = "macos")]
mod core_media_io;
#[cfg(target_os = "macos")]
pub(super) mod process;
#[cfg(target_os = "macos")]
pub(super) mod shared_memory;
#[cfg(target_os = "macos")]
pub(super) mod system;
#[cfg(target_os = "macos")]
mod watch;
