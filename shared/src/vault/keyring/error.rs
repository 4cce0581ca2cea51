//! What keeps a key from being had, and whether that passes.

use crate::domain::id::{DataKeyId, EnvironmentId, EnvironmentKeyId};
use crate::store::StoreError;
use crate::vault::kms::KmsError;

/// A key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The table holds no data key yet.
    #[error("the table holds no data key: run `latchkey init`")]
    Empty,
    /// Something names a data key the table does not hold.
    #[error("the keyring has no {0}")]
    Missing(DataKeyId),
    /// A wrapped key is not what was wrapped for this environment.
    #[error("{0} does not open")]
    Broken(EnvironmentKeyId),
    /// The environment has no key: it was deleted.
    #[error("{0} has no key")]
    Erased(EnvironmentId),
    /// The table cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// KMS cannot be asked.
    #[error(transparent)]
    Kms(#[from] KmsError),
}

impl KeyringError {
    /// Whether the same may succeed later. What does not is damage: of one key, and of nothing else.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable { .. }) | Self::Kms(KmsError::Unavailable { .. }))
    }
}
