//! Reads of environments. Each is one item with its API keys and encryption keys, found by the tag that is part of its
//! API keys.

use super::item;
use super::schema;
use super::{Store, StoreError};
use crate::domain::environment::{Registration, Tag};
use std::collections::BTreeSet;

impl Store {
    /// The environment with this tag, read consistently.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table cannot be read or the item is invalid.
    pub async fn environment(&self, tag: &Tag) -> Result<Option<Registration>, StoreError> {
        let item = self.table.read("read environment", schema::environment_key(tag)).await?;
        item.map(|item| item::environment::to_registration(&item)).transpose()
    }

    /// The tags of all environments, including those that are being deleted: one query.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the list cannot be read or is invalid.
    pub async fn environment_tags(&self) -> Result<BTreeSet<Tag>, StoreError> {
        let listed = self.table.partition("list environments", schema::ENVIRONMENTS).await?;
        listed.iter().map(item::environment::to_listed_tag).collect()
    }
}
