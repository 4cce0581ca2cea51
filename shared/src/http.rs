//! The HTTP API: one file per endpoint, and what they share.
//!
//! `routes.rs` lists the routes. Each endpoint module has a `router` with the routes of one Lambda function. [`app`]
//! adds what all responses have in common: a request ID, the security headers, the error format, an audit line and a
//! panic handler.

pub mod challenge;
pub mod enroll;
pub mod factors;
pub mod verify;

mod audit;
mod call;
mod error;
mod extract;
mod recovery;
mod routes;
mod trace;
mod wire;

pub use error::{Error, Violation};
pub use extract::MAX_IDEMPOTENCY_KEY_BYTES;
pub use routes::{Function, Operation, ROUTES, Route, Verb};
pub use trace::GatewayRequestId;

use crate::core::Core;
use crate::sms::Sms;
use crate::vault::keyring::Keyring;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use tower_http::catch_panic::CatchPanicLayer;

/// Maximum size of a request body in bytes (NET-10).
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The complete application for the routes of one or more functions.
pub fn app(core: Core, routes: Router) -> Router {
    let routes = routes
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    with_middleware(core, routes)
}

/// The routes of all four functions, for the local server.
pub fn all_routes(core: &Core, keyring: &Keyring, sms: Sms) -> Router {
    enroll::router(core.clone(), keyring.clone())
        .merge(challenge::router(core.clone(), keyring.clone(), sms))
        .merge(verify::router(core.clone(), keyring.clone()))
        .merge(factors::router(core.clone()))
}

/// An application that answers every request with the same error, in the documented format and with a request ID and an
/// audit line.
pub fn error_app(core: Core, error: fn() -> Error) -> Router {
    with_middleware(core, Router::new().fallback(move || async move { error() }))
}

fn with_middleware(core: Core, routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|_| Error::Panic.into_response()))
        .layer(from_fn_with_state(core, trace::observe))
}
