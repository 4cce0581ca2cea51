//! The table `auth.mfa_factors` of Supabase: CSV with a header, as `psql` and the dashboard write it, or rows as JSON.

use super::{Entries, Source, document, table};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp, user_label};
use crate::import::refusal::Refusal;
use crate::portable::SecretText;
use serde::Deserialize;
use std::io::BufRead as _;
use zeroize::Zeroizing;

/// A row. It has no account name.
#[derive(Deserialize)]
struct MfaFactor {
    id: Option<String>,
    user_id: Option<String>,
    friendly_name: Option<String>,
    created_at: Option<String>,
    status: Option<String>,
    factor_type: Option<String>,
    secret: Option<SecretText>,
    phone: Option<String>,
}

pub(super) fn read(mut source: Source) -> Entries {
    // An error is found again by the reader.
    let is_json = source.fill_buf().is_ok_and(|start| {
        start.trim_ascii_start().starts_with(b"[") || start.trim_ascii_start().starts_with(b"{")
    });
    if is_json {
        return document::read(source, None, |factor: MfaFactor| vec![factor.entry()]);
    }
    table::rows(source, |row| {
        let factor = MfaFactor {
            id: row.text("id"),
            user_id: row.text("user_id"),
            friendly_name: row.text("friendly_name"),
            created_at: row.text("created_at"),
            status: row.text("status"),
            factor_type: row.text("factor_type"),
            secret: row.text("secret").map(|text| SecretText(Zeroizing::new(text))),
            phone: row.text("phone"),
        };
        factor.entry()
    })
}

impl MfaFactor {
    fn entry(self) -> Result<Entry, Refusal> {
        let kind = match self.factor_type.as_deref() {
            Some("totp") => {
                Kind::Totp(Totp { secret: self.secret.map(secret).transpose()?, ..Totp::default() })
            }
            // Stored without the plus of E.164.
            Some("phone") => {
                Kind::Sms(self.phone.map(|number| format!("+{}", number.trim_start_matches('+'))))
            }
            Some("webauthn") => return Err(Refusal::FactorType("webauthn")),
            Some("recovery_code") => return Err(Refusal::RecoveryCodes),
            _ => return Err(Refusal::FactorType("unknown")),
        };
        if self.status.as_deref() != Some("verified") {
            return Err(Refusal::NotVerified);
        }
        let id = self.id.ok_or(Refusal::Missing("id"))?;
        Ok(Entry {
            external_id: Some(format!("supabase:{id}")),
            user_id: Some(self.user_id.ok_or(Refusal::Missing("user_id"))?),
            name: user_label(self.friendly_name),
            kind,
            created_at: self.created_at,
            ..Entry::default()
        })
    }
}

/// A secret, which Supabase stores as Base32, or encrypted as a JSON object.
fn secret(SecretText(text): SecretText) -> Result<SourceSecret, Refusal> {
    if text.trim_start().starts_with('{') { Err(Refusal::Encrypted) } else { Ok(SourceSecret::Base32(text)) }
}
