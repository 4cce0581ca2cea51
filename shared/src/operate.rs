//! Operations for operators: create the table, change environments and the keyring, scan the whole table, import and
//! export factors.
//!
//! All of them need an [`Operator`], which is created from an SDK client. A handler has no SDK client and cannot obtain
//! one, so no request can perform these operations.

mod config;
mod environment;
mod factor;
mod keyring;
mod sealed;
mod sweep;
mod table;
mod transfer;

pub use config::{OperatorConfig, may_have_colors};
pub use environment::ChangeOutcome;
pub use sealed::SealedItem;
pub use sweep::{MAX_BATCH_TRIES, PagePosition, RemovedPage};
pub use table::TableState;
pub use transfer::UserItem;

use crate::store::{Store, Table};
use aws_sdk_dynamodb::Client;

/// An operator's access to a deployment's table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The operations that requests also use.
    pub store: Store,
    table: Table,
}

impl Operator {
    /// Access to the table named `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { store: Store::new(client.clone(), table.clone()), table: Table::new(client, table) }
    }
}
