//! Text messages through SNS.

use crate::aws;
use crate::domain::phone::Phone;
use crate::domain::sms_text::SmsTemplate;
use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use std::collections::HashMap;

/// How messages are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SmsConfig {
    /// The sender shown where countries allow one.
    pub sender_id: Option<String>,
    /// The number messages come from.
    pub origination_number: Option<String>,
    /// What one message may cost at most, in US dollars.
    pub max_price_usd: f64,
    /// The text of a message when the request has none.
    pub template: SmsTemplate,
}

/// Sends text messages. Only the challenge endpoint is given one.
#[derive(Debug, Clone)]
pub struct Sms {
    client: Client,
    config: SmsConfig,
}

/// A message was not sent, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// SNS does not take the number.
    #[error("SNS refuses the number")]
    InvalidNumber,
    /// Whoever has the number asked not to be texted.
    #[error("the number has opted out")]
    OptedOut,
    /// The call failed; the message may or may not have been sent. `reason` is a code, never the service's own text.
    #[error("SNS could not publish: {reason}")]
    Unavailable {
        /// The error's code.
        reason: String,
    },
}

impl Sms {
    /// Sends through `client`.
    #[must_use]
    pub fn new(client: Client, config: SmsConfig) -> Self {
        Self { client, config }
    }

    /// The text of a message when the request has none.
    #[must_use]
    pub fn template(&self) -> &SmsTemplate {
        &self.config.template
    }

    /// Sends `text` once: never again on its own, for the first may have arrived.
    ///
    /// # Errors
    ///
    /// [`SmsError`] if SNS did not confirm it.
    pub async fn send(&self, phone: &Phone, text: &str) -> Result<(), SmsError> {
        let publish = self
            .client
            .publish()
            .phone_number(phone.as_str())
            .message(text)
            .set_message_attributes(Some(self.attributes()?));
        match publish.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.as_service_error() {
                Some(PublishError::InvalidParameterException(_)) => SmsError::InvalidNumber,
                Some(refused) if refused.meta().code() == Some("OptedOut") => SmsError::OptedOut,
                _ => SmsError::Unavailable { reason: aws::reason(&error) },
            }),
        }
    }

    /// The attributes of every message (SMS-06).
    fn attributes(&self) -> Result<HashMap<String, MessageAttributeValue>, SmsError> {
        let max_price = format!("{:.5}", self.config.max_price_usd);
        [
            ("AWS.SNS.SMS.SMSType", "String", Some("Transactional")),
            ("AWS.SNS.SMS.MaxPrice", "Number", Some(max_price.as_str())),
            ("AWS.SNS.SMS.SenderID", "String", self.config.sender_id.as_deref()),
            ("AWS.MM.SMS.OriginationNumber", "String", self.config.origination_number.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, kind, value)| Some((name, kind, value?)))
        .map(|(name, kind, value)| {
            let attribute = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
            let attribute = attribute.map_err(|_| SmsError::Unavailable { reason: name.to_owned() })?;
            Ok((name.to_owned(), attribute))
        })
        .collect()
    }
}
