//! What a device says that it can do: formats, sizes, rates, controls. Plain data; `ask.rs` gets it, `choices.rs` judges it.

use serde::{Deserialize, Serialize};

use crate::control::Control;

/// All that a device tells about itself when it is asked, without being started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Capabilities {
    /// In the order in which the driver has them.
    pub formats: Vec<Format>,
    /// In the order in which the driver has them.
    pub controls: Vec<Control>,
    /// The chosen input, of a device that turns another one's signal into pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<SignalInput>,
    /// How long its driver took to say so, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Where the signal of another device comes in: a plug for HDMI, S-Video or an aerial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalInput {
    /// The driver's name for it: `HDMI 0`.
    pub name: String,
    /// Why the driver cannot make pictures of its signal; `None` where it sees nothing wrong.
    pub lack: Option<SignalLack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalLack {
    NoPower,
    NoSignal,
    /// There is one, to which the device cannot adjust itself.
    NoLock,
    /// A size or rate that it does not know.
    OutOfRange,
    /// Copy protection.
    NoAccess,
}

impl SignalLack {
    /// Its name in JSON, and in the phrases.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::NoPower => "no-power",
            Self::NoSignal => "no-signal",
            Self::NoLock => "no-lock",
            Self::OutOfRange => "out-of-range",
            Self::NoAccess => "no-access",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Format {
    /// Four characters: `MJPG`.
    pub fourcc: String,
    /// The driver's words for it.
    pub name: String,
    pub is_compressed: bool,
    /// The system makes it of another format, at the cost of work.
    pub is_emulated: bool,
    /// From small to large.
    pub sizes: Vec<FrameSize>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameSize {
    /// The largest, where any between two can be had.
    pub width: u32,
    pub height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<SizeRange>,
    /// Pictures a second, from fast to slow; the two ends where any between them can be had.
    pub rates: Vec<f64>,
    #[serde(default)]
    pub is_any_rate_between: bool,
}

/// From the smallest to the [`FrameSize`]'s own, in such steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeRange {
    pub min_width: u32,
    pub min_height: u32,
    pub step_width: u32,
    pub step_height: u32,
}

impl Capabilities {
    /// Whether it has grey pictures only, as infrared cameras do.
    #[must_use]
    pub fn is_grey_only(&self) -> bool {
        const GREY: [&str; 7] = ["GREY", "Y8I", "Y10", "Y12", "Y16", "L8", "Y8"];
        !self.formats.is_empty() && self.formats.iter().all(|format| GREY.contains(&format.fourcc.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fourccs: &[&str], expected: bool) {
        let formats = fourccs.iter().map(|fourcc| Format { fourcc: (*fourcc).into(), ..Format::default() }).collect();
        assert_eq!(Capabilities { formats, ..Capabilities::default() }.is_grey_only(), expected, "{fourccs:?}");
    }

    #[test]
    fn an_infrared_camera_has_grey_pictures_only() {
        check(&["GREY"], true);
        check(&["GREY", "Y16 "], true);
        check(&["YUYV", "GREY"], false);
        check(&[], false);
    }
}
