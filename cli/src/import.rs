//! `latchkey import`: creates the factors of a file, so that users keep their authenticator apps.
//!
//! ```text
//! source (file, directory, standard input; decrypted) → format → read/* (entries) → entry (records) → writer → report
//! ```
//!
//! Everything before the writer is pure. A factor's ID is derived from its external ID, and a write never replaces a factor,
//! so an import can be interrupted at any time and run again.

mod entry;
mod format;
mod outcome;
mod read;
mod refusal;
mod report;
mod run;
mod source;
mod writer;

use crate::audit::Change;
use crate::console::Console;
use crate::deployment::{Deployment, FreshSeal};
use crate::error::{Error, TransferError};
use clap::Args;
use entry::Rules;
use format::Format;
use outcome::Tally;
use read::{Entries, Source};
use report::{Earlier, Report};
use run::Run;
use shared::domain::environment::Tag;
use shared::domain::otpauth::Label;
use std::io::BufRead as _;
use std::path::PathBuf;
use tokio::sync::Mutex;
use writer::Writer;

/// The header of `authelia storage user totp export csv`.
const AUTHELIA_COLUMNS: [&str; 6] = ["issuer", "username", "algorithm", "digits", "period", "secret"];

/// The arguments of `latchkey import`.
#[derive(Args, Debug)]
pub struct Import {
    /// File to read, `-` for standard input, or a directory that `latchkey export` wrote
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Environment tag
    #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
    environment: Tag,
    /// Format of the file [default: detected]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Read and check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Issuer of every factor, as authenticator apps show it [default: that of the file, or the environment tag]
    #[arg(long, value_name = "TEXT", value_parser = Label::parse)]
    issuer: Option<Label>,
    /// Keep the factor IDs of a Latchkey export, so that applications change nothing they stored
    #[arg(long)]
    keep_ids: bool,
    /// File with the age identity that decrypts the file
    #[arg(long, value_name = "KEYFILE")]
    identity: Option<PathBuf>,
    /// Maximum number of factors to write per second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// File that the outcome of each entry is written to; must not exist [default: FILE.report.ndjson; none in a dry run]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Continue an interrupted import where its report ends
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
}

/// Runs the command.
///
/// # Errors
///
/// [`Error`] if it fails, or if an entry was not imported.
pub async fn run(import: &Import, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let registration = deployment.environment(&import.environment).await?;
    let identities = import.identity.as_deref().map(source::identities).transpose()?.unwrap_or_default();
    let source = source::open(&import.path, identities)?;
    let (format, entries) = import.entries(source, console)?;
    let (earlier, report) = import.report()?;
    let mut tally = Tally::new(format, import.dry_run);
    tally.report = import.report_path().map(|path| path.display().to_string());
    let seal = FreshSeal::new(deployment, registration).await?;
    let writer = Writer {
        deployment,
        seal: Mutex::new(seal),
        rules: import.rules(deployment),
        dry_run: import.dry_run,
    };
    let mut run = Run { path: &import.path, rate: import.rate, tally, report, written: 0, shown: 0 };
    let result = run.import(run::steps(entries, earlier, &writer.rules), &writer, console).await;
    if !import.dry_run && run.written > 0 {
        let change = Change {
            event: "factors.imported",
            environment: Some(import.environment.to_string()),
            factors: Some(run.written),
            ..Change::default()
        };
        console.record(deployment, change)?;
    }
    run.tally.print(console)?;
    result.and_then(|()| run.tally.result())
}

impl Import {
    /// The entries of the file, and its format.
    fn entries(&self, mut source: Source, console: &mut Console) -> Result<(Format, Entries), Error> {
        let failed = |source| TransferError::File { path: self.path.clone(), source };
        let start = source.fill_buf().map_err(failed)?;
        let format = self.format.or_else(|| Format::detect(start));
        let format = format.ok_or_else(|| TransferError::UnknownFormat(self.path.clone()))?;
        if self.format.is_none() {
            console.print_error(format_args!(
                "format: {} (detected; --format selects another)",
                format.name()
            ))?;
        }
        Ok((format, read::entries(format, source)))
    }

    fn rules(&self, deployment: &Deployment) -> Rules {
        Rules {
            issuer: self.issuer.clone(),
            // A tag is a valid label.
            default_issuer: Label::stored(self.environment.as_str()),
            min: deployment.settings.policy.totp_import_min,
            keep_ids: self.keep_ids,
            environment: self.environment.clone(),
        }
    }

    /// What an earlier run reported, and the report to write.
    fn report(&self) -> Result<(Option<Earlier>, Option<Report>), Error> {
        let Some(path) = self.report_path() else {
            return if self.dry_run { Ok((None, None)) } else { Err(TransferError::NoReportName.into()) };
        };
        if self.resume {
            let (earlier, report) = Report::resume(&path)?;
            return Ok((earlier, Some(report)));
        }
        Ok((None, Some(Report::create(&path)?)))
    }

    fn report_path(&self) -> Option<PathBuf> {
        let default = || {
            let has_default = !self.dry_run && self.path.as_os_str() != source::STDIN;
            let name = self.path.file_name().filter(|_| has_default)?;
            let mut name = name.to_owned();
            name.push(".report.ndjson");
            Some(self.path.with_file_name(name))
        };
        self.report.clone().or_else(default)
    }
}
