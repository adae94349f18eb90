use super::*;

/// What becomes of pictures with stamps and arrivals in milliseconds.
struct Run {
    times: Vec<SampleTime>,
    arrived: Vec<i64>,
}

impl Run {
    fn new(may_reorder: bool, pictures: impl IntoIterator<Item = (Option<u64>, u64)>) -> Self {
        let began = Instant::now();
        let mut clock = SampleClock::new(may_reorder);
        let (mut times, mut arrived) = (Vec::new(), Vec::new());
        for (stamp, at) in pictures {
            clock.push(stamp.map(Duration::from_millis), began + Duration::from_millis(at));
            arrived.push(ticks(Duration::from_millis(at)));
            if clock.waits() >= SECOND_HALF {
                times.append(&mut clock.settled());
            }
        }
        times.append(&mut clock.rest());
        let first = arrived[0];
        for at in &mut arrived {
            *at -= first;
        }
        Self { times, arrived }
    }

    fn durations_ms(&self) -> Vec<u32> {
        self.times.iter().map(|time| time.duration / 90).collect()
    }

    #[track_caller]
    fn check_rules(&self) -> &Self {
        assert_eq!(self.times.len(), self.arrived.len());
        for (pair, number) in self.times.windows(2).zip(0..) {
            assert!(pair[0].decode < pair[1].decode, "picture {number}: {pair:?}");
        }
        for (number, (time, arrived)) in self.times.iter().zip(&self.arrived).enumerate() {
            let drift = i64::try_from(time.decode).unwrap() - arrived;
            // A tick for each picture that may not stand still.
            assert!(drift.abs() <= MAX_DRIFT + 100, "picture {number}: {} ms", drift / 90);
        }
        self
    }
}

const SECOND_HALF: Duration = Duration::from_millis(500);

/// Durations in milliseconds of pictures with stamps and arrivals in milliseconds.
#[track_caller]
fn check(pictures: &[(u64, u64)], expected_ms: &[u32]) {
    let run = Run::new(false, pictures.iter().map(|(stamp, at)| (Some(*stamp), *at)));
    assert_eq!(run.check_rules().durations_ms(), expected_ms, "{pictures:?}");
}

#[test]
fn a_picture_lasts_until_the_next() {
    check(&[(0, 0)], &[40]);
    check(&[(900, 0), (940, 40), (980, 80)], &[40, 40, 40]);
    // Arrivals that the network has shaken.
    check(&[(900, 0), (940, 70), (980, 75), (1_020, 130)], &[40, 40, 40, 40]);
    // The camera was away for 7 s, its clock went on, or began anew, or jumped.
    check(&[(0, 0), (40, 40), (7_040, 7_040), (7_080, 7_080)], &[40, 7_000, 40, 44]);
    check(&[(90_000, 0), (90_040, 40), (0, 7_040), (40, 7_080)], &[40, 7_000, 40, 44]);
    check(&[(0, 0), (40, 40), (99_080, 80), (99_120, 120)], &[40, 40, 40, 40]);
    check(&[(99_000, 0), (99_040, 40), (80, 80), (120, 120)], &[40, 40, 40, 40]);
    // One picture in two seconds.
    check(&[(0, 0), (2_000, 2_040), (4_000, 4_000)], &[2_000, 2_000, 2_000]);
    // The network stood for 2 s: half a second at most is on either side.
    check(&[(0, 0), (40, 40), (80, 2_080), (120, 2_085), (160, 2_090)], &[40, 1_540, 40, 40, 43]);
    // A stamp that is twice the same, or slightly back, is none.
    check(&[(0, 0), (40, 40), (40, 80), (80, 120)], &[40, 40, 40, 40]);
    check(&[(0, 0), (40, 40), (20, 80), (60, 120)], &[40, 40, 40, 40]);
}

#[test]
fn pictures_without_stamps_are_timed_by_their_arrival() {
    let run = Run::new(true, (0..50).map(|number| (None, 40 * number + number % 3)));
    assert!(run.check_rules().durations_ms()[..20].iter().all(|ms| (38..=42).contains(ms)), "{:?}", run.durations_ms());
}

/// A camera whose clock goes so many thousandths as fast as ours: the real length of its pictures is found in the end.
#[test]
fn the_rate_of_the_stamps_is_not_trusted_for_ever() {
    #[track_caller]
    fn check(permille: u64, is_drawn: bool) {
        let jitter = |number: u64| number * 7 % 11;
        let run = Run::new(
            false,
            (0..1_500).map(|number| (Some(number * 40 * permille / 1_000), 40 * number + jitter(number))),
        );
        let durations = &run.check_rules().durations_ms()[1_000..1_490];
        let mean = f64::from(durations.iter().sum::<u32>()) / durations.len() as f64;
        assert!((39.0..=40.2).contains(&mean), "{permille}: {mean}");
        // Stamps that are believed give even durations, whatever the arrivals are.
        let spread = durations.iter().max().unwrap() - durations.iter().min().unwrap();
        assert_eq!(spread > 4, is_drawn, "{permille}: {spread} ms");
    }
    check(1_000, false);
    check(1_001, false);
    check(930, false);
    check(1_070, false);
    check(800, true);
    check(1_250, true);
    check(500, true);
    check(2_000, true);
    check(0, true);
}

/// Numbers of pictures in the order in which they are decoded, 40 ms each.
#[test]
fn pictures_are_shown_in_another_order_than_decoded() {
    #[track_caller]
    fn check(order: &[u64], n_groups: u64) {
        let n = order.len() as u64;
        let numbers: Vec<u64> = std::iter::once(0)
            .chain((0..n_groups).flat_map(|group| order.iter().map(move |number| group * n + number)))
            .collect();
        let run = Run::new(true, (0..).zip(&numbers).map(|(at, number)| (Some(40 * number), 40 * at)));
        run.check_rules();
        for (time, number) in run.times.iter().zip(&numbers) {
            let shown = time.decode.strict_add_signed(time.shift.into()) / 90;
            assert!(shown.abs_diff(40 * number) <= 3, "{order:?}: picture {number} is shown at {shown} ms");
        }
        let most = &run.durations_ms()[1..numbers.len() - 8];
        assert!(most.iter().all(|ms| (37..=43).contains(ms)), "{order:?}: {most:?}");
    }
    check(&[1], 60);
    check(&[3, 1, 2], 30);
    check(&[2, 1], 30);
    check(&[4, 2, 1, 3], 30);
    check(&[8, 4, 2, 1, 3, 6, 5, 7], 20);
}

#[test]
fn whatever_comes_time_goes_on_and_is_real() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut stamp, mut at) = (random.u64(..) >> random.u32(1..64), 0_u64);
        let pictures: Vec<_> = (0..random.usize(1..600))
            .map(|_| {
                at += match random.u32(..40) {
                    0 => random.u64(..20_000),
                    1..=5 => 0,
                    _ => random.u64(..80),
                };
                stamp = match random.u32(..30) {
                    0 => random.u64(..) >> random.u32(1..64),
                    1 => stamp.saturating_sub(random.u64(..900)),
                    2 => stamp,
                    _ => stamp.saturating_add(random.u64(..80)),
                };
                (random.u32(..50).ne(&0).then_some(stamp), at)
            })
            .collect();
        let run = Run::new(false, pictures.iter().copied());
        eprintln!("seed {seed}");
        run.check_rules();
        // With pictures in any order nothing but growing decode times is promised.
        let run = Run::new(true, pictures);
        assert!(run.times.windows(2).all(|pair| pair[0].decode < pair[1].decode), "seed {seed}");
    }
}

#[test]
fn what_happened_is_told_in_media_time() {
    #[track_caller]
    fn check(at_ms: i64, expected_ms: u64) {
        let began = Instant::now() + Duration::from_secs(10);
        let mut clock = SampleClock::new(false);
        clock.push(None, began);
        clock.push(None, began + Duration::from_secs(1));
        let far = Duration::from_millis(at_ms.unsigned_abs());
        let moment = if at_ms < 0 { began.checked_sub(far).unwrap() } else { began + far };
        assert_eq!(clock.at(moment), Some(90 * expected_ms));
    }
    assert_eq!(SampleClock::new(false).at(Instant::now()), None);
    check(0, 0);
    check(500, 500);
    check(7_000, 7_000);
    check(-9_000, 0);
}
