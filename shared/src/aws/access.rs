//! How AWS is reached: region, credentials, endpoints and trusted roots. Every client is made from one of these.

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{
    Credentials, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, HttpClientError};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use std::time::Duration;

/// The roots of Amazon Trust Services, which sign the certificates of AWS's endpoints in the partitions `aws` and
/// `aws-us-gov`: Amazon Root CA 1 to 4 and Starfield Services G2 (<https://www.amazontrust.com/repository/>).
///
/// Reading the system's store instead costs about 290 files and 17.6 million instructions, 93 % of what a function does
/// before it asks for its first event.
const AMAZON_ROOTS: &str = include_str!("roots.pem");

/// Timeout of an operator's call. Longer than that of a request's call, because scanning a page of a large table is slow.
const OPERATOR_CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Timeout of one try of such a call.
const OPERATOR_TRY_TIMEOUT: Duration = Duration::from_secs(20);

/// The root certificates that AWS's endpoints may be signed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustedRoots {
    /// Amazon's own, compiled in.
    #[default]
    Amazon,
    /// The system's store: for other partitions, and for a proxy that inspects TLS.
    System,
}

/// How a Lambda function reaches AWS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FunctionAccess {
    /// The region, which Lambda sets.
    pub region: String,
    /// The root certificates that AWS's endpoints may be signed under.
    pub trusted_roots: TrustedRoots,
    /// Whether to use FIPS 140 endpoints.
    pub fips: bool,
    /// Whether to use endpoints that also have IPv6 addresses.
    pub dual_stack: bool,
    /// Endpoints other than AWS's.
    pub endpoints: EndpointUrls,
}

/// The URL of each service, if it is not AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointUrls {
    /// DynamoDB.
    pub dynamodb: Option<String>,
    /// KMS.
    pub kms: Option<String>,
    /// SNS.
    pub sns: Option<String>,
}

/// The SDK asks for no other setting of a service.
impl LoadServiceConfig for EndpointUrls {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        match key.service_id() {
            "DynamoDB" => self.dynamodb.clone(),
            "KMS" => self.kms.clone(),
            "SNS" => self.sns.clone(),
            _ => None,
        }
    }
}

/// Settings of an operator's command that override the AWS configuration.
#[derive(Debug, Clone, Default)]
pub struct OperatorAccess {
    /// The profile.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The endpoint of all services.
    pub endpoint_url: Option<String>,
}

impl TrustedRoots {
    /// Reads `amazon` or `system`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "amazon" => Some(Self::Amazon),
            "system" => Some(Self::System),
            _ => None,
        }
    }

    /// An HTTP client that accepts certificates under these roots; `None` for the SDK's default client.
    fn http_client(self) -> Result<Option<SharedHttpClient>, HttpClientError> {
        let store = match self {
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::System => return Ok(None),
        };
        // An error is not the system's store: that would trust more than was asked for.
        let context = TlsContext::builder().with_trust_store(store).build()?;
        let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context);
        Ok(Some(client.build_https()))
    }
}

/// The configuration of a Lambda function, with the credentials that Lambda sets.
///
/// The SDK's loader would look for each of its settings in two dozen variables and in files that Lambda does not have, and brings
/// the clients of everything that can give credentials.
///
/// # Errors
///
/// If the trusted roots cannot be used.
pub fn in_lambda(access: FunctionAccess) -> Result<SdkConfig, HttpClientError> {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(access.region))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .use_fips(access.fips)
        .use_dual_stack(access.dual_stack)
        .service_config(access.endpoints);
    config.set_http_client(access.trusted_roots.http_client()?);
    Ok(config.build())
}

/// The configuration of an operator's command: that of the AWS CLI, with the settings in `access`.
pub async fn for_operator(access: &OperatorAccess) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(OPERATOR_CALL_TIMEOUT)
        .operation_attempt_timeout(OPERATOR_TRY_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Calls have timeouts of their own, so a stream that stalls needs no watch.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts);
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &access.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// The configuration for a service on this machine, with placeholder credentials and without a proxy.
#[must_use]
pub fn on_this_machine(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "local",
        )))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(Builder::new().build_http())
        .endpoint_url(endpoint)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    /// The fingerprints that Amazon publishes.
    #[test]
    fn the_compiled_in_roots_are_those_of_amazon_trust_services() {
        const PUBLISHED: [&str; 5] = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];
        let hex = |digit: u8| char::from_digit(digit.into(), 16).unwrap();
        let certificates = AMAZON_ROOTS.split("-----END CERTIFICATE-----").map(str::trim);
        let fingerprints: Vec<String> = certificates
            .filter_map(|pem| pem.strip_prefix("-----BEGIN CERTIFICATE-----"))
            .map(|base64| STANDARD.decode(base64.replace('\n', "")).unwrap())
            .map(|der| Sha256::digest(der).iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex).collect())
            .collect();
        assert_eq!(fingerprints, PUBLISHED);
    }

    #[test]
    fn a_function_is_given_a_client_of_its_own_unless_the_system_decides() {
        assert!(TrustedRoots::Amazon.http_client().unwrap().is_some());
        assert!(TrustedRoots::System.http_client().unwrap().is_none());
        assert_eq!(TrustedRoots::parse("system"), Some(TrustedRoots::System));
        assert_eq!(TrustedRoots::parse("mozilla"), None);
    }
}
