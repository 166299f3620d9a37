//! Pauses between attempts: doubling, bounded, reset on success.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause: an API server that comes back is noticed within this.
pub const LONGEST: Duration = Duration::from_secs(15);

/// The state of one retried activity.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        let pause = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Starts again from the first pause.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// As watches want it.
impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_pause())
    }
}

impl kube::runtime::utils::Backoff for Backoff {
    fn reset(&mut self) {
        Self::reset(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| backoff.next_pause().as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        backoff.reset();
        assert_eq!(backoff.next_pause(), FIRST);
        for _ in 0..100 {
            assert!(backoff.next_pause() <= LONGEST);
        }
    }
}
