//! The faults of a `sim:` line: one table for parser, documentation and camera.

use std::fmt;
use std::time::Duration;

use super::value::{FaultValue, Takes, parse_time, write_time};

/// Faults of one group cannot be had at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultGroup {
    /// Answers of the driver to an attempt to open.
    Open,
    /// Ways in which a call for a frame fails to deliver.
    Read,
    /// How bright the whole picture is.
    Light,
    /// Goes together with everything.
    Any,
}

/// What a row of the table says.
pub struct FaultRow {
    pub name: &'static str,
    pub takes: Takes,
    pub group: FaultGroup,
    /// What the simulated camera does.
    pub does: &'static str,
    /// The failure of real cameras that it stands for.
    pub means: &'static str,
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

            pub fn row(self) -> FaultRow {
                match self {
                    $(Self::$name => FaultRow {
                        name: $text, takes: Takes::$takes, group: FaultGroup::$group, does: $does, means: $means,
                    },)*
                }
            }
        }
    };
}

faults! {
    OpenHang "open-hang" Nothing Open
        "Opening does not come back before the end of the window."
        "a driver that waits for a device which does not answer.";
    OpenSlow "open-slow" Time Any
        "Opening takes that much longer."
        "Media Foundation with hardware transforms; a camera that wakes up.";
    OpenBusy "open-busy" Nothing Open
        "Opening fails: the device is in use."
        "a video call or a browser tab that holds the camera.";
    OpenDenied "open-denied" Nothing Open
        "Opening fails: no permission."
        "a privacy switch; a user who is not in the group “video”.";
    OpenMissing "open-missing" Nothing Open
        "Opening fails: no such device."
        "a camera that is not plugged in, or a node that moved.";
    Stall "stall" Nothing Read
        "No frames; calls come back with a time-out."
        "a USB transfer that died; a sensor that lost its clock.";
    Hang "hang" Nothing Read
        "A call for a frame does not return before the end of the window."
        "a driver that waits for ever in the kernel.";
    Crash "crash" Nothing Any
        "The process that reads the camera dies at the next call for a frame."
        "a defect in a vendor's driver or codec.";
    Unplug "unplug" Nothing Any
        "The device is gone: the stream ends, opening fails."
        "a pulled plug, a loose connector, a hub that resets.";
    Drop "drop" Percent Any
        "That share of the frames is lost before it arrives: gaps in the sequence."
        "a USB bus or a computer that cannot keep up.";
    Corrupt "corrupt" Percent Any
        "That share of the frames is damaged so that it cannot be decoded."
        "a bad cable; lost USB packets.";
    Torn "torn" Percent Any
        "In that share of the frames the lower part is missing or an older one."
        "lost USB packets; a buffer that is filled while it is read.";
    Black "black" Nothing Light
        "The picture is black."
        "a lens cap, a privacy shutter, a sensor without power.";
    Dark "dark" Nothing Light
        "The picture is under-exposed."
        "too little light; exposure locked too short.";
    Bright "bright" Nothing Light
        "The picture is over-exposed."
        "light into the lens; exposure locked too long.";
    Green "green" Nothing Light
        "The picture is plain green."
        "buffers that the driver never filled: zeros, read as YUV, are green.";
    Cap "cap" Nothing Light
        "The picture is black, but for the noise of the sensor."
        "a cap on the lens; a shutter in front of it.";
    Infrared "infrared" Nothing Any
        "The picture is grey, and every second frame darker."
        "the infrared camera of a laptop, made for face recognition.";
    Swapped "swapped" Nothing Any
        "Red and blue are exchanged, in uncompressed formats."
        "pixels read in another order than the camera sends them.";
    Cast "cast" Nothing Any
        "The picture has a red cast."
        "white balance that is fixed for another light.";
    Comb "comb" Nothing Any
        "Every second row is from the frame before."
        "interlaced video, shown as it comes.";
    Doubled "doubled" Nothing Any
        "Every picture comes twice."
        "a capture card that makes 60 frames of 30.";
    Letterbox "letterbox" Nothing Any
        "Black bars at the top and at the bottom."
        "a picture of another shape, fitted into the format.";
    Frozen "frozen" Nothing Any
        "The same picture again and again, while the sequence goes on."
        "a camera whose processor hangs while its USB side runs.";
    Blur "blur" Nothing Any
        "The picture is out of focus."
        "a dirty lens; autofocus that lost its subject.";
    Noise "noise" Nothing Any
        "The picture is covered with noise."
        "high gain in the dark; a failing sensor.";
    Flicker "flicker" Hz Any
        "Light and dark bands run over the picture."
        "lamps on the mains of that frequency, exposure not matched to it.";
    Slow "slow" Fps Any
        "Fewer frames come, and none is missing from the sequence."
        "auto-exposure that trades rate for light; a USB 2 port.";
    Late "late" Time Any
        "Frames are handed out that long after they were taken."
        "queues in the camera, the driver or the network.";
    TimeBack "time-back" Nothing Any
        "The time stamps of frames jump back by one second."
        "firmware with a broken clock; stamps from another clock.";
    Resize "resize" Size Any
        "The frames have another size than was agreed on opening."
        "another program that sets the format; a virtual camera.";
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
    pub value: FaultValue,
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

    pub fn overlaps(&self, other: &Self) -> bool {
        let starts_before_end = |a: &Self, b: &Self| b.end().is_none_or(|end| a.start < end);
        starts_before_end(self, other) && starts_before_end(other, self)
    }

    pub fn parse(name: FaultName, item: &str) -> Result<Self, String> {
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
            (None, Takes::Nothing) => FaultValue::Nothing,
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
        if self.value != FaultValue::Nothing {
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
