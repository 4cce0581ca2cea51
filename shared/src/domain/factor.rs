//! A factor: something a user has. What is true of one type of factor stands in its variant.

use super::guard::Guard;
use super::id::{EnvironmentId, EnvironmentKeyId, FactorId};
use super::otpauth::Label;
use super::phone::Phone;
use super::policy::{GENERIC_CHALLENGE_TTL, SMS_CHALLENGE_TTL, TOTP_CHALLENGE_TTL};
use super::time::Timestamp;
use super::user::UserId;
use std::time::Duration;
use strum::{EnumString, IntoStaticStr, VariantNames as _};

/// A factor as the table holds it. Only its guard ever changes, and its secret when keys are rotated.
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
    /// What it verifies a code with.
    pub credential: Credential,
    /// What has been spent of it.
    pub guard: Guard,
}

/// A factor as every answer may show it: without secret and guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorSummary {
    /// Its name.
    pub id: FactorId,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// Whose it is, if the application said so.
    pub user: Option<UserId>,
    /// What it is.
    pub credential: Credential<()>,
}

/// What a factor verifies a code with, by its type. `S` is the secret: sealed where it is stored, `()` where it is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential<S = Sealed> {
    /// An authenticator app.
    Totp {
        /// Who issued the secret, as the app shows it.
        issuer: Label,
        /// Whose account it is, as the app shows it.
        account: Label,
        /// The secret shared with the app.
        secret: S,
    },
    /// A phone that takes text messages.
    Sms {
        /// Its number.
        phone: Phone,
    },
    /// A code the application delivers itself.
    GenericOtp,
}

/// The types of factors, without what they hold. Their names are those on the wire and in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum FactorType {
    /// [`Credential::Totp`]
    Totp,
    /// [`Credential::Sms`]
    Sms,
    /// [`Credential::GenericOtp`]
    GenericOtp,
}

/// The text is not the name of a type of factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {}", any_of(FactorType::VARIANTS))]
pub struct UnknownFactorType;

/// A secret at rest: ciphertext, and the key that opens it (see `vault/seal.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The environment's key it is sealed with.
    pub key: EnvironmentKeyId,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

impl Factor {
    /// What an answer may show of it.
    #[must_use]
    pub fn summary(&self) -> FactorSummary {
        FactorSummary {
            id: self.id,
            created_at: self.created_at,
            user: self.user.clone(),
            credential: self.credential.without_secret(),
        }
    }
}

impl<S> Credential<S> {
    /// Its type.
    #[must_use]
    pub const fn factor_type(&self) -> FactorType {
        match self {
            Self::Totp { .. } => FactorType::Totp,
            Self::Sms { .. } => FactorType::Sms,
            Self::GenericOtp => FactorType::GenericOtp,
        }
    }

    /// What of it is no secret.
    #[must_use]
    pub fn without_secret(&self) -> Credential<()> {
        match self {
            Self::Totp { issuer, account, .. } => {
                Credential::Totp { issuer: issuer.clone(), account: account.clone(), secret: () }
            }
            Self::Sms { phone } => Credential::Sms { phone: phone.clone() },
            Self::GenericOtp => Credential::GenericOtp,
        }
    }
}

impl Credential {
    /// Its sealed secret, if its type has one.
    #[must_use]
    pub const fn secret(&self) -> Option<&Sealed> {
        match self {
            Self::Totp { secret, .. } => Some(secret),
            Self::Sms { .. } | Self::GenericOtp => None,
        }
    }
}

impl FactorType {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Reads a name.
    ///
    /// # Errors
    ///
    /// [`UnknownFactorType`] for anything but a type's name.
    pub fn parse(text: &str) -> Result<Self, UnknownFactorType> {
        text.parse().map_err(|_| UnknownFactorType)
    }

    /// How long a challenge of this type can be verified.
    #[must_use]
    pub const fn challenge_lifetime(self) -> Duration {
        match self {
            Self::Totp => TOTP_CHALLENGE_TTL,
            Self::Sms => SMS_CHALLENGE_TTL,
            Self::GenericOtp => GENERIC_CHALLENGE_TTL,
        }
    }
}

/// `a, b or c`.
fn any_of(names: &[&str]) -> String {
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    format!("{} or {last}", others.join(", "))
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sealed with {}", self.key)
    }
}
