//! The keyring: data keys, wrapped by KMS in the table, unwrapped once and held; and the keys of environments under them.
//!
//! ```text
//! KMS key ─wraps─▶ data keys (the keyring) ─wrap─▶ keys of environments ─derive─▶ keys of factors
//! ```
//!
//! An environment has keys of its own so that they can be destroyed with it. They stand wrapped in its item, and nowhere
//! else.

use crate::cipher::{self, Key};
use crate::domain::environment::{Environment, Registration, Tag, WrappedKey};
use crate::domain::id::{DataKeyId, EnvironmentId, EnvironmentKeyId};
use crate::domain::policy::KEY_SETTLES;
use crate::domain::time::Timestamp;
use crate::kms::{Kms, KmsError, WrappedDataKey};
use crate::seal::Seal;
use crate::store::{Store, StoreError};
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

/// A key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The table holds no data key yet.
    #[error("the table holds no data key: run `latchkey init`")]
    Empty,
    /// Something names a data key the table does not hold.
    #[error("the keyring has no {0}")]
    Missing(DataKeyId),
    /// A wrapped key is not what was wrapped for this environment.
    #[error("{0} does not open")]
    Broken(EnvironmentKeyId),
    /// The environment has no key: it was deleted.
    #[error("{0} has no key")]
    Erased(EnvironmentId),
    /// The table cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// KMS cannot be asked.
    #[error(transparent)]
    Kms(#[from] KmsError),
}

impl Keyring {
    /// The keyring in `store`, wrapped by `kms`. It holds no key yet.
    #[must_use]
    pub fn new(kms: Kms, store: Store) -> Self {
        Self { kms, store, held: Arc::default() }
    }

    /// Unwraps every entry, so that no request has to: one query, and one call to KMS an entry.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] without entries; otherwise what keeps one from being unwrapped.
    pub async fn load(&self) -> Result<(), KeyringError> {
        let entries = self.store.keyring().await?;
        if entries.is_empty() {
            return Err(KeyringError::Empty);
        }
        for entry in &entries {
            self.hold(entry).await?;
        }
        Ok(())
    }

    /// Adds an entry. New keys of environments are wrapped by the newest one.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if KMS makes none, or nobody knows whether it was written.
    pub async fn rotate(&self, now: Timestamp, rng: &mut impl CryptoRng) -> Result<DataKeyId, KeyringError> {
        let (key, entry) = self.kms.generate(DataKeyId::new(now, rng)).await?;
        self.store.add_data_key(&entry).await?;
        self.held().insert(entry.id, DataKey(key));
        Ok(entry.id)
    }

    /// A new environment with its first key. It is in no table yet.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if no entry is held.
    pub fn environment(
        &self,
        tag: Tag,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Registration, KeyringError> {
        let environment = Environment { id: EnvironmentId::new(now, rng), tag };
        let keys = vec![self.key_for(environment.id, now, rng)?];
        Ok(Registration { environment, api_keys: Vec::new(), keys, deleted_at: None })
    }

    /// A new key for an environment, wrapped by the newest entry.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Empty`] if no entry is held.
    pub fn key_for(
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

    /// What seals and opens for an environment: its keys, and the deployment's for what all environments share.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if one of its keys cannot be unwrapped.
    pub async fn seal(&self, registration: &Registration, now: Timestamp) -> Result<Seal, KeyringError> {
        let environment = registration.environment.id;
        let mut keys = BTreeMap::new();
        for wrapped in &registration.keys {
            let parent = self.find(wrapped.data_key).await?;
            let key = cipher::open_key(&parent.0, &context(environment, wrapped.id), &wrapped.bytes);
            keys.insert(wrapped.id, EnvironmentKey(key.ok_or(KeyringError::Broken(wrapped.id))?));
        }
        let current = settled(keys.keys().map(|id| (*id, id.made_at())), now);
        let current = current.ok_or(KeyringError::Erased(environment))?;
        Ok(Seal::new(keys, current, &self.deployment_key(now)?.0))
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
    let young = keys.iter().rev().take_while(|(_, made_at)| made_at.plus(KEY_SETTLES) > now).count();
    let newest = keys.len().saturating_sub(young).saturating_sub(1);
    keys.into_iter().nth(newest).map(|(key, _)| key)
}

fn context(environment: EnvironmentId, id: EnvironmentKeyId) -> String {
    format!("latchkey/1/environment-key/{environment}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sec_07_a_new_key_seals_once_every_function_has_heard_of_it() {
        let now = Timestamp::from_millis(1_800_000_000_000).unwrap();
        let ages = |ages: &[u64]| {
            let keys = ages.iter().map(|age| (*age, now.minus(Duration::from_secs(*age))));
            settled(keys.collect::<Vec<_>>().into_iter(), now)
        };
        let settles = KEY_SETTLES.as_secs();
        assert_eq!(ages(&[]), None);
        assert_eq!(ages(&[0]), Some(0), "there is no other");
        assert_eq!(ages(&[0, 500]), Some(500));
        assert_eq!(ages(&[settles - 1, 500]), Some(500));
        assert_eq!(ages(&[500, settles]), Some(settles));
        assert_eq!(ages(&[1, settles, 500]), Some(settles));
        assert_eq!(ages(&[1, 2]), Some(2), "all are young: the oldest");
    }
}
