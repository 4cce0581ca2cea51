//! The audit line: one JSON line per request.
//!
//! The fields are a stable interface (docs/EVENTS.md): an existing field keeps its name and meaning. A line contains
//! IDs and outcomes. It must never contain a code, a secret, a key, a user ID or a phone number (LOG-01, LOG-04).
//! `CloudWatch` counts the metrics from these fields, by the metric filters of `template.yaml`.
//!
//! Every request pays for each byte of its line, so no field repeats what another one says.

mod line;

use crate::core::Caller;
use crate::domain::challenge::Challenge;
use crate::domain::factor::{Credential, Factor};
use crate::domain::guard::{Locked, Verdict};
use crate::domain::id::{ApiKeyId, ChallengeId, EnvironmentId, FactorId, RecoveryCodesId};
use crate::domain::phone::Country;
use crate::domain::recovery::RecoveryCodes;
use crate::domain::sms_budget::MicroUsd;
use crate::domain::time::Timestamp;
use http::StatusCode;
use line::{Bare, Dollars, Line, LockEnd, Text};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The version of the fields.
const SCHEMA: u32 = 2;

/// Collects the audit fields of a request while it is handled. Clones share the same fields.
#[derive(Clone, Default)]
pub(super) struct AuditTrail(Arc<Mutex<AuditFields>>);

#[derive(Default)]
struct AuditFields {
    caller: Option<(EnvironmentId, ApiKeyId)>,
    factor: Option<(FactorId, &'static str)>,
    country: Option<Country>,
    challenge: Option<ChallengeId>,
    verdict: Option<Verdict>,
    lock: Option<Locked>,
    recovery_codes: Option<(RecoveryCodesId, usize)>,
    charged: Option<MicroUsd>,
    sent: bool,
    short_secret: bool,
}

impl AuditTrail {
    pub(super) fn caller(&self, caller: &Caller) {
        self.fields().caller = Some((caller.environment.id, caller.key));
    }

    pub(super) fn factor(&self, factor: &Factor) {
        let mut fields = self.fields();
        fields.factor = Some((factor.id, factor.credential.factor_type().name()));
        if let Credential::Sms { phone } = &factor.credential {
            fields.country = Some(phone.country().clone());
        }
    }

    pub(super) fn challenge(&self, challenge: &Challenge) {
        self.fields().challenge = Some(challenge.id);
    }

    /// Records a verdict and the lockout that it caused (THR-15).
    pub(super) fn verdict(&self, verdict: Verdict, lock: Option<Locked>) {
        let mut fields = self.fields();
        fields.verdict = Some(verdict);
        fields.lock = lock;
    }

    /// Records a set of recovery codes, and how many are left.
    pub(super) fn recovery_codes(&self, set: &RecoveryCodes) {
        self.fields().recovery_codes = Some((set.id, set.codes.len()));
    }

    /// Records that the budgets were charged for a message.
    pub(super) fn charged(&self, price: MicroUsd) {
        self.fields().charged = Some(price);
    }

    /// Records that the message was sent.
    pub(super) fn sent(&self) {
        self.fields().sent = true;
    }

    /// Records that a secret with fewer bits than RFC 4226 requires was imported.
    pub(super) fn short_secret(&self) {
        self.fields().short_secret = true;
    }

    fn fields(&self) -> MutexGuard<'_, AuditFields> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A completed request, as seen by the middleware.
pub(super) struct CompletedRequest<'a> {
    pub(super) request_id: &'a str,
    /// The operation of the route; `none` without a route.
    pub(super) operation: &'static str,
    pub(super) status: StatusCode,
    /// The error code, if the response is an error.
    pub(super) code: Option<&'static str>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) table: &'a str,
}

impl CompletedRequest<'_> {
    /// The audit line as JSON.
    pub(super) fn line(&self, trail: &AuditTrail) -> String {
        let fields = trail.fields();
        let line = Line {
            schema: SCHEMA,
            time: Text(self.ended_at),
            request_id: self.request_id,
            operation: self.operation,
            outcome: outcome(self.status, fields.verdict),
            code: self.code,
            ms: self.ended_at.millis().saturating_sub(self.started_at.millis()).max(0),
            environment: fields.caller.map(|(environment, _)| Bare(environment)),
            api_key: fields.caller.map(|(_, key)| Bare(key)),
            factor: fields.factor.map(|(factor, _)| Bare(factor)),
            factor_type: fields.factor.map(|(_, factor_type)| factor_type),
            country: fields.country.as_ref().map(Country::as_str),
            challenge: fields.challenge.map(Bare),
            locked_until: fields.lock.map(LockEnd),
            recovery_codes: fields.recovery_codes.map(|(id, _)| Bare(id)),
            recovery_codes_left: fields.recovery_codes.map(|(_, left)| left),
            short_secret: fields.short_secret,
            message_sent: fields.sent,
            message_cost_usd: fields.charged.map(Dollars),
            table: self.table,
        };
        // Serialization cannot fail: every key is a string and every number is finite.
        serde_json::to_string(&line).unwrap_or_default()
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
