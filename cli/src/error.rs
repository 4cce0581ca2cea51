//! Errors of commands. A message says what happened, why, and what to type next.

mod hint;
mod transfer;

pub use hint::hint;
pub use transfer::TransferError;

use crate::serve::ServeError;
use shared::config::InvalidVariables;
use shared::domain::environment::Tag;
use shared::domain::id::{ApiKeyId, FactorId};
use shared::domain::policy::MAX_API_KEYS;
use shared::domain::text::escaped;
use shared::domain::time::Timestamp;
use shared::domain::user::UserId;
use shared::ports::NoEntropy;
use shared::store::{DamagedItem, StoreError};
use shared::vault::keyring::KeyringError;
use shared::vault::kms::KmsError;
use shared::vault::seal::SealError;
use std::io;
use std::path::PathBuf;

/// The error of a failed command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No option or variable selects a deployment.
    #[error(
        "no deployment is selected. Use --table NAME or set LATCHKEY_TABLE for a deployment on AWS, or use --local DIR for the data \
         directory of `latchkey serve`, such as --local .latchkey"
    )]
    NoDeployment,
    /// The command needs the KMS key.
    #[error(
        "no KMS key is configured. Use --kms-key-id ID or set LATCHKEY_KMS_KEY_ID to the key that wraps the keyring"
    )]
    NoKmsKey,
    /// No AWS region is configured.
    #[error(
        "no AWS region is configured. Use --region REGION, set AWS_REGION, or set a region in your AWS profile"
    )]
    NoRegion,
    /// The data directory has no table.
    #[error("there is no table in {}. Create one: `latchkey init --local {}`", .0.display(), .0.display())]
    NoTable(PathBuf),
    /// The environment does not exist.
    #[error(
        "there is no environment {0}. List the environments: `latchkey env list`. Or create it: `latchkey env create {0}`"
    )]
    NoEnvironment(Tag),
    /// The environment already exists.
    #[error(
        "the environment {0} already exists. Create another API key for it: `latchkey keys create --environment {0}`"
    )]
    EnvironmentExists(Tag),
    /// The environment is being deleted.
    #[error("the environment {0} is being deleted. Finish the deletion: `latchkey env delete {0}`")]
    EnvironmentBeingDeleted(Tag),
    /// The deletion was not confirmed.
    #[error(
        "the environment {0} was not deleted, because the deletion was not confirmed. Type its tag at the prompt, or skip the \
         prompt: `latchkey env delete {0} --yes`"
    )]
    NotConfirmed(Tag),
    /// Functions may still write items of the erased environment.
    #[error(
        "the keys of the environment {tag} are deleted and its items removed, but a warm function may write items until {until}. \
         Run this again after that to finish: `latchkey env delete {tag} --yes`"
    )]
    NotYetRemoved {
        /// The environment.
        tag: Tag,
        /// When they no longer do.
        until: Timestamp,
    },
    /// The environment has the maximum number of live API keys.
    #[error(
        "the environment {0} has {MAX_API_KEYS} live API keys, which is the maximum. Revoke one: `latchkey keys list`, then \
         `latchkey keys revoke ID`"
    )]
    TooManyApiKeys(Tag),
    /// No environment has this API key.
    #[error("there is no API key {0}. List the API keys: `latchkey keys list`")]
    NoApiKey(ApiKeyId),
    /// The environment does not have this API key.
    #[error(
        "the environment {tag} has no API key {id}. It may have been revoked already. List the API keys: `latchkey keys list \
         --environment {tag}`"
    )]
    NoApiKeyIn {
        /// The environment.
        tag: Tag,
        /// The API key.
        id: ApiKeyId,
    },
    /// No readable environment has this API key.
    #[error(
        "no readable environment has an API key {id}, and these environments are damaged: {}. If the key belongs to one of \
         them: `latchkey keys revoke {id} --environment TAG`",
        listed(damaged)
    )]
    NoReadableApiKey {
        /// The API key.
        id: ApiKeyId,
        /// The environments that could not be searched.
        damaged: Vec<DamagedItem>,
    },
    /// Some items could not be read. The command did everything else.
    #[error("cannot read {}. {hint}", listed(items))]
    DamagedItems {
        /// The items.
        items: Vec<DamagedItem>,
        /// What to do about the items.
        hint: String,
    },
    /// A damaged environment was erased, but its items cannot be found.
    #[error(
        "the keys of the environment {0} are deleted: its API keys are no longer accepted, and its secrets can no longer be \
         opened. But its item is damaged and its `id` cannot be read, so its other items cannot be found and remain. Restore \
         `id` of the item environment/{0} from a backup, then run this again: `latchkey env delete {0} --yes`"
    )]
    UnknownEnvironmentId(Tag),
    /// A key of an environment cannot be unwrapped.
    #[error(
        "the environment {tag} was skipped, because one of its keys cannot be unwrapped: {cause}. Restore the environment's item \
         and the table's keyring items from a backup, then run this again"
    )]
    KeyNotUnwrapped {
        /// The environment.
        tag: Tag,
        /// The error.
        cause: KeyringError,
    },
    /// The factor does not exist.
    #[error(
        "the environment {tag} has no factor {id}. List the factors of a user: `latchkey factors list --environment {tag} --user ID`"
    )]
    NoFactor {
        /// The environment.
        tag: Tag,
        /// The factor.
        id: FactorId,
    },
    /// The user has no recovery codes.
    #[error(
        "the user {} has no recovery codes in the environment {tag}. Check the user ID: it is the application's, as in \
         POST /user_management/users/ID/recovery_codes",
        escaped(user.as_str())
    )]
    NoRecoveryCodes {
        /// The environment.
        tag: Tag,
        /// The user.
        user: UserId,
    },
    /// Every write met a version conflict.
    #[error("{0} was changed by concurrent verify requests at every try. Run this again")]
    Contended(FactorId),
    /// The newest keys are not used for sealing yet.
    #[error(
        "the newest keys are used for sealing from {0} on, when every warm function has read them. Run this again after that: \
         `latchkey keyring rewrap`"
    )]
    KeysNotActive(Timestamp),
    /// Some secrets could not be resealed.
    #[error(
        "some secrets could not be resealed ({secrets}), so the keys they are sealed with are kept. The first error: {first}. Run \
         `latchkey keyring rewrap` again. If the error remains, the item is damaged: restore it from a backup, or \
         delete the factor or the recovery codes"
    )]
    NotResealed {
        /// The number of these secrets.
        secrets: usize,
        /// The first of them, and its error.
        first: String,
    },
    /// Factors could not be imported or exported.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A DynamoDB call failed, or an item is damaged.
    #[error("{0}. {hint}", hint = hint::store(.0))]
    Store(#[from] StoreError),
    /// The keyring cannot be read or unwrapped.
    #[error("{0}{hint}", hint = hint::keyring(.0))]
    Keyring(#[from] KeyringError),
    /// A secret cannot be sealed or opened.
    #[error("{0}. Restore the environment's item and the table's keyring items from a backup")]
    Seal(#[from] SealError),
    /// A KMS call failed.
    #[error("{0}. {hint}", hint = hint::kms(.0))]
    Kms(#[from] KmsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Local(#[from] ServeError),
    /// Environment variables are invalid.
    #[error(transparent)]
    Variables(#[from] InvalidVariables),
    /// The operating system returned no random bytes.
    #[error("{0}. Run this again")]
    Entropy(#[from] NoEntropy),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// Environments that cannot be read, by their tags.
    pub(crate) fn damaged_environments(items: Vec<DamagedItem>) -> Self {
        let hint = "Restore the environment's item from a backup, or delete the environment: `latchkey env delete TAG`. Its API \
                    keys can still be revoked: `latchkey keys revoke ID --environment TAG`";
        Self::DamagedItems { items, hint: hint.to_owned() }
    }

    /// Fails with [`damaged_environments`](Self::damaged_environments), if there are any.
    pub(crate) fn check_environments(damaged: Vec<DamagedItem>) -> Result<(), Self> {
        if damaged.is_empty() { Ok(()) } else { Err(Self::damaged_environments(damaged)) }
    }

    /// Entries of the keyring that cannot be read.
    pub(crate) fn damaged_data_keys(items: Vec<DamagedItem>) -> Self {
        let hint = "Restore the table's keyring items from a backup. Other entries are not affected";
        Self::DamagedItems { items, hint: hint.to_owned() }
    }

    /// Factors of an environment that cannot be read.
    pub(crate) fn damaged_factors(items: Vec<DamagedItem>, tag: &Tag) -> Self {
        let hint = format!(
            "Restore the factor's item from a backup, or delete it: `latchkey factors delete ID --environment {tag}`"
        );
        Self::DamagedItems { items, hint }
    }
}

fn listed(items: &[DamagedItem]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
