//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, 30-second steps.

use super::code::Code;
use super::policy::{
    DEFAULT_IMPORT_MIN, IMPORTED_SECRET_BYTES, SecretBits, Skew, TOTP_SECRET_BYTES, TOTP_STEP,
};
use super::time::Timestamp;
use rand::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The secret shared with an authenticator app: 10 to 64 bytes. Implements no `Debug` and is zeroed when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// The text is not a usable Base32 secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be Base32 of 10 to 64 bytes that are not all the same")]
pub struct MalformedSecret;

/// Why a secret of another system cannot be imported. Never contains the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSecret {
    /// The text is not Base32, or has stray bits at its end.
    #[error("the secret is not Base32")]
    NotBase32,
    /// The secret has fewer bits than the policy requires.
    #[error("the secret has {} bits, fewer than the minimum of {}", .0.0, .1.0)]
    Short(SecretBits, SecretBits),
    /// The secret has more than 64 bytes.
    #[error("the secret has more than 64 bytes")]
    Long,
    /// All bytes are the same: a guessable placeholder.
    #[error("the secret is one byte repeated")]
    Uniform,
}

/// The number of a 30-second step since 1970 (`T` of RFC 6238 §4.2), in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(pub u64);

impl Step {
    /// The step that contains `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(now.seconds().checked_div(TOTP_STEP.as_secs()).unwrap_or_default())
    }
}

impl Secret {
    /// A new secret of 20 random bytes (RFC 4226 R6).
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new(vec![0; TOTP_SECRET_BYTES]);
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A secret of `bytes`.
    ///
    /// # Errors
    ///
    /// [`MalformedSecret`] for fewer than 10 or more than 64 bytes.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self, MalformedSecret> {
        if IMPORTED_SECRET_BYTES.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(MalformedSecret) }
    }

    /// Parses RFC 4648 Base32 in either case, with or without padding.
    ///
    /// # Errors
    ///
    /// [`MalformedSecret`] if the text is not Base32, does not decode to 10 to 64 bytes, or decodes to bytes that are
    /// all the same.
    pub fn from_base32(text: &str) -> Result<Self, MalformedSecret> {
        Self::import_base32(text, DEFAULT_IMPORT_MIN).map_err(|_| MalformedSecret)
    }

    /// Imports a secret of another system from RFC 4648 Base32 in either case, with or without padding.
    ///
    /// # Errors
    ///
    /// [`UnusableSecret`] says why it cannot be imported.
    pub fn import_base32(text: &str, min: SecretBits) -> Result<Self, UnusableSecret> {
        let upper = Zeroizing::new(text.trim_end_matches('=').to_ascii_uppercase());
        let secret =
            totp_rs::Secret::try_from_base32(upper.as_str()).map_err(|_| UnusableSecret::NotBase32)?;
        let secret = Self(Zeroizing::new(secret.as_bytes().to_vec()));
        // The decoder ignores stray trailing bits. Without this check, two texts would decode to the same secret.
        if *secret.to_base32() != *upper {
            return Err(UnusableSecret::NotBase32);
        }
        Self::import_bytes(secret.0, min)
    }

    /// Imports a secret of another system from its bytes.
    ///
    /// # Errors
    ///
    /// [`UnusableSecret`] says why it cannot be imported.
    pub fn import_bytes(bytes: Zeroizing<Vec<u8>>, min: SecretBits) -> Result<Self, UnusableSecret> {
        let min = min.max(DEFAULT_IMPORT_MIN);
        let bits = SecretBits::of_bytes(bytes.len());
        if bits < min {
            return Err(UnusableSecret::Short(bits, min));
        }
        let uniform = bytes.windows(2).all(|pair| pair.first() == pair.last());
        let secret = Self::from_bytes(bytes).map_err(|_| UnusableSecret::Long)?;
        if uniform { Err(UnusableSecret::Uniform) } else { Ok(secret) }
    }

    /// The length.
    #[must_use]
    pub fn bits(&self) -> SecretBits {
        SecretBits::of_bytes(self.0.len())
    }

    /// Base32 in upper case without padding, the form that authenticator apps accept.
    #[must_use]
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(totp_rs::Secret::new(self.0.as_slice().into()).to_base32())
    }

    /// The raw bytes, for sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The code of one step.
    ///
    /// # Errors
    ///
    /// Never, for a secret that was constructed.
    pub fn code_at(&self, step: Step) -> Result<Code, MalformedSecret> {
        let secret = totp_rs::Secret::new(self.0.as_slice().into());
        // `build` refuses secrets of fewer than 128 bits, which may be imported. The other defaults are compliant.
        let generator = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
        let token =
            Zeroizing::new(generator.generate(step.0.saturating_mul(TOTP_STEP.as_secs())).to_string());
        Code::parse(&token).map_err(|_| MalformedSecret)
    }

    /// The step within the skew window around `now` whose code is `guess`; the latest, if several match (RFC 6238
    /// §5.2).
    ///
    /// Always computes and compares every candidate, so that the duration does not depend on the guess (OTP-07).
    ///
    /// # Errors
    ///
    /// Never, for a secret that was constructed.
    pub fn matching_step(
        &self,
        guess: &Code,
        now: Timestamp,
        skew: Skew,
    ) -> Result<Option<Step>, MalformedSecret> {
        let current = Step::at(now).0;
        let candidates = current.saturating_sub(skew.steps())..=current.saturating_add(skew.steps());
        let mut matching = None;
        for step in candidates.map(Step) {
            if bool::from(self.code_at(step)?.ct_eq(guess)) {
                matching = Some(step);
            }
        }
        Ok(matching)
    }
}

#[cfg(test)]
mod tests;
