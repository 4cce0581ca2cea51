//! Environments as operators change them: made, given API keys and keys, erased.

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

/// What became of a change to an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is made.
    Done,
    /// It cannot be made: there is no such environment or key, it is there already, or there is no room.
    Refused,
}

impl Operator {
    /// Every environment, those being deleted included. A damaged one is named by its tag.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn environments(&self) -> Result<Listing<Registration>, StoreError> {
        let mut found = Listing { readable: Vec::new(), damaged: Vec::new() };
        for listed in self.table.partition("list environments", schema::ENVIRONMENTS).await? {
            let read = match item::environment::to_listed_tag(&listed) {
                Ok(tag) => self.store.environment(&tag).await.transpose(),
                Err(error) => Some(Err(error)),
            };
            // It may have been removed since.
            if let Some(read) = read {
                found.add(error::name(&listed, attr::SK), read)?;
            }
        }
        Ok(found)
    }

    /// How far the deletion of the environment with this tag is, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn deletion_state(&self, tag: &Tag) -> Result<Option<DeletionState>, StoreError> {
        let item = self.table.read("read environment", schema::environment_key(tag)).await?;
        Ok(item.as_ref().map(item::environment::to_deletion_state))
    }

    /// Adds an environment, unless there is one with its tag.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_environment(&self, new: &Registration) -> Result<Changed, StoreError> {
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

    /// Lets an API key speak for an environment, as long as there is room.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_api_key(&self, tag: &Tag, key: &ApiKeyEntry) -> Result<Changed, StoreError> {
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

    /// Takes an API key back. Its entry, and the rest of the environment, may be damaged.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was taken.
    pub async fn revoke_api_key(&self, tag: &Tag, id: ApiKeyId) -> Result<Changed, StoreError> {
        self.take_out(tag, attr::API_KEYS, id.bare()).await
    }

    /// Gives an environment another key. A deleted one takes none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_environment_key(&self, tag: &Tag, key: &WrappedKey) -> Result<Changed, StoreError> {
        let update = self
            .change(tag, "SET #keys.#id = :key")
            .condition_expression("attribute_exists(#keys) AND attribute_not_exists(#keys.#id)")
            .expression_attribute_names("#keys", attr::KEYS)
            .expression_attribute_names("#id", key.id.bare())
            .expression_attribute_values(":key", item::environment::from_key(key));
        Self::apply("add key of environment", update).await
    }

    /// Removes a key of an environment that nothing names any more. Whatever does is lost.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_environment_key(
        &self,
        tag: &Tag,
        id: EnvironmentKeyId,
    ) -> Result<Changed, StoreError> {
        self.take_out(tag, attr::KEYS, id.bare()).await
    }

    /// Destroys an environment's keys: its API keys end, and no secret of it can be opened any more. What it holds is
    /// removed after that. The item may be damaged; erasing twice is erasing later.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether they were destroyed.
    pub async fn erase_environment(&self, tag: &Tag, now: Timestamp) -> Result<Changed, StoreError> {
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

    /// Removes an erased environment, when it holds nothing any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_environment(&self, tag: &Tag) -> Result<Changed, StoreError> {
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

    /// Takes an entry out of one of an environment's maps.
    async fn take_out(&self, tag: &Tag, map: &str, id: String) -> Result<Changed, StoreError> {
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

    async fn apply(operation: &'static str, update: UpdateItemFluentBuilder) -> Result<Changed, StoreError> {
        match update.send().await {
            Ok(_) => Ok(Changed::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(Changed::Refused),
                _ => Err(error::unavailable(operation, &error)),
            },
        }
    }

    /// Writes all of `writes` or none.
    async fn transact(
        &self,
        operation: &'static str,
        writes: Result<Vec<TransactWriteItem>, BuildError>,
    ) -> Result<Changed, StoreError> {
        let writes = writes.map_err(|_| StoreError::Corrupt("transaction"))?;
        match self.table.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(Changed::Done),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                    if canceled
                        .cancellation_reasons()
                        .iter()
                        .any(|reason| reason.code() == Some("ConditionalCheckFailed")) =>
                {
                    Ok(Changed::Refused)
                }
                _ => Err(error::unavailable(operation, &error)),
            },
        }
    }
}
