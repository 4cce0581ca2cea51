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
use shared::domain::text::escaped;
use shared::domain::user::UserId;
use shared::store::{DamagedItem, DecisionOutcome, StoreError};

/// What to do with factors.
#[derive(Subcommand, Debug)]
pub enum FactorsCommand {
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
    Show(FactorArgs),
    /// Clear a factor's failures, so that it can be verified again. Codes and challenges that were used stay used
    Unlock(FactorArgs),
    /// Delete a factor. Its challenges cannot be verified from then on
    Delete(FactorArgs),
}

/// The factor a command is about.
#[derive(Args, Debug)]
pub struct FactorArgs {
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
pub async fn run(
    command: &FactorsCommand,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    match command {
        FactorsCommand::List { user, environment } => {
            let environment = deployment.environment(environment).await?.environment;
            let all = deployment.operator.list_factors(environment.id, user).await?;
            console.list(&all.readable.iter().map(listed).collect::<Vec<_>>())?;
            if all.damaged.is_empty() {
                Ok(())
            } else {
                Err(Error::damaged_factors(all.damaged, &environment.tag))
            }
        }
        FactorsCommand::Show(args) => {
            let (_, found) = find(args, deployment).await?;
            show(&found, deployment, console)
        }
        FactorsCommand::Unlock(args) => unlock(args, deployment, console).await,
        FactorsCommand::Delete(args) => delete(args, deployment, console).await,
    }
}

/// The environment, and the factor in it, as far as it reads.
async fn find(args: &FactorArgs, deployment: &Deployment) -> Result<(Environment, Factor), Error> {
    let environment = deployment.environment(&args.environment).await?.environment;
    let found =
        deployment.operator.store.factor(environment.id, args.id).await.map_err(|error| match error {
            StoreError::Corrupt(attribute) => damaged(args, attribute),
            StoreError::Unavailable { .. } => error.into(),
        })?;
    Ok((environment, found.ok_or_else(|| missing(args))?))
}

/// Deletes a factor, even one whose item is damaged.
async fn delete(args: &FactorArgs, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let environment = deployment.environment(&args.environment).await?.environment;
    let found = match deployment.operator.store.factor(environment.id, args.id).await {
        Ok(found) => Some(found.ok_or_else(|| missing(args))?),
        Err(StoreError::Corrupt(_)) => None,
        Err(error @ StoreError::Unavailable { .. }) => return Err(error.into()),
    };
    deployment.operator.store.delete_factor(environment.id, args.id).await?;
    console.record(deployment, change("factor.deleted", args))?;
    console.say(format_args!("{} deleted", args.id))?;
    match found {
        Some(found) => console.show(&listed(&found.summary())),
        None => console.show(&serde_json::json!({"id": args.id.to_string(), "damaged": true})),
    }
}

async fn unlock(args: &FactorArgs, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let (_, found) = find(args, deployment).await?;
    match deployment.operator.unlock(found.clone()).await? {
        DecisionOutcome::Written((), guard) => {
            console.record(deployment, change("factor.unlocked", args))?;
            console.say(format_args!("{} unlocked", args.id))?;
            console.show(&shown(&Factor { guard, ..found }, deployment))
        }
        DecisionOutcome::Deleted => Err(missing(args)),
        DecisionOutcome::Contended => Err(Error::Contended(args.id)),
    }
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

fn damaged(args: &FactorArgs, attribute: &'static str) -> Error {
    Error::damaged_factors(vec![DamagedItem { name: args.id.to_string(), attribute }], &args.environment)
}

fn missing(args: &FactorArgs) -> Error {
    Error::NoFactor { tag: args.environment.clone(), id: args.id }
}

fn change(event: &'static str, args: &FactorArgs) -> Change {
    Change {
        event,
        environment: Some(args.environment.to_string()),
        factor: Some(args.id.to_string()),
        ..Change::default()
    }
}
