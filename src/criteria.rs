//! Every number that judges a camera, once: what costs points, and the questions that all others ask.
//!
//! The health score, the test, the check-up, the judge of the live picture and the help read these; none of them has a number of
//! its own. This measures nothing (see [`crate::picture`], [`crate::health`], [`crate::probe::measure`]) and decides nothing that is
//! done about an answer. Entries `F…` are those of the catalogue of failures; a number without another source was chosen.

use std::time::Instant;

use crate::status::{Deduction, PictureFaultKind};

mod clock;
mod computer;
mod picture;
mod stream;
mod usb;

pub use clock::{has_gone_back, is_clock_off, is_clock_step, is_drift_certain};
pub use computer::{
    FULL_DISK_BYTES, LITTLE_MEMORY_BYTES, NEARLY_FULL_DISK_BYTES, SLOW_WRITE_MS, has_only_waited, has_waited_long,
    is_cpu_busy, is_timer_late, is_under_pressure,
};
pub use picture::{
    LEAST_EQUAL, LEAST_PICTURES, are_neighbours, bars, is_better_lit, is_black, is_blinking, is_blurred, is_calmer,
    is_card, is_cast_of_whites, is_colour_cast, is_combed, is_dead, is_deep_colour, is_dim, is_green, is_grey,
    is_grey_fill, is_hunting, is_lit, is_magenta, is_noisy, is_often_same, is_over_exposed, is_snow, is_still,
    is_surely_torn, is_torn, is_torn_no_more, is_under_exposed, still_secs, times_each,
};
pub use stream::{
    LEAST_RATE_SECS, OPEN_SLOW_MS, SLOW_ANSWER_MS, comes_again, comes_evenly, fps_of_ms, is_age_growing, is_as_fast,
    is_clearly_too_slow, is_each_twice, is_late, is_life_of_session, is_loss_of_packets, is_lossy,
    is_more_than_a_pause, is_more_than_chance, is_old, is_one_picture_coded, is_same_again, is_too_slow, is_whole_part,
    may_be_one_picture_coded, share_of,
};
pub use usb::{
    FULL_SPEED_KBITS, HIGH_SPEED_KBITS, is_bus_full, is_loose_plug, is_too_much_for_usb2, uncompressed_bits,
    video_kbits,
};

/// Points off for each failed read or open since the last good frame.
pub const POINTS_PER_FAILURE: u32 = 10;

/// A way to lose points, besides [`POINTS_PER_FAILURE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Its name in [`Deduction::rule`] and in the findings of a test.
    pub id: &'static str,
    /// What is measured, in plain words; stands before the value.
    pub what: &'static str,
    /// Of the value. `yes` has none, and neither has a count, which is empty.
    pub unit: &'static str,
    /// Values up to this cost nothing.
    pub free: f64,
    pub points_per_unit: f64,
    pub max_points: u8,
    /// Beyond this value a test calls the stream unstable; `None` where it never does.
    pub unstable_above: Option<f64>,
}

impl Rule {
    /// `None` when the value costs nothing.
    #[must_use]
    pub fn deduct(&self, value: f64) -> Option<Deduction> {
        let points = ((value - self.free) * self.points_per_unit).round().clamp(0.0, f64::from(self.max_points));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=max_points")]
        let points = points as u8;
        let reason = match self.unit {
            "yes" => self.what.to_owned(),
            "" => format!("{} {value:.0}", self.what),
            "s" => format!("{} {value:.1} s", self.what),
            unit => format!("{} {value:.0} {unit}", self.what),
        };
        (points > 0).then(|| Deduction { rule: self.id.to_owned(), reason, points })
    }

    #[must_use]
    pub fn is_unstable(&self, value: f64) -> bool {
        self.unstable_above.is_some_and(|limit| value > limit)
    }
}

/// The device is closed after something failed, or could not be opened: critical, whatever else is known.
pub const UNAVAILABLE: Rule = Rule {
    id: "unavailable",
    what: "the camera is not open",
    unit: "yes",
    free: 0.0,
    points_per_unit: 75.0,
    max_points: 75,
    unstable_above: None,
};
/// Of an outage: after five seconds nothing is left of the score.
pub const NO_PICTURE: Rule = Rule {
    id: "no-picture",
    what: "no live picture for",
    unit: "s",
    free: 0.0,
    points_per_unit: 20.0,
    max_points: 100,
    unstable_above: None,
};
/// Of all frames that a test asks for. The score has [`POINTS_PER_FAILURE`] in its place.
pub const FAILURES: Rule = Rule {
    id: "failures",
    what: "frames that did not come, or came damaged:",
    unit: "%",
    free: 0.0,
    points_per_unit: 1.0,
    max_points: 100,
    unstable_above: Some(0.0),
};
/// A test has to end early.
pub const ENDED: Rule = Rule {
    id: "ended",
    what: "the stream is over",
    unit: "yes",
    free: 0.0,
    points_per_unit: 75.0,
    max_points: 75,
    unstable_above: Some(0.0),
};
/// F65: a sensor has noise, so that equal pictures do not come from it. What is shown is old, which is worse than none: critical.
/// For how long they must be equal to count is [`still_secs`].
pub const FROZEN: Rule = Rule {
    id: "frozen",
    what: "the picture has stood still for",
    unit: "s",
    free: picture::STILL_SECS,
    points_per_unit: 1_000.0,
    max_points: 75,
    unstable_above: Some(picture::STILL_SECS),
};
/// F60, F61. The stream comes as it should, and shows nothing: a warning.
pub const BLACK: Rule = Rule {
    id: "black",
    what: "the picture has been black for",
    unit: "s",
    free: 1.0,
    points_per_unit: 100.0,
    max_points: 40,
    unstable_above: None,
};
/// F60: black, but for the noise of a sensor that works.
pub const COVERED: Rule = Rule { id: "covered", what: "the lens has been covered for", ..BLACK };
/// F62: rows that the driver has never filled. Beyond the edge of something green.
pub const GREEN: Rule = Rule {
    id: "green",
    what: "missing from the picture, which is green there:",
    unit: "%",
    free: 100.0 * picture::GREEN_HEIGHT,
    points_per_unit: 0.4,
    max_points: 40,
    unstable_above: Some(100.0 * picture::GREEN_HEIGHT),
};
/// F64: more than one of a hundred is no accident. A third of the pictures is a warning.
pub const TORN: Rule = Rule {
    id: "torn",
    what: "torn pictures:",
    unit: "%",
    free: 100.0 * picture::TORN_SHARE,
    points_per_unit: 1.5,
    max_points: 45,
    unstable_above: Some(100.0 * picture::TORN_SHARE),
};
/// The first twentieth is within what a rate counted over two seconds can be off by; unstable is what [`is_too_slow`].
pub const RATE: Rule = Rule {
    id: "rate",
    what: "frame rate below the agreed one by",
    unit: "%",
    free: stream::RATE_TOLERANCE_PERCENT,
    points_per_unit: 1.0,
    max_points: 40,
    unstable_above: Some(stream::TOO_SLOW_PERCENT),
};
/// By how much 95 of 100 intervals exceed the usual one, at most. Up to three quarters of a period nobody sees it, and a
/// computer that has other work hands frames out as late as that.
pub const JITTER: Rule = Rule {
    id: "jitter",
    what: "frames come unevenly, 1 in 20 is late by",
    unit: "% of a frame period",
    free: 75.0,
    points_per_unit: 0.2,
    max_points: 10,
    unstable_above: Some(125.0),
};
/// Gaps in the driver's own count. Now and then one is lost in every computer that has something else to do.
pub const DROPS: Rule = Rule {
    id: "drops",
    what: "frames lost:",
    unit: "%",
    free: stream::LOSS_PERCENT,
    points_per_unit: 2.0,
    max_points: 30,
    unstable_above: Some(6.0),
};
/// Of the last minute.
pub const STALLS: Rule = Rule {
    id: "stalls",
    what: "interruptions in the last minute:",
    unit: "",
    free: 0.0,
    points_per_unit: 5.0,
    max_points: 20,
    unstable_above: None,
};
/// F78: a frame's time is before that of the frame before.
pub const CLOCK: Rule = Rule {
    id: "time",
    what: "times at which the camera's clock jumped back:",
    unit: "",
    free: 0.0,
    points_per_unit: 10.0,
    max_points: 40,
    unstable_above: Some(0.0),
};

/// Every rule, in the order in which deductions are listed. The score looks at the last seconds, a test at all of its time.
pub const RULES: [Rule; 14] =
    [UNAVAILABLE, NO_PICTURE, FAILURES, ENDED, FROZEN, BLACK, COVERED, GREEN, TORN, RATE, JITTER, DROPS, STALLS, CLOCK];

/// What it costs.
fn rule_of(kind: PictureFaultKind) -> Rule {
    match kind {
        PictureFaultKind::Black => BLACK,
        PictureFaultKind::Frozen => FROZEN,
        PictureFaultKind::Torn => TORN,
        PictureFaultKind::Covered => COVERED,
        PictureFaultKind::Green => GREEN,
    }
}

/// What is wrong with the live picture now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureFault {
    pub kind: PictureFaultKind,
    /// When the first picture that shows it was taken.
    pub since: Instant,
    /// How much of the pictures ([`PictureFaultKind::Torn`]) or of the picture ([`PictureFaultKind::Green`]) is concerned, 0 to 1;
    /// 1 for the others.
    pub share: f64,
}

impl PictureFault {
    #[must_use]
    pub fn deduction(&self, now: Instant) -> Option<Deduction> {
        let rule = rule_of(self.kind);
        rule.deduct(match rule.unit {
            "s" => now.saturating_duration_since(self.since).as_secs_f64(),
            _ => 100.0 * self.share,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::status::Grade;

    #[test]
    fn rules_have_names_of_their_own() {
        for (n, rule) in RULES.iter().enumerate() {
            assert!(RULES.iter().skip(n + 1).all(|other| other.id != rule.id), "{}", rule.id);
        }
        for kind in PictureFaultKind::ALL {
            assert!(RULES.contains(&rule_of(kind)), "{kind:?}");
            assert_eq!((serde_json::to_value(kind).unwrap(), rule_of(kind).id), (kind.slug().into(), kind.slug()));
        }
    }

    #[test]
    fn what_costs_nothing_is_not_unstable() {
        for rule in RULES {
            assert_eq!(rule.deduct(rule.free), None, "{}", rule.id);
            assert!(!rule.is_unstable(rule.free), "{}", rule.id);
            assert_eq!(rule.deduct(1e9).unwrap().points, rule.max_points, "{}", rule.id);
            assert!(rule.max_points <= 100 && rule.points_per_unit > 0.0, "{}", rule.id);
        }
    }

    /// The grade of a camera with nothing but this against it, so long after its first picture.
    #[track_caller]
    fn check(kind: PictureFaultKind, secs: f64, share: f64, expected: Grade) {
        let since = Instant::now();
        let fault = PictureFault { kind, since, share };
        let deduction = fault.deduction(since + Duration::from_secs_f64(secs));
        let points = deduction.as_ref().map_or(0, |deduction| deduction.points);
        assert_eq!(Grade::of(100 - points), expected, "{kind:?} {secs} s {share}: {deduction:?}");
    }

    #[test]
    fn a_picture_that_shows_nothing_is_a_warning_at_best() {
        use Grade::{Critical, Excellent, Good, Warning};
        use PictureFaultKind::{Black, Covered, Frozen, Green, Torn};
        check(Black, 0.9, 1.0, Excellent);
        check(Black, 1.5, 1.0, Warning);
        check(Black, 3_600.0, 1.0, Warning);
        check(Covered, 1.5, 1.0, Warning);
        check(Frozen, 1.0, 1.0, Critical);
        check(Frozen, 60.0, 1.0, Critical);
        check(Green, 1.0, 1.0, Warning);
        check(Green, 1.0, 0.3, Good);
        check(Green, 1.0, 0.05, Excellent);
        // In proportion to their share.
        check(Torn, 1.0, 0.04, Excellent);
        check(Torn, 1.0, 0.15, Good);
        check(Torn, 1.0, 0.3, Warning);
        check(Torn, 1.0, 1.0, Warning);
    }
}
