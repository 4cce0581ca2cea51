//! Scans of the whole table, page by page. Functions do not have this permission.

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

/// Maximum number of items per batch (DynamoDB's limit).
const MAX_BATCH_ITEMS: usize = 25;

/// Maximum number of tries to write a batch, of which DynamoDB may leave items unprocessed.
pub const MAX_BATCH_TRIES: u32 = 7;

/// The pause before the second try. It doubles with each try, three seconds in total. DynamoDB leaves items unprocessed
/// when the table has no capacity, and recommends exponential backoff.
const BATCH_PAUSE: Duration = Duration::from_millis(50);

/// Where the next page of a scan starts.
#[derive(Debug, Clone)]
pub struct PagePosition(Item);

/// The result of removing one page.
#[derive(Debug, Clone)]
pub struct RemovedPage {
    /// Number of removed items.
    pub items: usize,
    /// Where the next page starts; `None` at the end of the table.
    pub next: Option<PagePosition>,
}

impl Operator {
    /// Removes the items of an environment on one page of the table: factors, challenges and budgets. The environment
    /// must have been erased, and its last requests answered: running requests may write more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown which items were removed.
    pub async fn remove_items(
        &self,
        environment: EnvironmentId,
        from: Option<PagePosition>,
    ) -> Result<RemovedPage, StoreError> {
        let [factors, budgets] = schema::partition_prefixes(environment);
        let scan = self
            .scan(from)
            .filter_expression("begins_with(#pk, :factors) OR begins_with(#pk, :budgets)")
            .projection_expression("#pk, #sk")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#sk", attr::SK)
            .expression_attribute_values(":factors", AttributeValue::S(factors))
            .expression_attribute_values(":budgets", AttributeValue::S(budgets));
        let (found, next) = page("find the items of an environment", scan).await?;
        for batch in found.chunks(MAX_BATCH_ITEMS) {
            self.remove_batch(batch).await?;
        }
        Ok(RemovedPage { items: found.len(), next })
    }

    /// The factors of an environment, on one page of the table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn factors(
        &self,
        environment: EnvironmentId,
        from: Option<PagePosition>,
    ) -> Result<(Listing<Factor>, Option<PagePosition>), StoreError> {
        let [factors, _] = schema::partition_prefixes(environment);
        let scan = self
            .scan(from)
            .filter_expression("begins_with(#pk, :factors) AND #sk = :factor")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#sk", attr::SK)
            .expression_attribute_values(":factors", AttributeValue::S(factors))
            .expression_attribute_values(":factor", AttributeValue::S(schema::FACTOR.to_owned()));
        let (found, next) = page("list factors", scan).await?;
        Ok((Listing::read(&found, attr::PK, item::to_factor)?, next))
    }

    /// The factors of an environment that are sealed with a key older than `key`, on one page of the table.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn factors_sealed_before(
        &self,
        environment: EnvironmentId,
        key: EnvironmentKeyId,
        from: Option<PagePosition>,
    ) -> Result<(Listing<Factor>, Option<PagePosition>), StoreError> {
        let [factors, _] = schema::partition_prefixes(environment);
        // IDs sort by creation time as text. Only factors with a secret, and challenges with a code, have a key
        // attribute.
        let scan = self
            .scan(from)
            .filter_expression("begins_with(#pk, :factors) AND #sk = :factor AND #key < :key")
            .expression_attribute_names("#pk", attr::PK)
            .expression_attribute_names("#sk", attr::SK)
            .expression_attribute_names("#key", attr::KEY)
            .expression_attribute_values(":factors", AttributeValue::S(factors))
            .expression_attribute_values(":factor", AttributeValue::S(schema::FACTOR.to_owned()))
            .expression_attribute_values(":key", AttributeValue::S(key.to_string()));
        let (found, next) = page("find factors sealed with older keys", scan).await?;
        Ok((Listing::read(&found, attr::PK, item::to_factor)?, next))
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

    async fn remove_batch(&self, keys: &[Item]) -> Result<(), StoreError> {
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
        Err(StoreError::Unavailable { operation, reason: "unprocessed items remain".to_owned() })
    }

    /// Writes a batch. Returns the unprocessed items.
    async fn write_batch(
        &self,
        operation: &'static str,
        writes: Vec<WriteRequest>,
    ) -> Result<Vec<WriteRequest>, StoreError> {
        let batch = self.table.client.batch_write_item().request_items(&self.table.name, writes).send().await;
        let unprocessed = batch.map_err(|error| error::unavailable(operation, &error))?.unprocessed_items;
        Ok(unprocessed.and_then(|mut tables| tables.remove(&self.table.name)).unwrap_or_default())
    }
}

async fn page(
    operation: &'static str,
    scan: ScanFluentBuilder,
) -> Result<(Vec<Item>, Option<PagePosition>), StoreError> {
    let answer = scan.send().await.map_err(|error| error::unavailable(operation, &error))?;
    Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.map(PagePosition)))
}
