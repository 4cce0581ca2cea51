//! Items to domain types and back. What does not read back is [`StoreError::Corrupt`], never a default.

pub(super) mod environment;
pub(super) mod guard;

use super::StoreError;
use super::schema::{self, attr};
use crate::domain::challenge::{Challenge, ChallengeCode, CodeMac};
use crate::domain::environment::WrappedDataKey;
use crate::domain::factor::{Credential, Factor, FactorSummary, FactorType, Sealed};
use crate::domain::id::{ChallengeId, DataKeyId, EnvironmentId, EnvironmentKeyId, FactorId};
use crate::domain::otpauth::Label;
use crate::domain::phone::{Country, Phone};
use crate::domain::phone_log::{LastMessage, MessageRequest, MessageState, PhoneLog, RequestMac};
use crate::domain::policy::{CHALLENGE_KEPT, PHONE_DAY};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

pub(super) type Item = HashMap<String, AttributeValue>;
/// An attribute without a value, where an update would otherwise keep an older one.
const NULL: AttributeValue = AttributeValue::Null(true);
type Read<T> = Result<T, StoreError>;

pub(super) fn from_factor(factor: &Factor) -> Item {
    let mut item = schema::factor_key(factor.environment, factor.id);
    put(&mut item, attr::ID, text(factor.id));
    put(&mut item, attr::ENVIRONMENT, text(factor.environment));
    put(&mut item, attr::TYPE, text(factor.credential.factor_type().name()));
    put(&mut item, attr::CREATED_AT, number(factor.created_at.millis()));
    if let Some(user) = &factor.user {
        put(&mut item, attr::USER, text(user));
        put(&mut item, attr::OWNER, text(schema::owner(factor.environment, user)));
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

pub(super) fn to_factor(item: &Item) -> Read<Factor> {
    Ok(Factor {
        id: parsed(item, attr::ID, FactorId::parse)?,
        environment: parsed(item, attr::ENVIRONMENT, EnvironmentId::parse)?,
        created_at: moment(item, attr::CREATED_AT)?,
        user: optional(item, attr::USER, |item, name| parsed(item, name, UserId::parse))?,
        credential: to_credential(item, to_sealed)?,
        guard: guard::to_guard(integer(item, attr::VERSION)?, map(item, attr::GUARD)?)?,
    })
}

/// A credential, whose secret is read by `secret`.
fn to_credential<S>(item: &Item, secret: impl FnOnce(&Item) -> Read<S>) -> Read<Credential<S>> {
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

fn to_sealed(item: &Item) -> Read<Sealed> {
    Ok(Sealed {
        key: parsed(item, attr::KEY, EnvironmentKeyId::parse)?,
        bytes: blob(item, attr::SECRET)?.to_vec(),
    })
}

/// Where a query of the index goes on, as a factor's id.
pub(super) fn to_listed_id(key: &Item) -> Read<FactorId> {
    parsed(key, attr::ID, FactorId::parse)
}

/// A factor as the index holds it.
pub(super) fn to_summary(item: &Item) -> Read<FactorSummary> {
    Ok(FactorSummary {
        id: parsed(item, attr::ID, FactorId::parse)?,
        created_at: moment(item, attr::CREATED_AT)?,
        user: optional(item, attr::USER, |item, name| parsed(item, name, UserId::parse))?,
        credential: to_credential(item, |_| Ok(()))?,
    })
}

pub(super) fn from_challenge(challenge: &Challenge) -> Item {
    let mut item = schema::challenge_key(challenge.environment, challenge.id);
    put(&mut item, attr::ID, text(challenge.id));
    put(&mut item, attr::ENVIRONMENT, text(challenge.environment));
    put(&mut item, attr::FACTOR, text(challenge.factor));
    put(&mut item, attr::CREATED_AT, number(challenge.created_at.millis()));
    put(&mut item, attr::EXPIRES_AT, number(challenge.expires_at.millis()));
    // Seconds, not milliseconds: DynamoDB takes nothing else (EXP-05).
    put(&mut item, attr::TTL, number(challenge.expires_at.plus(CHALLENGE_KEPT).seconds()));
    match &challenge.code {
        ChallengeCode::Sent(code) => {
            put(&mut item, attr::KEY, text(code.key));
            put(&mut item, attr::CODE, bytes(&code.mac));
        }
        ChallengeCode::Computed => {}
    }
    item
}

pub(super) fn to_challenge(item: &Item) -> Read<Challenge> {
    let code = optional(item, attr::CODE, |item, name| {
        Ok(CodeMac { key: parsed(item, attr::KEY, EnvironmentKeyId::parse)?, mac: mac(item, name)? })
    })?;
    Ok(Challenge {
        id: parsed(item, attr::ID, ChallengeId::parse)?,
        environment: parsed(item, attr::ENVIRONMENT, EnvironmentId::parse)?,
        factor: parsed(item, attr::FACTOR, FactorId::parse)?,
        created_at: moment(item, attr::CREATED_AT)?,
        expires_at: moment(item, attr::EXPIRES_AT)?,
        code: code.map_or(ChallengeCode::Computed, ChallengeCode::Sent),
    })
}

/// A number's log, without the key.
pub(super) fn from_phone_log(log: &PhoneLog) -> Item {
    let mut item = Item::new();
    put(&mut item, attr::VERSION, number(log.version));
    let sends = log.sends.iter().map(|sent| number(sent.millis())).collect();
    put(&mut item, attr::SENDS, AttributeValue::L(sends));
    let last_sent = log.sends.last().copied().unwrap_or_default();
    put(&mut item, attr::LAST_SEND, number(last_sent.millis()));
    put(&mut item, attr::TTL, number(last_sent.plus(PHONE_DAY).plus(PHONE_DAY).seconds()));
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

pub(super) fn to_phone_log(item: &Item) -> Read<PhoneLog> {
    let last = match get(item, attr::LAST_CHALLENGE)? {
        AttributeValue::Null(_) => None,
        _ => Some(LastMessage { request: to_message_request(item)?, state: to_message_state(item)? }),
    };
    Ok(PhoneLog { version: integer(item, attr::VERSION)?, sends: list(item, attr::SENDS, to_moment)?, last })
}

fn to_message_request(item: &Item) -> Read<MessageRequest> {
    let key = match get(item, attr::LAST_REQUEST)? {
        AttributeValue::Null(_) => None,
        _ => Some(RequestMac(mac(item, attr::LAST_REQUEST)?)),
    };
    Ok(MessageRequest { challenge: parsed(item, attr::LAST_CHALLENGE, ChallengeId::parse)?, key })
}

/// Functions of a version before states were written may run beside this one during an update: what they wrote may have
/// been sent.
fn to_message_state(item: &Item) -> Read<MessageState> {
    let state = optional(item, attr::LAST_STATE, |item, name| {
        MessageState::parse(string(item, name)?).ok_or(StoreError::Corrupt(name))
    })?;
    Ok(state.unwrap_or(MessageState::Tried))
}

pub(super) fn from_data_key(key: &WrappedDataKey) -> Item {
    let mut item = schema::data_key_key(key.id);
    put(&mut item, attr::WRAPPED, bytes(&key.bytes));
    item
}

pub(super) fn to_data_key(item: &Item) -> Read<WrappedDataKey> {
    Ok(WrappedDataKey {
        id: parsed(item, attr::SK, DataKeyId::parse)?,
        bytes: blob(item, attr::WRAPPED)?.to_vec(),
    })
}

pub(super) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

fn put(item: &mut Item, name: &'static str, value: AttributeValue) {
    item.insert(name.to_owned(), value);
}

fn get<'a>(item: &'a Item, name: &'static str) -> Read<&'a AttributeValue> {
    item.get(name).ok_or(StoreError::Corrupt(name))
}

fn optional<'a, T>(
    item: &'a Item,
    name: &'static str,
    read: impl FnOnce(&'a Item, &'static str) -> Read<T>,
) -> Read<Option<T>> {
    item.contains_key(name).then(|| read(item, name)).transpose()
}

fn string<'a>(item: &'a Item, name: &'static str) -> Read<&'a str> {
    get(item, name)?.as_s().map(String::as_str).map_err(|_| StoreError::Corrupt(name))
}

fn parsed<T, E>(item: &Item, name: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Read<T> {
    parse(string(item, name)?).map_err(|_| StoreError::Corrupt(name))
}

fn integer<T: FromStr>(item: &Item, name: &'static str) -> Read<T> {
    let digits = get(item, name)?.as_n().map_err(|_| StoreError::Corrupt(name))?;
    digits.parse().map_err(|_| StoreError::Corrupt(name))
}

fn moment(item: &Item, name: &'static str) -> Read<Timestamp> {
    Timestamp::from_millis(integer(item, name)?).map_err(|_| StoreError::Corrupt(name))
}

fn blob<'a>(item: &'a Item, name: &'static str) -> Read<&'a [u8]> {
    get(item, name)?.as_b().map(AsRef::as_ref).map_err(|_| StoreError::Corrupt(name))
}

fn mac(item: &Item, name: &'static str) -> Read<[u8; 32]> {
    blob(item, name)?.try_into().map_err(|_| StoreError::Corrupt(name))
}

fn list<T>(item: &Item, name: &'static str, read: impl Fn(&AttributeValue) -> Option<T>) -> Read<Vec<T>> {
    let values = get(item, name)?.as_l().map_err(|_| StoreError::Corrupt(name))?;
    values.iter().map(|value| read(value).ok_or(StoreError::Corrupt(name))).collect()
}

fn to_moment(value: &AttributeValue) -> Option<Timestamp> {
    Timestamp::from_millis(value.as_n().ok()?.parse().ok()?).ok()
}

fn map<'a>(item: &'a Item, name: &'static str) -> Read<&'a Item> {
    get(item, name)?.as_m().map_err(|_| StoreError::Corrupt(name))
}

#[cfg(test)]
mod tests;
