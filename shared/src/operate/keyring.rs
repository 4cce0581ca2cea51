//! Changes of the keyring: add and remove data keys.

use super::Operator;
use crate::domain::environment::WrappedDataKey;
use crate::domain::id::DataKeyId;
use crate::domain::time::Timestamp;
use crate::store::schema;
use crate::store::{StoreError, item};
use crate::vault::keyring::KeyringError;
use crate::vault::kms::Kms;
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
}
