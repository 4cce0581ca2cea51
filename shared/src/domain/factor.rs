//! A factor: one thing a user has.

use super::guard::Guard;
use super::id::{EnvironmentId, EnvironmentKeyId, FactorId};
use super::otpauth::Label;
use super::phone::Phone;
use super::policy::{GENERIC_CHALLENGE_LIFETIME, SMS_CHALLENGE_LIFETIME, TOTP_CHALLENGE_LIFETIME};
use super::time::Timestamp;
use super::user::UserId;
use std::time::Duration;

/// A factor: all of it that a client may see, and nothing that ever changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Its name.
    pub id: FactorId,
    /// The tenant it belongs to.
    pub environment: EnvironmentId,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// Whose it is, if the application said so.
    pub user: Option<UserId>,
    /// What it is.
    pub kind: Kind,
}

/// What a factor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An authenticator app.
    Totp {
        /// Who issued the secret, as the app shows it.
        issuer: Label,
        /// Whose account it is, as the app shows it.
        account: Label,
    },
    /// A phone that takes text messages.
    Sms {
        /// Its number.
        phone: Phone,
    },
    /// A code the application delivers itself.
    GenericOtp,
}

/// A factor with what decides about it: the secret of a TOTP factor, and the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The factor.
    pub factor: Factor,
    /// The secret it shares with an authenticator app, sealed; only TOTP factors have one.
    pub secret: Option<Sealed>,
    /// What has been spent of it.
    pub guard: Guard,
}

/// A secret at rest: ciphertext, and the key that opens it (see `seal.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The environment's key it is sealed with.
    pub key: EnvironmentKeyId,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

impl Kind {
    /// The type's name on the wire and in the table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Totp { .. } => "totp",
            Self::Sms { .. } => "sms",
            Self::GenericOtp => "generic_otp",
        }
    }

    /// How long a challenge of this kind can be verified.
    #[must_use]
    pub const fn challenge_lifetime(&self) -> Duration {
        match self {
            Self::Totp { .. } => TOTP_CHALLENGE_LIFETIME,
            Self::Sms { .. } => SMS_CHALLENGE_LIFETIME,
            Self::GenericOtp => GENERIC_CHALLENGE_LIFETIME,
        }
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sealed with {}", self.key)
    }
}
