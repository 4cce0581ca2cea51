//! `latchkey keys revoke`: it takes no reading of an environment, so a damaged one keeps no key alive.

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

/// Where an API key is.
pub(super) struct Found {
    tag: Tag,
    /// What it may do; `None` if its entry, or its environment, does not read.
    scope: Option<Scope>,
}

/// An API key of any environment that can be read.
pub(super) async fn search(id: ApiKeyId, deployment: &Deployment) -> Result<Found, Error> {
    let Listing { readable, damaged } = deployment.operator.environments().await?;
    match readable.iter().find_map(|one| find(one, id)) {
        Some(found) => Ok(found),
        None if damaged.is_empty() => Err(Error::NoApiKey(id)),
        None => Err(Error::NoReadableApiKey { id, damaged }),
    }
}

/// An API key of this environment, which may be damaged.
pub(super) async fn find_in(tag: &Tag, id: ApiKeyId, deployment: &Deployment) -> Result<Found, Error> {
    match deployment.operator.store.environment(tag).await {
        Ok(Some(one)) => find(&one, id).ok_or_else(|| Error::NoApiKeyIn { tag: tag.clone(), id }),
        Ok(None) => Err(Error::NoEnvironment(tag.clone())),
        Err(StoreError::Corrupt(_)) => Ok(Found { tag: tag.clone(), scope: None }),
        Err(error @ StoreError::Unavailable { .. }) => Err(error.into()),
    }
}

fn find(one: &Registration, id: ApiKeyId) -> Option<Found> {
    let found = |scope| Found { tag: one.environment.tag.clone(), scope };
    if one.damaged.contains(&DamagedEntry::ApiKey(id.bare())) {
        return Some(found(None));
    }
    one.api_keys.iter().find(|key| key.id == id).map(|key| found(Some(key.scope)))
}

/// Ends an API key.
pub(super) async fn run(
    id: ApiKeyId,
    Found { tag, scope }: Found,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    let changed = deployment.operator.revoke_api_key(&tag, id).await?;
    // Refused if it is gone already, by this very call perhaps, made twice by the client.
    if changed == ChangeOutcome::Refused && scope.is_none() {
        return Err(Error::NoApiKeyIn { tag, id });
    }
    console.record(deployment, change("api_key.revoked", &tag, id, scope))?;
    let seconds = API_KEY_CACHE_TTL.as_secs();
    console.say(format_args!(
        "{id} of {tag} is revoked; a function that is warm may take it for up to {seconds} s"
    ))?;
    console.show(&serde_json::json!({
        "id": id.to_string(), "environment": tag.as_str(), "scope": scope.map(Scope::name),
    }))
}
