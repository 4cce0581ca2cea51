//! One JSON line a request, and what no line may hold.
//!
//! A line names the route, not the path; the status and the error's code, not the body. It must never hold a code, a
//! secret, a key or a whole phone number; the SDK and the HTTP stack below, which could print them, are held at INFO
//! whatever the filter says (LOG-02).

use super::error::Cause;
use crate::core::Core;
use crate::domain::id::FactorId;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HeaderName, HeaderValue};
use rand::RngExt as _;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, filter};
use uuid::Builder;

/// Crates whose own events stay off below INFO.
const QUIET: [&str; 9] = ["aws_", "axum", "dynoxide", "h2", "hyper", "lambda_", "rustls", "tower", "reqwest"];

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The code of the error an answer is, for its log line.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorCode(pub(super) &'static str);

/// What a request did to a factor, for its log line. It never says with which code.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// What happened: `otp.verified`, `otp.wrong`, `otp.replayed`.
    pub(super) name: &'static str,
    /// To which factor.
    pub(super) factor: FactorId,
    /// Until when it is locked by that: a moment, or `an operator unlocks it`.
    pub(super) locked_until: Option<String>,
}

/// Gives the request an id and writes its line.
pub(super) async fn observe(State(core): State<Core>, request: Request, next: Next) -> Response {
    let random = core.rng().map(|mut rng| rng.random()).unwrap_or_default();
    let id = Builder::from_random_bytes(random).into_uuid().to_string();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;

    let status = response.status().as_u16();
    let code = response.extensions().get().map_or("", |ErrorCode(code)| code);
    let event = response.extensions().get::<Event>();
    let factor = event.map(|event| event.factor.to_string());
    let locked_until = event.and_then(|event| event.locked_until.as_deref());
    let event = event.map(|event| event.name);
    if let Some(cause) = response.extensions().get::<Cause>() {
        tracing::error!(request_id = id, %method, route, status, code, %cause, "failed");
    } else {
        tracing::info!(request_id = id, %method, route, status, code, event, factor, locked_until, "answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// A subscriber that writes JSON lines to `writer`, for the events `filter` lets through.
///
/// # Errors
///
/// If `filter` is not a `tracing` filter.
pub fn logs<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync, filter::ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let chosen = EnvFilter::builder().parse(filter)?;
    let quiet = filter::filter_fn(|event: &Metadata<'_>| {
        *event.level() <= tracing::Level::INFO || !QUIET.iter().any(|name| event.target().starts_with(name))
    });
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(writer);
    Ok(tracing_subscriber::registry().with(lines.with_filter(quiet)).with(chosen))
}
