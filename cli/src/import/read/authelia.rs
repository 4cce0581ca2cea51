//! What `authelia storage user totp export` writes. In YAML a secret is Base64 of its Base32 text, in CSV the Base32 text.

use super::{Entries, Found, Source, Unreadable, document, table};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp};
use crate::import::refusal::Refusal;
use crate::portable::SecretText;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::io::BufRead as _;
use zeroize::Zeroizing;

#[derive(Deserialize)]
struct Export {
    totp_configurations: Vec<Configuration>,
}

#[derive(Deserialize)]
struct Configuration {
    username: Option<String>,
    issuer: Option<String>,
    algorithm: Option<String>,
    digits: Option<u64>,
    period: Option<u64>,
    secret: Option<SecretText>,
    created_at: Option<String>,
}

pub(super) fn read(mut source: Source) -> Entries {
    // An error is found again by the reader.
    let is_csv = source.fill_buf().is_ok_and(|start| start.starts_with(b"issuer,"));
    if is_csv {
        return table::rows(source, |row| {
            entry(
                row.text("username"),
                Totp {
                    secret: row.secret("secret"),
                    issuer: row.text("issuer"),
                    account: row.text("username"),
                    algorithm: row.text("algorithm"),
                    digits: row.text("digits"),
                    period: row.text("period"),
                },
                None,
            )
        });
    }
    let export = document::text(source).and_then(|text| {
        serde_yaml_ng::from_str(&text).map_err(|error: serde_yaml_ng::Error| Unreadable::Syntax {
            line: error.location().and_then(|at| u64::try_from(at.line()).ok()).unwrap_or_default(),
            expected: "the YAML that Authelia exports",
        })
    });
    match export {
        Err(error) => Box::new(std::iter::once(Err(error))),
        Ok(Export { totp_configurations }) => {
            let entries = totp_configurations.into_iter().map(Configuration::entry).zip(1..);
            Box::new(entries.map(|(entry, place)| Ok(Found { place, entry })))
        }
    }
}

impl Configuration {
    fn entry(self) -> Result<Entry, Refusal> {
        let SecretText(encoded) = self.secret.ok_or(Refusal::Missing("secret"))?;
        let malformed = || Refusal::Malformed("the secret is not Base64 of a text, as in Authelia's YAML");
        let text = STANDARD.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let totp = Totp {
            secret: Some(SourceSecret::Base32(Zeroizing::new(text.ok_or_else(malformed)?))),
            issuer: self.issuer,
            account: self.username.clone(),
            algorithm: self.algorithm,
            digits: self.digits.map(|number| number.to_string()),
            period: self.period.map(|number| number.to_string()),
        };
        entry(self.username, totp, self.created_at)
    }
}

/// A user has at most one configuration.
fn entry(user: Option<String>, totp: Totp, created_at: Option<String>) -> Result<Entry, Refusal> {
    let user = user.ok_or(Refusal::Missing("username"))?;
    Ok(Entry {
        external_id: Some(format!("authelia:{user}")),
        user_id: Some(user),
        kind: Kind::Totp(totp),
        created_at,
        ..Entry::default()
    })
}
