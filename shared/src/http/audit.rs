//! The audit line: one JSON line per request, with its metrics.
//!
//! The fields are a stable interface (docs/EVENTS.md): an existing field keeps its name and meaning. A line contains
//! IDs and outcomes. It must never contain a code, a secret, a key, a user ID or a phone number (LOG-01, LOG-04).

mod metrics;

use crate::core::Caller;
use crate::domain::challenge::Challenge;
use crate::domain::factor::{Credential, Factor};
use crate::domain::guard::{Locked, Verdict};
use crate::domain::id::{ApiKeyId, ChallengeId, EnvironmentId, FactorId};
use crate::domain::sms_budget::MicroUsd;
use crate::domain::time::Timestamp;
use http::{Method, StatusCode};
use metrics::Metrics;
use serde::Serialize;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The version of the fields.
const SCHEMA: u32 = 1;

/// Collects the audit fields of a request while it is handled. Clones share the same fields.
#[derive(Clone, Default)]
pub(super) struct AuditTrail(Arc<Mutex<AuditFields>>);

#[derive(Default)]
struct AuditFields {
    caller: Option<(EnvironmentId, ApiKeyId)>,
    factor: Option<(FactorId, &'static str)>,
    country: Option<String>,
    challenge: Option<ChallengeId>,
    verdict: Option<Verdict>,
    locked_until: Option<String>,
    charged: Option<MicroUsd>,
    sent: bool,
}

impl AuditTrail {
    pub(super) fn caller(&self, caller: &Caller) {
        self.fields().caller = Some((caller.environment.id, caller.key));
    }

    pub(super) fn factor(&self, factor: &Factor) {
        let mut fields = self.fields();
        fields.factor = Some((factor.id, factor.credential.factor_type().name()));
        if let Credential::Sms { phone } = &factor.credential {
            fields.country = Some(phone.country().to_string());
        }
    }

    pub(super) fn challenge(&self, challenge: &Challenge) {
        self.fields().challenge = Some(challenge.id);
    }

    /// Records a verdict and the lockout that it caused (THR-15).
    pub(super) fn verdict(&self, verdict: Verdict, lock: Option<Locked>) {
        let mut fields = self.fields();
        fields.verdict = Some(verdict);
        fields.locked_until = lock.map(|Locked { retry_at }| {
            retry_at.map_or_else(|| "an operator unlocks it".to_owned(), |time| time.to_string())
        });
    }

    /// Records that the budgets were charged for a message.
    pub(super) fn charged(&self, price: MicroUsd) {
        self.fields().charged = Some(price);
    }

    /// Records that the message was sent.
    pub(super) fn sent(&self) {
        self.fields().sent = true;
    }

    fn fields(&self) -> MutexGuard<'_, AuditFields> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A completed request, as seen by the middleware.
pub(super) struct CompletedRequest<'a> {
    pub(super) request_id: &'a str,
    pub(super) method: &'a Method,
    /// The path of the route.
    pub(super) path: &'a str,
    /// The operation of the route; `none` without a route.
    pub(super) operation: &'static str,
    pub(super) status: StatusCode,
    /// The error code, if the response is an error.
    pub(super) code: Option<&'static str>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) table: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    time: String,
    request_id: &'a str,
    operation: &'static str,
    outcome: &'static str,
    method: &'a str,
    route: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_until: Option<String>,
    table: &'a str,
    #[serde(flatten)]
    metrics: serde_json::Map<String, Value>,
    #[serde(rename = "_aws")]
    aws: Value,
}

impl CompletedRequest<'_> {
    /// The audit line as JSON.
    pub(super) fn line(&self, trail: &AuditTrail) -> String {
        let fields = trail.fields();
        let metrics = Metrics::new(self, &fields);
        let line = Line {
            schema: SCHEMA,
            time: self.ended_at.to_string(),
            request_id: self.request_id,
            operation: self.operation,
            outcome: outcome(self.status, fields.verdict),
            method: method(self.method),
            route: self.path,
            status: self.status.as_u16(),
            code: self.code,
            environment: fields.caller.map(|(environment, _)| environment.to_string()),
            api_key: fields.caller.map(|(_, key)| key.to_string()),
            factor: fields.factor.map(|(factor, _)| factor.to_string()),
            factor_type: fields.factor.map(|(_, factor_type)| factor_type),
            country: fields.country.clone(),
            challenge: fields.challenge.map(|challenge| challenge.to_string()),
            locked_until: fields.locked_until.clone(),
            table: self.table,
            aws: metrics.definition(self.ended_at),
            metrics: metrics.values,
        };
        // Serialization cannot fail: every key is a string and every number is finite.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// The request's method; `other` for a nonstandard one, which could be arbitrarily long.
fn method(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => method.as_str(),
        _ => "other",
    }
}

fn outcome(status: StatusCode, verdict: Option<Verdict>) -> &'static str {
    match verdict {
        _ if status.is_server_error() => "failed",
        _ if status.is_client_error() => "refused",
        Some(Verdict::Wrong) => "wrong",
        Some(Verdict::Replayed) => "replayed",
        Some(Verdict::Valid) | None => "ok",
    }
}
