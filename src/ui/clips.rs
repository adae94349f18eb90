//! The list of clips: what was recorded and why, to be shown, kept, deleted and copied.
//!
//! Everything that asks the disk is a task: the window shows the list as it was read last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use egui::accesskit::Role;
use egui::{Align, Color32, Label, Layout, Rect, RichText, Sense, TextureHandle, Ui, WidgetInfo, pos2, vec2};
use jiff::Timestamp;

use super::pane::Pane;
use super::player::{ClipPlayer, started_words};
use super::prompt::Purpose;
use super::shell::{Sheet, Shell};
use super::text::{self, file_size};
use super::theme::{self, Palette, SMALL};
use super::toasts::OpenFolder;
use super::widgets;
use super::window::Window;
use crate::clips::{Clip, ClipKind, ClipState};
use crate::frame::Size;

mod jobs;

pub(super) use jobs::ClipJob;
use jobs::{ChangeClip, ClipChange};

/// What stays between two passes.
#[derive(Default)]
pub struct ClipsState {
    /// The newest first, as they were when the folder was read last, and in which folder.
    clips: Vec<Clip>,
    folder: PathBuf,
    /// Why there is no list.
    trouble: Option<String>,
    /// The folder is being read.
    is_asked: bool,
    /// It has to be read again.
    is_stale: bool,
    /// How many clips the recorders had told of when the folder was to be read last.
    n_told: Option<u64>,
    filter: ClipsFilter,
    search: String,
    selected: Option<PathBuf>,
    /// The one of which it is asked whether it shall be deleted.
    doomed: Option<PathBuf>,
    thumbnails: BTreeMap<PathBuf, Thumbnail>,
    work: Option<ClipWork>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ClipsFilter {
    #[default]
    All,
    Faults,
    ByHand,
    Recordings,
}

impl ClipsFilter {
    const ALL: [(Self, &str, &str); 4] = [
        (Self::All, "All clips", "Whatever was recorded"),
        (Self::Faults, "Faults", "Clips that were made because something was wrong"),
        (Self::ByHand, "By hand", "Clips of “Save the last … s”"),
        (Self::Recordings, "Recordings", "What was recorded all the time, and time lapses"),
    ];

    fn admits(self, kind: ClipKind) -> bool {
        match self {
            Self::All => true,
            Self::Faults => matches!(kind, ClipKind::Fault | ClipKind::Alert),
            Self::ByHand => kind == ClipKind::Manual,
            Self::Recordings => matches!(kind, ClipKind::Continuous | ClipKind::TimeLapse),
        }
    }
}

/// A small picture of a clip.
enum Thumbnail {
    Asked,
    Made(TextureHandle),
    /// There is none.
    Missing,
}

/// In points, and in pixels of what is made.
const THUMBNAIL: egui::Vec2 = vec2(85.0, 48.0);
const THUMBNAIL_PIXELS: Size = Size { width: 170, height: 96 };
/// More are not kept: they are made again.
const MAX_THUMBNAILS: usize = 400;
const ROW_HEIGHT: f32 = 56.0;
/// From so much on it is told in these.
const GB: u64 = 1_000_000_000;

/// What is being done with clips.
struct ClipWork {
    /// As in “Exporting”.
    what: &'static str,
    done_bytes: u64,
    all_bytes: u64,
    is_stopped: Arc<AtomicBool>,
}

/// Why a clip was made, for people.
#[must_use]
pub fn reason_words(clip: &Clip) -> String {
    let cause = clip.name.reason.cause().replace('-', " ");
    let told = |what: &str| if cause.is_empty() { what.to_owned() } else { format!("{what}: {cause}") };
    match clip.kind() {
        ClipKind::Fault => told("Fault"),
        ClipKind::Alert => told("Alert"),
        ClipKind::Manual => "Saved by hand".to_owned(),
        ClipKind::Continuous => "Recording".to_owned(),
        ClipKind::TimeLapse => "Time lapse".to_owned(),
        ClipKind::Recovered => "Recovered".to_owned(),
        ClipKind::Unknown => text::capitalised(&cause),
    }
}

/// The same in the words in which it was told.
fn cause_words(clip: &Clip) -> String {
    let fault = clip.about().and_then(|about| about.fault.as_ref()).map(|fault| fault.message.to_string());
    let gap = || clip.about().and_then(|about| about.gaps.first()).map(|gap| gap.cause.to_string());
    fault.or_else(gap).unwrap_or_default()
}

impl ClipsState {
    /// The clip of a camera that shows this moment, by the source that the status names.
    #[must_use]
    pub fn clip_at(&self, source: &str, at: Timestamp) -> Option<&Clip> {
        let shows = |clip: &&Clip| {
            let is_it = clip.about().is_some_and(|about| about.source.as_str() == source && about.ended.at() >= at);
            is_it && clip.name.started.at() <= at
        };
        // The one that was made for it, where all is recorded besides.
        let of_faults = self.clips.iter().filter(shows).find(|clip| clip.kind() == ClipKind::Fault);
        of_faults.or_else(|| self.clips.iter().find(shows))
    }

    /// The newest clip of a fault of a camera.
    #[must_use]
    pub fn newest_of_fault(&self, source: &str) -> Option<&Clip> {
        let is_it = |clip: &&Clip| clip.kind() == ClipKind::Fault && clip.state == ClipState::Closed;
        self.clips.iter().filter(is_it).find(|clip| clip.about().is_some_and(|about| about.source.as_str() == source))
    }

    /// By their places in the list.
    fn shown(&self) -> Vec<usize> {
        let search = self.search.trim().to_lowercase();
        let found = |clip: &Clip| {
            let words = [clip.camera().to_string(), reason_words(clip), cause_words(clip), started_words(clip)];
            search.is_empty() || words.iter().any(|words| words.to_lowercase().contains(&search))
        };
        let is_shown = |clip: &Clip| self.filter.admits(clip.kind()) && found(clip);
        self.clips.iter().enumerate().filter(|(_, clip)| is_shown(clip)).map(|(index, _)| index).collect()
    }

    fn selected_clip(&self) -> Option<&Clip> {
        let selected = self.selected.as_ref()?;
        self.clips.iter().find(|clip| clip.path == *selected)
    }

    /// The one that is selected, else all that are listed.
    fn chosen(&self) -> BTreeSet<PathBuf> {
        if let Some(clip) = self.selected_clip() {
            return [clip.path.clone()].into();
        }
        self.shown().into_iter().filter_map(|index| self.clips.get(index)).map(|clip| clip.path.clone()).collect()
    }
}

/// Reads the folder again where clips have come.
pub(super) fn follow(window: &mut Window) {
    let told = window.panes.iter().filter_map(|pane| pane.recording.news.as_ref()).map(|news| news.recording.clips);
    // Where nobody records, whoever opens the list has the folder read.
    let n_told = told.reduce(u64::saturating_add);
    let shell = &mut window.shell;
    if shell.clips.n_told != n_told {
        // Fewer: a recorder has ended, and has closed its clip.
        shell.clips.n_told = n_told;
        shell.clips.is_stale = true;
    }
    if shell.clips.is_stale {
        shell.list_clips();
    }
}

/// A name for the zip, or the folder, that tells what is in it.
#[must_use]
pub fn suggestion(shell: &Shell) -> String {
    let newest = shell.clips.selected_clip().or(shell.clips.clips.first());
    named_by("camclinic-clips", newest)
}

/// The same for what the player has.
#[must_use]
pub fn suggestion_for_part(shell: &Shell) -> String {
    named_by("camclinic-clip", shell.player.as_ref().map(ClipPlayer::clip))
}

fn named_by(what: &str, clip: Option<&Clip>) -> String {
    let when =
        clip.map_or_else(String::new, |clip| format!("-{}", clip.name.started.local().strftime("%Y-%m-%d_%H-%M-%S")));
    format!("{what}{when}")
}

// ---- drawn

pub fn draw(pane: &mut Pane, shell: &mut Shell, ctx: &egui::Context) {
    // The field for a path lies over it.
    if shell.prompt.is_some() || shell.sheet != Some(Sheet::Clips) {
        return;
    }
    shell.context.get_or_insert_with(|| ctx.clone());
    let mut open = true;
    widgets::sheet(ctx, "Clips", 860.0, &mut open, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        head(shell, ui);
        let shown = shell.clips.shown();
        // The buttons below it are always in sight.
        let height = (ctx.content_rect().height() - 270.0).max(2.0 * ROW_HEIGHT);
        rows(shell, ui, &shown, height);
        foot(pane, shell, ui, shown.len());
    });
    if !open {
        shell.sheet = shell.sheet.filter(|sheet| *sheet != Sheet::Clips);
    }
}

fn head(shell: &mut Shell, ui: &mut Ui) {
    let clips = &mut shell.clips;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for (filter, label, help) in ClipsFilter::ALL {
            if widgets::chip(ui, label, clips.filter == filter, help).clicked() {
                clips.filter = filter;
            }
        }
        let edit =
            egui::TextEdit::singleline(&mut clips.search).hint_text("Camera, cause or date").desired_width(180.0);
        ui.add(edit).accessible_name("Search the clips");
    });
}

fn rows(shell: &mut Shell, ui: &mut Ui, shown: &[usize], height: f32) {
    let weak = Palette::of(ui).text_weak;
    if shown.is_empty() {
        let words = match &shell.clips.trouble {
            Some(trouble) => format!("⚠ {trouble}"),
            None if shell.clips.is_asked && shell.clips.clips.is_empty() => "Looking…".to_owned(),
            None if shell.clips.clips.is_empty() => {
                "There is no clip yet. “Watch for faults” in the section Recording makes one of each fault; Record (R) \
                 records from now on."
                    .to_owned()
            }
            None => "No clip fits the filter and the search.".to_owned(),
        };
        ui.add_sized(vec2(ui.available_width(), height), Label::new(RichText::new(words).color(weak)).wrap());
        return;
    }
    let mut seen = Vec::new();
    let mut clicked = None;
    egui::ScrollArea::vertical()
        .id_salt("clips")
        .max_height(height)
        .min_scrolled_height(height)
        .auto_shrink([false, false])
        .show_rows(ui, ROW_HEIGHT, shown.len(), |ui, range| {
            for clip in shown.get(range).unwrap_or_default().iter().filter_map(|index| shell.clips.clips.get(*index)) {
                let is_selected = shell.clips.selected.as_ref() == Some(&clip.path);
                let response = row(ui, clip, shell.clips.thumbnails.get(&clip.path), is_selected);
                if response.double_clicked() {
                    clicked = Some((clip.clone(), true));
                } else if response.clicked() {
                    clicked = Some((clip.clone(), false));
                }
                seen.push(clip.clone());
            }
        });
    shell.ask_for_thumbnail(&seen);
    match clicked {
        Some((clip, true)) => play(shell, &clip),
        Some((clip, false)) => {
            let is_selected = shell.clips.selected.as_ref() == Some(&clip.path);
            shell.clips.selected = (!is_selected).then_some(clip.path);
            shell.clips.doomed = None;
        }
        None => {}
    }
}

fn play(shell: &mut Shell, clip: &Clip) {
    shell.play_clip(clip, None);
    shell.sheet = None;
}

fn row(ui: &mut Ui, clip: &Clip, thumbnail: Option<&Thumbnail>, is_selected: bool) -> egui::Response {
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::click());
    let length = clip.secs().map_or_else(|| "length unknown".to_owned(), text::span);
    let size = file_size(usize::try_from(clip.bytes).unwrap_or(usize::MAX));
    let mut facts = vec![length, size];
    if clip.state == ClipState::Unfinished {
        facts.push("being recorded".to_owned());
    } else if clip.about().is_none() {
        facts.push("nothing stands beside it".to_owned());
    }
    if clip.is_protected() {
        facts.push("protected".to_owned());
    }
    let title = format!("{}  {}", started_words(clip), clip.camera());
    let reason = reason_words(clip);
    let facts = facts.join(" · ");
    let spoken = format!("{title}, {reason}, {facts}");
    response.widget_info(|| WidgetInfo::selected(Role::ListItem, true, is_selected, &spoken));
    let painter = ui.painter();
    let (strong, weak) = match (is_selected, response.hovered()) {
        (true, _) => {
            painter.rect_filled(rect, 6, palette.chosen);
            (palette.on_chosen, palette.on_chosen)
        }
        (false, is_hovered) => {
            if is_hovered {
                painter.rect_filled(rect, 6, palette.raised);
            }
            (palette.text_strong, palette.text_weak)
        }
    };
    widgets::focus_ring(ui, &response, 6);
    let picture = Rect::from_min_size(pos2(rect.left() + 4.0, rect.top() + 4.0), THUMBNAIL);
    painter.rect_filled(picture, 3, palette.sunken);
    if let Some(Thumbnail::Made(texture)) = thumbnail {
        let size = texture.size_vec2();
        let scale = (picture.width() / size.x).min(picture.height() / size.y);
        let place = Rect::from_center_size(picture.center(), size * scale);
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(texture.id(), place, whole, Color32::WHITE);
    }
    let left = picture.right() + 12.0;
    let room = rect.right() - left - 8.0;
    let cause = cause_words(clip);
    let said = if cause.is_empty() { reason } else { format!("{reason} — {cause}") };
    for (words, font, color, y) in [
        (title.as_str(), theme::semibold(theme::BODY), strong, 11.0),
        (said.as_str(), theme::regular(SMALL), strong, 28.0),
        (facts.as_str(), theme::regular(SMALL), weak, 45.0),
    ] {
        let galley = widgets::one_line(painter, words, font, color, room);
        painter.galley(pos2(left, rect.top() + y - galley.size().y / 2.0), galley, color);
    }
    if cause.is_empty() { response } else { response.on_hover_text(cause) }
}

fn foot(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui, n_shown: usize) {
    let palette = Palette::of(ui);
    let selected = shell.clips.selected_clip().cloned();
    let bytes = shell.clips.clips.iter().fold(0_u64, |sum, clip| sum.saturating_add(clip.bytes));
    let n_clips = shell.clips.clips.len();
    let size = if bytes < GB { file_size(usize::try_from(bytes).unwrap_or(usize::MAX)) } else { text::bytes(bytes) };
    let counted = format!("{n_shown} of {n_clips}, {size} in all, in");
    let folder = shell.clips.folder.display().to_string();
    ui.horizontal(|ui| {
        ui.label(RichText::new(counted).size(SMALL).color(palette.text_weak));
        ui.add(Label::new(RichText::new(&folder).size(SMALL).color(palette.text_weak)).truncate())
            .on_hover_text(&folder);
    });
    if let Some(work) = &shell.clips.work {
        let share = work.done_bytes as f32 / work.all_bytes.max(1) as f32;
        ui.horizontal(|ui| {
            let words = format!("{} {:.0} %", work.what, share * 100.0);
            ui.add(egui::ProgressBar::new(share).desired_width(ui.available_width() - 90.0).text(words));
            if widgets::button(ui, "Stop", false, "Leave off, and leave nothing behind").clicked() {
                work.is_stopped.store(true, Ordering::Relaxed);
            }
        });
        return;
    }
    if let Some(clip) = selected.as_ref().filter(|clip| shell.clips.doomed.as_ref() == Some(&clip.path)) {
        let protected = if clip.is_protected() { " It is protected." } else { "" };
        let words = format!("Delete the clip of {} for good?{protected}", started_words(clip));
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(words).color(palette.warning));
            if widgets::button(ui, "Delete for good", false, "The file is gone then").clicked() {
                shell.clips.doomed = None;
                shell.clips.selected = None;
                let change =
                    ChangeClip { folder: shell.clips.folder.clone(), clip: clip.clone(), change: ClipChange::Delete };
                shell.run(change);
            }
            if widgets::button(ui, "Keep it", true, "Delete nothing").clicked() {
                shell.clips.doomed = None;
            }
        });
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        ui.add_enabled_ui(selected.is_some(), |ui| one_clip(shell, ui, selected.as_ref()));
        ui.add_enabled_ui(n_shown > 0, |ui| {
            let which = if selected.is_some() { "the selected clip" } else { "all clips of this list" };
            let help = format!(
                "Pack {which} into one zip, with what happened as text, and compare each with what was recorded"
            );
            if widgets::button(ui, "Export…", false, &help).clicked() {
                pane.browse(shell, Purpose::ExportClips);
            }
            let help = format!("Copy {which} into a new folder, with a list of what is in it, and compare each");
            if widgets::button(ui, "Archive…", false, &help).clicked() {
                pane.browse(shell, Purpose::ArchiveClips);
            }
            let help = "Read every clip of the folder, and tell which are not as they were written";
            if widgets::button(ui, "Check all", false, help).clicked() {
                shell.begin_clip_job(ClipJob::Check);
            }
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::button(ui, "Open folder", false, "Show the folder in the system's file manager").clicked() {
                let of_clip = selected.as_ref().and_then(|clip| clip.path.parent()).map(Path::to_owned);
                let folder = of_clip.unwrap_or_else(|| shell.clips.folder.clone());
                shell.run(OpenFolder(folder));
            }
        });
    });
}

/// The buttons for the one that is selected.
fn one_clip(shell: &mut Shell, ui: &mut Ui, clip: Option<&Clip>) {
    let is_play_wanted = widgets::button(ui, "Play clip", true, "Show it in the place of the live picture").clicked();
    let may_change = clip.is_some_and(|clip| clip.about().is_some());
    let is_protected = clip.is_some_and(Clip::is_protected);
    let label = if is_protected && may_change { "Unprotect" } else { "Protect" };
    let help = "A protected clip is not deleted by age, and last for want of room. Those of faults are, unless you say otherwise";
    let is_change_wanted = ui.add_enabled_ui(may_change, |ui| widgets::button(ui, label, false, help).clicked()).inner;
    let is_closed = clip.is_some_and(|clip| clip.state == ClipState::Closed);
    let is_end_wanted =
        ui.add_enabled_ui(is_closed, |ui| widgets::button(ui, "Delete…", false, "Asks once more").clicked()).inner;
    let Some(clip) = clip else { return };
    if is_play_wanted {
        play(shell, clip);
    }
    if is_change_wanted {
        let folder = shell.clips.folder.clone();
        shell.run(ChangeClip { folder, clip: clip.clone(), change: ClipChange::Protect(!is_protected) });
    }
    if is_end_wanted {
        shell.clips.doomed = Some(clip.path.clone());
    }
}
