//! Checks of the KMS key, the keyring, and the environments with their keys.

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

/// How long before its expiry an API key is reported.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);
/// The age at which a keyring should be rotated.
const ROTATION_DUE_AGE: Duration = Duration::from_hours(365 * 24);

/// The remedy for a damaged key of an environment.
const RESTORE_REMEDY: &str = "factors sealed with it cannot be verified: restore the environment's item and the keyring \
                              items from a backup";

pub(super) async fn kms(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "KMS key";
    let kms = match deployment.kms() {
        Ok(kms) => kms,
        Err(error) => {
            let remedy = "set --kms-key-id or LATCHKEY_KMS_KEY_ID to the key in the functions' variable LATCHKEY_KMS_KEY_ID";
            return findings.push(Finding::fault(check, error, remedy));
        }
    };
    findings.push(match kms.state().await {
        Ok(state) if state == "Enabled" => Finding::ok(check, "enabled"),
        Ok(state) => {
            let cancel = if state == "PendingDeletion" { "aws kms cancel-key-deletion, then " } else { "" };
            let remedy = format!("{cancel}aws kms enable-key --key-id {}", kms.key());
            Finding::fault(
                check,
                format_args!("{state}: functions that start now cannot open any secret"),
                remedy,
            )
        }
        Err(error) => Finding::failed_check(check, error, "kms:DescribeKey on the key"),
    });
}

pub(super) async fn keyring(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "keyring";
    let entries = match deployment.operator.store.keyring().await {
        Ok(entries) => entries,
        Err(error) => {
            return findings.push(Finding::failed_check(check, error, "dynamodb:Query on the table"));
        }
    };
    let restore = "restore the table's keyring items from a backup; other entries are not affected";
    for damaged in &entries.damaged {
        findings.push(Finding::fault(check, format_args!("an entry is damaged: {damaged}"), restore));
    }
    let entries = entries.readable;
    let Some(newest) = entries.last() else {
        if findings.iter().all(|finding| finding.check != check) {
            findings.push(Finding::fault(check, "empty: nothing can be sealed", "latchkey init"));
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
                findings.push(Finding::failed_check(&format!("{check}, {}", entry.id), error, permission));
            }
        }
    }
    if opened == entries.len() {
        findings.push(Finding::ok(check, format_args!("all entries can be unwrapped ({opened})")));
    }
}

/// Checks the age of the newest data key, which may also be in the future.
fn age(entries: &[WrappedDataKey], newest: &WrappedDataKey, now: Timestamp, findings: &mut Vec<Finding>) {
    let (check, created_at) = ("keyring age", newest.id.created_at());
    if now >= created_at.plus(ROTATION_DUE_AGE) {
        let remedy = "latchkey keyring rotate, and two minutes later: latchkey keyring rewrap";
        findings.push(Finding::hint(
            check,
            format_args!("the newest entry was created at {created_at}"),
            remedy,
        ));
    }
    if let Some(seals_at) = keyring::active_from(entries, newest.id, now).filter(|_| now < created_at) {
        let found = format!(
            "the newest entry was created in the future, at {created_at}: it is not active before {seals_at}"
        );
        let remedy = "correct the clock that created it, then latchkey keyring rotate: the added entry is active after two minutes. \
                    latchkey keyring rewrap is possible once the other entry is active";
        findings.push(Finding::fault(check, found, remedy));
    }
}

pub(super) async fn environments(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let listing = match deployment.operator.environments().await {
        Ok(listing) => listing,
        Err(error) => {
            let permission = "dynamodb:Query and dynamodb:GetItem on the table";
            return findings.push(Finding::failed_check("environments", error, permission));
        }
    };
    for damaged in &listing.damaged {
        let check = format!("environment {}", escaped(&damaged.name));
        let remedy = "restore its item from a backup, or delete it: latchkey env delete TAG. Revoke its API keys: latchkey keys \
                    revoke ID --environment TAG";
        let found = format!("its item is damaged: `{}` is missing or invalid", damaged.attribute);
        findings.push(Finding::fault(&check, found, remedy));
    }
    let environments = listing.readable;
    if environments.is_empty() && findings.iter().all(|finding| !finding.check.starts_with("environment ")) {
        findings.push(Finding::fault(
            "environments",
            "there is no environment: every request is refused",
            "latchkey init",
        ));
    }
    // Problems of the keyring are reported by its own check.
    let keyring = deployment.keyring().await.ok();
    for registration in &environments {
        let tag = &registration.environment.tag;
        let check = format!("environment {tag}");
        if registration.deleted_at.is_some() {
            let remedy = format!("latchkey env delete {tag}");
            findings.push(Finding::hint(&check, "its deletion is not complete", remedy));
            continue;
        }
        findings.push(api_keys(registration, &check, deployment.now()));
        for entry in &registration.damaged {
            let remedy = match entry {
                DamagedEntry::ApiKey(_) => format!("latchkey keys revoke {entry} --environment {tag}"),
                DamagedEntry::Key(_) => RESTORE_REMEDY.to_owned(),
            };
            findings.push(Finding::fault(&check, format_args!("{entry} is damaged"), remedy));
        }
        let Some(keyring) = &keyring else { continue };
        let errors = keyring.key_errors(registration).await.unwrap_or_else(|error| vec![error]);
        for error in
            errors.iter().filter(|error| !matches!(error, KeyringError::Store(StoreError::Corrupt(_))))
        {
            findings.push(Finding::fault(
                &check,
                format_args!("a key cannot be unwrapped: {error}"),
                RESTORE_REMEDY,
            ));
        }
    }
}

/// Checks that an environment has a live API key, and one that does not expire soon.
fn api_keys(registration: &Registration, check: &str, now: Timestamp) -> Finding {
    let successor = format!("latchkey keys create --environment {}", registration.environment.tag);
    let live: Vec<_> = registration.api_keys.iter().filter(|key| key.is_live(now)).collect();
    if live.is_empty() {
        return Finding::fault(check, "no live API key: every request is refused", successor);
    }
    let soon = now.plus(EXPIRES_SOON);
    let (lasting, expiring): (Vec<_>, Vec<_>) = live.into_iter().partition(|key| key.is_live(soon));
    let Some((key, expires_at)) = expiring.iter().find_map(|key| Some((key, key.expires_at?))) else {
        return Finding::ok(check, format_args!("live API keys: {}", lasting.len()));
    };
    let found = format!("{} ({}) expires at {expires_at}", key.id, key.scope.name());
    if lasting.iter().any(|other| other.scope == key.scope) {
        Finding::hint(check, found, "switch to the other key with the same scope, which does not expire soon")
    } else {
        Finding::fault(check, found, format_args!("{successor} --scope {}", key.scope.name()))
    }
}
