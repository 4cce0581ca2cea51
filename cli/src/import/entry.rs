//! What a reader finds in a file, and the factor that it becomes. The rules are the same for every format.

use super::refusal::Refusal;
use jiff::Timestamp as Rfc3339;
use shared::domain::environment::Tag;
use shared::domain::external_id::ExternalId;
use shared::domain::factor::{Credential, FactorName, FactorType};
use shared::domain::guard::Guard;
use shared::domain::id::FactorId;
use shared::domain::otpauth::Label;
use shared::domain::phone::Phone;
use shared::domain::policy::{CODE_DIGITS, SecretBits, TOTP_STEP};
use shared::domain::time::Timestamp;
use shared::domain::totp::Secret;
use shared::domain::user::UserId;
use zeroize::Zeroizing;

/// A factor as a file describes it, not validated.
#[derive(Default)]
pub(super) struct Entry {
    /// The ID of the factor at the source; without one, it is derived from the rest.
    pub(super) external_id: Option<String>,
    /// The factor ID of another deployment of Latchkey.
    pub(super) factor_id: Option<String>,
    pub(super) user_id: Option<String>,
    /// What the user calls it.
    pub(super) name: Option<String>,
    pub(super) kind: Kind,
    pub(super) created_at: Option<String>,
    pub(super) guard: Guard,
}

/// The type of a factor and what it verifies with.
#[derive(Default)]
pub(super) enum Kind {
    /// An authenticator app.
    Totp(Totp),
    /// A phone number in E.164.
    Sms(Option<String>),
    /// A code that the application delivers.
    #[default]
    GenericOtp,
}

/// An authenticator app. An absent parameter has its default of RFC 6238 and of the Key URI Format.
#[derive(Default)]
pub(super) struct Totp {
    pub(super) secret: Option<SourceSecret>,
    pub(super) issuer: Option<String>,
    pub(super) account: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) digits: Option<String>,
    pub(super) period: Option<String>,
}

/// A secret in the form that the source uses.
pub(super) enum SourceSecret {
    /// Base32 text.
    Base32(Zeroizing<String>),
    /// The bytes themselves.
    Bytes(Zeroizing<Vec<u8>>),
}

/// What decides how an entry becomes a factor.
pub(super) struct Rules {
    /// The issuer of every factor, instead of that of the file.
    pub(super) issuer: Option<Label>,
    /// The issuer of a factor whose entry has none.
    pub(super) default_issuer: Label,
    /// Minimum length of a secret.
    pub(super) min: SecretBits,
    /// Keep the factor IDs of the file.
    pub(super) keep_ids: bool,
    /// The environment that the factors get into.
    pub(super) environment: Tag,
}

/// A validated entry.
pub(super) struct Record {
    pub(super) external_id: ExternalId,
    /// The factor's ID, if it is kept.
    pub(super) factor_id: Option<FactorId>,
    pub(super) user: Option<UserId>,
    pub(super) name: Option<FactorName>,
    pub(super) credential: Credential<Secret>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) guard: Guard,
}

/// What a user of another system calls a factor, if a factor here can have that name. A secret is not refused for its name.
pub(super) fn user_label(text: Option<String>) -> Option<String> {
    text.filter(|text| FactorName::parse(text).is_ok())
}

impl Entry {
    /// Validates the entry.
    pub(super) fn record(self, rules: &Rules) -> Result<Record, Refusal> {
        let user = parsed("user_id", self.user_id.as_deref(), UserId::parse)?;
        let name = parsed("name", self.name.as_deref(), FactorName::parse)?;
        let factor_id = match self.factor_id.as_deref() {
            Some(id) => Some(FactorId::parse(id).map_err(|_| Refusal::Invalid("id"))?),
            None if rules.keep_ids => return Err(Refusal::Missing("id")),
            None => None,
        };
        let given = parsed("external_id", self.external_id.as_deref(), ExternalId::parse)?;
        let created_at = self.created_at.as_deref().map(timestamp).transpose()?;
        let (credential, derived) = match self.kind {
            Kind::Totp(totp) => totp.credential(user.as_ref(), rules)?,
            Kind::Sms(phone) => {
                let phone = Phone::parse(&phone.ok_or(Refusal::Missing("phone_number"))?);
                let phone = phone.map_err(|_| Refusal::PhoneNumber)?;
                let derived = user.as_ref().map(|user| format!("sms:{user}:{}", phone.as_str()));
                (Credential::Sms { phone }, derived.and_then(|id| ExternalId::parse(&id).ok()))
            }
            Kind::GenericOtp => {
                let derived = user.as_ref().map(|user| format!("{}:{user}", FactorType::GenericOtp.name()));
                (Credential::GenericOtp, derived.and_then(|id| ExternalId::parse(&id).ok()))
            }
        };
        let from_id = || factor_id.and_then(|id| ExternalId::parse(&id.to_string()).ok());
        let external_id = given.or_else(from_id).or(derived).ok_or(Refusal::Missing("external_id"))?;
        let factor_id = factor_id.filter(|_| rules.keep_ids);
        Ok(Record { external_id, factor_id, user, name, credential, created_at, guard: self.guard })
    }
}

impl Totp {
    /// The credential, and the external ID that is derived from it.
    fn credential(
        self,
        user: Option<&UserId>,
        rules: &Rules,
    ) -> Result<(Credential<Secret>, Option<ExternalId>), Refusal> {
        self.check_parameters()?;
        let secret = match self.secret.ok_or(Refusal::Missing("secret"))? {
            SourceSecret::Base32(text) => Secret::import_base32(&text, rules.min),
            SourceSecret::Bytes(bytes) => Secret::import_bytes(bytes, rules.min),
        };
        let secret = secret.map_err(Refusal::Secret)?;
        let issuer_text = self.issuer.unwrap_or_default();
        let derived = user.map(|user| ExternalId::of_secret(user, &issuer_text, &secret));
        let issuer = match &rules.issuer {
            Some(issuer) => issuer.clone(),
            None => parsed("issuer", Some(&issuer_text), Label::parse)?
                .unwrap_or_else(|| rules.default_issuer.clone()),
        };
        let account = parsed("user", self.account.as_deref(), Label::parse)?;
        let account = account.or_else(|| user.map(Label::from_user_id)).ok_or(Refusal::Missing("user"))?;
        Ok((Credential::Totp { issuer, account, secret }, derived))
    }

    /// Refuses everything but SHA-1, 6 digits and 30 seconds.
    fn check_parameters(&self) -> Result<(), Refusal> {
        let is = |text: &Option<String>, expected: u64| {
            text.as_deref()
                .is_none_or(|text| text.trim().parse::<u64>().is_ok_and(|number| number == expected))
        };
        if let Some(algorithm) = self.algorithm.as_deref().map(algorithm_name)
            && algorithm != "SHA1"
        {
            return Err(Refusal::Algorithm(algorithm));
        }
        if !is(&self.digits, u64::try_from(CODE_DIGITS).unwrap_or_default()) {
            return Err(Refusal::Digits(shown_number(self.digits.as_deref())));
        }
        if !is(&self.period, TOTP_STEP.as_secs()) {
            return Err(Refusal::Period(shown_number(self.period.as_deref())));
        }
        Ok(())
    }
}

/// A text that is absent or empty has no value.
fn parsed<T, E>(
    field: &'static str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Refusal> {
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| parse(text).map_err(|_| Refusal::Invalid(field))).transpose()
}

/// A time in RFC 3339, or as `PostgreSQL` writes it.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, Refusal> {
    let time: Rfc3339 = text.trim().parse().map_err(|_| Refusal::Invalid("created_at"))?;
    Timestamp::from_millis(time.as_millisecond()).map_err(|_| Refusal::Invalid("created_at"))
}

/// The name of a hash. Another text is not repeated, because it may be a secret in the wrong column.
fn algorithm_name(text: &str) -> &'static str {
    const NAMES: [&str; 6] = ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "MD5"];
    let plain = text.trim().to_ascii_uppercase().replace('-', "");
    let plain = plain.strip_prefix("HMAC").unwrap_or(&plain);
    NAMES.into_iter().find(|name| *name == plain).unwrap_or("unknown")
}

fn shown_number(text: Option<&str>) -> String {
    let number = text.and_then(|text| text.trim().parse::<u32>().ok());
    number.map_or_else(|| "not a number".to_owned(), |number| number.to_string())
}
