//! The keyring's entries: wrapped data keys.

use super::item;
use super::schema::{self, attr};
use super::{Listing, Store, StoreError, error};
use crate::domain::environment::WrappedDataKey;
use crate::domain::id::DataKeyId;
use aws_sdk_dynamodb::types::AttributeValue;

impl Store {
    /// Every entry of the keyring, oldest first: one query, the first call a function makes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the table cannot be read.
    pub async fn keyring(&self) -> Result<Listing<WrappedDataKey>, StoreError> {
        let items = self.partition("read keyring", schema::KEYRING).await?;
        Listing::of(&items, attr::SK, item::to_data_key)
    }

    /// One entry of the keyring.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the entry makes no sense.
    pub async fn data_key(&self, id: DataKeyId) -> Result<Option<WrappedDataKey>, StoreError> {
        let item = self.read("read data key", schema::data_key_key(id)).await?;
        item.map(|item| item::to_data_key(&item)).transpose()
    }

    /// Adds an entry to the keyring.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was written.
    pub async fn add_data_key(&self, key: &WrappedDataKey) -> Result<(), StoreError> {
        self.create("add data key", item::from_data_key(key)).await
    }

    /// Removes an entry that nothing names any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is unknown whether it was removed.
    pub async fn remove_data_key(&self, id: DataKeyId) -> Result<(), StoreError> {
        self.delete("remove data key", schema::data_key_key(id)).await
    }

    /// Every item of a partition, read consistently.
    pub(super) async fn partition(
        &self,
        operation: &'static str,
        pk: &str,
    ) -> Result<Vec<item::Item>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
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
