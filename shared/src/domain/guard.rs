//! The guard of a factor: its attempts, failures and used codes, and the rules that decide whether another guess is
//! allowed.
//!
//! A verify takes two steps. [`Guard::admit`] refuses what can be refused without checking the code.
//! [`Admission::judge`] turns the evidence into a [`Verdict`] *and* the guard that records it: a caller that has a
//! verdict also has the guard that must be written before the verdict may be returned.

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

/// The attempts, failures and used codes of a factor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// The number of writes, for optimistic locking: a write succeeds only if the stored version is the one that was
    /// read.
    pub version: u64,
    /// Consecutive failures since the last success.
    pub failures: u32,
    /// Times of the failures within the rolling [`FAILURE_WINDOW`], oldest first. A success does not clear them.
    pub recent_failures: Vec<Timestamp>,
    /// While locked, the time until which every guess is refused.
    pub locked_until: Option<Timestamp>,
    /// The time of the latest success.
    pub last_used_at: Option<Timestamp>,
    /// The latest accepted TOTP step. Codes of this and all earlier steps are refused as replays (RFC 6238 §5.2).
    pub last_step: Option<Step>,
    /// The attempts made at each challenge, until they are forgotten.
    pub spent: BTreeMap<ChallengeId, ChallengeAttempts>,
}

/// The attempts made at one challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeAttempts {
    /// Every counted attempt, right or wrong.
    pub attempts: Vec<AttemptId>,
    /// The attempt that verified the challenge.
    pub verified_by: Option<AttemptId>,
    /// When the challenge expires.
    pub expires_at: Timestamp,
}

/// What attempts are counted at: a challenge, or a request that verifies a recovery code without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    /// The challenge's ID.
    pub id: ChallengeId,
    /// From this time on it accepts no guess.
    pub expires_at: Timestamp,
}

/// Permission for one guess at one prompt.
#[derive(Debug)]
pub struct Admission<'a> {
    guard: &'a Guard,
    prompt: Prompt,
    now: Timestamp,
}

impl From<&Challenge> for Prompt {
    fn from(challenge: &Challenge) -> Self {
        Self { id: challenge.id, expires_at: challenge.expires_at }
    }
}

impl Guard {
    /// Permission to guess at `prompt`. Depends on the time and on earlier attempts, not on the code.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the challenge has expired, was verified before or has no attempts left, or if the factor is
    /// locked.
    pub fn admit(&self, prompt: impl Into<Prompt>, now: Timestamp) -> Result<Admission<'_>, Refusal> {
        let prompt = prompt.into();
        if now >= prompt.expires_at {
            return Err(Refusal::Expired);
        }
        if let Some(spent) = self.spent.get(&prompt.id) {
            if spent.verified_by.is_some() {
                return Err(Refusal::Verified);
            }
            if spent.attempts.len() >= MAX_ATTEMPTS_PER_CHALLENGE {
                return Err(Refusal::Exhausted);
            }
            self.check_lockout(now)?;
        } else {
            self.accepts_challenges(now)?;
        }
        Ok(Admission { guard: self, prompt, now })
    }

    /// Whether a guess at a new challenge of the factor would be admitted.
    ///
    /// # Errors
    ///
    /// [`Locked`] if not, with the time of the next attempt.
    pub fn accepts_challenges(&self, now: Timestamp) -> Result<(), Locked> {
        self.check_lockout(now)?;
        let remembered = || self.spent.values().filter(|spent| spent.is_remembered(now));
        if remembered().count() < MAX_TRIED_CHALLENGES {
            return Ok(());
        }
        Err(Locked { retry_at: remembered().map(ChallengeAttempts::forgotten_at).min() })
    }

    /// Whether `challenge` was verified.
    #[must_use]
    pub fn has_verified(&self, challenge: ChallengeId) -> bool {
        self.spent.get(&challenge).is_some_and(|spent| spent.verified_by.is_some())
    }

    /// Whether `challenge` was verified or has no attempts left.
    #[must_use]
    pub fn is_finished(&self, challenge: ChallengeId) -> bool {
        self.spent.get(&challenge).is_some_and(ChallengeAttempts::is_finished)
    }

    /// The guard after an operator has unlocked the factor: failures are cleared, used codes and challenges stay used.
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

    /// Whether only an operator can unlock the factor (THR-05).
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.failures >= MAX_CONSECUTIVE_FAILURES
    }

    fn check_lockout(&self, now: Timestamp) -> Result<(), Locked> {
        if self.is_disabled() {
            return Err(Locked { retry_at: None });
        }
        let oldest = self.recent_failures.len().checked_sub(MAX_FAILURES_PER_DAY);
        let daily_limit_until =
            oldest.and_then(|at| self.recent_failures.get(at)).map(|failed| failed.plus(FAILURE_WINDOW));
        match self.locked_until.max(daily_limit_until) {
            Some(retry_at) if now < retry_at => Err(Locked { retry_at: Some(retry_at) }),
            _ => Ok(()),
        }
    }

    /// The recorded verdict of an attempt, if it was counted. Resolves a write whose outcome is unknown.
    #[must_use]
    pub fn verdict_on(&self, challenge: ChallengeId, attempt: AttemptId) -> Option<Verdict> {
        let spent = self.spent.get(&challenge).filter(|spent| spent.attempts.contains(&attempt))?;
        Some(if spent.verified_by == Some(attempt) { Verdict::Valid } else { Verdict::Wrong })
    }

    /// Counts a failure and extends the lockout.
    fn fail(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.recent_failures.retain(|failed| now < failed.plus(FAILURE_WINDOW));
        self.recent_failures.push(now);
        self.locked_until = backoff(self.failures).map(|wait| now.plus(wait));
    }

    /// Counts a success. The failures of the rolling window stay: otherwise each login of the user would give an
    /// attacker new guesses.
    fn succeed(&mut self, evidence: Evidence, now: Timestamp) {
        self.failures = 0;
        self.locked_until = None;
        self.last_used_at = Some(now);
        if let Evidence::Step(step) = evidence {
            self.last_step = Some(step);
        }
    }
}

/// The lockout after this many consecutive failures; `None` below [`LOCKOUT_THRESHOLD`].
fn backoff(failures: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(LOCKOUT_THRESHOLD)?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(MIN_LOCKOUT.saturating_mul(factor).min(MAX_LOCKOUT))
}

impl ChallengeAttempts {
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
    /// The verdict, and the guard that records it. Every guess counts as an attempt, right or wrong.
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
        let spent = guard.spent.entry(self.prompt.id).or_insert_with(|| ChallengeAttempts {
            attempts: Vec::new(),
            verified_by: None,
            expires_at: self.prompt.expires_at,
        });
        spent.attempts.push(attempt);
        if verdict == Verdict::Valid {
            spent.verified_by = Some(attempt);
            guard.succeed(evidence, self.now);
        } else {
            guard.fail(self.now);
        }
        (verdict, guard)
    }
}

#[cfg(test)]
mod tests;
