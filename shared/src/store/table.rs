//! The table and its SDK client, with calls that several modules share.

use super::item::Item;
use super::schema::attr;
use super::{StoreError, error};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;

/// A table. Created from an SDK client, which handlers do not have: they access the table only through
/// [`Store`](super::Store).
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Table {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    pub(crate) async fn read(&self, operation: &'static str, key: Item) -> Result<Option<Item>, StoreError> {
        let read = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        let answer = read.send().await.map_err(|error| error::unavailable(operation, &error))?;
        Ok(answer.item)
    }

    pub(crate) async fn delete(&self, operation: &'static str, key: Item) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK);
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error::unavailable(operation, &error)),
            },
        }
    }

    /// Writes an item that must not exist. If an equal item exists, an earlier try of the same call wrote it and its
    /// response was lost: the key has at least 80 random bits. `item` makes it again for that comparison, which is cheaper
    /// than a copy for each write.
    pub(crate) async fn create(
        &self,
        operation: &'static str,
        item: impl Fn() -> Item,
    ) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item()))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", attr::PK)
            .return_values_on_condition_check_failure(AllOld);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused))
                    if refused.item() == Some(&item()) =>
                {
                    Ok(())
                }
                _ => Err(error::unavailable(operation, &error)),
            },
        }
    }

    /// Every item of a partition, read consistently.
    pub(crate) async fn partition(&self, operation: &'static str, pk: &str) -> Result<Vec<Item>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<_, _>>();
        items.await.map_err(|error| error::unavailable(operation, &error))
    }
}
