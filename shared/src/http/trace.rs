//! What every request leaves behind: an id in its answer, and its audit line. And where lines go, and which never do.
//!
//! The SDK and the HTTP stack below, which could print codes and secrets, are held at INFO whatever the filter says
//! (LOG-02); audit lines are written whatever it says.

use super::audit::{self, Answered, Trail};
use super::error::Cause;
use crate::core::Core;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HeaderName, HeaderValue};
use rand::RngExt as _;
use std::io::Write as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Layer, filter};
use uuid::Builder;

/// Crates whose own events stay off below INFO.
const QUIET: [&str; 9] = ["aws_", "axum", "dynoxide", "h2", "hyper", "lambda_", "rustls", "tower", "reqwest"];

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The code of the error an answer is, for its audit line.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorCode(pub(super) &'static str);

/// Gives the request an id and a trail, and writes its line.
pub(super) async fn observe(State(core): State<Core>, mut request: Request, next: Next) -> Response {
    let random = core.rng().map(|mut rng| rng.random()).unwrap_or_default();
    let id = Builder::from_random_bytes(random).into_uuid().to_string();
    let (began, trail) = (core.now(), Trail::default());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(trail.clone());
    let mut response = next.run(request).await;

    if let Some(cause) = response.extensions().get::<Cause>() {
        tracing::error!(request_id = id, %cause, "failed");
    }
    let answered = Answered {
        request_id: &id,
        method: &method,
        route: &route,
        status: response.status(),
        code: response.extensions().get().map(|ErrorCode(code)| *code),
        began,
        ended: core.now(),
        table: core.store.table(),
    };
    tracing::info!(target: audit::TARGET, line = answered.line(&trail));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// A subscriber that writes JSON lines to `writer`: every audit line, and the other events `filter` lets through.
///
/// # Errors
///
/// If `filter` is not a `tracing` filter.
pub fn logs<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync, filter::ParseError>
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    let chosen = EnvFilter::builder().parse(filter)?;
    let quiet = filter::filter_fn(|event: &Metadata<'_>| {
        event.target() != audit::TARGET
            && (*event.level() <= tracing::Level::INFO
                || !QUIET.iter().any(|name| event.target().starts_with(name)))
    });
    let audit = filter::filter_fn(|event: &Metadata<'_>| event.target() == audit::TARGET);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(writer.clone());
    Ok(tracing_subscriber::registry()
        .with(lines.with_filter(quiet.and(chosen)))
        .with(AuditLines(writer).with_filter(audit)))
}

/// Writes audit lines as they are: they are JSON already.
struct AuditLines<W>(W);

impl<S: Subscriber, W: for<'a> MakeWriter<'a> + 'static> Layer<S> for AuditLines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        line.0.push('\n');
        // Whoever reads the lines is gone: there is nobody to tell.
        let _ = self.0.make_writer().write_all(line.0.as_bytes());
    }
}

/// The field `line` of an event.
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
