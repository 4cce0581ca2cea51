//! `latchkey keys`: the API keys of environments. A key is shown once, when it is made; from then on it is its id.

use crate::audit::Change;
use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use clap::Subcommand;
use serde::Serialize;
use shared::domain::api_key::{ApiKey, ApiKeyEntry, Scope};
use shared::domain::environment::{Registration, Tag};
use shared::domain::id::ApiKeyId;
use shared::domain::policy::{API_KEY_TRUSTED, API_KEYS};
use shared::domain::time::Timestamp;
use shared::store::Changed;
use std::time::Duration;

/// What to do with API keys.
#[derive(Subcommand, Debug)]
pub enum Keys {
    /// Makes an API key and shows it, this once
    Create {
        /// The environment it speaks for
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Tag,
        /// What it may do: full is everything, verify is to challenge and verify, read is to read and list
        #[arg(long, default_value = "full", value_parser = Scope::parse)]
        scope: Scope,
        /// After how long it ends: 90d, 12h or 30m [default: never]
        #[arg(long, value_name = "SPAN", value_parser = span)]
        expires_in: Option<Duration>,
    },
    /// Lists API keys: their ids, not the keys
    List {
        /// Only those of this environment
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Option<Tag>,
    },
    /// Ends an API key
    Revoke {
        /// Its id, as `latchkey keys list` shows it
        #[arg(value_parser = ApiKeyId::parse)]
        id: ApiKeyId,
    },
}

/// A new key.
#[derive(Serialize)]
pub(crate) struct New {
    #[serde(flatten)]
    listed: Listed,
    /// The key itself.
    pub(crate) key: String,
}

#[derive(Serialize)]
struct Listed {
    id: String,
    environment: String,
    scope: &'static str,
    created_at: String,
    expires_at: Option<String>,
    live: bool,
}

impl Row for Listed {
    const HEADER: &'static [&'static str] = &["ID", "ENVIRONMENT", "SCOPE", "CREATED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        let expires = match &self.expires_at {
            None => "never".to_owned(),
            Some(at) if self.live => at.clone(),
            Some(at) => format!("{at} (ended)"),
        };
        vec![
            self.id.clone(),
            self.environment.clone(),
            self.scope.to_owned(),
            self.created_at.clone(),
            expires,
        ]
    }
}

/// Makes, lists or revokes.
///
/// # Errors
///
/// [`Error`] says what kept it from that.
pub async fn run(command: &Keys, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    match command {
        Keys::Create { environment, scope, expires_in } => {
            let registration = deployment.environment(environment).await?;
            let expires_at = expires_in.map(|span| deployment.now().plus(span));
            let new = add(&registration, *scope, expires_at, deployment, console).await?;
            console.say(&new.key)?;
            console.show(&new)
        }
        Keys::List { environment } => {
            let all = match environment {
                Some(tag) => vec![deployment.environment(tag).await?],
                None => deployment.store.environments().await?,
            };
            let now = deployment.now();
            let rows: Vec<Listed> = all
                .iter()
                .flat_map(|one| one.api_keys.iter().map(move |key| listed(&one.environment.tag, key, now)))
                .collect();
            console.list(&rows)
        }
        Keys::Revoke { id } => revoke(*id, deployment, console).await,
    }
}

/// Makes an environment another API key. Those that have ended make room for it.
pub(crate) async fn add(
    registration: &Registration,
    scope: Scope,
    expires_at: Option<Timestamp>,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<New, Error> {
    let (tag, now) = (&registration.environment.tag, deployment.now());
    if registration.api_keys.len() >= API_KEYS {
        for ended in registration.api_keys.iter().filter(|key| !key.is_live(now)) {
            end(tag, ended, deployment, console).await?;
        }
    }
    let mut rng = deployment.rng()?;
    let key = ApiKey::random(tag, &mut rng);
    let entry = key.entry(ApiKeyId::new(now, &mut rng), scope, expires_at);
    if deployment.store.add_api_key(tag, &entry).await? == Changed::Refused {
        // The call may have been made twice by the client, and found what it made itself.
        let there = deployment.environment(tag).await?;
        if !there.api_keys.contains(&entry) {
            return Err(Error::TooManyApiKeys(tag.clone()));
        }
    }
    console.record(deployment, change("api_key.created", tag, &entry))?;
    Ok(New { listed: listed(tag, &entry, now), key: key.expose().to_owned() })
}

async fn revoke(id: ApiKeyId, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let all = deployment.store.environments().await?;
    let found = all.iter().find_map(|one| {
        let key = one.api_keys.iter().find(|key| key.id == id)?;
        Some((&one.environment.tag, key))
    });
    let (tag, key) = found.ok_or(Error::NoApiKey(id))?;
    end(tag, key, deployment, console).await?;
    let seconds = API_KEY_TRUSTED.as_secs();
    console.say(format_args!(
        "{id} of {tag} is revoked; a function that is warm may take it for up to {seconds} s"
    ))?;
    console.show(&listed(tag, key, deployment.now()))
}

async fn end(
    tag: &Tag,
    key: &ApiKeyEntry,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    // Refused if it is gone already, by this very call perhaps, made twice by the client.
    deployment.store.revoke_api_key(tag, key.id).await?;
    console.record(deployment, change("api_key.revoked", tag, key))
}

fn change(event: &'static str, tag: &Tag, key: &ApiKeyEntry) -> Change {
    Change {
        event,
        environment: Some(tag.to_string()),
        api_key: Some(key.id.to_string()),
        scope: Some(key.scope.name()),
        ..Change::default()
    }
}

fn listed(tag: &Tag, key: &ApiKeyEntry, now: Timestamp) -> Listed {
    Listed {
        id: key.id.to_string(),
        environment: tag.to_string(),
        scope: key.scope.name(),
        created_at: key.id.made_at().to_string(),
        expires_at: key.expires_at.map(|at| at.to_string()),
        live: key.is_live(now),
    }
}

/// Reads a span of whole days, hours or minutes.
fn span(text: &str) -> Result<Duration, &'static str> {
    let seconds = [("d", 86_400), ("h", 3_600), ("m", 60_u64)].into_iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(seconds)
    });
    seconds
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or("must be a span like 90d, 12h or 30m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(span("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(span("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(span("30m"), Ok(Duration::from_mins(30)));
        for text in ["", "d", "0d", "-1d", "90", "1y", "1.5h", "1d ", "18446744073709551615d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
