//! A factor as a line of an export.

use super::Format;
use crate::portable::{FactorLine, GuardLine, RECOVERY_CODES, RecoveryCodesLine, SecretText};
use serde_json::Map;
use shared::domain::factor::{Credential, Factor};
use shared::domain::guard::Guard;
use shared::domain::otpauth;
use shared::domain::recovery::RecoveryCodes;
use shared::domain::totp::Step;
use shared::vault::seal::{Seal, SealError};
use zeroize::Zeroizing;

/// The line of a factor, without its end; `None` if the format cannot have it.
pub(super) fn of(
    factor: &Factor,
    seal: &Seal,
    format: Format,
) -> Result<Option<Zeroizing<Vec<u8>>>, SealError> {
    match format {
        Format::Ndjson => {
            let line = ndjson(factor, seal)?;
            Ok(serde_json::to_vec(&line).ok().map(Zeroizing::new))
        }
        Format::Otpauth => match &factor.credential {
            Credential::Totp { issuer, account, secret } => {
                let secret = seal.open_secret(secret, factor.id)?;
                Ok(Some(Zeroizing::new(otpauth::uri(issuer, account, &secret).as_bytes().to_vec())))
            }
            Credential::Sms { .. } | Credential::GenericOtp => Ok(None),
        },
    }
}

fn ndjson(factor: &Factor, seal: &Seal) -> Result<FactorLine, SealError> {
    let mut line = FactorLine {
        id: Some(factor.id.to_string()),
        external_id: None,
        user_id: factor.user.as_ref().map(ToString::to_string),
        name: factor.name.as_ref().map(|name| name.as_str().to_owned()),
        factor_type: factor.credential.factor_type().name().to_owned(),
        secret: None,
        issuer: None,
        user: None,
        algorithm: None,
        digits: None,
        period: None,
        phone_number: None,
        created_at: Some(factor.created_at.to_string()),
        verified: Some(factor.guard.last_used_at.is_some() || factor.guard.last_step.is_some()),
        guard: guard(&factor.guard),
        unknown: Map::new(),
    };
    match &factor.credential {
        Credential::Totp { issuer, account, secret } => {
            line.secret = Some(SecretText(seal.open_secret(secret, factor.id)?.to_base32()));
            line.issuer = Some(issuer.to_string());
            line.user = Some(account.to_string());
        }
        Credential::Sms { phone } => line.phone_number = Some(phone.as_str().to_owned()),
        Credential::GenericOtp => {}
    }
    Ok(line)
}

/// The line of a user's recovery codes, which are lost; `None` if the format cannot list them.
pub(super) fn of_recovery_codes(set: &RecoveryCodes, format: Format) -> Option<Vec<u8>> {
    let line = RecoveryCodesLine {
        line_type: RECOVERY_CODES,
        user_id: set.user.to_string(),
        total: set.total,
        remaining: set.codes.len(),
        created_at: set.created_at.to_string(),
    };
    match format {
        Format::Ndjson => serde_json::to_vec(&line).ok(),
        Format::Otpauth => None,
    }
}

/// What stays true of a guard elsewhere; `None` if there is nothing.
fn guard(guard: &Guard) -> Option<GuardLine> {
    let line = GuardLine {
        failures: guard.failures,
        recent_failures: guard.recent_failures.iter().map(ToString::to_string).collect(),
        locked_until: guard.locked_until.as_ref().map(ToString::to_string),
        last_step: guard.last_step.map(|Step(step)| step),
        last_used_at: guard.last_used_at.as_ref().map(ToString::to_string),
    };
    let limits = line.failures > 0
        || !line.recent_failures.is_empty()
        || line.locked_until.is_some()
        || line.last_step.is_some()
        || line.last_used_at.is_some();
    limits.then_some(line)
}
