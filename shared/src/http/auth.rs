//! Who asks, from the API key and nothing else (KEY-04, KEY-09), and whether they may.
//!
//! A handler gets a [`Caller`] only by naming the right its route needs, so a route that names none is open to nobody's
//! factors (KEY-08).

use super::audit::Trail;
use super::error::Error;
use crate::core::{Caller, Core};
use crate::domain::api_key::{ApiKey, Right};
use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;

/// A caller who may enroll and delete factors.
pub(super) struct Manager(pub(super) Caller);

/// A caller who may challenge factors and verify codes.
pub(super) struct Verifier(pub(super) Caller);

/// A caller who may read and list factors.
pub(super) struct Reader(pub(super) Caller);

macro_rules! asks_for {
    ($caller:ident, $right:expr) => {
        /// Extracted before the body: an unknown key is answered before anything is parsed, written or sent (KEY-05).
        impl<S: Sync> FromRequestParts<S> for $caller
        where
            Core: FromRef<S>,
        {
            type Rejection = Error;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
                permitted(parts, &Core::from_ref(state), $right).await.map(Self)
            }
        }
    };
}

asks_for!(Manager, Right::Manage);
asks_for!(Verifier, Right::Verify);
asks_for!(Reader, Right::Read);

async fn permitted(parts: &Parts, core: &Core, right: Right) -> Result<Caller, Error> {
    let key = bearer(parts).ok_or(Error::Unauthorized)?;
    let caller = core.caller(&key).await?.ok_or(Error::Unauthorized)?;
    if let Some(trail) = parts.extensions.get::<Trail>() {
        trail.caller(&caller);
    }
    if caller.scope.grants(right) { Ok(caller) } else { Err(Error::Forbidden) }
}

/// The key of the one `Authorization: Bearer` header; the scheme in any case (RFC 9110 §11.1).
fn bearer(parts: &Parts) -> Option<ApiKey> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, key) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::parse(key).ok())?
}
