//! The health score over time, on the same axis as the events that explain it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Align, Align2, Color32, Layout, Sense, Stroke, Ui, UiBuilder, Vec2b, WidgetInfo, pos2, vec2};
use egui_plot::{
    Line, LineStyle, Plot, PlotPoint, PlotPoints, PlotTransform, PlotUi, Points, Span as Band, Text, VLine,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::pane::Pane;
use super::shell::Shell;
use super::text;
use super::theme::{self, Palette};
use super::widgets;
use crate::event::{self, Event};
use crate::health::{self, History};
use crate::records::Past;
use crate::status::{Grade, State};

/// What stays between two passes.
#[derive(Default)]
pub struct PlotState {
    span: Span,
    /// By the user.
    is_chosen: bool,
}

/// How much of the past is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Span {
    Minute,
    #[default]
    FiveMinutes,
    Hour,
    Day,
    Week,
}

impl Span {
    const ALL: [Self; 5] = [Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day, Self::Week];

    fn label(self) -> &'static str {
        match self {
            Self::Minute => "1 min",
            Self::FiveMinutes => "5 min",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    fn secs(self) -> f64 {
        match self {
            Self::Minute => 60.0,
            Self::FiveMinutes => 300.0,
            Self::Hour => 3_600.0,
            Self::Day => 86_400.0,
            Self::Week => 604_800.0,
        }
    }
}

/// The stretches of time that the axis can show, in seconds.
const STRETCHES_SECS: [f64; 13] =
    [15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0];
/// Between two labels of the time axis, in seconds.
const TICKS_SECS: [i64; 13] = [5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];

/// What is shown of the chosen span: no more than there is, so that the first minutes fill the plot as well.
fn stretch_secs(span: Span, measured_secs: f64) -> f64 {
    STRETCHES_SECS.into_iter().find(|stretch| *stretch >= measured_secs).unwrap_or(span.secs()).min(span.secs())
}

/// Room for the numbers at the left and the clock below, in points.
const LEFT: f32 = 30.0;
const BELOW: f32 = 20.0;
/// Longer than this without a sample, and nothing was measured: the computer slept, or the program did not run.
const GAP_SECS: f64 = 10.0;
/// Of what is longer ago, the hour alone does not say when it was.
const HALF_A_DAY_SECS: f64 = 43_200.0;
/// A little above the best score, so that its line and the dots on it are whole.
const TOP: f64 = 106.0;

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    ui.allocate_ui_with_layout(vec2(ui.available_width(), 22.0), Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().interact_size.y = 22.0;
        widgets::title(ui, "Health");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            for span in Span::ALL.into_iter().rev() {
                if widgets::chip(ui, span.label(), shell.plot.span == span, "How much of the past is shown").clicked() {
                    (shell.plot.span, shell.plot.is_chosen) = (span, true);
                }
            }
        });
    });
    let room = ui.available_rect_before_wrap();
    if room.width() < LEFT + 40.0 || room.height() < BELOW + 30.0 {
        return;
    }
    let first = pane.history.samples.first().map(|(at, _)| *at);
    let measured = first.map_or(0.0, |first| shell.now.saturating_duration_since(first).as_secs_f64());
    let first = pane.past.samples.first().map(|sample| sample.at);
    let kept = first.map_or(0.0, |first| event::now().duration_since(first).as_secs_f64());
    // Who asks for an hour sees an hour, however little of it there is.
    let all_of_it = if shell.plot.is_chosen { f64::INFINITY } else { measured.max(kept) };
    let span_secs = stretch_secs(shell.plot.span, all_of_it);
    // In steps of a screen pixel: the curve then stands still between two steps instead of shimmering.
    let step = (span_secs / f64::from(room.width())).max(0.05);
    let area = egui::Rect::from_min_max(room.min + vec2(LEFT, 4.0), room.max - vec2(0.0, BELOW));
    let time = TimeAxis::new(shell.now, span_secs, step);
    let markers = markers(pane, shell, &time, span_secs / f64::from(area.width()) * 4.0);
    let palette = Palette::of(ui);
    let mut child = ui.new_child(UiBuilder::new().id_salt("plot").max_rect(area));
    let score = pane.status.as_ref().and_then(|status| status.health_score);
    let is_running = pane.status.as_ref().is_some_and(|status| status.state != State::Idle);
    let points = points(&pane.past, &pane.history, &time);
    let mut lines = curve(&points, &time, area.width());
    if let (Some(score), Some(line), true) = (score, lines.last_mut(), is_running)
        && line.last().is_some_and(|last| last[0] > -GAP_SECS)
    {
        // The history is a moment old: the curve reaches to now.
        line.push([0.0, f64::from(score)]);
    }
    let source = pane.spec.to_string();
    let played = shell.player.as_ref().filter(|player| player.source().is_some_and(|of| of.as_str() == source));
    let played = played.and_then(|player| player.clock(shell.now)).map(|clock| time.x_of_clock(clock));
    let shown = show(&mut child, &palette, lines, &time, (&markers, played), area.width());
    let spoken = score.map_or_else(|| "Health plot".to_owned(), |score| format!("Health plot, score {score} now"));
    shown.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
    axis_labels(ui, &palette, &time, &shown.transform);

    let near = shown.response.hover_pos().and_then(|pointer| nearest(&markers, pointer.x, &shown.transform));
    if let Some(event) = near {
        ui.ctx().set_cursor_icon(egui::CursorIcon::PointingHand);
        let clip = shell.clips.clip_at(&pane.spec.to_string(), event.at).cloned();
        if shown.response.clicked() {
            shell.log.jump_to(event.id);
            if let Some(clip) = &clip {
                shell.play_clip(clip, Some(event.at));
            }
        }
        shown.response.on_hover_ui_at_pointer(|ui| {
            ui.label(format!("{} · {}", text::clock_ms(event.at), text::marker_name(&event)));
            ui.label(event.message.as_str());
            if clip.is_some() {
                ui.label("It is in a clip: a click shows that moment.");
            }
        });
    } else if let Some(pointer) = shown.response.hover_pos() {
        let at = shown.transform.value_from_position(pointer).x;
        if let Some(score) = score_at(&points, at) {
            let format = if at > -HALF_A_DAY_SECS { "%H:%M:%S" } else { "%a, %-d %B, %H:%M" };
            shown.response.on_hover_text_at_pointer(format!("{} at {}", score, time.clock(at, format)));
        }
    }
}

/// Seconds before and after the right edge of the plot, and what the clock showed then.
struct TimeAxis {
    /// The moment that is 0.
    now: Instant,
    wall: Timestamp,
    span_secs: f64,
}

impl TimeAxis {
    fn new(now: Instant, span_secs: f64, step: f64) -> Self {
        let wall = event::now();
        // Right edge at the next multiple of a step on the wall clock.
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
        let wall_secs = wall.as_millisecond() as f64 / 1000.0;
        let ahead = step - wall_secs.rem_euclid(step);
        let ahead = Duration::try_from_secs_f64(ahead).unwrap_or_default();
        let wall = wall.checked_add(SignedDuration::try_from(ahead).unwrap_or_default()).unwrap_or(wall);
        Self { now: now + ahead, wall, span_secs }
    }

    fn x(&self, at: Instant) -> f64 {
        -self.now.saturating_duration_since(at).as_secs_f64()
    }

    fn x_of_clock(&self, at: Timestamp) -> f64 {
        -self.wall.duration_since(at).as_secs_f64()
    }

    fn clock(&self, x: f64, format: &str) -> String {
        let at = SignedDuration::try_from_secs_f64(x).ok().and_then(|x| self.wall.checked_add(x).ok());
        at.map_or_else(String::new, |at| at.to_zoned(TimeZone::system()).strftime(format).to_string())
    }

    /// The whole multiples of `tick` of the local clock that are in sight.
    fn ticks(&self, tick: i64) -> Vec<f64> {
        let offset = i64::from(self.wall.to_zoned(TimeZone::system()).offset().seconds());
        let local_millis = self.wall.as_millisecond() + offset * 1000;
        let past_tick = local_millis.rem_euclid(tick * 1000);
        #[expect(clippy::cast_precision_loss, reason = "a day in milliseconds at most")]
        let first = -(past_tick as f64) / 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "a day in seconds at most")]
        let tick = tick as f64;
        std::iter::successors(Some(first), |x| Some(x - tick)).take_while(|x| *x >= -self.span_secs).collect()
    }
}

/// An event in sight.
struct EventMarker {
    x: f64,
    event: Arc<Event>,
}

/// The events in sight; of those that would fall on one another, the gravest.
fn markers(pane: &Pane, shell: &Shell, time: &TimeAxis, least_distance_secs: f64) -> Vec<EventMarker> {
    let mut markers: Vec<EventMarker> = Vec::new();
    for event in shell.log.events_of(pane, shell).filter(|event| event.is_marker()) {
        let x = time.x(event.instant);
        if x < -time.span_secs {
            continue;
        }
        let marker = EventMarker { x, event: Arc::clone(event) };
        match markers.last_mut() {
            Some(last) if x - last.x < least_distance_secs => {
                // An alert repeats what its cause has said already.
                let is_news = !marker.event.name.starts_with("CAMERA_") || last.event.name.starts_with("CAMERA_");
                if marker.event.level > last.event.level || is_news && marker.event.level == last.event.level {
                    *last = marker;
                }
            }
            _ => markers.push(marker),
        }
    }
    markers
}

fn nearest(markers: &[EventMarker], pointer_x: f32, transform: &PlotTransform) -> Option<Arc<Event>> {
    markers
        .iter()
        .map(|marker| (marker, (transform.position_from_point_x(marker.x) - pointer_x).abs()))
        .filter(|(_, distance)| *distance < 6.0)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(marker, _)| Arc::clone(&marker.event))
}

fn show(
    ui: &mut Ui,
    palette: &Palette,
    lines: Vec<Vec<[f64; 2]>>,
    time: &TimeAxis,
    (markers, played): (&[EventMarker], Option<f64>),
    width: f32,
) -> egui_plot::PlotResponse<()> {
    Plot::new("health")
        .show_axes(false)
        .show_grid(false)
        .show_background(false)
        .show_crosshair(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .allow_axis_zoom_drag(false)
        .auto_bounds(Vec2b::FALSE)
        .set_margin_fraction(vec2(0.0, 0.0))
        .sense(Sense::click())
        .label_formatter(|_| None)
        .show(ui, |plot| {
            // Room for half a dot at the right edge.
            plot.set_plot_bounds_x(-time.span_secs..=5.0 * time.span_secs / f64::from(width));
            plot.set_plot_bounds_y(0.0..=TOP);
            let mut top = TOP;
            for (grade, least) in Grade::BANDS {
                let least = f64::from(least);
                let color = theme::mix(palette.low, palette.grade(grade), palette.band_strength);
                plot.span(Band::new("", least..=top).axis(egui_plot::Axis::Y).fill(color).border(Stroke::NONE));
                plot.hline(egui_plot::HLine::new("", least).stroke(Stroke::new(1.0, palette.line)).allow_hover(false));
                top = least;
            }
            for marker in markers {
                let color = palette.level(marker.event.level);
                plot.vline(
                    VLine::new("", marker.x)
                        .stroke(Stroke::new(1.2, color.gamma_multiply(0.8)))
                        .style(LineStyle::Dotted { spacing: 4.5 })
                        .allow_hover(false),
                );
            }
            // The moment that the player shows.
            if let Some(x) = played.filter(|x| (-time.span_secs..=0.0).contains(x)) {
                plot.vline(VLine::new("", x).stroke(Stroke::new(2.0, palette.text_strong)).allow_hover(false));
            }
            for points in lines {
                plot.line(
                    Line::new("score", PlotPoints::from(points))
                        .stroke(Stroke::new(2.0, palette.curve))
                        .allow_hover(false),
                );
            }
            for marker in markers {
                let color = palette.level(marker.event.level);
                plot.points(Points::new("", vec![[marker.x, 100.0]]).radius(4.0).color(color).allow_hover(false));
            }
            labels(plot, palette, markers, time.span_secs / f64::from(width));
        })
}

/// The names of the events, where there is room between two markers.
fn labels(plot: &mut PlotUi<'_>, palette: &Palette, markers: &[EventMarker], secs_per_point: f64) {
    let mut free_from = f64::NEG_INFINITY;
    for (i, marker) in markers.iter().enumerate() {
        let name = text::marker_name(&marker.event);
        #[expect(clippy::cast_precision_loss, reason = "a short word")]
        let width = (name.chars().count() as f64 * 6.5 + 14.0) * secs_per_point;
        let next = markers.get(i + 1).map_or(0.0, |next| next.x - 8.0 * secs_per_point);
        let (anchor, x, from, to) = if marker.x + width <= next {
            (Align2::LEFT_CENTER, marker.x + 8.0 * secs_per_point, marker.x, marker.x + width)
        } else {
            (Align2::RIGHT_CENTER, marker.x - 8.0 * secs_per_point, marker.x - width, marker.x)
        };
        if from < free_from || name.starts_with("CAMERA_") {
            continue;
        }
        free_from = to;
        let words = egui::RichText::new(name).font(theme::regular(11.5));
        let color = palette.level(marker.event.level);
        plot.text(Text::new("", PlotPoint::new(x, 84.0), words).anchor(anchor).color(color).allow_hover(false));
    }
}

/// A score on the axis of time.
struct ScorePoint {
    x: f64,
    score: u8,
    /// How long after it the next one may come, if nothing is missing between them.
    patience_secs: f64,
}

/// What was measured in the time that is shown, in this run of the program and before, oldest first. One more at the left,
/// so that the curve comes in from the edge.
fn points(past: &Past, history: &History, time: &TimeAxis) -> Vec<ScorePoint> {
    let left = -time.span_secs;
    let kept = past.samples.partition_point(|sample| time.x_of_clock(sample.at) < left);
    let kept = past.samples.get(kept.saturating_sub(1)..).unwrap_or_default();
    let live = history.samples.partition_point(|(at, _)| time.x(*at) < left);
    let live = history.samples.get(live.saturating_sub(1)..).unwrap_or_default();
    let begin = history.samples.first().map_or(0.0, |(at, _)| time.x(*at));
    let patience = |spacing_secs: f64| GAP_SECS + 2.0 * spacing_secs;
    let kept = kept.iter().map(|sample| ScorePoint {
        x: time.x_of_clock(sample.at),
        score: sample.score,
        patience_secs: if sample.secs > 1 { patience(f64::from(sample.secs)) } else { GAP_SECS },
    });
    let live = live.iter().map(|(at, score)| {
        let spacing = health::spacing(time.now.saturating_duration_since(*at));
        ScorePoint { x: time.x(*at), score: *score, patience_secs: patience(spacing.as_secs_f64()) }
    });
    let mut points: Vec<ScorePoint> = Vec::new();
    for point in kept.take_while(|point| point.x < begin).chain(live) {
        if point.x < left {
            points.clear();
        }
        points.push(point);
    }
    points
}

/// The curve, cut where nothing was measured (the computer slept), and no finer than the screen: the lowest score of
/// each piece, so that no fall is hidden.
fn curve(points: &[ScorePoint], time: &TimeAxis, width: f32) -> Vec<Vec<[f64; 2]>> {
    let piece_secs = time.span_secs / f64::from(width.max(1.0));
    let mut lines: Vec<Vec<[f64; 2]>> = Vec::new();
    let mut patience_secs = 0.0;
    for point in points {
        let (x, score) = (point.x, f64::from(point.score));
        match lines.last_mut().and_then(|line| line.last_mut()) {
            Some(last) if x - last[0] < piece_secs => last[1] = last[1].min(score),
            Some(last) if x - last[0] < patience_secs + piece_secs => {
                if let Some(line) = lines.last_mut() {
                    line.push([x, score]);
                }
            }
            _ => lines.push(vec![[x, score]]),
        }
        patience_secs = point.patience_secs;
    }
    lines
}

/// The score there; `None` where nothing was measured.
fn score_at(points: &[ScorePoint], x: f64) -> Option<u8> {
    let after = points.partition_point(|point| point.x <= x);
    let point = points.get(after.checked_sub(1)?)?;
    (x - point.x < point.patience_secs).then_some(point.score)
}

/// The scores where the bands meet, at the left; the clock below.
fn axis_labels(ui: &Ui, palette: &Palette, time: &TimeAxis, transform: &PlotTransform) {
    let frame = *transform.frame();
    let font = theme::regular(11.5);
    let painter = ui.painter();
    let mut free_above = f32::INFINITY;
    let scores = Grade::BANDS.iter().rev().map(|(_, least)| *least).chain([100]);
    for score in scores {
        let y = transform.position_from_point_y(f64::from(score));
        // Where the plot is low, 100 gives way to 90: the label that a band begins at.
        if y + 6.0 > free_above {
            continue;
        }
        free_above = y - 6.0;
        painter.text(pos2(frame.left() - 6.0, y), Align2::RIGHT_CENTER, score, font.clone(), palette.text_weak);
    }
    // About one label every hundred points.
    let n_labels = f64::from(frame.width() / 100.0).max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "a day in seconds")]
    let tick = TICKS_SECS.into_iter().find(|tick| time.span_secs / *tick as f64 <= n_labels).unwrap_or(86_400);
    let format = match tick {
        ..60 => "%H:%M:%S",
        60..86_400 => "%H:%M",
        _ => "%a %-d",
    };
    let mut free_left = f32::INFINITY;
    for x in time.ticks(tick) {
        let galley = painter.layout_no_wrap(time.clock(x, format), font.clone(), palette.text_weak);
        let center = transform.position_from_point_x(x);
        let left = center - galley.size().x / 2.0;
        let right = left + galley.size().x;
        if right > frame.right() + 2.0 || right + 12.0 > free_left || left < frame.left() - LEFT {
            continue;
        }
        free_left = left;
        painter.vline(center, frame.bottom()..=frame.bottom() + 3.0, Stroke::new(1.0, palette.edge));
        painter.galley(pos2(left, frame.bottom() + 5.0), galley, Color32::PLACEHOLDER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::past::Sample;

    fn axis(span_secs: f64) -> TimeAxis {
        TimeAxis::new(Instant::now() + Duration::from_hours(48), span_secs, 0.1)
    }

    #[test]
    fn the_axis_shows_no_more_than_was_measured() {
        #[track_caller]
        fn check(span: Span, measured_secs: f64, expected_secs: f64) {
            assert!((stretch_secs(span, measured_secs) - expected_secs).abs() < 1e-9);
        }
        check(Span::FiveMinutes, 0.0, 15.0);
        check(Span::FiveMinutes, 15.5, 30.0);
        check(Span::FiveMinutes, 299.0, 300.0);
        check(Span::FiveMinutes, 9_000.0, 300.0);
        check(Span::Minute, 31.0, 60.0);
        check(Span::Minute, 3_000.0, 60.0);
        check(Span::Day, 4_000.0, 10_800.0);
        check(Span::Day, 900_000.0, 86_400.0);
        check(Span::Week, 90_000.0, 259_200.0);
        check(Span::Week, 900_000.0, 604_800.0);
    }

    #[test]
    fn ticks_stand_on_whole_clock_times() {
        for tick in TICKS_SECS {
            let time = axis(86_400.0);
            for x in time.ticks(tick) {
                let clock = time.clock(x, "%H:%M:%S");
                let of_day: i64 = clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
                // Where the clocks changed last night, a tick of more than an hour may be off by one.
                assert!(of_day % tick.min(1_800) == 0, "{clock} for every {tick} s");
                assert!((-86_400.0..=0.0).contains(&x));
            }
        }
    }

    fn ago(time: &TimeAxis, secs: f64) -> Instant {
        time.now.checked_sub(Duration::from_secs_f64(secs)).unwrap()
    }

    /// The curve of these samples, each so many seconds before the right edge, on a plot of 100 points.
    fn drawn(span_secs: f64, samples: &[(f64, u8)]) -> Vec<Vec<(i32, i32)>> {
        drawn_with_past(span_secs, &[], samples)
    }

    /// The same with samples of earlier runs before them: so many seconds ago, so long, with this score.
    fn drawn_with_past(span_secs: f64, past: &[(i64, u32, u8)], samples: &[(f64, u8)]) -> Vec<Vec<(i32, i32)>> {
        let time = axis(span_secs);
        let sample = |(secs_ago, secs, score): &(i64, u32, u8)| Sample {
            secs: *secs,
            at: time.wall - SignedDuration::from_secs(*secs_ago),
            ..Sample::second(time.wall, *score, 30.0, true)
        };
        let past = Past { source: "sim:".into(), samples: past.iter().map(sample).collect() };
        let mut history = History::default();
        history.samples = samples.iter().map(|(secs_ago, score)| (ago(&time, *secs_ago), *score)).collect();
        #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
        let rounded = |point: &[f64; 2]| (point[0].round() as i32, point[1].round() as i32);
        let points = points(&past, &history, &time);
        curve(&points, &time, 100.0).iter().map(|line| line.iter().map(rounded).collect()).collect()
    }

    #[test]
    fn earlier_runs_come_before_this_one() {
        let past = [(900, 60, 90), (840, 60, 80), (600, 60, 70), (99, 1, 60), (98, 1, 50), (3, 1, 10)];
        assert_eq!(
            drawn_with_past(100.0, &past, &[(5.0, 100), (4.0, 95)]),
            [vec![(-600, 70)], vec![(-99, 60), (-98, 50)], vec![(-5, 100), (-4, 95)]]
        );
        assert_eq!(
            drawn_with_past(1_000.0, &past, &[]),
            [vec![(-900, 90), (-840, 80)], vec![(-600, 70)], vec![(-99, 50)], vec![(-3, 10)]]
        );
        // The one at the left edge is the last before it.
        assert_eq!(drawn_with_past(750.0, &past[..4], &[]).first(), Some(&vec![(-840, 80)]));
        // A clock that was set back.
        assert!(drawn_with_past(100.0, &[(-50, 1, 90)], &[]).is_empty());
    }

    #[test]
    fn no_score_is_told_of_a_time_without_one() {
        let time = axis(604_800.0);
        let at = |secs_ago| time.wall - SignedDuration::from_secs(secs_ago);
        let minute = Sample { secs: 60, ..Sample::second(at(500_000), 40, 30.0, true) };
        let past = Past { source: "sim:".into(), samples: vec![minute, Sample::second(at(100), 60, 30.0, true)] };
        let mut history = History::default();
        history.samples = vec![(ago(&time, 50.0), 80)];
        let points = points(&past, &history, &time);
        let scores = [-600_000.0, -499_950.0, -499_000.0, -99.0, -80.0, -49.0].map(|x| score_at(&points, x));
        assert_eq!(scores, [None, Some(40), None, Some(60), None, Some(80)]);
    }

    #[test]
    fn a_fall_shorter_than_a_pixel_is_still_seen() {
        // 1 000 s on 100 points: ten samples in each piece.
        let mut samples: Vec<_> = (0..1000_i32).rev().map(|ago| (f64::from(ago) + 0.5, 100)).collect();
        samples[503].1 = 7;
        let lines = drawn(1_000.0, &samples);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].len() <= 101, "{}", lines[0].len());
        assert_eq!(lines[0].iter().filter(|(_, score)| *score == 7).count(), 1);
    }

    #[test]
    fn the_curve_is_cut_where_nothing_was_measured() {
        let lines = drawn(100.0, &[(90.0, 100), (88.0, 90), (40.0, 80), (38.0, 70)]);
        assert_eq!(lines, [vec![(-90, 100), (-88, 90)], vec![(-40, 80), (-38, 70)]]);
        assert!(drawn(100.0, &[]).is_empty());
    }

    #[test]
    fn the_curve_comes_in_from_the_left_edge() {
        let lines = drawn(100.0, &[(300.0, 10), (105.0, 60), (95.0, 100)]);
        assert_eq!(lines, [vec![(-105, 60), (-95, 100)]]);
    }
}
