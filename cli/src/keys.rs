//! `latchkey keys`: the API keys of environments. A key is shown once, when it is made; from then on it is its id.

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

/// What to do with API keys.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Create an API key and show it, this once
    Create {
        /// Tag of the environment the key gives access to
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Tag,
        /// What the key may do: `full` everything, `verify` challenge and verify, `read` read and list
        #[arg(long, default_value = "full", value_parser = Scope::parse)]
        scope: Scope,
        /// After how long it ends, up to ten years: 90d, 12h or 30m [default: never]
        #[arg(long, value_name = "SPAN", value_parser = span)]
        expires_in: Option<Duration>,
    },
    /// List API keys by their IDs, never the keys themselves
    List {
        /// Tag of the environment whose API keys to list [default: all]
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Option<Tag>,
    },
    /// Revoke an API key
    Revoke {
        /// API key ID, as `latchkey keys list` shows it
        #[arg(value_parser = ApiKeyId::parse)]
        id: ApiKeyId,
        /// Environment tag; without it, every environment that can be read is searched
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Option<Tag>,
    },
}

/// What a new key may do, and until when.
pub(crate) struct Access {
    pub(crate) scope: Scope,
    /// `None` if it is accepted until it is revoked.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A new key.
#[derive(Serialize)]
pub(crate) struct NewApiKey {
    #[serde(flatten)]
    listed: Listed,
    /// The key itself.
    pub(crate) key: String,
}

#[derive(Serialize)]
struct Listed {
    id: String,
    environment: String,
    /// `None` if its entry is damaged.
    scope: Option<&'static str>,
    created_at: Option<String>,
    expires_at: Option<String>,
    live: bool,
    /// Whether its entry does not read. It authenticates no one, and can be revoked.
    damaged: bool,
}

impl Row for Listed {
    const HEADER: &'static [&'static str] = &["ID", "ENVIRONMENT", "SCOPE", "CREATED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        let expires = match &self.expires_at {
            None if self.damaged => "damaged: revoke it".to_owned(),
            None => "never".to_owned(),
            Some(at) if self.live => at.clone(),
            Some(at) => format!("{at} (ended)"),
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

/// Makes, lists or revokes.
///
/// # Errors
///
/// [`Error`] says what kept it from that.
pub async fn run(command: &KeysCommand, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    match command {
        KeysCommand::Create { environment, scope, expires_in } => {
            let registration = deployment.environment(environment).await?;
            let expires_at = expires_in.map(|span| deployment.now().plus(span));
            let access = Access { scope: *scope, expires_at };
            let new = add(&registration, access, deployment, console).await?;
            console.say(&new.key)?;
            console.show(&new)
        }
        KeysCommand::List { environment } => {
            let all = match environment {
                Some(tag) => {
                    Listing { readable: vec![deployment.environment(tag).await?], damaged: Vec::new() }
                }
                None => deployment.operator.environments().await?,
            };
            let rows: Vec<Listed> =
                all.readable.iter().flat_map(|one| api_keys(one, deployment.now())).collect();
            console.list(&rows)?;
            if all.damaged.is_empty() { Ok(()) } else { Err(Error::damaged_environments(all.damaged)) }
        }
        KeysCommand::Revoke { id, environment } => {
            let found = match environment {
                Some(tag) => revoke::find_in(tag, *id, deployment).await?,
                None => revoke::search(*id, deployment).await?,
            };
            revoke::run(*id, found, deployment, console).await
        }
    }
}

/// Makes an environment another API key. Those that have ended make room for it.
pub(crate) async fn add(
    registration: &Registration,
    Access { scope, expires_at }: Access,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<NewApiKey, Error> {
    let (tag, now) = (&registration.environment.tag, deployment.now());
    if registration.api_keys.len().saturating_add(registration.damaged.len()) >= MAX_API_KEYS {
        for ended in registration.api_keys.iter().filter(|key| !key.is_live(now)) {
            deployment.operator.revoke_api_key(tag, ended.id).await?;
            console.record(deployment, change("api_key.revoked", tag, ended.id, Some(ended.scope)))?;
        }
    }
    let mut rng = deployment.rng()?;
    let key = ApiKey::random(tag, &mut rng);
    let entry = key.entry(ApiKeyId::new(now, &mut rng), scope, expires_at);
    if deployment.operator.add_api_key(tag, &entry).await? == ChangeOutcome::Refused {
        // The call may have been made twice by the client, and found what it made itself.
        let there = deployment.environment(tag).await?;
        if !there.api_keys.contains(&entry) {
            return Err(Error::TooManyApiKeys(tag.clone()));
        }
    }
    console.record(deployment, change("api_key.created", tag, entry.id, Some(entry.scope)))?;
    Ok(NewApiKey { listed: listed(tag, &entry, now), key: key.expose().to_owned() })
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

/// The API keys of an environment, those whose entries are damaged last.
fn api_keys(one: &Registration, now: Timestamp) -> Vec<Listed> {
    let tag = &one.environment.tag;
    let damaged = one.damaged.iter().filter(|entry| matches!(entry, DamagedEntry::ApiKey(_)));
    let damaged = damaged.map(|entry| Listed {
        id: entry.to_string(),
        environment: tag.to_string(),
        scope: None,
        created_at: None,
        expires_at: None,
        live: false,
        damaged: true,
    });
    one.api_keys.iter().map(|key| listed(tag, key, now)).chain(damaged).collect()
}

fn listed(tag: &Tag, key: &ApiKeyEntry, now: Timestamp) -> Listed {
    Listed {
        id: key.id.to_string(),
        environment: tag.to_string(),
        scope: Some(key.scope.name()),
        created_at: Some(key.id.created_at().to_string()),
        expires_at: key.expires_at.map(|at| at.to_string()),
        live: key.is_live(now),
        damaged: false,
    }
}

/// Reads a span of whole days, hours or minutes, up to [`MAX_API_KEY_LIFETIME`].
fn span(text: &str) -> Result<Duration, &'static str> {
    let seconds = [("d", 86_400), ("h", 3_600), ("m", 60_u64)].into_iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(seconds)
    });
    let span = seconds.map(Duration::from_secs);
    span.filter(|span| !span.is_zero() && *span <= MAX_API_KEY_LIFETIME)
        .ok_or("must be a span like 90d, 12h or 30m, from 1m to 3650d")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F1: ten years at most, so that no key outlasts the calendar.
    #[test]
    fn a_span_is_a_number_and_a_unit_and_at_most_ten_years() {
        assert_eq!(span("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(span("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(span("30m"), Ok(Duration::from_mins(30)));
        assert_eq!(span("3650d"), Ok(MAX_API_KEY_LIFETIME));
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
            assert!(span(text).is_err(), "{text}");
        }
        for text in ["3651d", "3000000d", "99999999h", "5256001m"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
