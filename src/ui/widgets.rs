//! The few widgets of which all panels are made, so that they look and behave alike.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{
    Align, Align2, Color32, CornerRadius, FontId, Frame, Layout, Margin, Pos2, Rect, Response, RichText, Sense, Shape,
    Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::text;
use super::theme::{self, CONTROL_HEIGHT, Palette, RADIUS, SMALL};
use crate::settings::Tunable;

/// Room for the reset arrow at the end of a row, taken whether it is there or not.
const RESET_WIDTH: f32 = 20.0;
const LABEL_WIDTH: f32 = 120.0;
const WIDE_LABEL_WIDTH: f32 = 150.0;
const FIELD_WIDTH: f32 = 92.0;

/// A small drawing: crisp at every scale, and there on every system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Start,
    Stop,
    /// A ring, and a red dot while it is done.
    Record,
    Recording,
    Gear,
    Down,
    Right,
    Cross,
    Check,
    Dash,
}

/// Red, in the dark and in the light.
const RECORDING: Color32 = Color32::from_rgb(0xe0, 0x3c, 0x3c);

impl Icon {
    pub fn paint(self, painter: &egui::Painter, center: Pos2, size: f32, color: Color32) {
        let half = size / 2.0;
        let at = |x: f32, y: f32| center + vec2(x * half, y * half);
        match self {
            Self::Start => {
                let points = vec![at(-0.75, -1.0), at(1.0, 0.0), at(-0.75, 1.0)];
                painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
            }
            Self::Stop => {
                painter.rect_filled(Rect::from_center_size(center, vec2(size, size) * 0.9), 1.0, color);
            }
            Self::Record => {
                painter.circle_stroke(center, half * 0.85, Stroke::new(1.5, color));
            }
            Self::Recording => {
                painter.circle_filled(center, half, RECORDING);
            }
            Self::Down => {
                let points = vec![at(-0.9, -0.5), at(0.9, -0.5), at(0.0, 0.7)];
                painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
            }
            Self::Right => {
                let points = vec![at(-0.5, -0.9), at(0.7, 0.0), at(-0.5, 0.9)];
                painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
            }
            Self::Cross => {
                let stroke = Stroke::new(1.5, color);
                painter.line_segment([at(-0.8, -0.8), at(0.8, 0.8)], stroke);
                painter.line_segment([at(-0.8, 0.8), at(0.8, -0.8)], stroke);
            }
            Self::Check => {
                let stroke = Stroke::new(1.5, color);
                painter.line(vec![at(-0.9, 0.1), at(-0.25, 0.75), at(0.95, -0.7)], stroke);
            }
            Self::Dash => {
                painter.line_segment([at(-0.8, 0.0), at(0.8, 0.0)], Stroke::new(1.5, color));
            }
            Self::Gear => {
                for tooth in 0..8_u8 {
                    let (sin, cos) = (f32::from(tooth) * std::f32::consts::FRAC_PI_4).sin_cos();
                    let stroke = Stroke::new(size * 0.17, color);
                    painter.line_segment([at(cos * 0.66, sin * 0.66), at(cos, sin)], stroke);
                }
                painter.circle_stroke(center, half * 0.56, Stroke::new(size * 0.15, color));
            }
        }
    }
}

/// What a [`tool_button`] looks like.
#[derive(Clone, Copy, Default)]
pub struct ToolButton<'a> {
    pub icon: Option<Icon>,
    pub label: &'a str,
    /// What its label is at other times: it has room for the widest, so that nothing beside it moves.
    pub labels: &'a [&'a str],
    /// The key that does the same, shown in a small box.
    pub key: Option<&'a str>,
    pub help: &'a str,
    /// The one to press, of all that stand there.
    pub is_main: bool,
}

/// A button of the toolbar.
pub fn tool_button(ui: &mut Ui, button: ToolButton<'_>) -> Response {
    const PADDING: f32 = 12.0;
    const GAP: f32 = 7.0;
    let icon_size = if button.icon == Some(Icon::Gear) { 14.0 } else { 10.0 };
    let palette = Palette::of(ui);
    let enabled = ui.is_enabled();
    let label = ui.painter().layout_no_wrap(button.label.to_owned(), theme::regular(theme::BODY), Color32::PLACEHOLDER);
    let key_color = if button.is_main { palette.on_accent } else { palette.text_weak };
    let key = button.key.map(|key| ui.painter().layout_no_wrap(key.to_owned(), theme::regular(11.5), key_color));
    let width_of = |label: &&str| {
        ui.painter().layout_no_wrap((*label).to_owned(), theme::regular(theme::BODY), Color32::PLACEHOLDER).size().x
    };
    let label_width = button.labels.iter().map(width_of).fold(label.size().x, f32::max);
    let mut width = 2.0 * PADDING + label_width;
    if button.icon.is_some() {
        width += icon_size + if button.label.is_empty() { 0.0 } else { GAP };
    }
    if let Some(key) = &key {
        // The box stands nearer to the edge than text would.
        width += GAP + key.size().x + 10.0 - 4.0;
    }
    let (rect, response) = ui.allocate_exact_size(vec2(width.ceil(), CONTROL_HEIGHT + 2.0), Sense::click());
    let name = if button.label.is_empty() { button.help } else { button.label };
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    if ui.is_rect_visible(rect) {
        let visuals = ui.style().interact(&response);
        let painter = ui.painter();
        let (fill, color) = match (button.is_main, response.hovered()) {
            (true, false) => (palette.accent, palette.on_accent),
            (true, true) => (theme::mix(palette.accent, palette.on_accent, 0.12), palette.on_accent),
            (false, _) => (visuals.weak_bg_fill, visuals.text_color()),
        };
        let edge = if button.is_main { Stroke::NONE } else { visuals.bg_stroke };
        painter.rect(rect, RADIUS, fill, edge, StrokeKind::Inside);
        focus_ring(ui, &response, RADIUS);
        let mut x = rect.left() + PADDING;
        if let Some(icon) = button.icon {
            icon.paint(painter, pos2(x + icon_size / 2.0, rect.center().y), icon_size, color);
            x += icon_size + GAP;
        }
        painter.galley(pos2(x, rect.center().y - label.size().y / 2.0), label, color);
        if let Some(key) = key {
            let left = x + label_width + GAP;
            let area = Rect::from_min_size(pos2(left, rect.center().y - 9.0), vec2(key.size().x + 10.0, 18.0));
            let edge = if button.is_main { palette.on_accent.gamma_multiply(0.5) } else { palette.edge };
            painter.rect_stroke(area, 4, Stroke::new(1.0, edge), StrokeKind::Inside);
            painter.galley(area.center() - key.size() / 2.0, key, key_color);
        }
    }
    tip(response, button.help)
}

/// Whoever uses the keyboard must see where he is.
pub fn focus_ring(ui: &Ui, response: &Response, radius: u8) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, Palette::of(ui).accent);
        ui.painter().rect_stroke(response.rect, radius, stroke, StrokeKind::Inside);
    }
}

fn tip(response: Response, help: &str) -> Response {
    if help.is_empty() { response } else { response.on_hover_text(help) }
}

/// A pill to choose with: one of several, or on and off.
pub fn chip(ui: &mut Ui, label: &str, chosen: bool, help: &str) -> Response {
    let palette = Palette::of(ui);
    let enabled = ui.is_enabled();
    let galley = ui.painter().layout_no_wrap(label.to_owned(), theme::regular(SMALL), Color32::PLACEHOLDER);
    let (rect, response) = ui.allocate_exact_size(vec2((galley.size().x + 18.0).ceil(), 22.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, chosen, label));
    if ui.is_rect_visible(rect) {
        let (fill, color) = match (chosen, response.hovered()) {
            (true, _) => (palette.chosen, palette.on_chosen),
            (false, true) => (palette.raised_hover, palette.text_strong),
            (false, false) => (palette.raised, palette.text),
        };
        ui.painter().rect_filled(rect, 11, fill);
        if !ui.visuals().dark_mode {
            let edge = if chosen { palette.chosen } else { palette.line };
            ui.painter().rect_stroke(rect, 11, Stroke::new(1.0, edge), StrokeKind::Inside);
        }
        focus_ring(ui, &response, 11);
        ui.painter().galley(rect.center() - galley.size() / 2.0, galley, color);
    }
    tip(response, help)
}

/// A plain button with a text, of which one in a group may be the one to press.
pub fn button(ui: &mut Ui, label: &str, is_main: bool, help: &str) -> Response {
    let palette = Palette::of(ui);
    let mut text = RichText::new(label);
    if is_main {
        text = text.color(palette.on_accent);
    }
    let mut button = egui::Button::new(text).min_size(vec2(0.0, CONTROL_HEIGHT));
    if is_main {
        button = button.fill(palette.accent).stroke(Stroke::NONE);
    }
    tip(ui.add(button), help)
}

/// Gives fields that hold a value their sunken look.
pub fn sunken(ui: &mut Ui) {
    let palette = Palette::of(ui);
    let widgets = &mut ui.visuals_mut().widgets;
    for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active, &mut widgets.open] {
        widget.weak_bg_fill = palette.sunken;
    }
}

/// A combo box of a fixed width, named for whoever cannot see it.
pub fn combo<R>(
    ui: &mut Ui,
    name: &str,
    help: &str,
    chosen: &str,
    width: f32,
    contents: impl FnOnce(&mut Ui) -> R,
) -> Option<R> {
    let spoken = name.to_owned();
    let size = vec2(width, ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        sunken(ui);
        ui.set_max_width(width);
        let shown = egui::ComboBox::from_id_salt(("combo", name))
            .width(width)
            .truncate()
            // A camera's sizes without scrolling: what lies below the edge is not found.
            .height(440.0)
            .selected_text(chosen)
            .icon(|ui, rect, visuals, _| {
                let center = pos2(rect.center().x, rect.center().y + 0.5);
                Icon::Down.paint(ui.painter(), center, 7.0, visuals.fg_stroke.color.gamma_multiply(0.75));
            })
            .show_ui(ui, |ui| {
                ui.set_min_width(width - 12.0);
                ui.spacing_mut().item_spacing.y = 1.0;
                contents(ui)
            });
        tip(shown.response.accessible_name(spoken), help);
        shown.inner
    })
    .inner
}

/// A row of an open combo box. Says whether it was chosen just now.
pub fn choice(ui: &mut Ui, label: &str, is_chosen: bool) -> bool {
    let palette = Palette::of(ui);
    ui.visuals_mut().selection.bg_fill = palette.chosen;
    ui.visuals_mut().selection.stroke.color = palette.on_chosen;
    ui.selectable_label(is_chosen, label).clicked()
}

/// Label and control side by side; `control` gets the room between the label and the reset arrow, and its width.
pub fn row<R>(ui: &mut Ui, label: &str, help: &str, control: impl FnOnce(&mut Ui, f32) -> R) -> R {
    wide_row(ui, label, help, |ui, width| control(ui, width - RESET_WIDTH - 8.0))
}

/// The same without room for a reset arrow.
pub fn wide_row<R>(ui: &mut Ui, label: &str, help: &str, control: impl FnOnce(&mut Ui, f32) -> R) -> R {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        let width = ui.available_width();
        let label_width = label_width(width);
        let (rect, response) = ui.allocate_exact_size(vec2(label_width, CONTROL_HEIGHT), Sense::hover());
        let color = Palette::of(ui).text_label;
        let galley = one_line(ui.painter(), label, theme::regular(theme::BODY), color, label_width);
        ui.painter().galley(pos2(rect.left(), rect.center().y - galley.size().y / 2.0), galley, color);
        tip(response, help);
        control(ui, width - label_width - 8.0)
    })
    .inner
}

/// How much of a row its label takes.
pub fn label_width(row_width: f32) -> f32 {
    // In a column as wide as the window there is room for the longest.
    if row_width > 480.0 { WIDE_LABEL_WIDTH } else { LABEL_WIDTH.min(row_width * 0.385) }
}

/// The arrow that goes back to the default, only where a value differs from it.
pub fn reset(ui: &mut Ui, label: &str, default: &str, differs: bool) -> bool {
    let (rect, response) = ui
        .allocate_exact_size(vec2(RESET_WIDTH, CONTROL_HEIGHT), if differs { Sense::click() } else { Sense::hover() });
    if !differs {
        return false;
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Reset {label}")));
    let palette = Palette::of(ui);
    let color = if response.hovered() { palette.text_strong } else { palette.info };
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, "↺", theme::regular(16.0), color);
    focus_ring(ui, &response, RADIUS);
    response.on_hover_text(format!("Back to the default, {default}")).clicked()
}

/// What a slider and a field need to know of a number.
#[derive(Clone, Copy)]
pub struct Number<'a> {
    pub label: &'a str,
    pub unit: &'a str,
    pub help: &'a str,
    pub min: f64,
    pub max: f64,
    pub step: f64,
}

impl<S> From<&Tunable<S>> for Number<'_> {
    fn from(tunable: &Tunable<S>) -> Self {
        let Tunable { label, unit, help, min, max, step, .. } = *tunable;
        Self { label, unit, help, min, max, step }
    }
}

/// The two of them, as wide as that together.
pub fn slider_and_field(ui: &mut Ui, number: &Number, value: &mut f64, is_logarithmic: bool, width: f32) {
    const PADDING: f32 = 18.0;
    // The longest number decides: a row that outgrows its place would shift all others.
    let (n_decimals, suffix) = (decimals(number.step), unit(number.unit));
    let longest = [number.min, number.max].map(|value| {
        let text = format!("{}{suffix}", text::decimal(value, n_decimals));
        ui.painter().layout_no_wrap(text, theme::regular(theme::BODY), Color32::PLACEHOLDER).size().x
    });
    let field_width = longest.into_iter().fold(FIELD_WIDTH, |widest, text| widest.max((text + PADDING).ceil()));
    ui.spacing_mut().slider_width = (width - field_width - 8.0).max(40.0);
    tip(slider(ui, number, value, is_logarithmic).accessible_name(number.label), number.help);
    field(ui, number, value, vec2(field_width, CONTROL_HEIGHT));
}

/// A number of the settings: slider, field and reset arrow, made from its row in the table.
pub fn number_row<S: Default>(ui: &mut Ui, tunable: &Tunable<S>, settings: &mut S) {
    let before = (tunable.get)(settings);
    let mut value = before;
    let n_decimals = decimals(tunable.step);
    row(ui, tunable.label, tunable.help, |ui, width| {
        // A long way from the least to the most: equal steps on the slider are equal factors then.
        let is_wide = tunable.min > 0.0 && tunable.max / tunable.min > 100.0;
        slider_and_field(ui, &tunable.into(), &mut value, is_wide, width);
        let default = tunable.default_value();
        let shown = format!("{}{}", text::decimal(default, n_decimals), unit(tunable.unit));
        if reset(ui, tunable.label, &shown, (before - default).abs() > tunable.step / 2.0) {
            value = default;
        }
    });
    if (value - before).abs() > f64::EPSILON {
        let scale = 10_f64.powi(i32::try_from(n_decimals).unwrap_or(0));
        (tunable.set)(settings, ((value * scale).round() / scale).clamp(tunable.min, tunable.max));
    }
}

/// egui's slider with a handle of our own: egui paints its handle in the colour of the rail, and larger.
fn slider(ui: &mut Ui, number: &Number, value: &mut f64, is_logarithmic: bool) -> Response {
    const HEIGHT: f32 = 20.0;
    const HANDLE: f32 = 7.0;
    let palette = Palette::of(ui);
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().interact_size.y = HEIGHT;
            let widgets = &mut ui.visuals_mut().widgets;
            for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
                widget.bg_fill = palette.edge;
                widget.fg_stroke = Stroke::NONE;
                widget.expansion = -HEIGHT / 5.0;
            }
            let slider = egui::Slider::new(value, number.min..=number.max)
                .show_value(false)
                .step_by(number.step)
                .smart_aim(false)
                .logarithmic(is_logarithmic);
            ui.add(slider)
        })
        .inner;
    let place = if is_logarithmic {
        (*value / number.min).ln() / (number.max / number.min).ln()
    } else {
        (*value - number.min) / (number.max - number.min).max(f64::MIN_POSITIVE)
    };
    // The way of the handle ends where egui's own, larger one would touch the edge.
    let way = response.rect.x_range().shrink(response.rect.height() / 2.5);
    #[expect(clippy::cast_possible_truncation, reason = "a place on the screen")]
    let center = pos2(egui::lerp(way, (place as f32).clamp(0.0, 1.0)), response.rect.center().y);
    let color = if response.dragged() || response.has_focus() {
        palette.accent
    } else if response.hovered() {
        theme::mix(palette.handle, palette.accent, 0.3)
    } else {
        palette.handle
    };
    ui.painter().circle_filled(center, HANDLE, color);
    response
}

/// The field alone, with its unit, in which a number is typed or dragged.
pub fn number_field(ui: &mut Ui, tunable: &Tunable, value: &mut f64, size: egui::Vec2) {
    field(ui, &tunable.into(), value, size);
}

fn field(ui: &mut Ui, number: &Number, value: &mut f64, size: egui::Vec2) {
    let n_decimals = decimals(number.step);
    let suffix = unit(number.unit);
    let shown = ui.scope(|ui| {
        sunken(ui);
        ui.spacing_mut().button_padding.x = 8.0;
        ui.add_sized(
            size,
            egui::DragValue::new(value)
                .range(number.min..=number.max)
                .speed(number.step)
                .update_while_editing(false)
                .custom_formatter(move |value, _| format!("{}{suffix}", text::decimal(value, n_decimals)))
                .custom_parser(|typed| {
                    let number: String =
                        typed.chars().take_while(|c| c.is_ascii_digit() || " .,-\u{202f}".contains(*c)).collect();
                    number.replace([' ', '\u{202f}'], "").replace(',', ".").parse().ok()
                }),
        )
    });
    tip(shown.inner.accessible_name(format!("{} value", number.label)), number.help);
}

fn unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

fn decimals(step: f64) -> usize {
    if step >= 1.0 {
        0
    } else if step >= 0.1 {
        1
    } else {
        2
    }
}

/// A part of the inspector under a title that folds it away. `folded` holds the titles of the folded ones.
pub fn section(ui: &mut Ui, title: &str, aside: &str, folded: &mut Vec<String>, body: impl FnOnce(&mut Ui)) {
    let palette = Palette::of(ui);
    let is_open = !folded.iter().any(|name| name == title);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_open, title));
    let color = if response.hovered() { palette.text_strong } else { palette.text_label };
    let painter = ui.painter();
    painter.text(rect.left_center(), Align2::LEFT_CENTER, title, theme::semibold(13.0), color);
    let icon = if is_open { Icon::Down } else { Icon::Right };
    icon.paint(painter, pos2(rect.right() - 5.0, rect.center().y), 7.0, palette.text_weak);
    if !aside.is_empty() {
        let at = pos2(rect.right() - 18.0, rect.center().y);
        painter.text(at, Align2::RIGHT_CENTER, aside, theme::semibold(SMALL), palette.text_weak);
    }
    focus_ring(ui, &response, RADIUS);
    let response = response.on_hover_text(if is_open { "Fold this section away" } else { "Unfold this section" });
    if response.clicked() {
        if is_open {
            folded.push(title.to_owned());
        } else {
            folded.retain(|name| name != title);
        }
    }
    if is_open {
        body(ui);
        ui.add_space(8.0);
    }
    let y = ui.cursor().top();
    ui.painter().hline(ui.max_rect().x_range(), y, Stroke::new(1.0, palette.line));
    ui.add_space(1.0);
}

/// A quieter title within a section, which folds away what is below it: says whether it was clicked. `spoken` is its name for
/// whoever cannot see where it stands.
pub fn fold(ui: &mut Ui, title: &str, spoken: &str, is_open: bool) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_open, spoken));
    let palette = Palette::of(ui);
    let color = if response.hovered() { palette.text_strong } else { palette.text_weak };
    let icon = if is_open { Icon::Down } else { Icon::Right };
    icon.paint(ui.painter(), pos2(rect.left() + 4.0, rect.center().y), 6.0, color);
    let at = pos2(rect.left() + 14.0, rect.center().y);
    let end = ui.painter().text(at, Align2::LEFT_CENTER, title, theme::semibold(SMALL), color).right();
    ui.painter().hline(end + 8.0..=rect.right(), rect.center().y, Stroke::new(1.0, palette.line));
    focus_ring(ui, &response, RADIUS);
    response.on_hover_text(if is_open { "Fold this away" } else { "Show this" }).clicked()
}

/// Turns in ten steps a second: what is quicker takes the eye off the rest.
pub fn spinner(painter: &egui::Painter, center: Pos2, since: Duration, color: Color32) {
    let turn = (since.as_millis() / 100 % 10) as f32 / 10.0 * std::f32::consts::TAU;
    let arc = (0..=9_u8).map(|n| {
        let (sin, cos) = (turn + f32::from(n) / 9.0 * 4.2).sin_cos();
        center + vec2(cos, sin) * 5.0
    });
    painter.line(arc.collect(), Stroke::new(1.6, color));
}

/// The quiet title of a panel below the picture.
pub fn title(ui: &mut Ui, title: &str) {
    let color = Palette::of(ui).text_label;
    ui.label(RichText::new(title).font(theme::semibold(13.0)).color(color));
}

/// A text in a space that only grows, in steps: what stands beside it keeps its place while the number changes.
pub fn steady_width(text_width: f32) -> f32 {
    const STEP: f32 = 8.0;
    (text_width / STEP).ceil() * STEP
}

/// A dialogue in the middle of the window. Esc, a click beside it and its cross close it.
pub fn sheet(ctx: &egui::Context, title: &str, width: f32, open: &mut bool, body: impl FnOnce(&mut Ui)) {
    if !*open {
        return;
    }
    let room = ctx.content_rect().size() - vec2(32.0, 32.0);
    let frame = Frame::popup(&ctx.global_style()).inner_margin(Margin::same(18)).corner_radius(CornerRadius::same(10));
    let modal = egui::Modal::new(egui::Id::unique(("sheet", title)))
        .frame(frame)
        .backdrop_color(Color32::from_black_alpha(130));
    let response = modal.show(ctx, |ui| {
        let palette = Palette::of(ui);
        ui.set_width(width.min(room.x - 40.0));
        // An area offers little height at first: the sheet may have all of the window's.
        ui.set_max_height(room.y - 40.0);
        let mut stays = true;
        ui.horizontal(|ui| {
            ui.label(RichText::new(title).font(theme::semibold(16.0)).color(palette.text_strong));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                stays = !close_button(ui, "Close").clicked();
            });
        });
        ui.add_space(6.0);
        egui::ScrollArea::vertical().max_height((room.y - 90.0).max(80.0)).auto_shrink([false, true]).show(ui, body);
        stays
    });
    if response.should_close() || !response.inner {
        *open = false;
    }
}

/// The cross that closes something; `name` says what.
pub fn close_button(ui: &mut Ui, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(22.0, 22.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    let palette = Palette::of(ui);
    if response.hovered() {
        ui.painter().rect_filled(rect, RADIUS, palette.raised_hover);
    }
    focus_ring(ui, &response, RADIUS);
    Icon::Cross.paint(ui.painter(), rect.center(), 10.0, palette.text_weak);
    response.on_hover_text(name)
}

/// A text on one line that ends in … where the room does, whole under the pointer.
pub fn one_line(
    painter: &egui::Painter,
    text: &str,
    font: FontId,
    color: Color32,
    width: f32,
) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width);
    painter.layout_job(job)
}
