//! What can go wrong between here and the table.

use crate::aws;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// The table could not be asked, or what it holds makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed, and a write may or may not have happened. `reason` is a code, never the service's own text.
    #[error("DynamoDB could not {operation}: {reason}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The error's code.
        reason: String,
    },
    /// An item lacks an attribute, or holds one of another type or range.
    #[error("an item's {0} is missing or makes no sense")]
    Corrupt(&'static str),
}

pub(super) fn unavailable<E: ProvideErrorMetadata, R>(
    operation: &'static str,
    error: &SdkError<E, R>,
) -> StoreError {
    StoreError::Unavailable { operation, reason: aws::reason(error) }
}
