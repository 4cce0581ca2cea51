//! The wire contract: one file per endpoint, and what they share.
//!
//! Each endpoint module has a `router` with the routes of one Lambda function. [`app`] puts around any of them what
//! every answer has: a request id, the security headers, the error shape, one log line, and no panic.

pub mod challenge;
pub mod enroll;
pub mod factors;
pub mod verify;

mod audit;
mod auth;
mod error;
mod extract;
mod trace;
mod wire;

pub use error::{Error, Violation};

use crate::core::Core;
use crate::domain::policy::BODY_BYTES;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::{Router, middleware};
use http::header::{
    CACHE_CONTROL, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use tower_http::catch_panic::CatchPanicLayer;

/// A complete application from the routes of one or more functions.
pub fn app(core: Core, routes: Router) -> Router {
    let routes = routes
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES));
    observed(core, routes)
}

/// An application that answers every request with one error: what never reaches the routes has the contract's shape, a
/// request id and an audit line all the same.
pub fn refusing(core: Core, error: fn() -> Error) -> Router {
    observed(core, Router::new().fallback(move || async move { error() }))
}

fn observed(core: Core, routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|_| Error::Panic.into_response()))
        .layer(middleware::map_response(security_headers))
        .layer(from_fn_with_state(core, trace::observe))
}

/// What every answer carries (NET-09).
async fn security_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 3] = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
    ];
    response.headers_mut().extend(HEADERS);
    response
}
