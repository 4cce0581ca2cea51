//! `latchkey factors`: list, show, unlock and delete factors. Never shows a secret.

use crate::audit::Change;
use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use clap::{Args, Subcommand};
use serde::Serialize;
use shared::domain::environment::Tag;
use shared::domain::factor::{Credential, Factor, FactorSummary};
use shared::domain::guard::Locked;
use shared::domain::id::FactorId;
use shared::domain::policy::SHORT_SECRET;
use shared::domain::text::escaped;
use shared::domain::user::UserId;
use shared::store::{DamagedItem, DecisionOutcome, StoreError};
use shared::vault::seal::Seal;

/// The subcommands of `latchkey factors`.
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
    /// Show a factor, its failures and its lockout
    Show(FactorArgs),
    /// Unlock a factor: clear its failures, so that it can be verified again. Used codes and challenges stay used
    Unlock(FactorArgs),
    /// Delete a factor. Its challenges can no longer be verified
    Delete(FactorArgs),
}

/// Arguments that select a factor.
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
struct FactorRow {
    id: String,
    #[serde(rename = "type")]
    factor_type: &'static str,
    created_at: String,
    user_id: Option<String>,
    /// What the user calls it.
    name: Option<String>,
    /// Account name and issuer, or the country and last two digits of the phone number.
    about: String,
}

/// A factor and its guard.
#[derive(Serialize)]
struct FactorDetails {
    #[serde(flatten)]
    row: FactorRow,
    last_used_at: Option<String>,
    failures: u32,
    /// Failures of the last day, which a success does not clear.
    recent_failures: Vec<String>,
    /// `None` if the factor is not locked.
    locked: Option<String>,
    sealed_with: Option<String>,
    /// Length of the secret of an authenticator app.
    secret_bits: Option<usize>,
    /// Whether the secret is shorter than RFC 4226 requires.
    short_secret: bool,
}

impl Row for FactorRow {
    const HEADER: &'static [&'static str] = &["ID", "TYPE", "CREATED", "ABOUT"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.factor_type.to_owned(), self.created_at.clone(), self.about.clone()]
    }
}

/// Runs a subcommand.
///
/// # Errors
///
/// [`Error`] if it fails.
pub async fn run(
    command: &FactorsCommand,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    match command {
        FactorsCommand::List { user, environment } => {
            let environment = deployment.environment(environment).await?.environment;
            let factors = deployment.operator.list_factors(environment.id, user).await?;
            console.print_rows(&factors.readable.iter().map(row).collect::<Vec<_>>())?;
            if factors.damaged.is_empty() {
                Ok(())
            } else {
                Err(Error::damaged_factors(factors.damaged, &environment.tag))
            }
        }
        FactorsCommand::Show(args) => show(&find(args, deployment).await?, deployment, console),
        FactorsCommand::Unlock(args) => unlock(args, deployment, console).await,
        FactorsCommand::Delete(args) => delete(args, deployment, console).await,
    }
}

/// The factor that the arguments select.
async fn find(args: &FactorArgs, deployment: &Deployment) -> Result<Factor, Error> {
    let environment = deployment.environment(&args.environment).await?.environment;
    let found =
        deployment.operator.store.factor(environment.id, args.id).await.map_err(|error| match error {
            StoreError::Corrupt(attribute) => damaged(args, attribute),
            StoreError::Unavailable { .. } => error.into(),
        })?;
    found.ok_or_else(|| missing(args))
}

/// Deletes a factor, even if its item is damaged.
async fn delete(args: &FactorArgs, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let environment = deployment.environment(&args.environment).await?.environment;
    let found = match deployment.operator.store.factor(environment.id, args.id).await {
        Ok(found) => Some(found.ok_or_else(|| missing(args))?),
        Err(StoreError::Corrupt(_)) => None,
        Err(error @ StoreError::Unavailable { .. }) => return Err(error.into()),
    };
    deployment.operator.store.delete_factor(environment.id, args.id).await?;
    console.record(deployment, change("factor.deleted", args))?;
    console.print_text(format_args!("{} deleted", args.id))?;
    match found {
        Some(found) => console.print_json(&row(&found.summary())),
        None => console.print_json(&serde_json::json!({"id": args.id.to_string(), "damaged": true})),
    }
}

async fn unlock(args: &FactorArgs, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let factor = find(args, deployment).await?;
    match deployment.operator.unlock(factor).await? {
        DecisionOutcome::Written((), unlocked) => {
            console.record(deployment, change("factor.unlocked", args))?;
            console.print_text(format_args!("{} unlocked", args.id))?;
            console.print_json(&details(&unlocked, deployment))
        }
        DecisionOutcome::Deleted => Err(missing(args)),
        DecisionOutcome::Contended => Err(Error::Contended(args.id)),
    }
}

fn show(factor: &Factor, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let details = details(factor, deployment);
    let recent =
        details.recent_failures.last().map_or_else(String::new, |last| format!(", the latest at {last}"));
    let short = if details.short_secret { ", short: see docs/SECURITY.md#short-secrets" } else { "" };
    let secret = details.secret_bits.map(|bits| format!("{bits} bits{short}"));
    for (what, value) in [
        ("factor", &details.row.id),
        ("type", &details.row.factor_type.to_owned()),
        ("about", &details.row.about),
        ("name", details.row.name.as_ref().unwrap_or(&"none".to_owned())),
        ("user", details.row.user_id.as_ref().unwrap_or(&"none".to_owned())),
        ("created", &details.row.created_at),
        ("used", details.last_used_at.as_ref().unwrap_or(&"never".to_owned())),
        ("failures", &format!("{} consecutive", details.failures)),
        ("", &format!("{} in the last 24 hours{recent}", details.recent_failures.len())),
        ("locked", details.locked.as_ref().unwrap_or(&"no".to_owned())),
    ] {
        console.print_text(format_args!("{what:<8}  {}", escaped(value)))?;
    }
    if let Some(secret) = secret {
        console.print_text(format_args!("{:<8}  {secret}", "secret"))?;
    }
    console.print_json(&details)
}

fn details(factor: &Factor, deployment: &Deployment) -> FactorDetails {
    let guard = &factor.guard;
    let locked = guard.accepts_challenges(deployment.now()).err().map(|Locked { retry_at }| {
        retry_at.map_or_else(|| "until an operator unlocks it".to_owned(), |at| format!("until {at}"))
    });
    let bits = factor.credential.secret().map(Seal::secret_bits);
    FactorDetails {
        row: row(&factor.summary()),
        last_used_at: guard.last_used_at.map(|time| time.to_string()),
        failures: guard.failures,
        recent_failures: guard.recent_failures.iter().map(ToString::to_string).collect(),
        locked,
        sealed_with: factor.credential.secret().map(|secret| secret.key.to_string()),
        secret_bits: bits.map(|bits| bits.0),
        short_secret: bits.is_some_and(|bits| bits < SHORT_SECRET),
    }
}

fn row(factor: &FactorSummary) -> FactorRow {
    FactorRow {
        id: factor.id.to_string(),
        factor_type: factor.credential.factor_type().name(),
        created_at: factor.created_at.to_string(),
        user_id: factor.user.as_ref().map(ToString::to_string),
        name: factor.name.as_ref().map(|name| name.as_str().to_owned()),
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
