//! Text messages through SNS.

use crate::aws;
use crate::domain::phone::Phone;
use crate::domain::sms_budget::MicroUsd;
use crate::domain::sms_text::SmsTemplate;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::http::HttpResponse;
use aws_sdk_sns::error::SdkError;
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use std::collections::HashMap;

/// How messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsConfig {
    /// The sender shown where countries allow one.
    pub sender_id: Option<String>,
    /// The number messages come from.
    pub origination_number: Option<String>,
    /// The text of a message when the request has none.
    pub template: SmsTemplate,
}

/// Sends text messages. Only the challenge endpoint is given one.
#[derive(Debug, Clone)]
pub struct Sms {
    client: Client,
    config: SmsConfig,
}

/// A message was not sent, or it is unknown whether it was.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// SNS does not take the number.
    #[error("SNS refuses the number")]
    InvalidNumber,
    /// The owner of the number asked not to be texted.
    #[error("the number has opted out")]
    OptedOut,
    /// SNS refuses to send it: throttled, not permitted, out of its own budget. `reason` is a code, never SNS's own text.
    #[error("SNS refused to publish: {reason}")]
    NotSent {
        /// The error's code.
        reason: String,
    },
    /// It is unknown whether it was sent. `reason` is a code, never SNS's own text.
    #[error("SNS did not confirm: {reason}")]
    Unknown {
        /// The error's code.
        reason: String,
    },
}

impl SmsError {
    /// Whether it is certain that no message was sent.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }
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

    /// Sends `text` once, if it costs no more than `max_price`: never again on its own, for the first may have arrived.
    ///
    /// # Errors
    ///
    /// [`SmsError`] if SNS did not confirm it.
    pub async fn send(&self, phone: &Phone, text: &str, max_price: MicroUsd) -> Result<(), SmsError> {
        let publish = self
            .client
            .publish()
            .phone_number(phone.as_str())
            .message(text)
            .set_message_attributes(Some(self.attributes(max_price)?));
        match publish.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    /// The attributes of every message (SMS-06).
    fn attributes(&self, max_price: MicroUsd) -> Result<HashMap<String, MessageAttributeValue>, SmsError> {
        let max_price = max_price.to_string();
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
            let attribute = attribute.map_err(|_| SmsError::NotSent { reason: name.to_owned() })?;
            Ok((name.to_owned(), attribute))
        })
        .collect()
    }
}

/// What SNS's answer says about the message. A refusal (4xx) is certain; anything else may have been sent (FLT-09).
fn failure(error: &SdkError<PublishError, HttpResponse>) -> SmsError {
    let reason = aws::reason(error);
    if !error.raw_response().is_some_and(|answer| answer.status().is_client_error()) {
        return SmsError::Unknown { reason };
    }
    match reason.as_str() {
        "OptedOut" | "OptedOutException" => SmsError::OptedOut,
        code if code.starts_with("InvalidParameter") => SmsError::InvalidNumber,
        _ => SmsError::NotSent { reason },
    }
}
