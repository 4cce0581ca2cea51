//! What only operators do: make the table, change environments and the keyring, look through the whole table.
//!
//! All of it is done by an [`Operator`], which is made from an SDK client. A handler has no client, and
//! none can be had from what it has, so no request can come to do any of this.

mod config;
mod environment;
mod factor;
mod keyring;
mod sweep;
mod table;

pub use config::OperatorConfig;
pub use environment::Changed;
pub use sweep::{MAX_BATCH_TRIES, PagePosition, Removed};
pub use table::TableState;

use crate::store::{Store, Table};
use aws_sdk_dynamodb::Client;

/// An operator's access to a deployment's table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operator {
    /// What requests read and write.
    pub store: Store,
    table: Table,
}

impl Operator {
    /// Access to the table called `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { store: Store::new(client.clone(), table.clone()), table: Table::new(client, table) }
    }
}
