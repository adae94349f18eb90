//! The test of a connection as it goes on: the verdict on top, the steps below it, each with its outcome, time and detail.
//!
//! Every step has its line from the beginning, so that nothing moves while the test runs.

use std::fmt;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use egui::accesskit::Role;
use egui::{Align, Align2, Color32, Frame, Label, Layout, Margin, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use super::background::{Task, WindowHandle};
use super::text;
use super::theme::{self, Palette, RADIUS, SMALL};
use super::widgets::{self, Icon};
use crate::address::Address;
use crate::fault::FaultKind;
use crate::network::{
    self, Certificate, ConnectionParameters, ConnectionTestResult, KnownLogins, StepName, StepOutcome,
    StreamMeasurements, TestStep,
};
use crate::settings::NetworkOptions;

/// A step takes no longer; all of it ends with a verdict by then.
const STEP_DEADLINE: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_mins(1);
/// How long the stream is watched once it runs.
const WATCH: Duration = Duration::from_secs(10);

/// A test that runs or has ended. Dropping it ends it.
pub struct ConnectionTest {
    pub number: u64,
    pub address: Address,
    started_at: Instant,
    steps: Vec<TestStep>,
    state: TestState,
    /// Whether the question about the certificate is asked.
    asks_trust: bool,
    copied_at: Option<Instant>,
}

enum TestState {
    /// Dropping it ends the test.
    Running {
        _alive: Sender<()>,
    },
    Cancelled,
    Done {
        tested: Box<ConnectionTestResult>,
        took: Duration,
    },
}

/// What the user wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestAction {
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

impl ConnectionTest {
    fn new(number: u64, address: Address, alive: Sender<()>, now: Instant) -> Self {
        Self {
            number,
            address,
            started_at: now,
            steps: Vec::new(),
            state: TestState::Running { _alive: alive },
            asks_trust: false,
            copied_at: None,
        }
    }

    pub fn hear(&mut self, step: TestStep) {
        if self.is_running() {
            self.steps.retain(|heard| heard.name != step.name);
            self.steps.push(step);
        }
    }

    pub fn end(&mut self, tested: ConnectionTestResult, now: Instant) {
        if self.is_running() {
            self.steps.clone_from(&tested.steps);
            let took = now.saturating_duration_since(self.started_at);
            self.state = TestState::Done { tested: Box::new(tested), took };
        }
    }

    pub fn cancel(&mut self) {
        if self.is_running() {
            self.state = TestState::Cancelled;
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state, TestState::Running { .. })
    }

    fn tested(&self) -> Option<&ConnectionTestResult> {
        match &self.state {
            TestState::Done { tested, .. } => Some(tested),
            TestState::Running { .. } | TestState::Cancelled => None,
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
            lines.extend((!measured.is_empty()).then(|| format!("StreamMeasurements: {measured}")));
            if let Some(certificate) = &tested.certificate {
                lines.extend(facts(certificate).into_iter().map(|(name, value)| format!("{name}: {value}")));
            }
        }
        self.address.mask_in(&lines.join("\n"))
    }
}

/// Talks to a camera, step by step.
pub(super) struct TestConnection {
    number: u64,
    address: Address,
    network: NetworkOptions,
    logins: KnownLogins,
    /// Disconnected when nobody wants the answer any more.
    cancel: Receiver<()>,
}

impl TestConnection {
    /// The test as it is shown, and the task that carries it out.
    pub fn new(
        number: u64,
        address: Address,
        network: NetworkOptions,
        logins: KnownLogins,
        now: Instant,
    ) -> (ConnectionTest, Self) {
        let (alive, cancel) = bounded(0);
        (ConnectionTest::new(number, address.clone(), alive, now), Self { number, address, network, logins, cancel })
    }
}

impl fmt::Debug for TestConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_cancelled = self.cancel.try_recv() == Err(TryRecvError::Disconnected);
        let mut shown = f.debug_struct("TestConnection");
        shown.field("number", &self.number).field("address", &self.address);
        shown
            .field("transport", &self.network.transport)
            .field("logins", &self.logins)
            .field("is_cancelled", &is_cancelled)
            .finish()
    }
}

impl Task for TestConnection {
    fn thread_name(&self) -> &'static str {
        "test-connection"
    }

    fn run(self: Box<Self>, window: &WindowHandle) {
        let Self { number, address, network, logins, cancel } = *self;
        let deadline = Instant::now() + DEADLINE;
        let access = ConnectionParameters { address, network, logins, step_deadline: STEP_DEADLINE, deadline, cancel };
        let tested = network::test(&access, WATCH, &mut |step| {
            window.update(move |window| {
                if let Some(test) = window.shell.connection_test(number) {
                    test.hear(step);
                }
            });
        });
        window.update(move |window| {
            let now = window.shell.now;
            if let Some(test) = window.shell.connection_test(number) {
                test.end(tested, now);
            }
        });
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
    (outcome, text::sentence(&finding.fault.message), finding.fault.advice.to_string())
}

fn measured(measured: &StreamMeasurements) -> String {
    let number = |value: f64, n_decimals| text::decimal(value, n_decimals);
    let parts = [
        measured.resolution.map(|size| format!("{} × {}", size.width, size.height)),
        measured.codec.as_ref().map(ToString::to_string),
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

pub fn draw(test: &mut ConnectionTest, now: Instant, ui: &mut Ui) -> TestAction {
    let mut action = TestAction::Stays;
    let address = test.address.to_string();
    let color = Palette::of(ui).text_weak;
    ui.add(Label::new(RichText::new(&address).color(color)).truncate()).on_hover_text(&address);
    card(test, &mut action, ui);
    ui.add_space(2.0);
    let gap = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    let running = test.running();
    for name in test.names() {
        let step = test.step(name);
        row(ui, name, step, running == Some(name), test.is_running(), now.saturating_duration_since(test.started_at));
    }
    ui.spacing_mut().item_spacing.y = gap;
    if test.is_running() {
        ui.ctx().request_repaint_after(Duration::from_millis(100));
    }
    ui.add_space(4.0);
    buttons(test, now, &mut action, ui);
    action
}

/// The verdict, or what is being done.
fn card(test: &mut ConnectionTest, action: &mut TestAction, ui: &mut Ui) {
    const MIN_HEIGHT: f32 = 104.0;
    let palette = Palette::of(ui);
    let (surface, color, headline, advice) = match &test.state {
        TestState::Running { .. } => {
            let what = test.running().map_or("the end", label);
            let words = format!("Testing: {what}…");
            (palette.raised, palette.text_strong, words, "The first step that fails is the verdict.".to_owned())
        }
        TestState::Cancelled => {
            (palette.raised, palette.text_strong, "The test was cancelled.".to_owned(), String::new())
        }
        TestState::Done { tested, .. } => {
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
        let TestState::Done { tested, took } = &test.state else { return };
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
            trust(certificate, &mut test.asks_trust, action, ui);
        }
    });
}

/// What the camera showed, and the question whether it is to be trusted.
fn trust(certificate: Certificate, asks: &mut bool, action: &mut TestAction, ui: &mut Ui) {
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
            *action = TestAction::Trust(certificate.fingerprint);
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

fn buttons(test: &mut ConnectionTest, now: Instant, action: &mut TestAction, ui: &mut Ui) {
    const COPIED: Duration = Duration::from_secs(2);
    ui.horizontal(|ui| {
        if test.is_running() {
            if widgets::button(ui, "Cancel", false, "End the test now").clicked() {
                *action = TestAction::Cancel;
            }
        } else {
            let kind = test.tested().and_then(|tested| tested.verdict.as_ref()).map(|finding| finding.fault.kind);
            let wants_password = kind == Some(FaultKind::LoginRefused);
            let help = "Back to the field for the password";
            if wants_password && widgets::button(ui, "Enter password…", true, help).clicked() {
                *action = TestAction::Back { to_password: true };
            }
            let is_well = kind.is_none() && test.tested().is_some();
            let mut open = |ui: &mut Ui| {
                if widgets::button(ui, "Open", is_well, "Show this camera").clicked() {
                    *action = TestAction::Open;
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
                *action = TestAction::Again;
            }
        }
        let is_copied = test.copied_at.is_some_and(|at| now.saturating_duration_since(at) < COPIED);
        let label = if is_copied { "Copied" } else { "Copy" };
        if widgets::button(ui, label, false, "Steps and verdict as text, without any password").clicked() {
            ui.ctx().copy_text(test.as_text());
            test.copied_at = Some(now);
            ui.ctx().request_repaint_after(COPIED);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::button(ui, "Edit address", false, "Back to the fields of the address").clicked() {
                *action = TestAction::Back { to_password: false };
            }
        });
    });
}
