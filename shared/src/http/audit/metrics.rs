//! The metrics of an audit line, in CloudWatch's embedded metric format: values at the top level of the line, and their
//! definitions.
//!
//! The number of dimension values is bounded: table, operation and country (LOG-08).

use super::{AuditFields, CompletedRequest};
use crate::domain::guard::Verdict;
use crate::domain::time::Timestamp;
use serde_json::{Map, Value, json};

/// The CloudWatch namespace.
const NAMESPACE: &str = "Latchkey";

/// Dimension sets.
const BY_TABLE: &[&[&str]] = &[&["table"]];
const BY_OPERATION: &[&[&str]] = &[&["table"], &["table", "operation"]];
const BY_COUNTRY: &[&[&str]] = &[&["table"], &["table", "country"]];

/// The metrics of a request.
#[derive(Default)]
pub(super) struct Metrics {
    /// Metric values by name.
    pub(super) values: Map<String, Value>,
    definitions: Vec<Value>,
}

impl Metrics {
    /// Computes the metrics of a request.
    pub(super) fn new(request: &CompletedRequest<'_>, fields: &AuditFields) -> Self {
        let mut metrics = Self::default();
        let latency = request.ended_at.millis().saturating_sub(request.started_at.millis()).max(0);
        let fault = u8::from(request.status.is_server_error());
        let metrics_of_request = [
            ("Requests", "Count", json!(1)),
            ("Latency", "Milliseconds", json!(latency)),
            ("Faults", "Count", json!(fault)),
        ];
        metrics.add(BY_OPERATION, metrics_of_request);
        if let Some(verdict) = fields.verdict {
            let (valid, lock) = (verdict == Verdict::Valid, fields.locked_until.is_some());
            let verdict = [
                ("Verified", "Count", json!(u8::from(valid))),
                ("Failures", "Count", json!(u8::from(!valid))),
                ("Locks", "Count", json!(u8::from(lock))),
            ];
            metrics.add(BY_TABLE, verdict);
            if fields.country.is_some() {
                metrics.add(BY_COUNTRY, [("MessagesVerified", "Count", json!(u8::from(valid)))]);
            }
        }
        if let Some(price) = fields.charged {
            // The text form of an amount is a valid number.
            let dollars = price.to_string().parse::<f64>().unwrap_or_default();
            let message = [
                ("MessagesSent", "Count", json!(u8::from(fields.sent))),
                ("MessageCostUsd", "None", json!(dollars)),
            ];
            metrics.add(BY_COUNTRY, message);
        }
        metrics
    }

    /// The metric definitions for CloudWatch: the line's `_aws`.
    pub(super) fn definition(&self, at: Timestamp) -> Value {
        json!({"Timestamp": at.millis(), "CloudWatchMetrics": self.definitions})
    }

    fn add<const N: usize>(&mut self, dimensions: &[&[&str]], metrics: [(&str, &str, Value); N]) {
        let units: Vec<Value> =
            metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        self.definitions.push(json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": units}));
        self.values.extend(metrics.map(|(name, _, value)| (name.to_owned(), value)));
    }
}
