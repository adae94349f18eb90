//! Which step of recovery comes next, and when: pure functions of the faults so far and of `now`.
//!
//! What should not be in this file: clocks, threads, drivers. The supervisor in [`crate::camera`] carries out what is
//! decided here.

use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultClass};
use crate::settings::{RecoverySettings, secs};
use crate::status::Rung;

/// Pauses before reconnections in a row; the last one repeats.
const BACKOFF_SECS: [u64; 7] = [1, 1, 2, 4, 8, 15, 30];
/// Each pause is changed by up to this share, so that several cameras do not come back at the same moment.
const JITTER: f64 = 0.2;
/// A program that holds a device is not asked to let go by opening it again and again.
const LEAST_BUSY_PAUSE: Duration = Duration::from_secs(2);
/// Only a camera that has worked this long starts over with short pauses: one that fails each few seconds must not be
/// hammered for ever.
const GOOD_UNTIL_FORGIVEN: Duration = Duration::from_mins(1);

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Carry out the rung at that moment.
    Do { rung: Rung, at: Instant },
    /// Nothing more until somebody acts.
    GiveUp,
}

/// Where a camera stands on the way from the gentlest step to the last one.
#[derive(Clone, Debug)]
pub struct Ladder {
    settings: RecoverySettings,
    /// Failures since the last good frame.
    n_failures: u32,
    /// Reconnections since the last good frame.
    n_attempts: u32,
    /// Reconnections since the last rest; when they are used up, recovery rests.
    n_attempts_since_rest: u32,
    backoff_step: usize,
    good_since: Option<Instant>,
    rng: fastrand::Rng,
}

impl Ladder {
    /// `seed` makes the jitter repeatable; two cameras should have different ones.
    #[must_use]
    pub fn new(settings: RecoverySettings, seed: u64) -> Self {
        Self {
            settings,
            n_failures: 0,
            n_attempts: 0,
            n_attempts_since_rest: 0,
            backoff_step: 0,
            good_since: None,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Uses other numbers from now on; where the camera stands is kept.
    pub fn set_settings(&mut self, settings: RecoverySettings) {
        self.settings = settings;
    }

    #[must_use]
    pub fn n_failures(&self) -> u32 {
        self.n_failures
    }

    #[must_use]
    pub fn n_attempts(&self) -> u32 {
        self.n_attempts
    }

    /// Whether everything that can be done from here has been tried often enough. Advice only: nothing is rebooted.
    #[must_use]
    pub fn should_reboot(&self) -> bool {
        self.n_attempts >= self.settings.n_recovery_attempts
            && self.n_failures >= self.settings.n_failures_before_reboot_advice
    }

    pub fn on_good_frame(&mut self, now: Instant) {
        self.n_failures = 0;
        self.n_attempts = 0;
        self.n_attempts_since_rest = 0;
        let good_since = *self.good_since.get_or_insert(now);
        if now.saturating_duration_since(good_since) >= GOOD_UNTIL_FORGIVEN {
            self.backoff_step = 0;
        }
    }

    /// A read, an open or a deadline failed. `is_open` tells whether reading again is possible at all.
    pub fn on_failure(&mut self, fault: &Fault, is_open: bool, now: Instant) -> Plan {
        self.n_failures = self.n_failures.saturating_add(1);
        if fault.class == FaultClass::Quality && is_open {
            // Damaged pictures are no reason to be without any: the next one is read at once, for ever. Nor do they
            // end the time for which the stream has been good.
            return Plan::Do { rung: Rung::Retry, at: now };
        }
        self.good_since = None;
        if !fault.is_transient() || !self.settings.automatic {
            return Plan::GiveUp;
        }
        let may_read_again = is_open && !fault.ends_stream();
        if may_read_again && self.n_failures < self.settings.n_failures_before_reconnect {
            return Plan::Do { rung: Rung::Retry, at: now + self.retry_pause() };
        }
        let pause = self.reconnect_pause();
        let pause = if fault.class == FaultClass::Busy { pause.max(LEAST_BUSY_PAUSE) } else { pause };
        Plan::Do { rung: Rung::Reinitialise, at: now + pause }
    }

    /// The device is being closed and opened again.
    pub fn on_reconnect(&mut self) {
        self.n_attempts = self.n_attempts.saturating_add(1);
        if self.n_attempts_since_rest >= self.settings.n_recovery_attempts {
            self.n_attempts_since_rest = 0;
        }
        self.n_attempts_since_rest += 1;
        self.backoff_step += 1;
    }

    /// base × growth ^ (failures − 1), growing for as many failures as there are retries.
    fn retry_pause(&self) -> Duration {
        let n_grown = self.n_failures.min(self.settings.n_retries.max(1)).saturating_sub(1);
        let growth = self.settings.delay_growth.powi(i32::try_from(n_grown).unwrap_or(i32::MAX));
        secs(self.settings.base_delay_secs * growth).min(secs(self.settings.cooldown_secs))
    }

    fn reconnect_pause(&mut self) -> Duration {
        let jitter = 1.0 + JITTER * (2.0 * self.rng.f64() - 1.0);
        if self.n_attempts_since_rest >= self.settings.n_recovery_attempts {
            return secs(self.settings.cooldown_secs).mul_f64(jitter);
        }
        let step = self.backoff_step.min(BACKOFF_SECS.len() - 1);
        Duration::from_secs(BACKOFF_SECS.get(step).copied().unwrap_or_default()).mul_f64(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn ladder(change: impl FnOnce(&mut RecoverySettings)) -> (Ladder, Instant) {
        let mut settings = RecoverySettings::default();
        change(&mut settings);
        (Ladder::new(settings, 7), Instant::now())
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(kind, "test")
    }

    /// Fails again and again and returns the rungs with their pauses in seconds.
    fn fail(ladder: &mut Ladder, kind: FaultKind, is_open: bool, n: usize, now: Instant) -> Vec<(Rung, f64)> {
        (0..n)
            .filter_map(|_| match ladder.on_failure(&fault(kind), is_open, now) {
                Plan::Do { rung, at } => {
                    if rung == Rung::Reinitialise {
                        ladder.on_reconnect();
                    }
                    Some((rung, (at - now).as_secs_f64()))
                }
                Plan::GiveUp => None,
            })
            .collect()
    }

    #[track_caller]
    fn check_pauses(got: &[(Rung, f64)], expected: &[(Rung, f64)], tolerance: f64) {
        assert_eq!(got.len(), expected.len(), "{got:?}");
        for (got, expected) in got.iter().zip(expected) {
            assert_eq!(got.0, expected.0, "{got:?}");
            assert!((got.1 - expected.1).abs() <= expected.1 * tolerance + 1e-6, "{got:?} is not {expected:?}");
        }
    }

    #[test]
    fn reads_are_retried_with_growing_pauses_and_then_the_camera_is_reopened() {
        let (mut ladder, now) = ladder(|_| ());
        let got = fail(&mut ladder, FaultKind::ReadFailed, true, 4, now);
        check_pauses(&got, &[(Rung::Retry, 0.1), (Rung::Retry, 0.2), (Rung::Retry, 0.4), (Rung::Retry, 0.4)], 0.0);
        let got = fail(&mut ladder, FaultKind::ReadFailed, true, 1, now);
        check_pauses(&got, &[(Rung::Reinitialise, 1.0)], JITTER);
        assert_eq!((ladder.n_failures(), ladder.n_attempts()), (5, 1));
    }

    #[test]
    fn reconnections_back_off_and_rest() {
        let (mut ladder, now) = ladder(|settings| settings.n_recovery_attempts = 8);
        let got = fail(&mut ladder, FaultKind::Unplugged, false, 9, now);
        let expected = [1.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0].map(|pause| (Rung::Reinitialise, pause));
        check_pauses(&got, &expected, JITTER);
        let (mut ladder, now) = self::ladder(|settings| settings.cooldown_secs = 77.0);
        let got = fail(&mut ladder, FaultKind::Unplugged, false, 6, now);
        check_pauses(&got[5..], &[(Rung::Reinitialise, 77.0)], JITTER);
        // After the rest come as many attempts as before.
        let got = fail(&mut ladder, FaultKind::Unplugged, false, 5, now);
        assert!(got[..4].iter().all(|(_, pause)| *pause < 40.0), "{got:?}");
        check_pauses(&got[4..], &[(Rung::Reinitialise, 77.0)], JITTER);
    }

    #[test]
    fn only_a_minute_of_good_frames_forgives() {
        let (mut ladder, now) = ladder(|_| ());
        fail(&mut ladder, FaultKind::Unplugged, false, 4, now);
        ladder.on_good_frame(now);
        ladder.on_good_frame(now + Duration::from_secs(59));
        check_pauses(&fail(&mut ladder, FaultKind::Unplugged, true, 1, now), &[(Rung::Reinitialise, 8.0)], JITTER);
        ladder.on_good_frame(now);
        ladder.on_good_frame(now + Duration::from_mins(1));
        check_pauses(&fail(&mut ladder, FaultKind::Unplugged, true, 1, now), &[(Rung::Reinitialise, 1.0)], JITTER);
    }

    #[test]
    fn the_class_of_the_fault_decides() {
        for kind in FaultKind::ALL {
            let (mut ladder, now) = ladder(|_| ());
            let plan = ladder.on_failure(&fault(*kind), true, now);
            match kind.class() {
                FaultClass::Terminal => assert_eq!(plan, Plan::GiveUp, "{kind:?}"),
                FaultClass::Quality => assert_eq!(plan, Plan::Do { rung: Rung::Retry, at: now }),
                FaultClass::Busy => {
                    assert!(matches!(plan, Plan::Do { rung: Rung::Reinitialise, at } if at >= now + LEAST_BUSY_PAUSE));
                }
                _ => assert!(matches!(plan, Plan::Do { .. }), "{kind:?}"),
            }
        }
        let (mut ladder, now) = ladder(|_| ());
        assert!(fail(&mut ladder, FaultKind::BadFrame, true, 100, now).iter().all(|(rung, _)| *rung == Rung::Retry));
        let (mut ladder, now) = self::ladder(|settings| settings.automatic = false);
        assert_eq!(ladder.on_failure(&fault(FaultKind::Stall), true, now), Plan::GiveUp);
    }

    #[test]
    fn a_reboot_is_advised_when_all_else_is_used_up() {
        let (mut ladder, now) = ladder(|_| ());
        fail(&mut ladder, FaultKind::OpenTimeout, false, 9, now);
        assert!(!ladder.should_reboot());
        fail(&mut ladder, FaultKind::OpenTimeout, false, 1, now);
        assert!(ladder.should_reboot());
        ladder.on_good_frame(now);
        assert!(!ladder.should_reboot());
    }

    #[test]
    fn wild_settings_cannot_overflow() {
        let (mut ladder, now) = ladder(|settings| {
            settings.delay_growth = 10.0;
            settings.n_retries = 20;
            settings.base_delay_secs = 10.0;
            settings.n_failures_before_reconnect = 100;
            settings.cooldown_secs = 600.0;
        });
        let got = fail(&mut ladder, FaultKind::ReadFailed, true, 99, now);
        assert!(got.iter().all(|(_, pause)| *pause <= 600.0));
    }
}
