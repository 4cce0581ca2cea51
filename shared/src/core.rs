//! The services that every function needs: the table, the policy, the clock, randomness, and authentication.
//!
//! A core cannot open sealed secrets. Functions that do so get a [`Keyring`](crate::vault::keyring::Keyring) in
//! addition.

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

/// The services that every endpoint gets. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The table.
    pub store: Store,
    /// Security limits.
    pub policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    environments: Arc<EnvironmentCache>,
}

impl Core {
    /// Creates a core.
    pub fn new(store: Store, policy: Policy, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, policy: Arc::new(policy), clock, entropy, environments: Arc::default() }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A random number generator for one request.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the operating system returns no random bytes.
    pub fn rng(&self) -> Result<StdRng, NoEntropy> {
        self.entropy.rng()
    }

    /// Authenticates `key`. Returns `None` if it is unknown, revoked or expired, after a delay that hides whether the
    /// environment exists.
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
