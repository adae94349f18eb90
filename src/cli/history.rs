//! `camclinic history`: how a camera was, in this run of the program and in those before.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{Exit, pretty, say};
use crate::past::{self, Sample};

/// How it is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HistoryFormat {
    /// A line for each hour.
    Text,
    Json,
    Csv,
}

pub(super) fn history(data: &Path, source: &str, since: Timestamp, format: HistoryFormat) -> Result<Exit, String> {
    let unreadable = |error| format!("The history cannot be read: {error}: {}", data.display());
    let samples = past::read(data, source, since).map_err(unreadable)?;
    if samples.is_empty() {
        let cameras = past::cameras(data).map_err(unreadable)?;
        return Err(match cameras.as_slice() {
            [] => format!(
                "There is no history yet. The window and the commands that run for long keep it: {}",
                data.display()
            ),
            cameras if cameras.iter().any(|kept| kept.source == source) => {
                format!("There is no history of {source} from that time.")
            }
            cameras => format!("There is no history of {source}. There is one of: {}.", past::list(cameras)),
        });
    }
    say(&match format {
        HistoryFormat::Text => text(source, &samples, &TimeZone::system()),
        HistoryFormat::Json => pretty(&json!({ "source": source, "samples": samples })),
        HistoryFormat::Csv => csv(&samples),
    });
    Ok(Exit::Healthy)
}

fn csv(samples: &[Sample]) -> String {
    let mut lines = String::from("at,secs,score,mean_score,fps,live\n");
    for Sample { at, secs, score, mean_score, fps, live } in samples {
        lines.push_str(&format!("{at},{secs},{score},{mean_score},{fps},{live}\n"));
    }
    lines
}

fn text(source: &str, samples: &[Sample], zone: &TimeZone) -> String {
    let all = HourSum::of(samples);
    let mut lines = vec![
        format!(
            "{source} measured for {}, lowest score {}, mean score {:.0}, live {}",
            all.span(),
            all.lowest,
            all.mean(),
            all.live_percent()
        ),
        format!("  {:<16}  {:>8}  {:>6}  {:>6}  {:>7}  {:>5}", "hour", "measured", "lowest", "mean", "live", "fps"),
    ];
    let hour_of = |sample: &Sample| sample.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:00").to_string();
    let mut left = samples;
    while let Some(first) = left.first() {
        let hour = hour_of(first);
        let n = left.iter().position(|sample| hour_of(sample) != hour).unwrap_or(left.len());
        let (of_hour, rest) = left.split_at(n);
        let sum = HourSum::of(of_hour);
        lines.push(format!(
            "  {hour:<16}  {:>8}  {:>6}  {:>6.0}  {:>7}  {:>5.1}",
            sum.span(),
            sum.lowest,
            sum.mean(),
            sum.live_percent(),
            sum.fps()
        ));
        left = rest;
    }
    lines.join("\n")
}

/// Several samples taken together, each by its length.
#[derive(Default)]
struct HourSum {
    secs: f64,
    lowest: u8,
    score_secs: f64,
    live_secs: f64,
    frames: f64,
}

impl HourSum {
    fn of(samples: &[Sample]) -> Self {
        let mut sum = Self { lowest: 100, ..Self::default() };
        for sample in samples {
            let secs = f64::from(sample.secs);
            sum.secs += secs;
            sum.lowest = sum.lowest.min(sample.score);
            sum.score_secs += secs * sample.mean_score;
            sum.live_secs += secs * sample.live;
            sum.frames += secs * sample.fps;
        }
        sum
    }

    fn mean(&self) -> f64 {
        self.score_secs / self.secs.max(1.0)
    }

    fn fps(&self) -> f64 {
        self.frames / self.secs.max(1.0)
    }

    /// Rounded down: 100 % is said only of what was live all the time.
    fn live_percent(&self) -> String {
        format!("{:.1} %", (self.live_secs / self.secs.max(1.0) * 1_000.0).floor() / 10.0)
    }

    fn span(&self) -> String {
        match self.secs {
            secs if secs < 120.0 => format!("{secs:.0} s"),
            secs if secs < 7_200.0 => format!("{:.0} min", secs / 60.0),
            secs => format!("{:.1} h", secs / 3_600.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        let second = |at: &str, score, is_live| Sample::second(at.parse().unwrap(), score, 30.0, is_live);
        let minute = Sample { secs: 60, mean_score: 98.0, ..second("2026-11-21T09:58:00Z", 40, true) };
        vec![minute, second("2026-11-21T10:00:00Z", 100, true), second("2026-11-21T10:00:01Z", 20, false)]
    }

    #[test]
    fn each_hour_has_a_line() {
        let expected = "\
sim: measured for 62 s, lowest score 20, mean score 97, live 98.3 %
  hour              measured  lowest    mean     live    fps
  2026-11-21 09:00      60 s      40      98  100.0 %   30.0
  2026-11-21 10:00       2 s      20      60   50.0 %   30.0";
        assert_eq!(text("sim:", &samples(), &TimeZone::UTC), expected);
    }

    #[test]
    fn a_table_has_a_line_for_each_sample() {
        let csv = csv(&samples());
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "at,secs,score,mean_score,fps,live");
        assert_eq!(lines[1], "2026-11-21T09:58:00Z,60,40,98,30,1");
    }
}
