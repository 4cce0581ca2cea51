//! The environment a request speaks for, from its API key and nothing else (KEY-04, KEY-09).

use super::error::Error;
use crate::core::Core;
use crate::domain::api_key::ApiKey;
use crate::domain::environment::Environment;
use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;

/// Extracted before the body: an unknown key is answered before anything is parsed, written or sent (KEY-05).
impl<S: Sync> FromRequestParts<S> for Environment
where
    Core: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let key = bearer(parts).ok_or(Error::Unauthorized)?;
        Core::from_ref(state).environment_of(key.hash()).await?.ok_or(Error::Unauthorized)
    }
}

/// The key of the one `Authorization: Bearer` header; the scheme in any case (RFC 9110 §11.1).
fn bearer(parts: &Parts) -> Option<ApiKey> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, key) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::parse(key).ok())?
}
