//! Log lines for people: one short line per request.

use super::Answered;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::domain::id::FactorId;
use shared::domain::text::escaped;
use std::fmt::Write as _;
use std::sync::Arc;

/// Prints a line per request of the API.
#[derive(Clone)]
pub struct Printer {
    /// Whether the lines have colors.
    color: bool,
    print: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The fields of an audit line that are shown.
#[derive(Deserialize)]
struct Line<'a> {
    time: &'a str,
    operation: &'a str,
    outcome: &'a str,
    code: Option<&'a str>,
    ms: i64,
    factor: Option<&'a str>,
    factor_type: Option<&'a str>,
    locked_until: Option<&'a str>,
    #[serde(default)]
    message_sent: bool,
}

impl Printer {
    /// Passes each line, with its line break, to `print`.
    pub fn new(color: bool, print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { color, print: Arc::new(print) }
    }

    pub(super) fn print(&self, answered: &Answered) {
        let line = request_line(answered, self.color);
        (self.print)(&line.unwrap_or_else(|| format!("{}\n", answered.line)));
    }
}

/// The line of a request; `None` if its audit line cannot be read.
fn request_line(Answered { status, line }: &Answered, color: bool) -> Option<String> {
    let line: Line = serde_json::from_str(line).ok()?;
    let (dim, tint, plain) = if color { ("\x1b[2m", tint(line.outcome), "\x1b[0m") } else { ("", "", "") };
    let mut text = format!(
        "{dim}{time}{plain}  {operation:<9}  {tint}{outcome:<8}{plain}  {status}  {dim}{ms:>5} ms{plain}",
        time = time_of_day(line.time),
        operation = if line.operation == "none" { "no route" } else { line.operation },
        outcome = line.outcome,
        status = status.as_u16(),
        ms = line.ms,
    );
    if let (Some(factor), Some(factor_type)) = (line.factor, line.factor_type) {
        // Writing to a string cannot fail.
        let _ = write!(text, "  {}{factor} {dim}{factor_type}{plain}", FactorId::PREFIX);
    }
    if let Some(code) = line.code {
        let _ = write!(text, "  {tint}{code}{plain}");
    }
    if let Some(until) = line.locked_until {
        let _ = write!(text, "  {tint}locked until {until}{plain}");
    }
    if line.message_sent {
        text.push_str("  message sent");
    }
    text.push('\n');
    Some(text)
}

/// The color of an outcome.
fn tint(outcome: &str) -> &'static str {
    match outcome {
        "ok" => "\x1b[32m",
        "failed" => "\x1b[31m",
        _ => "\x1b[33m",
    }
}

/// `08:00:00` of `2026-11-22T08:00:00.123Z`.
fn time_of_day(time: &str) -> &str {
    time.get(11..19).unwrap_or(time)
}

/// Another log line as text: time, level, message, and its fields.
pub(super) fn log_line(line: &[u8]) -> String {
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(line) else {
        return format!("{}\n", escaped(String::from_utf8_lossy(line).trim_end()));
    };
    let mut take = |name| fields.remove(name).map(|value| shown(&value)).unwrap_or_default();
    let (time, level, message) = (take("timestamp"), take("level"), take("message"));
    take("target");
    let mut text = format!("{}  {level:<9}  {message}", time_of_day(&time));
    for (name, value) in &fields {
        let _ = write!(text, "  {}: {}", escaped(name), shown(value));
    }
    text.push('\n');
    text
}

/// A value without the quotes of a text, and without characters that control a terminal.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| escaped(&value.to_string()), escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    const FACTOR: &str = r#""factor":"01KAMZK1P3V6W8G4ZQ2M7N5X9C","factor_type":"totp","#;

    fn printed(status: u16, fields: &str, color: bool) -> String {
        let line = format!(r#"{{"schema":2,"time":"2026-11-22T08:00:00.123Z","ms":9,{fields}"table":"t"}}"#);
        let status = StatusCode::from_u16(status).unwrap();
        request_line(&Answered { status, line }, color).unwrap()
    }

    #[test]
    fn a_request_is_one_short_line() {
        for (status, fields, line) in [
            (
                201,
                r#""operation":"enroll","outcome":"ok","#.to_owned() + FACTOR,
                "08:00:00  enroll     ok        201      9 ms  auth_factor_01KAMZK1P3V6W8G4ZQ2M7N5X9C totp\n",
            ),
            (
                201,
                r#""operation":"verify","outcome":"wrong","locked_until":"2026-11-22T08:00:30.123Z","#
                    .to_owned()
                    + FACTOR,
                "08:00:00  verify     wrong     201      9 ms  auth_factor_01KAMZK1P3V6W8G4ZQ2M7N5X9C totp  locked until 2026-11-22T08:00:30.123Z\n",
            ),
            (
                401,
                r#""operation":"list","outcome":"refused","code":"unauthorized","#.to_owned(),
                "08:00:00  list       refused   401      9 ms  unauthorized\n",
            ),
            (
                404,
                r#""operation":"none","outcome":"refused","code":"route_not_found","#.to_owned(),
                "08:00:00  no route   refused   404      9 ms  route_not_found\n",
            ),
            (
                201,
                r#""operation":"challenge","outcome":"ok","message_sent":true,"#.to_owned(),
                "08:00:00  challenge  ok        201      9 ms  message sent\n",
            ),
        ] {
            assert_eq!(printed(status, &fields, false), line);
        }
    }

    #[test]
    fn colors_only_add_escape_sequences() {
        for outcome in ["ok", "wrong", "replayed", "refused", "failed"] {
            let fields = format!(r#""operation":"verify","outcome":"{outcome}",{FACTOR}"#);
            let mut colored = printed(201, &fields, true);
            for sequence in ["\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
                colored = colored.replace(sequence, "");
            }
            assert_eq!(colored, printed(201, &fields, false));
        }
        let fields = r#""operation":"verify","outcome":"failed","#;
        assert!(printed(503, fields, true).contains("\x1b[31mfailed  \x1b[0m"));
    }

    #[test]
    fn another_log_line_shows_its_fields_and_cannot_control_the_terminal() {
        let line = br#"{"timestamp":"2026-11-22T08:00:00.123456Z","level":"ERROR","message":"request failed","request_id":"r1","cause":"no \u001b[2J answer","target":"shared::http::trace"}"#;
        assert_eq!(
            log_line(line),
            "08:00:00  ERROR      request failed  cause: no \\u{1b}[2J answer  request_id: r1\n"
        );
        assert_eq!(log_line(b"not JSON \x1b[2J\n"), "not JSON \\u{1b}[2J\n");
    }
}
