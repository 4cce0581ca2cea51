//! What can go wrong between here and the table.

use super::item::Item;
use crate::aws;
use crate::domain::text::escaped;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::fmt;

/// The table could not be asked, or what it holds makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed, and a write may or may not have happened. `reason` is a code, never the service's own text.
    #[error("DynamoDB could not {operation}: {reason}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The error's code.
        reason: String,
    },
    /// An item lacks an attribute, or holds one of another type or range.
    #[error("an item's {0} is missing or makes no sense")]
    Corrupt(&'static str),
}

/// What was read of many items. One that is damaged keeps nobody from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// Those that read.
    pub readable: Vec<T>,
    /// Those that do not.
    pub damaged: Vec<Damaged>,
}

/// An item that does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// What it is called: an id, or an environment's tag, as it stands in the table.
    pub name: String,
    /// The attribute that is missing or makes no sense.
    pub attribute: &'static str,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (its `{}` is missing or makes no sense)", escaped(&self.name), self.attribute)
    }
}

impl<T> Listing<T> {
    /// Reads each of `items`. A damaged one is named by its attribute `name`.
    pub(crate) fn of(
        items: &[Item],
        name: &str,
        read: impl Fn(&Item) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut listing = Self { readable: Vec::new(), damaged: Vec::new() };
        for item in items {
            listing.add(self::name(item, name), read(item))?;
        }
        Ok(listing)
    }

    pub(crate) fn add(&mut self, name: &str, read: Result<T, StoreError>) -> Result<(), StoreError> {
        match read {
            Ok(read) => self.readable.push(read),
            Err(StoreError::Corrupt(attribute)) => {
                self.damaged.push(Damaged { name: name.to_owned(), attribute });
            }
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
        }
        Ok(())
    }
}

/// What an item is called, for the report that it is damaged: its own spelling of an id.
pub(crate) fn name<'a>(item: &'a Item, attribute: &str) -> &'a str {
    let text = item.get(attribute).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    text.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn unavailable<E: ProvideErrorMetadata, R>(
    operation: &'static str,
    error: &SdkError<E, R>,
) -> StoreError {
    StoreError::Unavailable { operation, reason: aws::reason(error) }
}
