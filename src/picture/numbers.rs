//! Arithmetic on lists of numbers.

/// The value below which that part of the numbers lies; `None` of none.
pub fn quantile(numbers: impl IntoIterator<Item = f64>, part: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the last place")]
    let at = (last as f64 * part).round() as usize;
    sorted.get(at.min(last)).copied()
}

pub fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    quantile(numbers, 0.5)
}

pub fn mean(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let (n, sum) = numbers.into_iter().fold((0.0, 0.0), |(n, sum), number| (n + 1.0, sum + number));
    if n > 0.0 { sum / n } else { 0.0 }
}

pub fn std(numbers: &[f64]) -> f64 {
    let middle = mean(numbers.iter().copied());
    mean(numbers.iter().map(|number| (number - middle).powi(2))).sqrt()
}

pub fn share(n: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { n as f64 / of as f64 }
}

/// How often each byte occurs.
pub struct Histogram {
    counts: [u32; 256],
    n: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; 256], n: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            if let Some(count) = self.counts.get_mut(usize::from(byte)) {
                *count += 1;
                self.n += 1;
            }
        }
    }

    pub fn counts(&self) -> impl Iterator<Item = (u8, u32)> {
        (0..=u8::MAX).zip(self.counts)
    }

    /// Each byte stands for all values that round to it, so that this is finer than one step.
    pub fn quantile(&self, part: f64) -> f64 {
        let wanted = part * f64::from(self.n);
        let mut below = 0.0;
        for (byte, count) in self.counts() {
            let count = f64::from(count);
            if count > 0.0 && below + count >= wanted {
                let low = (f64::from(byte) - 0.5).max(0.0);
                return low + (f64::from(byte) + 0.5 - low) * (wanted - below) / count;
            }
            below += count;
        }
        0.0
    }

    pub fn mean(&self) -> f64 {
        self.moment(|byte| byte)
    }

    pub fn std(&self) -> f64 {
        let mean = self.mean();
        self.moment(|byte| (byte - mean).powi(2)).sqrt()
    }

    fn moment(&self, of: impl Fn(f64) -> f64) -> f64 {
        let sum: f64 = self.counts().map(|(byte, count)| of(f64::from(byte)) * f64::from(count)).sum();
        sum / f64::from(self.n.max(1))
    }

    pub fn share(&self, bytes: std::ops::RangeInclusive<u8>) -> f64 {
        let n: u32 = self.counts().filter(|(byte, _)| bytes.contains(byte)).map(|(_, count)| count).sum();
        f64::from(n) / f64::from(self.n.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_bytes_are_finer_than_a_step() {
        let mut histogram = Histogram::default();
        histogram.add([0, 0, 0, 1]);
        assert!((histogram.quantile(0.5) - 1.0 / 3.0).abs() < 1e-9);
        assert!((histogram.quantile(1.0) - 1.5).abs() < 1e-9);
        assert!((histogram.share(0..=0) - 0.75).abs() < 1e-9);
        assert_eq!((median([3.0, 1.0, 2.0]), median([])), (Some(2.0), None));
    }
}
