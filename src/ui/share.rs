//! A colleague looks on: the sheet with the link, and who watches.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Color32, Label, Rect, RichText, Sense, Ui, WidgetInfo, pos2, vec2};
use fast_qr::QRBuilder;

use super::background::{Task, WindowHandle, WindowUpdate};
use super::shell::{Sheet, Shell};
use super::text;
use super::theme::{Palette, SMALL};
use super::widgets;
use crate::latest::{Latest, Reader};
use crate::logging::EventLog;
use crate::settings::CameraId;
use crate::share::{self, DEFAULT_ADDRESS, Share, ShareOptions, SharedCamera, ViewerStatus};

/// Who watches is looked at so often.
const LOOK_PERIOD: Duration = Duration::from_millis(500);
/// Of the code's picture, in points.
const QR_SIDE: f32 = 190.0;

/// What stays between two passes.
#[derive(Default)]
pub struct ShareState {
    /// What is shown: whoever has the cameras publishes them.
    pub cameras: Latest<Vec<SharedCamera>>,
    /// Whether others of the network are to see it.
    is_for_network: bool,
    is_starting: bool,
    running: Option<RunningShare>,
    /// Why it does not run.
    trouble: Option<String>,
    viewers: Vec<ViewerStatus>,
    looked_at: Option<Instant>,
}

struct RunningShare {
    share: Share,
    link: String,
    token: Option<String>,
    /// The link as a code for a phone: dark dots, row by row, and how many are in one.
    dots: Vec<bool>,
    side: usize,
}

impl RunningShare {
    fn new(share: Share, token: Option<String>) -> Self {
        let mut running = Self { share, link: String::new(), token, dots: Vec::new(), side: 0 };
        running.make_link();
        running
    }

    /// The link and its code, for the token of this moment.
    fn make_link(&mut self) {
        self.link = share::link(self.share.address, self.token.as_deref());
        if let Ok(code) = QRBuilder::new(self.link.as_str()).build() {
            self.side = code.size;
            self.dots = code.data.iter().take(self.side * self.side).map(|dot| dot.value()).collect();
        }
    }
}

impl ShareState {
    /// What the button says: with how many.
    #[must_use]
    pub fn label(&self) -> String {
        let n = self.viewers.len();
        self.running.as_ref().map_or_else(|| "Share".to_owned(), |_| format!("Sharing with {n}"))
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether somebody who looks on needs this camera's pictures.
    #[must_use]
    pub fn is_watched(&self, camera: CameraId) -> bool {
        self.running.as_ref().is_some_and(|running| running.share.wanted(camera).is_some())
    }

    /// Looks who watches, now and then.
    pub fn follow(&mut self, now: Instant) {
        let Some(running) = &self.running else { return };
        if self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_PERIOD) {
            self.looked_at = Some(now);
            self.viewers = running.share.viewers();
        }
    }
}

impl Shell {
    fn start_share(&mut self) {
        let ip = if self.share.is_for_network { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let address = SocketAddr::new(IpAddr::V4(ip), DEFAULT_ADDRESS.port());
        self.share.is_starting = true;
        self.share.trouble = None;
        let task = StartShare {
            address,
            cameras: self.share.cameras.reader(),
            log: self.events.clone(),
            clips: self.settings.clip_folder(),
            context: self.context.clone(),
        };
        self.run(task);
    }

    fn end_share(&mut self) {
        self.share.viewers.clear();
        if let Some(running) = self.share.running.take() {
            self.run(EndShare(running));
        }
    }

    fn hear_share(&mut self, started: Result<RunningShare, String>) {
        self.share.is_starting = false;
        match started {
            Ok(running) => self.share.running = Some(running),
            Err(why) => self.share.trouble = Some(why),
        }
    }
}

struct StartShare {
    address: SocketAddr,
    cameras: Reader<Vec<SharedCamera>>,
    log: EventLog,
    clips: Option<PathBuf>,
    context: Option<egui::Context>,
}

impl fmt::Debug for StartShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartShare").field(&self.address).finish()
    }
}

impl Task for StartShare {
    fn thread_name(&self) -> &'static str {
        "start-share"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { address, cameras, log, clips, context } = *self;
        // It looks by itself who is watched, and does so where nobody sees it too.
        let on_watched: Arc<dyn Fn() + Send + Sync> =
            Arc::new(move || context.iter().for_each(egui::Context::request_repaint));
        let start = || {
            let token = (!address.ip().is_loopback()).then(share::new_token).transpose();
            let token = token.map_err(|error| format!("There can be no link: {error}."))?;
            let options = |address| ShareOptions {
                address,
                token: token.clone(),
                cameras: cameras.clone(),
                log: log.clone(),
                clips: clips.clone(),
                has_page: true,
                allow_origin: None,
                on_watched: Arc::clone(&on_watched),
            };
            // Where another program has the usual port, any other will do: the link says which.
            let elsewhere = SocketAddr::new(address.ip(), 0);
            let share = Share::start(options(address)).or_else(|_| Share::start(options(elsewhere)))?;
            Ok(RunningShare::new(share, token))
        };
        let started = start();
        window.deliver(move |window| window.shell.hear_share(started));
    }

    fn without_thread(&self) -> Option<WindowUpdate> {
        let why = "The system gives no thread. Close other programs.".to_owned();
        Some(Box::new(move |window| window.shell.hear_share(Err(why))))
    }
}

/// Its end is waited for elsewhere.
struct EndShare(RunningShare);

impl fmt::Debug for EndShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndShare")
    }
}

impl Task for EndShare {
    fn thread_name(&self) -> &'static str {
        "end-share"
    }

    fn run(self: Box<Self>, _: &WindowHandle) {
        drop(self.0);
    }
}

// ---- drawn

pub fn draw(shell: &mut Shell, ctx: &egui::Context) {
    let now = shell.now;
    shell.share.follow(now);
    if shell.share.running.is_some() {
        ctx.request_repaint_after(LOOK_PERIOD);
    }
    let mut open = shell.sheet == Some(Sheet::Share);
    widgets::sheet(ctx, "Let a colleague look on", 520.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        if shell.share.running.is_some() { running(shell, ui) } else { begin(shell, ui) }
    });
    if !open {
        shell.sheet = shell.sheet.filter(|sheet| *sheet != Sheet::Share);
    }
}

fn begin(shell: &mut Shell, ui: &mut Ui) {
    let palette = Palette::of(ui);
    let words = "A page with the pictures of these cameras, how they are and what happened. Whoever has the link can look, and \
                 change nothing.";
    ui.add(Label::new(RichText::new(words).color(palette.text)).wrap());
    ui.radio_value(&mut shell.share.is_for_network, false, "On this computer only");
    ui.radio_value(&mut shell.share.is_for_network, true, "In this network, for whoever has the link, for an hour");
    if shell.share.is_for_network {
        let words = "What is sent is not encrypted: everybody in the same network could read it.";
        ui.add(Label::new(RichText::new(words).size(SMALL).color(palette.warning)).wrap());
    }
    if let Some(trouble) = &shell.share.trouble {
        ui.add(Label::new(RichText::new(format!("⚠ {trouble}")).color(palette.warning)).wrap());
    }
    let is_starting = shell.share.is_starting;
    let clicked = ui.add_enabled_ui(!is_starting, |ui| {
        widgets::button(ui, "Begin sharing", true, "Make the page, and show its link").clicked()
    });
    if clicked.inner {
        shell.start_share();
    }
}

fn running(shell: &mut Shell, ui: &mut Ui) {
    let palette = Palette::of(ui);
    let Some(running) = &shell.share.running else { return };
    let (mut ends, mut renews) = (false, false);
    ui.horizontal_top(|ui| {
        draw_code(running, ui);
        ui.vertical(|ui| {
            ui.add(
                Label::new(RichText::new(&running.link).monospace().color(palette.text_strong)).wrap().selectable(true),
            );
            if widgets::button(ui, "Copy link", true, "Copy it, to be sent to somebody").clicked() {
                ui.ctx().copy_text(running.link.clone());
            }
            let words = match running.share.link_left() {
                Some(left) if left.is_zero() => "The link has ended.".to_owned(),
                Some(left) => format!("It works for {} more.", text::span(left.as_secs_f64())),
                None => "It works on this computer only.".to_owned(),
            };
            ui.label(RichText::new(words).size(SMALL).color(palette.text_weak));
            ui.horizontal_wrapped(|ui| {
                if running.token.is_some() {
                    let help = "Make another link, for an hour. Whoever came by this one has to go";
                    renews = widgets::button(ui, "New link", false, help).clicked();
                }
                ends = widgets::button(ui, "End sharing", false, "Nobody can look on any more").clicked();
            });
        });
    });
    if shell.share.viewers.is_empty() {
        ui.label(RichText::new("Nobody looks on.").color(palette.text_weak));
    }
    for viewer in &shell.share.viewers {
        let who = if viewer.user.is_empty() { "Somebody" } else { &viewer.user };
        let quality = format!("{:?}", viewer.quality).to_lowercase();
        let words = format!(
            "{who} at {} · {quality} · {:.0} fps · for {}",
            viewer.address,
            viewer.fps,
            text::span(viewer.since_secs)
        );
        ui.add(Label::new(RichText::new(words).color(palette.text)).truncate());
    }
    if ends {
        shell.end_share();
    } else if renews
        && let Some(running) = &mut shell.share.running
        && let Ok(token) = share::new_token()
    {
        running.share.set_link(&token);
        running.token = Some(token);
        running.make_link();
    }
}

/// The link for a phone's camera: dark on light, with a light edge of four dots (ISO/IEC 18004).
fn draw_code(running: &RunningShare, ui: &mut Ui) {
    let (rect, response) = ui.allocate_exact_size(vec2(QR_SIDE, QR_SIDE), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "The link as a code for a phone"));
    let painter = ui.painter();
    painter.rect_filled(rect, 4, Color32::WHITE);
    let dot = QR_SIDE / (running.side + 8) as f32;
    for (index, _) in running.dots.iter().enumerate().filter(|(_, is_dark)| **is_dark) {
        let (row, column) = (index / running.side, index % running.side);
        let at = rect.min + vec2((column + 4) as f32 * dot, (row + 4) as f32 * dot);
        // A little larger, so that no light line is between two.
        painter.rect_filled(Rect::from_min_size(pos2(at.x, at.y), vec2(dot + 0.3, dot + 0.3)), 0, Color32::BLACK);
    }
}
