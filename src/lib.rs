//! Camclinic shows a camera, finds out why it misbehaves, and gets it going again.
//!
//! This page is the architecture. The library is the product. Two programs are made of it: `main.rs` picks a face, the
//! window or a command; `bin/camclinic-worker.rs` is the capture process, the only one that is linked with OpenCV.
//!
//! # Picture
//!
//! ```text
//!        CameraSettings                       Command (bounded channel)
//!              │                    ┌────────────────────────────────────────────┐
//!              ▼                    ▼                                            │
//!  Source ──► capture thread ──► supervisor ──► Publisher<Frame> ──┬─► viewer     (screen rate)
//!  (trait)    (one read loop)    (carries out)         │           ├─► analyser   (two a second)
//!     ▲                           │   ▲                │           └─► snapshots  (own thread)
//!     │               Input, now  │   │ [Effect]       ▼
//!     │                           ▼   │             Latest<Status>, Latest<History>, EventLog ──► panels, JSON
//!     │                          Machine (pure):
//!     │                          Phase, Ladder, Health
//!     │
//!     │  pixels: lent slots of shared memory
//!  ┄┄┄│┄ requests, events, heartbeat: pipes ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ end of the program ┄┄┄┄┄┄┄┄
//!     │
//!  driver ──► Source, in a process of its own: camclinic-worker, one for each camera that is open
//! ```
//!
//! A [`fleet::Fleet`] holds any number of these, each under a number of its own, and tells what is to be said of several together.
//!
//! Five ideas carry it. **Decisions are a pure machine**: [`camera::machine`] takes an input and the time and returns effects; a thin
//! loop carries them out, and calls no driver. **The newest value wins**: every reader of a [`latest::Latest`] goes at its own pace
//! and counts what it skipped. **A source does what it is told once**: it does not retry, wait or know about recovery.
//! **Isolation is one more source**: [`source::isolated`] has a backend run in another process and is a `Source` itself, so
//! that the engine has no code for it. **A number that judges stands in one place**, [`criteria`]: the score, the check-up, the test
//! and the help read it there.
//!
//! # Code map
//!
//! | layer | module | is |
//! |---|---|---|
//! | words | [`frame`] | `Frame`, `Image`, `PixelFormat`, `Size` |
//! | | [`foreign`] | `Foreign`: text from outside, fit to be shown wherever it ends
//! | | [`fault`] | `Fault`, `FaultKind`, `FaultClass`: why there is no frame, what to do about it |
//! | | [`settings`] | what is set of each camera and of the program; every tunable with unit, range and default; load, migrate, save beside other windows |
//! | | [`status`] | `Status`, `State`, `Grade`, `Rung`, `Alert`, `PictureFaultKind`: the public JSON contract |
//! | | [`event`] | `Event`, `Level` |
//! | | [`packet`] | `Packet`, `PacketSink`: what a camera sends, coded as it is; `PacketRing`, the last seconds of it |
//! | | [`control`] | `Control`, `ControlSetting`: brightness, exposure and the like, and what is known of each |
//! | | [`address`] | `Address` of a network camera: reading what people paste, never showing a password |
//! | | [`backend`] | `Backend`: the ways to reach a device, and which of them this build has |
//! | | [`latest`] | `Latest<T>` and `Reader<T>` |
//! | | [`lock`] | `Lock<T>`: the only kind of lock, which looks after itself in tests |
//! | | [`disk`] | the only way to the user's files: regular ones alone, whole at every moment, private where they tell of him; how much room is left |
//! | | [`subscriber`] | who receives frames: the newest, or a queue |
//! | | [`phrases`] | what check-up and report say, in the user's language |
//! | decisions | [`recovery`] | `Ladder`: which rung next, and when |
//! | | [`criteria`] | every number that judges a camera, once: what costs points, and the questions that all others ask |
//! | | [`health`] | score, deductions, history |
//! | | [`picture`] | what pictures show, in numbers |
//! | | [`codec`] | JPEG, PNG and raw formats: the only module that knows a codec |
//! | devices | [`device`] | which cameras there are, why one cannot be opened; processes of our own and memory shared with them; one folder for each system |
//! | | [`network`] | the conversation with a network camera, and the test of it, step by step |
//! | | [`source`] | `trait Source`, `SourceSpec`, and the backends below it; [`source::reader`], the one read loop |
//! | | [`source::isolated`] | any of these in a process of its own: both halves of the protocol, the memory that they share |
//! | engine | [`camera`] | `Camera`, the front door; supervisor and capture thread behind it; [`camera::machine`], every decision about one camera |
//! | | [`fleet`] | all cameras of this run, by number; what is told of several together |
//! | | [`probe`] | reads one source without the engine, and measures how its frames come |
//! | | [`analyser`] | looks at the live picture, twice a second: what is wrong with it, while it is |
//! | | [`logging`] | `EventLog`, the ring of events; [`logging::files`], the log on the disk |
//! | consumers | [`snapshot`] | saves pictures |
//! | | [`clips`] | the folder of clips: names, what stands beside each, which may be deleted, whether all is whole, copies |
//! | | [`recorder`] | writes what cameras send into clips: always, or around each fault |
//! | | [`past`] | how each camera was, on the disk: seconds for an hour, minutes for a week |
//! | | [`records`] | the thread that writes log and past |
//! | | [`uptime`] | outages, recoveries and the mean score of a camera while somebody watched |
//! | | `share` | the web page: pictures, numbers and clips over HTTP for whoever looks on; nothing there changes anything |
//! | | [`secrets`] | `Passwords`: the system's keyring, asked with a deadline |
//! | diagnosis | [`checkup`] | the check-up: facts, entries of the catalogue that judge them, findings, the verdict |
//! | | [`report`] | the support bundle: one zip, with names masked |
//! | faces | [`cli`] | every command |
//! | | `ui` | the window: `App`, one `Pane` for each camera, the `Shell` around them, the `PANELS` table, one file for a panel |
//! | tests | `fuzzing` | everything that reads bytes from outside, for fuzzers |
//! | programs | `camclinic` | `main.rs`: a face |
//! | | `camclinic-worker` | `bin/camclinic-worker.rs`: the capture process; `source/opencv.rs` and `source/network.rs` are compiled into it alone |
//!
//! A module may know its own layer and those to the left of it (above it in the table); `tests/tidy.rs` enforces this.
//!
//! # Invariants
//!
//! Each names the tests that keep it; `tests/promises.rs` looks for them.
//!
//! **Nothing a camera does can stop or kill the program.** Neither the window nor the supervisor ever calls a driver or
//! waits for a thread that might be in one. Every wait has a deadline, and every deadline is a setting or a named constant.
//! A driver that crashes, or spoils the memory it can reach, takes its capture process with it and no more; one that hangs
//! is killed with it. What the kernel does not let go of even then is counted, told with its number, and not waited for.
//! Kept by `isolation::no_fault_of_a_driver_is_more_than_a_fault`, `isolation::whatever_a_worker_says_is_only_a_fault`,
//! `isolation::eight_hung_cameras_are_closed_together`, `source::isolated::process::a_worker_that_reads_nothing_holds_up_nobody`,
//! `source::isolated::memory::nobody_makes_it_smaller`.
//!
//! **No capture process outlives the program**, however the program ends. It ends with the pipe from the program; besides,
//! the system kills it: parent-death signal on Linux, job object on Windows.
//! Kept by `isolation::no_worker_outlives_the_program`.
//!
//! **An old picture is never shown as a live one.** The state is `streaming` only while frames are younger than the stall
//! deadline. A recording that is played stands under a banner that says so. A status has a date: where none comes for three seconds, [`camera::StatusReader`] says so in place of the last one.
//! Kept by `camera::machine::stories::each_fault_has_its_story`, `camera::status_reader::an_old_status_is_never_told_as_todays`,
//! `ui_clips::a_clip_is_played_and_never_taken_for_live`.
//!
//! **What comes from a camera is not trusted.** Sizes are checked, damaged JPEGs are refused, panics in backends end the
//! opening and not the program. Neither is what a capture process says: each number is checked before it is used. Parsers of others
//! stand behind one door in [`network`], where a panic is a fault of the camera that sent such bytes. What a camera sends is looked at
//! a few times a byte at most, and waits in bounded room; a camera that always has something to say has no more time for a step than
//! one that is silent. It is asked at its own host alone, whatever it refers to, and whoever follows the reference.
//! Kept by `fuzzing::damaged_bytes_are_no_more_than_an_error`, `isolation::whatever_a_worker_says_is_only_a_fault`,
//! `source::isolated::memory::numbers_that_cannot_be_are_refused`, `network::each_way_to_misbehave_is_named`,
//! `network::a_player_gets_what_the_camera_itself_has`.
//!
//! **A file is what it should be, or is told.** What is read is a regular file of a size that it can have; what is written is
//! whole, and never over something that was not understood: that is kept under another name. Settings, log, history and reports
//! are readable for their owner alone.
//! Kept by `disk::nothing_but_a_regular_file_is_read_or_written`, `disk::who_may_read_a_file_is_as_the_user_wants_it`,
//! `settings::file::a_file_is_kept_once_and_nothing_is_overwritten`.
//!
//! **What is recorded is what the camera sent, and it outlives what ends.** Coded pictures are kept as they came. The last seconds lie
//! in the program, so that a clip has what came before a capture process ended. A file is made of whole pieces of half a second, plays
//! in each state, and is closed by the next run where this one ended before. Nobody but the recorder waits for its disk.
//! Kept by `record::a_camera_is_recorded_as_it_sends`, `record::a_clip_of_a_fault_begins_before_it_and_tells_it`,
//! `record::what_was_before_the_end_of_a_capture_process_is_in_the_clip`,
//! `record::what_was_written_before_the_program_was_killed_is_kept`.
//!
//! **Two windows do not undo each other's settings.** Each saves what it has changed since its last save, into what is there, one at a
//! time.
//! Kept by `settings::file::windows_keep_what_other_windows_have_changed`,
//! `settings::file::windows_that_save_at_the_same_moment_keep_each_others_changes`.
//!
//! **Nothing is global** but what the process has once, such as stderr. Any number of [`camera::Camera`]s run beside each other.
//! Kept by `engine::two_cameras_run_beside_each_other`.
//!
//! **A password is never printed or logged, and saved in the system's keyring alone.** [`source::SourceSpec`] masks it
//! wherever it is displayed; in the window it is in no text but its own masked field. A capture process is told it through
//! its pipe: neither its command line nor its environment has it. FFmpeg never learns it: it plays from our own [`network::gateway`],
//! or fetches a video through our own [`network::relay`], which have logged in.
//! Kept by `secrets::no_command_tells_the_password`, `secrets::the_capture_process_shows_nothing`,
//! `secrets::no_text_of_the_window_has_it`, `streams::other_users_do_not_see_the_password_of_a_camera`,
//! `report::no_name_and_no_secret_is_in_any_byte`.
//!
//! **What strangers say steers no terminal.** Their words are a [`foreign::Foreign`] from the moment at which they are read: one line,
//! of bounded length, without controls and without what turns the direction of writing. What goes to stdout and stderr is looked
//! through once more. A result that could not be written makes the exit code 3.
//! Kept by `texts::a_server_does_not_steer_the_terminal`, `texts::a_driver_does_not_steer_the_terminal`,
//! `texts::a_panic_does_not_steer_the_terminal`,
//! `foreign::a_field_of_foreign_text_is_clean_however_it_is_made`, `texts::a_result_that_cannot_be_written_is_told`.
//!
//! **A login is sent once.** What a camera refused is not tried again until somebody acts; one that does not answer is
//! looked for by connecting to its port, without a request. It goes to one [`network::Origin`], scheme, host and port, and nowhere
//! else; an origin that has asked for Digest does not get it in clear for as long as its camera is open.
//! Kept by `streams::a_wrong_password_is_sent_once_and_told_nowhere`, `network::a_login_is_sent_to_one_origin_only`,
//! `network::a_login_is_not_weakened_behind_a_reconnect`.
//!
//! # Threads
//!
//! | name | does | ends |
//! |---|---|---|
//! | `main` | the window, or the command | with the program |
//! | `supervisor` | carries out what the machine of its camera decides; one for each camera | when its `Camera` is dropped |
//! | `capture-N` | opens, reads and closes the source; N counts the openings | when told, as soon as the driver's call returns |
//! | `capture-test` | the same for a [`probe::Probe`], without the engine | when it is dropped, as soon as the driver's call returns |
//! | `check-picture` | measures the pictures that a check-up takes, as it gets to them | with the stream |
//! | `check-pace` | measures how late timers ring while a check watches a stream | with that check |
//! | `check-ID` | carries out one check of the check-up | with the check; it is left behind when it takes too long |
//! | `reset-N` | resets a device on its bus | when the system has answered |
//! | `analyser` | looks at the live picture, twice a second, and tells its supervisor what is wrong with it | when the camera is stopped, within half a second |
//! | `snapshots` | encodes and writes pictures | when its `Snapshots` is dropped |
//! | `share` | answers over HTTP, for the web page and for `monitor --metrics`; all that is async | when its `Share` is dropped, within a second |
//! | `share-QUALITY` | codes the pictures of one camera for those who watch it in that quality | five seconds after the last has gone |
//! | `recorder` | writes what one camera sends, as it decides itself; the only one that waits for the disk of clips | when its [`recorder::Recorder`] is dropped, as soon as the disk lets it |
//! | `record-jpeg` | codes pictures that come as pixels, for a recording | with the recorder |
//! | `open-folder` | looks at a folder of clips, and closes in it what an earlier run has left unfinished | when the disk has answered |
//! | `repair-N` | close such clips, side by side; `repair-0`: what a full disk has left, once there is room | with the last of them |
//! | `records` | writes events and samples of the score, reads earlier ones | when its `Records` is dropped, as soon as the disk lets it |
//! | `stdout`, `stderr` | write what `monitor` says, and messages and events (`-v`); a reader that stops holds up them alone | with the last line; with the program |
//! | `hook-N`, `hook-in`, `hook-out` | run the commands of `monitor --on-event`, give them the event, read what they print | with the commands, which have a deadline |
//! | `resolve`, `connect` | ask the system for the addresses of a name, and connect to one of them | when the system has answered |
//! | `connection-test` | talks to a network camera, step by step | with its last step, or within 100 ms of being told |
//! | `controls` | asks a device for its controls, once a second, and sets them; in the process that has it open | when the source is closed, as soon as the driver's call returns |
//! | `keyring` | asks the system's keyring for a password, or gives it one | when the keyring has answered |
//! | `list-devices` | asks the system which cameras there are | when the system has answered |
//! | `watch-devices`, `poll-devices` | tell that cameras come, go or are used; where the system does not, compare its list | when the watcher is dropped; a period later |
//! | `await-release` | looks who holds a device, and tells when it is released | when it is free, or is not waited for |
//! | `read-answers` | reads what the process says that asks devices what they can do | when that has ended |
//! | `await-port` | connects to the port of a network camera that is away, twice a second | when it answers, or is not waited for |
//! | `requests-PID` | writes the program's requests to a capture process; PID is its number | when that has ended, or nobody sends it any more |
//! | `events-PID` | reads the events of a capture process; PID is its number | when that has ended |
//! | `stderr-PID` | keeps what the libraries in it print last, for the message about its end | when that has ended |
//! | `reaper-PID` | waits for one that was killed and has not ended | when that has ended |
//!
//! In the capture process:
//!
//! | name | does | ends |
//! |---|---|---|
//! | `main` | calls the driver, and copies each picture into a free slot | with the process |
//! | `requests` | reads the program's requests; ends the process when the program has ended, whatever the driver does | with the process |
//! | `heartbeat` | tells that the process lives, four times a second | with the process |
//! | `packets` | writes what the camera sends to where the program sees it, while that is wanted | with the process |
//! | `gateway` | keeps the session with a network camera alive, and ends it | with the source |
//! | `gateway-stream` | passes its packets on to FFmpeg | with the stream |
//! | `gateway-player` | answers FFmpeg's requests | with FFmpeg's connection |
//! | `gateway-replies` | reads the camera's answers while its packets come over UDP | with the connection |
//! | `relay`, `relay-request` | fetch a video over HTTP for FFmpeg, each thing that it asks for | with the source; with the answer |
//! | `pictures` | reads JPEGs from an HTTP camera, so that the newest is at hand | with the stream |
//!
//! The window has a few more for disk figures, saving the settings and closing cameras, and one for each `Task` that it runs; each
//! is named where it is made.
//!
//! # Locks
//!
//! Few values are shared but through channels and [`latest::Latest`]. A [`lock::Lock`] is held for a few instructions, without waiting for
//! anything and without another lock, so that no two threads can wait for each other. Kept by
//! `lock::no_lock_is_taken_under_another`, and by each test, as debug builds look after it.
//!
//! | lock | of | taken by |
//! |---|---|---|
//! | [`latest::Latest`]'s slot | the newest value, its number | whoever publishes or reads; freeing the old value is done outside |
//! | [`subscriber::Publisher`]'s queues | who gets every frame | the capture thread, whoever subscribes |
//! | [`logging::EventLog`]'s ring | the events, who listens | whoever logs or reads; listeners are called outside |
//! | [`packet::ring::PacketRing`]'s packets | the last seconds of what a camera sent | `events-PID` or the capture thread, `recorder`, whoever asks what is kept; freeing is done outside |
//! | parameter sets and file of the packets' memory | [`source::isolated`] | `events-PID`, whoever opens the camera |
//! | [`fleet::Fleet`]'s roll | how each camera stands | supervisors, the face |
//! | free slots, the mapping's file | [`source::isolated`]: which slots the worker may fill | the thread that reads its events, whoever drops a picture |
//! | stuck processes; a worker's last lines, its number | what is told of a process | supervisors, `reaper-PID`, `stderr-PID` |
//! | known logins | which origin has asked for Digest | whoever opens a camera |
//! | those who look on, who may, encoders, verdicts | of `share`: one lock each | `share`, `share-QUALITY`, the face; the log is read outside |
//! | passwords in memory | [`secrets::Passwords`] | whoever asks; the keyring is asked outside |
//! | gateway's and relay's fault, the player's connection | in the capture process: why the stream has ended | its threads, the source |
//! | TLS connection | rustls's state | the thread that reads, the one that writes |
//! | what the handshake has shown | a certificate | the thread of the handshake |
//! | failures of stdout, of hooks; a screenshot's result; a check's series of pictures | what one thread tells another | those two |
//!
//! Two are held while bytes are sent, in the capture process, to keep their order: the TLS connection's `sending`, with a deadline, which has the
//! connection's own lock inside it; and the player's connection, to which packets and answers go, with a deadline of five seconds. What
//! Windows and macOS call when cameras come and go is called under a lock of its own, as its end has to wait for it.
//!
//! # Glossary
//!
//! **device**: a camera that exists. **backend**: a way to reach one. **source**: one device opened through one
//! backend; calls on it may block for ever. **opening**: the time from one call to open a source to its close, by number. **capture process**, or **worker**: the process in which a source is
//! opened, if it is isolated. **stuck process**: a worker that was killed and has not ended, because the kernel waits
//! for the device. **frame**: pixels with a number and times. **fault**: why there is no (good) frame. **rung**: one
//! step of recovery. **control**: what can be set on a device while it streams. **status**: what every face
//! shows of a camera at one moment. **event**: something that happened, with its time. **outage**: the time without a live picture
//! although one is wanted. **demand**: what is wanted of the pictures: all of them, small ones for a tile, or those that the
//! checks need. **picture fault**: what a live picture shows is wrong. **packet**: a coded picture, as the camera sent it. **clip**: a
//! file of packets, with a JSON beside it, the **sidecar**. **fleet**: all cameras of this run. **pane**: what the window has of
//! one camera.
//!
//! # Where to add things
//!
//! - A backend: a variant of [`backend::Backend`], a file below `source/`, an arm in [`source::OpenRequest::open_here`]; one that
//!   goes through OpenCV, an arm in the worker's `source/opencv.rs` instead. It is isolated without doing anything for it.
//! - A message between the two programs: a variant in `source/isolated/protocol.rs`, and another `VERSION`.
//! - A raw format that drivers name: a row of `LAYOUTS` in `codec/raw.rs`, which has its place among the others.
//! - A fault of the simulated camera: a row of its table, from which `camclinic help sim` is printed.
//! - A kind of fault: a row in [`fault`].
//! - A number to set: a field in [`settings`] with its default, and a row of its table of tunables; slider, range and help follow
//!   from the row.
//! - A reason to lose points: a row of `RULES` in [`criteria`]. A number that judges: a function in its file below `criteria/`.
//! - A check of the check-up: a field for what it finds out in `checkup/facts.rs`; a struct that is a `Check`, below
//!   `checkup/checks/`, and a row of `CHECKS`; `check.ID` and `check.ID.WORD`, for each way it can end, in the phrases. What is
//!   concluded from it: an entry in its file below `checkup/entries/`.
//! - A sentence of the check-up or the report: a line of each file in `assets/phrases/`, sorted by its key. The window's own words
//!   stand in English where they are shown.
//! - What the window shows of a camera: a file below `ui/` and a row of `SECTIONS` in `ui/inspector.rs`. Another part of the window: a
//!   row of `PANELS` in `ui/window.rs`. What it does on a thread of its own: a struct that is a `Task`, beside its button.
//! - An event of a camera: `self.log` in [`camera::machine`], where it decides; what depends on the time alone, in `Machine::step`.
//!   From `Warning` on it is a marker of the plot too.
//! - A story of recovery: a line in `camera/machine/stories.rs`; of an event that is no fault, a test there that reads the log.
//! - Somebody who receives frames: [`camera::Camera::subscribe`].
//! - A sign in the packets of a network camera: a count of [`network::PacketEvidence`] and what it means there, for the connection test
//!   and the check-up alike.
//! - A command: a variant of `CliCommand` in [`cli`] and a file below `cli/`.

pub mod address;
pub mod analyser;
pub mod backend;
pub mod camera;
pub mod checkup;
pub mod cli;
pub mod clips;
pub mod codec;
pub mod control;
pub mod criteria;
pub mod device;
pub mod disk;
pub mod event;
pub mod fault;
pub mod fleet;
pub mod foreign;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod health;
pub mod latest;
pub mod lock;
pub mod logging;
pub mod network;
pub mod packet;
pub mod past;
pub mod phrases;
pub mod picture;
pub mod probe;
pub mod recorder;
pub mod records;
pub mod recovery;
pub mod report;
pub mod secrets;
pub mod settings;
#[cfg(feature = "share")]
pub mod share;
pub mod snapshot;
pub mod source;
pub mod status;
pub mod subscriber;
#[cfg(feature = "gui")]
pub mod ui;
pub mod uptime;
