//! The guard of a factor: what has been spent of it, and the one place that says whether a guess may count.
//!
//! A verdict is reached in two steps. [`Guard::admit`] refuses what needs no look at the code; an [`Admission`] turns
//! the evidence into a [`Verdict`] *and* the guard that remembers it. A caller that holds a verdict also holds the guard that has
//! to be written before it may be returned.

mod outcome;

pub use outcome::{Evidence, Locked, Refusal, Verdict};

use super::challenge::Challenge;
use super::id::{AttemptId, ChallengeId};
use super::policy::{
    FAILURE_WINDOW, LOCKOUT_THRESHOLD, MAX_ATTEMPTS_PER_CHALLENGE, MAX_CONSECUTIVE_FAILURES,
    MAX_FAILURES_PER_DAY, MAX_LOCKOUT, MAX_TRIED_CHALLENGES, MIN_LOCKOUT, SPENT_CHALLENGE_RETENTION,
};
use super::time::Timestamp;
use super::totp::Step;
use std::collections::BTreeMap;
use std::time::Duration;

/// What has been spent of a factor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Counts the writes; a write succeeds only over the version it was decided on.
    pub version: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// When the failures of the rolling window happened, oldest first; a success does not forgive them.
    pub recent_failures: Vec<Timestamp>,
    /// Until when no guess is looked at.
    pub locked_until: Option<Timestamp>,
    /// The latest TOTP step that was accepted; it and all before it are spent (RFC 6238 §5.2).
    pub last_step: Option<Step>,
    /// What each challenge that has been guessed at has spent.
    pub spent: BTreeMap<ChallengeId, Spent>,
}

/// What one challenge has spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The guesses it took, right or wrong.
    pub attempts: Vec<AttemptId>,
    /// The guess that verified it.
    pub verified_by: Option<AttemptId>,
    /// When the challenge expires.
    pub expires_at: Timestamp,
}

/// Leave to guess once at one challenge.
#[derive(Debug)]
pub struct Admission<'a> {
    guard: &'a Guard,
    challenge: &'a Challenge,
    now: Timestamp,
}

impl Guard {
    /// Leave to guess at `challenge`, judged by time and by what is spent, not by the code.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: expired, verified before, out of guesses, or the factor is locked.
    pub fn admit<'a>(&'a self, challenge: &'a Challenge, now: Timestamp) -> Result<Admission<'a>, Refusal> {
        if !challenge.is_open(now) {
            return Err(Refusal::Expired);
        }
        if let Some(spent) = self.spent.get(&challenge.id) {
            if spent.verified_by.is_some() {
                return Err(Refusal::Verified);
            }
            if spent.attempts.len() >= MAX_ATTEMPTS_PER_CHALLENGE {
                return Err(Refusal::Exhausted);
            }
            self.unlocked(now)?;
        } else {
            self.accepts_challenges(now)?;
        }
        Ok(Admission { guard: self, challenge, now })
    }

    /// Whether a new challenge of the factor could be guessed at.
    ///
    /// # Errors
    ///
    /// [`Locked`] if not, and until when.
    pub fn accepts_challenges(&self, now: Timestamp) -> Result<(), Locked> {
        self.unlocked(now)?;
        let remembered = || self.spent.values().filter(|spent| spent.is_remembered(now));
        if remembered().count() < MAX_TRIED_CHALLENGES {
            return Ok(());
        }
        Err(Locked { retry_at: remembered().map(Spent::forgotten_at).min() })
    }

    /// Whether `challenge` was verified or has had its guesses.
    #[must_use]
    pub fn is_finished(&self, challenge: ChallengeId) -> bool {
        self.spent.get(&challenge).is_some_and(Spent::is_finished)
    }

    /// The guard an operator has unlocked: the failures are forgiven, what is spent stays spent.
    #[must_use]
    pub fn unlock(&self) -> Self {
        Self {
            version: self.version.saturating_add(1),
            failures: 0,
            recent_failures: Vec::new(),
            locked_until: None,
            ..self.clone()
        }
    }

    /// Whether only an operator can unlock it (THR-05).
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.failures >= MAX_CONSECUTIVE_FAILURES
    }

    fn unlocked(&self, now: Timestamp) -> Result<(), Locked> {
        if self.is_disabled() {
            return Err(Locked { retry_at: None });
        }
        let full = self.recent_failures.len().checked_sub(MAX_FAILURES_PER_DAY);
        let room_at =
            full.and_then(|at| self.recent_failures.get(at)).map(|failed| failed.plus(FAILURE_WINDOW));
        match self.locked_until.max(room_at) {
            Some(retry_at) if now < retry_at => Err(Locked { retry_at: Some(retry_at) }),
            _ => Ok(()),
        }
    }

    /// What was decided about an attempt, if it was counted: the way to settle a write whose fate is unknown.
    #[must_use]
    pub fn verdict_on(&self, challenge: ChallengeId, attempt: AttemptId) -> Option<Verdict> {
        let spent = self.spent.get(&challenge).filter(|spent| spent.attempts.contains(&attempt))?;
        Some(if spent.verified_by == Some(attempt) { Verdict::Valid } else { Verdict::Wrong })
    }

    /// Counts a failure: the factor is locked for longer each time.
    fn fail(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.recent_failures.retain(|failed| now < failed.plus(FAILURE_WINDOW));
        self.recent_failures.push(now);
        self.locked_until = backoff(self.failures).map(|wait| now.plus(wait));
    }

    /// Counts a success. The rolling failures stay: otherwise each login would buy an attacker new guesses.
    fn succeed(&mut self, evidence: Evidence) {
        self.failures = 0;
        self.locked_until = None;
        if let Evidence::Step(step) = evidence {
            self.last_step = Some(step);
        }
    }
}

/// How long a factor is locked after its nth consecutive failure.
fn backoff(failures: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(LOCKOUT_THRESHOLD)?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(MIN_LOCKOUT.saturating_mul(factor).min(MAX_LOCKOUT))
}

impl Spent {
    fn is_finished(&self) -> bool {
        self.verified_by.is_some() || self.attempts.len() >= MAX_ATTEMPTS_PER_CHALLENGE
    }

    fn forgotten_at(&self) -> Timestamp {
        self.expires_at.plus(SPENT_CHALLENGE_RETENTION)
    }

    fn is_remembered(&self, now: Timestamp) -> bool {
        now < self.forgotten_at()
    }
}

impl Admission<'_> {
    /// The verdict, and the guard that remembers it. Every guess is charged, right or wrong.
    #[must_use]
    pub fn judge(self, evidence: Evidence, attempt: AttemptId) -> (Verdict, Guard) {
        let verdict = match evidence {
            Evidence::Wrong => Verdict::Wrong,
            Evidence::Step(step) if Some(step) <= self.guard.last_step => Verdict::Replayed,
            Evidence::Step(_) | Evidence::Code => Verdict::Valid,
        };
        let mut guard = self.guard.clone();
        guard.version = guard.version.saturating_add(1);
        guard.spent.retain(|_, spent| spent.is_remembered(self.now));
        let spent = guard.spent.entry(self.challenge.id).or_insert_with(|| Spent {
            attempts: Vec::new(),
            verified_by: None,
            expires_at: self.challenge.expires_at,
        });
        spent.attempts.push(attempt);
        if verdict == Verdict::Valid {
            spent.verified_by = Some(attempt);
            guard.succeed(evidence);
        } else {
            guard.fail(self.now);
        }
        (verdict, guard)
    }
}

#[cfg(test)]
mod tests;
