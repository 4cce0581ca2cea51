//! Errors of the keyring.

use crate::domain::id::{DataKeyId, EnvironmentId, EnvironmentKeyId};
use crate::store::StoreError;
use crate::vault::kms::KmsError;

/// A key cannot be read or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The table holds no data key yet.
    #[error("the table holds no data key: run `latchkey init`")]
    Empty,
    /// A key is wrapped by a data key that is not in the table.
    #[error("the keyring has no {0}")]
    Missing(DataKeyId),
    /// A wrapped key was tampered with, or wrapped for another environment.
    #[error("{0} cannot be unwrapped")]
    CannotOpen(EnvironmentKeyId),
    /// The environment has no key because it was deleted.
    #[error("{0} has no key")]
    Erased(EnvironmentId),
    /// The table cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// KMS failed.
    #[error(transparent)]
    Kms(#[from] KmsError),
}

impl KeyringError {
    /// Whether a retry may succeed. All other errors mean that a single key is damaged.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable { .. }) | Self::Kms(KmsError::Unavailable { .. }))
    }
}
