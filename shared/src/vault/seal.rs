//! Secrets at rest: TOTP secrets under AES-256-GCM, codes as keyed MACs, each bound to where it belongs.
//!
//! What is sealed for one factor opens for no other, and a MAC made for one challenge matches in no other.

use crate::domain::challenge::CodeMac;
use crate::domain::code::Code;
use crate::domain::factor::Sealed;
use crate::domain::id::{ChallengeId, EnvironmentId, EnvironmentKeyId, FactorId};
use crate::domain::phone::Phone;
use crate::domain::phone_log::{PhoneMacs, RequestMac};
use crate::domain::totp::Secret;
use crate::vault::cipher::{self, Key};
use crate::vault::keyring::EnvironmentKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::CryptoRng;
use sha2::Sha256;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq as _;

/// What keys are derived for. The labels differ, so one never stands in for another.
const TOTP_SECRET: &str = "latchkey/1/totp-secret";
const CODE: &str = "latchkey/1/code";
const BUDGET: &str = "latchkey/1/budget";

/// Seals and opens for one environment. Its keys leave memory when it is dropped.
pub struct Seal {
    environment: EnvironmentId,
    keys: BTreeMap<EnvironmentKeyId, EnvironmentKey>,
    current: EnvironmentKeyId,
    /// The same in every environment: a number has one budget in the whole deployment (SMS-04).
    budget: Key,
}

/// A sealed thing does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The environment lacks the key it names.
    #[error("the environment has no {0}")]
    Missing(EnvironmentKeyId),
    /// The ciphertext is not what was sealed for this place, or holds no secret.
    #[error("a sealed secret does not open")]
    Broken,
}

impl Seal {
    /// Seals for `environment` with `current`, opens with any of `keys`, and shares what it derives from `deployment` with
    /// every other one.
    pub(crate) fn new(
        environment: EnvironmentId,
        keys: BTreeMap<EnvironmentKeyId, EnvironmentKey>,
        current: EnvironmentKeyId,
        deployment: &[u8; 32],
    ) -> Self {
        Self { environment, keys, current, budget: cipher::derive(deployment, BUDGET) }
    }

    /// Seals the TOTP secret of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError`] never happens for a secret's length.
    pub fn secret(
        &self,
        secret: &Secret,
        factor: FactorId,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, SealError> {
        let bytes = cipher::seal(self.key(self.current)?, &self.secret_context(factor), secret.expose(), rng);
        Ok(Sealed { key: self.current, bytes: bytes.ok_or(SealError::Broken)? })
    }

    /// Opens the TOTP secret of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError::Broken`] if it was sealed for another factor or environment, or tampered with.
    pub fn open_secret(&self, sealed: &Sealed, factor: FactorId) -> Result<Secret, SealError> {
        let plain = cipher::open(self.key(sealed.key)?, &self.secret_context(factor), &sealed.bytes);
        Secret::from_bytes(plain.ok_or(SealError::Broken)?).map_err(|_| SealError::Broken)
    }

    /// What is kept of a code that was made for `challenge` of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError`] never happens for the current key.
    pub fn code(&self, code: &Code, factor: FactorId, challenge: ChallengeId) -> Result<CodeMac, SealError> {
        Ok(CodeMac { key: self.current, mac: self.code_mac(self.current, code, (factor, challenge))? })
    }

    /// Whether `code` is the one that `kept` was made of, for the challenge of the factor of `place`, compared in
    /// constant time.
    ///
    /// # Errors
    ///
    /// [`SealError`] if its key is gone.
    pub fn code_matches(
        &self,
        code: &Code,
        kept: &CodeMac,
        place: (FactorId, ChallengeId),
    ) -> Result<bool, SealError> {
        let given = self.code_mac(kept.key, code, place)?;
        Ok(given.ct_eq(&kept.mac).into())
    }

    /// What the budgets know a phone number by: the same in every environment of the deployment (SMS-04).
    ///
    /// # Errors
    ///
    /// [`SealError`] never happens: HMAC takes any key.
    pub fn phone(&self, phone: &Phone) -> Result<PhoneMacs, SealError> {
        Ok(PhoneMacs {
            number: mac(&self.budget, "number/", phone.as_str())?,
            prefix: mac(&self.budget, "prefix/", phone.prefix())?,
        })
    }

    /// What a request with an idempotency key is known by, for one factor.
    ///
    /// # Errors
    ///
    /// [`SealError`] never happens: HMAC takes any key.
    pub fn request(&self, idempotency_key: &str, factor: FactorId) -> Result<RequestMac, SealError> {
        let context = format!("request/{}/{factor}/", self.environment);
        mac(&self.budget, &context, idempotency_key).map(RequestMac)
    }

    fn key(&self, id: EnvironmentKeyId) -> Result<&[u8; 32], SealError> {
        self.keys.get(&id).map(|EnvironmentKey(key)| &**key).ok_or(SealError::Missing(id))
    }

    /// The place of a factor's secret.
    fn secret_context(&self, factor: FactorId) -> String {
        format!("{TOTP_SECRET}/{}/{factor}", self.environment)
    }

    /// The ids have one spelling of fixed length each, so the text names exactly one tuple.
    fn code_mac(
        &self,
        key: EnvironmentKeyId,
        code: &Code,
        (factor, challenge): (FactorId, ChallengeId),
    ) -> Result<[u8; 32], SealError> {
        let context = format!("{}/{factor}/{challenge}/", self.environment);
        mac(&cipher::derive(self.key(key)?, CODE), &context, code.expose())
    }
}

fn mac(key: &[u8; 32], context: &str, text: &str) -> Result<[u8; 32], SealError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SealError::Broken)?;
    mac.update(context.as_bytes());
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests;
