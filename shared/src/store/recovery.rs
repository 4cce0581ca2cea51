//! A user's recovery codes.

use super::item::{self, Item};
use super::schema::{self, attr};
use super::{MAX_WRITE_CONFLICTS, Store, StoreError, error, until_known};
use crate::domain::id::EnvironmentId;
use crate::domain::recovery::RecoveryCodes;
use crate::domain::user::UserId;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;

impl Store {
    /// The recovery codes of a user, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the item is invalid.
    pub async fn recovery_codes(
        &self,
        environment: EnvironmentId,
        user: &UserId,
    ) -> Result<Option<RecoveryCodes>, StoreError> {
        let key = schema::recovery_codes_key(environment, user);
        let item = self.table.read("read recovery codes", key).await?;
        item.map(|item| item::to_recovery_codes(&item)).transpose()
    }

    /// Writes a new set, in place of the user's earlier one: one write, and one more if there was an earlier one.
    ///
    /// Each write depends on what it replaces, so one that arrives late does not replace a newer set.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn replace_recovery_codes(&self, set: &RecoveryCodes) -> Result<(), StoreError> {
        const OPERATION: &str = "write recovery codes";
        let item = || item::from_recovery_codes(set);
        let mut replaced: Option<Item> = None;
        for _ in 0..MAX_WRITE_CONFLICTS {
            let put = || {
                let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(item()));
                let put = match replaced.as_ref().and_then(|replaced| replaced.get(attr::VERSION)) {
                    Some(version) => put
                        .condition_expression("#version = :replaced")
                        .expression_attribute_names("#version", attr::VERSION)
                        .expression_attribute_values(":replaced", version.clone()),
                    None => put
                        .condition_expression("attribute_not_exists(#version)")
                        .expression_attribute_names("#version", attr::VERSION),
                };
                put.return_values_on_condition_check_failure(AllOld).send()
            };
            let refused = PutItemError::is_conditional_check_failed_exception;
            let Err(error) = until_known(put, refused).await else { return Ok(()) };
            replaced = match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => refused.item().cloned(),
                _ => return Err(error::unavailable(OPERATION, &error)),
            };
            if replaced.as_ref().is_some_and(|stored| stored.get(attr::ID) == item().get(attr::ID)) {
                return Ok(()); // An earlier try of this write, whose response was lost.
            }
        }
        Err(StoreError::Unavailable {
            operation: OPERATION,
            reason: "every write met another one".to_owned(),
        })
    }

    /// Deletes the recovery codes of a user. Idempotent.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether they were deleted.
    pub async fn delete_recovery_codes(
        &self,
        environment: EnvironmentId,
        user: &UserId,
    ) -> Result<(), StoreError> {
        let key = schema::recovery_codes_key(environment, user);
        self.table.delete("delete recovery codes", key).await
    }
}
