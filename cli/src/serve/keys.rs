//! What the first start makes and every other finds: the root key, the keyring, an environment and its API key.

use super::data_dir::DataDir;
use super::{LocalClock, ServeError};
use shared::domain::api_key::ApiKey;
use shared::domain::environment::{Environment, Tag};
use shared::domain::id::{DataKeyId, EnvironmentId};
use shared::keyring::{Keyring, RootKey};
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::store::Store;

/// The keyring under the data directory's root key. The first start makes both.
pub(super) async fn open_keyring(
    data: Option<&DataDir>,
    store: &Store,
    clock: &LocalClock,
) -> Result<Keyring, ServeError> {
    let mut entries = store.keyring().await?;
    let mut rng = OsEntropy.rng()?;
    let root = match data {
        // A keyring without its root key must not get another one: everything sealed would be lost in silence.
        Some(data) if entries.is_empty() => data.root_key_or(RootKey::random(&mut rng))?,
        Some(data) => RootKey::read(&data.root_key_file())?,
        None => RootKey::random(&mut rng),
    };
    if entries.is_empty() {
        let entry = root.generate(DataKeyId::new(clock.now(), &mut rng), &mut rng)?;
        store.add_data_key(&entry).await?;
        entries.push(entry);
    }
    Ok(Keyring::open(&root, &entries)?)
}

/// The API key in the data directory. The first start makes an environment and the key.
pub(super) async fn open_environment(
    data: Option<&DataDir>,
    store: &Store,
    clock: &LocalClock,
) -> Result<ApiKey, ServeError> {
    if let Some(key) = data.map(DataDir::api_key).transpose()?.flatten() {
        return Ok(key);
    }
    let mut rng = OsEntropy.rng()?;
    let environment =
        Environment { id: EnvironmentId::new(clock.now(), &mut rng), tag: Tag::parse("local")? };
    let key = ApiKey::random(&environment.tag, &mut rng);
    // The table first: a key in the file that the table does not know would never work.
    store.add_api_key(&key.hash(), &environment).await?;
    if let Some(data) = data {
        data.keep_api_key(&key)?;
    }
    Ok(key)
}
