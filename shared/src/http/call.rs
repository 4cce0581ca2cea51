//! The extractor of authenticated requests, which every handler takes.
//!
//! It succeeds only for an API key that has the right its route requires (KEY-04, KEY-08, KEY-09), so no handler can
//! skip the check.

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

/// An authenticated request, with the services that its handler needs.
pub(super) struct Call<S = ()> {
    /// The services that every function has.
    pub(super) core: Core,
    /// The services that only this function has, such as a keyring.
    pub(super) services: S,
    /// The authenticated API key and its environment.
    pub(super) caller: Caller,
    /// The fields of the audit line.
    pub(super) trail: AuditTrail,
}

impl<S: AsRef<Keyring>> Call<S> {
    /// The seal of the caller's environment. Its keys are unwrapped when the first request needs them.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if they cannot be unwrapped.
    pub(super) async fn seal(&self) -> Result<Arc<Seal>, KeyringError> {
        self.caller.seal(self.services.as_ref(), self.core.now()).await
    }
}

/// Extracted before the body, so that a request with an unknown key is refused before anything is parsed, written or
/// sent (KEY-05).
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

/// The key in the `Authorization: Bearer` header, of which there must be exactly one. The scheme is case-insensitive
/// (RFC 9110 §11.1).
fn bearer(parts: &Parts) -> Option<ApiKey> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, key) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::parse(key).ok())?
}
