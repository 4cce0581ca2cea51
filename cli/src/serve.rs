//! The local server: the routes of all four functions in one process, with an embedded DynamoDB engine and an SMS
//! outbox.
//!
//! No product code is replaced: the store calls the engine, and the SMS sender the outbox, each with its AWS SDK client.
//! The engine, the root key and the outbox are served on ports for other processes; this process calls them without a
//! connection.

pub mod activity;
mod clock;
mod console;
mod data_dir;
mod dev;
mod dynamo;
pub(crate) mod engine;
mod error;
pub mod faults;
mod first_start;
mod guard;
mod in_process;
pub mod kms;
pub mod listen;
mod options;
pub(crate) mod private;
mod running;
mod sns;
mod token;
mod ttl;

pub use clock::LocalClock;
pub use dev::router as dev_router;
pub use engine::Endpoints;
pub use error::ServeError;
pub use options::Options;
pub use shared::config::Settings;
pub use sns::{Message, Outbox};

use activity::Feed;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use console::{Console, ConsoleKey};
use data_dir::DataDir;
use engine::Engine;
use faults::Faults;
use faults::proxy::Proxy;
use first_start::FirstStart;
use in_process::Route;
use listen::{Listener, SHUTDOWN_GRACE};
use running::RunningTasks;
use shared::aws;
use shared::core::Core;
use shared::domain::api_key::ApiKey;
use shared::http;
use shared::operate::Operator;
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

/// A running local server. The URLs of its services contain the token.
pub struct Local {
    /// The URL of the API: `http://127.0.0.1:8787`.
    pub url: String,
    /// The URL of the DynamoDB endpoint.
    pub dynamodb_url: String,
    /// The URL of the KMS endpoint.
    pub kms_url: String,
    /// The URL of the SNS endpoint.
    pub sns_url: String,
    /// An API key of its environment.
    pub api_key: ApiKey,
    /// The data directory; `None` if everything is in memory.
    pub data_dir: Option<PathBuf>,
    /// The messages that were sent.
    pub outbox: Outbox,
    /// Its clock.
    pub clock: LocalClock,
    /// The services that the endpoints use.
    pub core: Core,
    /// The keyring that the endpoints use.
    pub keyring: Keyring,
    /// Operator access to its table, without injected faults.
    pub operator: Operator,
    /// The injected faults, if any.
    pub faults: Option<Faults>,
    feed: Feed,
    routes: ServiceRoutes,
    api: RunningTasks,
    /// Requests in progress, including those whose client has disconnected.
    requests: TaskTracker,
    /// The services that the API calls: the engine, the root key, the outbox and, with faults, the proxy in front of
    /// them.
    engine: Engine,
}

/// How the API reaches its services.
struct ServiceRoutes {
    dynamodb: Route,
    kms: Route,
    sns: Route,
}

/// Starts the local server: the engine, then the keys, then the API.
///
/// # Errors
///
/// [`ServeError`] if the server cannot start, with a remedy.
pub async fn start(options: Options) -> Result<Local, ServeError> {
    let mut engine =
        Engine::start(options.data_dir.as_deref(), options.dynamodb_port, options.kms_port).await?;
    let (dynamodb_url, kms_url) = (engine.dynamodb_url.clone(), engine.kms_url.clone());

    let listener = Listener::bind(SocketAddr::new(options.addr, options.port), None).await?;
    let url = listener.url().to_owned();

    let clock = engine.clock()?;
    let outbox = Outbox::open(engine.data.as_ref().map(DataDir::outbox_file), clock.clone())?;
    let sns = Listener::loopback(options.sns_port, Some(engine.token.clone())).await?;
    let sns_url = sns.url().to_owned();
    let feed = Feed::new(options.printer.clone());
    let announced = from_fn_with_state(feed.clone(), activity::announce_message);
    let sns = engine.serve(sns, sns::router(outbox.clone()).layer(announced));
    let mut routes = ServiceRoutes {
        dynamodb: Route::Inside(engine.dynamodb.clone()),
        kms: Route::Inside(engine.kms.clone()),
        sns: Route::Inside(sns),
    };

    let operator = Operator::new(aws::dynamodb(&routes.dynamodb.sdk()), TABLE.to_owned());
    operator.create_table().await?;
    let first_start = FirstStart { data: engine.data.as_ref(), operator: &operator, clock: &clock };
    let keyring = first_start.open_keyring(&root_key(&routes.kms)).await?;
    let api_key = first_start.open_environment(&keyring).await?;
    let key = ConsoleKey::new(api_key.clone(), engine.data.as_ref().map(DataDir::api_key_file));
    let services = (root_key(&routes.kms), clock.clone(), feed.clone());
    let console = Console::new(url.clone(), operator.clone(), services, key);

    // Startup calls the services directly. From here on, calls go through the fault proxy.
    let endpoints = Endpoints { dynamodb: dynamodb_url.clone(), kms: kms_url.clone(), sns: sns_url.clone() };
    engine.publish_endpoints(&endpoints)?;
    if let Some(faults) = options.faults.clone() {
        let listener = Listener::loopback(0, Some(engine.token.clone())).await?;
        let url = listener.url().to_owned();
        let proxy = Proxy { upstream: endpoints, faults, watch: None };
        engine.running.spawn(|stopped| proxy.serve(listener, stopped));
        let proxied = Route::Through(url);
        routes = ServiceRoutes { dynamodb: proxied.clone(), kms: proxied.clone(), sns: proxied };
    }
    // Without `--faults`, they can be turned on later.
    let faults = options.faults.clone().unwrap_or_else(Faults::off);
    let routes = ServiceRoutes {
        dynamodb: routes.dynamodb.with_faults(&faults),
        kms: routes.kms.with_faults(&faults),
        sns: routes.sns.with_faults(&faults),
    };
    let store = Store::new(aws::dynamodb(&routes.dynamodb.sdk()), TABLE.to_owned());
    let keyring = Keyring::new(root_key(&routes.kms), store.clone());
    if let Err(error) = keyring.load().await {
        // As in a Lambda function, requests try again.
        tracing::error!(%error, "the keyring could not be loaded");
    }

    let policy = options.settings.policy.clone();
    let core = Core::new(store, policy, Arc::new(clock.clone()), Arc::new(OsEntropy));
    let sms = Sms::new(aws::sns(&routes.sns.sdk()), options.settings.sms.clone());
    let mut api_routes = http::all_routes(&core, &keyring, sms);
    if options.has_dev() {
        api_routes = api_routes.merge(dev_router(outbox.clone(), clock.clone(), faults));
    }
    if options.has_console() {
        api_routes = api_routes.merge(console::router(console));
    }
    let requests = TaskTracker::new();
    let observed = from_fn_with_state(feed.clone(), activity::observe);
    let app = http::app(core.clone(), api_routes)
        .layer(observed.clone())
        .layer(from_fn_with_state(requests.clone(), run_to_completion));
    let refusals = http::error_app(core.clone(), || http::Error::ForeignOrigin).layer(observed);
    let mut api = RunningTasks::default();
    api.spawn(|stopped| listener.serve(app, refusals, stopped));
    engine.collect_expired(clock.clone());
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
        keyring,
        operator,
        faults,
        feed,
        routes,
        api,
        requests,
        engine,
    })
}

impl Local {
    /// A core and keyring as after a restart: no environment is cached, and no key is unwrapped.
    #[must_use]
    pub fn cold(&self) -> (Core, Keyring) {
        let store = self.core.store.clone();
        let keyring = Keyring::new(root_key(&self.routes.kms), store.clone());
        let policy = (*self.core.policy).clone();
        (Core::new(store, policy, Arc::new(self.clock.clone()), Arc::new(OsEntropy)), keyring)
    }

    /// Finishes the requests in progress and stops.
    pub async fn stop(self) {
        self.feed.close();
        self.api.stop().await;
        self.requests.close();
        let _ = timeout(SHUTDOWN_GRACE, self.requests.wait()).await;
        self.engine.stop().await;
    }
}

/// Handles a request to the end even if its client disconnects, as a Lambda function does, so that a counted attempt is
/// also logged.
async fn run_to_completion(State(requests): State<TaskTracker>, request: Request, next: Next) -> Response {
    let response = requests.spawn(next.run(request)).await;
    // Panics are caught by an inner layer, so this does not happen.
    response.unwrap_or_else(|_| http::Error::Panic.into_response())
}

/// The root key, as a KMS key.
fn root_key(route: &Route) -> Kms {
    Kms::new(aws::kms(&route.sdk()), kms::KEY_ID.to_owned())
}
