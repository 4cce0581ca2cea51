//! `latchkey keys revoke`: works even if the environment is damaged.

use super::change;
use crate::console::Console;
use crate::deployment::Deployment;
use crate::error::Error;
use shared::domain::environment::{DamagedEntry, Registration, Tag};
use shared::domain::id::ApiKeyId;
use shared::domain::policy::API_KEY_CACHE_TTL;
use shared::domain::scope::Scope;
use shared::operate::ChangeOutcome;
use shared::store::{Listing, StoreError};

/// The location of an API key.
pub(super) struct Location {
    tag: Tag,
    /// The scope of the key; `None` if its entry or environment is damaged.
    scope: Option<Scope>,
}

/// Searches all readable environments for an API key.
pub(super) async fn search(id: ApiKeyId, deployment: &Deployment) -> Result<Location, Error> {
    let Listing { readable, damaged } = deployment.operator.environments().await?;
    match readable.iter().find_map(|registration| find(registration, id)) {
        Some(location) => Ok(location),
        None if damaged.is_empty() => Err(Error::NoApiKey(id)),
        None => Err(Error::NoReadableApiKey { id, damaged }),
    }
}

/// Finds an API key of an environment, which may be damaged.
pub(super) async fn find_in(tag: &Tag, id: ApiKeyId, deployment: &Deployment) -> Result<Location, Error> {
    match deployment.operator.store.environment(tag).await {
        Ok(Some(registration)) => {
            find(&registration, id).ok_or_else(|| Error::NoApiKeyIn { tag: tag.clone(), id })
        }
        Ok(None) => Err(Error::NoEnvironment(tag.clone())),
        Err(StoreError::Corrupt(_)) => Ok(Location { tag: tag.clone(), scope: None }),
        Err(error @ StoreError::Unavailable { .. }) => Err(error.into()),
    }
}

fn find(registration: &Registration, id: ApiKeyId) -> Option<Location> {
    let location = |scope| Location { tag: registration.environment.tag.clone(), scope };
    if registration.damaged.contains(&DamagedEntry::ApiKey(id.bare())) {
        return Some(location(None));
    }
    registration.api_keys.iter().find(|key| key.id == id).map(|key| location(Some(key.scope)))
}

/// Revokes an API key.
pub(super) async fn run(
    id: ApiKeyId,
    Location { tag, scope }: Location,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    let changed = deployment.operator.revoke_api_key(&tag, id).await?;
    // Refused if the key is already gone, possibly because the SDK retried this call after a lost response.
    if changed == ChangeOutcome::Refused && scope.is_none() {
        return Err(Error::NoApiKeyIn { tag, id });
    }
    console.record(deployment, change("api_key.revoked", &tag, id, scope))?;
    let seconds = API_KEY_CACHE_TTL.as_secs();
    console.print_text(format_args!(
        "{id} of {tag} revoked; warm functions may accept it for up to {seconds} s"
    ))?;
    console.print_json(&serde_json::json!({
        "id": id.to_string(), "environment": tag.as_str(), "scope": scope.map(Scope::name),
    }))
}
