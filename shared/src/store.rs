//! The DynamoDB calls of requests: consistent reads, conditional writes, and queries of the index.
//!
//! No code is checked here. [`Store::settle`] writes the guard that records a verdict, and only if the stored guard is
//! still the one that the verdict is based on.

mod decide;
mod environment;
pub(crate) mod error;
pub(crate) mod item;
mod keyring;
mod list;
mod phone_log;
pub mod schema;
mod table;

pub use decide::{Decision, DecisionOutcome, MAX_WRITE_CONFLICTS, Seen};
pub use error::{DamagedItem, Listing, StoreError};
pub use list::{LIST_QUERY_LIMIT, MAX_LIST_QUERIES, Page, PageStart};
pub use phone_log::{LogChange, LogOutcome, LogWrite};
pub(crate) use table::Table;
use table::until_known;

use crate::domain::challenge::Challenge;
use crate::domain::factor::Factor;
use crate::domain::guard::Guard;
use crate::domain::id::{ChallengeId, EnvironmentId, FactorId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use schema::attr;

/// A deployment's table, in DynamoDB, DynamoDB Local or the embedded engine.
#[derive(Debug, Clone)]
pub struct Store {
    table: Table,
}

/// The outcome of writing a guard.
#[derive(Debug)]
pub enum WriteOutcome {
    /// The guard was written: the verdict may be returned.
    Written,
    /// The stored factor has another version. Carries it; `None` if it was deleted.
    Changed(Option<Box<Factor>>),
}

impl Store {
    /// Access to the table named `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { table: Table::new(client, table) }
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table.name
    }

    /// Writes a new factor. One write.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn enroll(&self, factor: &Factor) -> Result<(), StoreError> {
        self.table.create("enroll", || item::from_factor(factor)).await
    }

    /// Writes a new challenge. One write.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn open_challenge(&self, challenge: &Challenge) -> Result<(), StoreError> {
        self.table.create("open challenge", || item::from_challenge(challenge)).await
    }

    /// A factor of an environment, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the item is invalid.
    pub async fn factor(
        &self,
        environment: EnvironmentId,
        id: FactorId,
    ) -> Result<Option<Factor>, StoreError> {
        let item = self.table.read("read factor", schema::factor_key(environment, id)).await?;
        item.map(|item| item::to_factor(&item)).transpose()
    }

    /// A challenge of an environment, read consistently, whether or not it has expired.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the item is invalid.
    pub async fn challenge(
        &self,
        environment: EnvironmentId,
        id: ChallengeId,
    ) -> Result<Option<Challenge>, StoreError> {
        let item = self.table.read("read challenge", schema::challenge_key(environment, id)).await?;
        item.map(|item| item::to_challenge(&item)).transpose()
    }

    /// Replaces the guard of `seen` with `next`, unless the factor has changed: one conditional write.
    ///
    /// If the write is refused, the result carries the current factor, so that the caller can look for its own attempt: a
    /// write whose response was lost is sent again, so the conflict may be with an earlier try of this very write.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome of the write is unknown.
    pub async fn settle(&self, seen: &Factor, next: &Guard) -> Result<WriteOutcome, StoreError> {
        let update = || {
            let update = self.table.client.update_item().table_name(&self.table.name);
            update
                .set_key(Some(schema::factor_key(seen.environment, seen.id)))
                .update_expression("SET #version = :next, #guard = :guard")
                .condition_expression("#version = :seen")
                .expression_attribute_names("#version", attr::VERSION)
                .expression_attribute_names("#guard", attr::GUARD)
                .expression_attribute_values(":seen", item::number(seen.guard.version))
                .expression_attribute_values(":next", item::number(next.version))
                .expression_attribute_values(":guard", item::guard::from_guard(next))
                .return_values_on_condition_check_failure(AllOld)
                .send()
        };
        let refused = UpdateItemError::is_conditional_check_failed_exception;
        let Err(error) = until_known(update, refused).await else { return Ok(WriteOutcome::Written) };
        if let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() {
            let current = refused.item().map(item::to_factor).transpose()?;
            return Ok(WriteOutcome::Changed(current.map(Box::new)));
        }
        Err(error::unavailable("write a verdict", &error))
    }

    /// Deletes a factor. Its challenges can no longer be verified. Idempotent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was deleted.
    pub async fn delete_factor(&self, environment: EnvironmentId, id: FactorId) -> Result<(), StoreError> {
        self.table.delete("delete factor", schema::factor_key(environment, id)).await
    }
}
