//! `GET` and `DELETE /auth/factors/{id}`, and the lists of a user's factors (docs/CONTRACT.md §3.2, §3.6).

use super::call::Call;
use super::error::{Entity, Error};
use super::extract::{Fields, PathId, Query};
use super::recovery;
use super::routes::{DELETE, DELETE_RECOVERY_CODES, LIST, LIST_FOR_USER, READ, READ_RECOVERY_CODES};
use super::wire::{Answer, FactorBody, ListBody, ListMetadata};
use crate::core::Core;
use crate::domain::factor::{Factor, FactorType};
use crate::domain::id::FactorId;
use crate::domain::user::UserId;
use crate::store::{Page, PageStart};
use axum::Router;
use http::StatusCode;

/// Default number of factors per page of a list (docs/CONTRACT.md §1, route 9).
pub const DEFAULT_PAGE_SIZE: usize = 10;
/// Allowed numbers of factors per page.
pub const PAGE_SIZES: std::ops::RangeInclusive<usize> = 1..=100;

/// The routes of the factors function, the only one without a keyring.
pub fn router(core: Core) -> Router {
    let routes =
        READ.to(read).merge(DELETE.to(delete)).merge(LIST.to(list)).merge(LIST_FOR_USER.to(list_for_user));
    let recovery = READ_RECOVERY_CODES.to(recovery::read).merge(DELETE_RECOVERY_CODES.to(recovery::delete));
    let routes = routes.merge(recovery);
    routes.with_state((core, ()))
}

async fn read(call: Call, PathId(given): PathId) -> Result<Answer<FactorBody>, Error> {
    let factor = find(&call, &given).await?;
    Ok(Answer(StatusCode::OK, FactorBody::read(&factor)))
}

async fn delete(call: Call, PathId(given): PathId) -> Result<StatusCode, Error> {
    let factor = find(&call, &given).await?;
    call.core.store.delete_factor(factor.environment, factor.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(call: &Call, given: &str) -> Result<Factor, Error> {
    let unknown = || Error::not_found(Entity::Factor, given);
    let id = FactorId::parse(given).map_err(|_| unknown())?;
    let factor = call.core.store.factor(call.caller.environment.id, id).await?.ok_or_else(unknown)?;
    call.trail.factor(&factor);
    Ok(factor)
}

/// Lists all factors of a user. An addition to the `WorkOS` API, which lists only the TOTP factors of its user
/// management.
async fn list(call: Call, Query(mut fields): Query) -> Result<Answer<ListBody>, Error> {
    let user = fields.required("user_id", UserId::parse);
    let factor_type = fields.optional("type", FactorType::parse);
    let user = fields.check(user)?;
    page(&call, &user, factor_type, fields).await
}

/// Lists a user's TOTP factors only, because SDKs of four major versions fail on other types (docs/CONTRACT.md §3.7).
async fn list_for_user(
    call: Call,
    PathId(given): PathId,
    Query(fields): Query,
) -> Result<Answer<ListBody>, Error> {
    let user = UserId::parse(&given).map_err(|_| Error::not_found(Entity::User, &given))?;
    page(&call, &user, Some(FactorType::Totp), fields).await
}

async fn page(
    call: &Call,
    user: &UserId,
    factor_type: Option<FactorType>,
    mut fields: Fields,
) -> Result<Answer<ListBody>, Error> {
    let limit = fields.optional("limit", limit).unwrap_or(DEFAULT_PAGE_SIZE);
    let order = fields.optional("order", Order::parse).unwrap_or(Order::Descending);
    let before = fields.optional("before", FactorId::parse);
    let after = fields.optional("after", FactorId::parse);
    let start = order.start(before, after);
    if start.is_none() {
        fields.violation("after", "must not be given together with before");
    }
    let start = fields.check(start)?;

    let (mut factors, next) = call
        .core
        .store
        .list_factors(call.caller.environment.id, user, &Page { start, factor_type, limit })
        .await?;
    factors.sort_by_key(|factor| factor.id);
    // In the direction of the page, the store reports whether there is more. In the other direction there is more if
    // the request had a cursor.
    let (oldest, newest) = (factors.first().map(|factor| factor.id), factors.last().map(|factor| factor.id));
    let (older, newer) = match start {
        PageStart::Newest => (next, None),
        PageStart::OlderThan(_) => (next, newest),
        PageStart::Oldest => (None, next),
        PageStart::NewerThan(_) => (oldest, next),
    };
    let [older, newer] = [older, newer].map(|id| id.map(|id| id.to_string()));
    if order != Order::Ascending {
        factors.reverse();
    }
    let (before, after) = if order == Order::Descending { (newer, older) } else { (older, newer) };
    Ok(Answer(
        StatusCode::OK,
        ListBody {
            object: "list",
            data: factors.iter().map(FactorBody::new).collect(),
            list_metadata: ListMetadata { before, after },
        },
    ))
}

/// The order of a list and what its cursors mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Oldest first; `after` leads to newer factors.
    Ascending,
    /// Newest first; `after` leads to older factors.
    Descending,
    /// Newest first, but `after` leads to newer factors and `before` to older ones.
    Normal,
}

impl Order {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "asc" => Ok(Self::Ascending),
            "desc" => Ok(Self::Descending),
            "normal" => Ok(Self::Normal),
            _ => Err("must be asc, desc or normal"),
        }
    }

    /// Where a page starts; `None` if both cursors are given.
    fn start(self, before: Option<FactorId>, after: Option<FactorId>) -> Option<PageStart> {
        let (older_than, newer_than) =
            if self == Self::Descending { (after, before) } else { (before, after) };
        match (older_than, newer_than) {
            (None, None) if self == Self::Ascending => Some(PageStart::Oldest),
            (None, None) => Some(PageStart::Newest),
            (Some(id), None) => Some(PageStart::OlderThan(id)),
            (None, Some(id)) => Some(PageStart::NewerThan(id)),
            (Some(_), Some(_)) => None,
        }
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| PAGE_SIZES.contains(limit));
    limit.ok_or_else(|| format!("must be a number from {} to {}", PAGE_SIZES.start(), PAGE_SIZES.end()))
}
