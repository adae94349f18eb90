//! The window: what the eye meets of one camera.
//!
//! `App` owns the camera and everything that takes time; [`window::Window`] is what is shown, and draws itself without
//! knowing either. Nothing here waits: what may take time happens on the threads of [`background`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use crate::address::Address;
use crate::analyser::Analyser;
use crate::camera::{Camera, Command, Wake};
use crate::checkup::{CheckupRequest, Live, coding_of};
use crate::control::DeviceControls;
use crate::event::Level;
use crate::frame::Frame;
use crate::health::History;
use crate::latest::Reader;
use crate::logging::EventLog;
use crate::phrases::Language;
use crate::picture::PictureStats;
use crate::records::{self, Past, Records};
use crate::secrets::Passwords;
use crate::settings::{self, CameraSettings, NetworkOptions, Settings, ShownCameras};
use crate::snapshot::{Job, Snapshots};
use crate::source::SourceSpec;
use crate::status::Status;

pub mod address;
pub mod background;
pub mod checkup;
pub mod choice;
pub mod connection;
mod consent;
pub mod controls;
mod help;
mod inspector;
pub mod log;
mod pace;
mod plot;
mod preferences;
pub mod prompt;
mod recovery;
pub mod report;
mod screenshot;
mod source;
mod status_line;
pub mod text;
pub mod theme;
mod toasts;
mod toolbar;
pub mod viewer;
mod widgets;
pub mod window;

pub use screenshot::{DEFAULT_AFTER as SCREENSHOT_AFTER, Screenshot};
pub use viewer::color_image_from_bgr;

use background::{Answer, Background, News};
use prompt::{Prompt, Purpose};
use window::{Window, Wish};

/// What the window starts with.
pub struct Options {
    /// `None` opens the simulated camera.
    pub source: Option<SourceSpec>,
    /// Of the source, with what the command line says in their place.
    pub camera: CameraSettings,
    pub settings: Settings,
    /// Where settings are saved; `None` keeps them for this run only.
    pub settings_path: Option<PathBuf>,
    /// What the user should know at once, such as a settings file that was set aside.
    pub notices: Vec<String>,
    /// What is worth knowing and no trouble, such as that the simulated camera stands in for a real one.
    pub greeting: Option<String>,
    /// Take a picture of the window, save it and end.
    pub screenshot: Option<Screenshot>,
    pub log: EventLog,
    /// Keeps log and history on the disk; `None` where that is not possible.
    pub records: Option<Records>,
    /// Set from outside when the program shall end: the window closes and the camera is released.
    pub interrupted: Arc<AtomicBool>,
}

/// How long the start waits for the keyring: most answer sooner, and the window shall be there at once.
const KEYRING_PATIENCE: Duration = Duration::from_millis(150);

/// Shows the window until it is closed. To be called on the main thread.
///
/// # Errors
/// A sentence that says why there is no window and what to do, or why the screenshot was not saved.
pub fn run(options: Options) -> Result<(), String> {
    let outcome = screenshot::Outcome::default();
    let shot = options.screenshot.clone().map(|screenshot| screenshot::Shot::new(screenshot, outcome.clone()));
    let native = eframe::NativeOptions {
        renderer: eframe::Renderer::Glow,
        viewport: egui::ViewportBuilder::default()
            .with_title("Camclinic")
            .with_app_id("camclinic")
            .with_icon(icon())
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size([760.0, 520.0]),
        ..Default::default()
    };
    let create = move |context: &eframe::CreationContext<'_>| {
        App::new(options, shot, &context.egui_ctx)
            .map(|app| Box::new(app) as Box<dyn eframe::App>)
            .map_err(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>)
    };
    eframe::run_native("camclinic", native, Box::new(create)).map_err(|error| no_window(&error))?;
    outcome.take()
}

/// Why there is no window, and what to do.
fn no_window(error: &eframe::Error) -> String {
    // winit says this of the systems where a display can be missing at all.
    let no_display = error.to_string().contains("DISPLAY is set");
    if no_display {
        return "There is no display: neither DISPLAY nor WAYLAND_DISPLAY is set, so the window cannot be opened. Log in at \
                a desktop, use a command (camclinic help), or run it under Xvfb: xvfb-run camclinic --screenshot picture.png"
            .to_owned();
    }
    // The place in the library's source says nothing to a user.
    let why = error.to_string();
    let why = why.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": ")).map_or(why.as_str(), |(_, why)| why);
    let advice = match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => {
            "Check that the display can be reached (DISPLAY, WAYLAND_DISPLAY) and, on Linux, that these libraries are installed: libxkbcommon-x11, libXcursor, libXi, libXrandr."
        }
        eframe::Error::Glutin(_) | eframe::Error::NoGlutinConfigs(..) | eframe::Error::OpenGL(_) => {
            "OpenGL is missing or too old. On Linux install the packages libgl1 and libgl1-mesa-dri (Debian, Ubuntu) or mesa-dri-drivers (Fedora); elsewhere update the graphics driver."
        }
        eframe::Error::AppCreation(_) => "The commands work without a window: camclinic help",
    };
    format!("The window cannot be opened: {} {advice}", text::sentence(why))
}

/// A lens in the accent colour: drawn here, so that it is sharp and no file can be missing.
fn icon() -> egui::IconData {
    const SIDE: u32 = 64;
    let mut rgba = Vec::with_capacity((SIDE * SIDE * 4) as usize);
    for pixel in 0..SIDE * SIDE {
        #[expect(clippy::cast_precision_loss, reason = "at most 64")]
        let (x, y) = ((pixel % SIDE) as f32 - 31.5, (pixel / SIDE) as f32 - 31.5);
        let radius = x.hypot(y);
        let color = match radius {
            r if r < 7.0 => [0xdc, 0xe8, 0xff],
            r if r < 15.0 => [0x2f, 0x6f, 0xeb],
            r if r < 20.0 => [0xff, 0xff, 0xff],
            _ => [0x1b, 0x1e, 0x23],
        };
        let alpha = ((31.5 - radius).clamp(0.0, 1.0) * 255.0).round();
        rgba.extend_from_slice(&color);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255")]
        rgba.push(alpha as u8);
    }
    egui::IconData { rgba, width: SIDE, height: SIDE }
}

/// The window with its camera.
struct App {
    window: Window,
    /// The settings as the camera and the disk know them.
    applied: (Settings, CameraSettings),
    camera: Camera,
    /// After the camera, so that its last events are kept.
    records: Option<Records>,
    past: Option<Reader<Past>>,
    frames: Reader<Frame>,
    /// The camera whose status is shown, as the status names it.
    shown_source: String,
    /// Pictures taken before this moment are another camera's. `None` until the first status after a switch.
    frames_since: Option<Instant>,
    status: Reader<Status>,
    history: Reader<History>,
    controls: Reader<DeviceControls>,
    /// Looks at the live picture; `None` where the system gives no thread.
    analyser: Option<Analyser>,
    seen: Option<Reader<PictureStats>>,
    log: EventLog,
    snapshots: Snapshots,
    background: Background,
    /// The camera that is shown as soon as the keyring has said whether it knows its password.
    awaited: Option<Address>,
    /// Read by the wake closures: a window that nobody sees is not drawn.
    is_hidden: Arc<AtomicBool>,
    /// The window was drawn without a gap since the last picture, so that a skipped picture is our own doing.
    was_drawing: bool,
    shot: Option<screenshot::Shot>,
    pace: pace::Pace,
}

impl App {
    fn new(options: Options, shot: Option<screenshot::Shot>, ctx: &egui::Context) -> std::io::Result<Self> {
        theme::install(ctx);
        let Options {
            source,
            camera: camera_settings,
            settings,
            settings_path,
            notices,
            greeting,
            log,
            records,
            interrupted,
            screenshot: _,
        } = options;
        let spec = source.or_else(|| SourceSpec::parse("sim:").ok()).ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "there is no camera, not even a simulated one")
        })?;
        let is_hidden = Arc::new(AtomicBool::new(false));
        let wake: Wake = {
            let (ctx, is_hidden) = (ctx.clone(), Arc::clone(&is_hidden));
            Arc::new(move || {
                if !is_hidden.load(Ordering::Relaxed) {
                    // Not at once: two wishes within a millisecond are one pass then.
                    ctx.request_repaint_after(Duration::from_millis(1));
                }
            })
        };
        {
            let wake = Arc::clone(&wake);
            log.listen(move |_| wake());
        }
        let close = {
            let ctx = ctx.clone();
            move || {
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                ctx.request_repaint();
            }
        };
        let passwords = Passwords::default();
        let spec = passwords.complete(spec, KEYRING_PATIENCE);
        let started_at = Instant::now();
        let trusted = &settings.network.trusted_certificates;
        let camera = Camera::start(spec.clone(), &camera_settings, trusted, log.clone(), Arc::clone(&wake))?;
        let background = Background::start(
            settings_path,
            settings.snapshot_folder(),
            interrupted,
            close,
            Arc::clone(&wake),
            passwords,
        )?;
        let snapshots = Snapshots::start(wake)?;
        let now = Instant::now();
        let shown_source = spec.to_string();
        if let Some(records) = &records {
            records.watch(camera.status());
            records.load(&shown_source);
        }
        let mut window = Window::new(spec, settings, now);
        window.camera = CameraSettings { id: window.camera.id, ..camera_settings };
        let applied = (window.settings.clone(), window.camera.clone());
        window.system_language = Language::of_system();
        if let Some(greeting) = greeting {
            log.add("", Level::Info, "camera", greeting.clone());
            window.toasts.info(greeting, now);
        }
        for notice in notices {
            log.add("", Level::Warning, "settings", notice.clone());
            window.toasts.error(notice, now);
        }
        let awaited = match &window.spec {
            // The keyring is slow: the camera is opened once more with what it says in the end.
            SourceSpec::Url(address) if address.lacks_password() => Some(address.clone()),
            _ => None,
        };
        if let Some(address) = &awaited {
            background.find_password(address.clone());
        }
        let pace = pace::Pace::new(log.clone());
        let analyser = Analyser::start(camera.frames(), coding_of(&window.spec)).ok();
        Ok(Self {
            window,
            applied,
            frames: camera.frames(),
            shown_source,
            frames_since: Some(started_at),
            status: camera.status(),
            history: camera.history(),
            controls: camera.controls(),
            seen: analyser.as_ref().map(Analyser::picture),
            analyser,
            camera,
            past: records.as_ref().map(Records::past),
            records,
            log,
            snapshots,
            background,
            awaited,
            is_hidden,
            was_drawing: false,
            shot,
            pace,
        })
    }

    /// Takes over everything that is new. Costs next to nothing when nothing is.
    fn refresh(&mut self, is_visible: bool) {
        let now = Instant::now();
        self.window.now = now;
        // For a moment after a switch the supervisor still tells of the camera before.
        if let Some(fresh) = self.status.take_fresh()
            && fresh.value.source == self.shown_source
        {
            self.frames_since.get_or_insert(now);
            self.window.status = Some(fresh.value);
            self.window.status_at = now;
        }
        if let Some(fresh) = self.history.take_fresh() {
            self.window.history = fresh.value;
        }
        if let Some(fresh) = self.controls.take_fresh()
            && fresh.value.source == self.shown_source
        {
            self.window.controls = fresh.value;
        }
        if let Some(fresh) = self.past.as_mut().and_then(Reader::take_fresh)
            && fresh.value.source == self.shown_source
        {
            self.window.past = fresh.value;
        }
        let events = self.log.since(self.window.log.last_id());
        for event in events.iter().filter(|event| event.name == records::EVENT && event.level == Level::Error) {
            self.window.toasts.error(event.message.clone(), now);
        }
        self.window.log.add(events);
        if let Some(fresh) = self.frames.take_fresh()
            && self.frames_since.is_some_and(|since| fresh.value.taken_at >= since)
        {
            if self.was_drawing && is_visible {
                self.window.n_missed += fresh.n_skipped;
            }
            self.window.frame = Some(fresh.value);
        }
        self.was_drawing = is_visible;
        if let Some(fresh) = self.seen.as_mut().and_then(Reader::take_fresh) {
            self.window.look_at_picture(&fresh.value);
        }
        while let Some(outcome) = self.snapshots.poll() {
            match outcome.result {
                Ok(path) => {
                    let message = format!("Snapshot saved: {}", path.display());
                    self.log.add(&self.window.spec.to_string(), Level::Info, "snapshot", message);
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
                    self.window.toasts.saved(format!("Snapshot saved: {name}"), folder, now);
                }
                Err(why) => self.fail("snapshot", why),
            }
        }
        while let Some(news) = self.background.poll() {
            self.take_news(news);
        }
    }

    fn take_news(&mut self, news: News) {
        let now = self.window.now;
        match news {
            News::Cameras(cameras) => self.window.set_cameras(cameras),
            News::Abilities(identity, answer) => self.window.learn(identity, answer),
            News::Host(host) => self.window.host = Some(host),
            News::LogSaved(path) => {
                let folder = path.parent().map(PathBuf::from).unwrap_or_default();
                self.window.toasts.saved(format!("Log saved: {}", path.display()), folder, now);
            }
            News::Report(number, report) => self.window.hear_report(number, report),
            News::ReportSaved(path) => {
                let folder = path.parent().map(PathBuf::from).unwrap_or_default();
                self.window.toasts.saved(format!("Report saved: {}", path.display()), folder, now);
            }
            News::Failed(why) => self.fail("window", why),
            News::Password(asked, answer) => {
                if self.awaited.take_if(|awaited| *awaited == asked).is_some() {
                    let known = answer.clone().ok().flatten();
                    // Without it the camera itself says that it wants one.
                    let spec = SourceSpec::Url(known.unwrap_or_else(|| asked.clone()));
                    if spec != self.window.spec {
                        self.switch(spec);
                    }
                }
                self.window.hear_password(&asked, &answer);
            }
            News::NotKept(trouble) => {
                let why =
                    format!("{}: the password is kept until Camclinic ends.", text::capitalised(&trouble.to_string()));
                self.window.toasts.info(why, now);
            }
            News::Checkup(number, news) => self.window.hear_checkup(number, news),
            News::Step(number, step) => self.window.hear_step(number, step),
            News::Tested(number, tested) => self.window.hear_tested(number, *tested),
            News::Answer(purpose, Answer::Picked(path)) => {
                if let Err(why) = self.window.picked(purpose, &path.to_string_lossy()) {
                    self.window.toasts.error(why, now);
                }
            }
            News::Answer(Purpose::Snapshot, Answer::Cancelled) => self.window.waiting_frame = None,
            News::Answer(_, Answer::Cancelled) => {}
            News::Answer(purpose, Answer::NoDialogue) => {
                let (folder, name) = self.suggestion(purpose);
                self.window.prompt = Some(Prompt::without_dialogue(purpose, folder.join(name).display().to_string()));
            }
        }
    }

    fn fail(&mut self, about: &str, why: String) {
        self.log.add("", Level::Error, about, why.clone());
        self.window.toasts.error(why, self.window.now);
    }

    /// Folder and file name that a dialogue begins with.
    fn suggestion(&self, purpose: Purpose) -> (PathBuf, String) {
        let folder = self.window.settings.snapshot_folder();
        match purpose {
            Purpose::Snapshot => (folder, "snapshot.jpg".to_owned()),
            Purpose::Log => (folder, "camclinic-log.txt".to_owned()),
            Purpose::VideoFile => {
                let home = directories::UserDirs::new().map(|dirs| dirs.home_dir().to_owned());
                (home.unwrap_or_default(), String::new())
            }
            Purpose::Report => (folder, report::suggestion(&self.window)),
            Purpose::SnapshotFolder => (folder, String::new()),
        }
    }

    /// Does what was wished for in the pass that has just ended.
    fn carry_out(&mut self) {
        for wish in std::mem::take(&mut self.window.wishes) {
            match wish {
                Wish::Camera(command) => self.camera.send(command),
                Wish::Choose(spec) => self.choose(spec),
                Wish::Snapshot(frame) => {
                    let job = self.job();
                    self.snapshot(frame, job);
                }
                Wish::SnapshotTo(frame, file) => {
                    let job = Job { file: Some(file), ..self.job() };
                    self.snapshot(frame, job);
                }
                Wish::Browse(purpose) => {
                    let (folder, name) = self.suggestion(purpose);
                    self.background.browse(purpose, folder, &name);
                }
                Wish::SaveLog(path, text) => self.background.save_log(path, text),
                Wish::OpenFolder(folder) => self.background.open_folder(folder),
                Wish::Ask(device) => self.background.ask(device),
                Wish::FindPassword(address) => self.background.find_password(address),
                Wish::KeepPassword { address, in_keyring } => self.background.keep_password(address, in_keyring),
                Wish::ForgetPassword(address) => self.background.forget_password(address),
                Wish::TestConnection { number, address, transport } => {
                    let trusted_certificates = self.window.settings.network.trusted_certificates.clone();
                    let network = NetworkOptions { transport, trusted_certificates };
                    self.background.test(number, address, network);
                }
                Wish::CancelTest => self.background.cancel_test(),
                Wish::CheckUp { number, is_live, releases } => {
                    let live = is_live.then(|| Live {
                        frames: self.camera.frames(),
                        status: self.camera.status(),
                        controls: self.camera.controls(),
                    });
                    let released = self.release(releases);
                    self.background.check_up(number, self.examination(live), released);
                }
                Wish::Compare { number, releases } => {
                    let released = self.release(releases);
                    self.background.compare(number, self.examination(None), released);
                }
                Wish::PreviewReport { number, known, masking } => {
                    let data = self.records.as_ref().and_then(|_| settings::data_folder());
                    self.background.make_report(number, known, data, masking);
                }
                Wish::SaveReport(report, path) => self.background.save_report(report, path),
                Wish::CancelCheckup => self.background.cancel_examination(),
                Wish::Log { level, name, message } => {
                    self.log.add(&self.window.spec.to_string(), level, name, message);
                }
                Wish::OpenPage(page) => self.background.open_page(page),
            }
        }
    }

    /// What is to be examined, as the camera would be opened now.
    fn examination(&self, live: Option<Live>) -> CheckupRequest {
        let settings = &self.window.settings;
        CheckupRequest {
            spec: self.window.spec.clone(),
            settings: self.window.camera.clone(),
            trusted: settings.network.trusted_certificates.clone(),
            folder: settings.snapshot_folder(),
            with_experiments: live.is_none(),
            live,
        }
    }

    /// Has the engine close the camera, if it has it; disconnected when that is done.
    fn release(&self, is_needed: bool) -> Receiver<()> {
        let (closed, released) = bounded(0);
        if is_needed {
            self.camera.send(Command::Release(closed));
        }
        released
    }

    /// Shows another camera; one whose password may be in the keyring, as soon as that has answered.
    fn choose(&mut self, spec: SourceSpec) {
        match &spec {
            SourceSpec::Url(address) if address.lacks_password() => {
                self.awaited = Some(address.clone());
                self.background.find_password(address.clone());
                self.window.toasts.info("Looking for the password…", self.window.now);
            }
            _ => self.switch(spec),
        }
    }

    fn switch(&mut self, spec: SourceSpec) {
        self.awaited = None;
        self.background.cancel_examination();
        self.window.checkup.forget();
        self.list_camera();
        self.window.camera = spec.settings(&self.window.settings);
        let id = self.window.settings.put(self.window.camera.clone());
        self.window.camera.id = id;
        self.window.settings.shown = ShownCameras { cameras: vec![id], selected: Some(id), is_alone: false };
        self.shown_source = spec.to_string();
        self.window.spec = spec.clone();
        self.window.n_missed = 0;
        self.frames_since = None;
        self.window.status = None;
        self.window.frame = None;
        self.window.past = Arc::default();
        if let Some(records) = &self.records {
            records.load(&self.shown_source);
        }
        self.window.controls = Arc::default();
        self.window.control_view = controls::View::default();
        self.window.viewer.clear();
        // Before the switch, so that the new camera is opened as it shall be at once.
        self.commit_settings();
        self.analyser = Analyser::start(self.camera.frames(), coding_of(&spec)).ok();
        self.seen = self.analyser.as_ref().map(Analyser::picture);
        self.camera.send(Command::Switch(Box::new(spec)));
    }

    fn job(&self) -> Job {
        let settings = &self.window.settings;
        let name =
            self.window.status.as_ref().map_or_else(|| self.window.spec.to_string(), |status| status.name.clone());
        Job::new(settings, &self.window.camera, &name)
    }

    fn snapshot(&mut self, frame: Arc<Frame>, job: Job) {
        if !self.snapshots.take(frame, job) {
            let why = "The picture was not saved: the disk is still busy with the ones before. Try again later.";
            self.fail("snapshot", why.to_owned());
        }
    }

    /// Hands changed settings to the camera and to the disk, once the hand has left the control.
    fn apply_settings(&mut self, ctx: &egui::Context) {
        if !ctx.input(|input| input.pointer.any_down()) {
            self.commit_settings();
        }
    }

    fn commit_settings(&mut self) {
        let Window { settings, camera, .. } = &self.window;
        if (settings, camera) == (&self.applied.0, &self.applied.1) {
            return;
        }
        let trusted = settings.network.trusted_certificates.clone();
        self.camera.send(Command::Apply(Box::new(camera.clone()), trusted));
        self.list_camera();
        self.applied = (self.window.settings.clone(), self.window.camera.clone());
        self.background.save(&self.applied.0);
    }

    /// What is set for the camera that is shown is kept with the others.
    fn list_camera(&mut self) {
        self.window.settings.put(self.window.camera.clone());
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let is_hidden = ctx.input(|input| {
            let viewport = input.viewport();
            viewport.minimized == Some(true) || viewport.occluded == Some(true)
        });
        self.is_hidden.store(is_hidden, Ordering::Relaxed);
        self.refresh(!is_hidden);
        if let Some(shot) = &mut self.shot {
            shot.advance(ctx);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if let Some(secs) = frame.info().cpu_usage {
            self.pace.add(secs);
        }
        self.window.draw(ui);
        self.carry_out();
        self.apply_settings(ui.ctx());
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        [0.043, 0.047, 0.055, 1.0]
    }
}
