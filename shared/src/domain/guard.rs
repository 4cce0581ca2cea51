//! The guard of a factor: what has been spent of it, and the one place that says whether a guess may count.
//!
//! A verdict is reached in two steps. [`Guard::admit`] refuses what needs no look at the code; an [`Admission`] turns
//! the evidence into a [`Verdict`] *and* the guard that remembers it. Whoever holds a verdict holds the guard that has
//! to be written before anybody may be told.

use super::challenge::Challenge;
use super::id::{AttemptId, ChallengeId};
use super::policy::{ATTEMPTS_PER_CHALLENGE, SPENT_REMEMBERED, TRIED_CHALLENGES};
use super::time::Timestamp;
use super::totp::Step;
use std::collections::BTreeMap;

/// What has been spent of a factor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Counts the writes; a write succeeds only over the version it was decided on.
    pub version: u64,
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

/// What the code turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Not a code of this challenge.
    Wrong,
    /// The code that was sent for this challenge.
    Code,
    /// The TOTP code of a step inside the window.
    Step(Step),
}

/// The outcome of a counted guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The right code, for the first time.
    Valid,
    /// A wrong code.
    Wrong,
    /// A code that was right once and is spent.
    Replayed,
}

/// Why a guess is not even looked at. It costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The challenge's time is over.
    #[error("the challenge has expired")]
    Expired,
    /// The challenge was verified before.
    #[error("the challenge has already been verified")]
    Verified,
    /// The challenge, or the factor, has had its guesses. `retry_at`: when time cures it.
    #[error("too many attempts")]
    TooManyAttempts {
        /// When the next guess may be made, if waiting helps.
        retry_at: Option<Timestamp>,
    },
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
    /// [`Refusal`]: expired, verified before, or out of attempts.
    pub fn admit<'a>(&'a self, challenge: &'a Challenge, now: Timestamp) -> Result<Admission<'a>, Refusal> {
        if !challenge.is_open(now) {
            return Err(Refusal::Expired);
        }
        match self.spent.get(&challenge.id) {
            Some(spent) if spent.verified_by.is_some() => return Err(Refusal::Verified),
            Some(spent) if spent.attempts.len() >= ATTEMPTS_PER_CHALLENGE => {
                return Err(Refusal::TooManyAttempts { retry_at: None });
            }
            Some(_) => {}
            None => self.room_for_one_more(now)?,
        }
        Ok(Admission { guard: self, challenge, now })
    }

    /// What was decided about an attempt, if it was counted: the way to settle a write whose fate is unknown.
    #[must_use]
    pub fn verdict_on(&self, challenge: ChallengeId, attempt: AttemptId) -> Option<Verdict> {
        let spent = self.spent.get(&challenge).filter(|spent| spent.attempts.contains(&attempt))?;
        Some(if spent.verified_by == Some(attempt) { Verdict::Valid } else { Verdict::Wrong })
    }

    fn room_for_one_more(&self, now: Timestamp) -> Result<(), Refusal> {
        let remembered = || self.spent.values().filter(|spent| spent.is_remembered(now));
        if remembered().count() < TRIED_CHALLENGES {
            return Ok(());
        }
        let retry_at = remembered().map(Spent::forgotten_at).min();
        Err(Refusal::TooManyAttempts { retry_at })
    }
}

impl Spent {
    fn forgotten_at(&self) -> Timestamp {
        self.expires_at.plus(SPENT_REMEMBERED)
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
            if let Evidence::Step(step) = evidence {
                guard.last_step = Some(step);
            }
        }
        (verdict, guard)
    }
}

#[cfg(test)]
mod tests;
