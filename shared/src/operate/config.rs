//! Configuration of operators' commands, read from environment variables.

use crate::config::reader::{Reader, process};
use crate::config::{InvalidVariables, Settings};
use crate::domain::policy::{Countries, DEFAULT_SMS_DAILY_BUDGET};

/// Configuration of an operator's command.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorConfig {
    /// The table name, unless overridden by an option.
    pub table: Option<String>,
    /// The KMS key, unless overridden by an option.
    pub kms_key: Option<String>,
    /// The operating system's user name, for the audit line.
    pub name: String,
    /// The functions' settings, as far as they are set in the operator's environment.
    pub settings: Settings,
}

impl OperatorConfig {
    /// Reads the environment variables.
    ///
    /// # Errors
    ///
    /// [`InvalidVariables`] with every invalid variable.
    pub fn from_env() -> Result<Self, InvalidVariables> {
        let reader = Reader::new(&process);
        let operator = Self {
            table: reader.text("LATCHKEY_TABLE"),
            kms_key: reader.text("LATCHKEY_KMS_KEY_ID"),
            name: reader
                .text("USER")
                .or_else(|| reader.text("LOGNAME"))
                .unwrap_or_else(|| "unknown".to_owned()),
            settings: Settings::read(&reader, Countries::Only([].into()), DEFAULT_SMS_DAILY_BUDGET),
        };
        reader.finish(operator)
    }
}

/// Whether the output on a terminal may have colors: the user has not set `NO_COLOR` (<https://no-color.org>).
#[must_use]
pub fn may_have_colors() -> bool {
    Reader::new(&process).text("NO_COLOR").is_none()
}
