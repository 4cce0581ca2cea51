//! Operations on factors: list a user's factors, and unlock one.

use super::Operator;
use crate::domain::factor::{Factor, FactorSummary};
use crate::domain::id::EnvironmentId;
use crate::domain::user::UserId;
use crate::store::schema::attr;
use crate::store::{Decision, DecisionOutcome, Listing, Page, PageStart, Seen, StoreError, error, item};

impl Operator {
    /// All factors of a user from the index, newest first. A damaged factor is reported separately. Not offered to
    /// applications, which could mistake the missing factor for one that was never enrolled.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the index cannot be read.
    pub async fn list_factors(
        &self,
        environment: EnvironmentId,
        user: &UserId,
    ) -> Result<Listing<FactorSummary>, StoreError> {
        let page = Page { start: PageStart::Newest, factor_type: None, limit: usize::MAX };
        let items = self
            .table
            .query_factors(environment, user, &page)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>();
        let items = items.await.map_err(|error| error::unavailable("list factors", &error))?;
        Listing::read(&items, attr::ID, item::to_summary)
    }

    /// Clears a factor's failures, so that it can be verified again. Used codes and challenges stay used.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome of the write is unknown.
    pub async fn unlock(&self, factor: Factor) -> Result<DecisionOutcome<(), Factor>, StoreError> {
        self.store.decide(Seen::Read(factor), &Unlock).await
    }
}

/// The decision to clear all failures.
struct Unlock;

impl Decision for Unlock {
    type Record = Factor;
    type Outcome = ();
    type Error = StoreError;

    async fn decide(&self, factor: Factor) -> Result<((), Factor), StoreError> {
        Ok(((), Factor { guard: factor.guard.unlock(), ..factor }))
    }

    /// A guard without failures counts as unlocked, regardless of which write cleared them.
    fn recorded(&self, factor: &Factor) -> Option<()> {
        (factor.guard.failures == 0 && factor.guard.recent_failures.is_empty()).then_some(())
    }
}
