//! The health score over time as SVG, with events and kernel messages on the same axis.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Point;
use super::page::Safe;
use crate::status::Grade;

/// In units of the drawing, which are pixels on a screen.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 190.0;
/// Where the kernel's messages stand, and the clock.
const KERNEL: f64 = 206.0;
const CLOCK: f64 = 230.0;
const HEIGHT: f64 = 236.0;

/// Between two labels of the time axis, in seconds.
const TICKS_SECS: [i64; 13] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];
const MAX_TICKS: i64 = 9;
/// Longer than this without a point, beyond the point's own length, and nothing was measured.
const GAP_SECS: f64 = 10.0;

/// Something on the time axis.
pub(super) struct PlotMarker {
    pub at: Timestamp,
    pub kind: MarkerKind,
    /// Told where the pointer rests.
    pub title: Safe,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkerKind {
    Good,
    Warning,
    Error,
    Kernel,
}

struct Axis {
    from: Timestamp,
    secs: f64,
}

impl Axis {
    fn x(&self, at: Timestamp) -> f64 {
        let ago = at.duration_since(self.from).as_secs_f64();
        LEFT + (WIDTH - LEFT - RIGHT) * (ago / self.secs).clamp(0.0, 1.0)
    }
}

fn y(score: u8) -> f64 {
    BOTTOM - (BOTTOM - TOP) * f64::from(score.min(100)) / 100.0
}

/// `points` and `markers` between the two times, oldest first. `label` is for screen readers.
pub(super) fn draw(
    points: &[Point],
    markers: &[PlotMarker],
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
    label: &Safe,
) -> String {
    let axis = Axis { from, secs: to.duration_since(from).as_secs_f64().max(1.0) };
    let right = WIDTH - RIGHT;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n", label.as_str());
    let mut above = 100;
    for (grade, least) in Grade::BANDS {
        let (top, bottom) = (y(above), y(least));
        svg += &format!(
            "<rect class=\"band {grade}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{least}</text>\n",
            right - LEFT,
            bottom - top,
            LEFT - 6.0,
            bottom + 3.5,
        );
        above = least;
    }
    svg += &format!(
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">100</text>\n",
        LEFT - 6.0,
        TOP + 3.5
    );
    svg += &clock(&axis, to, zone);
    for line in curve(points, &axis) {
        svg += &format!("<path class=\"score\" d=\"{line}\"/>\n");
    }
    for marker in markers {
        svg += &mark(marker, axis.x(marker.at));
    }
    svg += "</svg>\n";
    svg
}

fn mark(marker: &PlotMarker, x: f64) -> String {
    let (class, shape) = match marker.kind {
        // Shapes tell them apart where colours do not.
        MarkerKind::Good => ("good", format!("<circle cx=\"{x:.1}\" cy=\"{TOP}\" r=\"4\"/>")),
        MarkerKind::Warning => ("warning", format!("<path d=\"M{x:.1} 5l5 9h-10z\"/>")),
        MarkerKind::Error => ("error", format!("<path d=\"M{:.1} 6h8v8h-8z\"/>", x - 4.0)),
        MarkerKind::Kernel => ("kernel", format!("<path d=\"M{x:.1} {:.1}l5 5l-5 5l-5 -5z\"/>", KERNEL - 5.0)),
    };
    let (top, bottom) = if marker.kind == MarkerKind::Kernel { (BOTTOM, KERNEL - 5.0) } else { (TOP, BOTTOM) };
    format!(
        "<g class=\"{class}\"><line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>{shape}<title>{}</title></g>\n",
        marker.title.as_str()
    )
}

/// The lowest score of each column, in one line for each stretch without a gap.
fn curve(points: &[Point], axis: &Axis) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // The column that is being filled, its lowest score, and when its last point ends.
    let mut column: Option<(i64, u8)> = None;
    let mut end: Option<Timestamp> = None;
    let mut draw = |column: (i64, u8), begins: bool| {
        let at = format!("{} {:.1}", column.0, y(column.1));
        match lines.last_mut() {
            Some(line) if !begins => line.push_str(&format!("L{at}")),
            _ => lines.push(format!("M{at}h1")),
        }
    };
    let mut begins = true;
    for point in points {
        #[expect(clippy::cast_possible_truncation, reason = "the axis keeps it within the drawing")]
        let x = axis.x(point.at).round() as i64;
        let is_gap = end.is_some_and(|end| point.at.duration_since(end).as_secs_f64() > GAP_SECS);
        column = match column {
            Some((at, score)) if at == x && !is_gap => Some((at, score.min(point.score))),
            Some(done) => {
                draw(done, begins);
                begins = is_gap;
                Some((x, point.score))
            }
            None => Some((x, point.score)),
        };
        end = point.at.checked_add(jiff::SignedDuration::from_secs(i64::from(point.secs))).ok();
    }
    if let Some(done) = column {
        draw(done, begins);
    }
    lines
}

fn clock(axis: &Axis, to: Timestamp, zone: &TimeZone) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a week in seconds")]
    let secs = axis.secs as i64;
    let step = TICKS_SECS.into_iter().find(|step| secs / step <= MAX_TICKS).unwrap_or(86_400);
    let format = match step {
        86_400 => "%m-%d",
        60.. if secs > 86_400 => "%m-%d %H:%M",
        60.. => "%H:%M",
        _ => "%H:%M:%S",
    };
    // On whole hours and days of the clock that is shown.
    let offset = i64::from(axis.from.to_zoned(zone.clone()).offset().seconds());
    let first = axis.from.as_second() + offset;
    let mut tick = first + (step - first.rem_euclid(step)) % step;
    let mut svg = String::new();
    while let Ok(at) = Timestamp::from_second(tick - offset)
        && at <= to
    {
        let x = axis.x(at);
        let text = at.to_zoned(zone.clone()).strftime(format).to_string();
        svg += &format!(
            "<line class=\"tick\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>\
             <text class=\"axis\" x=\"{x:.1}\" y=\"{CLOCK}\" text-anchor=\"middle\">{text}</text>\n"
        );
        tick += step;
    }
    svg
}
