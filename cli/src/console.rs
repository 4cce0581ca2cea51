//! Input and output of commands: results on stdout, as text or JSON; audit lines, errors and prompts on stderr.

use crate::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shared::domain::text::{escaped, is_hidden};
use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::time::Duration;

/// The streams that a command reads and writes.
pub struct Console {
    pub(crate) json: bool,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    input: Box<dyn BufRead + Send>,
}

/// A row of a listing.
pub(crate) trait Row: Serialize {
    /// The column headers.
    const HEADER: &'static [&'static str];

    /// The cells, one per column.
    fn cells(&self) -> Vec<String>;
}

impl Console {
    /// The standard streams of the process.
    #[must_use]
    pub fn standard() -> Self {
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()), Box::new(io::BufReader::new(io::stdin())))
    }

    /// A console with these streams.
    #[must_use]
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        input: Box<dyn BufRead + Send>,
    ) -> Self {
        Self { json: false, out, err, input }
    }

    /// Prints a result as text. Does nothing with `--json`.
    pub(crate) fn print_text(&mut self, text: impl Display) -> Result<(), Error> {
        if !self.json {
            writeln!(self.out, "{text}")?;
        }
        Ok(())
    }

    /// Prints a result as JSON. Does nothing without `--json`.
    pub(crate) fn print_json(&mut self, result: &impl Serialize) -> Result<(), Error> {
        if self.json {
            let text = serde_json::to_string_pretty(result).map_err(io::Error::from)?;
            writeln!(self.out, "{}", escaped_json(&text))?;
        }
        Ok(())
    }

    /// Prints a listing as a JSON array or as columns. Text from the table is escaped, so that it cannot control the
    /// terminal.
    pub(crate) fn print_rows<R: Row>(&mut self, rows: &[R]) -> Result<(), Error> {
        self.print_json(&rows)?;
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
            self.print_text(padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Prints text as it is, such as help and shell completions.
    pub(crate) fn print_raw(&mut self, text: &[u8]) -> Result<(), Error> {
        Ok(self.out.write_all(text)?)
    }

    /// Prints a line on stderr: an audit line or an error.
    pub(crate) fn print_error(&mut self, line: impl Display) -> Result<(), Error> {
        Ok(writeln!(self.err, "{line}")?)
    }

    /// Ends a command that may have failed in part: returns the last of `failures` and prints the others.
    pub(crate) fn finish(&mut self, failures: impl IntoIterator<Item = Error>) -> Result<(), Error> {
        let mut result = Ok(());
        for failure in failures {
            if let Err(earlier) = std::mem::replace(&mut result, Err(failure)) {
                self.print_error(format_args!("latchkey: {earlier}"))?;
            }
        }
        result
    }

    /// Prompts for a line of input; empty at the end of the input.
    pub(crate) fn prompt(&mut self, question: &str) -> Result<String, Error> {
        write!(self.err, "{question} ")?;
        self.err.flush()?;
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

fn cells(row: &impl Row) -> Vec<String> {
    row.cells().iter().map(|cell| escaped(cell)).collect()
}

/// Escapes hidden characters in JSON text, which does not change its value. Line breaks are kept, because they are only
/// between values.
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

/// A progress indicator, shown only on a terminal.
pub(crate) fn progress(message: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
