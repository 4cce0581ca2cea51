//! The KMS key, the keyring under it, and the environments with their keys.

use super::Finding;
use crate::deployment::Deployment;
use crate::keyring;
use shared::domain::environment::WrappedDataKey;
use shared::domain::environment::{DamagedEntry, Registration};
use shared::domain::text::escaped;
use shared::domain::time::Timestamp;
use shared::store::StoreError;
use shared::vault::keyring::KeyringError;
use std::time::Duration;

/// How long before an API key ends the doctor says so.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);
/// The age from which on a keyring should be rotated.
const OLD: Duration = Duration::from_hours(365 * 24);

/// What to do about a key of an environment that opens nothing.
const RESTORE: &str =
    "what is sealed with it cannot be verified: restore the environment's item, and the keyring's";

pub(super) async fn kms(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "KMS key";
    let kms = match deployment.kms() {
        Ok(kms) => kms,
        Err(error) => {
            let remedy =
                "name it with --kms-key-id or LATCHKEY_KMS_KEY_ID; the stack's functions have it in theirs";
            return findings.push(Finding::fault(check, error, remedy));
        }
    };
    findings.push(match kms.state().await {
        Ok(state) if state == "Enabled" => Finding::ok(check, "enabled"),
        Ok(state) => {
            let cancel = if state == "PendingDeletion" { "aws kms cancel-key-deletion, then " } else { "" };
            let remedy = format!("{cancel}aws kms enable-key --key-id {}", kms.key());
            Finding::fault(check, format_args!("{state}: functions that start now open nothing"), remedy)
        }
        Err(error) => Finding::unasked(check, error, "kms:DescribeKey on the key"),
    });
}

pub(super) async fn keyring(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "keyring";
    let entries = match deployment.operator.store.keyring().await {
        Ok(entries) => entries,
        Err(error) => return findings.push(Finding::unasked(check, error, "dynamodb:Query on the table")),
    };
    let restore = "restore the table's keyring items; what is sealed under other entries opens all the same";
    for damaged in &entries.damaged {
        findings.push(Finding::fault(check, format_args!("an entry is damaged: {damaged}"), restore));
    }
    let entries = entries.readable;
    let Some(newest) = entries.last() else {
        if findings.iter().all(|finding| finding.check != check) {
            findings.push(Finding::fault(check, "it is empty: nothing can be sealed", "latchkey init"));
        }
        return;
    };
    age(&entries, newest, deployment.now(), findings);
    let Ok(kms) = deployment.kms() else { return };
    let mut opened = 0_usize;
    for entry in &entries {
        match kms.unwrap_key(entry).await {
            Ok(_) => opened = opened.saturating_add(1),
            Err(error) => {
                let permission = "kms:Decrypt on the key";
                findings.push(Finding::unasked(&format!("{check}, {}", entry.id), error, permission));
            }
        }
    }
    if opened == entries.len() {
        findings.push(Finding::ok(check, format_args!("its entries open ({opened})")));
    }
}

/// Whether the newest entry is old, or of a moment that is still to come.
fn age(entries: &[WrappedDataKey], newest: &WrappedDataKey, now: Timestamp, findings: &mut Vec<Finding>) {
    let (check, created_at) = ("keyring's age", newest.id.created_at());
    if now >= created_at.plus(OLD) {
        let remedy = "latchkey keyring rotate, and two minutes later latchkey keyring rewrap";
        findings.push(Finding::hint(check, format_args!("its newest entry is of {created_at}"), remedy));
    }
    if let Some(seals_at) = keyring::seals_later(entries, newest.id, now).filter(|_| now < created_at) {
        let found = format!(
            "its newest entry was made by a clock that is ahead, at {created_at}: it seals nothing before {seals_at}"
        );
        let remedy = "set that clock right, then latchkey keyring rotate: the entry it adds seals after two minutes. latchkey \
                    keyring rewrap has to wait for the other one";
        findings.push(Finding::fault(check, found, remedy));
    }
}

pub(super) async fn environments(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let all = match deployment.operator.environments().await {
        Ok(all) => all,
        Err(error) => {
            let permission = "dynamodb:Query and dynamodb:GetItem on the table";
            return findings.push(Finding::unasked("environments", error, permission));
        }
    };
    for damaged in &all.damaged {
        let check = format!("environment {}", escaped(&damaged.name));
        let remedy = "restore its item from a backup, or give it up: latchkey env delete TAG. Its API keys: latchkey keys \
                    revoke ID --environment TAG";
        let found = format!("its item is damaged: `{}` is missing or makes no sense", damaged.attribute);
        findings.push(Finding::fault(&check, found, remedy));
    }
    let all = all.readable;
    if all.is_empty() && findings.iter().all(|finding| !finding.check.starts_with("environment ")) {
        findings.push(Finding::fault(
            "environments",
            "there is none: every request is refused",
            "latchkey init",
        ));
    }
    // The keyring's own findings say what is wrong with it.
    let keyring = deployment.keyring().await.ok();
    for one in &all {
        let (tag, check) = (&one.environment.tag, format!("environment {}", one.environment.tag));
        if one.deleted_at.is_some() {
            let remedy = format!("latchkey env delete {tag}");
            findings.push(Finding::hint(&check, "its deletion is not finished", remedy));
            continue;
        }
        findings.push(api_keys(one, &check, deployment.now()));
        for entry in &one.damaged {
            let remedy = match entry {
                DamagedEntry::ApiKey(_) => format!("latchkey keys revoke {entry} --environment {tag}"),
                DamagedEntry::Key(_) => RESTORE.to_owned(),
            };
            findings.push(Finding::fault(&check, format_args!("{entry} is damaged"), remedy));
        }
        let Some(keyring) = &keyring else { continue };
        let damage = keyring.key_errors(one).await.unwrap_or_else(|error| vec![error]);
        for error in
            damage.iter().filter(|error| !matches!(error, KeyringError::Store(StoreError::Corrupt(_))))
        {
            findings.push(Finding::fault(&check, format_args!("a key does not open: {error}"), RESTORE));
        }
    }
}

/// Whether an environment has an API key, and goes on having one.
fn api_keys(one: &Registration, check: &str, now: Timestamp) -> Finding {
    let successor = format!("latchkey keys create --environment {}", one.environment.tag);
    let live: Vec<_> = one.api_keys.iter().filter(|key| key.is_live(now)).collect();
    if live.is_empty() {
        return Finding::fault(check, "no live API key: every request is refused", successor);
    }
    let soon = now.plus(EXPIRES_SOON);
    let (staying, ending): (Vec<_>, Vec<_>) = live.into_iter().partition(|key| key.is_live(soon));
    let Some((key, ends_at)) = ending.iter().find_map(|key| Some((key, key.expires_at?))) else {
        return Finding::ok(check, format_args!("live API keys: {}", staying.len()));
    };
    let found = format!("{} ({}) ends at {ends_at}", key.id, key.scope.name());
    if staying.iter().any(|other| other.scope == key.scope) {
        Finding::hint(check, found, "another key of its scope stays: use that one")
    } else {
        Finding::fault(check, found, format_args!("{successor} --scope {}", key.scope.name()))
    }
}
