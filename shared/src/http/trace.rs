//! Middleware that adds a request ID and the security headers to every response and writes the audit line.

use super::audit::{AuditTrail, CompletedRequest};
use super::error::Cause;
use super::routes::Route;
use crate::core::Core;
use crate::logs::AUDIT;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use rand::RngExt as _;
use uuid::Builder;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// NET-09
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
];

/// Maximum length of a [`GatewayRequestId`]. API Gateway's have 16 characters.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// The ID that API Gateway gave a request. Passed to the middleware in the request's extensions. The answer and the audit
/// line have the same ID, so that they can be found from a line of the gateway's log, and the other way round.
#[derive(Debug, Clone)]
pub struct GatewayRequestId(String);

impl GatewayRequestId {
    /// Accepts letters, digits and the other characters of base64, which need no escaping in a header or a log.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
        let valid = (1..=MAX_REQUEST_ID_BYTES).contains(&text.len()) && text.bytes().all(is_valid);
        valid.then(|| Self(text.to_owned()))
    }
}

/// The error code of a response, passed to the audit line in the response's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorCode(pub(super) &'static str);

/// Gives the request an ID and an audit trail, adds the headers, and writes the audit line.
pub(super) async fn observe(State(core): State<Core>, mut request: Request, next: Next) -> Response {
    let (started_at, trail) = (core.now(), AuditTrail::default());
    let path = request.extensions().get::<MatchedPath>();
    let route = path.and_then(|path| Route::find(request.method(), path.as_str()));
    let extensions = request.extensions_mut();
    let id = extensions.remove().map_or_else(|| random_id(&core), |GatewayRequestId(id)| id);
    extensions.insert(trail.clone());
    if let Some(route) = route {
        extensions.insert(route);
    }
    let mut response = next.run(request).await;

    if let Some(cause) = response.extensions().get::<Cause>() {
        tracing::error!(request_id = id, %cause, "request failed");
    }
    let completed = CompletedRequest {
        request_id: &id,
        operation: route.map_or("none", |route| route.operation.into()),
        status: response.status(),
        code: response.extensions().get().map(|ErrorCode(code)| *code),
        started_at,
        ended_at: core.now(),
        table: core.store.table(),
    };
    tracing::info!(target: AUDIT, line = completed.line(&trail));
    response.headers_mut().extend(SECURITY_HEADERS);
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// A request ID where there is no gateway: a random UUID.
fn random_id(core: &Core) -> String {
    let random = core.rng().map(|mut rng| rng.random()).unwrap_or_default();
    Builder::from_random_bytes(random).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_of_the_gateway_needs_no_escaping() {
        for id in ["JKJaXmPLvHcESHA=", "a", "0c1e-_+/=", &"a".repeat(64)] {
            assert_eq!(GatewayRequestId::parse(id).map(|GatewayRequestId(id)| id).as_deref(), Some(id));
        }
        for text in ["", "a b", "a\n", "a\"", "ü", &"a".repeat(65)] {
            assert!(GatewayRequestId::parse(text).is_none(), "{text}");
        }
    }
}
