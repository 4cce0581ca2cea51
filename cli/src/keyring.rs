//! `latchkey keyring`: the data keys of a deployment, and the keys of environments under them.
//!
//! ```text
//! rotate   a new entry, and under it a new key for every environment
//! rewrap   every factor's secret under its environment's newest key; then keys that nothing names go
//! ```
//!
//! Both may be interrupted anywhere and run again: what is done is found done. No key goes while anything names it.

mod rewrap;

use crate::audit::Change;
use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use clap::Subcommand;
use serde::Serialize;
use shared::domain::environment::Registration;
use shared::domain::environment::WrappedDataKey;
use shared::domain::id::DataKeyId;
use shared::domain::policy::NEW_KEY_DELAY;
use shared::domain::time::Timestamp;
use shared::operate::ChangeOutcome;
use shared::vault::keyring::Keyring;

/// What to do with the keyring.
#[derive(Subcommand, Debug)]
pub enum KeyringCommand {
    /// List the entries and the environments that have keys under each
    List,
    /// Add an entry, and under it a new key for every environment. They are used after two minutes
    Rotate,
    /// Seal every factor again under its environment's newest key, and remove keys that nothing uses any more
    Rewrap,
}

#[derive(Serialize)]
struct Listed {
    id: String,
    created_at: String,
    newest: bool,
    /// From when on it seals, if it does not yet.
    seals_at: Option<String>,
    /// Environments with a key under it.
    environments: Vec<String>,
}

impl Row for Listed {
    const HEADER: &'static [&'static str] = &["ID", "CREATED", "", "ENVIRONMENTS"];

    fn cells(&self) -> Vec<String> {
        let newest = match &self.seals_at {
            Some(at) => format!("seals from {at} on"),
            None if self.newest => "newest".to_owned(),
            None => String::new(),
        };
        vec![self.id.clone(), self.created_at.clone(), newest, self.environments.join(" ")]
    }
}

/// Lists, rotates or rewraps.
///
/// # Errors
///
/// [`Error`] says what kept it from that.
pub async fn run(
    command: &KeyringCommand,
    deployment: &Deployment,
    console: &mut Console,
) -> Result<(), Error> {
    match command {
        KeyringCommand::List => list(deployment, console).await,
        KeyringCommand::Rotate => rotate(deployment, console).await,
        KeyringCommand::Rewrap => rewrap::run(deployment, console).await,
    }
}

async fn list(deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let (entries, all) =
        (deployment.operator.store.keyring().await?, deployment.operator.environments().await?);
    let newest = entries.readable.last().map(|entry| entry.id);
    let rows: Vec<Listed> = entries
        .readable
        .iter()
        .map(|entry| {
            let has_one = |one: &&Registration| one.keys.iter().any(|key| key.data_key == entry.id);
            Listed {
                id: entry.id.to_string(),
                created_at: entry.id.created_at().to_string(),
                newest: Some(entry.id) == newest,
                seals_at: seals_later(&entries.readable, entry.id, deployment.now()).map(|at| at.to_string()),
                environments: all
                    .readable
                    .iter()
                    .filter(has_one)
                    .map(|one| one.environment.tag.to_string())
                    .collect(),
            }
        })
        .collect();
    console.list(&rows)?;
    let damaged_entries = (!entries.damaged.is_empty()).then(|| Error::damaged_data_keys(entries.damaged));
    let damaged_environments = (!all.damaged.is_empty()).then(|| Error::damaged_environments(all.damaged));
    console.end([damaged_entries, damaged_environments].into_iter().flatten())
}

/// From when on an entry seals, if it does not yet. An only entry, and the oldest of several, seals at once.
pub(crate) fn seals_later(entries: &[WrappedDataKey], id: DataKeyId, now: Timestamp) -> Option<Timestamp> {
    let seals_at = id.created_at().plus(NEW_KEY_DELAY);
    let has_older = entries.first().is_some_and(|oldest| oldest.id < id);
    (has_older && now < seals_at).then_some(seals_at)
}

async fn rotate(deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    // That it opens: a new entry is no way out of a key that is lost.
    deployment.keyring().await?;
    let id = add_entry(deployment, console).await?;
    let keyring = deployment.keyring().await?;
    let mut environments = Vec::new();
    let all = deployment.operator.environments().await?;
    for one in all.readable {
        if one.deleted_at.is_none() && add_key(&one, &keyring, deployment).await? {
            environments.push(one.environment.tag.to_string());
        }
    }
    let seals_at = deployment.now().plus(NEW_KEY_DELAY);
    console.say(format_args!("{id} added; environments with a new key: {}", environments.join(" ")))?;
    console.say(format_args!(
        "they seal from {seals_at} on; then move what is sealed: `latchkey keyring rewrap`"
    ))?;
    console.show(&serde_json::json!({
        "data_key": id.to_string(), "environments": environments, "seals_at": seals_at.to_string(),
    }))?;
    // They have no new key. The next rewrap after they are restored gives them one.
    if all.damaged.is_empty() { Ok(()) } else { Err(Error::damaged_environments(all.damaged)) }
}

/// Adds an entry to the keyring.
pub(crate) async fn add_entry(deployment: &Deployment, console: &mut Console) -> Result<DataKeyId, Error> {
    let id = deployment.operator.rotate(&deployment.kms()?, deployment.now(), &mut deployment.rng()?).await?;
    console.record(
        deployment,
        Change { event: "keyring.rotated", data_key: Some(id.to_string()), ..Change::default() },
    )?;
    Ok(id)
}

/// Gives an environment a key under the newest entry, unless it was deleted.
async fn add_key(one: &Registration, keyring: &Keyring, deployment: &Deployment) -> Result<bool, Error> {
    let key = keyring.new_key(one.environment.id, deployment.now(), &mut deployment.rng()?)?;
    Ok(deployment.operator.add_environment_key(&one.environment.tag, &key).await? == ChangeOutcome::Done)
}

/// Since when a key is not sealed with: its successor seals instead.
fn replaced_at(successor_made_at: Timestamp) -> Timestamp {
    successor_made_at.plus(NEW_KEY_DELAY)
}
