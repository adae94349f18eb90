//! Everything that may take time, on threads of its own.
//!
//! A [`Task`] is done once, because somebody asked for it; it stands where its button stands. What the window looks at again
//! and again (the cameras of this computer, the figures of this program) and the writing of the settings are here. What comes
//! of all of it is told through one bounded channel that the window empties before each pass. Deliberately not here: the
//! cameras that are shown and the snapshots, which have threads of their own.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::choice::CameraChoice;
use super::pane::Pane;
use super::shell::Shell;
use super::window::Window;
use crate::device::availability::{self, Availability};
use crate::device::watch::DeviceWatcher;
use crate::device::{self, Device};
use crate::disk::disk_of;
use crate::latest::Latest;
use crate::secrets::Passwords;
use crate::settings::{CameraId, Settings, SettingsFile};

/// More than this many unread updates mean that the window has not been drawn for long: the newer ones are dropped.
const N_UNREAD: usize = 64;
const HOST_EVERY: Duration = Duration::from_secs(2);
const CAMERAS_EVERY: Duration = Duration::from_secs(2);
/// The same where the system gives signs of every change that it knows of: to look at all processes costs a little.
const CAMERAS_SELDOM: Duration = Duration::from_secs(10);
/// After a sign of a change, how long its rest is waited for.
const QUIET: Duration = Duration::from_millis(150);
/// A driver that takes longer to say which cameras there are is asked again later.
const LIST_DEADLINE: Duration = Duration::from_secs(5);
/// So long nothing may change before the settings are written: a slider that moves writes once.
const SETTLE: Duration = Duration::from_millis(500);
/// How long the end of the program waits for the last settings to be written.
const LAST_SAVE: Duration = Duration::from_secs(2);

/// The computer's figures in the status line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Host {
    /// Of this program, in percent of one core.
    pub cpu_percent: f32,
    /// Of the disk that snapshots go to.
    pub free_bytes: Option<u64>,
}

/// Something that may take time and is done once. To be given to [`Shell::run`].
pub trait Task: fmt::Debug + Send {
    /// The name of its thread.
    fn thread_name(&self) -> &'static str;

    /// Does it, on a thread of its own that nobody waits for, and tells the window what came of it.
    fn run(self: Box<Self>, window: &WindowHandle);

    /// What the window is told besides where the system gives no thread for it: for a task whose end something waits for.
    fn without_thread(&self) -> Option<WindowUpdate> {
        None
    }
}

/// What is changed in the window before its next pass.
pub type WindowUpdate = Box<dyn FnOnce(&mut Window) + Send>;

/// The way from other threads to the window.
#[derive(Clone)]
pub struct WindowHandle {
    updates: Sender<WindowUpdate>,
    wake: Arc<dyn Fn() + Send + Sync>,
    pub passwords: Passwords,
}

impl WindowHandle {
    /// A way to the window, and its end there. `wake` is called for each update, on the thread that makes it.
    #[must_use]
    pub fn new(passwords: Passwords, wake: Arc<dyn Fn() + Send + Sync>) -> (Self, Receiver<WindowUpdate>) {
        let (updates, updates_rx) = bounded(N_UNREAD);
        (Self { updates, wake, passwords }, updates_rx)
    }

    /// Has the window changed before its next pass. Never waits: `false` when too much is unread, and this is lost. For what is
    /// told again, and for what nobody misses.
    pub fn update(&self, update: impl FnOnce(&mut Window) + Send + 'static) -> bool {
        let is_taken = self.updates.try_send(Box::new(update)).is_ok();
        (self.wake)();
        is_taken
    }

    /// The same for what nothing makes up for: waits until there is room for it, or the window is gone.
    pub fn deliver(&self, update: impl FnOnce(&mut Window) + Send + 'static) {
        let _ = self.updates.send(Box::new(update));
        (self.wake)();
    }

    /// As [`Self::update`], for one camera; lost as well when that is shown no more.
    pub fn update_pane(&self, pane: CameraId, update: impl FnOnce(&mut Pane, &mut Shell) + Send + 'static) {
        self.update(move |window| window.with_pane(pane, update));
    }

    /// As [`Self::deliver`], for one camera.
    pub fn deliver_to_pane(&self, pane: CameraId, update: impl FnOnce(&mut Pane, &mut Shell) + Send + 'static) {
        self.deliver(move |window| window.with_pane(pane, update));
    }

    /// Something went wrong, in a sentence for the user.
    pub fn fail(&self, why: String) {
        self.update(move |window| window.shell.fail("window", why));
    }
}

/// The threads. Dropping it ends those that look again and again; the last settings are written before that.
pub struct Background {
    updates: Receiver<WindowUpdate>,
    window: WindowHandle,
    settings: Option<Sender<Settings>>,
    /// Disconnected when everything is written.
    settings_written: Receiver<()>,
    /// Dropping it ends the threads that look again and again.
    _running: Sender<()>,
    snapshot_folder: Latest<PathBuf>,
}

impl Background {
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        file: Option<SettingsFile>,
        snapshot_folder: PathBuf,
        interrupted: Arc<AtomicBool>,
        on_interrupt: impl Fn() + Send + 'static,
        (window, updates): (WindowHandle, Receiver<WindowUpdate>),
    ) -> io::Result<Self> {
        let (running, running_rx) = bounded::<()>(0);
        let folder = Latest::new();
        folder.publish(snapshot_folder);

        let list = {
            let (window, running) = (window.clone(), running_rx.clone());
            move || watch_cameras(&window, &running)
        };
        thread::Builder::new().name("watch-cameras".to_owned()).spawn(list)?;
        let host = {
            let (window, running, folder) = (window.clone(), running_rx.clone(), folder.reader());
            move || watch_host(&window, &running, &folder)
        };
        thread::Builder::new().name("watch-host".to_owned()).spawn(host)?;
        let interrupt = move || {
            while !interrupted.load(Ordering::Relaxed) {
                if !is_pause_over(&running_rx, Duration::from_millis(100)) {
                    return;
                }
            }
            on_interrupt();
        };
        thread::Builder::new().name("watch-signals".to_owned()).spawn(interrupt)?;

        let (settings, settings_rx) = bounded::<Settings>(N_UNREAD);
        let (written, settings_written) = bounded::<()>(0);
        let save = {
            let window = window.clone();
            move || {
                save_settings(&settings_rx, file, &window);
                drop(written);
            }
        };
        thread::Builder::new().name("save-settings".to_owned()).spawn(save)?;
        Ok(Self {
            updates,
            window,
            settings: Some(settings),
            settings_written,
            _running: running,
            snapshot_folder: folder,
        })
    }

    /// The next change of the window, if there is one.
    #[must_use]
    pub fn poll(&self) -> Option<WindowUpdate> {
        self.updates.try_recv().ok()
    }

    /// Writes these settings soon, unless newer ones follow.
    pub fn save(&self, settings: &Settings) {
        self.snapshot_folder.publish(settings.snapshot_folder());
        if let Some(sender) = &self.settings {
            // Full only when the disk hangs: what is lost here is in the settings that follow.
            let _ = sender.try_send(settings.clone());
        }
    }

    pub fn run(&self, task: Box<dyn Task>) {
        let without_thread = task.without_thread();
        let window = self.window.clone();
        let started = thread::Builder::new().name(task.thread_name().to_owned()).spawn(move || task.run(&window));
        if let Err(error) = started {
            self.window.fail(format!("The system gives no thread ({error}). Close other programs."));
            if let Some(update) = without_thread {
                self.window.update(update);
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.settings = None;
        // Disconnected at once when there is nothing to write; a disk that hangs does not hold up the end.
        let _ = self.settings_written.recv_timeout(LAST_SAVE);
    }
}

/// Waits; `false` when the window is gone.
fn is_pause_over(running: &Receiver<()>, pause: Duration) -> bool {
    running.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

fn watch_cameras(window: &WindowHandle, running: &Receiver<()>) {
    let mut watcher = DeviceWatcher::start();
    let mut known = None;
    loop {
        // A driver that hangs leaves the old list in place.
        if let Some(devices) = device::list_within(LIST_DEADLINE) {
            let cameras = choices(devices);
            if known.as_ref() != Some(&cameras) {
                let told = cameras.clone();
                // What finds no room is told after the next look.
                known = window.update(|window| window.shell.set_cameras(told)).then_some(cameras);
            }
        }
        if !is_next_look_due(&mut watcher, running) {
            return;
        }
    }
}

fn choices(devices: Vec<Device>) -> Vec<CameraChoice> {
    let availabilities = availability::of_all(&devices);
    let driven =
        devices.into_iter().zip(availabilities).map(|(device, availability)| CameraChoice { device, availability });
    let undriven = device::undriven()
        .into_iter()
        .map(|undriven| CameraChoice { device: undriven.device, availability: Availability::Undriven(undriven.fault) });
    driven.chain(undriven).collect()
}

/// Waits for a sign and for quiet after it, or for the next look without one; `false` when the window is gone.
fn is_next_look_due(watcher: &mut DeviceWatcher, running: &Receiver<()>) -> bool {
    let period = if watcher.tells_all() { CAMERAS_SELDOM } else { CAMERAS_EVERY };
    select! {
        recv(running) -> _ => return false,
        recv(watcher.events()) -> event => match event {
            Ok(_) => {
                // A plug is many signs, and so is a program that opens a camera.
                if !is_pause_over(running, QUIET) {
                    return false;
                }
                while watcher.events().try_recv().is_ok() {}
            }
            // No more of them: looks are all that is left.
            Err(_) => return is_pause_over(running, CAMERAS_EVERY),
        },
        default(period) => {}
    }
    true
}

impl Host {
    /// Whether it is worth drawing the window again. Drawing it costs a few per cent itself: without this margin a
    /// window in which nothing happens would report its own report for ever.
    fn differs_visibly(self, last: Self) -> bool {
        let gigabytes = |host: Self| host.free_bytes.map(|bytes| bytes / 1_000_000_000);
        (self.cpu_percent - last.cpu_percent).abs() >= 5.0 || gigabytes(self) != gigabytes(last)
    }
}

fn watch_host(window: &WindowHandle, running: &Receiver<()>, folder: &crate::latest::Reader<PathBuf>) {
    let (Ok(mut system), Ok(own)) = (System::new(), sysinfo::get_current_pid()) else { return };
    let mut last = None;
    loop {
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[own]),
            false,
            ProcessRefreshKind::nothing().with_cpu().without_tasks(),
        );
        let cpu_percent = system.process(own).map_or(0.0, sysinfo::Process::cpu_usage).round();
        let free_bytes = folder.current().and_then(|folder| disk_of(&folder)).map(|disk| disk.free_bytes);
        let host = Host { cpu_percent, free_bytes };
        if last.is_none_or(|last| host.differs_visibly(last)) {
            last = window.update(move |window| window.shell.host = Some(host)).then_some(host);
        }
        if !is_pause_over(running, HOST_EVERY) {
            return;
        }
    }
}

fn save_settings(settings: &Receiver<Settings>, mut file: Option<SettingsFile>, window: &WindowHandle) {
    let mut is_failing = false;
    while let Ok(mut newest) = settings.recv() {
        while let Ok(newer) = settings.recv_timeout(SETTLE) {
            newest = newer;
        }
        let Some(file) = &mut file else { continue };
        match file.save(&newest) {
            Ok(notices) => {
                is_failing = false;
                // Of a file that somebody else has spoiled meanwhile.
                notices.into_iter().filter(|notice| notice.is_trouble).for_each(|notice| window.fail(notice.text));
            }
            // Once is enough, until it works again.
            Err(_) if is_failing => {}
            Err(error) => {
                is_failing = true;
                window.fail(format!(
                    "The settings cannot be saved ({error}) and are lost when Camclinic ends: {}",
                    file.path().display()
                ));
            }
        }
    }
}
