//! `latchkey keys`: create, list and revoke API keys. A key is shown once, at its creation; afterwards only its ID.

mod revoke;

use crate::audit::Change;
use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use clap::Subcommand;
use serde::Serialize;
use shared::domain::api_key::{ApiKey, ApiKeyEntry};
use shared::domain::environment::{DamagedEntry, Registration, Tag};
use shared::domain::id::ApiKeyId;
use shared::domain::policy::{MAX_API_KEY_LIFETIME, MAX_API_KEYS};
use shared::domain::scope::Scope;
use shared::domain::time::Timestamp;
use shared::operate::ChangeOutcome;
use shared::store::Listing;
use std::time::Duration;

/// The subcommands of `latchkey keys`.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Create an API key and show it once
    Create {
        /// Tag of the environment the key gives access to
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Tag,
        /// What the key may do: `full` everything, `verify` challenge and verify, `read` read and list
        #[arg(long, default_value = "full", value_parser = Scope::parse)]
        scope: Scope,
        /// Lifetime of the key, up to ten years: 90d, 12h or 30m [default: no expiry]
        #[arg(long, value_name = "DURATION", value_parser = lifetime)]
        expires_in: Option<Duration>,
    },
    /// List API keys by their IDs, never the keys themselves
    List {
        /// Tag of the environment whose API keys to list [default: all]
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Option<Tag>,
    },
    /// Revoke an API key. Warm functions may accept it for another minute
    Revoke {
        /// API key ID, as `latchkey keys list` shows it
        #[arg(value_parser = ApiKeyId::parse)]
        id: ApiKeyId,
        /// Tag of the environment of the key [default: search all environments]
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Option<Tag>,
    },
}

/// The scope and expiry of a new key.
pub(crate) struct Access {
    pub(crate) scope: Scope,
    /// `None` if the key does not expire.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A new key, as shown once.
#[derive(Serialize)]
pub(crate) struct NewApiKey {
    #[serde(flatten)]
    row: ApiKeyRow,
    /// The plaintext key.
    pub(crate) key: String,
}

#[derive(Serialize)]
struct ApiKeyRow {
    id: String,
    environment: String,
    /// `None` if its entry is damaged.
    scope: Option<&'static str>,
    created_at: Option<String>,
    expires_at: Option<String>,
    live: bool,
    /// Whether its entry is damaged. Such a key is not accepted, but can be revoked.
    damaged: bool,
}

impl Row for ApiKeyRow {
    const HEADER: &'static [&'static str] = &["ID", "ENVIRONMENT", "SCOPE", "CREATED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        let expires = match &self.expires_at {
            None if self.damaged => "damaged: revoke it".to_owned(),
            None => "never".to_owned(),
            Some(at) if self.live => at.clone(),
            Some(at) => format!("{at} (expired)"),
        };
        vec![
            self.id.clone(),
            self.environment.clone(),
            self.scope.unwrap_or("none").to_owned(),
            self.created_at.clone().unwrap_or_default(),
            expires,
        ]
    }
}

/// Runs a subcommand.
///
/// # Errors
///
/// [`Error`] if it fails.
pub async fn run(command: &KeysCommand, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    match command {
        KeysCommand::Create { environment, scope, expires_in } => {
            let registration = deployment.environment(environment).await?;
            let expires_at = expires_in.map(|lifetime| deployment.now().plus(lifetime));
            let access = Access { scope: *scope, expires_at };
            let new = create(&registration, access, deployment, console).await?;
            console.print_text(&new.key)?;
            console.print_json(&new)
        }
        KeysCommand::List { environment } => {
            let environments = match environment {
                Some(tag) => {
                    Listing { readable: vec![deployment.environment(tag).await?], damaged: Vec::new() }
                }
                None => deployment.operator.environments().await?,
            };
            let rows: Vec<ApiKeyRow> = environments
                .readable
                .iter()
                .flat_map(|registration| api_keys(registration, deployment.now()))
                .collect();
            console.print_rows(&rows)?;
            Error::check_environments(environments.damaged)
        }
        KeysCommand::Revoke { id, environment } => {
            let location = match environment {
                Some(tag) => revoke::find_in(tag, *id, deployment).await?,
                None => revoke::search(*id, deployment).await?,
            };
            revoke::run(*id, location, deployment, console).await
        }
    }
}

/// Creates an API key for an environment. If the limit is reached, revokes expired keys first.
pub(crate) async fn create(
    registration: &Registration,
    Access { scope, expires_at }: Access,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<NewApiKey, Error> {
    let (tag, now) = (&registration.environment.tag, deployment.now());
    if registration.api_keys.len().saturating_add(registration.damaged.len()) >= MAX_API_KEYS {
        for expired in registration.api_keys.iter().filter(|key| !key.is_live(now)) {
            deployment.operator.revoke_api_key(tag, expired.id).await?;
            console.record(deployment, change("api_key.revoked", tag, expired.id, Some(expired.scope)))?;
        }
    }
    let mut rng = deployment.rng()?;
    let key = ApiKey::random(tag, &mut rng);
    let entry = key.entry(ApiKeyId::new(now, &mut rng), scope, expires_at);
    if deployment.operator.add_api_key(tag, &entry).await? == ChangeOutcome::Refused {
        // The SDK may have retried the write after a lost response, and found the entry that its first try wrote.
        let existing = deployment.environment(tag).await?;
        if !existing.api_keys.contains(&entry) {
            return Err(Error::TooManyApiKeys(tag.clone()));
        }
    }
    console.record(deployment, change("api_key.created", tag, entry.id, Some(entry.scope)))?;
    Ok(NewApiKey { row: row(tag, &entry, now), key: key.expose().to_owned() })
}

fn change(event: &'static str, tag: &Tag, id: ApiKeyId, scope: Option<Scope>) -> Change {
    Change {
        event,
        environment: Some(tag.to_string()),
        api_key: Some(id.to_string()),
        scope: scope.map(Scope::name),
        ..Change::default()
    }
}

/// The rows of an environment's API keys, damaged ones last.
fn api_keys(registration: &Registration, now: Timestamp) -> Vec<ApiKeyRow> {
    let tag = &registration.environment.tag;
    let damaged = registration.damaged.iter().filter(|entry| matches!(entry, DamagedEntry::ApiKey(_)));
    let damaged = damaged.map(|entry| ApiKeyRow {
        id: entry.to_string(),
        environment: tag.to_string(),
        scope: None,
        created_at: None,
        expires_at: None,
        live: false,
        damaged: true,
    });
    registration.api_keys.iter().map(|key| row(tag, key, now)).chain(damaged).collect()
}

fn row(tag: &Tag, key: &ApiKeyEntry, now: Timestamp) -> ApiKeyRow {
    ApiKeyRow {
        id: key.id.to_string(),
        environment: tag.to_string(),
        scope: Some(key.scope.name()),
        created_at: Some(key.id.created_at().to_string()),
        expires_at: key.expires_at.map(|at| at.to_string()),
        live: key.is_live(now),
        damaged: false,
    }
}

/// Parses a number of days, hours or minutes, up to [`MAX_API_KEY_LIFETIME`].
fn lifetime(text: &str) -> Result<Duration, &'static str> {
    let seconds = [("d", 86_400), ("h", 3_600), ("m", 60_u64)].into_iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(seconds)
    });
    let lifetime = seconds.map(Duration::from_secs);
    lifetime
        .filter(|lifetime| !lifetime.is_zero() && *lifetime <= MAX_API_KEY_LIFETIME)
        .ok_or("must be a duration such as 90d, 12h or 30m, from 1m to 3650d")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F1: at most ten years, so that an expiry is always a supported time.
    #[test]
    fn a_lifetime_is_a_number_and_a_unit_and_at_most_ten_years() {
        assert_eq!(lifetime("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(lifetime("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(lifetime("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(lifetime("3650d"), Ok(MAX_API_KEY_LIFETIME));
        for text in [
            "",
            "d",
            "0d",
            "-1d",
            "90",
            "1y",
            "1.5h",
            "1d ",
            "18446744073709551615d",
            "18446744073709551615m",
        ] {
            assert!(lifetime(text).is_err(), "{text}");
        }
        for text in ["3651d", "3000000d", "99999999h", "5256001m"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
