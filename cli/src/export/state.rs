//! `export.json`: what an export is of, and how far it has come. Contains no secret.

use super::Format;
use crate::console::Console;
use crate::error::{Error, TransferError};
use crate::serve::private;
use serde::{Deserialize, Serialize};
use shared::domain::id::EnvironmentId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "export.json";

/// The state of an export after its last complete part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    environment_id: String,
    format: Format,
    /// The age recipients; empty if the export is not encrypted.
    pub(super) recipients: Vec<String>,
    /// Number of complete parts.
    pub(super) parts: usize,
    /// Number of factors in these parts.
    pub(super) factors: usize,
    /// Number of users whose recovery codes are lost.
    pub(super) recovery_codes_lost: usize,
    /// Number of factors that the format cannot have.
    pub(super) left_out: usize,
    /// Factors that could not be read, and why.
    pub(super) not_exported: Vec<String>,
    /// The key in the table after which the next part starts.
    pub(super) next: Option<(String, String)>,
    /// Whether no part is left to write.
    pub(super) complete: bool,
}

impl State {
    /// The state of an export that begins.
    pub(super) fn new(environment: EnvironmentId, format: Format, recipients: Vec<String>) -> Self {
        Self {
            environment_id: environment.to_string(),
            format,
            recipients,
            parts: 0,
            factors: 0,
            recovery_codes_lost: 0,
            left_out: 0,
            not_exported: Vec::new(),
            next: None,
            complete: false,
        }
    }

    /// Opens the directory of an export: with `new` if it is empty, else with the state that it has, which must be of
    /// the same export.
    pub(super) fn open(dir: &Path, new: Self) -> Result<Self, Error> {
        private::create_dir(dir)?;
        if !dir.join(FILE).exists() {
            let file = |source| TransferError::File { path: dir.to_owned(), source };
            if fs::read_dir(dir).map_err(file)?.next().is_some() {
                return Err(TransferError::NotThisExport(dir.to_owned()).into());
            }
            new.save(dir)?;
            return Ok(new);
        }
        let found = Self::read(dir)?;
        let of = |state: &Self| (state.environment_id.clone(), state.format, state.recipients.clone());
        if of(&found) != of(&new) {
            return Err(TransferError::NotThisExport(dir.to_owned()).into());
        }
        if found.complete { Err(TransferError::ExportComplete(dir.to_owned()).into()) } else { Ok(found) }
    }

    /// Replaces the state in the directory.
    pub(super) fn save(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        Ok(private::write_file(&dir.join(FILE), &text)?)
    }

    /// The file name of a part; parts are counted from 1.
    pub(super) fn part_name(&self, part: usize) -> String {
        let extension = match self.format {
            Format::Ndjson => "ndjson",
            Format::Otpauth => "txt",
        };
        let encrypted = if self.recipients.is_empty() { "" } else { ".age" };
        format!("part-{part:06}.{extension}{encrypted}")
    }

    /// Prints what was exported.
    pub(super) fn print(&self, dir: &Path, console: &mut Console) -> Result<(), Error> {
        console.print_text(format_args!(
            "factors exported: {}, in {} files of {}",
            self.factors,
            self.parts,
            dir.display()
        ))?;
        if self.left_out > 0 {
            console.print_text(format_args!("factors that this format cannot have: {}", self.left_out))?;
        }
        if self.recovery_codes_lost > 0 {
            console.print_text(format_args!(
                "users whose recovery codes cannot be moved, and who need new ones: {}",
                self.recovery_codes_lost
            ))?;
        }
        if self.recipients.is_empty() {
            console.print_text(
                "The files are not encrypted. Everyone who can read them can log in as the users",
            )?;
        }
        console.print_json(self)
    }

    fn read(dir: &Path) -> Result<Self, TransferError> {
        let path = dir.join(FILE);
        let read = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        read.map_err(|source| TransferError::File { path, source })
    }
}

/// The parts of a complete export, in their order.
pub(crate) fn complete_parts(dir: &Path) -> Result<Vec<PathBuf>, TransferError> {
    let state = State::read(dir)?;
    if !state.complete {
        return Err(TransferError::ExportIncomplete(dir.to_owned()));
    }
    Ok((1..=state.parts).map(|part| dir.join(state.part_name(part))).collect())
}
