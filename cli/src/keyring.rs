//! `latchkey keyring`: list and rotate the data keys of a deployment and the environments' keys that they wrap.
//!
//! ```text
//! rotate   adds a data key, and a new key wrapped by it for every environment
//! rewrap   reseals every factor's secret with its environment's newest key, then removes unused keys
//! ```
//!
//! Both can be interrupted at any time and run again. A key is never removed while something is sealed with it.

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

/// The subcommands of `latchkey keyring`.
#[derive(Subcommand, Debug)]
pub enum KeyringCommand {
    /// List the data keys, with the environments whose keys they wrap
    List,
    /// Add a data key and a new key for every environment. They are used after two minutes
    Rotate,
    /// Reseal every factor with its environment's newest key, and remove keys that are no longer used
    Rewrap,
}

#[derive(Serialize)]
struct DataKeyRow {
    id: String,
    created_at: String,
    newest: bool,
    /// When the data key becomes active, if it is not yet.
    seals_at: Option<String>,
    /// Environments with a key that it wraps.
    environments: Vec<String>,
}

impl Row for DataKeyRow {
    const HEADER: &'static [&'static str] = &["ID", "CREATED", "", "ENVIRONMENTS"];

    fn cells(&self) -> Vec<String> {
        let newest = match &self.seals_at {
            Some(at) => format!("active from {at} on"),
            None if self.newest => "newest".to_owned(),
            None => String::new(),
        };
        vec![self.id.clone(), self.created_at.clone(), newest, self.environments.join(" ")]
    }
}

/// Runs a subcommand.
///
/// # Errors
///
/// [`Error`] if it fails.
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
    let (entries, environments) =
        (deployment.operator.store.keyring().await?, deployment.operator.environments().await?);
    let newest = entries.readable.last().map(|entry| entry.id);
    let rows: Vec<DataKeyRow> = entries
        .readable
        .iter()
        .map(|entry| {
            let uses_entry =
                |registration: &&Registration| registration.keys.iter().any(|key| key.data_key == entry.id);
            DataKeyRow {
                id: entry.id.to_string(),
                created_at: entry.id.created_at().to_string(),
                newest: Some(entry.id) == newest,
                seals_at: active_from(&entries.readable, entry.id, deployment.now()).map(|at| at.to_string()),
                environments: environments
                    .readable
                    .iter()
                    .filter(uses_entry)
                    .map(|registration| registration.environment.tag.to_string())
                    .collect(),
            }
        })
        .collect();
    console.print_rows(&rows)?;
    let damaged_entries = (!entries.damaged.is_empty()).then(|| Error::damaged_data_keys(entries.damaged));
    let damaged_environments = Error::check_environments(environments.damaged).err();
    console.finish([damaged_entries, damaged_environments].into_iter().flatten())
}

/// When a data key becomes active, if it is not yet. The oldest one is active at once.
pub(crate) fn active_from(entries: &[WrappedDataKey], id: DataKeyId, now: Timestamp) -> Option<Timestamp> {
    let seals_at = id.created_at().plus(NEW_KEY_DELAY);
    let has_older = entries.first().is_some_and(|oldest| oldest.id < id);
    (has_older && now < seals_at).then_some(seals_at)
}

async fn rotate(deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    // Fails if the keyring cannot be unwrapped, because a new data key does not replace a lost one.
    deployment.keyring().await?;
    let id = add_data_key(deployment, console).await?;
    let keyring = deployment.keyring().await?;
    let mut rotated = Vec::new();
    let environments = deployment.operator.environments().await?;
    for registration in environments.readable {
        if registration.deleted_at.is_none() && add_key(&registration, &keyring, deployment).await? {
            rotated.push(registration.environment.tag.to_string());
        }
    }
    let seals_at = deployment.now().plus(NEW_KEY_DELAY);
    console.print_text(format_args!("{id} added; environments with a new key: {}", rotated.join(" ")))?;
    console.print_text(format_args!(
        "The new keys are active from {seals_at} on. Reseal all factors after that: `latchkey keyring rewrap`"
    ))?;
    console.print_json(&serde_json::json!({
        "data_key": id.to_string(), "environments": rotated, "seals_at": seals_at.to_string(),
    }))?;
    // Damaged environments got no new key. The next rewrap after they are restored adds one.
    Error::check_environments(environments.damaged)
}

/// Adds a data key to the keyring.
pub(crate) async fn add_data_key(deployment: &Deployment, console: &mut Console) -> Result<DataKeyId, Error> {
    let id = deployment.operator.rotate(&deployment.kms()?, deployment.now(), &mut deployment.rng()?).await?;
    console.record(
        deployment,
        Change { event: "keyring.rotated", data_key: Some(id.to_string()), ..Change::default() },
    )?;
    Ok(id)
}

/// Adds a key to an environment, wrapped by the newest data key. Returns false if the environment was deleted.
async fn add_key(
    registration: &Registration,
    keyring: &Keyring,
    deployment: &Deployment,
) -> Result<bool, Error> {
    let key = keyring.new_key(registration.environment.id, deployment.now(), &mut deployment.rng()?)?;
    Ok(deployment.operator.add_environment_key(&registration.environment.tag, &key).await?
        == ChangeOutcome::Done)
}

/// When a key was replaced: its successor became active.
fn replaced_at(successor_created_at: Timestamp) -> Timestamp {
    successor_created_at.plus(NEW_KEY_DELAY)
}
