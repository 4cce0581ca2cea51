//! Changes of environments: create and delete them, and add and remove their keys.

use super::Operator;
use crate::domain::api_key::ApiKeyEntry;
use crate::domain::environment::{DeletionState, Registration, Tag, WrappedKey};
use crate::domain::id::{ApiKeyId, EnvironmentKeyId};
use crate::domain::policy::MAX_API_KEYS;
use crate::domain::time::Timestamp;
use crate::store::item::{self, Item};
use crate::store::schema::{self, attr};
use crate::store::{Listing, StoreError, error};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

/// The outcome of a conditional change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// The change was made.
    Done,
    /// Nothing was changed: the environment or key does not exist, already exists, or the limit is reached.
    Refused,
}

impl Operator {
    /// Every environment, including those that are being deleted. A damaged one is listed by its tag.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn environments(&self) -> Result<Listing<Registration>, StoreError> {
        let mut environments = Listing { readable: Vec::new(), damaged: Vec::new() };
        for listed in self.table.partition("list environments", schema::ENVIRONMENTS).await? {
            let read = match item::environment::to_listed_tag(&listed) {
                Ok(tag) => self.store.environment(&tag).await.transpose(),
                Err(error) => Some(Err(error)),
            };
            // The environment may have been removed after the list was read.
            if let Some(read) = read {
                environments.add(error::item_name(&listed, attr::SK), read)?;
            }
        }
        Ok(environments)
    }

    /// The progress of the deletion of the environment with this tag, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn deletion_state(&self, tag: &Tag) -> Result<Option<DeletionState>, StoreError> {
        let item = self.table.read("read environment", schema::environment_key(tag)).await?;
        Ok(item.as_ref().map(item::environment::to_deletion_state))
    }

    /// Adds an environment, unless one with its tag exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_environment(&self, new: &Registration) -> Result<ChangeOutcome, StoreError> {
        let tag = &new.environment.tag;
        let put = |item: Item| {
            let put = Put::builder()
                .table_name(&self.table.name)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", attr::PK)
                .build()?;
            Ok(TransactWriteItem::builder().put(put).build())
        };
        let items = [item::environment::from_registration(new), schema::listed_environment_key(tag)];
        self.transact("add environment", items.into_iter().map(put).collect()).await
    }

    /// Adds an API key to an environment, up to [`MAX_API_KEYS`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_api_key(&self, tag: &Tag, key: &ApiKeyEntry) -> Result<ChangeOutcome, StoreError> {
        let update = self
            .change(tag, "SET #api_keys.#id = :entry")
            .condition_expression(
                "attribute_exists(#api_keys) AND attribute_not_exists(#api_keys.#id) AND size(#api_keys) < :room",
            )
            .expression_attribute_names("#api_keys", attr::API_KEYS)
            .expression_attribute_names("#id", key.id.bare())
            .expression_attribute_values(":entry", item::environment::from_api_key(key))
            .expression_attribute_values(":room", item::number(MAX_API_KEYS));
        Self::apply("add API key", update).await
    }

    /// Revokes an API key. Works even if its entry or the environment's item is damaged.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was revoked.
    pub async fn revoke_api_key(&self, tag: &Tag, id: ApiKeyId) -> Result<ChangeOutcome, StoreError> {
        self.remove_entry(tag, attr::API_KEYS, id.bare()).await
    }

    /// Adds an encryption key to an environment, unless the environment was deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_environment_key(
        &self,
        tag: &Tag,
        key: &WrappedKey,
    ) -> Result<ChangeOutcome, StoreError> {
        let update = self
            .change(tag, "SET #keys.#id = :key")
            .condition_expression("attribute_exists(#keys) AND attribute_not_exists(#keys.#id)")
            .expression_attribute_names("#keys", attr::KEYS)
            .expression_attribute_names("#id", key.id.bare())
            .expression_attribute_values(":key", item::environment::from_key(key));
        Self::apply("add key of environment", update).await
    }

    /// Removes an encryption key of an environment. Secrets that are still sealed with it become unreadable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_environment_key(
        &self,
        tag: &Tag,
        id: EnvironmentKeyId,
    ) -> Result<ChangeOutcome, StoreError> {
        self.remove_entry(tag, attr::KEYS, id.bare()).await
    }

    /// Deletes an environment's keys: its API keys are no longer accepted, and its secrets can no longer be opened. Its
    /// items are removed afterwards. Works even if the item is damaged. Erasing again updates the time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether they were deleted.
    pub async fn erase_environment(&self, tag: &Tag, now: Timestamp) -> Result<ChangeOutcome, StoreError> {
        let update = self
            .change(tag, "SET #deleted_at = :now REMOVE #keys, #api_keys")
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#keys", attr::KEYS)
            .expression_attribute_names("#api_keys", attr::API_KEYS)
            .expression_attribute_names("#deleted_at", attr::DELETED_AT)
            .expression_attribute_values(":now", item::number(now.millis()));
        Self::apply("erase environment", update).await
    }

    /// Removes the item of an erased environment. Its other items must have been removed before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_environment(&self, tag: &Tag) -> Result<ChangeOutcome, StoreError> {
        let delete = |key: Item, condition: &str, name: &str| {
            let delete = Delete::builder()
                .table_name(&self.table.name)
                .set_key(Some(key))
                .condition_expression(condition)
                .expression_attribute_names("#name", name)
                .build()?;
            Ok(TransactWriteItem::builder().delete(delete).build())
        };
        let writes = [
            delete(schema::environment_key(tag), "attribute_exists(#name)", attr::DELETED_AT),
            delete(schema::listed_environment_key(tag), "attribute_exists(#name)", attr::PK),
        ];
        self.transact("remove environment", writes.into_iter().collect()).await
    }

    /// Removes an entry from one of an environment's maps.
    async fn remove_entry(&self, tag: &Tag, map: &str, id: String) -> Result<ChangeOutcome, StoreError> {
        let update = self
            .change(tag, "REMOVE #map.#id")
            .condition_expression("attribute_exists(#map.#id)")
            .expression_attribute_names("#map", map)
            .expression_attribute_names("#id", id);
        Self::apply("remove a key of an environment", update).await
    }

    fn change(&self, tag: &Tag, expression: &str) -> UpdateItemFluentBuilder {
        self.table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(schema::environment_key(tag)))
            .update_expression(expression)
    }

    async fn apply(
        operation: &'static str,
        update: UpdateItemFluentBuilder,
    ) -> Result<ChangeOutcome, StoreError> {
        match update.send().await {
            Ok(_) => Ok(ChangeOutcome::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(ChangeOutcome::Refused),
                _ => Err(error::unavailable(operation, &error)),
            },
        }
    }

    /// Executes `writes` as one transaction.
    async fn transact(
        &self,
        operation: &'static str,
        writes: Result<Vec<TransactWriteItem>, BuildError>,
    ) -> Result<ChangeOutcome, StoreError> {
        let writes = writes.map_err(|_| StoreError::Corrupt("transaction"))?;
        match self.table.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(ChangeOutcome::Done),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                    if canceled
                        .cancellation_reasons()
                        .iter()
                        .any(|reason| reason.code() == Some("ConditionalCheckFailed")) =>
                {
                    Ok(ChangeOutcome::Refused)
                }
                _ => Err(error::unavailable(operation, &error)),
            },
        }
    }
}
