//! `latchkey factors`: what a user has, what has been spent of it, and a way out of a lock. Never a secret.

use crate::audit::Change;
use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use clap::{Args, Subcommand};
use serde::Serialize;
use shared::domain::environment::{Environment, Tag};
use shared::domain::factor::{Credential, Factor, FactorSummary};
use shared::domain::guard::Locked;
use shared::domain::id::FactorId;
use shared::domain::policy::VERIFY_ROUNDS;
use shared::domain::text::escaped;
use shared::domain::user::UserId;
use shared::store::{Damaged, Settled, StoreError};

/// What to do with factors.
#[derive(Subcommand, Debug)]
pub enum Factors {
    /// List a user's factors, newest first
    List {
        /// User ID whose factors to list
        #[arg(long, value_name = "ID", value_parser = UserId::parse)]
        user: UserId,
        /// Environment tag
        #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
        environment: Tag,
    },
    /// Show a factor and the guesses made at it
    Show(One),
    /// Clear a factor's failures, so that it can be verified again. Codes and challenges that were used stay used
    Unlock(One),
    /// Delete a factor. Its challenges cannot be verified from then on
    Delete(One),
}

/// Which factor.
#[derive(Args, Debug)]
pub struct One {
    /// Factor ID, as `latchkey factors list` shows it
    #[arg(value_parser = FactorId::parse)]
    id: FactorId,
    /// Environment tag
    #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
    environment: Tag,
}

#[derive(Serialize)]
struct Listed {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: String,
    user_id: Option<String>,
    /// Account and issuer, or the country and the last two digits of a number.
    about: String,
}

/// A factor and its guard.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    listed: Listed,
    failures: u32,
    /// Those of the last day, which a success does not forgive.
    recent_failures: Vec<String>,
    /// `None` if it can be guessed at.
    locked: Option<String>,
    sealed_with: Option<String>,
}

impl Row for Listed {
    const HEADER: &'static [&'static str] = &["ID", "TYPE", "CREATED", "ABOUT"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.kind.to_owned(), self.created_at.clone(), self.about.clone()]
    }
}

/// Lists, shows, unlocks or deletes.
///
/// # Errors
///
/// [`Error`] says what kept it from that.
pub async fn run(command: &Factors, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    match command {
        Factors::List { user, environment } => {
            let environment = deployment.environment(environment).await?.environment;
            let all = deployment.store.readable_factors_of(environment.id, user).await?;
            console.list(&all.readable.iter().map(listed).collect::<Vec<_>>())?;
            if all.damaged.is_empty() {
                Ok(())
            } else {
                Err(Error::damaged_factors(all.damaged, &environment.tag))
            }
        }
        Factors::Show(one) => {
            let (_, found) = find(one, deployment).await?;
            show(&found, deployment, console)
        }
        Factors::Unlock(one) => unlock(one, deployment, console).await,
        Factors::Delete(one) => delete(one, deployment, console).await,
    }
}

/// The environment, and the factor in it, as far as it reads.
async fn find(one: &One, deployment: &Deployment) -> Result<(Environment, Factor), Error> {
    let environment = deployment.environment(&one.environment).await?.environment;
    let found = deployment.store.factor(environment.id, one.id).await.map_err(|error| match error {
        StoreError::Corrupt(attribute) => damaged(one, attribute),
        StoreError::Unavailable { .. } => error.into(),
    })?;
    Ok((environment, found.ok_or_else(|| missing(one))?))
}

/// Deletes a factor, even one whose item is damaged.
async fn delete(one: &One, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let environment = deployment.environment(&one.environment).await?.environment;
    let found = match deployment.store.factor(environment.id, one.id).await {
        Ok(found) => Some(found.ok_or_else(|| missing(one))?),
        Err(StoreError::Corrupt(_)) => None,
        Err(error @ StoreError::Unavailable { .. }) => return Err(error.into()),
    };
    deployment.store.delete_factor(environment.id, one.id).await?;
    console.record(deployment, change("factor.deleted", one))?;
    console.say(format_args!("{} deleted", one.id))?;
    match found {
        Some(found) => console.show(&listed(&found.summary())),
        None => console.show(&serde_json::json!({"id": one.id.to_string(), "damaged": true})),
    }
}

async fn unlock(one: &One, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let (_, mut found) = find(one, deployment).await?;
    // Each lost round is a guess that was counted, as in a verify.
    for _ in 0..VERIFY_ROUNDS {
        let next = found.guard.unlock();
        let current = match deployment.store.settle(&found, &next).await? {
            Settled::Written => {
                console.record(deployment, change("factor.unlocked", one))?;
                console.say(format_args!("{} unlocked", one.id))?;
                return console.show(&shown(&Factor { guard: next, ..found }, deployment));
            }
            // If it was written and not heard of, nothing is lost by forgiving twice.
            Settled::Changed(current) | Settled::Unknown(current, _) => current,
        };
        found = *current.ok_or_else(|| missing(one))?;
    }
    Err(Error::Contended(one.id))
}

fn show(found: &Factor, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let shown = shown(found, deployment);
    let recent =
        shown.recent_failures.last().map_or_else(String::new, |last| format!(", the last at {last}"));
    for (what, value) in [
        ("factor", &shown.listed.id),
        ("type", &shown.listed.kind.to_owned()),
        ("about", &shown.listed.about),
        ("user", shown.listed.user_id.as_ref().unwrap_or(&"none".to_owned())),
        ("created", &shown.listed.created_at),
        ("failures", &format!("{} in a row", shown.failures)),
        ("", &format!("{} remembered{recent}", shown.recent_failures.len())),
        ("locked", shown.locked.as_ref().unwrap_or(&"no".to_owned())),
    ] {
        console.say(format_args!("{what:<8}  {}", escaped(value)))?;
    }
    console.show(&shown)
}

fn shown(factor: &Factor, deployment: &Deployment) -> Shown {
    let guard = &factor.guard;
    let locked = guard.accepts_challenges(deployment.now()).err().map(|Locked { retry_at }| {
        retry_at.map_or_else(|| "until an operator unlocks it".to_owned(), |at| format!("until {at}"))
    });
    Shown {
        listed: listed(&factor.summary()),
        failures: guard.failures,
        recent_failures: guard.recent_failures.iter().map(ToString::to_string).collect(),
        locked,
        sealed_with: factor.credential.secret().map(|secret| secret.key.to_string()),
    }
}

fn listed(factor: &FactorSummary) -> Listed {
    Listed {
        id: factor.id.to_string(),
        kind: factor.credential.factor_type().name(),
        created_at: factor.created_at.to_string(),
        user_id: factor.user.as_ref().map(ToString::to_string),
        about: match &factor.credential {
            Credential::Totp { issuer, account, secret: () } => format!("{account} at {issuer}"),
            Credential::Sms { phone } => format!("{phone:?}"),
            Credential::GenericOtp => String::new(),
        },
    }
}

fn damaged(one: &One, attribute: &'static str) -> Error {
    Error::damaged_factors(vec![Damaged { name: one.id.to_string(), attribute }], &one.environment)
}

fn missing(one: &One) -> Error {
    Error::NoFactor { tag: one.environment.clone(), id: one.id }
}

fn change(event: &'static str, one: &One) -> Change {
    Change {
        event,
        environment: Some(one.environment.to_string()),
        factor: Some(one.id.to_string()),
        ..Change::default()
    }
}
