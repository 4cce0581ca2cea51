//! A realm that Keycloak exported, or a file of its users: `{"realm":…,"users":[…]}`.
//!
//! A credential has JSON in two strings. The key of an OTP credential is the UTF-8 bytes of its value, not Base32, unless
//! `secretEncoding` says so.

use super::{Entries, Source, document};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp, user_label};
use crate::import::refusal::Refusal;
use crate::portable::SecretText;
use serde::Deserialize;
use serde_json::Number;
use shared::domain::time::Timestamp;
use zeroize::Zeroizing;

#[derive(Deserialize)]
struct User {
    id: Option<String>,
    username: Option<String>,
    #[serde(default)]
    credentials: Vec<Stored>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    user_label: Option<String>,
    created_date: Option<i64>,
    secret_data: Option<SecretText>,
    credential_data: Option<String>,
}

#[derive(Deserialize)]
struct SecretData {
    value: SecretText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    sub_type: Option<String>,
    digits: Option<Number>,
    period: Option<Number>,
    algorithm: Option<String>,
    secret_encoding: Option<String>,
}

pub(super) fn read(source: Source) -> Entries {
    document::read(source, Some("users"), |user: User| {
        let (id, name) = (user.id, user.username);
        let credentials = user.credentials.into_iter();
        credentials
            .filter_map(|credential| entry((id.clone(), name.clone()), credential).transpose())
            .collect()
    })
}

/// The entry of an OTP credential; `None` for a password or another credential that is no second factor.
fn entry(
    (user_id, name): (Option<String>, Option<String>),
    credential: Stored,
) -> Result<Option<Entry>, Refusal> {
    match credential.kind.as_deref() {
        Some("otp") => {}
        Some("recovery-authn-codes") => return Err(Refusal::RecoveryCodes),
        Some("webauthn") => return Err(Refusal::FactorType("webauthn")),
        _ => return Ok(None),
    }
    let malformed =
        |_| Refusal::Malformed("`secretData` or `credentialData` is not the JSON that Keycloak writes");
    let data = credential.credential_data.ok_or(Refusal::Missing("credentialData"))?;
    let data: CredentialData = serde_json::from_str(&data).map_err(malformed)?;
    match data.sub_type.as_deref() {
        Some("totp") => {}
        Some("hotp") => return Err(Refusal::NotTotp("HOTP")),
        _ => return Err(Refusal::NotTotp("of another type")),
    }
    let secret = credential.secret_data.ok_or(Refusal::Missing("secretData"))?;
    let SecretData { value: SecretText(value) } = serde_json::from_str(&secret.0).map_err(malformed)?;
    let secret = match data.secret_encoding.as_deref() {
        None | Some("") => SourceSecret::Bytes(Zeroizing::new(value.as_bytes().to_vec())),
        Some("BASE32") => SourceSecret::Base32(value),
        Some(_) => return Err(Refusal::Invalid("secretEncoding")),
    };
    let totp = Totp {
        secret: Some(secret),
        issuer: None,
        account: name,
        algorithm: data.algorithm,
        digits: data.digits.map(|number| number.to_string()),
        period: data.period.map(|number| number.to_string()),
    };
    let created_at = credential.created_date.and_then(|millis| Timestamp::from_millis(millis).ok());
    Ok(Some(Entry {
        external_id: credential.id.map(|id| format!("keycloak:{id}")),
        user_id: Some(user_id.ok_or(Refusal::Missing("id"))?),
        name: user_label(credential.user_label),
        kind: Kind::Totp(totp),
        created_at: created_at.map(|time| time.to_string()),
        ..Entry::default()
    }))
}
