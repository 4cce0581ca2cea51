//! A challenge: one prompt for a code. It never changes; what it has spent stands in its factor's guard.

use super::factor::Factor;
use super::id::{ChallengeId, EnvironmentId, EnvironmentKeyId, FactorId};
use super::time::Timestamp;

/// A challenge of a factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its name.
    pub id: ChallengeId,
    /// The tenant it belongs to.
    pub environment: EnvironmentId,
    /// The factor it asks for.
    pub factor: FactorId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it cannot be verified any more.
    pub expires_at: Timestamp,
    /// The code it asks for.
    pub code: ChallengeCode,
    /// The factor as it was read when the challenge was made, so that a verify need not read it. It is a hint: only a write
    /// over the factor's own version makes a decision on it true. `None` if it did not fit.
    pub snapshot: Option<Box<Factor>>,
}

/// The code a challenge asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeCode {
    /// One that was made for this challenge, and sent.
    Sent(CodeMac),
    /// One that the factor's credential computes.
    Computed,
}

/// A code at rest: a keyed MAC bound to environment, factor and challenge (see `vault/seal.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct CodeMac {
    /// The environment's key it is keyed with.
    pub key: EnvironmentKeyId,
    /// HMAC-SHA-256.
    pub mac: [u8; 32],
}

impl Challenge {
    /// A challenge of `factor`, open from `now` for as long as the factor's type allows.
    #[must_use]
    pub fn of(factor: &Factor, id: ChallengeId, code: ChallengeCode, now: Timestamp) -> Self {
        Self {
            id,
            environment: factor.environment,
            factor: factor.id,
            created_at: now,
            expires_at: now.plus(factor.credential.factor_type().challenge_lifetime()),
            code,
            snapshot: Some(Box::new(factor.clone())),
        }
    }

    /// Whether it can still be verified: `now < expires_at`, never what the table has collected (EXP-01, EXP-03).
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

impl std::fmt::Debug for CodeMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keyed with {}", self.key)
    }
}
