//! What every endpoint is given: the table, the seal, the policy, time and randomness.

use crate::domain::api_key::ApiKeyHash;
use crate::domain::environment::Environment;
use crate::domain::policy::{API_KEY_TRUSTED, API_KEYS_REMEMBERED, Policy};
use crate::domain::time::Timestamp;
use crate::ports::{Clock, Entropy, NoEntropy};
use crate::seal::Seal;
use crate::store::{Store, StoreError};
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What every endpoint is given. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The table.
    pub store: Store,
    /// Secrets at rest.
    pub seal: Seal,
    /// Limits.
    pub policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    known_keys: Arc<Mutex<HashMap<ApiKeyHash, (Environment, Timestamp)>>>,
}

impl Core {
    /// A core of its parts.
    pub fn new(
        store: Store,
        seal: Seal,
        policy: Policy,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { store, seal, policy: Arc::new(policy), clock, entropy, known_keys: Arc::default() }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Randomness for one request.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the operating system has none.
    pub fn rng(&self) -> Result<StdRng, NoEntropy> {
        self.entropy.rng()
    }

    /// The environment an API key speaks for: from memory for up to a minute, then from the table.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be asked.
    pub async fn environment_of(&self, hash: ApiKeyHash) -> Result<Option<Environment>, StoreError> {
        let now = self.now();
        if let Some((environment, until)) = self.known_keys().get(&hash).cloned()
            && now < until
        {
            return Ok(Some(environment));
        }
        let found = self.store.environment_of(&hash).await?;
        let mut known = self.known_keys();
        if known.len() >= API_KEYS_REMEMBERED {
            known.clear();
        }
        match &found {
            Some(environment) => known.insert(hash, (environment.clone(), now.plus(API_KEY_TRUSTED))),
            None => known.remove(&hash),
        };
        Ok(found)
    }

    fn known_keys(&self) -> std::sync::MutexGuard<'_, HashMap<ApiKeyHash, (Environment, Timestamp)>> {
        // A panic while holding the lock leaves at worst a key forgotten.
        self.known_keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
