//! The table: every DynamoDB call, each one either a consistent read or a conditional write.
//!
//! Nothing here decides about codes. [`Store::settle`] is the one write that makes a verdict true, and it happens only
//! over the very guard the verdict was reached on.

mod decide;
mod environment;
pub(crate) mod error;
pub(crate) mod item;
mod keyring;
mod list;
mod phone_log;
pub mod schema;
mod table;

pub use decide::{Decided, Decision, MAX_WRITE_CONFLICTS, Seen};
pub use error::{Damaged, Listing, StoreError};
pub use list::{LIST_QUERY_LIMIT, MAX_LIST_QUERIES, Page, PageStart};
pub use phone_log::{LogChange, LogWrite, LogWritten};
pub(crate) use table::Table;

use crate::domain::challenge::Challenge;
use crate::domain::factor::Factor;
use crate::domain::guard::Guard;
use crate::domain::id::{ChallengeId, EnvironmentId, FactorId};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use schema::attr;

/// One table in DynamoDB, DynamoDB Local or the embedded engine.
#[derive(Debug, Clone)]
pub struct Store {
    table: Table,
}

/// What became of a guard that was to be written.
#[derive(Debug)]
pub enum Settled {
    /// It was written: what was decided on it may be told.
    Written,
    /// It was not: the factor has changed. This is how it is now; `None` if it was deleted.
    Changed(Option<Box<Factor>>),
    /// The outcome is unknown. Carries the factor as it was re-read afterwards, and the error of the write.
    Unknown(Option<Box<Factor>>, StoreError),
}

impl Store {
    /// The table called `table`.
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
        self.table.create("enroll", item::from_factor(factor)).await
    }

    /// Writes a new challenge. One write.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn open_challenge(&self, challenge: &Challenge) -> Result<(), StoreError> {
        self.table.create("open challenge", item::from_challenge(challenge)).await
    }

    /// A factor of an environment, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the item makes no sense.
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
    /// [`StoreError`] if the table cannot be read or the item makes no sense.
    pub async fn challenge(
        &self,
        environment: EnvironmentId,
        id: ChallengeId,
    ) -> Result<Option<Challenge>, StoreError> {
        let item = self.table.read("read challenge", schema::challenge_key(environment, id)).await?;
        item.map(|item| item::to_challenge(&item)).transpose()
    }

    /// Writes `next` over the guard `seen` was read with: one conditional write.
    ///
    /// A refused write, and one whose fate is unknown, answer with the factor as it stands, for the caller to look for
    /// its own attempt. The client repeats a write that was not heard of, so a refusal may be caused by itself.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the fate of the write cannot be found out.
    pub async fn settle(&self, seen: &Factor, next: &Guard) -> Result<Settled, StoreError> {
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(schema::factor_key(seen.environment, seen.id)))
            .update_expression("SET #version = :next, #guard = :guard")
            .condition_expression("#version = :seen")
            .expression_attribute_names("#version", attr::VERSION)
            .expression_attribute_names("#guard", attr::GUARD)
            .expression_attribute_values(":seen", item::number(seen.guard.version))
            .expression_attribute_values(":next", item::number(next.version))
            .expression_attribute_values(":guard", item::guard::from_guard(next))
            .return_values_on_condition_check_failure(AllOld);
        let Err(error) = update.send().await else { return Ok(Settled::Written) };
        if let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() {
            let current = refused.item().map(item::to_factor).transpose()?;
            return Ok(Settled::Changed(current.map(Box::new)));
        }
        let current = self.factor(seen.environment, seen.id).await?;
        Ok(Settled::Unknown(current.map(Box::new), error::unavailable("write a verdict", &error)))
    }

    /// Deletes a factor; its challenges cannot be verified from then on. Deleting twice is deleting once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was deleted.
    pub async fn delete_factor(&self, environment: EnvironmentId, id: FactorId) -> Result<(), StoreError> {
        self.table.delete("delete factor", schema::factor_key(environment, id)).await
    }
}
