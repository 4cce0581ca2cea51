//! Conversion between Rust values and DynamoDB attribute values.

use super::{Item, Parsed};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::fmt::Display;
use std::str::FromStr;

pub(crate) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(crate) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

pub(super) fn put(item: &mut Item, name: &'static str, value: AttributeValue) {
    item.insert(name.to_owned(), value);
}

pub(super) fn get<'a>(item: &'a Item, name: &'static str) -> Parsed<&'a AttributeValue> {
    item.get(name).ok_or(StoreError::Corrupt(name))
}

pub(super) fn optional<'a, T>(
    item: &'a Item,
    name: &'static str,
    read: impl FnOnce(&'a Item, &'static str) -> Parsed<T>,
) -> Parsed<Option<T>> {
    item.contains_key(name).then(|| read(item, name)).transpose()
}

pub(super) fn string<'a>(item: &'a Item, name: &'static str) -> Parsed<&'a str> {
    get(item, name)?.as_s().map(String::as_str).map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn parsed<T, E>(
    item: &Item,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Parsed<T> {
    parse(string(item, name)?).map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn integer<T: FromStr>(item: &Item, name: &'static str) -> Parsed<T> {
    let digits = get(item, name)?.as_n().map_err(|_| StoreError::Corrupt(name))?;
    digits.parse().map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn timestamp(item: &Item, name: &'static str) -> Parsed<Timestamp> {
    Timestamp::from_millis(integer(item, name)?).map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn blob<'a>(item: &'a Item, name: &'static str) -> Parsed<&'a [u8]> {
    get(item, name)?.as_b().map(AsRef::as_ref).map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn mac(item: &Item, name: &'static str) -> Parsed<[u8; 32]> {
    blob(item, name)?.try_into().map_err(|_| StoreError::Corrupt(name))
}

pub(super) fn list<T>(
    item: &Item,
    name: &'static str,
    read: impl Fn(&AttributeValue) -> Option<T>,
) -> Parsed<Vec<T>> {
    let values = get(item, name)?.as_l().map_err(|_| StoreError::Corrupt(name))?;
    values.iter().map(|value| read(value).ok_or(StoreError::Corrupt(name))).collect()
}

pub(super) fn to_timestamp(value: &AttributeValue) -> Option<Timestamp> {
    Timestamp::from_millis(value.as_n().ok()?.parse().ok()?).ok()
}

pub(super) fn map<'a>(item: &'a Item, name: &'static str) -> Parsed<&'a Item> {
    get(item, name)?.as_m().map_err(|_| StoreError::Corrupt(name))
}
