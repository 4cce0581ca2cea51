//! Where log lines go: to standard error, as JSON or as text, and the audit line of a request also to its observer.

use super::text;
use std::cell::RefCell;
use std::io::{self, Write};

tokio::task_local! {
    /// The audit line of the request that the task handles.
    static AUDIT_LINE: RefCell<Option<String>>;
}

/// How an audit line begins. Other log lines begin with their time.
const AUDIT_START: &[u8] = br#"{"schema":"#;

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: a short line per request to the API.
    Text,
    /// For programs: a JSON object per line.
    Json,
}

/// A writer of one log line.
pub struct LogWriter<W> {
    format: LogFormat,
    out: W,
}

/// Makes the writers of a `shared::logs::subscriber` whose lines go to `out`.
pub fn log_writer<W: Write>(
    format: LogFormat,
    out: impl Fn() -> W + Clone,
) -> impl Fn() -> LogWriter<W> + Clone {
    move || LogWriter { format, out: out() }
}

impl<W: Write> Write for LogWriter<W> {
    /// Writes a log line, which arrives in one piece. As text, a [`Printer`](super::Printer) prints the audit lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let observed = line.starts_with(AUDIT_START) && leave_for_observer(line);
        match self.format {
            LogFormat::Text if observed => {}
            LogFormat::Text => self.out.write_all(text::log_line(line).as_bytes())?,
            LogFormat::Json => self.out.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Keeps the audit line for [`with_audit_line`]. Returns whether the task has one.
fn leave_for_observer(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).trim_end().to_owned();
    AUDIT_LINE.try_with(|left| left.replace(Some(line))).is_ok()
}

/// The result of a request's handler, and the audit line that it has written.
pub(super) async fn with_audit_line<T>(handler: impl Future<Output = T>) -> (T, Option<String>) {
    let observed = async {
        let result = handler.await;
        (result, AUDIT_LINE.with(RefCell::take))
    };
    AUDIT_LINE.scope(RefCell::default(), observed).await
}
