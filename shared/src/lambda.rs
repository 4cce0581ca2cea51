//! How a Lambda function starts and handles events. Slow work is done once, in the init phase, which has more CPU.

mod event;

pub use event::GatewayResponse;
pub use lambda_runtime::Error;

use crate::aws;
use crate::config::Config;
use crate::core::Core;
use crate::http;
use crate::logs;
use crate::ports::{OsEntropy, SystemClock};
use crate::sms::Sms;
use crate::store::Store;
use crate::vault::keyring::Keyring;
use crate::vault::kms::Kms;
use aws_config::SdkConfig;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use event::MalformedEvent;
use lambda_runtime::tower::ServiceExt as _;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;
use std::sync::Arc;

/// A started function that does not serve any routes yet.
pub struct Function {
    /// The services that every endpoint gets.
    pub core: Core,
    sdk: SdkConfig,
    config: Config,
}

impl Function {
    /// Reads the configuration, initializes logging and creates the clients.
    ///
    /// # Errors
    ///
    /// If a variable is missing or invalid, or the trusted roots cannot be used.
    pub fn start() -> Result<Self, Error> {
        let config = Config::from_env()?;
        tracing::subscriber::set_global_default(logs::subscriber(&config.settings.log, std::io::stdout)?)?;
        let sdk = aws::in_lambda(config.aws.clone())?;
        let store = Store::new(aws::dynamodb(&sdk), config.table.clone());
        let policy = config.settings.policy.clone();
        let core = Core::new(store, policy, Arc::new(SystemClock), Arc::new(OsEntropy));
        Ok(Self { core, sdk, config })
    }

    /// Opens the connection to DynamoDB, for functions without a keyring. Otherwise the first request would, when the function
    /// has a fraction of the processor. If it fails, the first request tries again.
    pub async fn connect(&self) {
        if let Err(error) = self.core.store.environment_tags().await {
            tracing::error!(%error, "the table could not be read");
        }
    }

    /// The keyring with its data keys unwrapped, for functions that seal or open. This is the first call to DynamoDB,
    /// so it also opens the connection for later requests.
    ///
    /// If the keyring cannot be loaded, the function starts anyway: requests try again, and errors have the documented
    /// format. Lambda's own response for a function that does not start has no `code`, and old SDKs mistake it for a
    /// verdict.
    pub async fn keyring(&self) -> Keyring {
        let kms = Kms::new(aws::kms(&self.sdk), self.config.kms_key.clone());
        let keyring = Keyring::new(kms.clone(), self.core.store.clone());
        let (loaded, ()) = tokio::join!(keyring.load(), kms.connect());
        if let Err(error) = loaded {
            tracing::error!(%error, "the keyring could not be loaded");
        }
        keyring
    }

    /// The sender of text messages.
    #[must_use]
    pub fn sms(&self) -> Sms {
        Sms::new(aws::sns(&self.sdk), self.config.settings.sms.clone())
    }

    /// Serves `routes` until Lambda stops the execution environment.
    ///
    /// # Errors
    ///
    /// If the Lambda runtime API cannot be reached.
    pub async fn serve(self, routes: Router) -> Result<(), Error> {
        let gateway = Gateway::new(self.core, routes);
        let answer = async |event: LambdaEvent<Box<RawValue>>| gateway.answer(event.payload.get()).await;
        lambda_runtime::run(service_fn(answer)).await
    }
}

/// Adapts an application to events of an API Gateway HTTP API.
pub struct Gateway {
    app: Router,
    malformed: Router,
}

impl Gateway {
    /// An adapter for these routes.
    #[must_use]
    pub fn new(core: Core, routes: Router) -> Self {
        Self {
            app: http::app(core.clone(), routes),
            malformed: http::error_app(core, || http::Error::MalformedRequest),
        }
    }

    /// Answers any event, even an invalid one, in the documented format. Lambda's own response for a function that
    /// panics has no `code`, and old SDKs mistake it for a verdict.
    ///
    /// # Errors
    ///
    /// If the response body fails or is not text, which no endpoint's response does.
    pub async fn answer(&self, event: &str) -> Result<GatewayResponse, Error> {
        let response = match event::request(event) {
            Ok(request) => self.app.clone().oneshot(request).await,
            Err(MalformedEvent) => self.malformed.clone().oneshot(Request::new(Body::empty())).await,
        };
        let Ok(response) = response;
        GatewayResponse::from_response(response).await
    }
}
