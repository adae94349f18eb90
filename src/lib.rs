//! Camclinic shows a camera, finds out why it misbehaves, and gets it going again.
//!
//! This page is the architecture. The library is the product; `main.rs` picks a face, the window or a command.
//!
//! # Picture
//!
//! ```text
//!                      Settings                    Command (bounded channel)
//!                         │                 ┌─────────────────────────────────┐
//!                         ▼                 ▼                                 │
//!  driver ──► Source ──► capture thread ──► supervisor ──► Latest<Frame> ──┬─► viewer   (screen rate)
//!             (trait)    (only reads)       (decides)                      └─► snapshots (own thread)
//!                                           │   │
//!                                           │   └─► Latest<Status>, Latest<History>, EventLog ──► panels, JSON
//!                                           └─ Ladder, Health (pure)
//! ```
//!
//! Three ideas carry it. **One loop decides**: the supervisor owns the state of one camera, waits on a closed list of
//! inputs, and calls no driver. **The newest value wins**: every reader of a [`latest::Latest`] goes at its own pace and
//! counts what it skipped. **A source does what it is told once**: it does not retry, wait or know about recovery.
//!
//! # Code map
//!
//! | layer | module | is |
//! |---|---|---|
//! | words | [`frame`] | `Frame`, `Image`, `PixelFormat`, `Size` |
//! | | [`fault`] | `Fault`, `FaultKind`, `FaultClass`: why there is no frame, what to do about it |
//! | | [`settings`] | every tunable with unit, range and default; load, save, migrate |
//! | | [`status`] | `Status`, `State`, `Grade`, `Rung`, `Alert`: the public JSON contract |
//! | | [`event`] | `Event`, `Level` |
//! | | [`backend`] | `Backend`: the ways to reach a device, and which of them this build has |
//! | | [`latest`] | `Latest<T>` and `Reader<T>` |
//! | decisions | [`recovery`] | `Ladder`: which rung next, and when |
//! | | [`health`] | score, deductions, history |
//! | | [`codec`] | JPEG, PNG and raw formats: the only file that knows a codec |
//! | devices | [`device`] | which cameras there are, why one cannot be opened; one file for each system |
//! | | [`source`] | `trait Source`, `SourceSpec`, and the backends below it |
//! | engine | [`camera`] | `Camera`, the front door; supervisor and capture thread behind it |
//! | | [`logging`] | `EventLog`, the ring of events |
//! | consumers | [`snapshot`] | saves pictures |
//! | faces | [`cli`] | every command |
//! | | `ui` | the window: `App`, the `PANELS` table, one file for a panel |
//!
//! A module may know its own layer and those to the left of it (above it in the table); `tests/tidy.rs` enforces this.
//!
//! # Invariants
//!
//! **Nothing a camera does can stop the window or the supervisor.** Neither ever calls a driver or waits for a thread that
//! might be in one. Every wait has a deadline, and every deadline is a setting or a named constant.
//!
//! **An old picture is never shown as a live one.** The state is `streaming` only while frames are younger than the stall
//! deadline.
//!
//! **What comes from a camera is not trusted.** Sizes are checked, damaged JPEGs are refused, panics in backends end the
//! opening and not the program.
//!
//! **Nothing is global.** Any number of [`camera::Camera`]s run beside each other.
//!
//! **A password is never printed, logged or saved.** [`source::SourceSpec`] masks it wherever it is displayed.
//!
//! # Threads
//!
//! | name | does | ends |
//! |---|---|---|
//! | `main` | the window, or the command | with the program |
//! | `supervisor` | decides; one for each camera | when its `Camera` is dropped |
//! | `capture-N` | opens, reads and closes the source; N counts the openings | when told, as soon as the driver's call returns |
//! | `reset-N` | resets a device on its bus | when the system has answered |
//! | `snapshots` | encodes and writes pictures | when its `Snapshots` is dropped |
//! | `list devices` | asks the system which cameras there are | when the system has answered |
//!
//! The window has a few more for dialogs, disk figures and saving the settings; each is named where it is made.
//!
//! # Glossary
//!
//! **device**: a camera that exists. **backend**: a way to reach one. **source**: one device opened through one backend;
//! calls on it may block for ever. **frame**: pixels with a number and times. **fault**: why there is no (good) frame.
//! **rung**: one step of recovery. **status**: the one picture of a camera that every face shows. **event**: something that
//! happened, with its time. **outage**: the time without a live picture although one is wanted.
//!
//! # Where to add things
//!
//! A backend: a variant of [`backend::Backend`], a file below `source/`, an arm in [`source::OpenRequest::open`]. A fault of
//! the simulated camera: a row of its table, from which `camclinic help sim` is printed. A kind of fault: a row in
//! [`fault`]. A number to set: a field and a row in [`settings`]; slider, check and help follow from the row. A reason to
//! lose points: a row of [`health::RULES`]. A panel: a file below `ui/` and a row of its `PANELS`.

pub mod backend;
pub mod camera;
pub mod cli;
pub mod codec;
pub mod device;
pub mod event;
pub mod fault;
pub mod frame;
pub mod health;
pub mod latest;
pub mod logging;
pub mod recovery;
pub mod settings;
pub mod snapshot;
pub mod source;
pub mod status;
#[cfg(feature = "gui")]
pub mod ui;
