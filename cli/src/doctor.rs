//! `latchkey doctor`: checks everything a deployment needs and suggests remedies. Changes nothing.
//!
//! A failed call is reported as a fault. The remaining checks still run.

mod keys;
mod sms;
mod table;

use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use serde::Serialize;
use std::fmt::Display;

/// The overall result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No faults.
    Healthy,
    /// At least one fault.
    Faults,
}

/// The severity of a finding.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works but could be improved, or cannot be checked from here.
    Hint,
    /// It does not work, or will stop working.
    Fault,
}

/// The result of one check.
#[derive(Serialize)]
struct Finding {
    state: State,
    check: String,
    found: String,
    /// A command to type, or a setting to change.
    remedy: Option<String>,
}

impl Finding {
    fn ok(check: &str, found: impl Display) -> Self {
        Self { state: State::Ok, check: check.to_owned(), found: found.to_string(), remedy: None }
    }

    fn hint(check: &str, found: impl Display, remedy: impl Display) -> Self {
        Self { state: State::Hint, remedy: Some(remedy.to_string()), ..Self::ok(check, found) }
    }

    fn fault(check: &str, found: impl Display, remedy: impl Display) -> Self {
        Self { state: State::Fault, remedy: Some(remedy.to_string()), ..Self::ok(check, found) }
    }

    /// A check that failed with `error`. It needs `permission`.
    fn failed_check(check: &str, error: impl Into<Error>, permission: &str) -> Self {
        Self::fault(
            check,
            format_args!("cannot be checked: {}", error.into()),
            format_args!("grant the permission {permission}"),
        )
    }
}

impl Row for Finding {
    const HEADER: &'static [&'static str] = &["", "CHECK", "FOUND"];

    fn cells(&self) -> Vec<String> {
        let state = match self.state {
            State::Ok => "ok",
            State::Hint => "hint",
            State::Fault => "FAULT",
        };
        vec![state.to_owned(), self.check.clone(), self.found.clone()]
    }
}

/// Runs all checks.
///
/// # Errors
///
/// [`Error`] if the findings cannot be printed.
pub async fn run(deployment: &Deployment, console: &mut Console) -> Result<Health, Error> {
    let mut findings = Vec::new();
    let table_exists = table::check(deployment, &mut findings).await;
    keys::kms(deployment, &mut findings).await;
    if table_exists {
        keys::keyring(deployment, &mut findings).await;
        keys::environments(deployment, &mut findings).await;
    }
    sms::check(deployment, &mut findings).await;

    console.print_rows(&findings)?;
    let faults: Vec<&Finding> = findings.iter().filter(|finding| finding.state == State::Fault).collect();
    let with_remedy = findings.iter().filter(|finding| finding.remedy.is_some());
    for Finding { check, remedy, .. } in with_remedy {
        console.print_text(format_args!("\n{check}: {}", remedy.as_deref().unwrap_or_default()))?;
    }
    Ok(if faults.is_empty() { Health::Healthy } else { Health::Faults })
}
