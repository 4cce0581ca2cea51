//! The numbers of an audit line, in CloudWatch's embedded metric format: values at the top of the line, and what they are.
//!
//! What they are counted by is bounded: the table, the operation, the country (LOG-08).

use super::{Answered, Recorded};
use crate::domain::guard::Verdict;
use crate::domain::time::Timestamp;
use serde_json::{Map, Value, json};

/// Under which name CloudWatch keeps them.
const NAMESPACE: &str = "Latchkey";

/// The sets of fields numbers are counted by.
const IN_ALL: &[&[&str]] = &[&["table"]];
const BY_OPERATION: &[&[&str]] = &[&["table"], &["table", "operation"]];
const BY_COUNTRY: &[&[&str]] = &[&["table"], &["table", "country"]];

/// A request's numbers.
#[derive(Default)]
pub(super) struct Metrics {
    /// Each under its name.
    pub(super) values: Map<String, Value>,
    definitions: Vec<Value>,
}

impl Metrics {
    /// What a request counts as.
    pub(super) fn of(answered: &Answered<'_>, recorded: &Recorded) -> Self {
        let mut metrics = Self::default();
        let latency = answered.ended.millis().saturating_sub(answered.began.millis()).max(0);
        let fault = u8::from(answered.status.is_server_error());
        let request = [
            ("Requests", "Count", json!(1)),
            ("Latency", "Milliseconds", json!(latency)),
            ("Faults", "Count", json!(fault)),
        ];
        metrics.add(BY_OPERATION, request);
        if let Some(verdict) = recorded.verdict {
            let (valid, lock) = (verdict == Verdict::Valid, recorded.locked_until.is_some());
            let verdict = [
                ("Verified", "Count", json!(u8::from(valid))),
                ("Failures", "Count", json!(u8::from(!valid))),
                ("Locks", "Count", json!(u8::from(lock))),
            ];
            metrics.add(IN_ALL, verdict);
            if recorded.country.is_some() {
                metrics.add(BY_COUNTRY, [("MessagesVerified", "Count", json!(u8::from(valid)))]);
            }
        }
        if let Some(price) = recorded.charged {
            // An amount is written in digits with a point, which is a number.
            let dollars = price.to_string().parse::<f64>().unwrap_or_default();
            let message = [
                ("MessagesSent", "Count", json!(u8::from(recorded.sent))),
                ("MessageCostUsd", "None", json!(dollars)),
            ];
            metrics.add(BY_COUNTRY, message);
        }
        metrics
    }

    /// What CloudWatch is told of them: the line's `_aws`.
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
