//! Latchkey's own lines (`portable.rs`).

use super::{Entries, Source, by_line};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp, timestamp};
use crate::import::refusal::Refusal;
use crate::portable::{FactorLine, GuardLine, RECOVERY_CODES};
use serde::Deserialize;
use shared::domain::factor::FactorType;
use shared::domain::guard::Guard;
use shared::domain::totp::Step;

/// Maximum number of recent failures of a guard. More than any limit counts.
const MAX_RECENT_FAILURES: usize = 100;

/// The type of any line.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    factor_type: String,
}

pub(super) fn read(source: Source) -> Entries {
    by_line(source, |line| vec![entry(line)])
}

fn entry(line: &str) -> Result<Entry, Refusal> {
    let malformed = |_| Refusal::Malformed("the line is not a JSON object with the fields of docs/IMPORT.md");
    // The error is not shown: it can contain the line.
    let typed: Typed = serde_json::from_str(line).map_err(malformed)?;
    if typed.factor_type == RECOVERY_CODES {
        return Err(Refusal::RecoveryCodes);
    }
    let factor_type = FactorType::parse(&typed.factor_type).map_err(|_| Refusal::FactorType("unknown"))?;
    let line: FactorLine = serde_json::from_str(line).map_err(malformed)?;
    if let Some(field) = line.unknown.keys().next() {
        let is_name =
            field.len() <= 40 && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return Err(Refusal::UnknownField(if is_name { field.clone() } else { "…".to_owned() }));
    }
    let kind = match factor_type {
        FactorType::Totp => Kind::Totp(Totp {
            secret: line.secret.map(|secret| SourceSecret::Base32(secret.0)),
            issuer: line.issuer,
            account: line.user,
            algorithm: line.algorithm,
            digits: line.digits.map(|number| number.to_string()),
            period: line.period.map(|number| number.to_string()),
        }),
        FactorType::Sms => Kind::Sms(line.phone_number),
        FactorType::GenericOtp => Kind::GenericOtp,
    };
    Ok(Entry {
        external_id: line.external_id,
        factor_id: line.id,
        user_id: line.user_id,
        name: line.name,
        kind,
        created_at: line.created_at,
        guard: line.guard.as_ref().map(guard).transpose()?.unwrap_or_default(),
    })
}

fn guard(line: &GuardLine) -> Result<Guard, Refusal> {
    let invalid = |_| Refusal::Invalid("guard");
    if line.recent_failures.len() > MAX_RECENT_FAILURES {
        return Err(Refusal::Invalid("guard"));
    }
    let recent_failures = line.recent_failures.iter().map(|time| timestamp(time)).collect::<Result<_, _>>();
    Ok(Guard {
        failures: line.failures,
        recent_failures: recent_failures.map_err(invalid)?,
        locked_until: line.locked_until.as_deref().map(timestamp).transpose().map_err(invalid)?,
        last_step: line.last_step.map(Step),
        last_used_at: line.last_used_at.as_deref().map(timestamp).transpose().map_err(invalid)?,
        ..Guard::default()
    })
}
