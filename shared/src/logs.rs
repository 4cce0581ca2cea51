//! Log output: JSON lines, and which events are never logged.
//!
//! Regardless of the filter, events below INFO of the SDK and the HTTP libraries are dropped, because they could
//! contain codes and secrets (LOG-02), and audit lines are always written.

use std::io::Write as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, filter};

/// The target of events whose `line` is an audit line (`http/audit.rs`).
pub(crate) const AUDIT: &str = "latchkey::audit";

/// Crates whose events below INFO are dropped.
const QUIET: [&str; 9] = ["aws_", "axum", "dynoxide", "h2", "hyper", "lambda_", "rustls", "tower", "reqwest"];

/// A subscriber that writes JSON lines to `writer`: every audit line, and the events that `filter` selects.
///
/// # Errors
///
/// If `filter` is not a list of `target=level`.
pub fn subscriber<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync, filter::ParseError>
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    let chosen: Targets = filter.parse()?;
    // No line shows its spans, so none is recorded.
    let quiet = filter::filter_fn(|event: &Metadata<'_>| {
        event.is_event()
            && event.target() != AUDIT
            && (*event.level() <= tracing::Level::INFO
                || !QUIET.iter().any(|name| event.target().starts_with(name)))
    });
    let audit = filter::filter_fn(|event: &Metadata<'_>| event.target() == AUDIT);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer.clone());
    Ok(tracing_subscriber::registry()
        .with(lines.with_filter(quiet.and(chosen)))
        .with(AuditLines(writer).with_filter(audit)))
}

/// Writes audit lines unchanged, because they are already JSON.
struct AuditLines<W>(W);

impl<S: Subscriber, W: for<'a> MakeWriter<'a> + 'static> Layer<S> for AuditLines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = LineField(String::new());
        event.record(&mut line);
        line.0.push('\n');
        // If the log cannot be written, there is nowhere to report it.
        let _ = self.0.make_writer().write_all(line.0.as_bytes());
    }
}

/// Extracts the field `line` of an event.
struct LineField(String);

impl Visit for LineField {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
