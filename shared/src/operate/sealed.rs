//! Items with a sealed secret, which a rotation reseals.

use super::Operator;
use crate::domain::factor::{Factor, Sealed};
use crate::domain::recovery::RecoveryCodes;
use crate::store::item::{self, Item};
use crate::store::schema::{self, attr};
use crate::store::{Guarded as _, StoreError, error};
use crate::vault::seal::{Seal, SealError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use rand::CryptoRng;
use std::fmt;

/// An item with a sealed secret.
#[derive(Debug)]
pub enum SealedItem {
    /// A factor, with its TOTP secret.
    Factor(Box<Factor>, Sealed),
    /// Recovery codes, with the key of their MACs.
    RecoveryCodes(Box<RecoveryCodes>),
}

impl SealedItem {
    pub(super) fn from_item(item: &Item) -> Result<Self, StoreError> {
        if !schema::is_factor(item) {
            return item::to_recovery_codes(item).map(|set| Self::RecoveryCodes(Box::new(set)));
        }
        let factor = item::to_factor(item)?;
        // Only a type with a secret has a key, by which the item was found.
        let sealed = factor.credential.secret().cloned().ok_or(StoreError::Corrupt(attr::TYPE))?;
        Ok(Self::Factor(Box::new(factor), sealed))
    }

    /// Its secret, sealed again with the active key.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the secret cannot be opened.
    pub fn resealed(&self, seal: &Seal, rng: &mut impl CryptoRng) -> Result<Sealed, SealError> {
        match self {
            Self::Factor(factor, sealed) => {
                let secret = seal.open_secret(sealed, factor.id)?;
                seal.secret(&secret, factor.id, rng)
            }
            Self::RecoveryCodes(set) => seal.reseal_recovery_key(set, rng),
        }
    }

    fn sealed(&self) -> &Sealed {
        match self {
            Self::Factor(_, sealed) => sealed,
            Self::RecoveryCodes(set) => &set.key,
        }
    }

    fn key(&self) -> Item {
        match self {
            Self::Factor(factor, _) => factor.key(),
            Self::RecoveryCodes(set) => set.key(),
        }
    }
}

/// The ID.
impl fmt::Display for SealedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(factor, _) => factor.id.fmt(f),
            Self::RecoveryCodes(set) => set.id.fmt(f),
        }
    }
}

impl Operator {
    /// Replaces the secret of an item with `next`, unless it has changed: one conditional write. It does not touch the
    /// guard, so it does not conflict with a concurrent verify.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the outcome is unknown. Retrying is harmless.
    pub async fn rewrap(&self, seen: &SealedItem, next: &Sealed) -> Result<(), StoreError> {
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(seen.key()))
            .update_expression("SET #key = :next_key, #secret = :next")
            .condition_expression("#secret = :seen")
            .expression_attribute_names("#key", attr::KEY)
            .expression_attribute_names("#secret", attr::SECRET)
            .expression_attribute_values(":seen", item::bytes(&seen.sealed().bytes))
            .expression_attribute_values(":next_key", item::text(next.key))
            .expression_attribute_values(":next", item::bytes(&next.bytes));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // The item was deleted or resealed in the meantime, possibly by a try of this call whose response was lost.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error::unavailable("reseal a secret", &error)),
            },
        }
    }
}
