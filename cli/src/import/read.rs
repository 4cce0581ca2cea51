//! Readers of the formats: each turns a file into entries, and an entry that it cannot read into a refusal.
//!
//! A reader knows the form of its source and nothing else. What may be imported is decided in `entry.rs`.

mod auth0;
mod authelia;
mod document;
mod google;
mod keycloak;
mod kratos;
mod ndjson;
mod oath;
mod otpauth;
mod supabase;
mod table;

use super::entry::Entry;
use super::format::Format;
use super::refusal::Refusal;
use std::io::{self, BufRead};
use zeroize::Zeroizing;

/// An entry and where it is.
pub(super) struct Found {
    /// The number of the line; in a document of JSON or YAML, the number of the entry.
    pub(super) place: u64,
    pub(super) entry: Result<Entry, Refusal>,
}

/// The file cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// The file cannot be read, or decrypted.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is not what its format says.
    #[error("line {line}: not {expected}")]
    Syntax {
        /// Where.
        line: u64,
        /// What was expected.
        expected: &'static str,
    },
}

/// The entries of a file, in its order.
pub(super) type Entries = Box<dyn Iterator<Item = Result<Found, Unreadable>> + Send>;

/// A file, with its secrets in the clear.
pub(super) type Source = Box<dyn BufRead + Send>;

/// Reads a file.
pub(super) fn entries(format: Format, mut source: Source) -> Entries {
    // A byte order mark, which Windows writes. An error is found again by the reader.
    if source.fill_buf().is_ok_and(|start| start.starts_with("\u{feff}".as_bytes())) {
        source.consume("\u{feff}".len());
    }
    match format {
        Format::Ndjson => ndjson::read(source),
        Format::Otpauth => otpauth::read(source),
        Format::Google => google::read(source),
        Format::Csv => table::read(source),
        Format::Oath => oath::read(source),
        Format::Auth0 => auth0::read(source),
        Format::Supabase => supabase::read(source),
        Format::Keycloak => keycloak::read(source),
        Format::Kratos => kratos::read(source),
        Format::Authelia => authelia::read(source),
    }
}

/// Reads a file line by line. Skips empty lines and comments. `parse` may find several entries in a line.
fn by_line(
    source: Source,
    mut parse: impl FnMut(&str) -> Vec<Result<Entry, Refusal>> + Send + 'static,
) -> Entries {
    let lines = Lines(source).zip(1_u64..);
    Box::new(lines.flat_map(move |(line, place)| match line {
        Err(error) => vec![Err(Unreadable::Io(error))],
        Ok(Err(NotText)) => {
            vec![Ok(Found { place, entry: Err(Refusal::Malformed("the line is not UTF-8")) })]
        }
        Ok(Ok(line)) => match line.trim() {
            "" => Vec::new(),
            text if text.starts_with('#') => Vec::new(),
            text => parse(text).into_iter().map(|entry| Ok(Found { place, entry })).collect(),
        },
    }))
}

/// The line is not UTF-8.
struct NotText;

/// The lines of a file. Each is zeroed when it is dropped.
struct Lines(Source);

impl Iterator for Lines {
    type Item = io::Result<Result<Zeroizing<String>, NotText>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.0.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(Ok(String::from_utf8(line).map(Zeroizing::new).map_err(|_| NotText))),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
