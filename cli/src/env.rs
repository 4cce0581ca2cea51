//! `latchkey env`: environments, the tenants of a deployment.
//!
//! To delete one is to destroy its keys first: from then on nothing it holds can be opened, whatever becomes of the rest.

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

/// What to do with environments.
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
    /// Destroy an environment's keys and remove everything it holds
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
struct Listed {
    environment: String,
    id: String,
    created_at: String,
    /// Live ones.
    api_keys: usize,
    keys: usize,
    deleted_at: Option<String>,
}

impl Row for Listed {
    const HEADER: &'static [&'static str] = &["ENVIRONMENT", "ID", "CREATED", "API KEYS", "KEYS", "STATE"];

    fn cells(&self) -> Vec<String> {
        let state =
            self.deleted_at.as_ref().map_or_else(String::new, |at| format!("being deleted since {at}"));
        let (api_keys, keys) = (self.api_keys.to_string(), self.keys.to_string());
        vec![self.environment.clone(), self.id.clone(), self.created_at.clone(), api_keys, keys, state]
    }
}

/// Makes, lists or deletes.
///
/// # Errors
///
/// [`Error`] says what kept it from that.
pub async fn run(command: &EnvCommand, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    match command {
        EnvCommand::Create { tag } => {
            let made = add(tag, deployment, console).await?;
            console.say(format_args!(
                "environment {tag} made; its first API key: `latchkey keys create --environment {tag}`"
            ))?;
            console.show(&listed(&made, deployment))
        }
        EnvCommand::List => {
            let all = deployment.operator.environments().await?;
            let rows: Vec<Listed> = all.readable.iter().map(|one| listed(one, deployment)).collect();
            console.list(&rows)?;
            if all.damaged.is_empty() { Ok(()) } else { Err(Error::damaged_environments(all.damaged)) }
        }
        EnvCommand::Delete { tag, yes } => delete(tag, *yes, deployment, console).await,
    }
}

/// Makes an environment, with a key of its own.
pub(crate) async fn add(
    tag: &Tag,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<Registration, Error> {
    let keyring = deployment.keyring().await?;
    let new = keyring.new_environment(tag.clone(), deployment.now(), &mut deployment.rng()?)?;
    if deployment.operator.add_environment(&new).await? == ChangeOutcome::Refused {
        // The call may have been made twice by the client, and found what it made itself.
        let there = deployment.operator.store.environment(tag).await?;
        return match there {
            Some(there) if there.environment == new.environment => Ok(new),
            Some(there) if there.deleted_at.is_some() => Err(Error::Deleted(tag.clone())),
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
                "This destroys the keys of {tag}: its API keys end, and none of its factors can be verified again. Its \
                 name, to go on:"
            );
            if console.ask(&question)? != tag.as_str() {
                return Err(Error::Unconfirmed(tag.clone()));
            }
        }
        let now = deployment.now();
        // Refused if it was removed just now.
        deployment.operator.erase_environment(tag, now).await?;
        console.record(deployment, change("environment.deleted", tag, id))?;
        now
    };
    let environment =
        Environment { id: id.ok_or_else(|| Error::Unidentified(tag.clone()))?, tag: tag.clone() };
    // A function that read the environment before it was erased may go on for a minute, and write.
    let quiet_from = erased_at.plus(NEW_KEY_DELAY);
    let last_pass = !deployment.is_served() || deployment.now() >= quiet_from;
    let removed = remove_held(&environment, deployment).await?;
    if !last_pass {
        return Err(Error::Erasing { tag: tag.clone(), until: quiet_from });
    }
    deployment.operator.remove_environment(tag).await?;
    console.say(format_args!("environment {tag} deleted, with {removed} items"))?;
    console.show(
        &serde_json::json!({"environment": tag.as_str(), "id": environment.id.to_string(), "items": removed}),
    )
}

async fn remove_held(environment: &Environment, deployment: &Deployment) -> Result<usize, Error> {
    let bar = progress(format!("removing what {} holds", environment.tag));
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

fn listed(registration: &Registration, deployment: &Deployment) -> Listed {
    let Registration { environment, api_keys, keys, deleted_at, damaged: _ } = registration;
    Listed {
        environment: environment.tag.to_string(),
        id: environment.id.to_string(),
        created_at: environment.id.created_at().to_string(),
        api_keys: api_keys.iter().filter(|key| key.is_live(deployment.now())).count(),
        keys: keys.len(),
        deleted_at: deleted_at.map(|at| at.to_string()),
    }
}
