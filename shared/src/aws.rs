//! How the SDK clients are configured: timeouts and retries. Also how their errors are named in logs and messages.

mod access;

pub use access::{
    EndpointUrls, FunctionAccess, OperatorAccess, TrustedRoots, for_operator, in_lambda, on_this_machine,
};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::time::Duration;

/// Timeout of a DynamoDB call, including all tries.
pub const DYNAMODB_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Timeout of one try of a DynamoDB call.
pub const DYNAMODB_TRY_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of tries of a DynamoDB call. Retries are safe because every write is conditional.
pub const MAX_DYNAMODB_TRIES: u32 = 3;

/// The longest pause before the first retry. It doubles with each retry.
pub const DYNAMODB_BACKOFF: Duration = Duration::from_millis(50);

/// Maximum number of times that a conditional write is sent again while its outcome is unknown, each with its own tries.
/// After the first, none is sent once
/// [`DYNAMODB_TIMEOUT`] has passed.
pub const MAX_REPEATED_WRITES: u32 = 4;

/// Maximum number of sequential DynamoDB calls of a request without version conflicts, in timeouts of a call: a verify
/// reads the list of environments, the environment, the challenge, the factor and a new keyring entry, and writes, which
/// takes up to two if the outcome is unknown.
pub const MAX_DYNAMODB_CALLS: u32 = 7;

/// The functions' Lambda timeout (`template.yaml`).
pub const LAMBDA_TIMEOUT: Duration = Duration::from_secs(20);

/// Timeout of a KMS call, including all tries. A request makes none, unless the keyring has a new entry.
pub const KMS_TIMEOUT: Duration = Duration::from_secs(1);

/// Timeout of one try of a KMS call.
pub const KMS_TRY_TIMEOUT: Duration = Duration::from_millis(500);

/// Timeout of an SNS call, which is never retried: a retry could send a second message (FLT-10).
pub const SNS_TIMEOUT: Duration = Duration::from_secs(3);

/// A DynamoDB client with retries. Every write must be conditional.
///
/// The SDK stops retrying for a while after too many failed calls, which it counts per process by default. This client
/// has its own retry partition, so that clients of other services, and other servers in the same process, do not affect
/// it.
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

/// A KMS client with retries and its own retry partition.
#[must_use]
pub fn kms(sdk: &SdkConfig) -> aws_sdk_kms::Client {
    let config = aws_sdk_kms::config::Builder::from(sdk)
        .retry_config(RetryConfig::standard())
        .retry_partition(RetryPartition::custom("keys").build())
        .timeout_config(timeouts(KMS_TIMEOUT, KMS_TRY_TIMEOUT));
    aws_sdk_kms::Client::from_conf(config.build())
}

/// An SNS client without retries: if the response was lost, the message may have been sent (FLT-10).
#[must_use]
pub fn sns(sdk: &SdkConfig) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::config::Builder::from(sdk)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(SNS_TIMEOUT, SNS_TIMEOUT));
    aws_sdk_sns::Client::from_conf(config.build())
}

fn timeouts(call: Duration, single_try: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(call).operation_attempt_timeout(single_try).build()
}

/// The code of an SDK error, or its kind if it has no code. Omits the service's message, which may quote the request.
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
    fn flt_14_the_slowest_request_finishes_within_the_lambda_timeout() {
        assert!(DYNAMODB_TIMEOUT * MAX_DYNAMODB_CALLS + KMS_TIMEOUT < LAMBDA_TIMEOUT, "a verify");
        assert!(
            DYNAMODB_TIMEOUT * 9 + KMS_TIMEOUT + SNS_TIMEOUT < LAMBDA_TIMEOUT,
            "an SMS challenge: list of environments, environment, factor, keyring, KMS, reserve and re-read, mark as tried \
             and re-read, SNS, mark as sent"
        );
        assert_eq!(
            SMS_OUTCOME_TIMEOUT, LAMBDA_TIMEOUT,
            "an outcome is unknown for as long as a request can run"
        );
    }
}
