//! The sentences of the window: pure functions of the status, so that they can be read and tested without a window.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::settings::Settings;
use crate::status::{Asked, Got, Rung, State, Status};

/// A status as the window sees it between two publications: the clocks in it go on.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub status: &'a Status,
    /// Time since the status was published.
    pub since: Duration,
}

impl Moment<'_> {
    /// Whether the picture on the screen is the picture of now.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.status.state == State::Streaming && self.status.outage_secs.is_none()
    }

    /// How long there has been no live picture.
    #[must_use]
    pub fn outage_secs(&self) -> Option<f64> {
        self.status.outage_secs.map(|secs| secs + self.since.as_secs_f64())
    }

    #[must_use]
    pub fn next_try_secs(&self) -> Option<f64> {
        self.status.next_try_secs.map(|secs| (secs - self.since.as_secs_f64()).max(0.0))
    }
}

/// What the pill at the end of the toolbar says.
#[must_use]
pub fn pill(moment: Moment<'_>) -> String {
    let status = moment.status;
    let graded = || format!("{} {}", capitalised(&status.grade.to_string()), status.health_score);
    match status.state {
        State::Idle => "Stopped".to_owned(),
        State::Opening => match moment.outage_secs() {
            Some(secs) => format!("Opening · {secs:.1} s"),
            None => "Opening".to_owned(),
        },
        State::Streaming | State::Recovering | State::Failed => match moment.outage_secs() {
            Some(secs) => format!("{} · no picture for {}", graded(), span(secs)),
            None if status.state == State::Streaming => format!("{} · {:.1} fps", graded(), status.fps),
            None => format!("{} · no picture", graded()),
        },
    }
}

/// The banner above a picture that is not live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    pub headline: String,
    /// Why, and what comes next.
    pub reason: String,
    pub button: BannerButton,
    /// Something is wrong, rather than stopped by the user or just starting.
    pub is_fault: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BannerButton {
    None,
    /// Do the next step of recovery now.
    Now,
    Start,
    TryAgain,
}

/// `None` while the picture is live.
#[must_use]
pub fn banner(moment: Moment<'_>, settings: &Settings) -> Option<Banner> {
    if moment.is_live() {
        return None;
    }
    let status = moment.status;
    let headline = match moment.outage_secs() {
        _ if status.state == State::Idle => "Stopped".to_owned(),
        Some(secs) if status.state == State::Opening && status.last_fault.is_none() => {
            format!("Opening for {}", span(secs))
        }
        None if status.state == State::Opening => "Opening".to_owned(),
        Some(secs) => format!("No live picture for {}", span(secs)),
        None => "No live picture".to_owned(),
    };
    let fault = status.last_fault.as_ref().filter(|_| status.state != State::Idle);
    let mut reason = fault.map(|fault| sentence(&fault.to_string())).unwrap_or_default();
    let mut add = |text: &str| {
        if !reason.is_empty() && !text.is_empty() {
            reason.push(' ');
        }
        reason.push_str(text);
    };
    match status.state {
        State::Idle => add("Press Start or the space bar to see the camera."),
        State::Opening if fault.is_none() => add(&format!("Waiting for the first picture of {}.", status.name)),
        State::Failed => add(fault.map_or("", |fault| fault.advice.as_str())),
        State::Opening | State::Streaming | State::Recovering => match (status.rung, moment.next_try_secs()) {
            (Some(Rung::AdviseReboot), _) => add(fault.map_or("", |fault| fault.advice.as_str())),
            (Some(rung), Some(secs)) => add(&format!("Next: {rung} in {}{}.", span(secs), attempt(status, settings))),
            (Some(rung), None) => add(&format!("Now: {rung}{}.", attempt(status, settings))),
            (None, Some(secs)) => add(&format!("Next try in {}.", span(secs))),
            (None, None) => add(fault.map_or("", |fault| fault.advice.as_str())),
        },
    }
    if status.should_reboot {
        add("Restarting the computer may help.");
    }
    let button = match status.state {
        State::Idle => BannerButton::Start,
        State::Failed => BannerButton::TryAgain,
        State::Opening if fault.is_none() => BannerButton::None,
        State::Opening | State::Streaming | State::Recovering => BannerButton::Now,
    };
    Some(Banner { headline, reason, button, is_fault: fault.is_some() })
}

fn attempt(status: &Status, settings: &Settings) -> String {
    match status.recovery_attempts {
        0 => String::new(),
        n => format!(" (attempt {n} of {})", settings.recovery.n_recovery_attempts),
    }
}

/// The line over the picture.
#[must_use]
pub fn overlay(moment: Moment<'_>, age: Duration) -> String {
    let status = moment.status;
    let format = status.got.format.map(|format| format!(" {format}")).unwrap_or_default();
    let mut parts = vec![format!("{} × {}{format}", status.width, status.height)];
    parts.push(match status.asked.fps.or(status.got.fps) {
        Some(asked) => format!("{:.1} of {} fps", status.fps, decimal(asked, 2)),
        None => format!("{:.1} fps", status.fps),
    });
    parts.push(format!("age {} ms", age.as_millis()));
    parts.push(format!("{} dropped", count(status.dropped)));
    parts.join(" · ")
}

/// What the camera made of what was asked; `None` before it has answered.
#[must_use]
pub fn got(asked: &Asked, got: &Got) -> Option<String> {
    let size = got.size?;
    // The size stays on one line.
    let mut what = format!("{}\u{a0}×\u{a0}{}", size.width, size.height);
    if let Some(format) = got.format {
        what.push_str(&format!(" {format}"));
    }
    if let Some(fps) = got.fps {
        what.push_str(&format!(" at {} fps", decimal(fps, 2)));
    }
    let mut changed = Vec::new();
    if asked.size.is_some_and(|asked| asked != size) {
        changed.push("size");
    }
    if let (Some(asked), Some(got)) = (asked.format, got.format)
        && asked != got
    {
        changed.push("format");
    }
    if let (Some(asked), Some(got)) = (asked.fps, got.fps)
        && (asked - got).abs() > 0.01 * asked
    {
        changed.push("rate");
    }
    if let (Some(asked), Some(got)) = (asked.n_buffers, got.n_buffers)
        && asked != got
    {
        changed.push("buffers");
    }
    Some(match changed.as_slice() {
        [] => format!("Got what was asked: {what}."),
        [one] => format!("Got {what}: the device changed the {one}."),
        [most @ .., last] => format!("Got {what}: the device changed the {} and the {last}.", most.join(", the ")),
    })
}

/// A time span as people say it: `3.2 s`, `4 min 05 s`, `2 h 10 min`.
#[must_use]
pub fn span(secs: f64) -> String {
    if secs < 60.0 {
        return format!("{secs:.1} s");
    }
    let whole = Duration::try_from_secs_f64(secs).unwrap_or_default().as_secs();
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
    }
}

/// A count in groups of three digits: `1 918`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            // Narrow and not to be broken: a number stays in one piece.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// At most `n_decimals`, without trailing zeros.
#[must_use]
pub fn decimal(value: f64, n_decimals: usize) -> String {
    let text = format!("{value:.n_decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Free space as a disk's label counts it.
#[must_use]
pub fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let gigabytes = n as f64 / 1e9;
    if gigabytes >= 10.0 { format!("{gigabytes:.0} GB") } else { format!("{gigabytes:.1} GB") }
}

/// Wall clock of this place, with milliseconds: `12:41:06.118`.
#[must_use]
pub fn clock_ms(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

/// The same for a frame, with tenths.
#[must_use]
pub fn clock_tenths(at: SystemTime) -> String {
    Timestamp::try_from(at)
        .map_or_else(|_| "–".to_owned(), |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.1f").to_string())
}

#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// With a capital letter and a full stop. A path, an address or a file's name keeps the letter that it has.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let first_word = text.split_whitespace().next().unwrap_or_default();
    let is_a_name = first_word.trim_end_matches([':', ',']).contains([':', '/', '\\', '.']) || first_word == "sim:";
    let mut text = if is_a_name { text.to_owned() } else { capitalised(text) };
    if !text.is_empty() && !text.ends_with(['.', '!', '?', '…']) {
        text.push('.');
    }
    text
}
