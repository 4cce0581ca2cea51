//! Secrets at rest: TOTP secrets under AES-256-GCM, codes as keyed MACs, each bound to where it belongs.
//!
//! From a data key, HKDF (RFC 5869) derives one key per environment and purpose. What is sealed for one factor opens
//! for no other, and a MAC made for one challenge matches in no other.

use crate::domain::challenge::{Challenge, CodeMac};
use crate::domain::code::Code;
use crate::domain::factor::{Factor, Sealed};
use crate::domain::id::{ChallengeId, EnvironmentId};
use crate::domain::phone::Phone;
use crate::domain::sms_budget::RequestMac;
use crate::domain::totp::Secret;
use crate::keyring::{DataKey, Keyring, KeyringError};
use aes_gcm::aead::{Aead as _, Nonce, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use rand::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// First byte of everything encrypted here, so that the format can change.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 12;

/// What the keys derived from a data key are for. Their labels differ, so one never stands in for another.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    TotpSecret,
    Code,
    Budget,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::TotpSecret => "latchkey/1/totp-secret",
            Self::Code => "latchkey/1/code",
            Self::Budget => "latchkey/1/budget",
        }
    }
}

/// Seals and opens with a keyring.
#[derive(Clone)]
pub struct Seal {
    keyring: Keyring,
}

/// What the budgets know a phone number and its range by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneMacs {
    /// The number.
    pub number: [u8; 32],
    /// Its first eight digits.
    pub prefix: [u8; 32],
}

/// A sealed thing does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The keyring lacks the key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The ciphertext is not what was sealed for this place, or holds no secret.
    #[error("a sealed secret does not open")]
    Broken,
}

impl Seal {
    /// Seals with `keyring`.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    /// Seals the TOTP secret of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError`] if no key can be had.
    pub fn secret(
        &self,
        secret: &Secret,
        factor: &Factor,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, SealError> {
        let (id, key) = self.keyring.current()?;
        let key = derive(key, Some(factor.environment), Purpose::TotpSecret)?;
        Ok(Sealed { key: id, bytes: encrypt(&key, &secret_context(factor), secret.expose(), rng)? })
    }

    /// Opens the TOTP secret of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError::Broken`] if it was sealed for another factor or environment, or tampered with.
    pub fn open_secret(&self, sealed: &Sealed, factor: &Factor) -> Result<Secret, SealError> {
        let key = derive(self.keyring.find(sealed.key)?, Some(factor.environment), Purpose::TotpSecret)?;
        let plain = decrypt(&key, &secret_context(factor), &sealed.bytes).ok_or(SealError::Broken)?;
        Secret::from_bytes(plain).map_err(|_| SealError::Broken)
    }

    /// What is kept of a code that was made for the challenge `id` of `factor`.
    ///
    /// # Errors
    ///
    /// [`SealError`] if no key can be had.
    pub fn code(&self, code: &Code, factor: &Factor, id: ChallengeId) -> Result<CodeMac, SealError> {
        let (key_id, key) = self.keyring.current()?;
        let key = derive(key, Some(factor.environment), Purpose::Code)?;
        Ok(CodeMac { key: key_id, mac: code_mac(&key, code, factor, id)? })
    }

    /// Whether `code` is the one that was made for `challenge` of `factor`, compared in constant time.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the challenge has no code or its key is gone.
    pub fn code_matches(
        &self,
        code: &Code,
        factor: &Factor,
        challenge: &Challenge,
    ) -> Result<bool, SealError> {
        let kept = challenge.code.as_ref().ok_or(SealError::Broken)?;
        let key = derive(self.keyring.find(kept.key)?, Some(factor.environment), Purpose::Code)?;
        let given = code_mac(&key, code, factor, challenge.id)?;
        Ok(given.ct_eq(&kept.mac).into())
    }

    /// What the budgets know a phone number by: the same in every environment of the deployment (SMS-04).
    ///
    /// # Errors
    ///
    /// [`SealError`] if no key can be had.
    pub fn phone(&self, phone: &Phone) -> Result<PhoneMacs, SealError> {
        let key = self.budget_key()?;
        Ok(PhoneMacs {
            number: mac(&key, "number/", phone.as_str())?,
            prefix: mac(&key, "prefix/", phone.prefix())?,
        })
    }

    /// What a request with an idempotency key is known by, for one factor.
    ///
    /// # Errors
    ///
    /// [`SealError`] if no key can be had.
    pub fn request(&self, idempotency_key: &str, factor: &Factor) -> Result<RequestMac, SealError> {
        let context = format!("request/{}/{}/", factor.environment, factor.id);
        mac(&*self.budget_key()?, &context, idempotency_key).map(RequestMac)
    }

    fn budget_key(&self) -> Result<Zeroizing<[u8; 32]>, SealError> {
        derive(self.keyring.current()?.1, None, Purpose::Budget)
    }
}

/// A key for one purpose in one environment or, without one, in the whole deployment.
fn derive(
    key: &DataKey,
    environment: Option<EnvironmentId>,
    purpose: Purpose,
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let mut derived = Zeroizing::new([0; 32]);
    let salt = environment.map(|environment| environment.to_string()).unwrap_or_default();
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), key.expose())
        .expand(purpose.label().as_bytes(), derived.as_mut_slice())
        .map_err(|_| SealError::Broken)?;
    Ok(derived)
}

fn secret_context(factor: &Factor) -> String {
    format!("{}/{}/{}", Purpose::TotpSecret.label(), factor.environment, factor.id)
}

/// The ids have one spelling of fixed length each, so the text names exactly one tuple.
fn code_mac(key: &[u8; 32], code: &Code, factor: &Factor, id: ChallengeId) -> Result<[u8; 32], SealError> {
    mac(key, &format!("{}/{}/{id}/", factor.environment, factor.id), code.expose())
}

fn mac(key: &[u8; 32], context: &str, text: &str) -> Result<[u8; 32], SealError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SealError::Broken)?;
    mac.update(context.as_bytes());
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

/// `FORMAT ‖ nonce ‖ ciphertext ‖ tag` of AES-256-GCM with a random 96-bit nonce.
///
/// # Errors
///
/// [`SealError::Broken`] only for plaintexts of 64 GiB.
pub(crate) fn encrypt(
    key: &[u8; 32],
    context: &str,
    plain: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: plain, aad: context.as_bytes() };
    let sealed = Aes256Gcm::new(key.into())
        .encrypt(&Nonce::<Aes256Gcm>::from(nonce), payload)
        .map_err(|_| SealError::Broken)?;
    Ok([[FORMAT].as_slice(), &nonce, &sealed].concat())
}

/// What [`encrypt`] sealed under the same key and context; `None` for anything else.
pub(crate) fn decrypt(key: &[u8; 32], context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.strip_prefix(&[FORMAT])?.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: sealed, aad: context.as_bytes() };
    Aes256Gcm::new(key.into()).decrypt(&Nonce::<Aes256Gcm>::from(*nonce), payload).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests;
