//! The possible outcomes of a guess.

use super::super::time::Timestamp;
use super::super::totp::Step;

/// The result of checking the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Not the code of this challenge.
    Wrong,
    /// The code that was sent for this challenge.
    Code,
    /// The TOTP code of a step within the skew window.
    Step(Step),
}

/// The outcome of a counted guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The right code, used for the first time.
    Valid,
    /// A wrong code.
    Wrong,
    /// A TOTP code that was accepted before.
    Replayed,
}

/// Why a guess is refused without checking the code. A refused guess is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The challenge has expired.
    #[error("the challenge has expired")]
    Expired,
    /// The challenge was verified before.
    #[error("the challenge has already been verified")]
    Verified,
    /// The challenge has no attempts left.
    #[error("too many attempts on the challenge")]
    Exhausted,
    /// The factor is locked.
    #[error(transparent)]
    Locked(#[from] Locked),
}

/// The factor accepts no guess for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts on the factor")]
pub struct Locked {
    /// When the next guess is accepted; `None` if only an operator can unlock the factor.
    pub retry_at: Option<Timestamp>,
}
