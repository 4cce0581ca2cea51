//! A factor: something a user has, such as a phone. Everything specific to one type of factor is in its variant.

use super::guard::Guard;
use super::id::{EnvironmentId, EnvironmentKeyId, FactorId};
use super::otpauth::Label;
use super::phone::Phone;
use super::policy::{GENERIC_CHALLENGE_TTL, SMS_CHALLENGE_TTL, TOTP_CHALLENGE_TTL};
use super::text::is_name;
use super::time::Timestamp;
use super::user::UserId;
use std::time::Duration;
use strum::{EnumString, IntoStaticStr, VariantNames as _};

/// A factor as stored. Only two of its fields change: the guard, and the sealed secret when keys are rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// The factor ID.
    pub id: FactorId,
    /// The tenant it belongs to.
    pub environment: EnvironmentId,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// The user it belongs to, if the application named one.
    pub user: Option<UserId>,
    /// What the user calls it, such as `Work phone`.
    pub name: Option<FactorName>,
    /// What codes are verified against.
    pub credential: Credential,
    /// The attempts, failures and used codes that limit further guesses.
    pub guard: Guard,
}

/// The part of a factor that every response may show: no secret, no guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorSummary {
    /// The factor ID.
    pub id: FactorId,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// The user it belongs to, if the application named one.
    pub user: Option<UserId>,
    /// What the user calls it.
    pub name: Option<FactorName>,
    /// What codes are verified against, without the secret.
    pub credential: Credential<()>,
}

/// What a user calls a factor: 1 to 255 bytes of visible text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorName(String);

/// The text is not allowed as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 bytes without control or format characters, and not only white space")]
pub struct MalformedName;

/// What codes of a factor are verified against, by its type. `S` is the secret: sealed in the table, `()` in a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential<S = Sealed> {
    /// An authenticator app.
    Totp {
        /// The issuer, as the app shows it.
        issuer: Label,
        /// The account name, as the app shows it.
        account: Label,
        /// The secret shared with the app.
        secret: S,
    },
    /// A phone that receives text messages.
    Sms {
        /// The phone number.
        phone: Phone,
    },
    /// A code that the application delivers itself.
    GenericOtp,
}

/// The types of factors. Their names are used in requests, in responses and in the table.
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

/// The text is not the name of a factor type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {}", any_of(FactorType::VARIANTS))]
pub struct UnknownFactorType;

/// A secret at rest: the ciphertext and the ID of the key that opens it (see `vault/seal.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key of the environment that it is sealed with.
    pub key: EnvironmentKeyId,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

impl Factor {
    /// The part that a response may show.
    #[must_use]
    pub fn summary(&self) -> FactorSummary {
        FactorSummary {
            id: self.id,
            created_at: self.created_at,
            user: self.user.clone(),
            name: self.name.clone(),
            credential: self.credential.without_secret(),
        }
    }
}

impl FactorName {
    /// Validates `text`.
    ///
    /// # Errors
    ///
    /// [`MalformedName`] if the text is longer than 255 bytes, contains an invisible character, or is only white space.
    pub fn parse(text: &str) -> Result<Self, MalformedName> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(MalformedName) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S> Credential<S> {
    /// The factor type.
    #[must_use]
    pub const fn factor_type(&self) -> FactorType {
        match self {
            Self::Totp { .. } => FactorType::Totp,
            Self::Sms { .. } => FactorType::Sms,
            Self::GenericOtp => FactorType::GenericOtp,
        }
    }

    /// The credential without its secret.
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
    /// The sealed secret, if the type has one.
    #[must_use]
    pub const fn secret(&self) -> Option<&Sealed> {
        match self {
            Self::Totp { secret, .. } => Some(secret),
            Self::Sms { .. } | Self::GenericOtp => None,
        }
    }
}

impl FactorType {
    /// The name in requests, responses and the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`UnknownFactorType`] for any other text.
    pub fn parse(text: &str) -> Result<Self, UnknownFactorType> {
        text.parse().map_err(|_| UnknownFactorType)
    }

    /// How long a challenge of this type can be verified after its creation.
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
