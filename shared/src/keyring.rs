//! The keyring: wrapped data keys in the table, unwrapped once, and the root key that wraps them.

use crate::domain::id::DataKeyId;
use crate::seal::{self, SealError};
use rand::CryptoRng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};
use zeroize::Zeroizing;

/// The root of trust of a local deployment: 256 bits in a file only its owner can read.
#[derive(Clone)]
pub struct RootKey(Zeroizing<[u8; 32]>);

/// A data key: what the keys of every purpose are derived from. It has no `Debug` and leaves memory when dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

/// A data key at rest, wrapped by the root key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its name.
    pub id: DataKeyId,
    /// The wrapped key.
    pub bytes: Vec<u8>,
}

/// Every data key of a deployment. The newest one seals; all of them open.
#[derive(Clone)]
pub struct Keyring {
    keys: BTreeMap<DataKeyId, DataKey>,
    current: DataKeyId,
}

/// The keyring cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The table holds no data key yet.
    #[error("the table holds no data key: start `latchkey serve` on it once")]
    Empty,
    /// The root key does not open an entry: it is not the key that wrapped it.
    #[error("the root key does not open {0}: it is another deployment's")]
    WrongRoot(DataKeyId),
    /// An item names a data key the keyring does not hold.
    #[error("the keyring has no {0}")]
    Missing(DataKeyId),
}

/// The root key's file is of no use.
#[derive(Debug, thiserror::Error)]
#[error("the root key cannot be read from {}: {source}", file.display())]
pub struct RootKeyError {
    file: PathBuf,
    source: io::Error,
}

impl RootKey {
    /// A new root key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self(random_key(rng))
    }

    /// Reads a root key from its file: 32 bytes, nothing else.
    ///
    /// # Errors
    ///
    /// [`RootKeyError`] if the file cannot be read or holds anything else.
    pub fn read(file: &Path) -> Result<Self, RootKeyError> {
        let failed = |source| RootKeyError { file: file.to_owned(), source };
        let bytes = Zeroizing::new(fs::read(file).map_err(failed)?);
        let key =
            bytes.as_slice().try_into().map_err(|_| failed(io::Error::other("it does not hold 32 bytes")))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The bytes, to write them to a file.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A new data key, wrapped.
    ///
    /// # Errors
    ///
    /// [`SealError`] never happens for a key's 32 bytes.
    pub fn generate(&self, id: DataKeyId, rng: &mut impl CryptoRng) -> Result<WrappedKey, SealError> {
        let key = random_key(rng);
        let bytes = seal::encrypt(&self.0, &wrapping_context(id), key.as_slice(), rng)?;
        Ok(WrappedKey { id, bytes })
    }

    fn unwrap_key(&self, wrapped: &WrappedKey) -> Result<DataKey, KeyringError> {
        seal::decrypt(&self.0, &wrapping_context(wrapped.id), &wrapped.bytes)
            .and_then(|key| key.as_slice().try_into().ok())
            .map(|key| DataKey(Zeroizing::new(key)))
            .ok_or(KeyringError::WrongRoot(wrapped.id))
    }
}

impl DataKey {
    /// The key, to derive from.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Keyring {
    /// Unwraps every entry with the root key.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] without entries, [`KeyringError::WrongRoot`] if one does not open.
    pub fn open(root: &RootKey, entries: &[WrappedKey]) -> Result<Self, KeyringError> {
        let keys: BTreeMap<_, _> =
            entries.iter().map(|entry| Ok((entry.id, root.unwrap_key(entry)?))).collect::<Result<_, _>>()?;
        // Ids sort by the time they were made: the last is the newest.
        let current = *keys.keys().next_back().ok_or(KeyringError::Empty)?;
        Ok(Self { keys, current })
    }

    /// The key that seals.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Missing`] never happens for an opened keyring.
    pub(crate) fn current(&self) -> Result<(DataKeyId, &DataKey), KeyringError> {
        self.find(self.current).map(|key| (self.current, key))
    }

    /// The key an item names.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Missing`] if the keyring was read before the key was made, or the key is gone.
    pub(crate) fn find(&self, id: DataKeyId) -> Result<&DataKey, KeyringError> {
        self.keys.get(&id).ok_or(KeyringError::Missing(id))
    }
}

fn random_key(rng: &mut impl CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill_bytes(key.as_mut_slice());
    key
}

fn wrapping_context(id: DataKeyId) -> String {
    format!("latchkey/1/data-key/{id}")
}
