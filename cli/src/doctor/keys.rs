//! The KMS key, the keyring under it, and the environments with their keys.

use super::Finding;
use crate::deployment::Deployment;
use shared::domain::environment::Registration;
use shared::domain::time::Timestamp;
use std::time::Duration;

/// How long before an API key ends the doctor says so.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);
/// The age from which on a keyring should be rotated.
const OLD: Duration = Duration::from_hours(365 * 24);

pub(super) async fn kms(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "KMS key";
    let kms = match deployment.kms() {
        Ok(kms) => kms,
        Err(error) => {
            let mend =
                "name it with --kms-key-id or LATCHKEY_KMS_KEY_ID; the stack's functions have it in theirs";
            return findings.push(Finding::fault(check, error, mend));
        }
    };
    findings.push(match kms.state().await {
        Ok(state) if state == "Enabled" => Finding::ok(check, "enabled"),
        Ok(state) => {
            let cancel = if state == "PendingDeletion" { "aws kms cancel-key-deletion, then " } else { "" };
            let mend = format!("{cancel}aws kms enable-key --key-id {}", kms.key());
            Finding::fault(check, format_args!("{state}: functions that start now open nothing"), mend)
        }
        Err(error) => Finding::unasked(check, error, "kms:DescribeKey on the key"),
    });
}

pub(super) async fn keyring(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let check = "keyring";
    let entries = match deployment.store.keyring().await {
        Ok(entries) => entries,
        Err(error) => return findings.push(Finding::unasked(check, error, "dynamodb:Query on the table")),
    };
    let Some(newest) = entries.last() else {
        return findings.push(Finding::fault(check, "it is empty: nothing can be sealed", "latchkey init"));
    };
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
    let made_at = newest.id.made_at();
    if deployment.now() >= made_at.plus(OLD) {
        let mend = "latchkey keyring rotate, and two minutes later latchkey keyring rewrap";
        findings.push(Finding::hint("keyring's age", format_args!("its newest entry is of {made_at}"), mend));
    }
}

pub(super) async fn environments(deployment: &Deployment, findings: &mut Vec<Finding>) {
    let all = match deployment.store.environments().await {
        Ok(all) => all,
        Err(error) => {
            let permission = "dynamodb:Query and dynamodb:GetItem on the table";
            return findings.push(Finding::unasked("environments", error, permission));
        }
    };
    if all.is_empty() {
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
            let mend = format!("latchkey env delete {tag}");
            findings.push(Finding::hint(&check, "its deletion is not finished", mend));
            continue;
        }
        findings.push(api_keys(one, &check, deployment.now()));
        if let Some(keyring) = &keyring
            && let Err(error) = keyring.seal(one, deployment.now()).await
        {
            let mend = "its factors cannot be verified: restore the environment's item, and the keyring's";
            findings.push(Finding::fault(&check, format_args!("its keys do not open: {error}"), mend));
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
