//! What happened, newest first: filter, search, pause, copy, save.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Align, Layout, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use super::background::{Task, WindowHandle};
use super::pane::Pane;
use super::prompt::Purpose;
use super::shell::Shell;
use super::text;
use super::theme::{self, Palette, SMALL};
use super::widgets;
use crate::disk::{FileAccess, write_advice, write_whole};
use crate::event::{Event, Level};
use crate::settings::CameraId;

/// So many lines are kept. When there are more, the oldest that is no error goes first: errors stay.
const CAPACITY: usize = 5_000;
const ROW_HEIGHT: f32 = 20.0;
const CLOCK_WIDTH: f32 = 96.0;

/// Whether a line is about this camera, or about none. Without a camera all are.
fn is_of(event: &Event, camera: Option<CameraId>) -> bool {
    camera.is_none_or(|camera| event.camera.is_none_or(|of| of == camera))
}

/// Which lines are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    All,
    Warnings,
    Errors,
}

impl Filter {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::All, "all", "Every line"),
        (Self::Warnings, "warnings", "Warnings and errors"),
        (Self::Errors, "errors", "Errors only"),
    ];

    fn admits(self, level: Level) -> bool {
        match self {
            // Debug lines are for whoever looks for a defect in the program: they are in the log file.
            Self::All => level > Level::Debug,
            Self::Warnings => level >= Level::Warning,
            Self::Errors => level >= Level::Error,
        }
    }
}

/// The lines, and what stays between two passes.
#[derive(Default)]
pub struct LogState {
    /// Oldest first.
    events: VecDeque<Arc<Event>>,
    pub filter: Filter,
    /// The lines of every camera, where several are shown.
    pub shows_all_cameras: bool,
    /// `None` while the search field is hidden.
    pub search: Option<String>,
    /// The newest line that is shown while paused.
    paused_at: Option<u64>,
    /// The line that a click on the plot led to.
    marked: Option<u64>,
    scroll_to_marked: bool,
    /// What is shown, newest first, with what it was made from.
    shown: Vec<Arc<Event>>,
    shown_for: Option<Shown>,
}

#[derive(PartialEq, Eq)]
struct Shown {
    filter: Filter,
    /// The camera whose lines they are; `None` of all.
    camera: Option<CameraId>,
    search: String,
    newest: u64,
    n_events: usize,
}

impl LogState {
    /// Takes over new events, oldest first.
    pub fn add(&mut self, events: impl IntoIterator<Item = Arc<Event>>) {
        for event in events {
            if self.events.len() >= CAPACITY {
                let oldest = self.events.iter().position(|event| event.level < Level::Error).unwrap_or(0);
                self.events.remove(oldest);
            }
            self.events.push_back(event);
        }
    }

    /// The number of the newest event, 0 when there is none.
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.events.back().map_or(0, |event| event.id)
    }

    /// Oldest first, whatever the filter.
    #[must_use]
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter()
    }

    /// What belongs to a camera, and what belongs to none; all there is where only one camera is shown.
    #[must_use]
    pub fn events_of(&self, pane: &Pane, shell: &Shell) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        let camera = (shell.panes.len() > 1).then(|| pane.id());
        self.events.iter().filter(move |event| is_of(event, camera))
    }

    /// Shows and marks the line of this event, if need be by lifting filter and search.
    pub fn jump_to(&mut self, id: u64) {
        self.marked = Some(id);
        self.scroll_to_marked = true;
        if !self.shown.iter().any(|event| event.id == id) {
            self.filter = Filter::All;
            self.search = None;
        }
        if self.paused_at.is_some_and(|newest| newest < id) {
            self.paused_at = None;
        }
    }

    /// The lines that are shown, oldest first, as plain text.
    #[must_use]
    pub fn as_text(&self) -> String {
        let line = |event: &Arc<Event>| {
            let level = format!("{:?}", event.level).to_lowercase();
            format!("{}\t{level}\t{}\t{}\t{}\n", event.at, event.name, event.source, event.message)
        };
        self.shown.iter().rev().map(line).collect()
    }

    /// `camera` is the one that is selected, where there are several.
    fn refresh(&mut self, camera: Option<CameraId>) {
        let wanted = Shown {
            filter: self.filter,
            camera: camera.filter(|_| !self.shows_all_cameras),
            search: self.search.as_deref().unwrap_or_default().trim().to_lowercase(),
            newest: self.paused_at.unwrap_or_else(|| self.last_id()),
            n_events: self.events.len(),
        };
        if self.shown_for.as_ref() == Some(&wanted) {
            return;
        }
        let found = |event: &Event| {
            wanted.search.is_empty()
                || event.message.to_lowercase().contains(&wanted.search)
                || event.name.to_lowercase().contains(&wanted.search)
        };
        self.shown = self
            .events
            .iter()
            .rev()
            .filter(|event| event.id <= wanted.newest && wanted.filter.admits(event.level) && found(event))
            .filter(|event| is_of(event, wanted.camera))
            .cloned()
            .collect();
        self.shown_for = Some(wanted);
    }

    fn n_held_back(&self) -> usize {
        let Some(newest) = self.paused_at else { return 0 };
        self.events.iter().rev().take_while(|event| event.id > newest).count()
    }
}

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let camera = (shell.panes.len() > 1).then(|| pane.id());
    shell.log.refresh(camera);
    header(pane, shell, ui);
    // Filter and search may have changed just now.
    shell.log.refresh(camera);
    // Among the lines of several cameras each says whose it is.
    let names = shell.panes.iter().filter(|_| shell.log.shows_all_cameras && shell.panes.len() > 1);
    let names: Vec<_> = names.map(|pane| (pane.id, pane.name.clone())).collect();
    rows(&mut shell.log, &names, ui);
}

fn header(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let wide = ui.available_width() > 470.0;
    let layout = if wide {
        Layout::left_to_right(Align::Center)
    } else {
        Layout::left_to_right(Align::Center).with_main_wrap(true)
    };
    ui.allocate_ui_with_layout(vec2(ui.available_width(), 22.0), layout, |ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
        widgets::title(ui, "Log");
        for (filter, label, help) in Filter::ALL {
            if widgets::chip(ui, label, shell.log.filter == filter, help).clicked() {
                shell.log.filter = filter;
            }
        }
        if shell.panes.len() > 1 {
            let is_on = shell.log.shows_all_cameras;
            if widgets::chip(ui, "every camera", is_on, "Lines of all cameras, not only of the selected one").clicked()
            {
                shell.log.shows_all_cameras = !is_on;
            }
        }
        if wide {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| tools(pane, shell, ui, true));
        } else {
            tools(pane, shell, ui, false);
        }
    });
    search_field(&mut shell.log, ui);
}

fn tools(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, from_right: bool) {
    let n_held_back = shell.log.n_held_back();
    let pause = match (shell.log.paused_at, n_held_back) {
        (None, _) => "pause".to_owned(),
        (Some(_), 0) => "paused".to_owned(),
        (Some(_), n) => format!("paused · {n} new"),
    };
    let mut tools = [
        ("search", shell.log.search.is_some(), "Show only the lines with certain words"),
        (pause.as_str(), shell.log.paused_at.is_some(), "Hold the list still; nothing is lost meanwhile"),
        ("copy", false, "Copy the lines that are shown"),
        ("save…", false, "Write the lines that are shown to a file"),
    ];
    if from_right {
        tools.reverse();
    }
    for (label, is_on, help) in tools {
        if !widgets::chip(ui, label, is_on, help).clicked() {
            continue;
        }
        match label {
            "search" => {
                shell.log.search = if is_on { None } else { Some(String::new()) };
            }
            "copy" => {
                ui.ctx().copy_text(shell.log.as_text());
                let n = shell.log.shown.len();
                shell.toasts.info(format!("Copied {n} {}", if n == 1 { "line" } else { "lines" }), shell.now);
            }
            "save…" => pane.browse(shell, Purpose::Log),
            _ => {
                shell.log.paused_at = if is_on { None } else { Some(shell.log.last_id()) };
            }
        }
    }
}

/// Writes the lines that are shown to a file.
pub(super) struct SaveLog {
    pub path: PathBuf,
    pub text: String,
}

impl fmt::Debug for SaveLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SaveLog").field(&self.path).field(&self.text).finish()
    }
}

impl Task for SaveLog {
    fn thread_name(&self) -> &'static str {
        "save-log"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { path, text } = *self;
        match write_whole(&path, text.as_bytes(), FileAccess::Private) {
            Ok(()) => {
                window.update(move |window| window.shell.saved("Log", &path));
            }
            Err(error) => {
                let advice = write_advice(&error);
                window.fail(format!("The log was not saved: {error}. {advice} {}", path.display()));
            }
        }
    }
}

fn search_field(log: &mut LogState, ui: &mut Ui) {
    let Some(search) = &mut log.search else { return };
    let was_empty = search.is_empty();
    let edit =
        egui::TextEdit::singleline(search).hint_text("Words in the name or the message").desired_width(f32::INFINITY);
    let response = ui.add(edit).accessible_name("Search the log");
    // The field is there because somebody wants to type.
    if was_empty && !response.has_focus() && !response.lost_focus() && ui.memory(|memory| memory.focused().is_none()) {
        response.request_focus();
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Escape)) {
        log.search = None;
    }
}

fn rows(log: &mut LogState, names: &[(CameraId, String)], ui: &mut Ui) {
    if log.shown.is_empty() {
        let words =
            if log.events.is_empty() { "Nothing has happened yet" } else { "No line fits the filter and the search" };
        ui.label(RichText::new(words).size(SMALL).color(Palette::of(ui).text_weak));
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    let mut area = egui::ScrollArea::vertical().id_salt("log").auto_shrink(false);
    if std::mem::take(&mut log.scroll_to_marked)
        && let Some(row) = log.shown.iter().position(|event| Some(event.id) == log.marked)
    {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand rows")]
        let top = row as f32 * ROW_HEIGHT - (ui.available_height() - ROW_HEIGHT) / 2.0;
        area = area.vertical_scroll_offset(top.max(0.0));
    }
    let marked = log.marked;
    area.show_rows(ui, ROW_HEIGHT, log.shown.len(), |ui, range| {
        for event in log.shown.get(range).unwrap_or_default() {
            let name = names.iter().find(|(camera, _)| event.camera == Some(*camera)).map(|(_, name)| name.as_str());
            row(ui, event, name, marked == Some(event.id));
        }
    });
}

/// `camera` is the name of the one that it is about, where that has to be said.
fn row(ui: &mut Ui, event: &Event, camera: Option<&str>, is_marked: bool) {
    let palette = Palette::of(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW_HEIGHT), Sense::hover());
    // With room for the longest names of faults, where the message does not need it more.
    let name_width = match width {
        ..380.0 => 66.0,
        380.0..560.0 => 82.0,
        _ => 104.0,
    };
    let time = text::clock_ms(event.at);
    let message = camera.map_or_else(|| event.message.to_string(), |camera| format!("{camera}: {}", event.message));
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("{time} {} {message}", event.name)));
    let painter = ui.painter();
    if is_marked {
        painter.rect_filled(rect, 4, palette.chosen);
    } else if response.hovered() {
        painter.rect_filled(rect, 4, palette.raised);
    }
    let font = theme::regular(SMALL);
    let (text_color, time_color) =
        if is_marked { (palette.on_chosen, palette.on_chosen) } else { (palette.text, palette.text_weak) };
    let name_color = if is_marked { palette.on_chosen } else { palette.level(event.level) };
    let mut x = rect.left() + 2.0;
    let room = rect.right() - x;
    let mut is_cut = false;
    for (content, color, column) in [
        (time.as_str(), time_color, CLOCK_WIDTH),
        (shown_name(&event.name), name_color, name_width),
        (message.as_str(), text_color, (room - CLOCK_WIDTH - name_width).max(20.0)),
    ] {
        let galley = widgets::one_line(painter, content, font.clone(), color, column - 6.0);
        is_cut |= galley.elided;
        painter.galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, color);
        x += column;
    }
    if is_cut {
        response.on_hover_text(format!("{time} · {}\n{message}", event.name));
    }
}

/// The alerts keep their shouting names in files; among quiet words they would drown the rest.
fn shown_name(name: &str) -> &str {
    match name {
        "CAMERA_ISSUE" => "issue",
        "CAMERA_RECOVERY" => "recovery",
        "CAMERA_CRITICAL" => "critical",
        "CAMERA_DEAD" => "dead",
        "ALL_CAMERAS_DEAD" => "all dead",
        other => other,
    }
}
