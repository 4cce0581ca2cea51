//! Items with a guard, on which verdicts are decided.

use super::StoreError;
use super::item::{self, Item};
use super::schema::{self, attr};
use crate::domain::factor::Factor;
use crate::domain::guard::Guard;
use crate::domain::recovery::RecoveryCodes;
use aws_sdk_dynamodb::types::AttributeValue;

/// An item with a guard.
pub trait Guarded: Sized + Send + Sync {
    /// Its key in the table.
    fn key(&self) -> Item;
    /// Its guard.
    fn guard(&self) -> &Guard;
    /// The attributes that a decision changes besides the version.
    fn changes(&self) -> Vec<(&'static str, AttributeValue)>;
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if an attribute is missing or invalid.
    fn from_item(item: &Item) -> Result<Self, StoreError>;
}

impl Guarded for Factor {
    fn key(&self) -> Item {
        schema::factor_key(self.environment, self.id)
    }

    fn guard(&self) -> &Guard {
        &self.guard
    }

    fn changes(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(attr::GUARD, item::guard::from_guard(&self.guard))]
    }

    fn from_item(item: &Item) -> Result<Self, StoreError> {
        item::to_factor(item)
    }
}

impl Guarded for RecoveryCodes {
    fn key(&self) -> Item {
        schema::recovery_codes_key(self.environment, &self.user)
    }

    fn guard(&self) -> &Guard {
        &self.guard
    }

    /// A code is used in the same write as the verdict on it.
    fn changes(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![
            (attr::GUARD, item::guard::from_guard(&self.guard)),
            (attr::CODES, item::recovery_code_macs(self)),
        ]
    }

    fn from_item(item: &Item) -> Result<Self, StoreError> {
        item::to_recovery_codes(item)
    }
}
