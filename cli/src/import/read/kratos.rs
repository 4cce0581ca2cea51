//! Identities of Ory Kratos with their credentials, as its admin API returns them with `include_credential=totp`: an array,
//! or an object per line.

use super::{Entries, Source, document, otpauth};
use crate::import::entry::{Entry, Kind};
use crate::import::refusal::Refusal;
use crate::portable::SecretText;
use serde::Deserialize;

#[derive(Deserialize)]
struct Identity {
    id: Option<String>,
    #[serde(default)]
    credentials: Credentials,
}

#[derive(Deserialize, Default)]
struct Credentials {
    totp: Option<Credential>,
    lookup_secret: Option<Credential>,
}

#[derive(Deserialize)]
struct Credential {
    created_at: Option<String>,
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    totp_url: Option<SecretText>,
}

pub(super) fn read(source: Source) -> Entries {
    document::read(source, None, |identity: Identity| {
        let id = identity.id;
        let totp = identity.credentials.totp.map(|totp| entry(id, totp));
        let codes = identity.credentials.lookup_secret.map(|_| Err(Refusal::RecoveryCodes));
        totp.into_iter().chain(codes).collect()
    })
}

fn entry(identity: Option<String>, credential: Credential) -> Result<Entry, Refusal> {
    let identity = identity.ok_or(Refusal::Missing("id"))?;
    // Without `include_credential=totp`, the configuration is left out.
    let url = credential.config.and_then(|config| config.totp_url).ok_or(Refusal::Missing("totp_url"))?;
    Ok(Entry {
        external_id: Some(format!("kratos:{identity}")),
        user_id: Some(identity),
        kind: Kind::Totp(otpauth::parse(&url.0)?),
        created_at: credential.created_at,
        ..Entry::default()
    })
}
