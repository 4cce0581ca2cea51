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

/// Configuration of text messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsConfig {
    /// The sender ID, used in countries that allow one.
    pub sender_id: Option<String>,
    /// The origination number.
    pub origination_number: Option<String>,
    /// The message template, used if the request has none.
    pub template: SmsTemplate,
}

/// Sends text messages. Only the challenge endpoint has one.
#[derive(Debug, Clone)]
pub struct Sms {
    client: Client,
    config: SmsConfig,
}

/// A message was not sent, or it is unknown whether it was.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// SNS rejected the phone number.
    #[error("SNS rejected the phone number")]
    InvalidNumber,
    /// The owner of the number has opted out of text messages.
    #[error("the phone number has opted out")]
    OptedOut,
    /// SNS refused to send the message, for example because of throttling, permissions or its own spending limit.
    /// `reason` is an error code, never SNS's message.
    #[error("SNS refused to publish: {reason}")]
    NotSent {
        /// The error code.
        reason: String,
    },
    /// It is unknown whether the message was sent. `reason` is an error code, never SNS's message.
    #[error("SNS did not confirm: {reason}")]
    Unknown {
        /// The error code.
        reason: String,
    },
}

impl SmsError {
    /// Whether the message was definitely not sent.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }
}

impl Sms {
    /// A sender that uses `client`.
    #[must_use]
    pub fn new(client: Client, config: SmsConfig) -> Self {
        Self { client, config }
    }

    /// The message template, used if the request has none.
    #[must_use]
    pub fn template(&self) -> &SmsTemplate {
        &self.config.template
    }

    /// Sends `text`, if it costs no more than `max_price`. Never retries, because the first try may have been
    /// delivered.
    ///
    /// # Errors
    ///
    /// [`SmsError`] if SNS did not accept the message or its response was lost.
    pub async fn send(&self, phone: &Phone, text: &str, max_price: MicroUsd) -> Result<(), SmsError> {
        let publish = self
            .client
            .publish()
            .phone_number(phone.as_str())
            .message(text)
            .set_message_attributes(Some(self.attributes(max_price)?));
        match publish.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(classify(&error)),
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

/// Classifies a failed publish. After a 4xx the message was definitely not sent; after any other error it may have been
/// (FLT-09).
fn classify(error: &SdkError<PublishError, HttpResponse>) -> SmsError {
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
