//! The keyring as operators change it: data keys come and go, and factors move to newer keys.

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
    /// Adds a data key to the keyring. A keyring that is loaded after that wraps new keys of environments with it.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if KMS makes none, or it is unknown whether it was written.
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
        self.table.create("add data key", item::from_data_key(key)).await
    }

    /// Removes an entry that nothing names any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_data_key(&self, id: DataKeyId) -> Result<(), StoreError> {
        self.table.delete("remove data key", schema::data_key_key(id)).await
    }

    /// Writes a secret that was sealed again in the place of `seen`, unless it is no longer there: one conditional write. It
    /// leaves the guard alone, so it and a verify at the same moment do not disturb each other.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the outcome is unknown. Sealing again is harmless.
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
                // Deleted, or sealed again by another run, or by this one without its being heard of.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error::unavailable("seal a factor again", &error)),
            },
        }
    }
}
