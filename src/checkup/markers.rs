//! When a finding about a live picture begins and when it ends: once each. Pure.
//!
//! Of what needs a moment to be certain: focus, exposure, colours, noise. Black, frozen, torn, covered and green pictures are told by the
//! engine, as they come, and are left out here: see [`crate::analyser`].

use std::time::{Duration, Instant};

use super::catalogue::{CatalogueEntry, LIKELY};
use super::verdict::Finding;

/// What passes sooner was a hand before the lens, or the camera's automatic at work.
const BEGINS_AFTER: Duration = Duration::from_secs(3);
/// What comes back sooner has not been away: the numbers are on the edge between good and bad.
const ENDS_AFTER: Duration = Duration::from_millis(1_500);

/// The entries of which the engine tells.
const OF_ENGINE: [&str; 6] = ["lens-covered", "shutter", "black-signal", "green", "torn", "frozen"];

/// A change for the worse, or for the better.
#[derive(Clone, Debug)]
pub enum MarkerChange {
    Began(Finding),
    /// What it was, and for how long it was found.
    Ended(Finding, Duration),
}

/// Follows the findings of one camera.
#[derive(Debug, Default)]
pub struct Markers {
    marks: Vec<Mark>,
}

#[derive(Debug)]
struct Mark {
    /// As it was last.
    finding: Finding,
    first: Instant,
    last: Instant,
    is_told: bool,
}

impl Markers {
    /// Whether it was told that this has begun, and not yet that it is over.
    #[must_use]
    pub fn is_told(&self, entry: &CatalogueEntry) -> bool {
        self.marks.iter().any(|mark| mark.is_told && mark.finding.entry.slug == entry.slug)
    }

    /// What has changed, given all that is found now. Hints do not count.
    pub fn update(&mut self, findings: &[Finding], now: Instant) -> Vec<MarkerChange> {
        let is = |entry: &CatalogueEntry, other: &CatalogueEntry| entry.slug == other.slug;
        let is_ours =
            |finding: &&Finding| finding.judgement.confidence >= LIKELY && !OF_ENGINE.contains(&finding.entry.slug);
        for finding in findings.iter().filter(is_ours) {
            match self.marks.iter_mut().find(|mark| is(mark.finding.entry, finding.entry)) {
                Some(mark) => {
                    mark.last = now;
                    mark.finding = finding.clone();
                }
                None => self.marks.push(Mark { finding: finding.clone(), first: now, last: now, is_told: false }),
            }
        }
        let mut changes = Vec::new();
        for mark in &mut self.marks {
            if !mark.is_told && mark.last.saturating_duration_since(mark.first) >= BEGINS_AFTER {
                mark.is_told = true;
                changes.push(MarkerChange::Began(mark.finding.clone()));
            }
        }
        self.marks.retain(|mark| {
            let away = now.saturating_duration_since(mark.last);
            // One that nobody was told of is forgotten at its first absence.
            let is_over = if mark.is_told { away >= ENDS_AFTER } else { !away.is_zero() };
            if is_over && mark.is_told {
                changes
                    .push(MarkerChange::Ended(mark.finding.clone(), mark.last.saturating_duration_since(mark.first)));
            }
            !is_over
        });
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyser::WINDOW;
    use crate::checkup::catalogue::Judgement;
    use crate::checkup::verdict::findings;
    use crate::checkup::{Facts, Layer, entries, facts};
    use crate::picture::{FrameCoding, PictureSeries};
    use crate::source::simulated::pictures;

    fn finding(slug: &str, confidence: f64) -> Finding {
        let entry = entries::all().find(|entry| entry.slug == slug).unwrap();
        Finding { entry, judgement: Judgement::new(slug, confidence) }
    }

    /// Looked at twice a second: `#` found, `.` not, `?` a hint. Told as `+` and `-` in the half second in which it is.
    #[track_caller]
    fn check(seen: &str, expected: &str) {
        check_of("out-of-focus", seen, expected);
    }

    #[track_caller]
    fn check_of(slug: &str, seen: &str, expected: &str) {
        let mut markers = Markers::default();
        let began = Instant::now();
        let told: String = seen
            .chars()
            .zip(0..)
            .map(|(found, n)| {
                let found = match found {
                    '#' => vec![finding(slug, 0.9)],
                    '?' => vec![finding(slug, 0.4)],
                    _ => Vec::new(),
                };
                match markers.update(&found, began + Duration::from_millis(500) * n).as_slice() {
                    [] => '.',
                    [MarkerChange::Began(_)] => '+',
                    [MarkerChange::Ended(..)] => '-',
                    _ => '*',
                }
            })
            .collect();
        assert_eq!(told, expected, "{seen}");
    }

    #[test]
    fn each_begins_and_ends_once() {
        check("..........", "..........");
        check("#######...........", "......+..-........");
        check("######............", "..................");
        check("######.######.####", "..................");
        check("???????????", "...........");
        check("########.#..##...........", "......+.........-........");
        check("#######..........#######", "......+..-.............+");
        check_of("lens-covered", "#######...........", "..................");
    }

    /// What is told of a live picture that is looked at twice a second: which, when it begins and when it ends, in seconds.
    #[track_caller]
    fn check_live(line: &str, slug: &str, begin: f64, end: f64) {
        let mut series = PictureSeries::of_last(WINDOW, FrameCoding::Intra);
        let (mut markers, origin, mut told) = (Markers::default(), Instant::now(), Vec::new());
        for (due, image) in pictures(line).step_by(15).take_while(|(due, _)| due.as_secs_f64() < end + 6.0) {
            series.add(&image, origin + due);
            let facts = Facts {
                source: facts::SourceFacts { kind: facts::SourceKind::Simulated, ..Default::default() },
                picture: Some(series.stats()),
                ..Facts::default()
            };
            let mut found = findings(&facts);
            found.retain(|finding| finding.entry.layer == Layer::Picture);
            let changes = markers.update(&found, origin + due);
            told.extend(changes.into_iter().map(|change| (due.as_secs_f64(), change)));
        }
        let [(began, MarkerChange::Began(what)), (ended, MarkerChange::Ended(..))] = told.as_slice() else {
            panic!("{line}: {told:#?}")
        };
        assert_eq!(what.entry.slug, slug, "{line}");
        assert!((begin..begin + 6.5).contains(began), "{line}: told at {began}");
        assert!((end..end + 4.5).contains(ended), "{line}: over at {ended}");
    }

    #[test]
    fn what_is_found_in_the_live_picture_is_told_while_it_is_there() {
        for format in ["bgr", "mjpeg"] {
            for (fault, slug) in [
                ("blur", "out-of-focus"),
                ("dark", "under-exposed"),
                ("bright", "over-exposed"),
                ("noise", "noise"),
                ("cast", "white-balance"),
                ("letterbox", "black-bars"),
            ] {
                check_live(&format!("320x240,format={format},{fault}@4s+10s"), slug, 4.0, 14.0);
            }
        }
    }
}
