//! Why an entry of a file is not imported. No message contains a value from the file that could be a secret.

use shared::domain::totp::UnusableSecret;

/// Why an entry is not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The line cannot be read.
    #[error("{0}")]
    Malformed(&'static str),
    /// A field that this version does not know.
    #[error("the field `{0}` is not known")]
    UnknownField(String),
    /// A required field is absent or empty.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field breaks its rule, which docs/IMPORT.md has.
    #[error("`{0}` is invalid")]
    Invalid(&'static str),
    /// A one-time password that does not count time.
    #[error("it is {0}, and only TOTP can be imported")]
    NotTotp(&'static str),
    /// A hash other than SHA-1.
    #[error("the algorithm is {0}, and only SHA1 can be imported")]
    Algorithm(&'static str),
    /// Not six digits.
    #[error("the number of digits is {0}, and only 6 can be imported")]
    Digits(String),
    /// Not 30 seconds.
    #[error("the period is {0}, and only 30 seconds can be imported")]
    Period(String),
    /// The secret cannot be used.
    #[error("{0}")]
    Secret(UnusableSecret),
    /// The source encrypted the secret.
    #[error("the secret is encrypted by the system it comes from; decrypt it first")]
    Encrypted,
    /// The user never finished the enrollment at the source.
    #[error("the enrollment was not finished, so the user may not have the secret")]
    NotVerified,
    /// A type of factor that Latchkey does not have.
    #[error("the type of the factor is {0}, which cannot be imported")]
    FactorType(&'static str),
    /// The phone number is not valid, or not one that can be texted.
    #[error("the phone number is not a mobile number in E.164, such as +15005550006")]
    PhoneNumber,
    /// Recovery codes, which stay in the system that made them.
    #[error("recovery codes cannot be imported; let the user create new ones")]
    RecoveryCodes,
    /// Part of a Google Authenticator export, which is split into several QR codes, is missing.
    #[error("QR code {0} of {1} of the export is missing")]
    MissingBatch(i32, i32),
}

impl Refusal {
    /// The name of the reason, in the report and in counts.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownField(_) => "unknown_field",
            Self::Missing(_) => "missing_field",
            Self::Invalid(_) => "invalid_field",
            Self::NotTotp(_) => "not_totp",
            Self::Algorithm(_) => "algorithm_not_supported",
            Self::Digits(_) => "digits_not_supported",
            Self::Period(_) => "period_not_supported",
            Self::Secret(UnusableSecret::NotBase32) => "secret_not_base32",
            Self::Secret(UnusableSecret::Short(..)) => "secret_too_short",
            Self::Secret(UnusableSecret::Long) => "secret_too_long",
            Self::Secret(UnusableSecret::Uniform) => "secret_one_byte_repeated",
            Self::Encrypted => "secret_encrypted",
            Self::NotVerified => "not_verified",
            Self::FactorType(_) => "factor_type_not_supported",
            Self::PhoneNumber => "phone_number_not_supported",
            Self::RecoveryCodes => "recovery_codes",
            Self::MissingBatch(..) => "batch_missing",
        }
    }
}
