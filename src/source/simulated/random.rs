//! Random numbers that are the same each time: for the same seed, frame and purpose.

/// Random numbers for one purpose in one frame, the same for the same seed.
///
/// The generator is `SplitMix64` (Steele, Lea and Flood, “Fast splittable pseudorandom number generators”, 2014), which is
/// good from any seed and may be started anew for each frame.
pub struct SeededRandom {
    state: u64,
}

impl SeededRandom {
    /// Frames and purposes get numbers that have nothing to do with each other.
    pub fn new(seed: u64, n: u64, purpose: &str) -> Self {
        let mut chance = Self { state: seed };
        for part in purpose.bytes().map(u64::from).chain([n]) {
            chance.state = chance.next() ^ part;
        }
        chance
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn bytes(&mut self) -> [u8; 8] {
        self.next().to_le_bytes()
    }

    /// At least 0 and below 1.
    pub fn share(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        share
    }

    /// True in `percent` of the cases.
    pub fn percent(&mut self, percent: f64) -> bool {
        self.share() * 100.0 < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_frames_and_purposes_differ_and_repeat() {
        let first = |seed, n, purpose| SeededRandom::new(seed, n, purpose).next();
        assert_eq!(first(1, 2, "drop"), first(1, 2, "drop"));
        let all = [first(1, 2, "drop"), first(2, 1, "drop"), first(1, 3, "drop"), first(1, 2, "torn"), first(0, 0, "")];
        for (n, number) in all.iter().enumerate() {
            assert!(!all[n + 1..].contains(number), "{all:?}");
        }
    }

    #[test]
    fn a_percentage_is_met() {
        for (percent, at_least, at_most) in
            [(0.5, 60, 140), (5.0, 900, 1_100), (50.0, 9_700, 10_300), (95.0, 18_900, 19_100)]
        {
            let n_hits = (0..20_000).filter(|n| SeededRandom::new(7, *n, "drop").percent(percent)).count();
            assert!((at_least..=at_most).contains(&n_hits), "{n_hits} of 20000 for {percent} %");
        }
        assert!((0..20_000).all(|n| SeededRandom::new(7, n, "drop").percent(100.0)));
    }
}
