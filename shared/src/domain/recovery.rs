//! Recovery codes: a set per user, for the day on which the phone is lost. Each code is accepted once.
//!
//! They are look-up secrets (SP 800-63B-4 §3.1.2). A code has 120 random bits, so a keyed MAC protects it at rest, and a
//! guess has no chance. The set has a [`Guard`] of its own: a locked factor does not block recovery, and guesses at
//! recovery codes do not lock a factor.

use super::factor::Sealed;
use super::guard::Guard;
use super::id::{EnvironmentId, RecoveryCodesId};
use super::policy::{RECOVERY_CODE_BYTES, RECOVERY_CODE_CHARS};
use super::time::Timestamp;
use super::user::UserId;
use base32::Alphabet::Crockford;
use rand::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Characters between two dashes of a code as it is shown.
const GROUP: usize = 4;

/// A recovery code. Only [`RecoveryCode::shown`] and [`RecoveryCode::expose`] return it; it implements neither `Debug` nor
/// `PartialEq`.
#[derive(Clone, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; RECOVERY_CODE_BYTES]);

/// The text is not a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a recovery code: {RECOVERY_CODE_CHARS} characters, digits and letters other than U")]
pub struct MalformedRecoveryCode;

/// A user's recovery codes as stored: a MAC of each code that has not been used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryCodes {
    /// The ID of the set, which operators see. A user's next set has another one.
    pub id: RecoveryCodesId,
    /// The tenant it belongs to.
    pub environment: EnvironmentId,
    /// The user it belongs to.
    pub user: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether a challenge of one of the user's factors also accepts these codes.
    pub accept_on_challenges: bool,
    /// The number of codes it was created with.
    pub total: usize,
    /// The key of the MACs, sealed.
    pub key: Sealed,
    /// The MACs of the codes that are left.
    pub codes: Vec<RecoveryCodeMac>,
    /// The attempts and failures that limit further guesses.
    pub guard: Guard,
}

/// A recovery code at rest: a MAC with the key of its set (see `vault/seal/recovery.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCodeMac(pub [u8; 32]);

impl RecoveryCode {
    /// A random code.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; RECOVERY_CODE_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Parses what a person typed: in lower or upper case, with or without spaces and dashes; `I` and `L` are read as 1, and
    /// `O` as 0.
    ///
    /// # Errors
    ///
    /// [`MalformedRecoveryCode`] if anything else is in it, or its length is another.
    pub fn parse(text: &str) -> Result<Self, MalformedRecoveryCode> {
        let mut typed = Zeroizing::new(text.to_owned());
        typed.retain(|character| !matches!(character, ' ' | '-'));
        let bytes = base32::decode(Crockford, &typed).filter(|_| typed.len() == RECOVERY_CODE_CHARS);
        let bytes = Zeroizing::new(bytes.ok_or(MalformedRecoveryCode)?);
        bytes.as_slice().try_into().map(Self).map_err(|_| MalformedRecoveryCode)
    }

    /// The code as it is shown to the user: `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`.
    #[must_use]
    pub fn shown(&self) -> Zeroizing<String> {
        let text = Zeroizing::new(base32::encode(Crockford, &self.0));
        let mut shown = Zeroizing::new(String::with_capacity(RECOVERY_CODE_CHARS.saturating_mul(2)));
        for (index, character) in text.chars().enumerate() {
            if index > 0 && index.is_multiple_of(GROUP) {
                shown.push('-');
            }
            shown.push(character);
        }
        shown
    }

    /// The bytes, for computing a MAC.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for RecoveryCodeMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a MAC")
    }
}

#[cfg(test)]
mod tests;
