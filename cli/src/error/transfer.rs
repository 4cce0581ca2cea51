//! Errors of `latchkey import` and `latchkey export`. No message contains a part of a file.

use std::io;
use std::path::PathBuf;

/// Why factors could not be imported or exported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A file cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The format cannot be detected.
    #[error(
        "the format of {} was not recognized. Name it with --format; `latchkey import --help` lists the formats", .0.display()
    )]
    UnknownFormat(PathBuf),
    /// The file is not of its format, or damaged.
    #[error("{} cannot be read further: {cause}. If its format is another one, name it with --format", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file is encrypted, and no identity was given.
    #[error("{} is encrypted. Name the file with the age identity that decrypts it: --identity KEYFILE", .0.display())]
    Encrypted(PathBuf),
    /// The identity file cannot be used.
    #[error("{} has no age identity. Such a file is written by `age-keygen -o KEYFILE`", .0.display())]
    NoIdentity(PathBuf),
    /// The file cannot be decrypted.
    #[error(
        "{} cannot be decrypted: {cause}. Use --identity with the file whose recipient it was encrypted to", path.display()
    )]
    CannotDecrypt {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The report of standard input has no default name.
    #[error("a report is written of every import. Name its file: --report FILE")]
    NoReportName,
    /// The report exists.
    #[error(
        "{path} exists. To continue the import that wrote it: --resume. To start another one: --report OTHERFILE",
        path = .0.display()
    )]
    ReportExists(PathBuf),
    /// The report was written for another file.
    #[error(
        "{} is not the report of this file, or the file was changed: they differ at entry {place}. To import the file from its \
         start, which creates nothing twice: --report OTHERFILE", path.display()
    )]
    OtherReport {
        /// The report.
        path: PathBuf,
        /// Where they differ.
        place: u64,
    },
    /// Some entries were not imported. The others were.
    #[error("{refused} entries were refused and {differing} differ from what was imported before. {hint}")]
    NotImported {
        /// The number of refused entries.
        refused: usize,
        /// The number of entries that exist with another secret, phone number or user.
        differing: usize,
        /// What to do.
        hint: String,
    },
    /// The directory has an export that is complete.
    #[error("{} has a complete export. Name another directory: --output DIR", .0.display())]
    ExportComplete(PathBuf),
    /// The directory has an export that is not complete.
    #[error("the export in {} is not complete. Complete it: run the same `latchkey export` again", .0.display())]
    ExportIncomplete(PathBuf),
    /// The directory has something else.
    #[error(
        "{} is not empty, and was not written by this export. Name another directory: --output DIR", .0.display()
    )]
    NotThisExport(PathBuf),
    /// Some factors could not be exported. The others were.
    #[error("{count} factors were not exported. The first: {first}. {hint}")]
    NotExported {
        /// Their number.
        count: usize,
        /// The first, and why.
        first: String,
        /// What to do.
        hint: String,
    },
}
