//! Where a command says what it did: results on stdout, as text or as JSON; what happened on the way on stderr.

use crate::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shared::domain::text::{escaped, is_hidden};
use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::time::Duration;

/// Where a command reads and writes.
pub struct Console {
    pub(crate) json: bool,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    input: Box<dyn BufRead + Send>,
}

/// A line of a listing.
pub(crate) trait Row: Serialize {
    /// What stands above the columns.
    const HEADER: &'static [&'static str];

    /// What stands in the columns.
    fn cells(&self) -> Vec<String>;
}

impl Console {
    /// The terminal, or what stands in for it.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()), Box::new(io::BufReader::new(io::stdin())))
    }

    /// A console of these parts.
    #[must_use]
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        input: Box<dyn BufRead + Send>,
    ) -> Self {
        Self { json: false, out, err, input }
    }

    /// A result for people; nothing if JSON was asked for.
    pub(crate) fn say(&mut self, text: impl Display) -> Result<(), Error> {
        if !self.json {
            writeln!(self.out, "{text}")?;
        }
        Ok(())
    }

    /// A result for programs, if JSON was asked for.
    pub(crate) fn show(&mut self, result: &impl Serialize) -> Result<(), Error> {
        if self.json {
            let text = serde_json::to_string_pretty(result).map_err(io::Error::from)?;
            writeln!(self.out, "{}", escaped_json(&text))?;
        }
        Ok(())
    }

    /// A listing: a JSON array, or columns. No text of the table moves what a terminal shows.
    pub(crate) fn list<R: Row>(&mut self, rows: &[R]) -> Result<(), Error> {
        self.show(&rows)?;
        let header = R::HEADER.iter().map(|name| (*name).to_owned()).collect();
        let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows.iter().map(cells)).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        for line in &lines {
            let padded = line
                .iter()
                .enumerate()
                .map(|(column, cell)| format!("{cell:<width$}", width = width(column).unwrap_or_default()));
            self.say(padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Shell completions and help: text that is the result itself.
    pub(crate) fn print(&mut self, text: &[u8]) -> Result<(), Error> {
        Ok(self.out.write_all(text)?)
    }

    /// A line for the record, or why a command failed.
    pub(crate) fn report(&mut self, line: impl Display) -> Result<(), Error> {
        Ok(writeln!(self.err, "{line}")?)
    }

    /// How a command ends that did what it could: it failed, if there are `failures`. All but the last are said here.
    pub(crate) fn end(&mut self, failures: impl IntoIterator<Item = Error>) -> Result<(), Error> {
        let mut ended = Ok(());
        for failure in failures {
            if let Err(earlier) = std::mem::replace(&mut ended, Err(failure)) {
                self.report(format_args!("latchkey: {earlier}"))?;
            }
        }
        ended
    }

    /// What a person answers; nothing at the end of the input.
    pub(crate) fn ask(&mut self, question: &str) -> Result<String, Error> {
        write!(self.err, "{question} ")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

fn cells(row: &impl Row) -> Vec<String> {
    row.cells().iter().map(|cell| escaped(cell)).collect()
}

/// JSON with each hidden character as JSON's own escape: the same value. Its line breaks stand between values.
fn escaped_json(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if is_hidden(c) && c != '\n' {
            shown.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Shows on a terminal that something goes on, and nowhere else.
pub(crate) fn progress(what: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
