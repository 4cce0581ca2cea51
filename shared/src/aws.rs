//! The SDK clients: how long they wait, how often they try, and what may be said of their errors.

use crate::domain::policy::{
    DYNAMODB_BACKOFF, DYNAMODB_TIMEOUT, DYNAMODB_TRIES, DYNAMODB_TRY_TIMEOUT, KMS_TIMEOUT, KMS_TRY_TIMEOUT,
    SNS_TIMEOUT,
};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

/// A DynamoDB client that tries again: every write it is given is conditional.
///
/// The SDK stops trying again for a while when too many calls have failed, and counts failures for the whole process;
/// this client is judged by its own, so that two servers in one process do not slow each other down.
#[must_use]
pub fn dynamodb(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk)
        .retry_config(
            RetryConfig::standard().with_max_attempts(DYNAMODB_TRIES).with_initial_backoff(DYNAMODB_BACKOFF),
        )
        .retry_partition(RetryPartition::custom("table").build())
        .timeout_config(timeouts(DYNAMODB_TIMEOUT, DYNAMODB_TRY_TIMEOUT));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A KMS client. It is judged by its own failures, as the table's is.
#[must_use]
pub fn kms(sdk: &SdkConfig) -> aws_sdk_kms::Client {
    let config = aws_sdk_kms::config::Builder::from(sdk)
        .retry_config(RetryConfig::standard())
        .retry_partition(RetryPartition::custom("keys").build())
        .timeout_config(timeouts(KMS_TIMEOUT, KMS_TRY_TIMEOUT));
    aws_sdk_kms::Client::from_conf(config.build())
}

/// An SNS client that never tries again: a publication whose answer was lost may have been sent (FLT-10).
#[must_use]
pub fn sns(sdk: &SdkConfig) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::config::Builder::from(sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(SNS_TIMEOUT, SNS_TIMEOUT));
    aws_sdk_sns::Client::from_conf(config.build())
}

fn timeouts(call: Duration, one_try: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(call).operation_attempt_timeout(one_try).build()
}

/// Names an SDK error by its code or its kind. The service's message may quote what was sent to it, so it stays out.
#[must_use]
pub fn reason<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let kind = match error {
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "an unreadable answer",
        _ => "an error without a code",
    };
    error.code().unwrap_or(kind).to_owned()
}
