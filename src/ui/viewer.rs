//! The picture, and what is said over it. Never shows an old picture as a live one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{
    Align, Align2, Color32, ColorImage, Frame, Label, Layout, Margin, Rect, RichText, Sense, TextureHandle,
    TextureOptions, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use self::tools::ToolState;
use self::view::{PictureView, PlacedPicture, Zoom};
use super::address::Field;
use super::pane::Pane;
use super::shell::{Sheet, Shell, WindowRequest};
use super::text::{self, Banner, BannerButton};
use super::theme::{self, Palette, SMALL};
use super::widgets;
use crate::camera::Command;
use crate::frame::{Frame as CameraFrame, Image};
use crate::status::State;

mod analysis;
mod menu;
pub mod tools;
pub mod view;

pub use menu::{copy_state, load_compared};

/// What stays between two passes.
#[derive(Default)]
pub struct ViewerState {
    /// Room around the picture, in points.
    pub margin: f32,
    /// The wheel has nothing else to move here.
    pub has_wheel: bool,
    pub view: PictureView,
    pub tools: ToolState,
    /// The picture that is looked at while the camera goes on.
    pub held: Option<Arc<CameraFrame>>,
    texture: Option<TextureHandle>,
    /// Its pixels are large enough to be seen one by one.
    is_magnified: bool,
    sampling: TextureOptions,
    /// The frame that is in the texture.
    shown: Option<Arc<CameraFrame>>,
    /// When the pictures of the last seconds were put on the screen.
    shown_at: VecDeque<Instant>,
}

/// Of a picture that is not live.
const DIMMED: Color32 = Color32::from_gray(0x50);

/// Over this time the rate of shown pictures is counted.
const RATE_WINDOW: Duration = Duration::from_secs(2);

impl ViewerState {
    /// Pictures put on the screen a second.
    #[must_use]
    pub fn shown_fps(&self, now: Instant) -> f64 {
        let recent = self.shown_at.iter().filter(|at| now.saturating_duration_since(**at) < RATE_WINDOW).count();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
        let fps = recent as f64 / RATE_WINDOW.as_secs_f64();
        fps
    }

    /// How old the picture is that is shown.
    #[must_use]
    pub fn shown_age(&self, now: Instant) -> Option<Duration> {
        self.shown.as_ref().map(|frame| now.saturating_duration_since(frame.taken_at))
    }

    /// Paints the picture as large as it fits, dimmed where it is not live. `false` where there is none.
    pub(super) fn paint(&self, painter: &egui::Painter, room: Rect, is_live: bool) -> bool {
        let Some(texture) = &self.texture else { return false };
        let tint = if is_live { Color32::WHITE } else { DIMMED };
        let placed = self.view.fitted().place(texture.size_vec2(), room);
        tools::paint_texture(painter, texture, &placed.corners(), tint);
        true
    }

    /// Where the picture is in that room, as the user wants it.
    fn placed(&self, stage: Rect) -> Option<PlacedPicture> {
        let texture = self.texture.as_ref()?;
        Some(self.view.place(texture.size_vec2(), stage.shrink(self.margin)))
    }

    /// Holds the picture, or goes on with the newest.
    pub fn toggle_pause(&mut self) {
        self.held = if self.held.is_some() { None } else { self.shown.clone() };
    }

    /// Pixel for pixel, or all of it again.
    pub fn toggle_one_to_one(&mut self, pixels_per_point: f32) {
        let one = Zoom::Scale(1.0 / pixels_per_point);
        if self.view.zoom == one { self.view.fit() } else { self.view.zoom = one }
    }

    /// The picture that is on the screen.
    #[must_use]
    pub fn shown(&self) -> Option<&Arc<CameraFrame>> {
        self.shown.as_ref()
    }

    /// Puts a picture into the texture, unless it is there already.
    pub(super) fn show(&mut self, ctx: &egui::Context, frame: &Arc<CameraFrame>, now: Instant) {
        let sampling = if self.is_magnified { TextureOptions::NEAREST } else { TextureOptions::LINEAR };
        let is_shown = self.shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, frame));
        if is_shown && self.sampling == sampling {
            return;
        }
        self.sampling = sampling;
        let image = color_image_from_bgr(&frame.image);
        match &mut self.texture {
            Some(texture) => texture.set(image, sampling),
            None => self.texture = Some(ctx.load_texture("picture", image, sampling)),
        }
        if is_shown {
            return;
        }
        self.shown = Some(Arc::clone(frame));
        self.shown_at.push_back(now);
        while self.shown_at.front().is_some_and(|at| now.saturating_duration_since(*at) >= RATE_WINDOW) {
            self.shown_at.pop_front();
        }
    }
}

/// The picture in the layout of a texture.
#[must_use]
pub fn color_image_from_bgr(image: &Image) -> ColorImage {
    let size = image.size();
    let (pixels, _) = image.pixels().as_chunks::<{ Image::BYTES_PER_PIXEL }>();
    let pixels = pixels.iter().map(|[blue, green, red]| Color32::from_rgb(*red, *green, *blue)).collect();
    ColorImage::new([size.width as usize, size.height as usize], pixels)
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let stage = ui.available_rect_before_wrap();
    ui.painter().rect_filled(stage, 0, Palette::of(ui).stage);
    shell.stage = Some(stage.intersect(ui.clip_rect()));
    let response = ui.allocate_rect(stage, Sense::click_and_drag());
    if response.double_clicked() {
        // Among several cameras it is the way back to all of them.
        if pane.viewer.view.zoom != Zoom::Fit {
            pane.viewer.view.fit();
        } else if shell.panes.len() > 1 && !shell.picture_only {
            shell.requests.push(WindowRequest::ShowGrid);
        } else {
            shell.picture_only = !shell.picture_only;
        }
    }
    move_picture(&mut pane.viewer, ui, stage, &response);
    if let Some(frame) = pane.viewer.held.clone().or_else(|| pane.frame.clone()) {
        let now = shell.now;
        pane.viewer.show(ui.ctx(), &frame, now);
        pane.viewer.tools.look(ui.ctx(), &frame, now);
    }
    response.context_menu(|ui| menu::draw(pane, shell, ui));
    let is_live = pane.moment(shell.now).is_some_and(|moment| moment.is_live());
    let has_picture = draw_picture(pane, ui, stage, is_live);
    let banner = if pane.checkup.pauses() {
        Some(text::paused())
    } else {
        pane.moment(shell.now).and_then(|moment| text::banner(moment, &pane.settings.recovery))
    };
    let below = match banner {
        Some(banner) if has_picture || banner.is_fault => draw_banner(pane, shell, ui, stage, &banner),
        _ => stage,
    };
    if has_picture {
        draw_tools(pane, ui, stage, below);
    }
    if shell.is_full_screen
        && let Some(moment) = pane.moment(shell.now)
    {
        // The toolbar with its pill is not there.
        plate(ui, below, Align2::RIGHT_TOP, &text::pill(moment));
    }
    if let Some(held) = &pane.viewer.held {
        plate(ui, below, Align2::LEFT_TOP, &tools::paused_words(held));
        return;
    }
    if is_live {
        if has_picture {
            draw_overlay(pane, shell, ui, below);
        }
        return;
    }
    if has_picture {
        // Where the banner takes nearly all of a small picture, it says enough.
        if below.height() > 60.0 {
            draw_last_frame(pane, ui, stage);
        }
    } else {
        draw_empty(pane, shell, ui, below);
    }
}

/// What the wheel, two fingers and a pull do.
fn move_picture(viewer: &mut ViewerState, ui: &Ui, stage: Rect, response: &egui::Response) {
    let Some(placed) = viewer.placed(stage) else { return };
    // A picture pixel that covers two of the screen's is seen as what it is.
    viewer.is_magnified = placed.scale * ui.ctx().pixels_per_point() >= 2.0;
    if response.dragged() {
        viewer.view.drag(response.drag_delta(), &placed);
        if placed.is_cut() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
        }
    }
    let Some(at) = response.hover_pos().filter(|_| response.contains_pointer()) else { return };
    let (pinched, scrolled) = ui.input(|input| (input.zoom_delta(), input.smooth_scroll_delta.y));
    let scrolled = if viewer.has_wheel { (scrolled / 300.0).exp() } else { 1.0 };
    let factor = pinched * scrolled;
    if (factor - 1.0).abs() > 1e-3 {
        viewer.view.zoom_by(factor, at, &placed);
    }
}

fn draw_picture(pane: &Pane, ui: &mut Ui, stage: Rect, is_live: bool) -> bool {
    let (Some(texture), Some(placed)) = (&pane.viewer.texture, pane.viewer.placed(stage)) else { return false };
    let (alt, tint) = match is_live {
        true if pane.viewer.held.is_some() => ("Paused picture", Color32::WHITE),
        true => ("Live picture", Color32::WHITE),
        false => ("Last picture, not live", DIMMED),
    };
    let painter = ui.painter().with_clip_rect(placed.room.intersect(ui.clip_rect()));
    tools::paint_texture(&painter, texture, &placed.corners(), tint);
    pane.viewer.tools.paint(&painter, &placed);
    let response = ui.interact(placed.shown(), ui.scope_id().with("picture"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, alt));
    true
}

/// What lies over the picture: charts at the left below, the small map at the right below.
/// `below` is what the banner leaves of the stage.
fn draw_tools(pane: &mut Pane, ui: &mut Ui, stage: Rect, below: Rect) {
    let Some(placed) = pane.viewer.placed(stage) else { return };
    pane.viewer.tools.draw_comparison(ui, &placed);
    if let Some(shown) = &pane.viewer.shown {
        pane.viewer.tools.draw_charts(ui, below, shown, &placed);
    }
    if placed.is_cut()
        && let Some(texture) = &pane.viewer.texture
        && let Some(pixel) = tools::draw_map(ui, texture, below, &placed)
    {
        pane.viewer.view.centre_on(pixel, placed.size);
    }
}

/// A dark plate with a line of text that keeps its width while the numbers in it change.
fn plate(ui: &mut Ui, stage: Rect, corner: Align2, content: &str) {
    plate_at(ui, stage.shrink(14.0), corner, content);
}

/// The same in a corner of that room. Gives back where it is.
fn plate_at(ui: &mut Ui, room: Rect, corner: Align2, content: &str) -> Rect {
    let palette = Palette::over_picture();
    let font = theme::regular(SMALL);
    let galley = widgets::one_line(ui.painter(), content, font, palette.text_strong, (room.width() - 16.0).max(40.0));
    let size = vec2(widgets::steady_width(galley.size().x), galley.size().y) + vec2(18.0, 12.0);
    let rect = corner.align_size_within_rect(size, room);
    ui.painter().rect_filled(rect, 6, Color32::from_black_alpha(170));
    ui.painter().galley(rect.min + vec2(9.0, 6.0), galley, palette.text_strong);
    let response =
        ui.interact(rect, ui.scope_id().with(("plate", content.len(), corner.0[1] == Align::Min)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, content));
    rect
}

fn draw_overlay(pane: &Pane, shell: &Shell, ui: &mut Ui, stage: Rect) {
    let (Some(moment), Some(frame)) = (pane.moment(shell.now), &pane.viewer.shown) else { return };
    let age = shell.now.saturating_duration_since(frame.taken_at);
    plate(ui, stage, Align2::LEFT_TOP, &text::overlay(moment, age));
}

fn draw_last_frame(pane: &Pane, ui: &mut Ui, stage: Rect) {
    let Some(frame) = &pane.viewer.shown else { return };
    let content = format!("last frame #{}, {}", text::count(frame.number), text::clock_tenths(frame.taken_at_wall));
    plate(ui, stage, Align2::LEFT_BOTTOM, &content);
}

/// Returns what is left of the stage below it.
fn draw_banner(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, stage: Rect, banner: &Banner) -> Rect {
    let palette = Palette::over_picture();
    let (surface, color) = if banner.is_fault {
        (palette.warning_surface, Color32::from_rgb(0xff, 0xd9, 0x8a))
    } else {
        (palette.raised, palette.text_strong)
    };
    let mut child = ui.new_child(UiBuilder::new().id_salt("banner").max_rect(stage));
    let shown =
        Frame::NONE.fill(surface.gamma_multiply(0.97)).inner_margin(Margin::symmetric(18, 14)).show(&mut child, |ui| {
            let button = match banner.button {
                BannerButton::None => None,
                BannerButton::Password => Some(("Enter password…", "Open the address at its password", None)),
                BannerButton::Certificate => {
                    Some(("Look at certificate…", "Test the connection, and show what the camera presents", None))
                }
                BannerButton::Now => Some(("Now", "Do the next step of recovery at once", Some(Command::RecoverNow))),
                BannerButton::Start => Some(("Start", "Open the camera and show its picture", Some(Command::Start))),
                BannerButton::TryAgain => Some(("Try again", "Open the camera once more", Some(Command::Start))),
                BannerButton::WaitUntilFree => {
                    let help = "Open the camera as soon as the other program lets go of it";
                    Some(("Wait until free", help, Some(Command::WaitUntilFree)))
                }
                // Not before somebody has confirmed it.
                BannerButton::Reset => Some(("Reset device…", text::RESET_IS, None)),
            };
            ui.set_width(ui.available_width());
            ui.horizontal_top(|ui| {
                let button_room = match banner.button {
                    BannerButton::None => 0.0,
                    BannerButton::Reset | BannerButton::WaitUntilFree | BannerButton::Password => 136.0,
                    BannerButton::Certificate => 158.0,
                    BannerButton::Now | BannerButton::Start | BannerButton::TryAgain => 100.0,
                };
                ui.allocate_ui_with_layout(
                    vec2((ui.available_width() - button_room).max(60.0), 0.0),
                    Layout::left_to_right(Align::Center).with_main_wrap(true),
                    |ui| {
                        ui.spacing_mut().item_spacing = vec2(14.0, 2.0);
                        ui.set_min_height(theme::CONTROL_HEIGHT);
                        ui.add(
                            Label::new(RichText::new(&banner.headline).font(theme::semibold(14.5)).color(color)).wrap(),
                        );
                        ui.add(
                            Label::new(RichText::new(&banner.reason).font(theme::regular(14.0)).color(color)).wrap(),
                        );
                    },
                );
                if let Some((label, help, command)) = button {
                    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                        if dark_button(ui, label, help) {
                            match command {
                                Some(command) => pane.commands.push(command),
                                None => match banner.button {
                                    BannerButton::Password => pane.open_address(shell, Field::Password),
                                    BannerButton::Certificate => pane.test_shown(shell),
                                    _ => shell.sheet = Some(Sheet::Reset),
                                },
                            }
                        }
                    });
                }
            });
        });
    let bottom = shown.response.rect.bottom().min(stage.bottom());
    Rect::from_min_max(pos2(stage.left(), bottom), stage.max)
}

/// A button on a dark plate, whatever the theme of the window.
fn dark_button(ui: &mut Ui, label: &str, help: &str) -> bool {
    let palette = Palette::over_picture();
    let button = egui::Button::new(RichText::new(label).color(palette.text_strong))
        .fill(palette.raised)
        .stroke(egui::Stroke::new(1.0, palette.edge))
        .min_size(vec2(56.0, theme::CONTROL_HEIGHT));
    ui.add(button).on_hover_text(help).clicked()
}

/// What to do where no picture has come yet.
fn draw_empty(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, room: Rect) {
    let palette = Palette::over_picture();
    let pauses = pane.checkup.pauses();
    let (headline, advice) = match pane.moment(shell.now) {
        Some(_) if pauses => {
            let Banner { headline, reason, .. } = text::paused();
            (headline, reason)
        }
        None if pane.awaited.is_some() => (format!("Opening {}", pane.name()), "Looking for its password.".to_owned()),
        None if pane.replaces.is_some() => {
            (format!("Opening {}", pane.name()), "The camera before it is being closed.".to_owned())
        }
        None => ("No camera yet".to_owned(), "Choose a camera at the top left.".to_owned()),
        Some(moment) => {
            let status = moment.status;
            let advice = status.last_fault.as_ref().map(|fault| fault.advice.to_string());
            match status.state {
                State::Idle => (format!("{} is stopped", status.name), "Press Start or the space bar.".to_owned()),
                State::Opening => (format!("Opening {}", status.name), advice.unwrap_or_default()),
                State::Streaming => ("Waiting for the picture".to_owned(), String::new()),
                // The banner has reason and advice.
                State::Recovering | State::Failed if advice.is_some() => {
                    ("No picture so far".to_owned(), String::new())
                }
                State::Recovering | State::Failed => {
                    ("No picture so far".to_owned(), "Choose another camera at the top left.".to_owned())
                }
            }
        }
    };
    let can_start = !pauses && pane.status.as_ref().is_some_and(|status| status.state == State::Idle);
    let mut child = ui.new_child(UiBuilder::new().id_salt("empty").max_rect(room.shrink(24.0)));
    child.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.5 - 36.0).max(0.0));
        ui.add(Label::new(RichText::new(headline).font(theme::semibold(18.0)).color(palette.text)).wrap());
        ui.add(Label::new(RichText::new(advice).color(palette.text_weak)).wrap());
        if can_start {
            ui.add_space(6.0);
            if dark_button(ui, "Start", "Open the camera and show its picture") {
                pane.commands.push(Command::Start);
            }
        }
    });
}
