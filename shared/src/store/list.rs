//! Lists of a user's factors, read from the index.

use super::schema::{self, attr};
use super::{Store, StoreError, Table, error, item};
use crate::domain::factor::{FactorSummary, FactorType};
use crate::domain::id::{EnvironmentId, FactorId};
use crate::domain::user::UserId;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use std::iter;

/// Maximum number of queries for a page of factors of one type.
pub const MAX_LIST_QUERIES: usize = 4;

/// Number of factors of any type that each query after the first reads. If a user has more factors of other types than
/// all queries together read, pages are not full.
pub const LIST_QUERY_LIMIT: usize = 250;

/// A page of a user's factors.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Where the page starts, and in which direction it continues.
    pub start: PageStart,
    /// Only factors of this type.
    pub factor_type: Option<FactorType>,
    /// Maximum number of factors.
    pub limit: usize,
}

/// Where a page starts. IDs sort by creation time, so an ID is a valid position even if its factor was deleted.
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
    /// A page of a user's factors and, if there is more, the ID after which the next page starts. The index is
    /// eventually consistent with the table.
    ///
    /// Without a type filter, this is one query for one item more than the page. With a filter, up to
    /// [`MAX_LIST_QUERIES`] queries skip items of other types, and the page may end before it is full.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the index cannot be read or an item is invalid.
    pub async fn list_factors(
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
    fn flt_14_the_slowest_list_finishes_within_the_lambda_timeout() {
        let queries = u32::try_from(MAX_LIST_QUERIES).unwrap();
        assert!(
            DYNAMODB_TIMEOUT * (2 + queries) < LAMBDA_TIMEOUT,
            "list of environments, environment, queries"
        );
    }
}
