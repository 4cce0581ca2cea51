//! Conversions from other errors.

use super::{Cause, Error};
use crate::domain::guard::Locked;
use crate::domain::sms_budget::OverBudget;
use crate::ports::NoEntropy;
use crate::store::StoreError;
use crate::vault::keyring::KeyringError;
use crate::vault::kms::KmsError;
use crate::vault::seal::SealError;
use std::sync::Arc;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Unavailable(Cause(Arc::new(error))),
            StoreError::Corrupt(_) => Self::Internal(Cause(Arc::new(error))),
        }
    }
}

impl From<OverBudget> for Error {
    fn from(over: OverBudget) -> Self {
        Self::SmsLimit(over)
    }
}

impl From<Locked> for Error {
    fn from(Locked { retry_at }: Locked) -> Self {
        Self::TooManyAttempts(retry_at)
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Internal(Cause(Arc::new(error)))
    }
}

impl From<KeyringError> for Error {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Store(error) => error.into(),
            KeyringError::Kms(KmsError::Unavailable { .. }) => Self::Unavailable(Cause(Arc::new(error))),
            _ => Self::Internal(Cause(Arc::new(error))),
        }
    }
}

impl From<NoEntropy> for Error {
    fn from(error: NoEntropy) -> Self {
        Self::Unavailable(Cause(Arc::new(error)))
    }
}
