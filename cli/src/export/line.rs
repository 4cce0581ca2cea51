//! A factor as a line of an export.

use super::Format;
use crate::portable::{FactorLine, GuardLine, SecretText};
use serde_json::Map;
use shared::domain::factor::{Credential, Factor};
use shared::domain::guard::Guard;
use shared::domain::otpauth;
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
        factor_type: factor.credential.factor_type().name().to_owned(),
        secret: None,
        issuer: None,
        user: None,
        algorithm: None,
        digits: None,
        period: None,
        phone_number: None,
        created_at: Some(factor.created_at.to_string()),
        verified: None,
        guard: guard(&factor.guard),
        unknown: Map::new(),
    };
    match &factor.credential {
        Credential::Totp { issuer, account, secret } => {
            line.secret = Some(SecretText(seal.open_secret(secret, factor.id)?.to_base32()));
            line.issuer = Some(issuer.to_string());
            line.user = Some(account.to_string());
            line.verified = Some(factor.guard.last_step.is_some());
        }
        Credential::Sms { phone } => line.phone_number = Some(phone.as_str().to_owned()),
        Credential::GenericOtp => {}
    }
    Ok(line)
}

/// What stays true of a guard elsewhere; `None` if it limits nothing.
fn guard(guard: &Guard) -> Option<GuardLine> {
    let line = GuardLine {
        failures: guard.failures,
        recent_failures: guard.recent_failures.iter().map(ToString::to_string).collect(),
        locked_until: guard.locked_until.as_ref().map(ToString::to_string),
        last_step: guard.last_step.map(|Step(step)| step),
    };
    let limits = line.failures > 0
        || !line.recent_failures.is_empty()
        || line.locked_until.is_some()
        || line.last_step.is_some();
    limits.then_some(line)
}
