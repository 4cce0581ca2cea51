//! Optimistic locking: a change of a guard is computed from its item as read, and written only if the stored version is still
//! the same.

use super::guarded::Guarded;
use super::{Store, StoreError, WriteOutcome};

/// Maximum number of tries to write a decision before [`DecisionOutcome::Contended`] is returned.
///
/// Each conflict means that another attempt was counted, so only a flood of guesses at one item reaches this limit.
pub const MAX_WRITE_CONFLICTS: usize = 16;

/// A decision on an item with a guard.
pub trait Decision: Sync {
    /// The item.
    type Record: Guarded;
    /// The result of the decision.
    type Outcome: Send;
    /// The error if no decision is possible.
    type Error: From<StoreError>;

    /// Decides from the item as read. Returns the outcome and the item that records it.
    fn decide(
        &self,
        record: Self::Record,
    ) -> impl Future<Output = Result<(Self::Outcome, Self::Record), Self::Error>> + Send;

    /// The outcome, if the item shows that this decision was already written.
    fn recorded(&self, record: &Self::Record) -> Option<Self::Outcome>;
}

/// What a decision starts from.
#[derive(Debug)]
pub enum Seen<R> {
    /// The item as it was read for this request.
    Read(R),
    /// The factor as its challenge carries it ([`Challenge::snapshot`](crate::domain::challenge::Challenge)).
    Snapshot(R),
}

/// The outcome of [`Store::decide`].
#[derive(Debug, PartialEq, Eq)]
pub enum DecisionOutcome<T, R> {
    /// The decision was written. Carries its outcome and the written item.
    Written(T, R),
    /// The item was deleted in the meantime.
    Deleted,
    /// Every write met a version conflict. Nothing was written.
    Contended,
}

impl Store {
    /// Makes a decision on an item and writes it. On a version conflict, repeats both with the current item.
    ///
    /// A snapshot may be out of date. A decision on it is written only over the same version of the factor. If the decision
    /// fails, for example because the snapshot is locked, the factor is read and decided on instead.
    ///
    /// After a conflict, the current item is first searched for the decision: it may have been written in a try whose
    /// response was lost.
    ///
    /// # Errors
    ///
    /// The error of the decision; [`StoreError`] if the outcome of the write is unknown.
    pub async fn decide<D: Decision>(
        &self,
        seen: Seen<D::Record>,
        decision: &D,
    ) -> Result<DecisionOutcome<D::Outcome, D::Record>, D::Error> {
        let (mut record, mut snapshot_key) = match seen {
            Seen::Read(record) => (record, None),
            Seen::Snapshot(record) => {
                let key = record.key();
                (record, Some(key))
            }
        };
        for _ in 0..MAX_WRITE_CONFLICTS {
            let version = record.guard().version;
            let (outcome, next) = match (decision.decide(record).await, snapshot_key.take()) {
                (Err(_), Some(key)) => {
                    let Some(current) = self.table.read("read factor", key).await? else {
                        return Ok(DecisionOutcome::Deleted);
                    };
                    record = D::Record::from_item(&current)?;
                    continue;
                }
                (decided, _) => decided?,
            };
            record = match self.settle(version, &next).await? {
                WriteOutcome::Written => return Ok(DecisionOutcome::Written(outcome, next)),
                WriteOutcome::Changed(None) => return Ok(DecisionOutcome::Deleted),
                WriteOutcome::Changed(Some(current)) => *current,
            };
            if let Some(outcome) = decision.recorded(&record) {
                return Ok(DecisionOutcome::Written(outcome, record));
            }
        }
        Ok(DecisionOutcome::Contended)
    }
}
