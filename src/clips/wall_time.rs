//! A moment with the offset that local time had then, so that it is read as the clock on the wall showed it, wherever
//! it is read.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// In JSON as RFC 3339: `2026-11-20T12:41:06.118+01:00`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WallTime {
    at: Timestamp,
    offset: Offset,
}

/// The beginning of 1970 by UTC.
impl Default for WallTime {
    fn default() -> Self {
        Self { at: Timestamp::UNIX_EPOCH, offset: Offset::UTC }
    }
}

impl WallTime {
    /// To the millisecond, and the offset to the minute: a name holds no more. Years without four digits become the
    /// nearest with.
    #[must_use]
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        Self::with_offset(at, zone.to_offset(at))
    }

    #[must_use]
    pub fn with_offset(at: Timestamp, offset: Offset) -> Self {
        // 26 hours within the years 0 to 9999, so that no offset leads out of them.
        const FIRST_MS: i64 = -62_167_125_600_000;
        const LAST_MS: i64 = 253_402_207_200_000;
        let millis = at.as_millisecond().clamp(FIRST_MS, LAST_MS);
        let offset = Offset::from_seconds(offset.seconds() / 60 * 60).unwrap_or(Offset::UTC);
        Self { at: Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH), offset }
    }

    #[must_use]
    pub fn at(self) -> Timestamp {
        self.at
    }

    #[must_use]
    pub fn offset(self) -> Offset {
        self.offset
    }

    /// What the clock on the wall showed.
    #[must_use]
    pub fn local(self) -> DateTime {
        self.offset.to_datetime(self.at)
    }

    #[must_use]
    pub fn later_by_ms(self, millis: i64) -> Self {
        let at = self.at.checked_add(SignedDuration::from_millis(millis)).unwrap_or(self.at);
        Self::with_offset(at, self.offset)
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.at.display_with_offset(self.offset))
    }
}

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for WallTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let at: Timestamp = text.parse()?;
        let offset = Pieces::parse(text)?.to_numeric_offset().unwrap_or(Offset::UTC);
        Ok(Self::with_offset(at, offset))
    }
}

impl TryFrom<String> for WallTime {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        text.parse()
    }
}

impl From<WallTime> for String {
    fn from(time: WallTime) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_on_the_wall_is_kept() {
        #[track_caller]
        fn check(text: &str, shown: &str) {
            let time: WallTime = text.parse().unwrap();
            assert_eq!(time.to_string(), shown, "{text}");
            assert_eq!(shown.parse::<WallTime>().unwrap(), time, "{text}");
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<WallTime>(&json).unwrap(), time, "{text}");
        }
        check("2026-11-20T12:41:06.1189+01:00", "2026-11-20T12:41:06.118+01:00");
        check("2026-11-20T12:41:06-05:30", "2026-11-20T12:41:06.000-05:30");
        check("2026-11-20T12:41:06Z", "2026-11-20T12:41:06.000+00:00");
        check("1890-01-01T00:00:00+00:53:28", "1889-12-31T23:59:32.000+00:53");
        check("9999-12-30T22:00:00Z", "9999-12-30T22:00:00.000+00:00");
        assert!("yesterday".parse::<WallTime>().is_err());
        for at in [Timestamp::MIN, Timestamp::MAX] {
            for hours in [-25, 0, 25] {
                let time = WallTime::with_offset(at, Offset::from_hours(hours).unwrap());
                assert!((0..=9999).contains(&time.local().year()), "{time}");
                assert_eq!(time.later_by_ms(1).to_string().parse::<WallTime>().unwrap(), time.later_by_ms(1));
            }
        }
    }
}
