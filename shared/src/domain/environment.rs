//! Environments (tenants). A request's environment comes only from its API key and is part of every partition key.

use super::api_key::{ApiKeyEntry, ApiKeyHash};
use super::id::{ApiKeyId, DataKeyId, EnvironmentId, EnvironmentKeyId};
use super::text::escaped;
use super::time::Timestamp;
use std::fmt;

/// An environment, as identified by an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The environment ID, used in the table.
    pub id: EnvironmentId,
    /// The tag, used by operators and in API keys.
    pub tag: Tag,
}

/// An environment's short name, visible in its API keys: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// An environment as stored: its API keys and its encryption keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The environment.
    pub environment: Environment,
    /// The API keys.
    pub api_keys: Vec<ApiKeyEntry>,
    /// The encryption keys, oldest first; empty once the environment is deleted.
    pub keys: Vec<WrappedKey>,
    /// When it was deleted, while its items are still being removed.
    pub deleted_at: Option<Timestamp>,
    /// Entries of its item that cannot be read. They do not affect the other entries.
    pub damaged: Vec<DamagedEntry>,
}

/// An unreadable entry of an environment's item, by its ID without the prefix as found in the table. Displays as the
/// full ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamagedEntry {
    /// An API key. It is not accepted.
    ApiKey(String),
    /// An encryption key. It opens nothing.
    Key(String),
}

/// An entry of the keyring: a data key wrapped by the KMS key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// The data key ID.
    pub id: DataKeyId,
    /// The ciphertext from KMS.
    pub bytes: Vec<u8>,
}

/// An encryption key of an environment, wrapped by a data key of the keyring (see `vault/keyring.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The environment key ID.
    pub id: EnvironmentKeyId,
    /// The data key that wraps it.
    pub data_key: DataKeyId,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

impl Registration {
    /// The live API key with this hash. Compares every entry, so that the duration does not depend on the position.
    #[must_use]
    pub fn api_key(&self, hash: &ApiKeyHash, now: Timestamp) -> Option<&ApiKeyEntry> {
        let found =
            self.api_keys.iter().fold(None, |found, key| if key.matches(hash) { Some(key) } else { found });
        found.filter(|key| self.deleted_at.is_none() && key.is_live(now))
    }
}

impl fmt::Display for DamagedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, id) = match self {
            Self::ApiKey(id) => (ApiKeyId::PREFIX, id),
            Self::Key(id) => (EnvironmentKeyId::PREFIX, id),
        };
        write!(f, "{prefix}{}", escaped(id))
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wrapped by {}", self.id, self.data_key)
    }
}

/// The text is not 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 32 lower-case letters, digits and hyphens")]
pub struct MalformedTag;

impl Tag {
    /// Parses a tag.
    ///
    /// # Errors
    ///
    /// [`MalformedTag`] for any other text.
    pub fn parse(text: &str) -> Result<Self, MalformedTag> {
        let fits = (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(MalformedTag) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The progress of an environment's deletion. Can be read even if the rest of the item is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionState {
    /// The environment ID; `None` if it cannot be read, in which case the environment's items cannot be found.
    pub id: Option<EnvironmentId>,
    /// When the keys were erased; `None` if they were not, or if the time cannot be read.
    pub deleted_at: Option<Timestamp>,
}
