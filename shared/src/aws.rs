//! The SDK clients: how long they wait, how often they try, and what may be said of their errors.

mod access;

pub use access::{OperatorAccess, TrustedRoots, for_operator, in_lambda, on_this_machine};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

/// A DynamoDB call, with all its tries.
pub const DYNAMODB_TIMEOUT: Duration = Duration::from_millis(1_500);

/// One try of a DynamoDB call.
pub const DYNAMODB_TRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Tries of a DynamoDB call: every write is conditional, so a repeated one is harmless.
pub const MAX_DYNAMODB_TRIES: u32 = 3;

/// The longest pause before the first repeated try; it doubles.
pub const DYNAMODB_BACKOFF: Duration = Duration::from_millis(50);

/// DynamoDB calls a request makes one after the other at most, races apart: a verify reads the list of
/// environments, the environment, the challenge, the factor and a new entry of the keyring, writes, and reads back what
/// became of the write.
pub const MAX_DYNAMODB_CALLS: u32 = 7;

/// How long Lambda lets a function take (`template.yaml`).
pub const LAMBDA_TIMEOUT: Duration = Duration::from_secs(20);

/// A KMS call, with all its tries. A request makes none, unless the keyring has a new entry.
pub const KMS_TIMEOUT: Duration = Duration::from_secs(1);

/// One try of a KMS call.
pub const KMS_TRY_TIMEOUT: Duration = Duration::from_millis(500);

/// The one try of an SNS call. A repeated one could send a second message (FLT-10).
pub const SNS_TIMEOUT: Duration = Duration::from_secs(3);

/// A DynamoDB client that tries again: every write it is given is conditional.
///
/// The SDK stops trying again for a while when too many calls have failed, and counts failures for the whole process;
/// this client is judged by its own, so that two servers in one process do not slow each other down.
#[must_use]
pub fn dynamodb(sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(sdk)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(MAX_DYNAMODB_TRIES)
                .with_initial_backoff(DYNAMODB_BACKOFF),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::SMS_OUTCOME_TIMEOUT;

    #[test]
    fn flt_14_the_slowest_request_ends_before_lambda_ends_it() {
        assert!(DYNAMODB_TIMEOUT * MAX_DYNAMODB_CALLS + KMS_TIMEOUT < LAMBDA_TIMEOUT, "a verify");
        assert!(
            DYNAMODB_TIMEOUT * 9 + KMS_TIMEOUT + SNS_TIMEOUT < LAMBDA_TIMEOUT,
            "an SMS challenge: list of environments, environment, factor, keyring, KMS, reserve and read back, mark as tried \
             and read back, SNS, mark as sent"
        );
        assert_eq!(
            SMS_OUTCOME_TIMEOUT, LAMBDA_TIMEOUT,
            "an outcome is unknown for as long as a request can run"
        );
    }
}
