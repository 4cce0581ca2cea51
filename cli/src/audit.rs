//! Audit lines of operators' changes: one JSON line on stderr per change (KEY-14).
//!
//! A line identifies keys by their IDs. It must never contain a key.

use crate::console::Console;
use crate::deployment::Deployment;
use crate::error::Error;
use serde::Serialize;
use std::io;

/// One change.
#[derive(Serialize, Default)]
pub(crate) struct Change {
    /// The type of the change.
    pub(crate) event: &'static str,
    /// Tag of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) factor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_codes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment_key: Option<String>,
    /// Number of resealed secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secrets: Option<usize>,
    /// Number of imported or exported factors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) factors: Option<usize>,
    /// The age recipients that an export is encrypted to; empty if it is not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipients: Option<Vec<String>>,
    /// IDs of removed keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
}

/// The audit line of a change.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    change: Change,
    actor: &'a str,
}

impl Console {
    /// Prints the audit line of a change.
    pub(crate) fn record(&mut self, deployment: &Deployment, change: Change) -> Result<(), Error> {
        let line = Line { time: deployment.now().to_string(), change, actor: &deployment.actor };
        self.print_error(serde_json::to_string(&line).map_err(io::Error::from)?)
    }
}
