//! How a function starts: everything slow happens once, in the init phase, with the CPU Lambda gives for it.

use crate::aws;
use crate::config::Config;
use crate::core::Core;
use crate::http;
use crate::keyring::{Keyring, RootKey};
use crate::ports::{OsEntropy, SystemClock};
use crate::seal::Seal;
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
    /// Reads the environment, starts the log, builds the clients and opens the keyring. Reading the keyring is the
    /// first call to DynamoDB, so it also opens the connection later requests use.
    ///
    /// # Errors
    ///
    /// Everything that keeps the function from serving: the environment, the root key, the table, the keyring.
    pub async fn start() -> Result<Self, Error> {
        let config = Config::from_env()?;
        tracing::subscriber::set_global_default(http::logs(&config.settings.log, std::io::stdout)?)?;
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let store = Store::new(aws::dynamodb(&sdk), config.table.clone());
        let root = RootKey::read(&config.root_key_file)?;
        let keyring = Keyring::open(&root, &store.keyring().await?)?;
        let policy = config.settings.policy.clone();
        let core = Core::new(store, Seal::new(keyring), policy, Arc::new(SystemClock), Arc::new(OsEntropy));
        Ok(Self { core, sdk, config })
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
