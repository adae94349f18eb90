//! The language of a `sim:` line: its tables, and from them its parser and its documentation.
//!
//! Nothing here waits, draws or reads a clock.

use std::fmt;
use std::time::Duration;

use crate::frame::{PixelFormat, Size};

/// What the simulated camera delivers when neither the line nor the settings name a size.
pub const DEFAULT_SIZE: Size = Size { width: 640, height: 480 };
/// The same for frames a second.
pub const DEFAULT_FPS: f64 = 30.0;

/// 8K: a larger picture is no camera's, and a few of them fill the memory.
const MAX_PIXELS: u64 = 7680 * 4320;
/// Slower than this is a stall, faster is more than `thread::sleep` can pace.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 0.1..=1000.0;
/// Mains runs at 16.7, 50 or 60 Hz; the rest of the range is for lamps with electronics of their own.
const HZ_RANGE: std::ops::RangeInclusive<f64> = 1.0..=1000.0;
/// Longer than any call is waited for; the limit keeps the arithmetic with `Instant` in range.
const MAX_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a fault takes after its `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Time,
    Percent,
    Hz,
    Fps,
    Size,
}

impl Takes {
    /// How the value is called in the documentation; empty where there is none.
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Time => "TIME",
            Self::Percent => "PERCENT",
            Self::Hz => "HZ",
            Self::Fps => "FPS",
            Self::Size => "WxH",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Time => "500ms",
            Self::Percent => "10",
            Self::Hz => "50",
            Self::Fps => "5",
            Self::Size => "320x240",
        }
    }

    fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Nothing => Ok(Value::Nothing),
            Self::Time => {
                let time = parse_time(text)?;
                if time.is_zero() { Err("a time of nothing has no effect".into()) } else { Ok(Value::Time(time)) }
            }
            Self::Percent => {
                let digits = text.strip_suffix('%').unwrap_or(text);
                parse_number(digits)
                    .filter(|percent| *percent > 0.0 && *percent <= 100.0)
                    .map(Value::Percent)
                    .ok_or_else(|| format!("“{text}” is no share of frames: write a number above 0, 100 at most"))
            }
            Self::Hz => parse_number(text).filter(|hz| HZ_RANGE.contains(hz)).map(Value::Hz).ok_or_else(|| {
                format!("“{text}” is no mains frequency: write {} to {}", HZ_RANGE.start(), HZ_RANGE.end())
            }),
            Self::Fps => parse_fps(text).map(Value::Fps),
            Self::Size => parse_size(text).map(Value::Size),
        }
    }
}

/// The value of a fault, as its row in the table wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Nothing,
    Time(Duration),
    Percent(f64),
    Hz(f64),
    Fps(f64),
    Size(Size),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Time(time) => write_time(f, *time),
            Self::Percent(number) | Self::Hz(number) | Self::Fps(number) => write!(f, "{number}"),
            Self::Size(size) => write!(f, "{size}"),
        }
    }
}

/// Faults of one group cannot be had at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// Answers of the driver to an attempt to open.
    Open,
    /// Ways in which a call for a frame fails to deliver.
    Read,
    /// Damage of single frames, or of their order; goes together with everything.
    Frames,
    /// What the whole picture is filled or shifted to.
    Light,
    /// What else happens to the picture; goes together with everything.
    Picture,
}

/// What a row of the table says.
struct Row {
    name: &'static str,
    takes: Takes,
    group: Group,
    /// What the simulated camera does.
    does: &'static str,
    /// The failure of real cameras that it stands for.
    means: &'static str,
}

/// One row for each fault: its name, its value, its group, what it does, what it stands for.
macro_rules! faults {
    ($($name:ident $text:literal $takes:ident $group:ident $does:literal $means:literal;)*) => {
        /// The faults that a simulated camera can be given.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FaultName {
            $(#[doc = $does] $name,)*
        }

        impl FaultName {
            /// In the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        name: $text, takes: Takes::$takes, group: Group::$group, does: $does, means: $means,
                    },)*
                }
            }
        }
    };
}

faults! {
    OpenHang "open-hang" Nothing Open
        "Opening does not come back before the end of the window."
        "A driver that waits for a device which does not answer.";
    OpenSlow "open-slow" Time Frames
        "Opening takes that much longer."
        "Media Foundation with hardware transforms; a camera that wakes up.";
    OpenBusy "open-busy" Nothing Open
        "Opening fails: the device is in use."
        "A video call or a browser tab that holds the camera.";
    OpenDenied "open-denied" Nothing Open
        "Opening fails: no permission."
        "A privacy switch; a user who is not in the group “video”.";
    OpenMissing "open-missing" Nothing Open
        "Opening fails: no such device."
        "A camera that is not plugged in, or a node that moved.";
    Stall "stall" Nothing Read
        "No frames; calls come back with a time-out."
        "A USB transfer that died; a sensor that lost its clock.";
    Hang "hang" Nothing Read
        "A call for a frame does not return before the end of the window."
        "A driver that waits for ever in the kernel.";
    Crash "crash" Nothing Frames
        "The process that reads the camera dies at the next call for a frame."
        "A defect in a vendor's driver or codec.";
    Unplug "unplug" Nothing Frames
        "The device is gone: the stream ends, opening fails."
        "A pulled plug, a loose connector, a hub that resets.";
    Drop "drop" Percent Frames
        "That share of the frames is lost before it arrives: gaps in the sequence."
        "A USB bus or a computer that cannot keep up.";
    Corrupt "corrupt" Percent Frames
        "That share of the frames is damaged so that it cannot be decoded."
        "A bad cable; lost USB packets.";
    Torn "torn" Percent Frames
        "In that share of the frames the lower part is missing or an older one."
        "Lost USB packets; a buffer that is filled while it is read.";
    Black "black" Nothing Light
        "The picture is black."
        "A lens cap, a privacy shutter, a sensor without power.";
    Dark "dark" Nothing Light
        "The picture is under-exposed."
        "Too little light; exposure locked too short.";
    Bright "bright" Nothing Light
        "The picture is over-exposed."
        "Light into the lens; exposure locked too long.";
    Green "green" Nothing Light
        "The picture is plain green."
        "Buffers that the driver never filled: zeros, read as YUV, are green.";
    Frozen "frozen" Nothing Picture
        "The same picture again and again, while the sequence goes on."
        "A camera whose processor hangs while its USB side runs.";
    Blur "blur" Nothing Picture
        "The picture is out of focus."
        "A dirty lens; autofocus that lost its subject.";
    Noise "noise" Nothing Picture
        "The picture is covered with noise."
        "High gain in the dark; a failing sensor.";
    Flicker "flicker" Hz Picture
        "Light and dark bands run over the picture."
        "Lamps on the mains of that frequency, exposure not matched to it.";
    Slow "slow" Fps Frames
        "Fewer frames come, and none is missing from the sequence."
        "Auto-exposure that trades rate for light; a USB 2 port.";
    Late "late" Time Frames
        "Frames are handed out that long after they were taken."
        "Queues in the camera, the driver or the network.";
    TimeBack "time-back" Nothing Frames
        "The time stamps of frames jump back by one second."
        "Firmware with a broken clock; stamps from another clock.";
    Resize "resize" Size Frames
        "The frames have another size than was agreed on opening."
        "Another program that sets the format; a virtual camera.";
}

impl FaultName {
    /// As it stands in the line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }
}

/// A fault of the line with its window of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    pub name: FaultName,
    pub value: Value,
    /// Counted from the first opening of the camera.
    pub start: Duration,
    /// `None` lasts for ever.
    pub duration: Option<Duration>,
}

impl Planned {
    /// The first moment after the window; `None` if there is none.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        self.duration.map(|duration| self.start.saturating_add(duration))
    }

    #[must_use]
    pub fn contains(&self, elapsed: Duration) -> bool {
        elapsed >= self.start && self.end().is_none_or(|end| elapsed < end)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let starts_before_end = |a: &Self, b: &Self| b.end().is_none_or(|end| a.start < end);
        starts_before_end(self, other) && starts_before_end(other, self)
    }

    fn parse(name: FaultName, item: &str) -> Result<Self, String> {
        let row = name.row();
        let rest = item.get(row.name.len()..).unwrap_or_default();
        let (value, when) = match rest.strip_prefix('=') {
            Some(rest) => {
                let (value, when) = rest.split_at(rest.find(['@', '+']).unwrap_or(rest.len()));
                (Some(value.trim()), when)
            }
            None => (None, rest),
        };
        let value = match (value, row.takes) {
            (None, Takes::Nothing) => Value::Nothing,
            (Some(_), Takes::Nothing) => return Err(format!("{} takes no value", row.name)),
            (None, takes) => {
                return Err(format!(
                    "{} needs a value: {}={}, for example {}={}",
                    row.name,
                    row.name,
                    takes.name(),
                    row.name,
                    takes.example()
                ));
            }
            (Some(text), takes) => takes.parse(text)?,
        };
        let (start, duration) = match when.split_once('+') {
            Some((start, duration)) => (start, Some(duration)),
            None => (when, None),
        };
        let start = match start.strip_prefix('@') {
            Some(start) => parse_time(start.trim())?,
            None => Duration::ZERO,
        };
        let duration = duration.map(|duration| parse_time(duration.trim())).transpose()?;
        if duration.is_some_and(|duration| duration.is_zero()) {
            return Err("it would last for no time: leave +DURATION away for ever".into());
        }
        Ok(Self { name, value, start, duration })
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())?;
        if self.value != Value::Nothing {
            write!(f, "={}", self.value)?;
        }
        if !self.start.is_zero() || self.duration.is_some() {
            f.write_str("@")?;
            write_time(f, self.start)?;
        }
        if let Some(duration) = self.duration {
            f.write_str("+")?;
            write_time(f, duration)?;
        }
        Ok(())
    }
}

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

            fn does(self) -> &'static str {
                match self { $(Self::$variant => $does,)* }
            }

            fn parse(text: &str) -> Result<Self, String> {
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
        Card "card" "colour bars, grey steps, a moving dial, a running clock and the frame number";
        Noise "noise" "grey noise, new in each frame: the hardest picture to compress";
        Gradient "gradient" "soft colours that wander: shows coarse steps and bad compression";
        Chart "chart" "stars and lines of one pixel and more: shows focus and scaling";
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
enum Setting {
    Mode { size: Option<Size>, fps: Option<f64> },
    Seed(u64),
    Pattern(Pattern),
    Format(WireFormat),
}

impl fmt::Display for Setting {
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
struct SettingRow {
    /// As in the documentation and in the list of allowed items.
    written: &'static str,
    does: &'static str,
    /// `None`: this row does not mean such an item. Otherwise the item, or what is wrong with its value.
    read: fn(&str) -> Option<Result<Setting, String>>,
    choices: fn() -> Vec<(&'static str, &'static str)>,
}

/// Tried from the top: the first row that takes an item decides.
const SETTINGS: [SettingRow; 6] = [
    SettingRow {
        written: "@FPS",
        does: "Frames a second, 0.1 to 1000; default: what was asked for, else 30.",
        read: |item| Some(parse_fps(item.strip_prefix('@')?).map(|fps| Setting::Mode { size: None, fps: Some(fps) })),
        choices: Vec::new,
    },
    SettingRow {
        written: "WxH@FPS",
        does: "Size and rate together.",
        read: |item| {
            let (size, fps) = item.split_once('@').filter(|(size, _)| is_like_a_size(size))?;
            let mode = |size, fps| Setting::Mode { size: Some(size), fps: Some(fps) };
            Some(parse_size(size).and_then(|size| Ok(mode(size, parse_fps(fps)?))))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "WxH",
        does: "Width and height in pixels; default: what was asked for, else 640x480.",
        read: |item| {
            let mode = |size| Setting::Mode { size: Some(size), fps: None };
            is_like_a_size(item).then(|| parse_size(item).map(mode))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "seed=N",
        does: "A whole number from which all chance is drawn: the same seed gives the same frames; default 0.",
        read: |item| {
            let text = item.strip_prefix("seed=")?;
            let wrong = |_| format!("“{text}” is no seed: write a whole number, 0 to {}", u64::MAX);
            Some(text.parse().map(Setting::Seed).map_err(wrong))
        },
        choices: Vec::new,
    },
    SettingRow {
        written: "pattern=NAME",
        does: "What the camera looks at; default card:",
        read: |item| Some(Pattern::parse(item.strip_prefix("pattern=")?).map(Setting::Pattern)),
        choices: || Pattern::ALL.iter().map(|pattern| (pattern.as_str(), pattern.does())).collect(),
    },
    SettingRow {
        written: "format=NAME",
        does: "How the pictures come over the cable; default: what was asked for, else bgr:",
        read: |item| Some(WireFormat::parse(item.strip_prefix("format=")?).map(Setting::Format)),
        choices: || WireFormat::ALL.iter().map(|format| (format.as_str(), format.does())).collect(),
    },
];

/// Digits, an x, digits: what was meant as a size, be it possible or not.
fn is_like_a_size(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('x').is_some_and(|(width, height)| {
        is_number(width.trim_start_matches('-')) && is_number(height.trim_start_matches('-'))
    })
}

fn parse_size(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    check_size(size).map(|()| size)
}

/// # Errors
/// The simulated camera makes no pictures of that size.
pub fn check_size(size: Size) -> Result<(), String> {
    if u64::from(size.width) * u64::from(size.height) > MAX_PIXELS {
        return Err(format!("{size} has more pixels than any camera: 7680x4320 at most"));
    }
    Ok(())
}

/// The rate of the simulated camera that is nearest to the wanted one.
#[must_use]
pub fn possible_fps(wanted: f64) -> f64 {
    if wanted.is_finite() { wanted.clamp(*FPS_RANGE.start(), *FPS_RANGE.end()) } else { DEFAULT_FPS }
}

fn parse_fps(text: &str) -> Result<f64, String> {
    parse_number(text).filter(|fps| FPS_RANGE.contains(fps)).ok_or_else(|| {
        format!("“{text}” is no rate: write frames a second, {} to {}", FPS_RANGE.start(), FPS_RANGE.end())
    })
}

/// Digits with at most one point: not the signs, exponents, `inf` and `nan` that `f64` reads.
fn parse_number(text: &str) -> Option<f64> {
    let has_only_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if has_only_digits { text.parse().ok() } else { None }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("“{text}” is no time: write 500ms, 2s or 1m");
    let (digits, n_millis) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, 1)
    } else if let Some(digits) = text.strip_suffix('s') {
        (digits, 1000)
    } else if let Some(digits) = text.strip_suffix('m') {
        (digits, 60_000)
    } else {
        return Err(wrong());
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 3 {
        return Err(wrong());
    }
    let too_long = || format!("“{text}” is longer than a year");
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let thousandths: u64 = format!("{fraction:0<3}").parse().map_err(|_| wrong())?;
    if !(thousandths * n_millis).is_multiple_of(1000) {
        return Err(format!("“{text}” is finer than a millisecond"));
    }
    let millis = whole.checked_mul(n_millis).and_then(|ms| ms.checked_add(thousandths * n_millis / 1000));
    millis.map(Duration::from_millis).filter(|time| *time <= MAX_TIME).ok_or_else(too_long)
}

/// The shortest of the three units that needs no point.
fn write_time(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let millis = time.as_millis();
    if millis == 0 {
        f.write_str("0s")
    } else if !millis.is_multiple_of(1000) {
        write!(f, "{millis}ms")
    } else if !millis.is_multiple_of(60_000) {
        write!(f, "{}s", millis / 1000)
    } else {
        write!(f, "{}m", millis / 60_000)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Setting(Setting),
    Fault(Planned),
}

impl Item {
    fn parse(item: &str) -> Result<Self, String> {
        let name = item.split(['=', '@', '+']).next().unwrap_or_default();
        let fault = FaultName::ALL.iter().copied().find(|fault| fault.as_str() == name);
        let read = fault
            .map(|fault| Planned::parse(fault, item).map(Self::Fault))
            .or_else(|| SETTINGS.iter().find_map(|row| (row.read)(item)).map(|read| read.map(Self::Setting)));
        match read {
            Some(Ok(item)) => Ok(item),
            Some(Err(reason)) => Err(format!("“{item}” in a sim: line is wrong: {reason}")),
            None => Err(format!("“{item}” is no item of a sim: line; allowed are {}", allowed_items().join(", "))),
        }
    }

    /// Why the two cannot stand in one line.
    fn conflict(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Setting(a), Self::Setting(b)) => {
                let what = match (a, b) {
                    (Setting::Mode { size: Some(_), .. }, Setting::Mode { size: Some(_), .. }) => "a size",
                    (Setting::Mode { fps: Some(_), .. }, Setting::Mode { fps: Some(_), .. }) => "a rate",
                    (Setting::Seed(_), Setting::Seed(_)) => "a seed",
                    (Setting::Pattern(_), Setting::Pattern(_)) => "a pattern",
                    (Setting::Format(_), Setting::Format(_)) => "a format",
                    _ => return None,
                };
                Some(format!("a sim: line has {what} once, not twice: “{a}” and “{b}”"))
            }
            (Self::Fault(a), Self::Fault(b)) if a.overlaps(b) => {
                let (row, other) = (a.name.row(), b.name.row());
                let is_alone = matches!(row.group, Group::Open | Group::Read | Group::Light);
                (a.name == b.name || (row.group == other.group && is_alone)).then(|| {
                    format!("“{a}” and “{b}” of a sim: line cannot be at the same time: give them +DURATION or another @START")
                })
            }
            (Self::Fault(_), Self::Fault(_)) => None,
            (Self::Fault(fault), Self::Setting(setting)) | (Self::Setting(setting), Self::Fault(fault)) => {
                match (fault.value, setting) {
                    (Value::Fps(slow), Setting::Mode { fps: Some(fps), .. }) if slow >= *fps => {
                        Some(format!("“{fault}” of a sim: line is not slower than its rate, “{setting}”"))
                    }
                    (Value::Size(size), Setting::Mode { size: Some(same), .. }) if size == *same => {
                        Some(format!("“{fault}” of a sim: line is its size already, “{setting}”"))
                    }
                    (Value::Size(size), Setting::Format(WireFormat::Yuyv)) => odd_width(size),
                    _ => None,
                }
            }
        }
    }
}

fn odd_width(size: Size) -> Option<String> {
    (!size.width.is_multiple_of(2)).then(|| format!("format=yuyv has pixels in pairs: {size} needs an even width"))
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(setting) => setting.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

/// Every item as it is written, for the message about a wrong one.
fn allowed_items() -> Vec<String> {
    let settings = SETTINGS.iter().map(|row| {
        let choices: Vec<&str> = (row.choices)().into_iter().map(|(name, _)| name).collect();
        if choices.is_empty() { row.written.to_owned() } else { row.written.replace("NAME", &choices.join("|")) }
    });
    settings.chain(FaultName::ALL.iter().map(|name| with_value(*name))).collect()
}

/// `drop=PERCENT`
fn with_value(name: FaultName) -> String {
    let row = name.row();
    match row.takes {
        Takes::Nothing => row.name.to_owned(),
        takes => format!("{}={}", row.name, takes.name()),
    }
}

/// A `sim:` line that makes sense.
///
/// Prints as an equivalent line: the items in the order in which they were given, values and times in their shortest form.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    items: Vec<Item>,
}

impl Script {
    /// Reads what follows `sim:`. An empty text is the healthy camera.
    ///
    /// # Errors
    /// A sentence that names the wrong item, and what can be written instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut items: Vec<Item> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self { items });
        }
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                return Err(format!("a sim: line has an item before and after each comma, not “{}”", text.trim()));
            }
            let item = Item::parse(part)?;
            if let Some(reason) = items.iter().find_map(|earlier| earlier.conflict(&item)) {
                return Err(reason);
            }
            items.push(item);
        }
        let script = Self { items };
        match (script.format(), script.size().and_then(odd_width)) {
            (Some(WireFormat::Yuyv), Some(reason)) => Err(reason),
            _ => Ok(script),
        }
    }

    /// The size that the line gives; without one the camera delivers what is asked of it.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        self.settings().find_map(|setting| if let Setting::Mode { size, .. } = setting { size } else { None })
    }

    /// The rate that the line gives, in frames a second; without one the camera delivers what is asked of it.
    #[must_use]
    pub fn fps(&self) -> Option<f64> {
        self.settings().find_map(|setting| if let Setting::Mode { fps, .. } = setting { fps } else { None })
    }

    /// 0 if the line gives none.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.settings()
            .find_map(|setting| if let Setting::Seed(seed) = setting { Some(seed) } else { None })
            .unwrap_or(0)
    }

    #[must_use]
    pub fn pattern(&self) -> Pattern {
        let given = |setting| if let Setting::Pattern(pattern) = setting { Some(pattern) } else { None };
        self.settings().find_map(given).unwrap_or(Pattern::Card)
    }

    /// The format that the line gives; without one the camera delivers what is asked of it.
    #[must_use]
    pub fn format(&self) -> Option<WireFormat> {
        self.settings().find_map(|setting| if let Setting::Format(format) = setting { Some(format) } else { None })
    }

    fn settings(&self) -> impl Iterator<Item = Setting> {
        self.items.iter().filter_map(|item| if let Item::Setting(setting) = item { Some(*setting) } else { None })
    }

    /// Every fault of the line, in its order.
    pub fn faults(&self) -> impl Iterator<Item = &Planned> {
        self.items.iter().filter_map(|item| if let Item::Fault(fault) = item { Some(fault) } else { None })
    }

    /// The fault of that name whose window is open `elapsed` after the first opening. There is one at most, as
    /// [`Script::parse`] lets none of a name overlap.
    #[must_use]
    pub fn fault_at(&self, name: FaultName, elapsed: Duration) -> Option<&Planned> {
        self.faults().find(|fault| fault.name == name && fault.contains(elapsed))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, item) in self.items.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// The width for which the documentation is set.
const HELP_COLUMNS: usize = 100;

const EXAMPLES: [(&str, &str); 7] = [
    ("sim:", "a healthy camera"),
    ("sim:1280x720@30,format=mjpeg", "720p as a USB camera sends it"),
    ("sim:1280x720@30,stall@2s+3s,unplug@10s+5s,black@20s+2s", "three troubles, one after the other"),
    ("sim:open-busy@0s+10s", "another program lets go of it after ten seconds"),
    ("sim:format=mjpeg,corrupt=5,drop=2", "a bad cable"),
    ("sim:pattern=chart,blur@5s", "loses its focus after five seconds"),
    ("sim:hang@10s", "one call never returns"),
];

/// The documentation of the language for a terminal, from the tables that the parser uses.
#[must_use]
pub fn help() -> String {
    let mut text = String::new();
    let mut paragraph = |lead: &str, body: &str| {
        text.push_str(&wrapped(lead, body));
    };
    paragraph(
        "",
        "The simulated camera: a camera that misbehaves on command, for trying out and for testing. Write sim: and after \
         it items with commas between them, in any order. sim: alone is a healthy camera.",
    );
    paragraph("", "");
    paragraph("EXAMPLES", "");
    for (line, does) in EXAMPLES {
        paragraph(&format!("  {line:<56}"), does);
    }
    paragraph("", "");
    paragraph("THE CAMERA", "");
    for row in SETTINGS {
        paragraph(&format!("  {:<15} ", row.written), row.does);
        for (name, does) in (row.choices)() {
            paragraph(&format!("{:18}{name:<9} ", ""), does);
        }
    }
    paragraph("", "");
    paragraph("FAULTS", "");
    paragraph(
        "  ",
        "Written NAME[=VALUE]@START[+DURATION]. START counts from the first opening of the camera and goes on when it is \
         opened again; without it the fault is there from the beginning, without DURATION for ever. TIME, START and \
         DURATION are 500ms, 2s or 1m. Faults of opening concern attempts that begin within the window. PERCENT is the \
         share of frames, drawn by the seed. Frames lost to drop=PERCENT, or to a reader who comes too late, leave gaps in \
         the sequence numbers; frames that a stall or slow=FPS keeps from being made do not.",
    );
    paragraph("", "");
    paragraph("  fault           what it does; what it stands for", "");
    for name in FaultName::ALL {
        let row = name.row();
        paragraph(&format!("  {:<15} ", with_value(*name)), row.does);
        paragraph(&format!("{:18}", ""), row.means);
    }
    text
}

/// `body` broken at spaces to stand right of `lead`.
fn wrapped(lead: &str, body: &str) -> String {
    let indent = lead.chars().count();
    let mut text = lead.to_owned();
    let mut column = indent;
    for word in body.split_whitespace() {
        let n_chars = word.chars().count();
        if column > indent {
            if column + 1 + n_chars > HELP_COLUMNS {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                text.push(' ');
                column += 1;
            }
        }
        text.push_str(word);
        column += n_chars;
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
