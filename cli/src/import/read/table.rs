//! CSV with a header (RFC 4180), for tables of one's own: `user_id,secret[,issuer,account,…]`. Also what the other readers of
//! CSV share.

use super::{Entries, Found, Source, Unreadable};
use crate::import::entry::{Entry, Kind, SourceSecret, Totp};
use crate::import::refusal::Refusal;
use csv::{ReaderBuilder, StringRecord};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const COLUMNS: [&str; 9] =
    ["user_id", "secret", "issuer", "account", "algorithm", "digits", "period", "created_at", "external_id"];

pub(super) fn read(source: Source) -> Entries {
    rows(source, |row| {
        if let Some(column) = row.names().find(|column| !COLUMNS.contains(column)) {
            return Err(Refusal::UnknownField(column.to_owned()));
        }
        let totp = Totp {
            secret: row.secret("secret"),
            issuer: row.text("issuer"),
            account: row.text("account"),
            algorithm: row.text("algorithm"),
            digits: row.text("digits"),
            period: row.text("period"),
        };
        let user_id = row.text("user_id").ok_or(Refusal::Missing("user_id"))?;
        Ok(Entry {
            external_id: row.text("external_id"),
            user_id: Some(user_id),
            kind: Kind::Totp(totp),
            created_at: row.text("created_at"),
            ..Entry::default()
        })
    })
}

/// A row, by the names of its columns.
pub(super) struct Row(BTreeMap<String, Zeroizing<String>>);

impl Row {
    /// A value that is not empty.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        self.0.get(column).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A secret in Base32.
    pub(super) fn secret(&self, column: &str) -> Option<SourceSecret> {
        self.text(column).map(|text| SourceSecret::Base32(Zeroizing::new(text)))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Reads CSV with a header. Every row must have as many cells as the header.
pub(super) fn rows(
    source: Source,
    parse: impl Fn(&Row) -> Result<Entry, Refusal> + Send + 'static,
) -> Entries {
    let mut reader = ReaderBuilder::new().comment(Some(b'#')).from_reader(source);
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(column_name).collect(),
        Err(error) => return Box::new(std::iter::once(Err(unreadable(error, 1)))),
    };
    let mut records = reader.into_records();
    Box::new(std::iter::from_fn(move || {
        let record = records.next()?;
        Some(match record {
            Err(error) if is_of_line(&error) => {
                let place = error.position().map_or(0, csv::Position::line);
                Ok(Found {
                    place,
                    entry: Err(Refusal::Malformed(
                        "the line has not as many cells as the header, or is not UTF-8",
                    )),
                })
            }
            Err(error) => Err(unreadable(error, records.reader().position().line())),
            Ok(record) => {
                let place = record.position().map_or(0, csv::Position::line);
                Ok(Found { place, entry: parse(&row(&header, &record)) })
            }
        })
    }))
}

fn row(header: &[String], record: &StringRecord) -> Row {
    Row(header.iter().cloned().zip(record.iter().map(|cell| Zeroizing::new(cell.to_owned()))).collect())
}

fn column_name(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Whether the error concerns one line, and the next one can be read.
fn is_of_line(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::UnequalLengths { .. } | csv::ErrorKind::Utf8 { .. })
}

/// The error without its text, which can contain the line.
fn unreadable(error: csv::Error, line: u64) -> Unreadable {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Unreadable::Io(error),
        _ => Unreadable::Syntax { line, expected: "CSV" },
    }
}
