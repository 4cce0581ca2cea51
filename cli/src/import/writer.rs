//! Writes records to the table, each at most once.

use super::entry::{Record, Rules};
use super::outcome::Outcome;
use crate::deployment::{Deployment, FreshSeal};
use crate::error::Error;
use shared::domain::factor::{Credential, Factor};
use shared::domain::id::FactorId;
use shared::domain::totp::Secret;
use shared::store::{DamagedItem, StoreError};
use shared::vault::seal::Seal;
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

/// Writes factors of one environment.
pub(super) struct Writer<'a> {
    pub(super) deployment: &'a Deployment,
    pub(super) seal: Mutex<FreshSeal>,
    pub(super) rules: Rules,
    /// Read only: find out what would be written.
    pub(super) dry_run: bool,
}

impl Writer<'_> {
    /// Writes the factor of a record, unless it exists.
    pub(super) async fn write(&self, record: &Record) -> Result<(FactorId, Outcome), Error> {
        let seal = self.seal.lock().await.current(self.deployment).await?;
        let environment = seal.environment();
        let id = record.factor_id.unwrap_or_else(|| record.external_id.factor_id(environment));
        let credential = match &record.credential {
            Credential::Totp { issuer, account, secret } => Credential::Totp {
                issuer: issuer.clone(),
                account: account.clone(),
                secret: seal.secret(secret, id, &mut self.deployment.rng()?)?,
            },
            Credential::Sms { phone } => Credential::Sms { phone: phone.clone() },
            Credential::GenericOtp => Credential::GenericOtp,
        };
        let factor = Factor {
            id,
            environment,
            created_at: record.created_at.unwrap_or_else(|| self.deployment.now()),
            user: record.user.clone(),
            name: record.name.clone(),
            credential,
            guard: record.guard.clone(),
        };
        let operator = &self.deployment.operator;
        let existing = if self.dry_run {
            operator.store.factor(environment, id).await
        } else {
            operator.import(&factor).await
        };
        let existing = existing.map_err(|error| match error {
            StoreError::Corrupt(attribute) => {
                let damaged = DamagedItem { name: id.to_string(), attribute };
                Error::damaged_factors(vec![damaged], &self.rules.environment)
            }
            StoreError::Unavailable { .. } => error.into(),
        })?;
        Ok((id, existing.map_or(Outcome::Created, |existing| compare(&existing, record, &seal))))
    }
}

/// Whether the factor that exists verifies the same user's codes of the same secret. Labels may differ.
fn compare(existing: &Factor, record: &Record, seal: &Seal) -> Outcome {
    let same = match (&existing.credential, &record.credential) {
        (Credential::Totp { secret: sealed, .. }, Credential::Totp { secret, .. }) => seal
            .open_secret(sealed, existing.id)
            .is_ok_and(|opened: Secret| bool::from(opened.expose().ct_eq(secret.expose()))),
        (Credential::Sms { phone: existing }, Credential::Sms { phone }) => existing == phone,
        (Credential::GenericOtp, Credential::GenericOtp) => true,
        (Credential::Totp { .. } | Credential::Sms { .. } | Credential::GenericOtp, _) => false,
    };
    if same && existing.user == record.user { Outcome::Existing } else { Outcome::Differs }
}
