//! `latchkey keyring rewrap`: reseals all secrets of factors and recovery codes with the newest keys, and removes keys that are no longer used.

use super::{add_key, replaced_at};
use crate::audit::Change;
use crate::console::{Console, progress};
use crate::deployment::Deployment;
use crate::error::Error;
use indicatif::ProgressBar;
use serde::Serialize;
use shared::domain::environment::Registration;
use shared::domain::id::EnvironmentKeyId;
use shared::domain::policy::{NEW_KEY_DELAY, RETIRED_KEY_RETENTION};
use shared::domain::time::Timestamp;
use shared::operate::{ChangeOutcome, SealedItem};
use shared::store::{DamagedItem, Listing};
use shared::vault::keyring::Keyring;
use shared::vault::seal::{Seal, SealError};

/// The result of a run.
#[derive(Serialize, Default)]
struct Report {
    /// Number of resealed secrets.
    secrets: usize,
    /// Removed environment keys and data keys.
    removed: Vec<String>,
    /// Number of unused keys that are kept until [`RETIRED_KEY_RETENTION`] has passed.
    kept: usize,
    /// Secrets that could not be resealed, with the error of each.
    #[serde(skip)]
    failed: Vec<String>,
    /// Errors of environments that were skipped.
    #[serde(skip)]
    skipped: Vec<Error>,
}

/// A run over all environments.
struct Rewrap<'a> {
    deployment: &'a Deployment,
    keyring: Keyring,
    bar: ProgressBar,
    report: Report,
}

pub(super) async fn run(deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let keyring = deployment.keyring().await?;
    let Listing { readable, damaged } = with_newest_key(&keyring, deployment).await?;
    let now = deployment.now();
    if let Some(seals_at) = readable.iter().filter_map(|registration| active_from(registration, now)).max() {
        return Err(Error::KeysNotActive(seals_at));
    }
    let bar = progress("secrets resealed".to_owned());
    let mut rewrap = Rewrap { deployment, keyring, bar, report: Report::default() };
    for registration in &readable {
        rewrap.rewrap_environment(registration, console).await?;
    }
    rewrap.bar.finish_and_clear();
    // A damaged environment or key may be wrapped by any data key.
    if damaged.is_empty() && rewrap.report.skipped.is_empty() {
        rewrap.remove_data_keys(console).await?;
    }
    end(rewrap.report, damaged, console)
}

/// Prints the result, and fails if anything could not be done.
fn end(report: Report, damaged: Vec<DamagedItem>, console: &mut Console) -> Result<(), Error> {
    let (secrets, removed) = (report.secrets, report.removed.len());
    console.print_text(format_args!("secrets resealed: {secrets}; keys removed: {removed}"))?;
    if report.kept > 0 {
        let minutes = RETIRED_KEY_RETENTION.as_secs().div_euclid(60);
        console.print_text(format_args!(
            "older keys kept until {minutes} minutes after their replacement: {}. Run this again after that",
            report.kept
        ))?;
    }
    console.print_json(&report)?;
    let failed = report.failed.len();
    let failed = report.failed.into_iter().next().map(|first| Error::NotResealed { secrets: failed, first });
    let damaged = Error::check_environments(damaged).err();
    console.finish(report.skipped.into_iter().chain(failed).chain(damaged))
}

/// Every environment, each with a key wrapped by the newest data key. Adds a missing key: a rotation may have been
/// interrupted, or the environment damaged at the time.
async fn with_newest_key(keyring: &Keyring, deployment: &Deployment) -> Result<Listing<Registration>, Error> {
    let newest = keyring.unwrapped_ids().pop();
    let Listing { readable, damaged } = deployment.operator.environments().await?;
    let mut environments = Vec::new();
    for registration in readable {
        if registration.deleted_at.is_some() {
            continue;
        }
        if registration.keys.last().map(|key| key.data_key) == newest {
            environments.push(registration);
        } else if add_key(&registration, keyring, deployment).await? {
            environments.extend(deployment.operator.store.environment(&registration.environment.tag).await?);
        }
    }
    Ok(Listing { readable: environments, damaged })
}

/// When an environment's newest key becomes active, if it is not yet. The only key is active at once.
fn active_from(registration: &Registration, now: Timestamp) -> Option<Timestamp> {
    let (newest, others) = registration.keys.split_last()?;
    let seals_at = newest.id.created_at().plus(NEW_KEY_DELAY);
    (!others.is_empty() && now < seals_at).then_some(seals_at)
}

impl Rewrap<'_> {
    /// Reseals an environment's secrets with its newest key, and removes its unused keys.
    async fn rewrap_environment(
        &mut self,
        registration: &Registration,
        console: &mut Console,
    ) -> Result<(), Error> {
        let Some((newest, _)) = registration.keys.split_last() else { return Ok(()) };
        if let Some(cause) = self.keyring.key_errors(registration).await?.into_iter().next() {
            self.report
                .skipped
                .push(Error::KeyNotUnwrapped { tag: registration.environment.tag.clone(), cause });
            return Ok(());
        }
        let failed_before = self.report.failed.len();
        let resealed = self.reseal_secrets(registration, newest.id).await?;
        self.report.secrets = self.report.secrets.saturating_add(resealed);
        // Safe because the scan has read every item consistently, and no function seals with a key that was replaced
        // that long ago.
        let complete = self.report.failed.len() == failed_before;
        let removed = if complete { self.remove_environment_keys(registration).await? } else { Vec::new() };
        self.report.removed.extend(removed.iter().cloned());
        if resealed == 0 && removed.is_empty() {
            return Ok(());
        }
        let change = Change {
            event: "keyring.rewrapped",
            environment: Some(registration.environment.tag.to_string()),
            environment_key: Some(newest.id.to_string()),
            secrets: Some(resealed),
            removed,
            ..Change::default()
        };
        console.record(self.deployment, change)
    }

    /// Reseals every secret that is sealed with a key older than `newest`. Returns their number.
    async fn reseal_secrets(
        &mut self,
        registration: &Registration,
        newest: EnvironmentKeyId,
    ) -> Result<usize, Error> {
        let seal = self.keyring.seal(registration, self.deployment.now()).await?;
        let (mut from, mut resealed) = (None, 0_usize);
        loop {
            let (sealed, next) =
                self.deployment.operator.sealed_before(registration.environment.id, newest, from).await?;
            self.report.failed.extend(sealed.damaged.iter().map(ToString::to_string));
            for item in sealed.readable {
                match self.reseal(&item, &seal).await? {
                    Ok(()) => {
                        resealed = resealed.saturating_add(1);
                        self.bar.inc(1);
                    }
                    Err(cause) => self.report.failed.push(format!("{item}: {cause}")),
                }
            }
            from = next;
            if from.is_none() {
                return Ok(resealed);
            }
        }
    }

    /// Reseals a secret with the active key.
    async fn reseal(&self, item: &SealedItem, seal: &Seal) -> Result<Result<(), SealError>, Error> {
        match item.resealed(seal, &mut self.deployment.rng()?) {
            Ok(resealed) => {
                self.deployment.operator.rewrap(item, &resealed).await?;
                Ok(Ok(()))
            }
            Err(cause) => Ok(Err(cause)),
        }
    }

    /// Removes the keys of an environment whose retention has passed. Returns their IDs.
    async fn remove_environment_keys(&mut self, registration: &Registration) -> Result<Vec<String>, Error> {
        let (now, mut removed) = (self.deployment.now(), Vec::new());
        for (key, next) in registration.keys.iter().zip(registration.keys.iter().skip(1)) {
            if !retention_has_passed(replaced_at(next.id.created_at()), now) {
                self.report.kept = self.report.kept.saturating_add(1);
            } else if self
                .deployment
                .operator
                .remove_environment_key(&registration.environment.tag, key.id)
                .await?
                == ChangeOutcome::Done
            {
                removed.push(key.id.to_string());
            }
        }
        Ok(removed)
    }

    /// Removes the data keys that wrap no environment's key and whose retention has passed. A data key that cannot be
    /// unwrapped does not count as a successor.
    async fn remove_data_keys(&mut self, console: &mut Console) -> Result<(), Error> {
        // Read again, because keys of environments have just been removed.
        let environments = self.deployment.operator.environments().await?;
        if !environments.damaged.is_empty() {
            return Ok(());
        }
        let (entries, mut removed) = (self.keyring.unwrapped_ids(), Vec::new());
        for (entry, next) in entries.iter().zip(entries.iter().skip(1)) {
            let in_use = environments
                .readable
                .iter()
                .flat_map(|registration| &registration.keys)
                .any(|key| key.data_key == *entry);
            if in_use {
                continue;
            }
            if retention_has_passed(replaced_at(next.created_at()), self.deployment.now()) {
                self.deployment.operator.remove_data_key(*entry).await?;
                removed.push(entry.to_string());
            } else {
                self.report.kept = self.report.kept.saturating_add(1);
            }
        }
        if removed.is_empty() {
            return Ok(());
        }
        self.report.removed.extend(removed.iter().cloned());
        console.record(self.deployment, Change { event: "keyring.rewrapped", removed, ..Change::default() })
    }
}

fn retention_has_passed(replaced_at: Timestamp, now: Timestamp) -> bool {
    replaced_at.plus(RETIRED_KEY_RETENTION) <= now
}
