//! `latchkey recovery`: show and revoke a user's recovery codes. Never shows a code; no one can.

use crate::audit::Change;
use crate::console::Console;
use crate::deployment::Deployment;
use crate::error::Error;
use clap::{Args, Subcommand};
use serde::Serialize;
use shared::domain::environment::Tag;
use shared::domain::guard::Locked;
use shared::domain::recovery::RecoveryCodes;
use shared::domain::text::escaped;
use shared::domain::user::UserId;
use shared::store::StoreError;

/// The subcommands of `latchkey recovery`.
#[derive(Subcommand, Debug)]
pub enum RecoveryCommand {
    /// Show how many of a user's recovery codes are left, their failures and their lockout
    Show(UserArgs),
    /// Delete a user's recovery codes, also if they are locked or damaged. The application can create new ones
    Revoke(UserArgs),
}

/// Arguments that select a user.
#[derive(Args, Debug)]
pub struct UserArgs {
    /// User ID
    #[arg(long, value_name = "ID", value_parser = UserId::parse)]
    user: UserId,
    /// Environment tag
    #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
    environment: Tag,
}

/// A user's recovery codes.
#[derive(Serialize)]
struct RecoveryDetails {
    /// The ID in audit lines.
    id: String,
    user_id: String,
    created_at: String,
    last_used_at: Option<String>,
    total: usize,
    remaining: usize,
    accept_on_challenges: bool,
    failures: u32,
    /// `None` if they are not locked.
    locked: Option<String>,
    sealed_with: String,
}

/// Runs a subcommand.
///
/// # Errors
///
/// [`Error`] if it fails.
pub async fn run(
    command: &RecoveryCommand,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    match command {
        RecoveryCommand::Show(args) => show(args, deployment, console).await,
        RecoveryCommand::Revoke(args) => revoke(args, deployment, console).await,
    }
}

async fn show(args: &UserArgs, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let environment = deployment.environment(&args.environment).await?.environment;
    let found = deployment.operator.store.recovery_codes(environment.id, &args.user).await?;
    let details = details(&found.ok_or_else(|| missing(args))?, deployment);
    for (what, value) in [
        ("recovery", &details.id),
        ("user", &details.user_id),
        ("left", &format!("{} of {}", details.remaining, details.total)),
        ("created", &details.created_at),
        ("used", details.last_used_at.as_ref().unwrap_or(&"never".to_owned())),
        ("accepted", &accepted(&details).to_owned()),
        ("failures", &format!("{} consecutive", details.failures)),
        ("locked", details.locked.as_ref().unwrap_or(&"no".to_owned())),
    ] {
        console.print_text(format_args!("{what:<8}  {}", escaped(value)))?;
    }
    console.print_json(&details)
}

/// Deletes a user's recovery codes, even if their item is damaged.
async fn revoke(args: &UserArgs, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let environment = deployment.environment(&args.environment).await?.environment;
    let id = match deployment.operator.store.recovery_codes(environment.id, &args.user).await {
        Ok(found) => Some(found.ok_or_else(|| missing(args))?.id.to_string()),
        Err(StoreError::Corrupt(_)) => None,
        Err(error @ StoreError::Unavailable { .. }) => return Err(error.into()),
    };
    deployment.operator.store.delete_recovery_codes(environment.id, &args.user).await?;
    let change = Change {
        event: "recovery_codes.revoked",
        environment: Some(args.environment.to_string()),
        recovery_codes: id.clone(),
        ..Change::default()
    };
    console.record(deployment, change)?;
    console.print_text(format_args!("recovery codes of {} revoked", escaped(args.user.as_str())))?;
    console.print_json(&serde_json::json!({"id": id, "user_id": args.user.as_str()}))
}

fn details(set: &RecoveryCodes, deployment: &Deployment) -> RecoveryDetails {
    let locked = set.guard.accepts_challenges(deployment.now()).err().map(|Locked { retry_at }| {
        retry_at.map_or_else(|| "until they are revoked".to_owned(), |at| format!("until {at}"))
    });
    RecoveryDetails {
        id: set.id.to_string(),
        user_id: set.user.to_string(),
        created_at: set.created_at.to_string(),
        last_used_at: set.guard.last_used_at.map(|time| time.to_string()),
        total: set.total,
        remaining: set.codes.len(),
        accept_on_challenges: set.accept_on_challenges,
        failures: set.guard.failures,
        locked,
        sealed_with: set.key.key.to_string(),
    }
}

fn accepted(details: &RecoveryDetails) -> &'static str {
    if details.accept_on_challenges {
        "on their own, and at challenges of the user's factors"
    } else {
        "on their own"
    }
}

fn missing(args: &UserArgs) -> Error {
    Error::NoRecoveryCodes { tag: args.environment.clone(), user: args.user.clone() }
}
