//! What keeps a command from doing what it was asked: what happened, why, and what to type next.

mod hint;

pub use hint::hint;

use crate::serve::ServeError;
use shared::config::InvalidVariables;
use shared::domain::environment::Tag;
use shared::domain::id::{ApiKeyId, DataKeyId, EnvironmentId, FactorId};
use shared::domain::policy::MAX_API_KEYS;
use shared::domain::time::Timestamp;
use shared::ports::NoEntropy;
use shared::store::{DamagedItem, StoreError};
use shared::vault::keyring::KeyringError;
use shared::vault::kms::KmsError;
use std::io;
use std::path::PathBuf;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No option and no variable names a deployment.
    #[error(
        "no deployment is named. Give --table NAME (or set LATCHKEY_TABLE) for one on AWS, or --local DIR for the data \
         directory of a `latchkey serve`, such as --local .latchkey"
    )]
    NoTarget,
    /// The command needs the KMS key.
    #[error(
        "no KMS key is named. Give --kms-key-id ID, or set LATCHKEY_KMS_KEY_ID, to the key that wraps the keyring"
    )]
    NoKmsKey,
    /// AWS has many regions.
    #[error("no region is named. Give --region REGION, set AWS_REGION, or name one in your AWS profile")]
    NoRegion,
    /// There is no table in the data directory.
    #[error("there is no table in {}. Make one: `latchkey init --local {}`", .0.display(), .0.display())]
    NothingThere(PathBuf),
    /// There is no such environment.
    #[error(
        "there is no environment {0}. `latchkey env list` shows what there is; `latchkey env create {0}` makes it"
    )]
    NoEnvironment(Tag),
    /// There is such an environment.
    #[error(
        "there is an environment {0} already. `latchkey keys create --environment {0}` makes it another API key"
    )]
    EnvironmentExists(Tag),
    /// The environment is being removed.
    #[error("the environment {0} is being deleted. Finish that: `latchkey env delete {0}`")]
    Deleted(Tag),
    /// A deletion needs a yes.
    #[error(
        "the environment {0} was not deleted: that takes its name as an answer, or `latchkey env delete {0} --yes`"
    )]
    Unconfirmed(Tag),
    /// Functions may have written after the environment was erased.
    #[error(
        "the environment {tag} is erased, and what it held is removed; but a function that was warm may write for it \
         until {until}. Run this again after that to finish: `latchkey env delete {tag} --yes`"
    )]
    Erasing {
        /// Which.
        tag: Tag,
        /// From when on none does.
        until: Timestamp,
    },
    /// The environment has as many live API keys as it may.
    #[error(
        "the environment {0} has {MAX_API_KEYS} live API keys, which is all it may have. Revoke one: `latchkey keys list`, \
         then `latchkey keys revoke ID`"
    )]
    TooManyApiKeys(Tag),
    /// There is no such API key.
    #[error("there is no API key {0}. `latchkey keys list` shows what there is")]
    NoApiKey(ApiKeyId),
    /// An environment has no such API key.
    #[error(
        "the environment {tag} has no API key {id}. If it had one, that is revoked; `latchkey keys list --environment {tag}` \
         shows what there is"
    )]
    NoApiKeyIn {
        /// Where it was looked for.
        tag: Tag,
        /// What.
        id: ApiKeyId,
    },
    /// No environment that reads has such an API key.
    #[error(
        "no environment that can be read has an API key {id}, and these are damaged: {}. If it is of one of them: `latchkey \
         keys revoke {id} --environment TAG`",
        listed(damaged)
    )]
    NoReadableApiKey {
        /// What was looked for.
        id: ApiKeyId,
        /// Where it could not be.
        damaged: Vec<DamagedItem>,
    },
    /// Items do not read. Everything else was done.
    #[error("cannot read {}. {hint}", listed(items))]
    DamagedItems {
        /// Which.
        items: Vec<DamagedItem>,
        /// What to do about them.
        hint: String,
    },
    /// A damaged environment is erased, and what it held cannot be found.
    #[error(
        "the environment {0} is erased: its API keys have ended, and nothing that its keys sealed can be opened. But its item \
         is damaged and does not tell its id, so what it held cannot be found and stays. Put `id` back into the item \
         environment/{0} from a backup, then run this again: `latchkey env delete {0} --yes`"
    )]
    Unidentified(Tag),
    /// A key of an environment does not open.
    #[error(
        "the environment {tag} was left as it is, because one of its keys does not open: {cause}. Restore the environment's \
         item, and the table's keyring items, then run this again"
    )]
    Unopened {
        /// Which.
        tag: Tag,
        /// Why not.
        cause: KeyringError,
    },
    /// There is no such factor.
    #[error(
        "the environment {tag} has no {id}. `latchkey factors list --environment {tag} --user ID` shows a user's"
    )]
    NoFactor {
        /// Where it was looked for.
        tag: Tag,
        /// What.
        id: FactorId,
    },
    /// The factor changed each time it was to be written.
    #[error("{0} is being guessed at, and changed each time it was to be written. Run this again")]
    Contended(FactorId),
    /// New keys do not seal yet.
    #[error(
        "the newest keys seal from {0} on, when every warm function knows them. Run this again after that: \
         `latchkey keyring rewrap`"
    )]
    Unsettled(Timestamp),
    /// Some factors could not be sealed again.
    #[error(
        "could not seal {factors} of the factors again, so the keys they name are kept; the first is {first}. Run \
         `latchkey keyring rewrap` again; if it stays, the factor's item was damaged: restore it or delete the factor"
    )]
    Unsealed {
        /// How many.
        factors: usize,
        /// One of them, and what was wrong with it.
        first: String,
    },
    /// A key of an environment names an entry that is not in the keyring.
    #[error(
        "{0} is wrapped by {1}, which is not in the keyring. Restore the table's keyring items, then run this again"
    )]
    Lost(EnvironmentId, DataKeyId),
    /// The table cannot be used.
    #[error("{0}. {hint}", hint = hint::store(.0))]
    Store(#[from] StoreError),
    /// The keyring cannot be used.
    #[error("{0}{hint}", hint = hint::keyring(.0))]
    Keyring(#[from] KeyringError),
    /// KMS cannot be used.
    #[error("{0}. {hint}", hint = hint::kms(.0))]
    Kms(#[from] KmsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Local(#[from] ServeError),
    /// The environment's variables make no sense.
    #[error(transparent)]
    Variables(#[from] InvalidVariables),
    /// No randomness.
    #[error("{0}. Run this again")]
    Entropy(#[from] NoEntropy),
    /// What was found cannot be told.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// These environments cannot be read, by their tags.
    pub(crate) fn damaged_environments(items: Vec<DamagedItem>) -> Self {
        let hint = "Restore the environment's item from a backup, or give the environment up: `latchkey env delete TAG`. Its \
                    API keys can be revoked all the same: `latchkey keys revoke ID --environment TAG`";
        Self::DamagedItems { items, hint: hint.to_owned() }
    }

    /// These entries of the keyring cannot be read.
    pub(crate) fn damaged_data_keys(items: Vec<DamagedItem>) -> Self {
        let hint = "Restore the table's keyring items. What is sealed under other entries opens all the same";
        Self::DamagedItems { items, hint: hint.to_owned() }
    }

    /// These factors of an environment cannot be read.
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
