//! What to do about an error of a service, by its code.

use shared::store::StoreError;
use shared::vault::keyring::KeyringError;
use shared::vault::kms::KmsError;

/// What to do about a service that answered with this code.
#[must_use]
pub fn hint(reason: &str) -> &'static str {
    match reason {
        "AccessDeniedException" | "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" => {
            "The credentials may not do this: give them the permission, or use others with --profile"
        }
        "ExpiredTokenException" | "ExpiredToken" | "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "The credentials are not taken: `aws sts get-caller-identity` tells whose they are; use others with --profile"
        }
        "no connection" | "no answer in time" => {
            "Look at the credentials (`aws sts get-caller-identity`), --region, --endpoint-url and the network, and run \
             this again"
        }
        _ => "Run this again; `latchkey doctor` looks at everything the deployment needs",
    }
}

pub(super) fn store(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable { reason, .. } if reason == "ResourceNotFoundException" => {
            "There is no table of that name there: look at --table and --region, or make it with `latchkey init`"
        }
        StoreError::Unavailable { reason, .. } => hint(reason),
        StoreError::Corrupt(_) => "Restore the table to a moment before it was damaged",
    }
}

pub(super) fn keyring(error: &KeyringError) -> String {
    let hint = match error {
        // It says what to run itself.
        KeyringError::Empty => return String::new(),
        KeyringError::Missing(_) | KeyringError::CannotOpen(_) => "Restore the table's keyring items",
        KeyringError::Erased(_) => "The environment is being deleted: `latchkey env list`",
        KeyringError::Store(error) => store(error),
        KeyringError::Kms(error) => kms(error),
    };
    format!(". {hint}")
}

pub(super) fn kms(error: &KmsError) -> &'static str {
    match error {
        KmsError::Unavailable { reason, .. } if reason == "NotFoundException" => {
            "There is no such key there: look at --kms-key-id and --region"
        }
        KmsError::Unavailable { reason, .. }
            if reason == "DisabledException" || reason == "KMSInvalidStateException" =>
        {
            "The key is disabled or pending deletion: `aws kms cancel-key-deletion`, `aws kms enable-key`"
        }
        KmsError::Unavailable { reason, .. } => hint(reason),
        KmsError::WrongKey(_) => "Give the key that wrapped it: --kms-key-id",
    }
}
