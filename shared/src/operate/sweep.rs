//! Passes over the whole table, page by page. Only operators make them: no function may scan.

use super::Operator;
use crate::domain::factor::Factor;
use crate::domain::id::{EnvironmentId, EnvironmentKeyId};
use crate::store::item::{self, Item};
use crate::store::schema::{self, attr};
use crate::store::{Listing, StoreError, error};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use std::time::Duration;

/// Items in a batch that is deleted (DynamoDB's limit).
const MAX_BATCH_ITEMS: usize = 25;

/// How often a batch is written before an operator is told that DynamoDB leaves part of it undone.
pub const MAX_BATCH_TRIES: u32 = 7;

/// The pause before the second try; it doubles, and all of them together take three seconds. DynamoDB asks for growing
/// pauses, because what it leaves undone is what the table has no capacity for.
const BATCH_PAUSE: Duration = Duration::from_millis(50);

/// Where a pass goes on.
#[derive(Debug, Clone)]
pub struct PagePosition(Item);

/// What one page of a removal did.
#[derive(Debug, Clone)]
pub struct Removed {
    /// Items that were removed.
    pub items: usize,
    /// Where to go on; `None` at the end.
    pub next: Option<PagePosition>,
}

impl Operator {
    /// Removes what an environment holds on one page of the table: factors, challenges and its money. The environment
    /// must have been erased, and its last requests answered, or they write more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown what was removed.
    pub async fn remove_held(
        &self,
        environment: EnvironmentId,
        from: Option<PagePosition>,
    ) -> Result<Removed, StoreError> {
        let [factors, money] = schema::held_by(environment);
        let scan = self
            .scan(from)
            .filter_expression("begins_with(#pk, :factors) OR begins_with(#pk, :money)")
            .projection_expression("#pk, #sk")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#sk", attr::SK)
            .expression_attribute_values(":factors", AttributeValue::S(factors))
            .expression_attribute_values(":money", AttributeValue::S(money));
        let (found, next) = page("find what an environment holds", scan).await?;
        for batch in found.chunks(MAX_BATCH_ITEMS) {
            self.remove(batch).await?;
        }
        Ok(Removed { items: found.len(), next })
    }

    /// The TOTP factors of an environment that are sealed under a key older than `key`, on one page of the table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn sealed_before(
        &self,
        environment: EnvironmentId,
        key: EnvironmentKeyId,
        from: Option<PagePosition>,
    ) -> Result<(Listing<Factor>, Option<PagePosition>), StoreError> {
        let [factors, _] = schema::held_by(environment);
        // Ids sort by age, as text too. Only factors with a secret, and challenges with a code, name a key.
        let scan = self
            .scan(from)
            .filter_expression("begins_with(#pk, :factors) AND #sk = :factor AND #key < :key")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#sk", attr::SK)
            .expression_attribute_names("#key", attr::KEY)
            .expression_attribute_values(":factors", AttributeValue::S(factors))
            .expression_attribute_values(":factor", AttributeValue::S(schema::FACTOR.to_owned()))
            .expression_attribute_values(":key", AttributeValue::S(key.to_string()));
        let (found, next) = page("find factors under older keys", scan).await?;
        Ok((Listing::of(&found, attr::PK, item::to_factor)?, next))
    }

    fn scan(&self, from: Option<PagePosition>) -> ScanFluentBuilder {
        let from = from.map(|PagePosition(key)| key);
        self.table
            .client
            .scan()
            .table_name(&self.table.name)
            .consistent_read(true)
            .set_exclusive_start_key(from)
    }

    async fn remove(&self, keys: &[Item]) -> Result<(), StoreError> {
        let write = |key: &Item| {
            let delete = DeleteRequest::builder().set_key(Some(key.clone())).build()?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        };
        let writes: Result<Vec<WriteRequest>, BuildError> = keys.iter().map(write).collect();
        let mut writes = writes.map_err(|_| StoreError::Corrupt("batch"))?;
        let operation = "remove items";
        let mut pause = BATCH_PAUSE;
        for _ in 1..MAX_BATCH_TRIES {
            writes = self.write_batch(operation, writes).await?;
            if writes.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        if self.write_batch(operation, writes).await?.is_empty() {
            return Ok(());
        }
        Err(StoreError::Unavailable { operation, reason: "items stay unprocessed".to_owned() })
    }

    /// Writes a batch; what DynamoDB had no capacity for.
    async fn write_batch(
        &self,
        operation: &'static str,
        writes: Vec<WriteRequest>,
    ) -> Result<Vec<WriteRequest>, StoreError> {
        let batch = self.table.client.batch_write_item().request_items(&self.table.name, writes).send().await;
        let left = batch.map_err(|error| error::unavailable(operation, &error))?.unprocessed_items;
        Ok(left.and_then(|mut left| left.remove(&self.table.name)).unwrap_or_default())
    }
}

async fn page(
    operation: &'static str,
    scan: ScanFluentBuilder,
) -> Result<(Vec<Item>, Option<PagePosition>), StoreError> {
    let answer = scan.send().await.map_err(|error| error::unavailable(operation, &error))?;
    Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.map(PagePosition)))
}
