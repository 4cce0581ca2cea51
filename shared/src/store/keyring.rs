//! Reads of the keyring: wrapped data keys.

use super::item;
use super::schema::{self, attr};
use super::{Listing, Store, StoreError};
use crate::domain::environment::WrappedDataKey;
use crate::domain::id::DataKeyId;

impl Store {
    /// Every entry of the keyring, oldest first: one query. The first call of a cold function.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn keyring(&self) -> Result<Listing<WrappedDataKey>, StoreError> {
        let items = self.table.partition("read keyring", schema::KEYRING).await?;
        Listing::read(&items, attr::SK, item::to_data_key)
    }

    /// One entry of the keyring.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the entry is invalid.
    pub async fn data_key(&self, id: DataKeyId) -> Result<Option<WrappedDataKey>, StoreError> {
        let item = self.table.read("read data key", schema::data_key_key(id)).await?;
        item.map(|item| item::to_data_key(&item)).transpose()
    }
}
