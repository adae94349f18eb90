//! Numbers, sizes and times as they are written in a `sim:` line.

use std::fmt;
use std::time::Duration;

use crate::frame::Size;

use super::script::DEFAULT_FPS;

/// 8K: a larger picture is no camera's, and a few of them fill the memory.
const MAX_PIXELS: u64 = 7680 * 4320;
/// Slower than this is a stall, faster is more than `thread::sleep` can pace.
const FPS_RANGE: std::ops::RangeInclusive<f64> = 0.1..=1000.0;
/// Mains runs at 16.7, 50 or 60 Hz; the rest of the range is for lamps with electronics of their own.
const HZ_RANGE: std::ops::RangeInclusive<f64> = 1.0..=1000.0;
/// Longer than any call is waited for; the limit keeps the arithmetic with `Instant` in range.
const MAX_TIME: Duration = Duration::from_hours(366 * 24);

/// What a fault takes after its `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Time,
    Percent,
    Hz,
    Fps,
    Size,
}

impl Takes {
    /// How the value is called in the documentation; empty where there is none.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Time => "TIME",
            Self::Percent => "PERCENT",
            Self::Hz => "HZ",
            Self::Fps => "FPS",
            Self::Size => "WxH",
        }
    }

    pub fn example(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Time => "500ms",
            Self::Percent => "10",
            Self::Hz => "50",
            Self::Fps => "5",
            Self::Size => "320x240",
        }
    }

    pub fn parse(self, text: &str) -> Result<FaultValue, String> {
        match self {
            Self::Nothing => Ok(FaultValue::Nothing),
            Self::Time => {
                let time = parse_time(text)?;
                if time.is_zero() { Err("a time of nothing has no effect".into()) } else { Ok(FaultValue::Time(time)) }
            }
            Self::Percent => {
                let digits = text.strip_suffix('%').unwrap_or(text);
                parse_number(digits)
                    .filter(|percent| *percent > 0.0 && *percent <= 100.0)
                    .map(FaultValue::Percent)
                    .ok_or_else(|| format!("“{text}” is no share of frames: write a number above 0, 100 at most"))
            }
            Self::Hz => parse_number(text).filter(|hz| HZ_RANGE.contains(hz)).map(FaultValue::Hz).ok_or_else(|| {
                format!("“{text}” is no mains frequency: write {} to {}", HZ_RANGE.start(), HZ_RANGE.end())
            }),
            Self::Fps => parse_fps(text).map(FaultValue::Fps),
            Self::Size => parse_size(text).map(FaultValue::Size),
        }
    }
}

/// The value of a fault, as its row in the table wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultValue {
    Nothing,
    Time(Duration),
    Percent(f64),
    Hz(f64),
    Fps(f64),
    Size(Size),
}

impl fmt::Display for FaultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Time(time) => write_time(f, *time),
            Self::Percent(number) | Self::Hz(number) | Self::Fps(number) => write!(f, "{number}"),
            Self::Size(size) => write!(f, "{size}"),
        }
    }
}

/// Digits, an x, digits: what was meant as a size, be it possible or not.
pub fn is_like_a_size(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(['x', 'X', '×']).is_some_and(|(width, height)| {
        is_number(width.trim_start_matches('-')) && is_number(height.trim_start_matches('-'))
    })
}

pub fn parse_size(text: &str) -> Result<Size, String> {
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

pub fn parse_fps(text: &str) -> Result<f64, String> {
    parse_number(text).filter(|fps| FPS_RANGE.contains(fps)).ok_or_else(|| {
        format!("“{text}” is no rate: write frames a second, {} to {}", FPS_RANGE.start(), FPS_RANGE.end())
    })
}

/// Digits with at most one point: not the signs, exponents, `inf` and `nan` that `f64` reads.
fn parse_number(text: &str) -> Option<f64> {
    let has_only_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if has_only_digits { text.parse().ok() } else { None }
}

pub fn parse_time(text: &str) -> Result<Duration, String> {
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
pub fn write_time(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
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
