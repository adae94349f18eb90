//! The numbers at the foot of the window, always there.

use egui::accesskit::Role;
use egui::{Sense, Ui, WidgetInfo, pos2, vec2};

use super::pane::Pane;
use super::shell::Shell;
use super::text;
use super::theme::{self, Palette, SMALL};
use super::widgets;
use crate::status::State;

/// What stays between two passes.
#[derive(Default)]
pub struct StatusLineState {
    /// The widest that each number has been: what follows keeps its place when it gets shorter again.
    widths: Vec<f32>,
}

const ROW_HEIGHT: f32 = 18.0;
const SEPARATOR: &str = " · ";

pub fn draw(pane: &mut Pane, shell: &mut Shell, ui: &mut Ui) {
    let color = Palette::of(ui).text_weak;
    let parts = parts(pane, shell);
    let lay_out = |text: &str| ui.painter().layout_no_wrap(text.to_owned(), theme::regular(SMALL), color);
    let separator = lay_out(SEPARATOR);
    let galleys: Vec<_> = parts.iter().map(|part| lay_out(part)).collect();
    let widths = &mut shell.status_line.widths;
    widths.resize(galleys.len(), 0.0);
    let room = ui.available_width();
    let mut x = 0.0;
    let mut row = 0.0;
    let mut places = Vec::with_capacity(galleys.len());
    for (galley, width) in galleys.iter().zip(widths.iter_mut()) {
        *width = width.max(galley.size().x);
        if x > 0.0 && x + *width > room {
            x = 0.0;
            row += 1.0;
        }
        places.push((x, row));
        x += *width + separator.size().x;
    }
    // What is said of all cameras stands at the right end: the numbers keep their places when it changes.
    let fleet = (shell.panes.len() > 1).then(|| text::fleet(shell.panes.iter().map(|pane| pane.state)));
    let fleet =
        fleet.map(|words| widgets::one_line(ui.painter(), &words, theme::semibold(SMALL), Palette::of(ui).text, room));
    if fleet.as_ref().is_some_and(|fleet| x + fleet.size().x > room) {
        row += 1.0;
    }
    let (rect, response) = ui.allocate_exact_size(vec2(room, (row + 1.0) * ROW_HEIGHT), Sense::hover());
    let spoken = fleet.iter().map(|fleet| fleet.text().to_owned()).chain(parts.iter().cloned());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, spoken.clone().collect::<Vec<_>>().join(SEPARATOR)));
    response.on_hover_text(text::renderer(&shell.renderer));
    if let Some(fleet) = fleet {
        let y = rect.top() + (row + 0.5) * ROW_HEIGHT - fleet.size().y / 2.0;
        ui.painter().galley(pos2(rect.right() - fleet.size().x, y), fleet, Palette::of(ui).text);
    }
    for (galley, (x, row)) in galleys.into_iter().zip(places) {
        let y = rect.top() + (row + 0.5) * ROW_HEIGHT - galley.size().y / 2.0;
        if x > 0.0 {
            let before = pos2(rect.left() + x - separator.size().x, y);
            ui.painter().galley(before, separator.clone(), color);
        }
        ui.painter().galley(pos2(rect.left() + x, y), galley, color);
    }
}

fn parts(pane: &Pane, shell: &Shell) -> Vec<String> {
    let dash = || "–".to_owned();
    let frame = pane.frame.as_deref();
    let status = pane.status.as_deref();
    // Nothing is counted while stopped: the last count would stand there for ever.
    let is_idle = status.is_some_and(|status| status.state == State::Idle);
    let recording = pane.recording_words(shell);
    let mut parts = vec![
        format!("Frame {}", frame.map_or_else(dash, |frame| text::count(frame.number))),
        format!("seq {}", frame.and_then(|frame| frame.sequence).map_or_else(dash, text::count)),
        format!("{:.1} fps in", status.map_or(0.0, |status| status.fps)),
        format!("{:.1} shown", if is_idle { 0.0 } else { pane.viewer.shown_fps(shell.now) }),
    ];
    let drops = status.map(|status| status.drops).unwrap_or_default();
    let concealed = match drops.concealed {
        0 => String::new(),
        n => format!("; {} shown damaged", text::count(n)),
    };
    parts.push(format!(
        "dropped {} camera / {} damaged / {} us{concealed}",
        text::count(drops.camera),
        text::count(drops.damaged),
        text::count(pane.n_missed)
    ));
    parts.push(format!(
        "latency {}",
        status.and_then(|status| status.latency_ms).map_or_else(dash, |ms| format!("{ms:.0} ms"))
    ));
    parts.extend(recording);
    if let Some(host) = &shell.host {
        parts.push(format!("CPU {:.0} %", host.cpu_percent));
        if let Some(free) = host.free_bytes {
            parts.push(format!("{} free", text::bytes(free)));
        }
    }
    parts
}
