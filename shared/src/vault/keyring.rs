//! The keyring: data keys, wrapped by KMS in the table, unwrapped once and held; and the keys of environments under them.
//!
//! ```text
//! KMS key ─wraps─▶ data keys (the keyring) ─wrap─▶ keys of environments ─derive─▶ keys of factors
//! ```
//!
//! An environment has keys of its own so that they can be destroyed with it. They stand wrapped in its item, and nowhere
//! else.

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
use rand::CryptoRng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An unwrapped entry. It has no `Debug` and leaves memory when dropped.
#[derive(Clone)]
pub struct DataKey(Key);

/// A key of an environment. It has no `Debug` and leaves memory when dropped.
#[derive(Clone)]
pub struct EnvironmentKey(pub(crate) Key);

/// The data keys of a deployment. Cheap to clone; a clone holds the same keys.
#[derive(Clone)]
pub struct Keyring {
    kms: Kms,
    store: Store,
    held: Arc<Mutex<BTreeMap<DataKeyId, DataKey>>>,
}

impl AsRef<Self> for Keyring {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Keyring {
    /// The keyring in `store`, wrapped by `kms`. It holds no key yet.
    #[must_use]
    pub fn new(kms: Kms, store: Store) -> Self {
        Self { kms, store, held: Arc::default() }
    }

    /// Unwraps every entry, so that no request has to: one query, and one call to KMS per entry. A damaged entry is logged
    /// and left out: it concerns only what is sealed under it.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] without entries; otherwise what keeps all of them from being unwrapped, or one for now.
    pub async fn load(&self) -> Result<(), KeyringError> {
        let entries = self.store.keyring().await?;
        let mut damage = None;
        for damaged in &entries.damaged {
            tracing::error!(%damaged, "an entry of the keyring does not read");
            damage = Some(StoreError::Corrupt(damaged.attribute).into());
        }
        for entry in &entries.readable {
            match self.hold(entry).await {
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "an entry of the keyring does not open");
                    damage = Some(error);
                }
            }
        }
        if self.held().is_empty() { Err(damage.unwrap_or(KeyringError::Empty)) } else { Ok(()) }
    }

    /// What seals and opens for an environment: its keys, and the deployment's for what all environments share. A damaged
    /// key is logged and left out: only what is sealed with it does not open.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if none of its keys can be unwrapped, or one cannot for now.
    pub async fn seal(&self, registration: &Registration, now: Timestamp) -> Result<Seal, KeyringError> {
        let environment = registration.environment.id;
        let (keys, damage) = self.unwrap_all(registration).await?;
        for error in &damage {
            tracing::error!(%error, %environment, "a key of an environment does not open");
        }
        let Some(current) = settled(keys.keys().map(|id| (*id, id.made_at())), now) else {
            return Err(damage.into_iter().next().unwrap_or(KeyringError::Erased(environment)));
        };
        Ok(Seal::new(environment, keys, current, &self.deployment_key(now)?.0))
    }

    /// The entries that are unwrapped, oldest first.
    #[must_use]
    pub fn open_entries(&self) -> Vec<DataKeyId> {
        self.held().keys().copied().collect()
    }

    /// A new environment with its first key. It is in no table yet.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if no entry is held.
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

    /// A new key for an environment, wrapped by the newest entry.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if no entry is held.
    pub fn new_key(
        &self,
        environment: EnvironmentId,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<WrappedKey, KeyringError> {
        let (data_key, parent) =
            self.held().last_key_value().map(|(id, key)| (*id, key.clone())).ok_or(KeyringError::Empty)?;
        let id = EnvironmentKeyId::new(now, rng);
        let key = cipher::random_key(rng);
        let bytes = cipher::seal(&parent.0, &context(environment, id), key.as_slice(), rng);
        Ok(WrappedKey { id, data_key, bytes: bytes.ok_or(KeyringError::Broken(id))? })
    }

    /// What is wrong with the keys of an environment, as far as they are damaged.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if one cannot be unwrapped for now.
    pub async fn damage(&self, registration: &Registration) -> Result<Vec<KeyringError>, KeyringError> {
        self.unwrap_all(registration).await.map(|(_, damage)| damage)
    }

    /// The keys of an environment, and what keeps the others from being unwrapped.
    async fn unwrap_all(
        &self,
        registration: &Registration,
    ) -> Result<(BTreeMap<EnvironmentKeyId, EnvironmentKey>, Vec<KeyringError>), KeyringError> {
        let (mut keys, mut damage) = (BTreeMap::new(), Vec::new());
        if registration.damaged.iter().any(|entry| matches!(entry, DamagedEntry::Key(_))) {
            damage.push(StoreError::Corrupt(attr::KEYS).into());
        }
        for wrapped in &registration.keys {
            match self.unwrap_key(registration.environment.id, wrapped).await {
                Ok(key) => drop(keys.insert(wrapped.id, key)),
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => damage.push(error),
            }
        }
        Ok((keys, damage))
    }

    async fn unwrap_key(
        &self,
        environment: EnvironmentId,
        wrapped: &WrappedKey,
    ) -> Result<EnvironmentKey, KeyringError> {
        let parent = self.find(wrapped.data_key).await?;
        let key = cipher::open_key(&parent.0, &context(environment, wrapped.id), &wrapped.bytes);
        key.map(EnvironmentKey).ok_or(KeyringError::Broken(wrapped.id))
    }

    /// The newest entry every function knows of.
    fn deployment_key(&self, now: Timestamp) -> Result<DataKey, KeyringError> {
        let held = self.held();
        let newest = settled(held.keys().map(|id| (*id, id.made_at())), now);
        newest.and_then(|id| held.get(&id)).cloned().ok_or(KeyringError::Empty)
    }

    /// An entry; unwrapped now if it was added after this function started.
    async fn find(&self, id: DataKeyId) -> Result<DataKey, KeyringError> {
        if let Some(key) = self.held().get(&id) {
            return Ok(key.clone());
        }
        let entry = self.store.data_key(id).await?.ok_or(KeyringError::Missing(id))?;
        self.hold(&entry).await
    }

    async fn hold(&self, entry: &WrappedDataKey) -> Result<DataKey, KeyringError> {
        let key = DataKey(self.kms.unwrap_key(entry).await?);
        self.held().insert(entry.id, key.clone());
        Ok(key)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<DataKeyId, DataKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest of `keys` that is old enough for every warm function to have heard of it; the oldest, if none is.
///
/// A function reads an environment's keys again after a minute, so nothing is sealed under a key that another function
/// could not open.
pub fn settled<T>(keys: impl Iterator<Item = (T, Timestamp)>, now: Timestamp) -> Option<T> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_by_key(|(_, made_at)| *made_at);
    let young = keys.iter().rev().take_while(|(_, made_at)| made_at.plus(NEW_KEY_DELAY) > now).count();
    let newest = keys.len().saturating_sub(young).saturating_sub(1);
    keys.into_iter().nth(newest).map(|(key, _)| key)
}

fn context(environment: EnvironmentId, id: EnvironmentKeyId) -> String {
    format!("latchkey/1/environment-key/{environment}/{id}")
}

#[cfg(test)]
mod tests;
