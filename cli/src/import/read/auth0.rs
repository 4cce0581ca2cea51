//! Users of Auth0 in the schema that its user import reads: `mfa_factors` has one object per factor, with one kind each.
//! <https://auth0.com/docs/secure/multi-factor-authentication/authenticate-using-ropg-flow-with-mfa/import-user-mfa-authenticator-enrollments>

use super::{Entries, Source, document};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp};
use crate::import::refusal::Refusal;
use crate::portable::SecretText;
use serde::Deserialize;

#[derive(Deserialize)]
struct User {
    user_id: Option<String>,
    #[serde(default)]
    mfa_factors: Vec<MfaFactor>,
}

#[derive(Deserialize)]
struct MfaFactor {
    totp: Option<TotpFactor>,
    phone: Option<PhoneFactor>,
}

#[derive(Deserialize)]
struct TotpFactor {
    secret: SecretText,
}

#[derive(Deserialize)]
struct PhoneFactor {
    value: String,
}

pub(super) fn read(source: Source) -> Entries {
    document::read(source, None, |user: User| {
        let id = user.user_id;
        user.mfa_factors.into_iter().map(|factor| entry(id.clone(), factor)).collect()
    })
}

fn entry(user_id: Option<String>, factor: MfaFactor) -> Result<Entry, Refusal> {
    let user_id = Some(user_id.ok_or(Refusal::Missing("user_id"))?);
    let kind = match factor {
        MfaFactor { totp: Some(totp), phone: None } => {
            Kind::Totp(Totp { secret: Some(SourceSecret::Base32(totp.secret.0)), ..Totp::default() })
        }
        MfaFactor { phone: Some(phone), totp: None } => Kind::Sms(Some(phone.value)),
        MfaFactor { .. } => return Err(Refusal::FactorType("neither `totp` nor `phone`")),
    };
    Ok(Entry { user_id, kind, ..Entry::default() })
}
