//! Lists of a user's factors, from the index that holds what a list shows.

use super::schema::{self, attr};
use super::{Store, StoreError, Table, error, item};
use crate::domain::factor::{FactorSummary, FactorType};
use crate::domain::id::{EnvironmentId, FactorId};
use crate::domain::user::UserId;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use std::iter;

/// Queries that a page of factors of one type makes at most.
pub const MAX_LIST_QUERIES: usize = 4;

/// Factors of any type that each of these looks at, after the first: a user with more of another type than all of them
/// together look at is shown pages that are not full.
pub const LIST_QUERY_LIMIT: usize = 250;

/// A page of a user's factors.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Where it starts, and so which way it runs.
    pub start: PageStart,
    /// Only factors of this type.
    pub factor_type: Option<FactorType>,
    /// At most this many.
    pub limit: usize,
}

/// Where a page starts. Ids sort by age, so an id is a place in the list whether or not its factor still exists.
#[derive(Debug, Clone, Copy)]
pub enum PageStart {
    /// The newest factor, towards older ones.
    Newest,
    /// The oldest factor, towards newer ones.
    Oldest,
    /// The next older factor, towards older ones.
    OlderThan(FactorId),
    /// The next newer factor, towards newer ones.
    NewerThan(FactorId),
}

impl Store {
    /// A page of a user's factors from the index, which trails the table by moments, and the place the next page starts
    /// after, if there is more.
    ///
    /// Without a type that is one query of one item more than the page. With one, items of other types are read and
    /// dropped, by [`MAX_LIST_QUERIES`] at most: a page may then end before it is full.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the index cannot be read or an item makes no sense.
    pub async fn factors_of(
        &self,
        environment: EnvironmentId,
        user: &UserId,
        page: &Page,
    ) -> Result<(Vec<FactorSummary>, Option<FactorId>), StoreError> {
        let one_more = page.limit.saturating_add(1);
        let (mut factors, mut start) = (Vec::new(), None);
        let sizes = iter::once(one_more).chain(iter::repeat(LIST_QUERY_LIMIT)).take(MAX_LIST_QUERIES);
        for size in sizes {
            let size = i32::try_from(size).unwrap_or(i32::MAX);
            let query =
                self.table.query_factors(environment, user, page).set_exclusive_start_key(start).limit(size);
            let answer = query.send().await.map_err(|error| error::unavailable("list factors", &error))?;
            for item in answer.items() {
                factors.push(item::to_summary(item)?);
            }
            if factors.len() >= one_more {
                factors.truncate(page.limit);
                let last = factors.last().map(|factor| factor.id);
                return Ok((factors, last));
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        let next = start.as_ref().map(item::to_listed_id).transpose()?;
        Ok((factors, next))
    }
}

impl Table {
    /// The query for a page of a user's factors.
    pub(crate) fn query_factors(
        &self,
        environment: EnvironmentId,
        user: &UserId,
        page: &Page,
    ) -> QueryFluentBuilder {
        let (condition, cursor, towards_newer) = match page.start {
            PageStart::Newest => ("#owner = :owner", None, false),
            PageStart::Oldest => ("#owner = :owner", None, true),
            PageStart::OlderThan(id) => ("#owner = :owner AND #id < :cursor", Some(id), false),
            PageStart::NewerThan(id) => ("#owner = :owner AND #id > :cursor", Some(id), true),
        };
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(schema::BY_USER)
            .scan_index_forward(towards_newer)
            .key_condition_expression(condition)
            .expression_attribute_names("#owner", attr::OWNER)
            .expression_attribute_values(":owner", AttributeValue::S(schema::owner(environment, user)));
        if let Some(cursor) = cursor {
            query = query
                .expression_attribute_names("#id", attr::ID)
                .expression_attribute_values(":cursor", AttributeValue::S(cursor.to_string()));
        }
        if let Some(factor_type) = page.factor_type {
            query = query
                .filter_expression("#type = :type")
                .expression_attribute_names("#type", attr::TYPE)
                .expression_attribute_values(":type", AttributeValue::S(factor_type.name().to_owned()));
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{DYNAMODB_TIMEOUT, LAMBDA_TIMEOUT};

    #[test]
    fn flt_14_the_slowest_list_ends_before_lambda_ends_it() {
        let queries = u32::try_from(MAX_LIST_QUERIES).unwrap();
        assert!(
            DYNAMODB_TIMEOUT * (2 + queries) < LAMBDA_TIMEOUT,
            "list of environments, environment, queries"
        );
    }
}
