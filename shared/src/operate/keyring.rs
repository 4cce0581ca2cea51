//! Changes of the keyring: add and remove data keys, and reseal factors.

use super::Operator;
use crate::domain::environment::WrappedDataKey;
use crate::domain::factor::{Factor, Sealed};
use crate::domain::id::DataKeyId;
use crate::domain::time::Timestamp;
use crate::store::schema::{self, attr};
use crate::store::{StoreError, error, item};
use crate::vault::keyring::KeyringError;
use crate::vault::kms::Kms;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use rand::CryptoRng;

impl Operator {
    /// Generates a data key and adds it to the keyring. Keyrings that are loaded afterwards wrap new keys of
    /// environments with it.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if KMS fails, or if it is unknown whether the data key was written.
    pub async fn rotate(
        &self,
        kms: &Kms,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<DataKeyId, KeyringError> {
        let (_, entry) = kms.generate(DataKeyId::new(now, rng)).await?;
        self.add_data_key(&entry).await?;
        Ok(entry.id)
    }

    /// Adds an entry to the keyring.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_data_key(&self, key: &WrappedDataKey) -> Result<(), StoreError> {
        self.table.create("add data key", || item::from_data_key(key)).await
    }

    /// Removes a data key. No key of an environment may be wrapped by it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_data_key(&self, id: DataKeyId) -> Result<(), StoreError> {
        self.table.delete("remove data key", schema::data_key_key(id)).await
    }

    /// Replaces the sealed secret `seen` of a factor with `next`, unless it has changed: one conditional write. It does
    /// not touch the guard, so it does not conflict with a concurrent verify.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the outcome is unknown. Retrying is harmless.
    pub async fn rewrap(&self, factor: &Factor, seen: &Sealed, next: &Sealed) -> Result<(), StoreError> {
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(schema::factor_key(factor.environment, factor.id)))
            .update_expression("SET #key = :next_key, #secret = :next")
            .condition_expression("#secret = :seen")
            .expression_attribute_names("#key", attr::KEY)
            .expression_attribute_names("#secret", attr::SECRET)
            .expression_attribute_values(":seen", item::bytes(&seen.bytes))
            .expression_attribute_values(":next_key", item::text(next.key))
            .expression_attribute_values(":next", item::bytes(&next.bytes));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // The factor was deleted or resealed in the meantime, possibly by a try of this call whose response was
                // lost.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error::unavailable("reseal a factor", &error)),
            },
        }
    }
}
