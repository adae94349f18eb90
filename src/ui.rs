//! The window: what the eye meets of one camera, or of several.
//!
//! `App` owns the cameras and everything that takes time; [`window::Window`] is what is shown, and draws itself without knowing
//! either: one [`pane::Pane`] for each camera, and the [`shell::Shell`] around them. After each pass the cameras are made to
//! follow the panes. Nothing here waits: what may take time is a [`background::Task`] on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crate::camera::{Camera, Wake};
use crate::event::Level;
use crate::fleet::Fleet;
use crate::latest::Reader;
use crate::logging::EventLog;
use crate::phrases::Language;
use crate::records::{Past, Records};
use crate::secrets::Passwords;
use crate::settings::{CameraId, CameraSettings, Notice, RendererChoice, Settings, SettingsFile};
#[cfg(feature = "share")]
use crate::share::SharedCamera;
use crate::snapshot::Snapshots;
use crate::source::SourceSpec;

mod add_camera;
pub mod address;
pub mod background;
pub mod checkup;
pub mod choice;
pub mod clips;
pub mod connection;
mod consent;
pub mod controls;
mod engine;
pub mod grid;
mod help;
mod inspector;
pub mod log;
mod pace;
pub mod pane;
pub mod player;
mod plot;
mod preferences;
pub mod prompt;
pub mod recording;
mod recovery;
mod renderer;
pub mod report;
mod screenshot;
#[cfg(feature = "share")]
pub mod share;
pub mod shell;
mod software;
mod source;
mod status_line;
pub mod text;
pub mod theme;
mod toasts;
mod toolbar;
pub mod viewer;
mod waker;
mod widgets;
pub mod window;

pub use renderer::Renderer;
pub use screenshot::{DEFAULT_AFTER as SCREENSHOT_AFTER, Screenshot};
pub use viewer::color_image_from_bgr;

use background::{Background, WindowHandle};
use engine::PaneEngine;
use pane::Pane;
use shell::WindowRequest;
use waker::Waker;
use window::Window;

/// What the window starts with.
pub struct Options {
    /// The cameras to show, in their order, with what is set for each in this run. None opens the simulated camera.
    pub cameras: Vec<(SourceSpec, CameraSettings)>,
    pub choice: CameraSelection,
    pub settings: Settings,
    /// Where settings are saved; `None` keeps them for this run only.
    pub settings_path: Option<PathBuf>,
    /// What the user should know at once of the settings file, such as that it was set aside.
    pub notices: Vec<Notice>,
    /// What is worth knowing and no trouble, such as that the simulated camera stands in for a real one.
    pub greeting: Option<String>,
    pub renderer: RendererChoice,
    /// Take a picture of the window, save it and end.
    pub screenshot: Option<Screenshot>,
    pub log: EventLog,
    /// Keeps log and history on the disk; `None` where that is not possible.
    pub records: Option<Records>,
    /// Set from outside when the program shall end: the window closes and the camera is released.
    pub interrupted: Arc<AtomicBool>,
}

/// How the cameras came to be those that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraSelection {
    /// Somebody named them: the next start shows them again.
    Named,
    /// They were shown last.
    Saved,
    /// Nobody named any: it is the first one that there is, and the next start looks again.
    Automatic,
}

/// How long the start waits for the keyring: most answer sooner, and the window shall be there at once.
const KEYRING_PATIENCE: Duration = Duration::from_millis(150);

/// How often it is looked whether a camera has let go of its device, for another one in its place.
const RELEASE_LOOKED_AT_EVERY: Duration = Duration::from_millis(50);

/// Shows the window until it is closed. To be called on the main thread.
///
/// # Errors
/// A sentence that says why there is no window and what to do, or why the screenshot was not saved.
pub fn run(options: Options) -> Result<(), String> {
    let taken = screenshot::ScreenshotResult::default();
    let shot = options.screenshot.clone().map(|screenshot| screenshot::Shot::new(screenshot, taken.clone()));
    let least = window::LEAST_SIZE;
    // A size of a screen that is not there any more, or a slip of somebody who edits the file, opens no strip of a window.
    let side = |side: u32, least: f32| (side as f32).clamp(least, 16_384.0);
    let size = options.settings.window.size.map(|[width, height]| [side(width, least[0]), side(height, least[1])]);
    let viewport = egui::ViewportBuilder::default()
        .with_title("Camclinic")
        .with_app_id("camclinic")
        .with_icon(icon())
        .with_inner_size(size.unwrap_or([1440.0, 900.0]))
        .with_min_inner_size(least);
    let choice = options.renderer;
    renderer::show(choice, viewport, move |ctx, renderer| App::new(options, shot, ctx, renderer))?;
    taken.take()
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

/// The window with its cameras.
struct App {
    window: Window,
    fleet: Fleet,
    /// One for each camera of the fleet.
    engines: Vec<PaneEngine>,
    /// The cameras of which whole pictures were needed last while nobody saw the window.
    needed_while_hidden: Vec<CameraId>,
    pace: pace::PassTimes,
    /// How long the layout of the picture before took, in seconds.
    layout_secs: f32,
    /// The settings as the disk has them, or will soon.
    saved: Settings,
    /// After the cameras and the times, so that their last events are kept.
    records: Option<Records>,
    past: Option<Reader<Past>>,
    /// The camera whose earlier runs are being read: one after the other.
    past_wanted: Option<String>,
    log: EventLog,
    snapshots: Snapshots,
    background: Background,
    waker: Waker,
    /// Nobody sees the window.
    is_hidden: bool,
    /// The window was drawn without a gap since the last picture.
    was_drawing: bool,
    shot: Option<screenshot::Shot>,
}

impl App {
    fn new(
        options: Options,
        shot: Option<screenshot::Shot>,
        ctx: &egui::Context,
        renderer: Renderer,
    ) -> std::io::Result<Self> {
        theme::install(ctx);
        let Options {
            cameras,
            choice,
            settings,
            settings_path,
            notices,
            greeting,
            log,
            records,
            interrupted,
            screenshot: _,
            renderer: _,
        } = options;
        let waker = Waker::new(ctx.clone());
        {
            let waker = waker.clone();
            log.listen(move |_| waker.wake());
        }
        let close = {
            let ctx = ctx.clone();
            move || {
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                ctx.request_repaint();
            }
        };
        let passwords = Passwords::default();
        // A picture that is taken of the window is no use of it.
        let settings_path = settings_path.filter(|_| shot.is_none());
        let file = settings_path.map(|path| SettingsFile::new(path, &settings));
        let saved = settings.clone();
        let mut window = Self::window(cameras, settings, &passwords)?;
        let now = window.shell.now;
        match choice {
            CameraSelection::Saved => window.restore(),
            CameraSelection::Named => window.note_shown(),
            CameraSelection::Automatic => {}
        }
        let shell = &mut window.shell;
        shell.system_language = Language::of_system();
        shell.events = log.clone();
        shell.has_records = records.is_some();
        shell.renderer = renderer;
        let snapshot_folder = shell.settings.snapshot_folder();
        let wake: Wake = {
            let waker = waker.clone();
            Arc::new(move || waker.wake())
        };
        let handle = WindowHandle::new(passwords, Arc::clone(&wake));
        let background = Background::start(file, snapshot_folder, interrupted, close, handle)?;
        let snapshots = Snapshots::start(Arc::clone(&wake))?;
        if let Some(greeting) = greeting {
            log.add("", Level::Info, "camera", greeting.clone());
            shell.toasts.info(greeting, now);
        }
        for notice in notices {
            if notice.is_trouble {
                log.add("", Level::Warning, "settings", notice.text.clone());
                shell.toasts.error(notice.text, now);
            } else {
                log.add("", Level::Info, "settings", notice.text.clone());
                shell.toasts.info(notice.text, now);
            }
        }
        let mut app = Self {
            fleet: Fleet::new(log.clone(), window.shell.logins.clone(), Arc::clone(&wake)),
            window,
            engines: Vec::new(),
            needed_while_hidden: Vec::new(),
            saved,
            past: records.as_ref().map(Records::past),
            past_wanted: None,
            records,
            pace: pace::PassTimes::new(log.clone()),
            layout_secs: 0.0,
            log,
            snapshots,
            background,
            waker,
            is_hidden: false,
            was_drawing: false,
            shot,
        };
        app.follow_panes(true, ctx)?;
        // The keyring is slow: a camera is opened once more with what it says in the end.
        for id in app.window.panes.iter().map(Pane::id).collect::<Vec<_>>() {
            app.window.look_for_password(id);
        }
        app.carry_out();
        Ok(app)
    }

    /// The window with its cameras. Waits a moment for the keyring.
    fn window(
        cameras: Vec<(SourceSpec, CameraSettings)>,
        settings: Settings,
        passwords: &Passwords,
    ) -> std::io::Result<Window> {
        let patient_until = Instant::now() + KEYRING_PATIENCE;
        let mut cameras = cameras.into_iter().map(|(spec, settings)| {
            let patience = patient_until.saturating_duration_since(Instant::now());
            (passwords.complete(spec, patience), settings)
        });
        let simulated = || {
            let spec = SourceSpec::parse("sim:").ok()?;
            let settings = spec.settings(&settings);
            Some((spec, settings))
        };
        let first = cameras.next().or_else(simulated).ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "there is no camera, not even a simulated one")
        })?;
        let cameras: Vec<_> = std::iter::once(first).chain(cameras).collect();
        Ok(Window::showing(cameras, settings, Instant::now()))
    }

    /// Takes over everything that is new. Costs next to nothing when nothing is.
    fn refresh(&mut self, is_visible: bool) {
        let window = &mut self.window;
        window.shell.now = Instant::now();
        let is_drawn = self.was_drawing && is_visible;
        for engine in &mut self.engines {
            window.with_pane(engine.id, |pane, shell| {
                engine.refresh(pane, shell, is_drawn);
                pane.take_due_snapshot(shell);
                pane.serve_snapshots(shell);
            });
        }
        self.was_drawing = is_visible;
        window.add_events(self.log.since(window.shell.log.last_id()));
        while let Some(saved) = self.snapshots.poll() {
            match saved.result {
                Ok(file) => {
                    let message = format!("Snapshot saved: {file}");
                    window.with_pane(saved.camera, |pane, shell| pane.tell(shell, Level::Info, "snapshot", message));
                    let path = file.path;
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
                    window.shell.toasts.saved(format!("Snapshot saved: {name}"), folder, window.shell.now);
                }
                Err(why) => window.shell.fail("snapshot", why),
            }
        }
        while let Some(update) = self.background.poll() {
            update(window);
        }
        self.refresh_past();
    }

    /// Has the histories of earlier runs read, one after the other, and puts them into the panes.
    fn refresh_past(&mut self) {
        let (Some(records), Some(past)) = (&self.records, &mut self.past) else { return };
        if let Some(fresh) = past.take_fresh() {
            let read = fresh.value;
            self.past_wanted.take_if(|wanted| *wanted == read.source);
            for engine in self.engines.iter_mut().filter(|engine| engine.source() == read.source) {
                engine.has_past = true;
                self.window.with_pane(engine.id, |pane, _| pane.past = Arc::clone(&read));
            }
        }
        if self.past_wanted.is_none()
            && let Some(engine) = self.engines.iter().find(|engine| !engine.has_past)
        {
            records.load(&engine.source());
            self.past_wanted = Some(engine.source());
        }
    }

    /// Does what was asked for in the pass that has just ended.
    fn carry_out(&mut self) {
        self.window.settle();
        for request in std::mem::take(&mut self.window.shell.requests) {
            match request {
                WindowRequest::Snapshot(pane, frame, target) => {
                    let jpegs = self.fleet.camera(pane).and_then(Camera::jpegs);
                    if !self.snapshots.take(pane, frame, jpegs, target) {
                        let why =
                            "The picture was not saved: the disk is still busy with the ones before. Try again later.";
                        self.window.shell.fail("snapshot", why.to_owned());
                    }
                }
                WindowRequest::Run(task) => self.background.run(task),
                // Settled already.
                WindowRequest::Choose(..)
                | WindowRequest::Add(_)
                | WindowRequest::Remove(_)
                | WindowRequest::Select(_)
                | WindowRequest::ShowGrid => {}
            }
        }
    }

    /// Has the cameras be those of the panes, as they are set there.
    ///
    /// # Errors
    /// The system gives no thread for one of them.
    fn follow_panes(&mut self, may_apply: bool, ctx: &egui::Context) -> std::io::Result<()> {
        let pixels_per_point = ctx.pixels_per_point();
        let demands: Vec<_> =
            self.window.panes.iter().map(|pane| self.window.demand(pane, self.is_hidden, pixels_per_point)).collect();
        let Window { panes, shell, .. } = &mut self.window;
        for (pane, demand) in panes.iter_mut().zip(demands) {
            // What it showed before may be the same device under another name: first that is let go.
            if let Some(old) = pane.replaces.filter(|old| *old != pane.id())
                && let Some(engine) = self.engines.iter_mut().find(|engine| engine.id == old)
                && !engine.release(&self.fleet, shell.now)
            {
                ctx.request_repaint_after(RELEASE_LOOKED_AT_EVERY);
                continue;
            }
            pane.replaces = None;
            if let Some(engine) = self.engines.iter_mut().find(|engine| engine.id == pane.id()) {
                engine.follow(pane, shell, &self.fleet, demand, may_apply);
                continue;
            }
            // It is opened as soon as the keyring has answered.
            if pane.awaited.is_some() {
                continue;
            }
            self.engines.push(PaneEngine::start(pane, shell, &mut self.fleet)?);
            if let (Some(records), Some(camera)) = (&self.records, self.fleet.camera(pane.id())) {
                records.watch(camera.status());
            }
        }
        let is_wanted = |id: CameraId| panes.iter().any(|pane| pane.id() == id || pane.replaces == Some(id));
        for engine in self.engines.extract_if(.., |engine| !is_wanted(engine.id)) {
            self.fleet.remove(engine.id);
        }
        #[cfg(feature = "share")]
        self.publish_shared();
        Ok(())
    }

    /// Those who look on see the cameras that are there now.
    #[cfg(feature = "share")]
    fn publish_shared(&mut self) {
        let of = |id: CameraId| self.engines.iter().find(|engine| engine.id == id)?.recorder();
        let cameras = self.fleet.iter().map(|(id, camera)| SharedCamera::new(id, camera, of(id)));
        let cameras: Vec<SharedCamera> = cameras.collect();
        let is_same = |(one, other): (&SharedCamera, &SharedCamera)| {
            one.id == other.id
                && match (&one.recorder, &other.recorder) {
                    (None, None) => true,
                    (Some(one), Some(other)) => one.is_same(other),
                    _ => false,
                }
        };
        let published = self.window.shell.share.cameras.reader().current().unwrap_or_default();
        if published.len() != cameras.len() || !published.iter().zip(&cameras).all(is_same) {
            self.window.shell.share.cameras.publish(cameras);
        }
    }

    fn follow(&mut self, ctx: &egui::Context, may_apply: bool) {
        if let Err(error) = self.follow_panes(may_apply, ctx) {
            self.window.shell.fail("window", format!("The system gives no thread ({error}). Close other programs."));
        }
    }

    /// Hands changed settings to the disk.
    fn save_settings(&mut self) {
        self.window.list_panes();
        if self.window.shell.settings != self.saved {
            self.saved = self.window.shell.settings.clone();
            self.background.save(&self.saved);
        }
    }
}

impl App {
    /// What has to be done whether or not the window is seen.
    fn logic(&mut self, ctx: &egui::Context) {
        let is_hidden = ctx.input(|input| {
            let viewport = input.viewport();
            viewport.minimized == Some(true) || viewport.occluded == Some(true)
        });
        self.waker.set_hidden(is_hidden);
        self.refresh(!is_hidden);
        if self.is_hidden != is_hidden {
            // Nothing is drawn any more, or soon again: the cameras are to know.
            self.is_hidden = is_hidden;
            self.follow(ctx, true);
        }
        // Somebody who looks on elsewhere, and a snapshot that is due, want pictures whether or not anything is drawn here.
        if is_hidden {
            self.carry_out();
            let needed = self.window.needed_while_hidden();
            if self.needed_while_hidden != needed {
                self.needed_while_hidden = needed;
                self.follow(ctx, false);
            }
        }
        if let Some(shot) = &mut self.shot {
            shot.advance(ctx);
        }
    }

    /// `took` is how long the pass before took to lay out and paint, in seconds.
    fn ui(&mut self, ui: &mut egui::Ui, took: Option<f32>) {
        let began = Instant::now();
        if let Some(secs) = took {
            self.pace.add(secs, self.layout_secs);
        }
        self.window.draw(ui);
        self.carry_out();
        // A change counts once the hand has left the control.
        let is_settled = !ui.ctx().input(|input| input.pointer.any_down());
        self.follow(ui.ctx(), is_settled);
        if is_settled {
            self.save_settings();
        }
        self.waker.end_pass(self.window.panes.len());
        self.layout_secs = began.elapsed().as_secs_f32();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::address::Address;
    use crate::cli::{self, Cli, RunSettings};

    /// Starts the window as the command line says, with settings in this folder, does something in it, and closes it.
    fn run(folder: &Path, line: &str, work: impl FnOnce(&mut Window)) {
        let path = folder.join("settings.json");
        let words = ["camclinic", "--settings"].map(str::to_owned).into_iter();
        let words = words.chain([path.display().to_string()]).chain(line.split_whitespace().map(str::to_owned));
        let arguments = Cli::try_parse_from(words).unwrap();
        let RunSettings { settings, settings_path, notices } = arguments.shared.load_settings();
        let chosen = cli::window_cameras(&arguments.sources, &settings).unwrap();
        let choice = if arguments.sources.is_empty() { CameraSelection::Saved } else { CameraSelection::Named };
        let cameras = chosen
            .iter()
            .map(|camera| (camera.spec.clone(), arguments.shared.settings_of(camera, &settings)))
            .collect();
        let screenshot = arguments.screenshot.map(|path| Screenshot { path, after: arguments.after });
        let shot = screenshot
            .clone()
            .map(|screenshot| screenshot::Shot::new(screenshot, screenshot::ScreenshotResult::default()));
        let options = Options {
            cameras,
            choice,
            settings,
            settings_path,
            notices,
            greeting: None,
            screenshot,
            log: EventLog::new(),
            records: None,
            interrupted: Arc::default(),
            renderer: RendererChoice::Auto,
        };
        let mut app = App::new(options, shot, &egui::Context::default(), Renderer::default()).unwrap();
        work(&mut app.window);
        app.save_settings();
    }

    /// As `1 One, *2 Two` for two tiles, of which the second is selected, and what is listed besides after a bar.
    fn told(folder: &Path) -> String {
        let Settings { cameras, shown, .. } = Settings::load(&folder.join("settings.json")).settings;
        let told = |camera: &CameraSettings| {
            let mark = if shown.selected == Some(camera.id) { "*" } else { "" };
            format!("{mark}{} {}/{}", camera.id, camera.label(), camera.n_warm_up_frames)
        };
        let listed = |id: &CameraId| cameras.iter().find(|camera| camera.id == *id).map(told).unwrap();
        let tiles: Vec<_> = shown.cameras.iter().map(listed).collect();
        let others: Vec<_> = cameras.iter().filter(|camera| !shown.cameras.contains(&camera.id)).map(told).collect();
        format!("{}|{}", tiles.join(", "), others.join(", "))
    }

    #[test]
    fn the_next_start_shows_what_this_one_does() {
        #[track_caller]
        fn check(file: &str, line: &str, work: fn(&mut Window), expected: &str) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("settings.json");
            if !file.is_empty() {
                fs::write(&path, file).unwrap();
            }
            run(folder.path(), line, work);
            assert_eq!(told(folder.path()), expected, "{line}");
            // Another start changes nothing.
            run(folder.path(), "", |_| {});
            run(folder.path(), "", |window| {
                let (first, last) = (window.panes.first().unwrap().id(), window.panes.last().unwrap().id());
                let selected = window.selected;
                for id in [first, last, selected] {
                    window.select(id);
                }
            });
            assert_eq!(told(folder.path()), expected, "{line}, again");
        }
        let none = |_: &mut Window| {};
        let last = |window: &mut Window| window.select(window.panes.last().unwrap().id());
        let (a, b) = ("sim:64x48@5", "sim:32x24@5");
        check("", a, none, "*1 sim:64x48@5/5|");
        check("", &format!("{a} {b}"), none, "*1 sim:64x48@5/5, 2 sim:32x24@5/5|");
        check("", &format!("{a} {b}"), last, "1 sim:64x48@5/5, *2 sim:32x24@5/5|");
        let twins = r#"{"version":2,"shown":{"cameras":[1,2]},"cameras":[{"id":1,"name":"One","source":"sim:64x48@5"},
            {"id":2,"name":"Two","source":"sim:64x48@5","n_warm_up_frames":17}]}"#;
        check(twins, "", last, "1 One/5, *2 Two/17|");
        check(twins, b, none, "*3 sim:32x24@5/5|1 One/5, 2 Two/17");
        check(&twins.replace("[1,2]", "[2]"), a, none, "*2 Two/17|1 One/5");
        let same = r#"{"version":2,"shown":{"cameras":[1,2],"selected":1},"cameras":[{"id":1,"name":"One","source":"rtsp://a@127.0.0.1:1/1"},
            {"id":2,"name":"Two","source":"rtsp://a@127.0.0.1:1/1","n_warm_up_frames":17}]}"#;
        check(
            same,
            "",
            |window| {
                // The keyring has the password of both.
                let address = |text| Address::parse(text).unwrap();
                window.panes.iter_mut().for_each(|pane| pane.awaited = Some(address("rtsp://a@127.0.0.1:1/1")));
                window
                    .hear_password(&address("rtsp://a@127.0.0.1:1/1"), &Ok(Some(address("rtsp://a:x@127.0.0.1:1/1"))));
            },
            "*1 One/5, 2 Two/17|",
        );
    }

    #[test]
    fn a_picture_of_the_window_is_no_use_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let line = "--screenshot a.png --fps 5 sim:64x48@5 sim:32x24@5";
        run(folder.path(), line, |window| window.select(window.panes[1].id()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
