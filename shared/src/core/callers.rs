//! Who asks: an API key and the environment it speaks for, remembered for a minute.

use crate::domain::api_key::{ApiKey, ApiKeyHash, Scope};
use crate::domain::environment::{Environment, Registration, Tag};
use crate::domain::id::ApiKeyId;
use crate::domain::policy::{API_KEY_TRUSTED, ENVIRONMENTS_REMEMBERED, UNKNOWN_KEY_PAUSE};
use crate::domain::time::Timestamp;
use crate::keyring::{Keyring, KeyringError};
use crate::seal::Seal;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Who asks.
#[derive(Clone)]
pub struct Caller {
    /// The API key's name.
    pub key: ApiKeyId,
    /// What it may do.
    pub scope: Scope,
    /// The environment it speaks for.
    pub environment: Environment,
    known: Arc<Known>,
}

/// The environments that have asked within the last minute.
#[derive(Default)]
pub(super) struct Callers(Mutex<HashMap<Tag, Arc<Known>>>);

/// An environment as it was read.
struct Known {
    registration: Registration,
    read_at: Timestamp,
    seal: OnceCell<Arc<Seal>>,
}

impl Callers {
    pub(super) async fn find(
        &self,
        key: &ApiKey,
        store: &Store,
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        let (tag, hash) = (key.tag(), key.hash());
        if let Some(known) = self.known(tag).filter(|known| known.is_younger_than(API_KEY_TRUSTED, now)) {
            let caller = caller(&known, &hash, now);
            // A key that is not in there may be newer than what was read.
            if caller.is_some() || known.is_younger_than(UNKNOWN_KEY_PAUSE, now) {
                return Ok(caller);
            }
        }
        let Some(registration) = store.environment(tag).await? else {
            self.lock().remove(tag);
            return Ok(None);
        };
        let known = Arc::new(Known { registration, read_at: now, seal: OnceCell::new() });
        let mut all = self.lock();
        // With it go its keys, if no request is using them any more (SEC-04).
        all.retain(|_, known| known.is_younger_than(API_KEY_TRUSTED, now));
        if all.len() >= ENVIRONMENTS_REMEMBERED {
            all.clear();
        }
        all.insert(tag.clone(), Arc::clone(&known));
        Ok(caller(&known, &hash, now))
    }

    fn known(&self, tag: &Tag) -> Option<Arc<Known>> {
        self.lock().get(tag).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tag, Arc<Known>>> {
        // A panic while holding the lock leaves at worst an environment forgotten.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_younger_than(&self, age: Duration, now: Timestamp) -> bool {
        // A read in the future is of no known age: the clock was set back.
        self.read_at <= now && now < self.read_at.plus(age)
    }
}

impl Caller {
    pub(super) async fn seal(&self, keyring: &Keyring, now: Timestamp) -> Result<Arc<Seal>, KeyringError> {
        let open = async || keyring.seal(&self.known.registration, now).await.map(Arc::new);
        self.known.seal.get_or_try_init(open).await.cloned()
    }
}

fn caller(known: &Arc<Known>, hash: &ApiKeyHash, now: Timestamp) -> Option<Caller> {
    let key = known.registration.api_key(hash, now)?;
    let environment = known.registration.environment.clone();
    Some(Caller { key: key.id, scope: key.scope, environment, known: Arc::clone(known) })
}
