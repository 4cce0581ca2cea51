//! Who makes a request: an API key and its environment, which is cached for a minute.

use crate::domain::api_key::{ApiKey, ApiKeyHash};
use crate::domain::environment::{Environment, Registration, Tag};
use crate::domain::id::ApiKeyId;
use crate::domain::policy::{API_KEY_CACHE_TTL, MAX_CACHED_ENVIRONMENTS, UNKNOWN_KEY_READ_INTERVAL};
use crate::domain::scope::Scope;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};
use crate::vault::keyring::{Keyring, KeyringError};
use crate::vault::seal::Seal;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Who makes a request: an API key that was accepted, and its environment.
#[derive(Clone)]
pub struct Caller {
    /// The ID of the API key.
    pub key: ApiKeyId,
    /// What the key may do.
    pub scope: Scope,
    /// The environment of the key.
    pub environment: Environment,
    cached: Arc<CachedEnvironment>,
}

/// The environments that were read within the last minute, and the tags of all of them.
#[derive(Default)]
pub(super) struct EnvironmentCache {
    environments: Mutex<HashMap<Tag, Arc<CachedEnvironment>>>,
    tags: Mutex<TagList>,
}

/// The tags of all environments. They are read only while keys of environments that do not exist are presented, so that
/// such a key is refused without a read of its own.
#[derive(Default)]
struct TagList {
    tags: BTreeSet<Tag>,
    read_at: Option<Timestamp>,
    /// When a tag that no environment has was last presented.
    missed_at: Option<Timestamp>,
}

/// An environment as it was read.
struct CachedEnvironment {
    registration: Registration,
    read_at: Timestamp,
    /// Whether it was read for an unknown key. Only that spares the next unknown key a read: what such a key costs, and its
    /// answer while the table fails, must not depend on other callers' requests.
    read_for_unknown_key: bool,
    seal: OnceCell<Arc<Seal>>,
}

impl EnvironmentCache {
    /// The caller with `key`; `None` if the key is unknown, revoked or expired.
    pub(super) async fn find(
        &self,
        key: &ApiKey,
        store: &Store,
        now: Timestamp,
    ) -> Result<Option<Caller>, StoreError> {
        let (tag, hash) = (key.tag(), key.hash());
        if let Some(cached) =
            self.cached(tag).filter(|cached| is_within(API_KEY_CACHE_TTL, cached.read_at, now))
        {
            let caller = caller(&cached, &hash, now);
            // An unknown key may be newer than what was read.
            let looked_up =
                cached.read_for_unknown_key && is_within(UNKNOWN_KEY_READ_INTERVAL, cached.read_at, now);
            if caller.is_some() || looked_up {
                return Ok(caller);
            }
        } else if !self.may_exist(tag, store, now).await? {
            return Ok(None);
        }
        // While the table fails, the list of tags must not answer either: the difference would tell which tags exist.
        let read = store.environment(tag).await.inspect_err(|_| self.tags().read_at = None)?;
        let Some(registration) = read else {
            self.environments().remove(tag);
            self.tags().missed_at = Some(now);
            self.read_tags(store, now).await?;
            return Ok(None);
        };
        let read_for_unknown_key = registration.api_key(&hash, now).is_none();
        let cached =
            CachedEnvironment { registration, read_at: now, read_for_unknown_key, seal: OnceCell::new() };
        let cached = Arc::new(cached);
        let mut all = self.environments();
        // An entry that is dropped takes the environment's unwrapped keys with it, once no request uses them (SEC-04).
        all.retain(|_, cached| is_within(API_KEY_CACHE_TTL, cached.read_at, now));
        if all.len() >= MAX_CACHED_ENVIRONMENTS {
            all.clear();
        }
        all.insert(tag.clone(), Arc::clone(&cached));
        Ok(caller(&cached, &hash, now))
    }

    /// Whether there may be an environment with this tag: by the list of them, if a tag that is not in it was presented
    /// lately. A cold function that is asked with real keys only never reads the list.
    async fn may_exist(&self, tag: &Tag, store: &Store, now: Timestamp) -> Result<bool, StoreError> {
        let is_within = |age, then: Option<_>| then.is_some_and(|then| is_within(age, then, now));
        let (missed, fresh) = {
            let tags = self.tags();
            (is_within(API_KEY_CACHE_TTL, tags.missed_at), is_within(UNKNOWN_KEY_READ_INTERVAL, tags.read_at))
        };
        if !missed {
            return Ok(true);
        }
        if !fresh {
            self.read_tags(store, now).await?;
        }
        let mut tags = self.tags();
        let listed = tags.tags.contains(tag);
        if !listed {
            tags.missed_at = Some(now);
        }
        Ok(listed)
    }

    async fn read_tags(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let read = store.environment_tags().await?;
        let mut list = self.tags();
        (list.tags, list.read_at) = (read, Some(now));
        Ok(())
    }

    fn cached(&self, tag: &Tag) -> Option<Arc<CachedEnvironment>> {
        self.environments().get(tag).cloned()
    }

    fn environments(&self) -> MutexGuard<'_, HashMap<Tag, Arc<CachedEnvironment>>> {
        // A panic while holding the lock loses at most the cached environments.
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tags(&self) -> MutexGuard<'_, TagList> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `then` is less than `age` ago. A moment in the future is not: the clock was set back.
fn is_within(age: Duration, then: Timestamp, now: Timestamp) -> bool {
    then <= now && now < then.plus(age)
}

impl Caller {
    /// What seals and opens for the caller's environment. Its keys are unwrapped when the first request needs them, and
    /// cached with the environment.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if they cannot be unwrapped.
    pub async fn seal(&self, keyring: &Keyring, now: Timestamp) -> Result<Arc<Seal>, KeyringError> {
        let open = async || keyring.seal(&self.cached.registration, now).await.map(Arc::new);
        self.cached.seal.get_or_try_init(open).await.cloned()
    }
}

fn caller(cached: &Arc<CachedEnvironment>, hash: &ApiKeyHash, now: Timestamp) -> Option<Caller> {
    let key = cached.registration.api_key(hash, now)?;
    let environment = cached.registration.environment.clone();
    Some(Caller { key: key.id, scope: key.scope, environment, cached: Arc::clone(cached) })
}
