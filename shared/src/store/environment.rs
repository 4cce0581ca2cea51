//! Environments as a function reads them: one item each, with its API keys and its own keys, found by the tag that its API
//! keys show.

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
    /// [`StoreError`] if the table cannot be read or the item makes no sense.
    pub async fn environment(&self, tag: &Tag) -> Result<Option<Registration>, StoreError> {
        let item = self.table.read("read environment", schema::environment_key(tag)).await?;
        item.map(|item| item::environment::to_registration(&item)).transpose()
    }

    /// The tags of every environment, those being deleted included: one query.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the list cannot be read or makes no sense.
    pub async fn environment_tags(&self) -> Result<BTreeSet<Tag>, StoreError> {
        let listed = self.table.partition("list environments", schema::ENVIRONMENTS).await?;
        listed.iter().map(item::environment::to_listed_tag).collect()
    }
}
