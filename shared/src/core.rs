//! What every function needs: the table, the policy, time and randomness, and who makes a request.
//!
//! A core opens nothing that is sealed. A function that does is given a [`Keyring`](crate::vault::keyring::Keyring) beside it.

mod environment_cache;

pub use environment_cache::Caller;

use crate::domain::api_key::ApiKey;
use crate::domain::policy::{Policy, UNKNOWN_KEY_DELAY};
use crate::domain::time::Timestamp;
use crate::ports::{Clock, Entropy, NoEntropy};
use crate::store::{Store, StoreError};
use environment_cache::EnvironmentCache;
use rand::rngs::StdRng;
use std::sync::Arc;

/// What every endpoint is given. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The table.
    pub store: Store,
    /// Limits.
    pub policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    environments: Arc<EnvironmentCache>,
}

impl Core {
    /// A core of its parts.
    pub fn new(store: Store, policy: Policy, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, policy: Arc::new(policy), clock, entropy, environments: Arc::default() }
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

    /// Authenticates `key`; `None` if it is unknown, revoked or expired. That takes as long for an environment that does not
    /// exist as for one that does.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read.
    pub async fn authenticate(&self, key: &ApiKey) -> Result<Option<Caller>, StoreError> {
        let refusal = tokio::time::sleep(UNKNOWN_KEY_DELAY);
        let caller = self.environments.find(key, &self.store, self.now()).await?;
        if caller.is_none() {
            refusal.await;
        }
        Ok(caller)
    }
}
