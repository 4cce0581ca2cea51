//! How a function starts: everything slow happens once, in the init phase, with the CPU Lambda gives for it.

use crate::aws;
use crate::config::Config;
use crate::core::Core;
use crate::http;
use crate::keyring::Keyring;
use crate::kms::Kms;
use crate::logs;
use crate::ports::{OsEntropy, SystemClock};
use crate::sms::Sms;
use crate::store::Store;
use aws_config::BehaviorVersion;
use aws_config::SdkConfig;
use axum::Router;
use lambda_http::tower::util::MapRequest;
use lambda_http::{Error, Request, RequestExt as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// What stands in a path as it is: RFC 3986's unreserved characters and the slash.
const IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A function that is ready to be given its routes.
pub struct Function {
    /// What every endpoint is given.
    pub core: Core,
    sdk: SdkConfig,
    config: Config,
}

impl Function {
    /// Reads the environment, starts the log and builds the clients.
    ///
    /// # Errors
    ///
    /// What keeps the function from serving: every variable that is missing or makes no sense.
    pub async fn start() -> Result<Self, Error> {
        let config = Config::from_env()?;
        tracing::subscriber::set_global_default(logs::subscriber(&config.settings.log, std::io::stdout)?)?;
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let store = Store::new(aws::dynamodb(&sdk), config.table.clone());
        let keyring = Keyring::new(Kms::new(aws::kms(&sdk), config.kms_key.clone()), store.clone());
        let policy = config.settings.policy.clone();
        let core = Core::new(store, keyring, policy, Arc::new(SystemClock), Arc::new(OsEntropy));
        Ok(Self { core, sdk, config })
    }

    /// Unwraps the keyring, for a function that seals or opens. Reading it is the first call to DynamoDB, so it also
    /// opens the connection later requests use.
    ///
    /// A function that cannot serves all the same: requests try again, and answer in the contract's shape. What Lambda
    /// answers for a function that does not start has no `code`, and an old SDK takes it for a verdict.
    pub async fn open_keyring(&self) {
        if let Err(error) = self.core.keyring.load().await {
            tracing::error!(%error, "the keyring is not open yet");
        }
    }

    /// The way to send messages.
    #[must_use]
    pub fn sms(&self) -> Sms {
        Sms::new(aws::sns(&self.sdk), self.config.settings.sms.clone())
    }

    /// Serves `routes` until Lambda ends the environment.
    ///
    /// # Errors
    ///
    /// If Lambda's runtime API cannot be reached.
    pub async fn serve(self, routes: Router) -> Result<(), Error> {
        lambda_http::run(behind_gateway(http::app(self.core, routes))).await
    }
}

/// An application as an HTTP API of API Gateway reaches it: that hands a path over percent-decoded, and the router decodes
/// it, too. Encoded again in between, an id is read once, and a user called `a%41` is not taken for `aA`.
pub fn behind_gateway(app: Router) -> MapRequest<Router, fn(Request) -> Request> {
    MapRequest::new(app, encoded)
}

fn encoded(mut request: Request) -> Request {
    let path = utf8_percent_encode(request.raw_http_path(), IN_PATHS).to_string();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    // The host is in a header, too. Only what is longer than any gateway lets through does not parse.
    if let Ok(uri) = format!("{path}{query}").parse() {
        *request.uri_mut() = uri;
    }
    request
}
