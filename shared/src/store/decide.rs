//! Optimistic locking: every change of a factor's guard is decided on the guard as it was read, and written only over it.

use super::{Settled, Store, StoreError};
use crate::domain::factor::Factor;
use crate::domain::guard::Guard;

/// How often a decision is made again after a version conflict, before the caller is told that the factor is contended.
///
/// Each conflict is another attempt that was counted, so only a storm of guesses on one factor gets this far.
pub const MAX_WRITE_CONFLICTS: usize = 16;

/// A decision on a factor's guard.
pub trait Decision: Sync {
    /// What is decided.
    type Outcome: Send;
    /// Why nothing is.
    type Error: From<StoreError>;

    /// Decides on the factor as it was read: the outcome, and the guard that remembers it.
    fn decide(
        &self,
        factor: &Factor,
    ) -> impl Future<Output = Result<(Self::Outcome, Guard), Self::Error>> + Send;

    /// The outcome, if `guard` shows that this decision was written.
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

/// What became of a decision.
#[derive(Debug, PartialEq, Eq)]
pub enum Decided<T> {
    /// It is written, in this guard.
    Written(T, Guard),
    /// The factor was deleted meanwhile.
    Deleted,
    /// Every write met a version conflict. Nothing was decided.
    Contended,
}

impl Store {
    /// Makes a decision on a factor and writes it. On a version conflict it is made again on the factor as it now is.
    ///
    /// A snapshot may be out of date. What is decided on it is written only if its version is still the factor's, and where
    /// nothing can be written, because the decision fails, the factor itself is read and decided on.
    ///
    /// A write that met a conflict, or whose outcome is unknown, may have been made by this very call, whose answer was
    /// lost. So each guard that comes back is searched for the decision first.
    ///
    /// # Errors
    ///
    /// What the decision fails with; [`StoreError`] if the outcome of the write cannot be found out.
    pub async fn decide<D: Decision>(
        &self,
        seen: Seen,
        decision: &D,
    ) -> Result<Decided<D::Outcome>, D::Error> {
        let found = |guard: &Guard| Some(Decided::Written(decision.recorded(guard)?, guard.clone()));
        let (mut factor, mut read) = match seen {
            Seen::Read(factor) => (factor, true),
            Seen::Snapshot(factor) => (factor, false),
        };
        for _ in 0..MAX_WRITE_CONFLICTS {
            let decided = decision.decide(&factor).await;
            if decided.is_err() && !read {
                let Some(current) = self.factor(factor.environment, factor.id).await? else {
                    return Ok(Decided::Deleted);
                };
                (factor, read) = (current, true);
                continue;
            }
            let (outcome, next) = decided?;
            read = true;
            factor = match self.settle(&factor, &next).await? {
                Settled::Written => return Ok(Decided::Written(outcome, next)),
                Settled::Unknown(current, error) => {
                    return current.and_then(|current| found(&current.guard)).ok_or(error.into());
                }
                Settled::Changed(None) => return Ok(Decided::Deleted),
                Settled::Changed(Some(current)) => *current,
            };
            if let Some(decided) = found(&factor.guard) {
                return Ok(decided);
            }
        }
        Ok(Decided::Contended)
    }
}
