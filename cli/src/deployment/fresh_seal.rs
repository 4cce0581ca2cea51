//! The seal of an environment for a command that runs longer than keys stay the same.

use super::Deployment;
use crate::error::Error;
use shared::domain::environment::{Registration, Tag};
use shared::domain::policy::API_KEY_CACHE_TTL;
use shared::domain::time::Timestamp;
use shared::vault::keyring::Keyring;
use shared::vault::seal::Seal;
use std::sync::Arc;

/// The seal of an environment, read again every minute as in a function: after a rotation nothing is sealed with an old
/// key that a rewrap may remove, and what was sealed with a new key can be opened. Fails once the environment is being
/// deleted.
pub(crate) struct FreshSeal {
    tag: Tag,
    keyring: Keyring,
    seal: Arc<Seal>,
    read_at: Timestamp,
}

impl FreshSeal {
    /// The seal of an environment.
    ///
    /// # Errors
    ///
    /// [`Error`] if its keys cannot be unwrapped.
    pub(crate) async fn new(deployment: &Deployment, registration: Registration) -> Result<Self, Error> {
        let (keyring, read_at) = (deployment.keyring().await?, deployment.now());
        let seal = Arc::new(keyring.seal(&registration, read_at).await?);
        Ok(Self { tag: registration.environment.tag, keyring, seal, read_at })
    }

    /// The seal, at most a minute old.
    ///
    /// # Errors
    ///
    /// [`Error`] if the environment no longer exists, or its keys cannot be unwrapped.
    pub(crate) async fn current(&mut self, deployment: &Deployment) -> Result<Arc<Seal>, Error> {
        let now = deployment.now();
        if now >= self.read_at.plus(API_KEY_CACHE_TTL) {
            let registration = deployment.environment(&self.tag).await?;
            self.seal = Arc::new(self.keyring.seal(&registration, now).await?);
            self.read_at = now;
        }
        Ok(Arc::clone(&self.seal))
    }
}
