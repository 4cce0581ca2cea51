//! `GET` and `DELETE /auth/factors/{id}`, and the lists of a user's factors (contract §3.2, §3.6).

use super::audit::Trail;
use super::auth::{Manager, Reader};
use super::error::{Entity, Error};
use super::extract::{Fields, PathId, Query};
use super::wire::{FactorBody, Json, ListBody, ListMetadata};
use crate::core::{Caller, Core};
use crate::domain::factor::{Factor, FactorType};
use crate::domain::id::FactorId;
use crate::domain::policy::{PAGE_DEFAULT, PAGE_LIMITS};
use crate::domain::user::UserId;
use crate::store::{From, Page};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;

/// The routes of the factors function.
pub fn router(core: Core) -> Router {
    Router::new()
        .route("/auth/factors", get(list))
        .route("/auth/factors/{id}", get(read).delete(delete))
        .route("/user_management/users/{user_id}/auth_factors", get(list_for_user))
        .with_state(core)
}

async fn read(
    State(core): State<Core>,
    Reader(caller): Reader,
    trail: Trail,
    PathId(given): PathId,
) -> Result<Json<FactorBody>, Error> {
    let factor = find(&core, &caller, &trail, &given).await?;
    Ok(Json(StatusCode::OK, FactorBody::of(&factor.summary())))
}

async fn delete(
    State(core): State<Core>,
    Manager(caller): Manager,
    trail: Trail,
    PathId(given): PathId,
) -> Result<StatusCode, Error> {
    let factor = find(&core, &caller, &trail, &given).await?;
    core.store.delete_factor(factor.environment, factor.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(core: &Core, caller: &Caller, trail: &Trail, given: &str) -> Result<Factor, Error> {
    let unknown = || Error::not_found(Entity::Factor, given);
    let id = FactorId::parse(given).map_err(|_| unknown())?;
    let factor = core.store.factor(caller.environment.id, id).await?.ok_or_else(unknown)?;
    trail.factor(&factor);
    Ok(factor)
}

/// Every factor of a user. Ours: `WorkOS` has no such list for factors outside its user management.
async fn list(
    State(core): State<Core>,
    Reader(caller): Reader,
    Query(mut fields): Query,
) -> Result<Json<ListBody>, Error> {
    let user = fields.required("user_id", UserId::parse);
    let factor_type = fields.optional("type", FactorType::parse);
    let user = fields.check(user)?;
    page(&core, &caller, &user, factor_type, fields).await
}

/// A user's TOTP factors only: SDKs of four major versions break on any other (contract §3.7).
async fn list_for_user(
    State(core): State<Core>,
    Reader(caller): Reader,
    PathId(given): PathId,
    Query(fields): Query,
) -> Result<Json<ListBody>, Error> {
    let user = UserId::parse(&given).map_err(|_| Error::not_found(Entity::User, &given))?;
    page(&core, &caller, &user, Some(FactorType::Totp), fields).await
}

async fn page(
    core: &Core,
    caller: &Caller,
    user: &UserId,
    factor_type: Option<FactorType>,
    mut fields: Fields,
) -> Result<Json<ListBody>, Error> {
    let limit = fields.optional("limit", limit).unwrap_or(PAGE_DEFAULT);
    let order = fields.optional("order", Order::parse).unwrap_or(Order::Descending);
    let before = fields.optional("before", FactorId::parse);
    let after = fields.optional("after", FactorId::parse);
    let from = order.start(before, after);
    if from.is_none() {
        fields.violation("after", "must not be given together with before");
    }
    let from = fields.check(from)?;

    let (mut factors, next) =
        core.store.factors_of(caller.environment.id, user, &Page { from, factor_type, limit }).await?;
    factors.sort_by_key(|factor| factor.id);
    // Onwards there is what the store did not get to; back there is more, if the page was come to from there.
    let (oldest, newest) = (factors.first().map(|factor| factor.id), factors.last().map(|factor| factor.id));
    let (older, newer) = match from {
        From::Newest => (next, None),
        From::OlderThan(_) => (next, newest),
        From::Oldest => (None, next),
        From::NewerThan(_) => (oldest, next),
    };
    let [older, newer] = [older, newer].map(|id| id.map(|id| id.to_string()));
    if order != Order::Ascending {
        factors.reverse();
    }
    let (before, after) = if order == Order::Descending { (newer, older) } else { (older, newer) };
    Ok(Json(
        StatusCode::OK,
        ListBody {
            object: "list",
            data: factors.iter().map(FactorBody::of).collect(),
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
    fn start(self, before: Option<FactorId>, after: Option<FactorId>) -> Option<From> {
        let (older_than, newer_than) =
            if self == Self::Descending { (after, before) } else { (before, after) };
        match (older_than, newer_than) {
            (None, None) if self == Self::Ascending => Some(From::Oldest),
            (None, None) => Some(From::Newest),
            (Some(id), None) => Some(From::OlderThan(id)),
            (None, Some(id)) => Some(From::NewerThan(id)),
            (Some(_), Some(_)) => None,
        }
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| PAGE_LIMITS.contains(limit));
    limit.ok_or_else(|| format!("must be a number from {} to {}", PAGE_LIMITS.start(), PAGE_LIMITS.end()))
}
