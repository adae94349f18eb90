//! The sentences of the window: pure functions of the status, so that they can be read and tested without a window.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::renderer::Renderer;
use crate::event::Event;
use crate::fault::{FaultClass, FaultKind};
use crate::settings::RecoverySettings;
use crate::status::{Asked, Got, PictureFaultKind, PictureFaultStatus, Rung, RungOutcome, RungStatus, State, Status};

mod ladder;

pub use ladder::{RESET_IS, RESET_NEEDS, RungLine, STUCK_HELP, rung_line, stuck};

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

    /// The same in words. A camera that was given up is looked at each few seconds only: no more is told than is known.
    #[must_use]
    pub fn outage_span(&self) -> Option<String> {
        let secs = self.outage_secs()?;
        Some(if self.status.state == State::Failed { coarse_span(secs) } else { span(secs) })
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
    let graded = || match (status.grade, status.health_score) {
        (Some(grade), Some(score)) => format!("{} {score}", capitalised(&grade.to_string())),
        _ => "No score".to_owned(),
    };
    match status.state {
        State::Idle => "Stopped".to_owned(),
        State::Opening => match moment.outage_secs() {
            Some(secs) => format!("Opening · {secs:.1} s"),
            None => "Opening".to_owned(),
        },
        State::Streaming | State::Recovering | State::Failed => match moment.outage_span() {
            Some(span) => format!("{} · no picture for {span}", graded()),
            None if status.state == State::Streaming => format!("{} · {:.1} fps", graded(), status.fps),
            None => format!("{} · no picture", graded()),
        },
    }
}

/// How a camera stands, in a word or two.
#[must_use]
pub fn state_word(moment: Option<Moment<'_>>, pauses: bool) -> &'static str {
    if pauses {
        return "check-up";
    }
    let Some(moment) = moment else { return "starting" };
    let fault = moment.status.last_fault.as_ref();
    match (moment.status.state, fault.map(|fault| (fault.kind, fault.class))) {
        (State::Idle, _) => "stopped",
        (State::Streaming, _) if moment.is_live() => moment.status.picture_faults.first().map_or("live", picture_word),
        (State::Opening, None) => "opening",
        (State::Opening | State::Streaming | State::Recovering | State::Failed, Some((kind, class))) => match kind {
            FaultKind::LoginRefused => "wrong password",
            FaultKind::Denied | FaultKind::Forbidden => "no permission",
            FaultKind::Missing if !moment.status.has_cached_frame => "missing",
            FaultKind::Untrusted => "certificate not trusted",
            FaultKind::WrongPath => "wrong path",
            _ if class == FaultClass::Busy => "busy",
            _ if class == FaultClass::Plug => "unplugged",
            _ if moment.status.state == State::Failed => "failed",
            _ => "recovering",
        },
        (State::Failed, None) => "failed",
        (State::Streaming | State::Recovering, None) => "recovering",
    }
}

fn picture_word(fault: &PictureFaultStatus) -> &'static str {
    match fault.kind {
        PictureFaultKind::Black => "black",
        PictureFaultKind::Frozen => "frozen",
        PictureFaultKind::Torn => "torn",
        PictureFaultKind::Covered => "covered",
        PictureFaultKind::Green => "partly green",
    }
}

/// Who paints the window.
#[must_use]
pub fn renderer(renderer: &Renderer) -> String {
    match renderer {
        Renderer::Gl(name) => format!("The window is painted by OpenGL ({name})"),
        Renderer::Software => "The window is painted without OpenGL, by the processor: only what changes".to_owned(),
    }
}

/// How many cameras there are, and how they stand: `12 cameras: 10 live, 1 recovering, 1 wrong password`.
#[must_use]
pub fn fleet<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut counts: Vec<(&str, usize)> = vec![("live", 0)];
    let mut n_cameras = 0;
    for word in words {
        n_cameras += 1;
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let told: Vec<_> = counts.map(|(word, count)| format!("{count} {word}")).collect();
    format!("{n_cameras} cameras: {}", told.join(", "))
}

/// What stands above the picture while the camera is closed for an examination.
#[must_use]
pub fn paused() -> Banner {
    Banner {
        headline: "Paused for the check-up".to_owned(),
        reason: "The picture comes back by itself when it is over.".to_owned(),
        button: BannerButton::None,
        is_fault: false,
    }
}

/// The banner above a picture that is not live, or shows a fault.
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
    /// Wait for the program that holds the camera.
    WaitUntilFree,
    /// Ask whether the device may be reset.
    Reset,
    /// Ask for another password.
    Password,
    /// Show the certificate that is not trusted, with the test of the connection.
    Certificate,
}

/// `None` while the picture is live and shows no fault.
#[must_use]
pub fn banner(moment: Moment<'_>, recovery: &RecoverySettings) -> Option<Banner> {
    if moment.is_live() {
        return picture_banner(moment);
    }
    let status = moment.status;
    let headline = match moment.outage_span() {
        _ if status.state == State::Idle => "Stopped".to_owned(),
        Some(span) if status.state == State::Opening && status.last_fault.is_none() => format!("Opening for {span}"),
        None if status.state == State::Opening => "Opening".to_owned(),
        Some(span) => format!("No live picture for {span}"),
        None => "No live picture".to_owned(),
    };
    let fault = status.last_fault.as_ref().filter(|_| status.state != State::Idle);
    let advice = fault.map_or("", |fault| fault.advice.as_str());
    let what_next = match status.state {
        State::Idle => "Press Start or the space bar to see the camera.".to_owned(),
        State::Opening if fault.is_none() => format!("Waiting for the first picture of {}.", status.name),
        State::Failed => advice.to_owned(),
        State::Opening | State::Streaming | State::Recovering => {
            next_step(moment, recovery).unwrap_or_else(|| advice.to_owned())
        }
    };
    // What has been tried in vain leaves two things, of which the first is the gentler.
    let last_resort = match status.state {
        State::Failed | State::Recovering if status.reset_needs_consent => "A reset of the device may help.",
        _ if status.should_reboot => "Restarting the computer may help.",
        _ => "",
    };
    let reason = fault.map(|fault| sentence(&fault.to_string())).unwrap_or_default();
    let parts = [reason.as_str(), &what_next, last_resort];
    let reason = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let kind = fault.map(|fault| fault.kind);
    let button = match status.state {
        State::Idle => BannerButton::Start,
        _ if kind == Some(FaultKind::LoginRefused) => BannerButton::Password,
        _ if kind == Some(FaultKind::Untrusted) => BannerButton::Certificate,
        State::Failed | State::Recovering if status.reset_needs_consent => BannerButton::Reset,
        State::Failed if fault.is_some_and(|fault| fault.class == FaultClass::Busy) => BannerButton::WaitUntilFree,
        State::Failed => BannerButton::TryAgain,
        State::Opening if fault.is_none() => BannerButton::None,
        State::Opening | State::Streaming | State::Recovering => BannerButton::Now,
    };
    Some(Banner { headline, reason, button, is_fault: fault.is_some() })
}

/// What is wrong with a picture that is live. Recovery does nothing about it: the camera answers as it should.
fn picture_banner(moment: Moment<'_>) -> Option<Banner> {
    let faults = &moment.status.picture_faults;
    let secs = faults.iter().map(|fault| fault.since_secs).reduce(f64::max)? + moment.since.as_secs_f64();
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    Some(Banner {
        headline: format!("Faulty picture for {}", coarse_span(secs)),
        reason: messages.join(" "),
        button: BannerButton::None,
        is_fault: true,
    })
}

/// What recovery does next, and when; `None` where it does nothing by itself.
fn next_step(moment: Moment<'_>, recovery: &RecoverySettings) -> Option<String> {
    let status = moment.status;
    let rung = status.rung?;
    // Number and unit stay on one line.
    let when = moment.next_try_secs().map(|secs| format!(" in {}", span(secs).replace(' ', "\u{a0}")));
    if let Some(fault) = status.last_fault.as_ref().filter(|_| is_waited_for(status)) {
        // Somebody's hand is what helps; to look again is all that is done meanwhile.
        let look = when.map_or("Looking now".to_owned(), |when| format!("Next look{when}"));
        let has_been_there = fault.class == FaultClass::Plug && status.has_cached_frame;
        let help =
            if has_been_there { "It comes back by itself once it is plugged in." } else { fault.advice.as_str() };
        return Some(format!("{help} {look}."));
    }
    if rung == Rung::AdviseReboot {
        // It is advice: what is done meanwhile is to try again now and then.
        return when.map(|when| format!("Next try{when}."));
    }
    let again = if last_failed(&status.ladder) == Some(rung) { " again" } else { "" };
    let (label, what) = match when {
        Some(when) => ("next", format!("{rung}{again}{when}")),
        None => ("now", format!("{rung}{again}")),
    };
    let attempt = match attempt(status, recovery) {
        attempt if attempt.is_empty() => attempt,
        attempt => format!(" ({attempt})"),
    };
    Some(match last_failed(&status.ladder) {
        Some(failed) if failed != rung => {
            format!("{} did not help; {label}: {what}{attempt}.", capitalised(&failed.to_string()))
        }
        _ => format!("{}: {what}{attempt}.", capitalised(label)),
    })
}

/// The camera is away or taken, and all that recovery does is to wait for it.
fn is_waited_for(status: &Status) -> bool {
    status.last_fault.as_ref().is_some_and(|fault| matches!(fault.class, FaultClass::Plug | FaultClass::Busy))
}

/// The rung that ended last, where it failed.
fn last_failed(ladder: &[RungStatus]) -> Option<Rung> {
    let ended = ladder.iter().filter_map(|rung| Some((rung.rung, rung.last.as_ref()?)));
    let (rung, last) = ended.min_by(|(_, a), (_, b)| a.ago_secs.total_cmp(&b.ago_secs))?;
    (last.outcome == RungOutcome::Failed).then_some(rung)
}

/// The number of the reconnection that is under way or comes next; empty where there is none.
#[must_use]
pub fn attempt(status: &Status, recovery: &RecoverySettings) -> String {
    let most = recovery.n_recovery_attempts;
    let comes_next = status.rung == Some(Rung::Reinitialise) && status.next_try_secs.is_some();
    match status.recovery_attempts + u32::from(comes_next) {
        _ if is_waited_for(status) => String::new(),
        0 => String::new(),
        n if n <= most => format!("attempt {n} of {most}"),
        // After a rest they go on.
        n => format!("attempt {n}"),
    }
}

/// What the plot calls an event: a step of recovery by its own name.
#[must_use]
pub fn marker_name(event: &Event) -> String {
    if event.name != "rung" {
        return event.name.clone();
    }
    // Without a step it is about all of them.
    let rung = event.details.get("rung").and_then(|rung| Rung::deserialize(rung).ok());
    rung.map_or_else(|| "recovery".to_owned(), |rung| rung.to_string())
}

/// The line over the picture.
#[must_use]
pub fn overlay(moment: Moment<'_>, age: Duration) -> String {
    let status = moment.status;
    let format = status.got.format.map(|format| format!(" {format}")).unwrap_or_default();
    let mut parts = vec![format!("{} × {}{format}", status.width, status.height)];
    parts.push(match status.got.fps {
        Some(agreed) => format!("{:.1} of {} fps", status.fps, decimal(agreed, 2)),
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
    let format = got.format.map(|format| format!(" {format}")).unwrap_or_default();
    let fps = got.fps.map(|fps| format!(" at {} fps", decimal(fps, 2))).unwrap_or_default();
    let what = format!("{}\u{a0}×\u{a0}{}{format}{fps}", size.width, size.height);
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

/// A time span of which the tenths do not matter: `3 s`, `4 min`, `2 h 10 min`.
#[must_use]
pub fn coarse_span(secs: f64) -> String {
    let whole = Duration::try_from_secs_f64(secs).unwrap_or_default().as_secs();
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min", whole / 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// How long ago something was: `12 s ago`.
#[must_use]
pub fn ago(secs: f64) -> String {
    if secs < 1.0 { "just now".to_owned() } else { format!("{} ago", coarse_span(secs)) }
}

/// A count in groups of three digits: `1 918`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
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

/// The size of a file: `812 B`, `14 kB`, `1.2 MB`.
#[must_use]
pub fn file_size(n_bytes: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let n = n_bytes as f64;
    match n_bytes {
        0..1_000 => format!("{n_bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", n / 1e3),
        _ => format!("{:.1} MB", n / 1e6),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        #[track_caller]
        fn check(secs: f64, expected: &str) {
            assert_eq!(span(secs), expected);
        }
        check(0.0, "0.0 s");
        check(3.24, "3.2 s");
        check(59.9, "59.9 s");
        check(60.0, "1 min 00 s");
        check(245.0, "4 min 05 s");
        check(7_800.0, "2 h 10 min");
        check(f64::INFINITY, "0 min 00 s");
    }

    #[test]
    fn a_fleet_is_counted_by_how_its_cameras_stand() {
        #[track_caller]
        fn check(words: &[&str], expected: &str) {
            assert_eq!(fleet(words.iter().copied()), expected);
        }
        check(&["live", "live"], "2 cameras: 2 live");
        check(&["recovering", "live", "wrong password", "live"], "4 cameras: 2 live, 1 recovering, 1 wrong password");
        check(&["busy", "busy"], "2 cameras: 2 busy");
    }

    #[test]
    fn what_is_long_ago_is_told_roughly() {
        #[track_caller]
        fn check(secs: f64, expected: &str) {
            assert_eq!(ago(secs), expected);
        }
        check(0.4, "just now");
        check(12.9, "12 s ago");
        check(150.0, "2 min ago");
        check(7_860.0, "2 h 11 min ago");
        check(f64::NAN, "0 s ago");
    }

    #[test]
    fn steps_of_recovery_have_their_own_names_in_the_plot() {
        #[track_caller]
        fn check(name: &str, rung: Option<&str>, expected: &str) {
            let event = Event {
                id: 1,
                at: Timestamp::UNIX_EPOCH,
                instant: std::time::Instant::now(),
                camera: None,
                source: String::new(),
                level: crate::event::Level::Warning,
                name: name.to_owned(),
                message: "".into(),
                details: rung.map(|rung| ("rung".to_owned(), rung.into())).into_iter().collect(),
            };
            assert_eq!(marker_name(&event), expected);
        }
        check("rung", Some("restart-stream"), "restart stream");
        check("rung", Some("unheard-of"), "recovery");
        check("rung", None, "recovery");
        check("stall", Some("retry"), "stall");
    }

    #[test]
    fn sizes_of_files_are_told_in_their_unit() {
        for (n_bytes, expected) in [(0, "0 B"), (999, "999 B"), (14_321, "14 kB"), (1_240_000, "1.2 MB")] {
            assert_eq!(file_size(n_bytes), expected);
        }
    }

    #[test]
    fn numbers_are_grouped_and_cut() {
        #[track_caller]
        fn check(got: &str, expected: &str) {
            assert_eq!(got.replace('\u{202f}', " "), expected);
        }
        check(&count(0), "0");
        check(&count(999), "999");
        check(&count(1_918), "1 918");
        check(&count(12_345_678), "12 345 678");
        check(&decimal(30.0, 2), "30");
        check(&decimal(29.97, 2), "29.97");
        check(&decimal(0.1, 2), "0.1");
        check(&decimal(100.0, 0), "100");
        check(&bytes(812_400_000_000), "812 GB");
        check(&bytes(1_550_000_000), "1.6 GB");
    }

    #[test]
    fn sentences_keep_names_as_they_are() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(sentence(text), expected);
        }
        check("the driver is gone", "The driver is gone.");
        check("no frame for 1.0 s: sim:", "No frame for 1.0 s: sim:.");
        check("/dev/video0 is in use (16)", "/dev/video0 is in use (16).");
        check("sim: stands for itself", "sim: stands for itself.");
        check("film.mp4 is empty", "film.mp4 is empty.");
        check("Done!", "Done!");
        check("", "");
    }

    #[test]
    fn what_was_got_is_compared_with_what_was_asked() {
        #[track_caller]
        fn check(asked: Asked, got_size: (u32, u32), got_fps: f64, expected: &str) {
            let size = crate::frame::Size::new(got_size.0, got_size.1);
            let got_all = Got { size, fps: Some(got_fps), ..Got::default() };
            assert_eq!(got(&asked, &got_all).unwrap().replace('\u{a0}', " "), expected);
        }
        let hd = Asked { size: crate::frame::Size::new(1280, 720), fps: Some(30.0), ..Asked::default() };
        check(hd, (1280, 720), 30.0, "Got what was asked: 1280 × 720 at 30 fps.");
        check(hd, (1280, 720), 29.97, "Got what was asked: 1280 × 720 at 29.97 fps.");
        check(hd, (1280, 720), 10.0, "Got 1280 × 720 at 10 fps: the device changed the rate.");
        check(hd, (640, 480), 25.0, "Got 640 × 480 at 25 fps: the device changed the size and the rate.");
        check(Asked::default(), (640, 480), 25.0, "Got what was asked: 640 × 480 at 25 fps.");
        assert_eq!(got(&hd, &Got::default()), None);
    }
}
