//! What every endpoint is given: the table, the keyring, the policy, time and randomness.

mod callers;

pub use callers::Caller;

use crate::domain::api_key::ApiKey;
use crate::domain::policy::{Policy, UNKNOWN_KEY_DELAY};
use crate::domain::time::Timestamp;
use crate::ports::{Clock, Entropy, NoEntropy};
use crate::store::{Store, StoreError};
use crate::vault::keyring::{Keyring, KeyringError};
use crate::vault::seal::Seal;
use callers::Callers;
use rand::rngs::StdRng;
use std::sync::Arc;

/// What every endpoint is given. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The table.
    pub store: Store,
    /// Keys.
    pub keyring: Keyring,
    /// Limits.
    pub policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    callers: Arc<Callers>,
}

impl Core {
    /// A core of its parts.
    pub fn new(
        store: Store,
        keyring: Keyring,
        policy: Policy,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { store, keyring, policy: Arc::new(policy), clock, entropy, callers: Arc::default() }
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

    /// Who asks with `key`; `None` if it is not one of ours, revoked or expired. That takes as long for an environment that
    /// does not exist as for one that does.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be asked.
    pub async fn caller(&self, key: &ApiKey) -> Result<Option<Caller>, StoreError> {
        let refusal = tokio::time::sleep(UNKNOWN_KEY_DELAY);
        let caller = self.callers.find(key, &self.store, self.now()).await?;
        if caller.is_none() {
            refusal.await;
        }
        Ok(caller)
    }

    /// What seals and opens for a caller's environment: its keys are unwrapped when the first request needs them.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if they cannot be.
    pub async fn seal(&self, caller: &Caller) -> Result<Arc<Seal>, KeyringError> {
        caller.seal(&self.keyring, self.now()).await
    }
}
