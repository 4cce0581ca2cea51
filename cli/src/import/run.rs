//! A running import: from entries to outcomes, in the order of the file.

use super::entry::{Record, Rules};
use super::outcome::{Outcome, Tally};
use super::read::{Entries, Found, Unreadable};
use super::refusal::Refusal;
use super::report::{Earlier, Report, Reported};
use super::writer::Writer;
use crate::console::{Console, progress};
use crate::error::{Error, TransferError};
use futures_util::stream::{self, StreamExt as _};
use shared::domain::factor::Credential;
use shared::domain::policy::SHORT_SECRET;
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How many writes are under way at once.
const CONCURRENT_WRITES: usize = 8;

/// How many refusals are printed. The report has all.
const SHOWN_REFUSALS: usize = 10;

/// An import and what became of its entries so far.
pub(super) struct Run<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Maximum number of writes per second.
    pub(super) rate: u32,
    pub(super) tally: Tally,
    pub(super) report: Option<Report>,
    /// Number of factors that this run wrote.
    pub(super) written: usize,
    /// Number of printed refusals.
    pub(super) shown: usize,
}

/// What is to be done with an entry.
pub(super) enum Step {
    /// An earlier run imported it.
    Done(Reported),
    /// It cannot be imported.
    Refuse(u64, Refusal),
    /// It has to be written.
    Write(u64, Box<Record>),
}

/// Why the file cannot be imported to its end.
pub(super) enum Stop {
    /// The file.
    Unreadable(Unreadable),
    /// The report.
    Report(TransferError),
}

/// Validates entries, and compares them with the report of an earlier run.
pub(super) fn steps(
    entries: Entries,
    mut earlier: Option<Earlier>,
    rules: &Rules,
) -> impl Iterator<Item = Result<Step, Stop>> + Send {
    entries.map(move |found| {
        let Found { place, entry } = found.map_err(Stop::Unreadable)?;
        let record = entry.and_then(|entry| entry.record(rules));
        let external_id = record.as_ref().ok().map(|record| record.external_id.as_str());
        let line = earlier.as_mut().map(|earlier| earlier.line(place, external_id)).transpose();
        Ok(match (line.map_err(Stop::Report)?.flatten(), record) {
            (Some(line), _) => Step::Done(line),
            (None, Err(refusal)) => Step::Refuse(place, refusal),
            (None, Ok(record)) => Step::Write(place, Box::new(record)),
        })
    })
}

impl Run<'_> {
    /// Takes the steps in their order, several at once, with at most `self.rate` writes per second.
    pub(super) async fn import(
        &mut self,
        steps: impl Iterator<Item = Result<Step, Stop>> + Send,
        writer: &Writer<'_>,
        console: &mut Console,
    ) -> Result<(), Error> {
        let mut pace = interval(Duration::from_secs(1).checked_div(self.rate).unwrap_or_default());
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pace = Mutex::new(pace);
        let mut taken = stream::iter(steps).map(|step| take(step, writer, &pace)).buffered(CONCURRENT_WRITES);
        let bar = progress("entries".to_owned());
        while let Some(taken) = taken.next().await {
            match taken? {
                Taken::Before(line) => self.tally.count(&line),
                Taken::Now(line, refusal) => {
                    self.show(&line, refusal.as_ref(), console)?;
                    self.report.as_mut().map(|report| report.write(&line)).transpose()?;
                    self.tally.count(&line);
                    if line.outcome == Outcome::Created {
                        self.written = self.written.saturating_add(1);
                    }
                }
                Taken::Stopped(Stop::Report(error)) => return Err(error.into()),
                Taken::Stopped(Stop::Unreadable(error)) => {
                    return Err(TransferError::Unreadable {
                        path: self.path.to_owned(),
                        cause: error.to_string(),
                    }
                    .into());
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Prints the first refusals.
    fn show(
        &mut self,
        line: &Reported,
        refusal: Option<&Refusal>,
        console: &mut Console,
    ) -> Result<(), Error> {
        let reason = match (line.outcome, refusal) {
            (Outcome::Refused, Some(refusal)) => refusal.to_string(),
            (Outcome::Differs, _) => {
                let id = line.factor_id.as_deref().unwrap_or_default();
                format!("{id} exists with another user, secret or phone number")
            }
            _ => return Ok(()),
        };
        self.shown = self.shown.saturating_add(1);
        match self.shown.checked_sub(SHOWN_REFUSALS) {
            None | Some(0) => console.print_error(format_args!("entry {}: {reason}", line.line)),
            Some(1) => console.print_error("…"),
            Some(_) => Ok(()),
        }
    }
}

/// A step that was taken.
enum Taken {
    /// By an earlier run.
    Before(Reported),
    /// By this run.
    Now(Reported, Option<Refusal>),
    /// Not at all.
    Stopped(Stop),
}

async fn take(step: Result<Step, Stop>, writer: &Writer<'_>, pace: &Mutex<Interval>) -> Result<Taken, Error> {
    Ok(match step {
        Err(stop) => Taken::Stopped(stop),
        Ok(Step::Done(line)) => Taken::Before(line),
        Ok(Step::Refuse(place, refusal)) => {
            let reason = Some(refusal.name().to_owned());
            let line = Reported {
                line: place,
                external_id: None,
                user_id: None,
                factor_id: None,
                outcome: Outcome::Refused,
                reason,
                short_secret_bits: None,
            };
            Taken::Now(line, Some(refusal))
        }
        Ok(Step::Write(place, record)) => {
            pace.lock().await.tick().await;
            let (id, outcome) = writer.write(&record).await?;
            let bits = match &record.credential {
                Credential::Totp { secret, .. } => Some(secret.bits()),
                Credential::Sms { .. } | Credential::GenericOtp => None,
            };
            let line = Reported {
                line: place,
                external_id: Some(record.external_id.to_string()),
                user_id: record.user.as_ref().map(ToString::to_string),
                factor_id: Some(id.to_string()),
                outcome,
                reason: None,
                short_secret_bits: bits.filter(|bits| *bits < SHORT_SECRET).map(|bits| bits.0),
            };
            Taken::Now(line, None)
        }
    })
}
