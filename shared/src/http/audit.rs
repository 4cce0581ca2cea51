//! The audit line: one JSON line per request, with its metrics.
//!
//! Its fields are a promise (docs/EVENTS.md): what is there keeps its name and its meaning. A line names ids and outcomes;
//! it must never hold a code, a secret, a key, a user or a phone number (LOG-01, LOG-04).

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

/// The version of the line's fields.
const SCHEMA: u32 = 1;

/// What a request turns out to be about, recorded as it becomes known. A clone is the same trail.
#[derive(Clone, Default)]
pub(super) struct AuditTrail(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
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
        self.recorded().caller = Some((caller.environment.id, caller.key));
    }

    pub(super) fn factor(&self, factor: &Factor) {
        let mut recorded = self.recorded();
        recorded.factor = Some((factor.id, factor.credential.factor_type().name()));
        if let Credential::Sms { phone } = &factor.credential {
            recorded.country = Some(phone.country().to_string());
        }
    }

    pub(super) fn challenge(&self, challenge: &Challenge) {
        self.recorded().challenge = Some(challenge.id);
    }

    /// A verdict, and the lock it led to (THR-15).
    pub(super) fn verdict(&self, verdict: Verdict, lock: Option<Locked>) {
        let mut recorded = self.recorded();
        recorded.verdict = Some(verdict);
        recorded.locked_until = lock.map(|Locked { retry_at }| {
            retry_at.map_or_else(|| "an operator unlocks it".to_owned(), |moment| moment.to_string())
        });
    }

    /// The budgets were charged for a message.
    pub(super) fn charged(&self, price: MicroUsd) {
        self.recorded().charged = Some(price);
    }

    /// The message was sent.
    pub(super) fn sent(&self) {
        self.recorded().sent = true;
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request and its answer, seen from outside.
pub(super) struct Answered<'a> {
    pub(super) request_id: &'a str,
    pub(super) method: &'a Method,
    /// The path of its route.
    pub(super) path: &'a str,
    /// What its route does; `none` without one.
    pub(super) operation: &'static str,
    pub(super) status: StatusCode,
    /// The error's code, if the answer is one.
    pub(super) code: Option<&'static str>,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
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

impl Answered<'_> {
    /// The line.
    pub(super) fn line(&self, trail: &AuditTrail) -> String {
        let recorded = trail.recorded();
        let metrics = Metrics::of(self, &recorded);
        let line = Line {
            schema: SCHEMA,
            time: self.ended.to_string(),
            request_id: self.request_id,
            operation: self.operation,
            outcome: outcome(self.status, recorded.verdict),
            method: method(self.method),
            route: self.path,
            status: self.status.as_u16(),
            code: self.code,
            environment: recorded.caller.map(|(environment, _)| environment.to_string()),
            api_key: recorded.caller.map(|(_, key)| key.to_string()),
            factor: recorded.factor.map(|(factor, _)| factor.to_string()),
            factor_type: recorded.factor.map(|(_, kind)| kind),
            country: recorded.country.clone(),
            challenge: recorded.challenge.map(|challenge| challenge.to_string()),
            locked_until: recorded.locked_until.clone(),
            table: self.table,
            aws: metrics.definition(self.ended),
            metrics: metrics.values,
        };
        // Nothing in it fails to serialize: every key is text and every number finite.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// The request's method; `other` for one that HTTP does not know, which a client may spell at any length.
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
