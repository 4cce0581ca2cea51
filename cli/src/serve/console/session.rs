//! The API key with which the page calls the API.

use super::super::private::write_file;
use super::{Console, failed, refused};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::domain::api_key::ApiKey;
use shared::domain::id::ApiKeyId;
use shared::domain::scope::Scope;
use shared::http::Error;
use shared::operate::ChangeOutcome;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The server's own API key, which another one replaces when it was revoked.
pub(in crate::serve) struct ConsoleKey {
    key: Mutex<ApiKey>,
    /// The file of the data directory that holds it, if there is one.
    file: Option<PathBuf>,
}

/// What the page needs to know at first.
#[derive(Serialize)]
pub(super) struct Session {
    url: String,
    /// The tag of the environment that the page works in.
    environment: String,
    /// `None` if the key is not accepted any more.
    api_key: Option<String>,
    api_key_id: Option<String>,
}

impl ConsoleKey {
    pub(in crate::serve) fn new(key: ApiKey, file: Option<PathBuf>) -> Self {
        Self { key: Mutex::new(key), file }
    }

    pub(super) fn get(&self) -> ApiKey {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the key here and in the file, so that the next start uses it, too.
    fn replace(&self, key: ApiKey) -> Result<(), Error> {
        if let Some(file) = &self.file {
            write_file(file, format!("{}\n", key.expose()).as_bytes()).map_err(Error::internal)?;
        }
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }
}

/// The page's API key, and where it is accepted.
///
/// Pages of other origins do not get the key: the guard of the port refuses their requests, and they cannot read answers.
/// Other users of the machine do, as they can read messages (docs/SECURITY.md).
pub(super) async fn show(State(console): State<Console>) -> Result<Json<Session>, Error> {
    session(&console).await.map(Json)
}

/// Creates another key for the page if its own was revoked.
pub(super) async fn renew(State(console): State<Console>) -> Result<Json<Session>, Error> {
    if session(&console).await?.api_key.is_none() {
        let (tag, now) = (console.key.get().tag().clone(), console.clock.now());
        console.environment(&tag).await?;
        let mut rng = OsEntropy.rng().map_err(Error::internal)?;
        let key = ApiKey::random(&tag, &mut rng);
        let entry = key.entry(ApiKeyId::new(now, &mut rng), Scope::Full, None);
        if console.operator.add_api_key(&tag, &entry).await.map_err(failed)? == ChangeOutcome::Refused {
            return Err(refused("environment", "has the maximum number of API keys: revoke one first"));
        }
        console.key.replace(key)?;
        tracing::info!(environment = %tag, api_key = %entry.id, "API key created for the console");
    }
    session(&console).await.map(Json)
}

async fn session(console: &Console) -> Result<Session, Error> {
    let key = console.key.get();
    let found = console.operator.store.environment(key.tag()).await.map_err(failed)?;
    let entry = found.and_then(|found| found.api_key(&key.hash(), console.clock.now()).cloned());
    Ok(Session {
        url: console.url.clone(),
        environment: key.tag().to_string(),
        api_key_id: entry.as_ref().map(|entry| entry.id.to_string()),
        api_key: entry.map(|_| key.expose().to_owned()),
    })
}
