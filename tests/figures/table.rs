//! How figures are counted and printed: one line each.

use std::time::Duration;

/// What the counts are divided by.
#[derive(Clone, Copy)]
pub struct Scale {
    pub divisor: usize,
}

impl Scale {
    pub fn of(self, n: usize) -> usize {
        n.div_ceil(self.divisor)
    }
}

pub fn print_head() {
    line("figure", "measured", "bar", "n", "");
}

fn line(what: &str, measured: &str, bar: &str, n: &str, verdict: &str) {
    println!("{what:<46} {measured:<60} {bar:<22} {n:>6} {verdict}");
}

/// A figure with a bar.
pub fn print(what: &str, measured: &str, bar: &str, n: usize, is_reached: bool) {
    line(what, measured, bar, &n.to_string(), if is_reached { "OK" } else { "MISSED" });
}

/// A figure without one.
pub fn print_plain(what: &str, measured: &str, n: usize) {
    line(what, measured, "-", &n.to_string(), "");
}

pub fn print_skipped(what: &str, why: &str) {
    println!("{what:<46} skipped: {why}");
}

/// Times in order.
pub struct Times(Vec<f64>);

impl Times {
    pub fn new(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::of_secs(times.into_iter().map(|time| time.as_secs_f64()))
    }

    pub fn of_secs(secs: impl IntoIterator<Item = f64>) -> Self {
        let mut secs: Vec<f64> = secs.into_iter().collect();
        secs.sort_by(f64::total_cmp);
        Self(secs)
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of them does not exceed; none at all is for ever.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    pub fn at(&self, share: f64) -> f64 {
        let nth = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(nth.max(1) - 1).copied().unwrap_or(f64::INFINITY)
    }

    /// `p50 0.31 s, p95 1.20 s, max 1.31 s`
    pub fn in_words(&self) -> String {
        format!("p50 {:.2} s, p95 {:.2} s, max {:.2} s", self.at(0.5), self.at(0.95), self.at(1.0))
    }

    pub fn in_ms(&self) -> String {
        let ms = |share| self.at(share) * 1_000.0;
        format!("p50 {:.1} ms, p95 {:.1} ms, max {:.1} ms", ms(0.5), ms(0.95), ms(1.0))
    }
}
