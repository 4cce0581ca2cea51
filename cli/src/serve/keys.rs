//! What the first start makes and every other finds: the keyring, an environment and its API key.

use super::data_dir::DataDir;
use super::{LocalClock, ServeError};
use shared::domain::api_key::{ApiKey, Scope};
use shared::domain::environment::{Registration, Tag};
use shared::domain::id::ApiKeyId;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::store::{Changed, Store, StoreError};
use shared::vault::keyring::{Keyring, KeyringError};
use std::path::PathBuf;

/// The tag of the environment that is there from the start.
const TAG: &str = "local";

/// Unwraps the keyring. The first start makes its first entry.
pub(super) async fn open_keyring(keyring: &Keyring, clock: &LocalClock) -> Result<(), ServeError> {
    match keyring.load().await {
        Err(KeyringError::Empty) => Ok(keyring.rotate(clock.now(), &mut OsEntropy.rng()?).await.map(drop)?),
        loaded => Ok(loaded?),
    }
}

/// The API key in the data directory. The first start makes an environment and the key.
pub(super) async fn open_environment(
    data: Option<&DataDir>,
    store: &Store,
    keyring: &Keyring,
    clock: &LocalClock,
) -> Result<ApiKey, ServeError> {
    if let Some(key) = data.map(DataDir::api_key).transpose()?.flatten() {
        let environment = environment(key.tag(), data, store).await?;
        // Unless it was revoked, or deleted with its environment.
        if environment.is_some_and(|known| known.api_key(&key.hash(), clock.now()).is_some()) {
            return Ok(key);
        }
    }
    let (now, mut rng) = (clock.now(), OsEntropy.rng()?);
    let tag = Tag::parse(TAG)?;
    let key = ApiKey::random(&tag, &mut rng);
    let entry = key.entry(ApiKeyId::new(now, &mut rng), Scope::Full, None);
    let mut new = keyring.environment(tag.clone(), now, &mut rng)?;
    new.api_keys.push(entry.clone());
    // The table first: a key in the file that the table does not know would never work. The environment is there
    // already if the process was killed here before.
    if store.add_environment(&new).await? == Changed::Refused {
        store.add_api_key(&tag, &entry).await?;
        let found = environment(&tag, data, store).await?;
        if !found.is_some_and(|found| found.api_keys.contains(&entry)) {
            return Err(ServeError::NoNewApiKey { tag, dir: dir(data) });
        }
    }
    if let Some(data) = data {
        data.keep_api_key(&key)?;
    }
    Ok(key)
}

/// An environment of the data directory. Another one may be damaged; the server's own may not.
async fn environment(
    tag: &Tag,
    data: Option<&DataDir>,
    store: &Store,
) -> Result<Option<Registration>, ServeError> {
    store.environment(tag).await.map_err(|source| match source {
        StoreError::Corrupt(_) => ServeError::DamagedEnvironment { tag: tag.clone(), dir: dir(data), source },
        StoreError::Unavailable { .. } => source.into(),
    })
}

fn dir(data: Option<&DataDir>) -> PathBuf {
    data.map(|data| data.path().to_owned()).unwrap_or_default()
}
