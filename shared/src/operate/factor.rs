//! A user's factors as operators see them, and the end of a lock.

use super::Operator;
use crate::domain::factor::{Factor, FactorSummary};
use crate::domain::guard::Guard;
use crate::domain::id::EnvironmentId;
use crate::domain::user::UserId;
use crate::store::schema::attr;
use crate::store::{Decided, Decision, Listing, Page, PageStart, Seen, StoreError, error, item};

impl Operator {
    /// All of a user's factors from the index, newest first, for an operator: a damaged one is named and left out. A
    /// client is given no such list, because an application could take a factor that is missing for one never enrolled.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the index cannot be read.
    pub async fn readable_factors_of(
        &self,
        environment: EnvironmentId,
        user: &UserId,
    ) -> Result<Listing<FactorSummary>, StoreError> {
        let all = Page { start: PageStart::Newest, factor_type: None, limit: usize::MAX };
        let items = self
            .table
            .query_factors(environment, user, &all)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>();
        let items = items.await.map_err(|error| error::unavailable("list factors", &error))?;
        Listing::of(&items, attr::ID, item::to_summary)
    }

    /// Clears a factor's failures, so that it can be verified again. Codes and challenges that were used stay used.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome of the write cannot be found out.
    pub async fn unlock(&self, factor: Factor) -> Result<Decided<()>, StoreError> {
        self.store.decide(Seen::Read(factor), &Unlock).await
    }
}

/// The decision to forget all failures.
struct Unlock;

impl Decision for Unlock {
    type Outcome = ();
    type Error = StoreError;

    async fn decide(&self, factor: &Factor) -> Result<((), Guard), StoreError> {
        Ok(((), factor.guard.unlock()))
    }

    /// A guard without failures is unlocked, whichever write did it.
    fn recorded(&self, guard: &Guard) -> Option<()> {
        (guard.failures == 0 && guard.recent_failures.is_empty()).then_some(())
    }
}
