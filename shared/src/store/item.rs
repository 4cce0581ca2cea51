//! Conversion between DynamoDB items and domain types. An invalid item is [`StoreError::Corrupt`], never a default
//! value.

pub(crate) mod environment;
pub(crate) mod guard;
mod recovery;
mod size;
mod value;

pub(crate) use recovery::{from_recovery_codes, recovery_code_macs, to_recovery_codes};
use value::{blob, get, integer, list, mac, map, optional, parsed, put, string, timestamp, to_timestamp};
pub(crate) use value::{bytes, number, text};

use super::StoreError;
use super::schema::{self, attr};
use crate::domain::challenge::{Challenge, ChallengeCode, CodeMac};
use crate::domain::environment::WrappedDataKey;
use crate::domain::factor::{Credential, Factor, FactorName, FactorSummary, FactorType, Sealed};
use crate::domain::id::{ChallengeId, DataKeyId, EnvironmentId, EnvironmentKeyId, FactorId};
use crate::domain::otpauth::Label;
use crate::domain::phone::{Country, Phone};
use crate::domain::phone_log::{LastMessage, MessageRequest, MessageState, PhoneLog, RequestMac};
use crate::domain::policy::{CHALLENGE_RETENTION, SMS_DAY};
use crate::domain::user::UserId;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;

pub(crate) type Item = HashMap<String, AttributeValue>;
/// Replaces an attribute without a value, because an update keeps attributes that it does not set.
const NULL: AttributeValue = AttributeValue::Null(true);
type Parsed<T> = Result<T, StoreError>;

pub(crate) fn from_factor(factor: &Factor) -> Item {
    let mut item = schema::factor_key(factor.environment, factor.id);
    put(&mut item, attr::ID, text(factor.id));
    put(&mut item, attr::ENVIRONMENT, text(factor.environment));
    put(&mut item, attr::TYPE, text(factor.credential.factor_type().name()));
    put(&mut item, attr::CREATED_AT, number(factor.created_at.millis()));
    if let Some(user) = &factor.user {
        put(&mut item, attr::USER, text(user));
        put(&mut item, attr::OWNER, text(schema::owner(factor.environment, user)));
    }
    if let Some(name) = &factor.name {
        put(&mut item, attr::NAME, text(name.as_str()));
    }
    match &factor.credential {
        Credential::Totp { issuer, account, secret } => {
            put(&mut item, attr::ISSUER, text(issuer));
            put(&mut item, attr::ACCOUNT, text(account));
            put(&mut item, attr::KEY, text(secret.key));
            put(&mut item, attr::SECRET, bytes(&secret.bytes));
        }
        Credential::Sms { phone } => {
            put(&mut item, attr::PHONE, text(phone.as_str()));
            put(&mut item, attr::COUNTRY, text(phone.country()));
        }
        Credential::GenericOtp => {}
    }
    put(&mut item, attr::VERSION, number(factor.guard.version));
    put(&mut item, attr::GUARD, guard::from_guard(&factor.guard));
    item
}

pub(crate) fn to_factor(item: &Item) -> Parsed<Factor> {
    Ok(Factor {
        id: parsed(item, attr::ID, FactorId::parse)?,
        environment: parsed(item, attr::ENVIRONMENT, EnvironmentId::parse)?,
        created_at: timestamp(item, attr::CREATED_AT)?,
        user: optional(item, attr::USER, |item, name| parsed(item, name, UserId::parse))?,
        name: to_name(item)?,
        credential: to_credential(item, to_sealed)?,
        guard: guard::to_guard(integer(item, attr::VERSION)?, map(item, attr::GUARD)?)?,
    })
}

fn to_name(item: &Item) -> Parsed<Option<FactorName>> {
    optional(item, attr::NAME, |item, name| parsed(item, name, FactorName::parse))
}

/// Reads a credential. `secret` reads its secret.
fn to_credential<S>(item: &Item, secret: impl FnOnce(&Item) -> Parsed<S>) -> Parsed<Credential<S>> {
    Ok(match parsed(item, attr::TYPE, FactorType::parse)? {
        FactorType::Totp => Credential::Totp {
            issuer: Label::stored(string(item, attr::ISSUER)?),
            account: Label::stored(string(item, attr::ACCOUNT)?),
            secret: secret(item)?,
        },
        FactorType::Sms => {
            let country = parsed(item, attr::COUNTRY, Country::parse)?;
            Credential::Sms { phone: Phone::stored(string(item, attr::PHONE)?.to_owned(), country) }
        }
        FactorType::GenericOtp => Credential::GenericOtp,
    })
}

fn to_sealed(item: &Item) -> Parsed<Sealed> {
    Ok(Sealed {
        key: parsed(item, attr::KEY, EnvironmentKeyId::parse)?,
        bytes: blob(item, attr::SECRET)?.to_vec(),
    })
}

/// The factor ID in a `LastEvaluatedKey` of the index.
pub(crate) fn to_listed_id(key: &Item) -> Parsed<FactorId> {
    parsed(key, attr::ID, FactorId::parse)
}

/// Reads a factor from the index or the table.
pub(crate) fn to_summary(item: &Item) -> Parsed<FactorSummary> {
    Ok(FactorSummary {
        id: parsed(item, attr::ID, FactorId::parse)?,
        created_at: timestamp(item, attr::CREATED_AT)?,
        user: optional(item, attr::USER, |item, name| parsed(item, name, UserId::parse))?,
        name: to_name(item)?,
        credential: to_credential(item, |_| Ok(()))?,
    })
}

pub(crate) fn from_challenge(challenge: &Challenge) -> Item {
    let mut item = schema::challenge_key(challenge.environment, challenge.id);
    put(&mut item, attr::ID, text(challenge.id));
    put(&mut item, attr::ENVIRONMENT, text(challenge.environment));
    put(&mut item, attr::FACTOR, text(challenge.factor));
    put(&mut item, attr::CREATED_AT, number(challenge.created_at.millis()));
    put(&mut item, attr::EXPIRES_AT, number(challenge.expires_at.millis()));
    // DynamoDB's TTL is in seconds (EXP-05).
    put(&mut item, attr::TTL, number(challenge.expires_at.plus(CHALLENGE_RETENTION).seconds()));
    match &challenge.code {
        ChallengeCode::Sent(code) => {
            put(&mut item, attr::KEY, text(code.key));
            put(&mut item, attr::CODE, bytes(&code.mac));
        }
        ChallengeCode::Computed => {}
    }
    if let Some(factor) = &challenge.snapshot {
        let mut with_snapshot = item.clone();
        put(&mut with_snapshot, attr::SNAPSHOT, AttributeValue::M(from_snapshot(factor)));
        // A second write unit would cost more than the read that the snapshot saves.
        if size::item_bytes(&with_snapshot) <= size::WRITE_UNIT_BYTES {
            return with_snapshot;
        }
    }
    item
}

/// The snapshot of a factor in its challenge, without the attributes that the challenge has itself or only the index needs.
fn from_snapshot(factor: &Factor) -> Item {
    let mut item = from_factor(factor);
    for name in [attr::PK, attr::SK, attr::ID, attr::ENVIRONMENT, attr::OWNER] {
        item.remove(name);
    }
    item
}

fn to_snapshot(item: &Item, environment: EnvironmentId, id: FactorId) -> Parsed<Factor> {
    let mut complete = item.clone();
    put(&mut complete, attr::ID, text(id));
    put(&mut complete, attr::ENVIRONMENT, text(environment));
    to_factor(&complete)
}

pub(crate) fn to_challenge(item: &Item) -> Parsed<Challenge> {
    let code = optional(item, attr::CODE, |item, name| {
        Ok(CodeMac { key: parsed(item, attr::KEY, EnvironmentKeyId::parse)?, mac: mac(item, name)? })
    })?;
    let environment = parsed(item, attr::ENVIRONMENT, EnvironmentId::parse)?;
    let factor = parsed(item, attr::FACTOR, FactorId::parse)?;
    // If the snapshot is missing or damaged, the verify reads the factor instead.
    let snapshot = map(item, attr::SNAPSHOT).and_then(|item| to_snapshot(item, environment, factor));
    Ok(Challenge {
        id: parsed(item, attr::ID, ChallengeId::parse)?,
        environment,
        factor,
        created_at: timestamp(item, attr::CREATED_AT)?,
        expires_at: timestamp(item, attr::EXPIRES_AT)?,
        code: code.map_or(ChallengeCode::Computed, ChallengeCode::Sent),
        snapshot: snapshot.ok().map(Box::new),
    })
}

/// The attributes of a number's log, without the key.
pub(crate) fn from_phone_log(log: &PhoneLog) -> Item {
    let mut item = Item::new();
    put(&mut item, attr::VERSION, number(log.version));
    let sends = log.sends.iter().map(|sent| number(sent.millis())).collect();
    put(&mut item, attr::SENDS, AttributeValue::L(sends));
    let last_sent = log.sends.last().copied().unwrap_or_default();
    put(&mut item, attr::LAST_SEND, number(last_sent.millis()));
    put(&mut item, attr::TTL, number(last_sent.plus(SMS_DAY).plus(SMS_DAY).seconds()));
    let (challenge, key, state) = match &log.last {
        Some(LastMessage { request: MessageRequest { challenge, key }, state }) => {
            (text(challenge), key.map(|RequestMac(mac)| bytes(&mac)), text(state.name()))
        }
        None => (NULL, None, NULL),
    };
    put(&mut item, attr::LAST_CHALLENGE, challenge);
    put(&mut item, attr::LAST_REQUEST, key.unwrap_or(NULL));
    put(&mut item, attr::LAST_STATE, state);
    item
}

pub(crate) fn to_phone_log(item: &Item) -> Parsed<PhoneLog> {
    let last = match get(item, attr::LAST_CHALLENGE)? {
        AttributeValue::Null(_) => None,
        _ => Some(LastMessage { request: to_message_request(item)?, state: to_message_state(item)? }),
    };
    Ok(PhoneLog {
        version: integer(item, attr::VERSION)?,
        sends: list(item, attr::SENDS, to_timestamp)?,
        last,
    })
}

fn to_message_request(item: &Item) -> Parsed<MessageRequest> {
    let key = match get(item, attr::LAST_REQUEST)? {
        AttributeValue::Null(_) => None,
        _ => Some(RequestMac(mac(item, attr::LAST_REQUEST)?)),
    };
    Ok(MessageRequest { challenge: parsed(item, attr::LAST_CHALLENGE, ChallengeId::parse)?, key })
}

/// A missing state reads as tried: a function of an older version that writes no state may run during an update, and
/// its message may have been sent.
fn to_message_state(item: &Item) -> Parsed<MessageState> {
    let state = optional(item, attr::LAST_STATE, |item, name| {
        MessageState::parse(string(item, name)?).ok_or(StoreError::Corrupt(name))
    })?;
    Ok(state.unwrap_or(MessageState::Tried))
}

pub(crate) fn from_data_key(key: &WrappedDataKey) -> Item {
    let mut item = schema::data_key_key(key.id);
    put(&mut item, attr::WRAPPED, bytes(&key.bytes));
    item
}

pub(crate) fn to_data_key(item: &Item) -> Parsed<WrappedDataKey> {
    Ok(WrappedDataKey {
        id: parsed(item, attr::SK, DataKeyId::parse)?,
        bytes: blob(item, attr::WRAPPED)?.to_vec(),
    })
}

#[cfg(test)]
mod tests;
