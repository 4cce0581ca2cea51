//! The deployment that a command works on: on AWS, or in a data directory of `latchkey serve`.

mod fresh_seal;

pub(crate) use fresh_seal::FreshSeal;

use crate::error::Error;
use crate::serve::{self, TABLE, engine};
use aws_config::SdkConfig;
use clap::Args;
use rand::rngs::StdRng;
use shared::aws::{OperatorAccess, for_operator, on_this_machine};
use shared::config::Settings;
use shared::domain::environment::{Registration, Tag};
use shared::domain::time::Timestamp;
use shared::operate::{Operator, OperatorConfig};
use shared::ports::{Clock, Entropy as _, NoEntropy, OsEntropy, SystemClock};
use shared::store::{DamagedItem, StoreError};
use shared::vault::keyring::Keyring;
use shared::vault::kms::Kms;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options that select a deployment.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Deployment")]
pub struct Target {
    /// Table name on AWS [default: `LATCHKEY_TABLE`]
    #[arg(long, global = true, value_name = "NAME")]
    pub table: Option<String>,
    /// KMS key that wraps the keyring, by its ID, ARN or alias [default: `LATCHKEY_KMS_KEY_ID`]
    #[arg(long, global = true, value_name = "ID")]
    pub kms_key_id: Option<String>,
    /// Profile in the AWS configuration
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// AWS region
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// Endpoint URL of all AWS services, instead of AWS
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Data directory of a `latchkey serve`, running or not, instead of AWS
    #[arg(long, global = true, value_name = "DIR", conflicts_with_all = ["table", "kms_key_id", "profile", "region", "endpoint_url"])]
    pub local: Option<PathBuf>,
}

/// An open deployment.
pub struct Deployment {
    /// Access to the table.
    pub operator: Operator,
    /// The deployment's clock, which is not the system clock if the local server's was moved.
    pub clock: Arc<dyn Clock>,
    /// The user who runs the command, for the audit line.
    pub actor: String,
    /// The functions' settings, as far as they are set in the operator's environment.
    pub settings: Settings,
    /// The SNS client; `None` if messages go to the outbox.
    pub sns: Option<aws_sdk_sns::Client>,
    kms: Option<Kms>,
    engine: Option<engine::Engine>,
}

impl Deployment {
    /// Opens the deployment that the options select. Creates a missing data directory only if `create` is set.
    ///
    /// # Errors
    ///
    /// [`Error`] if none is selected, or if it cannot be opened.
    pub async fn open(target: &Target, create: bool) -> Result<Self, Error> {
        let config = OperatorConfig::from_env()?;
        match &target.local {
            Some(dir) => Self::local(dir, create, config).await,
            None => Self::aws(target, config).await,
        }
    }

    async fn local(dir: &Path, create: bool, config: OperatorConfig) -> Result<Self, Error> {
        if !create && !engine::table_exists(dir) {
            return Err(Error::NoTable(dir.to_owned()));
        }
        let connection = engine::connect(dir).await?;
        let table = aws_sdk_dynamodb::Client::new(&on_this_machine(&connection.dynamodb_url));
        let kms = aws_sdk_kms::Client::new(&on_this_machine(&connection.kms_url));
        Ok(Self {
            operator: Operator::new(table, TABLE.to_owned()),
            clock: Arc::new(connection.clock),
            actor: config.name,
            settings: Settings::from_env_for_local()?,
            sns: None,
            kms: Some(Kms::new(kms, serve::kms::KEY_ID.to_owned())),
            engine: connection.engine,
        })
    }

    async fn aws(target: &Target, config: OperatorConfig) -> Result<Self, Error> {
        let table = target.table.clone().or(config.table).ok_or(Error::NoDeployment)?;
        let access = OperatorAccess {
            profile: target.profile.clone(),
            region: target.region.clone(),
            endpoint_url: target.endpoint_url.clone(),
        };
        let sdk = for_operator(&access).await;
        if sdk.region().is_none() {
            return Err(Error::NoRegion);
        }
        let key = target.kms_key_id.clone().or(config.kms_key);
        let deployment = Self::with_sdk(&sdk, table, key, config.settings);
        Ok(Self { actor: config.name, ..deployment })
    }

    /// A deployment on AWS, or on a stand-in that `sdk` connects to.
    #[must_use]
    pub fn with_sdk(sdk: &SdkConfig, table: String, kms_key: Option<String>, settings: Settings) -> Self {
        Self {
            operator: Operator::new(aws_sdk_dynamodb::Client::new(sdk), table),
            clock: Arc::new(SystemClock),
            actor: "unknown".to_owned(),
            settings,
            sns: Some(aws_sdk_sns::Client::new(sdk)),
            kms: kms_key.map(|key| Kms::new(aws_sdk_kms::Client::new(sdk), key)),
            engine: None,
        }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A random number generator.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the operating system returns no random bytes.
    pub fn rng(&self) -> Result<StdRng, NoEntropy> {
        OsEntropy.rng()
    }

    /// The KMS key that wraps the keyring.
    ///
    /// # Errors
    ///
    /// [`Error::NoKmsKey`] if none is configured.
    pub fn kms(&self) -> Result<Kms, Error> {
        self.kms.clone().ok_or(Error::NoKmsKey)
    }

    /// The keyring, with its data keys unwrapped.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be loaded.
    pub async fn keyring(&self) -> Result<Keyring, Error> {
        let keyring = Keyring::new(self.kms()?, self.operator.store.clone());
        keyring.load().await?;
        Ok(keyring)
    }

    /// Whether the deployment is a data directory.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.sns.is_none()
    }

    /// Whether functions or a server may be using the deployment.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.engine.is_none()
    }

    /// The environment with this tag, which must exist and must not be being deleted.
    pub(crate) async fn environment(&self, tag: &Tag) -> Result<Registration, Error> {
        let found = self.operator.store.environment(tag).await.map_err(|error| match error {
            StoreError::Corrupt(attribute) => {
                Error::damaged_environments(vec![DamagedItem { name: tag.to_string(), attribute }])
            }
            StoreError::Unavailable { .. } => error.into(),
        })?;
        let found = found.ok_or_else(|| Error::NoEnvironment(tag.clone()))?;
        if found.deleted_at.is_some() { Err(Error::EnvironmentBeingDeleted(tag.clone())) } else { Ok(found) }
    }

    /// Closes the data directory, if this process opened it.
    pub async fn close(self) {
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}
