//! `latchkey env`: create, list and delete environments, the tenants of a deployment.
//!
//! Deleting an environment deletes its keys first. From then on its secrets cannot be opened, even if its items are not
//! removed yet.

use crate::audit::Change;
use crate::console::{Console, Row, progress};
use crate::deployment::Deployment;
use crate::error::Error;
use clap::Subcommand;
use serde::Serialize;
use shared::domain::environment::{DeletionState, Environment, Registration, Tag};
use shared::domain::id::EnvironmentId;
use shared::domain::policy::NEW_KEY_DELAY;
use shared::operate::ChangeOutcome;

/// The subcommands of `latchkey env`.
#[derive(Subcommand, Debug)]
pub enum EnvCommand {
    /// Create an environment
    Create {
        /// Environment tag: 1 to 32 lower-case letters, digits and hyphens, shown in its API keys
        #[arg(value_parser = Tag::parse)]
        tag: Tag,
    },
    /// List the environments
    List,
    /// Delete an environment: its keys, factors and challenges
    Delete {
        /// Environment tag
        #[arg(value_parser = Tag::parse)]
        tag: Tag,
        /// Skip the confirmation prompt
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Serialize)]
struct EnvironmentRow {
    environment: String,
    id: String,
    created_at: String,
    /// Number of live API keys.
    api_keys: usize,
    keys: usize,
    deleted_at: Option<String>,
}

impl Row for EnvironmentRow {
    const HEADER: &'static [&'static str] = &["ENVIRONMENT", "ID", "CREATED", "API KEYS", "KEYS", "STATE"];

    fn cells(&self) -> Vec<String> {
        let state =
            self.deleted_at.as_ref().map_or_else(String::new, |at| format!("being deleted since {at}"));
        let (api_keys, keys) = (self.api_keys.to_string(), self.keys.to_string());
        vec![self.environment.clone(), self.id.clone(), self.created_at.clone(), api_keys, keys, state]
    }
}

/// Runs a subcommand.
///
/// # Errors
///
/// [`Error`] if it fails.
pub async fn run(command: &EnvCommand, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    match command {
        EnvCommand::Create { tag } => {
            let environment = create(tag, deployment, console).await?;
            console.print_text(format_args!(
                "environment {tag} created. Create its first API key: `latchkey keys create --environment {tag}`"
            ))?;
            console.print_json(&row(&environment, deployment))
        }
        EnvCommand::List => {
            let environments = deployment.operator.environments().await?;
            let rows: Vec<EnvironmentRow> =
                environments.readable.iter().map(|registration| row(registration, deployment)).collect();
            console.print_rows(&rows)?;
            Error::check_environments(environments.damaged)
        }
        EnvCommand::Delete { tag, yes } => delete(tag, *yes, deployment, console).await,
    }
}

/// Creates an environment with its first encryption key.
pub(crate) async fn create(
    tag: &Tag,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<Registration, Error> {
    let keyring = deployment.keyring().await?;
    let new = keyring.new_environment(tag.clone(), deployment.now(), &mut deployment.rng()?)?;
    if deployment.operator.add_environment(&new).await? == ChangeOutcome::Refused {
        // The SDK may have retried the write after a lost response, and found the environment that its first try wrote.
        let existing = deployment.operator.store.environment(tag).await?;
        return match existing {
            Some(existing) if existing.environment == new.environment => Ok(new),
            Some(existing) if existing.deleted_at.is_some() => {
                Err(Error::EnvironmentBeingDeleted(tag.clone()))
            }
            _ => Err(Error::EnvironmentExists(tag.clone())),
        };
    }
    console.record(deployment, change("environment.created", tag, Some(new.environment.id)))?;
    Ok(new)
}

async fn delete(tag: &Tag, yes: bool, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let missing = || Error::NoEnvironment(tag.clone());
    let DeletionState { id, deleted_at } =
        deployment.operator.deletion_state(tag).await?.ok_or_else(missing)?;
    let erased_at = if let Some(erased_at) = deleted_at {
        erased_at
    } else {
        if !yes {
            let question = format!(
                "This deletes the environment {tag}: its API keys are no longer accepted, and its factors can never be \
                 verified again. Type its tag to continue:"
            );
            if console.prompt(&question)? != tag.as_str() {
                return Err(Error::NotConfirmed(tag.clone()));
            }
        }
        let now = deployment.now();
        // Refused if the environment was removed in the meantime, which is fine.
        deployment.operator.erase_environment(tag, now).await?;
        console.record(deployment, change("environment.deleted", tag, id))?;
        now
    };
    let environment =
        Environment { id: id.ok_or_else(|| Error::UnknownEnvironmentId(tag.clone()))?, tag: tag.clone() };
    // A function that read the environment before its keys were deleted may write items for another minute.
    let last_write_at = erased_at.plus(NEW_KEY_DELAY);
    let last_pass = !deployment.is_served() || deployment.now() >= last_write_at;
    let removed = remove_items(&environment, deployment).await?;
    if !last_pass {
        return Err(Error::NotYetRemoved { tag: tag.clone(), until: last_write_at });
    }
    deployment.operator.remove_environment(tag).await?;
    console.print_text(format_args!("environment {tag} deleted; items removed: {removed}"))?;
    console.print_json(
        &serde_json::json!({"environment": tag.as_str(), "id": environment.id.to_string(), "items": removed}),
    )
}

async fn remove_items(environment: &Environment, deployment: &Deployment) -> Result<usize, Error> {
    let bar = progress(format!("removing the items of {}", environment.tag));
    let (mut from, mut removed) = (None, 0_usize);
    loop {
        let page = deployment.operator.remove_items(environment.id, from).await?;
        removed = removed.saturating_add(page.items);
        bar.set_position(u64::try_from(removed).unwrap_or_default());
        from = page.next;
        if from.is_none() {
            bar.finish_and_clear();
            return Ok(removed);
        }
    }
}

fn change(event: &'static str, tag: &Tag, id: Option<EnvironmentId>) -> Change {
    Change {
        event,
        environment: Some(tag.to_string()),
        environment_id: id.map(|id| id.to_string()),
        ..Change::default()
    }
}

fn row(registration: &Registration, deployment: &Deployment) -> EnvironmentRow {
    let Registration { environment, api_keys, keys, deleted_at, damaged: _ } = registration;
    EnvironmentRow {
        environment: environment.tag.to_string(),
        id: environment.id.to_string(),
        created_at: environment.id.created_at().to_string(),
        api_keys: api_keys.iter().filter(|key| key.is_live(deployment.now())).count(),
        keys: keys.len(),
        deleted_at: deleted_at.map(|at| at.to_string()),
    }
}
