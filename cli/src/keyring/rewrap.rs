//! `latchkey keyring rewrap`: what is sealed moves to the newest keys, and keys that nothing names any more go.

use super::{add_key, replaced_at};
use crate::audit::Change;
use crate::console::{Console, progress};
use crate::deployment::Deployment;
use crate::error::Error;
use indicatif::ProgressBar;
use serde::Serialize;
use shared::domain::environment::{Registration, WrappedKey};
use shared::domain::factor::Factor;
use shared::domain::id::EnvironmentKeyId;
use shared::domain::policy::{KEY_KEPT, KEY_SETTLES};
use shared::domain::time::Timestamp;
use shared::store::{Changed, Listing};
use shared::vault::keyring::Keyring;
use shared::vault::seal::{Seal, SealError};

/// What a run did.
#[derive(Serialize, Default)]
struct Done {
    /// Factors that were sealed again.
    factors: usize,
    /// Keys of environments and entries of the keyring that were removed.
    removed: Vec<String>,
    /// Those that nothing names, but that are kept for a while.
    kept: usize,
    /// Factors that could not be, and what is wrong with each.
    #[serde(skip)]
    left: Vec<String>,
    /// Environments that were left as they are.
    #[serde(skip)]
    unopened: Vec<Error>,
}

pub(super) async fn run(deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let keyring = deployment.keyring().await?;
    let Listing { readable, damaged } = with_keys(&keyring, deployment).await?;
    let now = deployment.now();
    if let Some(seals_at) = readable.iter().filter_map(|one| unsettled(one, now)).max() {
        return Err(Error::Unsettled(seals_at));
    }
    let bar = progress("factors sealed again".to_owned());
    let mut done = Done::default();
    for one in &readable {
        environment(one, &keyring, deployment, console, &bar, &mut done).await?;
    }
    bar.finish_and_clear();
    // What a damaged environment, or a damaged key of one, is wrapped by is not known.
    if damaged.is_empty() && done.unopened.is_empty() {
        entries(&keyring, deployment, console, &mut done).await?;
    }
    console.say(format_args!(
        "factors sealed again: {}; keys removed: {}",
        done.factors,
        done.removed.len()
    ))?;
    if done.kept > 0 {
        let minutes = KEY_KEPT.as_secs().div_euclid(60);
        console.say(format_args!(
            "older keys kept until {minutes} minutes after they were replaced: {}; run this again then",
            done.kept
        ))?;
    }
    console.show(&done)?;
    let left = done.left.len();
    let left = done.left.into_iter().next().map(|first| Error::Left { left, first });
    let damaged = (!damaged.is_empty()).then(|| Error::damaged_environments(damaged));
    console.end(done.unopened.into_iter().chain(left).chain(damaged))
}

/// Every environment, with a key under the newest entry: a rotation may have been interrupted before it came to one, or
/// have found it damaged.
async fn with_keys(keyring: &Keyring, deployment: &Deployment) -> Result<Listing<Registration>, Error> {
    let newest = keyring.open_entries().pop();
    let Listing { readable, damaged } = deployment.store.environments().await?;
    let mut all = Vec::new();
    for one in readable {
        if one.deleted_at.is_some() {
            continue;
        }
        if one.keys.last().map(|key| key.data_key) == newest {
            all.push(one);
        } else if add_key(&one, keyring, deployment).await? {
            all.extend(deployment.store.environment(&one.environment.tag).await?);
        }
    }
    Ok(Listing { readable: all, damaged })
}

/// From when on an environment's newest key seals, if it does not yet. An only key does at once.
fn unsettled(one: &Registration, now: Timestamp) -> Option<Timestamp> {
    let (newest, others) = one.keys.split_last()?;
    let seals_at = newest.id.made_at().plus(KEY_SETTLES);
    (!others.is_empty() && now < seals_at).then_some(seals_at)
}

async fn environment(
    one: &Registration,
    keyring: &Keyring,
    deployment: &Deployment,
    console: &mut Console,
    bar: &ProgressBar,
    done: &mut Done,
) -> Result<(), Error> {
    let Some((newest, _)) = one.keys.split_last() else { return Ok(()) };
    if let Some(cause) = keyring.damage(one).await?.into_iter().next() {
        done.unopened.push(Error::Unopened { tag: one.environment.tag.clone(), cause });
        return Ok(());
    }
    let seal = keyring.seal(one, deployment.now()).await?;
    let (mut from, mut moved) = (None, 0_usize);
    let left_before = done.left.len();
    loop {
        let (factors, next) = deployment.store.sealed_before(one.environment.id, newest.id, from).await?;
        done.left.extend(factors.damaged.iter().map(ToString::to_string));
        for factor in factors.readable {
            match reseal(&factor, &seal, deployment).await? {
                Ok(()) => {
                    moved = moved.saturating_add(1);
                    bar.inc(1);
                }
                Err(cause) => done.left.push(format!("{}: {cause}", factor.id)),
            }
        }
        from = next;
        if from.is_none() {
            break;
        }
    }
    done.factors = done.factors.saturating_add(moved);
    let mut removed = Vec::new();
    // The pass has read every factor, consistently, and a key that was replaced that long ago seals none after it.
    if done.left.len() == left_before {
        for key in replaced(&one.keys, deployment.now(), done) {
            if deployment.store.remove_environment_key(&one.environment.tag, key).await? == Changed::Done {
                removed.push(key.to_string());
            }
        }
    }
    done.removed.extend(removed.iter().cloned());
    if moved > 0 || !removed.is_empty() {
        let change = Change {
            event: "keyring.rewrapped",
            environment: Some(one.environment.tag.to_string()),
            environment_key: Some(newest.id.to_string()),
            factors: Some(moved),
            removed,
            ..Change::default()
        };
        console.record(deployment, change)?;
    }
    Ok(())
}

/// Seals one factor's secret again, under the key that seals now.
async fn reseal(
    factor: &Factor,
    seal: &Seal,
    deployment: &Deployment,
) -> Result<Result<(), SealError>, Error> {
    let Some(sealed) = factor.credential.secret() else { return Ok(Ok(())) };
    let mut rng = deployment.rng()?;
    let opened = seal.open_secret(sealed, factor.id);
    match opened.and_then(|secret| seal.secret(&secret, factor.id, &mut rng)) {
        Ok(resealed) => {
            deployment.store.rewrap(factor, sealed, &resealed).await?;
            Ok(Ok(()))
        }
        Err(cause) => Ok(Err(cause)),
    }
}

/// Keys of an environment that were replaced long enough ago.
fn replaced(keys: &[WrappedKey], now: Timestamp, done: &mut Done) -> Vec<EnvironmentKeyId> {
    let successors = keys.iter().skip(1).map(|key| key.id.made_at());
    let replaced = keys.iter().map(|key| key.id).zip(successors);
    let (old, young): (Vec<_>, Vec<_>) = replaced.partition(|(_, next)| is_long_ago(replaced_at(*next), now));
    done.kept = done.kept.saturating_add(young.len());
    old.into_iter().map(|(key, _)| key).collect()
}

/// Removes the entries of the keyring that were replaced long enough ago and that no environment's key names. An entry
/// that does not open replaces none.
async fn entries(
    keyring: &Keyring,
    deployment: &Deployment,
    console: &mut Console,
    done: &mut Done,
) -> Result<(), Error> {
    // Read again: keys of environments have just been removed.
    let all = deployment.store.environments().await?;
    if !all.damaged.is_empty() {
        return Ok(());
    }
    let (entries, mut removed) = (keyring.open_entries(), Vec::new());
    for (entry, next) in entries.iter().zip(entries.iter().skip(1)) {
        let named = all.readable.iter().flat_map(|one| &one.keys).any(|key| key.data_key == *entry);
        if named {
            continue;
        }
        if is_long_ago(replaced_at(next.made_at()), deployment.now()) {
            deployment.store.remove_data_key(*entry).await?;
            removed.push(entry.to_string());
        } else {
            done.kept = done.kept.saturating_add(1);
        }
    }
    if removed.is_empty() {
        return Ok(());
    }
    done.removed.extend(removed.iter().cloned());
    console.record(deployment, Change { event: "keyring.rewrapped", removed, ..Change::default() })
}

fn is_long_ago(moment: Timestamp, now: Timestamp) -> bool {
    moment.plus(KEY_KEPT) <= now
}
