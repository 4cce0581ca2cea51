//! Middleware that adds a request ID to every response and writes the audit line.

use super::audit::{AuditTrail, CompletedRequest};
use super::error::Cause;
use super::routes::Route;
use crate::core::Core;
use crate::logs::AUDIT;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HeaderName, HeaderValue};
use rand::RngExt as _;
use uuid::Builder;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The error code of a response, passed to the audit line in the response's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorCode(pub(super) &'static str);

/// Gives the request an ID and an audit trail, and writes the audit line.
pub(super) async fn observe(State(core): State<Core>, mut request: Request, next: Next) -> Response {
    let random = core.rng().map(|mut rng| rng.random()).unwrap_or_default();
    let id = Builder::from_random_bytes(random).into_uuid().to_string();
    let (started_at, trail) = (core.now(), AuditTrail::default());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let route = Route::find(&method, &path);
    request.extensions_mut().insert(trail.clone());
    if let Some(route) = route {
        request.extensions_mut().insert(route);
    }
    let mut response = next.run(request).await;

    if let Some(cause) = response.extensions().get::<Cause>() {
        tracing::error!(request_id = id, %cause, "request failed");
    }
    let completed = CompletedRequest {
        request_id: &id,
        method: &method,
        path: &path,
        operation: route.map_or("none", |route| route.operation.into()),
        status: response.status(),
        code: response.extensions().get().map(|ErrorCode(code)| *code),
        started_at,
        ended_at: core.now(),
        table: core.store.table(),
    };
    tracing::info!(target: AUDIT, line = completed.line(&trail));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}
