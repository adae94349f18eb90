//! Which falls of the score the log tells, and when one is over. Pure.
//!
//! What has a line of its own (an outage, a failed read, a fault of the picture) is not told a second time.

use std::time::{Duration, Instant};

use super::machine::CameraEvent;
use crate::criteria::{CLOCK, DROPS, JITTER, RATE};
use crate::event::Level;
use crate::status::{Deduction, Grade, score_text};

/// What stands in no other line.
const TOLD: [&str; 4] = [RATE.id, JITTER.id, DROPS.id, CLOCK.id];
/// A fall is told after so much time, with what was lowest: points are lost one after the other, and an outage that comes
/// meanwhile says it better.
const SETTLING: Duration = Duration::from_secs(2);
/// It is over after so much time without one: what comes and goes is told once.
const CALM: Duration = Duration::from_secs(30);

/// Of one camera, from its start to its stop.
#[derive(Default)]
pub(super) struct ScoreLog {
    costs: Vec<Cost>,
    /// The lowest grade that was told, since no points were lost.
    told: Option<Grade>,
    next: Option<Fall>,
}

/// A rule by which points are lost, or were a moment ago.
struct Cost {
    rule: &'static str,
    last: Instant,
    is_told: bool,
}

/// A fall that is to be told.
struct Fall {
    since: Instant,
    lowest: u8,
    deductions: Vec<Deduction>,
}

impl ScoreLog {
    /// There is no live picture, which is told elsewhere.
    pub(super) fn on_outage(&mut self) {
        self.next = None;
    }

    /// The score of a live picture, and what it lost points for.
    pub(super) fn update(&mut self, score: u8, deductions: &[Deduction], now: Instant) -> Option<CameraEvent> {
        let was_low = !self.costs.is_empty();
        let is_cost = |rule: &&str| deductions.iter().any(|deduction| deduction.rule == **rule);
        for rule in TOLD.into_iter().filter(is_cost) {
            match self.costs.iter_mut().find(|cost| cost.rule == rule) {
                Some(cost) => cost.last = now,
                None => self.costs.push(Cost { rule, last: now, is_told: false }),
            }
        }
        self.costs.retain(|cost| now.saturating_duration_since(cost.last) < CALM);
        let is_low = self.costs.iter().any(|cost| cost.last == now);
        let is_new = self.costs.iter().any(|cost| cost.last == now && !cost.is_told);
        let is_lower = is_low && self.told.is_some_and(|told| Grade::of(score) < told);
        if (is_new || is_lower) && self.next.is_none() {
            self.next = Some(Fall { since: now, lowest: u8::MAX, deductions: Vec::new() });
        }
        if let Some(next) = self.next.as_mut().filter(|next| is_low && score < next.lowest) {
            (next.lowest, next.deductions) = (score, deductions.to_vec());
        }
        if let Some(next) = self.next.take_if(|next| now.saturating_duration_since(next.since) >= SETTLING) {
            return Some(self.tell(&next));
        }
        if was_low && self.costs.is_empty() && self.told.take().is_some() {
            let message = format!("The score is no longer low: {}", score_text(Some(score)));
            return Some(CameraEvent::new(Level::Good, "score", message));
        }
        None
    }

    fn tell(&mut self, fall: &Fall) -> CameraEvent {
        self.costs.iter_mut().for_each(|cost| cost.is_told = true);
        let grade = Grade::of(fall.lowest);
        self.told = Some(self.told.map_or(grade, |told| told.min(grade)));
        let reasons = fall.deductions.iter().filter(|deduction| TOLD.contains(&deduction.rule.as_str()));
        let reasons: Vec<_> =
            reasons.map(|deduction| format!("{} (-{})", deduction.reason, deduction.points)).collect();
        let message = format!("The score fell: {}: {}", reasons.join(", "), score_text(Some(fall.lowest)));
        CameraEvent::new(if grade >= Grade::Good { Level::Info } else { Level::Warning }, "score", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the log has of a score that loses points at these times, in seconds: `(from, to, rule, points)`.
    #[track_caller]
    fn check(losses: &[(u64, u64, &str, u8)], end_secs: u64, expected: &[(u64, &str)]) {
        let origin = Instant::now();
        let mut log = ScoreLog::default();
        let mut got = Vec::new();
        for quarter in 0..end_secs * 4 {
            let now = origin + Duration::from_millis(250) * u32::try_from(quarter).unwrap();
            let lost = losses.iter().filter(|(from, to, ..)| (from * 4..to * 4).contains(&quarter));
            let deductions: Vec<_> = lost
                .map(|(_, _, rule, points)| Deduction {
                    rule: (*rule).to_owned(),
                    reason: (*rule).to_owned(),
                    points: *points,
                })
                .collect();
            let score = 100 - deductions.iter().map(|deduction| deduction.points).sum::<u8>();
            got.extend(log.update(score, &deductions, now).map(|line| (quarter / 4, line.message)));
        }
        let got: Vec<_> = got.iter().map(|(secs, message)| (*secs, message.as_str())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn each_fall_is_told_once_and_its_end_too() {
        let end = "The score is no longer low: score 100 (excellent)";
        check(&[], 60, &[]);
        check(&[(2, 10, "rate", 20)], 60, &[(4, "The score fell: rate (-20): score 80 (good)"), (39, end)]);
        // Comes and goes.
        check(
            &[(2, 3, "jitter", 5), (8, 9, "jitter", 5), (30, 31, "jitter", 5)],
            90,
            &[(4, "The score fell: jitter (-5): score 95 (excellent)"), (60, end)],
        );
        // Another reason, and a lower grade.
        check(
            &[
                (2, 20, "rate", 6),
                (3, 20, "jitter", 2),
                (8, 20, "drops", 10),
                (12, 20, "drops", 25),
                (13, 20, "rate", 1),
            ],
            60,
            &[
                (4, "The score fell: rate (-6), jitter (-2): score 92 (excellent)"),
                (10, "The score fell: rate (-6), jitter (-2), drops (-10): score 82 (good)"),
                (14, "The score fell: rate (-6), jitter (-2), drops (-10), drops (-25), rate (-1): score 56 (warning)"),
                (49, end),
            ],
        );
        // Has its own lines.
        check(&[(2, 10, "no-picture", 100), (12, 20, "black", 40), (20, 30, "stalls", 5)], 60, &[]);
    }
}
