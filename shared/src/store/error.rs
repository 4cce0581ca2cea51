//! Errors of the table, and listings that skip damaged items.

use super::item::Item;
use crate::aws;
use crate::domain::text::escaped;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::fmt;

/// A DynamoDB call failed, or an item is invalid.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed. Whether a write took place is unknown. `reason` is an error code, never the service's message.
    #[error("DynamoDB could not {operation}: {reason}")]
    Unavailable {
        /// The operation that failed.
        operation: &'static str,
        /// The error code.
        reason: String,
    },
    /// An attribute of an item is missing, or has the wrong type or range.
    #[error("an item's {0} is missing or invalid")]
    Corrupt(&'static str),
}

/// The result of reading many items. A damaged item does not prevent reading the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The items that could be read.
    pub readable: Vec<T>,
    /// The items that could not be read.
    pub damaged: Vec<DamagedItem>,
}

/// An item that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedItem {
    /// The ID or environment tag of the item, as found in the table.
    pub name: String,
    /// The attribute that is missing or invalid.
    pub attribute: &'static str,
}

impl fmt::Display for DamagedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (its `{}` is missing or invalid)", escaped(&self.name), self.attribute)
    }
}

impl<T> Listing<T> {
    /// Reads each of `items`. A damaged item is identified by its attribute `name`.
    pub(crate) fn read(
        items: &[Item],
        name: &str,
        parse: impl Fn(&Item) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut listing = Self { readable: Vec::new(), damaged: Vec::new() };
        for item in items {
            listing.add(item_name(item, name), parse(item))?;
        }
        Ok(listing)
    }

    pub(crate) fn add(&mut self, name: &str, item: Result<T, StoreError>) -> Result<(), StoreError> {
        match item {
            Ok(item) => self.readable.push(item),
            Err(StoreError::Corrupt(attribute)) => {
                self.damaged.push(DamagedItem { name: name.to_owned(), attribute });
            }
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
        }
        Ok(())
    }
}

/// The ID of a damaged item, for reports: the last segment of the attribute, unvalidated.
pub(crate) fn item_name<'a>(item: &'a Item, attribute: &str) -> &'a str {
    let text = item.get(attribute).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    text.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn unavailable<E: ProvideErrorMetadata, R>(
    operation: &'static str,
    error: &SdkError<E, R>,
) -> StoreError {
    StoreError::Unavailable { operation, reason: aws::reason(error) }
}
