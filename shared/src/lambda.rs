//! How a function starts: everything slow happens once, in the init phase, with the CPU Lambda gives for it.

use crate::aws;
use crate::config::Config;
use crate::core::Core;
use crate::http;
use crate::keyring::Keyring;
use crate::kms::Kms;
use crate::ports::{OsEntropy, SystemClock};
use crate::sms::Sms;
use crate::store::Store;
use aws_config::BehaviorVersion;
use aws_config::SdkConfig;
use axum::Router;
use lambda_http::Error;
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
        tracing::subscriber::set_global_default(http::logs(&config.settings.log, std::io::stdout)?)?;
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
        lambda_http::run(http::app(self.core, routes)).await
    }
}
