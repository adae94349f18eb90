//! Everything that may take time, on threads of its own: the list of cameras, the computer's figures, check-ups, dialogues,
//! files.
//!
//! What comes of it is [`News`], through one bounded channel that the window empties before each pass. Deliberately not
//! here: the camera and the snapshots, which have threads of their own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::choice::CameraChoice;
use super::prompt::Purpose;
use super::report;
use crate::address::Address;
use crate::checkup::compare::{self, BackendComparison};
use crate::checkup::facts::StreamSummary;
use crate::checkup::{self, Checkup, CheckupRequest, Progress};
use crate::device::availability::{self, Availability};
use crate::device::watch::DeviceWatcher;
use crate::device::{self, Capabilities, Device};
use crate::disk::{disk_of, write_whole};
use crate::fault::Fault;
use crate::latest::Latest;
use crate::network::{self, Access, Step, Tested};
use crate::report::{Masking, Report};
use crate::secrets::{self, Passwords, Trouble};
use crate::settings::{NetworkOptions, Settings};

/// More than this many unread reports mean that the window has not been drawn for long: the newer ones are dropped.
const N_UNREAD: usize = 64;
const HOST_EVERY: Duration = Duration::from_secs(2);
const CAMERAS_EVERY: Duration = Duration::from_secs(2);
/// The same where the system gives signs of every change that it knows of: to look at all processes costs a little.
const CAMERAS_SELDOM: Duration = Duration::from_secs(10);
/// After a sign of a change, how long its rest is waited for.
const QUIET: Duration = Duration::from_millis(150);
/// A camera whose controls are slow takes its time.
const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// A driver that takes longer to say which cameras there are is asked again later.
const LIST_DEADLINE: Duration = Duration::from_secs(5);
/// So long nothing may change before the settings are written: a slider that moves writes once.
const SETTLE: Duration = Duration::from_millis(500);
/// A system without a dialogue service answers sooner than any person can cancel.
const NO_DIALOGUE: Duration = Duration::from_millis(250);
/// A step of the connection test takes no longer; all of it ends with a verdict by then.
const TEST_STEP_DEADLINE: Duration = Duration::from_secs(5);
const TEST_DEADLINE: Duration = Duration::from_mins(1);
/// How long the stream is watched once it runs.
const TEST_WATCH: Duration = Duration::from_secs(10);
/// How long an examination waits for the engine to let go of the camera, which has a deadline of its own, and for the
/// examination before it.
const RELEASE_DEADLINE: Duration = Duration::from_secs(4);
/// A keyring may ask its owner first: nobody waits for the answer but the field that it fills.
const KEYRING_DEADLINE: Duration = Duration::from_mins(1);
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

/// What the system's own dialogue ended with.
#[derive(Clone, Debug)]
pub enum Answer {
    Picked(PathBuf),
    Cancelled,
    /// The system has none.
    NoDialogue,
}

/// What has come of something.
#[derive(Debug)]
pub enum News {
    Cameras(Vec<CameraChoice>),
    /// What the camera of this identity can do.
    Abilities(String, Result<Capabilities, Fault>),
    Host(Host),
    Answer(Purpose, Answer),
    LogSaved(PathBuf),
    /// What the keyring has for an address.
    Password(Address, Result<Option<Address>, Trouble>),
    /// The keyring did not keep a password, or did not forget it.
    NotKept(Trouble),
    /// A step of the connection test of this number, and its end.
    Step(u64, Step),
    Tested(u64, Box<Tested>),
    /// The examination of this number goes on, or is over.
    Checkup(u64, CheckupNews),
    /// The report of this number, to be looked at.
    Report(u64, Arc<Report>),
    ReportSaved(PathBuf),
    /// Something went wrong, in a sentence for the user.
    Failed(String),
}

/// How an examination of the camera goes: a check-up, or a comparison of backends.
#[derive(Debug)]
pub enum CheckupNews {
    Progress(Progress),
    Done(Box<Checkup>),
    Row(Box<StreamSummary>),
    Compared(Box<BackendComparison>),
    /// It has broken off, and nothing is known.
    Crashed,
}

/// The threads. Dropping it ends them; the last settings are written before that.
pub struct Background {
    news: Receiver<News>,
    reports: Reports,
    settings: Option<Sender<Settings>>,
    /// Disconnected when everything is written.
    settings_written: Receiver<()>,
    /// Dropping it ends the threads that look again and again.
    _running: Sender<()>,
    snapshot_folder: Latest<PathBuf>,
    passwords: Passwords,
    /// Dropping it ends the connection test that runs.
    test: Option<Sender<()>>,
    examination: Option<Examination>,
}

/// A check-up or a comparison. Dropping it ends it.
struct Examination {
    /// Dropped to end it.
    running: Option<Sender<()>>,
    /// Disconnected when it has ended, and with it every use of the camera that can be ended.
    ended: Receiver<()>,
}

/// The way back to the window.
#[derive(Clone)]
struct Reports {
    news: Sender<News>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Reports {
    fn send(&self, news: News) {
        // The window is told again with the next look; what a dialogue answered finds room, or nobody waits for it.
        let _ = self.news.try_send(news);
        (self.wake)();
    }

    /// For news that nothing makes up for: waits until there is room for it, or the window is gone.
    fn deliver(&self, news: News) {
        let _ = self.news.send(news);
        (self.wake)();
    }
}

impl Background {
    /// `wake` is called for each report, on the thread that makes it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        settings_path: Option<PathBuf>,
        snapshot_folder: PathBuf,
        interrupted: Arc<AtomicBool>,
        on_interrupt: impl Fn() + Send + 'static,
        wake: Arc<dyn Fn() + Send + Sync>,
        passwords: Passwords,
    ) -> io::Result<Self> {
        let (news_tx, news) = bounded(N_UNREAD);
        let reports = Reports { news: news_tx, wake };
        let (running, running_rx) = bounded::<()>(0);
        let folder = Latest::new();
        folder.publish(snapshot_folder);

        let list = {
            let (reports, running) = (reports.clone(), running_rx.clone());
            move || watch_cameras(&reports, &running)
        };
        thread::Builder::new().name("watch-cameras".to_owned()).spawn(list)?;
        let host = {
            let (reports, running, folder) = (reports.clone(), running_rx.clone(), folder.reader());
            move || watch_host(&reports, &running, &folder)
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
            let reports = reports.clone();
            move || {
                save_settings(&settings_rx, settings_path.as_deref(), &reports);
                drop(written);
            }
        };
        thread::Builder::new().name("save-settings".to_owned()).spawn(save)?;
        Ok(Self {
            news,
            reports,
            settings: Some(settings),
            settings_written,
            _running: running,
            snapshot_folder: folder,
            passwords,
            test: None,
            examination: None,
        })
    }

    #[must_use]
    pub fn poll(&self) -> Option<News> {
        self.news.try_recv().ok()
    }

    /// Writes these settings soon, unless newer ones follow.
    pub fn save(&self, settings: &Settings) {
        self.snapshot_folder.publish(settings.snapshot_folder());
        if let Some(sender) = &self.settings {
            // Full only when the disk hangs: what is lost here is in the settings that follow.
            let _ = sender.try_send(settings.clone());
        }
    }

    /// Asks the user for a path, in the system's own dialogue.
    pub fn browse(&self, purpose: Purpose, folder: PathBuf, suggestion: &str) {
        let suggestion = suggestion.to_owned();
        self.spawn("dialogue", move |reports| {
            let asked_at = Instant::now();
            let picked = browse(purpose, &folder, &suggestion);
            let answer = match picked {
                Some(path) => Answer::Picked(path),
                None if asked_at.elapsed() < NO_DIALOGUE => Answer::NoDialogue,
                None => Answer::Cancelled,
            };
            reports.send(News::Answer(purpose, answer));
        });
    }

    /// Shows a folder in the system's file manager.
    pub fn open_folder(&self, folder: PathBuf) {
        self.spawn("open-folder", move |reports| {
            if let Err(error) = open::that_detached(&folder) {
                reports.send(News::Failed(format!("The folder could not be shown ({error}): {}", folder.display())));
            }
        });
    }

    /// Opens a page of the system's settings.
    pub fn open_page(&self, page: String) {
        self.spawn("open-page", move |reports| {
            if let Err(error) = open::that_detached(&page) {
                reports.send(News::Failed(format!("The settings could not be opened ({error}): {page}")));
            }
        });
    }

    /// Makes a report to be looked at; `data` is the folder with log and history.
    pub fn make_report(&self, number: u64, known: Box<report::Known>, data: Option<PathBuf>, masking: Masking) {
        self.spawn("make-report", move |reports| {
            let report = known.report(data.as_deref(), &masking);
            reports.deliver(News::Report(number, Arc::new(report)));
        });
    }

    pub fn save_report(&self, report: Arc<Report>, path: PathBuf) {
        self.spawn("save-report", move |reports| {
            reports.send(match report.save(&path) {
                Ok(()) => News::ReportSaved(path),
                Err(why) => News::Failed(why),
            });
        });
    }

    pub fn save_log(&self, path: PathBuf, text: String) {
        self.spawn("save-log", move |reports| {
            let news = match write_whole(&path, text.as_bytes()) {
                Ok(()) => News::LogSaved(path),
                Err(error) => {
                    News::Failed(format!("The log was not saved: {error}. Choose another folder. {}", path.display()))
                }
            };
            reports.send(news);
        });
    }

    /// Asks a camera what it can do.
    pub fn ask(&self, device: Device) {
        self.spawn("ask-camera", move |reports| {
            let answer = device::capabilities_within(&device, ASK_DEADLINE);
            reports.send(News::Abilities(device.identity, answer));
        });
    }

    /// Looks for the password of an address.
    pub fn find_password(&self, address: Address) {
        let passwords = self.passwords.clone();
        self.spawn("find-password", move |reports| {
            let answer = passwords.find(&address, secrets::DEADLINE);
            reports.send(News::Password(address, answer));
        });
    }

    pub fn keep_password(&self, address: Address, in_keyring: bool) {
        let passwords = self.passwords.clone();
        self.spawn("keep-password", move |reports| {
            match passwords.keep(&address, in_keyring, KEYRING_DEADLINE) {
                // Who keeps nothing there need not be told that there is no keyring.
                Err(trouble) if in_keyring => reports.send(News::NotKept(trouble)),
                Ok(()) | Err(_) => {}
            }
        });
    }

    pub fn forget_password(&self, address: Address) {
        let passwords = self.passwords.clone();
        self.spawn("forget-password", move |reports| match passwords.forget(&address, KEYRING_DEADLINE) {
            Ok(()) | Err(Trouble::None) => {}
            Err(trouble) => reports.send(News::NotKept(trouble)),
        });
    }

    /// Tests a connection, and ends the test that runs.
    pub fn test(&mut self, number: u64, address: Address, network: NetworkOptions) {
        let (running, cancel) = bounded::<()>(0);
        self.test = Some(running);
        self.spawn("test-connection", move |reports| {
            let deadline = Instant::now() + TEST_DEADLINE;
            let access = Access { address, network, step_deadline: TEST_STEP_DEADLINE, deadline, cancel };
            let tested = network::test(&access, TEST_WATCH, &mut |step| reports.send(News::Step(number, step)));
            reports.send(News::Tested(number, Box::new(tested)));
        });
    }

    pub fn cancel_test(&mut self) {
        self.test = None;
    }

    /// Checks up on a camera, as soon as `released` is disconnected. Ends the examination that runs.
    pub fn check_up(&mut self, number: u64, request: CheckupRequest, released: Receiver<()>) {
        self.examine("check-up", number, released, move |cancel, tell| {
            let progress = &mut |progress| tell(CheckupNews::Progress(progress));
            CheckupNews::Done(Box::new(checkup::run(&request, cancel, progress)))
        });
    }

    /// The same with each backend of a camera.
    pub fn compare(&mut self, number: u64, request: CheckupRequest, released: Receiver<()>) {
        self.examine("compare-backends", number, released, move |cancel, tell| {
            let row = &mut |row: &StreamSummary| tell(CheckupNews::Row(Box::new(row.clone())));
            CheckupNews::Compared(Box::new(compare::compare(&request, cancel, row)))
        });
    }

    pub fn cancel_examination(&mut self) {
        // Whether it has ended stays known: the next one waits for that.
        if let Some(examination) = &mut self.examination {
            examination.running = None;
        }
    }

    fn examine(
        &mut self,
        name: &str,
        number: u64,
        released: Receiver<()>,
        work: impl FnOnce(&Receiver<()>, &dyn Fn(CheckupNews)) -> CheckupNews + Send + 'static,
    ) {
        let (running, cancel) = bounded::<()>(0);
        let (end, ended) = bounded::<()>(0);
        let last = self.examination.replace(Examination { running: Some(running), ended });
        let last = last.map(|last| last.ended);
        let has_begun = self.spawn(name, move |reports| {
            let deadline = Instant::now() + RELEASE_DEADLINE;
            for free in [Some(released), last].into_iter().flatten() {
                // What hangs in a driver by then is for the check-up to find out.
                let _ = free.recv_deadline(deadline);
            }
            let tell = |news| reports.send(News::Checkup(number, news));
            // The window waits for the end, and the camera with it.
            let news = catch_unwind(AssertUnwindSafe(|| work(&cancel, &tell))).unwrap_or(CheckupNews::Crashed);
            drop(end);
            reports.deliver(News::Checkup(number, news));
        });
        if !has_begun {
            self.reports.send(News::Checkup(number, CheckupNews::Crashed));
        }
    }

    /// Whether the work has begun; else the window is told why not.
    fn spawn(&self, name: &str, work: impl FnOnce(&Reports) + Send + 'static) -> bool {
        let reports = self.reports.clone();
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || work(&reports));
        if let Err(error) = &started {
            self.reports.send(News::Failed(format!("The system gives no thread ({error}). Close other programs.")));
        }
        started.is_ok()
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

fn watch_cameras(reports: &Reports, running: &Receiver<()>) {
    let mut watcher = DeviceWatcher::start();
    let mut known = None;
    loop {
        // A driver that hangs leaves the old list in place.
        if let Some(devices) = device::list_within(LIST_DEADLINE) {
            let cameras = choices(devices);
            if known.as_ref() != Some(&cameras) {
                reports.send(News::Cameras(cameras.clone()));
                known = Some(cameras);
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

fn watch_host(reports: &Reports, running: &Receiver<()>, folder: &crate::latest::Reader<PathBuf>) {
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
            reports.send(News::Host(host));
            last = Some(host);
        }
        if !is_pause_over(running, HOST_EVERY) {
            return;
        }
    }
}

fn save_settings(settings: &Receiver<Settings>, path: Option<&Path>, reports: &Reports) {
    let mut is_failing = false;
    while let Ok(mut newest) = settings.recv() {
        while let Ok(newer) = settings.recv_timeout(SETTLE) {
            newest = newer;
        }
        let Some(path) = path else { continue };
        match newest.save(path) {
            Ok(()) => is_failing = false,
            // Once is enough, until it works again.
            Err(_) if is_failing => {}
            Err(error) => {
                is_failing = true;
                reports.send(News::Failed(format!(
                    "The settings cannot be saved ({error}) and are lost when Camclinic ends: {}",
                    path.display()
                )));
            }
        }
    }
}

fn browse(purpose: Purpose, folder: &Path, suggestion: &str) -> Option<PathBuf> {
    let mut dialogue = rfd::FileDialog::new().set_title(purpose.title());
    // The folder may not exist yet; the dialogues of some systems refuse such a one.
    if let Some(existing) = folder.ancestors().find(|folder| folder.is_dir()) {
        dialogue = dialogue.set_directory(existing);
    }
    match purpose {
        Purpose::VideoFile => dialogue
            .add_filter("Video", &["mp4", "avi", "mkv", "mov", "webm", "ts", "m4v", "mjpg", "mjpeg"])
            .add_filter("All files", &["*"])
            .pick_file(),
        Purpose::Snapshot => {
            dialogue.add_filter("Pictures", &["jpg", "jpeg", "png"]).set_file_name(suggestion).save_file()
        }
        Purpose::Log => dialogue.add_filter("Text", &["txt", "log"]).set_file_name(suggestion).save_file(),
        Purpose::Report => dialogue.add_filter("Zip", &["zip"]).set_file_name(suggestion).save_file(),
        Purpose::SnapshotFolder => dialogue.pick_folder(),
    }
}
