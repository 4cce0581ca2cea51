//! An environment: the tenant. It comes only from an API key and is part of every partition key.

use super::api_key::{ApiKeyEntry, ApiKeyHash};
use super::id::{ApiKeyId, DataKeyId, EnvironmentId, EnvironmentKeyId};
use super::text::escaped;
use super::time::Timestamp;
use std::fmt;

/// An environment an API key speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name in the table.
    pub id: EnvironmentId,
    /// Its name for people.
    pub tag: Tag,
}

/// An environment's short name, visible in its API keys: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// An environment as the table keeps it: who may speak for it, and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The environment.
    pub environment: Environment,
    /// Its API keys.
    pub api_keys: Vec<ApiKeyEntry>,
    /// Its keys, oldest first; none once it is deleted.
    pub keys: Vec<WrappedKey>,
    /// When it was deleted, if what it holds is still being removed.
    pub deleted_at: Option<Timestamp>,
    /// Entries of its item that do not read. The others are as good as before.
    pub damaged: Vec<DamagedEntry>,
}

/// An entry of an environment's item that does not read, by its id without the prefix, as it stands there. Displays as
/// the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamagedEntry {
    /// An API key that authenticates no one.
    ApiKey(String),
    /// A key that opens nothing.
    Key(String),
}

/// A data key at rest, wrapped by the KMS key: an entry of the keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// Its name.
    pub id: DataKeyId,
    /// What KMS gave for it.
    pub bytes: Vec<u8>,
}

/// A key of an environment at rest, wrapped by an entry of the keyring (see `vault/keyring.rs`).
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its name.
    pub id: EnvironmentKeyId,
    /// The entry that wraps it.
    pub data_key: DataKeyId,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

impl Registration {
    /// The live API key that hashes to `hash`. Every entry is looked at, whichever it is.
    #[must_use]
    pub fn api_key(&self, hash: &ApiKeyHash, now: Timestamp) -> Option<&ApiKeyEntry> {
        let found =
            self.api_keys.iter().fold(None, |found, key| if key.is_of(hash) { Some(key) } else { found });
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
#[error("an environment's tag is 1 to 32 lower-case letters, digits and hyphens")]
pub struct MalformedTag;

impl Tag {
    /// Reads a tag.
    ///
    /// # Errors
    ///
    /// [`MalformedTag`] for everything but 1 to 32 of `a-z`, `0-9` and `-`.
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

/// How far the deletion of an environment is. It reads even if the environment is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionState {
    /// The environment; `None` if that does not read, so that what it holds cannot be found.
    pub id: Option<EnvironmentId>,
    /// When it was erased; `None` if it was not, or if that does not read.
    pub deleted_at: Option<Timestamp>,
}
