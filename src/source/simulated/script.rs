//! A `sim:` line: read, checked and printed.
//!
//! Nothing here waits, draws or reads a clock.

use std::fmt;
use std::time::Duration;

use crate::frame::Size;

use super::fault_table::{FaultGroup, FaultName, Planned};
use super::setting_table::{Pattern, SETTINGS, ScriptSetting, WireFormat};
use super::value::{FaultValue, Takes};

/// What the simulated camera delivers when neither the line nor the settings name a size.
pub const DEFAULT_SIZE: Size = Size { width: 640, height: 480 };
/// The same for frames a second.
pub const DEFAULT_FPS: f64 = 30.0;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    ScriptSetting(ScriptSetting),
    Fault(Planned),
}

impl Item {
    fn parse(item: &str) -> Result<Self, String> {
        let name = item.split(['=', '@', '+']).next().unwrap_or_default();
        let fault = FaultName::ALL.iter().copied().find(|fault| fault.as_str() == name);
        let read = fault
            .map(|fault| Planned::parse(fault, item).map(Self::Fault))
            .or_else(|| SETTINGS.iter().find_map(|row| (row.read)(item)).map(|read| read.map(Self::ScriptSetting)));
        match read {
            Some(Ok(item)) => Ok(item),
            Some(Err(reason)) => Err(format!("“{item}” in a sim: line is wrong: {reason}")),
            None => Err(format!("“{item}” is no item of a sim: line; allowed are {}", allowed_items().join(", "))),
        }
    }

    /// Why the two cannot stand in one line.
    fn conflict(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::ScriptSetting(a), Self::ScriptSetting(b)) => {
                let what = match (a, b) {
                    (ScriptSetting::Mode { size: Some(_), .. }, ScriptSetting::Mode { size: Some(_), .. }) => "a size",
                    (ScriptSetting::Mode { fps: Some(_), .. }, ScriptSetting::Mode { fps: Some(_), .. }) => "a rate",
                    (ScriptSetting::Seed(_), ScriptSetting::Seed(_)) => "a seed",
                    (ScriptSetting::Pattern(_), ScriptSetting::Pattern(_)) => "a pattern",
                    (ScriptSetting::Format(_), ScriptSetting::Format(_)) => "a format",
                    _ => return None,
                };
                Some(format!("a sim: line has {what} once, not twice: “{a}” and “{b}”"))
            }
            (Self::Fault(a), Self::Fault(b)) if a.overlaps(b) => {
                let (row, other) = (a.name.row(), b.name.row());
                let is_alone = row.group != FaultGroup::Any;
                (a.name == b.name || (row.group == other.group && is_alone)).then(|| {
                    format!("“{a}” and “{b}” of a sim: line cannot be at the same time: give them +DURATION or another @START")
                })
            }
            (Self::Fault(_), Self::Fault(_)) => None,
            (Self::Fault(fault), Self::ScriptSetting(setting)) | (Self::ScriptSetting(setting), Self::Fault(fault)) => {
                match (fault.value, setting) {
                    (FaultValue::Fps(slow), ScriptSetting::Mode { fps: Some(fps), .. }) if slow >= *fps => {
                        Some(format!("“{fault}” of a sim: line is not slower than its rate, “{setting}”"))
                    }
                    (FaultValue::Size(size), ScriptSetting::Mode { size: Some(same), .. }) if size == *same => {
                        Some(format!("“{fault}” of a sim: line is its size already, “{setting}”"))
                    }
                    (FaultValue::Size(size), ScriptSetting::Format(WireFormat::Yuyv)) => odd_width(size),
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
            Self::ScriptSetting(setting) => setting.fmt(f),
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
pub fn with_value(name: FaultName) -> String {
    let row = name.row();
    match row.takes {
        Takes::Nothing => row.name.to_owned(),
        takes => format!("{}={}", row.name, takes.name()),
    }
}

/// A `sim:` line whose items are known and can stand together.
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
        for part in text.to_ascii_lowercase().split(',').map(str::trim) {
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
        self.settings().find_map(|setting| if let ScriptSetting::Mode { size, .. } = setting { size } else { None })
    }

    /// The rate that the line gives, in frames a second; without one the camera delivers what is asked of it.
    #[must_use]
    pub fn fps(&self) -> Option<f64> {
        self.settings().find_map(|setting| if let ScriptSetting::Mode { fps, .. } = setting { fps } else { None })
    }

    /// 0 if the line gives none.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.settings()
            .find_map(|setting| if let ScriptSetting::Seed(seed) = setting { Some(seed) } else { None })
            .unwrap_or(0)
    }

    #[must_use]
    pub fn pattern(&self) -> Pattern {
        let given = |setting| if let ScriptSetting::Pattern(pattern) = setting { Some(pattern) } else { None };
        self.settings().find_map(given).unwrap_or(Pattern::Card)
    }

    /// The format that the line gives; without one the camera delivers what is asked of it.
    #[must_use]
    pub fn format(&self) -> Option<WireFormat> {
        self.settings()
            .find_map(|setting| if let ScriptSetting::Format(format) = setting { Some(format) } else { None })
    }

    fn settings(&self) -> impl Iterator<Item = ScriptSetting> {
        self.items.iter().filter_map(|item| if let Item::ScriptSetting(setting) = item { Some(*setting) } else { None })
    }

    /// Every fault of the line, in its order.
    pub fn faults(&self) -> impl Iterator<Item = &Planned> {
        self.items.iter().filter_map(|item| if let Item::Fault(fault) = item { Some(fault) } else { None })
    }

    /// Whether the process that reads it dies some time.
    #[must_use]
    pub fn crashes(&self) -> bool {
        self.faults().any(|fault| fault.name == FaultName::Crash)
    }

    /// The fault of that name whose window is open `elapsed` after the first opening. There is one at most, as
    /// [`Script::parse`] lets none of a name overlap.
    #[must_use]
    pub fn fault_at(&self, name: FaultName, elapsed: Duration) -> Option<&Planned> {
        self.faults().find(|fault| fault.name == name && fault.contains(elapsed))
    }

    /// When the camera is plugged in again, if it is away `elapsed` after the first opening and comes back.
    #[must_use]
    pub fn away_until(&self, elapsed: Duration) -> Option<Duration> {
        self.fault_at(FaultName::Unplug, elapsed)?.end()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[track_caller]
    fn check_prints(line: &str, expected: &str) {
        let script = Script::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(script.to_string(), expected, "{line}");
        assert_eq!(Script::parse(expected), Ok(script), "{line}");
    }

    #[test]
    fn a_line_prints_as_an_equal_line() {
        check_prints("", "");
        check_prints("  ", "");
        check_prints("640x480", "640x480");
        check_prints("1280x720@30", "1280x720@30");
        check_prints("@29.97", "@29.97");
        check_prints("1280X720 , @25", "1280x720,@25");
        check_prints("@0025.0", "@25");
        check_prints("seed=18446744073709551615", "seed=18446744073709551615");
        check_prints("pattern=chart,format=mjpeg,seed=7", "pattern=chart,format=mjpeg,seed=7");
        check_prints("format=YUYV,642x480", "format=yuyv,642x480");
        check_prints(
            "1280x720@30,stall@2s+3s,unplug@10s+5s,black@20s+2s",
            "1280x720@30,stall@2s+3s,unplug@10s+5s,black@20s+2s",
        );
        check_prints("black@0s", "black");
        check_prints("black+2s", "black@0s+2s");
        check_prints("black@60s", "black@1m");
        check_prints("black@90s+1000ms", "black@90s+1s");
        check_prints("black@1.5s+0.25m", "black@1500ms+15s");
        check_prints("drop=2.50%@1s", "drop=2.5@1s");
        check_prints("corrupt=100, torn=0.1@1m+1m", "corrupt=100,torn=0.1@1m+1m");
        check_prints("open-slow=500ms@2s", "open-slow=500ms@2s");
        check_prints("flicker=16.7,slow=5,late=2m,time-back", "flicker=16.7,slow=5,late=2m,time-back");
        check_prints("resize=320x240@2s+3s", "resize=320x240@2s+3s");
        check_prints("stall@1s+1s,stall@2s+1s", "stall@1s+1s,stall@2s+1s");
        check_prints("noise,pattern=noise", "noise,pattern=noise");
    }

    #[test]
    fn every_fault_can_be_written_as_documented() {
        for name in FaultName::ALL {
            let row = name.row();
            let value = if row.takes == Takes::Nothing { String::new() } else { format!("={}", row.takes.example()) };
            let line = format!("{}{value}@5s+7s", row.name);
            check_prints(&line, &line);
            let script = Script::parse(&line).unwrap();
            let is_there = |secs| script.fault_at(*name, Duration::from_secs(secs)).is_some();
            assert!(!is_there(4) && is_there(5) && is_there(11) && !is_there(12), "{line}");
        }
    }

    #[track_caller]
    fn check_wrong(line: &str, parts: &[&str]) {
        let error = Script::parse(line).map(|script| script.to_string()).expect_err(line);
        assert!(parts.iter().all(|part| error.contains(part)), "{line}: {error}");
    }

    #[test]
    fn a_wrong_line_is_told_what_is_allowed() {
        check_wrong(
            "stal@1s",
            &["“stal@1s”", "is no item", "stall", "WxH@FPS", "format=bgr|yuyv|mjpeg", "drop=PERCENT"],
        );
        check_wrong("stall2s", &["“stall2s”", "is no item"]);
        check_wrong("black,blakc", &["“blakc”", "is no item"]);
        check_wrong("1280", &["“1280”", "is no item"]);
        check_wrong("fps=30", &["is no item", "@FPS"]);
        check_wrong("640x480x3", &["is no item"]);
        check_wrong("-640x480", &["“-640x480”", "1 to 16384"]);
        check_wrong("0x480", &["“0x480”", "1 to 16384"]);
        check_wrong("99999x480", &["1 to 16384"]);
        check_wrong("16384x16384", &["7680x4320 at most"]);
        check_wrong("resize=16384x16384", &["7680x4320 at most"]);
        check_wrong("resize=0x0", &["1 to 16384"]);
        for rate in ["0", "0.01", "1001", "-5", "nan", "inf", "1e2", "abc", "", "3.3.3"] {
            check_wrong(&format!("@{rate}"), &[&format!("“{rate}” is no rate"), "0.1 to 1000"]);
            check_wrong(&format!("640x480@{rate}"), &[&format!("“{rate}” is no rate"), "0.1 to 1000"]);
            check_wrong(&format!("slow={rate}"), &[&format!("“{rate}” is no rate"), "0.1 to 1000"]);
        }
        for share in ["0", "100.1", "101%", "-1", "a", "%", ""] {
            check_wrong(&format!("drop={share}"), &[&format!("“{share}” is no share"), "100 at most"]);
        }
        for seed in ["-1", "1.5", "x", "", "18446744073709551616"] {
            check_wrong(&format!("seed={seed}"), &[&format!("“{seed}” is no seed"), "whole number"]);
        }
        check_wrong("pattern=cards", &["“cards” is no pattern", "card, noise, gradient, chart"]);
        check_wrong("format=nv12", &["“nv12” is no format", "bgr, yuyv, mjpeg"]);
        check_wrong("flicker=0", &["“0” is no mains frequency", "1 to 1000"]);
        for time in ["", "2", "s", "2h", "2 s", "-2s", "+s", "1e3s", ".5s", "2.s", "2.0001s", "2s@3s", "ms"] {
            check_wrong(&format!("stall@{time}"), &["in a sim: line is wrong", "is no time", "500ms, 2s or 1m"]);
        }
        check_wrong("stall@0.5ms", &["“0.5ms” is finer than a millisecond"]);
        check_wrong("stall@1s+", &["“” is no time"]);
        check_wrong("stall@1s+2", &["“2” is no time"]);
        check_wrong("stall@999999999m", &["longer than a year"]);
        check_wrong("stall@99999999999999999999s", &["longer than a year"]);
        check_wrong("stall@1s+0s", &["no time", "for ever"]);
        check_wrong("late=0ms", &["no effect"]);
        check_wrong("late=soon", &["“soon” is no time"]);
        check_wrong("black=3", &["black takes no value"]);
        check_wrong("black=", &["black takes no value"]);
        check_wrong("drop@1s", &["drop needs a value", "drop=PERCENT", "drop=10"]);
        check_wrong("resize", &["resize=WxH", "resize=320x240"]);
        check_wrong(",", &["before and after each comma"]);
        check_wrong("640x480,", &["before and after each comma"]);
        check_wrong("640x480,,black", &["before and after each comma"]);
    }

    #[test]
    fn items_that_contradict_each_other_are_refused() {
        check_wrong("640x480,800x600", &["size", "twice", "“640x480”", "“800x600”"]);
        check_wrong("640x480@30,@25", &["rate", "twice"]);
        check_wrong("seed=1,seed=1", &["seed", "twice"]);
        check_wrong("pattern=card,pattern=card", &["pattern", "twice"]);
        check_wrong("format=bgr,format=mjpeg", &["format", "twice"]);
        check_wrong("stall@1s,stall@5s", &["“stall@1s”", "“stall@5s”", "+DURATION"]);
        check_wrong("drop=5,drop=50@1s+1s", &["same time"]);
        check_wrong("stall@3s+3s,stall@1s+2001ms", &["same time"]);
        check_wrong("black@1s+5s,green@2s", &["same time"]);
        check_wrong("open-busy,open-missing", &["same time"]);
        check_wrong("stall,hang", &["same time"]);
        check_wrong("@20,slow=20", &["“slow=20”", "not slower"]);
        check_wrong("slow=30@1s,640x480@20", &["not slower"]);
        check_wrong("640x480,resize=640x480@1s", &["its size already"]);
        check_wrong("641x480,format=yuyv", &["even width"]);
        check_wrong("format=yuyv,resize=321x240", &["even width"]);
        check_prints("black@1s+1s,green@2s,blur,noise,flicker=50", "black@1s+1s,green@2s,blur,noise,flicker=50");
        check_prints("stall,unplug@1s", "stall,unplug@1s");
    }

    #[test]
    fn what_the_line_does_not_give_is_left_open() {
        let script = Script::parse("").unwrap();
        assert_eq!((script.size(), script.fps(), script.format()), (None, None, None));
        assert_eq!((script.seed(), script.pattern()), (0, Pattern::Card));
        let script = Script::parse("@25,320x240,seed=3,format=mjpeg,pattern=noise").unwrap();
        assert_eq!((script.size(), script.fps()), (Size::new(320, 240), Some(25.0)));
        assert_eq!((script.seed(), script.pattern(), script.format()), (3, Pattern::Noise, Some(WireFormat::Mjpeg)));
    }

    #[test]
    fn windows_open_at_their_start_and_close_before_their_end() {
        let script = Script::parse("stall@2s+3s,black").unwrap();
        let is_stalled = |elapsed| script.fault_at(FaultName::Stall, elapsed).is_some();
        assert!(!is_stalled(Duration::new(1, 999_999_999)) && is_stalled(secs(2)));
        assert!(is_stalled(Duration::new(4, 999_999_999)) && !is_stalled(secs(5)));
        assert!(script.fault_at(FaultName::Black, Duration::ZERO).is_some());
        assert!(script.fault_at(FaultName::Black, Duration::MAX).is_some());
        assert!(script.fault_at(FaultName::Green, secs(1)).is_none());
    }
}
