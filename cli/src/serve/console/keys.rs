//! Environments and their API keys.

use super::super::dev::JsonBody;
use super::{Console, failed, refused};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::domain::api_key::{ApiKey, ApiKeyEntry};
use shared::domain::environment::{Registration, Tag};
use shared::domain::id::ApiKeyId;
use shared::domain::policy::MAX_API_KEY_LIFETIME;
use shared::domain::scope::Scope;
use shared::domain::time::Timestamp;
use shared::http::Error;
use shared::operate::ChangeOutcome;
use shared::ports::{Clock as _, Entropy as _, OsEntropy};
use shared::vault::keyring::Keyring;
use std::time::Duration;

/// The request to create an environment.
#[derive(Deserialize)]
pub(super) struct NewEnvironment {
    environment: String,
}

/// The request to create an API key.
#[derive(Deserialize)]
pub(super) struct NewApiKey {
    scope: String,
    expires_in_seconds: Option<u64>,
}

/// All environments.
#[derive(Serialize)]
pub(super) struct Environments {
    environments: Vec<EnvironmentBody>,
    /// Environments whose items cannot be read.
    damaged: Vec<String>,
}

/// An environment.
#[derive(Serialize)]
pub(super) struct EnvironmentBody {
    environment: String,
    created_at: String,
    deleted_at: Option<String>,
    api_keys: Vec<ApiKeyBody>,
    /// Entries that cannot be read.
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct ApiKeyBody {
    id: String,
    scope: &'static str,
    created_at: String,
    expires_at: Option<String>,
    expired: bool,
}

/// A new API key, which is shown in this answer only.
#[derive(Serialize)]
pub(super) struct CreatedApiKey {
    #[serde(flatten)]
    entry: ApiKeyBody,
    key: String,
}

/// Lists the environments.
pub(super) async fn list(State(console): State<Console>) -> Result<Json<Environments>, Error> {
    let (found, now) = (console.operator.environments().await.map_err(failed)?, console.clock.now());
    Ok(Json(Environments {
        environments: found.readable.iter().map(|registration| body(registration, now)).collect(),
        damaged: found.damaged.iter().map(ToString::to_string).collect(),
    }))
}

/// Creates an environment.
pub(super) async fn create_environment(
    State(console): State<Console>,
    JsonBody(NewEnvironment { environment }): JsonBody<NewEnvironment>,
) -> Result<(StatusCode, Json<EnvironmentBody>), Error> {
    let (tag, now) = (parsed(&environment)?, console.clock.now());
    // Loaded here, because the keyring may have been rotated since the server was started.
    let keyring = Keyring::new(console.kms.clone(), console.operator.store.clone());
    keyring.load().await.map_err(Error::internal)?;
    let mut rng = OsEntropy.rng().map_err(Error::internal)?;
    let new = keyring.new_environment(tag, now, &mut rng).map_err(Error::internal)?;
    if console.operator.add_environment(&new).await.map_err(failed)? == ChangeOutcome::Refused {
        return Err(refused("environment", "exists already, or is being deleted"));
    }
    tracing::info!(environment = %new.environment.tag, "environment created in the console");
    Ok((StatusCode::CREATED, Json(body(&new, now))))
}

/// Creates an API key.
pub(super) async fn create(
    State(console): State<Console>,
    Path(tag): Path<String>,
    JsonBody(NewApiKey { scope, expires_in_seconds }): JsonBody<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Error> {
    let (tag, now) = (parsed(&tag)?, console.clock.now());
    let scope = Scope::parse(&scope).map_err(|error| refused("scope", &error.to_string()))?;
    let lifetime = expires_in_seconds.map(Duration::from_secs);
    if lifetime.is_some_and(|lifetime| lifetime.is_zero() || lifetime > MAX_API_KEY_LIFETIME) {
        return Err(refused("expires_in_seconds", "must be from a second to ten years"));
    }
    console.environment(&tag).await?;
    let mut rng = OsEntropy.rng().map_err(Error::internal)?;
    let key = ApiKey::random(&tag, &mut rng);
    let expires_at = lifetime.map(|lifetime| now.plus(lifetime));
    let entry = key.entry(ApiKeyId::new(now, &mut rng), scope, expires_at);
    if console.operator.add_api_key(&tag, &entry).await.map_err(failed)? == ChangeOutcome::Refused {
        return Err(refused("environment", "has the maximum number of API keys: revoke one first"));
    }
    tracing::info!(environment = %tag, api_key = %entry.id, "API key created in the console");
    let created = CreatedApiKey { entry: api_key(&entry, now), key: key.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes an API key.
pub(super) async fn revoke(
    State(console): State<Console>,
    Path((tag, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let missing = || refused("id", "is not an API key of this environment");
    let (tag, id) = (parsed(&tag)?, ApiKeyId::parse(&id).map_err(|_| missing())?);
    if console.operator.revoke_api_key(&tag, id).await.map_err(failed)? == ChangeOutcome::Refused {
        return Err(missing());
    }
    tracing::info!(environment = %tag, api_key = %id, "API key revoked in the console");
    Ok(StatusCode::NO_CONTENT)
}

fn parsed(tag: &str) -> Result<Tag, Error> {
    Tag::parse(tag).map_err(|error| refused("environment", &error.to_string()))
}

fn body(registration: &Registration, now: Timestamp) -> EnvironmentBody {
    let Registration { environment, api_keys, deleted_at, damaged, keys: _ } = registration;
    EnvironmentBody {
        environment: environment.tag.to_string(),
        created_at: environment.id.created_at().to_string(),
        deleted_at: deleted_at.map(|at| at.to_string()),
        api_keys: api_keys.iter().map(|key| api_key(key, now)).collect(),
        damaged: damaged.iter().map(ToString::to_string).collect(),
    }
}

fn api_key(key: &ApiKeyEntry, now: Timestamp) -> ApiKeyBody {
    ApiKeyBody {
        id: key.id.to_string(),
        scope: key.scope.name(),
        created_at: key.id.created_at().to_string(),
        expires_at: key.expires_at.map(|at| at.to_string()),
        expired: !key.is_live(now),
    }
}
