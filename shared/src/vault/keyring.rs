//! The keyring: data keys, stored in the table wrapped by KMS and cached unwrapped, and the environments' keys that
//! they wrap.
//!
//! ```text
//! KMS key ─wraps─▶ data keys (the keyring) ─wrap─▶ keys of environments ─derive─▶ keys of factors
//! ```
//!
//! Each environment has its own keys, so that deleting them makes its data unreadable. They are stored wrapped in the
//! environment's item and nowhere else.

mod error;

pub use error::KeyringError;

use crate::domain::environment::{DamagedEntry, Environment, Registration, Tag, WrappedDataKey, WrappedKey};
use crate::domain::id::{DataKeyId, EnvironmentId, EnvironmentKeyId};
use crate::domain::policy::NEW_KEY_DELAY;
use crate::domain::time::Timestamp;
use crate::store::schema::attr;
use crate::store::{Store, StoreError};
use crate::vault::cipher::{self, Key};
use crate::vault::kms::Kms;
use crate::vault::seal::Seal;
use futures_util::future::join_all;
use rand::CryptoRng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An unwrapped data key. Implements no `Debug` and is zeroed when dropped.
#[derive(Clone)]
pub struct DataKey(Key);

/// An unwrapped key of an environment. Implements no `Debug` and is zeroed when dropped.
#[derive(Clone)]
pub struct EnvironmentKey(pub(crate) Key);

/// The data keys of a deployment. Cheap to clone; clones share the same keys.
#[derive(Clone)]
pub struct Keyring {
    kms: Kms,
    store: Store,
    data_keys: Arc<Mutex<BTreeMap<DataKeyId, DataKey>>>,
}

impl AsRef<Self> for Keyring {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Keyring {
    /// The keyring in `store`, wrapped by `kms`. No data key is unwrapped yet.
    #[must_use]
    pub fn new(kms: Kms, store: Store) -> Self {
        Self { kms, store, data_keys: Arc::default() }
    }

    /// Unwraps every data key in advance: one query, then one KMS call per entry, all at once. A damaged entry is logged
    /// and skipped; it affects only what is sealed under it.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if there is no entry. Any other error if no entry can be unwrapped, or if unwrapping one
    /// fails temporarily.
    pub async fn load(&self) -> Result<(), KeyringError> {
        let entries = self.store.keyring().await?;
        let mut last_error = None;
        for damaged in &entries.damaged {
            tracing::error!(%damaged, "an entry of the keyring cannot be read");
            last_error = Some(StoreError::Corrupt(damaged.attribute).into());
        }
        for unwrapped in join_all(entries.readable.iter().map(|entry| self.unwrap_data_key(entry))).await {
            match unwrapped {
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "an entry of the keyring cannot be unwrapped");
                    last_error = Some(error);
                }
            }
        }
        if self.data_keys().is_empty() { Err(last_error.unwrap_or(KeyringError::Empty)) } else { Ok(()) }
    }

    /// The [`Seal`] of an environment, made of the environment's keys and the deployment's key for shared budgets. A
    /// damaged key is logged and skipped; it affects only what is sealed with it.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if no key can be unwrapped, or if unwrapping one fails temporarily.
    pub async fn seal(&self, registration: &Registration, now: Timestamp) -> Result<Seal, KeyringError> {
        let environment = registration.environment.id;
        let (keys, errors) = self.unwrap_all(registration).await?;
        for error in &errors {
            tracing::error!(%error, %environment, "a key of an environment cannot be unwrapped");
        }
        let Some(current) = active_key(keys.keys().map(|id| (*id, id.created_at())), now) else {
            return Err(errors.into_iter().next().unwrap_or(KeyringError::Erased(environment)));
        };
        Ok(Seal::new(environment, keys, current, &self.deployment_key(now)?.0))
    }

    /// IDs of the unwrapped data keys, oldest first.
    #[must_use]
    pub fn unwrapped_ids(&self) -> Vec<DataKeyId> {
        self.data_keys().keys().copied().collect()
    }

    /// A new environment with its first key, not written yet.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if no data key is unwrapped.
    pub fn new_environment(
        &self,
        tag: Tag,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Registration, KeyringError> {
        let environment = Environment { id: EnvironmentId::new(now, rng), tag };
        let keys = vec![self.new_key(environment.id, now, rng)?];
        let (api_keys, damaged) = (Vec::new(), Vec::new());
        Ok(Registration { environment, api_keys, keys, deleted_at: None, damaged })
    }

    /// A new key for an environment, wrapped by the newest data key.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if no data key is unwrapped.
    pub fn new_key(
        &self,
        environment: EnvironmentId,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<WrappedKey, KeyringError> {
        let (data_key, parent) = self
            .data_keys()
            .last_key_value()
            .map(|(id, key)| (*id, key.clone()))
            .ok_or(KeyringError::Empty)?;
        let id = EnvironmentKeyId::new(now, rng);
        let key = cipher::random_key(rng);
        let bytes = cipher::seal(&parent.0, &context(environment, id), key.as_slice(), rng);
        Ok(WrappedKey { id, data_key, bytes: bytes.ok_or(KeyringError::CannotOpen(id))? })
    }

    /// The errors of an environment's damaged keys.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if unwrapping a key fails temporarily.
    pub async fn key_errors(&self, registration: &Registration) -> Result<Vec<KeyringError>, KeyringError> {
        self.unwrap_all(registration).await.map(|(_, errors)| errors)
    }

    /// The keys of an environment that can be unwrapped, and the errors of those that cannot.
    async fn unwrap_all(
        &self,
        registration: &Registration,
    ) -> Result<(BTreeMap<EnvironmentKeyId, EnvironmentKey>, Vec<KeyringError>), KeyringError> {
        let (mut keys, mut errors) = (BTreeMap::new(), Vec::new());
        if registration.damaged.iter().any(|entry| matches!(entry, DamagedEntry::Key(_))) {
            errors.push(StoreError::Corrupt(attr::KEYS).into());
        }
        for wrapped in &registration.keys {
            match self.unwrap_key(registration.environment.id, wrapped).await {
                Ok(key) => drop(keys.insert(wrapped.id, key)),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => errors.push(error),
            }
        }
        Ok((keys, errors))
    }

    async fn unwrap_key(
        &self,
        environment: EnvironmentId,
        wrapped: &WrappedKey,
    ) -> Result<EnvironmentKey, KeyringError> {
        let parent = self.data_key(wrapped.data_key).await?;
        let key = cipher::open_key(&parent.0, &context(environment, wrapped.id), &wrapped.bytes);
        key.map(EnvironmentKey).ok_or(KeyringError::CannotOpen(wrapped.id))
    }

    /// The newest data key that every warm function has read.
    fn deployment_key(&self, now: Timestamp) -> Result<DataKey, KeyringError> {
        let data_keys = self.data_keys();
        let newest = active_key(data_keys.keys().map(|id| (*id, id.created_at())), now);
        newest.and_then(|id| data_keys.get(&id)).cloned().ok_or(KeyringError::Empty)
    }

    /// A data key. Read and unwrapped now if it was added after this function started.
    async fn data_key(&self, id: DataKeyId) -> Result<DataKey, KeyringError> {
        if let Some(key) = self.data_keys().get(&id) {
            return Ok(key.clone());
        }
        let entry = self.store.data_key(id).await?.ok_or(KeyringError::Missing(id))?;
        self.unwrap_data_key(&entry).await
    }

    async fn unwrap_data_key(&self, entry: &WrappedDataKey) -> Result<DataKey, KeyringError> {
        let key = DataKey(self.kms.unwrap_key(entry).await?);
        self.data_keys().insert(entry.id, key.clone());
        Ok(key)
    }

    fn data_keys(&self) -> MutexGuard<'_, BTreeMap<DataKeyId, DataKey>> {
        self.data_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest of `keys` that is older than [`NEW_KEY_DELAY`], so that every warm function has read it; the oldest, if
/// none is.
///
/// Functions re-read an environment's keys after a minute. The delay ensures that every function can open what is
/// sealed.
fn active_key<T>(keys: impl Iterator<Item = (T, Timestamp)>, now: Timestamp) -> Option<T> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_by_key(|(_, created_at)| *created_at);
    let young = keys.iter().rev().take_while(|(_, created_at)| created_at.plus(NEW_KEY_DELAY) > now).count();
    let active = keys.len().saturating_sub(young).saturating_sub(1);
    keys.into_iter().nth(active).map(|(key, _)| key)
}

fn context(environment: EnvironmentId, id: EnvironmentKeyId) -> String {
    format!("latchkey/1/environment-key/{environment}/{id}")
}

#[cfg(test)]
mod tests;
