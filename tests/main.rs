//! All integration tests in one target, so that they are linked once.

mod commands;
mod engine;
mod files;
mod lab;
mod tidy;
#[cfg(feature = "gui")]
mod ui;
