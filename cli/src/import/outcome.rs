//! What became of the entries of a file.

use super::format::Format;
use super::report::Reported;
use crate::console::Console;
use crate::error::{Error, TransferError};
use serde::{Deserialize, Serialize};
use shared::domain::policy::SHORT_SECRET;
use std::collections::BTreeMap;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The factor was written; in a dry run, it would be.
    Created,
    /// The factor exists with the same user and secret: it was imported before.
    Existing,
    /// A factor with the same ID exists, with another user, secret or phone number. It was not changed.
    Differs,
    /// The entry cannot be imported.
    Refused,
}

/// The number of entries by outcome.
#[derive(Serialize)]
pub(super) struct Tally {
    pub(super) format: String,
    pub(super) dry_run: bool,
    pub(super) created: usize,
    pub(super) existing: usize,
    pub(super) differing: usize,
    /// By reason.
    pub(super) refused: BTreeMap<String, usize>,
    /// Factors, created or existing, whose secret has fewer than 128 bits.
    pub(super) short_secrets: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<String>,
}

impl Tally {
    pub(super) fn new(format: Format, dry_run: bool) -> Self {
        let refused = BTreeMap::new();
        let format = format.name();
        Self {
            format,
            dry_run,
            created: 0,
            existing: 0,
            differing: 0,
            refused,
            short_secrets: 0,
            report: None,
        }
    }

    /// Counts an entry.
    pub(super) fn count(&mut self, line: &Reported) {
        let count = match line.outcome {
            Outcome::Created => &mut self.created,
            Outcome::Existing => &mut self.existing,
            Outcome::Differs => &mut self.differing,
            Outcome::Refused => self.refused.entry(line.reason.clone().unwrap_or_default()).or_default(),
        };
        *count = count.saturating_add(1);
        if line.short_secret_bits.is_some() && matches!(line.outcome, Outcome::Created | Outcome::Existing) {
            self.short_secrets = self.short_secrets.saturating_add(1);
        }
    }

    /// Prints the numbers.
    pub(super) fn print(&self, console: &mut Console) -> Result<(), Error> {
        let created = if self.dry_run { "would be created" } else { "created" };
        console.print_text(format_args!(
            "{created}: {}; imported before: {}; different: {}; refused: {}",
            self.created,
            self.existing,
            self.differing,
            self.refusals()
        ))?;
        for (reason, count) in &self.refused {
            console.print_text(format_args!("  {reason}: {count}"))?;
        }
        if self.short_secrets > 0 {
            console.print_text(format_args!(
                "secrets with fewer than {} bits: {} (docs/SECURITY.md#short-secrets)",
                SHORT_SECRET.0, self.short_secrets
            ))?;
        }
        if let Some(report) = &self.report {
            console.print_text(format_args!("report: {report}"))?;
        }
        console.print_json(self)
    }

    /// Fails if an entry was not imported.
    pub(super) fn result(&self) -> Result<(), Error> {
        let (refused, differing) = (self.refusals(), self.differing);
        if refused == 0 && differing == 0 {
            return Ok(());
        }
        let mut hint = match &self.report {
            Some(report) => format!("{report} names them"),
            None => "Write a report that names them: --report FILE".to_owned(),
        };
        if differing > 0 {
            hint.push_str(
                ". A factor is never replaced: to import a different one, first delete the factor with `latchkey factors delete`",
            );
        }
        Err(TransferError::NotImported { refused, differing, hint }.into())
    }

    fn refusals(&self) -> usize {
        self.refused.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
