//! Configuration from environment variables. No other module reads them. All invalid variables are reported together.

pub(crate) mod reader;

pub use reader::InvalidVariables;

use crate::aws::{EndpointUrls, FunctionAccess, TrustedRoots};
use crate::domain::phone::Country;
use crate::domain::policy::{
    Countries, DEFAULT_IMPORT_MIN, DEFAULT_SMS_DAILY_BUDGET, DEFAULT_SMS_MAX_PRICE, LOCAL_SMS_DAILY_BUDGET,
    MAX_IMPORT_MIN, Policy, SecretBits, Skew,
};
use crate::domain::sms_budget::MicroUsd;
use crate::domain::sms_text::SmsTemplate;
use crate::sms::SmsConfig;
use reader::{Reader, process};

/// Settings of any deployment, local or on AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Security limits.
    pub policy: Policy,
    /// Text messages.
    pub sms: SmsConfig,
    /// The log filter, in `tracing` syntax.
    pub log: String,
}

/// Configuration of a Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The table name.
    pub table: String,
    /// The KMS key that wraps the keyring: its ID, ARN or alias.
    pub kms_key: String,
    /// How AWS is reached.
    pub aws: FunctionAccess,
    /// The settings that the local server shares.
    pub settings: Settings,
}

/// Every variable the code reads. A test compares the list with `template.yaml` and docs/CONFIGURATION.md.
pub const VARIABLES: [&str; 13] = [
    "LATCHKEY_TABLE",
    "LATCHKEY_KMS_KEY_ID",
    "LATCHKEY_SMS_COUNTRIES",
    "LATCHKEY_SMS_SENDER_ID",
    "LATCHKEY_SMS_ORIGINATION_NUMBER",
    "LATCHKEY_SMS_MAX_PRICE_USD",
    "LATCHKEY_SMS_DAILY_BUDGET_USD",
    "LATCHKEY_SMS_ENVIRONMENT_DAILY_BUDGET_USD",
    "LATCHKEY_SMS_TEMPLATE",
    "LATCHKEY_TOTP_SKEW",
    "LATCHKEY_TOTP_IMPORT_MIN_BITS",
    "LATCHKEY_TRUSTED_ROOTS",
    "LATCHKEY_LOG",
];

/// Variables that make the SDK log secrets (LOG-02).
const FORBIDDEN: [&str; 2] = ["LOG_SENSITIVE_BODIES", "LOG_SIGNABLE_BODY"];

impl Config {
    /// Reads the configuration of a Lambda function. SMS is off unless countries are configured.
    ///
    /// # Errors
    ///
    /// [`InvalidVariables`] with every missing or invalid variable.
    pub fn from_env() -> Result<Self, InvalidVariables> {
        Self::read(&Reader::new(&process))
    }

    fn read(reader: &Reader<'_>) -> Result<Self, InvalidVariables> {
        let config = Self {
            table: reader.required("LATCHKEY_TABLE").unwrap_or_default(),
            kms_key: reader.required("LATCHKEY_KMS_KEY_ID").unwrap_or_default(),
            aws: function_access(reader),
            settings: Settings::read(reader, Countries::Only([].into()), DEFAULT_SMS_DAILY_BUDGET),
        };
        reader.finish(config)
    }
}

impl Settings {
    /// Reads the settings of the local server. SMS to every country is allowed, because messages go to the outbox.
    ///
    /// # Errors
    ///
    /// [`InvalidVariables`] with every invalid variable.
    pub fn from_env_for_local() -> Result<Self, InvalidVariables> {
        Self::for_local(&process)
    }

    /// Reads the settings of the local server from `source`.
    ///
    /// # Errors
    ///
    /// [`InvalidVariables`] with every invalid variable.
    pub fn for_local(source: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidVariables> {
        let reader = Reader::new(source);
        let settings = Self::read(&reader, Countries::All, LOCAL_SMS_DAILY_BUDGET);
        reader.finish(settings)
    }

    pub(crate) fn read(reader: &Reader<'_>, countries: Countries, budget: MicroUsd) -> Self {
        for name in FORBIDDEN {
            if reader.text(name).is_some() {
                reader.invalid(name, "must not be set: it makes the SDK log codes and secrets");
            }
        }
        let dollars = |name| {
            reader.parsed(name, "must be US dollars above 0, like 0.10", |text| MicroUsd::parse(text).ok())
        };
        let daily_budget = dollars("LATCHKEY_SMS_DAILY_BUDGET_USD").unwrap_or(budget);
        Self {
            policy: Policy {
                totp_skew: reader
                    .parsed("LATCHKEY_TOTP_SKEW", "must be 0 or 1", skew)
                    .unwrap_or(Skew::OneStep),
                totp_import_min: reader
                    .parsed("LATCHKEY_TOTP_IMPORT_MIN_BITS", "must be a number from 80 to 160", import_min)
                    .unwrap_or(DEFAULT_IMPORT_MIN),
                sms_countries: reader
                    .parsed("LATCHKEY_SMS_COUNTRIES", "must be ISO codes like US,CA", listed_countries)
                    .unwrap_or(countries),
                sms_max_price: dollars("LATCHKEY_SMS_MAX_PRICE_USD").unwrap_or(DEFAULT_SMS_MAX_PRICE),
                sms_daily_budget: daily_budget,
                sms_environment_daily_budget: dollars("LATCHKEY_SMS_ENVIRONMENT_DAILY_BUDGET_USD")
                    .unwrap_or(daily_budget),
            },
            sms: SmsConfig {
                sender_id: reader.text("LATCHKEY_SMS_SENDER_ID"),
                origination_number: reader.text("LATCHKEY_SMS_ORIGINATION_NUMBER"),
                template: reader
                    .parsed(
                        "LATCHKEY_SMS_TEMPLATE",
                        "must contain {{code}} exactly once and no control or format characters, and fit one SMS",
                        |text| SmsTemplate::parse(text).ok(),
                    )
                    .unwrap_or_default(),
            },
            log: reader.text("LATCHKEY_LOG").unwrap_or_else(|| "info".to_owned()),
        }
    }
}

/// Reads the AWS SDK's own variables, apart from the choice of roots.
fn function_access(reader: &Reader<'_>) -> FunctionAccess {
    let switch = |name| reader.parsed(name, "must be true or false", |text| text.to_lowercase().parse().ok());
    let endpoint = |name| reader.text(name).or_else(|| reader.text("AWS_ENDPOINT_URL"));
    FunctionAccess {
        region: reader.required("AWS_REGION").unwrap_or_default(),
        trusted_roots: reader
            .parsed("LATCHKEY_TRUSTED_ROOTS", "must be amazon or system", TrustedRoots::parse)
            .unwrap_or_default(),
        fips: switch("AWS_USE_FIPS_ENDPOINT").unwrap_or_default(),
        dual_stack: switch("AWS_USE_DUALSTACK_ENDPOINT").unwrap_or_default(),
        endpoints: EndpointUrls {
            dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB"),
            kms: endpoint("AWS_ENDPOINT_URL_KMS"),
            sns: endpoint("AWS_ENDPOINT_URL_SNS"),
        },
    }
}

fn skew(text: &str) -> Option<Skew> {
    match text {
        "0" => Some(Skew::None),
        "1" => Some(Skew::OneStep),
        _ => None,
    }
}

fn import_min(text: &str) -> Option<SecretBits> {
    let bits = SecretBits(text.parse().ok()?);
    (DEFAULT_IMPORT_MIN..=MAX_IMPORT_MIN).contains(&bits).then_some(bits)
}

fn listed_countries(text: &str) -> Option<Countries> {
    let codes = text.split(',').map(str::trim);
    codes.map(|code| Country::parse(code).ok()).collect::<Option<_>>().map(Countries::Only)
}

#[cfg(test)]
mod tests;
