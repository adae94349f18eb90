//! All integration tests in one target, so that they are linked once.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "in a test a panic is the message")]

#[cfg(feature = "gui")]
mod addresses;
mod campaign;
mod checkup;
mod commands;
mod devices;
mod engine;
mod evidence;
mod files;
mod isolation;
mod lab;
mod lab_checkup;
mod monitor;
mod network;
mod phrases;
mod promises;
mod record;
mod report;
mod running;
mod secrets;
#[cfg(feature = "share")]
mod served;
#[cfg(feature = "share")]
mod share;
mod streams;
mod testing;
mod texts;
mod tidy;
#[cfg(feature = "gui")]
mod ui;
#[cfg(feature = "gui")]
mod ui_checkup;
#[cfg(feature = "gui")]
mod ui_clips;
#[cfg(feature = "gui")]
mod ui_grid;
#[cfg(feature = "gui")]
mod ui_viewer;
