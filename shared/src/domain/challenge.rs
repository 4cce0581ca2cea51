//! A challenge: one prompt for a code. It never changes after creation; the attempts made at it are recorded in its
//! factor's guard.

use super::factor::Factor;
use super::id::{ChallengeId, EnvironmentId, EnvironmentKeyId, FactorId};
use super::time::Timestamp;

/// A challenge of a factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The challenge ID.
    pub id: ChallengeId,
    /// The tenant it belongs to.
    pub environment: EnvironmentId,
    /// The factor to verify.
    pub factor: FactorId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires: from this time on it cannot be verified.
    pub expires_at: Timestamp,
    /// The expected code.
    pub code: ChallengeCode,
    /// The factor as it was read when the challenge was made, so that a verify need not read it. It is a hint: only a write
    /// over the factor's own version makes a decision on it true. It has no name, which a verify does not need. `None` if it
    /// did not fit.
    pub snapshot: Option<Box<Factor>>,
}

/// The code that a challenge expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeCode {
    /// A code generated for this challenge and sent to the user.
    Sent(CodeMac),
    /// A code computed from the factor's credential.
    Computed,
}

/// A code at rest: a keyed MAC bound to the environment, factor and challenge (see `vault/seal.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct CodeMac {
    /// The key of the environment that the MAC key is derived from.
    pub key: EnvironmentKeyId,
    /// HMAC-SHA-256.
    pub mac: [u8; 32],
}

impl Challenge {
    /// A challenge of `factor` created at `now`, open for as long as the factor type allows.
    #[must_use]
    pub fn new(factor: &Factor, id: ChallengeId, code: ChallengeCode, now: Timestamp) -> Self {
        Self {
            id,
            environment: factor.environment,
            factor: factor.id,
            created_at: now,
            expires_at: now.plus(factor.credential.factor_type().challenge_lifetime()),
            code,
            snapshot: Some(Box::new(Factor { name: None, ..factor.clone() })),
        }
    }

    /// Whether it has not expired: `now < expires_at`. Does not depend on DynamoDB's TTL (EXP-01, EXP-03).
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
