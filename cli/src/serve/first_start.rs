//! Creates the keyring, an environment and its API key at the first start, and opens them at later starts.

use super::data_dir::DataDir;
use super::{LocalClock, ServeError};
use shared::domain::api_key::ApiKey;
use shared::domain::environment::{Registration, Tag};
use shared::domain::id::ApiKeyId;
use shared::domain::scope::Scope;
use shared::operate::{ChangeOutcome, Operator};
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::store::StoreError;
use shared::vault::keyring::{Keyring, KeyringError};
use shared::vault::kms::Kms;
use std::path::PathBuf;

/// Tag of the environment that the first start creates.
const ENVIRONMENT_TAG: &str = "local";

/// The services that the first start needs.
pub(super) struct FirstStart<'a> {
    pub(super) data: Option<&'a DataDir>,
    pub(super) operator: &'a Operator,
    pub(super) clock: &'a LocalClock,
}

impl FirstStart<'_> {
    /// Opens the keyring. Creates the first data key if there is none.
    pub(super) async fn open_keyring(&self, kms: &Kms) -> Result<Keyring, ServeError> {
        let keyring = Keyring::new(kms.clone(), self.operator.store.clone());
        match keyring.load().await {
            Err(KeyringError::Empty) => {
                self.operator.rotate(kms, self.clock.now(), &mut OsEntropy.rng()?).await?;
                keyring.load().await?;
            }
            loaded => loaded?,
        }
        Ok(keyring)
    }

    /// Returns the API key in the data directory. Creates an environment and a key if there is none.
    pub(super) async fn open_environment(&self, keyring: &Keyring) -> Result<ApiKey, ServeError> {
        if let Some(key) = self.data.map(DataDir::api_key).transpose()?.flatten() {
            let environment = self.environment(key.tag()).await?;
            // The key may have been revoked, or its environment deleted.
            if environment.is_some_and(|read| read.api_key(&key.hash(), self.clock.now()).is_some()) {
                return Ok(key);
            }
        }
        let (now, mut rng) = (self.clock.now(), OsEntropy.rng()?);
        let tag = Tag::parse(ENVIRONMENT_TAG)?;
        let key = ApiKey::random(&tag, &mut rng);
        let entry = key.entry(ApiKeyId::new(now, &mut rng), Scope::Full, None);
        let mut new = keyring.new_environment(tag.clone(), now, &mut rng)?;
        new.api_keys.push(entry.clone());
        // Writes the table first, because a key in the file that is not in the table would never work. The environment
        // already exists if the process was killed at this point before.
        if self.operator.add_environment(&new).await? == ChangeOutcome::Refused {
            self.operator.add_api_key(&tag, &entry).await?;
            let found = self.environment(&tag).await?;
            if !found.is_some_and(|found| found.api_keys.contains(&entry)) {
                return Err(ServeError::NoNewApiKey { tag, dir: self.dir() });
            }
        }
        if let Some(data) = self.data {
            data.write_api_key(&key)?;
        }
        Ok(key)
    }

    /// Reads an environment. Fails if it is damaged, because the server's own environment must be usable.
    async fn environment(&self, tag: &Tag) -> Result<Option<Registration>, ServeError> {
        self.operator.store.environment(tag).await.map_err(|source| match source {
            StoreError::Corrupt(_) => {
                ServeError::DamagedEnvironment { tag: tag.clone(), dir: self.dir(), source }
            }
            StoreError::Unavailable { .. } => source.into(),
        })
    }

    fn dir(&self) -> PathBuf {
        self.data.map(|data| data.path().to_owned()).unwrap_or_default()
    }
}
