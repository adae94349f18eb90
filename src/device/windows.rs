//! Windows: what its systems tell of cameras, and how it is asked.
//!
//! The files that make something of what was told are plain data in, plain data out; they are compiled and tested on every
//! system. Those that call Windows are compiled there alone, and `system.rs` is what the rest of the program sees of them.

pub mod access;
mod auto_exposure;
pub mod cameras;
pub mod consent;
pub mod device_property;
#[cfg(test)]
mod fake;
pub mod instance;
pub mod media_types;
pub mod pnp_device;
pub mod properties;
pub mod property_errors;

#[cfg(windows)]
mod controls;
#[cfg(windows)]
mod directshow;
#[cfg(windows)]
pub(super) mod process;
#[cfg(windows)]
mod registry;
#[cfg(windows)]
mod setup;
#[cfg(windows)]
pub(super) mod shared_memory;
#[cfg(windows)]
pub(super) mod system;
#[cfg(windows)]
mod watch;
