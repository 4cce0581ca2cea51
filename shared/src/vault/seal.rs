//! Seals TOTP secrets with AES-256-GCM and stores codes as keyed MACs, each bound to its environment and factor.
//!
//! Recovery codes are in `seal/recovery.rs`.
//!
//! A secret opens only for the factor it was sealed for, and a MAC matches only the challenge it was computed for.

mod recovery;

pub use recovery::NewRecoveryCodes;

use crate::domain::challenge::CodeMac;
use crate::domain::code::Code;
use crate::domain::factor::Sealed;
use crate::domain::id::{ChallengeId, EnvironmentId, EnvironmentKeyId, FactorId};
use crate::domain::phone::Phone;
use crate::domain::phone_log::{PhoneMacs, RequestMac};
use crate::domain::policy::SecretBits;
use crate::domain::totp::Secret;
use crate::vault::cipher::{self, Key};
use crate::vault::keyring::EnvironmentKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::CryptoRng;
use sha2::Sha256;
use std::collections::BTreeMap;
use subtle::ConstantTimeEq as _;

/// Labels of the derived keys. They differ, so that a key derived for one purpose cannot be used for another.
const TOTP_SECRET: &str = "latchkey/1/totp-secret";
const CODE: &str = "latchkey/1/code";
const BUDGET: &str = "latchkey/1/budget";

/// The keys of one environment, for sealing and opening. They are zeroed when dropped.
pub struct Seal {
    environment: EnvironmentId,
    keys: BTreeMap<EnvironmentKeyId, EnvironmentKey>,
    current: EnvironmentKeyId,
    /// The same key in every environment, because the budget of a phone number is shared by the whole deployment
    /// (SMS-04).
    budget: Key,
}

/// A sealed value cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The environment does not have the key it was sealed with.
    #[error("the environment has no key {0}")]
    Missing(EnvironmentKeyId),
    /// The ciphertext was tampered with or sealed for another context, or does not contain a valid secret.
    #[error("a sealed secret cannot be opened")]
    CannotOpen,
}

impl Seal {
    /// A seal of `environment` that seals with `current` and opens with any of `keys`. Budget MACs are derived from
    /// `deployment`, which all environments share.
    pub(crate) fn new(
        environment: EnvironmentId,
        keys: BTreeMap<EnvironmentKeyId, EnvironmentKey>,
        current: EnvironmentKeyId,
        deployment: &[u8; 32],
    ) -> Self {
        Self { environment, keys, current, budget: cipher::derive(deployment, BUDGET) }
    }

    /// The environment.
    #[must_use]
    pub const fn environment(&self) -> EnvironmentId {
        self.environment
    }

    /// Seals the TOTP secret of `factor`.
    ///
    /// # Errors
    ///
    /// Never, for the length of a TOTP secret.
    pub fn secret(
        &self,
        secret: &Secret,
        factor: FactorId,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, SealError> {
        let bytes = cipher::seal(self.key(self.current)?, &self.secret_context(factor), secret.expose(), rng);
        Ok(Sealed { key: self.current, bytes: bytes.ok_or(SealError::CannotOpen)? })
    }

    /// The length of a sealed TOTP secret, which needs no key.
    #[must_use]
    pub const fn secret_bits(sealed: &Sealed) -> SecretBits {
        SecretBits::of_bytes(sealed.bytes.len().saturating_sub(cipher::SEAL_BYTES))
    }

    /// Opens the TOTP secret of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError::CannotOpen`] if it was sealed for another factor or environment, or tampered with.
    /// [`SealError::Missing`] if the environment does not have the key.
    pub fn open_secret(&self, sealed: &Sealed, factor: FactorId) -> Result<Secret, SealError> {
        let plain = cipher::open(self.key(sealed.key)?, &self.secret_context(factor), &sealed.bytes);
        Secret::from_bytes(plain.ok_or(SealError::CannotOpen)?).map_err(|_| SealError::CannotOpen)
    }

    /// The MAC to store for a code of `challenge` of `factor`.
    ///
    /// # Errors
    ///
    /// Never, because the current key exists.
    pub fn code(&self, code: &Code, factor: FactorId, challenge: ChallengeId) -> Result<CodeMac, SealError> {
        Ok(CodeMac { key: self.current, mac: self.code_mac(self.current, code, (factor, challenge))? })
    }

    /// Whether `stored` is the MAC of `code` for this factor and challenge, compared in constant time.
    ///
    /// # Errors
    ///
    /// [`SealError::Missing`] if the environment does not have the key.
    pub fn code_matches(
        &self,
        code: &Code,
        stored: &CodeMac,
        of: (FactorId, ChallengeId),
    ) -> Result<bool, SealError> {
        let expected = self.code_mac(stored.key, code, of)?;
        Ok(expected.ct_eq(&stored.mac).into())
    }

    /// The MACs that identify a phone number in the budgets: the same in every environment of the deployment (SMS-04).
    ///
    /// # Errors
    ///
    /// Never: HMAC accepts keys of any length.
    pub fn phone(&self, phone: &Phone) -> Result<PhoneMacs, SealError> {
        Ok(PhoneMacs {
            number: mac(&self.budget, "number/", phone.as_str().as_bytes())?,
            prefix: mac(&self.budget, "prefix/", phone.prefix().as_bytes())?,
        })
    }

    /// The MAC that identifies an idempotency key of a request for `factor`.
    ///
    /// # Errors
    ///
    /// Never: HMAC accepts keys of any length.
    pub fn request(&self, idempotency_key: &str, factor: FactorId) -> Result<RequestMac, SealError> {
        let context = format!("request/{}/{factor}/", self.environment);
        mac(&self.budget, &context, idempotency_key.as_bytes()).map(RequestMac)
    }

    fn key(&self, id: EnvironmentKeyId) -> Result<&[u8; 32], SealError> {
        self.keys.get(&id).map(|EnvironmentKey(key)| &**key).ok_or(SealError::Missing(id))
    }

    /// The context of a factor's secret.
    fn secret_context(&self, factor: FactorId) -> String {
        format!("{TOTP_SECRET}/{}/{factor}", self.environment)
    }

    /// The MAC of a code. IDs have a fixed length and a single text form, so the context is unambiguous.
    fn code_mac(
        &self,
        key: EnvironmentKeyId,
        code: &Code,
        (factor, challenge): (FactorId, ChallengeId),
    ) -> Result<[u8; 32], SealError> {
        let context = format!("{}/{factor}/{challenge}/", self.environment);
        mac(&cipher::derive(self.key(key)?, CODE), &context, code.expose().as_bytes())
    }
}

fn mac(key: &[u8; 32], context: &str, value: &[u8]) -> Result<[u8; 32], SealError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SealError::CannotOpen)?;
    mac.update(context.as_bytes());
    mac.update(value);
    Ok(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests;
