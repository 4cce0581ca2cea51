//! `latchkey keyring rewrap`: what is sealed moves to the newest keys, and keys that nothing names any more go.

use super::{add_key, replaced_at};
use crate::audit::Change;
use crate::console::{Console, progress};
use crate::deployment::Deployment;
use crate::error::Error;
use indicatif::ProgressBar;
use serde::Serialize;
use shared::domain::environment::Registration;
use shared::domain::factor::Factor;
use shared::domain::id::EnvironmentKeyId;
use shared::domain::policy::{NEW_KEY_DELAY, RETIRED_KEY_RETENTION};
use shared::domain::time::Timestamp;
use shared::operate::ChangeOutcome;
use shared::store::{DamagedItem, Listing};
use shared::vault::keyring::Keyring;
use shared::vault::seal::{Seal, SealError};

/// What a run did.
#[derive(Serialize, Default)]
struct Report {
    /// Factors that were sealed again.
    factors: usize,
    /// Keys of environments and entries of the keyring that were removed.
    removed: Vec<String>,
    /// Those that nothing names, but that are kept for a while.
    kept: usize,
    /// Factors that could not be sealed again, and what is wrong with each.
    #[serde(skip)]
    failed: Vec<String>,
    /// Environments that were left as they are.
    #[serde(skip)]
    unopened: Vec<Error>,
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
    let Listing { readable, damaged } = with_keys(&keyring, deployment).await?;
    let now = deployment.now();
    if let Some(seals_at) = readable.iter().filter_map(|one| unsettled(one, now)).max() {
        return Err(Error::Unsettled(seals_at));
    }
    let bar = progress("factors sealed again".to_owned());
    let mut rewrap = Rewrap { deployment, keyring, bar, report: Report::default() };
    for one in &readable {
        rewrap.environment(one, console).await?;
    }
    rewrap.bar.finish_and_clear();
    // What a damaged environment, or a damaged key of one, is wrapped by is not known.
    if damaged.is_empty() && rewrap.report.unopened.is_empty() {
        rewrap.entries(console).await?;
    }
    end(rewrap.report, damaged, console)
}

/// Says what the run did, and fails with what it could not do.
fn end(report: Report, damaged: Vec<DamagedItem>, console: &mut Console) -> Result<(), Error> {
    let (factors, removed) = (report.factors, report.removed.len());
    console.say(format_args!("factors sealed again: {factors}; keys removed: {removed}"))?;
    if report.kept > 0 {
        let minutes = RETIRED_KEY_RETENTION.as_secs().div_euclid(60);
        console.say(format_args!(
            "older keys kept until {minutes} minutes after they were replaced: {}; run this again then",
            report.kept
        ))?;
    }
    console.show(&report)?;
    let failed = report.failed.len();
    let failed = report.failed.into_iter().next().map(|first| Error::Unsealed { factors: failed, first });
    let damaged = (!damaged.is_empty()).then(|| Error::damaged_environments(damaged));
    console.end(report.unopened.into_iter().chain(failed).chain(damaged))
}

/// Every environment, with a key under the newest entry: a rotation may have been interrupted before it came to one, or
/// have found it damaged.
async fn with_keys(keyring: &Keyring, deployment: &Deployment) -> Result<Listing<Registration>, Error> {
    let newest = keyring.unwrapped_ids().pop();
    let Listing { readable, damaged } = deployment.operator.environments().await?;
    let mut all = Vec::new();
    for one in readable {
        if one.deleted_at.is_some() {
            continue;
        }
        if one.keys.last().map(|key| key.data_key) == newest {
            all.push(one);
        } else if add_key(&one, keyring, deployment).await? {
            all.extend(deployment.operator.store.environment(&one.environment.tag).await?);
        }
    }
    Ok(Listing { readable: all, damaged })
}

/// From when on an environment's newest key seals, if it does not yet. An only key does at once.
fn unsettled(one: &Registration, now: Timestamp) -> Option<Timestamp> {
    let (newest, others) = one.keys.split_last()?;
    let seals_at = newest.id.created_at().plus(NEW_KEY_DELAY);
    (!others.is_empty() && now < seals_at).then_some(seals_at)
}

impl Rewrap<'_> {
    /// Seals an environment's factors again under its newest key, and removes the keys that nothing needs any more.
    async fn environment(&mut self, one: &Registration, console: &mut Console) -> Result<(), Error> {
        let Some((newest, _)) = one.keys.split_last() else { return Ok(()) };
        if let Some(cause) = self.keyring.key_errors(one).await?.into_iter().next() {
            self.report.unopened.push(Error::Unopened { tag: one.environment.tag.clone(), cause });
            return Ok(());
        }
        let failed_before = self.report.failed.len();
        let moved = self.factors(one, newest.id).await?;
        self.report.factors = self.report.factors.saturating_add(moved);
        // The pass has read every factor, consistently, and a key that was replaced that long ago seals none after it.
        let done = self.report.failed.len() == failed_before;
        let removed = if done { self.remove_replaced(one).await? } else { Vec::new() };
        self.report.removed.extend(removed.iter().cloned());
        if moved == 0 && removed.is_empty() {
            return Ok(());
        }
        let change = Change {
            event: "keyring.rewrapped",
            environment: Some(one.environment.tag.to_string()),
            environment_key: Some(newest.id.to_string()),
            factors: Some(moved),
            removed,
            ..Change::default()
        };
        console.record(self.deployment, change)
    }

    /// Seals again every factor that is sealed under a key older than `newest`: how many there were.
    async fn factors(&mut self, one: &Registration, newest: EnvironmentKeyId) -> Result<usize, Error> {
        let seal = self.keyring.seal(one, self.deployment.now()).await?;
        let (mut from, mut moved) = (None, 0_usize);
        loop {
            let (factors, next) =
                self.deployment.operator.factors_sealed_before(one.environment.id, newest, from).await?;
            self.report.failed.extend(factors.damaged.iter().map(ToString::to_string));
            for factor in factors.readable {
                match self.reseal(&factor, &seal).await? {
                    Ok(()) => {
                        moved = moved.saturating_add(1);
                        self.bar.inc(1);
                    }
                    Err(cause) => self.report.failed.push(format!("{}: {cause}", factor.id)),
                }
            }
            from = next;
            if from.is_none() {
                return Ok(moved);
            }
        }
    }

    /// Seals one factor's secret again, under the key that seals now.
    async fn reseal(&self, factor: &Factor, seal: &Seal) -> Result<Result<(), SealError>, Error> {
        let Some(sealed) = factor.credential.secret() else { return Ok(Ok(())) };
        let mut rng = self.deployment.rng()?;
        let opened = seal.open_secret(sealed, factor.id);
        match opened.and_then(|secret| seal.secret(&secret, factor.id, &mut rng)) {
            Ok(resealed) => {
                self.deployment.operator.rewrap(factor, sealed, &resealed).await?;
                Ok(Ok(()))
            }
            Err(cause) => Ok(Err(cause)),
        }
    }

    /// Removes the keys of an environment that were replaced long enough ago: their ids.
    async fn remove_replaced(&mut self, one: &Registration) -> Result<Vec<String>, Error> {
        let (now, mut removed) = (self.deployment.now(), Vec::new());
        for (key, next) in one.keys.iter().zip(one.keys.iter().skip(1)) {
            if !is_long_ago(replaced_at(next.id.created_at()), now) {
                self.report.kept = self.report.kept.saturating_add(1);
            } else if self.deployment.operator.remove_environment_key(&one.environment.tag, key.id).await?
                == ChangeOutcome::Done
            {
                removed.push(key.id.to_string());
            }
        }
        Ok(removed)
    }

    /// Removes the entries of the keyring that were replaced long enough ago and that no environment's key names. An entry
    /// that does not open replaces none.
    async fn entries(&mut self, console: &mut Console) -> Result<(), Error> {
        // Read again: keys of environments have just been removed.
        let all = self.deployment.operator.environments().await?;
        if !all.damaged.is_empty() {
            return Ok(());
        }
        let (entries, mut removed) = (self.keyring.unwrapped_ids(), Vec::new());
        for (entry, next) in entries.iter().zip(entries.iter().skip(1)) {
            let named = all.readable.iter().flat_map(|one| &one.keys).any(|key| key.data_key == *entry);
            if named {
                continue;
            }
            if is_long_ago(replaced_at(next.created_at()), self.deployment.now()) {
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

fn is_long_ago(moment: Timestamp, now: Timestamp) -> bool {
    moment.plus(RETIRED_KEY_RETENTION) <= now
}
