//! Recovery codes at rest: MACs with a random key of the set, which is sealed as a secret is.
//!
//! Only the sealed key depends on a key of the environment, so a rotation can reseal it, although no one knows the codes.

use super::{Seal, SealError, mac};
use crate::domain::factor::Sealed;
use crate::domain::id::RecoveryCodesId;
use crate::domain::policy::RECOVERY_CODES;
use crate::domain::recovery::{RecoveryCode, RecoveryCodeMac, RecoveryCodes};
use crate::vault::cipher::{self, Key};
use rand::CryptoRng;
use subtle::ConstantTimeEq as _;

/// Label of the derived key.
const RECOVERY_KEY: &str = "latchkey/1/recovery-key";

/// New codes of a set, with what is stored of them.
pub struct NewRecoveryCodes {
    /// The codes, to be shown once.
    pub codes: Vec<RecoveryCode>,
    /// Their MACs.
    pub macs: Vec<RecoveryCodeMac>,
    /// The key of the MACs, sealed.
    pub key: Sealed,
}

impl Seal {
    /// Random codes for the set `id`.
    ///
    /// # Errors
    ///
    /// Never, because the current key exists.
    pub fn new_recovery_codes(
        &self,
        id: RecoveryCodesId,
        rng: &mut impl CryptoRng,
    ) -> Result<NewRecoveryCodes, SealError> {
        let key = cipher::random_key(rng);
        let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| RecoveryCode::random(rng)).collect();
        let macs = codes.iter().map(|code| recovery_mac(&key, code)).collect::<Result<_, _>>()?;
        Ok(NewRecoveryCodes { codes, macs, key: self.seal_recovery_key(&key, id, rng)? })
    }

    /// The MAC that the set has of `code`, if it has one. Compares with every MAC of the set, each in constant time.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the key of the set cannot be opened.
    pub fn recovery_code_in(
        &self,
        set: &RecoveryCodes,
        code: &RecoveryCode,
    ) -> Result<Option<RecoveryCodeMac>, SealError> {
        let expected = recovery_mac(&self.open_recovery_key(&set.key, set.id)?, code)?;
        let found = set
            .codes
            .iter()
            .fold(subtle::Choice::from(0), |found, stored| found | stored.0.ct_eq(&expected.0));
        Ok(bool::from(found).then_some(expected))
    }

    /// Seals the key of a set again, with the active key.
    ///
    /// # Errors
    ///
    /// [`SealError`] if it cannot be opened.
    pub fn reseal_recovery_key(
        &self,
        set: &RecoveryCodes,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, SealError> {
        self.seal_recovery_key(&self.open_recovery_key(&set.key, set.id)?, set.id, rng)
    }

    fn seal_recovery_key(
        &self,
        key: &Key,
        id: RecoveryCodesId,
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, SealError> {
        let bytes = cipher::seal(self.key(self.current)?, &self.recovery_context(id), key.as_slice(), rng);
        Ok(Sealed { key: self.current, bytes: bytes.ok_or(SealError::CannotOpen)? })
    }

    fn open_recovery_key(&self, sealed: &Sealed, id: RecoveryCodesId) -> Result<Key, SealError> {
        let key = cipher::open_key(self.key(sealed.key)?, &self.recovery_context(id), &sealed.bytes);
        key.ok_or(SealError::CannotOpen)
    }

    fn recovery_context(&self, id: RecoveryCodesId) -> String {
        format!("{RECOVERY_KEY}/{}/{id}", self.environment)
    }
}

fn recovery_mac(key: &Key, code: &RecoveryCode) -> Result<RecoveryCodeMac, SealError> {
    mac(key, "recovery-code/", code.expose()).map(RecoveryCodeMac)
}
