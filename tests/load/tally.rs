//! What a run of logins comes to.

use crate::login::Login;
use std::time::Duration;

/// Counts of one run. What must not happen is counted, too.
#[derive(Default)]
pub(crate) struct Tally {
    logins: usize,
    requests: usize,
    pub(crate) unavailable: usize,
    successes: usize,
    /// Logins whose verdict was written, but whose response was lost.
    unseen: usize,
    /// Enrolled factors that are not there.
    pub(crate) lost: usize,
    /// Successes beyond the first of a code.
    pub(crate) doubled: usize,
    /// Verdicts a code did not earn.
    unearned: usize,
    /// Verdicts that were returned but are not in the table.
    pub(crate) unwritten: usize,
    odd: Vec<String>,
    half: Duration,
    slowest_hundredth: Duration,
}

impl Tally {
    pub(crate) const HEADER: &str = "run             logins requests  503s faults | verified unseen | lost doubled unearned unwritten odd |   p50     p99";

    pub(crate) fn of(logins: &[Login]) -> Self {
        let count = |what: fn(&Login) -> usize| logins.iter().map(what).sum();
        let mut latencies: Vec<Duration> =
            logins.iter().flat_map(|login| login.latencies.iter().copied()).collect();
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
        Self {
            logins: logins.len(),
            requests: latencies.len(),
            unavailable: count(|login| login.unavailable),
            successes: count(|login| login.successes),
            unseen: count(|login| usize::from(login.unseen && login.successes == 0)),
            lost: count(|login| usize::from(login.lost)),
            doubled: count(|login| login.successes.saturating_sub(1)),
            unearned: count(|login| login.unearned),
            unwritten: 0,
            odd: logins.iter().flat_map(|login| login.odd.iter().cloned()).collect(),
            half: at(50),
            slowest_hundredth: at(99),
        }
    }

    /// Whether nothing happened that must not, and every login came to an end.
    pub(crate) fn holds(&self) -> bool {
        let never = [self.lost, self.doubled, self.unearned, self.unwritten, self.odd.len()];
        never == [0; 5] && self.successes + self.unseen == self.logins
    }

    pub(crate) fn row(&self, name: &str, faults: u64) -> String {
        let millis = |latency: Duration| format!("{:.1} ms", latency.as_secs_f64() * 1_000.0);
        let row = format!(
            "{name:<15} {:>6} {:>8} {:>5} {faults:>6} | {:>8} {:>6} | {:>4} {:>7} {:>8} {:>9} {:>3} | {:>8} {:>8}",
            self.logins,
            self.requests,
            self.unavailable,
            self.successes,
            self.unseen,
            self.lost,
            self.doubled,
            self.unearned,
            self.unwritten,
            self.odd.len(),
            millis(self.half),
            millis(self.slowest_hundredth),
        );
        let odd = self.odd.iter().take(5).map(|odd| format!("\n  odd: {odd}"));
        [row].into_iter().chain(odd).collect()
    }
}
