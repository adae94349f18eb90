//! Short notices at the foot of the picture that go by themselves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Align2, Area, Frame, Id, Label, Margin, Order, RichText, Stroke, vec2};

use super::background::{Task, WindowHandle};
use super::shell::Shell;
use super::theme::{self, Palette};
use super::widgets;

/// How long a notice stays. Errors are read later and need more time.
const INFO_STAYS: Duration = Duration::from_secs(6);
const ERROR_STAYS: Duration = Duration::from_secs(20);
/// More at once would hide the picture; the older ones go.
const MAX_SHOWN: usize = 4;

#[derive(Default)]
pub struct Toasts {
    toasts: Vec<Toast>,
    next_id: u64,
}

struct Toast {
    id: u64,
    message: String,
    is_error: bool,
    /// What can be opened from here.
    folder: Option<PathBuf>,
    until: Instant,
}

impl Toasts {
    pub fn info(&mut self, message: impl Into<String>, now: Instant) {
        self.add(message.into(), false, None, now);
    }

    pub fn error(&mut self, message: impl Into<String>, now: Instant) {
        self.add(message.into(), true, None, now);
    }

    /// Something was written; the notice offers to show where.
    pub fn saved(&mut self, message: impl Into<String>, folder: PathBuf, now: Instant) {
        self.add(message.into(), false, Some(folder), now);
    }

    fn add(&mut self, message: String, is_error: bool, folder: Option<PathBuf>, now: Instant) {
        // The same again only stays longer.
        self.toasts.retain(|toast| toast.message != message);
        if self.toasts.len() >= MAX_SHOWN {
            self.toasts.remove(0);
        }
        self.next_id += 1;
        let until = now + if is_error { ERROR_STAYS } else { INFO_STAYS };
        self.toasts.push(Toast { id: self.next_id, message, is_error, folder, until });
    }
}

/// Shows a folder in the system's file manager.
#[derive(Debug)]
pub(super) struct OpenFolder(pub PathBuf);

impl Task for OpenFolder {
    fn thread_name(&self) -> &'static str {
        "open-folder"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        if let Err(error) = open::that_detached(&self.0) {
            window.fail(format!("The folder could not be shown ({error}): {}", self.0.display()));
        }
    }
}

pub fn draw(shell: &mut Shell, ctx: &egui::Context) {
    let now = shell.now;
    let n_before = shell.toasts.toasts.len();
    shell.toasts.toasts.retain(|toast| toast.until > now);
    if shell.toasts.toasts.len() < n_before {
        // What is left takes its new place in the next pass.
        ctx.request_repaint();
    }
    let Some(first) = shell.toasts.toasts.iter().map(|toast| toast.until).min() else { return };
    ctx.request_repaint_after(first.saturating_duration_since(now).max(Duration::from_millis(50)));
    let mut closed = None;
    let mut opened = None;
    // Over the picture, where they cover neither the log nor a control.
    let stage = shell.stage.filter(|stage| stage.height() > 120.0).unwrap_or(ctx.content_rect());
    let width = (stage.width() - 32.0).clamp(200.0, 520.0);
    Area::new(Id::unique("toasts"))
        .order(Order::Foreground)
        .pivot(Align2::CENTER_BOTTOM)
        .fixed_pos(stage.center_bottom() - vec2(0.0, 20.0))
        .interactable(true)
        .show(ctx, |ui| {
            ui.spacing_mut().item_spacing.y = 8.0;
            for toast in &shell.toasts.toasts {
                let palette = Palette::of(ui);
                let (surface, edge) = if toast.is_error {
                    (palette.error_surface, theme::mix(palette.error_surface, palette.error, 0.4))
                } else {
                    (palette.raised, palette.edge)
                };
                Frame::NONE
                    .fill(surface)
                    .stroke(Stroke::new(1.0, edge))
                    .corner_radius(8)
                    .shadow(ui.visuals().popup_shadow)
                    .inner_margin(Margin { left: 14, right: 8, top: 8, bottom: 8 })
                    .show(ui, |ui| {
                        ui.set_width(width - 22.0);
                        ui.horizontal(|ui| {
                            let tail = 30.0 + if toast.folder.is_some() { 104.0 } else { 0.0 };
                            ui.vertical(|ui| {
                                ui.set_width(ui.available_width() - tail);
                                let words = if toast.is_error {
                                    format!("⚠ {}", toast.message)
                                } else {
                                    toast.message.clone()
                                };
                                ui.add(Label::new(RichText::new(words).color(palette.text_strong)).wrap());
                            });
                            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                                if widgets::close_button(ui, "Close this notice").clicked() {
                                    closed = Some(toast.id);
                                }
                                if let Some(folder) = &toast.folder
                                    && widgets::button(ui, "Open folder", false, &folder.display().to_string())
                                        .clicked()
                                {
                                    opened = Some(folder.clone());
                                }
                            });
                        });
                    });
            }
        });
    if let Some(folder) = opened {
        shell.run(OpenFolder(folder));
    }
    if closed.is_some() {
        shell.toasts.toasts.retain(|toast| Some(toast.id) != closed);
        ctx.request_repaint();
    }
}
