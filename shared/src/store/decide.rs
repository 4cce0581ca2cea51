//! Optimistic locking: a change of a factor's guard is computed from the guard as read, and written only if the stored
//! version is still the same.

use super::{Store, StoreError, WriteOutcome};
use crate::domain::factor::Factor;
use crate::domain::guard::Guard;

/// Maximum number of tries to write a decision before [`DecisionOutcome::Contended`] is returned.
///
/// Each conflict means that another attempt was counted, so only a flood of guesses at one factor reaches this limit.
pub const MAX_WRITE_CONFLICTS: usize = 16;

/// A decision on a factor's guard.
pub trait Decision: Sync {
    /// The result of the decision.
    type Outcome: Send;
    /// The error if no decision is possible.
    type Error: From<StoreError>;

    /// Decides from the factor as read. Returns the outcome and the guard that records it.
    fn decide(
        &self,
        factor: &Factor,
    ) -> impl Future<Output = Result<(Self::Outcome, Guard), Self::Error>> + Send;

    /// The outcome, if `guard` shows that this decision was already written.
    fn recorded(&self, guard: &Guard) -> Option<Self::Outcome>;
}

/// What a decision starts from.
#[derive(Debug)]
pub enum Seen {
    /// The factor as it was read for this request.
    Read(Factor),
    /// The factor as its challenge carries it ([`Challenge::snapshot`](crate::domain::challenge::Challenge)).
    Snapshot(Factor),
}

/// The outcome of [`Store::decide`].
#[derive(Debug, PartialEq, Eq)]
pub enum DecisionOutcome<T> {
    /// The decision was written. Carries its outcome and the written guard.
    Written(T, Guard),
    /// The factor was deleted in the meantime.
    Deleted,
    /// Every write met a version conflict. Nothing was written.
    Contended,
}

impl Store {
    /// Makes a decision on a factor and writes it. On a version conflict, repeats both with the current factor.
    ///
    /// A snapshot may be out of date. A decision on it is written only over the same version of the factor. If the decision
    /// fails, for example because the snapshot is locked, the factor is read and decided on instead.
    ///
    /// After a conflict, the current guard is first searched for the decision: it may have been written in a try whose
    /// response was lost.
    ///
    /// # Errors
    ///
    /// The error of the decision; [`StoreError`] if the outcome of the write is unknown.
    pub async fn decide<D: Decision>(
        &self,
        seen: Seen,
        decision: &D,
    ) -> Result<DecisionOutcome<D::Outcome>, D::Error> {
        let (mut factor, mut read) = match seen {
            Seen::Read(factor) => (factor, true),
            Seen::Snapshot(factor) => (factor, false),
        };
        for _ in 0..MAX_WRITE_CONFLICTS {
            let decided = decision.decide(&factor).await;
            if decided.is_err() && !read {
                let Some(current) = self.factor(factor.environment, factor.id).await? else {
                    return Ok(DecisionOutcome::Deleted);
                };
                (factor, read) = (current, true);
                continue;
            }
            let (outcome, next) = decided?;
            read = true;
            factor = match self.settle(&factor, &next).await? {
                WriteOutcome::Written => return Ok(DecisionOutcome::Written(outcome, next)),
                WriteOutcome::Changed(None) => return Ok(DecisionOutcome::Deleted),
                WriteOutcome::Changed(Some(current)) => *current,
            };
            if let Some(outcome) = decision.recorded(&factor.guard) {
                return Ok(DecisionOutcome::Written(outcome, factor.guard));
            }
        }
        Ok(DecisionOutcome::Contended)
    }
}
