//! What the window shows and what the user set in it: one struct that draws itself, with or without cameras behind it.
//!
//! Deliberately not here: threads, files, the cameras. A panel changes its [`Pane`] or the [`Shell`], gives the camera a
//! command, or adds a [`WindowRequest`]; the owner carries them out after the pass.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Frame, Key, Margin, Modifiers, Rect, Ui, UiBuilder, vec2};

use super::add_camera::OpenDropped;
use super::address::FindPassword;
use super::grid::{GridShape, GridState};
use super::pane::Pane;
use super::prompt::Purpose;
#[cfg(feature = "share")]
use super::share;
use super::shell::{Sheet, Shell, WindowRequest};
use super::theme::{self, Palette};
use super::{
    add_camera, address, checkup, clips, consent, grid, help, inspector, log, player, plot, preferences, prompt,
    recording, report, status_line, text, toasts, toolbar, viewer,
};
use crate::address::Address;
use crate::event::{Event, Level};
use crate::records::EVENT;
use crate::secrets::KeyringError;
use crate::settings::{CameraId, CameraSettings, MAX_SHOWN, Settings, ShownCameras};
use crate::source::{Demand, SourceSpec};
use crate::status::AlertName;

/// The whole window.
pub struct Window {
    /// In their order, at least one.
    pub panes: Vec<Pane>,
    /// The one that inspector, plot, log and toolbar are about.
    pub selected: CameraId,
    /// The selected one fills the window, though there are others.
    pub is_alone: bool,
    pub grid: GridState,
    /// Files that were dropped, until it is known where, since when.
    dropped: Option<(Vec<PathBuf>, Instant)>,
    /// As the system shows it.
    title: String,
    pub shell: Shell,
}

/// Smaller it shows nothing that helps, in points.
pub const LEAST_SIZE: [f32; 2] = [760.0, 520.0];

/// The system tells only after the files where they were dropped. Should it not, they are added.
const PLACE_TOLD_WITHIN: Duration = Duration::from_millis(300);

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

/// Everything that the window shows. A new panel is a file and a line here; below the picture and beside it the least window has
/// no room for more: what is shown of a camera is a section of the inspector.
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
    /// One camera, with what is set for it.
    #[must_use]
    pub fn new(spec: SourceSpec, settings: Settings, now: Instant) -> Self {
        let camera = spec.settings(&settings);
        Self::showing([(spec, camera)], settings, now)
    }

    /// These cameras, at least one, each with what is set for it. The first is selected.
    #[must_use]
    pub fn showing(
        cameras: impl IntoIterator<Item = (SourceSpec, CameraSettings)>,
        settings: Settings,
        now: Instant,
    ) -> Self {
        let mut window = Self {
            panes: Vec::new(),
            selected: CameraId::UNLISTED,
            is_alone: false,
            grid: GridState::default(),
            dropped: None,
            title: String::new(),
            shell: Shell::new(settings, now),
        };
        for (spec, settings) in cameras {
            window.push(spec, settings);
        }
        window.selected = window.panes.first().map(Pane::id).unwrap_or_default();
        window
    }

    /// One more pane at the end, which is selected.
    pub fn push(&mut self, spec: SourceSpec, settings: CameraSettings) {
        let settings = self.with_number(settings, None);
        self.selected = settings.id;
        self.panes.push(Pane::new(spec, settings, self.shell.now));
    }

    /// Shows the cameras as they were shown when the window was closed.
    pub fn restore(&mut self) {
        let shown = self.shell.settings.shown.clone();
        let first = self.panes.first().map(Pane::id);
        let selected = shown.selected.filter(|id| self.panes.iter().any(|pane| pane.id() == *id));
        self.selected = selected.or(first).unwrap_or_default();
        self.is_alone = shown.is_alone;
    }

    // ---- several cameras

    #[must_use]
    pub fn shows_grid(&self) -> bool {
        self.panes.len() > 1 && !self.is_alone
    }

    fn index_of(&self, id: CameraId) -> Option<usize> {
        self.panes.iter().position(|pane| pane.id() == id)
    }

    /// Shows a camera beside the others. One that is shown already is selected.
    pub fn add(&mut self, spec: SourceSpec) {
        let name = spec.without_password();
        if let Some(known) = self.panes.iter().find(|pane| pane.spec.without_password() == name) {
            let id = known.id();
            self.shell.toasts.info("This camera is shown already.", self.shell.now);
            return self.select(id);
        }
        if self.panes.len() >= MAX_SHOWN {
            let words = format!("{MAX_SHOWN} cameras are shown: remove one of them first.");
            return self.shell.toasts.error(words, self.shell.now);
        }
        let settings = spec.settings(&self.shell.settings);
        self.push(spec, settings);
        self.is_alone = false;
        self.look_for_password(self.selected);
        self.note_shown();
    }

    /// Shows a camera no more. The last one stays.
    pub fn remove(&mut self, id: CameraId) {
        let Some(index) = self.index_of(id).filter(|_| self.panes.len() > 1) else { return };
        self.list_panes();
        self.panes.remove(index);
        if self.selected == id {
            let next = self.panes.get(index).or(self.panes.last());
            self.selected = next.map(Pane::id).unwrap_or_default();
        }
        self.is_alone &= self.panes.len() > 1;
        self.note_shown();
    }

    pub fn select(&mut self, id: CameraId) {
        if self.selected != id && self.index_of(id).is_some() {
            self.selected = id;
            self.note_shown();
        }
    }

    pub fn show_alone(&mut self, id: CameraId) {
        self.select(id);
        self.set_alone(true);
    }

    pub fn show_grid(&mut self) {
        self.set_alone(false);
    }

    fn set_alone(&mut self, is_alone: bool) {
        let is_alone = is_alone && self.panes.len() > 1;
        if self.is_alone != is_alone {
            self.is_alone = is_alone;
            self.note_shown();
        }
    }

    /// Two cameras change their places.
    pub fn swap(&mut self, one: CameraId, other: CameraId) {
        if let (Some(one), Some(other)) = (self.index_of(one), self.index_of(other)) {
            self.panes.swap(one, other);
            self.note_shown();
        }
    }

    /// What is wanted of a camera's pictures. `is_hidden` says that nobody sees the window.
    #[must_use]
    pub fn demand(&self, pane: &Pane, is_hidden: bool, pixels_per_point: f32) -> Demand {
        let is_selected = pane.id() == self.selected;
        #[cfg(feature = "share")]
        if self.shell.share.is_watched(pane.id()) {
            return Demand::Full;
        }
        if pane.needs_full_size() {
            Demand::Full
        } else if is_hidden {
            Demand::Checks
        } else if self.shows_grid() {
            // Before it has been drawn once, nobody knows how large the tile is.
            self.grid.tile_pixels(pane.id(), pixels_per_point).map_or(Demand::Full, Demand::Tile)
        } else if is_selected {
            Demand::Full
        } else {
            Demand::Checks
        }
    }

    /// The cameras of which whole pictures are needed even where nobody sees the window.
    #[must_use]
    pub fn needed_while_hidden(&self) -> Vec<CameraId> {
        let is_needed = |pane: &&Pane| self.demand(pane, true, 1.0) == Demand::Full;
        self.panes.iter().filter(is_needed).map(Pane::id).collect()
    }

    /// Does what was asked for in the pass that has just ended, but for what needs threads.
    pub fn settle(&mut self) {
        let mut left = Vec::new();
        for request in std::mem::take(&mut self.shell.requests) {
            match request {
                WindowRequest::Choose(pane, spec) => self.choose(pane, spec),
                WindowRequest::Add(spec) => self.add(spec),
                WindowRequest::Remove(pane) => self.remove(pane),
                WindowRequest::Select(pane) => self.select(pane),
                WindowRequest::ShowGrid => self.show_grid(),
                WindowRequest::Snapshot(..) | WindowRequest::Run(_) => left.push(request),
            }
        }
        // What came of these stands behind them.
        left.append(&mut self.shell.requests);
        self.shell.requests = left;
    }

    // ---- one camera

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
        let is_shown_as_notice = |event: &&Arc<Event>| {
            event.name == EVENT && event.level == Level::Error || event.name == AlertName::AllCamerasDead.as_str()
        };
        for event in events.iter().filter(is_shown_as_notice) {
            shell.toasts.error(event.message.clone(), shell.now);
        }
        shell.log.add(events);
    }

    /// Shows another camera in a pane; one whose password may be in the keyring, as soon as that has answered.
    pub fn choose(&mut self, id: CameraId, spec: SourceSpec) {
        let name = spec.without_password();
        let is_shown_by = |pane: &&Pane| pane.id() != id && pane.spec.without_password() == name;
        if let Some(other) = self.panes.iter().find(is_shown_by) {
            return self.select(other.id());
        }
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

    /// Asks the keyring for the password that a camera lacks: with it the camera is opened, or opened once more.
    pub fn look_for_password(&mut self, id: CameraId) {
        self.with_pane(id, |pane, shell| {
            if let SourceSpec::Url(address) = &pane.spec
                && address.lacks_password()
            {
                pane.awaited = Some(address.clone());
                shell.run(FindPassword(address.clone()));
            }
        });
    }

    fn switch(&mut self, id: CameraId, spec: SourceSpec) {
        self.list_panes();
        // With another password it is the same camera, whatever others have its source.
        let source = spec.without_password();
        let own = self.panes.iter().find(|pane| pane.id() == id && pane.settings.source == source);
        let settings = own.map_or_else(|| spec.settings(&self.shell.settings), |pane| pane.settings.clone());
        let settings = self.with_number(settings, Some(id));
        let new = settings.id;
        self.with_pane(id, |pane, _| pane.switch(spec, settings));
        if self.selected == id {
            self.selected = new;
        }
        self.note_shown();
    }

    /// What is set for a camera that is to be shown, in a pane of its own or instead of `replaced`, with a number that no other
    /// pane has. It is listed.
    fn with_number(&mut self, mut settings: CameraSettings, replaced: Option<CameraId>) -> CameraSettings {
        if Some(settings.id) != replaced && self.index_of(settings.id).is_some() {
            settings.id = CameraId::UNLISTED;
        }
        settings.id = self.shell.settings.put(settings.clone());
        settings
    }

    /// What is shown now is what the next start shows.
    pub fn note_shown(&mut self) {
        let cameras = self.panes.iter().map(Pane::id).collect();
        self.shell.settings.shown = ShownCameras { cameras, selected: Some(self.selected), is_alone: self.is_alone };
    }

    /// Digits, Enter and Esc choose between one camera and all of them; arrows go from one to the next, and move it with Shift.
    fn grid_shortcuts(&mut self, ctx: &egui::Context) {
        const DIGITS: [Key; 9] =
            [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];
        // The arrows of a slider are its own; from tile to tile egui goes by itself, and the selection with it.
        let has_arrows = !ctx.egui_wants_keyboard_input();
        // In the order in which they were pressed: several may come in one pass.
        for (key, modifiers) in pressed_keys(ctx) {
            match key {
                Key::Escape if self.shell.is_full_screen => self.shell.toggle_full_screen(ctx),
                Key::Escape if self.shell.picture_only => self.shell.picture_only = false,
                Key::Escape => self.show_grid(),
                _ if self.panes.len() < 2 => {}
                Key::Enter if has_arrows => self.show_alone(self.selected),
                Key::ArrowLeft if has_arrows => self.go(-1, 0, modifiers),
                Key::ArrowRight if has_arrows => self.go(1, 0, modifiers),
                Key::ArrowUp if has_arrows => self.go(0, -1, modifiers),
                Key::ArrowDown if has_arrows => self.go(0, 1, modifiers),
                key => {
                    let nth = DIGITS.iter().position(|digit| *digit == key);
                    if let Some(pane) = nth.and_then(|nth| self.panes.get(nth)).map(Pane::id) {
                        self.show_alone(pane);
                    }
                }
            }
        }
    }

    /// Selects the camera beside the selected one; with Shift, the two change places.
    fn go(&mut self, columns: isize, rows: isize, modifiers: Modifiers) {
        let Some(index) = self.index_of(self.selected) else { return };
        let other = if self.is_alone {
            index.checked_add_signed(columns + rows)
        } else {
            self.grid.neighbour(index, columns, rows)
        };
        let Some(other) = other.and_then(|other| self.panes.get(other)).map(Pane::id) else { return };
        if modifiers.shift && !self.is_alone {
            self.swap(self.selected, other);
        } else {
            self.select(other);
        }
    }

    /// Opens what was dropped on a tile there, and adds what was dropped elsewhere.
    fn take_dropped_files(&mut self, ctx: &egui::Context) {
        let files =
            ctx.input(|input| input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect::<Vec<_>>());
        if !files.is_empty() {
            self.dropped = Some((files, self.shell.now));
        }
        let Some((_, since)) = &self.dropped else { return };
        let place = ctx.input(|input| input.pointer.latest_pos());
        let waited = self.shell.now.saturating_duration_since(*since);
        if place.is_none() && waited < PLACE_TOLD_WITHIN {
            return ctx.request_repaint_after(PLACE_TOLD_WITHIN.saturating_sub(waited));
        }
        let Some((files, _)) = self.dropped.take() else { return };
        let mut tile = match place {
            Some(place) if self.shows_grid() => self.grid.at(place),
            // One picture is one tile, as large as the window is.
            _ => Some(self.selected).filter(|_| !self.shows_grid()),
        };
        for file in files {
            let opened = OpenDropped { file, tile: tile.take() };
            self.shell.run(opened);
        }
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
    pub fn hear_password(&mut self, asked: &Address, answer: &Result<Option<Address>, KeyringError>) {
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
        self.shell.panes = self.panes.iter().map(|pane| pane.summary(self.shell.now)).collect();
        self.follow_title(&ctx);
        self.note_size(&ctx);
        self.take_dropped_files(&ctx);
        self.with_selected(|pane, shell| address::catch(pane, shell, &ctx));
        if are_keys_free(&self.shell, &ctx) && self.shell.player.is_some() {
            player_shortcuts(&mut self.shell, &ctx);
        } else if are_keys_free(&self.shell, &ctx) {
            self.with_selected(|pane, shell| shortcuts(pane, shell, &ctx));
            self.grid_shortcuts(&ctx);
        }
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
            recording::draw_limits(pane, shell, &ctx);
            clips::draw(pane, shell, &ctx);
            #[cfg(feature = "share")]
            share::draw(shell, &ctx);
            prompt::draw(pane, shell, &ctx);
            address::draw(pane, shell, &ctx);
            consent::draw(pane, shell, &ctx);
            report::draw(pane, shell, &ctx);
            checkup::comparison::draw(pane, shell, &ctx);
            add_camera::draw(pane, shell, &ctx);
            toasts::draw(shell, &ctx);
        });
        grid::draw_drop_hint(self, ui);
        recording::open_wanted_folder(self);
        clips::follow(self);
        self.panes.iter_mut().for_each(Pane::give_way);
    }

    /// Which cameras these are and how they stand, for the system's lists of windows.
    fn follow_title(&mut self, ctx: &egui::Context) {
        let panes = &self.shell.panes;
        let what = match panes.as_slice() {
            [one] => format!("{} · {}", one.name, one.state),
            several => text::fleet(several.iter().map(|pane| pane.state)),
        };
        // Some systems cut nothing.
        let what: String = what.chars().take(120).collect();
        let title = format!("{what} – Camclinic");
        if self.title != title {
            self.title.clone_from(&title);
            ctx.send_viewport_cmd(egui::ViewportCommand::Title(title));
        }
    }

    /// For the next start.
    fn note_size(&mut self, ctx: &egui::Context) {
        let is_usual = ctx.input(|input| {
            let viewport = input.viewport();
            [viewport.fullscreen, viewport.maximized, viewport.minimized].iter().all(|is| *is == Some(false))
        });
        let size = ctx.content_rect().size() * ctx.zoom_factor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "points of a screen")]
        let side = |side: f32| side.clamp(0.0, 16_384.0).round() as u32;
        let size = [side(size.x), side(size.y)];
        if is_usual && self.shell.settings.window.size != Some(size) {
            self.shell.settings.window.size = Some(size);
        }
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
                let mut picture = vec2(room.x, (room.x * 0.62).min(room.y * 0.85).max(210.0));
                if self.shows_grid() {
                    picture.y = GridShape::scrolled_height(self.panes.len(), room.x, picture.y);
                }
                self.draw_sized(ui, picture);
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
        self.with_selected(|pane, _| (pane.viewer.margin, pane.viewer.has_wheel) = (f32::from(margin.left), true));
        egui::CentralPanel::default()
            .frame(Frame::NONE.fill(Palette::of(ui).stage))
            .show(ui, |ui| self.draw_pictures(ui));
    }

    /// The selected camera, or all of them side by side; in their place the clip that is played.
    fn draw_pictures(&mut self, ui: &mut Ui) {
        if self.shell.player.is_some() {
            if player::draw(&mut self.shell, ui) {
                self.with_selected(|pane, shell| pane.browse(shell, Purpose::ExportPart));
            }
        } else if self.shows_grid() {
            grid::draw(self, ui);
        } else {
            self.draw_all(ui, PanelPlace::Centre);
        }
    }

    fn draw_all(&mut self, ui: &mut Ui, place: PanelPlace) {
        for panel in PANELS.iter().filter(|panel| panel.place == place) {
            self.with_selected(|pane, shell| (panel.draw)(pane, shell, ui));
        }
    }

    fn draw_sized(&mut self, ui: &mut Ui, size: egui::Vec2) {
        // The wheel moves the column.
        self.with_selected(|pane, _| (pane.viewer.margin, pane.viewer.has_wheel) = (0.0, false));
        let (rect, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        let mut child = ui.new_child(UiBuilder::new().id_salt("sized").max_rect(rect));
        child.set_clip_rect(rect.intersect(ui.clip_rect()));
        self.draw_pictures(&mut child);
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

/// Whether keys are commands now: nothing lies over the window, and nobody types.
fn are_keys_free(shell: &Shell, ctx: &egui::Context) -> bool {
    let is_covered =
        shell.sheet.is_some() || shell.prompt.is_some() || shell.address.is_some() || shell.report.is_some();
    !is_covered && !ctx.text_edit_focused() && !ctx.any_popup_open()
}

fn shortcuts(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    // Space presses the button that has the focus: it must not stop the camera as well.
    if pressed(ctx, Key::Space) && !ctx.egui_wants_keyboard_input() {
        pane.toggle_camera();
    }
    if pressed(ctx, Key::S) {
        pane.take_snapshot(shell);
    }
    if pressed(ctx, Key::R) {
        pane.toggle_recording(shell);
    }
    if pressed(ctx, Key::C) {
        pane.check_up(shell);
    }
    if pressed(ctx, Key::F) {
        shell.toggle_full_screen(ctx);
    }
    if pressed(ctx, Key::H) {
        shell.picture_only = !shell.picture_only;
    }
    if pressed(ctx, Key::P) {
        pane.viewer.toggle_pause();
    }
    if pressed(ctx, Key::Z) || pressed(ctx, Key::Num1) && shell.panes.len() < 2 {
        pane.viewer.toggle_one_to_one(ctx.pixels_per_point());
    }
    if pressed(ctx, Key::L) {
        shell.settings.window.log_shown = !shell.settings.window.log_shown;
    }
    if pressed(ctx, Key::Questionmark) || pressed(ctx, Key::F1) {
        shell.sheet = Some(Sheet::Help);
    }
}

/// A clip has the keys while it is shown, but for those of the buttons that have the focus.
fn player_shortcuts(shell: &mut Shell, ctx: &egui::Context) {
    for (key, _) in pressed_keys(ctx) {
        let is_of_focus = matches!(key, Key::Space | Key::ArrowLeft | Key::ArrowRight);
        if !is_of_focus || !ctx.egui_wants_keyboard_input() {
            player::take_key(shell, key);
        }
    }
}

/// Whether a key went down in this pass.
fn pressed(ctx: &egui::Context, wanted: Key) -> bool {
    pressed_keys(ctx).iter().any(|(key, _)| *key == wanted)
}

/// Keys that went down in this pass, in their order, with what was held down then: a quick hand has let go of it by now. Held
/// down a key counts once, and with Ctrl, Alt or Cmd it means something else.
fn pressed_keys(ctx: &egui::Context) -> Vec<(Key, Modifiers)> {
    ctx.input(|input| {
        let pressed = |event: &egui::Event| match event {
            egui::Event::Key { key, pressed: true, repeat: false, modifiers, .. }
                if !modifiers.ctrl && !modifiers.alt && !modifiers.command =>
            {
                Some((*key, *modifiers))
            }
            _ => None,
        };
        input.events.iter().filter_map(pressed).collect()
    })
}
