//! The line of a factor in Latchkey's own format: newline-delimited JSON (NDJSON), one object per factor. `latchkey export`
//! writes it and `latchkey import` reads it. docs/IMPORT.md describes the fields.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The `type` of a line that lists a set of recovery codes, which cannot be moved: the codes are stored as MACs whose key
/// stays in the deployment.
pub(crate) const RECOVERY_CODES: &str = "recovery_codes";

/// A factor. Every field except `type` may be absent; an absent field and `null` are the same.
#[derive(Serialize, Deserialize)]
pub(crate) struct FactorLine {
    /// The factor's ID in the deployment that it was exported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// The factor's ID in another system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) factor_type: String,
    /// Base32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<SecretText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The account name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) algorithm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digits: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) period: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<String>,
    /// Whether a code was ever accepted. Written for the reader; an import takes it from `guard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<bool>,
    /// What limits further guesses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) guard: Option<GuardLine>,
    /// Fields that this version does not know. An import refuses them, so that nothing is lost unnoticed.
    #[serde(flatten, skip_serializing)]
    pub(crate) unknown: Map<String, Value>,
}

/// The part of a guard that stays true in another deployment. Challenges are not moved.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardLine {
    /// Consecutive failures.
    #[serde(default)]
    pub(crate) failures: u32,
    /// Times of the failures of the last day.
    #[serde(default)]
    pub(crate) recent_failures: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) locked_until: Option<String>,
    /// The latest TOTP step that was accepted, so that its code is not accepted again elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_step: Option<u64>,
    /// The time of the latest success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<String>,
}

/// A user's recovery codes, which are lost.
#[derive(Serialize)]
pub(crate) struct RecoveryCodesLine {
    #[serde(rename = "type")]
    pub(crate) line_type: &'static str,
    pub(crate) user_id: String,
    pub(crate) total: usize,
    pub(crate) remaining: usize,
    pub(crate) created_at: String,
}

/// A secret as text. Implements no `Debug` and is zeroed when dropped.
pub(crate) struct SecretText(pub(crate) Zeroizing<String>);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}
