//! What a guess can come to.

use super::super::time::Timestamp;
use super::super::totp::Step;

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
    /// The challenge has had its guesses.
    #[error("too many attempts on the challenge")]
    Exhausted,
    /// The factor is locked.
    #[error(transparent)]
    Locked(#[from] Locked),
}

/// The factor has had its guesses for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts on the factor")]
pub struct Locked {
    /// When the next guess may be made; `None` if only an operator can unlock it.
    pub retry_at: Option<Timestamp>,
}
