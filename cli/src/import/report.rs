//! The report of an import: one JSON line per entry, in the order of the file, written as soon as its outcome is known.
//!
//! An import that was interrupted continues where its report ends.

use super::outcome::Outcome;
use crate::error::TransferError;
use crate::serve::private;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Lines, Read as _, Take, Write as _};
use std::path::{Path, PathBuf};

/// A line of the report.
#[derive(Serialize, Deserialize, PartialEq)]
pub(super) struct Reported {
    /// The number of the line, or of the entry in a document.
    pub(super) line: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) factor_id: Option<String>,
    pub(super) outcome: Outcome,
    /// Why the entry was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// Bits of the secret, if it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) short_secret_bits: Option<usize>,
}

/// An open report.
pub(super) struct Report {
    path: PathBuf,
    file: File,
}

/// What an earlier run of an import reported.
pub(super) struct Earlier {
    path: PathBuf,
    lines: Lines<BufReader<Take<File>>>,
}

impl Report {
    /// Creates a report, which must not exist.
    pub(super) fn create(path: &Path) -> Result<Self, TransferError> {
        let file = private::create_new(path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => TransferError::ReportExists(path.to_owned()),
            _ => TransferError::File { path: path.to_owned(), source },
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Opens the report of an interrupted import, or creates it. A line that was not written as a whole is removed.
    pub(super) fn resume(path: &Path) -> Result<(Option<Earlier>, Self), TransferError> {
        let failed = |source| TransferError::File { path: path.to_owned(), source };
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, Self::create(path)?)),
            Err(error) => return Err(failed(error)),
        };
        let length = complete_length(&file).map_err(failed)?;
        file.set_len(length).map_err(failed)?;
        let lines = BufReader::new(File::open(path).map_err(failed)?.take(length)).lines();
        let earlier = Earlier { path: path.to_owned(), lines };
        Ok((Some(earlier), Self { path: path.to_owned(), file }))
    }

    /// Adds a line. It survives the end of this process.
    pub(super) fn write(&mut self, line: &Reported) -> Result<(), TransferError> {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        written.map_err(|source| TransferError::File { path: self.path.clone(), source })
    }
}

impl Earlier {
    /// The line of this entry; `None` after the last line.
    ///
    /// # Errors
    ///
    /// [`TransferError::OtherReport`] if the line is of another entry.
    pub(super) fn line(
        &mut self,
        place: u64,
        external_id: Option<&str>,
    ) -> Result<Option<Reported>, TransferError> {
        let Some(line) = self.lines.next() else { return Ok(None) };
        let line = line.map_err(|source| TransferError::File { path: self.path.clone(), source })?;
        let line: Option<Reported> = serde_json::from_str(&line).ok();
        let same = |line: &Reported| line.line == place && line.external_id.as_deref() == external_id;
        line.filter(same)
            .map(Some)
            .ok_or_else(|| TransferError::OtherReport { path: self.path.clone(), place })
    }
}

/// The length of a file without an incomplete last line.
fn complete_length(file: &File) -> io::Result<u64> {
    let (mut reader, mut length, mut line) = (BufReader::new(file), 0_u64, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(length);
        }
        length = length.saturating_add(u64::try_from(read).unwrap_or_default());
    }
}
