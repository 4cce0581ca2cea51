//! `latchkey init`: creates everything a deployment needs. Keeps whatever exists already.

use crate::console::Console;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::keys::{self, Access, NewApiKey};
use crate::{env, keyring};
use clap::Args;
use serde::Serialize;
use shared::domain::environment::Tag;
use shared::domain::scope::Scope;
use shared::operate::ChangeOutcome;

/// The arguments of `latchkey init`.
#[derive(Args, Debug)]
pub struct Init {
    /// Tag of the first environment: 1 to 32 lower-case letters, digits and hyphens
    #[arg(long, value_name = "TAG", default_value = "production", value_parser = Tag::parse)]
    environment: Tag,
}

/// What was created, and what existed before.
#[derive(Serialize)]
struct Report {
    table: String,
    table_made: bool,
    data_key: String,
    data_key_made: bool,
    environment: String,
    environment_made: bool,
    /// Shown once; `None` if the environment has a live API key.
    api_key: Option<NewApiKey>,
}

/// Creates what is missing: table, keyring, environment, API key.
///
/// # Errors
///
/// [`Error`] if something cannot be created. What was created before is kept, and the next run continues from there.
pub async fn run(init: &Init, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let (operator, tag) = (&deployment.operator, &init.environment);
    // Fails early, before anything is created.
    deployment.kms()?;
    let table_made = operator.create_table().await? == ChangeOutcome::Done;
    if table_made && !deployment.is_local() {
        operator.enable_point_in_time_recovery().await?;
    }
    report(console, "table", operator.store.table(), table_made)?;

    let entries = operator.store.keyring().await?;
    let (data_key, data_key_made) = match entries.readable.last() {
        Some(newest) => {
            // Fails if the keyring cannot be unwrapped.
            deployment.keyring().await?;
            (newest.id, false)
        }
        None if !entries.damaged.is_empty() => return Err(Error::damaged_data_keys(entries.damaged)),
        None => (keyring::add_data_key(deployment, console).await?, true),
    };
    report(console, "data key", &data_key.to_string(), data_key_made)?;

    let environment_made = match deployment.environment(tag).await {
        Err(Error::NoEnvironment(_)) => {
            env::create(tag, deployment, console).await?;
            true
        }
        found => found.map(|_| false)?,
    };
    report(console, "environment", tag.as_str(), environment_made)?;

    let registration = deployment.environment(tag).await?;
    let live = registration.api_keys.iter().any(|key| key.is_live(deployment.now()));
    let api_key = if live {
        None
    } else {
        Some(
            keys::create(&registration, Access { scope: Scope::Full, expires_at: None }, deployment, console)
                .await?,
        )
    };
    match &api_key {
        Some(key) => console.print_text(format_args!("API key      {}  shown only once", key.key))?,
        None => console.print_text(format_args!(
            "API key      already exists. Create another one: `latchkey keys create --environment {tag}`"
        ))?,
    }
    console.print_json(&Report {
        table: operator.store.table().to_owned(),
        table_made,
        data_key: data_key.to_string(),
        data_key_made,
        environment: tag.to_string(),
        environment_made,
        api_key,
    })
}

fn report(console: &mut Console, what: &str, name: &str, created: bool) -> Result<(), Error> {
    console.print_text(format_args!(
        "{what:<11}  {name}  {}",
        if created { "created" } else { "already exists" }
    ))
}
