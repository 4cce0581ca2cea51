//! Authentication of requests, with a cache of environments.

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

/// The authenticated caller of a request: an API key and its environment.
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

/// The environments that were read within [`API_KEY_CACHE_TTL`], and the list of all tags.
#[derive(Default)]
pub(super) struct EnvironmentCache {
    environments: Mutex<HashMap<Tag, Arc<CachedEnvironment>>>,
    tags: Mutex<TagList>,
}

/// The tags of all environments. Read only while keys of unknown environments are presented, so that such keys are
/// refused without one read each.
#[derive(Default)]
struct TagList {
    tags: BTreeSet<Tag>,
    read_at: Option<Timestamp>,
    /// When an unknown tag was last presented.
    missed_at: Option<Timestamp>,
}

/// An environment as read from the table.
struct CachedEnvironment {
    registration: Registration,
    read_at: Timestamp,
    /// Whether it was read for an unknown key. Only such a read saves the next unknown key a read: the cost of an
    /// unknown key, and the response to it while the table fails, must not depend on requests of other callers.
    read_for_unknown_key: bool,
    seal: OnceCell<Arc<Seal>>,
}

impl EnvironmentCache {
    /// Authenticates `key`. Returns `None` if it is unknown, revoked or expired.
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
            // An unknown key may be newer than the cached environment.
            let looked_up =
                cached.read_for_unknown_key && is_within(UNKNOWN_KEY_READ_INTERVAL, cached.read_at, now);
            if caller.is_some() || looked_up {
                return Ok(caller);
            }
        } else if !self.may_exist(tag, store, now).await? {
            return Ok(None);
        }
        // While the table fails, the list of tags must not be used either: different responses would reveal which tags
        // exist.
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
        let mut environments = self.environments();
        // Dropping an entry also drops the environment's unwrapped keys, once no request uses them (SEC-04).
        environments.retain(|_, cached| is_within(API_KEY_CACHE_TTL, cached.read_at, now));
        if environments.len() >= MAX_CACHED_ENVIRONMENTS {
            environments.clear();
        }
        environments.insert(tag.clone(), Arc::clone(&cached));
        Ok(caller(&cached, &hash, now))
    }

    /// Whether an environment with this tag may exist. Checks the list of tags only if an unknown tag was presented
    /// recently; a function that gets only valid keys never reads the list.
    async fn may_exist(&self, tag: &Tag, store: &Store, now: Timestamp) -> Result<bool, StoreError> {
        let is_within = |age, then: Option<_>| then.is_some_and(|then| is_within(age, then, now));
        let (missed_recently, fresh) = {
            let tags = self.tags();
            (is_within(API_KEY_CACHE_TTL, tags.missed_at), is_within(UNKNOWN_KEY_READ_INTERVAL, tags.read_at))
        };
        if !missed_recently {
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
        // After a panic, the map is still consistent.
        self.environments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tags(&self) -> MutexGuard<'_, TagList> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `then` is less than `age` ago. False for a time in the future, which means that the clock was set back.
fn is_within(age: Duration, then: Timestamp, now: Timestamp) -> bool {
    then <= now && now < then.plus(age)
}

impl Caller {
    /// The seal of the caller's environment. Its keys are unwrapped when the first request needs them, and cached with
    /// the environment.
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
