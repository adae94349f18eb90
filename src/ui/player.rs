//! Shows a clip in the place of the live picture: plays it, step by step too, with what happened on its time line.
//!
//! The window asks for the picture of a moment, and the thread `player` has it made in a capture process, the newest wish alone:
//! whatever is in the file, and however long its disk takes, the window goes on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use egui::accesskit::Role;
use egui::{
    Align, Color32, ColorImage, Frame, Key, Label, Layout, Margin, Rect, RichText, Sense, Stroke, TextureHandle,
    TextureOptions, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::background::{Task, WindowHandle, WindowUpdate};
use super::shell::Shell;
use super::theme::{self, Palette, SMALL};
use super::viewer::color_image_from_bgr;
use super::{text, widgets};
use crate::clips::{Clip, ClipChoice, ClipSpan, Film};
use crate::fault::Fault;
use crate::foreign::Foreign;
use crate::latest::{Latest, Reader};
use crate::source::Demand;

mod timeline;

pub use timeline::{ClipTimeline, Playhead};

/// By keys and buttons.
const JUMP: Duration = Duration::from_secs(1);
/// How soon the thread sees that nobody wants pictures any more.
const SLICE: Duration = Duration::from_millis(100);
/// Something that changes by itself, such as the clock under the picture, is drawn again so soon.
const CLOCK_PERIOD: Duration = Duration::from_millis(100);

/// A clip that is shown.
pub struct ClipPlayer {
    /// Of the openings: what an earlier one tells is of another clip.
    number: u64,
    clip: Clip,
    /// `None` until it is read.
    timeline: Option<ClipTimeline>,
    head: Playhead,
    /// Where the part begins and ends that is to be exported; `None` where the clip does.
    part: (Option<Duration>, Option<Duration>),
    /// The moment at which it was to be opened.
    opened_at: Option<Timestamp>,
    /// The picture that was asked for last.
    ordered: Option<usize>,
    orders: Latest<Duration>,
    pictures: Reader<PlayedPicture>,
    /// Dropped to end the thread.
    _wanted: Sender<()>,
    texture: Option<TextureHandle>,
    /// Why there is no picture.
    fault: Option<String>,
}

/// What came of a wish.
struct PlayedPicture {
    result: Result<Arc<ColorImage>, String>,
}

impl Shell {
    /// Shows a clip in the place of the live picture, from its beginning on or from a moment that the clock showed.
    pub fn play_clip(&mut self, clip: &Clip, at: Option<Timestamp>) {
        self.n_clips_played += 1;
        let number = self.n_clips_played;
        let (wanted, cancel) = bounded(0);
        let (orders, pictures) = (Latest::new(), Latest::new());
        let task = PlayClip { number, clip: clip.clone(), orders: orders.reader(), pictures: pictures.clone(), cancel };
        self.player = Some(ClipPlayer {
            number,
            clip: clip.clone(),
            timeline: None,
            head: Playhead::default(),
            part: (None, None),
            opened_at: at,
            ordered: None,
            orders,
            pictures: pictures.reader(),
            _wanted: wanted,
            texture: None,
            fault: None,
        });
        self.run(task);
    }

    /// Where the pictures of the clip with this number are, or why that cannot be told.
    pub fn hear_timeline(&mut self, number: u64, read: Result<ClipTimeline, String>) {
        let now = self.now;
        let Some(player) = self.player.as_mut().filter(|player| player.number == number) else { return };
        match read {
            Ok(timeline) => {
                let at = player.opened_at.map(|at| timeline.at_clock(at)).unwrap_or_default();
                player.head = Playhead::new(at, timeline.end);
                // Whoever has chosen a moment wants to see that one.
                if player.opened_at.is_none() {
                    player.head.play(now);
                }
                player.timeline = Some(timeline);
            }
            Err(why) => player.fault = Some(why),
        }
    }
}

impl ClipPlayer {
    /// The source that the clip was recorded of, as the status names it.
    #[must_use]
    pub fn source(&self) -> Option<&Foreign> {
        self.clip.about().map(|about| &about.source)
    }

    /// What the clock showed at the moment that is seen.
    #[must_use]
    pub fn clock(&self, now: Instant) -> Option<Timestamp> {
        self.timeline.as_ref()?.clock(self.head.position(now))
    }

    #[must_use]
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// The clip, or the part of it that is marked.
    #[must_use]
    pub fn chosen(&self) -> ClipChoice {
        let clock = |at: Duration| self.timeline.as_ref().and_then(|timeline| timeline.clock(at));
        let (from, to) = (self.part.0.and_then(clock), self.part.1.and_then(clock));
        let span = ClipSpan { from: from.unwrap_or(Timestamp::MIN), to: to.unwrap_or(Timestamp::MAX) };
        ClipChoice { these: Some([self.clip.path.clone()].into()), span: (from.or(to).is_some()).then_some(span) }
    }

    /// The part begins, or ends, with the moment that is seen. An end before its beginning takes that away.
    fn mark(&mut self, is_end: bool, now: Instant) {
        let at = Some(self.head.position(now));
        self.part = match (is_end, self.part) {
            (false, (_, to)) => (at, to.filter(|to| Some(*to) > at)),
            (true, (from, _)) => (from.filter(|from| Some(*from) < at), at),
        };
    }

    fn toggle(&mut self, now: Instant) {
        if self.head.is_playing(now) { self.head.pause(now) } else { self.head.play(now) }
    }

    /// To the picture before or behind; from then on it stands still.
    fn step(&mut self, n: isize, now: Instant) {
        self.head.pause(now);
        if let Some(to) = self.timeline.as_ref().and_then(|timeline| timeline.step(self.head.position(now), n)) {
            self.head.seek(to, now);
        }
    }

    fn jump(&mut self, forward: bool, now: Instant) {
        let at = self.head.position(now);
        let to = if forward { at.saturating_add(JUMP) } else { at.saturating_sub(JUMP) };
        self.head.seek(to, now);
    }

    /// Asks for the picture of this moment, and takes the one that has come. Says when it has to be looked at again.
    fn follow(&mut self, ctx: &egui::Context, now: Instant) -> Option<Duration> {
        if let Some(fresh) = self.pictures.take_fresh() {
            match &fresh.value.result {
                Ok(image) => {
                    let image = egui::ImageData::Color(Arc::clone(image));
                    self.fault = None;
                    match &mut self.texture {
                        Some(texture) => texture.set(image, TextureOptions::LINEAR),
                        None => self.texture = Some(ctx.load_texture("clip", image, TextureOptions::LINEAR)),
                    }
                }
                Err(why) => self.fault = Some(why.clone()),
            }
        }
        let at = self.head.position(now);
        let timeline = self.timeline.as_ref()?;
        let (index, shown) = timeline.picture_at(at)?;
        if self.ordered != Some(index) {
            self.ordered = Some(index);
            self.orders.publish(shown);
        }
        let next = timeline.next_after(at).map_or(CLOCK_PERIOD, |next| next.saturating_sub(at));
        self.head.is_playing(now).then(|| next.min(CLOCK_PERIOD))
    }
}

// ---- the thread

/// Shows a clip, until nobody wants it any more.
struct PlayClip {
    number: u64,
    clip: Clip,
    orders: Reader<Duration>,
    pictures: Latest<PlayedPicture>,
    cancel: Receiver<()>,
}

impl fmt::Debug for PlayClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlayClip").field(&self.clip.path).finish()
    }
}

impl Task for PlayClip {
    fn thread_name(&self) -> &'static str {
        "player"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { number, clip, mut orders, pictures, cancel } = *self;
        let read = ClipTimeline::read(&clip.path, clip.about()).map_err(|error| {
            let why = text::sentence(&error.to_string());
            format!("This clip cannot be shown. {why}")
        });
        let is_read = read.is_ok();
        window.deliver(move |window| window.shell.hear_timeline(number, read));
        if !is_read {
            return;
        }
        let tell = |result: Result<Arc<ColorImage>, String>| {
            pictures.publish(PlayedPicture { result });
            window.update(|_| {});
        };
        let mut film = None;
        while cancel.try_recv() != Err(TryRecvError::Disconnected) {
            let Some(order) = orders.wait_fresh(Instant::now() + SLICE) else { continue };
            let opened = match film.take() {
                Some(film) => Ok(film),
                None => Film::open(&clip.path, Demand::Full, cancel.clone()),
            };
            let shown = opened.and_then(|mut open| {
                let picture = open.picture_at(*order.value);
                // One that has broken off is opened anew for the next wish.
                film = Some(open).filter(|_| !picture.as_ref().is_err_and(Fault::ends_stream));
                picture
            });
            tell(
                shown
                    .map(|image| Arc::new(color_image_from_bgr(&image)))
                    .map_err(|fault| format!("This picture cannot be shown. {}", text::sentence(&fault.message))),
            );
        }
    }

    fn without_thread(&self) -> Option<WindowUpdate> {
        let number = self.number;
        let why = "This clip cannot be shown. The system gives no thread for it: close other programs.".to_owned();
        Some(Box::new(move |window| window.shell.hear_timeline(number, Err(why))))
    }
}

// ---- keys

/// The keys of the player, in place of those of the camera.
pub fn take_key(shell: &mut Shell, key: Key) {
    let now = shell.now;
    let Some(player) = &mut shell.player else { return };
    match key {
        Key::Space => player.toggle(now),
        Key::ArrowLeft => player.jump(false, now),
        Key::ArrowRight => player.jump(true, now),
        Key::Comma => player.step(-1, now),
        Key::Period => player.step(1, now),
        Key::F => shell.picture_only = !shell.picture_only,
        Key::I => player.mark(false, now),
        Key::O => player.mark(true, now),
        Key::Home => player.head.seek(Duration::ZERO, now),
        Key::Escape => shell.player = None,
        _ => {}
    }
}

// ---- drawn

/// In the place of the pictures. Tells whether a name for what is to be exported is wanted.
pub fn draw(shell: &mut Shell, ui: &mut Ui) -> bool {
    let stage = ui.available_rect_before_wrap();
    ui.painter().rect_filled(stage, 0, Palette::of(ui).stage);
    ui.allocate_rect(stage, Sense::hover());
    shell.stage = Some(stage.intersect(ui.clip_rect()));
    let now = shell.now;
    let Some(mut player) = shell.player.take() else { return false };
    if let Some(again) = player.follow(ui.ctx(), now) {
        ui.ctx().request_repaint_after(again);
    }
    let mut is_left = false;
    let below = banner(&player, ui, stage, &mut is_left);
    let height = if stage.width() < NARROW { 92.0 } else { 66.0 };
    let (picture, foot) = below.split_top_bottom_at_y((below.bottom() - height).max(below.top()));
    draw_picture(&player, ui, picture, now);
    let mut child = ui.new_child(UiBuilder::new().id_salt("player").max_rect(foot.shrink2(vec2(14.0, 6.0))));
    time_line(&mut player, &mut child, now);
    let wanted = controls(&mut player, &mut child, now);
    if wanted == Some(PlayerWish::Log)
        && let Some(clock) = player.clock(now)
    {
        show_in_log(&player, shell, clock);
    }
    if !is_left {
        shell.player = Some(player);
    }
    wanted == Some(PlayerWish::Export)
}

/// What a button asks of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlayerWish {
    /// Show this moment in the log.
    Log,
    Export,
}

/// Below this width buttons and clock need two rows.
const NARROW: f32 = 1_120.0;

/// The line of the log that is nearest to this moment.
fn show_in_log(player: &ClipPlayer, shell: &mut Shell, clock: Timestamp) {
    let source = player.source().map(ToString::to_string).unwrap_or_default();
    let of_camera = shell.log.events().filter(|event| event.source == source);
    let nearest = of_camera.min_by_key(|event| event.at.duration_since(clock).abs());
    match nearest.map(|event| event.id) {
        Some(id) => {
            shell.picture_only = false;
            shell.settings.window.log_shown = true;
            shell.log.jump_to(id);
        }
        None => shell.toasts.info("The log of this run has nothing of this camera.", shell.now),
    }
}

/// Says what this is, so that it is never taken for live. Returns what is left of the stage below it.
fn banner(player: &ClipPlayer, ui: &mut Ui, stage: Rect, is_left: &mut bool) -> Rect {
    let palette = Palette::over_picture();
    let mut child = ui.new_child(UiBuilder::new().id_salt("playback").max_rect(stage));
    let frame = Frame::NONE.fill(PLAYBACK).inner_margin(Margin::symmetric(14, 8));
    let shown = frame.show(&mut child, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.label(RichText::new("PLAYBACK").font(theme::semibold(15.0)).color(Color32::WHITE));
            let words = format!(
                "not live · {} · {} · {}",
                player.clip.camera(),
                started_words(&player.clip),
                super::clips::reason_words(&player.clip)
            );
            ui.allocate_ui_with_layout(
                vec2((ui.available_width() - 116.0).max(40.0), theme::CONTROL_HEIGHT),
                Layout::left_to_right(Align::Center),
                |ui| ui.add(Label::new(RichText::new(words).color(palette.text_strong)).truncate()),
            );
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                *is_left = widgets::button(ui, "Back to live", false, "Show the camera again (Esc)").clicked();
            });
        });
    });
    let bottom = shown.response.rect.bottom().min(stage.bottom());
    Rect::from_min_max(pos2(stage.left(), bottom), stage.max)
}

/// Like nothing that a live picture has over it.
const PLAYBACK: Color32 = Color32::from_rgb(0x5a, 0x2d, 0x82);

/// Day and time at which a clip began, as the clock of its computer showed it.
#[must_use]
pub fn started_words(clip: &Clip) -> String {
    clip.name.started.local().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn draw_picture(player: &ClipPlayer, ui: &mut Ui, room: Rect, now: Instant) {
    let palette = Palette::over_picture();
    let room = room.shrink(6.0);
    if let Some(texture) = &player.texture {
        let size = texture.size_vec2();
        let scale = (room.width() / size.x).min(room.height() / size.y).max(0.0);
        let rect = Rect::from_center_size(room.center(), size * scale);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
        // Whoever cuts out the picture alone sees it too.
        ui.painter().rect_stroke(rect, 0, Stroke::new(3.0, PLAYBACK), egui::StrokeKind::Inside);
        let response = ui.interact(rect, ui.scope_id().with("played"), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Picture of a recording, not live"));
    }
    let outage = player.timeline.as_ref().and_then(|timeline| timeline.outage_at(player.head.position(now)));
    let words = match (&player.fault, outage) {
        (Some(fault), _) => fault.clone(),
        (None, Some(outage)) => {
            let secs = (outage.to.saturating_sub(outage.from)).as_secs_f64();
            let cause = if outage.cause.is_empty() { String::new() } else { format!(": {}", outage.cause) };
            format!("No picture for {secs:.1} s{cause}")
        }
        (None, None) if player.texture.is_none() => "Opening the recording…".to_owned(),
        (None, None) => return,
    };
    let mut child = ui.new_child(UiBuilder::new().id_salt("said").max_rect(room.shrink(10.0)));
    child.with_layout(Layout::bottom_up(Align::Center), |ui| {
        Frame::NONE
            .fill(Color32::from_black_alpha(190))
            .corner_radius(6)
            .inner_margin(Margin::symmetric(10, 6))
            .show(ui, |ui| ui.add(Label::new(RichText::new(words).color(palette.text_strong)).wrap()));
    });
}

/// The whole clip as a line: outages, events, and where one stands.
fn time_line(player: &mut ClipPlayer, ui: &mut Ui, now: Instant) {
    const HEIGHT: f32 = 22.0;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click_and_drag());
    let palette = Palette::over_picture();
    let painter = ui.painter();
    let bar = Rect::from_center_size(rect.center(), vec2(rect.width(), 8.0));
    painter.rect_filled(bar, 4, palette.raised_hover);
    let Some(timeline) = &player.timeline else { return };
    let end = timeline.end.as_secs_f64().max(1e-3);
    #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
    let x = |at: Duration| bar.left() + (at.as_secs_f64() / end) as f32 * bar.width();
    for outage in &timeline.outages {
        let span = x(outage.from)..=x(outage.to).max(x(outage.from) + 2.0);
        painter.rect_filled(Rect::from_x_y_ranges(span, bar.y_range()), 2, palette.error);
    }
    for mark in &timeline.marks {
        painter.vline(x(mark.at), rect.y_range(), Stroke::new(1.5, palette.level(mark.level)));
    }
    if player.part != (None, None) {
        let span = x(player.part.0.unwrap_or_default())..=x(player.part.1.unwrap_or(timeline.end));
        let under = rect.bottom() - 3.0..=rect.bottom();
        painter.rect_filled(Rect::from_x_y_ranges(span, under), 1, palette.accent);
    }
    let at = player.head.position(now);
    painter.circle_filled(pos2(x(at), bar.center().y), 7.0, palette.text_strong);
    widgets::focus_ring(ui, &response, 4);
    let spoken = format!("Time line, {} of {}", clock_of(at), clock_of(timeline.end));
    response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, &spoken));
    let Some(pointer) = response.interact_pointer_pos().or(response.hover_pos()) else { return };
    let share = f64::from((pointer.x - bar.left()) / bar.width().max(1.0)).clamp(0.0, 1.0);
    let pointed = Duration::try_from_secs_f64(share * end).unwrap_or_default();
    if response.clicked() || response.dragged() {
        player.head.seek(pointed, now);
        return;
    }
    let near = Duration::from_secs_f64(6.0 / f64::from(bar.width().max(1.0)) * end);
    let mut words = clock_of(pointed);
    if let Some(clock) = timeline.clock(pointed) {
        words += &format!(" · {}", clock.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.1f"));
    }
    if let Some(outage) = timeline.outage_at(pointed) {
        let secs = outage.to.saturating_sub(outage.from).as_secs_f64();
        words += &format!("\nno picture for {secs:.1} s: {}", outage.cause);
    }
    for mark in timeline.marks.iter().filter(|mark| mark.at.abs_diff(pointed) <= near) {
        words += &format!("\n{}", mark.text);
    }
    response.on_hover_text_at_pointer(words);
}

/// Minutes, seconds and tenths of a clip.
fn clock_of(at: Duration) -> String {
    let tenths = at.as_millis() / 100;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// To another moment, given the time.
type PlayerMove = fn(&mut ClipPlayer, Instant);

fn controls(player: &mut ClipPlayer, ui: &mut Ui, now: Instant) -> Option<PlayerWish> {
    let palette = Palette::over_picture();
    let mut wish = None;
    let is_read = player.timeline.is_some();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
        ui.add_enabled_ui(is_read, |ui| {
            let play = if player.head.is_playing(now) { "Pause" } else { "Play" };
            if widgets::button(ui, play, true, "Play, and stand still (Space)").clicked() {
                player.toggle(now);
            }
            let moves: [(&str, &str, PlayerMove); 4] = [
                ("− 1 s", "A second back (←)", |player, now| player.jump(false, now)),
                ("‹ picture", "To the picture before (,)", |player, now| player.step(-1, now)),
                ("picture ›", "To the next picture (.)", |player, now| player.step(1, now)),
                ("+ 1 s", "A second on (→)", |player, now| player.jump(true, now)),
            ];
            for (label, help, go) in moves {
                if widgets::button(ui, label, false, help).clicked() {
                    go(player, now);
                }
            }
            let help = "The line of the log that is nearest to this moment";
            if widgets::button(ui, "Show in the log", false, help).clicked() {
                wish = Some(PlayerWish::Log);
            }
            let marks = [
                ("From here", "The part to export begins here, at the key picture before (I)", false),
                ("To here", "The part to export ends here, at the key picture behind (O)", true),
            ];
            for (label, help, is_end) in marks {
                if widgets::button(ui, label, false, help).clicked() {
                    player.mark(is_end, now);
                }
            }
            let help = "Pack the part that is marked, or all of the clip, into a zip, with what happened as text";
            if widgets::button(ui, "Export…", false, help).clicked() {
                wish = Some(PlayerWish::Export);
            }
        });
        let Some(timeline) = &player.timeline else { return };
        let at = player.head.position(now);
        let clock = player.clock(now).map_or_else(String::new, |clock| {
            format!(" · {}", clock.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.1f"))
        });
        let number = timeline.picture_at(at).map_or(0, |(index, _)| index + 1);
        let (end, n) = (clock_of(timeline.end), timeline.n_pictures());
        let words = format!("{} / {end}{clock} · picture {number} / {n}", clock_of(at));
        ui.add(Label::new(RichText::new(words).size(SMALL).color(palette.text)).truncate());
    });
    wish
}
