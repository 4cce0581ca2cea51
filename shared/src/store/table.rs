//! The table and its SDK client, with calls that several modules share.

use super::item::Item;
use super::schema::attr;
use super::{StoreError, error};
use crate::aws::{DYNAMODB_BACKOFF, DYNAMODB_TIMEOUT, MAX_REPEATED_WRITES};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use tokio::time::{Instant, sleep};

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
    /// response was lost: the key has at least 80 random bits. `item` makes it for each try and for that comparison, which
    /// is cheaper than a copy for each write.
    pub(crate) async fn create(
        &self,
        operation: &'static str,
        item: impl Fn() -> Item,
    ) -> Result<(), StoreError> {
        let put = || {
            let put = self.client.put_item().table_name(&self.name).set_item(Some(item()));
            put.condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", attr::PK)
                .return_values_on_condition_check_failure(AllOld)
                .send()
        };
        match until_known(put, PutItemError::is_conditional_check_failed_exception).await {
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

/// Sends a conditional write. While its outcome is unknown, which is after any error but a `refused` condition, sends it
/// again after a pause.
///
/// This is safe because of the condition: if an earlier one was executed, the next one is refused and returns the item,
/// in which the caller finds its own write. After the first repeat, none is sent once the timeout of a call has passed, so
/// a table that does not answer costs one call more.
pub(crate) async fn until_known<T, E, R, Sent>(
    send: impl Fn() -> Sent,
    refused: impl Fn(&E) -> bool,
) -> Result<T, SdkError<E, R>>
where
    Sent: Future<Output = Result<T, SdkError<E, R>>>,
{
    let begin = Instant::now();
    let mut outcome = send().await;
    for repeated in 0..MAX_REPEATED_WRITES {
        let known = match &outcome {
            Ok(_) => true,
            Err(error) => error.as_service_error().is_some_and(&refused),
        };
        if known || (repeated > 0 && begin.elapsed() >= DYNAMODB_TIMEOUT) {
            break;
        }
        sleep(DYNAMODB_BACKOFF).await;
        outcome = send().await;
    }
    outcome
}
