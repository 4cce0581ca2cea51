//! `latchkey doctor`: looks at everything a deployment needs, changes nothing, and says how to remedy what is wrong.
//!
//! A service that cannot be asked is a fault of its own, never the end of the examination.

mod keys;
mod sms;
mod table;

use crate::console::{Console, Row};
use crate::deployment::Deployment;
use crate::error::Error;
use serde::Serialize;
use std::fmt::Display;

/// How the deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing is wrong with it.
    Healthy,
    /// Something does not work, or will stop working.
    Faults,
}

/// How serious a finding is.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works; it could be better, or it cannot be seen from here.
    Hint,
    /// It does not work, or will stop.
    Fault,
}

/// What was looked at, and what it is like.
#[derive(Serialize)]
struct Finding {
    state: State,
    check: String,
    found: String,
    /// A command to type, or a place to go.
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

    /// A service did not say. `error` says what to look at; looking needs a permission.
    fn unasked(check: &str, error: impl Into<Error>, permission: &str) -> Self {
        Self::fault(
            check,
            format_args!("cannot be asked: {}", error.into()),
            format_args!("allow {permission}"),
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

/// Looks at everything.
///
/// # Errors
///
/// [`Error`] if the findings cannot be told.
pub async fn run(deployment: &Deployment, console: &mut Console) -> Result<Health, Error> {
    let mut findings = Vec::new();
    let there = table::examine(deployment, &mut findings).await;
    keys::kms(deployment, &mut findings).await;
    if there {
        keys::keyring(deployment, &mut findings).await;
        keys::environments(deployment, &mut findings).await;
    }
    sms::examine(deployment, &mut findings).await;

    console.list(&findings)?;
    let faults: Vec<&Finding> = findings.iter().filter(|finding| finding.state == State::Fault).collect();
    let with_remedy = findings.iter().filter(|finding| finding.remedy.is_some());
    for Finding { check, remedy, .. } in with_remedy {
        console.say(format_args!("\n{check}: {}", remedy.as_deref().unwrap_or_default()))?;
    }
    Ok(if faults.is_empty() { Health::Healthy } else { Health::Faults })
}
