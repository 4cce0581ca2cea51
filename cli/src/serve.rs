//! The local server: the four functions' routes in one process, over an embedded DynamoDB engine and an SMS outbox.
//!
//! Nothing of the product is replaced here: the real store talks to the engine, and the real sender to the outbox, each
//! through its official client over HTTP.

mod clock;
mod data_dir;
mod dev;
mod dynamo;
pub(crate) mod engine;
mod error;
pub mod faults;
pub mod foreground;
mod guard;
mod keys;
pub mod kms;
pub mod listen;
mod options;
mod private;
mod running;
mod sns;
mod token;

pub use clock::LocalClock;
pub use dev::fault_router;
pub use engine::Endpoints;
pub use error::ServeError;
pub use options::Options;
pub use sns::{Message, Outbox};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use data_dir::DataDir;
use engine::Engine;
use faults::Faults;
use faults::proxy::Proxy;
use listen::{Listener, SHUTDOWN_GRACE};
use running::Running;
use shared::aws;
use shared::core::Core;
use shared::domain::api_key::ApiKey;
use shared::http;
use shared::ports::OsEntropy;
use shared::sms::Sms;
use shared::store::Store;
use shared::vault::keyring::Keyring;
use shared::vault::kms::Kms;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The name of the local table.
pub const TABLE: &str = "latchkey";

/// A running local server. The URLs of its services hold the token.
pub struct Local {
    /// Where it listens: `http://127.0.0.1:8787`.
    pub url: String,
    /// Where its engine speaks DynamoDB's protocol.
    pub dynamodb_url: String,
    /// Where its root key speaks KMS's protocol.
    pub kms_url: String,
    /// Where its outbox speaks SNS's protocol.
    pub sns_url: String,
    /// A key of its environment.
    pub api_key: ApiKey,
    /// Where everything is kept.
    pub data_dir: Option<PathBuf>,
    /// The messages it sent.
    pub outbox: Outbox,
    /// Its clock.
    pub clock: LocalClock,
    /// What its endpoints are given.
    pub core: Core,
    /// Which of its calls fail.
    pub faults: Option<Faults>,
    reached: Endpoints,
    api: Running,
    /// Requests being answered, those included whose client has hung up.
    answers: TaskTracker,
    /// What the API calls: the engine, the root key, the outbox and, with faults, the proxy before them.
    behind: Engine,
}

/// Starts the local server: the engine, then the keys, then the API.
///
/// # Errors
///
/// [`ServeError`] says what is in the way and what to do about it.
pub async fn start(options: Options) -> Result<Local, ServeError> {
    let mut behind =
        Engine::start(options.data_dir.as_deref(), options.dynamodb_port, options.kms_port).await?;
    let (dynamodb_url, kms_url) = (behind.dynamodb_url.clone(), behind.kms_url.clone());

    let listener = Listener::bind(SocketAddr::new(options.addr, options.port), None).await?;
    let url = listener.url().to_owned();

    let clock = behind.clock()?;
    let outbox = Outbox::open(behind.data.as_ref().map(DataDir::outbox_file), clock.clone())?;
    let sns = Listener::loopback(options.sns_port, Some(behind.token.clone())).await?;
    let sns_url = sns.url().to_owned();
    behind.serve(sns, sns::router(outbox.clone()));

    let store = Store::new(aws::dynamodb(&sdk(&dynamodb_url)), TABLE.to_owned());
    store.create_table().await?;
    let keyring = keyring(&kms_url, &store);
    keys::open_keyring(&keyring, &clock).await?;
    let api_key = keys::open_environment(behind.data.as_ref(), &store, &keyring, &clock).await?;

    // The server has started without faults; from here on it is the one they are for.
    let mut reached =
        Endpoints { dynamodb: dynamodb_url.clone(), kms: kms_url.clone(), sns: sns_url.clone() };
    behind.announce(&reached)?;
    if let Some(faults) = options.faults.clone() {
        let listener = Listener::loopback(0, Some(behind.token.clone())).await?;
        let between = listener.url().to_owned();
        let proxy = Proxy { behind: reached, faults, watch: None };
        behind.running.spawn(|stopped| proxy.serve(listener, stopped));
        reached = Endpoints { dynamodb: between.clone(), kms: between.clone(), sns: between };
    }
    let store = Store::new(aws::dynamodb(&sdk(&reached.dynamodb)), TABLE.to_owned());
    let keyring = self::keyring(&reached.kms, &store);
    if let Err(error) = keyring.load().await {
        // As in a function: requests try again.
        tracing::error!(%error, "the keyring is not open yet");
    }

    let core = Core::new(
        store,
        keyring,
        options.settings.policy.clone(),
        Arc::new(clock.clone()),
        Arc::new(OsEntropy),
    );
    let sms = Sms::new(aws::sns(&sdk(&reached.sns)), options.settings.sms.clone());
    let mut routes = routes(&core, sms);
    if options.has_dev() {
        routes = routes.merge(dev::router(outbox.clone(), clock.clone(), options.faults.clone()));
    }
    let answers = TaskTracker::new();
    let app = http::app(core.clone(), routes).layer(from_fn_with_state(answers.clone(), to_its_end));
    let refusals = http::refusing(core.clone(), || http::Error::Foreign);
    let mut api = Running::default();
    api.spawn(|stopped| listener.serve(app, refusals, stopped));
    let Options { data_dir, faults, .. } = options;
    Ok(Local {
        url,
        dynamodb_url,
        kms_url,
        sns_url,
        api_key,
        data_dir,
        outbox,
        clock,
        core,
        faults,
        reached,
        api,
        answers,
        behind,
    })
}

impl Local {
    /// What a server that has just started is given: it holds no key and knows no caller.
    #[must_use]
    pub fn cold_core(&self) -> Core {
        let store = self.core.store.clone();
        let keyring = keyring(&self.reached.kms, &store);
        let policy = (*self.core.policy).clone();
        Core::new(store, keyring, policy, Arc::new(self.clock.clone()), Arc::new(OsEntropy))
    }

    /// Finishes what is being answered and stops.
    pub async fn stop(self) {
        self.api.stop().await;
        self.answers.close();
        let _ = timeout(SHUTDOWN_GRACE, self.answers.wait()).await;
        self.behind.stop().await;
    }
}

/// Answers a request even if its client hangs up meanwhile, as a function does: what was counted is logged, too.
async fn to_its_end(State(answers): State<TaskTracker>, request: Request, next: Next) -> Response {
    let answered = answers.spawn(next.run(request)).await;
    // Panics are caught, and answered, further in.
    answered.unwrap_or_else(|_| http::Error::Panic.into_response())
}

/// The keyring in `store` under the root key that is reached there.
fn keyring(kms_url: &str, store: &Store) -> Keyring {
    Keyring::new(Kms::new(aws::kms(&sdk(kms_url)), kms::KEY_ID.to_owned()), store.clone())
}

/// All four functions' routes.
fn routes(core: &Core, sms: Sms) -> Router {
    http::enroll::router(core.clone())
        .merge(http::challenge::router(core.clone(), sms))
        .merge(http::verify::router(core.clone()))
        .merge(http::factors::router(core.clone()))
}

/// How to reach a service on this machine: with any credentials, and through no proxy of the environment.
#[must_use]
pub fn sdk(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "local", "local", None, None, "local",
        )))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .build()
}
