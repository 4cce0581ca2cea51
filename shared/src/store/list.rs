//! Lists of a user's factors, from the index that holds what a list shows.

use super::schema::{self, attr};
use super::{Listing, Store, StoreError, error, item};
use crate::domain::factor::{FactorSummary, FactorType};
use crate::domain::id::{EnvironmentId, FactorId};
use crate::domain::policy::{LIST_EXAMINED, LIST_QUERIES};
use crate::domain::user::UserId;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use std::iter;

/// A page of a user's factors.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Where it starts, and so which way it runs.
    pub from: From,
    /// Only factors of this type.
    pub factor_type: Option<FactorType>,
    /// At most this many.
    pub limit: usize,
}

/// Where a page starts. Ids sort by age, so an id is a place in the list whether or not its factor still exists.
#[derive(Debug, Clone, Copy)]
pub enum From {
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
    /// dropped, by [`LIST_QUERIES`] at most: a page may then end before it is full.
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
        let sizes = iter::once(one_more).chain(iter::repeat(LIST_EXAMINED)).take(LIST_QUERIES);
        for size in sizes {
            let size = i32::try_from(size).unwrap_or(i32::MAX);
            let query = self.list(environment, user, page).set_exclusive_start_key(start).limit(size);
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

    fn list(&self, environment: EnvironmentId, user: &UserId, page: &Page) -> QueryFluentBuilder {
        let (condition, cursor, towards_newer) = match page.from {
            From::Newest => ("#owner = :owner", None, false),
            From::Oldest => ("#owner = :owner", None, true),
            From::OlderThan(id) => ("#owner = :owner AND #id < :cursor", Some(id), false),
            From::NewerThan(id) => ("#owner = :owner AND #id > :cursor", Some(id), true),
        };
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
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
        let all = Page { from: From::Newest, factor_type: None, limit: usize::MAX };
        let items =
            self.list(environment, user, &all).into_paginator().items().send().collect::<Result<Vec<_>, _>>();
        let items = items.await.map_err(|error| error::unavailable("list factors", &error))?;
        Listing::of(&items, attr::ID, item::to_summary)
    }
}
