//! `latchkey export`: writes all factors of an environment, with their secrets, to a directory of encrypted files.
//!
//! An age file cannot be continued, so the export is written in parts. A part gets its name when it is complete, and
//! `export.json` then says where the next one starts. An export that was interrupted continues there.

mod line;
mod part;
mod state;

pub(crate) use state::complete_parts;

use crate::audit::Change;
use crate::console::{Console, progress};
use crate::deployment::{Deployment, FreshSeal};
use crate::error::{Error, TransferError};
use age::x25519::Recipient;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use part::Part;
use serde::{Deserialize, Serialize};
use shared::domain::environment::Tag;
use shared::operate::{PagePosition, UserItem};
use state::State;
use std::path::PathBuf;

/// The arguments of `latchkey export`.
#[derive(Args, Debug)]
pub struct Export {
    /// Environment tag
    #[arg(long, value_name = "TAG", value_parser = Tag::parse)]
    environment: Tag,
    /// Directory to write to; created if it does not exist. An interrupted export continues there
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// age recipient to encrypt to, as `age-keygen` prints it; can be given several times
    #[arg(long, value_name = "age1…", value_parser = recipient, required_unless_present = "plaintext_secrets")]
    recipient: Vec<Recipient>,
    /// Do not encrypt. Everyone who can read the files can log in as the users
    #[arg(long, conflicts_with = "recipient")]
    plaintext_secrets: bool,
    /// Number of factors after which the next file begins. An interrupted export repeats at most one file
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(i32).range(1..=1_000_000))]
    file_size: i32,
    /// Format of the files
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A format of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object per factor; `latchkey import --keep-ids` reads it
    #[default]
    Ndjson,
    /// otpauth:// URIs of TOTP factors, for other systems; without user IDs, and without other factors
    Otpauth,
}

/// Runs the command.
///
/// # Errors
///
/// [`Error`] if it fails, or if a factor was not exported.
pub async fn run(export: &Export, deployment: &Deployment, console: &mut Console) -> Result<(), Error> {
    let registration = deployment.environment(&export.environment).await?;
    let recipients: Vec<String> = export.recipient.iter().map(ToString::to_string).collect();
    let state =
        State::open(&export.output, State::new(registration.environment.id, export.format, recipients))?;
    let change = |event, state: &State| Change {
        event,
        environment: Some(export.environment.to_string()),
        factors: Some(state.factors),
        recipients: Some(state.recipients.clone()),
        ..Change::default()
    };
    // Written before the first secret is opened.
    console.record(deployment, change("export.started", &state))?;
    let seal = FreshSeal::new(deployment, registration).await?;
    let mut run = Run { export, deployment, seal, state, bar: progress("factors exported".to_owned()) };
    while !run.state.complete {
        run.write_part().await?;
    }
    run.bar.finish_and_clear();
    let state = run.state;
    console.record(deployment, change("factors.exported", &state))?;
    state.print(&export.output, console)?;
    let Some(first) = state.not_exported.first() else { return Ok(()) };
    let hint = format!(
        "Restore their items from a backup, or delete them: `latchkey factors delete ID --environment {}`",
        export.environment
    );
    Err(TransferError::NotExported { count: state.not_exported.len(), first: first.clone(), hint }.into())
}

/// A running export.
struct Run<'a> {
    export: &'a Export,
    deployment: &'a Deployment,
    seal: FreshSeal,
    state: State,
    bar: ProgressBar,
}

impl Run<'_> {
    /// Writes the next part, and then the state with which the one after it starts.
    async fn write_part(&mut self) -> Result<(), Error> {
        let mut next = self.state.clone();
        next.parts = next.parts.saturating_add(1);
        let mut part =
            Part::create(&self.export.output, &next.part_name(next.parts), &self.export.recipient)?;
        let (mut written, enough) = (0, usize::try_from(self.export.file_size).unwrap_or(usize::MAX));
        loop {
            let from = next.next.as_ref().map(|(pk, sk)| PagePosition::after(pk, sk));
            let seal = self.seal.current(self.deployment).await?;
            let (page, after) =
                self.deployment.operator.user_items(seal.environment(), from, self.export.file_size).await?;
            next.not_exported.extend(page.damaged.iter().map(ToString::to_string));
            for item in &page.readable {
                let factor = match item {
                    UserItem::Factor(factor) => factor,
                    UserItem::RecoveryCodes(set) => {
                        next.recovery_codes_lost = next.recovery_codes_lost.saturating_add(1);
                        if let Some(line) = line::of_recovery_codes(set, self.export.format) {
                            part.write_line(&line)?;
                        }
                        continue;
                    }
                };
                match line::of(factor, &seal, self.export.format) {
                    Ok(Some(line)) => {
                        part.write_line(&line)?;
                        written = usize::saturating_add(written, 1);
                        self.bar.inc(1);
                    }
                    Ok(None) => next.left_out = next.left_out.saturating_add(1),
                    Err(error) => next.not_exported.push(format!("{}: {error}", factor.id)),
                }
            }
            next.next =
                after.as_ref().and_then(PagePosition::key).map(|(pk, sk)| (pk.to_owned(), sk.to_owned()));
            next.complete = next.next.is_none();
            if next.complete || written >= enough {
                break;
            }
        }
        next.factors = next.factors.saturating_add(written);
        part.finish()?;
        next.save(&self.export.output)?;
        self.state = next;
        Ok(())
    }
}

fn recipient(text: &str) -> Result<Recipient, &'static str> {
    text.parse().map_err(|_| "must be an age recipient: age1 and 58 more characters")
}
