//! The one line that monitoring systems read from a plugin (Nagios, Icinga, Naemon, Checkmk):
//! <https://www.monitoring-plugins.org/doc/guidelines.html>, sections 2 and 2.6.

use super::Exit;
use crate::foreign::safe_within;
use crate::status::{Grade, Status};

/// Some systems cut a line at 1 KiB; the performance data shall not be what is lost.
const MAX_TEXT_CHARS: usize = 400;

/// A number for the system's graphs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Perf {
    /// Without a space, a quote or an equals sign.
    pub label: &'static str,
    /// `None` where it was not measured.
    pub value: Option<f64>,
    /// `s`, `ms`, `%`, `c` for a counter, or nothing.
    pub unit: &'static str,
    pub n_decimals: usize,
    /// Below which values the state is a warning and critical.
    pub limits: Option<(u8, u8)>,
}

impl Perf {
    pub(super) fn score(score: Option<u8>) -> Self {
        let limits = Some((least(Grade::Good), least(Grade::Warning)));
        Self { label: "score", value: score.map(f64::from), unit: "", n_decimals: 0, limits }
    }

    pub(super) fn plain(label: &'static str, value: Option<f64>, n_decimals: usize) -> Self {
        Self { label, value, unit: "", n_decimals, limits: None }
    }

    pub(super) fn ms(label: &'static str, value: Option<f64>) -> Self {
        Self { label, value, unit: "ms", n_decimals: 1, limits: None }
    }

    fn text(&self) -> String {
        let value = self.value.filter(|value| value.is_finite());
        let value = value.map_or_else(
            // The guidelines' word for what could not be determined; it has no unit.
            || "U".to_owned(),
            |value| format!("{value:.*}{}", self.n_decimals, self.unit),
        );
        let limits = self.limits.map(|(warning, critical)| format!(";{warning};{critical}")).unwrap_or_default();
        format!("{}={value}{limits}", self.label)
    }
}

fn least(grade: Grade) -> u8 {
    Grade::BANDS.iter().find(|(band, _)| *band == grade).map_or(0, |(_, least)| *least)
}

/// “CAMCLINIC OK - score 100, 29.9 fps | score=100;70;30 fps=29.9”.
pub(super) fn line(exit: Exit, text: &str, perf: &[Perf]) -> String {
    let word = match exit {
        Exit::Healthy => "OK",
        Exit::Warning => "WARNING",
        Exit::Critical => "CRITICAL",
        Exit::CouldNotRun => "UNKNOWN",
    };
    // A bar ends the text, and a new line begins what most systems do not show.
    let text = safe_within(text.as_bytes(), MAX_TEXT_CHARS).replace('|', "/");
    let line = format!("CAMCLINIC {word} - {text}");
    if perf.is_empty() {
        return line;
    }
    let perf: Vec<_> = perf.iter().map(Perf::text).collect();
    format!("{line} | {}", perf.join(" "))
}

/// The line of `camclinic status`.
pub(super) fn of_status(exit: Exit, status: &Status) -> String {
    let score = status.health_score.map_or_else(|| "no score".to_owned(), |score| format!("score {score}"));
    let mut text = format!("{score}, {:.1} fps", status.fps);
    if exit != Exit::Healthy {
        match &status.last_fault {
            Some(fault) => text.push_str(&format!(": {fault}. {}", fault.advice)),
            None => status.deductions.iter().for_each(|deduction| text.push_str(&format!(", {}", deduction.reason))),
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 frames last for millennia")]
    let dropped = status.dropped as f64;
    let perf = [
        Perf::score(status.health_score),
        Perf::plain("fps", Some(status.fps), 1),
        Perf::plain("dropped", Some(dropped), 0),
        Perf::ms("latency", status.latency_ms),
    ];
    line(exit, &text, &perf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(exit: Exit, text: &str, perf: &[Perf], expected: &str) {
        assert_eq!(line(exit, text, perf), expected);
    }

    #[test]
    fn a_line_is_as_the_guidelines_have_it() {
        let fps = Perf::plain("fps", Some(29.94), 1);
        check(
            Exit::Healthy,
            "score 100, 29.9 fps",
            &[Perf::score(Some(100)), fps],
            "CAMCLINIC OK - score 100, 29.9 fps | score=100;70;30 fps=29.9",
        );
        check(Exit::Warning, "x", &[Perf::ms("latency", Some(1.26))], "CAMCLINIC WARNING - x | latency=1.3ms");
        check(Exit::Critical, "x", &[Perf::ms("latency", None)], "CAMCLINIC CRITICAL - x | latency=U");
        check(Exit::Critical, "x", &[Perf::plain("fps", Some(f64::NAN), 1)], "CAMCLINIC CRITICAL - x | fps=U");
        check(Exit::CouldNotRun, "no such thing", &[], "CAMCLINIC UNKNOWN - no such thing");
    }

    #[test]
    fn a_message_cannot_break_the_line() {
        check(
            Exit::Critical,
            " cannot open a|b:\nnothing\r\n",
            &[Perf::score(Some(0))],
            "CAMCLINIC CRITICAL - cannot open a/b: nothing | score=0;70;30",
        );
        let long = line(Exit::Warning, &"é".repeat(5_000), &[Perf::score(Some(50))]);
        assert!(long.len() < 1_000 && long.ends_with("… | score=50;70;30"), "{long}");
    }
}
