//! Who asks: an API key and the environment it speaks for, remembered for a minute.

use crate::domain::api_key::{ApiKey, ApiKeyHash, Scope};
use crate::domain::environment::{Environment, Registration, Tag};
use crate::domain::id::ApiKeyId;
use crate::domain::policy::{API_KEY_TRUSTED, ENVIRONMENTS_REMEMBERED, UNKNOWN_KEY_PAUSE};
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};
use crate::vault::keyring::{Keyring, KeyringError};
use crate::vault::seal::Seal;
use std::collections::{BTreeSet, HashMap};
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

/// The environments that have asked within the last minute, and what is known of those there are.
#[derive(Default)]
pub(super) struct Callers {
    known: Mutex<HashMap<Tag, Arc<Known>>>,
    listing: Mutex<Listing>,
}

/// The tags of all environments. They are read only while keys of environments that do not exist are presented, so that
/// such a key is refused without a read of its own.
#[derive(Default)]
struct Listing {
    tags: BTreeSet<Tag>,
    read_at: Option<Timestamp>,
    /// When a tag that no environment has was last presented.
    missed_at: Option<Timestamp>,
}

/// An environment as it was read.
struct Known {
    registration: Registration,
    read_at: Timestamp,
    /// Whether it was read for a key that is not in it. Only that spares the next such key a read: what such a key costs,
    /// and its answer while the table fails, must not depend on who else has asked.
    in_vain: bool,
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
        if let Some(known) = self.known(tag).filter(|known| is_within(API_KEY_TRUSTED, known.read_at, now)) {
            let caller = caller(&known, &hash, now);
            // A key that is not in there may be newer than what was read.
            let looked_up = known.in_vain && is_within(UNKNOWN_KEY_PAUSE, known.read_at, now);
            if caller.is_some() || looked_up {
                return Ok(caller);
            }
        } else if !self.may_exist(tag, store, now).await? {
            return Ok(None);
        }
        // While the table fails, what the list says must not be answered beside it.
        let read = store.environment(tag).await.inspect_err(|_| self.listing().read_at = None)?;
        let Some(registration) = read else {
            self.lock().remove(tag);
            self.listing().missed_at = Some(now);
            self.list(store, now).await?;
            return Ok(None);
        };
        let in_vain = registration.api_key(&hash, now).is_none();
        let known = Arc::new(Known { registration, read_at: now, in_vain, seal: OnceCell::new() });
        let mut all = self.lock();
        // With it go its keys, if no request is using them any more (SEC-04).
        all.retain(|_, known| is_within(API_KEY_TRUSTED, known.read_at, now));
        if all.len() >= ENVIRONMENTS_REMEMBERED {
            all.clear();
        }
        all.insert(tag.clone(), Arc::clone(&known));
        Ok(caller(&known, &hash, now))
    }

    /// Whether there may be an environment with this tag: by the list of them, if a tag that is not in it was presented
    /// lately. A cold function that is asked with real keys only never reads the list.
    async fn may_exist(&self, tag: &Tag, store: &Store, now: Timestamp) -> Result<bool, StoreError> {
        let is_within = |age, then: Option<_>| then.is_some_and(|then| is_within(age, then, now));
        let (missed, fresh) = {
            let listing = self.listing();
            (is_within(API_KEY_TRUSTED, listing.missed_at), is_within(UNKNOWN_KEY_PAUSE, listing.read_at))
        };
        if !missed {
            return Ok(true);
        }
        if !fresh {
            self.list(store, now).await?;
        }
        let mut listing = self.listing();
        let listed = listing.tags.contains(tag);
        if !listed {
            listing.missed_at = Some(now);
        }
        Ok(listed)
    }

    /// Reads the list of environments.
    async fn list(&self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let tags = store.environment_tags().await?;
        let mut listing = self.listing();
        (listing.tags, listing.read_at) = (tags, Some(now));
        Ok(())
    }

    fn known(&self, tag: &Tag) -> Option<Arc<Known>> {
        self.lock().get(tag).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tag, Arc<Known>>> {
        // A panic while holding the lock leaves at worst an environment forgotten.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `then` is less than `age` ago. A moment in the future is not: the clock was set back.
fn is_within(age: Duration, then: Timestamp, now: Timestamp) -> bool {
    then <= now && now < then.plus(age)
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
