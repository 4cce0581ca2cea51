//! An authenticated request: the one thing that every handler takes.
//!
//! It is had only with an API key that has the right its route needs (KEY-04, KEY-08, KEY-09), so no handler can forget to
//! ask.

use super::audit::AuditTrail;
use super::error::Error;
use super::routes::Route;
use crate::core::{Caller, Core};
use crate::domain::api_key::ApiKey;
use crate::vault::keyring::{Keyring, KeyringError};
use crate::vault::seal::Seal;
use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::sync::Arc;

/// A request whose API key was accepted, with what its handler works with.
pub(super) struct Call<S = ()> {
    /// What every function has.
    pub(super) core: Core,
    /// What only this function has: a keyring, a way to send messages.
    pub(super) services: S,
    /// Who makes the request, and for which environment.
    pub(super) caller: Caller,
    /// What its audit line will say.
    pub(super) trail: AuditTrail,
}

impl<S: AsRef<Keyring>> Call<S> {
    /// What seals and opens for the caller's environment. Its keys are unwrapped when the first request needs them.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if they cannot be unwrapped.
    pub(super) async fn seal(&self) -> Result<Arc<Seal>, KeyringError> {
        self.caller.seal(self.services.as_ref(), self.core.now()).await
    }
}

/// Extracted before the body: a request with an unknown key is refused before anything is parsed, written or sent (KEY-05).
impl<S: Clone + Send + Sync> FromRequestParts<(Core, S)> for Call<S> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, (core, services): &(Core, S)) -> Result<Self, Error> {
        let key = bearer(parts).ok_or(Error::Unauthorized)?;
        let caller = core.authenticate(&key).await?.ok_or(Error::Unauthorized)?;
        let trail = parts.extensions.get::<AuditTrail>().cloned().unwrap_or_default();
        trail.caller(&caller);
        let route = parts.extensions.get::<&Route>().ok_or(Error::NoRoute)?;
        if !caller.scope.grants(route.right) {
            return Err(Error::Forbidden);
        }
        Ok(Self { core: core.clone(), services: services.clone(), caller, trail })
    }
}

/// The key of the one `Authorization: Bearer` header; the scheme in any case (RFC 9110 §11.1).
fn bearer(parts: &Parts) -> Option<ApiKey> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, key) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::parse(key).ok())?
}
