//! The record of what operators change: one JSON line on stderr for each change, made when it is made (KEY-14).
//!
//! A line names keys by their ids. It must never hold a key.

use crate::console::Console;
use crate::deployment::Deployment;
use crate::error::Error;
use serde::Serialize;
use std::io;

/// One change.
#[derive(Serialize, Default)]
pub(crate) struct Change {
    /// What was done.
    pub(crate) event: &'static str,
    /// To which environment: its tag.
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
    pub(crate) data_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) environment_key: Option<String>,
    /// How many factors were sealed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) factors: Option<usize>,
    /// Keys that were removed, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
}

/// A change as it is written down.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    change: Change,
    actor: &'a str,
}

impl Console {
    /// Writes a change down.
    pub(crate) fn record(&mut self, deployment: &Deployment, change: Change) -> Result<(), Error> {
        let line = Line { time: deployment.now().to_string(), change, actor: &deployment.actor };
        self.report(serde_json::to_string(&line).map_err(io::Error::from)?)
    }
}
