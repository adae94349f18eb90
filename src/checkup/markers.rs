//! When a finding about a live picture begins and when it ends: once each. Pure.

use std::time::{Duration, Instant};

use super::entries::{CatalogueEntry, LIKELY};
use super::verdict::Finding;

/// What passes sooner was a hand before the lens, or the camera's automatic at work.
const BEGINS_AFTER: Duration = Duration::from_secs(3);
/// What comes back sooner has not been away.
const ENDS_AFTER: Duration = Duration::from_secs(5);

/// A turn for the worse, or for the better.
#[derive(Clone, Debug)]
pub enum MarkerChange {
    Began(Finding),
    /// What it was, and for how long.
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

    /// What has turned, given all that is found now. Hints do not count.
    pub fn update(&mut self, findings: &[Finding], now: Instant) -> Vec<MarkerChange> {
        let is = |entry: &CatalogueEntry, other: &CatalogueEntry| entry.slug == other.slug;
        for finding in findings.iter().filter(|finding| finding.judgement.confidence >= LIKELY) {
            match self.marks.iter_mut().find(|mark| is(mark.finding.entry, finding.entry)) {
                Some(mark) => {
                    mark.last = now;
                    mark.finding = finding.clone();
                }
                None => self.marks.push(Mark { finding: finding.clone(), first: now, last: now, is_told: false }),
            }
        }
        let mut turns = Vec::new();
        for mark in &mut self.marks {
            if !mark.is_told && mark.last.saturating_duration_since(mark.first) >= BEGINS_AFTER {
                mark.is_told = true;
                turns.push(MarkerChange::Began(mark.finding.clone()));
            }
        }
        self.marks.retain(|mark| {
            let away = now.saturating_duration_since(mark.last);
            // One that nobody was told of is forgotten at its first absence.
            let is_over = if mark.is_told { away >= ENDS_AFTER } else { !away.is_zero() };
            if is_over && mark.is_told {
                turns.push(MarkerChange::Ended(mark.finding.clone(), mark.last.saturating_duration_since(mark.first)));
            }
            !is_over
        });
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::entries::{self, Judgement};

    fn finding(slug: &str, confidence: f64) -> Finding {
        let entry = entries::all().find(|entry| entry.slug == slug).unwrap();
        Finding { entry, judgement: Judgement::new(slug, confidence) }
    }

    /// Looked at twice a second: `#` found, `.` not, `?` a hint. Told as `+` and `-` in the half second in which it is.
    #[track_caller]
    fn check(seen: &str, expected: &str) {
        let mut markers = Markers::default();
        let began = Instant::now();
        let told: String = seen
            .chars()
            .zip(0..)
            .map(|(found, n)| {
                let found = match found {
                    '#' => vec![finding("lens-covered", 0.9)],
                    '?' => vec![finding("lens-covered", 0.4)],
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
        check("#######...........", "......+.........-.");
        check("######............", "..................");
        check("######.######.####", "..................");
        check("???????????", "...........");
        check("########.#..##...........", "......+................-.");
        check("#######..........#######", "......+.........-......+");
    }
}
