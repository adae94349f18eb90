//! What the window shows and what the user set in it: one struct that draws itself, with or without cameras behind it.
//!
//! Deliberately not here: threads, files, the cameras. A panel changes its [`Pane`] or the [`Shell`], gives the camera a
//! command, or adds a [`WindowRequest`](super::shell::WindowRequest); the owner carries them out after the pass.

use std::sync::Arc;
use std::time::Instant;

use egui::{Frame, Key, Margin, Rect, Ui, UiBuilder, vec2};

use super::address::FindPassword;
use super::pane::Pane;
use super::shell::{Sheet, Shell};
use super::theme::{self, Palette};
use super::{
    address, checkup, consent, help, inspector, log, plot, preferences, prompt, report, status_line, toasts, toolbar,
    viewer,
};
use crate::address::Address;
use crate::event::Event;
use crate::records::EVENT;
use crate::secrets::Trouble;
use crate::settings::{CameraId, CameraSettings, Settings, ShownCameras};
use crate::source::SourceSpec;

/// The whole window.
pub struct Window {
    /// In their order, at least one.
    pub panes: Vec<Pane>,
    /// The one that inspector, plot, log and toolbar are about.
    pub selected: CameraId,
    pub shell: Shell,
}

/// Where a panel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelPlace {
    Top,
    Centre,
    Side,
    /// Side by side under the picture; can be hidden.
    Below,
    Bottom,
}

/// One part of the window.
pub struct Panel {
    pub name: &'static str,
    pub place: PanelPlace,
    pub draw: fn(&mut Pane, &mut Shell, &mut Ui),
}

/// Everything that the window shows. A new panel is a file and a line here.
pub const PANELS: [Panel; 6] = [
    Panel { name: "toolbar", place: PanelPlace::Top, draw: toolbar::draw },
    Panel { name: "status line", place: PanelPlace::Bottom, draw: status_line::draw },
    Panel { name: "health", place: PanelPlace::Below, draw: plot::draw },
    Panel { name: "log", place: PanelPlace::Below, draw: log::draw },
    Panel { name: "inspector", place: PanelPlace::Side, draw: inspector::draw },
    Panel { name: "picture", place: PanelPlace::Centre, draw: viewer::draw },
];

/// Below this size, in points, everything stands in one column that scrolls.
const ROOM_FOR_PANELS: egui::Vec2 = vec2(700.0, 500.0);

impl Window {
    #[must_use]
    pub fn new(spec: SourceSpec, mut settings: Settings, now: Instant) -> Self {
        let mut camera = spec.settings(&settings);
        camera.id = settings.put(camera.clone());
        let pane = Pane::new(spec, camera, now);
        Self { selected: pane.id(), panes: vec![pane], shell: Shell::new(settings, now) }
    }

    /// The pane that is selected.
    #[must_use]
    pub fn pane(&self) -> Option<&Pane> {
        self.panes.iter().find(|pane| pane.id() == self.selected)
    }

    /// Does something with a pane, unless it is gone.
    pub fn with_pane(&mut self, id: CameraId, work: impl FnOnce(&mut Pane, &mut Shell)) {
        if let Some(pane) = self.panes.iter_mut().find(|pane| pane.id() == id) {
            work(pane, &mut self.shell);
        }
    }

    /// The same with the one that is selected.
    pub fn with_selected(&mut self, work: impl FnOnce(&mut Pane, &mut Shell)) {
        self.with_pane(self.selected, work);
    }

    /// Takes over new events, oldest first.
    pub fn add_events(&mut self, events: Vec<Arc<Event>>) {
        let shell = &mut self.shell;
        for event in events.iter().filter(|event| event.name == EVENT && event.level == crate::event::Level::Error) {
            shell.toasts.error(event.message.clone(), shell.now);
        }
        shell.log.add(events);
    }

    /// Shows another camera in a pane; one whose password may be in the keyring, as soon as that has answered.
    pub fn choose(&mut self, id: CameraId, spec: SourceSpec) {
        let wants_password = match &spec {
            SourceSpec::Url(address) if address.lacks_password() => Some(address.clone()),
            _ => None,
        };
        match wants_password {
            Some(address) => {
                self.with_pane(id, |pane, _| pane.awaited = Some(address.clone()));
                self.shell.toasts.info("Looking for the password…", self.shell.now);
                self.shell.run(FindPassword(address));
            }
            None => self.switch(id, spec),
        }
    }

    /// Asks the keyring for the passwords that cameras lack: a camera that had to be opened without one is opened once more with
    /// it.
    pub fn look_for_passwords(&mut self) {
        for pane in &mut self.panes {
            if let SourceSpec::Url(address) = &pane.spec
                && address.lacks_password()
            {
                pane.awaited = Some(address.clone());
                self.shell.run(FindPassword(address.clone()));
            }
        }
    }

    fn switch(&mut self, id: CameraId, spec: SourceSpec) {
        self.list_panes();
        let settings = self.settings_for(&spec, Some(id));
        let new = settings.id;
        self.with_pane(id, |pane, _| pane.switch(spec, settings));
        if self.selected == id {
            self.selected = new;
        }
        self.note_shown();
    }

    /// What is set for a camera that is to be shown, in a pane of its own or instead of `replaced`. It is listed.
    fn settings_for(&mut self, spec: &SourceSpec, replaced: Option<CameraId>) -> CameraSettings {
        let mut settings = spec.settings(&self.shell.settings);
        let is_taken = self.panes.iter().any(|pane| pane.id() == settings.id && Some(pane.id()) != replaced);
        if is_taken {
            settings.id = CameraId::UNLISTED;
        }
        settings.id = self.shell.settings.put(settings.clone());
        settings
    }

    /// What is shown now is what the next start shows.
    fn note_shown(&mut self) {
        let cameras = self.panes.iter().map(Pane::id).collect();
        self.shell.settings.shown = ShownCameras { cameras, selected: Some(self.selected), is_alone: false };
    }

    /// What is set for the cameras that are shown is kept with the settings of all others.
    pub fn list_panes(&mut self) {
        for pane in &self.panes {
            if self.shell.settings.listed(pane.id()) != Some(&pane.settings) {
                self.shell.settings.put(pane.settings.clone());
            }
        }
    }

    /// What the keyring had for an address.
    pub fn hear_password(&mut self, asked: &Address, answer: &Result<Option<Address>, Trouble>) {
        let awaiting = self.panes.iter_mut().filter_map(|pane| {
            let id = pane.id();
            pane.awaited.take_if(|awaited| awaited == asked).map(|_| id)
        });
        for id in awaiting.collect::<Vec<_>>() {
            let found = answer.clone().ok().flatten();
            // Without it the camera itself says that it wants one.
            let spec = SourceSpec::Url(found.unwrap_or_else(|| asked.clone()));
            if self.panes.iter().any(|pane| pane.id() == id && pane.spec != spec) {
                self.switch(id, spec);
            }
        }
        self.shell.hear_password(asked, answer);
    }

    /// Draws everything into `ui`, which is the whole window.
    pub fn draw(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        let look = &self.shell.settings.window;
        theme::follow(&ctx, look.theme, look.scale_percent);
        self.with_selected(|pane, shell| {
            address::catch(pane, shell, &ctx);
            shortcuts(pane, shell, &ctx);
        });
        let size = ui.available_size();
        if self.shell.picture_only {
            self.draw_centre(ui, Margin::ZERO);
        } else if size.x < ROOM_FOR_PANELS.x || size.y < ROOM_FOR_PANELS.y {
            self.draw_column(ui);
        } else {
            self.draw_panels(ui);
        }
        self.with_selected(|pane, shell| {
            help::draw(shell, &ctx);
            preferences::draw(pane, shell, &ctx);
            prompt::draw(pane, shell, &ctx);
            address::draw(pane, shell, &ctx);
            consent::draw(pane, shell, &ctx);
            report::draw(pane, shell, &ctx);
            checkup::comparison::draw(pane, shell, &ctx);
            toasts::draw(pane.viewer.stage, shell, &ctx);
        });
        self.panes.iter_mut().for_each(Pane::give_way);
    }

    fn draw_panels(&mut self, ui: &mut Ui) {
        let size = ui.available_size();
        self.draw_top(ui);
        self.draw_bottom(ui);
        let palette = Palette::of(ui);
        if self.shell.settings.window.log_shown {
            egui::Panel::bottom("below")
                .resizable(true)
                .default_size((size.y * 0.26).clamp(130.0, 232.0))
                .size_range(120.0..=(size.y * 0.55))
                .frame(Frame::NONE.fill(palette.low))
                .show(ui, |ui| self.draw_below(ui));
        }
        let inspector_width = if size.x < 1000.0 { 316.0 } else { 360.0 };
        egui::Panel::right("side")
            .resizable(false)
            .exact_size(inspector_width)
            .frame(Frame::NONE.fill(palette.panel))
            .show(ui, |ui| self.draw_all(ui, PanelPlace::Side));
        self.draw_centre(ui, Margin::same(14));
    }

    /// The same panels in one column, for a small window or a large scale.
    fn draw_column(&mut self, ui: &mut Ui) {
        self.draw_top(ui);
        // Little height is left for the picture then: the numbers come at the end of the column.
        let is_low = ui.available_height() < 330.0;
        if !is_low {
            self.draw_bottom(ui);
        }
        let palette = Palette::of(ui);
        egui::CentralPanel::default().frame(Frame::NONE.fill(palette.panel)).show(ui, |ui| {
            let room = ui.available_size();
            egui::ScrollArea::vertical().id_salt("column").auto_shrink(false).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                let picture = vec2(room.x, (room.x * 0.62).min(room.y * 0.85).max(210.0));
                self.draw_sized(ui, PanelPlace::Centre, picture);
                self.with_selected(|pane, shell| {
                    inspector::update(pane, shell, ui);
                    inspector::draw_part(pane, shell, ui, inspector::Part::Urgent);
                });
                if self.shell.settings.window.log_shown {
                    for panel in PANELS.iter().filter(|panel| panel.place == PanelPlace::Below) {
                        let (rect, _) = ui.allocate_exact_size(vec2(room.x, 210.0), egui::Sense::hover());
                        ui.painter().rect_filled(rect, 0, palette.low);
                        let inner = rect.shrink2(vec2(10.0, 8.0));
                        let mut child = ui.new_child(UiBuilder::new().id_salt(panel.name).max_rect(inner));
                        self.with_selected(|pane, shell| (panel.draw)(pane, shell, &mut child));
                    }
                }
                // Not in a scroll area of its own: within this one it would be a slit.
                self.with_selected(|pane, shell| inspector::draw_part(pane, shell, ui, inspector::Part::Rest));
                if is_low {
                    Frame::NONE
                        .inner_margin(Margin::symmetric(14, 5))
                        .show(ui, |ui| self.draw_all(ui, PanelPlace::Bottom));
                }
            });
        });
    }

    fn draw_top(&mut self, ui: &mut Ui) {
        let frame = Frame::NONE.fill(Palette::of(ui).panel).inner_margin(Margin::symmetric(12, 8));
        egui::Panel::top("top").resizable(false).frame(frame).show(ui, |ui| self.draw_all(ui, PanelPlace::Top));
    }

    fn draw_bottom(&mut self, ui: &mut Ui) {
        let frame = Frame::NONE.fill(Palette::of(ui).panel).inner_margin(Margin::symmetric(14, 5));
        egui::Panel::bottom("bottom")
            .resizable(false)
            .frame(frame)
            .show(ui, |ui| self.draw_all(ui, PanelPlace::Bottom));
    }

    fn draw_centre(&mut self, ui: &mut Ui, margin: Margin) {
        self.with_selected(|pane, _| pane.viewer.margin = f32::from(margin.left));
        egui::CentralPanel::default()
            .frame(Frame::NONE.fill(Palette::of(ui).stage))
            .show(ui, |ui| self.draw_all(ui, PanelPlace::Centre));
    }

    fn draw_all(&mut self, ui: &mut Ui, place: PanelPlace) {
        for panel in PANELS.iter().filter(|panel| panel.place == place) {
            self.with_selected(|pane, shell| (panel.draw)(pane, shell, ui));
        }
    }

    fn draw_sized(&mut self, ui: &mut Ui, place: PanelPlace, size: egui::Vec2) {
        self.with_selected(|pane, _| pane.viewer.margin = 0.0);
        let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        let mut child = ui.new_child(UiBuilder::new().id_salt("sized").max_rect(rect));
        child.set_clip_rect(rect.intersect(ui.clip_rect()));
        self.draw_all(&mut child, place);
    }

    /// The panels below the picture side by side, with a line between them.
    fn draw_below(&mut self, ui: &mut Ui) {
        let all = ui.available_rect_before_wrap();
        ui.allocate_rect(all, egui::Sense::hover());
        let panels: Vec<_> = PANELS.iter().filter(|panel| panel.place == PanelPlace::Below).collect();
        let line = egui::Stroke::new(1.0, Palette::of(ui).line);
        let mut left = all.left();
        for (i, panel) in panels.iter().enumerate() {
            let is_last = i + 1 == panels.len();
            // The plot needs a little more room than the log, whose lines are cut anyway.
            #[expect(clippy::cast_precision_loss, reason = "a few panels")]
            let width = if is_last { all.right() - left } else { (all.width() * 1.055 / panels.len() as f32).round() };
            let rect = Rect::from_min_size(egui::pos2(left, all.top()), vec2(width, all.height()));
            let inner = rect.shrink2(vec2(10.0, 8.0));
            let mut child = ui.new_child(UiBuilder::new().id_salt(panel.name).max_rect(inner));
            child.set_clip_rect(rect.intersect(ui.clip_rect()));
            self.with_selected(|pane, shell| (panel.draw)(pane, shell, &mut child));
            left = rect.right();
            if !is_last {
                ui.painter().vline(left, all.y_range(), line);
            }
        }
    }
}

fn shortcuts(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    let sheet_shown =
        shell.sheet.is_some() || shell.prompt.is_some() || shell.address.is_some() || shell.report.is_some();
    if sheet_shown || ctx.text_edit_focused() || ctx.any_popup_open() {
        return;
    }
    // Space presses the button that has the focus: it must not stop the camera as well.
    if pressed(ctx, Key::Space) && !ctx.egui_wants_keyboard_input() {
        pane.toggle_camera();
    }
    if pressed(ctx, Key::S) {
        pane.take_snapshot(shell);
    }
    if pressed(ctx, Key::C) {
        pane.check_up(shell);
    }
    if pressed(ctx, Key::F) {
        shell.picture_only = !shell.picture_only;
    }
    if pressed(ctx, Key::Escape) {
        shell.picture_only = false;
    }
    if pressed(ctx, Key::L) {
        shell.settings.window.log_shown = !shell.settings.window.log_shown;
    }
    if pressed(ctx, Key::Questionmark) || pressed(ctx, Key::F1) {
        shell.sheet = Some(Sheet::Help);
    }
}

/// Whether a key went down in this pass: held down it counts once, and with Ctrl, Alt or Cmd it means something else.
fn pressed(ctx: &egui::Context, wanted: Key) -> bool {
    ctx.input(|input| {
        input.events.iter().any(|event| {
            matches!(event, egui::Event::Key { key, pressed: true, repeat: false, modifiers, .. }
                if *key == wanted && !modifiers.ctrl && !modifiers.alt && !modifiers.command)
        })
    })
}
