//! The one picture of a camera that every face shows, and the JSON contract of `camclinic status`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::foreign::Foreign;
use crate::frame::{PixelFormat, Size};

/// What the supervisor is doing with a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Stopped by the user, or not started yet.
    Idle,
    /// Waiting for the first good frame, without a fault so far.
    Opening,
    /// Good frames come.
    Streaming,
    /// Something failed and is being tried again.
    Recovering,
    /// Given up: nothing happens until somebody acts.
    Failed,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Idle, Self::Opening, Self::Streaming, Self::Recovering, Self::Failed];

    /// As the JSON has it.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Opening => "opening",
            Self::Streaming => "streaming",
            Self::Recovering => "recovering",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "stopped",
            Self::Opening => "opening",
            Self::Streaming => "live",
            Self::Recovering => "recovering",
            Self::Failed => "failed",
        })
    }
}

/// The health score in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Critical,
    Warning,
    Good,
    Excellent,
}

impl Grade {
    /// The least score of each grade, best first: the one table behind words, plot bands and exit codes.
    pub const BANDS: [(Self, u8); 4] =
        [(Self::Excellent, 90), (Self::Good, 70), (Self::Warning, 30), (Self::Critical, 0)];

    #[must_use]
    pub fn of(score: u8) -> Self {
        Self::BANDS.iter().find(|(_, least)| score >= *least).map_or(Self::Critical, |(grade, _)| *grade)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excellent => "excellent",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// One step of recovery, gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Read again after a pause.
    Retry,
    /// Stop the stream and start it, with the device kept open.
    RestartStream,
    /// Close the device and open it anew.
    Reinitialise,
    /// Reset the device on its bus.
    ResetDevice,
    /// Say that a restart of the computer is what is left.
    AdviseReboot,
}

impl Rung {
    pub const ALL: [Self; 5] =
        [Self::Retry, Self::RestartStream, Self::Reinitialise, Self::ResetDevice, Self::AdviseReboot];
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "retry",
            Self::RestartStream => "restart stream",
            Self::Reinitialise => "reconnect",
            Self::ResetDevice => "reset device",
            Self::AdviseReboot => "advise a reboot",
        })
    }
}

/// How a rung ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RungOutcome {
    /// Good frames came.
    Recovered,
    /// The next fault came.
    Failed,
    /// It was left before its end was known: another step was asked for, or the camera was stopped.
    Interrupted,
}

impl fmt::Display for RungOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recovered => "recovered",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        })
    }
}

/// What is known of one rung of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RungStatus {
    pub rung: Rung,
    /// Tries since the last minute of good frames.
    pub n_tries: u32,
    /// The last of them that has ended.
    pub last: Option<RungResult>,
}

/// How the last try of a rung went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RungResult {
    pub outcome: RungOutcome,
    /// From the moment at which the rung was carried out to its end, its pause not counted.
    pub took_ms: u64,
    /// How long ago it ended.
    pub ago_secs: f64,
    /// The fault that ended it; empty when it recovered.
    pub why: String,
}

/// A capture process that does not end although it was killed: it sits in a driver, and only the kernel can free it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StuckProcess {
    pub pid: u32,
    pub since_secs: f64,
    /// The function of the kernel in which it waits, where the system tells.
    pub kernel_function: Option<String>,
}

/// One reason why the score is below 100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deduction {
    /// Which rule, see [`crate::criteria::RULES`].
    pub rule: String,
    /// In words, with the measured value.
    pub reason: String,
    pub points: u8,
}

/// The alerts, under the names that monitoring scripts already look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertName {
    #[serde(rename = "CAMERA_ISSUE")]
    CameraIssue,
    #[serde(rename = "CAMERA_RECOVERY")]
    CameraRecovery,
    #[serde(rename = "CAMERA_CRITICAL")]
    CameraCritical,
    /// One of several has been without a picture for long, or is given up.
    #[serde(rename = "CAMERA_DEAD")]
    CameraDead,
    /// So have all of them.
    #[serde(rename = "ALL_CAMERAS_DEAD")]
    AllCamerasDead,
}

impl AlertName {
    pub const ALL: [Self; 5] =
        [Self::CameraIssue, Self::CameraRecovery, Self::CameraCritical, Self::CameraDead, Self::AllCamerasDead];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CameraIssue => "CAMERA_ISSUE",
            Self::CameraRecovery => "CAMERA_RECOVERY",
            Self::CameraCritical => "CAMERA_CRITICAL",
            Self::CameraDead => "CAMERA_DEAD",
            Self::AllCamerasDead => "ALL_CAMERAS_DEAD",
        }
    }
}

/// Something that stands open and that somebody should know of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub name: AlertName,
    /// `capture_failure`, `buffer_error`, `connection_error` or `picture_fault` for an issue.
    pub cause: String,
    pub message: String,
}

/// What was asked of a camera; `None` leaves it to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub size: Option<Size>,
    pub fps: Option<f64>,
    pub format: Option<PixelFormat>,
    pub n_buffers: Option<u32>,
}

/// What a camera turned out to deliver, read back after opening. `None` where the backend does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Got {
    pub size: Option<Size>,
    pub fps: Option<f64>,
    pub format: Option<PixelFormat>,
    pub n_buffers: Option<u32>,
}

/// Everything there is to say about a camera at one moment. The field order is that of the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the JSON contract has them one by one")]
pub struct Status {
    /// As the user named it, without secrets.
    pub source: String,
    /// The number by which the system lists the device, where it does.
    pub camera_index: Option<u32>,
    pub backend: String,
    pub state: State,
    pub is_opened: bool,
    pub is_initialized: bool,
    pub is_capturing: bool,
    pub is_healthy: bool,
    /// 0 to 100; `null` while there is nothing to judge: the camera is stopped, or is being opened and nothing has failed.
    pub health_score: Option<u8>,
    /// That of the score.
    pub grade: Option<Grade>,
    pub deductions: Vec<Deduction>,
    pub consecutive_failures: u32,
    pub has_cached_frame: bool,
    /// Good frames a second, measured over the last two seconds.
    pub fps: f64,
    pub width: u32,
    pub height: u32,
    /// Good frames since the start.
    pub frames: u64,
    /// Frames that the camera made and nobody saw, all places together.
    pub dropped: u64,
    /// `null` before the first frame.
    pub last_frame_age_secs: Option<f64>,
    pub recovery_attempts: u32,
    pub rung: Option<Rung>,
    pub last_fault: Option<Fault>,
    pub should_reboot: bool,
    pub alerts: Vec<Alert>,

    /// A name for people: the card's name, the file's name.
    pub name: Foreign,
    pub asked: Asked,
    pub got: Got,
    /// Time that opening took.
    pub open_ms: Option<u64>,
    /// Time from the start of opening to the first good frame.
    pub first_frame_ms: Option<u64>,
    /// Time between the driver's hand-over and the picture being decoded and published, smoothed.
    pub latency_ms: Option<f64>,
    pub drops: Drops,
    /// Empty while no fault shows.
    pub picture_faults: Vec<PictureFaultStatus>,
    /// How long there has been no live picture; `null` while there is one or none was asked for.
    pub outage_secs: Option<f64>,
    /// Time until recovery does its next step.
    pub next_try_secs: Option<f64>,
    /// Calls into a driver that never came back, and whose threads had to be left behind.
    pub abandoned_calls: u32,
    /// Whether the backend runs in a process of its own.
    pub is_isolated: bool,
    pub stuck_processes: Vec<StuckProcess>,
    /// Each rung, gentlest first, with what it has done so far.
    pub ladder: Vec<RungStatus>,
    /// Whether a reset of the device is the next step and waits for somebody's consent.
    pub reset_needs_consent: bool,
    /// What the user calls it; left out where there is no such name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<Foreign>,
}

impl Status {
    /// What it is called: as the user does, else its own name.
    #[must_use]
    pub fn called(&self) -> &Foreign {
        self.given_name.as_ref().unwrap_or(&self.name)
    }

    /// “score 87 (good)”, or that there is none.
    #[must_use]
    pub fn score_text(&self) -> String {
        score_text(self.health_score)
    }
}

/// “score 87 (good)”, or that there is none.
#[must_use]
pub fn score_text(score: Option<u8>) -> String {
    score.map_or_else(|| "no score".to_owned(), |score| format!("score {score} ({})", Grade::of(score)))
}

/// What can be wrong with a live picture as a whole. Each has a rule of the score of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PictureFaultKind {
    /// To the last bit, or without a sensor's noise.
    Black,
    /// The same picture again and again.
    Frozen,
    /// Rows from some row on are missing, or belong to another picture.
    Torn,
    /// Black, but for the noise of the sensor.
    Covered,
    /// Rows that were never filled.
    Green,
}

impl PictureFaultKind {
    pub const ALL: [Self; 5] = [Self::Black, Self::Frozen, Self::Torn, Self::Covered, Self::Green];

    /// Its name in logs and JSON.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Frozen => "frozen",
            Self::Torn => "torn",
            Self::Covered => "covered",
            Self::Green => "green",
        }
    }

    /// What is said when it begins.
    #[must_use]
    pub fn began(self) -> &'static str {
        match self {
            Self::Black => "The picture is black.",
            Self::Frozen => "The picture stands still.",
            Self::Torn => "Pictures are torn: parts are missing, or belong to another picture.",
            Self::Covered => "The lens is covered, or there is no light.",
            Self::Green => "Parts of the picture are missing: they are green.",
        }
    }

    /// What is said when it is over.
    #[must_use]
    pub fn ended(self) -> &'static str {
        match self {
            Self::Black => "The picture is no longer black.",
            Self::Frozen => "The picture moves again.",
            Self::Torn => "Pictures are whole again.",
            Self::Covered => "The lens is no longer covered.",
            Self::Green => "No part of the picture is green any more.",
        }
    }
}

/// What is wrong with the live picture, or was with the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureFaultStatus {
    pub kind: PictureFaultKind,
    /// How long it has shown.
    pub since_secs: f64,
    /// How much of the pictures or of the picture is concerned, 0 to 1.
    pub share: f64,
    pub message: String,
}

/// Seconds for people and JSON: a thousandth is all that means anything.
#[must_use]
pub fn round_secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// Lost frames by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Gaps in the driver's own count: lost before they reached us.
    pub camera: u64,
    /// Came, but could not be decoded.
    pub damaged: u64,
    /// Came with damaged parts that the decoder has concealed. Shown, so not counted in `dropped`.
    #[serde(default)]
    pub concealed: u64,
    /// Thrown away at the start, while exposure and decoder settle. Not counted in `dropped`.
    pub warm_up: u64,
}

impl Drops {
    #[must_use]
    pub fn total(self) -> u64 {
        self.camera.saturating_add(self.damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_names_that_the_json_has() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.slug());
        }
    }

    #[test]
    fn grades_are_those_of_the_contract() {
        for (score, grade) in [
            (100, "excellent"),
            (90, "excellent"),
            (89, "good"),
            (70, "good"),
            (69, "warning"),
            (30, "warning"),
            (29, "critical"),
            (0, "critical"),
        ] {
            assert_eq!(Grade::of(score).to_string(), grade, "{score}");
        }
    }
}
