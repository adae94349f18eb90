//! Several cameras side by side, in equal tiles: the name of each, how it stands, and what is wrong where it is not live.
//!
//! A tile never moves by itself: the user puts tiles in order, and trouble is marked where it is.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Align2, Color32, CursorIcon, Pos2, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

use super::pane::Pane;
use super::shell::{Sheet, Shell};
use super::text;
use super::theme::{self, Palette, SMALL};
use super::widgets;
use super::window::Window;
use crate::frame::Size;
use crate::settings::{CameraId, MAX_SHOWN};

/// Between two tiles, and around all of them, in points.
const GAP: f32 = 4.0;
/// Of most cameras. With the true one of each, the tiles would change their places when pictures come.
const ASPECT: f32 = 16.0 / 9.0;
/// A layout gives way only to one whose pictures are so much larger: a divider that is dragged does not have the tiles jump to
/// and fro.
const WORTH_A_CHANGE: f32 = 1.15;
/// Of the lines at the top and at the bottom of a tile.
const LINE_HEIGHT: f32 = 24.0;
const RADIUS: u8 = 4;
/// Narrower tiles say too little: where the window scrolls, they are never narrower.
const MIN_WIDTH: f32 = 168.0;
/// A live picture that is older than this says so.
const OLD: Duration = Duration::from_secs(1);

/// What stays between two passes.
#[derive(Default)]
pub struct GridState {
    shape: Option<GridShape>,
    /// Where the tiles were drawn last, in their order.
    tiles: Vec<(CameraId, Rect)>,
    /// The tile that is being dragged to another place.
    dragged: Option<CameraId>,
    /// The tile that has the keyboard's focus: to come to it selects it.
    focused: Option<CameraId>,
}

impl GridState {
    /// The tile at this place.
    #[must_use]
    pub fn at(&self, place: Pos2) -> Option<CameraId> {
        self.tiles.iter().find(|(_, rect)| rect.contains(place)).map(|(id, _)| *id)
    }

    /// As many pixels as the tile of this camera has, or a few more: in steps, so that a divider that is dragged does not ask for
    /// other pictures with each point.
    #[must_use]
    pub fn tile_pixels(&self, id: CameraId, pixels_per_point: f32) -> Option<Size> {
        const STEP: f32 = 64.0;
        let (_, rect) = self.tiles.iter().find(|(tile, _)| *tile == id)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a few thousand pixels")]
        let side = |points: f32| ((points * pixels_per_point / STEP).ceil().clamp(1.0, 200.0) * STEP) as u32;
        Size::new(side(rect.width()), side(rect.height()))
    }

    /// The tile beside the one of this number, so many columns and rows away.
    #[must_use]
    pub fn neighbour(&self, index: usize, columns: isize, rows: isize) -> Option<usize> {
        let shape = self.shape?;
        let column =
            (index % shape.n_columns).checked_add_signed(columns).filter(|column| *column < shape.n_columns)?;
        let row = (index / shape.n_columns).checked_add_signed(rows)?;
        Some(row * shape.n_columns + column).filter(|index| *index < shape.n_tiles)
    }
}

/// In how many rows and columns the tiles stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridShape {
    pub n_tiles: usize,
    pub n_columns: usize,
    pub n_rows: usize,
}

impl GridShape {
    fn with_columns(n_tiles: usize, n_columns: usize) -> Self {
        Self { n_tiles, n_columns, n_rows: n_tiles.div_ceil(n_columns) }
    }

    /// The one with the largest pictures; of equal ones the one that leaves fewer places empty.
    #[must_use]
    pub fn best(n_tiles: usize, room: Vec2) -> Self {
        let n_tiles = n_tiles.max(1);
        let shapes = (1..=n_tiles).map(|n_columns| Self::with_columns(n_tiles, n_columns));
        let n_empty = |shape: &Self| shape.n_columns * shape.n_rows - shape.n_tiles;
        shapes
            .max_by(|a, b| {
                let by_area = a.picture_area(room).total_cmp(&b.picture_area(room));
                by_area.then_with(|| n_empty(b).cmp(&n_empty(a)))
            })
            .unwrap_or(Self::with_columns(n_tiles, 1))
    }

    /// The same, but for the one that is there already where it is nearly as good.
    #[must_use]
    pub fn next(current: Option<Self>, n_tiles: usize, room: Vec2) -> Self {
        let best = Self::best(n_tiles, room);
        let is_good = |current: &Self| {
            current.n_tiles == best.n_tiles && current.picture_area(room) * WORTH_A_CHANGE >= best.picture_area(room)
        };
        current.filter(is_good).unwrap_or(best)
    }

    /// In whole points, so that tiles are equal.
    #[must_use]
    pub fn tile_size(self, room: Vec2) -> Vec2 {
        let side = |length: f32, n: usize| ((length - GAP * (n as f32 - 1.0)) / n as f32).floor().max(1.0);
        vec2(side(room.x, self.n_columns), side(room.y, self.n_rows))
    }

    /// The place of a tile by its number, which may be one that is left empty.
    #[must_use]
    pub fn tile(self, index: usize, room: Rect) -> Rect {
        let size = self.tile_size(room.size());
        let all = vec2(self.n_columns as f32 * (size.x + GAP) - GAP, self.n_rows as f32 * (size.y + GAP) - GAP);
        let first = room.min + ((room.size() - all) / 2.0).floor().max(Vec2::ZERO);
        let (column, row) = (index % self.n_columns, index / self.n_columns);
        Rect::from_min_size(first + vec2(column as f32, row as f32) * (size + Vec2::splat(GAP)), size)
    }

    fn picture_area(self, room: Vec2) -> f32 {
        let tile = self.tile_size(room);
        let width = tile.x.min(tile.y * ASPECT);
        width * width / ASPECT
    }

    /// How high the grid is in a window that scrolls: as high as one picture would be, unless its tiles were too small then.
    #[must_use]
    pub fn scrolled_height(n_tiles: usize, width: f32, usual: f32) -> f32 {
        let room = |height: f32| vec2(width - 2.0 * GAP, height - 2.0 * GAP);
        let tile = Self::best(n_tiles, room(usual)).tile_size(room(usual));
        if tile.x >= MIN_WIDTH && tile.y >= MIN_WIDTH / ASPECT {
            return usual;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 16")]
        let most = (width / MIN_WIDTH).floor().clamp(1.0, MAX_SHOWN as f32) as usize;
        let shape = Self::with_columns(n_tiles.max(1), most.min(n_tiles.max(1)));
        let tile_width = shape.tile_size(room(usual)).x;
        shape.n_rows as f32 * (tile_width / ASPECT + GAP) + GAP
    }
}

/// What the user did in the grid.
enum GridAction {
    Select(CameraId),
    ShowAlone(CameraId),
    Swap(CameraId, CameraId),
    Remove(CameraId),
}

pub fn draw(window: &mut Window, ui: &mut Ui) {
    let stage = ui.available_rect_before_wrap();
    ui.allocate_rect(stage, Sense::hover());
    ui.painter().rect_filled(stage, 0, Palette::of(ui).stage);
    let Window { panes, shell, grid, selected, .. } = window;
    shell.stage = Some(stage.intersect(ui.clip_rect()));
    let room = stage.shrink(GAP);
    let shape = GridShape::next(grid.shape, panes.len(), room.size());
    grid.shape = Some(shape);
    let pointer = ui.input(|input| input.pointer.interact_pos());
    let target = grid.dragged.and(pointer).and_then(|at| grid.at(at));
    grid.tiles.clear();
    let had_focus = grid.focused.take();
    let mut action = None;
    for (index, pane) in panes.iter_mut().enumerate() {
        let rect = shape.tile(index, room);
        let id = pane.id();
        grid.tiles.push((id, rect));
        let response = tile(pane, shell, ui, rect, index + 1, *selected == id);
        if response.double_clicked() || response.has_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter)) {
            action = Some(GridAction::ShowAlone(id));
        } else if response.clicked() || response.has_focus() && had_focus != Some(id) {
            action = Some(GridAction::Select(id));
        }
        if response.has_focus() {
            grid.focused = Some(id);
        }
        if response.drag_started() {
            grid.dragged = Some(id);
        }
        if target == Some(id) && grid.dragged != Some(id) {
            ui.painter().rect_filled(rect, RADIUS, Palette::of(ui).accent.gamma_multiply(0.35));
        }
        response.context_menu(|ui| {
            if ui.button("Show alone").clicked() {
                action = Some(GridAction::ShowAlone(id));
            }
            if ui.button("Remove from the grid").clicked() {
                action = Some(GridAction::Remove(id));
            }
        });
    }
    if let Some(dragged) = grid.dragged {
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
        if !ui.input(|input| input.pointer.any_down()) {
            grid.dragged = None;
            let other = pointer.and_then(|at| grid.at(at)).filter(|other| *other != dragged);
            action = other.map(|other| GridAction::Swap(dragged, other)).or(action);
        }
    }
    let is_full = panes.len() >= shape.n_columns * shape.n_rows || panes.len() >= MAX_SHOWN;
    if !is_full && empty_place(ui, shape.tile(panes.len(), room)).clicked() {
        shell.sheet = Some(Sheet::AddCamera);
    }
    match action {
        Some(GridAction::Select(id)) => window.select(id),
        Some(GridAction::ShowAlone(id)) => window.show_alone(id),
        Some(GridAction::Swap(one, other)) => window.swap(one, other),
        Some(GridAction::Remove(id)) => window.remove(id),
        None => {}
    }
}

fn empty_place(ui: &Ui, rect: Rect) -> egui::Response {
    let response = ui.interact(rect, ui.scope_id().with("empty place"), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Add another camera"));
    let palette = Palette::over_picture();
    let color = if response.hovered() { palette.text } else { palette.text_weak.gamma_multiply(0.8) };
    ui.painter().rect_stroke(rect, RADIUS, Stroke::new(1.0, palette.line), StrokeKind::Inside);
    let words = widgets::one_line(ui.painter(), "+ Add camera", theme::regular(theme::BODY), color, rect.width() - 8.0);
    ui.painter().galley(rect.center() - words.size() / 2.0, words, color);
    widgets::focus_ring(ui, &response, RADIUS);
    response
}

/// What a tile says.
struct TileText {
    /// How it stands, from much to little: as much of it is shown as there is room.
    state: Vec<String>,
    color: Color32,
    /// What is wrong, or how old the picture is; empty where there is nothing to say.
    below: String,
    is_trouble: bool,
}

fn describe(pane: &Pane, shell: &Shell) -> TileText {
    let palette = Palette::over_picture();
    let moment = pane.moment(shell.now);
    let pauses = pane.checkup.pauses();
    let word = format!("{}{}", pane.recording_mark(), text::state_word(moment, pauses));
    let color = if pauses { palette.info } else { theme::state_color(&palette, moment.map(|moment| moment.status)) };
    let Some(moment) = moment else {
        return TileText { state: vec![word], color, below: String::new(), is_trouble: false };
    };
    let status = moment.status;
    let banner = if pauses { Some(text::paused()) } else { text::banner(moment, &pane.settings.recovery) };
    let is_trouble = banner.as_ref().is_some_and(|banner| banner.is_fault);
    let below = banner.map(|banner| if banner.is_fault { banner.reason } else { banner.headline });
    if moment.is_live() && !pauses {
        let score = status.health_score.map(|score| format!(" · {score}")).unwrap_or_default();
        let rate = format!(" · {:.1} fps", status.fps);
        let age = pane.viewer.shown_age(shell.now).filter(|age| *age > OLD);
        let age = age.map(|age| format!("picture {} old", text::span(age.as_secs_f64())));
        let state = vec![format!("{word}{score}{rate}"), format!("{word}{score}"), word];
        return TileText { state, color, below: below.or(age).unwrap_or_default(), is_trouble };
    }
    let outage = moment.outage_span().map(|span| format!("{word} · {span}"));
    let state = outage.into_iter().chain([word]).collect();
    TileText { state, color, below: below.unwrap_or_default(), is_trouble }
}

fn tile(pane: &mut Pane, shell: &Shell, ui: &Ui, rect: Rect, number: usize, is_selected: bool) -> egui::Response {
    let response = ui.interact(rect, ui.scope_id().with(("tile", pane.id())), Sense::click_and_drag());
    if let Some(frame) = pane.frame.clone() {
        pane.viewer.show(ui.ctx(), &frame, shell.now);
    }
    let told = describe(pane, shell);
    let name = pane.name();
    let spoken = [format!("{number}. {name}"), told.state.first().cloned().unwrap_or_default(), told.below.clone()];
    let spoken = spoken.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, is_selected, &spoken));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let palette = Palette::over_picture();
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.rect_filled(rect, RADIUS, Color32::BLACK);
    let is_live = pane.is_live(shell.now) && !pane.checkup.pauses();
    if !pane.viewer.paint(&painter, rect, is_live) {
        let words = if told.is_trouble { "No picture so far" } else { "Waiting for the picture" };
        let words = widgets::one_line(&painter, words, theme::regular(SMALL), palette.text_weak, rect.width() - 12.0);
        painter.galley(rect.center() - words.size() / 2.0, words, palette.text_weak);
    }
    let top = Rect::from_min_size(rect.min, vec2(rect.width(), LINE_HEIGHT));
    let surface =
        if told.is_trouble { palette.warning_surface.gamma_multiply(0.95) } else { Color32::from_black_alpha(190) };
    painter.rect_filled(top, RADIUS, surface);
    head(&painter, top, number, &name, &told, is_selected);
    // Where the two lines would take all of the tile, the picture counts more.
    if !told.below.is_empty() && rect.height() > 2.5 * LINE_HEIGHT {
        let below = Rect::from_min_max(pos2(rect.left(), rect.bottom() - LINE_HEIGHT), rect.max);
        painter.rect_filled(below, RADIUS, surface);
        let color = if told.is_trouble { Color32::from_rgb(0xff, 0xd9, 0x8a) } else { palette.text };
        let words = widgets::one_line(&painter, &told.below, theme::regular(SMALL), color, below.width() - 16.0);
        painter.galley(pos2(below.left() + 8.0, below.center().y - words.size().y / 2.0), words, color);
    }
    let edge = match (is_selected, told.is_trouble) {
        (true, _) => Stroke::new(2.0, Palette::of(ui).accent),
        (false, true) => Stroke::new(1.0, told.color),
        (false, false) => Stroke::new(1.0, palette.line),
    };
    painter.rect_stroke(rect, RADIUS, edge, StrokeKind::Inside);
    if response.has_focus() {
        painter.rect_stroke(rect.shrink(3.0), RADIUS, Stroke::new(2.0, palette.text_strong), StrokeKind::Inside);
    }
    if told.below.is_empty() { response } else { response.on_hover_text(format!("{name}\n{}", told.below)) }
}

/// The line at the top: the name at the left, as much of the state as there is room for at the right.
fn head(painter: &egui::Painter, line: Rect, number: usize, name: &str, told: &TileText, is_selected: bool) {
    const MARGIN: f32 = 8.0;
    const DOT: f32 = 14.0;
    let palette = Palette::over_picture();
    let middle = line.center().y;
    painter.circle_filled(pos2(line.left() + MARGIN + 4.0, middle), 4.0, told.color);
    let room = line.width() - 2.0 * MARGIN - DOT;
    let font = if is_selected { theme::semibold(SMALL) } else { theme::regular(SMALL) };
    let name = format!("{number}  {name}");
    let name_width = painter.layout_no_wrap(name.clone(), font.clone(), palette.text_strong).size().x;
    let lay_out = |words: &String| painter.layout_no_wrap(words.clone(), theme::regular(SMALL), told.color);
    let states: Vec<_> = told.state.iter().map(lay_out).collect();
    // The name may lose its end, but not more than half of the room.
    let fits = |state: &&std::sync::Arc<egui::Galley>| {
        widgets::steady_width(state.size().x) + 10.0 + name_width.min(room * 0.5) <= room
    };
    let state = states.iter().find(fits).or(states.last());
    let state_width = state.map_or(0.0, |state| widgets::steady_width(state.size().x));
    if let Some(state) = state {
        painter.galley(
            pos2(line.right() - MARGIN - state.size().x, middle - state.size().y / 2.0),
            state.clone(),
            told.color,
        );
    }
    let name = widgets::one_line(painter, &name, font, palette.text_strong, (room - state_width - 10.0).max(12.0));
    painter.galley(pos2(line.left() + MARGIN + DOT, middle - name.size().y / 2.0), name, palette.text_strong);
}

/// Over everything while a file is held over the window.
pub fn draw_drop_hint(window: &Window, ui: &Ui) {
    if ui.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let Some(stage) = window.shell.stage else { return };
    let palette = Palette::over_picture();
    let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop hint")));
    painter.rect_filled(stage, 0, Color32::from_black_alpha(140));
    painter.rect_stroke(stage.shrink(6.0), 8, Stroke::new(2.0, palette.accent), StrokeKind::Inside);
    let words = if window.panes.len() > 1 {
        "Drop it on a tile to show it there, or beside the tiles to add it"
    } else {
        "Drop it to show it here"
    };
    painter.text(stage.center(), Align2::CENTER_CENTER, words, theme::semibold(16.0), palette.text_strong);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of rows and columns that has room for so many, whatever else is said of it.
    fn largest_by_trying(n_tiles: usize, room: Vec2) -> f32 {
        let pairs = (1..=n_tiles).flat_map(|rows| (1..=n_tiles).map(move |columns| (rows, columns)));
        let shapes = pairs.filter(|(rows, columns)| rows * columns >= n_tiles);
        shapes
            .map(|(n_rows, n_columns)| GridShape { n_tiles, n_columns, n_rows }.picture_area(room))
            .fold(0.0, f32::max)
    }

    #[test]
    fn tiles_are_equal_and_as_large_as_can_be() {
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        for n_tiles in 1..=MAX_SHOWN {
            for _ in 0..60 {
                let room = Rect::from_min_size(
                    pos2(rng.f32() * 300.0, rng.f32() * 100.0),
                    vec2(200.0 + rng.f32() * 3_600.0, 120.0 + rng.f32() * 1_900.0),
                );
                let told = format!("seed {seed}, {n_tiles} tiles in {room:?}");
                let shape = GridShape::best(n_tiles, room.size());
                assert!(
                    (shape.picture_area(room.size()) - largest_by_trying(n_tiles, room.size())).abs() < 0.5,
                    "{told}"
                );
                let tiles: Vec<_> = (0..n_tiles).map(|index| shape.tile(index, room)).collect();
                for (i, tile) in tiles.iter().enumerate() {
                    assert!(room.expand(0.01).contains_rect(*tile), "{told}: {tile:?}");
                    assert!((tile.size() - tiles[0].size()).length() < 0.01, "{told}");
                    for other in &tiles[i + 1..] {
                        assert!(!tile.shrink(0.01).intersects(*other), "{told}: {tile:?} {other:?}");
                    }
                }
                // No row and no column is empty.
                assert!((shape.n_rows - 1) * shape.n_columns < n_tiles, "{told}");
            }
        }
    }

    #[test]
    fn usual_windows_have_usual_layouts() {
        #[track_caller]
        fn check(n_tiles: usize, room: (f32, f32), columns_and_rows: (usize, usize)) {
            let shape = GridShape::best(n_tiles, vec2(room.0, room.1));
            assert_eq!((shape.n_columns, shape.n_rows), columns_and_rows);
        }
        let wide = (1080.0, 590.0);
        check(1, wide, (1, 1));
        check(2, wide, (2, 1));
        check(4, wide, (2, 2));
        check(5, wide, (3, 2));
        check(9, wide, (3, 3));
        check(12, wide, (4, 3));
        check(16, wide, (4, 4));
        check(2, (600.0, 900.0), (1, 2));
        check(3, (2_000.0, 300.0), (3, 1));
    }

    /// A divider that is dragged changes the layout once at most on its way, and not back again in the same place.
    #[test]
    fn the_layout_does_not_jump() {
        for n_tiles in 2..=MAX_SHOWN {
            let mut shape = None;
            let (mut n_changes, mut last) = (0, None);
            // There and back, in small steps that tremble.
            let heights = (300..900).chain((300..900).rev());
            for (step, height) in heights.enumerate() {
                let tremble = if step % 2 == 0 { 3.0 } else { -3.0 };
                let next = GridShape::next(shape, n_tiles, vec2(1_080.0, height as f32 + tremble));
                n_changes += usize::from(last.is_some_and(|last| last != next));
                (shape, last) = (Some(next), Some(next));
            }
            assert!(n_changes <= 2 * 4, "{n_tiles} tiles: {n_changes} changes");
        }
        // One more camera is another layout at once.
        let four = GridShape::next(None, 4, vec2(1_080.0, 590.0));
        assert_eq!(GridShape::next(Some(four), 5, vec2(1_080.0, 590.0)).n_columns, 3);
    }

    #[test]
    fn neighbours_are_found_and_the_edges_are_ends() {
        let shape = Some(GridShape { n_tiles: 5, n_columns: 3, n_rows: 2 });
        let grid = GridState { shape, ..GridState::default() };
        let of = |index, columns, rows| grid.neighbour(index, columns, rows);
        assert_eq!([of(0, 1, 0), of(2, 1, 0), of(0, -1, 0)], [Some(1), None, None]);
        assert_eq!([of(1, 0, 1), of(2, 0, 1), of(4, 0, -1), of(1, 0, -1)], [Some(4), None, Some(1), None]);
    }

    #[test]
    fn where_the_window_scrolls_tiles_are_not_too_small() {
        assert!(GridShape::scrolled_height(16, 480.0, 210.0) > 8.0 * 100.0);
        let usual = GridShape::scrolled_height(2, 480.0, 210.0);
        assert!((usual - 210.0).abs() < 0.1, "{usual}");
        assert!(GridShape::scrolled_height(1, 100.0, 210.0).is_finite());
    }
}
