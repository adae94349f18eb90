//! The test of a connection as it goes on: the verdict on top, the steps below it, each with its outcome, time and detail.
//!
//! Every step has its line from the beginning, so that nothing moves while the test runs.

use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Align, Align2, Color32, Frame, Label, Layout, Margin, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use super::text;
use super::theme::{self, Palette, RADIUS, SMALL};
use super::widgets::{self, Icon};
use crate::address::Address;
use crate::fault::FaultKind;
use crate::network::{self, Certificate, ConnectionTestResult, StepName, StepOutcome, StreamMeasurements, TestStep};

/// A test that runs or has ended.
pub struct Trial {
    pub number: u64,
    pub address: Address,
    started_at: Instant,
    steps: Vec<TestStep>,
    ending: Ending,
    /// Whether the question about the certificate is asked.
    asks_trust: bool,
    copied_at: Option<Instant>,
}

enum Ending {
    Running,
    Cancelled,
    Done { tested: Box<ConnectionTestResult>, took: Duration },
}

/// What the user wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Stays,
    Cancel,
    Again,
    /// To the fields of the address.
    Back {
        to_password: bool,
    },
    Open,
    /// Trust the certificate of this fingerprint, and test again.
    Trust(String),
}

impl Trial {
    #[must_use]
    pub fn new(number: u64, address: Address, now: Instant) -> Self {
        Self {
            number,
            address,
            started_at: now,
            steps: Vec::new(),
            ending: Ending::Running,
            asks_trust: false,
            copied_at: None,
        }
    }

    pub fn hear(&mut self, step: TestStep) {
        if matches!(self.ending, Ending::Running) {
            self.steps.retain(|heard| heard.name != step.name);
            self.steps.push(step);
        }
    }

    pub fn end(&mut self, tested: ConnectionTestResult, now: Instant) {
        if matches!(self.ending, Ending::Running) {
            self.steps.clone_from(&tested.steps);
            let took = now.saturating_duration_since(self.started_at);
            self.ending = Ending::Done { tested: Box::new(tested), took };
        }
    }

    pub fn cancel(&mut self) {
        if matches!(self.ending, Ending::Running) {
            self.ending = Ending::Cancelled;
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.ending, Ending::Running)
    }

    fn tested(&self) -> Option<&ConnectionTestResult> {
        match &self.ending {
            Ending::Done { tested, .. } => Some(tested),
            Ending::Running | Ending::Cancelled => None,
        }
    }

    /// The steps in their order: those of the plan, and whatever else was told.
    fn names(&self) -> Vec<StepName> {
        let mut names = network::plan(self.address.scheme);
        names.extend(self.steps.iter().map(|step| step.name));
        let mut seen = Vec::new();
        names.retain(|name| {
            !seen.contains(name) && {
                seen.push(*name);
                true
            }
        });
        names
    }

    fn step(&self, name: StepName) -> Option<&TestStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The first step of which nothing has been heard.
    fn running(&self) -> Option<StepName> {
        self.names().into_iter().find(|name| self.is_running() && self.step(*name).is_none())
    }

    /// All of it as lines, for a mail or a ticket. Never a password.
    #[must_use]
    pub fn as_text(&self) -> String {
        let mut lines = vec![format!("Test of {}", self.address)];
        for name in self.names() {
            let (word, ms, detail) = match self.step(name) {
                Some(step) => (word(step.outcome), spelled_ms(step.ms), step.detail.as_str()),
                None => ("not tried", String::new(), ""),
            };
            lines.push(format!("{:<24} {word:<10} {ms:>9}  {detail}", label(name)).trim_end().to_owned());
        }
        if let Some(tested) = self.tested() {
            let (_, headline, advice) = verdict(tested);
            lines.push(format!("Verdict: {headline}"));
            lines.extend((!advice.is_empty()).then_some(advice));
            let measured = measured(&tested.measured);
            lines.extend((!measured.is_empty()).then(|| format!("Measured: {measured}")));
            if let Some(certificate) = &tested.certificate {
                lines.extend(facts(certificate).into_iter().map(|(name, value)| format!("{name}: {value}")));
            }
        }
        self.address.mask_in(&lines.join("\n"))
    }
}

fn label(name: StepName) -> &'static str {
    match name {
        StepName::Url => "Address",
        StepName::Dns => "Name",
        StepName::Tcp => "Connection",
        StepName::Tls => "Encryption",
        StepName::Options => "Greeting (OPTIONS)",
        StepName::Describe => "Stream (DESCRIBE)",
        StepName::Login => "Login",
        StepName::SetupTcp => "Setup over TCP",
        StepName::FirstPacket => "First packet",
        StepName::SetupUdp => "Setup over UDP",
        StepName::Codec => "Codec",
        StepName::KeyFrame => "Key frame",
        StepName::Quality => "Quality",
        StepName::Get => "Request (GET)",
        StepName::FirstPicture => "First picture",
    }
}

fn word(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Good => "good",
        StepOutcome::Warning => "warning",
        StepOutcome::Bad => "failed",
        StepOutcome::Skipped => "not tried",
    }
}

fn spelled_ms(ms: Option<u64>) -> String {
    ms.map(|ms| format!("{} ms", text::count(ms))).unwrap_or_default()
}

/// How bad it is, what it is, what to do.
fn verdict(tested: &ConnectionTestResult) -> (StepOutcome, String, String) {
    let Some(finding) = &tested.verdict else {
        return (StepOutcome::Good, "The stream runs as it should.".to_owned(), String::new());
    };
    let has_failed = tested.steps.iter().any(|step| step.outcome == StepOutcome::Bad);
    let outcome = if has_failed { StepOutcome::Bad } else { StepOutcome::Warning };
    (outcome, text::sentence(&finding.fault.message), finding.fault.advice.clone())
}

fn measured(measured: &StreamMeasurements) -> String {
    let number = |value: f64, n_decimals| text::decimal(value, n_decimals);
    let parts = [
        measured.resolution.map(|size| format!("{} × {}", size.width, size.height)),
        measured.codec.clone(),
        measured.fps.map(|fps| format!("{fps:.1} fps")),
        measured.kbit_per_sec.map(|rate| format!("{} Mbit/s", number(rate / 1_000.0, 2))),
        measured.loss_percent.map(|loss| format!("{} % lost", number(loss, 2))),
        measured.jitter_ms.map(|jitter| format!("jitter {} ms", number(jitter, 1))),
        measured.key_frame_secs.map(|secs| format!("a key frame each {} s", number(secs, 1))),
        // Never a negative zero.
        measured.delay_growth_ms.map(|growth| format!("delay {:+.0} ms", growth.round() + 0.0)),
    ];
    // Number and unit stay on one line.
    parts.into_iter().flatten().map(|part| part.replace(' ', "\u{a0}")).collect::<Vec<_>>().join(" · ")
}

fn facts(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let issuer = if certificate.is_self_signed { "nobody but itself".to_owned() } else { certificate.issuer.clone() };
    vec![
        ("Issued to", certificate.subject.clone()),
        ("Vouched for by", issuer),
        ("Valid for", certificate.names.join(", ")),
        ("Valid from", format!("{} to {}", certificate.not_before, certificate.not_after)),
        ("Fingerprint", grouped(&certificate.fingerprint)),
    ]
}

/// In groups of four, so that it can be compared with another by eye.
fn grouped(fingerprint: &str) -> String {
    let chars: Vec<char> = fingerprint.chars().collect();
    chars.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

// ---- drawing

pub fn draw(trial: &mut Trial, now: Instant, ui: &mut Ui) -> Outcome {
    let mut outcome = Outcome::Stays;
    let address = trial.address.to_string();
    let color = Palette::of(ui).text_weak;
    ui.add(Label::new(RichText::new(&address).color(color)).truncate()).on_hover_text(&address);
    card(trial, &mut outcome, ui);
    ui.add_space(2.0);
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    let running = trial.running();
    for name in trial.names() {
        let step = trial.step(name);
        row(ui, name, step, running == Some(name), trial.is_running(), now.saturating_duration_since(trial.started_at));
    }
    ui.spacing_mut().item_spacing.y = gap;
    if trial.is_running() {
        ui.ctx().request_repaint_after(Duration::from_millis(100));
    }
    ui.add_space(4.0);
    buttons(trial, now, &mut outcome, ui);
    outcome
}

/// The verdict, or what is being done.
fn card(trial: &mut Trial, outcome: &mut Outcome, ui: &mut Ui) {
    const MIN_HEIGHT: f32 = 104.0;
    let palette = Palette::of(ui);
    let (surface, color, headline, advice) = match &trial.ending {
        Ending::Running => {
            let what = trial.running().map_or("the end", label);
            let words = format!("Testing: {what}…");
            (palette.raised, palette.text_strong, words, "The first step that fails is the verdict.".to_owned())
        }
        Ending::Cancelled => (palette.raised, palette.text_strong, "The test was cancelled.".to_owned(), String::new()),
        Ending::Done { tested, .. } => {
            let (outcome, headline, advice) = verdict(tested);
            let (surface, color) = match outcome {
                StepOutcome::Good => (palette.good_surface, palette.good),
                StepOutcome::Warning | StepOutcome::Skipped => (palette.warning_surface, palette.warning),
                StepOutcome::Bad => (palette.error_surface, palette.error),
            };
            (surface, color, headline, advice)
        }
    };
    let shown = Frame::NONE.fill(surface).corner_radius(RADIUS).inner_margin(Margin::symmetric(14, 12));
    shown.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_min_height(MIN_HEIGHT - 24.0);
        ui.spacing_mut().item_spacing.y = 5.0;
        ui.add(Label::new(RichText::new(headline).font(theme::semibold(15.0)).color(color)).wrap());
        if !advice.is_empty() {
            ui.add(Label::new(RichText::new(advice).color(palette.text)).wrap());
        }
        let Ending::Done { tested, took } = &trial.ending else { return };
        let mut small = Vec::new();
        if let Some(finding) = &tested.verdict {
            // In tens: more is not known.
            let percent = (finding.confidence * 10.0).round() * 10.0;
            small.push(format!("{}, {percent:.0} % sure", finding.entry));
        }
        small.push(format!("{} s", text::decimal(took.as_secs_f64(), 1)));
        let measured = measured(&tested.measured);
        if !measured.is_empty() {
            small.insert(0, measured);
        }
        ui.add(Label::new(RichText::new(small.join(" · ")).size(SMALL).color(palette.text_weak)).wrap());
        let is_untrusted = tested.verdict.as_ref().is_some_and(|finding| finding.fault.kind == FaultKind::Untrusted);
        if let (true, Some(certificate)) = (is_untrusted, tested.certificate.clone()) {
            trust(certificate, &mut trial.asks_trust, outcome, ui);
        }
    });
}

/// What the camera showed, and the question whether it is to be trusted.
fn trust(certificate: Certificate, asks: &mut bool, outcome: &mut Outcome, ui: &mut Ui) {
    let palette = Palette::of(ui);
    ui.add_space(2.0);
    egui::Grid::new("certificate").num_columns(2).min_row_height(16.0).spacing([14.0, 3.0]).show(ui, |ui| {
        for (name, value) in facts(&certificate) {
            ui.label(RichText::new(name).size(SMALL).color(palette.text_weak));
            ui.add(Label::new(RichText::new(value).size(SMALL).color(palette.text)).wrap().selectable(true));
            ui.end_row();
        }
    });
    ui.add_space(2.0);
    if !*asks {
        let help = "Asks once more, then trusts this one certificate at this host and port";
        *asks = widgets::button(ui, "Trust this certificate…", false, help).clicked();
        return;
    }
    let words = "Trust it only if you know that it is the camera's own, for example because the camera's page shows the same fingerprint. Whoever else shows it could read the password.";
    ui.add(Label::new(RichText::new(words).color(palette.text)).wrap());
    ui.horizontal(|ui| {
        if widgets::button(ui, "Trust it", true, "Trust it from now on and test again").clicked() {
            *outcome = Outcome::Trust(certificate.fingerprint);
        }
        if widgets::button(ui, "Do not trust it", false, "Leave it as it is").clicked() {
            *asks = false;
        }
    });
}

/// One line of the same height always.
fn row(ui: &mut Ui, name: StepName, step: Option<&TestStep>, is_running: bool, goes_on: bool, since: Duration) {
    const HEIGHT: f32 = 25.0;
    const NAME_LEFT: f32 = 26.0;
    const WORD_LEFT: f32 = 166.0;
    const DETAIL_LEFT: f32 = 238.0;
    const MS_WIDTH: f32 = 72.0;
    let palette = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    let (icon, color, state) = match step.map(|step| step.outcome) {
        Some(outcome @ StepOutcome::Good) => (Some(Icon::Check), palette.good, word(outcome)),
        Some(outcome @ StepOutcome::Warning) => (None, palette.warning, word(outcome)),
        Some(outcome @ StepOutcome::Bad) => (Some(Icon::Cross), palette.error, word(outcome)),
        Some(outcome @ StepOutcome::Skipped) => (Some(Icon::Dash), palette.text_weak, word(outcome)),
        None if is_running => (None, palette.info, "running"),
        None if goes_on => (None, palette.text_weak, ""),
        None => (Some(Icon::Dash), palette.text_weak, "not tried"),
    };
    let ms = step.map(|step| spelled_ms(step.ms)).unwrap_or_default();
    let detail = step.map(|step| step.detail.as_str()).unwrap_or_default();
    let spoken = [label(name), state, &ms, detail].into_iter().filter(|part| !part.is_empty());
    let spoken = spoken.collect::<Vec<_>>().join(", ");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    if ui.is_rect_visible(rect) {
        let painter = ui.painter();
        let (left, middle) = (rect.left(), rect.center().y);
        let center = pos2(left + 10.0, middle);
        match icon {
            Some(icon) => icon.paint(painter, center, 9.0, color),
            None if is_running => widgets::spinner(painter, center, since, color),
            None if step.is_some() => {
                painter.text(center, Align2::CENTER_CENTER, "!", theme::semibold(14.0), color);
            }
            None => {}
        }
        let strong = if step.is_some() || is_running { palette.text } else { palette.text_weak };
        let put = |text: &str, x: f32, size: f32, color: Color32, room: f32| {
            let galley = widgets::one_line(painter, text, theme::regular(size), color, room);
            painter.galley(pos2(left + x, middle - galley.size().y / 2.0), galley, color);
        };
        put(label(name), NAME_LEFT, theme::BODY, strong, WORD_LEFT - NAME_LEFT - 6.0);
        put(state, WORD_LEFT, SMALL, color, DETAIL_LEFT - WORD_LEFT - 6.0);
        put(detail, DETAIL_LEFT, SMALL, palette.text_weak, rect.width() - DETAIL_LEFT - MS_WIDTH);
        painter.text(
            pos2(rect.right() - 2.0, middle),
            Align2::RIGHT_CENTER,
            &ms,
            theme::regular(SMALL),
            palette.text_weak,
        );
    }
    if !detail.is_empty() {
        response.on_hover_text(detail);
    }
}

fn buttons(trial: &mut Trial, now: Instant, outcome: &mut Outcome, ui: &mut Ui) {
    const COPIED: Duration = Duration::from_secs(2);
    ui.horizontal(|ui| {
        if trial.is_running() {
            if widgets::button(ui, "Cancel", false, "End the test now").clicked() {
                *outcome = Outcome::Cancel;
            }
        } else {
            let kind = trial.tested().and_then(|tested| tested.verdict.as_ref()).map(|finding| finding.fault.kind);
            let wants_password = kind == Some(FaultKind::LoginRefused);
            let help = "Back to the field for the password";
            if wants_password && widgets::button(ui, "Enter password…", true, help).clicked() {
                *outcome = Outcome::Back { to_password: true };
            }
            let is_well = kind.is_none() && trial.tested().is_some();
            let mut open = |ui: &mut Ui| {
                if widgets::button(ui, "Open", is_well, "Show this camera").clicked() {
                    *outcome = Outcome::Open;
                }
            };
            if is_well {
                open(ui);
            }
            let is_main = !is_well && !wants_password;
            let again = widgets::button(ui, "Test again", is_main, "From the first step").clicked();
            if !is_well {
                open(ui);
            }
            if again {
                *outcome = Outcome::Again;
            }
        }
        let is_copied = trial.copied_at.is_some_and(|at| now.saturating_duration_since(at) < COPIED);
        let label = if is_copied { "Copied" } else { "Copy" };
        if widgets::button(ui, label, false, "Steps and verdict as text, without any password").clicked() {
            ui.ctx().copy_text(trial.as_text());
            trial.copied_at = Some(now);
            ui.ctx().request_repaint_after(COPIED);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::button(ui, "Edit address", false, "Back to the fields of the address").clicked() {
                *outcome = Outcome::Back { to_password: false };
            }
        });
    });
}
