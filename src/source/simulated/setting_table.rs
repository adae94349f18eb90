//! The items of a `sim:` line that are no faults: one table for parser and documentation.

use std::fmt;

use crate::frame::{PixelFormat, Size};

use super::value::{is_like_a_size, parse_fps, parse_size};

/// One row for each choice of `pattern=` or `format=`: its variant, its name, what it is.
macro_rules! choices {
    ($(#[$doc:meta])* $type:ident $what:literal { $($variant:ident $text:literal $does:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = $does] $variant,)*
        }

        impl $type {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it stands in the line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn does(self) -> &'static str {
                match self { $(Self::$variant => $does,)* }
            }

            pub fn parse(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| {
                    format!("“{text}” is no {}: choose {}", $what, [$($text),*].join(", "))
                })
            }
        }
    };
}

choices! {
    /// What the simulated camera looks at.
    Pattern "pattern" {
        Card "card" "colour bars, grey steps, a moving dial, a clock, the frame number";
        Noise "noise" "grey noise, new in each frame: the hardest picture to compress";
        Gradient "gradient" "soft colours that wander: shows coarse steps and bad compression";
        Chart "chart" "stars and lines of one pixel and more: shows focus and scaling";
        Still "still" "a room in which nothing moves, with the faint noise of a sensor";
        Night "night" "the same room in the evening: dim, with two lamps";
    }
}

choices! {
    /// The form in which the pictures leave the simulated camera, to be decoded as a real camera's are.
    WireFormat "format" {
        Bgr "bgr" "ready pixels";
        Yuyv "yuyv" "uncompressed, as from a plain USB camera; needs an even width";
        Mjpeg "mjpeg" "one JPEG a frame, as from most USB cameras";
    }
}

impl WireFormat {
    #[must_use]
    pub fn pixel_format(self) -> PixelFormat {
        match self {
            Self::Bgr => PixelFormat::BGR,
            Self::Yuyv => PixelFormat::YUYV,
            Self::Mjpeg => PixelFormat::MJPG,
        }
    }

    /// `None` for what the simulated camera cannot deliver.
    #[must_use]
    pub fn from_pixel_format(format: PixelFormat) -> Option<Self> {
        Self::ALL.iter().copied().find(|wire| wire.pixel_format() == format)
    }
}

/// An item of the line that is no fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScriptSetting {
    Mode { size: Option<Size>, fps: Option<f64> },
    Seed(u64),
    Pattern(Pattern),
    Format(WireFormat),
}

impl fmt::Display for ScriptSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode { size, fps } => {
                if let Some(size) = size {
                    write!(f, "{size}")?;
                }
                fps.map_or(Ok(()), |fps| write!(f, "@{fps}"))
            }
            Self::Seed(seed) => write!(f, "seed={seed}"),
            Self::Pattern(pattern) => write!(f, "pattern={}", pattern.as_str()),
            Self::Format(format) => write!(f, "format={}", format.as_str()),
        }
    }
}

/// A setting of the language: how it is written, how it is read, what it does.
pub struct SettingRow {
    /// As in the documentation and in the list of allowed items.
    pub written: &'static str,
    pub does: &'static str,
    /// `None`: this row does not mean such an item. Otherwise the item, or what is wrong with its value.
    pub read: fn(&str) -> Option<Result<ScriptSetting, String>>,
    pub choices: fn() -> Vec<(&'static str, &'static str)>,
}

/// No item is taken by two rows.
pub const SETTINGS: [SettingRow; 6] = [
    SettingRow {
        written: "WxH",
        does: "Width and height in pixels; default: what was asked for, else 640x480.",
        read: |item| {
            let mode = |size| ScriptSetting::Mode { size: Some(size), fps: None };
            is_like_a_size(item).then(|| parse_size(item).map(mode))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "WxH@FPS",
        does: "Size and rate together.",
        read: |item| {
            let (size, fps) = item.split_once('@').filter(|(size, _)| is_like_a_size(size))?;
            let mode = |size, fps| ScriptSetting::Mode { size: Some(size), fps: Some(fps) };
            Some(parse_size(size).and_then(|size| Ok(mode(size, parse_fps(fps)?))))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "@FPS",
        does: "Frames a second, 0.1 to 1000; default: what was asked for, else 30.",
        read: |item| {
            Some(parse_fps(item.strip_prefix('@')?).map(|fps| ScriptSetting::Mode { size: None, fps: Some(fps) }))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "seed=N",
        does: "A whole number from which all chance is drawn: the same seed gives the same frames; default 0.",
        read: |item| {
            let text = item.strip_prefix("seed=")?;
            let wrong = |_| format!("“{text}” is no seed: write a whole number, 0 to {}", u64::MAX);
            Some(text.parse().map(ScriptSetting::Seed).map_err(wrong))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "pattern=NAME",
        does: "What the camera looks at; default card:",
        read: |item| Some(Pattern::parse(item.strip_prefix("pattern=")?).map(ScriptSetting::Pattern)),
        choices: || Pattern::ALL.iter().map(|pattern| (pattern.as_str(), pattern.does())).collect(),
    },
    SettingRow {
        written: "format=NAME",
        does: "How the pictures come over the cable; default: what was asked for, else bgr:",
        read: |item| Some(WireFormat::parse(item.strip_prefix("format=")?).map(ScriptSetting::Format)),
        choices: || WireFormat::ALL.iter().map(|format| (format.as_str(), format.does())).collect(),
    },
];
