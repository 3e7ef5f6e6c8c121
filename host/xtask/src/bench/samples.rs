//! Times of one thing, and what is said of them.

use std::time::Duration;

/// Times, in the order in which they were taken.
#[derive(Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time that this share of the samples does not exceed; 0 for no samples.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into some thousand samples"
        )]
        let index = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// Prints a row: p50, p99, and both as ratios to the native p50.
pub(crate) fn print_row(name: &str, samples: &Samples, native: &Samples) {
    let (p50, p99) = (samples.quantile(0.5), samples.quantile(0.99));
    let base = native.quantile(0.5).as_secs_f64();
    println!(
        "{name:<36} p50 {:>9.3} ms   p99 {:>9.3} ms   p50/native p50 {:>6.3}   p99/native p50 {:>6.3}",
        p50.as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3,
        p50.as_secs_f64() / base,
        p99.as_secs_f64() / base,
    );
}
