//! Environments as items, with their API keys and encryption keys as maps.

use super::super::StoreError;
use super::super::schema::{self, attr};
use super::{Item, Parsed, blob, bytes, mac, map, number, optional, parsed, put, text, timestamp};
use crate::domain::api_key::{ApiKeyEntry, ApiKeyHash};
use crate::domain::environment::{DamagedEntry, DeletionState, Environment, Registration, Tag, WrappedKey};
use crate::domain::id::{ApiKeyId, DataKeyId, EnvironmentId, EnvironmentKeyId};
use crate::domain::scope::Scope;
use aws_sdk_dynamodb::types::AttributeValue;

pub(crate) fn from_registration(registration: &Registration) -> Item {
    let Registration { environment, api_keys, keys, deleted_at, damaged: _ } = registration;
    let mut item = schema::environment_key(&environment.tag);
    put(&mut item, attr::ID, text(environment.id));
    put(&mut item, attr::TAG, text(&environment.tag));
    let api_keys = api_keys.iter().map(|key| (key.id.bare(), from_api_key(key))).collect();
    put(&mut item, attr::API_KEYS, AttributeValue::M(api_keys));
    let keys = keys.iter().map(|key| (key.id.bare(), from_key(key))).collect();
    put(&mut item, attr::KEYS, AttributeValue::M(keys));
    if let Some(deleted_at) = deleted_at {
        put(&mut item, attr::DELETED_AT, number(deleted_at.millis()));
    }
    item
}

pub(crate) fn to_registration(item: &Item) -> Parsed<Registration> {
    let (api_keys, damaged_api_keys) = map_entries(item, attr::API_KEYS, ApiKeyId::parse_bare, to_api_key)?;
    let (keys, damaged_keys) = map_entries(item, attr::KEYS, EnvironmentKeyId::parse_bare, to_key)?;
    let damaged_keys = damaged_keys.into_iter().map(DamagedEntry::Key);
    Ok(Registration {
        environment: Environment {
            id: parsed(item, attr::ID, EnvironmentId::parse)?,
            tag: parsed(item, attr::TAG, Tag::parse)?,
        },
        api_keys,
        keys,
        deleted_at: optional(item, attr::DELETED_AT, timestamp)?,
        damaged: damaged_api_keys.into_iter().map(DamagedEntry::ApiKey).chain(damaged_keys).collect(),
    })
}

/// Reads the progress of a deletion, even if the rest of the item is damaged.
pub(crate) fn to_deletion_state(item: &Item) -> DeletionState {
    DeletionState {
        id: parsed(item, attr::ID, EnvironmentId::parse).ok(),
        deleted_at: timestamp(item, attr::DELETED_AT).ok(),
    }
}

/// The tag of an item in the list of environments, where it is the sort key.
pub(crate) fn to_listed_tag(item: &Item) -> Parsed<Tag> {
    parsed(item, attr::SK, Tag::parse)
}

pub(crate) fn from_api_key(key: &ApiKeyEntry) -> AttributeValue {
    let mut item = Item::new();
    put(&mut item, attr::HASH, bytes(&key.hash.0));
    put(&mut item, attr::SCOPE, text(key.scope.name()));
    if let Some(expires_at) = key.expires_at {
        put(&mut item, attr::EXPIRES_AT, number(expires_at.millis()));
    }
    AttributeValue::M(item)
}

fn to_api_key(id: ApiKeyId, item: &Item) -> Parsed<ApiKeyEntry> {
    Ok(ApiKeyEntry {
        id,
        hash: ApiKeyHash(mac(item, attr::HASH)?),
        scope: parsed(item, attr::SCOPE, Scope::parse)?,
        expires_at: optional(item, attr::EXPIRES_AT, timestamp)?,
    })
}

pub(crate) fn from_key(key: &WrappedKey) -> AttributeValue {
    let mut item = Item::new();
    put(&mut item, attr::DATA_KEY, text(key.data_key));
    put(&mut item, attr::WRAPPED, bytes(&key.bytes));
    AttributeValue::M(item)
}

fn to_key(id: EnvironmentKeyId, item: &Item) -> Parsed<WrappedKey> {
    Ok(WrappedKey {
        id,
        data_key: parsed(item, attr::DATA_KEY, DataKeyId::parse)?,
        bytes: blob(item, attr::WRAPPED)?.to_vec(),
    })
}

/// Reads the entries of a map: the readable ones, oldest first, and the names of the damaged ones. A missing map is
/// empty.
fn map_entries<I: Copy + Ord, E, T>(
    item: &Item,
    name: &'static str,
    parse: impl Fn(&str) -> Result<I, E>,
    read: impl Fn(I, &Item) -> Parsed<T>,
) -> Parsed<(Vec<T>, Vec<String>)> {
    let (mut readable, mut damaged) = (Vec::new(), Vec::new());
    for (text, entry) in optional(item, name, map)?.into_iter().flatten() {
        let corrupt = || StoreError::Corrupt(name);
        let id = parse(text).map_err(|_| corrupt());
        let found = id.and_then(|id| Ok((id, read(id, entry.as_m().map_err(|_| corrupt())?)?)));
        match found {
            Ok(found) => readable.push(found),
            Err(_) => damaged.push(text.clone()),
        }
    }
    readable.sort_by_key(|(id, _)| *id);
    damaged.sort();
    Ok((readable.into_iter().map(|(_, entry)| entry).collect(), damaged))
}
