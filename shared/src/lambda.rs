//! How a function starts and is called: everything slow happens once, in the init phase, with the CPU Lambda gives for it.

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
use axum::extract::Request;
use axum::http::Method;
use event::Unreadable;
use lambda_runtime::tower::ServiceExt as _;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;
use std::sync::Arc;

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
        let sdk = aws::in_lambda(config.region.clone(), config.trusted_roots).await;
        let store = Store::new(aws::dynamodb(&sdk), config.table.clone());
        let policy = config.settings.policy.clone();
        let core = Core::new(store, policy, Arc::new(SystemClock), Arc::new(OsEntropy));
        Ok(Self { core, sdk, config })
    }

    /// The keyring, for a function that seals or opens, with its entries unwrapped. Reading it is the first call to DynamoDB, so it also
    /// opens the connection later requests use.
    ///
    /// A function that cannot serves all the same: requests try again, and answer in the contract's shape. What Lambda
    /// answers for a function that does not start has no `code`, and an old SDK takes it for a verdict.
    pub async fn keyring(&self) -> Keyring {
        let kms = Kms::new(aws::kms(&self.sdk), self.config.kms_key.clone());
        let keyring = Keyring::new(kms, self.core.store.clone());
        if let Err(error) = keyring.load().await {
            tracing::error!(%error, "the keyring is not open yet");
        }
        keyring
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
        let gateway = Gateway::new(self.core, routes);
        let answer = async |event: LambdaEvent<Box<RawValue>>| gateway.answer(event.payload.get()).await;
        lambda_runtime::run(service_fn(answer)).await
    }
}

/// An application as an HTTP API of API Gateway reaches it: by events.
pub struct Gateway {
    app: Router,
    unreadable: Router,
}

impl Gateway {
    /// The application with these routes.
    #[must_use]
    pub fn new(core: Core, routes: Router) -> Self {
        Self {
            app: http::app(core.clone(), routes),
            unreadable: http::refusing(core, || http::Error::MalformedRequest),
        }
    }

    /// Answers an event, whatever it is, in the contract's shape. What Lambda answers for a function that panics has no
    /// `code`, and an old SDK takes it for a verdict.
    ///
    /// # Errors
    ///
    /// If the answer cannot be handed over, which happens to none of ours.
    pub async fn answer(&self, event: &str) -> Result<GatewayResponse, Error> {
        let response = match event::request(event) {
            Ok(request) => self.app.clone().oneshot(request).await,
            Err(Unreadable) => self.unreadable.clone().oneshot(nameless()).await,
        };
        let Ok(response) = response;
        GatewayResponse::of(response).await
    }
}

/// What stands for a request that could not be read: its audit line has the method `none`.
fn nameless() -> Request {
    let mut request = Request::default();
    *request.method_mut() = Method::from_bytes(b"none").unwrap_or_default();
    request
}
