//! The variables that an operator's command reads.

use crate::config::reader::{Reader, process};
use crate::config::{Mistakes, Settings};
use crate::domain::policy::{Countries, DEFAULT_SMS_DAILY_BUDGET};

/// What an operator's command is told.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorConfig {
    /// The table's name, if no option says another.
    pub table: Option<String>,
    /// The KMS key, if no option says another.
    pub kms_key: Option<String>,
    /// The operating system's name for who gives the command, for the audit line.
    pub name: String,
    /// What the functions are told, as far as the operator has it.
    pub settings: Settings,
}

impl OperatorConfig {
    /// What the environment tells an operator's command.
    ///
    /// # Errors
    ///
    /// [`Mistakes`] with every variable that makes no sense.
    pub fn from_env() -> Result<Self, Mistakes> {
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
