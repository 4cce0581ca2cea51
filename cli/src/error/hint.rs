//! Hints for errors of AWS services, by error code.

use shared::store::StoreError;
use shared::vault::keyring::KeyringError;
use shared::vault::kms::KmsError;

/// The hint for an error code.
#[must_use]
pub fn hint(reason: &str) -> &'static str {
    match reason {
        "AccessDeniedException" | "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" => {
            "The credentials lack a permission: add it, or use other credentials with --profile"
        }
        "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "The credentials are invalid or expired: check them with `aws sts get-caller-identity`, or use others with --profile"
        }
        "no connection" | "no answer in time" => {
            "Check the credentials (`aws sts get-caller-identity`), --region, --endpoint-url and the network, then run this \
             again"
        }
        _ => "Run this again. If the error remains, check the deployment with `latchkey doctor`",
    }
}

pub(super) fn store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable { reason, .. } if reason == "ResourceNotFoundException" => {
            "There is no table of that name: check --table and --region, or create it with `latchkey init`"
        }
        StoreError::Unavailable { reason, .. } => hint(reason),
        StoreError::Corrupt(_) => "Restore the item from a backup",
    }
}

pub(super) fn keyring(error: &KeyringError) -> String {
    let hint = match error {
        // The message already says what to run.
        KeyringError::Empty => return String::new(),
        KeyringError::Missing(_) | KeyringError::CannotOpen(_) => {
            "Restore the table's keyring items from a backup"
        }
        KeyringError::Erased(_) => {
            "The environment is being deleted. List the environments: `latchkey env list`"
        }
        KeyringError::Store(error) => store(error),
        KeyringError::Kms(error) => kms(error),
    };
    format!(". {hint}")
}

pub(super) fn kms(error: &KmsError) -> &'static str {
    match error {
        KmsError::Unavailable { reason, .. } if reason == "NotFoundException" => {
            "There is no such key: check --kms-key-id and --region"
        }
        KmsError::Unavailable { reason, .. }
            if reason == "DisabledException" || reason == "KMSInvalidStateException" =>
        {
            "The key is disabled or pending deletion: use `aws kms cancel-key-deletion` and `aws kms enable-key`"
        }
        KmsError::Unavailable { reason, .. } => hint(reason),
        KmsError::WrongKey(_) => "Select the key that wrapped it with --kms-key-id",
    }
}
