//! The fields of an audit line, in the order in which they are written. Each writes its text into the line itself.

use crate::domain::guard::Locked;
use crate::domain::id::{ApiKeyId, ChallengeId, EnvironmentId, FactorId, RecoveryCodesId};
use crate::domain::sms_budget::MicroUsd;
use crate::domain::time::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// An audit line.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) schema: u32,
    pub(super) time: Text<Timestamp>,
    pub(super) request_id: &'a str,
    pub(super) operation: &'static str,
    pub(super) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
    pub(super) ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<Bare<EnvironmentId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<Bare<ApiKeyId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) factor: Option<Bare<FactorId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) factor_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) challenge: Option<Bare<ChallengeId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locked_until: Option<LockEnd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovery_codes: Option<Bare<RecoveryCodesId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovery_codes_left: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) short_secret: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) message_sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_cost_usd: Option<Dollars>,
    pub(super) table: &'a str,
}

/// A value as its text.
pub(super) struct Text<T>(pub(super) T);

/// An ID without its prefix, which the field's name already says.
pub(super) struct Bare<T>(pub(super) T);

/// The end of a lock.
pub(super) struct LockEnd(pub(super) Locked);

/// An amount as a number of dollars.
pub(super) struct Dollars(pub(super) MicroUsd);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T: Display> Serialize for Bare<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#}", self.0))
    }
}

impl Serialize for LockEnd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.retry_at {
            Some(time) => serializer.collect_str(&time),
            None => serializer.serialize_str("an operator unlocks it"),
        }
    }
}

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The text form of an amount is a valid number.
        serializer.serialize_f64(self.0.to_string().parse().unwrap_or_default())
    }
}
